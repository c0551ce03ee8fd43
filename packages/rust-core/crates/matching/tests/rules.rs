//! Each rule of the venue by a case small enough to check by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod support;

use support::*;
use tidegate_matching::{Cancel, EventKind, Money, Refused, SimMarket, Status, Tif, Venue};
use tidegate_units::Side::{Buy, Sell};

fn status(venue: &Venue, id: &str) -> Status {
    venue.find(&Cancel::Client(id.into())).unwrap().status
}

fn ahead(venue: &Venue, id: &str) -> i64 {
    venue.find(&Cancel::Client(id.into())).unwrap().ahead
}

#[test]
fn a46_a_resting_order_waits_behind_the_recorded_queue() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    v.place(limit("a", Buy, 99, 5, Tif::Gtc)).unwrap();
    v.on_market(trade(99, 8, Sell), 2);
    assert_eq!((ahead(&v, "a"), fills(&v)), (2, vec![]));
    v.on_market(trade(99, 4, Sell), 3);
    assert_eq!(fills(&v), vec![(99, 2, true)]);
    v.on_market(trade(99, 1, Buy), 4);
    v.on_market(trade(99, 100, Sell), 5);
    assert_eq!((fills(&v), status(&v, "a")), (vec![(99, 2, true), (99, 3, true)], Status::Filled));
}

#[test]
fn volume_moves_the_queue_once_whichever_message_comes_first() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    v.place(limit("a", Buy, 99, 5, Tif::Gtc)).unwrap();
    v.on_market(trade(99, 3, Sell), 2);
    v.on_market(ticker(2, (99, 7), (101, 10)), 2);
    assert_eq!(ahead(&v, "a"), 7, "the trade, then the decrease it caused");
    v.on_market(ticker(3, (99, 5), (101, 10)), 3);
    v.on_market(trade(99, 2, Sell), 3);
    assert_eq!(ahead(&v, "a"), 5, "the decrease, then the trade that caused it");
    v.on_market(trade(99, 2, Sell), 4);
    assert_eq!(ahead(&v, "a"), 3, "the control: a trade with no decrease before it moves the queue");
    v.on_market(ticker(4, (99, 2), (101, 10)), 4);
    v.on_market(diff(5, &[(98, 1)], &[]), 4);
    v.on_market(diff(6, &[(98, 2)], &[]), 4);
    v.on_market(trade(99, 1, Sell), 5);
    assert_eq!(ahead(&v, "a"), 1, "two diffs later no trade can explain the decrease any more");
}

#[test]
fn a_growing_level_never_moves_an_order_back() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    v.place(limit("a", Buy, 99, 5, Tif::Gtc)).unwrap();
    v.on_market(diff(2, &[(99, 50)], &[]), 2);
    assert_eq!(ahead(&v, "a"), 10);
    v.place(limit("b", Buy, 99, 5, Tif::Gtc)).unwrap();
    assert_eq!(ahead(&v, "b"), 50);
}

#[test]
fn a_trade_through_fills_up_to_its_size_and_only_once() {
    let mut v = venue(&[(99, 10), (98, 10)], &[(101, 10)]);
    v.place(limit("a", Buy, 99, 5, Tif::Gtc)).unwrap();
    v.place(limit("b", Buy, 98, 5, Tif::Gtc)).unwrap();
    v.on_market(trade(97, 7, Sell), 2);
    assert_eq!(fills(&v), vec![(99, 5, true), (98, 2, true)]);
}

#[test]
fn the_opposite_side_reaching_our_price_fills_us_up_to_its_size() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    v.place(limit("a", Buy, 99, 5, Tif::Gtc)).unwrap();
    v.on_market(ticker(2, (97, 1), (98, 3)), 2);
    assert_eq!(fills(&v), vec![(99, 3, true)]);
    v.on_market(diff(3, &[], &[(98, 3)]), 3);
    assert_eq!(fills(&v).len(), 1, "the same three lots do not fill twice");
    v.on_market(diff(4, &[], &[(98, 4)]), 3);
    assert_eq!(fills(&v), vec![(99, 3, true), (99, 1, true)]);
}

#[test]
fn a_taker_walks_the_book_and_what_it_took_stays_taken() {
    let mut v = venue(&[(99, 10)], &[(100, 4), (101, 4), (103, 9)]);
    v.place(limit("a", Buy, 101, 10, Tif::Gtc)).unwrap();
    assert_eq!(fills(&v), vec![(100, 4, false), (101, 4, false)]);
    assert_eq!((status(&v, "a"), ahead(&v, "a")), (Status::PartiallyFilled, 0));
    v.place(limit("b", Buy, 101, 1, Tif::Ioc)).unwrap();
    assert_eq!(status(&v, "b"), Status::Expired);
    v.on_market(diff(2, &[], &[(101, 5)]), 2);
    assert_eq!(fills(&v)[2..], [(101, 1, true)], "one new lot at 101 meets the rest of the first order");
    assert_eq!(v.market().counts().filled_twice, 0);
}

