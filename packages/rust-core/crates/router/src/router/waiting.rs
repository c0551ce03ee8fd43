//! Commands on their way in: the queue, what of it leaves and when, breakers, and letters of what came to nothing.

use super::*;
use crate::limits::{AMEND_WAIT_NS, FORCE_FLAT_WAIT_NS};

/// The strategy an intent belongs to.
pub(super) fn strategy_of(command: &Command) -> u32 {
    command.intent_id.map_or(0, |id| u32::try_from(id.hi >> 32).unwrap_or(0))
}

impl Router {
    /// Takes in a command that passed every check. `drive` sends it at once where there is room; it is journalled then and
    /// not before, so that one that was lost while it waited is one that never was.
    pub(super) fn admit(
        &mut self,
        now: Now,
        class: Class,
        id: ClientId,
        command: Command,
        out: &mut Vec<Effect>,
    ) {
        let wait = match class {
            Class::ForceFlat => FORCE_FLAT_WAIT_NS,
            Class::Amend => AMEND_WAIT_NS,
            Class::New => self.venues.get(&VenueId(command.venue_id)).map_or(0, |v| v.new_wait_ns),
        };
        let (room, ttl) = (now.mono_ns.saturating_add(wait), expires_at(&command, now));
        let (until_ns, late) =
            if ttl != 0 && ttl < room { (ttl, Reason::TtlExpired) } else { (room, Reason::RateBudget) };
        if let Some((gone, reason)) = self.queue.offer(Waiting { class, id, command, until_ns, late }) {
            self.give_way(now, gone, reason, out);
        }
    }

    /// A command leaves the queue unsent.
    pub(super) fn give_way(&mut self, now: Now, gone: Waiting, reason: Reason, out: &mut Vec<Effect>) {
        self.stats.evicted += u64::from(reason == Reason::QueueEvicted);
        self.stats.superseded += u64::from(reason == Reason::Superseded);
        self.stats.breaker_refused += u64::from(reason == Reason::BreakerOpen);
        match gone.class {
            Class::Amend => self.amend_refused(now, gone.id, &gone.command, reason, "", out),
            Class::ForceFlat | Class::New => self.refuse(now, &gone.command, reason, out),
        }
    }

    /// Sends what waits of one class at a venue, oldest first, as far as budget and breakers let it.
    pub(super) fn send_waiting(&mut self, now: Now, venue: VenueId, class: Class, out: &mut Vec<Effect>) {
        let urgency = if class == Class::ForceFlat { Urgency::Reducing } else { Urgency::Usual };
        let (purpose, endpoint) = match class {
            Class::Amend => (Purpose::Amend, Endpoint::Amend),
            Class::ForceFlat | Class::New => (Purpose::Place, Endpoint::Place),
        };
        let cost = self.cost_of(venue, purpose);
        for place in self.queue.places(class, venue) {
            let Some(waiting) = self.queue.get(place) else { continue };
            let (id, instrument) = (waiting.id, InstrumentId(waiting.command.instrument_id));
            let strategy = strategy_of(&waiting.command);
            if now.mono_ns > waiting.until_ns || (class == Class::Amend && self.amend_must_wait(id)) {
                continue;
            }
            let open = self.breakers.allows(now.mono_ns, venue, endpoint, strategy);
            if !open && class != Class::ForceFlat {
                if let Some(gone) = self.queue.take(place) {
                    self.give_way(now, gone, Reason::BreakerOpen, out);
                }
                continue;
            }
            let Some(state) = self.venues.get_mut(&venue) else { return };
            if self.requests.len() >= REQUESTS_MAX || !state.budget.venue_fits(now.mono_ns, cost, urgency) {
                return;
            }
            if !state.budget.take(now.mono_ns, instrument, cost, urgency) {
                continue;
            }
            let Some(waiting) = self.queue.take(place) else { continue };
            let token = match class {
                Class::Amend => self.send_amend(now, venue, id, &waiting.command, cost, out),
                Class::ForceFlat | Class::New => self.send_order(now, venue, id, waiting.command, cost, out),
            };
            if class != Class::ForceFlat {
                self.breakers.leaves(venue, endpoint, strategy, token);
            }
        }
    }

    fn send_order(
        &mut self,
        now: Now,
        venue: VenueId,
        id: ClientId,
        command: Command,
        cost: Cost,
        out: &mut Vec<Effect>,
    ) -> u64 {
        let expires_mono_ns = expires_at(&command, now);
        if !planted(Bug::CommandNotJournalled) {
            out.push(Effect::Journal(Entry::Command { command: command.clone(), ts_ns: now.epoch_ns }));
        }
        self.insert_new(id, &command, now.epoch_ns);
        let token = self.await_answer(id, venue, Purpose::Place, cost, now.mono_ns + ORDER_TIMEOUT_NS);
        self.stats.placed += 1;
        let what = What::Place { command: Box::new(command), ts_ns: now.epoch_ns };
        out.push(Effect::Send(Request { token, venue, what, expires_mono_ns }));
        token
    }

    /// Tells the breakers what became of a request.
    pub(super) fn learn(&mut self, now: Now, token: u64, outcome: Outcome, out: &mut Vec<Effect>) {
        let Some(request) = self.requests.get(&token) else { return };
        let endpoint = match request.purpose {
            Purpose::Place => Endpoint::Place,
            Purpose::Amend => Endpoint::Amend,
            Purpose::Cancel => Endpoint::Cancel,
            _ => Endpoint::Query,
        };
        let order = self.orders.get(&request.id);
        let strategy = order.and_then(|o| o.intent).map_or(0, |i| u32::try_from(i.hi >> 32).unwrap_or(0));
        let own_nature = order.is_some_and(|o| o.post_only);
        let about = (request.venue, endpoint, strategy, token);
        for text in self.breakers.learn(now.mono_ns, about, outcome, own_nature) {
            out.push(Effect::Note { level: Level::Warn, text });
        }
    }

    /// Every breaker that is not closed.
    pub fn breakers_open(&self) -> Vec<(String, BreakerState)> {
        self.breakers.open()
    }

    /// Commands that wait for room.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Keeps a command that came to nothing.
    pub(super) fn letter(&mut self, command: &Command, reason: Reason, text: &str, out: &mut Vec<Effect>) {
        self.stats.letters += 1;
        let text = bounded(text, VENUE_TEXT_BYTES_MAX);
        out.push(Effect::Letter(Box::new(Letter { command: command.clone(), reason, text })));
    }
}
