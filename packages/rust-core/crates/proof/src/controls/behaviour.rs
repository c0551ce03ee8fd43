//! What holds beyond one order: execution throttle, exposure, what was sent, overrides, positions at once, messages per
//! trade, refusals, leadership, journal and the venue's words.

use super::Proof;
use super::rig::cases::perp;
use super::rig::{PERP, Rig, SPOT, about, cancel, fill, id, limit, table};
use super::tally::Tally;
use serde_json::json;
use tidegate_risk::{Archive, Bounds, Event, Limits, Lookup, MemoryArchive, Outcome, Scope};
use tidegate_units::{InstrumentId, IntentId, Side::Buy, Side::Sell, StrategyId};
use tidegate_wire::approval::{ApprovalKey, Approver, Verifier};
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::{Command, Reason, Report, ReportKind};
use tidegate_wire::pb::risk::v1::Latch;

pub const PROOFS: &[Proof] = &[
    (&["C6"], "executions without a person", throttle),
    (&["C6"], "refusals of a strategy's own making", refusals),
    (&["C7"], "exposure of symbol, strategy, desk, account and firm at the limit", exposure),
    (&["C7"], "other instruments are valued at present prices", present_prices),
    (&["C8"], "an order counts from its decision to the venue's word", counts_at_once),
    (&["C27"], "two people lift a block for a while", overrides),
    (&[], "limits change by one person down and by two up", limit_changes),
    (&[], "instruments with a position at once", open_positions),
    (&[], "messages per trade", order_to_trade),
    (&[], "reducing orders at every cap", reducing),
    (&[], "ids that left memory", forgotten_ids),
    (&[], "what the router and the venue say of an order", venue_words),
    (&[], "approvals", approvals),
];

fn throttle(t: &mut Tally) {
    let set = [("/strategies/0/executions", json!({ "count_max": 3, "window_ms": 600_000 }))];
    let rearm = |strategy_id| ControlEvent {
        action: ControlAction::Rearm.into(),
        principal: "ann".into(),
        strategy_id,
        ..ControlEvent::default()
    };
    let mut rig = t.rig(&set);
    for seq in 1..=3 {
        let is = rig.trade(seq, PERP, Buy, 600_000, 1);
        t.want(&format!("execution {seq}"), is, Reason::Ok);
    }
    let is = rig.reason(perp(4, Buy, 600_000, 1));
    t.want("at the limit", is, Reason::Ok);
    rig.report(about(id(1, 4), PERP, ReportKind::Ack, 0));
    rig.report(fill(id(1, 4), PERP, Buy, 600_000, 1, 1, "e4"));
    let causes: Vec<Reason> =
        rig.gateway.state().risk().latched(Scope::Strategy(StrategyId(1)), Latch::Quarantine).collect();
    t.want("one more", causes.first().copied().unwrap_or(Reason::Ok), Reason::ExecutionThrottle);
    let is = rig.reason(perp(5, Buy, 600_000, 1));
    t.want("quarantined", is, Reason::StrategyQuarantined);
    rig.restart();
    rig.lead();
    rig.price(PERP, 600_000);
    let is = rig.reason(perp(6, Buy, 600_000, 1));
    t.want("through a restart", is, Reason::StrategyQuarantined);
    let is = rig.reason(limit(id(2, 1), PERP, Buy, 600_000, 1));
    t.want("another strategy", is, Reason::Ok);
    let nobody = ControlEvent { principal: String::new(), ..rearm(1) };
    t.hold("nobody cannot re-arm", !rig.act(nobody));
    rig.act(rearm(1));
    let is = rig.reason(perp(7, Buy, 600_000, 1));
    t.want("re-armed", is, Reason::Ok);
    t.replays(&rig);
    // Spread over more than the window it never trips.
    let mut rig = t.rig(&set);
    for seq in 1..=12 {
        let is = rig.trade(seq, PERP, if seq % 2 == 0 { Sell } else { Buy }, 600_000, 1);
        t.want(&format!("slow execution {seq}"), is, Reason::Ok);
        rig.pass_ms(200_000);
        rig.price(PERP, 600_000);
    }
    // A person's quarantine cancels what is live.
    let mut rig = t.rig(&set);
    rig.reason(perp(1, Buy, 590_000, 1));
    rig.report(about(id(1, 1), PERP, ReportKind::Ack, 0));
    rig.act(ControlEvent { action: ControlAction::Quarantine.into(), ..rearm(1) });
    t.hold("its order is cancelled", rig.commands().iter().any(|c| c.kind == 2));
    let is = rig.reason(perp(2, Buy, 600_000, 1));
    t.want("by a person", is, Reason::StrategyQuarantined);
    let is = rig.reason(cancel(id(1, 3), id(1, 1)));
    t.want("its cancels pass", is, Reason::Ok);
}

