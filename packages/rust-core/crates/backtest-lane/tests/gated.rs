//! A run with the gateway and the router inside: what is refused live is refused in it, by the same cores and for the same reason.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::limits::{PERP, Seen, busy, intent, limited, run, valid_top, wide};
use common::tapes;
use serde_json::{Value, json};
use tidegate_backtest_lane::Lane;
use tidegate_engine::strategy::layout as at;
use tidegate_wire::pb::orders::v1::{OrderState, Reason};

/// At the `n`-th valid books of the perpetual: one order each, (book, buys, lots, post-only far from the touch or taking).
fn orders(list: &'static [(u32, bool, i64, bool)]) -> impl FnMut(Seen<'_>) -> Vec<[f64; at::INTENT_DOUBLES]> {
    let (mut books, mut seq) = (0, 0);
    move |row| {
        if !valid_top(row, PERP) {
            return Vec::new();
        }
        books += 1;
        let due = list.iter().filter(|(at, ..)| *at == books);
        due.map(|(_, buys, lots, rests)| {
            seq += 1;
            let px = match (buys, rests) {
                (true, true) => row[at::BOOK_TOP_BID_PX] - 300.0,
                (false, true) => row[at::BOOK_TOP_ASK_PX] + 300.0,
                (true, false) => row[at::BOOK_TOP_ASK_PX] + 50.0,
                (false, false) => row[at::BOOK_TOP_BID_PX] - 50.0,
            };
            intent(
                seq,
                f64::from(PERP),
                &[
                    (at::INTENT_SIDE, if *buys { 1.0 } else { 2.0 }),
                    (at::INTENT_TIF, if *rests { 4.0 } else { 2.0 }),
                    (at::INTENT_PX, px),
                    (at::INTENT_QTY, *lots as f64),
                ],
            )
        })
        .collect()
    }
}

#[test]
fn b099_limits_that_refuse_nothing_give_the_run_without_a_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let without = run(&limited(&tapes, None), busy());
    let with = run(&limited(&tapes, Some(&wide(&tapes))), busy());
    assert!(without.orders() > 300 && !without.fills.is_empty());
    assert_eq!((without.fills, without.samples), (with.fills.clone(), with.samples.clone()));
    assert_eq!(without.summary["gateway"], Value::Null);
    assert_ne!(without.summary["runHash"], with.summary["runHash"]);
    for (a, b) in without.summary["instruments"]
        .as_array()
        .unwrap()
        .iter()
        .zip(with.summary["instruments"].as_array().unwrap())
    {
        assert_eq!((&a["orders"], &a["received"], &a["venue"]), (&b["orders"], &b["received"], &b["venue"]));
    }
    // Cancels of what has ended are refused and never sent; without a gateway nobody says so.
    let refused = with.summary["gateway"]["refused"].as_object().unwrap();
    assert_eq!(refused.keys().collect::<Vec<_>>(), ["UNKNOWN_ORDER"], "{refused:?}");
}

#[test]
fn b099_a_limit_refuses_one_above_its_bound_and_nothing_at_it() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let list: &[_] = &[(100, true, 9, true), (101, true, 10, true), (102, true, 11, true)];
    let mut limits = wide(&tapes);
    limits["instruments"][1]["order_qty_lots_max"] = 10.into();
    let gave = run(&limited(&tapes, Some(&limits)), orders(list));
    assert_eq!(gave.reasons(), [Reason::Ok, Reason::Ok, Reason::MaxQtyExceeded]);
    assert_eq!(gave.summary["gateway"]["refused"], json!({ "MAX_QTY_EXCEEDED": 1 }));
    // What is refused never was an order, at the venue or for the strategy.
    assert_eq!((gave.orders(), gave.states.len(), gave.states.get(&3)), (2, 2, None));
    // The negative controls: a wider limit, and no gateway.
    limits["instruments"][1]["order_qty_lots_max"] = 11.into();
    let wider = run(&limited(&tapes, Some(&limits)), orders(list));
    assert_eq!((wider.reasons(), wider.orders()), (vec![Reason::Ok; 3], 3));
    assert_eq!(run(&limited(&tapes, None), orders(list)).orders(), 3);
}

