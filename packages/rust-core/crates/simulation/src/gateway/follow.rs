//! The tail: a leader feeds its standby, a standby follows its leader.

use super::*;

impl World {
    /// Feeds the standby, or follows the leader.
    pub(super) fn gw_tail(&mut self, g: usize, node: &mut GwNode) {
        let now = self.mono();
        if let Some(seq) = node.srv_ack.take() {
            node.tail_srv.ack(seq);
        }
        if let Some(seq) = node.cli_ack.take() {
            node.tail_cli.ack(seq);
        }
        if let Some(after) = node.fed
            && node.core.leads()
        {
            self.gw_feed(g, node, after);
        }
        if node.active {
            return;
        }
        let synced = node.tail_cli.state() == LinkState::Synced;
        if synced && now >= node.attach_at {
            node.attach_at = now + 500 * MS;
            let applied = node.follower.applied();
            let mut hash = [0; 32];
            if applied > 0 {
                let read =
                    node.journal.read_from(applied - 1, 1, |record| hash = record_hash(record.payload));
                if read.is_err() {
                    return;
                }
            }
            let ask = ToLeader::Attach(node.follower.ask(hash));
            let _ = node.tail_cli.send(now, &ask.encode());
        }
    }

    pub(super) fn gw_feed(&mut self, g: usize, node: &mut GwNode, after: u64) {
        let now = self.mono();
        let max = node.tail_srv.credits().min(FEED_PER_TURN);
        if node.tail_srv.state() != LinkState::Synced || max < 4 {
            return;
        }
        let mut sent = after;
        if after < node.committed {
            let (journal, link, proofs) = (&mut node.journal, &mut node.tail_srv, &mut node.proofs);
            let mut stopped = false;
            let read = journal.read_from(after, max / 2, |record| {
                stopped = stopped
                    || link.send(now, &ToFollower::Record { payload: record.payload }.encode()).is_err();
                if stopped {
                    return;
                }
                sent = record.seq;
                while proofs.front().is_some_and(|proof| proof.seq < sent) {
                    proofs.pop_front();
                }
                if let Some(proof) = proofs.front().copied().filter(|proof| proof.seq == sent) {
                    proofs.pop_front();
                    let _ = link.send(now, &ToFollower::Proof(proof).encode());
                }
            });
            if let Err(fault) = read {
                self.truth.violate("I3", self.now, format!("gateway {g} cannot read its own tail: {fault}"));
            }
        }
        node.fed = Some(sent);
        if node.hand_over && !node.core.leads() {
            node.hand_over = false;
        }
    }

    pub(super) fn gw_from_follower(
        &mut self,
        g: usize,
        node: &mut GwNode,
        payload: &[u8],
    ) -> Result<(), u64> {
        if !node.core.leads() {
            return Ok(());
        }
        match ToLeader::decode(payload) {
            Some(ToLeader::Attach(attach)) => {
                let mut own = None;
                if attach.after_seq > 0 && attach.after_seq <= node.committed {
                    let read = node
                        .journal
                        .read_from(attach.after_seq - 1, 1, |record| own = Some(record.payload.to_vec()));
                    if read.is_err() {
                        return Ok(());
                    }
                }
                // One that does not hear the answer asks again, and is answered again, also where its journal is empty.
                if attach.continues(own.as_deref()) {
                    if node.tail_srv.send(self.now, &ToFollower::Attached(attach).encode()).is_ok() {
                        node.fed = Some(attach.after_seq);
                        // It may hold less than it once did: its word counts anew.
                        node.release.standby(None, node.committed);
                    }
                } else {
                    self.note(|| format!("the standby of gateway {g} has forked at {}", attach.after_seq));
                    let _ =
                        node.tail_srv.send(self.now, &ToFollower::Forked { seq: attach.after_seq }.encode());
                }
            }
            Some(ToLeader::Safe { seq }) if node.fed.is_some() => {
                node.release.standby(Some(seq), node.committed);
            }
            Some(ToLeader::Safe { .. }) | None => {}
        }
        Ok(())
    }

    pub(super) fn gw_follow(&mut self, g: usize, node: &mut GwNode, payload: &[u8]) -> Result<(), u64> {
        if node.active {
            return Ok(());
        }
        let Some(message) = ToFollower::decode(payload) else { return Ok(()) };
        if node.follower.is_attached() {
            node.attach_at = self.mono() + 1_500 * MS;
        }
        match message {
            ToFollower::Record { payload } => {
                let Ok(record) = envelope::decode(payload) else {
                    self.truth.violate("I13", self.now, "the leader sent no record".into());
                    return Ok(());
                };
                match node.follower.takes(record.log_seq) {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(_) => {
                        node.attach_at = 0;
                        return Ok(());
                    }
                }
                if let Err(fault) = node.core.recover(&record) {
                    self.truth.violate("I13", self.now, format!("standby {g} cannot fold: {fault}"));
                    return Err(50 * MS);
                }
                self.mirrored(node, &record, false);
                self.gw[g].chained(payload);
                let mono = self.mono();
                if node.journal.append(KIND_ENVELOPE, payload, mono, record.ts_recv_ns).is_err() {
                    return Err(self.disk_failed(g));
                }
                if planted(Bug::ReplicaAckEarly)
                    || record.log_seq.is_multiple_of(4)
                    || self.gw[g].inbox.is_empty()
                {
                    if !planted(Bug::ReplicaAckEarly) {
                        match node.journal.commit() {
                            Ok(seq) => {
                                if seq > node.committed {
                                    self.gw[g].commit_first = node.committed + 1;
                                }
                                node.committed = seq;
                            }
                            Err(_) => return Err(self.disk_failed(g)),
                        }
                    }
                    let seq = record.log_seq;
                    // What is promised to the leader counts as acted on.
                    self.gw[g].released = self.gw[g].released.max(seq);
                    let _ = node.tail_cli.send(mono, &ToLeader::Safe { seq }.encode());
                }
            }
            ToFollower::Attached(attach) => node.follower.attached(attach),
            ToFollower::Proof(proof) => {
                let own = Proof { seq: node.follower.applied(), hash: node.core.state().hash() };
                if own.seq == proof.seq {
                    let same = node.follower.own_proof(own).and_then(|()| node.follower.leaders_proof(proof));
                    if let Err(refusal) = same {
                        self.truth.violate("I13", self.now, format!("standby {g}: {refusal}"));
                    }
                }
            }
            ToFollower::Forked { seq } if seq == 0 || seq != node.follower.applied() => {}
            ToFollower::Forked { .. } => {
                self.gw_fresh(g);
                return Err(30 * MS);
            }
            ToFollower::TakeOver { seq } => {
                if node.follower.applied() == seq {
                    self.gw_lead(g, node, Input::TakeOver)?;
                }
            }
        }
        Ok(())
    }
}
