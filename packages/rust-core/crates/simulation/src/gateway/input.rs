//! What comes in, and what leadership makes of it.

use super::*;

impl World {
    pub(super) fn gw_take(&mut self, g: usize, node: &mut GwNode, input: GwInput) -> Result<(), u64> {
        let now = self.mono();
        match input {
            GwInput::Frame(at, bytes) => {
                let Some(link) = node.link(at) else { return Ok(()) };
                let payload = match link.on_frame(now, &bytes) {
                    Received::Data { seq, payload, .. } => Some((seq, payload.to_vec())),
                    Received::Nothing => None,
                };
                self.gw_link_events(g, node, at)?;
                match payload {
                    Some((seq, payload)) => self.gw_message(g, node, at, seq, &payload),
                    None => Ok(()),
                }
            }
            GwInput::Closed(at) => {
                if let Some(link) = node.link(at) {
                    link.disconnected();
                }
                self.gw_link_events(g, node, at)
            }
            GwInput::Lease(reply) => {
                if let Some(sent) = node.lease_sent.remove(&reply.token) {
                    if reply.ours {
                        node.lease_proof = node.lease_proof.max(Some(sent));
                    } else if node.lease_proof.is_none_or(|proof| sent >= proof) {
                        node.lease_proof = None;
                    }
                }
                self.gw_lead(g, node, Input::Lease(reply))
            }
            GwInput::Control(event) => self.gw_apply(g, node, Event::Control(event)),
            GwInput::Touch { instrument, bid, ask, valid } => {
                let px = match (bid, ask) {
                    (Some(bid), Some(ask)) => Some((bid + ask).div_euclid(2)),
                    (one, other) => one.or(other),
                };
                match px.filter(|px| valid && *px > 0) {
                    Some(px) => drop(node.touches.insert(instrument, (px, now))),
                    None => drop(node.touches.remove(&instrument)),
                }
                let ts_ns = self.wall(0);
                let event = Event::Reference {
                    instrument: InstrumentId(instrument),
                    bid_px_ticks: bid,
                    ask_px_ticks: ask,
                    valid,
                    ts_ns,
                };
                self.gw_apply(g, node, event)
            }
            GwInput::FeedLost { instrument } => {
                node.touches.remove(&instrument);
                self.gw_apply(g, node, Event::FeedLost { instrument: InstrumentId(instrument) })
            }
            GwInput::HandOver => {
                let ready = node.core.leads() && node.release.replica() == Some(node.committed);
                if ready {
                    self.gw_lead(g, node, Input::HandOver)?;
                    let seq = node.core.state().log_seq();
                    let _ = node.tail_srv.send(now, &ToFollower::TakeOver { seq }.encode());
                    self.note(|| format!("gateway {g} hands over at {seq}"));
                }
                Ok(())
            }
        }
    }

    /// The router's word about who leads.
    fn gw_beat(&mut self, g: usize, node: &mut GwNode, beat: Beat) -> Result<(), u64> {
        let now = self.mono();
        node.beat = Some(beat);
        node.named_ns =
            (beat.holder == node.holder).then_some(node.named_ns.max(Some(beat.asked_ns))).flatten();
        if beat.holder != node.holder && beat.leader_alive {
            if node.active && !node.core.leads() && now - node.lonely_since > 1_500 * MS {
                // Another leads: a process that has written its own records starts anew as a standby.
                return Err(30 * MS);
            }
        } else {
            node.lonely_since = now;
        }
        if node.core.leads() {
            node.lonely_since = now;
        }
        self.gw_lead(g, node, Input::Beat(beat))
    }

