//! Backtests over recorded ticks: two clocks, orders between them, places in queues, exact accounts.
//!
//! [`tape`] holds a day in two orders, [`store`] keeps it as a file, [`binance`] and [`npz`] read it from captures. [`Engine`]
//! runs a strategy over it with a model of latency, of queues and of fills. What it does not model is told in its assumptions and
//! in `docs/reference/backtest.md`.
#![deny(unsafe_code)]

pub mod account;
mod assumptions;
pub mod audit;
pub mod binance;
pub mod convert;
pub mod depth;
mod engine;
pub mod event;
pub mod latency;
pub mod limits;
pub mod lobster;
mod map;
pub mod npz;
mod order;
pub mod queue;
pub mod sample;
pub mod store;
pub mod tape;
#[cfg(test)]
mod tests_support;
mod venue;

pub use engine::{Accounting, AssetConfig, Engine, Received, Wake, Woken};
pub use order::{NewOrder, Order, OrderFault, Pending, State, Tif};
pub use venue::FillModel;
