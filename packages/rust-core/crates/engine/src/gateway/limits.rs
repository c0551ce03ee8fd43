//! Every bound of the gateway's loop.

/// Longest wait for a socket, in milliseconds: how late a timer of the core may be.
pub const WAIT_MS_MAX: i64 = 10;
/// Between two ticks of the core, in nanoseconds.
pub const TICK_NS: u64 = 20_000_000;
/// Between two confirmations that a stream is alive, and between two statistics.
pub const ALIVE_NS: u64 = 50_000_000;
pub const STATS_NS: u64 = 250_000_000;
/// Between two readings of the loop's own health, in nanoseconds.
pub const HEALTH_NS: u64 = 1_000_000_000;
/// Inputs taken from one socket in one turn; the rest waits for the next, behind a commit.
pub const INPUTS_PER_TURN_MAX: usize = 256;
/// Commands decided and not yet taken by the link. The core decides no more than the link has credits, so more is a bug.
pub const OUTBOX_MAX: usize = 16_384;
/// Messages to strategies held back by a leader that may be none any more; at the bound intents wait in their links.
pub const HELD_MAX: usize = 4_096;
/// Journal records sent to one follower in one turn.
pub const TAIL_PER_TURN_MAX: usize = 512;
/// Followers of the journal at a time.
pub const TAIL_PEERS_MAX: usize = 4;
/// States kept for a standby to be shown.
pub const PROOFS_MAX: usize = 64;
/// Records of the leader taken in one turn.
pub const FOLLOW_PER_TURN_MAX: usize = 4_096;
/// Between two requests to be attached to the leader.
pub const ATTACH_NS: u64 = 100_000_000;
/// Strategies at a time.
pub const STRATEGIES_MAX: usize = 64;
/// Spans of decisions per second; beyond it they are counted and not told.
pub const SPANS_PER_SECOND_MAX: u32 = 50;
/// Records read at once while recovering.
pub const RECOVER_CHUNK: usize = 4_096;
/// Bytes of the input log of one life; at the bound it ends, which is logged, and the session can be replayed up to there.
pub const INPUT_LOG_BYTES_MAX: u64 = 8 << 30;
/// Records of a journal that is replayed.
pub const REPLAY_RECORDS_MAX: usize = 8_000_000;
/// Longest wait for the farewells at the end, in nanoseconds.
pub const FAREWELL_NS: u64 = 200_000_000;

const _: () = assert!(WAIT_MS_MAX <= crate::limits::WAIT_MS_MAX);
const _: () = assert!(TICK_NS >= WAIT_MS_MAX as u64 * 1_000_000, "a tick may come late by one wait");
