//! The set `flow_v1`: what the tape says, and how toxic it is.

use crate::decay::fading;
use crate::fixed::{Ema, quotient, rounded, safe, scaled_ratio};
use crate::gate::Gate;
use crate::limits::{EMA_INPUT_MAX, FEATURES_MAX, VPIN_BUCKETS, VPIN_TRADES_MIN};
use crate::row::Row;
use crate::set::{FeatureSpec, Per, warm_by};
use crate::view::{Print, View};

pub(crate) const ABOUT: &str = "trades: signed volume, sign, arrival intensity, toxicity by volume buckets";

pub(crate) const FEATURES: [FeatureSpec; 8] = [
    warm_by(
        Per::Trades,
        "signed_volume_h10s",
        "sum of quantity times side, weights halved each 10 s, lots",
        20,
    ),
    warm_by(Per::Trades, "volume_h10s", "sum of quantity, weights halved each 10 s, lots", 20),
    warm_by(Per::Trades, "buy_share_h10s_ppm", "bought part of volume_h10s, 1e-6", 20),
    warm_by(
        Per::Trades,
        "trade_sign_ema20t_ppm",
        "EMA of sides by count of trades, alpha 2/21, from 0, 1e-6",
        20,
    ),
    warm_by(
        Per::Trades,
        "arrivals_h10s_e3",
        "trades per second: count with weights halved each 10 s, times ln 2 / 10 s, 1e-3",
        20,
    ),
    warm_by(Per::Trades, "trade_age_ms", "ms since the last trade, towards 0", 1),
    warm_by(
        Per::Trades,
        "vpin50_ppm",
        "mean of |bought - sold| / V over the last 50 full buckets of V lots, V = volume of the first 500 trades div 25, at least 1 (Easley, Lopez de Prado, O'Hara 2012), 1e-6",
        1_500,
    ),
    warm_by(Per::Trades, "vpin_fill_ppm", "filled part of the bucket in work, 1e-6", 500),
];

const HALF_LIFE: i64 = 10_000_000_000;
/// ln 2 / 10 per second, in 1e-9.
const RATE_E9: i128 = 69_314_718;

/// Volume buckets: each holds the same volume, however long it took.
#[derive(Debug, Clone)]
struct Buckets {
    /// 0 until the first trades have given it.
    size: i64,
    seen: i64,
    trades: u64,
    bought: i64,
    sold: i64,
    ring: [i64; VPIN_BUCKETS],
    next: usize,
    count: usize,
    sum: i128,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            size: 0,
            seen: 0,
            trades: 0,
            bought: 0,
            sold: 0,
            ring: [0; VPIN_BUCKETS],
            next: 0,
            count: 0,
            sum: 0,
        }
    }
}

impl Buckets {
    fn close(&mut self, gap: i64) {
        if let Some(place) = self.ring.get_mut(self.next) {
            self.sum += i128::from(gap) - i128::from(*place);
            *place = gap;
        }
        self.next = (self.next + 1) % VPIN_BUCKETS;
        self.count = (self.count + 1).min(VPIN_BUCKETS);
    }

    fn add(&mut self, qty: i64, buy: bool) {
        if self.size == 0 {
            self.seen = self.seen.saturating_add(qty);
            self.trades += 1;
            if self.trades == VPIN_TRADES_MIN {
                self.size = (self.seen / 25).max(1);
            }
            return;
        }
        let fits = qty.min(self.size - self.bought - self.sold);
        *if buy { &mut self.bought } else { &mut self.sold } += fits;
        if self.bought + self.sold < self.size {
            return;
        }
        self.close((self.bought - self.sold).abs());
        // What is left of a large trade fills buckets of its own; more of them than are averaged make no difference.
        let rest = qty - fits;
        for _ in 0..(rest / self.size).min(VPIN_BUCKETS as i64) {
            self.close(self.size);
        }
        let part = rest % self.size;
        (self.bought, self.sold) = if buy { (part, 0) } else { (0, part) };
    }

    fn values(&self) -> (i64, i64) {
        if self.size == 0 {
            return (0, 0);
        }
        let filled = quotient(i128::from(self.bought + self.sold) * 1_000_000, self.size);
        if self.count == 0 {
            return (0, filled);
        }
        let all = i128::from(self.size) * self.count as i128;
        (safe((self.sum * 1_000_000 + all / 2) / all), filled)
    }
}

/// The kernel of one instrument.
#[derive(Debug, Clone)]
pub struct Flow {
    gate: Gate,
    /// Signed volume, volume, count: fading sums as of the last trade.
    sums: [Ema; 3],
    sign: Ema,
    last: Option<i64>,
    buckets: Buckets,
}

impl Default for Flow {
    fn default() -> Self {
        Self::with(Gate::new(&FEATURES))
    }
}

impl Flow {
    fn with(gate: Gate) -> Self {
        Self { gate, sums: Default::default(), sign: Ema::of_n(20), last: None, buckets: Buckets::default() }
    }

    /// Messages were lost: nothing learned so far holds.
    pub fn on_gap(&mut self) {
        *self = Self::with(self.gate.after_gap());
    }

