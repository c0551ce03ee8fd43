//! Bitstamp, websocket version 2: `live_trades_*` and `diff_order_book_*`; snapshots by request. The µs time numbers the
//! changes. Source: Bitstamp websocket API v2.

use crate::fields::pairs;
use crate::held::{Held, StaleRule};
use crate::json::Json;
use crate::{Book, Dialect, Quiet, Record, Refusal, Side, Stop, Trade};
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug)]
pub struct Bitstamp {
    held: Held,
}

impl Default for Bitstamp {
    fn default() -> Self {
        Self { held: Held::new(StaleRule::AtOrBelow) }
    }
}

impl Dialect for Bitstamp {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        let event = message.word("event");
        if event.starts_with("bts:error") {
            return Err(Quiet::VenueError.into());
        }
        if event.starts_with("bts:") {
            return Err(Quiet::Control.into());
        }
        let (kind, symbol) = message.word("channel").rsplit_once('_').ok_or(Refusal::UnknownEvent)?;
        let data = message.need("data")?;
        match (kind, event) {
            ("live_trades", "trade") => out.push(Record::Trade(trade(symbol, data)?)),
            ("diff_order_book", "data") => {
                out.push(Record::Book(self.held.change(book(symbol, data, false)?)?))
            }
            ("order_book", "data") => out.push(Record::Book(book(symbol, data, true)?)),
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
        out.push(Record::Book(self.held.snapshot(book(symbol, message, true)?)?));
        Ok(())
    }
}

fn book(symbol: &str, data: &Json<'_>, snapshot: bool) -> Result<Book, Refusal> {
    let stamp = data.need("microtimestamp")?;
    Ok(Book {
        symbol: symbol.to_string(),
        snapshot,
        bids: pairs(data.need("bids")?)?,
        asks: pairs(data.need("asks")?)?,
        ts: Some(stamp.time()?),
        last_id: Some(stamp.id()?),
        ..Book::default()
    })
}

/// `type` 0 is a purchase, 1 a sale; the `_str` fields keep the digits.
fn trade(symbol: &str, data: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: symbol.to_string(),
        id: Some(data.need("id")?.name()?),
        px: data.need("price_str")?.px()?,
        qty: data.need("amount_str")?.traded()?,
        side: match data.need("type")? {
            Json::Num("0") => Side::Buy,
            Json::Num("1") => Side::Sell,
            _ => return Err(Refusal::BadSide),
        },
        ts: Some(data.need("microtimestamp")?.time()?),
    })
}
