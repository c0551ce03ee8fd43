//! Executions a venue took back, or told as others, without our hearing of it.
//!
//! A stream that neither numbers its events nor tells them again loses such a word for good, and an order that has ended is
//! asked for no more. So the newest executions are looked for in the venue's own list, again and again. What is not in it is
//! taken back only when the order's filled quantity says the same: a list may lag, and a quantity alone names no execution.

use super::*;
use crate::limits::{FILL_SETTLES_NS, FILLS_SWEPT_MAX, FILLS_SWEPT_NS, SWEEP_GAP_NS, SWEEP_PAGE};
use std::ops::ControlFlow;

/// What a look is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The list of executions of one instrument.
    List,
    /// The quantity one order has filled.
    Order,
}

/// An execution that was booked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    id: ClientId,
    instrument: InstrumentId,
    /// How the venue names it, whatever name it was booked under.
    key: String,
    fill: Fill,
    booked_ns: u64,
    /// The last list had it not.
    missing: bool,
}

/// The newest executions of one venue, oldest first.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Between two looks at a list of one page; 0 = there is nothing to look for.
    period_ns: u64,
    kept: VecDeque<Kept>,
    /// When the list is looked at next.
    due_ns: u64,
    /// When it was looked at last.
    listed_ns: u64,
    /// Nothing is asked for before.
    not_before_ns: u64,
    asked: Option<u64>,
    /// The instrument looked at last.
    turn: InstrumentId,
    /// Orders of which the list lacks something.
    doubted: BTreeSet<ClientId>,
}

impl Sweep {
    pub(super) fn new(period_ns: u64) -> Self {
        Self { period_ns, ..Self::default() }
    }

    fn keep(&mut self, id: ClientId, instrument: InstrumentId, fill: Fill, booked_ns: u64) {
        if self.period_ns == 0 {
            return;
        }
        // A correction that was found here has its place already.
        if self.kept.iter().any(|each| each.id == id && each.fill.exec_id == fill.exec_id) {
            return;
        }
        if self.kept.len() >= FILLS_SWEPT_MAX {
            self.kept.pop_front();
        }
        let key = fill.exec_id.trim_end_matches(RIGHT).to_string();
        self.kept.push_back(Kept { id, instrument, key, fill, booked_ns, missing: false });
    }

    /// It was taken back, as was told.
    fn drop_undone(&mut self, id: ClientId, undone: &str) {
        self.kept.retain(|each| each.id != id || undone_as(&each.fill.exec_id) != undone);
    }

    fn pages(&self) -> usize {
        self.kept.len().div_ceil(SWEEP_PAGE).max(1)
    }

    /// The next instrument, in turns, and when its oldest execution was.
    fn next(&mut self, epoch_ns: i64) -> Option<(ClientId, InstrumentId, i64)> {
        let oldest = epoch_ns.saturating_sub(FILLS_SWEPT_NS);
        self.kept.retain(|each| each.fill.ts_venue_ns >= oldest);
        let all: BTreeSet<InstrumentId> = self.kept.iter().map(|each| each.instrument).collect();
        let after = all.iter().find(|each| **each > self.turn).or(all.first()).copied()?;
        self.turn = after;
        let mut of = self.kept.iter().filter(|each| each.instrument == after);
        let first = of.next()?;
        let since_ns = of.fold(first.fill.ts_venue_ns, |since, each| since.min(each.fill.ts_venue_ns));
        Some((first.id, after, since_ns))
    }
}

/// What the name of a correction has after that of the execution it is of.
const RIGHT: &str = "/right";

/// The name of what takes an execution back, where the venue gives it none: an execution is taken back once.
pub fn undone_as(exec_id: &str) -> String {
    format!("{exec_id}/bust")
}

impl Router {
    /// Whatever was not heard may have been that.
    pub(super) fn sweep_soon(&mut self, now: Now, venue: VenueId) {
        let Some(state) = self.venues.get_mut(&venue) else { return };
        let sweep = &mut state.sweep;
        sweep.due_ns = sweep.due_ns.min(now.mono_ns);
    }

    pub(super) fn keep_for_sweep(&mut self, mono_ns: u64, id: ClientId, fill: &Fill) {
        let Some((venue, instrument)) = self.orders.get(&id).map(|o| (o.venue, o.instrument)) else { return };
        if let Some(state) = self.venues.get_mut(&venue) {
            state.sweep.keep(id, instrument, fill.clone(), mono_ns);
        }
    }

