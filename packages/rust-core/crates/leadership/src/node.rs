//! One gateway's role: when it asks the router for the next epoch, and when a leader holds new orders back by itself.

use crate::identity::{Identity, Skew};
use crate::lease::{Lease, LeaseReply, LeaseRequest};
use crate::limits::{ASK_PERIOD_NS, BEAT_STALE_NS, HANDOVER_NS, TAKEOVER_WAIT_NS, WITHOUT_STORE_NS};
use tidegate_mutants::{Bug, planted};

/// The router's word, sent to every gateway at least each 100 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Who leads by the router's journal; zeros before the first grant.
    pub epoch: u32,
    pub holder: u64,
    /// Whether that process's link is in step. False as soon as its socket closes, and after half a second of silence.
    pub leader_alive: bool,
    /// What the router is built from.
    pub identity: Identity,
    /// The time in the last [`Question`] of the gateway this is told to; 0 before its first. The word is younger than that,
    /// however long it lay in a queue since or was sent again.
    pub asked_ns: u64,
}

impl Beat {
    /// Bytes of a beat: a tag, then the fields in their order, little-endian. No envelope begins with the tag.
    pub const BYTES: usize = 1 + 4 + 8 + 1 + 8 + 4 + 8 + 8;

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.push(b'B');
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.holder.to_le_bytes());
        bytes.push(u8::from(self.leader_alive));
        bytes.extend_from_slice(&self.identity.build.to_le_bytes());
        bytes.extend_from_slice(&self.identity.schema.to_le_bytes());
        bytes.extend_from_slice(&self.identity.config.to_le_bytes());
        bytes.extend_from_slice(&self.asked_ns.to_le_bytes());
        bytes
    }

    /// Reads one; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::BYTES || bytes.first() != Some(&b'B') || *bytes.get(13)? > 1 {
            return None;
        }
        let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        Some(Self {
            epoch: u32_at(1)?,
            holder: u64_at(5)?,
            leader_alive: *bytes.get(13)? == 1,
            identity: Identity { build: u64_at(14)?, schema: u32_at(22)?, config: u64_at(26)? },
            asked_ns: u64_at(34)?,
        })
    }
}

/// A gateway's question who leads, at least each 100 ms; the router answers each at once with a [`Beat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The gateway's own monotonic clock as it asks.
    pub asked_ns: u64,
}

impl Question {
    /// Bytes of a question: a tag, then the time, little-endian. No envelope begins with the tag.
    pub const BYTES: usize = 1 + 8;

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [b'Q'; Self::BYTES];
        bytes[1..].copy_from_slice(&self.asked_ns.to_le_bytes());
        bytes
    }

    /// Reads one; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, time) = bytes.split_first()?;
        (*tag == b'Q').then_some(())?;
        Some(Self { asked_ns: u64::from_le_bytes(time.try_into().ok()?) })
    }
}

/// How a node is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeConfig {
    /// Which process this is, random at its start, not 0.
    pub holder: u64,
    pub identity: Identity,
    /// How long a leader whose lease cannot be renewed goes on while the router confirms it.
    pub without_store_ns: u64,
}

impl NodeConfig {
    /// With the default policy: five seconds, then only cancels.
    pub const fn new(holder: u64, identity: Identity) -> Self {
        Self { holder, identity, without_store_ns: WITHOUT_STORE_NS }
    }
}

/// What a gateway is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Follows the leader's journal, or waits for a leader.
    Standby,
    /// Asks the router for the next epoch.
    Candidate,
    /// The router takes its commands.
    Leader,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Time passes; at least every 50 ms.
    Tick,
    /// The store answered.
    Lease(LeaseReply),
    /// The router spoke.
    Beat(Beat),
    /// The epoch whose grant the core holds now, if it holds one.
    Leads(Option<u32>),
    /// The leader has drained and asks this node to take over.
    TakeOver,
    /// An operator asks this leader to hand over.
    HandOver,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Send this to the store.
    Store(LeaseRequest),
    /// Send this to the router, if its link takes it now.
    Ask(Question),
    /// Tell the core whether it may ask for leadership.
    Candidacy(bool),
    /// Tell the core whether a leader may decide new orders.
    NewOrders(bool),
    /// Take the grant from the core; tell the standby to take over once it holds the whole journal.
    StepDown,
    /// This node may not lead: what differs from the router.
    Skewed(Skew),
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Node {
    config: NodeConfig,
    lease: Lease,
    role: Role,
    /// The epoch it leads, or led last.
    epoch: u32,
    beat: Option<(u64, Beat)>,
    /// When this node last asked the router.
    asked_ns: Option<u64>,
    /// The time of the youngest question the router answered by naming this node.
    named_ns: Option<u64>,
    /// When a living leader other than this node was last heard of.
    other_seen_ns: Option<u64>,
    /// Since when there has been no proof of the lease, while leading.
    bare_since_ns: u64,
    asked_to_take_over: bool,
    /// Since when it has been handing over.
    handing_over: Option<u64>,
    told: Option<(bool, bool)>,
    skew: Option<Skew>,
}

impl Node {
    /// A node that has heard of nobody.
    pub fn new(config: NodeConfig) -> Self {
        Self {
            config,
            lease: Lease::new(config.holder),
            role: Role::Standby,
            epoch: 0,
            beat: None,
            asked_ns: None,
            named_ns: None,
            other_seen_ns: None,
            bare_since_ns: 0,
            asked_to_take_over: false,
            handing_over: None,
            told: None,
            skew: None,
        }
    }

    /// What this node is.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether the lease is certainly held.
    pub fn lease_held(&self, mono_ns: u64) -> bool {
        self.lease.held(mono_ns)
    }

