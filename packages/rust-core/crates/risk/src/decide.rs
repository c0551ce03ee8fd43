//! The decision on one new order: pure, from the state, the limits and the reference price. Nothing is changed here.

use crate::config::{InstrumentLimits, Limits, Sides, StrategyLimits};
use crate::contract::worth_e8;
use crate::index::{At, Lots};
use crate::limits::{BOOKS_MAX, OPEN_ORDERS_MAX};
use crate::means::Means;
use crate::order::{BookKey, Order, Terms, from_wire_side, lots};
use crate::risk_state::recent;
use crate::scope::Scope;
use crate::state::{Book, State};
use crate::storm::Mode;
use crate::sums::Sums;
use std::collections::BTreeMap;
use tidegate_instruments::{Instrument, Table};
use tidegate_mutants::{Bug, planted};
use tidegate_units::{AccountId, InstrumentId, SAFE_INTEGER, Side, StrategyId};
use tidegate_wire::pb::orders::v1::{Intent, OrderType, Reason, Tif};

/// A price to measure by, with the time it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferencePx {
    pub px_ticks: i64,
    pub ts_ns: i64,
}

/// What an order is measured by: the reference, and the touch it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quote {
    pub reference: ReferencePx,
    pub bid_px_ticks: Option<i64>,
    pub ask_px_ticks: Option<i64>,
}

/// A new order whose fields mean something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub row: &'a Instrument,
    pub limits: &'a InstrumentLimits,
    pub strategy: &'a StrategyLimits,
    pub key: BookKey,
    pub side: Side,
    pub market: bool,
    /// A limit order that trades on arrival or not at all does not rest: it may take.
    pub may_take: bool,
    pub px_ticks: i64,
    pub qty_lots: i64,
    pub intent: &'a Intent,
}

/// What a yes comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    pub qty_lots: i64,
    pub reference: ReferencePx,
}

/// Step 1: what the order is, or why it is none.
pub(crate) fn decode<'a>(
    intent: &'a Intent,
    strategy: StrategyId,
    table: &'a Table,
    limits: &'a Limits,
) -> Result<Wish<'a>, Reason> {
    let instrument = InstrumentId(intent.instrument_id);
    let (Some(row), Some(of_instrument)) = (table.get(instrument), limits.instruments.get(&instrument))
    else {
        return Err(Reason::UnknownInstrument);
    };
    if intent.instrument_table_version != table.version() {
        return Err(Reason::InstrumentTableVersion);
    }
    let account = AccountId(intent.account_id);
    let (Some(of_strategy), true) =
        (limits.strategies.get(&strategy), limits.accounts.contains_key(&account))
    else {
        return Err(Reason::UnauthorisedPrincipal);
    };
    let side = from_wire_side(intent.side).ok_or(Reason::Malformed)?;
    if let Some(may) = &of_strategy.permissions {
        let sides = match may.sides {
            Sides::Both => true,
            Sides::Buy => side == Side::Buy,
            Sides::Sell => side == Side::Sell,
        };
        if !may.accounts.contains(&account.0) || !may.instruments.contains(&instrument.0) || !sides {
            return Err(Reason::UnauthorisedPrincipal);
        }
    }
    if limits.require_attribution && of_strategy.attribution.is_none() {
        return Err(Reason::AttributionMissing);
    }
    let market = match intent.order_type() {
        OrderType::Limit => false,
        OrderType::Market => true,
        OrderType::Unspecified => return Err(Reason::Malformed),
    };
    if intent.tif() == Tif::Unspecified || intent.target_intent_id.is_some() {
        return Err(Reason::Malformed);
    }
    if market && (intent.px_ticks != 0 || intent.tif() == Tif::PostOnly) {
        return Err(Reason::Malformed);
    }
    if !market && intent.px_ticks <= 0 {
        return Err(Reason::PriceZeroOrNeg);
    }
    let qty_lots = lots(intent.qty_lots);
    if intent.px_ticks > SAFE_INTEGER || qty_lots > SAFE_INTEGER {
        return Err(Reason::Malformed);
    }
    if qty_lots == 0 {
        return Err(Reason::QtyZeroOrNeg);
    }
    if qty_lots < row.min_qty_lots || qty_lots % of_instrument.lot_step.unwrap_or(1) != 0 {
        return Err(Reason::QtyOffLot);
    }
    if !market && intent.px_ticks % tick_step(of_instrument, intent.px_ticks) != 0 {
        return Err(Reason::PriceOffTick);
    }
    let key = BookKey { account, strategy, instrument };
    Ok(Wish {
        row,
        limits: of_instrument,
        strategy: of_strategy,
        key,
        side,
        market,
        may_take: market || intent.tif() != Tif::PostOnly,
        px_ticks: intent.px_ticks,
        qty_lots,
        intent,
    })
}

