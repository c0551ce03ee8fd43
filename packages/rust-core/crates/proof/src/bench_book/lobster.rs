//! LOBSTER's level-1 files closed to a stream of order operations.
//!
//! A level-1 file names only what happens at the best prices, so orders that joined while away from them are never added. The
//! file is closed by synthetic adds, and by deletes of what the venue's row no longer shows, so that after every row the best
//! price and size of both sides equal that row. Every book is then fed the same operations.

use std::collections::{BTreeMap, HashMap};
use tidegate_units::Side;

/// What one operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpKind {
    Add,
    Reduce,
    Delete,
    Execute,
}

/// One operation on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    pub id: u64,
    /// In cents.
    pub px: i64,
    /// Shares added or taken.
    pub qty: i64,
    /// Shares the order has afterwards.
    pub left: i64,
    pub side: Side,
    pub kind: OpKind,
    /// The last of its row.
    pub last: bool,
}

/// The operations and how many of LOBSTER's rows they reproduce.
#[derive(Debug, Clone, Default)]
pub struct L3Set {
    pub ops: Vec<Op>,
    pub rows: usize,
}

/// Ids from here on are of synthetic orders.
const SYNTHETIC: u64 = 1_000_000_000_000;
const UNITS_PER_CENT: i64 = 100;

#[derive(Default)]
struct Closing {
    orders: HashMap<u64, (Side, i64, i64)>,
    levels: [BTreeMap<i64, Vec<u64>>; 2],
    /// How often an order is still named.
    future: HashMap<u64, i64>,
    synthetic: u64,
    ops: Vec<Op>,
}

impl Closing {
    fn qty(&self, id: u64) -> i64 {
        self.orders.get(&id).map_or(0, |order| order.2)
    }

    fn ids(&self, side: Side, px: i64) -> Vec<u64> {
        self.levels.get(side as usize).and_then(|side| side.get(&px)).cloned().unwrap_or_default()
    }

    fn size(&self, side: Side, px: i64) -> i64 {
        self.ids(side, px).into_iter().map(|id| self.qty(id)).sum()
    }

    fn best(&self, side: Side) -> Option<i64> {
        let levels = self.levels.get(side as usize)?;
        let level = if side == Side::Buy { levels.last_key_value() } else { levels.first_key_value() };
        level.map(|(px, _)| *px)
    }

    fn add(&mut self, id: u64, side: Side, px: i64, qty: i64) -> Result<(), String> {
        if qty <= 0 || self.orders.insert(id, (side, px, qty)).is_some() {
            return Err(format!("order {id}: added twice or empty"));
        }
        if let Some(levels) = self.levels.get_mut(side as usize) {
            levels.entry(px).or_default().push(id);
        }
        self.ops.push(Op { id, px, qty, left: qty, side, kind: OpKind::Add, last: false });
        Ok(())
    }

