//! TLS, HTTP, event streams and unix sockets against real sockets, with a certificate authority made up here.

#![allow(clippy::unwrap_used, clippy::panic)]

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tidegate_venue_io::{
    ConnectOptions, Dial, HttpEvent, HttpExchange, HttpFault, HttpOptions, HttpRequest, SseClient, SseEvent,
    SseFault, Trust, WsClient, WsEvent, WsFault, clock,
};
use tungstenite::Message;

/// A CA as PEM, and a server configuration whose certificate for `name` it signed.
fn authority(name: &str) -> (String, Arc<ServerConfig>) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_string()]).unwrap().signed_by(&key, &issuer).unwrap();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], secret)
        .unwrap();
    (ca_pem, Arc::new(config))
}

type Tls = StreamOwned<ServerConnection, TcpStream>;

fn serve_tls<T: Send + 'static>(
    config: Arc<ServerConfig>,
    peer: impl FnOnce(Tls) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        peer(StreamOwned::new(ServerConnection::new(config).unwrap(), socket))
    });
    (port, thread)
}

/// Drives a websocket until `done` or a fault; the poll's own timeout bounds a wait, what arrives decides.
fn drive(client: &mut WsClient, mut done: impl FnMut(&[String]) -> bool) -> (Vec<String>, Option<WsFault>) {
    let mut seen = Vec::new();
    loop {
        let outcome = client.pump(clock::mono_ns(), |_, event| {
            seen.push(match event {
                WsEvent::Text(text) => String::from_utf8_lossy(text).into_owned(),
                WsEvent::Binary(bytes) => format!("{} bytes", bytes.len()),
                other => format!("{other:?}"),
            });
        });
        if let Err(fault) = outcome {
            return (seen, Some(fault));
        }
        if done(&seen) {
            return (seen, None);
        }
        thread::yield_now();
    }
}

#[test]
fn a_websocket_over_tls_carries_text_pings_headers_and_large_messages_both_ways() {
    let (ca, config) = authority("localhost");
    let (port, server) = serve_tls(config, |tls| {
        let mut seen_header = String::new();
        #[allow(clippy::result_large_err)]
        let callback = |request: &tungstenite::handshake::server::Request,
                        response: tungstenite::handshake::server::Response| {
            seen_header = request.headers()["content-type"].to_str().unwrap().to_string();
            Ok(response)
        };
        let mut ws = tungstenite::accept_hdr(tls, callback).unwrap();
        let heard = ws.read().unwrap();
        ws.send(Message::Ping(vec![7].into())).unwrap();
        let pong = ws.read().unwrap();
        ws.send(Message::binary(vec![1; 300_000])).unwrap();
        let _ = ws.read();
        (seen_header, heard, pong)
    });
    let dial = Dial {
        trust: Some(Trust::with_ca_pem(ca.as_bytes()).unwrap()),
        headers: vec![("Content-Type".into(), "application/msgpack".into())],
    };
    let url = format!("wss://localhost:{port}/v2/iex");
    let mut client =
        WsClient::connect_with(&url, ConnectOptions::default(), &dial, clock::mono_ns()).unwrap();
    drive(&mut client, |seen| seen == ["Open"]);
    let large = "x".repeat(200_000);
    client.send_text(&large).unwrap();
    let (seen, fault) = drive(&mut client, |seen| seen.iter().any(|s| s == "300000 bytes"));
    assert_eq!((seen.len(), fault), (2, None));
    drop(client);
    let (header, heard, pong) = server.join().unwrap();
    assert_eq!(header, "application/msgpack");
    assert_eq!((heard, pong), (Message::text(large), Message::Pong(vec![7].into())));
}

#[test]
fn a_certificate_of_another_name_or_of_an_unknown_authority_is_refused() {
    for (name, trusted) in [("localhost", false), ("elsewhere.example", true)] {
        let (ca, config) = authority(name);
        let (port, server) = serve_tls(config, |mut tls| {
            let mut piece = [0; 64];
            tls.read(&mut piece).is_err()
        });
        let trust = trusted.then(|| Trust::with_ca_pem(ca.as_bytes()).unwrap());
        let dial = Dial { trust, headers: vec![] };
        let url = format!("wss://localhost:{port}/");
        let mut client =
            WsClient::connect_with(&url, ConnectOptions::default(), &dial, clock::mono_ns()).unwrap();
        let (seen, fault) = drive(&mut client, |_| false);
        assert!(seen.is_empty());
        assert!(fault.unwrap().to_string().contains("certificate"), "{name}");
        assert!(server.join().unwrap(), "no byte of the request reached the peer");
    }
}

