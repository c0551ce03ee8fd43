//! Streams: one publisher, many subscribers, loss allowed and always counted exactly. Pure cores of both ends.

use crate::limits::{HEARTBEAT_NS, STALE_NS};
use tidegate_wire::frame::{FrameFault, FrameHeader, FrameType, decode, encode_into};
use tidegate_wire::topic::link_id;

/// The writing end of one topic.
#[derive(Debug)]
pub struct Publisher {
    link_id: u32,
    epoch: u32,
    last_seq: u64,
    next_heartbeat_ns: u64,
}

impl Publisher {
    /// A topic that has sent nothing in this epoch. The reserved epoch 0 is taken as 1.
    pub fn new(topic: &str, epoch: u32) -> Self {
        Self { link_id: link_id(topic), epoch: epoch.max(1), last_seq: 0, next_heartbeat_ns: 0 }
    }

    fn header(&self, kind: FrameType, seq: u64, now_ns: u64) -> FrameHeader {
        FrameHeader { kind, link_id: self.link_id, epoch: self.epoch, seq, mono_ns: now_ns }
    }

    /// Writes the next DATA frame into `buf` and gives its sequence. A sequence once given counts as published, whether
    /// the lane takes the frame or not: that is how subscribers come to know of a loss.
    ///
    /// # Errors
    /// `TooLong` or `BadPayload` (empty); no sequence is used.
    pub fn data(&mut self, now_ns: u64, payload: &[u8], buf: &mut Vec<u8>) -> Result<u64, FrameFault> {
        let seq = self.last_seq + 1;
        encode_into(buf, &self.header(FrameType::Data, seq, now_ns), payload)?;
        self.last_seq = seq;
        Ok(seq)
    }

    /// Writes a heartbeat into `buf` when one is due, each [`HEARTBEAT_NS`], and says whether it did.
    pub fn heartbeat(&mut self, now_ns: u64, buf: &mut Vec<u8>) -> bool {
        if now_ns < self.next_heartbeat_ns {
            return false;
        }
        self.next_heartbeat_ns = now_ns.saturating_add(HEARTBEAT_NS);
        encode_into(buf, &self.header(FrameType::Heartbeat, self.last_seq, now_ns), &[]).is_ok()
    }

    /// Writes the frame that ends the topic in order.
    pub fn bye(&mut self, now_ns: u64, buf: &mut Vec<u8>) -> bool {
        encode_into(buf, &self.header(FrameType::Bye, self.last_seq, now_ns), &[]).is_ok()
    }

    /// Last sequence published, 0 for none.
    pub const fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub const fn epoch(&self) -> u32 {
        self.epoch
    }
}

/// Whether a subscriber may trust that it hears everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamState {
    /// Nothing heard yet.
    Waiting,
    Live,
    /// Nothing heard for [`STALE_NS`].
    Stale,
    /// The publisher ended the present epoch in order.
    Closed,
}

impl StreamState {
    /// As metrics and JavaScript spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Live => "LIVE",
            Self::Stale => "STALE",
            Self::Closed => "CLOSED",
        }
    }
}

/// Frames that were published and never arrived, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub epoch: u32,
    pub first: u64,
    pub last: u64,
}

impl Gap {
    /// How many.
    pub const fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// A subscriber met a new epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    pub epoch: u32,
    /// First sequence that is accounted for. Above 1 only for the first epoch this subscriber met: it joined late.
    pub first_seq: u64,
    pub previous: Option<Ended>,
}

/// How an epoch ended, as far as this subscriber knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    pub epoch: u32,
    /// Last sequence known to have been published.
    pub last_seq: u64,
    /// By BYE, so that `last_seq` is the last there was. Otherwise the publisher died, and what it sent between its last
    /// frame seen here and its death cannot be counted by anybody.
    pub in_order: bool,
}

/// One payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'a> {
    pub epoch: u32,
    pub seq: u64,
    pub mono_ns: u64,
    pub payload: &'a [u8],
}

/// What one frame brought, to be handled in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step<'a> {
    pub refused: Option<FrameFault>,
    pub opened: Option<Opened>,
    pub gap: Option<Gap>,
    pub data: Option<Data<'a>>,
    pub closed: Option<Ended>,
}

/// Exact counts since the subscriber was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubscriberCounters {
    pub received: u64,
    /// Published within what is accounted for, and not received.
    pub missing: u64,
    pub gaps: u64,
    /// DATA frames dropped because their sequence was accounted for already.
    pub late: u64,
    /// Frames of an epoch before the present one.
    pub old_epoch: u64,
    /// Bytes that were no frame.
    pub bad_frames: u64,
    /// Frames of another topic.
    pub wrong_link: u64,
    pub heartbeats: u64,
    pub epochs: u64,
    pub stale_times: u64,
}

