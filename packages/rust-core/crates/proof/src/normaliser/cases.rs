//! `normaliser-cases`: raw messages beside the records of a mature normaliser.

use super::compare::{self, Used};
use super::plant::Planted;
use super::readers;
use super::render;
use super::source;
use super::tally::{Tally, Verdict};
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_dialects::json::{self, Json};
use tidegate_dialects::time::from_rfc3339;
use tidegate_dialects::{Dialect, Quiet, Reading, Record, Refusal};
use tidegate_units::EpochNs;

/// Cases the set has.
pub const CASES: u64 = 434;

/// One case, as it is fed.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub exchange: String,
    /// Cases of one group share a reader; a group's feed may begin again on a later day.
    pub group: String,
    pub since: String,
    /// The reference's state begins anew here though its group goes on.
    pub anew: bool,
    pub recv: EpochNs,
    pub message: Vec<u8>,
    /// The line's own text, which holds the expected records.
    pub line: Vec<u8>,
}

/// Groups whose state begins anew, and from which case.
const ANEW: &[(&str, u64)] = &[("map aster futures messages", 7)];

/// Reads all cases in the order of the file.
///
/// # Errors
/// A file or a line that cannot be read.
pub fn read(data: &Path) -> Result<Vec<Case>, String> {
    let path = data.join("normaliser-cases/cases.jsonl.gz");
    let mut cases = Vec::new();
    for line in source::lines(&path)? {
        let fault = |e: Refusal| format!("{}: case {}: {e}", path.display(), cases.len());
        let read = json::parse(&line).map_err(fault)?;
        let since = read.word("mapper_start").get(..10).unwrap_or("").to_string();
        let message = render::plain(read.need("message").map_err(fault)?);
        // The expected records of these cases forget what an earlier case of their group has said.
        let anew = ANEW.iter().any(|(group, from)| {
            read.word("state_group") == *group
                && read.get("seq").and_then(|n| n.id().ok()).is_some_and(|n| n >= *from)
        });
        cases.push(Case {
            name: read.word("case").to_string(),
            exchange: read.word("exchange").to_string(),
            group: format!("{} {since} {anew}", read.word("state_group")),
            anew,
            since,
            recv: from_rfc3339(read.word("local_timestamp")).map_err(fault)?,
            message,
            line,
        });
    }
    Ok(cases)
}

/// Feeds every case and holds the records against the expected ones.
///
/// # Errors
/// An exchange without a reader, or a line that cannot be read.
pub fn check(cases: &[Case], plant: &mut Planted) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut groups: BTreeMap<&str, Box<dyn Dialect>> = BTreeMap::new();
    for case in cases {
        let reader = match groups.entry(&case.group) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => free.insert(
                readers::of_case(&case.exchange, &case.since)
                    .ok_or_else(|| format!("{}: no reader of {}", case.name, case.exchange))?,
            ),
        };
        let mut records = Vec::new();
        let outcome = reader.read(&case.message, case.recv, &mut records);
        plant.records(&mut records);
        tally.outcome(match &outcome {
            Ok(reading) => reading.name(),
            Err(refusal) => refusal.name(),
        });
        tally.take(&case.name, verdict(case, &outcome, &records)?);
    }
    Ok(tally)
}

fn verdict(case: &Case, outcome: &Result<Reading, Refusal>, records: &[Record]) -> Result<Verdict, String> {
    let read = json::parse(&case.line).map_err(|e| format!("{}: {e}", case.name))?;
    let expected = read.get("expected").and_then(|list| list.items().ok()).unwrap_or(&[]);
    Ok(hold(case, outcome, records, expected))
}

fn hold(
    case: &Case,
    outcome: &Result<Reading, Refusal>,
    records: &[Record],
    expected: &[Json<'_>],
) -> Verdict {
    let name = outcome.map_or_else(|refusal| refusal.name(), |reading| reading.name());
    if records.is_empty() && !expected.is_empty() {
        return missing(case, outcome, expected)
            .ok_or_else(|| format!("{name}, want {} records", expected.len()));
    }
    if records.len() != expected.len() {
        return Err(format!("{name}: {} records, want {}: {records:?}", records.len(), expected.len()));
    }
    if expected.is_empty() {
        // No record is wanted: the reader must say why by name, and know the message.
        return match outcome {
            Ok(Reading::Quiet(_)) | Err(Refusal::UnknownChannel) => Ok(None),
            _ => Err(format!("{name}, want a message that is known and gives nothing")),
        };
    }
    let mut used = Used::default();
    for (record, want) in records.iter().zip(expected) {
        compare::record(record, want, case.recv, stamps_receipt(&case.exchange, record), &mut used)?;
    }
    if case.anew && records.iter().any(|record| matches!(record, Record::Derivative(_))) {
        used.rule("STATE_BEGINS_ANEW");
    }
    Ok(used.0.first().copied())
}

/// Messages whose own time the reference leaves out: snapshots of KuCoin that were fetched, book changes of Binance DEX.
fn stamps_receipt(exchange: &str, record: &Record) -> bool {
    match record {
        Record::Book(book) => {
            (exchange == "kucoin" && book.snapshot) || (exchange == "binance-dex" && !book.snapshot)
        }
        _ => false,
    }
}

/// Records that the reference has and we have not, where a rule says so.
fn missing(
    case: &Case,
    outcome: &Result<Reading, Refusal>,
    expected: &[Json<'_>],
) -> Option<Option<&'static str>> {
    let quiet = match outcome {
        Ok(Reading::Quiet(quiet)) => *quiet,
        _ => return None,
    };
    let kinds = |kind: &str| expected.iter().all(|each| each.word("type") == kind);
    if quiet == Quiet::NotCarried && kinds("option_summary") {
        return Some(Some("OPTION_SUMMARY_NOT_CARRIED"));
    }
    if quiet == Quiet::Buffered && case.exchange == "aster-futures" && kinds("book_change") {
        return absent_input(case, expected).then_some(Some("ABSENT_INPUT"));
    }
    if quiet == Quiet::OtherChannel && case.exchange == "okex-futures" && kinds("liquidation") {
        return alone(case, &mut readers::okex_liquidations(), expected)
            .then_some(Some("OTHER_SUBSCRIPTION"));
    }
    None
}

/// The set lacks four inputs of this group, the snapshot among them. A reader that has been given a snapshot at the id
/// before this change must give the expected record.
fn absent_input(case: &Case, expected: &[Json<'_>]) -> bool {
    let Ok(message) = json::parse(&case.message) else { return false };
    let Some((symbol, before)) =
        message.get("data").and_then(|data| Some((data.word("s"), data.get("pu")?.id().ok()?)))
    else {
        return false;
    };
    let Some(mut reader) = readers::of_case(&case.exchange, &case.since) else { return false };
    let snapshot = format!("{{\"lastUpdateId\":{before},\"bids\":[],\"asks\":[]}}");
    let mut unused = Vec::new();
    let _ = reader.read_fetched(symbol, snapshot.as_bytes(), case.recv, &mut unused);
    alone(case, reader.as_mut(), expected)
}

/// Whether a reader gives exactly the expected records for this case's message.
fn alone(case: &Case, reader: &mut dyn Dialect, expected: &[Json<'_>]) -> bool {
    let mut records = Vec::new();
    let _ = reader.read(&case.message, case.recv, &mut records);
    let mut used = Used::default();
    records.len() == expected.len()
        && records
            .iter()
            .zip(expected)
            .all(|(record, want)| compare::record(record, want, case.recv, false, &mut used).is_ok())
        && used.0.is_empty()
}
