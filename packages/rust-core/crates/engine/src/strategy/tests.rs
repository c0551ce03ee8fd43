use super::*;
use tidegate_bus::ends::{LinkServer, LinkServerConfig, PeerId, StreamPub};
use tidegate_wire::pb::marketdata::v1::{BookState, BookTop};
use tidegate_wire::pb::orders::v1::{Decision, Intent, IntentReply, Reason};
use tidegate_wire::pb::risk::v1::{Policy, PolicyState};

struct Rig {
    dir: tempfile::TempDir,
    server: LinkServer,
    publisher: StreamPub,
    lane: StrategyLane,
    rows: Vec<f64>,
    /// What the gateway's end received: peer, link sequence, envelope.
    received: Vec<(PeerId, u64, Envelope)>,
    zmq: zmq::Context,
}

fn rig() -> Rig {
    let dir = tempfile::Builder::new().prefix("tg").tempdir_in("/tmp").unwrap();
    let url = |name: &str| format!("ipc://{}/{name}.sock", dir.path().display());
    let zmq = zmq::Context::new();
    let server = LinkServer::bind(&zmq, LinkServerConfig::new(url("intent"), "intent", 5)).unwrap();
    let publisher = StreamPub::bind(&zmq, &url("md"), 3).unwrap();
    let config = json!({
        "strategyId": 7, "sessionEpoch": 2, "accountId": 1, "instrumentTableVersion": 1,
        "mdUrl": url("md"), "intentUrl": url("intent"), "topics": ["md.2.2.top."],
    });
    let lane = StrategyLane::open(&config.to_string()).unwrap();
    Rig {
        dir,
        server,
        publisher,
        lane,
        rows: vec![0.0; at::EVENTS_MAX * at::EVENT_DOUBLES],
        received: Vec::new(),
        zmq,
    }
}

fn row(rows: &[f64], index: usize) -> &[f64] {
    &rows[index * at::EVENT_DOUBLES..(index + 1) * at::EVENT_DOUBLES]
}

impl Rig {
    /// Turns both ends until `done` says so; the bound is far above what any machine needs.
    fn turn(&mut self, mut done: impl FnMut(&mut Self, usize) -> bool) {
        for _ in 0..20_000 {
            let now = clock::mono_ns();
            self.server.tick(now).unwrap();
            self.publisher.tick(now).unwrap();
            while let Some(input) = self.server.recv(now).unwrap() {
                if let LinkInput::Data { peer, seq, payload, .. } = input {
                    self.received.push((peer, seq, envelope::decode_checked(payload).unwrap()));
                }
            }
            let count = self.lane.poll(1, &mut self.rows).unwrap();
            if done(self, count) {
                return;
            }
        }
        panic!("the other end never answered");
    }

    fn publish_top(&mut self) {
        let topic = self.publisher.topic("md.2.2.top.").unwrap();
        let top = BookTop {
            instrument_id: 2,
            venue_id: 2,
            bid_px_ticks: 618_001,
            bid_qty_lots: 5,
            ask_px_ticks: 618_002,
            ask_qty_lots: 6,
            venue_seq: 1,
            ts_venue_ns: 1,
            ts_recv_ns: 2,
            state: BookState::Valid.into(),
            tick_mono_ns: 77,
            instrument_table_version: 1,
            ..BookTop::default()
        };
        let message = Envelope {
            schema_version: 1,
            source: Source::MarketData.into(),
            trace_hi: 8,
            trace_lo: 9,
            span_id: 10,
            ts_event_ns: 1,
            ts_recv_ns: 2,
            payload: Some(Payload::BookTop(top)),
            ..Envelope::default()
        };
        self.publisher.publish(clock::mono_ns(), topic, &envelope::encode(&message)).unwrap();
    }
}

