//! Features of a book and its trades: integer outputs of versioned sets whose hash travels with every signal.
//!
//! One kernel serves live, replay and backtest. No kernel has a clock: time is the venue's, on updates and trades.
//! [`set`] lists the sets, [`kernel`] runs one by name, [`indicators`] and [`bars`] work on trades and bars.
#![forbid(unsafe_code)]

pub mod bars;
mod basic;
pub mod batch;
mod decay;
pub mod fixed;
mod flow;
mod gate;
pub mod indicators;
pub mod kernel;
pub mod limits;
mod micro;
pub mod profile;
pub mod rat;
pub mod row;
pub mod set;
pub mod shared;
mod timed;
pub mod view;
mod vol;

pub use basic::{FEATURES, LOB_BASIC_V1, LobBasic, Output, SET_NAME, set_hash};
pub use kernel::Kernel;
pub use profile::{Comparison, Lane, Profile};
pub use row::Row;
pub use view::{Panel, Print, Touch, View};

/// Why an output should be read with care; the bits of `BookTop.feature_flags`.
pub mod flags {
    /// First output after messages were lost.
    pub const GAP: u32 = 1;
    /// First output after the state was thrown away.
    pub const STATE_RESET: u32 = 1 << 1;
    pub const STALE_INPUT: u32 = 1 << 2;
    /// A trade was older than the one before it.
    pub const OUT_OF_ORDER: u32 = 1 << 3;
    /// A side is empty or shallower than a feature looks.
    pub const PARTIAL: u32 = 1 << 4;
    /// Too little has been seen since the reset.
    pub const WARMING_UP: u32 = 1 << 5;
}
