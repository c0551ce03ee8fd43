//! The pure cores of links and streams, for JavaScript ends over zeromq.js: the same rules as the Rust ends.

use crate::convert::{epoch, invalid, seq, seq_number, u32_exact, u64_exact};
use napi::bindgen_prelude::{BigInt, Buffer, Either, Result};
use napi_derive::napi;
use serde_json::{Map, Value, json};
use tidegate_bus::limits::{PUMP_FRAMES_MAX, WINDOW_DEFAULT, WINDOW_MAX};
use tidegate_bus::link::{Link, LinkConfig, LinkEvent, Received};
use tidegate_bus::stream::{Ended, Publisher, Subscriber};
use tidegate_wire::frame::FrameFault;
use tidegate_wire::topic::link_id;

/// One payload in order.
#[napi(object)]
pub struct Delivery {
    pub epoch: u32,
    pub seq: f64,
    pub mono_ns: BigInt,
    pub payload: Buffer,
}

fn delivery(epoch: u32, seq: u64, mono_ns: u64, payload: &[u8]) -> Delivery {
    Delivery { epoch, seq: seq_number(seq), mono_ns: mono_ns.into(), payload: payload.to_vec().into() }
}

fn event_json(event: LinkEvent) -> Value {
    match event {
        LinkEvent::State { from, to } => json!({ "type": "state", "from": from.name(), "to": to.name() }),
        LinkEvent::PeerRestarted { previous_epoch, last_seq, epoch } => json!({
            "type": "peer_restarted", "previousEpoch": previous_epoch, "lastSeq": last_seq, "epoch": epoch
        }),
        LinkEvent::Skipped { epoch, first_seq, last_seq } => {
            json!({ "type": "skipped", "epoch": epoch, "firstSeq": first_seq, "lastSeq": last_seq })
        }
        LinkEvent::PeerClosed { epoch, last_seq } => {
            json!({ "type": "peer_closed", "epoch": epoch, "lastSeq": last_seq })
        }
        LinkEvent::EpochWentBack { known, claimed } => {
            json!({ "type": "epoch_went_back", "known": known, "claimed": claimed })
        }
    }
}

/// One end of a link.
#[napi]
pub struct LinkCore(Link);

#[napi]
impl LinkCore {
    #[napi(constructor, catch_unwind)]
    pub fn new(
        name: String,
        epoch_number: f64,
        window: Option<f64>,
        resume_epoch: Option<f64>,
        resume_seq: Option<f64>,
    ) -> Result<Self> {
        let window = match window {
            None => WINDOW_DEFAULT,
            Some(window) => u32_exact(window, "window")?,
        };
        if !(1..=WINDOW_MAX).contains(&window) {
            return Err(invalid(format!("window {window}: want 1 to {WINDOW_MAX}")));
        }
        let link = Link::new(LinkConfig { link_id: link_id(&name), epoch: epoch(epoch_number)?, window });
        Ok(Self(match (resume_epoch, resume_seq) {
            (None | Some(0.0), _) => link,
            (Some(peer), last) => link.resuming(epoch(peer)?, seq(last.unwrap_or(0.0))?),
        }))
    }

    /// The sequence, or the name of the refusal.
    #[napi(catch_unwind)]
    pub fn send(&mut self, now: BigInt, payload: &[u8]) -> Result<Either<f64, String>> {
        Ok(match self.0.send(u64_exact(&now, "nowNs")?, payload) {
            Ok(sent) => Either::A(seq_number(sent)),
            Err(refusal) => Either::B(refusal.name().into()),
        })
    }

    #[napi(catch_unwind, ts_return_type = "Delivery | null")]
    pub fn on_frame(&mut self, now: BigInt, bytes: &[u8]) -> Result<Option<Delivery>> {
        Ok(match self.0.on_frame(u64_exact(&now, "nowNs")?, bytes) {
            Received::Nothing => None,
            Received::Data { epoch, seq, mono_ns, payload } => Some(delivery(epoch, seq, mono_ns, payload)),
        })
    }

    /// The frames to hand to the lane now.
    #[napi(catch_unwind)]
    pub fn poll(&mut self, now: BigInt, max: Option<f64>) -> Result<Vec<Buffer>> {
        let bound = match max {
            None => PUMP_FRAMES_MAX,
            Some(max) => (u32_exact(max, "max")? as usize).min(PUMP_FRAMES_MAX),
        };
        let mut frames = Vec::new();
        self.0.poll(u64_exact(&now, "nowNs")?, &mut |frame| {
            let room = frames.len() < bound;
            if room {
                frames.push(frame.to_vec().into());
            }
            room
        });
        Ok(frames)
    }

