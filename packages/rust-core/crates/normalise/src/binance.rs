//! Binance spot, USD-M and coin-M: depth diffs, REST depth snapshots, best bid and offer, trades; bare or in a combined-stream
//! envelope.
//!
//! Every rule stands here, on a message whose fields lie before us as text. What the venue sends nearly always, in its own order
//! and with nothing remarkable, is read by `binance_fast` in one pass; it gives the same or steps aside.
//!
//! Source: binance-spot-api-docs and the USD-M and coin-M websocket pages, as of 2026-07.

use crate::binance_fast::{Fast, fast};
use crate::json::{self, Value};
use crate::limits::{LEVELS_MAX, MESSAGE_BYTES_MAX, SYMBOLS_MAX, TIME_MS_MAX};
use crate::raw::{self, Fields, Keys, need};
use crate::status::{Code, TradingState, TradingStatus};
use crate::{BookTicker, DepthDiff, Event, Level, Refusal, RefusalCounts, Snapshot, SymbolSpec, Trade};
use std::borrow::Cow;
use tidegate_units::{DecimalFault, EpochNs, PxTicks, QtyLots, Side, parse_decimal_down};

/// Which of the three dialects a message is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Market {
    /// Update ids run on without a hole; best bid and offer have no event name and no time.
    Spot,
    /// Each diff names the last id of the one before (`pu`).
    UsdM,
    /// As USD-M; messages also name their pair (`ps`).
    CoinM,
}

impl Market {
    /// Whether diffs name the one before.
    pub const fn chained(self) -> bool {
        !matches!(self, Self::Spot)
    }
}

/// The unit of the venue's stamps; a stream asked for with `timeUnit=MICROSECOND` has the finer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    Millis,
    Micros,
}

impl TimeUnit {
    fn ns(self) -> i64 {
        match self {
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
        }
    }

    /// A stamp in ns, refused where it cannot be one of this unit: in millis a stamp in micros lies beyond the year 2100, in
    /// micros one in millis before 1971.
    pub(crate) fn time(self, stamp: i64) -> Result<EpochNs, Refusal> {
        let (min, max) = match self {
            Self::Millis => (0, TIME_MS_MAX),
            Self::Micros => (TIME_MS_MAX * 8, TIME_MS_MAX * 1_000),
        };
        if stamp == 0 || (min..=max).contains(&stamp) {
            Ok(EpochNs(stamp * self.ns()))
        } else {
            Err(Refusal::BadTime)
        }
    }
}

/// What one message said, its levels in the reader's scratch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said {
    Depth { first_id: u64, last_id: u64, prev_id: Option<u64>, ts_venue: EpochNs },
    Snapshot { last_id: u64, ts_venue: EpochNs },
    Ticker(BookTicker),
    Trade(Trade),
    Status { ts_venue: EpochNs, status: TradingStatus },
    Ack,
    VenueError { code: i32 },
    ServerShutdown,
}

/// The normaliser of some symbols of one market, and its counters.
#[derive(Debug, Clone)]
pub struct Binance {
    market: Market,
    time_unit: TimeUnit,
    specs: Vec<SymbolSpec>,
    pub(crate) bids: Vec<Level>,
    pub(crate) asks: Vec<Level>,
    refused: RefusalCounts,
    accepted: u64,
    dust: u64,
}

/// The fields of one event, as text. `b` and `a` are levels in a diff, a price in a ticker, an order id in an old trade.
type Raw<'a> = Fields<'a, 25>;

static KEYS: Keys<25> = Keys::of([
    b"e",
    b"E",
    b"T",
    b"s",
    b"U",
    b"u",
    b"pu",
    b"b",
    b"a",
    b"B",
    b"A",
    b"t",
    b"p",
    b"q",
    b"m",
    b"X",
    b"lastUpdateId",
    b"bids",
    b"asks",
    b"id",
    b"stream",
    b"data",
    b"cs",
    b"error",
    b"code",
]);
static ERROR_KEYS: Keys<1> = Keys::of([b"code"]);

