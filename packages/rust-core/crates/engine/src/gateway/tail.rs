//! The journal's tail: each follower asks for what comes after a sequence and is sent the journal from there on.

use super::limits::{TAIL_PEERS_MAX, TAIL_PER_TURN_MAX};
use crate::Fault;
use crate::recorder::PRINCIPAL;
use std::collections::BTreeMap;
use tidegate_bus::ends::{LinkInput, LinkServer, LinkServerConfig, PeerId};
use tidegate_bus::link::{LinkEvent, LinkState};
use tidegate_journal::Journal;
use tidegate_wire::envelope;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::envelope::Payload;

/// The topic a follower asks for.
pub const TOPIC: &str = "gateway.journal";

/// Serves the journal to its followers.
#[derive(Debug)]
pub struct Tail {
    pub server: LinkServer,
    /// Last record each follower was sent.
    sent: BTreeMap<PeerId, u64>,
    pub records: u64,
    pub refused: u64,
}

impl Tail {
    pub fn bind(context: &zmq::Context, url: &str, epoch: u32) -> Result<Self, Fault> {
        let mut config = LinkServerConfig::new(url, "tail", epoch);
        config.peers_max = TAIL_PEERS_MAX;
        Ok(Self { server: LinkServer::bind(context, config)?, sent: BTreeMap::new(), records: 0, refused: 0 })
    }

    /// Takes requests, sends what is new, keeps the links alive. Returns the halts the recorder asked for: it may stop new risk
    /// when it cannot record any more, and nothing else; whether it was heard it reads in the journal.
    pub fn turn(&mut self, now: u64, journal: &mut Journal) -> Result<Vec<ControlEvent>, Fault> {
        let mut halts = Vec::new();
        let mut taken = 0;
        while taken < super::limits::INPUTS_PER_TURN_MAX {
            let Some(input) = self.server.recv(now)? else { break };
            taken += 1;
            match input {
                LinkInput::Data { peer, seq, payload, .. } => {
                    let asked = envelope::decode_checked(payload).map(|e| e.payload);
                    let recorder = self.server.identity(peer) == Some(PRINCIPAL);
                    match asked {
                        Ok(Some(Payload::SnapshotRequest(request))) if request.topic == TOPIC => {
                            self.sent.insert(peer, request.after_seq);
                        }
                        Ok(Some(Payload::ControlEvent(event)))
                            if recorder
                                && event.action() == ControlAction::Halt
                                && event.principal == PRINCIPAL =>
                        {
                            halts.push(event);
                        }
                        _ => self.refused += 1,
                    }
                    self.server.ack(peer, seq);
                }
                // A follower that starts anew asks anew.
                LinkInput::Event {
                    peer,
                    event: LinkEvent::PeerRestarted { .. } | LinkEvent::PeerClosed { .. },
                } => {
                    self.sent.remove(&peer);
                }
                LinkInput::Event { .. } => {}
            }
        }
        let followers: Vec<(PeerId, u64)> = self.sent.iter().map(|(peer, seq)| (*peer, *seq)).collect();
        for (peer, after) in followers {
            self.feed(now, peer, after, journal)?;
        }
        self.server.tick(now)?;
        Ok(halts)
    }

    fn feed(&mut self, now: u64, peer: PeerId, after: u64, journal: &mut Journal) -> Result<(), Fault> {
        let Some(link) = self.server.link(peer) else { return Ok(()) };
        let room = if link.state() == LinkState::Synced { link.credits() } else { 0 };
        let max = room.min(TAIL_PER_TURN_MAX);
        if max == 0 || after >= journal.committed_seq() {
            return Ok(());
        }
        let (server, sent, records) = (&mut self.server, &mut self.sent, &mut self.records);
        let mut stopped = false;
        journal.read_from(after, max, |record| {
            stopped = stopped || server.send(now, peer, record.payload).is_err();
            if !stopped {
                sent.insert(peer, record.seq);
                *records += 1;
            }
        })?;
        Ok(())
    }

    /// Records the slowest follower has not been sent; `None` where nobody follows.
    pub fn lag(&self, committed: u64) -> Option<u64> {
        self.sent.values().map(|seq| committed.saturating_sub(*seq)).max()
    }
}
