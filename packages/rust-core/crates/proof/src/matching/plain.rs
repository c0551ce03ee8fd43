//! The rules of matching once more, as plainly as they can be said: one list of orders, searched from end to end for each
//! decision. Slow, and shares nothing with the core but the words for orders and events.

use std::collections::BTreeMap;
use tidegate_matching::engine::{Event, Fill, OrderKind, Phase, Refused, Request, Stp, Tif, Why};
use tidegate_units::Side;

/// Prices an uncross tries one by one; random orders stay well inside.
const TICKS: std::ops::RangeInclusive<i64> = 0..=300;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rest {
    order: Request,
    shown: i64,
    hidden: i64,
    /// Its turn at its price.
    turn: u64,
}

/// The market as lists.
#[derive(Debug, Clone)]
pub struct Plain {
    rests: Vec<Rest>,
    waits: Vec<(Request, u64)>,
    pub phase: Phase,
    last: Option<i64>,
    prints: Vec<i64>,
    pub positions: BTreeMap<u32, i128>,
    turns: u64,
    pub events: Vec<Event>,
}

/// An order as both sides are asked for it: id, price, shown, hidden.
pub type Shown = (u64, Option<i64>, i64, i64);

fn limit(order: &Request) -> Option<i64> {
    (order.kind == OrderKind::Limit).then_some(order.px)
}

/// Whether `order` may trade at `px`.
fn reaches(order: &Request, px: i64) -> bool {
    match (limit(order), order.side) {
        (None, _) => true,
        (Some(own), Side::Buy) => px <= own,
        (Some(own), Side::Sell) => px >= own,
    }
}

/// Smaller is sooner: market orders, then the better price, then the earlier turn.
fn priority(rest: &Rest) -> (bool, i64, u64) {
    let px = match rest.order.side {
        Side::Buy => -rest.order.px,
        Side::Sell => rest.order.px,
    };
    let market = rest.order.kind == OrderKind::Market;
    (!market, if market { 0 } else { px }, rest.turn)
}

impl Default for Plain {
    fn default() -> Self {
        Self {
            rests: Vec::new(),
            waits: Vec::new(),
            phase: Phase::Continuous,
            last: None,
            prints: Vec::new(),
            positions: BTreeMap::new(),
            turns: 0,
            events: Vec::new(),
        }
    }
}

impl Plain {
    fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    /// Resting orders of a side, the first to trade first.
    pub fn side(&self, side: Side) -> Vec<Shown> {
        let mut all: Vec<&Rest> = self.rests.iter().filter(|rest| rest.order.side == side).collect();
        all.sort_by_key(|rest| priority(rest));
        all.iter().map(|rest| (rest.order.id, limit(&rest.order), rest.shown, rest.hidden)).collect()
    }

    /// Waiting orders by id: trigger price.
    pub fn waiting(&self) -> BTreeMap<u64, i64> {
        let px = |order: &Request| order.trigger.map_or(0, |trigger| trigger.px);
        self.waits.iter().map(|(order, _)| (order.id, px(order))).collect()
    }

    /// Shown lots before an order at its price.
    pub fn ahead(&self, id: u64) -> Option<i64> {
        let own = self.rests.iter().find(|rest| rest.order.id == id)?;
        let before = |rest: &&Rest| {
            let same = (rest.order.side, limit(&rest.order)) == (own.order.side, limit(&own.order));
            same && rest.turn < own.turn
        };
        Some(self.rests.iter().filter(before).map(|rest| rest.shown).sum())
    }

    pub fn open_ids(&self) -> Vec<u64> {
        let waits = self.waits.iter().map(|(order, _)| order.id);
        self.rests.iter().map(|rest| rest.order.id).chain(waits).collect()
    }

    fn may_reduce(&self, account: u32, side: Side) -> i128 {
        let position = self.positions.get(&account).copied().unwrap_or(0);
        match side {
            Side::Buy => (-position).max(0),
            Side::Sell => position.max(0),
        }
    }

