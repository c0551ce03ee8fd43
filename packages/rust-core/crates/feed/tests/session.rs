//! The session's rules as tables and laws, without a socket.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use std::collections::BTreeSet;
use support::{Rig, alpaca, binance, shioaji, streams};
use tidegate_feed::limits::{STREAM_ATTEMPTS_MAX, STREAM_RETRY_S};
use tidegate_feed::{Cause, Effect, Event, Rules, Session, State, Stream, shard};

#[test]
fn b008_no_stream_is_asked_for_before_the_login_is_granted() {
    let mut rig = Rig::new(alpaca(), &["trades:AAPL", "quotes:AAPL"]);
    assert_eq!(rig.tick(0), [Effect::Connect { epoch: 1 }]);
    assert_eq!(rig.event(Event::Opened { held: &[] }), []);
    assert_eq!(rig.state(), State::Authenticating);
    assert_eq!(rig.tick(100), []);
    assert_eq!(rig.event(Event::Greeted), [Effect::Login]);
    assert_eq!(rig.tick(100), [], "not even while the answer is late");
    let asked = rig.event(Event::Granted);
    assert_eq!(asked, [Effect::Subscribe(vec!["quotes:AAPL".into(), "trades:AAPL".into()])]);
    assert_eq!(rig.event(Event::HeldExactly(&["trades:AAPL", "quotes:AAPL"])), []);
    assert_eq!(rig.state(), State::Live);
}

#[test]
fn b008_b015_fatal_codes_end_the_session_for_good_and_only_an_operator_brings_it_back() {
    for code in [402, 406, 408, 409] {
        let mut rig = Rig::new(alpaca(), &["trades:AAPL"]);
        rig.tick(0);
        rig.event(Event::Opened { held: &[] });
        rig.event(Event::Greeted);
        let effects = rig.event(Event::Refused { code, wait_ms: None });
        assert_eq!(effects, [Effect::Close { cause: Cause::Code }, Effect::Fatal { code }], "{code}");
        for _ in 0..1_000 {
            assert_eq!(rig.tick(60_000), [], "{code}: not one attempt in sixteen hours");
        }
        assert_eq!((rig.state(), rig.session.counts().connects), (State::Fatal, 1));
        assert_eq!(rig.event(Event::Reset), [Effect::Connect { epoch: 2 }]);
    }
}

#[test]
fn codes_that_are_not_fatal_have_each_their_own_meaning() {
    // (code, state after it, attempts while a minute passes)
    let table = [
        (403, State::Subscribing, 0),
        (405, State::Live, 0),
        (404, State::Recovering, 1),
        (407, State::Recovering, 1),
        (500, State::Recovering, 1),
    ];
    for (code, state, attempts) in table {
        let mut rig = Rig::new(alpaca(), &["trades:AAPL"]);
        rig.log_in();
        assert_eq!(rig.state(), State::Subscribing);
        rig.event(Event::Refused { code, wait_ms: None });
        assert_eq!(rig.state(), state, "{code}");
        let before = rig.session.counts().connects;
        if state == State::Recovering {
            rig.tick(2_000);
            assert_eq!(rig.session.counts().connects - before, attempts, "{code}");
        }
    }
    let mut rig = Rig::new(shioaji(), &["Tick:2330"]);
    rig.tick(0);
    rig.event(Event::Lost { code: 503, reason: "banned", wait_ms: None });
    assert_eq!(rig.tick(74_000), [], "a ban is waited out");
    assert_eq!(rig.tick(1_001), [Effect::Connect { epoch: 2 }]);
    rig.event(Event::Lost { code: 503, reason: "banned", wait_ms: Some(600_000) });
    assert_eq!(rig.tick(599_000), [], "and the venue's own word counts where it is longer");
    assert_eq!(rig.tick(1_001), [Effect::Connect { epoch: 3 }]);
}

