//! The sets `lob_shared_v1`, `v2` and `v3`: 27 features of a book of five levels a side.
//!
//! Averages named `…n` count updates (α = 2 / (n + 1)); those that use time are the set `lob_time_v1`. A crossed, locked or
//! one-sided book gives the values before with PARTIAL and changes nothing; so does an update older than the one before, with
//! OUT_OF_ORDER.

use crate::fixed::{Ema, ONE, imbalance_ppm, quotient, rounded, scaled_ratio};
use crate::gate::{Admitted, Gate};
use crate::limits::{AUTOCOV_PRODUCTS, CHANGE_MAX, FACTOR_MAX, QTY_LOTS_MAX};
use crate::row::Row;
use crate::set::{FeatureSpec, Per, feature, warm_by};
use crate::view::{Print, View};
use tidegate_units::SAFE_INTEGER;

pub(crate) const ABOUT: &str =
    "the 27 features of a five-level book, averages by count of updates; v1 and v2 are the first 16 and 22";

/// The first 16.
pub(crate) const V1: &[FeatureSpec] = V3.split_at(16).0;
/// The first 22.
pub(crate) const V2: &[FeatureSpec] = V3.split_at(22).0;

/// The features of `lob_shared_v3` in the order of their values. Counts of updates are of accepted ones.
pub const V3: [FeatureSpec; 27] = [
    feature("best_bid", "bid, ticks", 1),
    feature("best_ask", "ask, ticks", 1),
    feature("mid_x2", "bid + ask, ticks", 1),
    feature("spread", "ask - bid, ticks", 1),
    feature("bid_depth", "sum of 5 levels, lots", 1),
    feature("ask_depth", "sum of 5 levels, lots", 1),
    feature("depth_imbalance_ppm", "(bid_depth - ask_depth) / (bid_depth + ask_depth), 1e-6", 1),
    feature(
        "microprice_x2",
        "2 (ask bid_qty + bid ask_qty) / (bid_qty + ask_qty), mid_x2 if both are 0, ticks",
        1,
    ),
    feature("l1_bid_qty", "best level, lots", 1),
    feature("l1_ask_qty", "best level, lots", 1),
    feature("l1_imbalance_ppm", "(bid_qty - ask_qty) / (bid_qty + ask_qty), 1e-6", 1),
    feature("ofi_l1_raw", "L1 order flow imbalance of this update (Cont, Kukanov, Stoikov 2014), lots", 2),
    feature("ofi_l1_cum", "running sum of ofi_l1_raw, lots", 2),
    feature("ofi_l1_ema8n", "EMA of ofi_l1_raw, alpha 2/9, from 0, lots", 2),
    feature("spread_ema8n", "EMA of spread, alpha 2/9, from the first, ticks", 2),
    feature("l1_imbalance_ema8n_ppm", "EMA of l1_imbalance_ppm, alpha 2/9, from the first, 1e-6", 2),
    feature("ofi_l1_norm_ppm", "EMA of 13 / max(1, (bid_qty + ask_qty) div 2), 1e-6", 8),
    feature(
        "mid_autocov40_e6",
        "mean of the last 40 products of a change of mid_x2 with the one before it, 1e-6 ticks^2",
        42,
    ),
    feature("tob_survival_ms", "ms since a best price changed, towards 0", 2),
    feature(
        "impact_surprise_e3",
        "d = s / b - 1, s = EMA200(r o) / EMA200(o^2) in 1e-6 (alpha 2/201), r change of mid_x2, o ofi_l1_raw, b = EMA2000(s) (alpha 2/2001, from the first s); 0 if |d| < 0.3, clipped to +-1, sign of s - b, 1e-3",
        400,
    ),
    feature(
        "deep_momentum_e3",
        "c = change of (L2-L5 bid - ask sums), 0 if a best price moved; EMA(1/16) of EMA(1/8)(c) - EMA(1/64)(c), all from 0, clipped to +-2, 0 if a best price moved, 1e-3 lots",
        128,
    ),
    warm_by(
        Per::Trades,
        "toxicity_ema50t_e3",
        "|EMA(q side confidence)| / EMA(q) over trades, alpha 1/25, from the first, 1e-3",
        50,
    ),
    feature("ofi_l1_ema40n", "EMA of ofi_l1_raw, alpha 2/41, from 0, lots", 40),
    feature("ofi_l1_ema240n", "EMA of ofi_l1_raw, alpha 2/241, from 0, lots", 240),
    feature("l1_imbalance_ema40n_ppm", "EMA of l1_imbalance_ppm, alpha 2/41, from the first, 1e-6", 40),
    feature("spread_ema240n", "EMA of spread, alpha 2/241, from the first, ticks", 240),
    feature("spread_ema2400n", "EMA of spread, alpha 2/2401, from the first, ticks", 2_400),
];

/// The last products of mid changes and their sum.
#[derive(Debug, Clone)]
struct Products {
    ring: [i64; AUTOCOV_PRODUCTS],
    next: usize,
    count: usize,
    sum: i64,
}

