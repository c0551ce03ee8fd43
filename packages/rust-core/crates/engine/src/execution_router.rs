//! The execution-router loop: commands in, orders to venues, what the venues say back out as numbered reports.
//!
//! The core (`tidegate-router`) decides; this loop carries out its effects in their order: journal first, then the bytes,
//! then the reports, each only once the journal is committed past it. Queries that a venue has over REST alone are asked
//! for by event and answered by call.

mod alpaca;
pub mod binance;
mod dlq;
mod fix;
mod fix_link;
mod gateways;
mod kill;
pub mod limits;
mod own_loop;
mod rest;
mod shioaji;
mod sweep;
#[cfg(test)]
mod tests;
mod venue_json;
mod words;

use crate::anchor::Anchor;
use crate::latency::Latency;
use crate::span::{Span, SpanBudget};
use crate::tier::TierName;
use crate::{Call, Fault, Handle, Hot, clock, epoch, read_table, spawn, ws_item};
use binance::{Asked, Keys, User};
use fix_link::{FixLink, FixSettings};
use gateways::Gateways;
pub(crate) use gateways::identity;
use limits::{
    COMMANDS_PER_TURN_MAX, COMMANDS_WAITING_MAX, FILLS_SWEEP_NS, FOLD_BATCH, LISTEN_KEY_RETRY_NS, POLL_MS,
    REPORTS_KEPT_MAX, REPORTS_PER_TURN_MAX, REST_QUERY_WAIT_NS, REST_SETTLES_NS, REST_SETTLES_NS_MIN,
    ROUNDS_MAX, SPANS_PER_SECOND_MAX, STATS_PERIOD_NS, TRACES_MAX, USER_LOGIN_NS,
};
use rest::{RestLink, StreamUrl};
use serde::Deserialize;
use serde_json::{Value, json};
use shioaji::ShioajiSettings;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use tidegate_bus::ends::{LinkInput, LinkServer, LinkServerConfig, PeerId};
use tidegate_bus::link::{LinkEvent, LinkState};
use tidegate_instruments::{Instrument, Table, Venue};
use tidegate_journal::{Journal, JournalConfig};
use tidegate_leadership::Question;
use tidegate_router::{
    Amends, Answer, Effect, Entry, Event, Level, Now, Orphan, Request, Router, Usage, UsageKind,
    VenueConfig as CoreVenue, What,
};
use tidegate_units::{InstrumentId, VenueId};
use tidegate_venue_io::sign::Secret;
use tidegate_venue_io::{Backoff, ConnectOptions, SendFault, Stamp, WsClient, WsEvent, WsState};
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::control::v1::ControlAction;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{Command, CommandKind, Reason, Report, ReportKind};
use tidegate_wire::{envelope, ids};

/// Journal record kind: an envelope with a command (about to be sent) or a report.
const RECORD_ENVELOPE: u8 = 1;
/// The stage of a trace this loop ends.
const SEND_STAGE: &str = "router.send";

/// One venue. Holds a secret, so it does not print.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VenueSettings {
    venue_id: u32,
    /// The WS API, as `ws://host:port/ws-api/v3`; Alpaca: its REST, as `https://host`.
    api_url: String,
    /// USD-M: the stream host, as `ws://host:port`; the listen key is added. Alpaca: the stream of trade updates.
    #[serde(default)]
    user_stream_url: String,
    api_key: String,
    api_secret: String,
    orders_per_10s: usize,
    /// 0 = the venue has no such limit.
    #[serde(default)]
    orders_per_minute: usize,
    /// 0 = no limit of its own for each symbol.
    #[serde(default)]
    symbol_orders_per_10s: usize,
    #[serde(default)]
    weight_per_minute: usize,
    /// What of the account's limits is this loop's; the shell and the monitor have the rest.
    /// How long a new order may wait for room in the budget; 0 = it is refused at once.
    #[serde(default)]
    new_wait_ms: u64,
    /// Of a venue of requests over HTTP: how long after it left one may still take effect, where that is not the usual.
    #[serde(default)]
    settles_ms: u32,
    #[serde(default = "whole")]
    orders_share_percent: usize,
    #[serde(default = "whole")]
    weight_share_percent: usize,
    /// Of a FIX venue, whose `apiUrl` is `fix://host:port`.
    fix: Option<FixSettings>,
    /// Of Shioaji, whose `apiUrl` is its daemon's.
    shioaji: Option<ShioajiSettings>,
}

const fn whole() -> usize {
    100
}

impl VenueSettings {
    fn core(&self, kind: Venue) -> CoreVenue {
        let mut core = CoreVenue::new(VenueId(self.venue_id), self.orders_per_10s);
        core.orders_per_minute = self.orders_per_minute;
        core.symbol_orders_per_10s = self.symbol_orders_per_10s;
        core.weight_per_minute = self.weight_per_minute;
        (core.weights, core.amends) = match kind {
            Venue::Fix => (fix::WEIGHTS, Amends::Any),
            Venue::Alpaca => (alpaca::WEIGHTS, Amends::Anew),
            Venue::Shioaji => (shioaji::WEIGHTS, Amends::Any),
            _ => (binance::weights(kind), binance::amends(kind)),
        };
        if matches!(kind, Venue::Alpaca | Venue::Shioaji) {
            (core.settles_ns, core.query_wait_ns) = (REST_SETTLES_NS, REST_QUERY_WAIT_NS);
            if self.settles_ms > 0 {
                core.settles_ns = (i64::from(self.settles_ms) * 1_000_000).max(REST_SETTLES_NS_MIN);
            }
        }
        if kind == Venue::Alpaca {
            core.sweep_ns = FILLS_SWEEP_NS;
        }
        core.new_wait_ns = self.new_wait_ms * 1_000_000;
        core.orders_share_percent = self.orders_share_percent;
        core.weight_share_percent = self.weight_share_percent;
        core
    }
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    /// Where the gateway connects: `ipc://s/command.sock`.
    endpoint: String,
    epoch_path: PathBuf,
    instruments_path: PathBuf,
    journal_dir: PathBuf,
    tier: TierName,
    venues: Vec<VenueSettings>,
    /// Shared with the gateway; empty where orders need no approval.
    #[serde(default)]
    approval_key_path: PathBuf,
    /// The kill latch of this process.
    latch_path: PathBuf,
    /// The folder of the order DLQ.
    dlq_dir: PathBuf,
    /// Whoever makes this file kills: it is looked for in every turn and before every new order.
    kill_path: PathBuf,
    /// What each commit takes longer than it does, as on a disk that is busy, in milliseconds.
    #[cfg(test)]
    #[serde(default)]
    commit_ms: u64,
}

