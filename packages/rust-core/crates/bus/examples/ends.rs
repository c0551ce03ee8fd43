//! The Rust ends that listen, for the tests that hold them against the JavaScript ends:
//! `ends <md endpoint> <link endpoint> <topic>`.
//!
//! Publishes one payload a millisecond, its own sequence as text, and sends every payload of a link client back to it.
//! Ends when its standard input does.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidegate_bus::ends::{LinkInput, LinkServer, LinkServerConfig, StreamPub};

/// How long a turn waits for a client.
const TURN: Duration = Duration::from_millis(1);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [md, link, topic] = args.as_slice() else {
        return Err("usage: ends <md endpoint> <link endpoint> <topic>".into());
    };
    let context = zmq::Context::new();
    let mut publisher = StreamPub::bind(&context, md, 3)?;
    let topic = publisher.topic(topic)?;
    let mut server = LinkServer::bind(&context, LinkServerConfig::new(link, "intent", 3))?;

    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        told.store(true, Ordering::Release);
    });

    let began = Instant::now();
    let now = || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut published = 0_u64;
    while !over.load(Ordering::Acquire) {
        zmq::poll(&mut [server.poll_item()], i64::try_from(TURN.as_millis())?)?;
        let mut back = Vec::new();
        server.pump(now(), |input| {
            if let LinkInput::Data { peer, seq, payload, .. } = input {
                back.push((peer, seq, payload.to_vec()));
            }
        })?;
        for (peer, seq, payload) in back {
            server.send(now(), peer, &payload).map_err(|refusal| refusal.to_string())?;
            server.ack(peer, seq);
        }
        server.tick(now())?;
        published += 1;
        publisher
            .publish(now(), topic, published.to_string().as_bytes())
            .map_err(|fault| format!("{fault:?}"))?;
        publisher.tick(now())?;
    }
    server.bye();
    server.tick(now())?;
    server.close();
    publisher.close(now())?;
    Ok(())
}
