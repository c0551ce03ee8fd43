//! Bitstamp 2015: the book of the order events against the venue's own snapshots of 20 levels a side that lie between them.
//!
//! A case is one price of one snapshot: every listed price, and every price within the listed range where the book holds
//! something. The recording begins in the middle, so orders older than it are learnt from the first snapshot that reaches their
//! price. What is not equal must meet the condition of a rule:
//!
//! - `BITSTAMP_OLDER_ORDER`: the first snapshot that ever reaches this price shows more than the events announced.
//! - `BITSTAMP_OLDER_ORDER_ENDS`: an event of an order that the stream never created names this price and side since a
//!   snapshot last reached it (± the skew); what it leaves is learnt from the snapshot.
//! - `BITSTAMP_SKEW`: the two channels run beside each other; the shown size is the one the book has at most [`SKEW`] lines
//!   earlier or later, or an older order was learnt from a snapshot skewed so and is put right once.
//! - `BITSTAMP_LOST_DELETE`: the book holds exactly one order (or older remainder) more than shown, no end of it lies within the
//!   skew; it is taken out, as a repair by snapshot does, and must not come again.

use super::Plant;
use super::orders::PlainOrders;
use super::tally::Tally;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tidegate_book::L3Book;
use tidegate_datasets::bitstamp::{Bitstamp, Change, Event, Order};
use tidegate_units::Side;

/// Snapshots in the log.
pub const SNAPSHOTS: u64 = 5_011;
/// Lines by which the snapshot channel may run ahead or behind.
const SKEW: usize = 60;

type Place = (bool, i64);

/// What the events alone say of each price, line by line.
#[derive(Debug, Default)]
struct History {
    /// Announced size after each line that changed it.
    sizes: BTreeMap<Place, Vec<(usize, i64)>>,
    /// Lines with an event of an order that no line created.
    strangers: BTreeMap<Place, Vec<usize>>,
}

impl History {
    fn of(log: &[Event]) -> Self {
        let (mut history, mut plain) = (Self::default(), PlainOrders::default());
        for (line, event) in log.iter().enumerate() {
            let Event::Order(order) = event else { continue };
            let mut places = vec![place(order.side, order.px)];
            match plain.orders.get(&order.id) {
                Some((side, px, _)) => places.push(place(*side, *px)),
                None if order.change != Change::Created => {
                    history.strangers.entry(place(order.side, order.px)).or_default().push(line);
                }
                None => {}
            }
            follow(&mut plain, order);
            for at in places {
                let side = if at.0 { Side::Buy } else { Side::Sell };
                history.sizes.entry(at).or_default().push((line, plain.levels.qty(side, at.1)));
            }
        }
        history
    }

    /// Announced sizes at a price from `SKEW` lines before to `SKEW` lines after; the size it entered that span with as well.
    fn near(&self, at: Place, line: usize) -> Vec<i64> {
        let Some(sizes) = self.sizes.get(&at) else { return vec![0] };
        let (from, to) = (line.saturating_sub(SKEW), line + SKEW);
        let before = sizes.iter().take_while(|each| each.0 < from).last().map_or(0, |each| each.1);
        let within = sizes.iter().filter(|each| (from..=to).contains(&each.0)).map(|each| each.1);
        std::iter::once(before).chain(within).collect()
    }

    /// The size that the events alone give at a line.
    fn at(&self, at: Place, line: usize) -> i64 {
        let Some(sizes) = self.sizes.get(&at) else { return 0 };
        let after = sizes.partition_point(|each| each.0 <= line);
        after.checked_sub(1).and_then(|index| sizes.get(index)).map_or(0, |each| each.1)
    }

    fn stranger(&self, at: Place, from: usize, to: usize) -> bool {
        let span = from.saturating_sub(SKEW)..=to + SKEW;
        self.strangers.get(&at).is_some_and(|lines| lines.iter().any(|line| span.contains(line)))
    }
}

const fn place(side: Side, px: i64) -> Place {
    (matches!(side, Side::Buy), px)
}