impl Binance {
    /// A normaliser for one symbol.
    pub fn new(market: Market, spec: SymbolSpec) -> Self {
        Self::of(market, vec![spec])
    }

    /// A normaliser for several symbols; an event's symbol is its place in `specs`. Past [`SYMBOLS_MAX`] the rest is left out,
    /// and its messages are refused as of a wrong symbol.
    pub fn of(market: Market, mut specs: Vec<SymbolSpec>) -> Self {
        specs.truncate(SYMBOLS_MAX);
        Self {
            market,
            time_unit: TimeUnit::Millis,
            specs,
            bids: Vec::with_capacity(LEVELS_MAX),
            asks: Vec::with_capacity(LEVELS_MAX),
            refused: RefusalCounts::default(),
            accepted: 0,
            dust: 0,
        }
    }

    /// The same for a stream asked for with another time unit.
    #[must_use]
    pub fn with_time_unit(mut self, unit: TimeUnit) -> Self {
        self.time_unit = unit;
        self
    }

    /// The dialect it reads.
    pub fn market(&self) -> Market {
        self.market
    }

    /// The symbols and the units they are counted in.
    pub fn specs(&self) -> &[SymbolSpec] {
        &self.specs
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

    /// Reads one message and hands its event, if it has one, to `sink` with the place of its symbol.
    ///
    /// Shape   the JSON alone, without a capture's receive time before it
    /// Units   px in ticks, qty in lots, time in ns since the Unix epoch (venue clock)
    ///
    /// # Errors
    /// A named refusal, counted; the message has had no effect.
    pub fn parse(&mut self, bytes: &[u8], sink: &mut impl FnMut(usize, Event<'_>)) -> Result<u32, Refusal> {
        let (symbol, event) = self.read(bytes)?;
        sink(symbol, event);
        Ok(1)
    }

    /// Reads one message. A REST snapshot names no symbol and is taken for the only one.
    ///
    /// Shape, units and errors as [`Self::parse`].
    ///
    /// # Errors
    /// A named refusal, counted; the message has had no effect.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(usize, Event<'_>), Refusal> {
        let said = self.said(bytes, None);
        self.counted(said)
    }

    /// Reads the body of a REST depth answer for the symbol at `symbol`.
    ///
    /// # Errors
    /// A named refusal, counted; `UNKNOWN_EVENT` for any other message.
    pub fn read_snapshot(&mut self, symbol: usize, bytes: &[u8]) -> Result<Event<'_>, Refusal> {
        let said = match self.said(bytes, Some(symbol)) {
            Ok((_, Said::Snapshot { .. })) | Err(_) if symbol >= self.specs.len() => {
                Err(Refusal::WrongSymbol)
            }
            Ok((_, said @ Said::Snapshot { .. })) => Ok((symbol, said)),
            Ok(_) => Err(Refusal::UnknownEvent),
            Err(refusal) => Err(refusal),
        };
        self.counted(said).map(|(_, event)| event)
    }

    fn counted(&mut self, said: Result<(usize, Said), Refusal>) -> Result<(usize, Event<'_>), Refusal> {
        match said {
            Ok((symbol, said)) => {
                self.accepted += 1;
                let (bids, asks) = (Cow::Borrowed(&self.bids[..]), Cow::Borrowed(&self.asks[..]));
                let event = match said {
                    Said::Depth { first_id, last_id, prev_id, ts_venue } => {
                        Event::Depth(DepthDiff { first_id, last_id, prev_id, ts_venue, bids, asks })
                    }
                    Said::Snapshot { last_id, ts_venue } => {
                        Event::Snapshot(Snapshot { last_id, ts_venue, bids, asks })
                    }
                    Said::Ticker(ticker) => Event::Ticker(ticker),
                    Said::Trade(trade) => Event::Trade(trade),
                    Said::Status { ts_venue, status } => {
                        let trading = status.state == TradingState::Trading;
                        Event::TradingStatus { trading, ts_venue, status }
                    }
                    Said::Ack => Event::Ack,
                    Said::VenueError { code } => Event::VenueError { code },
                    Said::ServerShutdown => Event::ServerShutdown,
                };
                Ok((symbol, event))
            }
            Err(refusal) => {
                self.refused.add(refusal);
                Err(refusal)
            }
        }
    }

