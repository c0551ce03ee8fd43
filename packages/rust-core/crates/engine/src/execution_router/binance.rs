//! Binance order entry, spot and USD-M: requests as text, answers and user events as the core's own words.
//!
//! Decimal texts become integers here and nowhere else; ids and stamps are JSON integers, which are exact.

use serde_json::{Value, json};
use std::borrow::Cow;
use tidegate_instruments::{Instrument, Table, Venue};
use tidegate_router::limits::{BAN_NS, BLOCK_NS, RATE_WINDOW_NS, RECV_WINDOW_NS, VENUE_TEXT_BYTES_MAX};
use tidegate_router::{
    Amends, Answer, ClientId, Exec, ExecKind, Fill, Status, Terms, TradeRow, Usage, UsageKind, VenueState,
    Weights, What,
};
use tidegate_units::{InstrumentId, Side, VenueId, parse_decimal};
use tidegate_venue_io::sign::{Secret, sign_ws_api};
use tidegate_wire::pb::common::v1::Side as PbSide;
use tidegate_wire::pb::orders::v1::{Command, OrderType, Tif};

/// Rows asked for in one list; an answer this long may have been cut short and proves nothing.
pub const ROWS_MAX: usize = 1_000;
/// The `id` of the user stream's subscription; requests have their token.
pub const SUBSCRIBE_ID: &str = "user";

/// Request weight of what goes over the WS API. Source: the venue's documentation; what goes over REST is counted there.
pub const fn weights(venue: Venue) -> Weights {
    match venue {
        Venue::BinanceSpot => {
            Weights { place: 1, cancel: 1, status: 4, open: 6, trades_of_order: 20, trades: 20, time: 1 }
        }
        _ => Weights { place: 1, cancel: 1, status: 1, open: 0, trades_of_order: 0, trades: 0, time: 0 },
    }
}

/// What the venue can change of a resting order: spot keeps the place of one that gets smaller, USD-M takes both terms.
pub const fn amends(venue: Venue) -> Amends {
    match venue {
        Venue::BinanceSpot => Amends::Down,
        _ => Amends::Any,
    }
}

/// What the venue counts, out of the `rateLimits` of an answer.
pub fn usages(body: &Value) -> impl Iterator<Item = Usage> + '_ {
    body["rateLimits"].as_array().into_iter().flatten().filter_map(|row| {
        let kind = match row["rateLimitType"].as_str()? {
            "ORDERS" => UsageKind::Orders,
            "REQUEST_WEIGHT" => UsageKind::Weight,
            _ => return None,
        };
        let unit: u64 = match row["interval"].as_str()? {
            "SECOND" => 1,
            "MINUTE" => 60,
            "HOUR" => 3_600,
            "DAY" => 86_400,
            _ => return None,
        };
        let whole = |name: &str| row[name].as_u64().and_then(|n| usize::try_from(n).ok());
        let window_ns = unit.checked_mul(row["intervalNum"].as_u64()?)?.checked_mul(1_000_000_000)?;
        Some(Usage { kind, window_ns, limit: whole("limit")?, count: whole("count")? })
    })
}

/// For how long the venue wants to hear nothing, where an answer says so: 429, and 418 for a ban. `error` is the answer's
/// error, `epoch_ns` this host's clock for an answer that names a moment and not what time it is there.
pub fn blocked_for_ns(status: u64, error: &Value, epoch_ns: i64) -> Option<u64> {
    if !matches!(status, 429 | 418) {
        return None;
    }
    let data = &error["data"];
    let until_ms = data["retryAfter"].as_i64();
    let now_ms = data["serverTime"].as_i64().unwrap_or(epoch_ns / 1_000_000);
    let said = until_ms.and_then(|until| u64::try_from(until.checked_sub(now_ms)?).ok());
    // The venue's milliseconds are cut off: one more, so that the reset has passed.
    Some(match said {
        Some(ms) => (ms + 1).saturating_mul(1_000_000),
        None if status == 418 => BAN_NS,
        None if error["code"].as_i64() == Some(-1015) => RATE_WINDOW_NS,
        None => BLOCK_NS,
    })
}

/// What was asked, as far as its answer's meaning depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Place,
    Cancel,
    Amend,
    Status,
    Open,
    Trades,
    Time,
}