/// One venue's order session and user stream.
struct Session {
    id: VenueId,
    kind: Venue,
    settings: VenueSettings,
    keys: Keys,
    api: Option<WsClient>,
    user: Option<WsClient>,
    /// In the place of both, at a FIX venue.
    fix: Option<Box<FixLink>>,
    /// And at one of requests over HTTP.
    rest: Option<Box<RestLink>>,
    /// The kill in force, as far as it has come there.
    sweep: Option<sweep::Sweep>,
    listen_key: Option<String>,
    key_asked_at: u64,
    subscribed: bool,
    /// When the login of spot's user stream was sent; 0 = none is under way.
    login_at: u64,
    up: bool,
    backoff: Backoff,
    retry_at: u64,
    opens: u64,
    failures: u64,
    last_fault: String,
}

impl Session {
    /// Whether the loop speaks to the venue in a session of its own, with nothing for the shell to do.
    const fn own(&self) -> bool {
        self.fix.is_some() || self.rest.is_some()
    }

    fn state(&self) -> &'static str {
        let dialled = self.api.is_some()
            || self.fix.as_ref().is_some_and(|link| link.dialled())
            || self.rest.as_ref().is_some_and(|link| link.dialled());
        match (self.up, dialled) {
            (true, _) => "UP",
            (false, true) => "CONNECTING",
            (false, false) => "WAITING",
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Trace {
    hi: u64,
    lo: u64,
    parent: u64,
}

/// The stages of an order whose latency is told.
const STAGES: [&str; 4] = ["tick_to_intent", "intent_to_command", "command_to_wire", "tick_to_wire"];

struct Loop<'a> {
    hot: &'a Hot,
    router: Router,
    journal: Journal,
    table: Table,
    link: LinkServer,
    sessions: Vec<Session>,
    /// What each request in flight asked, to read its answer by.
    asked: BTreeMap<u64, (Asked, Option<InstrumentId>, u64)>,
    /// Encoded reports `kept_from..`, without a hole.
    kept: VecDeque<Vec<u8>>,
    kept_from: u64,
    /// The next report to hand to the link.
    cursor: u64,
    traces: BTreeMap<String, Trace>,
    trace_order: VecDeque<String>,
    latency: [Latency; 4],
    acks: BTreeMap<PeerId, u64>,
    gateways: Gateways,
    tier: &'static str,
    bad_payloads: u64,
    spans: SpanBudget,
    kill: kill::KillSwitch,
    dlq: dlq::Dlq,
    /// What the link has brought and is not applied yet, in order.
    waiting: VecDeque<Waiting>,
    #[cfg(test)]
    commit_ms: u64,
}

/// One thing of the command link; `None` where its bytes are no message.
enum Waiting {
    Data {
        peer: PeerId,
        seq: u64,
        envelope: Option<Box<Envelope>>,
    },
    /// A question of who leads: it has its place among what is acknowledged in order, and its answer before that.
    Answered {
        peer: PeerId,
        seq: u64,
    },
    Event {
        peer: PeerId,
        event: LinkEvent,
    },
}

/// Starts the loop.
///
/// # Errors
/// A configuration, table, journal or endpoint that cannot be used: nothing runs then.
pub fn start(config: &str) -> Result<Handle, Fault> {
    let config: Config = serde_json::from_str(config)
        .map_err(|error| Fault(format!("cannot read the execution-router configuration: {error}")))?;
    let shown = config.instruments_path.display();
    let table = read_table(&config.instruments_path)?;
    let mut sessions = Vec::new();
    for (number, settings) in config.venues.iter().enumerate() {
        let id = VenueId(settings.venue_id);
        let kind = table.venue(id).ok_or_else(|| {
            Fault(format!("venues: venue {id} has no instrument in {shown}; add it or drop the venue"))
        })?;
        if !matches!(
            kind,
            Venue::BinanceSpot | Venue::BinanceUsdm | Venue::Fix | Venue::Alpaca | Venue::Shioaji
        ) {
            return Err(Fault(format!("venues: {} is market data only; drop venue {id}", kind.name())));
        }
        if matches!(kind, Venue::BinanceUsdm | Venue::Alpaca) && settings.user_stream_url.is_empty() {
            return Err(Fault(format!("venues: venue {id} wants userStreamUrl")));
        }
        let keys = Keys {
            key: settings.api_key.clone(),
            secret: Secret::new(settings.api_secret.clone().into_bytes()),
        };
        let fix = match (kind, &settings.fix) {
            (Venue::Fix, Some(own)) => {
                let login = (settings.api_key.as_str(), settings.api_secret.as_str());
                Some(Box::new(FixLink::open(&settings.api_url, own, login, id, config.tier.into())?))
            }
            (Venue::Fix, None) => return Err(Fault(format!("venues: venue {id} wants fix"))),
            _ => None,
        };
        let rest = match kind {
            Venue::Alpaca => {
                let login = (settings.api_key.clone(), settings.api_secret.clone());
                let desk = alpaca::Desk::new(id, login.0, login.1);
                let stream = StreamUrl::Ws(settings.user_stream_url.clone());
                Some(Box::new(RestLink::open(&settings.api_url, stream, Box::new(desk))?))
            }
            Venue::Shioaji => {
                let own = settings.shioaji.clone();
                let own = own.ok_or_else(|| Fault(format!("venues: venue {id} wants shioaji")))?;
                let desk = shioaji::Desk::new(id, own, &settings.api_key, &settings.api_secret);
                let stream = StreamUrl::Sse("/api/v1/stream/data/order_event".into());
                Some(Box::new(RestLink::open(&settings.api_url, stream, Box::new(desk))?))
            }
            _ => None,
        };
        sessions.push(Session {
            id,
            kind,
            settings: settings.clone(),
            keys,
            api: None,
            user: None,
            fix,
            rest,
            sweep: None,
            listen_key: None,
            key_asked_at: 0,
            subscribed: false,
            login_at: 0,
            up: false,
            backoff: Backoff::new(number as u64 + 1),
            retry_at: 0,
            opens: 0,
            failures: 0,
            last_fault: String::new(),
        });
    }
    if config.tier.replicated() {
        let tier = config.tier.name();
        return Err(Fault(format!(
            "tier {tier} waits for a standby, and the execution-router has none; want T0 or T2"
        )));
    }
    let complete = journal_complete(&config)?;
    let (journal, _) =
        Journal::open(&config.journal_dir, JournalConfig::new("router.journal", config.tier.into()))?;
    let session_epoch = epoch::next(&config.epoch_path)?;
    spawn("exec-router", move |hot| run(&hot, &config, complete, session_epoch, table, journal, sessions))
}

/// Whether absence from the journal proves that nothing was sent. With T2 every command is synced before its bytes; with
/// T0 it is in the page cache, which outlives this process and not the machine.
fn journal_complete(config: &Config) -> Result<bool, Fault> {
    let path = config.epoch_path.with_extension("boot");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let last = std::fs::read_to_string(&path);
    let fresh = last.is_err() && !has_entries(&config.journal_dir);
    let complete =
        config.tier == TierName::T2 || fresh || (!boot.is_empty() && last.is_ok_and(|text| text == boot));
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(&path, boot)
        .map_err(|error| Fault(format!("cannot write {}: {error}; mend the disk", path.display())))?;
    Ok(complete)
}

fn has_entries(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}

fn now() -> Now {
    Now { mono_ns: clock::mono_ns(), epoch_ns: clock::epoch_ns() }
}

#[allow(clippy::too_many_arguments)]
fn run(
    hot: &Hot,
    config: &Config,
    complete: bool,
    session_epoch: u32,
    table: Table,
    mut journal: Journal,
    mut sessions: Vec<Session>,
) -> Result<(), Fault> {
    let venues: Vec<CoreVenue> = sessions.iter().map(|s| s.settings.core(s.kind)).collect();
    let mut router =
        Router::new(&venues, table.iter().map(|row| (row.instrument_id(), row.venue())), complete);
    if let Some(key) = crate::approval_key::read(&config.approval_key_path)? {
        router = router.with_approvals(key);
    }
    let kill = kill::KillSwitch::open(&config.latch_path, &config.kill_path, journal.last_seq() == 0);
    let mut gateways = Gateways::new(&table, clock::mono_ns());
    let folded = fold(&mut journal, &mut router, &mut gateways, &mut sessions)?;
    let context = zmq::Context::new();
    let mut link = LinkServerConfig::new(&config.endpoint, "command", session_epoch);
    link.identity_prefix = "gateway".into();
    let link = LinkServer::bind(&context, link)?;
    let mut state = Loop {
        hot,
        router,
        journal,
        table,
        link,
        sessions,
        asked: BTreeMap::new(),
        kept: VecDeque::new(),
        kept_from: 1,
        cursor: 1,
        traces: BTreeMap::new(),
        trace_order: VecDeque::new(),
        latency: [Latency::new()?, Latency::new()?, Latency::new()?, Latency::new()?],
        acks: BTreeMap::new(),
        gateways,
        tier: config.tier.name(),
        bad_payloads: 0,
        spans: SpanBudget::new(SPANS_PER_SECOND_MAX),
        kill,
        dlq: dlq::Dlq::open(&config.dlq_dir, config.tier == TierName::T2, clock::epoch_ns()),
        waiting: VecDeque::new(),
        #[cfg(test)]
        commit_ms: config.commit_ms,
    };
    // What the gateway has not seen it asks for with its GRANT; until then nothing old is sent.
    state.kept_from = state.router.report_seq() + 1;
    state.cursor = u64::MAX;
    state.hot.log("info", "execution-router listens", json!({ "endpoint": config.endpoint, "epoch": session_epoch, "records": folded, "openOrders": state.router.open_orders(), "journalComplete": complete }));
    let mut effects = Vec::new();
    state.router.recovered(now(), &mut effects);
    state.carry_out(effects)?;
    // A kill of before the start stops and cancels again.
    state.watch_kill()?;
    let mut stats_at = 0;
    while !hot.stopping() {
        state.wait()?;
        state.watch_kill()?;
        state.take_commands()?;
        state.drive_venues()?;
        state.take_calls()?;
        state.apply(Event::Tick)?;
        // What came to nothing is kept before anybody is told that it did.
        state.dlq.flush(clock::mono_ns(), clock::epoch_ns());
        state.deliver()?;
        let at = clock::mono_ns();
        state.link.tick(at)?;
        state.beat(at);
        if at.saturating_sub(stats_at) >= STATS_PERIOD_NS {
            stats_at = at;
            let stats = state.stats();
            hot.set_stats(stats);
        }
    }
    state.finish()
}

fn fold(
    journal: &mut Journal,
    router: &mut Router,
    gateways: &mut Gateways,
    sessions: &mut [Session],
) -> Result<u64, Fault> {
    let mut after = 0;
    let mut fault = None;
    loop {
        let read = journal.read_from(after, FOLD_BATCH, |record| {
            after = record.seq;
            match entry_of(record.payload) {
                Some(entry) => {
                    if let Entry::Command { command, .. } = &entry {
                        gateways.told(command, router.report_seq(), record.payload);
                    }
                    observe(sessions, &entry);
                    router.fold(&entry);
                }
                None => fault = Some(record.seq),
            }
        })?;
        if let Some(seq) = fault {
            return Err(Fault(format!(
                "router journal: record {seq} is neither a command nor a report; restore the journal from a copy"
            )));
        }
        if read == 0 {
            return Ok(after);
        }
    }
}

/// Tells the sessions what the journal holds.
fn observe(sessions: &mut [Session], entry: &Entry) {
    for session in sessions {
        if let Some(link) = session.fix.as_mut() {
            link.desk.fold(entry);
        }
        if let Some(link) = session.rest.as_mut() {
            link.observe(entry);
        }
    }
}

fn entry_of(payload: &[u8]) -> Option<Entry> {
    let envelope = envelope::decode(payload).ok()?;
    match envelope.payload? {
        Payload::Command(command) => Some(Entry::Command { command, ts_ns: envelope.ts_event_ns }),
        Payload::Report(report) => Some(Entry::Report(report)),
        _ => None,
    }
}

impl Loop<'_> {
    fn wait(&mut self) -> Result<(), Fault> {
        let clients = self
            .sessions
            .iter()
            .flat_map(|session| [&session.api, &session.user])
            .flatten()
            .filter(|client| client.state() != WsState::Closed);
        let more = |session: &Session| session.rest.as_ref().is_some_and(|link| link.more());
        let busy = !self.waiting.is_empty()
            || self.link.has_waiting()
            || clients.clone().any(WsClient::more)
            || self.sessions.iter().any(more);
        let mut items = vec![self.link.poll_item()];
        items.extend(clients.map(ws_item));
        items.extend(self.sessions.iter().filter_map(|session| session.fix.as_ref()?.poll_item()));
        let rest = self.sessions.iter().filter_map(|session| session.rest.as_ref());
        items.extend(rest.flat_map(|link| link.poll_items()));
        self.hot.wait(items, busy, POLL_MS)
    }

