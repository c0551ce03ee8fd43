//! The gateways of the account: which of them leads, what they are told about it, and what a new leader must take over.

use super::limits::{ADOPTABLE_BYTES_MAX, ADOPTABLE_MAX, BEAT_NS, GRACE_NS};
use std::collections::{BTreeMap, VecDeque};
use tidegate_bus::ends::PeerId;
use tidegate_instruments::Table;
use tidegate_leadership::{Beat, Identity, Question};
use tidegate_wire::pb::orders::v1::{Command, CommandKind};

/// What both sides of the command link are built from.
pub fn identity(table: &Table) -> Identity {
    let first = |hash: &[u8]| hash.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Identity {
        build: first(blake3::hash(env!("CARGO_PKG_VERSION").as_bytes()).as_bytes()),
        schema: 2,
        config: first(table.hash()),
    }
}

/// A command that was journalled when `report_seq` was the last report.
#[derive(Debug)]
struct Told {
    report_seq: u64,
    bytes: Vec<u8>,
}

/// The state of the pair at the router.
#[derive(Debug)]
pub struct Gateways {
    identity: Identity,
    leader: Option<PeerId>,
    started_ns: u64,
    beat_ns: u64,
    due: bool,
    /// The time in the last question of each gateway; one entry for each link.
    asked: BTreeMap<PeerId, u64>,
    /// New orders and cancels, newest last: what a leader may have sent and its standby not seen.
    recent: VecDeque<Told>,
    bytes: usize,
    adopt: VecDeque<Vec<u8>>,
}

impl Gateways {
    pub fn new(table: &Table, now_ns: u64) -> Self {
        Self {
            identity: identity(table),
            leader: None,
            started_ns: now_ns,
            beat_ns: 0,
            due: true,
            asked: BTreeMap::new(),
            recent: VecDeque::new(),
            bytes: 0,
            adopt: VecDeque::new(),
        }
    }

    /// The link of the gateway that leads, once it has said so to this process.
    pub const fn leader(&self) -> Option<PeerId> {
        self.leader
    }

    pub fn leads(&self, peer: PeerId) -> bool {
        self.leader == Some(peer)
    }

    /// The leader's process is another one now.
    pub fn gone(&mut self) {
        self.adopt.clear();
        self.due = true;
    }

    /// A beat is due at the next turn.
    pub fn beat_due(&mut self) {
        self.due = true;
    }

    /// A gateway asks who leads: it is answered at the next turn.
    pub fn asked(&mut self, peer: PeerId, question: Question) {
        self.asked.insert(peer, question.asked_ns);
        self.due = true;
    }

    /// The word as it goes to one gateway.
    pub fn told_to(&self, peer: PeerId, beat: Beat) -> Beat {
        Beat { asked_ns: self.asked.get(&peer).copied().unwrap_or(0), ..beat }
    }

    /// A gateway leads from now on. One that is another than before, and has seen the reports up to `takes_over`, is told
    /// what the last one sent after them.
    ///
    /// A leader records a command before it sends it, and a report after it got it. So whoever holds report n in its copy of
    /// the leader's journal holds every command this router had before it made report n.
    pub fn granted(&mut self, peer: PeerId, takes_over: Option<u64>) {
        self.leader = Some(peer);
        self.due = true;
        self.adopt.clear();
        if let Some(seen) = takes_over {
            let after = self.recent.iter().filter(|told| told.report_seq >= seen);
            self.adopt.extend(after.map(|told| told.bytes.clone()));
        }
    }

    /// Remembers a journalled command.
    pub fn told(&mut self, command: &Command, report_seq: u64, bytes: &[u8]) {
        use CommandKind::{Amend, Cancel, ForceFlat, New};
        if !matches!(command.kind(), New | ForceFlat | Cancel | Amend) {
            return;
        }
        self.bytes += bytes.len();
        self.recent.push_back(Told { report_seq, bytes: bytes.to_vec() });
        while self.recent.len() > ADOPTABLE_MAX || self.bytes > ADOPTABLE_BYTES_MAX {
            let Some(oldest) = self.recent.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
        }
    }

    /// The next command the new leader must take over.
    pub fn next_to_adopt(&self) -> Option<&Vec<u8>> {
        self.adopt.front()
    }