fn refusals(t: &mut Tally) {
    let set = [("/strategies/0/refusals", json!({ "count_max": 3, "window_ms": 1_000 }))];
    let mut rig = t.rig(&set);
    for seq in 1..=4 {
        let is = rig.reason(perp(seq, Buy, 999_999, 1));
        t.want("its own fault", is, Reason::PriceOutsideCollar);
    }
    let causes: Vec<Reason> =
        rig.gateway.state().risk().latched(Scope::Strategy(StrategyId(1)), Latch::Quarantine).collect();
    t.want("the fourth", causes.first().copied().unwrap_or(Reason::Ok), Reason::RefusalBreaker);
    let is = rig.reason(perp(5, Buy, 600_000, 1));
    t.want("quarantined", is, Reason::StrategyQuarantined);
    t.replays(&rig);
    // Three, or slower than the window, or a state of the gateway, trip nothing.
    let mut rig = t.rig(&set);
    for seq in 1..=3 {
        rig.reason(perp(seq, Buy, 999_999, 1));
    }
    let is = rig.reason(perp(4, Buy, 600_000, 1));
    t.want("three", is, Reason::Ok);
    let mut rig = t.rig(&set);
    for seq in 1..=8 {
        rig.reason(perp(seq, Buy, 999_999, 1));
        rig.pass_ms(400);
        rig.price(PERP, 600_000);
    }
    let is = rig.reason(perp(9, Buy, 600_000, 1));
    t.want("slowly", is, Reason::Ok);
    let mut rig = t.rig(&set);
    rig.control(ControlAction::Halt, "ann");
    for seq in 1..=8 {
        let is = rig.reason(perp(seq, Buy, 600_000, 1));
        t.want("halted", is, Reason::Halt);
    }
    rig.control(ControlAction::Resume, "ann");
    let is = rig.reason(perp(9, Buy, 600_000, 1));
    t.want("a halt is not its fault", is, Reason::Ok);
}

fn exposure(t: &mut Tally) {
    // 50 lots of the perpetual at the collar's edge of 61,200 are 3,060 of the currency.
    let worth = 50 * 612_000 * 10_000_i64;
    for (what, pointer, code) in [
        ("symbol", "/instruments/1/exposure_e8_max", Reason::ExposureSymbolLimit),
        ("strategy", "/strategies/0/exposure_e8_max", Reason::ExposureStrategyLimit),
        ("account", "/accounts/0/exposure_e8_max", Reason::ExposureAccountLimit),
        ("firm", "/firm/exposure_e8_max", Reason::ExposureGlobalLimit),
        ("desk", "/desks/0/exposure_e8_max", Reason::ExposureDeskLimit),
    ] {
        for (max, want) in [(worth + 1, Reason::Ok), (worth, Reason::Ok), (worth - 1, code)] {
            let set = [
                ("/strategies/0/desk_id", json!(4)),
                ("/desks", json!([{ "desk_id": 4, "exposure_e8_max": i64::MAX }])),
                (pointer, json!(max)),
            ];
            let mut rig = t.rig(&set);
            let is = rig.reason(perp(1, Sell, 600_000, 50));
            t.want(&format!("{what} at {max}"), is, want);
            t.replays(&rig);
        }
    }
    // The desk adds up its strategies.
    let desk = json!([{ "desk_id": 4, "exposure_e8_max": 2 * worth - 1 }]);
    let mut rig =
        t.rig(&[("/desks", desk), ("/strategies/0/desk_id", json!(4)), ("/strategies/1/desk_id", json!(4))]);
    let is = rig.reason(perp(1, Sell, 600_000, 50));
    t.want("first of the desk", is, Reason::Ok);
    let is = rig.reason(limit(id(2, 1), PERP, Sell, 600_000, 50));
    t.want("second of the desk", is, Reason::ExposureDeskLimit);
    cardinality(t);
}

