//! Bitstamp's order-by-order stream as recorded in 2015: `<local ms> <type> <JSON>` a line.
//!
//! Prices are 1e-2 dollars, amounts 1e-8 bitcoin. An order event carries what remains of the order.

use crate::fault::Fault;
use crate::lines::{Lines, decimal, split, whole};
use serde_json::Value;
use std::path::Path;
use tidegate_units::{EpochNs, Side};

/// What happened to one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Created,
    Changed,
    Deleted,
}

/// One order as of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub change: Change,
    pub id: u64,
    pub side: Side,
    pub px: i64,
    /// What remains.
    pub qty: i64,
    /// Seconds, as the venue says it.
    pub ts_venue_s: i64,
}

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Order(Order),
    Trade {
        id: u64,
        px: i64,
        qty: i64,
    },
    /// The venue's own best levels, best first.
    Book {
        bids: Vec<(i64, i64)>,
        asks: Vec<(i64, i64)>,
    },
}

/// The lines of one log.
#[derive(Debug)]
pub struct Bitstamp {
    lines: Lines,
}

const REMEDY: &str = "want lines `<ms> <type> <JSON>` of Bitstamp's order stream";

impl Bitstamp {
    /// Opens a plain or packed log.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Ok(Self { lines: Lines::open(path)? })
    }

    /// The next event and when it was received, or none at the end.
    ///
    /// # Errors
    /// A damaged or cut file, a line that is no such event.
    pub fn next_event(&mut self) -> Result<Option<(EpochNs, Event)>, Fault> {
        if self.lines.next_line()?.is_none() {
            return Ok(None);
        }
        self.lines.whole()?;
        parse(self.lines.line())
            .map(Some)
            .ok_or_else(|| self.lines.malformed("no event of the stream", REMEDY))
    }

    /// Number of the line given last, from 1.
    pub fn at(&self) -> u64 {
        self.lines.at()
    }
}

/// A number, as JSON text or as a JSON number.
fn number(value: &Value, scale: u32) -> Option<i64> {
    match value {
        Value::String(text) => decimal(text.as_bytes(), scale),
        Value::Number(number) => nearest(&number.to_string(), scale),
        _ => None,
    }
}

/// The recorder printed trades through a double with 17 digits: `236.28999999999999` is 236.29. The count of 10^-`scale` that
/// the text is nearest to, where it is nearer than a hundredth of a unit.
fn nearest(text: &str, scale: u32) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [integer, fraction].concat();
    if digits.is_empty() || digits.len() > 25 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let units: i128 = digits.parse().ok()?;
    let over = places.checked_sub(i32::try_from(scale).ok()?)?;
    let step = 10_i128.checked_pow(over.unsigned_abs())?;
    let count = if over <= 0 { units.checked_mul(step)? } else { (units + step / 2) / step };
    let near = over <= 0 || (count * step - units).abs() <= step / 100;
    near.then_some(i64::try_from(count).ok()).flatten()
}

fn levels(value: &Value) -> Option<Vec<(i64, i64)>> {
    value
        .as_array()?
        .iter()
        .map(|level| Some((number(level.get(0)?, 2)?, number(level.get(1)?, 8)?)))
        .collect()
}

fn parse(line: &[u8]) -> Option<(EpochNs, Event)> {
    let (ms, rest) = split(line, b' ')?;
    let ts = EpochNs(whole::<i64>(ms)?.checked_mul(1_000_000)?);
    let (kind, json) = split(rest, b' ')?;
    let value: Value = serde_json::from_slice(json).ok()?;
    let change = match kind {
        b"order_created" => Change::Created,
        b"order_changed" => Change::Changed,
        b"order_deleted" => Change::Deleted,
        b"trade" => {
            let (id, px) = (value.get("id")?.as_u64()?, number(value.get("price")?, 2)?);
            return Some((ts, Event::Trade { id, px, qty: number(value.get("amount")?, 8)? }));
        }
        b"order_book" => {
            let (bids, asks) = (levels(value.get("bids")?)?, levels(value.get("asks")?)?);
            return Some((ts, Event::Book { bids, asks }));
        }
        _ => return None,
    };
    let side = match value.get("order_type")?.as_u64()? {
        0 => Side::Buy,
        1 => Side::Sell,
        _ => return None,
    };
    let ts_venue_s = whole(value.get("datetime")?.as_str()?.as_bytes())?;
    let (id, px) = (value.get("id")?.as_u64()?, number(value.get("price")?, 2)?);
    Some((
        ts,
        Event::Order(Order { change, id, side, px, qty: number(value.get("amount")?, 8)?, ts_venue_s }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_in_print_are_the_decimal_they_stand_for_or_none() {
        for (text, want) in
            [("236.28999999999999", Some(23_629)), ("236.30000000000001", Some(23_630)), ("7", Some(700))]
        {
            assert_eq!(nearest(text, 2), want, "{text}");
        }
        assert_eq!(
            (nearest("1.234", 2), nearest("", 2), nearest("1e99", 2), nearest("-1", 2)),
            (None, None, None, None)
        );
    }

    #[test]
    fn each_kind_of_line_is_read_exactly() {
        let line = br#"1430438404635 order_changed {"price": "236.47", "amount": "1.78855669", "datetime": "1430438404", "id": 65595247, "order_type": 0}"#;
        let order = Order {
            change: Change::Changed,
            id: 65_595_247,
            side: Side::Buy,
            px: 23_647,
            qty: 178_855_669,
            ts_venue_s: 1_430_438_404,
        };
        assert_eq!(parse(line), Some((EpochNs(1_430_438_404_635_000_000), Event::Order(order))));
        let trade = parse(br#"1 trade {"price": 236.47, "amount": 9.9999999999999995e-07, "id": 8}"#);
        assert_eq!(trade.map(|read| read.1), Some(Event::Trade { id: 8, px: 23_647, qty: 100 }));
        let book = parse(br#"1 order_book {"bids": [["1.5", "2"]], "asks": []}"#);
        assert_eq!(
            book.map(|read| read.1),
            Some(Event::Book { bids: vec![(150, 200_000_000)], asks: vec![] })
        );
        for bad in [
            "",
            "1 order_created {}",
            "x trade {}",
            "1 other {}",
            "1 trade {\"price\": 1.234, \"amount\": 1, \"id\": 1}",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
