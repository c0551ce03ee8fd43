//! One gateway of a pair: follows the other's journal while that leads, and asks for the lead when nobody else has it.
//!
//! The rules are those of `tidegate_leadership`; here are the sockets, the lease and the journal they act on.

use super::archive::DiskArchive;
use super::config::PairConfig;
use super::lease_file::LeaseFile;
use super::limits::{ATTACH_NS, FOLLOW_PER_TURN_MAX};
use super::{JOURNAL, KIND_ENVELOPE, Shell, behind};
use crate::execution_router::identity;
use crate::{Fault, clock};
use serde_json::{Value, json};
use std::path::PathBuf;
use tidegate_bus::ends::{LinkClient, LinkClientConfig, LinkInput};
use tidegate_bus::link::{LinkEvent, LinkState};
use tidegate_instruments::Table;
use tidegate_journal::{Journal, JournalConfig, Reader, Tier};
use tidegate_leadership::limits::PROOF_EVERY;
use tidegate_leadership::{
    Beat, Follower, Input, LeaseReply, LeaseRequest, Node, NodeConfig, Output, Proof, Refusal, Role, StoreOp,
    ToFollower, ToLeader, record_hash,
};
use tidegate_risk::{Destination, Event};
use tidegate_wire::envelope;
use tidegate_wire::pb::control::v1::ControlEvent;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};

/// What a gateway of a pair has besides one that is alone.
#[derive(Debug)]
pub struct Pair {
    node: Node,
    name: String,
    holder: u64,
    lease: Option<LeaseFile>,
    /// To the other one's journal.
    peer: LinkClient,
    follower: Follower,
    attach_ns: u64,
    beat: Option<Beat>,
    /// Whether the core has paid what its journal owes since it last followed.
    started: bool,
    proven_at: u64,
    journal_dir: PathBuf,
    tier: Tier,
    takeovers: u64,
    set_aside: u64,
    /// Commands decided by a leader that was none any more.
    dropped: u64,
    followed: u64,
    /// A kill was given here while the other leads, and is to be told to the router.
    tells_kill: bool,
    refusal: String,
}

impl Pair {
    pub fn connect(
        context: &zmq::Context,
        config: &PairConfig,
        (holder, epoch): (u64, u32),
        (journal_dir, tier): (PathBuf, Tier),
        table: &Table,
        last_seq: u64,
    ) -> Result<Self, Fault> {
        let identity = identity(table);
        let name = format!("standby:{}", config.node);
        Ok(Self {
            node: Node::new(NodeConfig::new(holder, identity)),
            name: config.node.clone(),
            holder,
            lease: config.lease_file.as_deref().map(LeaseFile::open).transpose()?,
            peer: LinkClient::connect(
                context,
                LinkClientConfig::new(config.peer_tail_url.as_str(), "tail", name, epoch),
            )?,
            follower: Follower::new(last_seq),
            attach_ns: 0,
            beat: None,
            started: false,
            proven_at: last_seq,
            journal_dir,
            tier,
            takeovers: 0,
            set_aside: 0,
            dropped: 0,
            followed: 0,
            tells_kill: false,
            refusal: String::new(),
        })
    }

    pub fn poll_item(&self) -> zmq::PollItem<'_> {
        self.peer.poll_item()
    }

    pub fn has_waiting(&self) -> bool {
        self.peer.has_waiting()
    }

    fn role(&self) -> &'static str {
        match self.node.role() {
            Role::Standby => "STANDBY",
            Role::Candidate => "CANDIDATE",
            Role::Leader => "LEADER",
        }
    }

    /// Another process leads and lives, by the router's last word.
    fn other_leads(&self) -> bool {
        self.beat.is_some_and(|beat| beat.epoch != 0 && beat.holder != self.holder && beat.leader_alive)
    }

    pub fn stats(&self) -> Value {
        json!({
            "node": self.name,
            "role": self.role(),
            "leaseHeld": self.node.lease_held(clock::mono_ns()),
            "mayTell": self.node.may_tell(clock::mono_ns()),
            "attached": self.follower.is_attached(),
            "applied": self.follower.applied(),
            "proven": self.follower.proven(),
            "followed": self.followed,
            "takeovers": self.takeovers,
            "journalsSetAside": self.set_aside,
            "commandsDropped": self.dropped,
            "refusal": self.refusal,
        })
    }
}

