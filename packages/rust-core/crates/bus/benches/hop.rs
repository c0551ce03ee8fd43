//! One link over ipc inside one process: a round trip of 128 bytes, and the cost of the pure core without a lane.
//!
//! Each end polls on a thread of its own, as a hot loop does. Prints microseconds of the round trip (two hops), p50, p99 and
//! max. `cargo bench -p tidegate-bus`; under `cargo test` it runs once, tiny, and only checks its results.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tidegate_bus::ends::{LinkClient, LinkClientConfig, LinkInput, LinkServer, LinkServerConfig};
use tidegate_bus::link::{Link, LinkConfig, LinkState, Received};
use zmq::Context;

const PAYLOAD: [u8; 128] = [7; 128];

fn main() {
    let full = std::env::args().any(|a| a == "--bench");
    core(if full { 2_000_000 } else { 1_000 });
    round_trip(if full { 50_000 } else { 50 });
}

/// Sender and receiver core back to back: send, poll, deliver, acknowledge.
fn core(count: u64) {
    let mut ends = [Link::new(LinkConfig::new(1, 1)), Link::new(LinkConfig::new(1, 1))];
    let mut frames: [Vec<Vec<u8>>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..4 {
        for at in [0, 1] {
            let out = &mut frames[1 - at];
            ends[at].poll(1, &mut |frame| {
                out.push(frame.to_vec());
                true
            });
        }
        for at in [0, 1] {
            for frame in frames[at].drain(..) {
                let _ = ends[at].on_frame(1, &frame);
            }
        }
    }
    let [left, right] = &mut ends;
    assert_eq!((left.state(), right.state()), (LinkState::Synced, LinkState::Synced));
    let start = Instant::now();
    for seq in 1..=count {
        left.send(1, &PAYLOAD).unwrap();
        left.poll(1, &mut |frame| {
            let got = matches!(right.on_frame(1, frame), Received::Data { seq: s, .. } if s == seq);
            assert!(got);
            right.ack(seq);
            true
        });
        if seq % 64 == 0 {
            right.poll(1, &mut |frame| {
                let _ = left.on_frame(1, frame);
                true
            });
        }
    }
    let ns = start.elapsed().as_nanos() as f64 / count as f64;
    assert_eq!(right.counters().delivered, count);
    println!("link core, send to delivery            {ns:.0} ns a message of {} bytes", PAYLOAD.len());
}

fn round_trip(count: usize) {
    let dir = tempfile::Builder::new().prefix("tg").tempdir_in("/tmp").unwrap();
    let at = format!("ipc://{}/s/hop.sock", dir.path().display());
    let zmq = Context::new();
    let base = Instant::now();
    let now = || base.elapsed().as_nanos() as u64;
    let mut server = LinkServer::bind(&zmq, LinkServerConfig::new(&at, "bench", 1)).unwrap();
    let mut client = LinkClient::connect(&zmq, LinkClientConfig::new(&at, "bench", "me", 1)).unwrap();
    let stop = AtomicBool::new(false);
    let mut laps = Vec::with_capacity(count);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut echo = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let _ = zmq::poll(&mut [server.poll_item()], 10);
                while let Some(input) = server.recv(now()).unwrap() {
                    let LinkInput::Data { peer, seq, payload, .. } = input else { continue };
                    echo.clear();
                    echo.extend_from_slice(payload);
                    server.ack(peer, seq);
                    server.send(now(), peer, &echo).unwrap();
                }
                server.tick(now()).unwrap();
            }
        });
        let mut sent_at = None;
        while laps.len() < count {
            let _ = zmq::poll(&mut [client.poll_item()], 10);
            while let Some(input) = client.recv(now()).unwrap() {
                let LinkInput::Data { seq, payload, .. } = input else { continue };
                assert_eq!(payload, PAYLOAD);
                client.ack(seq);
                laps.push(now() - sent_at.take().unwrap());
            }
            if sent_at.is_none() && client.state() == LinkState::Synced {
                sent_at = Some(now());
                client.send(now(), &PAYLOAD).unwrap();
            }
            client.tick(now()).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    laps.sort_unstable();
    let us = |at: usize| laps[at.min(laps.len() - 1)] as f64 / 1_000.0;
    println!(
        "link over ipc, round trip              p50 {:.1} us   p99 {:.1} us   max {:.1} us   ({count} of {} bytes)",
        us(laps.len() / 2),
        us(laps.len() * 99 / 100),
        us(laps.len() - 1),
        PAYLOAD.len()
    );
}
