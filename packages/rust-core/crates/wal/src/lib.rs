//! The recorder's write-ahead log: every stream of the cluster in one row of segments, block by block.
//!
//! A segment is written as `NNNNNNNNNN.open`; sealed, it gets a footer, the name `.seg`, and never changes again. Whole blocks
//! of an open segment can be read while it grows. Each record has a `wal_seq`, 1 and up over the whole log.
#![forbid(unsafe_code)]

mod digest;
pub mod format;
pub mod limits;
mod positions;
mod reader;
mod recovery;
mod tally;
pub mod torture;
mod verify;
mod writer;

pub use format::{Block, Compression, Footer, Record, RecordType};
pub use reader::{Reader, SegmentInfo, read_block, read_header, segments};
pub use tidegate_segment::{DirStorage, Errno, LogFault as WalFault, Storage};
pub use verify::{StreamReport, WalReport, verify};
pub use writer::{Position, Wal, WalConfig, WalRecovery};
