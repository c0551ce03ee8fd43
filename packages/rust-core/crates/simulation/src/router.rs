//! The router's process: the real core and journal, its links to both gateways and its session at the venue.

mod carry;

use crate::disk::{Disk, Mount};
use crate::faults::Fault;
use crate::gateway::new_link;
use crate::world::{Ev, MS, World, port};
use std::collections::{BTreeMap, VecDeque};
use tidegate_bus::link::{Link, LinkEvent, LinkState, Received};
use tidegate_journal::{Journal, JournalConfig, Tier};
use tidegate_leadership::limits::BEAT_PERIOD_NS;
use tidegate_leadership::{Beat, Question};
use tidegate_mutants::{Bug, planted};
use tidegate_router::limits::RECV_WINDOW_NS;
use tidegate_router::{Answer, Effect, Entry, Event, Now, Request, Router, VenueConfig, What};
use tidegate_units::{IntentId, VenueId};
use tidegate_wire::envelope;
use tidegate_wire::ids::client_order_id;
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{Command, CommandKind, ReportKind};

pub(crate) const STEPS: u8 = 6;
const INPUTS_PER_TURN: usize = 256;
const INBOX_MAX: usize = 60_000;
const DELIVER_PER_TURN: usize = 256;
const ROUNDS_MAX: usize = 64;
const KIND_ENVELOPE: u8 = 1;

#[derive(Debug)]
pub(crate) enum RtInput {
    Frame(u8, Vec<u8>),
    Closed(u8),
    Answer { connection: u64, token: u64, answer: Answer },
    Event { connection: u64, event: Event },
    Latch(bool),
}

/// The machine the router runs on.
#[derive(Debug)]
pub(crate) struct RtHost {
    pub disk: Disk,
    session: u32,
    pub life: u64,
    pub paused_until: u64,
    pub wall_off_ns: i64,
    pub fail_at: Option<u8>,
    /// The kill latch, as the file beside the journal has it.
    pub latched: bool,
    pub node: Option<Box<RtNode>>,
    inbox: VecDeque<RtInput>,
    scheduled: bool,
    /// The highest report that has left.
    reported: u64,
}

impl RtHost {
    pub fn new() -> Self {
        Self {
            disk: Disk::default(),
            session: 0,
            life: 0,
            paused_until: 0,
            wall_off_ns: 0,
            fail_at: None,
            latched: false,
            node: None,
            inbox: VecDeque::new(),
            scheduled: false,
            reported: 0,
        }
    }
}

/// One life of the router.
#[derive(Debug)]
pub(crate) struct RtNode {
    pub router: Router,
    journal: Journal<Mount>,
    links: [Link; 2],
    /// All its records, as its journal has them.
    entries: Vec<Entry>,
    /// Who is told, and the record that comes next.
    cursor: Option<(usize, usize)>,
    /// Commands up to here are told too: the new leader may not know them.
    copies_before: usize,
    /// The grant that is answered, to be copied before anything else.
    answering: Option<Vec<u8>>,
    fences: Vec<(usize, Vec<u8>)>,
    acks: [Option<u64>; 2],
    /// The time in the last question of each gateway.
    asked_ns: [u64; 2],
    beat_ns: u64,
    beat_due: bool,
    connection: Option<u64>,
    places: BTreeMap<u64, Request>,
    ticked_ns: u64,
    from: Option<usize>,
}

impl RtNode {
    /// What the router's journal has of the order of one intent, for the story of a violation.
    pub fn about_intent(&self, intent: u128) -> Vec<String> {
        let id = client_order_id(intent, 0, 0);
        let line = |entry: &Entry| match entry {
            Entry::Command { command, .. } if command.client_order_id == id => Some(format!(
                "router: {} {} of epoch {} for {} lots",
                command.kind().as_str_name(),
                command.command_seq,
                command.gateway_epoch,
                command.qty_lots
            )),
            Entry::Report(report) if report.client_order_id == id => Some(format!(
                "router: report {} {} {} cum {} answers {} {}",
                report.report_seq,
                report.kind().as_str_name(),
                report.reason().as_str_name(),
                report.cum_qty_lots,
                report.command_seq,
                report.venue_text
            )),
            _ => None,
        };
        self.entries.iter().filter_map(line).collect()
    }
}

