//! Alpaca market data for research: stream arrays of `{"T", "S", …}` and the bodies of the data requests.
//!
//! What trades live is read by `tidegate-normalise`. Source: Alpaca market data API v2 and v1beta, streaming and REST.

use crate::fields::{levels_of, optional};
use crate::json::Json;
use crate::{Bar, Book, Dec, Dialect, Quiet, Quote, Record, Refusal, Side, Stop, Trade};
use tidegate_units::EpochNs;

/// Fields that hold records of one kind, single or by symbol, in the order in which they are given.
const KINDS: [(&str, Kind); 14] = [
    ("trade", Kind::Trade),
    ("trades", Kind::Trade),
    ("latestTrade", Kind::Trade),
    ("quote", Kind::Quote),
    ("quotes", Kind::Quote),
    ("latestQuote", Kind::Quote),
    ("xbbo", Kind::Quote),
    ("xbbos", Kind::Quote),
    ("bar", Kind::Bar),
    ("bars", Kind::Bar),
    ("minuteBar", Kind::Bar),
    ("dailyBar", Kind::Bar),
    ("prevDailyBar", Kind::Bar),
    ("orderbooks", Kind::Book),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Trade,
    Quote,
    Bar,
    Book,
}

/// Reads one connection or its requests; keeps nothing.
#[derive(Debug, Default)]
pub struct Alpaca;

impl Dialect for Alpaca {
    fn message(&mut self, message: &Json<'_>, _recv: EpochNs, out: &mut Vec<Record>) -> Result<(), Stop> {
        match message {
            Json::Arr(items) if items.iter().any(|item| item.get("T").is_some()) => stream(items, out),
            Json::Obj(fields) if fields.is_empty() => Err(Quiet::NoChange.into()),
            _ if letters(message) => Err(Quiet::Reference.into()),
            _ if message.get("T").is_some() => stream(std::slice::from_ref(message), out),
            // A request of a client, as documents print it.
            _ if message.get("action").is_some() => Err(Quiet::Control.into()),
            _ => match message.word("stream") {
                "authorization" | "listening" => Err(Quiet::Control.into()),
                "trade_updates" => Err(Quiet::NotMarketData.into()),
                _ => body(message, out),
            },
        }
    }

    fn fetched(
        &mut self,
        _symbol: &str,
        message: &Json<'_>,
        _recv: EpochNs,
        out: &mut Vec<Record>,
    ) -> Result<(), Stop> {
        body(message, out)
    }
}

