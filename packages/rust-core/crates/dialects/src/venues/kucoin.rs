//! KuCoin: `{"type": "message", "topic", "subject", "data"}`.
//!
//! Each change of a book has its own sequence, and a price of 0 stands for a change outside the book. Source: KuCoin
//! websocket feed, market channels.

use crate::fields::{optional, pairs};
use crate::held::{Held, StaleRule};
use crate::json::Json;
use crate::limits::LEVELS_MAX;
use crate::{Bar, Book, Dialect, Level, Quiet, Quote, Record, Refusal, Stop, Trade};
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug)]
pub struct Kucoin {
    held: Held,
}

impl Default for Kucoin {
    fn default() -> Self {
        Self { held: Held::new(StaleRule::AtOrBelow) }
    }
}

impl Dialect for Kucoin {
    fn message(&mut self, message: &Json<'_>, recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        match message.word("type") {
            "pong" | "welcome" | "ack" => return Err(Quiet::Control.into()),
            "error" => return Err(Quiet::VenueError.into()),
            "message" => {}
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        let data = message.need("data")?;
        let topic = message.word("topic");
        let symbol = topic.split_once(':').map_or("", |(_, symbol)| symbol);
        if symbol.is_empty() {
            return Err(Refusal::MissingField.into());
        }
        match message.word("subject") {
            "trade.l3match" => out.push(Record::Trade(Trade {
                symbol: data.need("symbol")?.name()?,
                id: Some(data.need("tradeId")?.name()?),
                px: data.need("price")?.px()?,
                qty: data.need("size")?.traded()?,
                side: data.need("side")?.side()?,
                ts: Some(data.need("time")?.time()?),
            })),
            "trade.ticker" => out.push(Record::Quote(Quote {
                symbol: symbol.to_string(),
                bid_px: optional(data, "bestBid")?,
                bid_qty: optional(data, "bestBidSize")?,
                ask_px: optional(data, "bestAsk")?,
                ask_qty: optional(data, "bestAskSize")?,
                ts: data.get("time").map(Json::time).transpose()?,
            })),
            "trade.l2update" => {
                // A change that is empty to us still moves the sequence on.
                let change = self.held.change(change(data)?)?;
                if change.bids.is_empty() && change.asks.is_empty() {
                    return Err(Quiet::NoChange.into());
                }
                out.push(Record::Book(change));
            }
            "trade.l2Snapshot" => return self.fetched(symbol, message, recv, out),
            "trade.candles.add" | "trade.candles.update" => out.push(Record::Bar(bar(data)?)),
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }

    fn fetched(
        &mut self,
        symbol: &str,
        message: &Json<'_>,
        _recv: EpochNs,
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        let data = message.need("data")?;
        let book = Book {
            symbol: symbol.to_string(),
            snapshot: true,
            bids: pairs(data.need("bids")?)?,
            asks: pairs(data.need("asks")?)?,
            ts: data.get("time").map(Json::time).transpose()?,
            last_id: Some(data.need("sequence")?.id()?),
            ..Book::default()
        };
        out.push(Record::Book(self.held.snapshot(book)?));
        Ok(())
    }
}

/// `changes` are `[px, qty, sequence]`.
fn change(data: &Json<'_>) -> Result<Book, Refusal> {
    let changes = data.need("changes")?;
    let side = |key: &str| -> Result<Vec<Level>, Refusal> {
        let items = changes.need(key)?.items()?;
        if items.len() > LEVELS_MAX {
            return Err(Refusal::TooManyLevels);
        }
        let mut levels = Vec::new();
        for item in items {
            let px = item.need_at(0)?.dec()?;
            if px.is_negative() {
                return Err(Refusal::PxZeroOrNeg);
            }
            let qty = item.need_at(1)?.qty()?;
            if !px.is_zero() {
                levels.push(Level { px, qty });
            }
        }
        Ok(levels)
    };
    Ok(Book {
        symbol: data.need("symbol")?.name()?,
        snapshot: false,
        bids: side("bids")?,
        asks: side("asks")?,
        ts: data.get("time").map(Json::time).transpose()?,
        first_id: Some(data.need("sequenceStart")?.id()?),
        last_id: Some(data.need("sequenceEnd")?.id()?),
        ..Book::default()
    })
}

/// `candles` is `[start, open, close, high, low, volume, turnover]`.
fn bar(data: &Json<'_>) -> Result<Bar, Refusal> {
    let candle = data.need("candles")?;
    Ok(Bar {
        symbol: data.need("symbol")?.name()?,
        start: candle.need_at(0)?.time()?,
        open: candle.need_at(1)?.px()?,
        close: candle.need_at(2)?.px()?,
        high: candle.need_at(3)?.px()?,
        low: candle.need_at(4)?.px()?,
        volume: candle.need_at(5)?.qty()?,
        closed: false,
    })
}
