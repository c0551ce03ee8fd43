//! CME: the ESH4 order book from MBO records, its recorded end state, and the touch of MBP-1.
//!
//! The DBN files are read by the project's own reader and held record for record against the same records decoded by the
//! vendor (the CSV twins).

use super::Plant;
use super::orders::PlainOrders;
use super::tally::Tally;
use std::path::Path;
use tidegate_book::{L3Book, L3Outcome};
use tidegate_datasets::dbn::{Action, Dbn, LAST, Mbo, Mbp1, Record};
use tidegate_datasets::lines::Lines;
use tidegate_units::Side;

const MBO: [&str; 2] = ["esh4-glbx-mdp3-20231224.mbo", "esh4-glbx-mdp3-20231225.mbo"];
/// Ticks of ES in 1e-9 index points.
const TICK: i64 = 250_000_000;
/// Records of both files.
pub const MBO_RECORDS: u64 = 77_517;

#[derive(Debug, Default)]
struct Books {
    book: L3Book,
    plain: PlainOrders,
}

impl Books {
    fn plain(&mut self, mbo: &Mbo, px: i64) {
        let (id, qty) = (mbo.order_id, i64::from(mbo.qty));
        match (mbo.action, mbo.side) {
            (Action::Clear, _) => self.plain.clear(),
            (Action::Add | Action::Modify, Some(side)) => self.plain.put(id, Some((side, px, qty))),
            (Action::Cancel, _) => self.plain.take(id, qty),
            _ => {}
        }
    }

    /// The production book. False where it did not take the record as the feed means it.
    fn apply(&mut self, mbo: &Mbo, px: i64) -> bool {
        let (id, qty) = (mbo.order_id, i64::from(mbo.qty));
        let outcome = match (mbo.action, mbo.side) {
            (Action::Clear, _) => {
                self.book.clear();
                L3Outcome::Done
            }
            (Action::Add, Some(side)) => self.book.add(id, side, px, qty),
            (Action::Modify, _) => self.book.modify(id, px, qty),
            (Action::Cancel, _) => self.book.reduce(id, qty),
            _ => L3Outcome::Done,
        };
        matches!(outcome, L3Outcome::Done | L3Outcome::Removed)
    }

    fn same(&self) -> bool {
        self.plain.same(&self.book)
    }
}

/// The MBO files through the L3 book and a plain one; the known end state.
///
/// # Errors
/// The files cannot be read.
pub fn mbo(data: &Path, plant: Plant) -> Result<Tally, String> {
    let folder = data.join("cme-es-mbo");
    let mut tally = Tally::new("cme_mbo");
    let mut books = Books::default();
    let (mut records, mut trades, mut crossed, mut last) = (0_u64, 0_u64, (0_u64, 0_u64), None);
    for name in MBO {
        let mut dbn = Dbn::open(&folder.join(format!("{name}.dbn.zst")))?;
        let mut csv = Lines::open(&folder.join(format!("{name}.csv.gz")))?;
        csv.next_line()?;
        // The second file repeats the snapshot that is the first.
        books.book.clear();
        books.plain.clear();
        while let Some(record) = dbn.next_record()? {
            let Record::Mbo(mbo) = record else {
                tally.case(false, || format!("{name}: record {} is no MBO record", dbn.at()));
                continue;
            };
            records += 1;
            trades += u64::from(mbo.action == Action::Trade);
            let twin = csv.next_line()?.map(<[u8]>::to_vec).unwrap_or_default();
            let same = twin == mbo_text(&mbo).as_bytes();
            tally.case(same, || format!("{name}: record {} is {mbo:?}, its twin differs", dbn.at()));
            let px = mbo.px / TICK;
            books.plain(&mbo, px);
            let skip =
                plant == Plant::ForgetOrder && mbo.action == Action::Cancel && records.is_multiple_of(997);
            let taken = skip || books.apply(&mbo, px);
            if !taken || (mbo.px % TICK != 0 && mbo.px != i64::MAX) {
                tally.case(false, || format!("{name}: record {}: the book refuses {mbo:?}", dbn.at()));
            }
            if mbo.flags & LAST != 0 {
                let touch = |side| books.book.best(side).map(|level| (level.px, level.qty));
                let equal = touch(Side::Buy) == books.plain.levels.best(Side::Buy)
                    && touch(Side::Sell) == books.plain.levels.best(Side::Sell);
                tally.case(equal, || format!("{name}: record {}: not the plain book's touch", dbn.at()));
                if books.book.crossed() {
                    // Sunday's pre-open: 22:39:55 to 23:00 UTC of 2023-12-24 and of 2023-12-25.
                    let second = mbo.head.ts_event.0 / 1_000_000_000 % 86_400;
                    let pre_open = (81_595..82_800).contains(&second);
                    let slot = if pre_open { &mut crossed.0 } else { &mut crossed.1 };
                    *slot += 1;
                }
                if records.is_multiple_of(256) {
                    tally.case(books.same(), || format!("{name}: record {}: not the plain book", dbn.at()));
                }
            }
            last = Some(mbo);
        }
        tally.case(csv.next_line()?.is_none(), || format!("{name}: the twin has more records"));
        tally.case(books.same(), || format!("{name}: at its end not the plain book"));
    }
    end_state(&mut tally, &books.book, last, records, trades);
    tally.case(crossed == (891, 0), || format!("crossed {} before the open, {} after", crossed.0, crossed.1));
    tally.note("crossed_before_the_open", crossed.0);
    tally.note("crossed_otherwise", crossed.1);
    Ok(tally)
}