    // ---------------------------------------------------------------- the gateway

    /// Commands in their order, each with its own commit. A kill does not queue behind them: before each one, what has
    /// come over the link, from the shell and from the file system is looked at. After each one the link says what is due:
    /// the commits of many orders on a busy disk take longer than a gateway waits for a heartbeat.
    fn take_commands(&mut self) -> Result<(), Fault> {
        for _ in 0..COMMANDS_PER_TURN_MAX {
            self.receive()?;
            let Some(next) = self.waiting.pop_front() else { break };
            match next {
                Waiting::Event { peer, event } => self.on_link(peer, &event),
                Waiting::Answered { peer, seq } => drop(self.acks.insert(peer, seq)),
                Waiting::Data { peer, seq, envelope } => {
                    self.acks.insert(peer, seq);
                    match envelope.map(|envelope| *envelope) {
                        Some(Envelope {
                            payload: Some(Payload::Command(command)),
                            trace_hi,
                            trace_lo,
                            span_id,
                            ..
                        }) => {
                            if matches!(command.kind(), CommandKind::New | CommandKind::ForceFlat) {
                                let trace = Trace { hi: trace_hi, lo: trace_lo, parent: span_id };
                                self.remember(&command.client_order_id, trace);
                            }
                            self.take_command(peer, command)?;
                        }
                        Some(Envelope { payload: Some(Payload::ControlEvent(event)), .. }) => {
                            self.on_control(peer, &event)?;
                        }
                        _ => self.bad_payloads += 1,
                    }
                }
            }
            self.watch_kill()?;
            self.take_calls()?;
            self.link.tick(clock::mono_ns())?;
        }
        for (peer, seq) in std::mem::take(&mut self.acks) {
            self.link.ack(peer, seq);
        }
        Ok(())
    }

