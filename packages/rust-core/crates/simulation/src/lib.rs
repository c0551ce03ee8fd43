//! The cluster in one thread: two gateways, the router, strategies, the venue, the lease store, clocks, disks and links,
//! everything from one seed.
//!
//! The cores are the real ones (`risk`, `router`, `leadership`, `journal` over a simulated disk, the link of `bus`); what is
//! simulated is the world around them. Invariants are held after every event against the venue's own log and what the
//! disks really hold, never against what a process says of itself.
#![forbid(unsafe_code)]

pub mod disk;
pub mod faults;
mod gateway;
mod injector;
mod market;
mod mirror;
mod operator;
pub mod options;
pub mod rng;
mod router;
mod run;
mod store;
mod strategy;
mod truth;
mod venue;
mod world;

pub use faults::{Counts, Fault};
pub use options::Options;
pub use run::{Outcome, Simulator};
pub use truth::Violation;