/// The step of a price where it stands; 1 where no band says otherwise.
fn tick_step(limits: &InstrumentLimits, px_ticks: i64) -> i64 {
    let bands = limits.tick_bands.as_deref().unwrap_or(&[]);
    bands.iter().rev().find(|b| b.from_px_ticks <= px_ticks).map_or(1, |b| b.step_ticks)
}

/// The upper edge of the collar round a reference: no sell that passes is worth more than this.
pub(crate) fn edge(reference_px: i64, collar_bps: u32) -> i128 {
    let reference = reference_px.max(0).unsigned_abs();
    // A division of 64 bits where they hold it, as they do for any price of a market.
    let share = reference.checked_mul(collar_bps.into()).map_or_else(
        || (u128::from(reference) * u128::from(collar_bps)).div_ceil(10_000),
        |product| product.div_ceil(10_000).into(),
    );
    // Below 2^63 × 2^32.
    i128::from(reference) + share.cast_signed()
}

/// Sum of exposures in each scope a book belongs to: of the symbol in 1e-8 of its quote currency, else of the limits'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exposure {
    pub symbol: i128,
    pub strategy: i128,
    pub desk: i128,
    pub account: i128,
    pub firm: i128,
}

pub(crate) fn worst(position: i128, buys: i128, sells: i128) -> Option<i128> {
    Some(position.checked_add(buys)?.checked_abs()?.max(position.checked_sub(sells)?.checked_abs()?))
}

/// Valuation of each instrument: the collar's edge above its last mark, or the dearest live order if that is more.
pub(crate) fn valuations(state: &State, limits: &Limits) -> BTreeMap<InstrumentId, i128> {
    let mut px: BTreeMap<InstrumentId, i128> = state
        .marks
        .iter()
        .map(|(id, &mark)| (*id, edge(mark, limits.instruments.get(id).map_or(0, |l| l.collar_bps))))
        .collect();
    for order in state.orders.values() {
        let dearest = px.entry(order.key.instrument).or_insert(0);
        *dearest = (*dearest).max(i128::from(order.px_ticks));
    }
    px
}

/// What exposure is worked out from.
#[derive(Clone, Copy)]
pub(crate) struct Valuer<'a> {
    pub state: &'a State,
    pub table: &'a Table,
    pub limits: &'a Limits,
    pub now_ns: i64,
}

