//! Coinbase Exchange (formerly Pro), websocket feed: `snapshot`, `l2update`, `match`, `ticker`.
//!
//! Source: docs.cdp.coinbase.com, Exchange websocket channels.

use crate::fields::{optional, pairs};
use crate::json::Json;
use crate::limits::LEVELS_MAX;
use crate::{Book, Dialect, Level, Quiet, Quote, Record, Refusal, Side, Stop, Trade};
use tidegate_units::EpochNs;

/// Reads every product of one connection; keeps nothing.
#[derive(Debug, Default)]
pub struct Coinbase;

impl Dialect for Coinbase {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        match message.word("type") {
            "snapshot" => out.push(Record::Book(Book {
                symbol: message.need("product_id")?.name()?,
                snapshot: true,
                bids: pairs(message.need("bids")?)?,
                asks: pairs(message.need("asks")?)?,
                ts: message.get("time").map(Json::time).transpose()?,
                ..Book::default()
            })),
            "l2update" => out.push(Record::Book(update(message)?)),
            // `side` is the maker's; the aggressor is on the other side.
            "match" | "last_match" => out.push(Record::Trade(Trade {
                symbol: message.need("product_id")?.name()?,
                id: Some(message.need("trade_id")?.name()?),
                px: message.need("price")?.px()?,
                qty: message.need("size")?.traded()?,
                side: message.need("side")?.side()?.opposite(),
                ts: Some(message.need("time")?.time()?),
            })),
            "ticker" => out.push(Record::Quote(Quote {
                symbol: message.need("product_id")?.name()?,
                bid_px: Some(message.need("best_bid")?.px()?),
                bid_qty: optional(message, "best_bid_size")?,
                ask_px: Some(message.need("best_ask")?.px()?),
                ask_qty: optional(message, "best_ask_size")?,
                ts: message.get("time").map(Json::time).transpose()?,
            })),
            "subscriptions" | "heartbeat" => return Err(Quiet::Control.into()),
            "error" => return Err(Quiet::VenueError.into()),
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }
}

/// `changes` is a list of `[side, price, size]` with absolute sizes.
fn update(message: &Json<'_>) -> Result<Book, Refusal> {
    let mut book = Book {
        symbol: message.need("product_id")?.name()?,
        ts: Some(message.need("time")?.time()?),
        ..Book::default()
    };
    let changes = message.need("changes")?.items()?;
    if changes.len() > LEVELS_MAX {
        return Err(Refusal::TooManyLevels);
    }
    for change in changes {
        let level = Level { px: change.need_at(1)?.px()?, qty: change.need_at(2)?.qty()? };
        match change.need_at(0)?.side()? {
            Side::Buy => book.bids.push(level),
            _ => book.asks.push(level),
        }
    }
    Ok(book)
}