    fn best(&self, side: Side, taker: &Request) -> Option<usize> {
        let fits = |rest: &Rest| rest.order.side == side && reaches(taker, rest.order.px);
        let found = self.rests.iter().enumerate().filter(|(_, rest)| fits(rest));
        found.min_by_key(|(_, rest)| priority(rest)).map(|(at, _)| at)
    }

    fn would_take(&self, order: &Request) -> bool {
        self.phase == Phase::Continuous && self.best(order.side.opposite(), order).is_some()
    }

    fn refusal(&self, order: &Request) -> Option<Refused> {
        let stands = matches!(order.tif, Tif::Gtc | Tif::Day | Tif::PostOnly);
        let is_limit = order.kind == OrderKind::Limit;
        if self.phase == Phase::Halted {
            return Some(Refused::Halted);
        }
        if order.qty <= 0 {
            return Some(Refused::QtyZeroOrNeg);
        }
        if !(0..=order.qty).contains(&order.peak) || (order.peak > 0 && !(is_limit && stands)) {
            return Some(Refused::Malformed);
        }
        if order.tif == Tif::PostOnly && (!is_limit || order.trigger.is_some()) {
            return Some(Refused::Malformed);
        }
        let now = order.trigger.is_none();
        if now && order.reduce_only && self.may_reduce(order.account, order.side) == 0 {
            return Some(Refused::ReduceOnly);
        }
        if let (Some(trigger), Some(last)) = (order.trigger, self.last)
            && trigger.met(order.side, last)
        {
            return Some(Refused::TriggersAtOnce);
        }
        if self.open_ids().contains(&order.id) {
            return Some(Refused::Duplicate);
        }
        if now && order.tif == Tif::PostOnly && self.would_take(order) {
            return Some(Refused::PostOnlyWouldTake);
        }
        let fleeting = matches!(order.tif, Tif::Ioc | Tif::Fok) && is_limit;
        (now && fleeting && self.phase == Phase::Auction).then_some(Refused::WrongPhase)
    }

    pub fn submit(&mut self, order: &Request) -> Result<(), Refused> {
        if let Some(refused) = self.refusal(order) {
            return Err(refused);
        }
        if order.trigger.is_some() {
            let turn = self.turn();
            let mut order = *order;
            if let Some(last) = self.last {
                trail(&mut order, last);
            }
            self.waits.push((order, turn));
            return Ok(());
        }
        self.go(order);
        self.after();
        Ok(())
    }

    fn go(&mut self, order: &Request) {
        let id = order.id;
        if self.phase == Phase::Auction {
            self.stand(order, order.qty);
            return;
        }
        let mut why = None;
        let mut open = order.qty;
        if order.tif == Tif::Fok
            && order.reduce_only
            && self.may_reduce(order.account, order.side) < i128::from(order.qty)
        {
            why = Some(Why::Fok);
        } else if order.tif == Tif::Fok {
            // Tried on a copy of everything: only a whole fill is let happen.
            let mut trial = self.clone();
            trial.events.clear();
            let mut left = order.qty;
            let stopped = trial.sweep(order, &mut left);
            let filled: i64 = trial
                .events
                .iter()
                .map(|event| if let Event::Fill(fill) = event { fill.qty } else { 0 })
                .sum();
            if filled < order.qty {
                let own = stopped == Some(Why::SelfTrade)
                    || trial.events.iter().any(|event| matches!(event, Event::Decremented { .. }))
                    || left == 0;
                why = Some(if own { Why::SelfTrade } else { Why::Fok });
            }
        }
        if why.is_none() {
            why = self.sweep(order, &mut open);
        }
        if open == 0 && why.is_none() {
            return;
        }
        let rest = match (order.kind, order.tif) {
            (OrderKind::Market, _) => Some(Why::NoLiquidity),
            (_, Tif::Ioc | Tif::Fok) => Some(Why::Ioc),
            _ => None,
        };
        match why.or(rest) {
            Some(why) => self.events.push(Event::Ended { id, open, why }),
            None => self.stand(order, open),
        }
    }

    fn stand(&mut self, order: &Request, open: i64) {
        let shown = if order.peak > 0 { open.min(order.peak) } else { open };
        let turn = self.turn();
        self.rests.push(Rest { order: *order, shown, hidden: open - shown, turn });
        self.events.push(Event::Rests { id: order.id });
    }

