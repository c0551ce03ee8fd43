//! How an order trades: against resting orders and the street, in an uncross, and what follows from a trade.

use super::order::{Event, Fill, OrderKind, Request, Stp, Tif, Why};
use super::queues::Node;
use super::{Engine, Phase, Street};
use std::collections::{BTreeMap, VecDeque};
use tidegate_units::Side;

/// A resting order in a dry run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    account: u32,
    shown: i64,
    hidden: i64,
    peak: i64,
    reduce_only: bool,
}

impl Place {
    fn of(node: &Node) -> Self {
        let Node { account, shown, hidden, peak, reduce_only, .. } = *node;
        Self { account, shown, hidden, peak, reduce_only }
    }
}

/// What one meeting with the order at the head of the best level came to.
enum Met {
    Traded(i64),
    /// The resting order made way; the incoming one meets the next.
    Cleared,
    /// Both lost so much.
    Decremented(i64),
    /// The incoming order goes no further.
    Stopped(Why),
}

impl<S: Street> Engine<S> {
    /// An order enters the market.
    pub(super) fn enter(&mut self, request: &Request, out: &mut Vec<Event>) {
        if self.phase == Phase::Auction {
            self.rest(request, request.qty);
            out.push(Event::Rests { id: request.id });
            return;
        }
        let (id, mut open) = (request.id, request.qty);
        let mut why = None;
        if request.tif == Tif::Fok {
            why = self.falls_short(request);
        }
        if why.is_none() {
            self.take(request, &mut open, &mut why, out);
        }
        if open == 0 {
            // Filled by its last trade, unless that was a decrement.
            if let Some(why) = why {
                out.push(Event::Ended { id, open, why });
            }
            return;
        }
        let why = why.or(match (request.kind, request.tif) {
            (OrderKind::Market, _) => Some(Why::NoLiquidity),
            (_, Tif::Ioc | Tif::Fok) => Some(Why::Ioc),
            _ => None,
        });
        match why {
            Some(why) => out.push(Event::Ended { id, open, why }),
            None => {
                self.rest(request, open);
                out.push(Event::Rests { id });
            }
        }
    }

    #[inline]
    fn take(&mut self, request: &Request, open: &mut i64, why: &mut Option<Why>, out: &mut Vec<Event>) {
        let (side, limit) = (request.side, request.limit_px());
        let other = side.opposite();
        let within = |px: i64| limit.is_none_or(|limit| (limit - px) * side.sign() >= 0);
        while *open > 0 && why.is_none() {
            let own = self
                .queues
                .best(other)
                .map(|level| *self.queues.level(level))
                .filter(|level| within(level.px));
            let street = self.street.best(other, limit);
            let met = match (own, street) {
                (None, None) => return,
                (Some(level), Some((px, _))) if (level.px - px) * side.sign() <= 0 => {
                    self.meet(request, *open, level.head, level.px, out)
                }
                (Some(level), None) => self.meet(request, *open, level.head, level.px, out),
                (_, Some((px, available))) => {
                    let qty = self.allowed(request.reduce_only, request.account, side, available.min(*open));
                    if qty == 0 {
                        Met::Stopped(Why::ReduceOnly)
                    } else {
                        self.street.take(other, px, qty);
                        self.trade(px, qty, Some((request.id, request.account)), None, side, Some(side), out);
                        Met::Traded(qty)
                    }
                }
            };
            match met {
                Met::Traded(qty) => *open -= qty,
                Met::Cleared => {}
                Met::Decremented(qty) => {
                    *open -= qty;
                    if *open == 0 {
                        *why = Some(Why::SelfTrade);
                    } else {
                        out.push(Event::Decremented { id: request.id, by: qty });
                    }
                }
                Met::Stopped(reason) => *why = Some(reason),
            }
        }
    }

