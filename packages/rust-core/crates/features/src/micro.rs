//! The set `micro_v1`: estimates of the price between bid and ask.

use crate::fixed::{imbalance_ppm, quotient, safe};
use crate::gate::{Admitted, Gate};
use crate::limits::{FEATURES_MAX, PX_TICKS_MAX, QTY_LOTS_MAX};
use crate::row::Row;
use crate::set::{FeatureSpec, feature};
use crate::view::{Half, Print, View};

pub(crate) const ABOUT: &str =
    "mid, weighted mids of one and five levels, and Stoikov's first-order microprice";

pub(crate) const FEATURES: [FeatureSpec; 6] = [
    feature("mid_x2", "bid + ask, ticks", 1),
    feature(
        "weighted_mid_e4",
        "(bid ask_qty + ask bid_qty) / (bid_qty + ask_qty), mid if both are 0, 1e-4 ticks",
        1,
    ),
    feature(
        "depth_mid_e4",
        "(B ask_depth + A bid_depth) / (bid_depth + ask_depth), B and A the mean prices of 5 levels by quantity, 1e-4 ticks",
        1,
    ),
    feature(
        "vamp5_e4",
        "sum of px times the opposite side's quantity of the same level / sum of those quantities, 5 levels, 1e-4 ticks",
        1,
    ),
    feature(
        "stoikov_g1_e4",
        "mid + mean next change of the mid (half ticks, at most +-2^20) after a state as now, states are 10 steps of L1 imbalance times spreads of 1, 2, 3+ ticks, learned since the reset, mid below 20 visits (Stoikov 2018, first order), 1e-4 ticks",
        500,
    ),
    feature("stoikov_visits", "visits learned of the state as now", 500),
];

/// Imbalance steps times spread steps.
const STATES: usize = 30;
const VISITS_MIN: i64 = 20;
/// Past this, sum and visits of a state are halved, so that the old fades.
const VISITS_MAX: i64 = 1 << 30;
const CHANGE_MAX: i64 = 1 << 20;

/// What has followed a state: visits that a change of the mid has ended, and the sum of those changes.
#[derive(Debug, Clone, Copy, Default)]
struct Learned {
    open: i64,
    visits: i64,
    sum: i64,
}

/// The kernel of one instrument.
#[derive(Debug, Clone)]
pub struct Micro {
    gate: Gate,
    states: [Learned; STATES],
    mid_x2: Option<i64>,
}

impl Default for Micro {
    fn default() -> Self {
        Self::with(Gate::new(&FEATURES))
    }
}

/// How far a level is from the bid; what is no price is as far as a price can be.
fn away(px: i64, base: i64) -> i128 {
    i128::from(px.clamp(-PX_TICKS_MAX, PX_TICKS_MAX) - base)
}

/// The mean price of a side by quantity, times 1e4 and the side's quantity.
fn weighted(half: &Half, base: i64) -> (i128, i64) {
    let (mut sum, mut qty) = (0_i128, 0_i64);
    for (px, lots) in half.levels() {
        let lots = (*lots).clamp(0, QTY_LOTS_MAX);
        sum += away(*px, base) * i128::from(lots);
        qty += lots;
    }
    (sum, qty)
}

fn state_of(imbalance: i64, spread: i64) -> usize {
    let step = ((imbalance + 1_000_000) / 200_000).clamp(0, 9) as usize;
    step + 10 * (spread.clamp(1, 3) as usize - 1)
}

