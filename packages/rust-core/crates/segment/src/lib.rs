//! A durable append-only log in preallocated segment files, over a [`Storage`] that is a directory or a simulated disk.
//!
//! Records are framed, checksummed and chained; what a restart may conclude from the bytes it finds is one decision table
//! ([`decide`]). The journal of the gateway and of the router are record types over it; the WAL shares its [`Storage`].
#![forbid(unsafe_code)]

mod cursor;
mod dir;
mod fault;
pub mod format;
pub mod limits;
mod log;
pub mod memory;
mod recovery;
mod storage;
mod syncer;

pub use cursor::Cursor;
pub use dir::DirStorage;
pub use fault::LogFault;
pub use format::{Record, SegmentHeader, stream_id};
pub use log::{Log, LogConfig};
pub use recovery::{Evidence, Recovery, Torn, Verdict, decide, scan};
pub use rustix::io::Errno;
pub use storage::{Storage, StorageError};
