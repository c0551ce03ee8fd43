//! A book that every message replaces as a whole, top N levels a side, with its statistics.

use crate::limits::TOP_LEVELS_MAX;
use crate::rule::is_late;
use tidegate_normalise::{Level, Snapshot};
use tidegate_units::Side;

/// What a message did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopOutcome {
    Replaced,
    /// Of an earlier venue time than the book: no effect.
    Older,
    /// More than [`TOP_LEVELS_MAX`] levels a side: no effect.
    TooDeep,
}

/// Statistics of a book of whole messages. Prices in ticks, sizes in lots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopStats {
    /// Venue time in ns, 0 before any message had one.
    pub ts_venue: i64,
    /// 0 where the side is empty.
    pub best_bid: i64,
    pub best_ask: i64,
    /// Sum of all levels of the side.
    pub bid_depth: i64,
    pub ask_depth: i64,
    /// Best bid + best ask; 0 where a side is empty or the book is crossed.
    pub mid_x2: i64,
    /// Best ask − best bid; 0 where a side is empty or the book is crossed, and where it is locked.
    pub spread: i64,
    /// Sizes at the best: the imbalance is (bid − ask) / (bid + ask).
    pub bid_qty: i64,
    pub ask_qty: i64,
    /// Whether both sides have levels and do not cross; without it mid, spread and imbalance are 0.
    pub two_sided: bool,
}

impl TopStats {
    /// L1 imbalance as numerator and denominator: no fraction is rounded here. 0 of 1 where a side is empty or the book is
    /// crossed.
    pub fn imbalance(&self) -> (i64, i64) {
        let sum = self.bid_qty.saturating_add(self.ask_qty);
        if !self.two_sided || sum == 0 { (0, 1) } else { (self.bid_qty - self.ask_qty, sum) }
    }
}

/// One side, best first.
#[derive(Debug, Clone, Copy)]
struct Half {
    levels: [(i64, i64); TOP_LEVELS_MAX],
    len: usize,
}

impl Half {
    const fn new() -> Self {
        Self { levels: [(0, 0); TOP_LEVELS_MAX], len: 0 }
    }

    /// Levels of size 0 are the venue's filling and are left out; levels out of order are put in order.
    fn fill(&mut self, levels: &[Level], side: Side) {
        self.len = 0;
        for level in levels.iter().filter(|level| level.qty.0 > 0) {
            let rank = |px: i64| px.saturating_mul(side.sign());
            let mut at = self.len;
            while let Some(before) = at.checked_sub(1).and_then(|i| self.levels.get(i)).copied()
                && rank(before.0) < rank(level.px.0)
            {
                if let Some(place) = self.levels.get_mut(at) {
                    *place = before;
                }
                at -= 1;
            }
            if let Some(place) = self.levels.get_mut(at) {
                *place = (level.px.0, level.qty.0);
                self.len += 1;
            }
        }
    }

    fn all(&self) -> &[(i64, i64)] {
        self.levels.get(..self.len).unwrap_or_default()
    }

    fn depth(&self) -> i64 {
        self.all().iter().fold(0, |sum, (_, qty)| sum.saturating_add(*qty))
    }
}

/// The newest whole message of one instrument. No allocation.
///
/// A message of an earlier venue time than the book's is ignored; one without a time (0) keeps the time of the one before.
/// Bid = ask (locked) is in order: venues with auctions publish it.
#[derive(Debug, Clone)]
pub struct TopBook {
    bids: Half,
    asks: Half,
    ts_venue: i64,
}

impl Default for TopBook {
    fn default() -> Self {
        Self::new()
    }
}

impl TopBook {
    /// An empty book.
    pub const fn new() -> Self {
        Self { bids: Half::new(), asks: Half::new(), ts_venue: 0 }
    }

    /// Replaces the book.
    pub fn on_snapshot(&mut self, snapshot: &Snapshot<'_>) -> TopOutcome {
        if snapshot.bids.len() > TOP_LEVELS_MAX || snapshot.asks.len() > TOP_LEVELS_MAX {
            return TopOutcome::TooDeep;
        }
        let ts = snapshot.ts_venue.0;
        if ts != 0 {
            if is_late(ts, self.ts_venue) {
                return TopOutcome::Older;
            }
            self.ts_venue = ts;
        }
        self.bids.fill(&snapshot.bids, Side::Buy);
        self.asks.fill(&snapshot.asks, Side::Sell);
        TopOutcome::Replaced
    }

    /// Levels of a side as (px, qty), best first.
    pub fn levels(&self, side: Side) -> &[(i64, i64)] {
        match side {
            Side::Buy => self.bids.all(),
            Side::Sell => self.asks.all(),
        }
    }

    /// Whether bid > ask.
    pub fn crossed(&self) -> bool {
        matches!((self.bids.all().first(), self.asks.all().first()), (Some(bid), Some(ask)) if bid.0 > ask.0)
    }

