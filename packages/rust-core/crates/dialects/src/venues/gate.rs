//! Gate.io: version 3 spot (`method`), version 4 spot and futures (`channel`).
//!
//! Futures sizes are signed: a negative one is an ask or a sale, and a level that goes names no side. Source: Gate.io
//! websocket documentation, spot v3 and v4, futures v4.

use crate::dec::Dec;
use crate::derivative::{Change, Derivatives};
use crate::fields::{levels_of, optional, pairs, pairs_of};
use crate::held::{Held, StaleRule};
use crate::json::Json;
use crate::limits::{LEVELS_MAX, SYMBOLS_MAX};
use crate::time::from_count;
use crate::{Bar, Book, Dialect, Level, Quiet, Quote, Record, Refusal, Side, Stop, Trade};
use std::collections::BTreeSet;
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug)]
pub struct Gate {
    held: Held,
    derivatives: Derivatives,
    /// Version 3: symbols whose first prints, the latest before the subscription, have come.
    begun: BTreeSet<String>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            held: Held::new(StaleRule::AtOrBelow),
            derivatives: Derivatives::default(),
            begun: BTreeSet::new(),
        }
    }
}

impl Dialect for Gate {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        if let Some(method) = message.get("method").and_then(Json::str) {
            return self.version_3(method, message.need("params")?, out);
        }
        let event = message.word("event");
        if message.get("error").is_some() {
            return Err(Quiet::VenueError.into());
        }
        if event == "subscribe"
            || event == "unsubscribe"
            || (event.is_empty() && message.get("result").is_some())
        {
            return Err(Quiet::Control.into());
        }
        let result = message.need("result")?;
        match message.word("channel") {
            "spot.trades" => out.push(Record::Trade(spot_trade(result)?)),
            "spot.book_ticker" => out.push(Record::Quote(quote(result)?)),
            "spot.tickers" => out.push(Record::Quote(Quote {
                symbol: result.need("currency_pair")?.name()?,
                bid_px: optional(result, "highest_bid")?,
                ask_px: optional(result, "lowest_ask")?,
                ts: message.get("time_ms").or_else(|| message.get("time")).map(Json::time).transpose()?,
                ..Quote::default()
            })),
            "spot.candlesticks" => out.push(Record::Bar(bar(result)?)),
            "spot.order_book_update" if event == "snapshot" => {
                let book = spot_snapshot(message.need("symbol")?.name()?, result)?;
                out.push(Record::Book(self.held.snapshot(book)?));
            }
            "spot.order_book_update" => {
                out.push(Record::Book(self.held.change(spot_change(result.need("s")?.name()?, result)?)?));
            }
            "spot.obu" => {
                // `ob.BTC_USDT.400`
                let stream = result.need("s")?.name()?;
                let symbol = stream.split('.').nth(1).ok_or(Refusal::Malformed)?;
                let mut book = spot_change(symbol.to_string(), result)?;
                book.snapshot = result.get("full").is_some_and(Json::is_true);
                out.push(Record::Book(book));
            }
            "spot.pong" | "futures.pong" => return Err(Quiet::Control.into()),
            "futures.trades" => {
                for print in result.items()? {
                    out.push(Record::Trade(futures_trade(print)?));
                }
            }
            "futures.book_ticker" => {
                if result.get("s").is_none() || (result.word("b").is_empty() && result.word("a").is_empty()) {
                    return Err(Quiet::NoChange.into());
                }
                out.push(Record::Quote(quote(result)?));
            }
            "futures.order_book" => out.push(Record::Book(futures_book(message, event, result)?)),
            "futures.tickers" => {
                let ts = Some(stamp(message)?);
                let whole = std::slice::from_ref(result);
                for item in if let Json::Arr(items) = result { items } else { whole } {
                    if item.is_obj() {
                        self.ticker(item, ts, out)?;
                    }
                }
            }
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }

    fn fetched(
        &mut self,
        symbol: &str,
        message: &Json<'_>,
        _recv: EpochNs,
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        let book = spot_snapshot(symbol.to_string(), message)?;
        out.push(Record::Book(self.held.snapshot(book)?));
        Ok(())
    }
}

impl Gate {
    fn version_3(&mut self, method: &str, params: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Stop> {
        match method {
            "trades.update" => {
                let symbol = params.need_at(0)?.name()?;
                if !self.begun.contains(&symbol) {
                    if self.begun.len() >= SYMBOLS_MAX {
                        return Err(Refusal::TooManySymbols.into());
                    }
                    self.begun.insert(symbol);
                    return Err(Quiet::History.into());
                }
                // Newest first.
                for print in params.need_at(1)?.items()?.iter().rev() {
                    out.push(Record::Trade(Trade {
                        symbol: symbol.clone(),
                        id: Some(print.need("id")?.name()?),
                        px: print.need("price")?.px()?,
                        qty: print.need("amount")?.traded()?,
                        side: print.need("type")?.side()?,
                        ts: Some(from_count(print.need("time")?.dec()?, 0)?),
                    }));
                }
            }
            "depth.update" => {
                let levels = params.need_at(1)?;
                out.push(Record::Book(Book {
                    symbol: params.need_at(2)?.name()?,
                    snapshot: params.need_at(0)?.is_true(),
                    bids: pairs_of(levels, "bids")?,
                    asks: pairs_of(levels, "asks")?,
                    ts: match levels.get("current") {
                        Some(seconds) => Some(from_count(seconds.dec()?, 0)?),
                        None => None,
                    },
                    last_id: levels.get("id").map(Json::id).transpose()?,
                    ..Book::default()
                }));
            }
            "ticker.update" | "kline.update" | "price.update" => return Err(Quiet::NotCarried.into()),
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }

    fn ticker(&mut self, item: &Json<'_>, ts: Option<EpochNs>, out: &mut Vec<Record>) -> Result<(), Refusal> {
        let change = Change {
            last_px: optional(item, "last")?,
            mark_px: optional(item, "mark_price")?,
            index_px: optional(item, "index_price")?,
            open_interest: optional(item, "total_size")?,
            funding_rate: optional(item, "funding_rate")?,
            predicted_funding_rate: optional(item, "funding_rate_indicative")?,
            ts,
            ..Change::default()
        };
        self.derivatives.change(&item.need("contract")?.name()?, &change, out).map(|_| ())
    }
}

fn stamp(message: &Json<'_>) -> Result<EpochNs, Refusal> {
    message.get("time_ms").map_or_else(|| message.need("time"), Ok)?.time()
}

fn spot_trade(print: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: print.need("currency_pair")?.name()?,
        id: Some(print.need("id")?.name()?),
        px: print.need("price")?.px()?,
        qty: print.need("amount")?.traded()?,
        side: print.need("side")?.side()?,
        // Milliseconds with a fraction.
        ts: Some(from_count(print.need("create_time_ms")?.dec()?, 3)?),
    })
}

