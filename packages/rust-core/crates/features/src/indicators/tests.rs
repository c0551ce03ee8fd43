//! Each indicator against its definition, written out over the whole series without any running state.

use super::*;

/// A plain generator: series must be the same on every machine.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A walk with flat stretches, jumps and any price level.
    fn series(&mut self, len: usize) -> Vec<f64> {
        let mut price = 10.0_f64.powf(self.unit() * 6.0 - 1.0);
        let step = price * 0.02 * self.unit();
        (0..len)
            .map(|_| {
                price += match (self.unit() * 20.0) as u32 {
                    0..=2 => 0.0,
                    3 => step * 10.0 * (self.unit() - 0.5),
                    _ => step * (self.unit() - 0.5),
                };
                price = price.max(step.max(1e-3));
                price
            })
            .collect()
    }

    fn candles(&mut self, len: usize) -> Vec<Candle> {
        let closes = self.series(len + 1);
        closes
            .windows(2)
            .map(|pair| {
                let (open, close) = (pair[0], pair[1]);
                let wide = (open - close).abs() * self.unit();
                Candle {
                    open,
                    high: open.max(close) + wide,
                    low: open.min(close) - wide * 0.5,
                    close,
                    volume: (self.unit() * 1_000.0).floor(),
                }
            })
            .collect()
    }
}

fn mean(xs: &[f64]) -> f64 {
    xs.iter().sum::<f64>() / xs.len() as f64
}

/// The average with weight α after index n − 1, as a sum of weights over the whole past.
fn smoothed(xs: &[f64], n: usize, alpha: f64) -> Option<f64> {
    let (head, tail) = (xs.get(..n)?, xs.get(n..)?);
    let kept = 1.0 - alpha;
    let old = mean(head) * kept.powi(tail.len() as i32);
    Some(old + tail.iter().rev().enumerate().map(|(age, x)| alpha * kept.powi(age as i32) * x).sum::<f64>())
}

fn rsi(xs: &[f64], n: usize) -> Option<f64> {
    let changes: Vec<f64> = xs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let of = |sign: f64| {
        let part: Vec<f64> = changes.iter().map(|c| (c * sign).max(0.0)).collect();
        smoothed(&part, n, 1.0 / n as f64)
    };
    let (gain, loss) = (of(1.0)?, of(-1.0)?);
    Some(if gain + loss > 0.0 { 100.0 - 100.0 / (1.0 + gain / loss) } else { 0.0 })
}

fn macd(xs: &[f64]) -> Option<f64> {
    Some(smoothed(xs.get(14..)?, 12, 2.0 / 13.0)? - smoothed(xs, 26, 2.0 / 27.0)?)
}

fn close(got: Option<f64>, want: Option<f64>, scale: f64, what: &str) {
    match (got, want) {
        (None, None) => {}
        (Some(got), Some(want)) if (got - want).abs() <= 1e-9 * scale.max(want.abs()) => {}
        _ => unreachable!("{what}: {got:?}, want {want:?}"),
    }
}

#[test]
fn b072_rsi_and_the_others_on_10_000_random_series() {
    let mut random = Random(42);
    for series in 0..10_000 {
        let xs = random.series(30 + series % 40);
        let (mut sma, mut ema, mut wilder) = (Sma::new(20), Ema::new(20), Wilder::new(14));
        let (mut r, mut bands, mut m) = (Rsi::new(14), Bollinger::new(20, 2.0), Macd::new(12, 26, 9));
        let last = xs.len() - 1;
        for (n, x) in xs.iter().enumerate() {
            let got = (sma.next(*x), ema.next(*x), wilder.next(*x), r.next(*x), bands.next(*x), m.both(*x));
            // The whole series at its end, and at one place inside that moves from series to series.
            if n != last && n != series % xs.len() {
                continue;
            }
            let seen = &xs[..=n];
            let window = (seen.len() >= 20).then(|| &seen[seen.len() - 20..]);
            close(got.0, window.map(mean), *x, "sma");
            close(got.1, smoothed(seen, 20, 2.0 / 21.0), *x, "ema");
            close(got.2, smoothed(seen, 14, 1.0 / 14.0), *x, "wilder");
            close(got.3, rsi(seen, 14), 100.0, "rsi");
            let deviation =
                window.map(|w| (w.iter().map(|x| (x - mean(w)).powi(2)).sum::<f64>() / 20.0).sqrt());
            close(got.4.map(|b| b.upper), window.zip(deviation).map(|(w, d)| mean(w) + 2.0 * d), *x, "upper");
            close(got.4.map(|b| b.lower), window.zip(deviation).map(|(w, d)| mean(w) - 2.0 * d), *x, "lower");
            close(got.5.0, macd(seen), *x, "macd");
        }
    }
}

#[test]
fn b072_a_rise_then_a_fall_is_not_strength() {
    // The defect seen elsewhere: an RSI that never advances its price says 100 here.
    let mut rsi = Rsi::new(14);
    let prices = (0..30).chain((0..30).rev()).map(f64::from);
    let values: Vec<_> = prices.filter_map(|price| rsi.next(price)).collect();
    assert_eq!(values.first(), Some(&100.0));
    assert!(values.last().is_some_and(|last| *last < 15.0), "{values:?}");
}

