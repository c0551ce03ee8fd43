//! Books of price levels: one for any price, one for a known range.

use crate::dense::Dense;
use crate::ladder::Ladder;
use crate::limits::BOUNDED_TICKS_MAX;
use tidegate_units::Side;

/// An L2 book of one instrument of one venue. Prices in ticks, quantities in lots, absolute.
///
/// Setting and reading near the touch is constant time without allocation; beyond the ladder it is logarithmic. An absurd
/// price can neither be lost below the bound nor allocate beyond it.
#[derive(Debug, Clone, Default)]
pub struct L2Book {
    bids: Ladder,
    asks: Ladder,
}

#[inline]
pub(crate) const fn rank(side: Side, px: i64) -> i64 {
    px.wrapping_mul(side.sign())
}

impl L2Book {
    #[inline]
    fn side(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    /// Sets one level; a quantity of 0 or below removes it.
    #[inline]
    pub fn set(&mut self, side: Side, px: i64, qty: i64) {
        match side {
            Side::Buy => self.bids.set(px, qty),
            Side::Sell => self.asks.set(px.wrapping_neg(), qty),
        }
    }

    /// Forgets all levels.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Forgets all but the best `count` levels of each side, as a venue does that sends a limited depth.
    pub fn truncate(&mut self, count: usize) {
        self.bids.truncate(count);
        self.asks.truncate(count);
    }

    /// The quantity at a price, 0 when there is none.
    pub fn qty(&self, side: Side, px: i64) -> i64 {
        self.side(side).get(rank(side, px))
    }

    /// The best level of a side as (px, qty).
    #[inline]
    pub fn best(&self, side: Side) -> Option<(i64, i64)> {
        self.side(side).best().map(|(r, qty)| (rank(side, r), qty))
    }

    /// The best price of a side that is strictly worse than `px`.
    #[inline]
    pub fn worse(&self, side: Side, px: i64) -> Option<i64> {
        self.side(side).below(rank(side, px)).map(|r| rank(side, r))
    }

    /// Levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.side(side).iter().map(move |(r, qty)| (rank(side, r), qty))
    }

    /// Quantity of the best `count` levels of a side.
    pub fn depth_sum(&self, side: Side, count: usize) -> i64 {
        self.levels(side).take(count).fold(0, |sum, (_, qty)| sum.saturating_add(qty))
    }

    /// Number of levels of a side.
    pub fn len(&self, side: Side) -> usize {
        self.side(side).len()
    }

    /// Whether no side has a level.
    pub fn is_empty(&self) -> bool {
        self.len(Side::Buy) + self.len(Side::Sell) == 0
    }

    /// Levels forgotten because the overflow was full.
    pub fn dropped(&self) -> u64 {
        self.bids.dropped() + self.asks.dropped()
    }

    /// Whether the touch is locked or crossed, which one venue's continuous book never is.
    #[inline]
    pub fn crossed(&self) -> bool {
        matches!((self.best(Side::Buy), self.best(Side::Sell)), (Some((bid, _)), Some((ask, _))) if bid >= ask)
    }
}

/// Why a bounded book cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeFault {
    /// The upper end is not above the lower one.
    Empty,
    /// Wider than [`BOUNDED_TICKS_MAX`].
    TooWide,
}

/// An L2 book of prices within a known range `lo..hi`, such as an exchange's daily price limits: a plain array a side.
///
/// A price outside the range is refused and counted; it has no effect.
#[derive(Debug, Clone)]
pub struct BoundedL2Book {
    lo: i64,
    hi: i64,
    bids: Dense,
    asks: Dense,
    refused: u64,
}

impl BoundedL2Book {
    /// An empty book for prices of `lo..hi` ticks.
    ///
    /// # Errors
    /// An empty range, or one wider than [`BOUNDED_TICKS_MAX`].
    pub fn new(lo: i64, hi: i64) -> Result<Self, RangeFault> {
        if hi <= lo {
            return Err(RangeFault::Empty);
        }
        let len = hi.abs_diff(lo);
        if len > BOUNDED_TICKS_MAX as u64 {
            return Err(RangeFault::TooWide);
        }
        let len = len as usize;
        Ok(Self { lo, hi, bids: Dense::new(len), asks: Dense::new(len), refused: 0 })
    }

    /// Sets one level; a quantity of 0 or below removes it. False when the price is outside the range.
    #[inline]
    pub fn set(&mut self, side: Side, px: i64, qty: i64) -> bool {
        if px < self.lo || px >= self.hi {
            self.refused += 1;
            return false;
        }
        match side {
            Side::Buy => self.bids.put((px - self.lo) as usize, qty),
            // Asks lie upside down, so that the best is the highest slot of both.
            Side::Sell => self.asks.put((self.hi - 1 - px) as usize, qty),
        }
        true
    }

    #[inline]
    fn px(&self, side: Side, slot: usize) -> i64 {
        match side {
            Side::Buy => self.lo + slot as i64,
            Side::Sell => self.hi - 1 - slot as i64,
        }
    }

    #[inline]
    fn side(&self, side: Side) -> &Dense {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    /// The best level of a side as (px, qty).
    #[inline]
    pub fn best(&self, side: Side) -> Option<(i64, i64)> {
        let dense = self.side(side);
        dense.top().map(|slot| (self.px(side, slot), dense.get(slot)))
    }

    /// The best price of a side that is strictly worse than `px`.
    #[inline]
    pub fn worse(&self, side: Side, px: i64) -> Option<i64> {
        let (dense, len) = (self.side(side), self.hi.abs_diff(self.lo) as i128);
        let offset = match side {
            Side::Buy => i128::from(px) - i128::from(self.lo),
            Side::Sell => i128::from(self.hi) - 1 - i128::from(px),
        };
        let slot = match offset {
            ..=0 => None,
            _ if offset >= len => dense.top(),
            _ => dense.below(offset as usize),
        };
        slot.map(|slot| self.px(side, slot))
    }

    /// Levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.side(side).iter().map(move |(slot, qty)| (self.px(side, slot), qty))
    }

    /// Quantity of the best `count` levels of a side.
    pub fn depth_sum(&self, side: Side, count: usize) -> i64 {
        self.levels(side).take(count).fold(0, |sum, (_, qty)| sum.saturating_add(qty))
    }

    /// The quantity at a price, 0 when there is none.
    pub fn qty(&self, side: Side, px: i64) -> i64 {
        self.levels_at(side, px).unwrap_or(0)
    }

    fn levels_at(&self, side: Side, px: i64) -> Option<i64> {
        let inside = (self.lo..self.hi).contains(&px);
        inside.then(|| match side {
            Side::Buy => self.bids.get((px - self.lo) as usize),
            Side::Sell => self.asks.get((self.hi - 1 - px) as usize),
        })
    }

    /// Number of levels of a side.
    pub fn len(&self, side: Side) -> usize {
        self.side(side).count()
    }

    /// Whether no side has a level.
    pub fn is_empty(&self) -> bool {
        self.len(Side::Buy) + self.len(Side::Sell) == 0
    }

    /// Forgets all levels.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Levels refused because their price was outside the range.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}
