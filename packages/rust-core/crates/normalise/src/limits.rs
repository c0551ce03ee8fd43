//! Every bound of the normaliser.

/// Longest message looked at, in bytes; a longer one is refused unread. A 5,000-level snapshot is about 320 KiB.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Most levels of one side of one message; the venue's deepest snapshot.
pub const LEVELS_MAX: usize = 5_000;
/// Symbols of one reader: a connection of the venue carries 1,024 streams.
pub const SYMBOLS_MAX: usize = 1_024;
/// Deepest nesting of JSON looked into.
pub const DEPTH_MAX: usize = 16;
/// Latest venue time accepted, in ms since the epoch (year 2100): a stamp in another unit is refused, not guessed at.
pub const TIME_MS_MAX: i64 = 4_102_444_800_000;

const _: () = assert!(MESSAGE_BYTES_MAX > 2 * LEVELS_MAX * 64, "the deepest snapshot must fit");
const _: () = assert!(TIME_MS_MAX < i64::MAX / 1_000_000, "a venue time must fit in ns");
