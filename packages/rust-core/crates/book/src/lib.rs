//! Books of integer ticks, and the venues' own rules for keeping one in step.
//!
//! [`L2Book`] holds levels of any price, [`BoundedL2Book`] of a known range, [`L3Book`] orders. [`SyncedBook`] decides when an L2
//! book may be believed: it buffers diffs, bridges them to a snapshot, and turns INVALID at the first gap, wrong checksum or
//! crossed touch.
#![forbid(unsafe_code)]

mod checksum;
mod dense;
mod ids;
mod l2;
mod l3;
mod ladder;
pub mod limits;
mod nbbo;
mod rule;
mod sequence;
mod slab;
mod sync;
mod top;

/// What books of orders are made of, for the matching core: one implementation of each.
pub mod parts {
    pub use crate::ids::IdMap;
    pub use crate::ladder::Ladder;
    pub use crate::slab::Slab;
}

pub use checksum::{Checksum, Decimals};
pub use ids::OrderId;
pub use l2::{BoundedL2Book, L2Book, RangeFault};
pub use l3::{L3Book, L3Level, L3Outcome, Order, QueuePosition};
pub use nbbo::{ConsolidatedLevel, Nbbo, NbboOutcome, NbboState, VenueQuote, consolidate};
pub use rule::{Cause, Counts, DiffOutcome, Repair, Rule, Settings, SnapshotOutcome, State};
pub use sequence::{SequenceOutcome, SessionSequence};
pub use sync::SyncedBook;
pub use top::{TopBook, TopOutcome, TopStats};
