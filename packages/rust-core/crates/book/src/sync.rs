//! When a book may be believed: snapshots and diffs joined by the venue's own rule, and what takes the belief away.

use crate::checksum::{Checksum, Decimals};
use crate::l2::L2Book;
use crate::limits::{DIFFS_BUFFERED_MAX, LEVELS_BUFFERED_MAX};
use crate::rule::{Cause, Counts, DiffOutcome, Repair, Rule, Settings, SnapshotOutcome, State, is_late};
use std::collections::VecDeque;
use tidegate_normalise::{DepthDiff, Level, Snapshot};
use tidegate_units::Side;

/// A book and the decision whether to believe it. No clock, no I/O: the caller fetches snapshots when told, and says what
/// time it is with [`SyncedBook::clock`].
#[derive(Debug, Clone)]
pub struct SyncedBook {
    rule: Rule,
    settings: Settings,
    book: L2Book,
    state: State,
    cause: Option<Cause>,
    buffer: VecDeque<DepthDiff<'static>>,
    levels_buffered: usize,
    /// Id the book stands at; absent while a snapshot is awaited.
    last_id: Option<u64>,
    /// Venue time of the newest whole book, 0 before one.
    ts_venue: i64,
    /// Whether a diff was applied since the snapshot.
    bridged: bool,
    crossing_legitimate: bool,
    now_ns: u64,
    heard_ns: u64,
    crossed_ns: Option<u64>,
    broken_ns: Option<u64>,
    repair: Repair,
    counts: Counts,
}

/// What the touch says after a change.
enum Touch {
    Fine,
    Crossing,
    Crossed,
}

fn levels_of(diff: &DepthDiff<'_>) -> usize {
    diff.bids.len() + diff.asks.len()
}

impl SyncedBook {
    /// A book that awaits its first snapshot.
    pub fn new(rule: Rule) -> Self {
        Self::with(rule, Settings::default())
    }

