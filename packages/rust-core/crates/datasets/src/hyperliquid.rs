//! Hyperliquid captures: whole books of 20 levels with order counts, and trades, one message a line behind its receive time.
//!
//! Prices are whole counts of 1e-6 dollars, sizes of 1e-8: the venue's most decimals. Source: Hyperliquid API, `l2Book` and
//! `trades`.

use crate::capture::Capture;
use crate::fault::{Fault, Kind};
use crate::lines::decimal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tidegate_units::{EpochNs, Side};

/// One level: price, size, number of orders.
pub type Level = (i64, i64, u64);

/// One trade of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    pub id: u64,
    pub side: Side,
    pub px: i64,
    pub qty: i64,
    pub ts_venue: EpochNs,
}

/// What one message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Book {
        ts_venue: EpochNs,
        bids: Vec<Level>,
        asks: Vec<Level>,
    },
    Trades(Vec<Trade>),
    /// An answer to a subscription.
    Control,
}

/// The messages of one capture.
#[derive(Debug)]
pub struct Hyperliquid {
    capture: Capture,
    file: PathBuf,
}

impl Hyperliquid {
    /// Opens a plain or packed capture.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Ok(Self { capture: Capture::open(path)?, file: path.to_path_buf() })
    }

    /// The next message and when it was received, or none at the end.
    ///
    /// # Errors
    /// A damaged or cut file, a message that is no such message.
    pub fn next_event(&mut self) -> Result<Option<(EpochNs, Event)>, Fault> {
        let Some(received) = self.capture.next_message()? else { return Ok(None) };
        let (ts, event) = (received.ts_recv, parse(received.message));
        event.map(|event| Some((ts, event))).ok_or_else(|| {
            let remedy = "want l2Book and trades messages of Hyperliquid";
            Fault::new(Kind::Malformed, &self.file, self.capture.at(), "no message of the venue", remedy)
        })
    }
}

fn field(value: &Value, key: &str, scale: u32) -> Option<i64> {
    decimal(value.get(key)?.as_str()?.as_bytes(), scale)
}

fn levels(value: &Value) -> Option<Vec<Level>> {
    let level = |each: &Value| Some((field(each, "px", 6)?, field(each, "sz", 8)?, each.get("n")?.as_u64()?));
    value.as_array()?.iter().map(level).collect()
}

fn time(value: &Value) -> Option<EpochNs> {
    value.get("time")?.as_i64()?.checked_mul(1_000_000).map(EpochNs)
}

fn parse(message: &[u8]) -> Option<Event> {
    let value: Value = serde_json::from_slice(message).ok()?;
    let data = value.get("data")?;
    match value.get("channel")?.as_str()? {
        "l2Book" => {
            let sides = data.get("levels")?;
            Some(Event::Book {
                ts_venue: time(data)?,
                bids: levels(sides.get(0)?)?,
                asks: levels(sides.get(1)?)?,
            })
        }
        "trades" => {
            let trade = |each: &Value| {
                let side = match each.get("side")?.as_str()? {
                    "B" => Side::Buy,
                    "A" => Side::Sell,
                    _ => return None,
                };
                let id = each.get("tid")?.as_u64()?;
                let (px, qty) = (field(each, "px", 6)?, field(each, "sz", 8)?);
                Some(Trade { id, side, px, qty, ts_venue: time(each)? })
            };
            data.as_array()?.iter().map(trade).collect::<Option<_>>().map(Event::Trades)
        }
        "subscriptionResponse" => Some(Event::Control),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_and_trades_are_read_exactly() {
        let book = br#"{"channel":"l2Book","data":{"coin":"BTC","time":5,"levels":[[{"n":5,"px":"105055.0","sz":"3.03622"}],[]]}}"#;
        let bids = vec![(105_055_000_000, 303_622_000, 5)];
        assert_eq!(parse(book), Some(Event::Book { ts_venue: EpochNs(5_000_000), bids, asks: vec![] }));
        let trades = br#"{"channel":"trades","data":[{"coin":"BTC","side":"A","px":"2.5","sz":"1","time":7,"hash":"x","tid":9}]}"#;
        let trade =
            Trade { id: 9, side: Side::Sell, px: 2_500_000, qty: 100_000_000, ts_venue: EpochNs(7_000_000) };
        assert_eq!(parse(trades), Some(Event::Trades(vec![trade])));
        for bad in ["", "{}", r#"{"channel":"l2Book","data":{}}"#, r#"{"channel":"x","data":1}"#] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
