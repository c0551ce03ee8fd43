//! The ends over real ipc sockets. Time is given by hand; only the arrival of messages is waited for, on the sockets.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use tempfile::TempDir;
use tidegate_bus::ends::{
    LinkClient, LinkClientConfig, LinkInput, LinkServer, LinkServerConfig, PeerId, StreamPub, StreamSub,
    StreamWhat,
};
use tidegate_bus::lane::{Arrival, Inbox, Lane, LaneFaultCode, LaneRefusal, Sent};
use tidegate_bus::limits::{HEARTBEAT_NS, PUMP_FRAMES_MAX};
use tidegate_bus::link::{LinkState, SendRefusal};
use tidegate_bus::zmq_lane::{AllowedUids, ZmqLane};
use zmq::Context;

/// Turns of a loop after which a test gives up: each waits at most 5 ms for the sockets.
const TURNS_MAX: usize = 4_000;

fn dir() -> TempDir {
    tempfile::Builder::new().prefix("tg").tempdir_in("/tmp").unwrap()
}

fn endpoint(dir: &TempDir, name: &str) -> String {
    format!("ipc://{}/s/{name}", dir.path().display())
}

fn own_uid() -> u32 {
    std::fs::metadata("/proc/self").unwrap().uid()
}

struct Pair {
    zmq: Context,
    server: LinkServer,
    client: LinkClient,
    now: u64,
    at_server: Vec<(u64, Vec<u8>)>,
    at_client: Vec<(u64, Vec<u8>)>,
}

impl Pair {
    fn new(dir: &TempDir) -> Self {
        let zmq = Context::new();
        let at = endpoint(dir, "link.sock");
        let server = LinkServer::bind(&zmq, LinkServerConfig::new(&at, "intent", 1)).unwrap();
        let client =
            LinkClient::connect(&zmq, LinkClientConfig::new(&at, "intent", "strategy:1", 1)).unwrap();
        Self { zmq, server, client, now: 1, at_server: Vec::new(), at_client: Vec::new() }
    }

    fn turn(&mut self) {
        self.now += 10_000_000;
        let _ = zmq::poll(&mut [self.server.poll_item(), self.client.poll_item()], 5).unwrap();
        self.server.tick(self.now).unwrap();
        self.client.tick(self.now).unwrap();
        let at_server = &mut self.at_server;
        self.server
            .pump(self.now, |input| {
                if let LinkInput::Data { seq, payload, .. } = input {
                    at_server.push((seq, payload.to_vec()));
                }
            })
            .unwrap();
        let at_client = &mut self.at_client;
        self.client
            .pump(self.now, |input| {
                if let LinkInput::Data { seq, payload, .. } = input {
                    at_client.push((seq, payload.to_vec()));
                }
            })
            .unwrap();
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..TURNS_MAX {
            if done(self) {
                return;
            }
            self.turn();
        }
        panic!("{what} did not come to pass: {:?} {:?}", self.server, self.client);
    }

    fn synced(&self) -> bool {
        let server = self.server.peer("strategy:1").and_then(|p| self.server.link(p));
        self.client.state() == LinkState::Synced && server.is_some_and(|l| l.state() == LinkState::Synced)
    }
}

#[test]
fn a_link_carries_both_ways_in_order_and_credits_come_back_with_acks() {
    let dir = dir();
    let mut pair = Pair::new(&dir);
    assert_eq!(pair.client.send(1, b"x"), Err(SendRefusal::NotSynced), "before the handshake");
    pair.until("a handshake", Pair::synced);
    let peer = pair.server.peer("strategy:1").unwrap();
    let count = 2_000_u32;
    for n in 0..count {
        pair.client.send(pair.now, &n.to_le_bytes()).unwrap();
        pair.server.send(pair.now, peer, &n.to_be_bytes()).unwrap();
    }
    pair.until("all arrived", |p| p.at_server.len() == count as usize && p.at_client.len() == count as usize);
    for (n, (at_server, at_client)) in (0_u32..).zip(pair.at_server.iter().zip(&pair.at_client)) {
        assert_eq!(*at_server, (u64::from(n) + 1, n.to_le_bytes().to_vec()));
        assert_eq!(*at_client, (u64::from(n) + 1, n.to_be_bytes().to_vec()));
    }
    assert_eq!(pair.client.link().in_flight(), count as usize);
    pair.server.ack(peer, u64::from(count));
    pair.until("the acknowledgement", |p| p.client.link().in_flight() == 0);
    assert_eq!(pair.client.counters().retransmitted, 0);
}

