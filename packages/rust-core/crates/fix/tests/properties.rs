//! Laws of the codec and of the session over any input and any history.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;
use std::collections::BTreeSet;
use tidegate_fix::frame::{self, Step};
use tidegate_fix::{
    Application, Body, Config, Event, Instant, MemoryStore, Message, Replies, Role, Session, Strictness,
    Verdict, Version, limits, tag,
};

const T0: i64 = 1_717_416_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> Instant {
    Instant { wall: T0 + (seconds * SECOND) as i64, mono: (seconds + 1) * SECOND }
}

fn config(role: Role) -> Config {
    let (us, peer) = if role == Role::Initiator { ("BUY", "SELL") } else { ("SELL", "BUY") };
    Config {
        heartbeat_seconds: 0,
        strictness: Strictness::Lenient,
        ..Config::new(Version::Fix44, role, us, peer)
    }
}

fn session(role: Role, store: MemoryStore) -> Session<MemoryStore> {
    Session::new(config(role), store).unwrap()
}

fn flushed(session: &mut Session<MemoryStore>) -> Vec<u8> {
    let mut out = Vec::new();
    session.flush(&mut out).unwrap();
    out
}

/// Takes everything.
#[derive(Debug, Default)]
struct Taker {
    /// Number and ClOrdID of each message, in the order they came.
    messages: Vec<(u64, String)>,
    /// How many of them were repetitions.
    repeated: u64,
    withheld: u64,
}

