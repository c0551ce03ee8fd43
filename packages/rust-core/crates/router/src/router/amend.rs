//! Amends: new terms of a resting order, one under way at a time, as the next version of the same order.
//!
//! An amend carries the new price and the new total quantity. Until the venue's word is there the order counts as done only
//! when it is done under both; an amend whose outcome is not known is settled by the terms the venue shows once the request
//! can no longer take effect.

use super::*;

/// New terms that were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Amend {
    pub terms: Terms,
    pub command_seq: u64,
    /// The timestamp it was signed with: after its validity it can take no effect any more.
    pub ts_ns: i64,
    /// Its answer is still awaited.
    pub awaited: bool,
}

impl Amend {
    /// Whether terms of the venue are these: where it counts anew, what filled meanwhile made the order larger by itself.
    fn comes_as(&self, terms: Terms, anew: bool) -> bool {
        let larger = anew && terms.px_ticks == self.terms.px_ticks && terms.qty_lots > self.terms.qty_lots;
        terms == self.terms || larger
    }
}

impl Router {
    pub(super) fn on_amend(&mut self, now: Now, id: ClientId, command: Command, out: &mut Vec<Effect>) {
        match self.check_amend(now, id, &command) {
            Ok(()) => self.admit(now, Class::Amend, id, command, out),
            Err((reason, text)) => self.amend_refused(now, id, &command, reason, text, out),
        }
    }

    fn check_amend(
        &mut self,
        now: Now,
        id: ClientId,
        command: &Command,
    ) -> Result<(), (Reason, &'static str)> {
        if self.killed && !planted(Bug::RouterLatchIgnored) {
            return Err((Reason::Killed, ""));
        }
        // It can raise what is at risk as a new order does.
        if let Some(approvals) = &mut self.approvals {
            approvals.verify(command, now.epoch_ns).map_err(|reason| (reason, ""))?;
        }
        if expires_at(command, now) != 0 && now.mono_ns > expires_at(command, now) {
            return Err((Reason::TtlExpired, ""));
        }
        let Some(order) = self.orders.get(&id) else {
            return Err((Reason::UnknownOrder, "the router holds no such order"));
        };
        if !order.phase.open() {
            return Err((Reason::UnknownOrder, "the order has ended; its end was reported"));
        }
        if order.cancel != Cancel::None {
            return Err((Reason::Superseded, "a cancel of the order is under way"));
        }
        if command.px_ticks <= 0 {
            return Err((Reason::PriceZeroOrNeg, ""));
        }
        if i64::try_from(command.qty_lots).is_err() || command.qty_lots <= order.booked_lots {
            return Err((Reason::QtyZeroOrNeg, "the new total is not more than what is filled"));
        }
        let down = command.px_ticks == order.px_ticks && command.qty_lots < order.qty_lots;
        let can = match self.venues.get(&order.venue).map(|v| v.amends) {
            Some(Amends::Any | Amends::Anew) => true,
            Some(Amends::Down) => down,
            Some(Amends::Never) | None => false,
        };
        if !can {
            return Err((
                Reason::Malformed,
                "the venue cannot amend an order so; cancel it and send a new one",
            ));
        }
        Ok(())
    }

    /// An amend that has no effect, before any byte of it left.
    pub(super) fn amend_refused(
        &mut self,
        now: Now,
        id: ClientId,
        command: &Command,
        reason: Reason,
        text: &str,
        out: &mut Vec<Effect>,
    ) {
        if reason != Reason::Superseded {
            self.letter(command, reason, text, out);
        }
        let mut report = Report {
            reason: reason as i32,
            venue_text: bounded(text, VENUE_TEXT_BYTES_MAX),
            command_seq: command.command_seq,
            ..self.about(now, id, ReportKind::AmendReject)
        };
        if report.client_order_id.is_empty() {
            // Of an order the router does not hold it can say no more than was asked.
            report.client_order_id.clone_from(&command.client_order_id);
            (report.intent_id, report.generation) = (command.intent_id, command.generation);
            (report.instrument_id, report.venue_id) = (command.instrument_id, command.venue_id);
        }
        self.report(report, out);
    }

