/** Insert tokens ClickHouse remembers for each table; a retry comes within a few inserts, a backlog within thousands. */
export const DEDUP_WINDOW = 10_000;
/** Largest body of one insert, in bytes: one HTTP request, one part. */
export const INSERT_BYTES_MAX = 64 * 2 ** 20;
/** The client gives up a request after this. */
export const REQUEST_MS_MAX = 10_000;
/** The embedded host has to answer within this. */
export const EMBEDDED_START_MS_MAX = 20_000;
/** It has this long to end after its input has ended; then it is killed, which loses nothing that was acknowledged. */
export const EMBEDDED_STOP_MS_MAX = 1_500;
