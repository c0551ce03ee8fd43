//! Effects carried out: journal, commit, the wire, the reports.

use super::*;

impl World {
    pub(super) fn rt_apply(&mut self, node: &mut RtNode, event: Event) -> Result<(), u64> {
        let mut effects = Vec::new();
        let now = self.rt_now();
        node.router.apply(now, event, &mut effects);
        self.rt_carry_out(node, effects)
    }

    /// Journal, commit, write, then what the writing caused.
    pub(super) fn rt_carry_out(&mut self, node: &mut RtNode, mut effects: Vec<Effect>) -> Result<(), u64> {
        for _ in 0..ROUNDS_MAX {
            if effects.is_empty() {
                return Ok(());
            }
            let mut sends = Vec::new();
            let (mono, epoch_ns) = (self.mono(), self.rt_now().epoch_ns);
            let mut appended = false;
            for effect in effects.drain(..) {
                match effect {
                    Effect::Journal(entry) => {
                        let seq = node.entries.len() as u64 + 1;
                        let bytes = encode(&entry, seq, epoch_ns);
                        if node.journal.append(KIND_ENVELOPE, &bytes, mono, epoch_ns) != Ok(seq) {
                            return Err(self.rt_disk_failed());
                        }
                        self.rt_noted(node, &entry, &bytes);
                        node.entries.push(entry);
                        appended = true;
                    }
                    Effect::Send(request) => sends.push(request),
                    Effect::Deliver { after_report_seq } => {
                        if let Some(g) = node.from {
                            let last = |entry: &Entry| matches!(entry, Entry::Report(report) if report.report_seq <= after_report_seq);
                            let at = node.entries.iter().rposition(last).map_or(0, |at| at + 1);
                            let grant = node.entries.iter().rposition(|entry| {
                                matches!(entry, Entry::Command { command, .. } if command.kind() == CommandKind::Grant)
                            });
                            node.answering =
                                grant.map(|at| encode(&node.entries[at], at as u64 + 1, epoch_ns));
                            node.cursor = Some((g, at));
                            node.copies_before = node.entries.len();
                        }
                    }
                    Effect::Note { .. } | Effect::Letter(_) => {}
                }
            }
            self.rt_fails(1)?;
            if appended && node.journal.commit().is_err() && !planted(Bug::RetryAfterEio) {
                return Err(self.rt_disk_failed());
            }
            if self.opts.tier == Tier::T2 && !sends.is_empty() && self.rt.disk.dirty() > 0 {
                self.truth.violate("I4", self.now, "the router writes before its journal is safe".into());
            }
            self.rt_grants(node);
            self.rt_fails(2)?;
            let mut wrote = false;
            for request in sends {
                if wrote {
                    self.rt_fails(3)?;
                }
                wrote = true;
                let token = request.token;
                self.rt_write(node, request);
                let now = self.rt_now();
                let event = Event::Written { token, wire_mono_ns: now.mono_ns };
                node.router.apply(now, event, &mut effects);
            }
            if wrote {
                self.rt_fails(4)?;
            }
        }
        self.truth.violate("I12", self.now, "the router core makes effects without end".into());
        Ok(())
    }

    pub(super) fn rt_disk_failed(&mut self) -> u64 {
        if self.rt.disk.take_killed() {
            self.inject(Fault::F2);
        }
        self.rt.disk.take_failed();
        self.chance.range(20 * MS, 600 * MS)
    }

    /// A refusal of somebody who does not lead is told to him: the stream of reports is the leader's.
    pub(super) fn rt_noted(&mut self, node: &mut RtNode, entry: &Entry, bytes: &[u8]) {
        if let Entry::Report(report) = entry
            && report.kind() == ReportKind::Fenced
            && let Some(g) = node.from
            && node.cursor.is_none_or(|(to, _)| to != g)
        {
            node.fences.push((g, bytes.to_vec()));
        }
    }