#[test]
fn fok_ioc_and_market_never_rest() {
    let mut v = venue(&[(99, 10)], &[(100, 4), (101, 4)]);
    v.place(limit("fok", Buy, 101, 9, Tif::Fok)).unwrap();
    assert_eq!((status(&v, "fok"), fills(&v).len()), (Status::Expired, 0));
    v.place(limit("fok2", Buy, 101, 8, Tif::Fok)).unwrap();
    assert_eq!(status(&v, "fok2"), Status::Filled);
    v.place(market("m", Buy, 1)).unwrap();
    assert_eq!(status(&v, "m"), Status::Expired, "both levels are taken");
    v.place(market("m2", Sell, 12)).unwrap();
    let order = v.find(&Cancel::Client("m2".into())).unwrap();
    assert_eq!((order.status, order.cum, order.reason.as_str()), (Status::Expired, 10, "NO_LIQUIDITY"));
    assert_eq!(v.open_orders().count(), 0);
}

#[test]
fn post_only_is_refused_rather_than_take() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    assert_eq!(v.place(limit("a", Buy, 101, 1, Tif::PostOnly)), Err(Refused::PostOnlyWouldTake));
    assert_eq!(v.place(limit("a", Sell, 99, 1, Tif::PostOnly)), Err(Refused::PostOnlyWouldTake));
    v.place(limit("a", Buy, 100, 1, Tif::PostOnly)).unwrap();
    assert_eq!(v.place(limit("b", Sell, 100, 1, Tif::PostOnly)), Err(Refused::PostOnlyWouldTake));
    assert_eq!(v.open_orders().count(), 1);
}

#[test]
fn our_own_opposite_order_expires_the_taker() {
    let mut v = venue(&[(99, 10)], &[(101, 2), (103, 10)]);
    v.place(limit("rest", Sell, 102, 5, Tif::Gtc)).unwrap();
    v.place(limit("take", Buy, 103, 9, Tif::Gtc)).unwrap();
    assert_eq!(fills(&v), vec![(101, 2, false)], "only what is better than our own order");
    assert_eq!((status(&v, "take"), status(&v, "rest")), (Status::ExpiredInMatch, Status::New));
    v.cancel(&Cancel::Client("rest".into()), 2).unwrap();
    v.place(limit("take", Buy, 103, 9, Tif::Gtc)).unwrap();
    assert_eq!(
        status(&v, "take"),
        Status::Filled,
        "the control: without it the same order fills; its id is free again"
    );
}

#[test]
fn refusals_keep_nothing_and_say_why() {
    let mut v = Venue::new(config(Money::Spot)).unwrap();
    assert_eq!(v.place(limit("a", Buy, 1, 1, Tif::Gtc)), Err(Refused::NoBook));
    v.on_market(snapshot(1, &[(99, 10)], &[(101, 10)]), 1);
    v.place(limit("a", Buy, 90, 1, Tif::Gtc)).unwrap();
    for (order, want) in [
        (limit("a", Buy, 90, 1, Tif::Gtc), Refused::Duplicate),
        (limit("", Buy, 90, 1, Tif::Gtc), Refused::Malformed),
        (limit("b", Buy, 0, 1, Tif::Gtc), Refused::PxZeroOrNeg),
        (limit("b", Buy, -3, 1, Tif::Gtc), Refused::PxZeroOrNeg),
        (limit("b", Buy, 90, 0, Tif::Gtc), Refused::QtyZeroOrNeg),
        (limit("b", Sell, 110, 2_000_000_000, Tif::Gtc), Refused::InsufficientBalance),
        (limit("b", Buy, 90, 2_000_000_000, Tif::Gtc), Refused::InsufficientBalance),
        (limit("b", Buy, i64::MAX >> 10, i64::MAX >> 10, Tif::Gtc), Refused::NotionalOverflow),
    ] {
        assert_eq!(v.place(order.clone()), Err(want), "{order:?}");
    }
    assert_eq!((v.orders().count(), v.counts().1), (1, 1));
    let rejected = v.drain().into_iter().filter(|e| matches!(e.kind, EventKind::Rejected(_))).count();
    assert_eq!(rejected, 9);
}

