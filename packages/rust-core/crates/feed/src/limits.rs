//! Every bound of a feed session.

/// Longest name of a stream, in bytes.
pub const STREAM_NAME_BYTES_MAX: usize = 96;
/// Streams of one session, whatever a venue allows.
pub const STREAMS_MAX: usize = 4_096;
/// Sessions of one plan.
pub const SHARDS_MAX: usize = 64;
/// Codes of one list of a venue.
pub const CODES_MAX: usize = 64;
/// Ranges of one set of windows.
pub const RANGES_MAX: usize = 8;
/// Longest time any rule may name, in milliseconds: a week.
pub const RULE_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// Longest reason that is kept, in bytes.
pub const REASON_BYTES_MAX: usize = 128;
/// Attempts after which a stream the venue refuses is given up.
pub const STREAM_ATTEMPTS_MAX: u32 = 10;
/// Waits between attempts for one refused stream, in seconds; the last one repeats.
pub const STREAM_RETRY_S: [u64; 6] = [60, 120, 300, 600, 1_800, 3_600];

const _: () = assert!(STREAM_RETRY_S.len() < STREAM_ATTEMPTS_MAX as usize);