impl Asked {
    pub const fn of(what: &What) -> Self {
        match what {
            What::Place { .. } => Self::Place,
            What::Cancel { .. } => Self::Cancel,
            What::Amend { .. } => Self::Amend,
            What::Status { .. } => Self::Status,
            What::Open { .. } => Self::Open,
            What::Trades { .. } => Self::Trades,
            What::Time => Self::Time,
        }
    }
}

/// A key pair; the secret does not print.
#[derive(Debug, Clone)]
pub struct Keys {
    pub key: String,
    pub secret: Secret,
}

/// Parameters of a request: each name once, in any order.
type Params<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// Parameters the venue wants as JSON numbers.
const NUMBERS: [&str; 5] = ["timestamp", "recvWindow", "orderId", "fromId", "limit"];
/// Room for a new order's text: it does not grow on the way to the socket.
const TEXT_BYTES: usize = 640;

fn millis(ns: i64) -> Cow<'static, str> {
    (ns / 1_000_000).to_string().into()
}

fn stamped(params: &mut Params<'_>, ts_ns: i64) {
    params.push(("timestamp", millis(ts_ns)));
    params.push(("recvWindow", millis(RECV_WINDOW_NS)));
}

/// The text of one WS API request, signed where it must be; `None` for what this API does not have (asked over REST).
pub fn request(
    venue: Venue,
    id: &str,
    what: &What,
    instrument: Option<&Instrument>,
    keys: &Keys,
    now_epoch_ns: i64,
) -> Option<String> {
    let mut params: Params<'_> = Vec::with_capacity(12);
    if let Some(row) = instrument {
        params.push(("symbol", row.symbol.as_str().into()));
    }
    let method = match what {
        What::Place { command, ts_ns } => {
            place_params(venue, command, instrument?, &mut params);
            stamped(&mut params, *ts_ns);
            return Some(signed(id, "order.place", params, keys));
        }
        What::Cancel { id: order, .. } => {
            params.push(("origClientOrderId", order.to_string().into()));
            "order.cancel"
        }
        What::Amend { id: order, side, terms, ts_ns, .. } => {
            let row = instrument?;
            let qty = row.format_qty(i64::try_from(terms.qty_lots).unwrap_or(0));
            params.push(("origClientOrderId", order.to_string().into()));
            let method = if venue == Venue::BinanceSpot {
                // Under the same id: without it the venue would make one up.
                params.push(("newClientOrderId", order.to_string().into()));
                params.push(("newQty", qty.into()));
                "order.amend.keepPriority"
            } else {
                params.push(("side", if *side == PbSide::Buy as i32 { "BUY" } else { "SELL" }.into()));
                params.push(("quantity", qty.into()));
                params.push(("price", row.format_px(terms.px_ticks).into()));
                "order.modify"
            };
            stamped(&mut params, *ts_ns);
            return Some(signed(id, method, params, keys));
        }
        What::Status { id: order, .. } => {
            params.push(("origClientOrderId", order.to_string().into()));
            "order.status"
        }
        What::Open { .. } if venue == Venue::BinanceSpot => "openOrders.status",
        What::Trades { venue_order_id, from_id, .. } if venue == Venue::BinanceSpot => {
            match venue_order_id {
                Some(order) => params.push(("orderId", order.as_str().into())),
                None => params.push(("fromId", from_id.to_string().into())),
            }
            params.push(("limit", ROWS_MAX.to_string().into()));
            "myTrades"
        }
        What::Time if venue == Venue::BinanceSpot => return Some(text(id, "time", &[])),
        What::Open { .. } | What::Trades { .. } | What::Time => return None,
    };
    params.push(("timestamp", millis(now_epoch_ns)));
    Some(signed(id, method, params, keys))
}

/// The subscription of the spot user stream on the WS API connection.
pub fn subscribe(keys: &Keys, now_epoch_ns: i64) -> String {
    let params = vec![("timestamp", millis(now_epoch_ns))];
    signed(SUBSCRIBE_ID, "userDataStream.subscribe.signature", params, keys)
}