impl Application for Taker {
    fn message(&mut self, message: &Message<'_>, _replies: &mut Replies) -> Verdict<'static> {
        let id = String::from_utf8_lossy(message.get(tag::CL_ORD_ID).unwrap_or_default()).into_owned();
        self.messages.push((message.seq().unwrap(), id));
        self.repeated += u64::from(message.is_yes(tag::POSS_DUP_FLAG));
        Verdict::Accept
    }

    fn event(&mut self, event: Event<'_>) {
        if let Event::Resent { withheld, .. } = event {
            self.withheld += withheld;
        }
    }
}

/// What a stream holds, read to its end.
fn frames(bytes: &[u8]) -> (Vec<&[u8]>, usize) {
    let mut at = 0;
    let mut found = Vec::new();
    loop {
        match frame::next(&bytes[at..]) {
            Step::More => return (found, at),
            Step::Skip(count, _) => {
                assert!(count > 0 && at + count <= bytes.len());
                at += count;
            }
            Step::Frame(count) => {
                assert!(count <= limits::MESSAGE_BYTES_MAX);
                found.push(&bytes[at..at + count]);
                at += count;
            }
        }
    }
}

/// A session of ours that is logged on, and the valid messages a client of it would send.
fn open() -> (Session<MemoryStore>, Session<MemoryStore>) {
    let (mut sell, mut buy) =
        (session(Role::Acceptor, MemoryStore::default()), session(Role::Initiator, MemoryStore::default()));
    sell.connect(at(0));
    buy.connect(at(0));
    sell.receive(&flushed(&mut buy), at(0), &mut Taker::default());
    buy.receive(&flushed(&mut sell), at(0), &mut Taker::default());
    assert!(sell.is_open() && buy.is_open());
    (buy, sell)
}

fn order(id: &str) -> Body {
    let mut body = Body::new();
    body.text(11, id.as_bytes()).char(54, b'1').text(55, b"X").time(60, T0).char(40, b'1');
    body
}

fn report(id: &str) -> Body {
    let mut body = Body::new();
    body.text(37, b"o").text(11, id.as_bytes()).text(17, id.as_bytes()).char(150, b'0').char(39, b'0');
    body.char(54, b'1').text(55, b"X").number(151, 1).number(14, 0).number(6, 0);
    body
}

/// Bytes that look like FIX often enough to reach what is behind the first check.
fn fixlike() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"8=FIX.4.4\x01".to_vec()),
        Just(b"9=".to_vec()),
        Just(b"35=".to_vec()),
        Just(b"10=".to_vec()),
        Just(b"\x01".to_vec()),
        Just(b"95=5\x0196=".to_vec()),
        "[0-9]{1,4}=".prop_map(String::into_bytes),
        "[0-9A-Z]{0,6}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_their_end_without_a_panic(bytes in fixlike()) {
        let (found, at) = frames(&bytes);
        prop_assert!(bytes.len() - at <= limits::MESSAGE_BYTES_MAX);
        let mut room = Vec::new();
        for raw in found {
            let _ = Message::parse(raw, &mut room);
        }
        let (_, mut sell) = open();
        sell.receive(&bytes, at_one(), &mut Taker::default());
        flushed(&mut sell);
    }

    #[test]
    fn how_a_stream_is_cut_changes_nothing(bytes in fixlike(), good in 0_usize..4, cuts in proptest::collection::vec(1_usize..40, 1..80)) {
        let (mut buy, mut whole) = open();
        let (_, mut cut) = open();
        for id in 0..good {
            buy.send(b"D", &order(&id.to_string()), at(1)).unwrap();
        }
        let stream = [bytes, flushed(&mut buy)].concat();
        let (mut one, mut two) = (Taker::default(), Taker::default());
        whole.receive(&stream, at(1), &mut one);
        let mut rest = &stream[..];
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            cut.receive(now, at(1), &mut two);
            rest = later;
        }
        prop_assert_eq!(&one.messages, &two.messages);
        prop_assert_eq!(flushed(&mut whole), flushed(&mut cut));
        prop_assert_eq!(whole.numbers(), cut.numbers());
    }

    #[test]
    fn what_is_written_is_what_is_read(
        fields in proptest::collection::vec((100_u16..999, "[ -~]{1,30}"), 1..40),
        kind in "[B-Za-z]",
    ) {
        let (mut buy, _) = open();
        let mut body = Body::new();
        // Tags of lengths and of header and trailer have meanings of their own.
        let fields: Vec<_> = fields.into_iter().filter(|(tag, _)| *tag >= 700).collect();
        for (tag, value) in &fields {
            body.text(*tag, value.as_bytes());
        }
        let seq = buy.send(kind.as_bytes(), &body, at(1)).unwrap();
        let raw = flushed(&mut buy);
        prop_assert_eq!(frame::next(&raw), Step::Frame(raw.len()));
        let mut room = Vec::new();
        let message = Message::parse(&raw, &mut room).unwrap();
        prop_assert_eq!((message.msg_type(), message.seq()), (kind.as_bytes(), Some(seq)));
        prop_assert_eq!(message.timestamp(tag::SENDING_TIME), Some(at(1).wall));
        let read: Vec<_> = message.fields()[7..message.fields().len() - 1]
            .iter()
            .map(|field| (field.tag as u16, String::from_utf8_lossy(message.value(*field)).into_owned()))
            .collect();
        prop_assert_eq!(read, fields);
    }

    #[test]
    fn a_message_with_one_changed_byte_is_not_believed(place in any::<prop::sample::Index>(), change in 1_u8..=255) {
        let (mut buy, _) = open();
        buy.send(b"D", &order("a"), at(1)).unwrap();
        let mut raw = flushed(&mut buy);
        prop_assert_eq!(frames(&raw).0.len(), 1);
        let at = place.index(raw.len());
        raw[at] = raw[at].wrapping_add(change);
        prop_assert!(frames(&raw).0.is_empty());
    }

    #[test]
    fn mutated_sessions_neither_panic_nor_take_an_order_twice(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..4, any::<u8>()), 1..6),
    ) {
        let (mut buy, mut sell) = open();
        for id in 0..6 {
            buy.send(b"D", &order(&id.to_string()), at(1)).unwrap();
        }
        let mut stream = flushed(&mut buy);
        for (from, to, kind, byte) in edits {
            let (from, to) = (from.index(stream.len()), to.index(stream.len()));
            let (from, to) = (from.min(to), from.max(to));
            match kind {
                0 => stream[from] = byte,
                1 => drop(stream.drain(from..to.min(from + 200))),
                2 => {
                    let copy = stream[from..to].to_vec();
                    stream.splice(from..from, copy);
                }
                _ => stream.insert(from, byte),
            }
            if stream.is_empty() {
                break;
            }
        }
        let mut taker = Taker::default();
        sell.receive(&stream, at(1), &mut taker);
        flushed(&mut sell);
        let numbers: BTreeSet<_> = taker.messages.iter().map(|(seq, _)| *seq).collect();
        prop_assert_eq!(numbers.len(), taker.messages.len());
        prop_assert!(taker.messages.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    /// Any history of messages, of bytes that are lost with their connection, and of restarts from what the store holds.
    #[test]
    fn nothing_is_lost_doubled_or_sent_again_blindly(steps in proptest::collection::vec((0_u8..8, 0_usize..400), 1..60)) {
        let (mut buy, mut sell) = open();
        let (mut buyer, mut seller) = (Taker::default(), Taker::default());
        let (mut there, mut back) = (Vec::new(), Vec::new());
        let (mut orders, mut reports) = (0_u64, 0_u64);
        let mut now = 1;
        let reconnect = |buy: &mut Session<MemoryStore>, sell: &mut Session<MemoryStore>, now: u64| {
            buy.disconnected(at(now));
            sell.disconnected(at(now));
            sell.connect(at(now));
            buy.connect(at(now));
        };
        for (kind, amount) in steps {
            now += 1;
            match kind {
                0 | 1 if buy.is_open() => {
                    buy.send(b"D", &order(&orders.to_string()), at(now)).unwrap();
                    orders += 1;
                }
                2 | 3 if sell.is_open() => {
                    sell.send(b"8", &report(&reports.to_string()), at(now)).unwrap();
                    reports += 1;
                }
                4 | 5 => {
                    there.extend(flushed(&mut buy));
                    back.extend(flushed(&mut sell));
                    let some: Vec<_> = there.drain(..amount.min(there.len())).collect();
                    sell.receive(&some, at(now), &mut seller);
                    let some: Vec<_> = back.drain(..amount.min(back.len())).collect();
                    buy.receive(&some, at(now), &mut buyer);
                    buy.confirm();
                    sell.confirm();
                }
                6 => {
                    there.clear();
                    back.clear();
                    reconnect(&mut buy, &mut sell, now);
                }
                7 => {
                    there.clear();
                    back.clear();
                    buy = session(Role::Initiator, buy.store().clone());
                    sell = session(Role::Acceptor, sell.store().clone());
                    reconnect(&mut buy, &mut sell, now);
                }
                _ => {}
            }
        }
        // The line heals.
        there.clear();
        back.clear();
        reconnect(&mut buy, &mut sell, now);
        loop {
            let (out, in_) = (flushed(&mut buy), flushed(&mut sell));
            if out.is_empty() && in_.is_empty() {
                break;
            }
            sell.receive(&out, at(now), &mut seller);
            buy.receive(&in_, at(now), &mut buyer);
        }
        prop_assert!(buy.is_open() && sell.is_open());
        prop_assert_eq!(buy.numbers().0, sell.numbers().1);
        prop_assert_eq!(sell.numbers().0, buy.numbers().1);
        let ids: Vec<u64> = buyer.messages.iter().map(|(_, id)| id.parse().unwrap()).collect();
        prop_assert_eq!(ids, (0..reports).collect::<Vec<_>>(), "each report once and in order");
        let ids: Vec<u64> = seller.messages.iter().map(|(_, id)| id.parse().unwrap()).collect();
        prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "no order twice");
        prop_assert_eq!(seller.repeated, 0, "no order again");
        prop_assert!(ids.len() as u64 + buyer.withheld >= orders, "an order that did not arrive was told");
    }
}

fn at_one() -> Instant {
    at(1)
}
