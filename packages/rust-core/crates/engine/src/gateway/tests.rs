//! The whole loop over real sockets: a strategy, a router, a follower and a price on the other ends.

use super::*;
use std::path::Path;
use std::time::{Duration, Instant};
use tidegate_bus::ends::StreamPub;
use tidegate_wire::pb::common::v1::{IntentId as PbIntentId, Side, Source};
use tidegate_wire::pb::control::v1::SnapshotRequest;
use tidegate_wire::pb::marketdata::v1::BookTop;
use tidegate_wire::pb::orders::v1::{
    Command, CommandKind, Intent, IntentKind, OrderType, Report, ReportKind, Tif,
};
use tidegate_wire::pb::risk::v1::Policy;

pub(super) const DEADLINE: Duration = Duration::from_secs(20);
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../..");

pub(super) fn url(dir: &Path, name: &str) -> String {
    format!("ipc://{}/s/{name}.sock", dir.display())
}

pub(super) fn config(dir: &Path) -> String {
    json!({
        "intentUrl": url(dir, "i"), "commandUrl": url(dir, "c"), "tailUrl": url(dir, "t"), "mdUrl": url(dir, "m"),
        "journalDir": dir.join("journal"), "tier": "T0", "epochFile": dir.join("gateway.epoch"), "latchFile": dir.join("gateway.latch"),
        "instrumentsFile": format!("{ROOT}/config/instruments.json"),
        "limitsFile": format!("{ROOT}/config/limits.json"),
    })
    .to_string()
}

pub(super) fn message(payload: Payload) -> Vec<u8> {
    envelope::encode(&Envelope {
        schema_version: 1,
        source: Source::StrategyRunner.into(),
        trace_hi: 1,
        trace_lo: 2,
        span_id: 3,
        payload: Some(payload),
        ..Envelope::default()
    })
}

pub(super) fn buy(seq: u64, px_ticks: i64) -> Intent {
    let (hi, lo) = IntentId::new(StrategyId(1), 1, seq).halves();
    Intent {
        intent_id: Some(PbIntentId { hi, lo }),
        kind: IntentKind::New.into(),
        instrument_id: 2,
        account_id: 1,
        side: Side::Buy.into(),
        order_type: OrderType::Limit.into(),
        tif: Tif::Gtc.into(),
        px_ticks,
        qty_lots: 5,
        instrument_table_version: 1,
        intent_mono_ns: clock::mono_ns(),
        ..Intent::default()
    }
}

