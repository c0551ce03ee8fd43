//! Two gateway loops over real sockets, with a router that grants, beats and fences.

use super::tests::{buy, call, message, url};
use super::*;
use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};
use tidegate_bus::ends::StreamPub;
use tidegate_leadership::limits::{CAUGHT_UP_RECORDS, PROOF_EVERY, REPLICA_WAIT_NS};
use tidegate_leadership::{Follower, Question, ToFollower, ToLeader};
use tidegate_wire::pb::common::v1::IntentId as PbIntentId;
use tidegate_wire::pb::marketdata::v1::BookTop;
use tidegate_wire::pb::orders::v1::{Command, CommandKind, Intent, IntentKind, Report, ReportKind};

const DEADLINE: Duration = Duration::from_secs(20);
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../..");

fn config(dir: &Path, node: &str, other: &str) -> String {
    json!({
        "intentUrl": url(dir, &format!("i{node}")), "commandUrl": url(dir, "c"),
        "tailUrl": url(dir, &format!("t{node}")), "mdUrl": url(dir, "m"),
        "journalDir": dir.join(format!("journal-{node}")), "tier": "T1",
        "epochFile": dir.join(format!("gateway-{node}.epoch")),
        "latchFile": dir.join(format!("gateway-{node}.latch")),
        "instrumentsFile": format!("{ROOT}/config/instruments.json"),
        "limitsFile": format!("{ROOT}/config/limits.json"),
        "pair": {
            "node": node, "peerTailUrl": url(dir, &format!("t{other}")), "leaseFile": dir.join("lease"),
        },
    })
    .to_string()
}

