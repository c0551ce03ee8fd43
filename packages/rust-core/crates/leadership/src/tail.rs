//! The standby's place in the leader's journal.

use crate::limits::{PROOFS_KEPT_MAX, TAIL_HEAD_BYTES};
use std::collections::VecDeque;
use std::fmt;
use tidegate_mutants::{Bug, planted};

/// Hash of one record's payload. Two journals that hold the same record at the same place hold the same ones before it:
/// a record carries its own number and the time it was made.
pub fn record_hash(payload: &[u8]) -> [u8; 32] {
    *blake3::hash(payload).as_bytes()
}

/// A standby's request: everything after `after_seq`, whose own record there has this hash (zeros for an empty journal).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attach {
    pub after_seq: u64,
    pub hash: [u8; 32],
}

impl Attach {
    /// Whether a leader that holds `own` at that place may serve it: else the standby's journal went another way.
    pub fn continues(&self, own: Option<&[u8]>) -> bool {
        planted(Bug::ForkIsFollowed)
            || self.after_seq == 0
            || own.is_some_and(|own| record_hash(own) == self.hash)
    }
}

/// From a standby to its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToLeader {
    Attach(Attach),
    /// Everything up to here is safe at the standby.
    Safe {
        seq: u64,
    },
}

/// From a leader to its standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToFollower<'a> {
    /// The standby's request is granted: what follows on the link continues its journal. What came before was meant for
    /// an earlier life of it.
    Attached(Attach),
    Record {
        payload: &'a [u8],
    },
    /// The hash of the leader's state right after this record.
    Proof(Proof),
    /// The standby's journal, which ends with this record, went another way: it must be set aside. A standby whose journal
    /// ends elsewhere by now has been answered late, and ignores it.
    Forked {
        seq: u64,
    },
    /// The leader has drained and asks the standby to take over; its journal ends here.
    TakeOver {
        seq: u64,
    },
}

/// The hash of a state after a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    pub seq: u64,
    pub hash: [u8; 32],
}

fn seq_of(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(1..9)?.try_into().ok()?))
}

fn hash_of(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.get(9..TAIL_HEAD_BYTES)?.try_into().ok()
}

fn head(tag: u8, seq: u64, hash: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(TAIL_HEAD_BYTES);
    bytes.push(tag);
    bytes.extend_from_slice(&seq.to_le_bytes());
    bytes.extend_from_slice(hash);
    bytes
}

impl ToLeader {
    /// Its bytes: a tag, a sequence, and a hash where one belongs to it; little-endian.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Attach(attach) => head(b'A', attach.after_seq, &attach.hash),
            Self::Safe { seq } => head(b'S', *seq, &[]),
        }
    }

    /// Reads one; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match (bytes.first()?, bytes.len()) {
            (b'A', TAIL_HEAD_BYTES) => {
                Some(Self::Attach(Attach { after_seq: seq_of(bytes)?, hash: hash_of(bytes)? }))
            }
            (b'S', 9) => Some(Self::Safe { seq: seq_of(bytes)? }),
            _ => None,
        }
    }
}

impl<'a> ToFollower<'a> {
    /// Its bytes, as [`ToLeader::encode`]; a record follows its tag.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Record { payload } => {
                let mut bytes = Vec::with_capacity(1 + payload.len());
                bytes.push(b'R');
                bytes.extend_from_slice(payload);
                bytes
            }
            Self::Attached(attach) => head(b'A', attach.after_seq, &attach.hash),
            Self::Proof(proof) => head(b'P', proof.seq, &proof.hash),
            Self::Forked { seq } => head(b'F', *seq, &[]),
            Self::TakeOver { seq } => head(b'T', *seq, &[]),
        }
    }

    /// Reads one; `None` for anything else.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        match (bytes.first()?, bytes.len()) {
            (b'R', 2..) => Some(Self::Record { payload: bytes.get(1..)? }),
            (b'A', TAIL_HEAD_BYTES) => {
                Some(Self::Attached(Attach { after_seq: seq_of(bytes)?, hash: hash_of(bytes)? }))
            }
            (b'P', TAIL_HEAD_BYTES) => {
                Some(Self::Proof(Proof { seq: seq_of(bytes)?, hash: hash_of(bytes)? }))
            }
            (b'F', 9) => Some(Self::Forked { seq: seq_of(bytes)? }),
            (b'T', 9) => Some(Self::TakeOver { seq: seq_of(bytes)? }),
            _ => None,
        }
    }
}

/// Why a standby cannot go on from where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A record is missing.
    Gap { is: u64, want: u64 },
    /// Leader and standby hold different states after the same record.
    Diverged { seq: u64 },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap { is, want } => {
                write!(f, "cannot follow: record {is} came where {want} is due; attach again")
            }
            Self::Diverged { seq } => write!(
                f,
                "cannot follow: leader and standby differ after record {seq}; set the standby's journal aside and start it anew"
            ),
        }
    }
}

/// What a standby knows of its place.
#[derive(Debug, Clone, Default)]
pub struct Follower {
    applied: u64,
    asked: Option<Attach>,
    attached: bool,
    own: VecDeque<Proof>,
    leaders: VecDeque<Proof>,
    proven: u64,
}

impl Follower {
    /// A standby whose journal holds everything up to `applied`.
    pub fn new(applied: u64) -> Self {
        Self { applied, ..Self::default() }
    }

    /// The last record applied.
    pub const fn applied(&self) -> u64 {
        self.applied
    }

    /// The last record after which both states were seen to be equal.
    pub const fn proven(&self) -> u64 {
        self.proven
    }

