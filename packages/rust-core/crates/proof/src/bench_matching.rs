//! `bench matching`: a recorded day as orders for a matching engine, and our core over them. The peers' side is in `bench/peers`.
//!
//! The day is LOBSTER's AMZN file closed to order operations (`bench_book`). Each operation becomes what its sender sent: an
//! add a limit order, a reduction a cancel and a smaller limit order, a deletion a cancel, an execution an IOC order from the
//! other side. No id is used twice. The reference is a matcher of sorted maps and queues that runs while the flow is made.

use crate::args::Args;
use crate::bench_book::{Op, OpKind, amzn};
use crate::report::Report;
use crate::timing::{each, median, timed};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use tidegate_matching::engine::{Engine, Event, Request, Stp, Tif};
use tidegate_units::Side;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Limit,
    Ioc,
    Cancel,
}

/// One message to an engine. Prices in cents, quantities in shares; a cancel's are those of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub id: u64,
    pub px: i64,
    pub qty: i64,
    pub side: Side,
    pub kind: Kind,
}

/// What an engine came to: trades, shares, and Σ price × shares in units of 1e-4 USD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub trades: u64,
    pub volume: u64,
    pub value: u64,
}

impl Sums {
    /// One trade, its price in cents.
    #[inline]
    pub fn add(&mut self, px: i64, qty: i64) {
        self.trades += 1;
        self.volume += qty as u64;
        self.value += (px * 100 * qty) as u64;
    }
}

/// The sums of AMZN's day by a FIFO matcher in another language, which made the same flow of the same files.
pub const FLOW_SUMS: Sums = Sums { trades: 12_998, volume: 628_471, value: 1_399_262_031_900 };
/// Orders that rest at its end.
pub const FLOW_LIVE: u64 = 738;
/// Limit orders, cancels and IOC orders of it.
pub const FLOW_MIX: (usize, usize, usize) = (44_327, 35_744, 8_974);

/// The messages, and what the reference matcher came to.
#[derive(Debug, Clone, Default)]
pub struct Flow {
    pub orders: Vec<Order>,
    pub sums: Sums,
    pub live: u64,
}

impl Flow {
    /// How many limit orders, cancels and IOC orders.
    pub fn mix(&self) -> (usize, usize, usize) {
        let count = |kind| self.orders.iter().filter(|order| order.kind == kind).count();
        (count(Kind::Limit), count(Kind::Cancel), count(Kind::Ioc))
    }
}

/// Ids of aggressors and of orders sent anew begin here.
const AGGRESSORS: u64 = 2_000_000_000_000;
const AGAIN: u64 = 3_000_000_000_000;

#[derive(Default)]
struct Reference {
    live: HashMap<u64, (Side, i64, i64)>,
    queues: [BTreeMap<i64, VecDeque<u64>>; 2],
    flow: Flow,
}

impl Reference {
    fn trade(&mut self, side: Side, px: i64, mut qty: i64) -> i64 {
        let other = side.opposite() as usize;
        while qty > 0 {
            let level = match side {
                Side::Buy => self.queues[other].first_entry(),
                Side::Sell => self.queues[other].last_entry(),
            };
            let Some(mut level) = level else { break };
            let at = *level.key();
            if (px - at) * side.sign() < 0 {
                break;
            }
            let Some(id) = level.get().front().copied() else {
                level.remove();
                continue;
            };
            // Cancelled orders leave their place in the queue behind.
            let Some(order) = self.live.get_mut(&id) else {
                level.get_mut().pop_front();
                continue;
            };
            let part = qty.min(order.2);
            order.2 -= part;
            qty -= part;
            self.flow.sums.add(at, part);
            if order.2 == 0 {
                self.live.remove(&id);
                level.get_mut().pop_front();
            }
        }
        qty
    }

    fn send(&mut self, id: u64, side: Side, px: i64, qty: i64, kind: Kind) {
        self.flow.orders.push(Order { id, px, qty, side, kind });
        if kind == Kind::Cancel {
            self.live.remove(&id);
            return;
        }
        let left = self.trade(side, px, qty);
        if left > 0 && kind == Kind::Limit {
            self.live.insert(id, (side, px, left));
            self.queues[side as usize].entry(px).or_default().push_back(id);
        }
    }
}