impl Valuer<'_> {
    /// Value of so many lots in the currency of the sums, and in the instrument's own.
    fn value(
        &self,
        px: &BTreeMap<InstrumentId, i128>,
        id: InstrumentId,
        lots: i128,
    ) -> Result<(i128, i128), Reason> {
        if lots == 0 {
            return Ok((0, 0));
        }
        let row = self.table.get(id).ok_or(Reason::UnknownInstrument)?;
        // Never priced: what it is worth is not known, and so neither is what it is within.
        let px = px.get(&id).copied().ok_or(Reason::StaleMark)?;
        let own = worth_e8(row, px, lots).ok_or(Reason::Overflow)?;
        let limits = self.limits;
        let sum =
            self.state.risk.convert(own, &row.quote, &limits.currency, self.now_ns, limits.rate_age_ns)?;
        Ok((sum, own))
    }

    fn desk_of(&self, strategy: StrategyId) -> Option<u32> {
        self.limits.strategies.get(&strategy)?.desk_id
    }

    /// Exposure of the scopes of `key`: Σ over instruments of max(|P + ΣB|, |P − ΣS|) × valuation × worth of a tick-lot.
    ///
    /// # Errors
    /// [`Reason::Overflow`] beyond 128 bits, [`Reason::StaleMark`] and [`Reason::StaleRate`] where a value is not known.
    pub(crate) fn exposure(
        &self,
        books: &BTreeMap<BookKey, Book>,
        key: BookKey,
        px: &BTreeMap<InstrumentId, i128>,
    ) -> Result<Exposure, Reason> {
        // Within an account the strategies' positions in one instrument are one position at the venue.
        let mut nets: BTreeMap<(AccountId, InstrumentId), Book> = BTreeMap::new();
        let mut total = Exposure::default();
        let desk = self.desk_of(key.strategy);
        let add = |a: i128, b: i128| a.checked_add(b).ok_or(Reason::Overflow);
        for (at, book) in books {
            let net = nets.entry((at.account, at.instrument)).or_default();
            net.position.lots = add(net.position.lots, book.position.lots)?;
            net.buy_lots = add(net.buy_lots, book.buy_lots)?;
            net.sell_lots = add(net.sell_lots, book.sell_lots)?;
            let of_strategy = at.strategy == key.strategy;
            if of_strategy || (desk.is_some() && self.desk_of(at.strategy) == desk) {
                let worst =
                    worst(book.position.lots, book.buy_lots, book.sell_lots).ok_or(Reason::Overflow)?;
                let (value, _) = self.value(px, at.instrument, worst)?;
                if of_strategy {
                    total.strategy = add(total.strategy, value)?;
                }
                if desk.is_some() {
                    total.desk = add(total.desk, value)?;
                }
            }
        }
        for ((account, instrument), net) in nets {
            let worst = worst(net.position.lots, net.buy_lots, net.sell_lots).ok_or(Reason::Overflow)?;
            let (value, own) = self.value(px, instrument, worst)?;
            total.firm = add(total.firm, value)?;
            if account == key.account {
                total.account = add(total.account, value)?;
            }
            if instrument == key.instrument {
                total.symbol = add(total.symbol, own)?;
            }
        }
        Ok(total)
    }

    /// Exposure of every scope that holds something. What has no price or rate is left out: it is not known.
    pub(crate) fn all(&self, px: &BTreeMap<InstrumentId, i128>) -> BTreeMap<Scope, i128> {
        let mut sums: BTreeMap<Scope, i128> = BTreeMap::new();
        let mut nets: BTreeMap<(AccountId, InstrumentId), Book> = BTreeMap::new();
        let mut add = |scope: Scope, value: i128| {
            let sum = sums.entry(scope).or_insert(0);
            *sum = sum.saturating_add(value);
        };
        for (at, book) in self.state.books() {
            let net = nets.entry((at.account, at.instrument)).or_default();
            net.position.lots = net.position.lots.saturating_add(book.position.lots);
            net.buy_lots = net.buy_lots.saturating_add(book.buy_lots);
            net.sell_lots = net.sell_lots.saturating_add(book.sell_lots);
            let lots = worst(book.position.lots, book.buy_lots, book.sell_lots).unwrap_or(i128::MAX);
            if let Ok((value, _)) = self.value(px, at.instrument, lots) {
                add(Scope::Strategy(at.strategy), value);
                if let Some(desk) = self.desk_of(at.strategy) {
                    add(Scope::Desk(desk), value);
                }
            }
        }
        for ((account, instrument), net) in nets {
            let lots = worst(net.position.lots, net.buy_lots, net.sell_lots).unwrap_or(i128::MAX);
            if let Ok((value, own)) = self.value(px, instrument, lots) {
                add(Scope::Firm, value);
                add(Scope::Account(account), value);
                add(Scope::Instrument(instrument), own);
            }
        }
        sums
    }
}

/// How many lots on `side` only reduce: |position| less what already waits on that side.
pub(crate) fn reducing_capacity(position: i128, side: Side, leaves: i128) -> i128 {
    if position.signum() == -i128::from(side.sign()) { (position.abs() - leaves).max(0) } else { 0 }
}

