//! Kraken spot, websocket version 1: `[channel, payload…, name, pair]`.
//!
//! A book message has one payload, or two where both sides change; its checksum stands in the last one. Source: Kraken
//! websockets 1.9 documentation, `book`, `trade`, `ticker`, `spread`.

use crate::fields::pairs;
use crate::json::Json;
use crate::{Book, Dialect, Level, Quiet, Quote, Record, Refusal, Stop, Trade};
use tidegate_units::EpochNs;

/// Reads every pair of one connection; keeps nothing.
#[derive(Debug, Default)]
pub struct Kraken;

impl Dialect for Kraken {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        let Json::Arr(items) = message else {
            return Err(match message.word("event") {
                "systemStatus" | "heartbeat" | "pong" => Quiet::Control.into(),
                "subscriptionStatus" if message.word("status") == "error" => Quiet::VenueError.into(),
                "subscriptionStatus" => Quiet::Control.into(),
                _ => Stop::Refused(Refusal::UnknownEvent),
            });
        };
        let [_, payload @ .., name, pair] = items.as_slice() else { return Err(Refusal::Malformed.into()) };
        let symbol = pair.name()?;
        let name = name.str().ok_or(Refusal::Malformed)?;
        let first = payload.first().ok_or(Refusal::MissingField)?;
        match name.split('-').next().unwrap_or("") {
            "book" => out.push(Record::Book(book(symbol, payload)?)),
            "trade" => {
                for print in first.items()? {
                    out.push(Record::Trade(trade(&symbol, print)?));
                }
            }
            "ticker" => out.push(Record::Quote(ticker(symbol, first)?)),
            "spread" => out.push(Record::Quote(spread(symbol, first)?)),
            "ohlc" => return Err(Quiet::NotCarried.into()),
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }
}

/// `as`/`bs` hold the whole book, `a`/`b` changes; levels are `[price, volume, time, …]`.
fn book(symbol: String, payload: &[Json<'_>]) -> Result<Book, Refusal> {
    let mut book = Book { symbol, ..Book::default() };
    let mut sides = 0;
    for part in payload {
        for (key, whole, bid) in
            [("as", true, false), ("bs", true, true), ("a", false, false), ("b", false, true)]
        {
            let Some(list) = part.get(key) else { continue };
            sides += 1;
            if sides > 1 && book.snapshot != whole {
                return Err(Refusal::Malformed);
            }
            book.snapshot = whole;
            for level in list.items()? {
                let ts = level.need_at(2)?.time()?;
                book.ts = Some(book.ts.map_or(ts, |known| known.max(ts)));
            }
            let levels = pairs(list)?;
            if bid { book.bids.extend(levels) } else { book.asks.extend(levels) }
        }
        if let Some(checksum) = part.get("c") {
            let value = i64::try_from(checksum.id()?).map_err(|_| Refusal::BadSequence)?;
            book.checksum = Some(value);
        }
    }
    if sides == 0 { Err(Refusal::MissingField) } else { Ok(book) }
}

/// `[price, volume, time, side, order type, misc]`.
fn trade(symbol: &str, print: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: symbol.to_string(),
        id: None,
        px: print.need_at(0)?.px()?,
        qty: print.need_at(1)?.traded()?,
        ts: Some(print.need_at(2)?.time()?),
        side: print.need_at(3)?.side()?,
    })
}

/// `a` and `b` are `[price, whole lots, lots]`.
fn ticker(symbol: String, payload: &Json<'_>) -> Result<Quote, Refusal> {
    let side = |key: &str| -> Result<Level, Refusal> {
        let list = payload.need(key)?;
        Ok(Level { px: list.need_at(0)?.px()?, qty: list.need_at(2)?.qty()? })
    };
    let (bid, ask) = (side("b")?, side("a")?);
    Ok(Quote {
        symbol,
        bid_px: Some(bid.px),
        bid_qty: Some(bid.qty),
        ask_px: Some(ask.px),
        ask_qty: Some(ask.qty),
        ts: None,
    })
}

/// `[bid, ask, time, bid volume, ask volume]`.
fn spread(symbol: String, payload: &Json<'_>) -> Result<Quote, Refusal> {
    Ok(Quote {
        symbol,
        bid_px: Some(payload.need_at(0)?.px()?),
        ask_px: Some(payload.need_at(1)?.px()?),
        ts: Some(payload.need_at(2)?.time()?),
        bid_qty: Some(payload.need_at(3)?.qty()?),
        ask_qty: Some(payload.need_at(4)?.qty()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    #[test]
    fn both_sides_in_one_message_share_one_checksum() {
        let text = br#"[1920,{"a":[["0.042990","364630.28272081","1618678145.920470"]]},{"b":[["0.042990","0.00000000","1618678145.920708"]],"c":"4105471083"},"book-1000","SC/EUR"]"#;
        let mut out = Vec::new();
        Kraken.read(text, EpochNs(0), &mut out).unwrap();
        let Some(Record::Book(book)) = out.first() else { panic!("a book") };
        assert_eq!((book.asks.len(), book.bids.len(), book.snapshot), (1, 1, false));
        assert_eq!((book.checksum, book.ts), (Some(4_105_471_083), Some(EpochNs(1_618_678_145_920_708_000))));
        assert_eq!(book.asks[0].px.to_string(), "0.042990");
        assert_eq!(Side::Buy, Json::Str("b".into()).side().unwrap());
    }
}
