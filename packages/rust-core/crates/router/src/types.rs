//! What goes into the core and what comes out.

use crate::id::ClientId;
use crate::limits::{CLOCK_BOUND_NS, QUERY_BACKOFF_NS_MIN, RECV_WINDOW_NS};
use tidegate_units::{InstrumentId, Side, VenueId};
use tidegate_wire::pb::orders::v1::{Command, Reason, Report};

/// One moment on both clocks of this host, as an event carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub mono_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub epoch_ns: i64,
}

/// Request weight of each question, as the venue lists it; 0 where it is not asked over this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weights {
    pub place: usize,
    pub cancel: usize,
    pub status: usize,
    pub open: usize,
    /// Trades of one order, and of a whole instrument.
    pub trades_of_order: usize,
    pub trades: usize,
    pub time: usize,
}

/// What the core needs to know of a venue. Limits are the account's; the shares say what of them is this process's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueConfig {
    pub venue: VenueId,
    /// The venue's own limit of orders in ten seconds.
    pub orders_per_10s: usize,
    /// And in a minute; 0 = it has none.
    pub orders_per_minute: usize,
    /// Our own limit of one symbol in ten seconds; 0 = none.
    pub symbol_orders_per_10s: usize,
    /// The venue's limit of request weight; 0 = it has none.
    pub weight_per_minute: usize,
    pub weights: Weights,
    pub orders_share_percent: usize,
    pub weight_share_percent: usize,
    /// How long a new order may wait for room; 0 = it is refused at once.
    pub new_wait_ns: u64,
    pub amends: Amends,
    /// How long after its stamp a request may still take effect, the clocks' difference included: before that a "not found"
    /// proves nothing, and an amend that is not seen may yet come.
    pub settles_ns: i64,
    /// First wait before a question that failed is asked again; it doubles from there.
    pub query_wait_ns: u64,
    /// How often the newest executions are looked for in the venue's list, where it may take one back unheard; 0 = never: it
    /// tells so in a numbered session, or never does it.
    pub sweep_ns: u64,
}

/// What a venue can change of a resting order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amends {
    Never,
    /// The quantity, to less, at the same price.
    Down,
    /// Price and quantity.
    Any,
    /// Price and quantity, by a new order that counts from nothing: what fills while the request is under way comes on top.
    Anew,
}

impl VenueConfig {
    /// A venue with a limit of orders in ten seconds, all of it this process's, and no other.
    pub const fn new(venue: VenueId, orders_per_10s: usize) -> Self {
        let weights =
            Weights { place: 0, cancel: 0, status: 0, open: 0, trades_of_order: 0, trades: 0, time: 0 };
        Self {
            venue,
            orders_per_10s,
            orders_per_minute: 0,
            symbol_orders_per_10s: 0,
            weight_per_minute: 0,
            weights,
            orders_share_percent: 100,
            weight_share_percent: 100,
            new_wait_ns: 0,
            amends: Amends::Never,
            settles_ns: RECV_WINDOW_NS + CLOCK_BOUND_NS,
            query_wait_ns: QUERY_BACKOFF_NS_MIN,
            sweep_ns: 0,
        }
    }
}

/// What a venue counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageKind {
    Orders,
    Weight,
}

/// A venue's own word on one of its windows, for the whole account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub kind: UsageKind,
    pub window_ns: u64,
    /// 0 = it names a count alone.
    pub limit: usize,
    pub count: usize,
}

/// One execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// The venue's fill key, unique within venue, symbol and side.
    pub exec_id: String,
    pub px_ticks: i64,
    pub qty_lots: u64,
    /// 1e-8 of `fee_asset`, positive = paid.
    pub fee_e8: i64,
    pub fee_asset: String,
    pub maker: bool,
    pub ts_venue_ns: i64,
}

/// A venue's word for where an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VenueState {
    Live,
    Filled,
    Cancelled,
    Rejected,
    Expired,
}

/// A venue's answer about one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `None` when the id is not one of ours.
    pub id: Option<ClientId>,
    pub venue_order_id: String,
    pub state: VenueState,
    pub cum_lots: u64,
    /// Price and total quantity the venue holds it with; `None` where it does not say.
    pub terms: Option<Terms>,
    pub ts_venue_ns: i64,
}

/// What an amend changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub px_ticks: i64,
    /// The whole order, filled part included.
    pub qty_lots: u64,
}

/// What one execution event says happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecKind {
    New,
    /// The venue holds the order with these terms now.
    Replaced(Terms),
    Trade(Fill),
    /// An execution is undone: its price, quantity and fee, under an execution id of its own.
    Bust(Fill),
    /// An execution was another than it was told as: `undone` is what was told, under an execution id of its own.
    Corrected {
        undone: Box<Fill>,
        fill: Box<Fill>,
    },
    Cancelled,
    Rejected,
    Expired,
}

/// One event of a venue's user stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    pub id: Option<ClientId>,
    pub kind: ExecKind,
    pub venue_order_id: String,
    /// Of the order, as the venue says; `None` where it does not.
    pub side: Option<Side>,
    /// The venue's cumulative quantity after the event; `None` where it sends none.
    pub cum_lots: Option<u64>,
    pub ts_venue_ns: i64,
    pub text: String,
}

/// One row of a venue's list of our trades.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradeRow {
    pub venue_order_id: String,
    pub side: Side,
    pub fill: Fill,
}

