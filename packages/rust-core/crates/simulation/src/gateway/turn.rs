//! One turn: what waits is handled, every decision is held against the rules, one commit.

use super::*;

impl World {
    pub fn gw_turn(&mut self, g: usize, life: u64) {
        if self.gw[g].life != life {
            return;
        }
        self.gw[g].scheduled = false;
        if self.gw[g].paused_until > self.now || self.gw[g].busy {
            return;
        }
        if self.dies(g, 0) {
            return;
        }
        let Some(mut node) = self.gw[g].node.take() else { return };
        let alive = self.gw_stage(g, &mut node);
        self.gw[g].node = Some(node);
        match alive {
            Ok(()) => {}
            Err(restart_ns) => return self.gw_crash(g, restart_ns),
        }
        if [1, 2, 9].iter().any(|step| self.dies(g, *step)) {
            return;
        }
        let mut took = 30_000;
        if self.opts.tier == Tier::T2 {
            took += 150_000 + self.net.exponential(60_000);
        }
        if self.gw[g].slow_until > self.now {
            took += self.net.range(100 * MS, 700 * MS);
        }
        let sends = |n: &GwNode| n.waiting.iter().any(|e| e.to == Destination::Router);
        if self.gw[g].node.as_ref().is_some_and(|n| sends(n))
            && let Some(ns) = self.gw[g].pause_before_sending.take()
        {
            self.gw[g].paused_until = self.now + ns;
            self.after(ns, Ev::Resume(g));
        }
        self.gw[g].busy = true;
        self.after(took, Ev::GwFinish(g, life));
    }

    /// Handles what waits and commits. `Err` says that the process ends, and after how long it starts again.
    pub(super) fn gw_stage(&mut self, g: usize, node: &mut GwNode) -> Result<(), u64> {
        // The lease may have run out while the last commit took its time: that is noticed before anything is decided.
        self.gw_lead(g, node, Input::Tick)?;
        for _ in 0..INPUTS_PER_TURN {
            let Some(input) = self.gw[g].inbox.pop_front() else { break };
            self.gw_take(g, node, input)?;
        }
        let now = self.mono();
        if now.saturating_sub(node.ticked_ns) >= TICK_NS {
            node.ticked_ns = now;
            self.gw_apply(g, node, Event::RouterCredits(node.room()))?;
            self.gw_apply(g, node, Event::Tick)?;
            // However long it lives: a repeat of its intent must be known as one.
            let state = node.core.state();
            let forgotten = state.orders().find(|order| !order.terminal() && !state.remembers(order.id));
            if let Some(order) = forgotten {
                let text = format!("gateway {g} has forgotten {:?}, whose order lives", order.id);
                self.truth.violate("I1", self.now, text);
            }
        }
        if planted(Bug::SendBeforeCommit) {
            self.gw_release(g, node, u64::MAX);
        }
        self.gw_commit(g, node)
    }

    pub(super) fn gw_apply(&mut self, g: usize, node: &mut GwNode, event: Event) -> Result<(), u64> {
        if !node.active
            && matches!(
                event,
                Event::Intent { .. } | Event::Control(_) | Event::Report { .. } | Event::Adopt { .. }
            )
        {
            // The journal of a standby is its leader's: nothing is written into it.
            let intent = match &event {
                Event::Intent { principal, .. } => Some(*principal),
                _ => None,
            };
            if intent.is_none() {
                return Ok(());
            }
        }
        let now = self.gw_now(g, node);
        node.wall_ns = now.epoch_ns;
        let from = node.out.len();
        if let Err(fault) = node.core.apply(now, event, &mut node.out) {
            self.truth.violate("I13", self.now, format!("gateway {g} wrote what it cannot fold: {fault}"));
            return Err(50 * MS);
        }
        for at in from..node.out.len() {
            let effect = node.out[at].clone();
            if effect.journal {
                self.gw_decided(g, node, &effect.envelope);
                self.mirrored(node, &effect.envelope, true);
            }
        }
        let state = node.core.state();
        if from < node.out.len()
            && node.core.leads()
            && state.log_seq() >= node.proof_at + self.opts.proof_every
        {
            node.proof_at = state.log_seq();
            if node.fed.is_some() {
                node.proofs.push_back(Proof { seq: state.log_seq(), hash: state.hash() });
            }
        }
        self.after_fills(g, node)?;
        let leads = node.core.leads();
        if leads != node.led {
            node.led = leads;
            if leads {
                node.bare_since = self.mono();
                // Who asked the other one so far is told all there is.
                node.tell_all.fill(true);
                self.note(|| format!("gateway {g} leads epoch {}", node.core.state().epoch()));
            } else {
                node.fed = None;
                node.release.standby(None, node.committed);
                node.falls_silent();
            }
            let epoch = leads.then(|| node.core.state().epoch());
            self.gw_lead(g, node, Input::Leads(epoch))?;
        }
        Ok(())
    }