#[test]
fn b072_windows_of_bars_on_random_series() {
    let mut random = Random(7);
    for round in 0..300 {
        let bars = random.candles(60 + round % 30);
        let mut atr = Atr::new(14);
        let mut aroon = AroonOscillator::new(14);
        let mut extremes = Extremes::new(9);
        let mut stochastic = Stochastic::new(12, 3, 5);
        let (mut flow, mut vwma, mut vwap) = (MoneyFlow::new(20), VolumeWeighted::new(20), Vwap::default());
        let mut weighted = LinearWeighted::new(7);
        for (n, bar) in bars.iter().enumerate() {
            let seen = &bars[..=n];
            let last = |count: usize| seen.len().checked_sub(count).map(|from| &seen[from..]);
            let ranges: Vec<f64> = seen.windows(2).map(|p| true_range(&p[1], p[0].close)).collect();
            close(atr.next(bar), smoothed(&ranges, 14, 1.0 / 14.0), bar.close, "atr");
            let top = |w: &[Candle]| w.iter().map(|b| b.high).fold(f64::MIN, f64::max);
            let bottom = |w: &[Candle]| w.iter().map(|b| b.low).fold(f64::MAX, f64::min);
            let found = extremes.next(bar.high, bar.low);
            close(found.map(|f| f.0), last(9).map(top), bar.close, "highest");
            close(found.map(|f| f.1), last(9).map(bottom), bar.close, "lowest");
            let up_down = last(15).map(|w| {
                let ago = |hit: &dyn Fn(&Candle) -> bool| w.iter().rev().position(hit).unwrap_or(0) as f64;
                (ago(&|b| b.low == bottom(w)) - ago(&|b| b.high == top(w))) / 14.0 * 100.0
            });
            close(aroon.next(bar), up_down, 100.0, "aroon");
            let raw = |end: usize| {
                let w = &seen[end - 12..end];
                if top(w) > bottom(w) {
                    (w[11].close - bottom(w)) / (top(w) - bottom(w)) * 100.0
                } else {
                    0.0
                }
            };
            let k = |end: usize| mean(&[raw(end - 2), raw(end - 1), raw(end)]);
            let got = stochastic.next(bar);
            let len = seen.len();
            close(got.map(|g| g.0), (len >= 14).then(|| k(len)), 100.0, "%K");
            let d = (len >= 18).then(|| mean(&[k(len - 4), k(len - 3), k(len - 2), k(len - 1), k(len)]));
            close(got.and_then(|g| g.1), d, 100.0, "%D");
            let volume = |w: &[Candle]| w.iter().map(|b| b.volume).sum::<f64>();
            let money = |w: &[Candle]| w.iter().map(|b| b.close * b.volume).sum::<f64>();
            close(
                vwma.next(bar.close, bar.volume),
                last(20).map(|w| money(w) / volume(w)),
                bar.close,
                "vwma",
            );
            let all = volume(seen);
            close(
                vwap.next(bar.close, bar.volume),
                (all > 0.0).then(|| money(seen) / all),
                bar.close,
                "vwap",
            );
            let flows = |w: &[Candle]| {
                let of = |b: &Candle| {
                    let range = b.high - b.low;
                    if range > 0.0 { (2.0 * b.close - b.low - b.high) / range * b.volume } else { 0.0 }
                };
                w.iter().map(of).sum::<f64>() / volume(w)
            };
            close(flow.next(bar), last(20).map(flows), 1.0, "money flow");
            let lwma =
                last(7).map(|w| w.iter().zip(1..).map(|(b, n)| b.close * f64::from(n)).sum::<f64>() / 28.0);
            close(weighted.next(bar.close), lwma, bar.close, "lwma");
        }
    }
}

#[test]
fn a_window_is_bounded_and_never_empty() {
    let mut sma = Sma::new(0);
    assert_eq!(sma.next(3.0), Some(3.0));
    let mut sma = Sma::new(usize::MAX);
    for _ in 1..WINDOW_MAX {
        assert_eq!(sma.next(1.0), None);
    }
    assert_eq!(sma.next(1.0), Some(1.0));
}

#[test]
fn a_long_session_does_not_drift() {
    let mut random = Random(3);
    let xs: Vec<f64> = (0..2_000_000).map(|_| 60_000.0 + random.unit() * 1e-3).collect();
    let (mut sma, mut bands) = (Sma::new(20), Bollinger::new(20, 2.0));
    let mut got = (None, None);
    for x in &xs {
        got = (sma.next(*x), bands.next(*x));
    }
    let w = &xs[xs.len() - 20..];
    let deviation = (w.iter().map(|x| (x - mean(w)).powi(2)).sum::<f64>() / 20.0).sqrt();
    close(got.0, Some(mean(w)), 1.0, "sma");
    let half = got.1.map(|band| (band.upper - band.middle) / 2.0);
    assert!(half.is_some_and(|half| (half / deviation - 1.0).abs() < 1e-6), "{half:?} {deviation}");
}
