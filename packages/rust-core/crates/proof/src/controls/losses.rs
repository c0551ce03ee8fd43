//! Losses by day, week and month of a calendar, draw-down from the peak, stale prices, passive breaches.

use super::Proof;
use super::rig::cases::perp;
use super::rig::{PERP, Rig, SPOT, about, id, limit};
use super::tally::Tally;
use serde_json::{Value, json};
use tidegate_risk::{Event, Scope};
use tidegate_units::{InstrumentId, Side, Side::Buy, Side::Sell, StrategyId};
use tidegate_wire::pb::orders::v1::{Reason, ReportKind};
use tidegate_wire::pb::risk::v1::Latch;

pub const PROOFS: &[Proof] = &[
    (&["C7"], "losses that trip at the last 1e-8 and reset with the calendar", by_period),
    (&["C7"], "losses by the trading day of New York", by_new_york),
    (&["C7"], "draw-down from a peak that is worth something", drawdown),
    (&["C7"], "a loss of firm and account holds each strategy", wider_scopes),
    (&["C7"], "a passive breach reduces only within one evaluation", passive_breach),
    (&[], "a position without a fresh price", stale_mark),
];

fn loss(market: &str, set: Value) -> Value {
    let mut loss = json!({ "market": market, "day_e8_max": null, "week_e8_max": null, "month_e8_max": null,
        "drawdown": null, "action": "reduce_only" });
    if let (Some(loss), Value::Object(set)) = (loss.as_object_mut(), set) {
        loss.extend(set);
    }
    loss
}

/// Buys one lot of the perpetual and sells it at a price: 10,000 of 1e-8 a tick, two fees of 7.
fn round_trip(rig: &mut Rig, seq: u64, side: Side, exit: i64) {
    rig.trade(seq, PERP, side, 600_000, 1);
    rig.trade(seq + 1, PERP, side.opposite(), exit, 1);
}

fn by_period(t: &mut Tally) {
    for (key, code) in [
        ("day_e8_max", Reason::DailyLossLimit),
        ("week_e8_max", Reason::WeeklyLossLimit),
        ("month_e8_max", Reason::MonthlyLossLimit),
    ] {
        // 100 ticks lost and two fees: 1,000,014 of 1e-8.
        for (max, want) in [(1_000_015, Reason::Ok), (1_000_014, code), (1_000_013, code)] {
            for (side, exit) in [(Buy, 599_900), (Sell, 600_100)] {
                let set = [("/strategies/0/loss", loss("24/7", json!({ key: max })))];
                let mut rig = t.rig(&set);
                rig.tick();
                rig.price(PERP, 600_000);
                round_trip(&mut rig, 1, side, exit);
                let is = rig.reason(perp(9, Buy, 600_000, 1));
                t.want(&format!("{key} {max} {side:?}"), is, want);
                let is = rig.reason(limit(id(2, 1), PERP, Buy, 599_000, 1));
                t.want("another strategy", is, Reason::Ok);
                t.replays(&rig);
            }
        }
    }
    // The rig's day is Tuesday 2023-11-14: a day, a week and a month later each limit opens, and not before.
    let day_s = 86_400_u64;
    for (key, code, still, opens) in [
        ("day_e8_max", Reason::DailyLossLimit, 0, 1),
        ("week_e8_max", Reason::WeeklyLossLimit, 5, 6),
        ("month_e8_max", Reason::MonthlyLossLimit, 16, 17),
    ] {
        for (days, want) in [(still, code), (opens, Reason::Ok)] {
            let mut rig = t.rig(&[("/strategies/0/loss", loss("24/7", json!({ key: 1_000_014 })))]);
            rig.tick();
            rig.price(PERP, 600_000);
            round_trip(&mut rig, 1, Buy, 599_900);
            rig.pass_ms(days * day_s * 1_000);
            rig.price(PERP, 600_000);
            rig.restart();
            rig.lead();
            rig.price(PERP, 600_000);
            rig.tick();
            rig.price(PERP, 600_000);
            let is = rig.reason(perp(9, Buy, 600_000, 1));
            t.want(&format!("{key} after {days} days"), is, want);
            t.replays(&rig);
        }
    }
    // Realised is counted once however often it is looked at, and a profit makes room.
    let mut rig = t.rig(&[("/strategies/0/loss", loss("24/7", json!({ "day_e8_max": 1_500_000 })))]);
    rig.tick();
    rig.price(PERP, 600_000);
    round_trip(&mut rig, 1, Buy, 599_900);
    rig.pass_s(60);
    let is = rig.reason(perp(9, Buy, 590_000, 1));
    t.want("the same loss sixty times", is, Reason::Ok);
    round_trip(&mut rig, 11, Buy, 600_100);
    round_trip(&mut rig, 21, Buy, 599_900);
    let is = rig.reason(perp(29, Buy, 590_000, 1));
    t.want("after a profit", is, Reason::Ok);
    // What is open counts at the mark: 150 ticks down on one lot.
    for (mark, want) in [(599_851, Reason::Ok), (599_850, Reason::DailyLossLimit)] {
        let mut rig = t.rig(&[("/strategies/0/loss", loss("24/7", json!({ "day_e8_max": 1_500_007 })))]);
        rig.tick();
        rig.price(PERP, 600_000);
        rig.trade(1, PERP, Buy, 600_000, 1);
        rig.price(PERP, mark);
        rig.tick();
        rig.price(PERP, mark);
        let is = rig.reason(perp(9, Buy, mark, 1));
        t.want(&format!("open at {mark}"), is, want);
        let is = rig.reason(perp(10, Sell, mark + 1, 1));
        t.want("reducing", is, Reason::Ok);
    }
}

