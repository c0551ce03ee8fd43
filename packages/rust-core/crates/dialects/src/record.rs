//! What a message says, exactly as the venue wrote it.

use crate::dec::Dec;
use tidegate_units::EpochNs;

/// One price level; `qty` is absolute, 0 removes the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    pub px: Dec,
    pub qty: Dec,
}

/// The side a print or an order is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Buy,
    Sell,
    /// The venue does not say.
    Unknown,
}

impl Side {
    /// The other side.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// A whole book, or a change of one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    pub symbol: String,
    /// True where the levels are the whole book.
    pub snapshot: bool,
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
    /// Venue time; none where the venue sends none.
    pub ts: Option<EpochNs>,
    /// First and last update id inside, and the last id of the message before, where the venue sends them.
    pub first_id: Option<u64>,
    pub last_id: Option<u64>,
    pub prev_id: Option<u64>,
    /// The venue's checksum over the book after this change, as it wrote it.
    pub checksum: Option<i64>,
}

/// One public print. A liquidation has the same shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    pub symbol: String,
    pub id: Option<String>,
    pub px: Dec,
    pub qty: Dec,
    /// Of the aggressor; of a liquidation, the side of the liquidation order.
    pub side: Side,
    pub ts: Option<EpochNs>,
}

/// The venue's own best bid and offer. A side it does not name is `None`; so is a size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quote {
    pub symbol: String,
    pub bid_px: Option<Dec>,
    pub bid_qty: Option<Dec>,
    pub ask_px: Option<Dec>,
    pub ask_qty: Option<Dec>,
    pub ts: Option<EpochNs>,
}

/// What a derivatives venue says of one contract beside its book; each value as last heard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Derivative {
    pub symbol: String,
    pub last_px: Option<Dec>,
    pub open_interest: Option<Dec>,
    pub funding_rate: Option<Dec>,
    pub funding_ts: Option<EpochNs>,
    pub predicted_funding_rate: Option<Dec>,
    pub index_px: Option<Dec>,
    pub mark_px: Option<Dec>,
    pub ts: Option<EpochNs>,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    pub symbol: String,
    pub open: Dec,
    pub high: Dec,
    pub low: Dec,
    pub close: Dec,
    pub volume: Dec,
    pub start: EpochNs,
    /// True once the venue says that it will not change.
    pub closed: bool,
}

/// What happened to one order of an order-by-order book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderChange {
    New,
    /// `qty` is what remains.
    Change,
    Cancel,
}

/// One change of an order-by-order book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub symbol: String,
    pub change: OrderChange,
    pub id: String,
    pub side: Side,
    /// None where the venue repeats only the id.
    pub px: Option<Dec>,
    pub qty: Option<Dec>,
    pub ts: Option<EpochNs>,
    pub seq: Option<u64>,
}

/// A whole order-by-order book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orders {
    pub symbol: String,
    /// Side, id, price and remaining size of each order, in the venue's order.
    pub orders: Vec<(Side, String, Level)>,
    pub ts: Option<EpochNs>,
}

/// One thing a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Book(Book),
    Trade(Trade),
    /// A forced close of someone's position.
    Liquidation(Trade),
    Quote(Quote),
    Derivative(Derivative),
    Bar(Bar),
    Order(Order),
    Orders(Orders),
}

impl Record {
    /// The symbol as the venue spells it.
    pub fn symbol(&self) -> &str {
        match self {
            Self::Book(x) => &x.symbol,
            Self::Trade(x) | Self::Liquidation(x) => &x.symbol,
            Self::Quote(x) => &x.symbol,
            Self::Derivative(x) => &x.symbol,
            Self::Bar(x) => &x.symbol,
            Self::Order(x) => &x.symbol,
            Self::Orders(x) => &x.symbol,
        }
    }
}