/// An empty price is no side; a size of 0 is none.
fn quote(result: &Json<'_>) -> Result<Quote, Refusal> {
    let size = |key: &str| -> Result<Option<Dec>, Refusal> {
        Ok(optional(result, key)?.filter(|size| !size.is_zero()))
    };
    Ok(Quote {
        symbol: result.need("s")?.name()?,
        bid_px: optional(result, "b")?,
        bid_qty: size("B")?,
        ask_px: optional(result, "a")?,
        ask_qty: size("A")?,
        ts: Some(result.need("t")?.time()?),
    })
}

fn spot_change(symbol: String, result: &Json<'_>) -> Result<Book, Refusal> {
    Ok(Book {
        symbol,
        snapshot: false,
        bids: pairs_of(result, "b")?,
        asks: pairs_of(result, "a")?,
        ts: Some(result.need("t")?.time()?),
        first_id: result.get("U").map(Json::id).transpose()?,
        last_id: Some(result.need("u")?.id()?),
        ..Book::default()
    })
}

fn spot_snapshot(symbol: String, result: &Json<'_>) -> Result<Book, Refusal> {
    Ok(Book {
        symbol,
        snapshot: true,
        bids: pairs(result.need("bids")?)?,
        asks: pairs(result.need("asks")?)?,
        ts: result.get("update").map(Json::time).transpose()?,
        last_id: Some(result.need("id")?.id()?),
        ..Book::default()
    })
}

/// `n` is `1m_DIS_USDT`.
fn bar(result: &Json<'_>) -> Result<Bar, Refusal> {
    let name = result.need("n")?.name()?;
    Ok(Bar {
        symbol: name.split_once('_').ok_or(Refusal::Malformed)?.1.to_string(),
        open: result.need("o")?.px()?,
        high: result.need("h")?.px()?,
        low: result.need("l")?.px()?,
        close: result.need("c")?.px()?,
        volume: result.need("v")?.qty()?,
        start: result.need("t")?.time()?,
        closed: result.get("w").is_some_and(Json::is_true),
    })
}

fn futures_trade(print: &Json<'_>) -> Result<Trade, Refusal> {
    let size = print.need("size")?.dec()?;
    if size.is_zero() {
        return Err(Refusal::QtyNegOrZero);
    }
    Ok(Trade {
        symbol: print.need("contract")?.name()?,
        id: Some(print.need("id")?.name()?),
        px: print.need("price")?.px()?,
        qty: size.abs(),
        side: if size.is_negative() { Side::Sell } else { Side::Buy },
        ts: Some(match print.get("create_time_ms") {
            Some(ms) => from_count(ms.dec()?, 3)?,
            None => print.need("create_time")?.time()?,
        }),
    })
}

fn futures_book(message: &Json<'_>, event: &str, result: &Json<'_>) -> Result<Book, Stop> {
    if event == "all" {
        let book = Book {
            symbol: result.need("contract")?.name()?,
            snapshot: true,
            bids: levels_of(result.need("bids")?, "p", "s")?,
            asks: levels_of(result.need("asks")?, "p", "s")?,
            ts: Some(result.get("t").map_or_else(|| stamp(message), Json::time)?),
            last_id: result.get("id").map(Json::id).transpose()?,
            ..Book::default()
        };
        // The venue answers a contract that has no book with id 0.
        return if book.last_id == Some(0) && book.bids.is_empty() && book.asks.is_empty() {
            Err(Quiet::NoChange.into())
        } else {
            Ok(book)
        };
    }
    let items = result.items()?;
    if items.len() > LEVELS_MAX {
        return Err(Refusal::TooManyLevels.into());
    }
    let mut book = Book { ts: Some(stamp(message)?), ..Book::default() };
    for item in items {
        let symbol = item.need("c")?.name()?;
        if book.symbol.is_empty() {
            book.symbol = symbol;
        } else if book.symbol != symbol {
            return Err(Refusal::Malformed.into());
        }
        let (px, size) = (item.need("p")?.px()?, item.need("s")?.dec()?);
        let level = Level { px, qty: size.abs() };
        if !size.is_negative() {
            book.bids.push(level);
        }
        if size.units <= 0 {
            book.asks.push(level);
        }
    }
    if book.symbol.is_empty() { Err(Quiet::NoChange.into()) } else { Ok(book) }
}
