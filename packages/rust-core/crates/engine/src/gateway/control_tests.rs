//! Kills, changes of limits and the life of an intent, over real sockets and a real journal.

use super::tests::{DEADLINE, World, buy, call, config, message};
use super::*;
use std::time::{Duration, Instant};

/// Whatever the router's end says of kills.
fn router_says(world: &mut World, action: ControlAction, ts_ns: i64) {
    let lifts = action == ControlAction::Unkill;
    let event = ControlEvent {
        action: action.into(),
        principal: "file".into(),
        reason: if lifts { String::new() } else { "kill file".into() },
        ts_ns: if lifts { 0 } else { ts_ns },
        kill_ts_ns: if lifts { ts_ns } else { 0 },
        ..ControlEvent::default()
    };
    let peer = world.router.peer("gateway").unwrap();
    world.router.send(clock::mono_ns(), peer, &message(Payload::ControlEvent(event))).unwrap();
}

fn policy(handle: &Handle) -> String {
    call(handle, json!({ "op": "state" }))["policy"]["state"].as_str().unwrap().to_string()
}

#[test]
fn b047_a_kill_goes_to_the_router_until_it_is_acknowledged_and_so_does_its_lift() {
    let mut world = World::new();
    let handle = world.start();
    world.ready(&handle);
    assert_eq!(
        call(&handle, json!({ "op": "kill", "principal": "ann", "reason": "drill" }))["ok"],
        json!(true)
    );
    world.until("told more than once", |w| w.controls.len() > 2);
    let told = world.controls[0].clone();
    assert_eq!((told.action(), told.principal.as_str()), (ControlAction::Kill, "ann"));
    world.until("the alarm", |_| {
        let alarm = |e: &Value| e["msg"].as_str().is_some_and(|m| m.starts_with("ALARM"));
        handle.take_events(Duration::ZERO).iter().any(alarm)
    });
    router_says(&mut world, ControlAction::Kill, told.ts_ns);
    world.until("acknowledged", |_| handle.stats()["killed"]["routerAcknowledged"] == json!(true));
    let before = world.controls.len();
    world.send(buy(1, 600_000));
    world.until("a refusal", |w| w.reasons().len() == 1);
    assert_eq!((world.reasons()[0], world.controls.len()), (Reason::Killed, before));
    for principal in ["ann", "ann", "bob"] {
        assert_eq!(policy(&handle), "KILLED");
        call(&handle, json!({ "op": "unkill", "principal": principal }));
    }
    assert_eq!(policy(&handle), "NORMAL");
    world.until("the lift, by name", |w| {
        w.controls.last().is_some_and(|c| c.action() == ControlAction::Unkill && c.kill_ts_ns == told.ts_ns)
    });
    // Said by the router before the lift arrived: no news.
    router_says(&mut world, ControlAction::Kill, told.ts_ns);
    router_says(&mut world, ControlAction::Unkill, told.ts_ns);
    world.until("lifted everywhere", |_| handle.stats()["killed"] == Value::Null);
    assert_eq!(policy(&handle), "NORMAL");
    handle.stop().unwrap();
}

#[test]
fn a14_b048_a_kill_at_the_router_or_in_the_latch_file_is_a_kill_here_and_survives_the_journal() {
    let mut world = World::new();
    let handle = world.start();
    world.ready(&handle);
    router_says(&mut world, ControlAction::Kill, clock::epoch_ns());
    world.until("killed by the router", |_| policy(&handle) == "KILLED");
    assert_eq!(call(&handle, json!({ "op": "state" }))["killed"]["by"], json!("execution-router"));
    handle.stop().unwrap();
    // The latch is damaged while the journal says killed, and the other way round.
    let latch = world.dir.path().join("gateway.latch");
    std::fs::write(&latch, "CLEA").unwrap();
    let handle = world.start();
    world.ready(&handle);
    assert_eq!(policy(&handle), "KILLED");
    for principal in ["ann", "bob"] {
        call(&handle, json!({ "op": "unkill", "principal": principal }));
    }
    assert_eq!(policy(&handle), "NORMAL");
    handle.stop().unwrap();
    for damage in [&b"KILL"[..], b"", b"CLEAR"] {
        std::fs::write(&latch, damage).unwrap();
        let handle = world.start();
        assert_eq!(policy(&handle), "KILLED", "{damage:?}");
        for principal in ["ann", "bob"] {
            call(&handle, json!({ "op": "unkill", "principal": principal }));
        }
        handle.stop().unwrap();
    }
    let handle = world.start();
    assert_eq!(policy(&handle), "NORMAL", "the negative control: an undamaged, clear latch");
    handle.stop().unwrap();
    std::fs::remove_file(&latch).unwrap();
    let handle = world.start();
    assert_eq!(policy(&handle), "KILLED", "a latch that is gone");
    handle.stop().unwrap();
}