struct World {
    dir: tempfile::TempDir,
    router: LinkServer,
    strategies: [LinkClient; 2],
    md: StreamPub,
    leader: Option<(u32, u64, PeerId)>,
    report_seq: u64,
    beat_ns: u64,
    asked: BTreeMap<PeerId, u64>,
    /// The router says nothing to anybody.
    mute: bool,
    /// The router hears no GRANT of this gateway.
    barred: &'static str,
    /// The leader's link is gone.
    leader_gone: bool,
    /// What the router took as the leader's.
    taken: Vec<Command>,
    fenced: usize,
    replies: Vec<(usize, Reason, bool)>,
    /// The kill that the router holds, by its time.
    kill: Option<i64>,
    _context: zmq::Context,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("gp").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("s")).unwrap();
        let context = zmq::Context::new();
        let router =
            LinkServer::bind(&context, LinkServerConfig::new(url(dir.path(), "c"), "command", 1)).unwrap();
        let strategies = ["ia", "ib"].map(|name| {
            let config = LinkClientConfig::new(url(dir.path(), name), "intent", "strategy:1", 1);
            LinkClient::connect(&context, config).unwrap()
        });
        let md = StreamPub::bind(&context, &url(dir.path(), "m"), 1).unwrap();
        Self {
            dir,
            router,
            strategies,
            md,
            leader: None,
            report_seq: 0,
            beat_ns: 0,
            asked: BTreeMap::new(),
            mute: false,
            barred: "",
            leader_gone: false,
            taken: vec![],
            fenced: 0,
            replies: vec![],
            kill: None,
            _context: context,
        }
    }

    fn start(&self, node: &str) -> Handle {
        let other = if node == "a" { "b" } else { "a" };
        start(&config(self.dir.path(), node, other)).unwrap()
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !done(self) {
            assert!(Instant::now() < end, "never: {what}");
            self.turn();
            let mut items = vec![self.router.poll_item()];
            items.extend(self.strategies.iter().map(LinkClient::poll_item));
            zmq::poll(&mut items, 5).unwrap();
        }
    }

    fn turn(&mut self) {
        let now = clock::mono_ns();
        let topic = self.md.topic("md.2.2.top.").unwrap();
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
        let (mut commands, mut controls) = (vec![], vec![]);
        while let Some(input) = self.router.recv(now).unwrap() {
            let LinkInput::Data { peer, seq, payload, .. } = input else { continue };
            if let Some(question) = Question::decode(payload) {
                self.asked.insert(peer, question.asked_ns);
                self.router.ack(peer, seq);
                continue;
            }
            match envelope::decode_checked(payload).unwrap().payload {
                Some(Payload::Command(command)) => commands.push((peer, command)),
                Some(Payload::ControlEvent(event)) => controls.push((peer, event)),
                other => panic!("{other:?}"),
            }
            self.router.ack(peer, seq);
        }
        for (peer, event) in controls {
            self.control(peer, &event);
        }
        for (peer, command) in commands {
            self.answer(now, peer, command);
        }
        if now.saturating_sub(self.beat_ns) > 50_000_000 && !self.mute {
            self.beat_ns = now;
            let alive = |peer| self.router.link(peer).is_some_and(|l| l.state() == LinkState::Synced);
            let beat = Beat {
                epoch: self.leader.map_or(0, |(epoch, ..)| epoch),
                holder: self.leader.map_or(0, |(_, holder, _)| holder),
                leader_alive: !self.leader_gone && self.leader.is_some_and(|(.., peer)| alive(peer)),
                identity: crate::execution_router::identity(&table()),
                asked_ns: 0,
            };
            for peer in self.router.peers().map(|(peer, ..)| peer).collect::<Vec<_>>() {
                let asked_ns = self.asked.get(&peer).copied().unwrap_or(0);
                let _ = self.router.send(now, peer, &Beat { asked_ns, ..beat }.encode());
            }
        }
        self.router.tick(now).unwrap();
        for (which, strategy) in self.strategies.iter_mut().enumerate() {
            while let Some(input) = strategy.recv(now).unwrap() {
                let LinkInput::Data { seq, payload, .. } = input else { continue };
                if let Some(Payload::IntentReply(r)) = envelope::decode_checked(payload).unwrap().payload {
                    self.replies.push((which, r.reason(), r.repeated));
                }
                strategy.ack(seq);
            }
            strategy.tick(now).unwrap();
        }
    }

    fn answer(&mut self, now: u64, peer: PeerId, command: Command) {
        let (epoch, holder) = (command.gateway_epoch, command.holder);
        if command.kind() == CommandKind::Grant && self.router.identity(peer) == Some(self.barred) {
            return;
        }
        let kind = match command.kind() {
            CommandKind::Grant
                if self.leader.is_none_or(|(e, h, _)| epoch > e || (epoch, holder) == (e, h)) =>
            {
                self.leader = Some((epoch, holder, peer));
                self.leader_gone = false;
                // Nothing of before is told again: a leader whose journal lacks it goes on from where it is.
                self.report_seq = command.report_seq_seen;
                ReportKind::Granted
            }
            CommandKind::New if self.leader.is_some_and(|(e, h, _)| (e, h) == (epoch, holder)) => {
                ReportKind::Ack
            }
            CommandKind::Query => ReportKind::Status,
            _ => {
                self.fenced += 1;
                return;
            }
        };
        self.report_seq += 1;
        let grant = kind == ReportKind::Granted;
        let report = Report {
            report_seq: self.report_seq,
            kind: kind.into(),
            intent_id: command.intent_id,
            client_order_id: command.client_order_id.clone(),
            instrument_id: command.instrument_id,
            venue_id: command.venue_id,
            gateway_epoch: if grant { epoch } else { 0 },
            holder: if grant { holder } else { 0 },
            command_seq: command.command_seq,
            reason: Reason::Ok.into(),
            ..Report::default()
        };
        self.taken.push(command);
        self.router.send(now, peer, &message(Payload::Report(report))).unwrap();
    }

    /// The router's latch: the first kill stands, a lift is the leader's, and everybody hears of both.
    fn control(&mut self, peer: PeerId, event: &ControlEvent) {
        let ts_ns = match event.action() {
            ControlAction::Kill => *self.kill.get_or_insert(event.ts_ns),
            _ => {
                assert_eq!(
                    self.leader.map(|(.., leads)| leads),
                    Some(peer),
                    "a lift of one that does not lead"
                );
                self.kill = self.kill.filter(|held| *held != event.kill_ts_ns);
                event.kill_ts_ns
            }
        };
        for name in ["a", "b"] {
            self.say(name, event.action(), ts_ns);
        }
    }

    /// What the router says of its latch to one of the two.
    fn say(&mut self, node: &str, action: ControlAction, ts_ns: i64) {
        let lifts = action == ControlAction::Unkill;
        let event = ControlEvent {
            action: action.into(),
            principal: "router".into(),
            ts_ns: if lifts { 0 } else { ts_ns },
            kill_ts_ns: if lifts { ts_ns } else { 0 },
            ..ControlEvent::default()
        };
        if let Some(peer) = self.router.peer(&format!("gateway:{node}")) {
            let _ = self.router.send(clock::mono_ns(), peer, &message(Payload::ControlEvent(event)));
        }
    }

    fn news(&self) -> usize {
        self.taken.iter().filter(|c| c.kind() == CommandKind::New).count()
    }

    /// Intents `seqs`, each answered before the next dozen go: most are refused for their rate, and each is two records at least.
    fn load(&mut self, which: usize, seqs: std::ops::Range<u64>) {
        for seq in seqs {
            self.send(which, seq);
            if seq % 12 == 0 {
                let replies = self.replies.len() + 1;
                self.until("answers", |w| w.replies.len() >= replies);
            }
        }
    }

    fn send(&mut self, which: usize, seq: u64) {
        let bytes = message(Payload::Intent(buy(seq, 600_000)));
        self.strategies[which].send(clock::mono_ns(), &bytes).unwrap();
    }
}