fn by_new_york(t: &mut Tally) {
    // The rig starts at 2023-11-14 22:13:20 UTC, 17:13:20 in New York: after the close, so on the trading day of the 15th,
    // which ends on the 15th at 21:00 UTC.
    for (seconds, want) in [(81_999, Reason::DailyLossLimit), (82_000, Reason::Ok)] {
        let mut rig = t.rig(&[("/strategies/0/loss", loss("XNYS", json!({ "day_e8_max": 1_000_014 })))]);
        rig.apply(Event::Tick);
        round_trip(&mut rig, 1, Buy, 599_900);
        rig.pass_ms(seconds * 1_000);
        rig.price(PERP, 600_000);
        rig.apply(Event::Tick);
        let is = rig.reason(perp(9, Buy, 600_000, 1));
        t.want(&format!("{seconds} s on"), is, want);
    }
}

fn drawdown(t: &mut Tally) {
    // Profit 1,000,000 less fees, then a fall of it; 40 % of a peak of at least 900,000.
    let limits = |min: i64| loss("24/7", json!({ "drawdown": { "bps_max": 4_000, "peak_e8_min": min } }));
    // The peak is 200 ticks × 10,000 less 14; a lot bought at 600,000 costs a fee of 7 more.
    let peak = 200 * 10_000 - 14;
    for (fall_ticks, min, want) in [
        (79, 900_000, Reason::Ok),
        (80, 900_000, Reason::DrawdownLimit),
        (80, peak, Reason::DrawdownLimit),
        (80, peak + 1, Reason::Ok),
    ] {
        let mut rig = t.rig(&[("/strategies/0/loss", limits(min))]);
        rig.tick();
        rig.price(PERP, 600_000);
        round_trip(&mut rig, 1, Buy, 600_200);
        rig.trade(3, PERP, Buy, 600_000, 1);
        rig.price(PERP, 600_000 - fall_ticks);
        rig.tick();
        rig.price(PERP, 600_000 - fall_ticks);
        let is = rig.reason(perp(9, Buy, 600_000 - fall_ticks, 1));
        t.want(&format!("fall of {fall_ticks}, peak of at least {min}"), is, want);
        t.replays(&rig);
    }
}

