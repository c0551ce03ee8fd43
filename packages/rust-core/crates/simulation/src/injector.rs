//! What the world does to the processes, one fault type after the other.

use crate::disk::Mishap;
use crate::faults::Fault;
use crate::gateway::{self, GwInput};
use crate::router;
use crate::world::{Ev, MS, SECOND, World};
use tidegate_journal::Tier;

impl World {
    /// Injects one fault of a timed type and plans the next.
    pub fn strike(&mut self, fault: Fault) {
        if self.healed {
            return;
        }
        self.next_fault(fault);
        let g = self.prey();
        match fault {
            Fault::F1 => {
                let step = self.chance.below(u64::from(gateway::STEPS) + 4) as u8;
                // Steps 5 to 8 are deaths within the disk's own operations.
                match step {
                    5..9 => {
                        let op = self.chance.below(3) as u32;
                        self.gw[g].disk.plan(op, Mishap::Kill(step % 3));
                    }
                    step if step < gateway::STEPS => self.gw[g].fail_at = Some(step),
                    _ => {
                        self.inject(Fault::F1);
                        let wait = self.chance.range(5 * MS, 2 * SECOND);
                        self.gw_crash(g, wait);
                    }
                }
            }
            Fault::F2 => {
                let step = self.chance.below(u64::from(router::STEPS) + 2) as u8;
                match step {
                    step if step < router::STEPS => self.rt.fail_at = Some(step),
                    6 => self
                        .rt
                        .disk
                        .plan(self.chance.below(3) as u32, Mishap::Kill(self.chance.below(3) as u8)),
                    _ => {
                        self.inject(Fault::F2);
                        let wait = self.chance.range(5 * MS, SECOND);
                        self.rt_crash(wait);
                    }
                }
            }
            Fault::F3 => {
                let s = self.chance.below(self.strategies.len() as u64) as usize;
                self.inject(fault);
                let wait = self.chance.range(10 * MS, SECOND);
                self.st_crash(s, wait);
            }
            Fault::F5 => self.power_cut(),
            Fault::F6 => self.rot(g),
            Fault::F7 | Fault::F9 => self.fail_disk(fault, g),
            Fault::F10 => {
                self.inject(fault);
                self.gw[g].slow_until = self.now + self.chance.range(200 * MS, 2 * SECOND);
            }
            Fault::F11 => {
                self.inject(fault);
                let leap = self.chance.below(7_200 * SECOND) as i64 - 3_600 * SECOND as i64;
                let leap = if self.chance.chance(500_000) { leap / 3_600 } else { leap };
                match self.chance.below(3) {
                    // An order signed far ahead of the venue's clock stays unknown until that clock has passed its stamp.
                    2 => self.rt.wall_off_ns = leap / 120,
                    g => self.gw[g as usize].wall_off_ns = leap,
                }
            }
            Fault::F12 => {
                self.inject(fault);
                let s = self.chance.below(self.strategies.len() as u64) as usize;
                let ns = self.chance.range(100 * MS, 1_500 * MS);
                self.st_stall(s, ns);
            }
            Fault::F13 => {
                self.inject(fault);
                let pairs = [(0, 1), (0, 2), (1, 2), (0, 2), (0, 3), (1, 3)];
                if let Some(&(a, b)) = self.chance.pick(&pairs) {
                    let ns = self.chance.range(50 * MS, 2 * SECOND);
                    self.cut(a, b, ns);
                }
            }
            Fault::F16 => self.pause(g),
            Fault::F17 => self.strike_store(),
            Fault::F18 => self.old_disk(g),
            Fault::F19 => self.other_build(g),
            Fault::F23 => {
                // The venue works on and nothing of what it says arrives until later.
                self.inject(fault);
                self.venue_mute_until = self.now + self.chance.range(300 * MS, 4 * SECOND);
            }
            Fault::F22 => {
                if self.connected {
                    self.inject(fault);
                    self.venue_disconnect();
                }
            }
            Fault::F26 => {
                self.inject(fault);
                self.venue_storm_until = self.now + self.chance.range(50 * MS, 800 * MS);
            }
            Fault::F27 => {
                self.inject(fault);
                let instrument = 1 + self.chance.below(2) as u32;
                if self.chance.chance(500_000) {
                    for g in 0..2 {
                        self.gw_input(g, GwInput::FeedLost { instrument });
                    }
                } else {
                    self.market_frozen_until = self.now + self.chance.range(200 * MS, 2 * SECOND);
                }
            }
            Fault::F30 => {
                self.inject(fault);
                let strategy = self.chance.below(self.strategies.len() as u64) as usize;
                let left = self.chance.range(5, 40) as u32;
                self.after(0, Ev::Flood { strategy, left });
            }
            Fault::F39 => self.kill_broken(),
            // Per frame, per answer or per print, not by the clock.
            Fault::F14 | Fault::F15 | Fault::F24 | Fault::F25 | Fault::F28 | Fault::F40 => {}
        }
    }

