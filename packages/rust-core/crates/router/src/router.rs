//! The state machine.

mod amend;
mod illegal;
mod orders;
mod orphans;
mod sweep;
mod waiting;

use crate::breaker::{Breakers, Endpoint, Outcome, State as BreakerState};
use crate::id::ClientId;
use crate::limits::{
    BLOCK_NS_MAX, FILLS_PER_ORDER_MAX, LATE_ANSWER_NS, NEW_WAIT_NS_MAX, OPEN_ORDERS_MAX, ORDER_TIMEOUT_NS,
    QUERIES_IN_FLIGHT_MAX, QUERIES_PER_MINUTE_MAX, QUERY_BACKOFF_NS_MAX, QUERY_BACKOFF_NS_MIN,
    QUERY_TIMEOUT_NS, QUEUE_MAX, RECENT_ORDERS_MAX, REQUESTS_MAX, SPENT_IDS_MAX, TERMINAL_ORDERS_MAX,
    VENUE_ID_BYTES_MAX, VENUE_TEXT_BYTES_MAX, VENUES_MAX,
};
use crate::queue::{Class, Queue, Waiting};
use crate::rate::{Budget, Cost, Urgency, Window};
use crate::types::{
    Amends, Answer, BudgetShown, Effect, Entry, Event, Exec, ExecKind, Fill, Letter, Level, Now, Request,
    Status, Terms, TradeRow, Usage, VenueConfig, VenueState, Weights, What,
};
use amend::Amend;
pub use illegal::Illegal;
use orders::Orders;
pub use orphans::Orphan;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
pub use sweep::undone_as;
use sweep::{Look, Sweep};
use tidegate_mutants::{Bug, planted};
use tidegate_units::{InstrumentId, Side, VenueId};
use tidegate_wire::approval::{ApprovalKey, Verifier};
use tidegate_wire::pb::common::v1::{IntentId, Side as PbSide};
use tidegate_wire::pb::orders::v1::{Command, CommandKind, OrderType, Reason, Report, ReportKind, Tif};

const MINUTE_NS: u64 = 60_000_000_000;
/// What the report of an undone execution says where another takes its place: it fills the order no longer.
const CORRECTED: &str = "corrected";

/// Where an order is, as far as evidence goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Handed to the venue; no word yet.
    Pending,
    /// The venue holds it.
    Live,
    /// Sent, and nobody knows. Exposure stays until the venue speaks.
    Unknown,
    /// The venue named its end and every execution up to its cumulative quantity is booked.
    Terminal,
    /// The venue proved that it never was.
    Dead,
    /// No byte of it left, and none will.
    NeverSent,
}

impl Phase {
    const fn open(self) -> bool {
        matches!(self, Self::Pending | Self::Live | Self::Unknown)
    }
}

/// The way from "not found" to DEAD. Each step is asked after the answer to the step before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    None,
    /// The venue's clock must be past timestamp + recvWindow + clock bound.
    Clock,
    /// Still not found, observed after that moment.
    NotFound,
    /// Not among the open orders, asked after that.
    NotOpen,
    /// No trade that could be its, asked after that.
    NoTrade,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancel {
    None,
    /// Asked for; waits for the budget, the venue, or the order's state.
    Wanted,
    Sent(u64),
}

#[derive(Debug, Clone)]
struct Order {
    intent: Option<IntentId>,
    generation: u32,
    instrument: InstrumentId,
    venue: VenueId,
    side: i32,
    qty_lots: u64,
    px_ticks: i64,
    phase: Phase,
    /// What it was sent with, until the venue has shown that it holds it: a letter of the DLQ where it never does.
    command: Option<Box<Command>>,
    post_only: bool,
    /// The end that was told.
    ended: Option<VenueState>,
    /// New terms that were sent and not answered yet.
    amend: Option<Amend>,
    /// The timestamp its request was signed with.
    ts_ns: i64,
    command_seq: u64,
    stamps: [u64; 3],
    venue_order_id: String,
    acked: bool,
    execs: BTreeSet<String>,
    booked_lots: u64,
    /// Of them, what the venue took back.
    undone_lots: u64,
    venue_cum_lots: u64,
    /// The end the venue named while executions are still missing.
    ending: Option<(VenueState, i64)>,
    cancel: Cancel,
    cancel_command_seq: u64,
    /// The venue's state is to be asked for.
    ask: bool,
    /// A STATUS report is owed for the answer.
    tell: bool,
    /// Trades of the order are to be fetched; its cumulative quantity says that some are missing.
    fetch: bool,
    proof: Proof,
    probe: Option<u64>,
    probe_after_ns: u64,
    probes_failed: u32,
    /// The last execution of the instrument seen before it was sent: its own come after.
    trade_floor: u64,
}

impl Order {
    /// Whether something about it is to be sent: a cancel, or a question.
    fn wants(&self) -> bool {
        let wants = self.cancel == Cancel::Wanted
            || self.ask
            || self.fetch
            || self.proof != Proof::None
            || self.booked_lots < self.venue_cum_lots;
        wants && self.phase.open()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Place,
    Cancel,
    Amend,
    Status,
    Fetch,
    Proof(Proof),
    Sweep(Look),
}

#[derive(Debug)]
struct Awaited {
    id: ClientId,
    venue: VenueId,
    instrument: InstrumentId,
    purpose: Purpose,
    /// What it takes of the budget until it is settled.
    cost: Option<Cost>,
    due_ns: u64,
    timed_out: bool,
}

#[derive(Debug)]
struct Venue {
    up: bool,
    budget: Budget,
    weights: Weights,
    new_wait_ns: u64,
    amends: Amends,
    settles_ns: i64,
    query_wait_ns: u64,
    queries: Window,
    in_flight: usize,
    sweep: Sweep,
}

/// What stands between the router and a settled book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    pub id: ClientId,
    pub venue: VenueId,
    /// What is missing, in words.
    pub missing: &'static str,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub commands: u64,
    pub commands_repeated: u64,
    pub fenced: u64,
    pub placed: u64,
    pub cancels_sent: u64,
    pub never_sent: u64,
    pub unknown: u64,
    pub dead: u64,
    pub queries: u64,
    pub fills: u64,
    pub fills_repeated: u64,
    pub foreign: u64,
    pub rate_refused: u64,
    /// How often a venue asked for silence.
    pub blocks: u64,
    /// Commands that found an open breaker, gave way in the full queue, or waited too long.
    pub breaker_refused: u64,
    pub evicted: u64,
    pub expired: u64,
    /// Commands a later one took the place of.
    pub superseded: u64,
    pub amends_sent: u64,
    pub letters: u64,
    /// Executions given to an order that became known after them, and those that found none in time.
    pub orphans_adopted: u64,
    pub orphans_lost: u64,
    /// New orders refused because of the kill latch.
    pub kill_refused: u64,
    pub reports: u64,
}

/// The router core. See the crate's documentation.
#[derive(Debug)]
pub struct Router {
    venues: BTreeMap<VenueId, Venue>,
    /// Which venue each instrument is of.
    instruments: BTreeMap<InstrumentId, VenueId>,
    leader: Option<(u32, u64)>,
    last_command_seq: u64,
    orders: Orders,
    open: BTreeSet<ClientId>,
    terminal: VecDeque<ClientId>,
    spent: BTreeSet<ClientId>,
    by_venue_id: BTreeMap<(VenueId, InstrumentId, String), ClientId>,
    /// Highest numeric execution id seen per instrument.
    last_trade: BTreeMap<InstrumentId, u64>,
    requests: BTreeMap<u64, Awaited>,
    queue: Queue,
    breakers: Breakers,
    orphans: VecDeque<Orphan>,
    /// An id became known since orphans were last looked through.
    learned: bool,
    illegal: BTreeMap<Illegal, u64>,
    token: u64,
    report_seq: u64,
    /// Orders of the journal, newest last: what an earlier life may have spent of the budgets.
    recent: VecDeque<(VenueId, InstrumentId, i64)>,
    /// Whether absence from the journal proves that nothing was sent: false after a power loss.
    journal_complete: bool,
    killed: bool,
    /// Checks the gateway's approval of each new order, where a key was given.
    approvals: Option<Verifier>,
    attribution_required: bool,
    stats: Stats,
}

impl Router {
    /// A router over these venues and instruments. `journal_complete` says whether everything this router ever appended
    /// is in the journal it recovers from: true after a crash of the process, false after a crash of the machine.
    pub fn new(
        venues: &[VenueConfig],
        instruments: impl IntoIterator<Item = (InstrumentId, VenueId)>,
        journal_complete: bool,
    ) -> Self {
        let breakers = Breakers::new(venues.iter().take(VENUES_MAX).map(|config| config.venue));
        let venues = venues
            .iter()
            .take(VENUES_MAX)
            .map(|config| {
                let venue = Venue {
                    up: false,
                    budget: Budget::new(config),
                    weights: config.weights,
                    new_wait_ns: config.new_wait_ns.min(NEW_WAIT_NS_MAX),
                    amends: config.amends,
                    settles_ns: config.settles_ns,
                    query_wait_ns: config.query_wait_ns,
                    queries: Window::new(MINUTE_NS, QUERIES_PER_MINUTE_MAX),
                    in_flight: 0,
                    sweep: Sweep::new(config.sweep_ns),
                };
                (config.venue, venue)
            })
            .collect();
        Self {
            venues,
            instruments: instruments.into_iter().collect(),
            leader: None,
            last_command_seq: 0,
            orders: Orders::default(),
            open: BTreeSet::new(),
            terminal: VecDeque::new(),
            spent: BTreeSet::new(),
            by_venue_id: BTreeMap::new(),
            last_trade: BTreeMap::new(),
            requests: BTreeMap::new(),
            queue: Queue::new(QUEUE_MAX),
            breakers,
            orphans: VecDeque::new(),
            learned: false,
            illegal: BTreeMap::new(),
            token: 0,
            report_seq: 0,
            recent: VecDeque::new(),
            journal_complete,
            killed: false,
            approvals: None,
            attribution_required: false,
            stats: Stats::default(),
        }
    }