fn wider_scopes(t: &mut Tally) {
    for pointer in ["/firm/loss", "/accounts/0/loss"] {
        let mut rig =
            t.rig(&[(pointer, loss("24/7", json!({ "day_e8_max": 1_000_014, "action": "cancel" })))]);
        rig.tick();
        rig.price(PERP, 600_000);
        rig.reason(limit(id(2, 5), PERP, Buy, 590_000, 1));
        rig.report(about(id(2, 5), PERP, ReportKind::Ack, 0));
        round_trip(&mut rig, 1, Buy, 599_900);
        for (n, strategy) in [1, 2].into_iter().enumerate() {
            let is = rig.reason(limit(id(strategy, 9), PERP, Buy, 600_000, 1));
            t.want(&format!("{pointer} {n}"), is, Reason::DailyLossLimit);
        }
        rig.apply(Event::Tick);
        let wanted = rig.gateway.state().orders().all(|o| o.cancel_wanted);
        t.hold("its orders are cancelled", wanted);
        t.replays(&rig);
    }
}

fn passive_breach(t: &mut Tally) {
    let mut rig = t.rig(&[]);
    let symbol = Scope::Instrument(InstrumentId(PERP));
    rig.trade(1, PERP, Buy, 600_000, 60);
    let is = rig.reason(limit(id(2, 1), PERP, Buy, 600_000, 54));
    t.want("just within", is, Reason::Ok);
    rig.report(about(id(2, 1), PERP, ReportKind::Ack, 0));
    rig.tick();
    t.hold("no latch", rig.gateway.state().risk().reduce_only(symbol).is_none());
    rig.price(PERP, 700_000);
    rig.tick();
    let cause = rig.gateway.state().risk().reduce_only(symbol);
    t.want("latched by the next evaluation", cause.unwrap_or(Reason::Ok), Reason::ExposureSymbolLimit);
    rig.price(PERP, 700_000);
    let is = rig.reason(perp(2, Buy, 700_000, 1));
    t.want("nothing new", is, Reason::ExposureSymbolLimit);
    let is = rig.reason(perp(3, Sell, 700_000, 10));
    t.want("reducing", is, Reason::Ok);
    rig.report(about(id(1, 3), PERP, ReportKind::Cancelled, 0));
    rig.price(PERP, 600_000);
    rig.tick();
    t.hold("released within", rig.gateway.state().risk().reduce_only(symbol).is_none());
    t.replays(&rig);
}

fn stale_mark(t: &mut Tally) {
    let set = [("/mark_age_ms_max", json!(5_000)), ("/instruments/1/reference_age_ms_max", json!(60_000))];
    for (ms, want) in [(5_000, Reason::Ok), (5_001, Reason::StaleMark)] {
        let mut rig = t.rig(&set);
        rig.trade(1, SPOT, Buy, 6_000_000, 5);
        rig.pass_ms(ms);
        rig.apply(Event::FeedAlive { instrument: InstrumentId(PERP) });
        rig.apply(Event::Tick);
        let is = rig.reason(perp(2, Buy, 600_000, 1));
        t.want(&format!("{ms} ms"), is, want);
        let is = rig.reason(limit(id(2, 1), PERP, Buy, 600_000, 1));
        t.want("a strategy that does not hold it", is, Reason::Ok);
        let strategy = Scope::Strategy(StrategyId(1));
        let latched = rig.gateway.state().risk().latched(strategy, Latch::ReduceOnly).count();
        t.hold("one latch or none", latched == usize::from(want == Reason::StaleMark));
        rig.price(SPOT, 6_000_000);
        rig.tick();
        let is = rig.reason(perp(3, Buy, 600_000, 1));
        t.want("fresh again", is, Reason::Ok);
        t.replays(&rig);
    }
}
