//! The audit trail: append-only, hash-chained over every rotation, signed each second, kept twice.
//!
//! Each act of a person or of a control is one record `{seq, ts_utc, ts_mono, epoch, actor, action, before, after, reason}` with
//! `hash = SHA-256(prev ‖ len ‖ body)`. A checkpoint signed with Ed25519 says how far the chain goes and what its head is. Records and
//! checkpoints go to a second place as well: without one outside the hands of whoever writes the first, a cut tail cannot be
//! told from a trail that simply ends there. `docs/reference/audit-format.md` is the page of the bytes.
#![forbid(unsafe_code)]

mod checkpoint;
mod format;
pub mod limits;
mod log;
mod verify;

pub use checkpoint::{Checkpoint, PublicKey, SigningKey};
pub use format::{Digest, Entry, Record, SEGMENT_HEADER_BYTES, digest, record_end};
pub use log::{AuditConfig, AuditLog, AuditRecovery};
pub use tidegate_segment::{DirStorage, LogFault as AuditFault, Storage};
pub use verify::{AuditReport, FirstBad, read_from, verify};
