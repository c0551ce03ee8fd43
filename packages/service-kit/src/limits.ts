/** Every bound of the kit, in one place. */

/** Largest request body a service reads. */
export const HTTP_BODY_BYTES_MAX = 64 * 1024;
/** A client has this long to send its headers, and this long for the whole request. */
export const HTTP_HEADERS_MS_MAX = 5_000;
export const HTTP_REQUEST_MS_MAX = 10_000;
/** Connections a service's HTTP end holds at once; further ones are closed. */
export const HTTP_CONNECTIONS_MAX = 64;
/** How long `events()` of the engine waits for the first event. */
export const ENGINE_EVENTS_WAIT_MS = 250;
/** A control call into a hot loop that says nothing else gives up after this. */
export const ENGINE_CALL_MS = 5_000;
/** Secret texts the log scrubber remembers; a further one is a bug and refused. */
export const SECRETS_MAX = 64;
/** Shorter secrets are redacted by type only: scrubbing them from text would redact half the words. */
export const SECRET_SCRUB_CHARS_MIN = 6;
/** Numeric leaves of a statistics object that are exported; the rest is counted as left off. */
export const STAT_LEAVES_MAX = 512;
/** Spans waiting for the exporter; further ones are dropped and counted. */
export const SPANS_QUEUED_MAX = 8_192;
/** Attributes of one span; the rest is left off. */
export const SPAN_ATTRIBUTES_MAX = 64;
/** How often a process looks whether its parent still lives. */
export const PARENT_POLL_MS = 250;
/** Largest configuration file that is read. */
export const CONFIG_FILE_BYTES_MAX = 1024 * 1024;