    fn end(&mut self, at: usize, why: Why) {
        let rest = self.rests.remove(at);
        self.events.push(Event::Ended { id: rest.order.id, open: rest.shown + rest.hidden, why });
    }

    /// Takes from what an order shows.
    fn eat(&mut self, at: usize, qty: i64) {
        let turn = self.turns + 1;
        let Some(rest) = self.rests.get_mut(at) else { return };
        rest.shown -= qty;
        if rest.shown > 0 {
            return;
        }
        if rest.hidden == 0 {
            self.rests.remove(at);
            return;
        }
        rest.shown = rest.hidden.min(rest.order.peak);
        rest.hidden -= rest.shown;
        rest.turn = turn;
        let id = rest.order.id;
        self.turns = turn;
        self.events.push(Event::Refreshed { id });
    }

    fn trade(&mut self, px: i64, qty: i64, buyer: &Request, seller: &Request, aggressor: Option<Side>) {
        *self.positions.entry(buyer.account).or_default() += i128::from(qty);
        *self.positions.entry(seller.account).or_default() -= i128::from(qty);
        self.last = Some(px);
        self.prints.push(px);
        let party = |order: &Request| Some((order.id, order.account));
        let fill = Fill { px, qty, buyer: party(buyer), seller: party(seller), aggressor };
        self.events.push(Event::Fill(fill));
    }

    /// Trades until nothing fits; why it went no further, where that was not for want of orders.
    fn sweep(&mut self, order: &Request, open: &mut i64) -> Option<Why> {
        while *open > 0 {
            let at = self.best(order.side.opposite(), order)?;
            let rest = self.rests.get(at).copied()?;
            if rest.order.account == order.account && order.stp != Stp::None {
                match order.stp {
                    Stp::None | Stp::ExpireTaker => return Some(Why::SelfTrade),
                    Stp::ExpireMaker => self.end(at, Why::SelfTrade),
                    Stp::ExpireBoth => {
                        self.end(at, Why::SelfTrade);
                        return Some(Why::SelfTrade);
                    }
                    Stp::Decrement => {
                        let by = rest.shown.min(*open);
                        let id = rest.order.id;
                        if rest.shown + rest.hidden == by {
                            self.rests.remove(at);
                            self.events.push(Event::Ended { id, open: 0, why: Why::SelfTrade });
                        } else {
                            self.events.push(Event::Decremented { id, by });
                            self.eat(at, by);
                        }
                        *open -= by;
                        if *open == 0 {
                            return Some(Why::SelfTrade);
                        }
                        self.events.push(Event::Decremented { id: order.id, by });
                    }
                }
                continue;
            }
            let mut qty = rest.shown.min(*open);
            if order.reduce_only {
                qty = i128::from(qty).min(self.may_reduce(order.account, order.side)) as i64;
                if qty == 0 {
                    return Some(Why::ReduceOnly);
                }
            }
            if rest.order.reduce_only {
                qty = i128::from(qty).min(self.may_reduce(rest.order.account, rest.order.side)) as i64;
                if qty == 0 {
                    self.end(at, Why::ReduceOnly);
                    continue;
                }
            }
            let (buyer, seller) =
                if order.side == Side::Buy { (order, &rest.order) } else { (&rest.order, order) };
            self.trade(rest.order.px, qty, buyer, seller, Some(order.side));
            self.eat(at, qty);
            *open -= qty;
        }
        None
    }