/// What the decision on one order is made from.
#[derive(Clone, Copy)]
pub(crate) struct Checks<'a> {
    pub state: &'a State,
    pub table: &'a Table,
    pub limits: &'a Limits,
    pub sums: &'a Sums,
    pub wish: Wish<'a>,
    /// What is known of the wish's instrument, and the book it is for.
    pub at: Option<&'a At>,
    pub lots: Lots,
    pub now_ns: i64,
    /// Why only reducing orders pass: a guard, a latch, a dead monitor.
    pub block: Option<Reason>,
}

impl Checks<'_> {
    /// Lots of the wish's side that only reduce.
    pub(crate) fn capacity(&self) -> i128 {
        debug_assert_eq!(self.lots, self.state.book(self.wish.key).lots());
        reducing_capacity(self.lots.position, self.wish.side, self.lots.leaves(self.wish.side))
    }

    /// Whether some part of the order could pass as reducing.
    pub(crate) fn may_reduce(&self) -> bool {
        self.capacity().min(i128::from(self.wish.qty_lots)) >= i128::from(self.wish.row.min_qty_lots)
    }
}

/// Steps 6 and 7: the limits and the reservation. A flipping order that a limit refuses is trimmed to its reducing part.
///
/// # Errors
/// The first refusal.
pub(crate) fn decide(checks: Checks<'_>, quote: Option<Quote>) -> Result<Accepted, Reason> {
    let quote = quote.ok_or(Reason::NoReferencePrice)?;
    let (wish, capacity) = (checks.wish, checks.capacity());
    let limits = Pass { checks, quote };
    match limits.run(wish.qty_lots, i128::from(wish.qty_lots) <= capacity) {
        Ok(()) => Ok(Accepted { qty_lots: wish.qty_lots, reference: quote.reference }),
        Err(first) => {
            let step = wish.limits.lot_step.unwrap_or(1);
            let trimmed = i64::try_from(capacity).unwrap_or(i64::MAX) / step * step;
            let may_trim =
                trimmed >= wish.row.min_qty_lots && trimmed < wish.qty_lots && lifted_by_reducing(first);
            if may_trim && limits.run(trimmed, true).is_ok() {
                Ok(Accepted { qty_lots: trimmed, reference: quote.reference })
            } else {
                Err(first)
            }
        }
    }
}

/// The refusals an order that reduces is exempt from.
pub(crate) const fn lifted_by_reducing(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::StormNewBlocked
            | Reason::Degraded
            | Reason::ReduceOnly
            | Reason::MaxQtyExceeded
            | Reason::MaxNotionalExceeded
            | Reason::PositionLimitExceeded
            | Reason::OpenPositionsExceeded
            | Reason::MessageRate
            | Reason::OrderToTrade
            | Reason::SlippageGuard
            | Reason::PriceOutsideCollar
            | Reason::DailyLossLimit
            | Reason::WeeklyLossLimit
            | Reason::MonthlyLossLimit
            | Reason::DrawdownLimit
            | Reason::StaleMark
            | Reason::StaleRate
            | Reason::NoAccountSnapshot
            | Reason::BuyingPowerExceeded
            | Reason::ShortNotAvailable
            | Reason::LocateMissing
            | Reason::MarginRatio
            | Reason::ExposureGlobalLimit
            | Reason::ExposureAccountLimit
            | Reason::ExposureStrategyLimit
            | Reason::ExposureDeskLimit
            | Reason::ExposureSymbolLimit
    )
}

/// The blocks that two people may lift for a while (RTS 6 article 15(6)): sizes and rates, never exposure, loss, permission
/// or the market's own rules.
pub const fn may_be_overridden(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::MaxQtyExceeded
            | Reason::MaxNotionalExceeded
            | Reason::PositionLimitExceeded
            | Reason::OpenPositionsExceeded
            | Reason::OpenOrdersExceeded
            | Reason::MessageRate
            | Reason::OrderToTrade
            | Reason::DuplicateEconomics
            | Reason::SlippageGuard
            | Reason::PriceDrift
    )
}

/// One walk through the limits, for one quantity at a time.
struct Pass<'a> {
    checks: Checks<'a>,
    quote: Quote,
}

