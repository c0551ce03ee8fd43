//! Raw venue bytes to market events, or a named refusal that is counted.
//!
//! A message is read once, borrowed: no text is copied, no number becomes a float. A decimal turns into integer ticks or lots
//! by [`tidegate_units::parse_decimal`], exactly or not at all. Nothing here panics on any input.
#![forbid(unsafe_code)]

mod alpaca;
mod binance;
mod binance_fast;
pub mod json;
pub mod limits;
pub mod msgpack;
mod raw;
pub mod sale_conditions;
pub mod scan;
mod shioaji;
pub mod status;
pub mod time;

pub use alpaca::Alpaca;
pub use binance::{Binance, Market, TimeUnit};
pub use sale_conditions::{Last, Moves};
pub use shioaji::Shioaji;
pub use status::{Code, TradingState, TradingStatus};

use std::borrow::Cow;
use std::fmt;
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

/// What the normaliser must know of one symbol. px = ticks × `px_unit` × 10^-`px_scale`; qty alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolSpec {
    /// As the venue spells it in messages, upper case.
    pub symbol: String,
    pub px_scale: u32,
    pub px_unit: i64,
    pub qty_scale: u32,
    pub qty_unit: i64,
}

/// One price level; `qty` is absolute, 0 removes the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    pub px: PxTicks,
    pub qty: QtyLots,
}

/// A change of the book: the venue's update ids and the levels, absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepthDiff<'a> {
    /// `U`: first update id inside.
    pub first_id: u64,
    /// `u`: last update id inside.
    pub last_id: u64,
    /// `pu`: last update id of the message before; futures only.
    pub prev_id: Option<u64>,
    pub ts_venue: EpochNs,
    pub bids: Cow<'a, [Level]>,
    pub asks: Cow<'a, [Level]>,
}

/// A whole book as of `last_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<'a> {
    pub last_id: u64,
    /// 0 where the venue sends none (spot).
    pub ts_venue: EpochNs,
    pub bids: Cow<'a, [Level]>,
    pub asks: Cow<'a, [Level]>,
}

impl DepthDiff<'_> {
    /// The same with levels of its own, to be kept.
    pub fn into_owned(self) -> DepthDiff<'static> {
        let (bids, asks) = (Cow::Owned(self.bids.into_owned()), Cow::Owned(self.asks.into_owned()));
        DepthDiff { bids, asks, ..self }
    }
}

impl Snapshot<'_> {
    /// The same with levels of its own, to be kept.
    pub fn into_owned(self) -> Snapshot<'static> {
        let (bids, asks) = (Cow::Owned(self.bids.into_owned()), Cow::Owned(self.asks.into_owned()));
        Snapshot { bids, asks, ..self }
    }
}

/// The venue's own best bid and offer as of `update_id`. A side with qty 0 is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookTicker {
    pub update_id: u64,
    /// 0 where the venue sends none (spot).
    pub ts_venue: EpochNs,
    pub bid: Level,
    pub ask: Level,
}

/// One public trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    pub trade_id: u64,
    pub px: PxTicks,
    pub qty: QtyLots,
    pub aggressor: Side,
    pub ts_venue: EpochNs,
}

/// One print of a venue that does not always name the aggressor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    /// 0 where the venue gives none.
    pub trade_id: u64,
    pub px: PxTicks,
    pub qty: QtyLots,
    /// Whose order came in, where the venue says it.
    pub aggressor: Option<Side>,
    pub ts_venue: EpochNs,
    /// The day's volume with this print, where the venue gives it: the only check that none is missing.
    pub total_qty: Option<QtyLots>,
    /// Of trial matching: moves no last price, no volume and no bar.
    pub trial: bool,
    /// What it moves by its sale conditions; everything at a venue that has none.
    pub moves: Moves,
    /// Less than a board lot.
    pub odd_lot: bool,
}

/// A print that the venue took back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrintCancel {
    pub trade_id: u64,
    /// Price and size of the print taken back, so that a total of volume is put right without having kept it.
    pub px: PxTicks,
    pub qty: QtyLots,
    /// An error that should never have been printed; else a cancel by agreement.
    pub error: bool,
    pub ts_venue: EpochNs,
}

/// A bar as the venue made it; `ts_venue` is its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    pub ts_venue: EpochNs,
    pub open: PxTicks,
    pub high: PxTicks,
    pub low: PxTicks,
    pub close: PxTicks,
    pub volume: QtyLots,
    /// Of a day; else of a minute.
    pub daily: bool,
    /// Issued again because of a late print.
    pub revised: bool,
}

/// Prices outside which nothing may trade now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitBand {
    /// At or below `up`.
    pub down: PxTicks,
    pub up: PxTicks,
    pub ts_venue: EpochNs,
}

