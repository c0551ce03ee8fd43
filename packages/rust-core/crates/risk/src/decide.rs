//! The decision on one new order: pure, from the state, the limits and the reference price. Nothing is changed here.

use crate::config::{InstrumentLimits, Limits, StrategyLimits};
use crate::limits::{BOOKS_MAX, OPEN_ORDERS_MAX};
use crate::order::{BookKey, from_wire_side, lots};
use crate::state::{Book, State};
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

/// A new order whose fields mean something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub row: &'a Instrument,
    pub limits: &'a InstrumentLimits,
    pub strategy: &'a StrategyLimits,
    pub key: BookKey,
    pub side: Side,
    pub market: bool,
    pub px_ticks: i64,
    pub qty_lots: i64,
}

/// What a yes comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    pub qty_lots: i64,
    pub reference: ReferencePx,
}

/// Step 1: what the order is, or why it is none.
pub(crate) fn decode<'a>(
    intent: &Intent,
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
    if qty_lots < row.min_qty_lots {
        return Err(Reason::QtyOffLot);
    }
    let key = BookKey { account, strategy, instrument };
    Ok(Wish {
        row,
        limits: of_instrument,
        strategy: of_strategy,
        key,
        side,
        market,
        px_ticks: intent.px_ticks,
        qty_lots,
    })
}

/// The upper edge of the collar round a reference: no sell that passes is worth more than this.
pub(crate) fn edge(reference_px: i64, collar_bps: u32) -> i128 {
    let reference = i128::from(reference_px.max(0));
    reference + (reference * i128::from(collar_bps)).div_ceil_positive(10_000)
}

trait DivCeil {
    fn div_ceil_positive(self, by: i128) -> i128;
}

impl DivCeil for i128 {
    /// Rounded up; both must be at least 0.
    fn div_ceil_positive(self, by: i128) -> i128 {
        (self + by - 1) / by
    }
}

/// Sum of exposures in each scope a book belongs to, 1e-8 of the quote currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exposure {
    pub symbol: i128,
    pub strategy: i128,
    pub account: i128,
    pub firm: i128,
}

fn worst(position: i128, buys: i128, sells: i128) -> Option<i128> {
    Some(position.checked_add(buys)?.checked_abs()?.max(position.checked_sub(sells)?.checked_abs()?))
}

/// Valuation of each instrument: the collar's edge above its last reference, or the dearest live order if that is more.
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

/// Exposure of the scopes of `key`: Σ over instruments of max(|P + ΣB|, |P − ΣS|) × valuation × worth of a tick-lot.
///
/// `None` where 128 bits do not hold it.
pub(crate) fn exposure(
    books: &BTreeMap<BookKey, Book>,
    key: BookKey,
    px: &BTreeMap<InstrumentId, i128>,
    table: &Table,
) -> Option<Exposure> {
    // Within an account the strategies' positions in one instrument are one position at the venue.
    let mut nets: BTreeMap<(AccountId, InstrumentId), Book> = BTreeMap::new();
    let mut total = Exposure::default();
    let value = |id: InstrumentId, lots: i128| {
        let row = table.get(id)?;
        lots.checked_mul(px.get(&id).copied().unwrap_or(0))?.checked_mul(i128::from(row.e8_per_tick_lot))
    };
    for (at, book) in books {
        let net = nets.entry((at.account, at.instrument)).or_default();
        net.position.lots = net.position.lots.checked_add(book.position.lots)?;
        net.buy_lots = net.buy_lots.checked_add(book.buy_lots)?;
        net.sell_lots = net.sell_lots.checked_add(book.sell_lots)?;
        if at.strategy == key.strategy {
            let worst = worst(book.position.lots, book.buy_lots, book.sell_lots)?;
            total.strategy = total.strategy.checked_add(value(at.instrument, worst)?)?;
        }
    }
    for ((account, instrument), net) in nets {
        let value = value(instrument, worst(net.position.lots, net.buy_lots, net.sell_lots)?)?;
        total.firm = total.firm.checked_add(value)?;
        if account == key.account {
            total.account = total.account.checked_add(value)?;
        }
        if instrument == key.instrument {
            total.symbol = total.symbol.checked_add(value)?;
        }
    }
    Some(total)
}

/// How many lots on `side` only reduce: |position| less what already waits on that side.
pub(crate) fn reducing_capacity(position: i128, side: Side, leaves: i128) -> i128 {
    if position.signum() == -i128::from(side.sign()) { (position.abs() - leaves).max(0) } else { 0 }
}

