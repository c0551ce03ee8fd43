//! What the gateway looks at by itself, once a second and after fills and refusals: marks, loss periods, losses, breaches
//! that no decision made, stale prices, guards, and the thresholds of the kill switch. Each finding is a record.

use crate::config::{LossAction, LossLimits};
use crate::contract::{cost_e8, settle_asset};
use crate::decide::{Valuer, valuations};
use crate::gateway::{Effects, Gateway, Now, Trace};
use crate::limits::EVALUATE_NS;
use crate::order::BookKey;
use crate::risk_state::{recent, wire_mode};
use crate::scope::Scope;
use crate::state::{Book, FoldFault};
use crate::storm::Input;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_calendar::{Market, Phase};
use tidegate_units::{InstrumentId, StrategyId, VenueId};
use tidegate_wire::limits::MARKS_MAX;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::Reason;
use tidegate_wire::pb::risk::v1::{Latch, LossPeriod, Policy, RiskEvent, RiskEventKind};

/// Who pulls the kill switch where a threshold does.
const AUTOMATIC: &str = "automatic";
const BPS: i128 = 10_000;

/// Money as a record holds it.
fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// What one scope is held to over a loss period.
struct Held {
    scope: Scope,
    market: Market,
    loss: Option<LossLimits>,
}

impl Gateway {
    /// One evaluation, at most one in [`EVALUATE_NS`].
    pub(crate) fn evaluate(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        let due = self.evaluated_mono_ns.is_none_or(|at| now.mono_ns.saturating_sub(at) >= EVALUATE_NS);
        if !due || !self.takes_records() || !self.leads() {
            return Ok(());
        }
        self.evaluated_mono_ns = Some(now.mono_ns);
        self.journal_marks(now, None, out)?;
        self.watch_marks(now, out)?;
        self.watch_losses(now, out)?;
        self.watch_breaches(now, out)?;
        self.watch_storm(now, out)?;
        self.watch_kill(now, out)
    }

    /// After a fill: what executed too often is stopped, and a loss that a fill made is found at once.
    pub(crate) fn after_fill(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        if !self.takes_records() {
            return Ok(());
        }
        let strategies: Vec<StrategyId> = self.limits.strategies.keys().copied().collect();
        for id in strategies {
            let Some(window) = self.limits.strategies.get(&id).and_then(|row| row.executions) else {
                continue;
            };
            let fills = self.state.risk.executions.get(&id);
            let count = fills.map_or(0, |f| recent(f.iter(), |ts| *ts, now.epoch_ns, window.ns()).count());
            self.quarantine(id, count, window.count_max, Reason::ExecutionThrottle, now, out)?;
        }
        self.watch_losses(now, out)
    }

    /// After a refusal: a strategy that asks for what it should not have, again and again, is stopped.
    pub(crate) fn after_refusal(
        &mut self,
        id: StrategyId,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let Some(window) = self.limits.strategies.get(&id).and_then(|row| row.refusals) else {
            return Ok(());
        };
        let refusals = self.state.risk.refusals.get(&id);
        let count = refusals.map_or(0, |r| recent(r.iter(), |ts| *ts, now.epoch_ns, window.ns()).count());
        self.quarantine(id, count, window.count_max, Reason::RefusalBreaker, now, out)
    }

    fn quarantine(
        &mut self,
        id: StrategyId,
        count: usize,
        max: u32,
        cause: Reason,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        if count <= max as usize {
            return Ok(());
        }
        let bound = i64::from(max);
        self.latch(Scope::Strategy(id), Latch::Quarantine, cause, (count as i64, bound), now, out)
    }

    /// Latches a scope; what is latched for that cause already stays as it is.
    fn latch(
        &mut self,
        scope: Scope,
        latch: Latch,
        cause: Reason,
        measured: (i64, i64),
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        self.latch_with(scope, latch, cause, measured, false, now, out)
    }