fn encode(entry: &Entry, log_seq: u64, epoch_ns: i64) -> Vec<u8> {
    let (payload, ts_event_ns) = match entry {
        Entry::Command { command, ts_ns } => (Payload::Command(command.clone()), *ts_ns),
        Entry::Report(report) => (Payload::Report(report.clone()), epoch_ns),
    };
    envelope::encode(&Envelope {
        schema_version: 1,
        source: Source::ExecutionRouter.into(),
        ts_event_ns,
        ts_recv_ns: epoch_ns,
        log_seq,
        payload: Some(payload),
        ..Envelope::default()
    })
}

fn entry_of(payload: &[u8]) -> Option<Entry> {
    let envelope = envelope::decode(payload).ok()?;
    match envelope.payload? {
        Payload::Command(command) => Some(Entry::Command { command, ts_ns: envelope.ts_event_ns }),
        Payload::Report(report) => Some(Entry::Report(report)),
        _ => None,
    }
}

impl World {
    fn rt_now(&self) -> Now {
        Now { mono_ns: self.mono(), epoch_ns: self.wall(self.rt.wall_off_ns) }
    }

    pub fn rt_input(&mut self, input: RtInput) {
        if self.rt.node.is_none() {
            return;
        }
        if self.rt.inbox.len() >= INBOX_MAX {
            self.truth.violate("I12", self.now, format!("the router has {INBOX_MAX} inputs waiting"));
            return;
        }
        self.rt.inbox.push_back(input);
        self.rt_wake();
    }

    pub fn rt_wake(&mut self) {
        if self.rt.node.is_none() || self.rt.scheduled || self.rt.paused_until > self.now {
            return;
        }
        self.rt.scheduled = true;
        let life = self.rt.life;
        self.after(20_000, Ev::RtTurn(life));
    }

    pub fn rt_boot(&mut self) {
        if self.rt.node.is_some() {
            return;
        }
        self.rt.life += 1;
        self.rt.session += 1;
        self.rt.disk.released();
        let config = JournalConfig {
            stream_name: "router.journal".into(),
            cluster: [7; 16],
            segment_bytes: self.opts.segment_bytes,
            tier: self.opts.tier,
        };
        let opened = Journal::open_on(self.rt.disk.mount(), config);
        if self.rt.disk.take_killed() || self.rt.disk.take_failed() {
            self.after(20 * MS, Ev::RtBoot);
            return;
        }
        let mut journal = match opened {
            Ok((journal, _)) => journal,
            Err(fault) => {
                self.truth.violate("I3", self.now, format!("the router cannot open its journal: {fault}"));
                return;
            }
        };
        let venues: Vec<VenueConfig> =
            [1, 2].map(|id| VenueConfig::new(VenueId(id), self.opts.orders_per_10s)).to_vec();
        let instruments = self.table.iter().map(|row| (row.instrument_id(), row.venue()));
        let mut router = Router::new(&venues, instruments, true);
        let mut entries = Vec::new();
        let read = journal.read_from(0, usize::MAX, |record| entries.extend(entry_of(record.payload)));
        if read.ok() != Some(entries.len()) || entries.len() as u64 != journal.last_seq() {
            self.truth.violate("I3", self.now, "the router cannot read its journal".into());
        }
        for entry in &entries {
            router.fold(entry);
        }
        if router.report_seq() < self.rt.reported {
            let text = format!(
                "the router restarts at report {} and had told {}",
                router.report_seq(),
                self.rt.reported
            );
            self.truth.violate("I3", self.now, text);
        }
        let (session, window) = (self.rt.session, self.opts.link_window);
        let links = [0, 1].map(|g| new_link(port::CMD_RT + g, session, window));
        let node = RtNode {
            router,
            journal,
            links,
            copies_before: 0,
            answering: None,
            cursor: None,
            entries,
            fences: Vec::new(),
            acks: [None; 2],
            asked_ns: [0; 2],
            beat_ns: 0,
            beat_due: true,
            connection: None,
            places: BTreeMap::new(),
            ticked_ns: 0,
            from: None,
        };
        let mut node = Box::new(node);
        let now = self.rt_now();
        let mut effects = Vec::new();
        node.router.recovered(now, &mut effects);
        node.router.apply(now, Event::Kill { latched: self.rt.latched }, &mut effects);
        self.note(|| format!("the router starts with {} records", node.entries.len()));
        let alive = self.rt_carry_out(&mut node, effects);
        self.rt.node = Some(node);
        self.rt.scheduled = false;
        self.rt.inbox.clear();
        if let Err(wait) = alive {
            return self.rt_crash(wait);
        }
        self.after(10 * MS, Ev::VenueConnect);
        self.rt_wake();
    }

