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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reading;

    #[test]
    fn ladders_joined_by_underscores_are_levels_and_the_latest_trade_is_one() {
        let text = br#"{"msgArray":[{"c":"2330","tlong":"1690252200000","z":"561.0000","tv":"4113","a":"562.0000_563.0000_","f":"88_1109_","b":"0.0000_561.0000_","g":"7_460_"}],"rtcode":"0000"}"#;
        let mut out = Vec::new();
        assert_eq!(Mis.read(text, EpochNs(0), &mut out), Ok(Reading::Records(2)));
        let (Record::Book(book), Record::Trade(trade)) = (&out[0], &out[1]) else { panic!("book and trade") };
        assert_eq!((book.asks.len(), book.bids.len()), (2, 1), "a market order at price 0 is no level");
        assert_eq!(
            (book.asks[1].px.to_string(), book.asks[1].qty.to_string()),
            ("563.0000".into(), "1109".into())
        );
        assert_eq!((trade.side, trade.ts), (Side::Unknown, Some(EpochNs(1_690_252_200_000_000_000))));
        let uneven = br#"{"msgArray":[{"c":"1","a":"1_2_","f":"1_","b":"","g":""}]}"#;
        assert_eq!(Mis.read(uneven, EpochNs(0), &mut out), Err(Refusal::TooManyLevels));
    }
}
