//! A book that is VALID is the venue's book: streams of a venue of which every message is known, broken in every way, against
//! every rule that can notice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use tidegate_book::{
    Cause, Checksum, Decimals, DiffOutcome, L2Book, Rule, SequenceOutcome, SessionSequence, Settings,
    SnapshotOutcome, State, SyncedBook,
};
use tidegate_normalise::{DepthDiff, Level, Snapshot};
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

const DECIMALS: Decimals = Decimals { px_scale: 2, px_unit: 1, qty_scale: 3, qty_unit: 1 };

fn levels(side: impl IntoIterator<Item = (i64, i64)>) -> Cow<'static, [Level]> {
    side.into_iter().map(|(p, q)| Level { px: PxTicks(p), qty: QtyLots(q) }).collect()
}

fn diff(
    first: u64,
    last: u64,
    prev: Option<u64>,
    bids: &[(i64, i64)],
    asks: &[(i64, i64)],
) -> DepthDiff<'static> {
    let (bids, asks) = (levels(bids.iter().copied()), levels(asks.iter().copied()));
    DepthDiff { first_id: first, last_id: last, prev_id: prev, ts_venue: EpochNs(0), bids, asks }
}

fn snap(id: u64, ts: i64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Snapshot<'static> {
    let (bids, asks) = (levels(bids.iter().copied()), levels(asks.iter().copied()));
    Snapshot { last_id: id, ts_venue: EpochNs(ts), bids, asks }
}

/// The venue's book after each of its messages.
#[derive(Clone, Default, PartialEq, Debug)]
struct Truth {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Truth {
    fn apply(&mut self, diff: &DepthDiff<'_>) {
        for (map, side) in [(&mut self.bids, &diff.bids), (&mut self.asks, &diff.asks)] {
            for level in side.iter() {
                if level.qty.0 > 0 {
                    map.insert(level.px.0, level.qty.0)
                } else {
                    map.remove(&level.px.0)
                };
            }
        }
    }

    fn snapshot(&self, id: u64) -> Snapshot<'static> {
        let pairs = |map: &BTreeMap<i64, i64>| levels(map.iter().map(|(p, q)| (*p, *q)));
        Snapshot { last_id: id, ts_venue: EpochNs(0), bids: pairs(&self.bids), asks: pairs(&self.asks) }
    }

    fn of(book: &L2Book) -> Self {
        Self { bids: book.levels(Side::Buy).collect(), asks: book.levels(Side::Sell).collect() }
    }

    fn checksum(&self, recipe: Checksum) -> u32 {
        let mut book = L2Book::default();
        self.bids.iter().for_each(|(p, q)| book.set(Side::Buy, *p, *q));
        self.asks.iter().for_each(|(p, q)| book.set(Side::Sell, *p, *q));
        recipe.of(&book, DECIMALS)
    }
}

/// One message of the venue and its book after it. Id 0 is the state before the first.
struct Venue {
    diffs: Vec<DepthDiff<'static>>,
    truth: Vec<Truth>,
}

/// A venue whose bids lie under 100 and asks over it; ids run by steps of 1 to 3 a message, on USD-M with holes between.
fn venue(changes: &[(bool, i64, i64, u64)], holes: bool) -> Venue {
    let mut truth = Truth::default();
    for px in 1..5 {
        truth.bids.insert(100 - px, px);
        truth.asks.insert(100 + px, px);
    }
    let mut all = Venue { diffs: vec![], truth: vec![truth.clone()] };
    let mut last = 1_000_u64;
    for (buy, depth, qty, step) in changes {
        let first = last + 1 + if holes { step % 3 } else { 0 };
        let id = first + step;
        let level = [(if *buy { 100 - depth } else { 100 + depth }, *qty)];
        let (bids, asks): (&[_], &[_]) = if *buy { (&level, &[]) } else { (&[], &level) };
        let one = diff(first, id, holes.then_some(last), bids, asks);
        truth.apply(&one);
        last = id;
        all.diffs.push(one);
        all.truth.push(truth.clone());
    }
    all
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    Drop,
    Twice,
    Late(usize),
}

