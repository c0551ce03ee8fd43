//! The audit trail for JavaScript: its proof and its records. Read-only, takes no lock.

use crate::convert::seq;
use napi::bindgen_prelude::{Error, Result, Status};
use napi_derive::napi;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use tidegate_audit::{AuditFault, DirStorage, PublicKey};

fn failed(fault: AuditFault) -> Error {
    Error::new(Status::GenericFailure, fault.to_string())
}

fn storage(dir: &str) -> Result<DirStorage> {
    DirStorage::open_existing(Path::new(dir)).map_err(|error| failed(error.into()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Proves a trail, with its second copy where one is given; `key` is the 32 bytes of the public key. JSON of the report.
#[napi]
pub fn audit_verify(dir: String, copy: Option<String>, key: &[u8]) -> Result<String> {
    let key: [u8; 32] = key.try_into().map_err(|_| {
        Error::new(Status::InvalidArg, format!("a public key of {} bytes: want 32", key.len()))
    })?;
    let copy = copy.as_deref().map(storage).transpose()?;
    let report = tidegate_audit::verify(&storage(&dir)?, copy.as_ref(), PublicKey(key)).map_err(failed)?;
    let bad = report.first_bad.as_ref().map(|bad| json!({ "seq": bad.seq, "what": bad.what }));
    let value = json!({
        "ok": report.ok(),
        "records": report.records,
        "segments": report.segments,
        "checkpoints": report.checkpoints,
        "signedSeq": report.signed_seq,
        "unfinishedBytes": report.unfinished_bytes,
        "firstBad": bad,
        "faults": report.faults,
    });
    Ok(value.to_string())
}

/// Up to `max` records after `after_seq`, oldest first: JSON `[{seq, tsUtcNs, tsMonoNs, epoch, actor, action, reason, before, after,
/// hash}]`, the 64-bit times as text.
#[napi]
pub fn audit_read(dir: String, after_seq: f64, max: u32) -> Result<String> {
    let mut rows: Vec<Value> = Vec::new();
    tidegate_audit::read_from(&storage(&dir)?, seq(after_seq)?, max as usize, |record| {
        let entry = &record.entry;
        rows.push(json!({
            "seq": record.seq,
            "tsUtcNs": entry.ts_utc_ns.to_string(),
            "tsMonoNs": entry.ts_mono_ns.to_string(),
            "epoch": entry.epoch,
            "actor": entry.actor,
            "action": entry.action,
            "reason": entry.reason,
            "before": hex(&entry.before),
            "after": hex(&entry.after),
            "hash": hex(&record.hash),
        }));
    })
    .map_err(failed)?;
    Ok(Value::Array(rows).to_string())
}