/// An order event on the second book. A change of an order that nobody created is nothing.
fn follow(plain: &mut PlainOrders, order: &Order) {
    match order.change {
        Change::Created => plain.put(order.id, Some((order.side, order.px, order.qty))),
        Change::Changed if plain.orders.contains_key(&order.id) => {
            plain.put(order.id, Some((order.side, order.px, order.qty)));
        }
        Change::Changed => {}
        Change::Deleted => plain.put(order.id, None),
    }
}

/// The same on the production book.
fn apply(book: &mut L3Book, order: &Order) {
    // What the book does not know it refuses, and the snapshots then show it.
    let _ = match order.change {
        Change::Created => book.add(order.id, order.side, order.px, order.qty),
        Change::Changed => book.modify(order.id, order.px, order.qty),
        Change::Deleted => book.delete(order.id),
    };
}

#[derive(Debug, Default)]
struct Replay {
    book: L3Book,
    plain: PlainOrders,
    /// Remainders of orders older than the recording.
    older: BTreeMap<Place, i64>,
    /// Other remainders that the lesson could have taught, for the announced size was changing within the skew.
    doubt: BTreeMap<Place, Vec<i64>>,
    /// The worst price that a snapshot has reached, by side (bids first).
    reached: [Option<i64>; 2],
    /// Line of the snapshot that reached a price last, where an older remainder is.
    seen: BTreeMap<Place, usize>,
}

/// The log through the books.
///
/// # Errors
/// The file cannot be read.
pub fn verify(data: &Path, plant: Plant, limit: usize) -> Result<Tally, String> {
    let mut file = Bitstamp::open(&data.join("bitstamp-l3-2015-05/2015-05-01.log.xz"))?;
    let (mut log, mut last) = (Vec::new(), 0);
    let mut tally = Tally::new("bitstamp");
    while let Some((ts, event)) = file.next_event()? {
        if ts.0 < last {
            tally.case(false, || format!("line {}: received before the one above", file.at()));
        }
        last = ts.0;
        log.push(event);
    }
    let history = History::of(&log);
    let (mut replay, mut snapshots, mut touches) = (Replay::default(), 0_u64, 0_u64);
    let mut counts = [0_u64; 4];
    for (line, event) in log.iter().enumerate() {
        if limit > 0 && line > limit {
            break;
        }
        match event {
            Event::Order(order) => {
                counts[match order.change {
                    Change::Created => 0,
                    Change::Changed => 1,
                    Change::Deleted => 2,
                }] += 1;
                let forget = plant == Plant::ForgetOrder && order.change == Change::Deleted && line % 50 == 0;
                if !forget {
                    apply(&mut replay.book, order);
                }
                follow(&mut replay.plain, order);
            }
            Event::Trade { .. } => counts[3] += 1,
            Event::Book { bids, asks } => {
                snapshots += 1;
                let best = |side| replay.book.best(side).map(|level| level.px);
                let told = (bids.first().map(|level| level.0), asks.first().map(|level| level.0));
                touches += u64::from((best(Side::Buy), best(Side::Sell)) == told);
                for (side, shown) in [(Side::Buy, bids), (Side::Sell, asks)] {
                    compare(&mut replay, &history, &mut tally, (line, side), shown);
                }
                if snapshots.is_multiple_of(64) {
                    tally.case(replay.plain.same(&replay.book), || {
                        format!("line {}: not the plain book", line + 1)
                    });
                }
            }
        }
    }
    if limit == 0 {
        for (name, found, want) in [
            ("order_created", counts[0], 24_894),
            ("order_changed", counts[1], 602),
            ("order_deleted", counts[2], 24_918),
            ("trade", counts[3], 575),
            ("order_book", snapshots, SNAPSHOTS),
        ] {
            tally.case(found == want, || format!("{found} of {name}, known {want}"));
        }
    }
    tally.note("snapshots", snapshots);
    tally.note("touch_prices_equal_at_once", touches);
    Ok(tally)
}

