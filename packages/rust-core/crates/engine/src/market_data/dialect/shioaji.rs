//! Shioaji's daemon: subscriptions are POSTs, data is an event stream. Source: the daemon's `/openapi.json`, version 1.7.
//!
//! A stream is named `<quote type>|<security type>|<exchange>|<code>|<target code>`, the last empty where there is none, as
//! `BidAsk|FUT|TAIFEX|TXFR1|TXFF6`. A continuous future without its target is refused here: the daemon would answer 200 and send
//! heartbeats for ever.

use super::Control;
use serde_json::{Value, json};

/// The body that asks for one stream, or for no more of it.
///
/// # Errors
/// The name has not five parts, or names a continuous future without its target.
pub fn body(name: &str) -> Result<Vec<u8>, String> {
    let parts: Vec<&str> = name.split('|').collect();
    let &[quote_type, security_type, exchange, code, target] = parts.as_slice() else {
        return Err(format!("stream {name:?}: want type|security|exchange|code|target"));
    };
    let continuous = security_type == "FUT" && (code.ends_with("R1") || code.ends_with("R2"));
    if continuous && target.is_empty() {
        return Err(format!(
            "stream {name:?}: a continuous future needs its target code, or only heartbeats come"
        ));
    }
    let target = if target.is_empty() { Value::Null } else { target.into() };
    let body = json!({ "security_type": security_type, "exchange": exchange, "code": code, "target_code": target,
        "quote_type": quote_type, "intraday_odd": false });
    Ok(body.to_string().into_bytes())
}

/// What the daemon's answer to a request for `name` says: the status alone decides nothing, `success` does.
pub fn answer(subscribe: bool, name: &str, status: u16, body: &[u8]) -> Control {
    let names = vec![name.to_string()];
    let success =
        serde_json::from_slice::<Value>(body).ok().and_then(|v| v["success"].as_bool()).unwrap_or(false);
    match (status, success, subscribe) {
        (200, true, true) => Control::Held(names),
        (200, true, false) => Control::Dropped(names),
        (200 | 400 | 404 | 422, _, true) => Control::StreamRefused(names),
        (200 | 400 | 404 | 422, _, false) => Control::Nothing,
        (code, _, _) => Control::Refused { code: code.into(), text: format!("HTTP status {code}") },
    }
}

pub fn is_heartbeat(name: &[u8]) -> bool {
    name == b"heartbeat"
}