    pub(super) fn undone(&mut self, id: ClientId, exec_id: &str) {
        let Some(venue) = self.orders.get(&id).map(|order| order.venue) else { return };
        if let Some(state) = self.venues.get_mut(&venue) {
            state.sweep.drop_undone(id, exec_id);
        }
    }

    /// Looks at the next list, or at the next order in doubt, when its time has come.
    pub(super) fn send_sweep(&mut self, now: Now, venue: VenueId, out: &mut Vec<Effect>) {
        let Some(state) = self.venues.get_mut(&venue) else { return };
        let pages = state.sweep.pages();
        let sweep = &mut state.sweep;
        let awaited = |token: &u64| self.requests.get(token).is_some_and(|request| !request.timed_out);
        if sweep.period_ns == 0 || sweep.kept.is_empty() || sweep.asked.as_ref().is_some_and(awaited) {
            return;
        }
        let doubted = sweep.doubted.first().copied();
        let due = doubted.is_some() || now.mono_ns >= sweep.due_ns;
        if !due || now.mono_ns < sweep.not_before_ns || self.requests.len() >= REQUESTS_MAX {
            return;
        }
        let look = match doubted.and_then(|id| Some((id, self.orders.get(&id)?))) {
            Some((id, order)) => {
                let (instrument, side, venue_order_id) =
                    (order.instrument, order.side, order.venue_order_id.clone());
                let what = What::Status { instrument, id, side, venue_order_id };
                Some((id, instrument, Look::Order, what))
            }
            None => sweep.next(now.epoch_ns).map(|(id, instrument, since_ns)| {
                let what = What::Trades { instrument, venue_order_id: None, from_id: 0, since_ns };
                (id, instrument, Look::List, what)
            }),
        };
        let Some((id, instrument, look, what)) = look else {
            sweep.doubted.clear();
            return;
        };
        let purpose = Purpose::Sweep(look);
        let mut cost = self.cost_of(venue, purpose);
        if look == Look::List {
            cost.weight *= pages;
        }
        if self.take_question(now, venue, instrument, cost).is_break() {
            return;
        }
        let token = self.await_question(now, id, venue, purpose, cost);
        let Some(Sweep { period_ns, due_ns, listed_ns, not_before_ns, asked, doubted, .. }) =
            self.venues.get_mut(&venue).map(|state| &mut state.sweep)
        else {
            return;
        };
        (*asked, *not_before_ns) = (Some(token), now.mono_ns.saturating_add(SWEEP_GAP_NS));
        // A question that fails leaves its doubt to the next list.
        doubted.remove(&id);
        if look == Look::List {
            // As many pages a minute, however many there are.
            let pages = u64::try_from(pages).unwrap_or(u64::MAX);
            (*listed_ns, *due_ns) =
                (now.mono_ns, now.mono_ns.saturating_add(period_ns.saturating_mul(pages)));
        }
        out.push(Effect::Send(Request { token, venue, what, expires_mono_ns: 0 }));
    }

    /// Whether one more question may go to a venue; what it costs is taken where it may.
    pub(super) fn take_question(
        &mut self,
        now: Now,
        venue: VenueId,
        instrument: InstrumentId,
        cost: Cost,
    ) -> ControlFlow<()> {
        let allowed = self.breakers.allows(now.mono_ns, venue, Endpoint::Query, 0);
        let Some(state) = self.venues.get_mut(&venue).filter(|_| allowed) else {
            return ControlFlow::Break(());
        };
        if state.in_flight >= QUERIES_IN_FLIGHT_MAX
            || !state.queries.fits(now.mono_ns, 1, QUERIES_PER_MINUTE_MAX)
            || !state.budget.take(now.mono_ns, instrument, cost, Urgency::Usual)
        {
            return ControlFlow::Break(());
        }
        state.queries.charge(now.mono_ns, 1);
        state.in_flight += 1;
        ControlFlow::Continue(())
    }

    /// Notes a question that leaves now; gives its token.
    pub(super) fn await_question(
        &mut self,
        now: Now,
        id: ClientId,
        venue: VenueId,
        purpose: Purpose,
        cost: Cost,
    ) -> u64 {
        let token = self.await_answer(id, venue, purpose, cost, now.mono_ns + QUERY_TIMEOUT_NS);
        self.breakers.leaves(venue, Endpoint::Query, 0, token);
        self.stats.queries += 1;
        token
    }

