//! Bybit: version 2 contracts, version 1 spot, version 5 of all markets.
//!
//! A liquidation names the side of the position that was closed; the record has the side of the order that closed it.
//! Source: Bybit websocket documentation, public topics.

use crate::dec::Dec;
use crate::derivative::{Change, Derivatives};
use crate::fields::{optional, pairs_of};
use crate::json::Json;
use crate::limits::{LEVELS_MAX, SYMBOLS_MAX};
use crate::{Book, Dialect, Level, Quiet, Quote, Record, Refusal, Side, Stop, Trade};
use std::collections::BTreeMap;
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug, Default)]
pub struct Bybit {
    /// Liquidations from `allLiquidation` instead of `liquidation`.
    pub all_liquidations: bool,
    /// Tickers are of options, whose greeks are not carried.
    pub options: bool,
    derivatives: Derivatives,
    /// Top of book by symbol, for the changes of `orderbook.1`.
    tops: BTreeMap<String, Quote>,
}

impl Dialect for Bybit {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        let Some(topic) = message.get("topic").and_then(Json::str) else {
            return Err(match (message.get("success"), message.get("op")) {
                (Some(Json::Bool(false)), _) => Quiet::VenueError.into(),
                (Some(_), _) | (_, Some(_)) => Quiet::Control.into(),
                _ => Stop::Refused(Refusal::UnknownEvent),
            });
        };
        if message.get("event").is_some() {
            return Err(Quiet::Control.into());
        }
        let data = message.need("data")?;
        let kind = topic.split('.').next().unwrap_or("");
        match kind {
            "depth" | "trade" | "bookTicker" if topic == kind => spot_1(kind, message, data, out)?,
            "trade" => {
                for print in data.items()? {
                    out.push(Record::Trade(trade_2(print)?));
                }
            }
            "orderBookL2_25" => out.push(Record::Book(book_2(topic, message, data)?)),
            "orderBook_200" => return Err(Quiet::OtherChannel.into()),
            "instrument_info" => self.instrument(message, data, out)?,
            "publicTrade" => {
                for print in data.items()? {
                    out.push(Record::Trade(short(print)?));
                }
            }
            "orderbook" if topic.starts_with("orderbook.1.") => self.top(message, data, out)?,
            "orderbook" => out.push(Record::Book(book_5(message, data)?)),
            "tickers" if self.options => return Err(Quiet::NotCarried.into()),
            "tickers" => self.ticker(message, data, out)?,
            "allLiquidation" if !self.all_liquidations => return Err(Quiet::OtherChannel.into()),
            "liquidation" if self.all_liquidations => return Err(Quiet::OtherChannel.into()),
            "allLiquidation" => {
                for each in data.items()? {
                    let closed = short(each)?;
                    out.push(Record::Liquidation(Trade { side: closed.side.opposite(), ..closed }));
                }
            }
            "liquidation" => match data {
                Json::Arr(items) => {
                    for each in items {
                        out.push(Record::Liquidation(liquidation(each)?));
                    }
                }
                _ => out.push(Record::Liquidation(liquidation(data)?)),
            },
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }
}

impl Bybit {
    /// Top of book: a snapshot, or a change of one side or both.
    fn top(&mut self, message: &Json<'_>, data: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Stop> {
        let book = book_5(message, data)?;
        if !self.tops.contains_key(&book.symbol) && self.tops.len() >= SYMBOLS_MAX {
            return Err(Refusal::TooManySymbols.into());
        }
        let top = self.tops.entry(book.symbol.clone()).or_default();
        if book.snapshot {
            *top = Quote::default();
        }
        top.symbol.clone_from(&book.symbol);
        top.ts = book.ts;
        let live = |levels: &[Level]| levels.iter().rev().find(|level| !level.qty.is_zero()).copied();
        if let Some(bid) = live(&book.bids) {
            (top.bid_px, top.bid_qty) = (Some(bid.px), Some(bid.qty));
        }
        if let Some(ask) = live(&book.asks) {
            (top.ask_px, top.ask_qty) = (Some(ask.px), Some(ask.qty));
        }
        out.push(Record::Quote(top.clone()));
        Ok(())
    }

