//! Binance and what speaks like it (Aster, Binance DEX): combined streams `{"stream", "data"}`, or the data alone.
//!
//! The books of live trading are read by `tidegate-normalise`; this reader takes every symbol, keeps decimals, and merges
//! book changes that came before their snapshot. Source: Binance websocket market streams, spot, USD-M and coin-M.

use crate::derivative::{Change, Derivatives};
use crate::fields::{optional, pairs_of};
use crate::held::{Held, StaleRule};
use crate::json::Json;
use crate::limits::SYMBOLS_MAX;
use crate::{Bar, Book, Dec, Dialect, Quiet, Quote, Record, Refusal, Side, Stop, Trade, bodies};
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
            ("bookTicker", _) | ("", "bookTicker") => out.push(Record::Quote(self.quote(data)?)),
            ("24hrTicker", _) => match self.market {
                Market::Spot => return Err(Quiet::NotCarried.into()),
                Market::Dex => out.push(Record::Quote(self.quote(data)?)),
                Market::Futures => {
                    let ts = Some(self.time(data.need("E")?)?);
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
                    funding_ts: funding.map(Json::millis).transpose()?,
                    ts: Some(self.time(data.need("E")?)?),
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
                    ts: data.get("time").map(Json::millis).transpose()?,
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
                out.push(Record::Quote(self.quote(data)?));
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

    /// Milliseconds; the decentralised exchange counts s in some fields and ns in others.
    fn time(&self, value: &Json<'_>) -> Result<EpochNs, Refusal> {
        if self.market == Market::Dex { value.time() } else { value.millis() }
    }

    fn quote(&self, data: &Json<'_>) -> Result<Quote, Refusal> {
        Ok(Quote {
            symbol: data.need("s")?.name()?,
            bid_px: optional(data, "b")?,
            bid_qty: optional(data, "B")?,
            ask_px: optional(data, "a")?,
            ask_qty: optional(data, "A")?,
            ts: data.get("E").map(|value| self.time(value)).transpose()?,
        })
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
            ts: Some(self.time(data.need("T")?)?),
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
            ts: Some(self.time(data.need("E")?)?),
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
            ts: data.get("T").map(Json::millis).transpose()?,
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
        // Events of the private stream come with the number of their subscription.
        if let Some(event) = message.get("event").filter(|event| event.is_obj()) {
            return self.event(event, "", out);
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
        if message.get("bids").is_some() && message.get("asks").is_some() {
            out.push(Record::Book(self.snapshot(symbol.to_string(), message)?));
            return Ok(());
        }
        if message.get("bidPrice").is_some() && message.get("weightedAvgPrice").is_none() {
            out.push(Record::Quote(Quote {
                symbol: message.need("symbol")?.name()?,
                bid_px: optional(message, "bidPrice")?,
                bid_qty: optional(message, "bidQty")?,
                ask_px: optional(message, "askPrice")?,
                ask_qty: optional(message, "askQty")?,
                ts: message.get("time").map(Json::millis).transpose()?,
            }));
            return Ok(());
        }
        if let Json::Arr(items) = message {
            for item in items {
                out.push(listed(symbol, item)?.ok_or_else(|| unread(message))?);
            }
            return Ok(());
        }
        Err(unread(message))
    }
}

fn unread(message: &Json<'_>) -> Stop {
    bodies::class(message).map_or(Stop::Refused(Refusal::UnknownEvent), Stop::Quiet)
}

/// An item of a list that was asked for: a bar, a print, or an aggregated print; none of them otherwise.
fn listed(symbol: &str, item: &Json<'_>) -> Result<Option<Record>, Refusal> {
    let maker = |key: &str| match item.get(key) {
        Some(Json::Bool(true)) => Some(Side::Sell),
        Some(Json::Bool(false)) => Some(Side::Buy),
        _ => None,
    };
    if let (Some(side), false) = (maker("isBuyerMaker"), item.get("orderId").is_some()) {
        return Ok(Some(Record::Trade(Trade {
            symbol: symbol.to_string(),
            id: Some(item.need("id")?.name()?),
            px: item.need("price")?.px()?,
            qty: item.need("qty")?.traded()?,
            side,
            ts: Some(item.need("time")?.millis()?),
        })));
    }
    if let (Some(side), true) = (maker("m"), item.get("a").is_some()) {
        return Ok(Some(Record::Trade(Trade {
            symbol: symbol.to_string(),
            id: Some(item.need("a")?.name()?),
            px: item.need("p")?.px()?,
            qty: item.need("q")?.traded()?,
            side,
            ts: Some(item.need("T")?.millis()?),
        })));
    }
    if item.at(6).is_some() {
        return Ok(Some(Record::Bar(Bar {
            symbol: symbol.to_string(),
            start: item.need_at(0)?.millis()?,
            open: item.need_at(1)?.px()?,
            high: item.need_at(2)?.px()?,
            low: item.need_at(3)?.px()?,
            close: item.need_at(4)?.px()?,
            volume: item.need_at(5)?.qty()?,
            closed: false,
        })));
    }
    Ok(None)
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

/// A liquidation order: its own price, and the size filled so far.
fn forced(order: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: order.need("s")?.name()?,
        id: None,
        px: order.need("p")?.px()?,
        qty: order.need("z")?.traded()?,
        side: order.need("S")?.side()?,
        ts: Some(order.need("T")?.millis()?),
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
        start: k.need("t")?.millis()?,
        closed: k.get("x").is_some_and(Json::is_true),
    })
}
