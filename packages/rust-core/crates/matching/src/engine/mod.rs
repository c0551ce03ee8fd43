//! The matching core: orders of any number of accounts in one instrument, price-time priority, every rule of an order's life.
//!
//! Commands in, events out, appended to the caller's buffer in the order in which things happened. Nothing else: no clock, no
//! random, no text, no money; what a fill costs is the business of whoever keeps the ledger. The same commands give the same
//! events. The rules are in `docs/reference/matching-rules.md`.

mod auction;
mod order;
mod queues;
mod stops;
mod take;

pub use auction::{Cross, equilibrium};
pub use order::{Event, Fill, OrderKind, Refused, Request, Stp, Tif, Trail, Trigger, TriggerKind, Why};

use crate::limits::{ACCOUNTS_MAX, ENGINE_ORDERS_MAX, PX_MAX, QTY_MAX, WAITING_MAX};
use queues::{Entry, Queues};
use std::collections::VecDeque;
use stops::Stops;
use tidegate_units::Side;

/// Quantity that is not an order of the core: the recorded levels of a market that is played back. Orders of the core trade
/// with it where its price is better than that of every resting order.
pub trait Street {
    /// The best level of a side that has something to take, no worse than `limit` for who takes it.
    fn best(&self, side: Side, limit: Option<i64>) -> Option<(i64, i64)>;
    /// What there is to take up to `limit`, counted no further than `enough`.
    fn total(&self, side: Side, limit: Option<i64>, enough: i64) -> i64;
    /// The best price of a side, whether or not it has something to take.
    fn touch(&self, side: Side) -> Option<i64>;
    /// Takes of a level that [`Street::best`] gave.
    fn take(&mut self, side: Side, px: i64, qty: i64);
}

/// No street: an exchange of its own.
impl Street for () {
    #[inline]
    fn best(&self, _: Side, _: Option<i64>) -> Option<(i64, i64)> {
        None
    }

    #[inline]
    fn total(&self, _: Side, _: Option<i64>, _: i64) -> i64 {
        0
    }

    #[inline]
    fn touch(&self, _: Side) -> Option<i64> {
        None
    }

    #[inline]
    fn take(&mut self, _: Side, _: i64, _: i64) {}
}

/// What the market does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Orders trade as they come.
    Continuous,
    /// Nothing is taken but cancels.
    Halted,
    /// Orders gather for an uncross.
    Auction,
}

/// An open order as the core holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    pub account: u32,
    pub side: Side,
    /// In ticks; none of a market order that waits for an uncross, or for its trigger.
    pub px: Option<i64>,
    /// In lots: shown, and hidden behind it.
    pub shown: i64,
    pub hidden: i64,
    /// Its trigger price while it waits for that.
    pub trigger_px: Option<i64>,
}

/// One price of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookLevel {
    pub px: i64,
    pub shown: i64,
    pub hidden: i64,
    pub orders: u32,
}

/// The matching core of one instrument.
///
/// Shape   [`Request`]s and their amends and cancels by id; [`Event`]s appended to `out`
/// Units   px in ticks within ±`PX_MAX`, qty in lots up to `QTY_MAX`
/// Errors  [`Refused`], and nothing has changed then
#[derive(Debug, Clone)]
pub struct Engine<S = ()> {
    street: S,
    phase: Phase,
    queues: Queues,
    stops: Stops,
    /// Net lots by account.
    positions: Vec<i128>,
    last: Option<i64>,
    /// Lowest and highest price traded since stops were looked at.
    low: i64,
    high: i64,
    orders_max: usize,
    /// Room for a dry run; empty between calls.
    line: VecDeque<take::Place>,
}

impl<S: Street> Engine<S> {
    /// An empty core over a street, for at most `orders_max` open orders, itself at most `ENGINE_ORDERS_MAX`.
    pub fn new(street: S, orders_max: usize) -> Self {
        Self {
            street,
            phase: Phase::Continuous,
            queues: Queues::new(),
            stops: Stops::default(),
            positions: Vec::new(),
            last: None,
            low: i64::MAX,
            high: i64::MIN,
            orders_max: orders_max.min(ENGINE_ORDERS_MAX),
            line: VecDeque::new(),
        }
    }

    /// Opens an account without a position and gives its number, from 0; none past `ACCOUNTS_MAX`.
    pub fn add_account(&mut self) -> Option<u32> {
        let number = u32::try_from(self.positions.len()).ok().filter(|n| (*n as usize) < ACCOUNTS_MAX)?;
        self.positions.push(0);
        Some(number)
    }

    /// Net lots of an account; 0 of one that is not there.
    pub fn position(&self, account: u32) -> i128 {
        self.positions.get(account as usize).copied().unwrap_or(0)
    }

