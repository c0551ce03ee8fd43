//! Bitget: version 2 (`arg.channel`) and version 3 (`arg.topic`). Source: Bitget websocket documentation, public channels.

use crate::fields::pairs_of;
use crate::json::Json;
use crate::{Book, Dialect, Quiet, Quote, Record, Refusal, Stop, Trade};
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug)]
pub struct Bitget {
    /// The channel of the book: `books`, with changes, or `books15`, always whole.
    pub book: &'static str,
}

impl Dialect for Bitget {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        match message.get("event").and_then(Json::str) {
            Some("error") => return Err(Quiet::VenueError.into()),
            Some(_) => return Err(Quiet::Control.into()),
            None => {}
        }
        let arg = message.need("arg")?;
        let channel = arg.get("channel").or_else(|| arg.get("topic")).and_then(Json::str).unwrap_or("");
        let symbol = arg.get("instId").or_else(|| arg.get("symbol")).ok_or(Refusal::MissingField)?.name()?;
        let snapshot = message.word("action") == "snapshot";
        for item in message.need("data")?.items()? {
            match channel {
                // The first message of a subscription holds the latest prints before it.
                "trade" | "publicTrade" if snapshot => return Err(Quiet::History.into()),
                "trade" => out.push(Record::Trade(Trade {
                    symbol: symbol.clone(),
                    id: Some(item.need("tradeId")?.name()?),
                    px: item.need("price")?.px()?,
                    qty: item.need("size")?.traded()?,
                    side: item.need("side")?.side()?,
                    ts: Some(item.need("ts")?.time()?),
                })),
                "publicTrade" => out.push(Record::Trade(Trade {
                    symbol: symbol.clone(),
                    id: Some(item.need("i")?.name()?),
                    px: item.need("p")?.px()?,
                    qty: item.need("v")?.traded()?,
                    side: item.need("S")?.side()?,
                    ts: Some(item.need("T")?.time()?),
                })),
                "books1" => {
                    let top = book(symbol.clone(), item, true)?;
                    let (bid, ask) = (top.bids.first().copied(), top.asks.first().copied());
                    out.push(Record::Quote(Quote {
                        symbol: top.symbol,
                        bid_px: bid.map(|l| l.px),
                        bid_qty: bid.map(|l| l.qty),
                        ask_px: ask.map(|l| l.px),
                        ask_qty: ask.map(|l| l.qty),
                        ts: top.ts,
                    }));
                }
                "books" | "books5" | "books15" | "books50" if channel == self.book => {
                    out.push(Record::Book(book(symbol.clone(), item, snapshot)?));
                }
                "books" | "books5" | "books15" | "books50" => return Err(Quiet::OtherChannel.into()),
                "ticker" => return Err(Quiet::NotCarried.into()),
                _ => return Err(Refusal::UnknownEvent.into()),
            }
        }
        Ok(())
    }
}

fn book(symbol: String, item: &Json<'_>, snapshot: bool) -> Result<Book, Refusal> {
    let side = |long: &str, short: &str| pairs_of(item, if item.get(long).is_some() { long } else { short });
    let checksum = match item.get("checksum") {
        None => None,
        Some(value) => value.dec()?.at_scale(0).and_then(|n| i64::try_from(n).ok()),
    };
    Ok(Book {
        symbol,
        snapshot,
        bids: side("bids", "b")?,
        asks: side("asks", "a")?,
        ts: Some(item.need("ts")?.time()?),
        first_id: None,
        last_id: item.get("seq").map(Json::id).transpose()?,
        prev_id: item.get("pseq").map(Json::id).transpose()?,
        checksum,
    })
}
