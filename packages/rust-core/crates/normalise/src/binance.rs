//! Binance spot and USD-M: depth diffs, REST depth snapshots, best bid and offer, trades; bare or in a combined-stream envelope.

use crate::limits::{LEVELS_MAX, MESSAGE_BYTES_MAX, TIME_MS_MAX};
use crate::{BookTicker, DepthDiff, Event, Level, Refusal, RefusalCounts, Snapshot, SymbolSpec, Trade};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use std::fmt;
use tidegate_units::{DecimalFault, EpochNs, PxTicks, QtyLots, Side, parse_decimal};

/// Which of the two dialects a message is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Market {
    /// Update ids run on without a hole; best bid and offer have no event name and no time.
    Spot,
    /// Each diff names the last id of the one before (`pu`).
    UsdM,
}

/// The levels of one side, still as text. Reading stops with an error past the bound, before memory is spent.
struct RawLevels<'a>(Vec<(&'a str, &'a str)>);

const TOO_MANY: &str = "too many levels";

struct LevelsVisitor;

impl<'de> Visitor<'de> for LevelsVisitor {
    type Value = RawLevels<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of [price, quantity]")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut levels = Vec::new();
        while let Some(level) = seq.next_element::<(&'de str, &'de str)>()? {
            if levels.len() == LEVELS_MAX {
                return Err(A::Error::custom(TOO_MANY));
            }
            levels.push(level);
        }
        Ok(RawLevels(levels))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawLevels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(LevelsVisitor)
    }
}

/// A field whose type depends on the event: `b` is levels in a diff, a price in a ticker, an order id in an old trade.
enum Field<'a> {
    Text(&'a str),
    Levels(RawLevels<'a>),
    Other,
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("levels, a price or an id")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(text))
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        LevelsVisitor.visit_seq(seq).map(Field::Levels)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

/// Every field of every event, borrowed; unknown ones are skipped.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    e: Option<&'a str>,
    #[serde(rename = "E")]
    event_time: Option<i64>,
    #[serde(rename = "T")]
    transaction_time: Option<i64>,
    s: Option<&'a str>,
    #[serde(rename = "U")]
    first_id: Option<u64>,
    u: Option<u64>,
    pu: Option<u64>,
    #[serde(borrow)]
    b: Option<Field<'a>>,
    #[serde(borrow)]
    a: Option<Field<'a>>,
    #[serde(rename = "B")]
    bid_qty: Option<&'a str>,
    #[serde(rename = "A")]
    ask_qty: Option<&'a str>,
    t: Option<u64>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    m: Option<bool>,
    #[serde(rename = "X")]
    trade_kind: Option<&'a str>,
    #[serde(rename = "lastUpdateId")]
    snapshot_id: Option<u64>,
    #[serde(borrow)]
    bids: Option<RawLevels<'a>>,
    #[serde(borrow)]
    asks: Option<RawLevels<'a>>,
    id: Option<u64>,
    stream: Option<&'a str>,
    #[serde(borrow)]
    data: Option<Box<Raw<'a>>>,
}

fn need<T>(field: Option<T>) -> Result<T, Refusal> {
    field.ok_or(Refusal::MissingField)
}

fn time_ns(ms: i64) -> Result<EpochNs, Refusal> {
    if (0..=TIME_MS_MAX).contains(&ms) { Ok(EpochNs(ms * 1_000_000)) } else { Err(Refusal::BadTime) }
}

/// The normaliser of one symbol of one market, and its counters.
#[derive(Debug, Clone)]
pub struct Binance {
    market: Market,
    spec: SymbolSpec,
    refused: RefusalCounts,
    accepted: u64,
    dust: u64,
}

impl Binance {
    /// A normaliser for one symbol.
    pub fn new(market: Market, spec: SymbolSpec) -> Self {
        Self { market, spec, refused: RefusalCounts::default(), accepted: 0, dust: 0 }
    }