#[test]
fn b040_a_limit_changes_while_running_and_after_a_restart_is_what_it_became() {
    let mut world = World::new();
    let handle = world.start();
    world.ready(&handle);
    let limit = "instrument.2.order_qty_lots_max";
    let check = call(&handle, json!({ "op": "limit_check", "limit": limit, "value": 4 }));
    assert_eq!(
        (&check["old"], &check["loosens"], &check["version"]),
        (&json!(100), &json!(false), &json!(1))
    );
    let set = |value: i64, version: u32, requester: &str| {
        let request = json!({ "op": "limit_set", "limit": limit, "value": value, "version": version,
            "principal": "ann", "requester": requester });
        call(&handle, request)
    };
    assert_eq!(set(4, 2, "")["ok"], json!(true));
    world.send(buy(1, 600_000));
    world.until("a refusal", |w| w.reasons().len() == 1);
    assert_eq!(world.reasons()[0], Reason::MaxQtyExceeded, "the core has it");
    assert!(set(5, 3, "")["error"].as_str().unwrap().contains("second, different principal"));
    assert!(set(5, 3, "ann")["error"].as_str().unwrap().contains("second, different principal"));
    assert!(set(5, 2, "bob")["error"].as_str().unwrap().contains("moved on"));
    assert_eq!(
        call(&handle, json!({ "op": "limits" }))["limits"]["instruments"][1]["order_qty_lots_max"],
        json!(4)
    );
    handle.stop().unwrap();
    let handle = world.start();
    world.ready(&handle);
    let shown = call(&handle, json!({ "op": "limits" }));
    assert_eq!((&shown["version"], &shown["limits"]["version"]), (&json!(2), &json!(2)));
    assert_eq!(shown["limits"]["instruments"][1]["order_qty_lots_max"], json!(4));
    let request = json!({ "op": "limit_set", "limit": limit, "value": 5, "version": 3, "principal": "ann", "requester": "bob" });
    assert_eq!(call(&handle, request)["ok"], json!(true));
    world.send(buy(2, 600_000));
    world.until("accepted", |w| w.reasons().len() == 2);
    assert_eq!(world.reasons()[1], Reason::Ok);
    handle.stop().unwrap();
    // A file of a later version is in force as it stands; one that the changes do not follow from is refused.
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../config/limits.json"))
            .unwrap();
    let file = world.dir.path().join("limits.json");
    let with = |version: u32| {
        std::fs::write(&file, text.replacen("\"version\": 1", &format!("\"version\": {version}"), 1))
            .unwrap();
        let mut config: Value = serde_json::from_str(&config(world.dir.path())).unwrap();
        config["limitsFile"] = json!(file);
        start(&config.to_string())
    };
    let handle = with(3).unwrap();
    assert_eq!(
        call(&handle, json!({ "op": "limits" }))["limits"]["instruments"][1]["order_qty_lots_max"],
        json!(100)
    );
    handle.stop().unwrap();
}

#[test]
fn the_life_of_an_intent_is_told_from_the_journal_with_the_act_that_refused_it() {
    let mut world = World::new();
    let handle = world.start();
    world.ready(&handle);
    world.send(buy(1, 600_000));
    world.until("acked", |w| {
        w.to_strategy.iter().any(|p| matches!(p, Payload::OrderUpdate(o) if o.state == 2))
    });
    call(&handle, json!({ "op": "halt", "principal": "ann", "reason": "spread looks wrong" }));
    world.send(buy(2, 600_000));
    world.until("a refusal", |w| w.reasons().len() == 2);
    let explain = |intent: &str| {
        let end = Instant::now() + DEADLINE;
        loop {
            let answer = call(&handle, json!({ "op": "explain", "intent": intent }));
            if answer["ok"] == json!(true) || Instant::now() > end {
                return answer;
            }
        }
    };
    let first = explain("1/1/1");
    let whats: Vec<&str> =
        first["steps"].as_array().unwrap().iter().filter_map(|s| s["what"].as_str()).collect();
    assert_eq!(&whats[..4], ["intent", "decision", "state", "command"]);
    assert!(whats.contains(&"report") && first["refused"].is_null());
    let order = first["steps"][1]["clientOrderId"].as_str().unwrap().to_string();
    assert_eq!(explain(&order)["intent"], json!("1/1/1"), "by its client order id too");
    let second = explain("1/1/2");
    assert_eq!(second["refused"]["reason"], json!("HALT"));
    assert_eq!(second["refused"]["lastAct"]["principal"], json!("ann"));
    assert!(second["refused"]["remedy"].as_str().unwrap().len() > 10);
    assert_eq!(explain("1/1/9")["steps"], json!([]), "of an unknown one nothing is known");
    // What the core would not fold is refused, not answered with yes, and leaves nothing in the journal.
    let unknown = call(&handle, json!({ "op": "override", "principal": "bob" }));
    assert_eq!(unknown["ok"], json!(false));
    world.send(buy(3, 600_000));
    world.until("another refusal", |w| w.reasons().len() == 3);
    assert_eq!(explain("1/1/3")["refused"]["lastAct"]["principal"], json!("ann"));
    let bad = call(&handle, json!({ "op": "explain", "intent": "yesterday" }));
    assert!(bad["error"].as_str().unwrap().contains("STRATEGY/SESSION/SEQ"));
    let export = call(&handle, json!({ "op": "export" }));
    assert_eq!(export["stateHash"].as_str().unwrap().len(), 64);
    assert_eq!(export["orders"].as_array().unwrap().len(), 1);
    handle.stop().unwrap();
}