fn cardinality(t: &mut Tally) {
    use tidegate_instruments::Table;
    let shipped = table();
    let template = shipped.get(InstrumentId(PERP)).expect("a row of the shipped table");
    let bound = u32::try_from(tidegate_risk::limits::BOOKS_MAX).expect("a small bound");
    let rows: Vec<_> = (1..=bound + 1)
        .map(|n| {
            let mut row = template.clone();
            (row.id, row.symbol) = (n, format!("S{n}"));
            row
        })
        .collect();
    let table = Table::new(1, rows).expect("a sound table");
    // Each book is worth 600,001 × 10,000: the firm has room for all of them.
    let rows: Vec<_> = (1..=bound + 1)
        .map(|n| {
            json!({ "instrument_id": n, "order_qty_lots_max": 9, "order_notional_e8_max": 999_999_999_999_i64,
                "position_lots_max": 9, "exposure_e8_max": 999_999_999_999_i64, "px_ticks_max": 999_999,
                "collar_bps": 1, "reducing_collar_bps": 1, "reference_age_ms_max": 1_000 })
        })
        .collect();
    let json = t.limits(&[
        ("/instruments", json!(rows)),
        ("/strategies/0/open_orders_max", json!(8_000)),
        ("/accounts/0/exposure_e8_max", json!(i64::MAX)),
        ("/firm/exposure_e8_max", json!(i64::MAX)),
    ]);
    let limits = Limits::from_json(json.as_bytes(), &table).expect("sound limits");
    for (books, want) in [(bound - 1, Reason::Ok), (bound, Reason::ExposureCardinality)] {
        let mut rig = t.rig(&[]);
        rig.gateway = tidegate_risk::Gateway::new(table.clone(), limits.clone(), super::rig::HOLDER);
        (rig.report_seq, rig.journal) = (0, vec![]);
        rig.lead();
        for n in 1..=books {
            let mut external = fill(IntentId(0), n, Buy, 1, 1, 1, &format!("x{n}"));
            (external.intent_id, external.venue_id) = (None, 2);
            rig.report(external);
        }
        for n in 1..=bound + 1 {
            rig.price(n, 600_000);
        }
        rig.control(ControlAction::Resume, "ann");
        let is = rig.reason(limit(id(1, 1), bound + 1, Buy, 600_000, 1));
        t.want(&format!("{books} books"), is, want);
    }
}

/// The regression of a defect: another instrument was valued at the price of its last decision, so that a scope stood above
/// its limit at present prices.
fn present_prices(t: &mut Tally) {
    // 10,000 lots of spot at 60,000 (edge 61,200) are 6,120; risen by half, 9,180, beside 900,000 for the account.
    for (rise, want) in [(6_000_000, Reason::Ok), (9_000_000, Reason::ExposureStrategyLimit)] {
        let mut rig = t.rig(&[("/instruments/0/exposure_e8_max", json!(i64::MAX))]);
        let is = rig.trade(1, SPOT, Buy, 6_000_000, 10_000);
        t.want("bought", is, Reason::Ok);
        rig.price(SPOT, rise);
        let is = rig.reason(perp(2, Buy, 600_000, 20));
        t.want(&format!("spot at {rise}"), is, want);
        let mark = rig.gateway.state().marks().find(|(id, _)| id.0 == SPOT).map(|(_, px)| px);
        t.hold("the journal has the price of the decision", mark == Some(rise));
        t.replays(&rig);
    }
    // A position that was never priced has no value: nothing new, but what reduces.
    let mut rig = Rig::bare(&t.limits(&[]));
    rig.lead();
    rig.price(PERP, 600_000);
    let mut external = fill(IntentId(0), SPOT, Buy, 6_000_000, 5, 5, "x1");
    external.intent_id = None;
    rig.report(external);
    rig.control(ControlAction::Resume, "ann");
    let is = rig.reason(perp(1, Buy, 600_000, 5));
    t.want("never priced", is, Reason::StaleMark);
    rig.price(SPOT, 6_000_000);
    let is = rig.reason(perp(2, Buy, 600_000, 5));
    t.want("priced", is, Reason::Ok);
}

