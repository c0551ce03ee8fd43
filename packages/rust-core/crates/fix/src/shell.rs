//! The socket and the disk: everything the session itself does not know.

mod link;
mod store;

pub use link::{Clock, Driver, End, Go, dial, listen};
pub use store::JournalStore;