    /// Takes what the link has into the queue of this turn. A kill has effect at once; its place in the queue stays, so
    /// that it is acknowledged in order, and there it changes nothing any more.
    fn receive(&mut self) -> Result<(), Fault> {
        while self.waiting.len() < COMMANDS_WAITING_MAX {
            let next = match self.link.recv(clock::mono_ns())? {
                None => return Ok(()),
                Some(LinkInput::Data { peer, seq, payload, .. }) => match Question::decode(payload) {
                    Some(question) => {
                        self.gateways.asked(peer, question);
                        Waiting::Answered { peer, seq }
                    }
                    None => Waiting::Data {
                        peer,
                        seq,
                        envelope: envelope::decode_checked(payload).ok().map(Box::new),
                    },
                },
                Some(LinkInput::Event { peer, event }) => Waiting::Event { peer, event },
            };
            if let Waiting::Data { peer, envelope: Some(envelope), .. } = &next
                && let Some(Payload::ControlEvent(event)) = &envelope.payload
                && event.action() == ControlAction::Kill
            {
                self.on_control(*peer, event)?;
            }
            self.waiting.push_back(next);
        }
        Ok(())
    }

    fn on_link(&mut self, peer: PeerId, event: &LinkEvent) {
        match event {
            LinkEvent::State { to: LinkState::Synced, .. } => {
                // Whoever comes learns of a kill that is in force.
                self.kill.announce();
                let identity = self.link.identity(peer).unwrap_or_default();
                self.hot.log("info", "gateway in step", json!({ "gateway": identity }));
                self.gateways.beat_due();
            }
            LinkEvent::State { to: LinkState::Connecting | LinkState::Stale, .. } => {
                let identity = self.link.identity(peer).unwrap_or_default();
                let text = "gateway lost: orders stay as they are";
                self.hot.log("warn", text, json!({ "gateway": identity }));
                self.gateways.beat_due();
            }
            LinkEvent::PeerRestarted { .. } if self.gateways.leads(peer) => {
                // A new gateway says with its GRANT what it has seen; until then it is told nothing.
                self.cursor = u64::MAX;
                self.gateways.gone();
            }
            _ => {}
        }
    }

    fn take_command(&mut self, peer: PeerId, command: Command) -> Result<(), Fault> {
        let grant = (command.kind() == CommandKind::Grant).then_some((
            command.gateway_epoch,
            command.holder,
            command.report_seq_seen,
        ));
        let before = self.router.leader();
        self.apply(Event::Command(command))?;
        let Some((epoch, holder, seen)) = grant else { return Ok(()) };
        if self.router.leader() == Some((epoch, holder)) {
            let other = before.is_some_and(|(_, was)| was != holder);
            self.gateways.granted(peer, if other { Some(seen) } else { None });
        }
        Ok(())
    }

    /// Tells every gateway of a pair who leads, at least each 100 ms and at once when that changes.
    fn beat(&mut self, now: u64) {
        let alive = self
            .gateways
            .leader()
            .and_then(|peer| self.link.link(peer))
            .map(|link| matches!(link.state(), LinkState::Synced | LinkState::Gap));
        let Some(beat) = self.gateways.beat(now, self.router.leader(), alive) else { return };
        let paired = |(peer, identity, _): (PeerId, &str, &_)| identity.contains(':').then_some(peer);
        let peers: Vec<PeerId> = self.link.peers().filter_map(paired).collect();
        for peer in peers {
            // One that is out of step hears the next.
            let _ = self.link.send(now, peer, &self.gateways.told_to(peer, beat).encode());
        }
    }

    fn apply(&mut self, event: Event) -> Result<(), Fault> {
        let mut effects = Vec::new();
        self.router.apply(now(), event, &mut effects);
        self.carry_out(effects)
    }

    /// Journal, commit, write, then what the writing caused, until nothing is left.
    fn carry_out(&mut self, mut effects: Vec<Effect>) -> Result<(), Fault> {
        for _ in 0..ROUNDS_MAX {
            if effects.is_empty() {
                return Ok(());
            }
            let mut sends = Vec::new();
            let at = now();
            for effect in effects.drain(..) {
                match effect {
                    Effect::Journal(entry) => self.append(at, entry)?,
                    Effect::Send(request) => sends.push(request),
                    Effect::Deliver { after_report_seq } => self.cursor = after_report_seq.saturating_add(1),
                    Effect::Letter(letter) => self.dlq.push(&letter, at.epoch_ns),
                    Effect::Note { level, text } => {
                        let level = if level == Level::Warn { "warn" } else { "info" };
                        self.hot.log(level, &text, json!({}));
                    }
                }
            }
            self.journal.commit()?;
            #[cfg(test)]
            std::thread::sleep(std::time::Duration::from_millis(self.commit_ms));
            for request in sends {
                for event in self.send(request) {
                    self.router.apply(now(), event, &mut effects);
                }
            }
        }
        Err(Fault("bug: the router core makes effects without end".into()))
    }

