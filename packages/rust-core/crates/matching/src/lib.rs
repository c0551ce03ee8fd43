//! The matching core, and the simulated venue it drives.
//!
//! [`engine`] is the core: orders of any number of accounts, price-time priority, every rule of an order's life. [`Venue`] keeps
//! accounts and money around it and plays a recording as its street: its orders against the recorded book of one symbol.
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

pub mod engine;
mod json;
mod ledger;
pub mod limits;
mod market;
mod venue;

pub use engine::{OrderKind, Refused, Stp, Tif, Trail, Trigger, TriggerKind};
pub use json::SimMarket;
pub use ledger::Ledger;
pub use market::{Market, MarketCounts};
pub use venue::{
    Cancel, Config, EventKind, Extras, Money, NewOrder, Order, Status, TradeRecord, Venue, VenueEvent,
};