    /// Moves a position by what did not trade here: a bust, a restart.
    pub fn move_position(&mut self, account: u32, lots: i128) {
        if let Some(position) = self.positions.get_mut(account as usize) {
            *position += lots;
        }
    }

    pub fn street(&self) -> &S {
        &self.street
    }

    /// The street, to play the recording on.
    pub fn street_mut(&mut self) -> &mut S {
        &mut self.street
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Price of the last trade.
    pub fn last(&self) -> Option<i64> {
        self.last
    }

    /// Resting orders, market orders that wait for an uncross among them.
    pub fn resting(&self) -> usize {
        self.queues.len()
    }

    /// Orders that wait for their trigger.
    pub fn waiting(&self) -> usize {
        self.stops.len()
    }

    /// Ids of the orders that wait for their trigger, oldest first.
    pub fn waiting_ids(&self) -> Vec<u64> {
        self.stops.ids()
    }

    /// The best price of a side among resting orders.
    #[inline]
    pub fn best(&self, side: Side) -> Option<i64> {
        self.queues.best(side).map(|level| self.queues.level(level).px)
    }

    /// Levels of a side among resting orders, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = BookLevel> + '_ {
        self.queues.levels(side).map(|level| BookLevel {
            px: level.px,
            shown: level.shown,
            hidden: level.hidden,
            orders: level.orders,
        })
    }

