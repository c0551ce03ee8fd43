//! TWSE market information system: quotes with five levels, `getStockInfo.jsp`.
//!
//! `b`/`a` are prices and `g`/`f` sizes joined by `_`, best first; `tlong` is in ms; `-` stands for nothing. A limit order
//! book that is closed on one side sends no price there. Source: mis.twse.com.tw, as answered.

use crate::fields::optional;
use crate::json::Json;
use crate::{Book, Dec, Dialect, Level, Quiet, Record, Refusal, Side, Stop, Trade};
use tidegate_units::EpochNs;

/// Levels that the venue shows of each side.
pub const LEVELS: usize = 5;

/// Reads answers; keeps nothing.
#[derive(Debug, Default)]
pub struct Mis;

impl Dialect for Mis {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        if message.get("rtcode").and_then(Json::str).is_some_and(|code| code != "0000") {
            return Err(Quiet::VenueError.into());
        }
        let items = message.need("msgArray")?.items()?;
        for item in items {
            let symbol = item.need("c")?.name()?;
            let ts = item.get("tlong").map(Json::time).transpose()?;
            let side = |px: &str, qty: &str| ladder(item.word(px), item.word(qty));
            out.push(Record::Book(Book {
                symbol: symbol.clone(),
                snapshot: true,
                bids: side("b", "g")?,
                asks: side("a", "f")?,
                ts,
                ..Book::default()
            }));
            // `z` and `tv` are price and size of the latest trade, `-` if there was none since the last answer.
            let latest = |key: &str| match item.get(key).and_then(Json::str) {
                Some("-") | None => Ok(None),
                Some(_) => optional(item, key),
            };
            if let (Some(px), Some(qty)) = (latest("z")?, latest("tv")?)
                && qty.units > 0
            {
                if px.units <= 0 {
                    return Err(Refusal::PxZeroOrNeg.into());
                }
                out.push(Record::Trade(Trade { symbol, id: None, px, qty, side: Side::Unknown, ts }));
            }
        }
        Ok(())
    }
}

fn ladder(prices: &str, sizes: &str) -> Result<Vec<Level>, Refusal> {
    let parts = |text: &str| -> Result<Vec<Dec>, Refusal> {
        text.split('_').filter(|part| !part.is_empty() && *part != "-").map(Dec::parse).collect()
    };
    let (prices, sizes) = (parts(prices)?, parts(sizes)?);
    if prices.len() > LEVELS || prices.len() != sizes.len() {
        return Err(Refusal::TooManyLevels);
    }
    let mut levels = Vec::new();
    for (px, qty) in prices.into_iter().zip(sizes) {
        if qty.is_negative() {
            return Err(Refusal::QtyNegOrZero);
        }
        // A market order stands at price 0 at the opening auction: it is no level.
        if px.units > 0 {
            levels.push(Level { px, qty });
        }
    }
    Ok(levels)
}
