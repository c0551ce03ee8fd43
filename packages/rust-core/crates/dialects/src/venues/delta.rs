//! Delta Exchange: `{"type", …}` with µs times. Source: Delta Exchange websocket documentation, public channels.

use crate::derivative::{Change, Derivatives};
use crate::fields::{levels_of, optional, pairs_of};
use crate::json::Json;
use crate::{Book, Dialect, Quiet, Quote, Record, Refusal, Side, Stop, Trade};
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug)]
pub struct Delta {
    /// The channel of prints: `recent_trade`, later `all_trades`.
    pub trades: &'static str,
    derivatives: Derivatives,
}

impl Delta {
    pub fn new(trades: &'static str) -> Self {
        Self { trades, derivatives: Derivatives::default() }
    }

    fn derivative(
        &mut self,
        message: &Json<'_>,
        change: &Change,
        out: &mut Vec<Record>,
    ) -> Result<(), Refusal> {
        let symbol = message.need("symbol")?.name()?;
        self.derivatives.change(symbol.strip_prefix("MARK:").unwrap_or(&symbol), change, out).map(|_| ())
    }
}

impl Dialect for Delta {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        let ts = || message.get("timestamp").map(Json::time).transpose();
        let kind = message.word("type");
        match kind {
            "recent_trade" | "all_trades" if kind != self.trades => return Err(Quiet::OtherChannel.into()),
            "recent_trade" | "all_trades" => {
                let px = message.need("price")?.px()?;
                out.push(Record::Trade(Trade {
                    symbol: message.need("symbol")?.name()?,
                    id: None,
                    px,
                    qty: message.need("size")?.traded()?,
                    side: match message.word("buyer_role") {
                        "taker" => Side::Buy,
                        "maker" => Side::Sell,
                        _ => return Err(Refusal::BadSide.into()),
                    },
                    ts: ts()?,
                }));
                self.derivative(message, &Change { last_px: Some(px), ts: ts()?, ..Change::default() }, out)?;
            }
            "l2_orderbook" => out.push(Record::Book(Book {
                symbol: message.need("symbol")?.name()?,
                snapshot: true,
                bids: levels_of(message.need("buy")?, "limit_price", "size")?,
                asks: levels_of(message.need("sell")?, "limit_price", "size")?,
                ts: ts()?,
                last_id: message.get("last_sequence_no").map(Json::id).transpose()?,
                ..Book::default()
            })),
            "l2_updates" => out.push(Record::Book(Book {
                symbol: message.need("symbol")?.name()?,
                snapshot: match message.word("action") {
                    "snapshot" => true,
                    "update" => false,
                    "error" => return Err(Quiet::VenueError.into()),
                    _ => return Err(Refusal::UnknownEvent.into()),
                },
                bids: pairs_of(message, "bids")?,
                asks: pairs_of(message, "asks")?,
                ts: ts()?,
                last_id: message.get("sequence_no").map(Json::id).transpose()?,
                checksum: match message.get("cs") {
                    None => None,
                    Some(value) => i64::try_from(value.id()?).ok(),
                },
                ..Book::default()
            })),
            "l1_orderbook" => out.push(Record::Quote(Quote {
                symbol: message.need("symbol")?.name()?,
                bid_px: optional(message, "best_bid")?,
                bid_qty: optional(message, "bid_qty")?,
                ask_px: optional(message, "best_ask")?,
                ask_qty: optional(message, "ask_qty")?,
                ts: ts()?,
            })),
            "mark_price" => {
                let change = Change { mark_px: optional(message, "price")?, ts: ts()?, ..Change::default() };
                self.derivative(message, &change, out)?;
            }
            "funding_rate" => {
                let change = Change {
                    funding_rate: optional(message, "funding_rate")?,
                    predicted_funding_rate: optional(message, "predicted_funding_rate")?,
                    funding_ts: message.get("next_funding_realization").map(Json::time).transpose()?,
                    ts: ts()?,
                    ..Change::default()
                };
                self.derivative(message, &change, out)?;
            }
            "ticker" | "v2/ticker" | "spot_price" => return Err(Quiet::NotCarried.into()),
            "subscriptions" | "unsubscribed" | "heartbeat" | "pong" => return Err(Quiet::Control.into()),
            _ => return Err(Refusal::UnknownEvent.into()),
        }
        Ok(())
    }
}
