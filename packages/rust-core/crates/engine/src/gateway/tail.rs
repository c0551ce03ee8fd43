//! The journal's tail: each follower asks for what comes after a sequence and is sent the journal from there on.
//!
//! A recorder asks by topic and is sent bare records. A standby attaches: its last record must be the one that stands here at
//! the same place, and it is sent proofs of the state between the records.

use super::JOURNAL;
use super::limits::{PROOFS_MAX, TAIL_PEERS_MAX, TAIL_PER_TURN_MAX};
use crate::Fault;
use crate::recorder::PRINCIPAL;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use tidegate_bus::ends::{LinkInput, LinkServer, LinkServerConfig, PeerId};
use tidegate_bus::link::{LinkEvent, LinkState};
use tidegate_journal::Reader;
use tidegate_leadership::{Attach, Proof, ToFollower, ToLeader};
use tidegate_wire::envelope;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::envelope::Payload;

/// The topic a follower asks for.
pub const TOPIC: &str = "gateway.journal";

/// How far one follower has been served.
#[derive(Debug, Clone, Copy)]
struct Place {
    sent: u64,
    /// Records it has made safe, where it is a standby.
    safe: Option<u64>,
}

/// Serves the journal to its followers.
#[derive(Debug)]
pub struct Tail {
    pub server: LinkServer,
    places: BTreeMap<PeerId, Place>,
    /// States a standby has yet to be shown, oldest first.
    proofs: VecDeque<Proof>,
    /// The record at which a standby is asked to take over.
    take_over: Option<u64>,
    /// Its own way to the files: the writer's is held while it syncs.
    journal: Reader,
    /// A standby has attached since this was last asked.
    attached: bool,
    pub records: u64,
    pub refused: u64,
}

impl Tail {
    pub fn bind(context: &zmq::Context, url: &str, epoch: u32, journal_dir: &Path) -> Result<Self, Fault> {
        let mut config = LinkServerConfig::new(url, "tail", epoch);
        config.peers_max = TAIL_PEERS_MAX;
        Ok(Self {
            server: LinkServer::bind(context, config)?,
            places: BTreeMap::new(),
            proofs: VecDeque::new(),
            take_over: None,
            journal: Reader::open(journal_dir, JOURNAL)?,
            attached: false,
            records: 0,
            refused: 0,
        })
    }

    /// Takes requests, sends what is new, keeps the links alive. Returns the halts the recorder asked for: it may stop new risk
    /// when it cannot record any more, and nothing else; whether it was heard it reads in the journal. Nobody is sent a record
    /// behind `committed`: what lies in the file after it may not survive.
    pub fn turn(&mut self, now: u64, committed: u64) -> Result<Vec<ControlEvent>, Fault> {
        let mut halts = Vec::new();
        let mut taken = 0;
        while taken < super::limits::INPUTS_PER_TURN_MAX {
            let Some(input) = self.server.recv(now)? else { break };
            taken += 1;
            match input {
                LinkInput::Data { peer, seq, payload, .. } => {
                    let standby = ToLeader::decode(payload);
                    let asked =
                        standby.is_none().then(|| envelope::decode_checked(payload).map(|e| e.payload));
                    let recorder = self.server.identity(peer) == Some(PRINCIPAL);
                    match standby {
                        Some(ToLeader::Attach(attach)) => self.attach(now, peer, attach, committed)?,
                        Some(ToLeader::Safe { seq }) => {
                            if let Some(Place { safe: Some(safe), .. }) = self.places.get_mut(&peer) {
                                *safe = seq.max(*safe);
                            }
                        }
                        None => match asked {
                            Some(Ok(Some(Payload::SnapshotRequest(request)))) if request.topic == TOPIC => {
                                self.places.insert(peer, Place { sent: request.after_seq, safe: None });
                            }
                            Some(Ok(Some(Payload::ControlEvent(event))))
                                if recorder
                                    && event.action() == ControlAction::Halt
                                    && event.principal == PRINCIPAL =>
                            {
                                halts.push(event);
                            }
                            _ => self.refused += 1,
                        },
                    }
                    self.server.ack(peer, seq);
                }
                // A follower that starts anew asks anew.
                LinkInput::Event {
                    peer,
                    event: LinkEvent::PeerRestarted { .. } | LinkEvent::PeerClosed { .. },
                } => {
                    self.places.remove(&peer);
                }
                LinkInput::Event { .. } => {}
            }
        }
        for peer in self.places.keys().copied().collect::<Vec<_>>() {
            self.feed(now, peer, committed)?;
        }
        self.server.tick(now)?;
        Ok(halts)
    }

