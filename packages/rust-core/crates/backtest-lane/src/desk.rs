//! The gateway and the router between a strategy and the recorded venue: the cores that run live, under the run's time.
//!
//! Nothing is decided in here. An intent goes to the gateway's core, its command to the router's, the router's request to the venue of
//! the run; what the venue answers comes back the same way, and what the gateway then says is what the strategy is told. Neither core
//! takes time.

use crate::any::{Book, Queue};
use crate::config::LimitsConfig;
use crate::limits::{CREDITS, TURNS_MAX};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_backtest::account::Fill as Filled;
use tidegate_backtest::{Engine, NewOrder, OrderFault, Received, State, Tif};
use tidegate_engine::gateway::{ALIVE_NS, Health, reference};
use tidegate_engine::strategy::layout as at;
use tidegate_engine::strategy::translate::{IntentContext, Row, event_row, intent};
use tidegate_instruments::{Instrument, Kind, Table};
use tidegate_risk::{Destination, Effects, Event, Gateway, Limits, Now, Scope, Trace};
use tidegate_router::{
    Answer, ClientId, Effect, Entry, Event as Input, Exec, ExecKind, Fill, Request, Router, Status,
    VenueConfig, VenueState, What,
};
use tidegate_units::{InstrumentId, IntentId, Side, StrategyId, VenueId};
use tidegate_wire::pb::common::v1::{Side as PbSide, Source};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::marketdata::v1::BookTop;
use tidegate_wire::pb::orders::v1::{Command, Decision, OrderType, Reason, Report, Tif as PbTif};
use tidegate_wire::validate;

pub(crate) type Run = Engine<'static, Book, Queue>;

/// Which process of the cluster the gateway is: there is one.
const HOLDER: u64 = 1;
/// The router's own budget of the venue's rates binds nothing here: what a venue allows is not recorded.
const ORDERS_PER_10S: usize = 1 << 20;

/// An order at the venue, and the requests about it that are not answered.
#[derive(Debug)]
struct Sent {
    id: ClientId,
    asset: usize,
    side: Side,
    cum_lots: u64,
    place: Option<u64>,
    cancel: Option<u64>,
    /// The cancel leaves when the venue has answered for the order.
    deferred: bool,
}

/// Both cores, and what is between them.
#[derive(Debug)]
pub(crate) struct Desk {
    gateway: Gateway,
    router: Router,
    rows: Vec<Instrument>,
    strategy: StrategyId,
    limits_hash: blake3::Hash,
    epoch: u32,
    start_ns: i64,
    health: Health,
    ticked_ns: u64,
    confirmed_ns: u64,
    /// Instruments with a valid book.
    alive: BTreeSet<InstrumentId>,
    orders: BTreeMap<u64, Sent>,
    ids: BTreeMap<ClientId, u64>,
    reports: VecDeque<Report>,
    effects: Effects,
    out: Vec<Effect>,
    /// What the strategy has not been told yet: what one event led to.
    told: VecDeque<Envelope>,
    executions: u64,
    decisions: blake3::Hasher,
    accepted: u64,
    refused: BTreeMap<Reason, u64>,
}

impl Desk {
    /// Both cores before any event, for these instruments.
    ///
    /// # Errors
    /// The limits or the table, by name; a row of the run that is not the table's; a strategy without limits.
    pub fn open(
        config: &LimitsConfig,
        rows: Vec<Instrument>,
        epoch: u32,
        start_ns: i64,
    ) -> Result<Self, String> {
        let table = Table::from_json(config.table.as_bytes()).map_err(|e| format!("limits: {e}"))?;
        if let Some(row) = rows.iter().find(|row| table.get(row.instrument_id()) != Some(*row)) {
            return Err(format!(
                "limits: the instrument table has another row of instrument {}: use the table of the run",
                row.id
            ));
        }
        let limits = Limits::from_json(config.file.as_bytes(), &table).map_err(|e| format!("limits: {e}"))?;
        let strategy = StrategyId(config.strategy_id);
        if !limits.strategies.contains_key(&strategy) {
            return Err(format!(
                "limits: no row of strategy {strategy}: add one, or name a strategy that has one"
            ));
        }
        let venues: BTreeSet<VenueId> = rows.iter().map(Instrument::venue).collect();
        let venues: Vec<VenueConfig> =
            venues.into_iter().map(|venue| VenueConfig::new(venue, ORDERS_PER_10S)).collect();
        let mut hash = blake3::Hasher::new();
        hash.update(table.hash()).update(config.file.as_bytes());
        for id in [config.strategy_id, config.account_id] {
            hash.update(&id.to_le_bytes());
        }
        Ok(Self {
            router: Router::new(&venues, rows.iter().map(|row| (row.instrument_id(), row.venue())), true),
            gateway: Gateway::new(table, limits, HOLDER),
            rows,
            strategy,
            limits_hash: hash.finalize(),
            epoch,
            start_ns,
            health: Health::default(),
            ticked_ns: 0,
            confirmed_ns: 0,
            alive: BTreeSet::new(),
            orders: BTreeMap::new(),
            ids: BTreeMap::new(),
            reports: VecDeque::new(),
            effects: Effects::new(),
            out: Vec::new(),
            told: VecDeque::new(),
            executions: 0,
            decisions: blake3::Hasher::new(),
            accepted: 0,
            refused: BTreeMap::new(),
        })
    }