    /// An incoming order meets the one at the head of the best level.
    #[inline]
    fn meet(&mut self, request: &Request, open: i64, head: u32, px: i64, out: &mut Vec<Event>) -> Met {
        let node = *self.queues.node(head);
        if node.account == request.account && request.stp != Stp::None {
            return self.prevent(request.stp, open, head, out);
        }
        let mut qty = open.min(node.shown);
        if request.reduce_only {
            qty = self.allowed(true, request.account, request.side, qty);
            if qty == 0 {
                return Met::Stopped(Why::ReduceOnly);
            }
        }
        if node.reduce_only {
            qty = self.allowed(true, node.account, request.side.opposite(), qty);
            if qty == 0 {
                self.finish(node.id, Why::ReduceOnly, out);
                return Met::Cleared;
            }
        }
        let (taker, maker) = ((request.id, request.account), (node.id, node.account));
        self.trade(px, qty, Some(taker), Some(maker), request.side, Some(request.side), out);
        self.reduce_head(head, qty, out);
        Met::Traded(qty)
    }

    #[cold]
    fn prevent(&mut self, stp: Stp, open: i64, head: u32, out: &mut Vec<Event>) -> Met {
        let node = *self.queues.node(head);
        match stp {
            Stp::None | Stp::ExpireTaker => Met::Stopped(Why::SelfTrade),
            Stp::ExpireMaker => {
                self.finish(node.id, Why::SelfTrade, out);
                Met::Cleared
            }
            Stp::ExpireBoth => {
                self.finish(node.id, Why::SelfTrade, out);
                Met::Stopped(Why::SelfTrade)
            }
            Stp::Decrement => {
                let by = open.min(node.shown);
                if by == node.open() {
                    self.queues.take(head, by);
                    self.finish(node.id, Why::SelfTrade, out);
                } else {
                    out.push(Event::Decremented { id: node.id, by });
                    self.reduce_head(head, by, out);
                }
                Met::Decremented(by)
            }
        }
    }

    /// What an order may trade of `qty`: all, or what reduces its account's position.
    #[inline]
    pub(super) fn allowed(&self, reduce_only: bool, account: u32, side: Side, qty: i64) -> i64 {
        if !reduce_only {
            return qty;
        }
        self.reducible(account, side).min(i128::from(qty)) as i64
    }

    /// Takes from what a resting order shows: it shows its next part, or is gone with its last.
    #[inline]
    pub(super) fn reduce_head(&mut self, slot: u32, qty: i64, out: &mut Vec<Event>) {
        if !self.queues.take(slot, qty) {
            return;
        }
        if self.queues.refresh(slot) {
            out.push(Event::Refreshed { id: self.queues.node(slot).id });
        } else {
            self.queues.remove(slot);
        }
    }

    /// One trade: positions, the last price, the event. `first` is the order of `side`, `second` the other.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "the parts of one event")]
    pub(super) fn trade(
        &mut self,
        px: i64,
        qty: i64,
        first: Option<(u64, u32)>,
        second: Option<(u64, u32)>,
        side: Side,
        aggressor: Option<Side>,
        out: &mut Vec<Event>,
    ) {
        let (buyer, seller) = if side == Side::Buy { (first, second) } else { (second, first) };
        for (party, sign) in [(buyer, 1), (seller, -1)] {
            if let Some(position) = party.and_then(|(_, account)| self.positions.get_mut(account as usize)) {
                *position += sign * i128::from(qty);
            }
        }
        self.print(px);
        out.push(Event::Fill(Fill { px, qty, buyer, seller, aggressor }));
    }

    /// Why a FOK order would not be filled whole, if it would not: it is taken through the book without touching it.
    fn falls_short(&mut self, request: &Request) -> Option<Why> {
        let mut line = std::mem::take(&mut self.line);
        let found = self.dry_run(request, &mut line);
        line.clear();
        self.line = line;
        found
    }

