//! Feed sessions as a pure decision: what a venue's rules say next, given what happened and the time.
//!
//! [`session::Session`] holds no socket and no clock: the loop tells it events and carries out its effects. A venue is a
//! [`rules::Rules`] value, so that a new one needs data and a dialect, not another machine.
#![forbid(unsafe_code)]

pub mod budget;
pub mod limits;
pub mod lock;
pub mod plan;
pub mod rules;
pub mod session;
pub mod window;

pub use budget::{ConnectBudget, MessageBudget};
pub use lock::{SchemaFault, VersionLock};
pub use plan::{PlanFault, Stream, shard};
pub use rules::{Rules, RulesFault};
pub use session::{Cause, Effect, Event, Now, Session, State};
pub use window::{Window, Windows, Zone};
