//! The set `lob_basic_v1`: what the first strategies read.

use crate::decay::decayed;
use crate::flags;
use crate::limits::{DEEP_LEVELS, QTY_LOTS_MAX, TRADE_SIGN_HALF_LIFE_NS, WARM_TRADES_MIN};
use crate::view::{Half, Touch, View};
use tidegate_book::L2Book;
use tidegate_units::{EpochNs, SAFE_INTEGER, Side};

/// The features of `lob_basic_v1` in the order of their values. A changed formula, scale or order is a new version.
pub const LOB_BASIC_V1: [(&str, &str); 7] = [
    ("mid_x2", "bid + ask, ticks"),
    ("spread", "ask - bid, ticks"),
    ("microprice_e4", "(bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty), 1e-4 ticks"),
    ("imbalance_1_ppm", "(bid_qty - ask_qty) / (bid_qty + ask_qty) of the touch, 1e-6"),
    ("imbalance_5_ppm", "the same of the sums of 5 levels, 1e-6"),
    ("ofi_lots", "L1 order-flow imbalance of this change of the touch (Cont, Kukanov, Stoikov 2014), lots"),
    ("trade_sign_ppm", "mean of trade signs, buy +1, weights halved each 1 s of venue time, 1e-6"),
];

/// Name of the set.
pub const SET_NAME: &str = "lob_basic_v1";

/// How many values the set has.
pub const FEATURES: usize = LOB_BASIC_V1.len();

/// The hash of the set's definition: first 4 bytes, big-endian, of the BLAKE3 of its name and each line. Never 0.
pub fn set_hash() -> u32 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(SET_NAME.as_bytes());
    for (name, definition) in LOB_BASIC_V1 {
        hasher.update(b"\n").update(name.as_bytes()).update(b"=").update(definition.as_bytes());
    }
    let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
    u32::from_be_bytes([a, b, c, d]).max(1)
}

/// One output: the values in the order of the set, and flags. A value that cannot be computed is 0 and flagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    pub values: [i64; FEATURES],
    pub flags: u32,
}

#[derive(Debug, Clone, Copy)]
struct Sides {
    bid: (i64, i64),
    ask: (i64, i64),
}

/// One in the trade-sign sums. Large, so that little is lost to rounding over many half-lives.
const SIGN_ONE: i64 = 1 << 32;

/// The set `lob_basic_v1` of one instrument.
#[derive(Debug, Clone, Default)]
pub struct LobBasic {
    last: Option<Sides>,
    sign_sum: i64,
    weight_sum: i64,
    trades: u64,
    trade_ts: Option<EpochNs>,
    /// Flags of the next output only.
    once: u32,
}

fn ratio_ppm(a: i64, b: i64) -> i64 {
    let sum = i128::from(a) + i128::from(b);
    if sum == 0 { 0 } else { ((i128::from(a) - i128::from(b)) * 1_000_000 / sum) as i64 }
}

impl LobBasic {
    /// A fresh kernel; its first output carries STATE_RESET.
    pub fn new() -> Self {
        Self { once: flags::STATE_RESET, ..Self::default() }
    }

    /// Messages were lost: nothing learned so far holds.
    pub fn on_gap(&mut self) {
        *self = Self { once: flags::GAP | flags::STATE_RESET, ..Self::default() };
    }

    /// One public trade at the venue's time.
    pub fn on_trade(&mut self, aggressor: Side, ts: EpochNs) {
        let elapsed = self.trade_ts.map_or(0, |last| ts.0.saturating_sub(last.0));
        if elapsed < 0 {
            self.once |= flags::OUT_OF_ORDER;
        }
        self.sign_sum =
            decayed(self.sign_sum, elapsed, TRADE_SIGN_HALF_LIFE_NS) + aggressor.sign() * SIGN_ONE;
        self.weight_sum = decayed(self.weight_sum, elapsed, TRADE_SIGN_HALF_LIFE_NS) + SIGN_ONE;
        self.trades += 1;
        self.trade_ts = Some(self.trade_ts.map_or(ts, |last| last.max(ts)));
    }

    /// The touch has changed: the values as of now. Deeper levels are those of `book`.
    pub fn on_touch(&mut self, touch: Touch, book: &L2Book) -> Output {
        let deep = |side| (book.depth_sum(side, DEEP_LEVELS), book.len(side));
        self.on_levels(touch, deep(Side::Buy), deep(Side::Sell))
    }

    /// The same of the levels a kernel is shown; the touch is the first of them.
    pub fn on_view(&mut self, view: &View) -> Output {
        let deep = |half: &Half| (half.sum(), half.levels().len());
        let touch = Touch { bid: view.bids.best(), ask: view.asks.best() };
        self.on_levels(touch, deep(&view.bids), deep(&view.asks))
    }

