//! Every bound of the router core, and the relations between them.

/// Venues one router holds sessions to.
pub const VENUES_MAX: usize = 64;
/// Orders that are not terminal, over all venues; the next NEW is refused unsent.
pub const OPEN_ORDERS_MAX: usize = 65_536;
/// Terminal orders kept whole, for late fills and repeated commands; beyond it the oldest keeps its id alone.
pub const TERMINAL_ORDERS_MAX: usize = 131_072;
/// Ids kept of older terminal orders, so that none is sent twice; beyond it NEW is refused unsent.
pub const SPENT_IDS_MAX: usize = 4_194_304;
/// Fills kept of one order for deduplication; a further one halts nothing but is named in a note.
pub const FILLS_PER_ORDER_MAX: usize = 65_536;
/// Executions of one venue that are looked for in its list, and for how long after they were; older ones are reconciliation's.
pub const FILLS_SWEPT_MAX: usize = 1_000;
pub const FILLS_SWEPT_NS: i64 = 4 * 86_400 * 1_000_000_000;
/// How long a list may lag an execution that was told.
pub const FILL_SETTLES_NS: u64 = 5_000_000_000;
/// Executions of one page of a list: the more there are, the rarer it is asked for.
pub const SWEEP_PAGE: usize = 100;
/// Least time between two looks at lists of one venue.
pub const SWEEP_GAP_NS: u64 = 1_000_000_000;
/// Requests whose answer is awaited, per venue.
pub const REQUESTS_MAX: usize = 4_096;
/// Queries of one venue awaited at once, so that a recovery does not eat the venue's budget.
pub const QUERIES_IN_FLIGHT_MAX: usize = 8;
/// Queries of one venue in a minute.
pub const QUERIES_PER_MINUTE_MAX: usize = 600;
/// Bytes kept of what a venue said.
pub const VENUE_TEXT_BYTES_MAX: usize = 256;
/// Bytes of a venue's order id or execution id.
pub const VENUE_ID_BYTES_MAX: usize = 64;

/// Validity of a NEW at the venue after its timestamp. Short, so that "not found" soon proves something.
pub const RECV_WINDOW_NS: i64 = 1_000_000_000;
/// How far the clocks that stamp and judge a request may lie apart; the venue itself refuses stamps over 1 s ahead.
pub const CLOCK_BOUND_NS: i64 = 1_000_000_000;
/// Window of the venue's order budget, and of its request weight.
pub const RATE_WINDOW_NS: u64 = 10_000_000_000;
pub const WEIGHT_WINDOW_NS: u64 = 60_000_000_000;
/// What a "too many" of the venue takes off a budget, in percent.
pub const EASE_PERCENT: usize = 20;
/// How long nothing is sent after a "too many", and after a ban, that do not say until when.
pub const BLOCK_NS: u64 = 60_000_000_000;
pub const BAN_NS: u64 = 120_000_000_000;
/// Longest block that is believed; a clock of the venue that says more is wrong.
pub const BLOCK_NS_MAX: u64 = 72 * 3_600_000_000_000;
/// Orders of the journal that are counted against the budgets after a start.
pub const RECENT_ORDERS_MAX: usize = 16_384;
/// Share of the order budget that NEW may not touch, in percent: it stays for cancels.
pub const CANCEL_RESERVE_PERCENT: usize = 20;
/// Executions of orders nobody here knows, kept for when their order becomes known; beyond it the oldest is only counted.
pub const ORPHANS_MAX: usize = 1_000;
/// After so long an execution without an order is somebody's to look at.
pub const ORPHAN_NS: u64 = 30_000_000_000;
/// Commands that wait for room; beyond it the least urgent gives way.
pub const QUEUE_MAX: usize = 1_024;
/// How long an amend, and an order that flattens, may wait for room.
pub const AMEND_WAIT_NS: u64 = 5_000_000_000;
pub const FORCE_FLAT_WAIT_NS: u64 = 30_000_000_000;
/// Longest wait of a new order that may be configured: an old one is another order.
pub const NEW_WAIT_NS_MAX: u64 = 1_000_000_000;
/// Faults in a row that open a breaker, and for how long it stays open.
pub const BREAKER_FAULTS: u32 = 5;
pub const BREAKER_OPEN_NS: u64 = 60_000_000_000;
/// A question takes no risk and finds out that a venue is well again: its breaker is only to spare it.
pub const QUERY_BREAKER_OPEN_NS: u64 = 5_000_000_000;
/// Strategies whose refusals are remembered; a further one has no breaker of its own.
pub const BREAKER_STRATEGIES_MAX: usize = 4_096;
/// An order request unanswered for so long has an unknown outcome.
pub const ORDER_TIMEOUT_NS: u64 = 2_000_000_000;
/// A query unanswered for so long is asked again.
pub const QUERY_TIMEOUT_NS: u64 = 5_000_000_000;
/// A request is forgotten so long after its time-out; until then a late answer still counts.
pub const LATE_ANSWER_NS: u64 = 60_000_000_000;
/// First and longest wait between two queries of one order.
pub const QUERY_BACKOFF_NS_MIN: u64 = 100_000_000;
pub const QUERY_BACKOFF_NS_MAX: u64 = 5_000_000_000;

const _: () = assert!(OPEN_ORDERS_MAX < TERMINAL_ORDERS_MAX, "what was open a moment ago is still whole");
const _: () = assert!(QUERIES_IN_FLIGHT_MAX < REQUESTS_MAX);
const _: () =
    assert!(QUERY_BACKOFF_NS_MIN < QUERY_BACKOFF_NS_MAX && QUERY_BACKOFF_NS_MAX <= QUERY_TIMEOUT_NS);
const _: () = assert!(CANCEL_RESERVE_PERCENT > 0 && CANCEL_RESERVE_PERCENT < 100);
