//! The loop with a real link, a real journal and a websocket venue that a test answers for.

use super::*;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tidegate_bus::ends::{LinkClient, LinkClientConfig};
use tidegate_units::{IntentId, StrategyId};
use tidegate_wire::ids::client_order_id;
use tidegate_wire::pb::common::v1::{IntentId as PbIntentId, Side as PbSide};
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::orders::v1::{Command, OrderType, Tif};
use tungstenite::{Message, WebSocket};

struct Rig {
    dir: tempfile::TempDir,
    listener: TcpListener,
    handle: Option<Handle>,
    context: zmq::Context,
    link: Option<LinkClient>,
    reports: Vec<Report>,
    /// What the router says of kills.
    controls: Vec<ControlEvent>,
    seq: u64,
    epoch: u32,
    commit_ms: u64,
}

impl Rig {
    fn new() -> Self {
        Self::on_a_disk(0)
    }

    /// On a disk whose commits take so long.
    fn on_a_disk(commit_ms: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Self {
            dir,
            listener,
            handle: None,
            context: zmq::Context::new(),
            link: None,
            reports: vec![],
            controls: vec![],
            seq: 0,
            epoch: 0,
            commit_ms,
        };
        rig.start();
        rig.connect(1);
        rig
    }

    fn endpoint(&self) -> String {
        format!("ipc://{}/s/c.sock", self.dir.path().display())
    }

    fn start(&mut self) {
        let at = self.dir.path();
        std::fs::create_dir_all(at.join("s")).unwrap();
        let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../config/instruments.json");
        let config = json!({
            "commitMs": self.commit_ms, "endpoint": self.endpoint(), "epochPath": at.join("e"), "instrumentsPath": table,
            "journalDir": at.join("j"), "tier": "T0", "latchPath": at.join("k.latch"), "killPath": at.join("kill"), "dlqDir": at.join("dlq"),
            "venues": [{ "venueId": 1, "apiUrl": format!("ws://{}/ws-api/v3", self.listener.local_addr().unwrap()),
                "apiKey": "sim", "apiSecret": "sim-secret", "ordersPer10s": 50 }],
        });
        self.handle = Some(start(&config.to_string()).unwrap());
    }

    fn connect(&mut self, epoch: u32) {
        let config = LinkClientConfig::new(self.endpoint(), "command", "gateway", epoch);
        self.link = Some(LinkClient::connect(&self.context, config).unwrap());
    }

    /// Takes the loop's next connection and answers its subscription.
    fn venue(&mut self) -> WebSocket<TcpStream> {
        let mut ws = tungstenite::accept(self.listener.accept().unwrap().0).unwrap();
        let subscribe = read(&mut ws);
        assert_eq!(subscribe["method"], "userDataStream.subscribe.signature");
        write(&mut ws, &json!({ "id": subscribe["id"], "status": 200, "result": { "subscriptionId": 0 } }));
        ws
    }

    /// Turns the gateway's end until `done`; a loop that does not get there fails the test instead of hanging it.
    fn until(&mut self, done: impl Fn(&[Report], &LinkClient) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(20);
        loop {
            let now = clock::mono_ns();
            let link = self.link.as_mut().unwrap();
            let mut ack = None;
            link.pump(now, |input| {
                if let LinkInput::Data { seq, payload, .. } = input {
                    ack = Some(seq);
                    match envelope::decode_checked(payload).unwrap().payload {
                        Some(Payload::Report(report)) => self.reports.push(report),
                        Some(Payload::ControlEvent(event)) => self.controls.push(event),
                        other => panic!("{other:?}"),
                    }
                }
            })
            .unwrap();
            if let Some(seq) = ack {
                link.ack(seq);
            }
            link.tick(clock::mono_ns()).unwrap();
            if done(&self.reports, link) {
                return;
            }
            assert!(
                Instant::now() < give_up,
                "{:?} {:?}",
                self.reports,
                self.handle.as_ref().map(Handle::stats)
            );
            let _ = zmq::poll(&mut [link.poll_item()], 5);
        }
    }

    fn until_kind(&mut self, kind: ReportKind) -> Report {
        self.until(|reports, _| reports.iter().any(|r| r.kind() == kind));
        self.reports.iter().rfind(|r| r.kind() == kind).cloned().unwrap()
    }

