//! A session decided once more: the gateway's core is given every event of its input logs, and what it writes is held against the
//! journal, record by record and byte by byte.

use super::archive::DiskArchive;
use super::inputs::{self, Life};
use super::limits::{RECOVER_CHUNK, REPLAY_RECORDS_MAX};
use super::{JOURNAL, KIND_ENVELOPE};
use crate::{Fault, read_table};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use tidegate_instruments::Table;
use tidegate_journal::Reader;
use tidegate_risk::{Event, Gateway, Limits};
use tidegate_wire::approval::Approver;
use tidegate_wire::envelope;
use tidegate_wire::pb::envelope::v1::envelope::Payload;

/// What a replay is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub journal_dir: PathBuf,
    pub input_log_dir: PathBuf,
    pub instruments_file: PathBuf,
    pub limits_file: PathBuf,
    #[serde(default)]
    pub approval_key_file: PathBuf,
    /// A folder for outcomes that leave the core's memory.
    pub scratch_dir: PathBuf,
    /// A fault to plant, at the middle one of the intents of the longest life that the journal has.
    #[serde(default)]
    pub plant: Option<Plant>,
}

/// What a replay must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plant {
    /// An intent is not given.
    Drop,
    /// An intent comes after the report that follows it.
    Reorder,
    /// A reference price is a hundredth higher.
    Price,
}

/// The intents a journal has, each by both halves of its id: what was answered without a record leaves none to differ.
fn decided(journal: &[Vec<u8>]) -> HashSet<(u64, u64)> {
    let intent = |bytes: &Vec<u8>| match envelope::decode(bytes).ok()?.payload? {
        Payload::Intent(intent) => intent.intent_id.map(|id| (id.hi, id.lo)),
        _ => None,
    };
    journal.iter().filter_map(intent).collect()
}

fn plant(events: &mut Vec<(tidegate_risk::Now, Event)>, plant: Plant, decided: &HashSet<(u64, u64)>) -> bool {
    let kept = |(_, event): &(_, Event)| match event {
        Event::Intent { intent, .. } => intent.intent_id.is_some_and(|id| decided.contains(&(id.hi, id.lo))),
        _ => false,
    };
    let intents: Vec<usize> =
        events.iter().enumerate().filter(|(_, event)| kept(event)).map(|(at, _)| at).collect();
    let Some(&at) = intents.get(intents.len() / 2) else { return false };
    match plant {
        Plant::Drop => drop(events.remove(at)),
        Plant::Reorder => {
            let report = |(_, event): &(_, Event)| matches!(event, Event::Report { .. });
            let Some(to) = events.iter().skip(at).position(report).map(|to| to + at) else { return false };
            let moved = events.remove(at);
            events.insert(to, moved);
        }
        Plant::Price => {
            for (_, event) in events.iter_mut().take(at).rev().take(1_000) {
                if let Event::Reference { bid_px_ticks, ask_px_ticks, .. } = event {
                    for px in [bid_px_ticks, ask_px_ticks].into_iter().flatten() {
                        *px += *px / 100;
                    }
                }
            }
        }
    }
    true
}

/// The journal's records, whole.
fn records(config: &Config) -> Result<Vec<Vec<u8>>, Fault> {
    let mut reader = Reader::open(&config.journal_dir, JOURNAL)?;
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        let before = all.len();
        let mut strange = None;
        reader.read_from(before as u64, RECOVER_CHUNK, |record| {
            if record.kind != KIND_ENVELOPE {
                strange = Some(record.seq);
            }
            all.push(record.payload.to_vec());
        })?;
        if let Some(seq) = strange {
            return Err(Fault(format!("record {seq} of the journal is of a kind this code does not write")));
        }
        if all.len() > REPLAY_RECORDS_MAX {
            return Err(Fault(format!(
                "the journal has more than {REPLAY_RECORDS_MAX} records: replay a shorter session"
            )));
        }
        if all.len() == before {
            return Ok(all);
        }
    }
}

fn core(config: &Config, table: &Table, limits: &Limits, life: &Life) -> Result<Gateway, Fault> {
    let mut core = Gateway::new(table.clone(), limits.clone(), life.header.holder);
    if let Some(key) = crate::approval_key::read(&config.approval_key_file)? {
        core = core.with_approver(Approver::new(key));
    }
    let archive = DiskArchive::create(&config.scratch_dir.join("outcomes"))?;
    Ok(core.with_archive(Box::new(archive)))
}

fn fold(core: &mut Gateway, records: &[Vec<u8>]) -> Result<(), Fault> {
    for bytes in records {
        let record = envelope::decode(bytes).map_err(|refusal| Fault(refusal.to_string()))?;
        core.recover(&record).map_err(|fault| Fault(fault.to_string()))?;
    }
    Ok(())
}

/// What one life came to.
#[derive(Debug, Default)]
struct Told {
    events: u64,
    intents: BTreeMap<u32, u64>,
    records: u64,
    unequal: u64,
    ahead: u64,
    first: Option<String>,
}

impl Told {
    fn differs(&mut self, what: impl FnOnce() -> String) {
        self.unequal += 1;
        self.first.get_or_insert_with(what);
    }
}