    /// The cluster comes up: the venues first, then the gateway asks to lead. The strategy is told the state it then is in.
    pub fn start(&mut self, run: &mut Run, at_ns: i64) -> Result<(), String> {
        self.decide(run, at_ns, Event::Start)?;
        let venues: BTreeSet<VenueId> = self.rows.iter().map(Instrument::venue).collect();
        for venue in venues {
            self.route(run, at_ns, Input::VenueUp { venue });
        }
        self.decide(run, at_ns, Event::RouterCredits(CREDITS))?;
        self.decide(run, at_ns, Event::RouterUp { restarted: true })?;
        if !self.gateway.leads() {
            return Err("the run's gateway does not lead: its router granted nothing".into());
        }
        self.tick(run, at_ns)?;
        let snapshot = self.gateway.snapshot(self.strategy, self.now(at_ns));
        self.told = snapshot.into();
        Ok(())
    }

    fn mono(&self, at_ns: i64) -> u64 {
        // Never 0, which stands for no time.
        u64::try_from(at_ns - self.start_ns).unwrap_or(0) + 1
    }

    fn now(&self, at_ns: i64) -> Now {
        Now { mono_ns: self.mono(at_ns), epoch_ns: at_ns }
    }

    /// What the strategy is told next, as a row; false where nothing is left.
    pub fn tell(&mut self, now_ns: u64, row: &mut Row) -> bool {
        while let Some(envelope) = self.told.pop_front() {
            if event_row(&envelope, now_ns, row) {
                return true;
            }
        }
        false
    }

    /// Whether the strategy has not been told everything.
    pub fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// Every 20 ms, as the gateway's loop does it live: it lives, its monitor lives, and so does the feed while its tape goes on.
    pub fn tick(&mut self, run: &mut Run, at_ns: i64) -> Result<(), String> {
        let mono = self.mono(at_ns);
        if mono.saturating_sub(self.confirmed_ns) >= ALIVE_NS {
            self.confirmed_ns = mono;
            for instrument in self.alive.clone() {
                self.decide(run, at_ns, Event::FeedAlive { instrument })?;
            }
        }
        self.health.tick(self.ticked_ns, mono);
        self.ticked_ns = mono;
        for (input, value) in self.health.readings(mono, 0) {
            self.decide(run, at_ns, Event::Health { scope: Scope::Firm, input, value })?;
        }
        self.decide(run, at_ns, Event::MonitorAlive)?;
        self.decide(run, at_ns, Event::RouterCredits(CREDITS))?;
        self.decide(run, at_ns, Event::Tick)?;
        self.route(run, at_ns, Input::Tick);
        self.turn(run, at_ns)
    }

    /// The strategy is shown a book: so is the gateway, first.
    pub fn top(&mut self, run: &mut Run, at_ns: i64, top: BookTop) -> Result<(), String> {
        let instrument = InstrumentId(top.instrument_id);
        let envelope = Envelope { payload: Some(Payload::BookTop(top)), ..Envelope::default() };
        let Some(event) = reference(instrument, &envelope) else { return Ok(()) };
        if matches!(event, Event::Reference { valid: true, .. }) {
            self.alive.insert(instrument);
        } else {
            self.alive.remove(&instrument);
        }
        self.decide(run, at_ns, event)
    }

    /// No row of an instrument is left: nothing confirms its reference any more.
    pub fn feed_ended(&mut self, instrument: u32) {
        self.alive.remove(&InstrumentId(instrument));
    }

