//! The lease: a hint who should ask for the next epoch. Nothing is safe because of it alone.

use crate::limits::{LEASE_RENEW_NS, LEASE_STALE_NS, LEASE_TTL_NS, REQUESTS_MAX};
use std::collections::BTreeMap;
use tidegate_mutants::{Bug, planted};

/// What is asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOp {
    /// Take the key if it is free (`SET NX PX`), or lengthen it if it is ours (compare, then `PEXPIRE`).
    Hold { ttl_ns: u64 },
    /// Delete it if it is ours.
    Release,
}

/// One request to the store; its answer names the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRequest {
    pub token: u64,
    pub holder: u64,
    pub op: StoreOp,
}

/// The store's answer. Silence is no answer and needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseReply {
    pub token: u64,
    /// Whether the key is ours now.
    pub ours: bool,
}

/// One process's hold on the key.
#[derive(Debug, Clone)]
pub struct Lease {
    holder: u64,
    token: u64,
    /// When each request awaited was sent, on the clock leases are measured by.
    sent: BTreeMap<u64, u64>,
    next_ns: u64,
    /// The sending of the last request that came back as ours.
    proof_ns: Option<u64>,
    /// Since when it has been held without a break.
    since_ns: u64,
}

impl Lease {
    /// No hold yet.
    pub const fn new(holder: u64) -> Self {
        Self { holder, token: 0, sent: BTreeMap::new(), next_ns: 0, proof_ns: None, since_ns: 0 }
    }

    /// The request that is due, if one is.
    pub fn tick(&mut self, now_ns: u64) -> Option<LeaseRequest> {
        if now_ns < self.next_ns {
            return None;
        }
        self.next_ns = now_ns + LEASE_RENEW_NS;
        if planted(Bug::LeaseErrorsSwallowed) && self.proof_ns.is_some() {
            self.proof_ns = Some(now_ns);
        }
        self.token += 1;
        while self.sent.len() >= REQUESTS_MAX {
            self.sent.pop_first();
        }
        self.sent.insert(self.token, now_ns);
        let op = StoreOp::Hold { ttl_ns: LEASE_TTL_NS };
        Some(LeaseRequest { token: self.token, holder: self.holder, op })
    }

    /// Takes an answer. One that nobody waits for is ignored.
    pub fn answer(&mut self, now_ns: u64, reply: LeaseReply) {
        let Some(sent_ns) = self.sent.remove(&reply.token) else { return };
        if !reply.ours {
            // An older answer may still be on its way, but the key is another's now.
            if self.proof_ns.is_none_or(|proof| sent_ns >= proof) && !planted(Bug::LeaseErrorsSwallowed) {
                self.proof_ns = None;
            }
            return;
        }
        if !self.held(now_ns) {
            self.since_ns = sent_ns;
        }
        self.proof_ns = self.proof_ns.max(Some(sent_ns));
    }

    /// Whether the key is certainly still ours: no renewal is older than the bound, counted from its sending.
    pub fn held(&self, now_ns: u64) -> bool {
        self.proof_ns.is_some_and(|sent| now_ns.saturating_sub(sent) <= LEASE_STALE_NS)
    }

    /// How long it has been held without a break; 0 where it is not.
    pub fn held_for(&self, now_ns: u64) -> u64 {
        if self.held(now_ns) { now_ns.saturating_sub(self.since_ns) } else { 0 }
    }

    /// Gives the key back.
    pub fn release(&mut self) -> LeaseRequest {
        self.token += 1;
        self.proof_ns = None;
        self.sent.clear();
        LeaseRequest { token: self.token, holder: self.holder, op: StoreOp::Release }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn age_counts_from_the_sending_not_from_the_answer() {
        let mut lease = Lease::new(7);
        let first = lease.tick(0).unwrap();
        // The answer took 390 ms: only 10 are left of the 400.
        lease.answer(390 * MS, LeaseReply { token: first.token, ours: true });
        assert!(lease.held(400 * MS) && !lease.held(401 * MS));
    }

    #[test]
    fn a_renewal_is_due_every_150_ms_and_its_silence_ends_the_hold() {
        let mut lease = Lease::new(7);
        let mut asked = Vec::new();
        for ms in 0..1_000 {
            if let Some(request) = lease.tick(ms * MS) {
                asked.push(ms);
                if ms < 300 {
                    lease.answer(ms * MS, LeaseReply { token: request.token, ours: true });
                }
            }
        }
        assert_eq!(asked, [0, 150, 300, 450, 600, 750, 900]);
        // The last answered renewal was sent at 150 ms.
        assert!(lease.held(550 * MS) && !lease.held(551 * MS));
        assert_eq!(lease.held_for(500 * MS), 500 * MS);
        assert_eq!(lease.held_for(600 * MS), 0);
    }

    #[test]
    fn a_key_of_another_ends_the_hold_at_once_and_stray_answers_say_nothing() {
        let mut lease = Lease::new(7);
        let first = lease.tick(0).unwrap();
        lease.answer(MS, LeaseReply { token: first.token, ours: true });
        lease.answer(2 * MS, LeaseReply { token: 99, ours: false });
        assert!(lease.held(3 * MS), "nobody asked with that token");
        let second = lease.tick(150 * MS).unwrap();
        lease.answer(151 * MS, LeaseReply { token: second.token, ours: false });
        assert!(!lease.held(151 * MS));
        lease.answer(152 * MS, LeaseReply { token: first.token, ours: true });
        assert!(!lease.held(152 * MS), "an answer counts once");
    }

    #[test]
    fn requests_awaited_are_bounded() {
        let mut lease = Lease::new(1);
        for n in 0..100 {
            lease.tick(n * LEASE_RENEW_NS);
        }
        assert_eq!(lease.sent.len(), REQUESTS_MAX);
        assert_eq!(lease.release().op, StoreOp::Release);
        assert!(lease.sent.is_empty());
    }
}
