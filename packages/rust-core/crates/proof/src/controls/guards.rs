//! StormGuard and what it does to orders, the policy that follows, the kill switch by itself, sessions and blackouts.

use super::Proof;
use super::rig::cases::perp;
use super::rig::{PERP, Rig, SPOT, about, cancel, fill, id, limit, market};
use super::tally::Tally;
use serde_json::{Value, json};
use tidegate_calendar::{Date, Market, Zone};
use tidegate_risk::storm::{Input, Mode};
use tidegate_risk::{Event, Scope};
use tidegate_units::{AccountId, InstrumentId, Side::Buy, Side::Sell, VenueId};
use tidegate_wire::pb::control::v1::ControlAction;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::{Intent, Reason, ReportKind, Tif};
use tidegate_wire::pb::risk::v1::{Policy, RiskEventKind};

pub const PROOFS: &[Proof] = &[
    (&[], "the guard's modes and what each lets through", modes),
    (&[], "a guard over one account at one venue", venue_guard),
    (&[], "policy follows, an operator's halt stays, a latch holds", policy),
    (&[], "feed gaps count in open phases and a missing input is bad", inputs),
    (&[], "the kill switch by its thresholds", kill),
    (&[], "a dead monitor", monitor),
    (&[], "the hold-off after a start", holdoff),
    (&["C11"], "sessions of three calendars", sessions),
    (&["C11"], "blackouts round the open and close", blackouts),
];

fn storm(inputs: Value) -> Value {
    json!({ "inputs": inputs, "warm_cooldown_ms": 30_000, "storm_cooldown_ms": 30_000,
        "halt_cooldown_ms": 60_000, "clear_evaluations": 5 })
}

fn lag() -> Value {
    json!([{ "input": "loop_lag_us", "warm": 5_000, "storm": 20_000, "halt": 50_000, "age_ms_max": 600_000 }])
}

fn read(rig: &mut Rig, scope: Scope, value: i64) {
    rig.apply(Event::Health { scope, input: Input::LoopLagUs, value });
    rig.tick();
    let transitions = rig.out.iter().filter(
        |e| matches!(&e.envelope.payload, Some(Payload::RiskEvent(r)) if r.kind() == RiskEventKind::Storm),
    );
    assert!(transitions.count() <= 1, "one guard makes one transition");
    for instrument in [SPOT, PERP] {
        rig.price(instrument, if instrument == SPOT { 6_000_000 } else { 600_000 });
    }
}

fn modes(t: &mut Tally) {
    let set = [("/storm", json!({ "firm": storm(lag()) }))];
    for (value, mode) in [
        (4_999, Mode::Normal),
        (5_000, Mode::Warm),
        (19_999, Mode::Warm),
        (20_000, Mode::Storm),
        (49_999, Mode::Storm),
        (50_000, Mode::Halt),
    ] {
        let mut rig = t.rig(&set);
        rig.trade(1, PERP, Buy, 600_000, 10);
        read(&mut rig, Scope::Firm, value);
        t.hold(&format!("{value} is {mode:?}"), rig.gateway.state().risk().storm(Scope::Firm).mode == mode);
        let (new, reduces) = match mode {
            Mode::Normal | Mode::Warm => (Reason::Ok, Reason::Ok),
            Mode::Storm => (Reason::StormNewBlocked, Reason::Ok),
            Mode::Halt => (Reason::Halt, Reason::Halt),
        };
        let is = rig.reason(perp(2, Buy, 590_000, 1));
        t.want(&format!("new in {mode:?}"), is, new);
        let is = rig.reason(perp(3, Sell, 600_000, 1));
        t.want(&format!("reducing in {mode:?}"), is, reduces);
        // A flip is trimmed to what reduces.
        if mode == Mode::Storm {
            let reply = rig.intent(perp(4, Sell, 600_000, 20));
            t.hold("trimmed", reply.accepted_qty_lots == 9);
        }
        if new == Reason::Ok {
            let is = rig.reason(cancel(id(1, 5), id(1, 2)));
            t.want("a cancel", is, Reason::Ok);
        }
        t.replays(&rig);
    }
    // Warm halves the largest order and the rate, and never below one.
    for (value, qty, want) in
        [(0, 60, Reason::Ok), (5_000, 30, Reason::Ok), (5_000, 31, Reason::MaxQtyExceeded)]
    {
        let mut rig = t.rig(&set);
        read(&mut rig, Scope::Firm, value);
        let is = rig.reason(perp(1, Buy, 600_000, qty));
        t.want(&format!("{qty} lots at {value}"), is, want);
    }
    let one = [("/storm", json!({ "firm": storm(lag()) })), ("/instruments/1/order_qty_lots_max", json!(1))];
    let mut rig = t.rig(&one);
    read(&mut rig, Scope::Firm, 5_000);
    let is = rig.reason(perp(1, Buy, 600_000, 1));
    t.want("half of one", is, Reason::Ok);
    for (count, want) in [(4, Reason::Ok), (5, Reason::MessageRate)] {
        let mut rig = t.rig(&set);
        read(&mut rig, Scope::Firm, 5_000);
        for seq in 1..=count {
            rig.reason(perp(seq, Buy, 600_000, 1));
        }
        let is = rig.reason(perp(99, Buy, 600_000, 1));
        t.want(&format!("half the rate after {count}"), is, want);
    }
}

