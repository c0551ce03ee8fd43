//! What the journal holds of risk beside orders and positions: latches, loss periods, guards, rates, account balances, and
//! the windows that controls count over. Changed by the fold alone.

use crate::canon::Canon;
use crate::contract::{convert_back_e8, convert_e8};
use crate::fixed::Near;
use crate::limits::{OVERRIDES_MAX, POSTINGS_MAX, RATE_WINDOW_MAX, RISK_ROWS_MAX, WINDOW_MAX};
use crate::order::Terms;
use crate::scope::Scope;
use crate::storm::{Mode, StormState};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_units::{AccountId, InstrumentId, StrategyId, VenueId};
use tidegate_wire::pb::orders::v1::Reason;
use tidegate_wire::pb::risk::v1::{Latch, LossPeriod, RiskEvent, RiskEventKind, StormMode};

/// The start of a loss period of one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub id: u32,
    /// Equity at its start and the highest since, 1e-8 of the limits' currency.
    pub base_e8: i64,
    pub peak_e8: i64,
}

/// A conversion rate: 1e-8 of the quote asset for one of the asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub e8: i64,
    pub ts_ns: i64,
}

/// What the venue said an account has free of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    pub available_e8: i64,
    /// The last report the venue's word surely knows of.
    pub source_seq: u64,
    pub ts_ns: i64,
    /// What fills since then have taken from it.
    pub spent_e8: i128,
}

/// One of our fills, as the drift of a price is measured by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnFill {
    pub ts_ns: i64,
    pub signed_lots: i64,
    /// The journalled mark it happened at.
    pub mark_px_ticks: i64,
}

/// A message that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    pub ts_ns: i64,
    pub account: AccountId,
    pub instrument: InstrumentId,
    /// What a new order asks for; a cancel asks for nothing.
    pub terms: Option<Terms>,
}

/// The messages of one strategy, oldest first; beyond [`RATE_WINDOW_MAX`] the oldest goes. Knows whether their stamps rise, as they
/// do but after a clock was set back, and then needs no pass over all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Messages {
    /// When each was accepted: most questions are of times alone, and of those eight lie in one line of cache.
    stamps: VecDeque<i64>,
    asked: VecDeque<(AccountId, InstrumentId, Option<Terms>)>,
    /// Neighbours of which the later has the earlier stamp.
    steps_back: usize,
}

impl Messages {
    pub(crate) fn push(&mut self, message: Message) {
        if self.stamps.len() >= RATE_WINDOW_MAX {
            let oldest = self.stamps.pop_front();
            self.asked.pop_front();
            self.steps_back -= usize::from(self.stamps.front().copied() < oldest);
        }
        self.steps_back += usize::from(self.stamps.back().is_some_and(|last| message.ts_ns < *last));
        self.stamps.push_back(message.ts_ns);
        self.asked.push_back((message.account, message.instrument, message.terms));
    }

    /// Reads what a decision will ask of it, so that it is at hand by then.
    pub(crate) fn warm(&self) -> (Option<i64>, Option<AccountId>) {
        (self.stamps.back().copied(), self.asked.back().map(|(account, _, _)| *account))
    }

