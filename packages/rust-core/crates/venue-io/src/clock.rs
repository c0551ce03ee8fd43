//! The two clocks of this host.

use rustix::time::{ClockId, clock_gettime};

/// One moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// `CLOCK_REALTIME`, nanoseconds since the Unix epoch.
    pub epoch_ns: i64,
    /// `CLOCK_MONOTONIC`, nanoseconds; never compared across hosts.
    pub mono_ns: u64,
}

/// Now, on both clocks.
pub fn now() -> Stamp {
    Stamp { epoch_ns: epoch_ns(), mono_ns: mono_ns() }
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub fn mono_ns() -> u64 {
    let t = clock_gettime(ClockId::Monotonic);
    (t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64)
}

/// `CLOCK_REALTIME` in nanoseconds since the Unix epoch.
pub fn epoch_ns() -> i64 {
    let t = clock_gettime(ClockId::Realtime);
    t.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec)
}
