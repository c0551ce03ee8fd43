//! Commands that wait for room: bounded, by urgency, and one amend for each order.
//!
//! Cancels are not in here. Each order carries its own wish to be cancelled, so that two of them are one, none takes a place
//! away from another command, and none is ever dropped; where the queue comes to send, they go before amends and new orders.

use crate::id::ClientId;
use std::collections::BTreeMap;
use tidegate_units::VenueId;
use tidegate_wire::pb::orders::v1::{Command, Reason};

/// How urgent a waiting command is; the smaller goes first, and the greater gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// An order of the platform or an operator that flattens.
    ForceFlat,
    Amend,
    New,
}

/// A command that has not been journalled and of which no byte has left.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub class: Class,
    pub id: ClientId,
    pub command: Command,
    /// The last moment at which it may leave.
    pub until_ns: u64,
    /// What it is refused with after that.
    pub late: Reason,
}

/// Where a command stands: by class, then by arrival.
pub type Place = (Class, u64);

/// The queue.
#[derive(Debug)]
pub struct Queue {
    max: usize,
    arrivals: u64,
    waiting: BTreeMap<Place, Waiting>,
    /// At most one new order and one amend of an id.
    places: BTreeMap<(ClientId, bool), Place>,
}

impl Queue {
    /// An empty queue of at most `max` commands.
    pub const fn new(max: usize) -> Self {
        Self { max, arrivals: 0, waiting: BTreeMap::new(), places: BTreeMap::new() }
    }

    /// Commands that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether an order of this id waits to be sent.
    pub fn has_order(&self, id: ClientId) -> bool {
        self.places.contains_key(&(id, false))
    }

    /// Takes a command in. What had to give way for it comes back with the reason: the amend it replaces, which leaves it its
    /// place; or, where the queue is full, the youngest of the least urgent class, which may be the command itself.
    pub fn offer(&mut self, waiting: Waiting) -> Option<(Waiting, Reason)> {
        let key = (waiting.id, waiting.class == Class::Amend);
        if let Some(place) = self.places.get(&key) {
            let old = self.waiting.insert(*place, waiting);
            return old.map(|old| (old, Reason::Superseded));
        }
        let mut gave_way = None;
        if self.waiting.len() >= self.max {
            let least = self.waiting.last_key_value().map(|(place, _)| *place);
            match least.filter(|(class, _)| *class > waiting.class) {
                Some(place) => gave_way = self.take(place).map(|old| (old, Reason::QueueEvicted)),
                None => return Some((waiting, Reason::QueueEvicted)),
            }
        }
        self.arrivals += 1;
        let place = (waiting.class, self.arrivals);
        self.places.insert(key, place);
        self.waiting.insert(place, waiting);
        gave_way
    }

    /// A cancel supersedes what waits for the order it is about.
    pub fn cancelled(&mut self, id: ClientId) -> Vec<Waiting> {
        [false, true]
            .iter()
            .filter_map(|amend| self.places.get(&(id, *amend)).copied())
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(|place| self.take(place))
            .collect()
    }

    /// What may no longer leave at `now_ns`.
    pub fn expired(&mut self, now_ns: u64) -> Vec<Waiting> {
        self.drain(|waiting| waiting.until_ns <= now_ns)
    }

    /// Takes out whatever `wanted` picks, by urgency.
    pub fn drain(&mut self, wanted: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let places: Vec<Place> =
            self.waiting.iter().filter(|(_, each)| wanted(each)).map(|(place, _)| *place).collect();
        places.into_iter().filter_map(|place| self.take(place)).collect()
    }

    /// Places of a class at a venue, oldest first.
    pub fn places(&self, class: Class, venue: VenueId) -> Vec<Place> {
        let of_class = self.waiting.range((class, 0)..=(class, u64::MAX));
        of_class.filter(|(_, each)| each.command.venue_id == venue.0).map(|(place, _)| *place).collect()
    }

    /// Looks at a command without taking it.
    pub fn get(&self, place: Place) -> Option<&Waiting> {
        self.waiting.get(&place)
    }

    /// Takes a command out.
    pub fn take(&mut self, place: Place) -> Option<Waiting> {
        let waiting = self.waiting.remove(&place)?;
        self.places.remove(&(waiting.id, waiting.class == Class::Amend));
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u64) -> ClientId {
        ClientId::parse(&format!("{n:0>25}")).unwrap_or_else(|| unreachable!("{n}"))
    }

    fn waiting(class: Class, n: u64, px: i64) -> Waiting {
        let command = Command { px_ticks: px, venue_id: 1, ..Command::default() };
        Waiting { class, id: id(n), command, until_ns: 100, late: Reason::RateBudget }
    }

    fn order(queue: &Queue) -> Vec<i64> {
        [Class::ForceFlat, Class::Amend, Class::New]
            .iter()
            .flat_map(|class| queue.places(*class, VenueId(1)))
            .filter_map(|place| queue.get(place).map(|each| each.command.px_ticks))
            .collect()
    }

    #[test]
    fn a22_flattening_goes_before_amends_and_they_before_new_orders() {
        let mut queue = Queue::new(10);
        for (class, n) in [(Class::New, 1), (Class::Amend, 2), (Class::New, 3), (Class::ForceFlat, 4)] {
            assert_eq!(queue.offer(waiting(class, n, n.cast_signed())), None);
        }
        assert_eq!(order(&queue), [4, 2, 1, 3]);
    }

