//! Each rule of a session through the whole loop, against scripted servers on real sockets.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

type Ws = WebSocket<TcpStream>;

const TABLE: &str = r#"{"version":7,"instruments":[
{"id":1,"venue_id":1,"venue":"BINANCE_SPOT","symbol":"BTCUSDT","kind":"spot","base":"BTC","quote":"USDT","px_scale":2,"px_unit":1,"qty_scale":5,"qty_unit":1,"e8_per_tick_lot":10,"min_qty_lots":1,"max_qty_lots":900000000,"min_notional_e8":500000000},
{"id":2,"venue_id":1,"venue":"BINANCE_SPOT","symbol":"ETHUSDT","kind":"spot","base":"ETH","quote":"USDT","px_scale":2,"px_unit":1,"qty_scale":5,"qty_unit":1,"e8_per_tick_lot":10,"min_qty_lots":1,"max_qty_lots":900000000,"min_notional_e8":500000000},
{"id":4,"venue_id":4,"venue":"ALPACA","symbol":"AAPL","kind":"equity","base":"AAPL","quote":"USD","px_scale":2,"px_unit":1,"qty_scale":0,"qty_unit":1,"e8_per_tick_lot":1000000,"min_qty_lots":1,"max_qty_lots":1000000,"min_notional_e8":0},
{"id":5,"venue_id":4,"venue":"ALPACA","symbol":"BRK.B","kind":"equity","base":"BRK","quote":"USD","px_scale":2,"px_unit":1,"qty_scale":0,"qty_unit":1,"e8_per_tick_lot":1000000,"min_qty_lots":1,"max_qty_lots":1000000,"min_notional_e8":0},
{"id":6,"venue_id":5,"venue":"ALPACA_CRYPTO","symbol":"BTC/USD","kind":"spot","base":"BTC","quote":"USD","px_scale":2,"px_unit":1,"qty_scale":0,"qty_unit":1,"e8_per_tick_lot":1000000,"min_qty_lots":1,"max_qty_lots":1000000,"min_notional_e8":0},
{"id":8,"venue_id":6,"venue":"SHIOAJI","symbol":"2330","kind":"equity","base":"TSMC","quote":"USD","px_scale":2,"px_unit":1,"qty_scale":0,"qty_unit":1,"e8_per_tick_lot":1000000,"min_qty_lots":1,"max_qty_lots":1000000,"min_notional_e8":0}]}"#;

/// Quick rules; `extra` overrides.
fn rules(extra: Value) -> Value {
    let mut rules = json!({ "connectTimeoutMs": 5_000, "authTimeoutMs": 0, "subscribeTimeoutMs": 5_000, "backoffMsMin": 1,
        "backoffMsMax": 20, "fatalCodes": [402, 406], "streamCodes": [405], "streamsPerConnection": 1_024,
        "connectionsMax": 4, "streamsPerMessage": 200, "messagesPerSecond": 0, "pingAfterMs": 10_000,
        "idleTimeoutMs": 60_000, "staleAfterMs": 30_000 });
    if let (Some(rules), Value::Object(extra)) = (rules.as_object_mut(), extra) {
        rules.extend(extra);
    }
    rules
}

struct Loop {
    handle: crate::Handle,
    _dir: tempfile::TempDir,
}

impl Loop {
    fn start(session: impl FnOnce(&Path) -> Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("s")).unwrap();
        let table = dir.path().join("instruments.json");
        std::fs::write(&table, TABLE).unwrap();
        let config = json!({
            "endpoint": format!("ipc://{}/s/md.sock", dir.path().display()),
            "epochPath": dir.path().join("market-data.epoch"),
            "instrumentsPath": table,
            "sessions": [session(dir.path())],
            "snapshotEndpoint": format!("ipc://{}/s/md-snapshot.sock", dir.path().display()),
            "capture": true,
        });
        Self { handle: crate::start("market-data", &config.to_string()).unwrap(), _dir: dir }
    }

    fn call(&self, request: Value, body: &[u8]) -> Value {
        self.handle.call(request, body.to_vec(), Duration::from_secs(20)).unwrap()
    }

    /// Waits until the statistics say so; answers each wish for a snapshot with `snapshot` on the way.
    fn until(&self, snapshot: Option<&dyn Fn(u64) -> Vec<u8>>, what: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            for event in self.handle.take_events(Duration::from_millis(5)) {
                if let (Some("snapshot_wanted"), Some(snapshot)) = (event["type"].as_str(), snapshot) {
                    let id = event["instrument"].as_u64().unwrap();
                    self.call(json!({ "op": "snapshot", "instrument": id }), &snapshot(id));
                }
            }
            let stats = self.handle.stats();
            if what(&stats) {
                return stats;
            }
            assert!(Instant::now() < deadline, "{stats:#}");
        }
    }
}

