//! Binance, all markets. Source: the venue's documentation, "WebSocket Streams", "Live subscribing/unsubscribing to streams".

use super::{Control, Request, occurs};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Answers to requests are short; a longer message is data.
const ANSWER_BYTES_MAX: usize = 512;

pub fn ask(subscribe: bool, names: &[String], id: u64) -> String {
    let method = if subscribe { "SUBSCRIBE" } else { "UNSUBSCRIBE" };
    json!({ "method": method, "params": names, "id": id }).to_string()
}

pub(super) fn control(bytes: &[u8], requests: &mut BTreeMap<u64, Request>) -> Option<Vec<Control>> {
    if bytes.len() > ANSWER_BYTES_MAX {
        return None;
    }
    if occurs(bytes, b"serverShutdown", ANSWER_BYTES_MAX) {
        return Some(vec![Control::ShutdownNotice]);
    }
    // Every event and every combined stream names itself at once; what does not may be an answer.
    if bytes.starts_with(b"{\"stream\"")
        || bytes.starts_with(b"{\"e\"")
        || !occurs(bytes, b"\"id\"", ANSWER_BYTES_MAX)
    {
        return None;
    }
    let answer: Value = serde_json::from_slice(bytes).ok()?;
    let answered =
        answer.get("result").is_some() || answer.get("error").is_some() || answer.get("code").is_some();
    if !answered || answer.get("e").is_some() || answer.get("data").is_some() {
        return None;
    }
    let Some(request) = answer["id"].as_u64().and_then(|id| requests.remove(&id)) else {
        return Some(vec![Control::Nothing]);
    };
    let refused = answer.get("error").is_some_and(|e| !e.is_null()) || answer.get("code").is_some();
    Some(vec![match (refused, request.subscribe) {
        (false, true) => Control::Held(request.names),
        (false, false) => Control::Dropped(request.names),
        (true, true) => Control::StreamRefused(request.names),
        // Still flowing as far as anybody knows; the answer to the next difference tells.
        (true, false) => Control::Nothing,
    }])
}