impl Shell {
    /// Lets the clock take the lead from a process that was stopped, before it decides anything.
    pub(super) fn pair_tick(&mut self) -> Result<(), Fault> {
        self.inform(clock::mono_ns(), Input::Tick)
    }

    /// Whether what is decided may be told. A leader that was stopped may be none any more and not have heard of it.
    pub(super) fn may_tell(&self, now: u64) -> bool {
        self.pair.as_ref().is_none_or(|pair| !self.core.leads() || pair.node.may_tell(now))
    }

    /// What this pair does in one turn, besides what a gateway that is alone does.
    pub(super) fn pair_turn(&mut self, now: u64) -> Result<(), Fault> {
        if self.pair.is_none() {
            return Ok(());
        }
        self.inform(now, Input::Leads(self.core.leads().then(|| self.core.state().epoch())))?;
        self.inform(now, Input::Tick)?;
        self.follow(now)?;
        self.prove();
        if let Some(pair) = &mut self.pair {
            pair.peer.tick(now)?;
        }
        Ok(())
    }

    /// The router's word about who leads.
    pub(super) fn on_beat(&mut self, now: u64, beat: Beat) -> Result<(), Fault> {
        let Some(pair) = &mut self.pair else { return Ok(()) };
        pair.beat = Some(beat);
        self.inform(now, Input::Beat(beat))
    }

    /// Whether the router speaks to this process as to one that leads or asks to. What comes otherwise was meant for the leader
    /// it was: the one that leads now gets it too, and this one from its journal.
    pub(super) fn heeds_the_router(&self) -> bool {
        self.pair.as_ref().is_none_or(|pair| self.core.leads() || pair.node.role() != Role::Standby)
    }

    /// The store's answer, where the shell keeps the lease; or a wish to hand over.
    pub(super) fn pair_call(&mut self, op: &str, request: &Value) -> Result<Option<Value>, Fault> {
        let now = clock::mono_ns();
        if self.pair.is_none() {
            return Ok(Some(super::refused("this gateway is alone: it has no pair to do that with")));
        }
        if op == "lease" {
            let (token, ours) = (request["token"].as_u64(), request["ours"].as_bool());
            let (Some(token), Some(ours)) = (token, ours) else {
                return Ok(Some(super::refused("a lease answer has a \"token\" and \"ours\"")));
            };
            self.inform(now, Input::Lease(LeaseReply { token, ours }))?;
        } else {
            if !self.core.leads() {
                return Ok(Some(super::refused("this gateway does not lead; ask the other one")));
            }
            self.inform(now, Input::HandOver)?;
        }
        Ok(Some(json!({ "ok": true })))
    }

    /// Lets the other gateway have the lease, and with it the lead, at once.
    pub(super) fn release_lease(&mut self) {
        let now = clock::mono_ns();
        if let Some(Pair { lease: Some(file), holder, .. }) = &mut self.pair {
            file.ask(now, LeaseRequest { token: 0, holder: *holder, op: StoreOp::Release });
        }
    }

