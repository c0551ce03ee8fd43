//! When a book may be believed: Binance's rules for joining a snapshot and a stream of diffs, spot and USD-M.

use crate::l2::L2Book;
use crate::limits::DIFFS_BUFFERED_MAX;
use std::collections::VecDeque;
use tidegate_normalise::{DepthDiff, Snapshot};
use tidegate_units::Side;

/// How one venue numbers its diffs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Update ids run on: the next diff begins at the last id + 1 or before.
    Spot,
    /// Each diff names the last id of the one before; the ids between are other symbols'.
    UsdM,
}

/// Whether the book may be priced from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A snapshot is awaited, or the diff that bridges it.
    Syncing,
    Valid,
    /// A gap or a crossed touch; a snapshot is awaited.
    Invalid,
}

/// What a diff did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffOutcome {
    /// Kept until a snapshot comes.
    Buffered,
    /// Older than the book: no effect.
    Stale,
    Applied,
    /// Applied, and with it the book became VALID.
    Bridged,
    /// The snapshot is older than the stream: fetch another. The diff is kept.
    SnapshotTooOld,
    /// Venue ids `first..=last` never came. INVALID; the diff is kept for the next snapshot.
    Gap {
        first: u64,
        last: u64,
    },
    /// The touch is locked or crossed. INVALID.
    Crossed,
}

/// What a snapshot did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOutcome {
    /// Joined to the buffered diffs.
    Valid,
    /// Taken; the next diff must bridge it.
    AwaitingDiff,
    /// Older than the first buffered diff: fetch another.
    TooOld,
    /// The buffered diffs have a hole behind it: fetch another.
    Gap {
        first: u64,
        last: u64,
    },
    Crossed,
    /// The book is VALID already: no effect.
    NotWanted,
}

/// What has come so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub applied: u64,
    pub stale: u64,
    pub gaps: u64,
    pub crossed: u64,
    pub snapshots: u64,
    pub snapshots_too_old: u64,
    pub buffer_dropped: u64,
}

/// A book and the decision whether to believe it. No clock, no I/O: the caller fetches snapshots when told.
#[derive(Debug, Clone)]
pub struct SyncedBook {
    rule: Rule,
    book: L2Book,
    state: State,
    buffer: VecDeque<DepthDiff<'static>>,
    /// Id the book stands at; absent while a snapshot is awaited.
    last_id: Option<u64>,
    counts: Counts,
}

impl SyncedBook {
    /// A book that awaits its first snapshot.
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            book: L2Book::default(),
            state: State::Syncing,
            buffer: VecDeque::new(),
            last_id: None,
            counts: Counts::default(),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// The levels; only to be priced from while VALID.
    pub fn book(&self) -> &L2Book {
        &self.book
    }