    fn append(&mut self, at: Now, entry: Entry) -> Result<(), Fault> {
        for link in self.sessions.iter_mut().filter_map(|session| session.rest.as_mut()) {
            link.observe(&entry);
        }
        let log_seq = self.journal.last_seq() + 1;
        let (client_order_id, ts_event_ns) = match &entry {
            Entry::Command { command, ts_ns } => (&command.client_order_id, *ts_ns),
            Entry::Report(report) => (
                &report.client_order_id,
                if report.ts_venue_ns == 0 { at.epoch_ns } else { report.ts_venue_ns },
            ),
        };
        let trace = self.traces.get(client_order_id).copied().unwrap_or_default();
        let mut envelope = Envelope {
            schema_version: 1,
            source: Source::ExecutionRouter.into(),
            trace_hi: trace.hi,
            trace_lo: trace.lo,
            span_id: ids::span_id(trace.hi, trace.lo, "router.send"),
            ts_event_ns,
            ts_recv_ns: at.epoch_ns,
            log_seq,
            payload: None,
        };
        let report_seq = match entry {
            Entry::Command { command, .. } => {
                envelope.payload = Some(Payload::Command(command));
                None
            }
            Entry::Report(report) => {
                let seq = report.report_seq;
                self.measure(at, &report, trace);
                envelope.payload = Some(Payload::Report(report));
                Some(seq)
            }
        };
        let bytes = envelope::encode(&envelope);
        self.journal.append(RECORD_ENVELOPE, &bytes, at.mono_ns, at.epoch_ns)?;
        match (report_seq, &envelope.payload) {
            (Some(seq), _) => self.keep(seq, bytes),
            (None, Some(Payload::Command(command))) => {
                self.gateways.told(command, self.router.report_seq(), &bytes);
            }
            _ => {}
        }
        Ok(())
    }

    /// Keeps the newest reports for delivery; what does not fit is read from the journal when its turn comes.
    fn keep(&mut self, seq: u64, bytes: Vec<u8>) {
        if seq != self.kept_from + self.kept.len() as u64 {
            return;
        }
        if self.kept.len() >= REPORTS_KEPT_MAX {
            if self.cursor <= self.kept_from {
                return;
            }
            self.kept.pop_front();
            self.kept_from += 1;
        }
        self.kept.push_back(bytes);
    }

    /// Hands committed reports to the gateway in their order, as far as the link takes them.
    fn deliver(&mut self) -> Result<(), Fault> {
        let Some(peer) = self.gateways.leader() else { return Ok(()) };
        // First what an earlier leader had sent, so that every report finds its order.
        while let Some(bytes) = self.gateways.next_to_adopt() {
            if self.link.send(clock::mono_ns(), peer, bytes).is_err() {
                return Ok(());
            }
            self.gateways.adopted();
        }
        for _ in 0..REPORTS_PER_TURN_MAX {
            if self.cursor > self.router.report_seq() {
                return Ok(());
            }
            let kept_end = self.kept_from + self.kept.len() as u64;
            if !(self.kept_from..kept_end).contains(&self.cursor) {
                self.refill()?;
                if self.kept_from != self.cursor || self.kept.is_empty() {
                    return Err(Fault(format!(
                        "router journal: report {} is not in it; restore the journal from a copy",
                        self.cursor
                    )));
                }
            }
            let at = usize::try_from(self.cursor - self.kept_from).unwrap_or(usize::MAX);
            let Some(bytes) = self.kept.get(at) else { return Ok(()) };
            if self.link.send(clock::mono_ns(), peer, bytes).is_err() {
                return Ok(());
            }
            self.cursor += 1;
        }
        Ok(())
    }

    /// Fills memory with the reports from the cursor on, out of the journal.
    fn refill(&mut self) -> Result<(), Fault> {
        let (cursor, mut after) = (self.cursor, 0);
        let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
        loop {
            let read = self.journal.read_from(after, FOLD_BATCH, |record| {
                after = record.seq;
                if let Some(Entry::Report(report)) = entry_of(record.payload)
                    && report.report_seq >= cursor
                    && kept.len() < REPORTS_KEPT_MAX
                {
                    kept.push_back(record.payload.to_vec());
                }
            })?;
            if read == 0 || kept.len() >= REPORTS_KEPT_MAX {
                break;
            }
        }
        (self.kept, self.kept_from) = (kept, cursor);
        Ok(())
    }

    fn remember(&mut self, id: &str, trace: Trace) {
        if trace.hi == 0 && trace.lo == 0 {
            return;
        }
        if self.traces.insert(id.to_string(), trace).is_none() {
            self.trace_order.push_back(id.to_string());
        }
        while self.trace_order.len() > TRACES_MAX {
            if let Some(old) = self.trace_order.pop_front() {
                self.traces.remove(&old);
            }
        }
    }

    /// Latency and span of an order whose bytes have left.
    fn measure(&mut self, at: Now, report: &Report, trace: Trace) {
        if report.kind() != ReportKind::Sent {
            return;
        }
        let stamps =
            [report.tick_mono_ns, report.intent_mono_ns, report.command_mono_ns, report.wire_mono_ns];
        let spans = [(0, 1), (1, 2), (2, 3), (0, 3)];
        for (slot, (from, to)) in self.latency.iter_mut().zip(spans) {
            if stamps[0] != 0 && stamps[from] != 0 && stamps[to] >= stamps[from] {
                slot.record(stamps[to] - stamps[from]);
            }
        }
        let id = ids::span_id(trace.hi, trace.lo, SEND_STAGE);
        if id == 0 || !self.spans.allows(at.mono_ns) {
            return;
        }
        let span = Span {
            name: SEND_STAGE,
            trace: (trace.hi, trace.lo),
            id,
            parent: trace.parent,
            // From the gateway's command, not from its arrival here: the way between the two is part of the sending.
            mono_ns: (report.command_mono_ns.min(report.wire_mono_ns), report.wire_mono_ns),
        };
        let attributes = json!({
            "venue.id": report.venue_id, "instrument.id": report.instrument_id, "journal.tier": self.tier,
        });
        self.hot.emit(span.event(Anchor::now(), attributes));
    }

    // ---------------------------------------------------------------- the venues

    fn row(&self, what: &What) -> Option<&Instrument> {
        let id = match what {
            What::Place { command, .. } => InstrumentId(command.instrument_id),
            What::Cancel { instrument, .. }
            | What::Amend { instrument, .. }
            | What::Status { instrument, .. }
            | What::Open { instrument }
            | What::Trades { instrument, .. } => *instrument,
            What::Time => return None,
        };
        self.table.get(id)
    }