/// Gives the core the events of one life; `end` is the last record the journal has of it.
fn live(
    core: &mut Gateway,
    life: &Life,
    journal: &[Vec<u8>],
    end: u64,
    hash: &mut blake3::Hasher,
) -> Result<Told, Fault> {
    let mut told = Told::default();
    let (mut out, mut bytes, mut last) = (Vec::new(), Vec::new(), life.header.log_seq);
    for (now, event) in &life.events {
        told.events += 1;
        if let Event::Intent { principal, .. } = event {
            *told.intents.entry(principal.0).or_default() += 1;
        }
        core.apply(*now, event.clone(), &mut out).map_err(|fault| Fault(fault.to_string()))?;
        for effect in out.drain(..).filter(|effect| effect.journal) {
            let seq = effect.envelope.log_seq;
            last = last.max(seq);
            if seq > end {
                // Decided, and the process was killed before the journal had it.
                told.ahead += 1;
                continue;
            }
            told.records += 1;
            bytes.clear();
            envelope::append_to(&mut bytes, &effect.envelope);
            hash.update(&bytes);
            let there = usize::try_from(seq).ok().and_then(|seq| journal.get(seq.checked_sub(1)?));
            if there != Some(&bytes) {
                told.differs(|| {
                    let was = there.and_then(|there| envelope::decode(there).ok()).and_then(|e| e.payload);
                    format!("record {seq}: decided {:?}, the journal has {was:?}", effect.envelope.payload)
                });
            }
        }
    }
    for seq in last + 1..=end {
        told.differs(|| {
            format!("record {seq} of the journal is decided by no event of {}", life.path.display())
        });
    }
    Ok(told)
}

/// Decides a session once more and holds it against its journal.
///
/// # Errors
/// The configuration, a file it names, the journal or a log is refused; or the core refuses what it wrote.
pub fn replay(config: &str) -> Result<Value, Fault> {
    let config: Config =
        serde_json::from_str(config).map_err(|error| Fault(format!("replay configuration: {error}")))?;
    let table = read_table(&config.instruments_file)?;
    let shown = config.limits_file.display();
    let bytes = std::fs::read(&config.limits_file).map_err(|error| {
        Fault(format!("cannot read the limits {shown}: {error}; name a file that is there"))
    })?;
    let limits =
        Limits::from_json(&bytes, &table).map_err(|error| Fault(format!("limits {shown}: {error}")))?;
    let journal = records(&config)?;
    let mut lives = inputs::files(&config.input_log_dir)?
        .iter()
        .map(|path| inputs::read(path))
        .collect::<Result<Vec<_>, _>>()?;
    if lives.is_empty() {
        let dir = config.input_log_dir.display();
        return Err(Fault(format!(
            "{dir} has no input log of a gateway: run the session with inputLogDir set"
        )));
    }
    let mut planted = false;
    if let (Some(fault), Some(longest)) =
        (config.plant, lives.iter_mut().max_by_key(|life| life.events.len()))
    {
        planted = plant(&mut longest.events, fault, &decided(&journal));
    }
    let starts: Vec<u64> =
        lives.iter().map(|life| life.header.log_seq).chain([journal.len() as u64]).collect();
    let (mut live_hash, mut replay_hash) = (blake3::Hasher::new(), blake3::Hasher::new());
    let (mut all, mut states_unequal, mut torn) = (Told::default(), 0_u64, 0_usize);
    for (at, life) in lives.iter().enumerate() {
        let end = starts.get(at + 1).copied().unwrap_or(0);
        let part = |from: u64, to: u64| {
            let place = |seq: u64| usize::try_from(seq).unwrap_or(usize::MAX);
            journal.get(place(from)..place(to)).ok_or_else(|| {
                Fault(format!(
                    "{} begins at record {from}, the journal ends at {}",
                    life.path.display(),
                    journal.len()
                ))
            })
        };
        let mut gateway = core(&config, &table, &limits, life)?;
        fold(&mut gateway, part(0, life.header.log_seq)?)?;
        states_unequal += u64::from(gateway.state().hash() != life.header.state_hash);
        let told = live(&mut gateway, life, &journal, end, &mut replay_hash)?;
        for bytes in part(life.header.log_seq, end)? {
            live_hash.update(bytes);
        }
        if told.ahead == 0 {
            // The state the events led to is the one the journal alone leads to.
            let mut folded = core(&config, &table, &limits, life)?;
            fold(&mut folded, part(0, end)?)?;
            states_unequal += u64::from(folded.state().hash() != gateway.state().hash());
        }
        torn += life.torn;
        all.events += told.events;
        all.records += told.records;
        all.unequal += told.unequal;
        all.ahead += told.ahead;
        all.first = all.first.or(told.first);
        for (strategy, intents) in told.intents {
            *all.intents.entry(strategy).or_default() += intents;
        }
    }
    Ok(json!({
        "lives": lives.len(), "events": all.events, "intents": all.intents, "records": all.records, "unequal": all.unequal,
        "statesUnequal": states_unequal, "ahead": all.ahead, "tornBytes": torn, "first": all.first, "planted": planted,
        "liveHash": live_hash.finalize().to_hex().to_string(), "replayHash": replay_hash.finalize().to_hex().to_string(),
    }))
}

/// The intents a gateway was given, in order, of one strategy or of all: `[strategy, intent id as hex, kind, instrument, side, order
/// type, tif, px, qty, target as hex]` each, numbers as they stand in the message.
///
/// # Errors
/// A log is refused.
pub fn intents(input_log_dir: &str) -> Result<Value, Fault> {
    let mut rows = Vec::new();
    for path in inputs::files(input_log_dir.as_ref())? {
        for (_, event) in inputs::read(&path)?.events {
            let Event::Intent { principal, intent, .. } = event else { continue };
            let hex = |id: Option<tidegate_wire::pb::common::v1::IntentId>| {
                id.map_or_else(String::new, |id| format!("{:016x}{:016x}", id.hi, id.lo))
            };
            rows.push(json!([
                principal.0,
                hex(intent.intent_id),
                intent.kind,
                intent.instrument_id,
                intent.side,
                intent.order_type,
                intent.tif,
                intent.px_ticks,
                intent.qty_lots,
                hex(intent.target_intent_id),
            ]));
        }
    }
    Ok(Value::Array(rows))
}
