//! The recorded book, and what of it we have taken.

use crate::engine::Street;
use crate::limits::{DIFFS_BUFFERED_MAX, LEVELS_SIDE_MAX};
use std::collections::{BTreeMap, VecDeque};
use tidegate_normalise::{BookTicker, DepthDiff, Level, Snapshot};
use tidegate_units::Side;

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    recorded: i64,
    taken: i64,
}

/// What the recording has brought so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MarketCounts {
    pub depth: u64,
    pub tickers: u64,
    pub snapshots: u64,
    pub stale: u64,
    /// Diffs that did not follow the one before. The recording is the venue here, so they are applied and counted.
    pub gaps: u64,
    pub buffer_dropped: u64,
    pub levels_dropped: u64,
    /// Takes beyond what a level had: a bug of ours, 0 by construction and checked.
    pub filled_twice: u64,
}

/// One side: levels by price, and the farthest price up to which an absent level is known to be empty.
#[derive(Debug, Clone, Default)]
struct SideBook {
    cells: BTreeMap<i64, Cell>,
    known_to: i64,
}

impl SideBook {
    fn set(&mut self, px: i64, qty: i64) {
        if qty == 0 {
            self.cells.remove(&px);
        } else {
            let cell = self.cells.entry(px).or_default();
            // What an update removes is first what we took; what it adds is new.
            *cell = Cell { recorded: qty, taken: cell.taken.min(qty) };
        }
    }
}

/// The recorded book of one symbol. Prices in ticks, quantities in lots.
#[derive(Debug, Clone, Default)]
pub struct Market {
    bids: SideBook,
    asks: SideBook,
    last_id: Option<u64>,
    waiting: VecDeque<DepthDiff<'static>>,
    ticker: Option<BookTicker>,
    counts: MarketCounts,
}

impl Market {
    /// Whether a snapshot has been applied.
    pub fn synced(&self) -> bool {
        self.last_id.is_some()
    }

    /// The last update id in the book.
    pub fn last_id(&self) -> Option<u64> {
        self.last_id
    }

    /// What has come so far.
    pub fn counts(&self) -> MarketCounts {
        self.counts
    }

    /// Forgets the book until the next snapshot.
    pub fn reset(&mut self) {
        *self = Self { counts: self.counts, ..Self::default() };
    }

