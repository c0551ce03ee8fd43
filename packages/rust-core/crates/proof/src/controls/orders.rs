//! Limits on one order: price, size, value, rate, duplicates, self-match, permission, attribution.

use super::Proof;
use super::rig::cases::{CASES, perp};
use super::rig::{PERP, Rig, SPOT, about, cancel, id, limit, market, table};
use super::tally::{PERP as PERP_ROW, Tally, at};
use serde_json::json;
use tidegate_instruments::Table;
use tidegate_risk::{Event, Gateway, Limits};
use tidegate_units::{InstrumentId, SAFE_INTEGER, Side::Buy, Side::Sell, StrategyId};
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::orders::v1::{Intent, Reason, ReportKind, Tif};

pub const PROOFS: &[Proof] = &[
    (&[], "a case for each reason of the round limits", every_reason),
    (&["C1"], "collar at one tick inside, at and beyond", collar),
    (&["C1"], "references that are none", references),
    (&["C2"], "walking the price with own orders", drift),
    (&["C3"], "order value at the limit, market orders at the collar's edge, overflow", value),
    (&["C4"], "order size at the limit, lots and ticks", size),
    (&["C5"], "message rates of strategy, account and instrument", rates),
    (&["C9"], "the same order under other ids", duplicates),
    (&["C9"], "the same id a thousand times", same_id),
    (&["C10"], "three principals by instrument, side and account", permissions),
    (&["C11"], "restricted list by file and by act", restricted),
    (&["C11"], "a venue's halt", venue_halt),
    (&["C13"], "who answers for an order", attribution),
    (&["C17"], "own orders that would meet, in flight and unknown among them", self_match),
    (&[], "the slippage guard at 49, 50 and 51 basis points", slippage),
    (&[], "price bands and lot steps", bands),
];

fn every_reason(t: &mut Tally) {
    for (n, (want, make)) in CASES.iter().enumerate() {
        let mut rig = t.rig(&[]);
        let intent = make(&mut rig);
        let is = rig.reason(intent);
        t.want(&format!("case {n}"), is, *want);
        t.replays(&rig);
    }
}

fn collar(t: &mut Tally) {
    // 2 % of 600,000 are 12,000 ticks; of 6,000,000 of the other instrument 120,000.
    for (px, want) in [
        (612_000 - 1, Reason::Ok),
        (612_000, Reason::Ok),
        (612_000 + 1, Reason::PriceOutsideCollar),
        (588_000 + 1, Reason::Ok),
        (588_000, Reason::Ok),
        (588_000 - 1, Reason::PriceOutsideCollar),
    ] {
        for side in [Buy, Sell] {
            let is = t.rig(&[]).reason(perp(1, side, px, 5));
            t.want(&format!("{side:?} at {px}"), is, want);
        }
        // Another collar holds for another instrument.
        let narrow = t.rig(&[("/instruments/0/collar_bps", json!(100))]).reason(limit(
            id(1, 1),
            SPOT,
            Buy,
            px * 10,
            5,
        ));
        let inside = (px - 600_000_i64).abs() * 10_000 <= 100 * 600_000;
        t.want("narrow", narrow, if inside { Reason::Ok } else { Reason::PriceOutsideCollar });
    }
    // A reducing order has the wider one: 5 %.
    for (px, want) in [(570_000, Reason::Ok), (570_000 - 1, Reason::PriceOutsideCollar)] {
        let mut rig = t.rig(&[]);
        rig.trade(1, PERP, Buy, 600_000, 10);
        let is = rig.reason(perp(2, Sell, px, 10));
        t.want(&format!("reducing at {px}"), is, want);
    }
    // The cap is absolute.
    let wide =
        [(at(PERP_ROW, "collar_bps"), json!(9_000)), (at(PERP_ROW, "reducing_collar_bps"), json!(9_000))];
    let wide: Vec<(&str, _)> = wide.iter().map(|(p, v)| (p.as_str(), v.clone())).collect();
    for (px, want) in [(999_999, Reason::Ok), (1_000_000, Reason::Ok), (1_000_001, Reason::PriceExceedsCap)] {
        let is = t.rig(&wide).reason(perp(1, Buy, px, 1));
        t.want(&format!("cap {px}"), is, want);
    }
}

