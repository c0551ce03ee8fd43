//! Strategies that proofs and benches run, written once against [`Desk`] so that another engine can run the very same code.
//!
//! Prices are computed in doubles, as those strategies are published; what is sent is ticks and lots.

use crate::depth::Levels;
use crate::engine::{Accounting, Engine};
use crate::order::{NewOrder, Tif};
use crate::queue::QueueModel;
use tidegate_units::Side;

/// What a sample strategy sees and may do, of one instrument.
pub trait Desk {
    /// Lets time pass. False at the end of the data.
    ///
    /// # Errors
    /// The engine gives up.
    fn elapse(&mut self, ns: i64) -> Result<bool, String>;
    /// Best bid and ask in ticks, where both are there.
    fn touch(&self) -> Option<(i64, i64)>;
    /// Size of a tick, in money.
    fn tick_size(&self) -> f64;
    /// Quantity at a price.
    fn qty_at(&self, side: Side, px: i64) -> f64;
    /// The position as the engine tells it.
    fn position(&self) -> f64;
    /// Forgets ended orders.
    fn clear_ended(&mut self);
    /// Whether an order of the id is not forgotten.
    fn has(&self, id: u64) -> bool;
    /// Ids of a side's orders that may be cancelled now, appended to `out`.
    fn cancellable(&self, side: Side, out: &mut Vec<u64>);
    /// Sends an order of the desk's size; a market order where there is no price.
    ///
    /// # Errors
    /// It is refused before it is sent.
    fn send(&mut self, id: u64, side: Side, px: Option<i64>, tif: Tif) -> Result<(), String>;
    /// Asks for another price of an order that may be cancelled.
    ///
    /// # Errors
    /// It is refused before it is sent.
    fn reprice(&mut self, id: u64, px: i64) -> Result<(), String>;
    /// Asks for a cancel.
    ///
    /// # Errors
    /// It is refused before it is sent.
    fn cancel(&mut self, id: u64) -> Result<(), String>;
}

/// What a strategy did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Did {
    pub steps: u64,
    pub posted: u64,
    pub cancelled: u64,
}

/// Parameters of [`grid`]: parts of the price, and quantities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    pub half_spread: f64,
    pub interval: f64,
    pub levels: usize,
    pub skew: f64,
    pub order_qty: f64,
    pub max_position: f64,
    pub step_ns: i64,
}

impl Grid {
    /// The grid of hftbacktest's example: ten levels a side, the interval equal to the half spread, the skew a tenth of it, a
    /// hundredth of a coin a level, ten levels of inventory, a step every 100 ms.
    pub const fn example(half_spread: f64) -> Self {
        Self {
            half_spread,
            interval: half_spread,
            levels: 10,
            skew: half_spread / 10.0,
            order_qty: 0.01,
            max_position: 0.1,
            step_ns: 100_000_000,
        }
    }
}

/// Moves the quotes of one side to `wanted` (ids are prices in ticks): cancels the rest, posts what is missing.
fn requote<D: Desk>(
    desk: &mut D,
    side: Side,
    wanted: &[u64],
    ids: &mut Vec<u64>,
    did: &mut Did,
) -> Result<(), String> {
    ids.clear();
    desk.cancellable(side, ids);
    for id in ids.iter().filter(|id| !wanted.contains(id)) {
        desk.cancel(*id)?;
        did.cancelled += 1;
    }
    for id in wanted {
        if !desk.has(*id) {
            desk.send(*id, side, Some(*id as i64), Tif::PostOnly)?;
            did.posted += 1;
        }
    }
    Ok(())
}

/// Quotes a grid around the mid price that leans against the position. The algorithm and its order of operations are those of
/// hftbacktest's grid-trading example.
///
/// # Errors
/// The engine refuses or gives up.
pub fn grid<D: Desk>(desk: &mut D, of: &Grid) -> Result<Did, String> {
    let tick = desk.tick_size();
    let (mut did, mut ids, mut wanted) = (Did::default(), Vec::new(), Vec::new());
    while desk.elapse(of.step_ns)? {
        did.steps += 1;
        let Some((bid_tick, ask_tick)) = desk.touch() else { continue };
        let (bid, ask) = (bid_tick as f64 * tick, ask_tick as f64 * tick);
        let position = desk.position();
        let mid = (bid + ask) / 2.0;
        let lean = of.skew * (position / of.order_qty);
        let interval = ((mid * of.interval / tick).round() * tick).max(tick);
        let low = (mid * (1.0 - (of.half_spread + lean))).min(bid);
        let high = (mid * (1.0 + (of.half_spread - lean))).max(ask);
        let mut low = (low / interval).floor() * interval;
        let mut high = (high / interval).ceil() * interval;
        desk.clear_ended();
        wanted.clear();
        if position < of.max_position && low.is_finite() {
            for _ in 0..of.levels {
                wanted.push((low / tick).round() as u64);
                low -= interval;
            }
        }
        requote(desk, Side::Buy, &wanted, &mut ids, &mut did)?;
        wanted.clear();
        if position > -of.max_position && high.is_finite() {
            for _ in 0..of.levels {
                wanted.push((high / tick).round() as u64);
                high += interval;
            }
        }
        requote(desk, Side::Sell, &wanted, &mut ids, &mut did)?;
    }
    Ok(did)
}

