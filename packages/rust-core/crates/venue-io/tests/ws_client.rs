//! The client against real sockets: a tungstenite server in this process, and raw TCP peers that misbehave.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use tidegate_venue_io::limits::MESSAGES_PER_PUMP_MAX;
use tidegate_venue_io::{ConnectOptions, SendFault, WsClient, WsEvent, WsFault, WsState, clock};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::{Message, WebSocket};

fn serve<T: Send + 'static>(peer: impl FnOnce(TcpStream) -> T + Send + 'static) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    (url, thread::spawn(move || peer(listener.accept().unwrap().0)))
}

fn serve_ws<T: Send + 'static>(
    peer: impl FnOnce(&mut WebSocket<TcpStream>) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    serve(|stream| peer(&mut tungstenite::accept(stream).unwrap()))
}

/// Waits on the descriptor like a loop does; bounded by the poll's own timeout, decided by what arrives.
fn wait(client: &WsClient) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    if client.more() || client.state() == WsState::Closed {
        return;
    }
    let mut flags = PollFlags::IN;
    if client.wants_write() {
        flags |= PollFlags::OUT;
    }
    let borrowed = Borrowed(client.raw_fd());
    let mut fds = [PollFd::new(&borrowed, flags)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    poll(&mut fds, Some(&timeout)).unwrap();
}

struct Borrowed(std::os::fd::RawFd);
impl std::os::fd::AsFd for Borrowed {
    #[allow(unsafe_code)]
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        // SAFETY: the client whose descriptor this is outlives the poll call.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(self.0) }
    }
}

/// What arrived, as text a test can compare.
fn show(event: &WsEvent<'_>) -> String {
    match event {
        WsEvent::Open => "open".into(),
        WsEvent::Text(b) => format!("text:{}", String::from_utf8_lossy(b)),
        WsEvent::Binary(b) => format!("binary:{b:?}"),
        WsEvent::Ping(b) => format!("ping:{b:?}"),
        WsEvent::Pong(b) => format!("pong:{b:?}"),
        WsEvent::Close { code, reason } => format!("close:{code}:{reason}"),
    }
}

/// Pumps until `done` or a fault.
fn run(client: &mut WsClient, mut done: impl FnMut(&[String]) -> bool) -> (Vec<String>, Option<WsFault>) {
    let mut seen = Vec::new();
    loop {
        let outcome = client.pump(clock::mono_ns(), |_, event| seen.push(show(&event)));
        if let Err(fault) = outcome {
            assert_eq!(client.state(), WsState::Closed);
            return (seen, Some(fault));
        }
        if done(&seen) {
            return (seen, None);
        }
        wait(client);
    }
}

fn connect(url: &str) -> WsClient {
    WsClient::connect(url, ConnectOptions::default(), clock::mono_ns()).unwrap()
}

#[test]
fn text_goes_both_ways_and_pings_are_answered() {
    let (url, server) = serve_ws(|ws| {
        let heard = ws.read().unwrap();
        ws.send(Message::Ping(vec![7].into())).unwrap();
        let pong = ws.read().unwrap();
        ws.send(Message::binary(vec![1, 2])).unwrap();
        let _ = ws.read();
        (heard, pong)
    });
    let mut client = connect(&url);
    assert_eq!(client.send_text("too early"), Err(SendFault::NotOpen));
    run(&mut client, |seen| seen == ["open"]);
    client.send_text("hello").unwrap();
    let (seen, fault) = run(&mut client, |seen| seen.iter().any(|e| e.starts_with("binary")));
    assert_eq!((seen, fault), (vec!["ping:[7]".into(), "binary:[1, 2]".into()], None));
    drop(client);
    assert_eq!(server.join().unwrap(), (Message::text("hello"), Message::Pong(vec![7].into())));
}

#[test]
fn stamps_are_taken_at_the_socket_on_both_clocks() {
    let (url, server) = serve_ws(|ws| {
        ws.send(Message::text("x")).unwrap();
        let _ = ws.read();
    });
    let before = clock::now();
    let mut client = connect(&url);
    let mut stamps = Vec::new();
    while stamps.len() < 2 {
        wait(&client);
        client.pump(clock::mono_ns(), |stamp, _| stamps.push(stamp)).unwrap();
    }
    let after = clock::now();
    for stamp in stamps {
        assert!((before.mono_ns..=after.mono_ns).contains(&stamp.mono_ns));
        assert!((before.epoch_ns..=after.epoch_ns).contains(&stamp.epoch_ns));
    }
    drop(client);
    server.join().unwrap();
}

