//! A book as a backtest keeps it: levels of a feed that come one by one, and a touch that is never crossed for long.

use tidegate_book::{BoundedL2Book, L2Book};
use tidegate_units::Side;

/// Levels by price, whatever holds them. Prices in ticks, quantities in lots.
pub trait Levels {
    /// The quantity at a price, 0 when there is none.
    fn qty(&self, side: Side, px: i64) -> i64;
    /// Sets one level, 0 removes it. False where the book cannot hold the price.
    fn set(&mut self, side: Side, px: i64, qty: i64) -> bool;
    /// The best price strictly worse than `px`.
    fn worse(&self, side: Side, px: i64) -> Option<i64>;
    /// Forgets all levels.
    fn clear(&mut self);
}

impl Levels for BoundedL2Book {
    #[inline]
    fn qty(&self, side: Side, px: i64) -> i64 {
        BoundedL2Book::qty(self, side, px)
    }
    #[inline]
    fn set(&mut self, side: Side, px: i64, qty: i64) -> bool {
        BoundedL2Book::set(self, side, px, qty)
    }
    #[inline]
    fn worse(&self, side: Side, px: i64) -> Option<i64> {
        BoundedL2Book::worse(self, side, px)
    }
    fn clear(&mut self) {
        BoundedL2Book::clear(self);
    }
}

impl Levels for L2Book {
    #[inline]
    fn qty(&self, side: Side, px: i64) -> i64 {
        L2Book::qty(self, side, px)
    }
    #[inline]
    fn set(&mut self, side: Side, px: i64, qty: i64) -> bool {
        L2Book::set(self, side, px, qty);
        true
    }
    #[inline]
    fn worse(&self, side: Side, px: i64) -> Option<i64> {
        L2Book::worse(self, side, px)
    }
    fn clear(&mut self) {
        L2Book::clear(self);
    }
}

/// No bid: below every price.
pub const NO_BID: i64 = i64::MIN;
/// No ask: above every price.
pub const NO_ASK: i64 = i64::MAX;

/// Levels and the touch.
///
/// A message's levels come one after the other, so that a new bid may stand above asks which the same message is about to remove.
/// The newest level is believed: the touch of the other side steps back behind it, and the levels it stepped over count as gone
/// until they are named again.
#[derive(Debug, Clone)]
pub struct Depth<L> {
    levels: L,
    bid: i64,
    ask: i64,
}

/// What one level was, and what the touch of its side was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub was_qty: i64,
    pub was_best: i64,
}

impl<L: Levels> Depth<L> {
    /// An empty book over `levels`, which must be empty.
    pub fn new(levels: L) -> Self {
        Self { levels, bid: NO_BID, ask: NO_ASK }
    }

    /// The best bid in ticks, or [`NO_BID`].
    #[inline]
    pub fn bid(&self) -> i64 {
        self.bid
    }

    /// The best ask in ticks, or [`NO_ASK`].
    #[inline]
    pub fn ask(&self) -> i64 {
        self.ask
    }

    /// Both prices, where both are there.
    #[inline]
    pub fn touch(&self) -> Option<(i64, i64)> {
        (self.bid != NO_BID && self.ask != NO_ASK).then_some((self.bid, self.ask))
    }

    /// The best price of a side.
    #[inline]
    pub fn best(&self, side: Side) -> Option<i64> {
        match side {
            Side::Buy => (self.bid != NO_BID).then_some(self.bid),
            Side::Sell => (self.ask != NO_ASK).then_some(self.ask),
        }
    }

    /// Lots at a price.
    #[inline]
    pub fn qty(&self, side: Side, px: i64) -> i64 {
        self.levels.qty(side, px)
    }

    /// The best price strictly worse than `px`.
    #[inline]
    pub fn worse(&self, side: Side, px: i64) -> Option<i64> {
        self.levels.worse(side, px)
    }

    /// Sets a bid level.
    #[inline]
    pub fn set_bid(&mut self, px: i64, qty: i64) -> Change {
        let change = Change { was_qty: self.levels.qty(Side::Buy, px), was_best: self.bid };
        if !self.levels.set(Side::Buy, px, qty) {
            return change;
        }
        if qty > 0 {
            if px > self.bid {
                self.bid = px;
                if px >= self.ask {
                    self.ask = self.levels.worse(Side::Sell, px).unwrap_or(NO_ASK);
                }
            }
        } else if px == self.bid {
            self.bid = self.levels.worse(Side::Buy, px).unwrap_or(NO_BID);
        }
        change
    }

