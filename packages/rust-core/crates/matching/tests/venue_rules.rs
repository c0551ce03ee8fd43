//! The venue's rules around the core: several accounts, waiting orders, amends, halts, funding and busts, each by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod support;

use support::*;
use tidegate_matching::{
    Cancel, EventKind, Extras, Money, NewOrder, Refused, SimMarket, Status, Stp, Tif, Trigger, TriggerKind,
    Venue,
};
use tidegate_units::Side::{Buy, Sell};

fn client(id: &str) -> Cancel {
    Cancel::Client(id.into())
}

fn with(new: NewOrder, extras: Extras) -> NewOrder {
    NewOrder { extras, ..new }
}

fn stop(px: i64) -> Extras {
    Extras { trigger: Some(Trigger { kind: TriggerKind::Stop, px, trail: None }), ..Extras::default() }
}

#[test]
fn b024_a_stop_waits_for_a_recorded_trade_and_then_takes_what_is_recorded() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    v.place(with(limit("s", Buy, 103, 4, Tif::Gtc), stop(102))).unwrap();
    assert_eq!(v.open_orders().count(), 1);
    v.on_market(trade(101, 1, Buy), 2);
    assert!(fills(&v).is_empty());
    v.on_market(trade(102, 1, Buy), 3);
    assert_eq!(fills(&v), [(101, 4, false)]);
    assert!(v.drain().iter().any(|event| event.kind == EventKind::Triggered));
    v.place(with(market("m", Sell, 2), stop(90))).unwrap();
    let saved = v.state();
    v.restore(saved).unwrap();
    v.on_market(trade(90, 1, Sell), 4);
    assert_eq!(fills(&v)[1..], [(99, 2, false)], "it outlives a restart");
}

#[test]
fn an_amend_loses_the_place_unless_it_asks_for_less() {
    let mut v = venue(&[(99, 10), (98, 7)], &[(101, 10)]);
    v.place(limit("a", Buy, 99, 5, Tif::Gtc)).unwrap();
    v.on_market(trade(99, 6, Sell), 2);
    let ahead = |v: &Venue| v.find(&client("a")).unwrap().ahead;
    v.amend(&client("a"), 99, 4, 3).unwrap();
    assert_eq!(ahead(&v), 4);
    v.amend(&client("a"), 99, 5, 4).unwrap();
    assert_eq!(ahead(&v), 10, "behind all that is recorded there");
    v.amend(&client("a"), 98, 5, 5).unwrap();
    assert_eq!(ahead(&v), 7);
    v.amend(&client("a"), 101, 12, 6).unwrap();
    let order = v.find(&client("a")).unwrap();
    assert_eq!((fills(&v), order.leaves(), order.qty), (vec![(101, 10, false)], 2, 12));
    assert_eq!(v.amend(&client("a"), 101, 10, 7), Err(Refused::QtyZeroOrNeg), "no less than has filled");
    assert_eq!(v.amend(&client("b"), 101, 10, 7), Err(Refused::UnknownOrder));
}

#[test]
fn a_spot_amend_must_be_covered() {
    let mut v = Venue::new(config(Money::Spot)).unwrap();
    v.on_market(snapshot(1, &[(99, 10)], &[(101, 10)]), 1);
    // 10^12 of 1e-8 buys 10^9 lots at 100 with 10 of 1e-8 a tick and lot.
    v.place(limit("a", Buy, 100, 1_000_000_000, Tif::Gtc)).unwrap();
    assert_eq!(v.amend(&client("a"), 100, 1_000_000_001, 2), Err(Refused::InsufficientBalance));
    assert_eq!(v.locked().1, 10_i128.pow(12));
    v.amend(&client("a"), 99, 1_000_000_000, 2).unwrap();
    assert_eq!(v.locked().1, 990_000_000_000);
}

#[test]
fn the_next_part_of_an_iceberg_queues_behind_what_is_recorded() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    let peak = Extras { peak: 2, ..Extras::default() };
    v.place(with(limit("i", Buy, 99, 5, Tif::Gtc), peak)).unwrap();
    v.on_market(trade(99, 13, Sell), 2);
    assert_eq!(fills(&v), [(99, 2, true)], "one part of it");
    v.on_market(diff(2, &[(99, 4)], &[]), 3);
    assert_eq!(v.find(&client("i")).unwrap().ahead, 4);
}

#[test]
fn a_halted_venue_fills_nothing_and_takes_cancels() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    v.place(limit("a", Buy, 99, 5, Tif::Gtc)).unwrap();
    v.halt();
    v.on_market(trade(98, 50, Sell), 2);
    v.on_market(ticker(2, (97, 1), (98, 3)), 2);
    assert!(fills(&v).is_empty());
    assert_eq!(v.place(limit("b", Buy, 99, 5, Tif::Gtc)), Err(Refused::Halted));
    v.resume();
    v.on_market(ticker(3, (97, 1), (98, 4)), 3);
    assert_eq!(fills(&v), [(99, 4, true)], "what is there when trading goes on");
    v.halt();
    v.cancel(&client("a"), 4).unwrap();
    assert_eq!(v.find(&client("a")).unwrap().status, Status::Canceled);
}