/// Parameters of [`imbalance`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Imbalance {
    /// Part of the price within which quantities count.
    pub looking: f64,
    /// Steps over which the imbalance is standardised.
    pub window: usize,
    /// Ticks of the fair price for one standard deviation.
    pub weight: f64,
    pub half_spread_ticks: f64,
    /// Ticks of lean for a full position.
    pub skew_ticks: f64,
    pub order_qty: f64,
    pub max_position: f64,
    pub step_ns: i64,
}

impl Imbalance {
    /// One quote a side about a fair price that follows the standardised imbalance of the book within 0.1 % of the mid price.
    pub const fn example() -> Self {
        Self {
            looking: 0.001,
            window: 300,
            weight: 8.0,
            half_spread_ticks: 3.0,
            skew_ticks: 10.0,
            order_qty: 0.01,
            max_position: 0.1,
            step_ns: 100_000_000,
        }
    }
}

/// Makes a market about the book's imbalance, as hftbacktest's tutorial on order-book imbalance describes it.
///
/// # Errors
/// The engine refuses or gives up.
pub fn imbalance<D: Desk>(desk: &mut D, of: &Imbalance) -> Result<Did, String> {
    let (mut did, mut ids, mut seen) = (Did::default(), Vec::new(), std::collections::VecDeque::new());
    while desk.elapse(of.step_ns)? {
        did.steps += 1;
        let Some((bid_tick, ask_tick)) = desk.touch() else { continue };
        let mid = (bid_tick + ask_tick) as f64 / 2.0;
        let (from, to) =
            ((mid * (1.0 - of.looking)).floor() as i64, (mid * (1.0 + of.looking)).floor() as i64);
        let mut sum = 0.0;
        for px in ask_tick..to {
            sum -= desk.qty_at(Side::Sell, px);
        }
        for px in (from + 1..=bid_tick).rev() {
            sum += desk.qty_at(Side::Buy, px);
        }
        if seen.len() == of.window {
            seen.pop_front();
        }
        seen.push_back(sum);
        let count = seen.len() as f64;
        let mean = seen.iter().sum::<f64>() / count;
        let variance = seen.iter().map(|each| (each - mean) * (each - mean)).sum::<f64>() / count;
        let signal = if variance > 0.0 { (sum - mean) / variance.sqrt() } else { 0.0 };
        let position = desk.position();
        let fair = mid + of.weight * signal - of.skew_ticks * (position / of.max_position);
        let bid = ((fair - of.half_spread_ticks).round() as i64).min(bid_tick);
        let ask = ((fair + of.half_spread_ticks).round() as i64).max(ask_tick);
        desk.clear_ended();
        let (buys, sells) = ([bid as u64], [ask as u64]);
        let bought = if position < of.max_position { &buys[..] } else { &[] };
        requote(desk, Side::Buy, bought, &mut ids, &mut did)?;
        let sold = if position > -of.max_position { &sells[..] } else { &[] };
        requote(desk, Side::Sell, sold, &mut ids, &mut did)?;
    }
    Ok(did)
}