    /// Sets waiting orders off until none is due, then lets trailing ones follow.
    fn after(&mut self) {
        if self.phase == Phase::Continuous {
            while let (Some(low), Some(high)) = (self.prints.iter().min(), self.prints.iter().max()) {
                let (low, high) = (*low, *high);
                let due = |rising: bool| {
                    let mut due: Vec<(i64, u64, u64)> = Vec::new();
                    for (order, turn) in &self.waits {
                        let Some(trigger) = order.trigger.filter(|t| t.rising(order.side) == rising) else {
                            continue;
                        };
                        if rising && trigger.px <= high {
                            due.push((trigger.px, *turn, order.id));
                        }
                        if !rising && trigger.px >= low {
                            due.push((-trigger.px, *turn, order.id));
                        }
                    }
                    due.into_iter().min().map(|each| each.2)
                };
                let Some(id) = due(true).or_else(|| due(false)) else { break };
                let Some(at) = self.waits.iter().position(|(order, _)| order.id == id) else { break };
                let (order, _) = self.waits.remove(at);
                self.events.push(Event::Triggered { id });
                self.go(&Request { trigger: None, ..order });
            }
            if let Some(last) = self.last.filter(|_| !self.prints.is_empty()) {
                self.waits.sort_by_key(|(_, turn)| *turn);
                for (order, _) in &mut self.waits {
                    if trail(order, last) {
                        let px = order.trigger.map_or(0, |trigger| trigger.px);
                        self.events.push(Event::Trailed { id: order.id, px });
                    }
                }
            }
        }
        self.prints.clear();
    }

    pub fn cancel(&mut self, id: u64) -> bool {
        self.finish(id, Why::Canceled)
    }

    fn finish(&mut self, id: u64, why: Why) -> bool {
        if let Some(at) = self.rests.iter().position(|rest| rest.order.id == id) {
            self.end(at, why);
            return true;
        }
        let Some(at) = self.waits.iter().position(|(order, _)| order.id == id) else { return false };
        let (order, _) = self.waits.remove(at);
        self.events.push(Event::Ended { id, open: order.qty, why });
        true
    }

    pub fn amend(&mut self, id: u64, px: i64, open: i64) -> Result<(), Refused> {
        if self.phase == Phase::Halted {
            return Err(Refused::Halted);
        }
        if open <= 0 {
            return Err(Refused::QtyZeroOrNeg);
        }
        if let Some((order, _)) = self.waits.iter_mut().find(|(order, _)| order.id == id) {
            (order.px, order.qty, order.peak) = (px, open, order.peak.min(open));
            self.events.push(Event::Amended { id, px, open });
            return Ok(());
        }
        let at = self.rests.iter().position(|rest| rest.order.id == id).ok_or(Refused::UnknownOrder)?;
        let Some(rest) = self.rests.get_mut(at) else { return Err(Refused::UnknownOrder) };
        if rest.order.kind == OrderKind::Market {
            return Err(Refused::Malformed);
        }
        let mut less = rest.shown + rest.hidden - open;
        if px == rest.order.px && less >= 0 {
            let hidden = less.min(rest.hidden);
            rest.hidden -= hidden;
            less -= hidden;
            rest.shown -= less;
            self.events.push(Event::Amended { id, px, open });
            return Ok(());
        }
        let peak = rest.order.peak.min(open);
        let order = Request { px, qty: open, peak, ..rest.order };
        if order.tif == Tif::PostOnly && self.would_take(&order) {
            return Err(Refused::PostOnlyWouldTake);
        }
        self.rests.remove(at);
        self.events.push(Event::Amended { id, px, open });
        self.go(&order);
        self.after();
        Ok(())
    }

    pub fn resume(&mut self) -> Result<(), Refused> {
        let best = |side| self.side(side).first().copied();
        let market = self.rests.iter().any(|rest| rest.order.kind == OrderKind::Market);
        let crossed = match (best(Side::Buy), best(Side::Sell)) {
            (Some((_, Some(bid), ..)), Some((_, Some(ask), ..))) => bid >= ask,
            _ => false,
        };
        if market || crossed {
            return Err(Refused::WrongPhase);
        }
        self.phase = Phase::Continuous;
        Ok(())
    }

    pub fn end_day(&mut self) {
        let mut ids: Vec<u64> =
            [Side::Buy, Side::Sell].iter().flat_map(|side| self.side(*side)).map(|each| each.0).collect();
        self.waits.sort_by_key(|(_, turn)| *turn);
        ids.extend(self.waits.iter().map(|(order, _)| order.id));
        let day = |id: &u64| {
            let rests = self.rests.iter().map(|rest| &rest.order);
            rests.chain(self.waits.iter().map(|(order, _)| order)).any(|o| o.id == *id && o.tif == Tif::Day)
        };
        let ids: Vec<u64> = ids.into_iter().filter(day).collect();
        for id in ids {
            self.finish(id, Why::DayEnd);
        }
    }

