//! Strategies: they send, repeat, cancel, send nonsense, flood, and die.

use crate::faults::Fault;
use crate::gateway::new_link;
use crate::options::Options;
use crate::world::{Ev, MS, World, port};
use std::collections::{BTreeMap, VecDeque};
use tidegate_bus::link::{Link, LinkEvent, LinkState, Received};
use tidegate_leadership::Asked;
use tidegate_units::{IntentId, StrategyId};
use tidegate_wire::envelope;
use tidegate_wire::pb::common::v1::{IntentId as WireId, Side, Source};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{
    Decision, Intent, IntentKind, IntentReply, OrderState, OrderType, Reason, Tif,
};

/// Intents of one strategy that wait for their answer; a fraction of what the gateway remembers.
const IN_FLIGHT_MAX: usize = 8;
const RECENT_MAX: usize = 8;
/// Intents kept to be repeated while their orders live.
const MADE_MAX: usize = 32;
/// Answers kept to hold later ones against.
const ANSWERS_MAX: usize = 256;

#[derive(Debug)]
struct Sent {
    intent: Intent,
    at: u64,
}

/// One strategy and its machine.
#[derive(Debug)]
pub(crate) struct Strategy {
    session: u32,
    epoch: u32,
    seq: u64,
    up: bool,
    links: Vec<Link>,
    asked: Asked,
    unanswered: BTreeMap<IntentId, Sent>,
    /// Orders that live, with their instrument, and what was sent to make them where this session did.
    live: BTreeMap<IntentId, u32>,
    made: BTreeMap<IntentId, Intent>,
    recent: VecDeque<Intent>,
    next_at: u64,
    stalled_until: u64,
    pub answered: u64,
    cancelling: bool,
    acks: [Option<u64>; 2],
    /// Final answers to its own intents, the last ones.
    answers: BTreeMap<IntentId, Answered>,
}

/// A final answer, by whom it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answered {
    decision: Decision,
    reason: Reason,
    gateway: usize,
    epoch: u32,
}

impl Strategy {
    pub fn new(s: usize, opts: &Options) -> Self {
        let mut strategy = Self {
            session: 0,
            epoch: 0,
            seq: 0,
            up: false,
            links: Vec::new(),
            asked: Asked::new(2),
            unanswered: BTreeMap::new(),
            live: BTreeMap::new(),
            made: BTreeMap::new(),
            recent: VecDeque::new(),
            next_at: 0,
            stalled_until: 0,
            answered: 0,
            cancelling: false,
            acks: [None; 2],
            answers: BTreeMap::new(),
        };
        strategy.begin(s, opts);
        strategy
    }

    fn begin(&mut self, s: usize, opts: &Options) {
        self.session += 1;
        self.epoch += 1;
        self.seq = 0;
        self.up = true;
        self.links = [0_u8, 1]
            .map(|g| new_link(port::INT_ST + g * 4 + s as u8, self.session, opts.link_window))
            .into();
        self.asked = Asked::new(2);
        self.answers.clear();
        self.unanswered.clear();
        self.live.clear();
        self.made.clear();
        self.recent.clear();
    }

    /// Intents without a final answer.
    pub fn waiting(&self) -> usize {
        self.unanswered.len()
    }
}

fn wire(id: IntentId) -> WireId {
    let (hi, lo) = id.halves();
    WireId { hi, lo }
}

impl World {
    pub fn st_boot(&mut self, s: usize) {
        let opts = self.opts.clone();
        self.strategies[s].begin(s, &opts);
        self.after(MS, Ev::StTurn(s));
    }

    pub fn st_crash(&mut self, s: usize, restart_ns: u64) {
        if !self.strategies[s].up {
            return;
        }
        self.strategies[s].up = false;
        self.closed(3 + s);
        self.after(restart_ns, Ev::StBoot(s));
    }

    pub fn st_stall(&mut self, s: usize, ns: u64) {
        self.strategies[s].stalled_until = self.now + ns;
    }

    pub fn st_heal(&mut self) {
        for s in &mut self.strategies {
            s.stalled_until = 0;
        }
    }

    /// From now on every live order is cancelled.
    pub fn st_cancel_all(&mut self) {
        for s in &mut self.strategies {
            s.cancelling = true;
        }
    }

    pub fn st_frame(&mut self, s: usize, at: u8, bytes: Vec<u8>) {
        let now = self.mono();
        let strategy = &mut self.strategies[s];
        if !strategy.up || strategy.stalled_until > now {
            return;
        }
        let g = usize::from((at - port::INT_ST) / 4);
        let payload = match strategy.links[g].on_frame(now, &bytes) {
            Received::Data { seq, payload, .. } => {
                strategy.acks[g] = Some(seq);
                Some(payload.to_vec())
            }
            Received::Nothing => None,
        };
        self.st_link_events(s, g);
        if let Some(payload) = payload {
            self.st_message(s, g, &payload);
        }
    }