    fn said(&mut self, bytes: &[u8], snapshot_of: Option<usize>) -> Result<(usize, Said), Refusal> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Refusal::Oversize);
        }
        let Self { market, time_unit, specs, bids, asks, .. } = self;
        let taken = fast(bytes, &mut Fast { market: *market, time_unit: *time_unit, specs, bids, asks });
        match taken {
            Some(said) => Ok(said),
            None => self.exact(bytes, snapshot_of),
        }
    }

    fn exact(&mut self, bytes: &[u8], snapshot_of: Option<usize>) -> Result<(usize, Said), Refusal> {
        let dust = self.dust;
        let said = self.enveloped(bytes, snapshot_of);
        if said.is_err() {
            self.dust = dust;
        }
        said
    }

    fn enveloped(&mut self, bytes: &[u8], snapshot_of: Option<usize>) -> Result<(usize, Said), Refusal> {
        let raw = Raw::of(&KEYS, bytes)?;
        let stream = raw.text(b"stream")?;
        match raw.get(b"data") {
            Some(Value::Object(inner)) if stream.is_some() => {
                let inner = Raw::of(&KEYS, inner)?;
                if inner.get(b"data").is_some() {
                    return Err(Refusal::Malformed);
                }
                self.event(&inner, snapshot_of)
            }
            Some(_) => Err(Refusal::Malformed),
            None => self.event(&raw, snapshot_of),
        }
    }

    fn event(&mut self, raw: &Raw<'_>, snapshot_of: Option<usize>) -> Result<(usize, Said), Refusal> {
        match raw.text(b"e")? {
            Some(b"depthUpdate") => self.depth(raw),
            Some(b"trade") => self.trade(raw),
            Some(b"bookTicker") => self.ticker(raw),
            Some(b"contractInfo") => self.status(raw),
            Some(b"serverShutdown") => Ok((0, Said::ServerShutdown)),
            Some(_) => Err(Refusal::UnknownEvent),
            None if raw.get(b"lastUpdateId").is_some() => self.snapshot(raw, snapshot_of),
            None if raw.get(b"u").is_some() && raw.get(b"B").is_some() => self.ticker(raw),
            None if raw.get(b"id").is_some() => answer(raw).map(|said| (0, said)),
            None => Err(Refusal::UnknownEvent),
        }
    }

    fn symbol(&self, raw: &Raw<'_>) -> Result<usize, Refusal> {
        let symbol = need(raw.text(b"s")?)?;
        self.specs.iter().position(|spec| spec.symbol.as_bytes() == symbol).ok_or(Refusal::WrongSymbol)
    }

    fn time(&self, stamp: Option<i64>) -> Result<EpochNs, Refusal> {
        self.time_unit.time(need(stamp)?)
    }

    fn spec(&self, symbol: usize) -> Result<&SymbolSpec, Refusal> {
        self.specs.get(symbol).ok_or(Refusal::WrongSymbol)
    }

    fn px(&self, symbol: usize, text: &[u8]) -> Result<PxTicks, Refusal> {
        raw::px(self.spec(symbol)?, text)
    }

    fn qty(&self, symbol: usize, text: &[u8]) -> Result<QtyLots, Refusal> {
        raw::qty(self.spec(symbol)?, text)
    }

    /// The size of a level in whole lots. The part below a lot cannot be traded and is cut off, counted.
    fn level_qty(&mut self, symbol: usize, text: &[u8]) -> Result<QtyLots, Refusal> {
        match self.qty(symbol, text) {
            Err(Refusal::QtyOffLot) => {}
            exact => return exact,
        }
        let (scale, unit) = self.spec(symbol).map(|spec| (spec.qty_scale, spec.qty_unit.max(1)))?;
        match parse_decimal_down(text, scale, unit) {
            Ok((lots, _)) => {
                self.dust += 1;
                Ok(QtyLots(lots))
            }
            Err(DecimalFault::OffUnit) => Err(Refusal::QtyNegOrZero),
            Err(DecimalFault::Overflow) => Err(Refusal::Overflow),
            Err(DecimalFault::Malformed) => Err(Refusal::BadDecimal),
        }
    }

    fn levels(&mut self, symbol: usize, field: Option<Value<'_>>, side: Side) -> Result<(), Refusal> {
        let Value::Array(text) = need(field)? else { return Err(Refusal::Malformed) };
        let mut taken = std::mem::take(match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        });
        taken.clear();
        let read = json::array(text, |level| {
            if taken.len() == LEVELS_MAX {
                return Err(Refusal::TooManyLevels);
            }
            let Value::Array(pair) = level else { return Err(Refusal::Malformed) };
            let mut parts = [None; 2];
            let mut count = 0;
            json::array(pair, |part| match (parts.get_mut(count), part) {
                (Some(slot), Value::Text { text, escaped: false }) => {
                    *slot = Some(text);
                    count += 1;
                    Ok(())
                }
                _ => Err(Refusal::Malformed),
            })?;
            let [Some(px), Some(qty)] = parts else { return Err(Refusal::Malformed) };
            taken.push(Level { px: self.px(symbol, px)?, qty: self.level_qty(symbol, qty)? });
            Ok(())
        });
        match side {
            Side::Buy => self.bids = taken,
            Side::Sell => self.asks = taken,
        }
        read
    }

    fn depth(&mut self, raw: &Raw<'_>) -> Result<(usize, Said), Refusal> {
        let symbol = self.symbol(raw)?;
        let (first_id, last_id) = (need(raw.int(b"U")?)?, need(raw.int(b"u")?)?);
        let prev_id: Option<u64> = raw.int(b"pu")?;
        if first_id > last_id || self.market.chained() != prev_id.is_some() {
            return Err(Refusal::BadSequence);
        }
        let ts_venue = self.time(raw.int(b"E")?)?;
        self.levels(symbol, raw.get(b"b"), Side::Buy)?;
        self.levels(symbol, raw.get(b"a"), Side::Sell)?;
        Ok((symbol, Said::Depth { first_id, last_id, prev_id, ts_venue }))
    }

    fn snapshot(&mut self, raw: &Raw<'_>, of: Option<usize>) -> Result<(usize, Said), Refusal> {
        let symbol = match of {
            Some(symbol) => symbol,
            None if self.specs.len() == 1 => 0,
            None => return Err(Refusal::MissingField),
        };
        let last_id = need(raw.int(b"lastUpdateId")?)?;
        let ts_venue = self.time_unit.time(raw.int(b"E")?.unwrap_or(0))?;
        self.levels(symbol, raw.get(b"bids"), Side::Buy)?;
        self.levels(symbol, raw.get(b"asks"), Side::Sell)?;
        Ok((symbol, Said::Snapshot { last_id, ts_venue }))
    }

    /// An empty side comes as zeros; its price is not read then.
    fn best(&mut self, symbol: usize, px: Option<&[u8]>, qty: Option<&[u8]>) -> Result<Level, Refusal> {
        let qty = self.level_qty(symbol, need(qty)?)?;
        let px = need(px)?;
        Ok(Level { px: if qty.0 == 0 { PxTicks(0) } else { self.px(symbol, px)? }, qty })
    }

    fn ticker(&mut self, raw: &Raw<'_>) -> Result<(usize, Said), Refusal> {
        let symbol = self.symbol(raw)?;
        let ticker = BookTicker {
            update_id: need(raw.int(b"u")?)?,
            ts_venue: self.time_unit.time(raw.int(b"E")?.unwrap_or(0))?,
            bid: self.best(symbol, raw.text(b"b")?, raw.text(b"B")?)?,
            ask: self.best(symbol, raw.text(b"a")?, raw.text(b"A")?)?,
        };
        Ok((symbol, Said::Ticker(ticker)))
    }

    /// A contract's status, of the futures' `!contractInfo` stream. Spot has no such stream.
    fn status(&self, raw: &Raw<'_>) -> Result<(usize, Said), Refusal> {
        let symbol = self.symbol(raw)?;
        let text = need(raw.text(b"cs")?)?;
        let state = TradingState::of_contract(text)?;
        let status = TradingStatus { state, code: Code::of(text)?, reason: Code::default() };
        Ok((symbol, Said::Status { ts_venue: self.time(raw.int(b"E")?)?, status }))
    }

    fn trade(&self, raw: &Raw<'_>) -> Result<(usize, Said), Refusal> {
        let symbol = self.symbol(raw)?;
        if raw.text(b"X")?.is_some_and(|kind| kind != b"MARKET") {
            return Err(Refusal::NonMarketTrade);
        }
        let trade_id = need(raw.int(b"t")?)?;
        let qty = self.qty(symbol, need(raw.text(b"q")?)?)?;
        if qty.0 == 0 {
            return Err(Refusal::QtyNegOrZero);
        }
        // `m` says that the buyer was the maker, so the seller came in.
        let aggressor = match need(raw.get(b"m"))? {
            Value::Bool(true) => Side::Sell,
            Value::Bool(false) => Side::Buy,
            _ => return Err(Refusal::Malformed),
        };
        let px = self.px(symbol, need(raw.text(b"p")?)?)?;
        let time = raw.int(b"T")?;
        let ts_venue = self.time(if time.is_some() { time } else { raw.int(b"E")? })?;
        Ok((symbol, Said::Trade(Trade { trade_id, px, qty, aggressor, ts_venue })))
    }
}

