//! A record held against what a reference says of the same message.

use tidegate_dialects::json::Json;
use tidegate_dialects::time::from_rfc3339;
use tidegate_dialects::{Dec, Level, Record, Side, Trade};
use tidegate_units::EpochNs;

/// Rules used by one comparison, in the order they were needed.
#[derive(Debug, Default)]
pub struct Used(pub Vec<&'static str>);

impl Used {
    pub fn rule(&mut self, rule: &'static str) {
        if !self.0.contains(&rule) {
            self.0.push(rule);
        }
    }
}

/// What the reference calls a record of this kind.
pub fn kind(record: &Record) -> &'static str {
    match record {
        Record::Book(_) => "book_change",
        Record::Trade(_) => "trade",
        Record::Liquidation(_) => "liquidation",
        Record::Quote(_) => "book_ticker",
        Record::Derivative(_) => "derivative_ticker",
        Record::Bar(_) => "bar",
        Record::Order(_) => "order",
        Record::Orders(_) => "orders",
    }
}

/// Compares every field. `stamped` says that the reference is known to give the receive time where the message has its own.
///
/// # Errors
/// The first field that differs, with both values.
pub fn record(
    actual: &Record,
    expected: &Json<'_>,
    recv: EpochNs,
    stamped: bool,
    used: &mut Used,
) -> Result<(), String> {
    same("type", kind(actual), expected.word("type"))?;
    let want = expected.word("symbol");
    if !actual.symbol().eq_ignore_ascii_case(want) {
        return Err(format!("symbol {} want {want}", actual.symbol()));
    }
    let ts = match actual {
        Record::Book(book) => {
            let want = expected.get("isSnapshot").is_some_and(Json::is_true);
            same("snapshot", &book.snapshot.to_string(), &want.to_string())?;
            levels("bids", &book.bids, expected, used)?;
            levels("asks", &book.asks, expected, used)?;
            book.ts
        }
        Record::Trade(trade) | Record::Liquidation(trade) => {
            print(trade, expected, used)?;
            trade.ts
        }
        Record::Quote(quote) => {
            number("bidPrice", quote.bid_px, expected, used)?;
            number("bidAmount", quote.bid_qty, expected, used)?;
            number("askPrice", quote.ask_px, expected, used)?;
            number("askAmount", quote.ask_qty, expected, used)?;
            quote.ts
        }
        Record::Derivative(d) => {
            number("lastPrice", d.last_px, expected, used)?;
            number("openInterest", d.open_interest, expected, used)?;
            number("fundingRate", d.funding_rate, expected, used)?;
            number("predictedFundingRate", d.predicted_funding_rate, expected, used)?;
            number("indexPrice", d.index_px, expected, used)?;
            number("markPrice", d.mark_px, expected, used)?;
            match (d.funding_ts, expected.get("fundingTimestamp")) {
                (None, None) => {}
                (Some(ts), Some(_)) => time("fundingTimestamp", ts, expected, used)?,
                (a, b) => return Err(format!("fundingTimestamp {a:?} want {b:?}")),
            }
            d.ts
        }
        other => return Err(format!("{other:?}: no such record in the reference")),
    };
    let at = ts.unwrap_or(recv);
    match time("timestamp", at, expected, used) {
        Err(_) if stamped && ts.is_some() && time("timestamp", recv, expected, used).is_ok() => {
            used.rule("REFERENCE_STAMPS_RECEIPT");
            Ok(())
        }
        other => other,
    }
}

fn same(field: &str, actual: &str, want: &str) -> Result<(), String> {
    if actual == want { Ok(()) } else { Err(format!("{field} {actual} want {want}")) }
}

fn print(trade: &Trade, expected: &Json<'_>, used: &mut Used) -> Result<(), String> {
    number("price", Some(trade.px), expected, used)?;
    number("amount", Some(trade.qty), expected, used)?;
    let side = match trade.side {
        Side::Buy => "buy",
        Side::Sell => "sell",
        Side::Unknown => "unknown",
    };
    // The venue's prints name no aggressor and the reference calls each a purchase.
    if trade.side == Side::Unknown
        && expected.word("exchange") == "binance-dex"
        && expected.word("side") == "buy"
    {
        used.rule("SIDE_NOT_SENT");
    } else {
        same("side", side, expected.word("side"))?;
    }
    let want = expected.get("id").and_then(Json::str);
    if trade.id.as_deref() == want { Ok(()) } else { Err(format!("id {:?} want {want:?}", trade.id)) }
}

fn levels(side: &str, actual: &[Level], expected: &Json<'_>, used: &mut Used) -> Result<(), String> {
    let want = expected.get(side).and_then(|list| list.items().ok()).unwrap_or(&[]);
    if actual.len() != want.len() {
        return Err(format!("{side}: {} levels want {}", actual.len(), want.len()));
    }
    for (level, want) in actual.iter().zip(want) {
        number("price", Some(level.px), want, used).map_err(|e| format!("{side}: {e}"))?;
        number("amount", Some(level.qty), want, used).map_err(|e| format!("{side}: {e}"))?;
    }
    Ok(())
}

/// A decimal against a number that went through a double: equal, or the double nearest to it.
fn number(field: &str, actual: Option<Dec>, expected: &Json<'_>, used: &mut Used) -> Result<(), String> {
    let want = match expected.get(field) {
        None => None,
        Some(value) => Some(value.dec().map_err(|e| format!("{field}: {e}"))?),
    };
    if actual == want {
        return Ok(());
    }
    if let (Some(a), Some(b)) = (actual, want)
        && a.to_string().parse::<f64>().ok() == b.to_string().parse::<f64>().ok()
    {
        used.rule("DOUBLE_NEAREST");
        return Ok(());
    }
    let text = |value: Option<Dec>| value.map_or("none".into(), |v| v.to_string());
    Err(format!("{field} {} want {}", text(actual), text(want)))
}

/// A time at the precision that the reference prints.
fn time(field: &str, actual: EpochNs, expected: &Json<'_>, used: &mut Used) -> Result<(), String> {
    let text =
        expected.get(field).and_then(Json::str).ok_or_else(|| format!("{field}: none in the reference"))?;
    let want = from_rfc3339(text).map_err(|e| format!("{field} {text}: {e}"))?;
    if actual == want {
        return Ok(());
    }
    let digits = text.split_once('.').map_or(0, |(_, tail)| tail.len().saturating_sub(1));
    let unit = 10_i64.pow(9_u32.saturating_sub(u32::try_from(digits).unwrap_or(9)));
    if digits >= 3 && actual.0 - actual.0.rem_euclid(unit) == want.0 {
        used.rule("TIME_CUT");
        return Ok(());
    }
    Err(format!("{field} {actual} want {want}"))
}

/// The kind of a record in our own words.
pub fn short(record: &Record) -> &'static str {
    match record {
        Record::Book(_) => "book",
        Record::Trade(_) => "trade",
        Record::Liquidation(_) => "liquidation",
        Record::Quote(_) => "quote",
        Record::Derivative(_) => "derivative",
        Record::Bar(_) => "bar",
        Record::Order(_) => "order",
        Record::Orders(_) => "orders",
    }
}