    #[napi(catch_unwind)]
    pub fn ack(&mut self, last: f64) -> Result<()> {
        self.0.ack(seq(last)?);
        Ok(())
    }

    /// The same for a sequence of a certain epoch of the peer; ignored when it has restarted since.
    #[napi(catch_unwind)]
    pub fn ack_of(&mut self, peer_epoch: f64, last: f64) -> Result<()> {
        self.0.ack_of(epoch(peer_epoch)?, seq(last)?);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn bye(&mut self) {
        self.0.bye();
    }

    #[napi(catch_unwind)]
    pub fn disconnected(&mut self) {
        self.0.disconnected();
    }

    #[napi(catch_unwind)]
    pub fn finished(&self) -> bool {
        self.0.finished()
    }

    #[napi(catch_unwind)]
    pub fn has_due(&self) -> bool {
        self.0.has_due()
    }

    #[napi(catch_unwind)]
    pub fn has_event(&self) -> bool {
        self.0.has_event()
    }

    /// The events since the last call as a JSON array.
    #[napi(catch_unwind)]
    pub fn events(&mut self) -> String {
        let mut events = Vec::new();
        while let Some(event) = self.0.next_event() {
            events.push(event_json(event));
        }
        Value::Array(events).to_string()
    }

    #[napi(catch_unwind)]
    pub fn state(&self) -> &'static str {
        self.0.state().name()
    }

    #[napi(catch_unwind)]
    pub fn credits(&self) -> u32 {
        u32::try_from(self.0.credits()).unwrap_or(u32::MAX)
    }

    #[napi(catch_unwind)]
    pub fn in_flight(&self) -> u32 {
        u32::try_from(self.0.in_flight()).unwrap_or(u32::MAX)
    }

    #[napi(catch_unwind)]
    pub fn last_seq(&self) -> f64 {
        seq_number(self.0.last_seq())
    }

    #[napi(catch_unwind)]
    pub fn delivered_seq(&self) -> f64 {
        seq_number(self.0.delivered_seq())
    }

    #[napi(catch_unwind)]
    pub fn peer_epoch(&self) -> Option<u32> {
        self.0.peer_epoch()
    }

    /// State and exact counts as a JSON object.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let c = self.0.counters();
        let faults: Map<String, Value> = FrameFault::ALL
            .iter()
            .zip(self.0.frame_faults())
            .map(|(fault, n)| (fault.name().to_owned(), json!(n)))
            .collect();
        let link = &self.0;
        json!({
            "state": link.state().name(),
            "epoch": link.config().epoch,
            "peerEpoch": link.peer_epoch(),
            "lastSeq": link.last_seq(),
            "deliveredSeq": link.delivered_seq(),
            "inFlight": link.in_flight(),
            "sent": c.sent,
            "transmitted": c.transmitted,
            "retransmitted": c.retransmitted,
            "acked": c.acked,
            "delivered": c.delivered,
            "duplicates": c.duplicates,
            "outOfOrder": c.out_of_order,
            "gaps": c.gaps,
            "resendsAsked": c.resends_asked,
            "resendsServed": c.resends_served,
            "skipped": c.skipped,
            "refusedNoCredit": c.refused_no_credit,
            "refusedNotSynced": c.refused_not_synced,
            "refusedOther": c.refused_other,
            "badFrames": c.bad_frames,
            "wrongLink": c.wrong_link,
            "wrongEpoch": c.wrong_epoch,
            "protocolFaults": c.protocol_faults,
            "peerRestarts": c.peer_restarts,
            "staleTimes": c.stale_times,
            "eventsDropped": c.events_dropped,
            "frameFaults": faults,
        })
        .to_string()
    }
}

/// The writing end of one topic.
#[napi]
pub struct PublisherCore {
    core: Publisher,
    buf: Vec<u8>,
}

#[napi]
impl PublisherCore {
    #[napi(constructor, catch_unwind)]
    pub fn new(topic: String, epoch_number: f64) -> Result<Self> {
        Ok(Self { core: Publisher::new(&topic, epoch(epoch_number)?), buf: Vec::new() })
    }

    /// The next frame, or the name of the fault.
    #[napi(catch_unwind)]
    pub fn data(&mut self, now: BigInt, payload: &[u8]) -> Result<Either<Buffer, String>> {
        Ok(match self.core.data(u64_exact(&now, "nowNs")?, payload, &mut self.buf) {
            Ok(_) => Either::A(self.buf.clone().into()),
            Err(fault) => Either::B(fault.name().into()),
        })
    }