    /// Whether an amend that waits must wait on: for the order's own ack, or for the answer to the amend before it.
    pub(super) fn amend_must_wait(&self, id: ClientId) -> bool {
        let Some(order) = self.orders.get(&id) else { return false };
        order.phase.open() && (!order.acked || order.phase != Phase::Live || order.amend.is_some())
    }

    /// Sends an amend, or says why the order can no longer take one. Gives its token.
    pub(super) fn send_amend(
        &mut self,
        now: Now,
        venue: VenueId,
        id: ClientId,
        command: &Command,
        cost: Cost,
        out: &mut Vec<Effect>,
    ) -> u64 {
        let terms = Terms { px_ticks: command.px_ticks, qty_lots: command.qty_lots };
        let fits = self.orders.get(&id).filter(|o| o.phase.open() && terms.qty_lots > o.booked_lots);
        let known = fits.map(|o| (o.instrument, o.side, o.venue_order_id.clone(), o.booked_lots));
        let Some((instrument, side, venue_order_id, booked_lots)) = known else {
            if let Some(state) = self.venues.get_mut(&venue) {
                state.budget.release(InstrumentId(command.instrument_id), cost);
            }
            let text = "the order has ended, or is filled beyond the new total";
            self.amend_refused(now, id, command, Reason::UnknownOrder, text, out);
            return 0;
        };
        out.push(Effect::Journal(Entry::Command { command: command.clone(), ts_ns: now.epoch_ns }));
        let token = self.await_answer(id, venue, Purpose::Amend, cost, now.mono_ns + ORDER_TIMEOUT_NS);
        if let Some(order) = self.orders.get_mut(&id) {
            let command_seq = command.command_seq;
            order.amend = Some(Amend { terms, command_seq, ts_ns: now.epoch_ns, awaited: true });
        }
        self.stats.amends_sent += 1;
        let what =
            What::Amend { instrument, id, side, venue_order_id, terms, booked_lots, ts_ns: now.epoch_ns };
        out.push(Effect::Send(Request { token, venue, what, expires_mono_ns: expires_at(command, now) }));
        token
    }

    pub(super) fn on_amend_answer(&mut self, now: Now, id: ClientId, answer: Answer, out: &mut Vec<Effect>) {
        match answer {
            Answer::Replaced { venue_order_id, terms, cum_lots, ts_venue_ns } => {
                self.learn_next_venue_id(id, &venue_order_id);
                if let Some(order) = self.orders.get_mut(&id) {
                    order.venue_cum_lots = order.venue_cum_lots.max(cum_lots);
                }
                self.replaced(now, id, terms, ts_venue_ns, out);
                self.finish(now, id, out);
            }
            Answer::Refused { text } | Answer::Busy { text } => {
                self.amend_without_effect(now, id, Reason::VenueReject, &text, out);
                // It may have been refused because the order is no more.
                if let Some(order) = self.orders.get_mut(&id) {
                    order.ask = order.phase.open();
                }
            }
            _ => self.amend_unclear(now, id),
        }
    }

    /// The venue said, or the router proves, that the terms are as they were.
    pub(super) fn amend_without_effect(
        &mut self,
        now: Now,
        id: ClientId,
        reason: Reason,
        text: &str,
        out: &mut Vec<Effect>,
    ) {
        let Some(amend) = self.orders.get_mut(&id).and_then(|order| order.amend.take()) else { return };
        let report = Report {
            reason: reason as i32,
            venue_text: bounded(text, VENUE_TEXT_BYTES_MAX),
            command_seq: amend.command_seq,
            ..self.about(now, id, ReportKind::AmendReject)
        };
        self.report(report, out);
        self.finish(now, id, out);
    }

    /// Nobody knows whether the venue took the new terms: it is asked once they can no longer take effect.
    pub(super) fn amend_unclear(&mut self, now: Now, id: ClientId) {
        let settles_ns = self.settles_ns(id);
        let Some(order) = self.orders.get_mut(&id) else { return };
        let Some(amend) = order.amend.as_mut().filter(|amend| amend.awaited) else { return };
        amend.awaited = false;
        let wait =
            u64::try_from(amend.ts_ns.saturating_add(settles_ns).saturating_sub(now.epoch_ns)).unwrap_or(0);
        order.ask = true;
        order.probe_after_ns = order.probe_after_ns.max(now.mono_ns.saturating_add(wait).saturating_add(1));
    }

