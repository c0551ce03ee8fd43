//! Runs with the gateway inside, and a strategy that keeps it busy.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test uses a part")]

use super::config;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_backtest_lane::Lane;
use tidegate_engine::strategy::layout as at;
use tidegate_instruments::Instrument;
use tidegate_wire::pb::orders::v1::Reason;

pub const PERP: u32 = 2;
pub const HUGE: i64 = 1 << 62;

/// Limits that refuse nothing a strategy here asks for, of strategy 7 and account 3.
pub fn wide(tapes: &[(Instrument, PathBuf)]) -> Value {
    let instrument = |id: u32| {
        json!({
            "instrument_id": id, "order_qty_lots_max": 1_i64 << 40, "order_notional_e8_max": HUGE,
            "position_lots_max": 1_i64 << 40, "exposure_e8_max": HUGE, "px_ticks_max": 1_i64 << 40,
            "collar_bps": 9_000, "reducing_collar_bps": 9_000, "reference_age_ms_max": 60_000,
        })
    };
    json!({
        "version": 1, "startup_holdoff_ms": 0, "requery_ms": 2_000,
        "firm": { "exposure_e8_max": HUGE, "open_orders_max": 10_000 },
        "accounts": [{ "account_id": 3, "exposure_e8_max": HUGE }],
        "strategies": [{
            "strategy_id": 7, "exposure_e8_max": HUGE, "open_orders_max": 10_000,
            "messages_max": 4_000, "messages_window_ms": 1_000,
        }],
        "instruments": tapes.iter().map(|(row, _)| instrument(row.id)).collect::<Vec<_>>(),
    })
}

pub fn table(tapes: &[(Instrument, PathBuf)]) -> String {
    let rows: Vec<&Instrument> = tapes.iter().map(|(row, _)| row).collect();
    json!({ "version": 4, "instruments": rows }).to_string()
}

/// A run over the tapes; with `limits` the gateway is inside.
pub fn limited(tapes: &[(Instrument, PathBuf)], limits: Option<&Value>) -> Value {
    let latency = json!({"kind": "constant", "entryNs": 5_000_000, "answerNs": 3_000_000});
    let mut config: Value = serde_json::from_str(&config(tapes, 64, &latency)).unwrap();
    if let Some(limits) = limits {
        config["limits"] =
            json!({ "file": limits.to_string(), "table": table(tapes), "strategyId": 7, "accountId": 3 });
    }
    config
}

/// What one event of the lane says, by the names the test needs.
pub type Seen<'a> = &'a [f64];

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gave {
    /// Decision and reason of each intent, by its sequence.
    pub replies: BTreeMap<u64, (u32, i32)>,
    /// States of each order, in the order they were told.
    pub states: BTreeMap<u64, Vec<i32>>,
    pub fills: Vec<u64>,
    pub samples: Vec<u64>,
    pub summary: Value,
}

