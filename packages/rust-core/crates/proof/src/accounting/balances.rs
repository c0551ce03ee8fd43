//! An exchange's own risk scenarios: what each client may order, and every balance it then has.
//!
//! Source: exchange-core's features (Apache-2.0). One lot of ETH_XBT is 0.1 ETH and one step of its price 10 satoshi a lot;
//! balances are in satoshi of XBT and szabo (1e-6) of ETH. Each client is a gateway with a cash account.

use super::Part;
use crate::controls::rig::{Rig, about, fill, id, limit};
use crate::features::data::text;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_instruments::{Instrument, Kind, Table, Venue};
use tidegate_risk::{Event, Gateway, Limits};
use tidegate_units::{AccountId, Side, VenueId};
use tidegate_wire::pb::orders::v1::{Reason, ReportKind};

const PAIR: u32 = 1;
const ACCOUNT: AccountId = AccountId(1);
const VENUE: VenueId = VenueId(1);

fn table() -> Result<Table, String> {
    let row = Instrument {
        id: PAIR,
        venue_id: 1,
        venue: Venue::BinanceSpot,
        symbol: "ETHXBT".into(),
        kind: Kind::Spot,
        base: "ETH".into(),
        quote: "XBT".into(),
        px_scale: 6,
        px_unit: 1,
        qty_scale: 1,
        qty_unit: 1,
        e8_per_tick_lot: 10,
        min_qty_lots: 1,
        max_qty_lots: 1_000_000,
        min_notional_e8: 0,
        multiplier: 1,
        expiry: 0,
    };
    Table::new(1, vec![row]).map_err(|e| e.to_string())
}

/// One client: its gateway and what it was given.
struct Client {
    rig: Rig,
    given_e8: BTreeMap<String, i64>,
}

impl Client {
    fn new() -> Result<Self, String> {
        let max = i64::MAX;
        let limits = json!({
            "version": 1, "startup_holdoff_ms": 0, "requery_ms": 1_000,
            "firm": { "exposure_e8_max": max, "open_orders_max": 100 },
            "accounts": [{ "account_id": 1, "exposure_e8_max": max, "checks": { "kind": "cash",
                "snapshot_age_ms_max": 1_000, "initial_margin_bps": null, "margin_ratio_bps_max": null } }],
            "strategies": [{ "strategy_id": 1, "exposure_e8_max": max, "open_orders_max": 100,
                "messages_max": 100, "messages_window_ms": 1 }],
            "instruments": [{ "instrument_id": 1, "order_qty_lots_max": max, "order_notional_e8_max": max,
                "position_lots_max": max, "exposure_e8_max": max, "px_ticks_max": max, "collar_bps": 9_000,
                "reducing_collar_bps": 9_000, "reference_age_ms_max": 1_000 }],
        });
        let limits =
            Limits::from_json(limits.to_string().as_bytes(), &table()?).map_err(|e| e.to_string())?;
        let mut rig = Rig::ready();
        rig.gateway = Gateway::new(table()?, limits, crate::controls::rig::HOLDER);
        (rig.report_seq, rig.journal) = (0, vec![]);
        rig.lead();
        Ok(Self { rig, given_e8: BTreeMap::new() })
    }

    /// The exchange's word: what was given and what trades made of it; open orders count on top of it.
    fn tell(&mut self) {
        for (asset, given) in self.given_e8.clone() {
            let made = self.rig.gateway.state().ledger().balance(ACCOUNT, VENUE, &asset);
            let available_e8 = given + i64::try_from(made).unwrap_or(i64::MIN);
            let (account, venue, report_seq) = (ACCOUNT, VENUE, 0);
            self.rig.apply(Event::AccountBalance { account, venue, asset, available_e8, report_seq });
        }
    }

    fn give(&mut self, asset: &str, amount: i64) {
        *self.given_e8.entry(asset.to_string()).or_insert(0) += amount * e8_of(asset);
        self.tell();
    }
}

/// Units of 1e-8 in one of the feature's units of an asset.
fn e8_of(asset: &str) -> i64 {
    if asset == "ETH" { 100 } else { 1 }
}

/// The words after `before`, up to the next blank.
fn word<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    line.split_once(before)?.1.split([' ', '.', ',', ':']).next()
}

pub fn compare(folder: &Path) -> Result<Part, String> {
    let mut part = Part::default();
    for (file, scenario) in [("risk_basic.feature", "basic scenario"), ("basic.feature", "cancel BID order")]
    {
        let path = folder.join("matching-conformance/exchange-core").join(file);
        let lines = text(&path)?;
        let mut lines = lines.lines().map(str::trim).skip_while(|l| !l.ends_with(scenario));
        lines.next().ok_or_else(|| format!("{file}: no scenario called {scenario}"))?;
        play(&mut part, lines.take_while(|l| !l.starts_with("Scenario") && !l.starts_with('@')))?;
    }
    Ok(part)
}