fn table() -> Table {
    Table::from_json(&std::fs::read(format!("{ROOT}/config/instruments.json")).unwrap()).unwrap()
}

fn leads(handle: &Handle) -> bool {
    let stats = handle.stats();
    assert_eq!(stats["fault"], Value::Null);
    stats["leads"] == json!(true) && !stats["references"]["2"].is_null()
}

fn applied(handle: &Handle) -> Option<u64> {
    let pair = &handle.stats()["pair"];
    (pair["attached"] == json!(true)).then(|| pair["applied"].as_u64()).flatten()
}

/// A standby by the words of its link alone: it holds what it is sent, and says so when it is let.
struct Standby {
    link: LinkClient,
    asked: bool,
    last: u64,
    says: bool,
}

impl Standby {
    fn of(dir: &Path, context: &zmq::Context) -> Self {
        let config = LinkClientConfig::new(url(dir, "ta"), "tail", "standby:b", 1);
        Self { link: LinkClient::connect(context, config).unwrap(), asked: false, last: 0, says: true }
    }

    fn turn(&mut self) {
        let now = clock::mono_ns();
        let before = self.last;
        while let Some(input) = self.link.recv(now).unwrap() {
            let LinkInput::Data { seq, payload, .. } = input else { continue };
            if let Some(ToFollower::Record { payload }) = ToFollower::decode(payload) {
                self.last = envelope::decode(payload).unwrap().log_seq;
            }
            self.link.ack(seq);
        }
        if !self.asked && self.link.state() == LinkState::Synced {
            let attach = Follower::default().ask([0; 32]);
            self.asked = self.link.send(now, &ToLeader::Attach(attach).encode()).is_ok();
        }
        if self.says && self.last > before {
            self.say();
        }
        self.link.tick(now).unwrap();
    }

    fn say(&mut self) {
        self.link.send(clock::mono_ns(), &ToLeader::Safe { seq: self.last }.encode()).unwrap();
    }
}

