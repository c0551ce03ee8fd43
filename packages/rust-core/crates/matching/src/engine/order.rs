//! The words of the matching core: orders, what may become of them, what happened.

use serde::{Deserialize, Serialize};
use tidegate_units::Side;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderKind {
    Limit,
    Market,
}

/// How long an order stands. A market order never rests, whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Tif {
    Gtc,
    /// Until [`crate::engine::Engine::end_day`].
    Day,
    Ioc,
    Fok,
    /// Refused rather than take; stands as GTC.
    PostOnly,
}

/// Self-trade prevention: what happens when an incoming order meets a resting one of its own account. The incoming order's
/// mode decides. Names as Binance gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stp {
    /// They trade.
    None,
    /// What is left of the incoming order expires.
    #[default]
    ExpireTaker,
    /// The resting order expires and the incoming one goes on.
    ExpireMaker,
    ExpireBoth,
    /// Both lose what would have traded; the one left with nothing expires.
    Decrement,
}

/// Which way the price must go to set a waiting order off. Judged by trade prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TriggerKind {
    /// A buy at or above, a sell at or below its price.
    Stop,
    /// A buy at or below, a sell at or above its price.
    TakeProfit,
}

/// A stop that follows the price. All in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trail {
    /// Distance kept to the last trade, ≥ 1.
    pub distance: i64,
    /// It moves only by so much or more, ≥ 1.
    pub step: i64,
}

/// What an order waits for before it enters the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    pub kind: TriggerKind,
    /// In ticks.
    pub px: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<Trail>,
}

impl Trigger {
    /// Whether a price at or above sets an order of `side` off; at or below otherwise.
    pub fn rising(&self, side: Side) -> bool {
        (self.kind == TriggerKind::Stop) == (side == Side::Buy)
    }

    /// Whether this trade price sets an order of `side` off.
    pub fn met(&self, side: Side, px: i64) -> bool {
        if self.rising(side) { px >= self.px } else { px <= self.px }
    }
}

/// An order for the matching core. Prices in ticks, quantities in lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Unique among open orders.
    pub id: u64,
    /// As [`crate::engine::Engine::add_account`] numbered it.
    pub account: u32,
    pub side: Side,
    pub kind: OrderKind,
    pub tif: Tif,
    /// Read of limit orders only.
    pub px: i64,
    pub qty: i64,
    /// Shown at a time (iceberg); 0 shows all.
    pub peak: i64,
    /// Never opens or turns a position.
    pub reduce_only: bool,
    pub stp: Stp,
    pub trigger: Option<Trigger>,
}

impl Request {
    /// A plain limit order; the other fields can be set on it.
    pub const fn limit(id: u64, account: u32, side: Side, px: i64, qty: i64, tif: Tif) -> Self {
        Self {
            id,
            account,
            side,
            kind: OrderKind::Limit,
            tif,
            px,
            qty,
            peak: 0,
            reduce_only: false,
            stp: Stp::ExpireTaker,
            trigger: None,
        }
    }

    /// A plain market order.
    pub const fn market(id: u64, account: u32, side: Side, qty: i64) -> Self {
        Self { kind: OrderKind::Market, ..Self::limit(id, account, side, 0, qty, Tif::Ioc) }
    }

    /// The worst price it trades at; none of a market order.
    #[inline]
    pub fn limit_px(&self) -> Option<i64> {
        (self.kind == OrderKind::Limit).then_some(self.px)
    }
}

/// Why an order is no longer open, other than being filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Canceled,
    /// An IOC's rest.
    Ioc,
    /// A FOK that could not be filled whole.
    Fok,
    /// A market order's rest: nothing is left to trade with.
    NoLiquidity,
    /// Self-trade prevention.
    SelfTrade,
    /// There is no position left to reduce.
    ReduceOnly,
    /// The day is over.
    DayEnd,
}

/// One trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    pub px: i64,
    pub qty: i64,
    /// Order and account; none is the street, see [`crate::engine::Street`].
    pub buyer: Option<(u64, u32)>,
    pub seller: Option<(u64, u32)>,
    /// Whose order came later; none in an uncross.
    pub aggressor: Option<Side>,
}