    pub(super) fn rt_grants(&mut self, node: &RtNode) {
        if let Some((epoch, holder)) = node.router.leader() {
            let known = self.truth.grants.get(&epoch).copied();
            if known.is_some_and(|other| other != holder) {
                let text = format!("epoch {epoch} is granted to two holders");
                self.truth.violate("I5", self.now, text);
            }
            if let Some((max, _)) = self.truth.leader()
                && epoch < max
            {
                let text = format!("the router leads epoch {epoch} again after {max}");
                self.truth.violate("I5", self.now, text);
            }
            self.truth.grants.insert(epoch, holder);
        }
    }

    /// The bytes leave.
    pub(super) fn rt_write(&mut self, node: &mut RtNode, request: Request) {
        if let What::Place { command, ts_ns } = &request.what {
            self.rt_sends(node, command);
            let intent = intent_of(command);
            self.truth.in_flight.entry(intent).or_default().push(ts_ns + RECV_WINDOW_NS);
            node.places.insert(request.token, request.clone());
            while node.places.len() > 256 {
                node.places.pop_first();
            }
        }
        let connection = node.connection.unwrap_or(0);
        let mut delay = 100_000 + self.net.exponential(self.opts.venue_delay_ns);
        if !self.healed && self.net.chance(self.opts.answer_lost_ppm / 4) {
            self.inject(Fault::F23);
            delay += self.net.range(500 * MS, 4_000 * MS);
        }
        self.after(delay, Ev::VenueRequest { connection, request: Box::new(request) });
    }

    /// The last instruction before the wire is held against the grants, the latch, and the journal.
    pub(super) fn rt_sends(&mut self, node: &RtNode, command: &Command) {
        let leader = self.truth.leader();
        if leader != Some((command.gateway_epoch, command.holder)) {
            let text = format!(
                "the router writes an order of epoch {} while {leader:?} leads",
                command.gateway_epoch
            );
            self.truth.violate("I5", self.now, text);
        }
        if self.rt.latched {
            self.truth.violate("I6", self.now, "the router writes an order under its own kill latch".into());
        }
        let journalled = node.entries.iter().rev().any(|entry| {
            matches!(entry, Entry::Command { command: c, .. } if c.client_order_id == command.client_order_id)
        });
        if !journalled {
            let text =
                format!("the router writes {} and its journal does not have it", command.client_order_id);
            self.truth.violate("I4", self.now, text);
        }
        let intent = intent_of(command);
        if client_order_id(intent.0, 0, command.generation) != command.client_order_id {
            let text = format!("{intent:?} goes out as {}, which a retry would not", command.client_order_id);
            self.truth.violate("I1", self.now, text);
        }
        if !self.truth.decided.contains(&intent) {
            let text = format!("{intent:?} is on the wire and was never safe in a gateway's journal");
            self.truth.violate("I4", self.now, text);
        }
    }

    pub(super) fn rt_deliver(&mut self, node: &mut RtNode) {
        let now = self.mono();
        for (g, bytes) in std::mem::take(&mut node.fences) {
            let _ = node.links[g].send(now, &bytes);
        }
        let epoch_ns = self.rt_now().epoch_ns;
        for _ in 0..DELIVER_PER_TURN {
            let Some((g, at)) = node.cursor else { return };
            if let Some(grant) = node.answering.as_ref() {
                if node.links[g].send(now, grant).is_err() {
                    return;
                }
                node.answering = None;
            }
            let Some(entry) = node.entries.get(at) else { return };
            let wanted = match entry {
                Entry::Report(report) => {
                    self.rt.reported = self.rt.reported.max(report.report_seq);
                    true
                }
                Entry::Command { command, .. } => {
                    at < node.copies_before
                        && matches!(command.kind(), CommandKind::New | CommandKind::Cancel)
                }
            };
            if wanted {
                let bytes = encode(entry, at as u64 + 1, epoch_ns);
                if node.links[g].send(now, &bytes).is_err() {
                    return;
                }
            }
            node.cursor = Some((g, at + 1));
        }
        if node.cursor.is_some_and(|(_, at)| at < node.entries.len()) {
            self.rt_wake();
        }
    }
}