fn references(t: &mut Tally) {
    let touch = |rig: &mut Rig, bid, ask, valid| {
        let instrument = InstrumentId(PERP);
        rig.apply(Event::FeedLost { instrument });
        let ts_ns = rig.now.epoch_ns;
        rig.apply(Event::Reference { instrument, bid_px_ticks: bid, ask_px_ticks: ask, valid, ts_ns });
    };
    for (bid, ask, valid, want) in [
        (None, None, true, Reason::NoReferencePrice),
        (Some(0), Some(0), true, Reason::NoReferencePrice),
        (Some(-600_000), Some(-600_000), true, Reason::NoReferencePrice),
        (Some(i64::MAX), Some(i64::MAX), true, Reason::NoReferencePrice),
        (Some(600_000), Some(600_000), false, Reason::NoReferencePrice),
        (Some(600_000), None, true, Reason::Ok),
        (None, Some(600_000), true, Reason::Ok),
    ] {
        let mut rig = t.rig(&[]);
        touch(&mut rig, bid, ask, valid);
        let is = rig.reason(perp(1, Buy, 600_000, 5));
        t.want(&format!("{bid:?} {ask:?} {valid}"), is, want);
    }
    for (ms, want) in [(999, Reason::Ok), (1_000, Reason::Ok), (1_001, Reason::NoReferencePrice)] {
        let mut rig = t.rig(&[]);
        rig.pass_ms(ms);
        let is = rig.reason(perp(1, Buy, 600_000, 5));
        t.want(&format!("{ms} ms old"), is, want);
    }
}

fn drift(t: &mut Tally) {
    let set = [("/instruments/1/drift", json!({ "bps_max": 100, "window_ms": 60_000 }))];
    // Bought at 600,000; 1 % on is 606,000.
    for (side, px, want) in [
        (Buy, 606_000 - 1, Reason::Ok),
        (Buy, 606_000, Reason::Ok),
        (Buy, 606_000 + 1, Reason::PriceDrift),
        (Sell, 606_000 + 1, Reason::Ok),
    ] {
        let mut rig = t.rig(&set);
        rig.trade(1, PERP, Buy, 600_000, 2);
        rig.price(PERP, 604_000);
        let is = rig.reason(perp(2, side, px, 1));
        t.want(&format!("{side:?} {px}"), is, want);
        t.replays(&rig);
    }
    // A market order counts at the reference.
    for (px, want) in [(606_000, Reason::Ok), (606_001, Reason::PriceDrift)] {
        let mut rig = t.rig(&set);
        rig.trade(1, PERP, Buy, 600_000, 2);
        rig.price(PERP, px);
        let is = rig.reason(market(id(1, 2), PERP, Buy, 1));
        t.want(&format!("market at {px}"), is, want);
    }
    // The window passes.
    for (seconds, want) in [(59, Reason::PriceDrift), (60, Reason::Ok)] {
        let mut rig = t.rig(&set);
        rig.trade(1, PERP, Buy, 600_000, 2);
        rig.pass_ms(seconds * 1_000);
        rig.price(PERP, 607_000);
        let is = rig.reason(perp(2, Buy, 607_000, 1));
        t.want(&format!("after {seconds} s"), is, want);
    }
    // Step by step: it blocks before the walk has gone further than the limit.
    let mut rig = t.rig(&set);
    let (mut px, mut blocked) = (600_000, false);
    for seq in 1..100 {
        let is = rig.trade(seq, PERP, Buy, px, 1);
        if is == Reason::PriceDrift {
            blocked = true;
            break;
        }
        t.hold("within the drift", px <= 606_000);
        px += 500;
        rig.pass_ms(200);
        rig.price(PERP, px);
    }
    t.hold("the walk was blocked", blocked);
}