#[test]
fn b099_a_position_limit_counts_what_the_run_has_filled_and_what_still_stands() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    // 4 taken and 3 standing: 3 more are at the bound of 10, and the next lot is beyond it until something is sold.
    let list: &[_] = &[
        (100, true, 4, false),
        (160, true, 3, true),
        (161, true, 3, true),
        (162, true, 1, true),
        (200, false, 4, false),
        (260, true, 4, true),
        (261, true, 1, true),
    ];
    let mut limits = wide(&tapes);
    limits["instruments"][1]["position_lots_max"] = 10.into();
    let gave = run(&limited(&tapes, Some(&limits)), orders(list));
    let over = Reason::PositionLimitExceeded;
    assert_eq!(gave.reasons(), [Reason::Ok, Reason::Ok, Reason::Ok, over, Reason::Ok, Reason::Ok, over]);
    // Two lots more room: the fourth order takes the first of them, the last one the second.
    limits["instruments"][1]["position_lots_max"] = 12.into();
    let wider = run(&limited(&tapes, Some(&limits)), orders(list));
    assert_eq!(wider.reasons(), [Reason::Ok; 7]);
}

#[test]
fn b099_a_rate_is_over_the_runs_time_and_free_again_after_its_window() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let mut limits = wide(&tapes);
    limits["strategies"][0]["messages_max"] = 3.into();
    let (mut books, mut seq, mut first) = (0, 0, 0.0);
    let mut sent = Vec::new();
    let gave = run(&limited(&tapes, Some(&limits)), |row| {
        if !valid_top(row, PERP) {
            return Vec::new();
        }
        books += 1;
        let since = row[at::EVENT_NOW_NS] - first;
        let due = match seq {
            0 => books == 100,
            1..=3 => true,
            // The last ns of the window, as near as the tape has one, and the first book after it.
            4 => since >= 1e9,
            _ => false,
        };
        if !due {
            return Vec::new();
        }
        if seq == 0 {
            first = row[at::EVENT_NOW_NS];
        }
        seq += 1;
        sent.push(row[at::EVENT_NOW_NS] - first);
        let terms = [
            (at::INTENT_SIDE, 1.0),
            (at::INTENT_TIF, 4.0),
            (at::INTENT_PX, row[at::BOOK_TOP_BID_PX] - 300.0),
            (at::INTENT_QTY, 1.0),
        ];
        vec![intent(seq, f64::from(PERP), &terms)]
    });
    assert!(sent[3] < 1e9 && sent[4] < 1.5e9, "{sent:?}");
    assert_eq!(gave.reasons(), [Reason::Ok, Reason::Ok, Reason::Ok, Reason::MessageRate, Reason::Ok]);
}

#[test]
fn b099_an_orders_life_is_told_by_the_routers_states() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let (mut books, mut seq) = (0, 0);
    let gave = run(&limited(&tapes, Some(&wide(&tapes))), |row| {
        if !valid_top(row, PERP) {
            return Vec::new();
        }
        books += 1;
        let (buy, px) = (row[at::BOOK_TOP_BID_PX], row[at::BOOK_TOP_ASK_PX]);
        let mut send = |set: &[(usize, f64)]| {
            seq += 1;
            intent(seq, f64::from(PERP), set)
        };
        let order = |px: f64, tif: f64| {
            [(at::INTENT_SIDE, 1.0), (at::INTENT_TIF, tif), (at::INTENT_PX, px), (at::INTENT_QTY, 2.0)]
        };
        match books {
            // Rests, and is cancelled in the same breath: before the venue has answered for it.
            100 => vec![
                send(&order(buy - 300.0, 4.0)),
                send(&[(at::INTENT_KIND, 2.0), (at::INTENT_ORDER_TYPE, 0.0), (at::INTENT_TARGET_SEQ, 1.0)]),
            ],
            // Post-only through the touch; what takes; what nobody offers.
            200 => vec![send(&order(px + 100.0, 4.0))],
            300 => vec![send(&order(px + 100.0, 2.0))],
            400 => vec![send(&order(buy - 300.0, 2.0))],
            _ => Vec::new(),
        }
    });
    assert_eq!(gave.reasons(), [Reason::Ok; 5]);
    let states = |seq: u64| -> Vec<OrderState> {
        gave.states[&seq].iter().map(|state| OrderState::try_from(*state).unwrap()).collect()
    };
    use OrderState::{Cancelled, Expired, Filled, Live, PendingCancel, PendingNew};
    assert_eq!(states(1), [PendingNew, PendingCancel, PendingCancel, Cancelled]);
    assert_eq!(states(3), [PendingNew, Live, Expired]);
    assert_eq!(states(4).last(), Some(&Filled));
    assert_eq!(states(5), [PendingNew, Live, Expired]);
    assert_eq!(gave.states.len(), 4);
    assert!(!states(4).contains(&Expired));
}