    /// The venue holds the order with these terms.
    pub(super) fn replaced(
        &mut self,
        now: Now,
        id: ClientId,
        terms: Terms,
        ts_venue_ns: i64,
        out: &mut Vec<Effect>,
    ) {
        let anew = self.amends_anew(id);
        let Some(order) = self.orders.get_mut(&id) else { return };
        let ours = order.amend.as_ref().is_some_and(|amend| amend.comes_as(terms, anew));
        if !ours || !order.phase.open() {
            // The same word a second time, or terms nobody here asked for.
            if (terms.px_ticks, terms.qty_lots) != (order.px_ticks, order.qty_lots) {
                order.ask = order.phase.open();
                let text = format!("{id} has terms at the venue that were not asked for: {terms:?}");
                out.push(Effect::Note { level: Level::Warn, text });
            }
            return;
        }
        let command_seq = order.amend.take().map_or(0, |amend| amend.command_seq);
        (order.px_ticks, order.qty_lots) = (terms.px_ticks, terms.qty_lots);
        let report = Report {
            last_px_ticks: terms.px_ticks,
            reason: Reason::Ok as i32,
            ts_venue_ns,
            command_seq,
            ..self.about(now, id, ReportKind::Replaced)
        };
        self.report(report, out);
    }

    /// Settles an amend of unknown outcome by what the venue shows.
    pub(super) fn resolve_amend(&mut self, now: Now, id: ClientId, status: &Status, out: &mut Vec<Effect>) {
        let (anew, settles_ns, wait_ns) = (self.amends_anew(id), self.settles_ns(id), self.query_wait_ns(id));
        let Some(order) = self.orders.get(&id) else { return };
        let Some(amend) = order.amend.as_ref().filter(|amend| !amend.awaited) else { return };
        let old = Terms { px_ticks: order.px_ticks, qty_lots: order.qty_lots };
        if let Some(terms) = status.terms.filter(|terms| amend.comes_as(*terms, anew)) {
            self.replaced(now, id, terms, status.ts_venue_ns, out);
        } else if status.terms == Some(old) && now.epoch_ns > amend.ts_ns.saturating_add(settles_ns) {
            let text = "the venue shows the old terms after the amend's validity";
            self.amend_without_effect(now, id, Reason::VenueNotFound, text, out);
        } else if let Some(order) = self.orders.get_mut(&id) {
            order.ask = true;
            order.probes_failed = order.probes_failed.saturating_add(1);
            order.probe_after_ns = now.mono_ns + backoff_ns(wait_ns, order.probes_failed);
        }
    }

    /// Whether the venue of an order makes a new one of each amend.
    fn amends_anew(&self, id: ClientId) -> bool {
        let venue = self.orders.get(&id).and_then(|order| self.venues.get(&order.venue));
        venue.is_some_and(|venue| venue.amends == Amends::Anew)
    }

    /// The next version of an order may have another id at the venue; executions under the old one are still its own.
    pub(super) fn learn_next_venue_id(&mut self, id: ClientId, venue_order_id: &str) {
        if venue_order_id.is_empty() || venue_order_id.len() > VENUE_ID_BYTES_MAX {
            return;
        }
        if let Some(order) = self.orders.get_mut(&id)
            && order.venue_order_id != venue_order_id
        {
            self.learned = true;
            order.venue_order_id = venue_order_id.to_string();
            self.by_venue_id.insert((order.venue, order.instrument, venue_order_id.to_string()), id);
        }
    }

    pub(super) fn fold_amend(&mut self, id: ClientId, command: &Command, ts_ns: i64) {
        if let Some(order) = self.orders.get_mut(&id).filter(|order| order.phase.open()) {
            let terms = Terms { px_ticks: command.px_ticks, qty_lots: command.qty_lots };
            let command_seq = command.command_seq;
            order.amend = Some(Amend { terms, command_seq, ts_ns, awaited: false });
        }
    }
}
