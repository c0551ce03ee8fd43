//! One end of a link: bidirectional, in order, nothing lost silently. A pure state machine.
//!
//! Bytes and `now` go in, frames and events come out; there is no clock, socket or log inside. Both ends run the same code.
//! Each direction has its own epoch and sequence. The sender keeps every frame until the peer's application has
//! acknowledged it; the receiver delivers strictly in order, drops duplicates and asks for what is missing (go-back-N: a
//! lane keeps order, so a gap means that everything after it is still in the sender's buffer).

use crate::limits::{
    EVENTS_MAX, HEARTBEAT_NS, RESEND_NS, RETRANSMIT_BYTES_MAX, SPARE_BUFFER_LEN_MAX, SPARE_BUFFERS_MAX,
    STALE_NS, WINDOW_DEFAULT, WINDOW_MAX,
};
use std::collections::VecDeque;
use std::fmt;
use tidegate_wire::frame::{
    Ack, FrameFault, FrameHeader, FrameType, Hello, decode, encode_into, resend_from,
};
use tidegate_wire::limits::PAYLOAD_LEN_MAX;

/// What an end of a link is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkConfig {
    /// crc32c of the link's name; both ends have the same.
    pub link_id: u32,
    /// This side's session; persisted, higher at each start, never 0.
    pub epoch: u32,
    /// Frames held unacknowledged in either direction, 1 to [`WINDOW_MAX`].
    pub window: u32,
}

impl LinkConfig {
    /// The default window.
    pub const fn new(link_id: u32, epoch: u32) -> Self {
        Self { link_id, epoch, window: WINDOW_DEFAULT }
    }
}

/// How far an end trusts its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkState {
    /// No handshake with the peer's present epoch yet.
    Connecting,
    /// Handshake done, everything the peer sent is here.
    Synced,
    /// Something the peer sent is missing and has been asked for.
    Gap,
    /// Nothing heard for [`STALE_NS`].
    Stale,
}

impl LinkState {
    /// As metrics and JavaScript spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "CONNECTING",
            Self::Synced => "SYNCED",
            Self::Gap => "GAP",
            Self::Stale => "STALE",
        }
    }
}

/// Why `send` refused; nothing was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SendRefusal {
    /// The window is full of unacknowledged frames.
    NoCredit,
    /// There is no live, handshaken peer.
    NotSynced,
    /// Longer than a frame carries.
    TooLong,
    /// No bytes.
    Empty,
    /// `bye` was said.
    Ended,
    /// The server knows no such peer.
    UnknownPeer,
}

impl SendRefusal {
    /// As metrics and JavaScript spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoCredit => "NO_CREDIT",
            Self::NotSynced => "NOT_SYNCED",
            Self::TooLong => "TOO_LONG",
            Self::Empty => "EMPTY",
            Self::Ended => "ENDED",
            Self::UnknownPeer => "UNKNOWN_PEER",
        }
    }
}

impl fmt::Display for SendRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something the owner of a link should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEvent {
    State {
        from: LinkState,
        to: LinkState,
    },
    /// The peer has a new session: what it had not delivered of its old one is in `previous_epoch` up to `last_seq`.
    PeerRestarted {
        previous_epoch: u32,
        last_seq: u64,
        epoch: u32,
    },
    /// The peer can no longer send these: an earlier session of this side acknowledged them.
    Skipped {
        epoch: u32,
        first_seq: u64,
        last_seq: u64,
    },
    /// The peer ended in order; everything up to `last_seq` was delivered.
    PeerClosed {
        epoch: u32,
        last_seq: u64,
    },
    /// The peer speaks with an epoch below the one it had: its epoch file was lost or it is an impostor.
    EpochWentBack {
        known: u32,
        claimed: u32,
    },
}

/// What one frame brought for the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<'a> {
    /// Nothing to deliver: control, duplicate, out of order, or refused (see the counters).
    Nothing,
    /// The next payload in order. Call [`Link::ack`] once it is durable.
    Data { epoch: u32, seq: u64, mono_ns: u64, payload: &'a [u8] },
}

