//! Orders as a strategy sends them and as it sees them.

use crate::account::Fill;
use tidegate_units::Side;

/// How long an order may stand and how it may trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Tif {
    /// Until cancelled.
    Gtc,
    /// Until cancelled, and only if it does not trade at once: else it ends on arrival (GTX).
    PostOnly,
    /// What trades at once; the rest ends.
    Ioc,
    /// Whole at once or not at all.
    Fok,
}

/// A new order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrder {
    /// The strategy's own, unique among the orders it has not cleared.
    pub id: u64,
    pub side: Side,
    /// Limit in ticks; none for a market order.
    pub px: Option<i64>,
    /// In lots, above 0.
    pub qty: i64,
    pub tif: Tif,
}

/// Where an order stands, as far as its answers have come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No answer yet.
    Sent,
    /// In the venue's book.
    Live,
    /// In the venue's book, in part.
    PartlyFilled,
    Filled,
    Cancelled,
    /// Ended by the venue by its time in force, or turned away before it.
    Expired,
}

impl State {
    /// Whether nothing more can come of the order.
    pub const fn ended(self) -> bool {
        matches!(self, Self::Filled | Self::Cancelled | Self::Expired)
    }
}

/// A request that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    New,
    Cancel,
    Replace,
}

/// An order as its sender sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub id: u64,
    pub side: Side,
    pub px: Option<i64>,
    pub qty: i64,
    /// Lots still open.
    pub left: i64,
    pub tif: Tif,
    pub state: State,
    pub pending: Option<Pending>,
    /// Number of the request that is pending or was last.
    pub(crate) request: u64,
}

impl Order {
    /// Whether a cancel or a replace may be sent now.
    pub const fn may_change(&self) -> bool {
        matches!(self.state, State::Live | State::PartlyFilled) && self.pending.is_none()
    }
}

/// Why a request is refused before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderFault {
    /// No instrument of that number in the run.
    NoSuchAsset,
    /// Quantity not above 0, or a price that no tape holds.
    BadOrder,
    /// An order of that id is not cleared yet.
    IdInUse,
    /// No order of that id.
    NoSuchOrder,
    /// Its last request has no answer yet, or it has ended.
    NotChangeable,
    /// [`crate::limits::ORDERS_MAX`] or [`crate::limits::IN_FLIGHT_MAX`] reached.
    TooMany,
    /// The run has not begun: let time pass first.
    NotStarted,
}

impl std::fmt::Display for OrderFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSuchAsset => "no such instrument in this run",
            Self::BadOrder => "want a quantity above 0 and a price of at most 2^31 ticks",
            Self::IdInUse => "an order of this id is not cleared: clear ended orders or use another id",
            Self::NoSuchOrder => "no order of this id",
            Self::NotChangeable => "the order has ended, or its last request is not answered yet",
            Self::TooMany => "too many open orders or requests in flight: see the limits",
            Self::NotStarted => "the run has not begun: let time pass first",
        })
    }
}

/// What is on its way to the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    New(NewOrder),
    Cancel { id: u64 },
    Replace { id: u64, px: i64, qty: i64 },
}

/// What the venue says, on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub id: u64,
    /// Number of the request it answers; an execution of a resting order answers none.
    pub request: u64,
    pub what: What,
    pub venue_ns: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The order stands in the book.
    Live {
        px: i64,
        left: i64,
    },
    Executed(Fill),
    Cancelled,
    Expired,
    /// A cancel or a replace of an order that is no longer there.
    Refused,
    /// A new order that never reached the matching engine.
    TurnedAway,
}

/// A request as it enters a run's hash.
pub(crate) fn request_bytes(now: i64, number: u64, request: &Request) -> [u8; 50] {
    let (code, flags, id, px, qty) = match *request {
        Request::New(order) => {
            let flags =
                order.tif as u8 | u8::from(order.side == Side::Sell) << 4 | u8::from(order.px.is_none()) << 5;
            (16_u8, flags, order.id, order.px.unwrap_or(0), order.qty)
        }
        Request::Cancel { id } => (17, 0, id, 0, 0),
        Request::Replace { id, px, qty } => (18, 0, id, px, qty),
    };
    let mut bytes = [0_u8; 50];
    (bytes[0], bytes[1]) = (code, flags);
    for (slot, value) in [now, number as i64, id as i64, px, qty, 0].iter().enumerate() {
        bytes[2 + slot * 8..10 + slot * 8].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// An answer as it enters a run's hash.
pub(crate) fn answer_bytes(answer: &Answer) -> [u8; 49] {
    let (code, px, qty, left) = match answer.what {
        What::Live { px, left } => (1_u8, px, 0, left),
        What::Executed(fill) => (if fill.maker { 2 } else { 3 }, fill.px, fill.qty, fill.left),
        What::Cancelled => (4, 0, 0, 0),
        What::Expired => (5, 0, 0, 0),
        What::Refused => (6, 0, 0, 0),
        What::TurnedAway => (7, 0, 0, 0),
    };
    let mut bytes = [0_u8; 49];
    bytes[0] = code;
    let values = [answer.id as i64, answer.request as i64, answer.venue_ns, px, qty, left];
    for (slot, value) in values.iter().enumerate() {
        bytes[1 + slot * 8..9 + slot * 8].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}
