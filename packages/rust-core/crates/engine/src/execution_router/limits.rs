//! Every bound of the execution-router loop.

/// Reports kept in memory for delivery; older ones are read from the journal.
pub const REPORTS_KEPT_MAX: usize = 16_384;
/// Inputs taken from the command link in one turn.
pub const COMMANDS_PER_TURN_MAX: usize = 256;
/// Commands taken from the link and not applied yet; more stay in the link, whose window bounds them.
pub const COMMANDS_WAITING_MAX: usize = 8_192;
/// Reports handed to the link in one turn.
pub const REPORTS_PER_TURN_MAX: usize = 512;
/// Orders whose trace is remembered; the oldest goes first.
pub const TRACES_MAX: usize = 65_536;
/// Commands kept for a new leader to take over, and their bytes.
pub const ADOPTABLE_MAX: usize = 65_536;
pub const ADOPTABLE_BYTES_MAX: usize = 32 << 20;
/// Between two words to the gateways about who leads, in nanoseconds.
pub const BEAT_NS: u64 = tidegate_leadership::limits::BEAT_PERIOD_NS;
/// How long after the start of this process a leader it has not heard yet counts as alive.
pub const GRACE_NS: u64 = 1_000_000_000;
/// Longest wait of one turn, in milliseconds.
pub const POLL_MS: i64 = 20;
/// How often statistics are published, in nanoseconds.
pub const STATS_PERIOD_NS: u64 = 250_000_000;
/// How long a missing listen key is waited for before it is asked for again.
pub const LISTEN_KEY_RETRY_NS: u64 = 2_000_000_000;
/// How long the answer to a login of spot's user stream is waited for; then the connection is made anew.
pub const USER_LOGIN_NS: u64 = 5_000_000_000;
/// Executions of a FIX venue kept for the corrections and busts that name them; the oldest goes first.
pub const FIX_FILLS_KEPT_MAX: usize = 65_536;
/// How long a FIX connection may take to stand, and the mass status after a logon to be answered.
pub const FIX_CONNECT_NS: u64 = 10_000_000_000;
pub const FIX_LOGON_STATUS_NS: u64 = 5_000_000_000;
/// Bytes a FIX venue may leave unread before its connection ends; new messages are refused at half of it.
pub const FIX_OUT_BYTES_MAX: usize = 1 << 20;
/// While a kill stands: between two looks at what a FIX venue holds before and after it was empty for so long, and the orders
/// of one look that are cancelled by their ids, where the mass cancel left them.
pub const FIX_SWEEP_NS: u64 = 500_000_000;
pub const FIX_SWEEP_AGAIN_NS: u64 = 2_000_000_000;
pub const FIX_SWEEP_QUIET_NS: u64 = 1_500_000_000;
pub const FIX_SWEEP_CANCELS_MAX: usize = 5;
/// Rows of one list of a FIX venue, of what is open or was traded; a longer one counts as none.
pub const FIX_ROWS_MAX: usize = 10_000;
/// Reads of one FIX socket in one turn.
pub const FIX_READS_PER_TURN_MAX: usize = 16;
/// Largest latency the histograms tell apart, in nanoseconds.
pub const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// Journal records folded in one read.
pub const FOLD_BATCH: usize = 4_096;
/// Rounds of effects one event may cause; more is a bug.
pub const ROUNDS_MAX: usize = 16;
/// Spans told per second.
pub const SPANS_PER_SECOND_MAX: u32 = 200;
/// Letters the order DLQ keeps, and for how long; older ones go when a tenth of it would.
pub const DLQ_KEPT_MAX: usize = 10_000;
pub const DLQ_RETENTION_NS: i64 = 7 * 86_400 * 1_000_000_000;
/// Bytes of its file beyond which what is too much goes at once.
pub const DLQ_BYTES_MAX: u64 = 32 << 20;
/// Letters held in memory while the disk fails; a further one is counted and not kept.
pub const DLQ_PENDING_MAX: usize = 10_000;
/// How long a disk that failed is left alone.
pub const DLQ_RETRY_NS: u64 = 1_000_000_000;

const _: () = assert!(COMMANDS_WAITING_MAX >= 2 * 4_096, "a kill behind a whole link window is seen");
const _: () = assert!(REPORTS_KEPT_MAX >= 2 * 4_096, "a whole link window must be in memory");