fn venue_guard(t: &mut Tally) {
    let set = [("/storm", json!({ "venue": storm(lag()) }))];
    let mut rig = t.rig(&set);
    let at = |venue| Scope::Venue(AccountId(1), VenueId(venue));
    rig.apply(Event::Health { scope: at(1), input: Input::LoopLagUs, value: 0 });
    read(&mut rig, at(2), 20_000);
    let is = rig.reason(perp(1, Buy, 600_000, 1));
    t.want("its venue", is, Reason::StormNewBlocked);
    let is = rig.reason(limit(id(1, 2), SPOT, Buy, 6_000_000, 1));
    t.want("another venue", is, Reason::Ok);
    t.hold("the policy is DEGRADE", rig.gateway.state().policy() == Policy::Degrade);
    rig.apply(Event::Health { scope: at(9), input: Input::LoopLagUs, value: 99_999 });
    rig.tick();
    t.hold(
        "a venue nobody trades has no guard",
        rig.gateway.state().risk().storm(at(9)).mode == Mode::Normal,
    );
    t.replays(&rig);
}

fn policy(t: &mut Tally) {
    let set = [("/storm", json!({ "firm": storm(lag()) }))];
    let mut rig = t.rig(&set);
    let is_policy = |rig: &Rig| rig.gateway.state().policy();
    read(&mut rig, Scope::Firm, 20_000);
    t.hold("STORM brings DEGRADE", is_policy(&rig) == Policy::Degrade);
    rig.control(ControlAction::Halt, "ann");
    t.hold("an operator's halt", is_policy(&rig) == Policy::Halt);
    for _ in 0..120 {
        read(&mut rig, Scope::Firm, 0);
    }
    t.hold("the guard is clear", rig.gateway.state().risk().storm(Scope::Firm).mode == Mode::Normal);
    t.hold("the halt stays", is_policy(&rig) == Policy::Halt);
    rig.restart();
    rig.lead();
    t.hold("through a restart", is_policy(&rig) == Policy::Halt);
    rig.control(ControlAction::Resume, "ann");
    t.hold("an operator's resume ends it", is_policy(&rig) == Policy::Normal);
    // The guard's own halt is not ended by a resume, and goes through a restart.
    read(&mut rig, Scope::Firm, 50_000);
    rig.control(ControlAction::Resume, "ann");
    t.hold("the guard's halt stays", is_policy(&rig) == Policy::Halt);
    rig.restart();
    rig.lead();
    t.hold("and through a restart", is_policy(&rig) == Policy::Halt);
    let mut clear = 0;
    while is_policy(&rig) == Policy::Halt && clear < 200 {
        read(&mut rig, Scope::Firm, 0);
        clear += 1;
    }
    t.hold("until its cool-down and five clear evaluations", (60..=66).contains(&clear));
    // A break in the books holds it.
    let mut rig = t.rig(&set);
    read(&mut rig, Scope::Firm, 20_000);
    rig.reason(perp(1, Buy, 600_000, 5));
    let mut external = fill(tidegate_units::IntentId(0), PERP, Buy, 600_000, 1, 1, "x1");
    external.intent_id = None;
    rig.report(external);
    for _ in 0..120 {
        read(&mut rig, Scope::Firm, 0);
    }
    t.hold("held by a break", rig.gateway.state().risk().storm(Scope::Firm).mode == Mode::Storm);
    rig.control(ControlAction::Resume, "ann");
    for _ in 0..6 {
        read(&mut rig, Scope::Firm, 0);
    }
    t.hold("until it is resolved", rig.gateway.state().risk().storm(Scope::Firm).mode == Mode::Normal);
    t.replays(&rig);
}

