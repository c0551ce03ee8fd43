//! Kraken Futures, websocket version 1: `{"feed", "product_id", …}`; and bodies of its public requests.
//!
//! Source: Kraken Futures websocket documentation, `book`, `trade`, `ticker`.

use crate::derivative::{Change, Derivatives};
use crate::fields::{levels_of, optional, pairs};
use crate::json::Json;
use crate::{Bar, Book, Dialect, Level, Quiet, Quote, Record, Refusal, Side, Stop, Trade, bodies};
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug, Default)]
pub struct KrakenFutures {
    /// Also gives out the prints which the venue sends once per subscription.
    pub history: bool,
    derivatives: Derivatives,
}

impl Dialect for KrakenFutures {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        match message.get("event").and_then(Json::str) {
            Some("error" | "alert") => return Err(Quiet::VenueError.into()),
            Some(_) => return Err(Quiet::Control.into()),
            None => {}
        }
        match message.word("feed") {
            "book_snapshot" => out.push(Record::Book(Book {
                symbol: message.need("product_id")?.name()?,
                snapshot: true,
                bids: levels_of(message.need("bids")?, "price", "qty")?,
                asks: levels_of(message.need("asks")?, "price", "qty")?,
                ts: Some(message.need("timestamp")?.time()?),
                last_id: Some(message.need("seq")?.id()?),
                ..Book::default()
            })),
            "book" => out.push(Record::Book(change(message)?)),
            "trade" => out.push(Record::Trade(trade(message)?)),
            "trade_snapshot" if self.history => {
                for print in message.need("trades")?.items()? {
                    out.push(Record::Trade(trade(print)?));
                }
            }
            "trade_snapshot" => return Err(Quiet::History.into()),
            "ticker" => {
                let symbol = message.need("product_id")?.name()?;
                let ts = Some(message.need("time")?.time()?);
                let change = Change {
                    last_px: optional(message, "last")?,
                    mark_px: optional(message, "markPrice")?,
                    index_px: optional(message, "index")?,
                    open_interest: optional(message, "openInterest")?,
                    funding_rate: optional(message, "funding_rate")?,
                    predicted_funding_rate: optional(message, "funding_rate_prediction")?,
                    funding_ts: message.get("next_funding_rate_time").map(Json::time).transpose()?,
                    ts,
                };
                self.derivatives.change(&symbol, &change, out)?;
                out.push(Record::Quote(Quote {
                    symbol,
                    bid_px: optional(message, "bid")?,
                    bid_qty: optional(message, "bid_size")?,
                    ask_px: optional(message, "ask")?,
                    ask_qty: optional(message, "ask_size")?,
                    ts,
                }));
            }
            "ticker_lite" => return Err(Quiet::NotCarried.into()),
            "heartbeat" => return Err(Quiet::Control.into()),
            feed if [
                "open_orders",
                "fills",
                "open_positions",
                "balances",
                "account_log",
                "notifications_auth",
            ]
            .iter()
            .any(|private| feed.starts_with(private)) =>
            {
                return Err(Quiet::NotMarketData.into());
            }
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
        if let Some(book) = message.get("orderBook") {
            out.push(Record::Book(Book {
                symbol: symbol.to_string(),
                snapshot: true,
                bids: pairs(book.need("bids")?)?,
                asks: pairs(book.need("asks")?)?,
                ts: message.get("serverTime").map(Json::time).transpose()?,
                ..Book::default()
            }));
        } else if let Some(candles) = message.get("candles") {
            for candle in candles.items()? {
                out.push(Record::Bar(Bar {
                    symbol: symbol.to_string(),
                    open: candle.need("open")?.px()?,
                    high: candle.need("high")?.px()?,
                    low: candle.need("low")?.px()?,
                    close: candle.need("close")?.px()?,
                    volume: candle.need("volume")?.qty()?,
                    start: candle.need("time")?.time()?,
                    closed: false,
                }));
            }
        } else if let Some(elements) = message.get("elements") {
            for element in elements.items()? {
                let event = element.need("event")?;
                let Some(execution) = event.get("Execution").and_then(|outer| outer.get("execution")) else {
                    return Err(Quiet::NotMarketData.into());
                };
                out.push(Record::Trade(Trade {
                    symbol: execution.need("takerOrder")?.need("tradeable")?.name()?,
                    id: Some(execution.need("uid")?.name()?),
                    px: execution.need("price")?.px()?,
                    qty: execution.need("quantity")?.traded()?,
                    side: execution.need("takerOrder")?.need("direction")?.side()?,
                    ts: Some(execution.need("timestamp")?.time()?),
                }));
            }
        } else {
            return Err(bodies::class(message).map_or(Stop::Refused(Refusal::UnknownEvent), Stop::Quiet));
        }
        Ok(())
    }
}

/// One level of one side.
fn change(message: &Json<'_>) -> Result<Book, Refusal> {
    let level = Level { px: message.need("price")?.px()?, qty: message.need("qty")?.qty()? };
    let seq = Some(message.need("seq")?.id()?);
    let mut book = Book {
        symbol: message.need("product_id")?.name()?,
        ts: Some(message.need("timestamp")?.time()?),
        first_id: seq,
        last_id: seq,
        ..Book::default()
    };
    match message.need("side")?.side()? {
        Side::Buy => book.bids.push(level),
        _ => book.asks.push(level),
    }
    Ok(book)
}

fn trade(print: &Json<'_>) -> Result<Trade, Stop> {
    if matches!(print.word("type"), "assignment" | "block") {
        return Err(Quiet::NonMarketTrade.into());
    }
    Ok(Trade {
        symbol: print.need("product_id")?.name()?,
        id: Some(print.need("uid")?.name()?),
        px: print.need("price")?.px()?,
        qty: print.need("qty")?.traded()?,
        side: print.need("side")?.side()?,
        ts: Some(print.need("time")?.time()?),
    })
}
