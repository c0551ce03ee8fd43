//! Birth, recovery and death of a gateway process.

use super::*;

impl World {
    pub fn gw_boot(&mut self, g: usize) {
        if self.gw[g].node.is_some() {
            return;
        }
        let config = self.journal_config();
        self.gw[g].life += 1;
        self.gw[g].session += 1;
        self.gw[g].disk.released();
        if self.opts.lying_disk {
            self.gw[g].disk.set_lies();
        }
        let opened = Journal::open_on(self.gw[g].disk.mount(), config);
        if self.gw[g].disk.take_killed() || self.gw[g].disk.take_failed() {
            self.after(20 * MS, Ev::GwBoot(g));
            return;
        }
        match opened {
            Ok((journal, recovery)) => {
                let (released, damaged) = (self.gw[g].released, self.gw[g].damaged);
                if recovery.last_seq < released && !damaged {
                    let text = format!(
                        "gateway {g} restarts with record {} and had acted on record {released}",
                        recovery.last_seq
                    );
                    self.truth.violate("I3", self.now, text);
                }
                if recovery.last_seq + 1 < self.gw[g].commit_first {
                    let text = format!(
                        "gateway {g} ends its journal at {} as if torn, and record {} began a later commit",
                        recovery.last_seq, self.gw[g].commit_first
                    );
                    self.truth.violate("I3", self.now, text);
                }
                self.gw[g].released = released.min(recovery.last_seq);
                self.gw_begin(g, journal);
            }
            Err(JournalFault::Damaged { path, offset, what }) => {
                if !self.gw[g].damaged {
                    let text = format!("gateway {g} refuses its own journal: {path} at {offset}: {what}");
                    self.truth.violate("I3", self.now, text);
                }
                self.note(|| format!("gateway {g} sets its journal aside: {what}"));
                self.gw_fresh(g);
                self.after(50 * MS, Ev::GwBoot(g));
            }
            Err(fault) => {
                self.truth.violate("I3", self.now, format!("gateway {g} cannot open its journal: {fault}"));
            }
        }
    }

    pub(super) fn gw_fresh(&mut self, g: usize) {
        let host = &mut self.gw[g];
        host.disk = Self::fresh_disk();
        (host.released, host.damaged, host.commit_first) = (0, false, 1);
        host.chain.clear();
        host.old = None;
    }

    pub(super) fn gw_begin(&mut self, g: usize, journal: Journal<Mount>) {
        let holder = self.rng.draw().max(1);
        let bounds = Bounds { outcomes_max: self.opts.outcomes_max, fill_keys_max: 1 << 16 };
        let core = Gateway::with_bounds(self.table.clone(), self.limits.clone(), holder, bounds);
        let identity = Identity { build: self.gw[g].build, ..self.identity };
        let (session, window) = (self.gw[g].session, self.opts.link_window);
        let rule = if self.opts.replicated { ReleaseRule::OwnAndReplica } else { ReleaseRule::Own };
        let at = g as u8;
        let strategies = self.opts.strategies;
        let mut node = Box::new(GwNode {
            core,
            node: Node::new(NodeConfig::new(holder, identity)),
            mirror: Mirror::default(),
            release: Release::new(rule),
            cmd: link(port::CMD_GW + at, session, window),
            tail_srv: link(port::TAIL_SRV + at, session, window),
            tail_cli: link(port::TAIL_CLI + at, session, window),
            intents: (0..strategies)
                .map(|s| link(port::INT_GW + at * 4 + s as u8, session, window))
                .collect(),
            out: Vec::new(),
            waiting: VecDeque::new(),
            held: Held::default(),
            outbox: VecDeque::new(),
            follower: Follower::new(journal.last_seq()),
            active: false,
            holder,
            gate: Gate::new(holder),
            attach_at: 0,
            fed: None,
            proofs: VecDeque::new(),
            proof_at: 0,
            router_known: false,
            router_restarted: false,
            report_ack: None,
            intent_acks: vec![None; strategies],
            srv_ack: None,
            cli_ack: None,
            tell_all: vec![false; strategies],
            wall_ns: 0,
            ticked_ns: 0,
            touches: BTreeMap::new(),
            lonely_since: self.now,
            hand_over: false,
            lease_sent: BTreeMap::new(),
            lease_proof: None,
            beat: None,
            named_ns: None,
            bare_since: 0,
            led: false,
            committed: journal.last_seq(),
            journal,
        });
        self.gw_recover(g, &mut node);
        let allowed = false;
        let now = self.gw_now(g, &node);
        let mut out = Vec::new();
        let _ = node.core.apply(now, Event::Candidacy { allowed, epoch: 0 }, &mut out);
        self.note(|| format!("gateway {g} starts with {} records", node.committed));
        let host = &mut self.gw[g];
        host.damaged = false;
        host.inbox.clear();
        (host.scheduled, host.busy, host.fail_at) = (false, false, None);
        host.node = Some(node);
        self.gw_wake(g);
    }

    pub(super) fn gw_recover(&mut self, g: usize, node: &mut GwNode) {
        let last = node.journal.last_seq();
        let known = std::mem::take(&mut self.gw[g].chain);
        let mut records = Vec::new();
        let read = node.journal.read_from(0, usize::MAX, |record| records.push(record.payload.to_vec()));
        if let Err(fault) = read {
            self.truth.violate("I3", self.now, format!("gateway {g} cannot read its journal: {fault}"));
        }
        if records.len() as u64 != last {
            let text = format!("gateway {g} reads {} records of {last}", records.len());
            self.truth.violate("I3", self.now, text);
        }
        for (at, payload) in records.iter().enumerate() {
            self.gw[g].chained(payload);
            if known.get(at).is_some_and(|want| Some(want) != self.gw[g].chain.last()) {
                let text = format!("gateway {g} accepts record {} though it was altered", at + 1);
                self.truth.violate("I8", self.now, text);
            }
            match envelope::decode(payload) {
                Ok(record) => {
                    if let Err(fault) = node.core.recover(&record) {
                        self.truth.violate("I13", self.now, format!("gateway {g} cannot fold: {fault}"));
                        return;
                    }
                    self.mirrored(node, &record, false);
                }
                Err(refusal) => {
                    self.truth.violate("I8", self.now, format!("record {} is none: {refusal}", at + 1));
                    return;
                }
            }
        }
        let hash = node.core.state().hash();
        self.mark(u64::from_le_bytes([
            hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7],
        ]));
    }

    /// The process dies; it starts again after `restart_ns`.
    pub fn gw_crash(&mut self, g: usize, restart_ns: u64) {
        let host = &mut self.gw[g];
        if host.node.take().is_none() {
            return;
        }
        host.life += 1;
        host.inbox.clear();
        (host.scheduled, host.busy, host.fail_at) = (false, false, None);
        host.paused_until = 0;
        host.disk.released();
        self.note(|| format!("gateway {g} dies"));
        self.closed(g);
        self.after(restart_ns, Ev::GwBoot(g));
    }

    /// Whether the process dies at this step.
    pub(super) fn dies(&mut self, g: usize, step: u8) -> bool {
        if self.gw[g].fail_at != Some(step) || self.healed {
            return false;
        }
        self.inject(Fault::F1);
        let wait = self.chance.range(5 * MS, 1_500 * MS);
        self.gw_crash(g, wait);
        true
    }

    pub(super) fn gw_now(&self, g: usize, node: &GwNode) -> Now {
        Now { mono_ns: self.mono(), epoch_ns: self.wall(self.gw[g].wall_off_ns).max(node.wall_ns) }
    }
}