fn counts_at_once(t: &mut Tally) {
    let mut rig = t.rig(&[]);
    rig.reason(perp(1, Buy, 600_000, 60));
    let held = |rig: &Rig| {
        let books: i128 = rig.gateway.state().books().map(|(_, book)| book.buy_lots).sum();
        books
    };
    t.hold("reserved with the decision", held(&rig) == 60);
    rig.report(about(id(1, 1), PERP, ReportKind::Unknown, 0));
    for _ in 0..1_000 {
        rig.pass_ms(60_000);
        rig.apply(Event::Tick);
    }
    t.hold("unknown for a thousand minutes", held(&rig) == 60);
    rig.restart();
    t.hold("through a restart", held(&rig) == 60);
    rig.lead();
    rig.price(PERP, 600_000);
    rig.report(about(id(1, 1), PERP, ReportKind::Cancelled, 20));
    t.hold("what the venue told of is waited for", held(&rig) == 20);
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 20, 20, "e1"));
    t.hold("and booked", held(&rig) == 0);
    let is = rig.reason(limit(id(2, 1), PERP, Buy, 600_000, 60));
    t.want("room again", is, Reason::Ok);
    t.replays(&rig);
}

fn overrides(t: &mut Tally) {
    let mut rig = t.rig(&[]);
    let minute = 60_000_000_000_i64;
    let lift = |rig: &Rig, minutes: i64, reason: Reason| ControlEvent {
        action: ControlAction::Override.into(),
        principal: "ann".into(),
        requester: "bob".into(),
        strategy_id: 1,
        expires_ts_ns: rig.now.epoch_ns + minutes * minute,
        overridden: reason as u32,
        ..ControlEvent::default()
    };
    let one = ControlEvent { requester: "ann".into(), ..lift(&rig, 10, Reason::MaxQtyExceeded) };
    t.hold("one person cannot", !rig.act(one));
    let nobody = ControlEvent { requester: String::new(), ..lift(&rig, 10, Reason::MaxQtyExceeded) };
    t.hold("nor one and nobody", !rig.act(nobody));
    let long = ControlEvent {
        expires_ts_ns: rig.now.epoch_ns + 15 * minute + 1,
        ..lift(&rig, 15, Reason::MaxQtyExceeded)
    };
    t.hold("nor for longer than 15 minutes", !rig.act(long));
    for never in [
        Reason::ExposureGlobalLimit,
        Reason::DailyLossLimit,
        Reason::SelfMatch,
        Reason::Killed,
        Reason::Restricted,
        Reason::UnauthorisedPrincipal,
    ] {
        let event = lift(&rig, 10, never);
        t.hold("nor what may never be lifted", !rig.act(event));
    }
    let is = rig.reason(perp(1, Buy, 600_000, 61));
    t.want("before", is, Reason::MaxQtyExceeded);
    let event = lift(&rig, 15, Reason::MaxQtyExceeded);
    t.hold("two people can", rig.act(event));
    rig.restart();
    rig.lead();
    rig.price(PERP, 600_000);
    let is = rig.reason(perp(2, Buy, 600_000, 61));
    t.want("lifted, through a restart", is, Reason::Ok);
    rig.report(about(id(1, 2), PERP, ReportKind::Cancelled, 0));
    let is = rig.reason(limit(id(2, 1), PERP, Buy, 600_000, 61));
    t.want("not for another strategy", is, Reason::MaxQtyExceeded);
    for (ms, want) in [(15 * 60_000 - 1, Reason::Ok), (1, Reason::MaxQtyExceeded)] {
        rig.pass_ms(ms);
        rig.price(PERP, 600_000);
        let seq = rig.now.mono_ns;
        let is = rig.reason(perp(seq, Buy, 600_000, 61));
        t.want(&format!("after {ms} ms more"), is, want);
        rig.report(about(id(1, seq), PERP, ReportKind::Cancelled, 0));
    }
    t.replays(&rig);
}

