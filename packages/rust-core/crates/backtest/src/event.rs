//! What a tape holds: one change of the market a row.

use tidegate_units::Side;

/// What a row says. The numbers are those of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The bid level at `px` now holds `qty` lots, 0 for none.
    Bid = 0,
    /// The ask level at `px` now holds `qty` lots, 0 for none.
    Ask = 1,
    /// A buyer took `qty` lots at `px`.
    BuyTrade = 2,
    /// A seller gave `qty` lots at `px`.
    SellTrade = 3,
    /// Every bid from the touch down to `px` is forgotten: a snapshot follows.
    ClearBids = 4,
    /// Every ask from the touch up to `px` is forgotten: a snapshot follows.
    ClearAsks = 5,
    /// The whole book is forgotten.
    Clear = 6,
}

impl Kind {
    /// All kinds, by their number.
    pub const ALL: [Self; 7] = [
        Self::Bid,
        Self::Ask,
        Self::BuyTrade,
        Self::SellTrade,
        Self::ClearBids,
        Self::ClearAsks,
        Self::Clear,
    ];

    /// The kind of a number, or none.
    #[inline]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// A level of a side.
    pub const fn level(side: Side) -> Self {
        match side {
            Side::Buy => Self::Bid,
            Side::Sell => Self::Ask,
        }
    }

    /// A trade by its aggressor.
    pub const fn trade(aggressor: Side) -> Self {
        match aggressor {
            Side::Buy => Self::BuyTrade,
            Side::Sell => Self::SellTrade,
        }
    }
}

/// One row with both of its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub kind: Kind,
    /// When it happened at the venue, by the venue's clock: ns since the epoch.
    pub exch_ns: i64,
    /// When it was received, by the receiver's clock: ns since the epoch.
    pub local_ns: i64,
    /// In ticks.
    pub px: i32,
    /// In lots.
    pub qty: i64,
}