    #[allow(clippy::too_many_arguments)]
    fn latch_with(
        &mut self,
        scope: Scope,
        latch: Latch,
        cause: Reason,
        (value, bound): (i64, i64),
        cancels: bool,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        if self.state.risk.latched(scope, latch).any(|c| c == cause) {
            return Ok(());
        }
        let event = RiskEvent {
            kind: RiskEventKind::Latch.into(),
            cause: cause.into(),
            latch: latch.into(),
            value,
            bound,
            source_seq: u64::from(cancels),
            ts_ns: now.epoch_ns,
            ..RiskEvent::default()
        };
        self.risk_event(scope.stamp(event), now, out)
    }

    fn release(&mut self, scope: Scope, cause: Reason, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        if !self.state.risk.latched(scope, Latch::ReduceOnly).any(|c| c == cause) {
            return Ok(());
        }
        let event = RiskEvent {
            kind: RiskEventKind::Release.into(),
            cause: cause.into(),
            latch: Latch::ReduceOnly.into(),
            ts_ns: now.epoch_ns,
            ..RiskEvent::default()
        };
        self.risk_event(scope.stamp(event), now, out)
    }

    fn risk_event(&mut self, event: RiskEvent, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        self.record(Payload::RiskEvent(event), Trace::default(), now, out)
    }

    /// Journals the present price of each instrument with a position or an order whose journalled one is another; but of
    /// `except`, whose decision carries its own.
    pub(crate) fn journal_marks(
        &mut self,
        now: Now,
        except: Option<InstrumentId>,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let touches = &self.touches;
        let present = |id: InstrumentId| touches.get(id).map(|touch| touch.quote.reference.px_ticks);
        let moved: Vec<InstrumentId> =
            self.state.index.unmarked(present).filter(|id| Some(*id) != except).collect();
        let priced = |id: InstrumentId| Some((id, self.reference(id, now)?.px_ticks));
        let changed: Vec<(InstrumentId, i64)> = moved.into_iter().filter_map(priced).collect();
        debug_assert_eq!(changed, self.marks_that_differ(now, except));
        for marks in changed.chunks(MARKS_MAX) {
            let event = RiskEvent {
                kind: RiskEventKind::Marks.into(),
                instrument_ids: marks.iter().map(|(id, _)| u64::from(id.0)).collect(),
                px_ticks: marks.iter().map(|(_, px)| *px).collect(),
                ts_ns: now.epoch_ns,
                ..RiskEvent::default()
            };
            self.risk_event(event, now, out)?;
        }
        Ok(())
    }

    /// The same by a pass over every book.
    fn marks_that_differ(&self, now: Now, except: Option<InstrumentId>) -> Vec<(InstrumentId, i64)> {
        let held = |book: &Book| book.position.lots != 0 || book.buy_lots != 0 || book.sell_lots != 0;
        let books = self.state.books().filter(|(_, book)| held(book));
        let instruments: BTreeSet<InstrumentId> = books.map(|(key, _)| key.instrument).collect();
        let others = instruments.into_iter().filter(|id| Some(*id) != except);
        let priced = others.filter_map(|id| Some((id, self.reference(id, now)?.px_ticks)));
        priced.filter(|(id, px)| self.state.marks.get(id) != Some(px)).collect()
    }

    /// A strategy that holds what has had no fresh price for too long may only reduce: its loss is not known.
    fn watch_marks(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        let Some(age_ns) = self.limits.mark_age_ns else { return Ok(()) };
        let stale = |id: &InstrumentId| {
            self.touches.get(*id).is_none_or(|touch| now.mono_ns.saturating_sub(touch.seen_mono_ns) > age_ns)
        };
        let strategies: Vec<StrategyId> = self.limits.strategies.keys().copied().collect();
        let books = self.state.books.iter().filter(|(_, book)| book.position.lots != 0);
        let blind: BTreeSet<StrategyId> =
            books.filter(|(key, _)| stale(&key.instrument)).map(|(key, _)| key.strategy).collect();
        for id in strategies {
            let scope = Scope::Strategy(id);
            if blind.contains(&id) {
                let bound = clamp(i128::from(age_ns));
                self.latch(scope, Latch::ReduceOnly, Reason::StaleMark, (0, bound), now, out)?;
            } else {
                self.release(scope, Reason::StaleMark, now, out)?;
            }
        }
        Ok(())
    }

