//! After the commit: what may leave, and the links.

use super::*;

impl World {
    pub fn gw_finish(&mut self, g: usize, life: u64) {
        if self.gw[g].life != life {
            return;
        }
        if self.gw[g].paused_until > self.now {
            let wait = self.gw[g].paused_until - self.now;
            self.after(wait, Ev::GwFinish(g, life));
            return;
        }
        self.gw[g].busy = false;
        if self.dies(g, 10) {
            return;
        }
        let Some(mut node) = self.gw[g].node.take() else { return };
        let now = self.mono();
        let upto = node.release.upto(now, node.committed);
        let died = !self.gw_release(g, &mut node, upto);
        if !died {
            self.gw_links(g, &mut node);
        }
        self.gw[g].node = Some(node);
        if died {
            self.inject(Fault::F1);
            let wait = self.chance.range(5 * MS, 1_500 * MS);
            return self.gw_crash(g, wait);
        }
        if self.dies(g, 12) || self.dies(g, 13) {
            return;
        }
        if !self.gw[g].inbox.is_empty() {
            self.gw_wake(g);
        }
    }

    /// Sends what may leave. False when the process dies half-way.
    pub(super) fn gw_release(&mut self, g: usize, node: &mut GwNode, upto: u64) -> bool {
        if planted(Bug::SendBeforeCommit) && upto == u64::MAX {
            let early: Vec<Effect> =
                node.out.iter().filter(|e| e.to == Destination::Router).cloned().collect();
            for effect in early {
                self.gw_send(g, node, &effect);
            }
            return true;
        }
        let mut decided = Vec::new();
        while node.waiting.front().is_some_and(|effect| !effect.journal || effect.envelope.log_seq <= upto) {
            decided.extend(node.waiting.pop_front());
        }
        let tells = node.may_tell(self.mono());
        let mut sent = 0;
        for effect in node.held.pass(tells, decided, Effect::is_told) {
            if planted(Bug::SendBeforeCommit) && effect.to == Destination::Router {
                continue;
            }
            if effect.to != Destination::Nobody {
                sent += 1;
                if sent > 1 && self.gw[g].fail_at == Some(11) {
                    return false;
                }
                self.gw_send(g, node, &effect);
            }
        }
        if node.held.len() > OUTBOX_MAX {
            let text = format!("gateway {g} keeps {} messages to strategies back", node.held.len());
            self.truth.violate("I12", self.now, text);
        }
        true
    }

    pub(super) fn gw_send(&mut self, g: usize, node: &mut GwNode, effect: &Effect) {
        let now = self.mono();
        let seq = effect.envelope.log_seq;
        if effect.journal {
            if seq > node.committed {
                let text = format!("record {seq} leaves gateway {g} and only {} is safe", node.committed);
                self.truth.violate("I4", self.now, text);
            }
            self.gw[g].released = self.gw[g].released.max(seq);
        }
        if effect.is_told() {
            self.speaks_by_right(g, node);
        }
        match effect.to {
            Destination::Nobody => {}
            Destination::Router => {
                if node.outbox.len() >= OUTBOX_MAX {
                    self.truth.violate(
                        "I12",
                        self.now,
                        format!("gateway {g} has {OUTBOX_MAX} commands waiting"),
                    );
                    return;
                }
                node.outbox.push_back(envelope::encode(&effect.envelope));
            }
            Destination::Strategy(id) => {
                if let Some(Payload::IntentReply(reply)) = &effect.envelope.payload
                    && let Some(intent) = reply.intent_id
                {
                    let said = &mut self.gw[g].said;
                    said.insert(IntentId::from_halves(intent.hi, intent.lo), node.core.state().epoch());
                    if said.len() > SAID_MAX {
                        said.pop_first();
                    }
                }
                self.gw_tell(node, now, id, &effect.envelope);
            }
            Destination::EveryStrategy => {
                for s in 0..node.intents.len() {
                    self.gw_tell(node, now, StrategyId(s as u32 + 1), &effect.envelope);
                }
            }
        }
    }

    /// A leader speaks while its lease is certain or the router named it in answer to a question of a moment ago: however long it
    /// was stopped, and whatever lay in its queues or was sent again since.
    fn speaks_by_right(&mut self, g: usize, node: &GwNode) {
        let now = self.mono();
        if node.core.leads() && !node.lease_fresh(now) && !node.named_lately(now) {
            let text = format!("gateway {g} speaks as leader without lease and without the router's word");
            self.truth.violate("I5", self.now, text);
        }
    }

    pub(super) fn gw_tell(&mut self, node: &mut GwNode, now: u64, to: StrategyId, message: &Envelope) {
        let at = (to.0 as usize).wrapping_sub(1);
        let Some(link) = node.intents.get_mut(at) else { return };
        if link.send(now, &envelope::encode(message)).is_err() {
            node.tell_all[at] = true;
        }
    }

    pub(super) fn gw_links(&mut self, g: usize, node: &mut GwNode) {
        let now = self.mono();
        while let Some(bytes) = node.outbox.front() {
            if node.cmd.send(now, bytes).is_err() {
                break;
            }
            node.outbox.pop_front();
        }
        if let Some(seq) = node.report_ack.take() {
            node.cmd.ack(seq);
        }
        for s in 0..node.intents.len() {
            if let Some(seq) = node.intent_acks[s].take() {
                node.intents[s].ack(seq);
            }
            if node.tell_all[s] && node.core.leads() && node.may_tell(now) {
                let snapshot = node.core.snapshot(StrategyId(s as u32 + 1), self.gw_now(g, node));
                let link = &mut node.intents[s];
                if link.state() == LinkState::Synced && link.credits() >= snapshot.len() {
                    node.tell_all[s] = false;
                    for message in snapshot {
                        let _ = link.send(now, &envelope::encode(&message));
                    }
                }
            }
        }
        self.gw_tail(g, node);
        let ends: Vec<u8> = [port::CMD_GW, port::TAIL_SRV, port::TAIL_CLI]
            .iter()
            .map(|base| base + g as u8)
            .chain((0..node.intents.len()).map(|s| port::INT_GW + g as u8 * 4 + s as u8))
            .collect();
        for end in ends {
            let mut frames = Vec::new();
            if let Some(link) = node.link(end) {
                link.poll(now, &mut |frame| {
                    frames.push(frame.to_vec());
                    true
                });
            }
            for frame in frames {
                self.send(end, frame);
            }
        }
    }
}