/// What an independent implementation's test states of the end.
fn end_state(tally: &mut Tally, book: &L3Book, last: Option<Mbo>, records: u64, trades: u64) {
    let top = |side| book.best(side).map(|level| (level.px * TICK, level.qty, u64::from(level.orders)));
    let numbers = [
        ("records", records, MBO_RECORDS),
        ("trades", trades, 2_973),
        ("sequence", last.map_or(0, |mbo| u64::from(mbo.sequence)), 59_585),
        ("ts_recv", last.map_or(0, |mbo| mbo.ts_recv.0 as u64), 1_703_548_799_446_821_072),
        ("bid_levels", book.levels_len(Side::Buy) as u64, 922),
        ("ask_levels", book.levels_len(Side::Sell) as u64, 565),
        ("live_orders", book.len() as u64, 11_217),
    ];
    for (name, found, want) in numbers {
        tally.case(found == want, || format!("{name} {found}, known {want}"));
        tally.note(name, found);
    }
    for (name, side, want) in [
        ("best_bid", Side::Buy, (4_810_000_000_000, 22, 22)),
        ("best_ask", Side::Sell, (4_810_250_000_000, 28, 18)),
    ] {
        let found = top(side);
        tally.case(found == Some(want), || format!("{name} {found:?}, known {want:?}"));
        tally.note(
            name,
            found.map_or(String::new(), |(px, qty, orders)| {
                format!(
                    "{}.{:02}, {qty} lots in {orders} orders",
                    px / 1_000_000_000,
                    px % 1_000_000_000 / 10_000_000
                )
            }),
        );
    }
}

fn letter(action: Action) -> char {
    match action {
        Action::Add => 'A',
        Action::Cancel => 'C',
        Action::Modify => 'M',
        Action::Trade => 'T',
        Action::Fill => 'F',
        Action::Clear => 'R',
        Action::None => 'N',
    }
}

fn side_letter(side: Option<Side>) -> char {
    match side {
        Some(Side::Buy) => 'B',
        Some(Side::Sell) => 'A',
        None => 'N',
    }
}

fn mbo_text(mbo: &Mbo) -> String {
    format!(
        "{},{},{},{},{},{},{},{},{},{},{},{},{}",
        mbo.head.ts_event,
        mbo.ts_recv,
        mbo.head.publisher,
        mbo.head.instrument,
        letter(mbo.action),
        side_letter(mbo.side),
        mbo.px,
        mbo.qty,
        mbo.order_id,
        mbo.flags,
        mbo.channel,
        mbo.ts_in_delta,
        mbo.sequence
    )
}

/// MBP-1: the touch is never crossed, is what a book of those touches holds, and its trades are those of the trades file.
///
/// # Errors
/// The files cannot be read.
pub fn mbp1(data: &Path) -> Result<Tally, String> {
    let folder = data.join("cme-futures-mbp1");
    let name = |schema: &str, end: &str| {
        folder.join(format!("futures_{schema}_2024-07-01T23-58_2024-07-02T00-02.{end}"))
    };
    let mut tally = Tally::new("cme_mbp1");
    let mut trades = Vec::new();
    let mut dbn = Dbn::open(&name("trades", "dbn.zst"))?;
    while let Some(record) = dbn.next_record()? {
        if let Record::Trade { head, ts_recv, px, qty, side, sequence, .. } = record {
            trades.push((head, ts_recv, px, qty, side, sequence));
        }
    }
    let mut dbn = Dbn::open(&name("mbp-1", "dbn.zst"))?;
    let mut csv = Lines::open(&name("mbp-1", "csv.gz"))?;
    csv.next_line()?;
    let (mut records, mut found) = (0_u64, Vec::new());
    while let Some(record) = dbn.next_record()? {
        let Record::Mbp1(mbp) = record else {
            tally.case(false, || format!("record {} is no MBP-1 record", dbn.at()));
            continue;
        };
        records += 1;
        let text = mbp1_text(&mbp);
        let twin = csv.next_line()?.map(<[u8]>::to_vec).unwrap_or_default();
        tally.case(twin == text.as_bytes(), || {
            format!("record {}: {text}, its twin {}", dbn.at(), String::from_utf8_lossy(&twin))
        });
        tally.case(mbp.bid.0 < mbp.ask.0, || {
            format!("record {}: {} against {}", dbn.at(), mbp.bid.0, mbp.ask.0)
        });
        if mbp.action == Action::Trade {
            found.push((mbp.head, mbp.ts_recv, mbp.px, mbp.qty, mbp.side, mbp.sequence));
        }
    }
    tally.case(csv.next_line()?.is_none(), || "the twin has more records".into());
    tally.case(found == trades && trades.len() == 120, || {
        format!("{} trades inside, {} in the trades file", found.len(), trades.len())
    });
    tally.note("records", records);
    tally.note("trades", found.len());
    Ok(tally)
}

fn mbp1_text(mbp: &Mbp1) -> String {
    format!(
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
        mbp.head.ts_event,
        mbp.ts_recv,
        mbp.head.instrument,
        letter(mbp.action),
        side_letter(mbp.side),
        mbp.depth,
        mbp.px,
        mbp.qty,
        mbp.flags,
        mbp.ts_in_delta,
        mbp.sequence,
        mbp.bid.0,
        mbp.ask.0,
        mbp.bid.1,
        mbp.ask.1,
        mbp.bid.2,
        mbp.ask.2
    )
}