    #[test]
    fn a22_amends_of_one_order_are_one_and_the_latest_has_the_oldests_place() {
        let mut queue = Queue::new(10);
        queue.offer(waiting(Class::Amend, 1, 10));
        queue.offer(waiting(Class::Amend, 2, 20));
        let gave_way = queue.offer(waiting(Class::Amend, 1, 11));
        assert_eq!(gave_way, Some((waiting(Class::Amend, 1, 10), Reason::Superseded)));
        assert_eq!(order(&queue), [11, 20]);
    }

    #[test]
    fn a22_a_cancel_supersedes_what_waits_for_its_order_and_nothing_else() {
        let mut queue = Queue::new(10);
        for (class, n, px) in [(Class::New, 1, 1), (Class::Amend, 1, 2), (Class::New, 2, 3)] {
            queue.offer(waiting(class, n, px));
        }
        assert!(queue.has_order(id(1)));
        let gone: Vec<i64> = queue.cancelled(id(1)).iter().map(|each| each.command.px_ticks).collect();
        assert_eq!((gone, order(&queue), queue.has_order(id(1))), (vec![1, 2], vec![3], false));
    }

    #[test]
    fn a22_a_full_queue_evicts_new_orders_then_amends_and_never_what_flattens_for_less() {
        let mut queue = Queue::new(3);
        for (class, n) in [(Class::New, 1), (Class::New, 2), (Class::Amend, 3)] {
            queue.offer(waiting(class, n, n.cast_signed()));
        }
        let evicted = |gave_way: Option<(Waiting, Reason)>| {
            gave_way.map(|(each, reason)| {
                assert_eq!(reason, Reason::QueueEvicted);
                each.command.px_ticks
            })
        };
        assert_eq!(evicted(queue.offer(waiting(Class::New, 4, 4))), Some(4), "of equals the youngest goes");
        assert_eq!(evicted(queue.offer(waiting(Class::Amend, 5, 5))), Some(2));
        assert_eq!(evicted(queue.offer(waiting(Class::ForceFlat, 6, 6))), Some(1));
        assert_eq!(evicted(queue.offer(waiting(Class::New, 7, 7))), Some(7));
        assert_eq!(evicted(queue.offer(waiting(Class::ForceFlat, 8, 8))), Some(5));
        assert_eq!(evicted(queue.offer(waiting(Class::ForceFlat, 9, 9))), Some(3));
        assert_eq!(evicted(queue.offer(waiting(Class::ForceFlat, 10, 10))), Some(10), "all of it flattens");
        assert_eq!((order(&queue), queue.len()), (vec![6, 8, 9], 3));
    }

    #[test]
    fn what_waited_too_long_comes_out() {
        let mut queue = Queue::new(3);
        queue.offer(Waiting { until_ns: 5, ..waiting(Class::New, 1, 1) });
        queue.offer(waiting(Class::New, 2, 2));
        assert!(queue.expired(4).is_empty());
        assert_eq!(queue.expired(5).len(), 1);
        assert_eq!(order(&queue), [2]);
    }

    proptest! {
        /// Beside a plain list: what is in it, in which order, and that nothing is lost without a word.
        #[test]
        fn a22_whatever_comes_is_in_the_queue_or_comes_back(
            steps in prop::collection::vec((0_u8..5, 1_u64..8, any::<i64>()), 1..200), max in 1_usize..6,
        ) {
            let mut queue = Queue::new(max);
            let mut plain: Vec<Waiting> = Vec::new();
            for (what, n, px) in steps {
                let class = match what {
                    0 => Class::ForceFlat,
                    1 => Class::Amend,
                    2 | 3 => Class::New,
                    _ => {
                        let gone = queue.cancelled(id(n)).len();
                        let before = plain.len();
                        plain.retain(|each| each.id != id(n));
                        prop_assert_eq!(gone, before - plain.len());
                        continue;
                    }
                };
                // An order's id is new, or of the same order.
                let n = if class == Class::ForceFlat { n + 100 } else { n };
                let new = waiting(class, n, px);
                let gave_way = queue.offer(new.clone());
                let same = plain.iter().position(|each| {
                    each.id == new.id && (each.class == Class::Amend) == (class == Class::Amend)
                });
                let want = if let Some(at) = same {
                    Some(std::mem::replace(&mut plain[at], new))
                } else if plain.len() < max {
                    plain.push(new);
                    None
                } else {
                    plain.push(new);
                    // The last of the greatest class, in order of arrival.
                    let worst = plain.iter().map(|each| each.class).max();
                    let at = plain.iter().rposition(|each| Some(each.class) == worst);
                    at.map(|at| plain.remove(at))
                };
                prop_assert_eq!(gave_way.map(|(each, _)| each), want);
                let mut sorted = plain.clone();
                sorted.sort_by_key(|each| each.class);
                let want: Vec<i64> = sorted.iter().map(|each| each.command.px_ticks).collect();
                prop_assert_eq!(order(&queue), want);
                prop_assert!(queue.len() <= max);
            }
        }
    }
}
