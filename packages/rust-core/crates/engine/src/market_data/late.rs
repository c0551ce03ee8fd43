//! For who comes late or wants less: the state of a stream on request, and conflated streams.
//!
//! A consumer sends `SnapshotRequest {topic}` over the link `snapshot`. For `md.<venue>.<instrument>.{top,depth,status}.` the answer
//! is the newest message of that stream with `log_seq` = its sequence there: what follows on the stream is newer, so nothing is missed and
//! nothing applied twice. For `mdc.<venue>.<instrument>.{top,depth}.` the conflated stream begins (and the answer is the state to begin
//! from): at most one message each [`super::limits::CONFLATE_NS`], the newest; its topic is the mark.

use super::limits::{CONFLATE_NS, CONFLATED_MAX};
use std::collections::BTreeMap;
use tidegate_bus::ends::{LinkInput, LinkServer, LinkServerConfig, StreamPub, TopicId};
use tidegate_wire::envelope;
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::marketdata::v1::{BookState, InstrumentStatus};
use tidegate_wire::topic::{MdKind, parse_md_topic};

use super::kind_index;
use crate::{Fault, clock};

struct Conflated {
    feed: usize,
    kind: MdKind,
    topic: TopicId,
    sent_at: u64,
    dirty: bool,
}

/// What each stream said last, and who wants it.
pub struct Late {
    server: Option<LinkServer>,
    last: Vec<[Vec<u8>; 4]>,
    conflated: BTreeMap<String, Conflated>,
    /// Instruments by (venue, instrument) as topics name them.
    by_id: BTreeMap<(u32, u32), usize>,
    pub answered: u64,
    pub refused: u64,
}

impl Late {
    /// Listens at `endpoint`; without one nothing is kept and nobody is answered.
    ///
    /// # Errors
    /// The endpoint is refused or taken.
    pub fn new(
        context: &zmq::Context,
        endpoint: Option<&str>,
        epoch: u32,
        ids: &[(u32, u32)],
    ) -> Result<Self, Fault> {
        let server = endpoint
            .map(|e| LinkServer::bind(context, LinkServerConfig::new(e, "snapshot", epoch)))
            .transpose()?;
        Ok(Self {
            server,
            last: ids.iter().map(|_| Default::default()).collect(),
            conflated: BTreeMap::new(),
            by_id: ids.iter().enumerate().map(|(at, id)| (*id, at)).collect(),
            answered: 0,
            refused: 0,
        })
    }

    /// One message went out on a stream.
    pub fn published(&mut self, feed: usize, kind: MdKind, payload: &[u8]) {
        if self.server.is_none() || kind == MdKind::Trade {
            return;
        }
        if let Some(slot) = self.last.get_mut(feed).and_then(|kinds| kinds.get_mut(kind_index(kind))) {
            slot.clear();
            slot.extend_from_slice(payload);
        }
        for own in self.conflated.values_mut().filter(|c| c.feed == feed && c.kind == kind) {
            own.dirty = true;
        }
    }

    pub fn poll_item(&self) -> Option<zmq::PollItem<'_>> {
        self.server.as_ref().map(LinkServer::poll_item)
    }

    pub fn has_waiting(&self) -> bool {
        self.server.as_ref().is_some_and(LinkServer::has_waiting)
    }

    /// One turn: answers what was asked, sends what is due.
    ///
    /// # Errors
    /// The link or the streams are broken.
    pub fn turn(&mut self, publisher: &mut StreamPub, topics: &[[TopicId; 4]]) -> Result<(), Fault> {
        let now = clock::mono_ns();
        let mut asked = Vec::new();
        let Some(server) = self.server.as_mut() else { return Ok(()) };
        server.pump(now, |input| {
            if let LinkInput::Data { peer, seq, payload, .. } = input {
                let topic = match envelope::decode(payload).map(|e| e.payload) {
                    Ok(Some(Payload::SnapshotRequest(request))) => Some(request.topic),
                    _ => None,
                };
                asked.push((peer, seq, topic));
            }
        })?;
        for (peer, seq, topic) in asked {
            let answer = topic.as_deref().and_then(|topic| self.answer(topic, publisher, topics));
            let Some(server) = self.server.as_mut() else { return Ok(()) };
            server.ack(peer, seq);
            match answer {
                Some(answer) => {
                    self.answered += 1;
                    // A consumer whose window is full asks again; nothing waits for it here.
                    let _ = server.send(now, peer, &answer);
                }
                None => self.refused += 1,
            }
        }
        for own in self.conflated.values_mut() {
            let due = own.dirty && now.saturating_sub(own.sent_at) >= CONFLATE_NS;
            let payload = self.last.get(own.feed).and_then(|kinds| kinds.get(kind_index(own.kind)));
            if let (true, Some(payload)) = (due, payload.filter(|p| !p.is_empty())) {
                publisher.publish(now, own.topic, payload)?;
                own.sent_at = now;
                own.dirty = false;
            }
        }
        if let Some(server) = self.server.as_mut() {
            server.tick(now)?;
        }
        Ok(())
    }

    fn answer(&mut self, topic: &str, publisher: &mut StreamPub, topics: &[[TopicId; 4]]) -> Option<Vec<u8>> {
        let plain = topic.strip_prefix("mdc.").map(|rest| format!("md.{rest}"));
        let (venue, instrument, kind) = parse_md_topic(plain.as_deref().unwrap_or(topic))?;
        let feed = *self.by_id.get(&(venue, instrument))?;
        if kind == MdKind::Trade {
            return None;
        }
        let stream = *topics.get(feed)?.get(kind_index(kind))?;
        let mut seq = publisher.last_seq(stream);
        if plain.is_some() {
            if kind == MdKind::Status
                || (!self.conflated.contains_key(topic) && self.conflated.len() == CONFLATED_MAX)
            {
                return None;
            }
            let own = publisher.topic(topic).ok()?;
            seq = publisher.last_seq(own);
            let fresh = Conflated { feed, kind, topic: own, sent_at: 0, dirty: true };
            self.conflated.entry(topic.to_string()).or_insert(fresh);
        }
        let last = self.last.get(feed)?.get(kind_index(kind))?;
        if last.is_empty() {
            let status = InstrumentStatus {
                instrument_id: instrument,
                venue_id: venue,
                state: BookState::Syncing as i32,
                reason: "nothing published yet".into(),
                ts_recv_ns: clock::epoch_ns(),
                ..InstrumentStatus::default()
            };
            let nothing = Envelope {
                schema_version: 1,
                source: Source::MarketData as i32,
                ts_recv_ns: clock::epoch_ns(),
                payload: Some(Payload::InstrumentStatus(status)),
                ..Envelope::default()
            };
            return Some(envelope::encode(&nothing));
        }
        let mut state = envelope::decode(last).ok()?;
        state.log_seq = seq;
        Some(envelope::encode(&state))
    }

    /// The process stops.
    pub fn close(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.bye();
            let _ = server.tick(clock::mono_ns());
            server.close();
        }
    }
}
