//! `venue-json-fixtures`: bodies of five venues, each named by what it is.
//!
//! The golden lines say for each body which reader it is for, what the reader must make of it, and every record with every
//! field. They were made by another program in another language, which tells a body by its file name.

use super::line;
use super::literal;
use super::plant::Planted;
use super::render;
use super::source;
use super::tally::{Tally, Verdict};
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_dialects::json;
use tidegate_dialects::venues::binance::{Binance, Market};
use tidegate_dialects::venues::bitmex::Bitmex;
use tidegate_dialects::venues::deribit::Deribit;
use tidegate_dialects::venues::hyperliquid::Hyperliquid;
use tidegate_dialects::venues::kraken_futures::KrakenFutures;
use tidegate_dialects::venues::kraken_v2::KrakenV2;
use tidegate_dialects::{Dialect, Outcome, Record, Refusal};
use tidegate_units::EpochNs;

/// Bodies the set has.
pub const BODIES: u64 = 295;

/// `venue|number|name|reader|outcome|record…`.
const GOLDEN: &str = include_str!("../../golden/venue-fixtures.txt");

/// A snapshot that holds nothing, after which a change is not held back.
pub const EMPTY: &[u8] = br#"{"lastUpdateId":0,"bids":[],"asks":[]}"#;

/// One body, ready to be read.
#[derive(Debug)]
pub struct Body {
    pub name: String,
    pub venue: &'static str,
    /// How it is to be read: `fetched-…` as an answer, `row-<table>:<action>` as a row of a message, `opened-…` after an
    /// empty snapshot, else as a message.
    pub way: &'static str,
    pub message: Vec<u8>,
    outcome: &'static str,
    records: Vec<&'static str>,
}

/// Reads all bodies beside their golden lines.
///
/// # Errors
/// A file that cannot be read, or a body without its golden line.
pub fn read(data: &Path) -> Result<Vec<Body>, String> {
    let mut sets: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    let mut bodies = Vec::new();
    for golden in GOLDEN.lines() {
        let mut parts = golden.split('|');
        let (Some(venue), Some(number), Some(name), Some(way), Some(outcome)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(format!("golden line {golden}: want five parts"));
        };
        if !sets.contains_key(venue) {
            let path = data.join(format!("venue-json-fixtures/{venue}.jsonl.gz"));
            sets.insert(venue, source::lines(&path)?);
        }
        let number: usize = number.parse().map_err(|_| format!("golden line {golden}: want a number"))?;
        let text = sets
            .get(venue)
            .and_then(|set| set.get(number))
            .ok_or_else(|| format!("{name}: not in the set"))?;
        let read = json::parse(text).map_err(|e| format!("{name}: {e}"))?;
        if !read.word("path").ends_with(name) {
            return Err(format!("{venue} body {number} is {}, want {name}", read.word("path")));
        }
        bodies.push(Body {
            name: format!("{venue}/{name}"),
            venue,
            way,
            message: message(way, read.word("raw")).map_err(|e| format!("{name}: {e}"))?,
            outcome,
            records: parts.collect(),
        });
    }
    Ok(bodies)
}

/// A row of a table is put into the message that carries it; everything else is read as it is.
fn message(way: &str, raw: &str) -> Result<Vec<u8>, Refusal> {
    let Some((table, action)) = way.strip_prefix("row-").and_then(|row| row.split_once(':')) else {
        return Ok(raw.as_bytes().to_vec());
    };
    let row = render::plain(&json::parse(raw.as_bytes())?);
    let mut text = format!("{{\"table\":\"{table}\",\"action\":\"{action}\",\"data\":[").into_bytes();
    text.extend(row);
    text.extend(b"]}");
    Ok(text)
}

/// The reader a body is for.
pub fn reader(body: &Body) -> Box<dyn Dialect> {
    match body.venue {
        "binance" => {
            let market = if body.way.contains("futures") { Market::Futures } else { Market::Spot };
            Box::new(Binance::new(market, body.way.ends_with("agg")))
        }
        "bitmex" => Box::new(Bitmex::default()),
        "deribit" => Box::new(Deribit::default()),
        "hyperliquid" => {
            let mut reader = Hyperliquid::default();
            reader.history = true;
            Box::new(reader)
        }
        _ if body.way.ends_with("futures") => {
            let mut reader = KrakenFutures::default();
            reader.history = true;
            Box::new(reader)
        }
        _ => Box::new(KrakenV2),
    }
}

/// Reads one body with a reader of its own.
pub fn feed(body: &Body, message: &[u8], records: &mut Vec<Record>) -> Outcome {
    let mut reader = reader(body);
    if body.way.starts_with("opened") {
        let symbol = json::parse(message).ok().map(|read| read.word("s").to_string()).unwrap_or_default();
        let _ = reader.read_fetched(&symbol, EMPTY, EpochNs(0), records);
        records.clear();
    }
    if body.way.starts_with("fetched") {
        reader.read_fetched("-", message, EpochNs(0), records)
    } else {
        reader.read(message, EpochNs(0), records)
    }
}

/// Reads every body and holds outcome and records against its golden line.
pub fn check(bodies: &[Body], plant: &mut Planted) -> Tally {
    let mut tally = Tally::default();
    for body in bodies {
        let mut records = Vec::new();
        let outcome = feed(body, &body.message, &mut records);
        plant.records(&mut records);
        let name = outcome.map_or_else(|refusal| refusal.name(), |reading| reading.name());
        tally.outcome(name);
        tally.take(&body.name, verdict(body, name, &records));
    }
    tally
}

fn verdict(body: &Body, name: &str, records: &[Record]) -> Verdict {
    if body.outcome == "NOTES" {
        // The capture tool's own notes are no message of a venue, and the reader says so.
        return if name == Refusal::UnknownEvent.name() {
            Ok(Some("NOTES_OF_THE_RECORDER"))
        } else {
            Err(format!("{name}, want {}", Refusal::UnknownEvent))
        };
    }
    if name != body.outcome {
        return Err(format!("{name}, want {}", body.outcome));
    }
    literal::hold(&body.message, records)?;
    let lines: Vec<String> = records.iter().map(line::of).collect();
    match lines.iter().zip(&body.records).find(|(have, want)| have != *want) {
        Some((have, want)) => Err(format!("{have}, want {want}")),
        None if lines.len() != body.records.len() => {
            Err(format!("{} records, want {}", lines.len(), body.records.len()))
        }
        None => Ok(None),
    }
}