    pub(crate) fn len(&self) -> usize {
        self.stamps.len()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Message> {
        let both = self.stamps.iter().zip(&self.asked);
        both.map(|(ts_ns, (account, instrument, terms))| Message {
            ts_ns: *ts_ns,
            account: *account,
            instrument: *instrument,
            terms: *terms,
        })
    }

    fn rises_to(&self, now_ns: i64) -> bool {
        self.steps_back == 0 && self.stamps.back().is_none_or(|last| *last <= now_ns)
    }

    /// Whether at least so many lie within `window_ns` before now.
    pub(crate) fn at_least(&self, count: usize, now_ns: i64, window_ns: i64) -> bool {
        if !self.rises_to(now_ns) {
            return recent(self.stamps.iter(), |ts_ns| *ts_ns, now_ns, window_ns).count() >= count;
        }
        let Some(first) = self.stamps.len().checked_sub(count) else { return false };
        self.stamps.get(first).is_none_or(|first| now_ns.saturating_sub(*first) < window_ns)
    }

    /// Those within `window_ns` before now, newest first.
    pub(crate) fn recent(&self, now_ns: i64, window_ns: i64) -> impl Iterator<Item = Message> {
        let rises = self.rises_to(now_ns);
        let within = move |m: &Message| now_ns.saturating_sub(m.ts_ns).saturating_abs() < window_ns;
        self.iter().rev().take_while(move |m| !rises || within(m)).filter(within)
    }
}

/// The state of risk.
#[derive(Debug, Clone, Default)]
pub struct RiskState {
    pub(crate) latches: BTreeMap<(Scope, i32), BTreeSet<i32>>,
    pub(crate) restricted: BTreeSet<InstrumentId>,
    pub(crate) storm: BTreeMap<Scope, StormState>,
    pub(crate) periods: BTreeMap<(Scope, i32), Period>,
    pub(crate) rates: BTreeMap<(String, String), Rate>,
    pub(crate) balances: BTreeMap<(AccountId, VenueId, String), Balance>,
    pub(crate) margins: BTreeMap<(AccountId, VenueId), (i64, i64)>,
    pub(crate) locates: BTreeMap<(AccountId, InstrumentId), i64>,
    postings: BTreeSet<(AccountId, VenueId, String)>,
    posting_order: VecDeque<(AccountId, VenueId, String)>,
    pub(crate) executions: BTreeMap<StrategyId, VecDeque<i64>>,
    pub(crate) refusals: BTreeMap<StrategyId, VecDeque<i64>>,
    /// Messages and trades of the trading day.
    pub(crate) day_counts: Near<StrategyId, (u64, u64)>,
    pub(crate) own_fills: BTreeMap<InstrumentId, VecDeque<OwnFill>>,
    pub(crate) overrides: BTreeMap<(StrategyId, i32), i64>,
    pub(crate) limits_version: u32,
    /// Records that found no room under a written bound.
    pub(crate) rows_refused: u64,
}

/// Appends to a window that keeps the newest.
pub(crate) fn push_window<T>(window: &mut VecDeque<T>, value: T) {
    if window.len() >= WINDOW_MAX {
        window.pop_front();
    }
    window.push_back(value);
}

/// How many of the newest entries lie within `window_ns` before now. A stamp from the far future is a stepped clock.
pub(crate) fn recent<'a, T: 'a>(
    window: impl DoubleEndedIterator<Item = &'a T>,
    ts_ns: impl Fn(&T) -> i64,
    now_ns: i64,
    window_ns: i64,
) -> impl Iterator<Item = &'a T> {
    window
        .rev()
        .take(WINDOW_MAX)
        .filter(move |entry| now_ns.saturating_sub(ts_ns(entry)).saturating_abs() < window_ns)
}

/// A storm mode of the wire.
pub(crate) const fn mode_of(mode: StormMode) -> Mode {
    match mode {
        StormMode::Unspecified | StormMode::Normal => Mode::Normal,
        StormMode::Warm => Mode::Warm,
        StormMode::Storm => Mode::Storm,
        StormMode::Halt => Mode::Halt,
    }
}

/// A storm mode on the wire.
pub(crate) const fn wire_mode(mode: Mode) -> StormMode {
    match mode {
        Mode::Normal => StormMode::Normal,
        Mode::Warm => StormMode::Warm,
        Mode::Storm => StormMode::Storm,
        Mode::Halt => StormMode::Halt,
    }
}

impl RiskState {
    /// The causes for which a scope is latched so, lowest number first.
    pub fn latched(&self, scope: Scope, latch: Latch) -> impl Iterator<Item = Reason> {
        let causes = self.latches.get(&(scope, latch as i32));
        causes.into_iter().flatten().filter_map(|cause| Reason::try_from(*cause).ok())
    }

    /// Why a scope may only reduce.
    pub fn reduce_only(&self, scope: Scope) -> Option<Reason> {
        self.latched(scope, Latch::ReduceOnly).next()
    }