fn inputs(t: &mut Tally) {
    let gap = |market: Option<&str>| {
        let inputs = json!([{ "input": "feed_gap_ms", "warm": null, "storm": 1_000, "halt": null, "age_ms_max": 3_000 }]);
        let mut set = vec![("/storm", json!({ "firm": storm(inputs) }))];
        if let Some(market) = market {
            set.push(("/instruments/1/market", json!(market)));
            set.push(("/instruments/0/market", json!(market)));
        }
        set
    };
    let mode = |rig: &Rig| rig.gateway.state().risk().storm(Scope::Firm).mode;
    for (ms, want) in [(999, Mode::Normal), (1_000, Mode::Storm), (1_001, Mode::Storm)] {
        let mut rig = t.rig(&gap(None));
        rig.pass_ms(ms);
        rig.apply(Event::Tick);
        t.hold(&format!("a gap of {ms} ms"), mode(&rig) == want);
    }
    // At 22:13 UTC New York has closed: the same gap is none.
    let mut rig = t.rig(&gap(Some("XNYS")));
    rig.pass_ms(5_000);
    rig.apply(Event::Tick);
    t.hold("a gap in a closed phase", mode(&rig) == Mode::Normal);
    // A lost feed has no reading; after its age that is bad.
    for (seconds, want) in [(3, Mode::Normal), (4, Mode::Storm)] {
        let mut rig = t.rig(&gap(None));
        rig.apply(Event::Tick);
        rig.apply(Event::FeedLost { instrument: InstrumentId(PERP) });
        for _ in 0..seconds {
            rig.pass_ms(1_000);
            rig.apply(Event::FeedAlive { instrument: InstrumentId(SPOT) });
            rig.apply(Event::Tick);
        }
        t.hold(&format!("lost for {seconds} s"), mode(&rig) == want);
    }
    // Draw-down: 50 bps of a capital of 1,000,000,000 are 5,000,000.
    for (ticks, want) in [(499, Mode::Normal), (500, Mode::Warm), (1_000, Mode::Storm), (2_000, Mode::Halt)] {
        let inputs =
            json!([{ "input": "drawdown_bps", "warm": 50, "storm": 100, "halt": 200, "age_ms_max": 3_000 }]);
        let mut rig = t.rig(&[("/storm", json!({ "firm": storm(inputs), "capital_e8": 1_000_000_000 }))]);
        rig.tick();
        rig.price(PERP, 600_000);
        rig.reason(perp(1, Buy, 600_000, 1));
        let mut report = fill(id(1, 1), PERP, Buy, 600_000, 1, 1, "e1");
        (report.fee_e8, report.fee_asset) = (0, String::new());
        rig.report(report);
        rig.price(PERP, 600_000 - ticks);
        rig.tick();
        t.hold(&format!("draw-down of {ticks} ticks"), mode(&rig) == want);
    }
}