    /// The intent in the view: a `SUBMIT_…` of the layout.
    pub fn submit(&mut self, run: &mut Run, at_ns: i64, view: &[f64]) -> Result<usize, String> {
        let mono = self.mono(at_ns);
        let context = IntentContext {
            strategy: self.strategy,
            session_epoch: self.epoch,
            table_version: self.gateway.table().version(),
            tick_mono_ns: mono,
            now_mono_ns: mono,
        };
        let Some(intent) = intent(view, &context) else { return Ok(at::SUBMIT_MALFORMED) };
        let message = Envelope {
            schema_version: validate::SCHEMA_VERSION,
            source: Source::StrategyRunner.into(),
            ts_event_ns: at_ns,
            ts_recv_ns: at_ns,
            payload: Some(Payload::Intent(intent)),
            ..Envelope::default()
        };
        if validate::envelope(&message).is_err() {
            return Ok(at::SUBMIT_MALFORMED);
        }
        let trace = Trace { ts_event_ns: at_ns, ..Trace::default() };
        if let Some(Payload::Intent(intent)) = message.payload {
            self.decide(run, at_ns, Event::RouterCredits(CREDITS))?;
            self.decide(run, at_ns, Event::Intent { principal: self.strategy, trace, intent })?;
        }
        Ok(at::SUBMIT_OK)
    }

    /// An answer of the venue was received. `fee_e8` is of an execution, in the settlement asset.
    pub fn answer(
        &mut self,
        run: &mut Run,
        at_ns: i64,
        seq: u64,
        received: Received,
        fee_e8: i64,
    ) -> Result<(), String> {
        let Some(order) = self.orders.get_mut(&seq) else { return Ok(()) };
        let (id, asset, venue_order_id) = (order.id, order.asset, seq.to_string());
        let mut inputs = Vec::new();
        // Whatever comes first answers the request for the order.
        if let Some(token) = order.place.take() {
            let answer = match received {
                Received::TurnedAway => Answer::Refused { text: "turned away by the venue".into() },
                _ => Answer::Placed { venue_order_id: venue_order_id.clone(), ts_venue_ns: at_ns },
            };
            inputs.push(Input::Answer { token, answer });
        } else if received == Received::TurnedAway
            && let Some(token) = order.cancel.take()
        {
            inputs.push(Input::Answer {
                token,
                answer: Answer::Refused { text: "turned away by the venue".into() },
            });
        }
        if let Received::Executed(fill) = received {
            order.cum_lots += fill.qty.unsigned_abs();
        }
        let (cum_lots, side) = (order.cum_lots, order.side);
        let Some(row) = self.rows.get(asset) else { return Ok(()) };
        let (venue, instrument) = (row.venue(), row.instrument_id());
        let exec = |kind, ts_venue_ns| Input::Exec {
            venue,
            instrument,
            exec: Exec {
                id: Some(id),
                kind,
                venue_order_id: venue_order_id.clone(),
                side: Some(side),
                cum_lots: Some(cum_lots),
                ts_venue_ns,
                text: String::new(),
            },
        };
        match received {
            Received::Executed(fill) => {
                self.executions += 1;
                let kind = ExecKind::Trade(told_fill(row, &fill, self.executions, fee_e8));
                inputs.push(exec(kind, fill.venue_ns));
            }
            Received::Expired => inputs.push(exec(ExecKind::Expired, at_ns)),
            Received::Cancelled => match order.cancel.take() {
                Some(token) => {
                    let status = status(id, &venue_order_id, VenueState::Cancelled, cum_lots, at_ns);
                    inputs.push(Input::Answer { token, answer: status });
                }
                None => inputs.push(exec(ExecKind::Cancelled, at_ns)),
            },
            // It came too late: the order's end was told before.
            Received::Refused => inputs.extend(order.cancel.take().map(|token| Input::Answer {
                token,
                answer: Answer::Refused { text: "the order is not there".into() },
            })),
            Received::Live { .. } | Received::TurnedAway => {}
        }
        let wanted = matches!(received, Received::Live { .. }) && std::mem::take(&mut order.deferred);
        for input in inputs {
            self.route(run, at_ns, input);
        }
        if wanted && run.cancel_at(asset, seq, at_ns).is_err() {
            self.not_cancelled(run, at_ns, seq);
        }
        if run.order(asset, seq).is_none_or(|order| order.state.ended()) {
            run.clear_ended(asset);
            if self.orders.get(&seq).is_some_and(|order| order.cancel.is_none() || order.deferred) {
                self.orders.remove(&seq);
                self.ids.remove(&id);
            }
        }
        self.turn(run, at_ns)
    }

