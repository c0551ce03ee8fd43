//! OKX and OKCoin: version 3 (`table`) and version 5 (`arg`) of the websocket interface.
//!
//! Several channels carry the same book or quote; a feed reads one of each and says which ([`Okex`]'s switches). A book
//! message has a checksum over its first 25 levels. Source: OKX API documentation, websocket public channels.

use crate::derivative::{Change, Derivatives};
use crate::fields::{optional, pairs};
use crate::json::Json;
use crate::limits::SYMBOLS_MAX;
use crate::{Bar, Book, Dec, Dialect, Quiet, Quote, Record, Refusal, Side, Stop, Trade};
use std::collections::BTreeMap;
use tidegate_units::EpochNs;

/// Reads one connection.
#[derive(Debug)]
pub struct Okex {
    /// Version 3: the market before the channel's name, `spot`, `futures` or `swap`.
    pub market: &'static str,
    /// Version 3 channel of the book: `depth` or `depth_l2_tbt`.
    pub book: &'static str,
    /// Version 5: quotes from `bbo-tbt` instead of `tickers`.
    pub bbo: bool,
    /// Version 5: liquidations from the venue's `liquidation-orders` instead of a recorder's `liquidations`.
    pub liquidation_orders: bool,
    /// Contracts, not spot pairs: tickers also say what a derivative is worth.
    pub contracts: bool,
    derivatives: Derivatives,
    /// Index prices by name, such as `BTC-USD`.
    indexes: BTreeMap<String, Dec>,
}

impl Okex {
    /// A feed of spot pairs.
    pub fn spot() -> Self {
        Self {
            market: "spot",
            book: "depth",
            bbo: false,
            liquidation_orders: false,
            contracts: false,
            derivatives: Derivatives::default(),
            indexes: BTreeMap::new(),
        }
    }

    /// A feed of futures or swaps.
    pub fn contracts(market: &'static str, book: &'static str) -> Self {
        Self { market, book, contracts: true, ..Self::spot() }
    }

    fn derivative(&mut self, symbol: &str, mut change: Change, out: &mut Vec<Record>) -> Result<(), Refusal> {
        change.index_px = self.indexes.get(&index_of(symbol)).copied();
        self.derivatives.change(symbol, &change, out).map(|_| ())
    }

    fn index(&mut self, item: &Json<'_>) -> Result<(), Refusal> {
        let name = item.need("instId")?.name()?;
        if !self.indexes.contains_key(&name) && self.indexes.len() >= SYMBOLS_MAX {
            return Err(Refusal::TooManySymbols);
        }
        self.indexes.insert(name, item.need("idxPx")?.px()?);
        Ok(())
    }

