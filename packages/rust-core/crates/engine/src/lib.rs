//! Hot loops: each service's core driven on a Rust thread, away from the event loop and its garbage collector.
//!
//! A loop owns its sockets, journal and core. JavaScript starts it, calls it a few times a second with a control request,
//! takes events and statistics in batches, and stops it. Nothing on the way of a tick or an order passes through here.
#![forbid(unsafe_code)]

mod anchor;
pub mod approval_key;
mod epoch;
pub mod execution_router;
pub mod gateway;
mod hot;
mod latch;
mod latency;
pub mod limits;
pub mod market_data;
pub mod recorder;
mod span;
pub mod strategy;
mod tier;

pub use hot::{Call, Event, Fault, Handle, Hot, spawn};
pub use tidegate_venue_io::clock;

use std::path::Path;
use tidegate_instruments::Table;
use tidegate_venue_io::WsClient;

/// Starts the loop of one service by name with its JSON configuration.
///
/// # Errors
/// An unknown name or a configuration the loop refuses.
pub fn start(kind: &str, config: &str) -> Result<Handle, Fault> {
    match kind {
        "market-data" => market_data::start(config),
        "gateway" => gateway::start(config),
        "execution-router" => execution_router::start(config),
        "recorder" => recorder::start(config),
        _ => Err(Fault(format!("no hot loop is called {kind}"))),
    }
}

/// The instrument table a loop is told to use.
fn read_table(path: &Path) -> Result<Table, Fault> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        Fault(format!("cannot read the instrument table {shown}: {error}; name a file that is there"))
    })?;
    Table::from_json(&bytes).map_err(|error| Fault(format!("instrument table {shown}: {error}")))
}

/// What a loop waits for on a venue's socket.
fn ws_item<'a>(client: &WsClient) -> zmq::PollItem<'a> {
    let events = if client.wants_write() { zmq::POLLIN | zmq::POLLOUT } else { zmq::POLLIN };
    zmq::PollItem::from_fd(client.raw_fd(), events)
}
