//! The whole loop against a real publisher and a real journal tail over sockets.

use super::*;
use crate::hot::Handle;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tidegate_bus::ends::{LinkServer, LinkServerConfig, PeerId, StreamPub, TopicId};
use tidegate_wal::{WalReport, verify};
use tidegate_wire::pb::orders::v1::OrderUpdate;

const TOP: &str = "md.1.1.top.";

/// Stands in for market-data and the gateway.
struct World {
    dir: TempDir,
    publisher: Option<StreamPub>,
    topic: TopicId,
    tail: LinkServer,
    peer: Option<PeerId>,
    sent: u64,
    journal: u64,
    acked: usize,
    /// How often the recorder asked for a halt, and the journal record that says so.
    halts: u64,
    halt_at: u64,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let context = zmq::Context::new();
        let mut publisher = StreamPub::bind(&context, &endpoint(dir.path(), "md"), 5).unwrap();
        let topic = publisher.topic(TOP).unwrap();
        let tail = LinkServer::bind(&context, LinkServerConfig::new(endpoint(dir.path(), "tail"), "tail", 3))
            .unwrap();
        Self {
            dir,
            publisher: Some(publisher),
            topic,
            tail,
            peer: None,
            sent: 0,
            journal: 0,
            acked: 0,
            halts: 0,
            halt_at: 0,
        }
    }

    fn start(&self) -> Handle {
        start(&self.config().to_string()).unwrap()
    }

    fn config(&self) -> Value {
        json!({
            "mdEndpoint": endpoint(self.dir.path(), "md"),
            "tailEndpoint": endpoint(self.dir.path(), "tail"),
            "walDir": self.dir.path().join("wal"),
            "epochPath": self.dir.path().join("state/recorder.epoch"),
            "segmentBytes": 4_000,
            "segmentAgeMs": 60_000,
            "powerSafe": false,
            "compression": "lz4",
            "diskWarnBytes": 2,
            "diskCriticalBytes": 1,
            "diskHaltBytes": 0,
            "reserveBytes": 1 << 20,
            "dropAtWarn": ["raw"],
        })
    }

    fn turn(&mut self) {
        let now = clock::mono_ns();
        while let Some(input) = self.tail.recv(now).unwrap() {
            match input {
                LinkInput::Data { peer, seq, payload, .. } => {
                    match envelope::decode_checked(payload).unwrap().payload {
                        Some(Payload::SnapshotRequest(request)) => {
                            self.sent = request.after_seq;
                            self.peer = Some(peer);
                        }
                        Some(Payload::ControlEvent(event)) if event.action() == ControlAction::Halt => {
                            self.halts += 1;
                            self.journal += 1;
                            self.halt_at = self.journal;
                        }
                        other => panic!("want a request, not {other:?}"),
                    }
                    self.tail.ack(peer, seq);
                }
                LinkInput::Event {
                    event: LinkEvent::PeerRestarted { .. } | LinkEvent::PeerClosed { .. },
                    ..
                } => {
                    self.peer = None;
                }
                LinkInput::Event { .. } => {}
            }
        }
        if let Some(peer) = self.peer {
            while self.sent < self.journal {
                let mut update = Envelope { log_seq: self.sent + 1, ..message() };
                if update.log_seq == self.halt_at {
                    update.payload = Some(Payload::ControlEvent(ControlEvent {
                        action: ControlAction::Halt.into(),
                        principal: PRINCIPAL.into(),
                        ..ControlEvent::default()
                    }));
                }
                if self.tail.send(now, peer, &envelope::encode(&update)).is_err() {
                    break;
                }
                self.sent += 1;
            }
            self.acked = self.tail.link(peer).map_or(0, |link| link.in_flight());
        }
        self.tail.tick(now).unwrap();
        if let Some(publisher) = &mut self.publisher {
            publisher.tick(now).unwrap();
        }
        std::thread::sleep(Duration::from_millis(1));
    }

    /// Turns until `done`; the bound only ends a broken test.
    fn until(&mut self, handle: &Handle, what: &str, mut done: impl FnMut(&Value, &Self) -> bool) {
        let begun = Instant::now();
        loop {
            self.turn();
            let stats = handle.stats();
            if done(&stats, self) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {stats}");
        }
    }

    fn publish(&mut self, count: usize) {
        for _ in 0..count {
            self.publisher
                .as_mut()
                .unwrap()
                .publish(clock::mono_ns(), self.topic, &envelope::encode(&message()))
                .unwrap();
        }
    }

    fn report(&self) -> WalReport {
        verify(&DirStorage::open_existing(&self.dir.path().join("wal")).unwrap()).unwrap()
    }
}

fn endpoint(dir: &Path, name: &str) -> String {
    format!("ipc://{}/s/{name}.sock", dir.display())
}

/// What the recorder stores it does not read but for `log_seq`.
fn message() -> Envelope {
    let update = OrderUpdate { client_order_id: "x".repeat(25), ..OrderUpdate::default() };
    Envelope {
        schema_version: 1,
        source: Source::Gateway as i32,
        payload: Some(Payload::OrderUpdate(update)),
        ..Envelope::default()
    }
}

fn number(stats: &Value, key: &str) -> u64 {
    stats[key].as_u64().unwrap_or(0)
}

