//! The WAL for JavaScript: which segments there are, one block at a time, and its verification. Read-only, takes no lock.

use crate::convert::{seq, seq_number};
use napi::bindgen_prelude::{AsyncTask, Buffer, Env, Error, Result, Status, Task};
use napi_derive::napi;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tidegate_wal::format::Item;
use tidegate_wal::{Block, DirStorage, Footer, RecordType, WalFault, WalReport};

fn failed(fault: WalFault) -> Error {
    Error::new(Status::GenericFailure, fault.to_string())
}

fn storage(dir: &Path) -> Result<DirStorage> {
    DirStorage::open_existing(dir).map_err(|error| failed(error.into()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The segments, oldest first: JSON `[{index, path, sealed, bytes}]`.
#[napi]
pub fn wal_segments(dir: String) -> Result<String> {
    let dir = PathBuf::from(dir);
    let found = tidegate_wal::segments(&storage(&dir)?).map_err(failed)?;
    let rows: Vec<Value> = found
        .iter()
        .map(|s| json!({ "index": s.index, "path": dir.join(&s.name).display().to_string(), "sealed": s.sealed, "bytes": s.bytes }))
        .collect();
    Ok(Value::Array(rows).to_string())
}

/// What stands at an offset of a segment.
#[napi(object)]
pub struct WalItem {
    /// "block", "footer" or "end".
    pub kind: String,
    /// JSON of the block or footer; "" at the end.
    pub meta: String,
    /// The payloads of a block's records, one after the other.
    pub payloads: Buffer,
    /// Where the next item stands.
    pub next: f64,
}

const fn type_name(kind: RecordType) -> &'static str {
    match kind {
        RecordType::Data => "DATA",
        RecordType::Gap => "GAP",
        RecordType::Mark => "MARK",
    }
}

fn block_item(block: &Block, next: u64) -> WalItem {
    let mut payloads = Vec::new();
    let mut rows = Vec::with_capacity(block.records.len());
    for record in &block.records {
        let payload = block.payload(record);
        rows.push(json!({
            "walSeq": record.wal_seq,
            "type": type_name(record.kind),
            "stream": record.stream,
            "epoch": record.epoch,
            "seq": record.seq,
            "tsNs": record.ts_ns.to_string(),
            "offset": payloads.len(),
            "length": payload.len(),
        }));
        payloads.extend_from_slice(payload);
    }
    let meta = json!({ "index": block.index, "crc": block.crc, "records": rows }).to_string();
    WalItem { kind: "block".into(), meta, payloads: payloads.into(), next: seq_number(next) }
}

fn footer_item(footer: &Footer, next: u64) -> WalItem {
    let streams: Vec<Value> = footer
        .streams
        .iter()
        .map(|((name, epoch), held)| {
            json!({ "name": name, "epoch": epoch, "records": held.records, "minSeq": held.min_seq, "maxSeq": held.max_seq })
        })
        .collect();
    let meta = json!({
        "records": footer.records,
        "blocks": footer.blocks,
        "firstWalSeq": footer.first_wal_seq,
        "hash": hex(&footer.hash),
        "streams": streams,
    });
    WalItem {
        kind: "footer".into(),
        meta: meta.to_string(),
        payloads: Vec::new().into(),
        next: seq_number(next),
    }
}

/// The block or footer at `offset` (0 = the first); "end" where nothing whole stands (yet).
#[napi]
pub fn wal_read_block(path: String, offset: f64) -> Result<WalItem> {
    let offset = seq(offset)?;
    let path = PathBuf::from(path);
    let parts = (path.parent(), path.file_name().and_then(|name| name.to_str()));
    let (Some(dir), Some(name)) = parts else {
        return Err(Error::new(Status::InvalidArg, format!("{} is no path of a segment", path.display())));
    };
    let item = tidegate_wal::read_block(&storage(dir)?, name, offset).map_err(failed)?;
    Ok(match item {
        Some((Item::Block(block), next)) => block_item(&block, next),
        Some((Item::Footer(footer), next)) => footer_item(&footer, next),
        None => {
            let (kind, meta) = ("end".into(), String::new());
            WalItem { kind, meta, payloads: Vec::new().into(), next: seq_number(offset) }
        }
    })
}

fn report_json(report: &WalReport) -> Value {
    let streams: Vec<Value> = report
        .streams
        .iter()
        .map(|((name, epoch), s)| {
            json!({ "name": name, "epoch": epoch, "records": s.records, "data": s.data, "missing": s.missing,
                "unaccounted": s.unaccounted, "duplicates": s.duplicates, "lastSeq": s.last_seq, "closed": s.closed })
        })
        .collect();
    json!({
        "ok": report.ok(),
        "records": report.records,
        "segments": report.segments,
        "sealed": report.sealed,
        "blocks": report.blocks,
        "gapsUnaccounted": report.gaps_unaccounted,
        "gapsAccounted": report.missing,
        "duplicates": report.duplicates,
        "unfinishedBytes": report.unfinished_bytes,
        "faultsTotal": report.faults_total,
        "faults": report.faults,
        "streams": streams,
    })
}

fn verified(dir: &Path) -> Result<String> {
    let report = tidegate_wal::verify(&storage(dir)?).map_err(failed)?;
    Ok(report_json(&report).to_string())
}

/// Proves the whole WAL; JSON of the report. Blocks the caller: seconds for gigabytes.
#[napi]
pub fn wal_verify(dir: String) -> Result<String> {
    verified(Path::new(&dir))
}

pub struct VerifyTask(PathBuf);

impl Task for VerifyTask {
    type Output = String;
    type JsValue = String;
    fn compute(&mut self) -> Result<String> {
        verified(&self.0)
    }
    fn resolve(&mut self, _: Env, output: String) -> Result<String> {
        Ok(output)
    }
}

/// The same away from the event loop.
#[napi(ts_return_type = "Promise<string>")]
pub fn wal_verify_async(dir: String) -> AsyncTask<VerifyTask> {
    AsyncTask::new(VerifyTask(PathBuf::from(dir)))
}
