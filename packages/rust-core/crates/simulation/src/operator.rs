//! The people: they halt, resume, kill by any of three ways, and hand over.

use crate::faults::Fault;
use crate::gateway::GwInput;
use crate::router::RtInput;
use crate::world::{Ev, MS, SECOND, World};
use tidegate_router::VenueState;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};

/// What the desk remembers of its own acts.
#[derive(Debug, Default)]
pub(crate) struct Operator {
    /// When what is latched is to be cleared.
    clear_at: Option<u64>,
}

impl World {
    /// A control message to whichever gateway lives; the one that leads, if there is one.
    pub fn control(&mut self, action: ControlAction, principal: &str) {
        let to = self.leading().unwrap_or(0);
        let event = ControlEvent {
            action: action.into(),
            principal: principal.into(),
            reason: "simulated".into(),
            ts_ns: self.wall(0),
            ..ControlEvent::default()
        };
        self.after(200_000, Ev::Control { to, event: Box::new(event) });
    }

    pub fn operate(&mut self) {
        let wait = 200 * MS + self.rng.exponential(700 * MS);
        self.after(wait, Ev::Operator);
        if self.healed {
            return;
        }
        if self.operator.clear_at.is_some_and(|at| at <= self.now) {
            self.operator.clear_at = None;
            self.clear_latches();
            return;
        }
        match self.rng.below(12) {
            0 => {
                self.control(ControlAction::Halt, "desk");
                self.clear_soon(400);
            }
            1 => {
                self.control(ControlAction::Kill, "risk");
                self.clear_soon(500);
            }
            2 => self.control(ControlAction::CancelAll, "desk"),
            3..5 => {
                if let Some(g) = self.leading() {
                    self.gw_input(g, GwInput::HandOver);
                }
            }
            5..9 => self.control(ControlAction::Resume, "desk"),
            _ => {}
        }
    }

    fn clear_soon(&mut self, ms: u64) {
        let at = self.now + ms * MS + self.rng.below(SECOND);
        self.operator.clear_at = Some(at);
    }

    /// Takes back every latch, by two principals where it takes two.
    pub fn clear_latches(&mut self) {
        self.control(ControlAction::Unkill, "risk");
        self.control(ControlAction::Unkill, "desk");
        self.control(ControlAction::Resume, "desk");
        self.rt_input(RtInput::Latch(false));
        if self.rt.node.is_none() {
            self.rt.latched = false;
        }
    }

    /// The kill switch with one or two of its three ways broken: the gateway, the router's latch, the venue itself.
    pub fn kill_broken(&mut self) {
        self.inject(Fault::F39);
        let works = self.chance.below(6) + 1;
        if works & 1 != 0 {
            self.control(ControlAction::Kill, "risk");
        }
        if works & 2 != 0 {
            if self.rt.node.is_none() {
                self.rt.latched = true;
            }
            self.rt_input(RtInput::Latch(true));
        }
        if works & 4 != 0 {
            let epoch = self.venue_epoch();
            for id in self.venue.open().to_vec() {
                let event = self.venue.end(id, VenueState::Cancelled, epoch, &mut self.truth);
                if let Some((instrument, exec)) = event {
                    self.tell(instrument, exec);
                }
            }
        }
        self.clear_soon(600);
    }
}