#[test]
fn streams_and_journal_reach_the_wal_over_an_outage_of_the_recorder() {
    let mut world = World::new();
    world.journal = 300;
    let first = world.start();
    world.until(&first, "the journal", |stats, world| number(stats, "journalSeq") == 300 && world.acked == 0);
    world.until(&first, "the stream is heard", |stats, _| stats["streamsLive"] == json!(1));
    world.publish(40);
    world.until(&first, "market data", |stats, _| {
        number(stats, "walSeq") >= 340 && number(stats, "market") > 0
    });
    first.stop().unwrap();
    let before = world.report();
    assert!(before.ok(), "{before:?}");

    // While nobody records, both sides go on.
    world.publish(25);
    world.journal += 50;
    let second = world.start();
    world.until(&second, "the rest of the journal", |stats, _| number(stats, "journalSeq") == 350);
    world.until(&second, "the outage is known", |stats, _| number(stats, "gaps") >= 1);
    world.publish(10);
    let total = world.publisher.as_ref().unwrap().last_seq(world.topic);
    world.until(&second, "market data again", |stats, _| number(stats, "market") == 10);
    let publisher = world.publisher.take().unwrap();
    publisher.close(clock::mono_ns()).unwrap();
    world.until(&second, "the end of the stream", |stats, _| number(stats, "marks") >= 1);
    second.stop().unwrap();

    let report = world.report();
    assert!(report.ok(), "{report:?}");
    assert_eq!(report.sealed, report.segments, "everything is sealed at the end");
    assert!(report.segments > 2, "sealed by size on the way");
    let top = &report.streams[&(TOP.to_string(), 5)];
    assert_eq!(
        (top.last_seq, top.data + top.missing, top.closed),
        (total, total, true),
        "every sequence, once"
    );
    assert_eq!(top.missing, 25);
    let journal = &report.streams[&(JOURNAL.to_string(), 1)];
    assert_eq!(
        (journal.data, journal.last_seq, journal.missing),
        (350, 350, 0),
        "no order record is ever missing"
    );
}

#[test]
fn a_second_recorder_on_the_same_wal_and_a_bad_configuration_are_refused() {
    let world = World::new();
    let handle = world.start();
    let refused = start(&world.config().to_string()).unwrap_err().0;
    assert!(refused.contains("another process writes this log"), "{refused}");
    handle.stop().unwrap();
    let mut config = world.config();
    config["diskWarnBytes"] = json!(0);
    assert!(start(&config.to_string()).unwrap_err().0.contains("diskCriticalBytes"));
    config["surprise"] = json!(1);
    assert!(start(&config.to_string()).unwrap_err().0.contains("surprise"));
}

#[test]
fn a32_a_disk_below_its_bound_drops_market_data_with_a_gap_and_keeps_the_journal() {
    let mut world = World::new();
    let mut config = world.config();
    config["diskWarnBytes"] = json!(u64::MAX);
    config["diskCriticalBytes"] = json!(u64::MAX);
    let handle = start(&config.to_string()).unwrap();
    world.until(&handle, "the level", |stats, _| {
        stats["disk"] == json!("CRITICAL") && stats["streamsLive"] == json!(1)
    });
    world.publish(8);
    world.journal = 5;
    world.until(&handle, "thinning", |stats, _| {
        number(stats, "thinned") == 8 && number(stats, "journalSeq") == 5
    });
    handle.stop().unwrap();
    let report = world.report();
    assert!(report.ok(), "{report:?}");
    assert_eq!((report.missing, report.streams[&(JOURNAL.to_string(), 1)].data), (8, 5));
}

#[test]
fn a32_at_halt_the_reserve_is_given_up_and_the_gateway_is_told_until_its_journal_says_so() {
    let mut world = World::new();
    let mut config = world.config();
    config["diskHaltBytes"] = json!(0);
    let handle = start(&config.to_string()).unwrap();
    world.until(&handle, "a level", |stats, _| stats["disk"] == json!("OK"));
    assert_eq!(handle.stats()["reserveHeld"], json!(true));
    assert!(world.dir.path().join("wal/RESERVE").exists());
    handle.stop().unwrap();
    for key in ["diskWarnBytes", "diskCriticalBytes", "diskHaltBytes"] {
        config[key] = json!(u64::MAX);
    }
    let handle = start(&config.to_string()).unwrap();
    world.journal = 5;
    world.until(&handle, "the gateway is told", |stats, world| {
        stats["disk"] == json!("HALT") && world.halts == 1 && stats["haltTold"] == json!(true)
    });
    assert_eq!(handle.stats()["reserveHeld"], json!(false));
    assert!(!world.dir.path().join("wal/RESERVE").exists());
    let told = Instant::now();
    while told.elapsed() < Duration::from_millis(1_300) {
        world.turn();
    }
    assert_eq!(world.halts, 1, "once it is heard nobody asks again");
    world.journal += 3;
    let journal = world.journal;
    world.until(&handle, "orders go on", |stats, _| number(stats, "journalSeq") == journal);
    handle.stop().unwrap();
    let report = world.report();
    assert!(report.ok(), "{report:?}");
    assert_eq!(report.streams[&(JOURNAL.to_string(), 1)].data, journal);
}
