//! exchange-core's features, step by step: books, trades, orders, balances and refusals are what the steps say.
//!
//! Each symbol is a venue of its own with an empty street. ETH_XBT: one lot is 100,000 szabo of ETH, one tick of one lot 10
//! satoshi of XBT, no fees. EUR_USD is a margined contract; the venue has no margin, and the steps look at its book alone.
//! exchange-core holds a bid at its `reservePrice`; wherever a balance is looked at that is the limit price, at which we hold.

use super::Plant;
use crate::books::tally::Tally;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_matching::{
    Cancel, Config, EventKind, Extras, Money, NewOrder, OrderKind, Refused, Status, Tif, TradeRecord, Venue,
};
use tidegate_normalise::{Event, Snapshot};
use tidegate_units::{EpochNs, Side};

/// Rows of cells.
type Table = Vec<Vec<String>>;
/// Texts with their tables, as written.
type Steps = Vec<(String, Table)>;

/// A step and the rows of its table.
struct Step {
    text: String,
    rows: Table,
}

struct Scenario {
    name: String,
    steps: Vec<Step>,
}

fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect()
}

/// Scenarios of a feature, outlines once for each of their examples, the background before each.
fn scenarios(text: &str) -> Vec<Scenario> {
    let mut background = Steps::new();
    // Name, steps, examples.
    let mut read: Vec<(String, Steps, Table)> = Vec::new();
    let mut examples = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('@') || line.starts_with("Feature:") {
            continue;
        }
        if line.starts_with("Background:") {
            continue;
        }
        if let Some((head, name)) = line.split_once(':').filter(|(head, _)| head.starts_with("Scenario")) {
            read.push((format!("{head}: {}", name.trim()), Vec::new(), Vec::new()));
            examples = false;
        } else if line.starts_with("Examples:") {
            examples = true;
        } else if line.starts_with('|') {
            match read.last_mut() {
                Some((_, _, table)) if examples => table.push(cells(line)),
                Some((_, steps, _)) => {
                    if let Some((_, rows)) = steps.last_mut() {
                        rows.push(cells(line));
                    }
                }
                None => {
                    if let Some((_, rows)) = background.last_mut() {
                        rows.push(cells(line));
                    }
                }
            }
        } else {
            let (_, step) = line.split_once(' ').unwrap_or(("", line));
            let step = (step.to_string(), Vec::new());
            match read.last_mut() {
                Some((_, steps, _)) => steps.push(step),
                None => background.push(step),
            }
        }
    }
    let mut out = Vec::new();
    for (name, own, table) in read {
        let all: Vec<_> = background.iter().cloned().chain(own).collect();
        let (head, rows) =
            table.split_first().map_or((Vec::new(), vec![Vec::new()]), |(h, r)| (h.clone(), r.to_vec()));
        for row in rows {
            let put = |text: &str| {
                head.iter()
                    .zip(&row)
                    .fold(text.to_string(), |text, (key, value)| text.replace(&format!("<{key}>"), value))
            };
            let step = |(text, rows): &(String, Table)| Step { text: put(text), rows: rows.clone() };
            out.push(Scenario {
                name: format!("{name} {}", row.join(" ")),
                steps: all.iter().map(step).collect(),
            });
        }
    }
    out
}

fn venue(symbol: &str) -> Result<Venue, String> {
    let money = if symbol == "ETH_XBT" { Money::Spot } else { Money::Usdm };
    let mut venue = Venue::new(config(money))?;
    let none = || Cow::Owned(Vec::new());
    let snapshot = Snapshot { last_id: 1, ts_venue: EpochNs(0), bids: none(), asks: none() };
    venue.on_market(Event::Snapshot(snapshot), 0);
    Ok(venue)
}

fn config(money: Money) -> Config {
    let (e8_per_tick_lot, base_e8_per_lot) = if money == Money::Spot { (10, 100_000) } else { (1, 1) };
    Config {
        money,
        e8_per_tick_lot,
        base_e8_per_lot,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        base_e8: 0,
        quote_e8: 0,
        open_orders_max: tidegate_matching::limits::OPEN_ORDERS_MAX,
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text}: no whole number"))
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split_once(to).map_or(rest, |(found, _)| found))
}

struct Run {
    venue: Venue,
    clients: BTreeMap<String, u32>,
    reserve: BTreeMap<String, String>,
    /// Fills since the last command.
    fills: Vec<(TradeRecord, Status)>,
    shift: i64,
}

impl Run {
    fn account(&self, name: &str) -> Result<u32, String> {
        self.clients.get(name).copied().ok_or_else(|| format!("{name}: no such client"))
    }

