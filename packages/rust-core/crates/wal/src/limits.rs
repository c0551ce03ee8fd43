//! Every bound of the WAL, and the relations between them.

/// Most records in a block.
pub const BLOCK_RECORDS_MAX: usize = 256;
/// A block that would grow beyond this is written first, in bytes; one record larger than the rest still makes a block.
pub const BLOCK_BYTES_TARGET: usize = 64 << 10;
/// Largest payload of one record, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 65_536;
/// Largest body of a block a reader accepts, in bytes.
pub const BLOCK_BYTES_MAX: usize = 256 << 10;
/// A segment this long is sealed by default, in bytes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 16 << 20;
/// A segment this old is sealed by default, in ns.
pub const SEGMENT_AGE_NS_DEFAULT: u64 = 10_000_000_000;
/// Largest segment a reader accepts, in bytes.
pub const SEGMENT_BYTES_MAX: u64 = 256 << 20;
/// Different (stream, epoch) pairs in one segment; one more seals it.
pub const STREAMS_MAX: usize = 1_024;
/// Longest stream name, in bytes.
pub const STREAM_NAME_BYTES_MAX: usize = 64;
/// Blocks written since the last flush; one more flushes first.
pub const FLUSH_BLOCKS_MAX: u16 = 1_024;
/// Read at once by who reads block after block, in bytes.
pub const READ_BYTES: usize = 512 << 10;
/// Bytes of a segment go to the thread that hashes them in pieces of at least this size: waking it for fewer costs more than they do.
pub const HASH_PIECE_BYTES: usize = 32 << 10;
/// Pieces that may wait for that thread; with more the writer waits.
pub const HASH_PIECES_MAX: usize = 16;
/// Faults a verification words; the rest is counted.
pub const FAULTS_MAX: usize = 64;

const RECORD_MOST: usize =
    PAYLOAD_BYTES_MAX + 2 * (crate::format::RECORD_HEADER_BYTES + STREAM_NAME_BYTES_MAX);
const _: () = assert!(BLOCK_BYTES_TARGET + RECORD_MOST <= BLOCK_BYTES_MAX, "whatever is written can be read");
const _: () =
    assert!(BLOCK_BYTES_MAX + crate::format::BLOCK_HEADER_BYTES <= READ_BYTES, "any block is read at once");
const _: () = assert!(SEGMENT_BYTES_DEFAULT + 4 * BLOCK_BYTES_MAX as u64 <= SEGMENT_BYTES_MAX);