    /// Writes one request and says what became of the write.
    fn send(&mut self, request: Request) -> Vec<Event> {
        let Request { token, venue, what, expires_mono_ns } = request;
        let asked = Asked::of(&what);
        let never = |reason| vec![Event::NotWritten { token, reason }];
        if matches!(what, What::Place { .. } | What::Amend { .. }) && self.killed_now() {
            return never(Reason::Killed);
        }
        let Some(at) = self.sessions.iter().position(|s| s.id == venue) else {
            return never(Reason::VenueUnreachable);
        };
        if self.sessions[at].fix.is_some() {
            // The last look at the clock before the bytes.
            if expires_mono_ns != 0 && clock::mono_ns() > expires_mono_ns {
                return never(Reason::TtlExpired);
            }
            return self.send_fix(at, &Request { token, venue, what, expires_mono_ns });
        }
        if self.sessions[at].rest.is_some() {
            if expires_mono_ns != 0 && clock::mono_ns() > expires_mono_ns {
                return never(Reason::TtlExpired);
            }
            return self.send_rest(at, &Request { token, venue, what, expires_mono_ns });
        }
        let instrument = self.row(&what).map(Instrument::instrument_id);
        let Session { kind, keys, .. } = &self.sessions[at];
        let text =
            binance::request(*kind, &token.to_string(), &what, self.row(&what), keys, clock::epoch_ns());
        let wire_mono_ns = clock::mono_ns();
        let Some(text) = text else {
            if matches!(asked, Asked::Place | Asked::Cancel | Asked::Amend | Asked::Status) {
                return never(Reason::UnknownInstrument);
            }
            let mut event = binance::rest(&what, self.row(&what));
            event["type"] = "rest_wanted".into();
            event["venueId"] = venue.0.into();
            event["token"] = token.into();
            self.asked.insert(token, (asked, instrument, wire_mono_ns));
            self.hot.emit(event);
            return Vec::new();
        };
        // The last look at the clock before the bytes.
        if expires_mono_ns != 0 && wire_mono_ns > expires_mono_ns {
            return never(Reason::TtlExpired);
        }
        let Some(api) = self.sessions[at].api.as_mut() else { return never(Reason::VenueUnreachable) };
        match api.send_text(&text) {
            Ok(()) => {
                self.asked.insert(token, (asked, instrument, wire_mono_ns));
                vec![Event::Written { token, wire_mono_ns: clock::mono_ns() }]
            }
            Err(SendFault::NotOpen) => never(Reason::VenueUnreachable),
            Err(SendFault::Backpressure) => never(Reason::RouterBackpressure),
            Err(SendFault::Failed(_)) => vec![Event::WriteBroken { token }],
        }
    }

    fn drive_venues(&mut self) -> Result<(), Fault> {
        for at in 0..self.sessions.len() {
            if self.sessions[at].fix.is_some() {
                self.drive_fix(at)?;
                continue;
            }
            if self.sessions[at].rest.is_some() {
                self.drive_rest(at)?;
                continue;
            }
            self.connect(at);
            let mut texts: Vec<(Stamp, Vec<u8>, bool)> = Vec::new();
            let session = &mut self.sessions[at];
            let mut fault = None;
            for (client, user) in [(&mut session.api, false), (&mut session.user, true)] {
                let Some(ws) = client.as_mut() else { continue };
                let result = ws.pump(clock::mono_ns(), |stamp, event| match event {
                    WsEvent::Text(bytes) => texts.push((stamp, bytes.to_vec(), user)),
                    WsEvent::Open => texts.push((stamp, Vec::new(), user)),
                    _ => {}
                });
                if let Err(error) = result {
                    fault = Some(format!("{}: {error}", if user { "user stream" } else { "order session" }));
                }
            }
            for (_, bytes, user) in texts {
                if bytes.is_empty() {
                    self.opened(at, user);
                } else if let Some(end) = self.on_text(at, &bytes)? {
                    fault = Some(end);
                }
                // Each may have had a commit of its own, as a command has: who listens hears that this process lives,
                // and is not taken for silent before what it said meanwhile was looked at.
                self.receive()?;
                self.link.tick(clock::mono_ns())?;
            }
            // The venue's pings keep a connection whose login it has lost.
            let login_at = self.sessions[at].login_at;
            if login_at != 0 && clock::mono_ns().saturating_sub(login_at) >= USER_LOGIN_NS {
                fault.get_or_insert_with(|| "the login of the user stream was not answered".into());
            }
            if let Some(why) = fault {
                self.failed(at, &why)?;
            }
            let session = &self.sessions[at];
            let open =
                |client: &Option<WsClient>| client.as_ref().is_some_and(|c| c.state() == WsState::Open);
            let user_ready = match session.kind {
                Venue::BinanceSpot => session.subscribed,
                Venue::BinanceUsdm => open(&session.user),
                // Refused at the start: no order session is known of it.
                Venue::BinanceCoinm | Venue::Alpaca | Venue::AlpacaCrypto | Venue::Shioaji | Venue::Fix => {
                    false
                }
            };
            if !session.up && open(&session.api) && user_ready {
                self.venue_up(at)?;
            }
        }
        // Answers that never came are forgotten with the core's own bound.
        let oldest = clock::mono_ns().saturating_sub(2 * tidegate_router::limits::LATE_ANSWER_NS);
        self.asked.retain(|_, (_, _, sent)| *sent >= oldest);
        for link in self.sessions.iter_mut().filter_map(|session| session.fix.as_mut()) {
            link.forget(oldest);
        }
        for link in self.sessions.iter_mut().filter_map(|session| session.rest.as_mut()) {
            link.forget(oldest);
        }
        Ok(())
    }

    /// A venue is ready for orders.
    fn venue_up(&mut self, at: usize) -> Result<(), Fault> {
        let session = &mut self.sessions[at];
        let venue = session.id;
        (session.up, session.opens) = (true, session.opens + 1);
        session.backoff.reset();
        self.hot.log("info", "venue up", json!({ "venue": venue.0 }));
        self.apply(Event::VenueUp { venue })
    }

    fn connect(&mut self, at: usize) {
        let now = clock::mono_ns();
        let session = &mut self.sessions[at];
        if now < session.retry_at {
            return;
        }
        let mut failed = None;
        if session.api.is_none() {
            match WsClient::connect(&session.settings.api_url, ConnectOptions::default(), now) {
                Ok(client) => session.api = Some(client),
                Err(error) => failed = Some(error.to_string()),
            }
        }
        if session.kind == Venue::BinanceUsdm && session.user.is_none() && failed.is_none() {
            match &session.listen_key {
                Some(key) => {
                    let host = session.settings.user_stream_url.trim_end_matches('/');
                    let url = format!("{host}/private/ws?listenKey={key}");
                    match WsClient::connect(&url, ConnectOptions::default(), now) {
                        Ok(client) => session.user = Some(client),
                        Err(error) => failed = Some(error.to_string()),
                    }
                }
                None if session.key_asked_at == 0
                    || now.saturating_sub(session.key_asked_at) >= LISTEN_KEY_RETRY_NS =>
                {
                    session.key_asked_at = now;
                    self.hot.emit(json!({ "type": "listen_key_wanted", "venueId": session.id.0 }));
                }
                None => {}
            }
        }
        if let Some(why) = failed {
            session.failures += 1;
            session.last_fault = why;
            session.retry_at = session.backoff.next_at(now);
        }
    }

