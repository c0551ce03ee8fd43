//! Every bound of the books.

/// Prices of one side held as a plain array near the touch, in ticks. Memory the array never touched is never resident.
pub const LADDER_TICKS: usize = 131_072;
/// Levels of one side held sorted beyond the ladder; past it the farthest from the touch goes and is counted.
pub const OVERFLOW_LEVELS_MAX: usize = 131_072;
/// Widest price range of a bounded book, in ticks.
pub const BOUNDED_TICKS_MAX: usize = 1 << 22;
/// Diffs kept while a snapshot is awaited; past it the oldest goes and is counted, and the snapshot must be younger.
pub const DIFFS_BUFFERED_MAX: usize = 2_048;
/// Levels kept in the diffs that wait, both sides together; past it the oldest diff goes and is counted.
pub const LEVELS_BUFFERED_MAX: usize = 262_144;
/// Live orders of one L3 book, unless the caller sets fewer; one more is refused.
pub const ORDERS_MAX: usize = 1 << 20;
/// Levels of a side of a book that a message replaces as a whole; a deeper message is refused.
pub const TOP_LEVELS_MAX: usize = 64;
/// A whole book may be older than the one before by so much, in ns of venue time, and be a late message without effect. What
/// lies further back is the venue's clock, set back: a connection keeps its order, so it is the newest all the same.
pub const LATE_NS_MAX: i64 = 1_000_000_000;
/// Venues of one consolidated book; one more is refused.
pub const VENUES_MAX: usize = 32;
/// Most levels a side that a checksum covers.
pub const CHECKSUM_LEVELS_MAX: usize = 25;

const _: () = assert!(LADDER_TICKS.is_multiple_of(4_096), "the occupancy map is made of 64 words of 64 bits");
const _: () =
    assert!(OVERFLOW_LEVELS_MAX >= LADDER_TICKS, "moving the ladder must lose nothing that was in it");
const _: () = assert!(ORDERS_MAX < u32::MAX as usize, "an order's slot is 32 bits");
