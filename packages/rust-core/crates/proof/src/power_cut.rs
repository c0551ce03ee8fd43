//! `power-cut write` and `power-cut judge`: the two sides of a power cut under a WAL and an audit trail on a disk of their own.
//!
//! The writer says on its output what is safe, flush by flush, until the disk goes from under it. The judge opens what is left.

use crate::args::Args;
use crate::report::Report;
use std::io::Write;
use std::path::Path;
use tidegate_audit::{AuditConfig, AuditLog, Entry, SigningKey, digest, read_from, verify as audit_verify};
use tidegate_wal::format::Item;
use tidegate_wal::{
    Compression, DirStorage, RecordType, Wal, WalConfig, read_block, segments, verify as wal_verify,
};

const STREAMS: [&str; 3] = ["md.1.1.top.", "md.2.2.trade.", "gateway.journal"];
/// Small, so that rounds of a second cut into sealing and making segments too.
const SEGMENT_BYTES: u64 = 256 << 10;

fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 31)
}

fn payload(wal_seq: u64) -> Vec<u8> {
    let random = mix(wal_seq);
    (0..random % 700).map(|at| mix(wal_seq ^ (at << 40)) as u8).collect()
}

fn entry(seq: u64) -> Entry<'static> {
    Entry {
        ts_utc_ns: seq.cast_signed(),
        ts_mono_ns: seq,
        epoch: 1,
        actor: "drill",
        action: "power-cut",
        reason: "",
        before: [0; 32],
        after: digest(&seq.to_le_bytes()),
    }
}

fn open(dir: &Path) -> Result<(Wal<DirStorage>, AuditLog<DirStorage>), String> {
    let place = |name: &str| DirStorage::open(&dir.join(name)).map_err(|e| e.to_string());
    let config = WalConfig {
        segment_bytes: SEGMENT_BYTES,
        power_safe: true,
        compression: Compression::Lz4,
        ..WalConfig::default()
    };
    let (wal, _) = Wal::open(place("wal")?, config).map_err(|e| e.to_string())?;
    let mut config = AuditConfig::new(SigningKey::from_seed(&[9; 32]).map_err(|e| e.to_string())?);
    config.segment_bytes = SEGMENT_BYTES;
    let (audit, _) =
        AuditLog::open(place("audit")?, place("audit-copy")?, config).map_err(|e| e.to_string())?;
    Ok((wal, audit))
}

fn dir(args: &Args) -> Result<std::path::PathBuf, String> {
    args.text("dir").map(Into::into).ok_or_else(|| "--dir: want a folder on the disk to cut".into())
}

/// Writes until the disk refuses, a line `wal audit` after each commit: the last record of each that is safe.
///
/// # Errors
/// Always in the end: the disk refuses.
pub fn write(args: &Args) -> Result<Report, String> {
    let dir = dir(args)?;
    args.done()?;
    let (mut wal, mut audit) = open(&dir)?;
    let mut out = std::io::stdout().lock();
    loop {
        // From a single record to a flush of several blocks.
        let flush = 1 + mix(wal.last_wal_seq()) % 3 * 150;
        let mut wal_seq = 0;
        for _ in 0..flush {
            let n = wal.last_wal_seq() + 1;
            let stream = STREAMS[n as usize % 3];
            wal_seq = wal
                .append(RecordType::Data, stream, 1, n.div_ceil(3), 0, &payload(n))
                .map_err(|e| e.to_string())?;
        }
        if wal.flush().map_err(|e| e.to_string())? != wal_seq {
            return Err("a flush that does not cover its records".into());
        }
        let seq = audit.last_seq() + 1;
        audit.append(&entry(seq)).map_err(|e| e.to_string())?;
        audit.commit(0, seq * 100_000_000).map_err(|e| e.to_string())?;
        writeln!(out, "{wal_seq} {seq}").and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    }
}

/// Opens what is left, as a restart does, and holds it against what was said to be safe: `--wal N`, `--audit N`.
///
/// # Errors
/// A flag that cannot be read, a WAL or a trail that does not open.
pub fn judge(args: &Args) -> Result<Report, String> {
    let dir = dir(args)?;
    let acked: u64 = args.get("wal", 0)?;
    let audited: u64 = args.get("audit", 0)?;
    args.done()?;
    drop(open(&dir)?);
    let storage = DirStorage::open_existing(&dir.join("wal")).map_err(|e| e.to_string())?;
    let (mut found, mut wrong) = (0_u64, 0_u64);
    for segment in segments(&storage).map_err(|e| e.to_string())? {
        let mut offset = 0;
        while let Some((Item::Block(block), next)) =
            read_block(&storage, &segment.name, offset).map_err(|e| e.to_string())?
        {
            for record in &block.records {
                found += 1;
                wrong += u64::from(record.wal_seq != found || block.payload(record) != payload(found));
            }
            offset = next;
        }
    }
    let report = wal_verify(&storage).map_err(|e| e.to_string())?;
    let places = ["audit", "audit-copy"].map(|name| DirStorage::open_existing(&dir.join(name)));
    let [Ok(first), Ok(second)] = places else { return Err("the audit trail is gone".into()) };
    let key = SigningKey::from_seed(&[9; 32]).map_err(|e| e.to_string())?.public();
    let trail = audit_verify(&first, Some(&second), key).map_err(|e| e.to_string())?;
    read_from(&first, 0, usize::MAX, |record| wrong += u64::from(record.entry != entry(record.seq)))
        .map_err(|e| e.to_string())?;
    let mut out = Report::new();
    let lost = acked.saturating_sub(found) + audited.saturating_sub(trail.records);
    out.check("acknowledged_lost", lost, "=", 0, "");
    out.check("records_wrong", wrong + report.faults_total + u64::from(!trail.ok()), "=", 0, "");
    out.figure("wal_records", found);
    out.figure("audit_records", trail.records);
    out.figure("beyond_the_acknowledged", found.saturating_sub(acked));
    Ok(out)
}
