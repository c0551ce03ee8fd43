//! Every bound of the books.

/// Prices of one side held as a plain array near the touch, in ticks.
pub const LADDER_TICKS: usize = 4_096;
/// Levels of one side held sorted beyond the ladder; past it the farthest from the touch goes and is counted.
pub const OVERFLOW_LEVELS_MAX: usize = 16_384;
/// Diffs kept while a snapshot is awaited; past it the oldest goes and is counted, and the snapshot must be younger.
pub const DIFFS_BUFFERED_MAX: usize = 2_048;

const _: () = assert!(LADDER_TICKS.is_multiple_of(64), "the occupancy map is made of 64-bit words");
const _: () =
    assert!(OVERFLOW_LEVELS_MAX >= LADDER_TICKS, "moving the ladder must lose nothing that was in it");
