//! LOBSTER: after every message the book is the order book row of the same number.
//!
//! The rows show the best levels only. A level that comes into view because another vanished was never announced by a message
//! in the file, so it is taken from the row (the feed-back rule); everything that was in view must follow from the messages
//! alone. A level out of view is forgotten, for the file no longer tells what happens to it.

use super::Plant;
use super::tally::Tally;
use std::path::Path;
use tidegate_book::L2Book;
use tidegate_datasets::lobster::{Event, Levels, Lobster, Message};
use tidegate_units::Side;

/// A recorded day: message file, book file, levels a side, rows.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    pub set: &'static str,
    pub messages: &'static str,
    pub books: &'static str,
    pub depth: usize,
    /// Rows after the first, which seeds the book.
    pub rows: u64,
}

pub const DAYS: &[Day] = &[
    Day {
        set: "lobster_amzn",
        messages: "AMZN_2012-06-21_34200000_57600000_message_1.csv.gz",
        books: "AMZN_2012-06-21_34200000_57600000_orderbook_1.csv.gz",
        depth: 1,
        rows: 57_514,
    },
    Day {
        set: "lobster_aapl",
        messages: "AAPL_2012-06-21_first999_message_10.csv",
        books: "AAPL_2012-06-21_first999_orderbook_10.csv",
        depth: 10,
        rows: 998,
    },
];

/// Replays one day; `limit` rows, 0 for all.
///
/// # Errors
/// The files cannot be read.
pub fn verify(data: &Path, day: &Day, plant: Plant, limit: u64) -> Result<Tally, String> {
    let folder = data.join("lobster-2012-06-21");
    let mut rows = Lobster::open(&folder.join(day.messages), &folder.join(day.books))?;
    let mut tally = Tally::new(day.set);
    let mut book = L2Book::default();
    let (mut row, mut fed, mut kept, mut refused) = (0_u64, 0_u64, 0_u64, 0_u64);
    while let Some((message, want)) = rows.next_row()? {
        row += 1;
        if row == 1 {
            put(&mut book, Side::Buy, &want.bids);
            put(&mut book, Side::Sell, &want.asks);
            continue;
        }
        if limit > 0 && row > limit {
            break;
        }
        if !(plant == Plant::SkipLevel && row.is_multiple_of(500)) {
            refused += u64::from(!apply(&mut book, &message));
        }
        let mut equal = true;
        for (side, list) in [(Side::Buy, &want.bids), (Side::Sell, &want.asks)] {
            let found: Vec<(i64, i64)> = book.levels(side).take(day.depth).collect();
            // What the row shows beyond the levels the book still holds has come into view.
            let (known, come) = list.split_at(found.len().min(list.len()));
            equal &= known == found;
            kept += known.len() as u64;
            // Only a vanished level of this side, which a message of this side takes away, lets another come into view.
            equal &= come.is_empty() || (come.len() == 1 && message.side == side && takes(&message));
            fed += come.len() as u64;
            put(&mut book, side, come);
        }
        tally.case(equal, || {
            format!("row {row}: {message:?} gives {:?}, the row is {want:?}", shown(&book, day.depth))
        });
        if !equal {
            book.clear();
            put(&mut book, Side::Buy, &want.bids);
            put(&mut book, Side::Sell, &want.asks);
        }
        book.truncate(day.depth);
    }
    tally.case(refused == 0, || {
        format!("{refused} messages name a level in view that holds less than they take")
    });
    tally.note("levels_from_messages", kept);
    tally.note("levels_fed_back", fed);
    Ok(tally)
}

fn takes(message: &Message) -> bool {
    matches!(message.event, Event::Reduce | Event::Delete | Event::Execute)
}

fn put(book: &mut L2Book, side: Side, levels: &[(i64, i64)]) {
    levels.iter().for_each(|(px, qty)| book.set(side, *px, *qty));
}

fn shown(book: &L2Book, depth: usize) -> Levels {
    Levels {
        asks: book.levels(Side::Sell).take(depth).collect(),
        bids: book.levels(Side::Buy).take(depth).collect(),
    }
}

/// Sizes of LOBSTER are of one order: the level at its price grows or shrinks by them. False where the level in view holds
/// less than the message takes.
fn apply(book: &mut L2Book, message: &Message) -> bool {
    let had = book.qty(message.side, message.px);
    let qty = match message.event {
        Event::Add => had + message.qty,
        Event::Reduce | Event::Delete | Event::Execute => had - message.qty,
        Event::ExecuteHidden | Event::Cross | Event::Halt => return true,
    };
    if qty >= 0 {
        book.set(message.side, message.px, qty);
    }
    qty >= 0
}
