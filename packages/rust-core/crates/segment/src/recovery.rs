//! What a restart concludes from the bytes it finds.

use crate::fault::LogFault;
use crate::format::{
    Defect, Record, SegmentHeader, decode_record, kind, segment_index, segment_name, stream_id,
};
use crate::limits::{RECORD_ALIGN, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENT_HEADER_BYTES};
use crate::storage::Storage;
use tidegate_mutants::{Bug, planted};

/// What is known about one place of a segment. Where no record stands, sequence and epoch are read as false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "the columns of a decision table")]
pub struct Evidence {
    /// The header of the segment is ours, whole, and continues the segment before.
    pub header_ok: bool,
    /// A record with a matching checksum stands here.
    pub record_ok: bool,
    /// It follows the record before it by number and by chain.
    pub seq_contiguous: bool,
    /// Its epoch is not lower than the one before.
    pub epoch_monotone: bool,
    /// A whole record of a later commit stands further on.
    pub valid_later: bool,
}

/// What to do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Take the record.
    Accept,
    /// The log ends here; bytes after it are a commit that was never acknowledged.
    Truncate,
    /// A segment header is made whole before its file gets its name, so this is damage.
    RefuseHeader,
    /// A whole record in the wrong place: a lost, repeated or foreign write.
    RefuseSequence,
    /// A writer that had been replaced wrote on.
    RefuseEpoch,
    /// A commit begins only after the one before is safe, so a hole before a later commit is damage to what was acknowledged.
    RefuseHole,
}

/// The decision table of recovery: 32 rows, each tested.
pub const fn decide(evidence: Evidence) -> Verdict {
    let Evidence { header_ok, record_ok, seq_contiguous, epoch_monotone, valid_later } = evidence;
    match (header_ok, record_ok, seq_contiguous, epoch_monotone, valid_later) {
        (false, _, _, _, _) => Verdict::RefuseHeader,
        (true, true, true, true, _) => Verdict::Accept,
        (true, true, false, _, _) => Verdict::RefuseSequence,
        (true, true, true, false, _) => Verdict::RefuseEpoch,
        (true, false, _, _, true) => Verdict::RefuseHole,
        (true, false, _, _, false) => Verdict::Truncate,
    }
}

/// The tail a crash left behind and recovery cuts off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub path: String,
    /// Where the log ends in it.
    pub offset: u64,
    /// Bytes from there to the last that is not zero.
    pub bytes: u64,
}

/// What opening a log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Seq of the last record, 0 when there is none.
    pub last_seq: u64,
    /// Highest epoch found, 0 in an empty log.
    pub epoch: u32,
    /// Segments there are.
    pub segments: u64,
    /// An unacknowledged tail that is cut off.
    pub torn: Option<Torn>,
    /// The last writer closed in order.
    pub clean: bool,
}

/// Where the next record goes.
#[derive(Debug)]
pub(crate) struct TailState {
    pub index: u64,
    pub offset: u64,
    pub segment_bytes: u64,
    pub prev_crc: u32,
    pub hasher: blake3::Hasher,
}

struct Chain {
    next_seq: u64,
    prev_crc: u32,
    epoch: u32,
    clean: bool,
}

/// Indices of the segments in the directory, ascending.
pub(crate) fn segments<S: Storage>(storage: &S) -> Result<Vec<u64>, LogFault> {
    Ok(storage.list()?.iter().filter_map(|name| segment_index(name)).collect())
}

/// Whether a whole record that belongs to a commit begun after `hole` stands beyond it.
fn later_commit(bytes: &[u8], hole: usize, stream: u32) -> bool {
    let mut at = hole + RECORD_ALIGN;
    while at + RECORD_ALIGN <= bytes.len() {
        if let Ok(framed) = decode_record(&bytes[at..], stream)
            && at.checked_sub(framed.batch_offset as usize).is_some_and(|start| start > hole)
        {
            return true;
        }
        at += RECORD_ALIGN;
    }
    false
}

