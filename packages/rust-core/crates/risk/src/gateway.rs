//! The machine: events in, records and messages out.

use crate::config::Limits;
use crate::decide::{Accepted, ReferencePx, Wish, decide, decode};
use crate::limits::{CANCEL_RESERVE_SHARE, GRANT_RETRY_NS, PRINCIPAL_BYTES_MAX, REASON_BYTES_MAX};
use crate::order::{Order, content_hash, from_wire_id, wire_id, wire_side};
use crate::state::{Bounds, FoldFault, Outcome, State, position_update};
use std::collections::BTreeMap;
use tidegate_instruments::Table;
use tidegate_units::{InstrumentId, IntentId, StrategyId};
use tidegate_wire::ids::{client_order_id, span_id};
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{
    Command, CommandKind, Decision, Intent, IntentKind, IntentReply, OrderState, OrderType, Reason, Report,
    ReportKind,
};
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
}

#[derive(Debug, Clone, Copy)]
struct Touch {
    px: ReferencePx,
    seen_mono_ns: u64,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    table: Table,
    limits: Limits,
    /// Which process this is, random at its start; the router tells two of one epoch apart by it.
    holder: u64,
    state: State,
    counters: Counters,
    // What follows dies with the process and starts closed.
    granted: bool,
    granted_mono_ns: u64,
    grant_asked_mono_ns: Option<u64>,
    router_up: bool,
    credits: usize,
    credits_full: usize,
    journal_available: bool,
    touches: BTreeMap<InstrumentId, Touch>,
    asked_mono_ns: BTreeMap<IntentId, u64>,
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
            limits,
            holder,
            state: State::new(bounds),
            counters: Counters::default(),
            granted: false,
            granted_mono_ns: 0,
            grant_asked_mono_ns: None,
            router_up: false,
            credits: 0,
            credits_full: 0,
            journal_available: true,
            touches: BTreeMap::new(),
            asked_mono_ns: BTreeMap::new(),
        }
    }

    /// Takes one record of the journal, in order, before the first event.
    ///
    /// # Errors
    /// The record does not follow; the journal is of another code or table, or damaged.
    pub fn recover(&mut self, record: &Envelope) -> Result<(), FoldFault> {
        self.state.fold(record, &self.table)?;
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
        let touch = self.touches.get(&instrument)?;
        let age_ns_max =
            u64::from(self.limits.instruments.get(&instrument)?.reference_age_ms_max) * 1_000_000;
        (now.mono_ns.saturating_sub(touch.seen_mono_ns) <= age_ns_max).then_some(touch.px)
    }

    /// What a strategy must know when its link comes (back) into step: policy, live orders, positions. Not journalled.
    pub fn snapshot(&self, strategy: StrategyId, now: Now) -> Vec<Envelope> {
        let mut payloads = vec![Payload::PolicyState(self.state.policy_state(now.epoch_ns))];
        let orders = self.state.orders.values().filter(|o| o.key.strategy == strategy && !o.terminal());
        payloads.extend(orders.map(|o| Payload::OrderUpdate(o.update(true))));
        let books = self.state.books.iter().filter(|(key, _)| key.strategy == strategy);
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
            Event::Start => self.pay(Trace::default(), now, out),
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
                    (Some(bid), Some(ask)) => Some((bid + ask).div_euclid(2)),
                    // A one-sided book is valid: the side that is there.
                    (one, other) => one.or(other),
                };
                match px.filter(|px| valid && *px > 0) {
                    Some(px_ticks) => {
                        let px = ReferencePx { px_ticks, ts_ns };
                        self.touches.insert(instrument, Touch { px, seen_mono_ns: now.mono_ns });
                    }
                    None => drop(self.touches.remove(&instrument)),
                }
                Ok(())
            }
            Event::FeedAlive { instrument } => {
                if let Some(touch) = self.touches.get_mut(&instrument) {
                    touch.seen_mono_ns = now.mono_ns;
                }
                Ok(())
            }
            Event::FeedLost { instrument } => {
                self.touches.remove(&instrument);
                Ok(())
            }
            Event::Control(event) => self.on_control(event, now, out),
            Event::RouterUp { restarted } => {
                self.router_up = true;
                if restarted || !self.granted {
                    self.granted = false;
                    self.ask_leadership(now, out)?;
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
            Event::Tick => {
                if self.router_up && !self.granted && self.asked_long_ago(now) {
                    self.ask_leadership(now, out)?;
                }
                self.chase(now, out)
            }
        }
    }

    /// Writes one record: folds it, and hands on what it owes.
    fn record(
        &mut self,
        payload: Payload,
        trace: Trace,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        self.write(payload, trace, now, out)?;
        self.pay(trace, now, out)
    }

    fn write(
        &mut self,
        payload: Payload,
        trace: Trace,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let to = destination(&payload);
        let envelope = envelope(payload, trace, now, self.state.log_seq + 1);
        self.state.fold(&envelope, &self.table)?;
        out.push(Effect { envelope, journal: true, to });
        Ok(())
    }

    fn pay(&mut self, trace: Trace, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        while let Some(payload) = self.state.owed.front().cloned() {
            self.write(payload, trace, now, out)?;
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
        // Neither kept nor journalled under the id: a stranger must not be able to use up another's ids.
        if id.strategy() != principal || !self.limits.strategies.contains_key(&principal) {
            self.reply_only(refusal(id, Reason::UnauthorisedPrincipal), principal, trace, now, out);
            return Ok(());
        }
        if let Some(outcome) = self.state.outcomes.get(&id) {
            let reply = if outcome.content == content_hash(&intent) {
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

    fn on_new(
        &mut self,
        id: IntentId,
        trace: Trace,
        intent: Intent,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let reference = self.reference(InstrumentId(intent.instrument_id), now);
        let decided = decode(&intent, id.strategy(), &self.table, &self.limits)
            .and_then(|wish| self.gate(&intent, &wish, now).map(|()| wish))
            .and_then(|wish| {
                decide(&self.state, &self.table, &self.limits, wish, reference, now.epoch_ns)
                    .map(|accepted| (accepted, wish.row.venue_id))
            })
            .and_then(|ok| self.dispatchable(false).map(|()| ok));
        match decided {
            Err(reason) => self.refuse(id, reason, reference, trace, intent, now, out),
            Ok((accepted, venue_id)) => self.accept_new(id, accepted, venue_id, trace, intent, now, out),
        }
    }

    /// Steps 3 to 5: time, leadership, policy.
    fn gate(&self, intent: &Intent, wish: &Wish<'_>, now: Now) -> Result<(), Reason> {
        if intent.ttl_ns != 0 && remaining_ttl_ns(intent, now).is_none() {
            return Err(Reason::TtlExpired);
        }
        if !self.granted {
            return Err(Reason::NotLeader);
        }
        if now.mono_ns.saturating_sub(self.granted_mono_ns) < self.limits.startup_holdoff_ns {
            return Err(Reason::StartupHoldoff);
        }
        if self.state.killed {
            return Err(Reason::Killed);
        }
        if self.state.halted || self.state.draining {
            return Err(Reason::Halt);
        }
        if self.state.symbol_frozen(wish.key.instrument) {
            return Err(Reason::SymbolFrozen);
        }
        if self.state.venues_down.contains(&wish.row.venue_id) {
            return Err(Reason::VenueUnreachable);
        }
        Ok(())
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
        let client_order_id = client_order_id(id.0, 0, 0);
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
            None => Err(Reason::UnknownOrder),
            Some(_) if !self.granted => Err(Reason::NotLeader),
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
        if passing || !self.journal_available {
            self.reply_only(reply, id.strategy(), trace, now, out);
            return Ok(());
        }
        self.record(Payload::Intent(intent), trace, now, out)?;
        self.record(Payload::IntentReply(reply), trace, now, out)
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
        let command = Command {
            command_seq: self.state.command_seq + 1,
            gateway_epoch: if grant { command.gateway_epoch } else { self.state.epoch },
            holder: self.holder,
            command_mono_ns: now.mono_ns,
            ..command
        };
        self.counters.commands += 1;
        self.credits = self.credits.saturating_sub(1);
        if !grant {
            self.asked_mono_ns.insert(id, now.mono_ns);
        }
        self.record(Payload::Command(command), trace, now, out)
    }

    fn asked_long_ago(&self, now: Now) -> bool {
        self.grant_asked_mono_ns.is_none_or(|at| now.mono_ns.saturating_sub(at) >= GRANT_RETRY_NS)
    }

    fn ask_leadership(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        self.grant_asked_mono_ns = Some(now.mono_ns);
        let command = Command {
            kind: CommandKind::Grant.into(),
            gateway_epoch: self.state.epoch.max(self.state.epoch_asked) + 1,
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
            if std::mem::take(&mut self.granted) && self.asked_long_ago(now) {
                self.ask_leadership(now, out)?;
            }
            return Ok(());
        }
        let order = self.state.order_of(&report).map(|o| (o.id, o.state));
        self.record(Payload::Report(report), trace, now, out)?;
        if grants {
            self.granted = true;
            self.granted_mono_ns = now.mono_ns;
        }
        if kind == ReportKind::Fenced {
            self.granted = false;
            self.grant_asked_mono_ns = Some(now.mono_ns);
        }
        // A refused cancel is asked about at once, but a refused question only after a while.
        let ask_now = kind == ReportKind::CancelReject;
        if let Some((id, was)) = order
            && (ask_now && was == OrderState::PendingCancel
                || self.state.orders.get(&id).is_none_or(Order::terminal))
        {
            self.asked_mono_ns.remove(&id);
        }
        let unsettles = matches!(kind, ReportKind::CancelReject | ReportKind::Granted)
            || matches!(kind, ReportKind::Ack | ReportKind::Status);
        if unsettles { self.chase(now, out) } else { Ok(()) }
    }

    /// Sends what is due about open orders: cancels that are wanted, questions where an answer is missing. Never a NEW.
    fn chase(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        if !self.granted || !self.router_up || !self.journal_available {
            return Ok(());
        }
        let due: Vec<(Order, CommandKind)> = self
            .state
            .orders
            .values()
            .filter(|o| !o.terminal())
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
        let waited = self.asked_mono_ns.get(&order.id).map(|at| now.mono_ns.saturating_sub(*at));
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
        let sound = event.action() != ControlAction::Unspecified
            && (1..=PRINCIPAL_BYTES_MAX).contains(&event.principal.len())
            && event.reason.len() <= REASON_BYTES_MAX;
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

fn envelope(payload: Payload, trace: Trace, now: Now, log_seq: u64) -> Envelope {
    let (source, stage) = match &payload {
        Payload::Intent(_) => (Source::StrategyRunner, None),
        Payload::Report(_) => (Source::ExecutionRouter, None),
        Payload::ControlEvent(_) => (Source::Operator, None),
        Payload::IntentReply(_) | Payload::Command(_) => (Source::Gateway, Some("gateway.decide")),
        _ => (Source::Gateway, Some("gateway.book")),
    };
    Envelope {
        schema_version: SCHEMA_VERSION,
        source: source.into(),
        trace_hi: trace.hi,
        trace_lo: trace.lo,
        span_id: stage.map_or(trace.span_id, |stage| span_id(trace.hi, trace.lo, stage)),
        ts_event_ns: if stage.is_none() && trace.ts_event_ns > 0 { trace.ts_event_ns } else { now.epoch_ns },
        ts_recv_ns: now.epoch_ns,
        log_seq,
        payload: Some(payload),
    }
}