    /// One input of leadership, and what it leads to.
    pub(super) fn gw_lead(&mut self, g: usize, node: &mut GwNode, input: Input) -> Result<(), u64> {
        let (mono, wall) = (self.mono(), self.wall(self.gw[g].wall_off_ns));
        let mut out = Vec::new();
        node.node.apply(mono, wall, input, &mut out);
        if node.lease_fresh(mono) || !node.core.leads() {
            node.bare_since = mono;
        }
        for output in out {
            match output {
                Output::Store(request) => {
                    while node.lease_sent.len() >= 16 {
                        node.lease_sent.pop_first();
                    }
                    node.lease_sent.insert(request.token, mono);
                    self.ask_store(g, request);
                }
                Output::Ask(question) => drop(node.cmd.send(mono, &question.encode())),
                Output::Candidacy(allowed) => {
                    if allowed && !node.active {
                        node.active = true;
                        node.lonely_since = mono;
                        self.note(|| format!("gateway {g} asks for leadership"));
                        self.gw_apply(g, node, Event::Start)?;
                    }
                    let epoch = node.beat.map_or(0, |beat| beat.epoch);
                    self.gw_apply(g, node, Event::Candidacy { allowed, epoch })?;
                }
                Output::NewOrders(allowed) => self.gw_apply(g, node, Event::NewOrders { allowed })?,
                Output::StepDown => self.gw_apply(g, node, Event::StepDown)?,
                Output::Skewed(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn gw_link_events(&mut self, g: usize, node: &mut GwNode, at: u8) -> Result<(), u64> {
        while let Some(event) = node.link(at).and_then(Link::next_event) {
            match (at, event) {
                (0..2, LinkEvent::PeerRestarted { .. }) => node.router_restarted = true,
                (0..2, LinkEvent::State { to: LinkState::Synced, .. }) => {
                    let restarted = node.router_restarted || !node.router_known;
                    (node.router_known, node.router_restarted) = (true, false);
                    if restarted {
                        node.outbox.clear();
                    }
                    self.gw_apply(g, node, Event::RouterCredits(node.room()))?;
                    self.gw_apply(g, node, Event::RouterUp { restarted })?;
                }
                (0..2, LinkEvent::State { to: LinkState::Connecting | LinkState::Stale, .. }) => {
                    self.gw_apply(g, node, Event::RouterDown)?;
                }
                (4..6, LinkEvent::PeerRestarted { .. } | LinkEvent::State { to: LinkState::Stale, .. }) => {
                    node.fed = None;
                    node.release.standby(None, node.committed);
                }
                (6..8, LinkEvent::PeerRestarted { .. }) => {
                    node.attach_at = 0;
                    node.follower.detached();
                }
                (8..16, LinkEvent::State { to: LinkState::Synced, .. }) => {
                    node.tell_all[usize::from((at - port::INT_GW) % 4)] = true;
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn gw_message(
        &mut self,
        g: usize,
        node: &mut GwNode,
        at: u8,
        seq: u64,
        payload: &[u8],
    ) -> Result<(), u64> {
        match at {
            0..2 => {
                node.report_ack = Some(seq);
                if let Some(beat) = Beat::decode(payload) {
                    return self.gw_beat(g, node, beat);
                }
                match envelope::decode_checked(payload).map(|e| e.payload) {
                    Ok(Some(Payload::Report(report)))
                        if !(node.gate.is_open()
                            || (report.kind() == ReportKind::Fenced && report.holder == node.holder)) =>
                    {
                        Ok(())
                    }
                    Ok(Some(Payload::Report(report))) => {
                        if report.kind() == ReportKind::Fenced && report.holder == node.holder {
                            self.note(|| format!("gateway {g} is fenced"));
                        }
                        self.gw_apply(g, node, Event::Report { trace: Trace::default(), report })
                    }
                    Ok(Some(Payload::Command(command))) if command.kind() == CommandKind::Grant => {
                        node.gate.granted(command.holder);
                        Ok(())
                    }
                    Ok(Some(Payload::Command(_))) if !node.gate.is_open() => Ok(()),
                    Ok(Some(Payload::Command(command))) => {
                        self.gw_apply(g, node, Event::Adopt { trace: Trace::default(), command })
                    }
                    other => {
                        self.truth.violate("I1", self.now, format!("the router sent {other:?}"));
                        Ok(())
                    }
                }
            }
            4..6 => {
                node.srv_ack = Some(seq);
                self.gw_from_follower(g, node, payload)
            }
            6..8 => {
                node.cli_ack = Some(seq);
                self.gw_follow(g, node, payload)
            }
            _ => {
                let s = usize::from((at - port::INT_GW) % 4);
                node.intent_acks[s] = Some(seq);
                self.gw_intent(g, node, StrategyId(s as u32 + 1), payload)
            }
        }
    }

    pub(super) fn gw_intent(
        &mut self,
        g: usize,
        node: &mut GwNode,
        principal: StrategyId,
        payload: &[u8],
    ) -> Result<(), u64> {
        let decoded = envelope::decode(payload).ok();
        let Some(Payload::Intent(intent)) = decoded.as_ref().and_then(|e| e.payload.clone()) else {
            return Ok(());
        };
        let trace = Trace::default();
        let event = if envelope::decode_checked(payload).is_err() {
            let id = intent.intent_id.map_or(tidegate_units::IntentId(0), |id| {
                tidegate_units::IntentId::from_halves(id.hi, id.lo)
            });
            Event::MalformedIntent { principal, trace, intent_id: id }
        } else {
            Event::Intent { principal, trace, intent }
        };
        let cancel = intent.kind() == IntentKind::Cancel;
        let from = node.out.len();
        self.gw_apply(g, node, event)?;
        if cancel && node.core.leads() {
            self.cancel_flows(g, node, from);
        }
        Ok(())
    }

    /// A cancel of an order that lives is refused by nothing but the want of a leader, a journal or a way to the router.
    pub(super) fn cancel_flows(&mut self, g: usize, node: &GwNode, from: usize) {
        use tidegate_wire::pb::orders::v1::Reason;
        for effect in &node.out[from..] {
            let Some(Payload::IntentReply(reply)) = &effect.envelope.payload else { continue };
            let latch = matches!(reply.reason(), Reason::Killed | Reason::Halt | Reason::MessageRate);
            if latch && !reply.repeated {
                let text = format!("gateway {g} refuses a cancel with {}", reply.reason().as_str_name());
                self.truth.violate("I6", self.now, text);
            }
        }
    }
}