#[test]
fn day_orders_end_with_the_day() {
    let mut v = venue(&[(99, 10)], &[(101, 10)]);
    v.place(limit("d", Buy, 98, 5, Tif::Day)).unwrap();
    v.place(limit("g", Buy, 98, 5, Tif::Gtc)).unwrap();
    v.end_day(2);
    let order = v.find(&client("d")).unwrap();
    assert_eq!((order.status, order.reason.as_str()), (Status::Expired, "DAY"));
    assert_eq!(v.open_orders().count(), 1);
}

#[test]
fn two_accounts_trade_with_each_other_and_each_pays_its_own_fee() {
    let mut v = venue(&[(90, 10)], &[(110, 10)]);
    let other = v.add_account(0, 0).unwrap();
    v.place(limit("a", Sell, 100, 3, Tif::Gtc)).unwrap();
    let of = Extras { account: other, ..Extras::default() };
    v.place(with(limit("b", Buy, 100, 5, Tif::Gtc), of)).unwrap();
    assert_eq!(fills(&v), [(100, 3, false), (100, 3, true)]);
    let (mine, theirs) = (v.ledger().clone(), v.ledger_of(other).unwrap().clone());
    assert_eq!((mine.position_lots, theirs.position_lots, mine.cash_e8 + theirs.cash_e8), (-3, 3, 0));
    // 3,000 of notional: 5 bp and 10 bp, cut off.
    assert_eq!((mine.fees_quote_e8, theirs.fees_quote_e8), (1, 3));
    assert_eq!((v.locked_of(other).1, v.locked().1), (2_000, 0));
    let state = v.state();
    let mut next = venue(&[(90, 10)], &[(110, 10)]);
    next.restore(state).unwrap();
    assert_eq!((next.ledger_of(other), next.engine().position(other)), (Some(&theirs), 3));
    assert_eq!(
        v.place(with(limit("c", Buy, 1, 1, Tif::Gtc), Extras { account: 9, ..of })),
        Err(Refused::Malformed)
    );
}

#[test]
fn decremented_orders_keep_their_sums() {
    let mut v = venue(&[(90, 10)], &[(110, 10)]);
    v.place(limit("a", Sell, 100, 3, Tif::Gtc)).unwrap();
    let stp = Extras { stp: Stp::Decrement, ..Extras::default() };
    v.place(with(limit("b", Buy, 100, 5, Tif::Gtc), stp)).unwrap();
    let (a, b) = (v.find(&client("a")).unwrap(), v.find(&client("b")).unwrap());
    assert_eq!((a.status, a.leaves(), a.void), (Status::ExpiredInMatch, 0, 3));
    assert_eq!((b.status, b.leaves(), b.void, b.cum), (Status::New, 2, 3, 0));
}

#[test]
fn funding_moves_money_from_longs_to_shorts() {
    let mut v = venue(&[(99, 10)], &[(100, 10)]);
    let other = v.add_account(0, 0).unwrap();
    v.place(limit("a", Buy, 100, 4, Tif::Ioc)).unwrap();
    let of = Extras { account: other, ..Extras::default() };
    v.place(with(limit("b", Sell, 99, 4, Tif::Ioc), of)).unwrap();
    // 4 lots x 1,000 ticks x 10 of 1e-8 = 40,000; one percent of it.
    assert_eq!(v.fund(1_000_000, 1_000), [-400, 400]);
    assert_eq!(v.fund(-1_000_000, 1_000), [400, -400]);
    assert_eq!((v.ledger().funding_e8, v.ledger_of(other).unwrap().funding_e8), (0, 0));
}

#[test]
fn a_bust_takes_money_fee_and_position_back_once() {
    let mut v = venue(&[(99, 10)], &[(100, 10)]);
    let before = v.ledger().clone();
    v.place(limit("a", Buy, 100, 400, Tif::Gtc)).unwrap();
    assert_eq!((v.ledger().fills, v.ledger().fees_quote_e8), (1, 10));
    let busted = v.bust(1, 5).unwrap();
    assert_eq!((busted.qty, busted.side), (10, Buy));
    assert_eq!((v.ledger(), v.engine().position(0)), (&before, 0));
    let order = v.find(&client("a")).unwrap();
    assert_eq!((order.cum, order.void, order.leaves(), order.quote_e8), (0, 10, 390, 0));
    assert!(v.drain().iter().any(|event| matches!(event.kind, EventKind::Busted(_))));
    assert_eq!(v.bust(1, 6), Err(Refused::UnknownOrder), "once");
    assert_eq!(v.bust(7, 6), Err(Refused::UnknownOrder));
    let saved = v.state();
    v.restore(saved).unwrap();
    assert_eq!(v.bust(1, 6), Err(Refused::UnknownOrder), "also after a restart");
}