    fn drain(&mut self) {
        self.fills.clear();
        for event in self.venue.drain() {
            if let (EventKind::Trade(trade), Some(order)) = (event.kind, event.order) {
                self.fills.push((trade, order.status));
            }
        }
    }

    /// `… SIDE order ID at PX@QTY (type: T, symbol: S, reservePrice: R)`
    fn place(&mut self, client: &str, text: &str) -> Result<Result<u64, Refused>, String> {
        let fault = || format!("{text}: no order");
        let side = if text.contains("BID order") { Side::Buy } else { Side::Sell };
        let id = between(text, " order ", " at ").ok_or_else(fault)?;
        let (px, qty) = between(text, " at ", " (").and_then(|at| at.split_once('@')).ok_or_else(fault)?;
        let tif = match between(text, "type: ", ",").ok_or_else(fault)? {
            "GTC" => Tif::Gtc,
            "IOC" => Tif::Ioc,
            other => return Err(format!("{other}: no such type here")),
        };
        let reserve = between(text, "reservePrice: ", ")").unwrap_or("0");
        self.reserve.insert(id.to_string(), reserve.to_string());
        let new = NewOrder {
            client_order_id: id.to_string(),
            side,
            kind: OrderKind::Limit,
            tif,
            px: number::<i64>(px)? + self.shift,
            qty: number(qty)?,
            time_ms: 0,
            extras: Extras { account: self.account(client)?, ..Extras::default() },
        };
        let placed = self.venue.place(new);
        self.drain();
        Ok(placed)
    }

    fn balance(&self, account: u32, currency: &str) -> i128 {
        let Some(ledger) = self.venue.ledger_of(account) else { return 0 };
        let (base, quote) = self.venue.locked_of(account);
        match currency {
            "ETH" => ledger.base_e8 - base,
            _ => ledger.quote_e8 - quote,
        }
    }

    fn orders(&self, account: u32) -> Vec<Vec<String>> {
        let mut all: Vec<_> = self.venue.open_orders().filter(|o| o.extras.account == account).collect();
        all.sort_by_key(|order| order.order_id);
        let row = |order: &&tidegate_matching::Order| {
            let side = if order.side == Side::Buy { "BID" } else { "ASK" };
            let reserve = self.reserve.get(&order.client_order_id).cloned().unwrap_or_default();
            vec![
                order.client_order_id.clone(),
                order.px.to_string(),
                order.qty.to_string(),
                order.cum.to_string(),
                reserve,
                side.to_string(),
            ]
        };
        all.iter().map(row).collect()
    }

    fn book(&self) -> Vec<Vec<String>> {
        let levels =
            |side| self.venue.engine().levels(side).map(|level| (level.px, level.shown)).collect::<Vec<_>>();
        let mut asks = levels(Side::Sell);
        asks.reverse();
        let ask = |(px, qty): &(i64, i64)| vec![String::new(), px.to_string(), qty.to_string()];
        let bid = |(px, qty): &(i64, i64)| vec![qty.to_string(), px.to_string(), String::new()];
        asks.iter().map(ask).chain(levels(Side::Buy).iter().map(bid)).collect()
    }