impl Pass<'_> {
    fn run(&self, qty_lots: i64, reduces: bool) -> Result<(), Reason> {
        let checks = &self.checks;
        let wish = &checks.wish;
        if let Some(block) = checks.block
            && !reduces
        {
            return Err(block);
        }
        let listed = checks.limits.restricted.contains(&wish.key.instrument);
        if listed || checks.state.risk.restricted.contains(&wish.key.instrument) {
            return Err(Reason::Restricted);
        }
        self.price(reduces)?;
        let worth_px = self.worth_px();
        let notional = worth_e8(wish.row, worth_px, i128::from(qty_lots)).ok_or(Reason::Overflow)?;
        if !reduces {
            if qty_lots > self.warmed(wish.limits.order_qty_lots_max) || qty_lots > wish.row.max_qty_lots {
                self.refuse(Reason::MaxQtyExceeded)?;
            }
            if notional > i128::from(wish.limits.order_notional_e8_max) {
                self.refuse(Reason::MaxNotionalExceeded)?;
            }
            self.position(qty_lots)?;
            self.open_positions()?;
        }
        self.open_orders()?;
        self.self_match()?;
        self.duplicates()?;
        if !reduces {
            self.rates()?;
            self.order_to_trade()?;
            self.slippage()?;
        }
        self.drift()?;
        if !reduces {
            let means = Means { state: checks.state, table: checks.table, limits: checks.limits };
            means.check(wish, qty_lots, worth_px, checks.now_ns)?;
        }
        self.exposure(qty_lots, reduces)
    }

    /// A refusal, unless two people have lifted it.
    fn refuse(&self, reason: Reason) -> Result<(), Reason> {
        let checks = &self.checks;
        let lifted = may_be_overridden(reason)
            && checks.state.risk.overridden(checks.wish.key.strategy, reason, checks.now_ns);
        if lifted { Ok(()) } else { Err(reason) }
    }

    /// A base limit as the guard over the order leaves it: halved when warm, never below one.
    fn warmed(&self, limit: i64) -> i64 {
        let checks = &self.checks;
        let mode = checks.state.risk.storm_for(checks.wish.key.account, checks.wish.row.venue());
        if mode >= Mode::Warm { (limit / 2).max(1) } else { limit }
    }

    fn price(&self, reduces: bool) -> Result<(), Reason> {
        let wish = &self.checks.wish;
        if wish.market {
            return Ok(());
        }
        if wish.px_ticks > wish.limits.px_ticks_max {
            return Err(Reason::PriceExceedsCap);
        }
        let bps = if reduces { wish.limits.reducing_collar_bps } else { wish.limits.collar_bps };
        if beyond(wish.px_ticks, self.quote.reference.px_ticks, bps) {
            return Err(Reason::PriceOutsideCollar);
        }
        Ok(())
    }

    /// A buy is worth its limit, a sell at least the collar's edge, a market order that edge.
    fn worth_px(&self) -> i128 {
        let wish = &self.checks.wish;
        let edge = edge(self.quote.reference.px_ticks, wish.limits.collar_bps);
        match (wish.market, wish.side) {
            (false, Side::Buy) => i128::from(wish.px_ticks),
            (false, Side::Sell) => edge.max(i128::from(wish.px_ticks)),
            (true, _) => edge,
        }
    }

    fn position(&self, qty_lots: i64) -> Result<(), Reason> {
        let wish = &self.checks.wish;
        let lots = self.checks.lots;
        let leaves = lots.leaves(wish.side) + i128::from(qty_lots);
        let after = lots.position + i128::from(wish.side.sign()) * leaves;
        let size = if planted(Bug::PositionSignForgotten) { after } else { after.abs() };
        if size > i128::from(wish.limits.position_lots_max) {
            return self.refuse(Reason::PositionLimitExceeded);
        }
        Ok(())
    }

    /// Instruments with a position or an order of the strategy: one more may not pass the limit.
    fn open_positions(&self) -> Result<(), Reason> {
        let wish = &self.checks.wish;
        let Some(max) = wish.strategy.open_positions_max else { return Ok(()) };
        let open = self.checks.state.index.open_positions(wish.key.strategy);
        let is_open = || self.checks.at.is_some_and(|at| at.held_by(wish.key.strategy));
        if open >= max as usize && !is_open() {
            return self.refuse(Reason::OpenPositionsExceeded);
        }
        Ok(())
    }

    fn open_orders(&self) -> Result<(), Reason> {
        let (state, wish) = (self.checks.state, &self.checks.wish);
        let mine = state.index.live_orders(wish.key.strategy);
        let of_strategy = |o: &&Order| !o.terminal() && o.key.strategy == wish.key.strategy;
        debug_assert_eq!(mine, state.orders.values().filter(of_strategy).count());
        if state.orders.len() >= OPEN_ORDERS_MAX {
            return Err(Reason::OpenOrdersExceeded);
        }
        let full = mine >= wish.strategy.open_orders_max as usize
            || state.open_orders() >= self.checks.limits.firm.open_orders_max as usize;
        if full { self.refuse(Reason::OpenOrdersExceeded) } else { Ok(()) }
    }

    /// No own order on the other side at a price it would trade at, in flight and of unknown outcome included.
    fn self_match(&self) -> Result<(), Reason> {
        let wish = &self.checks.wish;
        let limit = (!wish.market).then_some(wish.px_ticks);
        let meets = self.checks.at.is_some_and(|at| at.meets(wish.key.account, wish.side, limit));
        debug_assert_eq!(meets, self.checks.state.orders.values().any(|o| meets_order(wish, o)));
        if meets { Err(Reason::SelfMatch) } else { Ok(()) }
    }

    /// The same order under other ids.
    fn duplicates(&self) -> Result<(), Reason> {
        let wish = &self.checks.wish;
        let Some(window) = wish.strategy.duplicates else { return Ok(()) };
        let Some(messages) = self.checks.state.messages.get(wish.key.strategy) else { return Ok(()) };
        let terms = Some(Terms::of(wish.intent));
        let (account, instrument) = (wish.key.account, wish.key.instrument);
        let within = messages.recent(self.checks.now_ns, window.ns());
        let same =
            within.filter(|m| m.terms == terms && m.account == account && m.instrument == instrument).count();
        if same >= window.count_max as usize { self.refuse(Reason::DuplicateEconomics) } else { Ok(()) }
    }

    /// Messages of the strategy, of the account and in the instrument; cancels count and are not refused.
    fn rates(&self) -> Result<(), Reason> {
        let (state, wish, now_ns) = (self.checks.state, &self.checks.wish, self.checks.now_ns);
        let strategy_ns = i64::from(wish.strategy.messages_window_ms) * 1_000_000;
        let own = state.messages.get(wish.key.strategy);
        let most = usize::try_from(self.warmed(wish.strategy.messages_max.into())).unwrap_or(usize::MAX);
        if own.is_some_and(|m| m.at_least(most, now_ns, strategy_ns)) {
            return self.refuse(Reason::MessageRate);
        }
        let all = |window_ns: i64, which: &dyn Fn(&crate::risk_state::Message) -> bool| {
            let within = state.messages.values().flat_map(|m| m.recent(now_ns, window_ns));
            within.filter(|m| which(m)).count() as i64
        };
        if let Some(window) = self.checks.limits.accounts.get(&wish.key.account).and_then(|a| a.messages)
            && all(window.ns(), &|m| m.account == wish.key.account) >= self.warmed(window.count_max.into())
        {
            return self.refuse(Reason::MessageRate);
        }
        if let Some(window) = wish.limits.messages
            && all(window.ns(), &|m| m.instrument == wish.key.instrument)
                >= self.warmed(window.count_max.into())
        {
            return self.refuse(Reason::MessageRate);
        }
        Ok(())
    }

    fn order_to_trade(&self) -> Result<(), Reason> {
        let wish = &self.checks.wish;
        let Some(budget) = wish.strategy.order_to_trade else { return Ok(()) };
        let counts = self.checks.state.risk.day_counts.get(wish.key.strategy).copied();
        let (messages, trades) = counts.unwrap_or_default();
        let allowed = u64::from(budget.ratio_max).saturating_mul(trades.max(1));
        if messages >= u64::from(budget.messages_min) && messages >= allowed {
            return self.refuse(Reason::OrderToTrade);
        }
        Ok(())
    }

    /// An order that takes may not take further from the reference than allowed: a market order at the touch it meets, a
    /// limit order that crosses at its limit. Without a touch on the other side there is nothing known to take.
    fn slippage(&self) -> Result<(), Reason> {
        let wish = &self.checks.wish;
        let Some(bps) = wish.limits.slippage_bps.filter(|_| wish.may_take) else { return Ok(()) };
        let touch = match wish.side {
            Side::Buy => self.quote.ask_px_ticks,
            Side::Sell => self.quote.bid_px_ticks,
        };
        let takes_at = match (wish.market, touch) {
            (true, None) => return self.refuse(Reason::SlippageGuard),
            (true, Some(px)) => px,
            (false, Some(px)) if wish.side.sign() * (wish.px_ticks - px) >= 0 => wish.px_ticks,
            (false, _) => return Ok(()),
        };
        let worse = wish.side.sign() * (takes_at - self.quote.reference.px_ticks) > 0;
        if worse && beyond(takes_at, self.quote.reference.px_ticks, bps) {
            return self.refuse(Reason::SlippageGuard);
        }
        Ok(())
    }

    /// The collar over time: an order in the direction of what was bought or sold within the window may not trade further
    /// than allowed from where the window began.
    fn drift(&self) -> Result<(), Reason> {
        let wish = &self.checks.wish;
        let Some(limit) = wish.limits.drift else { return Ok(()) };
        let Some(fills) = self.checks.state.risk.own_fills.get(&wish.key.instrument) else { return Ok(()) };
        let window_ns = i64::from(limit.window_ms) * 1_000_000;
        let mut first = None;
        let mut net = 0_i128;
        for fill in recent(fills.iter(), |f| f.ts_ns, self.checks.now_ns, window_ns) {
            net += i128::from(fill.signed_lots);
            first = Some(fill.mark_px_ticks);
        }
        let Some(start) = first.filter(|_| net.signum() == i128::from(wish.side.sign())) else {
            return Ok(());
        };
        let px = if wish.market { self.quote.reference.px_ticks } else { wish.px_ticks };
        let at = crate::contract::worse(wish.side, px, self.quote.reference.px_ticks);
        if wish.side.sign() * (at - start) > 0 && beyond(at, start, limit.bps_max) {
            return self.refuse(Reason::PriceDrift);
        }
        Ok(())
    }

    fn exposure(&self, qty_lots: i64, reduces: bool) -> Result<(), Reason> {
        let Checks { state, limits, sums, wish, .. } = self.checks;
        if state.books.len() >= BOOKS_MAX && !state.books.contains_key(&wish.key) {
            return Err(Reason::ExposureCardinality);
        }
        let own = edge(self.quote.reference.px_ticks, wish.limits.collar_bps).max(i128::from(wish.px_ticks));
        let own = own.max(i128::from(self.checks.at.map_or(0, At::dearest)));
        let kept = sums.around(&wish, self.checks.at, qty_lots, own, limits);
        debug_assert!(
            kept.is_none_or(|(before, after)| self.added_up(qty_lots, own) == (Ok(before), Ok(after))),
            "the kept sums are not what the books add up to"
        );
        let both =
            kept.map_or_else(|| self.added_up(qty_lots, own), |(before, after)| (Ok(before), Ok(after)));
        let (before, after) = match both {
            (Ok(before), Ok(after)) => (before, after),
            // What is not known cannot be held against an order that only reduces it.
            (Err(reason), _) | (_, Err(reason)) if reduces && lifted_by_reducing(reason) => return Ok(()),
            (Err(reason), _) | (_, Err(reason)) => return Err(reason),
        };
        let account = limits.accounts.get(&wish.key.account).map_or(0, |a| a.exposure_e8_max);
        let desk = wish.strategy.desk_id.and_then(|id| limits.desks.get(&id)).map(|d| d.exposure_e8_max);
        // A scope in which the order raises nothing has nothing to refuse, whatever it stands at.
        for (was, is, limit, reason) in [
            (before.symbol, after.symbol, wish.limits.exposure_e8_max, Reason::ExposureSymbolLimit),
            (before.strategy, after.strategy, wish.strategy.exposure_e8_max, Reason::ExposureStrategyLimit),
            (before.desk, after.desk, desk.unwrap_or(i64::MAX), Reason::ExposureDeskLimit),
            (before.account, after.account, account, Reason::ExposureAccountLimit),
            (before.firm, after.firm, limits.firm.exposure_e8_max, Reason::ExposureGlobalLimit),
        ] {
            let limit = if planted(Bug::ExposureUnchecked) { i128::MAX } else { i128::from(limit) };
            if is > limit && (is > was || !reduces) {
                return Err(if was > limit { Reason::ReduceOnly } else { reason });
            }
        }
        Ok(())
    }

    /// Exposure before the wish and with so much of it, added up book by book, its instrument valued at `own_px`.
    fn added_up(&self, qty_lots: i64, own_px: i128) -> (Result<Exposure, Reason>, Result<Exposure, Reason>) {
        let Checks { state, table, limits, wish, now_ns, .. } = self.checks;
        let mut px = valuations(state, limits);
        px.insert(wish.key.instrument, own_px);
        let mut books: BTreeMap<BookKey, Book> =
            state.books.iter().map(|(key, book)| (*key, *book)).collect();
        let valuer = Valuer { state, table, limits, now_ns };
        let before = valuer.exposure(&books, wish.key, &px);
        let book = books.entry(wish.key).or_default();
        match wish.side {
            Side::Buy => book.buy_lots += i128::from(qty_lots),
            Side::Sell => book.sell_lots += i128::from(qty_lots),
        }
        (before, valuer.exposure(&books, wish.key, &px))
    }
}

