//! A run in batches is the run event by event, over the recorded minutes that ship.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::{config, tapes};
use tidegate_backtest_lane::{FILL_DOUBLES, Lane};
use tidegate_engine::strategy::layout as at;

/// What a run gave, to the last bit.
#[derive(Debug, PartialEq)]
struct Gave {
    hash: String,
    fills: Vec<u64>,
    samples: Vec<u64>,
    sent: u64,
}

/// Orders at the touch of either side, every so many books, 11 unless told, by turns resting and taking; cancels the one before. `place` is where the
/// strategy says an event stood in its batch.
fn run(config: &str, place: impl Fn(usize) -> f64) -> Gave {
    run_each(11, config, place)
}

fn run_each(every: u64, config: &str, place: impl Fn(usize) -> f64) -> Gave {
    let mut lane = Lane::open(config).unwrap();
    let mut rows = vec![0.0; at::EVENTS_MAX * at::EVENT_DOUBLES];
    let (mut books, mut seq, mut last) = (0_u64, 0_u64, [0_u64; 3]);
    while let Some(count) = lane.poll(&mut rows).unwrap() {
        for index in 0..count {
            let row = &rows[index * at::EVENT_DOUBLES..][..at::EVENT_DOUBLES];
            if row[at::EVENT_KIND] != at::EVENT_KIND_BOOK_TOP as f64 || row[at::BOOK_TOP_STATE] != 2.0 {
                continue;
            }
            books += 1;
            if books % every != 0 {
                continue;
            }
            let instrument = row[at::EVENT_INSTRUMENT];
            let mut send = |set: &[(usize, f64)]| {
                let mut intent = [0.0; at::INTENT_DOUBLES];
                seq += 1;
                intent[at::INTENT_SEQ] = seq as f64;
                intent[at::INTENT_INSTRUMENT] = instrument;
                intent[at::INTENT_EVENT_INDEX] = place(index);
                set.iter().for_each(|(at, value)| intent[*at] = *value);
                lane.submit(&intent);
                seq
            };
            let before = &mut last[instrument as usize];
            if *before != 0 {
                send(&[(at::INTENT_KIND, 2.0), (at::INTENT_TARGET_SEQ, *before as f64)]);
            }
            let buy = books % 2 == 0;
            // Rests at its own touch, or takes the other side.
            let takes = books % 5 == 0;
            let px = if buy == takes { row[at::BOOK_TOP_ASK_PX] } else { row[at::BOOK_TOP_BID_PX] };
            *before = send(&[
                (at::INTENT_KIND, 1.0),
                (at::INTENT_SIDE, if buy { 1.0 } else { 2.0 }),
                (at::INTENT_ORDER_TYPE, 1.0),
                (at::INTENT_TIF, if takes { 2.0 } else { 4.0 }),
                (at::INTENT_PX, px),
                (at::INTENT_QTY, 3.0),
            ]);
        }
    }
    let summary = lane.summary();
    for instrument in summary["instruments"].as_array().unwrap() {
        assert_eq!(instrument["audit"]["sound"], true, "{instrument}");
    }
    let bits = |rows: &[f64]| rows.iter().map(|value| value.to_bits()).collect();
    Gave {
        hash: summary["runHash"].as_str().unwrap().to_string(),
        fills: bits(&lane.columns().fills),
        samples: bits(&lane.columns().samples),
        sent: seq,
    }
}

