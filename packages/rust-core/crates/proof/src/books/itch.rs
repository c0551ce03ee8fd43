//! ITCH 5.0: every message decoded and counted, every order event through one L3 book a stock and a plain one beside it.
//!
//! The sample's stocks are artificial and its flow random: it proves the decoder, and that the book follows any flow.

use super::Plant;
use super::orders::PlainOrders;
use super::tally::Tally;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_book::{L3Book, L3Outcome};
use tidegate_datasets::itch::{Itch, Message};
use tidegate_units::Side;

/// Messages of the file.
pub const MESSAGES: u64 = 12_012;

const KINDS: &[(u8, u64)] = &[
    (b'S', 6),
    (b'R', 3),
    (b'H', 3),
    (b'A', 4_997),
    (b'F', 3),
    (b'E', 198),
    (b'X', 45),
    (b'D', 1_745),
    (b'U', 12),
    (b'P', 5_000),
];
const ORDERS: &[(&str, u64, u64)] = &[("ALC", 950, 1_885), ("BOB", 2_482, 1_658), ("CHAR", 1_568, 1_457)];

/// The sample through the books.
///
/// # Errors
/// The file cannot be read.
pub fn verify(data: &Path, plant: Plant) -> Result<Tally, String> {
    let mut tally = Tally::new("itch");
    let mut file = Itch::open(&data.join("itch50-sample/ex20101224.TEST_ITCH_50.gz"))?;
    let mut kinds: BTreeMap<u8, u64> = BTreeMap::new();
    let mut stocks: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut books: BTreeMap<u16, (L3Book, PlainOrders)> = BTreeMap::new();
    let (mut buys, mut sells, mut sell_trades, mut unknown, mut total) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    while let Some(each) = file.next_message()? {
        total += 1;
        *kinds.entry(each.kind).or_default() += 1;
        match each.message {
            Message::Add { side, stock, .. } => {
                *if side == Side::Buy { &mut buys } else { &mut sells } += 1;
                stocks.entry(name(&stock)).or_default().0 += 1;
            }
            Message::Trade { side, stock, .. } => {
                sell_trades += u64::from(side == Side::Sell);
                stocks.entry(name(&stock)).or_default().1 += 1;
                continue;
            }
            Message::Other => continue,
            _ => {}
        }
        let (book, plain) =
            books.entry(each.locate).or_insert_with(|| (L3Book::new(1 << 16), PlainOrders::default()));
        let skip = plant == Plant::ForgetOrder && each.kind == b'D' && total.is_multiple_of(100);
        let known = id(&each.message).is_some_and(|id| plain.orders.contains_key(&id));
        let outcome = if skip { None } else { apply(book, &each.message) };
        follow(plain, &each.message);
        let fresh = matches!(each.message, Message::Add { .. });
        let changed =
            matches!(outcome, Some(L3Outcome::Done | L3Outcome::Removed | L3Outcome::Overdrawn { .. }));
        unknown += u64::from(!fresh && !known);
        // An event of an order that rests changes the book; one of an order that does not must leave it alone.
        let want = if fresh { !known } else { known };
        tally.case(changed == want && plain.same(book), || {
            format!("message {total}: {:?} gives {outcome:?}, the order was known: {known}", each.message)
        });
    }
    tally.case(total == MESSAGES, || format!("{total} messages"));
    for (kind, want) in KINDS {
        let found = kinds.get(kind).copied().unwrap_or(0);
        tally
            .case(found == *want, || format!("{found} messages of type {}, known {want}", char::from(*kind)));
    }
    for (stock, orders, trades) in ORDERS {
        let found = stocks.get(*stock).copied().unwrap_or_default();
        tally
            .case(found == (*orders, *trades), || format!("{stock}: {found:?}, known {orders} and {trades}"));
    }
    tally.case((buys, sells, sell_trades) == (2_432, 2_568, 0), || {
        format!("{buys} buys, {sells} sells, {sell_trades} trades of sellers")
    });
    tally.note("messages", total);
    tally.note("events_of_unknown_orders", unknown);
    tally.note("orders_at_end", books.values().map(|(book, _)| book.len()).sum::<usize>());
    Ok(tally)
}

fn name(stock: &[u8; 8]) -> String {
    String::from_utf8_lossy(stock).trim_end().to_string()
}

/// The order that a message names.
fn id(message: &Message) -> Option<u64> {
    match message {
        Message::Add { order, .. }
        | Message::Execute { order, .. }
        | Message::Reduce { order, .. }
        | Message::Delete { order }
        | Message::Replace { order, .. } => Some(*order),
        Message::Trade { .. } | Message::Other => None,
    }
}

fn apply(book: &mut L3Book, message: &Message) -> Option<L3Outcome> {
    Some(match *message {
        Message::Add { order, side, qty, px, .. } => book.add(order, side, i64::from(px), i64::from(qty)),
        Message::Execute { order, qty, .. } => book.execute(order, i64::from(qty)),
        Message::Reduce { order, qty } => book.reduce(order, i64::from(qty)),
        Message::Delete { order } => book.delete(order),
        Message::Replace { order, by, qty, px } => book.replace(order, by, i64::from(px), i64::from(qty)),
        Message::Trade { .. } | Message::Other => return None,
    })
}

fn follow(plain: &mut PlainOrders, message: &Message) {
    match *message {
        Message::Add { order, side, qty, px, .. } => {
            plain.put(order, Some((side, i64::from(px), i64::from(qty))))
        }
        Message::Execute { order, qty, .. } | Message::Reduce { order, qty } => {
            plain.take(order, i64::from(qty))
        }
        Message::Delete { order } => plain.put(order, None),
        Message::Replace { order, by, qty, px } => {
            if let Some((side, ..)) = plain.orders.get(&order).copied() {
                plain.put(order, None);
                plain.put(by, Some((side, i64::from(px), i64::from(qty))));
            }
        }
        Message::Trade { .. } | Message::Other => {}
    }
}