    /// A fill that nothing was reserved for must have frozen its symbol by the end of its event.
    pub(super) fn after_fills(&mut self, g: usize, node: &mut GwNode) -> Result<(), u64> {
        if let Some(instrument) = node.mirror.must_freeze.take() {
            let frozen = node.core.state().frozen().any(|id| id.0 == instrument);
            node.mirror.frozen.insert(instrument);
            if !frozen {
                let text =
                    format!("gateway {g} booked a fill beyond its order and did not freeze {instrument}");
                self.truth.violate("passive_breach", self.now, text);
            }
        }
        Ok(())
    }

    /// A decision is held against the lease, the grant, the build and the price it was measured by.
    pub(super) fn gw_decided(&mut self, g: usize, node: &GwNode, record: &Envelope) {
        let Some(Payload::Command(command)) = &record.payload else {
            if let Some(Payload::IntentReply(reply)) = &record.payload
                && reply.decision() == Decision::Accepted
                && reply.reference_ts_ns != 0
            {
                self.measured_by(g, node, reply.reference_px_ticks, reply);
            }
            return;
        };
        if command.kind() != CommandKind::New || command.holder != node.holder {
            return;
        }
        let now = self.mono();
        if self.gw[g].build != self.identity.build {
            let text = format!("gateway {g} of build {} decides new orders", self.gw[g].build);
            self.truth.violate("I5", self.now, text);
        }
        if self.truth.grants.get(&command.gateway_epoch) != Some(&node.holder) {
            let text =
                format!("gateway {g} decides in epoch {}, which it was not granted", command.gateway_epoch);
            self.truth.violate("I5", self.now, text);
        }
        let fresh = node.lease_proof.is_some_and(|sent| now - sent <= 400 * MS);
        let confirmed =
            node.named_ns.is_some_and(|asked| now - asked <= 400 * MS) && now - node.bare_since <= 5_020 * MS;
        if !fresh && !confirmed {
            let text = format!("gateway {g} decides a new order without lease and without the router's word");
            self.truth.violate("I5", self.now, text);
        }
    }

    pub(super) fn measured_by(
        &mut self,
        g: usize,
        node: &GwNode,
        px: i64,
        reply: &tidegate_wire::pb::orders::v1::IntentReply,
    ) {
        let now = self.mono();
        let held = node.touches.values().any(|(at_px, at)| *at_px == px && now - at <= 1_000 * MS);
        if !held && !reply.client_order_id.is_empty() {
            let text =
                format!("gateway {g} measured an order by {px}, which is no price it was told of lately");
            self.truth.violate("I2", self.now, text);
        }
    }

    pub(super) fn gw_commit(&mut self, g: usize, node: &mut GwNode) -> Result<(), u64> {
        let mono = self.mono();
        if self.gw[g].fail_at == Some(3) && node.out.len() < 2 {
            self.gw[g].fail_at = Some(4);
        }
        let half = node.out.len() / 2;
        for at in 0..node.out.len() {
            if at == half && at > 0 && self.gw[g].fail_at == Some(3) {
                self.inject(Fault::F1);
                return Err(self.chance.range(5 * MS, 800 * MS));
            }
            let effect = &node.out[at];
            if !effect.journal {
                continue;
            }
            let bytes = envelope::encode(&effect.envelope);
            self.gw[g].chained(&bytes);
            match node.journal.append(KIND_ENVELOPE, &bytes, mono, effect.envelope.ts_recv_ns) {
                Ok(seq) if seq == effect.envelope.log_seq => {}
                Ok(seq) => {
                    let text = format!("the journal gave {seq} to record {}", effect.envelope.log_seq);
                    self.truth.violate("I3", self.now, text);
                }
                Err(_) => return Err(self.disk_failed(g)),
            }
        }
        if self.gw[g].fail_at == Some(4) {
            self.inject(Fault::F1);
            return Err(self.chance.range(5 * MS, 800 * MS));
        }
        match node.journal.commit() {
            Ok(seq) => {
                if seq > node.committed {
                    self.gw[g].commit_first = node.committed + 1;
                }
                node.committed = seq;
                if self.opts.tier == Tier::T2
                    && self.gw[g].disk.dirty() > 0
                    && node.out.iter().any(|e| e.journal)
                {
                    let text =
                        format!("gateway {g} counts record {seq} as safe, and a power cut would take it");
                    self.truth.violate("I4", self.now, text);
                }
            }
            Err(_) if planted(Bug::RetryAfterEio) => {}
            Err(_) => return Err(self.disk_failed(g)),
        }
        if self.gw[g].disk.take_failed() && planted(Bug::RetryAfterEio) {
            node.committed = node.journal.last_seq();
        }
        for effect in &node.out {
            if let Some(Payload::Command(command)) = &effect.envelope.payload
                && command.kind() == CommandKind::New
                && effect.envelope.log_seq <= node.committed
            {
                self.truth.decided.insert(crate::router::intent_of(command));
            }
        }
        node.waiting.extend(node.out.drain(..));
        Ok(())
    }

    /// The disk refused: the process ends and recovers by reading.
    pub(super) fn disk_failed(&mut self, g: usize) -> u64 {
        if self.gw[g].disk.take_killed() {
            self.inject(Fault::F1);
        }
        self.gw[g].disk.take_failed();
        self.chance.range(20 * MS, 800 * MS)
    }
}