fn quote(event_index: f64) -> Vec<f64> {
    let mut out = vec![0.0; at::INTENT_DOUBLES];
    for (place, value) in [
        (at::INTENT_KIND, 1.0),
        (at::INTENT_INSTRUMENT, 2.0),
        (at::INTENT_ACCOUNT, 1.0),
        (at::INTENT_SIDE, 1.0),
        (at::INTENT_ORDER_TYPE, 1.0),
        (at::INTENT_TIF, 4.0),
        (at::INTENT_PX, 618_001.0),
        (at::INTENT_QTY, 3.0),
        (at::INTENT_SEQ, 1.0),
        (at::INTENT_EVENT_INDEX, event_index),
    ] {
        out[place] = value;
    }
    out
}

#[test]
fn a_tick_becomes_an_intent_with_its_stamps_and_the_reply_comes_back() {
    let mut rig = rig();
    rig.turn(|rig, count| (0..count).any(|i| row(&rig.rows, i)[at::LINK_STATE] == 1.0));
    // The subscription may still be on its way: publish until one tick arrives.
    rig.turn(|rig, count| {
        let tick = (0..count).find(|i| row(&rig.rows, *i)[at::EVENT_KIND] == at::EVENT_KIND_BOOK_TOP as f64);
        if let Some(index) = tick {
            assert_eq!(row(&rig.rows, index)[at::BOOK_TOP_ASK_PX], 618_002.0);
            assert_eq!(rig.lane.submit(&quote(index as f64)), Submitted::Ok);
            return true;
        }
        rig.publish_top();
        false
    });
    let mut seen = None;
    rig.turn(|rig, count| {
        for (peer, seq, message) in std::mem::take(&mut rig.received) {
            let Some(Payload::Intent(intent)) = message.payload else { panic!("not an intent") };
            assert_eq!((message.trace_hi, message.trace_lo), (8, 9));
            let reply = Envelope {
                schema_version: 1,
                source: Source::Gateway.into(),
                ts_event_ns: 1,
                ts_recv_ns: 1,
                payload: Some(Payload::IntentReply(IntentReply {
                    intent_id: intent.intent_id,
                    decision: Decision::Refused.into(),
                    reason: Reason::Halt.into(),
                    ..IntentReply::default()
                })),
                ..Envelope::default()
            };
            seen = Some(intent);
            rig.server.ack(peer, seq);
            rig.server.send(clock::mono_ns(), peer, &envelope::encode(&reply)).unwrap();
        }
        (0..count).any(|i| {
            let row = row(&rig.rows, i);
            row[at::EVENT_KIND] == at::EVENT_KIND_INTENT_REPLY as f64
                && row[at::INTENT_REPLY_SEQ] == 1.0
                && row[at::INTENT_REPLY_EPOCH] == 2.0
                && row[at::INTENT_REPLY_REASON] == 51.0
        })
    });
    let intent = seen.unwrap();
    assert_eq!(intent.tick_mono_ns, 77);
    assert!(intent.intent_mono_ns > 0);
    let stats = rig.lane.stats();
    assert_eq!(stats["intents"], json!(1));
    let span = &stats["spans"][0];
    assert_eq!(span["type"], json!("span"));
    assert_eq!(span["traceId"], json!("00000000000000080000000000000009"));
    assert_eq!(span["spanId"], json!(format!("{:016x}", span_id(8, 9, "strategy.decide"))));
    assert_eq!(span["parentSpanId"], json!(format!("{:016x}", span_id(8, 9, "market-data.publish"))));
    let ns = |key: &str| span[key].as_str().unwrap().parse::<i64>().unwrap();
    // From when the lane took it, not from the tick's own stamp 77 ns after the boot.
    assert!(ns("startNs") <= ns("endNs") && ns("endNs") - ns("startNs") < 60_000_000_000);
    assert_eq!(rig.lane.stats()["spans"], json!([]));
}

