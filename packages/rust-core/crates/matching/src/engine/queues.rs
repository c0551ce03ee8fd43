//! Resting orders: an arena with first-in-first-out links by level, levels by price in a ladder, orders by id in a hash map.
//! Near the touch nothing here allocates once it has reached its size.

use super::order::{Stp, Tif};
use tidegate_book::parts::{IdMap, Ladder, Slab};
use tidegate_units::Side;

pub(super) const NIL: u32 = u32::MAX;

/// One resting order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub id: u64,
    /// Shown and open.
    pub shown: i64,
    /// Open behind what is shown.
    pub hidden: i64,
    pub peak: i64,
    pub account: u32,
    pub level: u32,
    prev: u32,
    next: u32,
    pub tif: Tif,
    pub stp: Stp,
    pub reduce_only: bool,
}

impl Node {
    pub fn open(&self) -> i64 {
        self.shown + self.hidden
    }
}

/// What a new node says of itself; its links are its queue's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub id: u64,
    pub account: u32,
    pub open: i64,
    pub peak: i64,
    pub tif: Tif,
    pub stp: Stp,
    pub reduce_only: bool,
}

/// One price of one side, or the market orders of a side that wait for an uncross.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub px: i64,
    pub shown: i64,
    pub hidden: i64,
    pub side: Side,
    /// Whether it has a price and so is in the ladder.
    priced: bool,
    pub orders: u32,
    pub head: u32,
    tail: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Queues {
    ids: IdMap<u64>,
    nodes: Slab<Node>,
    levels: Slab<Level>,
    /// Slot of the level + 1 by rank: the price of bids, its negation of asks.
    ladders: [Ladder; 2],
    /// Levels of market orders by side.
    market: [u32; 2],
    reduce_only: usize,
}

#[inline]
const fn rank(side: Side, px: i64) -> i64 {
    px * side.sign()
}

impl Queues {
    pub fn new() -> Self {
        Self {
            ids: IdMap::new(0),
            nodes: Slab::new(),
            levels: Slab::new(),
            // A level has an order, so the bound of orders is the bound of levels and none is ever dropped.
            ladders: [Ladder::new(usize::MAX), Ladder::new(usize::MAX)],
            market: [NIL; 2],
            reduce_only: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// How many of them may only reduce a position.
    pub fn reduce_only(&self) -> usize {
        self.reduce_only
    }

    #[inline]
    pub fn find(&self, id: u64) -> Option<u32> {
        self.ids.get(id)
    }

    #[inline]
    pub fn node(&self, slot: u32) -> &Node {
        &self.nodes[slot]
    }

    #[inline]
    pub fn level(&self, slot: u32) -> &Level {
        &self.levels[slot]
    }

    /// The level of a resting order.
    #[inline]
    pub fn level_of(&self, slot: u32) -> &Level {
        &self.levels[self.nodes[slot].level]
    }

    /// The best priced level of a side.
    #[inline]
    pub fn best(&self, side: Side) -> Option<u32> {
        self.ladders[side as usize].best().map(|(_, at)| (at - 1) as u32)
    }

    /// The level of market orders that wait.
    pub fn market(&self, side: Side) -> Option<u32> {
        let slot = self.market[side as usize];
        (slot != NIL).then_some(slot)
    }

    /// Priced levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = &Level> + '_ {
        self.ladders[side as usize].iter().map(|(_, at)| &self.levels[(at - 1) as u32])
    }

    /// Slots of a level's orders, first in line first.
    pub fn queue(&self, level: &Level) -> impl Iterator<Item = u32> + '_ {
        let first = (level.head != NIL).then_some(level.head);
        std::iter::successors(first, |slot| Some(self.nodes[*slot].next).filter(|next| *next != NIL))
    }