/// The venue's answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// NEW was taken.
    Placed { venue_order_id: String, ts_venue_ns: i64 },
    /// An amend was done.
    Replaced { venue_order_id: String, terms: Terms, cum_lots: u64, ts_venue_ns: i64 },
    /// The request was refused for what it is, and had no effect.
    Refused { text: String },
    /// The request had no effect since the venue cannot now: overloaded, or asked too often.
    Busy { text: String },
    /// The venue does not say what became of it: -1006, -1007, 5xx, an answer that does not parse.
    Unclear { text: String },
    /// The state of the order asked for; also the answer to a cancel that worked.
    Status(Status),
    /// No such order.
    NotFound,
    /// Our open orders of the instrument; ids that are not ours are left out.
    Open(Vec<ClientId>),
    /// Our trades of the order or instrument.
    Trades(Vec<TradeRow>),
    /// The venue's clock.
    Time { epoch_ns: i64 },
    /// A query failed; it says nothing about the order.
    Failed { text: String },
}

/// One input. Every event the core sees is one of these.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// From the gateway.
    Command(Command),
    /// The bytes of a request were handed to the socket.
    Written {
        token: u64,
        wire_mono_ns: u64,
    },
    /// A request was not written: no byte of it left this process.
    NotWritten {
        token: u64,
        reason: Reason,
    },
    /// The write failed half-way: bytes may have left.
    WriteBroken {
        token: u64,
    },
    /// Order entry and the user stream of a venue are both ready; in that order, or events would be missed.
    VenueUp {
        venue: VenueId,
    },
    /// One of the two ended.
    VenueDown {
        venue: VenueId,
        text: String,
    },
    Answer {
        token: u64,
        answer: Answer,
    },
    Exec {
        venue: VenueId,
        instrument: InstrumentId,
        exec: Exec,
    },
    /// A user event that could not be read: what it said must be asked for.
    Garbled {
        venue: VenueId,
    },
    /// What the venue counts, as its answers carry it.
    Usage {
        venue: VenueId,
        usage: Usage,
    },
    /// The venue wants to hear nothing before this moment: 429, or a ban. Comes before the answer that carried it.
    Blocked {
        venue: VenueId,
        until_mono_ns: u64,
    },
    /// The router's own kill latch, which works without any gateway: while it is set no new order leaves, and when it is
    /// set every open order is cancelled. The shell keeps it on disk and says it again after each start.
    Kill {
        latched: bool,
    },
    /// Time passes; at least every 100 ms.
    Tick,
}

/// What to ask of a venue. An order is named by everything a venue may know it by: our id, its side as the contracts number
/// it, the venue's id, which is empty before the venue has told it.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Send the order; `ts_ns` is the timestamp to sign, the base of its short validity.
    Place {
        command: Box<Command>,
        ts_ns: i64,
    },
    Cancel {
        instrument: InstrumentId,
        id: ClientId,
        side: i32,
        venue_order_id: String,
    },
    /// Give the order new terms; `ts_ns` is the timestamp to sign, `booked_lots` what is known to have filled.
    Amend {
        instrument: InstrumentId,
        id: ClientId,
        side: i32,
        venue_order_id: String,
        terms: Terms,
        booked_lots: u64,
        ts_ns: i64,
    },
    Status {
        instrument: InstrumentId,
        id: ClientId,
        side: i32,
        venue_order_id: String,
    },
    Open {
        instrument: InstrumentId,
    },
    /// Trades of one order, or every trade of the instrument from an execution id on. An answer that may have been cut
    /// short must come as `Failed`.
    Trades {
        instrument: InstrumentId,
        venue_order_id: Option<String>,
        from_id: u64,
        /// When the order was sent, ns since the Unix epoch: a list that may lack a trade since then must come as `Failed` too.
        since_ns: i64,
    },
    Time,
}

/// One request to a venue. Its answer names the token.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub token: u64,
    pub venue: VenueId,
    pub what: What,
    /// Not to be written after this moment of the monotonic clock; 0 = no limit.
    pub expires_mono_ns: u64,
}

/// One record of the router's own journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// What is about to be sent (or granted), with the timestamp that will be signed.
    Command { command: Command, ts_ns: i64 },
    /// What the gateway will be told; may leave once the journal is committed past it.
    Report(Report),
}

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Info,
    Warn,
}

/// A command that came to nothing, for the order DLQ.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    pub command: Command,
    pub reason: Reason,
    /// The venue's words, where it had any.
    pub text: String,
}

/// One output. To be carried out in order. Short-lived and moved once, so its size costs less than a box would.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Append to the journal before anything that follows.
    Journal(Entry),
    /// Write to the venue now.
    Send(Request),
    /// Deliver, in order of `report_seq`, every report after this one, from the journal where memory does not reach.
    Deliver { after_report_seq: u64 },
    /// Keep in the order DLQ; on the disk before the reports of this turn leave.
    Letter(Box<Letter>),
    /// For a person.
    Note { level: Level, text: String },
}

/// A venue's windows as they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetShown {
    pub venue: VenueId,
    /// Orders in the ten-second window, and the most there may be.
    pub orders: (usize, usize),
    /// Request weight in its window, and the most there may be.
    pub weight: (usize, usize),
    /// Until when the venue is not to be asked, ns of the monotonic clock.
    pub blocked_until_ns: u64,
}
