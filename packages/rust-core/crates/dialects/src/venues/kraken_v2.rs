//! Kraken spot, websocket version 2: `{"channel", "type", "data"}`; and bodies of its public requests.
//!
//! Source: Kraken websocket v2 documentation, `book`, `level3`, `trade`, `ticker`, `ohlc`.

use crate::fields::{levels_of, pairs};
use crate::json::Json;
use crate::limits::ORDERS_MAX;
use crate::{
    Bar, Book, Dialect, Level, Order, OrderChange, Orders, Quiet, Quote, Record, Refusal, Side, Stop, Trade,
    bodies,
};
use tidegate_units::EpochNs;

/// Reads every pair of one connection; keeps nothing.
#[derive(Debug, Default)]
pub struct KrakenV2;

impl Dialect for KrakenV2 {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        match message.word("method") {
            "" => {}
            "pong" | "ping" | "subscribe" | "unsubscribe" => return Err(Quiet::Control.into()),
            "add_order"
            | "amend_order"
            | "edit_order"
            | "cancel_order"
            | "cancel_all"
            | "batch_add"
            | "batch_cancel"
            | "cancel_all_orders_after" => return Err(Quiet::NotMarketData.into()),
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        let channel = message.word("channel");
        match channel {
            "heartbeat" | "status" => return Err(Quiet::Control.into()),
            "instrument" => return Err(Quiet::Reference.into()),
            "executions" | "balances" => return Err(Quiet::NotMarketData.into()),
            _ => {}
        }
        let snapshot = message.word("type") == "snapshot";
        for item in message.need("data")?.items()? {
            match channel {
                "book" => out.push(Record::Book(book(item, snapshot)?)),
                "trade" => out.push(Record::Trade(trade(item)?)),
                "ticker" => out.push(Record::Quote(ticker(item)?)),
                "ohlc" => out.push(Record::Bar(bar(item)?)),
                "level3" if snapshot => out.push(Record::Orders(orders(item)?)),
                "level3" => changes(item, out)?,
                _ => return Err(Refusal::UnknownEvent.into()),
            }
        }
        Ok(())
    }

    fn fetched(
        &mut self,
        _symbol: &str,
        message: &Json<'_>,
        _recv: EpochNs,
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        // `{"result": {"<pair>": …}}`
        let Some(Json::Obj(fields)) = message.get("result") else { return Err(unread(message)) };
        let of_pair = |body: &Json<'_>| {
            let rows = matches!(body.at(0), Some(Json::Arr(_)));
            rows || ["asks", "a"].iter().any(|key| matches!(body.get(key), Some(Json::Arr(_))))
        };
        let Some((symbol, body)) = fields.iter().find(|(_, body)| of_pair(body)) else {
            return Err(unread(message));
        };
        match body {
            Json::Obj(_) if body.get("asks").is_some() => out.push(Record::Book(Book {
                symbol: symbol.to_string(),
                snapshot: true,
                bids: pairs(body.need("bids")?)?,
                asks: pairs(body.need("asks")?)?,
                ..Book::default()
            })),
            Json::Obj(_) if body.get("a").is_some() && body.get("b").is_some() => {
                out.push(Record::Quote(Quote {
                    symbol: symbol.to_string(),
                    bid_px: Some(body.need("b")?.need_at(0)?.px()?),
                    bid_qty: Some(body.need("b")?.need_at(2)?.qty()?),
                    ask_px: Some(body.need("a")?.need_at(0)?.px()?),
                    ask_qty: Some(body.need("a")?.need_at(2)?.qty()?),
                    ts: None,
                }));
            }
            Json::Arr(items) if matches!(items.first(), Some(Json::Arr(_))) => {
                for item in items {
                    out.push(listed(symbol, item)?);
                }
            }
            _ => return Err(unread(message)),
        }
        Ok(())
    }
}

fn unread(message: &Json<'_>) -> Stop {
    bodies::class(message).map_or(Stop::Refused(Refusal::UnknownEvent), Stop::Quiet)
}

