//! The durable state: a fold of journal records and nothing else.
//!
//! An input record (intent and reply, command, report, control) changes the state and leaves the outputs it owes; an
//! output record (order update, fill, position, policy) must equal the next output owed and takes it off. Recovery is
//! the same fold, so it re-derives and checks every output, and what a crash cut off is still owed afterwards.

use crate::canon::Canon;
use crate::contract::{cost_e8, settle_asset};
use crate::evidence::Evidence;
use crate::fixed::{ById, Near};
use crate::index::{At, Index, Lots};
use crate::ledger::{Contra, Ledger, Position};
use crate::limits::{ASSET_BYTES_MAX, DETAIL_BYTES_MAX, EXEC_ID_BYTES_MAX, FILL_KEYS_MAX, OUTCOMES_MAX};
use crate::order::{
    BookKey, ByClientId, Content, Order, Orders, Terms, from_wire_id, from_wire_side, is_terminal, lots,
    wire_id, wire_side,
};
use crate::outcomes::{Outcome, Outcomes};
use crate::risk_state::{Message, Messages, OwnFill, RiskState, push_window};
use crate::scope::Scope;
use crate::storm::Mode;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use tidegate_instruments::{Instrument, Kind, Table};
use tidegate_mutants::{Bug, planted};
use tidegate_units::{AccountId, InstrumentId, IntentId, SAFE_INTEGER, Side, StrategyId, VenueId};
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{
    Command, CommandKind, Decision, Fill, Intent, IntentKind, IntentReply, OrderState, OrderType, Reason,
    Report, ReportKind,
};
use tidegate_wire::pb::risk::v1::{
    Latch, Policy, PolicyState, PositionUpdate, PostingKind, RiskEvent, RiskEventKind,
};

/// Strategy of what we did not order: external fills count in exposure under it.
pub const EXTERNAL: StrategyId = StrategyId(u32::MAX);

/// One (account, strategy, instrument): position and what is reserved on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Book {
    pub position: Position,
    pub buy_lots: i128,
    pub sell_lots: i128,
    /// Fees paid, and what was posted to the book beside fills (funding, dividends), 1e-8 of the settlement asset. A fee in
    /// the base asset counts at its fill's price; one in a third asset stands in the ledger alone.
    pub fees_e8: i128,
    pub posted_e8: i128,
}

impl Book {
    /// What is reserved on one side.
    pub const fn leaves(&self, side: Side) -> i128 {
        match side {
            Side::Buy => self.buy_lots,
            Side::Sell => self.sell_lots,
        }
    }

    pub(crate) const fn lots(&self) -> Lots {
        Lots { position: self.position.lots, buys: self.buy_lots, sells: self.sell_lots }
    }
}

/// Why a record does not continue the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoldFault {
    /// Sequence numbers must follow each other.
    Sequence { is: u64, want: u64 },
    /// A record of a kind the gateway does not write.
    ForeignRecord { seq: u64 },
    /// A reply without its intent before it.
    ReplyWithoutIntent { seq: u64 },
    /// An accepted order of an instrument the table does not have.
    UnknownInstrument { seq: u64, instrument_id: u32 },
    /// An output that is not what its input gives: other code or a damaged record.
    OutputDiffers { seq: u64 },
    /// An input while outputs of the one before are still owed.
    OutputsMissing { seq: u64 },
    /// A change of limits that does not follow from the limits file.
    Limits { seq: u64, file: u32, change: u32, why: String },
}

impl fmt::Display for FoldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence { is, want } => write!(f, "cannot fold record {is} of the journal: want {want}"),
            Self::ForeignRecord { seq } => write!(f, "cannot fold record {seq}: not a record of the gateway"),
            Self::ReplyWithoutIntent { seq } => {
                write!(f, "cannot fold record {seq}: a reply without its intent")
            }
            Self::UnknownInstrument { seq, instrument_id } => {
                write!(f, "cannot fold record {seq}: instrument {instrument_id} is not in the table")
            }
            Self::OutputDiffers { seq } => {
                write!(f, "cannot fold record {seq}: it is not the output its input gives")
            }
            Self::Limits { seq, file, change, why } => write!(
                f,
                "cannot fold record {seq}: it changes the limits to version {change}, the limits file has {file} ({why}); name the file it was made on, or one of version {change} or above that holds what is to be in force"
            ),
            Self::OutputsMissing { seq } => {
                write!(f, "cannot fold record {seq}: outputs of the input before it are missing")
            }
        }
    }
}

impl std::error::Error for FoldFault {}

/// Bounds that tests turn down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub outcomes_max: usize,
    pub fill_keys_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { outcomes_max: OUTCOMES_MAX, fill_keys_max: FILL_KEYS_MAX }
    }
}

type FillKey = (u32, u32, String);

/// The state. Fields are read freely within the crate and written only by `fold`.
#[derive(Debug, Clone)]
pub struct State {
    bounds: Bounds,
    pub(crate) log_seq: u64,
    pub(crate) epoch: u32,
    pub(crate) epoch_asked: u32,
    pub(crate) command_seq: u64,
    pub(crate) report_seq: u64,
    pub(crate) halted: bool,
    pub(crate) killed: bool,
    pub(crate) draining: bool,
    pub(crate) unkill_asked_by: String,
    pub(crate) policy_detail: String,
    pub(crate) frozen: BTreeSet<InstrumentId>,
    pub(crate) venues_down: BTreeSet<u32>,
    pub(crate) orders: Orders,
    by_client_order_id: ByClientId,
    open_orders: usize,
    pub(crate) outcomes: Outcomes,
    fill_keys: BTreeSet<FillKey>,
    fill_order: VecDeque<FillKey>,
    pub(crate) books: ById<BookKey, Book>,
    pub(crate) ledger: Ledger,
    pub(crate) marks: BTreeMap<InstrumentId, i64>,
    pub(crate) messages: Near<StrategyId, Messages>,
    pub(crate) risk: RiskState,
    /// Decisions by reason number.
    pub(crate) decisions: BTreeMap<i32, u64>,
    pub(crate) fills: u64,
    pub(crate) fills_repeated: u64,
    pub(crate) fills_unbooked: u64,
    pub(crate) contradictions: u64,
    pending: Option<Intent>,
    pub(crate) owed: VecDeque<Payload>,
    /// Derived from the above, no part of the hash.
    pub(crate) index: Index,
}

