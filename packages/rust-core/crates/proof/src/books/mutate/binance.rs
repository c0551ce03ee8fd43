//! Binance's streams mutated: [`SyncedBook`] must see every hole by the venue's ids and be repaired by a late snapshot.

use super::outcome::{Outcome, TOP, WHOLE_EVERY, print, print_plain};
use super::schedule::{arrivals, cut};
use super::{Fault, Settings};
use crate::books::binance::{apply, follow, rule, seed};
use crate::books::feed::{Instrument, Msg, load, read};
use crate::books::plain::PlainBook;
use crate::books::rng::Rng;
use std::borrow::Cow;
use std::path::Path;
use tidegate_book::{SnapshotOutcome, State, SyncedBook};
use tidegate_normalise::{DepthDiff, Level, Snapshot};
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

struct Recorded {
    diffs: Vec<(i64, DepthDiff<'static>, Box<[u8]>)>,
    snapshot: (i64, Snapshot<'static>),
    /// After each diff: last id, print of the top, print of the whole.
    prints: Vec<(u64, u64, u64)>,
    /// The first diff that may be mutated.
    from: usize,
}

fn recorded(data: &Path, of: &Instrument, diffs_max: usize) -> Result<Recorded, String> {
    let (mut diffs, mut snapshot) = (Vec::new(), None);
    for each in load(data, of, true)? {
        match each.msg {
            Msg::Diff(diff) if diffs.len() < diffs_max => diffs.push((each.ts.0, diff, each.raw)),
            Msg::Snapshot(whole) => snapshot = Some((each.ts.0, whole)),
            Msg::Diff(_) | Msg::Ticker(_) => {}
        }
    }
    let snapshot = snapshot.ok_or_else(|| format!("{}: no snapshot in the files", of.set))?;
    let (mut plain, mut at) = (PlainBook::default(), Some(snapshot.1.last_id));
    seed(&mut plain, &snapshot.1);
    let mut prints = Vec::with_capacity(diffs.len());
    for (_, diff, _) in &diffs {
        follow(&mut plain, &mut at, diff);
        prints.push((diff.last_id, print_plain(&plain, TOP), print_plain(&plain, usize::MAX)));
    }
    let from = diffs.iter().position(|each| each.0 > snapshot.0).unwrap_or(0) + 8;
    Ok(Recorded { diffs, snapshot, prints, from })
}

/// All seeds over one instrument.
///
/// # Errors
/// The files cannot be read.
pub fn run(data: &Path, of: &Instrument, settings: &Settings) -> Result<Outcome, String> {
    let recorded = recorded(data, of, settings.messages_max)?;
    let mut outcome = Outcome::default();
    for each in 0..settings.seeds {
        one(&recorded, of, settings, each, &mut outcome);
    }
    Ok(outcome)
}

fn whole(plain: &PlainBook, last_id: u64) -> Snapshot<'static> {
    let side = |side| {
        plain.levels(side).map(|(px, qty)| Level { px: PxTicks(px), qty: QtyLots(qty) }).collect::<Vec<_>>()
    };
    Snapshot {
        last_id,
        ts_venue: EpochNs(0),
        bids: Cow::Owned(side(Side::Buy)),
        asks: Cow::Owned(side(Side::Sell)),
    }
}

fn one(recorded: &Recorded, of: &Instrument, settings: &Settings, number: u64, outcome: &mut Outcome) {
    let mut rng = Rng::new(settings.seed(of.set, number));
    let times: Vec<i64> = recorded.diffs.iter().map(|each| each.0).collect();
    let may = |index: usize| index >= recorded.from;
    let plan = arrivals(&times, may, &settings.kinds, settings.rate, &mut rng, &mut outcome.made);
    let mut book = SyncedBook::new(rule(of.market));
    let mut reader = of.normaliser();
    // The venue's own book: everything that it has sent so far.
    let (mut venue, mut venue_id, mut sent) = (PlainBook::default(), Some(recorded.snapshot.1.last_id), 0);
    seed(&mut venue, &recorded.snapshot.1);
    let mut pending: Option<(i64, Snapshot<'static>)> =
        Some((recorded.snapshot.0, recorded.snapshot.1.clone()));
    let (mut since, mut started, mut count) = (None, false, 0_u64);
    for arrival in plan.iter().map(Some).chain([None]) {
        let now = arrival.map_or(i64::MAX, |each| each.ts);
        while let Some((at, snapshot)) = pending.take_if(|(at, _)| *at <= now) {
            let taken = book.on_snapshot(&snapshot);
            let refused = matches!(
                taken,
                SnapshotOutcome::TooOld | SnapshotOutcome::Gap { .. } | SnapshotOutcome::Crossed
            );
            outcome.snapshots_refused += u64::from(refused);
            if book.state() == State::Valid {
                if let Some(begun) = since.take() {
                    outcome.repairs.push(at - begun);
                }
                compare(recorded, &book, true, of.set, outcome);
            }
            // A snapshot that was refused is asked for again, of the venue's book as it is then.
            if started && book.wants_snapshot() && settings.fault != Some(Fault::NeverRepair) {
                catch_up(recorded, &mut venue, &mut venue_id, &mut sent, at);
                pending = Some((at + settings.delay(&mut rng), whole(&venue, venue_id.unwrap_or(0))));
            }
        }
        let Some(arrival) = arrival else { break };
        count += 1;
        outcome.messages += 1;
        let Some((_, diff, raw)) = recorded.diffs.get(arrival.index) else { continue };
        if let Some(part) = arrival.cut {
            outcome.cut_accepted += u64::from(matches!(read(&mut reader, cut(raw, part)), Ok(Some(_))));
            continue;
        }
        let was = book.state();
        if settings.fault == Some(Fault::IgnoreGap) && was == State::Valid && diff.last_id > book.last_id() {
            let joined = DepthDiff {
                first_id: book.last_id() + 1,
                prev_id: diff.prev_id.map(|_| book.last_id()),
                ..diff.clone()
            };
            book.on_diff(&joined);
        } else {
            book.on_diff(diff);
        }
        if book.state() == State::Valid {
            started = true;
            if let Some(begun) = since.take() {
                outcome.repairs.push(arrival.ts - begun);
            }
            compare(
                recorded,
                &book,
                count.is_multiple_of(WHOLE_EVERY) || was != State::Valid,
                of.set,
                outcome,
            );
        } else if started && since.is_none() {
            since = Some(arrival.ts);
            outcome.invalidations += 1;
        }
        let asks = started && book.wants_snapshot() && pending.is_none();
        if asks && settings.fault != Some(Fault::NeverRepair) {
            catch_up(recorded, &mut venue, &mut venue_id, &mut sent, arrival.ts);
            pending = Some((arrival.ts + settings.delay(&mut rng), whole(&venue, venue_id.unwrap_or(0))));
        }
    }
    outcome.not_repaired += u64::from(since.is_some());
}

/// The venue's book takes all that it has sent up to a time.
fn catch_up(recorded: &Recorded, venue: &mut PlainBook, id: &mut Option<u64>, sent: &mut usize, now: i64) {
    while let Some((_, diff, _)) = recorded.diffs.get(*sent).filter(|each| each.0 <= now) {
        if id.is_some_and(|id| diff.last_id >= id) {
            apply(venue, diff);
            *id = Some(diff.last_id);
        }
        *sent += 1;
    }
}

fn compare(recorded: &Recorded, book: &SyncedBook, whole: bool, set: &str, outcome: &mut Outcome) {
    let id = book.last_id();
    let at = recorded.prints.partition_point(|each| each.0 < id);
    let known = recorded.prints.get(at).filter(|each| each.0 == id);
    let right = known.is_some_and(|(_, top, all)| {
        print(book.book(), TOP) == *top && (!whole || print(book.book(), usize::MAX) == *all)
    });
    outcome.compared_whole += u64::from(whole);
    outcome.compare(right, || format!("{set} at update id {id}, known: {}", known.is_some()));
}
