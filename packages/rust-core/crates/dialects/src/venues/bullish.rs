//! Bullish: anonymous trades. Source: Bullish trading API, websocket multi-orderbook and trade feeds.

use crate::json::Json;
use crate::time::from_rfc3339;
use crate::{Dialect, Quiet, Record, Refusal, Side, Stop, Trade};
use tidegate_units::EpochNs;

/// Reads one connection; keeps nothing.
#[derive(Debug, Default)]
pub struct Bullish;

impl Dialect for Bullish {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        match message.word("dataType") {
            "V1TAHeartbeat" => return Err(Quiet::Control.into()),
            "V1TAErrorResponse" => return Err(Quiet::VenueError.into()),
            "V1TAAnonymousTradeUpdate" if message.word("type") == "snapshot" => {
                return Err(Quiet::History.into());
            }
            "V1TAAnonymousTradeUpdate" => {}
            _ if message.get("jsonrpc").is_some() => return Err(Quiet::Control.into()),
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        for print in message.need("data")?.need("trades")?.items()? {
            out.push(Record::Trade(Trade {
                symbol: print.need("symbol")?.name()?,
                id: Some(print.need("tradeId")?.name()?),
                px: print.need("price")?.px()?,
                qty: print.need("quantity")?.traded()?,
                side: aggressor(print)?,
                ts: Some(from_rfc3339(print.need("createdAtDatetime")?.str().ok_or(Refusal::BadTime)?)?),
            }));
        }
        Ok(())
    }
}

/// A print names one party's side and whether that party was the taker.
fn aggressor(print: &Json<'_>) -> Result<Side, Refusal> {
    let side = print.need("side")?.side()?;
    match print.need("isTaker")? {
        Json::Bool(true) => Ok(side),
        Json::Bool(false) => Ok(side.opposite()),
        _ => Err(Refusal::BadSide),
    }
}
