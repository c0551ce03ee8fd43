//! How often a venue may be spoken to.

use std::collections::VecDeque;

/// Messages of one connection in a second, as a sliding window: never more than `per_second` in any second.
#[derive(Debug, Clone)]
pub struct MessageBudget {
    per_second: u32,
    sent: VecDeque<u64>,
}

impl MessageBudget {
    /// A budget; 0 = no bound.
    pub fn new(per_second: u32) -> Self {
        Self { per_second, sent: VecDeque::new() }
    }

    /// Whether one more may go now, without taking it.
    pub fn allows(&mut self, mono_ns: u64) -> bool {
        while self.sent.front().is_some_and(|at| mono_ns.saturating_sub(*at) > 1_000_000_000) {
            self.sent.pop_front();
        }
        self.per_second == 0 || self.sent.len() < self.per_second as usize
    }

    /// Takes one, granted or not asked for (a pong).
    pub fn take(&mut self, mono_ns: u64) {
        if self.per_second > 0 {
            if self.sent.len() >= self.per_second as usize {
                self.sent.pop_front();
            }
            self.sent.push_back(mono_ns);
        }
    }

    /// A new connection begins with the whole budget.
    pub fn clear(&mut self) {
        self.sent.clear();
    }
}

/// Attempts to connect of one address in a window, over all connections of a venue.
#[derive(Debug, Clone)]
pub struct ConnectBudget {
    max: u32,
    window_ns: u64,
    made: VecDeque<u64>,
}

impl ConnectBudget {
    /// A budget; `max` 0 = no bound.
    pub fn new(max: u32, window_ms: u64) -> Self {
        Self { max, window_ns: window_ms.saturating_mul(1_000_000), made: VecDeque::new() }
    }

    /// Takes one attempt where the window has room.
    pub fn try_take(&mut self, mono_ns: u64) -> bool {
        if self.max == 0 {
            return true;
        }
        while self.made.front().is_some_and(|at| mono_ns.saturating_sub(*at) > self.window_ns) {
            self.made.pop_front();
        }
        let room = self.made.len() < self.max as usize;
        if room {
            self.made.push_back(mono_ns);
        }
        room
    }
}
