//! What a decision asks of all orders and books at once, kept beside them as the fold goes: derived from the state, no part of
//! its hash, and never older than it.

use crate::decide::edge;
use crate::fixed::{ById, Near};
use crate::order::{BookKey, Order};
use std::collections::BTreeSet;
use tidegate_units::{AccountId, InstrumentId, Side, StrategyId};

/// Lots of one book: position, and what is reserved on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lots {
    pub position: i128,
    pub buys: i128,
    pub sells: i128,
}

impl Lots {
    pub(crate) const fn leaves(&self, side: Side) -> i128 {
        match side {
            Side::Buy => self.buys,
            Side::Sell => self.sells,
        }
    }

    const fn held(&self) -> bool {
        self.position != 0 || self.buys != 0 || self.sells != 0
    }
}

/// A book of an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub account: AccountId,
    pub strategy: StrategyId,
    pub lots: Lots,
}

/// Prices of orders in order, each with how many. They are few and lie side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Prices(Vec<(i64, u32)>);

impl Prices {
    fn place(&self, px: i64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&px, |(px, _)| *px)
    }

    fn add(&mut self, px: i64) {
        match self.place(px) {
            Ok(place) => self.0[place].1 += 1,
            Err(place) => self.0.insert(place, (px, 1)),
        }
    }

    fn take(&mut self, px: i64) {
        if let Ok(place) = self.place(px) {
            self.0[place].1 -= 1;
            if self.0[place].1 == 0 {
                self.0.remove(place);
            }
        }
    }

    fn lowest(&self) -> Option<i64> {
        self.0.first().map(|(px, _)| *px)
    }

    fn highest(&self) -> Option<i64> {
        self.0.last().map(|(px, _)| *px)
    }
}

/// Orders of one account on one side that are not terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Resting {
    account: AccountId,
    side: Side,
    markets: u32,
    /// The first of `limits` that an order of the other side would trade with: the highest bid, the lowest offer.
    best: Option<i64>,
    limits: Prices,
}

impl Resting {
    fn change(&mut self, order: &Order, change: impl FnOnce(&mut Prices, i64)) {
        change(&mut self.limits, order.px_ticks);
        self.best = match self.side {
            Side::Buy => self.limits.highest(),
            Side::Sell => self.limits.lowest(),
        };
    }
}

/// All that is known of one instrument.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct At {
    /// Orders of unknown outcome.
    unknown: u32,
    /// The journalled mark.
    mark: Option<i64>,
    /// By account, then strategy.
    books: Vec<Held>,
    /// Of every order that is kept: live, or ended with fills still to come.
    kept: Prices,
    resting: Vec<Resting>,
    changed: bool,
}

impl At {
    pub(crate) const fn unknown(&self) -> bool {
        self.unknown > 0
    }

    pub(crate) fn books(&self) -> &[Held] {
        &self.books
    }

    fn held(&self) -> bool {
        self.books.iter().any(|book| book.lots.held())
    }

    /// Whether a strategy has a position or an order here, in any account.
    pub(crate) fn held_by(&self, strategy: StrategyId) -> bool {
        self.books.iter().any(|book| book.strategy == strategy && book.lots.held())
    }

    /// Price of the dearest order, 0 where there is none.
    pub(crate) fn dearest(&self) -> i64 {
        self.kept.highest().unwrap_or(0)
    }

    /// What a lot is valued at: the collar's edge above the mark, or the dearest order if that is more; `None` where it was
    /// never priced.
    pub(crate) fn valuation(&self, collar_bps: u32) -> Option<i128> {
        let dearest = self.kept.highest().map(|px| i128::from(px).max(0));
        self.mark.map(|mark| edge(mark, collar_bps)).max(dearest)
    }

    fn place(&self, account: AccountId, strategy: StrategyId) -> Result<usize, usize> {
        self.books.binary_search_by_key(&(account, strategy), |book| (book.account, book.strategy))
    }

    /// Lots of a book; none where it is not.
    pub(crate) fn lots(&self, key: BookKey) -> Lots {
        let place = self.place(key.account, key.strategy);
        place.ok().and_then(|place| self.books.get(place)).map(|book| book.lots).unwrap_or_default()
    }

    /// Whether a live order of the account on the other side would trade with one.
    pub(crate) fn meets(&self, account: AccountId, side: Side, limit_px_ticks: Option<i64>) -> bool {
        let other = side.opposite();
        let Some(resting) = self.resting.iter().find(|r| r.account == account && r.side == other) else {
            return false;
        };
        let crosses = match (limit_px_ticks, resting.best) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(px), Some(best)) => side.sign() * (px - best) >= 0,
        };
        resting.markets > 0 || crosses
    }

    fn resting(&mut self, account: AccountId, side: Side) -> &mut Resting {
        let at = self.resting.iter().position(|r| r.account == account && r.side == side);
        let at = at.unwrap_or_else(|| {
            self.resting.push(Resting { account, side, markets: 0, best: None, limits: Prices::default() });
            self.resting.len() - 1
        });
        &mut self.resting[at]
    }
}

/// What is counted of a strategy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct OfStrategy {
    /// Orders that are not terminal.
    live: usize,
    /// Instruments with a position or an order, with how many books.
    held: ById<InstrumentId, u32>,
}

/// The index.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    at: Near<InstrumentId, At>,
    strategies: Near<StrategyId, OfStrategy>,
    /// Instruments whose value may be another than when it was last added up; each once.
    changed: Vec<InstrumentId>,
    /// A superset of the held instruments whose present price differs from the journalled mark.
    unmarked: BTreeSet<InstrumentId>,
}

