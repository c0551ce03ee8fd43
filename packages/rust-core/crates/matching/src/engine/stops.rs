//! Orders that wait for a price.

use super::order::{Event, Request};
use std::collections::BTreeMap;
use tidegate_units::Side;

#[derive(Debug, Clone, Copy)]
struct Waiting {
    request: Request,
    seq: u64,
}

/// Waiting orders by id and by trigger price. Few of them, looked at by price only when a trade has happened.
#[derive(Debug, Clone, Default)]
pub(super) struct Stops {
    orders: BTreeMap<u64, Waiting>,
    /// Set off at or above their price; (price, age) to id.
    rising: BTreeMap<(i64, u64), u64>,
    /// Set off at or below; (negated price, age), so that the first is the nearest on both.
    falling: BTreeMap<(i64, u64), u64>,
    /// Age to id of those that trail.
    trailing: BTreeMap<u64, u64>,
    next_seq: u64,
}

impl Stops {
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    pub fn get(&self, id: u64) -> Option<&Request> {
        self.orders.get(&id).map(|waiting| &waiting.request)
    }

    /// Ids, oldest first.
    pub fn ids(&self) -> Vec<u64> {
        let mut all: Vec<&Waiting> = self.orders.values().collect();
        all.sort_by_key(|waiting| waiting.seq);
        all.into_iter().map(|waiting| waiting.request.id).collect()
    }

    /// An order with a trigger begins to wait. One that trails follows the last price at once.
    pub fn wait(&mut self, request: &Request, last: Option<i64>) {
        let mut waiting = Waiting { request: *request, seq: self.next_seq };
        self.next_seq += 1;
        if let Some(px) = last.and_then(|last| trailed(&waiting.request, last))
            && let Some(trigger) = &mut waiting.request.trigger
        {
            trigger.px = px;
        }
        self.link(&waiting);
        self.orders.insert(request.id, waiting);
    }

    fn link(&mut self, waiting: &Waiting) {
        let Some(trigger) = waiting.request.trigger else { return };
        let (id, seq) = (waiting.request.id, waiting.seq);
        if trigger.rising(waiting.request.side) {
            self.rising.insert((trigger.px, seq), id);
        } else {
            self.falling.insert((-trigger.px, seq), id);
        }
        if trigger.trail.is_some() {
            self.trailing.insert(seq, id);
        }
    }

    fn unlink(&mut self, waiting: &Waiting) {
        let Some(trigger) = waiting.request.trigger else { return };
        if trigger.rising(waiting.request.side) {
            self.rising.remove(&(trigger.px, waiting.seq));
        } else {
            self.falling.remove(&(-trigger.px, waiting.seq));
        }
        self.trailing.remove(&waiting.seq);
    }

    pub fn remove(&mut self, id: u64) -> Option<Request> {
        let waiting = self.orders.remove(&id)?;
        self.unlink(&waiting);
        Some(waiting.request)
    }

    /// Another limit price and quantity; the trigger and the age stay. False when it does not wait here.
    pub fn amend(&mut self, id: u64, px: i64, qty: i64) -> bool {
        let Some(waiting) = self.orders.get_mut(&id) else { return false };
        let request = &mut waiting.request;
        (request.px, request.qty, request.peak) = (px, qty, request.peak.min(qty));
        true
    }

    /// Takes out the next order that a trade between `low` and `high` has set off.
    pub fn next(&mut self, low: i64, high: i64) -> Option<Request> {
        let rising = self.rising.first_key_value().filter(|(at, _)| at.0 <= high);
        let falling = self.falling.first_key_value().filter(|(at, _)| -at.0 >= low);
        let id = *rising.or(falling)?.1;
        let request = self.remove(id)?;
        Some(Request { trigger: None, ..request })
    }

    /// Trailing stops follow the last price, oldest first.
    pub fn follow(&mut self, last: i64, out: &mut Vec<Event>) {
        let ids: Vec<u64> = self.trailing.values().copied().collect();
        for id in ids {
            let Some(mut waiting) = self.orders.get(&id).copied() else { continue };
            let Some(px) = trailed(&waiting.request, last) else { continue };
            self.unlink(&waiting);
            if let Some(trigger) = &mut waiting.request.trigger {
                trigger.px = px;
            }
            self.link(&waiting);
            self.orders.insert(id, waiting);
            out.push(Event::Trailed { id, px });
        }
    }
}

/// Where a trailing stop's trigger price moves to, if it moves: never away from the market.
fn trailed(request: &Request, last: i64) -> Option<i64> {
    let trigger = request.trigger?;
    let trail = trigger.trail?;
    let px = if request.side == Side::Sell { last - trail.distance } else { last + trail.distance };
    let nearer = (trigger.px - px) * request.side.sign();
    (nearer >= trail.step).then_some(px)
}
