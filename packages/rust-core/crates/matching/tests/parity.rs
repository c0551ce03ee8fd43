//! The vectors that the addon is held to: calls to a market, and the answers of the pure core. `packages/rust-core/parity.test.ts`
//! makes the same calls through the addon. `TIDEGATE_WRITE_PARITY=1` writes the file anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use std::path::Path;
use tidegate_matching::SimMarket;

const CONFIG: &str = r#"{"symbol":"BTCUSDT","market":"spot","pxScale":2,"pxUnit":1,"qtyScale":5,"qtyUnit":1,"pxTextScale":8,"qtyTextScale":8,"e8PerTickLot":10,"baseE8PerLot":1000,"baseAsset":"BTC","quoteAsset":"USDT","makerFeeE8":"100000","takerFeeE8":"100000","balances":{"baseE8":"100000000000","quoteE8":"10000000000000"}}"#;

/// A plain linear congruence: the calls are data, not chance.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Method and its arguments: a snapshot, then trades, diffs, orders, cancels, questions and words that are none.
fn calls() -> Vec<(&'static str, String, i64)> {
    let mut numbers = Numbers(11);
    let mut out = vec![(
        "onMarket",
        r#"{"lastUpdateId":7,"bids":[["100.00","3"],["99.90","2"]],"asks":[["100.10","1"],["100.20","4"]]}"#
            .to_string(),
        1,
    )];
    for n in 0..400_u64 {
        let time = 2 + n as i64;
        let px = format!("{}.{}0", 99 + numbers.below(2), numbers.below(10));
        let qty = format!("0.{}", 1 + numbers.below(9));
        let side = if numbers.below(2) == 0 { "BUY" } else { "SELL" };
        let id = n.saturating_sub(1 + numbers.below(3));
        let call = match numbers.below(9) {
            0 | 1 | 8 => {
                let kind = if numbers.below(4) == 0 { "LIMIT_MAKER" } else { "LIMIT" };
                let tif = ["GTC", "GTC", "IOC", "FOK"][numbers.below(4) as usize];
                (
                    "place",
                    format!(
                        r#"{{"clientOrderId":"c{n}","side":"{side}","type":"{kind}","timeInForce":"{tif}","price":"{px}","quantity":"{qty}","timeMs":{time}}}"#
                    ),
                )
            }
            2 => ("cancel", format!(r#"{{"clientOrderId":"c{id}","timeMs":{time}}}"#)),
            3 => (
                "query",
                format!(
                    r#"{{"what":"{}"}}"#,
                    ["touch", "trades", "openOrders", "nonsense"][numbers.below(4) as usize]
                ),
            ),
            4 => ("drainEvents", String::new()),
            5 => (
                "onMarket",
                format!(
                    r#"{{"e":"trade","E":{time},"s":"BTCUSDT","t":{n},"p":"{px}","q":"{qty}","T":{time},"m":{}}}"#,
                    side == "SELL"
                ),
            ),
            6 => (
                "onMarket",
                format!(
                    r#"{{"e":"depthUpdate","E":{time},"s":"BTCUSDT","U":{0},"u":{0},"b":[["99.80","{qty}"]],"a":[["100.30","{qty}"]]}}"#,
                    8 + n
                ),
            ),
            _ => ("place", "nonsense".into()),
        };
        out.push((call.0, call.1, time));
    }
    out.extend(["balances", "state", "stats", "snapshotDepth"].map(|method| (method, String::new(), 0)));
    out
}

#[test]
fn b074_the_vectors_are_those_of_the_pure_matching_core() {
    let mut market = SimMarket::new(CONFIG).unwrap();
    let rows: Vec<Value> = calls()
        .into_iter()
        .map(|(method, text, time)| {
            let answer: Value = match method {
                "onMarket" => market.on_market(text.as_bytes(), time).into(),
                "place" => market.place(&text).into(),
                "cancel" => market.cancel(&text).into(),
                "query" => market.query(&text).into(),
                "drainEvents" => market.drain_events().into(),
                "balances" => market.balances().into(),
                "state" => market.state().into(),
                "stats" => market.stats().into(),
                _ => market.snapshot_depth(10).into(),
            };
            json!([method, text, time, answer])
        })
        .collect();
    // The calls reach what they are meant to.
    let said = rows.iter().map(ToString::to_string).collect::<Vec<_>>();
    for word in ["FILLED", "CANCELED", "UNKNOWN_ORDER", "MALFORMED", "quoteLockedE8"] {
        assert!(said.iter().any(|row| row.contains(word)), "no call is answered by {word}");
    }
    let text = format!("{{\"config\":{},\"calls\":[\n{}\n]}}\n", json!(CONFIG), said.join(",\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity/matching.json");
    if std::env::var_os("TIDEGATE_WRITE_PARITY").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == text, "{} is not what the core answers: write it anew and say why", path.display());
}
