//! The other process of a test of peer credentials: sends one frame after another to `ipc://…` until it is killed.
#![forbid(unsafe_code)]

use std::error::Error;
use tidegate_bus::lane::Lane;
use tidegate_bus::zmq_lane::{AllowedUids, ZmqLane};
use zmq::Context;

/// Frames after which it ends by itself, should nobody kill it: about a minute.
const FRAMES_MAX: usize = 12_000;

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::args().nth(1).ok_or("want the endpoint of a router")?;
    let zmq = Context::new();
    let mut dealer = ZmqLane::dealer(&zmq, &endpoint, "child", 16, AllowedUids::default())?;
    for _ in 0..FRAMES_MAX {
        let _ = dealer.send(b"", b"frame")?;
        let _ = zmq::poll(&mut [dealer.poll_item()], 5)?;
    }
    Ok(())
}
