//! Cases with answers from elsewhere: the orders of others are the recording, the order in question is ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod support;

use support::*;
use tidegate_matching::{Cancel, Config, Money, Refused, Status, Tif, Venue};
use tidegate_units::Side::{self, Buy, Sell};

/// exchange-core `basic.feature`, full cycle, as its client Bob.
#[test]
fn exchange_core_full_cycle() {
    let mut v = venue(&[(1_550, 4)], &[(1_600, 7)]);
    v.place(limit("201", Buy, 1_700, 2, Tif::Ioc)).unwrap();
    assert_eq!(fills(&v), vec![(1_600, 2, false)]);
    assert_eq!(v.market().available(Sell, None), Some((1_600, 5)));
    v.place(limit("202", Buy, 1_583, 4, Tif::Gtc)).unwrap();
    assert_eq!(fills(&v).len(), 1, "no trade events");
    // Alice moves her remaining 5 to 1580.
    v.on_market(diff(2, &[], &[(1_600, 0), (1_580, 5)]), 2);
    assert_eq!(fills(&v)[1..], [(1_583, 4, true)]);
    assert_eq!(v.find(&Cancel::Client("202".into())).unwrap().status, Status::Filled);
    assert_eq!(v.market().available(Sell, None), Some((1_580, 1)));
    assert_eq!(v.market().available(Buy, None), Some((1_550, 4)));
}

fn eth_xbt(base: i128, quote: i128) -> Venue {
    // One lot is 100,000 szabo, one step of one lot is 10 satoshi, no fees.
    let mut v = Venue::new(Config {
        money: Money::Spot,
        e8_per_tick_lot: 10,
        base_e8_per_lot: 100_000,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        open_orders_max: tidegate_matching::limits::OPEN_ORDERS_MAX,
        base_e8: base,
        quote_e8: quote,
    })
    .unwrap();
    v.on_market(snapshot(1, &[(1, 1)], &[(90_000, 1)]), 1);
    v
}

/// exchange-core `basic.feature`, cancel BID order.
#[test]
fn exchange_core_cancel_gives_the_money_back() {
    let mut v = eth_xbt(0, 94_000_000);
    v.place(limit("203", Buy, 18_500, 500, Tif::Gtc)).unwrap();
    assert_eq!(v.ledger().quote_e8 - v.locked().1, 1_500_000);
    v.cancel(&Cancel::Client("203".into()), 2).unwrap();
    assert_eq!(v.ledger().quote_e8 - v.locked().1, 94_000_000);
}

/// exchange-core `risk_basic.feature`.
#[test]
fn exchange_core_refuses_what_is_not_covered() {
    let alice = limit("101", Buy, 30_000, 7, Tif::Gtc);
    assert_eq!(eth_xbt(0, 2_000_000).place(alice.clone()), Err(Refused::InsufficientBalance));
    let mut v = eth_xbt(0, 2_100_000);
    v.place(alice).unwrap();
    assert_eq!(v.ledger().quote_e8 - v.locked().1, 0);
    v.on_market(diff(2, &[], &[(30_000, 7)]), 2);
    assert_eq!((v.ledger().base_e8, v.ledger().quote_e8), (700_000, 0));

    let bob = limit("102", Sell, 30_000, 7, Tif::Ioc);
    let others = diff(2, &[(30_000, 7)], &[]);
    let mut v = eth_xbt(699_999, 0);
    v.on_market(others.clone(), 2);
    assert_eq!(v.place(bob.clone()), Err(Refused::InsufficientBalance));
    let mut v = eth_xbt(700_000, 0);
    v.on_market(others, 2);
    v.place(bob).unwrap();
    assert_eq!((v.ledger().base_e8, v.ledger().quote_e8), (0, 2_100_000));
}

fn side(word: &str) -> Side {
    if word == "buy" { Buy } else { Sell }
}

/// CppTrader scenarios: every limit order before the last command is the recording, the last command is ours.
#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn cpptrader_scenarios() {
    let data = reference_data();
    // The scenario, our fills as (px, qty), and what is left of our order.
    type Case = (&'static str, &'static [(i64, i64)], i64);
    let cases: [Case; 6] = [
        ("04", &[(10, 10)], 0),
        ("05", &[(10, 10)], 0),
        ("07", &[(30, 60), (20, 60)], 880),
        ("09", &[(30, 30), (20, 20), (10, 10)], 40),
        ("11", &[(30, 30), (20, 10)], 0),
        ("13", &[(30, 10)], 0),
    ];
    for (name, want, leaves) in cases {
        let path = data.join(format!("matching-conformance/cpptrader/scenario-{name}.txt"));
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>())
            .filter(|l| l.first() == Some(&"add") && !l.contains(&"symbol") && !l.contains(&"book"))
            .collect();
        let (ours, others) = lines.split_last().unwrap();
        let (mut bids, mut asks) = (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
        for line in others.iter().filter(|l| l[1] == "limit") {
            let (px, qty): (i64, i64) = (line[5].parse().unwrap(), line[6].parse().unwrap());
            *if side(line[2]) == Buy { &mut bids } else { &mut asks }.entry(px).or_insert(0) += qty;
        }
        let bids: Vec<(i64, i64)> = bids.into_iter().rev().collect();
        let asks: Vec<(i64, i64)> = asks.into_iter().collect();
        let mut v = venue(&bids, &asks);
        let n = |index: usize| ours[index].parse::<i64>().unwrap();
        let order = match ours[1] {
            "limit" => limit("x", side(ours[2]), n(5), n(6), Tif::Gtc),
            "ioc" => limit("x", side(ours[3]), n(6), n(7), Tif::Ioc),
            "market" => market("x", side(ours[2]), n(5)),
            "slippage" => limit("x", side(ours[3]), bids[0].0 - n(7), n(6), Tif::Ioc),
            other => panic!("{path:?}: no rule for {other}"),
        };
        v.place(order).unwrap();
        let got: Vec<(i64, i64)> = fills(&v).into_iter().map(|(px, qty, _)| (px, qty)).collect();
        assert_eq!(got, want, "scenario {name}");
        assert_eq!(v.find(&Cancel::Client("x".into())).unwrap().leaves(), leaves, "scenario {name}");
    }
}