/// Everything around the gateway, turned by hand.
pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) context: zmq::Context,
    pub(super) router: LinkServer,
    strategy: LinkClient,
    recorder: LinkClient,
    md: StreamPub,
    pub(super) to_strategy: Vec<Payload>,
    pub(super) commands: Vec<Command>,
    /// What the gateway says of kills.
    pub(super) controls: Vec<ControlEvent>,
    pub(super) followed: Vec<Envelope>,
    pub(super) report_seq: u64,
    pub(super) answers: bool,
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("gw").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("s")).unwrap();
        let context = zmq::Context::new();
        let router =
            LinkServer::bind(&context, LinkServerConfig::new(url(dir.path(), "c"), "command", 1)).unwrap();
        let strategy = LinkClient::connect(
            &context,
            LinkClientConfig::new(url(dir.path(), "i"), "intent", "strategy:1", 1),
        )
        .unwrap();
        let recorder =
            LinkClient::connect(&context, LinkClientConfig::new(url(dir.path(), "t"), "tail", "recorder", 1))
                .unwrap();
        let md = StreamPub::bind(&context, &url(dir.path(), "m"), 1).unwrap();
        let (to_strategy, commands, followed) = (vec![], vec![], vec![]);
        Self {
            dir,
            context,
            router,
            strategy,
            recorder,
            md,
            to_strategy,
            commands,
            controls: vec![],
            followed,
            report_seq: 0,
            answers: true,
        }
    }

    pub(super) fn start(&self) -> Handle {
        start(&config(self.dir.path())).unwrap()
    }

    /// Turns every end until `done`, publishing the price all the while.
    pub(super) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + DEADLINE;
        let topic = self.md.topic("md.2.2.top.").unwrap();
        while !done(self) {
            assert!(Instant::now() < end, "never: {what}");
            let now = clock::mono_ns();
            let top = BookTop {
                instrument_id: 2,
                venue_id: 2,
                bid_px_ticks: 600_000,
                bid_qty_lots: 1,
                ask_px_ticks: 600_001,
                ask_qty_lots: 1,
                state: BookState::Valid.into(),
                ..BookTop::default()
            };
            self.md.publish(now, topic, &message(Payload::BookTop(top))).unwrap();
            self.md.tick(now).unwrap();
            self.turn(now);
            let mut items = [self.router.poll_item(), self.strategy.poll_item(), self.recorder.poll_item()];
            zmq::poll(&mut items, 5).unwrap();
        }
    }

    pub(super) fn turn(&mut self, now: u64) {
        let mut reports = vec![];
        while let Some(input) = self.router.recv(now).unwrap() {
            let LinkInput::Data { peer, seq, payload, .. } = input else { continue };
            let payload = envelope::decode_checked(payload).unwrap().payload;
            self.router.ack(peer, seq);
            let command = match payload {
                Some(Payload::Command(command)) => command,
                Some(Payload::ControlEvent(event)) => {
                    self.controls.push(event);
                    continue;
                }
                other => panic!("{other:?}"),
            };
            reports.extend(self.answer(&command).map(|report| (peer, report)));
            self.commands.push(command);
        }
        for (peer, report) in reports {
            self.router.send(now, peer, &message(Payload::Report(report))).unwrap();
        }
        while let Some(input) = self.strategy.recv(now).unwrap() {
            let LinkInput::Data { seq, payload, .. } = input else { continue };
            self.to_strategy.extend(envelope::decode_checked(payload).unwrap().payload);
            self.strategy.ack(seq);
        }
        while let Some(input) = self.recorder.recv(now).unwrap() {
            match input {
                LinkInput::Event { event: LinkEvent::State { to: LinkState::Synced, .. }, .. } => {
                    let after_seq = self.followed.last().map_or(0, |e| e.log_seq);
                    let request = SnapshotRequest { topic: tail::TOPIC.into(), after_seq };
                    self.recorder.send(now, &message(Payload::SnapshotRequest(request))).unwrap();
                }
                LinkInput::Data { seq, payload, .. } => {
                    let record = envelope::decode_checked(payload).unwrap();
                    let last = self.followed.last().map_or(0, |e| e.log_seq);
                    // Frames of a run before are delivered again; a follower goes by the journal's own numbers.
                    if record.log_seq > last {
                        assert_eq!(record.log_seq, last + 1);
                        self.followed.push(record);
                    }
                    self.recorder.ack(seq);
                }
                LinkInput::Event { .. } => {}
            }
        }
        self.router.tick(now).unwrap();
        self.strategy.tick(now).unwrap();
        self.recorder.tick(now).unwrap();
    }

    /// A router that grants, acks what is new, and cancels what is to be cancelled.
    fn answer(&mut self, command: &Command) -> Option<Report> {
        let kind = match command.kind() {
            CommandKind::Grant => ReportKind::Granted,
            _ if !self.answers => return None,
            CommandKind::New => ReportKind::Ack,
            CommandKind::Cancel => ReportKind::Cancelled,
            CommandKind::Query => ReportKind::Status,
            _ => return None,
        };
        self.report_seq += 1;
        let grant = kind == ReportKind::Granted;
        Some(Report {
            report_seq: self.report_seq,
            kind: kind.into(),
            intent_id: command.intent_id,
            client_order_id: command.client_order_id.clone(),
            instrument_id: command.instrument_id,
            venue_id: command.venue_id,
            gateway_epoch: if grant { command.gateway_epoch } else { 0 },
            holder: if grant { command.holder } else { 0 },
            command_seq: command.command_seq,
            reason: Reason::Ok.into(),
            ..Report::default()
        })
    }

    pub(super) fn send(&mut self, intent: Intent) {
        let bytes = message(Payload::Intent(intent));
        self.strategy.send(clock::mono_ns(), &bytes).unwrap();
    }

    pub(super) fn reasons(&self) -> Vec<Reason> {
        let reply = |p: &Payload| if let Payload::IntentReply(r) = p { Some(r.reason()) } else { None };
        self.to_strategy.iter().filter_map(reply).collect()
    }

    pub(super) fn kinds(&self) -> Vec<CommandKind> {
        self.commands.iter().map(Command::kind).collect()
    }

    pub(super) fn ready(&mut self, handle: &Handle) {
        self.until("the gateway leads and has a price", |w| {
            let stats = handle.stats();
            assert_eq!(stats["fault"], Value::Null);
            stats["leads"] == json!(true)
                && !stats["references"]["2"].is_null()
                && w.strategy.state() == LinkState::Synced
        });
    }
}