fn place_params<'a>(venue: Venue, command: &'a Command, row: &Instrument, params: &mut Params<'a>) {
    params.push(("side", if command.side() == PbSide::Buy { "BUY" } else { "SELL" }.into()));
    params.push(("newClientOrderId", command.client_order_id.as_str().into()));
    params.push(("newOrderRespType", "ACK".into()));
    params.push(("quantity", row.format_qty(i64::try_from(command.qty_lots).unwrap_or(0)).into()));
    if command.order_type() == OrderType::Market {
        params.push(("type", "MARKET".into()));
        return;
    }
    params.push(("price", row.format_px(command.px_ticks).into()));
    let (order_type, tif) = match (command.tif(), venue) {
        (Tif::PostOnly, Venue::BinanceSpot) => ("LIMIT_MAKER", None),
        (Tif::PostOnly, _) => ("LIMIT", Some("GTX")),
        (Tif::Ioc, _) => ("LIMIT", Some("IOC")),
        (Tif::Fok, _) => ("LIMIT", Some("FOK")),
        (Tif::Gtc | Tif::Unspecified, _) => ("LIMIT", Some("GTC")),
    };
    params.push(("type", order_type.into()));
    if let Some(tif) = tif {
        params.push(("timeInForce", tif.into()));
    }
}

/// A request with the key that asks and the signature over everything else.
fn signed<'a>(id: &str, method: &str, mut params: Params<'a>, keys: &'a Keys) -> String {
    params.push(("apiKey", keys.key.as_str().into()));
    let pairs: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    let signature = sign_ws_api(&keys.secret, &pairs);
    params.push(("signature", signature.into()));
    text(id, method, &params)
}

