//! Every bound of the market-data loop.

use tidegate_wire::topic::MdKind;

/// Instruments of one process.
pub const FEEDS_MAX: usize = 64;
/// Websocket sessions of one process.
pub const SESSIONS_MAX: usize = 16;
/// Connections of one process, over all sessions and shards, the spare ones of a roll not counted.
pub const SLOTS_MAX: usize = 64;
/// Largest key file, in bytes.
pub const KEY_FILE_BYTES_MAX: u64 = 4_096;
/// Subscription requests on their way on one connection.
pub const REQUESTS_MAX: usize = 256;
/// Shadow sets of one instrument beside its active one.
pub const SHADOWS_MAX: usize = 4;
/// Instruments that have feature sets of their own.
pub const FEATURES_SETS_MAX: usize = FEEDS_MAX;
/// Prints of one instrument that are remembered, to tell one that comes twice: more than the pages of one answer hold.
pub const TAPE_PRINTS_MAX: usize = 16_384;
/// A part of the tape that is missing is asked for again after this long, and given up after so many times.
pub const BACKFILL_RETRY_NS: u64 = 10_000_000_000;
pub const BACKFILL_TRIES_MAX: u32 = 6;
/// Streams asked for in the URL of a connection; more are asked for by messages.
pub const URL_STREAMS_MAX: usize = 200;
/// Frames, and bytes of them, that the next connection of a roll keeps until it takes over; past either it takes over at once.
pub const SPARE_FRAMES_MAX: usize = 8_192;
pub const SPARE_BYTES_MAX: usize = 8 << 20;
/// Controls of one turn of one connection; a venue that sends more has the rest dropped and counted as refused words.
pub const CONTROLS_MAX: usize = 1_024;
/// Largest body of an answer to a subscription over HTTP.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Parts of one captured message: the largest message a session takes fits.
pub const CAPTURE_PARTS_MAX: u16 = 256;
/// Conflated streams of one process, and the shortest time between two messages of one.
pub const CONFLATED_MAX: usize = 128;
pub const CONFLATE_NS: u64 = 100_000_000;
/// Levels a side of a `BookDepth`.
pub const DEPTH_LEVELS: usize = 10;
/// Shortest time between two `BookDepth` of one instrument.
pub const DEPTH_PERIOD_NS: u64 = 100_000_000;
/// A `BookTop` is repeated after this long without a change: the watermark of a quiet book, for readers that joined late and for
/// those that price from nothing older than a bound. Well below that bound, which is a second at the gateway as shipped.
pub const TOP_REFRESH_NS: u64 = 400_000_000;
/// A wanted snapshot is asked for again after this long. At weight 50 it uses half of the venue's budget at worst.
pub const SNAPSHOT_RETRY_NS: u64 = 1_000_000_000;
/// Silence of the session that carries the book after which the book is STALE.
pub const STALE_AFTER_NS: u64 = 5_000_000_000;
/// Longest reason of an `InstrumentStatus`.
pub const STATUS_REASON_BYTES_MAX: usize = 128;
/// Longest wait in poll: heartbeats are due every 100 ms.
pub const POLL_MS: i64 = 20;
/// How often the statistics are published.
pub const STATS_PERIOD_NS: u64 = 250_000_000;
/// Spans of one second; beyond it they are counted and not told.
pub const SPANS_PER_SECOND_MAX: u32 = 4_000;

const _: () = assert!(
    (SPANS_PER_SECOND_MAX as usize) < crate::limits::EVENTS_MAX,
    "a second of spans leaves room for log lines"
);
const _: () =
    assert!(FEEDS_MAX * MdKind::ALL.len() <= tidegate_bus::limits::TOPICS_MAX, "each feed has its topics");
const _: () = assert!(
    CAPTURE_PARTS_MAX as usize * (tidegate_wire::limits::PAYLOAD_LEN_MAX - 512)
        >= tidegate_venue_io::limits::MESSAGE_BYTES_MAX,
    "every message a session takes can be captured"
);
const _: () = assert!(
    FEEDS_MAX * MdKind::ALL.len() + CONFLATED_MAX + SLOTS_MAX <= tidegate_bus::limits::TOPICS_MAX,
    "each feed, each conflated stream and each capture has its topic"
);
const _: () = assert!(POLL_MS <= crate::limits::WAIT_MS_MAX, "a stop is seen in time");
const _: () =
    assert!(TOP_REFRESH_NS < STALE_AFTER_NS, "a quiet book is repeated before it could be called stale");
