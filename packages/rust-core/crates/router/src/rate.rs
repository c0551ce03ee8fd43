//! Sliding-window budgets.

use std::collections::VecDeque;

/// At most `max` acts in any `window_ns`; a sliding window, so that no boundary of a fixed one doubles the rate.
#[derive(Debug, Clone)]
pub struct Window {
    window_ns: u64,
    max: usize,
    times: VecDeque<u64>,
}

impl Window {
    /// An empty window.
    pub const fn new(window_ns: u64, max: usize) -> Self {
        Self { window_ns, max, times: VecDeque::new() }
    }

    /// Takes one act at `now_ns` if fewer than `limit` (and never more than the window's own) lie in the window.
    pub fn take(&mut self, now_ns: u64, limit: usize) -> bool {
        self.expire(now_ns);
        if self.times.len() >= limit.min(self.max) {
            return false;
        }
        self.times.push_back(now_ns);
        true
    }

    /// Acts in the window that ends at `now_ns`.
    pub fn used(&mut self, now_ns: u64) -> usize {
        self.expire(now_ns);
        self.times.len()
    }

    /// The window's own limit.
    pub const fn max(&self) -> usize {
        self.max
    }

    fn expire(&mut self, now_ns: u64) {
        while self.times.front().is_some_and(|&t| now_ns.saturating_sub(t) >= self.window_ns) {
            self.times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a23_b018_no_window_ever_holds_more_than_its_limit(steps in prop::collection::vec(0_u64..30, 1..300), max in 1_usize..20) {
            let mut window = Window::new(100, max);
            let mut now = 0;
            let mut taken = Vec::new();
            for step in steps {
                now += step;
                if window.take(now, max) {
                    taken.push(now);
                } else {
                    let busy = taken.iter().filter(|&&t| t + 100 > now).count();
                    prop_assert_eq!(busy, max, "refused with room left");
                }
            }
            for &end in &taken {
                prop_assert!(taken.iter().filter(|&&t| t <= end && t + 100 > end).count() <= max);
            }
        }
    }

    #[test]
    fn a_lower_limit_leaves_the_reserve() {
        let mut window = Window::new(100, 10);
        assert_eq!((0..20).filter(|_| window.take(1, 8)).count(), 8);
        assert_eq!((0..20).filter(|_| window.take(1, 10)).count(), 2);
        assert_eq!((window.used(1), window.used(101)), (10, 0));
    }
}
