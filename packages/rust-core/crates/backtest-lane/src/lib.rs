//! A strategy's lane over a recorded market: batches of events out, intents in, in the very layout of the live lane.
//!
//! [`Lane`] turns what `tidegate-backtest` lets a strategy see into rows of `strategy-layout.ts`. A batch never reaches further than
//! nothing sent within it could have arrived, so that a run with batches is the run event by event, bit for bit.
#![deny(unsafe_code)]

mod any;
mod config;
mod desk;
mod lane;
pub mod limits;
mod record;

pub use config::{Config, FeesConfig, InstrumentConfig, LatencyConfig, LimitsConfig, QueueConfig};
pub use lane::Lane;
pub use record::{Columns, FILL_DOUBLES, SAMPLE_DOUBLES};