fn value(t: &mut Tally) {
    // 6,000 at 60,000.00 a coin are 10,000 lots; a market order counts at 61,200.00.
    for (qty, want) in [(9_999, Reason::Ok), (10_000, Reason::Ok), (10_001, Reason::MaxNotionalExceeded)] {
        let is = t.rig(&[]).reason(limit(id(1, 1), SPOT, Buy, 6_000_000, qty));
        t.want(&format!("{qty} lots"), is, want);
    }
    for (qty, want) in [(9_802, Reason::Ok), (9_803, Reason::Ok), (9_804, Reason::MaxNotionalExceeded)] {
        for side in [Buy, Sell] {
            let is = t.rig(&[]).reason(market(id(1, 1), SPOT, side, qty));
            t.want(&format!("market {side:?} {qty} lots"), is, want);
        }
    }
    giants(t);
}

/// A table in which a price times a quantity passes 128 bits.
fn giants(t: &mut Tally) {
    let mut row = table().get(InstrumentId(PERP)).expect("a row of the shipped table").clone();
    (row.px_scale, row.qty_scale, row.px_unit, row.qty_unit) = (0, 0, 100_000, 100_000);
    row.e8_per_tick_lot = 1_000_000_000_000_000_000;
    (row.min_qty_lots, row.max_qty_lots) = (10, SAFE_INTEGER);
    let table = Table::new(1, vec![row]).expect("a sound table");
    let max = i64::MAX;
    let json = json!({
        "version": 1, "startup_holdoff_ms": 0, "requery_ms": 1,
        "firm": { "exposure_e8_max": max, "open_orders_max": 9 },
        "accounts": [{ "account_id": 1, "exposure_e8_max": max }],
        "strategies": [{ "strategy_id": 1, "exposure_e8_max": max, "open_orders_max": 9, "messages_max": 9,
            "messages_window_ms": 1 }],
        "instruments": [{ "instrument_id": 2, "order_qty_lots_max": max, "order_notional_e8_max": max,
            "position_lots_max": max, "exposure_e8_max": max, "px_ticks_max": max, "collar_bps": 200,
            "reducing_collar_bps": 200, "reference_age_ms_max": 1000 }],
    });
    let limits = Limits::from_json(json.to_string().as_bytes(), &table).expect("sound limits");
    let mut rig = t.rig(&[]);
    rig.gateway = Gateway::new(table, limits, super::rig::HOLDER);
    (rig.report_seq, rig.journal) = (0, vec![]);
    rig.lead();
    rig.price(PERP, SAFE_INTEGER);
    let is = rig.reason(perp(1, Buy, SAFE_INTEGER, SAFE_INTEGER.unsigned_abs()));
    t.want("the largest order there is", is, Reason::Overflow);
    let is = rig.reason(perp(2, Buy, SAFE_INTEGER, 9));
    t.want("below the smallest lot", is, Reason::QtyOffLot);
    let is = rig.reason(perp(3, Buy, SAFE_INTEGER, 10));
    t.want("the smallest order of giants", is, Reason::MaxNotionalExceeded);
}

fn size(t: &mut Tally) {
    for (qty, want) in [
        (0, Reason::QtyZeroOrNeg),
        (1, Reason::Ok),
        (59, Reason::Ok),
        (60, Reason::Ok),
        (61, Reason::MaxQtyExceeded),
        (SAFE_INTEGER.unsigned_abs(), Reason::MaxQtyExceeded),
        (SAFE_INTEGER.unsigned_abs() + 1, Reason::Malformed),
        (u64::MAX, Reason::Malformed),
    ] {
        for side in [Buy, Sell] {
            let is = t.rig(&[]).reason(perp(1, side, 600_000, qty));
            t.want(&format!("{side:?} {qty}"), is, want);
        }
    }
    // Of one strategy, with all its orders on the side: 100.
    for (qty, want) in [(39, Reason::Ok), (40, Reason::Ok), (41, Reason::PositionLimitExceeded)] {
        let mut rig = t.rig(&[]);
        rig.reason(perp(1, Buy, 600_000, 60));
        let is = rig.reason(perp(2, Buy, 600_000, qty));
        t.want(&format!("position {qty}"), is, want);
    }
}