    /// The venue's update id the book stands at, 0 before a snapshot.
    pub fn last_id(&self) -> u64 {
        self.last_id.unwrap_or(0)
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Diffs that wait for a snapshot.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether only a snapshot can help now.
    pub fn wants_snapshot(&self) -> bool {
        self.last_id.is_none()
    }

    /// The session is gone: everything known of the book is void.
    pub fn disconnect(&mut self) {
        self.restart(State::Syncing);
    }

    fn restart(&mut self, state: State) {
        self.state = state;
        self.book.clear();
        self.buffer.clear();
        self.last_id = None;
    }

    fn keep(&mut self, diff: &DepthDiff<'_>) {
        if self.buffer.len() == DIFFS_BUFFERED_MAX {
            self.buffer.pop_front();
            self.counts.buffer_dropped += 1;
        }
        self.buffer.push_back(diff.clone().into_owned());
    }

    /// One diff, in the order of the stream.
    pub fn on_diff(&mut self, diff: &DepthDiff<'_>) -> DiffOutcome {
        let Some(last) = self.last_id else {
            self.keep(diff);
            return DiffOutcome::Buffered;
        };
        let bridged = self.state != State::Valid;
        let outcome = self.step(last, diff, bridged);
        match outcome {
            DiffOutcome::Gap { .. } => {
                self.counts.gaps += 1;
                self.restart(State::Invalid);
                self.keep(diff);
            }
            DiffOutcome::SnapshotTooOld => {
                self.counts.snapshots_too_old += 1;
                let state = self.state;
                self.restart(state);
                self.keep(diff);
            }
            DiffOutcome::Crossed => self.restart(State::Invalid),
            DiffOutcome::Buffered | DiffOutcome::Stale | DiffOutcome::Applied | DiffOutcome::Bridged => {}
        }
        outcome
    }

    /// Applies one diff to a book that stands at `last`; `first` when none was applied since the snapshot.
    fn step(&mut self, last: u64, diff: &DepthDiff<'_>, first: bool) -> DiffOutcome {
        let stale = match self.rule {
            Rule::Spot => diff.last_id <= last,
            Rule::UsdM if first => diff.last_id < last,
            Rule::UsdM => diff.last_id <= last,
        };
        if stale {
            self.counts.stale += 1;
            return DiffOutcome::Stale;
        }
        match self.rule {
            Rule::Spot if diff.first_id > last + 1 => {
                return if first {
                    DiffOutcome::SnapshotTooOld
                } else {
                    DiffOutcome::Gap { first: last + 1, last: diff.first_id - 1 }
                };
            }
            Rule::UsdM if first && diff.first_id > last => return DiffOutcome::SnapshotTooOld,
            Rule::UsdM if !first && diff.prev_id != Some(last) => {
                let end = diff.prev_id.unwrap_or(diff.first_id.saturating_sub(1)).max(last + 1);
                return DiffOutcome::Gap { first: last + 1, last: end };
            }
            Rule::Spot | Rule::UsdM => {}
        }
        for level in diff.bids.iter() {
            self.book.set(Side::Buy, level.px.0, level.qty.0);
        }
        for level in diff.asks.iter() {
            self.book.set(Side::Sell, level.px.0, level.qty.0);
        }
        self.last_id = Some(diff.last_id);
        self.counts.applied += 1;
        if self.book.crossed() {
            self.counts.crossed += 1;
            return DiffOutcome::Crossed;
        }
        self.state = State::Valid;
        if first { DiffOutcome::Bridged } else { DiffOutcome::Applied }
    }

    /// A snapshot fetched since the last time one was wanted.
    pub fn on_snapshot(&mut self, snapshot: &Snapshot<'_>) -> SnapshotOutcome {
        if !self.wants_snapshot() {
            return SnapshotOutcome::NotWanted;
        }
        self.counts.snapshots += 1;
        if self.buffer.front().is_some_and(|first| snapshot.last_id < first.first_id) {
            self.counts.snapshots_too_old += 1;
            return SnapshotOutcome::TooOld;
        }
        self.book.clear();
        for level in snapshot.bids.iter() {
            self.book.set(Side::Buy, level.px.0, level.qty.0);
        }
        for level in snapshot.asks.iter() {
            self.book.set(Side::Sell, level.px.0, level.qty.0);
        }
        if self.book.crossed() {
            self.counts.crossed += 1;
            self.restart(State::Invalid);
            return SnapshotOutcome::Crossed;
        }
        let (mut last, mut first, before) = (snapshot.last_id, true, self.state);
        self.last_id = Some(last);
        let waiting = std::mem::take(&mut self.buffer);
        for (index, diff) in waiting.iter().enumerate() {
            match self.step(last, diff, first) {
                DiffOutcome::Stale => continue,
                DiffOutcome::Applied | DiffOutcome::Bridged | DiffOutcome::Buffered => {}
                DiffOutcome::Crossed => {
                    self.restart(State::Invalid);
                    return SnapshotOutcome::Crossed;
                }
                outcome @ (DiffOutcome::SnapshotTooOld | DiffOutcome::Gap { .. }) => {
                    self.restart(before);
                    self.buffer = waiting.into_iter().skip(index).collect();
                    let DiffOutcome::Gap { first, last } = outcome else {
                        self.counts.snapshots_too_old += 1;
                        return SnapshotOutcome::TooOld;
                    };
                    self.counts.gaps += 1;
                    return SnapshotOutcome::Gap { first, last };
                }
            }
            (last, first) = (diff.last_id, false);
        }
        if first { SnapshotOutcome::AwaitingDiff } else { SnapshotOutcome::Valid }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;
    use tidegate_normalise::Level;
    use tidegate_units::{EpochNs, PxTicks, QtyLots};

    fn levels(side: &[(i64, i64)]) -> Cow<'static, [Level]> {
        side.iter().map(|(p, q)| Level { px: PxTicks(*p), qty: QtyLots(*q) }).collect()
    }

    fn snap(id: u64) -> Snapshot<'static> {
        Snapshot { last_id: id, ts_venue: EpochNs(0), bids: levels(&[(99, 1)]), asks: levels(&[(101, 1)]) }
    }

