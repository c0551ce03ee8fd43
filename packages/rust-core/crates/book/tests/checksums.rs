//! Checksums of real sessions: every one that Kraken and OKCoin sent is reproduced from the book's integers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use tidegate_book::{Checksum, Decimals, DiffOutcome, Rule, Settings, SnapshotOutcome, State, SyncedBook};
use tidegate_normalise::{DepthDiff, Level, Snapshot};
use tidegate_units::{EpochNs, PxTicks, QtyLots, parse_decimal};

/// The received messages of a capture, in order.
fn messages(file: &str) -> Vec<Value> {
    let root =
        std::env::var_os("TIDEGATE_DATA").expect("TIDEGATE_DATA names the folder of the reference data");
    let path = PathBuf::from(root).join("ws-captures").join(file);
    let out = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
    assert!(out.status.success(), "{}", path.display());
    let text = String::from_utf8(out.stdout).unwrap();
    let received = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    received.map(|line| serde_json::from_str(line.split_once(": ").unwrap().1).unwrap()).collect()
}

/// Numbers as integers of the last decimal. One size of each venue is above 2^53 at 8 decimals: Kraken's is read as the digits
/// that it is written with, OKCoin's fits at the decimals the venue uses.
fn number(text: &Value, scale: u32) -> i64 {
    let text = text.as_str().unwrap();
    parse_decimal(text.as_bytes(), scale, 1).unwrap_or_else(|_| {
        assert_eq!(text.split_once('.').unwrap().1.len(), scale as usize);
        text.replace('.', "").parse().unwrap()
    })
}

fn levels(side: &Value, px_scale: u32, qty_scale: u32) -> Cow<'static, [Level]> {
    let rows = side.as_array().map(Vec::as_slice).unwrap_or_default();
    let level = |row: &Value| Level {
        px: PxTicks(number(&row[0], px_scale)),
        qty: QtyLots(number(&row[1], qty_scale)),
    };
    rows.iter().map(level).collect()
}

fn diff(bids: Cow<'static, [Level]>, asks: Cow<'static, [Level]>) -> DepthDiff<'static> {
    DepthDiff { first_id: 0, last_id: 0, prev_id: None, ts_venue: EpochNs(0), bids, asks }
}

fn book(recipe: Checksum, px_scale: u32, qty_scale: u32, depth_max: usize) -> SyncedBook {
    let decimals = Decimals { px_scale, px_unit: 1, qty_scale, qty_unit: 1 };
    let settings = Settings { depth_max, ..Settings::default() };
    SyncedBook::with(Rule::Checked(recipe, decimals), settings)
}

/// Decimals of the first price of a message: Kraken writes all of a pair's prices with the same number.
fn scale(message: &Value) -> u32 {
    let text = message["as"][0][0].as_str().unwrap();
    text.split_once('.').map_or(0, |(_, decimals)| decimals.len() as u32)
}

/// Runs the Kraken sessions and gives the checksums seen and those that differed; `skip` leaves out one message.
fn kraken(skip: Option<usize>) -> (u64, u64) {
    let (mut checked, mut wrong, mut n) = (0, 0, 0);
    for file in ["KRAKEN.ws.48.0.gz", "KRAKEN.ws.49.0.gz", "KRAKEN.ws.50.0.gz"] {
        let mut books: BTreeMap<String, (SyncedBook, u32)> = BTreeMap::new();
        for message in messages(file) {
            let Some(parts) = message.as_array() else { continue };
            let (channel, pair) =
                (parts[parts.len() - 2].as_str().unwrap(), parts[parts.len() - 1].as_str().unwrap());
            if !channel.starts_with("book-") {
                continue;
            }
            let depth: usize = channel[5..].parse().unwrap();
            if parts[1].get("as").is_some() {
                let px_scale = scale(&parts[1]);
                let mut one = book(Checksum::Kraken, px_scale, 8, depth);
                let (bids, asks) =
                    (levels(&parts[1]["bs"], px_scale, 8), levels(&parts[1]["as"], px_scale, 8));
                let whole = Snapshot { last_id: 0, ts_venue: EpochNs(0), bids, asks };
                assert_eq!(one.on_snapshot(&whole), SnapshotOutcome::Valid);
                books.insert(pair.to_string(), (one, px_scale));
                continue;
            }
            n += 1;
            if skip == Some(n) {
                continue;
            }
            let (one, px_scale) = books.get_mut(pair).unwrap();
            let (mut bids, mut asks, mut sum) = (Cow::default(), Cow::default(), None);
            for part in &parts[1..parts.len() - 2] {
                if part.get("b").is_some() {
                    bids = levels(&part["b"], *px_scale, 8)
                }
                if part.get("a").is_some() {
                    asks = levels(&part["a"], *px_scale, 8)
                }
                sum = part["c"].as_str().map(|text| text.parse().unwrap()).or(sum);
            }
            assert!(sum.is_some(), "{message}");
            checked += 1;
            let outcome = one.on_diff_checked(&diff(bids, asks), sum);
            wrong += u64::from(!matches!(outcome, DiffOutcome::Applied | DiffOutcome::Bridged));
        }
        assert!(skip.is_some() || books.values().all(|(one, _)| one.state() == State::Valid));
    }
    (checked, wrong)
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn a08_krakens_checksums_are_reproduced_and_a_lost_message_is_noticed() {
    assert_eq!(kraken(None), (4_269, 0));
    let (_, wrong) = kraken(Some(20));
    assert!(wrong > 0, "a lost message is seen");
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn a08_okcoins_checksums_are_reproduced() {
    let mut books: BTreeMap<String, SyncedBook> = BTreeMap::new();
    let mut checked = 0;
    for message in messages("OKCOIN.ws.1.0.gz") {
        let Some(data) = message["data"].get(0).filter(|_| message["arg"]["channel"] == "books") else {
            continue;
        };
        let sum = Some(data["checksum"].as_i64().unwrap() as u32);
        let pair = message["arg"]["instId"].as_str().unwrap().to_string();
        let one = books.entry(pair).or_insert_with(|| book(Checksum::Okx, 4, 6, 0));
        let (bids, asks) = (levels(&data["bids"], 4, 6), levels(&data["asks"], 4, 6));
        checked += 1;
        if message["action"] == "snapshot" {
            let whole = Snapshot { last_id: 0, ts_venue: EpochNs(0), bids, asks };
            assert_eq!(one.on_snapshot_checked(&whole, sum), SnapshotOutcome::Valid);
        } else {
            assert_eq!(one.on_diff_checked(&diff(bids, asks), sum), DiffOutcome::Applied);
        }
    }
    assert_eq!(checked, 6);
}
