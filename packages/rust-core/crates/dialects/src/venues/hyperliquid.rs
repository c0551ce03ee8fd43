//! Hyperliquid: `{"channel", "data"}`. Source: Hyperliquid API, websocket subscriptions.

use crate::derivative::{Change, Derivatives};
use crate::fields::{levels_of, optional};
use crate::json::Json;
use crate::limits::SYMBOLS_MAX;
use crate::{Book, Dialect, Level, Quiet, Quote, Record, Refusal, Side, Stop, Trade, bodies};
use std::collections::BTreeSet;
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug, Default)]
pub struct Hyperliquid {
    /// Also gives out the prints which the venue sends once per subscription.
    pub history: bool,
    begun: BTreeSet<String>,
    derivatives: Derivatives,
}

impl Dialect for Hyperliquid {
    fn message(&mut self, message: &Json<'_>, recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        let channel = message.word("channel");
        match channel {
            "subscriptionResponse" | "pong" => return Err(Quiet::Control.into()),
            "error" => return Err(Quiet::VenueError.into()),
            "activeSpotAssetCtx" | "allDexsAssetCtxs" | "candle" | "allMids" | "notification"
            | "activeAssetData" => {
                return Err(Quiet::NotCarried.into());
            }
            "orderUpdates"
            | "user"
            | "userEvents"
            | "userFills"
            | "userFundings"
            | "webData2"
            | "userNonFundingLedgerUpdates"
            | "userTwapSliceFills"
            | "userTwapHistory" => {
                return Err(Quiet::NotMarketData.into());
            }
            _ => {}
        }
        let data = message.need("data")?;
        match channel {
            "trades" => self.trades(data.items()?, out)?,
            "l2Book" => out.push(Record::Book(book(data)?)),
            "bbo" => {
                let side = |index: usize| -> Result<Option<Level>, Refusal> {
                    data.need("bbo")?.at(index).map(level).transpose()
                };
                let (bid, ask) = (side(0)?, side(1)?);
                out.push(Record::Quote(Quote {
                    symbol: data.need("coin")?.name()?,
                    bid_px: bid.map(|l| l.px),
                    bid_qty: bid.map(|l| l.qty),
                    ask_px: ask.map(|l| l.px),
                    ask_qty: ask.map(|l| l.qty),
                    ts: Some(data.need("time")?.time()?),
                }));
            }
            "activeAssetCtx" => {
                let context = data.need("ctx")?;
                let change = Change {
                    funding_rate: optional(context, "funding")?,
                    open_interest: optional(context, "openInterest")?,
                    index_px: optional(context, "oraclePx")?,
                    mark_px: optional(context, "markPx")?,
                    // The venue sends no time here.
                    ts: Some(recv),
                    ..Change::default()
                };
                self.derivatives.change(&data.need("coin")?.name()?, &change, out)?;
            }
            _ => return Err(Refusal::UnknownEvent.into()),
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
        if message.get("levels").is_some() {
            out.push(Record::Book(book(message)?));
            return Ok(());
        }
        match message {
            Json::Arr(items)
                if items.iter().any(|item| item.get("tid").is_some() && item.get("dir").is_none()) =>
            {
                for print in items {
                    out.push(Record::Trade(trade(print)?));
                }
                Ok(())
            }
            _ => Err(bodies::class(message).map_or(Stop::Refused(Refusal::UnknownEvent), Stop::Quiet)),
        }
    }
}

impl Hyperliquid {
    fn trades(&mut self, prints: &[Json<'_>], out: &mut Vec<Record>) -> Result<(), Stop> {
        let (before, mut held_back) = (out.len(), false);
        for print in prints {
            let trade = trade(print)?;
            if self.history || self.begun.contains(&trade.symbol) {
                out.push(Record::Trade(trade));
            } else {
                held_back = true;
            }
        }
        for print in prints {
            let symbol = print.need("coin")?.name()?;
            if !self.begun.contains(&symbol) && self.begun.len() >= SYMBOLS_MAX {
                return Err(Refusal::TooManySymbols.into());
            }
            self.begun.insert(symbol);
        }
        if held_back && out.len() == before { Err(Quiet::History.into()) } else { Ok(()) }
    }
}

/// `A` sells into the bid, `B` buys.
fn trade(print: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol: print.need("coin")?.name()?,
        id: Some(print.need("tid")?.name()?),
        px: print.need("px")?.px()?,
        qty: print.need("sz")?.traded()?,
        side: match print.word("side") {
            "A" => Side::Sell,
            "B" => Side::Buy,
            _ => return Err(Refusal::BadSide),
        },
        ts: Some(print.need("time")?.time()?),
    })
}

fn level(item: &Json<'_>) -> Result<Level, Refusal> {
    Ok(Level { px: item.need("px")?.px()?, qty: item.need("sz")?.qty()? })
}

fn book(data: &Json<'_>) -> Result<Book, Refusal> {
    let levels = data.need("levels")?;
    Ok(Book {
        symbol: data.need("coin")?.name()?,
        snapshot: true,
        bids: levels_of(levels.need_at(0)?, "px", "sz")?,
        asks: levels_of(levels.need_at(1)?, "px", "sz")?,
        ts: Some(data.need("time")?.time()?),
        ..Book::default()
    })
}
