//! Moving averages.

use super::{Ring, Total};
use crate::limits::WINDOW_MAX;

/// Simple moving average.
#[derive(Debug, Clone)]
pub struct Sma {
    total: Total,
    scale: f64,
}

impl Sma {
    /// Of the last `n`.
    pub fn new(n: usize) -> Self {
        Self { total: Total::new(n), scale: n.clamp(1, WINDOW_MAX) as f64 }
    }

    #[inline]
    pub fn next(&mut self, value: f64) -> Option<f64> {
        self.total.next(value).map(|sum| sum / self.scale)
    }
}

/// Exponential average seeded with the mean of the first `n`.
#[derive(Debug, Clone)]
pub struct Ema {
    alpha: f64,
    n: usize,
    seen: usize,
    value: f64,
}

impl Ema {
    /// α = 2 / (n + 1).
    pub fn new(n: usize) -> Self {
        Self::with_alpha(n, 2.0 / (n as f64 + 1.0))
    }

    /// Another α, the same seed.
    pub fn with_alpha(n: usize, alpha: f64) -> Self {
        Self { alpha, n: n.max(1), seen: 0, value: 0.0 }
    }

    #[inline]
    pub fn next(&mut self, value: f64) -> Option<f64> {
        if self.seen >= self.n {
            self.value += (value - self.value) * self.alpha;
            return Some(self.value);
        }
        self.seen += 1;
        self.value += value;
        (self.seen == self.n).then(|| {
            self.value /= self.n as f64;
            self.value
        })
    }
}

/// Wilder's average: α = 1 / n, seeded with the mean of the first `n`.
#[derive(Debug, Clone)]
pub struct Wilder(Ema);

impl Wilder {
    pub fn new(n: usize) -> Self {
        Self(Ema::with_alpha(n, 1.0 / n.max(1) as f64))
    }

    #[inline]
    pub fn next(&mut self, value: f64) -> Option<f64> {
        self.0.next(value)
    }
}

/// Double exponential average: 2 EMA − EMA of EMA.
#[derive(Debug, Clone)]
pub struct Dema(Ema, Ema);

impl Dema {
    pub fn new(n: usize) -> Self {
        Self(Ema::new(n), Ema::new(n))
    }

    pub fn next(&mut self, value: f64) -> Option<f64> {
        let one = self.0.next(value)?;
        self.1.next(one).map(|two| 2.0 * one - two)
    }
}

/// Tillson's T3: six EMAs in a row, volume factor `v`.
#[derive(Debug, Clone)]
pub struct T3 {
    emas: [Ema; 6],
    factors: [f64; 4],
}

impl T3 {
    pub fn new(n: usize, v: f64) -> Self {
        let (two, three) = (v * v, v * v * v);
        let factors =
            [-three, 3.0 * (two + three), -6.0 * two - 3.0 * (v + three), 1.0 + 3.0 * v + three + 3.0 * two];
        Self { emas: std::array::from_fn(|_| Ema::new(n)), factors }
    }

    pub fn next(&mut self, value: f64) -> Option<f64> {
        let mut at = [0.0; 6];
        let mut input = value;
        for (ema, place) in self.emas.iter_mut().zip(&mut at) {
            input = ema.next(input)?;
            *place = input;
        }
        let [.., three, four, five, six] = at;
        Some([six, five, four, three].iter().zip(self.factors).map(|(ema, factor)| ema * factor).sum())
    }
}

/// Triangular average: a mean of a mean.
#[derive(Debug, Clone)]
pub struct Triangular(Sma, Sma);

impl Triangular {
    pub fn new(n: usize) -> Self {
        // 5 is 3 then 3; 6 is 3 then 4.
        Self(Sma::new(n.div_ceil(2)), Sma::new(n / 2 + 1))
    }

    pub fn next(&mut self, value: f64) -> Option<f64> {
        let one = self.0.next(value)?;
        self.1.next(one)
    }
}

/// Linearly weighted average: the newest of `n` weighs `n`, the oldest 1.
#[derive(Debug, Clone)]
pub struct LinearWeighted(Ring);

impl LinearWeighted {
    pub fn new(n: usize) -> Self {
        Self(Ring::new(n))
    }

    pub fn next(&mut self, value: f64) -> Option<f64> {
        self.0.push(value);
        let weighted =
            || -> f64 { self.0.in_order().enumerate().map(|(n, value)| (n + 1) as f64 * value).sum() };
        let n = self.0.items().len() as f64;
        self.0.is_full().then(|| weighted() / (n * (n + 1.0) / 2.0))
    }
}

/// Exponential average of a price moved ahead by its change over half the window.
#[derive(Debug, Clone)]
pub struct ZeroLag {
    lag: Ring,
    ema: Ema,
}

impl ZeroLag {
    pub fn new(n: usize) -> Self {
        Self { lag: Ring::new((n.max(3) - 1).div_ceil(2)), ema: Ema::new(n) }
    }

    pub fn next(&mut self, value: f64) -> Option<f64> {
        let before = self.lag.push(value)?;
        self.ema.next(2.0 * value - before)
    }
}