    /// All latches in order: scope, latch, cause.
    pub fn all_latches(&self) -> impl Iterator<Item = (Scope, Latch, Reason)> {
        self.latches.iter().flat_map(|((scope, latch), causes)| {
            let latch = Latch::try_from(*latch).unwrap_or(Latch::Unspecified);
            causes.iter().filter_map(move |c| Some((*scope, latch, Reason::try_from(*c).ok()?)))
        })
    }

    /// The mode of one guard.
    pub fn storm(&self, scope: Scope) -> StormState {
        self.storm.get(&scope).copied().unwrap_or_default()
    }

    /// The worst mode over all guards.
    pub fn storm_worst(&self) -> Mode {
        self.storm.values().map(|s| s.mode).max().unwrap_or_default()
    }

    /// The mode an order of an account at a venue stands under.
    pub fn storm_for(&self, account: AccountId, venue: VenueId) -> Mode {
        self.storm(Scope::Firm).mode.max(self.storm(Scope::Venue(account, venue)).mode)
    }

    /// The open period of a scope.
    pub fn period(&self, scope: Scope, period: LossPeriod) -> Option<Period> {
        self.periods.get(&(scope, period as i32)).copied()
    }

    /// What the venue said an account has.
    pub fn balance(&self, account: AccountId, venue: VenueId, asset: &str) -> Option<Balance> {
        self.balances.get(&(account, venue, asset.to_string())).copied()
    }

    /// Version of the limits the journal last named, 0 where it named none.
    pub const fn limits_version(&self) -> u32 {
        self.limits_version
    }

    /// An amount in another asset, rounded away from zero, by a rate that is not older than `age_ns`.
    ///
    /// # Errors
    /// [`Reason::StaleRate`] where there is no fresh rate, [`Reason::Overflow`] beyond 128 bits.
    pub fn convert(
        &self,
        amount_e8: i128,
        from: &str,
        to: &str,
        now_ns: i64,
        age_ns: i64,
    ) -> Result<i128, Reason> {
        if from == to || amount_e8 == 0 {
            return Ok(amount_e8);
        }
        let fresh = |rate: &&Rate| now_ns.saturating_sub(rate.ts_ns) <= age_ns;
        let rate =
            |a: &str, b: &str| self.rates.get(&(a.to_string(), b.to_string())).filter(fresh).map(|r| r.e8);
        match (rate(from, to), rate(to, from)) {
            (Some(e8), _) => convert_e8(amount_e8, e8).ok_or(Reason::Overflow),
            (None, Some(e8)) => convert_back_e8(amount_e8, e8).ok_or(Reason::Overflow),
            (None, None) => Err(Reason::StaleRate),
        }
    }

    /// Whether a posting was booked before, remembering it where not.
    pub(crate) fn is_new_posting(&mut self, event: &RiskEvent) -> bool {
        let key = (AccountId(event.account_id), VenueId(event.venue_id), event.reference.clone());
        if event.reference.is_empty() {
            return true;
        }
        if !self.postings.insert(key.clone()) {
            return false;
        }
        self.posting_order.push_back(key);
        while self.posting_order.len() > POSTINGS_MAX {
            if let Some(oldest) = self.posting_order.pop_front() {
                self.postings.remove(&oldest);
            }
        }
        true
    }

