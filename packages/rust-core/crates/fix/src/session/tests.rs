use super::*;
use crate::store::MemoryStore;
use crate::tag;

const T0: Instant = Instant { wall: 1_717_416_000_000_000_000, mono: 1_000_000_000 };
const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> Instant {
    Instant { wall: T0.wall + (seconds * SECOND) as i64, mono: T0.mono + seconds * SECOND }
}

/// Remembers what it was given.
#[derive(Debug, Default)]
struct Log {
    messages: Vec<(u64, String, bool)>,
    events: Vec<String>,
    refuse: Option<String>,
}

impl Application for Log {
    fn logon(&mut self, _message: &Message<'_>) -> Result<(), String> {
        self.refuse.clone().map_or(Ok(()), Err)
    }

    fn message(&mut self, message: &Message<'_>, _replies: &mut Replies) -> Verdict<'static> {
        let id = String::from_utf8_lossy(message.get(tag::CL_ORD_ID).unwrap_or_default()).into_owned();
        self.messages.push((message.seq().unwrap(), id, message.is_yes(tag::POSS_DUP_FLAG)));
        Verdict::Accept
    }

    fn event(&mut self, event: Event<'_>) {
        self.events.push(format!("{event:?}"));
    }
}

impl Log {
    fn heard(&self, what: &str) -> bool {
        self.events.iter().any(|event| event.contains(what))
    }
}

fn config(role: Role) -> Config {
    let (us, peer) = if role == Role::Initiator { ("BUY", "SELL") } else { ("SELL", "BUY") };
    Config {
        heartbeat_seconds: 10,
        strictness: Strictness::Lenient,
        ..Config::new(Version::Fix44, role, us, peer)
    }
}

fn session(role: Role) -> Session<MemoryStore> {
    Session::new(config(role), MemoryStore::default()).unwrap()
}

fn drained(session: &mut Session<MemoryStore>) -> Vec<u8> {
    let mut out = Vec::new();
    session.flush(&mut out).unwrap();
    out
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\u{1}', "|")
}

/// A message of the peer, framed.
fn frame_of(from: &str, to: &str, fields: &str, seq: u64, now: Instant) -> Vec<u8> {
    let mut stamp = Vec::new();
    crate::time::write_timestamp(&mut stamp, now.wall);
    let (kind, rest) = fields.split_once('|').unwrap();
    let body = format!("{kind}|34={seq}|49={from}|52={}|56={to}|{rest}", shown(&stamp)).replace('|', "\u{1}");
    let mut raw = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len()).into_bytes();
    let sum = crate::frame::checksum(&raw);
    raw.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
    raw
}

fn buy(fields: &str, seq: u64, now: Instant) -> Vec<u8> {
    frame_of("BUY", "SELL", fields, seq, now)
}

fn order(id: &str) -> Body {
    let mut body = Body::new();
    body.text(11, id.as_bytes()).char(54, b'1').text(55, b"X").time(60, T0.wall).char(40, b'1');
    body
}

fn report(id: &str) -> Body {
    let mut body = Body::new();
    body.text(37, b"o").text(11, id.as_bytes()).text(17, id.as_bytes()).char(150, b'0').char(39, b'0');
    body.char(54, b'1').text(55, b"X").number(151, 1).number(14, 0).number(6, 0);
    body
}

/// Both ends of ours, and what they hear.
struct Pair {
    buy: Session<MemoryStore>,
    sell: Session<MemoryStore>,
    buyer: Log,
    seller: Log,
}

impl Pair {
    fn new() -> Self {
        Self {
            buy: session(Role::Initiator),
            sell: session(Role::Acceptor),
            buyer: Log::default(),
            seller: Log::default(),
        }
    }

    fn connect(&mut self, now: Instant) {
        self.sell.connect(now);
        self.buy.connect(now);
        self.exchange(now);
    }

