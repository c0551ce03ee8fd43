//! The gateway's core: every order decision, position and unit of cash, as one deterministic state machine.
//!
//! [`Gateway::apply`] takes one event at one time and says what to journal and what to send. The durable [`State`] is a
//! fold of the journal and changes in no other way, so that recovery is the same fold.
#![forbid(unsafe_code)]

mod canon;
mod change;
mod config;
mod decide;
mod evidence;
mod gateway;
mod ledger;
pub mod limits;
mod order;
mod state;

pub use change::{ChangeFault, LimitsChange, folds};
pub use config::{
    AccountLimits, FirmLimits, InstrumentLimits, LIMITS_BYTES_MAX, Limits, LimitsFault, StrategyLimits,
};
pub use decide::{Accepted, Exposure, ReferencePx};
pub use evidence::{Answers, Evidence, NeverSentProof, VenueEvidence};
pub use gateway::{Counters, Destination, Effect, Effects, Event, Gateway, Now, Trace};
pub use ledger::{Ledger, Position};
pub use order::{BookKey, Order, is_terminal};
pub use state::{Book, Bounds, EXTERNAL, FoldFault, Outcome, State};