    pub fn rt_crash(&mut self, restart_ns: u64) {
        if self.rt.node.take().is_none() {
            return;
        }
        self.rt.life += 1;
        self.rt.inbox.clear();
        (self.rt.scheduled, self.rt.fail_at, self.rt.paused_until) = (false, None, 0);
        self.rt.disk.released();
        self.connected = false;
        self.note(|| "the router dies".into());
        self.closed(2);
        self.after(restart_ns, Ev::RtBoot);
    }

    fn rt_fails(&mut self, step: u8) -> Result<(), u64> {
        if self.rt.fail_at != Some(step) || self.healed {
            return Ok(());
        }
        self.rt.fail_at = None;
        self.inject(Fault::F2);
        Err(self.chance.range(5 * MS, 800 * MS))
    }

    pub fn rt_turn(&mut self, life: u64) {
        if self.rt.life != life {
            return;
        }
        self.rt.scheduled = false;
        if self.rt.paused_until > self.now {
            return;
        }
        let Some(mut node) = self.rt.node.take() else { return };
        let alive = self.rt_stage(&mut node);
        self.rt.node = Some(node);
        if let Err(wait) = alive {
            return self.rt_crash(wait);
        }
        if !self.rt.inbox.is_empty() {
            self.rt_wake();
        }
    }

    fn rt_stage(&mut self, node: &mut RtNode) -> Result<(), u64> {
        self.rt_fails(0)?;
        let now = self.mono();
        if node.connection != self.connected.then_some(self.connection) {
            self.rt_session(node)?;
        }
        for _ in 0..INPUTS_PER_TURN {
            let Some(input) = self.rt.inbox.pop_front() else { break };
            self.rt_take(node, input)?;
        }
        if now.saturating_sub(node.ticked_ns) >= 10 * MS {
            node.ticked_ns = now;
            self.rt_apply(node, Event::Tick)?;
        }
        self.rt_fails(5)?;
        self.rt_deliver(node);
        self.rt_beat(node);
        for g in 0..2 {
            if let Some(seq) = node.acks[g].take() {
                node.links[g].ack(seq);
            }
            let mut frames = Vec::new();
            node.links[g].poll(now, &mut |frame| {
                frames.push(frame.to_vec());
                true
            });
            for frame in frames {
                self.send(port::CMD_RT + g as u8, frame);
            }
        }
        Ok(())
    }

