//! Every bound of the venue sockets.

/// Longest URL accepted.
pub const URL_BYTES_MAX: usize = 2_048;
/// Default of the largest message received; a larger one ends the session.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Default of the bytes that may wait to be written; past it `send_text` refuses and sends nothing.
pub const WRITE_BYTES_MAX: usize = 1 << 20;
/// Messages handed over by one `pump`, so that one busy venue does not starve the rest of the loop.
pub const MESSAGES_PER_PUMP_MAX: usize = 1_024;
/// Default time from `connect` to an open session, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Longest text of a close reason or a fault that is kept.
pub const FAULT_TEXT_BYTES_MAX: usize = 256;
/// First and longest reconnect delay, in milliseconds.
pub const BACKOFF_MS_MIN: u64 = 100;
pub const BACKOFF_MS_MAX: u64 = 30_000;

const _: () = assert!(BACKOFF_MS_MIN > 0 && BACKOFF_MS_MIN < BACKOFF_MS_MAX);
const _: () = assert!(WRITE_BYTES_MAX >= 64 << 10, "an order request must fit with room to spare");
