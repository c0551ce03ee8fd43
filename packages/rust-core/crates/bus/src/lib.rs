//! Streams (one to many, loss visible) and links (one to one, nothing lost silently) between processes of one host.
//!
//! [`link`] and [`stream`] are pure state machines; [`lane`] is what carries their frames, [`zmq_lane`] the carrier there
//! is; [`ends`] puts them together for a hot loop. `now` is `CLOCK_MONOTONIC` nanoseconds throughout.
//!
//! ```no_run
//! use tidegate_bus::ends::{LinkInput, LinkServer, LinkServerConfig, StreamSub, StreamWhat};
//! # fn now() -> u64 { 0 }
//! # fn main() -> Result<(), tidegate_bus::lane::LaneFault> {
//! let zmq = zmq::Context::new();
//! let mut intents = LinkServer::bind(&zmq, LinkServerConfig::new("ipc://s/intent.sock", "intent", 7))?;
//! let mut md = StreamSub::connect(&zmq, "ipc://s/md.sock", &["md.1.1."])?;
//! loop {
//!     let wait_ms = if intents.has_waiting() || md.has_waiting() { 0 } else { 50 };
//!     let _ = zmq::poll(&mut [intents.poll_item(), md.poll_item()], wait_ms);
//!     while let Some(input) = intents.recv(now())? {
//!         let LinkInput::Data { peer, seq, payload, .. } = input else { continue };
//!         let reply = payload.to_vec(); // decode, decide, make durable
//!         intents.ack(peer, seq);
//!         let _refused = intents.send(now(), peer, &reply);
//!     }
//!     md.pump(now(), |input| if let StreamWhat::Data(data) = input.what { drop(data.payload.len()) })?;
//!     intents.tick(now())?;
//!     md.tick(now());
//! }
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod ends;
pub mod lane;
pub mod limits;
pub mod link;
pub mod stream;
pub mod zmq_lane;