#[test]
fn a_client_that_comes_again_under_its_identity_is_told_as_a_restart_and_gets_what_was_unacknowledged() {
    let dir = dir();
    let mut pair = Pair::new(&dir);
    pair.until("a handshake", Pair::synced);
    let peer = pair.server.peer("strategy:1").unwrap();
    for n in 0..10_u8 {
        pair.server.send(pair.now, peer, &[n]).unwrap();
    }
    pair.until("all arrived", |p| p.at_client.len() == 10);
    pair.client.ack(4);
    pair.until("the acknowledgement", |p| p.server.link(peer).is_some_and(|l| l.in_flight() == 6));
    let config = LinkClientConfig::new(endpoint(&dir, "link.sock"), "intent", "strategy:1", 2);
    pair.client = LinkClient::connect(&pair.zmq, config).unwrap();
    pair.at_client.clear();
    pair.until("the rest again", |p| p.at_client.len() == 6);
    let seqs: Vec<u64> = pair.at_client.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [5, 6, 7, 8, 9, 10]);
    assert_eq!(pair.server.link(peer).unwrap().counters().peer_restarts, 1);
    assert_eq!(pair.server.peers().count(), 1, "one identity is one peer");
}

#[test]
fn a_server_that_comes_again_is_found_and_what_was_unacknowledged_goes_to_it() {
    let dir = dir();
    let mut pair = Pair::new(&dir);
    pair.until("a handshake", Pair::synced);
    pair.client.send(pair.now, b"first").unwrap();
    pair.until("arrived", |p| p.at_server.len() == 1);
    let again = LinkServerConfig::new(endpoint(&dir, "link.sock"), "intent", 2);
    let Pair { zmq, server, client, now, at_server, at_client } = pair;
    drop(server);
    // The socket of the dead server closes on ZeroMQ's own thread; its lock goes with the end itself.
    let server = (0..TURNS_MAX)
        .find_map(|_| {
            let bound = LinkServer::bind(&zmq, again.clone());
            if bound.is_err() {
                let _ = client.poll_item();
                std::thread::yield_now();
            }
            bound.ok()
        })
        .unwrap();
    let mut pair = Pair { zmq, server, client, now, at_server, at_client };
    pair.until("again at the new server", |p| p.at_server.len() == 2);
    assert_eq!(pair.at_server[1], (1, b"first".to_vec()));
    assert_eq!(pair.client.counters().peer_restarts, 1);
    assert_eq!(pair.client.counters().retransmitted, 1);
}

#[test]
fn a_frame_to_an_unknown_peer_is_known_at_once_and_a_full_window_refuses() {
    let dir = dir();
    let zmq = Context::new();
    let mut lane = ZmqLane::router(&zmq, &endpoint(&dir, "r.sock"), 16, AllowedUids::default()).unwrap();
    assert_eq!(lane.send(b"nobody", b"frame").unwrap(), Sent::NoPeer);
    assert_eq!(lane.counters().no_peer, 1);
    drop(lane);

    let at = endpoint(&dir, "w.sock");
    let mut server = LinkServer::bind(&zmq, LinkServerConfig::new(&at, "intent", 1)).unwrap();
    assert_eq!(server.send(1, PeerId(3), b"x"), Err(SendRefusal::UnknownPeer));
    let mut config = LinkClientConfig::new(&at, "intent", "strategy:1", 1);
    config.window = 8;
    let mut pair = Pair {
        client: LinkClient::connect(&zmq, config).unwrap(),
        zmq,
        server,
        now: 1,
        at_server: Vec::new(),
        at_client: Vec::new(),
    };
    pair.until("a handshake", Pair::synced);
    for n in 0..8_u8 {
        pair.client.send(pair.now, &[n]).unwrap();
    }
    assert_eq!(pair.client.send(pair.now, b"x"), Err(SendRefusal::NoCredit));
    let peer = pair.server.peer("strategy:1").unwrap();
    assert_eq!(pair.server.link(peer).unwrap().credits(), 8, "the smaller window counts on both sides");
}