    fn disconnect(&mut self, now: Instant) {
        self.buy.disconnected(now);
        self.sell.disconnected(now);
    }

    /// Moves bytes until neither has any.
    fn exchange(&mut self, now: Instant) {
        loop {
            let there = drained(&mut self.buy);
            self.sell.receive(&there, now, &mut self.seller);
            let back = drained(&mut self.sell);
            self.buy.receive(&back, now, &mut self.buyer);
            if there.is_empty() && back.is_empty() {
                break;
            }
        }
    }
}

fn acceptor_on() -> (Session<MemoryStore>, Log) {
    let (mut sell, mut log) = (session(Role::Acceptor), Log::default());
    sell.connect(T0);
    sell.receive(&buy("35=A|98=0|108=10|", 1, T0), T0, &mut log);
    assert!(sell.is_open());
    drained(&mut sell);
    (sell, log)
}

#[test]
fn two_ends_log_on_talk_and_log_out() {
    let mut pair = Pair::new();
    pair.connect(T0);
    assert!(pair.buy.is_open() && pair.sell.is_open());
    assert_eq!(pair.buy.send(b"D", &order("a"), at(1)), Ok(2));
    assert_eq!(pair.sell.send(b"8", &report("a"), at(1)), Ok(2));
    pair.exchange(at(1));
    assert_eq!(pair.seller.messages, [(2, "a".to_string(), false)]);
    assert_eq!(pair.buyer.messages, [(2, "a".to_string(), false)]);
    pair.buy.logout("", at(2));
    pair.exchange(at(2));
    assert_eq!((pair.buy.closing(), pair.sell.closing()), (Some(Close::LoggedOut), Some(Close::LoggedOut)));
    assert_eq!((pair.buy.numbers(), pair.sell.numbers()), ((4, 4), (4, 4)));
    assert_eq!(pair.buy.send(b"D", &order("b"), at(3)), Err(SendFault::NotLoggedOn));
}

/// An order, and a report, that the peer never got, and a new connection.
fn lost(age: u64) -> Pair {
    let mut pair = Pair::new();
    pair.buy.config.resend = ResendPolicy { order_age_ns_max: age };
    pair.connect(T0);
    pair.buy.send(b"D", &order("lost"), at(1)).unwrap();
    pair.sell.send(b"8", &report("lost"), at(1)).unwrap();
    drained(&mut pair.buy);
    drained(&mut pair.sell);
    pair.disconnect(at(2));
    pair.connect(at(5));
    pair
}

#[test]
fn a_lost_order_is_gap_filled_and_told_and_a_lost_report_comes_again() {
    let mut pair = lost(0);
    assert_eq!(pair.seller.messages, []);
    assert!(pair.buyer.heard("Resent { sent: 0, withheld: 1 }"));
    assert_eq!(pair.buyer.messages, [(2, "lost".to_string(), true)]);
    assert!(pair.seller.heard("Resent { sent: 1, withheld: 0 }"));
    assert_eq!((pair.buy.numbers().1, pair.sell.numbers().1), (pair.sell.numbers().0, pair.buy.numbers().0));
    pair.buy.send(b"D", &order("next"), at(6)).unwrap();
    pair.exchange(at(6));
    assert_eq!(pair.seller.messages.len(), 1);
}

#[test]
fn control_an_order_within_the_age_that_is_allowed_is_sent_again() {
    assert_eq!(lost(4 * SECOND).seller.messages, [(2, "lost".to_string(), true)]);
    assert_eq!(lost(4 * SECOND - 1).seller.messages, []);
}

