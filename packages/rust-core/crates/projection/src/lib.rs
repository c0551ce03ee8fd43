//! From the WAL to the columns of a database's tables: blocks are read from their segments, records are told apart by what they
//! hold, and each table's rows come out as one block of ClickHouse's Native format.
//!
//! The tables are described by their owner ([`Schema`]), names, types and where a value comes from; field numbers and the names
//! of enums are the proto's. The same blocks give the same bytes, whoever asks and however often. A record that is no envelope
//! becomes a row of the quarantine as it stands; a venue's raw bytes stay in the WAL alone.
#![forbid(unsafe_code)]

mod column;
mod group;
mod schema;
mod slice;

pub use group::{Bounds, Found, Group, Position, read_group};
pub use schema::{Schema, SchemaFault};
pub use slice::{Insert, RecordRef, Sliced, Slicer};