/// Whether an order is live, of the wish's account on its other side, and would trade with it.
fn meets_order(wish: &Wish<'_>, o: &Order) -> bool {
    let opposite = !o.terminal()
        && o.key.instrument == wish.key.instrument
        && o.key.account == wish.key.account
        && o.side == wish.side.opposite();
    let crosses = match wish.side {
        Side::Buy => wish.px_ticks >= o.px_ticks,
        Side::Sell => wish.px_ticks <= o.px_ticks,
    };
    opposite && (wish.market || o.is_market || crosses)
}

/// Whether a price is further from another than so many 1/10,000 of that.
fn beyond(px_ticks: i64, from_px_ticks: i64, bps: u32) -> bool {
    let from = i128::from(from_px_ticks);
    (i128::from(px_ticks) - from).abs() * 10_000 > i128::from(bps) * from.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_rounds_away_from_the_reference() {
        assert_eq!(edge(10_000, 200), 10_200);
        assert_eq!(edge(10_001, 200), 10_202);
        assert_eq!(edge(1, 1), 2);
        assert_eq!((edge(0, 200), edge(-5, 200)), (0, 0));
        for px in [1, 9_999, 10_000, 1 << 40, (1 << 53) + 1, i64::MAX / 2, i64::MAX] {
            for bps in [0, 1, 200, 10_000, u32::MAX] {
                let (px_wide, bps_wide) = (i128::from(px), i128::from(bps));
                let want = px_wide + (px_wide * bps_wide + 9_999) / 10_000;
                assert_eq!(edge(px, bps), want, "{px} {bps}");
            }
        }
    }

    #[test]
    fn reducing_capacity_is_what_is_left_of_the_position() {
        assert_eq!(reducing_capacity(10, Side::Sell, 3), 7);
        assert_eq!(reducing_capacity(10, Side::Sell, 12), 0);
        assert_eq!(reducing_capacity(-10, Side::Buy, 0), 10);
        assert_eq!(reducing_capacity(10, Side::Buy, 0), 0);
        assert_eq!(reducing_capacity(0, Side::Sell, 0), 0);
    }

    #[test]
    fn the_worst_case_is_either_side_filled_alone() {
        assert_eq!(worst(5, 3, 10), Some(8));
        assert_eq!(worst(5, 0, 20), Some(15));
        assert_eq!(worst(i128::MIN, 0, 0), None);
    }
}