/// Exact counts since this end was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkCounters {
    /// Payloads `send` took.
    pub sent: u64,
    /// DATA frames handed to the lane, repeats included.
    pub transmitted: u64,
    /// Of these, repeats.
    pub retransmitted: u64,
    /// Payloads acknowledged by the peer's application.
    pub acked: u64,
    /// Payloads given to this application.
    pub delivered: u64,
    /// DATA frames dropped because they had been delivered.
    pub duplicates: u64,
    /// DATA frames dropped because one before them was missing.
    pub out_of_order: u64,
    /// Times the link went from whole to missing something.
    pub gaps: u64,
    /// RESEND frames sent.
    pub resends_asked: u64,
    /// RESEND frames served.
    pub resends_served: u64,
    /// Sequences passed over, see [`LinkEvent::Skipped`].
    pub skipped: u64,
    pub refused_no_credit: u64,
    pub refused_not_synced: u64,
    pub refused_other: u64,
    /// Bytes that were no frame.
    pub bad_frames: u64,
    /// Frames of another link.
    pub wrong_link: u64,
    /// Frames of an epoch that is not the peer's present one.
    pub wrong_epoch: u64,
    /// Frames that claim what cannot be: more acknowledged than was sent.
    pub protocol_faults: u64,
    pub peer_restarts: u64,
    pub stale_times: u64,
    /// Events lost because the owner did not take them.
    pub events_dropped: u64,
}

#[derive(Debug, Clone, Copy)]
struct Peer {
    epoch: u32,
    /// Next sequence to deliver.
    expected: u64,
    /// Highest sequence the peer is known to have sent.
    highest: u64,
    window: u32,
    /// Its HELLO said that it knows our epoch.
    knows_us: bool,
    bye_seq: Option<u64>,
    closed: bool,
    delivered_any: bool,
}

/// One end of a link.
pub struct Link {
    config: LinkConfig,
    state: LinkState,
    peer: Option<Peer>,
    /// Encoded frames from `first` on, unacknowledged.
    buffer: VecDeque<Vec<u8>>,
    buffer_bytes: usize,
    spare: Vec<Vec<u8>>,
    first: u64,
    next_seq: u64,
    /// Next sequence to hand to the lane, and the highest ever handed plus one.
    next_tx: u64,
    high_tx: u64,
    acked_in: u64,
    ending: bool,
    last_rx_ns: u64,
    hello_due: bool,
    ack_due: bool,
    resend_due: bool,
    next_hello_ns: u64,
    next_heartbeat_ns: u64,
    next_resend_ns: u64,
    went_back_told: u32,
    events: VecDeque<LinkEvent>,
    counters: LinkCounters,
    faults: [u64; FrameFault::ALL.len()],
    scratch: Vec<u8>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("config", &self.config)
            .field("state", &self.state)
            .field("peer", &self.peer)
            .field("unacked", &(self.first..self.next_seq))
            .finish_non_exhaustive()
    }
}

impl Link {
    /// An end that has neither sent nor received anything. The window is brought within 1 to [`WINDOW_MAX`], and the
    /// reserved epoch 0 is taken as 1.
    pub fn new(mut config: LinkConfig) -> Self {
        config.window = config.window.clamp(1, WINDOW_MAX);
        config.epoch = config.epoch.max(1);
        Self {
            config,
            state: LinkState::Connecting,
            peer: None,
            buffer: VecDeque::new(),
            buffer_bytes: 0,
            spare: Vec::new(),
            first: 1,
            next_seq: 1,
            next_tx: 1,
            high_tx: 1,
            acked_in: 0,
            ending: false,
            last_rx_ns: 0,
            hello_due: true,
            ack_due: false,
            resend_due: false,
            next_hello_ns: 0,
            next_heartbeat_ns: 0,
            next_resend_ns: 0,
            went_back_told: 0,
            events: VecDeque::new(),
            counters: LinkCounters::default(),
            faults: [0; FrameFault::ALL.len()],
            scratch: Vec::new(),
        }
    }

    /// Takes up where an earlier run of this application left off: it holds the peer's epoch durably up to `seq`.
    #[must_use]
    pub fn resuming(mut self, peer_epoch: u32, seq: u64) -> Self {
        if peer_epoch != 0 {
            let mut peer = new_peer(peer_epoch, seq.saturating_add(1));
            peer.delivered_any = seq > 0;
            self.peer = Some(peer);
            self.acked_in = seq;
        }
        self
    }

