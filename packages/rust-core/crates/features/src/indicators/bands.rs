//! Ranges around a price.

use super::{Candle, Ring, Wilder};
use crate::limits::WINDOW_MAX;

/// Middle, upper and lower of a band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    pub middle: f64,
    pub upper: f64,
    pub lower: f64,
}

impl Band {
    /// Width in percent of the middle.
    pub fn width(&self) -> f64 {
        (self.upper - self.lower) / self.middle * 100.0
    }

    /// Where a price lies: 0 at the lower band, 1 at the upper; 0.5 where they meet.
    pub fn place(&self, price: f64) -> f64 {
        let width = self.upper - self.lower;
        if width > 0.0 { (price - self.lower) / width } else { 0.5 }
    }
}

/// Bollinger bands: the mean of `n` and `k` population standard deviations.
#[derive(Debug, Clone)]
pub struct Bollinger {
    ring: Ring,
    /// Sums are of distances from here, or the squares would swallow the variance.
    origin: f64,
    sum: f64,
    squares: f64,
    n: f64,
    k: f64,
}

impl Bollinger {
    pub fn new(n: usize, k: f64) -> Self {
        let n = n.clamp(1, WINDOW_MAX);
        Self { ring: Ring::new(n), origin: 0.0, sum: 0.0, squares: 0.0, n: n as f64, k }
    }

    #[inline]
    pub fn next(&mut self, value: f64) -> Option<Band> {
        if self.ring.wrapped() {
            // Once a window, and before the first: all anew from a near origin.
            self.origin = value;
            (self.sum, self.squares) = (0.0, 0.0);
            for item in self.ring.items() {
                let gap = item - value;
                self.sum += gap;
                self.squares += gap * gap;
            }
        }
        let gap = value - self.origin;
        if let Some(old) = self.ring.push(value) {
            let out = old - self.origin;
            self.sum -= out;
            self.squares -= out * out;
        }
        self.sum += gap;
        self.squares += gap * gap;
        if !self.ring.is_full() {
            return None;
        }
        let mean = self.sum / self.n;
        let deviation = (self.squares / self.n - mean * mean).max(0.0).sqrt() * self.k;
        let middle = self.origin + mean;
        Some(Band { middle, upper: middle + deviation, lower: middle - deviation })
    }
}

/// The greatest of today's range and its distance from the close before.
pub fn true_range(candle: &Candle, close_before: f64) -> f64 {
    let range = candle.high - candle.low;
    range.max((candle.high - close_before).abs()).max((candle.low - close_before).abs())
}

/// Average true range, Wilder's. The first bar only gives a close.
#[derive(Debug, Clone)]
pub struct Atr {
    close: Option<f64>,
    mean: Wilder,
}

impl Atr {
    pub fn new(n: usize) -> Self {
        Self { close: None, mean: Wilder::new(n) }
    }

    pub fn next(&mut self, candle: &Candle) -> Option<f64> {
        let before = self.close.replace(candle.close)?;
        self.mean.next(true_range(candle, before))
    }
}

/// Heikin-Ashi bars. The first opens at the middle of its own open and close.
#[derive(Debug, Clone, Default)]
pub struct HeikinAshi(Option<Candle>);

impl HeikinAshi {
    pub fn next(&mut self, candle: &Candle) -> Candle {
        let close = (candle.open + candle.high + candle.low + candle.close) / 4.0;
        let open = match self.0 {
            Some(last) => (last.open + last.close) / 2.0,
            None => (candle.open + candle.close) / 2.0,
        };
        let (high, low) = (candle.high.max(open).max(close), candle.low.min(open).min(close));
        let bar = Candle { open, high, low, close, volume: candle.volume };
        self.0 = Some(bar);
        bar
    }
}