/// The reading end of one topic.
#[derive(Debug)]
pub struct Subscriber {
    link_id: u32,
    state: StreamState,
    epoch: u32,
    /// Everything up to here is received or counted missing.
    last_seq: u64,
    last_rx_ns: u64,
    counters: SubscriberCounters,
}

impl Subscriber {
    /// A subscriber that has heard nothing.
    pub fn new(topic: &str) -> Self {
        Self {
            link_id: link_id(topic),
            state: StreamState::Waiting,
            epoch: 0,
            last_seq: 0,
            last_rx_ns: 0,
            counters: SubscriberCounters::default(),
        }
    }

    /// Takes one frame of the topic.
    pub fn on_frame<'a>(&mut self, now_ns: u64, bytes: &'a [u8]) -> Step<'a> {
        match decode(bytes) {
            Ok((header, payload)) => self.on_decoded(now_ns, &header, payload),
            Err(fault) => {
                self.counters.bad_frames += 1;
                Step { refused: Some(fault), ..Step::default() }
            }
        }
    }

    /// The same for a frame that was decoded already.
    pub fn on_decoded<'a>(&mut self, now_ns: u64, header: &FrameHeader, payload: &'a [u8]) -> Step<'a> {
        let mut step = Step::default();
        let stream_type = matches!(header.kind, FrameType::Data | FrameType::Heartbeat | FrameType::Bye);
        if header.link_id != self.link_id || !stream_type {
            self.counters.wrong_link += 1;
            return step;
        }
        if header.epoch < self.epoch {
            self.counters.old_epoch += 1;
            return step;
        }
        if header.epoch > self.epoch {
            step.opened = Some(self.open(header));
        }
        self.last_rx_ns = now_ns;
        if header.kind == FrameType::Data {
            if header.seq <= self.last_seq {
                self.counters.late += 1;
                return step;
            }
            step.gap = self.missing_up_to(header.seq - 1);
            self.last_seq = header.seq;
            self.counters.received += 1;
            step.data = Some(Data { epoch: header.epoch, seq: header.seq, mono_ns: header.mono_ns, payload });
        } else {
            step.gap = self.missing_up_to(header.seq);
        }
        if header.kind == FrameType::Heartbeat {
            self.counters.heartbeats += 1;
        }
        if header.kind == FrameType::Bye && self.state != StreamState::Closed {
            self.state = StreamState::Closed;
            step.closed = Some(Ended { epoch: self.epoch, last_seq: self.last_seq, in_order: true });
        } else if self.state != StreamState::Closed {
            self.state = StreamState::Live;
        }
        step
    }

    fn open(&mut self, header: &FrameHeader) -> Opened {
        let joining = self.epoch == 0;
        let previous = (!joining).then_some(Ended {
            epoch: self.epoch,
            last_seq: self.last_seq,
            in_order: self.state == StreamState::Closed,
        });
        // A late joiner accounts from the first thing it hears; afterwards every epoch counts from its first frame.
        self.last_seq = match (joining, header.kind) {
            (false, _) => 0,
            (true, FrameType::Data) => header.seq - 1,
            (true, _) => header.seq,
        };
        self.epoch = header.epoch;
        self.state = StreamState::Live;
        self.counters.epochs += 1;
        Opened { epoch: header.epoch, first_seq: self.last_seq + 1, previous }
    }

    fn missing_up_to(&mut self, last: u64) -> Option<Gap> {
        if last <= self.last_seq {
            return None;
        }
        let gap = Gap { epoch: self.epoch, first: self.last_seq + 1, last };
        self.last_seq = last;
        self.counters.gaps += 1;
        self.counters.missing += gap.count();
        Some(gap)
    }

    /// Looks at the time; `true` once when the topic has become stale.
    pub fn poll(&mut self, now_ns: u64) -> bool {
        let stale = self.state == StreamState::Live && now_ns.saturating_sub(self.last_rx_ns) >= STALE_NS;
        if stale {
            self.state = StreamState::Stale;
            self.counters.stale_times += 1;
        }
        stale
    }

    pub const fn state(&self) -> StreamState {
        self.state
    }

    /// The present epoch, 0 before the first frame.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Everything up to here is received or counted missing.
    pub const fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub const fn counters(&self) -> &SubscriberCounters {
        &self.counters
    }
}