#[test]
fn open_orders_are_bounded() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    for n in 0..tidegate_matching::limits::OPEN_ORDERS_MAX {
        v.place(limit(&n.to_string(), Buy, 90, 1, Tif::Gtc)).unwrap();
    }
    assert_eq!(v.place(limit("x", Buy, 90, 1, Tif::Gtc)), Err(Refused::OpenOrdersExceeded));
    v.cancel_all(2);
    v.place(limit("x", Buy, 90, 1, Tif::Gtc)).unwrap();
}

#[test]
fn the_bound_of_open_orders_may_be_configured_within_its_own() {
    let with =
        |open_orders_max| Venue::new(tidegate_matching::Config { open_orders_max, ..config(Money::Usdm) });
    let most = tidegate_matching::limits::OPEN_ORDERS_CONFIG_MAX;
    for bad in [0, most + 1] {
        assert!(with(bad).unwrap_err().contains("openOrdersMax"), "{bad}");
    }
    let mut v = with(most).unwrap();
    v.on_market(snapshot(1, &[(99, 10)], &[(101, 10)]), 1);
    for n in 0..most {
        v.place(limit(&n.to_string(), Buy, 90, 1, Tif::Gtc)).unwrap();
    }
    assert_eq!(v.place(limit("x", Buy, 90, 1, Tif::Gtc)), Err(Refused::OpenOrdersExceeded));
    assert_eq!(v.cancel_all(2).len(), most);
}

#[test]
fn a_spot_fee_is_taken_from_what_is_received() {
    let mut v = Venue::new(config(Money::Spot)).unwrap();
    v.on_market(snapshot(1, &[(99, 10)], &[(100, 1_000)]), 1);
    v.place(limit("a", Buy, 100, 1_000, Tif::Ioc)).unwrap();
    // 1,000 lots = 1e6 of 1e-8 base; 10 bp of it is 1,000. Notional 100 x 1,000 x 10 = 1e6.
    let ledger = v.ledger().clone();
    assert_eq!(ledger.base_e8, 10_i128.pow(12) + 1_000_000 - 1_000);
    assert_eq!((ledger.quote_e8, ledger.fees_base_e8), (10_i128.pow(12) - 1_000_000, 1_000));
    v.on_market(diff(2, &[(99, 1_000)], &[]), 2);
    v.place(limit("b", Sell, 99, 1_000, Tif::Ioc)).unwrap();
    assert_eq!(v.ledger().quote_e8, 10_i128.pow(12) - 1_000_000 + 990_000 - 990);
}

#[test]
fn a_flat_perp_position_has_no_open_cost_and_its_cash_is_realised() {
    let mut v = venue(&[(90, 100)], &[(100, 100)]);
    v.place(limit("a", Buy, 100, 3, Tif::Ioc)).unwrap();
    v.place(limit("b", Sell, 90, 1, Tif::Ioc)).unwrap();
    assert_eq!(
        (v.ledger().position_lots, v.ledger().open_cost_e8, v.ledger().realised_e8()),
        (2, 2_000, -100)
    );
    v.place(limit("c", Sell, 90, 5, Tif::Ioc)).unwrap();
    assert_eq!((v.ledger().position_lots, v.ledger().open_cost_e8), (-3, -2_700));
    v.place(market("d", Buy, 3)).unwrap();
    assert_eq!((v.ledger().position_lots, v.ledger().open_cost_e8), (0, 0));
    assert_eq!(v.ledger().realised_e8(), v.ledger().cash_e8);
}

#[test]
fn a_restart_keeps_orders_fills_and_money_and_loses_the_place_in_the_queue() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    v.place(limit("a", Buy, 99, 5, Tif::Gtc)).unwrap();
    v.on_market(trade(99, 12, Sell), 2);
    v.place(limit("done", Buy, 101, 1, Tif::Ioc)).unwrap();
    let state = v.state();
    let mut next = Venue::new(config(Money::Usdm)).unwrap();
    next.restore(state.clone()).unwrap();
    next.on_market(snapshot(50, &[(99, 30)], &[(101, 10)]), 3);
    let order = next.find(&Cancel::Client("a".into())).unwrap();
    assert_eq!((order.cum, order.leaves(), order.ahead, order.status), (2, 3, 30, Status::PartiallyFilled));
    assert_eq!((next.ledger(), next.state_ids()), (v.ledger(), v.state_ids()));
    next.on_market(trade(99, 31, Sell), 4);
    assert_eq!(next.trades().last().map(|t| (t.trade_id, t.qty)), Some((3, 1)));
    let mut broken = state;
    broken.orders[0].cum = 99;
    assert!(next.restore(broken).unwrap_err().contains("order 1"));
    assert_eq!(next.find(&Cancel::Client("a".into())).unwrap().cum, 3, "a refused state changes nothing");
}