/// Steps 5 (reduce-only), 6 and 7 for one quantity.
struct Checks<'a> {
    state: &'a State,
    table: &'a Table,
    limits: &'a Limits,
    wish: Wish<'a>,
    reference: ReferencePx,
    now_ns: i64,
}

/// Steps 6 and 7: the limits and the reservation. A flipping order that a limit refuses is trimmed to its reducing part.
///
/// # Errors
/// The first refusal.
pub(crate) fn decide(
    state: &State,
    table: &Table,
    limits: &Limits,
    wish: Wish<'_>,
    reference: Option<ReferencePx>,
    now_ns: i64,
) -> Result<Accepted, Reason> {
    let reference = reference.ok_or(Reason::NoReferencePrice)?;
    let book = state.books.get(&wish.key).copied().unwrap_or_default();
    let capacity = reducing_capacity(book.position.lots, wish.side, book.leaves(wish.side));
    let checks = Checks { state, table, limits, wish, reference, now_ns };
    match checks.run(wish.qty_lots, i128::from(wish.qty_lots) <= capacity) {
        Ok(()) => Ok(Accepted { qty_lots: wish.qty_lots, reference }),
        Err(first) => {
            let trimmed = i64::try_from(capacity).unwrap_or(i64::MAX);
            let may_trim =
                trimmed >= wish.row.min_qty_lots && trimmed < wish.qty_lots && lifted_by_reducing(first);
            if may_trim && checks.run(trimmed, true).is_ok() {
                Ok(Accepted { qty_lots: trimmed, reference })
            } else {
                Err(first)
            }
        }
    }
}

/// The refusals an order that reduces is exempt from.
const fn lifted_by_reducing(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ReduceOnly
            | Reason::MaxQtyExceeded
            | Reason::MaxNotionalExceeded
            | Reason::PositionLimitExceeded
            | Reason::MessageRate
            | Reason::PriceOutsideCollar
            | Reason::ExposureGlobalLimit
            | Reason::ExposureAccountLimit
            | Reason::ExposureStrategyLimit
            | Reason::ExposureSymbolLimit
    )
}

