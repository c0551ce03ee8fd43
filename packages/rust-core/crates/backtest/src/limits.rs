//! Every bound of the backtester.

/// Rows of one tape; a longer day is several tapes.
pub const ROWS_MAX: usize = 1 << 31;
/// Open orders of one instrument; one more is refused at submission.
pub const ORDERS_MAX: usize = 4_096;
/// Orders on the way to the venue, or answers on the way back, of one instrument; one more is refused at submission.
pub const IN_FLIGHT_MAX: usize = 16_384;
/// Instruments of one run.
pub const ASSETS_MAX: usize = 64;
/// Rows of a recorded order latency.
pub const LATENCY_ROWS_MAX: usize = 1 << 24;
/// Longest latency of an order or of its answer, in ns: one minute.
pub const LATENCY_NS_MAX: i64 = 60_000_000_000;
/// Bytes of a tape's header.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an unpacked array of hftbacktest's; a longer day is several files.
pub const NPZ_BYTES_MAX: usize = 1 << 33;
