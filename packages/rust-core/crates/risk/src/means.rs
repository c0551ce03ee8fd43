//! Whether an account has what an order costs: buying power, margin, and shares to sell short.
//!
//! What it has is the venue's word (an account snapshot) less what fills have taken since and what open orders may still
//! take. An order that the snapshot does not provably know counts on top of it. No word, or an old one, is no.

use crate::config::{AccountKind, Limits};
use crate::contract::{div_away, settle_asset, worth_e8};
use crate::decide::Wish;
use crate::order::Order;
use crate::state::State;
use tidegate_instruments::{Instrument, Kind, Table};
use tidegate_units::{AccountId, Side, VenueId};
use tidegate_wire::pb::orders::v1::Reason;

/// What the means of an account are worked out from.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub state: &'a State,
    pub table: &'a Table,
    pub limits: &'a Limits,
}

/// What an order takes: an asset, and how much of it in 1e-8.
struct Need<'a> {
    asset: &'a str,
    e8: i128,
}

const fn is_held(kind: Kind) -> bool {
    matches!(kind, Kind::Spot | Kind::Equity)
}

impl Means<'_> {
    /// Step 6 for the account. Only for orders that do not reduce.
    ///
    /// # Errors
    /// The first of: no snapshot, margin ratio, no locate, not enough to borrow, not enough to pay.
    pub(crate) fn check(
        &self,
        wish: &Wish<'_>,
        qty_lots: i64,
        px_ticks: i128,
        now_ns: i64,
    ) -> Result<(), Reason> {
        let Some(checks) = self.limits.accounts.get(&wish.key.account).and_then(|a| a.checks) else {
            return Ok(());
        };
        let (account, venue) = (wish.key.account, wish.row.venue());
        let age_ns = i64::from(checks.snapshot_age_ms_max) * 1_000_000;
        let fresh = |ts_ns: i64| now_ns.saturating_sub(ts_ns) <= age_ns;
        if let Some(max) = checks.margin_ratio_bps_max {
            let ratio = self.state.risk.margins.get(&(account, venue)).filter(|(_, ts_ns)| fresh(*ts_ns));
            if ratio.is_none_or(|(bps, _)| *bps >= i64::from(max)) {
                return Err(Reason::MarginRatio);
            }
        }
        if checks.kind == AccountKind::Margin && wish.side == Side::Sell && is_held(wish.row.kind) {
            self.short(wish, qty_lots)?;
        }
        let need = need(checks.kind, checks.initial_margin_bps, wish.row, wish.side, qty_lots, px_ticks)?;
        let free = self.free_e8(account, venue, need.asset, now_ns)?;
        if need.e8 > free { Err(Reason::BuyingPowerExceeded) } else { Ok(()) }
    }

    /// What an account has free of an asset, 1e-8: the venue's word less fills since and open orders it does not know.
    ///
    /// # Errors
    /// [`Reason::NoAccountSnapshot`] without a fresh word, [`Reason::Overflow`] beyond 128 bits.
    pub(crate) fn free_e8(
        &self,
        account: AccountId,
        venue: VenueId,
        asset: &str,
        now_ns: i64,
    ) -> Result<i128, Reason> {
        let row = self.limits.accounts.get(&account).and_then(|a| a.checks);
        let checks = row.ok_or(Reason::NoAccountSnapshot)?;
        let margin_bps = checks.initial_margin_bps;
        let age_ns = i64::from(checks.snapshot_age_ms_max) * 1_000_000;
        let balance = self.state.risk.balance(account, venue, asset);
        let balance =
            balance.filter(|b| now_ns.saturating_sub(b.ts_ns) <= age_ns).ok_or(Reason::NoAccountSnapshot)?;
        // On margin a fill takes the margin of what it cost.
        let part = i128::from(margin_bps.unwrap_or(10_000));
        let spent = balance.spent_e8.checked_mul(part).and_then(|v| div_away(v, 10_000));
        let mut free = i128::from(balance.available_e8).saturating_sub(spent.ok_or(Reason::Overflow)?);
        let unknown_to_it = |o: &&Order| {
            o.key.account == account
                && o.venue_id == venue.0
                && o.reserved_lots() > 0
                && (o.acked_seq == 0 || o.acked_seq > balance.source_seq)
        };
        for order in self.state.orders.values().filter(unknown_to_it) {
            let Some(row) = self.table.get(order.key.instrument) else { continue };
            // A buy costs its limit at most; a market order, and what a short sale is worth, the collar's edge.
            let mark = self.state.marks.get(&order.key.instrument).copied().unwrap_or(0);
            let collar = self.limits.instruments.get(&order.key.instrument).map_or(0, |l| l.collar_bps);
            let edge = crate::decide::edge(mark, collar);
            let px = match (order.is_market, order.side) {
                (false, Side::Buy) => i128::from(order.px_ticks),
                _ => edge.max(i128::from(order.px_ticks)),
            };
            let taken = need(checks.kind, margin_bps, row, order.side, order.reserved_lots(), px)?;
            if taken.asset == asset {
                free = free.saturating_sub(taken.e8);
            }
        }
        Ok(free)
    }

    /// What would be short after all sells of the account in the instrument, against what may be borrowed.
    fn short(&self, wish: &Wish<'_>, qty_lots: i64) -> Result<(), Reason> {
        let of_account = |key: &crate::order::BookKey| {
            key.account == wish.key.account && key.instrument == wish.key.instrument
        };
        let books = self.state.books.iter().filter(|(key, _)| of_account(key));
        let (position, sells) = books.fold((0, i128::from(qty_lots)), |(position, sells), (_, book)| {
            (position + book.position.lots, sells + book.sell_lots)
        });
        let short = sells - position;
        if short <= 0 {
            return Ok(());
        }
        match self.state.risk.locates.get(&(wish.key.account, wish.key.instrument)) {
            None => Err(Reason::LocateMissing),
            Some(lots) if short > i128::from(*lots) => Err(Reason::ShortNotAvailable),
            Some(_) => Ok(()),
        }
    }
}

/// What so many lots at a price take of an account of a kind.
fn need<'a>(
    kind: AccountKind,
    margin_bps: Option<u32>,
    row: &'a Instrument,
    side: Side,
    lots: i64,
    px_ticks: i128,
) -> Result<Need<'a>, Reason> {
    let lots = i128::from(lots);
    if kind == AccountKind::Cash && side == Side::Sell && is_held(row.kind) {
        let e8 = lots.checked_mul(i128::from(row.base_e8_per_lot())).ok_or(Reason::Overflow)?;
        return Ok(Need { asset: &row.base, e8 });
    }
    let asset = settle_asset(row);
    let value = if row.kind == Kind::InversePerp {
        // Paid in base: dearest at the lowest price, and the valuation price is the highest. Face over the reference's
        // lower edge is not known here, so twice the value at the upper edge is asked for.
        let px = i64::try_from(px_ticks).map_err(|_| Reason::Overflow)?;
        let cost = crate::contract::cost_e8(row, px, lots).ok_or(Reason::Overflow)?;
        cost.checked_abs().and_then(|v| v.checked_mul(2)).ok_or(Reason::Overflow)?
    } else {
        worth_e8(row, px_ticks, lots).ok_or(Reason::Overflow)?
    };
    let bps = match kind {
        AccountKind::Cash => 10_000,
        AccountKind::Margin | AccountKind::Futures => i128::from(margin_bps.unwrap_or(10_000)),
    };
    let product = value.checked_mul(bps).ok_or(Reason::Overflow)?;
    let e8 = div_away(product, 10_000).ok_or(Reason::Overflow)?;
    Ok(Need { asset, e8 })
}