    /// The scopes with loss periods, or with counts of the day.
    fn held(&self) -> Vec<Held> {
        let of = |scope, loss: Option<LossLimits>| loss.map(|l| Held { scope, market: l.market.0, loss });
        let capital = self.limits.storm.capital_e8;
        let followed = capital.map(|_| Held { scope: Scope::Firm, market: Market::AllDay, loss: None });
        let firm = of(Scope::Firm, self.limits.firm.loss).or(followed);
        let accounts = self.limits.accounts.iter().filter_map(|(id, row)| of(Scope::Account(*id), row.loss));
        let strategies = self.limits.strategies.iter().filter_map(|(id, row)| {
            let budget = row.order_to_trade.map(|b| Held {
                scope: Scope::Strategy(*id),
                market: b.market.0,
                loss: None,
            });
            of(Scope::Strategy(*id), row.loss).or(budget)
        });
        firm.into_iter().chain(accounts).chain(strategies).collect()
    }

    /// Equity of a scope in the currency of the sums: realised and unrealised at the journalled marks, less fees, with
    /// postings. What was never priced counts at its cost.
    ///
    /// `None` where 128 bits do not hold it or a rate is missing.
    pub fn equity_e8(&self, scope: Scope, now: Now) -> Option<i128> {
        let of_scope = |key: &BookKey| match scope {
            Scope::Firm => true,
            Scope::Account(id) => key.account == id,
            Scope::Strategy(id) => key.strategy == id,
            Scope::Instrument(id) => key.instrument == id,
            Scope::Venue(account, venue) => {
                key.account == account
                    && self.table.get(key.instrument).is_some_and(|row| row.venue() == venue)
            }
            Scope::Desk(desk) => {
                self.limits.strategies.get(&key.strategy).and_then(|row| row.desk_id) == Some(desk)
            }
        };
        let mut books = self.state.books.iter().filter(|(key, _)| of_scope(key));
        books.try_fold(0_i128, |sum, (key, book)| sum.checked_add(self.book_equity_e8(key, book, now)?))
    }

    /// What one book adds to the equity of its scopes.
    fn book_equity_e8(&self, key: &BookKey, book: &Book, now: Now) -> Option<i128> {
        let row = self.table.get(key.instrument)?;
        let mark = self.state.marks.get(&key.instrument);
        let open = match mark {
            Some(mark) if book.position.lots != 0 => {
                book.position.unrealised(cost_e8(row, *mark, book.position.lots)?)?
            }
            _ => 0,
        };
        let own = book.position.realised_e8.checked_add(open)?.checked_sub(book.fees_e8)?;
        let own = own.checked_add(book.posted_e8)?;
        let (limits, risk) = (&self.limits, &self.state.risk);
        risk.convert(own, settle_asset(row), &limits.currency, now.epoch_ns, limits.rate_age_ns).ok()
    }

    /// [`Gateway::equity_e8`] of the firm and of each account and strategy that has a book, in one pass over the books. What is
    /// not in it has none and so 0.
    fn equities_e8(&self, now: Now) -> BTreeMap<Scope, Option<i128>> {
        let mut sums: BTreeMap<Scope, Option<i128>> = BTreeMap::new();
        for (key, book) in &self.state.books {
            let own = self.book_equity_e8(key, book, now);
            for scope in [Scope::Firm, Scope::Account(key.account), Scope::Strategy(key.strategy)] {
                let sum = sums.entry(scope).or_insert(Some(0));
                *sum = sum.and_then(|sum| sum.checked_add(own?));
            }
        }
        sums
    }