    /// One public trade. One older than the trade before is dropped and flagged on the next output.
    pub fn on_trade(&mut self, print: &Print) {
        if self.gate.admit_trade(print).is_none() {
            return;
        }
        let qty = print.qty.clamp(0, EMA_INPUT_MAX / 1_024);
        let elapsed = self.last.map_or(0, |last| print.ts.0.saturating_sub(last));
        let alpha = fading(elapsed, HALF_LIFE);
        for (sum, value) in self.sums.iter_mut().zip([qty * print.aggressor.sign(), qty, 1]) {
            sum.step_by(0, alpha);
            sum.add(value);
        }
        self.sign.step(print.aggressor.sign() * 1_000_000);
        self.buckets.add(qty, print.aggressor.sign() > 0);
        self.last = Some(print.ts.0);
    }

    /// One update of the book: the values as of its time.
    pub fn on_view(&mut self, view: &View) -> &Row {
        if self.gate.admit(view).is_some() {
            let values = self.values(view);
            self.gate.emit(values, view);
        }
        self.gate.row()
    }

    fn values(&self, view: &View) -> [i64; FEATURES_MAX] {
        let age = self.last.map_or(0, |last| view.ts.0.saturating_sub(last).max(0));
        let alpha = fading(age, HALF_LIFE);
        let [signed, volume, count] = self.sums.map(|mut sum| {
            sum.step_by(0, alpha);
            sum.fixed()
        });
        let (vpin, filled) = self.buckets.values();
        // The share does not change as both fade: taken at the last trade, where no bit is lost.
        let (signed_then, volume_then) = (self.sums[0].fixed(), self.sums[1].fixed());
        let mut values = [0; FEATURES_MAX];
        values[..FEATURES.len()].copy_from_slice(&[
            rounded(signed),
            rounded(volume),
            scaled_ratio((volume_then + signed_then) / 2, volume_then, 1_000_000),
            self.sign.rounded(),
            safe(((count >> 32) * RATE_E9 / 1_000_000 + (1 << 31)) >> 32),
            age / 1_000_000,
            vpin,
            filled,
        ]);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidegate_units::{EpochNs, Side};

    fn at(ns: i64) -> View {
        View::from_levels(&[(100, 1)], &[(101, 1)], EpochNs(ns))
    }

    fn side(buy: bool) -> Side {
        if buy { Side::Buy } else { Side::Sell }
    }

    #[test]
    fn a09_buckets_hold_the_same_volume_and_a_large_trade_fills_many() {
        let mut buckets = Buckets::default();
        for _ in 0..VPIN_TRADES_MIN {
            buckets.add(2, true);
        }
        assert_eq!((buckets.size, buckets.values()), (40, (0, 0)));
        buckets.add(30, true);
        buckets.add(20, false);
        // 30 bought, 10 sold: |20| / 40; 10 sold are left.
        assert_eq!(buckets.values(), (500_000, 250_000));
        buckets.add(110, true);
        // 30 bought, 10 sold again; then two buckets all bought.
        assert_eq!(buckets.values(), (750_000, 0));
        buckets.add(40 * 1_000_000 + 4, true);
        assert_eq!((buckets.count, buckets.values()), (VPIN_BUCKETS, (1_000_000, 100_000)));
    }

    proptest! {
        #[test]
        fn a09_flow_agrees_with_plain_arithmetic(
            trades in prop::collection::vec((any::<bool>(), 1_i64..1_000, 0_i64..3_000_000_000), 1..60), wait in 0_i64..20_000_000_000,
        ) {
            let mut kernel = Flow::default();
            let (mut now, mut seen) = (0, vec![]);
            for (buy, qty, gap) in trades {
                now += gap;
                kernel.on_trade(&Print::certain(1, qty, side(buy), EpochNs(now)));
                seen.push((now, if buy { 1.0 } else { -1.0 }, qty as f64));
            }
            let end = now + wait;
            let got = *kernel.on_view(&at(end));
            let sum = |of: fn(&(i64, f64, f64)) -> f64| -> f64 {
                seen.iter().map(|t| of(t) * 0.5_f64.powf((end - t.0) as f64 / 1e10)).sum()
            };
            let (signed, volume) = (sum(|t| t.1 * t.2), sum(|t| t.2));
            let want = [signed, volume, (1.0 + signed / volume) / 2.0 * 1e6];
            for (n, want) in want.into_iter().enumerate() {
                prop_assert!((got.values()[n] as f64 - want).abs() <= 2.0 + volume * 1e-3 * if n == 2 { 1e6 / volume } else { 1.0 }, "{n}: {} {want}", got.values()[n]);
            }
            let rate = sum(|_| 1.0) * std::f64::consts::LN_2 / 10.0 * 1e3;
            prop_assert!((got.values()[4] as f64 - rate).abs() <= 1.0 + rate * 1e-3);
            prop_assert_eq!(got.values()[5], wait / 1_000_000);
        }

        #[test]
        fn no_input_breaks_it(rows in prop::collection::vec((any::<i64>(), any::<i64>(), any::<bool>()), 1..700)) {
            let mut kernel = Flow::default();
            for (qty, ts, buy) in rows {
                kernel.on_trade(&Print::certain(1, qty, side(buy), EpochNs(ts)));
                kernel.on_trade(&Print::certain(1, qty >> 40, side(buy), EpochNs(i64::MAX)));
                kernel.on_view(&at(ts));
            }
        }
    }
}