#[test]
fn b009_reconnects_never_end_between_one_and_thirty_two_seconds_and_the_set_is_the_same_after_fifty_flaps() {
    let names = ["a@depth", "a@trade", "b@depth"];
    let mut rig = Rig::new(binance(), &names);
    let mut delays = Vec::new();
    for flap in 0..50_u32 {
        let from = rig.now_ms();
        while rig.state() != State::Connecting {
            rig.tick(10);
        }
        if flap > 0 {
            delays.push(rig.now_ms() - from);
        }
        rig.event(Event::Opened { held: &names });
        assert_eq!(rig.state(), State::Syncing);
        assert_eq!(rig.session.held().collect::<Vec<_>>(), names, "flap {flap}");
        rig.event(Event::Lost { code: 1_006, reason: "flap", wait_ms: None });
        assert_eq!(rig.session.held().count(), 0, "a lost connection holds nothing");
    }
    for (n, delay) in delays.iter().enumerate() {
        let whole = (1_000_u64 << n.min(20)).min(32_000);
        assert!((whole / 2..=whole + 10).contains(delay), "attempt {n}: {delay} of {whole} ms");
    }
    assert!(delays.iter().collect::<BTreeSet<_>>().len() > 20, "delays are spread");
    // A session that gave data begins again at the shortest delay.
    rig.run_until(State::Connecting, 10, 4_000);
    rig.event(Event::Opened { held: &names });
    rig.event(Event::Synced);
    rig.event(Event::Data);
    rig.event(Event::Lost { code: 1_006, reason: "flap", wait_ms: None });
    assert_eq!(rig.tick(1_001).len(), 1);
}

#[test]
fn a04_streams_are_asked_for_by_difference_and_never_twice() {
    let mut rig = Rig::new(binance(), &["a@depth", "b@depth"]);
    rig.tick(0);
    assert_eq!(
        rig.event(Event::Opened { held: &["a@depth", "z@depth"] }),
        [Effect::Unsubscribe(vec!["z@depth".into()]), Effect::Subscribe(vec!["b@depth".into()]),]
    );
    assert_eq!(rig.tick(500), [], "neither is repeated while the answer is awaited");
    rig.event(Event::Held(&["b@depth"]));
    rig.event(Event::Dropped(&["z@depth"]));
    assert_eq!(rig.state(), State::Syncing);
    assert_eq!(rig.want(&["a@depth", "b@depth"]), [], "the same set costs nothing");
    assert_eq!(
        rig.want(&["b@depth", "c@depth"]),
        [Effect::Unsubscribe(vec!["a@depth".into()]), Effect::Subscribe(vec!["c@depth".into()]),]
    );
    rig.tick(5_000);
    assert_eq!(rig.state(), State::Recovering, "an answer that never comes is a broken session");
}

#[test]
fn a04_messages_stay_within_the_venues_rate_with_pongs_counted() {
    let mut rules = binance();
    rules.streams_per_message = 1;
    let names: Vec<String> = (0..23).map(|n| format!("s{n:02}@depth")).collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rig = Rig::new(rules, &refs);
    rig.tick(0);
    let mut sent: Vec<u64> = Vec::new();
    let mut take = |rig: &Rig, effects: Vec<Effect>| {
        sent.extend(effects.iter().filter(|e| matches!(e, Effect::Subscribe(_))).map(|_| rig.now_ms()));
    };
    let first = rig.event(Event::Opened { held: &[] });
    take(&rig, first);
    rig.event(Event::Spoke);
    for _ in 0..600 {
        let effects = rig.tick(10);
        take(&rig, effects);
        let asked: Vec<&str> = refs.clone();
        rig.event(Event::Held(&asked[..rig.session.counts().subscribes_sent as usize]));
    }
    assert_eq!(sent.len(), 23);
    for (n, at) in sent.iter().enumerate() {
        let within = sent[n..].iter().take_while(|later| **later - at < 1_000).count();
        assert!(within <= 5, "{within} messages in a second");
    }
}