/// Reads a whole log without changing it and hands each record to `each`.
///
/// # Errors
/// The disk fails, or the bytes are what no crash can leave behind.
pub fn scan<S: Storage>(
    storage: &S,
    stream: &str,
    cluster: [u8; 16],
    mut each: impl FnMut(Record<'_>),
) -> Result<Recovery, LogFault> {
    scan_tail(storage, stream, cluster, &mut each).map(|(recovery, _)| recovery)
}

pub(crate) fn scan_tail<S: Storage>(
    storage: &S,
    stream: &str,
    cluster: [u8; 16],
    each: &mut dyn FnMut(Record<'_>),
) -> Result<(Recovery, Option<TailState>), LogFault> {
    let indices = segments(storage)?;
    let id = stream_id(stream);
    let mut chain = Chain { next_seq: 1, prev_crc: 0, epoch: 0, clean: false };
    let mut prev_hash = [0; 32];
    let mut torn = None;
    let mut tail = None;
    let mut bytes = Vec::new();
    for (place, &index) in indices.iter().enumerate() {
        let name = segment_name(index);
        let damaged = |offset: usize, what: String| LogFault::Damaged {
            path: storage.path(&name),
            offset: offset as u64,
            what,
        };
        if index != place as u64 {
            return Err(damaged(0, format!("segment {place} before it is missing")));
        }
        let len = storage.len(&name)?;
        if len > SEGMENT_BYTES_MAX {
            return Err(damaged(0, format!("{len} bytes are more than a segment may have")));
        }
        storage.read(&name, 0, len as usize, &mut bytes)?;
        let header = SegmentHeader::decode(&bytes);
        let defect = match &header {
            Err(what) => Some(what.clone()),
            Ok(h) => header_defect(h, stream, cluster, index, len, &chain, &prev_hash),
        };
        if let Some(what) = defect {
            return Err(damaged(0, what));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes[..SEGMENT_HEADER_BYTES as usize]);
        chain.epoch = chain.epoch.max(header.map_or(0, |h| h.epoch));
        let end = walk(&bytes, id, &mut chain, &mut hasher, each).map_err(|(at, what)| damaged(at, what))?;
        let rest = &bytes[end..];
        let dirty = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if dirty > 0 {
            if place + 1 < indices.len() {
                return Err(damaged(end, "a damaged record before a later segment".into()));
            }
            torn = Some(Torn { path: storage.path(&name), offset: end as u64, bytes: dirty as u64 });
            chain.clean = false;
        }
        prev_hash = *hasher.finalize().as_bytes();
        tail = Some(TailState {
            index,
            offset: end as u64,
            segment_bytes: len,
            prev_crc: chain.prev_crc,
            hasher,
        });
    }
    let recovery = Recovery {
        last_seq: chain.next_seq - 1,
        epoch: chain.epoch,
        segments: indices.len() as u64,
        torn,
        clean: chain.clean,
    };
    Ok((recovery, tail))
}

fn header_defect(
    header: &SegmentHeader,
    stream: &str,
    cluster: [u8; 16],
    index: u64,
    len: u64,
    chain: &Chain,
    prev_hash: &[u8; 32],
) -> Option<String> {
    let SegmentHeader { stream: name, epoch, first_seq, segment_bytes, .. } = header;
    if name != stream || header.cluster != cluster {
        return Some(format!("it belongs to stream {name:?} or to another cluster, not to {stream:?}"));
    }
    if header.index != index {
        return Some(format!("it says it is segment {}", header.index));
    }
    if *segment_bytes != len || len < SEGMENT_BYTES_MIN {
        return Some(format!("it has {len} bytes where {segment_bytes} were reserved"));
    }
    if *first_seq != chain.next_seq {
        return Some(format!("it begins with record {first_seq} where {} is due", chain.next_seq));
    }
    if header.prev_crc != chain.prev_crc || header.prev_hash != *prev_hash {
        return Some("it does not continue the segment before it (hash)".into());
    }
    if *epoch < chain.epoch {
        return Some(format!("its epoch {epoch} is lower than {} before it", chain.epoch));
    }
    None
}

/// Takes records until the log ends; returns where. The error is an offset and what is wrong there.
fn walk(
    bytes: &[u8],
    stream: u32,
    chain: &mut Chain,
    hasher: &mut blake3::Hasher,
    each: &mut dyn FnMut(Record<'_>),
) -> Result<usize, (usize, String)> {
    let mut at = SEGMENT_HEADER_BYTES as usize;
    while at < bytes.len() {
        let decoded = decode_record(&bytes[at..], stream);
        let mut evidence = Evidence {
            header_ok: true,
            record_ok: decoded.is_ok(),
            seq_contiguous: false,
            epoch_monotone: false,
            valid_later: false,
        };
        if let Ok(framed) = &decoded {
            let user = (kind::USER_MIN..=kind::USER_MAX).contains(&framed.record.kind);
            let due = if user { chain.next_seq } else { chain.next_seq - 1 };
            evidence.seq_contiguous = framed.record.seq == due && framed.prev == chain.prev_crc;
            evidence.epoch_monotone = framed.record.epoch >= chain.epoch;
        } else {
            evidence.valid_later = later_commit(bytes, at, stream);
        }
        let verdict = match decide(evidence) {
            Verdict::RefuseHole if planted(Bug::HoleIsTail) => Verdict::Truncate,
            verdict => verdict,
        };
        match (verdict, decoded) {
            (Verdict::Accept, Ok(framed)) => {
                hasher.update(&bytes[at..at + framed.size]);
                chain.prev_crc = framed.crc;
                chain.epoch = framed.record.epoch;
                chain.clean = match framed.record.kind {
                    kind::CLOSE => true,
                    kind::PAD => chain.clean,
                    _ => false,
                };
                if (kind::USER_MIN..=kind::USER_MAX).contains(&framed.record.kind) {
                    chain.next_seq += 1;
                    each(framed.record);
                }
                at += framed.size;
            }
            (Verdict::Truncate, _) => return Ok(at),
            (Verdict::RefuseSequence, _) => {
                return Err((at, format!("a whole record where record {} is due", chain.next_seq)));
            }
            (Verdict::RefuseEpoch, _) => {
                return Err((at, format!("a record of an epoch before {}", chain.epoch)));
            }
            (_, Err(Defect::Checksum)) => {
                return Err((
                    at,
                    format!("record {} is damaged and a later commit follows it", chain.next_seq),
                ));
            }
            (_, _) => {
                return Err((
                    at,
                    format!("record {} is missing and a later commit follows it", chain.next_seq),
                ));
            }
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Accept, RefuseEpoch, RefuseHeader, RefuseHole, RefuseSequence, Truncate};

    #[test]
    fn every_row_of_the_decision_table() {
        // header, record, seq, epoch, later -> verdict; written out by hand, one line per row.
        #[rustfmt::skip]
        let table = [
            (0, 0, 0, 0, 0, RefuseHeader), (0, 0, 0, 0, 1, RefuseHeader), (0, 0, 0, 1, 0, RefuseHeader), (0, 0, 0, 1, 1, RefuseHeader),
            (0, 0, 1, 0, 0, RefuseHeader), (0, 0, 1, 0, 1, RefuseHeader), (0, 0, 1, 1, 0, RefuseHeader), (0, 0, 1, 1, 1, RefuseHeader),
            (0, 1, 0, 0, 0, RefuseHeader), (0, 1, 0, 0, 1, RefuseHeader), (0, 1, 0, 1, 0, RefuseHeader), (0, 1, 0, 1, 1, RefuseHeader),
            (0, 1, 1, 0, 0, RefuseHeader), (0, 1, 1, 0, 1, RefuseHeader), (0, 1, 1, 1, 0, RefuseHeader), (0, 1, 1, 1, 1, RefuseHeader),
            (1, 0, 0, 0, 0, Truncate), (1, 0, 0, 0, 1, RefuseHole),
            (1, 0, 0, 1, 0, Truncate), (1, 0, 0, 1, 1, RefuseHole),
            (1, 0, 1, 0, 0, Truncate), (1, 0, 1, 0, 1, RefuseHole),
            (1, 0, 1, 1, 0, Truncate), (1, 0, 1, 1, 1, RefuseHole),
            (1, 1, 0, 0, 0, RefuseSequence), (1, 1, 0, 0, 1, RefuseSequence),
            (1, 1, 0, 1, 0, RefuseSequence), (1, 1, 0, 1, 1, RefuseSequence),
            (1, 1, 1, 0, 0, RefuseEpoch), (1, 1, 1, 0, 1, RefuseEpoch),
            (1, 1, 1, 1, 0, Accept), (1, 1, 1, 1, 1, Accept),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for (header, record, seq, epoch, later, verdict) in table {
            let evidence = Evidence {
                header_ok: header == 1,
                record_ok: record == 1,
                seq_contiguous: seq == 1,
                epoch_monotone: epoch == 1,
                valid_later: later == 1,
            };
            assert_eq!(decide(evidence), verdict, "{evidence:?}");
            seen.insert((header, record, seq, epoch, later));
        }
        assert_eq!(seen.len(), 32);
    }

    const STREAM: &str = "s";

    /// A segment of hand-made records (seq, epoch, batch offset), each chained to the one before.
    fn disk_with(records: &[(u64, u32, u32)]) -> (crate::memory::MemStorage, Vec<usize>) {
        let header = SegmentHeader {
            cluster: [0; 16],
            stream: STREAM.into(),
            epoch: 1,
            index: 0,
            first_seq: 1,
            segment_bytes: SEGMENT_BYTES_MIN,
            prev_crc: 0,
            prev_hash: [0; 32],
        };
        let mut bytes = header.encode();
        let mut prev = 0;
        let mut places = Vec::new();
        for &(seq, epoch, batch_offset) in records {
            places.push(bytes.len());
            let record = Record { kind: 1, seq, epoch, mono: 0, wall: 0, payload: b"payload" };
            prev = crate::format::encode_record(&mut bytes, stream_id(STREAM), &record, batch_offset, prev);
        }
        let mut disk = crate::memory::MemStorage::new();
        disk.create(&segment_name(0), SEGMENT_BYTES_MIN).unwrap();
        disk.write(&segment_name(0), 0, &bytes).unwrap();
        (disk, places)
    }

    fn found(disk: &crate::memory::MemStorage) -> Result<Recovery, String> {
        scan(disk, STREAM, [0; 16], |_| {}).map_err(|fault| fault.to_string())
    }

    #[test]
    fn whole_records_in_the_wrong_place_or_of_an_old_epoch_are_refused_even_at_the_end() {
        assert_eq!(found(&disk_with(&[(1, 1, 0), (2, 2, 0)]).0).unwrap().last_seq, 2, "control");
        let refused = |records: &[(u64, u32, u32)]| found(&disk_with(records).0).unwrap_err();
        assert!(refused(&[(1, 1, 0), (3, 1, 0)]).contains("a whole record where record 2 is due"));
        assert!(refused(&[(1, 1, 0), (1, 1, 0)]).contains("a whole record where record 2 is due"));
        assert!(refused(&[(1, 2, 0), (2, 1, 0)]).contains("an epoch before 2"));
    }

    #[test]
    fn a_record_that_does_not_chain_is_refused_though_its_own_checksum_holds() {
        let (disk, places) = disk_with(&[(1, 1, 0), (2, 1, 0)]);
        let mut forged = Vec::new();
        let record = Record { kind: 1, seq: 1, epoch: 1, mono: 0, wall: 0, payload: b"PAYLOAD" };
        crate::format::encode_record(&mut forged, stream_id(STREAM), &record, 0, 0);
        disk.damage(&segment_name(0), |bytes| {
            bytes[places[0]..places[0] + forged.len()].copy_from_slice(&forged)
        });
        assert!(found(&disk).unwrap_err().contains("a whole record where record 2 is due"));
    }

    #[test]
    fn a_hole_is_a_torn_tail_within_its_own_commit_and_damage_before_a_later_one() {
        let size = crate::format::record_size(7) as u32;
        let hole = |records: &[(u64, u32, u32)]| {
            let (disk, places) = disk_with(records);
            disk.damage(&segment_name(0), |bytes| bytes[places[1] + 50] ^= 1);
            found(&disk)
        };
        let same_commit = hole(&[(1, 1, 0), (2, 1, size), (3, 1, 2 * size)]).unwrap();
        assert_eq!((same_commit.last_seq, same_commit.torn.is_some()), (1, true));
        let later_commit = hole(&[(1, 1, 0), (2, 1, size), (3, 1, 0)]).unwrap_err();
        assert!(later_commit.contains("record 2 is damaged and a later commit follows it"), "{later_commit}");
    }
}
