//! Alpaca's market-data stream, stocks and crypto. Source: the venue's documentation, "Real-time stock data".
//!
//! A stream is named `<channel>:<symbol>`, as `trades:AAPL`.

use super::{Control, Key, occurs};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub fn login(key: &Key) -> String {
    json!({ "action": "auth", "key": key.key, "secret": key.secret }).to_string()
}

pub fn ask(subscribe: bool, names: &[String]) -> String {
    let mut channels: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for name in names {
        let (channel, symbol) = name.split_once(':').unwrap_or(("trades", name));
        channels.entry(channel).or_default().push(symbol.into());
    }
    let mut message = Map::new();
    message.insert("action".into(), if subscribe { "subscribe" } else { "unsubscribe" }.into());
    message.extend(channels.into_iter().map(|(channel, symbols)| (channel.to_string(), symbols.into())));
    Value::Object(message).to_string()
}

pub fn control(bytes: &[u8]) -> Option<Vec<Control>> {
    // Control messages come alone in their array, and each begins with its kind or is short.
    let near = 96;
    let kinds: [&[u8]; 3] = [b"\"success\"", b"\"error\"", b"\"subscription\""];
    let short = bytes.len() <= 512;
    if !kinds.iter().any(|kind| occurs(bytes, kind, if short { 512 } else { near })) {
        return None;
    }
    let messages: Vec<Value> = serde_json::from_slice(bytes).ok()?;
    let mut controls = Vec::new();
    for message in &messages {
        controls.push(match message["T"].as_str()? {
            "success" => match message["msg"].as_str() {
                Some("connected") => Control::Greeted,
                Some("authenticated") => Control::Granted,
                _ => Control::Nothing,
            },
            "error" => Control::Refused {
                code: message["code"].as_u64().and_then(|c| u32::try_from(c).ok()).unwrap_or(500),
                text: message["msg"].as_str().unwrap_or("").chars().take(128).collect(),
            },
            "subscription" => Control::HeldExactly(held(message)),
            // An array with an event in it is data as a whole; the reader refuses what it does not know.
            _ => return None,
        });
    }
    Some(controls)
}

fn held(message: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for (channel, symbols) in message.as_object().into_iter().flatten() {
        for symbol in symbols.as_array().into_iter().flatten().filter_map(Value::as_str) {
            names.push(format!("{channel}:{symbol}"));
        }
    }
    names
}
