//! The market information systems of Taiwan's exchanges: quotes with up to five levels, asked for.
//!
//! TWSE, `getStockInfo.jsp`: `b`/`a` are prices and `g`/`f` sizes joined by `_`, best first; `tlong` is in ms; `-` stands for nothing. A limit order
//! book that is closed on one side sends no price there. Source: mis.twse.com.tw, as answered.
//!
//! TAIFEX, `getQuoteList` and `getQuoteDetail`: `CBidPrice1`… and `CBidSize1`…, times of Taipei. A symbol ends in its session: `-F`
//! day, `-M` after hours, whose date is that on which it began, so that what is past midnight is of the day after; `-S` and `-P`
//! are the index, which has no book. Source: mis.taifex.com.tw, as answered.

use crate::fields::optional;
use crate::json::Json;
use crate::time::from_rfc3339;
use crate::{Book, Dec, Dialect, Level, Quiet, Record, Refusal, Side, Stop, Trade};
use tidegate_units::EpochNs;

/// Levels that the venue shows of each side.
pub const LEVELS: usize = 5;

/// Reads answers; keeps nothing.
#[derive(Debug, Default)]
pub struct Mis;

impl Dialect for Mis {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        if message.get("RtCode").is_some() {
            return taifex(message, out);
        }
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

fn taifex(message: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Stop> {
    if message.word("RtCode") != "0" {
        return Err(Quiet::VenueError.into());
    }
    let data = message.need("RtData")?;
    let Some(items) = data.get("QuoteList") else {
        // The list of contracts.
        return Err(Quiet::Reference.into());
    };
    for item in items.items()? {
        let symbol = item.need("SymbolID")?.name()?;
        if symbol.ends_with("-S") || symbol.ends_with("-P") {
            continue;
        }
        let ts = Some(taipei(item.word("CDate"), item.word("CTime"), symbol.ends_with("-M"))?);
        out.push(Record::Book(Book {
            symbol: symbol.clone(),
            snapshot: true,
            bids: numbered(item, "CBid")?,
            asks: numbered(item, "CAsk")?,
            ts,
            ..Book::default()
        }));
        if let (Some(px), Some(qty)) = (optional(item, "CLastPrice")?, optional(item, "CSingleVolume")?)
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

/// Levels whose price and size have their number in the name; one at price 0 or without one is none.
fn numbered(item: &Json<'_>, side: &str) -> Result<Vec<Level>, Refusal> {
    let mut levels = Vec::new();
    for at in 1..=LEVELS {
        let px = optional(item, &format!("{side}Price{at}"))?;
        let Some(px) = px.filter(|px| !px.is_zero()) else { continue };
        let qty = optional(item, &format!("{side}Size{at}"))?.ok_or(Refusal::MissingField)?;
        if px.is_negative() {
            return Err(Refusal::PxZeroOrNeg);
        }
        if qty.is_negative() {
            return Err(Refusal::QtyNegOrZero);
        }
        levels.push(Level { px, qty });
    }
    Ok(levels)
}

const DAY_NS: i64 = 86_400_000_000_000;
/// The session after hours runs until 05:00; before this hour it is past its midnight.
const AFTER_MIDNIGHT: &str = "08";

/// `20240108`, `134459`.
fn taipei(date: &str, time: &str, after_hours: bool) -> Result<EpochNs, Refusal> {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(date, 8) || !digits(time, 6) {
        return Err(Refusal::BadTime);
    }
    let part = |text: &str, from: usize, to: usize| text.get(from..to).unwrap_or_default().to_string();
    let (y, mo, d) = (part(date, 0, 4), part(date, 4, 6), part(date, 6, 8));
    let (h, mi, s) = (part(time, 0, 2), part(time, 2, 4), part(time, 4, 6));
    let ts = from_rfc3339(&format!("{y}-{mo}-{d}T{h}:{mi}:{s}+08:00"))?;
    let late = after_hours && h.as_str() < AFTER_MIDNIGHT;
    Ok(EpochNs(if late { ts.0.saturating_add(DAY_NS) } else { ts.0 }))
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
        assert_eq!(
            Mis.read(br#"{"rtcode":"9999"}"#, EpochNs(0), &mut out),
            Ok(Reading::Quiet(Quiet::VenueError))
        );
        let uneven = br#"{"msgArray":[{"c":"1","a":"1_2_","f":"1_","b":"","g":""}]}"#;
        assert_eq!(Mis.read(uneven, EpochNs(0), &mut out), Err(Refusal::TooManyLevels));
    }

    #[test]
    fn a_session_after_hours_is_of_the_day_on_which_it_began() {
        let read = |symbol: &str, time: &str, px: &str| {
            let text = format!(
                r#"{{"RtCode":"0","RtData":{{"QuoteList":[{{"SymbolID":"{symbol}","CDate":"20240108","CTime":"{time}","CBidPrice1":"{px}","CBidSize1":"1","CAskPrice1":"","CAskSize1":""}}]}}}}"#
            );
            let mut out = Vec::new();
            Mis.read(text.as_bytes(), EpochNs(0), &mut out).map(|_| match out.first() {
                Some(Record::Book(book)) => book.ts.map(|ts| ts.0),
                _ => None,
            })
        };
        // 2024-01-08T15:00:01+08:00, and twelve hours and 16 minutes later.
        assert_eq!(read("TXFA4-M", "150001", "1"), Ok(Some(1_704_697_201_000_000_000)));
        assert_eq!(read("TXFA4-M", "031601", "1"), Ok(Some(1_704_741_361_000_000_000)));
        assert_eq!(read("TXFA4-F", "084501", "1"), Ok(Some(1_704_674_701_000_000_000)));
        assert_eq!(read("TXF-S", "133315", "1"), Ok(None), "an index has no book");
        assert_eq!(read("TXFA4-F", "254501", "1"), Err(Refusal::BadTime));
        assert_eq!(read("TXFA4-F", "", "1"), Err(Refusal::BadTime));
        assert_eq!(read("TXFA4-F", "084501", "-1"), Err(Refusal::PxZeroOrNeg));
    }
}
