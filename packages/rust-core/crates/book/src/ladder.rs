//! One side is a ladder of quantities indexed by tick with a map of occupied slots, and a sorted overflow for worse prices.

use crate::limits::{LADDER_TICKS, OVERFLOW_LEVELS_MAX};
use std::collections::BTreeMap;
use tidegate_units::Side;

const WORDS: usize = LADDER_TICKS / 64;
const TICKS: i64 = LADDER_TICKS as i64;

/// One side by rank: a rank is the price for bids and its negation for asks, so the best is the highest of both.
#[derive(Debug, Clone)]
struct Ladder {
    /// Rank of slot 0.
    base: i64,
    slots: Box<[i64]>,
    occupied: [u64; WORDS],
    /// Slot of the best level in the ladder.
    top: Option<usize>,
    count: usize,
    /// Levels worse than the ladder; never better.
    overflow: BTreeMap<i64, i64>,
    dropped: u64,
}

impl Default for Ladder {
    fn default() -> Self {
        Self {
            base: 0,
            slots: vec![0; LADDER_TICKS].into_boxed_slice(),
            occupied: [0; WORDS],
            top: None,
            count: 0,
            overflow: BTreeMap::new(),
            dropped: 0,
        }
    }
}

impl Ladder {
    fn slot(&self, rank: i64) -> Option<usize> {
        let offset = rank.checked_sub(self.base)?;
        (0..TICKS).contains(&offset).then_some(offset as usize)
    }

    fn get(&self, rank: i64) -> i64 {
        match self.slot(rank) {
            Some(slot) => self.slots.get(slot).copied().unwrap_or(0),
            None => self.overflow.get(&rank).copied().unwrap_or(0),
        }
    }

    fn put(&mut self, slot: usize, qty: i64) {
        let (Some(cell), Some(word)) = (self.slots.get_mut(slot), self.occupied.get_mut(slot / 64)) else {
            return;
        };
        let bit = 1_u64 << (slot % 64);
        let was = *word & bit != 0;
        *cell = qty;
        if qty > 0 {
            *word |= bit;
            self.count += usize::from(!was);
            self.top = Some(self.top.map_or(slot, |top| top.max(slot)));
        } else if was {
            *word &= !bit;
            self.count -= 1;
            if self.top == Some(slot) {
                self.top = self.below(slot);
            }
        }
    }

    /// The best occupied slot strictly below `slot`.
    fn below(&self, slot: usize) -> Option<usize> {
        let first = slot / 64;
        let mask = (1_u64 << (slot % 64)) - 1;
        for index in (0..=first).rev() {
            let word = self.occupied.get(index)? & if index == first { mask } else { u64::MAX };
            if word != 0 {
                return Some(index * 64 + 63 - word.leading_zeros() as usize);
            }
        }
        None
    }

    fn set(&mut self, rank: i64, qty: i64) {
        if let Some(slot) = self.slot(rank) {
            self.put(slot, qty);
        } else if rank < self.base && self.count > 0 {
            if qty > 0 {
                self.overflow.insert(rank, qty);
                self.trim();
            } else {
                self.overflow.remove(&rank);
            }
        } else if qty > 0 {
            self.move_to(rank);
            if let Some(slot) = self.slot(rank) {
                self.put(slot, qty);
            }
        }
        // The touch has sunk to the bottom: bring the ladder after it, or most of the work goes to the overflow.
        if qty <= 0 && !self.overflow.is_empty() {
            match self.top {
                None => {
                    if let Some((best, _)) = self.overflow.last_key_value() {
                        self.move_to(*best);
                    }
                }
                Some(top) if top < LADDER_TICKS / 8 => self.move_to(self.base + top as i64),
                Some(_) => {}
            }
        }
    }

    /// Moves the ladder so that `best`, the best rank there is or will be, lies three quarters up.
    fn move_to(&mut self, best: i64) {
        let mut slot = self.top;
        while let Some(at) = slot {
            let qty = self.slots.get(at).copied().unwrap_or(0);
            self.overflow.insert(self.base + at as i64, qty);
            if let Some(cell) = self.slots.get_mut(at) {
                *cell = 0;
            }
            slot = self.below(at);
        }
        self.occupied = [0; WORDS];
        (self.top, self.count) = (None, 0);
        self.base = best.saturating_sub(TICKS / 4 * 3);
        let inside = self.overflow.split_off(&self.base);
        for (rank, qty) in inside {
            match self.slot(rank) {
                Some(slot) => self.put(slot, qty),
                None => drop(self.overflow.insert(rank, qty)),
            }
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.overflow.len() > OVERFLOW_LEVELS_MAX {
            self.overflow.pop_first();
            self.dropped += 1;
        }
    }

    fn clear(&mut self) {
        *self = Self { dropped: self.dropped, ..Self::default() };
    }

    fn best(&self) -> Option<(i64, i64)> {
        let slot = self.top?;
        Some((self.base + slot as i64, self.slots.get(slot).copied().unwrap_or(0)))
    }

    fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let ladder = std::iter::successors(self.top, |slot| self.below(*slot))
            .map(|slot| (self.base + slot as i64, self.slots.get(slot).copied().unwrap_or(0)));
        ladder.chain(self.overflow.iter().rev().map(|(rank, qty)| (*rank, *qty)))
    }
}