    /// Applies what changes this state alone; marks and postings are the whole state's.
    pub(crate) fn fold(&mut self, event: &RiskEvent) {
        let scope = Scope::of(event);
        let venue = VenueId(event.venue_id);
        let account = AccountId(event.account_id);
        match (event.kind(), scope) {
            (RiskEventKind::Latch, Some(scope)) => {
                if self.latches.len() >= RISK_ROWS_MAX && !self.latches.contains_key(&(scope, event.latch)) {
                    self.rows_refused += 1;
                    return;
                }
                self.latches.entry((scope, event.latch)).or_default().insert(event.cause);
            }
            (RiskEventKind::Release, Some(scope)) => self.release(scope, event.latch, event.cause),
            (RiskEventKind::Storm, Some(scope)) => {
                self.storm
                    .insert(scope, StormState { mode: mode_of(event.storm_to()), since_ns: event.ts_ns });
            }
            (RiskEventKind::Period, Some(scope)) => {
                let period = Period { id: event.period_id, base_e8: event.value, peak_e8: event.bound };
                let was = self.periods.insert((scope, event.period), period);
                if was.is_none_or(|was| was.id != period.id) {
                    self.open_period(scope, event.period());
                }
            }
            (RiskEventKind::Rate, _) => {
                let key = (event.asset.clone(), event.quote_asset.clone());
                if self.rates.len() >= RISK_ROWS_MAX && !self.rates.contains_key(&key) {
                    self.rows_refused += 1;
                } else {
                    self.rates.insert(key, Rate { e8: event.value, ts_ns: event.ts_ns });
                }
            }
            (RiskEventKind::Account, _) => {
                let key = (account, venue, event.asset.clone());
                if self.balances.len() >= RISK_ROWS_MAX && !self.balances.contains_key(&key) {
                    self.rows_refused += 1;
                    return;
                }
                let balance = Balance {
                    available_e8: event.value,
                    source_seq: event.source_seq,
                    ts_ns: event.ts_ns,
                    spent_e8: 0,
                };
                self.balances.insert(key, balance);
            }
            (RiskEventKind::Margin, _) => {
                self.margins.insert((account, venue), (event.value, event.ts_ns));
            }
            (RiskEventKind::Locate, _) => {
                self.locates.insert((account, InstrumentId(event.instrument_id)), event.value);
            }
            (RiskEventKind::Limits, _) => {
                self.limits_version = u32::try_from(event.value).unwrap_or(self.limits_version);
            }
            _ => {}
        }
    }

    pub(crate) fn release(&mut self, scope: Scope, latch: i32, cause: i32) {
        if let Some(causes) = self.latches.get_mut(&(scope, latch)) {
            causes.remove(&cause);
            if causes.is_empty() {
                self.latches.remove(&(scope, latch));
            }
        }
    }

    /// A new period takes off what the old one latched, and a new day its counts.
    fn open_period(&mut self, scope: Scope, period: LossPeriod) {
        let causes: &[Reason] = match period {
            LossPeriod::Day => &[Reason::DailyLossLimit, Reason::DrawdownLimit],
            LossPeriod::Week => &[Reason::WeeklyLossLimit],
            LossPeriod::Month => &[Reason::MonthlyLossLimit],
            LossPeriod::Unspecified => &[],
        };
        for cause in causes {
            self.release(scope, Latch::ReduceOnly as i32, *cause as i32);
        }
        if let (Scope::Strategy(id), LossPeriod::Day) = (scope, period) {
            self.day_counts.remove(id);
        }
    }

    /// Messages and trades of a strategy's day so far, none where it is new.
    pub(crate) fn count_of_day(&mut self, strategy: StrategyId) -> &mut (u64, u64) {
        self.day_counts.or_insert_with(strategy, Default::default)
    }

    /// A strategy is told to start its counts anew.
    pub(crate) fn rearm(&mut self, strategy: StrategyId) {
        self.latches.remove(&(Scope::Strategy(strategy), Latch::Quarantine as i32));
        self.executions.remove(&strategy);
        self.refusals.remove(&strategy);
    }

    /// Puts an override in force; expired ones make room.
    pub(crate) fn override_block(&mut self, strategy: StrategyId, reason: i32, expires_ns: i64, now_ns: i64) {
        self.overrides.retain(|_, expires| *expires > now_ns);
        if self.overrides.len() < OVERRIDES_MAX {
            self.overrides.insert((strategy, reason), expires_ns);
        } else {
            self.rows_refused += 1;
        }
    }

    /// Whether a block is lifted for a strategy now.
    pub(crate) fn overridden(&self, strategy: StrategyId, reason: Reason, now_ns: i64) -> bool {
        self.overrides.get(&(strategy, reason as i32)).is_some_and(|expires| now_ns < *expires)
    }

