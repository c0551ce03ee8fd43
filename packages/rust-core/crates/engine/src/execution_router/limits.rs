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
/// While a kill stands: how long the answer to a look is waited for, and between two looks at what a venue of a session of ours holds before and after it was empty for so long, and the orders
/// of one look that are cancelled by their ids, where the mass cancel left them.
pub const SWEEP_ANSWER_NS: u64 = 5_000_000_000;
pub const SWEEP_NS: u64 = 500_000_000;
pub const SWEEP_AGAIN_NS: u64 = 2_000_000_000;
pub const SWEEP_QUIET_NS: u64 = 1_500_000_000;
pub const SWEEP_CANCELS_MAX: usize = 5;
/// Rows of one list of a FIX venue, of what is open or was traded; a longer one counts as none.
pub const FIX_ROWS_MAX: usize = 10_000;
/// Reads of one FIX socket in one turn.
pub const FIX_READS_PER_TURN_MAX: usize = 16;
/// Requests under way at a venue of requests over HTTP; a further one is refused unsent.
pub const REST_CALLS_MAX: usize = 64;
/// How long the connection of a request may take, in milliseconds, and the whole of its answer: by then the core has long asked.
pub const REST_CONNECT_MS: u64 = 2_000;
pub const REST_ANSWER_MS: u64 = 10_000;
/// How long the logins of a stream may take altogether.
pub const REST_LOGIN_NS: u64 = 5_000_000_000;
/// A websocket stream without a byte is pinged after the one and given up after the other, in milliseconds; a stream of events
/// has a heartbeat each half minute.
pub const STREAM_PING_MS: u64 = 2_000;
pub const STREAM_IDLE_MS: u64 = 6_000;
pub const SSE_IDLE_MS: u64 = 65_000;
/// How long after its stamp a request may still take effect at a venue that gives it no validity: nobody documents a bound.
pub const REST_SETTLES_NS: i64 = 30_000_000_000;
/// Least that may be configured for it.
pub const REST_SETTLES_NS_MIN: i64 = 12_000_000_000;
/// First wait before a question is asked again at such a venue: 1, 2, 4 seconds.
pub const REST_QUERY_WAIT_NS: u64 = 1_000_000_000;
/// Between two looks for executions that Alpaca may have taken back: six requests of its 200 a minute.
pub const FILLS_SWEEP_NS: u64 = 10_000_000_000;
/// How long the stream may take to say what became of a cancel before that is asked for.
pub const REST_TOLD_NS: u64 = 1_000_000_000;
/// Versions of one order that are followed, and of all orders whose filled part is kept; the oldest goes first.
pub const VERSIONS_MAX: u8 = 64;
pub const VERSIONS_KEPT_MAX: usize = 65_536;
/// New orders that wait for the one before them, at a venue that takes them one after the other; a further one is refused unsent.
pub const PLACES_WAITING_MAX: usize = 64;
/// Orders whose custom field is remembered; the oldest goes first.
pub const FIELDS_KEPT_MAX: usize = 262_144;
/// Pages of one list of fills, and how far before an order it begins: the clocks may differ by as much.
pub const FILL_PAGES_MAX: usize = 20;
pub const FILLS_BEFORE_NS: i64 = 10_000_000_000;
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

const _: () = assert!(STREAM_PING_MS < STREAM_IDLE_MS && REST_CONNECT_MS < REST_ANSWER_MS);
const _: () = assert!(
    REST_SETTLES_NS_MIN as u64 > REST_ANSWER_MS * 1_000_000,
    "an answer that may come proves nothing yet"
);
const _: () = assert!(COMMANDS_WAITING_MAX >= 2 * 4_096, "a kill behind a whole link window is seen");
const _: () = assert!(REPORTS_KEPT_MAX >= 2 * 4_096, "a whole link window must be in memory");
