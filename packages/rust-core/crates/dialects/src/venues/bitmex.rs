//! BitMEX: tables with `partial`, `insert`, `update` and `delete`.
//!
//! A book level is named by an id; an update or delete of older interfaces repeats no price, so ids are remembered.
//! Source: BitMEX websocket API, `orderBookL2`, `trade`, `quote`, `instrument`, `liquidation`.

use crate::dec::Dec;
use crate::derivative::{Change, Derivatives};
use crate::fields::{optional, pairs};
use crate::json::Json;
use crate::limits::{LEVEL_IDS_MAX, LEVELS_MAX};
use crate::{Bar, Book, Dialect, Level, Quiet, Quote, Record, Refusal, Side, Stop, Trade, bodies};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug, Default)]
pub struct Bitmex {
    /// Price by symbol and level id.
    ids: BTreeMap<(String, u64), Dec>,
    instruments: BTreeSet<String>,
    derivatives: Derivatives,
}

impl Dialect for Bitmex {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        let Some(table) = message.get("table").and_then(Json::str) else {
            return Err(if message.get("error").is_some() {
                Quiet::VenueError.into()
            } else if message.get("info").is_some() || message.get("success").is_some() {
                Quiet::Control.into()
            } else {
                Refusal::UnknownEvent.into()
            });
        };
        let action = message.word("action");
        let data = message.need("data")?.items()?;
        match (table, action) {
            ("orderBookL2" | "orderBookL2_25", _) => self.book(action, message, data, out)?,
            ("trade", "insert") => {
                for print in data {
                    out.push(Record::Trade(trade(print)?));
                }
            }
            ("trade", "partial") => return Err(Quiet::History.into()),
            ("quote", "insert" | "partial") => {
                for item in data {
                    out.push(Record::Quote(quote(item)?));
                }
            }
            ("instrument", _) => self.instrument(action, data, out)?,
            ("liquidation", "insert") => {
                for item in data {
                    out.push(Record::Liquidation(liquidation(item)?));
                }
            }
            ("liquidation", "partial" | "update" | "delete") => return Err(Quiet::Repeat.into()),
            ("tradeBin1m" | "tradeBin5m" | "tradeBin1h" | "tradeBin1d", "insert") => {
                for item in data {
                    out.push(Record::Bar(bar(item, table)?));
                }
            }
            ("orderBook10", _) => {
                for item in data {
                    out.push(Record::Book(top(item)?));
                }
            }
            ("funding" | "settlement" | "insurance", _) => return Err(Quiet::NotCarried.into()),
            ("tradeBin1m" | "tradeBin5m" | "tradeBin1h" | "tradeBin1d", _) => {
                return Err(Quiet::History.into());
            }
            ("order" | "execution" | "position" | "margin" | "wallet" | "transact" | "affiliate", _) => {
                return Err(Quiet::NotMarketData.into());
            }
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }

    fn fetched(
        &mut self,
        _symbol: &str,
        message: &Json<'_>,
        _recv: EpochNs,
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        Self::body(message, out)
    }
}