#[test]
fn fragments_are_put_together() {
    let (url, server) = serve_ws(|ws| {
        let part = |text: &str, op, last| {
            Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(op), last))
        };
        ws.send(part("one ", Data::Text, false)).unwrap();
        ws.send(Message::Ping(vec![].into())).unwrap();
        ws.send(part("two ", Data::Continue, false)).unwrap();
        ws.send(part("three", Data::Continue, true)).unwrap();
        let _ = ws.read();
    });
    let mut client = connect(&url);
    let (seen, _) = run(&mut client, |seen| seen.iter().any(|e| e.starts_with("text")));
    assert_eq!(seen, ["open", "ping:[]", "text:one two three"]);
    drop(client);
    server.join().unwrap();
}

#[test]
fn an_oversize_message_ends_the_session_and_a_fitting_one_does_not() {
    let (url, server) = serve_ws(|ws| {
        ws.send(Message::text("a".repeat(1_000))).unwrap();
        let _ = ws.send(Message::text("b".repeat(1_001)));
        let _ = ws.read();
    });
    let options = ConnectOptions { message_bytes_max: 1_000, ..ConnectOptions::default() };
    let mut client = WsClient::connect(&url, options, clock::mono_ns()).unwrap();
    let (seen, fault) = run(&mut client, |_| false);
    assert_eq!(seen.len(), 2);
    assert_eq!(fault, Some(WsFault::Oversize));
    drop(client);
    server.join().unwrap();
}

#[test]
fn a_close_carries_code_and_reason() {
    let (url, server) = serve_ws(|ws| {
        ws.close(Some(CloseFrame { code: 1012.into(), reason: "restart".into() })).unwrap();
        let _ = ws.read();
    });
    let mut client = connect(&url);
    let (seen, fault) = run(&mut client, |_| false);
    assert_eq!(seen, ["open", "close:1012:restart"]);
    assert_eq!(fault, Some(WsFault::Closed { code: 1012, reason: "restart".into() }));
    assert_eq!(client.send_text("late"), Err(SendFault::NotOpen));
    server.join().unwrap();
}

#[test]
fn a_peer_that_vanishes_is_a_close_without_a_code() {
    let (url, server) = serve_ws(|_| ());
    let mut client = connect(&url);
    let (_, fault) = run(&mut client, |_| false);
    assert!(matches!(fault, Some(WsFault::Closed { code: 1006, .. } | WsFault::Io(_))), "{fault:?}");
    server.join().unwrap();
}

#[test]
fn a_half_open_peer_is_pinged_then_given_up_on() {
    let (url, server) = serve_ws(|ws| {
        // Reads the ping off the wire but answers nothing: tungstenite would only pong on a later call.
        ws.read().unwrap()
    });
    let options =
        ConnectOptions { ping_after_ms: 1_000, idle_timeout_ms: 5_000, ..ConnectOptions::default() };
    let start = clock::mono_ns();
    let mut client = WsClient::connect(&url, options, start).unwrap();
    let mut open = false;
    while !open {
        wait(&client);
        client.pump(start, |_, e| open |= e == WsEvent::Open).unwrap();
    }
    // Time is an argument: seconds pass without waiting for them.
    let at = |ms: u64| start + ms * 1_000_000;
    assert_eq!(client.pump(at(999), |_, _| ()), Ok(0));
    assert_eq!(client.pump(at(1_000), |_, _| ()), Ok(0));
    assert_eq!(server.join().unwrap(), Message::Ping(vec![].into()));
    let mut client = {
        let (url, _server) = serve(|mut stream| {
            let mut ws = tungstenite::accept(stream.try_clone().unwrap()).unwrap();
            ws.flush().unwrap();
            let mut sink = Vec::new();
            let _ = stream.read_to_end(&mut sink);
        });
        let mut client = WsClient::connect(&url, options, start).unwrap();
        let mut open = false;
        while !open {
            wait(&client);
            client.pump(start, |_, e| open |= e == WsEvent::Open).unwrap();
        }
        client
    };
    assert_eq!(client.pump(at(4_999), |_, _| ()), Ok(0));
    assert_eq!(client.pump(at(5_000), |_, _| ()), Err(WsFault::Idle));
}

#[test]
fn a_garbage_handshake_is_refused() {
    for answer in ["HTTP/1.1 404 Not Found\r\n\r\n", "SSH-2.0-OpenSSH\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let (url, server) = serve(move |mut stream| {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let mut client = connect(&url);
        let (seen, fault) = run(&mut client, |_| false);
        assert!(seen.is_empty());
        let status = answer.starts_with("HTTP/1.1 404").then_some(WsFault::Status(404));
        match status {
            Some(_) => assert_eq!(fault, status),
            None => assert!(matches!(fault, Some(WsFault::Handshake(_))), "{answer:?}: {fault:?}"),
        }
        server.join().unwrap();
    }
}

