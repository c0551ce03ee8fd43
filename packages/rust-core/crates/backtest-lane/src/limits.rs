//! Every bound of the lane.

/// Tapes that one process keeps open. They stay mapped for its life, so that many runs over one day check it once.
pub const TAPES_MAX: usize = 256;
/// Samples of the account of one run, all instruments together.
pub const SAMPLES_MAX: usize = 1 << 22;
/// Fills of one run that are kept row by row.
pub const FILLS_MAX: usize = 1 << 22;
/// Ticks between the lowest and the highest price of a tape up to which its book is a vector; a sorted map beyond.
pub const VECTOR_TICKS_MAX: i64 = 1 << 22;
/// Bytes of a run's configuration: recorded latencies are the bulk of it.
pub const CONFIG_BYTES_MAX: usize = 1 << 28;
/// Cancels that wait for the answer to their order; the strategy's host holds no more orders than that.
pub const DEFERRED_MAX: usize = tidegate_backtest::limits::ORDERS_MAX;
/// Turns of gateway and router that one event may cause; more is a fault of theirs.
pub const TURNS_MAX: usize = 64;
/// Frames the command link takes: as many as it has live, and it is never behind here.
pub const CREDITS: usize = 16_384;
/// Rows of the gateway's words shown at once; the rest comes with the next poll, before any market data.
pub const TELLS_MAX: usize = tidegate_engine::strategy::layout::EVENTS_MAX;