    pub fn adopted(&mut self) {
        self.adopt.pop_front();
    }

    /// The beat that is due. `alive` is whether the leader's link is in step, unknown before it has spoken to this process.
    pub fn beat(&mut self, now_ns: u64, leader: Option<(u32, u64)>, alive: Option<bool>) -> Option<Beat> {
        if !self.due && now_ns.saturating_sub(self.beat_ns) < BEAT_NS {
            return None;
        }
        (self.due, self.beat_ns) = (false, now_ns);
        let (epoch, holder) = leader.unwrap_or_default();
        // After a start of this process the leader needs a moment to find it again.
        let grace = now_ns.saturating_sub(self.started_ns) < GRACE_NS;
        Some(Beat {
            epoch,
            holder,
            leader_alive: epoch != 0 && alive.unwrap_or(grace),
            identity: self.identity,
            asked_ns: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateways() -> Gateways {
        Gateways {
            identity: Identity::default(),
            leader: None,
            started_ns: 1_000,
            beat_ns: 0,
            due: false,
            asked: BTreeMap::new(),
            recent: VecDeque::new(),
            bytes: 0,
            adopt: VecDeque::new(),
        }
    }

    fn command(kind: CommandKind) -> Command {
        Command { kind: kind.into(), ..Command::default() }
    }

    #[test]
    fn b082_a_new_leader_is_told_what_its_copy_of_the_journal_cannot_hold() {
        let mut g = gateways();
        for (n, seq) in [(1_u8, 0), (2, 4), (3, 5), (4, 6)] {
            g.told(&command(CommandKind::New), seq, &[n]);
        }
        g.told(&command(CommandKind::Grant), 6, &[9]);
        g.granted(PeerId(1), Some(5));
        let mut seen = Vec::new();
        while let Some(bytes) = g.next_to_adopt() {
            seen.push(bytes.clone());
            g.adopted();
        }
        assert_eq!(seen, [vec![3], vec![4]]);
        g.granted(PeerId(1), None);
        assert!(g.next_to_adopt().is_none(), "the same process holds its own journal");
    }

    #[test]
    fn commands_kept_are_bounded() {
        let mut g = gateways();
        for n in 0..ADOPTABLE_MAX as u64 + 10 {
            g.told(&command(CommandKind::Cancel), n, &[0; 8]);
        }
        assert_eq!((g.recent.len(), g.bytes), (ADOPTABLE_MAX, ADOPTABLE_MAX * 8));
        g.told(&command(CommandKind::New), 0, &vec![0; ADOPTABLE_BYTES_MAX]);
        assert_eq!(g.recent.len(), 1);
    }

    #[test]
    fn beats_come_each_period_and_at_once_after_a_change_and_a_leader_has_a_moment_to_come_back() {
        let mut g = gateways();
        let leader = Some((3, 7));
        assert!(g.beat(2_000, leader, None).is_none());
        g.beat_due();
        assert!(g.beat(2_000, leader, None).unwrap().leader_alive, "it may come back");
        assert!(g.beat(2_001, leader, None).is_none());
        assert!(!g.beat(1_000 + GRACE_NS, leader, None).unwrap().leader_alive);
        g.beat_due();
        assert!(!g.beat(2_003, leader, Some(false)).unwrap().leader_alive);
        g.beat_due();
        assert!(!g.beat(2_004, None, None).unwrap().leader_alive, "nobody was granted yet");
    }

    #[test]
    fn a21_each_gateway_is_told_the_time_of_its_own_question_and_is_answered_at_once() {
        let mut g = gateways();
        g.beat_ns = 2_000;
        let leader = Some((3, 9));
        assert!(g.beat(2_001, leader, Some(true)).is_none(), "none is due");
        g.asked(PeerId(1), Question { asked_ns: 70 });
        g.asked(PeerId(1), Question { asked_ns: 80 });
        let beat = g.beat(2_002, leader, Some(true)).unwrap();
        assert_eq!(g.told_to(PeerId(1), beat), Beat { asked_ns: 80, ..beat });
        assert_eq!(g.told_to(PeerId(2), beat).asked_ns, 0, "it has not asked");
    }
}