    pub fn st_closed(&mut self, s: usize, at: u8) {
        let g = usize::from((at - port::INT_ST) / 4);
        let strategy = &mut self.strategies[s];
        if strategy.up {
            strategy.links[g].disconnected();
            self.st_link_events(s, g);
        }
    }

    /// A link that is out of step is no way to ask by, where the other one is in step.
    fn st_link_events(&mut self, s: usize, g: usize) {
        let now = self.mono();
        let strategy = &mut self.strategies[s];
        while let Some(event) = strategy.links[g].next_event() {
            if let LinkEvent::State { to, .. } = event
                && to != LinkState::Synced
            {
                let other_in_step = strategy.links[1 - g].state() == LinkState::Synced;
                strategy.asked.lost(g, other_in_step, now);
            }
        }
    }

    fn st_message(&mut self, s: usize, g: usize, payload: &[u8]) {
        let Ok(message) = envelope::decode_checked(payload) else {
            self.truth.violate("I1", self.now, "a gateway sent a strategy what is no message".into());
            return;
        };
        let now = self.mono();
        let asked = &mut self.strategies[s].asked;
        match &message.payload {
            Some(Payload::IntentReply(reply)) if reply.reason() == Reason::NotLeader => {
                asked.not_leading(g, now);
                return;
            }
            Some(Payload::PolicyState(policy)) => {
                asked.leads(g, policy.gateway_epoch, now);
            }
            _ => {}
        }
        if !asked.heeds(g) {
            return;
        }
        if g != asked.active() {
            let text = format!("strategy {s} takes gateway {g} at its word and asks {}", asked.active());
            self.truth.violate("I1", self.now, text);
        }
        match message.payload {
            Some(Payload::IntentReply(reply)) => self.st_reply(s, g, &reply),
            Some(Payload::OrderUpdate(update)) => {
                let Some(id) = update.intent_id else { return };
                let id = IntentId::from_halves(id.hi, id.lo);
                let over = matches!(
                    update.state(),
                    OrderState::Filled
                        | OrderState::Cancelled
                        | OrderState::Rejected
                        | OrderState::Expired
                        | OrderState::Dead
                );
                if over {
                    self.strategies[s].live.remove(&id);
                    self.strategies[s].made.remove(&id);
                } else {
                    self.strategies[s].live.insert(id, update.instrument_id);
                }
            }
            _ => {}
        }
    }

    fn st_reply(&mut self, s: usize, g: usize, reply: &IntentReply) {
        let strategy = &mut self.strategies[s];
        let Some(id) = reply.intent_id else { return };
        let id = IntentId::from_halves(id.hi, id.lo);
        let again = reply.decision() == Decision::Refused
            && matches!(
                reply.reason(),
                Reason::StartupHoldoff | Reason::JournalUnavailable | Reason::RouterBackpressure
            );
        if again {
            return;
        }
        strategy.asked.answered(id.0);
        if let Some(sent) = strategy.unanswered.remove(&id) {
            if reply.reason() == Reason::UnknownOrder
                && let Some(target) = sent.intent.target_intent_id
            {
                strategy.live.remove(&IntentId::from_halves(target.hi, target.lo));
            }
            if reply.decision() == Decision::Refused {
                strategy.made.remove(&id);
            }
            strategy.answered += 1;
        }
        self.st_one_answer(s, g, id, reply);
    }

    /// Two final answers to one intent differ only where two leaders gave them, of whom the later one never had the record of the
    /// first. Either may be heard first.
    fn st_one_answer(&mut self, s: usize, g: usize, id: IntentId, reply: &IntentReply) {
        // Words about the message, not about the intent.
        if matches!(reply.reason(), Reason::IdReused | Reason::DuplicateInFlight | Reason::Malformed) {
            return;
        }
        let Some(epoch) = self.gw[g].said.get(&id).copied() else { return };
        let is = Answered { decision: reply.decision(), reason: reply.reason(), gateway: g, epoch };
        let answers = &mut self.strategies[s].answers;
        let was = *answers.entry(id).or_insert(is);
        if (was.decision, was.reason) != (is.decision, is.reason) {
            if is.epoch == was.epoch {
                let text = format!("{id:?} was answered {was:?} and is answered {is:?}");
                self.truth.violate("I1", self.now, text);
                return;
            }
            if is.epoch > was.epoch {
                answers.insert(id, is);
            }
        }
        while answers.len() > ANSWERS_MAX {
            answers.pop_first();
        }
    }