#[test]
fn b082_nothing_leaves_before_a_standby_in_step_holds_it_and_none_is_waited_for_without_end() {
    let mut world = World::new();
    let a = world.start("a");
    let context = zmq::Context::new();
    let standby = RefCell::new(Standby::of(world.dir.path(), &context));
    let waited_for = || a.stats()["standby"]["waitedFor"] == json!(true);
    let without = || a.stats()["standby"]["leftWithoutIt"].as_u64().unwrap();
    world.until("a leads with a standby in step", |w| {
        standby.borrow_mut().turn();
        leads(&a) && waited_for() && w.strategies[0].state() == LinkState::Synced
    });
    // It gets the record and is silent: the order is safe here and neither sent nor told.
    standby.borrow_mut().says = false;
    let (held, news) = (standby.borrow().last, world.news());
    let sent = Instant::now();
    world.send(0, 1);
    let told = |w: &World| !w.replies.is_empty() || w.news() > news;
    let decided = |last: u64| call(&a, json!({ "op": "state" }))["journalSeq"].as_u64() == Some(last);
    world.until("the standby has all that is decided", |w| {
        standby.borrow_mut().turn();
        let last = standby.borrow().last;
        told(w) || last > held && decided(last)
    });
    let all = Instant::now();
    world.until("a moment passes", |w| {
        standby.borrow_mut().turn();
        told(w) || all.elapsed() > Duration::from_millis(100)
    });
    // On a machine that stands still for so long the bound may have passed; nothing leaves before.
    assert!(!told(&world) || sent.elapsed() >= Duration::from_nanos(REPLICA_WAIT_NS), "it left too early");
    standby.borrow_mut().says = true;
    standby.borrow_mut().say();
    world.until("the answer and the order", |w| {
        standby.borrow_mut().turn();
        w.replies.len() == 1 && w.news() == news + 1
    });
    // One that stays silent is left behind, and counts again once it speaks.
    standby.borrow_mut().says = false;
    let before = without();
    world.send(0, 2);
    world.until("the next one without it", |w| {
        standby.borrow_mut().turn();
        w.replies.len() == 2 && without() > before && !waited_for()
    });
    standby.borrow_mut().says = true;
    standby.borrow_mut().say();
    world.until("it is waited for again", |_| {
        standby.borrow_mut().turn();
        waited_for()
    });
    // One that attaches anew may hold less than it did: its earlier word counts no longer, and it has more to take than it may lack.
    for seq in 3..60 {
        world.send(0, seq);
        world.until("an answer", |w| {
            standby.borrow_mut().turn();
            w.replies.len() as u64 == seq
        });
    }
    assert!(standby.borrow().last > CAUGHT_UP_RECORDS && waited_for());
    (standby.borrow_mut().says, standby.borrow_mut().asked) = (false, false);
    world.until("it is not waited for while it catches up", |_| {
        standby.borrow_mut().turn();
        !waited_for()
    });
    a.stop().unwrap();
}

#[test]
fn b082_one_of_two_leads_the_other_follows_takes_over_and_answers_a_retry_the_same() {
    let mut world = World::new();
    let a = world.start("a");
    world.until("a leads", |_| leads(&a));
    let b = world.start("b");
    world.until("b follows and strategies are in step", |w| {
        applied(&b).is_some() && w.strategies.iter().all(|s| s.state() == LinkState::Synced)
    });
    world.send(0, 1);
    world.send(1, 2);
    world.until("an answer of each", |w| w.replies.len() == 2);
    world.replies.sort_by_key(|r| r.0);
    assert_eq!(world.replies, [(0, Reason::Ok, false), (1, Reason::NotLeader, false)]);
    let refused = call(&b, json!({ "op": "halt", "principal": "test" }));
    assert!(refused["error"].as_str().unwrap().contains("ask the other"));
    world.until("b holds what a decided", |_| {
        let journal = call(&a, json!({ "op": "state" }))["journalSeq"].as_u64();
        journal.is_some_and(|seq| applied(&b) == Some(seq))
    });
    a.stop().unwrap();
    world.until("b leads", |_| leads(&b));
    let epoch = world.leader.unwrap().0;
    assert!(epoch >= 2, "{epoch}");
    world.replies.clear();
    world.send(1, 1);
    world.until("the answer again", |w| !w.replies.is_empty());
    assert_eq!(world.replies[0], (1, Reason::Ok, true));
    assert_eq!(world.news(), 1, "sent once");
    world.send(1, 2);
    world.until("what was refused by the standby is decided now", |w| w.news() == 2);
    // The first one comes back as the standby of the second.
    let a = world.start("a");
    world.until("a follows", |_| {
        let journal = call(&b, json!({ "op": "state" }))["journalSeq"].as_u64();
        journal.is_some_and(|seq| applied(&a) == Some(seq))
    });
    assert_eq!(call(&b, json!({ "op": "hand_over" }))["ok"], json!(true));
    world.until("a leads again", |_| leads(&a) && !leads(&b));
    world.send(0, 3);
    world.until("a decides", |w| w.news() == 3);
    a.stop().unwrap();
    b.stop().unwrap();
}

