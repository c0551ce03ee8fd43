//! The router core: who may trade, what was sent, and what the venue says became of it.
//!
//! `Router::apply(now, event, effects)` is the only door. It reads no clock, opens no socket and writes no file: effects
//! name the journal entries to append, the requests to write and the reports to deliver, in the order they must happen.
//! An order's exposure is never released by time: each outcome is the venue's own word, or the proof that no byte left.
#![forbid(unsafe_code)]

pub mod breaker;
pub mod id;
pub mod limits;
pub mod queue;
pub mod rate;
mod router;
pub mod types;

pub use id::ClientId;
pub use router::{Illegal, Orphan, Router, Stats, Unfinished, undone_as};
pub use types::{
    Amends, Answer, BudgetShown, Effect, Entry, Event, Exec, ExecKind, Fill, Letter, Level, Now, Request,
    Status, Terms, TradeRow, Usage, UsageKind, VenueConfig, VenueState, Weights, What,
};
