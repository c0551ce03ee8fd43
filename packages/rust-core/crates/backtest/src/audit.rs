//! What must hold of every run, checked from its records alone and not from the engine's own sums.

use crate::account::{Account, Fees, Fill, Source};
use crate::event::Kind;
use crate::tape::Stream;
use std::collections::BTreeMap;
use tidegate_instruments::Instrument;
use tidegate_risk::contract::cost_e8;
use tidegate_units::Side;

/// Counts of what does not hold; all 0 in a sound run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Audit {
    /// Position, cash, fees, volume and value against the sums over all fills.
    pub account_unequal: u64,
    /// Fills of more of a print than its size, or of a level than it showed.
    pub liquidity_taken_twice: u64,
    /// Fills at a price that the recorded row they name did not offer, or of a side that it does not meet.
    pub prices_not_offered: u64,
    /// Fills before the row they name, or out of order.
    pub out_of_order: u64,
}

impl Audit {
    /// Whether all is well.
    pub fn sound(&self) -> bool {
        *self == Self::default()
    }
}

/// Holds a run's fills against its tape and its account.
pub fn audit(row: &Instrument, fees: &Fees, venue: Stream<'_>, fills: &[Fill], account: &Account) -> Audit {
    let mut found = Audit::default();
    let mut sums = Account::default();
    let mut used: BTreeMap<(Source, Side), i64> = BTreeMap::new();
    let mut last = i64::MIN;
    for fill in fills {
        let sign = i128::from(fill.side.sign());
        let cost = cost_e8(row, fill.px, i128::from(fill.qty)).unwrap_or(0);
        sums.position += fill.qty * fill.side.sign();
        sums.cash_e8 -= cost * sign;
        sums.value_e8 += cost.abs();
        sums.volume += i128::from(fill.qty);
        sums.fills += 1;
        sums.fee_e16 += fees.of(fill.side, fill.maker, fill.qty, cost.abs()).unwrap_or(0);
        found.out_of_order += u64::from(fill.venue_ns < last || fill.qty <= 0 || fill.left < 0);
        last = fill.venue_ns;
        let offered = match fill.source {
            Source::Unlimited => continue,
            Source::Print(at) => venue.get(at).map(|step| {
                let side = if step.kind == Kind::BuyTrade { Side::Sell } else { Side::Buy };
                let trade = matches!(step.kind, Kind::BuyTrade | Kind::SellTrade);
                let met = trade && side == fill.side && (fill.px - step.px) * fill.side.sign() >= 0;
                (step.ns, met, step.qty)
            }),
            Source::Level { px, row } => {
                let kind = Kind::level(fill.side.opposite());
                // The level as last named at or before that row.
                let named = (0..=row)
                    .rev()
                    .filter_map(|at| venue.get(at))
                    .find(|step| step.kind == kind && step.px == px);
                named.map(|step| (step.ns, (fill.px - px) * fill.side.sign() >= 0, step.qty))
            }
        };
        let Some((ns, met, size)) = offered else {
            found.prices_not_offered += 1;
            continue;
        };
        found.prices_not_offered += u64::from(!met);
        found.out_of_order += u64::from(fill.venue_ns < ns);
        let used = used.entry((fill.source, fill.side)).or_default();
        *used += fill.qty;
        found.liquidity_taken_twice += u64::from(*used > size);
    }
    found.account_unequal = u64::from(sums != *account);
    found
}

/// What the market did after a fill: (mid price − fill price) × side, in half ticks a lot, summed over lots, at one horizon. Below 0
/// the market went against us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Markout {
    pub horizon_ns: i64,
    pub half_tick_lots: i128,
    /// Lots with a mid price at the horizon; the rest fell after the end or into an empty book.
    pub lots: i128,
}

/// Markouts of fills at several horizons, by the venue's own book.
pub fn markouts<L: crate::depth::Levels>(
    levels: L,
    venue: Stream<'_>,
    fills: &[Fill],
    horizons_ns: &[i64],
) -> Vec<Markout> {
    let mut out: Vec<Markout> =
        horizons_ns.iter().map(|ns| Markout { horizon_ns: *ns, ..Markout::default() }).collect();
    let mut due: Vec<(i64, usize, usize)> = Vec::new();
    for (at, fill) in fills.iter().enumerate() {
        due.extend(
            horizons_ns.iter().enumerate().map(|(slot, ns)| (fill.venue_ns.saturating_add(*ns), slot, at)),
        );
    }
    due.sort_unstable();
    let last = venue.ns.last().copied().unwrap_or(i64::MIN);
    let (mut depth, mut row) = (crate::depth::Depth::new(levels), 0);
    for (at, slot, fill) in due {
        if at > last {
            break;
        }
        row = crate::venue::replay(&mut depth, venue, row, at);
        if let (Some((bid, ask)), Some(fill), Some(markout)) =
            (depth.touch(), fills.get(fill), out.get_mut(slot))
        {
            let moved = i128::from(bid + ask - 2 * fill.px) * i128::from(fill.side.sign());
            markout.half_tick_lots += moved * i128::from(fill.qty);
            markout.lots += i128::from(fill.qty);
        }
    }
    out
}