    fn inform(&mut self, now: u64, input: Input) -> Result<(), Fault> {
        let mut inputs = vec![input];
        // A lease in a file answers at once.
        while let Some(input) = inputs.pop() {
            let mut outputs = Vec::new();
            let Some(pair) = &mut self.pair else { return Ok(()) };
            let before = pair.node.role();
            pair.node.apply(now, clock::epoch_ns(), input, &mut outputs);
            if before != Role::Leader && pair.node.role() == Role::Leader {
                pair.takeovers += 1;
                pair.follower.detached();
                let epoch = self.core.state().epoch();
                self.hot.log("warn", "leads", json!({ "epoch": epoch }));
                self.tell_all.extend(self.intents.peers().map(|(peer, _, _)| peer));
            }
            for output in outputs {
                if let Some(reply) = self.carry_out(now, output)? {
                    inputs.push(Input::Lease(reply));
                }
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, now: u64, output: Output) -> Result<Option<LeaseReply>, Fault> {
        match output {
            Output::Store(request) => {
                if let Some(Pair { lease: Some(file), .. }) = &mut self.pair {
                    return Ok(file.ask(now, request));
                }
                let (op, ttl_ms) = match request.op {
                    StoreOp::Hold { ttl_ns } => ("hold", ttl_ns / 1_000_000),
                    StoreOp::Release => ("release", 0),
                };
                self.hot.emit(json!({
                    "type": "lease", "op": op, "token": request.token, "ttlMs": ttl_ms,
                    "holder": format!("{:016x}", request.holder),
                }));
            }
            Output::Ask(question) => {
                // What does not get through now is asked anew in a moment.
                let _ = self.command.send(now, &question.encode());
            }
            Output::Candidacy(allowed) => {
                let epoch = self.pair.as_ref().and_then(|pair| pair.beat).map_or(0, |beat| beat.epoch);
                if let Some(pair) = self.pair.as_mut().filter(|_| allowed) {
                    pair.follower.detached();
                    if !std::mem::replace(&mut pair.started, true) {
                        self.apply(Event::Start)?;
                    }
                    // It may lead from the router's next word on, and a kill that only its latch knows is not for that to wait.
                    self.agree_on_kill()?;
                }
                self.apply(Event::Candidacy { allowed, epoch })?;
            }
            Output::NewOrders(allowed) => self.apply(Event::NewOrders { allowed })?,
            Output::StepDown => self.step_down()?,
            Output::Skewed(skew) => self.hot.log("error", &skew.to_string(), json!({})),
        }
        Ok(None)
    }

    /// Leads no longer: because the router names another, or to hand over to the standby.
    fn step_down(&mut self) -> Result<(), Fault> {
        self.apply(Event::StepDown)?;
        // What waited to be told is no answer: strategies ask the one that leads.
        self.held.clear();
        let told = !self.killed() || self.router_latch.acknowledged();
        let Some(pair) = &mut self.pair else { return Ok(()) };
        // A kill that was taken here and never got to the router is still to be told.
        pair.tells_kill |= !told;
        if pair.other_leads() {
            // The router drops this process's commands since; what it still holds of them is of no use.
            pair.dropped += self.outbox.len() as u64;
            self.outbox.clear();
            let undone = self.out.iter_mut().chain(&mut self.waiting);
            for effect in undone.filter(|effect| !effect.turns_away()) {
                effect.to = Destination::Nobody;
            }
            let epoch = pair.beat.map_or(0, |beat| beat.epoch);
            self.hot.log("warn", "deposed: another gateway leads", json!({ "epoch": epoch }));
            return Ok(());
        }
        self.commit_decided()?;
        let seq = self.journal.committed_seq();
        self.hot.log("warn", "hands over", json!({ "seq": seq }));
        self.tail.ask_to_take_over(seq);
        Ok(())
    }

    /// Makes what was decided in this turn this journal's before the turn ends.
    fn commit_decided(&mut self) -> Result<(), Fault> {
        self.commit()?;
        self.out.iter_mut().for_each(|effect| effect.journal = false);
        Ok(())
    }

    /// Takes what the leader's journal has more than this one.
    fn follow(&mut self, now: u64) -> Result<(), Fault> {
        let mut taken = 0;
        while taken < FOLLOW_PER_TURN_MAX {
            let Some(pair) = &mut self.pair else { return Ok(()) };
            let Some(input) = pair.peer.recv(now)? else { break };
            taken += 1;
            match input {
                LinkInput::Data { seq, payload, .. } => {
                    // Copied, so that the link is free for the answer.
                    let payload = payload.to_vec();
                    pair.peer.ack(seq);
                    if !self.core.leads() && pair.node.role() == Role::Standby {
                        self.on_tail(&payload)?;
                    }
                }
                LinkInput::Event { event: LinkEvent::PeerRestarted { .. }, .. } => pair.follower.detached(),
                LinkInput::Event { event: LinkEvent::State { to, .. }, .. } if to != LinkState::Synced => {
                    pair.follower.detached();
                }
                LinkInput::Event { .. } => {}
            }
        }
        self.attach(now)?;
        if taken > 0 && self.pair.as_ref().is_some_and(|pair| pair.follower.is_attached()) {
            self.journal.commit()?;
            let seq = self.journal.committed_seq();
            if let Some(pair) = &mut self.pair {
                // A word that finds no room is said with the next batch.
                let _ = pair.peer.send(now, &ToLeader::Safe { seq }.encode());
            }
        }
        Ok(())
    }

    /// Asks the leader for what this journal lacks.
    fn attach(&mut self, now: u64) -> Result<(), Fault> {
        let Some(pair) = &mut self.pair else { return Ok(()) };
        let wanted = !pair.follower.is_attached()
            && !self.core.leads()
            && pair.node.role() == Role::Standby
            && pair.other_leads()
            && pair.peer.state() == LinkState::Synced
            && now.saturating_sub(pair.attach_ns) >= ATTACH_NS;
        if !wanted {
            return Ok(());
        }
        pair.attach_ns = now;
        // What was decided in this turn shows whether this journal went another way.
        self.commit_decided()?;
        let Some(pair) = &mut self.pair else { return Ok(()) };
        let last = self.journal.last_seq();
        let mut hash = [0; 32];
        if last > 0 {
            let mut own = Reader::open(&pair.journal_dir, JOURNAL)?;
            own.read_from(last - 1, 1, |record| hash = record_hash(record.payload))?;
        }
        if pair.follower.applied() != last {
            pair.follower = Follower::new(last);
        }
        // One that finds no room is asked again.
        let _ = pair.peer.send(now, &ToLeader::Attach(pair.follower.ask(hash)).encode());
        Ok(())
    }

    fn on_tail(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let Some(pair) = &mut self.pair else { return Ok(()) };
        let refusal = match ToFollower::decode(payload) {
            Some(ToFollower::Record { payload }) => {
                let record = match envelope::decode(payload) {
                    Ok(record) => record,
                    Err(refusal) => {
                        return Err(Fault(format!(
                            "cannot follow: a record of the leader is no envelope: {refusal}; run the same version on both"
                        )));
                    }
                };
                match pair.follower.takes(record.log_seq) {
                    Ok(false) => return Ok(()),
                    Ok(true) => {
                        let mono = clock::mono_ns();
                        let write = |buf: &mut Vec<u8>| buf.extend_from_slice(payload);
                        let seq = self.journal.append(KIND_ENVELOPE, mono, record.ts_recv_ns, write)?;
                        if seq != record.log_seq {
                            return Err(Fault(format!(
                                "bug: the journal gave {seq} to the leader's record {}",
                                record.log_seq
                            )));
                        }
                        pair.followed += 1;
                        return self.follow_record(&record);
                    }
                    Err(refusal) => refusal,
                }
            }
            Some(ToFollower::Proof(proof)) => {
                let own = Proof { seq: self.core.state().log_seq(), hash: self.core.state().hash() };
                match pair.follower.own_proof(own).and_then(|()| pair.follower.leaders_proof(proof)) {
                    Ok(()) => return Ok(()),
                    Err(refusal) => refusal,
                }
            }
            Some(ToFollower::TakeOver { seq }) => {
                if pair.follower.applied() == seq {
                    return self.inform(clock::mono_ns(), Input::TakeOver);
                }
                return Ok(());
            }
            Some(ToFollower::Attached(attach)) => {
                pair.follower.attached(attach);
                if pair.follower.is_attached() {
                    pair.started = false;
                    self.hot.log("info", "follows", json!({ "after": attach.after_seq }));
                }
                return Ok(());
            }
            Some(ToFollower::Forked { seq }) => {
                if seq == 0 || seq != self.journal.last_seq() {
                    return Ok(());
                }
                return self.set_aside("the leader's journal has other records");
            }
            None => {
                return Err(Fault(
                    "cannot follow: the leader says what this version does not know; run the same version on both"
                        .into(),
                ));
            }
        };
        pair.refusal = refusal.to_string();
        match refusal {
            Refusal::Gap { .. } => pair.follower.detached(),
            Refusal::Diverged { .. } => return self.set_aside(&refusal.to_string()),
        }
        Ok(())
    }

    /// Folds a record of the leader's. The latch here follows the kill and the lift in it, whatever this journal becomes.
    fn follow_record(&mut self, record: &Envelope) -> Result<(), Fault> {
        let before = self.killed();
        self.core
            .recover(record)
            .map_err(|e| Fault(format!("cannot follow: {e}; run the same version on both")))?;
        if let Some(Payload::ControlEvent(event)) = &record.payload {
            // A lift in a journal that is read again is older than a kill in force.
            let held_ns = self.latch.held().map(|held| held.ts_ns).filter(|held| event.ts_ns > *held);
            let killed = self.killed();
            if killed && !before {
                self.hold(event);
            } else if before
                && !killed
                && let Some(held_ns) = held_ns
                && self.lift()
            {
                self.router_latch.lifted_by_the_leader(held_ns);
            }
        }
        Ok(())
    }

    /// A kill that an operator gave to the one that follows: latched here, told to the router, and by that to the leader,
    /// whose journal gets it.
    pub(super) fn kill_as_standby(&mut self, event: &ControlEvent) {
        self.hold(event);
        self.router_latch.link_up();
        if let Some(pair) = &mut self.pair {
            pair.tells_kill = true;
        }
        self.tell_operator(event);
    }

    /// Whether the kill of this latch was given here and the router has not said that it holds one.
    pub(super) fn standby_tells_of_kill(&mut self) -> bool {
        let acknowledged = self.router_latch.acknowledged();
        self.pair.as_mut().is_some_and(|pair| {
            pair.tells_kill &= !acknowledged;
            pair.tells_kill
        })
    }

    /// The router holds a kill: the leader journals it; here it is latched, in case this one has to lead before.
    pub(super) fn standby_hears_of_kill(&mut self, reason: &str, ts_ns: i64) {
        let event = ControlEvent {
            principal: "execution-router".into(),
            reason: reason.into(),
            ts_ns,
            ..ControlEvent::default()
        };
        self.hold(&event);
    }

    /// The router let go of a kill that two principals lifted at the leader.
    pub(super) fn standby_hears_of_lift(&mut self, kill_ts_ns: i64) {
        if self.latch.held().is_some_and(|held| held.ts_ns == kill_ts_ns) && !self.killed() {
            self.lift();
        }
    }

    /// Keeps this journal beside its place under another name, and begins an empty one to follow the leader with.
    ///
    /// Nothing is lost by it: the router tells a new leader every command it got, and what it did not get has no effect.
    fn set_aside(&mut self, why: &str) -> Result<(), Fault> {
        // What it acknowledges stands under the old numbers.
        self.journal.commit()?;
        self.acknowledge();
        let Some(pair) = &mut self.pair else { return Ok(()) };
        let (dir, tier) = (pair.journal_dir.clone(), pair.tier);
        let kept = dir.with_extension(format!("aside-{}", clock::epoch_ns()));
        std::fs::rename(&dir, &kept).map_err(|e| {
            Fault(format!("cannot set the journal {} aside: {e}; move it away by hand", dir.display()))
        })?;
        let (journal, _) = Journal::open(&dir, JournalConfig::new(JOURNAL, tier))?;
        self.journal = behind(journal, self.placed.as_ref())?;
        self.core.begin_anew(Some(Box::new(DiskArchive::create(&dir.with_extension("outcomes"))?)));
        pair.follower = Follower::default();
        (pair.attach_ns, pair.proven_at) = (0, 0);
        pair.set_aside += 1;
        self.tail.begin_anew(&dir)?;
        self.decided.clear();
        self.held.clear();
        self.waiting.clear();
        self.out.clear();
        self.outbox.clear();
        self.hot.log("warn", "journal set aside", json!({ "why": why, "kept": kept.display().to_string() }));
        self.apply(Event::Candidacy { allowed: false, epoch: 0 })?;
        if self.command.state() == LinkState::Synced {
            self.apply(Event::RouterUp { restarted: false })?;
        }
        Ok(())
    }

    /// Shows the standby this state, now and then.
    fn prove(&mut self) {
        let seq = self.core.state().log_seq();
        let Some(pair) = &mut self.pair else { return };
        if self.core.leads() && seq >= pair.proven_at + PROOF_EVERY {
            pair.proven_at = seq;
            self.tail.prove(Proof { seq, hash: self.core.state().hash() });
        }
    }
}