/// Places of the venue's messages in the order in which they arrive.
fn arrivals(count: usize, faults: &[Fault]) -> Vec<usize> {
    let mut order: Vec<(usize, usize)> = vec![];
    for at in 0..count {
        match faults[at % faults.len()] {
            Fault::None => order.push((2 * at, at)),
            Fault::Drop => {}
            Fault::Twice => order.extend([(2 * at, at), (2 * at + 1, at)]),
            Fault::Late(by) => order.push((2 * (at + by) + 1, at)),
        }
    }
    order.sort_by_key(|(place, _)| *place);
    order.into_iter().map(|(_, at)| at).collect()
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        1 => Just(Fault::Drop),
        1 => Just(Fault::Twice),
        1 => (1_usize..4).prop_map(Fault::Late),
    ]
}

fn changes() -> impl Strategy<Value = Vec<(bool, i64, i64, u64)>> {
    prop::collection::vec((any::<bool>(), 1_i64..9, 0_i64..5, 0_u64..3), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Snapshots are of a moment some messages ago, as a slow answer is.
    #[test]
    fn a08_b013_a_fetched_book_that_is_valid_is_the_venues(
        changes in changes(), faults in prop::collection::vec(fault(), 1..40), lag in 0_usize..6, wait in 1_usize..5, futures: bool,
    ) {
        let venue = venue(&changes, futures);
        let mut book = SyncedBook::new(if futures { Rule::UsdM } else { Rule::Spot });
        let mut asked = 0;
        let arrivals = arrivals(venue.diffs.len(), &faults);
        let clean = arrivals.iter().copied().eq(0..venue.diffs.len());
        for (n, at) in arrivals.into_iter().enumerate() {
            book.clock(n as u64);
            book.on_diff(&venue.diffs[at]);
            if book.wants_snapshot() {
                asked += 1;
                if asked % wait == 0 {
                    let then = (at + 1).saturating_sub(lag);
                    let id = then.checked_sub(1).map_or(1_000, |n| venue.diffs[n].last_id);
                    book.on_snapshot(&venue.truth[then].snapshot(id));
                }
            }
            if book.state() == State::Valid {
                let place = venue.diffs.partition_point(|d| d.last_id <= book.last_id());
                prop_assert_eq!(&Truth::of(book.book()), &venue.truth[place], "valid and wrong at id {}", book.last_id());
            }
        }
        if clean && venue.diffs.len() > 8 + wait {
            prop_assert_eq!(book.state(), State::Valid, "nothing was broken");
            prop_assert_eq!(book.counts().gaps, 0);
        }
    }

    /// Snapshots come in the stream. With at most 10 levels a side the checksum vouches for the whole book.
    #[test]
    fn a08_b013_a_checked_book_that_is_valid_is_the_venues(
        changes in changes(), faults in prop::collection::vec(fault(), 1..40), okx: bool, every in 1_usize..8,
    ) {
        let venue = venue(&changes, false);
        let recipe = if okx { Checksum::Okx } else { Checksum::Kraken };
        let mut book = SyncedBook::new(Rule::Checked(recipe, DECIMALS));
        book.on_snapshot_checked(&venue.truth[0].snapshot(0), Some(venue.truth[0].checksum(recipe)));
        let mut lost = 0;
        for at in arrivals(venue.diffs.len(), &faults) {
            let sum = venue.truth[at + 1].checksum(recipe);
            book.on_diff_checked(&venue.diffs[at], Some(sum));
            if book.state() == State::Valid {
                prop_assert_eq!(&Truth::of(book.book()), &venue.truth[at + 1], "valid and wrong");
            } else {
                lost += 1;
                let cause = matches!(book.cause(), Some(Cause::Checksum { .. }));
                prop_assert!(cause, "another cause");
                if lost % every == 0 {
                    // The repair: the stream's own snapshot after a new subscription, of the moment it is sent.
                    prop_assert_eq!(book.on_snapshot_checked(&venue.truth[at + 1].snapshot(0), Some(sum)), SnapshotOutcome::Valid);
                }
            }
        }
    }

    #[test]
    fn a08_b013_a_book_of_a_numbered_session_that_is_valid_is_the_venues(
        changes in changes(), faults in prop::collection::vec(fault(), 1..40), every in 1_usize..8,
    ) {
        let mut venue = venue(&changes, false);
        for (n, diff) in venue.diffs.iter_mut().enumerate() {
            (diff.first_id, diff.last_id) = (n as u64 + 1, n as u64 + 1);
        }
        let (mut session, mut book) = (SessionSequence::new(), SyncedBook::new(Rule::GlobalSequence));
        session.on(0);
        book.on_snapshot(&venue.truth[0].snapshot(0));
        let mut lost = 0;
        for at in arrivals(venue.diffs.len(), &faults) {
            match session.on(at as u64 + 1) {
                SequenceOutcome::Repeated => continue,
                SequenceOutcome::Gap { first, last } => book.lose(Cause::Gap { first, last }),
                SequenceOutcome::First | SequenceOutcome::Next => {}
            }
            book.on_diff(&venue.diffs[at]);
            if book.state() == State::Valid {
                prop_assert_eq!(&Truth::of(book.book()), &venue.truth[at + 1]);
            } else {
                lost += 1;
                if lost % every == 0 {
                    book.on_snapshot(&venue.truth[at + 1].snapshot(at as u64 + 1));
                }
            }
        }
    }
}

/// The control: without its numbers the same broken stream gives a book that is believed and wrong.
#[test]
fn b013_without_a_rule_a_lost_message_is_not_noticed() {
    let venue = venue(&[(true, 1, 9, 0), (true, 2, 9, 0)], false);
    let mut book = SyncedBook::new(Rule::Unnumbered);
    book.on_snapshot(&venue.truth[0].snapshot(0));
    book.on_diff(&venue.diffs[1]);
    assert_eq!(book.state(), State::Valid);
    assert_ne!(Truth::of(book.book()), venue.truth[2]);
}

#[test]
fn b013_a_crossing_has_its_grace_and_a_legitimate_one_has_no_end() {
    let settings = Settings { crossed_grace_ns: 100, ..Settings::default() };
    let mut book = SyncedBook::with(Rule::Unnumbered, settings);
    book.clock(10);
    book.on_snapshot(&snap(0, 0, &[(99, 1)], &[(101, 1)]));
    assert_eq!(book.on_diff(&diff(0, 0, None, &[(101, 1)], &[])), DiffOutcome::Crossing);
    assert_eq!((book.state(), book.clock(109)), (State::Syncing, None));
    assert_eq!(book.on_diff(&diff(0, 0, None, &[], &[(101, 0), (102, 1)])), DiffOutcome::Bridged);
    assert_eq!((book.state(), book.repair().last_ns), (State::Valid, 99));
    book.on_diff(&diff(0, 0, None, &[(102, 1)], &[]));
    assert_eq!((book.clock(208), book.clock(209)), (None, Some(Cause::Crossed)));
    assert_eq!((book.state(), book.wants_snapshot()), (State::Invalid, true));

    book.set_crossing_legitimate(true);
    assert_eq!(book.on_snapshot(&snap(0, 0, &[(105, 1)], &[(101, 1)])), SnapshotOutcome::Valid);
    assert_eq!((book.clock(10_000), book.state()), (None, State::Valid));
    book.set_crossing_legitimate(false);
    assert_eq!(
        (book.state(), book.clock(10_099)),
        (State::Syncing, None),
        "the grace starts with the end of the phase"
    );
    assert_eq!(book.clock(10_100), Some(Cause::Crossed));
}

#[test]
fn b013_a_silent_stream_is_stale_and_ids_alone_bring_it_back() {
    let settings = Settings { stale_ns: 50, ..Settings::default() };
    let mut spot = SyncedBook::with(Rule::Spot, settings);
    spot.on_diff(&diff(1, 5, None, &[(99, 1)], &[(101, 1)]));
    spot.on_snapshot(&snap(4, 0, &[(98, 1)], &[(102, 1)]));
    assert_eq!((spot.clock(50), spot.clock(51)), (None, Some(Cause::Stale)));
    assert_eq!(
        (spot.state(), spot.cause(), spot.wants_snapshot()),
        (State::Invalid, Some(Cause::Stale), false)
    );
    assert_eq!(spot.clock(60), None, "said once");
    spot.clock(70);
    assert_eq!(spot.on_diff(&diff(6, 6, None, &[(99, 2)], &[])), DiffOutcome::Bridged);
    assert_eq!((spot.state(), spot.repair().last_ns, spot.counts().repairs), (State::Valid, 19, 1));
    spot.clock(110);
    spot.alive();
    assert_eq!(spot.clock(160), None, "a heartbeat is life");

    let mut plain = SyncedBook::with(Rule::Unnumbered, settings);
    plain.on_snapshot(&snap(0, 0, &[(99, 1)], &[]));
    assert_eq!(plain.clock(51), Some(Cause::Stale));
    assert_eq!(plain.on_diff(&diff(0, 0, None, &[(99, 2)], &[])), DiffOutcome::Unanchored);
    assert_eq!(plain.on_snapshot(&snap(0, 0, &[(99, 2)], &[])), SnapshotOutcome::Valid);
}

#[test]
fn b013_whole_books_replace_each_other_and_older_ones_do_not() {
    let locked = Settings { locked_allowed: true, ..Settings::default() };
    let mut book = SyncedBook::with(Rule::SnapshotOnly, locked);
    assert_eq!(book.on_diff(&diff(1, 1, None, &[(1, 1)], &[])), DiffOutcome::Unanchored);
    assert_eq!(
        book.on_snapshot(&snap(0, 20, &[(99, 1), (98, 1)], &[(99, 1)])),
        SnapshotOutcome::Valid,
        "locked"
    );
    assert_eq!(book.on_snapshot(&snap(0, 19, &[(1, 1)], &[])), SnapshotOutcome::Older);
    assert_eq!(book.on_snapshot(&snap(0, 0, &[(97, 1)], &[])), SnapshotOutcome::Valid);
    assert_eq!(Truth::of(book.book()).bids.into_iter().collect::<Vec<_>>(), [(97, 1)]);
    assert_eq!(
        book.on_snapshot(&snap(0, 19, &[(1, 1)], &[])),
        SnapshotOutcome::Older,
        "no time keeps the time before"
    );
    assert_eq!(book.on_snapshot(&snap(0, 21, &[(9, 1)], &[(8, 1)])), SnapshotOutcome::Crossed);
    assert_eq!(book.on_snapshot(&snap(0, 22, &[(7, 1)], &[(8, 1)])), SnapshotOutcome::Valid);
    assert_eq!(book.counts().repairs, 1);
}

#[test]
fn b013_a_venue_of_limited_depth_forgets_what_falls_out() {
    let settings = Settings { depth_max: 2, ..Settings::default() };
    let mut book = SyncedBook::with(Rule::Unnumbered, settings);
    book.on_snapshot(&snap(0, 0, &[(9, 1), (8, 1), (7, 1)], &[(11, 1)]));
    book.on_diff(&diff(0, 0, None, &[(10, 1)], &[]));
    assert_eq!(book.book().levels(Side::Buy).collect::<Vec<_>>(), [(10, 1), (9, 1)]);
}

/// The belief ends with the session, and ids at the ends of their range do no harm.
#[test]
fn b013_a_lost_session_ends_the_belief_at_once() {
    for rule in
        [Rule::Spot, Rule::UsdM, Rule::CoinM, Rule::GlobalSequence, Rule::SnapshotOnly, Rule::Unnumbered]
    {
        let mut book = SyncedBook::new(rule);
        let first = diff(1, 5, Some(0), &[(99, 1)], &[(101, 1)]);
        book.on_diff(&first);
        book.on_snapshot(&snap(4, 1, &[(98, 1)], &[(102, 1)]));
        assert_eq!(book.state(), State::Valid, "{rule:?}");
        book.lose(Cause::Session);
        assert_eq!(
            (book.state(), book.cause(), book.wants_snapshot()),
            (State::Invalid, Some(Cause::Session), true)
        );
        assert!(book.book().is_empty());
        book.on_diff(&diff(u64::MAX, u64::MAX, Some(u64::MAX), &[(1, 1)], &[]));
        book.on_snapshot(&snap(u64::MAX, i64::MAX, &[(98, 1)], &[]));
        book.on_diff(&diff(0, u64::MAX, None, &[(1, 1)], &[]));
        book.on_diff(&diff(u64::MAX, u64::MAX, None, &[(1, 1)], &[]));
    }
}
