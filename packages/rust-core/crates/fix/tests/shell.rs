//! Both ends of ours over a real socket, with their stores on a real disk.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_fix::shell::{Clock, Driver, End, Go, JournalStore, dial, listen};
use tidegate_fix::{
    Acceptor, Application, Body, Close, Config, Instant, Message, Replies, Role, Session, Store, Verdict,
    Version, tag,
};
use tidegate_journal::Tier;

const HEADLINE: i32 = 148;

fn config(role: Role) -> Config {
    let (us, peer) = if role == Role::Initiator { ("BUY", "SELL") } else { ("SELL", "BUY") };
    let mut config = Config::new(Version::Fix44, role, us, peer);
    config.strictness = tidegate_fix::Strictness::Lenient;
    config
}

fn open(dir: &Path, role: Role) -> Session<JournalStore> {
    Session::new(config(role), JournalStore::open(dir, &config(role), Tier::T2).unwrap()).unwrap()
}

fn news(text: &[u8]) -> Body {
    let mut body = Body::new();
    body.text(148, text);
    body
}

/// Sends every headline back.
struct Echo;

impl Application for Echo {
    fn message(&mut self, message: &Message<'_>, replies: &mut Replies) -> Verdict<'static> {
        replies.push(b"B", &news(message.get(HEADLINE).unwrap_or(b"-"))).unwrap();
        Verdict::Accept
    }
}

impl<S: Store> Driver<S> for Echo {
    fn drive(&mut self, _session: &mut Session<S>, _now: Instant) -> Go {
        Go::On
    }
}

/// Sends headlines, and goes when it has heard as many.
struct Client {
    todo: Vec<String>,
    heard: Vec<String>,
    want: usize,
    /// Whether the last headline is lost with the connection.
    drops: bool,
}

impl Client {
    fn new(todo: &[&str], drops: bool) -> Self {
        let todo: Vec<_> = todo.iter().rev().map(|text| (*text).to_string()).collect();
        Self { want: todo.len(), todo, heard: Vec::new(), drops }
    }
}

impl Application for Client {
    fn message(&mut self, message: &Message<'_>, _replies: &mut Replies) -> Verdict<'static> {
        let again = if message.is_yes(tag::POSS_DUP_FLAG) { " again" } else { "" };
        self.heard.push(format!("{}{again}", String::from_utf8_lossy(message.get(HEADLINE).unwrap())));
        Verdict::Accept
    }
}

impl<S: Store> Driver<S> for Client {
    fn drive(&mut self, session: &mut Session<S>, now: Instant) -> Go {
        if !session.is_open() {
            return Go::On;
        }
        if let Some(text) = self.todo.pop() {
            session.send(b"B", &news(text.as_bytes()), now).unwrap();
            if self.drops && self.todo.is_empty() {
                return Go::Drop;
            }
        } else if self.heard.len() >= self.want {
            session.logout("", now);
        }
        Go::On
    }
}

/// A listener of one session that ends after so many connections.
fn serve(dir: &Path, connections: usize) -> (SocketAddr, JoinHandle<()>, Receiver<End>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let session = open(dir, Role::Acceptor);
    let (tell, ends) = channel();
    let thread = std::thread::spawn(move || {
        let mut acceptor = Acceptor::default();
        acceptor.add(session).unwrap();
        let mut left = connections;
        let mut ended = |_: usize, end: End| {
            left -= 1;
            tell.send(end).unwrap();
            if left == 0 { Go::Stop } else { Go::On }
        };
        listen(&listener, &mut acceptor, &mut Echo, Clock::default(), &mut ended).unwrap();
    });
    (address, thread, ends)
}

#[test]
fn two_processes_worth_of_state_talk_part_and_go_on() {
    let (buy, sell) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (address, thread, ends) = serve(sell.path(), 3);
    let clock = Clock::default();
    let play = |client: &mut Client| {
        let mut session = open(buy.path(), Role::Initiator);
        let before = session.numbers();
        let end = dial(address, &mut session, client, clock).unwrap();
        assert!(session.numbers().0 > before.0 && session.numbers().1 >= before.1);
        end
    };
    let mut client = Client::new(&["a", "b"], false);
    assert_eq!(play(&mut client), End::Session(Close::LoggedOut));
    assert_eq!(client.heard, ["a", "b"]);
    assert_eq!(ends.recv_timeout(Duration::from_secs(10)), Ok(End::Session(Close::LoggedOut)));
    // Its last message is in the store and not on the wire.
    let mut client = Client::new(&["c"], true);
    assert_eq!(play(&mut client), End::Dropped);
    assert!(ends.recv_timeout(Duration::from_secs(10)).is_ok());
    // The acceptor asks for it before it takes the next.
    let mut client = Client::new(&["d"], false);
    client.want = 2;
    assert_eq!(play(&mut client), End::Session(Close::LoggedOut));
    assert_eq!(client.heard, ["c", "d"]);
    thread.join().unwrap();
}

#[test]
fn strangers_and_second_connections_are_closed_without_an_answer() {
    let sell = tempfile::tempdir().unwrap();
    let (address, _thread, _ends) = serve(sell.path(), 9);
    let closed = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    };
    closed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let logon = |role: Role, version: Version| {
        let config = Config { version, ..config(role) };
        let mut session = Session::new(config, tidegate_fix::MemoryStore::default()).unwrap();
        session.connect(Clock::default().now());
        let mut out = Vec::new();
        session.flush(&mut out).unwrap();
        out
    };
    closed(&logon(Role::Initiator, Version::Fix42));
    let bytes = logon(Role::Initiator, Version::Fix44);
    let mut first = TcpStream::connect(address).unwrap();
    first.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    first.write_all(&bytes).unwrap();
    let mut answer = [0; 8];
    first.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"8=FIX.4.");
    closed(&bytes);
}
