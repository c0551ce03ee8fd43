//! The set `lob_time_v1`: averages that use venue time. A quote counts for as long as it stood, not as often as it was sent.

use crate::decay::fading;
use crate::fixed::{Ema, imbalance_ppm, rounded};
use crate::gate::{Admitted, Gate};
use crate::limits::{FEATURES_MAX, QTY_LOTS_MAX};
use crate::row::Row;
use crate::set::{FeatureSpec, Per, warm_by};
use crate::shared::ofi;
use crate::view::{Print, View};

pub(crate) const ABOUT: &str =
    "averages by venue time: a value counts for as long as it stood, its weight halved each half-life";

pub(crate) const FEATURES: [FeatureSpec; 8] = [
    warm_by(Per::Seconds, "ofi_sum_h5s", "sum of ofi_l1_raw, weights halved each 5 s, lots", 10),
    warm_by(Per::Seconds, "ofi_sum_h30s", "sum of ofi_l1_raw, weights halved each 30 s, lots", 60),
    warm_by(
        Per::Seconds,
        "l1_imbalance_h5s_ppm",
        "time-weighted mean of l1_imbalance_ppm, half-life 5 s, 1e-6",
        10,
    ),
    warm_by(
        Per::Seconds,
        "depth_imbalance_h5s_ppm",
        "time-weighted mean of depth_imbalance_ppm, half-life 5 s, 1e-6",
        10,
    ),
    warm_by(Per::Seconds, "spread_h30s_e3", "time-weighted mean of spread, half-life 30 s, 1e-3 ticks", 60),
    warm_by(
        Per::Seconds,
        "spread_h300s_e3",
        "time-weighted mean of spread, half-life 300 s, 1e-3 ticks",
        600,
    ),
    warm_by(Per::Seconds, "mid_gap_h5s_e3", "mid_x2 - its time-weighted mean, half-life 5 s, 1e-3 ticks", 10),
    warm_by(Per::Seconds, "updates_h5s_e3", "count of updates, weights halved each 5 s, 1e-3", 10),
];

const SECOND: i64 = 1_000_000_000;

#[derive(Debug, Clone, Copy)]
struct Last {
    touch: ((i64, i64), (i64, i64)),
    values: [i64; 5],
    ts: i64,
}

/// The kernel of one instrument.
#[derive(Debug, Clone)]
pub struct Timed {
    gate: Gate,
    last: Option<Last>,
    sums: [Ema; 3],
    /// In the order of the five values: L1 and depth imbalance, spread twice, mid.
    means: [Ema; 5],
}

impl Default for Timed {
    fn default() -> Self {
        Self::with(Gate::new(&FEATURES))
    }
}

/// Half-lives of the sums: order flow twice, updates.
const SUM_HALF_LIVES: [i64; 3] = [5 * SECOND, 30 * SECOND, 5 * SECOND];
const MEAN_HALF_LIVES: [i64; 5] = [5 * SECOND, 5 * SECOND, 30 * SECOND, 300 * SECOND, 5 * SECOND];