/// An L2 book of one instrument of one venue. Prices in ticks, quantities in lots, absolute.
///
/// Setting and reading near the touch is constant time without allocation; beyond the ladder it is logarithmic. An absurd
/// price can neither be lost below the bound nor allocate beyond it.
#[derive(Debug, Clone, Default)]
pub struct L2Book {
    bids: Ladder,
    asks: Ladder,
}

fn rank(side: Side, px: i64) -> i64 {
    px * side.sign()
}

impl L2Book {
    fn side(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    /// Sets one level; a quantity of 0 or below removes it.
    pub fn set(&mut self, side: Side, px: i64, qty: i64) {
        match side {
            Side::Buy => self.bids.set(rank(side, px), qty),
            Side::Sell => self.asks.set(rank(side, px), qty),
        }
    }

    /// Forgets all levels.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// The quantity at a price, 0 when there is none.
    pub fn qty(&self, side: Side, px: i64) -> i64 {
        self.side(side).get(rank(side, px))
    }

    /// The best level of a side as (px, qty).
    pub fn best(&self, side: Side) -> Option<(i64, i64)> {
        self.side(side).best().map(|(r, qty)| (rank(side, r), qty))
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
        let ladder = self.side(side);
        ladder.count + ladder.overflow.len()
    }

    /// Whether no side has a level.
    pub fn is_empty(&self) -> bool {
        self.len(Side::Buy) + self.len(Side::Sell) == 0
    }

    /// Levels forgotten because the overflow was full.
    pub fn dropped(&self) -> u64 {
        self.bids.dropped + self.asks.dropped
    }

    /// Whether the touch is locked or crossed, which one venue's continuous book never is.
    pub fn crossed(&self) -> bool {
        matches!((self.best(Side::Buy), self.best(Side::Sell)), (Some((bid, _)), Some((ask, _))) if bid >= ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price() -> impl Strategy<Value = i64> {
        prop_oneof![
            8 => 60_000_i64..60_050,
            4 => 55_000_i64..65_000,
            1 => 1_i64..(1 << 53),
            1 => Just(1_i64),
            1 => Just((1_i64 << 53) - 1),
        ]
    }

    proptest! {
        #[test]
        fn a08_b012_b013_it_is_a_plain_sorted_map(ops in prop::collection::vec((any::<bool>(), price(), 0_i64..4), 0..400)) {
            let mut book = L2Book::default();
            let mut plain = [BTreeMap::new(), BTreeMap::new()];
            for (buy, px, qty) in ops {
                let side = if buy { Side::Buy } else { Side::Sell };
                book.set(side, px, qty);
                let map = &mut plain[usize::from(buy)];
                if qty > 0 { map.insert(rank(side, px), qty); } else { map.remove(&rank(side, px)); }
                let want: Vec<(i64, i64)> = map.iter().rev().map(|(r, q)| (rank(side, *r), *q)).collect();
                prop_assert_eq!(book.best(side), want.first().copied());
                prop_assert_eq!(book.qty(side, px), qty);
                prop_assert_eq!(book.len(side), want.len());
                prop_assert_eq!(book.depth_sum(side, 5), want.iter().take(5).map(|l| l.1).sum::<i64>());
                prop_assert_eq!(book.levels(side).collect::<Vec<_>>(), want);
            }
        }
    }

    #[test]
    fn a_falling_and_rising_touch_keeps_every_level() {
        let mut book = L2Book::default();
        for px in (0..30_000).rev() {
            book.set(Side::Buy, 100_000 + px, 1);
            book.set(Side::Buy, 100_000 + px + 50, 0);
        }
        assert_eq!((book.best(Side::Buy), book.len(Side::Buy)), (Some((100_049, 1)), 50));
        for px in 0..30_000 {
            book.set(Side::Buy, 100_050 + px, 1);
        }
        assert_eq!(book.best(Side::Buy), Some((130_049, 1)));
        assert!(book.levels(Side::Buy).zip(book.levels(Side::Buy).skip(1)).all(|(a, b)| a.0 == b.0 + 1));
    }

    #[test]
    fn b013_the_overflow_is_bounded_and_forgets_the_farthest() {
        let mut book = L2Book::default();
        book.set(Side::Sell, 10, 1);
        for n in 0..OVERFLOW_LEVELS_MAX as i64 + 5 {
            book.set(Side::Sell, 1_000_000 + n, 1);
        }
        assert_eq!((book.len(Side::Sell), book.dropped()), (OVERFLOW_LEVELS_MAX + 1, 5));
        assert_eq!(book.best(Side::Sell), Some((10, 1)));
        assert_eq!(book.qty(Side::Sell, 1_000_000 + OVERFLOW_LEVELS_MAX as i64 + 4), 0);
    }

    #[test]
    fn b013_locked_and_crossed_are_seen() {
        let mut book = L2Book::default();
        book.set(Side::Buy, 100, 1);
        assert!(!book.crossed());
        book.set(Side::Sell, 101, 1);
        assert!(!book.crossed());
        book.set(Side::Sell, 100, 1);
        assert!(book.crossed());
    }
}