    fn version_3(&mut self, table: &str, message: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Stop> {
        let (market, channel) = table.split_once('/').ok_or(Refusal::UnknownEvent)?;
        if market != self.market {
            return Err(Quiet::OtherChannel.into());
        }
        let data = message.need("data")?.items()?;
        match channel {
            "depth" | "depth_l2_tbt" | "depth5" if channel != self.book => {
                return Err(Quiet::OtherChannel.into());
            }
            "instruments" => return Err(Quiet::Reference.into()),
            "price_range" | "estimated_price" => return Err(Quiet::NotCarried.into()),
            _ => {}
        }
        for item in data {
            let symbol = item.need("instrument_id")?.name()?;
            let ts = item.get("timestamp").map(Json::time).transpose()?;
            match channel {
                "trade" => out.push(Record::Trade(Trade {
                    symbol,
                    id: Some(item.need("trade_id")?.name()?),
                    px: item.need("price")?.px()?,
                    qty: item.get("size").map_or_else(|| item.need("qty"), Ok)?.traded()?,
                    side: item.need("side")?.side()?,
                    ts,
                })),
                "depth" | "depth_l2_tbt" | "depth5" => {
                    let whole = message.word("action") == "partial";
                    out.push(Record::Book(book(symbol, item, whole, ts)?));
                }
                "ticker" => {
                    if self.contracts {
                        let change = Change {
                            last_px: optional(item, "last")?,
                            open_interest: optional(item, "open_interest")?,
                            ts,
                            ..Change::default()
                        };
                        self.derivative(&symbol, change, out)?;
                    }
                    out.push(Record::Quote(Quote {
                        symbol,
                        bid_px: optional(item, "best_bid")?,
                        bid_qty: optional(item, "best_bid_size")?,
                        ask_px: optional(item, "best_ask")?,
                        ask_qty: optional(item, "best_ask_size")?,
                        ts,
                    }));
                }
                "mark_price" => {
                    let change = Change { mark_px: optional(item, "mark_price")?, ts, ..Change::default() };
                    self.derivative(&symbol, change, out)?;
                }
                "funding_rate" => {
                    let change = Change {
                        funding_rate: optional(item, "funding_rate")?,
                        funding_ts: item.get("funding_time").map(Json::time).transpose()?,
                        predicted_funding_rate: optional(item, "estimated_rate")?,
                        ts,
                        ..Change::default()
                    };
                    self.derivative(&symbol, change, out)?;
                }
                // Types 3 and 4 close a long by a sale and a short by a purchase.
                "liquidation" => out.push(Record::Liquidation(Trade {
                    symbol,
                    id: None,
                    px: item.need("price")?.px()?,
                    qty: item.need("size")?.traded()?,
                    side: match item.need("type")?.name()?.as_str() {
                        "3" => Side::Sell,
                        "4" => Side::Buy,
                        _ => return Err(Refusal::BadSide.into()),
                    },
                    ts: Some(item.need("created_at")?.time()?),
                })),
                _ => return Err(Refusal::UnknownEvent.into()),
            }
        }
        Ok(())
    }

    fn version_5(
        &mut self,
        arg: &Json<'_>,
        message: &Json<'_>,
        recv: EpochNs,
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        let channel = arg.word("channel");
        let data = message.need("data")?.items()?;
        match channel {
            "bbo-tbt" if !self.bbo => return Err(Quiet::OtherChannel.into()),
            "liquidation-orders" if !self.liquidation_orders => return Err(Quiet::OtherChannel.into()),
            "liquidations" if self.liquidation_orders => return Err(Quiet::OtherChannel.into()),
            "price-limit" | "estimated-price" | "status" => return Err(Quiet::NotCarried.into()),
            "instruments" => return Err(Quiet::Reference.into()),
            _ => {}
        }
        let of_arg = || -> Result<String, Refusal> { arg.need("instId")?.name() };
        for item in data {
            let ts = item.get("ts").map(Json::time).transpose()?;
            match channel {
                "trades" | "trades-all" => out.push(Record::Trade(Trade {
                    symbol: item.need("instId")?.name()?,
                    id: Some(item.need("tradeId")?.name()?),
                    px: item.need("px")?.px()?,
                    qty: item.need("sz")?.traded()?,
                    side: item.need("side")?.side()?,
                    ts,
                })),
                "books" | "books5" | "books-l2-tbt" | "books50-l2-tbt" => {
                    let whole = message.word("action") == "snapshot" || channel == "books5";
                    out.push(Record::Book(book(of_arg()?, item, whole, ts)?));
                }
                "bbo-tbt" => {
                    let top = book(of_arg()?, item, true, ts)?;
                    let (bid, ask) = (top.bids.first().copied(), top.asks.first().copied());
                    out.push(Record::Quote(Quote {
                        symbol: top.symbol,
                        bid_px: bid.map(|l| l.px),
                        bid_qty: bid.map(|l| l.qty),
                        ask_px: ask.map(|l| l.px),
                        ask_qty: ask.map(|l| l.qty),
                        ts,
                    }));
                }
                "tickers" => self.ticker(item, ts, out)?,
                "mark-price" | "open-interest" | "funding-rate" => {
                    let change = Change {
                        mark_px: optional(item, "markPx")?,
                        open_interest: optional(item, "oi")?,
                        funding_rate: optional(item, "fundingRate")?,
                        funding_ts: item.get("fundingTime").map(Json::time).transpose()?,
                        predicted_funding_rate: optional(item, "nextFundingRate")?,
                        // The venue's older funding messages have no time of their own.
                        ts: Some(ts.unwrap_or(recv)),
                        ..Change::default()
                    };
                    self.derivative(&item.need("instId")?.name()?, change, out)?;
                }
                "index-tickers" => self.index(item)?,
                "liquidations" => out.push(Record::Liquidation(liquidation(of_arg()?, item)?)),
                "liquidation-orders" => {
                    let symbol = item.need("instId")?.name()?;
                    for detail in item.need("details")?.items()? {
                        out.push(Record::Liquidation(liquidation(symbol.clone(), detail)?));
                    }
                }
                _ if channel.starts_with("candle") => out.push(Record::Bar(bar(of_arg()?, item)?)),
                _ => return Err(Refusal::UnknownEvent.into()),
            }
        }
        Ok(())
    }

    fn ticker(&mut self, item: &Json<'_>, ts: Option<EpochNs>, out: &mut Vec<Record>) -> Result<(), Refusal> {
        let symbol = item.need("instId")?.name()?;
        if self.contracts {
            let change = Change { last_px: optional(item, "last")?, ts, ..Change::default() };
            self.derivative(&symbol, change, out)?;
        }
        if !self.bbo {
            out.push(Record::Quote(Quote {
                symbol,
                bid_px: optional(item, "bidPx")?,
                bid_qty: optional(item, "bidSz")?,
                ask_px: optional(item, "askPx")?,
                ask_qty: optional(item, "askSz")?,
                ts,
            }));
        }
        Ok(())
    }
}

impl Dialect for Okex {
    fn message(&mut self, message: &Json<'_>, recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        match (message.get("event").and_then(Json::str), message.get("table"), message.get("arg")) {
            (Some("error"), ..) => Err(Quiet::VenueError.into()),
            (Some(_), ..) => Err(Quiet::Control.into()),
            (None, Some(table), _) => self.version_3(table.str().ok_or(Refusal::Malformed)?, message, out),
            (None, None, Some(arg)) => self.version_5(arg, message, recv, out),
            _ => Err(Refusal::UnknownEvent.into()),
        }
    }
}

