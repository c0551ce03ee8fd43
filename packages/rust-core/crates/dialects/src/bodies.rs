//! Bodies that a venue answers to a request and that are no market data of ours, told by the names of their fields.

use crate::Quiet;
use crate::json::Json;

/// How deep a body is searched for a telling field.
const DEPTH_SEARCHED: usize = 6;

/// Fields that only an order, a fill, an account, a position or a balance has.
const ACCOUNT: &[&str] = &[
    "orderId",
    "orderID",
    "order_id",
    "clientOrderId",
    "clOrdID",
    "execID",
    "execType",
    "accountAlias",
    "walletBalance",
    "makerCommissionRate",
    "canTrade",
    "positionAmt",
    "assetPositions",
    "balances",
    "feeTier",
    "dualSidePosition",
    "marginType",
    "openPositions",
    "openOrders",
    "orderEvents",
    "sendStatus",
    "cancelStatus",
    "fill_id",
    "ordertxid",
    "opentm",
    "descr",
    "ZUSD",
    "eb",
    "algoId",
    "account",
    "portfolio_margining_enabled",
    "startPosition",
    "orderQty",
    "makerCommission",
    "userId",
    "user_id",
    "prevDeposited",
    "username",
];
/// Fields of instrument and asset lists.
const REFERENCE: &[&str] = &[
    "rateLimits",
    "instruments",
    "tickSize",
    "tick_size",
    "universe",
    "tokens",
    "rootSymbol",
    "altname",
    "legs",
    "option",
];
/// Fields of statistics, rates, indexes and averages.
const STATISTICS: &[&str] = &[
    "mins",
    "fundingRate",
    "longShortRatio",
    "buySellRatio",
    "sumOpenInterest",
    "openInterest",
    "weightedAvgPrice",
    "estimatedSettlePrice",
    "component",
    "bidBuffer",
    "relativeFundingRate",
    "tickers",
    "candles",
    "ticks",
    "mids",
    "price",
];
/// Fields of an answer that only says that the venue is there, or that a request was taken.
const PLAIN: &[&str] = &["serverTime", "unixtime", "status", "version", "usOut"];

/// What a body is by its fields; none if no field tells.
pub fn class(body: &Json<'_>) -> Option<Quiet> {
    if matches!(body, Json::Obj(fields) if fields.is_empty()) {
        return Some(Quiet::Control);
    }
    [
        (ACCOUNT, Quiet::NotMarketData),
        (REFERENCE, Quiet::Reference),
        (STATISTICS, Quiet::NotCarried),
        // How many orders were cancelled.
        (&["count"], Quiet::NotMarketData),
        (PLAIN, Quiet::Control),
    ]
    .into_iter()
    .find(|(keys, _)| has(body, keys, 0))
    .map(|(_, quiet)| quiet)
}

fn has(value: &Json<'_>, keys: &[&str], depth: usize) -> bool {
    if depth > DEPTH_SEARCHED {
        return false;
    }
    match value {
        Json::Obj(fields) => {
            fields.iter().any(|(key, inner)| keys.contains(&key.as_ref()) || has(inner, keys, depth + 1))
        }
        Json::Arr(items) => items.iter().take(3).any(|item| has(item, keys, depth + 1)),
        _ => false,
    }
}
