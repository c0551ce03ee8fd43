//! Websocket captures of venues whose books prove themselves: checksums, sequence numbers, a ticker beside the diffs.

use super::Plant;
use super::binance::touch_of;
use super::plain::PlainBook;
use super::tally::Tally;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_book::{Checksum, Decimals, L2Book, State, SyncedBook};
use tidegate_datasets::cryptofeed::{Cryptofeed, Line};
use tidegate_dialects::venues::{bitfinex::Bitfinex, coinbase::Coinbase, kraken::Kraken, okex::Okex};
use tidegate_dialects::{Book, Dec, Dialect, Record};
use tidegate_normalise::{Binance, DepthDiff, Event, Level, Market, Refusal, SymbolSpec};
use tidegate_units::{EpochNs, Side};

/// Decimals of one venue's books: fine enough for every symbol of the captures.
#[derive(Debug, Clone, Copy)]
pub struct Scales {
    pub px: u8,
    pub qty: u8,
}

/// Levels of a record in the scales of a book.
///
/// # Errors
/// A number that does not fit them exactly.
pub fn levels(list: &[tidegate_dialects::Level], scales: Scales) -> Result<Vec<(i64, i64)>, String> {
    let exact = |dec: Dec, scale: u8| {
        let count = dec.at_scale(scale).and_then(|count| i64::try_from(count).ok());
        count.ok_or_else(|| format!("{dec} has more than {scale} decimals or is too large"))
    };
    list.iter().map(|level| Ok((exact(level.px, scales.px)?, exact(level.qty, scales.qty)?))).collect()
}

/// One message received in a capture.
#[derive(Debug, Clone)]
pub struct Message {
    pub ts: EpochNs,
    pub bytes: Box<[u8]>,
}

/// What a capture received, in order.
///
/// # Errors
/// The file cannot be read.
pub fn received(data: &Path, file: &str) -> Result<Vec<Message>, String> {
    let mut capture = Cryptofeed::open(&data.join("ws-captures").join(file))?;
    let mut all = Vec::new();
    while let Some(line) = capture.next_line()? {
        if let Line::Received { ts_recv, message } = line {
            all.push(Message { ts: ts_recv, bytes: message.into() });
        }
    }
    Ok(all)
}

/// Books of one message.
///
/// # Errors
/// The reader refuses the message.
pub fn books(dialect: &mut impl Dialect, message: &Message) -> Result<Vec<Book>, String> {
    let mut records = Vec::new();
    dialect.read(&message.bytes, message.ts, &mut records).map_err(|refusal| {
        format!(
            "{refusal}: {}",
            String::from_utf8_lossy(&message.bytes).chars().take(120).collect::<String>()
        )
    })?;
    Ok(records
        .into_iter()
        .filter_map(|record| if let Record::Book(book) = record { Some(book) } else { None })
        .collect())
}

/// A venue whose messages carry a checksum over the book after them.
#[derive(Debug, Clone, Copy)]
pub struct Summed {
    pub set: &'static str,
    pub file: &'static str,
    pub checksum: Checksum,
    /// Levels a side kept after every update, as subscribed.
    pub depth: usize,
    /// Levels a side that the checksum covers.
    pub covered: usize,
    pub known: u64,
}

pub const KRAKEN: Summed = Summed {
    set: "kraken",
    file: "KRAKEN.ws.50.0.gz",
    checksum: Checksum::Kraken,
    depth: 1_000,
    covered: 10,
    known: 4_269,
};
pub const OKCOIN: Summed = Summed {
    set: "okcoin",
    file: "OKCOIN.ws.1.0.gz",
    checksum: Checksum::Okx,
    depth: usize::MAX,
    covered: 25,
    known: 6,
};

/// Reads the books of one message.
pub type BookReader = Box<dyn FnMut(&Message) -> Result<Vec<Book>, String>>;

impl Summed {
    pub fn reader(&self) -> BookReader {
        match self.checksum {
            Checksum::Kraken => {
                let mut kraken = Kraken;
                Box::new(move |message| books(&mut kraken, message))
            }
            Checksum::Okx => {
                let mut okex = Okex::spot();
                Box::new(move |message| books(&mut okex, message))
            }
        }
    }
}

/// The decimals of each symbol, from the first level of its snapshot: Kraken writes all of them always.
pub fn decimals(book: &Book) -> Scales {
    let all = || book.bids.iter().chain(&book.asks);
    let px = all().map(|level| level.px.scale).max().unwrap_or(0);
    Scales { px, qty: all().map(|level| level.qty.scale).max().unwrap_or(0).max(8) }
}

/// The checksum of the production book in a symbol's decimals.
pub fn sum(of: &Summed, book: &L2Book, scales: Scales) -> u32 {
    let decimals = Decimals {
        px_scale: u32::from(scales.px),
        px_unit: 1,
        qty_scale: u32::from(scales.qty),
        qty_unit: 1,
    };
    of.checksum.of(book, decimals)
}