/// What one message says. Levels are the reader's own until it reads the next message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    Depth(DepthDiff<'a>),
    Snapshot(Snapshot<'a>),
    Ticker(BookTicker),
    Trade(Trade),
    Print(Print),
    /// A compensating pair: `was` is taken out and `now` stands in its place, each under its own id. Both carry the time of the
    /// correction; the print's own time is that of the print with the id of `was`.
    PrintCorrected {
        was: Print,
        now: Print,
    },
    PrintCancelled(PrintCancel),
    /// A bar as the venue made it, by its own rules: never mixed with bars made here of prints.
    Bar(Bar),
    /// Whether the instrument trades now, and the venue's own words for it.
    TradingStatus {
        trading: bool,
        ts_venue: EpochNs,
        status: TradingStatus,
    },
    /// A word about the instrument that neither halts nor resumes it: an imbalance, a price indication.
    StatusNotice {
        ts_venue: EpochNs,
        code: Code,
        reason: Code,
    },
    LimitBand(LimitBand),
    /// What an auction would give: a book of trial matching, not to be priced from.
    Indicative(Snapshot<'a>),
    /// The venue's answer to a subscription request.
    Ack,
    /// The venue refuses a request or the session, by its own code; what that means is the session's to say.
    VenueError {
        code: i32,
    },
    /// The venue will drop the session soon.
    ServerShutdown,
}

impl Event<'_> {
    /// The same with levels of its own, to be kept.
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Event::Depth(diff) => Event::Depth(diff.into_owned()),
            Event::Snapshot(snapshot) => Event::Snapshot(snapshot.into_owned()),
            Event::Ticker(ticker) => Event::Ticker(ticker),
            Event::Indicative(book) => Event::Indicative(book.into_owned()),
            Event::Trade(trade) => Event::Trade(trade),
            Event::Print(print) => Event::Print(print),
            Event::PrintCorrected { was, now } => Event::PrintCorrected { was, now },
            Event::PrintCancelled(cancel) => Event::PrintCancelled(cancel),
            Event::Bar(bar) => Event::Bar(bar),
            Event::TradingStatus { trading, ts_venue, status } => {
                Event::TradingStatus { trading, ts_venue, status }
            }
            Event::StatusNotice { ts_venue, code, reason } => Event::StatusNotice { ts_venue, code, reason },
            Event::VenueError { code } => Event::VenueError { code },
            Event::LimitBand(band) => Event::LimitBand(band),
            Event::Ack => Event::Ack,
            Event::ServerShutdown => Event::ServerShutdown,
        }
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// Why a message was refused. Every one has a counter; none is an error of the caller.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Refusal { $($(#[$doc])* $name,)+ }
        impl Refusal {
            /// All of them, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
            /// The name used in logs and statistics.
            pub const fn name(self) -> &'static str { match self { $(Self::$name => $text,)+ } }
        }
    };
}

refusals! {
    /// Longer than [`limits::MESSAGE_BYTES_MAX`].
    Oversize = "OVERSIZE",
    /// More levels a side than [`limits::LEVELS_MAX`].
    TooManyLevels = "TOO_MANY_LEVELS",
    /// Not JSON, a field of another type, a number with a fraction, or a field twice.
    Malformed = "MALFORMED",
    /// A field that the event needs is absent.
    MissingField = "MISSING_FIELD",
    /// No rule for this kind of event.
    UnknownEvent = "UNKNOWN_EVENT",
    /// An event of another symbol.
    WrongSymbol = "WRONG_SYMBOL",
    /// A price or size that is not plain decimal text.
    BadDecimal = "BAD_DECIMAL",
    /// A price between two ticks.
    PxOffTick = "PX_OFF_TICK",
    /// A size between two lots.
    QtyOffLot = "QTY_OFF_LOT",
    /// A price of zero or below.
    PxZeroOrNeg = "PX_ZERO_OR_NEG",
    /// A size below zero, or a trade of size zero.
    QtyNegOrZero = "QTY_NEG_OR_ZERO",
    /// Beyond ±(2^53−1) units.
    Overflow = "OVERFLOW",
    /// A venue time that is not in the form and unit of its venue: Binance milliseconds (or microseconds where the stream was asked
    /// for so), Alpaca RFC 3339 or a MessagePack timestamp, Shioaji a Taipei date and time; before 1970, or after 2099.
    BadTime = "BAD_TIME",
    /// First update id after the last one, or the wrong chain field for this market.
    BadSequence = "BAD_SEQUENCE",
    /// A bar whose open or close lies outside its low and high.
    BadBar = "BAD_BAR",
    /// Limits whose lower one lies above the upper one.
    BadBand = "BAD_BAND",
    /// A book whose levels do not get worse one by one.
    LevelsUnsorted = "LEVELS_UNSORTED",
    /// A sale condition that the tape's table does not have.
    UnknownCondition = "UNKNOWN_CONDITION",
    /// A trading status that the tape's or venue's table does not have.
    UnknownStatus = "UNKNOWN_STATUS",
    /// A print that is no trade of the public market (insurance fund, settlement).
    NonMarketTrade = "NON_MARKET_TRADE",
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One counter per refusal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalCounts([u64; Refusal::ALL.len()]);

impl RefusalCounts {
    /// Counts one.
    pub fn add(&mut self, refusal: Refusal) {
        if let Some(slot) = self.0.get_mut(refusal as usize) {
            *slot += 1;
        }
    }

    /// How many of one kind.
    pub fn get(&self, refusal: Refusal) -> u64 {
        self.0.get(refusal as usize).copied().unwrap_or(0)
    }

    /// All kinds together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The kinds that occurred, with their counts.
    pub fn nonzero(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Refusal::ALL.iter().map(|r| (r.name(), self.get(*r))).filter(|(_, n)| *n > 0)
    }
}