impl Index {
    pub(crate) fn at(&self, instrument: InstrumentId) -> Option<&At> {
        self.at.get(instrument)
    }

    /// Reads what a decision will ask of an instrument and a strategy, so that it is at hand by then.
    #[inline]
    pub(crate) fn warm(&self, instrument: InstrumentId, strategy: StrategyId) -> (i128, i64, u32, usize) {
        let (mut lots, mut markets, mut dearest) = (0, 0, 0);
        if let Some(at) = self.at.get(instrument) {
            lots = at.books.iter().fold(0, |all, book| all ^ book.lots.position);
            markets = at.resting.iter().fold(0, |all, resting| all ^ resting.markets);
            dearest = at.dearest();
        }
        (lots, dearest, markets, self.live_orders(strategy))
    }

    /// Orders of a strategy that are not terminal.
    pub(crate) fn live_orders(&self, strategy: StrategyId) -> usize {
        self.strategies.get(strategy).map_or(0, |s| s.live)
    }

    /// Instruments in which a strategy has a position or an order.
    pub(crate) fn open_positions(&self, strategy: StrategyId) -> usize {
        self.strategies.get(strategy).map_or(0, |s| s.held.len())
    }

    fn touch(&mut self, instrument: InstrumentId) -> &mut At {
        let at = self.at.or_insert_with(instrument, At::default);
        if !std::mem::replace(&mut at.changed, true) {
            self.changed.push(instrument);
        }
        at
    }

    /// A new order.
    pub(crate) fn opened(&mut self, order: &Order) {
        self.strategies.or_insert_with(order.key.strategy, OfStrategy::default).live += 1;
        let at = self.touch(order.key.instrument);
        at.kept.add(order.px_ticks);
        let resting = at.resting(order.key.account, order.side);
        if order.is_market {
            resting.markets += 1;
        } else {
            resting.change(order, Prices::add);
        }
        at.unknown += u32::from(order.unknown());
    }

    /// An order after a change, with what it was before.
    pub(crate) fn moved(&mut self, order: &Order, was_terminal: bool, was_unknown: bool) {
        if order.unknown() != was_unknown {
            let at = self.touch(order.key.instrument);
            at.unknown = if was_unknown { at.unknown.saturating_sub(1) } else { at.unknown + 1 };
        }
        if order.terminal() && !was_terminal {
            if let Some(of) = self.strategies.get_mut(order.key.strategy) {
                of.live = of.live.saturating_sub(1);
            }
            let resting = self.touch(order.key.instrument).resting(order.key.account, order.side);
            if order.is_market {
                resting.markets = resting.markets.saturating_sub(1);
            } else {
                resting.change(order, Prices::take);
            }
        }
    }

    /// An order that is kept no longer.
    pub(crate) fn retired(&mut self, order: &Order) {
        self.touch(order.key.instrument).kept.take(order.px_ticks);
    }

    /// A book after a change.
    pub(crate) fn booked(&mut self, key: BookKey, lots: Lots) {
        let at = self.touch(key.instrument);
        let was = match at.place(key.account, key.strategy) {
            Ok(place) => std::mem::replace(&mut at.books[place].lots, lots).held(),
            Err(place) => {
                at.books.insert(place, Held { account: key.account, strategy: key.strategy, lots });
                false
            }
        };
        if was == lots.held() {
            return;
        }
        let held = &mut self.strategies.or_insert_with(key.strategy, OfStrategy::default).held;
        if was {
            let books = held.entry(key.instrument).or_insert(1);
            *books -= 1;
            if *books == 0 {
                held.remove(&key.instrument);
            }
        } else {
            *held.entry(key.instrument).or_insert(0) += 1;
            self.unmarked.insert(key.instrument);
        }
    }

    /// A journalled mark; gives whether it is another than before.
    pub(crate) fn marked(&mut self, instrument: InstrumentId, px_ticks: i64) -> bool {
        let differs = self.at.get(instrument).is_none_or(|at| at.mark != Some(px_ticks));
        if differs {
            self.touch(instrument).mark = Some(px_ticks);
            self.unmarked.insert(instrument);
        }
        differs
    }

    /// The present price of an instrument has changed.
    pub(crate) fn repriced(&mut self, instrument: InstrumentId) {
        if self.at.get(instrument).is_some_and(At::held) {
            self.unmarked.insert(instrument);
        }
    }

    /// The held instruments whose present price is not their mark, in order; `price` gives what is known of it, however old.
    pub(crate) fn unmarked(
        &mut self,
        price: impl Fn(InstrumentId) -> Option<i64>,
    ) -> impl Iterator<Item = InstrumentId> {
        let at = &self.at;
        self.unmarked.retain(|id| {
            at.get(*id).is_some_and(|at| at.held() && price(*id).is_some_and(|px| at.mark != Some(px)))
        });
        self.unmarked.iter().copied()
    }

    /// Every instrument counts as changed.
    pub(crate) fn all_changed(&mut self) {
        let ids: Vec<InstrumentId> = self.at.ids().collect();
        for id in ids {
            self.touch(id);
        }
    }

    /// Hands each changed instrument to `each`; afterwards none is.
    pub(crate) fn drain_changed(&mut self, mut each: impl FnMut(InstrumentId, &At)) {
        for id in self.changed.drain(..) {
            if let Some(at) = self.at.get_mut(id) {
                at.changed = false;
                each(id, at);
            }
        }
    }
}
