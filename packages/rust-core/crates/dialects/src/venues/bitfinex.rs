//! Bitfinex, websocket version 2: arrays on numbered channels.
//!
//! `[channel, payload, sequence?, time?]`, or `[channel, tag, payload, …]` for trades; sequence and time come with the
//! connection flags 65536 and 32768. Some recorders append the channel's name and symbol, which then need no
//! subscription message. Source: docs.bitfinex.com, `ws-public-*`.

use crate::dec::Dec;
use crate::derivative::{Change, Derivatives};
use crate::json::Json;
use crate::limits::{LEVELS_MAX, SYMBOLS_MAX};
use crate::{Book, Dialect, Level, Quiet, Quote, Record, Refusal, Side, Stop, Trade};
use std::collections::BTreeMap;
use tidegate_units::EpochNs;

/// Items of a trading pair's ticker; a funding currency's has more.
const TICKER_ITEMS_MAX: usize = 11;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Trades,
    Book,
    RawBook,
    Ticker,
    Status,
    Liquidations,
}

/// Reads one connection.
#[derive(Debug, Default)]
pub struct Bitfinex {
    channels: BTreeMap<u64, (Kind, String)>,
    derivatives: Derivatives,
    history: bool,
    sequence: Option<u64>,
}

impl Bitfinex {
    /// A reader that also gives out the latest trades which the venue sends once per subscription.
    pub fn with_history() -> Self {
        Self { history: true, ..Self::default() }
    }

    /// The connection's sequence number in the last message that had one: it counts every message, whatever its channel.
    pub const fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    fn event(&mut self, message: &Json<'_>) -> Result<Stop, Refusal> {
        match message.word("event") {
            "info" | "conf" | "pong" | "unsubscribed" => return Ok(Quiet::Control.into()),
            "error" => return Ok(Quiet::VenueError.into()),
            "subscribed" => {}
            _ => return Err(Refusal::UnknownEvent),
        }
        let kind = match (message.word("channel"), message.word("key")) {
            ("trades", _) => Kind::Trades,
            ("book", _) if message.word("prec").starts_with('R') => Kind::RawBook,
            ("book", _) => Kind::Book,
            ("ticker", _) => Kind::Ticker,
            ("status", key) if key.starts_with("liq:") => Kind::Liquidations,
            ("status", _) => Kind::Status,
            _ => return Ok(Quiet::NotCarried.into()),
        };
        let spelled =
            message.get("symbol").or_else(|| message.get("key")).ok_or(Refusal::MissingField)?.name()?;
        let symbol = spelled.strip_prefix("deriv:").unwrap_or(&spelled);
        let id = message.need("chanId")?.id()?;
        if !self.channels.contains_key(&id) && self.channels.len() >= SYMBOLS_MAX {
            return Err(Refusal::TooManySymbols);
        }
        self.channels.insert(id, (kind, symbol.strip_prefix('t').unwrap_or(symbol).to_string()));
        Ok(Quiet::Control.into())
    }
}

/// One array message, taken apart.
struct Parts<'m, 'a> {
    tag: Option<&'m str>,
    payload: Option<&'m Json<'a>>,
    sequence: Option<u64>,
    ts: Option<EpochNs>,
    named: Option<(Kind, String)>,
}

fn parts<'m, 'a>(items: &'m [Json<'a>]) -> Result<Parts<'m, 'a>, Refusal> {
    let (mut tag, mut payload, mut rest) = (None, None, items.get(1..).unwrap_or(&[]));
    if let Some((Json::Str(text), tail)) = rest.split_first() {
        tag = Some(text.as_ref());
        rest = tail;
    }
    if let Some((value @ Json::Arr(_), tail)) = rest.split_first() {
        payload = Some(value);
        rest = tail;
    }
    let sequence = match rest.first() {
        Some(number @ Json::Num(_)) => Some(number.id()?),
        _ => None,
    };
    let ts = match rest.get(1) {
        Some(number @ Json::Num(_)) => Some(number.time()?),
        _ => None,
    };
    let named = match rest {
        [.., Json::Str(name), symbol @ Json::Str(_)] => {
            let kind = match name.as_ref() {
                "trades" => Kind::Trades,
                "book" => Kind::Book,
                "raw_book" => Kind::RawBook,
                "ticker" => Kind::Ticker,
                "status" => Kind::Status,
                "liquidations" => Kind::Liquidations,
                _ => return Err(Refusal::UnknownEvent),
            };
            Some((kind, symbol.name()?))
        }
        _ => None,
    };
    Ok(Parts { tag, payload, sequence, ts, named })
}

