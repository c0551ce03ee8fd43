//! The gateway's process: the real core, journal, links and leadership in a loop that can be stopped at every step.

use crate::disk::{Disk, Mount};
use crate::faults::Fault;
use crate::mirror::{Mirror, Scene};
use crate::rng::mix;
use crate::world::{Ev, MS, World, port};
use std::collections::{BTreeMap, VecDeque};
use tidegate_bus::link::{Link, LinkConfig, LinkEvent, LinkState, Received};
use tidegate_journal::{Journal, JournalConfig, JournalFault, Tier};
use tidegate_leadership::{
    Beat, Follower, Gate, Identity, Input, LeaseReply, Node, NodeConfig, Output, Proof, Release, ReleaseRule,
    ToFollower, ToLeader, record_hash,
};
use tidegate_mutants::{Bug, planted};
use tidegate_risk::{Bounds, Destination, Effect, Effects, Event, Gateway, Now, Trace};
use tidegate_units::{InstrumentId, StrategyId};
use tidegate_wire::envelope;
use tidegate_wire::pb::control::v1::ControlEvent;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{CommandKind, Decision, IntentKind, ReportKind};

/// Steps at which the process may die.
pub(crate) const STEPS: u8 = 14;
const INPUTS_PER_TURN: usize = 256;
const INBOX_MAX: usize = 60_000;
const OUTBOX_MAX: usize = 4_096;
const FEED_PER_TURN: usize = 64;
const KIND_ENVELOPE: u8 = 1;
const TICK_NS: u64 = 10 * MS;

/// What comes to a gateway from outside.
#[derive(Debug)]
pub(crate) enum GwInput {
    Frame(u8, Vec<u8>),
    Closed(u8),
    Beat(Beat),
    Lease(LeaseReply),
    Control(ControlEvent),
    Touch { instrument: u32, bid: Option<i64>, ask: Option<i64>, valid: bool },
    FeedLost { instrument: u32 },
    HandOver,
}

/// The machine a gateway runs on: what outlives its process.
#[derive(Debug)]
pub(crate) struct GwHost {
    pub disk: Disk,
    pub session: u32,
    pub life: u64,
    pub paused_until: u64,
    pub wall_off_ns: i64,
    pub build: u64,
    pub slow_until: u64,
    pub stalled_until: u64,
    pub fail_at: Option<u8>,
    pub node: Option<Box<GwNode>>,
    inbox: VecDeque<GwInput>,
    scheduled: bool,
    busy: bool,
    /// The highest record of this disk whose effects have left.
    pub released: u64,
    /// Its records by a running hash, to know an altered one.
    chain: Vec<u64>,
    /// The medium was damaged since the last start: what it lost is no fault of the process.
    pub damaged: bool,
    /// An old copy of the disk with its chain.
    old: Option<(u64, Disk, Vec<u64>)>,
}

impl GwHost {
    pub fn new() -> Self {
        Self {
            disk: Disk::default(),
            session: 0,
            life: 0,
            paused_until: 0,
            wall_off_ns: 0,
            build: 1,
            slow_until: 0,
            stalled_until: 0,
            fail_at: None,
            node: None,
            inbox: VecDeque::new(),
            scheduled: false,
            busy: false,
            released: 0,
            chain: Vec::new(),
            damaged: false,
            old: None,
        }
    }

    fn chained(&mut self, payload: &[u8]) {
        let last = self.chain.last().copied().unwrap_or(7);
        self.chain.push(chain(last, payload));
    }

    /// Keeps a copy of the disk, to start on it some day.
    pub fn remember(&mut self, now_ns: u64) {
        if self.old.is_none() {
            self.old = Some((now_ns, self.disk.copied(), self.chain.clone()));
        }
    }

    /// Starts the next life on the copy. False where there is none that is old enough to tell.
    pub fn put_old(&mut self, now_ns: u64) -> bool {
        if self.old.as_ref().is_none_or(|(at, _, _)| now_ns - at < 300 * MS) {
            return false;
        }
        let Some((_, disk, chain)) = self.old.take() else { return false };
        self.released = self.released.min(chain.len() as u64);
        (self.disk, self.chain, self.damaged) = (disk, chain, true);
        true
    }
}

