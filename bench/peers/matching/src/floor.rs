//! The floor: what a price-time matcher must at least do. A tree of levels with intrusive queues and a hash map of ids, without
//! accounts, rules, phases, checks or events.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use tidegate_proof::bench_matching::{Kind, Order, Sums};
use tidegate_units::Side;

const NIL: u32 = u32::MAX;

/// One multiplication and a shift.
#[derive(Default, Clone)]
struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 29;
    }
}

#[derive(Clone, Copy)]
struct Node {
    id: u64,
    px: i64,
    qty: i64,
    prev: u32,
    next: u32,
    side: Side,
}

#[derive(Clone, Copy)]
struct Level {
    head: u32,
    tail: u32,
    qty: i64,
}

pub struct Floor {
    ids: HashMap<u64, u32, BuildHasherDefault<Quick>>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    sides: [BTreeMap<i64, Level>; 2],
}

impl Floor {
    pub fn new() -> Self {
        Self {
            ids: HashMap::with_capacity_and_hasher(1 << 14, BuildHasherDefault::default()),
            nodes: Vec::with_capacity(1 << 14),
            free: Vec::new(),
            sides: Default::default(),
        }
    }

    pub fn live(&self) -> u64 {
        self.ids.len() as u64
    }

    #[inline]
    fn add(&mut self, order: &Order, qty: i64) {
        let node = Node { id: order.id, px: order.px, qty, prev: NIL, next: NIL, side: order.side };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot as usize] = node;
                slot
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        let empty = Level { head: NIL, tail: NIL, qty: 0 };
        let level = self.sides[order.side as usize].entry(order.px).or_insert(empty);
        level.qty += qty;
        if level.tail == NIL {
            level.head = slot;
        } else {
            self.nodes[level.tail as usize].next = slot;
            self.nodes[slot as usize].prev = level.tail;
        }
        level.tail = slot;
        self.ids.insert(order.id, slot);
    }

    #[inline]
    fn cancel(&mut self, id: u64) {
        if let Some(slot) = self.ids.remove(&id) {
            self.unlink(slot);
        }
    }

    fn unlink(&mut self, slot: u32) {
        let node = self.nodes[slot as usize];
        let side = &mut self.sides[node.side as usize];
        let Some(level) = side.get_mut(&node.px) else { return };
        level.qty -= node.qty;
        if node.prev == NIL {
            level.head = node.next;
        } else {
            self.nodes[node.prev as usize].next = node.next;
        }
        if node.next == NIL {
            level.tail = node.prev;
        } else {
            self.nodes[node.next as usize].prev = node.prev;
        }
        if level.head == NIL {
            side.remove(&node.px);
        }
        self.free.push(slot);
    }

    #[inline]
    fn trade(&mut self, order: &Order, sums: &mut Sums) -> i64 {
        let mut qty = order.qty;
        while qty > 0 {
            let best = match order.side {
                Side::Buy => self.sides[1].first_entry(),
                Side::Sell => self.sides[0].last_entry(),
            };
            let Some(mut level) = best else { break };
            let px = *level.key();
            if (order.px - px) * order.side.sign() < 0 {
                break;
            }
            let level = level.get_mut();
            let head = level.head;
            let node = &mut self.nodes[head as usize];
            let part = qty.min(node.qty);
            sums.add(px, part);
            qty -= part;
            if part == node.qty {
                self.ids.remove(&node.id);
                self.unlink(head);
            } else {
                node.qty -= part;
                level.qty -= part;
            }
        }
        qty
    }

    /// One message.
    #[inline]
    pub fn apply(&mut self, order: &Order, sums: &mut Sums) {
        match order.kind {
            Kind::Cancel => self.cancel(order.id),
            Kind::Ioc => drop(self.trade(order, sums)),
            Kind::Limit => {
                let left = self.trade(order, sums);
                if left > 0 {
                    self.add(order, left);
                }
            }
        }
    }
}
