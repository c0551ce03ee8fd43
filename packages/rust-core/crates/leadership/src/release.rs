//! How far effects may leave: what is safe here, and what the standby has made safe.

use crate::limits::{CAUGHT_UP_RECORDS, REPLICA_WAIT_NS};

/// What an effect waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseRule {
    /// This process's own journal.
    Own,
    /// Also the standby, as long as one is attached and answers.
    OwnAndReplica,
}

/// The leader's view of its standby.
#[derive(Debug, Clone)]
pub struct Release {
    rule: ReleaseRule,
    attached: bool,
    acked: u64,
    waiting_since: Option<u64>,
    /// What a standby had that was left behind: its word counts again once it says more.
    left_at: Option<u64>,
    /// Records that left without the standby's word, because it was silent for too long.
    alone: u64,
}

impl Release {
    /// No standby yet.
    pub const fn new(rule: ReleaseRule) -> Self {
        Self { rule, attached: false, acked: 0, waiting_since: None, left_at: None, alone: 0 }
    }

    /// Up to where a standby has made the journal safe, as far as it has said so; `None` where none follows. Its word counts once
    /// it has caught up with what is `committed` here, and does not before: one that begins anew has the whole journal to take.
    pub fn standby(&mut self, safe: Option<u64>, committed: u64) {
        let Some(seq) = safe else {
            (self.attached, self.waiting_since, self.left_at) = (false, None, None);
            return;
        };
        if self.attached {
            if seq > self.acked {
                self.acked = seq;
                self.waiting_since = None;
            }
        } else if seq + CAUGHT_UP_RECORDS >= committed && self.left_at.is_none_or(|at| seq > at) {
            (self.attached, self.acked, self.waiting_since, self.left_at) = (true, seq, None, None);
        }
    }

    /// The last record whose effects may leave, of those safe here up to `committed`.
    pub fn upto(&mut self, now_ns: u64, committed: u64) -> u64 {
        if self.rule == ReleaseRule::Own || !self.attached || self.acked >= committed {
            self.waiting_since = None;
            return committed;
        }
        let since = *self.waiting_since.get_or_insert(now_ns);
        if now_ns.saturating_sub(since) >= REPLICA_WAIT_NS {
            // Until it says more it is no promise to anyone.
            self.alone += committed - self.acked;
            (self.attached, self.waiting_since, self.left_at) = (false, None, Some(self.acked));
            return committed;
        }
        self.acked
    }

    /// Whether the standby's word is waited for.
    pub const fn replicates(&self) -> bool {
        self.attached && matches!(self.rule, ReleaseRule::OwnAndReplica)
    }

    /// The last record the standby is known to have, where one is attached.
    pub const fn replica(&self) -> Option<u64> {
        if self.attached { Some(self.acked) } else { None }
    }

    /// Records released without the standby.
    pub const fn alone(&self) -> u64 {
        self.alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_wait_for_the_standby_and_no_longer_than_the_bound() {
        let mut release = Release::new(ReleaseRule::OwnAndReplica);
        assert_eq!(release.upto(0, 5), 5, "nobody attached");
        release.standby(Some(5), 5);
        assert_eq!(release.upto(10, 9), 5);
        release.standby(Some(7), 9);
        assert_eq!(release.upto(20, 9), 7);
        release.standby(Some(6), 9);
        assert_eq!(release.upto(20, 9), 7, "an older word takes nothing back");
        assert_eq!(release.upto(20 + REPLICA_WAIT_NS - 1, 9), 7);
        assert_eq!(release.upto(20 + REPLICA_WAIT_NS, 9), 9);
        assert_eq!((release.alone(), release.replica()), (2, None));
    }

    #[test]
    fn a_standby_that_was_left_behind_counts_again_once_it_says_more() {
        let mut release = Release::new(ReleaseRule::OwnAndReplica);
        release.standby(Some(5), 5);
        release.upto(0, 9);
        assert_eq!(release.upto(REPLICA_WAIT_NS, 9), 9);
        release.standby(Some(5), 9);
        assert_eq!((release.replica(), release.upto(REPLICA_WAIT_NS, 12)), (None, 12), "it said no more");
        release.standby(Some(10), 12);
        assert_eq!((release.replica(), release.upto(REPLICA_WAIT_NS, 12)), (Some(10), 10));
        release.standby(None, 12);
        assert_eq!(release.upto(REPLICA_WAIT_NS, 12), 12, "gone");
        release.standby(Some(10), 12);
        assert_eq!(release.replica(), Some(10), "another that follows");
    }

    #[test]
    fn one_that_lacks_much_is_not_waited_for() {
        let mut release = Release::new(ReleaseRule::OwnAndReplica);
        let committed = 10 + CAUGHT_UP_RECORDS;
        release.standby(Some(9), committed);
        assert_eq!((release.replica(), release.upto(0, committed)), (None, committed));
        release.standby(Some(10), committed);
        assert_eq!((release.replica(), release.upto(0, committed)), (Some(10), 10));
    }

    #[test]
    fn the_own_rule_waits_for_nobody() {
        let mut release = Release::new(ReleaseRule::Own);
        release.standby(Some(0), 0);
        assert_eq!(release.upto(0, 9), 9);
        assert!(!release.replicates());
    }
}
