//! Shioaji's daemon for research: JSON of ticks, five-level books and quotes of Taiwan's exchanges.
//!
//! Times are Taipei's (UTC+8) without a zone. A tick of the pre-open trial matching is no trade. What trades live is read by
//! `tidegate-normalise`. Source: Shioaji documentation, streaming market data and snapshots.

use crate::fields::optional;
use crate::json::Json;
use crate::time::from_rfc3339;
use crate::{Book, Dec, Dialect, Level, Quiet, Quote, Record, Refusal, Side, Stop, Trade, bodies};
use tidegate_units::EpochNs;

/// Levels that the venue shows of each side.
pub const LEVELS: usize = 5;

/// Reads one daemon; keeps nothing.
#[derive(Debug, Default)]
pub struct Shioaji;

impl Dialect for Shioaji {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        let tick = message.get("close").is_some() && message.get("tick_type").is_some();
        let book = message.get("bid_price").is_some() && message.get("bid_volume").is_some();
        if message.get("code").is_some() && message.get("time").is_some() && (tick || book) {
            let trial = message.get("simtrade").is_some_and(Json::is_true);
            if trial || message.get("suspend").is_some_and(Json::is_true) {
                return Err(Quiet::NonMarketTrade.into());
            }
            if tick {
                out.extend(trade(message)?.map(Record::Trade));
            }
            if book {
                out.push(Record::Book(ladder(message)?));
            }
            return Ok(());
        }
        if let Json::Arr(items) = message
            && items.iter().any(|item| item.get("buy_price").is_some() && item.get("exchange").is_some())
        {
            for item in items {
                out.push(Record::Quote(snapshot(item)?));
            }
            return Ok(());
        }
        Err(class(message).map_or(Stop::Refused(Refusal::UnknownEvent), Stop::Quiet))
    }
}

fn class(message: &Json<'_>) -> Option<Quiet> {
    let first = message.at(0).unwrap_or(message);
    let has = |keys: &[&str]| keys.iter().any(|key| first.get(key).is_some() || message.get(key).is_some());
    if has(&[
        "order",
        "operation",
        "state",
        "trade_id",
        "pnl",
        "acc_balance",
        "trading_limit",
        "account",
        "account_type",
        "broker_id",
        "stock_order",
        "futures_order",
        "amount",
        "stocks",
    ]) && !has(&["total_amount", "open"])
    {
        return Some(Quiet::NotMarketData);
    }
    if has(&["limit_up", "delivery_month"]) {
        return Some(Quiet::Reference);
    }
    if has(&["limit_bytes", "security_type", "scanner_type", "contract"]) {
        return Some(Quiet::Control);
    }
    if has(&[
        "datetime",
        "Open",
        "margin_unit",
        "short_stock_source",
        "start_date",
        "announced_date",
        "reason",
        "updated_at",
    ]) {
        return Some(Quiet::NotCarried);
    }
    bodies::class(message)
}

fn stamp(date: &str, time: &str) -> Result<EpochNs, Refusal> {
    from_rfc3339(&format!("{date}T{time}+08:00"))
}

/// `tick_type` is 1 for a purchase, 2 for a sale, 0 if the venue cannot tell; a volume of 0 repeats the last trade.
fn trade(message: &Json<'_>) -> Result<Option<Trade>, Refusal> {
    let qty = message.need("volume")?.qty()?;
    if qty.is_zero() {
        return Ok(None);
    }
    Ok(Some(Trade {
        symbol: message.need("code")?.name()?,
        id: None,
        px: message.need("close")?.px()?,
        qty,
        side: match message.need("tick_type")? {
            Json::Num("1") => Side::Buy,
            Json::Num("2") => Side::Sell,
            Json::Num("0") => Side::Unknown,
            _ => return Err(Refusal::BadSide),
        },
        ts: Some(stamp(message.word("date"), message.word("time"))?),
    }))
}

fn ladder(message: &Json<'_>) -> Result<Book, Refusal> {
    let side = |px: &str, qty: &str| -> Result<Vec<Level>, Refusal> {
        let (prices, sizes) = (message.need(px)?.items()?, message.need(qty)?.items()?);
        if prices.len() != sizes.len() || prices.len() > LEVELS {
            return Err(Refusal::TooManyLevels);
        }
        let mut levels = Vec::new();
        for (px, qty) in prices.iter().zip(sizes) {
            let (px, qty): (Dec, Dec) = (px.qty()?, qty.qty()?);
            // An absent level is sent as 0.
            if !px.is_zero() {
                levels.push(Level { px, qty });
            }
        }
        Ok(levels)
    };
    Ok(Book {
        symbol: message.need("code")?.name()?,
        snapshot: true,
        bids: side("bid_price", "bid_volume")?,
        asks: side("ask_price", "ask_volume")?,
        ts: Some(stamp(message.word("date"), message.word("time"))?),
        ..Book::default()
    })
}

fn snapshot(item: &Json<'_>) -> Result<Quote, Refusal> {
    let (date, time) = item.word("datetime").split_once('T').ok_or(Refusal::BadTime)?;
    Ok(Quote {
        symbol: item.need("code")?.name()?,
        bid_px: optional(item, "buy_price")?,
        bid_qty: optional(item, "buy_volume")?,
        ask_px: optional(item, "sell_price")?,
        ask_qty: optional(item, "sell_volume")?,
        ts: Some(stamp(date, time)?),
    })
}
