//! The machine: events in, records and messages out.

use crate::config::Limits;
use crate::decide::{Accepted, Checks, Quote, ReferencePx, Wish, decide, decode, may_be_overridden};
use crate::fixed::Near;
use crate::limits::{
    CANCEL_RESERVE_SHARE, GRANT_RETRY_NS, HELD_AGE_MS, OVERRIDE_NS_MAX, PRINCIPAL_BYTES_MAX, REASON_BYTES_MAX,
};
use crate::means::Means;
use crate::order::{BookKey, Content, Order, from_wire_id, wire_id, wire_side};
use crate::outcomes::{Archive, Lookup, Outcome};
use crate::risk_state::Messages;
use crate::scope::Scope;
use crate::state::{Bounds, FoldFault, State, position_update};
use crate::storm::{Guard, Input, Mode};
use crate::sums::Sums;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_calendar::{Market, Phase, Session};
use tidegate_instruments::Table;
use tidegate_mutants::{Bug, planted};
use tidegate_units::{AccountId, InstrumentId, IntentId, StrategyId, VenueId};
use tidegate_wire::approval::Approver;
use tidegate_wire::ids::{client_order_id, span_id};
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{
    Command, CommandKind, Decision, Intent, IntentKind, IntentReply, OrderState, OrderType, Reason, Report,
    ReportKind,
};
use tidegate_wire::pb::risk::v1::{Latch, RiskEvent, RiskEventKind};
use tidegate_wire::validate::SCHEMA_VERSION;

/// The time of an event, read once by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    pub mono_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub epoch_ns: i64,
}

/// Where a message belongs in a trace, and when it happened; zeros where nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trace {
    pub hi: u64,
    pub lo: u64,
    pub span_id: u64,
    pub ts_event_ns: i64,
}

impl Trace {
    /// The trace of a message that came in.
    pub const fn of(envelope: &Envelope) -> Self {
        Self {
            hi: envelope.trace_hi,
            lo: envelope.trace_lo,
            span_id: envelope.span_id,
            ts_event_ns: envelope.ts_event_ns,
        }
    }
}

/// Everything that can happen to the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Once, after recovery: what a crash cut off is written.
    Start,
    /// From the strategy whose link it came over.
    Intent {
        principal: StrategyId,
        trace: Trace,
        intent: Intent,
    },
    /// An intent that decoded but broke a rule of its message: answered under its id, never kept.
    MalformedIntent {
        principal: StrategyId,
        trace: Trace,
        intent_id: IntentId,
    },
    Report {
        trace: Trace,
        report: Report,
    },
    /// A touch; a side that is empty is `None`. `valid` tells that its book may be priced from.
    Reference {
        instrument: InstrumentId,
        bid_px_ticks: Option<i64>,
        ask_px_ticks: Option<i64>,
        valid: bool,
        ts_ns: i64,
    },
    /// The stream of the instrument's touch is whole and alive, so its last touch still stands.
    FeedAlive {
        instrument: InstrumentId,
    },
    /// The stream has a gap, is silent or started anew: no reference until the next touch.
    FeedLost {
        instrument: InstrumentId,
    },
    Control(ControlEvent),
    /// A reading of the system's health, for the guard over a scope.
    Health {
        scope: Scope,
        input: Input,
        value: i64,
    },
    /// The monitor lives.
    MonitorAlive,
    /// Whether an instrument trades, by the venue's own word: a halt, a volatility pause.
    MarketState {
        instrument: InstrumentId,
        trades: bool,
    },
    /// A conversion rate: 1e-8 of the quote asset for one of the asset, above 0.
    Rate {
        asset: String,
        quote_asset: String,
        rate_e8: i64,
        ts_ns: i64,
    },
    /// What the venue says an account has free of an asset, and the last report that surely is in it.
    AccountBalance {
        account: AccountId,
        venue: VenueId,
        asset: String,
        available_e8: i64,
        report_seq: u64,
    },
    /// Maintenance margin over margin balance by the venue's word, 1/10,000.
    MarginRatio {
        account: AccountId,
        venue: VenueId,
        bps: i64,
    },
    /// How many lots of an instrument may be sold short, and under which locate.
    Locate {
        account: AccountId,
        venue: VenueId,
        instrument: InstrumentId,
        lots: i64,
        reference: String,
    },
    /// Money that no fill brings: funding, interest, dividends, transfers, settlements. One reference books once.
    Posting(RiskEvent),
    /// Other limits, asked for by one person and, where anything is looser, authorised by another.
    Limits {
        limits: Box<Limits>,
        principal: String,
        authoriser: String,
    },
    /// The command link is in step. `restarted` where the router is new, or new to us: leadership must be asked for.
    RouterUp {
        restarted: bool,
    },
    RouterDown,
    /// Frames the command link would take now.
    RouterCredits(usize),
    /// Whether the journal takes records.
    Journal {
        available: bool,
    },
    /// Whether this process may ask for leadership, as its lease tells; true until told otherwise. It asks for an epoch
    /// above `epoch`, the highest one the router is known to have granted.
    Candidacy {
        allowed: bool,
        epoch: u32,
    },
    /// Whether a leader may decide new orders; cancels and questions go on. True until told otherwise.
    NewOrders {
        allowed: bool,
    },
    /// A command of an earlier leader that the router took, out of the router's own journal. In order with its reports.
    Adopt {
        trace: Trace,
        command: Command,
    },
    /// This process leads no longer.
    StepDown,
    Tick,
}

/// Who gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The journal alone.
    Nobody,
    Router,
    Strategy(StrategyId),
    EveryStrategy,
}

/// One thing to do. Effects are done in order; a message leaves only after its record, and all before it, are committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    pub envelope: Envelope,
    pub journal: bool,
    pub to: Destination,
}

impl Effect {
    /// No answer: the strategy asks the other gateway.
    pub fn turns_away(&self) -> bool {
        matches!(&self.envelope.payload, Some(Payload::IntentReply(reply)) if reply.reason() == Reason::NotLeader)
    }

    /// A word to strategies that only the one that leads may say.
    pub fn is_told(&self) -> bool {
        matches!(self.to, Destination::Strategy(_) | Destination::EveryStrategy) && !self.turns_away()
    }
}

/// What one or more events led to.
pub type Effects = Vec<Effect>;