#[test]
fn what_was_not_confirmed_comes_again_after_a_restart() {
    let mut pair = Pair::new();
    pair.connect(T0);
    pair.buy.confirm();
    for id in ["a", "b"] {
        pair.sell.send(b"8", &report(id), at(1)).unwrap();
    }
    pair.exchange(at(1));
    pair.disconnect(at(2));
    pair.buy = Session::new(config(Role::Initiator), pair.buy.store.clone()).unwrap();
    assert_eq!(pair.buy.numbers().1, 2);
    pair.connect(at(3));
    let ids: Vec<_> = pair.buyer.messages.iter().map(|(_, id, dup)| (id.as_str(), *dup)).collect();
    assert_eq!(ids, [("a", false), ("b", false), ("a", true), ("b", true)]);
}

#[test]
fn a_number_that_is_too_low_ends_the_session_at_both_ends() {
    let mut pair = Pair::new();
    pair.connect(T0);
    pair.disconnect(at(1));
    pair.buy = session(Role::Initiator);
    pair.connect(at(2));
    assert_eq!((pair.sell.closing(), pair.buy.closing()), (Some(Close::SeqTooLow), Some(Close::LogonDenied)));
    assert!(pair.buyer.heard("LoggedOut"));
    pair.disconnect(at(3));
    // The remedy is a reset that both agree on.
    pair.buy.config.reset_on_logon = true;
    pair.connect(at(4));
    assert!(pair.buy.is_open() && pair.seller.heard("LoggedOn { reset: true }"));
    assert_eq!((pair.buy.numbers(), pair.sell.numbers()), ((2, 2), (2, 2)));
}

#[test]
fn a_logon_the_application_refuses_is_answered_with_its_reason() {
    let mut pair = Pair::new();
    pair.seller.refuse = Some("unknown password".into());
    pair.connect(T0);
    assert_eq!(
        (pair.sell.closing(), pair.buy.closing()),
        (Some(Close::LogonRefused), Some(Close::LogonDenied))
    );
    assert!(pair.buyer.heard(&format!("{:?}", b"unknown password")));
}

#[test]
fn silence_brings_a_test_request_and_then_the_end() {
    let (mut sell, mut log) = acceptor_on();
    assert_eq!(sell.next_timer(), Some(at(10).mono));
    sell.tick(at(9), &mut log);
    assert!(drained(&mut sell).is_empty());
    sell.tick(at(10), &mut log);
    assert!(shown(&drained(&mut sell)).contains("|35=0|34=2|"));
    sell.tick(at(12), &mut log);
    assert!(shown(&drained(&mut sell)).contains("|35=1|34=3|"));
    sell.tick(at(19), &mut log);
    assert!(drained(&mut sell).is_empty() && sell.closing().is_none());
    sell.tick(at(20), &mut log);
    assert_eq!(sell.closing(), Some(Close::HeartbeatTimeout));
    let (mut sell, mut log) = acceptor_on();
    sell.tick(at(12), &mut log);
    sell.receive(&buy("35=0|112=TEST|", 2, at(13)), at(13), &mut log);
    sell.tick(at(20), &mut log);
    assert_eq!(sell.closing(), None);
}

#[test]
fn a_gap_that_is_not_filled_is_asked_for_three_times() {
    let (mut sell, mut log) = acceptor_on();
    sell.receive(&buy("35=0|", 5, T0), T0, &mut log);
    let mut asked = shown(&drained(&mut sell)).matches("|35=2|").count();
    for seconds in 1..60 {
        if sell.closing().is_some() {
            break;
        }
        sell.receive(&buy("35=0|", 5 + seconds, at(seconds)), at(seconds), &mut log);
        sell.tick(at(seconds), &mut log);
        asked += shown(&drained(&mut sell)).matches("|35=2|").count();
    }
    assert_eq!((asked, sell.closing()), (3, Some(Close::GapNotFilled)));
}

