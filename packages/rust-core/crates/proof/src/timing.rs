//! Rounds, medians and the tail of single operations.

use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Runs once; gives the seconds it took and what it gave.
pub fn timed<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let value = run();
    (start.elapsed().as_secs_f64(), value)
}

/// The middle value, 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Each item by itself: the tail of their times.
pub fn each<T>(items: &[T], mut run: impl FnMut(&T)) -> Value {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let start = Instant::now();
        run(item);
        all.push(start.elapsed());
    }
    tail(all)
}

/// What two readings of the clock cost, in ns: it is in every duration of [`each`].
pub fn clock_ns() -> u64 {
    let mut all: Vec<Duration> = (0..10_001).map(|_| Instant::now().elapsed()).collect();
    all.sort_unstable();
    all[all.len() / 2].as_nanos() as u64
}

/// p50, p99, p99.9 and the largest of single durations, in ns, with the cost of reading the clock in them.
pub fn tail(mut each: Vec<Duration>) -> Value {
    each.sort_unstable();
    let at = |share: f64| {
        let index = ((each.len().saturating_sub(1)) as f64 * share) as usize;
        each.get(index).map_or(0, |one| one.as_nanos() as u64)
    };
    json!({ "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) })
}
