//! The two clocks of a hot loop.

use rustix::time::{ClockId, clock_gettime};

const NS: i64 = 1_000_000_000;

/// `CLOCK_MONOTONIC` in ns: comparable between processes of this host, with nothing else.
pub fn mono_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * NS + now.tv_nsec).unwrap_or(0)
}

/// Nanoseconds since the Unix epoch.
pub fn epoch_ns() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec * NS + now.tv_nsec
}