#[test]
fn b082_a_leader_that_was_deposed_sends_nothing_and_sets_its_own_way_aside() {
    let mut world = World::new();
    let a = world.start("a");
    world.until("a leads", |_| leads(&a));
    let b = world.start("b");
    world.until("b follows", |_| applied(&b).is_some());
    // Another process was granted the lead meanwhile, as after a pause of the leader.
    let (epoch, _, peer) = world.leader.unwrap();
    world.leader = Some((epoch + 1, 12_345, peer));
    world.until("a knows", |_| !leads(&a));
    world.until("strategies are in step", |w| w.strategies.iter().all(|s| s.state() == LinkState::Synced));
    let before = world.news();
    world.send(0, 1);
    world.until("its answer", |w| w.replies.iter().any(|r| r.0 == 0));
    assert_eq!(world.replies.iter().find(|r| r.0 == 0).unwrap().1, Reason::NotLeader);
    assert_eq!(world.news(), before);
    a.stop().unwrap();
    b.stop().unwrap();
}

/// A leader that hears neither router nor lease while it decides a cancel: what happens to its answer once it hears again.
fn answer_after(isolation: impl FnOnce(&mut World, &Handle)) -> (World, Handle, usize) {
    let mut world = World::new();
    let a = world.start("a");
    world.until("a leads", |_| leads(&a));
    world.until("strategies are in step", |w| w.strategies[0].state() == LinkState::Synced);
    world.send(0, 1);
    world.until("an order", |w| w.replies.len() == 1 && w.news() == 1);
    world.mute = true;
    let lease = std::fs::File::open(world.dir.path().join("lease")).unwrap();
    rustix::fs::flock(&lease, rustix::fs::FlockOperation::LockExclusive).unwrap();
    world.until("a is cut off", |_| a.stats()["pair"]["mayTell"] == json!(false));
    let target = buy(1, 600_000).intent_id;
    let (hi, lo) = IntentId::new(StrategyId(1), 1, 2).halves();
    let cancel = Intent {
        intent_id: Some(PbIntentId { hi, lo }),
        kind: IntentKind::Cancel.into(),
        instrument_id: 2,
        account_id: 1,
        target_intent_id: target,
        instrument_table_version: 1,
        intent_mono_ns: clock::mono_ns(),
        ..Intent::default()
    };
    world.replies.clear();
    world.strategies[0].send(clock::mono_ns(), &message(Payload::Intent(cancel))).unwrap();
    world.send(0, 3);
    world.until("the new order is turned away", |w| !w.replies.is_empty());
    assert_eq!(world.replies, [(0, Reason::NotLeader, false)], "the cancel was decided before it, and waits");
    isolation(&mut world, &a);
    world.mute = false;
    let told = world.replies.len();
    (world, a, told)
}

#[test]
fn b082_a_leader_cut_off_tells_what_it_decided_once_the_router_names_it_again() {
    let (mut world, a, told) = answer_after(|_, _| {});
    world.until("the cancel's answer", |w| w.replies.len() > told);
    assert_eq!(world.replies[told], (0, Reason::Ok, false));
    a.stop().unwrap();
}

