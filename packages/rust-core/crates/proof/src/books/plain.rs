//! The second book: two plain sorted maps, nothing else. What the production books are compared with.

use std::collections::BTreeMap;
use tidegate_book::L2Book;
use tidegate_units::Side;

/// An L2 book that is too plain to be wrong.
#[derive(Debug, Clone, Default)]
pub struct PlainBook {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl PlainBook {
    pub fn set(&mut self, side: Side, px: i64, qty: i64) {
        let map = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        if qty > 0 {
            map.insert(px, qty);
        } else {
            map.remove(&px);
        }
    }

    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Levels of a side, best first.
    pub fn levels(&self, side: Side) -> Box<dyn Iterator<Item = (i64, i64)> + '_> {
        match side {
            Side::Buy => Box::new(self.bids.iter().rev().map(|(px, qty)| (*px, *qty))),
            Side::Sell => Box::new(self.asks.iter().map(|(px, qty)| (*px, *qty))),
        }
    }

    pub fn best(&self, side: Side) -> Option<(i64, i64)> {
        self.levels(side).next()
    }

    pub fn len(&self, side: Side) -> usize {
        match side {
            Side::Buy => self.bids.len(),
            Side::Sell => self.asks.len(),
        }
    }

    pub fn qty(&self, side: Side, px: i64) -> i64 {
        let map = match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        };
        map.get(&px).copied().unwrap_or(0)
    }

    /// Keeps the best `count` levels of each side.
    pub fn truncate(&mut self, count: usize) {
        while self.bids.len() > count {
            self.bids.pop_first();
        }
        while self.asks.len() > count {
            self.asks.pop_last();
        }
    }

    /// Whether the production book holds the same best `count` levels of each side.
    pub fn same(&self, book: &L2Book, count: usize) -> bool {
        [Side::Buy, Side::Sell]
            .into_iter()
            .all(|side| self.levels(side).take(count).eq(book.levels(side).take(count)))
    }
}