fn limit_changes(t: &mut Tally) {
    let change = |t: &Tally, rig: &mut Rig, version: u32, qty: i64, who: (&str, &str)| {
        let set = [("/version", json!(version)), ("/instruments/1/order_qty_lots_max", json!(qty))];
        let limits = Limits::from_json(t.limits(&set).as_bytes(), &table()).expect("sound limits");
        let before = rig.gateway.counters().controls_refused;
        let (principal, authoriser) = (who.0.to_string(), who.1.to_string());
        rig.apply(Event::Limits { limits: Box::new(limits), principal, authoriser });
        rig.gateway.counters().controls_refused == before
    };
    let mut rig = t.rig(&[]);
    t.hold("one person tightens", change(t, &mut rig, 2, 50, ("ann", "")));
    let is = rig.reason(perp(1, Buy, 600_000, 51));
    t.want("at once", is, Reason::MaxQtyExceeded);
    t.hold("one person does not loosen", !change(t, &mut rig, 3, 60, ("ann", "")));
    t.hold("nor one under two names", !change(t, &mut rig, 3, 60, ("ann", "ann")));
    t.hold("nobody changes anything", !change(t, &mut rig, 3, 40, ("", "bob")));
    t.hold("an older set is none", !change(t, &mut rig, 2, 40, ("ann", "bob")));
    t.hold("two people loosen", change(t, &mut rig, 3, 60, ("ann", "bob")));
    let is = rig.reason(perp(2, Buy, 600_000, 60));
    t.want("loosened", is, Reason::Ok);
    t.hold("the journal names the version", rig.gateway.state().risk().limits_version() == 3);
    rig.limits = rig.gateway.limits().clone();
    t.replays(&rig);
}

fn open_positions(t: &mut Tally) {
    let mut rig = t.rig(&[("/strategies/0/open_positions_max", json!(1))]);
    let is = rig.reason(perp(1, Buy, 600_000, 5));
    t.want("the first", is, Reason::Ok);
    let is = rig.reason(limit(id(1, 2), SPOT, Buy, 6_000_000, 5));
    t.want("one more, while the first only works", is, Reason::OpenPositionsExceeded);
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 5, 5, "e1"));
    let is = rig.reason(limit(id(1, 3), SPOT, Buy, 6_000_000, 5));
    t.want("one more", is, Reason::OpenPositionsExceeded);
    let is = rig.reason(perp(4, Buy, 600_000, 5));
    t.want("more of the same", is, Reason::Ok);
    rig.report(about(id(1, 4), PERP, ReportKind::Cancelled, 0));
    let is = rig.reason(limit(id(2, 1), SPOT, Buy, 6_000_000, 5));
    t.want("another strategy", is, Reason::Ok);
    let is = rig.reason(perp(5, Sell, 600_000, 5));
    t.want("closing", is, Reason::Ok);
    rig.report(fill(id(1, 5), PERP, Sell, 600_000, 5, 5, "e2"));
    let is = rig.reason(limit(id(1, 6), SPOT, Buy, 6_000_000, 5));
    t.want("flat again", is, Reason::Ok);
    // The sixth instrument of five.
    use tidegate_instruments::Table;
    let shipped = table();
    let template = shipped.get(InstrumentId(PERP)).expect("a row of the shipped table");
    let rows: Vec<_> = (1..=6_u32)
        .map(|n| {
            let mut row = template.clone();
            (row.id, row.symbol) = (n, format!("S{n}"));
            row
        })
        .collect();
    let six = Table::new(1, rows).expect("a sound table");
    let mut limits: serde_json::Value = serde_json::from_str(&t.limits(&[])).unwrap_or_default();
    let row = limits["instruments"][1].clone();
    limits["instruments"] = (1..=6)
        .map(|n| {
            let mut row = row.clone();
            row["instrument_id"] = json!(n);
            row
        })
        .collect();
    limits["strategies"][0]["open_positions_max"] = json!(5);
    let limits = Limits::from_json(limits.to_string().as_bytes(), &six).expect("sound limits");
    let mut rig = t.rig(&[]);
    rig.gateway = tidegate_risk::Gateway::new(six, limits, super::rig::HOLDER);
    (rig.report_seq, rig.journal) = (0, vec![]);
    rig.lead();
    for n in 1..=6 {
        rig.price(n, 600_000);
        let is = rig.reason(limit(id(1, n.into()), n, Buy, 600_000, 1));
        t.want(
            &format!("instrument {n}"),
            is,
            if n == 6 { Reason::OpenPositionsExceeded } else { Reason::Ok },
        );
        if n < 6 {
            let mut report = fill(id(1, n.into()), n, Buy, 600_000, 1, 1, &format!("e{n}"));
            report.venue_id = 2;
            rig.report(report);
        }
    }
}

