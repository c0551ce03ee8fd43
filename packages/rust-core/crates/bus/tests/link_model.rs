//! Two links over a channel that loses, doubles, reorders, corrupts and disconnects, with restarts of either side.
//!
//! The laws are checked by a plain model that knows every payload ever sent and nothing of how a link works.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegate_bus::limits::{HEARTBEAT_NS, STALE_NS, WINDOW_MAX};
use tidegate_bus::link::{Link, LinkConfig, LinkEvent, LinkState, Received, SendRefusal};
use tidegate_wire::frame::{FrameType, decode, encode_into};

const LINK_ID: u32 = 77;

#[derive(Debug, Clone)]
enum Op {
    Send(usize),
    Poll(usize),
    /// Takes the frame at this place of the channel towards a side.
    Deliver(usize, usize),
    Drop(usize, usize),
    Duplicate(usize, usize),
    Corrupt(usize, usize, usize),
    Ack(usize),
    Advance(u64),
    /// Both channels lose everything; each side may or may not be told.
    Disconnect(bool, bool),
    Restart(usize),
    /// A good moment: what is due goes over whole, both ways.
    Turn,
}

fn op() -> impl Strategy<Value = Op> {
    let side = 0..2_usize;
    prop_oneof![
        8 => side.clone().prop_map(Op::Send),
        8 => side.clone().prop_map(Op::Poll),
        16 => (side.clone(), prop_oneof![4 => Just(0), 1 => 0..8_usize]).prop_map(|(s, n)| Op::Deliver(s, n)),
        2 => (side.clone(), 0..8_usize).prop_map(|(s, n)| Op::Drop(s, n)),
        2 => (side.clone(), 0..8_usize).prop_map(|(s, n)| Op::Duplicate(s, n)),
        1 => (side.clone(), 0..8_usize, 0..400_usize).prop_map(|(s, n, bit)| Op::Corrupt(s, n, bit)),
        4 => side.clone().prop_map(Op::Ack),
        4 => (1..300_000_000_u64).prop_map(Op::Advance),
        1 => any::<(bool, bool)>().prop_map(|(a, b)| Op::Disconnect(a, b)),
        1 => side.prop_map(Op::Restart),
        6 => Just(Op::Turn),
    ]
}

/// What is broken on purpose, to show that the laws notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// Every DATA frame of the right epoch is delivered, seen before or not.
    Dedup,
    /// Heartbeats do not tell the last sequence.
    LastSeq,
    /// The sender ignores its window: frames go out beyond it.
    Credits,
}

struct Side {
    link: Link,
    epoch: u32,
    /// Everything ever sent, by epoch; the sequence is the place plus one.
    sent: BTreeMap<u32, Vec<Vec<u8>>>,
    /// Highest sequence acknowledged by this side, over all its lives, by peer epoch.
    acked: BTreeMap<u32, u64>,
    /// Last sequence delivered in this life, by peer epoch.
    delivered: BTreeMap<u32, u64>,
}

impl Side {
    fn new(window: u32) -> Self {
        let link = Link::new(LinkConfig { link_id: LINK_ID, epoch: 1, window });
        Self { link, epoch: 1, sent: BTreeMap::new(), acked: BTreeMap::new(), delivered: BTreeMap::new() }
    }
}

struct World {
    now: u64,
    windows: [u32; 2],
    sides: [Side; 2],
    /// Frames on their way to a side.
    channel: [Vec<Vec<u8>>; 2],
    broken: Broken,
    payloads: u64,
}

impl World {
    fn new(windows: [u32; 2], broken: Broken) -> Self {
        let sides = [Side::new(windows[0]), Side::new(windows[1])];
        Self { now: 1, windows, sides, channel: [Vec::new(), Vec::new()], broken, payloads: 0 }
    }

