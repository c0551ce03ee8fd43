//! TAIFEX: 4 million events of seven days through the production book, a bounded production book and the plain book, all three
//! equal after every update; the touch never crosses; five levels a side; trades within what is displayed.

use super::Plant;
use super::plain::PlainBook;
use super::tally::Tally;
use std::path::Path;
use tidegate_book::{BoundedL2Book, L2Book};
use tidegate_datasets::taifex::{Row, Taifex};
use tidegate_units::Side;

/// The days and their rows.
pub const DAYS: &[(&str, u64)] = &[
    ("TXFD6_2026-04-08", 849_330),
    ("TXFD6_2026-04-10", 899_555),
    ("TMFD6_2026-04-08", 1_029_842),
    ("TMFD6_2026-04-10", 1_069_309),
    ("TXO35000Q6_2026-04-17", 66_908),
    ("TXO35000Q6_2026-04-22", 34_702),
    ("TXO35000Q6_2026-04-28", 47_993),
];

/// Levels the exchange displays a side.
const SHOWN: usize = 5;
/// Prices that the bounded book is made for, in ticks.
const PX_MAX: i64 = 65_535;

#[derive(Debug, Default)]
struct Day {
    rows: u64,
    updates: u64,
    full: u64,
    trades: u64,
    inside: u64,
    crossed: u64,
}

/// Replays the days; `limit` rows of each, 0 for all.
///
/// # Errors
/// The files cannot be read.
pub fn verify(data: &Path, days: &[(&str, u64)], plant: Plant, limit: u64) -> Result<Tally, String> {
    let mut tally = Tally::new("taifex");
    let mut events = 0;
    for (name, rows) in days {
        let path = data.join("taifex-l2-2026-04").join(format!("{name}.csv.gz"));
        let mut stream = Taifex::open(&path)?;
        let day = replay(&mut stream, name, plant, limit, &mut tally)?;
        if limit == 0 {
            // The header counts as a row in the set's own table.
            tally.case(day.rows + 1 == *rows, || {
                format!("{name}: {} rows, the set says {rows}", day.rows + 1)
            });
            if !name.starts_with("TXO") {
                let enough = day.full * 1_000 > day.updates * 999;
                tally.case(enough, || format!("{name}: 5 + 5 levels in {} of {}", day.full, day.updates));
            }
            if *name == "TXFD6_2026-04-08" {
                let want = (day.inside, day.trades) == (63_995, 65_076);
                tally.case(want, || format!("{name}: {} of {} trades inside", day.inside, day.trades));
            }
        }
        events += day.rows;
        tally.note(
            name,
            format!(
                "{} updates, 5 + 5 levels in {}, {} of {} trades inside the levels displayed before them",
                day.updates, day.full, day.inside, day.trades
            ),
        );
    }
    tally.note("events", events);
    Ok(tally)
}

struct Books {
    book: L2Book,
    bounded: BoundedL2Book,
    plain: PlainBook,
}

fn replay(
    stream: &mut Taifex,
    name: &str,
    plant: Plant,
    limit: u64,
    tally: &mut Tally,
) -> Result<Day, String> {
    let bounded = BoundedL2Book::new(1, PX_MAX).map_err(|fault| format!("bounded book: {fault:?}"))?;
    let mut books = Books { book: L2Book::default(), bounded, plain: PlainBook::default() };
    let (mut day, mut open, mut pending): (Day, Option<i64>, u64) = (Day::default(), None, 0);
    while let Some((ts, row)) = stream.next_row()? {
        if open.is_some_and(|time| time != ts.0) {
            if std::mem::take(&mut pending) > 0 {
                close(&books, name, stream.at(), &mut day, tally);
            }
            if limit > 0 && day.rows >= limit {
                break;
            }
        }
        open = Some(ts.0);
        day.rows += 1;
        match row {
            Row::Clear => {
                books.book.clear();
                books.bounded.clear();
                books.plain.clear();
                pending += 1;
            }
            Row::Level { side, px, qty } => {
                let px = ticks(px, name);
                if !(plant == Plant::SkipLevel && day.rows.is_multiple_of(50_000)) {
                    books.book.set(side, px, qty);
                }
                books.bounded.set(side, px, qty);
                books.plain.set(side, px, qty);
                pending += 1;
            }
            Row::Trade { px, .. } => {
                let px = ticks(px, name);
                day.trades += 1;
                let worst = |side| books.book.levels(side).take(SHOWN).last().map(|level| level.0);
                let (low, high) = (worst(Side::Buy), worst(Side::Sell));
                day.inside +=
                    u64::from(low.is_some_and(|low| low <= px) && high.is_some_and(|high| px <= high));
            }
        }
    }
    if pending > 0 {
        close(&books, name, stream.at(), &mut day, tally);
    }
    Ok(day)
}

/// Futures have ticks of one index point, this option of a tenth.
fn ticks(tenths: i64, name: &str) -> i64 {
    if name.starts_with("TXO") { tenths } else { tenths / 10 }
}

/// The end of one update: the three books are equal level for level, not crossed, of at most five levels a side.
fn close(books: &Books, name: &str, line: u64, day: &mut Day, tally: &mut Tally) {
    day.updates += 1;
    let crossed = books.book.crossed();
    day.crossed += u64::from(crossed);
    let (bids, asks) = (books.book.len(Side::Buy), books.book.len(Side::Sell));
    day.full += u64::from(bids == SHOWN && asks == SHOWN);
    let sum = |side| books.plain.levels(side).take(SHOWN).map(|level| level.1).sum::<i64>();
    let equal = books.plain.same(&books.book, usize::MAX)
        && [Side::Buy, Side::Sell].into_iter().all(|side| {
            books.plain.levels(side).eq(books.bounded.levels(side))
                && books.book.best(side) == books.plain.best(side)
                && books.book.depth_sum(side, SHOWN) == sum(side)
                && books.bounded.depth_sum(side, SHOWN) == sum(side)
        });
    let whole = equal && !crossed && bids <= SHOWN && asks <= SHOWN;
    tally.case(whole, || {
        format!("{name} before line {line}: equal {equal}, crossed {crossed}, {bids} + {asks} levels")
    });
}
