//! The set `vol_v1`: volatility of the mid, of every change and of one-second samples.

use crate::decay::fading;
use crate::fixed::{Ema, safe};
use crate::gate::{Admitted, Gate};
use crate::limits::{FEATURES_MAX, VOL_SAMPLES};
use crate::row::Row;
use crate::set::{FeatureSpec, Per, warm_by};
use crate::view::{Print, View};

pub(crate) const ABOUT: &str = "volatility of returns of the mid in 1e-9: of every change by time, and of the mid sampled each second of venue time";

pub(crate) const FEATURES: [FeatureSpec; 6] = [
    warm_by(
        Per::Seconds,
        "vol_h10s_ppb",
        "square root of variance per second: sum of squared returns, weights halved each 10 s, times ln 2 / 10 s, 1e-9",
        20,
    ),
    warm_by(Per::Seconds, "vol_h300s_ppb", "the same with weights halved each 300 s, 1e-9", 600),
    warm_by(
        Per::Seconds,
        "realised_60s_ppb",
        "square root of the sum of squared 1 s returns of the last 60 s, 1e-9",
        61,
    ),
    warm_by(
        Per::Seconds,
        "bipower_60s_ppb",
        "square root of pi/2 times the sum of |r r'| of neighbouring 1 s returns of the last 60 s, 1e-9",
        61,
    ),
    warm_by(
        Per::Seconds,
        "ewma94_1s_ppb",
        "square root of the EWMA of squared 1 s returns, lambda 0.94, from 0, 1e-9",
        61,
    ),
    warm_by(
        Per::Seconds,
        "range_60s_ppm",
        "(highest - lowest) / lowest mid of the 1 s samples of the last 60 s, 1e-6",
        61,
    ),
];

const SECOND: i64 = 1_000_000_000;
/// Larger returns are clamped: a tenfold price within one update is a broken feed.
const RETURN_MAX: i64 = 1_000_000_000;

/// The kernel of one instrument.
#[derive(Debug, Clone)]
pub struct Vol {
    gate: Gate,
    sums: [Ema; 2],
    last: Option<(i64, i64)>,
    /// Mids at whole seconds, a ring; the newest is before `next`.
    mids: [i64; VOL_SAMPLES + 1],
    next: usize,
    count: usize,
    second: i64,
    ewma: Ema,
}

impl Default for Vol {
    fn default() -> Self {
        Self::with(Gate::new(&FEATURES))
    }
}

/// The return from one mid to another in 1e-9; 0 where the first is not above 0.
fn ret(from: i64, to: i64) -> i64 {
    if from <= 0 {
        return 0;
    }
    let value = i128::from(to - from) * i128::from(RETURN_MAX) / i128::from(from);
    value.clamp(-i128::from(RETURN_MAX), i128::from(RETURN_MAX)) as i64
}

impl Vol {
    fn with(gate: Gate) -> Self {
        let mids = [0; VOL_SAMPLES + 1];
        Self {
            gate,
            sums: Default::default(),
            last: None,
            mids,
            next: 0,
            count: 0,
            second: 0,
            ewma: Ema::new(6, 100),
        }
    }

    /// Messages were lost: nothing learned so far holds.
    pub fn on_gap(&mut self) {
        *self = Self::with(self.gate.after_gap());
    }

    /// Trades do not matter here.
    pub fn on_trade(&mut self, print: &Print) {
        self.gate.admit_trade(print);
    }

    /// One update of the book.
    pub fn on_view(&mut self, view: &View) -> &Row {
        if let Some(touch) = self.gate.admit(view) {
            let values = self.values(touch, view);
            self.gate.emit(values, view);
        }
        self.gate.row()
    }

    fn sample(&mut self, mid: i64) {
        if self.count > 0 {
            let before = self.mids.get((self.next + VOL_SAMPLES) % (VOL_SAMPLES + 1)).copied().unwrap_or(mid);
            let r = ret(before, mid);
            self.ewma.step(r * r);
        }
        if let Some(place) = self.mids.get_mut(self.next) {
            *place = mid;
        }
        self.next = (self.next + 1) % (VOL_SAMPLES + 1);
        self.count = (self.count + 1).min(VOL_SAMPLES + 1);
    }

    /// The mid as it stood at every whole second up to `ts`. After a hole longer than the window the samples start anew.
    fn advance(&mut self, ts: i64) {
        let second = ts.div_euclid(SECOND);
        match self.last {
            Some((mid, _)) if second > self.second => {
                if second - self.second > VOL_SAMPLES as i64 {
                    (self.count, self.next) = (0, 0);
                    self.sample(mid);
                } else {
                    (self.second..second).for_each(|_| self.sample(mid));
                }
                self.second = second;
            }
            None => self.second = second,
            _ => {}
        }
    }