    /// What a look has brought. One that failed is made again in its time.
    pub(super) fn on_swept(
        &mut self,
        now: Now,
        token: u64,
        look: Look,
        answer: Answer,
        out: &mut Vec<Effect>,
    ) {
        if !matches!((look, &answer), (Look::List, Answer::Trades(_)) | (Look::Order, Answer::Status(_))) {
            return self.query_failed(now, token);
        }
        let Some(request) = self.forget(now, token) else { return };
        let (venue, id, instrument) = (request.venue, request.id, request.instrument);
        match answer {
            Answer::Trades(rows) => self.compare(now, (venue, instrument, id), &rows, out),
            Answer::Status(status) => self.take_back(now, venue, &status, id, out),
            _ => {}
        }
    }

    fn compare(
        &mut self,
        now: Now,
        (venue, instrument, id): (VenueId, InstrumentId, ClientId),
        rows: &[TradeRow],
        out: &mut Vec<Effect>,
    ) {
        let listed: BTreeMap<&str, &TradeRow> =
            rows.iter().map(|row| (row.fill.exec_id.as_str(), row)).collect();
        let Some(state) = self.venues.get_mut(&venue) else { return };
        let Sweep { kept, doubted, listed_ns, .. } = &mut state.sweep;
        let mut others = Vec::new();
        for each in kept.iter_mut().filter(|each| each.instrument == instrument) {
            let row = listed.get(each.key.as_str());
            each.missing = row.is_none() && each.booked_ns.saturating_add(FILL_SETTLES_NS) <= *listed_ns;
            if each.missing {
                doubted.insert(each.id);
            }
            if let Some(row) = row
                && (row.fill.px_ticks, row.fill.qty_lots) != (each.fill.px_ticks, each.fill.qty_lots)
            {
                let right = Fill { exec_id: format!("{}{RIGHT}", each.fill.exec_id), ..row.fill.clone() };
                let undone = Fill {
                    exec_id: undone_as(&each.fill.exec_id),
                    ..std::mem::replace(&mut each.fill, right.clone())
                };
                others.push((each.id, undone, right, row.side));
            }
        }
        for (id, undone, right, side) in others {
            let text = format!(
                "execution {} of {id} is listed as another: it was corrected unheard",
                undone.exec_id
            );
            out.push(Effect::Note { level: Level::Warn, text });
            self.correct(now, id, &undone, &right, Some(side), out);
        }
        // What was not heard at all is in it too; what was heard is not counted as told again.
        let unheard = |row: &&TradeRow| {
            let of = self.by_venue_id.get(&(venue, instrument, row.venue_order_id.clone()));
            of.and_then(|id| self.orders.get(id))
                .is_some_and(|order| !order.execs.contains(&row.fill.exec_id))
        };
        let unheard: Vec<TradeRow> = rows.iter().filter(unheard).cloned().collect();
        self.book_known(now, id, &unheard, out);
    }

    /// The order says what it has filled: less by exactly what the list lacks proves that it was taken back.
    fn take_back(&mut self, now: Now, venue: VenueId, status: &Status, id: ClientId, out: &mut Vec<Effect>) {
        let Some(state) = self.venues.get(&venue) else { return };
        let missing: Vec<Fill> = state
            .sweep
            .kept
            .iter()
            .filter(|each| each.id == id && each.missing)
            .map(|each| each.fill.clone())
            .collect();
        let lots = missing.iter().fold(0, |sum: u64, fill| sum.saturating_add(fill.qty_lots));
        let Some(order) = self.orders.get(&id) else { return };
        let stands = order.booked_lots.saturating_sub(order.undone_lots);
        if lots == 0 || status.cum_lots.checked_add(lots) != Some(stands) {
            return;
        }
        for fill in missing {
            let undone = Fill { exec_id: undone_as(&fill.exec_id), ts_venue_ns: status.ts_venue_ns, ..fill };
            let text = format!("{} of {id}: the venue has it no more and told nobody", undone.exec_id);
            out.push(Effect::Note { level: Level::Warn, text });
            self.undo(now, id, &undone, "", out);
        }
    }
}
