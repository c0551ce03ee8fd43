//! Every bound and constant of the features.

/// Half-life of the trade-sign average, in nanoseconds of venue time.
pub const TRADE_SIGN_HALF_LIFE_NS: i64 = 1_000_000_000;
/// Trades since a reset before the trade-sign average counts as warm.
pub const WARM_TRADES_MIN: u64 = 20;
/// Levels a side that the deep imbalance looks at.
pub const DEEP_LEVELS: usize = 5;
/// Sizes are clamped to this in ratios, so that no product overflows; no venue shows more.
pub const QTY_LOTS_MAX: i64 = 1 << 53;
/// Prices beyond ± this are no prices: twice one must still be exact in JavaScript.
pub const PX_TICKS_MAX: i64 = 1 << 51;
/// Levels a side that a kernel is shown.
pub const VIEW_LEVELS: usize = 5;
/// Events of one batch from outside Rust.
pub const BATCH_EVENTS_MAX: usize = 100_000;
/// Features of one set at most: a mask of them is 32 bits.
pub const FEATURES_MAX: usize = 32;
/// Products of mid changes in the autocovariance.
pub const AUTOCOV_PRODUCTS: usize = 40;
/// Mid changes and order flow are clamped to this before they are multiplied with each other.
pub const FACTOR_MAX: i64 = 1 << 30;
/// Mid changes are clamped to this in the autocovariance, so that the sum of its products fits a word.
pub const CHANGE_MAX: i64 = 1 << 28;
/// What an EMA may be fed: a difference of two still fits 64.64 bits.
pub const EMA_INPUT_MAX: i64 = 1 << 60;
/// Buckets that the volume-synchronised toxicity averages over.
pub const VPIN_BUCKETS: usize = 50;
/// Trades whose volume gives the size of a toxicity bucket.
pub const VPIN_TRADES_MIN: u64 = 500;
/// Samples of one second that realised volatility looks back on.
pub const VOL_SAMPLES: usize = 60;
/// Window of a moving indicator, at most.
pub const WINDOW_MAX: usize = 4_096;
/// Closed bars that a late trade may still correct.
pub const BARS_CORRECTABLE_MAX: usize = 64;

const _: () = assert!(CHANGE_MAX.pow(2) <= i64::MAX / (2 * AUTOCOV_PRODUCTS as i64));
const _: () = assert!(FEATURES_MAX <= 32, "masks have 32 bits");
const _: () = assert!(PX_TICKS_MAX < EMA_INPUT_MAX && QTY_LOTS_MAX < EMA_INPUT_MAX / 64);
/// Trades a bar builder keeps for late trades, corrections and cancels.
pub const TRADES_KEPT_MAX: usize = 65_536;
/// Flat bars issued for one quiet stretch, the newest.
pub const QUIET_BARS_MAX: i64 = 1_440;
