//! Huobi (HTX): spot, delivery futures, swaps and options, `{"ch", "tick"}` and `{"op": "notify"}`.
//!
//! Liquidations of delivery futures name the contract by its date; the market channels by its term (`BTC_CW`), so the
//! venue's contract list is kept. Source: Huobi websocket market data documentation.

use crate::derivative::{Change, Derivatives};
use crate::fields::{optional, pairs_of};
use crate::held::{Held, StaleRule};
use crate::json::Json;
use crate::limits::SYMBOLS_MAX;
use crate::{Book, Dialect, Level, Quiet, Quote, Record, Refusal, Side, Stop, Trade};
use std::collections::BTreeMap;
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug)]
pub struct Huobi {
    /// Spot books from `mbp` instead of `depth`.
    pub mbp: bool,
    /// Open interest is of options, which is not carried.
    pub options: bool,
    /// Contracts are called by their term, as of delivery futures.
    pub terms: bool,
    held: Held,
    derivatives: Derivatives,
    /// `BTC200925` to `BTC_CQ`.
    contracts: BTreeMap<String, String>,
}

impl Default for Huobi {
    fn default() -> Self {
        Self {
            mbp: false,
            options: false,
            terms: false,
            held: Held::new(StaleRule::AtOrBelow),
            derivatives: Derivatives::default(),
            contracts: BTreeMap::new(),
        }
    }
}

impl Dialect for Huobi {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        if let Some(channel) = message.get("ch").and_then(Json::str) {
            return self.market(channel, message, out);
        }
        if message.word("op") == "notify" {
            return self.notify(message, out);
        }
        if let (Some(channel), Some(data)) = (message.get("rep").and_then(Json::str), message.get("data")) {
            if !channel.contains(".mbp.") || !self.mbp {
                return Err(Quiet::OtherChannel.into());
            }
            let book = mbp(symbol_of(channel)?, message, data, true)?;
            out.push(Record::Book(self.held.snapshot(book)?));
            return Ok(());
        }
        if message.word("status") == "error"
            || message.get("err-code").is_some_and(|code| *code != Json::Num("0"))
        {
            return Err(Quiet::VenueError.into());
        }
        if ["subbed", "unsubbed", "ping", "op"].iter().any(|key| message.get(key).is_some()) {
            return Err(Quiet::Control.into());
        }
        Err(Refusal::UnknownEvent.into())
    }
}