    /// A cancel for which there was no room: the router tries again.
    fn not_cancelled(&mut self, run: &mut Run, at_ns: i64, seq: u64) {
        if let Some(token) = self.orders.get_mut(&seq).and_then(|order| order.cancel.take()) {
            self.route(run, at_ns, Input::NotWritten { token, reason: Reason::RouterBackpressure });
        }
    }

    fn decide(&mut self, run: &mut Run, at_ns: i64, event: Event) -> Result<(), String> {
        self.gateway.apply(self.now(at_ns), event, &mut self.effects).map_err(|fault| fault.to_string())?;
        self.turn(run, at_ns)
    }

    /// Carries out what the gateway wants and gives it the router's reports, until neither has anything to say.
    fn turn(&mut self, run: &mut Run, at_ns: i64) -> Result<(), String> {
        for _ in 0..TURNS_MAX {
            if self.effects.is_empty() && self.reports.is_empty() {
                return Ok(());
            }
            for effect in std::mem::take(&mut self.effects) {
                match (effect.to, effect.envelope.payload) {
                    (Destination::Router, Some(Payload::Command(command))) => {
                        self.route(run, at_ns, Input::Command(command));
                    }
                    (Destination::Strategy(id), payload) if id == self.strategy => {
                        if let Some(Payload::IntentReply(reply)) = &payload {
                            let seq = IntentId::from_halves(
                                reply.intent_id.map_or(0, |id| id.hi),
                                reply.intent_id.map_or(0, |id| id.lo),
                            );
                            self.decided(
                                seq.seq(),
                                reply.decision(),
                                reply.reason(),
                                reply.accepted_qty_lots,
                            );
                        }
                        self.told.push_back(Envelope { payload, ..effect.envelope });
                    }
                    (Destination::EveryStrategy, payload) => {
                        self.told.push_back(Envelope { payload, ..effect.envelope });
                    }
                    _ => {}
                }
            }
            while let Some(report) = self.reports.pop_front() {
                self.health.report(&report);
                let event = Event::Report { trace: Trace::default(), report };
                self.gateway
                    .apply(self.now(at_ns), event, &mut self.effects)
                    .map_err(|fault| fault.to_string())?;
            }
        }
        Err(format!("gateway and router answer each other without end at {at_ns} ns: {TURNS_MAX} turns"))
    }

    fn decided(&mut self, seq: u64, decision: Decision, reason: Reason, qty_lots: u64) {
        for value in [seq, decision as u64, reason as u64, qty_lots] {
            self.decisions.update(&value.to_le_bytes());
        }
        if decision == Decision::Accepted {
            self.accepted += 1;
        } else {
            *self.refused.entry(reason).or_default() += 1;
        }
    }