#[test]
fn identities_that_are_not_taken_and_peers_beyond_the_bound_are_counted() {
    let dir = dir();
    let zmq = Context::new();
    let at = endpoint(&dir, "id.sock");
    let mut config = LinkServerConfig::new(&at, "intent", 1);
    config.identity_prefix = "strategy:".into();
    config.peers_max = 1;
    let mut server = LinkServer::bind(&zmq, config).unwrap();
    let client = |identity: &str| {
        LinkClient::connect(&zmq, LinkClientConfig::new(&at, "intent", identity, 1)).unwrap()
    };
    let mut clients = [client("strategy:1"), client("strategy:2"), client("gateway")];
    let mut now = 1;
    for _ in 0..TURNS_MAX {
        let counters = server.counters();
        if clients[0..2].iter().any(|c| c.state() == LinkState::Synced)
            && counters.refused_identity > 0
            && counters.refused_too_many > 0
        {
            break;
        }
        now += HEARTBEAT_NS;
        let _ = zmq::poll(&mut [server.poll_item()], 5).unwrap();
        for client in &mut clients {
            client.tick(now).unwrap();
            client.pump(now, |_| {}).unwrap();
        }
        server.pump(now, |_| {}).unwrap();
        server.tick(now).unwrap();
    }
    assert!(server.counters().refused_identity > 0 && server.counters().refused_too_many > 0);
    assert_eq!(server.peers().count(), 1);
    assert_eq!(clients[2].state(), LinkState::Connecting);
    for bad in ["", "with space", &"x".repeat(65)] {
        let refused = LinkClient::connect(&zmq, LinkClientConfig::new(&at, "intent", bad, 1));
        assert_eq!(refused.unwrap_err().code, LaneFaultCode::BadIdentity);
    }
}

/// What a router that allows `uids` says to a frame of this very process.
fn arrival_with(uids: AllowedUids) -> (Arrival, ZmqLane, Vec<u8>) {
    let dir = dir();
    let zmq = Context::new();
    let at = endpoint(&dir, "cred.sock");
    let mut router = ZmqLane::router(&zmq, &at, 16, uids).unwrap();
    let mut dealer = ZmqLane::dealer(&zmq, &at, "me", 16, AllowedUids::default()).unwrap();
    let mut inbox = Inbox::default();
    for _ in 0..TURNS_MAX {
        if dealer.counters().sent == 0 {
            let _ = dealer.send(b"", b"frame").unwrap();
        }
        let _ = zmq::poll(&mut [router.poll_item()], 5).unwrap();
        let arrival = router.recv(&mut inbox).unwrap();
        if arrival != Arrival::Empty {
            return (arrival, router, inbox.frame);
        }
    }
    panic!("nothing arrived");
}

#[test]
fn a_peer_is_let_in_by_the_user_id_the_kernel_tells_and_by_nothing_else() {
    let (arrival, router, frame) = arrival_with(AllowedUids::default());
    assert_eq!((arrival, frame.as_slice()), (Arrival::Frame, b"frame".as_slice()));
    assert_eq!(router.counters().refused_no_credentials, 0, "libzmq is built with peer credentials");

    let (arrival, router, frame) = arrival_with(AllowedUids::only(vec![own_uid() + 1]));
    assert_eq!(arrival, Arrival::Refused(LaneRefusal::PeerNotAllowed));
    assert!(frame.is_empty());
    assert_eq!((router.counters().refused_peer, router.counters().received), (1, 0));
}

#[test]
fn another_process_is_let_in_or_kept_out_by_its_user_id() {
    for (uids, expected) in [
        (AllowedUids::default(), Arrival::Frame),
        (AllowedUids::only(vec![own_uid() + 1]), Arrival::Refused(LaneRefusal::PeerNotAllowed)),
    ] {
        let dir = dir();
        let zmq = Context::new();
        let at = endpoint(&dir, "child.sock");
        let mut router = ZmqLane::router(&zmq, &at, 16, uids).unwrap();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate-bus-test-sender"))
            .arg(&at)
            .spawn()
            .unwrap();
        let mut inbox = Inbox::default();
        let seen: Vec<Arrival> = (0..TURNS_MAX)
            .map(|_| {
                let _ = zmq::poll(&mut [router.poll_item()], 5).unwrap();
                router.recv(&mut inbox).unwrap()
            })
            .filter(|arrival| *arrival != Arrival::Empty)
            .take(3)
            .collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen, [expected; 3]);
    }
}