impl Bitmex {
    /// Prints that were asked for, or what else the fields name.
    fn body(message: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Stop> {
        let items = match message {
            Json::Arr(items) => items.as_slice(),
            _ => &[],
        };
        let has = |key: &str| items.first().is_some_and(|item| item.get(key).is_some());
        if has("trdMatchID") && !has("execID") {
            for print in items {
                out.push(Record::Trade(trade(print)?));
            }
        } else if has("vwap") && has("open") {
            // A list of bars does not say how long they are.
            return Err(Quiet::NotCarried.into());
        } else if message.get("error").is_some() {
            return Err(Quiet::VenueError.into());
        } else {
            return Err(bodies::class(message).map_or(Stop::Refused(Refusal::UnknownEvent), Stop::Quiet));
        }
        Ok(())
    }

    fn book(
        &mut self,
        action: &str,
        message: &Json<'_>,
        data: &[Json<'_>],
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        if data.len() > LEVELS_MAX {
            return Err(Refusal::TooManyLevels.into());
        }
        let snapshot = action == "partial";
        let mut books: Vec<Book> = Vec::new();
        let mut gone: Vec<String> = Vec::new();
        let filtered =
            message.get("filter").and_then(|filter| filter.get("symbol")).map(Json::name).transpose()?;
        if let (true, Some(symbol)) = (snapshot, filtered) {
            books.push(Book { symbol, snapshot, ..Book::default() });
        }
        let mut learned: Vec<((String, u64), Dec)> = Vec::new();
        for item in data {
            let symbol = item.need("symbol")?.name()?;
            let key = (symbol.clone(), item.need("id")?.id()?);
            let px = match item.get("price") {
                Some(px) => Some(px.px()?),
                None => self.ids.get(&key).copied(),
            };
            let qty = if action == "delete" { Dec::ZERO } else { item.need("size")?.qty()? };
            let side = item.need("side")?.side()?;
            let ts = item.get("timestamp").map(Json::time).transpose()?;
            let Some(px) = px else { continue };
            if action == "partial" || action == "insert" {
                learned.push((key, px));
            }
            if !books.iter().any(|book| book.symbol == symbol) {
                books.push(Book { symbol: symbol.clone(), snapshot, ..Book::default() });
            }
            let Some(book) = books.iter_mut().find(|book| book.symbol == symbol) else { continue };
            book.ts = book.ts.max(ts);
            if side == Side::Buy { &mut book.bids } else { &mut book.asks }.push(Level { px, qty });
        }
        if snapshot {
            gone.extend(books.iter().map(|book| book.symbol.clone()));
            self.ids.retain(|(symbol, _), _| !gone.contains(symbol));
        }
        let known = self.ids.len();
        if known.saturating_add(learned.len()) > LEVEL_IDS_MAX {
            return Err(Refusal::TooManySymbols.into());
        }
        self.ids.extend(learned);
        if books.is_empty() {
            return Err(if data.is_empty() { Quiet::NoChange } else { Quiet::UnknownLevel }.into());
        }
        out.extend(books.into_iter().map(Record::Book));
        Ok(())
    }

    /// Changes of an instrument count only once its `partial` has come.
    fn instrument(&mut self, action: &str, data: &[Json<'_>], out: &mut Vec<Record>) -> Result<(), Stop> {
        let (before, mut unknown) = (out.len(), false);
        for item in data {
            let symbol = item.need("symbol")?.name()?;
            if action == "partial" || action == "insert" {
                self.instruments.insert(symbol.clone());
            } else if !self.instruments.contains(&symbol) {
                unknown = true;
                continue;
            }
            let change = Change {
                last_px: optional(item, "lastPrice")?,
                open_interest: optional(item, "openInterest")?,
                funding_rate: optional(item, "fundingRate")?,
                funding_ts: item.get("fundingTimestamp").map(Json::time).transpose()?,
                predicted_funding_rate: optional(item, "indicativeFundingRate")?,
                index_px: optional(item, "indicativeSettlePrice")?,
                mark_px: optional(item, "markPrice")?,
                ts: item.get("timestamp").map(Json::time).transpose()?,
            };
            self.derivatives.change(&symbol, &change, out)?;
        }
        if unknown && out.len() == before { Err(Quiet::UnknownContract.into()) } else { Ok(()) }
    }
}

fn trade(print: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: print.need("symbol")?.name()?,
        id: Some(print.need("trdMatchID")?.name()?),
        px: print.need("price")?.px()?,
        qty: print.need("size")?.traded()?,
        side: print.get("side").map_or(Ok(Side::Unknown), Json::side)?,
        ts: Some(print.need("timestamp")?.time()?),
    })
}

/// A bar of a table; the venue stamps its end.
fn bar(item: &Json<'_>, table: &str) -> Result<Bar, Refusal> {
    let seconds = match table {
        "tradeBin1m" => 60,
        "tradeBin5m" => 300,
        "tradeBin1h" => 3_600,
        _ => 86_400,
    };
    let end = item.need("timestamp")?.time()?;
    Ok(Bar {
        symbol: item.need("symbol")?.name()?,
        open: item.need("open")?.px()?,
        high: item.need("high")?.px()?,
        low: item.need("low")?.px()?,
        close: item.need("close")?.px()?,
        volume: item.need("volume")?.qty()?,
        start: EpochNs(end.0.saturating_sub(seconds * 1_000_000_000)),
        closed: true,
    })
}

/// The ten best levels of each side, always whole.
fn top(item: &Json<'_>) -> Result<Book, Refusal> {
    Ok(Book {
        symbol: item.need("symbol")?.name()?,
        snapshot: true,
        bids: pairs(item.need("bids")?)?,
        asks: pairs(item.need("asks")?)?,
        ts: Some(item.need("timestamp")?.time()?),
        ..Book::default()
    })
}

fn quote(item: &Json<'_>) -> Result<Quote, Refusal> {
    Ok(Quote {
        symbol: item.need("symbol")?.name()?,
        bid_px: optional(item, "bidPrice")?,
        bid_qty: optional(item, "bidSize")?,
        ask_px: optional(item, "askPrice")?,
        ask_qty: optional(item, "askSize")?,
        ts: Some(item.need("timestamp")?.time()?),
    })
}

fn liquidation(item: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: item.need("symbol")?.name()?,
        id: Some(item.need("orderID")?.name()?),
        px: item.need("price")?.px()?,
        qty: item.need("leavesQty")?.traded()?,
        side: item.need("side")?.side()?,
        ts: None,
    })
}