    /// Sets an ask level.
    #[inline]
    pub fn set_ask(&mut self, px: i64, qty: i64) -> Change {
        let change = Change { was_qty: self.levels.qty(Side::Sell, px), was_best: self.ask };
        if !self.levels.set(Side::Sell, px, qty) {
            return change;
        }
        if qty > 0 {
            if px < self.ask {
                self.ask = px;
                if px <= self.bid {
                    self.bid = self.levels.worse(Side::Buy, px).unwrap_or(NO_BID);
                }
            }
        } else if px == self.ask {
            self.ask = self.levels.worse(Side::Sell, px).unwrap_or(NO_ASK);
        }
        change
    }

    /// Forgets every level of a side from the best one to `px`.
    pub fn clear_to(&mut self, side: Side, px: i64) {
        let from = if side == Side::Buy { NO_ASK } else { NO_BID };
        while let Some(best) = self.levels.worse(side, from) {
            if (best - px) * side.sign() < 0 {
                break;
            }
            self.levels.set(side, best, 0);
        }
        let left = self.levels.worse(side, from);
        match side {
            Side::Buy => self.bid = left.unwrap_or(NO_BID),
            Side::Sell => self.ask = left.unwrap_or(NO_ASK),
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.levels.clear();
        (self.bid, self.ask) = (NO_BID, NO_ASK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn bounded() -> Depth<BoundedL2Book> {
        Depth::new(BoundedL2Book::new(0, 200).unwrap())
    }

    #[test]
    fn a46_the_newest_level_is_believed_where_a_message_crosses_itself() {
        let mut depth = bounded();
        depth.set_bid(100, 5);
        depth.set_ask(101, 7);
        depth.set_ask(103, 2);
        assert_eq!(depth.set_bid(102, 1), Change { was_qty: 0, was_best: 100 });
        assert_eq!((depth.touch(), depth.qty(Side::Sell, 101)), (Some((102, 103)), 7));
        depth.set_ask(101, 0);
        assert_eq!(depth.touch(), Some((102, 103)));
        depth.set_ask(100, 1);
        assert_eq!(depth.touch(), None, "no bid below 100");
        assert_eq!((depth.bid(), depth.ask()), (NO_BID, 100));
    }

    #[test]
    fn a46_a_clear_takes_one_side_to_its_price() {
        let mut depth = bounded();
        for px in 90..100 {
            depth.set_bid(px, 1);
            depth.set_ask(200 - px, 1);
        }
        depth.clear_to(Side::Buy, 95);
        assert_eq!((depth.bid(), depth.qty(Side::Buy, 94), depth.qty(Side::Buy, 95)), (94, 1, 0));
        depth.clear_to(Side::Sell, 105);
        assert_eq!((depth.ask(), depth.qty(Side::Sell, 105)), (106, 0));
        depth.clear_to(Side::Sell, 150);
        assert_eq!(depth.ask(), NO_ASK);
        depth.clear();
        assert_eq!((depth.bid(), depth.qty(Side::Buy, 94)), (NO_BID, 0));
    }

    proptest! {
        #[test]
        fn a46_both_kinds_of_levels_and_a_plain_map_agree(ops in prop::collection::vec((any::<bool>(), 0_i64..200, 0_i64..3), 1..300)) {
            let (mut a, mut b) = (bounded(), Depth::new(L2Book::default()));
            let mut plain: [BTreeMap<i64, i64>; 2] = Default::default();
            for (buy, px, qty) in ops {
                let (one, two) = if buy { (a.set_bid(px, qty), b.set_bid(px, qty)) } else { (a.set_ask(px, qty), b.set_ask(px, qty)) };
                prop_assert_eq!(one, two);
                let side = &mut plain[usize::from(!buy)];
                prop_assert_eq!(one.was_qty, side.get(&px).copied().unwrap_or(0));
                if qty > 0 { side.insert(px, qty); } else { side.remove(&px); }
                prop_assert_eq!((a.bid(), a.ask()), (b.bid(), b.ask()));
                prop_assert!(a.bid() < a.ask());
                prop_assert_eq!(a.worse(Side::Buy, px), plain[0].range(..px).next_back().map(|l| *l.0));
                prop_assert_eq!(b.worse(Side::Sell, px), plain[1].range(px + 1..).next().map(|l| *l.0));
                if let Some((bid, ask)) = a.touch() {
                    prop_assert!(plain[0].contains_key(&bid) && plain[1].contains_key(&ask));
                }
            }
        }
    }
}