impl Dialect for Bitfinex {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        let Json::Arr(items) = message else { return Err(self.event(message)?) };
        let channel = items.first().ok_or(Refusal::Malformed)?.id()?;
        let parts = parts(items)?;
        if parts.sequence.is_some() {
            self.sequence = parts.sequence;
        }
        if parts.tag == Some("hb") {
            return Err(Quiet::Control.into());
        }
        let (kind, symbol) = match parts.named {
            Some(named) => named,
            None => self.channels.get(&channel).cloned().ok_or(Refusal::UnknownChannel)?,
        };
        let payload = parts.payload.ok_or(Refusal::MissingField)?;
        match (kind, parts.tag) {
            (Kind::Trades, Some("te")) => out.push(Record::Trade(trade(&symbol, payload)?)),
            (Kind::Trades, Some("tu")) => return Err(Quiet::Repeat.into()),
            (Kind::Trades, Some("fte" | "ftu")) => return Err(Quiet::NotCarried.into()),
            (Kind::Trades, None) if self.history => {
                for print in payload.items()? {
                    out.push(Record::Trade(trade(&symbol, print)?));
                }
            }
            (Kind::Trades, None) => return Err(Quiet::History.into()),
            (Kind::Book, None) => out.push(Record::Book(book(symbol, payload, parts.sequence, parts.ts)?)),
            (Kind::RawBook, None) => return Err(Quiet::OtherChannel.into()),
            (Kind::Ticker, None) if symbol.starts_with('f') || payload.items()?.len() > TICKER_ITEMS_MAX => {
                return Err(Quiet::NotCarried.into());
            }
            (Kind::Ticker, None) => out.push(Record::Quote(Quote {
                symbol,
                bid_px: Some(payload.need_at(0)?.px()?),
                bid_qty: Some(payload.need_at(1)?.qty()?),
                ask_px: Some(payload.need_at(2)?.px()?),
                ask_qty: Some(payload.need_at(3)?.qty()?),
                ts: parts.ts,
            })),
            (Kind::Status, None) => {
                let change = status(payload, parts.ts)?;
                self.derivatives.change(&symbol, &change, out)?;
            }
            (Kind::Liquidations, None) => {
                for each in payload.items()? {
                    out.extend(liquidation(each)?.map(Record::Liquidation));
                }
            }
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }
}

/// `[id, time, amount, price]`; a negative amount is a sale.
fn trade(symbol: &str, print: &Json<'_>) -> Result<Trade, Refusal> {
    let amount = print.need_at(2)?.dec()?;
    if amount.is_zero() {
        return Err(Refusal::QtyNegOrZero);
    }
    Ok(Trade {
        symbol: symbol.to_string(),
        id: Some(print.need_at(0)?.name()?),
        ts: Some(print.need_at(1)?.time()?),
        qty: amount.abs(),
        side: if amount.is_negative() { Side::Sell } else { Side::Buy },
        px: print.need_at(3)?.px()?,
    })
}

/// One level or a list of them, `[price, count, amount]`: positive amounts are bids; a count of 0 removes the level.
fn book(
    symbol: String,
    payload: &Json<'_>,
    sequence: Option<u64>,
    ts: Option<EpochNs>,
) -> Result<Book, Refusal> {
    let items = payload.items()?;
    let snapshot = !matches!(items.first(), Some(Json::Num(_)));
    let mut book = Book { symbol, snapshot, ts, first_id: sequence, last_id: sequence, ..Book::default() };
    if items.len() > LEVELS_MAX {
        return Err(Refusal::TooManyLevels);
    }
    for level in if snapshot { items } else { std::slice::from_ref(payload) } {
        let amount = level.need_at(2)?.dec()?;
        let qty = if level.need_at(1)?.id()? == 0 { Dec::ZERO } else { amount.abs() };
        let side = if amount.is_negative() { &mut book.asks } else { &mut book.bids };
        side.push(Level { px: level.need_at(0)?.px()?, qty });
    }
    Ok(book)
}

/// Derivatives status: last, spot, next funding time, its rate so far, current rate, mark, open interest.
fn status(payload: &Json<'_>, ts: Option<EpochNs>) -> Result<Change, Refusal> {
    let dec = |index: usize| payload.at(index).map(Json::dec).transpose();
    Ok(Change {
        last_px: dec(2)?,
        index_px: dec(3)?,
        funding_ts: payload.at(7).map(Json::time).transpose()?,
        predicted_funding_rate: dec(8)?,
        funding_rate: dec(11)?,
        mark_px: dec(14)?,
        open_interest: dec(17)?,
        ts: match ts {
            Some(ts) => Some(ts),
            None => Some(payload.need_at(0)?.time()?),
        },
    })
}

/// `["pos", id, time, _, symbol, amount, price, _, match, …]`; the entry with match 1 repeats one with match 0.
fn liquidation(entry: &Json<'_>) -> Result<Option<Trade>, Refusal> {
    if entry.need_at(8)?.id()? == 1 {
        return Ok(None);
    }
    let amount = entry.need_at(5)?.dec()?;
    if amount.is_zero() {
        return Err(Refusal::QtyNegOrZero);
    }
    let symbol = entry.need_at(4)?.name()?;
    Ok(Some(Trade {
        symbol: symbol.strip_prefix('t').unwrap_or(&symbol).to_string(),
        id: Some(entry.need_at(1)?.name()?),
        ts: Some(entry.need_at(2)?.time()?),
        qty: amount.abs(),
        // A long position is closed by a sale.
        side: if amount.is_negative() { Side::Buy } else { Side::Sell },
        px: entry.need_at(6)?.px()?,
    }))
}
