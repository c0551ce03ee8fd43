//! The venue's side of the wire and the market: requests served or not, trades, and prices sane and absurd.

use crate::faults::Fault;
use crate::gateway::GwInput;
use crate::truth::TrueFill;
use crate::venue::Mood;
use crate::world::{Ev, MS, World};
use tidegate_router::limits::RECV_WINDOW_NS;
use tidegate_router::{Answer, Event, Exec, ExecKind, Fill, Request, VenueState, What};
use tidegate_units::{InstrumentId, VenueId};

impl World {
    pub fn venue_connect(&mut self) {
        if self.connected || self.rt.node.is_none() {
            return;
        }
        self.connected = true;
        self.connection += 1;
        self.last_event_at = 0;
        self.note(|| "the venue's session begins".into());
        // A venue that undoes trades says so again to a session that begins anew.
        for (instrument, exec) in self.busts.clone() {
            self.tell(instrument, exec);
        }
        self.rt_wake();
    }

    pub fn venue_disconnect(&mut self) {
        self.connected = false;
        self.note(|| "the venue's session ends".into());
        self.rt_wake();
        let wait = if self.healed { 50 * MS } else { self.chance.range(20 * MS, 900 * MS) };
        self.after(wait, Ev::VenueConnect);
    }

    fn storm(&self) -> bool {
        self.venue_storm_until > self.now
    }

    pub fn venue_request(&mut self, connection: u64, request: Request) {
        let place = matches!(request.what, What::Place { .. });
        if let What::Place { command, ts_ns } = &request.what {
            let intent = crate::router::intent_of(command);
            if let Some(until) = self.truth.in_flight.get_mut(&intent) {
                if let Some(at) = until.iter().position(|end| *end == ts_ns + RECV_WINDOW_NS) {
                    until.remove(at);
                }
                if until.is_empty() {
                    self.truth.in_flight.remove(&intent);
                }
            }
        }
        // Bytes of a session that has ended may have arrived before it did.
        if connection != self.connection && (self.healed || self.net.chance(600_000)) {
            return;
        }
        let calm = self.healed;
        let mut mood = Mood { immediate: self.net.chance(500_000), ..Mood::default() };
        if !calm && place {
            mood.refuse = self.net.chance(self.opts.refuse_ppm) || self.storm() && self.net.chance(500_000);
            if mood.refuse {
                self.inject(Fault::F26);
            }
            if self.net.chance(self.opts.not_seen_ppm) {
                self.inject(Fault::F23);
                mood.hide_ns = self.net.range(10 * MS, 800 * MS);
            }
        }
        if !calm && !place && self.storm() && self.net.chance(500_000) {
            self.inject(Fault::F26);
            let answer = match request.what {
                What::Cancel { .. } => Answer::Unclear { text: "503".into() },
                _ => Answer::Failed { text: "429".into() },
            };
            return self.answer(connection, request.token, answer);
        }
        let epoch = self.venue_epoch();
        if place && self.healed {
            mood.refuse = false;
        }
        let (answer, events) = self.venue.serve(&request.what, self.now, epoch, mood, &mut self.truth);
        if place && matches!(answer, Answer::Placed { .. }) {
            self.accepted(&request);
        }
        for (instrument, exec) in events {
            self.tell(instrument, exec);
        }
        if connection != self.connection || !self.connected {
            return;
        }
        if !calm {
            let unsettled = matches!(request.what, What::Place { .. } | What::Cancel { .. });
            if self.net.chance(self.opts.answer_lost_ppm) {
                self.inject(Fault::F23);
                return;
            }
            if unsettled && (self.net.chance(self.opts.answer_unclear_ppm) || self.storm()) {
                self.inject(Fault::F26);
                return self.answer(connection, request.token, Answer::Unclear { text: "-1007".into() });
            }
        }
        self.answer(connection, request.token, answer);
    }

    /// The venue holds an order now: no gateway may think that it has ended.
    fn accepted(&mut self, request: &Request) {
        let What::Place { command, .. } = &request.what else { return };
        let intent = crate::router::intent_of(command);
        for g in 0..2 {
            let ended = self.gw[g].node.as_ref().is_some_and(|n| n.core.leads() && n.mirror.ended(intent));
            if ended && self.truth.order(intent).is_some_and(|o| o.open) {
                let text = format!("{intent:?} lives at the venue, and gateway {g} has released it");
                self.truth.violate("I2", self.now, text);
            }
        }
    }

    fn answer(&mut self, connection: u64, token: u64, answer: Answer) {
        let mut delay = 100_000 + self.net.exponential(self.opts.venue_delay_ns);
        if !self.healed && self.net.chance(self.opts.answer_lost_ppm / 3) {
            self.inject(Fault::F23);
            delay += self.net.range(1_000 * MS, 6_000 * MS);
        }
        delay += self.venue_mute_until.saturating_sub(self.now);
        self.after(delay, Ev::VenueAnswer { connection, token, answer: Box::new(answer) });
    }