const CONFIG: &str = r#"{"symbol":"BTCUSDT","market":"usdm","pxScale":1,"pxUnit":1,"qtyScale":3,"qtyUnit":1,"pxTextScale":2,
"qtyTextScale":3,"e8PerTickLot":10000,"baseE8PerLot":100000,"baseAsset":"BTC","quoteAsset":"USDT","makerFeeE8":"20000",
"takerFeeE8":"50000","balances":{"baseE8":"0","quoteE8":"100000000000"}}"#;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_json_door_amends_and_controls() {
    let mut v = SimMarket::new(CONFIG).unwrap();
    v.on_market(br#"{"lastUpdateId":7,"E":1,"T":1,"bids":[["100.0","3"]],"asks":[["100.1","1"]]}"#, 1);
    let place = |id: &str, more: &str| {
        format!(r#"{{"clientOrderId":"{id}","side":"SELL","quantity":"0.500","timeMs":5,{more}}}"#)
    };
    let waiting = json(&v.place(&place("s", r#""type":"STOP_MARKET","stopPrice":"99.0","reduceOnly":true"#)));
    assert_eq!(
        (&waiting["order"]["type"], &waiting["order"]["stopPrice"]),
        (&"STOP_MARKET".into(), &"99.00".into())
    );
    assert_eq!(waiting["order"]["reduceOnly"], true);
    for (id, more, reason) in [
        ("x", r#""type":"STOP_MARKET""#, "MALFORMED"),
        ("x", r#""type":"LIMIT","timeInForce":"GTC","price":"101.0","stopPrice":"99.0""#, "MALFORMED"),
        ("x", r#""type":"STOP_LOSS","stopPrice":"99.0""#, "MALFORMED"),
        ("x", r#""type":"MARKET","reduceOnly":true"#, "REDUCE_ONLY"),
        ("x", r#""type":"MARKET","selfTradePreventionMode":"SOMETIMES""#, "MALFORMED"),
    ] {
        assert_eq!(json(&v.place(&place(id, more)))["reason"], reason, "{more}");
    }
    v.place(&place("i", r#""type":"LIMIT","timeInForce":"DAY","price":"100.2","icebergQty":"0.100""#));
    let amended = json(&v.amend(r#"{"clientOrderId":"i","price":"100.3","quantity":"0.400","timeMs":6}"#));
    assert_eq!(
        (&amended["order"]["price"], &amended["order"]["icebergQty"]),
        (&"100.30".into(), &"0.100".into())
    );
    assert_eq!(amended["order"]["timeInForce"], "DAY");
    assert_eq!(
        json(&v.amend(r#"{"orderId":99,"price":"1.0","quantity":"1","timeMs":6}"#))["reason"],
        "UNKNOWN_ORDER"
    );
    assert_eq!(json(&v.amend(r#"{"price":"1.0","quantity":"1","timeMs":6}"#))["reason"], "MALFORMED");
    v.place(&place("m", r#""type":"MARKET""#));
    let types: Vec<String> = json(&v.drain_events())
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap().into())
        .collect();
    assert_eq!(&types[types.len() - 4..], ["new", "replaced", "new", "trade"]);
    // Short 0.5 at 100.0: a rate of 1 % above 0 pays it 0.5.
    let funded = json(&v.control(r#"{"op":"fund","rateE8":"1000000","markPrice":"100.0"}"#));
    assert_eq!(funded["receivedE8"], "50000000");
    assert_eq!(json(&v.balances())["fundingE8"], "50000000");
    assert_eq!(json(&v.control(r#"{"op":"bust","tradeId":1,"timeMs":7}"#))["trade"]["tradeId"], 1);
    assert_eq!(json(&v.control(r#"{"op":"bust","tradeId":1,"timeMs":7}"#))["ok"], false);
    assert_eq!(json(&v.balances())["positionLots"], 0);
    let before = json(&v.balances())["quoteE8"].as_str().and_then(|text| text.parse::<i64>().ok());
    assert_eq!(json(&v.control(r#"{"op":"transfer","baseE8":"0","quoteE8":"-700"}"#))["ok"], true);
    let after = json(&v.balances())["quoteE8"].as_str().and_then(|text| text.parse::<i64>().ok());
    assert_eq!(after, before.map(|e8| e8 - 700));
    assert_eq!(json(&v.control(r#"{"op":"halt"}"#))["ok"], true);
    assert_eq!(json(&v.place(&place("h", r#""type":"MARKET""#)))["reason"], "HALTED");
    assert_eq!(json(&v.control(r#"{"op":"resume"}"#))["ok"], true);
    assert_eq!(json(&v.control(r#"{"op":"endDay","timeMs":8}"#))["ok"], true);
    assert_eq!(json(&v.query(r#"{"what":"order","clientOrderId":"i"}"#))["order"]["status"], "EXPIRED");
    for bad in [
        r#"{"op":"transfer","baseE8":"1.5","quoteE8":"0"}"#,
        r#"{"op":"nothing"}"#,
        r#"{"op":"fund","rateE8":"1e9","markPrice":"1.0"}"#,
        "nonsense",
    ] {
        assert_eq!(json(&v.control(bad))["reason"], "MALFORMED", "{bad}");
    }
}