#[test]
fn a_handshake_that_never_ends_times_out() {
    let (url, _server) = serve(|mut stream| {
        let mut sink = Vec::new();
        let _ = stream.read_to_end(&mut sink);
    });
    let start = clock::mono_ns();
    let mut client = WsClient::connect(&url, ConnectOptions::default(), start).unwrap();
    while client.state() == WsState::Connecting {
        wait(&client);
        client.pump(start, |_, _| ()).unwrap();
    }
    assert_eq!(client.pump(start + 4_999_000_000, |_, _| ()), Ok(0));
    assert_eq!(client.pump(start + 5_000_000_000, |_, _| ()), Err(WsFault::ConnectTimeout));
}

#[test]
fn a_closed_port_is_a_connect_fault() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("ws://127.0.0.1:{port}/");
    match WsClient::connect(&url, ConnectOptions::default(), 0) {
        Err(WsFault::Connect(_)) => {}
        Err(other) => panic!("{other}"),
        Ok(mut client) => assert!(matches!(run(&mut client, |_| false).1, Some(WsFault::Connect(_)))),
    }
}

#[test]
fn urls_that_cannot_be_served_are_named() {
    let refuse = |url: &str| WsClient::connect(url, ConnectOptions::default(), 0).unwrap_err();
    for bad in ["http://127.0.0.1/", "127.0.0.1:1", "", "ws://", "ws://a b/"] {
        assert!(matches!(refuse(bad), WsFault::BadUrl(_)), "{bad}");
    }
    assert!(matches!(refuse(&format!("ws://127.0.0.1/{}", "a".repeat(20_000))), WsFault::BadUrl(_)));
}

#[test]
fn a_peer_that_does_not_read_gives_backpressure_and_loses_nothing_taken() {
    let (go, wait_for_go) = std::sync::mpsc::channel::<()>();
    let (url, server) = serve_ws(move |ws| {
        wait_for_go.recv().unwrap();
        let mut texts = 0_u64;
        while let Ok(message) = ws.read() {
            if message.is_text() {
                texts += 1;
            }
            if message == Message::text("end") {
                break;
            }
        }
        texts
    });
    let options = ConnectOptions { write_bytes_max: 256 << 10, ..ConnectOptions::default() };
    let mut client = WsClient::connect(&url, options, clock::mono_ns()).unwrap();
    run(&mut client, |seen| !seen.is_empty());
    let text = "x".repeat(64 << 10);
    let mut taken = 0_u64;
    loop {
        match client.send_text(&text) {
            Ok(()) => taken += 1,
            Err(fault) => break assert_eq!(fault, SendFault::Backpressure),
        }
        assert!(taken < 10_000, "the write buffer is not bounded");
    }
    assert!(client.wants_write());
    go.send(()).unwrap();
    while client.wants_write() {
        wait(&client);
        client.pump(clock::mono_ns(), |_, _| ()).unwrap();
    }
    client.send_text("end").unwrap();
    while server.is_finished() || client.wants_write() {
        if client.pump(clock::mono_ns(), |_, _| ()).is_err() {
            break;
        }
    }
    assert_eq!(server.join().unwrap(), taken + 1);
}

#[test]
fn one_pump_is_bounded_and_says_that_more_waits() {
    let (url, server) = serve_ws(|ws| {
        for n in 0..MESSAGES_PER_PUMP_MAX + 5 {
            ws.write(Message::text(n.to_string())).unwrap();
        }
        ws.flush().unwrap();
        let _ = ws.read();
    });
    let mut client = connect(&url);
    let mut total = 0;
    let mut largest = 0;
    while total < MESSAGES_PER_PUMP_MAX + 5 {
        wait(&client);
        let mut texts = 0;
        client.pump(clock::mono_ns(), |_, e| texts += usize::from(e != WsEvent::Open)).unwrap();
        largest = largest.max(texts);
        total += texts;
    }
    assert!(largest <= MESSAGES_PER_PUMP_MAX);
    assert_eq!(total, MESSAGES_PER_PUMP_MAX + 5);
    drop(client);
    server.join().unwrap();
}

#[test]
fn a_peer_that_takes_the_request_and_never_answers_is_waited_for_without_a_ready_descriptor() {
    let (asked, hear) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let (url, peer) = serve(move |mut stream| {
        let mut buf = [0_u8; 4_096];
        asked.send(stream.read(&mut buf).unwrap()).unwrap();
        // Mute until the test is over.
        let _ = ended.recv();
    });
    let mut client = connect(&url);
    let mut bytes = 0;
    while bytes == 0 {
        client.pump(clock::mono_ns(), |_, event| panic!("{}", show(&event))).unwrap();
        wait(&client);
        bytes = hear.try_recv().unwrap_or(0);
    }
    client.pump(clock::mono_ns(), |_, event| panic!("{}", show(&event))).unwrap();
    assert_eq!(client.state(), WsState::Handshaking);
    // A socket is always ready for writing: a loop that polled for it would turn without end.
    assert!(!client.wants_write());
    drop(end);
    peer.join().unwrap();
}
