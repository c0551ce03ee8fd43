//! One seed from beginning to end: disturbed, healed, settled, compared.

use crate::faults::Counts;
use crate::options::Options;
use crate::truth::Violation;
use crate::world::{MS, SECOND, World};
use std::fmt;
use tidegate_instruments::Table;
use tidegate_risk::{Bounds, Gateway, Limits};
use tidegate_wire::envelope;
use tidegate_wire::pb::control::v1::ControlAction;

const TABLE: &[u8] = include_bytes!("../../../../../config/instruments.json");
const LIMITS: &str = include_str!("limits.json");
/// How long a healed world may take to settle.
const SETTLE_NS: u64 = 90 * SECOND;

/// What one seed came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub seed: u64,
    pub events: u64,
    /// Hash over every event and every state compared: equal for equal seeds.
    pub trace: u64,
    pub faults: Counts,
    pub violation: Option<Violation>,
    /// What had not settled though everything worked again.
    pub stuck: Option<String>,
    /// The last things that happened, where they were asked for.
    pub story: Vec<String>,
    pub orders: u64,
    pub fills: u64,
    pub grants: u64,
    pub simulated_ns: u64,
    /// Decisions in the leader's journal at the end, by reason number.
    pub decisions: std::collections::BTreeMap<i32, u64>,
}

impl Outcome {
    /// Whether a checker had something to say.
    pub fn sound(&self) -> bool {
        self.violation.is_none() && self.stuck.is_none()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.violation, &self.stuck) {
            (Some(v), _) => {
                write!(f, "seed {}: {} at {} ms: {}", self.seed, v.invariant, v.at_ns / MS, v.text)
            }
            (None, Some(text)) => write!(f, "seed {}: I11: {text}", self.seed),
            (None, None) => write!(f, "seed {}: sound", self.seed),
        }
    }
}

/// What every seed has in common.
#[derive(Debug, Clone)]
pub struct Simulator {
    table: Table,
    limits: Limits,
}

impl Simulator {
    /// Reads the instruments and limits of the simulated cluster.
    ///
    /// # Errors
    /// They are not sound.
    pub fn new() -> Result<Self, String> {
        let table = Table::from_json(TABLE).map_err(|fault| fault.to_string())?;
        let limits = Limits::from_json(LIMITS.as_bytes(), &table).map_err(|fault| fault.to_string())?;
        Ok(Self { table, limits })
    }

    /// Runs one seed. `explain` keeps the last things that happened.
    pub fn run(&self, seed: u64, explain: bool) -> Outcome {
        self.run_with(Options::of(seed), explain)
    }

    /// Runs with options of one's own.
    pub fn run_with(&self, opts: Options, explain: bool) -> Outcome {
        let seed = opts.seed;
        let end = SECOND + opts.duration_ns;
        let mut world = World::new(opts, self.table.clone(), self.limits.clone(), explain);
        world.start();
        let mut stuck = None;
        if world.run_until(end) {
            stuck = self.settle(&mut world);
        }
        if explain && let (Some(violation), Some(router)) = (&world.truth.violation, world.rt.node.as_ref()) {
            let digits: String = violation
                .text
                .chars()
                .skip_while(|c| !c.is_ascii_digit())
                .take_while(char::is_ascii_digit)
                .collect();
            for line in router.about_intent(digits.parse().unwrap_or(0)) {
                world.recent.push_back((world.now, line));
            }
        }
        let trace = world.trace;
        Outcome {
            seed,
            events: world.events,
            trace,
            faults: world.counts,
            violation: world.truth.violation.take(),
            stuck,
            story: world
                .recent
                .iter()
                .map(|(at, line)| format!("{:>9.3} ms {line}", *at as f64 / MS as f64))
                .collect(),
            orders: world.truth.orders.len() as u64,
            fills: world.truth.fills.len() as u64,
            grants: world.truth.grants.len() as u64,
            simulated_ns: world.now,
            decisions: world
                .leading()
                .and_then(|g| world.gw[g].node.as_ref())
                .map(|n| n.core.state().decisions().clone())
                .unwrap_or_default(),
        }
    }

    /// The world heals; every order must come to its end, and all must agree on what happened.
    fn settle(&self, world: &mut World) -> Option<String> {
        world.heal();
        // First nobody acts: what the venue did must come out by itself, before any cancel asks for it.
        world.market_rests = true;
        let quiet = world.now + SETTLE_NS / 2;
        while world.now < quiet {
            let until = world.now + 100 * MS;
            if !world.run_until(until) {
                return None;
            }
            if self.unbooked(world).is_none() {
                break;
            }
        }
        if let Some(text) = self.unbooked(world) {
            return Some(text);
        }
        world.market_rests = false;
        let deadline = world.now + SETTLE_NS;
        let mut next_clear = world.now + 1_500 * MS;
        let mut cancelling = false;
        while world.now < deadline {
            let until = world.now + 100 * MS;
            if !world.run_until(until) {
                return None;
            }
            if world.now >= next_clear {
                next_clear = world.now + 2 * SECOND;
                // Latches are cleared first; then everything that rests is cancelled.
                if !cancelling || world.rng.chance(300_000) {
                    world.clear_latches();
                    cancelling = true;
                }
                world.control(ControlAction::CancelAll, "desk");
                world.st_cancel_all();
            }
            if cancelling && self.unsettled(world).is_none() {
                self.compare(world);
                return None;
            }
        }
        self.unsettled(world)
    }