    /// Sends no new order without the gateway's approval, made with this key.
    #[must_use]
    pub fn with_approvals(mut self, key: ApprovalKey) -> Self {
        self.approvals = Some(Verifier::new(key, (0, 0)));
        self
    }

    /// Sends no new order that does not say who answers for it.
    #[must_use]
    pub const fn with_attribution(mut self) -> Self {
        self.attribution_required = true;
        self
    }

    /// Folds one record of the journal, in its order, before the first event.
    pub fn fold(&mut self, entry: &Entry) {
        match entry {
            Entry::Command { command, ts_ns } => self.fold_command(command, *ts_ns),
            Entry::Report(report) => self.fold_report(report),
        }
    }

    /// Ends recovery: an order sent without an outcome is UNKNOWN, and every order that is not terminal is asked for at
    /// its venue once that is up.
    pub fn recovered(&mut self, now: Now, out: &mut Vec<Effect>) {
        if planted(Bug::PendingForgotten) {
            return;
        }
        if let (Some(approvals), Some((epoch, _))) = (&mut self.approvals, self.leader) {
            approvals.seen(epoch, self.last_command_seq);
        }
        // What an earlier life sent a moment ago is still in the venue's windows.
        for (venue, instrument, ts_ns) in std::mem::take(&mut self.recent) {
            let age_ns = u64::try_from(now.epoch_ns.saturating_sub(ts_ns)).unwrap_or(0);
            if let Some(state) = self.venues.get_mut(&venue) {
                let cost = Cost { orders: 1, weight: state.weights.place };
                state.budget.charge(now.mono_ns, age_ns, instrument, cost);
            }
        }
        for id in self.open.clone() {
            if self.orders.get(&id).is_some_and(|o| o.phase == Phase::Pending) {
                self.unknown(now, id, "the router restarted before the venue answered", out);
            }
            if let Some(order) = self.orders.get_mut(&id) {
                order.ask = true;
                order.fetch = !order.venue_order_id.is_empty();
            }
        }
    }

    /// The epoch and holder that lead, once granted.
    pub const fn leader(&self) -> Option<(u32, u64)> {
        self.leader
    }

    /// The last report made.
    pub const fn report_seq(&self) -> u64 {
        self.report_seq
    }

    /// Counts since the start.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Orders that are not terminal.
    pub fn open_orders(&self) -> usize {
        self.open.len()
    }

    /// Requests whose answer is awaited.
    pub fn requests_in_flight(&self) -> usize {
        self.requests.values().filter(|r| !r.timed_out).count()
    }

    /// Orders whose outcome is not known, and the evidence each waits for.
    pub fn unfinished(&self) -> Vec<Unfinished> {
        let missing = |order: &Order| match (order.phase, order.proof) {
            (Phase::Unknown, Proof::None) => Some("the venue's answer to a query by client id"),
            (Phase::Unknown, Proof::Clock) => Some("the venue's clock past the order's validity"),
            (Phase::Unknown, Proof::NotFound) => Some("a second not-found after the order's validity"),
            (Phase::Unknown, Proof::NotOpen) => Some("the list of open orders"),
            (Phase::Unknown, Proof::NoTrade) => Some("the list of trades since the order was sent"),
            (_, _) if order.amend.as_ref().is_some_and(|amend| !amend.awaited) => {
                Some("the terms the venue shows after an amend's validity")
            }
            (_, _) if order.ending.is_some() => Some("executions up to the venue's cumulative quantity"),
            _ => None,
        };
        self.open
            .iter()
            .filter_map(|id| {
                let order = self.orders.get(id)?;
                Some(Unfinished { id: *id, venue: order.venue, missing: missing(order)? })
            })
            .collect()
    }