fn order_to_trade(t: &mut Tally) {
    let budget = json!({ "ratio_max": 4, "messages_min": 4, "market": "24/7" });
    let set = [("/strategies/0/order_to_trade", budget), ("/strategies/0/messages_max", json!(1_000))];
    let mut rig = t.rig(&set);
    rig.tick();
    rig.price(PERP, 600_000);
    for seq in 1..=4 {
        let is = rig.reason(perp(seq, Buy, 590_000, 1));
        t.want(&format!("message {seq}"), is, Reason::Ok);
        rig.report(about(id(1, seq), PERP, ReportKind::Ack, 0));
    }
    let is = rig.reason(perp(5, Buy, 590_000, 1));
    t.want("the fifth for no trade", is, Reason::OrderToTrade);
    // Two trades allow eight messages.
    rig.report(fill(id(1, 1), PERP, Buy, 590_000, 1, 1, "e1"));
    rig.report(fill(id(1, 2), PERP, Buy, 590_000, 1, 1, "e2"));
    for seq in 6..=9 {
        let is = rig.reason(perp(seq, Buy, 590_000, 1));
        t.want(&format!("message {seq}"), is, Reason::Ok);
        rig.report(about(id(1, seq), PERP, ReportKind::Ack, 0));
    }
    let is = rig.reason(perp(10, Buy, 590_000, 1));
    t.want("the ninth for two", is, Reason::OrderToTrade);
    let is = rig.reason(perp(11, Sell, 610_000, 1));
    t.want("reducing", is, Reason::Ok);
    rig.report(about(id(1, 11), PERP, ReportKind::Ack, 0));
    // The next trading day counts from nothing.
    rig.pass_ms(2 * 3_600_000);
    rig.price(PERP, 600_000);
    rig.tick();
    rig.price(PERP, 600_000);
    let is = rig.reason(perp(12, Buy, 590_000, 1));
    t.want("the next day", is, Reason::Ok);
    t.replays(&rig);
}