#[test]
fn the_queue_behind_a_gap_is_bounded_and_what_it_drops_comes_again() {
    let (mut sell, mut log) = acceptor_on();
    let text = "58=".to_string() + &"x".repeat(60);
    let last = 3 + limits::QUEUED_MAX as u64;
    for seq in 3..=last {
        sell.receive(&buy(&format!("35=B|148=h|11={seq}|{text}|"), seq, T0), T0, &mut log);
    }
    assert_eq!(sell.queue.held().0, limits::QUEUED_MAX);
    assert!(
        log.heard(&format!("QueueFull {{ seq: {last} }}"))
            && !log.heard(&format!("QueueFull {{ seq: {} }}", last - 1))
    );
    sell.receive(&buy("35=0|", 2, T0), T0, &mut log);
    assert_eq!((sell.numbers().1, sell.queue.held()), (last, (0, 0)));
    sell.receive(&buy(&format!("35=B|148=h|11={last}|"), last, T0), T0, &mut log);
    assert_eq!(log.messages.len() as u64, last - 2);
    // The bytes have a bound of their own.
    let (mut sell, mut log) = acceptor_on();
    let text = "x".repeat(7_000);
    for seq in 3..=300 {
        sell.receive(&buy(&format!("35=B|148=h|58={text}|"), seq, T0), T0, &mut log);
    }
    let (held, bytes) = sell.queue.held();
    assert!(held < 298 && bytes <= limits::QUEUED_BYTES_MAX && log.heard("QueueFull"));
}

#[test]
fn a_resend_request_is_answered_within_bounds() {
    let (mut sell, mut log) = acceptor_on();
    for id in 0..3 {
        sell.send(b"8", &report(&id.to_string()), T0).unwrap();
    }
    drained(&mut sell);
    for (seq, fields) in [(2, "7=0|16=0|"), (3, "7=6|16=0|"), (4, "7=3|16=2|")] {
        sell.receive(&buy(&format!("35=2|{fields}"), seq, T0), T0, &mut log);
        let sent = shown(&drained(&mut sell));
        assert!(sent.contains("|371=7|372=2|373=5|") && !sent.contains("|43=Y|"), "{fields}");
    }
    sell.receive(&buy("35=2|7=3|16=999999999|", 5, T0), T0, &mut log);
    let sent = shown(&drained(&mut sell));
    assert_eq!((sent.matches("|35=8|").count(), sent.matches("|36=8|123=Y|").count()), (2, 1), "{sent}");
    // A peer that asks without end gets an end.
    let text = "x".repeat(7_000);
    let mut long = Body::new();
    long.text(58, text.as_bytes());
    for _ in 0..limits::RETAINED_BYTES_MAX / 7_000 {
        sell.send(b"B", &long, T0).unwrap();
        drained(&mut sell);
    }
    let ask: Vec<u8> = (6..20).flat_map(|seq| buy("35=2|7=1|16=0|", seq, T0)).collect();
    sell.receive(&ask, T0, &mut log);
    assert_eq!(sell.closing(), Some(Close::Flooded));
    assert!(sell.staged.len() <= 2 * limits::STAGED_BYTES_MAX);
}

#[test]
fn a_reject_is_never_rejected() {
    let (mut sell, mut log) = acceptor_on();
    sell.receive(&buy("35=3|", 2, T0), T0, &mut log);
    assert!(drained(&mut sell).is_empty());
    assert_eq!(sell.numbers().1, 3);
    assert!(log.heard("Refused { seq: 2"));
    sell.receive(&buy("35=3|45=7|58=no|373=5|", 3, T0), T0, &mut log);
    assert!(log.heard("Rejected { seq: 7, reason: Some(5)"));
}

