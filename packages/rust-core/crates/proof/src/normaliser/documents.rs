//! `shioaji-messages` and `alpaca-fixtures`: what the vendors' own documents and tests print; `tw-exchange-fixtures`: what the
//! exchanges of Taiwan answered. Beside golden lines of another program.

use super::corpus::{Input, Stream};
use super::line;
use super::plant::Planted;
use super::render;
use super::source;
use super::tally::{Tally, Verdict};
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_dialects::json;
use tidegate_dialects::venues::alpaca::Alpaca;
use tidegate_dialects::venues::mis::Mis;
use tidegate_dialects::venues::shioaji::Shioaji;
use tidegate_dialects::{Dialect, Record, Refusal};
use tidegate_units::EpochNs;

/// One set: its folder, its golden lines `file|number|outcome|record…`, how many there are.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    pub name: &'static str,
    golden: &'static str,
    pub documents: u64,
    /// Whether a file is one message; else a line is one document.
    whole: bool,
    /// Messages of the live readers' streams among them, each counted once a form.
    pub live: u64,
}

pub const SETS: [Set; 3] = [
    Set {
        name: "shioaji-messages",
        golden: include_str!("../../golden/shioaji.txt"),
        documents: 143,
        whole: false,
        live: 10,
    },
    Set {
        name: "alpaca-fixtures",
        golden: include_str!("../../golden/alpaca.txt"),
        documents: 507,
        whole: false,
        live: 125,
    },
    Set {
        name: "tw-exchange-fixtures",
        golden: include_str!("../../golden/tw-exchange.txt"),
        documents: 6,
        whole: true,
        live: 0,
    },
];

/// One printed message.
#[derive(Debug)]
pub struct Document {
    name: String,
    set: &'static str,
    message: Vec<u8>,
    outcome: &'static str,
    records: Vec<&'static str>,
}

impl Document {
    fn reader(&self) -> Box<dyn Dialect> {
        match self.set {
            "alpaca-fixtures" => Box::new(Alpaca),
            "shioaji-messages" => Box::new(Shioaji),
            _ => Box::new(Mis),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn set(&self) -> &'static str {
        self.set
    }

    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The message as a stream of its own; none where it is no JSON.
    pub fn stream(self) -> Option<Stream> {
        json::parse(&self.message).ok()?;
        let inputs = vec![Input { asked: None, recv: EpochNs(0), message: self.message.clone() }];
        Some(Stream { name: self.name.clone(), make: Box::new(move || self.reader()), inputs })
    }
}

/// Reads a set's messages beside their golden lines.
///
/// # Errors
/// A file that cannot be read, or a golden line that fits no message.
pub fn read(data: &Path, set: Set) -> Result<Vec<Document>, String> {
    let mut files: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    let mut documents = Vec::new();
    for golden in set.golden.lines() {
        let mut parts = golden.split('|');
        let (Some(file), Some(number), Some(outcome)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(format!("golden line {golden}: want three parts"));
        };
        if !files.contains_key(file) {
            let ending = if set.whole { "json" } else { "jsonl" };
            files.insert(file, source::lines(&data.join(set.name).join(format!("{file}.{ending}")))?);
        }
        let place: usize = number.parse().map_err(|_| format!("golden line {golden}: want a number"))?;
        let name = format!("{file} {number}");
        let text =
            files.get(file).and_then(|lines| lines.get(place)).ok_or(format!("{name}: not in the set"))?;
        if set.whole {
            let (message, records) = (text.clone(), parts.collect());
            documents.push(Document { name, set: set.name, message, outcome, records });
            continue;
        }
        let read = json::parse(text).map_err(|e| format!("{name}: {e}"))?;
        // The exact text where the source had it, else the parsed value.
        let message = match (read.get("raw").and_then(json::Json::str), read.get("body")) {
            (Some(raw), _) => raw.as_bytes().to_vec(),
            (None, Some(body)) => render::plain(body),
            (None, None) => return Err(format!("{name}: no message")),
        };
        documents.push(Document { name, set: set.name, message, outcome, records: parts.collect() });
    }
    Ok(documents)
}

/// Reads every message of a set and holds outcome and records against its golden line.
pub fn check(set: Set, documents: &[Document], plant: &mut Planted) -> Tally {
    let mut tally = Tally::default();
    for document in documents.iter().filter(|document| document.set == set.name) {
        let mut records = Vec::new();
        let outcome = document.reader().read(&document.message, EpochNs(0), &mut records);
        plant.records(&mut records);
        let name = outcome.map_or_else(|refusal| refusal.name(), |reading| reading.name());
        tally.outcome(name);
        tally.take(&document.name, verdict(document, name, &records));
    }
    tally
}

fn verdict(document: &Document, name: &str, records: &[Record]) -> Verdict {
    if document.outcome == "PRINTED_OBJECT" {
        // A printed object of a program is no message; a reader refuses it.
        return if name == Refusal::Malformed.name() {
            Ok(Some("PRINTED_OBJECT"))
        } else {
            Err(format!("{name}, want {}", Refusal::Malformed))
        };
    }
    if document.outcome == "TABLE_OF_A_MOCK" {
        // What a mock server looks its answers up in names no symbol, or holds the answers one level deeper.
        return if [Refusal::MissingField.name(), Refusal::UnknownEvent.name()].contains(&name) {
            Ok(Some("TABLE_OF_A_MOCK"))
        } else {
            Err(format!("{name}, want a refusal"))
        };
    }
    if name != document.outcome {
        return Err(format!("{name}, want {}", document.outcome));
    }
    let lines: Vec<String> = records.iter().map(line::of).collect();
    match lines.iter().zip(&document.records).find(|(have, want)| have != *want) {
        Some((have, want)) => Err(format!("{have}, want {want}")),
        None if lines.len() != document.records.len() => {
            Err(format!("{} records, want {}", lines.len(), document.records.len()))
        }
        None => Ok(None),
    }
}