    /// Mostly the one that leads: that is where a fault hurts.
    fn prey(&mut self) -> usize {
        let any = self.chance.below(2) as usize;
        if self.chance.chance(700_000) { self.leading().unwrap_or(any) } else { any }
    }

    fn power_cut(&mut self) {
        // T0 promises nothing against it.
        if self.opts.tier != Tier::T2 {
            return;
        }
        self.inject(Fault::F5);
        for g in 0..2 {
            let wait = self.chance.range(100 * MS, 900 * MS);
            self.gw_crash(g, wait);
        }
        let wait = self.chance.range(100 * MS, 900 * MS);
        self.rt_crash(wait);
        let mut rng = self.chance.fork();
        self.gw[0].disk.power_cut(&mut rng);
        self.gw[1].disk.power_cut(&mut rng);
        self.rt.disk.power_cut(&mut rng);
    }

    fn rot(&mut self, g: usize) {
        // One medium at a time, and not the router's: it has no second copy yet, and without it nothing is known.
        let mut rng = self.chance.fork();
        let wait = self.chance.range(20 * MS, 600 * MS);
        self.gw_crash(g, wait);
        if self.gw[g].disk.rot(&mut rng) {
            self.gw[g].damaged = true;
            self.inject(Fault::F6);
        }
    }

    fn fail_disk(&mut self, fault: Fault, g: usize) {
        self.inject(fault);
        let mishap = match fault {
            Fault::F7 => Mishap::Enospc,
            _ if self.chance.chance(300_000) => Mishap::ShortWrite,
            _ => Mishap::Eio,
        };
        let op = self.chance.below(4) as u32;
        if self.chance.chance(750_000) {
            self.gw[g].disk.plan(op, mishap);
        } else {
            self.rt.disk.plan(op, mishap);
        }
    }

    fn pause(&mut self, g: usize) {
        self.inject(Fault::F16);
        let ns = self.chance.range(200 * MS, 3 * SECOND);
        if self.chance.chance(400_000) {
            // Between the commit of an order and its way out: where a leader does the most harm when it wakes.
            self.gw[g].pause_before_sending = Some(ns);
        } else if self.chance.chance(750_000) {
            self.gw[g].paused_until = self.now + ns;
            self.after(ns, Ev::Resume(g));
        } else {
            self.rt.paused_until = self.now + ns / 3;
            self.after(ns / 3, Ev::Resume(2));
        }
    }

    fn old_disk(&mut self, g: usize) {
        let standby = self.leading().map_or(g, |leader| 1 - leader);
        let now = self.now;
        if self.gw[standby].node.is_some() && self.gw[standby].put_old(now) {
            self.inject(Fault::F18);
            let wait = self.chance.range(20 * MS, 400 * MS);
            self.gw_crash(standby, wait);
        }
        for g in 0..2 {
            self.gw[g].remember(now);
        }
    }

    fn other_build(&mut self, g: usize) {
        self.inject(Fault::F19);
        self.gw[g].build = if self.gw[g].build == self.identity.build { 2 } else { self.identity.build };
        let wait = self.chance.range(20 * MS, 300 * MS);
        self.gw_crash(g, wait);
    }

    /// Everything that was broken works again.
    pub fn heal(&mut self) {
        self.healed = true;
        self.note(|| "everything heals".into());
        for g in 0..2 {
            let host = &mut self.gw[g];
            (host.paused_until, host.slow_until, host.wall_off_ns) = (0, 0, 0);
            host.fail_at = None;
            host.pause_before_sending = None;
            host.disk.released_mishap();
            if host.build != self.identity.build {
                host.build = self.identity.build;
                self.gw_crash(g, 20 * MS);
            }
            self.gw_wake(g);
            self.after(0, Ev::Resume(g));
        }
        (self.rt.paused_until, self.rt.wall_off_ns, self.rt.fail_at) = (0, 0, None);
        self.rt.disk.released_mishap();
        self.after(0, Ev::Resume(2));
        (self.venue_mute_until, self.venue_storm_until, self.market_frozen_until) = (0, 0, 0);
        self.heal_store();
        self.st_heal();
        // What a silent loss hid comes out when the session begins anew.
        self.venue_disconnect();
    }
}
