//! The five streaming indicators, and their values beside TA-Lib's.

use crate::talib::{Outputs, TaLib};
use tidegate_features::indicators::{Bollinger, Ema, Macd, Rsi, Sma};

/// Largest difference, relative to the larger of the value and 1 (a dollar, a point of RSI).
const TOLERANCE: f64 = 1e-9;

struct Five {
    ema: Ema,
    sma: Sma,
    rsi: Rsi,
    bands: Bollinger,
    macd: Macd,
}

impl Five {
    fn new() -> Self {
        Self {
            ema: Ema::new(20),
            sma: Sma::new(20),
            rsi: Rsi::new(14),
            bands: Bollinger::new(20, 2.0),
            macd: Macd::new(12, 26, 9),
        }
    }

    #[inline]
    fn next(&mut self, price: f64) -> [Option<f64>; 7] {
        let bands = self.bands.next(price);
        let macd = self.macd.next(price);
        [
            self.ema.next(price),
            self.sma.next(price),
            self.rsi.next(price),
            bands.map(|band| band.upper),
            bands.map(|band| band.lower),
            macd.map(|macd| macd.macd),
            macd.map(|macd| macd.signal),
        ]
    }
}

/// One pass price by price; the sum keeps every value needed.
pub fn stream_last(prices: &[f64]) -> f64 {
    let mut five = Five::new();
    let mut sum = 0.0;
    for price in prices {
        sum += five.next(*price).into_iter().flatten().sum::<f64>();
    }
    sum
}

/// Every value of a series: how many differ, of how many.
pub fn compare(talib: &TaLib, prices: &[f64]) -> Result<(u64, u64), String> {
    let mut outputs = Outputs::new(prices.len());
    talib.compute(prices, &mut outputs)?;
    let mut five = Five::new();
    let (mut unequal, mut of) = (0, 0);
    for (n, price) in prices.iter().enumerate() {
        for (got, output) in five.next(*price).into_iter().zip(&outputs.0) {
            let want = n
                .checked_sub(output.first)
                .filter(|at| *at < output.count)
                .and_then(|at| output.values.get(at));
            of += u64::from(want.is_some());
            let equal = match (got, want) {
                (None, None) => true,
                (Some(got), Some(want)) => (got - want).abs() <= TOLERANCE * want.abs().max(1.0),
                _ => false,
            };
            unequal += u64::from(!equal);
        }
    }
    Ok((unequal, of))
}

/// Random walks with flat stretches: how many series have a value that differs.
pub fn random(talib: &TaLib, count: u64) -> Result<(u64, u64), String> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut unit = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut unequal = 0;
    for _ in 0..count {
        let mut price = 10.0_f64.powf(unit() * 4.0);
        let step = price * 0.02 * unit();
        let len = 40 + (unit() * 160.0) as usize;
        let prices: Vec<f64> = (0..len)
            .map(|_| {
                if unit() > 0.15 {
                    price = (price + step * (unit() - 0.5)).max(0.01);
                }
                price
            })
            .collect();
        let (wrong, values) = compare(talib, &prices)?;
        unequal += u64::from(wrong > 0 || values == 0);
    }
    Ok((unequal, count))
}