    /// Decides one event. Effects are to be carried out in order.
    pub fn apply(&mut self, now: Now, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Command(command) => self.on_command(now, command, out),
            Event::Written { token, wire_mono_ns } => self.on_written(now, token, wire_mono_ns, out),
            Event::NotWritten { token, reason } => self.on_not_written(now, token, reason, out),
            Event::WriteBroken { token } => {
                let answer = Answer::Unclear { text: "the write failed half-way".into() };
                self.on_answer(now, token, answer, out);
            }
            Event::VenueUp { venue } => self.on_venue_up(now, venue, out),
            Event::VenueDown { venue, text } => self.on_venue_down(now, venue, &text, out),
            Event::Answer { token, answer } => self.on_answer(now, token, answer, out),
            Event::Exec { venue, instrument, exec } => self.on_exec(now, venue, instrument, exec, out),
            Event::Garbled { venue } => {
                for id in self.open_at(venue) {
                    if let Some(order) = self.orders.get_mut(&id) {
                        order.ask = true;
                    }
                }
                self.sweep_soon(now, venue);
            }
            // It only takes room away: there is nothing to send after it.
            Event::Usage { venue, usage } => return self.on_usage(now, venue, &usage),
            Event::Blocked { venue, until_mono_ns } => self.on_blocked(now, venue, until_mono_ns, out),
            Event::Kill { latched } => self.on_kill(now, latched, out),
            Event::Tick => self.time_out(now, out),
        }
        self.adopt(now, out);
        self.drive(now, out);
    }

    // ------------------------------------------------------------------ commands

    fn on_command(&mut self, now: Now, command: Command, out: &mut Vec<Effect>) {
        self.stats.commands += 1;
        let kind = command.kind();
        if kind == CommandKind::Grant {
            return self.on_grant(now, &command, out);
        }
        let leads = match self.leader {
            Some((epoch, _)) if planted(Bug::EqualEpochOtherHolder) => command.gateway_epoch == epoch,
            leader => leader == Some((command.gateway_epoch, command.holder)),
        };
        if !leads && !planted(Bug::FenceIgnored) {
            return self.fence(now, &command, out);
        }
        // A command carried twice by the link, or sent again by a gateway that lost the answer: the reports say what
        // became of the first.
        if command.command_seq != 0 {
            if command.command_seq <= self.last_command_seq {
                self.stats.commands_repeated += 1;
                return;
            }
            self.last_command_seq = command.command_seq;
        }
        if kind == CommandKind::CancelAll {
            return self.on_cancel_all(now, &command, out);
        }
        let Some(id) = ClientId::parse(&command.client_order_id) else {
            let text = format!("command {} names no client order id of ours", command.command_seq);
            out.push(Effect::Note { level: Level::Warn, text });
            return self.refuse(now, &command, Reason::Malformed, out);
        };
        match kind {
            CommandKind::New => self.on_new(now, id, command, Class::New, out),
            CommandKind::ForceFlat => self.on_new(now, id, command, Class::ForceFlat, out),
            CommandKind::Amend => self.on_amend(now, id, command, out),
            CommandKind::Cancel => self.on_cancel(now, id, &command, out),
            CommandKind::Query => self.on_query(now, id, &command, out),
            _ => self.refuse(now, &command, Reason::Malformed, out),
        }
    }

    fn on_grant(&mut self, now: Now, command: &Command, out: &mut Vec<Effect>) {
        let (epoch, holder) = (command.gateway_epoch, command.holder);
        let allowed = epoch > 0
            && holder > 0
            && self.leader.is_none_or(|(e, h)| {
                epoch > e || (epoch == e && (holder == h || planted(Bug::EqualEpochOtherHolder)))
            });
        if !allowed {
            return self.fence(now, command, out);
        }
        if self.leader != Some((epoch, holder)) {
            self.leader = Some((epoch, holder));
            self.last_command_seq = 0;
            // What waits is of somebody who leads no more.
            for gone in self.queue.drain(|_| true) {
                self.give_way(now, gone, Reason::Fenced, out);
            }
        }
        self.last_command_seq = self.last_command_seq.max(command.command_seq);
        if !planted(Bug::GrantNotJournalled) {
            out.push(Effect::Journal(Entry::Command { command: command.clone(), ts_ns: now.epoch_ns }));
        }
        let report = Report {
            gateway_epoch: epoch,
            holder,
            command_seq: command.command_seq,
            reason: Reason::Ok as i32,
            ..self.blank(now, ReportKind::Granted)
        };
        self.report(report, out);
        out.push(Effect::Deliver { after_report_seq: command.report_seq_seen });
        for (venue, up) in self.venues.iter().map(|(id, v)| (*id, v.up)).collect::<Vec<_>>() {
            self.venue_report(now, venue, up, "", out);
        }
    }

    /// Another epoch or holder leads. An order the router already holds is not named: its truth is in its own reports,
    /// and a refusal of somebody's second attempt must not read as a release of the first.
    fn fence(&mut self, now: Now, command: &Command, out: &mut Vec<Effect>) {
        self.stats.fenced += 1;
        let known = ClientId::parse(&command.client_order_id)
            .is_some_and(|id| self.orders.contains_key(&id) || self.spent.contains(&id));
        let named = !known && matches!(command.kind(), CommandKind::New | CommandKind::ForceFlat);
        let report = Report {
            intent_id: if named { command.intent_id } else { None },
            client_order_id: if named { command.client_order_id.clone() } else { String::new() },
            generation: if named { command.generation } else { 0 },
            instrument_id: command.instrument_id,
            venue_id: command.venue_id,
            reason: Reason::Fenced as i32,
            gateway_epoch: command.gateway_epoch,
            holder: command.holder,
            command_seq: command.command_seq,
            ..self.blank(now, ReportKind::Fenced)
        };
        self.report(report, out);
    }

    fn on_new(&mut self, now: Now, id: ClientId, command: Command, class: Class, out: &mut Vec<Effect>) {
        if self.orders.contains_key(&id) || self.spent.contains(&id) || self.queue.has_order(id) {
            self.stats.commands_repeated += 1;
            return;
        }
        if let Err(reason) = self.check_new(now, &command, class) {
            return self.refuse(now, &command, reason, out);
        }
        self.admit(now, class, id, command, out);
    }

    fn check_new(&mut self, now: Now, command: &Command, class: Class) -> Result<(), Reason> {
        if self.killed && !planted(Bug::RouterLatchIgnored) {
            return Err(Reason::Killed);
        }
        let (venue, instrument) = (VenueId(command.venue_id), InstrumentId(command.instrument_id));
        // First of all, so that nothing else is read of a command that is not the gateway's.
        if let Some(approvals) = &mut self.approvals {
            approvals.verify(command, now.epoch_ns)?;
        }
        let named = [command.trader_id, command.desk_id, command.client_id].iter().all(|id| *id != 0);
        if self.attribution_required && (command.strategy_version == 0 || !named) {
            return Err(Reason::AttributionMissing);
        }
        if self.instruments.get(&instrument) != Some(&venue) {
            return Err(Reason::UnknownInstrument);
        }
        let typed = matches!(command.side(), PbSide::Buy | PbSide::Sell)
            && matches!(command.order_type(), OrderType::Limit | OrderType::Market)
            && (command.order_type() == OrderType::Market || command.tif() != Tif::Unspecified)
            && command.intent_id.is_some_and(|i| (i.hi, i.lo) != (0, 0));
        if !typed {
            return Err(Reason::Malformed);
        }
        if command.qty_lots == 0 || i64::try_from(command.qty_lots).is_err() {
            return Err(Reason::QtyZeroOrNeg);
        }
        if command.order_type() == OrderType::Limit && command.px_ticks <= 0 {
            return Err(Reason::PriceZeroOrNeg);
        }
        if expires_at(command, now) != 0 && now.mono_ns > expires_at(command, now) {
            return Err(Reason::TtlExpired);
        }
        if self.open.len() + self.queue.len() >= OPEN_ORDERS_MAX || self.spent.len() >= SPENT_IDS_MAX {
            return Err(Reason::OpenOrdersExceeded);
        }
        let Some(state) = self.venues.get(&venue) else {
            return Err(Reason::VenueUnreachable);
        };
        // What flattens waits for its venue; anything else would be another order by then.
        if !state.up && class != Class::ForceFlat {
            return Err(Reason::VenueUnreachable);
        }
        if self.requests.len() >= REQUESTS_MAX {
            return Err(Reason::RouterBackpressure);
        }
        Ok(())
    }

    /// Proof that no byte left for (id, generation), and that none will: the id is spent.
    fn refuse(&mut self, now: Now, command: &Command, reason: Reason, out: &mut Vec<Effect>) {
        self.stats.never_sent += 1;
        self.stats.kill_refused += u64::from(reason == Reason::Killed);
        self.stats.rate_refused += u64::from(reason == Reason::RateBudget);
        let kind = command.kind();
        let asked_for_more = matches!(kind, CommandKind::New | CommandKind::ForceFlat);
        if asked_for_more && reason != Reason::Superseded {
            self.letter(command, reason, "", out);
        }
        let text = if reason == Reason::NeverSent { "not in the router's journal" } else { "" };
        let report = Report {
            intent_id: command.intent_id,
            client_order_id: command.client_order_id.clone(),
            generation: command.generation,
            instrument_id: command.instrument_id,
            venue_id: command.venue_id,
            side: command.side,
            reason: reason as i32,
            venue_text: text.into(),
            command_seq: command.command_seq,
            ..self.blank(now, ReportKind::NeverSent)
        };
        self.report(report, out);
    }

    fn on_cancel(&mut self, now: Now, id: ClientId, command: &Command, out: &mut Vec<Effect>) {
        // It goes before what waits for its order, and takes its place.
        let unsent = self.queue.has_order(id);
        for gone in self.queue.cancelled(id) {
            self.give_way(now, gone, Reason::Superseded, out);
        }
        if unsent {
            return;
        }
        let Some(order) = self.orders.get_mut(&id) else {
            return self.on_absent(now, id, command, out);
        };
        match order.phase {
            Phase::NeverSent => self.refuse(now, command, Reason::NeverSent, out),
            Phase::Terminal | Phase::Dead => {
                let text = "the order has ended; its end was reported";
                self.cancel_reject(now, id, command.command_seq, Reason::UnknownOrder, text, out);
            }
            Phase::Pending | Phase::Live | Phase::Unknown => {
                if order.cancel != Cancel::None {
                    self.stats.commands_repeated += 1;
                    return;
                }
                order.cancel = Cancel::Wanted;
                order.cancel_command_seq = command.command_seq;
                out.push(Effect::Journal(Entry::Command { command: command.clone(), ts_ns: now.epoch_ns }));
            }
        }
    }

    fn on_cancel_all(&mut self, now: Now, command: &Command, out: &mut Vec<Effect>) {
        out.push(Effect::Journal(Entry::Command { command: command.clone(), ts_ns: now.epoch_ns }));
        let fits = |each: &Waiting| {
            (command.venue_id == 0 || each.command.venue_id == command.venue_id)
                && (command.instrument_id == 0 || each.command.instrument_id == command.instrument_id)
        };
        for gone in self.queue.drain(fits) {
            self.give_way(now, gone, Reason::Superseded, out);
        }
        self.want_all_cancelled(command);
    }

    fn on_kill(&mut self, now: Now, latched: bool, out: &mut Vec<Effect>) {
        let begins = latched && !self.killed;
        self.killed = latched;
        if begins {
            if !planted(Bug::RouterLatchIgnored) {
                for gone in self.queue.drain(|_| true) {
                    self.give_way(now, gone, Reason::Killed, out);
                }
            }
            self.want_all_cancelled(&Command::default());
        }
    }

    /// Whether the kill latch is set.
    pub const fn killed(&self) -> bool {
        self.killed
    }

    fn want_all_cancelled(&mut self, command: &Command) {
        for id in self.open.clone() {
            let Some(order) = self.orders.get_mut(&id) else { continue };
            let venue_fits = command.venue_id == 0 || order.venue.0 == command.venue_id;
            let instrument_fits = command.instrument_id == 0 || order.instrument.0 == command.instrument_id;
            if venue_fits && instrument_fits && order.cancel == Cancel::None {
                order.cancel = Cancel::Wanted;
                order.cancel_command_seq = command.command_seq;
            }
        }
    }

    fn on_query(&mut self, now: Now, id: ClientId, command: &Command, out: &mut Vec<Effect>) {
        if self.queue.has_order(id) {
            // It waits to be sent; what becomes of it is told then.
            self.stats.commands_repeated += 1;
            return;
        }
        let Some(order) = self.orders.get_mut(&id) else {
            return self.on_absent(now, id, command, out);
        };
        match order.phase {
            Phase::NeverSent => self.refuse(now, command, Reason::NeverSent, out),
            // Its end is a report with a durable number; GRANT delivers it again.
            Phase::Terminal | Phase::Dead => self.stats.commands_repeated += 1,
            Phase::Pending | Phase::Live | Phase::Unknown => {
                order.ask = true;
                order.tell = true;
                order.command_seq = command.command_seq;
            }
        }
    }

    /// A cancel or query of an order that is not in the table. Absence proves something only if the journal is whole.
    fn on_absent(&mut self, now: Now, id: ClientId, command: &Command, out: &mut Vec<Effect>) {
        if self.spent.contains(&id) {
            let text = "ended long ago; its end was reported".to_string();
            let report = Report {
                client_order_id: command.client_order_id.clone(),
                intent_id: command.intent_id,
                command_seq: command.command_seq,
                reason: Reason::UnknownOrder as i32,
                venue_text: text,
                ..self.blank(now, ReportKind::CancelReject)
            };
            return self.report(report, out);
        }
        if self.journal_complete {
            return self.refuse(now, command, Reason::NeverSent, out);
        }
        let known = self.instruments.get(&InstrumentId(command.instrument_id));
        if known != Some(&VenueId(command.venue_id)) {
            return self.refuse_without_proof(command, out);
        }
        out.push(Effect::Journal(Entry::Command { command: command.clone(), ts_ns: now.epoch_ns }));
        self.insert_new(id, command, now.epoch_ns);
        self.unknown(now, id, "not in the journal, which a crash of the machine may have cut", out);
        if command.kind() == CommandKind::Cancel
            && let Some(order) = self.orders.get_mut(&id)
        {
            order.cancel = Cancel::Wanted;
            order.cancel_command_seq = command.command_seq;
        }
    }

    fn refuse_without_proof(&self, command: &Command, out: &mut Vec<Effect>) {
        let text = format!("cannot ask for {}: its instrument is not known here", command.client_order_id);
        out.push(Effect::Note { level: Level::Warn, text });
    }

    // ------------------------------------------------------------------ the wire

    fn on_written(&mut self, now: Now, token: u64, wire_mono_ns: u64, out: &mut Vec<Effect>) {
        let Some(&Awaited { id, purpose: Purpose::Place, .. }) = self.requests.get(&token) else {
            return;
        };
        let Some(order) = self.orders.get(&id) else { return };
        let [tick, intent, command] = order.stamps;
        let report = Report {
            command_seq: order.command_seq,
            tick_mono_ns: tick,
            intent_mono_ns: intent,
            command_mono_ns: command,
            wire_mono_ns,
            ..self.about(now, id, ReportKind::Sent)
        };
        self.report(report, out);
    }

    fn on_not_written(&mut self, now: Now, token: u64, reason: Reason, out: &mut Vec<Effect>) {
        self.release_cost(token);
        self.learn(now, token, Outcome::NoWord, out);
        let Some(request) = self.requests.get(&token) else { return };
        let (id, purpose) = (request.id, request.purpose);
        let wait_ns = self.query_wait_ns(id);
        match purpose {
            Purpose::Amend => {
                self.forget(now, token);
                self.amend_without_effect(now, id, reason, "", out);
            }
            Purpose::Cancel => {
                self.forget(now, token);
                if let Some(order) = self.orders.get_mut(&id)
                    && order.cancel == Cancel::Sent(token)
                {
                    // It is still wanted, and tried again after a moment.
                    order.cancel = Cancel::Wanted;
                    order.probes_failed = order.probes_failed.saturating_add(1);
                    order.probe_after_ns = now.mono_ns + backoff_ns(wait_ns, order.probes_failed);
                }
            }
            Purpose::Place => {
                self.forget(now, token);
                let Some(order) = self.orders.get_mut(&id) else { return };
                if order.phase != Phase::Pending {
                    return;
                }
                let command = order.command.take();
                let command_seq = order.command_seq;
                if let Some(command) = command {
                    self.letter(&command, reason, "", out);
                }
                self.stats.never_sent += 1;
                self.stats.kill_refused += u64::from(reason == Reason::Killed);
                let report = Report {
                    reason: reason as i32,
                    command_seq,
                    ..self.about(now, id, ReportKind::NeverSent)
                };
                self.settle(id, Phase::NeverSent);
                self.report(report, out);
            }
            _ => self.query_failed(now, token),
        }
    }

    fn on_venue_up(&mut self, now: Now, venue: VenueId, out: &mut Vec<Effect>) {
        let Some(state) = self.venues.get_mut(&venue) else { return };
        state.up = true;
        self.venue_report(now, venue, true, "", out);
        if planted(Bug::PendingForgotten) {
            return;
        }
        for id in self.open_at(venue) {
            if let Some(order) = self.orders.get_mut(&id) {
                order.ask = true;
                order.probe_after_ns = now.mono_ns;
            }
        }
    }

    fn on_venue_down(&mut self, now: Now, venue: VenueId, text: &str, out: &mut Vec<Effect>) {
        let Some(state) = self.venues.get_mut(&venue) else { return };
        let was_up = std::mem::replace(&mut state.up, false);
        // Answers die with their connection.
        let lost: Vec<u64> =
            self.requests.iter().filter(|(_, r)| r.venue == venue).map(|(token, _)| *token).collect();
        for token in lost {
            self.learn(now, token, Outcome::Faulty, out);
            let Some(request) = self.forget(now, token) else { continue };
            match request.purpose {
                Purpose::Place => {
                    self.unknown(now, request.id, "the connection ended before the venue answered", out);
                }
                Purpose::Amend => self.amend_unclear(now, request.id),
                _ => {}
            }
        }
        let unsent = |each: &Waiting| each.command.venue_id == venue.0 && each.class != Class::ForceFlat;
        for gone in self.queue.drain(unsent) {
            self.give_way(now, gone, Reason::VenueUnreachable, out);
        }
        for id in self.open_at(venue) {
            let Some(order) = self.orders.get_mut(&id) else { continue };
            order.ask = true;
            order.probe = None;
            order.proof = if order.proof == Proof::None { Proof::None } else { Proof::Clock };
            if matches!(order.cancel, Cancel::Sent(_)) {
                order.cancel = Cancel::Wanted;
            }
        }
        if was_up {
            self.venue_report(now, venue, false, text, out);
        }
    }

    fn on_answer(&mut self, now: Now, token: u64, answer: Answer, out: &mut Vec<Effect>) {
        let Some(request) = self.requests.get(&token) else { return };
        let (id, purpose, venue) = (request.id, request.purpose, request.venue);
        let outcome = match &answer {
            Answer::Refused { .. } => Outcome::Refused,
            Answer::Busy { .. } | Answer::Unclear { .. } | Answer::Failed { .. } => Outcome::Faulty,
            _ => Outcome::Well,
        };
        if let Some(state) = self.venues.get_mut(&venue).filter(|_| outcome == Outcome::Well) {
            state.budget.recover();
        }
        self.learn(now, token, outcome, out);
        match purpose {
            Purpose::Amend => {
                self.forget(now, token);
                self.on_amend_answer(now, id, answer, out);
            }
            Purpose::Place => {
                self.forget(now, token);
                self.on_place_answer(now, id, answer, out);
            }
            Purpose::Cancel => {
                self.forget(now, token);
                self.on_cancel_answer(now, id, answer, out);
            }
            Purpose::Status | Purpose::Fetch | Purpose::Proof(_) => {
                self.on_query_answer(now, token, id, purpose, answer, out);
            }
            Purpose::Sweep(look) => self.on_swept(now, token, look, answer, out),
        }
    }

    fn on_place_answer(&mut self, now: Now, id: ClientId, answer: Answer, out: &mut Vec<Effect>) {
        match answer {
            Answer::Placed { venue_order_id, ts_venue_ns } => {
                self.held(now, id, &venue_order_id, ts_venue_ns, out);
            }
            Answer::Status(status) => self.on_status(now, id, &status, out),
            Answer::Refused { text } | Answer::Busy { text } => {
                // A refusal after the venue showed that it holds the order contradicts itself: ask.
                let Some(order) = self.orders.get_mut(&id) else { return };
                if order.acked || order.booked_lots > 0 {
                    order.ask = true;
                } else if order.phase.open() {
                    if let Some(command) = order.command.take() {
                        self.letter(&command, Reason::VenueReject, &text, out);
                    }
                    let report = Report {
                        reason: Reason::VenueReject as i32,
                        venue_text: bounded(&text, VENUE_TEXT_BYTES_MAX),
                        ..self.about(now, id, ReportKind::Reject)
                    };
                    order_ended(self.orders.get_mut(&id), VenueState::Rejected);
                    self.settle(id, Phase::Terminal);
                    self.report(report, out);
                }
            }
            Answer::Unclear { text } | Answer::Failed { text } => self.unknown(now, id, &text, out),
            _ => self.unknown(now, id, "the venue answered something else", out),
        }
    }

    fn on_cancel_answer(&mut self, now: Now, id: ClientId, answer: Answer, out: &mut Vec<Effect>) {
        match answer {
            Answer::Status(status) => {
                if let Some(order) = self.orders.get_mut(&id) {
                    order.cancel = Cancel::None;
                }
                self.on_status(now, id, &status, out);
            }
            Answer::Refused { text } => {
                let Some(order) = self.orders.get_mut(&id) else { return };
                if !order.phase.open() {
                    return;
                }
                order.cancel = Cancel::None;
                order.ask = true;
                let seq = order.cancel_command_seq;
                self.cancel_reject(now, id, seq, Reason::VenueReject, &text, out);
            }
            // The cancel may or may not have worked: the order's state decides whether it is sent again.
            _ => {
                let Some(order) = self.orders.get_mut(&id) else { return };
                if order.phase.open() {
                    order.cancel = Cancel::Wanted;
                    order.ask = true;
                }
            }
        }
    }

    fn on_query_answer(
        &mut self,
        now: Now,
        token: u64,
        id: ClientId,
        purpose: Purpose,
        answer: Answer,
        out: &mut Vec<Effect>,
    ) {
        let step = match purpose {
            Purpose::Proof(step) => step,
            _ => Proof::None,
        };
        match (purpose, answer) {
            (_, Answer::Status(status)) => {
                self.query_done(now, token);
                self.on_status(now, id, &status, out);
            }
            (Purpose::Fetch, Answer::Trades(rows)) => {
                self.query_done(now, token);
                self.on_trades(now, id, &rows, out);
            }
            (Purpose::Status, Answer::NotFound) => {
                self.query_done(now, token);
                self.on_not_found(now, id, out);
            }
            (Purpose::Proof(_), answer) => {
                let next = self.next_proof(id, step, &answer);
                self.query_done(now, token);
                match next {
                    Some(Proof::None) => self.dead(now, id, out),
                    Some(next) => {
                        if let Some(order) = self.orders.get_mut(&id) {
                            order.proof = next;
                        }
                    }
                    None => {
                        // Not proven this time: book what the answer brought and begin again.
                        if let Answer::Trades(rows) = &answer {
                            self.book_known(now, id, rows, out);
                        }
                        self.begin_proof(now, id);
                    }
                }
            }
            _ => self.query_failed(now, token),
        }
    }

    /// The step after `step`, given its answer; `Proof::None` when the proof is whole and `None` when it does not hold.
    fn next_proof(&self, id: ClientId, step: Proof, answer: &Answer) -> Option<Proof> {
        let order = self.orders.get(&id)?;
        if order.phase != Phase::Unknown || order.acked || order.booked_lots > 0 || order.proof != step {
            return None;
        }
        match (step, answer) {
            (Proof::Clock, Answer::Time { epoch_ns })
                if *epoch_ns > order.ts_ns.saturating_add(self.settles_ns(id)) =>
            {
                Some(Proof::NotFound)
            }
            (Proof::NotFound, Answer::NotFound) => Some(Proof::NotOpen),
            (Proof::NotOpen, Answer::Open(open)) if !open.contains(&id) => Some(Proof::NoTrade),
            (Proof::NoTrade, Answer::Trades(rows)) => {
                // A trade of an order the router cannot name might be this one's.
                let explained = |row: &TradeRow| {
                    self.by_venue_id.contains_key(&(
                        order.venue,
                        order.instrument,
                        row.venue_order_id.clone(),
                    ))
                };
                rows.iter().all(explained).then_some(Proof::None)
            }
            _ => None,
        }
    }

    /// How long after its stamp a request about an order may still take effect.
    fn settles_ns(&self, id: ClientId) -> i64 {
        let venue = self.orders.get(&id).and_then(|order| self.venues.get(&order.venue));
        venue.map_or(i64::MAX, |venue| venue.settles_ns)
    }

    fn query_wait_ns(&self, id: ClientId) -> u64 {
        let venue = self.orders.get(&id).and_then(|order| self.venues.get(&order.venue));
        venue.map_or(QUERY_BACKOFF_NS_MIN, |venue| venue.query_wait_ns)
    }

    fn begin_proof(&mut self, now: Now, id: ClientId) {
        let (settles_ns, wait_ns) = (self.settles_ns(id), self.query_wait_ns(id));
        let Some(order) = self.orders.get_mut(&id) else { return };
        if order.phase != Phase::Unknown {
            return;
        }
        order.proof = Proof::Clock;
        order.probes_failed = order.probes_failed.saturating_add(1);
        let wait =
            u64::try_from(order.ts_ns.saturating_add(settles_ns).saturating_sub(now.epoch_ns)).unwrap_or(0);
        order.probe_after_ns = now.mono_ns + wait.max(backoff_ns(wait_ns, order.probes_failed));
    }

    fn on_not_found(&mut self, now: Now, id: ClientId, out: &mut Vec<Effect>) {
        let wait_ns = self.query_wait_ns(id);
        let Some(order) = self.orders.get_mut(&id) else { return };
        if !order.phase.open() {
            return;
        }
        if planted(Bug::NotFoundIsDead) && !order.acked && order.booked_lots == 0 {
            self.dead(now, id, out);
        } else if order.acked || order.booked_lots > 0 {
            // The venue held it once, so this proves nothing (ended orders leave its memory); its trades may tell more.
            order.ask = true;
            order.fetch = !order.venue_order_id.is_empty();
            order.probes_failed = order.probes_failed.saturating_add(1);
            order.probe_after_ns = now.mono_ns + backoff_ns(wait_ns, order.probes_failed);
            let text = format!("{id} was held by the venue, which now does not find it");
            out.push(Effect::Note { level: Level::Warn, text });
        } else {
            if order.phase == Phase::Pending {
                self.unknown(now, id, "the venue does not find it", out);
            }
            self.begin_proof(now, id);
        }
    }

    fn dead(&mut self, now: Now, id: ClientId, out: &mut Vec<Effect>) {
        self.stats.dead += 1;
        if let Some(command) = self.orders.get_mut(&id).and_then(|order| order.command.take()) {
            self.letter(&command, Reason::VenueNotFound, "", out);
        }
        let report = Report {
            reason: Reason::VenueNotFound as i32,
            venue_text: "not found, not open and not traded after its validity".into(),
            ..self.about(now, id, ReportKind::Dead)
        };
        self.settle(id, Phase::Dead);
        self.report(report, out);
    }

    // ------------------------------------------------------------------ what the venue says of an order

    fn on_exec(
        &mut self,
        now: Now,
        venue: VenueId,
        instrument: InstrumentId,
        exec: Exec,
        out: &mut Vec<Effect>,
    ) {
        let by_venue_id = || self.by_venue_id.get(&(venue, instrument, exec.venue_order_id.clone())).copied();
        let found = exec.id.filter(|id| self.orders.contains_key(id)).or_else(by_venue_id);
        let Some(id) = found.filter(|id| self.orders.get(id).is_some_and(|o| o.instrument == instrument))
        else {
            self.stats.foreign += 1;
            let text = format!("order {} of venue {venue} is not ours: {:?}", exec.venue_order_id, exec.kind);
            out.push(Effect::Note { level: Level::Warn, text: bounded(&text, VENUE_TEXT_BYTES_MAX) });
            if let ExecKind::Trade(fill) = exec.kind {
                let (id, venue_order_id, side) = (exec.id, exec.venue_order_id, exec.side);
                let since_ns = now.mono_ns;
                let (told, refused) = (false, None);
                let orphan =
                    Orphan { venue, instrument, id, venue_order_id, side, fill, since_ns, told, refused };
                self.park(orphan, out);
            }
            return;
        };
        if matches!(exec.kind, ExecKind::Replaced(_)) {
            self.learn_next_venue_id(id, &exec.venue_order_id);
        }
        self.learn_venue_id(id, &exec.venue_order_id);
        if let Some(order) = self.orders.get_mut(&id)
            && let Some(cum) = exec.cum_lots
        {
            order.venue_cum_lots = order.venue_cum_lots.max(cum);
        }
        match exec.kind {
            ExecKind::New => self.held(now, id, &exec.venue_order_id, exec.ts_venue_ns, out),
            ExecKind::Replaced(terms) => self.replaced(now, id, terms, exec.ts_venue_ns, out),
            ExecKind::Trade(fill) => self.take_fill(now, id, &fill, exec.side, out),
            ExecKind::Bust(fill) => self.undo(now, id, &fill, "", out),
            ExecKind::Corrected { undone, fill } => self.correct(now, id, &undone, &fill, exec.side, out),
            ExecKind::Cancelled => self.ends(id, VenueState::Cancelled, exec.ts_venue_ns, out),
            ExecKind::Expired => self.ends(id, VenueState::Expired, exec.ts_venue_ns, out),
            ExecKind::Rejected => self.ends(id, VenueState::Rejected, exec.ts_venue_ns, out),
        }
        self.finish(now, id, out);
    }

    /// The venue holds the order.
    fn held(
        &mut self,
        now: Now,
        id: ClientId,
        venue_order_id: &str,
        ts_venue_ns: i64,
        out: &mut Vec<Effect>,
    ) {
        self.learn_venue_id(id, venue_order_id);
        let Some(order) = self.orders.get_mut(&id) else { return };
        if !order.phase.open() {
            // Late: the end is known already. DEAD and NEVER_SENT say that it never was, so this is a break.
            let what = match order.phase {
                Phase::Dead => Illegal::LiveAfterDead,
                Phase::NeverSent => Illegal::LiveAfterNeverSent,
                _ => return,
            };
            return self.illegal(id, what, out);
        }
        order.phase = Phase::Live;
        order.proof = Proof::None;
        order.command = None;
        if order.acked {
            return;
        }
        order.acked = true;
        let report = Report {
            reason: Reason::Ok as i32,
            ts_venue_ns,
            command_seq: order.command_seq,
            ..self.about(now, id, ReportKind::Ack)
        };
        self.report(report, out);
    }

    fn on_status(&mut self, now: Now, id: ClientId, status: &Status, out: &mut Vec<Effect>) {
        self.learn_next_venue_id(id, &status.venue_order_id);
        let Some(order) = self.orders.get_mut(&id) else { return };
        if !order.phase.open() {
            return;
        }
        order.ask = false;
        order.proof = Proof::None;
        order.probes_failed = 0;
        let cum = if status.state == VenueState::Filled && order.amend.is_none() {
            status.cum_lots.max(order.qty_lots)
        } else {
            status.cum_lots
        };
        order.venue_cum_lots = order.venue_cum_lots.max(cum);
        self.resolve_amend(now, id, status, out);
        let Some(order) = self.orders.get_mut(&id) else { return };
        match status.state {
            VenueState::Live => {
                let tell = order.tell || order.phase == Phase::Unknown;
                order.tell = false;
                self.held(now, id, &status.venue_order_id, status.ts_venue_ns, out);
                if tell {
                    let report = Report {
                        reason: Reason::Ok as i32,
                        ts_venue_ns: status.ts_venue_ns,
                        ..self.about(now, id, ReportKind::Status)
                    };
                    self.report(report, out);
                }
            }
            end => self.ends(id, end, status.ts_venue_ns, out),
        }
        self.finish(now, id, out);
    }

    fn ends(&mut self, id: ClientId, end: VenueState, ts_venue_ns: i64, out: &mut Vec<Effect>) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        let before = order.ended.or(order.ending.map(|(end, _)| end));
        if order.phase.open() && order.ending.is_none() {
            order.ending = Some((end, ts_venue_ns));
            order.proof = Proof::None;
            if end == VenueState::Rejected && order.acked {
                self.illegal(id, Illegal::RejectAfterAck, out);
            }
            return;
        }
        // The same end a second time is the other channel's word on it.
        let again = before == Some(end) || before.is_none() && order.phase.open();
        if !again {
            let what = match order.phase {
                Phase::Dead => Illegal::LiveAfterDead,
                Phase::NeverSent => Illegal::LiveAfterNeverSent,
                _ => Illegal::EndAfterEnd,
            };
            self.illegal(id, what, out);
        }
    }

    fn on_trades(&mut self, now: Now, id: ClientId, rows: &[TradeRow], out: &mut Vec<Effect>) {
        self.book_known(now, id, rows, out);
        let wait_ns = self.query_wait_ns(id);
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.fetch = false;
        if order.booked_lots < order.venue_cum_lots {
            // The list of trades may lag the state of the order: ask again, later.
            order.probes_failed = order.probes_failed.saturating_add(1);
            order.probe_after_ns = now.mono_ns + backoff_ns(wait_ns, order.probes_failed);
        } else {
            order.probes_failed = 0;
        }
        self.finish(now, id, out);
    }

    /// Books the rows of orders the router knows; of others it keeps silent, since they are not its orders.
    fn book_known(&mut self, now: Now, id: ClientId, rows: &[TradeRow], out: &mut Vec<Effect>) {
        let Some((venue, instrument)) = self.orders.get(&id).map(|o| (o.venue, o.instrument)) else { return };
        for row in rows {
            let key = (venue, instrument, row.venue_order_id.clone());
            if let Some(&of) = self.by_venue_id.get(&key) {
                self.take_fill(now, of, &row.fill, Some(row.side), out);
                self.finish(now, of, out);
            }
        }
    }

    /// Books one execution once. Legal in every state and before the ack: truth first.
    fn book(&mut self, now: Now, id: ClientId, fill: &Fill, out: &mut Vec<Effect>) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        if planted(Bug::ExecByOrderOnly) && !order.execs.is_empty() {
            return;
        }
        if order.execs.contains(&fill.exec_id) {
            self.stats.fills_repeated += 1;
            return;
        }
        let total =
            order.amend.as_ref().map_or(order.qty_lots, |amend| order.qty_lots.max(amend.terms.qty_lots));
        let beyond = order.qty_lots > 0 && order.booked_lots.saturating_add(fill.qty_lots) > total;
        let illegal = match (order.phase, order.ended) {
            (Phase::Dead, _) => Some(Illegal::FillAfterDead),
            (Phase::NeverSent, _) => Some(Illegal::FillAfterNeverSent),
            (_, Some(VenueState::Rejected)) => Some(Illegal::FillAfterReject),
            _ if beyond => Some(Illegal::FillBeyondQuantity),
            _ => None,
        };
        if let Some(what) = illegal {
            // Truth first: it is booked, and somebody has to look.
            self.illegal(id, what, out);
        }
        let Some(order) = self.orders.get_mut(&id) else { return };
        if order.execs.len() >= FILLS_PER_ORDER_MAX {
            let text =
                format!("{id} has more than {FILLS_PER_ORDER_MAX} fills: later ones may be reported twice");
            out.push(Effect::Note { level: Level::Warn, text });
        } else {
            order.execs.insert(fill.exec_id.clone());
        }
        let trade = fill.exec_id.parse().unwrap_or(0);
        let last = self.last_trade.entry(order.instrument).or_default();
        *last = trade.max(*last);
        order.booked_lots = order.booked_lots.saturating_add(fill.qty_lots);
        order.venue_cum_lots = order.venue_cum_lots.max(order.booked_lots);
        order.proof = Proof::None;
        if matches!(order.phase, Phase::Pending | Phase::Unknown) {
            order.phase = Phase::Live;
        }
        self.stats.fills += 1;
        self.keep_for_sweep(now.mono_ns, id, fill);
        let report = Report {
            exec_id: fill.exec_id.clone(),
            last_px_ticks: fill.px_ticks,
            last_qty_lots: fill.qty_lots,
            fee_e8: fill.fee_e8,
            fee_asset: fill.fee_asset.clone(),
            maker: fill.maker,
            reason: Reason::Ok as i32,
            ts_venue_ns: fill.ts_venue_ns,
            ..self.about(now, id, ReportKind::Fill)
        };
        self.report(report, out);
    }

    /// Reports an execution that the venue undid, once. What the order still has at the venue is not changed by it.
    fn undo(&mut self, now: Now, id: ClientId, fill: &Fill, text: &str, out: &mut Vec<Effect>) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        if !order.execs.insert(fill.exec_id.clone()) {
            self.stats.fills_repeated += 1;
            return;
        }
        if text != CORRECTED {
            order.undone_lots = order.undone_lots.saturating_add(fill.qty_lots);
        }
        self.undone(id, &fill.exec_id);
        let report = Report {
            exec_id: fill.exec_id.clone(),
            last_px_ticks: fill.px_ticks,
            last_qty_lots: fill.qty_lots,
            fee_e8: fill.fee_e8,
            fee_asset: fill.fee_asset.clone(),
            reason: Reason::Ok as i32,
            ts_venue_ns: fill.ts_venue_ns,
            venue_text: text.into(),
            ..self.about(now, id, ReportKind::Bust)
        };
        self.report(report, out);
    }

    /// An execution was another than it was told as: the one that was told is undone and the right one booked, each once.
    fn correct(
        &mut self,
        now: Now,
        id: ClientId,
        undone: &Fill,
        fill: &Fill,
        side: Option<Side>,
        out: &mut Vec<Effect>,
    ) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        if order.execs.contains(&undone.exec_id) {
            self.stats.fills_repeated += 1;
            return;
        }
        // What it takes the place of fills the order no longer.
        order.booked_lots = order.booked_lots.saturating_sub(undone.qty_lots);
        order.venue_cum_lots =
            order.venue_cum_lots.saturating_sub(undone.qty_lots).saturating_add(fill.qty_lots);
        self.undo(now, id, undone, CORRECTED, out);
        self.take_fill(now, id, fill, side, out);
    }

    /// Reports the end of an order once every execution up to the venue's cumulative quantity is booked.
    fn finish(&mut self, now: Now, id: ClientId, out: &mut Vec<Effect>) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        if !order.phase.open() {
            return;
        }
        if order.booked_lots < order.venue_cum_lots && !planted(Bug::EndBeforeFills) {
            order.fetch = true;
            return;
        }
        // While an amend is under way the order is done only when it is done either way.
        let whole =
            order.amend.as_ref().map_or(order.qty_lots, |amend| order.qty_lots.max(amend.terms.qty_lots));
        if order.booked_lots >= whole && whole > 0 {
            self.settle(id, Phase::Terminal);
            return;
        }
        let Some((end, ts_venue_ns)) = order.ending else { return };
        let (kind, reason) = match end {
            VenueState::Cancelled => (ReportKind::Cancelled, Reason::Ok),
            VenueState::Expired => (ReportKind::Expired, Reason::Ok),
            VenueState::Rejected => (ReportKind::Reject, Reason::VenueReject),
            VenueState::Live | VenueState::Filled => return,
        };
        let report = Report { reason: reason as i32, ts_venue_ns, ..self.about(now, id, kind) };
        self.settle(id, Phase::Terminal);
        self.report(report, out);
    }

    fn unknown(&mut self, now: Now, id: ClientId, text: &str, out: &mut Vec<Effect>) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.ask = true;
        if order.phase != Phase::Pending {
            return;
        }
        order.phase = Phase::Unknown;
        self.stats.unknown += 1;
        let report = Report {
            reason: Reason::OutcomeUnknown as i32,
            venue_text: bounded(text, VENUE_TEXT_BYTES_MAX),
            ..self.about(now, id, ReportKind::Unknown)
        };
        self.report(report, out);
    }

    fn cancel_reject(
        &mut self,
        now: Now,
        id: ClientId,
        command_seq: u64,
        reason: Reason,
        text: &str,
        out: &mut Vec<Effect>,
    ) {
        let report = Report {
            reason: reason as i32,
            venue_text: bounded(text, VENUE_TEXT_BYTES_MAX),
            command_seq,
            ..self.about(now, id, ReportKind::CancelReject)
        };
        self.report(report, out);
    }

    fn learn_venue_id(&mut self, id: ClientId, venue_order_id: &str) {
        if venue_order_id.is_empty() || venue_order_id.len() > VENUE_ID_BYTES_MAX {
            return;
        }
        let Some(order) = self.orders.get_mut(&id) else { return };
        if order.venue_order_id.is_empty() {
            self.learned = true;
            order.venue_order_id = venue_order_id.to_string();
            self.by_venue_id.insert((order.venue, order.instrument, venue_order_id.to_string()), id);
        }
    }

    // ------------------------------------------------------------------ what is to be sent

    fn time_out(&mut self, now: Now, out: &mut Vec<Effect>) {
        let due: Vec<u64> = self
            .requests
            .iter()
            .filter(|(_, r)| now.mono_ns >= r.due_ns && !r.timed_out)
            .map(|(token, _)| *token)
            .collect();
        for token in due {
            let Some(request) = self.requests.get_mut(&token) else { continue };
            request.timed_out = true;
            let (id, purpose) = (request.id, request.purpose);
            self.settle_cost(now, token);
            match purpose {
                Purpose::Place if planted(Bug::TimeoutIsReject) => {
                    self.on_place_answer(now, id, Answer::Refused { text: "no answer".into() }, out);
                }
                Purpose::Place => {
                    self.learn(now, token, Outcome::Faulty, out);
                    self.unknown(now, id, "the venue did not answer in time", out);
                }
                Purpose::Amend => {
                    self.learn(now, token, Outcome::Faulty, out);
                    self.amend_unclear(now, id);
                }
                Purpose::Cancel => {
                    self.learn(now, token, Outcome::Faulty, out);
                    if let Some(order) = self.orders.get_mut(&id)
                        && order.cancel == Cancel::Sent(token)
                    {
                        order.cancel = Cancel::Wanted;
                        order.ask = true;
                    }
                }
                _ => {
                    self.learn(now, token, Outcome::Faulty, out);
                    self.query_failed(now, token);
                }
            }
        }
        self.watch_orphans(now, out);
        self.requests.retain(|_, r| now.mono_ns < r.due_ns.saturating_add(LATE_ANSWER_NS));
    }

    /// Sends what is due, as far as the budgets go: what flattens, then cancels, amends, new orders and questions.
    fn drive(&mut self, now: Now, out: &mut Vec<Effect>) {
        let ready = |v: &Venue| v.up && !v.budget.blocked(now.mono_ns);
        let up: Vec<VenueId> = self.venues.iter().filter(|(_, v)| ready(v)).map(|(id, _)| *id).collect();
        for venue in up {
            let ids = self.due_at(venue);
            self.send_waiting(now, venue, Class::ForceFlat, out);
            for &id in &ids {
                self.send_cancel(now, venue, id, out);
            }
            self.send_waiting(now, venue, Class::Amend, out);
            self.send_waiting(now, venue, Class::New, out);
            for &id in &ids {
                self.send_query(now, venue, id, out);
            }
            self.send_sweep(now, venue, out);
        }
        self.orders.keep_noted(Order::wants);
        for gone in self.queue.expired(now.mono_ns) {
            let late = gone.late;
            self.stats.expired += 1;
            self.give_way(now, gone, late, out);
        }
    }

    fn send_cancel(&mut self, now: Now, venue: VenueId, id: ClientId, out: &mut Vec<Effect>) {
        let Some(order) = self.orders.get(&id) else { return };
        // While the state is being asked for after a lost answer, the answer decides; until then a cancel of an order the
        // venue may hold is sent all the same, since it can only reduce risk.
        if order.cancel != Cancel::Wanted || order.ending.is_some() || self.requests.len() >= REQUESTS_MAX {
            return;
        }
        if order.probes_failed > 0 && now.mono_ns < order.probe_after_ns {
            return;
        }
        let (instrument, side, venue_order_id) = (order.instrument, order.side, order.venue_order_id.clone());
        let cost = self.cost_of(venue, Purpose::Cancel);
        let Some(state) = self.venues.get_mut(&venue) else { return };
        if !state.budget.take(now.mono_ns, instrument, cost, Urgency::Reducing) {
            return;
        }
        let token = self.await_answer(id, venue, Purpose::Cancel, cost, now.mono_ns + ORDER_TIMEOUT_NS);
        if let Some(order) = self.orders.get_mut(&id) {
            order.cancel = Cancel::Sent(token);
        }
        self.stats.cancels_sent += 1;
        out.push(Effect::Send(Request {
            token,
            venue,
            what: What::Cancel { instrument, id, side, venue_order_id },
            expires_mono_ns: 0,
        }));
    }

    fn send_query(&mut self, now: Now, venue: VenueId, id: ClientId, out: &mut Vec<Effect>) {
        let Some(order) = self.orders.get(&id) else { return };
        if order.probe.is_some() || now.mono_ns < order.probe_after_ns {
            return;
        }
        let missing = order.fetch || order.booked_lots < order.venue_cum_lots;
        let status = || What::Status {
            instrument: order.instrument,
            id,
            side: order.side,
            venue_order_id: order.venue_order_id.clone(),
        };
        let (purpose, what) = if order.proof != Proof::None {
            let what = match order.proof {
                Proof::Clock | Proof::None => What::Time,
                Proof::NotFound => status(),
                Proof::NotOpen => What::Open { instrument: order.instrument },
                Proof::NoTrade => What::Trades {
                    instrument: order.instrument,
                    venue_order_id: None,
                    from_id: order.trade_floor + 1,
                    since_ns: order.ts_ns,
                },
            };
            (Purpose::Proof(order.proof), what)
        } else if missing && !order.venue_order_id.is_empty() {
            let what = What::Trades {
                instrument: order.instrument,
                venue_order_id: Some(order.venue_order_id.clone()),
                from_id: 0,
                since_ns: order.ts_ns,
            };
            (Purpose::Fetch, what)
        } else if order.ask || missing {
            (Purpose::Status, status())
        } else {
            return;
        };
        if self.requests.len() >= REQUESTS_MAX {
            return;
        }
        let (instrument, cost) = (order.instrument, self.cost_of(venue, purpose));
        if self.take_question(now, venue, instrument, cost).is_break() {
            return;
        }
        let token = self.await_question(now, id, venue, purpose, cost);
        if let Some(order) = self.orders.get_mut(&id) {
            order.probe = Some(token);
        }
        out.push(Effect::Send(Request { token, venue, what, expires_mono_ns: 0 }));
    }

    fn cost_of(&self, venue: VenueId, purpose: Purpose) -> Cost {
        let weights = self.venues.get(&venue).map(|v| v.weights).unwrap_or_default();
        let (orders, weight) = match purpose {
            Purpose::Place | Purpose::Amend => (1, weights.place),
            Purpose::Cancel => (1, weights.cancel),
            Purpose::Fetch => (0, weights.trades_of_order),
            Purpose::Status | Purpose::Proof(Proof::NotFound) | Purpose::Sweep(Look::Order) => {
                (0, weights.status)
            }
            Purpose::Proof(Proof::NotOpen) => (0, weights.open),
            Purpose::Proof(Proof::NoTrade) | Purpose::Sweep(Look::List) => (0, weights.trades),
            Purpose::Proof(Proof::Clock | Proof::None) => (0, weights.time),
        };
        Cost { orders, weight }
    }

    fn await_answer(
        &mut self,
        id: ClientId,
        venue: VenueId,
        purpose: Purpose,
        cost: Cost,
        due_ns: u64,
    ) -> u64 {
        self.token += 1;
        let instrument = self.orders.get(&id).map_or(InstrumentId(0), |order| order.instrument);
        let request = Awaited { id, venue, instrument, purpose, cost: Some(cost), due_ns, timed_out: false };
        self.requests.insert(self.token, request);
        self.token
    }

    /// From here on the budget's window runs.
    fn settle_cost(&mut self, now: Now, token: u64) {
        let Some(request) = self.requests.get_mut(&token) else { return };
        if let Some(cost) = request.cost.take()
            && let Some(state) = self.venues.get_mut(&request.venue)
        {
            state.budget.settle(now.mono_ns, request.instrument, cost);
        }
    }

    /// No byte of the request left: it cost nothing.
    fn release_cost(&mut self, token: u64) {
        let Some(request) = self.requests.get_mut(&token) else { return };
        if let Some(cost) = request.cost.take()
            && let Some(state) = self.venues.get_mut(&request.venue)
        {
            state.budget.release(request.instrument, cost);
        }
    }

    fn on_usage(&mut self, now: Now, venue: VenueId, usage: &Usage) {
        if let Some(state) = self.venues.get_mut(&venue) {
            state.budget.told(now.mono_ns, usage);
        }
    }

    fn on_blocked(&mut self, now: Now, venue: VenueId, until_ns: u64, out: &mut Vec<Effect>) {
        let Some(state) = self.venues.get_mut(&venue) else { return };
        let until_ns = until_ns.min(now.mono_ns.saturating_add(BLOCK_NS_MAX));
        state.budget.block(until_ns);
        self.stats.blocks += 1;
        let ms = until_ns.saturating_sub(now.mono_ns) / 1_000_000;
        let text = format!("venue {venue} wants to hear nothing for {ms} ms: it was asked too often");
        out.push(Effect::Note { level: Level::Warn, text });
    }

    /// Each venue's order and weight window.
    pub fn budgets(&mut self, now: Now) -> Vec<BudgetShown> {
        let shown = |(venue, state): (&VenueId, &mut Venue)| {
            let [orders, weight] = state.budget.shown(now.mono_ns);
            let blocked_until_ns = state.budget.blocked_until_ns();
            BudgetShown { venue: *venue, orders, weight, blocked_until_ns }
        };
        self.venues.iter_mut().map(shown).collect()
    }

    fn forget(&mut self, now: Now, token: u64) -> Option<Awaited> {
        self.settle_cost(now, token);
        let request = self.requests.remove(&token)?;
        let query = !matches!(request.purpose, Purpose::Place | Purpose::Cancel | Purpose::Amend);
        if let Some(order) = self.orders.get_mut(&request.id)
            && order.probe == Some(token)
        {
            order.probe = None;
        }
        if query
            && !request.timed_out
            && let Some(state) = self.venues.get_mut(&request.venue)
        {
            state.in_flight = state.in_flight.saturating_sub(1);
        }
        Some(request)
    }

    fn query_done(&mut self, now: Now, token: u64) {
        self.forget(now, token);
    }

    fn query_failed(&mut self, now: Now, token: u64) {
        let Some(request) = self.requests.get_mut(&token) else { return };
        // A time-out has been taken off the count here, and its late answer must not be taken off again.
        let counted = !std::mem::replace(&mut request.timed_out, false);
        request.timed_out = !counted;
        let (id, swept) = (request.id, matches!(request.purpose, Purpose::Sweep(_)));
        if !counted && let Some(state) = self.venues.get_mut(&request.venue) {
            state.in_flight = state.in_flight.saturating_sub(1);
        }
        self.forget(now, token);
        let wait_ns = self.query_wait_ns(id);
        // A look at executions says nothing about the questions of an order.
        let Some(order) = self.orders.get_mut(&id).filter(|_| !swept) else { return };
        if order.proof != Proof::None {
            order.proof = Proof::Clock;
        }
        order.probes_failed = order.probes_failed.saturating_add(1);
        order.probe_after_ns = now.mono_ns + backoff_ns(wait_ns, order.probes_failed);
    }

    // ------------------------------------------------------------------ the table

    /// Orders of a venue that are not terminal.
    fn open_at(&self, venue: VenueId) -> Vec<ClientId> {
        let there = |id: &&ClientId| self.orders.get(id).is_some_and(|order| order.venue == venue);
        self.open.iter().filter(there).copied().collect()
    }

    /// Those of them that have something to send.
    fn due_at(&self, venue: VenueId) -> Vec<ClientId> {
        let due = |(id, order): (ClientId, &Order)| (order.venue == venue && order.wants()).then_some(id);
        let ids: Vec<ClientId> = self.orders.noted().filter_map(due).collect();
        debug_assert!(
            self.open_at(venue).iter().filter(|id| self.orders.get(id).is_some_and(Order::wants)).eq(&ids),
            "an order has something to send and was not noted"
        );
        ids
    }

    fn insert_new(&mut self, id: ClientId, command: &Command, ts_ns: i64) {
        let order = Order {
            intent: command.intent_id,
            generation: command.generation,
            instrument: InstrumentId(command.instrument_id),
            venue: VenueId(command.venue_id),
            side: command.side,
            qty_lots: command.qty_lots,
            px_ticks: command.px_ticks,
            phase: Phase::Pending,
            command: Some(Box::new(command.clone())),
            post_only: command.tif() == Tif::PostOnly,
            ended: None,
            amend: None,
            ts_ns,
            command_seq: command.command_seq,
            stamps: [command.tick_mono_ns, command.intent_mono_ns, command.command_mono_ns],
            venue_order_id: String::new(),
            acked: false,
            execs: BTreeSet::new(),
            booked_lots: 0,
            undone_lots: 0,
            venue_cum_lots: 0,
            ending: None,
            cancel: Cancel::None,
            cancel_command_seq: 0,
            ask: false,
            tell: false,
            fetch: false,
            proof: Proof::None,
            probe: None,
            probe_after_ns: 0,
            probes_failed: 0,
            trade_floor: self.last_trade.get(&InstrumentId(command.instrument_id)).copied().unwrap_or(0),
        };
        self.learned = true;
        self.orders.insert(id, order);
        self.open.insert(id);
    }

    /// Takes an order out of the open ones for good.
    fn settle(&mut self, id: ClientId, phase: Phase) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.phase = phase;
        order.cancel = Cancel::None;
        order.proof = Proof::None;
        let filled = order.qty_lots > 0 && order.booked_lots >= order.qty_lots;
        let end = order.ending.take().map(|(end, _)| end);
        order.ended = if filled { Some(VenueState::Filled) } else { end.or(order.ended) };
        (order.ask, order.tell, order.fetch) = (false, false, false);
        (order.command, order.amend) = (None, None);
        self.open.remove(&id);
        self.terminal.push_back(id);
        while self.terminal.len() > TERMINAL_ORDERS_MAX {
            let Some(old) = self.terminal.pop_front() else { break };
            if let Some(order) = self.orders.remove(&old) {
                self.by_venue_id.remove(&(order.venue, order.instrument, order.venue_order_id));
            }
            self.spent.insert(old);
        }
    }

    fn blank(&self, now: Now, kind: ReportKind) -> Report {
        Report { kind: kind as i32, reason: Reason::Ok as i32, ts_recv_ns: now.epoch_ns, ..Report::default() }
    }

    fn about(&self, now: Now, id: ClientId, kind: ReportKind) -> Report {
        let Some(order) = self.orders.get(&id) else { return self.blank(now, kind) };
        Report {
            intent_id: order.intent,
            client_order_id: id.to_string(),
            generation: order.generation,
            instrument_id: order.instrument.0,
            venue_id: order.venue.0,
            venue_order_id: order.venue_order_id.clone(),
            side: order.side,
            cum_qty_lots: order.booked_lots,
            leaves_qty_lots: order.qty_lots.saturating_sub(order.booked_lots),
            ..self.blank(now, kind)
        }
    }

    fn venue_report(&mut self, now: Now, venue: VenueId, up: bool, text: &str, out: &mut Vec<Effect>) {
        let kind = if up { ReportKind::VenueUp } else { ReportKind::VenueDown };
        let reason = if up { Reason::Ok } else { Reason::VenueUnreachable };
        let report = Report {
            venue_id: venue.0,
            reason: reason as i32,
            venue_text: bounded(text, VENUE_TEXT_BYTES_MAX),
            ..self.blank(now, kind)
        };
        self.report(report, out);
    }

    /// Numbers a report and journals it. The number rises by one, without a hole.
    fn report(&mut self, mut report: Report, out: &mut Vec<Effect>) {
        self.report_seq += 1;
        self.stats.reports += 1;
        report.report_seq = self.report_seq;
        if proves_never_sent(&report) {
            self.spend(&report);
        }
        out.push(Effect::Journal(Entry::Report(report)));
    }

    /// An id of which the proof went out that it was never sent must never be sent.
    fn spend(&mut self, report: &Report) {
        let Some(id) = ClientId::parse(&report.client_order_id) else { return };
        if self.orders.contains_key(&id) || self.spent.contains(&id) {
            return;
        }
        let command = Command {
            intent_id: report.intent_id,
            generation: report.generation,
            instrument_id: report.instrument_id,
            venue_id: report.venue_id,
            side: report.side,
            ..Command::default()
        };
        self.insert_new(id, &command, 0);
        self.settle(id, Phase::NeverSent);
    }

    // ------------------------------------------------------------------ recovery

    fn fold_command(&mut self, command: &Command, ts_ns: i64) {
        match command.kind() {
            CommandKind::Grant => {
                if self.leader != Some((command.gateway_epoch, command.holder)) {
                    self.leader = Some((command.gateway_epoch, command.holder));
                    self.last_command_seq = 0;
                }
            }
            CommandKind::CancelAll => self.want_all_cancelled(command),
            kind => {
                let Some(id) = ClientId::parse(&command.client_order_id) else { return };
                if kind == CommandKind::Amend {
                    self.fold_amend(id, command, ts_ns);
                } else if !self.orders.contains_key(&id) && !self.spent.contains(&id) {
                    self.insert_new(id, command, ts_ns);
                }
                if kind != CommandKind::Query {
                    let about = (VenueId(command.venue_id), InstrumentId(command.instrument_id), ts_ns);
                    self.recent.push_back(about);
                    if self.recent.len() > RECENT_ORDERS_MAX {
                        self.recent.pop_front();
                    }
                }
                if kind == CommandKind::Cancel
                    && let Some(order) = self.orders.get_mut(&id)
                    && order.phase.open()
                {
                    order.cancel = Cancel::Wanted;
                    order.cancel_command_seq = command.command_seq;
                }
            }
        }
        self.last_command_seq = self.last_command_seq.max(command.command_seq);
    }

    fn fold_report(&mut self, report: &Report) {
        self.report_seq = self.report_seq.max(report.report_seq);
        if report.kind() == ReportKind::NeverSent {
            self.last_command_seq = self.last_command_seq.max(report.command_seq);
        }
        if proves_never_sent(report) {
            self.spend(report);
        }
        let Some(id) = ClientId::parse(&report.client_order_id) else { return };
        if report.kind() == ReportKind::Replaced {
            self.learn_next_venue_id(id, &report.venue_order_id);
        }
        self.learn_venue_id(id, &report.venue_order_id);
        let Some(order) = self.orders.get_mut(&id) else { return };
        match report.kind() {
            ReportKind::Replaced => {
                order.px_ticks = report.last_px_ticks;
                order.qty_lots = report.cum_qty_lots.saturating_add(report.leaves_qty_lots);
                order.amend = None;
            }
            ReportKind::AmendReject => order.amend = None,
            ReportKind::Ack | ReportKind::Status => {
                order.command = None;
                order.acked |= report.kind() == ReportKind::Ack;
                if order.phase.open() {
                    order.phase = Phase::Live;
                }
            }
            ReportKind::Fill => {
                let last = self.last_trade.entry(order.instrument).or_default();
                *last = report.exec_id.parse().unwrap_or(0).max(*last);
                let fresh = order.execs.insert(report.exec_id.clone());
                if fresh {
                    order.booked_lots = order.booked_lots.saturating_add(report.last_qty_lots);
                    order.venue_cum_lots = order.venue_cum_lots.max(order.booked_lots);
                }
                if order.phase.open() {
                    order.phase = Phase::Live;
                    if order.booked_lots >= order.qty_lots && order.qty_lots > 0 && order.amend.is_none() {
                        self.settle(id, Phase::Terminal);
                    }
                }
                if fresh {
                    self.keep_for_sweep(0, id, &fill_of(report));
                }
            }
            ReportKind::Bust => {
                order.execs.insert(report.exec_id.clone());
                if report.venue_text != CORRECTED {
                    order.undone_lots = order.undone_lots.saturating_add(report.last_qty_lots);
                } else {
                    order.booked_lots = order.booked_lots.saturating_sub(report.last_qty_lots);
                    order.venue_cum_lots = order.venue_cum_lots.saturating_sub(report.last_qty_lots);
                }
                self.undone(id, &report.exec_id);
            }
            ReportKind::Unknown if order.phase == Phase::Pending => order.phase = Phase::Unknown,
            ReportKind::CancelReject => order.cancel = Cancel::None,
            kind @ (ReportKind::Cancelled | ReportKind::Expired | ReportKind::Reject)
                if order.phase.open() =>
            {
                order.ended = Some(match kind {
                    ReportKind::Cancelled => VenueState::Cancelled,
                    ReportKind::Expired => VenueState::Expired,
                    _ => VenueState::Rejected,
                });
                self.settle(id, Phase::Terminal);
            }
            ReportKind::Dead if order.phase.open() => self.settle(id, Phase::Dead),
            ReportKind::NeverSent if order.phase == Phase::Pending => self.settle(id, Phase::NeverSent),
            _ => {}
        }
    }

    /// The part of the state that the journal must bring back, as text two states can be compared by.
    pub fn durable_state(&self) -> String {
        let mut text = format!("leader {:?} report_seq {}\n", self.leader, self.report_seq);
        for (id, order) in self.orders.iter() {
            let phase = if order.phase == Phase::Pending { Phase::Unknown } else { order.phase };
            text.push_str(&format!(
                "{id} {phase:?} booked {} execs {:?} acked {} of {} at {} amend {:?}\n",
                order.booked_lots,
                order.execs,
                order.acked,
                order.qty_lots,
                order.px_ticks,
                order.amend.as_ref().map(|amend| amend.terms)
            ));
        }
        text
    }
}

