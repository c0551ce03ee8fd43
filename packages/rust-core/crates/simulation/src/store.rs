//! The lease store: one key with a time to live, a replica that lags, and every way such a store fails.

use crate::faults::Fault;
use crate::world::{Ev, MS, SECOND, World};
use tidegate_leadership::{LeaseReply, LeaseRequest, StoreOp};

/// Primary and replica.
#[derive(Debug, Default)]
pub(crate) struct Store {
    key: Option<(u64, u64)>,
    /// What the replica has: the key as it was at its last copy.
    replica: Option<(u64, u64)>,
    copied_at: u64,
    silent_until: u64,
    slow_until: u64,
}

impl World {
    /// A gateway's request on its way to the store.
    pub fn ask_store(&mut self, from: usize, request: LeaseRequest) {
        let mut delay = 100_000 + self.net.exponential(500_000);
        if self.store.slow_until > self.now {
            delay += self.net.range(50 * MS, 900 * MS);
        }
        self.after(delay, Ev::StoreRequest { from, request });
    }

    pub fn store_request(&mut self, from: usize, request: LeaseRequest) {
        let now = self.now;
        let store = &mut self.store;
        if store.silent_until > now {
            return;
        }
        if now.saturating_sub(store.copied_at) >= 300 * MS {
            (store.replica, store.copied_at) = (store.key, now);
        }
        let holder = store.key.filter(|(_, until)| *until > now).map(|(holder, _)| holder);
        let ours = match request.op {
            StoreOp::Hold { ttl_ns } => {
                let ours = holder.is_none_or(|holder| holder == request.holder);
                if ours {
                    store.key = Some((request.holder, now + ttl_ns));
                }
                ours
            }
            StoreOp::Release => {
                if holder == Some(request.holder) {
                    store.key = None;
                }
                false
            }
        };
        let delay = 100_000 + self.net.exponential(500_000);
        self.after(delay, Ev::StoreReply { to: from, reply: LeaseReply { token: request.token, ours } });
    }

    pub fn strike_store(&mut self) {
        self.inject(Fault::F17);
        match self.chance.below(4) {
            0 => {
                let long = self.chance.chance(400_000);
                let ns = if long {
                    self.chance.range(5_500 * MS, 9 * SECOND)
                } else {
                    self.chance.range(200 * MS, 3 * SECOND)
                };
                self.store.silent_until = self.now + ns;
            }
            // A stale replica is promoted: the key as it was, or none at all.
            1 => self.store.key = self.store.replica,
            2 => self.store.key = None,
            _ => self.store.slow_until = self.now + self.chance.range(200 * MS, 2 * SECOND),
        }
    }

    pub fn heal_store(&mut self) {
        (self.store.silent_until, self.store.slow_until) = (0, 0);
    }
}