#[test]
fn b099_a_run_in_batches_is_the_run_event_by_event() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let constant = serde_json::json!({"kind": "constant", "entryNs": 5_000_000, "answerNs": 3_000_000});
    let none = serde_json::json!({"kind": "constant", "entryNs": 0, "answerNs": 0});
    let drawn =
        serde_json::json!({"kind": "drawn", "entryNs": [1_000, 9_000_000], "answerNs": [70_000], "seed": 7});
    for latency in [&constant, &none, &drawn] {
        // At every book, so that much is on its way while the venue says something.
        let [one, many] =
            [1, 64].map(|batch| run_each(1, &config(&tapes, batch, latency), |index| index as f64));
        assert!(many.sent > 7_000);
        assert_eq!(one, many, "{latency}, at every book");
        let [one, many] = [1, 64].map(|batch| run(&config(&tapes, batch, latency), |index| index as f64));
        assert!(
            many.fills.len() > 20 * FILL_DOUBLES && many.sent > 400,
            "{} {}",
            many.fills.len(),
            many.sent
        );
        assert_eq!(one, many, "{latency}");
    }
    // A strategy that does not say which event it answers sends at the end of the batch: another run.
    let late = run(&config(&tapes, 64, &constant), |_| -1.0);
    assert_ne!(late.hash, run(&config(&tapes, 64, &constant), |index| index as f64).hash);
}

#[test]
fn b099_a_run_is_the_same_again_and_another_with_another_latency() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let hash = |entry_ns: i64| {
        let latency = serde_json::json!({"kind": "constant", "entryNs": entry_ns, "answerNs": 0});
        run(&config(&tapes, 64, &latency), |index| index as f64).hash
    };
    assert_eq!(hash(1_000), hash(1_000));
    assert_ne!(hash(1_000), hash(1_001));
}

#[test]
fn b099_what_comes_after_a_cut_changes_nothing_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let constant = serde_json::json!({"kind": "constant", "entryNs": 5_000_000, "answerNs": 3_000_000});
    let mut config: serde_json::Value = serde_json::from_str(&config(&tapes, 64, &constant)).unwrap();
    let whole = run(&config.to_string(), |index| index as f64);
    let start: i64 =
        Lane::open(&config.to_string()).unwrap().summary()["startNs"].as_str().unwrap().parse().unwrap();
    config["untilNs"] = (start + 60_000_000_000_i64).into();
    let cut = run(&config.to_string(), |index| index as f64);
    assert!(cut.fills.len() > 10 * FILL_DOUBLES && cut.fills.len() < whole.fills.len());
    // Fills received well before the cut; one at it may come of a row that is gone.
    let before = |fills: &[u64]| {
        let early = |row: &&[u64]| f64::from_bits(row[0]) < 59e9;
        fills.chunks(FILL_DOUBLES).filter(early).map(<[u64]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(before(&cut.fills), before(&whole.fills));
    config["untilNs"] = serde_json::Value::Null;
    config["skipNs"] = 60_000_000_000_i64.into();
    let late = run(&config.to_string(), |index| index as f64);
    assert!(!late.fills.is_empty() && late.fills.len() < whole.fills.len());
}

#[test]
fn b099_a_configuration_that_cannot_be_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let good: serde_json::Value = serde_json::from_str(&config(
        &tapes,
        64,
        &serde_json::json!({"kind": "constant", "entryNs": 0, "answerNs": 0}),
    ))
    .unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value), want: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let fault = Lane::open(&bad.to_string()).unwrap_err();
        assert!(fault.contains(want), "{fault}");
    };
    refused(&|bad| bad["tickNs"] = 0.into(), "tickNs is 0");
    refused(&|bad| bad["skipNs"] = (-1).into(), "skipNs is -1");
    refused(&|bad| bad["batch"] = 65.into(), "batch is 65");
    refused(&|bad| bad["speed"] = 1.into(), "speed");
    refused(&|bad| bad["queue"] = serde_json::json!({"kind": "power", "n": 0.0}), "queue: n is 0");
    refused(&|bad| bad["instruments"][0]["latency"]["entryNs"] = (-1).into(), "latency of BTCUSDT");
    refused(&|bad| bad["instruments"][0]["tape"] = "none.tape".into(), "none.tape");
    refused(&|bad| bad["instruments"][0]["row"]["px_scale"] = 3.into(), "convert the recording again");
    refused(&|bad| bad["instruments"][1] = bad["instruments"][0].clone(), "instrument 1 twice");
}