/// Sends orders of every kind at prices about the touch, cancels and reprices some: nothing a desk would do, everything an engine must
/// answer. The same seed sends the same as long as the engines answer alike.
///
/// # Errors
/// The engine refuses or gives up.
pub fn storm<D: Desk>(desk: &mut D, seed: u64, step_ns: i64) -> Result<Did, String> {
    const RESTING_MAX: usize = 12;
    let (mut did, mut ids, mut state) = (Did::default(), Vec::new(), seed);
    let mut draw = move |below: u64| {
        // splitmix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    };
    let mut next = 1_u64;
    while desk.elapse(step_ns)? {
        did.steps += 1;
        let Some((bid, ask)) = desk.touch() else { continue };
        desk.clear_ended();
        for side in [Side::Buy, Side::Sell] {
            let own = if side == Side::Buy { bid } else { ask };
            ids.clear();
            desk.cancellable(side, &mut ids);
            ids.sort_unstable();
            if ids.len() >= RESTING_MAX {
                let at = draw(ids.len() as u64) as usize;
                if let Some(id) = ids.get(at) {
                    desk.cancel(*id)?;
                    did.cancelled += 1;
                }
                continue;
            }
            match draw(8) {
                0 => {
                    let at = draw(ids.len().max(1) as u64) as usize;
                    if let Some(id) = ids.get(at) {
                        desk.reprice(*id, own - side.sign() * (draw(7) as i64 - 2))?;
                    }
                }
                1 => {}
                kind => {
                    let tif = match kind {
                        2 => Tif::Ioc,
                        3 => Tif::Fok,
                        4 | 5 => Tif::Gtc,
                        _ => Tif::PostOnly,
                    };
                    let market = kind == 2 && draw(4) == 0;
                    let px = own - side.sign() * (draw(9) as i64 - 3);
                    desk.send(next, side, (!market).then_some(px), tif)?;
                    next += 1;
                    did.posted += 1;
                }
            }
        }
    }
    Ok(did)
}

/// Our engine as a [`Desk`], of its first instrument.
#[derive(Debug)]
pub struct Own<'e, 'a, L, Q: QueueModel> {
    engine: &'e mut Engine<'a, L, Q>,
    tick: f64,
    lot: f64,
    qty: i64,
    /// Summed fill by fill in doubles, as the published examples' engine does: at the limits of a position it is the last digit of
    /// that sum that decides. Money is never computed from it.
    position: f64,
    counted: usize,
    accounting: Accounting,
}

impl<'e, 'a, L: Levels + Clone, Q: QueueModel> Own<'e, 'a, L, Q> {
    /// A desk that sends `qty` lots at a time.
    pub fn new(
        engine: &'e mut Engine<'a, L, Q>,
        tick: f64,
        lot: f64,
        qty: i64,
        accounting: Accounting,
    ) -> Self {
        Self { engine, tick, lot, qty, position: 0.0, counted: 0, accounting }
    }
}

impl<L: Levels + Clone, Q: QueueModel> Desk for Own<'_, '_, L, Q> {
    fn elapse(&mut self, ns: i64) -> Result<bool, String> {
        let more = self.engine.elapse(ns);
        let fills = self.engine.fills(0);
        for fill in fills.get(self.counted..).unwrap_or_default() {
            if self.accounting == Accounting::EveryFill || fill.left == 0 {
                self.position += fill.qty as f64 * self.lot * fill.side.sign() as f64;
            }
        }
        self.counted = fills.len();
        Ok(more)
    }

    fn touch(&self) -> Option<(i64, i64)> {
        self.engine.depth(0)?.touch()
    }

    fn tick_size(&self) -> f64 {
        self.tick
    }

    fn qty_at(&self, side: Side, px: i64) -> f64 {
        self.engine.depth(0).map_or(0.0, |depth| depth.qty(side, px) as f64 * self.lot)
    }

    fn position(&self) -> f64 {
        self.position
    }

    fn clear_ended(&mut self) {
        self.engine.clear_ended(0);
    }

    fn has(&self, id: u64) -> bool {
        self.engine.order(0, id).is_some()
    }

    fn cancellable(&self, side: Side, out: &mut Vec<u64>) {
        let orders = self.engine.orders(0).iter();
        out.extend(orders.filter(|order| order.side == side && order.may_change()).map(|order| order.id));
    }

    fn reprice(&mut self, id: u64, px: i64) -> Result<(), String> {
        self.engine.replace(0, id, px, self.qty).map_err(|fault| format!("order {id}: {fault}"))
    }

    fn send(&mut self, id: u64, side: Side, px: Option<i64>, tif: Tif) -> Result<(), String> {
        let order = NewOrder { id, side, px, qty: self.qty, tif };
        self.engine.submit(0, order).map_err(|fault| format!("order {id}: {fault}"))
    }

    fn cancel(&mut self, id: u64) -> Result<(), String> {
        self.engine.cancel(0, id).map_err(|fault| format!("order {id}: {fault}"))
    }
}