fn bands(t: &mut Tally) {
    let bands =
        json!([{ "from_px_ticks": 0, "step_ticks": 1 }, { "from_px_ticks": 600_000, "step_ticks": 50 }]);
    let set = [("/instruments/1/tick_bands", bands), ("/instruments/1/lot_step", json!(3))];
    for (px, qty, want) in [
        (599_999, 3, Reason::Ok),
        (600_000, 3, Reason::Ok),
        (600_001, 3, Reason::PriceOffTick),
        (600_049, 3, Reason::PriceOffTick),
        (600_050, 3, Reason::Ok),
        (600_000, 2, Reason::QtyOffLot),
        (600_000, 4, Reason::QtyOffLot),
        (600_000, 6, Reason::Ok),
    ] {
        let is = t.rig(&set).reason(perp(1, Buy, px, qty));
        t.want(&format!("{px} × {qty}"), is, want);
    }
}

fn rates(t: &mut Tally) {
    let burst = |rig: &mut Rig, count: u64, strategy: u32, instrument: u32| {
        for seq in 1..=count {
            let px = if instrument == SPOT { 5_900_000 } else { 590_000 };
            rig.reason(limit(id(strategy, seq), instrument, Buy, px, 1));
            rig.report(about(id(strategy, seq), instrument, ReportKind::Cancelled, 0));
        }
    };
    for (count, want) in [(9, Reason::Ok), (10, Reason::MessageRate)] {
        let mut rig = t.rig(&[]);
        burst(&mut rig, count, 1, PERP);
        let is = rig.reason(perp(99, Buy, 600_000, 1));
        t.want(&format!("strategy after {count}"), is, want);
        t.replays(&rig);
    }
    let window = json!({ "count_max": 4, "window_ms": 1_000 });
    for (what, pointer, other) in
        [("account", "/accounts/0/messages", true), ("instrument", "/instruments/1/messages", false)]
    {
        for (count, want) in [(3, Reason::Ok), (4, Reason::MessageRate)] {
            let mut rig = t.rig(&[(pointer, window.clone())]);
            burst(&mut rig, count, 2, PERP);
            let is = rig.reason(perp(99, Buy, 600_000, 1));
            t.want(&format!("{what} after {count} of another strategy"), is, want);
            // The account's window counts every instrument, an instrument's only its own.
            let mut rig = t.rig(&[(pointer, window.clone())]);
            burst(&mut rig, count, 2, SPOT);
            let is = rig.reason(perp(99, Buy, 600_000, 1));
            t.want(&format!("{what} after {count} elsewhere"), is, if other { want } else { Reason::Ok });
        }
    }
    // A hundred times too many: the limit leaves, cancels pass, and the window moves on to the millisecond.
    let mut rig = t.rig(&[]);
    rig.reason(perp(1, Buy, 600_000, 1));
    let mut left = 1;
    for seq in 2..=1_000 {
        left += u64::from(rig.reason(perp(seq, Buy, 600_000, 1)) == Reason::Ok);
        if seq <= 8 {
            continue;
        }
    }
    // Eight orders may be open at once.
    t.hold("the open orders bound the flood", left == 8);
    let is = rig.reason(cancel(id(1, 2_000), id(1, 1)));
    t.want("a cancel in the flood", is, Reason::Ok);
    for (ms, want) in [(999, Reason::MessageRate), (1_000, Reason::Ok)] {
        let mut rig = t.rig(&[]);
        burst(&mut rig, 10, 1, PERP);
        rig.pass_ms(ms);
        rig.price(PERP, 600_000);
        let is = rig.reason(perp(99, Buy, 600_000, 1));
        t.want(&format!("after {ms} ms"), is, want);
    }
}

