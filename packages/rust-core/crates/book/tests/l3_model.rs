//! The L3 book against plain queues.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use tidegate_book::{L3Book, L3Level, L3Outcome, Order, QueuePosition};
use tidegate_units::Side;

/// A queue of (id, qty) a price, and where each id is.
#[derive(Default)]
struct Plain {
    sides: [BTreeMap<i64, VecDeque<(u64, i64)>>; 2],
    at: BTreeMap<u64, (Side, i64)>,
}

impl Plain {
    fn add(&mut self, id: u64, side: Side, px: i64, qty: i64) {
        self.sides[side as usize].entry(px).or_default().push_back((id, qty));
        self.at.insert(id, (side, px));
    }

    fn place(&mut self, id: u64) -> (&mut VecDeque<(u64, i64)>, usize) {
        let (side, px) = self.at[&id];
        let queue = self.sides[side as usize].get_mut(&px).unwrap();
        let index = queue.iter().position(|o| o.0 == id).unwrap();
        (queue, index)
    }

    fn remove(&mut self, id: u64) {
        let (queue, index) = self.place(id);
        queue.remove(index);
        let empty = queue.is_empty();
        let (side, px) = self.at.remove(&id).unwrap();
        if empty {
            self.sides[side as usize].remove(&px);
        }
    }

