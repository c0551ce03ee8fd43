//! Extremes of a window in amortised constant time.

use crate::limits::WINDOW_MAX;
use std::collections::VecDeque;

/// Highest or lowest of the last `n`, and how long ago it was.
#[derive(Debug, Clone)]
struct Extreme {
    /// (position, value); the front is the extreme, values get no better to the back.
    queue: VecDeque<(u64, f64)>,
    highest: bool,
}

impl Extreme {
    fn push(&mut self, at: u64, value: f64, n: u64) {
        // Of equals the youngest stays.
        while self
            .queue
            .back()
            .is_some_and(|last| if self.highest { last.1 <= value } else { last.1 >= value })
        {
            self.queue.pop_back();
        }
        self.queue.push_back((at, value));
        while self.queue.front().is_some_and(|first| first.0 + n <= at) {
            self.queue.pop_front();
        }
    }
}

/// Highest and lowest of the last `n` inputs.
#[derive(Debug, Clone)]
pub struct Extremes {
    high: Extreme,
    low: Extreme,
    n: u64,
    seen: u64,
}

/// What [`Extremes`] gives: value and how many inputs ago, of the highest and of the lowest.
pub(super) type Found = ((f64, u64), (f64, u64));

impl Extremes {
    pub fn new(n: usize) -> Self {
        let n = n.clamp(1, WINDOW_MAX);
        let of = |highest| Extreme { queue: VecDeque::with_capacity(n + 1), highest };
        Self { high: of(true), low: of(false), n: n as u64, seen: 0 }
    }

    /// Highest and lowest once `n` are there.
    pub fn next(&mut self, high: f64, low: f64) -> Option<(f64, f64)> {
        self.found(high, low).map(|(high, low)| (high.0, low.0))
    }

    pub(super) fn found(&mut self, high: f64, low: f64) -> Option<Found> {
        self.seen += 1;
        self.high.push(self.seen, high, self.n);
        self.low.push(self.seen, low, self.n);
        let (high, low) = (self.high.queue.front()?, self.low.queue.front()?);
        (self.seen >= self.n).then_some(((high.1, self.seen - high.0), (low.1, self.seen - low.0)))
    }
}

/// The middle between the highest and lowest of the last `n`.
#[derive(Debug, Clone)]
pub struct Midpoint(Extremes);

impl Midpoint {
    pub fn new(n: usize) -> Self {
        Self(Extremes::new(n))
    }

    pub fn next(&mut self, value: f64) -> Option<f64> {
        self.0.next(value, value).map(|(high, low)| (high + low) / 2.0)
    }
}
