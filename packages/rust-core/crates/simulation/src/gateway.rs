//! The gateway's process: the real core, journal, links and leadership in a loop that can be stopped at every step.

mod effects;
mod follow;
mod input;
mod life;
mod turn;

use crate::disk::{Disk, Mount};
use crate::faults::Fault;
use crate::mirror::{Mirror, Scene};
use crate::rng::mix;
use crate::world::{Ev, MS, World, port};
use std::collections::{BTreeMap, VecDeque};
use tidegate_bus::link::{Link, LinkConfig, LinkEvent, LinkState, Received};
use tidegate_journal::{Journal, JournalConfig, JournalFault, Tier};
use tidegate_leadership::{
    Beat, Follower, Gate, Held, Identity, Input, LeaseReply, Node, NodeConfig, Output, Proof, Release,
    ReleaseRule, ToFollower, ToLeader, record_hash,
};
use tidegate_mutants::{Bug, planted};
use tidegate_risk::{Bounds, Destination, Effect, Effects, Event, Gateway, Now, Trace};
use tidegate_units::{InstrumentId, IntentId, StrategyId};
use tidegate_wire::envelope;
use tidegate_wire::pb::control::v1::ControlEvent;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{CommandKind, Decision, IntentKind, ReportKind};

/// Steps at which the process may die.
pub(crate) const STEPS: u8 = 14;
const INPUTS_PER_TURN: usize = 256;
const INBOX_MAX: usize = 60_000;
const OUTBOX_MAX: usize = 4_096;
/// Answers whose epoch is kept.
const SAID_MAX: usize = 4_096;
const FEED_PER_TURN: usize = 64;
const KIND_ENVELOPE: u8 = 1;
const TICK_NS: u64 = 10 * MS;

/// What comes to a gateway from outside.
#[derive(Debug)]
pub(crate) enum GwInput {
    Frame(u8, Vec<u8>),
    Closed(u8),
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
    pub fail_at: Option<u8>,
    pub pause_before_sending: Option<u64>,
    /// First record of the last commit.
    commit_first: u64,
    pub node: Option<Box<GwNode>>,
    inbox: VecDeque<GwInput>,
    scheduled: bool,
    busy: bool,
    /// The highest record of this disk whose effects have left.
    pub released: u64,
    /// The epoch in which each intent was answered last, the latest answers.
    pub said: BTreeMap<IntentId, u32>,
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
            fail_at: None,
            pause_before_sending: None,
            commit_first: 1,
            node: None,
            inbox: VecDeque::new(),
            scheduled: false,
            busy: false,
            released: 0,
            said: BTreeMap::new(),
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
        (self.disk, self.chain, self.damaged, self.commit_first) = (disk, chain, true, 1);
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
    /// Decided, and kept to itself while it may be no leader any more.
    held: Held<Effect>,
    outbox: VecDeque<Vec<u8>>,
    follower: Follower,
    /// It writes its own records: a leader, or one that asks to be.
    active: bool,
    holder: u64,
    gate: Gate,
    attach_at: u64,
    fed: Option<u64>,
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
    /// The router's last word, and the time of the youngest question it answered.
    beat: Option<Beat>,
    named_ns: Option<u64>,
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

    /// A leader that was stopped may be none any more and not have heard of it.
    fn may_tell(&self, mono_ns: u64) -> bool {
        !self.core.leads() || self.node.may_tell(mono_ns)
    }

    /// By the plainest reading of the rule, beside the one that is used.
    fn lease_fresh(&self, now: u64) -> bool {
        self.lease_proof.is_some_and(|sent| now - sent <= 400 * MS)
    }

    fn named_lately(&self, now: u64) -> bool {
        self.named_ns.is_some_and(|asked| now - asked <= 400 * MS)
    }

    /// Leads no longer: what it had decided is no answer, strategies ask the one that leads.
    fn falls_silent(&mut self) {
        self.held.clear();
        for effect in self.out.iter_mut().chain(&mut self.waiting).filter(|effect| effect.is_told()) {
            effect.to = Destination::Nobody;
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

    /// Whether a gateway follows, rather than writing records of its own.
    pub fn follows(&self, g: usize) -> bool {
        self.gw[g].node.as_ref().is_some_and(|n| !n.active && n.follower.is_attached())
    }

    /// Where a standby and its leader stand, for whoever asks why it does not follow.
    pub fn about_tail(&self, leader: usize) -> String {
        let (Some(is), Some(other)) = (self.gw[leader].node.as_ref(), self.gw[1 - leader].node.as_ref())
        else {
            return "a process is down".into();
        };
        format!(
            "its journal ends at {}, it {}, its link is {:?}; the leader's is {:?} with {} credits, serves after {:?} of {}",
            other.follower.applied(),
            if other.active { "asks for leadership" } else { "waits" },
            other.tail_cli.state(),
            is.tail_srv.state(),
            is.tail_srv.credits(),
            is.fed,
            is.committed,
        )
    }

    /// The gateway that the router's journal names, where its process lives.
    pub fn leading(&self) -> Option<usize> {
        let (_, holder) = self.truth.leader()?;
        (0..2).find(|g| self.gw[*g].node.as_ref().is_some_and(|n| n.holder == holder && n.core.leads()))
    }
}
