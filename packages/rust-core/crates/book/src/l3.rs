//! A book by order id: first-in-first-out queues a price level, and where an order stands in its queue.

use crate::ids::{IdMap, OrderId};
use crate::l2::rank;
use crate::ladder::Ladder;
use crate::limits::ORDERS_MAX;
use crate::slab::Slab;
use tidegate_units::Side;

const NIL: u32 = u32::MAX;

/// What one message did to the book. Only `Done`, `Removed` and `Overdrawn` changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L3Outcome {
    Done,
    /// The order has no quantity left and is gone.
    Removed,
    /// More was taken than the order had; it is gone.
    Overdrawn {
        had: i64,
    },
    /// An order of this id rests already.
    DuplicateId,
    /// No order of this id rests.
    UnknownId,
    /// A quantity of 0 or below.
    NotPositive,
    /// The bound of live orders is reached.
    Full,
}

/// A resting order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<K = u64> {
    pub id: K,
    pub side: Side,
    /// In ticks.
    pub px: i64,
    /// What is left, in lots.
    pub qty: i64,
}

/// A price level of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L3Level {
    /// In ticks.
    pub px: i64,
    /// Of all its orders, in lots; held at the ends of an i64.
    pub qty: i64,
    pub orders: u32,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePosition {
    /// Quantity that trades before it at its price, in lots.
    pub qty_ahead: i64,
    pub orders_ahead: u32,
}

#[derive(Debug, Clone)]
struct Node<K> {
    id: K,
    qty: i64,
    level: u32,
    prev: u32,
    next: u32,
}

#[derive(Debug, Clone)]
struct Queue {
    px: i64,
    qty: i64,
    side: Side,
    orders: u32,
    head: u32,
    tail: u32,
}

/// A book of orders of one instrument of one venue.
///
/// Orders at one price queue in the order of their adds. Units   px in ticks, qty in lots. Priority as CME and Nasdaq state
/// it: a smaller quantity keeps the place, a larger one or another price goes to the end of the queue.
#[derive(Debug, Clone)]
pub struct L3Book<K = u64> {
    ids: IdMap<K>,
    orders: Slab<Node<K>>,
    queues: Slab<Queue>,
    /// Slot of the queue + 1, by rank.
    bids: Ladder,
    asks: Ladder,
    orders_max: usize,
}

impl Default for L3Book<u64> {
    fn default() -> Self {
        Self::new(ORDERS_MAX)
    }
}

impl L3Book<u64> {
    /// An empty book of numeric order ids for at most `orders_max` live orders, itself at most [`ORDERS_MAX`].
    pub fn new(orders_max: usize) -> Self {
        Self::with_ids(orders_max, 0)
    }
}

impl L3Book<u128> {
    /// An empty book of 128-bit order ids (UUIDs) for at most `orders_max` live orders, itself at most [`ORDERS_MAX`].
    pub fn wide(orders_max: usize) -> Self {
        Self::with_ids(orders_max, 0)
    }
}

impl<K: OrderId> L3Book<K> {
    fn with_ids(orders_max: usize, zero: K) -> Self {
        Self {
            ids: IdMap::new(zero),
            orders: Slab::new(),
            queues: Slab::new(),
            // A level has an order, so the bound of orders is the bound of levels and none is ever dropped.
            bids: Ladder::new(usize::MAX),
            asks: Ladder::new(usize::MAX),
            orders_max: orders_max.min(ORDERS_MAX),
        }
    }