    /// An order joins the end of the queue at its price, or of the market orders; its id must be new.
    #[inline]
    pub fn push(&mut self, side: Side, px: Option<i64>, entry: Entry) -> u32 {
        let shown = if entry.peak > 0 { entry.open.min(entry.peak) } else { entry.open };
        let slot = self.nodes.put(Node {
            id: entry.id,
            shown,
            hidden: entry.open - shown,
            peak: entry.peak,
            account: entry.account,
            level: NIL,
            prev: NIL,
            next: NIL,
            tif: entry.tif,
            stp: entry.stp,
            reduce_only: entry.reduce_only,
        });
        self.ids.insert(entry.id, slot);
        self.reduce_only += usize::from(entry.reduce_only);
        let level = match px {
            Some(px) => {
                let at = self.ladders[side as usize].get(rank(side, px));
                if at > 0 { (at - 1) as u32 } else { self.open_level(side, px) }
            }
            None if self.market[side as usize] != NIL => self.market[side as usize],
            None => {
                let level = self.levels.put(Level::empty(side, 0, false));
                self.market[side as usize] = level;
                level
            }
        };
        self.append(slot, level);
        slot
    }

    fn open_level(&mut self, side: Side, px: i64) -> u32 {
        let level = self.levels.put(Level::empty(side, px, true));
        self.ladders[side as usize].set(rank(side, px), i64::from(level) + 1);
        level
    }

    #[inline]
    fn append(&mut self, slot: u32, at: u32) {
        let level = &mut self.levels[at];
        let node = &mut self.nodes[slot];
        level.shown += node.shown;
        level.hidden += node.hidden;
        level.orders += 1;
        let last = std::mem::replace(&mut level.tail, slot);
        (node.level, node.prev, node.next) = (at, last, NIL);
        if last == NIL {
            level.head = slot;
        } else {
            self.nodes[last].next = slot;
        }
    }

    #[inline]
    fn unlink(&mut self, slot: u32) {
        let node = self.nodes[slot];
        let level = &mut self.levels[node.level];
        level.shown -= node.shown;
        level.hidden -= node.hidden;
        level.orders -= 1;
        if node.prev == NIL {
            level.head = node.next;
        } else {
            self.nodes[node.prev].next = node.next;
        }
        if node.next == NIL {
            level.tail = node.prev;
        } else {
            self.nodes[node.next].prev = node.prev;
        }
    }

    /// Takes an order out; its level goes with the last order.
    #[inline]
    pub fn remove(&mut self, slot: u32) {
        self.ids.remove(self.nodes[slot].id);
        self.reduce_only -= usize::from(self.nodes[slot].reduce_only);
        self.unlink(slot);
        self.nodes.free(slot);
        let at = self.nodes[slot].level;
        let level = self.levels[at];
        if level.orders == 0 {
            if level.priced {
                self.ladders[level.side as usize].set(rank(level.side, level.px), 0);
            } else {
                self.market[level.side as usize] = NIL;
            }
            self.levels.free(at);
        }
    }

    /// Takes `qty` of what an order shows, at most all of it. True when it now shows nothing.
    #[inline]
    pub fn take(&mut self, slot: u32, qty: i64) -> bool {
        let node = &mut self.nodes[slot];
        node.shown -= qty;
        self.levels[node.level].shown -= qty;
        node.shown == 0
    }

    /// An order shows its next part, at the end of its queue. False when there is none.
    pub fn refresh(&mut self, slot: u32) -> bool {
        if self.nodes[slot].hidden == 0 {
            return false;
        }
        self.unlink(slot);
        let node = &mut self.nodes[slot];
        node.shown = node.hidden.min(node.peak);
        node.hidden -= node.shown;
        let level = node.level;
        self.append(slot, level);
        true
    }

    /// An order loses open quantity where it stands: what is hidden goes first. Something must be left.
    pub fn shrink(&mut self, slot: u32, by: i64) {
        let node = &mut self.nodes[slot];
        let hidden = by.min(node.hidden);
        node.hidden -= hidden;
        node.shown -= by - hidden;
        let level = &mut self.levels[node.level];
        level.hidden -= hidden;
        level.shown -= by - hidden;
    }

    /// Shown quantity and orders that trade before an order at its price. Time of the orders ahead of it.
    pub fn ahead(&self, slot: u32) -> (i64, u32) {
        let mut found = (0, 0);
        let mut at = self.nodes[slot].prev;
        while at != NIL {
            let node = &self.nodes[at];
            found = (found.0 + node.shown, found.1 + 1);
            at = node.prev;
        }
        found
    }
}

impl Level {
    const fn empty(side: Side, px: i64, priced: bool) -> Self {
        Self { px, shown: 0, hidden: 0, side, priced, orders: 0, head: NIL, tail: NIL }
    }
}