fn play<'a>(part: &mut Part, lines: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    // Of each order: its client, side, price and size.
    let mut orders: BTreeMap<u64, (String, Side, i64, u64)> = BTreeMap::new();
    let mut last = 0;
    let mut execs = 0;
    let mut rows: Option<(String, bool)> = None;
    for line in lines {
        if let (Some(cells), Some((name, gives))) = (line.strip_prefix('|'), &rows) {
            let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
            let [asset, amount, ..] = cells[..] else { continue };
            let (Ok(amount), Some(client)) = (amount.parse::<i64>(), clients.get_mut(name)) else { continue };
            if *gives {
                client.give(asset, amount);
            } else {
                client.tell();
                client.given_e8.entry(asset.to_string()).or_insert(0);
                client.tell();
                let free = client.rig.gateway.free_e8(ACCOUNT, VENUE, asset, client.rig.now);
                let want = i128::from(amount * e8_of(asset));
                part.equal.note(free == Some(want), || format!("{name} {asset}: {free:?} and {want}"));
            }
            continue;
        }
        rows = None;
        if let Some(name) = word(line, "New client ") {
            clients.insert(name.to_string(), Client::new()?);
            rows = Some((name.to_string(), true));
        } else if let Some(name) =
            word(line, "A balance of a client ").or_else(|| word(line, "balance of a client "))
        {
            match line.split_once(" is added to") {
                Some((given, _)) => {
                    let mut words = given.rsplit(' ');
                    let (asset, amount) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
                    let amount: i64 = amount.parse().map_err(|_| format!("{line}: no amount"))?;
                    // A whole ETH is a million szabo.
                    if let Some(client) = clients.get_mut(name) {
                        client.give(asset, amount);
                    }
                }
                None => rows = Some((name.to_string(), false)),
            }
        } else if let (Some(name), Some(order)) = (word(line, "client "), word(line, " order ")) {
            if line.contains("cancels the remaining") {
                let at: u64 = word(line, "of the order ").and_then(|w| w.parse().ok()).unwrap_or(0);
                if let Some(client) = clients.get_mut(name) {
                    client.rig.report(about(id(1, at), PAIR, ReportKind::Cancelled, 0));
                }
                continue;
            }
            let order: u64 = order.parse().map_err(|_| format!("{line}: no order"))?;
            let terms = word(line, " at ").and_then(|t| t.split_once('@'));
            let (px, qty) = terms.ok_or_else(|| format!("{line}: no price"))?;
            let px: i64 = px.parse().map_err(|_| format!("{line}: no price"))?;
            let qty: u64 = qty.parse().map_err(|_| format!("{line}: no size"))?;
            let side = if line.contains(" BID ") { Side::Buy } else { Side::Sell };
            let want = if line.contains("RISK_NSF") { Reason::BuyingPowerExceeded } else { Reason::Ok };
            let Some(client) = clients.get_mut(name) else { continue };
            client.rig.price(PAIR, px);
            // The same number is tried again once there are means: a refused try has an id of its own.
            let try_id = if want == Reason::Ok { order } else { order + 1_000_000 };
            let is = client.rig.reason(limit(id(1, try_id), PAIR, side, px, qty));
            part.equal.note(is == want, || format!("{line}: {is:?}"));
            if is == Reason::Ok {
                orders.insert(order, (name.to_string(), side, px, qty));
                last = order;
            }
        } else if line.contains("is fully matched") {
            let order: u64 = word(line, "The order ").and_then(|w| w.parse().ok()).unwrap_or(0);
            let px: i64 = word(line, "LastPx: ").and_then(|w| w.parse().ok()).unwrap_or(0);
            let qty: u64 = word(line, "LastQty: ").and_then(|w| w.parse().ok()).unwrap_or(0);
            for at in [order, last] {
                let Some((name, side, _, _)) = orders.get(&at).cloned() else { continue };
                let Some(client) = clients.get_mut(&name) else { continue };
                execs += 1;
                let mut report = fill(id(1, at), PAIR, side, px, qty, qty, &format!("e{execs}"));
                (report.fee_e8, report.fee_asset) = (0, String::new());
                client.rig.report(report);
                let book =
                    client.rig.gateway.state().books().next().map(|(_, b)| b.position).unwrap_or_default();
                let legs = client.rig.gateway.state().ledger().balance(ACCOUNT, VENUE, "XBT");
                let profit = book.realised_e8 - book.open_cost_e8;
                part.law.note(profit == legs, || format!("{name}: {profit} and {legs}"));
            }
        } else if let Some(name) = word(line, "client ").filter(|_| line.contains("active orders")) {
            let open = clients.get(name).map(|c| c.rig.gateway.state().open_orders());
            part.equal.note(open == Some(0), || format!("{line}: {open:?}"));
        }
    }
    Ok(())
}