    #[inline]
    fn index(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    #[inline]
    fn index_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    #[inline]
    fn queue_at(&self, side: Side, px: i64) -> Option<u32> {
        // The index holds slot + 1, so that 0 means no level.
        u32::try_from(self.index(side).get(rank(side, px)) - 1).ok()
    }

    /// Puts a linked order at the end of the queue of its price.
    #[inline]
    fn append(&mut self, slot: u32, side: Side, px: i64) {
        let level = self.queue_at(side, px).unwrap_or_else(|| {
            let level = self.queues.put(Queue { px, qty: 0, side, orders: 0, head: NIL, tail: NIL });
            self.index_mut(side).set(rank(side, px), i64::from(level) + 1);
            level
        });
        let (Some(queue), Some(node)) = (self.queues.get_mut(level), self.orders.get_mut(slot)) else {
            return;
        };
        queue.qty = queue.qty.saturating_add(node.qty);
        queue.orders += 1;
        let last = std::mem::replace(&mut queue.tail, slot);
        (node.level, node.prev, node.next) = (level, last, NIL);
        match self.orders.get_mut(last) {
            Some(before) => before.next = slot,
            None => queue.head = slot,
        }
    }

    /// Takes an order out of its queue; the level goes with its last order.
    #[inline]
    fn unlink(&mut self, slot: u32) {
        let Some((level, qty, prev, next)) = self.orders.get(slot).map(|n| (n.level, n.qty, n.prev, n.next))
        else {
            return;
        };
        let Some(queue) = self.queues.get_mut(level) else { return };
        queue.qty = queue.qty.saturating_sub(qty);
        queue.orders -= 1;
        match self.orders.get_mut(prev) {
            Some(before) => before.next = next,
            None => queue.head = next,
        }
        match self.orders.get_mut(next) {
            Some(after) => after.prev = prev,
            None => queue.tail = prev,
        }
        if queue.orders == 0 {
            let (side, px) = (queue.side, queue.px);
            self.index_mut(side).set(rank(side, px), 0);
            self.queues.free(level);
        }
    }

    /// An order joins the end of the queue at its price.
    #[inline]
    pub fn add(&mut self, id: K, side: Side, px: i64, qty: i64) -> L3Outcome {
        if qty <= 0 {
            return L3Outcome::NotPositive;
        }
        if self.ids.len() >= self.orders_max {
            return if self.ids.get(id).is_some() { L3Outcome::DuplicateId } else { L3Outcome::Full };
        }
        let slot = self.orders.put(Node { id, qty, level: NIL, prev: NIL, next: NIL });
        if !self.ids.insert(id, slot) {
            self.orders.free(slot);
            return L3Outcome::DuplicateId;
        }
        self.append(slot, side, px);
        L3Outcome::Done
    }

    /// An order's price and quantity become these. A smaller quantity at the same price keeps its place; anything else but no
    /// change at all goes to the end of the queue.
    pub fn modify(&mut self, id: K, px: i64, qty: i64) -> L3Outcome {
        if qty <= 0 {
            return L3Outcome::NotPositive;
        }
        let Some(slot) = self.ids.get(id) else { return L3Outcome::UnknownId };
        let Some((side, old_px, old_qty)) = self.place(slot) else { return L3Outcome::UnknownId };
        if px == old_px && qty <= old_qty {
            self.shrink(slot, old_qty - qty);
            return L3Outcome::Done;
        }
        self.unlink(slot);
        if let Some(node) = self.orders.get_mut(slot) {
            node.qty = qty;
        }
        self.append(slot, side, px);
        L3Outcome::Done
    }

    #[inline]
    fn place(&self, slot: u32) -> Option<(Side, i64, i64)> {
        let node = self.orders.get(slot)?;
        let queue = self.queues.get(node.level)?;
        Some((queue.side, queue.px, node.qty))
    }

    #[inline]
    fn shrink(&mut self, slot: u32, by: i64) {
        let Some(node) = self.orders.get_mut(slot) else { return };
        node.qty -= by;
        if let Some(queue) = self.queues.get_mut(node.level) {
            queue.qty = queue.qty.saturating_sub(by);
        }
    }

    /// A part of an order was cancelled; it keeps its place. With nothing left it is gone.
    #[inline]
    pub fn reduce(&mut self, id: K, by: i64) -> L3Outcome {
        if by <= 0 {
            return L3Outcome::NotPositive;
        }
        let Some(slot) = self.ids.get(id) else { return L3Outcome::UnknownId };
        let had = self.orders.get(slot).map_or(0, |node| node.qty);
        if by < had {
            self.shrink(slot, by);
            return L3Outcome::Done;
        }
        self.take_out(id);
        if by == had { L3Outcome::Removed } else { L3Outcome::Overdrawn { had } }
    }

    #[inline]
    fn take_out(&mut self, id: K) -> Option<u32> {
        let slot = self.ids.remove(id)?;
        self.unlink(slot);
        self.orders.free(slot);
        Some(slot)
    }

    /// An order traded. The venue says which, so it need not be the first of its queue.
    #[inline]
    pub fn execute(&mut self, id: K, qty: i64) -> L3Outcome {
        self.reduce(id, qty)
    }

    /// An order is gone.
    #[inline]
    pub fn delete(&mut self, id: K) -> L3Outcome {
        if self.take_out(id).is_some() { L3Outcome::Removed } else { L3Outcome::UnknownId }
    }

    /// One order takes the place of another on the same side under a new id, at the end of the queue (ITCH `U`).
    pub fn replace(&mut self, old: K, new: K, px: i64, qty: i64) -> L3Outcome {
        if qty <= 0 {
            return L3Outcome::NotPositive;
        }
        let Some((side, _, _)) = self.ids.get(old).and_then(|slot| self.place(slot)) else {
            return L3Outcome::UnknownId;
        };
        if new != old && self.ids.get(new).is_some() {
            return L3Outcome::DuplicateId;
        }
        self.take_out(old);
        self.add(new, side, px, qty)
    }

    /// Forgets all orders.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.orders.clear();
        self.queues.clear();
        self.bids.clear();
        self.asks.clear();
    }