    fn ticker(&mut self, message: &Json<'_>, data: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Stop> {
        let change = Change {
            last_px: optional(data, "lastPrice")?,
            mark_px: optional(data, "markPrice")?,
            index_px: optional(data, "indexPrice")?,
            open_interest: optional(data, "openInterest")?,
            funding_rate: optional(data, "fundingRate")?,
            funding_ts: match data.get("nextFundingTime") {
                Some(text) if text.str() != Some("") => Some(text.time()?),
                _ => None,
            },
            ts: Some(message.need("ts")?.time()?),
            ..Change::default()
        };
        self.derivatives.change(&data.need("symbol")?.name()?, &change, out)?;
        Ok(())
    }

    /// Version 2: the whole, or `{"update": […]}`; numbers scaled by the power of ten in their name, in two spellings.
    fn instrument(&mut self, message: &Json<'_>, data: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Stop> {
        let ts = Some(stamp(message)?);
        let whole = std::slice::from_ref(data);
        let list = match data.get("update") {
            Some(update) => update.items()?,
            None => whole,
        };
        for item in list {
            let funding_ts = item.get("next_funding_time").or_else(|| item.get("nextFundingTime"));
            let change = Change {
                last_px: scaled(item, &[("last_price_e4", 4), ("last_price", 0), ("lastPrice", 0)])?,
                mark_px: scaled(item, &[("mark_price_e4", 4), ("mark_price", 0), ("markPrice", 0)])?,
                index_px: scaled(item, &[("index_price_e4", 4), ("index_price", 0), ("indexPrice", 0)])?,
                open_interest: scaled(
                    item,
                    &[("open_interest", 0), ("open_interest_e8", 8), ("openInterestE8", 8)],
                )?,
                funding_rate: scaled(item, &[("funding_rate_e6", 6), ("fundingRateE6", 6)])?,
                predicted_funding_rate: scaled(
                    item,
                    &[("predicted_funding_rate_e6", 6), ("predictedFundingRateE6", 6)],
                )?,
                // The start of the epoch stands for no funding.
                funding_ts: funding_ts.map(Json::time).transpose()?.filter(|time| time.0 > 0),
                ts,
            };
            self.derivatives.change(&item.need("symbol")?.name()?, &change, out)?;
        }
        Ok(())
    }
}

/// The last of the spellings that is there: where both are sent, the plain one is the newer and exact one.
fn scaled(item: &Json<'_>, spellings: &[(&str, u8)]) -> Result<Option<Dec>, Refusal> {
    let mut value = None;
    for (key, places) in spellings {
        if let Some(read) = optional(item, key)? {
            value = Some(read.shifted(*places).ok_or(Refusal::BadDecimal)?);
        }
    }
    Ok(value)
}

fn stamp(message: &Json<'_>) -> Result<EpochNs, Refusal> {
    message.get("timestamp_e6").or_else(|| message.get("timestampE6")).ok_or(Refusal::MissingField)?.time()
}

fn trade_2(print: &Json<'_>) -> Result<Trade, Refusal> {
    let either = |a: &str, b: &str| print.get(a).or_else(|| print.get(b));
    Ok(Trade {
        symbol: print.need("symbol")?.name()?,
        id: Some(either("trade_id", "tradeId").ok_or(Refusal::MissingField)?.name()?),
        px: print.need("price")?.px()?,
        qty: print.need("size")?.traded()?,
        side: print.need("side")?.side()?,
        ts: Some(match either("trade_time_ms", "tradeTimeMs") {
            Some(ms) => ms.time()?,
            None => print.need("timestamp")?.time()?,
        }),
    })
}

