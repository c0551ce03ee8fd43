//! Every reason the gateway gives, reached once, with the guard's other side beside it.
#![allow(missing_debug_implementations, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod support;

use support::cases::{CASES, perp};
use support::*;
use tidegate_risk::Event;
use tidegate_units::{InstrumentId, IntentId, Side::Buy, Side::Sell, StrategyId};
use tidegate_wire::pb::control::v1::ControlAction;
use tidegate_wire::pb::orders::v1::{Decision, Intent, Reason, ReportKind};

#[test]
fn a13_a16_b010_b026_b029_b041_b057_every_reason_is_reached_by_its_case() {
    for (n, (want, make)) in CASES.iter().enumerate() {
        let mut rig = Rig::ready();
        let intent = make(&mut rig);
        let reply = rig.intent(intent);
        assert_eq!(reply.reason(), *want, "case {n}");
        assert_eq!(reply.decision() == Decision::Accepted, *want == Reason::Ok, "case {n}");
        assert_eq!(rig.folded(&rig.journal).state().hash(), rig.gateway.state().hash(), "case {n}");
    }
}

#[test]
fn a13_b026_b029_b041_each_boundary_passes_on_its_other_side() {
    let passes: &[fn(&mut Rig) -> Intent] = &[
        |_| perp(1, Buy, 612_000, 5),
        |_| perp(1, Sell, 588_000, 5),
        |_| perp(1, Buy, 600_000, 60),
        |_| limit(id(1, 1), SPOT, Buy, 6_000_000, 10_000),
        |rig| {
            rig.pass_ms(1_000);
            perp(1, Buy, 600_000, 5)
        },
        |rig| {
            rig.pass_ms(5_000);
            rig.apply(Event::FeedAlive { instrument: InstrumentId(PERP) });
            // Alive does not bring back what was lost; the touch is as old as the event that confirms it.
            perp(1, Buy, 600_000, 5)
        },
        |rig| {
            rig.intent(perp(1, Buy, 600_000, 60));
            perp(2, Buy, 600_000, 40)
        },
        |rig| {
            rig.intent(perp(1, Buy, 599_999, 5));
            limit(id(2, 1), PERP, Sell, 600_000, 5)
        },
        |rig| Intent { ttl_ns: 1_001, intent_mono_ns: rig.now.mono_ns - 1_000, ..perp(1, Buy, 600_000, 5) },
        |rig| {
            rig.apply(Event::RouterCredits(21));
            perp(1, Buy, 600_000, 5)
        },
        |rig| {
            // The rate window moves on.
            for seq in 1..=10 {
                rig.intent(perp(seq, Buy, 600_000, 1));
                rig.report(about(id(1, seq), PERP, ReportKind::Cancelled, 0));
            }
            rig.pass_ms(1_000);
            rig.price(PERP, 600_000);
            perp(11, Buy, 600_000, 1)
        },
        |rig| {
            // One side of the book is a reference.
            let instrument = InstrumentId(PERP);
            rig.apply(Event::FeedLost { instrument });
            rig.apply(Event::Reference {
                instrument,
                bid_px_ticks: Some(600_000),
                ask_px_ticks: None,
                valid: true,
                ts_ns: 1,
            });
            perp(1, Buy, 600_000, 5)
        },
    ];
    for (n, make) in passes.iter().enumerate() {
        let mut rig = Rig::ready();
        let intent = make(&mut rig);
        assert_eq!(rig.reason(intent), Reason::Ok, "case {n}");
    }
}

#[test]
fn firm_and_overflow_and_lot_and_holdoff_with_their_own_limits() {
    let firm = LIMITS.replace("\"exposure_e8_max\": 2000000000000", "\"exposure_e8_max\": 300000000000");
    let mut rig = Rig::ready_with(&firm);
    assert_eq!(rig.reason(perp(1, Buy, 600_000, 50)), Reason::ExposureGlobalLimit);
    assert_eq!(rig.reason(perp(2, Buy, 600_000, 49)), Reason::Ok);

    let holdoff = LIMITS.replace("\"startup_holdoff_ms\": 0", "\"startup_holdoff_ms\": 50");
    let mut rig = Rig::ready_with(&holdoff);
    assert_eq!(rig.reason(perp(1, Buy, 600_000, 5)), Reason::StartupHoldoff);
    rig.pass_ms(50);
    assert_eq!(rig.reason(perp(1, Buy, 600_000, 5)), Reason::Ok, "the same id may come again");
}

#[test]
fn a_table_of_giants_overflows_by_name_and_a_lot_minimum_holds() {
    use tidegate_instruments::Table;
    let mut row = table().get(InstrumentId(PERP)).unwrap().clone();
    (row.px_scale, row.qty_scale, row.px_unit, row.qty_unit) = (0, 0, 100_000, 100_000);
    row.e8_per_tick_lot = 1_000_000_000_000_000_000;
    (row.min_qty_lots, row.max_qty_lots) = (10, tidegate_units::SAFE_INTEGER);
    let table = Table::new(1, vec![row]).unwrap();
    let max = i64::MAX;
    let json = format!(
        r#"{{"version":1,"startup_holdoff_ms":0,"requery_ms":1,"firm":{{"exposure_e8_max":{max},"open_orders_max":9}},
        "accounts":[{{"account_id":1,"exposure_e8_max":{max}}}],
        "strategies":[{{"strategy_id":1,"exposure_e8_max":{max},"open_orders_max":9,"messages_max":9,"messages_window_ms":1}}],
        "instruments":[{{"instrument_id":2,"order_qty_lots_max":{max},"order_notional_e8_max":{max},"position_lots_max":{max},
        "exposure_e8_max":{max},"px_ticks_max":{max},"collar_bps":200,"reducing_collar_bps":200,"reference_age_ms_max":1000}}]}}"#
    );
    let limits = tidegate_risk::Limits::from_json(json.as_bytes(), &table).unwrap();
    let mut rig = Rig::ready();
    rig.gateway = tidegate_risk::Gateway::new(table, limits, HOLDER);
    (rig.report_seq, rig.journal) = (0, vec![]);
    rig.lead();
    let safe = tidegate_units::SAFE_INTEGER;
    rig.price(PERP, safe);
    assert_eq!(rig.reason(perp(1, Buy, safe, safe.unsigned_abs())), Reason::Overflow);
    assert_eq!(rig.reason(perp(2, Buy, safe, 9)), Reason::QtyOffLot);
}

