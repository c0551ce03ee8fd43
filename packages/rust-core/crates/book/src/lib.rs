//! L2 books of integer ticks, and the venues' own rules for keeping one in step.
//!
//! [`L2Book`] holds levels: a bounded ladder near the touch, sorted overflow beyond it. [`SyncedBook`] decides when a book
//! may be believed: it buffers diffs, bridges them to a snapshot, and turns INVALID at the first gap or crossed touch.
#![forbid(unsafe_code)]

mod ladder;
pub mod limits;
mod sync;

pub use ladder::L2Book;
pub use sync::{Counts, DiffOutcome, Rule, SnapshotOutcome, State, SyncedBook};
