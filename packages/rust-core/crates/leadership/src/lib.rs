//! Which gateway may lead, and when a standby may take over: pure state machines without clock, socket or file.
//!
//! The router's journal is the authority: it grants an epoch to one holder and drops the commands of all others at the
//! last instruction before the wire. Everything here only decides who asks, and when a leader holds back by itself:
//!
//! - [`Lease`]: the hint. A key in a store with a time to live, renewed by its holder; its age counts from the moment a
//!   successful renewal was *sent*, on the monotonic clock.
//! - [`Node`]: one gateway's role, from the lease, the router's word and what is seen of the leader.
//! - [`Follower`] and [`Attach`]: a standby's place in the leader's journal, and the proof that both hold the same state.
//! - [`Gate`]: from when on the router's stream of reports and copied commands counts.
//! - [`Held`]: what a leader keeps to itself while it does not know whether it still leads.
//! - [`Asked`]: the pair as a strategy sees it: whom it asks, and whose word counts.
//! - [`Release`]: how far effects may leave, by what is safe here and at the standby.
#![forbid(unsafe_code)]

mod asked;
mod gate;
mod held;
mod identity;
mod lease;
pub mod limits;
mod node;
mod release;
mod tail;

pub use asked::{Asked, UNANSWERED_MAX};
pub use gate::Gate;
pub use held::Held;
pub use identity::{Identity, Skew};
pub use lease::{Lease, LeaseReply, LeaseRequest, StoreOp};
pub use node::{Beat, Input, Node, NodeConfig, Output, Question, Role};
pub use release::{Release, ReleaseRule};
pub use tail::{Attach, Follower, Proof, Refusal, ToFollower, ToLeader, record_hash};
