//! Momentum.

use super::bands::true_range;
use super::{Candle, Ema, Extremes, Ring, Sma, Total, Wilder};

/// Wilder's relative strength: averages of gains and losses seeded with the mean of the first `n` changes. 0 where nothing moved.
#[derive(Debug, Clone)]
pub struct Rsi {
    last: Option<f64>,
    gain: Wilder,
    loss: Wilder,
}

impl Rsi {
    pub fn new(n: usize) -> Self {
        Self { last: None, gain: Wilder::new(n), loss: Wilder::new(n) }
    }

    #[inline]
    pub fn next(&mut self, price: f64) -> Option<f64> {
        let change = price - self.last.replace(price)?;
        let (gain, loss) = (self.gain.next(change.max(0.0)), self.loss.next((-change).max(0.0)));
        let (gain, loss) = (gain?, loss?);
        let all = gain + loss;
        Some(if all > 0.0 { 100.0 * gain / all } else { 0.0 })
    }
}

/// The three values of a MACD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MacdValue {
    pub macd: f64,
    pub signal: f64,
    pub histogram: f64,
}

/// EMA(fast) − EMA(slow) and its EMA(signal). The fast one is seeded with the last `fast` prices of the slow one's first window.
#[derive(Debug, Clone)]
pub struct Macd {
    fast: Ema,
    slow: Ema,
    signal: Ema,
    skip: usize,
}

impl Macd {
    pub fn new(fast: usize, slow: usize, signal: usize) -> Self {
        Self {
            fast: Ema::new(fast),
            slow: Ema::new(slow),
            signal: Ema::new(signal),
            skip: slow.saturating_sub(fast),
        }
    }

    /// The difference, once the slow average is there, and the whole once the signal is.
    #[inline]
    pub fn both(&mut self, price: f64) -> (Option<f64>, Option<MacdValue>) {
        let slow = self.slow.next(price);
        if self.skip > 0 {
            self.skip -= 1;
            return (None, None);
        }
        let (Some(fast), Some(slow)) = (self.fast.next(price), slow) else { return (None, None) };
        let macd = fast - slow;
        let whole = |signal| MacdValue { macd, signal, histogram: macd - signal };
        (Some(macd), self.signal.next(macd).map(whole))
    }

    #[inline]
    pub fn next(&mut self, price: f64) -> Option<MacdValue> {
        self.both(price).1
    }
}

/// Change over `n` in percent.
#[derive(Debug, Clone)]
pub struct RateOfChange(Ring);

impl RateOfChange {
    pub fn new(n: usize) -> Self {
        Self(Ring::new(n))
    }

    pub fn next(&mut self, price: f64) -> Option<f64> {
        self.0.push(price).map(|before| (price / before - 1.0) * 100.0)
    }
}

/// Logarithm of the change over `n`.
#[derive(Debug, Clone)]
pub struct LogReturn(Ring);

impl LogReturn {
    pub fn new(n: usize) -> Self {
        Self(Ring::new(n))
    }

    pub fn next(&mut self, price: f64) -> Option<f64> {
        self.0.push(price).map(|before| (price / before).ln())
    }
}

/// Stochastic: %K of `n` bars smoothed by a mean of `k`, and %D, the mean of `d` of those.
#[derive(Debug, Clone)]
pub struct Stochastic {
    extremes: Extremes,
    k: Sma,
    d: Sma,
}

impl Stochastic {
    pub fn new(n: usize, k: usize, d: usize) -> Self {
        Self { extremes: Extremes::new(n), k: Sma::new(k), d: Sma::new(d) }
    }

    /// %K, and %D once there are enough; 0 where the window has no range.
    pub fn next(&mut self, candle: &Candle) -> Option<(f64, Option<f64>)> {
        let (high, low) = self.extremes.next(candle.high, candle.low)?;
        let raw = if high > low { (candle.close - low) / (high - low) * 100.0 } else { 0.0 };
        let k = self.k.next(raw)?;
        Some((k, self.d.next(k)))
    }
}

/// Aroon up less Aroon down over `n` bars and the one before them.
#[derive(Debug, Clone)]
pub struct AroonOscillator {
    extremes: Extremes,
    n: f64,
}

impl AroonOscillator {
    pub fn new(n: usize) -> Self {
        Self { extremes: Extremes::new(n + 1), n: n.max(1) as f64 }
    }

    pub fn next(&mut self, candle: &Candle) -> Option<f64> {
        let ((_, high), (_, low)) = self.extremes.found(candle.high, candle.low)?;
        Some((low as f64 - high as f64) / self.n * 100.0)
    }
}

/// Awesome oscillator: mean of 5 less mean of 34 of the bars' middles.
#[derive(Debug, Clone)]
pub struct Awesome(Sma, Sma);

impl Default for Awesome {
    fn default() -> Self {
        Self(Sma::new(5), Sma::new(34))
    }
}

impl Awesome {
    pub fn next(&mut self, candle: &Candle) -> Option<f64> {
        let middle = (candle.high + candle.low) / 2.0;
        let (fast, slow) = (self.0.next(middle), self.1.next(middle));
        Some(fast? - slow?)
    }
}

/// (close − open) / (high − low); 0 where there is no range.
pub fn balance_of_power(candle: &Candle) -> f64 {
    let range = candle.high - candle.low;
    if range > 0.0 { (candle.close - candle.open) / range } else { 0.0 }
}

/// Ultimate oscillator: buying pressure over true range of three windows, weights 4, 2, 1.
#[derive(Debug, Clone)]
pub struct Ultimate {
    close: Option<f64>,
    sums: [(Total, Total); 3],
}

impl Ultimate {
    pub fn new(windows: [usize; 3]) -> Self {
        Self { close: None, sums: windows.map(|n| (Total::new(n), Total::new(n))) }
    }

    pub fn next(&mut self, candle: &Candle) -> Option<f64> {
        let before = self.close.replace(candle.close)?;
        let pressure = candle.close - candle.low.min(before);
        let range = true_range(candle, before);
        let mut ratios = [None; 3];
        for ((top, bottom), ratio) in self.sums.iter_mut().zip(&mut ratios) {
            let sums = (top.next(pressure), bottom.next(range));
            if let (Some(top), Some(bottom)) = sums {
                *ratio = Some(if bottom > 0.0 { top / bottom } else { 0.0 });
            }
        }
        let [Some(a), Some(b), Some(c)] = ratios else { return None };
        Some(100.0 * (4.0 * a + 2.0 * b + c) / 7.0)
    }
}

/// Vortex: movement up and movement down over true range, sums of `n`.
#[derive(Debug, Clone)]
pub struct Vortex {
    last: Option<Candle>,
    up: Total,
    down: Total,
    range: Total,
}

impl Vortex {
    pub fn new(n: usize) -> Self {
        Self { last: None, up: Total::new(n), down: Total::new(n), range: Total::new(n) }
    }

    pub fn next(&mut self, candle: &Candle) -> Option<(f64, f64)> {
        let last = self.last.replace(*candle)?;
        let up = self.up.next((candle.high - last.low).abs());
        let down = self.down.next((candle.low - last.high).abs());
        let range = self.range.next(true_range(candle, last.close))?;
        if range > 0.0 { Some((up? / range, down? / range)) } else { Some((0.0, 0.0)) }
    }
}