#[test]
fn authorities_that_are_none_are_refused_with_the_reason() {
    assert!(Trust::with_ca_pem(b"").unwrap_err().contains("no certificate"));
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(Trust::with_ca_pem(broken).unwrap_err().contains("authority"));
    let missing = Trust::with_ca_file(std::path::Path::new("/nonexistent/ca.pem")).unwrap_err();
    assert!(missing.contains("/nonexistent/ca.pem"));
    assert!(Trust::public().is_ok());
}

fn request_of(stream: &mut impl Read) -> String {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
            break;
        }
        if let Some(n) = line.strip_prefix("Content-Length: ") {
            length = n.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn serve_http(answer: &'static [&'static [u8]]) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let request = request_of(&mut socket);
        for piece in answer {
            socket.write_all(piece).unwrap();
            thread::yield_now();
        }
        request
    });
    (base, thread)
}

/// Runs an exchange to its end: status, retry-after, body.
fn exchange(
    request: &HttpRequest,
    options: HttpOptions,
    trust: Option<&Trust>,
) -> Result<(u16, Option<u64>, Vec<u8>), HttpFault> {
    let mut http = HttpExchange::start(request, options, trust, clock::mono_ns())?;
    let (mut head, mut body) = ((0, None), Vec::new());
    while !http.over() {
        http.pump(clock::mono_ns(), |_, event| match event {
            HttpEvent::Head { status, retry_after_s, .. } => head = (status, retry_after_s),
            HttpEvent::Body(bytes) => body.extend_from_slice(bytes),
            HttpEvent::End => {}
        })?;
        thread::yield_now();
    }
    Ok((head.0, head.1, body))
}