    /// Lots that buyers and sellers would trade at a price.
    fn at_price(&self, px: i64) -> (i64, i64) {
        let sum = |side| {
            let fits = |rest: &&Rest| rest.order.side == side && reaches(&rest.order, px);
            self.rests.iter().filter(fits).map(|rest| rest.shown + rest.hidden).sum()
        };
        (sum(Side::Buy), sum(Side::Sell))
    }

    /// The price of an uncross: every tick tried.
    fn cross_px(&self, reference: Option<i64>) -> Option<i64> {
        let score = |px: i64| {
            let (buys, sells) = self.at_price(px);
            (-buys.min(sells), (buys - sells).abs())
        };
        let best = TICKS.map(score).min().filter(|best| best.0 < 0)?;
        let tied: Vec<i64> = TICKS.filter(|px| score(*px) == best).collect();
        let (low, high) = (*tied.first()?, *tied.last()?);
        match reference {
            Some(reference) => tied.into_iter().min_by_key(|px| (px - reference).abs()),
            None if low > *TICKS.start() && high < *TICKS.end() => Some((low + high).div_euclid(2)),
            None if low > *TICKS.start() => Some(low),
            None if high < *TICKS.end() => Some(high),
            None => None,
        }
    }

    pub fn uncross(&mut self, reference: Option<i64>) -> Result<(), Refused> {
        if self.phase != Phase::Auction {
            return Err(Refused::WrongPhase);
        }
        while let Some(px) = self.cross_px(reference.or(self.last)) {
            loop {
                let taker = |side: Side| Request::limit(0, 0, side, px, 1, Tif::Gtc);
                let first = |side: Side| {
                    let fits = |rest: &Rest| {
                        rest.order.side == side
                            && (rest.order.kind == OrderKind::Market
                                || reaches(&taker(side.opposite()), rest.order.px))
                    };
                    let all = self.rests.iter().enumerate().filter(|(_, rest)| fits(rest));
                    all.min_by_key(|(_, rest)| priority(rest)).map(|(at, rest)| (at, *rest))
                };
                let (Some((buy, buyer)), Some((sell, seller))) = (first(Side::Buy), first(Side::Sell)) else {
                    break;
                };
                let mut qty = buyer.shown.min(seller.shown);
                let mut held = None;
                for (at, rest) in [(buy, buyer), (sell, seller)] {
                    if rest.order.reduce_only && held.is_none() {
                        qty =
                            i128::from(qty).min(self.may_reduce(rest.order.account, rest.order.side)) as i64;
                        held = (qty == 0).then_some(at);
                    }
                }
                if let Some(at) = held {
                    self.end(at, Why::ReduceOnly);
                    continue;
                }
                self.trade(px, qty, &buyer.order, &seller.order, None);
                for id in [buyer.order.id, seller.order.id] {
                    if let Some(at) = self.rests.iter().position(|rest| rest.order.id == id) {
                        self.eat(at, qty);
                    }
                }
            }
        }
        for side in [Side::Buy, Side::Sell] {
            let market: Vec<u64> =
                self.side(side).into_iter().filter(|each| each.1.is_none()).map(|each| each.0).collect();
            for id in market {
                self.finish(id, Why::NoLiquidity);
            }
        }
        self.phase = Phase::Continuous;
        self.after();
        Ok(())
    }
}

/// Moves a trailing stop after the last price; whether it moved.
fn trail(order: &mut Request, last: i64) -> bool {
    let Some(trigger) = &mut order.trigger else { return false };
    let Some(trail) = trigger.trail else { return false };
    let (px, nearer) = match order.side {
        Side::Sell => (last - trail.distance, last - trail.distance - trigger.px),
        Side::Buy => (last + trail.distance, trigger.px - last - trail.distance),
    };
    if nearer < trail.step {
        return false;
    }
    trigger.px = px;
    true
}
