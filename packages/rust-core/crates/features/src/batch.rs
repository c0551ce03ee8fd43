//! A kernel over events given as JSON: for callers outside Rust. The rows are those of the live lane.

use crate::limits::{BATCH_EVENTS_MAX, VIEW_LEVELS};
use crate::profile::{Lane, Profile};
use crate::set::{Input, SETS};
use crate::view::{Print, View};
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_units::{EpochNs, Side};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProfileJson {
    set: String,
    levels: usize,
    stale_after_ms: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BookJson {
    bids: Vec<(i64, i64)>,
    asks: Vec<(i64, i64)>,
    ts_ns: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PrintJson {
    px: i64,
    qty: i64,
    side: SideJson,
    confidence: u16,
    ts_ns: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum SideJson {
    Buy,
    Sell,
}

fn time(text: &str) -> Result<EpochNs, String> {
    text.parse().map(EpochNs).map_err(|_| format!("tsNs {text:?}: want whole nanoseconds as text"))
}

/// The registry: `[{name, hash, on, features: [name]}]`.
pub fn sets() -> Value {
    let set = |set: &crate::set::SetSpec| {
        let on = if set.on == Input::Book { "book" } else { "bar" };
        let features: Vec<_> = set.features.iter().map(|spec| spec.name).collect();
        json!({ "name": set.name, "hash": set.hash(), "on": on, "features": features })
    };
    SETS.iter().map(set).collect()
}

/// One row `{values, flags, warm, changed}` for each update of the book among the events.
///
/// # Errors
/// A profile that cannot run; an event that is neither an update nor a print, with its place; too many events.
pub fn rows(profile: &str, events: &str) -> Result<Value, String> {
    let ProfileJson { set, levels, stale_after_ms } =
        serde_json::from_str(profile).map_err(|error| format!("the profile: {error}"))?;
    let stale_after_ns = i64::from(stale_after_ms) * 1_000_000;
    let mut lane =
        Lane::new(&Profile { set, hash: None, levels, stale_after_ns }).map_err(|e| e.to_string())?;
    let events: Vec<Value> = serde_json::from_str(events).map_err(|error| format!("the events: {error}"))?;
    if events.len() > BATCH_EVENTS_MAX {
        return Err(format!("{} events, want at most {BATCH_EVENTS_MAX} in one call", events.len()));
    }
    let mut out = Vec::new();
    for (at, event) in events.into_iter().enumerate() {
        let wrong = |error: String| format!("event {at}: {error}");
        if event.get("bids").is_some() {
            let book: BookJson = serde_json::from_value(event).map_err(|e| wrong(e.to_string()))?;
            if book.bids.len().max(book.asks.len()) > VIEW_LEVELS {
                return Err(wrong(format!("more than {VIEW_LEVELS} levels of a side")));
            }
            let view = View::from_levels(&book.bids, &book.asks, time(&book.ts_ns).map_err(wrong)?);
            let row = lane.on_view(&view);
            out.push(json!({ "values": row.values(), "flags": row.flags, "warm": row.warm, "changed": row.changed }));
        } else {
            let PrintJson { px, qty, side, confidence, ts_ns } =
                serde_json::from_value(event).map_err(|e| wrong(e.to_string()))?;
            let aggressor = if matches!(side, SideJson::Buy) { Side::Buy } else { Side::Sell };
            let ts = time(&ts_ns).map_err(wrong)?;
            lane.on_trade(&Print { px, qty, aggressor, confidence: confidence.min(1_000), ts });
        }
    }
    Ok(Value::Array(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"{"set":"lob_shared_v3","levels":5,"staleAfterMs":5000}"#;

    #[test]
    fn b074_rows_are_those_of_the_lane_they_stand_for() {
        let events = r#"[{"bids":[[100,3],[99,4]],"asks":[[101,5]],"tsNs":"1000"},
            {"px":101,"qty":2,"side":"BUY","confidence":1000,"tsNs":"1500"},
            {"bids":[[100,7]],"asks":[[101,5]],"tsNs":"2000"}]"#;
        let rows = rows(PROFILE, events).unwrap();
        let mut lane = Lane::new(&crate::profile::plain("lob_shared_v3")).unwrap();
        let one = *lane.on_view(&View::from_levels(&[(100, 3), (99, 4)], &[(101, 5)], EpochNs(1_000)));
        lane.on_trade(&Print::certain(101, 2, Side::Buy, EpochNs(1_500)));
        let two = *lane.on_view(&View::from_levels(&[(100, 7)], &[(101, 5)], EpochNs(2_000)));
        for (at, row) in [one, two].iter().enumerate() {
            assert_eq!(rows[at]["values"], json!(row.values()));
            assert_eq!((&rows[at]["flags"], &rows[at]["warm"]), (&json!(row.flags), &json!(row.warm)));
        }
        assert_eq!(sets().as_array().map(Vec::len), Some(SETS.len()));
    }

    #[test]
    fn b074_what_is_no_event_is_refused_with_its_place() {
        for (profile, events, word) in [
            ("{", "[]", "the profile"),
            (r#"{"set":"x","levels":5,"staleAfterMs":1}"#, "[]", "no such feature set"),
            (r#"{"set":"vol_v1","levels":9,"staleAfterMs":1}"#, "[]", "levels 9"),
            (PROFILE, "{}", "the events"),
            (PROFILE, r#"[{"bids":[],"asks":[],"tsNs":"0","more":1}]"#, "event 0: unknown field"),
            (PROFILE, r#"[{"bids":[[1.5,1]],"asks":[],"tsNs":"0"}]"#, "event 0"),
            (PROFILE, r#"[{"bids":[],"asks":[],"tsNs":"0.5"}]"#, "tsNs"),
            (PROFILE, r#"[{"px":1,"qty":1,"side":"BOTH","confidence":1,"tsNs":"0"}]"#, "event 0"),
            (
                PROFILE,
                r#"[{"bids":[[6,1],[5,1],[4,1],[3,1],[2,1],[1,1]],"asks":[],"tsNs":"0"}]"#,
                "more than 5",
            ),
        ] {
            assert!(rows(profile, events).is_err_and(|text| text.contains(word)), "{events}");
        }
        let many = format!("[{}]", vec!["0"; BATCH_EVENTS_MAX + 1].join(","));
        assert!(rows(PROFILE, &many).is_err_and(|text| text.contains("at most")));
    }
}
