//! The gateway's loop: links in, the core, one journal commit per turn, links out.
//!
//! Nothing leaves before the commit of the turn that decided it, and nothing is acknowledged before its record is safe. While more
//! input waits, the next turn is decided as the last one is being made safe behind it; otherwise the turn waits for its commit.

mod archive;
mod config;
#[cfg(test)]
mod control_tests;
mod explain;
mod health;
mod inputs;
mod kill;
mod lease_file;
mod limits;
mod pair;
#[cfg(test)]
mod pair_tests;
mod replay;
#[cfg(test)]
mod replay_tests;
mod stats;
mod tail;
#[cfg(test)]
mod tests;

use crate::anchor::Anchor;
use crate::latch::Latch;
use crate::latency::Latency;
use crate::span::{Span, SpanBudget};
use crate::tier::TierName;
use crate::{Call, Fault, Handle, Hot, clock, spawn};
use archive::DiskArchive;
use config::{Config, Cpus, Placed};
pub use health::Health;
use inputs::{Header, InputLog};
use kill::{Kill, RouterLatch};
pub use limits::{ALIVE_NS, TICK_NS};
use limits::{
    FAREWELL_NS, HELD_MAX, INPUTS_PER_TURN_MAX, OUTBOX_MAX, RECOVER_CHUNK, SPANS_PER_SECOND_MAX, STATS_NS,
    STRATEGIES_MAX, WAIT_MS_MAX,
};
use pair::Pair;
pub use replay::{intents as intents_given, replay};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tail::Tail;
use tidegate_bus::ends::{
    LinkClient, LinkClientConfig, LinkInput, LinkServer, LinkServerConfig, PeerId, StreamSub, StreamWhat,
};
use tidegate_bus::link::{LinkEvent, LinkState, SendRefusal};
use tidegate_instruments::Table;
use tidegate_journal::{Behind, Journal, JournalConfig, Recovery, cpu};
use tidegate_leadership::{Beat, Held, Release, ReleaseRule};
use tidegate_risk::{Destination, Effect, Effects, Event, Gateway, Limits, Now, Scope, Trace};
use tidegate_units::{InstrumentId, IntentId, StrategyId};
use tidegate_wire::approval::Approver;
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::marketdata::v1::BookState;
use tidegate_wire::pb::orders::v1::{Decision, Reason};
use tidegate_wire::pb::risk::v1::Policy;
use tidegate_wire::topic::{MdKind, md_topic, parse_md_topic};
use tidegate_wire::validate::SCHEMA_VERSION;
use tidegate_wire::{envelope, validate};

/// Name of the journal's stream.
pub const JOURNAL: &str = "gateway.journal";
/// Record kind of a protobuf envelope.
const KIND_ENVELOPE: u8 = 1;

/// Starts the gateway's loop: takes the journal, folds it, binds, and only then has a thread.
///
/// # Errors
/// The configuration, the instrument table or the limits are refused; the journal is another's, damaged or not of this
/// code; a socket is taken.
pub fn start(config: &str) -> Result<Handle, Fault> {
    let (config, table, limits) = Config::load(config)?;
    let ends = Ends::open(&config, table, limits)?;
    spawn("gateway", move |hot| Shell::new(hot, ends)?.run())
}

/// One intent of this turn, for its latency and its span.
#[derive(Debug)]
struct Decided {
    start_mono_ns: u64,
    /// The last record there was then: it is answered once that is safe.
    log_seq: u64,
    trace: Trace,
    span_id: u64,
    instrument: u32,
    reason: Reason,
    accepted: bool,
}

/// What is acknowledged once a record is safe.
#[derive(Debug)]
struct Acks {
    log_seq: u64,
    report: Option<u64>,
    intents: BTreeMap<PeerId, u64>,
}

#[derive(Debug)]
struct Shell {
    hot: Hot,
    tier: &'static str,
    epoch: u32,
    intents: LinkServer,
    command: LinkClient,
    tail: Tail,
    md: StreamSub,
    // Last, so that the sockets close before their context.
    _context: Context,
    journal: Behind,
    core: Gateway,
    pair: Option<Pair>,
    out: Effects,
    /// Intents that are not yet answered, oldest first.
    decided: VecDeque<Decided>,
    /// Committed commands the link has not taken yet, oldest first.
    outbox: VecDeque<Vec<u8>>,
    /// Safe, and not told while another may lead.
    held: Held<Effect>,
    /// Effects whose records are safe here and not yet at the standby.
    waiting: VecDeque<Effect>,
    release: Release,
    /// Whether the tier has effects wait for the standby.
    replicated: bool,
    intent_acks: BTreeMap<PeerId, u64>,
    report_ack: Option<u64>,
    /// Of turns whose records are not yet safe, oldest first; no more than batches of the journal may be under way, and this turn's.
    acks: VecDeque<Acks>,
    /// Turns that were made safe behind the next one.
    turns_behind: u64,
    /// Strategies to be told everything anew.
    tell_all: BTreeSet<PeerId>,
    /// Instruments whose touch stream is whole and alive.
    alive: BTreeSet<InstrumentId>,
    router_known: bool,
    router_restarted: bool,
    wall_ns: i64,
    ticked_ns: u64,
    confirmed_ns: u64,
    told_ns: u64,
    latency: Latency,
    events: u64,
    bad_payloads: u64,
    not_taken: u64,
    md_gaps: u64,
    drained: bool,
    spans: SpanBudget,
    health: Health,
    latch: Latch,
    router_latch: RouterLatch,
    journal_dir: PathBuf,
    explaining: Arc<AtomicBool>,
    /// What the core is given, where it is to be decided once more.
    inputs: Option<InputLog>,
    /// Where loop and writer keep to CPUs of their own.
    placed: Option<Placed>,
}