/// Every checksum of a capture against the production book, and the book against the plain one.
///
/// # Errors
/// The capture cannot be read, or a reader refuses a message of it.
pub fn summed(data: &Path, of: &Summed, plant: Plant) -> Result<Tally, String> {
    let mut tally = Tally::new(of.set);
    let mut read = of.reader();
    let mut kept: BTreeMap<String, (Scales, L2Book, PlainBook)> = BTreeMap::new();
    let (mut updates, mut whole) = (0_u64, 0_u64);
    for message in received(data, of.file)? {
        for update in read(&message)? {
            updates += 1;
            let scales = decimals(&update);
            let (scales, book, plain) = kept
                .entry(update.symbol.clone())
                .or_insert_with(|| (scales, L2Book::default(), PlainBook::default()));
            if update.snapshot {
                book.clear();
                plain.clear();
            }
            for (side, list) in [(Side::Buy, &update.bids), (Side::Sell, &update.asks)] {
                for (index, (px, qty)) in levels(list, *scales)?.into_iter().enumerate() {
                    plain.set(side, px, qty);
                    if !(plant == Plant::SkipLevel && updates.is_multiple_of(100) && index == 0) {
                        book.set(side, px, qty);
                    }
                }
            }
            book.truncate(of.depth);
            plain.truncate(of.depth);
            if let Some(want) = update.checksum {
                let bend = u32::from(plant == Plant::BadChecksum);
                let found = sum(of, book, *scales) ^ bend;
                tally.case(found == want as u32, || {
                    format!("update {updates} of {}: {found}, sent {want}", update.symbol)
                });
            }
            if !plain.same(book, of.depth) {
                tally.case(false, || format!("update {updates} of {}: not the plain book", update.symbol));
            }
            whole += 1;
        }
    }
    tally.note("symbols", kept.len());
    tally.note("updates", updates);
    tally.note("whole_books_compared", whole);
    Ok(tally)
}

/// Bitfinex: the connection's sequence runs on without a gap; its books never cross after their snapshot and are the plain ones.
///
/// # Errors
/// The capture cannot be read, or the reader refuses a message of it.
pub fn bitfinex(data: &Path, plant: Plant) -> Result<Tally, String> {
    let mut tally = Tally::new("bitfinex");
    let mut reader = Bitfinex::default();
    let mut last = None;
    let mut kept: BTreeMap<String, (L2Book, PlainBook)> = BTreeMap::new();
    let (mut updates, mut messages) = (0_u64, 0_u64);
    for message in received(data, "BITFINEX.ws.11.0.gz")? {
        messages += 1;
        if plant == Plant::SkipMessage && messages == 500 {
            continue;
        }
        let before = reader.sequence();
        let records = books(&mut reader, &message)?;
        if let Some(sequence) = reader.sequence().filter(|_| reader.sequence() != before) {
            tally.case(last.is_none_or(|last: u64| sequence == last + 1), || {
                format!("message {messages}: sequence {sequence} after {last:?}")
            });
            last = Some(sequence);
        }
        for update in records {
            updates += 1;
            let (book, plain) = kept.entry(update.symbol.clone()).or_default();
            if update.snapshot {
                book.clear();
                plain.clear();
            }
            for (side, list) in [(Side::Buy, &update.bids), (Side::Sell, &update.asks)] {
                for (px, qty) in levels(list, BITFINEX)? {
                    plain.set(side, px, qty);
                    book.set(side, px, qty);
                }
            }
            if !plain.same(book, usize::MAX) {
                tally.case(false, || format!("message {messages}: {} is not the plain book", update.symbol));
            }
        }
    }
    tally.note("book_updates", updates);
    tally.note("symbols", kept.len());
    Ok(tally)
}

/// Decimals of Bitfinex's books.
pub const BITFINEX: Scales = Scales { px: 10, qty: 8 };

/// Coinbase: never crossed, and the plain book.
///
/// # Errors
/// The capture cannot be read, or the reader refuses a message of it.
pub fn coinbase(data: &Path, plant: Plant) -> Result<Tally, String> {
    let mut tally = Tally::new("coinbase");
    let mut kept: BTreeMap<String, (L2Book, PlainBook)> = BTreeMap::new();
    let mut updates = 0_u64;
    for message in received(data, "COINBASE.ws.28.0.gz")? {
        for update in books(&mut Coinbase, &message)? {
            let (book, plain) = kept.entry(update.symbol.clone()).or_default();
            if update.snapshot {
                book.clear();
                plain.clear();
            } else {
                updates += 1;
            }
            for (side, list) in [(Side::Buy, &update.bids), (Side::Sell, &update.asks)] {
                for (px, qty) in levels(list, Scales { px: 8, qty: 8 })? {
                    plain.set(side, px, qty);
                    if !(plant == Plant::SkipLevel && updates.is_multiple_of(100)) {
                        book.set(side, px, qty);
                    }
                }
            }
            let whole = !update.snapshot && !updates.is_multiple_of(16);
            let equal = plain.same(book, if whole { 25 } else { usize::MAX });
            tally.case(equal && !book.crossed(), || {
                format!("update {updates} of {}: equal {equal}, crossed {}", update.symbol, book.crossed())
            });
        }
    }
    tally.case(updates == 9_719 && kept.len() == 10, || {
        format!("{updates} updates of {} products", kept.len())
    });
    tally.note("updates", updates);
    Ok(tally)
}