    /// A book that awaits its first snapshot, with bounds of its belief.
    pub fn with(rule: Rule, settings: Settings) -> Self {
        Self {
            rule,
            settings,
            book: L2Book::default(),
            state: State::Syncing,
            cause: None,
            buffer: VecDeque::new(),
            levels_buffered: 0,
            last_id: None,
            ts_venue: 0,
            bridged: false,
            crossing_legitimate: false,
            now_ns: 0,
            heard_ns: 0,
            crossed_ns: None,
            broken_ns: None,
            repair: Repair::default(),
            counts: Counts::default(),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Why the book is INVALID, while it is.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
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

    /// How long repairs took: from the loss of a VALID book until it was VALID again.
    pub fn repair(&self) -> Repair {
        self.repair
    }

    /// Diffs that wait for a snapshot.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether only a snapshot can help now: one to be fetched, or the stream's own by a new subscription.
    pub fn wants_snapshot(&self) -> bool {
        self.last_id.is_none()
    }

    /// The session is gone: everything known of the book is void.
    pub fn disconnect(&mut self) {
        self.broken();
        self.void(State::Syncing, None);
    }

    /// The book is lost for a reason that the caller knows, such as a gap in the numbers of the session.
    pub fn lose(&mut self, cause: Cause) {
        match cause {
            Cause::Gap { .. } => self.counts.gaps += 1,
            Cause::Crossed => self.counts.crossed += 1,
            Cause::Checksum { .. } => self.counts.checksum_mismatches += 1,
            Cause::Stale => self.counts.staled += 1,
            Cause::Session => {}
        }
        self.broken();
        self.void(State::Invalid, Some(cause));
    }

    /// Says that the venue is in a phase (an auction, a halt) in which its book may cross, or that the phase is over.
    pub fn set_crossing_legitimate(&mut self, legitimate: bool) {
        self.crossing_legitimate = legitimate;
        if self.last_id.is_some() && self.state == State::Valid {
            match self.touch() {
                Touch::Fine => {}
                Touch::Crossing => self.crossing(),
                Touch::Crossed => self.lose(Cause::Crossed),
            }
        }
    }

    /// Something came that proves the session alive (a heartbeat, a message of another channel).
    pub fn alive(&mut self) {
        self.heard_ns = self.now_ns;
    }

    /// The caller's monotonic time in ns, said before each message and from a timer. Gives the cause if it takes the belief
    /// away: silence beyond the bound, or a crossing beyond its grace.
    ///
    /// After silence alone a book whose diffs are joined by ids is VALID again with the next diff that follows, for the ids
    /// prove that nothing is missing; any other needs a snapshot.
    pub fn clock(&mut self, now_ns: u64) -> Option<Cause> {
        self.now_ns = self.now_ns.max(now_ns);
        if self.crossed_ns.is_some() && matches!(self.touch(), Touch::Crossed) {
            self.lose(Cause::Crossed);
            return Some(Cause::Crossed);
        }
        let silent = self.now_ns.saturating_sub(self.heard_ns);
        if self.settings.stale_ns == 0 || self.state != State::Valid || silent <= self.settings.stale_ns {
            return None;
        }
        if self.rule.fetches_snapshot() {
            self.counts.staled += 1;
            self.broken();
            (self.state, self.cause) = (State::Invalid, Some(Cause::Stale));
        } else {
            self.lose(Cause::Stale);
        }
        Some(Cause::Stale)
    }

    /// Starts the time of a repair where a VALID book is lost.
    fn broken(&mut self) {
        if self.state == State::Valid {
            self.broken_ns = Some(self.now_ns);
        }
    }

    fn believe(&mut self) {
        (self.state, self.cause) = (State::Valid, None);
        if let Some(since) = self.broken_ns.take() {
            let took = self.now_ns.saturating_sub(since);
            self.repair = Repair { last_ns: took, max_ns: self.repair.max_ns.max(took) };
            self.counts.repairs += 1;
        }
    }

    fn crossing(&mut self) {
        self.broken();
        self.state = State::Syncing;
    }

    fn void(&mut self, state: State, cause: Option<Cause>) {
        (self.state, self.cause) = (state, cause);
        self.book.clear();
        self.buffer.clear();
        self.levels_buffered = 0;
        (self.last_id, self.bridged, self.crossed_ns) = (None, false, None);
        self.ts_venue = 0;
    }

    fn keep(&mut self, diff: &DepthDiff<'_>) {
        let levels = levels_of(diff);
        while self.buffer.len() >= DIFFS_BUFFERED_MAX
            || (self.levels_buffered + levels > LEVELS_BUFFERED_MAX && !self.buffer.is_empty())
        {
            let oldest = self.buffer.pop_front();
            self.levels_buffered -= oldest.as_ref().map_or(0, levels_of);
            self.counts.buffer_dropped += 1;
        }
        self.levels_buffered += levels;
        self.buffer.push_back(diff.clone().into_owned());
    }

    /// One diff, in the order of the stream.
    pub fn on_diff(&mut self, diff: &DepthDiff<'_>) -> DiffOutcome {
        self.on_diff_checked(diff, None)
    }

    /// One diff with the checksum that came with it, the 32 bits whatever their sign. A rule without checksums does not look.
    pub fn on_diff_checked(&mut self, diff: &DepthDiff<'_>, checksum: Option<u32>) -> DiffOutcome {
        self.heard_ns = self.now_ns;
        let Some(last) = self.last_id else {
            if self.rule.fetches_snapshot() {
                self.keep(diff);
                return DiffOutcome::Buffered;
            }
            self.counts.unanchored += 1;
            return DiffOutcome::Unanchored;
        };
        let before = self.state;
        let outcome = self.step(last, diff, checksum);
        match outcome {
            DiffOutcome::Gap { first, last } => {
                self.lose(Cause::Gap { first, last });
                self.keep(diff);
            }
            DiffOutcome::SnapshotTooOld => {
                self.counts.snapshots_too_old += 1;
                self.void(before, self.cause);
                self.keep(diff);
            }
            DiffOutcome::Crossed => self.lose(Cause::Crossed),
            DiffOutcome::ChecksumMismatch { want, got } => self.lose(Cause::Checksum { want, got }),
            DiffOutcome::Crossing => self.crossing(),
            DiffOutcome::Applied if before != State::Valid => {
                self.believe();
                return DiffOutcome::Bridged;
            }
            DiffOutcome::Applied | DiffOutcome::Bridged => self.believe(),
            DiffOutcome::Buffered | DiffOutcome::Stale | DiffOutcome::Unanchored => {}
        }
        outcome
    }

    /// What the venue's numbers say of a diff at a book that stands at `last`; nothing where it is the next one.
    fn order(&self, last: u64, diff: &DepthDiff<'_>) -> Option<DiffOutcome> {
        let first = !self.bridged;
        match self.rule {
            Rule::Spot if diff.last_id <= last => Some(DiffOutcome::Stale),
            Rule::Spot if diff.first_id > last.saturating_add(1) => Some(if first {
                DiffOutcome::SnapshotTooOld
            } else {
                DiffOutcome::Gap { first: last + 1, last: diff.first_id - 1 }
            }),
            Rule::UsdM | Rule::CoinM if first && diff.last_id < last => Some(DiffOutcome::Stale),
            Rule::UsdM | Rule::CoinM if first && diff.first_id > last => Some(DiffOutcome::SnapshotTooOld),
            Rule::UsdM | Rule::CoinM if !first && diff.last_id <= last => Some(DiffOutcome::Stale),
            Rule::UsdM | Rule::CoinM if !first && diff.prev_id != Some(last) => {
                let end = diff.prev_id.unwrap_or(diff.first_id.saturating_sub(1));
                let next = last.saturating_add(1);
                Some(DiffOutcome::Gap { first: next, last: end.max(next) })
            }
            Rule::GlobalSequence if diff.last_id != 0 && diff.last_id <= last => Some(DiffOutcome::Stale),
            Rule::SnapshotOnly => Some(DiffOutcome::Unanchored),
            _ => None,
        }
    }

    /// Applies one diff to a book that stands at `last`. The state is the caller's to set.
    fn step(&mut self, last: u64, diff: &DepthDiff<'_>, checksum: Option<u32>) -> DiffOutcome {
        if let Some(outcome) = self.order(last, diff) {
            match outcome {
                DiffOutcome::Stale => self.counts.stale += 1,
                DiffOutcome::Unanchored => self.counts.unanchored += 1,
                _ => {}
            }
            return outcome;
        }
        self.put(&diff.bids, &diff.asks);
        let first = !std::mem::replace(&mut self.bridged, true);
        self.last_id = Some(diff.last_id);
        self.counts.applied += 1;
        if let Some((want, got)) = self.mismatch(checksum) {
            return DiffOutcome::ChecksumMismatch { want, got };
        }
        match self.touch() {
            Touch::Crossed => DiffOutcome::Crossed,
            Touch::Crossing => DiffOutcome::Crossing,
            Touch::Fine if first && self.rule.fetches_snapshot() => DiffOutcome::Bridged,
            Touch::Fine => DiffOutcome::Applied,
        }
    }

    fn put(&mut self, bids: &[Level], asks: &[Level]) {
        for level in bids {
            self.book.set(Side::Buy, level.px.0, level.qty.0);
        }
        for level in asks {
            self.book.set(Side::Sell, level.px.0, level.qty.0);
        }
        if self.settings.depth_max > 0 {
            self.book.truncate(self.settings.depth_max);
        }
    }

    /// The venue's checksum and ours, where they differ.
    fn mismatch(&mut self, checksum: Option<u32>) -> Option<(u32, u32)> {
        let (Rule::Checked(recipe, decimals), Some(want)) = (self.rule, checksum) else { return None };
        self.counts.checksums += 1;
        let got = Checksum::of(recipe, &self.book, decimals);
        (got != want).then_some((want, got))
    }

    fn touch(&mut self) -> Touch {
        let crossed = match (self.book.best(Side::Buy), self.book.best(Side::Sell)) {
            (Some((bid, _)), Some((ask, _))) => bid > ask || (bid == ask && !self.settings.locked_allowed),
            _ => false,
        };
        if !crossed || self.crossing_legitimate {
            self.crossed_ns = None;
            return Touch::Fine;
        }
        let since = *self.crossed_ns.get_or_insert(self.now_ns);
        let grace = self.settings.crossed_grace_ns;
        if self.now_ns.saturating_sub(since) >= grace { Touch::Crossed } else { Touch::Crossing }
    }

    /// A whole book: one fetched since it was wanted, or one of the stream.
    pub fn on_snapshot(&mut self, snapshot: &Snapshot<'_>) -> SnapshotOutcome {
        self.on_snapshot_checked(snapshot, None)
    }

    /// A whole book with the checksum that came with it.
    pub fn on_snapshot_checked(&mut self, snapshot: &Snapshot<'_>, checksum: Option<u32>) -> SnapshotOutcome {
        if self.rule.fetches_snapshot() {
            return self.on_fetched(snapshot);
        }
        self.heard_ns = self.now_ns;
        if is_late(snapshot.ts_venue.0, self.ts_venue) {
            self.counts.stale += 1;
            return SnapshotOutcome::Older;
        }
        self.counts.snapshots += 1;
        self.take(snapshot);
        if let Some((want, got)) = self.mismatch(checksum) {
            self.lose(Cause::Checksum { want, got });
            return SnapshotOutcome::ChecksumMismatch { want, got };
        }
        match self.touch() {
            Touch::Fine => {
                self.believe();
                SnapshotOutcome::Valid
            }
            Touch::Crossing => {
                self.crossing();
                SnapshotOutcome::Crossing
            }
            Touch::Crossed => {
                self.lose(Cause::Crossed);
                SnapshotOutcome::Crossed
            }
        }
    }

    fn take(&mut self, snapshot: &Snapshot<'_>) {
        self.book.clear();
        self.put(&snapshot.bids, &snapshot.asks);
        (self.last_id, self.bridged) = (Some(snapshot.last_id), false);
        // A message without a time keeps that of the one before.
        if snapshot.ts_venue.0 != 0 {
            self.ts_venue = snapshot.ts_venue.0;
        }
    }

    fn on_fetched(&mut self, snapshot: &Snapshot<'_>) -> SnapshotOutcome {
        if !self.wants_snapshot() {
            return SnapshotOutcome::NotWanted;
        }
        self.counts.snapshots += 1;
        if self.buffer.front().is_some_and(|first| snapshot.last_id < first.first_id) {
            self.counts.snapshots_too_old += 1;
            return SnapshotOutcome::TooOld;
        }
        self.take(snapshot);
        if !matches!(self.touch(), Touch::Fine) {
            self.lose(Cause::Crossed);
            return SnapshotOutcome::Crossed;
        }
        let (before, cause) = (self.state, self.cause);
        let mut waiting = std::mem::take(&mut self.buffer);
        self.levels_buffered = 0;
        let mut crossing = false;
        while let Some(diff) = waiting.pop_front() {
            match self.step(self.last_id(), &diff, None) {
                DiffOutcome::Crossed | DiffOutcome::ChecksumMismatch { .. } => {
                    self.lose(Cause::Crossed);
                    return SnapshotOutcome::Crossed;
                }
                DiffOutcome::SnapshotTooOld | DiffOutcome::Gap { .. } if !self.bridged => {
                    self.restart(before, cause, diff, waiting);
                    self.counts.snapshots_too_old += 1;
                    return SnapshotOutcome::TooOld;
                }
                DiffOutcome::Gap { first, last } => {
                    self.restart(before, cause, diff, waiting);
                    self.counts.gaps += 1;
                    return SnapshotOutcome::Gap { first, last };
                }
                outcome => crossing = matches!(outcome, DiffOutcome::Crossing),
            }
        }
        if !self.bridged {
            return SnapshotOutcome::AwaitingDiff;
        }
        if crossing {
            self.crossing();
            return SnapshotOutcome::Crossing;
        }
        self.believe();
        SnapshotOutcome::Valid
    }

    /// The snapshot did not join: what waits from `diff` on goes on waiting.
    fn restart(
        &mut self,
        state: State,
        cause: Option<Cause>,
        diff: DepthDiff<'static>,
        mut waiting: VecDeque<DepthDiff<'static>>,
    ) {
        self.void(state, cause);
        waiting.push_front(diff);
        self.levels_buffered = waiting.iter().map(levels_of).sum();
        self.buffer = waiting;
    }

    /// The decimals that the checksum of this book is written with, where its rule has one.
    pub fn decimals(&self) -> Option<Decimals> {
        match self.rule {
            Rule::Checked(_, decimals) => Some(decimals),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LATE_NS_MAX;
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
    fn a_late_book_has_no_effect_and_a_clock_set_back_has_no_lasting_one() {
        let mut b = SyncedBook::new(Rule::SnapshotOnly);
        let at = |ns: i64| Snapshot { ts_venue: EpochNs(ns), ..snap(0) };
        let now = 10 * LATE_NS_MAX;
        assert_eq!(b.on_snapshot(&at(now)), SnapshotOutcome::Valid);
        assert_eq!(b.on_snapshot(&at(now - LATE_NS_MAX)), SnapshotOutcome::Older);
        assert_eq!(b.on_snapshot(&at(now - LATE_NS_MAX - 1)), SnapshotOutcome::Valid);
        assert_eq!(b.on_snapshot(&at(now - LATE_NS_MAX)), SnapshotOutcome::Valid, "time goes on from there");
        assert_eq!(b.on_snapshot(&at(i64::MIN + 1)), SnapshotOutcome::Valid, "no distance overflows");
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
