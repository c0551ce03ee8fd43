//! The second order book: a sorted map of orders and the plain sums of their levels.

use super::plain::PlainBook;
use std::collections::BTreeMap;
use tidegate_book::L3Book;
use tidegate_units::Side;

/// A resting order: side, price, what is left.
pub type Resting = (Side, i64, i64);

/// An order book that is too plain to be wrong.
#[derive(Debug, Clone, Default)]
pub struct PlainOrders {
    pub orders: BTreeMap<u64, Resting>,
    pub levels: PlainBook,
}

impl PlainOrders {
    /// The order is now this, or gone.
    pub fn put(&mut self, id: u64, order: Option<Resting>) {
        if let Some((side, px, qty)) = self.orders.remove(&id) {
            self.levels.set(side, px, self.levels.qty(side, px) - qty);
        }
        if let Some((side, px, qty)) = order {
            self.orders.insert(id, (side, px, qty));
            self.levels.set(side, px, self.levels.qty(side, px) + qty);
        }
    }

    /// Takes from an order; it is gone with its last lot.
    pub fn take(&mut self, id: u64, by: i64) {
        let left = self.orders.get(&id).map(|(side, px, had)| (*side, *px, had - by));
        self.put(id, left.filter(|order| order.2 > 0));
    }

    pub fn clear(&mut self) {
        self.orders.clear();
        self.levels.clear();
    }

    /// Whether the production book has the same levels, and as many orders.
    pub fn same(&self, book: &L3Book) -> bool {
        [Side::Buy, Side::Sell]
            .into_iter()
            .all(|side| book.levels(side).map(|level| (level.px, level.qty)).eq(self.levels.levels(side)))
            && book.len() == self.orders.len()
    }
}