fn key_file(dir: &Path) -> Value {
    let path = dir.join("key.json");
    std::fs::write(&path, r#"{"key":"AK","secret":"SK"}"#).unwrap();
    json!(path)
}

/// A server whose connections are handed to the test as they come, each on a thread of its own.
fn server(serve: impl Fn(usize, Ws, String) + Send + Sync + Clone + 'static) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("ws://{}", listener.local_addr().unwrap());
    let (told, accepted) = channel();
    std::thread::spawn(move || {
        for (n, socket) in listener.incoming().enumerate() {
            let Ok(socket) = socket else { return };
            if told.send(()).is_err() {
                return;
            }
            let serve = serve.clone();
            std::thread::spawn(move || {
                let mut path = String::new();
                #[allow(clippy::result_large_err)]
                let callback =
                    |request: &tungstenite::handshake::server::Request,
                     response: tungstenite::handshake::server::Response| {
                        path = request.uri().to_string();
                        Ok(response)
                    };
                if let Ok(ws) = tungstenite::accept_hdr(socket, callback) {
                    serve(n, ws, path);
                }
            });
        }
    });
    (base, accepted)
}

fn say(ws: &mut Ws, text: &str) {
    let _ = ws.send(Message::text(text.to_string()));
}

fn hear(ws: &mut Ws) -> Option<Value> {
    loop {
        match ws.read() {
            Ok(Message::Text(text)) => return serde_json::from_str(text.as_str()).ok(),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

fn alpaca(dir: &Path, base: &str) -> Value {
    json!({ "name": "alpaca", "url": format!("{base}/v2/iex"), "dialect": "alpaca", "instrumentIds": [1], "carriesBook": true,
        "streams": [[{ "name": "trades:BTCUSDT" }, { "name": "quotes:BTCUSDT" }]], "keyFile": key_file(dir),
        "rules": rules(json!({ "authTimeoutMs": 5_000, "connectionsMax": 1 })) })
}

#[test]
fn b008_alpaca_logs_in_then_subscribes_and_holds_what_the_venue_grants() {
    let (heard, words) = channel::<Value>();
    let (base, _accepted) = server(move |_, mut ws, path| {
        assert_eq!(path, "/v2/iex");
        say(&mut ws, r#"[{"T":"success","msg":"connected"}]"#);
        let auth = hear(&mut ws).unwrap();
        heard.send(auth).unwrap();
        say(&mut ws, r#"[{"T":"success","msg":"authenticated"}]"#);
        heard.send(hear(&mut ws).unwrap()).unwrap();
        say(&mut ws, r#"[{"T":"subscription","trades":["BTCUSDT"],"quotes":["BTCUSDT"]}]"#);
        heard.send(hear(&mut ws).unwrap()).unwrap();
        say(&mut ws, r#"[{"T":"subscription","trades":["BTCUSDT","ETHUSDT"],"quotes":[]}]"#);
        while ws.read().is_ok() {}
    });
    let md = Loop::start(|dir| alpaca(dir, &base));
    let session = |stats: &Value| stats["sessions"][0].clone();
    md.until(None, |s| session(s)["streamsHeld"] == 2);
    assert_eq!(words.recv().unwrap(), json!({ "action": "auth", "key": "AK", "secret": "SK" }));
    let asked = json!({ "action": "subscribe", "trades": ["BTCUSDT"], "quotes": ["BTCUSDT"] });
    assert_eq!(words.recv().unwrap(), asked);
    let streams =
        json!([{ "name": "trades:BTCUSDT" }, { "name": "quotes:BTCUSDT" }, { "name": "trades:ETHUSDT" }]);
    let answer = md.call(json!({ "op": "subscribe", "session": "alpaca", "streams": streams }), b"");
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(
        words.recv().unwrap(),
        json!({ "action": "subscribe", "trades": ["ETHUSDT"] }),
        "the difference alone"
    );
    let stats = md.until(None, |s| session(s)["streamsHeld"] == 2 && session(s)["streamsWanted"] == 3);
    assert!(!stats.to_string().contains("SK"), "no secret in the statistics");
    md.handle.stop().unwrap();
}

#[test]
fn b015_a_fatal_code_is_never_retried_until_an_operator_resets_the_session() {
    for code in [402, 406] {
        let (base, accepted) = server(move |_, mut ws, _| {
            say(&mut ws, r#"[{"T":"success","msg":"connected"}]"#);
            let _ = hear(&mut ws);
            say(&mut ws, &format!(r#"[{{"T":"error","code":{code},"msg":"no"}}]"#));
            while ws.read().is_ok() {}
        });
        let md = Loop::start(|dir| alpaca(dir, &base));
        let stats = md.until(None, |s| s["sessions"][0]["state"] == "FATAL");
        assert_eq!((&stats["sessions"][0]["fatalCode"], &stats["sessionsFatal"]), (&json!(code), &json!(1)));
        accepted.recv().unwrap();
        // A retry would come within 20 ms; ten times as long shows that there is none.
        assert!(accepted.recv_timeout(Duration::from_millis(200)).is_err(), "{code} was retried");
        assert_eq!(md.call(json!({ "op": "reset", "session": "alpaca" }), b"")["ok"], true);
        accepted.recv_timeout(Duration::from_secs(20)).unwrap();
        md.until(None, |s| s["sessions"][0]["fatal"] == 2);
        md.handle.stop().unwrap();
    }
}

#[test]
fn b011_alpaca_quotes_make_each_book_valid_and_a_lost_session_voids_them_until_the_next_quote() {
    let (go, wait_for_go) = channel::<()>();
    let wait_for_go = std::sync::Arc::new(std::sync::Mutex::new(wait_for_go));
    let (base, _accepted) = server(move |n, mut ws, _| {
        say(&mut ws, r#"[{"T":"success","msg":"connected"}]"#);
        let _ = hear(&mut ws);
        say(&mut ws, r#"[{"T":"success","msg":"authenticated"}]"#);
        let _ = hear(&mut ws);
        say(&mut ws, r#"[{"T":"subscription","trades":["AAPL","BRK.B"],"quotes":["AAPL","BRK.B"]}]"#);
        if n == 0 {
            let q = |symbol: &str| {
                format!(
                    r#"{{"T":"q","S":"{symbol}","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"}}"#
                )
            };
            let t = r#"{"T":"t","i":96921,"S":"AAPL","x":"D","p":87.68,"s":1,"t":"2021-02-22T15:51:44.208Z","c":["@","I"],"z":"C"}"#;
            say(&mut ws, &format!("[{},{},{t}]", q("AAPL"), q("BRK.B")));
            let _ = wait_for_go.lock().unwrap().recv();
            return;
        }
        while ws.read().is_ok() {}
    });
    let streams = |s: &str| json!([{ "name": format!("trades:{s}") }, { "name": format!("quotes:{s}") }]);
    let md = Loop::start(|dir| {
        json!({ "name": "alpaca", "url": format!("{base}/v2/iex"), "dialect": "alpaca", "instrumentIds": [4, 5], "carriesBook": true,
            "streams": [streams("AAPL"), streams("BRK.B")], "keyFile": key_file(dir),
            "rules": rules(json!({ "authTimeoutMs": 5_000, "connectionsMax": 1 })) })
    });
    let stats = md.until(None, |s| {
        s["state"] == "VALID" && s["sessions"][0]["state"] == "LIVE" && s["instruments"][0]["trades"] == 1
    });
    assert_eq!(
        (&stats["instruments"][0]["bid"], &stats["instruments"][1]["ask"]),
        (&json!(["87.66", "1"]), &json!(["87.68", "4"]))
    );
    assert_eq!(stats["instruments"][0]["snapshotsAsked"], 0, "nothing is fetched");
    go.send(()).unwrap();
    let stats = md.until(None, |s| s["sessions"][0]["epoch"] == 2 && s["sessions"][0]["streamsHeld"] == 4);
    for instrument in stats["instruments"].as_array().unwrap() {
        assert_eq!(
            (&instrument["state"], &instrument["bid"]),
            (&json!("SYNCING"), &json!(null)),
            "{instrument}"
        );
    }
    assert_eq!(stats["sessions"][0]["state"], "SYNCING");
    md.handle.stop().unwrap();
}

#[test]
fn alpaca_crypto_books_begin_with_a_reset_and_follow_its_changes() {
    let (base, _accepted) = server(|_, mut ws, path| {
        assert_eq!(path, "/v1beta3/crypto/us");
        say(&mut ws, r#"[{"T":"success","msg":"connected"}]"#);
        let _ = hear(&mut ws);
        say(&mut ws, r#"[{"T":"success","msg":"authenticated"}]"#);
        let _ = hear(&mut ws);
        say(&mut ws, r#"[{"T":"subscription","orderbooks":["BTC/USD"]}]"#);
        let o = |t: u8, b: &str, a: &str, r: &str| {
            format!(r#"[{{"T":"o","S":"BTC/USD","t":"2024-03-12T10:38:50.{t:03}Z","b":[{b}],"a":[{a}]{r}}}]"#)
        };
        let level = |p: &str, s: u8| format!(r#"{{"p":{p},"s":{s}}}"#);
        say(&mut ws, &o(1, &level("71859.53", 2), "", ""));
        say(&mut ws, &o(2, &level("71859.50", 2), &level("71939.70", 3), r#","r":true"#));
        say(&mut ws, &o(3, &format!("{},{}", level("71859.50", 0), level("71859.40", 7)), "", ""));
        while ws.read().is_ok() {}
    });
    let md = Loop::start(|dir| {
        json!({ "name": "crypto", "url": format!("{base}/v1beta3/crypto/us"), "dialect": "alpaca", "instrumentIds": [6],
            "carriesBook": true, "streams": [[{ "name": "orderbooks:BTC/USD" }]], "keyFile": key_file(dir),
            "rules": rules(json!({ "authTimeoutMs": 5_000, "connectionsMax": 1 })) })
    });
    let stats =
        md.until(None, |s| s["sessions"][0]["state"] == "LIVE" && s["instruments"][0]["bid"][1] == "7");
    assert_eq!(
        (&stats["instruments"][0]["bid"][0], &stats["instruments"][0]["ask"]),
        (&json!("71859.40"), &json!(["71939.70", "3"]))
    );
    md.handle.stop().unwrap();
}

#[test]
fn a04_shioaji_books_are_valid_with_the_first_whole_message_and_trial_matching_moves_nothing() {
    let quote = |bid: &str, trial: bool| {
        format!(
            "event: bidask_stk\ndata: {{\"code\":\"2330\",\"date\":\"2026-05-21\",\"time\":\"09:16:15.060129\",\"bid_price\":[\"{bid}\"],\"bid_volume\":[5],\"ask_price\":[\"29.85\"],\"ask_volume\":[9],\"simtrade\":{trial},\"intraday_odd\":false}}\n\n"
        )
    };
    let (told, _asked) = channel();
    let md = Loop::start(|dir| {
        let path = dir.join("server-8080.sock");
        daemon(&path, vec![quote("29.70", true), quote("29.80", false), quote("29.60", true)], told);
        json!({ "name": "shioaji", "url": format!("http+unix://{}", path.display().to_string().replace('/', "%2F")),
            "dialect": "shioaji", "instrumentIds": [8], "carriesBook": true, "keyFile": key_file(dir),
            "streams": [[{ "name": "BidAsk|STK|TSE|2330|" }]],
            "rules": rules(json!({ "streamsPerMessage": 1, "pingAfterMs": 0, "idleTimeoutMs": 0 })) })
    });
    let stats = md
        .until(None, |s| s["sessions"][0]["state"] == "LIVE" && s["instruments"][0]["indicativeBooks"] == 2);
    assert_eq!((&stats["instruments"][0]["bid"], &stats["state"]), (&json!(["29.80", "5"]), &json!("VALID")));
    md.handle.stop().unwrap();
}

fn snapshot(id: u64) -> Vec<u8> {
    let _ = id;
    br#"{"lastUpdateId":10,"bids":[["99.00","5"]],"asks":[["101.00","5"]]}"#.to_vec()
}

fn diff(symbol: &str, id: u64) -> String {
    format!(
        r#"{{"stream":"x@depth@100ms","data":{{"e":"depthUpdate","E":1723161255000,"s":"{symbol}","U":{id},"u":{id},"b":[["98.00","{id}"]],"a":[]}}}}"#
    )
}

fn binance(base: &str, extra: Value) -> Value {
    json!({ "name": "spot", "url": format!("{base}/stream"), "instrumentIds": [1, 2], "carriesBook": true,
        "streams": [[{ "name": "btcusdt@depth@100ms" }], [{ "name": "ethusdt@depth@100ms" }]], "streamsInUrl": true,
        "rules": rules(extra) })
}

#[test]
fn a_planned_shutdown_moves_both_books_to_the_next_connection_without_a_gap() {
    // Every connection is served the same market; the first one ends itself after the second has come.
    let clock = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(11));
    let (ended, first_ended) = channel::<()>();
    let (base, accepted) = server(move |n, mut ws, path| {
        assert_eq!(path, "/stream?streams=btcusdt@depth@100ms/ethusdt@depth@100ms");
        ws.get_mut().set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let mut sent = clock.load(std::sync::atomic::Ordering::SeqCst).saturating_sub(1);
        for turn in 0..20_000_u64 {
            let now = match n {
                0 => clock.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1,
                _ => clock.fetch_add(u64::from(turn % 2 == 0), std::sync::atomic::Ordering::SeqCst),
            };
            while sent < now {
                sent += 1;
                for symbol in ["BTCUSDT", "ETHUSDT"] {
                    if ws.send(Message::text(diff(symbol, sent))).is_err() {
                        let _ = ended.send(());
                        return;
                    }
                }
            }
            if n == 0 && turn == 30 {
                say(
                    &mut ws,
                    r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1723161255000}}"#,
                );
            }
            if let Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) = ws.read() {
                let _ = ended.send(());
                return;
            }
        }
    });
    let md = Loop::start(|_| {
        binance(&base, json!({ "lifeMs": 3_600_000, "rollBeforeMs": 60_000, "overlapMs": 60 }))
    });
    let late = |id: u64| {
        let _ = id;
        br#"{"lastUpdateId":14,"bids":[["99.00","5"]],"asks":[["101.00","5"]]}"#.to_vec()
    };
    md.until(Some(&late), |s| s["state"] == "VALID");
    let stats = md.until(Some(&late), |s| s["sessions"][0]["takeovers"] == 1);
    assert_eq!(stats["sessions"][0]["epoch"], 2);
    first_ended.recv_timeout(Duration::from_secs(20)).unwrap();
    let before = stats["instruments"][0]["lastUpdateId"].as_u64().unwrap();
    let stats = md.until(Some(&late), |s| {
        s["instruments"].as_array().unwrap().iter().all(|i| i["lastUpdateId"].as_u64() > Some(before + 20))
    });
    for instrument in stats["instruments"].as_array().unwrap() {
        assert_eq!((&instrument["state"], &instrument["gaps"]), (&json!("VALID"), &json!(0)), "{instrument}");
        assert_eq!(instrument["resyncs"], 1, "one synchronisation, at the start");
    }
    assert_eq!(accepted.try_iter().count(), 2);
    md.handle.stop().unwrap();
}

#[test]
fn b009_after_flaps_the_same_streams_flow_and_both_books_are_valid() {
    let (base, accepted) = server(|n, mut ws, path| {
        assert_eq!(path, "/stream?streams=btcusdt@depth@100ms/ethusdt@depth@100ms");
        if n < 8 {
            return;
        }
        for id in [10, 11] {
            for symbol in ["BTCUSDT", "ETHUSDT"] {
                say(&mut ws, &diff(symbol, id));
            }
        }
        while ws.read().is_ok() {}
    });
    let md = Loop::start(|_| binance(&base, json!({})));
    let stats = md.until(Some(&snapshot), |s| s["state"] == "VALID" && s["sessions"][0]["state"] == "LIVE");
    assert_eq!(
        (&stats["sessions"][0]["epoch"], &stats["sessions"][0]["streamsHeld"]),
        (&json!(9), &json!(2))
    );
    assert_eq!(stats["sessions"][0]["unrouted"], 0);
    assert_eq!(accepted.try_iter().count(), 9);
    md.handle.stop().unwrap();
}

#[test]
fn a04_streams_above_the_cap_of_a_connection_are_laid_over_several() {
    let (told, paths) = channel::<String>();
    let (base, _accepted) = server(move |_, mut ws, path| {
        told.send(path).unwrap();
        while ws.read().is_ok() {}
    });
    let md = Loop::start(|_| binance(&base, json!({ "streamsPerConnection": 1 })));
    let mut seen = [paths.recv().unwrap(), paths.recv().unwrap()];
    seen.sort();
    assert_eq!(seen, ["/stream?streams=btcusdt@depth@100ms", "/stream?streams=ethusdt@depth@100ms"]);
    let stats = md.until(None, |s| s["sessions"].as_array().is_some_and(|s| s.len() == 2));
    assert_eq!(
        (&stats["sessions"][0]["name"], &stats["sessions"][1]["name"]),
        (&json!("spot.0"), &json!("spot.1"))
    );
    md.handle.stop().unwrap();
    let refused = |extra: Value| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("t.json"), TABLE).unwrap();
        let config = json!({ "endpoint": format!("ipc://{}/md.sock", dir.path().display()), "epochPath": dir.path().join("e"),
            "instrumentsPath": dir.path().join("t.json"), "sessions": [binance("ws://127.0.0.1:9", extra)] });
        crate::start("market-data", &config.to_string()).unwrap_err().0
    };
    assert!(
        refused(json!({ "streamsPerConnection": 1, "connectionsMax": 1 }))
            .contains("need 2 connections, the venue allows 1")
    );
    assert!(refused(json!({ "authTimeoutMs": 5_000 })).contains("keyFile"));
    assert!(refused(json!({ "backoffMsMin": 0 })).contains("backoffMsMin"));
}

#[test]
fn a_late_joiner_gets_the_state_with_its_sequence_and_a_conflated_stream_on_request() {
    use tidegate_bus::ends::{LinkClient, LinkClientConfig, LinkInput, StreamSub, StreamWhat};
    use tidegate_bus::link::LinkState;
    use tidegate_wire::envelope;
    use tidegate_wire::pb::common::v1::Source;
    use tidegate_wire::pb::control::v1::SnapshotRequest;
    use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
    let (base, _accepted) = server(|_, mut ws, _| {
        for id in 10..400 {
            for symbol in ["BTCUSDT", "ETHUSDT"] {
                let text = diff(symbol, id).replace("98.00", "99.50");
                say(&mut ws, &text);
            }
        }
        while ws.read().is_ok() {}
    });
    let md = Loop::start(|_| binance(&base, json!({})));
    md.until(Some(&snapshot), |s| s["state"] == "VALID" && s["instruments"][0]["lastUpdateId"] == 399);
    let context = zmq::Context::new();
    let endpoint = |name: &str| format!("ipc://{}/s/{name}.sock", md._dir.path().display());
    let mut client =
        LinkClient::connect(&context, LinkClientConfig::new(endpoint("md-snapshot"), "snapshot", "late", 1))
            .unwrap();
    let mut sub = StreamSub::connect(&context, &endpoint("md"), &["md.1.1.top.", "mdc.1.1.top."]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let ask = |client: &mut LinkClient, topic: &str| {
        let request = Envelope {
            schema_version: 1,
            source: Source::Recorder as i32,
            payload: Some(Payload::SnapshotRequest(SnapshotRequest { topic: topic.into(), after_seq: 0 })),
            ..Envelope::default()
        };
        client.send(crate::clock::mono_ns(), &envelope::encode(&request)).unwrap();
    };
    let wait_answer = |client: &mut LinkClient| -> Envelope {
        loop {
            assert!(Instant::now() < deadline);
            let mut got = None;
            client
                .pump(crate::clock::mono_ns(), |input| {
                    if let LinkInput::Data { payload, .. } = input {
                        got = envelope::decode(payload).ok();
                    }
                })
                .unwrap();
            client.tick(crate::clock::mono_ns()).unwrap();
            if let Some(got) = got {
                return got;
            }
            std::thread::yield_now();
        }
    };
    while client.state() != LinkState::Synced {
        assert!(Instant::now() < deadline);
        client.pump(crate::clock::mono_ns(), |_| ()).unwrap();
        client.tick(crate::clock::mono_ns()).unwrap();
        std::thread::yield_now();
    }
    ask(&mut client, "md.1.1.top.");
    let state = wait_answer(&mut client);
    let Some(Payload::BookTop(top)) = state.payload else { panic!("{state:?}") };
    assert_eq!((top.bid_px_ticks, top.bid_qty_lots), (9_950, 39_900_000));
    assert!(state.log_seq > 0);
    ask(&mut client, "md.1.1.trade.");
    ask(&mut client, "md.1.9.top.");
    ask(&mut client, "mdc.1.1.top.");
    let state_c = wait_answer(&mut client);
    assert!(matches!(state_c.payload, Some(Payload::BookTop(_))));
    let (mut plain, mut conflated) = (None, None);
    while plain.is_none() || conflated.is_none() {
        assert!(Instant::now() < deadline, "{plain:?} {conflated:?}");
        sub.pump(crate::clock::mono_ns(), |input| {
            if let StreamWhat::Data(data) = input.what {
                let slot = if input.name.starts_with("mdc.") { &mut conflated } else { &mut plain };
                *slot = Some((data.seq, data.payload.len()));
            }
        })
        .unwrap();
        std::thread::yield_now();
    }
    assert!(plain.unwrap().0 > state.log_seq, "what comes on the stream after the answer is newer");
    let stats = md.until(None, |s| s["snapshotRequestsRefused"] == 2);
    assert_eq!(stats["snapshotsServed"], 2);
    md.handle.stop().unwrap();
}

#[test]
fn every_message_is_captured_as_it_came_with_its_receive_time() {
    use tidegate_bus::ends::{StreamSub, StreamWhat};
    let (go, wait_for_go) = channel::<()>();
    let go_once = std::sync::Arc::new(std::sync::Mutex::new(wait_for_go));
    let (base, _accepted) = server(move |_, mut ws, _| {
        let _ = go_once.lock().unwrap().recv();
        for text in ["garbage", r#"{"result":null,"id":7}"#] {
            say(&mut ws, text);
        }
        say(&mut ws, &"x".repeat(200_000));
        while ws.read().is_ok() {}
    });
    let md = Loop::start(|_| binance(&base, json!({})));
    let context = zmq::Context::new();
    let endpoint = format!("ipc://{}/s/md.sock", md._dir.path().display());
    let mut sub = StreamSub::connect(&context, &endpoint, &["raw.spot."]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut joined, mut whole, mut opened, mut lost) = (Vec::new(), Vec::<Vec<u8>>::new(), false, 0);
    while whole.len() < 3 {
        assert!(Instant::now() < deadline, "{} whole", whole.len());
        sub.pump(super::clock::mono_ns(), |input| match input.what {
            StreamWhat::Data(data) => {
                let record = super::capture::read(data.payload).unwrap();
                assert!(record.at.epoch_ns > 1_700_000_000_000_000_000 && record.at.mono_ns > 0);
                joined.extend_from_slice(record.bytes);
                if record.part + 1 == record.parts {
                    whole.push(std::mem::take(&mut joined));
                }
            }
            StreamWhat::Opened(_) => {}
            StreamWhat::Gap(_) => lost += 1,
            _ => {}
        })
        .unwrap();
        // A heartbeat shows that the subscription stands; only then does the venue speak.
        if !opened && sub.lane_counters().received > 0 {
            opened = true;
            go.send(()).unwrap();
        }
        std::thread::yield_now();
    }
    assert_eq!(whole[0], b"garbage");
    assert_eq!(
        (whole[1].as_slice(), whole[2].len(), lost),
        (br#"{"result":null,"id":7}"#.as_slice(), 200_000, 0)
    );
    md.until(None, |s| s["captured"] == 3 && s["notCaptured"] == 0);
    md.handle.stop().unwrap();
}

fn request_of(stream: &mut UnixStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(n) = line.strip_prefix("Content-Length: ") {
            length = n.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    (head, String::from_utf8(body).unwrap())
}

/// A daemon on a unix socket: an event stream that says what it is told, and subscriptions that are granted or not.
fn daemon(path: &Path, events: Vec<String>, asked: Sender<String>) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let (head, body) = request_of(&mut socket);
            if head.starts_with("GET /api/v1/stream/data ") {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
                for event in &events {
                    let _ = socket.write_all(event.as_bytes());
                }
                std::thread::spawn(move || {
                    let _ = socket.read(&mut [0; 16]);
                });
                continue;
            }
            assert!(head.starts_with("POST /api/v1/stream/subscribe "), "{head}");
            assert!(head.contains("Authorization: Bearer AK:SK\r\n"));
            let granted = !body.contains("Tick");
            let answer = format!(r#"{{"success":{granted},"message":"","subscription":null}}"#);
            let _ = write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
            let _ = asked.send(body);
        }
    });
}

#[test]
fn a04_a06_shioaji_subscribes_over_its_unix_socket_branches_on_success_and_lets_no_old_quote_in() {
    let (told, asked) = channel();
    let events = [
        "event: heartbeat\ndata: {\"type\":\"heartbeat\"}\n\n",
        "event: tick_stk\ndata: {\"Code\":\"2330\",\"Close\":[1.0]}\n\n",
    ]
    .map(String::from);
    let md = Loop::start(|dir| {
        let path = dir.join("server-8080.sock");
        daemon(&path, events.to_vec(), told);
        json!({ "name": "shioaji", "url": format!("http+unix://{}", path.display().to_string().replace('/', "%2F")),
            "dialect": "shioaji", "instrumentIds": [1], "carriesBook": true, "keyFile": key_file(dir),
            "streams": [[{ "name": "BidAsk|STK|TSE|2330|" }, { "name": "Tick|STK|TSE|2330|" }]],
            "rules": rules(json!({ "streamsPerMessage": 1, "pingAfterMs": 0, "idleTimeoutMs": 0 })) })
    });
    let stats = md.until(None, |s| {
        let session = &s["sessions"][0];
        session["streamsHeld"] == 1 && session["streamRefusals"] == 1 && s["schemaRefused"] == 1
    });
    assert_eq!(stats["sessions"][0]["state"], "SYNCING", "granted what there is; no book yet");
    assert_eq!(asked.try_iter().count(), 2, "each stream is asked for once");
    assert_eq!(stats["instruments"][0]["refused"], json!({}), "the old quote reached no reader");
    md.handle.stop().unwrap();
}

/// A TCP listener that answers each connection's upgrade with a status line, or hangs up where there is none.
fn refusing(status: &'static str, extra: &'static str) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("ws://{}", listener.local_addr().unwrap());
    let (told, accepted) = channel();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                line.clear();
            }
            if !status.is_empty() {
                let _ = write!(socket, "HTTP/1.1 {status}\r\n{extra}content-length: 0\r\n\r\n");
            }
            if told.send(()).is_err() {
                return;
            }
        }
    });
    (base, accepted)
}

#[test]
fn b015_an_upgrade_refused_for_now_is_tried_again_and_one_refused_for_good_is_not() {
    // A proxy that wants a login, a venue in trouble, and a peer that hangs up: each is tried again.
    for status in ["407 Proxy Authentication Required", "500 Internal Server Error", "502 Bad Gateway", ""] {
        let (base, accepted) = refusing(status, "");
        let md = Loop::start(|_| binance(&base, json!({})));
        for _ in 0..3 {
            accepted.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        let stats = md.until(None, |s| s["sessions"][0]["failures"].as_u64() >= Some(2));
        assert_eq!(stats["sessionsFatal"], 0, "{status}");
        if let Some(code) = status.split(' ').next().filter(|code| !code.is_empty()) {
            md.until(None, |s| {
                s["sessions"][0]["lastFault"].as_str().is_some_and(|fault| fault.contains(code))
            });
        }
        md.handle.stop().unwrap();
    }
    // 451: the venue forbids it where this host stands.
    let (base, accepted) = refusing("451 Unavailable For Legal Reasons", "");
    let md = Loop::start(|_| binance(&base, json!({ "fatalCodes": [451] })));
    accepted.recv_timeout(Duration::from_secs(20)).unwrap();
    md.until(None, |s| s["sessions"][0]["state"] == "FATAL");
    assert!(accepted.recv_timeout(Duration::from_millis(200)).is_err(), "451 was retried");
    md.handle.stop().unwrap();
}

#[test]
fn b015_a_status_that_asks_to_stay_away_is_heeded_for_that_long() {
    let (base, accepted) = refusing("503 Service Unavailable", "");
    let md = Loop::start(|_| binance(&base, json!({ "waitCodes": [{ "code": 503, "waitMs": 3_600_000 }] })));
    accepted.recv_timeout(Duration::from_secs(20)).unwrap();
    md.until(None, |s| s["sessions"][0]["failures"] == 1);
    // Without the rule the next attempt comes within 20 ms, as the test above shows.
    assert!(accepted.recv_timeout(Duration::from_millis(300)).is_err());
    md.handle.stop().unwrap();
}

#[test]
fn b008_a_certificate_nobody_vouches_for_is_refused_before_a_byte_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("wss://{}", listener.local_addr().unwrap());
    let (said, heard) = channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut bytes = vec![0; 4_096];
            let n = socket.read(&mut bytes).unwrap_or(0);
            bytes.truncate(n);
            // No TLS is spoken here: a plain answer, as of a captive portal.
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            if said.send(bytes).is_err() {
                return;
            }
        }
    });
    let md = Loop::start(|_| binance(&base, json!({})));
    for _ in 0..2 {
        let first = heard.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(first.first(), Some(&0x16), "a TLS hello and nothing in plain text");
        assert!(!first.windows(6).any(|w| w == b"stream"), "the path is not told");
    }
    let stats = md.until(None, |s| s["sessions"][0]["failures"].as_u64() >= Some(1));
    assert_eq!((&stats["sessions"][0]["opens"], &stats["sessionsFatal"]), (&json!(0), &json!(0)));
    md.handle.stop().unwrap();
}

#[test]
fn b008_a_connection_at_the_end_of_its_life_is_replaced_before_it_and_no_book_is_lost() {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    // One market whose update ids rise whoever listens; every connection tells them all from its beginning on.
    let (ids, over) = (std::sync::Arc::new(AtomicU64::new(11)), std::sync::Arc::new(AtomicBool::new(false)));
    let (market, ended) = (std::sync::Arc::clone(&ids), std::sync::Arc::clone(&over));
    let ticker = std::thread::spawn(move || {
        while !ended.load(Ordering::SeqCst) {
            market.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let market = std::sync::Arc::clone(&ids);
    let (base, _accepted) = server(move |_, mut ws, _| {
        ws.get_ref().set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let mut sent = market.load(Ordering::SeqCst);
        loop {
            while sent < market.load(Ordering::SeqCst) {
                sent += 1;
                for symbol in ["BTCUSDT", "ETHUSDT"] {
                    if ws.send(Message::text(diff(symbol, sent))).is_err() {
                        return;
                    }
                }
            }
            if let Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) = ws.read() {
                return;
            }
        }
    });
    // A day of two seconds, a roll one second before its end, 100 ms side by side.
    let life = json!({ "lifeMs": 2_000, "rollBeforeMs": 1_000, "overlapMs": 100 });
    let md = Loop::start(|_| binance(&base, life));
    let snapshot = |_: u64| {
        let now = ids.load(Ordering::SeqCst);
        format!(r#"{{"lastUpdateId":{now},"bids":[["99.00","5"]],"asks":[["101.00","5"]]}}"#).into_bytes()
    };
    md.until(Some(&snapshot), |s| s["state"] == "VALID");
    let stats = md.until(Some(&snapshot), |s| s["sessions"][0]["takeovers"].as_u64() >= Some(2));
    let session = &stats["sessions"][0];
    assert!(session["rolls"].as_u64() >= Some(2) && session["failures"] == 0, "{session}");
    for instrument in stats["instruments"].as_array().unwrap() {
        let is = (&instrument["state"], &instrument["gaps"], &instrument["resyncs"]);
        assert_eq!(
            is,
            (&json!("VALID"), &json!(0), &json!(1)),
            "one synchronisation, at the start: {instrument}"
        );
    }
    md.handle.stop().unwrap();
    over.store(true, Ordering::SeqCst);
    ticker.join().unwrap();
}

#[test]
fn b009_a_peer_that_answers_no_ping_is_gone_and_one_that_does_stays() {
    // Deaf: reads nothing after the upgrade, so that no pong comes.
    let (base, accepted) = server(move |_, ws, _| {
        std::thread::sleep(Duration::from_secs(30));
        drop(ws);
    });
    let md = Loop::start(|_| binance(&base, json!({ "pingAfterMs": 50, "idleTimeoutMs": 300 })));
    for _ in 0..2 {
        accepted.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    md.until(None, |s| s["sessions"][0]["failures"].as_u64() >= Some(1));
    md.handle.stop().unwrap();
    // The control: the same bounds and a peer that answers, and says nothing else.
    let (base, accepted) = server(move |_, mut ws, _| while ws.read().is_ok() {});
    let md = Loop::start(|_| binance(&base, json!({ "pingAfterMs": 50, "idleTimeoutMs": 300 })));
    accepted.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(accepted.recv_timeout(Duration::from_secs(2)).is_err(), "a quiet peer was left");
    assert_eq!(md.handle.stats()["sessions"][0]["failures"], 0);
    md.handle.stop().unwrap();
}

#[test]
fn a_host_name_is_looked_up_beside_the_loop() {
    let (base, accepted) = server(move |_, mut ws, _| while ws.read().is_ok() {});
    let named = base.replace("127.0.0.1", "localhost");
    let md = Loop::start(|_| binance(&named, json!({})));
    accepted.recv_timeout(Duration::from_secs(20)).unwrap();
    md.until(None, |s| s["sessions"][0]["opens"] == 1);
    md.handle.stop().unwrap();
    let md = Loop::start(|_| binance("ws://no-such-host.invalid:9", json!({})));
    let failed = |s: &Value| {
        s["sessions"][0]["lastFault"].as_str().is_some_and(|fault| fault.contains("no-such-host.invalid"))
    };
    md.until(None, failed);
    md.handle.stop().unwrap();
}