    /// The statistics. An empty or crossed book keeps its depth and has no mid, no spread and no imbalance.
    pub fn stats(&self) -> TopStats {
        let best = |half: &Half| half.all().first().copied().unwrap_or((0, 0));
        let (bid, ask) = (best(&self.bids), best(&self.asks));
        let two_sided = self.bids.len > 0 && self.asks.len > 0 && !self.crossed();
        TopStats {
            ts_venue: self.ts_venue,
            best_bid: bid.0,
            best_ask: ask.0,
            bid_depth: self.bids.depth(),
            ask_depth: self.asks.depth(),
            mid_x2: if two_sided { bid.0.saturating_add(ask.0) } else { 0 },
            spread: if two_sided { ask.0.saturating_sub(bid.0) } else { 0 },
            bid_qty: bid.1,
            ask_qty: ask.1,
            two_sided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::borrow::Cow;
    use tidegate_units::{EpochNs, PxTicks, QtyLots};

    fn levels(side: &[(i64, i64)]) -> Cow<'static, [Level]> {
        side.iter().map(|(p, q)| Level { px: PxTicks(*p), qty: QtyLots(*q) }).collect()
    }

    fn snap(ts: i64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Snapshot<'static> {
        Snapshot { last_id: 0, ts_venue: EpochNs(ts), bids: levels(bids), asks: levels(asks) }
    }

    proptest! {
        #[test]
        fn a08_a_whole_message_is_the_book_sorted(
            bids in prop::collection::vec((-50_i64..50, -1_i64..9), 0..12),
            asks in prop::collection::vec((-50_i64..50, -1_i64..9), 0..12),
        ) {
            let mut book = TopBook::new();
            book.on_snapshot(&snap(1, &[(7, 7)], &[]));
            prop_assert_eq!(book.on_snapshot(&snap(1, &bids, &asks)), TopOutcome::Replaced);
            let plain = |all: &[(i64, i64)], sign: i64| {
                let mut all: Vec<_> = all.iter().copied().filter(|l| l.1 > 0).collect();
                all.sort_by_key(|l| -sign * l.0);
                all
            };
            let (bids, asks) = (plain(&bids, 1), plain(&asks, -1));
            prop_assert_eq!(book.levels(Side::Buy), &bids[..]);
            prop_assert_eq!(book.levels(Side::Sell), &asks[..]);
            let stats = book.stats();
            prop_assert_eq!(stats.bid_depth, bids.iter().map(|l| l.1).sum::<i64>());
            prop_assert_eq!(stats.ask_depth, asks.iter().map(|l| l.1).sum::<i64>());
            match (bids.first(), asks.first()) {
                (Some(bid), Some(ask)) if bid.0 <= ask.0 => {
                    prop_assert_eq!((stats.mid_x2, stats.spread), (bid.0 + ask.0, ask.0 - bid.0));
                    prop_assert_eq!(stats.imbalance(), (bid.1 - ask.1, bid.1 + ask.1));
                }
                _ => prop_assert_eq!((stats.mid_x2, stats.spread, stats.imbalance()), (0, 0, (0, 1))),
            }
        }
    }

    #[test]
    fn a08_an_older_message_is_ignored_and_one_without_a_time_is_not() {
        let mut book = TopBook::new();
        book.on_snapshot(&snap(10, &[(99, 5)], &[(101, 3)]));
        assert_eq!(book.on_snapshot(&snap(9, &[(1, 1)], &[])), TopOutcome::Older);
        assert_eq!((book.stats().best_bid, book.stats().imbalance()), (99, (2, 8)));
        assert_eq!(book.on_snapshot(&snap(0, &[(100, 4)], &[(100, 6)])), TopOutcome::Replaced);
        let stats = book.stats();
        assert_eq!(
            (stats.ts_venue, stats.mid_x2, stats.spread, book.crossed()),
            (10, 200, 0, false),
            "locked"
        );
        book.on_snapshot(&snap(10, &[(102, 4), (101, 1)], &[(100, 6)]));
        let stats = book.stats();
        assert_eq!((stats.mid_x2, stats.spread, stats.imbalance(), stats.bid_depth), (0, 0, (0, 1), 5));
        assert!(book.crossed());
    }

    #[test]
    fn b013_a_message_too_deep_is_refused_whole() {
        let deep: Vec<_> = (0..=TOP_LEVELS_MAX as i64).map(|n| (1_000 - n, 1)).collect();
        let mut book = TopBook::new();
        assert_eq!(book.on_snapshot(&snap(5, &deep, &[])), TopOutcome::TooDeep);
        assert_eq!(book.stats(), TopStats::default());
        assert_eq!(book.on_snapshot(&snap(5, &deep[1..], &[])), TopOutcome::Replaced);
    }
}