/// Exact counts since the process started; not part of the state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    pub intents: u64,
    /// Intents without an id: nobody can be answered.
    pub intents_without_id: u64,
    /// Refusals the journal does not keep, by reason number; those it keeps are `State::decisions`.
    pub refused_unkept: BTreeMap<i32, u64>,
    pub replies_repeated: u64,
    pub commands: u64,
    pub reports: u64,
    pub reports_repeated: u64,
    pub report_gaps: u64,
    pub controls_refused: u64,
    /// Rates, balances, postings and limits that made no sense or were not authorised.
    pub inputs_refused: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Touch {
    pub(crate) quote: Quote,
    pub(crate) seen_mono_ns: u64,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) table: Table,
    pub(crate) limits: Limits,
    /// As they were read: what the journal changes in them is made on these.
    given: Limits,
    /// Which process this is, random at its start; the router tells two of one epoch apart by it.
    holder: u64,
    pub(crate) state: State,
    counters: Counters,
    approver: Option<Approver>,
    archive: Option<Box<dyn Archive>>,
    // What follows dies with the process and starts closed.
    granted: bool,
    may_ask: bool,
    epoch_granted: u32,
    may_open: bool,
    granted_mono_ns: u64,
    grant_asked_mono_ns: Option<u64>,
    router_up: bool,
    credits: usize,
    credits_full: usize,
    /// Another process serves the same account: it has been told whether it may ask for the lead.
    of_pair: bool,
    journal_available: bool,
    pub(crate) touches: Near<InstrumentId, Touch>,
    sums: Sums,
    spans: Spans,
    hours: Hours,
    pub(crate) guards: BTreeMap<Scope, Guard>,
    pub(crate) evaluated_mono_ns: Option<u64>,
    monitor_mono_ns: Option<u64>,
    not_trading: BTreeSet<InstrumentId>,
}

impl Gateway {
    /// A gateway before any record. `holder` must not be 0.
    pub fn new(table: Table, limits: Limits, holder: u64) -> Self {
        Self::with_bounds(table, limits, holder, Bounds::default())
    }

    /// The same with other bounds, as tests use them.
    pub fn with_bounds(table: Table, limits: Limits, holder: u64, bounds: Bounds) -> Self {
        Self {
            table,
            given: limits.clone(),
            limits,
            holder,
            state: State::new(bounds),
            counters: Counters::default(),
            granted: false,
            may_ask: true,
            epoch_granted: 0,
            may_open: true,
            granted_mono_ns: 0,
            grant_asked_mono_ns: None,
            router_up: false,
            credits: 0,
            credits_full: 0,
            of_pair: false,
            journal_available: true,
            touches: Near::default(),
            sums: Sums::default(),
            spans: Spans::default(),
            hours: Hours::default(),
            approver: None,
            archive: None,
            guards: BTreeMap::new(),
            evaluated_mono_ns: None,
            monitor_mono_ns: None,
            not_trading: BTreeSet::new(),
        }
    }

    /// Goes back to before any record, for a journal that is read from its beginning. What was archived of the journal before
    /// it is not of this one.
    pub fn begin_anew(&mut self, archive: Option<Box<dyn Archive>>) {
        let bounds = self.state.bounds();
        let fresh = Self::with_bounds(self.table.clone(), self.given.clone(), self.holder, bounds);
        let old = std::mem::replace(self, fresh);
        (self.approver, self.archive) = (old.approver, archive);
    }

    /// Puts an approval on every new order, which a router that has the key asks for.
    #[must_use]
    pub fn with_approver(mut self, approver: Approver) -> Self {
        self.approver = Some(approver);
        self
    }

    /// Keeps outcomes that leave memory.
    #[must_use]
    pub fn with_archive(mut self, archive: Box<dyn Archive>) -> Self {
        self.archive = Some(archive);
        self
    }

    /// Drops archived outcomes decided before an instant, as the trading day and the venue's memory of ids allow.
    pub fn forget_before(&mut self, epoch_ns: i64) {
        if let Some(archive) = &mut self.archive {
            archive.retain_since(epoch_ns);
        }
    }

    /// Whether records can be written now.
    pub(crate) const fn takes_records(&self) -> bool {
        self.journal_available
    }

    fn archive_evicted(&mut self) {
        if !self.state.outcomes.has_evicted() {
            return;
        }
        let evicted = self.state.outcomes.take_evicted();
        if let Some(archive) = &mut self.archive {
            for (id, outcome) in &evicted {
                archive.put(*id, outcome);
            }
        }
    }

    /// Takes one record of the journal, in order, before the first event.
    ///
    /// # Errors
    /// The record does not follow; the journal is of another code or table, or damaged.
    pub fn recover(&mut self, record: &Envelope) -> Result<(), FoldFault> {
        self.state.fold(record, &self.table)?;
        self.archive_evicted();
        match &record.payload {
            Some(Payload::ControlEvent(event)) => self.recover_limits(record.log_seq, event),
            _ => Ok(()),
        }
    }

    /// Makes a journalled change of limits again, unless the file is of its version or later.
    fn recover_limits(&mut self, seq: u64, event: &ControlEvent) -> Result<(), FoldFault> {
        if event.action() != ControlAction::Limits || event.limits_version <= self.limits.version {
            return Ok(());
        }
        self.limits = self.limits.with_event(&self.table, event).map_err(|fault| FoldFault::Limits {
            seq,
            file: self.limits.version,
            change: event.limits_version,
            why: fault.to_string(),
        })?;
        Ok(())
    }

    /// The durable state.
    pub const fn state(&self) -> &State {
        &self.state
    }

    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    pub const fn table(&self) -> &Table {
        &self.table
    }

    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether the router takes this process's commands.
    pub const fn leads(&self) -> bool {
        self.granted
    }

    /// Whether a drain was asked for and every order is terminal.
    pub fn drained(&self) -> bool {
        self.state.draining && self.state.open_orders() == 0
    }

    /// The reference price of an instrument now; `None` fails every price check closed.
    pub fn reference(&self, instrument: InstrumentId, now: Now) -> Option<ReferencePx> {
        self.quote(instrument, now).map(|quote| quote.reference)
    }

    pub(crate) fn quote(&self, instrument: InstrumentId, now: Now) -> Option<Quote> {
        let touch = self.touches.get(instrument)?;
        // What may not be traded may still be held, and is valued.
        let age_ms = self.limits.instruments.get(&instrument).map_or(HELD_AGE_MS, |l| l.reference_age_ms_max);
        let age_ns_max = u64::from(age_ms) * 1_000_000;
        (now.mono_ns.saturating_sub(touch.seen_mono_ns) <= age_ns_max).then_some(touch.quote)
    }

    /// What an account has free of an asset at a venue, 1e-8; `None` where it is not checked or the venue's word is missing.
    pub fn free_e8(&self, account: AccountId, venue: VenueId, asset: &str, now: Now) -> Option<i128> {
        let means = Means { state: &self.state, table: &self.table, limits: &self.limits };
        means.free_e8(account, venue, asset, now.epoch_ns).ok()
    }

