#![allow(dead_code)]
//! Builders of recorded messages and orders.

use std::borrow::Cow;
use std::path::PathBuf;
use tidegate_matching::{Config, Extras, Money, NewOrder, OrderKind, Tif, Venue};
use tidegate_normalise::{BookTicker, DepthDiff, Event, Level, Snapshot, Trade};
use tidegate_units::{EpochNs, PxTicks, QtyLots, Side};

pub fn level((px, qty): (i64, i64)) -> Level {
    Level { px: PxTicks(px), qty: QtyLots(qty) }
}

fn levels(side: &[(i64, i64)]) -> Cow<'static, [Level]> {
    side.iter().copied().map(level).collect()
}

pub fn snapshot(id: u64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Event<'static> {
    Event::Snapshot(Snapshot { last_id: id, ts_venue: EpochNs(0), bids: levels(bids), asks: levels(asks) })
}

pub fn diff(id: u64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Event<'static> {
    Event::Depth(DepthDiff {
        first_id: id,
        last_id: id,
        prev_id: None,
        ts_venue: EpochNs(0),
        bids: levels(bids),
        asks: levels(asks),
    })
}

pub fn ticker(id: u64, bid: (i64, i64), ask: (i64, i64)) -> Event<'static> {
    Event::Ticker(BookTicker { update_id: id, ts_venue: EpochNs(0), bid: level(bid), ask: level(ask) })
}

pub fn trade(px: i64, qty: i64, aggressor: Side) -> Event<'static> {
    Event::Trade(Trade { trade_id: 1, px: PxTicks(px), qty: QtyLots(qty), aggressor, ts_venue: EpochNs(0) })
}

pub fn config(money: Money) -> Config {
    Config {
        money,
        e8_per_tick_lot: 10,
        base_e8_per_lot: 1_000,
        maker_fee_e8: 50_000,
        taker_fee_e8: 100_000,
        open_orders_max: tidegate_matching::limits::OPEN_ORDERS_MAX,
        base_e8: 10_i128.pow(12),
        quote_e8: 10_i128.pow(12),
    }
}

pub fn limit(id: &str, side: Side, px: i64, qty: i64, tif: Tif) -> NewOrder {
    NewOrder {
        client_order_id: id.into(),
        side,
        kind: OrderKind::Limit,
        tif,
        px,
        qty,
        time_ms: 1,
        extras: Extras::default(),
    }
}

pub fn market(id: &str, side: Side, qty: i64) -> NewOrder {
    NewOrder {
        client_order_id: id.into(),
        side,
        kind: OrderKind::Market,
        tif: Tif::Ioc,
        px: 0,
        qty,
        time_ms: 1,
        extras: Extras::default(),
    }
}

/// A perp venue with this book.
pub fn venue(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Venue {
    let mut venue = Venue::new(config(Money::Usdm)).unwrap();
    venue.on_market(snapshot(1, bids, asks), 1);
    venue
}

/// (px, qty, maker) of all fills so far.
pub fn fills(venue: &Venue) -> Vec<(i64, i64, bool)> {
    venue.trades().map(|t| (t.px, t.qty, t.maker)).collect()
}

/// The folder of the reference data. Only `#[ignore]`d tests ask, so that a run without them says what it left out.
pub fn reference_data() -> PathBuf {
    std::env::var_os("TIDEGATE_DATA")
        .map(PathBuf::from)
        .expect("TIDEGATE_DATA names the folder of the reference data")
}