    fn opened(&mut self, at: usize, user: bool) {
        let session = &mut self.sessions[at];
        if !user
            && session.kind == Venue::BinanceSpot
            && let Some(api) = session.api.as_mut()
        {
            let text = binance::subscribe(&session.keys, clock::epoch_ns());
            // A refusal to write ends in a failed pump, or with the login that is not answered.
            let _ = api.send_text(&text);
            session.login_at = clock::mono_ns();
        }
    }

    fn failed(&mut self, at: usize, why: &str) -> Result<(), Fault> {
        let session = &mut self.sessions[at];
        // Both go: order entry without the user stream would miss fills.
        (session.api, session.user, session.listen_key) = (None, None, None);
        (session.subscribed, session.key_asked_at, session.login_at) = (false, 0, 0);
        if let Some(link) = session.fix.as_mut() {
            link.end();
        }
        let unsent = session.rest.as_mut().map(|link| link.end()).unwrap_or_default();
        session.failures += 1;
        session.last_fault = why.to_string();
        session.retry_at = session.backoff.next_at(clock::mono_ns());
        let (venue, was_up) = (session.id, std::mem::replace(&mut session.up, false));
        for token in unsent {
            self.apply(Event::NotWritten { token, reason: Reason::VenueUnreachable })?;
        }
        self.hot.log("warn", "venue down", json!({ "venue": venue.0, "why": why }));
        if was_up {
            self.apply(Event::VenueDown { venue, text: why.to_string() })?;
        }
        Ok(())
    }