    fn side(&self, side: Side) -> &SideBook {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut SideBook {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// The recorded quantity at a price: `None` where the recording does not reach.
    pub fn recorded(&self, side: Side, px: i64) -> Option<i64> {
        let book = self.side(side);
        match book.cells.get(&px) {
            Some(cell) => Some(cell.recorded),
            None if (px - book.known_to) * side.sign() >= 0 => Some(0),
            None => None,
        }
    }

    /// Best recorded level of a side.
    pub fn best(&self, side: Side) -> Option<(i64, i64)> {
        let cells = &self.side(side).cells;
        match side {
            Side::Buy => cells.last_key_value(),
            Side::Sell => cells.first_key_value(),
        }
        .map(|(px, cell)| (*px, cell.recorded))
    }

    /// Recorded levels of a side, best first.
    pub fn levels(&self, side: Side, limit: usize) -> Vec<(i64, i64)> {
        let cells = &self.side(side).cells;
        let pair = |(px, cell): (&i64, &Cell)| (*px, cell.recorded);
        match side {
            Side::Buy => cells.iter().rev().take(limit).map(pair).collect(),
            Side::Sell => cells.iter().take(limit).map(pair).collect(),
        }
    }

    /// The best level of `side` that still has something to take, no worse than `limit` for who takes it.
    pub fn available(&self, side: Side, limit: Option<i64>) -> Option<(i64, i64)> {
        let within = |px: i64| limit.is_none_or(|limit| (limit - px) * side.sign() <= 0);
        let open = |(px, cell): (&i64, &Cell)| {
            let left = cell.recorded - cell.taken;
            (left > 0).then_some((*px, left))
        };
        let cells = &self.side(side).cells;
        match side {
            Side::Buy => cells.iter().rev().take_while(|(px, _)| within(**px)).find_map(open),
            Side::Sell => cells.iter().take_while(|(px, _)| within(**px)).find_map(open),
        }
    }

    /// How much there is to take on `side` up to `limit`, counting no further than `enough`; with its cost in ticks × lots.
    pub fn available_total(&self, side: Side, limit: Option<i64>, enough: i64) -> (i64, i128) {
        let within = |px: i64| limit.is_none_or(|limit| (limit - px) * side.sign() <= 0);
        let cells = &self.side(side).cells;
        let mut total = (0_i64, 0_i128);
        let mut add = |px: i64, cell: &Cell| {
            let n = (cell.recorded - cell.taken).max(0).min(enough - total.0);
            total.0 += n;
            total.1 += i128::from(px) * i128::from(n);
        };
        match side {
            Side::Buy => {
                cells.iter().rev().take_while(|(px, _)| within(**px)).for_each(|(px, c)| add(*px, c))
            }
            Side::Sell => cells.iter().take_while(|(px, _)| within(**px)).for_each(|(px, c)| add(*px, c)),
        }
        total
    }

    /// Marks `qty` at a level as taken by us.
    pub fn take(&mut self, side: Side, px: i64, qty: i64) {
        let ok = self.side_mut(side).cells.get_mut(&px).is_some_and(|cell| {
            cell.taken += qty;
            cell.taken <= cell.recorded
        });
        if !ok {
            self.counts.filled_twice += 1;
        }
    }

    /// A diff of the recording. Before the first snapshot it waits; an older one than the book is dropped.
    pub fn on_depth(&mut self, diff: DepthDiff<'_>) {
        self.counts.depth += 1;
        let Some(last) = self.last_id else {
            if self.waiting.len() == DIFFS_BUFFERED_MAX {
                self.waiting.pop_front();
                self.counts.buffer_dropped += 1;
            }
            self.waiting.push_back(diff.into_owned());
            return;
        };
        if diff.last_id <= last {
            self.counts.stale += 1;
            return;
        }
        self.follow(&diff, last);
    }

    /// Applies a diff that is newer than the book, and counts where it does not follow what came before.
    fn follow(&mut self, diff: &DepthDiff<'_>, last: u64) {
        let follows = diff.prev_id.map_or(diff.first_id <= last + 1, |prev| prev <= last);
        if !follows {
            self.counts.gaps += 1;
        }
        self.apply(diff);
    }

    fn apply(&mut self, diff: &DepthDiff<'_>) {
        // A best bid and offer newer than the diff already says what lies at and inside the touch.
        let newer = self.ticker.filter(|ticker| ticker.update_id > diff.last_id);
        for (side, levels) in [(Side::Buy, &diff.bids), (Side::Sell, &diff.asks)] {
            let touch = newer.map(|ticker| if side == Side::Buy { ticker.bid } else { ticker.ask });
            for level in levels.iter() {
                let known = touch.is_some_and(|t| t.qty.0 == 0 || (level.px.0 - t.px.0) * side.sign() >= 0);
                if !known {
                    self.set(side, level);
                }
            }
        }
        self.last_id = Some(diff.last_id);
    }

    fn set(&mut self, side: Side, level: &Level) {
        let book = self.side_mut(side);
        book.set(level.px.0, level.qty.0);
        if book.cells.len() > LEVELS_SIDE_MAX {
            let farthest = match side {
                Side::Buy => book.cells.pop_first(),
                Side::Sell => book.cells.pop_last(),
            };
            if let Some((px, _)) = farthest {
                let sign = side.sign();
                book.known_to = sign * (sign * book.known_to).max(sign * px + 1);
            }
            self.counts.levels_dropped += 1;
        }
    }

    /// A whole book. Levels that stay keep what we took of them.
    pub fn on_snapshot(&mut self, snapshot: &Snapshot<'_>) {
        self.counts.snapshots += 1;
        if self.last_id.is_some_and(|last| snapshot.last_id <= last) {
            self.counts.stale += 1;
            return;
        }
        for (side, levels) in [(Side::Buy, &snapshot.bids), (Side::Sell, &snapshot.asks)] {
            let book = self.side_mut(side);
            let old = std::mem::take(&mut book.cells);
            book.known_to = levels.last().map_or(0, |level| level.px.0);
            for level in levels.iter() {
                let taken = old.get(&level.px.0).map_or(0, |cell| cell.taken);
                book.cells.insert(level.px.0, Cell { recorded: level.qty.0, taken: taken.min(level.qty.0) });
            }
        }
        self.last_id = Some(snapshot.last_id);
        for diff in std::mem::take(&mut self.waiting) {
            if let Some(last) = self.last_id.filter(|last| diff.last_id > *last) {
                self.follow(&diff, last);
            }
        }
        if let Some(ticker) = self.ticker {
            self.apply_ticker(ticker);
        }
    }

    /// The venue's best bid and offer, which may run ahead of the diffs.
    pub fn on_ticker(&mut self, ticker: BookTicker) {
        self.counts.tickers += 1;
        if self.ticker.is_some_and(|last| ticker.update_id <= last.update_id) {
            self.counts.stale += 1;
            return;
        }
        self.ticker = Some(ticker);
        if self.last_id.is_some() {
            self.apply_ticker(ticker);
        }
    }

    fn apply_ticker(&mut self, ticker: BookTicker) {
        if self.last_id.is_some_and(|last| ticker.update_id <= last) {
            return;
        }
        for (side, touch) in [(Side::Buy, ticker.bid), (Side::Sell, ticker.ask)] {
            let cells = &mut self.side_mut(side).cells;
            if touch.qty.0 == 0 {
                cells.clear();
                continue;
            }
            match side {
                Side::Buy => drop(cells.split_off(&(touch.px.0 + 1))),
                Side::Sell => *cells = cells.split_off(&touch.px.0),
            }
            self.set(side, &touch);
        }
    }
}

/// The recorded levels, less what was taken of them.
impl Street for Market {
    fn best(&self, side: Side, limit: Option<i64>) -> Option<(i64, i64)> {
        self.available(side, limit)
    }

    fn total(&self, side: Side, limit: Option<i64>, enough: i64) -> i64 {
        self.available_total(side, limit, enough).0
    }

    fn touch(&self, side: Side) -> Option<i64> {
        Market::best(self, side).map(|(px, _)| px)
    }

    fn take(&mut self, side: Side, px: i64, qty: i64) {
        Market::take(self, side, px, qty);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_units::{EpochNs, PxTicks, QtyLots};

    pub fn level(px: i64, qty: i64) -> Level {
        Level { px: PxTicks(px), qty: QtyLots(qty) }
    }

    fn snapshot(id: u64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Snapshot<'static> {
        let side = |levels: &[(i64, i64)]| levels.iter().map(|(p, q)| level(*p, *q)).collect();
        Snapshot { last_id: id, ts_venue: EpochNs(0), bids: side(bids), asks: side(asks) }
    }

    fn diff(first: u64, last: u64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> DepthDiff<'static> {
        let s = snapshot(last, bids, asks);
        DepthDiff {
            first_id: first,
            last_id: last,
            prev_id: None,
            ts_venue: EpochNs(0),
            bids: s.bids,
            asks: s.asks,
        }
    }

    #[test]
    fn a_snapshot_older_than_the_diffs_that_wait_for_it_is_a_gap() {
        // The rule of the venue: the first diff used has first_id <= last_id of the snapshot + 1 <= last_id.
        for (snapshot_id, gaps) in [(4, 1), (5, 0), (9, 0)] {
            let mut m = Market::default();
            m.on_depth(diff(6, 9, &[(98, 3)], &[]));
            m.on_depth(diff(10, 12, &[(97, 3)], &[]));
            m.on_snapshot(&snapshot(snapshot_id, &[(99, 5)], &[(101, 5)]));
            assert_eq!((m.counts().gaps, m.last_id()), (gaps, Some(12)), "snapshot {snapshot_id}");
        }
    }

    #[test]
    fn diffs_before_the_snapshot_wait_and_the_old_ones_are_dropped() {
        let mut m = Market::default();
        m.on_depth(diff(1, 5, &[(99, 7)], &[]));
        m.on_depth(diff(6, 9, &[(98, 3)], &[]));
        assert!(!m.synced());
        m.on_snapshot(&snapshot(5, &[(99, 1), (98, 1)], &[(101, 1)]));
        assert_eq!(m.levels(Side::Buy, 9), vec![(99, 1), (98, 3)]);
        m.on_depth(diff(3, 9, &[(99, 50)], &[]));
        assert_eq!((m.best(Side::Buy), m.counts().stale), (Some((99, 1)), 1));
        m.on_depth(diff(12, 13, &[], &[]));
        assert_eq!(m.counts().gaps, 1);
    }

    #[test]
    fn a_newer_best_bid_and_offer_wins_over_an_older_diff() {
        let mut m = Market::default();
        m.on_snapshot(&snapshot(10, &[(99, 5), (98, 5)], &[(101, 5), (102, 5)]));
        m.on_ticker(BookTicker { update_id: 20, ts_venue: EpochNs(0), bid: level(98, 4), ask: level(99, 2) });
        assert_eq!((m.best(Side::Buy), m.best(Side::Sell)), (Some((98, 4)), Some((99, 2))));
        m.on_depth(diff(11, 15, &[(99, 9), (98, 9), (97, 9)], &[(99, 9), (103, 9)]));
        assert_eq!(m.levels(Side::Buy, 9), vec![(98, 4), (97, 9)]);
        assert_eq!(m.levels(Side::Sell, 9), vec![(99, 2), (101, 5), (102, 5), (103, 9)]);
        m.on_depth(diff(16, 21, &[(99, 9)], &[(99, 0)]));
        assert_eq!((m.best(Side::Buy), m.best(Side::Sell)), (Some((99, 9)), Some((101, 5))));
    }

    #[test]
    fn what_is_taken_stays_taken_until_an_update_adds_to_it() {
        let mut m = Market::default();
        m.on_snapshot(&snapshot(1, &[(90, 1)], &[(100, 5)]));
        m.take(Side::Sell, 100, 5);
        assert_eq!(m.available(Side::Sell, None), None);
        m.on_depth(diff(2, 2, &[], &[(100, 5)]));
        assert_eq!(m.available(Side::Sell, None), None);
        m.on_depth(diff(3, 3, &[], &[(100, 7)]));
        assert_eq!(m.available(Side::Sell, None), Some((100, 2)));
        m.on_depth(diff(4, 4, &[], &[(100, 3)]));
        assert_eq!(m.available(Side::Sell, None), None);
        m.on_depth(diff(5, 5, &[], &[(100, 4)]));
        assert_eq!(m.available(Side::Sell, None), Some((100, 1)));
        assert_eq!(m.counts().filled_twice, 0);
        m.take(Side::Sell, 100, 2);
        assert_eq!(m.counts().filled_twice, 1, "the control: taking too much is seen");
    }

    #[test]
    fn beyond_the_snapshot_a_level_is_unknown_not_empty() {
        let mut m = Market::default();
        m.on_snapshot(&snapshot(1, &[(99, 5), (95, 5)], &[(101, 5), (105, 5)]));
        assert_eq!((m.recorded(Side::Buy, 97), m.recorded(Side::Buy, 94)), (Some(0), None));
        assert_eq!((m.recorded(Side::Sell, 103), m.recorded(Side::Sell, 106)), (Some(0), None));
    }

    #[test]
    fn the_book_is_bounded_and_forgets_the_farthest() {
        let mut m = Market::default();
        m.on_snapshot(&snapshot(1, &[(50_000, 1)], &[(60_000, 1)]));
        let far: Vec<(i64, i64)> = (0..LEVELS_SIDE_MAX as i64 + 3).map(|n| (50_000 - n, 1)).collect();
        m.on_depth(diff(2, 2, &far, &[]));
        assert_eq!((m.levels(Side::Buy, usize::MAX).len(), m.counts().levels_dropped), (LEVELS_SIDE_MAX, 3));
        assert_eq!(m.best(Side::Buy), Some((50_000, 1)));
        assert_eq!(m.recorded(Side::Buy, 50_000 - LEVELS_SIDE_MAX as i64), None);
    }
}