    /// What a strategy must know when its link comes (back) into step: policy, live orders, positions. Not journalled.
    pub fn snapshot(&self, strategy: StrategyId, now: Now) -> Vec<Envelope> {
        let mut payloads = vec![Payload::PolicyState(self.state.policy_state(now.epoch_ns))];
        let orders = self.state.orders.sorted(|o| o.key.strategy == strategy && !o.terminal());
        payloads.extend(orders.into_iter().map(|o| Payload::OrderUpdate(o.update(true))));
        let books = self.state.books().filter(|(key, _)| key.strategy == strategy);
        payloads
            .extend(books.map(|(key, b)| Payload::PositionUpdate(position_update(*key, &b.position, true))));
        payloads.into_iter().map(|p| envelope(p, Trace::default(), now, 0)).collect()
    }

    /// Handles one event.
    ///
    /// # Errors
    /// Only a bug: the machine wrote a record that its own fold refuses. The process must end and recover.
    pub fn apply(&mut self, now: Now, event: Event, out: &mut Effects) -> Result<(), FoldFault> {
        match event {
            Event::Start => {
                if planted(Bug::DedupLostAtRestart) {
                    self.state.forget_outcomes();
                }
                self.state.killed &= !planted(Bug::KillNotDurable);
                self.pay(Trace::default(), now, out)
            }
            Event::Intent { principal, trace, intent } => self.on_intent(principal, trace, intent, now, out),
            Event::MalformedIntent { principal, trace, intent_id } => {
                self.counters.intents += 1;
                if intent_id.0 == 0 {
                    self.counters.intents_without_id += 1;
                } else {
                    self.reply_only(refusal(intent_id, Reason::Malformed), principal, trace, now, out);
                }
                Ok(())
            }
            Event::Report { trace, report } => self.on_report(trace, report, now, out),
            Event::Reference { instrument, bid_px_ticks, ask_px_ticks, valid, ts_ns } => {
                let px = match (bid_px_ticks, ask_px_ticks) {
                    (Some(bid), Some(ask)) => bid.checked_add(ask).map(|sum| sum.div_euclid(2)),
                    // A one-sided book is valid: the side that is there.
                    (one, other) => one.or(other),
                };
                match px.filter(|px| valid && *px > 0) {
                    Some(px_ticks) => {
                        let reference = ReferencePx { px_ticks, ts_ns };
                        let quote = Quote { reference, bid_px_ticks, ask_px_ticks };
                        let touch = Touch { quote, seen_mono_ns: now.mono_ns };
                        let was = self.touches.insert(instrument, touch);
                        if was.is_none_or(|was| was.quote.reference.px_ticks != px_ticks) {
                            self.state.index.repriced(instrument);
                        }
                    }
                    None => drop(self.touches.remove(instrument)),
                }
                Ok(())
            }
            Event::FeedAlive { instrument } => {
                if let Some(touch) = self.touches.get_mut(instrument) {
                    touch.seen_mono_ns = now.mono_ns;
                }
                Ok(())
            }
            Event::FeedLost { instrument } => {
                self.touches.remove(instrument);
                Ok(())
            }
            Event::Control(event) => self.on_control(event, now, out),
            Event::RouterUp { restarted } => {
                self.router_up = true;
                if restarted || !self.granted {
                    self.granted = false;
                    if self.may_ask {
                        self.ask_leadership(now, out)?;
                    }
                }
                Ok(())
            }
            Event::RouterDown => {
                self.router_up = false;
                Ok(())
            }
            Event::RouterCredits(credits) => {
                self.credits = credits;
                self.credits_full = self.credits_full.max(credits);
                Ok(())
            }
            Event::Journal { available } => {
                self.journal_available = available;
                Ok(())
            }
            Event::Candidacy { allowed, epoch } => {
                self.of_pair = true;
                self.epoch_granted = self.epoch_granted.max(epoch);
                let begins = allowed && !self.may_ask;
                self.may_ask = allowed;
                if begins && self.router_up && !self.granted {
                    self.ask_leadership(now, out)?;
                }
                Ok(())
            }
            Event::NewOrders { allowed } => {
                self.may_open = allowed;
                Ok(())
            }
            Event::Adopt { trace, command } => self.on_adopt(trace, command, now, out),
            Event::StepDown => {
                self.granted = false;
                self.grant_asked_mono_ns = Some(now.mono_ns);
                Ok(())
            }
            Event::Tick => {
                if self.router_up && !self.granted && self.may_ask && self.asked_long_ago(now) {
                    self.ask_leadership(now, out)?;
                }
                // The journal of one that only follows is its leader's.
                if self.granted || self.may_ask {
                    self.evaluate(now, out)?;
                }
                self.chase(now, out)
            }
            Event::Health { scope, input, value } => {
                if self.guarded(scope) {
                    self.guards.entry(scope).or_default().read(input, value, now.mono_ns);
                }
                Ok(())
            }
            Event::MonitorAlive => {
                self.monitor_mono_ns = Some(now.mono_ns);
                Ok(())
            }
            Event::MarketState { instrument, trades } => {
                if trades {
                    self.not_trading.remove(&instrument);
                } else if self.limits.instruments.contains_key(&instrument) {
                    self.not_trading.insert(instrument);
                }
                Ok(())
            }
            Event::Limits { limits, principal, authoriser } => {
                self.on_limits(*limits, &principal, &authoriser, now, out)
            }
            event => match risk_record(event, now) {
                Some(record) if self.journal_available && self.sound(&record) => {
                    self.record(Payload::RiskEvent(record), Trace::default(), now, out)
                }
                _ => {
                    self.counters.inputs_refused += 1;
                    Ok(())
                }
            },
        }
    }

    /// Whether a risk record would pass its validator and names what is known.
    fn sound(&self, record: &RiskEvent) -> bool {
        let known = record.instrument_id == 0 || self.table.get(InstrumentId(record.instrument_id)).is_some();
        let probe = envelope(Payload::RiskEvent(record.clone()), Trace::default(), Now::default(), 1);
        known && tidegate_wire::validate::envelope(&probe).is_ok()
    }