    fn apply(&mut self, op: &Op) -> Result<(), String> {
        match *op {
            Op::Send(at) => return self.send(at),
            Op::Poll(at) => self.poll(at),
            Op::Deliver(at, n) => {
                if n < self.channel[at].len() {
                    let frame = self.channel[at].remove(n);
                    return self.deliver(at, &frame);
                }
            }
            Op::Drop(at, n) => {
                if n < self.channel[at].len() {
                    self.channel[at].remove(n);
                }
            }
            Op::Duplicate(at, n) => {
                if let Some(frame) = self.channel[at].get(n).cloned() {
                    self.channel[at].push(frame);
                }
            }
            Op::Corrupt(at, n, bit) => {
                if let Some(frame) = self.channel[at].get_mut(n) {
                    let bit = bit % (frame.len() * 8);
                    frame[bit / 8] ^= 1 << (bit % 8);
                }
            }
            Op::Ack(at) => self.ack(at),
            Op::Advance(ns) => self.now += ns,
            Op::Disconnect(tell_0, tell_1) => {
                self.channel = [Vec::new(), Vec::new()];
                for (at, told) in [tell_0, tell_1].into_iter().enumerate() {
                    if told {
                        self.sides[at].link.disconnected();
                    }
                }
            }
            Op::Restart(at) => {
                let side = &mut self.sides[at];
                side.epoch += 1;
                side.link =
                    Link::new(LinkConfig { link_id: LINK_ID, epoch: side.epoch, window: self.windows[at] });
                side.delivered.clear();
            }
            Op::Turn => {
                self.now += HEARTBEAT_NS / 4;
                for at in [0, 1] {
                    self.poll(at);
                    for frame in std::mem::take(&mut self.channel[1 - at]) {
                        self.deliver(1 - at, &frame)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, at: usize) -> Result<(), String> {
        self.payloads += 1;
        let payload = self.payloads.to_le_bytes().to_vec();
        let side = &mut self.sides[at];
        let credits = side.link.credits();
        match side.link.send(self.now, &payload) {
            Ok(seq) => {
                let log = side.sent.entry(side.epoch).or_default();
                log.push(payload);
                if seq != log.len() as u64 {
                    return Err(format!("sequence {seq} for payload {}", log.len()));
                }
            }
            Err(SendRefusal::NoCredit) if credits > 0 => return Err("NO_CREDIT with credits".into()),
            Err(_) => {}
        }
        self.check_credits(at)
    }

    fn check_credits(&self, at: usize) -> Result<(), String> {
        let in_flight = self.sides[at].link.in_flight() + usize::from(self.broken == Broken::Credits) * 64;
        let window = self.windows[0].min(self.windows[1]) as usize;
        if in_flight > window { Err(format!("{in_flight} in flight of {window}")) } else { Ok(()) }
    }

    fn poll(&mut self, at: usize) {
        let (channel, broken) = (&mut self.channel[1 - at], self.broken);
        self.sides[at].link.poll(self.now, &mut |frame| {
            let mut frame = frame.to_vec();
            if broken == Broken::LastSeq {
                let (mut header, payload) = decode(&frame).map(|(h, p)| (h, p.to_vec())).unwrap();
                if header.kind == FrameType::Heartbeat {
                    header.seq = 0;
                }
                encode_into(&mut frame, &header, &payload).unwrap();
            }
            channel.push(frame);
            channel.len() < 512
        });
    }

    fn deliver(&mut self, at: usize, frame: &[u8]) -> Result<(), String> {
        let received = match self.sides[at].link.on_frame(self.now, frame) {
            Received::Data { epoch, seq, payload, .. } => Some((epoch, seq, payload.to_vec())),
            Received::Nothing => None,
        };
        self.events(at)?;
        let raw = decode(frame).ok().filter(|(h, _)| {
            self.broken == Broken::Dedup
                && h.kind == FrameType::Data
                && Some(h.epoch) == self.sides[at].link.peer_epoch()
        });
        let received = received.or_else(|| raw.map(|(h, p)| (h.epoch, h.seq, p.to_vec())));
        let Some((epoch, seq, payload)) = received else { return Ok(()) };
        let sent = self.sides[1 - at].sent.get(&epoch).and_then(|log| log.get(seq as usize - 1));
        if sent != Some(&payload) {
            return Err(format!("delivered {epoch}/{seq} that was never sent so"));
        }
        let acked = self.sides[at].acked.get(&epoch).copied().unwrap_or(0);
        match self.sides[at].delivered.insert(epoch, seq) {
            // In one life: consecutive. `events` has moved the place past what was told as skipped.
            Some(last) if seq != last + 1 => Err(format!("delivered {seq} after {last}")),
            // The first of a life: nothing before it may be missing, unless an earlier life acknowledged it.
            None if seq > acked + 1 => Err(format!("first delivered {seq}, acknowledged only {acked}")),
            _ => Ok(()),
        }
    }

    fn events(&mut self, at: usize) -> Result<(), String> {
        while let Some(event) = self.sides[at].link.next_event() {
            if let LinkEvent::Skipped { epoch, first_seq, last_seq } = event {
                let acked = self.sides[at].acked.get(&epoch).copied().unwrap_or(0);
                if last_seq > acked {
                    return Err(format!("skipped {first_seq}..={last_seq}, acknowledged only {acked}"));
                }
                self.sides[at].delivered.insert(epoch, last_seq);
            }
        }
        Ok(())
    }

    fn ack(&mut self, at: usize) {
        let side = &mut self.sides[at];
        if let Some(epoch) = side.link.peer_epoch() {
            let seq = side.delivered.get(&epoch).copied().unwrap_or(0);
            side.link.ack(seq);
            let acked = side.acked.entry(epoch).or_default();
            *acked = (*acked).max(seq);
        }
    }

    /// The channel becomes perfect: everything must arrive and be acknowledged.
    fn quiesce(&mut self) -> Result<(), String> {
        for _ in 0..60 {
            self.now += HEARTBEAT_NS / 2;
            for at in [0, 1] {
                self.poll(at);
            }
            for at in [0, 1] {
                for frame in std::mem::take(&mut self.channel[at]) {
                    self.deliver(at, &frame)?;
                }
                self.ack(at);
            }
        }
        for at in [0, 1] {
            let (me, peer) = (&self.sides[at], &self.sides[1 - at]);
            if me.link.state() != LinkState::Synced {
                return Err(format!("side {at} ended {:?}: {:?}", me.link.state(), me.link));
            }
            if me.link.delivered_seq() != peer.link.last_seq() {
                return Err(format!("side {at} has {} of {}", me.link.delivered_seq(), peer.link.last_seq()));
            }
            if me.link.in_flight() != 0 {
                return Err(format!("side {at} still holds {}", me.link.in_flight()));
            }
        }
        Ok(())
    }
}

fn run(windows: [u32; 2], ops: &[Op], broken: Broken) -> Result<(), String> {
    let mut world = World::new(windows, broken);
    for op in ops {
        world.apply(op)?;
    }
    world.quiesce()
}

fn handshake() -> Vec<Op> {
    let turn = [Op::Poll(0), Op::Poll(1), Op::Deliver(0, 0), Op::Deliver(1, 0)];
    turn.iter().cycle().take(24).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) })]

