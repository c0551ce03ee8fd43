//! The words of synchronisation: rules, states, causes and outcomes.

use crate::checksum::{Checksum, Decimals};
use crate::limits::LATE_NS_MAX;

/// How one venue lets its book be kept in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A snapshot is fetched. Update ids run on: the next diff begins at the last id + 1 or before (Binance spot).
    Spot,
    /// A snapshot is fetched. Each diff names the last id of the one before; the ids between are other symbols' (Binance USD-M).
    UsdM,
    /// As USD-M (Binance coin-M).
    CoinM,
    /// The stream sends its own snapshot, and with messages a checksum of the book they make (Kraken, OKX, OKCoin). It vouches
    /// for the levels it covers and for no other.
    Checked(Checksum, Decimals),
    /// The stream sends its own snapshot and numbers all messages of the session (Bitfinex): the session's
    /// [`crate::SessionSequence`] finds the gap, and every book of the session is told by [`crate::SyncedBook::lose`].
    GlobalSequence,
    /// Every message is a whole book (Shioaji, TAIFEX, Hyperliquid, partial-depth streams).
    SnapshotOnly,
    /// The stream sends its own snapshot and numbers nothing (Coinbase level2, Bitstamp order book): nothing proves a gap
    /// but the end of the session.
    Unnumbered,
}

impl Rule {
    /// Whether a snapshot is fetched beside the stream and joined by ids.
    pub const fn fetches_snapshot(self) -> bool {
        matches!(self, Self::Spot | Self::UsdM | Self::CoinM)
    }
}

/// Bounds of one book's belief. The default has no grace, no staleness, and keeps every level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// How long the touch may stay crossed before the book is INVALID; meanwhile it is SYNCING. For venues that send one
    /// change in several messages.
    pub crossed_grace_ns: u64,
    /// Silence after which the book is INVALID; 0 for never.
    pub stale_ns: u64,
    /// Levels a side that the venue keeps; worse ones are forgotten after each message. 0 for all.
    pub depth_max: usize,
    /// Whether bid = ask is in order, as at venues that publish auctions or implied prices.
    pub locked_allowed: bool,
}

/// Whether the book may be priced from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A snapshot is awaited, or the diff that bridges it, or the end of a crossing within its grace.
    Syncing,
    Valid,
    /// The cause is known; a repair is awaited.
    Invalid,
}

/// Why a book is INVALID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Venue ids `first..=last` never came.
    Gap { first: u64, last: u64 },
    /// The touch was crossed for longer than the grace.
    Crossed,
    /// The venue's checksum and that of the book.
    Checksum { want: u32, got: u32 },
    /// Nothing came for longer than the bound.
    Stale,
    /// The session ended.
    Session,
}

/// What a diff did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffOutcome {
    /// Kept until a snapshot comes.
    Buffered,
    /// Older than the book: no effect.
    Stale,
    /// The stream has sent no snapshot since the book was lost, or every message is a whole book: no effect.
    Unanchored,
    Applied,
    /// Applied, and with it the book became VALID.
    Bridged,
    /// Applied; the touch is crossed within its grace. SYNCING.
    Crossing,
    /// The snapshot is older than the stream: fetch another. The diff is kept.
    SnapshotTooOld,
    /// Venue ids `first..=last` never came. INVALID; the diff is kept for the next snapshot.
    Gap {
        first: u64,
        last: u64,
    },
    /// The touch is locked or crossed. INVALID.
    Crossed,
    /// The book is not the venue's. INVALID.
    ChecksumMismatch {
        want: u32,
        got: u32,
    },
}

/// What a snapshot did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOutcome {
    /// The book is VALID; a fetched one was joined to the buffered diffs.
    Valid,
    /// Taken; the next diff must bridge it.
    AwaitingDiff,
    /// Taken; the touch is crossed within its grace. SYNCING.
    Crossing,
    /// Older than the first buffered diff: fetch another.
    TooOld,
    /// Of an earlier venue time than the book: no effect.
    Older,
    /// The buffered diffs have a hole behind it: fetch another.
    Gap { first: u64, last: u64 },
    /// Its touch is locked or crossed. INVALID.
    Crossed,
    /// The book is not the venue's. INVALID.
    ChecksumMismatch { want: u32, got: u32 },
    /// The book is VALID already: no effect.
    NotWanted,
}

/// What has come so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub applied: u64,
    pub stale: u64,
    pub unanchored: u64,
    pub gaps: u64,
    pub crossed: u64,
    pub checksums: u64,
    pub checksum_mismatches: u64,
    pub staled: u64,
    pub snapshots: u64,
    pub snapshots_too_old: u64,
    pub buffer_dropped: u64,
    pub repairs: u64,
}

/// Time from the loss of a book to its being VALID again, by the caller's stamps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repair {
    pub last_ns: u64,
    pub max_ns: u64,
}

/// Whether a whole book of venue time `ts` came late behind one of `newest`, both in ns of the epoch, 0 for a message without
/// a time. A connection keeps its order: what lies further back than [`LATE_NS_MAX`] is the venue's clock, set back.
pub(crate) const fn is_late(ts: i64, newest: i64) -> bool {
    ts != 0 && ts < newest && newest.saturating_sub(ts) <= LATE_NS_MAX
}
