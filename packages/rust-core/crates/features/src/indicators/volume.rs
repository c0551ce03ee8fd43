//! Indicators that weigh by volume.

use super::{Candle, Ema, Total};

/// On-balance volume: volume added on a rise of the close and taken off on a fall; starts at 0 with the first bar.
#[derive(Debug, Clone, Default)]
pub struct OnBalance {
    last: Option<f64>,
    sum: f64,
}

impl OnBalance {
    pub fn next(&mut self, candle: &Candle) -> f64 {
        if let Some(last) = self.last.replace(candle.close) {
            self.sum += match candle.close.partial_cmp(&last) {
                Some(std::cmp::Ordering::Greater) => candle.volume,
                Some(std::cmp::Ordering::Less) => -candle.volume,
                _ => 0.0,
            };
        }
        self.sum
    }
}

/// Where the close lies in the range, times volume: −1 at the low, +1 at the high.
fn money(candle: &Candle) -> f64 {
    let range = candle.high - candle.low;
    if range > 0.0 {
        ((candle.close - candle.low) - (candle.high - candle.close)) / range * candle.volume
    } else {
        0.0
    }
}

/// Accumulation/distribution line.
#[derive(Debug, Clone, Default)]
pub struct Accumulation(f64);

impl Accumulation {
    pub fn next(&mut self, candle: &Candle) -> f64 {
        self.0 += money(candle);
        self.0
    }
}

/// Chaikin's oscillator: EMA(fast) − EMA(slow) of the accumulation line, both seeded with its first value.
#[derive(Debug, Clone)]
pub struct AccumulationOscillator {
    line: Accumulation,
    emas: (Ema, Ema),
    wait: usize,
}

impl AccumulationOscillator {
    pub fn new(fast: usize, slow: usize) -> Self {
        let of = |n: usize| Ema::with_alpha(1, 2.0 / (n as f64 + 1.0));
        Self {
            line: Accumulation::default(),
            emas: (of(fast), of(slow)),
            wait: fast.max(slow).saturating_sub(1),
        }
    }

    pub fn next(&mut self, candle: &Candle) -> Option<f64> {
        let line = self.line.next(candle);
        let (fast, slow) = (self.emas.0.next(line), self.emas.1.next(line));
        if self.wait > 0 {
            self.wait -= 1;
            return None;
        }
        Some(fast? - slow?)
    }
}

/// Chaikin's money flow over `n` bars.
#[derive(Debug, Clone)]
pub struct MoneyFlow {
    money: Total,
    volume: Total,
}

impl MoneyFlow {
    pub fn new(n: usize) -> Self {
        Self { money: Total::new(n), volume: Total::new(n) }
    }

    pub fn next(&mut self, candle: &Candle) -> Option<f64> {
        let (money, volume) = (self.money.next(money(candle)), self.volume.next(candle.volume));
        let volume = volume?;
        Some(if volume > 0.0 { money? / volume } else { 0.0 })
    }
}

/// Elder's force index: EMA of the change of the close times volume.
#[derive(Debug, Clone)]
pub struct ForceIndex {
    last: Option<f64>,
    ema: Ema,
}

impl ForceIndex {
    pub fn new(n: usize) -> Self {
        Self { last: None, ema: Ema::new(n) }
    }

    pub fn next(&mut self, candle: &Candle) -> Option<f64> {
        let last = self.last.replace(candle.close)?;
        self.ema.next((candle.close - last) * candle.volume)
    }
}

/// Mean price by volume of the last `n` bars.
#[derive(Debug, Clone)]
pub struct VolumeWeighted {
    money: Total,
    volume: Total,
}

impl VolumeWeighted {
    pub fn new(n: usize) -> Self {
        Self { money: Total::new(n), volume: Total::new(n) }
    }

    pub fn next(&mut self, price: f64, volume: f64) -> Option<f64> {
        let (money, volume) = (self.money.next(price * volume), self.volume.next(volume));
        let volume = volume?;
        if volume > 0.0 { money.map(|money| money / volume) } else { None }
    }
}

/// Mean price by volume since the session's start.
#[derive(Debug, Clone, Default)]
pub struct Vwap {
    money: f64,
    volume: f64,
}

impl Vwap {
    /// A new session.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    pub fn next(&mut self, price: f64, volume: f64) -> Option<f64> {
        self.money += price * volume;
        self.volume += volume;
        (self.volume > 0.0).then(|| self.money / self.volume)
    }
}