/// `BTC-USD-190628` is priced on the index `BTC-USD`; so is `BTC-USD_UM_XPERP-310404`.
fn index_of(symbol: &str) -> String {
    let mut parts = symbol.split('-');
    let (base, quote) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    format!("{base}-{}", quote.split('_').next().unwrap_or(""))
}

fn book(symbol: String, item: &Json<'_>, snapshot: bool, ts: Option<EpochNs>) -> Result<Book, Refusal> {
    let checksum = match item.get("checksum") {
        None => None,
        Some(value) => Some(
            i64::try_from(value.dec()?.at_scale(0).ok_or(Refusal::BadSequence)?)
                .map_err(|_| Refusal::BadSequence)?,
        ),
    };
    let id =
        |key: &str| item.get(key).filter(|value| !matches!(value, Json::Num("-1"))).map(Json::id).transpose();
    Ok(Book {
        symbol,
        snapshot,
        bids: pairs(item.need("bids")?)?,
        asks: pairs(item.need("asks")?)?,
        ts,
        first_id: None,
        last_id: id("seqId")?,
        prev_id: id("prevSeqId")?,
        checksum,
    })
}

fn liquidation(symbol: String, detail: &Json<'_>) -> Result<Trade, Refusal> {
    Ok(Trade {
        symbol,
        id: None,
        px: detail.need("bkPx")?.px()?,
        qty: detail.need("sz")?.traded()?,
        side: detail.need("side")?.side()?,
        ts: Some(detail.need("ts")?.time()?),
    })
}

/// `[start, open, high, low, close, volume, …, confirmed]`.
fn bar(symbol: String, item: &Json<'_>) -> Result<Bar, Refusal> {
    Ok(Bar {
        symbol,
        start: item.need_at(0)?.time()?,
        open: item.need_at(1)?.px()?,
        high: item.need_at(2)?.px()?,
        low: item.need_at(3)?.px()?,
        close: item.need_at(4)?.px()?,
        volume: item.need_at(5)?.qty()?,
        closed: item.at(8).and_then(Json::str) == Some("1"),
    })
}