impl Checks<'_> {
    fn run(&self, qty_lots: i64, reduces: bool) -> Result<(), Reason> {
        let wish = &self.wish;
        self.price(reduces)?;
        let worth_px = self.worth_px();
        let notional = worth_px
            .checked_mul(i128::from(qty_lots))
            .and_then(|v| v.checked_mul(i128::from(wish.row.e8_per_tick_lot)))
            .ok_or(Reason::Overflow)?;
        if !reduces {
            if qty_lots > wish.limits.order_qty_lots_max || qty_lots > wish.row.max_qty_lots {
                return Err(Reason::MaxQtyExceeded);
            }
            if notional > i128::from(wish.limits.order_notional_e8_max) {
                return Err(Reason::MaxNotionalExceeded);
            }
            self.position(qty_lots)?;
        }
        self.open_orders()?;
        self.self_match()?;
        if !reduces {
            self.rate()?;
        }
        self.exposure(qty_lots, reduces)
    }

    fn price(&self, reduces: bool) -> Result<(), Reason> {
        let wish = &self.wish;
        if wish.market {
            return Ok(());
        }
        if wish.px_ticks > wish.limits.px_ticks_max {
            return Err(Reason::PriceExceedsCap);
        }
        let bps = if reduces { wish.limits.reducing_collar_bps } else { wish.limits.collar_bps };
        let reference = i128::from(self.reference.px_ticks);
        let distance = (i128::from(wish.px_ticks) - reference).abs();
        if distance * 10_000 > i128::from(bps) * reference {
            return Err(Reason::PriceOutsideCollar);
        }
        Ok(())
    }

    /// A buy is worth its limit, a sell at least the collar's edge, a market order that edge.
    fn worth_px(&self) -> i128 {
        let edge = edge(self.reference.px_ticks, self.wish.limits.collar_bps);
        match (self.wish.market, self.wish.side) {
            (false, Side::Buy) => i128::from(self.wish.px_ticks),
            (false, Side::Sell) => edge.max(i128::from(self.wish.px_ticks)),
            (true, _) => edge,
        }
    }

    fn position(&self, qty_lots: i64) -> Result<(), Reason> {
        let book = self.state.books.get(&self.wish.key).copied().unwrap_or_default();
        let leaves = book.leaves(self.wish.side) + i128::from(qty_lots);
        let after = book.position.lots + i128::from(self.wish.side.sign()) * leaves;
        let size = if planted(Bug::PositionSignForgotten) { after } else { after.abs() };
        if size > i128::from(self.wish.limits.position_lots_max) {
            return Err(Reason::PositionLimitExceeded);
        }
        Ok(())
    }

    fn open_orders(&self) -> Result<(), Reason> {
        let of_strategy =
            |o: &&crate::order::Order| !o.terminal() && o.key.strategy == self.wish.key.strategy;
        let mine = self.state.orders.values().filter(of_strategy).count();
        let full = mine >= self.wish.strategy.open_orders_max as usize
            || self.state.open_orders() >= self.limits.firm.open_orders_max as usize
            || self.state.orders.len() >= OPEN_ORDERS_MAX;
        if full { Err(Reason::OpenOrdersExceeded) } else { Ok(()) }
    }

    /// No own order on the other side at a price it would trade at, in flight and of unknown outcome included.
    fn self_match(&self) -> Result<(), Reason> {
        let wish = &self.wish;
        let meets = self.state.orders.values().any(|o| {
            let opposite = !o.terminal()
                && o.key.instrument == wish.key.instrument
                && o.key.account == wish.key.account
                && o.side == wish.side.opposite();
            let crosses = match wish.side {
                Side::Buy => wish.px_ticks >= o.px_ticks,
                Side::Sell => wish.px_ticks <= o.px_ticks,
            };
            opposite && (wish.market || o.is_market || crosses)
        });
        if meets { Err(Reason::SelfMatch) } else { Ok(()) }
    }

    fn rate(&self) -> Result<(), Reason> {
        let window_ns = i64::from(self.wish.strategy.messages_window_ms) * 1_000_000;
        let recent = self.state.rates.get(&self.wish.key.strategy).map_or(0, |window| {
            // A stamp from the far future is a stepped clock, not a message of this window.
            window.iter().filter(|ts| self.now_ns.saturating_sub(**ts).saturating_abs() < window_ns).count()
        });
        if recent >= self.wish.strategy.messages_max as usize { Err(Reason::MessageRate) } else { Ok(()) }
    }

    fn exposure(&self, qty_lots: i64, reduces: bool) -> Result<(), Reason> {
        let (state, wish) = (self.state, &self.wish);
        let mut px = valuations(state, self.limits);
        let own = edge(self.reference.px_ticks, wish.limits.collar_bps).max(i128::from(wish.px_ticks));
        let dearest_live = state.orders.values().filter(|o| o.key.instrument == wish.key.instrument);
        let dearest_live = dearest_live.map(|o| i128::from(o.px_ticks)).max().unwrap_or(0);
        px.insert(wish.key.instrument, own.max(dearest_live));

        let mut books = state.books.clone();
        if !books.contains_key(&wish.key) && books.len() >= BOOKS_MAX {
            return Err(Reason::ExposureCardinality);
        }
        let before = exposure(&books, wish.key, &px, self.table).ok_or(Reason::Overflow)?;
        let book = books.entry(wish.key).or_default();
        match wish.side {
            Side::Buy => book.buy_lots += i128::from(qty_lots),
            Side::Sell => book.sell_lots += i128::from(qty_lots),
        }
        let after = exposure(&books, wish.key, &px, self.table).ok_or(Reason::Overflow)?;
        let account = self.limits.accounts.get(&wish.key.account).map_or(0, |a| a.exposure_e8_max);
        // A scope in which the order raises nothing has nothing to refuse, whatever it stands at.
        for (was, is, limit, reason) in [
            (before.symbol, after.symbol, wish.limits.exposure_e8_max, Reason::ExposureSymbolLimit),
            (before.strategy, after.strategy, wish.strategy.exposure_e8_max, Reason::ExposureStrategyLimit),
            (before.account, after.account, account, Reason::ExposureAccountLimit),
            (before.firm, after.firm, self.limits.firm.exposure_e8_max, Reason::ExposureGlobalLimit),
        ] {
            let limit = if planted(Bug::ExposureUnchecked) { i128::MAX } else { i128::from(limit) };
            if is > limit && (is > was || !reduces) {
                return Err(if was > limit { Reason::ReduceOnly } else { reason });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_rounds_away_from_the_reference() {
        assert_eq!(edge(10_000, 200), 10_200);
        assert_eq!(edge(10_001, 200), 10_202);
        assert_eq!(edge(1, 1), 2);
        assert_eq!(edge(0, 200), 0);
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