impl Huobi {
    fn market(&mut self, channel: &str, message: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Stop> {
        let symbol = symbol_of(channel)?;
        let mut parts = channel.split('.').skip(2);
        let (kind, detail) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let tick = message.get("tick");
        match kind {
            "trade" => {
                for print in tick.ok_or(Refusal::MissingField)?.need("data")?.items()? {
                    out.push(Record::Trade(trade(&symbol, print)?));
                }
            }
            "depth" => {
                let tick = tick.ok_or(Refusal::MissingField)?;
                // The high-frequency channel says in the tick, the stepped one beside it, whether it is a change.
                let update =
                    tick.word("event") == "update" || message.get("update").is_some_and(Json::is_true);
                let book = Book {
                    symbol,
                    snapshot: !update,
                    bids: pairs_of(tick, "bids")?,
                    asks: pairs_of(tick, "asks")?,
                    ts: Some(message.need("ts")?.time()?),
                    last_id: tick.get("version").map(Json::id).transpose()?,
                    ..Book::default()
                };
                if book.bids.is_empty() && book.asks.is_empty() {
                    return Err(Quiet::NoChange.into());
                }
                out.push(Record::Book(book));
            }
            "mbp" if !self.mbp => return Err(Quiet::OtherChannel.into()),
            "mbp" => {
                let book = mbp(symbol, message, tick.ok_or(Refusal::MissingField)?, false)?;
                out.push(Record::Book(self.held.change(book)?));
            }
            "bbo" => out.push(Record::Quote(quote(symbol, tick.ok_or(Refusal::MissingField)?)?)),
            "basis" => {
                let tick = tick.ok_or(Refusal::MissingField)?;
                let change = Change {
                    last_px: optional(tick, "contract_price")?,
                    index_px: optional(tick, "index_price")?,
                    ts: Some(message.need("ts")?.time()?),
                    ..Change::default()
                };
                self.derivatives.change(&symbol, &change, out)?;
            }
            "open_interest" if self.options => return Err(Quiet::NotCarried.into()),
            "open_interest" => {
                let ts = Some(message.need("ts")?.time()?);
                for item in message.need("data")?.items()? {
                    let change = Change { open_interest: optional(item, "volume")?, ts, ..Change::default() };
                    self.derivatives.change(&symbol, &change, out)?;
                }
            }
            "detail"
            | "kline"
            | "option_index"
            | "option_market_index"
            | "estimated_rate"
            | "premium_index"
            | "index" => {
                return Err(Quiet::NotCarried.into());
            }
            _ => {
                let _ = detail;
                return Err(Refusal::UnknownEvent.into());
            }
        }
        Ok(())
    }

    /// `public.<symbol>.<subject>`.
    fn notify(&mut self, message: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Stop> {
        let topic = message.word("topic");
        let data = message.need("data")?.items()?;
        match topic.rsplit('.').next().unwrap_or("") {
            "liquidation_orders" => {
                for item in data {
                    let code = item.need("contract_code")?.name()?;
                    let symbol = if self.terms {
                        self.contracts.get(&code).cloned().ok_or(Quiet::UnknownContract)?
                    } else {
                        code
                    };
                    out.push(Record::Liquidation(Trade {
                        symbol,
                        id: None,
                        px: item.need("price")?.px()?,
                        qty: item.need("volume")?.traded()?,
                        side: item.need("direction")?.side()?,
                        ts: Some(item.need("created_at")?.time()?),
                    }));
                }
            }
            "contract_info" => {
                for item in data {
                    self.contract(item)?;
                }
                return Err(Quiet::Reference.into());
            }
            "funding_rate" => {
                let ts = Some(message.need("ts")?.time()?);
                for item in data {
                    let change = Change {
                        funding_rate: optional(item, "funding_rate")?,
                        predicted_funding_rate: optional(item, "estimated_rate")?,
                        funding_ts: item.get("settlement_time").map(Json::time).transpose()?,
                        ts,
                        ..Change::default()
                    };
                    self.derivatives.change(&item.need("contract_code")?.name()?, &change, out)?;
                }
            }
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }

    fn contract(&mut self, item: &Json<'_>) -> Result<(), Refusal> {
        let term = match item.word("contract_type") {
            "this_week" => "CW",
            "next_week" => "NW",
            "quarter" => "CQ",
            "next_quarter" => "NQ",
            _ => return Ok(()),
        };
        let code = item.need("contract_code")?.name()?;
        if !self.contracts.contains_key(&code) && self.contracts.len() >= SYMBOLS_MAX {
            return Err(Refusal::TooManySymbols);
        }
        self.contracts.insert(code, format!("{}_{term}", item.need("symbol")?.name()?));
        Ok(())
    }
}

/// The second part of `market.<symbol>.<kind>`.
fn symbol_of(channel: &str) -> Result<String, Refusal> {
    let symbol = channel.split('.').nth(1).unwrap_or("");
    if symbol.is_empty() { Err(Refusal::Malformed) } else { Ok(symbol.to_string()) }
}

fn trade(symbol: &str, print: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: symbol.to_string(),
        // The older `id` of spot prints does not fit a number of 64 bits.
        id: Some(print.get("tradeId").map_or_else(|| print.need("id"), Ok)?.name()?),
        px: print.need("price")?.px()?,
        qty: print.need("amount")?.traded()?,
        side: match print.need("direction")? {
            text if text.str() == Some("") => Side::Unknown,
            text => text.side()?,
        },
        ts: Some(print.need("ts")?.time()?),
    })
}

fn mbp(symbol: String, message: &Json<'_>, data: &Json<'_>, snapshot: bool) -> Result<Book, Refusal> {
    Ok(Book {
        symbol,
        snapshot,
        bids: pairs_of(data, "bids")?,
        asks: pairs_of(data, "asks")?,
        ts: Some(message.need("ts")?.time()?),
        last_id: Some(data.need("seqNum")?.id()?),
        prev_id: data.get("prevSeqNum").map(Json::id).transpose()?,
        ..Book::default()
    })
}

/// Spot spells the sides out (`bid`, `bidSize`), contracts send them as `[px, qty]`.
fn quote(symbol: String, tick: &Json<'_>) -> Result<Quote, Refusal> {
    let side = |key: &str, size: &str| -> Result<Option<Level>, Refusal> {
        match tick.get(key) {
            None => Ok(None),
            Some(pair @ Json::Arr(_)) => {
                Ok(Some(Level { px: pair.need_at(0)?.px()?, qty: pair.need_at(1)?.qty()? }))
            }
            Some(px) => Ok(Some(Level { px: px.px()?, qty: tick.need(size)?.qty()? })),
        }
    };
    let (bid, ask) = (side("bid", "bidSize")?, side("ask", "askSize")?);
    Ok(Quote {
        symbol,
        bid_px: bid.map(|l| l.px),
        bid_qty: bid.map(|l| l.qty),
        ask_px: ask.map(|l| l.px),
        ask_qty: ask.map(|l| l.qty),
        ts: Some(tick.get("quoteTime").map_or_else(|| tick.need("ts"), Ok)?.time()?),
    })
}