/// A print `[price, volume, time, side, …, id]`, or a bar `[time, open, high, low, close, vwap, volume, count]`.
fn listed(symbol: &str, item: &Json<'_>) -> Result<Record, Refusal> {
    if item.at(3).and_then(|side| side.side().ok()).is_some() {
        return Ok(Record::Trade(Trade {
            symbol: symbol.to_string(),
            id: item.at(6).map(Json::name).transpose()?,
            px: item.need_at(0)?.px()?,
            qty: item.need_at(1)?.traded()?,
            ts: Some(item.need_at(2)?.time()?),
            side: item.need_at(3)?.side()?,
        }));
    }
    Ok(Record::Bar(Bar {
        symbol: symbol.to_string(),
        start: item.need_at(0)?.time()?,
        open: item.need_at(1)?.px()?,
        high: item.need_at(2)?.px()?,
        low: item.need_at(3)?.px()?,
        close: item.need_at(4)?.px()?,
        volume: item.need_at(6)?.qty()?,
        closed: false,
    }))
}

fn book(item: &Json<'_>, snapshot: bool) -> Result<Book, Refusal> {
    Ok(Book {
        symbol: item.need("symbol")?.name()?,
        snapshot,
        bids: levels_of(item.need("bids")?, "price", "qty")?,
        asks: levels_of(item.need("asks")?, "price", "qty")?,
        ts: item.get("timestamp").map(Json::time).transpose()?,
        checksum: match item.get("checksum") {
            None => None,
            Some(value) => i64::try_from(value.id()?).ok(),
        },
        ..Book::default()
    })
}

fn trade(item: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: item.need("symbol")?.name()?,
        id: Some(item.need("trade_id")?.name()?),
        px: item.need("price")?.px()?,
        qty: item.need("qty")?.traded()?,
        side: item.need("side")?.side()?,
        ts: Some(item.need("timestamp")?.time()?),
    })
}

fn ticker(item: &Json<'_>) -> Result<Quote, Refusal> {
    Ok(Quote {
        symbol: item.need("symbol")?.name()?,
        bid_px: Some(item.need("bid")?.px()?),
        bid_qty: Some(item.need("bid_qty")?.qty()?),
        ask_px: Some(item.need("ask")?.px()?),
        ask_qty: Some(item.need("ask_qty")?.qty()?),
        ts: item.get("timestamp").map(Json::time).transpose()?,
    })
}

fn bar(item: &Json<'_>) -> Result<Bar, Refusal> {
    Ok(Bar {
        symbol: item.need("symbol")?.name()?,
        open: item.need("open")?.px()?,
        high: item.need("high")?.px()?,
        low: item.need("low")?.px()?,
        close: item.need("close")?.px()?,
        volume: item.need("volume")?.qty()?,
        start: item.need("interval_begin")?.time()?,
        closed: false,
    })
}

fn level(order: &Json<'_>) -> Result<Level, Refusal> {
    Ok(Level { px: order.need("limit_price")?.px()?, qty: order.need("order_qty")?.qty()? })
}

const SIDES: [(&str, Side); 2] = [("bids", Side::Buy), ("asks", Side::Sell)];

fn orders(item: &Json<'_>) -> Result<Orders, Refusal> {
    let mut orders = Vec::new();
    for (key, side) in SIDES {
        let list = item.need(key)?.items()?;
        if list.len() > ORDERS_MAX {
            return Err(Refusal::TooManyLevels);
        }
        for order in list {
            orders.push((side, order.need("order_id")?.name()?, level(order)?));
        }
    }
    let ts = item.get("timestamp").map(Json::time).transpose()?;
    Ok(Orders { symbol: item.need("symbol")?.name()?, orders, ts })
}

fn changes(item: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Refusal> {
    for (key, side) in SIDES {
        for order in item.need(key)?.items()? {
            let change = match order.word("event") {
                "add" => OrderChange::New,
                "modify" => OrderChange::Change,
                "delete" => OrderChange::Cancel,
                _ => return Err(Refusal::UnknownEvent),
            };
            let level = level(order)?;
            out.push(Record::Order(Order {
                symbol: item.need("symbol")?.name()?,
                change,
                id: order.need("order_id")?.name()?,
                side,
                px: Some(level.px),
                qty: Some(level.qty),
                ts: Some(order.need("timestamp")?.time()?),
                seq: None,
            }));
        }
    }
    Ok(())
}