fn ask(answer: &'static [&'static [u8]]) -> Result<(u16, Option<u64>, Vec<u8>), HttpFault> {
    let (base, server) = serve_http(answer);
    let got = exchange(&HttpRequest::get(format!("{base}/x?y=1")), HttpOptions::default(), None);
    assert!(server.join().unwrap().starts_with("GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
    got
}

#[test]
fn bodies_are_read_by_length_by_chunks_and_to_the_end_however_they_are_cut() {
    let ok = |body: &str| Ok((200, None, body.as_bytes().to_vec()));
    assert_eq!(ask(&[b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 5\r\n\r\nhe", b"llo"]), ok("hello"));
    assert_eq!(
        ask(&[
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhel",
            b"lo\r\n1",
            b"\r\n!\r\n0\r\nX: y\r\n",
            b"\r\n"
        ]),
        ok("hello!")
    );
    assert_eq!(ask(&[b"HTTP/1.1 200 OK\r\n\r\nto the end"]), ok("to the end"));
    assert_eq!(ask(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]), ok(""));
    let late = ask(&[b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}"]);
    assert_eq!(late, Ok((429, Some(7), b"{}".to_vec())));
}

#[test]
fn answers_that_are_none_are_named() {
    const BROKEN: [&[&[u8]]; 6] = [
        &[b"SSH-2.0-x\r\n\r\n"],
        &[b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
        &[b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
        &[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab"],
        &[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
        &[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"],
    ];
    for broken in BROKEN {
        assert!(matches!(ask(broken), Err(HttpFault::Protocol(_))), "{broken:?}");
    }
    assert_eq!(ask(&[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"]), Err(HttpFault::Cut));
    assert_eq!(ask(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"]), Err(HttpFault::Cut));
}

#[test]
fn bodies_requests_and_waits_are_bounded() {
    let (base, server) = serve_http(&[b"HTTP/1.1 200 OK\r\n\r\n", &[b'a'; 11]]);
    let options = HttpOptions { body_bytes_max: 10, ..HttpOptions::default() };
    assert_eq!(exchange(&HttpRequest::get(base), options, None), Err(HttpFault::Oversize));
    server.join().unwrap();
    let large = HttpRequest::post_json("http://127.0.0.1:9/", vec![b'x'; 2 << 20]);
    assert!(matches!(exchange(&large, HttpOptions::default(), None), Err(HttpFault::BadRequest(_))));
    let mut split = HttpRequest::get("http://127.0.0.1:9/");
    split.headers.push(("X".into(), "a\r\nY: secret".into()));
    match exchange(&split, HttpOptions::default(), None) {
        Err(HttpFault::BadRequest(why)) => assert!(!why.contains("secret"), "{why}"),
        other => panic!("{other:?}"),
    }
    // A peer that takes the request and says nothing: time is an argument.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let start = clock::mono_ns();
    let mut http = HttpExchange::start(&HttpRequest::get(url), HttpOptions::default(), None, start).unwrap();
    while http.wants_write() {
        http.pump(start, |_, _| ()).unwrap();
    }
    assert_eq!(http.pump(start + 29_999_000_000, |_, _| ()), Ok(()));
    assert!(matches!(http.pump(start + 30_000_000_000, |_, _| ()), Err(HttpFault::Timeout(_))));
    assert_eq!(http.pump(start, |_, _| ()), Err(HttpFault::Over));
}

#[test]
fn https_asks_over_tls_and_a_post_carries_its_body() {
    let (ca, config) = authority("127.0.0.1");
    let (port, server) = serve_tls(config, |mut tls| {
        let request = request_of(&mut tls);
        tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        tls.conn.send_close_notify();
        tls.flush().unwrap();
        request
    });
    let trust = Trust::with_ca_pem(ca.as_bytes()).unwrap();
    let request = HttpRequest::post_json(format!("https://127.0.0.1:{port}/a"), r#"{"b":1}"#);
    let got = exchange(&request, HttpOptions::default(), Some(&trust));
    assert_eq!(got, Ok((200, None, b"ok".to_vec())));
    let heard = server.join().unwrap();
    assert!(heard.starts_with("POST /a HTTP/1.1\r\n") && heard.ends_with(r#"{"b":1}"#), "{heard}");
}

fn events(client: &mut SseClient, most: usize) -> (Vec<String>, Option<SseFault>) {
    let mut seen = Vec::new();
    loop {
        let pumped = client.pump(clock::mono_ns(), |_, event| {
            seen.push(match event {
                SseEvent::Open => "open".to_string(),
                SseEvent::Event { name, data } => {
                    format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(data))
                }
            });
        });
        if let Err(fault) = pumped {
            return (seen, Some(fault));
        }
        if seen.len() >= most {
            return (seen, None);
        }
        thread::yield_now();
    }
}

#[test]
fn an_event_stream_over_a_unix_socket_flows_in_chunks_until_the_daemon_ends() {
    let dir = std::env::temp_dir().join(format!("tg-sse-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("server-8080.sock");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let request = request_of(&mut socket);
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
        socket.write_all(head).unwrap();
        for part in ["event: tick_stk\nda", "ta: {\"code\":\"2330\"}\n\n", "event: heartbeat\ndata: {}\n\n"] {
            socket.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).unwrap();
        }
        socket.write_all(b"0\r\n\r\n").unwrap();
        request
    });
    let url = format!("http+unix://{}/api/v1/stream/data", path.display().to_string().replace('/', "%2F"));
    let mut client = SseClient::connect(&HttpRequest::get(url), 0, None, clock::mono_ns()).unwrap();
    let (seen, fault) = events(&mut client, usize::MAX);
    assert_eq!(seen, ["open", "tick_stk={\"code\":\"2330\"}", "heartbeat={}"]);
    assert_eq!(fault, Some(SseFault::Ended));
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /api/v1/stream/data HTTP/1.1\r\nHost: localhost\r\n"), "{request}");
    assert!(request.contains("Accept: text/event-stream\r\n"));
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(matches!(
        SseClient::connect(&HttpRequest::get("http+unix://%2Fnonexistent%2Fa.sock/"), 0, None, 0),
        Err(SseFault::Http(HttpFault::Connect(_)))
    ));
}

#[test]
fn a_stream_that_is_refused_or_is_none_says_so_and_silence_is_bounded_where_asked() {
    let (base, server) =
        serve_http(&[b"HTTP/1.1 503 Banned\r\nRetry-After: 30\r\nContent-Length: 2\r\n\r\n{}"]);
    let mut client = SseClient::connect(&HttpRequest::get(base), 0, None, clock::mono_ns()).unwrap();
    let (_, fault) = events(&mut client, usize::MAX);
    assert_eq!(fault, Some(SseFault::Status { status: 503, retry_after_s: Some(30) }));
    server.join().unwrap();
    let (base, server) = serve_http(&[b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}"]);
    let mut client = SseClient::connect(&HttpRequest::get(base), 0, None, clock::mono_ns()).unwrap();
    assert_eq!(events(&mut client, usize::MAX).1, Some(SseFault::NotEvents));
    server.join().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        request_of(&mut socket);
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").unwrap();
        let _ = stopped.recv();
    });
    let mut client = SseClient::connect(&HttpRequest::get(url), 5_000, None, clock::mono_ns()).unwrap();
    assert_eq!(events(&mut client, 1).0, ["open"]);
    let later = clock::mono_ns() + 60_000_000_000;
    let silent = SseFault::Http(HttpFault::Timeout("the next byte"));
    assert_eq!(client.pump(later, |_, _| ()), Err(silent));
    drop(stop);
    server.join().unwrap();
}