/// One side of one snapshot, price by price.
fn compare(
    replay: &mut Replay,
    history: &History,
    tally: &mut Tally,
    (line, side): (usize, Side),
    shown: &[(i64, i64)],
) {
    let Some(worst) = shown.last().map(|level| level.0) else { return };
    let sign = side.sign();
    let slot = usize::from(side == Side::Sell);
    let told: BTreeMap<i64, i64> = shown.iter().copied().collect();
    let mut prices: BTreeSet<i64> = told.keys().copied().collect();
    prices.extend(replay.book.levels(side).map(|level| level.px).take_while(|px| px * sign >= worst * sign));
    let bids = side == Side::Buy;
    prices.extend(
        replay.older.iter().filter(|(at, _)| at.0 == bids && at.1 * sign >= worst * sign).map(|(at, _)| at.1),
    );
    for px in prices {
        let at = place(side, px);
        let want = told.get(&px).copied().unwrap_or(0);
        let known = replay.book.level(side, px).map_or(0, |level| level.qty);
        let older = replay.older.get(&at).copied().unwrap_or(0);
        let first =
            replay.reached.get(slot).copied().flatten().is_none_or(|reached| px * sign < reached * sign);
        let rule =
            if want == known + older { None } else { rule(replay, history, (line, side, px), want, first) };
        tally.judged(
            want == known + older,
            || rule,
            || format!("line {} {side:?} {px}: shown {want}, announced {known}, older {older}", line + 1),
        );
    }
    let in_view = |at: &Place| at.0 == bids && at.1 * sign >= worst * sign;
    replay.seen.extend(replay.older.keys().filter(|at| in_view(at)).map(|at| (*at, line)));
    if let Some(reached) = replay.reached.get_mut(slot) {
        *reached =
            Some(reached.map_or(worst, |known| if worst * sign < known * sign { worst } else { known }));
    }
}

/// What is left of older orders at a price.
fn teach(replay: &mut Replay, at: Place, qty: i64) {
    if qty > 0 {
        replay.older.insert(at, qty);
    } else {
        replay.older.remove(&at);
    }
}

/// The rule whose condition a price meets that is not equal; what the snapshot teaches is taken over.
fn rule(
    replay: &mut Replay,
    history: &History,
    (line, side, px): (usize, Side, i64),
    want: i64,
    first: bool,
) -> Option<&'static str> {
    let at = place(side, px);
    let known = replay.book.level(side, px).map_or(0, |level| level.qty);
    let older = replay.older.get(&at).copied().unwrap_or(0);
    let others: Vec<i64> =
        history.near(at, line).iter().map(|size| want - size).filter(|left| *left >= 0).collect();
    let learn = |replay: &mut Replay, qty: i64| {
        replay.doubt.insert(at, others.clone());
        teach(replay, at, qty);
    };
    if first && want > known {
        learn(replay, want - known);
        return Some("BITSTAMP_OLDER_ORDER");
    }
    if want < known + older
        && want >= known
        && history.stranger(at, replay.seen.get(&at).copied().unwrap_or(0), line)
    {
        learn(replay, want - known);
        return Some("BITSTAMP_OLDER_ORDER_ENDS");
    }
    // Orders taken out by a repair are still in the events alone.
    let repaired = history.at(at, line) - known;
    if history.near(at, line).iter().any(|size| size - repaired + older == want) {
        return Some("BITSTAMP_SKEW");
    }
    let lesson = want - known;
    if replay.doubt.get(&at).is_some_and(|doubt| doubt.contains(&lesson)) {
        replay.doubt.remove(&at);
        teach(replay, at, lesson);
        return Some("BITSTAMP_SKEW");
    }
    let over = known + older - want;
    if over > 0 && over == older {
        learn(replay, 0);
        return Some("BITSTAMP_LOST_DELETE");
    }
    let ghost = replay.book.queue(side, px).find(|order| order.qty == over).map(|order| order.id);
    if let Some(id) = ghost {
        replay.book.delete(id);
        replay.plain.put(id, None);
        return Some("BITSTAMP_LOST_DELETE");
    }
    None
}