#[test]
fn b082_a_leader_cut_off_never_tells_what_it_decided_when_another_leads() {
    let (mut world, a, told) = answer_after(|world, _| {
        let (epoch, _, peer) = world.leader.unwrap();
        world.leader = Some((epoch + 1, 12_345, peer));
    });
    world.until("a knows", |_| !leads(&a));
    world.send(0, 4);
    world.until("the next one's answer", |w| w.replies.len() > told);
    assert_eq!(world.replies[told..], [(0, Reason::NotLeader, false)]);
    a.stop().unwrap();
}

#[test]
fn b082_a_leader_cut_off_never_tells_what_it_decided_when_it_is_fenced() {
    let (mut world, a, told) = answer_after(|world, a| {
        let (epoch, holder, peer) = world.leader.unwrap();
        world.leader = Some((epoch + 1, 12_345, peer));
        world.report_seq += 1;
        let fenced = Report {
            report_seq: world.report_seq,
            kind: ReportKind::Fenced.into(),
            reason: Reason::Fenced.into(),
            gateway_epoch: epoch,
            holder,
            ..Report::default()
        };
        world.router.send(clock::mono_ns(), peer, &message(Payload::Report(fenced))).unwrap();
        // It hears of it before any word about who leads.
        world.until("a is fenced", |_| !leads(a));
    });
    world.send(0, 4);
    world.until("the next one's answer", |w| w.replies.len() > told);
    assert_eq!(world.replies[told..], [(0, Reason::NotLeader, false)]);
    a.stop().unwrap();
}

#[test]
fn a_journal_that_went_another_way_is_set_aside_and_the_leaders_is_followed() {
    let mut world = World::new();
    let b = world.start("b");
    world.until("b leads alone", |_| leads(&b));
    world.until("strategies are in step", |w| w.strategies[1].state() == LinkState::Synced);
    world.send(1, 1);
    world.until("b decides", |w| w.news() == 1);
    b.stop().unwrap();
    // a begins with a history of its own.
    world.leader = None;
    let a = world.start("a");
    world.until("a leads", |_| leads(&a));
    let b = world.start("b");
    world.until("b has set its own aside and holds a's", |_| {
        let journal = call(&a, json!({ "op": "state" }))["journalSeq"].as_u64();
        b.stats()["pair"]["journalsSetAside"] == json!(1) && applied(&b).is_some() && applied(&b) == journal
    });
    let kept = std::fs::read_dir(world.dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().contains("aside-")));
    assert_eq!(kept.count(), 1, "nothing is deleted");
    a.stop().unwrap();
    b.stop().unwrap();
}

#[test]
fn b082_what_a_leader_proved_of_a_journal_it_set_aside_is_no_proof_of_its_next_one() {
    let mut world = World::new();
    let a = world.start("a");
    world.until("a leads", |_| leads(&a));
    world.until("strategies are in step", |w| w.strategies[0].state() == LinkState::Synced);
    world.load(0, 1..700);
    let seq = |handle: &Handle| call(handle, json!({ "op": "state" }))["journalSeq"].as_u64().unwrap();
    world.until("a has proved a state", |_| seq(&a) > PROOF_EVERY + 64);
    let proved = seq(&a);
    // Another leads from an empty journal, and a takes that one's in the place of its own.
    world.barred = "gateway:a";
    let (epoch, _, peer) = world.leader.unwrap();
    world.leader = Some((epoch + 1, 12_345, peer));
    world.until("a knows", |_| !leads(&a));
    let b = world.start("b");
    world.leader_gone = true;
    world.until("b leads", |_| leads(&b));
    world.until("a follows b", |_| {
        a.stats()["pair"]["journalsSetAside"] == json!(1) && applied(&a) == Some(seq(&b))
    });
    // It leads again, past the place of the old proof.
    world.barred = "";
    assert_eq!(call(&b, json!({ "op": "hand_over" }))["ok"], json!(true));
    world.until("a leads again", |_| leads(&a) && !leads(&b) && applied(&b).is_some());
    world.replies.clear();
    let mut next = 1_000;
    while seq(&a) <= proved && next < 9_000 {
        world.load(0, next..next + 500);
        next += 500;
    }
    assert!(seq(&a) > proved, "{} of {proved}: {}", seq(&a), a.stats());
    world.until("b holds it all", |_| applied(&b) == Some(seq(&a)));
    assert_eq!(b.stats()["pair"]["journalsSetAside"], json!(0), "{}", b.stats()["pair"]);
    a.stop().unwrap();
    b.stop().unwrap();
}