pub(super) fn call(handle: &Handle, request: Value) -> Value {
    handle.call(request, vec![], DEADLINE).unwrap()
}

#[test]
fn an_intent_becomes_a_command_and_the_journal_is_followed_whole() {
    let mut world = World::new();
    let handle = world.start();
    world.ready(&handle);
    world.send(buy(1, 600_000));
    world.send(buy(2, 900_000));
    world.send(Intent { side: 9, ..buy(3, 600_000) });
    world.until("three answers and an ack", |w| {
        w.reasons().len() == 3
            && w.to_strategy.iter().any(|p| matches!(p, Payload::OrderUpdate(o) if o.state == 2))
    });
    assert_eq!(world.reasons(), [Reason::Ok, Reason::PriceOutsideCollar, Reason::Malformed]);
    assert_eq!(world.kinds(), [CommandKind::Grant, CommandKind::New]);
    assert_eq!(world.commands[1].px_ticks, 600_000);
    let state = call(&handle, json!({ "op": "halt", "principal": "test", "reason": "drill" }));
    assert_eq!((&state["ok"], &state["state"]["policy"]["state"]), (&json!(true), &json!("HALT")));
    world.send(buy(4, 600_000));
    world.until("a refusal and a policy", |w| {
        w.reasons().len() == 4
            && w.to_strategy
                .iter()
                .any(|p| matches!(p, Payload::PolicyState(s) if s.policy() == Policy::Halt))
    });
    assert_eq!(world.reasons()[3], Reason::Halt);
    assert_eq!(call(&handle, json!({ "op": "drain", "principal": "test" }))["ok"], json!(true));
    world.until("drained", |_| handle.stats()["drained"] == json!(true));
    let last = call(&handle, json!({ "op": "state" }))["journalSeq"].as_u64().unwrap();
    world.until("the follower has all", |w| w.followed.last().is_some_and(|e| e.log_seq == last));
    let orders = handle.stats()["orders"].clone();
    assert_eq!(orders, json!({ "CANCELLED": 1 }));
    assert!(handle.stats()["latency"]["count"].as_u64() == Some(1));
    let events = handle.take_events(Duration::ZERO);
    let spans: Vec<_> = events.iter().filter(|e| e["type"] == "span").collect();
    assert_eq!(spans[0]["traceId"], json!("00000000000000010000000000000002"));
    assert_eq!(spans[0]["name"], json!("gateway.decide"));
    assert_eq!(spans[0]["parentSpanId"], json!("0000000000000003"));
    // What the router names as its parent.
    assert_eq!(
        spans[0]["spanId"],
        json!(format!("{:016x}", tidegate_wire::ids::span_id(1, 2, "gateway.decide")))
    );
    let ns = |key: &str| spans[0][key].as_str().unwrap().parse::<i64>().unwrap();
    assert!(ns("startNs") < ns("endNs"));
    assert_eq!(spans[1]["error"], json!("PRICE_OUTSIDE_COLLAR"));
    handle.stop().unwrap();
}