/// The messages of a closed day.
pub fn flow_of(ops: &[Op]) -> Flow {
    let mut reference = Reference::default();
    let mut now: HashMap<u64, u64> = HashMap::new();
    let mut seen = HashSet::new();
    let (mut again, mut aggressor) = (AGAIN, AGGRESSORS);
    for op in ops {
        let id = now.get(&op.id).copied().unwrap_or(op.id);
        match op.kind {
            OpKind::Add => {
                let fresh = if seen.insert(op.id) {
                    id
                } else {
                    again += 1;
                    now.insert(op.id, again);
                    again
                };
                reference.send(fresh, op.side, op.px, op.qty, Kind::Limit);
            }
            OpKind::Reduce | OpKind::Delete => {
                let Some((side, px, left)) = reference.live.get(&id).copied() else { continue };
                reference.send(id, side, px, left, Kind::Cancel);
                if op.kind == OpKind::Reduce && left > op.qty {
                    again += 1;
                    now.insert(op.id, again);
                    reference.send(again, side, px, left - op.qty, Kind::Limit);
                }
            }
            OpKind::Execute => {
                aggressor += 1;
                reference.send(aggressor, op.side.opposite(), op.px, op.qty, Kind::Ioc);
            }
        }
    }
    let mut flow = reference.flow;
    flow.live = reference.live.len() as u64;
    flow
}

/// An empty core with its one account.
pub fn core() -> Engine {
    let mut engine = Engine::new((), 1 << 20);
    engine.add_account();
    engine
}

/// One message to our core; what it traded is added to the sums.
#[inline]
pub fn apply(engine: &mut Engine, order: &Order, out: &mut Vec<Event>, sums: &mut Sums) {
    out.clear();
    let tif = match order.kind {
        Kind::Limit => Tif::Gtc,
        Kind::Ioc => Tif::Ioc,
        Kind::Cancel => {
            engine.cancel(order.id, out);
            return;
        }
    };
    let request =
        Request { stp: Stp::None, ..Request::limit(order.id, 0, order.side, order.px, order.qty, tif) };
    // A refusal shows in the sums.
    let _ = engine.submit(&request, out);
    for event in out.iter() {
        if let Event::Fill(fill) = event {
            sums.add(fill.px, fill.qty);
        }
    }
}

/// The messages through our core.
pub fn feed(engine: &mut Engine, orders: &[Order], out: &mut Vec<Event>) -> Sums {
    let mut sums = Sums::default();
    for order in orders {
        apply(engine, order, out, &mut sums);
    }
    sums
}

/// AMZN's day as messages.
///
/// # Errors
/// Files that are not there, or that make other messages than they must.
pub fn amzn_flow(data: &std::path::Path) -> Result<Flow, String> {
    let flow = flow_of(&amzn(data)?.ops);
    if (flow.sums, flow.live, flow.mix()) == (FLOW_SUMS, FLOW_LIVE, FLOW_MIX) {
        Ok(flow)
    } else {
        Err(format!("the flow is {:?}, {} live, {:?}; want {FLOW_SUMS:?}", flow.sums, flow.live, flow.mix()))
    }
}

/// Our core alone: its sums against the independent ones, its speed as figures.
///
/// # Errors
/// Data that is not there or cannot be read.
pub fn run(args: &Args) -> Result<Report, String> {
    let data = args.data()?;
    let rounds: usize = args.get("rounds", 5)?;
    args.done()?;
    let flow = amzn_flow(&data)?;
    Ok(alone(&flow, rounds.clamp(1, 100)))
}

/// Our core over a flow.
pub fn alone(flow: &Flow, rounds: usize) -> Report {
    let (mut wrong, mut seconds, mut out) = (0, Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut engine = core();
        let (took, sums) = timed(|| feed(&mut engine, &flow.orders, &mut out));
        wrong += u64::from((sums, engine.resting() as u64) != (flow.sums, flow.live));
        seconds.push(took);
    }
    let (mut engine, mut sums) = (core(), Sums::default());
    let tail = each(&flow.orders, |order| apply(&mut engine, order, &mut out, &mut sums));
    wrong += u64::from(sums != flow.sums);
    let mut report = Report::new();
    report.zero("sums_wrong", wrong, rounds as u64 + 1, 2);
    report.figure("ours.k_per_s", flow.orders.len() as f64 / median(&seconds) / 1e3);
    report.figure("ours.each_ns", tail);
    report
}
