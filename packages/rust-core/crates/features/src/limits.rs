//! Every bound and constant of the features.

/// Half-life of the trade-sign average, in nanoseconds of venue time.
pub const TRADE_SIGN_HALF_LIFE_NS: i64 = 1_000_000_000;
/// Trades since a reset before the trade-sign average counts as warm.
pub const WARM_TRADES_MIN: u64 = 20;
/// Levels a side that the deep imbalance looks at.
pub const DEEP_LEVELS: usize = 5;
/// Sizes are clamped to this in ratios, so that no product overflows; no venue shows more.
pub const QTY_LOTS_MAX: i64 = 1 << 53;