#[test]
fn a_client_checks_the_user_of_its_server_and_a_subscriber_that_of_its_publisher() {
    let dir = dir();
    let zmq = Context::new();
    let stranger = AllowedUids::only(vec![own_uid() + 1]);
    let at = endpoint(&dir, "p.sock");
    let mut publisher = ZmqLane::publisher(&zmq, &at, 16, AllowedUids::default()).unwrap();
    let mut wary = ZmqLane::subscriber(&zmq, &at, &[""], 16, stranger.clone()).unwrap();
    let mut inbox = Inbox::default();
    for _ in 0..TURNS_MAX {
        let _ = publisher.send(b"topic", b"frame").unwrap();
        let _ = zmq::poll(&mut [wary.poll_item()], 5).unwrap();
        match wary.recv(&mut inbox).unwrap() {
            Arrival::Empty => {}
            other => {
                assert_eq!(other, Arrival::Refused(LaneRefusal::PeerNotAllowed));
                break;
            }
        }
    }
    assert!(wary.counters().refused_peer > 0);

    let at = endpoint(&dir, "d.sock");
    let mut router = ZmqLane::router(&zmq, &at, 16, AllowedUids::default()).unwrap();
    let mut dealer = ZmqLane::dealer(&zmq, &at, "me", 16, stranger).unwrap();
    for _ in 0..TURNS_MAX {
        let _ = dealer.send(b"", b"hi").unwrap();
        let _ = zmq::poll(&mut [router.poll_item(), dealer.poll_item()], 5).unwrap();
        if router.recv(&mut inbox).unwrap() == Arrival::Frame {
            let _ = router.send(b"me", b"answer").unwrap();
        }
        if dealer.recv(&mut inbox).unwrap() == Arrival::Refused(LaneRefusal::PeerNotAllowed) {
            break;
        }
    }
    assert!(dealer.counters().refused_peer > 0);
}

#[test]
fn messages_of_the_wrong_parts_are_counted_and_the_next_one_is_read() {
    let dir = dir();
    let zmq = Context::new();
    let at = endpoint(&dir, "parts.sock");
    let mut router = ZmqLane::router(&zmq, &at, 16, AllowedUids::default()).unwrap();
    let raw = zmq.socket(zmq::DEALER).unwrap();
    raw.set_linger(0).unwrap();
    raw.set_identity(b"raw").unwrap();
    raw.connect(&at).unwrap();
    raw.send_multipart([b"one".as_slice(), b"two", b"three"], 0).unwrap();
    raw.send(b"good".as_slice(), 0).unwrap();
    let mut inbox = Inbox::default();
    let mut seen = Vec::new();
    for _ in 0..TURNS_MAX {
        let _ = zmq::poll(&mut [router.poll_item()], 5).unwrap();
        match router.recv(&mut inbox).unwrap() {
            Arrival::Empty => {}
            other => seen.push((other, inbox.frame.clone())),
        }
        if seen.len() == 2 {
            break;
        }
    }
    assert_eq!(seen, [(Arrival::Refused(LaneRefusal::BadParts), vec![]), (Arrival::Frame, b"good".to_vec())]);
}