#[test]
fn messages_without_a_number_a_second_logon_and_the_last_number_end_the_session() {
    for (fields, seq, why) in [("35=0|34=x|", 2, None), ("35=A|98=0|108=10|", 2, Some(Close::SecondLogon))] {
        let (mut sell, mut log) = acceptor_on();
        sell.receive(&buy(fields, seq, T0), T0, &mut log);
        assert_eq!(sell.closing(), why, "{fields}");
    }
    let (mut sell, mut log) = acceptor_on();
    sell.receive(&buy("35=0|", limits::SEQ_MAX + 1, T0), T0, &mut log);
    assert_eq!(sell.closing(), Some(Close::SeqMissing));
    let (mut sell, mut log) = acceptor_on();
    sell.store.sent(limits::SEQ_MAX, T0.wall, b"0", b"").unwrap();
    sell.receive(&buy("35=1|112=x|", 2, T0), T0, &mut log);
    assert_eq!(sell.closing(), Some(Close::Exhausted));
    let (mut sell, mut log) = acceptor_on();
    sell.receive(&buy(&format!("35=4|36={}|", limits::SEQ_MAX + 1), 2, T0), T0, &mut log);
    assert!(shown(&drained(&mut sell)).contains("|372=4|373=5|"));
}

#[test]
fn a_session_type_and_a_bad_body_are_not_sent() {
    let mut pair = Pair::new();
    pair.connect(T0);
    let before = pair.buy.numbers();
    assert_eq!(pair.buy.send(b"5", &order("a"), T0), Err(SendFault::SessionType));
    let mut bad = Body::new();
    bad.text(58, b"a\x01b");
    assert_eq!(pair.buy.send(b"D", &bad, T0), Err(SendFault::Body(BodyFault::Separator(58))));
    let mut long = Body::new();
    long.text(58, &[b'x'; 7_000]);
    let full = (0..1_000).find_map(|_| pair.buy.send(b"B", &long, T0).err());
    assert_eq!(full, Some(SendFault::Full));
    assert!(
        pair.buy.numbers().0 > before.0
            && pair.buy.staged.len() <= limits::STAGED_BYTES_MAX + limits::MESSAGE_BYTES_MAX
    );
}

/// A store whose commits fail.
#[derive(Debug, Default)]
struct Failing {
    inner: MemoryStore,
    fails: bool,
}

impl Store for Failing {
    fn numbers(&self) -> crate::store::Numbers {
        self.inner.numbers()
    }
    fn sent(&mut self, seq: u64, sent_at: i64, msg_type: &[u8], body: &[u8]) -> Result<(), StoreFault> {
        self.inner.sent(seq, sent_at, msg_type, body)
    }
    fn expect(&mut self, next_in: u64) -> Result<(), StoreFault> {
        self.inner.expect(next_in)
    }
    fn reset(&mut self, at: i64) -> Result<(), StoreFault> {
        self.inner.reset(at)
    }
    fn commit(&mut self) -> Result<(), StoreFault> {
        if self.fails { Err(StoreFault("no space".into())) } else { Ok(()) }
    }
    fn at_or_after(&self, seq: u64) -> Option<&crate::store::Stored> {
        self.inner.at_or_after(seq)
    }
}

#[test]
fn no_byte_leaves_before_the_store_has_it() {
    let mut buy = Session::new(config(Role::Initiator), Failing::default()).unwrap();
    buy.connect(T0);
    buy.store.fails = true;
    let mut out = Vec::new();
    assert!(buy.flush(&mut out).is_err() && out.is_empty());
    assert_eq!(buy.closing(), Some(Close::Store));
    buy.store.fails = false;
    assert!(buy.flush(&mut out).is_err() && out.is_empty(), "a store that failed once is not asked again");
}

#[test]
fn a_configuration_that_cannot_be_is_refused() {
    for change in [
        |config: &mut Config| config.sender.clear(),
        |config: &mut Config| config.target = "a\u{1}b".into(),
        |config: &mut Config| config.sender = "x".repeat(limits::COMP_ID_BYTES_MAX + 1),
        |config: &mut Config| config.heartbeat_seconds = HEARTBEAT_SECONDS_MAX + 1,
        |config: &mut Config| config.logon_fields = b"553=x".to_vec(),
    ] {
        let mut bad = config(Role::Initiator);
        change(&mut bad);
        assert!(Session::new(bad, MemoryStore::default()).is_err());
    }
}