fn reducing(t: &mut Tally) {
    // Long 10; then every cap is drawn below what stands, and selling 10 passes while buying 1 does not.
    for (pointer, value, code) in [
        ("/instruments/1/order_qty_lots_max", json!(1), Reason::MaxQtyExceeded),
        ("/instruments/1/order_notional_e8_max", json!(1), Reason::MaxNotionalExceeded),
        ("/instruments/1/position_lots_max", json!(1), Reason::PositionLimitExceeded),
        ("/instruments/1/exposure_e8_max", json!(1), Reason::ReduceOnly),
        ("/strategies/0/exposure_e8_max", json!(1), Reason::ReduceOnly),
        ("/strategies/0/messages_max", json!(1), Reason::MessageRate),
        ("/accounts/0/exposure_e8_max", json!(1), Reason::ReduceOnly),
        ("/firm/exposure_e8_max", json!(1), Reason::ReduceOnly),
    ] {
        let mut rig = t.rig(&[]);
        rig.trade(1, PERP, Buy, 600_000, 10);
        let next = t.limits(&[("/version", json!(2)), (pointer, value)]);
        let limits = Limits::from_json(next.as_bytes(), &table()).expect("sound limits");
        let (principal, authoriser) = ("ann".into(), "bob".into());
        rig.apply(Event::Limits { limits: Box::new(limits), principal, authoriser });
        let qty = if code == Reason::MaxQtyExceeded { 2 } else { 1 };
        let is = rig.reason(perp(2, Buy, 600_000, qty));
        t.want(pointer, is, code);
        // More than the position is trimmed to it.
        let reply = rig.intent(perp(3, Sell, 600_000, 15));
        t.want(pointer, reply.reason(), Reason::Ok);
        t.hold("trimmed", reply.accepted_qty_lots == 10);
        let is = rig.reason(perp(4, Sell, 600_000, 2));
        t.hold("the same position is not reduced twice", is != Reason::Ok);
    }
}

/// An archive whose disk fails.
#[derive(Debug)]
struct Broken;

impl Archive for Broken {
    fn put(&mut self, _: IntentId, _: &Outcome) {}
    fn get(&self, _: IntentId) -> Lookup {
        Lookup::Unknown
    }
    fn retain_since(&mut self, _: i64) {}
}

fn forgotten_ids(t: &mut Tally) {
    let bounds = Bounds { outcomes_max: 4, ..Bounds::default() };
    let many = |t: &Tally, archive: Option<Box<dyn Archive>>| {
        let set = [("/strategies/0/messages_max", json!(4_000))];
        let mut rig = Rig::bounded(&t.limits(&set), bounds);
        if let Some(archive) = archive {
            rig = rig.archived(archive);
        }
        rig.lead();
        rig.price(PERP, 600_000);
        // The first stays live through everything.
        rig.reason(perp(1, Buy, 590_000, 1));
        for seq in 2..=40 {
            rig.reason(perp(seq, Buy, 590_000, 1));
            rig.report(about(id(1, seq), PERP, ReportKind::Cancelled, 0));
        }
        rig
    };
    let mut rig = many(t, Some(Box::new(MemoryArchive::new(1_000))));
    for seq in 1..=40 {
        let reply = rig.intent(perp(seq, Buy, 590_000, 1));
        t.hold("each id has its first answer", reply.repeated && reply.reason() == Reason::Ok);
        t.hold("and none another command", rig.commands().is_empty());
        let is = rig.reason(perp(seq, Buy, 590_000, 2));
        t.want("with other contents", is, Reason::IdReused);
    }
    for archive in [None, Some(Box::new(Broken) as Box<dyn Archive>)] {
        let mut rig = many(t, archive);
        let reply = rig.intent(perp(1, Buy, 590_000, 1));
        t.hold("a live id is never forgotten", reply.repeated);
        for seq in 2..=36 {
            let is = rig.reason(perp(seq, Buy, 590_000, 1));
            t.want("what cannot be known is not decided again", is, Reason::DuplicateInFlight);
            t.hold("nor sent", rig.commands().is_empty());
        }
        let is = rig.reason(perp(41, Buy, 590_000, 1));
        t.want("a new id", is, Reason::Ok);
        rig.restart();
        rig.lead();
        rig.price(PERP, 600_000);
        let is = rig.reason(perp(2, Buy, 590_000, 1));
        t.want("through a restart", is, Reason::DuplicateInFlight);
    }
}