/// The answer to a request: a refusal names its code, in an object of its own or beside the id.
fn answer(raw: &Raw<'_>) -> Result<Said, Refusal> {
    let code = match raw.get(b"error") {
        None => raw.int(b"code")?,
        Some(Value::Object(error)) => Some(need(Fields::of(&ERROR_KEYS, error)?.int(b"code")?)?),
        Some(_) => return Err(Refusal::Malformed),
    };
    Ok(code.map_or(Said::Ack, |code| Said::VenueError { code }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MESSAGES: [(Market, &str); 8] = [
        (
            Market::Spot,
            r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255308,"s":"BTCUSDT","U":50093239203,"u":50093239207,"b":[["55653.87000000","0.00000000"]],"a":[["61838.04000000","0.32332000"],["61844.30000000","0.40163000"]]}}"#,
        ),
        (
            Market::Spot,
            r#"{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}"#,
        ),
        (
            Market::Spot,
            r#"{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}"#,
        ),
        (
            Market::UsdM,
            r#"{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":5123107832006,"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"]],"a":[]}"#,
        ),
        (
            Market::UsdM,
            r#"{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}"#,
        ),
        (
            Market::UsdM,
            r#"{"e":"trade","E":1723161256322,"T":1723161256321,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}"#,
        ),
        (
            Market::CoinM,
            r#"{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSD_PERP","ps":"BTCUSD","U":1,"u":2,"pu":0,"b":[],"a":[["61800.3","10"]]}"#,
        ),
        (
            Market::CoinM,
            r#"{"e":"bookTicker","u":9,"s":"BTCUSD_PERP","ps":"BTCUSD","b":"61800.2","B":"25","a":"61800.3","A":"2","T":1723161256313,"E":1723161256313}"#,
        ),
    ];

    fn reader(market: Market) -> Binance {
        let spec = |symbol: &str, px_scale, qty_scale| SymbolSpec {
            symbol: symbol.into(),
            px_scale,
            px_unit: 1,
            qty_scale,
            qty_unit: 1,
        };
        match market {
            Market::Spot => Binance::of(market, vec![spec("ETHUSDT", 2, 4), spec("BTCUSDT", 2, 5)]),
            Market::UsdM => Binance::new(market, spec("BTCUSDT", 1, 3)),
            Market::CoinM => Binance::of(market, vec![spec("BTCUSD_PERP", 1, 0), spec("ETHUSD_PERP", 2, 0)]),
        }
    }

    type Seen = Option<(usize, String, Vec<Level>, Vec<Level>)>;

    fn both(market: Market, bytes: &[u8]) -> (Seen, Seen) {
        let mut one = reader(market);
        let Binance { market, time_unit, specs, bids, asks, .. } = &mut one;
        let quick = fast(bytes, &mut Fast { market: *market, time_unit: *time_unit, specs, bids, asks });
        let levels = |reader: &Binance, said: &Said| match said {
            Said::Depth { .. } | Said::Snapshot { .. } => (reader.bids.clone(), reader.asks.clone()),
            _ => (vec![], vec![]),
        };
        let seen = |reader: &Binance, said: Option<(usize, Said)>| {
            said.map(|(at, said)| {
                let (bids, asks) = levels(reader, &said);
                (at, format!("{said:?}"), bids, asks)
            })
        };
        let quick = seen(&one, quick);
        let mut other = reader(one.market);
        let exact = other.exact(bytes, None).ok();
        (quick, seen(&other, exact))
    }

    #[test]
    fn a_control_character_in_a_text_that_nobody_reads_is_no_usual_message() {
        let (market, text) = MESSAGES[0];
        for byte in [0, 2, 0x1f] {
            let mut bytes = text.as_bytes().to_vec();
            bytes.insert(text.find("btcusdt").unwrap(), byte);
            assert_eq!(both(market, &bytes), (None, None), "{byte:#x}");
        }
    }

    #[test]
    fn the_usual_messages_take_the_fast_way_and_say_the_same() {
        for (market, text) in MESSAGES {
            for text in [text.to_string(), format!(r#"{{"stream":"x","data":{text}}}"#)] {
                if text.contains(r#""data":{"stream""#) {
                    continue;
                }
                let (quick, exact) = both(market, text.as_bytes());
                assert!(quick.is_some(), "{text}");
                assert_eq!(quick, exact, "{text}");
            }
        }
    }

    /// The members of an object in another order, with unknown ones and white space between.
    fn reworded(text: &str, rotate: usize, spaces: bool) -> String {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let Some(map) = value.as_object() else { return text.into() };
        let mut members: Vec<String> = map
            .iter()
            .map(|(key, value)| {
                format!(
                    "\"{key}\":{}",
                    if key == "data" {
                        reworded(&value.to_string(), rotate, spaces)
                    } else {
                        value.to_string()
                    }
                )
            })
            .collect();
        members.push(r#""zz":{"e":[1,{"s":"\"}"}],"u":null}"#.into());
        let count = members.len();
        members.rotate_left(rotate % count);
        let gap = if spaces { " \n\t" } else { "" };
        format!("{gap}{{{gap}{}{gap}}}{gap}", members.join(&format!("{gap},{gap}")))
    }

    proptest! {
        #[test]
        fn a07_order_unknown_keys_and_white_space_change_nothing(
            which in 0..MESSAGES.len(), rotate in 0_usize..20, spaces in any::<bool>(),
        ) {
            let (market, text) = MESSAGES[which];
            let (_, plain) = both(market, text.as_bytes());
            let (quick, exact) = both(market, reworded(text, rotate, spaces).as_bytes());
            prop_assert!(plain.is_some());
            prop_assert_eq!(&exact, &plain);
            prop_assert!(quick.is_none() || quick == plain);
        }

        #[test]
        fn the_fast_way_says_what_the_exact_way_says_or_nothing(
            which in 0..MESSAGES.len(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..5), 0..4),
        ) {
            let (market, text) = MESSAGES[which];
            let mut bytes = text.as_bytes().to_vec();
            for (at, byte, kind) in edits {
                if bytes.is_empty() { break; }
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.truncate(at),
                    2 => bytes.insert(at, byte),
                    3 => bytes[at] = b'0' + byte % 10,
                    _ => { bytes.remove(at); }
                }
            }
            let (quick, exact) = both(market, &bytes);
            prop_assert!(quick.is_none() || quick == exact, "{quick:?} {exact:?} {}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a07_a_contracts_status_and_the_venues_refusals_are_events_of_their_own() {
        let mut n = reader(Market::UsdM);
        let info = r#"{"e":"contractInfo","E":1669647330128,"s":"BTCUSDT","ps":"BTCUSDT","ct":"PERPETUAL","dt":4133404800000,"ot":1569398400000,"cs":"SETTLING","bks":[{"bs":1,"cf":0}]}"#;
        let Ok((0, Event::TradingStatus { trading: false, ts_venue, status })) = n.read(info.as_bytes())
        else {
            panic!()
        };
        assert_eq!((ts_venue.0, status.code.as_str()), (1_669_647_330_128_000_000, "SETTLING"));
        let resumed = info.replace("SETTLING", "TRADING");
        assert!(matches!(n.read(resumed.as_bytes()), Ok((0, Event::TradingStatus { trading: true, .. }))));
        let odd = info.replace("SETTLING", "ASLEEP");
        assert_eq!(n.read(odd.as_bytes()).map(|_| ()), Err(Refusal::UnknownStatus));
        for (text, want) in [
            (r#"{"result":null,"id":1}"#, Event::Ack),
            (r#"{"error":{"code":-1121,"msg":"Invalid symbol."},"id":1}"#, Event::VenueError { code: -1121 }),
            (r#"{"code":2,"msg":"Invalid request","id":1}"#, Event::VenueError { code: 2 }),
        ] {
            assert_eq!(n.read(text.as_bytes()), Ok((0, want)), "{text}");
        }
        assert_eq!(n.read(br#"{"error":{},"id":1}"#), Err(Refusal::MissingField));
    }

    #[test]
    fn stamps_in_the_other_unit_are_refused() {
        let millis = MESSAGES[0].1;
        let micros = millis.replace("1723161255308", "1723161255308123");
        let mut fine = reader(Market::Spot).with_time_unit(TimeUnit::Micros);
        let ts = |event: (usize, Event<'_>)| match event.1 {
            Event::Depth(diff) => diff.ts_venue.0,
            _ => 0,
        };
        assert_eq!(fine.read(micros.as_bytes()).map(ts), Ok(1_723_161_255_308_123_000));
        assert_eq!(fine.read(millis.as_bytes()).map(ts), Err(Refusal::BadTime));
        assert_eq!(reader(Market::Spot).read(micros.as_bytes()).map(ts), Err(Refusal::BadTime));
    }

    #[test]
    fn symbols_have_their_places_and_a_snapshot_is_of_whom_it_was_asked_for() {
        let mut n = reader(Market::Spot);
        let place = |read: Result<(usize, Event<'_>), Refusal>| read.map(|(at, _)| at);
        assert_eq!(place(n.read(MESSAGES[1].1.as_bytes())), Ok(1));
        assert_eq!(place(n.read(MESSAGES[1].1.replace("BTC", "ETH").as_bytes())), Ok(0));
        assert_eq!(place(n.read(MESSAGES[1].1.replace("BTC", "XRP").as_bytes())), Err(Refusal::WrongSymbol));
        let snapshot = br#"{"lastUpdateId":7,"bids":[["1.00","2.0000"]],"asks":[]}"#;
        assert_eq!(place(n.read(snapshot)), Err(Refusal::MissingField));
        assert!(matches!(n.read_snapshot(1, snapshot), Ok(Event::Snapshot(s)) if s.bids[0].qty.0 == 200_000));
        assert!(matches!(n.read_snapshot(0, snapshot), Ok(Event::Snapshot(s)) if s.bids[0].qty.0 == 20_000));
        assert_eq!(n.read_snapshot(2, snapshot).err(), Some(Refusal::WrongSymbol));
        assert_eq!(n.read_snapshot(0, MESSAGES[1].1.as_bytes()).err(), Some(Refusal::UnknownEvent));
    }
}