/// Under a load that does not wait, turns are decided while the ones before are being made safe; what leaves, and in which order,
/// does not change by it.
#[test]
fn a13_under_a_burst_nothing_leaves_before_its_record_and_nothing_is_missed() {
    const INTENTS: u64 = 3_000;
    let mut world = World::new();
    let config = config(world.dir.path()).replace("\"T0\"", "\"T2\"");
    let handle = start(&config).unwrap();
    world.ready(&handle);
    let mut journal = tidegate_journal::Reader::open(&world.dir.path().join("journal"), JOURNAL).unwrap();
    let (mut read, mut written, mut checked, mut sent) = (0, std::collections::BTreeSet::new(), 0, 0);
    let end = Instant::now() + DEADLINE;
    while (world.reasons().len() as u64) < INTENTS {
        assert!(Instant::now() < end, "{sent} sent, {} answered", world.reasons().len());
        while sent < INTENTS {
            let bytes = message(Payload::Intent(buy(sent + 1, 600_000)));
            if world.strategy.send(clock::mono_ns(), &bytes).is_err() {
                break;
            }
            sent += 1;
        }
        world.turn(clock::mono_ns());
        if world.commands.len() > checked {
            let after = read;
            let each = |record: tidegate_journal::Record<'_>| {
                read = record.seq;
                if let Some(Payload::Command(command)) = envelope::decode(record.payload).unwrap().payload {
                    written.insert(command.command_seq);
                }
            };
            journal.read_from(after, usize::MAX, each).unwrap();
            for command in &world.commands[checked..] {
                assert!(written.contains(&command.command_seq), "{command:?} left before its record");
            }
            checked = world.commands.len();
        }
    }
    let accepted = world.reasons().iter().filter(|reason| **reason == Reason::Ok).count();
    world.until("every command", |w| {
        w.kinds().iter().filter(|kind| **kind == CommandKind::New).count() == accepted
    });
    let replies = world.to_strategy.iter().filter_map(|p| match p {
        Payload::IntentReply(reply) => reply.intent_id.map(|id| (id.lo, reply.reason() == Reason::Ok)),
        _ => None,
    });
    let replies: Vec<(u64, bool)> = replies.collect();
    assert_eq!(replies.len() as u64, INTENTS);
    assert!(replies.windows(2).all(|pair| pair[0].0 < pair[1].0), "answers in the order of the intents");
    let taken = replies.iter().filter(|(_, ok)| *ok).map(|(lo, _)| *lo);
    let news = world.commands.iter().filter(|c| c.kind() == CommandKind::New);
    assert!(
        taken.eq(news.filter_map(|c| c.intent_id.map(|id| id.lo))),
        "one command for each that was taken, in order"
    );
    let state = call(&handle, json!({ "op": "state" }));
    assert!(state["turnsBehind"].as_u64().is_some_and(|turns| turns > 0), "{state}");
    let last = state["journalSeq"].as_u64().unwrap();
    world.until("the follower has all", |w| w.followed.last().is_some_and(|e| e.log_seq == last));
    handle.stop().unwrap();
}

