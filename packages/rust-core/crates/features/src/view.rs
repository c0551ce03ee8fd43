//! What a kernel is shown: the best levels of a book at one moment, and prints of the tape.

use crate::limits::VIEW_LEVELS;
use tidegate_book::L2Book;
use tidegate_units::{EpochNs, Side};

/// The best levels as (px in ticks, qty in lots). The venue's own best bid and offer may run ahead of the book's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touch {
    pub bid: Option<(i64, i64)>,
    pub ask: Option<(i64, i64)>,
}

impl Touch {
    /// The touch of a book.
    pub fn of(book: &L2Book) -> Self {
        Self { bid: book.best(Side::Buy), ask: book.best(Side::Sell) }
    }
}

/// The best levels of one side, best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Half {
    levels: [(i64, i64); VIEW_LEVELS],
    count: usize,
    sum: i64,
}

impl Half {
    /// Adds the next worse level; beyond the fifth it is ignored.
    pub fn push(&mut self, level: (i64, i64)) {
        if let Some(place) = self.levels.get_mut(self.count) {
            *place = level;
            self.count += 1;
            self.sum = self.sum.saturating_add(level.1);
        }
    }

    /// Best first, at most [`VIEW_LEVELS`].
    pub fn levels(&self) -> &[(i64, i64)] {
        self.levels.get(..self.count).unwrap_or_default()
    }

    /// The best level.
    pub fn best(&self) -> Option<(i64, i64)> {
        self.levels().first().copied()
    }

    /// Quantity of all levels here, in lots.
    pub fn sum(&self) -> i64 {
        self.sum
    }

    /// A side of a book below a touch that may run ahead of it.
    fn of(touch: Option<(i64, i64)>, side: Side, book: &L2Book) -> Self {
        let mut half = Self::default();
        let Some(best) = touch else { return half };
        half.push(best);
        for level in book.levels(side) {
            if half.count == VIEW_LEVELS {
                break;
            }
            // Only what is worse than the touch is still there.
            if (best.0 - level.0) * side.sign() > 0 {
                half.push(level);
            }
        }
        half
    }
}

/// Levels a side that a panel keeps: a touch may have passed some of the book's.
const PANEL_LEVELS: usize = VIEW_LEVELS + 3;

#[derive(Debug, Clone, Copy, Default)]
struct Shelf {
    levels: [(i64, i64); PANEL_LEVELS],
    count: usize,
    /// Quantity of the first [`VIEW_LEVELS`].
    sum: i64,
}

impl Shelf {
    fn of(side: Side, book: &L2Book) -> Self {
        let mut shelf = Self::default();
        for (place, level) in shelf.levels.iter_mut().zip(book.levels(side)) {
            *place = level;
            if shelf.count < VIEW_LEVELS {
                shelf.sum = shelf.sum.saturating_add(level.1);
            }
            shelf.count += 1;
        }
        shelf
    }

    #[inline]
    fn half(&self, touch: Option<(i64, i64)>, side: Side, book: &L2Book) -> Half {
        let [first, ..] = self.levels;
        let mut half = Half::default();
        let Some(best) = touch else { return half };
        if self.count > 0 && best.0 == first.0 {
            // The usual case: the touch is the book's, in another quantity at most.
            if let Some(levels) = self.levels.first_chunk() {
                half.levels = *levels;
            }
            half.levels[0] = best;
            half.count = self.count.min(VIEW_LEVELS);
            half.sum = self.sum.saturating_sub(first.1).saturating_add(best.1);
            return half;
        }
        half.push(best);
        for level in self.levels.iter().take(self.count) {
            if (best.0 - level.0) * side.sign() > 0 {
                half.push(*level);
            }
        }
        // Too few are left of a book that may have more.
        if half.count < VIEW_LEVELS && self.count == PANEL_LEVELS {
            Half::of(touch, side, book)
        } else {
            half
        }
    }
}

/// The best levels of a book, read when the book changes and not at every change of the touch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Panel {
    bids: Shelf,
    asks: Shelf,
}

impl Panel {
    /// The book has changed.
    pub fn refresh(&mut self, book: &L2Book) {
        *self = Self { bids: Shelf::of(Side::Buy, book), asks: Shelf::of(Side::Sell, book) };
    }

    /// As [`View::of`] of the same book, which must not have changed since the last refresh.
    #[inline]
    pub fn view(&self, touch: Touch, book: &L2Book, ts: EpochNs, seq: u64) -> View {
        let bids = self.bids.half(touch.bid, Side::Buy, book);
        let asks = self.asks.half(touch.ask, Side::Sell, book);
        View { bids, asks, ts, seq, quality: 0 }
    }
}

/// One update as every kernel sees it. Prices in ticks, quantities in lots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct View {
    pub bids: Half,
    pub asks: Half,
    /// Venue time, or the receive time where the venue sends none.
    pub ts: EpochNs,
    /// A number that never falls within a session, such as the venue's update id; 0 where there is none.
    pub seq: u64,
    /// Flags of the input itself, such as [`crate::flags::STALE_INPUT`].
    pub quality: u32,
}

