//! A recorded portfolio of seven stocks over four years: its own cash, returns and leverage, day by day, against what the
//! ledger and the positions make of its transactions.
//!
//! Source: pyfolio's test data (Apache-2.0). Its amounts are floats printed with up to 14 decimals; here they are whole
//! numbers of 10^-12 dollars, and the cash of each day agrees to a millionth of a dollar.

use super::{Part, scaled};
use crate::features::data::text;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_risk::{Contra, Ledger, Position};
use tidegate_units::{AccountId, Side, VenueId};

/// Decimals of the amounts, and a millionth of a dollar in them.
const SCALE: usize = 12;
const TOLERANCE: i128 = 1_000_000;
/// What the recorded account began with.
const CAPITAL: i128 = 100_000 * 1_000_000_000_000;
const ACCOUNT: AccountId = AccountId(1);
const VENUE: VenueId = VenueId(1);

struct Txn {
    symbol: String,
    amount: i64,
    cost: i128,
}

fn column<'a>(columns: &[&'a str], at: usize, line: &str) -> Result<&'a str, String> {
    columns.get(at).copied().ok_or_else(|| format!("portfolio-accounting: {line}: too few columns"))
}

fn number(text: &str, line: &str) -> Result<i128, String> {
    scaled(text, SCALE).ok_or_else(|| format!("portfolio-accounting: {line}: {text} is no number"))
}

fn by_day(folder: &Path, name: &str) -> Result<BTreeMap<String, i128>, String> {
    let mut rows = BTreeMap::new();
    for line in text(&folder.join("portfolio-accounting").join(name))?.lines() {
        let columns: Vec<&str> = line.split(',').collect();
        rows.insert(
            line.get(..10).unwrap_or_default().to_string(),
            number(column(&columns, 1, line)?, line)?,
        );
    }
    Ok(rows)
}

fn transactions(folder: &Path) -> Result<BTreeMap<String, Vec<Txn>>, String> {
    let mut days: BTreeMap<String, Vec<Txn>> = BTreeMap::new();
    let path = folder.join("portfolio-accounting/test_txn_to_2007.csv.gz");
    for line in text(&path)?.lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let amount = column(&columns, 1, line)?;
        let amount: i64 = amount.parse().map_err(|_| format!("{line}: {amount} is no number of shares"))?;
        let cost = -number(column(&columns, 5, line)?, line)?;
        let symbol = column(&columns, 4, line)?.to_string();
        let day = line.get(..10).unwrap_or_default().to_string();
        days.entry(day).or_default().push(Txn { symbol, amount, cost });
    }
    Ok(days)
}

/// A ratio as a float, for what the data has as one.
fn ratio(a: i128, b: i128) -> f64 {
    a as f64 / b as f64
}

pub fn compare(folder: &Path, plant: &str) -> Result<Part, String> {
    let mut part = Part::default();
    let txns = transactions(folder)?;
    let returns = by_day(folder, "test_returns_to_2007.csv.gz")?;
    let leverage = by_day(folder, "test_gross_lev_to_2007.csv.gz")?;
    let path = folder.join("portfolio-accounting/test_pos_to_2007.csv.gz");
    let positions = text(&path)?;
    let mut lines = positions.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let mut ledger = Ledger::default();
    ledger.post(ACCOUNT, VENUE, "USD", CAPITAL, Contra::Transfers);
    let mut books: BTreeMap<String, Position> = BTreeMap::new();
    let mut equity_before = CAPITAL;
    let mut cash_before = (CAPITAL, CAPITAL);
    let mut count = 0;
    let mut days = txns.into_iter().peekable();
    for line in lines {
        let day = line.get(..10).unwrap_or_default();
        while days.peek().is_some_and(|(d, _)| d.as_str() <= day) {
            let Some((at, txns)) = days.next() else { break };
            for (n, txn) in txns.iter().enumerate() {
                let sells = txn.amount < 0;
                // The planted fault books a sale as if it were bought.
                let wrong = plant == "short-sign" && sells && n == 0;
                let side = if sells && !wrong { Side::Sell } else { Side::Buy };
                let book = books.entry(txn.symbol.clone()).or_default();
                let cost = txn.cost.abs();
                let next = book.after_cost(side, txn.amount.abs(), cost);
                *book = next.ok_or_else(|| format!("{at}: {} beyond 128 bits", txn.symbol))?;
                ledger.post(ACCOUNT, VENUE, "USD", -i128::from(side.sign()) * cost, Contra::Trading);
                let realised: i128 = books.values().map(|b| b.realised_e8 - b.open_cost_e8).sum();
                let legs = ledger.balance(ACCOUNT, VENUE, "USD") - CAPITAL;
                part.law.note(realised == legs, || format!("{at}: {realised} and {legs}"));
                part.law.note(ledger.out_of_balance("USD") == 0, || format!("{at}: out of balance"));
            }
        }
        let columns: Vec<&str> = line.split(',').collect();
        let mut value = 0;
        let mut gross = 0;
        for (at, symbol) in head.iter().enumerate().skip(1).filter(|(_, s)| **s != "cash") {
            let worth = number(column(&columns, at, line)?, line)?;
            (value, gross) = (value + worth, gross + worth.abs());
            let lots = books.get(*symbol).map_or(0, |b| b.lots);
            part.equal
                .note(worth.signum() == lots.signum(), || format!("{day} {symbol}: {worth} and {lots}"));
        }
        let told = number(column(&columns, head.len() - 1, line)?, line)?;
        let cash = ledger.balance(ACCOUNT, VENUE, "USD");
        // Its floats lose a little each day: what each day adds agrees to a millionth, and the level to that much a day.
        let (was_told, was) = cash_before;
        let off = (told - was_told) - (cash - was);
        part.equal.note(off.abs() <= TOLERANCE, || format!("{day}: cash of the day is off by {off}"));
        count += 1;
        let level = (told - cash).abs() <= TOLERANCE * count;
        part.equal.note(level, || format!("{day}: cash {told} and {cash}"));
        cash_before = (told, cash);
        // Equity, so return and leverage, with our cash and their values of the positions.
        let equity = value + cash;
        if let Some(told) = returns.get(day) {
            let (is, want) = (ratio(equity, equity_before) - 1.0, ratio(*told, 1_000_000_000_000));
            part.equal.note((is - want).abs() <= 1e-9, || format!("{day}: return {is} and {want}"));
        }
        if let Some(told) = leverage.get(day) {
            let (is, want) = (ratio(gross, equity), ratio(*told, 1_000_000_000_000));
            part.equal.note((is - want).abs() <= 1e-6, || format!("{day}: leverage {is} and {want}"));
        }
        // Realised + unrealised at their marks = cash legs + mark value.
        let profit: i128 = books.values().map(|b| b.realised_e8 - b.open_cost_e8).sum::<i128>() + value;
        part.law.note(profit == cash - CAPITAL + value, || format!("{day}: {profit}"));
        equity_before = equity;
    }
    Ok(part)
}