    /// Ids of a side's resting orders in their priority.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = u64> + '_ {
        let market = self.queues.market(side).map(|level| self.queues.level(level));
        let levels = market.into_iter().chain(self.queues.levels(side));
        levels.flat_map(|level| self.queues.queue(level)).map(|slot| self.queues.node(slot).id)
    }

    /// An open order.
    pub fn order(&self, id: u64) -> Option<Open> {
        if let Some(slot) = self.queues.find(id) {
            let (node, level) = (self.queues.node(slot), self.queues.level_of(slot));
            let market = self.queues.market(level.side).is_some_and(|market| market == node.level);
            return Some(Open {
                account: node.account,
                side: level.side,
                px: (!market).then_some(level.px),
                shown: node.shown,
                hidden: node.hidden,
                trigger_px: None,
            });
        }
        self.stops.get(id).map(|request| Open {
            account: request.account,
            side: request.side,
            px: request.limit_px(),
            shown: request.qty,
            hidden: 0,
            trigger_px: request.trigger.map(|trigger| trigger.px),
        })
    }

    /// Shown lots and orders that trade before a resting order at its price. Time of the orders ahead of it.
    pub fn queue_ahead(&self, id: u64) -> Option<(i64, u32)> {
        self.queues.find(id).map(|slot| self.queues.ahead(slot))
    }

    fn check(&self, request: &Request) -> Result<(), Refused> {
        if self.phase == Phase::Halted {
            return Err(Refused::Halted);
        }
        if request.qty <= 0 {
            return Err(Refused::QtyZeroOrNeg);
        }
        let limit = request.limit_px();
        if request.qty > QTY_MAX || limit.is_some_and(|px| px.unsigned_abs() > PX_MAX.unsigned_abs()) {
            return Err(Refused::OutOfRange);
        }
        if request.account as usize >= self.positions.len() {
            return Err(Refused::Malformed);
        }
        if request.peak != 0 || request.trigger.is_some() || request.reduce_only || limit.is_none() {
            self.check_rare(request)?;
        }
        if self.queues.find(request.id).is_some() || self.stops.get(request.id).is_some() {
            return Err(Refused::Duplicate);
        }
        if self.queues.len() + self.stops.len() >= self.orders_max {
            return Err(Refused::OpenOrdersExceeded);
        }
        let now = request.trigger.is_none();
        match request.tif {
            Tif::PostOnly if now && self.would_take(request.side, request.px) => {
                Err(Refused::PostOnlyWouldTake)
            }
            Tif::Ioc | Tif::Fok if now && self.phase == Phase::Auction && limit.is_some() => {
                Err(Refused::WrongPhase)
            }
            _ => Ok(()),
        }
    }

    /// What most orders do not have.
    #[cold]
    fn check_rare(&self, request: &Request) -> Result<(), Refused> {
        let rests = matches!(request.tif, Tif::Gtc | Tif::Day | Tif::PostOnly);
        let limit = request.limit_px().is_some();
        if request.peak < 0 || request.peak > request.qty || (request.peak > 0 && !(limit && rests)) {
            return Err(Refused::Malformed);
        }
        if request.tif == Tif::PostOnly && (!limit || request.trigger.is_some()) {
            return Err(Refused::Malformed);
        }
        if request.reduce_only
            && request.trigger.is_none()
            && self.reducible(request.account, request.side) == 0
        {
            return Err(Refused::ReduceOnly);
        }
        if let Some(trigger) = request.trigger {
            if trigger.px.unsigned_abs() > PX_MAX.unsigned_abs() {
                return Err(Refused::OutOfRange);
            }
            let trails = |trail: Trail| {
                let sane = (1..=PX_MAX).contains(&trail.distance) && (1..=PX_MAX).contains(&trail.step);
                sane && trigger.kind == TriggerKind::Stop
            };
            if !trigger.trail.is_none_or(trails) {
                return Err(Refused::Malformed);
            }
            if self.last.is_some_and(|last| trigger.met(request.side, last)) {
                return Err(Refused::TriggersAtOnce);
            }
            if self.stops.len() >= WAITING_MAX {
                return Err(Refused::OpenOrdersExceeded);
            }
        }
        Ok(())
    }

    /// Whether an order of `side` at `px` would trade at once. Nothing trades at once in an auction.
    fn would_take(&self, side: Side, px: i64) -> bool {
        let reaches = |best: Option<i64>| best.is_some_and(|best| (px - best) * side.sign() >= 0);
        let other = side.opposite();
        self.phase == Phase::Continuous && (reaches(self.best(other)) || reaches(self.street.touch(other)))
    }

    /// Lots by which a trade on `side` reduces the account's position.
    #[inline]
    fn reducible(&self, account: u32, side: Side) -> i128 {
        (-self.position(account) * i128::from(side.sign())).max(0)
    }

    /// Takes an order: it waits for its trigger, or trades as far as it goes and then rests or ends as its `tif` says.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub fn submit(&mut self, request: &Request, out: &mut Vec<Event>) -> Result<(), Refused> {
        self.check(request)?;
        if request.trigger.is_some() {
            self.stops.wait(request, self.last);
        } else {
            self.enter(request, out);
            self.settle(out);
        }
        Ok(())
    }

    /// Puts an order in its place without matching, as after a restart: it rests, or waits for its trigger.
    ///
    /// # Errors
    /// As [`Engine::submit`], but nothing about what it would trade with.
    pub fn restore(&mut self, request: &Request) -> Result<(), Refused> {
        let phase = std::mem::replace(&mut self.phase, Phase::Auction);
        let plain = Request { reduce_only: false, tif: Tif::Gtc, ..*request };
        let checked = self.check(&plain);
        self.phase = phase;
        checked?;
        if request.trigger.is_some() {
            self.stops.wait(request, None);
        } else if request.kind == OrderKind::Limit {
            self.rest(request, request.qty);
        } else {
            return Err(Refused::Malformed);
        }
        Ok(())
    }

    fn rest(&mut self, request: &Request, open: i64) {
        let entry = Entry {
            id: request.id,
            account: request.account,
            open,
            peak: request.peak,
            tif: request.tif,
            stp: request.stp,
            reduce_only: request.reduce_only,
        };
        self.queues.push(request.side, request.limit_px(), entry);
    }

    /// Cancels an open order. False when there is none of this id. Works in every phase.
    #[inline]
    pub fn cancel(&mut self, id: u64, out: &mut Vec<Event>) -> bool {
        self.finish(id, Why::Canceled, out)
    }

    fn finish(&mut self, id: u64, why: Why, out: &mut Vec<Event>) -> bool {
        if let Some(slot) = self.queues.find(id) {
            let open = self.queues.node(slot).open();
            self.queues.remove(slot);
            out.push(Event::Ended { id, open, why });
            return true;
        }
        let Some(request) = self.stops.remove(id) else { return false };
        out.push(Event::Ended { id, open: request.qty, why });
        true
    }

    /// Gives an open order another price and open quantity. At the same price with no more than before it keeps its place, and
    /// an iceberg loses what is hidden first; anything else comes anew: it trades as far as it goes and joins the end of its
    /// queue.
    ///
    /// # Errors
    /// Why it is refused; the order stands as it did.
    pub fn amend(&mut self, id: u64, px: i64, open: i64, out: &mut Vec<Event>) -> Result<(), Refused> {
        if self.phase == Phase::Halted {
            return Err(Refused::Halted);
        }
        if open <= 0 {
            return Err(Refused::QtyZeroOrNeg);
        }
        if open > QTY_MAX || px.unsigned_abs() > PX_MAX.unsigned_abs() {
            return Err(Refused::OutOfRange);
        }
        let Some(slot) = self.queues.find(id) else {
            let waits = self.stops.amend(id, px, open);
            out.extend(waits.then_some(Event::Amended { id, px, open }));
            return if waits { Ok(()) } else { Err(Refused::UnknownOrder) };
        };
        let (node, level) = (*self.queues.node(slot), *self.queues.level_of(slot));
        if self.queues.market(level.side) == Some(node.level) {
            return Err(Refused::Malformed);
        }
        if px == level.px && open <= node.open() {
            self.queues.shrink(slot, node.open() - open);
            out.push(Event::Amended { id, px, open });
            return Ok(());
        }
        if node.tif == Tif::PostOnly && self.would_take(level.side, px) {
            return Err(Refused::PostOnlyWouldTake);
        }
        self.queues.remove(slot);
        out.push(Event::Amended { id, px, open });
        let request = Request {
            peak: node.peak.min(open),
            reduce_only: node.reduce_only,
            stp: node.stp,
            ..Request::limit(id, node.account, level.side, px, open, node.tif)
        };
        self.enter(&request, out);
        self.settle(out);
        Ok(())
    }

    /// A resting order trades with the street at `px`, for at most `qty`. Gives the lots that traded: fewer where it shows
    /// fewer or may reduce no more. Stops are not looked at before [`Engine::settle`].
    pub fn execute(&mut self, id: u64, px: i64, qty: i64, out: &mut Vec<Event>) -> i64 {
        let Some(slot) = self.queues.find(id) else { return 0 };
        let (node, side) = (*self.queues.node(slot), self.queues.level_of(slot).side);
        let may = self.allowed(node.reduce_only, node.account, side, qty.min(node.shown));
        if may > 0 {
            self.trade(px, may, Some((id, node.account)), None, side, Some(side.opposite()), out);
            self.reduce_head(slot, may, out);
        }
        if may < qty.min(node.shown) && self.queues.find(id).is_some() {
            self.finish(id, Why::ReduceOnly, out);
        }
        may
    }

    /// A trade of the street: the last price, and what sets waiting orders off at the next [`Engine::settle`].
    pub fn print(&mut self, px: i64) {
        self.last = Some(px);
        self.low = self.low.min(px);
        self.high = self.high.max(px);
    }

    /// Stops trading; orders stay.
    pub fn halt(&mut self) {
        self.phase = Phase::Halted;
    }

    /// Orders gather from now on and nothing trades until [`Engine::uncross`].
    pub fn open_auction(&mut self) {
        self.phase = Phase::Auction;
    }

    /// Trading goes on.
    ///
    /// # Errors
    /// The book is crossed or holds market orders, so that only an uncross can open it.
    pub fn resume(&mut self) -> Result<(), Refused> {
        let crossed =
            matches!((self.best(Side::Buy), self.best(Side::Sell)), (Some(bid), Some(ask)) if bid >= ask);
        let gathered = [Side::Buy, Side::Sell].iter().any(|side| self.queues.market(*side).is_some());
        if crossed || gathered {
            return Err(Refused::WrongPhase);
        }
        self.phase = Phase::Continuous;
        Ok(())
    }

    /// Ends an auction: trades at the price of [`equilibrium`], market orders first, then by price and time; what is left of
    /// market orders ends; trading goes on. Self-trade prevention does not apply. The reference is the last price where none
    /// is given.
    ///
    /// # Errors
    /// There is no auction.
    pub fn uncross(
        &mut self,
        reference: Option<i64>,
        out: &mut Vec<Event>,
    ) -> Result<Option<Cross>, Refused> {
        if self.phase != Phase::Auction {
            return Err(Refused::WrongPhase);
        }
        let mut first = None;
        loop {
            let depth = |side| -> Vec<(i64, i64)> {
                self.queues.levels(side).map(|level| (level.px, level.shown + level.hidden)).collect()
            };
            let market = [Side::Buy, Side::Sell].map(|side| {
                let level = self.queues.market(side).map(|at| *self.queues.level(at));
                level.map_or(0, |level| level.shown)
            });
            let reference = reference.or(self.last);
            let [buys, sells] = market;
            let cross = equilibrium(&depth(Side::Buy), &depth(Side::Sell), (buys, sells), reference);
            let Some(cross) = cross else { break };
            self.cross_at(cross.px, out);
            first = first.or(Some(cross));
        }
        for side in [Side::Buy, Side::Sell] {
            while let Some(level) = self.queues.market(side) {
                let id = self.queues.node(self.queues.level(level).head).id;
                self.finish(id, Why::NoLiquidity, out);
            }
        }
        self.phase = Phase::Continuous;
        self.settle(out);
        Ok(first)
    }

    /// Ends every day order, resting ones by priority, buys first, then those that wait, oldest first.
    pub fn end_day(&mut self, out: &mut Vec<Event>) {
        let day = |id: &u64| match self.queues.find(*id) {
            Some(slot) => self.queues.node(slot).tif == Tif::Day,
            None => self.stops.get(*id).is_some_and(|request| request.tif == Tif::Day),
        };
        let resting = [Side::Buy, Side::Sell].into_iter().flat_map(|side| self.orders(side));
        let ids: Vec<u64> = resting.chain(self.stops.ids()).filter(day).collect();
        for id in ids {
            self.finish(id, Why::DayEnd, out);
        }
    }
}