impl View {
    /// The touch, which may run ahead of the book, and the book's levels behind it.
    pub fn of(touch: Touch, book: &L2Book, ts: EpochNs, seq: u64) -> Self {
        let (bids, asks) = (Half::of(touch.bid, Side::Buy, book), Half::of(touch.ask, Side::Sell, book));
        Self { bids, asks, ts, seq, quality: 0 }
    }

    /// Levels given by hand, best first.
    pub fn from_levels(bids: &[(i64, i64)], asks: &[(i64, i64)], ts: EpochNs) -> Self {
        let mut view = Self { ts, ..Self::default() };
        bids.iter().for_each(|level| view.bids.push(*level));
        asks.iter().for_each(|level| view.asks.push(*level));
        view
    }
}

/// One public trade. `confidence` is how sure the side is, in thousandths: 1,000 where the venue names the aggressor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    pub px: i64,
    pub qty: i64,
    pub aggressor: Side,
    pub confidence: u16,
    pub ts: EpochNs,
}

impl Print {
    /// A print whose aggressor the venue names.
    pub fn certain(px: i64, qty: i64, aggressor: Side, ts: EpochNs) -> Self {
        Self { px, qty, aggressor, confidence: 1_000, ts }
    }

    /// A print without a named aggressor, by the quote rule: at or through a side of the touch it is sure, inside it goes to
    /// the nearer side with 750, and in the middle the tick rule decides with 500. `last` is the price of the print before.
    pub fn classified(px: i64, qty: i64, touch: Touch, last: Option<i64>, ts: EpochNs) -> Self {
        let by_tick = match last {
            Some(last) if px < last => Side::Sell,
            _ => Side::Buy,
        };
        let (aggressor, confidence) = match (touch.bid, touch.ask) {
            (_, Some((ask, _))) if px >= ask => (Side::Buy, 1_000),
            (Some((bid, _)), _) if px <= bid => (Side::Sell, 1_000),
            (Some((bid, _)), Some((ask, _))) if px - bid != ask - px => {
                (if px - bid > ask - px { Side::Buy } else { Side::Sell }, 750)
            }
            _ => (by_tick, 500),
        };
        Self { px, qty, aggressor, confidence, ts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touch_ahead_of_the_book_hides_what_it_has_passed() {
        let mut book = L2Book::default();
        for (px, qty) in [(99, 1), (98, 2), (97, 3)] {
            book.set(Side::Buy, px, qty);
            book.set(Side::Sell, 200 - px, qty);
        }
        let view = View::of(Touch { bid: Some((98, 9)), ask: Some((100, 4)) }, &book, EpochNs(1), 0);
        assert_eq!(view.bids.levels(), [(98, 9), (97, 3)]);
        assert_eq!(view.asks.levels(), [(100, 4), (101, 1), (102, 2), (103, 3)]);
        assert_eq!((view.bids.sum(), view.asks.sum()), (12, 10));
    }

    proptest::proptest! {
        #[test]
        fn a_panel_shows_what_the_book_shows(
            levels in proptest::collection::vec((1_i64..30, 0_i64..5), 0..40), bid in -2_i64..30, ask in -2_i64..32, qty in 0_i64..9,
        ) {
            let mut book = L2Book::default();
            for (px, qty) in levels {
                book.set(Side::Buy, px, qty);
                book.set(Side::Sell, px + 2, qty);
            }
            let mut panel = Panel::default();
            panel.refresh(&book);
            let side = |px: i64| (px >= 0).then_some((px, qty));
            for touch in [Touch { bid: side(bid), ask: side(ask) }, Touch::of(&book)] {
                let (want, got) = (View::of(touch, &book, EpochNs(3), 4), panel.view(touch, &book, EpochNs(3), 4));
                proptest::prop_assert_eq!(got.bids.levels(), want.bids.levels());
                proptest::prop_assert_eq!(got.asks.levels(), want.asks.levels());
                proptest::prop_assert_eq!((got.bids.sum(), got.asks.sum()), (want.bids.sum(), want.asks.sum()));
            }
        }
    }

    #[test]
    fn a_sixth_level_is_ignored() {
        let levels: Vec<_> = (0..9).map(|n| (100 - n, 1)).collect();
        assert_eq!(View::from_levels(&levels, &[], EpochNs(0)).bids.sum(), 5);
    }

    #[test]
    fn a_print_without_a_side_gets_one_and_says_how_sure() {
        let touch = Touch { bid: Some((100, 1)), ask: Some((104, 1)) };
        let of = |px, last| {
            let print = Print::classified(px, 1, touch, last, EpochNs(0));
            (print.aggressor, print.confidence)
        };
        assert_eq!(of(104, None), (Side::Buy, 1_000));
        assert_eq!(of(99, None), (Side::Sell, 1_000));
        assert_eq!(of(103, None), (Side::Buy, 750));
        assert_eq!(of(101, None), (Side::Sell, 750));
        assert_eq!(of(102, Some(103)), (Side::Sell, 500));
        assert_eq!(of(102, Some(101)), (Side::Buy, 500));
    }
}
