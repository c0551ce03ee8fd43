//! A session over real sockets, and what its replay says of it.

use super::tests::{World, buy, call, config};
use super::*;
use tidegate_wire::pb::orders::v1::Intent;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../..");

fn logged(world: &World) -> String {
    let mut all: Value = serde_json::from_str(&config(world.dir.path())).unwrap();
    all["inputLogDir"] = json!(world.dir.path().join("inputs"));
    all.to_string()
}

fn replayed(world: &World, plant: Value) -> Value {
    let dir = world.dir.path();
    let request = json!({
        "journalDir": dir.join("journal"), "inputLogDir": dir.join("inputs"), "scratchDir": dir,
        "instrumentsFile": format!("{ROOT}/config/instruments.json"),
        "limitsFile": format!("{ROOT}/config/limits.json"), "plant": plant,
    });
    replay(&request.to_string()).unwrap()
}

#[test]
fn b099_two_lives_decided_once_more_give_the_journal_byte_for_byte_and_each_planted_fault_shows() {
    let mut world = World::new();
    let handle = start(&logged(&world)).unwrap();
    world.ready(&handle);
    for seq in 1..=20 {
        // Some within the collar, some beyond, one that breaks a rule of its message.
        world.send(buy(seq, 600_000 + i64::from(seq % 3 == 0) * 300_000));
    }
    world.send(Intent { side: 9, ..buy(21, 600_000) });
    world.until("every answer", |w| w.reasons().len() == 21);
    assert_eq!(call(&handle, json!({ "op": "drain", "principal": "test" }))["ok"], json!(true));
    world.until("drained", |_| handle.stats()["drained"] == json!(true));
    handle.stop().unwrap();
    let handle = start(&logged(&world)).unwrap();
    world.ready(&handle);
    assert_eq!(call(&handle, json!({ "op": "resume", "principal": "test" }))["ok"], json!(true));
    for seq in 22..=40 {
        world.send(buy(seq, 600_000));
    }
    world.until("answers of the second life", |w| w.reasons().len() == 40);
    handle.stop().unwrap();

    let told = replayed(&world, Value::Null);
    assert_eq!((&told["lives"], &told["intents"]["1"]), (&json!(2), &json!(39)));
    assert_eq!((&told["unequal"], &told["statesUnequal"]), (&json!(0), &json!(0)), "{told}");
    assert_eq!(told["liveHash"], told["replayHash"]);
    assert!(told["records"].as_u64().unwrap() > 80, "{told}");
    assert_eq!(told, replayed(&world, Value::Null));
    for plant in ["drop", "price", "reorder"] {
        let told = replayed(&world, json!(plant));
        assert_eq!(told["planted"], json!(true), "{plant}");
        assert!(told["unequal"].as_u64().unwrap() > 0, "{plant}: {told}");
        assert_ne!(told["liveHash"], told["replayHash"], "{plant}");
    }
    // A log that is cut is a journal that nothing decided.
    let file = world.dir.path().join("inputs/gateway.2.inputs");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(replayed(&world, Value::Null)["unequal"].as_u64().unwrap() > 0);
    assert_eq!(intents_given(&world.dir.path().join("inputs").to_string_lossy()).unwrap()[0][0], json!(1));
}

#[test]
fn a_pair_has_no_input_log_and_a_folder_without_one_is_refused() {
    let world = World::new();
    let mut all: Value = serde_json::from_str(&logged(&world)).unwrap();
    all["pair"] = json!({ "node": "a", "peerTailUrl": "ipc://x", "leaseFile": "lease" });
    assert!(start(&all.to_string()).unwrap_err().0.contains("inputLogDir"));
    std::fs::create_dir(world.dir.path().join("inputs")).unwrap();
    assert!(intents_given(&world.dir.path().join("none").to_string_lossy()).is_err());
}
