//! The event loop, the clocks, the network, and what the world does to its processes.

use crate::disk::Disk;
use crate::faults::{Counts, Fault};
use crate::gateway::{GwHost, GwInput};
use crate::options::Options;
use crate::rng::{Rng, mix};
use crate::router::{RtHost, RtInput};
use crate::store::Store;
use crate::strategy::Strategy;
use crate::truth::Truth;
use crate::venue::Venue;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use tidegate_instruments::Table;
use tidegate_leadership::{Identity, LeaseReply, LeaseRequest};
use tidegate_risk::Limits;
use tidegate_router::{Answer, Request};
use tidegate_wire::pb::control::v1::ControlEvent;

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MS;
const EPOCH_NS: i64 = 1_700_000_000_000_000_000;
/// The deepest the event queue may grow.
pub(crate) const QUEUE_MAX: usize = 100_000;
/// Events kept to be shown with a violation.
const RECENT_MAX: usize = 40;

/// Ends of links. Each has one peer.
pub(crate) mod port {
    pub const CMD_GW: u8 = 0;
    pub const CMD_RT: u8 = 2;
    pub const TAIL_SRV: u8 = 4;
    pub const TAIL_CLI: u8 = 6;
    pub const INT_GW: u8 = 8;
    pub const INT_ST: u8 = 16;
    pub const COUNT: usize = 24;

    /// The other end.
    pub const fn peer(port: u8) -> u8 {
        match port {
            0..2 => port + 2,
            2..4 => port - 2,
            // A gateway follows the other one.
            4..6 => TAIL_CLI + (1 - (port - TAIL_SRV)),
            6..8 => TAIL_SRV + (1 - (port - TAIL_CLI)),
            8..16 => port + 8,
            _ => port - 8,
        }
    }

    /// The host an end is on: 0 and 1 the gateways, 2 the router, 3 and on the strategies.
    pub const fn host(port: u8) -> usize {
        match port {
            2..4 => 2,
            0..8 => (port & 1) as usize,
            8..16 => ((port - INT_GW) / 4) as usize,
            _ => 3 + ((port - INT_ST) % 4) as usize,
        }
    }
}

/// One event.
#[derive(Debug)]
pub(crate) enum Ev {
    Frame { to: u8, bytes: Vec<u8> },
    Closed { to: u8 },
    GwTurn(usize, u64),
    GwFinish(usize, u64),
    GwBoot(usize),
    GwTick(usize),
    RtTurn(u64),
    RtBoot,
    RtTick,
    StTurn(usize),
    StBoot(usize),
    VenueRequest { connection: u64, request: Box<Request> },
    VenueAnswer { connection: u64, token: u64, answer: Box<Answer> },
    VenueEvent { connection: u64, event: Box<tidegate_router::Event> },
    VenueAct,
    VenueConnect,
    StoreRequest { from: usize, request: LeaseRequest },
    StoreReply { to: usize, reply: LeaseReply },
    Market(u8),
    Control { to: usize, event: Box<ControlEvent> },
    Operator,
    Fault(Fault),
    Flood { strategy: usize, left: u32 },
    Resume(usize),
}

#[derive(Debug)]
struct Timed {
    at: u64,
    order: u64,
    event: Ev,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// Everything.
pub(crate) struct World {
    pub now: u64,
    pub opts: Options,
    queue: BinaryHeap<Timed>,
    order: u64,
    pub events: u64,
    pub trace: u64,
    pub recent: VecDeque<(u64, String)>,
    pub explain: bool,
    pub rng: Rng,
    pub net: Rng,
    pub chance: Rng,
    pub gw: [GwHost; 2],
    pub rt: RtHost,
    pub strategies: Vec<Strategy>,
    pub venue: Venue,
    pub store: Store,
    pub truth: Truth,
    pub counts: Counts,
    lately: VecDeque<(u64, Fault)>,
    pub healed: bool,
    pub table: Table,
    pub limits: Limits,
    pub worth: BTreeMap<u32, i64>,
    pub identity: Identity,
    /// Links cut until, by pair of hosts.
    cut_until: BTreeMap<(usize, usize), u64>,
    last_arrival: [u64; port::COUNT],
    pub venue_skew_ns: i64,
    pub venue_mute_until: u64,
    pub venue_storm_until: u64,
    pub connection: u64,
    pub connected: bool,
    pub busts: Vec<(u32, tidegate_router::Exec)>,
    pub busted: std::collections::BTreeSet<String>,
    pub last_event_at: u64,
    pub market_px: [i64; 2],
    pub market_frozen_until: u64,
    pub market_rests: bool,
    pub operator: crate::operator::Operator,
}

impl World {
    pub fn new(opts: Options, table: Table, limits: Limits, explain: bool) -> Self {
        let mut rng = Rng::new(opts.seed);
        let (net, chance) = (rng.fork(), rng.fork());
        let worth = table.iter().map(|row| (row.id, row.e8_per_tick_lot)).collect();
        let identity = Identity { build: 1, schema: 1, config: 1 };
        let venue_skew_ns = rng.below(600 * MS) as i64 - 300 * MS as i64;
        let strategies = (0..opts.strategies).map(|s| Strategy::new(s, &opts)).collect();
        Self {
            now: SECOND,
            queue: BinaryHeap::new(),
            order: 0,
            events: 0,
            trace: opts.seed,
            recent: VecDeque::new(),
            explain,
            net,
            chance,
            gw: [GwHost::new(), GwHost::new()],
            rt: RtHost::new(),
            strategies,
            venue: Venue::default(),
            store: Store::default(),
            truth: Truth::default(),
            counts: Counts::default(),
            lately: VecDeque::new(),
            healed: false,
            table,
            limits,
            worth,
            identity,
            cut_until: BTreeMap::new(),
            last_arrival: [0; port::COUNT],
            venue_skew_ns,
            venue_mute_until: 0,
            venue_storm_until: 0,
            connection: 0,
            connected: false,
            busts: Vec::new(),
            busted: std::collections::BTreeSet::new(),
            last_event_at: 0,
            market_px: [6_000_000, 600_000],
            market_frozen_until: 0,
            market_rests: false,
            operator: crate::operator::Operator::default(),
            rng,
            opts,
        }
    }