    /// One message of a venue. Returns why the session must end, where it must.
    fn on_text(&mut self, at: usize, bytes: &[u8]) -> Result<Option<String>, Fault> {
        let venue = self.sessions[at].id;
        let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
            // It may have been the answer to anything: everything that is open is asked for.
            self.hot.log("warn", "the venue sent no JSON", json!({ "venue": venue.0 }));
            self.apply(Event::Garbled { venue })?;
            return Ok(None);
        };
        for usage in binance::usages(&body) {
            self.apply(Event::Usage { venue, usage })?;
        }
        if let Some(id) = body["id"].as_str() {
            let status = body["status"].as_u64().unwrap_or(0);
            if let Some(ns) = binance::blocked_for_ns(status, &body["error"], clock::epoch_ns()) {
                self.blocked(venue, ns)?;
            }
            if id == binance::SUBSCRIBE_ID {
                if status != 200 {
                    return Ok(Some(format!("the user stream was refused: {}", body["error"])));
                }
                (self.sessions[at].subscribed, self.sessions[at].login_at) = (true, 0);
                return Ok(None);
            }
            let Ok(token) = id.parse::<u64>() else { return Ok(None) };
            let result = if status == 200 { &body["result"] } else { &body["error"] };
            self.answered(token, status, result)?;
            return Ok(None);
        }
        let event = if body["event"].is_object() { &body["event"] } else { &body };
        match binance::user_event(venue, &self.table, event) {
            User::Exec(instrument, exec) => self.apply(Event::Exec { venue, instrument, exec })?,
            User::Ends(why) => return Ok(Some(format!("the venue ends the session: {why}"))),
            User::Other => {}
            User::Garbled(text) => {
                self.hot.log(
                    "warn",
                    "an order event cannot be read",
                    json!({ "venue": venue.0, "event": text }),
                );
                self.apply(Event::Garbled { venue })?;
            }
        }
        Ok(None)
    }

    /// The venue wants silence: here, and in the shell's requests to the same account.
    fn blocked(&mut self, venue: VenueId, for_ns: u64) -> Result<(), Fault> {
        self.hot.emit(
            json!({ "type": "venue_blocked", "venueId": venue.0, "forMs": for_ns.div_ceil(1_000_000) }),
        );
        self.apply(Event::Blocked { venue, until_mono_ns: clock::mono_ns().saturating_add(for_ns) })
    }

    fn answered(&mut self, token: u64, status: u64, body: &Value) -> Result<(), Fault> {
        let Some((asked, instrument, _)) = self.asked.remove(&token) else { return Ok(()) };
        let row = instrument.and_then(|id| self.table.get(id));
        let answer = binance::answer(asked, row, status, body);
        self.apply(Event::Answer { token, answer })
    }

    // ---------------------------------------------------------------- the shell

    fn take_calls(&mut self) -> Result<(), Fault> {
        let calls: Vec<Call> = self.hot.calls().collect();
        for call in calls {
            let answer = self.call(&call)?;
            call.answer(answer);
        }
        Ok(())
    }

    fn call(&mut self, call: &Call) -> Result<Value, Fault> {
        match call.request["op"].as_str() {
            Some("listen_key") => {
                let venue = call.request["venueId"].as_u64().unwrap_or(0);
                let key = call.request["key"].as_str().unwrap_or("");
                let Some(session) = self.sessions.iter_mut().find(|s| u64::from(s.id.0) == venue) else {
                    return Ok(json!({ "error": "no such venue" }));
                };
                if key.is_empty() {
                    return Ok(json!({ "error": "no key" }));
                }
                session.listen_key = Some(key.to_string());
                Ok(json!({ "ok": true }))
            }
            Some("rest") => {
                let token = call.request["token"].as_u64().unwrap_or(0);
                let status = call.request["status"].as_u64().unwrap_or(0);
                match serde_json::from_slice::<Value>(&call.body) {
                    Ok(body) => self.answered(token, status, &body)?,
                    Err(_) => {
                        if let Some((asked, ..)) = self.asked.remove(&token) {
                            let text = format!("status {status} without JSON");
                            let answer: Answer = binance::unclear(asked, text);
                            self.apply(Event::Answer { token, answer })?;
                        }
                    }
                }
                Ok(json!({ "ok": true }))
            }
            Some("limits") => {
                let venue = call.request["venueId"].as_u64().and_then(|id| u32::try_from(id).ok());
                let venue = VenueId(venue.unwrap_or(0));
                if let Some(count) = call.request["usedWeight"].as_u64() {
                    let count = usize::try_from(count).unwrap_or(usize::MAX);
                    let window_ns = tidegate_router::limits::WEIGHT_WINDOW_NS;
                    let usage = Usage { kind: UsageKind::Weight, window_ns, limit: 0, count };
                    self.apply(Event::Usage { venue, usage })?;
                }
                if let Some(ms) = call.request["blockedMs"].as_u64() {
                    let until_mono_ns = clock::mono_ns().saturating_add(ms.saturating_mul(1_000_000));
                    self.apply(Event::Blocked { venue, until_mono_ns })?;
                }
                Ok(json!({ "ok": true }))
            }
            Some("kill") => {
                let text = |key: &str| call.request[key].as_str().unwrap_or_default();
                self.kill(text("principal"), text("reason"));
                Ok(json!({ "ok": true, "killed": self.kill.shown() }))
            }
            Some("mass_cancelled") => {
                self.kill.mass_cancel = call.request["report"].clone();
                Ok(json!({ "ok": true }))
            }
            // Somebody who looked at the venue saw what this loop did not hear of: every open order is asked for.
            Some("look_again") => {
                let venue = call.request["venueId"].as_u64().and_then(|id| u32::try_from(id).ok());
                self.apply(Event::Garbled { venue: VenueId(venue.unwrap_or(0)) })?;
                Ok(json!({ "ok": true }))
            }
            Some("unfinished") => {
                let rows: Vec<Value> = self
                    .router
                    .unfinished()
                    .into_iter()
                    .map(|u| json!({ "clientOrderId": u.id.to_string(), "venueId": u.venue.0, "missing": u.missing }))
                    .collect();
                Ok(json!({ "orders": rows }))
            }
            Some("orphans") => {
                let row = |o: &Orphan| {
                    json!({
                        "venueId": o.venue.0, "instrumentId": o.instrument.0, "venueOrderId": o.venue_order_id,
                        "execId": o.fill.exec_id, "side": o.side.map(|side| format!("{side:?}")), "pxTicks": o.fill.px_ticks,
                        "qtyLots": o.fill.qty_lots, "clientOrderId": o.id.map(|id| id.to_string()), "refused": o.refused,
                        "ageMs": clock::mono_ns().saturating_sub(o.since_ns) / 1_000_000,
                    })
                };
                Ok(json!({ "orphans": self.router.orphans().iter().map(row).collect::<Vec<_>>() }))
            }
            _ => Ok(
                json!({ "error": "unknown op; want listen_key, rest, limits, kill, mass_cancelled, look_again, unfinished or orphans" }),
            ),
        }
    }

    fn stats(&mut self) -> Value {
        let more = self.queue_stats();
        let mut stats = self.order_stats();
        if let (Value::Object(all), Value::Object(more)) = (&mut stats, more) {
            all.extend(more);
        }
        stats
    }

    /// Budgets, queue, breakers, and what came to nothing.
    fn queue_stats(&mut self) -> Value {
        let at = now();
        let s = self.router.stats();
        let budgets: Vec<Value> = self
            .router
            .budgets(at)
            .into_iter()
            .map(|shown| {
                let blocked_ns = shown.blocked_until_ns.saturating_sub(at.mono_ns);
                json!({ "venue": shown.venue.0, "orders": shown.orders.0, "ordersMax": shown.orders.1,
                    "weight": shown.weight.0, "weightMax": shown.weight.1, "blockedMs": blocked_ns / 1_000_000 })
            })
            .collect();
        let illegal: serde_json::Map<String, Value> = self
            .router
            .illegal_steps()
            .iter()
            .map(|(what, count)| (what.name().to_string(), (*count).into()))
            .collect();
        let breakers: serde_json::Map<String, Value> = self
            .router
            .breakers_open()
            .into_iter()
            .map(|(name, state)| (name, state.name().into()))
            .collect();
        json!({
            "blocks": s.blocks, "budgets": budgets, "waiting": self.router.waiting(), "evicted": s.evicted,
            "expired": s.expired, "superseded": s.superseded, "breakerRefused": s.breaker_refused,
            "amendsSent": s.amends_sent, "orphans": self.router.orphans().len(), "orphansAdopted": s.orphans_adopted,
            "orphansLost": s.orphans_lost, "illegalSteps": illegal, "breakers": breakers, "dlq": self.dlq.shown(),
        })
    }

    fn order_stats(&self) -> Value {
        let s = self.router.stats();
        let latency_us: serde_json::Map<String, Value> =
            STAGES.iter().zip(&self.latency).map(|(name, l)| ((*name).to_string(), l.stats())).collect();
        let venues: Vec<Value> = self
            .sessions
            .iter()
            .map(|v| {
                json!({ "id": v.id.0, "name": v.kind.name(), "state": v.state(), "opens": v.opens,
                    "failures": v.failures, "lastFault": v.last_fault })
            })
            .collect();
        let gateway = self.gateways.leader().and_then(|p| self.link.link(p)).map(|l| l.state().name());
        let up = !self.sessions.is_empty() && self.sessions.iter().all(|v| v.up);
        let leader = self.router.leader();
        json!({
            "state": if up { "UP" } else { "CONNECTING" },
            "events": s.commands + s.reports,
            "lag": (self.router.report_seq() + 1).saturating_sub(self.cursor),
            "latency": latency_us.get("command_to_wire"),
            "latency_us": latency_us,
            "tier": self.tier,
            "spansNotTold": self.spans.not_told(),
            "gateway": gateway.unwrap_or("CONNECTING"),
            "killed": self.kill.shown(),
            "killRefused": s.kill_refused,
            "massCancel": self.kill.cancelled(&self.own_sweeps(), self.sessions.iter().any(|v| !v.own())),
            "leaderEpoch": leader.map_or(0, |(epoch, _)| epoch),
            "commands": s.commands, "commandsRepeated": s.commands_repeated, "fenced": s.fenced,
            "placed": s.placed, "cancelsSent": s.cancels_sent, "neverSent": s.never_sent,
            "unknown": s.unknown, "dead": s.dead, "queries": s.queries, "fills": s.fills,
            "fillsRepeated": s.fills_repeated, "foreign": s.foreign, "rateRefused": s.rate_refused,
            "reports": s.reports, "reportSeq": self.router.report_seq(), "openOrders": self.router.open_orders(),
            "requestsInFlight": self.router.requests_in_flight(), "unfinished": self.router.unfinished().len(),
            "badPayloads": self.bad_payloads, "journalSeq": self.journal.committed_seq(), "venues": venues,
        })
    }

    /// Reads what the venues have already answered, tells the gateway, and leaves in order. Orders stay at the venues.
    fn finish(mut self) -> Result<(), Fault> {
        self.take_commands()?;
        self.drive_venues()?;
        self.dlq.flush(clock::mono_ns(), clock::epoch_ns());
        self.deliver()?;
        for session in &mut self.sessions {
            for client in [&mut session.api, &mut session.user].into_iter().flatten() {
                client.close();
            }
            if let Some(link) = session.fix.as_mut() {
                link.logout();
            }
            if let Some(link) = session.rest.as_mut() {
                link.close();
            }
        }
        self.link.bye();
        self.link.tick(clock::mono_ns())?;
        let stats = self.stats();
        self.hot.set_stats(stats);
        let Self { link, journal, .. } = self;
        link.close();
        journal.close()?;
        Ok(())
    }
}