#[test]
fn a04_a_refused_stream_backs_off_and_is_given_up_with_a_word_while_the_others_flow() {
    let mut rig = Rig::new(shioaji(), &["Tick:2330", "Tick:9999"]);
    rig.tick(0);
    rig.event(Event::Opened { held: &[] });
    rig.event(Event::Held(&["Tick:2330"]));
    let mut waits = Vec::new();
    let mut gave_up = 0;
    for _ in 0..STREAM_ATTEMPTS_MAX {
        let effects = rig.event(Event::StreamRefused(&["Tick:9999"]));
        gave_up += effects.iter().filter(|e| matches!(e, Effect::GaveUp { .. })).count();
        let from = rig.now_ms();
        loop {
            rig.event(Event::Data);
            if rig.tick(1_000).iter().any(|e| *e == Effect::Subscribe(vec!["Tick:9999".into()])) {
                waits.push((rig.now_ms() - from) / 1_000);
                break;
            }
            if rig.now_ms() - from > 7_300_000 {
                break;
            }
        }
    }
    let mut want: Vec<u64> = STREAM_RETRY_S.to_vec();
    want.resize(STREAM_ATTEMPTS_MAX as usize - 1, 3_600);
    assert_eq!((waits, gave_up), (want, 1));
    assert_eq!(rig.session.counts().streams_given_up, 1);
    assert_eq!((rig.state(), rig.session.counts().connects), (State::Live, 1));
}

