//! One publisher and one subscriber over a channel that loses, doubles and reorders, with restarts of the publisher.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_bus::limits::{HEARTBEAT_NS, STALE_NS};
use tidegate_bus::stream::{Ended, Publisher, Step, StreamState, Subscriber};
use tidegate_wire::frame::{FrameFault, FrameType, decode, encode_into};

const TOPIC: &str = "md.1.1.top.";

#[derive(Debug, Clone)]
enum Op {
    Publish,
    Heartbeat,
    Deliver(usize),
    Drop(usize),
    Duplicate(usize),
    /// With or without BYE.
    Restart(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::Publish),
        2 => Just(Op::Heartbeat),
        10 => prop_oneof![5 => Just(0), 1 => 0..6_usize].prop_map(Op::Deliver),
        2 => (0..6_usize).prop_map(Op::Drop),
        2 => (0..6_usize).prop_map(Op::Duplicate),
        1 => any::<bool>().prop_map(Op::Restart),
    ]
}

/// Which sequences of one epoch the subscriber accounts for, and how.
#[derive(Debug, Default)]
struct Account {
    first_seq: u64,
    received: BTreeSet<u64>,
    missing: BTreeSet<u64>,
    ended: Option<Ended>,
}

struct World {
    now: u64,
    publisher: Publisher,
    published: BTreeMap<u32, u64>,
    said_bye: BTreeSet<u32>,
    subscriber: Subscriber,
    channel: Vec<Vec<u8>>,
    accounts: BTreeMap<u32, Account>,
    /// Negative control: heartbeats that do not tell the last sequence.
    mute_last_seq: bool,
}