/// Version 2 book: levels name their symbol, side and price; `delete`, `update` and `insert` of a change.
fn book_2(topic: &str, message: &Json<'_>, data: &Json<'_>) -> Result<Book, Refusal> {
    let mut book = Book {
        symbol: topic.rsplit('.').next().unwrap_or("").to_string(),
        snapshot: message.word("type") == "snapshot",
        ts: Some(stamp(message)?),
        ..Book::default()
    };
    let mut take = |list: &Json<'_>, gone: bool| -> Result<(), Refusal> {
        let items = list.items()?;
        if items.len() > LEVELS_MAX {
            return Err(Refusal::TooManyLevels);
        }
        for item in items {
            let qty = if gone { Dec::ZERO } else { item.need("size")?.qty()? };
            let level = Level { px: item.need("price")?.px()?, qty };
            match item.need("side")?.side()? {
                Side::Buy => book.bids.push(level),
                _ => book.asks.push(level),
            }
        }
        Ok(())
    };
    if let Some(list) = data.get("order_book").or_else(|| data.get("orderBook")) {
        take(list, false)?;
    } else if matches!(data, Json::Arr(_)) {
        take(data, false)?;
    } else {
        let mut any = false;
        for (key, gone) in [("delete", true), ("update", false), ("insert", false)] {
            if let Some(list) = data.get(key) {
                any = true;
                take(list, gone)?;
            }
        }
        if !any {
            return Err(Refusal::MissingField);
        }
    }
    Ok(book)
}

fn book_5(message: &Json<'_>, data: &Json<'_>) -> Result<Book, Refusal> {
    let id = data.get("u").map(Json::id).transpose()?;
    Ok(Book {
        symbol: data.need("s")?.name()?,
        snapshot: message.word("type") == "snapshot",
        bids: pairs_of(data, "b")?,
        asks: pairs_of(data, "a")?,
        ts: Some(message.need("ts")?.time()?),
        first_id: id,
        last_id: id,
        ..Book::default()
    })
}

/// `{T, s, S, v, p, i?}`.
fn short(print: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: print.need("s")?.name()?,
        id: print.get("i").map(Json::name).transpose()?,
        px: print.need("p")?.px()?,
        qty: print.need("v")?.traded()?,
        side: print.need("S")?.side()?,
        ts: Some(print.need("T")?.time()?),
    })
}

fn liquidation(data: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: data.need("symbol")?.name()?,
        id: data.get("id").map(Json::name).transpose()?,
        px: data.need("price")?.px()?,
        qty: data.get("qty").map_or_else(|| data.need("size"), Ok)?.traded()?,
        side: data.need("side")?.side()?.opposite(),
        ts: Some(data.get("time").map_or_else(|| data.need("updatedTime"), Ok)?.time()?),
    })
}

/// Version 1 spot: `m` is true for a purchase.
fn spot_1(kind: &str, message: &Json<'_>, data: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Refusal> {
    let symbol = message.need("params")?.need("symbol")?.name()?;
    match kind {
        "depth" => out.push(Record::Book(Book {
            symbol,
            snapshot: true,
            bids: pairs_of(data, "b")?,
            asks: pairs_of(data, "a")?,
            ts: Some(data.need("t")?.time()?),
            ..Book::default()
        })),
        "trade" => out.push(Record::Trade(Trade {
            symbol,
            id: Some(data.need("v")?.name()?),
            px: data.need("p")?.px()?,
            qty: data.need("q")?.traded()?,
            side: match data.need("m")? {
                Json::Bool(true) => Side::Buy,
                Json::Bool(false) => Side::Sell,
                _ => return Err(Refusal::BadSide),
            },
            ts: Some(data.need("t")?.time()?),
        })),
        _ => out.push(Record::Quote(Quote {
            symbol,
            bid_px: optional(data, "bidPrice")?,
            bid_qty: optional(data, "bidQty")?,
            ask_px: optional(data, "askPrice")?,
            ask_qty: optional(data, "askQty")?,
            ts: Some(data.need("time")?.time()?),
        })),
    }
    Ok(())
}