    /// Queues a payload and gives its sequence. It leaves at the next [`Link::poll`].
    ///
    /// # Errors
    /// A [`SendRefusal`]; nothing was queued and the caller may not assume otherwise.
    pub fn send(&mut self, now_ns: u64, payload: &[u8]) -> Result<u64, SendRefusal> {
        let refusal = self.refusal(payload.len());
        match refusal {
            None => {}
            Some(refusal) => {
                *match refusal {
                    SendRefusal::NoCredit => &mut self.counters.refused_no_credit,
                    SendRefusal::NotSynced => &mut self.counters.refused_not_synced,
                    _ => &mut self.counters.refused_other,
                } += 1;
                return Err(refusal);
            }
        }
        let seq = self.next_seq;
        let mut frame = self.spare.pop().unwrap_or_default();
        let header = self.header(FrameType::Data, seq, now_ns);
        if encode_into(&mut frame, &header, payload).is_err() {
            // Every reason to refuse was looked at above.
            self.counters.refused_other += 1;
            return Err(SendRefusal::TooLong);
        }
        self.buffer_bytes += frame.len();
        self.buffer.push_back(frame);
        self.next_seq += 1;
        self.counters.sent += 1;
        Ok(seq)
    }

    fn refusal(&self, len: usize) -> Option<SendRefusal> {
        if self.ending {
            Some(SendRefusal::Ended)
        } else if len == 0 {
            Some(SendRefusal::Empty)
        } else if len > PAYLOAD_LEN_MAX {
            Some(SendRefusal::TooLong)
        } else if !matches!(self.state, LinkState::Synced | LinkState::Gap) {
            Some(SendRefusal::NotSynced)
        } else if self.credits() == 0 || self.buffer_bytes + len > RETRANSMIT_BYTES_MAX {
            Some(SendRefusal::NoCredit)
        } else {
            None
        }
    }

    /// Says that the application has made everything up to `seq` of the peer's present epoch its own.
    ///
    /// A sequence beyond what was delivered can only be one of an earlier epoch and is ignored. An application that
    /// acknowledges in a later turn than it received in uses [`Link::ack_of`].
    pub fn ack(&mut self, seq: u64) {
        if let Some(peer) = &self.peer {
            self.ack_of(peer.epoch, seq);
        }
    }

    /// The same for a sequence of a certain epoch: ignored when the peer has another one by now.
    pub fn ack_of(&mut self, epoch: u32, seq: u64) {
        let delivered = self.peer.is_some_and(|p| p.epoch == epoch && seq < p.expected);
        if delivered && seq > self.acked_in {
            self.acked_in = seq;
            self.ack_due = true;
        }
    }

    /// Ends this direction in order: BYE follows once everything queued has left, and repeats until the link is dropped.
    pub fn bye(&mut self) {
        self.ending = true;
        self.next_heartbeat_ns = 0;
    }

    /// Whether `bye` was said and the peer's application has acknowledged everything.
    pub fn finished(&self) -> bool {
        self.ending && self.buffer.is_empty()
    }

    /// Tells the link that its lane lost the peer. It refuses to send until the peer is heard again; the peer asks for
    /// what was lost on the way. A peer that comes back as another process has another epoch and shows as restarted.
    pub fn disconnected(&mut self) {
        self.hello_due = true;
        self.set_state(LinkState::Connecting);
    }