impl State {
    pub(crate) const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The state before the first record.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            log_seq: 0,
            epoch: 0,
            epoch_asked: 0,
            command_seq: 0,
            report_seq: 0,
            halted: false,
            killed: false,
            draining: false,
            unkill_asked_by: String::new(),
            policy_detail: String::new(),
            frozen: BTreeSet::new(),
            venues_down: BTreeSet::new(),
            orders: Orders::default(),
            by_client_order_id: ByClientId::default(),
            open_orders: 0,
            outcomes: Outcomes::new(bounds.outcomes_max),
            fill_keys: BTreeSet::new(),
            fill_order: VecDeque::new(),
            books: ById::default(),
            ledger: Ledger::default(),
            marks: BTreeMap::new(),
            messages: Near::default(),
            risk: RiskState::default(),
            decisions: BTreeMap::new(),
            fills: 0,
            fills_repeated: 0,
            fills_unbooked: 0,
            contradictions: 0,
            pending: None,
            owed: VecDeque::new(),
            index: Index::default(),
        }
    }

    /// The book of one (account, strategy, instrument); an empty one where there is none.
    pub fn book(&self, key: BookKey) -> Book {
        self.books.get(&key).copied().unwrap_or_default()
    }

    /// All books in order.
    pub fn books(&self) -> impl Iterator<Item = (&BookKey, &Book)> {
        self.books_in_order().into_iter()
    }

    fn books_in_order(&self) -> Vec<(&BookKey, &Book)> {
        let mut books: Vec<_> = self.books.iter().collect();
        books.sort_unstable_by_key(|(key, _)| **key);
        books
    }

    /// Orders that are live, or ended with fills still to come, in order of id.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.sorted(|_| true).into_iter()
    }

    /// What became of the order an intent opened; `None` where it opened none or is forgotten.
    pub fn order_state(&self, id: IntentId) -> Option<OrderState> {
        let live = self.orders.get(&id).map(|o| o.state);
        live.or_else(|| self.outcome(id).filter(|o| o.has_order).map(|o| o.state))
    }

    /// What an intent came to, where memory has it.
    pub(crate) fn outcome(&self, id: IntentId) -> Option<&Outcome> {
        self.outcomes.get(id).or_else(|| self.orders.outcome(id))
    }

    /// Whether an intent would be answered as one that was seen before.
    pub fn remembers(&self, id: IntentId) -> bool {
        self.outcome(id).is_some()
    }

    /// Forgets every outcome, as only a planted bug does.
    pub(crate) fn forget_outcomes(&mut self) {
        self.outcomes.clear();
        self.orders.forget_outcomes();
    }

    /// Settled orders by terminal state, of those still remembered.
    pub fn settled_orders(&self) -> BTreeMap<OrderState, u64> {
        let mut by_state = BTreeMap::new();
        for outcome in self.outcomes.settled().filter(|o| o.has_order && is_terminal(o.state)) {
            *by_state.entry(outcome.state).or_insert(0) += 1;
        }
        by_state
    }

    /// Cash legs by account, venue and asset.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub const fn log_seq(&self) -> u64 {
        self.log_seq
    }

    /// Decisions the journal holds, by reason number.
    pub const fn decisions(&self) -> &BTreeMap<i32, u64> {
        &self.decisions
    }

    /// Commands decided since the journal began.
    pub const fn command_seq(&self) -> u64 {
        self.command_seq
    }

    pub const fn report_seq(&self) -> u64 {
        self.report_seq
    }

    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Fills booked; doubles dropped; fills that could not be booked; reports against what was proved.
    pub const fn fill_counts(&self) -> [u64; 4] {
        [self.fills, self.fills_repeated, self.fills_unbooked, self.contradictions]
    }

    /// Instruments frozen until an operator resumes.
    pub fn frozen(&self) -> impl Iterator<Item = InstrumentId> {
        self.frozen.iter().copied()
    }

    /// Orders that are not terminal.
    pub const fn open_orders(&self) -> usize {
        self.open_orders
    }

    /// Latches, guards, loss periods, rates and account balances.
    pub const fn risk(&self) -> &RiskState {
        &self.risk
    }

    /// The prices positions and orders are valued at, as the journal has them.
    pub fn marks(&self) -> impl Iterator<Item = (InstrumentId, i64)> {
        self.marks.iter().map(|(id, px)| (*id, *px))
    }

    /// The policy that flags, latches and guards add up to; it is never set.
    pub fn policy(&self) -> Policy {
        let halt_latch = self.risk.latched(Scope::Firm, Latch::Halt).next().is_some();
        if self.killed {
            Policy::Killed
        } else if self.halted
            || self.draining
            || halt_latch
            || self.risk.storm(Scope::Firm).mode == Mode::Halt
        {
            Policy::Halt
        } else if self.risk.storm_worst() >= Mode::Storm || self.risk.reduce_only(Scope::Firm).is_some() {
            Policy::Degrade
        } else {
            Policy::Normal
        }
    }

    /// The policy as strategies see it.
    pub fn policy_state(&self, ts_ns: i64) -> PolicyState {
        let (policy, cause) = match self.policy() {
            Policy::Killed => (Policy::Killed, Reason::Killed),
            Policy::Halt => (Policy::Halt, Reason::Halt),
            Policy::Degrade if self.risk.storm_worst() >= Mode::Storm => {
                (Policy::Degrade, Reason::StormNewBlocked)
            }
            Policy::Degrade => {
                (Policy::Degrade, self.risk.reduce_only(Scope::Firm).unwrap_or(Reason::ReduceOnly))
            }
            _ if !self.frozen.is_empty() => (Policy::Degrade, Reason::SymbolFrozen),
            _ => (Policy::Normal, Reason::Ok),
        };
        PolicyState {
            policy: policy.into(),
            cause: cause.into(),
            detail: self.policy_detail.clone(),
            // Before the first grant it is the epoch that will be asked for.
            gateway_epoch: self.epoch.max(1),
            ts_ns,
        }
    }

    /// Whether an instrument takes no new orders: frozen by a break, or home of an order of unknown outcome.
    pub fn symbol_frozen(&self, instrument: InstrumentId) -> bool {
        let unknown = self.index.at(instrument).is_some_and(At::unknown);
        debug_assert_eq!(
            unknown,
            self.orders.values().any(|o| o.key.instrument == instrument && o.unknown())
        );
        self.frozen.contains(&instrument) || (!planted(Bug::UnknownNotFrozen) && unknown)
    }

    /// Hash of the whole durable state.
    pub fn hash(&self) -> [u8; 32] {
        let mut canon = Canon::new("gateway state v3");
        canon.u64(self.log_seq).u64(self.epoch.into()).u64(self.epoch_asked.into());
        canon.u64(self.command_seq).u64(self.report_seq);
        canon.u64(self.halted.into()).u64(self.killed.into()).u64(self.draining.into());
        canon.text(&self.unkill_asked_by).text(&self.policy_detail);
        canon.len(self.frozen.len());
        for id in &self.frozen {
            canon.u64(id.0.into());
        }
        canon.len(self.venues_down.len());
        for &id in &self.venues_down {
            canon.u64(id.into());
        }
        canon.len(self.orders.len());
        for order in self.orders.sorted(|_| true) {
            order.canon(&mut canon);
            let outcome = self.orders.outcome(order.id);
            canon.len(usize::from(outcome.is_some()));
            if let Some(outcome) = outcome {
                outcome.canon(&mut canon);
            }
        }
        self.outcomes.canon(&mut canon);
        canon.len(self.fill_order.len());
        for (venue, instrument, exec_id) in &self.fill_order {
            canon.u64((*venue).into()).u64((*instrument).into()).text(exec_id);
        }
        canon.len(self.books.len());
        for (key, book) in self.books_in_order() {
            canon.u64(key.account.0.into()).u64(key.strategy.0.into()).u64(key.instrument.0.into());
            book.position.canon(&mut canon);
            canon.i128(book.buy_lots).i128(book.sell_lots).i128(book.fees_e8).i128(book.posted_e8);
        }
        self.ledger.canon(&mut canon);
        canon.len(self.marks.len());
        for (id, &px) in &self.marks {
            canon.u64(id.0.into()).i64(px);
        }
        let messages = self.messages.sorted();
        canon.len(messages.len());
        for (id, window) in messages {
            canon.u64(id.0.into()).len(window.len());
            for m in window.iter() {
                canon.i64(m.ts_ns).u64(m.account.0.into()).u64(m.instrument.0.into());
                canon.len(usize::from(m.terms.is_some()));
                if let Some(terms) = &m.terms {
                    canon.i64(terms.px_ticks).u64(terms.qty_lots);
                    canon.i64(terms.side.into()).i64(terms.order_type.into());
                }
            }
        }
        self.risk.canon(&mut canon);
        canon.len(self.decisions.len());
        for (&reason, &count) in &self.decisions {
            canon.i64(reason.into()).u64(count);
        }
        canon.u64(self.fills).u64(self.fills_repeated).u64(self.fills_unbooked).u64(self.contradictions);
        canon.finish()
    }

    /// Applies one journal record.
    ///
    /// # Errors
    /// The record does not follow from what came before; the state is then of no use.
    pub fn fold(&mut self, record: &Envelope, table: &Table) -> Result<(), FoldFault> {
        let seq = record.log_seq;
        if seq != self.log_seq + 1 {
            return Err(FoldFault::Sequence { is: seq, want: self.log_seq + 1 });
        }
        let payload = record.payload.as_ref().ok_or(FoldFault::ForeignRecord { seq })?;
        let is_output = matches!(
            payload,
            Payload::OrderUpdate(_) | Payload::Fill(_) | Payload::PositionUpdate(_) | Payload::PolicyState(_)
        );
        if is_output {
            if self.owed.pop_front().as_ref() != Some(payload) {
                return Err(FoldFault::OutputDiffers { seq });
            }
            self.log_seq = seq;
            return Ok(());
        }
        if !self.owed.is_empty() {
            return Err(FoldFault::OutputsMissing { seq });
        }
        match payload {
            Payload::Intent(intent) => self.pending = Some(*intent),
            Payload::IntentReply(reply) => self.fold_reply(seq, reply, record.ts_recv_ns, table)?,
            Payload::Command(command) => self.fold_command(command),
            Payload::Report(report) => self.fold_report(report, record.ts_recv_ns, table),
            Payload::ControlEvent(event) => self.fold_control(event, record.ts_recv_ns),
            Payload::RiskEvent(event) => self.fold_risk(event, record.ts_recv_ns, table),
            _ => return Err(FoldFault::ForeignRecord { seq }),
        }
        self.log_seq = seq;
        Ok(())
    }

    /// Takes off the next output that is owed: the record of it, at its seq, is what the fold would want next.
    pub(crate) fn next_owed(&mut self) -> Option<(u64, Payload)> {
        let payload = self.owed.pop_front()?;
        self.log_seq += 1;
        Some((self.log_seq, payload))
    }

    fn fold_reply(
        &mut self,
        seq: u64,
        reply: &IntentReply,
        ts_ns: i64,
        table: &Table,
    ) -> Result<(), FoldFault> {
        let id = from_wire_id(reply.intent_id.as_ref());
        let intent = self
            .pending
            .take()
            .filter(|intent| from_wire_id(intent.intent_id.as_ref()) == id)
            .ok_or(FoldFault::ReplyWithoutIntent { seq })?;
        *self.decisions.entry(reply.reason).or_insert(0) += 1;
        let accepted = reply.decision() == Decision::Accepted;
        let opens = accepted && intent.kind() == IntentKind::New;
        let outcome = Outcome {
            content: Content::of(&intent),
            accepted,
            reason: reply.reason(),
            has_order: opens,
            reference_px_ticks: reply.reference_px_ticks,
            reference_ts_ns: reply.reference_ts_ns,
            accepted_qty_lots: reply.accepted_qty_lots,
            state: OrderState::Unspecified,
            cum_lots: 0,
            ts_ns,
        };
        let stays = opens && !planted(Bug::DedupEvictsInFlight);
        if !stays {
            self.outcomes.insert(id, outcome);
        }
        if opens {
            self.open(seq, id, &intent, reply, table, stays.then_some(outcome))?;
        }
        if accepted {
            let mut message = Message {
                ts_ns,
                account: AccountId(intent.account_id),
                instrument: InstrumentId(intent.instrument_id),
                terms: opens.then(|| Terms::of(&intent)),
            };
            if intent.kind() == IntentKind::Cancel {
                let target = from_wire_id(intent.target_intent_id.as_ref());
                if let Some(order) = self.orders.get_mut(&target) {
                    order.cancel_wanted = true;
                    (message.account, message.instrument) = (order.key.account, order.key.instrument);
                }
            }
            self.messages.or_insert_with(id.strategy(), Messages::default).push(message);
            self.risk.count_of_day(id.strategy()).0 += 1;
        } else if of_its_own_making(reply.reason()) {
            push_window(self.risk.refusals.entry(id.strategy()).or_default(), ts_ns);
        }
        Ok(())
    }

    fn open(
        &mut self,
        seq: u64,
        id: IntentId,
        intent: &Intent,
        reply: &IntentReply,
        table: &Table,
        outcome: Option<Outcome>,
    ) -> Result<(), FoldFault> {
        let unknown = FoldFault::UnknownInstrument { seq, instrument_id: intent.instrument_id };
        let row = table.get(InstrumentId(intent.instrument_id)).ok_or_else(|| unknown.clone())?;
        let side = from_wire_side(intent.side).ok_or(unknown)?;
        let key = BookKey {
            account: AccountId(intent.account_id),
            strategy: id.strategy(),
            instrument: row.instrument_id(),
        };
        self.mark(key.instrument, reply.reference_px_ticks);
        let is_market = intent.order_type() == OrderType::Market;
        let order = Order {
            id,
            client_order_id: reply.client_order_id.clone(),
            key,
            venue_id: row.venue_id,
            side,
            px_ticks: if is_market { 0 } else { intent.px_ticks },
            is_market,
            qty_lots: lots(reply.accepted_qty_lots),
            cum_lots: 0,
            venue_cum_lots: 0,
            state: OrderState::PendingNew,
            reason: Reason::Ok,
            generation: 0,
            acked: false,
            acked_seq: 0,
            sent: false,
            cancel_wanted: false,
            new_command_seq: 0,
            cancel_command_seq: 0,
            command_epoch: self.epoch,
            ts_venue_ns: 0,
        };
        self.by_client_order_id.opened(id);
        self.open_orders += 1;
        self.reserve(key, side, i128::from(order.reserved_lots()));
        self.owed.push_back(Payload::OrderUpdate(order.update(false)));
        self.index.opened(&order);
        self.orders.insert(order, outcome);
        Ok(())
    }

    fn reserve(&mut self, key: BookKey, side: Side, lots: i128) {
        let book = self.books.entry(key).or_default();
        match side {
            Side::Buy => book.buy_lots += lots,
            Side::Sell => book.sell_lots += lots,
        }
        self.index.booked(key, book.lots());
    }

    fn mark(&mut self, instrument: InstrumentId, px_ticks: i64) {
        // Most orders find the mark as it is.
        if self.index.marked(instrument, px_ticks) {
            self.marks.insert(instrument, px_ticks);
        }
    }

    fn fold_command(&mut self, command: &Command) {
        // A command taken over from an earlier leader may have a lower number.
        self.command_seq = self.command_seq.max(command.command_seq);
        if command.kind() == CommandKind::Grant {
            self.epoch_asked = self.epoch_asked.max(command.gateway_epoch);
            return;
        }
        let id = from_wire_id(command.intent_id.as_ref());
        let epoch = command.gateway_epoch;
        let (seq, kind) = (command.command_seq, command.kind());
        self.change(id, |order| {
            order.command_epoch = epoch;
            match kind {
                CommandKind::New => order.new_command_seq = seq,
                CommandKind::Cancel => {
                    order.cancel_wanted = true;
                    order.cancel_command_seq = seq;
                    // An order of unknown outcome stays so: wanting it gone is no news of it.
                    if !order.unknown() {
                        order.state = OrderState::PendingCancel;
                    }
                }
                // Asked about because its command may never have arrived: until the answer, its outcome is unknown.
                CommandKind::Query if planted(Bug::ReleaseAfterTimeout) && order.unknown() => {
                    order.state = OrderState::Rejected;
                    order.reason = Reason::OutcomeUnknown;
                }
                CommandKind::Query if !order.acked && !order.unknown() => {
                    order.state = OrderState::Unknown;
                    order.reason = Reason::OutcomeUnknown;
                }
                _ => {}
            }
        });
    }

    /// Changes one order, keeps the sums right, and owes an update where a strategy would see a difference.
    fn change(&mut self, id: IntentId, with: impl FnOnce(&mut Order)) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        let (before, was_reserved, was_terminal) = (order.seen(), order.reserved_lots(), order.terminal());
        let was_unknown = order.unknown();
        with(order);
        self.index.moved(order, was_terminal, was_unknown);
        let (reserved, terminal) = (order.reserved_lots(), order.terminal());
        let (key, side) = (order.key, order.side);
        if before != order.seen() {
            self.owed.push_back(Payload::OrderUpdate(order.update(false)));
        }
        if reserved != was_reserved {
            self.reserve(key, side, i128::from(reserved) - i128::from(was_reserved));
        }
        if terminal && !was_terminal {
            self.open_orders -= 1;
        }
        if terminal && reserved == 0 {
            self.retire(id);
        }
    }

    /// Forgets a terminal order with nothing reserved but for its outcome.
    fn retire(&mut self, id: IntentId) {
        let Some((order, outcome)) = self.orders.remove(&id) else { return };
        self.index.retired(&order);
        self.by_client_order_id.retired(&order);
        if let Some(outcome) = outcome {
            self.outcomes.insert(id, Outcome { state: order.state, cum_lots: order.cum_lots, ..outcome });
        }
    }

    fn freeze(&mut self, instrument: InstrumentId, why: &str, ts_ns: i64) {
        self.frozen.insert(instrument);
        self.set_detail(&format!("instrument {instrument} frozen: {why}"));
        self.owed.push_back(Payload::PolicyState(self.policy_state(ts_ns)));
    }

    fn set_detail(&mut self, text: &str) {
        let mut end = text.len().min(DETAIL_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.policy_detail = text[..end].to_string();
    }

    fn fold_report(&mut self, report: &Report, ts_ns: i64, table: &Table) {
        if report.report_seq == self.report_seq + 1 {
            self.report_seq = report.report_seq;
        }
        self.look_up(report);
        match report.kind() {
            ReportKind::Granted => {
                self.epoch = self.epoch.max(report.gateway_epoch);
                self.epoch_asked = self.epoch_asked.max(report.gateway_epoch);
                self.owed.push_back(Payload::PolicyState(self.policy_state(ts_ns)));
            }
            ReportKind::VenueUp => {
                self.venues_down.remove(&report.venue_id);
            }
            ReportKind::VenueDown => {
                self.venues_down.insert(report.venue_id);
            }
            ReportKind::Fill => self.fold_fill(report, ts_ns, table),
            ReportKind::Bust => self.fold_bust(report, ts_ns, table),
            _ => self.fold_order_report(report, ts_ns),
        }
    }

    /// Makes the orders known by client order id, where a report names no intent.
    pub(crate) fn look_up(&mut self, report: &Report) {
        if from_wire_id(report.intent_id.as_ref()).0 == 0 {
            self.by_client_order_id.catch_up(&self.orders);
        }
    }

    /// The live order a report is about: by intent where it names one, else by client order id, after [`State::look_up`].
    pub(crate) fn order_of(&self, report: &Report) -> Option<&Order> {
        let id = from_wire_id(report.intent_id.as_ref());
        let id = if id.0 == 0 { self.by_client_order_id.get(&report.client_order_id)? } else { id };
        self.orders.get(&id).filter(|o| o.generation == report.generation)
    }

    fn fold_order_report(&mut self, report: &Report, ts_ns: i64) {
        let Some(order) = self.order_of(report) else {
            self.fold_report_of_settled(report, ts_ns);
            return;
        };
        let (id, instrument) = (order.id, order.key.instrument);
        let evidence = Evidence::of(report, order.answers(report.command_seq));
        let held = matches!(report.kind(), ReportKind::Ack | ReportKind::Status | ReportKind::CancelReject);
        // The venue held it, or bytes of it filled: no proof that it was never sent can be true.
        let disproved =
            (order.acked || order.cum_lots > 0) && matches!(evidence, Some(Evidence::NeverSent(_)));
        if disproved || (order.terminal() && held && report.kind() != ReportKind::CancelReject) {
            self.contradictions += 1;
            self.freeze(instrument, "the venue contradicts itself", ts_ns);
            return;
        }
        let cum = lots(report.cum_qty_lots);
        let seq = report.report_seq;
        self.change(id, |order| {
            order.ts_venue_ns = order.ts_venue_ns.max(report.ts_venue_ns);
            order.venue_cum_lots = order.venue_cum_lots.max(cum);
            if order.terminal() {
                return;
            }
            match report.kind() {
                ReportKind::Ack | ReportKind::Status => {
                    if !std::mem::replace(&mut order.acked, true) {
                        order.acked_seq = seq;
                    }
                    order.reason = Reason::Ok;
                    order.state = order.live_state();
                }
                ReportKind::Sent => order.sent = true,
                // A refused cancel proves nothing about the order.
                ReportKind::CancelReject => order.state = OrderState::UnknownCancel,
                ReportKind::Unknown if planted(Bug::UnknownIsRejected) && !order.acked => {
                    order.state = OrderState::Rejected;
                    order.reason = Reason::VenueReject;
                }
                ReportKind::Unknown => {
                    order.state = if order.acked { OrderState::UnknownCancel } else { OrderState::Unknown };
                    order.reason = Reason::OutcomeUnknown;
                }
                kind => {
                    let Some(evidence) = evidence else { return };
                    if matches!(evidence, Evidence::NeverSent(_))
                        && !evidence.proves_never_sent(order.generation)
                    {
                        return;
                    }
                    let state = match kind {
                        ReportKind::Cancelled => OrderState::Cancelled,
                        ReportKind::Expired => OrderState::Expired,
                        ReportKind::Dead => OrderState::Dead,
                        _ => OrderState::Rejected,
                    };
                    let reason = match (report.reason(), kind) {
                        (Reason::Unspecified | Reason::Ok, ReportKind::NeverSent) => Reason::NeverSent,
                        (Reason::Unspecified | Reason::Ok, ReportKind::Fenced) => Reason::Fenced,
                        (Reason::Unspecified | Reason::Ok, ReportKind::Reject) => Reason::VenueReject,
                        (Reason::Unspecified | Reason::Ok, ReportKind::Dead) => Reason::VenueNotFound,
                        (Reason::Unspecified | Reason::Ok, _) => Reason::Ok,
                        (reason, _) => reason,
                    };
                    order.close(evidence, state, reason);
                }
            }
        });
    }

    /// News of an order that is settled here or was never ours. A live order nobody reserved for is a break.
    fn fold_report_of_settled(&mut self, report: &Report, ts_ns: i64) {
        let claims_life = matches!(report.kind(), ReportKind::Ack | ReportKind::Status);
        let settled = self.outcome(from_wire_id(report.intent_id.as_ref()));
        // An order that ended as the venue told, and is told of again, is no news.
        let ended_at_venue = settled.is_some_and(|o| {
            matches!(o.state, OrderState::Filled | OrderState::Cancelled | OrderState::Expired)
        });
        if claims_life && !ended_at_venue {
            self.contradictions += 1;
            self.freeze(
                InstrumentId(report.instrument_id),
                "an order lives that nothing is reserved for",
                ts_ns,
            );
        }
    }

    fn fold_fill(&mut self, report: &Report, ts_ns: i64, table: &Table) {
        let instrument = InstrumentId(report.instrument_id);
        let key = if planted(Bug::FillByOrderOnly) {
            (report.venue_id, report.instrument_id, report.client_order_id.clone())
        } else {
            (report.venue_id, report.instrument_id, report.exec_id.clone())
        };
        let order = self.order_of(report);
        let dropped = (planted(Bug::FillBeforeAckIgnored) && order.is_some_and(|o| !o.acked))
            || (planted(Bug::FillAfterEndIgnored) && order.is_none_or(Order::terminal))
            || (planted(Bug::OverfillDropped)
                && order.is_some_and(|o| o.cum_lots + lots(report.last_qty_lots) > o.qty_lots));
        if dropped {
            return;
        }
        let side = order.map(|o| o.side).or_else(|| from_wire_side(report.side));
        let (px, qty) = (report.last_px_ticks, lots(report.last_qty_lots));
        let row = table.get(instrument).filter(|row| row.venue_id == report.venue_id);
        let sound = (1..=SAFE_INTEGER).contains(&qty)
            && (-SAFE_INTEGER..=SAFE_INTEGER).contains(&px)
            && (1..=EXEC_ID_BYTES_MAX).contains(&report.exec_id.len())
            && report.fee_asset.len() <= ASSET_BYTES_MAX
            && order.is_none_or(|o| o.key.instrument == instrument);
        let (Some(row), Some(side), true) = (row, side, sound) else {
            self.fills_unbooked += 1;
            self.freeze(instrument, "a fill that cannot be booked", ts_ns);
            return;
        };
        if self.fill_keys.contains(&key) {
            self.fills_repeated += 1;
            return;
        }
        let told = from_wire_id(report.intent_id.as_ref());
        let (id, book_key, late) = match order {
            // Within what the venue had told before the end, the fill was waited for.
            Some(o) => (o.id, o.key, o.terminal() && o.cum_lots.saturating_add(qty) > o.venue_cum_lots),
            None => {
                let account = AccountId(1);
                let told = if told.0 == 0 { IntentId::new(EXTERNAL, 0, 0) } else { told };
                // The outcome may be all that is kept of our order; what never was ours is external.
                let strategy = if self.outcome(told).is_some() { told.strategy() } else { EXTERNAL };
                (told, BookKey { account, strategy, instrument }, true)
            }
        };
        let position = self.books.get(&book_key).copied().unwrap_or_default().position;
        let cost = cost_e8(row, px, i128::from(qty));
        let booked = cost.and_then(|cost| position.after_cost(side, qty, cost));
        let posted = booked.is_some()
            && self.ledger.post_fill(book_key.account, row, side, px, qty, report.fee_e8, &report.fee_asset);
        let (Some(position), true) = (booked, posted) else {
            self.fills_unbooked += 1;
            self.freeze(instrument, "a fill beyond 128 bits", ts_ns);
            return;
        };
        let fee_e8 = fee_in_settle_asset(row, report, px);
        let book = self.books.entry(book_key).or_default();
        book.position = position;
        book.fees_e8 = book.fees_e8.saturating_add(fee_e8);
        self.index.booked(book_key, book.lots());
        self.remember_fill(key);
        self.fills += 1;
        self.count_fill(book_key, row, side, px, qty, ts_ns);
        self.owed.push_back(Payload::Fill(Fill {
            intent_id: Some(wire_id(id)),
            client_order_id: report.client_order_id.clone(),
            instrument_id: instrument.0,
            venue_id: report.venue_id,
            side: wire_side(side),
            px_ticks: px,
            qty_lots: report.last_qty_lots,
            exec_id: report.exec_id.clone(),
            fee_e8: report.fee_e8,
            fee_asset: report.fee_asset.clone(),
            maker: report.maker,
            ts_venue_ns: report.ts_venue_ns,
            position_lots: clamp(position.lots),
        }));
        self.owed.push_back(Payload::PositionUpdate(position_update(book_key, &position, false)));
        let mut overfilled = false;
        let told_cum = lots(report.cum_qty_lots);
        let seq = report.report_seq;
        self.change(id, |order| {
            if !std::mem::replace(&mut order.acked, true) {
                order.acked_seq = seq;
            }
            order.ts_venue_ns = order.ts_venue_ns.max(report.ts_venue_ns);
            order.cum_lots = order.cum_lots.saturating_add(qty);
            order.venue_cum_lots = order.venue_cum_lots.max(order.cum_lots).max(told_cum);
            overfilled = order.cum_lots > order.qty_lots;
            if order.terminal() {
                return;
            }
            order.reason = Reason::Ok;
            order.state =
                if order.cum_lots >= order.qty_lots { OrderState::Filled } else { order.live_state() };
        });
        if overfilled && !planted(Bug::OverfillNotLatched) {
            self.freeze(instrument, "a fill beyond its order", ts_ns);
        } else if late {
            self.freeze(instrument, "a fill nothing was reserved for", ts_ns);
        }
    }

    /// An execution that the venue undid: a compensating entry in the same book, and the symbol waits for a person.
    fn fold_bust(&mut self, report: &Report, ts_ns: i64, table: &Table) {
        if planted(Bug::BustIgnored) {
            return;
        }
        let instrument = InstrumentId(report.instrument_id);
        let key = (report.venue_id, report.instrument_id, report.exec_id.clone());
        let (px, qty) = (report.last_px_ticks, lots(report.last_qty_lots));
        let side = from_wire_side(report.side).map(Side::opposite);
        let row = table.get(instrument).filter(|row| row.venue_id == report.venue_id);
        let sound = (1..=SAFE_INTEGER).contains(&qty)
            && (-SAFE_INTEGER..=SAFE_INTEGER).contains(&px)
            && (1..=EXEC_ID_BYTES_MAX).contains(&report.exec_id.len())
            && report.fee_asset.len() <= ASSET_BYTES_MAX;
        let (Some(row), Some(side), true) = (row, side, sound) else {
            self.fills_unbooked += 1;
            self.freeze(instrument, "an undone fill that cannot be booked", ts_ns);
            return;
        };
        if self.fill_keys.contains(&key) {
            self.fills_repeated += 1;
            return;
        }
        let id = from_wire_id(report.intent_id.as_ref());
        // The router speaks only of orders it was told to send, so that the id holds even where its outcome is forgotten.
        let strategy = if id.0 == 0 { EXTERNAL } else { id.strategy() };
        let account = self.orders.get(&id).map_or(AccountId(1), |o| o.key.account);
        let book_key = BookKey { account, strategy, instrument };
        let position = self.books.get(&book_key).copied().unwrap_or_default().position;
        let booked = position.after_fill(side, px, qty, row.e8_per_tick_lot);
        let fee_e8 = report.fee_e8.saturating_neg();
        let posted =
            booked.is_some() && self.ledger.post_fill(account, row, side, px, qty, fee_e8, &report.fee_asset);
        let (Some(position), true) = (booked, posted) else {
            self.fills_unbooked += 1;
            self.freeze(instrument, "an undone fill beyond 128 bits", ts_ns);
            return;
        };
        let book = self.books.entry(book_key).or_default();
        book.position = position;
        self.index.booked(book_key, book.lots());
        self.remember_fill(key);
        self.fills += 1;
        self.owed.push_back(Payload::Fill(Fill {
            intent_id: Some(wire_id(id)),
            client_order_id: report.client_order_id.clone(),
            instrument_id: instrument.0,
            venue_id: report.venue_id,
            side: wire_side(side),
            px_ticks: px,
            qty_lots: report.last_qty_lots,
            exec_id: report.exec_id.clone(),
            fee_e8,
            fee_asset: report.fee_asset.clone(),
            maker: report.maker,
            ts_venue_ns: report.ts_venue_ns,
            position_lots: clamp(position.lots),
        }));
        self.owed.push_back(Payload::PositionUpdate(position_update(book_key, &position, false)));
        self.freeze(instrument, "the venue undid a fill", ts_ns);
    }

    /// What controls count of a fill: executions, trades of the day, the drift of the price, and what the account has left.
    fn count_fill(&mut self, key: BookKey, row: &Instrument, side: Side, px: i64, qty: i64, ts_ns: i64) {
        if key.strategy != EXTERNAL {
            push_window(self.risk.executions.entry(key.strategy).or_default(), ts_ns);
            self.risk.count_of_day(key.strategy).1 += 1;
            let mark_px_ticks = self.marks.get(&key.instrument).copied().unwrap_or(px);
            let fill = OwnFill { ts_ns, signed_lots: side.sign() * qty, mark_px_ticks };
            push_window(self.risk.own_fills.entry(key.instrument).or_default(), fill);
        }
        // What a fill brings is not counted until the venue says so; what it takes is, at once.
        let (asset, taken) = match (row.kind, side) {
            (Kind::Spot | Kind::Equity, Side::Sell) => {
                (&row.base, i128::from(qty) * i128::from(row.base_e8_per_lot()))
            }
            _ => (&row.quote, cost_e8(row, px, i128::from(qty)).unwrap_or(0).abs()),
        };
        let balance = self.risk.balances.get_mut(&(key.account, row.venue(), asset.clone()));
        if let Some(balance) = balance {
            balance.spent_e8 = balance.spent_e8.saturating_add(taken);
        }
    }

    fn fold_risk(&mut self, event: &RiskEvent, ts_ns: i64, table: &Table) {
        let before = (self.policy(), self.risk.storm_worst());
        match event.kind() {
            RiskEventKind::Marks => {
                for (id, px) in event.instrument_ids.iter().zip(&event.px_ticks) {
                    self.mark(InstrumentId(u32::try_from(*id).unwrap_or(0)), *px);
                }
            }
            RiskEventKind::Posting => self.fold_posting(event, ts_ns, table),
            _ => self.risk.fold(event),
        }
        let quarantines = event.latch() == Latch::Quarantine;
        if event.kind() == RiskEventKind::Latch && (quarantines || event.source_seq != 0) {
            match Scope::of(event) {
                Some(Scope::Strategy(id)) => self.want_cancelled(|o| o.key.strategy == id),
                Some(Scope::Account(id)) => self.want_cancelled(|o| o.key.account == id),
                Some(Scope::Firm) => self.want_cancelled(|_| true),
                _ => {}
            }
        }
        let scope = Scope::of(event);
        let tells =
            matches!(event.kind(), RiskEventKind::Latch | RiskEventKind::Release | RiskEventKind::Storm);
        if before != (self.policy(), self.risk.storm_worst())
            && tells
            && let Some(scope) = scope
        {
            let what = match event.kind() {
                RiskEventKind::Storm => {
                    format!("{} to {}", event.storm_from().as_str_name(), event.storm_to().as_str_name())
                }
                _ => format!("{} {}", event.latch().as_str_name(), event.cause().as_str_name()),
            };
            self.set_detail(&format!("{scope}: {what} {}", event.reference));
            self.owed.push_back(Payload::PolicyState(self.policy_state(ts_ns)));
        }
    }

    /// Books money that no fill brings; one with a reference books once.
    fn fold_posting(&mut self, event: &RiskEvent, ts_ns: i64, table: &Table) {
        if !self.risk.is_new_posting(event) {
            return;
        }
        let (account, venue) = (AccountId(event.account_id), VenueId(event.venue_id));
        let row = table.get(InstrumentId(event.instrument_id));
        let contra = match event.posting() {
            PostingKind::Settlement => {
                if let Some(row) = row {
                    self.settle_contract(account, StrategyId(event.strategy_id), row, event.bound, ts_ns);
                }
                return;
            }
            PostingKind::Funding => Contra::Funding,
            PostingKind::Interest => Contra::Interest,
            PostingKind::Dividend => Contra::Dividends,
            PostingKind::Tax => Contra::Taxes,
            PostingKind::Fee => Contra::Fees,
            PostingKind::Transfer | PostingKind::Unspecified => Contra::Transfers,
        };
        let amount = i128::from(event.value);
        if !self.ledger.post(account, venue, &event.asset, amount, contra) {
            self.fills_unbooked += 1;
            self.freeze(InstrumentId(event.instrument_id), "a posting beyond 128 bits", ts_ns);
            return;
        }
        if let Some(row) = row.filter(|row| settle_asset(row) == event.asset && event.strategy_id != 0) {
            let key =
                BookKey { account, strategy: StrategyId(event.strategy_id), instrument: row.instrument_id() };
            let book = self.books.entry(key).or_default();
            book.posted_e8 = book.posted_e8.saturating_add(amount);
            self.index.booked(key, book.lots());
        }
    }

    /// Moves the open cost of a contract to its settlement price and realises the difference; of one strategy, or of all.
    fn settle_contract(
        &mut self,
        account: AccountId,
        strategy: StrategyId,
        row: &Instrument,
        px: i64,
        ts_ns: i64,
    ) {
        let instrument = row.instrument_id();
        let keys: Vec<BookKey> = self
            .books_in_order()
            .into_iter()
            .map(|(key, _)| *key)
            .filter(|k| k.account == account && k.instrument == instrument)
            .filter(|k| strategy.0 == 0 || k.strategy == strategy)
            .collect();
        for key in keys {
            let Some(book) = self.books.get_mut(&key) else { continue };
            let settled = cost_e8(row, px, book.position.lots).and_then(|cost| book.position.settled(cost));
            let Some(position) = settled else {
                self.fills_unbooked += 1;
                self.freeze(instrument, "a settlement beyond 128 bits", ts_ns);
                return;
            };
            book.position = position;
            self.index.booked(key, book.lots());
            self.owed.push_back(Payload::PositionUpdate(position_update(key, &position, false)));
        }
    }

    fn want_cancelled(&mut self, which: impl Fn(&Order) -> bool) {
        for order in self.orders.values_mut().filter(|o| !o.terminal() && which(o)) {
            order.cancel_wanted = true;
        }
    }

    fn remember_fill(&mut self, key: FillKey) {
        self.fill_order.push_back(key.clone());
        self.fill_keys.insert(key);
        while self.fill_order.len() > self.bounds.fill_keys_max {
            if let Some(oldest) = self.fill_order.pop_front() {
                self.fill_keys.remove(&oldest);
            }
        }
    }

    fn fold_control(&mut self, event: &ControlEvent, ts_ns: i64) {
        let before = (self.policy(), self.frozen.len());
        let mut cancel_all = false;
        match event.action() {
            ControlAction::Halt => self.halted = true,
            ControlAction::Resume => {
                self.halted = false;
                self.draining = false;
                self.frozen.clear();
                self.risk.latches.remove(&(Scope::Firm, Latch::Halt as i32));
            }
            ControlAction::Kill => {
                self.killed = true;
                self.unkill_asked_by.clear();
                cancel_all = true;
            }
            // Two different principals: the first asks, the second does.
            ControlAction::Unkill if self.killed => {
                if self.unkill_asked_by.is_empty() || self.unkill_asked_by == event.principal {
                    self.unkill_asked_by.clone_from(&event.principal);
                } else {
                    self.killed = false;
                    self.unkill_asked_by.clear();
                }
            }
            ControlAction::CancelAll => cancel_all = true,
            ControlAction::Drain => {
                self.draining = true;
                cancel_all = true;
            }
            ControlAction::Quarantine => {
                let cause = Reason::StrategyQuarantined as i32;
                let latch = (Scope::Strategy(StrategyId(event.strategy_id)), Latch::Quarantine as i32);
                self.risk.latches.entry(latch).or_default().insert(cause);
                self.want_cancelled(|o| o.key.strategy.0 == event.strategy_id);
            }
            ControlAction::Rearm => self.risk.rearm(StrategyId(event.strategy_id)),
            ControlAction::Freeze => {
                self.frozen.insert(InstrumentId(event.instrument_id));
            }
            ControlAction::Thaw => {
                self.frozen.remove(&InstrumentId(event.instrument_id));
            }
            ControlAction::Restrict => {
                self.risk.restricted.insert(InstrumentId(event.instrument_id));
            }
            ControlAction::Allow => {
                self.risk.restricted.remove(&InstrumentId(event.instrument_id));
            }
            ControlAction::Override => {
                let reason = i32::try_from(event.overridden).unwrap_or(0);
                self.risk.override_block(StrategyId(event.strategy_id), reason, event.expires_ts_ns, ts_ns);
            }
            // The limits themselves are the gateway's own, here is only their version.
            ControlAction::Limits => self.risk.limits_version = event.limits_version,
            ControlAction::Unkill | ControlAction::Unspecified => {}
        }
        if cancel_all {
            self.want_cancelled(|_| true);
        }
        if before != (self.policy(), self.frozen.len()) {
            let name = event.action().as_str_name();
            let act = name.strip_prefix("CONTROL_ACTION_").unwrap_or(name);
            let why = if event.reason.is_empty() { String::new() } else { format!(": {}", event.reason) };
            self.set_detail(&format!("{act} by {}{why}", event.principal));
            self.owed.push_back(Payload::PolicyState(self.policy_state(ts_ns)));
        }
    }

    /// The sums of a book computed anew from the orders; what tests hold the running sums to.
    pub fn leaves_from_orders(&self, key: BookKey, side: Side) -> i128 {
        let of = |o: &&Order| o.key == key && o.side == side;
        self.orders.values().filter(of).map(|o| i128::from(o.reserved_lots())).sum()
    }
}