impl Micro {
    fn with(gate: Gate) -> Self {
        Self { gate, states: [Learned::default(); STATES], mid_x2: None }
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

    fn learn(&mut self, mid_x2: i64) {
        let change = self.mid_x2.map_or(0, |last| (mid_x2 - last).clamp(-CHANGE_MAX, CHANGE_MAX));
        self.mid_x2 = Some(mid_x2);
        if change == 0 {
            return;
        }
        for state in &mut self.states {
            let open = std::mem::take(&mut state.open);
            state.visits += open;
            state.sum = state.sum.saturating_add(open.saturating_mul(change));
            if state.visits > VISITS_MAX {
                state.visits /= 2;
                state.sum /= 2;
            }
        }
    }

    fn values(&mut self, Admitted { bid, ask, .. }: Admitted, view: &View) -> [i64; FEATURES_MAX] {
        let (spread, mid_x2) = (ask.0 - bid.0, bid.0 + ask.0);
        self.learn(mid_x2);
        let imbalance = imbalance_ppm(bid.1, ask.1);
        let (mut adjust, mut visits) = (0, 0);
        if let Some(state) = self.states.get_mut(state_of(imbalance, spread)) {
            state.open = (state.open + 1).min(VISITS_MAX);
            visits = state.visits;
            if visits >= VISITS_MIN {
                adjust = quotient(i128::from(state.sum) * 5_000, visits);
            }
        }
        // Prices are taken from the bid, so that products stay small.
        let from_bid = |value: i128| safe(i128::from(bid.0) * 10_000 + value);
        let half = i128::from(spread) * 5_000;
        let of = |top: i128, bottom: i64| {
            from_bid(if bottom == 0 { half } else { i128::from(quotient(top * 10_000, bottom)) })
        };
        let ((bids, bid_qty), (asks, ask_qty)) = (weighted(&view.bids, bid.0), weighted(&view.asks, bid.0));
        let depth = if bid_qty == 0 || ask_qty == 0 {
            half
        } else {
            // Means in 1e-4 ticks first; each is rounded once more at most.
            let (b, a) = (quotient(bids * 10_000, bid_qty), quotient(asks * 10_000, ask_qty));
            let sum = i128::from(b) * i128::from(ask_qty) + i128::from(a) * i128::from(bid_qty);
            i128::from(quotient(sum, bid_qty + ask_qty))
        };
        let (mut cross, mut cross_qty) = (0_i128, 0_i64);
        for ((bid_px, bid_lots), (ask_px, ask_lots)) in view.bids.levels().iter().zip(view.asks.levels()) {
            let (bid_lots, ask_lots) =
                ((*bid_lots).clamp(0, QTY_LOTS_MAX), (*ask_lots).clamp(0, QTY_LOTS_MAX));
            cross +=
                away(*bid_px, bid.0) * i128::from(ask_lots) + away(*ask_px, bid.0) * i128::from(bid_lots);
            cross_qty += bid_lots + ask_lots;
        }
        let mut values = [0; FEATURES_MAX];
        values[..FEATURES.len()].copy_from_slice(&[
            mid_x2,
            of(i128::from(spread) * i128::from(bid.1), bid.1 + ask.1),
            from_bid(depth),
            of(cross, cross_qty),
            from_bid(half + i128::from(adjust)),
            visits,
        ]);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidegate_units::EpochNs;

    #[test]
    fn a09_values_by_hand() {
        let mut kernel = Micro::default();
        let view = View::from_levels(&[(100, 3), (98, 1)], &[(102, 1), (103, 5)], EpochNs(0));
        // (100×1 + 102×3)/4; means 99.5 and 102.8333 by 6 and 4; (100×1 + 102×3 + 98×5 + 103×1)/10.
        assert_eq!(kernel.on_view(&view).values(), [202, 1_015_000, 1_008_333, 999_000, 1_010_000, 0]);
    }

    #[test]
    fn a09_stoikov_learns_where_the_mid_goes() {
        let mut kernel = Micro::default();
        let at = |bid, bq, aq| View::from_levels(&[(bid, bq)], &[(bid + 1, aq)], EpochNs(0));
        // A heavy bid is always followed by a mid one tick up, a heavy ask by one down again.
        for _ in 0..VISITS_MIN {
            kernel.on_view(&at(100, 9, 1));
            kernel.on_view(&at(101, 1, 9));
        }
        let up = *kernel.on_view(&at(100, 9, 1));
        assert_eq!((up.values()[4], up.values()[5]), (1_005_000 + 10_000, VISITS_MIN));
        assert_eq!(kernel.on_view(&at(100, 5, 5)).values()[4], 1_005_000, "an unseen state is the mid");
    }

    proptest! {
        #[test]
        fn a09_the_weighted_mids_agree_with_plain_arithmetic(
            bid in 1_000_i64..1_000_000, spread in 1_i64..40,
            sizes in prop::collection::vec((1_i64..10_000, 1_i64..10_000), 1..6),
        ) {
            let bids: Vec<_> = sizes.iter().enumerate().map(|(n, s)| (bid - n as i64, s.0)).collect();
            let asks: Vec<_> = sizes.iter().enumerate().map(|(n, s)| (bid + spread + n as i64, s.1)).collect();
            let got = *Micro::default().on_view(&View::from_levels(&bids, &asks, EpochNs(0)));
            let f = |levels: &[(i64, i64)]| {
                let qty: i64 = levels.iter().map(|l| l.1).sum();
                (levels.iter().map(|l| (l.0 * l.1) as f64).sum::<f64>() / qty as f64, qty as f64)
            };
            let ((b, bq), (a, aq)) = (f(&bids), f(&asks));
            let cross: f64 = bids.iter().zip(&asks).map(|(b, a)| (b.0 * a.1 + a.0 * b.1) as f64).sum();
            let want = [
                (2 * bid + spread) as f64,
                (bid as f64 + spread as f64 * bids[0].1 as f64 / (bids[0].1 + asks[0].1) as f64) * 1e4,
                (b * aq + a * bq) / (bq + aq) * 1e4,
                cross / (bq + aq) * 1e4,
            ];
            for (n, want) in want.into_iter().enumerate() {
                prop_assert!((got.values()[n] as f64 - want).abs() <= 1.5, "{n}: {} {want}", got.values()[n]);
            }
        }

        #[test]
        fn no_input_breaks_it(rows in prop::collection::vec(any::<[i64; 6]>(), 1..50)) {
            let mut kernel = Micro::default();
            for [bid, bq, ask, aq, px, qty] in rows {
                kernel.on_view(&View::from_levels(&[(bid, bq), (px, qty)], &[(ask, aq), (px, qty)], EpochNs(0)));
                kernel.on_view(&View::from_levels(&[(bid >> 20, bq), (px, qty)], &[(ask >> 20, aq), (px, qty)], EpochNs(0)));
            }
        }
    }
}
