//! How far effects may leave: what is safe here, and what the standby has made safe.

use crate::limits::REPLICA_WAIT_NS;

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
    /// Records that left without the standby's word, because it was silent for too long.
    alone: u64,
}

impl Release {
    /// No standby yet.
    pub const fn new(rule: ReleaseRule) -> Self {
        Self { rule, attached: false, acked: 0, waiting_since: None, alone: 0 }
    }

    /// A standby holds the journal up to `seq`. It counts from now on.
    pub fn attached(&mut self, seq: u64) {
        (self.attached, self.acked, self.waiting_since) = (true, seq, None);
    }

    /// The standby has made the journal safe up to `seq`.
    pub fn acked(&mut self, seq: u64) {
        if self.attached && seq > self.acked {
            self.acked = seq;
            self.waiting_since = None;
        }
    }

    /// The standby is gone.
    pub fn detached(&mut self) {
        (self.attached, self.waiting_since) = (false, None);
    }

    /// The last record whose effects may leave, of those safe here up to `committed`.
    pub fn upto(&mut self, now_ns: u64, committed: u64) -> u64 {
        if self.rule == ReleaseRule::Own || !self.attached || self.acked >= committed {
            self.waiting_since = None;
            return committed;
        }
        let since = *self.waiting_since.get_or_insert(now_ns);
        if now_ns.saturating_sub(since) >= REPLICA_WAIT_NS {
            // It must attach anew, and until then is no promise to anyone.
            self.alone += committed - self.acked;
            self.detached();
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
        release.attached(5);
        assert_eq!(release.upto(10, 9), 5);
        release.acked(7);
        assert_eq!(release.upto(20, 9), 7);
        release.acked(6);
        assert_eq!(release.upto(20, 9), 7, "an older word takes nothing back");
        assert_eq!(release.upto(20 + REPLICA_WAIT_NS - 1, 9), 7);
        assert_eq!(release.upto(20 + REPLICA_WAIT_NS, 9), 9);
        assert_eq!((release.alone(), release.replica()), (2, None));
        release.acked(20);
        assert_eq!(release.replica(), None, "it must attach anew");
    }

    #[test]
    fn the_own_rule_waits_for_nobody() {
        let mut release = Release::new(ReleaseRule::Own);
        release.attached(0);
        assert_eq!(release.upto(0, 9), 9);
        assert!(!release.replicates());
    }
}