    /// A heartbeat when one is due, else null.
    #[napi(catch_unwind, ts_return_type = "Buffer | null")]
    pub fn heartbeat(&mut self, now: BigInt) -> Result<Option<Buffer>> {
        let due = self.core.heartbeat(u64_exact(&now, "nowNs")?, &mut self.buf);
        Ok(due.then(|| self.buf.clone().into()))
    }

    #[napi(catch_unwind)]
    pub fn bye(&mut self, now: BigInt) -> Result<Buffer> {
        self.core.bye(u64_exact(&now, "nowNs")?, &mut self.buf);
        Ok(self.buf.clone().into())
    }

    #[napi(catch_unwind)]
    pub fn last_seq(&self) -> f64 {
        seq_number(self.core.last_seq())
    }

    #[napi(catch_unwind)]
    pub fn epoch(&self) -> u32 {
        self.core.epoch()
    }
}

/// How an epoch ended, as far as the subscriber knows.
#[napi(object)]
pub struct StreamEnded {
    pub epoch: u32,
    pub last_seq: f64,
    pub in_order: bool,
}

fn ended(end: Ended) -> StreamEnded {
    StreamEnded { epoch: end.epoch, last_seq: seq_number(end.last_seq), in_order: end.in_order }
}

/// The subscriber met a new epoch.
#[napi(object, use_nullable = true)]
pub struct StreamOpened {
    pub epoch: u32,
    pub first_seq: f64,
    pub previous: Option<StreamEnded>,
}

/// Frames published that never arrived.
#[napi(object)]
pub struct StreamGap {
    pub epoch: u32,
    pub first: f64,
    pub last: f64,
}

/// What one frame brought, in the order of handling.
#[napi(object, use_nullable = true)]
pub struct StreamStep {
    pub refused: Option<String>,
    pub opened: Option<StreamOpened>,
    pub gap: Option<StreamGap>,
    pub data: Option<Delivery>,
    pub closed: Option<StreamEnded>,
}

/// The reading end of one topic.
#[napi]
pub struct SubscriberCore(Subscriber);

#[napi]
impl SubscriberCore {
    #[napi(constructor, catch_unwind)]
    pub fn new(topic: String) -> Self {
        Self(Subscriber::new(&topic))
    }

    #[napi(catch_unwind)]
    pub fn on_frame(&mut self, now: BigInt, bytes: &[u8]) -> Result<StreamStep> {
        let step = self.0.on_frame(u64_exact(&now, "nowNs")?, bytes);
        Ok(StreamStep {
            refused: step.refused.map(|fault| fault.name().into()),
            opened: step.opened.map(|o| StreamOpened {
                epoch: o.epoch,
                first_seq: seq_number(o.first_seq),
                previous: o.previous.map(ended),
            }),
            gap: step.gap.map(|g| StreamGap {
                epoch: g.epoch,
                first: seq_number(g.first),
                last: seq_number(g.last),
            }),
            data: step.data.map(|d| delivery(d.epoch, d.seq, d.mono_ns, d.payload)),
            closed: step.closed.map(ended),
        })
    }

    /// True once when the topic has become stale.
    #[napi(catch_unwind)]
    pub fn poll(&mut self, now: BigInt) -> Result<bool> {
        Ok(self.0.poll(u64_exact(&now, "nowNs")?))
    }

    #[napi(catch_unwind)]
    pub fn state(&self) -> &'static str {
        self.0.state().name()
    }

    #[napi(catch_unwind)]
    pub fn epoch(&self) -> u32 {
        self.0.epoch()
    }

    #[napi(catch_unwind)]
    pub fn last_seq(&self) -> f64 {
        seq_number(self.0.last_seq())
    }

    /// State and exact counts as a JSON object.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let c = self.0.counters();
        let core = &self.0;
        json!({
            "state": core.state().name(),
            "epoch": core.epoch(),
            "lastSeq": core.last_seq(),
            "received": c.received,
            "missing": c.missing,
            "gaps": c.gaps,
            "late": c.late,
            "oldEpoch": c.old_epoch,
            "badFrames": c.bad_frames,
            "wrongLink": c.wrong_link,
            "heartbeats": c.heartbeats,
            "epochs": c.epochs,
            "staleTimes": c.stale_times,
        })
        .to_string()
    }
}