fn venue_words(t: &mut Tally) {
    let said = |rig: &Rig| {
        let mut updates = rig.out.iter().filter_map(|e| match &e.envelope.payload {
            Some(Payload::OrderUpdate(update)) => Some(update.reason()),
            _ => None,
        });
        updates.next_back().unwrap_or(Reason::Unspecified)
    };
    let reports: [(ReportKind, Reason, Reason); 11] = [
        (ReportKind::Reject, Reason::Ok, Reason::VenueReject),
        (ReportKind::NeverSent, Reason::Ok, Reason::NeverSent),
        (ReportKind::Fenced, Reason::Ok, Reason::Fenced),
        (ReportKind::Dead, Reason::Ok, Reason::VenueNotFound),
        (ReportKind::Unknown, Reason::Ok, Reason::OutcomeUnknown),
        (ReportKind::NeverSent, Reason::RateBudget, Reason::RateBudget),
        (ReportKind::NeverSent, Reason::BreakerOpen, Reason::BreakerOpen),
        (ReportKind::NeverSent, Reason::QueueEvicted, Reason::QueueEvicted),
        (ReportKind::NeverSent, Reason::Superseded, Reason::Superseded),
        (ReportKind::NeverSent, Reason::VenueUnreachable, Reason::VenueUnreachable),
        (ReportKind::NeverSent, Reason::ApprovalExpired, Reason::ApprovalExpired),
    ];
    for (kind, reason, want) in reports {
        let mut rig = t.rig(&[]);
        rig.reason(perp(1, Buy, 600_000, 5));
        let command_seq = rig.commands().last().map_or(0, |c| c.command_seq);
        let report = about(id(1, 1), PERP, kind, 0);
        rig.report(Report { reason: reason.into(), command_seq, gateway_epoch: 1, ..report });
        t.want(&format!("{kind:?} with {reason:?}"), said(&rig), want);
        let held: i128 = rig.gateway.state().books().map(|(_, book)| book.buy_lots).sum();
        t.hold("unknown keeps, the rest frees", held == if kind == ReportKind::Unknown { 5 } else { 0 });
    }
}

fn approvals(t: &mut Tally) {
    let key = || ApprovalKey::new([3; 32]);
    let mut rig = t.rig(&[("/approval_ttl_ms", json!(1_000))]);
    let limits = rig.gateway.limits().clone();
    rig.gateway =
        tidegate_risk::Gateway::new(table(), limits, super::rig::HOLDER).with_approver(Approver::new(key()));
    (rig.report_seq, rig.journal) = (0, vec![]);
    rig.lead();
    rig.price(PERP, 600_000);
    let now = rig.now.epoch_ns;
    let mut send = |seq| {
        rig.reason(perp(seq, Buy, 600_000, 1));
        rig.commands().pop().unwrap_or_default()
    };
    let (first, second) = (send(1), send(2));
    let mut verifier = Verifier::new(key(), (0, 0));
    let mut check = |t: &mut Tally, what: &str, command: &Command, at: i64, want: Reason| {
        let is = verifier.verify(command, at).err().unwrap_or(Reason::Ok);
        t.want(what, is, want);
    };
    let second_ns = 1_000_000_000;
    check(t, "bare", &Command { approval: String::new(), ..first.clone() }, now, Reason::ApprovalMissing);
    for (n, altered) in [
        Command { qty_lots: 2, ..first.clone() },
        Command { px_ticks: 600_001, ..first.clone() },
        Command { side: 2, ..first.clone() },
        Command { approval: second.approval.clone(), ..first.clone() },
        Command { command_seq: 99, ..first.clone() },
    ]
    .iter()
    .enumerate()
    {
        check(t, &format!("altered {n}"), altered, now, Reason::ApprovalAltered);
    }
    check(t, "late", &first, now + second_ns + 1, Reason::ApprovalExpired);
    check(t, "in its last nanosecond", &first, now + second_ns, Reason::Ok);
    check(t, "again", &first, now, Reason::ApprovalReplayed);
    check(t, "the next", &second, now, Reason::Ok);
    check(t, "the first after the next", &first, now, Reason::ApprovalReplayed);
    let other = Verifier::new(ApprovalKey::new([4; 32]), (0, 0)).verify(&first, now);
    t.want("with another key", other.err().unwrap_or(Reason::Ok), Reason::ApprovalAltered);
}