    fn spot(first: u64, last: u64) -> DepthDiff<'static> {
        let bids = levels(&[(98, last as i64)]);
        DepthDiff {
            first_id: first,
            last_id: last,
            prev_id: None,
            ts_venue: EpochNs(0),
            bids,
            asks: levels(&[]),
        }
    }

    fn usdm(first: u64, last: u64, prev: u64) -> DepthDiff<'static> {
        DepthDiff { prev_id: Some(prev), ..spot(first, last) }
    }

    #[test]
    fn spot_buffers_bridges_and_follows() {
        let mut b = SyncedBook::new(Rule::Spot);
        for (first, last) in [(1, 5), (6, 9), (10, 14), (15, 20)] {
            assert_eq!(b.on_diff(&spot(first, last)), DiffOutcome::Buffered);
        }
        assert_eq!(b.on_snapshot(&snap(12)), SnapshotOutcome::Valid);
        assert_eq!((b.last_id(), b.state(), b.counts().stale, b.counts().applied), (20, State::Valid, 2, 2));
        assert_eq!(b.on_diff(&spot(15, 20)), DiffOutcome::Stale);
        assert_eq!(b.on_diff(&spot(21, 21)), DiffOutcome::Applied);
        assert_eq!(b.on_diff(&spot(23, 25)), DiffOutcome::Gap { first: 22, last: 22 });
        assert_eq!((b.state(), b.buffered(), b.book().is_empty()), (State::Invalid, 1, true));
        assert_eq!(b.on_snapshot(&snap(22)), SnapshotOutcome::TooOld);
        assert_eq!(b.on_snapshot(&snap(23)), SnapshotOutcome::Valid);
        assert_eq!(b.on_snapshot(&snap(30)), SnapshotOutcome::NotWanted);
    }

    #[test]
    fn usdm_follows_the_named_predecessor_not_the_numbers() {
        let mut b = SyncedBook::new(Rule::UsdM);
        b.on_diff(&usdm(100, 110, 90));
        b.on_diff(&usdm(150, 160, 110));
        assert_eq!(b.on_snapshot(&snap(105)), SnapshotOutcome::Valid);
        assert_eq!(b.last_id(), 160);
        assert_eq!(b.on_diff(&usdm(200, 210, 160)), DiffOutcome::Applied);
        assert_eq!(b.on_diff(&usdm(200, 210, 160)), DiffOutcome::Stale);
        assert_eq!(b.on_diff(&usdm(211, 220, 211)), DiffOutcome::Gap { first: 211, last: 211 });
        assert_eq!(b.state(), State::Invalid);
    }

    #[test]
    fn usdm_keeps_the_event_that_ends_at_the_snapshot() {
        let mut b = SyncedBook::new(Rule::UsdM);
        b.on_diff(&usdm(100, 110, 90));
        assert_eq!(b.on_snapshot(&snap(110)), SnapshotOutcome::Valid);
        let mut c = SyncedBook::new(Rule::UsdM);
        c.on_diff(&usdm(100, 110, 90));
        assert_eq!(c.on_snapshot(&snap(111)), SnapshotOutcome::AwaitingDiff);
        assert_eq!(c.state(), State::Syncing);
        assert_eq!(c.on_diff(&usdm(120, 130, 110)), DiffOutcome::SnapshotTooOld, "nothing bridges 111");
        assert!(c.wants_snapshot());
    }

    #[test]
    fn a_snapshot_older_or_newer_than_the_stream_is_not_believed() {
        let mut b = SyncedBook::new(Rule::Spot);
        b.on_diff(&spot(10, 14));
        assert_eq!(b.on_snapshot(&snap(9)), SnapshotOutcome::TooOld);
        assert_eq!(b.buffered(), 1, "the buffer stays for the next one");
        assert_eq!(b.on_snapshot(&snap(40)), SnapshotOutcome::AwaitingDiff);
        assert_eq!(b.on_diff(&spot(15, 30)), DiffOutcome::Stale);
        assert_eq!(b.on_diff(&spot(31, 45)), DiffOutcome::Bridged);
        let mut c = SyncedBook::new(Rule::Spot);
        assert_eq!(c.on_snapshot(&snap(40)), SnapshotOutcome::AwaitingDiff);
        assert_eq!(c.on_diff(&spot(42, 45)), DiffOutcome::SnapshotTooOld);
    }

    #[test]
    fn a_hole_inside_the_buffer_is_found_and_what_follows_it_is_kept() {
        let mut b = SyncedBook::new(Rule::Spot);
        for (first, last) in [(1, 5), (6, 9), (12, 14)] {
            b.on_diff(&spot(first, last));
        }
        assert_eq!(b.on_snapshot(&snap(4)), SnapshotOutcome::Gap { first: 10, last: 11 });
        assert!(b.wants_snapshot());
        assert_eq!(b.on_snapshot(&snap(13)), SnapshotOutcome::Valid);
    }

    #[test]
    fn b013_a_crossed_book_is_invalid_at_once() {
        let mut b = SyncedBook::new(Rule::Spot);
        b.on_diff(&spot(1, 5));
        b.on_snapshot(&snap(5));
        let crossing = DepthDiff { bids: levels(&[(101, 1)]), ..spot(6, 6) };
        assert_eq!(b.on_diff(&crossing), DiffOutcome::Crossed);
        assert_eq!((b.state(), b.wants_snapshot(), b.counts().crossed), (State::Invalid, true, 1));
        let bad = Snapshot { bids: levels(&[(101, 1)]), ..snap(9) };
        assert_eq!(b.on_snapshot(&bad), SnapshotOutcome::Crossed);
    }

    #[test]
    fn b013_the_buffer_is_bounded_and_a_disconnect_voids_everything() {
        let mut b = SyncedBook::new(Rule::Spot);
        for id in 0..DIFFS_BUFFERED_MAX as u64 + 3 {
            b.on_diff(&spot(id + 1, id + 1));
        }
        assert_eq!((b.buffered(), b.counts().buffer_dropped), (DIFFS_BUFFERED_MAX, 3));
        assert_eq!(
            b.on_snapshot(&snap(3)),
            SnapshotOutcome::TooOld,
            "what was dropped must lie before the snapshot"
        );
        assert_eq!(b.on_snapshot(&snap(5)), SnapshotOutcome::Valid);
        b.disconnect();
        assert_eq!((b.state(), b.last_id(), b.buffered()), (State::Syncing, 0, 0));
        assert!(b.book().is_empty());
    }
}
