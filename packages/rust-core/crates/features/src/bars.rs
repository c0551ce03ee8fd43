//! Bars of trades: by time, count, volume and notional.
//!
//! Event time alone closes a bar. A time bar covers `[k·w, (k+1)·w)` of venue time and closes at the first event (a trade or
//! [`Builder::on_time`]) at or past its end. A trade whose bar is closed already is late: it is put where it belongs and
//! that bar is issued again with a higher revision, as long as it is one of the last [`BARS_CORRECTABLE_MAX`] and its trades
//! are kept; later it is counted and dropped. Bars by count, volume and notional take trades in the order of arrival, whatever
//! their time; the trade that reaches the threshold is the bar's last and is not split. Corrections and cancels re-issue.
//!
//! What a print moves is [`Moves`], by the sale conditions it had when it was read; there is no second table here. A print that
//! moves the last price only where the day has none is decided when it comes, so that a bar made anew stays as it was.

mod builder;

pub use builder::{Builder, CorrectionFault};
pub use tidegate_normalise::{Last, Moves};

use crate::indicators::Candle;
use tidegate_normalise::Print;

/// What closes a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// So many nanoseconds of venue time, aligned to the epoch.
    Time(i64),
    /// So many trades.
    Ticks(u64),
    /// At least so many lots.
    Volume(i64),
    /// At least so much px × qty, in ticks × lots.
    Notional(i128),
}

/// Whether a stretch of time without a trade has a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// No trade, no bar.
    Skip,
    /// A bar with volume 0 at the last close, from the first trade on; at most [`QUIET_BARS_MAX`] per hole.
    ///
    /// [`QUIET_BARS_MAX`]: crate::limits::QUIET_BARS_MAX
    Flat,
}

/// One trade for a bar. Prices in ticks, quantities in lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarTrade {
    /// Names the trade in corrections.
    pub id: u64,
    pub ts: i64,
    pub px: i64,
    pub qty: i64,
    pub moves: Moves,
}

impl From<&Print> for BarTrade {
    fn from(print: &Print) -> Self {
        let Print { trade_id: id, px, qty, ts_venue, moves, .. } = *print;
        Self { id, ts: ts_venue.0, px: px.0, qty: qty.0, moves }
    }
}

/// One bar. Revision 0 is its first issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Number of the bar: of a time bar its start divided by its width, else from 0 on.
    pub index: i64,
    /// Venue time of the start: the interval's, or the first trade's.
    pub start: i64,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    pub volume: i64,
    /// Sum of px × qty.
    pub notional: i128,
    pub trades: u64,
    pub revision: u32,
}

impl Bar {
    /// Volume-weighted mean price in ticks, for indicators.
    pub fn vwap(&self) -> Option<f64> {
        (self.volume > 0).then(|| self.notional as f64 / self.volume as f64)
    }

    /// As the indicators see it.
    pub fn candle(&self) -> Candle {
        Candle {
            open: self.open as f64,
            high: self.high as f64,
            low: self.low as f64,
            close: self.close as f64,
            volume: self.volume as f64,
        }
    }
}

#[cfg(test)]
mod tests;