    pub(crate) fn canon(&self, canon: &mut Canon) {
        canon.len(self.latches.len());
        for ((scope, latch), causes) in &self.latches {
            scope.canon(canon);
            canon.i64((*latch).into()).len(causes.len());
            for cause in causes {
                canon.i64((*cause).into());
            }
        }
        canon.len(self.restricted.len());
        for id in &self.restricted {
            canon.u64(id.0.into());
        }
        canon.len(self.storm.len());
        for (scope, state) in &self.storm {
            scope.canon(canon);
            canon.u64(state.mode as u64).i64(state.since_ns);
        }
        canon.len(self.periods.len());
        for ((scope, kind), period) in &self.periods {
            scope.canon(canon);
            canon.i64((*kind).into()).u64(period.id.into()).i64(period.base_e8).i64(period.peak_e8);
        }
        canon.len(self.rates.len());
        for ((asset, quote), rate) in &self.rates {
            canon.text(asset).text(quote).i64(rate.e8).i64(rate.ts_ns);
        }
        canon.len(self.balances.len());
        for ((account, venue, asset), b) in &self.balances {
            canon.u64(account.0.into()).u64(venue.0.into()).text(asset);
            canon.i64(b.available_e8).u64(b.source_seq).i64(b.ts_ns).i128(b.spent_e8);
        }
        canon.len(self.margins.len());
        for ((account, venue), (ratio, ts_ns)) in &self.margins {
            canon.u64(account.0.into()).u64(venue.0.into()).i64(*ratio).i64(*ts_ns);
        }
        canon.len(self.locates.len());
        for ((account, instrument), lots) in &self.locates {
            canon.u64(account.0.into()).u64(instrument.0.into()).i64(*lots);
        }
        canon.len(self.posting_order.len());
        for (account, venue, reference) in &self.posting_order {
            canon.u64(account.0.into()).u64(venue.0.into()).text(reference);
        }
        for windows in [&self.executions, &self.refusals] {
            canon.len(windows.len());
            for (id, window) in windows {
                canon.u64(id.0.into()).len(window.len());
                for &ts in window {
                    canon.i64(ts);
                }
            }
        }
        let day_counts = self.day_counts.sorted();
        canon.len(day_counts.len());
        for (id, (messages, trades)) in day_counts {
            canon.u64(id.0.into()).u64(*messages).u64(*trades);
        }
        canon.len(self.own_fills.len());
        for (id, fills) in &self.own_fills {
            canon.u64(id.0.into()).len(fills.len());
            for fill in fills {
                canon.i64(fill.ts_ns).i64(fill.signed_lots).i64(fill.mark_px_ticks);
            }
        }
        canon.len(self.overrides.len());
        for ((id, reason), expires) in &self.overrides {
            canon.u64(id.0.into()).i64((*reason).into()).i64(*expires);
        }
        canon.u64(self.limits_version.into()).u64(self.rows_refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a pass over the whole window, with clocks that step back and forth and more messages than are kept.
        #[test]
        fn a_window_counts_as_a_pass_over_it_does(
            steps in prop::collection::vec((-3_i64..9, 1_usize..700), 1..40), now in -50_i64..80, window in 1_i64..60, count in 1_usize..5_000
        ) {
            let (mut messages, mut ts_ns) = (Messages::default(), 0);
            for (step, times) in steps {
                ts_ns += step;
                let message = Message { ts_ns, account: AccountId(1), instrument: InstrumentId(1), terms: None };
                (0..times).for_each(|_| messages.push(message));
            }
            let now_ns = ts_ns + now;
            let all: Vec<Message> = messages.iter().collect();
            let want: Vec<i64> = recent(all.iter(), |m| m.ts_ns, now_ns, window).map(|m| m.ts_ns).collect();
            prop_assert_eq!(messages.at_least(count, now_ns, window), want.len() >= count);
            let found: Vec<i64> = messages.recent(now_ns, window).map(|m| m.ts_ns).collect();
            prop_assert_eq!(found, want);
            prop_assert!(messages.len() <= RATE_WINDOW_MAX && all.len() == messages.len());
        }
    }
}
