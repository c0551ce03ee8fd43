//! Binance and what speaks like it (Aster, Binance DEX): combined streams `{"stream", "data"}`, or the data alone.
//!
//! The books of live trading are read by `tidegate-normalise`; this reader takes every symbol, keeps decimals, and merges
//! book changes that came before their snapshot. Source: Binance websocket market streams, spot, USD-M and coin-M.

use crate::derivative::{Change, Derivatives};
use crate::fields::{optional, pairs_of};
use crate::held::{Held, StaleRule};
use crate::json::Json;
use crate::limits::SYMBOLS_MAX;
use crate::{Bar, Book, Dec, Dialect, Quiet, Quote, Record, Refusal, Side, Stop, Trade};
use std::collections::BTreeMap;
use tidegate_units::EpochNs;

/// Which of the markets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Market {
    Spot,
    /// Perpetual and dated contracts.
    Futures,
    /// The decentralised exchange: seconds and ns instead of ms, quotes in the ticker.
    Dex,
}

/// Reads one connection.
#[derive(Debug)]
pub struct Binance {
    market: Market,
    /// Prints from `aggTrade` instead of `trade`.
    aggregated: bool,
    held: Held,
    derivatives: Derivatives,
    indexes: BTreeMap<String, Dec>,
}

impl Binance {
    pub fn new(market: Market, aggregated: bool) -> Self {
        let rule = if market == Market::Futures { StaleRule::Below } else { StaleRule::AtOrBelow };
        Self {
            market,
            aggregated,
            held: Held::new(rule),
            derivatives: Derivatives::default(),
            indexes: BTreeMap::new(),
        }
    }

    fn event(&mut self, data: &Json<'_>, stream: &str, out: &mut Vec<Record>) -> Result<(), Stop> {
        let kind = data.word("e");
        let channel = stream.split('@').nth(1).unwrap_or("");
        match (kind, channel) {
            ("trade", _) if self.aggregated => return Err(Quiet::OtherChannel.into()),
            ("aggTrade", _) if !self.aggregated => return Err(Quiet::OtherChannel.into()),
            ("trade" | "aggTrade", _) => out.push(Record::Trade(self.trade(data)?)),
            ("depthUpdate", _) => {
                let book = self.diff(data)?;
                let book = if self.market == Market::Dex { book } else { self.held.change(book)? };
                out.push(Record::Book(book));
            }
            ("bookTicker", _) | ("", "bookTicker") => out.push(Record::Quote(quote(data, "E")?)),
            ("24hrTicker", _) => match self.market {
                Market::Spot => return Err(Quiet::NotCarried.into()),
                Market::Dex => out.push(Record::Quote(quote(data, "E")?)),
                Market::Futures => {
                    let ts = Some(data.need("E")?.time()?);
                    let change = Change { last_px: optional(data, "c")?, ts, ..Change::default() };
                    self.derivative(data, change, out)?;
                }
            },
            ("markPriceUpdate", _) => {
                let funding = data.get("T").filter(|time| !matches!(time, Json::Num("0")));
                let change = Change {
                    mark_px: optional(data, "p")?,
                    index_px: optional(data, "i")?,
                    funding_rate: if funding.is_some() { optional(data, "r")? } else { None },
                    funding_ts: funding.map(Json::time).transpose()?,
                    ts: Some(data.need("E")?.time()?),
                    ..Change::default()
                };
                self.derivative(data, change, out)?;
            }
            ("indexPriceUpdate", _) => {
                let pair = data.need("i")?.name()?;
                if !self.indexes.contains_key(&pair) && self.indexes.len() >= SYMBOLS_MAX {
                    return Err(Refusal::TooManySymbols.into());
                }
                self.indexes.insert(pair, data.need("p")?.px()?);
            }
            ("", "openInterest") => {
                let change = Change {
                    open_interest: optional(data, "openInterest")?,
                    ts: data.get("time").map(Json::time).transpose()?,
                    ..Change::default()
                };
                self.derivative(data, change, out)?;
            }
            ("forceOrder", _) => out.push(Record::Liquidation(forced(data.need("o")?)?)),
            ("kline", _) => out.push(Record::Bar(bar(data.need("k")?)?)),
            ("", "depthSnapshot") => {
                let symbol = match data.get("symbol") {
                    Some(symbol) => symbol.name()?,
                    None => stream.split('@').next().unwrap_or("").to_ascii_uppercase(),
                };
                out.push(Record::Book(self.snapshot(symbol, data)?));
            }
            ("", "") if stream == "depthSnapshot" => {
                out.push(Record::Book(self.snapshot(data.need("symbol")?.name()?, data)?));
            }
            ("", "") if data.get("u").is_some() && data.get("B").is_some() => {
                out.push(Record::Quote(quote(data, "E")?));
            }
            (
                "24hrMiniTicker" | "1hTicker" | "4hTicker" | "1dTicker" | "avgPrice" | "assetIndexUpdate"
                | "compositeIndex",
                _,
            ) => {
                return Err(Quiet::NotCarried.into());
            }
            ("contractInfo", _) => return Err(Quiet::Reference.into()),
            _ if is_account_event(kind) => return Err(Quiet::NotMarketData.into()),
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }

    fn derivative(
        &mut self,
        data: &Json<'_>,
        mut change: Change,
        out: &mut Vec<Record>,
    ) -> Result<(), Refusal> {
        let symbol = data.get("s").or_else(|| data.get("symbol")).ok_or(Refusal::MissingField)?.name()?;
        if change.index_px.is_none() && change.last_px.is_some() {
            change.index_px = symbol.split('_').next().and_then(|pair| self.indexes.get(pair)).copied();
        }
        self.derivatives.change(&symbol, &change, out).map(|_| ())
    }

    fn trade(&self, data: &Json<'_>) -> Result<Trade, Stop> {
        // Futures print fills of the insurance fund and of auto-deleveraging on the same stream.
        if data.get("X").and_then(Json::str).is_some_and(|kind| kind != "MARKET") {
            return Err(Quiet::NonMarketTrade.into());
        }
        Ok(Trade {
            symbol: data.need("s")?.name()?,
            id: Some(data.get("t").or_else(|| data.get("a")).ok_or(Refusal::MissingField)?.name()?),
            px: data.need("p")?.px()?,
            qty: data.need("q")?.traded()?,
            side: match data.get("m") {
                Some(Json::Bool(true)) => Side::Sell,
                Some(Json::Bool(false)) => Side::Buy,
                None if self.market == Market::Dex => Side::Unknown,
                _ => return Err(Refusal::BadSide.into()),
            },
            ts: Some(data.need("T")?.time()?),
        })
    }

    fn diff(&self, data: &Json<'_>) -> Result<Book, Refusal> {
        let id = |key: &str| data.get(key).map(Json::id).transpose();
        let (first_id, last_id) = (id("U")?, id("u")?);
        if self.market != Market::Dex && (first_id.is_none() || last_id.is_none()) {
            return Err(Refusal::MissingField);
        }
        if first_id > last_id {
            return Err(Refusal::BadSequence);
        }
        Ok(Book {
            symbol: data.need("s")?.name()?,
            snapshot: false,
            bids: pairs_of(data, "b")?,
            asks: pairs_of(data, "a")?,
            ts: Some(data.need("E")?.time()?),
            first_id,
            last_id,
            prev_id: id("pu")?,
            checksum: None,
        })
    }

    fn snapshot(&mut self, symbol: String, data: &Json<'_>) -> Result<Book, Refusal> {
        let book = Book {
            symbol,
            snapshot: true,
            bids: crate::fields::pairs(data.need("bids")?)?,
            asks: crate::fields::pairs(data.need("asks")?)?,
            ts: data.get("T").map(Json::time).transpose()?,
            last_id: data.get("lastUpdateId").map(Json::id).transpose()?,
            ..Book::default()
        };
        if self.market == Market::Dex { Ok(book) } else { self.held.snapshot(book) }
    }
}

impl Dialect for Binance {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        if let (Some(stream), Some(data)) = (message.get("stream"), message.get("data")) {
            let stream = stream.str().ok_or(Refusal::Malformed)?;
            let Json::Arr(items) = data else { return self.event(data, stream, out) };
            for item in items {
                self.event(item, stream, out)?;
            }
            return Ok(());
        }
        if message.get("e").is_some() || message.get("u").is_some() {
            return self.event(message, "", out);
        }
        match message {
            Json::Obj(fields) if fields.iter().any(|(key, _)| key == "result") => Err(Quiet::Control.into()),
            _ if message.get("error").is_some() || message.get("code").is_some() => {
                Err(Quiet::VenueError.into())
            }
            _ => Err(Refusal::UnknownEvent.into()),
        }
    }