#[test]
fn a_book_more_than_the_bound_is_refused() {
    use tidegate_instruments::Table;
    let shipped = table();
    let template = shipped.get(InstrumentId(PERP)).unwrap();
    let bound = u32::try_from(tidegate_risk::limits::BOOKS_MAX).unwrap();
    let rows: Vec<_> = (1..=bound + 1)
        .map(|n| {
            let mut row = template.clone();
            (row.id, row.symbol) = (n, format!("S{n}"));
            row
        })
        .collect();
    let table = Table::new(1, rows).unwrap();
    let line = |n: u32| {
        format!(
            r#"{{"instrument_id":{n},"order_qty_lots_max":9,"order_notional_e8_max":999999999999,"position_lots_max":9,
            "exposure_e8_max":999999999999,"px_ticks_max":999999,"collar_bps":1,"reducing_collar_bps":1,"reference_age_ms_max":1000}}"#
        )
    };
    let rows: Vec<String> = (1..=bound + 1).map(line).collect();
    let json = LIMITS.replace(
        "\"exposure_e8_max\": 1000000000000, \"open_orders_max\": 8",
        "\"exposure_e8_max\": 1000000000000, \"open_orders_max\": 8000",
    );
    let head = json.split("\"instruments\"").next().unwrap();
    let json = format!("{head}\"instruments\":[{}]}}", rows.join(","));
    let limits = tidegate_risk::Limits::from_json(json.as_bytes(), &table).unwrap();
    let mut rig = Rig::ready();
    rig.gateway = tidegate_risk::Gateway::new(table, limits, HOLDER);
    (rig.report_seq, rig.journal) = (0, vec![]);
    rig.lead();
    // Books are made by external fills, which no limit stops.
    for n in 1..=bound {
        let mut external = fill(IntentId(0), n, Buy, 1, 1, 1, &format!("x{n}"));
        (external.intent_id, external.venue_id) = (None, 2);
        rig.report(external);
    }
    rig.control(ControlAction::Resume, "op");
    rig.price(bound + 1, 600_000);
    assert_eq!(rig.reason(limit(id(1, 1), bound + 1, Buy, 600_000, 1)), Reason::ExposureCardinality);
}

#[test]
fn a_stranger_cannot_use_up_an_id_and_no_id_gets_no_answer() {
    let mut rig = Rig::ready();
    let theirs = perp(1, Buy, 600_000, 5);
    let reply = rig.intent_from(StrategyId(2), theirs);
    assert_eq!(reply.reason(), Reason::UnauthorisedPrincipal);
    assert_eq!(rig.reason(theirs), Reason::Ok);
    let nameless = Intent { intent_id: None, ..perp(2, Buy, 600_000, 5) };
    rig.apply(Event::Intent { principal: StrategyId(1), trace: Default::default(), intent: nameless });
    assert!(rig.out.is_empty());
    assert_eq!(rig.gateway.counters().intents_without_id, 1);
}

#[test]
fn a_passing_refusal_is_not_kept() {
    let mut rig = Rig::ready();
    rig.apply(Event::RouterUp { restarted: true });
    let (records, epoch) = (rig.journal.len(), rig.commands()[0].gateway_epoch);
    assert_eq!(rig.reason(perp(1, Buy, 600_000, 5)), Reason::NotLeader);
    assert_eq!(rig.journal.len(), records);
    rig.granted(epoch);
    let reply = rig.intent(perp(1, Buy, 600_000, 5));
    assert_eq!((reply.reason(), reply.repeated), (Reason::Ok, false));
    // A lasting one is.
    assert_eq!(rig.reason(perp(2, Buy, 999_999, 5)), Reason::PriceOutsideCollar);
    rig.price(PERP, 999_999);
    let again = rig.intent(perp(2, Buy, 999_999, 5));
    assert_eq!((again.reason(), again.repeated), (Reason::PriceOutsideCollar, true));
}

#[test]
fn b030_a_market_order_is_valued_at_the_collars_edge() {
    // 9,803 lots at 61,200.00 are 5,999.4 USDT, 9,804 are 6,000.05; at the touch of 60,000.00 they would be 5,882.4.
    for (qty, want) in [(9_803, Reason::Ok), (9_804, Reason::MaxNotionalExceeded)] {
        assert_eq!(Rig::ready().reason(market(id(1, 1), SPOT, Buy, qty)), want, "{qty} lots");
    }
    assert_eq!(Rig::ready().reason(limit(id(1, 1), SPOT, Buy, 6_000_000, 9_804)), Reason::Ok);
}
