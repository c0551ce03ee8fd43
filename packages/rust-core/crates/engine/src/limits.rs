//! Every bound of the hot loops.

/// Control calls waiting for one loop; the next is refused.
pub const CALLS_MAX: usize = 64;
/// Events waiting for JavaScript; beyond it the oldest is dropped and counted.
pub const EVENTS_MAX: usize = 8_192;
/// Longest wait of a loop without looking at its stop flag, in milliseconds.
pub const WAIT_MS_MAX: i64 = 100;
/// Longest latency the histograms tell apart, in nanoseconds.
pub const LATENCY_NS_MAX: u64 = 60_000_000_000;

const _: () = assert!(WAIT_MS_MAX <= 100, "a thread blocked in native code cannot be stopped from outside");