fn duplicates(t: &mut Tally) {
    let set = [("/strategies/0/duplicates", json!({ "count_max": 3, "window_ms": 1_000 }))];
    let send = |rig: &mut Rig, count: u64| {
        for seq in 1..=count {
            rig.reason(perp(seq, Buy, 600_000, 1));
        }
    };
    for (count, want) in [(2, Reason::Ok), (3, Reason::DuplicateEconomics)] {
        let mut rig = t.rig(&set);
        send(&mut rig, count);
        let is = rig.reason(perp(50, Buy, 600_000, 1));
        t.want(&format!("after {count}"), is, want);
        t.replays(&rig);
    }
    for (ms, want) in [(999, Reason::DuplicateEconomics), (1_000, Reason::Ok)] {
        let mut rig = t.rig(&set);
        send(&mut rig, 3);
        rig.pass_ms(ms);
        rig.price(PERP, 600_000);
        let is = rig.reason(perp(50, Buy, 600_000, 1));
        t.want(&format!("after {ms} ms"), is, want);
    }
    // Another price, size or side is another order; another strategy's is its own.
    let mut rig = t.rig(&set);
    send(&mut rig, 3);
    for (n, other) in [
        perp(50, Buy, 600_001, 1),
        perp(51, Buy, 600_000, 2),
        limit(id(1, 52), SPOT, Buy, 6_000_000, 1),
        limit(id(2, 53), PERP, Buy, 600_000, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let is = rig.reason(other);
        t.want(&format!("another order {n}"), is, Reason::Ok);
    }
    // It holds for reducing orders too.
    let mut rig = t.rig(&set);
    rig.trade(1, PERP, Buy, 600_000, 20);
    for seq in 2..=4 {
        rig.reason(perp(seq, Sell, 600_000, 1));
    }
    let is = rig.reason(perp(5, Sell, 600_000, 1));
    t.want("reducing", is, Reason::DuplicateEconomics);
}

fn same_id(t: &mut Tally) {
    let mut rig = t.rig(&[]);
    let mut commands = 0;
    for n in 0..1_000 {
        let reply = rig.intent(perp(1, Buy, 600_000, 1));
        commands += rig.commands().len();
        t.hold("the same answer", reply.reason() == Reason::Ok && reply.repeated == (n > 0));
        if n % 100 == 99 {
            rig.restart();
            rig.lead();
            rig.price(PERP, 600_000);
        }
    }
    t.hold("one order was sent", commands == 1);
    let is = rig.reason(perp(1, Buy, 600_000, 2));
    t.want("the id with other contents", is, Reason::IdReused);
}

fn permissions(t: &mut Tally) {
    let may = |instruments: &[u32], sides: &str| json!({ "accounts": [1], "instruments": instruments, "sides": sides });
    let set = [
        ("/strategies/0/permissions", may(&[SPOT], "both")),
        ("/strategies/1/permissions", may(&[SPOT, PERP], "buy")),
    ];
    for strategy in [1, 2, 3] {
        for instrument in [SPOT, PERP] {
            for side in [Buy, Sell] {
                let allowed = match strategy {
                    1 => instrument == SPOT,
                    2 => side == Buy,
                    _ => false,
                };
                let px = if instrument == SPOT { 6_000_000 } else { 600_000 };
                let is = t.rig(&set).reason(limit(id(strategy, 1), instrument, side, px, 5));
                let want = if allowed { Reason::Ok } else { Reason::UnauthorisedPrincipal };
                t.want(&format!("{strategy} {instrument} {side:?}"), is, want);
            }
        }
    }
    // Another's name, another account, and a permission that is taken away in the session.
    let mut rig = t.rig(&set);
    let reply = rig.intent_from(StrategyId(1), limit(id(2, 1), SPOT, Buy, 6_000_000, 5));
    t.want("under another's name", reply.reason(), Reason::UnauthorisedPrincipal);
    let is = rig.reason(Intent { account_id: 2, ..limit(id(1, 1), SPOT, Buy, 6_000_000, 5) });
    t.want("another account", is, Reason::UnauthorisedPrincipal);
    let is = rig.reason(limit(id(1, 2), SPOT, Buy, 6_000_000, 5));
    t.want("before", is, Reason::Ok);
    let next = t.limits(&[("/version", json!(2)), ("/strategies/0/permissions", may(&[], "both"))]);
    let limits = Limits::from_json(next.as_bytes(), &table()).expect("sound limits");
    let (principal, authoriser) = ("ann".into(), "bob".into());
    rig.apply(Event::Limits { limits: Box::new(limits), principal, authoriser });
    let is = rig.reason(limit(id(1, 3), SPOT, Buy, 6_000_000, 5));
    t.want("after", is, Reason::UnauthorisedPrincipal);
}

fn restricted(t: &mut Tally) {
    let is = t.rig(&[("/restricted", json!([PERP]))]).reason(perp(1, Buy, 600_000, 5));
    t.want("by file", is, Reason::Restricted);
    let is = t.rig(&[("/restricted", json!([PERP]))]).reason(limit(id(1, 1), SPOT, Buy, 6_000_000, 5));
    t.want("another instrument", is, Reason::Ok);
    let act = |action: ControlAction| ControlEvent {
        action: action.into(),
        principal: "ann".into(),
        instrument_id: PERP,
        ..ControlEvent::default()
    };
    let mut rig = t.rig(&[]);
    rig.trade(1, PERP, Buy, 600_000, 5);
    rig.act(act(ControlAction::Restrict));
    rig.restart();
    rig.lead();
    rig.price(PERP, 600_000);
    let is = rig.reason(perp(2, Buy, 600_000, 5));
    t.want("by act, through a restart", is, Reason::Restricted);
    let is = rig.reason(perp(3, Sell, 600_000, 5));
    t.want("reducing", is, Reason::Restricted);
    rig.act(act(ControlAction::Allow));
    let is = rig.reason(perp(4, Buy, 600_000, 5));
    t.want("taken off", is, Reason::Ok);
    t.replays(&rig);
}

fn venue_halt(t: &mut Tally) {
    let mut rig = t.rig(&[]);
    let instrument = InstrumentId(PERP);
    let is = rig.reason(perp(1, Buy, 600_000, 1));
    t.want("before the halt", is, Reason::Ok);
    rig.apply(Event::MarketState { instrument, trades: false });
    let is = rig.reason(perp(2, Buy, 600_000, 1));
    t.want("in it", is, Reason::SessionClosed);
    let is = rig.reason(limit(id(1, 3), SPOT, Buy, 6_000_000, 1));
    t.want("another instrument", is, Reason::Ok);
    let is = rig.reason(cancel(id(1, 4), id(1, 1)));
    t.want("a cancel", is, Reason::Ok);
    rig.apply(Event::MarketState { instrument, trades: true });
    let is = rig.reason(perp(5, Buy, 600_000, 1));
    t.want("after it", is, Reason::Ok);
}

fn attribution(t: &mut Tally) {
    let who = json!({ "version": "00000000000000af", "trader_id": 7, "desk_id": 8, "client_id": 9 });
    let set = [("/require_attribution", json!(true)), ("/strategies/0/attribution", who)];
    let mut rig = t.rig(&set);
    let is = rig.reason(perp(1, Buy, 600_000, 5));
    t.want("named", is, Reason::Ok);
    let command = rig.commands().pop().unwrap_or_default();
    let told = (command.strategy_version, command.trader_id, command.desk_id, command.client_id);
    t.hold("the command names them", told == (0xaf, 7, 8, 9));
    let is = rig.reason(limit(id(2, 1), PERP, Buy, 600_000, 5));
    t.want("nobody named", is, Reason::AttributionMissing);
    // Where the file does not ask for it, it may be missing.
    let is = t.rig(&[]).reason(perp(1, Buy, 600_000, 5));
    t.want("not asked for", is, Reason::Ok);
    for bad in ["", "0000000000000000", "af", "zz00000000000000", "+000000000000001"] {
        let who = json!({ "version": bad, "trader_id": 7, "desk_id": 8, "client_id": 9 });
        let json = t.limits(&[("/strategies/0/attribution", who)]);
        t.hold(bad, Limits::from_json(json.as_bytes(), &table()).is_err());
    }
}

fn self_match(t: &mut Tally) {
    for (side, own, px, want) in [
        (Sell, 600_000, 600_000, Reason::SelfMatch),
        (Sell, 600_000, 600_001, Reason::Ok),
        (Sell, 600_000, 599_999, Reason::SelfMatch),
        (Buy, 600_000, 600_000, Reason::SelfMatch),
        (Buy, 600_000, 599_999, Reason::Ok),
        (Buy, 600_000, 600_001, Reason::SelfMatch),
    ] {
        let mut rig = t.rig(&[]);
        rig.reason(perp(1, side.opposite(), own, 5));
        let is = rig.reason(limit(id(2, 1), PERP, side, px, 5));
        t.want(&format!("in flight, {side:?} {px}"), is, want);
        rig.report(about(id(1, 1), PERP, ReportKind::Ack, 0));
        let is = rig.reason(limit(id(2, 2), PERP, side, px, 5));
        t.want(&format!("live, {side:?} {px}"), is, want);
        rig.report(about(id(1, 1), PERP, ReportKind::Cancelled, 0));
        if want == Reason::SelfMatch {
            let is = rig.reason(limit(id(2, 3), PERP, side, px, 5));
            t.want("after its end", is, Reason::Ok);
        }
    }
    // One of unknown outcome freezes its symbol, and still stands against its other side.
    let mut rig = t.rig(&[]);
    rig.reason(perp(1, Buy, 600_000, 5));
    rig.report(about(id(1, 1), PERP, ReportKind::Unknown, 0));
    let is = rig.reason(limit(id(2, 1), PERP, Sell, 600_000, 5));
    t.want("unknown", is, Reason::SymbolFrozen);
    // A reducing order is not exempt.
    let mut rig = t.rig(&[]);
    rig.trade(1, PERP, Buy, 600_000, 5);
    rig.reason(limit(id(2, 1), PERP, Buy, 599_000, 5));
    let is = rig.reason(perp(2, Sell, 599_000, 5));
    t.want("reducing", is, Reason::SelfMatch);
}

fn slippage(t: &mut Tally) {
    let set = [("/instruments/1/slippage_bps", json!(50))];
    let spread = |rig: &mut Rig, bid, ask| {
        let ts_ns = rig.now.epoch_ns;
        let instrument = InstrumentId(PERP);
        rig.apply(Event::Reference { instrument, bid_px_ticks: bid, ask_px_ticks: ask, valid: true, ts_ns });
    };
    // The reference is 600,000; 50 bps of it are 3,000.
    for (bps_10, want) in [(490, Reason::Ok), (500, Reason::Ok), (510, Reason::SlippageGuard)] {
        let distance = bps_10 * 6;
        for (side, px) in [(Buy, 600_000 + distance), (Sell, 600_000 - distance)] {
            let is = t.rig(&set).reason(perp(1, side, px, 1));
            t.want(&format!("limit {side:?} {bps_10}/10 bps"), is, want);
            // One that never takes is not held to it.
            let resting = Intent { tif: Tif::PostOnly.into(), ..perp(1, side, px, 1) };
            let is = t.rig(&set).reason(resting);
            t.want(&format!("post-only {side:?} {bps_10}/10 bps"), is, Reason::Ok);
            let mut rig = t.rig(&set);
            spread(&mut rig, Some(600_000 - distance), Some(600_000 + distance));
            let is = rig.reason(market(id(1, 1), PERP, side, 1));
            t.want(&format!("market {side:?} {bps_10}/10 bps"), is, want);
        }
    }
    for (bid, ask, side, want) in [
        (Some(600_000), None, Buy, Reason::SlippageGuard),
        (Some(600_000), None, Sell, Reason::Ok),
        (None, Some(600_000), Sell, Reason::SlippageGuard),
        (None, Some(600_000), Buy, Reason::Ok),
    ] {
        let mut rig = t.rig(&set);
        spread(&mut rig, bid, ask);
        let is = rig.reason(market(id(1, 1), PERP, side, 1));
        t.want(&format!("one side {bid:?} {ask:?} {side:?}"), is, want);
    }
    // Reducing has the wider collar alone.
    let mut rig = t.rig(&set);
    rig.trade(1, PERP, Buy, 600_000, 5);
    let is = rig.reason(perp(2, Sell, 590_000, 5));
    t.want("reducing", is, Reason::Ok);
}