    fn levels(&self, side: Side) -> Vec<L3Level> {
        let all = self.sides[side as usize].iter().map(|(px, queue)| L3Level {
            px: *px,
            qty: queue.iter().map(|o| o.1).sum(),
            orders: queue.len() as u32,
        });
        if side == Side::Buy { all.rev().collect() } else { all.collect() }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Add(u64, bool, i64, i64),
    Modify(u64, i64, i64),
    Reduce(u64, i64),
    Delete(u64),
    Replace(u64, u64, i64, i64),
    Clear,
}

fn op() -> impl Strategy<Value = Op> {
    let (id, qty) = (0_u64..25, -1_i64..6);
    let px = || prop_oneof![8 => 100_i64..108, 1 => any::<i64>()];
    prop_oneof![
        60 => (id.clone(), any::<bool>(), px(), qty.clone()).prop_map(|(i, b, p, q)| Op::Add(i, b, p, q)),
        25 => (id.clone(), px(), qty.clone()).prop_map(|(i, p, q)| Op::Modify(i, p, q)),
        25 => (id.clone(), qty.clone()).prop_map(|(i, q)| Op::Reduce(i, q)),
        15 => id.clone().prop_map(Op::Delete),
        15 => (id.clone(), id, px(), qty).prop_map(|(a, b, p, q)| Op::Replace(a, b, p, q)),
        1 => Just(Op::Clear),
    ]
}

const BOUND: usize = 18;

fn step(book: &mut L3Book, plain: &mut Plain, op: &Op) -> (L3Outcome, L3Outcome) {
    match *op {
        Op::Add(id, buy, px, qty) => {
            let side = if buy { Side::Buy } else { Side::Sell };
            let want = if qty <= 0 {
                L3Outcome::NotPositive
            } else if plain.at.contains_key(&id) {
                L3Outcome::DuplicateId
            } else if plain.at.len() == BOUND {
                L3Outcome::Full
            } else {
                plain.add(id, side, px, qty);
                L3Outcome::Done
            };
            (book.add(id, side, px, qty), want)
        }
        Op::Modify(id, px, qty) => {
            let want = if qty <= 0 {
                L3Outcome::NotPositive
            } else if !plain.at.contains_key(&id) {
                L3Outcome::UnknownId
            } else {
                let (side, old) = plain.at[&id];
                let (queue, index) = plain.place(id);
                if px == old && qty <= queue[index].1 {
                    queue[index].1 = qty;
                } else {
                    plain.remove(id);
                    plain.add(id, side, px, qty);
                }
                L3Outcome::Done
            };
            (book.modify(id, px, qty), want)
        }
        Op::Reduce(id, by) => {
            let want = if by <= 0 {
                L3Outcome::NotPositive
            } else if !plain.at.contains_key(&id) {
                L3Outcome::UnknownId
            } else {
                let (queue, index) = plain.place(id);
                let had = queue[index].1;
                if by < had {
                    queue[index].1 -= by;
                    L3Outcome::Done
                } else {
                    plain.remove(id);
                    if by == had { L3Outcome::Removed } else { L3Outcome::Overdrawn { had } }
                }
            };
            (if by % 2 == 0 { book.reduce(id, by) } else { book.execute(id, by) }, want)
        }
        Op::Delete(id) => {
            let want = if plain.at.contains_key(&id) {
                plain.remove(id);
                L3Outcome::Removed
            } else {
                L3Outcome::UnknownId
            };
            (book.delete(id), want)
        }
        Op::Replace(old, new, px, qty) => {
            let want = if qty <= 0 {
                L3Outcome::NotPositive
            } else if !plain.at.contains_key(&old) {
                L3Outcome::UnknownId
            } else if old != new && plain.at.contains_key(&new) {
                L3Outcome::DuplicateId
            } else {
                let (side, _) = plain.at[&old];
                plain.remove(old);
                plain.add(new, side, px, qty);
                L3Outcome::Done
            };
            (book.replace(old, new, px, qty), want)
        }
        Op::Clear => {
            book.clear();
            *plain = Plain::default();
            (L3Outcome::Done, L3Outcome::Done)
        }
    }
}

proptest! {
    #[test]
    fn a08_b013_it_is_plain_queues(ops in prop::collection::vec(op(), 0..200)) {
        let (mut book, mut plain) = (L3Book::new(BOUND), Plain::default());
        for op in &ops {
            let (got, want) = step(&mut book, &mut plain, op);
            prop_assert_eq!(got, want, "{:?}", op);
            prop_assert_eq!(book.len(), plain.at.len());
            for side in [Side::Buy, Side::Sell] {
                let levels = plain.levels(side);
                prop_assert_eq!(book.best(side), levels.first().copied());
                prop_assert_eq!(book.levels_len(side), levels.len());
                prop_assert_eq!(book.levels(side).collect::<Vec<_>>(), levels);
                for (px, queue) in &plain.sides[side as usize] {
                    let want: Vec<_> = queue.iter().map(|(id, qty)| Order { id: *id, side, px: *px, qty: *qty }).collect();
                    prop_assert_eq!(book.queue(side, *px).collect::<Vec<_>>(), want);
                    let mut ahead = QueuePosition { qty_ahead: 0, orders_ahead: 0 };
                    for (id, qty) in queue {
                        prop_assert_eq!(book.queue_position(*id), Some(ahead));
                        prop_assert_eq!(book.order(*id), Some(Order { id: *id, side, px: *px, qty: *qty }));
                        ahead = QueuePosition { qty_ahead: ahead.qty_ahead + qty, orders_ahead: ahead.orders_ahead + 1 };
                    }
                }
            }
        }
    }
}

#[test]
fn a_smaller_order_keeps_its_place_a_larger_or_moved_one_loses_it() {
    let mut book = L3Book::default();
    for id in 1..=3 {
        assert_eq!(book.add(id, Side::Buy, 100, 10), L3Outcome::Done);
    }
    let order = |book: &L3Book| book.queue(Side::Buy, 100).map(|o| o.id).collect::<Vec<_>>();
    book.modify(1, 100, 5);
    assert_eq!((order(&book), book.queue_position(2).unwrap().qty_ahead), (vec![1, 2, 3], 5));
    book.modify(1, 100, 5);
    assert_eq!(order(&book), [1, 2, 3], "no change at all keeps the place");
    book.modify(1, 100, 6);
    assert_eq!(order(&book), [2, 3, 1]);
    book.modify(2, 101, 10);
    book.modify(2, 100, 10);
    assert_eq!(order(&book), [3, 1, 2]);
    book.replace(3, 4, 100, 1);
    assert_eq!(order(&book), [1, 2, 4]);
    assert_eq!(book.level(Side::Buy, 100), Some(L3Level { px: 100, qty: 17, orders: 3 }));
    assert_eq!(book.level(Side::Sell, 100), None);
}

#[test]
fn b013_orders_are_bounded_and_uuids_are_ids() {
    let mut book = L3Book::wide(2);
    let uuid = 0x49a3_6b3a_9d55_43b5_bbdf_2e84_7f0c_7c0f_u128;
    assert_eq!(book.add(uuid, Side::Sell, 7, 1), L3Outcome::Done);
    assert_eq!(book.add(uuid + (1 << 64), Side::Sell, 7, 1), L3Outcome::Done);
    assert_eq!(book.add(1, Side::Sell, 7, 1), L3Outcome::Full);
    assert_eq!(book.add(uuid, Side::Sell, 7, 1), L3Outcome::DuplicateId);
    assert_eq!(book.replace(uuid, 1, 8, 1), L3Outcome::Done, "a replacement needs no room");
    assert_eq!((book.len(), book.best(Side::Sell).unwrap().orders), (2, 1));
    assert_eq!(book.delete(uuid), L3Outcome::UnknownId);
}