    /// Takes other limits: tightening at once, loosening only where a second person stands for it.
    fn on_limits(
        &mut self,
        limits: Limits,
        principal: &str,
        authoriser: &str,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let named = |who: &str| (1..=PRINCIPAL_BYTES_MAX).contains(&who.len());
        let second = named(authoriser) && authoriser != principal;
        let allowed = self.limits.loosened_by(&limits).is_none() || second;
        let rises = limits.version > self.limits.version && limits.version > self.state.risk.limits_version;
        if !named(principal) || !rises || !allowed || !self.journal_available {
            self.counters.controls_refused += 1;
            return Ok(());
        }
        let mut reference = if second { format!("{principal}+{authoriser}") } else { principal.to_string() };
        while reference.len() > PRINCIPAL_BYTES_MAX {
            reference.pop();
        }
        let record = RiskEvent {
            kind: RiskEventKind::Limits.into(),
            value: i64::from(limits.version),
            reference,
            ts_ns: now.epoch_ns,
            ..RiskEvent::default()
        };
        self.record(Payload::RiskEvent(record), Trace::default(), now, out)?;
        self.limits = limits;
        Ok(())
    }

    /// Writes one record: folds it, and hands on what it owes.
    #[inline]
    pub(crate) fn record(
        &mut self,
        payload: Payload,
        trace: Trace,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        self.write(payload, trace, now, out)?;
        self.pay(trace, now, out)
    }

    #[inline(always)]
    fn write(
        &mut self,
        payload: Payload,
        trace: Trace,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let to = destination(&payload);
        let envelope = stamped(payload, trace, now, self.state.log_seq + 1, &mut self.spans);
        self.state.fold(&envelope, &self.table)?;
        out.push(Effect { envelope, journal: true, to });
        self.archive_evicted();
        Ok(())
    }

    fn pay(&mut self, trace: Trace, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        while let Some((seq, payload)) = self.state.next_owed() {
            let to = destination(&payload);
            let envelope = stamped(payload, trace, now, seq, &mut self.spans);
            out.push(Effect { envelope, journal: true, to });
        }
        Ok(())
    }

    fn on_intent(
        &mut self,
        principal: StrategyId,
        trace: Trace,
        intent: Intent,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        self.counters.intents += 1;
        let id = from_wire_id(intent.intent_id.as_ref());
        if id.0 == 0 {
            self.counters.intents_without_id += 1;
            return Ok(());
        }
        self.warm(id, &intent);
        // Neither kept nor journalled under the id: a stranger must not be able to use up another's ids.
        if id.strategy() != principal || !self.limits.strategies.contains_key(&principal) {
            self.reply_only(refusal(id, Reason::UnauthorisedPrincipal), principal, trace, now, out);
            return Ok(());
        }
        let archived = match self.state.outcome(id) {
            Some(outcome) => Lookup::Found(*outcome),
            None if self.state.outcomes.may_be_forgotten(id) => {
                match self.archive.as_ref().map(|archive| archive.get(id)) {
                    Some(Lookup::Found(outcome)) => Lookup::Found(outcome),
                    // At or below what was forgotten: it may have been decided, so it is never decided again.
                    _ => Lookup::Unknown,
                }
            }
            None => Lookup::Absent,
        };
        // Of two, the one that does not lead may hold a journal that went another way: what it remembers is no answer.
        if self.of_pair && !self.granted && archived != Lookup::Absent {
            self.reply_only(refusal(id, Reason::NotLeader), principal, trace, now, out);
            return Ok(());
        }
        if archived == Lookup::Unknown {
            self.reply_only(refusal(id, Reason::DuplicateInFlight), principal, trace, now, out);
            return Ok(());
        }
        if let Lookup::Found(outcome) = &archived
            && !planted(Bug::DedupSkipped)
        {
            let reply = if outcome.content == Content::of(&intent) {
                self.counters.replies_repeated += 1;
                repeated(id, outcome)
            } else {
                refusal(id, Reason::IdReused)
            };
            self.reply_only(reply, principal, trace, now, out);
            return Ok(());
        }
        match intent.kind() {
            IntentKind::New => self.on_new(id, trace, intent, now, out),
            IntentKind::Cancel => self.on_cancel(id, trace, intent, now, out),
            IntentKind::Unspecified => self.refuse(id, Reason::Malformed, None, trace, intent, now, out),
        }
    }

    /// Reads the lines that deciding an intent will want, all at once: they come from memory side by side while its id is looked
    /// up, rather than one after the other as each check asks.
    #[inline]
    fn warm(&self, id: IntentId, intent: &Intent) {
        let (instrument, strategy) = (InstrumentId(intent.instrument_id), id.strategy());
        let account = AccountId(intent.account_id);
        std::hint::black_box((
            self.state.orders.outcome(id).is_some(),
            self.touches.get(instrument).map(|touch| touch.seen_mono_ns),
            self.limits.instruments.get(&instrument).map(|limits| limits.exposure_e8_max),
            self.table.get(instrument).map(|row| row.e8_per_tick_lot),
            self.state.index.warm(instrument, strategy),
            self.sums.warm(instrument),
            self.state.messages.get(strategy).map(Messages::warm),
            self.state.books.get(&BookKey { account, strategy, instrument }).map(|book| book.buy_lots),
        ));
    }

    fn on_new(
        &mut self,
        id: IntentId,
        trace: Trace,
        intent: Intent,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let instrument = InstrumentId(intent.instrument_id);
        let mut quote = self.quote(instrument, now);
        if planted(Bug::ReferenceMayBeMissing) && intent.px_ticks > 0 {
            let reference = ReferencePx { px_ticks: intent.px_ticks, ts_ns: 1 };
            quote = quote.or(Some(Quote { reference, bid_px_ticks: None, ask_px_ticks: None }));
        }
        // What the other positions are worth is journalled as it is now, so that the decision is made from it.
        if self.granted && self.journal_available {
            self.journal_marks(now, Some(instrument), out)?;
        }
        self.sums.refresh(&mut self.state.index, &self.table, &self.limits);
        let decided = decode(&intent, id.strategy(), &self.table, &self.limits)
            // Of the time and of its state only the one that leads speaks: it may have answered before.
            .and_then(|wish| {
                let gated = self.gate(&intent, wish, now);
                gated.map_err(|reason| if self.granted { reason } else { Reason::NotLeader })
            })
            .and_then(|checks| decide(checks, quote).map(|accepted| (accepted, checks.wish.row.venue_id)))
            .and_then(|ok| self.dispatchable(false).map(|()| ok));
        match decided {
            Err(reason) => {
                let reference = quote.map(|quote| quote.reference);
                self.refuse(id, reason, reference, trace, intent, now, out)
            }
            Ok((accepted, venue_id)) => self.accept_new(id, accepted, venue_id, trace, intent, now, out),
        }
    }