    /// One step: nothing where it holds, else what was found.
    fn step(&mut self, step: &Step) -> Result<Option<String>, String> {
        let text = step.text.as_str();
        let client = between(text, "client ", " ").map(|name| name.trim_end_matches(':')).unwrap_or("");
        let told = |holds: bool, found: String| Ok((!holds).then_some(found));
        if text.starts_with("New client") {
            let mut money = [0_i128; 2];
            for row in &step.rows {
                if let [currency, amount] = row.as_slice() {
                    // A venue holds the two assets of its symbol; the client's others are not its business.
                    let spot = self.venue.config().money == Money::Spot;
                    match (currency.as_str(), spot) {
                        ("ETH", true) => money[0] = number(amount)?,
                        ("XBT", true) | ("USD", false) => money[1] = number(amount)?,
                        _ => {}
                    }
                }
            }
            let account = self.venue.add_account(money[0], money[1]).ok_or("no more accounts")?;
            self.clients.insert(client.to_string(), account);
            return Ok(None);
        }
        if text.contains("is added to the balance") {
            let (amount, rest) = text.split_once(' ').ok_or("no amount")?;
            let account = self.account(text.rsplit(' ').next().unwrap_or(""))?;
            let amount: i128 = number(amount)?;
            let (base, quote) = if rest.starts_with("ETH") { (amount, 0) } else { (0, amount) };
            return told(self.venue.deposit(account, base, quote), "no deposit".into());
        }
        if text.contains("could not place") {
            let placed = self.place(client, text)?;
            let want =
                if text.ends_with("RISK_NSF") { Refused::InsufficientBalance } else { Refused::Malformed };
            return told(placed == Err(want), format!("{placed:?}"));
        }
        if text.contains(" places an ") {
            let placed = self.place(client, text)?;
            return told(placed.is_ok(), format!("{placed:?}"));
        }
        if text.contains("moves a price to") {
            let px = between(text, "price to ", " of").ok_or("no price")?;
            let id = text.rsplit(' ').next().unwrap_or("").to_string();
            let which = Cancel::Client(id);
            let qty = self.venue.find(&which).map_or(0, |order| order.qty);
            let amended = self.venue.amend(&which, number::<i64>(px)? + self.shift, qty, 0);
            self.drain();
            return told(amended.is_ok(), format!("{amended:?}"));
        }
        if text.contains("cancels the remaining size") {
            let size: i64 = number(between(text, "size ", " of").ok_or("no size")?)?;
            let which = Cancel::Client(text.rsplit(' ').next().unwrap_or("").to_string());
            let leaves = self.venue.find(&which).map_or(0, |order| order.leaves());
            let canceled = self.venue.cancel(&which, 0);
            self.drain();
            return told(canceled.is_some() && leaves == size, format!("{canceled:?} of {leaves}"));
        }
        if text.contains("order book is") {
            let want: Vec<Vec<String>> = step
                .rows
                .iter()
                .filter(|row| row.first().is_none_or(|cell| cell != "bid"))
                .cloned()
                .collect();
            let found = self.book();
            return told(found == want, format!("{found:?}"));
        }
        if text == "No trade events" || text == "trade events" {
            return told(self.fills.is_empty(), format!("{:?}", self.fills));
        }
        if text.contains("matched.") {
            let id = between(text, "order ", " is").ok_or("no order")?;
            let px: i64 = number(between(text, "LastPx: ", ",").ok_or("no price")?)?;
            let qty: i64 = number(between(text, "LastQty: ", ",").ok_or("no quantity")?)?;
            let status = if text.contains("fully") { Status::Filled } else { Status::PartiallyFilled };
            let is = |(trade, end): &&(TradeRecord, Status)| {
                (trade.client_order_id.as_str(), trade.px, trade.qty, *end) == (id, px, qty, status)
            };
            return told(self.fills.iter().filter(is).count() == 1, format!("{:?}", self.fills));
        }
        if text.contains("does not have active orders") {
            let found = self.orders(self.account(client)?);
            return told(found.is_empty(), format!("{found:?}"));
        }
        if text.contains("balance of a client") {
            let account = self.account(text.rsplit(' ').next().unwrap_or("").trim_end_matches(':'))?;
            let mut wrong = Vec::new();
            for row in &step.rows {
                if let [currency, amount] = row.as_slice() {
                    let found = self.balance(account, currency);
                    if found != number::<i128>(amount)? {
                        wrong.push(format!("{currency} {found}"));
                    }
                }
            }
            return told(wrong.is_empty(), wrong.join(", "));
        }
        if text.contains("orders:") {
            let want: Vec<Vec<String>> = step.rows.iter().skip(1).cloned().collect();
            let found = self.orders(self.account(client)?);
            return told(found == want, format!("{found:?}"));
        }
        Err(format!("{text}: no such step"))
    }
}

/// Every scenario of both features.
///
/// # Errors
/// A file that is not there or a step that is none.
pub fn compare(data: &Path, plant: Plant) -> Result<Tally, String> {
    let mut tally = Tally::new("exchange_core");
    let mut count = 0_u64;
    for file in ["basic.feature", "risk_basic.feature"] {
        let path = data.join("matching-conformance/exchange-core").join(file);
        let text = std::fs::read_to_string(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
        for scenario in scenarios(&text) {
            count += 1;
            let symbol = scenario.steps.iter().find_map(|step| between(&step.text, "symbol: ", ","));
            let symbol = symbol.map(|symbol| symbol.trim_end_matches(')')).unwrap_or("ETH_XBT");
            let mut run = Run {
                venue: venue(symbol)?,
                clients: BTreeMap::new(),
                reserve: BTreeMap::new(),
                fills: Vec::new(),
                shift: i64::from(plant == Plant::ShiftPrice),
            };
            for step in &scenario.steps {
                let found = run.step(step).map_err(|fault| format!("{}: {fault}", path.display()))?;
                tally.case(found.is_none(), || {
                    format!("{file}, {}, {}: {}", scenario.name, step.text, found.unwrap_or_default())
                });
            }
        }
    }
    tally.note("scenarios", count);
    Ok(tally)
}