    /// Gives the router one event and carries out what it leads to; its reports wait for the gateway's turn.
    fn route(&mut self, run: &mut Run, at_ns: i64, input: Input) {
        let now = tidegate_router::Now { mono_ns: self.mono(at_ns), epoch_ns: at_ns };
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.router.apply(now, input, &mut self.out);
            for effect in std::mem::take(&mut self.out) {
                match effect {
                    Effect::Journal(Entry::Report(report)) => self.reports.push_back(report),
                    Effect::Send(request) => inputs.extend(self.send(run, at_ns, request)),
                    _ => {}
                }
            }
        }
    }

    /// A request to the venue; what the router is told of it at once.
    fn send(&mut self, run: &mut Run, at_ns: i64, Request { token, what, .. }: Request) -> Vec<Input> {
        let written = Input::Written { token, wire_mono_ns: self.mono(at_ns) };
        let not_written = |fault: OrderFault| Input::NotWritten {
            token,
            reason: if fault == OrderFault::TooMany { Reason::RouterBackpressure } else { Reason::Malformed },
        };
        let failed = |text: &str| Input::Answer { token, answer: Answer::Failed { text: text.into() } };
        match what {
            What::Place { command, .. } => match self.place(run, at_ns, token, &command) {
                Ok(()) => vec![written],
                Err(fault) => vec![not_written(fault)],
            },
            What::Cancel { id, .. } => {
                let Some((&seq, order)) =
                    self.ids.get(&id).and_then(|seq| Some((seq, self.orders.get_mut(seq)?)))
                else {
                    return vec![written];
                };
                match run.order(order.asset, seq) {
                    Some(known) if known.state == State::Sent => order.deferred = true,
                    Some(known) if known.may_change() => {
                        if let Err(fault) = run.cancel_at(order.asset, seq, at_ns) {
                            return vec![not_written(fault)];
                        }
                    }
                    // It has ended, or a cancel is on its way.
                    _ => {}
                }
                order.cancel = Some(token);
                vec![written]
            }
            // Of an order that has been answered for, what was heard last.
            What::Status { id, venue_order_id, .. } => {
                let found = self.ids.get(&id).and_then(|seq| Some((*seq, self.orders.get(seq)?)));
                let Some((seq, order)) = found else {
                    return vec![written, failed("the run keeps no orders that have ended")];
                };
                let live = run.order(order.asset, seq).is_some_and(|order| order.state != State::Sent);
                let answer = status(id, &venue_order_id, VenueState::Live, order.cum_lots, at_ns);
                if live { vec![written, Input::Answer { token, answer }] } else { vec![written] }
            }
            What::Amend { .. } | What::Open { .. } | What::Trades { .. } | What::Time => {
                vec![written, failed("a recorded venue answers no such question")]
            }
        }
    }

    fn place(&mut self, run: &mut Run, at_ns: i64, token: u64, command: &Command) -> Result<(), OrderFault> {
        let id = ClientId::parse(&command.client_order_id).ok_or(OrderFault::BadOrder)?;
        let intent = command.intent_id.ok_or(OrderFault::BadOrder)?;
        let seq = IntentId::from_halves(intent.hi, intent.lo).seq();
        let asset = self.rows.iter().position(|row| row.id == command.instrument_id);
        let asset = asset.ok_or(OrderFault::NoSuchAsset)?;
        let side = match command.side() {
            PbSide::Buy => Side::Buy,
            PbSide::Sell => Side::Sell,
            PbSide::Unspecified => return Err(OrderFault::BadOrder),
        };
        let market = command.order_type() == OrderType::Market;
        let tif = match command.tif() {
            PbTif::PostOnly => Tif::PostOnly,
            PbTif::Fok => Tif::Fok,
            PbTif::Ioc => Tif::Ioc,
            // What a market order does not take at once ends.
            _ if market => Tif::Ioc,
            PbTif::Gtc => Tif::Gtc,
            PbTif::Unspecified => return Err(OrderFault::BadOrder),
        };
        let qty = i64::try_from(command.qty_lots).map_err(|_| OrderFault::BadOrder)?;
        let order = NewOrder { id: seq, side, px: (!market).then_some(command.px_ticks), qty, tif };
        run.submit_at(asset, order, at_ns)?;
        let sent = Sent { id, asset, side, cum_lots: 0, place: Some(token), cancel: None, deferred: false };
        self.orders.insert(seq, sent);
        self.ids.insert(id, seq);
        Ok(())
    }

    /// BLAKE3 of the table, the limits and whose they are.
    pub fn limits_hash(&self) -> blake3::Hash {
        self.limits_hash
    }

    /// The hash of the limits and of every decision so far.
    pub fn hash(&self) -> blake3::Hash {
        let mut hash = blake3::Hasher::new();
        hash.update(self.limits_hash.as_bytes()).update(self.decisions.finalize().as_bytes());
        hash.finalize()
    }

    /// Version of the limits, intents accepted, and those refused by reason.
    pub fn counts(&self) -> (u32, u64, impl Iterator<Item = (&'static str, u64)>) {
        let refused = self.refused.iter().map(|(reason, count)| {
            let name = reason.as_str_name();
            (name.strip_prefix("REASON_").unwrap_or(name), *count)
        });
        (self.gateway.limits().version, self.accepted, refused)
    }
}

fn status(id: ClientId, venue_order_id: &str, state: VenueState, cum_lots: u64, ts_venue_ns: i64) -> Answer {
    Answer::Status(Status {
        id: Some(id),
        venue_order_id: venue_order_id.into(),
        state,
        cum_lots,
        terms: None,
        ts_venue_ns,
    })
}

fn told_fill(row: &Instrument, fill: &Filled, number: u64, fee_e8: i64) -> Fill {
    let asset = if row.kind == Kind::InversePerp { &row.base } else { &row.quote };
    Fill {
        exec_id: number.to_string(),
        px_ticks: fill.px,
        qty_lots: fill.qty.unsigned_abs(),
        fee_e8,
        fee_asset: asset.clone(),
        maker: fill.maker,
        ts_venue_ns: fill.venue_ns,
    }
}
