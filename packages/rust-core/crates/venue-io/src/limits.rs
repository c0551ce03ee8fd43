//! Every bound of the venue sockets.

/// Longest URL accepted. A combined stream of several hundred symbols stands in one.
pub const URL_BYTES_MAX: usize = 16_384;
/// Longest path of a unix socket, in bytes: `sun_path` of Linux less its closing zero.
pub const UNIX_PATH_BYTES_MAX: usize = 107;
/// Default of the largest message received; a larger one ends the session.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Default of the bytes that may wait to be written; past it `send_text` refuses and sends nothing.
pub const WRITE_BYTES_MAX: usize = 1 << 20;
/// Plaintext TLS holds while its handshake runs or its socket is full.
pub const TLS_PLAINTEXT_BYTES_MAX: usize = 64 << 10;
/// Largest file of certificate authorities.
pub const CA_FILE_BYTES_MAX: u64 = 1 << 20;
/// Messages handed over by one `pump`, so that one busy venue does not starve the rest of the loop.
pub const MESSAGES_PER_PUMP_MAX: usize = 1_024;
/// Bytes taken by one `pump` of an HTTP exchange, for the same reason.
pub const HTTP_PUMP_BYTES_MAX: usize = 1 << 20;
/// Default time from `connect` to an open session, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Host names of one process, and lookups of them under way.
pub const NAMES_MAX: usize = 64;
pub const LOOKUPS_MAX: usize = 8;
/// A lookup without an answer after this long has failed; another may begin.
pub const LOOKUP_NS_MAX: u64 = 5_000_000_000;
/// An address is looked up again after this long, and no longer used after that.
pub const NAME_FRESH_NS: u64 = 30_000_000_000;
pub const NAME_USABLE_NS: u64 = 3_600_000_000_000;
/// A failed lookup is not repeated within this time.
pub const NAME_FAILED_KEEP_NS: u64 = 500_000_000;
/// Longest text of a close reason or a fault that is kept.
pub const FAULT_TEXT_BYTES_MAX: usize = 256;
/// First and longest reconnect delay unless a venue has its own, in milliseconds.
pub const BACKOFF_MS_MIN: u64 = 100;
pub const BACKOFF_MS_MAX: u64 = 30_000;
/// Largest head of an HTTP answer, and the most header lines in it.
pub const HTTP_HEAD_BYTES_MAX: usize = 64 << 10;
pub const HTTP_HEADERS_MAX: usize = 64;
/// Default of the largest body of an answer that is not a stream of events.
pub const HTTP_BODY_BYTES_MAX: usize = 16 << 20;
/// Longest line that frames a chunk.
pub const HTTP_CHUNK_LINE_BYTES_MAX: usize = 256;
/// Longest line of an event stream, and the most data of one event.
pub const SSE_LINE_BYTES_MAX: usize = 256 << 10;
pub const SSE_EVENT_BYTES_MAX: usize = 1 << 20;
/// Longest name of an event.
pub const SSE_NAME_BYTES_MAX: usize = 64;

const _: () = assert!(NAME_FRESH_NS < NAME_USABLE_NS && NAME_FAILED_KEEP_NS < LOOKUP_NS_MAX);
const _: () = assert!(BACKOFF_MS_MIN > 0 && BACKOFF_MS_MIN < BACKOFF_MS_MAX);
const _: () = assert!(WRITE_BYTES_MAX >= 64 << 10, "an order request must fit with room to spare");
const _: () = assert!(SSE_LINE_BYTES_MAX <= SSE_EVENT_BYTES_MAX, "an event of one line fits");