#[test]
fn a_day_is_rolled_over_before_its_end_beside_the_old_connection_where_the_venue_allows() {
    let mut rig = Rig::new(binance(), &["a@depth"]);
    rig.open(&["a@depth"]);
    let mut begun = 0;
    for _ in 0..24 * 3_600 - 1 {
        rig.event(Event::Data);
        begun += rig.tick(1_000).iter().filter(|e| matches!(e, Effect::BeginNext { .. })).count();
        assert_eq!(rig.state(), State::Live);
    }
    assert_eq!(begun, 1, "once, before the day is over");
    let mut next = Session::successor(&rig.session, false);
    let mut effects = Vec::new();
    next.step(Event::Tick, rig.now(), &mut effects);
    assert_eq!(effects, [Effect::Connect { epoch: 2 }]);
    assert_eq!(next.wanted().collect::<Vec<_>>(), ["a@depth"]);
    assert_eq!(rig.event(Event::Superseded), [Effect::Close { cause: Cause::Superseded }]);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_planned_shutdown_moves_on_at_once_and_only_once() {
    let mut rig = Rig::new(binance(), &["a@depth"]);
    rig.open(&["a@depth"]);
    assert_eq!(rig.event(Event::ShutdownNotice), [Effect::BeginNext { cause: Cause::Shutdown }]);
    assert_eq!(rig.event(Event::ShutdownNotice), []);
    let mut one = binance();
    one.overlap_ms = 0;
    let mut rig = Rig::new(one, &["a@depth"]);
    rig.open(&["a@depth"]);
    assert_eq!(
        rig.event(Event::ShutdownNotice),
        [Effect::Close { cause: Cause::Shutdown }, Effect::Connect { epoch: 2 }]
    );
}

#[test]
fn b010_silence_is_stale_and_the_next_byte_ends_it() {
    let mut rig = Rig::new(binance(), &["a@depth"]);
    rig.open(&["a@depth"]);
    rig.tick(4_999);
    assert_eq!(rig.state(), State::Live);
    rig.tick(1);
    assert_eq!(rig.state(), State::Stale);
    rig.event(Event::Alive);
    assert_eq!(rig.state(), State::Live);
    rig.event(Event::Desynced);
    assert_eq!(rig.state(), State::Syncing);
    rig.tick(60_000);
    assert_eq!(rig.state(), State::Recovering, "a half-open peer is given up");
}

#[test]
fn a05_a_session_of_heartbeats_alone_resubscribes_then_reconnects_then_is_forced() {
    let mut rig = Rig::new(shioaji(), &["Tick:TXFR1"]);
    rig.in_taipei(2026, 5, 22, 10, 0);
    rig.tick(0);
    rig.event(Event::Opened { held: &[] });
    rig.event(Event::Held(&["Tick:TXFR1"]));
    rig.event(Event::Synced);
    let mut story: Vec<(u64, String)> = Vec::new();
    let from = rig.now_ms();
    for _ in 0..4_000 {
        rig.event(Event::Alive);
        for effect in rig.tick(100) {
            let at = (rig.now_ms() - from) / 1_000;
            match effect {
                Effect::Subscribe(_) => story.push((at, "subscribe".into())),
                Effect::Close { cause } => story.push((at, format!("close {}", cause.name()))),
                Effect::Connect { .. } => {
                    story.push((at, "connect".into()));
                    rig.event(Event::Opened { held: &[] });
                }
                _ => {}
            }
        }
        rig.event(Event::Held(&["Tick:TXFR1"]));
    }
    let first: Vec<&str> = story.iter().take(4).map(|(_, what)| what.as_str()).collect();
    assert_eq!(first, ["subscribe", "subscribe", "subscribe", "close NO_DATA"], "{story:?}");
    let times: Vec<u64> = story.iter().take(4).map(|(at, _)| *at).collect();
    assert_eq!(times, [15, 30, 45, 60]);
    let forced: Vec<u64> = story.iter().filter(|s| s.1 == "close FORCED").map(|s| s.0).collect();
    assert_eq!(forced.len(), 1, "{story:?}");
    assert_eq!(forced[0], 300, "whatever connections were made in between");
    let subscribed = story.iter().filter(|s| s.1 == "subscribe").count();
    assert_eq!(rig.session.counts().resubscribes as usize, subscribed);
    // A rule without the middle step goes straight to the forced one.
    let mut rules = shioaji();
    rules.watchdog.resubscribe_ms = 0;
    rules.watchdog.reconnect_ms = 0;
    let mut rig = Rig::new(rules, &["Tick:TXFR1"]);
    rig.in_taipei(2026, 5, 22, 10, 0);
    rig.tick(0);
    rig.event(Event::Opened { held: &["Tick:TXFR1"] });
    let mut closed_at = 0;
    for _ in 0..4_000 {
        rig.event(Event::Alive);
        if rig.tick(100).contains(&Effect::Close { cause: Cause::Forced }) {
            closed_at = rig.now_ms();
            break;
        }
    }
    assert_eq!((closed_at, rig.state()), (300_000, State::Connecting));
}

#[test]
fn a05_outside_its_windows_a_session_waits_and_begins_with_them() {
    let mut rig = Rig::new(shioaji(), &["Tick:2330"]);
    rig.in_taipei(2026, 5, 23, 6, 0); // Saturday morning, after the night session.
    for _ in 0..48 {
        assert_eq!(rig.tick(3_600_000 / 2), [], "the weekend");
    }
    assert!(rig.session.latched());
    assert_eq!((rig.state(), rig.session.counts().latched), (State::Init, 1));
    // Monday 07:59 and 08:00 local.
    rig.in_taipei(2026, 5, 25, 7, 59);
    assert_eq!(rig.tick(0), []);
    assert_eq!(rig.tick(60_000), [Effect::Connect { epoch: 1 }]);
    // Lost outside: latched, whatever the back-off says; an operator is not bound.
    rig.in_taipei(2026, 5, 25, 14, 30);
    rig.event(Event::Lost { code: 0, reason: "down", wait_ms: None });
    for _ in 0..20 {
        assert_eq!(rig.tick(60_000), []);
    }
    rig.in_taipei(2026, 5, 25, 15, 0);
    assert_eq!(rig.tick(0), [Effect::Connect { epoch: 2 }], "at the opening of the night session");
    rig.in_taipei(2026, 5, 26, 6, 0);
    rig.event(Event::Lost { code: 0, reason: "down", wait_ms: None });
    assert_eq!(rig.event(Event::Reset), [Effect::Connect { epoch: 3 }]);
}

#[test]
fn a05_nothing_is_done_about_missing_data_outside_the_windows_nor_in_the_grace_after_their_opening() {
    let mut rig = Rig::new(shioaji(), &["Tick:2330"]);
    rig.in_taipei(2026, 5, 22, 13, 40);
    rig.tick(0);
    rig.event(Event::Opened { held: &["Tick:2330"] });
    rig.event(Event::Data);
    rig.in_taipei(2026, 5, 22, 14, 0);
    for _ in 0..600 {
        rig.event(Event::Alive);
        assert_eq!(rig.tick(5_000), [], "off hours");
    }
    rig.in_taipei(2026, 5, 22, 15, 0);
    let from = rig.now_ms();
    for _ in 0..200 {
        if rig.session.counts().resubscribes > 0 {
            break;
        }
        rig.event(Event::Alive);
        rig.tick(1_000);
    }
    assert_eq!((rig.now_ms() - from) / 1_000, 75, "a minute of grace, then the first step");
}

#[test]
fn every_wait_for_the_venue_has_an_end() {
    for (stop_at, cause) in
        [(0, Cause::ConnectTimeout), (1, Cause::AuthTimeout), (2, Cause::SubscribeTimeout)]
    {
        let mut rig = Rig::new(alpaca(), &["trades:AAPL"]);
        rig.tick(0);
        if stop_at > 0 {
            rig.event(Event::Opened { held: &[] });
        }
        if stop_at > 1 {
            rig.event(Event::Greeted);
            rig.event(Event::Granted);
        }
        let mut closed = Vec::new();
        for _ in 0..200 {
            rig.event(Event::Alive);
            closed.extend(rig.tick(100).into_iter().filter(|e| matches!(e, Effect::Close { .. })));
            if !closed.is_empty() {
                break;
            }
        }
        assert_eq!(closed, [Effect::Close { cause }]);
    }
}

#[test]
fn a04_plans_shard_by_instrument_within_the_caps_and_refuse_what_does_not_fit() {
    let mut rules = alpaca();
    rules.streams_per_connection = 30;
    let group = |n: usize| -> Vec<Stream> {
        let bars = Stream { name: format!("bars:S{n}"), counted: false };
        vec![Stream::counted(format!("trades:S{n}")), Stream::counted(format!("quotes:S{n}")), bars]
    };
    let fifteen: Vec<_> = (0..15).map(group).collect();
    assert_eq!(
        shard(&fifteen, &rules).unwrap(),
        [(0..15).collect::<Vec<_>>()],
        "30 channels, bars beside them"
    );
    let sixteen: Vec<_> = (0..16).map(group).collect();
    assert!(
        shard(&sixteen, &rules).unwrap_err().to_string().contains("need 2 connections, the venue allows 1")
    );
    rules.connections_max = 2;
    assert_eq!(shard(&sixteen, &rules).unwrap()[1], [15]);
    assert!(shard(&[streams(&["a", "a"])], &rules).is_err());
    assert!(shard(&[streams(&["a\"b"])], &rules).is_err());
    let many: Vec<String> = (0..31).map(|n| format!("s{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(shard(&[streams(&many)], &rules).unwrap_err().to_string().contains("a connection takes 30"));
}

#[test]
fn rules_that_contradict_themselves_are_refused_by_name() {
    for rules in [binance(), alpaca(), shioaji()] {
        rules.check().unwrap();
    }
    type Spoil = fn(&mut Rules);
    let spoil: [(&str, Spoil); 8] = [
        ("backoffMsMin", |r| r.backoff_ms_min = r.backoff_ms_max + 1),
        ("streamsPerConnection", |r| r.streams_per_connection = 0),
        ("connectionsMax", |r| r.connections_max = 0),
        ("rollBeforeMs", |r| r.roll_before_ms = r.life_ms),
        ("pingAfterMs", |r| r.ping_after_ms = r.idle_timeout_ms),
        ("overlapMs", |r| r.overlap_ms = r.roll_before_ms),
        ("connectsMax", |r| r.connect_window_ms = 0),
        ("lifeMs", |r| r.life_ms = u64::MAX),
    ];
    for (field, spoil) in spoil {
        let mut rules = binance();
        spoil(&mut rules);
        assert_eq!(rules.check().unwrap_err().field, field);
    }
}

#[derive(Debug, Clone)]
enum Do {
    Wait(u64),
    Open,
    Greet,
    Grant,
    Refuse(u32),
    Lose(u32),
    Ack,
    AckNone,
    Alive,
    Data,
    Sync,
    Desync,
    Shutdown,
    Want(u8),
}

fn any_do() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => (0_u64..40_000).prop_map(Do::Wait),
        4 => Just(Do::Open),
        2 => Just(Do::Greet),
        2 => Just(Do::Grant),
        1 => prop::sample::select(vec![400_u32, 402, 403, 404, 405, 406, 407, 500]).prop_map(Do::Refuse),
        1 => prop::sample::select(vec![0_u32, 1_006, 503, 418]).prop_map(Do::Lose),
        3 => Just(Do::Ack),
        1 => Just(Do::AckNone),
        2 => Just(Do::Alive),
        2 => Just(Do::Data),
        1 => Just(Do::Sync),
        1 => Just(Do::Desync),
        1 => Just(Do::Shutdown),
        1 => (0_u8..8).prop_map(Do::Want),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever happens: one connection at a time, epochs that rise, nothing asked before a login or twice, nothing after
    /// a fatal code, and the session finds its way back when the venue behaves.
    #[test]
    fn laws_hold_for_any_story(which in 0_u8..3, story in prop::collection::vec(any_do(), 1..80)) {
        let rules = match which { 0 => alpaca(), 1 => binance(), _ => shioaji() };
        let auth = rules.auth_timeout_ms > 0;
        let mut rig = Rig::new(rules, &["a", "b", "c"]);
        rig.in_taipei(2026, 5, 22, 9, 0);
        let (mut connected, mut granted, mut epoch) = (false, false, 0);
        let mut out: BTreeSet<String> = BTreeSet::new();
        let mut fatal = false;
        for step in story {
            let (names, held): (Vec<String>, bool) = match &step {
                Do::Ack => (out.iter().cloned().collect(), true),
                _ => (vec![], false),
            };
            let refs: Vec<&str> = names.iter().map(String::as_str).collect();
            let before = rig.state();
            let effects = match step {
                Do::Wait(ms) => rig.tick(ms),
                Do::Open => { if before == State::Connecting { granted = !auth; out.clear(); } rig.event(Event::Opened { held: &[] }) }
                Do::Greet => rig.event(Event::Greeted),
                Do::Grant => { if before == State::Authenticating { granted = true; } rig.event(Event::Granted) }
                Do::Refuse(code) if connected => rig.event(Event::Refused { code, wait_ms: None }),
                Do::Lose(code) if connected => { rig.event(Event::Lost { code, reason: "x", wait_ms: None }) }
                Do::Refuse(_) | Do::Lose(_) => rig.tick(0),
                Do::Ack if held => { out.clear(); rig.event(Event::Held(&refs)) }
                Do::Ack => rig.tick(0),
                Do::AckNone => rig.tick(1),
                Do::Alive => rig.event(Event::Alive),
                Do::Data => rig.event(Event::Data),
                Do::Sync => rig.event(Event::Synced),
                Do::Desync => rig.event(Event::Desynced),
                Do::Shutdown => rig.event(Event::ShutdownNotice),
                Do::Want(bits) => {
                    let all = ["a", "b", "c"];
                    let want: Vec<&str> = all.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0).map(|(_, s)| *s).collect();
                    rig.want(&want)
                }
            };
            for effect in effects {
                prop_assert!(!fatal, "an effect after a fatal end: {:?}", effect);
                match effect {
                    Effect::Connect { epoch: e } => { prop_assert!(!connected && e == epoch + 1); epoch = e; connected = true; granted = false; out.clear(); }
                    Effect::Close { .. } => { prop_assert!(connected); connected = false; granted = false; out.clear(); }
                    Effect::Subscribe(names) => {
                        prop_assert!(connected && granted, "asked before the login");
                        for name in names { prop_assert!(out.insert(name), "asked twice"); }
                    }
                    Effect::Fatal { .. } => fatal = true,
                    _ => {}
                }
            }
        }
        if !fatal {
            rig.want(&["a", "b", "c"]);
            for _ in 0..2_000 {
                if rig.state() == State::Live { break; }
                let mut effects = rig.tick(1_000);
                effects.extend(rig.event(Event::Opened { held: &[] }));
                effects.extend(rig.event(Event::Greeted));
                effects.extend(rig.event(Event::Granted));
                effects.extend(rig.event(Event::Alive));
                for effect in effects {
                    if let Effect::Subscribe(names) = effect { out.extend(names); }
                }
                let names: Vec<String> = out.iter().cloned().collect();
                let refs: Vec<&str> = names.iter().map(String::as_str).collect();
                rig.event(Event::Held(&refs));
                rig.event(Event::Data);
                rig.event(Event::Synced);
            }
            prop_assert_eq!(rig.state(), State::Live, "{}", rig.session.reason());
        }
    }
}