    /// `bids` and `asks` are the sum of the first [`DEEP_LEVELS`] and how many levels there are.
    fn on_levels(&mut self, touch: Touch, bids: (i64, usize), asks: (i64, usize)) -> Output {
        let mut flags = std::mem::take(&mut self.once);
        let clamp = |level: Option<(i64, i64)>| level.map(|(px, qty)| (px, qty.clamp(0, QTY_LOTS_MAX)));
        let (bid, ask) = (clamp(touch.bid), clamp(touch.ask));
        let mut values = [0; FEATURES];
        let (Some(bid), Some(ask)) = (bid, ask) else {
            self.last = None;
            return Output { values, flags: flags | flags::PARTIAL };
        };
        let deep = |(sum, _): (i64, usize)| sum.clamp(0, QTY_LOTS_MAX);
        if bids.1.min(asks.1) < DEEP_LEVELS {
            flags |= flags::PARTIAL;
        }
        if self.last.is_none() || self.trades < WARM_TRADES_MIN {
            flags |= flags::WARMING_UP;
        }
        let total = i128::from(bid.1) + i128::from(ask.1);
        let weighted = i128::from(bid.0) * i128::from(ask.1) + i128::from(ask.0) * i128::from(bid.1);
        // Whole ticks first: the product with 1e4 could pass i128 otherwise.
        let micro =
            if total == 0 { 0 } else { weighted / total * 10_000 + weighted % total * 10_000 / total };
        values[0] = bid.0 + ask.0;
        values[1] = ask.0 - bid.0;
        values[2] = i64::try_from(micro).unwrap_or(0);
        values[3] = ratio_ppm(bid.1, ask.1);
        values[4] = ratio_ppm(deep(bids), deep(asks));
        values[5] = self.last.map_or(0, |last| ofi(last, Sides { bid, ask }));
        values[6] = if self.weight_sum == 0 {
            0
        } else {
            (i128::from(self.sign_sum) * 1_000_000 / i128::from(self.weight_sum)) as i64
        };
        self.last = Some(Sides { bid, ask });
        // What JavaScript could not hold exactly is no value.
        for value in values.iter_mut().filter(|value| value.abs() > SAFE_INTEGER) {
            *value = 0;
            flags |= flags::PARTIAL;
        }
        Output { values, flags }
    }
}