#[test]
fn each_traced_event_leaves_one_span_up_to_the_bound_and_the_rest_is_counted() {
    let mut rig = rig();
    let cause = |lo| Cause { tick_mono_ns: 1, taken_mono_ns: 10, trace_hi: 1, trace_lo: lo };
    // Both quotes of an event are one span, that ends with the later.
    rig.lane.keep_span(&cause(0), 20);
    rig.lane.keep_span(&cause(0), 30);
    for lo in 1..=u64::try_from(SPANS_MAX).unwrap() {
        rig.lane.keep_span(&cause(lo), 40);
    }
    let stats = rig.lane.stats();
    let spans = stats["spans"].as_array().unwrap();
    assert_eq!((spans.len(), stats["spansNotTold"].as_u64()), (SPANS_MAX, Some(1)));
    let took = |span: &Value| {
        let ns = |key: &str| span[key].as_str().unwrap().parse::<i64>().unwrap();
        (ns("endNs") - ns("startNs"), span["attributes"]["intents"].as_u64().unwrap())
    };
    assert_eq!((took(&spans[0]), took(&spans[1])), ((20, 2), (30, 1)));
    // Told once, the next ones have room again.
    rig.lane.keep_span(&cause(99), 50);
    assert_eq!(rig.lane.stats()["spans"].as_array().unwrap().len(), 1);
}

#[test]
fn before_the_handshake_an_intent_is_refused_and_nothing_is_queued() {
    let mut rig = rig();
    assert_eq!(rig.lane.submit(&quote(-1.0)), Submitted::NotSynced);
    assert_eq!(rig.lane.stats()["inFlight"], json!(0));
}

#[test]
fn a_gateway_that_restarted_is_told_as_a_link_that_went_and_came() {
    let mut rig = rig();
    let states = |rig: &Rig, count: usize| -> Vec<f64> {
        (0..count)
            .map(|i| row(&rig.rows, i))
            .filter(|row| row[at::EVENT_KIND] == at::EVENT_KIND_LINK as f64)
            .map(|row| row[at::LINK_STATE])
            .collect()
    };
    let mut seen = Vec::new();
    rig.turn(|rig, count| {
        seen.extend(states(rig, count));
        seen.last() == Some(&1.0)
    });
    seen.clear();
    let url = format!("ipc://{}/intent.sock", rig.dir.path().display());
    let old = std::mem::replace(
        &mut rig.server,
        LinkServer::bind(&rig.zmq, LinkServerConfig::new(url.replace("intent.sock", "x.sock"), "x", 1))
            .unwrap(),
    );
    old.close();
    rig.server = LinkServer::bind(&rig.zmq, LinkServerConfig::new(url, "intent", 6)).unwrap();
    rig.turn(|rig, count| {
        seen.extend(states(rig, count));
        seen.contains(&0.0) && seen.last() == Some(&1.0)
    });
}

/// What one gateway's end says to the strategy, which is its only peer.
fn say(server: &mut LinkServer, payload: Payload) {
    let peer = server.peers().next().unwrap().0;
    let message = Envelope {
        schema_version: 1,
        source: Source::Gateway.into(),
        ts_event_ns: 1,
        ts_recv_ns: 1,
        payload: Some(payload),
        ..Envelope::default()
    };
    server.send(clock::mono_ns(), peer, &envelope::encode(&message)).unwrap();
}

