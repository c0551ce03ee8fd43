//! Book changes that wait for the snapshot they belong to.

use crate::limits::{PENDING_MAX, SYMBOLS_MAX};
use crate::{Book, Level, Quiet, Refusal, Stop};
use std::collections::{BTreeMap, VecDeque};

/// When a change is older than the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleRule {
    /// Its last id is at or below the snapshot's.
    AtOrBelow,
    /// Its last id is below the snapshot's.
    Below,
}

#[derive(Debug)]
enum State {
    Waiting(VecDeque<Book>),
    /// The id of the snapshot.
    Synced(u64),
}

/// Books by symbol. Whether the ids that follow a snapshot are gapless is for the book to judge, not for the reader.
#[derive(Debug)]
pub struct Held {
    rule: StaleRule,
    books: BTreeMap<String, State>,
}

impl Held {
    pub const fn new(rule: StaleRule) -> Self {
        Self { rule, books: BTreeMap::new() }
    }

    fn stale(&self, change: &Book, snapshot: u64) -> bool {
        let last = change.last_id.unwrap_or(u64::MAX);
        match self.rule {
            StaleRule::AtOrBelow => last <= snapshot,
            StaleRule::Below => last < snapshot,
        }
    }

    fn room(&self, symbol: &str) -> Result<(), Refusal> {
        if self.books.contains_key(symbol) || self.books.len() < SYMBOLS_MAX {
            Ok(())
        } else {
            Err(Refusal::TooManySymbols)
        }
    }

    /// Takes a change: gives it back if its book has a snapshot and it is newer.
    ///
    /// # Errors
    /// `BUFFERED` or `STALE`; `TOO_MANY_PENDING` at the bound, which drops what waits; `TOO_MANY_SYMBOLS`.
    pub fn change(&mut self, change: Book) -> Result<Book, Stop> {
        self.room(&change.symbol)?;
        if let Some(State::Synced(snapshot)) = self.books.get(&change.symbol) {
            return if self.stale(&change, *snapshot) { Err(Quiet::Stale.into()) } else { Ok(change) };
        }
        let waiting =
            self.books.entry(change.symbol.clone()).or_insert_with(|| State::Waiting(VecDeque::new()));
        if let State::Waiting(queue) = waiting {
            if queue.len() >= PENDING_MAX {
                queue.clear();
                return Err(Refusal::TooManyPending.into());
            }
            queue.push_back(change);
        }
        Err(Quiet::Buffered.into())
    }

    /// Takes a snapshot and gives it back with the newer changes that waited for it applied.
    ///
    /// # Errors
    /// `TOO_MANY_SYMBOLS`; `MISSING_FIELD` for a snapshot without id.
    pub fn snapshot(&mut self, mut snapshot: Book) -> Result<Book, Refusal> {
        self.room(&snapshot.symbol)?;
        let id = snapshot.last_id.ok_or(Refusal::MissingField)?;
        if let Some(State::Waiting(queue)) = self.books.insert(snapshot.symbol.clone(), State::Synced(id)) {
            for change in queue.iter().filter(|change| !self.stale(change, id)) {
                apply(&mut snapshot.bids, &change.bids);
                apply(&mut snapshot.asks, &change.asks);
                snapshot.last_id = change.last_id.or(snapshot.last_id);
            }
        }
        Ok(snapshot)
    }
}

/// Replaces the size at each changed price, or adds the level. A removed level stays with size 0.
fn apply(levels: &mut Vec<Level>, changes: &[Level]) {
    for change in changes {
        match levels.iter_mut().find(|level| level.px == change.px) {
            Some(level) => *level = *change,
            None => levels.push(*change),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dec;

    fn book(symbol: &str, last: u64, px: i128, qty: i128) -> Book {
        let level = Level { px: Dec::whole(px), qty: Dec::whole(qty) };
        Book { symbol: symbol.into(), last_id: Some(last), bids: vec![level], ..Book::default() }
    }

    #[test]
    fn what_waited_is_in_the_snapshot_and_what_it_holds_is_stale() {
        let mut held = Held::new(StaleRule::AtOrBelow);
        for (last, px) in [(5, 1), (6, 2), (7, 3)] {
            assert_eq!(held.change(book("A", last, px, 9)), Err(Quiet::Buffered.into()));
        }
        let merged = held.snapshot(book("A", 5, 2, 4)).unwrap();
        assert_eq!(merged.last_id, Some(7));
        assert_eq!(
            merged.bids.iter().map(|l| (l.px, l.qty)).collect::<Vec<_>>(),
            vec![(Dec::whole(2), Dec::whole(9)), (Dec::whole(3), Dec::whole(9))]
        );
        assert_eq!(held.change(book("A", 5, 1, 1)), Err(Quiet::Stale.into()));
        assert!(held.change(book("A", 8, 1, 1)).is_ok());
        let mut futures = Held::new(StaleRule::Below);
        futures.snapshot(book("A", 5, 1, 1)).unwrap();
        assert!(futures.change(book("A", 5, 1, 1)).is_ok());
        assert_eq!(futures.change(book("A", 4, 1, 1)), Err(Quiet::Stale.into()));
    }

    #[test]
    fn what_waits_is_bounded_in_changes_and_symbols() {
        let mut held = Held::new(StaleRule::Below);
        for n in 0..PENDING_MAX as u64 {
            assert_eq!(held.change(book("A", n, 1, 1)), Err(Quiet::Buffered.into()));
        }
        assert_eq!(held.change(book("A", 0, 1, 1)), Err(Refusal::TooManyPending.into()));
        assert_eq!(held.change(book("A", 0, 1, 1)), Err(Quiet::Buffered.into()));
        for n in 1..SYMBOLS_MAX as u64 {
            held.snapshot(book(&n.to_string(), n, 1, 1)).unwrap();
        }
        assert_eq!(held.change(book("B", 0, 1, 1)), Err(Refusal::TooManySymbols.into()));
        assert_eq!(held.snapshot(book("B", 0, 1, 1)), Err(Refusal::TooManySymbols));
    }
}