    fn values(&mut self, Admitted { bid, ask, .. }: Admitted, view: &View) -> [i64; FEATURES_MAX] {
        let mid = bid.0 + ask.0;
        self.advance(view.ts.0);
        let (before, then) = self.last.unwrap_or((mid, view.ts.0));
        let elapsed = view.ts.0.saturating_sub(then).max(0);
        let r = ret(before, mid);
        for (sum, half_life) in self.sums.iter_mut().zip([10 * SECOND, 300 * SECOND]) {
            sum.step_by(0, fading(elapsed, half_life));
            sum.add(r * r);
        }
        self.last = Some((mid, then.max(view.ts.0)));
        // ln 2 / half-life, in 1e-9.
        let per_second = |sum: Ema, rate: i128| root((sum.fixed() >> 64) * rate / 1_000_000_000);
        let (mut squares, mut pairs, mut low, mut high) = (0_i128, 0_i128, i64::MAX, i64::MIN);
        let (mut last_mid, mut last_return) = (None, None);
        let start = (self.next + VOL_SAMPLES + 1 - self.count) % (VOL_SAMPLES + 1);
        for n in 0..self.count {
            let mid = self.mids.get((start + n) % (VOL_SAMPLES + 1)).copied().unwrap_or(0);
            (low, high) = (low.min(mid), high.max(mid));
            if let Some(before) = last_mid {
                let r = ret(before, mid);
                squares += i128::from(r) * i128::from(r);
                pairs += last_return.map_or(0, |before: i64| (i128::from(r) * i128::from(before)).abs());
                last_return = Some(r);
            }
            last_mid = Some(mid);
        }
        let range = if self.count == 0 || low <= 0 {
            0
        } else {
            i128::from(high - low) * 1_000_000 / i128::from(low)
        };
        let mut values = [0; FEATURES_MAX];
        values[..FEATURES.len()].copy_from_slice(&[
            per_second(self.sums[0], 69_314_718),
            per_second(self.sums[1], 2_310_491),
            root(squares),
            root(pairs * 1_570_796_327 / 1_000_000_000),
            root(self.ewma.fixed() >> 64),
            safe(range),
        ]);
        values
    }
}

/// The whole square root; 0 of what is below 0.
fn root(value: i128) -> i64 {
    safe(value.max(0).isqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidegate_units::EpochNs;

    fn view(bid: i64, ns: i64) -> View {
        View::from_levels(&[(bid, 1)], &[(bid + 2, 1)], EpochNs(ns))
    }

    proptest! {
        #[test]
        fn a09_volatility_agrees_with_plain_arithmetic(
            steps in prop::collection::vec((100_000_i64..101_000, 0_i64..3_000_000_000), 2..200)
        ) {
            let mut kernel = Vol::default();
            let (mut now, mut path, mut got) = (0, vec![], vec![]);
            for (bid, gap) in steps {
                now += gap;
                path.push((now, (2 * bid + 2) as f64));
                got = kernel.on_view(&view(bid, now)).values().to_vec();
            }
            let squares = |half: f64| -> f64 {
                let r = |p: &[(i64, f64)]| (p[1].1 / p[0].1 - 1.0).powi(2) * 0.5_f64.powf((now - p[1].0) as f64 / half / 1e9);
                path.windows(2).map(r).sum::<f64>() * std::f64::consts::LN_2 / half
            };
            // The mid standing just before each whole second since the first update.
            let (first, last) = (path[0].0 / SECOND, now / SECOND);
            let samples: Vec<f64> = (first + 1..=last)
                .map(|s| path.iter().rev().find(|p| p.0 < s * SECOND).map_or(path[0].1, |p| p.1))
                .collect();
            let from = samples.len().saturating_sub(61);
            let returns: Vec<f64> = samples[from..].windows(2).map(|p| p[1] / p[0] - 1.0).collect();
            let realised = returns.iter().map(|r| r * r).sum::<f64>().sqrt();
            let bipower = (returns.windows(2).map(|r| (r[0] * r[1]).abs()).sum::<f64>() * std::f64::consts::FRAC_PI_2).sqrt();
            for (n, want) in [(0, squares(10.0).sqrt()), (1, squares(300.0).sqrt()), (2, realised), (3, bipower)] {
                let want = want * 1e9;
                prop_assert!((got[n] as f64 - want).abs() <= 60.0 + want * 2e-3, "{n}: {} {want}", got[n]);
            }
        }

        #[test]
        fn no_input_breaks_it(rows in prop::collection::vec((any::<i64>(), any::<i64>()), 1..80)) {
            let mut kernel = Vol::default();
            for (px, ts) in rows {
                kernel.on_view(&View { seq: 1, ..view((px >> 13).min(1 << 50), ts) });
            }
        }
    }
}