    /// The monotonic clock of the machine.
    pub fn mono(&self) -> u64 {
        self.now
    }

    /// The wall clock of a process that is off by so much.
    pub fn wall(&self, off_ns: i64) -> i64 {
        EPOCH_NS + self.now as i64 + off_ns
    }

    /// The venue's clock.
    pub fn venue_epoch(&self) -> i64 {
        self.wall(self.venue_skew_ns)
    }

    pub fn after(&mut self, delay: u64, event: Ev) {
        self.order += 1;
        self.queue.push(Timed { at: self.now + delay, order: self.order, event });
    }

    /// Notes that a fault was injected; three kinds within a second are one of their own.
    pub fn inject(&mut self, fault: Fault) {
        self.counts.add(fault);
        self.note(|| format!("fault {}", fault.name()));
        let now = self.now;
        self.lately.retain(|(at, other)| now - at < SECOND && *other != fault);
        self.lately.push_back((now, fault));
        if self.lately.len() >= 3 {
            self.counts.add(Fault::F40);
            self.lately.clear();
        }
    }

    /// Keeps a line for the story of a violation.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.explain {
            if self.recent.len() >= RECENT_MAX {
                self.recent.pop_front();
            }
            let line = line();
            self.recent.push_back((self.now, line));
        }
    }

    pub fn mark(&mut self, value: u64) {
        self.trace = mix(self.trace ^ value);
    }

    /// Runs until the queue ends, the time ends, or an invariant breaks.
    pub fn run_until(&mut self, end: u64) -> bool {
        while let Some(next) = self.queue.peek() {
            if next.at > end || self.truth.violation.is_some() {
                break;
            }
            let Some(Timed { at, event, .. }) = self.queue.pop() else { break };
            self.now = at;
            self.events += 1;
            self.mark(at);
            self.handle(event);
            if self.queue.len() > QUEUE_MAX {
                let text = format!("{} events wait", self.queue.len());
                self.truth.violate("I12", self.now, text);
            }
        }
        self.now = self.now.max(end);
        self.truth.violation.is_none()
    }

    // ------------------------------------------------------------------ the network

    /// Sends one frame from an end to its peer.
    pub fn send(&mut self, from: u8, mut bytes: Vec<u8>) {
        let to = port::peer(from);
        let (a, b) = (port::host(from), port::host(to));
        if self.is_cut(a, b) {
            return;
        }
        let mut delay = 20_000 + self.net.exponential(self.opts.delay_ns);
        let mut copies = 1;
        let mut in_order = true;
        if !self.healed {
            if self.net.chance(self.opts.drop_ppm) {
                self.inject(Fault::F13);
                return;
            }
            if self.net.chance(self.opts.double_ppm) {
                self.inject(Fault::F13);
                copies = 2;
            }
            if self.net.chance(self.opts.overtake_ppm) {
                self.inject(Fault::F13);
                delay += self.net.exponential(20 * MS);
                in_order = false;
            }
            if self.net.chance(self.opts.corrupt_ppm) {
                self.inject(Fault::F14);
                for _ in 0..=self.net.below(3) {
                    let bit = self.net.below(bytes.len() as u64 * 8);
                    bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
                }
            }
        }
        let slot = usize::from(to);
        let mut at = self.now + delay;
        if in_order {
            at = at.max(self.last_arrival[slot] + 1);
            self.last_arrival[slot] = at;
        }
        for copy in 0..copies {
            self.after(at - self.now + copy * 50_000, Ev::Frame { to, bytes: bytes.clone() });
        }
    }

    pub fn is_cut(&self, a: usize, b: usize) -> bool {
        !self.healed && self.cut_until.get(&(a.min(b), a.max(b))).is_some_and(|until| *until > self.now)
    }

    pub fn cut(&mut self, a: usize, b: usize, ns: u64) {
        self.cut_until.insert((a.min(b), a.max(b)), self.now + ns);
    }

    /// The peers of a process that died see their sockets close.
    pub fn closed(&mut self, host: usize) {
        for from in 0..port::COUNT as u8 {
            if port::host(from) == host && !self.is_cut(host, port::host(port::peer(from))) {
                self.after(MS, Ev::Closed { to: port::peer(from) });
            }
        }
    }

    // ------------------------------------------------------------------ what happens

    fn handle(&mut self, event: Ev) {
        match event {
            Ev::Frame { to, bytes } => {
                self.mark(u64::from(to) << 32 | bytes.len() as u64);
                self.arrive(to, bytes);
            }
            Ev::Closed { to } => self.on_closed(to),
            Ev::GwTurn(g, life) => self.gw_turn(g, life),
            Ev::GwFinish(g, life) => self.gw_finish(g, life),
            Ev::GwBoot(g) => self.gw_boot(g),
            Ev::GwTick(g) => {
                self.after(10 * MS, Ev::GwTick(g));
                self.gw_wake(g);
            }
            Ev::RtTurn(life) => self.rt_turn(life),
            Ev::RtBoot => self.rt_boot(),
            Ev::RtTick => {
                self.after(10 * MS, Ev::RtTick);
                self.rt_wake();
            }
            Ev::StTurn(s) => self.st_turn(s),
            Ev::StBoot(s) => self.st_boot(s),
            Ev::VenueRequest { connection, request } => self.venue_request(connection, *request),
            Ev::VenueAnswer { connection, token, answer } => {
                self.rt_input(RtInput::Answer { connection, token, answer: *answer });
            }
            Ev::VenueEvent { connection, event } => {
                self.rt_input(RtInput::Event { connection, event: *event });
            }
            Ev::VenueAct => self.venue_act(),
            Ev::VenueConnect => self.venue_connect(),
            Ev::StoreRequest { from, request } => self.store_request(from, request),
            Ev::StoreReply { to, reply } => self.gw_input(to, GwInput::Lease(reply)),
            Ev::Market(kind) => self.market(kind),
            Ev::Control { to, event } => self.gw_input(to, GwInput::Control(*event)),
            Ev::Operator => self.operate(),
            Ev::Fault(fault) => self.strike(fault),
            Ev::Flood { strategy, left } => self.st_flood(strategy, left),
            Ev::Resume(host) => match host {
                0 | 1 => self.gw_wake(host),
                2 => self.rt_wake(),
                _ => {}
            },
        }
    }

    fn arrive(&mut self, to: u8, bytes: Vec<u8>) {
        match port::host(to) {
            g @ (0 | 1) => self.gw_input(g, GwInput::Frame(to, bytes)),
            2 => self.rt_input(RtInput::Frame(to, bytes)),
            host => self.st_frame(host - 3, to, bytes),
        }
    }

    fn on_closed(&mut self, to: u8) {
        match port::host(to) {
            g @ (0 | 1) => self.gw_input(g, GwInput::Closed(to)),
            2 => self.rt_input(RtInput::Closed(to)),
            host if host - 3 < self.strategies.len() => self.st_closed(host - 3, to),
            _ => {}
        }
    }

    /// Starts everything.
    pub fn start(&mut self) {
        self.after(0, Ev::RtBoot);
        for g in 0..2 {
            let delay = self.rng.below(50 * MS);
            self.after(delay, Ev::GwBoot(g));
            self.after(10 * MS + g as u64 * 3 * MS, Ev::GwTick(g));
        }
        self.after(5 * MS, Ev::RtTick);
        for s in 0..self.strategies.len() {
            self.after(20 * MS + s as u64 * MS, Ev::StTurn(s));
        }
        self.after(20 * MS, Ev::VenueConnect);
        self.after(30 * MS, Ev::VenueAct);
        for kind in 0..2 {
            self.after(u64::from(kind) * 12 * MS, Ev::Market(kind));
        }
        self.after(500 * MS, Ev::Operator);
        for fault in Fault::ALL {
            self.next_fault(fault);
        }
    }

    pub fn next_fault(&mut self, fault: Fault) {
        let every = self.opts.every_ns[fault as usize];
        if every > 0 && !self.healed {
            let wait = 300 * MS + self.chance.exponential(every);
            self.after(wait, Ev::Fault(fault));
        }
    }

    /// A fresh disk, as an operator puts one in.
    pub fn fresh_disk() -> Disk {
        Disk::default()
    }
}