    fn fetched(
        &mut self,
        symbol: &str,
        message: &Json<'_>,
        _recv: EpochNs,
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        out.push(Record::Book(self.snapshot(symbol.to_string(), message)?));
        Ok(())
    }
}

/// Events of an order, an account, a position or a listen key.
pub fn is_account_event(kind: &str) -> bool {
    matches!(
        kind,
        "executionReport"
            | "outboundAccountPosition"
            | "balanceUpdate"
            | "listStatus"
            | "listenKeyExpired"
            | "externalLockUpdate"
            | "eventStreamTerminated"
            | "ORDER_TRADE_UPDATE"
            | "ACCOUNT_UPDATE"
            | "ACCOUNT_CONFIG_UPDATE"
            | "MARGIN_CALL"
            | "TRADE_LITE"
            | "ALGO_UPDATE"
            | "STRATEGY_UPDATE"
            | "GRID_UPDATE"
            | "CONDITIONAL_ORDER_TRIGGER_REJECT"
    )
}

fn quote(data: &Json<'_>, time: &str) -> Result<Quote, Refusal> {
    Ok(Quote {
        symbol: data.need("s")?.name()?,
        bid_px: optional(data, "b")?,
        bid_qty: optional(data, "B")?,
        ask_px: optional(data, "a")?,
        ask_qty: optional(data, "A")?,
        ts: data.get(time).map(Json::time).transpose()?,
    })
}

/// A liquidation order: its own price, and the size filled so far.
fn forced(order: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: order.need("s")?.name()?,
        id: None,
        px: order.need("p")?.px()?,
        qty: order.need("z")?.traded()?,
        side: order.need("S")?.side()?,
        ts: Some(order.need("T")?.time()?),
    })
}

fn bar(k: &Json<'_>) -> Result<Bar, Refusal> {
    Ok(Bar {
        symbol: k.need("s")?.name()?,
        open: k.need("o")?.px()?,
        high: k.need("h")?.px()?,
        low: k.need("l")?.px()?,
        close: k.need("c")?.px()?,
        volume: k.need("v")?.qty()?,
        start: k.need("t")?.time()?,
        closed: k.get("x").is_some_and(Json::is_true),
    })
}