/// Written as it stands, without a tree of values between: this is the last thing before the bytes of an order leave.
fn text(id: &str, method: &str, params: &[(&str, Cow<'_, str>)]) -> String {
    let mut out = String::with_capacity(TEXT_BYTES);
    out.push_str("{\"id\":");
    quote(&mut out, id);
    out.push_str(",\"method\":");
    quote(&mut out, method);
    out.push_str(",\"params\":{");
    for (place, (name, value)) in params.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        quote(&mut out, name);
        out.push(':');
        let number = NUMBERS.contains(name) && value.parse::<u64>().is_ok();
        if number { out.push_str(value) } else { quote(&mut out, value) }
    }
    out.push_str("}}");
    out
}

/// A JSON string. What needs no escape, which is every text of ours, is copied.
fn quote(out: &mut String, text: &str) {
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

/// What the REST way of the shell needs to ask for `what`.
pub fn rest(what: &What, instrument: Option<&Instrument>) -> Value {
    let symbol = instrument.map_or("", |row| row.symbol.as_str());
    match what {
        What::Open { .. } => json!({ "query": "openOrders", "symbol": symbol }),
        What::Trades { venue_order_id: Some(order), .. } => {
            json!({ "query": "trades", "symbol": symbol, "orderId": order })
        }
        What::Trades { from_id, .. } => {
            json!({ "query": "trades", "symbol": symbol, "fromId": from_id.to_string() })
        }
        _ => json!({ "query": "time" }),
    }
}

/// The meaning of an answer with its HTTP-like status: the whole WS API body, or what REST answered.
pub fn answer(asked: Asked, row: Option<&Instrument>, status: u64, body: &Value) -> Answer {
    if status == 200 {
        return result(asked, row, body)
            .unwrap_or_else(|| unclear(asked, format!("an answer that cannot be read: {body}")));
    }
    let code = body["code"].as_i64().unwrap_or(0);
    let message = format!("{status} {code} {}", body["msg"].as_str().unwrap_or(""));
    let duplicate = body["msg"].as_str().is_some_and(|msg| msg.contains("Duplicate order"));
    // -1008 says "not taken"; of other faults of the venue's own nobody knows. A duplicate means that the order is there.
    let unknown =
        (status >= 500 && code != -1008) || status < 400 || matches!(code, -1000 | -1001 | -1006 | -1007);
    match asked {
        Asked::Place | Asked::Cancel | Asked::Amend if unknown || duplicate => {
            Answer::Unclear { text: bounded(&message) }
        }
        // The venue cannot now, or the way there took too long (-1021): nothing was done, and not for what was asked.
        Asked::Place | Asked::Cancel | Asked::Amend
            if status >= 500 || matches!(status, 429 | 418) || code == -1021 =>
        {
            Answer::Busy { text: bounded(&message) }
        }
        Asked::Place | Asked::Cancel | Asked::Amend => Answer::Refused { text: bounded(&message) },
        Asked::Status if code == -2013 && status < 500 => Answer::NotFound,
        _ => Answer::Failed { text: bounded(&message) },
    }
}

/// What an answer that cannot be read means for what was asked.
pub fn unclear(asked: Asked, text: String) -> Answer {
    match asked {
        Asked::Place | Asked::Cancel | Asked::Amend => Answer::Unclear { text: bounded(&text) },
        _ => Answer::Failed { text: bounded(&text) },
    }
}

fn result(asked: Asked, row: Option<&Instrument>, body: &Value) -> Option<Answer> {
    Some(match asked {
        Asked::Place => Answer::Placed {
            venue_order_id: body["orderId"].as_u64()?.to_string(),
            ts_venue_ns: ms(body, &["transactTime", "updateTime"])?,
        },
        Asked::Cancel | Asked::Status => Answer::Status(status_of(row?, body)?),
        Asked::Amend => {
            let order = if body["amendedOrder"].is_object() { &body["amendedOrder"] } else { body };
            let row = row?;
            Answer::Replaced {
                venue_order_id: order["orderId"].as_u64()?.to_string(),
                terms: terms_of(row, order)?,
                cum_lots: lots(row, order["executedQty"].as_str()?)?,
                ts_venue_ns: ms(body, &["transactTime", "updateTime"])?,
            }
        }
        Asked::Open => {
            let rows = body.as_array()?;
            let id = |row: &Value| ClientId::parse(row["clientOrderId"].as_str().unwrap_or(""));
            Answer::Open(rows.iter().filter_map(id).collect())
        }
        Asked::Trades => {
            let rows = body.as_array()?;
            if rows.len() >= ROWS_MAX {
                return Some(Answer::Failed { text: "the list of trades is cut short".into() });
            }
            let row = row?;
            Answer::Trades(rows.iter().map(|trade| trade_of(row, trade)).collect::<Option<_>>()?)
        }
        Asked::Time => Answer::Time { epoch_ns: ms(body, &["serverTime"])? },
    })
}

fn status_of(row: &Instrument, body: &Value) -> Option<Status> {
    let id =
        ["origClientOrderId", "clientOrderId"].iter().find_map(|name| ClientId::parse(body[*name].as_str()?));
    Some(Status {
        id,
        venue_order_id: body["orderId"].as_u64()?.to_string(),
        state: state_of(body["status"].as_str()?)?,
        cum_lots: lots(row, body["executedQty"].as_str()?)?,
        terms: terms_of(row, body),
        ts_venue_ns: ms(body, &["updateTime", "transactTime", "time"])?,
    })
}

/// Price and total quantity of an order as the venue lists it: spot's amended order says `qty`, everything else `origQty`.
fn terms_of(row: &Instrument, order: &Value) -> Option<Terms> {
    let qty = order["origQty"].as_str().or_else(|| order["qty"].as_str())?;
    Some(Terms {
        px_ticks: row.parse_px(order["price"].as_str()?.as_bytes()).ok()?,
        qty_lots: lots(row, qty)?,
    })
}

fn state_of(text: &str) -> Option<VenueState> {
    Some(match text {
        "NEW" | "PARTIALLY_FILLED" | "PENDING_NEW" | "PENDING_CANCEL" => VenueState::Live,
        "FILLED" => VenueState::Filled,
        "CANCELED" => VenueState::Cancelled,
        "REJECTED" => VenueState::Rejected,
        "EXPIRED" | "EXPIRED_IN_MATCH" => VenueState::Expired,
        _ => return None,
    })
}

fn trade_of(row: &Instrument, body: &Value) -> Option<TradeRow> {
    let buyer = body["isBuyer"].as_bool().or_else(|| body["buyer"].as_bool())?;
    Some(TradeRow {
        venue_order_id: body["orderId"].as_u64()?.to_string(),
        side: if buyer { Side::Buy } else { Side::Sell },
        fill: Fill {
            exec_id: body["id"].as_u64()?.to_string(),
            px_ticks: row.parse_px(body["price"].as_str()?.as_bytes()).ok()?,
            qty_lots: lots(row, body["qty"].as_str()?)?,
            fee_e8: fee(&body["commission"])?,
            fee_asset: body["commissionAsset"].as_str().unwrap_or("").to_string(),
            maker: body["isMaker"].as_bool().or_else(|| body["maker"].as_bool()).unwrap_or(false),
            ts_venue_ns: ms(body, &["time"])?,
        },
    })
}

/// What a user event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    Exec(InstrumentId, Exec),
    /// The stream ends: what follows would be missed.
    Ends(String),
    /// Nothing the router decides on.
    Other,
    /// An order event that cannot be read.
    Garbled(String),
}

/// Reads one user event: the spot `executionReport` (its envelope removed) or the USD-M `ORDER_TRADE_UPDATE`.
pub fn user_event(venue: VenueId, table: &Table, event: &Value) -> User {
    let (order, spot) = match event["e"].as_str() {
        Some("executionReport") => (event, true),
        Some("ORDER_TRADE_UPDATE") => (&event["o"], false),
        Some(end @ ("eventStreamTerminated" | "listenKeyExpired" | "serverShutdown")) => {
            return User::Ends(end.to_string());
        }
        _ => return User::Other,
    };
    exec_of(venue, table, order, spot).unwrap_or_else(|| User::Garbled(bounded(&event.to_string())))
}

fn exec_of(venue: VenueId, table: &Table, order: &Value, spot: bool) -> Option<User> {
    let Some(row) = table.by_symbol(venue, order["s"].as_str()?) else {
        return Some(User::Other);
    };
    // On a spot cancel `c` is the id of the cancel and `C` that of the order.
    let own = ["C", "c"].iter().filter(|name| spot || **name == "c");
    let id = own.filter_map(|name| ClientId::parse(order[*name].as_str()?)).next();
    let kind = match order["x"].as_str()? {
        "NEW" => ExecKind::New,
        // An order that got smaller on spot, a changed one on USD-M.
        "REPLACED" | "AMENDMENT" => ExecKind::Replaced(Terms {
            px_ticks: row.parse_px(order["p"].as_str()?.as_bytes()).ok()?,
            qty_lots: lots(row, order["q"].as_str()?)?,
        }),
        "TRADE" => ExecKind::Trade(Fill {
            exec_id: order["t"].as_u64()?.to_string(),
            px_ticks: row.parse_px(order["L"].as_str()?.as_bytes()).ok()?,
            qty_lots: lots(row, order["l"].as_str()?)?,
            fee_e8: fee(&order["n"])?,
            fee_asset: order["N"].as_str().unwrap_or("").to_string(),
            maker: order["m"].as_bool()?,
            ts_venue_ns: ms(order, &["T"])?,
        }),
        _ => match state_of(order["X"].as_str()?)? {
            VenueState::Cancelled => ExecKind::Cancelled,
            VenueState::Expired => ExecKind::Expired,
            VenueState::Rejected => ExecKind::Rejected,
            VenueState::Live | VenueState::Filled => return Some(User::Other),
        },
    };
    let exec = Exec {
        id,
        kind,
        venue_order_id: order["i"].as_u64()?.to_string(),
        side: match order["S"].as_str() {
            Some("BUY") => Some(Side::Buy),
            Some("SELL") => Some(Side::Sell),
            _ => None,
        },
        cum_lots: Some(lots(row, order["z"].as_str()?)?),
        ts_venue_ns: ms(order, &["T"])?,
        text: String::new(),
    };
    Some(User::Exec(row.instrument_id(), exec))
}

fn lots(row: &Instrument, text: &str) -> Option<u64> {
    row.parse_qty(text.as_bytes()).ok().and_then(|n| u64::try_from(n).ok())
}

/// 1e-8 of the fee's asset. Absent = none; decimals past the eighth are dropped, which no venue here sends.
fn fee(value: &Value) -> Option<i64> {
    let Some(text) = value.as_str() else { return Some(0) };
    let end = text.find('.').map_or(text.len(), |dot| text.len().min(dot + 9));
    parse_decimal(&text.as_bytes()[..end], 8, 1).ok()
}

fn ms(body: &Value, names: &[&str]) -> Option<i64> {
    names.iter().find_map(|name| body[*name].as_i64())?.checked_mul(1_000_000)
}

/// The text, cut to what is kept of a venue's words.
pub(super) fn bounded(text: &str) -> String {
    let mut end = text.len().min(VENUE_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::from_json(include_bytes!("../../../../../../config/instruments.json")).unwrap()
    }

    fn keys() -> Keys {
        Keys { key: "sim".into(), secret: Secret::new(b"sim-secret".to_vec()) }
    }

    const ID: &str = "0123456789abcdefghijklmno";

    fn command(tif: Tif, px_ticks: i64) -> What {
        let command = Command {
            client_order_id: ID.into(),
            side: PbSide::Sell.into(),
            order_type: OrderType::Limit.into(),
            tif: tif.into(),
            px_ticks,
            qty_lots: 4_627,
            ..Command::default()
        };
        What::Place { command: Box::new(command), ts_ns: 1_723_161_256_123_456_789 }
    }

    #[test]
    fn an_order_is_written_exactly_and_signed_over_what_is_sent() {
        let table = table();
        let row = table.get(InstrumentId(1));
        let what = command(Tif::PostOnly, 6_180_020);
        let text = request(Venue::BinanceSpot, "7", &what, row, &keys(), 0).unwrap();
        let sent: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&sent["id"], &sent["method"]), (&json!("7"), &json!("order.place")));
        let params = sent["params"].as_object().unwrap();
        for (name, want) in [
            ("symbol", json!("BTCUSDT")),
            ("price", json!("61800.20")),
            ("quantity", json!("0.04627")),
            ("type", json!("LIMIT_MAKER")),
            ("side", json!("SELL")),
            ("newClientOrderId", json!(ID)),
            ("timestamp", json!(1_723_161_256_123_u64)),
            ("recvWindow", json!(1_000)),
        ] {
            assert_eq!(params[name], want, "{name}");
        }
        assert!(!params.contains_key("timeInForce"));
        let texts: Vec<(String, String)> = params
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_string)))
            .collect();
        let pairs: Vec<(&str, &str)> = texts.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(params["signature"], json!(sign_ws_api(&keys().secret, &pairs)));
        assert!(!text.contains("sim-secret"));
    }

    #[test]
    fn whatever_a_key_holds_the_text_is_the_json_that_was_signed() {
        let key = "quote \" slash \\ line \n end \u{e9}";
        let keys = Keys { key: key.into(), ..keys() };
        let text = subscribe(&keys, 5_000_000);
        let sent: Value = serde_json::from_str(&text).unwrap();
        let params = &sent["params"];
        assert_eq!((&params["apiKey"], &params["timestamp"]), (&json!(key), &json!(5)));
        let want = sign_ws_api(&keys.secret, &[("apiKey", key), ("timestamp", "5")]);
        assert_eq!(params["signature"], json!(want));
        // A number that does not read as one stays a text rather than break the whole.
        let odd = super::text("1", "m", &[("orderId", "01x".into()), ("fromId", "12".into())]);
        assert_eq!(odd, r#"{"id":"1","method":"m","params":{"orderId":"01x","fromId":12}}"#);
    }

    #[test]
    fn post_only_is_gtx_on_futures_and_queries_without_a_ws_method_go_over_rest() {
        let table = table();
        let row = table.get(InstrumentId(2));
        let text =
            request(Venue::BinanceUsdm, "7", &command(Tif::PostOnly, 618_002), row, &keys(), 0).unwrap();
        assert!(text.contains("\"GTX\"") && text.contains("\"61800.2\"") && text.contains("\"4.627\""));
        assert_eq!(request(Venue::BinanceUsdm, "8", &What::Time, None, &keys(), 0), None);
        let trades =
            What::Trades { instrument: InstrumentId(2), venue_order_id: None, from_id: 9, since_ns: 0 };
        assert_eq!(request(Venue::BinanceUsdm, "8", &trades, row, &keys(), 0), None);
        assert_eq!(rest(&trades, row), json!({"query": "trades", "symbol": "BTCUSDT", "fromId": "9"}));
    }

    #[test]
    fn error_codes_say_refused_unclear_or_not_found() {
        let error = |code: i64, msg: &str| json!({ "code": code, "msg": msg });
        let place = |status, code, msg| answer(Asked::Place, None, status, &error(code, msg));
        assert!(matches!(place(400, -2010, "Account has insufficient balance"), Answer::Refused { .. }));
        assert!(matches!(place(429, -1015, "Too many"), Answer::Busy { .. }));
        assert!(matches!(place(503, -1008, "overloaded"), Answer::Busy { .. }));
        assert!(matches!(place(400, -1021, "outside of the recvWindow"), Answer::Busy { .. }));
        for (status, code, msg) in
            [(400, -1007, "TIMEOUT"), (400, -1006, "UNEXPECTED_RESP"), (502, 0, ""), (200, 0, "")]
        {
            assert!(matches!(place(status, code, msg), Answer::Unclear { .. }), "{status} {code}");
        }
        assert!(matches!(place(400, -2010, "Duplicate order sent."), Answer::Unclear { .. }));
        assert_eq!(
            answer(Asked::Status, None, 400, &error(-2013, "Order does not exist.")),
            Answer::NotFound
        );
        assert!(matches!(answer(Asked::Status, None, 400, &error(-1021, "")), Answer::Failed { .. }));
        assert!(matches!(answer(Asked::Cancel, None, 400, &error(-2011, "")), Answer::Refused { .. }));
    }

    #[test]
    fn a22_an_amend_is_written_and_read_in_each_venues_shape() {
        let table = table();
        let what = |instrument| What::Amend {
            instrument: InstrumentId(instrument),
            id: ClientId::parse(ID).unwrap(),
            side: PbSide::Sell.into(),
            venue_order_id: String::new(),
            terms: Terms { px_ticks: 618_002, qty_lots: 1_000 },
            booked_lots: 0,
            ts_ns: 5_000_000,
        };
        let sent = |venue, n| -> Value {
            let text = request(venue, "7", &what(n), table.get(InstrumentId(n)), &keys(), 0).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        let spot = sent(Venue::BinanceSpot, 1);
        assert_eq!(spot["method"], "order.amend.keepPriority");
        assert_eq!(
            (&spot["params"]["newQty"], &spot["params"]["newClientOrderId"]),
            (&json!("0.01000"), &json!(ID))
        );
        let usdm = sent(Venue::BinanceUsdm, 2);
        assert_eq!(usdm["method"], "order.modify");
        let params = &usdm["params"];
        assert_eq!((&params["price"], &params["side"]), (&json!("61800.2"), &json!("SELL")));
        assert_eq!((&params["timestamp"], &params["recvWindow"]), (&json!(5), &json!(1_000)));
        let order = json!({ "orderId": 9, "price": "61800.20", "executedQty": "0.00100", "status": "NEW", "qty": "0.01000" });
        let body = json!({ "transactTime": 3, "executionId": 4, "amendedOrder": order });
        let want = Answer::Replaced {
            venue_order_id: "9".into(),
            terms: Terms { px_ticks: 6_180_020, qty_lots: 1_000 },
            cum_lots: 100,
            ts_venue_ns: 3_000_000,
        };
        assert_eq!(answer(Asked::Amend, table.get(InstrumentId(1)), 200, &body), want);
        let flat = json!({ "orderId": 9, "price": "61800.20", "origQty": "0.01000", "executedQty": "0.00100", "updateTime": 3 });
        assert_eq!(answer(Asked::Amend, table.get(InstrumentId(1)), 200, &flat), want);
        assert!(matches!(
            answer(Asked::Amend, table.get(InstrumentId(1)), 200, &json!({})),
            Answer::Unclear { .. }
        ));
        let event = json!({"e":"executionReport","s":"BTCUSDT","c":ID,"C":"","x":"REPLACED","X":"NEW","i":9,"p":"61800.20000000",
            "q":"0.01000000","z":"0.00100000","T":3});
        let User::Exec(_, exec) = user_event(VenueId(1), &table, &event) else { panic!() };
        assert_eq!(exec.kind, ExecKind::Replaced(Terms { px_ticks: 6_180_020, qty_lots: 1_000 }));
    }

    #[test]
    fn b019_rate_limits_and_resets_are_read_out_of_every_answer() {
        let body = json!({ "rateLimits": [
            { "rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 12 },
            { "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 70 },
            { "rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300, "count": 1 },
            { "rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 160_000 },
        ] });
        let want = [
            Usage { kind: UsageKind::Orders, window_ns: RATE_WINDOW_NS, limit: 50, count: 12 },
            Usage { kind: UsageKind::Weight, window_ns: 60_000_000_000, limit: 6_000, count: 70 },
        ];
        assert_eq!(usages(&body).collect::<Vec<_>>(), want);
        assert_eq!(usages(&json!({})).count(), 0);
        let error = |code: i64, data: Value| json!({ "code": code, "msg": "Too many", "data": data });
        let told = error(-1003, json!({ "serverTime": 1_000, "retryAfter": 3_500 }));
        let second = 1_000_000_000;
        for (status, error, want) in [
            (429, &told, Some(2_501_000_000)),
            (418, &told, Some(2_501_000_000)),
            (429, &error(-1003, json!({ "retryAfter": 9_000 })), Some(4_001_000_000)),
            (429, &error(-1003, json!({ "serverTime": 9_000, "retryAfter": 8_000 })), Some(60 * second)),
            (429, &error(-1015, Value::Null), Some(10 * second)),
            (429, &error(-1003, Value::Null), Some(60 * second)),
            (418, &error(-1003, Value::Null), Some(120 * second)),
            (400, &told, None),
            (503, &told, None),
        ] {
            assert_eq!(blocked_for_ns(status, error, 5_000_000_000), want, "{status} {error}");
        }
    }

    #[test]
    fn a_list_that_may_be_cut_short_proves_nothing() {
        let table = table();
        let row = json!({"id":1,"orderId":2,"price":"1.00","qty":"0.00001","commission":"0","commissionAsset":"USDT","time":1,"isBuyer":true,"isMaker":true});
        let full = Value::Array(vec![row.clone(); ROWS_MAX]);
        assert!(matches!(
            answer(Asked::Trades, table.get(InstrumentId(1)), 200, &full),
            Answer::Failed { .. }
        ));
        let short = Value::Array(vec![row; ROWS_MAX - 1]);
        assert!(
            matches!(answer(Asked::Trades, table.get(InstrumentId(1)), 200, &short), Answer::Trades(rows) if rows.len() == ROWS_MAX - 1)
        );
    }

    #[test]
    fn execution_reports_of_both_venues() {
        let table = table();
        let spot = json!({"e":"executionReport","s":"BTCUSDT","c":ID,"C":"","x":"TRADE","X":"PARTIALLY_FILLED","i":11,
            "l":"0.00010000","L":"61800.20000000","z":"0.00030000","t":42,"n":"0.00000012","N":"BTC","m":true,"T":1_723_161_256_123_i64});
        let User::Exec(instrument, exec) = user_event(VenueId(1), &table, &spot) else { panic!() };
        assert_eq!((instrument, exec.id, exec.cum_lots), (InstrumentId(1), ClientId::parse(ID), Some(30)));
        let ExecKind::Trade(fill) = exec.kind else { panic!() };
        assert_eq!((fill.px_ticks, fill.qty_lots, fill.fee_e8, fill.maker), (6_180_020, 10, 12, true));
        let mut cancel = spot.clone();
        for (name, value) in [("c", "venue-1"), ("C", ID), ("x", "CANCELED"), ("X", "CANCELED")] {
            cancel[name] = json!(value);
        }
        let User::Exec(_, exec) = user_event(VenueId(1), &table, &cancel) else { panic!() };
        assert_eq!((exec.id, exec.kind), (ClientId::parse(ID), ExecKind::Cancelled));
        let usdm = json!({"e":"ORDER_TRADE_UPDATE","o":{"s":"BTCUSDT","c":ID,"x":"EXPIRED","X":"EXPIRED","i":3,"z":"0","T":5}});
        let User::Exec(instrument, exec) = user_event(VenueId(2), &table, &usdm) else { panic!() };
        assert_eq!((instrument, exec.kind), (InstrumentId(2), ExecKind::Expired));
        let mut bad = spot;
        bad["L"] = json!(61800.2);
        assert!(matches!(user_event(VenueId(1), &table, &bad), User::Garbled(_)));
        assert_eq!(user_event(VenueId(1), &table, &json!({"e":"outboundAccountPosition"})), User::Other);
    }
}