/// Whether a refusal says that the strategy asked for what it should not have, and counts towards its breaker. A state of
/// the gateway, of a venue or of the market does not.
pub const fn of_its_own_making(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::UnknownInstrument
            | Reason::PriceOffTick
            | Reason::QtyOffLot
            | Reason::PriceZeroOrNeg
            | Reason::QtyZeroOrNeg
            | Reason::UnauthorisedPrincipal
            | Reason::PriceExceedsCap
            | Reason::PriceOutsideCollar
            | Reason::MaxQtyExceeded
            | Reason::MaxNotionalExceeded
            | Reason::PositionLimitExceeded
            | Reason::MessageRate
            | Reason::OpenOrdersExceeded
            | Reason::SelfMatch
            | Reason::Overflow
            | Reason::DuplicateEconomics
            | Reason::Restricted
            | Reason::SlippageGuard
            | Reason::OpenPositionsExceeded
            | Reason::OrderToTrade
            | Reason::PriceDrift
    )
}

/// A fill's fee in 1e-8 of the settlement asset: as it is, or of the base asset at the fill's price, rounded up.
fn fee_in_settle_asset(row: &Instrument, report: &Report, px_ticks: i64) -> i128 {
    let fee = i128::from(report.fee_e8);
    if report.fee_asset == settle_asset(row) {
        return fee;
    }
    let scale = 10_i128.checked_pow(row.px_scale).unwrap_or(i128::MAX);
    if report.fee_asset == row.base && row.kind != Kind::InversePerp {
        let worth =
            fee.checked_mul(i128::from(px_ticks)).and_then(|v| v.checked_mul(i128::from(row.px_unit)));
        return worth.and_then(|worth| crate::contract::div_away(worth, scale)).unwrap_or(0);
    }
    0
}

pub(crate) fn position_update(key: BookKey, position: &Position, snapshot: bool) -> PositionUpdate {
    PositionUpdate {
        account_id: key.account.0,
        strategy_id: key.strategy.0,
        instrument_id: key.instrument.0,
        position_lots: clamp(position.lots),
        open_cost_e8: clamp(position.open_cost_e8),
        realised_e8: clamp(position.realised_e8),
        snapshot,
    }
}

/// The message holds 64 bits; the state is exact beyond them.
fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