    /// One event of the user stream: in order, unless the world decides otherwise.
    pub fn tell(&mut self, instrument: u32, exec: Exec) {
        if !self.connected {
            return;
        }
        let connection = self.connection;
        let venue = VenueId(instrument);
        let bust = matches!(exec.kind, ExecKind::Bust(_));
        let event = Event::Exec { venue, instrument: InstrumentId(instrument), exec };
        let mut delay = 100_000 + self.net.exponential(self.opts.venue_delay_ns);
        let mut in_order = true;
        delay += self.venue_mute_until.saturating_sub(self.now);
        if !self.healed {
            if !bust && self.net.chance(self.opts.event_lost_ppm) {
                self.inject(Fault::F24);
                // Half of the losses show as an event that could not be read.
                if self.net.chance(500_000) {
                    let garbled = Event::Garbled { venue };
                    self.after(delay, Ev::VenueEvent { connection, event: Box::new(garbled) });
                }
                return;
            }
            if self.net.chance(self.opts.event_early_ppm) {
                self.inject(Fault::F24);
                in_order = false;
                delay = if self.net.chance(500_000) { 10_000 } else { delay + self.net.range(0, 300 * MS) };
            }
            if self.net.chance(self.opts.event_double_ppm) {
                self.inject(Fault::F24);
                let later = delay + self.net.range(0, 500 * MS);
                self.after(later, Ev::VenueEvent { connection, event: Box::new(event.clone()) });
            }
        }
        let mut at = self.now + delay;
        if in_order {
            at = at.max(self.last_event_at + 1);
            self.last_event_at = at;
        }
        self.after(at - self.now, Ev::VenueEvent { connection, event: Box::new(event) });
    }

    /// The market acts on one of our orders.
    pub fn venue_act(&mut self) {
        let wait = MS + self.rng.exponential(self.opts.market_mean_ns);
        self.after(wait, Ev::VenueAct);
        let epoch = self.venue_epoch();
        if !self.healed && self.rng.chance(self.opts.bust_ppm) {
            self.bust(epoch);
        }
        let open = self.venue.open();
        if open.is_empty() || self.market_rests {
            return;
        }
        let id = open[self.rng.below(open.len() as u64) as usize];
        let event = match self.rng.below(20) {
            0 => self.venue.end(id, VenueState::Expired, epoch, &mut self.truth),
            1 if !self.healed => self.venue.end(id, VenueState::Cancelled, epoch, &mut self.truth),
            _ => {
                let qty = 1 + self.rng.below(12) as i64;
                let over = !self.healed && self.rng.chance(self.opts.overfill_ppm);
                let beyond = if over { 1 + self.rng.below(4) as i64 } else { 0 };
                if over {
                    self.inject(Fault::F24);
                    self.venue.trade(id, i64::MAX, beyond, epoch, &mut self.truth)
                } else {
                    self.venue.trade(id, qty, 0, epoch, &mut self.truth)
                }
            }
        };
        if let Some((instrument, exec)) = event {
            self.tell(instrument, exec);
        }
    }

    fn bust(&mut self, epoch_ns: i64) {
        let Some((id, instrument, row)) = self.venue.last_trade() else { return };
        let undone = row.fill.exec_id.clone();
        let Some(order) = self.truth.orders.get(&id).cloned() else { return };
        if !self.connected || !self.busted.insert(undone.clone()) {
            return;
        }
        let exec_id = format!("B{undone}");
        let exec = Exec {
            id: Some(id),
            kind: ExecKind::Bust(Fill {
                exec_id: exec_id.clone(),
                ts_venue_ns: epoch_ns,
                ..row.fill.clone()
            }),
            venue_order_id: row.venue_order_id.clone(),
            side: None,
            cum_lots: None,
            ts_venue_ns: epoch_ns,
            text: String::new(),
        };
        let fill = TrueFill {
            intent: order.intent,
            instrument: instrument.0,
            side: order.side,
            px_ticks: row.fill.px_ticks,
            qty_lots: i64::try_from(row.fill.qty_lots).unwrap_or(0),
            bust: true,
        };
        self.inject(Fault::F25);
        self.truth.fill(&exec_id, fill);
        self.busts.push((instrument.0, exec.clone()));
        self.tell(instrument.0, exec);
    }

    /// A new touch of one instrument, at both gateways.
    pub fn market(&mut self, kind: u8) {
        self.after(25 * MS, Ev::Market(kind));
        let at = usize::from(kind);
        let step = self.market_px[at] / 20_000;
        self.market_px[at] += self.rng.below(2 * step as u64 + 1) as i64 - step;
        let instrument = u32::from(kind) + 1;
        if self.market_frozen_until > self.now {
            return;
        }
        let px = self.market_px[at];
        let (mut bid, mut ask, mut valid) = (Some(px - 1), Some(px + 1), true);
        if !self.healed && self.rng.chance(self.opts.absurd_px_ppm) {
            self.inject(Fault::F28);
            match self.rng.below(5) {
                0 => (bid, ask) = (Some(px + 50), Some(px - 50)),
                1 => (bid, ask) = (Some(0), Some(0)),
                2 => (bid, ask) = (None, None),
                3 => bid = None,
                _ => valid = false,
            }
        }
        for g in 0..2 {
            self.gw_input(g, GwInput::Touch { instrument, bid, ask, valid });
        }
    }
}
