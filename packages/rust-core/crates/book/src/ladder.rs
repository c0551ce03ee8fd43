//! One side of a book of any price: an array near the touch, and a sorted overflow for worse prices.

use crate::dense::Dense;
use crate::limits::{LADDER_TICKS, OVERFLOW_LEVELS_MAX};
use std::collections::BTreeMap;

const TICKS: i64 = LADDER_TICKS as i64;
const LADDER_TICKS_WIDE: i128 = LADDER_TICKS as i128;

/// Values above 0 by rank: a rank is the price for bids and its negation for asks, so the best is the highest of both.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// Rank of slot 0.
    base: i64,
    near: Dense,
    /// Ranks below `base`; never better than what is near.
    overflow: BTreeMap<i64, i64>,
    overflow_max: usize,
    dropped: u64,
}

impl Default for Ladder {
    fn default() -> Self {
        Self::new(OVERFLOW_LEVELS_MAX)
    }
}

impl Ladder {
    /// An empty side that holds at most `overflow_max` ranks beyond its array.
    pub fn new(overflow_max: usize) -> Self {
        Self { base: 0, near: Dense::new(LADDER_TICKS), overflow: BTreeMap::new(), overflow_max, dropped: 0 }
    }

    #[inline]
    fn slot(&self, rank: i64) -> Option<usize> {
        let offset = rank.wrapping_sub(self.base) as u64;
        (offset < LADDER_TICKS as u64 && rank >= self.base).then_some(offset as usize)
    }

    /// The value of a rank, 0 where there is none.
    #[inline]
    pub fn get(&self, rank: i64) -> i64 {
        match self.slot(rank) {
            Some(slot) => self.near.get(slot),
            None => self.overflow.get(&rank).copied().unwrap_or(0),
        }
    }

    /// Sets one rank; a value of 0 or below empties it.
    #[inline]
    pub fn set(&mut self, rank: i64, value: i64) {
        match self.slot(rank) {
            Some(slot) => self.near.put(slot, value),
            None => self.set_far(rank, value),
        }
        if value <= 0 && !self.overflow.is_empty() {
            self.follow();
        }
    }

    #[cold]
    fn set_far(&mut self, rank: i64, value: i64) {
        if rank < self.base && self.near.count() > 0 {
            if value > 0 {
                self.overflow.insert(rank, value);
                self.trim();
            } else {
                self.overflow.remove(&rank);
            }
        } else if value > 0 {
            self.move_to(rank);
            if let Some(slot) = self.slot(rank) {
                self.near.put(slot, value);
            }
        }
    }

    /// The touch may have sunk to the bottom: brings the ladder after it, or most of the work goes to the overflow.
    #[inline]
    fn follow(&mut self) {
        match self.near.top() {
            Some(top) if top >= LADDER_TICKS / 8 => {}
            Some(top) => self.move_to(self.base + top as i64),
            None => {
                if let Some((best, _)) = self.overflow.last_key_value() {
                    self.move_to(*best);
                }
            }
        }
    }

    /// Moves the ladder so that `best`, the best rank there is or will be, lies three quarters up.
    #[cold]
    fn move_to(&mut self, best: i64) {
        let to = best.saturating_sub(TICKS / 4 * 3);
        if to == self.base && self.near.count() > 0 {
            return;
        }
        while let Some(slot) = self.near.top() {
            self.overflow.insert(self.base + slot as i64, self.near.get(slot));
            self.near.put(slot, 0);
        }
        self.base = to;
        for (rank, value) in self.overflow.split_off(&to) {
            match self.slot(rank) {
                Some(slot) => self.near.put(slot, value),
                None => drop(self.overflow.insert(rank, value)),
            }
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.overflow.len() > self.overflow_max {
            self.overflow.pop_first();
            self.dropped += 1;
        }
    }

    /// Empties every rank.
    pub fn clear(&mut self) {
        self.near.clear();
        self.overflow.clear();
    }

    /// Forgets all but the best `count` ranks.
    pub fn truncate(&mut self, count: usize) {
        while self.len() > count {
            if self.overflow.pop_first().is_none() {
                let Some(slot) = self.near.bottom() else { return };
                self.near.put(slot, 0);
            }
        }
    }

    /// The highest rank and its value.
    #[inline]
    pub fn best(&self) -> Option<(i64, i64)> {
        self.near.top().map(|slot| (self.base + slot as i64, self.near.get(slot)))
    }

    /// The highest rank with a value that lies strictly below `rank`.
    pub fn below(&self, rank: i64) -> Option<i64> {
        let offset = i128::from(rank) - i128::from(self.base);
        let near = match offset {
            ..=0 => None,
            1..LADDER_TICKS_WIDE => self.near.below(offset as usize),
            _ => self.near.top(),
        };
        match near {
            Some(slot) => Some(self.base + slot as i64),
            None => self.overflow.range(..rank).next_back().map(|(rank, _)| *rank),
        }
    }

    /// Ranks and values, highest rank first.
    pub fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let near = self.near.iter().map(|(slot, value)| (self.base + slot as i64, value));
        near.chain(self.overflow.iter().rev().map(|(rank, value)| (*rank, *value)))
    }

    /// Number of ranks with a value.
    pub fn len(&self) -> usize {
        self.near.count() + self.overflow.len()
    }

    /// Whether no rank has a value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ranks forgotten at the bound.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