    /// Tells both gateways who leads: each 100 ms, and at once when one of them asks.
    fn rt_beat(&mut self, node: &mut RtNode) {
        let now = self.mono();
        if !std::mem::take(&mut node.beat_due) && now.saturating_sub(node.beat_ns) < BEAT_PERIOD_NS {
            return;
        }
        node.beat_ns = now;
        let (epoch, holder) = node.router.leader().unwrap_or((0, 0));
        let leader_alive = node
            .cursor
            .is_some_and(|(g, _)| matches!(node.links[g].state(), LinkState::Synced | LinkState::Gap));
        for g in 0..2 {
            let beat =
                Beat { epoch, holder, leader_alive, identity: self.identity, asked_ns: node.asked_ns[g] };
            // One that is out of step hears the next.
            let _ = node.links[g].send(now, &beat.encode());
        }
    }

    fn rt_session(&mut self, node: &mut RtNode) -> Result<(), u64> {
        if node.connection.take().is_some() {
            for venue in [1, 2] {
                self.rt_apply(node, Event::VenueDown { venue: VenueId(venue), text: "gone".into() })?;
            }
        }
        if self.connected {
            node.connection = Some(self.connection);
            for venue in [1, 2] {
                self.rt_apply(node, Event::VenueUp { venue: VenueId(venue) })?;
            }
        }
        Ok(())
    }

    fn rt_take(&mut self, node: &mut RtNode, input: RtInput) -> Result<(), u64> {
        let now = self.mono();
        match input {
            RtInput::Frame(at, bytes) => {
                let g = usize::from(at - port::CMD_RT);
                let payload = match node.links[g].on_frame(now, &bytes) {
                    Received::Data { seq, payload, .. } => Some((seq, payload.to_vec())),
                    Received::Nothing => None,
                };
                self.rt_link_events(node, g);
                let Some((seq, payload)) = payload else { return Ok(()) };
                node.acks[g] = Some(seq);
                if let Some(question) = Question::decode(&payload) {
                    node.asked_ns[g] = question.asked_ns;
                    node.beat_due = true;
                    return Ok(());
                }
                match envelope::decode_checked(&payload).map(|e| e.payload) {
                    Ok(Some(Payload::Command(command))) => {
                        // A gateway of another build is refused before its words count.
                        let grant = command.kind() == CommandKind::Grant;
                        if grant && self.gw[g].build != self.identity.build && !planted(Bug::SkewLeads) {
                            return Ok(());
                        }
                        node.from = Some(g);
                        self.rt_apply(node, Event::Command(command))
                    }
                    other => {
                        self.truth.violate("I1", self.now, format!("gateway {g} sent {other:?}"));
                        Ok(())
                    }
                }
            }
            RtInput::Closed(at) => {
                let g = usize::from(at - port::CMD_RT);
                node.links[g].disconnected();
                self.rt_link_events(node, g);
                Ok(())
            }
            RtInput::Answer { connection, token, answer } => {
                if node.connection != Some(connection) {
                    return Ok(());
                }
                let place = node.places.remove(&token);
                if planted(Bug::RetryAfterUnclear)
                    && matches!(answer, Answer::Unclear { .. })
                    && let Some(request) = place
                {
                    self.rt_write(node, request);
                    return Ok(());
                }
                self.rt_apply(node, Event::Answer { token, answer })
            }
            RtInput::Event { connection, event } => {
                if node.connection != Some(connection) {
                    return Ok(());
                }
                self.rt_apply(node, event)
            }
            RtInput::Latch(latched) => {
                self.rt.latched = latched;
                self.rt_apply(node, Event::Kill { latched })
            }
        }
    }

    fn rt_link_events(&mut self, node: &mut RtNode, g: usize) {
        while let Some(event) = node.links[g].next_event() {
            if matches!(event, LinkEvent::PeerRestarted { .. }) && node.cursor.is_some_and(|(to, _)| to == g)
            {
                node.cursor = None;
            }
        }
    }
}

pub(crate) fn intent_of(command: &Command) -> IntentId {
    command.intent_id.map_or(IntentId(0), |id| IntentId::from_halves(id.hi, id.lo))
}
