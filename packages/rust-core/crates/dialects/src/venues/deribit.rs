//! Deribit: JSON-RPC notifications, `{"method": "subscription", "params": {"channel", "data"}}`; and bodies of its public
//! requests. Source: Deribit API v2, subscription channels.

use crate::dec::Dec;
use crate::derivative::{Change, Derivatives};
use crate::fields::optional;
use crate::json::Json;
use crate::limits::LEVELS_MAX;
use crate::{Bar, Book, Dialect, Level, Quiet, Quote, Record, Refusal, Stop, Trade, bodies};
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug, Default)]
pub struct Deribit {
    derivatives: Derivatives,
}

impl Dialect for Deribit {
    fn message(&mut self, message: &Json<'_>, recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        match message.word("method") {
            "subscription" => {}
            "heartbeat" => return Err(Quiet::Control.into()),
            _ => return self.answer(message, recv, out),
        }
        let params = message.need("params")?;
        let channel = params.word("channel");
        let data = params.need("data")?;
        match channel.split('.').next().unwrap_or("") {
            "book" => out.push(Record::Book(book(data)?)),
            "trades" => {
                for print in data.items()? {
                    out.push(Record::Trade(trade(print)?));
                }
            }
            "quote" => out.push(Record::Quote(quote(data)?)),
            "ticker" => {
                let change = Change {
                    last_px: optional(data, "last_price")?,
                    mark_px: optional(data, "mark_price")?,
                    index_px: optional(data, "index_price")?,
                    open_interest: optional(data, "open_interest")?,
                    funding_rate: optional(data, "current_funding")?,
                    ts: Some(data.need("timestamp")?.time()?),
                    ..Change::default()
                };
                self.derivatives.change(&data.need("instrument_name")?.name()?, &change, out)?;
                out.push(Record::Quote(quote(data)?));
            }
            "chart" => out.push(Record::Bar(Bar {
                // `chart.trades.BTC-PERPETUAL.1`
                symbol: channel.split('.').nth(2).ok_or(Refusal::Malformed)?.to_string(),
                open: data.need("open")?.px()?,
                high: data.need("high")?.px()?,
                low: data.need("low")?.px()?,
                close: data.need("close")?.px()?,
                volume: data.need("volume")?.qty()?,
                start: data.need("tick")?.time()?,
                closed: false,
            })),
            "user" => return Err(Quiet::NotMarketData.into()),
            "instrument" | "platform_state" => return Err(Quiet::Reference.into()),
            "deribit_volatility_index"
            | "deribit_price_index"
            | "deribit_price_ranking"
            | "markprice"
            | "perpetual"
            | "estimated_expiration_price"
            | "incremental_ticker" => {
                return Err(Quiet::NotCarried.into());
            }
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }

    fn fetched(
        &mut self,
        _symbol: &str,
        message: &Json<'_>,
        recv: EpochNs,
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        self.answer(message, recv, out)
    }
}

impl Deribit {
    /// The answer to a request: prints, a book, or something else that its fields name.
    fn answer(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        if message.get("error").is_some() {
            return Err(Quiet::VenueError.into());
        }
        if message.get("jsonrpc").is_none() {
            return Err(Refusal::UnknownEvent.into());
        }
        let result = message.need("result")?;
        if let Some(trades) = result.get("trades").filter(|_| result.get("order").is_none()) {
            for print in trades.items()? {
                out.push(Record::Trade(trade(print)?));
            }
            return Ok(());
        }
        if result.get("bids").is_some() && result.get("asks").is_some() {
            let mut book = book(result)?;
            book.snapshot = true;
            out.push(Record::Book(book));
            return Ok(());
        }
        if result.get("ticks").is_some() {
            return Err(Quiet::NotCarried.into());
        }
        match result {
            Json::Num(_) => Err(Quiet::Control.into()),
            Json::Arr(items) if items.iter().all(|item| item.str().is_some()) => Err(Quiet::Control.into()),
            _ => Err(bodies::class(result).map_or(Stop::Refused(Refusal::UnknownEvent), Stop::Quiet)),
        }
    }
}

/// Levels are `[action, px, qty]` in changes, `[px, qty]` in grouped books and answers.
fn book(data: &Json<'_>) -> Result<Book, Refusal> {
    let side = |key: &str| -> Result<Vec<Level>, Refusal> {
        let items = data.need(key)?.items()?;
        if items.len() > LEVELS_MAX {
            return Err(Refusal::TooManyLevels);
        }
        items
            .iter()
            .map(|item| match item.need_at(0)?.str() {
                Some("delete") => Ok(Level { px: item.need_at(1)?.px()?, qty: Dec::ZERO }),
                Some("new" | "change") => {
                    Ok(Level { px: item.need_at(1)?.px()?, qty: item.need_at(2)?.qty()? })
                }
                Some(_) => Err(Refusal::UnknownEvent),
                None => Ok(Level { px: item.need_at(0)?.px()?, qty: item.need_at(1)?.qty()? }),
            })
            .collect()
    };
    Ok(Book {
        symbol: data.need("instrument_name")?.name()?,
        // A grouped book has no type and is always whole.
        snapshot: data.word("type") != "change",
        bids: side("bids")?,
        asks: side("asks")?,
        ts: Some(data.need("timestamp")?.time()?),
        last_id: data.get("change_id").map(Json::id).transpose()?,
        prev_id: data.get("prev_change_id").map(Json::id).transpose()?,
        ..Book::default()
    })
}

fn trade(print: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: print.need("instrument_name")?.name()?,
        id: Some(print.need("trade_id")?.name()?),
        px: print.need("price")?.px()?,
        qty: print.need("amount")?.traded()?,
        side: print.need("direction")?.side()?,
        ts: Some(print.need("timestamp")?.time()?),
    })
}

fn quote(data: &Json<'_>) -> Result<Quote, Refusal> {
    Ok(Quote {
        symbol: data.need("instrument_name")?.name()?,
        bid_px: optional(data, "best_bid_price")?,
        bid_qty: optional(data, "best_bid_amount")?,
        ask_px: optional(data, "best_ask_price")?,
        ask_qty: optional(data, "best_ask_amount")?,
        ts: Some(data.need("timestamp")?.time()?),
    })
}