    /// Steps 3 to 5: time, leadership, policy. What only reducing orders pass is left to the limits as their block.
    fn gate<'a>(&'a self, intent: &'a Intent, wish: Wish<'a>, now: Now) -> Result<Checks<'a>, Reason> {
        if intent.ttl_ns != 0 && remaining_ttl_ns(intent, now).is_none() {
            return Err(Reason::TtlExpired);
        }
        self.session(intent, &wish, now)?;
        let may_open = self.granted && self.may_open;
        if !may_open && !planted(Bug::NewWithoutLead) {
            return Err(Reason::NotLeader);
        }
        if now.mono_ns.saturating_sub(self.granted_mono_ns) < self.limits.startup_holdoff_ns {
            return Err(Reason::StartupHoldoff);
        }
        let (state, risk) = (&self.state, &self.state.risk);
        let storm = risk.storm_for(wish.key.account, wish.row.venue());
        if state.killed && !planted(Bug::KillIgnored) {
            return Err(Reason::Killed);
        }
        let halt_latch = |scope| risk.latched(scope, Latch::Halt).next().is_some();
        let account = Scope::Account(wish.key.account);
        let halted = state.halted
            || state.draining
            || storm == Mode::Halt
            || halt_latch(Scope::Firm)
            || halt_latch(account);
        if halted && !planted(Bug::HaltIgnored) {
            return Err(Reason::Halt);
        }
        let block = if storm == Mode::Storm {
            Some(Reason::StormNewBlocked)
        } else if self.monitor_is_dead(now) {
            Some(Reason::Degraded)
        } else if risk.latches.is_empty() {
            None
        } else {
            self.scopes_of(&wish).into_iter().find_map(|scope| risk.reduce_only(scope))
        };
        let at = state.index.at(wish.key.instrument);
        let checks = Checks {
            state,
            table: &self.table,
            limits: &self.limits,
            sums: &self.sums,
            wish,
            at,
            lots: at.map(|at| at.lots(wish.key)).unwrap_or_default(),
            now_ns: now.epoch_ns,
            block,
        };
        if let Some(block) = block
            && !checks.may_reduce()
        {
            return Err(block);
        }
        let quarantined = Scope::Strategy(wish.key.strategy);
        if risk.latched(quarantined, Latch::Quarantine).next().is_some() {
            return Err(Reason::StrategyQuarantined);
        }
        if self.state.symbol_frozen(wish.key.instrument) {
            return Err(Reason::SymbolFrozen);
        }
        if self.state.venues_down.contains(&wish.row.venue_id) {
            return Err(Reason::VenueUnreachable);
        }
        Ok(checks)
    }

    /// The scopes an order counts to, widest first.
    pub(crate) fn scopes_of(&self, wish: &Wish<'_>) -> Vec<Scope> {
        let mut scopes = vec![
            Scope::Firm,
            Scope::Account(wish.key.account),
            Scope::Venue(wish.key.account, wish.row.venue()),
            Scope::Strategy(wish.key.strategy),
            Scope::Instrument(wish.key.instrument),
        ];
        scopes.extend(wish.strategy.desk_id.map(Scope::Desk));
        scopes
    }

    fn monitor_is_dead(&self, now: Now) -> bool {
        // Its bound of time runs from the grant where it was never heard of.
        let heard = self.monitor_mono_ns.unwrap_or(self.granted_mono_ns);
        self.limits.monitor_age_ns.is_some_and(|age| now.mono_ns.saturating_sub(heard) > age)
    }

    /// Whether the market of an instrument takes an order now. A day the calendar does not know is a closed one.
    fn session(&self, intent: &Intent, wish: &Wish<'_>, now: Now) -> Result<(), Reason> {
        if self.not_trading.contains(&wish.key.instrument) {
            return Err(Reason::SessionClosed);
        }
        let Some(market) = wish.limits.market.map(|name| name.0) else {
            return if wish.limits.blackouts.as_deref().is_none_or(<[_]>::is_empty) {
                Ok(())
            } else {
                self.blackout(wish, Market::AllDay, now)
            };
        };
        match self.hours.phase(market, now.epoch_ns) {
            Phase::Open => self.blackout(wish, market, now),
            // What cannot rest until the auction's end has no place in it.
            Phase::Auction
                if !wish.market && matches!(intent.tif(), tidegate_wire::pb::orders::v1::Tif::Gtc) =>
            {
                self.blackout(wish, market, now)
            }
            Phase::Auction | Phase::Closed => Err(Reason::SessionClosed),
        }
    }

    fn blackout(&self, wish: &Wish<'_>, market: Market, now: Now) -> Result<(), Reason> {
        let blackouts = wish.limits.blackouts.as_deref().unwrap_or(&[]);
        if blackouts.is_empty() {
            return Ok(());
        }
        let second = market.second_of_day(now.epoch_ns);
        let within = |b: &crate::config::Blackout| b.from.0 <= second && second < b.to.0;
        if blackouts.iter().any(within) { Err(Reason::Blackout) } else { Ok(()) }
    }

    /// Steps 8 and 9: a decision is made only where its record and its command have a place to go.
    fn dispatchable(&self, cancel: bool) -> Result<(), Reason> {
        if !self.journal_available {
            return Err(Reason::JournalUnavailable);
        }
        let kept_back = if cancel { 0 } else { self.credits_full / CANCEL_RESERVE_SHARE };
        if !self.router_up || self.credits <= kept_back {
            return Err(Reason::RouterBackpressure);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn accept_new(
        &mut self,
        id: IntentId,
        accepted: Accepted,
        venue_id: u32,
        trace: Trace,
        intent: Intent,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let seed = if planted(Bug::IdFromClock) { id.0 ^ u128::from(now.mono_ns) } else { id.0 };
        let client_order_id = client_order_id(seed, 0, 0);
        let reply = IntentReply {
            intent_id: Some(wire_id(id)),
            decision: Decision::Accepted.into(),
            reason: Reason::Ok.into(),
            client_order_id: client_order_id.clone(),
            repeated: false,
            reference_px_ticks: accepted.reference.px_ticks,
            reference_ts_ns: accepted.reference.ts_ns,
            accepted_qty_lots: accepted.qty_lots.unsigned_abs(),
        };
        let command = Command {
            kind: CommandKind::New.into(),
            intent_id: Some(wire_id(id)),
            client_order_id,
            generation: 0,
            instrument_id: intent.instrument_id,
            venue_id,
            account_id: intent.account_id,
            side: intent.side,
            order_type: intent.order_type,
            tif: intent.tif,
            px_ticks: intent.px_ticks,
            qty_lots: accepted.qty_lots.unsigned_abs(),
            ttl_ns: if intent.ttl_ns == 0 { 0 } else { remaining_ttl_ns(&intent, now).unwrap_or(1) },
            tick_mono_ns: intent.tick_mono_ns,
            intent_mono_ns: intent.intent_mono_ns,
            ..Command::default()
        };
        self.record(Payload::Intent(intent), trace, now, out)?;
        self.record(Payload::IntentReply(reply), trace, now, out)?;
        self.command(command, trace, now, out)
    }

    fn on_cancel(
        &mut self,
        id: IntentId,
        trace: Trace,
        intent: Intent,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let target = from_wire_id(intent.target_intent_id.as_ref());
        let known =
            self.state.orders.get(&target).filter(|o| !o.terminal() && target.strategy() == id.strategy());
        let allowed = match known {
            // A standby may not have heard of the order yet.
            _ if !self.granted => Err(Reason::NotLeader),
            None => Err(Reason::UnknownOrder),
            Some(_) if planted(Bug::CancelBlockedByHalt) && self.state.halted => Err(Reason::Halt),
            Some(order) => self.dispatchable(true).map(|()| order.clone()),
        };
        let order = match allowed {
            Ok(order) => order,
            Err(reason) => return self.refuse(id, reason, None, trace, intent, now, out),
        };
        let reply = IntentReply {
            intent_id: Some(wire_id(id)),
            decision: Decision::Accepted.into(),
            reason: Reason::Ok.into(),
            ..IntentReply::default()
        };
        let stamps = (intent.tick_mono_ns, intent.intent_mono_ns);
        self.record(Payload::Intent(intent), trace, now, out)?;
        self.record(Payload::IntentReply(reply), trace, now, out)?;
        // One cancel per order is under way at a time, and one of unknown outcome is asked about first.
        if order.cancel_command_seq != 0 && order.cancel_wanted || order.unknown() {
            return Ok(());
        }
        let command = Command {
            tick_mono_ns: stamps.0,
            intent_mono_ns: stamps.1,
            ..about(&order, CommandKind::Cancel)
        };
        self.command(command, trace, now, out)
    }

    /// Answers no. What the state may answer otherwise a moment later is not kept, so that the same id may come again.
    #[allow(clippy::too_many_arguments)]
    fn refuse(
        &mut self,
        id: IntentId,
        reason: Reason,
        reference: Option<ReferencePx>,
        trace: Trace,
        intent: Intent,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        // A no that cannot be kept must not sound final: asked again, the answer may be another.
        let unkept = self.granted && !self.journal_available && reason != Reason::Malformed;
        let reason = if unkept { Reason::JournalUnavailable } else { reason };
        let mut reply = refusal(id, reason);
        if let Some(reference) = reference {
            (reply.reference_px_ticks, reply.reference_ts_ns) = (reference.px_ticks, reference.ts_ns);
        }
        let passing = matches!(
            reason,
            // Not a message that a record may hold.
            Reason::Malformed
                | Reason::NotLeader
                | Reason::StartupHoldoff
                | Reason::JournalUnavailable
                | Reason::RouterBackpressure
        );
        // The journal of one that does not lead is its leader's.
        if passing || !self.journal_available || !self.granted {
            self.reply_only(reply, id.strategy(), trace, now, out);
            return Ok(());
        }
        self.record(Payload::Intent(intent), trace, now, out)?;
        self.record(Payload::IntentReply(reply), trace, now, out)?;
        self.after_refusal(id.strategy(), now, out)
    }

    fn reply_only(&mut self, reply: IntentReply, to: StrategyId, trace: Trace, now: Now, out: &mut Effects) {
        if !reply.repeated {
            *self.counters.refused_unkept.entry(reply.reason).or_insert(0) += 1;
        }
        let envelope = envelope(Payload::IntentReply(reply), trace, now, 0);
        out.push(Effect { envelope, journal: false, to: Destination::Strategy(to) });
    }

    fn command(
        &mut self,
        command: Command,
        trace: Trace,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let grant = command.kind() == CommandKind::Grant;
        let id = from_wire_id(command.intent_id.as_ref());
        let command = self.attributed(command);
        let mut command = Command {
            command_seq: self.state.command_seq + 1,
            gateway_epoch: if grant { command.gateway_epoch } else { self.state.epoch },
            holder: self.holder,
            command_mono_ns: now.mono_ns,
            ..command
        };
        if let Some(approver) = &self.approver
            && command.kind() == CommandKind::New
        {
            let expires_ns = now.epoch_ns.saturating_add(self.limits.approval_ttl_ns);
            command.approval = approver.approve(&command, self.limits.version, expires_ns);
        }
        self.counters.commands += 1;
        self.credits = self.credits.saturating_sub(1);
        if !grant {
            self.state.orders.asked(id, Some(now.mono_ns));
        }
        self.record(Payload::Command(command), trace, now, out)
    }

    /// Names who answers for a new order.
    fn attributed(&self, command: Command) -> Command {
        let strategy = from_wire_id(command.intent_id.as_ref()).strategy();
        let row = self.limits.strategies.get(&strategy).and_then(|row| row.attribution.as_ref());
        match row.filter(|_| command.kind() == CommandKind::New) {
            Some(who) => Command {
                strategy_version: who.version_bits,
                trader_id: who.trader_id,
                desk_id: who.desk_id,
                client_id: who.client_id,
                ..command
            },
            None => command,
        }
    }

    fn asked_long_ago(&self, now: Now) -> bool {
        self.grant_asked_mono_ns.is_none_or(|at| now.mono_ns.saturating_sub(at) >= GRANT_RETRY_NS)
    }

    fn ask_leadership(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        self.grant_asked_mono_ns = Some(now.mono_ns);
        let command = Command {
            kind: CommandKind::Grant.into(),
            gateway_epoch: self.state.epoch.max(self.state.epoch_asked).max(self.epoch_granted) + 1,
            report_seq_seen: self.state.report_seq,
            ..Command::default()
        };
        self.command(command, Trace::default(), now, out)
    }

    fn on_report(
        &mut self,
        trace: Trace,
        report: Report,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        self.counters.reports += 1;
        let kind = report.kind();
        // The grant may come before the reports that it leads to: it stands out of the sequence.
        let grants = kind == ReportKind::Granted
            && !self.granted
            && report.holder == self.holder
            && report.gateway_epoch == self.state.epoch_asked;
        let next = self.state.report_seq + 1;
        if !grants && report.report_seq < next {
            self.counters.reports_repeated += 1;
            return Ok(());
        }
        if !grants && report.report_seq > next {
            self.counters.report_gaps += 1;
            // Asked for at once, but a gap that comes again and again is no reason to ask at the speed of the link.
            if std::mem::take(&mut self.granted) && self.may_ask && self.asked_long_ago(now) {
                self.ask_leadership(now, out)?;
            }
            return Ok(());
        }
        // Of another process of this cluster: it was replaced, not this one.
        let fenced = kind == ReportKind::Fenced && report.holder == self.holder;
        self.state.look_up(&report);
        let order = self.state.order_of(&report).map(|o| (o.id, o.state));
        self.record(Payload::Report(report), trace, now, out)?;
        if kind == ReportKind::Fill {
            self.after_fill(now, out)?;
        }
        // Now, and not before the next order: that one should not wait for what the reports before it changed.
        self.sums.refresh(&mut self.state.index, &self.table, &self.limits);
        if grants {
            self.granted = true;
            self.granted_mono_ns = now.mono_ns;
        }
        if fenced {
            self.granted = false;
            self.grant_asked_mono_ns = Some(now.mono_ns);
        }
        // A refused cancel is asked about at once, but a refused question only after a while.
        let ask_now = kind == ReportKind::CancelReject;
        if let Some((id, was)) = order
            && (ask_now && was == OrderState::PendingCancel
                || self.state.orders.get(&id).is_none_or(Order::terminal))
        {
            self.state.orders.asked(id, None);
        }
        let unsettles = matches!(kind, ReportKind::CancelReject | ReportKind::Granted)
            || matches!(kind, ReportKind::Ack | ReportKind::Status);
        if unsettles { self.chase(now, out) } else { Ok(()) }
    }

    /// Records a command that another process sent.
    fn record_unsent(
        &mut self,
        command: Command,
        trace: Trace,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let at = out.len();
        self.write(Payload::Command(command), trace, now, out)?;
        if let Some(effect) = out.get_mut(at) {
            effect.to = Destination::Nobody;
        }
        self.pay(trace, now, out)
    }

    /// Takes over one order, or one wish to cancel, that an earlier leader had sent and this state does not know.
    fn on_adopt(
        &mut self,
        trace: Trace,
        command: Command,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let id = from_wire_id(command.intent_id.as_ref());
        let known = self.state.remembers(id) || self.state.outcomes.may_be_forgotten(id);
        if planted(Bug::AdoptSkipped) {
            return Ok(());
        }
        match command.kind() {
            CommandKind::New if !known && id.0 != 0 => {
                let intent = Intent {
                    intent_id: command.intent_id,
                    kind: IntentKind::New.into(),
                    instrument_id: command.instrument_id,
                    account_id: command.account_id,
                    side: command.side,
                    order_type: command.order_type,
                    tif: command.tif,
                    px_ticks: command.px_ticks,
                    qty_lots: command.qty_lots,
                    instrument_table_version: self.table.version(),
                    ..Intent::default()
                };
                let reply = IntentReply {
                    intent_id: command.intent_id,
                    decision: Decision::Accepted.into(),
                    reason: Reason::Ok.into(),
                    client_order_id: command.client_order_id.clone(),
                    // What it had been measured by is not known here; its own price is the nearest thing.
                    reference_px_ticks: command.px_ticks,
                    accepted_qty_lots: command.qty_lots,
                    ..IntentReply::default()
                };
                self.record(Payload::Intent(intent), trace, now, out)?;
                self.record(Payload::IntentReply(reply), trace, now, out)?;
                self.record_unsent(command, trace, now, out)
            }
            CommandKind::Cancel => {
                let wanted =
                    self.state.orders.get(&id).is_some_and(|o| !o.terminal() && o.cancel_command_seq == 0);
                if wanted { self.record_unsent(command, trace, now, out) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Sends what is due about open orders: cancels that are wanted, questions where an answer is missing. Never a NEW.
    fn chase(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        if !self.granted || !self.router_up || !self.journal_available {
            return Ok(());
        }
        let due = self.state.orders.sorted(|o| !o.terminal() && self.due(o, now).is_some());
        let due: Vec<(Order, CommandKind)> = due
            .into_iter()
            .filter_map(|o| self.due(o, now).map(|kind| (o.clone(), kind)))
            .take(self.credits)
            .collect();
        for (order, kind) in due {
            self.command(about(&order, kind), Trace::default(), now, out)?;
        }
        Ok(())
    }

    fn due(&self, order: &Order, now: Now) -> Option<CommandKind> {
        let first_cancel = order.cancel_wanted && order.cancel_command_seq == 0 && !order.unknown();
        if first_cancel {
            return Some(CommandKind::Cancel);
        }
        let waited = self.state.orders.asked_mono_ns(order.id).map(|at| now.mono_ns.saturating_sub(at));
        let long = waited.is_none_or(|ns| ns >= self.limits.requery_ns);
        // Under an earlier epoch nobody knows which commands arrived.
        let earlier = order.command_epoch < self.state.epoch;
        if order.state == OrderState::UnknownCancel && (earlier || waited.is_none()) {
            return Some(CommandKind::Query);
        }
        if !long && !earlier {
            return None;
        }
        match order.state {
            OrderState::PendingNew
            | OrderState::Unknown
            | OrderState::Quarantine
            | OrderState::UnknownCancel => Some(CommandKind::Query),
            OrderState::PendingCancel if order.acked => Some(CommandKind::Cancel),
            OrderState::PendingCancel => Some(CommandKind::Query),
            _ => None,
        }
    }

    fn on_control(&mut self, event: ControlEvent, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        let mut sound = event.action() != ControlAction::Unspecified
            && (1..=PRINCIPAL_BYTES_MAX).contains(&event.principal.len())
            && event.reason.len() <= REASON_BYTES_MAX;
        let about = envelope(Payload::ControlEvent(event.clone()), Trace::default(), Now::default(), 1);
        sound &= tidegate_wire::validate::envelope(&about).is_ok();
        if event.action() == ControlAction::Override {
            let reason = i32::try_from(event.overridden).ok().and_then(|n| Reason::try_from(n).ok());
            sound &= event.requester != event.principal
                && reason.is_some_and(may_be_overridden)
                && event.expires_ts_ns > now.epoch_ns
                && event.expires_ts_ns.saturating_sub(now.epoch_ns) <= OVERRIDE_NS_MAX;
        }
        let limits = if event.action() == ControlAction::Limits {
            Some(self.limits.with_event(&self.table, &event))
        } else {
            None
        };
        if !sound || matches!(limits, Some(Err(_))) {
            self.counters.controls_refused += 1;
            return Ok(());
        }
        self.record(Payload::ControlEvent(event), Trace::default(), now, out)?;
        if let Some(Ok(limits)) = limits {
            self.limits = limits;
        }
        self.chase(now, out)
    }
}

/// The record of an event that only the risk state takes.
fn risk_record(event: Event, now: Now) -> Option<RiskEvent> {
    let ts = RiskEvent { ts_ns: now.epoch_ns, ..RiskEvent::default() };
    Some(match event {
        Event::Rate { asset, quote_asset, rate_e8, ts_ns } if rate_e8 > 0 && ts_ns <= now.epoch_ns => {
            RiskEvent { kind: RiskEventKind::Rate.into(), asset, quote_asset, value: rate_e8, ts_ns, ..ts }
        }
        Event::AccountBalance { account, venue, asset, available_e8, report_seq } => RiskEvent {
            kind: RiskEventKind::Account.into(),
            account_id: account.0,
            venue_id: venue.0,
            asset,
            value: available_e8,
            source_seq: report_seq,
            ..ts
        },
        Event::MarginRatio { account, venue, bps } if bps >= 0 => RiskEvent {
            kind: RiskEventKind::Margin.into(),
            account_id: account.0,
            venue_id: venue.0,
            value: bps,
            ..ts
        },
        Event::Locate { account, venue, instrument, lots, reference } if lots >= 0 => RiskEvent {
            kind: RiskEventKind::Locate.into(),
            account_id: account.0,
            venue_id: venue.0,
            instrument_id: instrument.0,
            value: lots,
            reference,
            ..ts
        },
        Event::Posting(posting) if posting.kind() == RiskEventKind::Posting => {
            RiskEvent { ts_ns: now.epoch_ns, ..posting }
        }
        _ => return None,
    })
}

/// A command about one order, without its number and stamps.
fn about(order: &Order, kind: CommandKind) -> Command {
    Command {
        kind: kind.into(),
        intent_id: Some(wire_id(order.id)),
        client_order_id: order.client_order_id.clone(),
        generation: order.generation,
        instrument_id: order.key.instrument.0,
        venue_id: order.venue_id,
        account_id: order.key.account.0,
        side: wire_side(order.side),
        order_type: if order.is_market { OrderType::Market } else { OrderType::Limit }.into(),
        px_ticks: if order.is_market { 0 } else { order.px_ticks },
        qty_lots: order.qty_lots.unsigned_abs(),
        ..Command::default()
    }
}

fn remaining_ttl_ns(intent: &Intent, now: Now) -> Option<u64> {
    let spent = now.mono_ns.saturating_sub(intent.intent_mono_ns);
    intent.ttl_ns.checked_sub(spent).filter(|left| *left > 0)
}

fn refusal(id: IntentId, reason: Reason) -> IntentReply {
    IntentReply {
        intent_id: Some(wire_id(id)),
        decision: Decision::Refused.into(),
        reason: reason.into(),
        ..IntentReply::default()
    }
}

fn repeated(id: IntentId, outcome: &Outcome) -> IntentReply {
    let decision = if outcome.accepted { Decision::Accepted } else { Decision::Refused };
    IntentReply {
        intent_id: Some(wire_id(id)),
        decision: decision.into(),
        reason: outcome.reason.into(),
        client_order_id: if outcome.has_order { client_order_id(id.0, 0, 0) } else { String::new() },
        repeated: true,
        reference_px_ticks: outcome.reference_px_ticks,
        reference_ts_ns: outcome.reference_ts_ns,
        accepted_qty_lots: outcome.accepted_qty_lots,
    }
}

/// Who a message is for follows from the message.
fn destination(payload: &Payload) -> Destination {
    let owner = |id: Option<&tidegate_wire::pb::common::v1::IntentId>| {
        Destination::Strategy(from_wire_id(id).strategy())
    };
    match payload {
        Payload::IntentReply(m) => owner(m.intent_id.as_ref()),
        Payload::OrderUpdate(m) => owner(m.intent_id.as_ref()),
        Payload::Fill(m) => owner(m.intent_id.as_ref()),
        Payload::PositionUpdate(m) => Destination::Strategy(StrategyId(m.strategy_id)),
        Payload::PolicyState(_) => Destination::EveryStrategy,
        Payload::Command(_) => Destination::Router,
        _ => Destination::Nobody,
    }
}

/// The spans of the trace last written: the records of one decision are all of one trace.
#[derive(Debug, Clone, Copy, Default)]
struct Spans {
    trace: (u64, u64),
    by_stage: [Option<u64>; 2],
}

impl Spans {
    fn of(&mut self, trace: Trace, stage: &'static str) -> u64 {
        if self.trace != (trace.hi, trace.lo) {
            *self = Self { trace: (trace.hi, trace.lo), ..Self::default() };
        }
        let known = &mut self.by_stage[usize::from(stage == BOOK)];
        *known.get_or_insert_with(|| span_id(trace.hi, trace.lo, stage))
    }
}

/// The session that each market was last found in: while it lasts, the calendar need not be asked.
#[derive(Debug, Default)]
struct Hours([Cell<Option<Session>>; Market::ALL.len()]);

impl Hours {
    /// What a market does. A day the calendar does not know is a closed one.
    fn phase(&self, market: Market, epoch_ns: i64) -> Phase {
        let last = &self.0[market as usize];
        if let Some(session) = last.get()
            && (session.start_ns..session.end_ns).contains(&epoch_ns)
        {
            return session.phase;
        }
        let session = market.session(epoch_ns).ok().flatten().map(|(_, session)| session);
        last.set(session);
        session.map_or(Phase::Closed, |session| session.phase)
    }
}

const DECIDE: &str = "gateway.decide";
const BOOK: &str = "gateway.book";

fn envelope(payload: Payload, trace: Trace, now: Now, log_seq: u64) -> Envelope {
    stamped(payload, trace, now, log_seq, &mut Spans::default())
}

#[inline(always)]
fn stamped(payload: Payload, trace: Trace, now: Now, log_seq: u64, spans: &mut Spans) -> Envelope {
    let (source, stage) = match &payload {
        Payload::Intent(_) => (Source::StrategyRunner, None),
        Payload::Report(_) => (Source::ExecutionRouter, None),
        Payload::ControlEvent(_) => (Source::Operator, None),
        Payload::IntentReply(_) | Payload::Command(_) => (Source::Gateway, Some(DECIDE)),
        _ => (Source::Gateway, Some(BOOK)),
    };
    Envelope {
        schema_version: SCHEMA_VERSION,
        source: source.into(),
        trace_hi: trace.hi,
        trace_lo: trace.lo,
        span_id: stage.map_or(trace.span_id, |stage| spans.of(trace, stage)),
        ts_event_ns: if stage.is_none() && trace.ts_event_ns > 0 { trace.ts_event_ns } else { now.epoch_ns },
        ts_recv_ns: now.epoch_ns,
        log_seq,
        payload: Some(payload),
    }
}