fn killed(handle: &Handle) -> bool {
    call(handle, json!({ "op": "state" }))["policy"]["state"] == json!("KILLED")
}

fn latched(handle: &Handle) -> bool {
    call(handle, json!({ "op": "state" }))["killed"] != Value::Null
}

fn lift(handle: &Handle) {
    for principal in ["ann", "bob"] {
        assert_eq!(call(handle, json!({ "op": "unkill", "principal": principal }))["ok"], json!(true));
    }
}

/// A leads, B follows it, and both strategies are in step.
fn pair(world: &mut World) -> (Handle, Handle) {
    let a = world.start("a");
    world.until("a leads", |_| leads(&a));
    let b = world.start("b");
    world.until("b follows and strategies are in step", |w| {
        applied(&b).is_some() && w.strategies.iter().all(|s| s.state() == LinkState::Synced)
    });
    (a, b)
}

#[test]
fn b048_a_standby_is_latched_with_its_leader_and_still_killed_when_it_leads_until_two_lift_it() {
    let mut world = World::new();
    let (a, b) = pair(&mut world);
    call(&a, json!({ "op": "kill", "principal": "ann", "reason": "drill" }));
    world.until("the router holds it", |w| w.kill.is_some());
    world.until("the standby's latch", |_| latched(&b) && killed(&b));
    a.stop().unwrap();
    world.until("b leads", |_| leads(&b));
    assert!(killed(&b));
    world.send(1, 1);
    world.until("a refusal", |w| !w.replies.is_empty());
    assert_eq!((world.replies[0].1, world.news()), (Reason::Killed, 0));
    // The first one comes back latched, and its latch goes when the leader's journal says so.
    let a = world.start("a");
    world.until("a follows", |_| applied(&a).is_some() && latched(&a));
    lift(&b);
    world.until("lifted at the router and at both", |w| w.kill.is_none() && !latched(&a) && !latched(&b));
    assert!(!killed(&b), "and nobody kills anew");
    world.send(1, 2);
    world.until("orders leave again", |w| w.news() == 1);
    a.stop().unwrap();
    b.stop().unwrap();
}

#[test]
fn b048_a_kill_given_to_the_standby_reaches_the_leader_through_the_router() {
    let mut world = World::new();
    let (a, b) = pair(&mut world);
    assert_eq!(call(&b, json!({ "op": "kill", "principal": "ann" }))["ok"], json!(true));
    assert!(latched(&b), "before anybody else knows");
    world.until("the leader is killed", |w| w.kill.is_some() && killed(&a) && latched(&a));
    world.until("the standby has it from the leader's journal", |_| killed(&b));
    let refused = call(&b, json!({ "op": "unkill", "principal": "ann" }));
    assert!(refused["error"].as_str().unwrap().contains("ask the other"));
    lift(&a);
    world.until("lifted everywhere", |w| w.kill.is_none() && !latched(&a) && !latched(&b) && !killed(&b));
    a.stop().unwrap();
    b.stop().unwrap();
}

#[test]
fn b048_a_kill_that_only_the_standbys_latch_knows_is_in_force_before_it_decides_anything() {
    let mut world = World::new();
    let (a, b) = pair(&mut world);
    world.say("b", ControlAction::Kill, clock::epoch_ns());
    world.until("the standby's latch", |_| latched(&b));
    assert!(!killed(&a) && !killed(&b), "the leader was never told");
    a.stop().unwrap();
    world.until("b leads", |_| leads(&b));
    assert!(killed(&b));
    world.send(1, 1);
    world.until("a refusal", |w| !w.replies.is_empty());
    assert_eq!((world.replies[0].1, world.news()), (Reason::Killed, 0));
    b.stop().unwrap();
}
