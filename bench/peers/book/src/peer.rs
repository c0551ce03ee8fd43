//! hftbacktest's depth structures over the same updates. They take prices and sizes as floats, made outside the clock.

use hftbacktest::depth::{
    HashMapMarketDepth, INVALID_MAX, INVALID_MIN, L2MarketDepth, L3MarketDepth, MarketDepth,
    ROIVectorMarketDepth,
};
use tidegate_proof::bench_book::{Op, OpKind, Update, l2_sum, l3_sum};
use tidegate_units::Side;

const TICK: f64 = 0.1;
const LOT: f64 = 0.001;

/// An update as they take it.
pub struct Fed {
    px: f64,
    qty: f64,
    side: Side,
    last: bool,
}

pub fn of(updates: &[Update]) -> Vec<Fed> {
    let fed =
        |u: &Update| Fed { px: u.px as f64 * TICK, qty: u.qty as f64 / 1_000.0, side: u.side, last: u.last };
    updates.iter().map(fed).collect()
}

pub fn hash_map() -> HashMapMarketDepth {
    HashMapMarketDepth::new(TICK, LOT)
}

pub fn roi_vector() -> ROIVectorMarketDepth {
    ROIVectorMarketDepth::new(TICK, LOT, 55_000.0, 68_000.0)
}

/// Prices of the orders are in cents.
pub fn hash_l3() -> HashMapMarketDepth {
    HashMapMarketDepth::new(1.0, 1.0)
}

#[inline]
pub fn set<D: L2MarketDepth>(depth: &mut D, update: &Fed) {
    match update.side {
        Side::Buy => drop(depth.update_bid_depth(update.px, update.qty, 0)),
        Side::Sell => drop(depth.update_ask_depth(update.px, update.qty, 0)),
    }
}

/// Feeds a depth and gives the checksum.
pub fn feed<D: L2MarketDepth + MarketDepth>(updates: &[Fed], depth: &mut D) -> u64 {
    let mut sum = 0_u64;
    for update in updates {
        set(depth, update);
        if update.last {
            let (bid, ask) = (depth.best_bid_tick(), depth.best_ask_tick());
            sum = sum.wrapping_add(l2_sum(
                (bid != INVALID_MIN).then_some(bid),
                (ask != INVALID_MAX).then_some(ask),
            ));
        }
    }
    sum
}

/// Applies one operation; they want the new quantity, which is precomputed.
#[inline]
pub fn apply(depth: &mut HashMapMarketDepth, op: &Op) -> Result<(), String> {
    let (px, qty) = (op.px as f64, op.left as f64);
    let done = match (op.kind, op.side) {
        (OpKind::Add, Side::Buy) => depth.add_buy_order(op.id, px, qty, 0).map(|_| ()),
        (OpKind::Add, Side::Sell) => depth.add_sell_order(op.id, px, qty, 0).map(|_| ()),
        _ if op.left == 0 => depth.delete_order(op.id, 0).map(|_| ()),
        _ => depth.modify_order(op.id, px, qty, 0).map(|_| ()),
    };
    done.map_err(|fault| format!("order {}: {fault:?}", op.id))
}

/// Feeds the depth with orders and gives the checksum.
pub fn feed_l3(ops: &[Op], depth: &mut HashMapMarketDepth) -> Result<u64, String> {
    let mut sum = 0_u64;
    for op in ops {
        apply(depth, op)?;
        if op.last {
            let bid = (depth.best_bid_tick(), depth.best_bid_qty() as i64);
            sum = sum.wrapping_add(l3_sum(bid, (depth.best_ask_tick(), depth.best_ask_qty() as i64)));
        }
    }
    Ok(sum)
}
