//! Every bound of the audit trail, and the relations between them.

/// Longest actor and action, in bytes; at least 1.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest reason, in bytes; may be empty.
pub const REASON_BYTES_MAX: usize = 256;
/// A segment this long is followed by the next by default, in bytes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 16 << 20;
/// Largest segment a reader accepts, in bytes.
pub const SEGMENT_BYTES_MAX: u64 = 256 << 20;
/// Most bytes collected before they are written.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// New records are under a signature after this, in ns.
pub const CHECKPOINT_NS: u64 = 1_000_000_000;
/// Most checkpoints a reader accepts: ten years of one a second.
pub const CHECKPOINTS_MAX: u64 = 320_000_000;

const _: () = assert!(SEGMENT_BYTES_DEFAULT + 2 * BATCH_BYTES_MAX as u64 <= SEGMENT_BYTES_MAX);