fn chain(last: u64, payload: &[u8]) -> u64 {
    payload.chunks(8).fold(mix(last), |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}

/// One life of a gateway.
#[derive(Debug)]
pub(crate) struct GwNode {
    pub journal: Journal<Mount>,
    pub core: Gateway,
    pub node: Node,
    pub mirror: Mirror,
    release: Release,
    cmd: Link,
    tail_srv: Link,
    tail_cli: Link,
    intents: Vec<Link>,
    out: Effects,
    waiting: VecDeque<Effect>,
    outbox: VecDeque<Vec<u8>>,
    follower: Follower,
    /// It writes its own records: a leader, or one that asks to be.
    active: bool,
    holder: u64,
    gate: Gate,
    attach_at: u64,
    fed: Option<u64>,
    caught_up: bool,
    proofs: VecDeque<Proof>,
    proof_at: u64,
    router_known: bool,
    router_restarted: bool,
    report_ack: Option<u64>,
    intent_acks: Vec<Option<u64>>,
    srv_ack: Option<u64>,
    cli_ack: Option<u64>,
    tell_all: Vec<bool>,
    wall_ns: i64,
    ticked_ns: u64,
    touches: BTreeMap<u32, (i64, u64)>,
    lonely_since: u64,
    hand_over: bool,
    // The lease by the plainest reading of its rule, to hold the decisions against.
    lease_sent: BTreeMap<u64, u64>,
    lease_proof: Option<u64>,
    beat: Option<(u64, Beat)>,
    bare_since: u64,
    led: bool,
    committed: u64,
}

impl GwNode {
    fn link(&mut self, at: u8) -> Option<&mut Link> {
        match at {
            0..2 => Some(&mut self.cmd),
            4..6 => Some(&mut self.tail_srv),
            6..8 => Some(&mut self.tail_cli),
            8..16 => self.intents.get_mut(usize::from((at - port::INT_GW) % 4)),
            _ => None,
        }
    }

    fn room(&self) -> usize {
        let credits = if self.cmd.state() == LinkState::Synced { self.cmd.credits() } else { 0 };
        credits.saturating_sub(self.outbox.len())
    }
}

fn link(name: u8, session: u32, window: u32) -> Link {
    Link::new(LinkConfig { link_id: 1 + u32::from(name.min(port::peer(name))), epoch: session, window })
}

/// A fresh end of a link.
pub(crate) fn new_link(at: u8, session: u32, window: u32) -> Link {
    link(at, session, window)
}

impl World {
    fn journal_config(&self) -> JournalConfig {
        JournalConfig {
            stream_name: "gateway.journal".into(),
            cluster: [7; 16],
            segment_bytes: self.opts.segment_bytes,
            tier: self.opts.tier,
        }
    }

    /// Reads a record into a node's mirror.
    fn mirrored(&mut self, node: &mut GwNode, record: &Envelope, live: bool) {
        let scene = Scene {
            now_ns: self.now,
            venue_epoch_ns: self.venue_epoch(),
            limits: &self.limits,
            worth: &self.worth,
            live,
        };
        node.mirror.record(record, &scene, &mut self.truth);
    }

    pub fn gw_input(&mut self, g: usize, input: GwInput) {
        if self.gw[g].node.is_none() {
            return;
        }
        if self.gw[g].inbox.len() >= INBOX_MAX {
            self.truth.violate("I12", self.now, format!("gateway {g} has {INBOX_MAX} inputs waiting"));
            return;
        }
        self.gw[g].inbox.push_back(input);
        self.gw_wake(g);
    }

    pub fn gw_wake(&mut self, g: usize) {
        let now = self.now;
        let host = &mut self.gw[g];
        let stopped = host.node.is_none() || host.scheduled || host.busy;
        if stopped || host.paused_until > now {
            return;
        }
        host.scheduled = true;
        let life = host.life;
        self.after(20_000, Ev::GwTurn(g, life));
    }

    // ------------------------------------------------------------------ birth and death

    pub fn gw_boot(&mut self, g: usize) {
        if self.gw[g].node.is_some() {
            return;
        }
        let config = self.journal_config();
        self.gw[g].life += 1;
        self.gw[g].session += 1;
        self.gw[g].disk.released();
        let opened = Journal::open_on(self.gw[g].disk.mount(), config);
        if self.gw[g].disk.take_killed() || self.gw[g].disk.take_failed() {
            self.after(20 * MS, Ev::GwBoot(g));
            return;
        }
        match opened {
            Ok((journal, recovery)) => {
                let (released, damaged) = (self.gw[g].released, self.gw[g].damaged);
                if recovery.last_seq < released && !damaged {
                    let text = format!(
                        "gateway {g} restarts with record {} and had acted on record {released}",
                        recovery.last_seq
                    );
                    self.truth.violate("I3", self.now, text);
                }
                self.gw[g].released = released.min(recovery.last_seq);
                self.gw_begin(g, journal);
            }
            Err(JournalFault::Damaged { path, offset, what }) => {
                if !self.gw[g].damaged {
                    let text = format!("gateway {g} refuses its own journal: {path} at {offset}: {what}");
                    self.truth.violate("I3", self.now, text);
                }
                self.note(|| format!("gateway {g} sets its journal aside: {what}"));
                self.gw_fresh(g);
                self.after(50 * MS, Ev::GwBoot(g));
            }
            Err(fault) => {
                self.truth.violate("I3", self.now, format!("gateway {g} cannot open its journal: {fault}"));
            }
        }
    }

    fn gw_fresh(&mut self, g: usize) {
        let host = &mut self.gw[g];
        host.disk = Self::fresh_disk();
        (host.released, host.damaged) = (0, false);
        host.chain.clear();
        host.old = None;
    }

    fn gw_begin(&mut self, g: usize, journal: Journal<Mount>) {
        let holder = self.rng.next().max(1);
        let bounds = Bounds { outcomes_max: self.opts.outcomes_max, fill_keys_max: 1 << 16 };
        let core = Gateway::with_bounds(self.table.clone(), self.limits.clone(), holder, bounds);
        let identity = Identity { build: self.gw[g].build, ..self.identity };
        let (session, window) = (self.gw[g].session, self.opts.link_window);
        let rule = if self.opts.replicated { ReleaseRule::OwnAndReplica } else { ReleaseRule::Own };
        let at = g as u8;
        let strategies = self.opts.strategies;
        let mut node = Box::new(GwNode {
            core,
            node: Node::new(NodeConfig::new(holder, identity)),
            mirror: Mirror::default(),
            release: Release::new(rule),
            cmd: link(port::CMD_GW + at, session, window),
            tail_srv: link(port::TAIL_SRV + at, session, window),
            tail_cli: link(port::TAIL_CLI + at, session, window),
            intents: (0..strategies)
                .map(|s| link(port::INT_GW + at * 4 + s as u8, session, window))
                .collect(),
            out: Vec::new(),
            waiting: VecDeque::new(),
            outbox: VecDeque::new(),
            follower: Follower::new(journal.last_seq()),
            active: false,
            holder,
            gate: Gate::new(holder),
            attach_at: 0,
            fed: None,
            caught_up: false,
            proofs: VecDeque::new(),
            proof_at: 0,
            router_known: false,
            router_restarted: false,
            report_ack: None,
            intent_acks: vec![None; strategies],
            srv_ack: None,
            cli_ack: None,
            tell_all: vec![false; strategies],
            wall_ns: 0,
            ticked_ns: 0,
            touches: BTreeMap::new(),
            lonely_since: self.now,
            hand_over: false,
            lease_sent: BTreeMap::new(),
            lease_proof: None,
            beat: None,
            bare_since: 0,
            led: false,
            committed: journal.last_seq(),
            journal,
        });
        self.gw_recover(g, &mut node);
        let allowed = false;
        let now = self.gw_now(g, &node);
        let mut out = Vec::new();
        let _ = node.core.apply(now, Event::Candidacy { allowed, epoch: 0 }, &mut out);
        self.note(|| format!("gateway {g} starts with {} records", node.committed));
        let host = &mut self.gw[g];
        host.damaged = false;
        host.inbox.clear();
        (host.scheduled, host.busy, host.fail_at) = (false, false, None);
        host.node = Some(node);
        self.gw_wake(g);
    }

    fn gw_recover(&mut self, g: usize, node: &mut GwNode) {
        let last = node.journal.last_seq();
        let known = std::mem::take(&mut self.gw[g].chain);
        let mut records = Vec::new();
        let read = node.journal.read_from(0, usize::MAX, |record| records.push(record.payload.to_vec()));
        if let Err(fault) = read {
            self.truth.violate("I3", self.now, format!("gateway {g} cannot read its journal: {fault}"));
        }
        if records.len() as u64 != last {
            let text = format!("gateway {g} reads {} records of {last}", records.len());
            self.truth.violate("I3", self.now, text);
        }
        for (at, payload) in records.iter().enumerate() {
            self.gw[g].chained(payload);
            if known.get(at).is_some_and(|want| Some(want) != self.gw[g].chain.last()) {
                let text = format!("gateway {g} accepts record {} though it was altered", at + 1);
                self.truth.violate("I8", self.now, text);
            }
            match envelope::decode(payload) {
                Ok(record) => {
                    if let Err(fault) = node.core.recover(&record) {
                        self.truth.violate("I13", self.now, format!("gateway {g} cannot fold: {fault}"));
                        return;
                    }
                    self.mirrored(node, &record, false);
                }
                Err(refusal) => {
                    self.truth.violate("I8", self.now, format!("record {} is none: {refusal}", at + 1));
                    return;
                }
            }
        }
        let hash = node.core.state().hash();
        self.mark(u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]));
    }

    /// The process dies; it starts again after `restart_ns`.
    pub fn gw_crash(&mut self, g: usize, restart_ns: u64) {
        let host = &mut self.gw[g];
        if host.node.take().is_none() {
            return;
        }
        host.life += 1;
        host.inbox.clear();
        (host.scheduled, host.busy, host.fail_at) = (false, false, None);
        host.paused_until = 0;
        host.disk.released();
        self.note(|| format!("gateway {g} dies"));
        self.closed(g);
        self.after(restart_ns, Ev::GwBoot(g));
    }

    /// Whether the process dies at this step.
    fn dies(&mut self, g: usize, step: u8) -> bool {
        if self.gw[g].fail_at != Some(step) || self.healed {
            return false;
        }
        self.inject(Fault::F1);
        let wait = self.chance.range(5 * MS, 1_500 * MS);
        self.gw_crash(g, wait);
        true
    }

    fn gw_now(&self, g: usize, node: &GwNode) -> Now {
        Now { mono_ns: self.mono(), epoch_ns: self.wall(self.gw[g].wall_off_ns).max(node.wall_ns) }
    }

    // ------------------------------------------------------------------ a turn: inputs, one commit

    pub fn gw_turn(&mut self, g: usize, life: u64) {
        if self.gw[g].life != life {
            return;
        }
        self.gw[g].scheduled = false;
        if self.gw[g].paused_until > self.now || self.gw[g].busy {
            return;
        }
        if self.dies(g, 0) {
            return;
        }
        let Some(mut node) = self.gw[g].node.take() else { return };
        let alive = self.gw_stage(g, &mut node);
        self.gw[g].node = Some(node);
        match alive {
            Ok(()) => {}
            Err(restart_ns) => return self.gw_crash(g, restart_ns),
        }
        if [1, 2, 9].iter().any(|step| self.dies(g, *step)) {
            return;
        }
        let mut took = 30_000;
        if self.opts.tier == Tier::T2 {
            took += 150_000 + self.net.exponential(60_000);
        }
        if self.gw[g].slow_until > self.now {
            took += self.net.range(100 * MS, 700 * MS);
        }
        self.gw[g].busy = true;
        self.after(took, Ev::GwFinish(g, life));
    }

    /// Handles what waits and commits. `Err` says that the process ends, and after how long it starts again.
    fn gw_stage(&mut self, g: usize, node: &mut GwNode) -> Result<(), u64> {
        // The lease may have run out while the last commit took its time: that is noticed before anything is decided.
        self.gw_lead(g, node, Input::Tick)?;
        for _ in 0..INPUTS_PER_TURN {
            let Some(input) = self.gw[g].inbox.pop_front() else { break };
            self.gw_take(g, node, input)?;
        }
        let now = self.mono();
        if now.saturating_sub(node.ticked_ns) >= TICK_NS {
            node.ticked_ns = now;
            self.gw_apply(g, node, Event::RouterCredits(node.room()))?;
            self.gw_apply(g, node, Event::Tick)?;
        }
        if planted(Bug::SendBeforeCommit) {
            self.gw_release(g, node, u64::MAX);
        }
        self.gw_commit(g, node)
    }

    fn gw_apply(&mut self, g: usize, node: &mut GwNode, event: Event) -> Result<(), u64> {
        if !node.active
            && matches!(event, Event::Intent { .. } | Event::Control(_) | Event::Report { .. } | Event::Adopt { .. })
        {
            // The journal of a standby is its leader's: nothing is written into it.
            let intent = match &event {
                Event::Intent { principal, .. } => Some(*principal),
                _ => None,
            };
            if intent.is_none() {
                return Ok(());
            }
        }
        let now = self.gw_now(g, node);
        node.wall_ns = now.epoch_ns;
        let from = node.out.len();
        if let Err(fault) = node.core.apply(now, event, &mut node.out) {
            self.truth.violate("I13", self.now, format!("gateway {g} wrote what it cannot fold: {fault}"));
            return Err(50 * MS);
        }
        for at in from..node.out.len() {
            let effect = node.out[at].clone();
            if effect.journal {
                self.gw_decided(g, node, &effect.envelope);
                self.mirrored(node, &effect.envelope, true);
            }
        }
        let state = node.core.state();
        if from < node.out.len() && node.core.leads() && state.log_seq() >= node.proof_at + self.opts.proof_every {
            node.proof_at = state.log_seq();
            if node.fed.is_some() {
                node.proofs.push_back(Proof { seq: state.log_seq(), hash: state.hash() });
            }
        }
        self.after_fills(g, node)?;
        let leads = node.core.leads();
        if leads != node.led {
            node.led = leads;
            if leads {
                node.bare_since = self.mono();
                self.note(|| format!("gateway {g} leads epoch {}", node.core.state().epoch()));
            } else {
                node.fed = None;
                node.release.detached();
            }
            let epoch = leads.then(|| node.core.state().epoch());
            self.gw_lead(g, node, Input::Leads(epoch))?;
        }
        Ok(())
    }

    /// A fill that nothing was reserved for must have frozen its symbol by the end of its event.
    fn after_fills(&mut self, g: usize, node: &mut GwNode) -> Result<(), u64> {
        if let Some(instrument) = node.mirror.must_freeze.take() {
            let frozen = node.core.state().frozen().any(|id| id.0 == instrument);
            node.mirror.frozen.insert(instrument);
            if !frozen {
                let text = format!("gateway {g} booked a fill beyond its order and did not freeze {instrument}");
                self.truth.violate("passive_breach", self.now, text);
            }
        }
        Ok(())
    }

    /// A decision is held against the lease, the grant, the build and the price it was measured by.
    fn gw_decided(&mut self, g: usize, node: &GwNode, record: &Envelope) {
        let Some(Payload::Command(command)) = &record.payload else {
            if let Some(Payload::IntentReply(reply)) = &record.payload
                && reply.decision() == Decision::Accepted
                && reply.reference_ts_ns != 0
            {
                self.measured_by(g, node, reply.reference_px_ticks, reply);
            }
            return;
        };
        if command.kind() != CommandKind::New || command.holder != node.holder {
            return;
        }
        let now = self.mono();
        if self.gw[g].build != self.identity.build {
            let text = format!("gateway {g} of build {} decides new orders", self.gw[g].build);
            self.truth.violate("I5", self.now, text);
        }
        if self.truth.grants.get(&command.gateway_epoch) != Some(&node.holder) {
            let text = format!("gateway {g} decides in epoch {}, which it was not granted", command.gateway_epoch);
            self.truth.violate("I5", self.now, text);
        }
        let fresh = node.lease_proof.is_some_and(|sent| now - sent <= 400 * MS);
        let confirmed = node
            .beat
            .is_some_and(|(at, beat)| now - at <= 400 * MS && beat.holder == node.holder)
            && now - node.bare_since <= 5_020 * MS;
        if !fresh && !confirmed {
            let text = format!("gateway {g} decides a new order without lease and without the router's word");
            self.truth.violate("I5", self.now, text);
        }
    }

    fn measured_by(
        &mut self,
        g: usize,
        node: &GwNode,
        px: i64,
        reply: &tidegate_wire::pb::orders::v1::IntentReply,
    ) {
        let now = self.mono();
        let held = node.touches.values().any(|(at_px, at)| *at_px == px && now - at <= 1_000 * MS);
        if !held && !reply.client_order_id.is_empty() {
            let text = format!("gateway {g} measured an order by {px}, which is no price it was told of lately");
            self.truth.violate("I2", self.now, text);
        }
    }

    fn gw_commit(&mut self, g: usize, node: &mut GwNode) -> Result<(), u64> {
        let mono = self.mono();
        if self.gw[g].fail_at == Some(3) && node.out.len() < 2 {
            self.gw[g].fail_at = Some(4);
        }
        let half = node.out.len() / 2;
        for at in 0..node.out.len() {
            if at == half && at > 0 && self.gw[g].fail_at == Some(3) {
                self.inject(Fault::F1);
                return Err(self.chance.range(5 * MS, 800 * MS));
            }
            let effect = &node.out[at];
            if !effect.journal {
                continue;
            }
            let bytes = envelope::encode(&effect.envelope);
            self.gw[g].chained(&bytes);
            match node.journal.append(KIND_ENVELOPE, &bytes, mono, effect.envelope.ts_recv_ns) {
                Ok(seq) if seq == effect.envelope.log_seq => {}
                Ok(seq) => {
                    let text = format!("the journal gave {seq} to record {}", effect.envelope.log_seq);
                    self.truth.violate("I3", self.now, text);
                }
                Err(_) => return Err(self.disk_failed(g)),
            }
        }
        if self.gw[g].fail_at == Some(4) {
            self.inject(Fault::F1);
            return Err(self.chance.range(5 * MS, 800 * MS));
        }
        match node.journal.commit() {
            Ok(seq) => {
                node.committed = seq;
                if self.opts.tier == Tier::T2 && self.gw[g].disk.dirty() > 0 && node.out.iter().any(|e| e.journal) {
                    let text = format!("gateway {g} counts record {seq} as safe, and a power cut would take it");
                    self.truth.violate("I4", self.now, text);
                }
            }
            Err(_) if planted(Bug::RetryAfterEio) => {}
            Err(_) => return Err(self.disk_failed(g)),
        }
        if self.gw[g].disk.take_failed() && planted(Bug::RetryAfterEio) {
            node.committed = node.journal.last_seq();
        }
        for effect in &node.out {
            if let Some(Payload::Command(command)) = &effect.envelope.payload
                && command.kind() == CommandKind::New
                && effect.envelope.log_seq <= node.committed
            {
                self.truth.decided.insert(crate::router::intent_of(command));
            }
        }
        node.waiting.extend(node.out.drain(..));
        Ok(())
    }

    /// The disk refused: the process ends and recovers by reading.
    fn disk_failed(&mut self, g: usize) -> u64 {
        if self.gw[g].disk.take_killed() {
            self.inject(Fault::F1);
        }
        self.gw[g].disk.take_failed();
        self.chance.range(20 * MS, 800 * MS)
    }

    // ------------------------------------------------------------------ after the commit: effects, links

    pub fn gw_finish(&mut self, g: usize, life: u64) {
        if self.gw[g].life != life {
            return;
        }
        if self.gw[g].paused_until > self.now {
            let wait = self.gw[g].paused_until - self.now;
            self.after(wait, Ev::GwFinish(g, life));
            return;
        }
        self.gw[g].busy = false;
        if self.dies(g, 10) {
            return;
        }
        let Some(mut node) = self.gw[g].node.take() else { return };
        let now = self.mono();
        let upto = node.release.upto(now, node.committed);
        let died = !self.gw_release(g, &mut node, upto);
        if !died {
            self.gw_links(g, &mut node);
        }
        self.gw[g].node = Some(node);
        if died {
            self.inject(Fault::F1);
            let wait = self.chance.range(5 * MS, 1_500 * MS);
            return self.gw_crash(g, wait);
        }
        if self.dies(g, 12) || self.dies(g, 13) {
            return;
        }
        if !self.gw[g].inbox.is_empty() {
            self.gw_wake(g);
        }
    }

    /// Sends what may leave. False when the process dies half-way.
    fn gw_release(&mut self, g: usize, node: &mut GwNode, upto: u64) -> bool {
        if planted(Bug::SendBeforeCommit) && upto == u64::MAX {
            let early: Vec<Effect> = node.out.iter().filter(|e| e.to == Destination::Router).cloned().collect();
            for effect in early {
                self.gw_send(g, node, &effect);
            }
            return true;
        }
        let mut sent = 0;
        while let Some(effect) = node.waiting.front() {
            if effect.journal && effect.envelope.log_seq > upto {
                break;
            }
            let Some(effect) = node.waiting.pop_front() else { break };
            if planted(Bug::SendBeforeCommit) && effect.to == Destination::Router {
                continue;
            }
            if effect.to != Destination::Nobody {
                sent += 1;
                if sent > 1 && self.gw[g].fail_at == Some(11) {
                    return false;
                }
                self.gw_send(g, node, &effect);
            }
        }
        true
    }

    fn gw_send(&mut self, g: usize, node: &mut GwNode, effect: &Effect) {
        let now = self.mono();
        let seq = effect.envelope.log_seq;
        if effect.journal {
            if seq > node.committed {
                let text = format!("record {seq} leaves gateway {g} and only {} is safe", node.committed);
                self.truth.violate("I4", self.now, text);
            }
            self.gw[g].released = self.gw[g].released.max(seq);
        }
        match effect.to {
            Destination::Nobody => {}
            Destination::Router => {
                if node.outbox.len() >= OUTBOX_MAX {
                    self.truth.violate("I12", self.now, format!("gateway {g} has {OUTBOX_MAX} commands waiting"));
                    return;
                }
                node.outbox.push_back(envelope::encode(&effect.envelope));
            }
            Destination::Strategy(id) => self.gw_tell(node, now, id, &effect.envelope),
            Destination::EveryStrategy => {
                for s in 0..node.intents.len() {
                    self.gw_tell(node, now, StrategyId(s as u32 + 1), &effect.envelope);
                }
            }
        }
    }

    fn gw_tell(&mut self, node: &mut GwNode, now: u64, to: StrategyId, message: &Envelope) {
        let at = (to.0 as usize).wrapping_sub(1);
        let Some(link) = node.intents.get_mut(at) else { return };
        if link.send(now, &envelope::encode(message)).is_err() {
            node.tell_all[at] = true;
        }
    }

    fn gw_links(&mut self, g: usize, node: &mut GwNode) {
        let now = self.mono();
        while let Some(bytes) = node.outbox.front() {
            if node.cmd.send(now, bytes).is_err() {
                break;
            }
            node.outbox.pop_front();
        }
        if let Some(seq) = node.report_ack.take() {
            node.cmd.ack(seq);
        }
        for s in 0..node.intents.len() {
            if let Some(seq) = node.intent_acks[s].take() {
                node.intents[s].ack(seq);
            }
            if node.tell_all[s] && node.active {
                let snapshot = node.core.snapshot(StrategyId(s as u32 + 1), self.gw_now(g, node));
                let link = &mut node.intents[s];
                if link.state() == LinkState::Synced && link.credits() >= snapshot.len() {
                    node.tell_all[s] = false;
                    for message in snapshot {
                        let _ = link.send(now, &envelope::encode(&message));
                    }
                }
            }
        }
        self.gw_tail(g, node);
        let ends: Vec<u8> = [port::CMD_GW, port::TAIL_SRV, port::TAIL_CLI]
            .iter()
            .map(|base| base + g as u8)
            .chain((0..node.intents.len()).map(|s| port::INT_GW + g as u8 * 4 + s as u8))
            .collect();
        for end in ends {
            let mut frames = Vec::new();
            if let Some(link) = node.link(end) {
                link.poll(now, &mut |frame| {
                    frames.push(frame.to_vec());
                    true
                });
            }
            for frame in frames {
                self.send(end, frame);
            }
        }
    }

    /// Feeds the standby, or follows the leader.
    fn gw_tail(&mut self, g: usize, node: &mut GwNode) {
        let now = self.mono();
        if let Some(seq) = node.srv_ack.take() {
            node.tail_srv.ack(seq);
        }
        if let Some(seq) = node.cli_ack.take() {
            node.tail_cli.ack(seq);
        }
        if let Some(after) = node.fed
            && node.core.leads()
        {
            self.gw_feed(g, node, after);
        }
        if node.active {
            return;
        }
        let synced = node.tail_cli.state() == LinkState::Synced;
        if synced && now >= node.attach_at {
            node.attach_at = now + 500 * MS;
            let applied = node.follower.applied();
            let mut hash = [0; 32];
            if applied > 0 {
                let read = node.journal.read_from(applied - 1, 1, |record| hash = record_hash(record.payload));
                if read.is_err() {
                    return;
                }
            }
            let ask = ToLeader::Attach(node.follower.ask(hash));
            let _ = node.tail_cli.send(now, &ask.encode());
        }
    }

    fn gw_feed(&mut self, g: usize, node: &mut GwNode, after: u64) {
        let now = self.mono();
        let max = node.tail_srv.credits().min(FEED_PER_TURN);
        if node.tail_srv.state() != LinkState::Synced || max < 4 {
            return;
        }
        let mut sent = after;
        if after < node.committed {
            let (journal, link, proofs) = (&mut node.journal, &mut node.tail_srv, &mut node.proofs);
            let mut stopped = false;
            let read = journal.read_from(after, max / 2, |record| {
                stopped =
                    stopped || link.send(now, &ToFollower::Record { payload: record.payload }.encode()).is_err();
                if stopped {
                    return;
                }
                sent = record.seq;
                while proofs.front().is_some_and(|proof| proof.seq < sent) {
                    proofs.pop_front();
                }
                if let Some(proof) = proofs.front().copied().filter(|proof| proof.seq == sent) {
                    proofs.pop_front();
                    let _ = link.send(now, &ToFollower::Proof(proof).encode());
                }
            });
            if let Err(fault) = read {
                self.truth.violate("I3", self.now, format!("gateway {g} cannot read its own tail: {fault}"));
            }
        }
        node.fed = Some(sent);
        if node.hand_over && !node.core.leads() {
            node.hand_over = false;
        }
    }

    // ------------------------------------------------------------------ inputs

    fn gw_take(&mut self, g: usize, node: &mut GwNode, input: GwInput) -> Result<(), u64> {
        let now = self.mono();
        match input {
            GwInput::Frame(at, bytes) => {
                let Some(link) = node.link(at) else { return Ok(()) };
                let payload = match link.on_frame(now, &bytes) {
                    Received::Data { seq, payload, .. } => Some((seq, payload.to_vec())),
                    Received::Nothing => None,
                };
                self.gw_link_events(g, node, at)?;
                match payload {
                    Some((seq, payload)) => self.gw_message(g, node, at, seq, &payload),
                    None => Ok(()),
                }
            }
            GwInput::Closed(at) => {
                if let Some(link) = node.link(at) {
                    link.disconnected();
                }
                self.gw_link_events(g, node, at)
            }
            GwInput::Beat(beat) => {
                node.beat = Some((now, beat));
                if beat.holder != node.holder && beat.leader_alive {
                    if node.active && !node.core.leads() && now - node.lonely_since > 1_500 * MS {
                        // Another leads: a process that has written its own records starts anew as a standby.
                        return Err(30 * MS);
                    }
                } else {
                    node.lonely_since = now;
                }
                if node.core.leads() {
                    node.lonely_since = now;
                }
                self.gw_lead(g, node, Input::Beat(beat))
            }
            GwInput::Lease(reply) => {
                if let Some(sent) = node.lease_sent.remove(&reply.token) {
                    if reply.ours {
                        node.lease_proof = node.lease_proof.max(Some(sent));
                    } else if node.lease_proof.is_none_or(|proof| sent >= proof) {
                        node.lease_proof = None;
                    }
                }
                self.gw_lead(g, node, Input::Lease(reply))
            }
            GwInput::Control(event) => self.gw_apply(g, node, Event::Control(event)),
            GwInput::Touch { instrument, bid, ask, valid } => {
                let px = match (bid, ask) {
                    (Some(bid), Some(ask)) => Some((bid + ask).div_euclid(2)),
                    (one, other) => one.or(other),
                };
                match px.filter(|px| valid && *px > 0) {
                    Some(px) => drop(node.touches.insert(instrument, (px, now))),
                    None => drop(node.touches.remove(&instrument)),
                }
                let ts_ns = self.wall(0);
                let event = Event::Reference {
                    instrument: InstrumentId(instrument),
                    bid_px_ticks: bid,
                    ask_px_ticks: ask,
                    valid,
                    ts_ns,
                };
                self.gw_apply(g, node, event)
            }
            GwInput::FeedLost { instrument } => {
                node.touches.remove(&instrument);
                self.gw_apply(g, node, Event::FeedLost { instrument: InstrumentId(instrument) })
            }
            GwInput::HandOver => {
                let ready = node.core.leads() && node.release.replica() == Some(node.committed);
                if ready {
                    self.gw_lead(g, node, Input::HandOver)?;
                    let seq = node.core.state().log_seq();
                    let _ = node.tail_srv.send(now, &ToFollower::TakeOver { seq }.encode());
                    self.note(|| format!("gateway {g} hands over at {seq}"));
                }
                Ok(())
            }
        }
    }

    /// One input of leadership, and what it leads to.
    fn gw_lead(&mut self, g: usize, node: &mut GwNode, input: Input) -> Result<(), u64> {
        let (mono, wall) = (self.mono(), self.wall(self.gw[g].wall_off_ns));
        let mut out = Vec::new();
        node.node.apply(mono, wall, input, &mut out);
        if node.lease_proof.is_some_and(|sent| mono - sent <= 400 * MS) || !node.core.leads() {
            node.bare_since = mono;
        }
        for output in out {
            match output {
                Output::Store(request) => {
                    while node.lease_sent.len() >= 16 {
                        node.lease_sent.pop_first();
                    }
                    node.lease_sent.insert(request.token, mono);
                    self.ask_store(g, request);
                }
                Output::Candidacy(allowed) => {
                    if allowed && !node.active {
                        node.active = true;
                        node.lonely_since = mono;
                        self.note(|| format!("gateway {g} asks for leadership"));
                        self.gw_apply(g, node, Event::Start)?;
                    }
                    let epoch = node.beat.map_or(0, |(_, beat)| beat.epoch);
                    self.gw_apply(g, node, Event::Candidacy { allowed, epoch })?;
                }
                Output::NewOrders(allowed) => self.gw_apply(g, node, Event::NewOrders { allowed })?,
                Output::StepDown => self.gw_apply(g, node, Event::StepDown)?,
                Output::Skewed(_) => {}
            }
        }
        Ok(())
    }

    fn gw_link_events(&mut self, g: usize, node: &mut GwNode, at: u8) -> Result<(), u64> {
        while let Some(event) = node.link(at).and_then(Link::next_event) {
            match (at, event) {
                (0..2, LinkEvent::PeerRestarted { .. }) => node.router_restarted = true,
                (0..2, LinkEvent::State { to: LinkState::Synced, .. }) => {
                    let restarted = node.router_restarted || !node.router_known;
                    (node.router_known, node.router_restarted) = (true, false);
                    if restarted {
                        node.outbox.clear();
                    }
                    self.gw_apply(g, node, Event::RouterCredits(node.room()))?;
                    self.gw_apply(g, node, Event::RouterUp { restarted })?;
                }
                (0..2, LinkEvent::State { to: LinkState::Connecting | LinkState::Stale, .. }) => {
                    self.gw_apply(g, node, Event::RouterDown)?;
                }
                (4..6, LinkEvent::PeerRestarted { .. } | LinkEvent::State { to: LinkState::Stale, .. }) => {
                    node.fed = None;
                    node.release.detached();
                }
                (6..8, LinkEvent::PeerRestarted { .. }) => {
                    node.attach_at = 0;
                    node.follower.detached();
                }
                (8..16, LinkEvent::State { to: LinkState::Synced, .. }) => {
                    node.tell_all[usize::from((at - port::INT_GW) % 4)] = true;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn gw_message(&mut self, g: usize, node: &mut GwNode, at: u8, seq: u64, payload: &[u8]) -> Result<(), u64> {
        match at {
            0..2 => {
                node.report_ack = Some(seq);
                match envelope::decode_checked(payload).map(|e| e.payload) {
                    Ok(Some(Payload::Report(report)))
                        if !node.gate.is_open()
                            && !(report.kind() == ReportKind::Fenced && report.holder == node.holder) =>
                    {
                        Ok(())
                    }
                    Ok(Some(Payload::Report(report))) => {
                        if report.kind() == ReportKind::Fenced && report.holder == node.holder {
                            self.note(|| format!("gateway {g} is fenced"));
                        }
                        self.gw_apply(g, node, Event::Report { trace: Trace::default(), report })
                    }
                    Ok(Some(Payload::Command(command))) if command.kind() == CommandKind::Grant => {
                        node.gate.granted(command.holder);
                        Ok(())
                    }
                    Ok(Some(Payload::Command(_))) if !node.gate.is_open() => Ok(()),
                    Ok(Some(Payload::Command(command))) => {
                        self.gw_apply(g, node, Event::Adopt { trace: Trace::default(), command })
                    }
                    other => {
                        self.truth.violate("I1", self.now, format!("the router sent {other:?}"));
                        Ok(())
                    }
                }
            }
            4..6 => {
                node.srv_ack = Some(seq);
                self.gw_from_follower(g, node, payload)
            }
            6..8 => {
                node.cli_ack = Some(seq);
                self.gw_follow(g, node, payload)
            }
            _ => {
                let s = usize::from((at - port::INT_GW) % 4);
                node.intent_acks[s] = Some(seq);
                self.gw_intent(g, node, StrategyId(s as u32 + 1), payload)
            }
        }
    }

    fn gw_intent(
        &mut self,
        g: usize,
        node: &mut GwNode,
        principal: StrategyId,
        payload: &[u8],
    ) -> Result<(), u64> {
        let decoded = envelope::decode(payload).ok();
        let Some(Payload::Intent(intent)) = decoded.as_ref().and_then(|e| e.payload.clone()) else {
            return Ok(());
        };
        let trace = Trace::default();
        let event = if envelope::decode_checked(payload).is_err() {
            let id = intent.intent_id.map_or(tidegate_units::IntentId(0), |id| {
                tidegate_units::IntentId::from_halves(id.hi, id.lo)
            });
            Event::MalformedIntent { principal, trace, intent_id: id }
        } else {
            Event::Intent { principal, trace, intent }
        };
        let cancel = intent.kind() == IntentKind::Cancel;
        let from = node.out.len();
        self.gw_apply(g, node, event)?;
        if cancel && node.core.leads() {
            self.cancel_flows(g, node, from);
        }
        Ok(())
    }

    /// A cancel of an order that lives is refused by nothing but the want of a leader, a journal or a way to the router.
    fn cancel_flows(&mut self, g: usize, node: &GwNode, from: usize) {
        use tidegate_wire::pb::orders::v1::Reason;
        for effect in &node.out[from..] {
            let Some(Payload::IntentReply(reply)) = &effect.envelope.payload else { continue };
            let latch = matches!(reply.reason(), Reason::Killed | Reason::Halt | Reason::MessageRate);
            if latch && !reply.repeated {
                let text = format!("gateway {g} refuses a cancel with {}", reply.reason().as_str_name());
                self.truth.violate("I6", self.now, text);
            }
        }
    }

    fn gw_from_follower(&mut self, g: usize, node: &mut GwNode, payload: &[u8]) -> Result<(), u64> {
        if !node.core.leads() {
            return Ok(());
        }
        match ToLeader::decode(payload) {
            Some(ToLeader::Attach(attach)) => {
                let mut own = None;
                if attach.after_seq > 0 && attach.after_seq <= node.committed {
                    let read =
                        node.journal.read_from(attach.after_seq - 1, 1, |record| own = Some(record.payload.to_vec()));
                    if read.is_err() {
                        return Ok(());
                    }
                }
                if attach.continues(own.as_deref()) {
                    if node.fed.is_none() || attach.after_seq > 0 {
                        node.fed = Some(attach.after_seq);
                        node.caught_up = false;
                        let _ = node.tail_srv.send(self.now, &ToFollower::Attached(attach).encode());
                    }
                } else {
                    self.note(|| format!("the standby of gateway {g} has forked at {}", attach.after_seq));
                    let _ = node.tail_srv.send(self.now, &ToFollower::Forked { seq: attach.after_seq }.encode());
                }
            }
            Some(ToLeader::Safe { seq }) => {
                if !node.caught_up && seq + 64 >= node.committed && node.fed.is_some() {
                    node.caught_up = true;
                    node.release.attached(seq);
                } else {
                    node.release.acked(seq);
                }
            }
            None => {}
        }
        Ok(())
    }

    fn gw_follow(&mut self, g: usize, node: &mut GwNode, payload: &[u8]) -> Result<(), u64> {
        if node.active {
            return Ok(());
        }
        let Some(message) = ToFollower::decode(payload) else { return Ok(()) };
        node.attach_at = self.now + 1_500 * MS;
        match message {
            ToFollower::Record { payload } => {
                let Ok(record) = envelope::decode(payload) else {
                    self.truth.violate("I13", self.now, "the leader sent no record".into());
                    return Ok(());
                };
                match node.follower.takes(record.log_seq) {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(_) => {
                        node.attach_at = 0;
                        return Ok(());
                    }
                }
                if let Err(fault) = node.core.recover(&record) {
                    self.truth.violate("I13", self.now, format!("standby {g} cannot fold: {fault}"));
                    return Err(50 * MS);
                }
                self.mirrored(node, &record, false);
                self.gw[g].chained(payload);
                let mono = self.mono();
                if node.journal.append(KIND_ENVELOPE, payload, mono, record.ts_recv_ns).is_err() {
                    return Err(self.disk_failed(g));
                }
                if planted(Bug::ReplicaAckEarly) || record.log_seq.is_multiple_of(4) || self.gw[g].inbox.is_empty() {
                    if !planted(Bug::ReplicaAckEarly) {
                        match node.journal.commit() {
                            Ok(seq) => node.committed = seq,
                            Err(_) => return Err(self.disk_failed(g)),
                        }
                    }
                    let seq = record.log_seq;
                    // What is promised to the leader counts as acted on.
                    self.gw[g].released = self.gw[g].released.max(seq);
                    let _ = node.tail_cli.send(mono, &ToLeader::Safe { seq }.encode());
                }
            }
            ToFollower::Attached(attach) => node.follower.attached(attach),
            ToFollower::Proof(proof) => {
                let own = Proof { seq: node.follower.applied(), hash: node.core.state().hash() };
                if own.seq == proof.seq {
                    let same = node.follower.own_proof(own).and_then(|()| node.follower.leaders_proof(proof));
                    if let Err(refusal) = same {
                        self.truth.violate("I13", self.now, format!("standby {g}: {refusal}"));
                    }
                }
            }
            ToFollower::Forked { seq } if seq == 0 || seq != node.follower.applied() => {}
            ToFollower::Forked { .. } => {
                self.gw_fresh(g);
                return Err(30 * MS);
            }
            ToFollower::TakeOver { seq } => {
                if node.follower.applied() == seq {
                    self.gw_lead(g, node, Input::TakeOver)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a gateway follows, rather than writing records of its own.
    pub fn follows(&self, g: usize) -> bool {
        self.gw[g].node.as_ref().is_some_and(|n| !n.active && n.follower.is_attached())
    }

    /// The gateway that the router's journal names, where its process lives.
    pub fn leading(&self) -> Option<usize> {
        let (_, holder) = self.truth.leader()?;
        (0..2).find(|g| self.gw[*g].node.as_ref().is_some_and(|n| n.holder == holder && n.core.leads()))
    }
}