    /// Live orders.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no order rests.
    pub fn is_empty(&self) -> bool {
        self.ids.len() == 0
    }

    /// A resting order.
    pub fn order(&self, id: K) -> Option<Order<K>> {
        let (side, px, qty) = self.place(self.ids.get(id)?)?;
        Some(Order { id, side, px, qty })
    }

    /// What trades before an order at its price. Time of the orders ahead of it.
    pub fn queue_position(&self, id: K) -> Option<QueuePosition> {
        let mut node = self.orders.get(self.ids.get(id)?)?;
        let mut position = QueuePosition { qty_ahead: 0, orders_ahead: 0 };
        while let Some(before) = self.orders.get(node.prev) {
            position.qty_ahead = position.qty_ahead.saturating_add(before.qty);
            position.orders_ahead += 1;
            node = before;
        }
        Some(position)
    }

    #[inline]
    fn level_of(&self, index: i64) -> Option<L3Level> {
        let queue = self.queues.get(u32::try_from(index - 1).ok()?)?;
        Some(L3Level { px: queue.px, qty: queue.qty, orders: queue.orders })
    }

    /// The best level of a side.
    #[inline]
    pub fn best(&self, side: Side) -> Option<L3Level> {
        self.index(side).best().and_then(|(_, index)| self.level_of(index))
    }

    /// The level at a price.
    pub fn level(&self, side: Side, px: i64) -> Option<L3Level> {
        self.level_of(self.index(side).get(rank(side, px)))
    }

    /// Levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = L3Level> + '_ {
        self.index(side).iter().filter_map(|(_, index)| self.level_of(index))
    }

    /// Number of levels of a side.
    pub fn levels_len(&self, side: Side) -> usize {
        self.index(side).len()
    }

    /// Orders at a price, first in line first.
    pub fn queue(&self, side: Side, px: i64) -> impl Iterator<Item = Order<K>> + '_ {
        let head = self.queue_at(side, px).and_then(|level| self.queues.get(level)).map_or(NIL, |q| q.head);
        std::iter::successors(self.orders.get(head), |node| self.orders.get(node.next))
            .map(move |node| Order { id: node.id, side, px, qty: node.qty })
    }

    /// Whether the touch is locked or crossed.
    pub fn crossed(&self) -> bool {
        matches!((self.best(Side::Buy), self.best(Side::Sell)), (Some(bid), Some(ask)) if bid.px >= ask.px)
    }
}