/// What happened, in order. An order that is filled ends with its last fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Fill(Fill),
    /// Stands in the book now, at the end of its queue.
    Rests {
        id: u64,
    },
    /// An iceberg shows its next part, at the end of its queue.
    Refreshed {
        id: u64,
    },
    /// Was waiting and enters the market.
    Triggered {
        id: u64,
    },
    /// A trailing stop has a new trigger price.
    Trailed {
        id: u64,
        px: i64,
    },
    /// Has a new price and open quantity.
    Amended {
        id: u64,
        px: i64,
        open: i64,
    },
    /// Lost quantity to self-trade prevention and is still open.
    Decremented {
        id: u64,
        by: i64,
    },
    /// Is no longer open; `open` was not filled.
    Ended {
        id: u64,
        open: i64,
        why: Why,
    },
}

/// Why something was not taken. Nothing is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Malformed,
    PxOffTick,
    QtyOffLot,
    PxZeroOrNeg,
    QtyZeroOrNeg,
    Duplicate,
    InsufficientBalance,
    PostOnlyWouldTake,
    NoBook,
    OpenOrdersExceeded,
    EventsUnread,
    NotionalOverflow,
    /// A price or quantity beyond what the core counts.
    OutOfRange,
    /// Trading is halted.
    Halted,
    /// An order that cannot wait for an uncross, or a step the phase does not have.
    WrongPhase,
    /// There is no position to reduce.
    ReduceOnly,
    /// The last price sets it off already.
    TriggersAtOnce,
    UnknownOrder,
}

impl Refused {
    /// The name a wire skin maps to its venue's code.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED",
            Self::PxOffTick => "PRICE_OFF_TICK",
            Self::QtyOffLot => "QTY_OFF_LOT",
            Self::PxZeroOrNeg => "PRICE_ZERO_OR_NEG",
            Self::QtyZeroOrNeg => "QTY_ZERO_OR_NEG",
            Self::Duplicate => "DUPLICATE",
            Self::InsufficientBalance => "INSUFFICIENT_BALANCE",
            Self::PostOnlyWouldTake => "POST_ONLY_WOULD_TAKE",
            Self::NoBook => "NO_BOOK",
            Self::OpenOrdersExceeded => "OPEN_ORDERS_EXCEEDED",
            Self::EventsUnread => "EVENTS_UNREAD",
            Self::NotionalOverflow => "NOTIONAL_OVERFLOW",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Halted => "HALTED",
            Self::WrongPhase => "WRONG_PHASE",
            Self::ReduceOnly => "REDUCE_ONLY",
            Self::TriggersAtOnce => "TRIGGERS_AT_ONCE",
            Self::UnknownOrder => "UNKNOWN_ORDER",
        }
    }

    /// As the venue words it, where it does.
    pub fn text(self) -> &'static str {
        match self {
            Self::Malformed => "Mandatory parameter was not sent, was empty/null, or malformed.",
            Self::PxOffTick => "Filter failure: PRICE_FILTER",
            Self::QtyOffLot => "Filter failure: LOT_SIZE",
            Self::PxZeroOrNeg => "Invalid price.",
            Self::QtyZeroOrNeg => "Invalid quantity.",
            Self::Duplicate => "Duplicate order sent.",
            Self::InsufficientBalance => "Account has insufficient balance for requested action.",
            Self::PostOnlyWouldTake => "Order would immediately match and take.",
            Self::NoBook => "Market is closed.",
            Self::OpenOrdersExceeded => "Filter failure: MAX_NUM_ORDERS",
            Self::EventsUnread => "Server is overloaded.",
            Self::NotionalOverflow => "Filter failure: NOTIONAL",
            Self::OutOfRange => "Filter failure: LOT_SIZE",
            Self::Halted => "This action is disabled on this account.",
            Self::WrongPhase => "This symbol is not permitted for this order in this phase.",
            Self::ReduceOnly => "ReduceOnly Order is rejected.",
            Self::TriggersAtOnce => "Stop price would trigger immediately.",
            Self::UnknownOrder => "Unknown order sent.",
        }
    }
}