    #[test]
    fn a20_b006_whatever_the_channel_does_delivery_is_exactly_once_and_in_order(
        windows in (1..12_u32, 1..12_u32),
        synced in any::<bool>(),
        ops in proptest::collection::vec(op(), 0..200),
    ) {
        let mut script = if synced { handshake() } else { Vec::new() };
        script.extend(ops);
        let ran = run([windows.0, windows.1], &script, Broken::Nothing);
        prop_assert!(ran.is_ok(), "{}", ran.unwrap_err());
    }

    #[test]
    fn no_bytes_make_a_link_panic_or_deliver(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let mut link = Link::new(LinkConfig::new(LINK_ID, 1));
        prop_assert_eq!(link.on_frame(1, &bytes), Received::Nothing);
        prop_assert_eq!(link.counters().bad_frames, 1);
        prop_assert_eq!(link.frame_faults().iter().sum::<u64>(), 1);
    }

    /// Well-formed frames with any numbers in them: a peer may lie about everything.
    #[test]
    fn no_frame_makes_a_link_panic_or_go_beyond_its_bounds(
        frames in proptest::collection::vec(
            (1..7_u8, 0..4_u32, prop_oneof![0..6_u64, Just((1 << 53) - 1)], any::<[u64; 4]>(), 0..6_u64), 0..40),
    ) {
        let mut link = Link::new(LinkConfig { link_id: LINK_ID, epoch: 2, window: 4 });
        for (kind, epoch, seq, words, small) in frames {
            let kind = FrameType::from_u8(kind).unwrap();
            let mut payload: Vec<u8> = words.iter().flat_map(|w| (w % 7).to_le_bytes()).collect();
            if small == 0 {
                payload = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            }
            let len = match kind {
                FrameType::Data | FrameType::Hello => 32,
                FrameType::Heartbeat | FrameType::Ack => 16,
                FrameType::Resend => 8,
                FrameType::Bye => 0,
            };
            payload.truncate(len);
            for reserved in [4..8, 12..16, 28..32] {
                if kind != FrameType::Data && kind != FrameType::Resend
                    && let Some(bytes) = payload.get_mut(reserved)
                {
                    bytes.fill(0);
                }
            }
            let header = tidegate_wire::frame::FrameHeader { kind, link_id: LINK_ID, epoch, seq, mono_ns: 0 };
            let mut frame = Vec::new();
            if encode_into(&mut frame, &header, &payload).is_err() {
                continue;
            }
            let _ = link.on_frame(1, &frame);
            let _ = link.send(1, b"x");
            link.ack(u64::MAX);
            link.poll(1, &mut |_| true);
            prop_assert!(link.in_flight() <= 4);
        }
    }
}