fn kill(t: &mut Tally) {
    let loss = json!({ "market": "24/7", "day_e8_max": 1_000_000, "week_e8_max": null, "month_e8_max": null,
        "drawdown": null, "action": "reduce_only" });
    let killed = |rig: &Rig| rig.gateway.state().policy() == Policy::Killed;
    // 90 % of the day's limit are 900,000: 90 ticks of a lot.
    for (ticks, want) in [(89, false), (90, true)] {
        let set = [("/firm/loss", loss.clone()), ("/kill", json!({ "day_loss_percent": 90 }))];
        let mut rig = t.rig(&set);
        rig.tick();
        rig.price(PERP, 600_000);
        rig.reason(perp(1, Buy, 600_000, 1));
        let mut report = fill(id(1, 1), PERP, Buy, 600_000, 1, 1, "e1");
        (report.fee_e8, report.fee_asset) = (0, String::new());
        rig.report(report);
        rig.price(PERP, 600_000 - ticks);
        rig.tick();
        t.hold(&format!("a loss of {ticks} ticks"), killed(&rig) == want);
    }
    for (lots, want) in [(20, false), (21, true)] {
        let set = [
            ("/kill", json!({ "position_multiple": 10 })),
            ("/instruments/1/position_normal_lots", json!(2)),
        ];
        let mut rig = t.rig(&set);
        rig.trade(1, PERP, Sell, 600_000, lots);
        rig.tick();
        t.hold(&format!("a position of {lots}"), killed(&rig) == want);
    }
    for (key, input, max) in
        [("error_rate_bps", Input::ErrorRateBps, 1_000), ("decision_p99_us", Input::DecisionP99Us, 100_000)]
    {
        for (value, want) in [(max, false), (max + 1, true)] {
            let mut rig = t.rig(&[("/kill", json!({ key: max }))]);
            rig.reason(perp(1, Buy, 590_000, 1));
            rig.report(about(id(1, 1), PERP, ReportKind::Ack, 0));
            rig.apply(Event::Health { scope: Scope::Firm, input, value });
            rig.tick();
            t.hold(&format!("{key} {value}"), killed(&rig) == want);
            if want {
                t.hold("everything is cancelled", rig.commands().iter().any(|c| c.kind == 2));
                let is = rig.reason(perp(2, Buy, 600_000, 1));
                t.want("after", is, Reason::Killed);
                rig.restart();
                t.hold("through a restart", killed(&rig));
                rig.control(ControlAction::Unkill, "ann");
                rig.control(ControlAction::Unkill, "ann");
                t.hold("one person does not lift it", killed(&rig));
                rig.control(ControlAction::Unkill, "bob");
                t.hold("two do", !killed(&rig));
            }
            t.replays(&rig);
        }
    }
}

fn holdoff(t: &mut Tally) {
    let set = [("/startup_holdoff_ms", json!(500))];
    for (ms, want) in [(499, Reason::StartupHoldoff), (500, Reason::Ok)] {
        let mut rig = t.rig(&set);
        rig.pass_ms(ms);
        let is = rig.reason(perp(1, Buy, 600_000, 1));
        t.want(&format!("{ms} ms after the grant"), is, want);
        rig.pass_ms(1);
        let is = rig.reason(perp(1, Buy, 600_000, 1));
        t.want("the same id again", is, Reason::Ok);
    }
}

fn monitor(t: &mut Tally) {
    let set = [("/monitor_age_ms_max", json!(5_000))];
    for (ms, want) in [(5_000, Reason::Ok), (5_001, Reason::Degraded)] {
        let mut rig = t.rig(&set);
        rig.trade(1, PERP, Buy, 600_000, 5);
        rig.apply(Event::MonitorAlive);
        rig.pass_ms(ms);
        rig.price(PERP, 600_000);
        let is = rig.reason(perp(2, Buy, 600_000, 1));
        t.want(&format!("silent for {ms} ms"), is, want);
        let is = rig.reason(perp(3, Sell, 601_000, 1));
        t.want("reducing", is, Reason::Ok);
        rig.apply(Event::MonitorAlive);
        let is = rig.reason(perp(4, Buy, 600_000, 1));
        t.want("heard of again", is, Reason::Ok);
    }
}

/// Puts the rig's clock to a local time.
fn set_clock(rig: &mut Rig, zone: Zone, day: u32, second: i64) {
    let day = Date::from_yyyymmdd(day).expect("a day");
    rig.now.epoch_ns = zone.utc_s(day, second) * 1_000_000_000;
    rig.price(PERP, 600_000);
}

