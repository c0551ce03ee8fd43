//! A session's numbers on a disk that fails at every operation in every way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use tidegate_fix::frame::{self, Step};
use tidegate_fix::shell::JournalStore;
use tidegate_fix::{
    Application, Body, Config, Instant, Message, Replies, Role, Session, Store, Verdict, Version,
};
use tidegate_journal::Tier;
use tidegate_segment::memory::{Crash, MemStorage, Mishap};

const MISHAPS: [Mishap; 6] =
    [Mishap::KillBefore, Mishap::KillMid, Mishap::KillAfter, Mishap::Eio, Mishap::Enospc, Mishap::ShortWrite];
const POWER_SEEDS: u64 = 4;
const T0: Instant = Instant { wall: 1_717_416_000_000_000_000, mono: 1_000_000_000 };

struct Deaf;

impl Application for Deaf {
    fn message(&mut self, _message: &Message<'_>, _replies: &mut Replies) -> Verdict<'static> {
        Verdict::Accept
    }
}

fn config(role: Role) -> Config {
    let (us, peer) = if role == Role::Initiator { ("BUY", "SELL") } else { ("SELL", "BUY") };
    Config::new(Version::Fix44, role, us, peer)
}

fn store(disk: &MemStorage, tier: Tier) -> Option<JournalStore<MemStorage>> {
    JournalStore::open_on(disk.clone(), &config(Role::Initiator), tier, 16_384).ok()
}

/// The highest number of the messages in `bytes`.
fn highest(bytes: &[u8]) -> u64 {
    let (mut at, mut seq) = (0, 0);
    let mut room = Vec::new();
    while let Step::Frame(count) = frame::next(&bytes[at..]) {
        seq = seq.max(Message::parse(&bytes[at..at + count], &mut room).unwrap().seq().unwrap());
        at += count;
    }
    assert_eq!(at, bytes.len());
    seq
}

/// What had left the process, and what had been confirmed and flushed, when the run ended.
#[derive(Debug, Default)]
struct Ran {
    sent: u64,
    confirmed: u64,
    bodies: Vec<u64>,
}

/// Logs on, sends orders and takes heartbeats until something fails.
fn run(disk: &MemStorage, tier: Tier) -> Ran {
    let mut ran = Ran::default();
    let Some(store) = store(disk, tier) else { return ran };
    let mut buy = Session::new(config(Role::Initiator), store).unwrap();
    let mut sell = Session::new(config(Role::Acceptor), tidegate_fix::MemoryStore::default()).unwrap();
    sell.connect(T0);
    buy.connect(T0);
    let mut body = Body::new();
    for turn in 0_u64..12 {
        let mut out = Vec::new();
        if buy.flush(&mut out).is_err() {
            assert!(out.is_empty() && buy.closing().is_some());
            return ran;
        }
        ran.sent = ran.sent.max(highest(&out));
        if turn > 0 {
            ran.confirmed = buy.store().numbers().next_in;
            ran.bodies.extend(buy.store().at_or_after(ran.sent).map(|stored| stored.seq));
        }
        sell.receive(&out, T0, &mut Deaf);
        let mut back = Vec::new();
        sell.flush(&mut back).unwrap();
        buy.receive(&back, T0, &mut Deaf);
        buy.confirm();
        for _ in 0..=turn % 3 {
            body.clear().text(11, &[b'x'; 300]).char(54, b'1').text(55, b"X").time(60, 0).char(40, b'1');
            if buy.send(b"D", &body, T0).is_err() && buy.closing().is_none() {
                panic!("an open session refuses an order");
            }
        }
        sell.send(b"B", body.clear().text(148, b"h"), T0).unwrap();
    }
    ran
}

fn crash_loop(tier: Tier, sync_lies: bool) -> (u64, Vec<String>) {
    let (mut points, mut failures) = (0, Vec::new());
    for mishap in MISHAPS {
        for n in 1.. {
            let disk = MemStorage::new();
            if sync_lies {
                disk.set_sync_lies();
            }
            disk.plan(n, mishap);
            let ran = run(&disk, tier);
            if !disk.struck() {
                break;
            }
            let power = if tier == Tier::T2 { POWER_SEEDS } else { 0 };
            for crash in std::iter::once(Crash::Process).chain((0..power).map(|seed| Crash::Power { seed })) {
                points += 1;
                let Some(again) = store(&disk.after(crash), tier) else {
                    failures.push(format!("{mishap:?} at {n}, {crash:?}: the store does not open"));
                    continue;
                };
                let numbers = again.numbers();
                if numbers.next_out <= ran.sent {
                    failures.push(format!(
                        "{mishap:?} at {n}, {crash:?}: {} was sent, next is {}",
                        ran.sent, numbers.next_out
                    ));
                }
                if numbers.next_in < ran.confirmed {
                    failures.push(format!("{mishap:?} at {n}, {crash:?}: {} was confirmed", ran.confirmed));
                }
                let lost = ran
                    .bodies
                    .iter()
                    .find(|seq| again.at_or_after(**seq).map(|stored| stored.seq) != Some(**seq));
                if let Some(lost) = lost {
                    failures.push(format!("{mishap:?} at {n}, {crash:?}: message {lost} is gone"));
                }
            }
        }
    }
    (points, failures)
}

#[test]
fn numbers_never_go_back_whatever_operation_of_the_disk_fails() {
    for (tier, least) in [(Tier::T0, 100), (Tier::T2, 400)] {
        let (points, failures) = crash_loop(tier, false);
        assert_eq!(failures, Vec::<String>::new());
        assert!(points > least, "{tier:?}: {points}");
    }
}

#[test]
fn control_a_disk_that_lies_about_sync_is_noticed() {
    let (points, failures) = crash_loop(Tier::T2, true);
    assert!(failures.len() > 50, "{} of {points}", failures.len());
}

#[test]
fn a_store_is_read_back_as_it_was_left_and_only_by_its_session() {
    let dir = tempfile::tempdir().unwrap();
    let open = |config: &Config| JournalStore::open(dir.path(), config, Tier::T0);
    let mut store = open(&config(Role::Initiator)).unwrap();
    store.sent(1, 5, b"A", b"").unwrap();
    store.sent(2, 6, b"D", b"11=x\x01").unwrap();
    store.expect(9).unwrap();
    store.commit().unwrap();
    let numbers = store.numbers();
    store.close().unwrap();
    let mut store = open(&config(Role::Initiator)).unwrap();
    assert_eq!((store.numbers(), numbers.next_out, numbers.next_in), (numbers, 3, 9));
    let stored = store.at_or_after(1).unwrap();
    assert_eq!(
        (stored.seq, stored.sent_at, &*stored.msg_type, &*stored.body),
        (2, 6, &b"D"[..], &b"11=x\x01"[..])
    );
    assert!(open(&config(Role::Initiator)).is_err(), "one writer at a time");
    store.reset(7).unwrap();
    store.commit().unwrap();
    store.close().unwrap();
    let store = open(&config(Role::Initiator)).unwrap();
    assert_eq!((store.numbers().next_out, store.numbers().next_in, store.at_or_after(1)), (1, 1, None));
    drop(store);
    let fault = open(&config(Role::Acceptor)).unwrap_err().to_string();
    assert!(fault.contains("FIX.4.4 BUY SELL") && fault.contains("FIX.4.4 SELL BUY"), "{fault}");
}