    /// Takes one frame of the peer.
    pub fn on_frame<'a>(&mut self, now_ns: u64, bytes: &'a [u8]) -> Received<'a> {
        let (header, payload) = match decode(bytes) {
            Ok(frame) => frame,
            Err(fault) => {
                self.faults[fault as usize] += 1;
                self.counters.bad_frames += 1;
                return Received::Nothing;
            }
        };
        if header.link_id != self.config.link_id {
            self.counters.wrong_link += 1;
            return Received::Nothing;
        }
        if header.kind == FrameType::Hello {
            self.on_hello(now_ns, &header, payload);
            return Received::Nothing;
        }
        let Some(peer) = self.peer.filter(|p| p.epoch == header.epoch) else {
            self.counters.wrong_epoch += 1;
            // A peer that talks past an unknown epoch has not seen our HELLO, or we have missed its.
            self.hello_due = true;
            if let Some(known) = self.peer.filter(|p| p.epoch > header.epoch) {
                self.went_back(known.epoch, header.epoch);
            }
            return Received::Nothing;
        };
        self.hear(now_ns);
        match header.kind {
            FrameType::Data => return self.on_data(now_ns, &header, payload),
            FrameType::Heartbeat | FrameType::Ack => {
                self.on_ack(payload);
                self.see(header.seq);
            }
            FrameType::Resend => {
                self.see(header.seq);
                if let Ok(from) = resend_from(payload) {
                    self.on_resend(from);
                }
            }
            FrameType::Bye => {
                if !peer.closed
                    && let Some(p) = &mut self.peer
                {
                    p.bye_seq = Some(header.seq);
                }
                self.see(header.seq);
                self.close_if_complete();
                // The peer repeats it until everything is acknowledged.
                self.ack_due = true;
            }
            FrameType::Hello => {}
        }
        self.settle(now_ns);
        Received::Nothing
    }

    fn on_data<'a>(&mut self, now_ns: u64, header: &FrameHeader, payload: &'a [u8]) -> Received<'a> {
        let Some(peer) = &mut self.peer else { return Received::Nothing };
        peer.highest = peer.highest.max(header.seq);
        if header.seq < peer.expected {
            self.counters.duplicates += 1;
            // The sender repeats because it saw no acknowledgement: say it again.
            self.ack_due = true;
            self.settle(now_ns);
            return Received::Nothing;
        }
        if header.seq > peer.expected {
            self.counters.out_of_order += 1;
            self.settle(now_ns);
            return Received::Nothing;
        }
        peer.expected += 1;
        peer.delivered_any = true;
        self.counters.delivered += 1;
        self.close_if_complete();
        self.settle(now_ns);
        Received::Data { epoch: header.epoch, seq: header.seq, mono_ns: header.mono_ns, payload }
    }

    fn on_hello(&mut self, now_ns: u64, header: &FrameHeader, payload: &[u8]) {
        let Ok(hello) = Hello::from_bytes(payload) else { return };
        let knows_us = hello.recv_epoch == self.config.epoch;
        if hello.first_available_seq == 0
            || hello.first_available_seq > header.seq.saturating_add(1)
            || (knows_us && hello.recv_seq >= self.high_tx.max(self.first))
        {
            self.counters.protocol_faults += 1;
            return;
        }
        match self.peer {
            Some(known) if header.epoch < known.epoch => {
                self.counters.wrong_epoch += 1;
                self.went_back(known.epoch, header.epoch);
                return;
            }
            Some(known) if header.epoch == known.epoch => {
                if known.closed {
                    return;
                }
                if hello.first_available_seq > known.expected {
                    self.skip_to(hello.first_available_seq);
                }
            }
            known => {
                if let Some(known) = known {
                    self.counters.peer_restarts += 1;
                    self.event(LinkEvent::PeerRestarted {
                        previous_epoch: known.epoch,
                        last_seq: known.expected - 1,
                        epoch: header.epoch,
                    });
                }
                self.peer = Some(new_peer(header.epoch, hello.first_available_seq));
                self.acked_in = hello.first_available_seq - 1;
                self.set_state(LinkState::Connecting);
            }
        }
        // Its last sequence is not counted as missing here: what follows a HELLO is on its way, and a heartbeat tells later.
        self.hear(now_ns);
        let fresh = self.state == LinkState::Connecting || self.state == LinkState::Stale;
        if let Some(peer) = &mut self.peer {
            peer.window = hello.window.clamp(1, WINDOW_MAX);
            peer.knows_us |= knows_us;
        }
        if knows_us && fresh {
            // The peer tells exactly where it stands: everything after that goes again.
            self.next_tx = (hello.recv_seq + 1).max(self.first);
        }
        if !knows_us || fresh {
            self.hello_due = true;
        }
        self.settle(now_ns);
    }

    fn skip_to(&mut self, first_available: u64) {
        let Some(peer) = &mut self.peer else { return };
        let (epoch, first_seq) = (peer.epoch, peer.expected);
        peer.expected = first_available;
        let told = peer.delivered_any;
        self.acked_in = self.acked_in.max(first_available - 1);
        // Before the first delivery nothing was promised: an earlier session of this side has what lies below.
        if told {
            self.counters.skipped += first_available - first_seq;
            self.event(LinkEvent::Skipped { epoch, first_seq, last_seq: first_available - 1 });
        }
    }

    fn on_ack(&mut self, payload: &[u8]) {
        let Ok(ack) = Ack::from_bytes(payload) else { return };
        if ack.recv_epoch != self.config.epoch {
            return;
        }
        if let Some(peer) = self.peer.as_mut().filter(|p| !p.knows_us) {
            // The HELLO that said so was lost. Where the peer stands is not known here: send all it may lack.
            peer.knows_us = true;
            self.next_tx = self.first;
        }
        if ack.acked_seq >= self.high_tx {
            self.counters.protocol_faults += 1;
            return;
        }
        while self.first <= ack.acked_seq {
            let Some(frame) = self.buffer.pop_front() else { break };
            self.first += 1;
            self.buffer_bytes -= frame.len();
            self.counters.acked += 1;
            if self.spare.len() < SPARE_BUFFERS_MAX && frame.capacity() <= SPARE_BUFFER_LEN_MAX {
                self.spare.push(frame);
            }
        }
        self.next_tx = self.next_tx.max(self.first);
    }

    fn on_resend(&mut self, from: u64) {
        if from < self.first {
            // Gone: acknowledged before. HELLO tells where the data begins now.
            self.hello_due = true;
        } else if from < self.next_tx {
            self.next_tx = from;
            self.counters.resends_served += 1;
        }
    }

    /// Hands every due frame to `tx`, which answers whether the lane took it. What it does not take is due again.
    pub fn poll(&mut self, now_ns: u64, tx: &mut dyn FnMut(&[u8]) -> bool) {
        if matches!(self.state, LinkState::Synced | LinkState::Gap)
            && now_ns.saturating_sub(self.last_rx_ns) >= STALE_NS
        {
            self.counters.stale_times += 1;
            self.set_state(LinkState::Stale);
        }
        let live = matches!(self.state, LinkState::Synced | LinkState::Gap);
        if self.hello_due || (!live && now_ns >= self.next_hello_ns) {
            let hello = Hello {
                first_available_seq: self.first,
                recv_epoch: self.peer.map_or(0, |p| p.epoch),
                recv_seq: self.peer.map_or(0, |p| p.expected - 1),
                window: self.config.window,
            };
            if !self.control(FrameType::Hello, now_ns, &hello.to_bytes(), tx) {
                return;
            }
            self.hello_due = false;
            self.next_hello_ns = now_ns.saturating_add(HEARTBEAT_NS);
        }
        if live {
            self.poll_live(now_ns, tx);
        } else if let Some(peer) = self.peer.filter(|p| p.closed && self.ack_due) {
            // A peer that ended in order still waits for the acknowledgement of its last frames.
            let ack = Ack { recv_epoch: peer.epoch, acked_seq: self.acked_in }.to_bytes();
            self.ack_due = !self.control(FrameType::Ack, now_ns, &ack, tx);
        }
    }

    fn poll_live(&mut self, now_ns: u64, tx: &mut dyn FnMut(&[u8]) -> bool) {
        let Some(peer) = self.peer else { return };
        while self.next_tx < self.next_seq {
            let at = usize::try_from(self.next_tx - self.first).unwrap_or(usize::MAX);
            let Some(frame) = self.buffer.get(at) else { break };
            if !tx(frame) {
                return;
            }
            self.counters.transmitted += 1;
            self.counters.retransmitted += u64::from(self.next_tx < self.high_tx);
            self.next_tx += 1;
            self.high_tx = self.high_tx.max(self.next_tx);
        }
        let ack = Ack { recv_epoch: peer.epoch, acked_seq: self.acked_in }.to_bytes();
        if now_ns >= self.next_heartbeat_ns {
            if !self.control(FrameType::Heartbeat, now_ns, &ack, tx)
                || (self.ending && !self.control(FrameType::Bye, now_ns, &[], tx))
            {
                return;
            }
            self.next_heartbeat_ns = now_ns.saturating_add(HEARTBEAT_NS);
            self.ack_due = false;
        } else if self.ack_due {
            if !self.control(FrameType::Ack, now_ns, &ack, tx) {
                return;
            }
            self.ack_due = false;
        }
        if self.state == LinkState::Gap && (self.resend_due || now_ns >= self.next_resend_ns) {
            if !self.control(FrameType::Resend, now_ns, &peer.expected.to_le_bytes(), tx) {
                return;
            }
            self.counters.resends_asked += 1;
            self.resend_due = false;
            self.next_resend_ns = now_ns.saturating_add(RESEND_NS);
        }
    }

    /// Frames `poll` would send at once, were the lane free. A loop polls at least each [`HEARTBEAT_NS`] in any case.
    pub fn has_due(&self) -> bool {
        let live = matches!(self.state, LinkState::Synced | LinkState::Gap);
        self.hello_due || (live && (self.next_tx < self.next_seq || self.ack_due || self.resend_due))
    }

    /// Whether an event waits.
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// The oldest event not yet taken.
    pub fn next_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    pub const fn state(&self) -> LinkState {
        self.state
    }

    pub const fn config(&self) -> LinkConfig {
        self.config
    }

    /// The peer's present epoch, once heard of.
    pub fn peer_epoch(&self) -> Option<u32> {
        self.peer.map(|p| p.epoch)
    }

    /// Last sequence of the peer's epoch delivered here, 0 for none.
    pub fn delivered_seq(&self) -> u64 {
        self.peer.map_or(0, |p| p.expected - 1)
    }

    /// Last sequence queued here, 0 for none.
    pub const fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Frames queued or sent and not acknowledged.
    pub fn in_flight(&self) -> usize {
        self.buffer.len()
    }

    /// Frames `send` would still take: the smaller of both windows less what is in flight.
    pub fn credits(&self) -> usize {
        let window = self.peer.map_or(self.config.window, |p| p.window.min(self.config.window));
        (window as usize).saturating_sub(self.buffer.len())
    }

    pub const fn counters(&self) -> &LinkCounters {
        &self.counters
    }

    /// Bytes refused as frames, by fault in the order of [`FrameFault::ALL`].
    pub const fn frame_faults(&self) -> &[u64; FrameFault::ALL.len()] {
        &self.faults
    }

    fn header(&self, kind: FrameType, seq: u64, now_ns: u64) -> FrameHeader {
        FrameHeader { kind, link_id: self.config.link_id, epoch: self.config.epoch, seq, mono_ns: now_ns }
    }

    fn control(
        &mut self,
        kind: FrameType,
        now: u64,
        payload: &[u8],
        tx: &mut dyn FnMut(&[u8]) -> bool,
    ) -> bool {
        // The last sequence handed to the lane, not the last queued: what has not left is not missing there.
        let header = self.header(kind, self.high_tx.max(self.first) - 1, now);
        let mut scratch = std::mem::take(&mut self.scratch);
        let taken = encode_into(&mut scratch, &header, payload).is_ok() && tx(&scratch);
        self.scratch = scratch;
        taken
    }

    fn hear(&mut self, now_ns: u64) {
        self.last_rx_ns = now_ns;
    }

    fn see(&mut self, last_seq: u64) {
        if let Some(peer) = &mut self.peer {
            peer.highest = peer.highest.max(last_seq);
        }
    }

    fn close_if_complete(&mut self) {
        let Some(peer) = &mut self.peer else { return };
        if let Some(last_seq) = peer.bye_seq
            && peer.expected > last_seq
            && !peer.closed
        {
            peer.closed = true;
            let epoch = peer.epoch;
            self.event(LinkEvent::PeerClosed { epoch, last_seq });
        }
    }

    /// Brings the state in line with what is known of the peer.
    fn settle(&mut self, now_ns: u64) {
        let Some(peer) = self.peer else { return };
        if !peer.knows_us {
            return;
        }
        let to = if peer.closed {
            LinkState::Connecting
        } else if peer.highest >= peer.expected {
            LinkState::Gap
        } else {
            LinkState::Synced
        };
        if to == LinkState::Gap && self.state != LinkState::Gap {
            self.counters.gaps += 1;
            self.resend_due = true;
            self.next_resend_ns = now_ns;
        }
        self.set_state(to);
    }

    fn set_state(&mut self, to: LinkState) {
        if self.state != to {
            let from = std::mem::replace(&mut self.state, to);
            self.event(LinkEvent::State { from, to });
        }
    }

    fn went_back(&mut self, known: u32, claimed: u32) {
        if self.went_back_told != claimed {
            self.went_back_told = claimed;
            self.event(LinkEvent::EpochWentBack { known, claimed });
        }
    }

    fn event(&mut self, event: LinkEvent) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
            self.counters.events_dropped += 1;
        }
        self.events.push_back(event);
    }
}

const fn new_peer(epoch: u32, expected: u64) -> Peer {
    Peer {
        epoch,
        expected,
        highest: expected - 1,
        window: 1,
        knows_us: false,
        bye_seq: None,
        closed: false,
        delivered_any: false,
    }
}