#[test]
fn a_listening_end_owns_its_directory_and_file_and_two_never_serve_one_address() {
    let dir = dir();
    let zmq = Context::new();
    let at = endpoint(&dir, "own.sock");
    let path = dir.path().join("s/own.sock");
    std::fs::create_dir(dir.path().join("s")).unwrap();
    std::fs::set_permissions(dir.path().join("s"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    let first = StreamPub::bind(&zmq, &at, 1).unwrap();
    assert_eq!((mode(&dir.path().join("s")), mode(&path)), (0o700, 0o600));
    assert_eq!(StreamPub::bind(&zmq, &at, 1).unwrap_err().code, LaneFaultCode::AddressInUse);
    drop(first);
    assert!(!path.exists());
    // A socket somebody else listens on, without our lock, is left alone; one nobody listens on is taken over.
    let other = UnixListener::bind(&path).unwrap();
    assert_eq!(StreamPub::bind(&zmq, &at, 1).unwrap_err().code, LaneFaultCode::AddressInUse);
    assert!(path.exists());
    drop(other);
    assert!(path.exists(), "the stale file of a dead process");
    drop(StreamPub::bind(&zmq, &at, 1).unwrap());
    std::fs::write(&path, "not a socket").unwrap();
    assert_eq!(StreamPub::bind(&zmq, &at, 1).unwrap_err().code, LaneFaultCode::NotASocket);
    assert_eq!(std::fs::read(&path).unwrap(), b"not a socket");
}

#[test]
fn endpoints_that_are_not_an_own_ipc_path_are_refused_by_name() {
    let zmq = Context::new();
    let long = format!("ipc:///tmp/{}/x.sock", "d".repeat(110));
    for (endpoint, code) in [
        ("tcp://127.0.0.1:5555", LaneFaultCode::TcpRefused),
        ("inproc://x", LaneFaultCode::BadEndpoint),
        ("ipc://", LaneFaultCode::BadEndpoint),
        ("ipc://*", LaneFaultCode::BadEndpoint),
        ("ipc://@abstract/x", LaneFaultCode::BadEndpoint),
        ("ipc://x.sock", LaneFaultCode::BadEndpoint),
        (long.as_str(), LaneFaultCode::PathTooLong),
    ] {
        assert_eq!(StreamPub::bind(&zmq, endpoint, 1).unwrap_err().code, code, "{endpoint}");
        assert_eq!(StreamSub::connect(&zmq, endpoint, &[""]).unwrap_err().code, code, "{endpoint}");
    }
    // A directory all users share must not be narrowed, and is not.
    let before = std::fs::metadata("/tmp").unwrap().mode();
    assert_eq!(StreamPub::bind(&zmq, "ipc:///tmp/x.sock", 1).unwrap_err().code, LaneFaultCode::DirShared);
    assert_eq!(std::fs::metadata("/tmp").unwrap().mode(), before);
}

#[test]
fn a10_b004_a_stream_reaches_its_subscribers_by_prefix_and_every_loss_is_counted() {
    let dir = dir();
    let zmq = Context::new();
    let at = endpoint(&dir, "md.sock");
    let mut publisher = StreamPub::bind(&zmq, &at, 3).unwrap();
    let one = publisher.topic("md.1.1.top.").unwrap();
    let ten = publisher.topic("md.1.10.top.").unwrap();
    assert_eq!(publisher.topic("md.1.1.top.").unwrap(), one);
    assert!(publisher.topic(&"x".repeat(65)).is_err());
    let mut sub = StreamSub::connect(&zmq, &at, &["md.1.1."]).unwrap();
    let mut now = 1;
    let mut opened = None;
    let mut received = Vec::new();
    let mut closed = None;
    // Heartbeats alone open the topic, so that nothing of it is lost to the joining.
    for _ in 0..TURNS_MAX {
        now += HEARTBEAT_NS;
        publisher.tick(now).unwrap();
        let _ = zmq::poll(&mut [sub.poll_item()], 5).unwrap();
        sub.pump(now, |input| {
            if let StreamWhat::Opened(o) = input.what {
                opened = Some((input.name.to_owned(), o.epoch, o.first_seq));
            }
        })
        .unwrap();
        if opened.is_some() {
            break;
        }
    }
    assert_eq!(opened, Some(("md.1.1.top.".into(), 3, 1)));
    let published = PUMP_FRAMES_MAX as u64 + 44;
    for n in 1..=published {
        assert_eq!(publisher.publish(now, one, &n.to_le_bytes()).unwrap(), n);
        publisher.publish(now, ten, b"other").unwrap();
    }
    publisher.close(now).unwrap();
    for _ in 0..TURNS_MAX {
        let _ = zmq::poll(&mut [sub.poll_item()], 5).unwrap();
        sub.pump(now, |input| match input.what {
            StreamWhat::Data(data) => received.push((data.seq, data.payload.to_vec())),
            StreamWhat::Closed(end) => closed = Some(end),
            _ => {}
        })
        .unwrap();
        if closed.is_some() {
            break;
        }
    }
    let totals = sub.totals();
    assert_eq!(closed.map(|end| (end.last_seq, end.in_order)), Some((published, true)));
    assert_eq!(totals.received + totals.missing, published, "every frame is accounted for");
    assert_eq!(totals.received, received.len() as u64);
    for (seq, payload) in received {
        assert_eq!(payload, seq.to_le_bytes());
    }
    assert_eq!(sub.topics().count(), 1, "the prefix's closing dot keeps md.1.10. out");
}

#[test]
fn silence_shows_as_stale_once() {
    let dir = dir();
    let zmq = Context::new();
    let at = endpoint(&dir, "md.sock");
    let mut publisher = StreamPub::bind(&zmq, &at, 1).unwrap();
    publisher.topic("md.1.1.top.").unwrap();
    let mut sub = StreamSub::connect(&zmq, &at, &["md."]).unwrap();
    let mut now = 1;
    for _ in 0..TURNS_MAX {
        now += HEARTBEAT_NS;
        publisher.tick(now).unwrap();
        let _ = zmq::poll(&mut [sub.poll_item()], 5).unwrap();
        if sub.pump(now, |_| {}).unwrap() > 0 {
            break;
        }
    }
    sub.tick(now + 4 * HEARTBEAT_NS);
    assert!(!sub.has_waiting());
    for _ in 0..2 {
        sub.tick(now + 6 * HEARTBEAT_NS);
    }
    let mut stale = 0;
    sub.pump(now, |input| stale += usize::from(input.what == StreamWhat::Stale)).unwrap();
    assert_eq!(stale, 1);
}