    fn command(&mut self, change: impl Fn(&mut Command)) -> String {
        self.until(|_, link| link.state() == LinkState::Synced);
        self.seq += 1;
        let intent = IntentId::new(StrategyId(1), 1, 1);
        let (hi, lo) = intent.halves();
        let mut command = Command {
            command_seq: self.seq,
            gateway_epoch: self.epoch,
            holder: 9,
            kind: CommandKind::New.into(),
            intent_id: Some(PbIntentId { hi, lo }),
            client_order_id: client_order_id(intent.0, 0, 0),
            instrument_id: 1,
            venue_id: 1,
            account_id: 1,
            side: PbSide::Buy.into(),
            order_type: OrderType::Limit.into(),
            tif: Tif::Gtc.into(),
            px_ticks: 6_180_020,
            qty_lots: 100,
            tick_mono_ns: clock::mono_ns(),
            intent_mono_ns: clock::mono_ns(),
            command_mono_ns: clock::mono_ns(),
            ..Command::default()
        };
        change(&mut command);
        let id = command.client_order_id.clone();
        let bytes = envelope::encode(&Envelope {
            schema_version: 1,
            source: Source::Gateway.into(),
            trace_hi: 1,
            trace_lo: 2,
            span_id: 3,
            payload: Some(Payload::Command(command)),
            ..Envelope::default()
        });
        self.link.as_mut().unwrap().send(clock::mono_ns(), &bytes).unwrap();
        id
    }

    fn grant(&mut self, seen: u64) {
        self.epoch += 1;
        self.command(|c| {
            *c = Command {
                command_seq: c.command_seq,
                gateway_epoch: c.gateway_epoch,
                holder: 9,
                kind: CommandKind::Grant.into(),
                report_seq_seen: seen,
                ..Command::default()
            };
        });
        self.until_kind(ReportKind::Granted);
    }

    fn stop(&mut self) {
        self.handle.take().unwrap().stop().unwrap();
        self.link.take().unwrap().close();
    }
}

