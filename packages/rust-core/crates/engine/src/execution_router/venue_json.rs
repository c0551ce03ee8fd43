//! Reading what venues write as JSON: integers of lots and bounded words.

pub(super) use super::binance::bounded;
use serde_json::Value;
use tidegate_instruments::Instrument;

/// A text that is not empty.
pub fn text_of(body: &Value, name: &str) -> Option<String> {
    body[name].as_str().filter(|text| !text.is_empty()).map(str::to_string)
}

/// A decimal text as lots.
pub fn lots_of(row: &Instrument, value: &Value) -> Option<u64> {
    row.parse_qty(value.as_str()?.as_bytes()).ok().and_then(|lots| u64::try_from(lots).ok())
}

/// What is said of a body that cannot be read.
pub fn unclear(body: &Value) -> String {
    bounded(&format!("an answer that cannot be read: {body}"))
}