#[test]
fn b099_a_loss_beyond_its_limit_cancels_what_stands_and_refuses_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    // One stands far away, one takes and pays spread and fee, one comes later.
    let list: &[_] = &[(90, true, 1, true), (100, true, 40, false), (400, true, 1, true)];
    let mut limits = wide(&tapes);
    let loss = |day_e8_max: i64| {
        json!({
            "market": "24/7", "day_e8_max": day_e8_max, "week_e8_max": null, "month_e8_max": null,
            "drawdown": null, "action": "cancel",
        })
    };
    limits["strategies"][0]["loss"] = loss(1);
    let gave = run(&limited(&tapes, Some(&limits)), orders(list));
    let cancelled = OrderState::Cancelled as i32;
    assert_eq!(gave.reasons(), [Reason::Ok, Reason::Ok, Reason::DailyLossLimit]);
    // Nobody but the gateway asked for it.
    assert_eq!(gave.states[&1].last(), Some(&cancelled));
    // The negative control.
    limits["strategies"][0]["loss"] = loss(1_000_000_000_000);
    let other = run(&limited(&tapes, Some(&limits)), orders(list));
    assert_eq!((other.reasons(), other.states[&1].contains(&cancelled)), (vec![Reason::Ok; 3], false));
}

#[test]
fn b099_an_order_that_is_not_answered_in_time_is_unknown_until_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    // Two seconds are the router's bound; the answer is back after three and a half.
    let mut config = limited(&tapes, Some(&wide(&tapes)));
    for each in config["instruments"].as_array_mut().unwrap() {
        each["latency"] =
            json!({"kind": "constant", "entryNs": 2_500_000_000_i64, "answerNs": 1_000_000_000});
    }
    let (mut seq, mut first) = (0_u64, None);
    let gave = run(&config, |row| {
        if !valid_top(row, PERP) {
            return Vec::new();
        }
        let now = row[at::EVENT_NOW_NS];
        let since = now - *first.get_or_insert(now);
        let due = [1e9, 4e9, 6e9];
        if due.get(seq as usize).is_none_or(|at| since < *at) {
            return Vec::new();
        }
        seq += 1;
        let terms = [
            (at::INTENT_SIDE, 1.0),
            (at::INTENT_TIF, 4.0),
            (at::INTENT_PX, row[at::BOOK_TOP_BID_PX] - 3_000.0),
            (at::INTENT_QTY, 1.0),
        ];
        vec![intent(seq, f64::from(PERP), &terms)]
    });
    // While nobody knows, nothing else is sent in its symbol.
    assert_eq!(gave.reasons(), [Reason::Ok, Reason::SymbolFrozen, Reason::Ok]);
    let states = [OrderState::PendingNew, OrderState::Unknown, OrderState::Live].map(|state| state as i32);
    assert_eq!(gave.states[&1][..3], states);
}

#[test]
fn b099_the_runs_hash_covers_the_limits_and_the_decisions() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let list: &[_] = &[(100, true, 5, true)];
    let hash = |limits: &Value| {
        let gave = run(&limited(&tapes, Some(limits)), orders(list));
        assert_eq!(gave.reasons(), [Reason::Ok]);
        (gave.summary["runHash"].clone(), gave.summary["gateway"]["limitsHash"].clone())
    };
    let mut limits = wide(&tapes);
    let first = hash(&limits);
    assert_eq!(hash(&limits), first);
    // Nothing is decided otherwise, and still it is another run.
    limits["instruments"][0]["order_qty_lots_max"] = 77.into();
    let other = hash(&limits);
    assert_ne!((&other.0, &other.1), (&first.0, &first.1));
}

#[test]
fn b099_limits_that_cannot_be_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let refused = |change: &dyn Fn(&mut Value), want: &str| {
        let mut bad = limited(&tapes, Some(&wide(&tapes)));
        change(&mut bad["limits"]);
        let fault = Lane::open(&bad.to_string()).unwrap_err();
        assert!(fault.contains(want), "{fault}");
    };
    refused(&|bad| bad["strategyId"] = 8.into(), "no row of strategy 8");
    refused(&|bad| bad["file"] = "{".into(), "cannot read the limits file");
    refused(&|bad| bad["table"] = "{}".into(), "limits: ");
    refused(&|bad| bad["speed"] = 1.into(), "speed");
    let other = |bad: &mut Value| {
        let mut table: Value = serde_json::from_str(bad["table"].as_str().unwrap()).unwrap();
        table["instruments"][1]["max_qty_lots"] = 5.into();
        bad["table"] = table.to_string().into();
    };
    refused(&other, "another row of instrument 2");
}