    fn dry_run(&self, request: &Request, line: &mut VecDeque<Place>) -> Option<Why> {
        let (side, want) = (request.side, request.qty);
        let (other, limit) = (side.opposite(), request.limit_px());
        if self.allowed(request.reduce_only, request.account, side, want) < want {
            return Some(Why::Fok);
        }
        // Positions matter only where an order may do no more than reduce one.
        let judged = self.queues.reduce_only() > 0;
        let mut moved: BTreeMap<u32, i128> = BTreeMap::new();
        let mut found = 0_i64;
        let within = |px: i64| limit.is_none_or(|limit| (limit - px) * side.sign() >= 0);
        for level in self.queues.levels(other).take_while(|level| within(level.px)) {
            // The street comes first where it is better; at the same price it comes after.
            let street = self.street.total(other, Some(level.px - side.sign()), want);
            line.clear();
            line.extend(self.queues.queue(level).map(|slot| Place::of(self.queues.node(slot))));
            while let Some(mut place) = line.pop_front() {
                let need = want - found - street;
                if need <= 0 {
                    return None;
                }
                if place.account == request.account && request.stp != Stp::None {
                    if request.stp == Stp::ExpireMaker {
                        continue;
                    }
                    return Some(Why::SelfTrade);
                }
                let mut qty = need.min(place.shown);
                if judged {
                    let position =
                        |account: u32| self.position(account) + moved.get(&account).copied().unwrap_or(0);
                    if place.reduce_only {
                        let may = (position(place.account) * i128::from(side.sign())).max(0);
                        qty = may.min(i128::from(qty)) as i64;
                    }
                    let by = i128::from(qty * side.sign());
                    *moved.entry(place.account).or_default() -= by;
                    *moved.entry(request.account).or_default() += by;
                }
                found += qty;
                place.shown -= qty;
                if place.shown > 0 {
                    // One that nothing lets trade ends there. Others meet the order again, for a trade of an account with
                    // itself leaves its position as it was.
                    if qty > 0 {
                        line.push_front(place);
                    }
                } else if place.hidden > 0 {
                    place.shown = place.hidden.min(place.peak);
                    place.hidden -= place.shown;
                    line.push_back(place);
                }
            }
        }
        (found + self.street.total(other, limit, want) < want).then_some(Why::Fok)
    }

    /// Trades everything that crosses at one price.
    pub(super) fn cross_at(&mut self, px: i64, out: &mut Vec<Event>) {
        loop {
            let head = |side: Side| {
                let level = self.queues.market(side).or_else(|| {
                    let best = self.queues.best(side)?;
                    ((self.queues.level(best).px - px) * side.sign() >= 0).then_some(best)
                })?;
                Some(self.queues.level(level).head)
            };
            let (Some(buy), Some(sell)) = (head(Side::Buy), head(Side::Sell)) else { return };
            let (buyer, seller) = (*self.queues.node(buy), *self.queues.node(sell));
            let mut qty = buyer.shown.min(seller.shown);
            for (node, side) in [(buyer, Side::Buy), (seller, Side::Sell)] {
                qty = qty.min(self.allowed(node.reduce_only, node.account, side, qty));
                if qty == 0 {
                    self.finish(node.id, Why::ReduceOnly, out);
                    break;
                }
            }
            if qty > 0 {
                let (first, second) = ((buyer.id, buyer.account), (seller.id, seller.account));
                self.trade(px, qty, Some(first), Some(second), Side::Buy, None, out);
                self.reduce_head(buy, qty, out);
                self.reduce_head(sell, qty, out);
            }
        }
    }

    /// Sets off the orders whose trigger the trades since the last call have met, rising ones before falling ones, each from
    /// the nearest price and the oldest on; then moves trailing stops after the last price.
    pub fn settle(&mut self, out: &mut Vec<Event>) {
        if self.stops.len() > 0 && self.phase == Phase::Continuous {
            self.set_off(out);
        }
        (self.low, self.high) = (i64::MAX, i64::MIN);
    }

    #[cold]
    fn set_off(&mut self, out: &mut Vec<Event>) {
        while let Some(request) = self.stops.next(self.low, self.high) {
            out.push(Event::Triggered { id: request.id });
            self.enter(&request, out);
        }
        if let Some(last) = self.last.filter(|_| self.low <= self.high) {
            self.stops.follow(last, out);
        }
    }
}