struct Context(#[allow(dead_code)] zmq::Context);

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

/// A number no other process has, from the system's random source.
fn holder() -> Result<u64, Fault> {
    let mut bytes = [0_u8; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| Fault(format!("cannot read /dev/urandom: {e}")))?;
    Ok(u64::from_le_bytes(bytes).max(1))
}

/// Folds the whole journal into the core.
fn recover(journal: &mut Journal, core: &mut Gateway) -> Result<(), Fault> {
    let last = journal.last_seq();
    while core.state().log_seq() < last {
        let (after, mut fault) = (core.state().log_seq(), None);
        journal.read_from(after, RECOVER_CHUNK, |record| {
            if fault.is_some() {
                return;
            }
            fault = match envelope::decode(record.payload) {
                Ok(record) => core.recover(&record).err().map(|e| e.to_string()),
                Err(refusal) => Some(format!("record {} is no envelope: {refusal}", record.seq)),
            };
        })?;
        if let Some(text) = fault {
            return Err(Fault(format!(
                "cannot recover the gateway: {text}; start the version that wrote the journal, or restore it from a copy"
            )));
        }
        if core.state().log_seq() == after {
            return Err(Fault(format!(
                "cannot recover the gateway: the journal ends at {after}, want {last}"
            )));
        }
    }
    Ok(())
}

/// What the loop has in its hands before it turns.
struct Ends {
    tier: TierName,
    epoch: u32,
    intents: LinkServer,
    command: LinkClient,
    tail: Tail,
    md: StreamSub,
    context: zmq::Context,
    journal: Behind,
    core: Gateway,
    pair: Option<Pair>,
    recovery: Recovery,
    latch: Latch,
    journal_dir: PathBuf,
    inputs: Option<InputLog>,
    placed: Option<Placed>,
}

impl Ends {
    fn open(config: &Config, table: Table, limits: Limits) -> Result<Self, Fault> {
        let tier = config.tier;
        let (mut journal, recovery) =
            Journal::open(&config.journal_dir, JournalConfig::new(JOURNAL, tier.into()))?;
        let topics: Vec<String> = limits
            .instruments
            .keys()
            .filter_map(|id| table.get(*id))
            .flat_map(|row| [MdKind::Top, MdKind::Status].map(|kind| md_topic(row.venue_id, row.id, kind)))
            .collect();
        let holder = holder()?;
        let mut core = Gateway::new(table, limits, holder);
        if let Some(key) = crate::approval_key::read(&config.approval_key_file)? {
            core = core.with_approver(Approver::new(key));
        }
        let archive = DiskArchive::create(&config.journal_dir.with_extension("outcomes"))?;
        core = core.with_archive(Box::new(archive));
        recover(&mut journal, &mut core)?;
        let latch = Latch::open(&config.latch_file, journal.last_seq() == 0, clock::epoch_ns());
        let epoch = crate::epoch::next(&config.epoch_file)?;
        let context = zmq::Context::new();
        let mut intents = LinkServerConfig::new(&config.intent_url, "intent", epoch);
        (intents.identity_prefix, intents.peers_max) = ("strategy:".into(), STRATEGIES_MAX);
        let intents = LinkServer::bind(&context, intents)?;
        let tail = Tail::bind(&context, &config.tail_url, epoch, &config.journal_dir)?;
        let identity = config.pair.as_ref().map_or("gateway".into(), |pair| format!("gateway:{}", pair.node));
        let command = LinkClientConfig::new(&config.command_url, "command", identity, epoch);
        let command = LinkClient::connect(&context, command)?;
        let prefixes: Vec<&str> = topics.iter().map(String::as_str).collect();
        let md = StreamSub::connect(&context, &config.md_url, &prefixes)?;
        let place = (config.journal_dir.clone(), tier.into());
        let pair = config.pair.as_ref().map(|pair| {
            Pair::connect(&context, pair, (holder, epoch), place, core.table(), journal.last_seq())
        });
        let pair = pair.transpose()?;
        let inputs = config.input_log_dir.as_ref().map(|dir| {
            let (log_seq, state_hash) = (core.state().log_seq(), core.state().hash());
            InputLog::create(dir, epoch, &Header { log_seq, holder, state_hash })
        });
        let inputs = inputs.transpose()?;
        let placed = config.cpus.map(Cpus::place).transpose()?;
        let journal = behind(journal, placed.as_ref())?;
        let journal_dir = config.journal_dir.clone();
        Ok(Self {
            tier,
            epoch,
            intents,
            command,
            tail,
            md,
            context,
            journal,
            core,
            pair,
            recovery,
            latch,
            journal_dir,
            inputs,
            placed,
        })
    }
}

impl Shell {
    fn new(hot: Hot, ends: Ends) -> Result<Self, Fault> {
        let Ends {
            tier,
            epoch,
            intents,
            command,
            tail,
            md,
            context,
            journal,
            core,
            pair,
            recovery,
            latch,
            journal_dir,
            inputs,
            placed,
        } = ends;
        let folded = json!({
            "records": core.state().log_seq(), "openOrders": core.state().open_orders(),
            "torn": recovery.torn.is_some(), "clean": recovery.clean,
        });
        hot.log("info", "journal folded", folded);
        // What the limits leave out is not checked: said once, so that nobody takes it for on.
        let unset = core.limits().unset();
        hot.log("info", "controls that the limits leave out", json!({ "controls": unset }));
        Ok(Self {
            hot,
            tier: tier.name(),
            epoch,
            intents,
            command,
            tail,
            md,
            _context: Context(context),
            journal,
            core,
            pair,
            out: Vec::new(),
            decided: VecDeque::new(),
            outbox: VecDeque::new(),
            held: Held::default(),
            waiting: VecDeque::new(),
            release: Release::new(if tier.replicated() {
                ReleaseRule::OwnAndReplica
            } else {
                ReleaseRule::Own
            }),
            replicated: tier.replicated(),
            intent_acks: BTreeMap::new(),
            report_ack: None,
            acks: VecDeque::new(),
            turns_behind: 0,
            tell_all: BTreeSet::new(),
            alive: BTreeSet::new(),
            router_known: false,
            router_restarted: false,
            wall_ns: 0,
            ticked_ns: 0,
            confirmed_ns: 0,
            told_ns: 0,
            latency: Latency::new()?,
            events: 0,
            bad_payloads: 0,
            not_taken: 0,
            md_gaps: 0,
            drained: false,
            spans: SpanBudget::new(SPANS_PER_SECOND_MAX),
            health: Health::default(),
            latch,
            router_latch: RouterLatch::default(),
            journal_dir,
            explaining: Arc::new(AtomicBool::new(false)),
            inputs,
            placed,
        })
    }

    fn run(mut self) -> Result<(), Fault> {
        if let Some(Placed { cpus, .. }) = &self.placed {
            cpu::keep_to(&[cpus.r#loop]).map_err(|e| Fault(format!("loopCpu: {e}")))?;
        }
        if self.pair.is_some() {
            // Whether it may lead, and pay what its journal owes, is seen later.
            self.apply(Event::Candidacy { allowed: false, epoch: 0 })?;
        } else {
            self.apply(Event::Start)?;
            self.agree_on_kill()?;
        }
        while !self.hot.stopping() {
            self.wait()?;
            self.turn()?;
        }
        self.turn()?;
        // What was handed over is told before the links end.
        self.commit()?;
        self.dispatch()?;
        self.farewell()
    }

    fn wait(&self) -> Result<(), Fault> {
        let busy = self.intents.has_waiting()
            || self.command.has_waiting()
            || self.md.has_waiting()
            || self.tail.server.has_waiting()
            || self.pair.as_ref().is_some_and(Pair::has_waiting)
            || !self.out.is_empty()
            || !self.journal.is_safe();
        let mut items = vec![
            self.intents.poll_item(),
            self.command.poll_item(),
            self.md.poll_item(),
            self.tail.server.poll_item(),
        ];
        items.extend(self.pair.as_ref().map(Pair::poll_item));
        self.hot.wait(items, busy, WAIT_MS_MAX)
    }

    /// Everything that came, one commit, everything it led to.
    fn turn(&mut self) -> Result<(), Fault> {
        self.take_market_data()?;
        self.take_reports()?;
        self.pair_tick()?;
        self.take_intents()?;
        let now = clock::mono_ns();
        if now.saturating_sub(self.ticked_ns) >= TICK_NS {
            self.health.tick(self.ticked_ns, now);
            self.ticked_ns = now;
            for (input, value) in self.health.readings(now, self.bad_payloads) {
                self.apply(Event::Health { scope: Scope::Firm, input, value })?;
            }
            self.apply(Event::RouterCredits(self.room()))?;
            self.apply(Event::Tick)?;
        }
        self.pair_turn(now)?;
        let answers = self.take_calls()?;
        if answers.is_empty() && self.decides_on()? {
            self.hand_over()?;
        } else {
            self.commit()?;
        }
        self.after_unkill();
        // Before the cancels it leads to: they may be more than the link takes at once.
        self.tell_kill()?;
        // What waits for the standby's word is sent to it before anything else is done.
        let mut halts = if self.replicated {
            self.tail.turn(clock::mono_ns(), self.journal.committed_seq())?
        } else {
            Vec::new()
        };
        self.dispatch()?;
        for (call, answer) in answers {
            let answer = answer.unwrap_or_else(|| json!({ "ok": true, "state": self.stats() }));
            call.answer(answer);
        }
        self.tell_spans();
        if self.core.drained() != self.drained {
            self.drained = self.core.drained();
            if self.drained {
                self.hot.log("info", "drained: every order is terminal", json!({}));
            }
        }
        let now = clock::mono_ns();
        self.intents.tick(now)?;
        self.command.tick(now)?;
        self.md.tick(now);
        if !self.replicated {
            halts = self.tail.turn(now, self.journal.committed_seq())?;
        }
        for halt in halts {
            if self.pair.is_some() && !self.core.leads() {
                // The leader's journal is where the recorder looks for it, and it says it again until it is there.
                continue;
            }
            self.hot.log("error", "halted by the recorder", json!({ "reason": halt.reason }));
            // Journalled and told in the next turn, which follows at once.
            self.apply(Event::Control(halt))?;
        }
        if now.saturating_sub(self.told_ns) >= STATS_NS {
            self.told_ns = now;
            self.hot.set_stats(self.stats());
        }
        Ok(())
    }

    /// The time of an event. The wall clock never goes back within one process.
    fn now(&self) -> Now {
        Now { mono_ns: clock::mono_ns(), epoch_ns: clock::epoch_ns().max(self.wall_ns) }
    }

    fn apply(&mut self, event: Event) -> Result<(), Fault> {
        let now = self.now();
        self.wall_ns = now.epoch_ns;
        let idle = matches!(
            event,
            Event::Tick | Event::RouterCredits(_) | Event::FeedAlive { .. } | Event::Health { .. }
        );
        self.events += u64::from(!idle);
        if let Some(inputs) = &mut self.inputs {
            inputs.add(now, &event);
        }
        self.core
            .apply(now, event, &mut self.out)
            .map_err(|e| Fault(format!("bug: the gateway wrote a record it cannot fold: {e}")))
    }

    /// Commands the link would take now.
    fn room(&self) -> usize {
        let credits =
            if self.command.state() == LinkState::Synced { self.command.link().credits() } else { 0 };
        let waiting = self.waiting.iter().filter(|effect| effect.to == Destination::Router).count();
        credits.saturating_sub(self.outbox.len() + waiting)
    }

    fn take_market_data(&mut self) -> Result<(), Fault> {
        for _ in 0..INPUTS_PER_TURN_MAX {
            let Some(input) = self.md.recv(clock::mono_ns())? else { break };
            let Some((_, id, kind)) = parse_md_topic(input.name) else { continue };
            let instrument = InstrumentId(id);
            let event = match (kind, input.what) {
                (_, StreamWhat::Data(data)) => match envelope::decode_checked(data.payload) {
                    Ok(envelope) => reference(instrument, &envelope),
                    Err(_) => {
                        self.bad_payloads += 1;
                        None
                    }
                },
                // The touch after a gap or a restart is whole again, but until it comes there is none.
                (MdKind::Top, what) => {
                    if let StreamWhat::Gap(gap) = what {
                        self.md_gaps += gap.count();
                    }
                    Some(Event::FeedLost { instrument })
                }
                _ => None,
            };
            let Some(event) = event else { continue };
            if matches!(event, Event::Reference { valid: true, .. }) {
                self.alive.insert(instrument);
            } else {
                self.alive.remove(&instrument);
            }
            self.apply(event)?;
        }
        let now = clock::mono_ns();
        if now.saturating_sub(self.confirmed_ns) >= ALIVE_NS {
            self.confirmed_ns = now;
            for instrument in self.alive.clone() {
                self.apply(Event::FeedAlive { instrument })?;
            }
        }
        Ok(())
    }

    fn take_reports(&mut self) -> Result<(), Fault> {
        for _ in 0..INPUTS_PER_TURN_MAX {
            let heeds = self.heeds_the_router();
            let event = match self.command.recv(clock::mono_ns())? {
                None => break,
                Some(LinkInput::Data { seq, payload, .. }) => {
                    self.report_ack = Some(seq);
                    if let Some(beat) = Beat::decode(payload) {
                        self.on_beat(clock::mono_ns(), beat)?;
                        continue;
                    }
                    let decoded = envelope::decode_checked(payload);
                    // A kill is heard by one that follows too.
                    if let Ok(Envelope { payload: Some(Payload::ControlEvent(event)), .. }) = &decoded {
                        self.on_router_control(event)?;
                        continue;
                    }
                    if !heeds {
                        continue;
                    }
                    match decoded {
                        Ok(Envelope {
                            payload: Some(Payload::Command(command)),
                            trace_hi,
                            trace_lo,
                            span_id,
                            ts_event_ns,
                            ..
                        }) => {
                            let trace = Trace { hi: trace_hi, lo: trace_lo, span_id, ts_event_ns };
                            Event::Adopt { trace, command }
                        }
                        Ok(Envelope {
                            payload: Some(Payload::Report(report)),
                            trace_hi,
                            trace_lo,
                            span_id,
                            ts_event_ns,
                            ..
                        }) => {
                            let trace = Trace { hi: trace_hi, lo: trace_lo, span_id, ts_event_ns };
                            self.health.report(&report);
                            Event::Report { trace, report }
                        }
                        other => {
                            // A report that is dropped is a gap that no resend fills: it must be seen.
                            let why = other.map_or_else(|e| e.to_string(), |_| "not a report".into());
                            self.bad_payloads += 1;
                            self.hot.log("error", "report refused", json!({ "why": why }));
                            continue;
                        }
                    }
                }
                Some(LinkInput::Event { event: LinkEvent::PeerRestarted { .. }, .. }) => {
                    self.router_restarted = true;
                    continue;
                }
                Some(LinkInput::Event { event: LinkEvent::State { to: LinkState::Synced, .. }, .. }) => {
                    let restarted = self.router_restarted || !self.router_known;
                    (self.router_known, self.router_restarted) = (true, false);
                    self.router_latch.link_up();
                    if restarted {
                        // Decided before the outage and never sent: the router proves it, nothing leaves late.
                        self.outbox.clear();
                    }
                    self.hot.log("info", "router in step", json!({ "restarted": restarted }));
                    self.apply(Event::RouterCredits(self.room()))?;
                    Event::RouterUp { restarted }
                }
                Some(LinkInput::Event {
                    event: LinkEvent::State { to: LinkState::Connecting | LinkState::Stale, .. },
                    ..
                }) => {
                    self.hot.log("warn", "router lost: new orders are refused", json!({}));
                    Event::RouterDown
                }
                Some(LinkInput::Event { event, .. }) => {
                    self.hot.log("warn", "command link", json!({ "event": format!("{event:?}") }));
                    continue;
                }
            };
            self.apply(event)?;
        }
        self.apply(Event::RouterCredits(self.room()))
    }

    fn take_intents(&mut self) -> Result<(), Fault> {
        for _ in 0..INPUTS_PER_TURN_MAX {
            if self.held.len() + self.waiting.len() >= HELD_MAX {
                break;
            }
            let start_mono_ns = clock::mono_ns();
            let (peer, seq, decoded) = match self.intents.recv(start_mono_ns)? {
                None => break,
                Some(LinkInput::Data { peer, seq, payload, .. }) => (peer, seq, envelope::decode(payload)),
                Some(LinkInput::Event { peer, event }) => {
                    if matches!(event, LinkEvent::State { to: LinkState::Synced, .. }) {
                        self.tell_all.insert(peer);
                    }
                    continue;
                }
            };
            self.intent_acks.insert(peer, seq);
            let principal = self.intents.identity(peer).and_then(principal_of);
            let (Some(principal), Ok(envelope)) = (principal, decoded) else {
                self.bad_payloads += 1;
                continue;
            };
            let trace = Trace::of(&envelope);
            let sound = validate::envelope(&envelope).is_ok();
            let Some(Payload::Intent(intent)) = envelope.payload else {
                self.bad_payloads += 1;
                continue;
            };
            let instrument = intent.instrument_id;
            let event = if sound {
                Event::Intent { principal, trace, intent }
            } else {
                let intent_id =
                    intent.intent_id.map_or(IntentId(0), |id| IntentId::from_halves(id.hi, id.lo));
                Event::MalformedIntent { principal, trace, intent_id }
            };
            let before = self.out.len();
            self.apply(event)?;
            let reply = self.out[before..].iter().find_map(|e| match &e.envelope.payload {
                Some(Payload::IntentReply(reply)) if !reply.repeated => Some((reply, e.envelope.span_id)),
                _ => None,
            });
            if let Some((reply, span_id)) = reply {
                let accepted = reply.decision() == Decision::Accepted;
                let reason = reply.reason();
                let log_seq = self.core.state().log_seq();
                let decided =
                    Decided { start_mono_ns, log_seq, trace, span_id, instrument, reason, accepted };
                self.decided.push_back(decided);
            }
        }
        Ok(())
    }

    /// Takes control requests; each is answered after the commit, and with the state it led to unless it has its own answer.
    fn take_calls(&mut self) -> Result<Vec<(Call, Option<Value>)>, Fault> {
        let calls: Vec<Call> = self.hot.calls().collect();
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            let answer = match call.request["op"].as_str() {
                Some("explain") => {
                    let others = self.placed.as_ref().map(|placed| placed.others.clone());
                    explain::start(call, self.journal_dir.clone(), &self.explaining, others);
                    continue;
                }
                Some("limits") => Some(self.limits_shown()),
                Some("limit_check") => Some(self.limit_checked(&call.request)),
                Some("export") => Some(self.export()),
                Some("state") => Some(self.stats()),
                Some("positions") => Some(self.positions()),
                Some(op @ ("lease" | "hand_over")) => self.pair_call(op, &call.request)?,
                Some(op) => self.control(op, &call.request)?,
                None => Some(refused("a request has an \"op\"")),
            };
            answers.push((call, answer));
        }
        Ok(answers)
    }

    fn control(&mut self, op: &str, request: &Value) -> Result<Option<Value>, Fault> {
        let action = match op {
            "halt" => ControlAction::Halt,
            "resume" => ControlAction::Resume,
            "kill" => ControlAction::Kill,
            "unkill" => ControlAction::Unkill,
            "cancel_all" => ControlAction::CancelAll,
            "drain" => ControlAction::Drain,
            "quarantine" => ControlAction::Quarantine,
            "rearm" => ControlAction::Rearm,
            "freeze" => ControlAction::Freeze,
            "thaw" => ControlAction::Thaw,
            "restrict" => ControlAction::Restrict,
            "allow" => ControlAction::Allow,
            "override" => ControlAction::Override,
            "limit_set" => ControlAction::Limits,
            other => return Ok(Some(refused(&format!("no operation is called {other}")))),
        };
        // A kill is taken by whoever is asked.
        if self.pair.is_some() && !self.core.leads() && action != ControlAction::Kill {
            return Ok(Some(refused(
                "this gateway does not lead, and only the leader's journal holds an operator's act; ask the other one",
            )));
        }
        if !tidegate_risk::folds(action) {
            return Ok(Some(refused(&format!(
                "the core of this gateway does not know {op}; nothing was done"
            ))));
        }
        let text = |key: &str| request[key].as_str().unwrap_or_default().to_string();
        // An id that is none reads as 0, which the core refuses where one is wanted.
        let number = |key: &str| request[key].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let ts_ns = self.now().epoch_ns;
        let event = ControlEvent {
            action: action.into(),
            principal: text("principal"),
            reason: text("reason"),
            ts_ns,
            strategy_id: number("strategyId"),
            instrument_id: number("instrumentId"),
            requester: text("requester"),
            expires_ts_ns: match request["minutes"].as_i64() {
                Some(minutes) => ts_ns.saturating_add(minutes.clamp(1, 15) * 60_000_000_000),
                None => 0,
            },
            overridden: number("overridden"),
            limit_name: text("limit"),
            value: request["value"].as_i64().unwrap_or(0),
            limits_version: number("version"),
            kill_ts_ns: 0,
        };
        // What a reader of the journal would refuse must not get into it.
        if let Err(refusal) = control_sound(&event) {
            return Ok(Some(refused(&refusal)));
        }
        if action == ControlAction::Limits
            && let Err(fault) = self.core.limits().with_event(self.core.table(), &event)
        {
            return Ok(Some(refused(&fault.to_string())));
        }
        if action == ControlAction::Kill && !self.heeds_the_router() {
            self.kill_as_standby(&event);
            return Ok(None);
        }
        let before = self.core.counters().controls_refused;
        self.apply(Event::Control(event.clone()))?;
        if self.core.counters().controls_refused > before {
            return Ok(Some(refused(
                "a principal has 1 to 64 bytes and a reason at most 256; an act on a strategy or an instrument names it; \
                 an override names a block that may be lifted, another person than the principal as requester, and an \
                 end within 15 minutes",
            )));
        }
        self.tell_operator(&event);
        Ok(None)
    }

    fn tell_operator(&self, event: &ControlEvent) {
        let action = event.action().as_str_name();
        let op = action.strip_prefix("CONTROL_ACTION_").unwrap_or(action).to_lowercase();
        let told = json!({ "op": op, "principal": event.principal, "reason": event.reason });
        self.hot.log("warn", "operator", told);
    }

    /// Latches a kill; one that is in force stands. A disk that refuses is told; the kill goes on.
    fn hold(&mut self, event: &ControlEvent) {
        if self.latch.held().is_some() {
            return;
        }
        if let Err(fault) = self.latch.hold(&event.principal, &event.reason, event.ts_ns) {
            self.hot.log("error", "the kill latch could not be written", json!({ "why": fault.0 }));
        }
        self.hot.log(
            "error",
            "killed",
            json!({
                "by": event.principal, "reason": event.reason, "tsNs": event.ts_ns.to_string(),
                "latchedNs": clock::epoch_ns().to_string(),
            }),
        );
    }

    fn lift(&mut self) -> bool {
        match self.latch.lift() {
            Ok(()) => true,
            Err(fault) => {
                // The next start kills again: safe, and said.
                self.hot.log("error", "the kill latch could not be lifted", json!({ "why": fault.0 }));
                false
            }
        }
    }

    fn killed(&self) -> bool {
        self.core.state().policy() == Policy::Killed
    }

    /// Before this gateway decides anything: a kill of the latch is the journal's too, and one of the journal is the latch's.
    fn agree_on_kill(&mut self) -> Result<(), Fault> {
        match self.latch.held().cloned() {
            Some(held) if !self.killed() => self.kill(&held.by, &held.reason, held.ts_ns),
            None if self.killed() => {
                let detail = self.core.state().policy_state(0).detail;
                let event = ControlEvent {
                    principal: "journal".into(),
                    reason: detail,
                    ts_ns: self.now().epoch_ns,
                    ..ControlEvent::default()
                };
                self.hold(&event);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn kill(&mut self, by: &str, reason: &str, ts_ns: i64) -> Result<(), Fault> {
        let event = ControlEvent {
            action: ControlAction::Kill.into(),
            principal: by.into(),
            reason: reason.into(),
            ts_ns,
            ..ControlEvent::default()
        };
        self.apply(Event::Control(event))
    }

    /// What the router says of its latch.
    fn on_router_control(&mut self, event: &ControlEvent) -> Result<(), Fault> {
        match event.action() {
            ControlAction::Kill => {
                let reason = format!("{} at the router: {}", event.principal, event.reason);
                let reason = crate::latch::cut(&reason, tidegate_wire::limits::OPERATOR_REASON_LEN_MAX);
                let news = self.router_latch.holds(event.ts_ns, self.killed());
                if !self.heeds_the_router() {
                    self.standby_hears_of_kill(&reason, event.ts_ns);
                } else if news {
                    self.kill("execution-router", &reason, event.ts_ns)?;
                }
            }
            ControlAction::Unkill => {
                self.router_latch.let_go(event.kill_ts_ns);
                if !self.heeds_the_router() {
                    self.standby_hears_of_lift(event.kill_ts_ns);
                }
            }
            _ => self.bad_payloads += 1,
        }
        Ok(())
    }

    /// Once the journal holds that two principals lifted the kill, the latch goes too.
    fn after_unkill(&mut self) {
        if self.killed() || !self.heeds_the_router() {
            return;
        }
        let Some(ts_ns) = self.latch.held().map(|held| held.ts_ns) else { return };
        if self.lift() {
            self.router_latch.lifted(ts_ns);
        }
    }

    /// Tells the router what is in force, until it says the same.
    fn tell_kill(&mut self) -> Result<(), Fault> {
        let now = clock::mono_ns();
        let decides = self.heeds_the_router();
        let tells = if decides { self.killed() } else { self.standby_tells_of_kill() };
        if !decides && !tells {
            // What is in force is the leader's to tell.
            return Ok(());
        }
        let kill = self.latch.held().filter(|_| tells);
        let kill = kill.map(|held| Kill { by: &held.by, reason: &held.reason, ts_ns: held.ts_ns });
        let told = self.router_latch.tell(kill, now);
        if self.router_latch.alarm(now) {
            self.hot.log(
                "error",
                "ALARM: the router has not acknowledged the kill",
                json!({ "remedy": "kill at the router: make its kill file, or send it SIGUSR2" }),
            );
        }
        let Some(event) = told else { return Ok(()) };
        let now_ns = self.now().epoch_ns;
        let envelope = Envelope {
            schema_version: SCHEMA_VERSION,
            source: Source::Gateway.into(),
            ts_event_ns: now_ns,
            ts_recv_ns: now_ns,
            payload: Some(Payload::ControlEvent(event)),
            ..Envelope::default()
        };
        match self.command.send(now, &envelope::encode(&envelope)) {
            Ok(_) => self.router_latch.told(now),
            Err(SendRefusal::NoCredit | SendRefusal::NotSynced) => {}
            Err(refusal) => return Err(Fault(format!("bug: the command link refuses a kill: {refusal}"))),
        }
        Ok(())
    }

    /// Whether the next turn may be decided before this one is safe: where its input is there already, and nothing of this turn is
    /// more than orders and what became of them.
    fn decides_on(&mut self) -> Result<bool, Fault> {
        let follows = self.pair.is_some() && !self.core.leads();
        let plain = |effect: &Effect| {
            !matches!(&effect.envelope.payload, Some(Payload::ControlEvent(_) | Payload::PolicyState(_)))
        };
        if follows || !self.out.iter().all(plain) {
            return Ok(false);
        }
        let mut items = [self.intents.poll_item(), self.command.poll_item()];
        Ok(self.intents.has_waiting()
            || self.command.has_waiting()
            || zmq::poll(&mut items, 0).map_err(|e| Fault(e.to_string()))? > 0)
    }

    /// Makes every record of this turn, and of those before, safe.
    fn commit(&mut self) -> Result<(), Fault> {
        self.append()?;
        self.journal.commit()?;
        Ok(())
    }

    /// Has every record of this turn made safe behind the next one.
    fn hand_over(&mut self) -> Result<(), Fault> {
        self.append()?;
        self.journal.hand_over()?;
        self.turns_behind += u64::from(!self.journal.is_safe());
        Ok(())
    }

    /// What was decided by is written before what was decided: of a gateway that is killed the log is never behind the journal.
    fn write_inputs(&mut self) {
        let Some(why) = self.inputs.as_mut().and_then(InputLog::flush) else { return };
        self.inputs = None;
        let remedy = "this session can be replayed up to here only";
        self.hot.log("error", "the input log has ended", json!({ "why": why, "remedy": remedy }));
    }

    /// Gives every record of this turn to the journal. A kill is latched before its record is there, whoever pulled it.
    fn append(&mut self) -> Result<(), Fault> {
        self.write_inputs();
        let kill = self.out.iter().filter(|effect| effect.journal).find_map(|effect| {
            match &effect.envelope.payload {
                Some(Payload::ControlEvent(event)) if event.action() == ControlAction::Kill => {
                    Some(event.clone())
                }
                _ => None,
            }
        });
        if let Some(kill) = kill {
            self.hold(&kill);
        }
        let mono = clock::mono_ns();
        for effect in self.out.iter().filter(|e| e.journal) {
            let write = |buf: &mut Vec<u8>| envelope::append_to(buf, &effect.envelope);
            let seq = self.journal.append(KIND_ENVELOPE, mono, effect.envelope.ts_recv_ns, write)?;
            if seq != effect.envelope.log_seq {
                return Err(Fault(format!(
                    "bug: the journal gave {seq} to a record of {}",
                    effect.envelope.log_seq
                )));
            }
        }
        Ok(())
    }

    /// Sends what is committed and acknowledges what led to it.
    fn dispatch(&mut self) -> Result<(), Fault> {
        let now = clock::mono_ns();
        let tells = self.may_tell(now);
        let decided = self.released(now);
        if !self.core.leads() {
            // Fenced, or deposed: what waited to be told is no answer any more.
            self.held.clear();
        }
        let safe = self.journal.committed_seq();
        for effect in self.held.pass(tells, decided, Effect::is_told) {
            // The last look before it has an effect: what is not safe must not leave, whatever decided that it may.
            if effect.journal && effect.envelope.log_seq > safe {
                let seq = effect.envelope.log_seq;
                return Err(Fault(format!(
                    "bug: record {seq} would leave, and the journal is safe up to {safe}"
                )));
            }
            match effect.to {
                Destination::Nobody => {}
                Destination::Router => self.outbox.push_back(envelope::encode(&effect.envelope)),
                Destination::Strategy(id) => {
                    let peer = self.intents.peer(&format!("strategy:{}", id.0));
                    self.tell(now, peer, &effect.envelope);
                }
                Destination::EveryStrategy => {
                    if let Some(Payload::PolicyState(policy)) = &effect.envelope.payload {
                        let state = policy.policy().as_str_name();
                        self.hot.log("warn", "policy", json!({ "policy": state, "detail": policy.detail }));
                    }
                    let peers: Vec<PeerId> = self.intents.peers().map(|(peer, _, _)| peer).collect();
                    for peer in peers {
                        self.tell(now, Some(peer), &effect.envelope);
                    }
                }
            }
        }
        if self.outbox.len() > OUTBOX_MAX {
            return Err(Fault(format!("bug: {} commands wait for the router", self.outbox.len())));
        }
        while let Some(bytes) = self.outbox.front() {
            match self.command.send(now, bytes) {
                Ok(_) => drop(self.outbox.pop_front()),
                Err(SendRefusal::NoCredit | SendRefusal::NotSynced) => break,
                Err(refusal) => {
                    return Err(Fault(format!("bug: the command link refuses a command: {refusal}")));
                }
            }
        }
        self.acknowledge();
        self.tell_all(now);
        Ok(())
    }

    /// Acknowledges the input of every turn whose records are safe.
    fn acknowledge(&mut self) {
        let (report, intents) = (self.report_ack.take(), std::mem::take(&mut self.intent_acks));
        if report.is_some() || !intents.is_empty() {
            self.acks.push_back(Acks { log_seq: self.journal.last_seq(), report, intents });
        }
        let safe = self.journal.committed_seq();
        while self.acks.front().is_some_and(|acks| acks.log_seq <= safe) {
            let Some(Acks { report, intents, .. }) = self.acks.pop_front() else { break };
            if let Some(seq) = report {
                self.command.ack(seq);
            }
            for (peer, seq) in intents {
                self.intents.ack(peer, seq);
            }
        }
    }

    /// The effects that may leave by the tier: of records that are safe here, and with a standby that is in step also there.
    fn released(&mut self, now: u64) -> Vec<Effect> {
        let committed = self.journal.committed_seq();
        if self.tail.attached_anew() {
            self.release.standby(None, committed);
        }
        self.release.standby(self.tail.replica().filter(|_| self.core.leads()), committed);
        let upto = self.release.upto(now, committed);
        self.waiting.extend(self.out.drain(..));
        let stays = |effect: &Effect| effect.journal && effect.envelope.log_seq > upto;
        let leave = self.waiting.iter().position(stays).unwrap_or(self.waiting.len());
        self.waiting.drain(..leave).collect()
    }

    /// Sends one message to a strategy. One that cannot be reached gets everything anew once it can.
    fn tell(&mut self, now: u64, peer: Option<PeerId>, envelope: &Envelope) {
        let Some(peer) = peer else {
            self.not_taken += 1;
            return;
        };
        if self.intents.send(now, peer, &envelope::encode(envelope)).is_err() {
            self.not_taken += 1;
            self.tell_all.insert(peer);
        }
    }

    fn tell_all(&mut self, now: u64) {
        if self.pair.is_some() && !(self.core.leads() && self.may_tell(now)) {
            // The leader tells.
            return;
        }
        for peer in std::mem::take(&mut self.tell_all) {
            let Some(strategy) = self.intents.identity(peer).and_then(principal_of) else { continue };
            let snapshot = self.core.snapshot(strategy, self.now());
            let room = self.intents.link(peer).map_or(0, |l| l.credits());
            let synced = self.intents.link(peer).is_some_and(|l| l.state() == LinkState::Synced);
            if !synced || room < snapshot.len() {
                // A link that comes back into step says so itself.
                if synced {
                    self.tell_all.insert(peer);
                }
                continue;
            }
            for envelope in snapshot {
                if self.waiting.is_empty() {
                    self.tell(now, Some(peer), &envelope);
                } else {
                    // It tells of what the standby may not hold yet.
                    let to = Destination::Strategy(strategy);
                    self.waiting.push_back(Effect { envelope, journal: false, to });
                }
            }
        }
    }

    fn tell_spans(&mut self) {
        let (now, safe) = (clock::mono_ns(), self.journal.committed_seq());
        let anchor = Anchor::now();
        while self.decided.front().is_some_and(|decided| decided.log_seq <= safe) {
            let Some(decided) = self.decided.pop_front() else { break };
            let took = now.saturating_sub(decided.start_mono_ns);
            if decided.accepted {
                self.latency.record(took);
                self.health.decided(took);
            }
            if decided.span_id == 0 || !self.spans.allows(now) {
                continue;
            }
            let reason = stats::reason_name(decided.reason.into());
            let span = Span {
                name: "gateway.decide",
                trace: (decided.trace.hi, decided.trace.lo),
                id: decided.span_id,
                parent: decided.trace.span_id,
                mono_ns: (decided.start_mono_ns, now),
            };
            let mut event = span.event(
                anchor,
                json!({ "reason": reason, "instrument.id": decided.instrument, "journal.tier": self.tier }),
            );
            if !decided.accepted {
                event["error"] = reason.into();
            }
            self.hot.emit(event);
        }
    }

    /// Ends every link in order and closes the journal.
    fn farewell(mut self) -> Result<(), Fault> {
        self.release_lease();
        self.hot.set_stats(self.stats());
        self.intents.bye();
        self.command.bye();
        self.tail.server.bye();
        let end = clock::mono_ns() + FAREWELL_NS;
        while clock::mono_ns() < end && !(self.intents.finished() && self.tail.server.finished()) {
            let now = clock::mono_ns();
            self.intents.tick(now)?;
            self.command.tick(now)?;
            // Nothing is decided any more, so that a halt changes nothing.
            let _ = self.tail.turn(now, self.journal.committed_seq())?;
            zmq::poll(&mut [self.intents.poll_item(), self.tail.server.poll_item()], 5)
                .map_err(|e| Fault(e.to_string()))?;
        }
        self.journal.close()?;
        Ok(())
    }
}

/// A journal that is written behind the loop.
fn behind(journal: Journal, placed: Option<&Placed>) -> Result<Behind, Fault> {
    let on = placed.map(|placed| placed.cpus.journal);
    Behind::new(journal, on).map_err(|e| Fault(format!("cannot have a thread for the journal: {e}")))
}

/// What a message of an instrument says about its reference price.
pub fn reference(instrument: InstrumentId, envelope: &Envelope) -> Option<Event> {
    match envelope.payload.as_ref()? {
        Payload::BookTop(top) if top.instrument_id == instrument.0 => Some(Event::Reference {
            instrument,
            bid_px_ticks: (top.bid_qty_lots > 0).then_some(top.bid_px_ticks),
            ask_px_ticks: (top.ask_qty_lots > 0).then_some(top.ask_px_ticks),
            valid: top.state() == BookState::Valid,
            ts_ns: top.ts_recv_ns,
        }),
        Payload::InstrumentStatus(status)
            if status.instrument_id == instrument.0 && status.state() != BookState::Valid =>
        {
            Some(Event::FeedLost { instrument })
        }
        _ => None,
    }
}

/// The strategy a link's identity stands for.
fn principal_of(identity: &str) -> Option<StrategyId> {
    let digits = identity.strip_prefix("strategy:")?;
    let canonical = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|id| canonical && *id > 0).map(StrategyId)
}

/// Whether a control event is one that the wire takes; where not, what is wrong with it.
fn control_sound(event: &ControlEvent) -> Result<(), String> {
    let envelope = Envelope {
        schema_version: SCHEMA_VERSION,
        source: Source::Operator.into(),
        payload: Some(Payload::ControlEvent(event.clone())),
        ..Envelope::default()
    };
    validate::envelope(&envelope).map_err(|refusal| refusal.to_string())
}

fn refused(why: &str) -> Value {
    json!({ "ok": false, "error": why })
}
