//! The gateway's core: every order decision, position and unit of cash, as one deterministic state machine.
//!
//! [`Gateway::apply`] takes one event at one time and says what to journal and what to send. The durable [`State`] is a
//! fold of the journal and changes in no other way, so that recovery is the same fold.
#![forbid(unsafe_code)]

mod canon;
mod config;
pub mod contract;
mod decide;
mod evaluate;
mod evidence;
mod fixed;
mod gateway;
mod index;
mod ledger;
mod limit_change;
pub mod limits;
mod means;
mod order;
mod outcomes;
mod risk_state;
mod scope;
mod state;
pub mod storm;
mod sums;

pub use config::{
    AccountChecks, AccountKind, AccountLimits, Attribution, Blackout, DeskLimits, DrawdownLimit, DriftLimit,
    FirmLimits, InstrumentLimits, KillLimits, LIMITS_BYTES_MAX, Limits, LimitsFault, LossAction, LossLimits,
    MarketName, OrderToTrade, Permissions, RowId, Rows, Sides, StormConfig, StrategyLimits, TickBand,
    TimeOfDay, Window,
};
pub use decide::{Accepted, Exposure, ReferencePx, may_be_overridden};
pub use evidence::{Answers, Evidence, NeverSentProof, VenueEvidence};
pub use gateway::{Counters, Destination, Effect, Effects, Event, Gateway, Now, Trace};
pub use ledger::{Contra, Ledger, Position};
pub use limit_change::{ChangeFault, LimitsChange, folds};
pub use order::{BookKey, CONTENT_BYTES, Content, Order, Terms, is_terminal};
pub use outcomes::{Archive, Lookup, MemoryArchive, Outcome};
pub use risk_state::{Balance, Message, OwnFill, Period, Rate, RiskState};
pub use scope::Scope;
pub use state::{Book, Bounds, EXTERNAL, FoldFault, State, of_its_own_making};
