//! Independent Reserve: order-by-order books, one channel per coin with its price in every quote currency.
//!
//! Source: Independent Reserve websocket feed, `orderbook-<coin>` and `ticker-<coin>-<currency>`; `GetAllOrders` by request.

use crate::json::Json;
use crate::limits::ORDERS_MAX;
use crate::{Dialect, Level, Order, OrderChange, Orders, Quiet, Record, Refusal, Side, Stop, Trade};
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug)]
pub struct IndependentReserve {
    /// The pairs that are read, as `dot-nzd`: a coin's order is given once for each of its currencies.
    pub pairs: Vec<String>,
}

impl Dialect for IndependentReserve {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        let change = match message.word("Event") {
            "NewOrder" => OrderChange::New,
            "OrderChanged" => OrderChange::Change,
            "OrderCanceled" => OrderChange::Cancel,
            "Trade" => {
                out.push(Record::Trade(trade(message)?));
                return Ok(());
            }
            "Heartbeat" | "Subscriptions" | "Unsubscribed" => return Err(Quiet::Control.into()),
            "Error" => return Err(Quiet::VenueError.into()),
            _ => return Err(Refusal::UnknownEvent.into()),
        };
        let coin = message.word("Channel").strip_prefix("orderbook-").ok_or(Refusal::UnknownEvent)?;
        let data = message.need("Data")?;
        let (before, side) = (out.len(), side(data.word("OrderType"))?);
        for pair in self.pairs.iter().filter(|pair| pair.split('-').next() == Some(coin)) {
            let currency = pair.split('-').nth(1).unwrap_or("");
            out.push(Record::Order(Order {
                symbol: pair.clone(),
                change,
                id: data.need("OrderGuid")?.name()?,
                side,
                px: match data.get("Price") {
                    Some(prices) => Some(prices.need(currency)?.px()?),
                    None => None,
                },
                qty: data.get("Volume").map(Json::qty).transpose()?,
                ts: Some(message.need("Time")?.time()?),
                seq: Some(message.need("Nonce")?.id()?),
            }));
        }
        if out.len() == before { Err(Quiet::OtherChannel.into()) } else { Ok(()) }
    }

    fn fetched(
        &mut self,
        symbol: &str,
        message: &Json<'_>,
        _recv: EpochNs,
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        let mut orders = Vec::new();
        for (key, side) in [("BuyOrders", Side::Buy), ("SellOrders", Side::Sell)] {
            let items = message.need(key)?.items()?;
            if items.len() > ORDERS_MAX {
                return Err(Refusal::TooManyLevels.into());
            }
            for item in items {
                // Bids at price 0 do stand in this venue's books.
                let level = Level { px: item.need("Price")?.qty()?, qty: item.need("Volume")?.qty()? };
                orders.push((side, item.need("Guid")?.name()?, level));
            }
        }
        let ts = message.get("CreatedTimestampUtc").map(Json::time).transpose()?;
        out.push(Record::Orders(Orders { symbol: symbol.to_string(), orders, ts }));
        Ok(())
    }
}

fn side(kind: &str) -> Result<Side, Refusal> {
    match kind {
        "LimitBid" | "MarketBid" => Ok(Side::Buy),
        "LimitOffer" | "MarketOffer" => Ok(Side::Sell),
        _ => Err(Refusal::BadSide),
    }
}

/// On `ticker-<coin>-<currency>`; the side is the taker's.
fn trade(message: &Json<'_>) -> Result<Trade, Refusal> {
    let data = message.need("Data")?;
    Ok(Trade {
        symbol: message.word("Channel").strip_prefix("ticker-").ok_or(Refusal::UnknownEvent)?.to_string(),
        id: Some(data.need("TradeGuid")?.name()?),
        px: data.need("Price")?.px()?,
        qty: data.need("Volume")?.traded()?,
        side: data.need("Side")?.side()?,
        ts: Some(data.get("TradeDate").map_or_else(|| message.need("Time"), Ok)?.time()?),
    })
}