impl World {
    fn new(mute_last_seq: bool) -> Self {
        Self {
            now: 1,
            publisher: Publisher::new(TOPIC, 1),
            published: BTreeMap::from([(1, 0)]),
            said_bye: BTreeSet::new(),
            subscriber: Subscriber::new(TOPIC),
            channel: Vec::new(),
            accounts: BTreeMap::new(),
            mute_last_seq,
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), String> {
        let mut buf = Vec::new();
        match *op {
            Op::Publish => {
                let epoch = self.publisher.epoch();
                let count = self.published.entry(epoch).or_default();
                *count += 1;
                let payload = [epoch.to_le_bytes().as_slice(), &count.to_le_bytes()].concat();
                let seq = self.publisher.data(self.now, &payload, &mut buf).unwrap();
                if seq != *count {
                    return Err(format!("sequence {seq} for frame {count}"));
                }
                self.channel.push(buf);
            }
            Op::Heartbeat => {
                self.now += HEARTBEAT_NS;
                if !self.publisher.heartbeat(self.now, &mut buf) {
                    return Err("no heartbeat when one is due".into());
                }
                self.push(buf);
            }
            Op::Deliver(n) => {
                if n < self.channel.len() {
                    let frame = self.channel.remove(n);
                    return self.deliver(&frame);
                }
            }
            Op::Drop(n) => {
                if n < self.channel.len() {
                    self.channel.remove(n);
                }
            }
            Op::Duplicate(n) => {
                if let Some(frame) = self.channel.get(n).cloned() {
                    self.channel.push(frame);
                }
            }
            Op::Restart(bye) => {
                let epoch = self.publisher.epoch();
                if bye {
                    self.publisher.bye(self.now, &mut buf);
                    self.said_bye.insert(epoch);
                    self.push(buf);
                }
                self.publisher = Publisher::new(TOPIC, epoch + 1);
                self.published.insert(epoch + 1, 0);
            }
        }
        Ok(())
    }

    fn push(&mut self, mut frame: Vec<u8>) {
        let (mut header, _) = decode(&frame).unwrap();
        if self.mute_last_seq && header.kind != FrameType::Data {
            header.seq = 0;
            encode_into(&mut frame, &header, &[]).unwrap();
        }
        self.channel.push(frame);
    }

    fn deliver(&mut self, frame: &[u8]) -> Result<(), String> {
        let Step { refused, opened, gap, data, closed } = self.subscriber.on_frame(self.now, frame);
        if refused.is_some() {
            return Err("refused a good frame".into());
        }
        if let Some(opened) = opened {
            if let Some(end) = opened.previous {
                self.accounts.entry(end.epoch).or_default().ended = Some(end);
                if end.in_order != (self.said_bye.contains(&end.epoch) && end.in_order) {
                    return Err("ended in order without a BYE".into());
                }
            }
            let account = Account { first_seq: opened.first_seq, ..Account::default() };
            if opened.previous.is_some() && opened.first_seq != 1 {
                return Err("a later epoch is not accounted from its start".into());
            }
            if self.accounts.insert(opened.epoch, account).is_some() {
                return Err("opened twice".into());
            }
        }
        if let Some(gap) = gap {
            let account = self.accounts.get_mut(&gap.epoch).ok_or("gap of an unopened epoch")?;
            for seq in gap.first..=gap.last {
                if account.received.contains(&seq) || !account.missing.insert(seq) {
                    return Err(format!("{seq} is accounted for twice"));
                }
            }
        }
        if let Some(data) = data {
            let want = [data.epoch.to_le_bytes().as_slice(), &data.seq.to_le_bytes()].concat();
            if data.payload != want {
                return Err("another frame's payload".into());
            }
            let account = self.accounts.get_mut(&data.epoch).ok_or("data of an unopened epoch")?;
            let last = account.received.last().copied().unwrap_or(0);
            if data.seq <= last || account.missing.contains(&data.seq) || !account.received.insert(data.seq) {
                return Err(format!("received {} out of order or twice", data.seq));
            }
        }
        if let Some(end) = closed {
            self.accounts.get_mut(&end.epoch).ok_or("closed an unopened epoch")?.ended = Some(end);
        }
        Ok(())
    }

    /// The law: of every epoch heard, received and missing together are exactly what was published, to its last frame for
    /// the present epoch and for those that ended in order, to the last frame known for those that were killed.
    fn check(&mut self) -> Result<(), String> {
        for frame in std::mem::take(&mut self.channel) {
            self.deliver(&frame)?;
        }
        self.apply(&Op::Heartbeat)?;
        for frame in std::mem::take(&mut self.channel) {
            self.deliver(&frame)?;
        }
        let mut received = 0;
        let mut missing = 0;
        for (epoch, account) in &self.accounts {
            received += account.received.len() as u64;
            missing += account.missing.len() as u64;
            let published = self.published[epoch];
            let up_to = match account.ended {
                Some(end) if !end.in_order => end.last_seq,
                _ => published,
            };
            let accounted: BTreeSet<u64> = account.received.union(&account.missing).copied().collect();
            let expected: BTreeSet<u64> = (account.first_seq..=up_to).collect();
            if accounted != expected || up_to > published {
                return Err(format!("epoch {epoch}: {account:?}, published {published}"));
            }
        }
        let counters = self.subscriber.counters();
        if (counters.received, counters.missing) != (received, missing) {
            return Err(format!("counters {counters:?}, counted {received} and {missing}"));
        }
        Ok(())
    }
}

fn run(ops: &[Op], mute_last_seq: bool) -> Result<(), String> {
    let mut world = World::new(mute_last_seq);
    for op in ops {
        world.apply(op)?;
    }
    world.check()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn a10_received_and_missing_together_are_exactly_what_was_published(
        ops in proptest::collection::vec(op(), 0..150),
    ) {
        let ran = run(&ops, false);
        prop_assert!(ran.is_ok(), "{}", ran.unwrap_err());
    }

    #[test]
    fn no_bytes_are_taken_for_a_frame(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut subscriber = Subscriber::new(TOPIC);
        let step = subscriber.on_frame(1, &bytes);
        prop_assert!(step.refused.is_some() && step.data.is_none() && step.opened.is_none());
        prop_assert_eq!(subscriber.state(), StreamState::Waiting);
    }
}

#[test]
fn a_lost_tail_shows_by_heartbeat_and_the_law_notices_a_heartbeat_without_it() {
    let ops = [Op::Publish, Op::Deliver(0), Op::Publish, Op::Publish, Op::Drop(0), Op::Drop(0)];
    run(&ops, false).unwrap();
    assert!(run(&ops, true).is_err());
}

#[test]
fn an_epoch_that_ends_in_order_is_counted_to_its_last_frame_by_its_bye() {
    let mut world = World::new(false);
    for op in [Op::Publish, Op::Deliver(0), Op::Publish, Op::Drop(0), Op::Restart(true), Op::Deliver(0)] {
        world.apply(&op).unwrap();
    }
    assert_eq!(world.subscriber.state(), StreamState::Closed);
    assert_eq!(world.accounts[&1].ended, Some(Ended { epoch: 1, last_seq: 2, in_order: true }));
    assert_eq!(world.subscriber.counters().missing, 1);
    world.check().unwrap();
}

#[test]
fn a_late_joiner_accounts_from_the_first_frame_it_hears() {
    let mut world = World::new(false);
    for op in [Op::Publish, Op::Publish, Op::Publish, Op::Drop(0), Op::Drop(0), Op::Deliver(0)] {
        world.apply(&op).unwrap();
    }
    assert_eq!(world.accounts[&1].first_seq, 3);
    assert_eq!((world.subscriber.counters().received, world.subscriber.counters().missing), (1, 0));
}

#[test]
fn a_killed_publisher_is_told_as_not_in_order() {
    let mut world = World::new(false);
    for op in [Op::Publish, Op::Deliver(0), Op::Publish, Op::Drop(0), Op::Restart(false), Op::Publish] {
        world.apply(&op).unwrap();
    }
    world.check().unwrap();
    assert_eq!(world.accounts[&1].ended, Some(Ended { epoch: 1, last_seq: 1, in_order: false }));
}

#[test]
fn silence_is_stale_once_and_a_frame_ends_it() {
    let mut subscriber = Subscriber::new(TOPIC);
    assert!(!subscriber.poll(u64::MAX), "nothing was ever heard");
    let mut publisher = Publisher::new(TOPIC, 1);
    let mut buf = Vec::new();
    assert!(publisher.heartbeat(1, &mut buf));
    let _ = subscriber.on_frame(1, &buf);
    assert!(!subscriber.poll(STALE_NS));
    assert!(subscriber.poll(1 + STALE_NS) && !subscriber.poll(2 + STALE_NS));
    assert_eq!(subscriber.state(), StreamState::Stale);
    let _ = subscriber.on_frame(2 + STALE_NS, &buf);
    assert_eq!(subscriber.state(), StreamState::Live);
}

#[test]
fn frames_of_another_topic_or_kind_are_counted_and_a_payload_beyond_its_bounds_uses_no_sequence() {
    let mut publisher = Publisher::new("md.1.2.top.", 1);
    let mut subscriber = Subscriber::new(TOPIC);
    let mut buf = Vec::new();
    assert_eq!(publisher.data(1, &[], &mut buf), Err(FrameFault::BadPayload));
    assert_eq!(publisher.data(1, &vec![0; 65_537], &mut buf), Err(FrameFault::TooLong));
    assert_eq!(publisher.data(1, b"x", &mut buf), Ok(1));
    assert_eq!(subscriber.on_frame(1, &buf), Step::default());
    assert_eq!(subscriber.counters().wrong_link, 1);
}
