//! Every bound of the log, and the relations between them.

/// Bytes before the first record of a segment: one device page, so that no record shares a page with the header.
pub const SEGMENT_HEADER_BYTES: u64 = 4_096;
/// Bytes of a record before its payload.
pub const RECORD_HEADER_BYTES: usize = 48;
/// Records start at multiples of this within a segment.
pub const RECORD_ALIGN: usize = 8;
/// A power-safe batch starts at a multiple of this, so that writing it never rewrites a page that was already acknowledged.
pub const BATCH_ALIGN: u64 = 4_096;
/// Largest payload of one record, in bytes: an envelope of the bus fits.
pub const PAYLOAD_BYTES_MAX: usize = 65_536;
/// A batch this long is written before it grows further, in bytes.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Smallest segment, in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 16_384;
/// Largest segment, in bytes: recovery holds one in memory.
pub const SEGMENT_BYTES_MAX: u64 = 256 << 20;
/// Segment size of simulation and backtest, in bytes.
pub const SEGMENT_BYTES_SIM: u64 = 8 << 20;
/// Segment size of live trading, in bytes.
pub const SEGMENT_BYTES_LIVE: u64 = 64 << 20;
/// Longest stream name, in bytes.
pub const STREAM_NAME_BYTES_MAX: usize = 128;
/// Syncs begun and not ended: while one is on its way to the device the next are written, and go with one more.
pub const SYNCS_MAX: usize = 4;
/// Bytes a reader of the tail takes at once.
pub const CURSOR_CHUNK_BYTES: usize = 256 << 10;

const _: () = assert!(RECORD_HEADER_BYTES.is_multiple_of(RECORD_ALIGN));
const _: () =
    assert!(SEGMENT_HEADER_BYTES.is_multiple_of(BATCH_ALIGN) && SEGMENT_BYTES_MIN > 2 * SEGMENT_HEADER_BYTES);
const _: () =
    assert!(PAYLOAD_BYTES_MAX + 2 * BATCH_ALIGN as usize <= BATCH_BYTES_MAX, "any record fits a batch");
const _: () =
    assert!(PAYLOAD_BYTES_MAX + 2 * RECORD_HEADER_BYTES <= CURSOR_CHUNK_BYTES, "any record fits a chunk");
const _: () = assert!(SEGMENT_BYTES_SIM <= SEGMENT_BYTES_LIVE && SEGMENT_BYTES_LIVE <= SEGMENT_BYTES_MAX);