#[test]
fn the_laws_notice_a_receiver_without_dedup() {
    let mut script = handshake();
    script.extend([Op::Send(0), Op::Poll(0), Op::Duplicate(1, 0), Op::Deliver(1, 0), Op::Deliver(1, 0)]);
    script.extend([Op::Deliver(1, 0), Op::Deliver(1, 0)]);
    run([8, 8], &script, Broken::Nothing).unwrap();
    let told = run([8, 8], &script, Broken::Dedup).unwrap_err();
    assert!(told.contains("delivered 1 after 1"), "{told}");
}

#[test]
fn the_laws_notice_heartbeats_without_the_last_sequence() {
    let mut script = handshake();
    script.extend([Op::Send(0), Op::Poll(0), Op::Drop(1, 0), Op::Drop(1, 0), Op::Drop(1, 0)]);
    run([8, 8], &script, Broken::Nothing).unwrap();
    let told = run([8, 8], &script, Broken::LastSeq).unwrap_err();
    assert!(told.contains("still holds 1"), "the lost frame is never asked for: {told}");
}

#[test]
fn the_laws_notice_credits_that_are_exceeded() {
    let mut script = handshake();
    script.push(Op::Send(0));
    assert!(run([8, 8], &script, Broken::Credits).is_err());
}

#[test]
fn an_absent_peer_shows_as_stale_refuses_and_comes_back_without_loss() {
    let mut world = World::new([8, 8], Broken::Nothing);
    for op in handshake() {
        world.apply(&op).unwrap();
    }
    world.now += STALE_NS;
    world.poll(0);
    assert_eq!(world.sides[0].link.state(), LinkState::Stale);
    assert_eq!(world.sides[0].link.send(world.now, b"x"), Err(SendRefusal::NotSynced));
    world.quiesce().unwrap();
    assert_eq!(world.sides[0].link.counters().stale_times, 1);
}

#[test]
fn a_bye_ends_a_link_after_everything_before_it_was_delivered() {
    let mut world = World::new([8, 8], Broken::Nothing);
    for op in handshake() {
        world.apply(&op).unwrap();
    }
    for _ in 0..3 {
        world.send(0).unwrap();
    }
    world.sides[0].link.bye();
    assert_eq!(world.sides[0].link.send(world.now, b"x"), Err(SendRefusal::Ended));
    world.poll(0);
    // The second DATA frame is lost, the BYE behind it is not.
    world.channel[1].remove(1);
    let mut closed = Vec::new();
    for _ in 0..20 {
        world.now += HEARTBEAT_NS;
        for frame in std::mem::take(&mut world.channel[1]) {
            let _ = world.sides[1].link.on_frame(world.now, &frame);
            while let Some(event) = world.sides[1].link.next_event() {
                if matches!(event, LinkEvent::PeerClosed { .. }) {
                    closed.push((event, world.sides[1].link.counters().delivered));
                }
            }
        }
        let last = world.sides[1].link.delivered_seq();
        world.sides[1].link.ack(last);
        for frame in std::mem::take(&mut world.channel[0]) {
            let _ = world.sides[0].link.on_frame(world.now, &frame);
        }
        world.poll(0);
        world.poll(1);
    }
    assert_eq!(closed, [(LinkEvent::PeerClosed { epoch: 1, last_seq: 3 }, 3)]);
    assert!(world.sides[0].link.finished());
}

#[test]
fn an_end_that_resumes_its_durable_place_is_not_sent_it_again() {
    let mut world = World::new([8, 8], Broken::Nothing);
    for op in handshake() {
        world.apply(&op).unwrap();
    }
    for _ in 0..4 {
        world.send(0).unwrap();
    }
    world.poll(0);
    for frame in std::mem::take(&mut world.channel[1]) {
        world.deliver(1, &frame).unwrap();
    }
    // Durable up to 3, acknowledged nothing, then killed.
    world.sides[1].link = Link::new(LinkConfig { link_id: LINK_ID, epoch: 2, window: 8 }).resuming(1, 3);
    world.sides[1].epoch = 2;
    world.sides[1].delivered.insert(1, 3);
    world.quiesce().unwrap();
    let counters = world.sides[1].link.counters();
    assert_eq!((counters.delivered, counters.duplicates), (1, 0));
    assert_eq!(counters.resends_asked, 0, "the handshake alone told the sender where to go on");
}