    pub fn st_turn(&mut self, s: usize) {
        if !self.strategies[s].up {
            return;
        }
        self.after(15 * MS, Ev::StTurn(s));
        let now = self.mono();
        if self.strategies[s].stalled_until > now {
            return;
        }
        if self.strategies[s].cancelling {
            self.st_cancel(s);
        }
        if !self.healed && now >= self.strategies[s].next_at {
            let wait = self.rng.exponential(self.opts.intent_mean_ns);
            self.strategies[s].next_at = now + wait;
            self.st_act(s);
        }
        self.st_due(s);
        self.st_repeat(s);
        self.st_poll(s);
    }

    fn st_poll(&mut self, s: usize) {
        let now = self.mono();
        for g in 0..2_usize {
            let strategy = &mut self.strategies[s];
            let mut frames = Vec::new();
            if let Some(seq) = strategy.acks[g].take() {
                strategy.links[g].ack(seq);
            }
            strategy.links[g].poll(now, &mut |frame| {
                frames.push(frame.to_vec());
                true
            });
            for frame in frames {
                self.send(port::INT_ST + g as u8 * 4 + s as u8, frame);
            }
            self.st_link_events(s, g);
        }
    }

    fn st_repeat(&mut self, s: usize) {
        let now = self.mono();
        let due: Vec<IntentId> = self.strategies[s]
            .unanswered
            .iter()
            .filter(|(_, sent)| now.saturating_sub(sent.at) >= 250 * MS)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let strategy = &mut self.strategies[s];
            let Some(sent) = strategy.unanswered.get_mut(&id) else { continue };
            sent.at = now;
            let intent = sent.intent;
            let to = strategy.asked.active();
            self.st_send(s, to, intent);
        }
    }

    fn st_bytes(&self, intent: Intent) -> Vec<u8> {
        envelope::encode(&Envelope {
            schema_version: 1,
            source: Source::StrategyRunner.into(),
            ts_event_ns: self.wall(0),
            ts_recv_ns: self.wall(0),
            payload: Some(Payload::Intent(intent)),
            ..Envelope::default()
        })
    }

    fn st_send(&mut self, s: usize, to: usize, intent: Intent) {
        let (now, bytes) = (self.mono(), self.st_bytes(intent));
        let link = &mut self.strategies[s].links[to];
        if link.state() == LinkState::Synced {
            let _ = link.send(now, &bytes);
        }
    }

    /// What has no answer goes to the gateway that is asked since it was sent.
    fn st_due(&mut self, s: usize) {
        let now = self.mono();
        let strategy = &mut self.strategies[s];
        let link = &mut strategy.links[strategy.asked.active()];
        if link.state() == LinkState::Synced {
            for bytes in strategy.asked.take_due(now) {
                if link.send(now, &bytes).is_err() {
                    strategy.asked.postpone(now);
                    break;
                }
            }
        }
    }

    fn st_new(&mut self, s: usize) -> Intent {
        let strategy = &mut self.strategies[s];
        strategy.seq += 1;
        let id = IntentId::new(StrategyId(s as u32 + 1), strategy.epoch, strategy.seq);
        let instrument = 1 + self.rng.below(2) as usize;
        let buy = self.rng.chance(500_000);
        let market = self.rng.chance(50_000);
        let px = self.market_px[instrument - 1];
        // Buys below, sells above, so that own orders seldom cross; now and then far off.
        let away = if self.rng.chance(60_000) { 300 } else { 1 + self.rng.below(120) as i64 };
        let px = if buy { px - px * away / 10_000 } else { px + px * away / 10_000 };
        let tif = match self.rng.below(10) {
            _ if market => Tif::Ioc,
            0 => Tif::Ioc,
            1 => Tif::PostOnly,
            _ => Tif::Gtc,
        };
        let qty = if self.rng.chance(50_000) { 1_000 } else { 1 + self.rng.below(15) };
        let ttl_ns = if self.rng.chance(200_000) { self.rng.range(20 * MS, 2_000 * MS) } else { 0 };
        Intent {
            intent_id: Some(wire(id)),
            kind: IntentKind::New.into(),
            instrument_id: instrument as u32,
            account_id: 1,
            side: if buy { Side::Buy } else { Side::Sell }.into(),
            order_type: if market { OrderType::Market } else { OrderType::Limit }.into(),
            tif: tif.into(),
            px_ticks: if market { 0 } else { px },
            qty_lots: qty,
            ttl_ns,
            intent_mono_ns: self.now,
            instrument_table_version: self.table.version(),
            ..Intent::default()
        }
    }

    /// Sends an intent and waits for its answer.
    fn st_submit(&mut self, s: usize, intent: Intent) {
        let id = intent.intent_id.map_or(IntentId(0), |id| IntentId::from_halves(id.hi, id.lo));
        let (now, bytes) = (self.mono(), self.st_bytes(intent));
        let strategy = &mut self.strategies[s];
        strategy.asked.sent(id.0, &bytes);
        strategy.unanswered.insert(id, Sent { intent, at: now });
        if intent.kind() == IntentKind::New && strategy.made.len() < MADE_MAX {
            strategy.made.insert(id, intent);
        }
        if strategy.recent.len() >= RECENT_MAX {
            strategy.recent.pop_front();
        }
        strategy.recent.push_back(intent);
        let to = strategy.asked.active();
        self.st_send(s, to, intent);
    }

    fn st_cancel_of(&mut self, s: usize, target: IntentId, instrument: u32) -> Intent {
        let strategy = &mut self.strategies[s];
        strategy.seq += 1;
        let id = IntentId::new(StrategyId(s as u32 + 1), strategy.epoch, strategy.seq);
        Intent {
            intent_id: Some(wire(id)),
            kind: IntentKind::Cancel.into(),
            instrument_id: instrument,
            target_intent_id: Some(wire(target)),
            intent_mono_ns: self.now,
            instrument_table_version: self.table.version(),
            ..Intent::default()
        }
    }

    fn st_act(&mut self, s: usize) {
        if self.rng.chance(self.opts.garbage_ppm) {
            self.st_garbage(s);
            return;
        }
        if self.strategies[s].unanswered.len() >= IN_FLIGHT_MAX {
            return;
        }
        let live: Vec<(IntentId, u32)> = self.strategies[s].live.iter().map(|(id, i)| (*id, *i)).collect();
        if self.rng.chance(350_000)
            && let Some(&(target, instrument)) = self.rng.pick(&live)
        {
            let intent = self.st_cancel_of(s, target, instrument);
            self.st_submit(s, intent);
            return;
        }
        if self.rng.chance(80_000) {
            // A repeat, to either gateway, of what may have been answered long ago.
            let strategy = &self.strategies[s];
            // However old: an order that lives is remembered. Of those that ended only the last ones may be repeated.
            let lives = strategy
                .made
                .iter()
                .filter(|(id, _)| self.truth.order(**id).is_some_and(|order| order.open))
                .map(|(_, intent)| intent);
            let recent: Vec<Intent> = strategy.recent.iter().chain(lives).copied().collect();
            if let Some(&intent) = self.rng.pick(&recent) {
                let to = self.rng.below(2) as usize;
                self.st_send(s, to, intent);
                return;
            }
        }
        let intent = self.st_new(s);
        self.st_submit(s, intent);
    }

    /// What no sane strategy sends: a stranger's id, an id used before, a rule of the message broken, or no message at all.
    fn st_garbage(&mut self, s: usize) {
        self.inject(Fault::F15);
        let to = self.strategies[s].asked.active();
        let mut intent = self.st_new(s);
        match self.rng.below(6) {
            0 => intent.intent_id = Some(wire(IntentId::new(StrategyId(77), 1, 1))),
            1 => {
                if let Some(old) = self.strategies[s].recent.back() {
                    intent.intent_id = old.intent_id;
                    intent.qty_lots = old.qty_lots + 1;
                }
            }
            2 => intent.side = 0,
            3 => intent.instrument_id = 99,
            4 => intent.qty_lots = u64::MAX,
            _ => {
                let now = self.mono();
                let len = 1 + self.rng.below(200) as usize;
                let bytes: Vec<u8> = (0..len).map(|_| self.rng.draw() as u8).collect();
                let link = &mut self.strategies[s].links[to];
                if link.state() == LinkState::Synced {
                    let _ = link.send(now, &bytes);
                }
                return;
            }
        }
        self.st_send(s, to, intent);
    }

    /// Valid orders, as fast as they can be written.
    pub fn st_flood(&mut self, strategy: usize, left: u32) {
        if left == 0 || self.healed || !self.strategies[strategy].up {
            return;
        }
        for _ in 0..4 {
            let intent = self.st_new(strategy);
            let to = self.strategies[strategy].asked.active();
            self.st_send(strategy, to, intent);
        }
        self.st_poll(strategy);
        self.after(MS, Ev::Flood { strategy, left: left - 1 });
    }

    fn st_cancel(&mut self, s: usize) {
        if !self.strategies[s].unanswered.is_empty() {
            return;
        }
        let live: Vec<(IntentId, u32)> =
            self.strategies[s].live.iter().map(|(id, i)| (*id, *i)).take(4).collect();
        for (target, instrument) in live {
            let intent = self.st_cancel_of(s, target, instrument);
            self.st_submit(s, intent);
        }
    }
}