    fn attach(&mut self, now: u64, peer: PeerId, attach: Attach, committed: u64) -> Result<(), Fault> {
        let mut own = None;
        if attach.after_seq > 0 && attach.after_seq <= committed {
            self.journal.read_from(attach.after_seq - 1, 1, |record| own = Some(record.payload.to_vec()))?;
        }
        // One that does not hear the answer asks again.
        if attach.continues(own.as_deref()) {
            if self.server.send(now, peer, &ToFollower::Attached(attach).encode()).is_ok() {
                let place = Place { sent: attach.after_seq, safe: Some(attach.after_seq) };
                self.places.insert(peer, place);
                self.attached = true;
            }
        } else {
            self.places.remove(&peer);
            let _ = self.server.send(now, peer, &ToFollower::Forked { seq: attach.after_seq }.encode());
        }
        Ok(())
    }

    /// The journal begins anew in its place: what was proven of the one before says nothing of it.
    pub fn begin_anew(&mut self, journal_dir: &Path) -> Result<(), Fault> {
        self.proofs.clear();
        self.journal = Reader::open(journal_dir, JOURNAL)?;
        Ok(())
    }

    /// A standby is to be shown this state when it has the record it stands after.
    pub fn prove(&mut self, proof: Proof) {
        if self.proofs.len() >= PROOFS_MAX {
            self.proofs.pop_front();
        }
        self.proofs.push_back(proof);
    }

    /// Asks the standby to take over once it holds everything up to `seq`.
    pub fn ask_to_take_over(&mut self, seq: u64) {
        self.take_over = Some(seq);
    }

    fn feed(&mut self, now: u64, peer: PeerId, committed: u64) -> Result<(), Fault> {
        let Some(link) = self.server.link(peer) else { return Ok(()) };
        let room = if link.state() == LinkState::Synced { link.credits() } else { 0 };
        let Some(Place { sent: after, safe }) = self.places.get(&peer).copied() else { return Ok(()) };
        // One place is left for a proof or the word to take over.
        let mut max = room.saturating_sub(1).min(TAIL_PER_TURN_MAX);
        let proof = self.proofs.iter().find(|proof| safe.is_some() && proof.seq > after).copied();
        if let Some(proof) = proof {
            // A proof follows its own record and no later one.
            max = max.min(usize::try_from(proof.seq - after).unwrap_or(usize::MAX));
        }
        max = max.min(usize::try_from(committed.saturating_sub(after)).unwrap_or(usize::MAX));
        let (server, records) = (&mut self.server, &mut self.records);
        let (mut sent, mut stopped) = (after, false);
        if max > 0 {
            self.journal.read_from(after, max, |record| {
                let bytes: &[u8] = &match safe {
                    Some(_) => ToFollower::Record { payload: record.payload }.encode(),
                    None => record.payload.to_vec(),
                };
                stopped = stopped || server.send(now, peer, bytes).is_err();
                if !stopped {
                    sent = record.seq;
                    *records += 1;
                }
            })?;
        }
        if let Some(proof) = proof.filter(|proof| proof.seq == sent) {
            let _ = server.send(now, peer, &ToFollower::Proof(proof).encode());
        }
        if let Some(seq) = self.take_over.filter(|seq| safe.is_some() && *seq == sent)
            && server.send(now, peer, &ToFollower::TakeOver { seq }.encode()).is_ok()
        {
            self.take_over = None;
        }
        if let Some(place) = self.places.get_mut(&peer) {
            place.sent = sent;
        }
        Ok(())
    }

    /// Records the slowest follower has not been sent; `None` where nobody follows.
    pub fn lag(&self, committed: u64) -> Option<u64> {
        self.places.values().map(|place| committed.saturating_sub(place.sent)).max()
    }

    /// Whether a standby has attached since this was last asked: it may hold less than it once did.
    pub const fn attached_anew(&mut self) -> bool {
        std::mem::replace(&mut self.attached, false)
    }

    /// The last record a standby has made safe; `None` where none is attached.
    pub fn replica(&self) -> Option<u64> {
        self.places.values().filter_map(|place| place.safe).max()
    }
}