#[test]
fn a_reset_recording_sends_orders_to_the_back() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    v.place(limit("a", Buy, 99, 5, Tif::Gtc)).unwrap();
    v.reset_market();
    assert_eq!(v.place(limit("b", Buy, 99, 5, Tif::Gtc)), Err(Refused::NoBook));
    v.on_market(snapshot(7, &[(99, 40)], &[(101, 10)]), 2);
    assert_eq!(ahead(&v, "a"), 40);
}

const CONFIG: &str = r#"{"symbol":"BTCUSDT","market":"spot","pxScale":2,"pxUnit":1,"qtyScale":5,"qtyUnit":1,"pxTextScale":8,
"qtyTextScale":8,"e8PerTickLot":10,"baseE8PerLot":1000,"baseAsset":"BTC","quoteAsset":"USDT","makerFeeE8":"100000",
"takerFeeE8":"100000","balances":{"baseE8":"1000000000","quoteE8":"100000000000000"}}"#;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_json_door_speaks_binance_decimals() {
    let mut v = SimMarket::new(CONFIG).unwrap();
    assert_eq!(v.snapshot_depth(5), "");
    v.on_market(br#"{"lastUpdateId":7,"bids":[["61837.63000000","3.78826000"]],"asks":[["61837.64000000","0.50000000"]]}"#, 1);
    assert_eq!(
        v.snapshot_depth(5),
        r#"{"asks":[["61837.64000000","0.50000000"]],"bids":[["61837.63000000","3.78826000"]],"lastUpdateId":7}"#
    );
    let placed = json(&v.place(
        r#"{"clientOrderId":"x","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"61837.64","quantity":"0.60000","timeMs":5}"#,
    ));
    assert_eq!(placed["order"]["status"], "PARTIALLY_FILLED");
    assert_eq!(placed["order"]["fills"][0]["fee"], "0.00050000");
    assert_eq!(placed["order"]["fills"][0]["feeAsset"], "BTC");
    let kinds: Vec<String> = json(&v.drain_events())
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["type"].as_str().unwrap().into())
        .collect();
    assert_eq!(kinds, ["new", "trade"]);
    assert_eq!(json(&v.query(r#"{"what":"touch"}"#))["askPx"], "61837.64000000");
    assert_eq!(json(&v.query(r#"{"what":"trades"}"#))["trades"][0]["quoteE8"], "3091882000000");
    assert_eq!(json(&v.balances())["quoteLockedE8"], "618376400000");
    assert_eq!(json(&v.cancel(r#"{"clientOrderId":"x","timeMs":6}"#))["order"]["status"], "CANCELED");
    assert_eq!(json(&v.cancel(r#"{"clientOrderId":"x","timeMs":6}"#))["reason"], "UNKNOWN_ORDER");
    for (price, quantity, reason) in [
        ("61837.645", "0.1", "PRICE_OFF_TICK"),
        ("61837.64", "0.000001", "QTY_OFF_LOT"),
        ("0", "1", "PRICE_ZERO_OR_NEG"),
        ("abc", "1", "MALFORMED"),
    ] {
        let request = format!(
            r#"{{"clientOrderId":"y","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"{price}","quantity":"{quantity}","timeMs":5}}"#
        );
        assert_eq!(json(&v.place(&request))["reason"], reason);
    }
    assert_eq!(json(&v.place("nonsense"))["reason"], "MALFORMED");
    let state = v.state();
    let mut next = SimMarket::new(CONFIG).unwrap();
    next.restore(&state).unwrap();
    assert_eq!(next.balances(), v.balances());
    assert!(next.restore("{}").is_err());
}

#[test]
fn a_bad_configuration_names_its_field() {
    for (from, to, want) in [
        ("\"e8PerTickLot\":10", "\"e8PerTickLot\":0", "e8PerTickLot"),
        ("\"makerFeeE8\":\"100000\"", "\"makerFeeE8\":\"-1\"", "makerFeeE8"),
        ("\"pxUnit\":1", "\"pxUnit\":0", "units"),
        ("\"pxTextScale\":8", "\"pxTextScale\":1", "pxTextScale"),
        ("\"symbol\"", "\"symbole\"", "symbol"),
    ] {
        let error = SimMarket::new(&CONFIG.replace(from, to)).unwrap_err();
        assert!(error.contains(want), "{error}");
    }
}