    fn take(&mut self, id: u64, qty: i64, kind: OpKind) -> Result<(), String> {
        let (side, px, had) = self.orders.get(&id).copied().ok_or(format!("order {id}: not there"))?;
        if qty <= 0 || qty > had {
            return Err(format!("order {id}: {qty} of {had} taken"));
        }
        let left = had - qty;
        if left == 0 {
            self.orders.remove(&id);
            if let Some(levels) = self.levels.get_mut(side as usize)
                && let Some(ids) = levels.get_mut(&px)
            {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    levels.remove(&px);
                }
            }
        } else {
            self.orders.insert(id, (side, px, left));
        }
        let kind = match kind {
            OpKind::Reduce if left == 0 => OpKind::Delete,
            OpKind::Delete if left > 0 => OpKind::Reduce,
            other => other,
        };
        self.ops.push(Op { id, px, qty, left, side, kind, last: false });
        Ok(())
    }

    fn message(&mut self, kind: u8, id: u64, qty: i64, px: i64, side: Side) -> Result<(), String> {
        let kind = match kind {
            1 => {
                if self.orders.contains_key(&id) {
                    self.take(id, self.qty(id), OpKind::Delete)?;
                }
                return self.add(id, side, px, qty);
            }
            2 => OpKind::Reduce,
            3 => OpKind::Delete,
            4 => OpKind::Execute,
            _ => return Ok(()),
        };
        *self.future.entry(id).or_default() -= 1;
        if self.orders.get(&id).is_some_and(|order| order.1 != px) {
            self.take(id, self.qty(id), OpKind::Delete)?;
        }
        let have = self.qty(id);
        if have < qty {
            // First sight of an order that joined while away from the best: it comes out of the synthetic rest.
            let mut need = qty - have;
            for other in self.ids(side, px).into_iter().filter(|other| *other >= SYNTHETIC) {
                let part = need.min(self.qty(other));
                if part > 0 {
                    self.take(other, part, OpKind::Reduce)?;
                    need -= part;
                }
            }
            if have > 0 {
                self.take(id, have, OpKind::Delete)?;
            }
            self.add(id, side, px, qty)?;
        }
        self.take(id, qty, kind)
    }

    /// Makes the best level of a side what the venue's row says.
    fn fix(&mut self, side: Side, px: i64, size: i64) -> Result<(), String> {
        while let Some(best) = self.best(side).filter(|best| (best - px) * side.sign() > 0) {
            for id in self.ids(side, best) {
                self.take(id, self.qty(id), OpKind::Delete)?;
            }
        }
        let have = self.size(side, px);
        if have < size {
            self.synthetic += 1;
            return self.add(SYNTHETIC + self.synthetic, side, px, size - have);
        }
        let mut excess = have - size;
        let mut ids = self.ids(side, px);
        ids.sort_by_key(|id| (self.future.get(id).is_some_and(|n| *n > 0), *id < SYNTHETIC));
        for id in ids {
            let part = excess.min(self.qty(id));
            if part > 0 {
                self.take(id, part, OpKind::Reduce)?;
                excess -= part;
            }
        }
        Ok(())
    }
}

fn numbers<const N: usize>(line: &str) -> Result<[i64; N], String> {
    let mut fields = line.split(',');
    let mut row = [0; N];
    for place in &mut row {
        let text = fields.next().ok_or(format!("too few fields: {line}"))?;
        *place = text.trim().parse().map_err(|_| format!("{text}: no whole number"))?;
    }
    Ok(row)
}

fn cents(px: i64) -> Result<i64, String> {
    if px % UNITS_PER_CENT == 0 { Ok(px / UNITS_PER_CENT) } else { Err(format!("{px}: between two cents")) }
}

/// Closes a message file and its order-book file, both level 1.
///
/// # Errors
/// A line that cannot be read, or a file that cannot be closed.
pub fn l3_of(messages: &[u8], book: &[u8]) -> Result<L3Set, String> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|fault| fault.to_string());
    let mut rows = Vec::new();
    let mut closing = Closing::default();
    for line in text(messages)?.lines() {
        let (_, rest) = line.split_once(',').ok_or("a message without fields")?;
        let row @ [kind, id, ..] = numbers::<5>(rest)?;
        if (2..=4).contains(&kind) {
            *closing.future.entry(id as u64).or_default() += 1;
        }
        rows.push(row);
    }
    let mut reproduced = 0;
    for (index, ([kind, id, qty, px, direction], line)) in
        rows.into_iter().zip(text(book)?.lines()).enumerate()
    {
        let before = closing.ops.len();
        let side = if direction == 1 { Side::Buy } else { Side::Sell };
        if index > 0 && (1..=4).contains(&kind) {
            closing.message(kind as u8, id as u64, qty, cents(px)?, side)?;
        }
        let [ask, ask_size, bid, bid_size] = numbers::<4>(line)?;
        let (ask, bid) = (cents(ask)?, cents(bid)?);
        closing.fix(Side::Sell, ask, ask_size)?;
        closing.fix(Side::Buy, bid, bid_size)?;
        let got = [Side::Sell, Side::Buy]
            .map(|s| (closing.best(s), closing.best(s).map_or(0, |px| closing.size(s, px))));
        if got != [(Some(ask), ask_size), (Some(bid), bid_size)] {
            return Err(format!("row {index} is not reproduced"));
        }
        reproduced += 1;
        if closing.ops.len() > before
            && let Some(op) = closing.ops.last_mut()
        {
            op.last = true;
        }
    }
    Ok(L3Set { ops: closing.ops, rows: reproduced })
}