impl Gave {
    pub fn reasons(&self) -> Vec<Reason> {
        self.replies.values().map(|(_, reason)| Reason::try_from(*reason).unwrap()).collect()
    }
    pub fn orders(&self) -> u64 {
        self.summary["instruments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| each["orders"].as_u64().unwrap())
            .sum()
    }
}

pub fn intent(seq: u64, instrument: f64, set: &[(usize, f64)]) -> [f64; at::INTENT_DOUBLES] {
    let mut view = [0.0; at::INTENT_DOUBLES];
    (view[at::INTENT_SEQ], view[at::INTENT_INSTRUMENT], view[at::INTENT_ACCOUNT]) =
        (seq as f64, instrument, 3.0);
    (view[at::INTENT_KIND], view[at::INTENT_ORDER_TYPE], view[at::INTENT_TARGET_EPOCH]) = (1.0, 1.0, 1.0);
    set.iter().for_each(|(place, value)| view[*place] = *value);
    view
}

/// Runs to the end; `act` sees each event and gives the intents it causes.
pub fn run(config: &Value, mut act: impl FnMut(Seen<'_>) -> Vec<[f64; at::INTENT_DOUBLES]>) -> Gave {
    let mut lane = Lane::open(&config.to_string()).unwrap();
    let mut rows = vec![0.0; at::EVENTS_MAX * at::EVENT_DOUBLES];
    let mut gave = Gave::default();
    while let Some(count) = lane.poll(&mut rows).unwrap() {
        for index in 0..count {
            let row = &rows[index * at::EVENT_DOUBLES..][..at::EVENT_DOUBLES];
            match row[at::EVENT_KIND] as usize {
                at::EVENT_KIND_INTENT_REPLY => {
                    let reply = (row[at::INTENT_REPLY_DECISION] as u32, row[at::INTENT_REPLY_REASON] as i32);
                    gave.replies.insert(row[at::INTENT_REPLY_SEQ] as u64, reply);
                }
                at::EVENT_KIND_ORDER_UPDATE => {
                    let state = row[at::ORDER_UPDATE_STATE] as i32;
                    gave.states.entry(row[at::ORDER_UPDATE_SEQ] as u64).or_default().push(state);
                }
                _ => {}
            }
            for mut view in act(row) {
                view[at::INTENT_EVENT_INDEX] = index as f64;
                let submitted = lane.submit(&view);
                // Without a gateway a cancel of what has ended is no message at all.
                let gone = config["limits"].is_null() && view[at::INTENT_KIND] == 2.0;
                assert!(gone || submitted == at::SUBMIT_OK, "{submitted} {view:?}");
            }
        }
    }
    let bits = |rows: &[f64]| rows.iter().map(|value| value.to_bits()).collect();
    (gave.fills, gave.samples) = (bits(&lane.columns().fills), bits(&lane.columns().samples));
    gave.summary = lane.summary();
    for instrument in gave.summary["instruments"].as_array().unwrap() {
        assert_eq!(instrument["audit"]["sound"], true, "{instrument}");
    }
    gave
}

pub fn valid_top(row: Seen<'_>, instrument: u32) -> bool {
    row[at::EVENT_KIND] == at::EVENT_KIND_BOOK_TOP as f64
        && row[at::EVENT_INSTRUMENT] == f64::from(instrument)
        && row[at::BOOK_TOP_STATE] == 2.0
}

/// Rests at the touch and takes by turns, cancels the order before: buys of the spot, sells of the perpetual.
pub fn busy() -> impl FnMut(Seen<'_>) -> Vec<[f64; at::INTENT_DOUBLES]> {
    let (mut books, mut seq, mut last) = (0_u64, 0_u64, [0_u64; 16]);
    move |row| {
        let instrument = row[at::EVENT_INSTRUMENT] as u32;
        if !valid_top(row, instrument) {
            return Vec::new();
        }
        books += 1;
        if books % 11 != 0 {
            return Vec::new();
        }
        let mut out = Vec::new();
        let before = &mut last[instrument as usize];
        if *before != 0 {
            seq += 1;
            let target = [
                (at::INTENT_KIND, 2.0),
                (at::INTENT_ORDER_TYPE, 0.0),
                (at::INTENT_TARGET_SEQ, *before as f64),
            ];
            out.push(intent(seq, f64::from(instrument), &target));
        }
        let buys = instrument != PERP && (instrument == 1 || books % 2 == 0);
        let takes = books % 5 == 0;
        seq += 1;
        let px = if buys == takes { row[at::BOOK_TOP_ASK_PX] } else { row[at::BOOK_TOP_BID_PX] };
        let terms = [
            (at::INTENT_SIDE, if buys { 1.0 } else { 2.0 }),
            (at::INTENT_TIF, if takes { 2.0 } else { 4.0 }),
            (at::INTENT_PX, px),
            (at::INTENT_QTY, 3.0),
        ];
        out.push(intent(seq, f64::from(instrument), &terms));
        *before = seq;
        out
    }
}
