//! The matching core of a simulated venue: one account's orders against the recorded book of one symbol.
//!
//! The recording is the truth about everyone else; our orders change nothing in it. What we may fill is therefore bounded
//! by what the recording shows, pessimistically:
//! - a resting order waits behind the quantity recorded at its price when it came; trades at that price by the opposite
//!   aggressor move it forward and then fill it; a shrinking level moves it forward to at most the level's size, and volume
//!   already used in one of these two ways is not used again in the other;
//! - a trade through its price fills it up to the size of that trade, and opposite recorded levels that reach its price
//!   fill it up to their size;
//! - liquidity taken stays taken: a level gives again only what a later update adds to it.
//!
//! No clock, no random, no hash map: the same calls give the same answers.
#![forbid(unsafe_code)]

mod json;
mod ledger;
pub mod limits;
mod market;
mod venue;

pub use json::SimMarket;
pub use ledger::Ledger;
pub use market::{Market, MarketCounts};
pub use venue::{
    Cancel, Config, EventKind, Money, NewOrder, Order, OrderKind, Refused, Status, Tif, TradeRecord, Venue,
    VenueEvent,
};