/// What the change of the touch added to the bid less what it added to the ask.
fn ofi(old: Sides, new: Sides) -> i64 {
    let mut flow = 0;
    if new.bid.0 >= old.bid.0 {
        flow += new.bid.1;
    }
    if new.bid.0 <= old.bid.0 {
        flow -= old.bid.1;
    }
    if new.ask.0 <= old.ask.0 {
        flow -= new.ask.1;
    }
    if new.ask.0 >= old.ask.0 {
        flow += old.ask.1;
    }
    flow
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn book(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> L2Book {
        let mut book = L2Book::default();
        bids.iter().for_each(|(px, qty)| book.set(Side::Buy, *px, *qty));
        asks.iter().for_each(|(px, qty)| book.set(Side::Sell, *px, *qty));
        book
    }

    fn on(f: &mut LobBasic, book: &L2Book) -> Output {
        f.on_touch(Touch::of(book), book)
    }

    #[test]
    fn a09_values_by_hand() {
        let mut f = LobBasic::new();
        let first = on(&mut f, &book(&[(99, 3), (98, 1)], &[(101, 1), (102, 7)]));
        assert_eq!(first.values, [200, 2, 1_005_000, 500_000, -333_333, 0, 0]);
        assert_eq!(first.flags, flags::STATE_RESET | flags::PARTIAL | flags::WARMING_UP);
        f.on_trade(Side::Buy, EpochNs(0));
        f.on_trade(Side::Sell, EpochNs(1_000_000_000));
        // Bid up to 100 with 5 (+5), ask stays with 1 to 4 (-3): 2. Signs: (0.5 - 1) / 1.5.
        let second = on(&mut f, &book(&[(100, 5), (98, 1)], &[(101, 4)]));
        assert_eq!((second.values[5], second.values[6]), (2, -333_333));
        assert_eq!(second.flags & flags::STATE_RESET, 0);
    }

    #[test]
    fn order_flow_is_signed_by_side_and_direction() {
        let t = |b: i64, bq: i64, a: i64, aq: i64| Sides { bid: (b, bq), ask: (a, aq) };
        for (old, new, want) in [
            (t(9, 5, 11, 5), t(9, 8, 11, 5), 3),
            (t(9, 5, 11, 5), t(8, 7, 11, 5), -5),
            (t(9, 5, 11, 5), t(10, 2, 11, 5), 2),
            (t(9, 5, 11, 5), t(9, 5, 10, 4), -4),
            (t(9, 5, 11, 5), t(9, 5, 12, 4), 5),
        ] {
            assert_eq!(ofi(old, new), want, "{old:?} {new:?}");
        }
    }

    #[test]
    fn a09_a_gap_forgets_and_says_so_once() {
        let mut f = LobBasic::new();
        let side = |p: i64, s: i64| (0..5).map(|n| (p + s * n, 5)).collect::<Vec<_>>();
        let full = book(&side(99, -1), &side(101, 1));
        on(&mut f, &full);
        for n in 0..WARM_TRADES_MIN {
            assert_eq!(on(&mut f, &full).flags, flags::WARMING_UP, "{n} trades");
            f.on_trade(Side::Buy, EpochNs(n as i64));
        }
        let warm = on(&mut f, &full);
        assert_eq!((warm.flags, warm.values[6]), (0, 1_000_000));
        f.on_gap();
        let after = on(&mut f, &full);
        assert_eq!(after.flags, flags::GAP | flags::STATE_RESET | flags::WARMING_UP);
        assert_eq!((after.values[5], after.values[6]), (0, 0));
        assert_eq!(on(&mut f, &full).flags, flags::WARMING_UP);
    }

    #[test]
    fn a09_an_empty_side_and_an_old_trade_are_flagged() {
        let mut f = LobBasic::new();
        let one = on(&mut f, &book(&[(99, 3)], &[]));
        assert_eq!((one.values, one.flags), ([0; FEATURES], flags::STATE_RESET | flags::PARTIAL));
        f.on_trade(Side::Buy, EpochNs(10));
        f.on_trade(Side::Buy, EpochNs(5));
        assert_ne!(on(&mut f, &book(&[(99, 3)], &[(101, 1)])).flags & flags::OUT_OF_ORDER, 0);
    }

    #[test]
    fn b073_the_set_is_pinned() {
        assert_eq!((SET_NAME, FEATURES), ("lob_basic_v1", 7));
        assert_eq!(set_hash(), PINNED, "a changed definition is a new version with a new name");
    }

    const PINNED: u32 = 251_653_267;

    fn side() -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(1_i64..1_000_000, 5..9)
    }

    proptest! {
        #[test]
        fn a09_the_kernel_agrees_with_plain_arithmetic(
            bid in 1_000_i64..10_000_000, spread in 1_i64..50, bids in side(), asks in side(),
            trades in prop::collection::vec((any::<bool>(), 0_i64..3_000_000_000), 1..60),
        ) {
            let ask = bid + spread;
            let levels = |start: i64, step: i64, qty: &[i64]| -> Vec<(i64, i64)> {
                qty.iter().enumerate().map(|(n, q)| (start + step * n as i64, *q)).collect()
            };
            let mut f = LobBasic::new();
            let mut now = 0_i64;
            let mut stamped = vec![];
            for (buy, gap) in &trades {
                now += gap;
                f.on_trade(if *buy { Side::Buy } else { Side::Sell }, EpochNs(now));
                stamped.push((if *buy { 1.0 } else { -1.0 }, now));
            }
            let got = on(&mut f, &book(&levels(bid, -1, &bids), &levels(ask, 1, &asks))).values;
            let (bq, aq) = (bids[0] as f64, asks[0] as f64);
            let (b5, a5) = (bids[..5].iter().sum::<i64>() as f64, asks[..5].iter().sum::<i64>() as f64);
            let weight = |at: i64| 0.5_f64.powf((now - at) as f64 / 1e9);
            let signs: f64 = stamped.iter().map(|(s, at)| s * weight(*at)).sum();
            let weights: f64 = stamped.iter().map(|(_, at)| weight(*at)).sum();
            let want = [
                (bid + ask) as f64,
                spread as f64,
                (bid as f64 * aq + ask as f64 * bq) / (bq + aq) * 1e4,
                (bq - aq) / (bq + aq) * 1e6,
                (b5 - a5) / (b5 + a5) * 1e6,
                0.0,
                signs / weights * 1e6,
            ];
            for (n, (got, want)) in got.iter().zip(want).enumerate() {
                let tolerance = if n == 6 { 50.0 } else { 1.01 };
                prop_assert!((*got as f64 - want).abs() <= tolerance, "{} is {got}, want {want}", LOB_BASIC_V1[n].0);
            }
        }

        #[test]
        fn no_book_overflows(px in 1_i64..(1 << 53), bq in 0_i64..i64::MAX, aq in 1_i64..i64::MAX) {
            let mut f = LobBasic::new();
            let got = on(&mut f, &book(&[(px, bq)], &[(px + 1, aq)])).values;
            prop_assert!(got[3].abs() <= 1_000_000 && got[4].abs() <= 1_000_000);
            prop_assert!(got.iter().all(|value| value.abs() <= SAFE_INTEGER));
        }
    }
}
