//! The vectors that the addon is held to: events, and the rows the pure kernels give. `packages/rust-core/parity.test.ts` runs the
//! same events through the addon. `TIDEGATE_WRITE_PARITY=1` writes the file anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use std::path::Path;
use tidegate_features::profile::plain;
use tidegate_features::set::{Input, SETS};
use tidegate_features::{Lane, Print, Profile, View};
use tidegate_units::{EpochNs, Side};

/// A plain linear congruence: the events are data, not chance.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as i64
    }
}

fn half(numbers: &mut Numbers, best: i64, step: i64) -> Vec<(i64, i64)> {
    let count = if numbers.below(40) == 0 { numbers.below(5) } else { 5 };
    (0..count).map(|level| (best + step * level, 1 + numbers.below(1_000))).collect()
}

/// Updates and prints, one-sided and locked books and old times among them.
fn events() -> Vec<Value> {
    let (mut numbers, mut ts, mut mid) = (Numbers(7), 1_700_000_000_000_000_000_i64, 10_000);
    (0..180)
        .map(|n| {
            ts += numbers.below(400_000_000) - if n % 97 == 0 { 500_000_000 } else { 0 };
            if n % 3 == 2 {
                let side = if numbers.below(2) == 0 { "BUY" } else { "SELL" };
                let confidence = [500, 750, 1_000].get(numbers.below(3) as usize);
                return json!({ "px": mid, "qty": 1 + numbers.below(50), "side": side, "confidence": confidence,
                    "tsNs": ts.to_string() });
            }
            mid += numbers.below(5) - 2;
            let spread = if n % 53 == 0 { 0 } else { 1 + numbers.below(3) };
            let (bids, asks) = (half(&mut numbers, mid, -1), half(&mut numbers, mid + spread, 1));
            json!({ "bids": bids, "asks": asks, "tsNs": ts.to_string() })
        })
        .collect()
}

fn levels(side: &Value) -> Vec<(i64, i64)> {
    let level = |level: &Value| (level[0].as_i64().unwrap(), level[1].as_i64().unwrap());
    side.as_array().unwrap().iter().map(level).collect()
}

fn rows(profile: &Profile, events: &[Value]) -> Vec<Value> {
    let mut lane = Lane::new(profile).unwrap();
    let mut out = Vec::new();
    for event in events {
        let ts = EpochNs(event["tsNs"].as_str().unwrap().parse().unwrap());
        if event.get("bids").is_some() {
            let row = lane.on_view(&View::from_levels(&levels(&event["bids"]), &levels(&event["asks"]), ts));
            out.push(json!([row.values(), row.flags, row.warm, row.changed]));
        } else {
            let aggressor = if event["side"] == "BUY" { Side::Buy } else { Side::Sell };
            let confidence = event["confidence"].as_u64().unwrap() as u16;
            let (px, qty) = (event["px"].as_i64().unwrap(), event["qty"].as_i64().unwrap());
            lane.on_trade(&Print { px, qty, aggressor, confidence, ts });
        }
    }
    out
}

#[test]
fn b074_the_vectors_are_those_of_the_pure_kernels() {
    let events = events();
    let profiles = SETS.iter().filter(|set| set.on == Input::Book).flat_map(|set| {
        [(5, 5_000_u32), (2, 300)].map(|(levels, stale_ms)| {
            let stale_after_ns = i64::from(stale_ms) * 1_000_000;
            (stale_ms, Profile { levels, stale_after_ns, ..plain(set.name) })
        })
    });
    let cases: Vec<Value> = profiles
        .map(|(stale_ms, profile)| {
            let rows = rows(&profile, &events);
            json!({ "profile": { "set": profile.set, "levels": profile.levels, "staleAfterMs": stale_ms }, "rows": rows })
        })
        .collect();
    let sets: Vec<Value> = SETS.iter().map(|set| json!([set.name, set.hash()])).collect();
    let list = |values: &[Value]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",\n");
    let text = format!(
        "{{\"sets\":[\n{}\n],\"events\":[\n{}\n],\"cases\":[\n{}\n]}}\n",
        list(&sets),
        list(&events),
        list(&cases)
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity/features.json");
    if std::env::var_os("TIDEGATE_WRITE_PARITY").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == text, "{} is not what the kernels give; a changed kernel is a new set", path.display());
}