    /// Opens periods as days turn, follows their peaks, and latches what has lost too much.
    fn watch_losses(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        let held = self.held();
        if held.is_empty() {
            return Ok(());
        }
        // Nothing that is found here moves a book or a mark.
        let equities = self.equities_e8(now);
        for Held { scope, market, loss } in held {
            let equity = equities.get(&scope).copied().unwrap_or(Some(0));
            debug_assert_eq!(equity, self.equity_e8(scope, now));
            // A day the calendar does not know opens no period; the limits of the last one stay in force.
            let (Some(equity), Ok(ids)) = (equity, market.periods(now.epoch_ns)) else {
                if loss.is_some() {
                    self.latch(scope, Latch::ReduceOnly, Reason::StaleRate, (0, 0), now, out)?;
                }
                continue;
            };
            self.release(scope, Reason::StaleRate, now, out)?;
            for (period, id) in
                [(LossPeriod::Day, ids.day), (LossPeriod::Week, ids.week), (LossPeriod::Month, ids.month)]
            {
                let limit = loss.as_ref().and_then(|l| match period {
                    LossPeriod::Week => l.week_e8_max,
                    LossPeriod::Month => l.month_e8_max,
                    _ => l.day_e8_max,
                });
                self.watch_period(scope, (period, id), equity, limit, loss.as_ref(), now, out)?;
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn watch_period(
        &mut self,
        scope: Scope,
        (period, id): (LossPeriod, u32),
        equity: i128,
        limit: Option<i64>,
        loss: Option<&LossLimits>,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), FoldFault> {
        let drawdown = loss.and_then(|l| l.drawdown).filter(|_| period == LossPeriod::Day);
        let follows = scope == Scope::Firm && self.limits.storm.capital_e8.is_some();
        let counts = (loss.is_none() || follows) && period == LossPeriod::Day;
        if limit.is_none() && drawdown.is_none() && !counts {
            return Ok(());
        }
        let was = self.state.risk.period(scope, period).filter(|p| p.id == id);
        let now_e8 = clamp(equity);
        let (base_e8, peak_e8) = was.map_or((now_e8, now_e8), |p| (p.base_e8, p.peak_e8.max(now_e8)));
        // A peak is of use to draw-downs alone.
        let rises = (drawdown.is_some() || follows) && was.is_some_and(|p| peak_e8 > p.peak_e8);
        if was.is_none() || rises {
            let event = RiskEvent {
                kind: RiskEventKind::Period.into(),
                period: period.into(),
                period_id: id,
                value: base_e8,
                bound: peak_e8,
                ts_ns: now.epoch_ns,
                ..RiskEvent::default()
            };
            self.risk_event(scope.stamp(event), now, out)?;
        }
        let mut found = None;
        if let Some(limit) = limit {
            let lost = i128::from(base_e8) - equity;
            let cause = match period {
                LossPeriod::Week => Reason::WeeklyLossLimit,
                LossPeriod::Month => Reason::MonthlyLossLimit,
                _ => Reason::DailyLossLimit,
            };
            found = (lost >= i128::from(limit)).then_some((cause, clamp(lost), limit));
        }
        if let Some(limit) = drawdown {
            let (profit, fall) = (i128::from(peak_e8) - i128::from(base_e8), i128::from(peak_e8) - equity);
            let counts = profit >= i128::from(limit.peak_e8_min);
            if counts && fall * BPS >= profit * i128::from(limit.bps_max) {
                let bps = clamp(fall * BPS / profit.max(1));
                found = found.or(Some((Reason::DrawdownLimit, bps, i64::from(limit.bps_max))));
            }
        }
        let Some((cause, value, bound)) = found else { return Ok(()) };
        let cancels = loss.is_some_and(|l| l.action == LossAction::Cancel);
        self.latch_with(scope, Latch::ReduceOnly, cause, (value, bound), cancels, now, out)
    }

    /// A scope that stands above its limit without a decision may only reduce, until it stands within it.
    fn watch_breaches(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        let px = valuations(&self.state, &self.limits);
        let (state, table, limits) = (&self.state, &self.table, &self.limits);
        let sums = Valuer { state, table, limits, now_ns: now.epoch_ns }.all(&px);
        let mut found: Vec<(Scope, Reason, i128, i64)> = Vec::new();
        for (scope, is) in sums {
            let (max, cause) = match scope {
                Scope::Firm => (Some(limits.firm.exposure_e8_max), Reason::ExposureGlobalLimit),
                Scope::Account(id) => {
                    (limits.accounts.get(&id).map(|a| a.exposure_e8_max), Reason::ExposureAccountLimit)
                }
                Scope::Strategy(id) => {
                    (limits.strategies.get(&id).map(|s| s.exposure_e8_max), Reason::ExposureStrategyLimit)
                }
                Scope::Desk(id) => {
                    (limits.desks.get(&id).map(|d| d.exposure_e8_max), Reason::ExposureDeskLimit)
                }
                Scope::Instrument(id) => {
                    (limits.instruments.get(&id).map(|i| i.exposure_e8_max), Reason::ExposureSymbolLimit)
                }
                Scope::Venue(..) => (None, Reason::Ok),
            };
            found.extend(max.map(|max| (scope, cause, is, max)));
        }
        for (scope, cause, is, max) in found {
            if is > i128::from(max) {
                self.latch(scope, Latch::ReduceOnly, cause, (clamp(is), max), now, out)?;
            } else {
                self.release(scope, cause, now, out)?;
            }
        }
        Ok(())
    }

    /// Whether a guard stands over a scope.
    pub(crate) fn guarded(&self, scope: Scope) -> bool {
        match scope {
            Scope::Firm => true,
            Scope::Venue(..) => self.guard_scopes().contains(&scope),
            _ => false,
        }
    }

    /// Each account at each venue that the limits name an instrument of.
    fn guard_scopes(&self) -> Vec<Scope> {
        let venues: BTreeSet<VenueId> = self
            .limits
            .instruments
            .keys()
            .filter_map(|id| self.table.get(*id))
            .map(|row| row.venue())
            .collect();
        let accounts = self.limits.accounts.keys();
        accounts.flat_map(|account| venues.iter().map(|venue| Scope::Venue(*account, *venue))).collect()
    }

    fn watch_storm(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        let firm = self.limits.storm.firm.clone().map(|limits| (Scope::Firm, limits));
        let venue = self.limits.storm.venue.clone();
        let venues = self.guard_scopes().into_iter().filter_map(|scope| Some((scope, venue.clone()?)));
        let all: Vec<_> = firm.into_iter().chain(venues).collect();
        for (scope, limits) in all {
            let own = [
                (Input::DrawdownBps, self.drawdown_bps(scope, now)),
                (Input::FeedGapMs, self.feed_gap_ms(scope, now)),
            ];
            let latched = self.holds_storm(scope);
            let state = self.state.risk.storm(scope);
            let guard = self.guards.entry(scope).or_default();
            for (input, value) in own {
                if let Some(value) = value {
                    guard.read(input, value, now.mono_ns);
                }
            }
            let Some(step) = guard.evaluate(&limits, state, latched, now.mono_ns, now.epoch_ns) else {
                continue;
            };
            let event = RiskEvent {
                kind: RiskEventKind::Storm.into(),
                storm_from: wire_mode(state.mode).into(),
                storm_to: wire_mode(step.to).into(),
                reference: step.input.map_or("", Input::name).to_string(),
                value: step.value,
                bound: step.bound,
                ts_ns: now.epoch_ns,
                ..RiskEvent::default()
            };
            self.risk_event(scope.stamp(event), now, out)?;
        }
        Ok(())
    }

    /// Whether a latch holds a guard from stepping down: a kill, a break in the books, a loss limit.
    fn holds_storm(&self, scope: Scope) -> bool {
        let lost = |scope: Scope| {
            self.state.risk.latched(scope, Latch::ReduceOnly).any(|cause| {
                matches!(
                    cause,
                    Reason::DailyLossLimit
                        | Reason::WeeklyLossLimit
                        | Reason::MonthlyLossLimit
                        | Reason::DrawdownLimit
                )
            })
        };
        let account = match scope {
            Scope::Venue(account, _) => lost(Scope::Account(account)),
            _ => false,
        };
        self.state.policy() == Policy::Killed
            || self.state.frozen().next().is_some()
            || lost(Scope::Firm)
            || account
    }

    /// Fall of the firm's equity from its peak of the day, in 1/10,000 of the capital.
    fn drawdown_bps(&self, scope: Scope, now: Now) -> Option<i64> {
        let capital = self.limits.storm.capital_e8.filter(|_| scope == Scope::Firm)?;
        let equity = self.equity_e8(Scope::Firm, now)?;
        let peak = self.state.risk.period(Scope::Firm, LossPeriod::Day)?.peak_e8;
        let fall = (i128::from(peak) - equity).max(0);
        Some(clamp(fall.checked_mul(BPS)? / i128::from(capital)))
    }

    /// The longest silence among the instruments of a scope whose market is open.
    fn feed_gap_ms(&self, scope: Scope, now: Now) -> Option<i64> {
        let mut worst = 0;
        for (id, limits) in &self.limits.instruments {
            let row = self.table.get(*id)?;
            let of_scope = match scope {
                Scope::Venue(_, venue) => row.venue() == venue,
                _ => true,
            };
            let market = limits.market.map_or(Market::AllDay, |name| name.0);
            if !of_scope || market.phase(now.epoch_ns) != Ok(Phase::Open) {
                continue;
            }
            // Lost or never seen: no reading, and the guard counts how long.
            let touch = self.touches.get(*id)?;
            let ms = now.mono_ns.saturating_sub(touch.seen_mono_ns) / 1_000_000;
            worst = worst.max(i64::try_from(ms).unwrap_or(i64::MAX));
        }
        Some(worst)
    }

    /// Pulls the kill switch where a threshold is reached.
    fn watch_kill(&mut self, now: Now, out: &mut Effects) -> Result<(), FoldFault> {
        if self.state.policy() == Policy::Killed {
            return Ok(());
        }
        let Some(why) = self.kill_reason(now) else { return Ok(()) };
        let event = automatic(ControlAction::Kill, &why, now);
        self.record(Payload::ControlEvent(event), Trace::default(), now, out)
    }

    fn kill_reason(&self, now: Now) -> Option<String> {
        let kill = self.limits.kill;
        let day_limit = self.limits.firm.loss.and_then(|l| l.day_e8_max);
        if let (Some(percent), Some(limit)) = (kill.day_loss_percent, day_limit)
            && let Some(period) = self.state.risk.period(Scope::Firm, LossPeriod::Day)
            && let Some(equity) = self.equity_e8(Scope::Firm, now)
        {
            let lost = i128::from(period.base_e8) - equity;
            if lost > 0 && lost * 100 >= i128::from(limit) * i128::from(percent) {
                return Some(format!("day loss {lost} of {limit} at {percent} %"));
            }
        }
        if let Some(multiple) = kill.position_multiple {
            for (id, row) in &self.limits.instruments {
                let Some(normal) = row.position_normal_lots else { continue };
                let books = self.state.books.iter().filter(|(key, _)| key.instrument == *id);
                let net: i128 = books.map(|(_, book)| book.position.lots).sum();
                if net.abs() > i128::from(normal) * i128::from(multiple) {
                    return Some(format!("position {net} of instrument {id}, {multiple} times {normal}"));
                }
            }
        }
        let guard = self.guards.get(&Scope::Firm)?;
        for (input, max) in
            [(Input::ErrorRateBps, kill.error_rate_bps), (Input::DecisionP99Us, kill.decision_p99_us)]
        {
            let Some(max) = max else { continue };
            let reading = guard.reading(input, KILL_READING_MS, now.mono_ns);
            if let Some(value) = reading.filter(|v| *v > i64::from(max)) {
                return Some(format!("{} {value} above {max}", input.name()));
            }
        }
        None
    }
}

/// Age at which a reading is too old to kill by.
const KILL_READING_MS: u32 = 5_000;

fn automatic(action: ControlAction, why: &str, now: Now) -> ControlEvent {
    ControlEvent {
        action: action.into(),
        principal: AUTOMATIC.into(),
        reason: why.into(),
        ts_ns: now.epoch_ns,
        ..ControlEvent::default()
    }
}