    /// Asks to be served from where it is; `hash` is that of its last record, zeros where it has none.
    pub fn ask(&mut self, hash: [u8; 32]) -> Attach {
        let attach = Attach { after_seq: self.applied, hash };
        self.asked = Some(attach);
        attach
    }

    /// Takes the leader's consent. One to an earlier request counts for nothing.
    pub fn attached(&mut self, to: Attach) {
        self.attached |= self.asked == Some(to);
    }

    /// Whether the leader has consented.
    pub const fn is_attached(&self) -> bool {
        self.attached
    }

    /// The leader is gone, or another process by now: nothing counts until it consents anew.
    pub fn detached(&mut self) {
        (self.asked, self.attached) = (None, false);
    }

    /// Whether this record is the next. `Ok(false)` for one that is here already, or that nobody asked for.
    ///
    /// # Errors
    /// One before it is missing.
    pub fn takes(&mut self, seq: u64) -> Result<bool, Refusal> {
        if !self.attached && !planted(Bug::FollowsWithoutConsent) {
            return Ok(false);
        }
        let want = self.applied + 1;
        if seq < want {
            return Ok(false);
        }
        if seq > want {
            return Err(Refusal::Gap { is: seq, want });
        }
        self.applied = seq;
        Ok(true)
    }

    /// The hash of the standby's own state after a record.
    ///
    /// # Errors
    /// The leader had another there.
    pub fn own_proof(&mut self, proof: Proof) -> Result<(), Refusal> {
        keep(&mut self.own, proof);
        self.compare()
    }

    /// The hash of the leader's state after a record, which may not have come yet.
    ///
    /// # Errors
    /// The standby had another there.
    pub fn leaders_proof(&mut self, proof: Proof) -> Result<(), Refusal> {
        keep(&mut self.leaders, proof);
        self.compare()
    }

    fn compare(&mut self) -> Result<(), Refusal> {
        while let (Some(own), Some(leaders)) = (self.own.front(), self.leaders.front()) {
            if own.seq < leaders.seq {
                self.own.pop_front();
            } else if leaders.seq < own.seq {
                self.leaders.pop_front();
            } else {
                if own.hash != leaders.hash {
                    return Err(Refusal::Diverged { seq: own.seq });
                }
                self.proven = own.seq;
                self.own.pop_front();
                self.leaders.pop_front();
            }
        }
        Ok(())
    }
}

fn keep(proofs: &mut VecDeque<Proof>, proof: Proof) {
    if proofs.len() >= PROOFS_KEPT_MAX {
        proofs.pop_front();
    }
    proofs.push_back(proof);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_are_taken_in_order_and_a_gap_is_named() {
        let mut follower = Follower::new(3);
        let asked = follower.ask([1; 32]);
        assert_eq!(follower.takes(4), Ok(false), "sent to an earlier life");
        follower.attached(Attach { after_seq: 2, ..asked });
        assert_eq!(follower.takes(4), Ok(false), "consent to an earlier request");
        follower.attached(asked);
        assert_eq!(follower.takes(4), Ok(true));
        assert_eq!(follower.takes(4), Ok(false));
        assert_eq!(follower.takes(6), Err(Refusal::Gap { is: 6, want: 5 }));
        assert_eq!(follower.applied(), 4);
        follower.detached();
        assert_eq!(follower.takes(5), Ok(false));
    }

    #[test]
    fn proofs_meet_in_either_order_and_a_difference_is_named() {
        let proof = |seq, byte| Proof { seq, hash: [byte; 32] };
        let mut follower = Follower::new(0);
        assert_eq!(follower.leaders_proof(proof(64, 1)), Ok(()));
        assert_eq!(follower.own_proof(proof(64, 1)), Ok(()));
        assert_eq!(follower.proven(), 64);
        assert_eq!(follower.own_proof(proof(128, 2)), Ok(()));
        assert_eq!(follower.leaders_proof(proof(128, 3)), Err(Refusal::Diverged { seq: 128 }));
        for seq in 0..1_000 {
            let _ = follower.own_proof(proof(1_000 + seq, 0));
        }
        assert!(follower.own.len() <= PROOFS_KEPT_MAX);
    }

    #[test]
    fn only_a_journal_that_holds_the_same_record_is_continued() {
        let attach = Attach { after_seq: 5, hash: record_hash(b"five") };
        assert!(attach.continues(Some(b"five")));
        assert!(!attach.continues(Some(b"FIVE")) && !attach.continues(None));
        assert!(Attach { after_seq: 0, hash: [0; 32] }.continues(None));
    }

    proptest! {
        #[test]
        fn messages_read_back_and_other_bytes_are_refused(seq: u64, hash: [u8; 32], payload in prop::collection::vec(any::<u8>(), 1..80)) {
            for sent in [ToLeader::Attach(Attach { after_seq: seq, hash }), ToLeader::Safe { seq }] {
                prop_assert_eq!(ToLeader::decode(&sent.encode()), Some(sent));
                prop_assert_eq!(ToLeader::decode(&sent.encode()[..8]), None);
            }
            let record = ToFollower::Record { payload: &payload };
            for sent in [record, ToFollower::Attached(Attach { after_seq: seq, hash }), ToFollower::Proof(Proof { seq, hash }), ToFollower::Forked { seq }, ToFollower::TakeOver { seq }] {
                let bytes = sent.encode();
                prop_assert_eq!(ToFollower::decode(&bytes), Some(sent));
            }
            prop_assert_eq!(ToFollower::decode(b"X"), None);
            prop_assert_eq!(ToFollower::decode(b"R"), None);
        }
    }
}