/// The execution a report told.
fn fill_of(report: &Report) -> Fill {
    Fill {
        exec_id: report.exec_id.clone(),
        px_ticks: report.last_px_ticks,
        qty_lots: report.last_qty_lots,
        fee_e8: report.fee_e8,
        fee_asset: report.fee_asset.clone(),
        maker: report.maker,
        ts_venue_ns: report.ts_venue_ns,
    }
}

/// Notes the end the venue named in its answer.
const fn order_ended(order: Option<&mut Order>, end: VenueState) {
    if let Some(order) = order {
        order.ended = Some(end);
    }
}

/// Whether a report is somebody's proof that no byte of an order left. A fence that names its order is one: the gateway
/// that was stopped releases the order, so that its successor must not send the same id either.
fn proves_never_sent(report: &Report) -> bool {
    match report.kind() {
        ReportKind::NeverSent => true,
        ReportKind::Fenced => !report.client_order_id.is_empty(),
        _ => false,
    }
}

/// When the order may no longer be written, on the monotonic clock; 0 = no limit. The stamp of the sender counts where
/// there is one: both run on one host.
fn expires_at(command: &Command, now: Now) -> u64 {
    if command.ttl_ns == 0 {
        return 0;
    }
    let from = if command.command_mono_ns == 0 { now.mono_ns } else { command.command_mono_ns };
    from.saturating_add(command.ttl_ns).max(1)
}

fn backoff_ns(first_ns: u64, failed: u32) -> u64 {
    first_ns.saturating_mul(1_u64 << failed.saturating_sub(1).min(16)).min(QUERY_BACKOFF_NS_MAX)
}

fn bounded(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}