fn stream(items: &[Json<'_>], out: &mut Vec<Record>) -> Result<(), Stop> {
    let before = out.len();
    let mut quiet = Quiet::NoChange;
    for item in items {
        let symbol = || item.need("S")?.name();
        match item.word("T") {
            "t" => out.push(one(Kind::Trade, &symbol()?, item)?),
            "q" => out.push(one(Kind::Quote, &symbol()?, item)?),
            "b" | "d" | "u" => out.push(one(Kind::Bar, &symbol()?, item)?),
            "o" => out.push(one(Kind::Book, &symbol()?, item)?),
            "s" | "l" | "c" | "x" | "n" | "i" => quiet = Quiet::NotCarried,
            "success" | "subscription" => quiet = Quiet::Control,
            "error" => quiet = Quiet::VenueError,
            _ => return Err(Refusal::UnknownEvent.into()),
        }
    }
    if out.len() == before { Err(quiet.into()) } else { Ok(()) }
}

/// The body of a request: records under the fields of [`KINDS`], or snapshots by symbol, or what else the fields tell.
fn body(message: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Stop> {
    let before = out.len();
    let mut market = false;
    if let Some(snapshots) = message.get("snapshots").filter(|inner| inner.is_obj()) {
        by_symbol(snapshots, out)?;
        return if out.len() == before { Err(Quiet::NoChange.into()) } else { Ok(()) };
    }
    for (key, kind) in KINDS {
        let Some(value) = message.get(key) else { continue };
        market = true;
        let own = message.get("symbol").map(Json::name).transpose()?;
        match value {
            Json::Arr(_) => several(kind, own.as_deref(), value, out)?,
            Json::Obj(fields) if own.is_none() && value.get("t").is_none() => {
                let mut symbols: Vec<_> = fields.iter().filter(|(_, inner)| of_kind(inner)).collect();
                symbols.sort_by(|(a, _), (b, _)| a.cmp(b));
                for (symbol, inner) in symbols {
                    several(kind, Some(symbol), inner, out)?;
                }
            }
            Json::Obj(_) => several(kind, own.as_deref(), value, out)?,
            _ => {}
        }
    }
    // Snapshots stand by symbol without a name around them.
    if !market {
        by_symbol(message, out)?;
        market = out.len() > before || names_kind(message);
    }
    if market {
        return if out.len() == before { Err(Quiet::NoChange.into()) } else { Ok(()) };
    }
    if message.get("code").is_some() && message.get("message").is_some() {
        return Err(Quiet::VenueError.into());
    }
    // One record that names no symbol cannot be placed.
    if message.get("t").is_some()
        && (message.get("p").is_some() || message.get("ap").is_some() || message.get("o").is_some())
    {
        return Err(Refusal::MissingField.into());
    }
    Err(class(message).map_or(Stop::Refused(Refusal::UnknownEvent), Stop::Quiet))
}

/// Whether a field of [`KINDS`] is there, if only as null.
fn names_kind(message: &Json<'_>) -> bool {
    matches!(message, Json::Obj(fields) if fields.iter().any(|(key, _)| KINDS.iter().any(|(kind, _)| kind == key)))
}

fn by_symbol(message: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Refusal> {
    let Json::Obj(fields) = message else { return Ok(()) };
    let latest = |inner: &Json<'_>| inner.get("latestTrade").is_some() || inner.get("latestQuote").is_some();
    let mut snapshots: Vec<_> = fields.iter().filter(|(_, inner)| latest(inner)).collect();
    snapshots.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (symbol, inner) in snapshots {
        for (key, kind) in KINDS {
            if let Some(value) = inner.get(key) {
                several(kind, Some(symbol), value, out)?;
            }
        }
    }
    Ok(())
}

/// Exchanges and conditions: a text for each letter.
fn letters(message: &Json<'_>) -> bool {
    let text = |(key, inner): &&(std::borrow::Cow<'_, str>, Json<'_>)| {
        key.len() <= 1 && inner.str().is_some_and(|text| text.len() > 1)
    };
    matches!(message, Json::Obj(fields) if fields.iter().filter(text).count() > 5)
}

/// Bodies of the trading, broker and news interfaces, by the fields that only they have.
fn class(message: &Json<'_>) -> Option<Quiet> {
    let first = message.at(0).unwrap_or(message);
    let has = |keys: &[&str]| keys.iter().any(|key| first.get(key).is_some());
    if has(&["news", "headline", "gainers", "percent_change", "spreads", "most_actives", "url"]) {
        return Some(Quiet::NotCarried);
    }
    let calendar = ["date", "open", "close"].iter().all(|key| first.get(key).is_some());
    if calendar || has(&["is_open", "tradable", "ca_type", "corporate_actions", "option_contracts"]) {
        return Some(Quiet::Reference);
    }
    let account = has(&[
        "account_id",
        "account_number",
        "account_blocked",
        "client_order_id",
        "order_id",
        "asset_id",
        "entry_type",
        "from_account",
        "cooldown_days",
        "rebalance_conditions",
        "equity",
        "dtbp_check",
        "max_margin_multiplier",
        "fractional_trading",
        "time_in_force",
        "activity_type",
        "portfolio_id",
        "positions",
        "subscriptions",
        "runs",
        "weights",
        "entries",
        "agreements",
        "transfer_type",
        "watchlist",
        "symbols",
        "id",
        "body",
        "status",
    ]);
    account.then_some(Quiet::NotMarketData)
}

/// Whether a value under a symbol is a list of records or one record.
fn of_kind(value: &Json<'_>) -> bool {
    matches!(value, Json::Arr(_)) || value.get("t").is_some()
}

fn several(kind: Kind, symbol: Option<&str>, value: &Json<'_>, out: &mut Vec<Record>) -> Result<(), Refusal> {
    let symbol = symbol.ok_or(Refusal::MissingField)?;
    let whole = std::slice::from_ref(value);
    for item in if let Json::Arr(items) = value { items } else { whole } {
        out.push(one(kind, symbol, item)?);
    }
    Ok(())
}

fn one(kind: Kind, symbol: &str, item: &Json<'_>) -> Result<Record, Refusal> {
    let symbol = symbol.to_string();
    let ts = item.need("t")?.time()?;
    // A side without an order has price 0.
    let px =
        |key: &str| -> Result<Option<Dec>, Refusal> { Ok(optional(item, key)?.filter(|px| !px.is_zero())) };
    Ok(match kind {
        Kind::Trade => Record::Trade(Trade {
            symbol,
            id: item.get("i").map(Json::name).transpose()?,
            px: item.need("p")?.px()?,
            qty: item.need("s")?.traded()?,
            side: item.get("tks").map_or(Ok(Side::Unknown), Json::side)?,
            ts: Some(ts),
        }),
        Kind::Quote => Record::Quote(Quote {
            symbol,
            bid_px: px("bp")?,
            bid_qty: optional(item, "bs")?,
            ask_px: px("ap")?,
            ask_qty: optional(item, "as")?,
            ts: Some(ts),
        }),
        Kind::Bar => Record::Bar(Bar {
            symbol,
            open: item.need("o")?.px()?,
            high: item.need("h")?.px()?,
            low: item.need("l")?.px()?,
            close: item.need("c")?.px()?,
            volume: item.need("v")?.qty()?,
            start: ts,
            closed: true,
        }),
        Kind::Book => Record::Book(Book {
            symbol,
            // A stream message without `r` is a change; a request's answer is whole.
            snapshot: item.get("T").is_none() || item.get("r").is_some_and(Json::is_true),
            bids: levels_of(item.need("b")?, "p", "s")?,
            asks: levels_of(item.need("a")?, "p", "s")?,
            ts: Some(ts),
            ..Book::default()
        }),
    })
}