#[test]
fn b082_an_answer_of_a_gateway_that_is_not_asked_any_more_is_none() {
    let mut rig = rig();
    let url = |name: &str| format!("ipc://{}/{name}.sock", rig.dir.path().display());
    let mut other = LinkServer::bind(&rig.zmq, LinkServerConfig::new(url("standby"), "intent", 9)).unwrap();
    let config = json!({
        "strategyId": 8, "sessionEpoch": 2, "accountId": 1, "instrumentTableVersion": 1, "mdUrl": url("md"),
        "intentUrl": url("intent"), "standbyIntentUrl": url("standby"), "topics": ["md.2.2.top."],
    });
    rig.lane = StrategyLane::open(&config.to_string()).unwrap();
    let mut asked = None;
    let mut replies = Vec::new();
    let mut turn = |rig: &mut Rig, other: &mut LinkServer, done: &mut dyn FnMut(&mut Rig, &[f64]) -> bool| {
        rig.turn(|rig, count| {
            let now = clock::mono_ns();
            other.tick(now).unwrap();
            while let Some(input) = other.recv(now).unwrap() {
                let LinkInput::Data { peer, seq, payload, .. } = input else { continue };
                let message = envelope::decode_checked(payload).unwrap();
                other.ack(peer, seq);
                if let Some(Payload::Intent(intent)) = message.payload {
                    asked = intent.intent_id;
                }
            }
            replies.extend((0..count).map(|i| row(&rig.rows, i)).filter_map(|row| {
                (row[at::EVENT_KIND] == at::EVENT_KIND_INTENT_REPLY as f64)
                    .then_some(row[at::INTENT_REPLY_REASON])
            }));
            done(rig, &replies)
        });
        asked.take()
    };
    turn(&mut rig, &mut other, &mut |rig, _| rig.lane.submit(&quote(-1.0)) == Submitted::Ok);
    turn(&mut rig, &mut other, &mut |rig, _| !rig.received.is_empty());
    let Some(Payload::Intent(Intent { intent_id, .. })) = rig.received[0].2.payload.clone() else { panic!() };
    // The other one leads now and says so; the intent without an answer is asked of it.
    for _ in 0..10_000 {
        if other.peers().any(|(peer, ..)| other.link(peer).is_some_and(|l| l.state() == LinkState::Synced)) {
            break;
        }
        turn(&mut rig, &mut other, &mut |_, _| true);
    }
    let policy = |gateway_epoch| {
        Payload::PolicyState(PolicyState {
            policy: Policy::Normal.into(),
            cause: Reason::Ok.into(),
            gateway_epoch,
            ..PolicyState::default()
        })
    };
    say(&mut other, policy(3));
    let mut again = None;
    for _ in 0..10_000 {
        again = again.or(turn(&mut rig, &mut other, &mut |_, _| true));
        if again.is_some() {
            break;
        }
    }
    assert_eq!(again, intent_id);
    let reply = |reason: Reason| {
        let decision = if reason == Reason::Ok { Decision::Accepted } else { Decision::Refused };
        Payload::IntentReply(IntentReply {
            intent_id,
            decision: decision.into(),
            reason: reason.into(),
            ..IntentReply::default()
        })
    };
    // Both answer, each its own way; the first one's word is older, however late it comes.
    say(&mut rig.server, reply(Reason::SelfMatch));
    say(&mut rig.server, policy(2));
    say(&mut rig.server, reply(Reason::SelfMatch));
    for _ in 0..50 {
        turn(&mut rig, &mut other, &mut |_, _| true);
    }
    say(&mut other, reply(Reason::Ok));
    turn(&mut rig, &mut other, &mut |_, replies| !replies.is_empty());
    assert_eq!(replies, [f64::from(Reason::Ok as i32)]);
}

#[test]
fn a_malformed_intent_never_leaves() {
    let mut rig = rig();
    rig.turn(|rig, count| (0..count).any(|i| row(&rig.rows, i)[at::LINK_STATE] == 1.0));
    let mut bad = quote(-1.0);
    bad[at::INTENT_TIF] = 0.0;
    assert_eq!(rig.lane.submit(&bad), Submitted::Malformed, "the validator's refusal");
    bad[at::INTENT_QTY] = f64::NAN;
    assert_eq!(rig.lane.submit(&bad), Submitted::Malformed, "the row's refusal");
    assert_eq!(rig.lane.stats()["intents"], json!(0));
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused() {
    let fault = StrategyLane::open(r#"{"strategyId":1,"stratgyId":2}"#).unwrap_err();
    assert!(fault.0.contains("stratgyId"), "{}", fault.0);
}