#[test]
fn a_gap_is_asked_for_as_soon_as_the_next_frame_shows_it() {
    let mut world = World::new([8, 8], Broken::Nothing);
    for op in handshake() {
        world.apply(&op).unwrap();
    }
    world.send(0).unwrap();
    world.send(0).unwrap();
    world.poll(0);
    world.channel[1].remove(0);
    for frame in std::mem::take(&mut world.channel[1]) {
        world.deliver(1, &frame).unwrap();
    }
    assert_eq!(world.sides[1].link.state(), LinkState::Gap);
    world.poll(1);
    let resends = world.channel[0].iter().filter(|f| decode(f).unwrap().0.kind == FrameType::Resend);
    assert_eq!(resends.count(), 1);
    world.poll(1);
    assert_eq!(world.sides[1].link.counters().resends_asked, 1, "once for a gap, then each 100 ms");
    world.quiesce().unwrap();
    let counters = world.sides[1].link.counters();
    assert_eq!((counters.delivered, counters.gaps, counters.out_of_order), (2, 1, 1));
}

#[test]
fn what_an_earlier_life_acknowledged_is_skipped_and_told_when_something_before_it_was_delivered() {
    let mut world = World::new([8, 8], Broken::Nothing);
    for op in handshake() {
        world.apply(&op).unwrap();
    }
    for _ in 0..4 {
        world.send(0).unwrap();
    }
    world.poll(0);
    let late = world.channel[1][0].clone();
    for frame in std::mem::take(&mut world.channel[1]) {
        world.deliver(1, &frame).unwrap();
    }
    // An old HELLO of the sender, from before anything was acknowledged, is still on its way when the receiver dies.
    world.sides[0].link.disconnected();
    world.poll(0);
    let old_hello = world.channel[1].remove(0);
    world.apply(&Op::Turn).unwrap();
    world.ack(1);
    world.apply(&Op::Turn).unwrap();
    world.apply(&Op::Turn).unwrap();
    assert_eq!(world.sides[0].link.in_flight(), 0);
    world.apply(&Op::Restart(1)).unwrap();
    world.deliver(1, &old_hello).unwrap();
    world.deliver(1, &late).unwrap();
    assert_eq!(world.sides[1].link.delivered_seq(), 1);
    world.quiesce().unwrap();
    let counters = world.sides[1].link.counters();
    assert_eq!((counters.delivered, counters.skipped), (1, 3), "2..=4 are durable with the earlier life");
}

#[test]
fn an_acknowledgement_that_comes_after_the_peer_has_restarted_acknowledges_nothing_of_its_new_epoch() {
    let mut world = World::new([8, 8], Broken::Nothing);
    for op in handshake() {
        world.apply(&op).unwrap();
    }
    let four = |world: &mut World| {
        for _ in 0..4 {
            world.send(0).unwrap();
        }
        world.apply(&Op::Turn).unwrap();
    };
    four(&mut world);
    world.apply(&Op::Restart(0)).unwrap();
    for _ in 0..6 {
        world.apply(&Op::Turn).unwrap();
    }
    four(&mut world);
    assert_eq!(world.sides[1].link.delivered_seq(), 4);
    // Meant for the old epoch; the new one has delivered up to the same place and made none of it durable.
    world.sides[1].link.ack_of(1, 4);
    world.sides[1].link.ack(5);
    world.apply(&Op::Turn).unwrap();
    world.apply(&Op::Turn).unwrap();
    assert_eq!(world.sides[0].link.in_flight(), 4);
    world.sides[1].link.ack_of(2, 3);
    world.apply(&Op::Turn).unwrap();
    world.apply(&Op::Turn).unwrap();
    assert_eq!(world.sides[0].link.in_flight(), 1);
}