    /// Executions that the leader has not booked yet.
    fn unbooked(&self, world: &World) -> Option<String> {
        let Some(g) = world.leading() else { return Some("nobody leads".into()) };
        let is = world.gw[g].node.as_ref().map_or(0, |n| n.mirror.fill_count());
        let want = world.truth.fills.len();
        (is != want).then(|| format!("{is} executions are booked of {want}, and nobody asks for the rest"))
    }

    /// What is not settled yet.
    fn unsettled(&self, world: &World) -> Option<String> {
        let Some(g) = world.leading() else { return Some("nobody leads".into()) };
        let (Some(node), Some(router)) = (world.gw[g].node.as_ref(), world.rt.node.as_ref()) else {
            return Some("a process is down".into());
        };
        let state = node.core.state();
        if state.open_orders() > 0 {
            let orders: Vec<String> = state
                .orders()
                .filter(|o| !o.terminal())
                .take(3)
                .map(|o| format!("{} {} cum {}", o.client_order_id, o.state.as_str_name(), o.cum_lots))
                .collect();
            return Some(format!(
                "{} orders are open at the leader: {}",
                state.open_orders(),
                orders.join(", ")
            ));
        }
        if let Some(order) = state.orders().find(|o| o.reserved_lots() > 0) {
            return Some(format!("{} keeps {} lots reserved", order.client_order_id, order.reserved_lots()));
        }
        if router.router.open_orders() > 0 {
            return Some(format!("{} orders are open at the router", router.router.open_orders()));
        }
        if !world.venue.open().is_empty() {
            return Some(format!("{} orders rest at the venue", world.venue.open().len()));
        }
        let waiting: usize = world.strategies.iter().map(crate::strategy::Strategy::waiting).sum();
        if waiting > 0 {
            return Some(format!("{waiting} intents have no answer"));
        }
        if let Some(text) = self.unbooked(world) {
            return Some(text);
        }
        let Some(standby) = world.gw[1 - g].node.as_ref() else { return Some("the standby is down".into()) };
        if !world.follows(1 - g) {
            return Some(format!("the standby does not follow: {}", world.about_tail(g)));
        }
        if standby.core.state().log_seq() != state.log_seq() {
            let (is, want) = (standby.core.state().log_seq(), state.log_seq());
            return Some(format!("the standby holds {is} records of {want}"));
        }
        None
    }

    /// Leader, standby and a replay of the leader's journal hold one state, and it is the venue's.
    fn compare(&self, world: &mut World) {
        let Some(g) = world.leading() else { return };
        let now = world.now;
        let truth = world.truth.positions.clone();
        let Some(mut leader) = world.gw[g].node.take() else { return };
        let mut faults: Vec<(&'static str, String)> = Vec::new();
        for ((strategy, instrument), want) in truth {
            let is = leader.mirror.position(strategy, instrument);
            let books = leader.core.state().books();
            let core: i128 = books
                .filter(|(key, _)| key.strategy.0 == strategy && key.instrument.0 == instrument)
                .map(|(_, book)| book.position.lots)
                .sum();
            if is != i128::from(want) || core != i128::from(want) {
                let text = format!(
                    "strategy {strategy} has {core} lots of {instrument} (journal {is}), the venue {want}"
                );
                faults.push(("I7", text));
            }
        }
        let bounds = Bounds { outcomes_max: world.opts.outcomes_max, fill_keys_max: 1 << 16 };
        let mut replay = Gateway::with_bounds(self.table.clone(), self.limits.clone(), 1, bounds);
        let mut wrong = None;
        let read = leader.journal.read_from(0, usize::MAX, |record| {
            let folded = envelope::decode(record.payload)
                .map_err(|e| e.to_string())
                .and_then(|record| replay.recover(&record).map_err(|e| e.to_string()));
            if let Err(text) = folded {
                wrong.get_or_insert(text);
            }
        });
        if let Err(fault) = read {
            wrong.get_or_insert(fault.to_string());
        }
        if let Some(text) = wrong {
            faults.push(("I13", format!("the journal does not replay: {text}")));
        }
        let hash = leader.core.state().hash();
        if replay.state().hash() != hash {
            faults.push(("I13", "a replay of the leader's journal gives another state".into()));
        }
        if let Some(standby) = world.gw[1 - g].node.as_ref()
            && standby.core.state().hash() != hash
        {
            faults.push(("I13", "leader and standby hold different states".into()));
        }
        world.gw[g].node = Some(leader);
        world.mark(u64::from_le_bytes([
            hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7],
        ]));
        for (invariant, text) in faults {
            world.truth.violate(invariant, now, text);
        }
    }
}