    /// The dialect it reads.
    pub fn market(&self) -> Market {
        self.market
    }

    /// The units it counts in.
    pub fn spec(&self) -> &SymbolSpec {
        &self.spec
    }

    /// What was refused so far, by reason.
    pub fn refused(&self) -> &RefusalCounts {
        &self.refused
    }

    /// Messages that gave an event.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Level sizes that held a part of a lot, cut off: orders from before the venue coarsened its lots still rest.
    pub fn dust(&self) -> u64 {
        self.dust
    }

    /// Reads one message.
    ///
    /// Shape   the JSON alone, without a capture's receive time before it
    /// Units   px in ticks, qty in lots, time in ns since the Unix epoch (venue clock)
    ///
    /// # Errors
    /// A named refusal, counted; the message has had no effect.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<Event, Refusal> {
        let result = self.read(bytes);
        match &result {
            Ok(_) => self.accepted += 1,
            Err(refusal) => self.refused.add(*refusal),
        }
        result
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Event, Refusal> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Refusal::Oversize);
        }
        let raw: Raw<'_> = serde_json::from_slice(bytes).map_err(|error| {
            if error.to_string().starts_with(TOO_MANY) { Refusal::TooManyLevels } else { Refusal::Malformed }
        })?;
        match raw.data {
            Some(inner) if raw.stream.is_some() && inner.data.is_none() => self.event(*inner),
            Some(_) => Err(Refusal::Malformed),
            None => self.event(raw),
        }
    }

    fn event(&mut self, raw: Raw<'_>) -> Result<Event, Refusal> {
        match raw.e {
            Some("depthUpdate") => self.depth(raw),
            Some("trade") => self.trade(raw),
            Some("bookTicker") => self.ticker(raw),
            Some("serverShutdown") => Ok(Event::ServerShutdown),
            Some(_) => Err(Refusal::UnknownEvent),
            None if raw.snapshot_id.is_some() => self.snapshot(raw),
            None if raw.u.is_some() && raw.bid_qty.is_some() => self.ticker(raw),
            None if raw.id.is_some() => Ok(Event::Ack),
            None => Err(Refusal::UnknownEvent),
        }
    }

    fn symbol(&self, symbol: Option<&str>) -> Result<(), Refusal> {
        if need(symbol)? == self.spec.symbol { Ok(()) } else { Err(Refusal::WrongSymbol) }
    }

    fn px(&self, text: &str) -> Result<PxTicks, Refusal> {
        match parse_decimal(text.as_bytes(), self.spec.px_scale, self.spec.px_unit) {
            Ok(px) if px > 0 => Ok(PxTicks(px)),
            Ok(_) => Err(Refusal::PxZeroOrNeg),
            Err(DecimalFault::OffUnit) => Err(Refusal::PxOffTick),
            Err(DecimalFault::Overflow) => Err(Refusal::Overflow),
            Err(DecimalFault::Malformed) => Err(Refusal::BadDecimal),
        }
    }

    fn qty(&self, text: &str) -> Result<QtyLots, Refusal> {
        match parse_decimal(text.as_bytes(), self.spec.qty_scale, self.spec.qty_unit) {
            Ok(qty) if qty >= 0 => Ok(QtyLots(qty)),
            Ok(_) => Err(Refusal::QtyNegOrZero),
            Err(DecimalFault::OffUnit) => Err(Refusal::QtyOffLot),
            Err(DecimalFault::Overflow) => Err(Refusal::Overflow),
            Err(DecimalFault::Malformed) => Err(Refusal::BadDecimal),
        }
    }

    /// The size of a level in whole lots. The part below a lot cannot be traded and is cut off, counted.
    fn level_qty(&mut self, text: &str) -> Result<QtyLots, Refusal> {
        match self.qty(text) {
            Err(Refusal::QtyOffLot) => {}
            exact => return exact,
        }
        let end = text.find('.').map_or(text.len(), |dot| dot + 1 + self.spec.qty_scale as usize);
        let cut = text.get(..end.min(text.len())).unwrap_or(text).trim_end_matches('.');
        match parse_decimal(cut.as_bytes(), self.spec.qty_scale, 1) {
            Ok(units) if units >= 0 && !text.starts_with('-') => {
                self.dust += 1;
                Ok(QtyLots(units / self.spec.qty_unit.max(1)))
            }
            Ok(_) => Err(Refusal::QtyNegOrZero),
            Err(DecimalFault::Overflow) => Err(Refusal::Overflow),
            Err(_) => Err(Refusal::BadDecimal),
        }
    }

    fn levels(&mut self, raw: Option<RawLevels<'_>>) -> Result<Vec<Level>, Refusal> {
        let raw = need(raw)?.0.into_iter();
        raw.map(|(px, qty)| Ok(Level { px: self.px(px)?, qty: self.level_qty(qty)? })).collect()
    }

    fn field_levels(&mut self, field: Option<Field<'_>>) -> Result<Vec<Level>, Refusal> {
        match need(field)? {
            Field::Levels(levels) => self.levels(Some(levels)),
            Field::Text(_) | Field::Other => Err(Refusal::Malformed),
        }
    }

    fn depth(&mut self, raw: Raw<'_>) -> Result<Event, Refusal> {
        self.symbol(raw.s)?;
        let (first_id, last_id) = (need(raw.first_id)?, need(raw.u)?);
        if first_id > last_id || (self.market == Market::UsdM) != raw.pu.is_some() {
            return Err(Refusal::BadSequence);
        }
        Ok(Event::Depth(DepthDiff {
            first_id,
            last_id,
            prev_id: raw.pu,
            ts_venue: time_ns(need(raw.event_time)?)?,
            bids: self.field_levels(raw.b)?,
            asks: self.field_levels(raw.a)?,
        }))
    }

    fn snapshot(&mut self, raw: Raw<'_>) -> Result<Event, Refusal> {
        Ok(Event::Snapshot(Snapshot {
            last_id: need(raw.snapshot_id)?,
            ts_venue: time_ns(raw.event_time.unwrap_or(0))?,
            bids: self.levels(raw.bids)?,
            asks: self.levels(raw.asks)?,
        }))
    }

    /// An empty side comes as zeros; its price is not read then.
    fn best(&mut self, px: Option<Field<'_>>, qty: Option<&str>) -> Result<Level, Refusal> {
        let qty = self.level_qty(need(qty)?)?;
        let Field::Text(px) = need(px)? else { return Err(Refusal::Malformed) };
        Ok(Level { px: if qty.0 == 0 { PxTicks(0) } else { self.px(px)? }, qty })
    }

    fn ticker(&mut self, raw: Raw<'_>) -> Result<Event, Refusal> {
        self.symbol(raw.s)?;
        Ok(Event::Ticker(BookTicker {
            update_id: need(raw.u)?,
            ts_venue: time_ns(raw.event_time.unwrap_or(0))?,
            bid: self.best(raw.b, raw.bid_qty)?,
            ask: self.best(raw.a, raw.ask_qty)?,
        }))
    }

    fn trade(&self, raw: Raw<'_>) -> Result<Event, Refusal> {
        self.symbol(raw.s)?;
        if raw.trade_kind.is_some_and(|kind| kind != "MARKET") {
            return Err(Refusal::NonMarketTrade);
        }
        let qty = self.qty(need(raw.q)?)?;
        if qty.0 == 0 {
            return Err(Refusal::QtyNegOrZero);
        }
        // `m` says that the buyer was the maker, so the seller came in.
        let aggressor = if need(raw.m)? { Side::Sell } else { Side::Buy };
        let time = need(raw.transaction_time.or(raw.event_time))?;
        Ok(Event::Trade(Trade {
            trade_id: need(raw.t)?,
            px: self.px(need(raw.p)?)?,
            qty,
            aggressor,
            ts_venue: time_ns(time)?,
        }))
    }
}