fn read(ws: &mut WebSocket<TcpStream>) -> Value {
    loop {
        if let Message::Text(text) = ws.read().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

fn write(ws: &mut WebSocket<TcpStream>, body: &Value) {
    ws.send(Message::text(body.to_string())).unwrap();
}

fn report(id: &str, kind: &str, status: &str, cum: &str) -> Value {
    json!({ "subscriptionId": 0, "event": { "e": "executionReport", "s": "BTCUSDT", "c": id, "C": "", "x": kind, "X": status,
        "i": 7, "l": "0.00040", "L": "61800.20", "z": cum, "t": 5, "n": "0.00000012", "N": "BTC", "m": true, "T": 1_723_161_256_123_i64 } })
}

#[test]
fn an_order_goes_out_and_its_life_comes_back() {
    let mut rig = Rig::new();
    let mut venue = rig.venue();
    rig.until(|_, link| link.state() == LinkState::Synced);
    rig.grant(0);
    rig.until_kind(ReportKind::VenueUp);
    let id = rig.command(|_| ());
    let place = read(&mut venue);
    assert_eq!(
        (place["method"].as_str(), place["params"]["newClientOrderId"].as_str()),
        (Some("order.place"), Some(&*id))
    );
    write(
        &mut venue,
        &json!({ "id": place["id"], "status": 200, "result": { "orderId": 7, "transactTime": 1_723_161_256_123_i64 } }),
    );
    write(&mut venue, &report(&id, "TRADE", "PARTIALLY_FILLED", "0.00040"));
    let fill = rig.until_kind(ReportKind::Fill);
    assert_eq!(
        (fill.last_px_ticks, fill.last_qty_lots, fill.cum_qty_lots, fill.fee_e8),
        (6_180_020, 40, 40, 12)
    );
    let sent = rig.until_kind(ReportKind::Sent);
    assert!(sent.wire_mono_ns >= sent.command_mono_ns && sent.tick_mono_ns > 0);
    rig.command(|c| c.kind = CommandKind::Cancel.into());
    let cancel = read(&mut venue);
    assert_eq!(cancel["method"], "order.cancel");
    write(
        &mut venue,
        &json!({ "id": cancel["id"], "status": 200, "result": { "orderId": 7, "origClientOrderId": id,
        "status": "CANCELED", "executedQty": "0.00040", "transactTime": 1_723_161_256_200_i64 } }),
    );
    assert_eq!(rig.until_kind(ReportKind::Cancelled).cum_qty_lots, 40);
    let seqs: Vec<u64> = rig.reports.iter().map(|r| r.report_seq).collect();
    assert!(seqs.windows(2).all(|w| w[1] == w[0] + 1), "{seqs:?}");
    let spans = rig.handle.as_ref().unwrap().take_events(Duration::ZERO);
    let span = spans.iter().find(|e| e["type"] == "span").unwrap();
    assert_eq!((&span["name"], &span["parentSpanId"]), (&json!("router.send"), &json!("0000000000000003")));
    // The span is exactly what the report was stamped with, on the wall clock.
    let ns = |key: &str| span[key].as_str().unwrap().parse::<i64>().unwrap();
    let took = i64::try_from(sent.wire_mono_ns - sent.command_mono_ns).unwrap();
    assert_eq!(ns("endNs") - ns("startNs"), took);
    assert!(!spans.iter().any(|e| e.to_string().contains("sim-secret")));
    rig.stop();
}

#[test]
fn a26_b016_after_a_restart_a_missed_fill_comes_out_once_and_old_reports_come_again_on_request() {
    let mut rig = Rig::new();
    let mut venue = rig.venue();
    rig.grant(0);
    rig.until_kind(ReportKind::VenueUp);
    let id = rig.command(|_| ());
    let place = read(&mut venue);
    write(
        &mut venue,
        &json!({ "id": place["id"], "status": 200, "result": { "orderId": 7, "transactTime": 1 } }),
    );
    rig.until_kind(ReportKind::Ack);
    let before = rig.reports.clone();
    rig.stop();
    drop(venue);
    // The order fills while nobody listens.
    rig.reports.clear();
    rig.start();
    rig.connect(2);
    let mut venue = rig.venue();
    rig.grant(0);
    loop {
        let query = read(&mut venue);
        let result = match query["method"].as_str().unwrap() {
            "order.status" => {
                json!({ "orderId": 7, "clientOrderId": id, "status": "FILLED", "executedQty": "0.00100", "updateTime": 2 })
            }
            "myTrades" => {
                json!([{ "id": 5, "orderId": 7, "price": "61800.20", "qty": "0.00100", "commission": "0", "commissionAsset": "BTC",
                "time": 2, "isBuyer": true, "isMaker": false }])
            }
            other => panic!("{other}"),
        };
        write(&mut venue, &json!({ "id": query["id"], "status": 200, "result": result }));
        if query["method"] == "myTrades" {
            break;
        }
    }
    rig.until_kind(ReportKind::Fill);
    assert_eq!(rig.reports.iter().filter(|r| r.kind() == ReportKind::Fill).count(), 1);
    assert!(rig.reports.starts_with(&before), "what was reported comes again, the same and in order");
    rig.stop();
}

#[test]
fn configurations_that_cannot_be_used_are_named() {
    for (text, want) in [
        ("{", "cannot read"),
        (
            r#"{"endpoint":"x","epochPath":"e","instrumentsPath":"/nowhere","journalDir":"j","tier":"T0","latchPath":"l","killPath":"k","dlqDir":"d","venues":[]}"#,
            "instrument table",
        ),
    ] {
        assert!(start(text).unwrap_err().0.contains(want));
    }
}

impl Rig {
    fn tell(&mut self, event: ControlEvent) {
        let bytes = envelope::encode(&Envelope {
            schema_version: 1,
            source: Source::Gateway.into(),
            payload: Some(Payload::ControlEvent(event)),
            ..Envelope::default()
        });
        self.link.as_mut().unwrap().send(clock::mono_ns(), &bytes).unwrap();
    }

    fn stat(&self, key: &str) -> Value {
        self.handle.as_ref().unwrap().stats()[key].clone()
    }

    fn until_stat(&mut self, key: &str, want: impl Fn(&Value) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !want(&self.stat(key)) {
            assert!(Instant::now() < end, "{key}: {}", self.stat(key));
            self.turn_once();
        }
    }

    fn turn_once(&mut self) {
        self.until(|_, _| true);
        std::thread::sleep(Duration::from_millis(5));
    }

    fn until_told(&mut self, action: ControlAction) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.kills().last().is_none_or(|told| told.0 != action) {
            assert!(Instant::now() < end, "never told {action:?}: {:?}", self.controls);
            self.turn_once();
        }
    }

    fn kills(&self) -> Vec<(ControlAction, String, i64)> {
        self.controls.iter().map(|c| (c.action(), c.principal.clone(), c.ts_ns.max(c.kill_ts_ns))).collect()
    }
}

fn gateway_kill(ts_ns: i64) -> ControlEvent {
    ControlEvent {
        action: ControlAction::Kill.into(),
        principal: "ann".into(),
        reason: "drill".into(),
        ts_ns,
        ..ControlEvent::default()
    }
}

fn lift(kill_ts_ns: i64) -> ControlEvent {
    ControlEvent {
        action: ControlAction::Unkill.into(),
        principal: "gateway".into(),
        kill_ts_ns,
        ..ControlEvent::default()
    }
}

#[test]
fn a14_b046_a_kill_file_stops_every_new_order_and_outlives_a_restart() {
    let mut rig = Rig::new();
    let mut venue = rig.venue();
    rig.grant(0);
    rig.until_kind(ReportKind::VenueUp);
    std::fs::write(rig.dir.path().join("kill"), "").unwrap();
    // The file alone: nobody has told the loop, and the order comes in the very same turn.
    rig.command(|_| ());
    let refused = rig.until_kind(ReportKind::NeverSent);
    assert_eq!(refused.reason(), Reason::Killed);
    rig.until_stat("killed", |k| k["by"] == json!("file"));
    let events = rig.handle.as_ref().unwrap().take_events(Duration::ZERO);
    assert_eq!(events.iter().filter(|e| e["type"] == "mass_cancel_wanted").count(), 1, "asked once");
    rig.until_told(ControlAction::Kill);
    // The file goes, the process is killed: the latch stays.
    std::fs::remove_file(rig.dir.path().join("kill")).unwrap();
    rig.stop();
    drop(venue);
    (rig.reports, rig.controls) = (vec![], vec![]);
    rig.start();
    rig.connect(2);
    venue = rig.venue();
    rig.grant(0);
    rig.until_stat("killed", |k| k["by"] == json!("file"));
    // A gateway that comes is told.
    rig.until_told(ControlAction::Kill);
    drop(venue);
    rig.stop();
}

#[test]
fn b047_a_kill_over_the_link_is_latched_acknowledged_and_lifted_by_its_own_name_alone() {
    let mut rig = Rig::new();
    let mut venue = rig.venue();
    rig.grant(0);
    rig.until_kind(ReportKind::VenueUp);
    for _ in 0..3 {
        rig.tell(gateway_kill(50));
    }
    rig.until_stat("killed", |k| k["tsNs"] == json!("50"));
    rig.command(|_| ());
    assert_eq!(rig.until_kind(ReportKind::NeverSent).reason(), Reason::Killed);
    // The lift of another kill lifts nothing.
    rig.tell(lift(49));
    rig.turn_once();
    rig.until_stat("killed", |k| k["tsNs"] == json!("50"));
    rig.tell(lift(50));
    rig.until_stat("killed", Value::is_null);
    rig.until_told(ControlAction::Unkill);
    assert!(rig.kills().contains(&(ControlAction::Kill, "ann".into(), 50)), "acknowledged");
    assert_eq!(rig.kills().last().unwrap(), &(ControlAction::Unkill, "execution-router".into(), 50));
    // While the file is there a lift does not last, and the answer is a new kill.
    std::fs::write(rig.dir.path().join("kill"), "").unwrap();
    rig.until_stat("killed", |k| !k.is_null());
    let ts = rig.stat("killed")["tsNs"].as_str().unwrap().parse::<i64>().unwrap();
    rig.tell(lift(ts));
    rig.until_stat("killed", |k| k["reason"].as_str().is_some_and(|r| r.contains("remove it")));
    // A cancel passes while killed: the order goes to the venue's session.
    std::fs::remove_file(rig.dir.path().join("kill")).unwrap();
    let ts = rig.stat("killed")["tsNs"].as_str().unwrap().parse::<i64>().unwrap();
    rig.tell(lift(ts));
    rig.until_stat("killed", Value::is_null);
    rig.command(|c| {
        let (hi, lo) = IntentId::new(StrategyId(1), 1, 2).halves();
        c.intent_id = Some(PbIntentId { hi, lo });
        c.client_order_id = client_order_id(IntentId::new(StrategyId(1), 1, 2).0, 0, 0);
    });
    assert_eq!(read(&mut venue)["method"], "order.place", "the negative control: lifted, orders leave again");
    rig.stop();
}

#[test]
fn a_cancel_passes_a_kill() {
    let mut rig = Rig::new();
    let mut venue = rig.venue();
    rig.grant(0);
    rig.until_kind(ReportKind::VenueUp);
    rig.command(|_| ());
    let place = read(&mut venue);
    write(
        &mut venue,
        &json!({ "id": place["id"], "status": 200, "result": { "orderId": 7, "transactTime": 1 } }),
    );
    rig.until_kind(ReportKind::Ack);
    let handle = rig.handle.as_ref().unwrap();
    let killed = handle
        .call(
            json!({ "op": "kill", "principal": "signal", "reason": "SIGUSR2" }),
            vec![],
            Duration::from_secs(5),
        )
        .unwrap();
    assert_eq!(killed["killed"]["by"], json!("signal"));
    assert_eq!(
        read(&mut venue)["method"],
        "order.cancel",
        "the core cancels what is open, nobody else was asked"
    );
    rig.stop();
}

#[test]
fn b048_a_lift_is_taken_from_the_gateway_that_leads_and_from_no_other() {
    let mut rig = Rig::new();
    let venue = rig.venue();
    rig.until(|_, link| link.state() == LinkState::Synced);
    rig.tell(gateway_kill(50));
    rig.until_stat("killed", |k| k["tsNs"] == json!("50"));
    rig.tell(lift(50));
    // Behind the lift on the same link, so that it was looked at.
    rig.grant(0);
    rig.until_stat("leaderEpoch", |epoch| *epoch == json!(1));
    assert_eq!(rig.stat("killed")["tsNs"], json!("50"));
    assert!(rig.kills().iter().all(|told| told.0 == ControlAction::Kill));
    rig.tell(lift(50));
    rig.until_stat("killed", Value::is_null);
    drop(venue);
    rig.stop();
}

#[test]
fn b047_a_kill_overtakes_the_orders_that_wait_before_it() {
    let mut rig = Rig::new();
    let mut venue = rig.venue();
    rig.grant(0);
    rig.until_kind(ReportKind::VenueUp);
    let orders = 32;
    for seq in 1..=orders {
        rig.command(|c| {
            let id = IntentId::new(StrategyId(1), 1, seq);
            let (hi, lo) = id.halves();
            c.intent_id = Some(PbIntentId { hi, lo });
            c.client_order_id = client_order_id(id.0, 0, 0);
        });
    }
    rig.tell(gateway_kill(50));
    let refused = |rig: &Rig| rig.reports.iter().filter(|r| r.reason() == Reason::Killed).count();
    let sent = |rig: &Rig| rig.reports.iter().filter(|r| r.kind() == ReportKind::Sent).count();
    let end = Instant::now() + Duration::from_secs(20);
    while refused(&rig) + sent(&rig) < orders as usize {
        assert!(Instant::now() < end, "{} refused, {} sent", refused(&rig), sent(&rig));
        rig.turn_once();
    }
    // Which of them were seen before the kill is the scheduler's; behind it there is none.
    let kinds: Vec<bool> = rig
        .reports
        .iter()
        .filter(|r| r.reason() == Reason::Killed || r.kind() == ReportKind::Sent)
        .map(|r| r.reason() == Reason::Killed)
        .collect();
    assert!(kinds.windows(2).all(|w| w[0] <= w[1]), "{kinds:?}");
    for _ in 0..sent(&rig) {
        assert_eq!(read(&mut venue)["method"], "order.place");
    }
    rig.stop();
}

#[test]
fn a12_the_router_is_heard_while_the_orders_of_a_flood_wait_for_the_disk() {
    let mut rig = Rig::on_a_disk(25);
    let mut venue = rig.venue();
    rig.grant(0);
    rig.until_kind(ReportKind::VenueUp);
    let orders = 32;
    for seq in 1..=orders {
        rig.command(|c| {
            let id = IntentId::new(StrategyId(1), 1, seq);
            let (hi, lo) = id.halves();
            c.intent_id = Some(PbIntentId { hi, lo });
            c.client_order_id = client_order_id(id.0, 0, 0);
        });
    }
    // What is no report: heartbeats and acknowledgements. The loop's own turns end with one or two.
    let said = |link: &LinkClient| link.lane_counters().received - link.counters().delivered;
    let before = said(rig.link.as_ref().unwrap());
    let sent = |reports: &[Report]| reports.iter().filter(|r| r.kind() == ReportKind::Sent).count();
    rig.until(|reports, _| sent(reports) == orders as usize);
    // Two commits an order: 1.6 s, each tenth of which is a heartbeat.
    let heard = said(rig.link.as_ref().unwrap()) - before;
    assert!(heard >= 8, "{heard} signs of life while {orders} orders were written");
    for _ in 0..orders {
        assert_eq!(read(&mut venue)["method"], "order.place");
    }
    rig.stop();
}

#[test]
fn b019_after_a_429_the_next_bytes_come_after_the_reset_it_named_and_a_cancel_waits_for_it_too() {
    let mut rig = Rig::new();
    let mut venue = rig.venue();
    rig.grant(0);
    rig.until_kind(ReportKind::VenueUp);
    let id = rig.command(|_| ());
    let place = read(&mut venue);
    write(
        &mut venue,
        &json!({ "id": place["id"], "status": 200, "result": { "orderId": 7, "transactTime": 1 },
            "rateLimits": [{ "rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 40, "count": 3 }] }),
    );
    rig.until_kind(ReportKind::Ack);
    rig.until_stat("budgets", |b| b[0]["ordersMax"] == 40 && b[0]["orders"] == 3);
    rig.command(|c| {
        c.kind = CommandKind::Query.into();
    });
    let query = read(&mut venue);
    let error = json!({ "code": -1003, "msg": "Too much request weight used.",
        "data": { "serverTime": 1_000, "retryAfter": 1_700 } });
    let said = Instant::now();
    write(&mut venue, &json!({ "id": query["id"], "status": 429, "error": error }));
    rig.until_stat("blocks", |n| *n == 1);
    rig.command(|c| c.kind = CommandKind::Cancel.into());
    let next = read(&mut venue);
    assert!(said.elapsed() >= Duration::from_millis(700), "{:?} after it", said.elapsed());
    assert_eq!(
        (&next["method"], &next["params"]["origClientOrderId"]),
        (&json!("order.cancel"), &json!(id)),
        "and the cancel goes first"
    );
    let events = rig.handle.as_ref().unwrap().take_events(Duration::ZERO);
    let told = events.iter().find(|e| e["type"] == "venue_blocked").unwrap();
    assert_eq!((&told["venueId"], &told["forMs"]), (&json!(1), &json!(701)), "the shell keeps silent too");
    rig.stop();
}

#[test]
fn a24_an_order_that_comes_to_nothing_is_in_the_dlq_before_the_gateway_is_told() {
    let mut rig = Rig::new();
    let mut venue = rig.venue();
    rig.grant(0);
    rig.until_kind(ReportKind::VenueUp);
    let letters = rig.dir.path().join("dlq/letters.ndjson");
    let text = || std::fs::read_to_string(&letters).unwrap_or_default();
    let id = rig.command(|c| {
        c.instrument_id = 9;
        c.client_order_id = "1".repeat(25);
    });
    rig.until(|reports, _| reports.iter().any(|r| r.client_order_id == id));
    assert!(text().contains(&id) && text().contains("UNKNOWN_INSTRUMENT"), "{}", text());
    let id = rig.command(|c| c.client_order_id = "2".repeat(25));
    let place = read(&mut venue);
    let error = json!({ "code": -2010, "msg": "Account has insufficient balance for requested action." });
    write(&mut venue, &json!({ "id": place["id"], "status": 400, "error": error }));
    rig.until_kind(ReportKind::Reject);
    assert!(text().contains(&id) && text().contains("insufficient balance"), "{}", text());
    rig.stop();
}