fn sessions(t: &mut Tally) {
    let hm = |hour: i64, minute: i64| hour * 3_600 + minute * 60;
    for (market, zone, day, second, want) in [
        ("XNYS", Zone::NewYork, 20_261_127, hm(9, 30) - 1, Reason::SessionClosed),
        ("XNYS", Zone::NewYork, 20_261_127, hm(9, 30), Reason::Ok),
        ("XNYS", Zone::NewYork, 20_261_127, hm(13, 0) - 1, Reason::Ok),
        ("XNYS", Zone::NewYork, 20_261_127, hm(13, 0), Reason::SessionClosed),
        ("XNYS", Zone::NewYork, 20_261_126, hm(10, 0), Reason::SessionClosed),
        ("XNYS", Zone::NewYork, 20_260_306, hm(15, 59), Reason::Ok),
        ("XNYS", Zone::NewYork, 20_260_309, hm(15, 59), Reason::Ok),
        ("XNYS", Zone::NewYork, 20_310_106, hm(10, 0), Reason::SessionClosed),
        ("XTAI", Zone::Taipei, 20_260_408, hm(9, 0), Reason::Ok),
        ("XTAI", Zone::Taipei, 20_260_408, hm(8, 30), Reason::Ok),
        ("XTAI", Zone::Taipei, 20_260_408, hm(8, 30) - 1, Reason::SessionClosed),
        ("XTAI", Zone::Taipei, 20_260_408, hm(13, 30), Reason::SessionClosed),
        ("XTAI", Zone::Taipei, 20_260_406, hm(10, 0), Reason::SessionClosed),
        ("TAIFEX", Zone::Taipei, 20_260_408, hm(4, 59), Reason::Ok),
        ("TAIFEX", Zone::Taipei, 20_260_408, hm(5, 0), Reason::SessionClosed),
        ("TAIFEX", Zone::Taipei, 20_260_408, hm(15, 0), Reason::Ok),
        ("24/7", Zone::Utc, 20_260_101, hm(0, 0), Reason::Ok),
    ] {
        let mut rig = t.rig(&[("/instruments/1/market", json!(market))]);
        set_clock(&mut rig, zone, day, second);
        let is = rig.reason(perp(1, Buy, 600_000, 1));
        t.want(&format!("{market} {day} {second}"), is, want);
    }
    // What cannot rest has no place in an auction.
    for (intent, want) in [
        (perp(1, Buy, 600_000, 1), Reason::Ok),
        (market(id(1, 1), PERP, Buy, 1), Reason::SessionClosed),
        (Intent { tif: Tif::Ioc.into(), ..perp(1, Buy, 600_000, 1) }, Reason::SessionClosed),
    ] {
        let mut rig = t.rig(&[("/instruments/1/market", json!("XTAI"))]);
        set_clock(&mut rig, Zone::Taipei, 20_260_408, hm(13, 26));
        let is = rig.reason(intent);
        t.want("in the closing auction", is, want);
    }
    // Cancels pass in every phase.
    let mut rig = t.rig(&[("/instruments/1/market", json!("XTAI"))]);
    set_clock(&mut rig, Zone::Taipei, 20_260_408, hm(10, 0));
    rig.reason(perp(1, Buy, 600_000, 1));
    set_clock(&mut rig, Zone::Taipei, 20_260_408, hm(14, 0));
    let is = rig.reason(cancel(id(1, 2), id(1, 1)));
    t.want("a cancel after the close", is, Reason::Ok);
    t.hold("the market has a name", Market::parse("XTAI").is_some());
}

fn blackouts(t: &mut Tally) {
    let hm = |hour: i64, minute: i64| hour * 3_600 + minute * 60;
    let set = [
        ("/instruments/1/market", json!("XNYS")),
        (
            "/instruments/1/blackouts",
            json!([{ "from": "09:30", "to": "09:45" }, { "from": "15:45", "to": "16:00" }]),
        ),
    ];
    // Winter and summer time alike, as they are local.
    for day in [20_260_306, 20_260_309] {
        for (second, want) in [
            (hm(9, 30), Reason::Blackout),
            (hm(9, 45) - 1, Reason::Blackout),
            (hm(9, 45), Reason::Ok),
            (hm(15, 45) - 1, Reason::Ok),
            (hm(15, 45), Reason::Blackout),
            (hm(16, 0), Reason::SessionClosed),
        ] {
            let mut rig = t.rig(&set);
            set_clock(&mut rig, Zone::NewYork, day, second);
            let is = rig.reason(perp(1, Buy, 600_000, 1));
            t.want(&format!("{day} {second}"), is, want);
        }
    }
}
