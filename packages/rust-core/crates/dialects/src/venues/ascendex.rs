//! AscendEX: `{"m", "symbol", "data"}`. Source: AscendEX websocket documentation, market data.

use crate::derivative::{Change, Derivatives};
use crate::fields::{optional, pairs_of};
use crate::json::Json;
use crate::{Book, Dialect, Quiet, Quote, Record, Refusal, Side, Stop, Trade};
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug, Default)]
pub struct Ascendex {
    derivatives: Derivatives,
}

impl Dialect for Ascendex {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        let kind = message.word("m");
        match kind {
            "trades" => {
                let symbol = message.need("symbol")?.name()?;
                for print in message.need("data")?.items()? {
                    let trade = trade(&symbol, print)?;
                    let last = Change { last_px: Some(trade.px), ..Change::default() };
                    out.push(Record::Trade(trade));
                    if symbol.ends_with("-PERP") {
                        self.derivatives.note(&symbol, &last)?;
                    }
                }
            }
            "depth-realtime" | "depth-snapshot-realtime" | "depth-snapshot" | "depth" => {
                let data = message.need("data")?;
                out.push(Record::Book(Book {
                    symbol: message.need("symbol")?.name()?,
                    snapshot: kind.starts_with("depth-snapshot"),
                    bids: pairs_of(data, "bids")?,
                    asks: pairs_of(data, "asks")?,
                    // A snapshot before the first change of the session has time 0.
                    ts: Some(data.need("ts")?.time()?).filter(|time| time.0 > 0),
                    last_id: data.get("seqnum").map(Json::id).transpose()?,
                    ..Book::default()
                }));
            }
            "bbo" => {
                let data = message.need("data")?;
                let (bid, ask) = (data.get("bid"), data.get("ask"));
                let part = |side: Option<&Json<'_>>, index: usize| match side.and_then(|pair| pair.at(index))
                {
                    Some(value) => value.dec().map(Some),
                    None => Ok(None),
                };
                out.push(Record::Quote(Quote {
                    symbol: message.need("symbol")?.name()?,
                    bid_px: part(bid, 0)?,
                    bid_qty: part(bid, 1)?,
                    ask_px: part(ask, 0)?,
                    ask_qty: part(ask, 1)?,
                    ts: Some(data.need("ts")?.time()?),
                }));
            }
            "futures-pricing-data" => {
                for contract in message.need("con")?.items()? {
                    let change = Change {
                        mark_px: optional(contract, "mp")?,
                        index_px: optional(contract, "ip")?,
                        open_interest: optional(contract, "oi")?,
                        funding_rate: optional(contract, "r")?,
                        funding_ts: contract.get("f").map(Json::time).transpose()?,
                        ts: Some(contract.need("t")?.time()?),
                        ..Change::default()
                    };
                    self.derivatives.change(&contract.need("s")?.name()?, &change, out)?;
                }
            }
            "connected" | "sub" | "unsub" | "ping" | "pong" | "auth" => return Err(Quiet::Control.into()),
            "error" => return Err(Quiet::VenueError.into()),
            "order" | "balance" | "futures-order" | "futures-account-update" => {
                return Err(Quiet::NotMarketData.into());
            }
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }
}

/// `bm`: the buyer was the maker.
fn trade(symbol: &str, print: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: symbol.to_string(),
        id: None,
        px: print.need("p")?.px()?,
        qty: print.need("q")?.traded()?,
        side: match print.need("bm")? {
            Json::Bool(true) => Side::Sell,
            Json::Bool(false) => Side::Buy,
            _ => return Err(Refusal::BadSide),
        },
        ts: Some(print.need("ts")?.time()?),
    })
}