impl Timed {
    fn with(gate: Gate) -> Self {
        Self { gate, last: None, sums: Default::default(), means: Default::default() }
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

    fn values(&mut self, Admitted { bid, ask, .. }: Admitted, view: &View) -> [i64; FEATURES_MAX] {
        let lots = |qty: i64| qty.clamp(0, QTY_LOTS_MAX);
        let now = [
            imbalance_ppm(bid.1, ask.1),
            imbalance_ppm(lots(view.bids.sum()), lots(view.asks.sum())),
            ask.0 - bid.0,
            ask.0 - bid.0,
            bid.0 + ask.0,
        ];
        let mut flow = 0;
        let ts = match self.last {
            None => {
                for (mean, value) in self.means.iter_mut().zip(now) {
                    mean.seed(value);
                }
                view.ts.0
            }
            Some(last) => {
                flow = ofi(last.touch, (bid, ask));
                let elapsed = view.ts.0.saturating_sub(last.ts).max(0);
                for ((mean, half_life), value) in self.means.iter_mut().zip(MEAN_HALF_LIVES).zip(last.values)
                {
                    mean.step_by(value, fading(elapsed, half_life));
                }
                for (sum, half_life) in self.sums.iter_mut().zip(SUM_HALF_LIVES) {
                    sum.step_by(0, fading(elapsed, half_life));
                }
                last.ts.max(view.ts.0)
            }
        };
        let [short, long, updates] = &mut self.sums;
        short.add(flow);
        long.add(flow);
        updates.add(1);
        self.last = Some(Last { touch: (bid, ask), values: now, ts });
        let [l1, depth, spread30, spread300, mid] = self.means.map(|mean| mean.fixed());
        let mut values = [0; FEATURES_MAX];
        values[..FEATURES.len()].copy_from_slice(&[
            rounded(self.sums[0].fixed()),
            rounded(self.sums[1].fixed()),
            rounded(l1),
            rounded(depth),
            thousandths(spread30),
            thousandths(spread300),
            thousandths((i128::from(now[4]) << 64) - mid),
            thousandths(self.sums[2].fixed()),
        ]);
        values
    }
}

/// A 64.64 value in thousandths.
fn thousandths(value: i128) -> i64 {
    // Ten bits of the fraction make room for the factor.
    crate::fixed::safe(((value >> 10) * 1_000 + (1 << 53)) >> 54)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidegate_units::EpochNs;

    fn view(bid: (i64, i64), ask: (i64, i64), ns: i64) -> View {
        View::from_levels(&[bid], &[ask], EpochNs(ns))
    }

    #[test]
    fn a09_time_counts_and_not_the_number_of_updates() {
        let mut once = Timed::default();
        once.on_view(&view((100, 5), (101, 5), 0));
        once.on_view(&view((100, 5), (111, 5), 0));
        let mut often = once.clone();
        let end = view((100, 5), (111, 5), 30 * SECOND);
        for n in 1..3_000 {
            often.on_view(&View { ts: EpochNs(n * SECOND / 100), ..end });
        }
        let (one, many) = (once.on_view(&end).values()[4], often.on_view(&end).values()[4]);
        // From 1 tick half of the way to 11.
        assert!((one - 6_000).abs() <= 1 && (many - 6_000).abs() <= 2, "{one} {many}");
    }

    proptest! {
        #[test]
        fn a09_the_time_averages_agree_with_plain_arithmetic(
            steps in prop::collection::vec((1_000_i64..2_000, 1_i64..20, 1_i64..500, 1_i64..500, 0_i64..4_000_000_000), 1..80)
        ) {
            let mut kernel = Timed::default();
            let mut now = 0;
            let mut seen: Vec<(i64, f64, f64, f64)> = vec![];
            let mut got = vec![];
            let mut last = None;
            for (bid, spread, bq, aq, gap) in steps {
                now += gap;
                let touch = ((bid, bq), (bid + spread, aq));
                let flow = last.map_or(0, |last| ofi(last, touch));
                last = Some(touch);
                got = kernel.on_view(&view(touch.0, touch.1, now)).values().to_vec();
                seen.push((now, flow as f64, spread as f64, (2 * bid + spread) as f64));
            }
            let weight = |from: i64, half: f64| 0.5_f64.powf((now - from) as f64 / half / 1e9);
            let sum: f64 = seen.iter().map(|(at, flow, ..)| flow * weight(*at, 5.0)).sum();
            let mean = |half: f64, of: fn(&(i64, f64, f64, f64)) -> f64| {
                let mut mean = of(&seen[0]);
                for pair in seen.windows(2) {
                    mean += (of(&pair[0]) - mean) * (1.0 - 0.5_f64.powf((pair[1].0 - pair[0].0) as f64 / half / 1e9));
                }
                mean
            };
            let close = |got: i64, want: f64, slack: f64| (got as f64 - want).abs() <= slack + want.abs() * 1e-3;
            prop_assert!(close(got[0], sum, 2.0), "{} {}", got[0], sum);
            prop_assert!(close(got[4], mean(30.0, |s| s.2) * 1e3, 2.0), "{} {}", got[4], mean(30.0, |s| s.2));
            let gap = (seen[seen.len() - 1].3 - mean(5.0, |s| s.3)) * 1e3;
            prop_assert!(close(got[6], gap, 200.0), "{} {}", got[6], gap);
        }
    }
}
