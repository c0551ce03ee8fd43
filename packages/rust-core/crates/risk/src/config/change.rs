//! Whether one set of limits allows anything that another did not.

use super::{Limits, RowId, Rows};
use std::fmt::Debug;

/// A limit where more is looser; `None` is no limit at all.
fn rises(was: Option<i64>, is: Option<i64>) -> bool {
    match (was, is) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(was), Some(is)) => is > was,
    }
}

impl Limits {
    /// The first thing by which `next` is looser than these limits; `None` where it only tightens.
    ///
    /// What is neither more nor less (a window of another length, another calendar, other thresholds of a guard) counts as
    /// looser: who cannot tell must ask a second person.
    pub fn loosened_by(&self, next: &Self) -> Option<String> {
        let mut found: Option<String> = None;
        let mut note = |looser: bool, what: &str| {
            if looser && found.is_none() {
                found = Some(what.to_string());
            }
        };
        note(next.firm.exposure_e8_max > self.firm.exposure_e8_max, "firm.exposure_e8_max");
        note(next.firm.open_orders_max > self.firm.open_orders_max, "firm.open_orders_max");
        note(next.startup_holdoff_ns < self.startup_holdoff_ns, "startup_holdoff_ms");
        note(next.requery_ns != self.requery_ns, "requery_ms");
        note(!self.restricted.is_subset(&next.restricted), "restricted");
        note(next.currency != self.currency, "currency");
        note(next.rate_age_ns > self.rate_age_ns, "rate_age_ms_max");
        let ns = |age: Option<u64>| age.map(|v| i64::try_from(v).unwrap_or(i64::MAX));
        note(rises(ns(self.mark_age_ns), ns(next.mark_age_ns)), "mark_age_ms_max");
        note(rises(ns(self.monitor_age_ns), ns(next.monitor_age_ns)), "monitor_age_ms_max");
        note(next.approval_ttl_ns > self.approval_ttl_ns, "approval_ttl_ms");
        note(self.require_attribution && !next.require_attribution, "require_attribution");
        note(next.storm != self.storm, "storm");
        note(next.kill != self.kill, "kill");
        note(!same_loss(self.firm.loss.as_ref(), next.firm.loss.as_ref()), "firm.loss");
        rows(&self.desks, &next.desks, "desk", &mut note, |was, is, note| {
            note(is.exposure_e8_max > was.exposure_e8_max, "exposure_e8_max");
        });
        rows(&self.accounts, &next.accounts, "account", &mut note, |was, is, note| {
            note(is.exposure_e8_max > was.exposure_e8_max, "exposure_e8_max");
            note(is.messages != was.messages && was.messages.is_some(), "messages");
            note(is.checks != was.checks && was.checks.is_some(), "checks");
            note(!same_loss(was.loss.as_ref(), is.loss.as_ref()), "loss");
        });
        rows(&self.strategies, &next.strategies, "strategy", &mut note, |was, is, note| {
            note(is.exposure_e8_max > was.exposure_e8_max, "exposure_e8_max");
            note(is.open_orders_max > was.open_orders_max, "open_orders_max");
            note(is.messages_max > was.messages_max, "messages_max");
            note(is.messages_window_ms < was.messages_window_ms, "messages_window_ms");
            let count = |v: Option<u32>| v.map(i64::from);
            note(rises(count(was.open_positions_max), count(is.open_positions_max)), "open_positions_max");
            note(is.duplicates != was.duplicates && was.duplicates.is_some(), "duplicates");
            note(is.executions != was.executions && was.executions.is_some(), "executions");
            note(is.refusals != was.refusals && was.refusals.is_some(), "refusals");
            note(is.order_to_trade != was.order_to_trade && was.order_to_trade.is_some(), "order_to_trade");
            note(is.permissions != was.permissions, "permissions");
            note(is.attribution != was.attribution && was.attribution.is_some(), "attribution");
            note(is.desk_id != was.desk_id, "desk_id");
            note(!same_loss(was.loss.as_ref(), is.loss.as_ref()), "loss");
        });
        rows(&self.instruments, &next.instruments, "instrument", &mut note, |was, is, note| {
            note(is.order_qty_lots_max > was.order_qty_lots_max, "order_qty_lots_max");
            note(is.order_notional_e8_max > was.order_notional_e8_max, "order_notional_e8_max");
            note(is.position_lots_max > was.position_lots_max, "position_lots_max");
            note(is.exposure_e8_max > was.exposure_e8_max, "exposure_e8_max");
            note(is.px_ticks_max > was.px_ticks_max, "px_ticks_max");
            note(is.collar_bps > was.collar_bps, "collar_bps");
            note(is.reducing_collar_bps > was.reducing_collar_bps, "reducing_collar_bps");
            note(is.reference_age_ms_max > was.reference_age_ms_max, "reference_age_ms_max");
            let bps = |v: Option<u32>| v.map(i64::from);
            note(rises(bps(was.slippage_bps), bps(is.slippage_bps)), "slippage_bps");
            note(is.drift != was.drift && was.drift.is_some(), "drift");
            note(is.market != was.market && was.market.is_some(), "market");
            note(is.blackouts != was.blackouts && was.blackouts.is_some(), "blackouts");
            note(is.tick_bands != was.tick_bands && was.tick_bands.is_some(), "tick_bands");
            note(is.lot_step != was.lot_step && was.lot_step.is_some(), "lot_step");
            note(is.messages != was.messages && was.messages.is_some(), "messages");
            note(is.position_normal_lots != was.position_normal_lots, "position_normal_lots");
        });
        found
    }
}

/// Holds rows of the same id against each other; a row that is new allows what nothing allowed.
fn rows<K: RowId + Debug, V>(
    was: &Rows<K, V>,
    is: &Rows<K, V>,
    what: &str,
    note: &mut impl FnMut(bool, &str),
    each: impl Fn(&V, &V, &mut dyn FnMut(bool, &str)),
) {
    for (id, next) in is {
        match was.get(id) {
            None => note(true, &format!("a new {what} {id:?}")),
            Some(row) => {
                each(row, next, &mut |looser, field| note(looser, &format!("{field} of {what} {id:?}")))
            }
        }
    }
}

fn same_loss(was: Option<&super::LossLimits>, is: Option<&super::LossLimits>) -> bool {
    let (Some(was), Some(is)) = (was, is) else { return was.is_none() };
    let sums = |l: &super::LossLimits| [l.day_e8_max, l.week_e8_max, l.month_e8_max];
    let falls = sums(was).into_iter().zip(sums(is)).all(|(was, is)| !rises(was, is));
    falls && was.market == is.market && was.drawdown == is.drawdown && was.action == is.action
}