#[test]
fn frames_of_another_link_and_claims_that_cannot_be_are_counted_and_change_nothing() {
    let mut world = World::new([8, 8], Broken::Nothing);
    for op in handshake() {
        world.apply(&op).unwrap();
    }
    world.send(0).unwrap();
    world.poll(0);
    let frame = |link_id, kind, payload: &[u8]| {
        let seq = u64::from(kind == FrameType::Data);
        let header = tidegate_wire::frame::FrameHeader { kind, link_id, epoch: 1, seq, mono_ns: 0 };
        let mut buf = Vec::new();
        encode_into(&mut buf, &header, payload).unwrap();
        buf
    };
    let ack = |recv_epoch, acked_seq| tidegate_wire::frame::Ack { recv_epoch, acked_seq }.to_bytes();
    let link = &mut world.sides[0].link;
    assert_eq!(link.on_frame(1, &frame(LINK_ID + 1, FrameType::Data, b"x")), Received::Nothing);
    let _ = link.on_frame(1, &frame(LINK_ID, FrameType::Ack, &ack(1, 2)));
    assert_eq!((link.counters().wrong_link, link.counters().protocol_faults), (1, 1));
    let _ = link.on_frame(1, &frame(LINK_ID, FrameType::Ack, &ack(9, 1)));
    assert_eq!(link.in_flight(), 1, "an acknowledgement of another epoch frees nothing");
    let hello = |first_available_seq, recv_seq| {
        tidegate_wire::frame::Hello { first_available_seq, recv_epoch: 1, recv_seq, window: 8 }.to_bytes()
    };
    for claim in [hello(0, 0), hello(3, 0), hello(1, 2)] {
        let _ = link.on_frame(1, &frame(LINK_ID, FrameType::Hello, &claim));
    }
    assert_eq!(link.counters().protocol_faults, 4);
    world.quiesce().unwrap();
    assert_eq!(world.sides[0].link.counters().protocol_faults, 4);
}

#[test]
fn an_epoch_that_goes_back_is_refused_and_told_once() {
    let mut world = World::new([8, 8], Broken::Nothing);
    world.sides[0].epoch = 5;
    world.sides[0].link = Link::new(LinkConfig { link_id: LINK_ID, epoch: 5, window: 8 });
    for op in handshake() {
        world.apply(&op).unwrap();
    }
    let mut impostor = Link::new(LinkConfig { link_id: LINK_ID, epoch: 4, window: 8 });
    let mut told = 0;
    for turn in 0..5 {
        impostor.poll(turn * HEARTBEAT_NS, &mut |frame| {
            let _ = world.sides[1].link.on_frame(world.now, frame);
            true
        });
        while let Some(event) = world.sides[1].link.next_event() {
            told += usize::from(event == LinkEvent::EpochWentBack { known: 5, claimed: 4 });
        }
    }
    assert_eq!(told, 1);
    assert_eq!(world.sides[1].link.peer_epoch(), Some(5));
    assert!(world.sides[1].link.counters().wrong_epoch >= 5);
}

#[test]
fn bounds_hold_for_window_bytes_and_events() {
    let link = Link::new(LinkConfig { link_id: 1, epoch: 0, window: u32::MAX });
    assert_eq!((link.config().window, link.config().epoch), (WINDOW_MAX, 1));

    let mut world = World::new([WINDOW_MAX, WINDOW_MAX], Broken::Nothing);
    for op in handshake() {
        world.apply(&op).unwrap();
    }
    let big = vec![7; 64 * 1024];
    let link = &mut world.sides[0].link;
    let taken = (0..1_000).take_while(|_| link.send(1, &big).is_ok()).count();
    assert_eq!(link.send(1, &big), Err(SendRefusal::NoCredit));
    assert!((200..=256).contains(&taken), "bounded by bytes: {taken}");
    assert_eq!(link.send(1, &[7; 64 * 1024 + 1]), Err(SendRefusal::TooLong));
    assert_eq!(link.send(1, &[]), Err(SendRefusal::Empty));

    // An owner that never looks: states alternate, the oldest are lost and counted.
    for turn in 1..200 {
        link.disconnected();
        let hello = {
            let mut peer = Link::new(LinkConfig { link_id: LINK_ID, epoch: 1 + turn, window: 8 });
            let mut frame = Vec::new();
            peer.poll(1, &mut |f| {
                frame = f.to_vec();
                true
            });
            frame
        };
        let _ = link.on_frame(1, &hello);
    }
    assert!(link.counters().events_dropped > 0);
    assert_eq!(std::iter::from_fn(|| link.next_event()).count(), tidegate_bus::limits::EVENTS_MAX);
}
