//! How long to wait before the next attempt to connect.

use crate::limits::{BACKOFF_MS_MAX, BACKOFF_MS_MIN};

/// Doubling delays with jitter from a seed: pure, so that a replay waits the same.
#[derive(Debug, Clone)]
pub struct Backoff {
    attempt: u32,
    state: u64,
    ms_min: u64,
    ms_max: u64,
}

impl Backoff {
    /// A back-off whose jitter follows from `seed`; give each session its own.
    pub const fn new(seed: u64) -> Self {
        Self::between(seed, BACKOFF_MS_MIN, BACKOFF_MS_MAX)
    }

    /// A back-off with a venue's own first and longest delay, in milliseconds.
    pub const fn between(seed: u64, ms_min: u64, ms_max: u64) -> Self {
        let ms_min = if ms_min == 0 { 1 } else { ms_min };
        Self { attempt: 0, state: seed, ms_min, ms_max: if ms_max < ms_min { ms_min } else { ms_max } }
    }

    /// The next delay in milliseconds: between half of and the whole of `min * 2^attempt`, never above the longest.
    pub fn next_delay_ms(&mut self) -> u64 {
        let ceiling = self.ms_min.saturating_mul(1_u64 << self.attempt.min(20)).min(self.ms_max);
        self.attempt = self.attempt.saturating_add(1);
        let half = ceiling / 2;
        ceiling - half + self.draw() % (half + 1)
    }

    /// When to try again after a failure at `now_ns`, on the same clock.
    pub fn next_at(&mut self, now_ns: u64) -> u64 {
        now_ns.saturating_add(self.next_delay_ms() * 1_000_000)
    }

    /// A session opened: the next failure starts again from the shortest delay.
    pub const fn reset(&mut self) {
        self.attempt = 0;
    }

    /// SplitMix64.
    const fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn b009_delays_double_within_half_jitter_and_a_ceiling(seed: u64) {
            let mut backoff = Backoff::new(seed);
            for attempt in 0..40_u32 {
                let whole = (BACKOFF_MS_MIN << attempt.min(20)).min(BACKOFF_MS_MAX);
                let delay = backoff.next_delay_ms();
                prop_assert!((whole / 2..=whole).contains(&delay), "attempt {attempt}: {delay}");
            }
            backoff.reset();
            let at = backoff.clone().next_at(5);
            prop_assert_eq!(at, 5 + backoff.next_delay_ms() * 1_000_000);
            prop_assert!(at <= 5 + BACKOFF_MS_MIN * 1_000_000);
            prop_assert_eq!(backoff.next_at(u64::MAX), u64::MAX);
        }
    }

    #[test]
    fn two_sessions_do_not_march_in_step() {
        let delays = |seed| {
            let mut b = Backoff::new(seed);
            (0..10).map(|_| b.next_delay_ms()).collect::<Vec<_>>()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }
}