#[test]
fn a_restart_folds_the_journal_asks_and_answers_a_retry_the_same() {
    let mut world = World::new();
    world.answers = false;
    let handle = world.start();
    world.ready(&handle);
    world.send(buy(1, 600_000));
    world.until("the command", |w| w.kinds().contains(&CommandKind::New));
    assert_eq!(call(&handle, json!({ "op": "kill", "principal": "test" }))["ok"], json!(true));
    let before = call(&handle, json!({ "op": "positions" }));
    handle.stop().unwrap();
    (world.commands, world.to_strategy) = (vec![], vec![]);

    let handle = world.start();
    world.ready(&handle);
    world.until("a question about the order", |w| w.kinds().contains(&CommandKind::Query));
    assert!(!world.kinds().contains(&CommandKind::New), "never sent again");
    let query = world.commands.iter().find(|c| c.kind() == CommandKind::Query).unwrap();
    assert_eq!(query.gateway_epoch, 2);
    world.until("the snapshot", |w| {
        let live = |p: &Payload| matches!(p, Payload::OrderUpdate(o) if o.snapshot);
        let killed = |p: &Payload| matches!(p, Payload::PolicyState(s) if s.policy() == Policy::Killed);
        w.to_strategy.iter().any(live) && w.to_strategy.iter().any(killed)
    });
    world.send(buy(1, 600_000));
    world.until("the answer again", |w| {
        w.to_strategy
            .iter()
            .any(|p| matches!(p, Payload::IntentReply(r) if r.repeated && r.reason() == Reason::Ok))
    });
    assert_eq!(call(&handle, json!({ "op": "positions" })), before);
    handle.stop().unwrap();
}

#[test]
fn without_a_router_or_a_price_new_orders_are_refused() {
    let mut world = World::new();
    let handle = world.start();
    world.ready(&handle);
    // The price goes silent: nothing is published while this waits.
    let end = Instant::now() + DEADLINE;
    while !handle.stats()["references"]["2"].is_null() {
        assert!(Instant::now() < end, "the reference never went");
        world.turn(clock::mono_ns());
        zmq::poll(&mut [world.strategy.poll_item()], 20).unwrap();
    }
    world.send(buy(1, 600_000));
    let end = Instant::now() + DEADLINE;
    while world.reasons().is_empty() {
        assert!(Instant::now() < end);
        world.turn(clock::mono_ns());
        zmq::poll(&mut [world.strategy.poll_item()], 20).unwrap();
    }
    assert_eq!(world.reasons(), [Reason::NoReferencePrice]);
    let elsewhere = url(world.dir.path(), "gone");
    world.router = LinkServer::bind(&world.context, LinkServerConfig::new(elsewhere, "command", 2)).unwrap();
    world.until("no router", |_| {
        handle.stats()["state"] == json!("NO_ROUTER") && !handle.stats()["references"]["2"].is_null()
    });
    world.send(buy(2, 600_000));
    world.until("a refusal", |w| w.reasons().len() == 2);
    assert_eq!(world.reasons()[1], Reason::RouterBackpressure);
    handle.stop().unwrap();
}

#[test]
fn a_wrong_request_or_configuration_is_refused_with_its_remedy() {
    let world = World::new();
    let handle = world.start();
    for request in [
        json!({}),
        json!({ "op": "jump" }),
        json!({ "op": "halt" }),
        json!({ "op": "halt", "principal": "x".repeat(65) }),
    ] {
        let answer = call(&handle, request.clone());
        assert_eq!(answer["ok"], json!(false), "{request}");
        assert!(answer["error"].is_string());
    }
    let second = start(&config(world.dir.path())).unwrap_err();
    assert!(second.0.contains("journal"), "{}", second.0);
    handle.stop().unwrap();
    let good = config(world.dir.path());
    for (from, to, want) in [
        ("\"tier\"", "\"teir\"", "teir"),
        ("\"T0\"", "\"T9\"", "T9"),
        ("instruments.json", "none.json", "none.json"),
        ("limits.json", "instruments.json", "unknown field"),
    ] {
        let fault = start(&good.replacen(from, to, 1)).unwrap_err();
        assert!(fault.0.contains(want), "{}", fault.0);
    }
}