    /// Whether a leader may let out what it has decided: by the clock it still has its lease, or the router named it in answer to
    /// a question of a moment ago.
    ///
    /// Asked once a decision is safe and before it leaves: between the two a process may be stopped for longer than a takeover takes.
    pub fn may_tell(&self, mono_ns: u64) -> bool {
        self.lease.held(mono_ns) || self.confirmed(mono_ns) || planted(Bug::TellsWhatIsOver)
    }

    /// Handles one input. `mono_ns` decides; `epoch_ns`, the wall clock, decides nothing.
    pub fn apply(&mut self, mono_ns: u64, epoch_ns: i64, input: Input, out: &mut Vec<Output>) {
        let now = if planted(Bug::LeaseByWallClock) { u64::try_from(epoch_ns).unwrap_or(0) } else { mono_ns };
        if self.asked_ns.is_none_or(|asked| now.saturating_sub(asked) >= ASK_PERIOD_NS) {
            self.asked_ns = Some(now);
            out.push(Output::Ask(Question { asked_ns: now }));
        }
        match input {
            // Nobody took over: it may lead again.
            Input::Tick => {
                self.handing_over = self.handing_over.filter(|at| now.saturating_sub(*at) < HANDOVER_NS)
            }
            Input::Lease(reply) => self.lease.answer(now, reply),
            Input::Beat(beat) => self.on_beat(now, beat, out),
            Input::Leads(Some(epoch)) => {
                self.epoch = epoch;
                if self.role == Role::Leader {
                    return self.tell(now, out);
                }
                self.role = Role::Leader;
                self.bare_since_ns = now;
                self.asked_to_take_over = false;
                self.handing_over = None;
            }
            Input::Leads(None) => self.role = Role::Standby,
            Input::TakeOver => self.asked_to_take_over = true,
            Input::HandOver if self.role == Role::Leader => {
                self.handing_over = Some(now);
                self.role = Role::Standby;
                out.push(Output::StepDown);
                out.push(Output::Store(self.lease.release()));
            }
            Input::HandOver => {}
        }
        // While it hands over it wants no lease; the next leader's life ends that.
        if self.handing_over.is_none()
            && self.skew.is_none()
            && let Some(request) = self.lease.tick(now)
        {
            out.push(Output::Store(request));
        }
        self.tell(now, out);
    }

    fn on_beat(&mut self, now: u64, beat: Beat, out: &mut Vec<Output>) {
        self.beat = Some((now, beat));
        if beat.holder != self.config.holder {
            self.named_ns = None;
        } else if beat.asked_ns != 0 && beat.asked_ns <= now {
            self.named_ns = self.named_ns.max(Some(beat.asked_ns));
        }
        if beat.holder != self.config.holder && beat.leader_alive {
            self.other_seen_ns = Some(now);
            self.handing_over = None;
        }
        // A leader that sends nothing is fenced by nobody: the router's word is enough.
        if self.role == Role::Leader && beat.epoch > self.epoch && beat.holder != self.config.holder {
            self.role = Role::Standby;
            out.push(Output::StepDown);
        }
        let skew = self.config.identity.skew(beat.identity);
        if let Some(skew) = skew.filter(|skew| self.skew != Some(*skew)) {
            out.push(Output::Skewed(skew));
        }
        self.skew = skew;
    }

    fn fresh_beat(&self, now: u64) -> Option<Beat> {
        self.beat.filter(|(at, _)| now.saturating_sub(*at) <= BEAT_STALE_NS).map(|(_, beat)| beat)
    }

    fn confirmed(&self, now: u64) -> bool {
        self.named_ns.is_some_and(|at| now.saturating_sub(at) <= BEAT_STALE_NS)
    }

    fn tell(&mut self, now: u64, out: &mut Vec<Output>) {
        if self.role == Role::Candidate {
            self.role = Role::Standby;
        }
        let beat = self.fresh_beat(now);
        let held = self.lease.held(now);
        let (candidacy, new_orders) = match self.role {
            Role::Leader => {
                if held {
                    self.bare_since_ns = now;
                }
                let bare = now.saturating_sub(self.bare_since_ns);
                let may = (held || (self.confirmed(now) && bare <= self.config.without_store_ns))
                    && self.skew.is_none();
                (may, may)
            }
            Role::Standby | Role::Candidate => {
                let may = self.may_ask(now, beat, held);
                if may {
                    self.role = Role::Candidate;
                }
                (may, true)
            }
        };
        if self.told != Some((candidacy, new_orders)) {
            self.told = Some((candidacy, new_orders));
            out.push(Output::NewOrders(new_orders));
            out.push(Output::Candidacy(candidacy));
        }
    }

    /// A standby asks when the router says that nobody alive leads; which of two standbys, the lease says. While a leader
    /// lives it asks only as its holder of the lease for so long that the leader has stopped taking orders.
    fn may_ask(&self, now: u64, beat: Option<Beat>, held: bool) -> bool {
        let Some(beat) = beat else { return false };
        if self.skew.is_some() || self.handing_over.is_some() {
            return false;
        }
        if self.asked_to_take_over {
            return true;
        }
        let other = beat.epoch != 0 && beat.holder != self.config.holder;
        if other && beat.leader_alive {
            return held && self.lease.held_for(now) >= self.config.without_store_ns + TAKEOVER_WAIT_NS;
        }
        let closed = other && !beat.leader_alive;
        let quiet = self.other_seen_ns.is_none_or(|at| now.saturating_sub(at) >= TAKEOVER_WAIT_NS);
        closed || (held && quiet)
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
