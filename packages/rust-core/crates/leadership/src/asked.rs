//! The two gateways of one account as a strategy sees them: which of them is asked, and what is asked again.
//!
//! An intent has one id for its whole life, and a gateway answers an id it knows with the same answer. So an intent without
//! an answer may be sent to the other gateway at any time: it has one effect or none.

use std::collections::BTreeMap;
use tidegate_mutants::{Bug, planted};

/// Intents without an answer that are kept to be sent to the other gateway; one more finds no credit.
pub const UNANSWERED_MAX: usize = 1_000;
/// How long a gateway that does not lead is left alone before the other is asked anew.
pub const TURN_NS: u64 = 10_000_000;

/// Which of the gateways is asked, and the intents without an answer. Pure.
#[derive(Debug, Default)]
pub struct Asked {
    gateways: usize,
    active: usize,
    /// The highest epoch a leader has spoken with, and which gateway that was. An epoch has one holder.
    epoch: u32,
    leader: usize,
    /// In the order of their sending.
    unanswered: BTreeMap<u64, (u128, Vec<u8>)>,
    places: BTreeMap<u128, u64>,
    next: u64,
    /// When everything without an answer goes to the active gateway again.
    again_at: Option<u64>,
    pub turns: u64,
}

impl Asked {
    /// For one gateway, which is never turned away from, or two.
    pub fn new(gateways: usize) -> Self {
        Self { gateways, ..Self::default() }
    }

    pub const fn active(&self) -> usize {
        self.active
    }

    /// Whether one more intent may be sent.
    pub fn has_room(&self) -> bool {
        self.gateways < 2 || self.unanswered.len() < UNANSWERED_MAX
    }

    /// An intent has been handed to the active gateway's link.
    pub fn sent(&mut self, id: u128, bytes: &[u8]) {
        if self.gateways < 2 || self.places.contains_key(&id) {
            return;
        }
        self.places.insert(id, self.next);
        self.unanswered.insert(self.next, (id, bytes.to_vec()));
        self.next += 1;
    }

    /// A gateway has answered an intent for good.
    pub fn answered(&mut self, id: u128) {
        if let Some(place) = self.places.remove(&id) {
            self.unanswered.remove(&place);
        }
    }

    /// The gateway `from` says that it does not lead. True where its word changed which one is asked.
    pub fn not_leading(&mut self, from: usize, now_ns: u64) -> bool {
        if self.gateways < 2 || from != self.active {
            return false;
        }
        self.turn(1 - from, now_ns.saturating_add(TURN_NS));
        true
    }

    /// The link to a gateway is out of step. True where another one is asked now.
    pub fn lost(&mut self, which: usize, other_in_step: bool, now_ns: u64) -> bool {
        if self.gateways < 2 || which != self.active || !other_in_step {
            return false;
        }
        self.turn(1 - which, now_ns);
        true
    }

    /// A gateway tells its policy, which only a leader does, and with the epoch it leads by. True where another one was asked so
    /// far: one that was stopped and woke up later speaks with an epoch that is over, and the leader whose link was lost for a
    /// moment speaks again with its own, and tells its state behind it.
    pub fn leads(&mut self, which: usize, epoch: u32, now_ns: u64) -> bool {
        let newest = epoch > self.epoch || (epoch > 0 && (epoch, which) == (self.epoch, self.leader));
        let turns = self.gateways == 2 && which != self.active && newest;
        if turns {
            self.turn(which, now_ns);
        }
        if which == self.active {
            (self.epoch, self.leader) = (epoch, which);
        }
        turns
    }

    /// Whether what a gateway says counts: the word of the one that is asked does.
    pub fn heeds(&self, which: usize) -> bool {
        which == self.active || planted(Bug::HeedsTheOther)
    }

    fn turn(&mut self, to: usize, again_at: u64) {
        self.active = to;
        self.again_at = Some(again_at);
        self.turns += 1;
    }

    /// Everything without an answer, oldest first, when it is due to the active gateway; due once.
    pub fn take_due(&mut self, now_ns: u64) -> Vec<Vec<u8>> {
        if self.again_at.is_none_or(|at| now_ns < at) {
            return Vec::new();
        }
        self.again_at = None;
        self.unanswered.values().map(|(_, bytes)| bytes.clone()).collect()
    }

    /// What was due could not be sent whole: it is due again.
    pub fn postpone(&mut self, now_ns: u64) {
        self.again_at = Some(now_ns.saturating_add(TURN_NS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b082_what_has_no_answer_goes_to_the_other_gateway_in_its_order_and_once() {
        let mut pair = Asked::new(2);
        for id in [7_u128, 3, 5] {
            pair.sent(id, &[id as u8]);
        }
        pair.answered(3);
        assert!(pair.not_leading(0, 100));
        assert_eq!(pair.active(), 1);
        assert!(pair.take_due(100).is_empty(), "the other may not lead yet either");
        assert_eq!(pair.take_due(100 + TURN_NS), [vec![7], vec![5]]);
        assert!(pair.take_due(u64::MAX).is_empty());
        assert!(!pair.not_leading(0, 200), "an old word of the one that is not asked");
        assert!(pair.leads(0, 4, 300) && pair.active() == 0);
        assert_eq!(pair.take_due(300).len(), 2);
        assert!(!pair.leads(1, 4, 400) && !pair.leads(1, 3, 400), "its time is over");
        assert!(pair.heeds(0) && !pair.heeds(1));
        assert!(pair.leads(1, 5, 500) && pair.heeds(1));
    }

    #[test]
    fn b082_the_leader_whose_link_was_lost_for_a_moment_is_heeded_as_soon_as_it_tells_its_state() {
        let mut pair = Asked::new(2);
        assert!(!pair.leads(0, 3, 0) && pair.lost(0, true, 100) && pair.heeds(1));
        assert!(!pair.leads(1, 3, 200), "asked already");
        assert!(!pair.leads(0, 2, 300), "an epoch that is over");
        let mut pair = Asked::new(2);
        assert!(!pair.leads(0, 3, 0) && pair.lost(0, true, 100));
        assert!(pair.leads(0, 3, 200) && pair.heeds(0), "what it tells next is not told twice");
        assert!(!Asked::new(2).leads(1, 0, 0), "nobody leads an epoch 0");
    }

    #[test]
    fn one_gateway_is_never_turned_away_from_and_keeps_nothing() {
        let mut pair = Asked::new(1);
        pair.sent(1, b"x");
        assert!(!pair.not_leading(0, 1) && !pair.lost(0, true, 1) && !pair.leads(1, 1, 1));
        assert!(pair.take_due(u64::MAX).is_empty() && pair.has_room());
    }

    #[test]
    fn intents_kept_are_bounded_and_an_intent_is_kept_once() {
        let mut pair = Asked::new(2);
        for id in 0..UNANSWERED_MAX as u128 {
            pair.sent(id, b"x");
            pair.sent(id, b"x");
        }
        assert!(!pair.has_room());
        pair.answered(0);
        assert!(pair.has_room());
    }
}
