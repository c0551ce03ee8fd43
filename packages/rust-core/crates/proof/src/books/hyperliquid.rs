//! Hyperliquid: every message a whole book of twenty levels a side; the production book takes each and holds exactly it.

use super::Plant;
use super::tally::Tally;
use std::path::Path;
use tidegate_book::L2Book;
use tidegate_datasets::hyperliquid::{Event, Hyperliquid, Level};
use tidegate_units::Side;

/// Messages of the capture.
pub const MESSAGES: u64 = 55;
const SHOWN: usize = 20;

/// The capture through the book.
///
/// # Errors
/// The file cannot be read.
pub fn verify(data: &Path, plant: Plant) -> Result<Tally, String> {
    let mut tally = Tally::new("hyperliquid");
    let mut file = Hyperliquid::open(&data.join("hyperliquid-l2-2025-01/btcusd_20250126.jsonl.gz"))?;
    let mut book = L2Book::default();
    let (mut messages, mut books, mut repeated, mut trades, mut last) = (0_u64, 0_u64, 0_u64, 0_u64, (0, 0));
    while let Some((ts, event)) = file.next_event()? {
        messages += 1;
        tally.case(ts.0 >= last.0, || format!("message {messages}: received before the one above"));
        last.0 = ts.0;
        match event {
            Event::Control => {}
            Event::Trades(list) => trades += list.len() as u64,
            Event::Book { ts_venue, bids, asks } => {
                books += 1;
                repeated += u64::from(same(&book, &bids, &asks));
                tally.case(ts_venue.0 >= last.1, || format!("message {messages}: venue time goes back"));
                last.1 = ts_venue.0;
                tally.case(ordered(&bids, &asks), || {
                    format!("message {messages}: no 20 ordered levels a side")
                });
                book.clear();
                let skip = usize::from(plant == Plant::SkipLevel && books.is_multiple_of(10));
                for (side, list) in [(Side::Buy, &bids), (Side::Sell, &asks)] {
                    list.iter().skip(skip).for_each(|(px, qty, _)| book.set(side, *px, *qty));
                }
                tally.case(same(&book, &bids, &asks) && !book.crossed(), || {
                    format!("message {messages}: the book is not the message's")
                });
            }
        }
    }
    tally.case(messages == MESSAGES, || format!("{messages} messages"));
    tally.note("messages", messages);
    tally.note("books", books);
    tally.note("books_repeated", repeated);
    tally.note("trades", trades);
    Ok(tally)
}

fn same(book: &L2Book, bids: &[Level], asks: &[Level]) -> bool {
    let side = |side, list: &[Level]| book.levels(side).eq(list.iter().map(|(px, qty, _)| (*px, *qty)));
    side(Side::Buy, bids) && side(Side::Sell, asks)
}

/// Twenty levels a side, strictly from the best on, each of at least one order, the touch not crossed.
fn ordered(bids: &[Level], asks: &[Level]) -> bool {
    let strictly = |list: &[Level], sign: i64| {
        list.len() == SHOWN
            && list.iter().zip(list.iter().skip(1)).all(|(a, b)| a.0 * sign > b.0 * sign)
            && list.iter().all(|level| level.1 > 0 && level.2 > 0)
    };
    let touch = bids.first().zip(asks.first()).is_some_and(|(bid, ask)| bid.0 < ask.0);
    strictly(bids, 1) && strictly(asks, -1) && touch
}