#[test]
fn an_identity_is_a_strategy_only_in_its_one_spelling() {
    assert_eq!(principal_of("strategy:12"), Some(StrategyId(12)));
    for bad in [
        "strategy:",
        "strategy:0",
        "strategy:012",
        "strategy:+1",
        "strategy:4294967296",
        "recorder",
        "strategy:1 ",
    ] {
        assert_eq!(principal_of(bad), None, "{bad}");
    }
}

#[test]
fn a32_the_recorder_may_halt_the_gateway_and_nothing_else() {
    let mut world = World::new();
    let handle = world.start();
    world.ready(&handle);
    world.until("the recorder is in step", |w| w.recorder.state() == LinkState::Synced);
    let ask = |world: &mut World, action: ControlAction, principal: &str| {
        let (principal, reason) = (principal.to_string(), "the disk is full".to_string());
        let event =
            ControlEvent { action: action.into(), principal, reason, ts_ns: 5, ..ControlEvent::default() };
        world.recorder.send(clock::mono_ns(), &message(Payload::ControlEvent(event))).unwrap();
    };
    ask(&mut world, ControlAction::Kill, "recorder");
    ask(&mut world, ControlAction::Halt, "operator");
    world.send(buy(1, 600_000));
    world.until("an answer", |w| w.reasons().len() == 1);
    assert_eq!(world.reasons(), [Reason::Ok], "neither was heard");
    ask(&mut world, ControlAction::Halt, "recorder");
    let is_halt = |e: &Envelope| {
        matches!(&e.payload, Some(Payload::ControlEvent(c))
            if c.action() == ControlAction::Halt && c.principal == "recorder")
    };
    world.until("the journal has it", |w| w.followed.iter().any(is_halt));
    world.send(buy(2, 600_000));
    world.until("a refusal", |w| w.reasons().len() == 2);
    assert_eq!(world.reasons()[1], Reason::Halt);
    ask(&mut world, ControlAction::Resume, "recorder");
    world.send(buy(3, 600_000));
    world.until("another refusal", |w| w.reasons().len() == 3);
    assert_eq!(world.reasons()[2], Reason::Halt, "only an operator resumes");
    assert_eq!(world.followed.iter().filter(|e| is_halt(e)).count(), 1);
    handle.stop().unwrap();
}

/// The threads of this process that keep to one CPU, by name.
fn kept_to(cpu: usize) -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let on = |task: &PathBuf| {
        let status = std::fs::read_to_string(task.join("status")).unwrap_or_default();
        status.lines().any(|line| *line == format!("Cpus_allowed_list:\t{cpu}"))
    };
    let name =
        |task: PathBuf| std::fs::read_to_string(task.join("comm")).unwrap_or_default().trim().to_owned();
    tasks.filter(on).map(name).collect()
}

#[test]
fn a13_the_loop_has_a_cpu_to_itself_the_writer_has_the_other_and_what_is_not_there_is_refused() {
    let mut world = World::new();
    let with = |r#loop: usize, journal: usize| {
        let mut all: Value = serde_json::from_str(&config(world.dir.path())).unwrap();
        all["cpus"] = json!({ "loop": r#loop, "journal": journal });
        start(&all.to_string())
    };
    let may = cpu::allowed().unwrap();
    let refused = |outcome: Result<Handle, Fault>| outcome.err().unwrap().0;
    assert!(refused(with(may[0], may[0])).contains("want two"));
    assert!(refused(with(9_999, may[0])).contains("loopCpu 9999: this process may use"));
    assert!(refused(with(may[0], 9_999)).contains("journalCpu 9999"));
    let [first, second, ..] = may[..] else { return };
    let handle = with(first, second).unwrap();
    world.until("the journal is told", |w| !w.followed.is_empty());
    assert_eq!(kept_to(first), ["gateway"], "no thread of another's stays where the loop is");
    assert!(kept_to(second).contains(&"journal".to_owned()));
    handle.stop().unwrap();
}