/// Binance's captures: diffs of several symbols with REST snapshots fetched meanwhile; the touch against bookTicker.
///
/// # Errors
/// The captures cannot be read, or the normaliser refuses a message of them.
pub fn binance(data: &Path, market: Market) -> Result<Tally, String> {
    let (set, prefix) = match market {
        Market::Spot => ("ws_binance", "BINANCE"),
        Market::UsdM | Market::CoinM => ("ws_binance_futures", "BINANCE_FUTURES"),
    };
    let mut tally = Tally::new(set);
    let mut answers = Cryptofeed::open(&data.join("ws-captures").join(format!("{prefix}.http.0.0.gz")))?;
    let (mut specs, mut fetched) = (Vec::new(), Vec::new());
    while let Some(line) = answers.next_line()? {
        let Line::Answer { url, ts_recv, body } = line else { continue };
        let Some(symbol) = url.split("symbol=").nth(1).and_then(|rest| rest.split('&').next()) else {
            continue;
        };
        // Fine enough for every price and size of the captures; futures count whole or hundredth contracts.
        let qty_scale = if market == Market::Spot { 8 } else { 2 };
        specs.push(SymbolSpec { symbol: symbol.into(), px_scale: 8, px_unit: 1, qty_scale, qty_unit: 1 });
        fetched.push((ts_recv, body.to_vec()));
    }
    let mut reader = Binance::of(market, specs);
    let rule = super::binance::rule(market);
    let mut diffs: BTreeMap<usize, Vec<(EpochNs, DepthDiff<'static>)>> = BTreeMap::new();
    let mut tickers: BTreeMap<(usize, u64), (Level, Level)> = BTreeMap::new();
    for message in received(data, &format!("{prefix}.ws.1.0.gz"))? {
        match reader.read(&message.bytes) {
            Ok((symbol, Event::Depth(diff))) => {
                diffs.entry(symbol).or_default().push((message.ts, diff.into_owned()));
            }
            Ok((symbol, Event::Ticker(ticker))) => {
                tickers.insert((symbol, ticker.update_id), (ticker.bid, ticker.ask));
            }
            // Bars and aggregate trades are subscribed too; a book has no use for them.
            Ok(_) | Err(Refusal::UnknownEvent | Refusal::NonMarketTrade) => {}
            Err(refusal) => return Err(format!("{prefix}: the normaliser refuses a message: {refusal}")),
        }
    }
    let (mut gaps, mut total) = (0, 0);
    for (symbol, (ts, body)) in fetched.iter().enumerate() {
        let snapshot = match reader.read_snapshot(symbol, body) {
            Ok(Event::Snapshot(snapshot)) => snapshot.into_owned(),
            other => return Err(format!("{prefix}: no snapshot: {other:?}")),
        };
        let mut book = SyncedBook::new(rule);
        let (mut given, mut plain, mut plain_id) = (false, PlainBook::default(), None);
        let empty = Vec::new();
        let mut held: Vec<&DepthDiff<'_>> = Vec::new();
        for (at, diff) in diffs.get(&symbol).unwrap_or(&empty) {
            total += 1;
            if at > ts && !given {
                given = true;
                book.on_snapshot(&snapshot);
                super::binance::seed(&mut plain, &snapshot);
                plain_id = Some(snapshot.last_id);
                for diff in held.drain(..) {
                    super::binance::follow(&mut plain, &mut plain_id, diff);
                }
            }
            book.on_diff(diff);
            if given {
                super::binance::follow(&mut plain, &mut plain_id, diff);
            } else {
                held.push(diff);
            }
            if book.state() == State::Invalid {
                gaps += 1;
            }
            if book.state() != State::Valid {
                continue;
            }
            if !plain.same(book.book(), usize::MAX) {
                tally.case(false, || format!("diff {}: not the plain book", diff.last_id));
            }
            let latest = tickers.range((symbol, snapshot.last_id)..=(symbol, diff.last_id)).next_back();
            if let Some((id, (bid, ask))) = latest {
                let want = (Some((bid.px.0, bid.qty.0)), Some((ask.px.0, ask.qty.0)));
                let found = touch_of(&book);
                tally.case(found == want, || {
                    format!("diff {} ticker {}: {found:?}, {want:?}", diff.last_id, id.1)
                });
            }
        }
    }
    tally.case(gaps == 0, || format!("{gaps} gaps"));
    tally.note("diffs", total);
    tally.note("symbols", fetched.len());
    Ok(tally)
}