impl Default for Products {
    fn default() -> Self {
        Self { ring: [0; AUTOCOV_PRODUCTS], next: 0, count: 0, sum: 0 }
    }
}

impl Products {
    fn push(&mut self, product: i64) {
        let Some(place) = self.ring.get_mut(self.next) else { return };
        self.sum += product - *place;
        *place = product;
        self.next = (self.next + 1) % AUTOCOV_PRODUCTS;
        self.count = (self.count + 1).min(AUTOCOV_PRODUCTS);
    }

    fn mean_e6(&self) -> i64 {
        if self.count == AUTOCOV_PRODUCTS {
            let scaled = self.sum.saturating_mul(1_000_000 / AUTOCOV_PRODUCTS as i64);
            return scaled.clamp(-SAFE_INTEGER, SAFE_INTEGER);
        }
        quotient(i128::from(self.sum) * 1_000_000, self.count as i64)
    }
}

/// How much a unit of order flow moves the mid, against its own past.
#[derive(Debug, Clone)]
struct Impact {
    cross: Ema,
    square: Ema,
    slope: Option<i64>,
    baseline: Ema,
}

impl Impact {
    fn step(&mut self, change: i64, flow: i64) -> i64 {
        let (change, flow) = (change.clamp(-FACTOR_MAX, FACTOR_MAX), flow.clamp(-FACTOR_MAX, FACTOR_MAX));
        self.cross.step_small(change * flow);
        self.square.step_small(flow * flow);
        let seeded = self.slope.is_some();
        if flow != 0 {
            // Without flow both averages shrink alike and the slope stays.
            self.slope = Some(scaled_ratio(self.cross.fixed(), self.square.fixed(), 1_000_000));
        }
        let Some(slope) = self.slope else { return 0 };
        if seeded {
            self.baseline.step_small(slope);
        } else {
            self.baseline.seed(slope);
        }
        let base = self.baseline.fixed();
        let (gap, size) = ((i128::from(slope) << 64) - base, base.abs());
        if size == 0 || gap.abs() * 10 < size * 3 {
            0
        } else if gap.abs() >= size {
            1_000 * gap.signum() as i64
        } else {
            scaled_ratio(gap, size, 1_000)
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Last {
    bid: (i64, i64),
    ask: (i64, i64),
    net_deep: i64,
    change: i64,
    best_since: i64,
}

/// A kernel of one instrument.
#[derive(Debug, Clone)]
pub struct Shared {
    gate: Gate,
    last: Option<Last>,
    ofi_sum: i64,
    ofi8: Ema,
    ofi40: Ema,
    ofi240: Ema,
    spread8: Ema,
    spread240: Ema,
    spread2400: Ema,
    imbalance8: Ema,
    imbalance40: Ema,
    products: Products,
    impact: Impact,
    deep_fast: Ema,
    deep_slow: Ema,
    deep_smooth: Ema,
    signed: Ema,
    volume: Ema,
    toxicity: i64,
}

impl Shared {
    /// A fresh kernel of version 1, 2 or 3 (any other is 3); its first output carries STATE_RESET.
    pub fn new(version: u8) -> Self {
        Self::with(Gate::new(match version {
            1 => V1,
            2 => V2,
            _ => &V3,
        }))
    }

    fn with(gate: Gate) -> Self {
        Self {
            gate,
            last: None,
            ofi_sum: 0,
            ofi8: Ema::of_n(8),
            ofi40: Ema::of_n(40),
            ofi240: Ema::of_n(240),
            spread8: Ema::of_n(8),
            spread240: Ema::of_n(240),
            spread2400: Ema::of_n(2_400),
            imbalance8: Ema::of_n(8),
            imbalance40: Ema::of_n(40),
            products: Products::default(),
            impact: Impact {
                cross: Ema::of_n(200),
                square: Ema::of_n(200),
                slope: None,
                baseline: Ema::of_n(2_000),
            },
            deep_fast: Ema::new(1, 8),
            deep_slow: Ema::new(1, 64),
            deep_smooth: Ema::new(1, 16),
            signed: Ema::new(1, 25),
            volume: Ema::new(1, 25),
            toxicity: 0,
        }
    }

    /// Messages were lost: nothing learned so far holds.
    pub fn on_gap(&mut self) {
        *self = Self::with(self.gate.after_gap());
    }

    /// One public trade. One older than the trade before is dropped and flagged on the next output.
    pub fn on_trade(&mut self, print: &Print) {
        let Some(n) = self.gate.admit_trade(print) else { return };
        let qty = print.qty.clamp(0, FACTOR_MAX << 19);
        let signed = qty * i64::from(print.confidence.min(1_000)) * print.aggressor.sign();
        if n == 1 {
            self.signed.seed(signed);
            self.volume.seed(qty * 1_000);
        } else {
            self.signed.step(signed);
            self.volume.step(qty * 1_000);
        }
        self.toxicity = scaled_ratio(self.signed.fixed().abs(), self.volume.fixed(), 1_000);
    }

    /// One update of the book.
    pub fn on_view(&mut self, view: &View) -> &Row {
        if let Some(touch) = self.gate.admit(view) {
            self.accept(touch, view);
            self.gate.finish(view);
        }
        self.gate.row()
    }

    fn accept(&mut self, Admitted { bid, ask, n }: Admitted, view: &View) {
        let lots = |qty: i64| qty.clamp(0, QTY_LOTS_MAX);
        let (bid_depth, ask_depth) = (lots(view.bids.sum()), lots(view.asks.sum()));
        let (mid_x2, spread, touch_qty) = (bid.0 + ask.0, ask.0 - bid.0, bid.1 + ask.1);
        let l1_imbalance = imbalance_ppm(bid.1, ask.1);
        let net_deep = (bid_depth - bid.1) - (ask_depth - ask.1);
        let first = n == 1;
        let last = self.last.unwrap_or(Last { bid, ask, net_deep, change: 0, best_since: view.ts.0 });
        let moved = bid.0 != last.bid.0 || ask.0 != last.ask.0;
        let flow = if first { 0 } else { ofi((last.bid, last.ask), (bid, ask)) };
        let change = mid_x2 - (last.bid.0 + last.ask.0);

        self.ofi_sum = self.ofi_sum.saturating_add(flow).clamp(-SAFE_INTEGER, SAFE_INTEGER);
        self.ofi8.step_small(flow);
        self.ofi40.step_small(flow);
        self.ofi240.step_small(flow);
        if first {
            for ema in [&mut self.spread8, &mut self.spread240, &mut self.spread2400] {
                ema.seed(spread);
            }
            self.imbalance8.seed(l1_imbalance);
            self.imbalance40.seed(l1_imbalance);
        } else {
            self.spread8.step_small(spread);
            self.spread240.step_small(spread);
            self.spread2400.step_small(spread);
            self.imbalance8.step_small(l1_imbalance);
            self.imbalance40.step_small(l1_imbalance);
        }
        if n > 2 {
            let factor = |change: i64| change.clamp(-CHANGE_MAX, CHANGE_MAX);
            self.products.push(factor(change) * factor(last.change));
        }
        let surprise = self.impact.step(change, flow);
        let deep = self.deep_momentum(if moved { 0 } else { net_deep - last.net_deep }, moved);
        let best_since = if moved { view.ts.0 } else { last.best_since };
        self.last = Some(Last { bid, ask, net_deep, change, best_since });

        let micro = match spread.checked_mul(2 * bid.1) {
            _ if touch_qty == 0 => spread,
            Some(scaled) => quotient(i128::from(scaled), touch_qty),
            None => quotient(i128::from(spread) * 2 * i128::from(bid.1), touch_qty),
        };
        let normed = scaled_ratio(self.ofi8.fixed(), i128::from((touch_qty / 2).max(1)) << 64, 1_000_000);
        let (autocov, depth_imbalance) = (self.products.mean_e6(), imbalance_ppm(bid_depth, ask_depth));
        let survival = view.ts.0.saturating_sub(best_since).max(0) / 1_000_000;
        let row = self.gate.row_mut();
        row.begin();
        row.set(0, bid.0);
        row.set(1, ask.0);
        row.set(2, mid_x2);
        row.set(3, spread);
        row.set(4, bid_depth);
        row.set(5, ask_depth);
        row.set(6, depth_imbalance);
        row.set(7, 2 * bid.0 + micro);
        row.set(8, bid.1);
        row.set(9, ask.1);
        row.set(10, l1_imbalance);
        row.set(11, flow);
        row.set(12, self.ofi_sum);
        row.set(13, self.ofi8.rounded());
        row.set(14, self.spread8.rounded());
        row.set(15, self.imbalance8.rounded());
        row.set(16, normed);
        row.set(17, autocov);
        row.set(18, survival);
        row.set(19, surprise);
        row.set(20, deep);
        row.set(21, self.toxicity);
        row.set(22, self.ofi40.rounded());
        row.set(23, self.ofi240.rounded());
        row.set(24, self.imbalance40.rounded());
        row.set(25, self.spread240.rounded());
        row.set(26, self.spread2400.rounded());
    }

    fn deep_momentum(&mut self, change: i64, moved: bool) -> i64 {
        self.deep_fast.step_small(change);
        self.deep_slow.step_small(change);
        self.deep_smooth.step_fixed(self.deep_fast.fixed() - self.deep_slow.fixed());
        if moved { 0 } else { rounded(self.deep_smooth.fixed().clamp(-2 * ONE, 2 * ONE) * 1_000) }
    }
}

/// What the change of the touch added to the bid less what it added to the ask.
pub(crate) fn ofi(old: (Level, Level), new: (Level, Level)) -> i64 {
    let new_bid = if new.0.0 >= old.0.0 { new.0.1 } else { 0 };
    let old_bid = if new.0.0 <= old.0.0 { old.0.1 } else { 0 };
    let new_ask = if new.1.0 <= old.1.0 { new.1.1 } else { 0 };
    let old_ask = if new.1.0 >= old.1.0 { old.1.1 } else { 0 };
    (new_bid - old_bid) - (new_ask - old_ask)
}

/// (px in ticks, qty in lots).
type Level = (i64, i64);

#[cfg(test)]
mod tests;
