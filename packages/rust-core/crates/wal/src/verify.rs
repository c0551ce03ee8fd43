//! Proves a WAL from its bytes alone, and accounts for every sequence of every stream.

use crate::WalFault;
use crate::format::{Footer, HEADER_BYTES, Header, Item, Record, RecordType, StreamCount, StreamCounts};
use crate::limits::{FAULTS_MAX, SEGMENT_BYTES_MAX};
use crate::reader::{read_block, segments};
use crate::recovery::written;
use std::collections::BTreeMap;
use tidegate_segment::Storage;
use tidegate_wire::envelope;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::recorder::v1::stream_mark::Kind;

/// One epoch of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamReport {
    /// Messages in the WAL.
    pub data: u64,
    /// All records: messages, gaps, marks.
    pub records: u64,
    /// Messages known to be missing, by gap records.
    pub missing: u64,
    /// Sequences that are neither a message nor in a gap, up to the last that is known.
    pub unaccounted: u64,
    /// Sequences that are there more than once, or out of order.
    pub duplicates: u64,
    /// Everything from 1 to here is accounted for if `unaccounted` is 0.
    pub last_seq: u64,
    /// The publisher ended the epoch in order. Otherwise what it sent just before its death is known to nobody.
    pub closed: bool,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WalReport {
    /// Records in whole blocks.
    pub records: u64,
    /// Segments, sealed ones among them.
    pub segments: u64,
    pub sealed: u64,
    /// Blocks.
    pub blocks: u64,
    /// Per stream and epoch.
    pub streams: BTreeMap<(String, u32), StreamReport>,
    /// Sum of the streams' unaccounted sequences.
    pub gaps_unaccounted: u64,
    /// Sum of the streams' missing messages.
    pub missing: u64,
    /// Sum of the streams' duplicates.
    pub duplicates: u64,
    /// Bytes behind the last whole block of the open segment: a write that is not finished, or a torn tail.
    pub unfinished_bytes: u64,
    /// What is wrong, at most 64 lines; `faults_total` counts all.
    pub faults: Vec<String>,
    pub faults_total: u64,
}

impl WalReport {
    /// No fault, no duplicate, and every sequence accounted for.
    pub fn ok(&self) -> bool {
        self.faults_total == 0 && self.gaps_unaccounted == 0 && self.duplicates == 0
    }

    fn fault(&mut self, text: String) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(text);
        }
    }

    fn take(&mut self, record: &Record, payload: &[u8]) {
        let key = (record.stream.clone(), record.epoch);
        let stream = self.streams.entry(key).or_default();
        stream.records += 1;
        let (first, last) = match record.kind {
            RecordType::Data => {
                stream.data += 1;
                (record.seq, record.seq)
            }
            RecordType::Gap => match gap_of(record, payload) {
                Some((first, last)) => {
                    stream.missing += last - first + 1;
                    (first, last)
                }
                None => {
                    self.fault(format!("record {}: a gap that does not say what is missing", record.wal_seq));
                    return;
                }
            },
            RecordType::Mark => {
                match mark_of(record, payload) {
                    Some((Kind::Opened, _)) => {}
                    Some((Kind::Closed, last)) => {
                        stream.unaccounted += last.saturating_sub(stream.last_seq);
                        stream.last_seq = stream.last_seq.max(last);
                        stream.closed = true;
                    }
                    _ => self.fault(format!("record {}: a mark that says nothing", record.wal_seq)),
                }
                return;
            }
        };
        if first <= stream.last_seq {
            stream.duplicates += last.min(stream.last_seq) - first + 1;
        } else {
            stream.unaccounted += first - stream.last_seq - 1;
        }
        stream.last_seq = stream.last_seq.max(last);
    }
}

fn gap_of(record: &Record, payload: &[u8]) -> Option<(u64, u64)> {
    let Some(Payload::StreamGap(gap)) = envelope::decode_checked(payload).ok()?.payload else { return None };
    let same = gap.stream == record.stream && gap.epoch == record.epoch && gap.last_seq == record.seq;
    same.then_some((gap.first_seq, gap.last_seq))
}

fn mark_of(record: &Record, payload: &[u8]) -> Option<(Kind, u64)> {
    let Some(Payload::StreamMark(mark)) = envelope::decode_checked(payload).ok()?.payload else {
        return None;
    };
    (mark.stream == record.stream && mark.epoch == record.epoch).then_some((mark.kind(), mark.seq))
}

/// Reads a whole WAL: block checksums and chain, `wal_seq` without holes, footers against what the blocks hold, hashes from
/// segment to segment, and per stream that each sequence is a message or in a gap exactly once.
///
/// # Errors
/// The disk fails. What is wrong with the bytes is in the report.
pub fn verify<S: Storage>(storage: &S) -> Result<WalReport, WalFault> {
    let mut report = WalReport::default();
    let mut next_wal_seq = 1;
    let mut prev_hash = [0; 32];
    let found = segments(storage)?;
    for (place, segment) in found.iter().enumerate() {
        report.segments += 1;
        let path = storage.path(&segment.name);
        if segment.index != place as u64 + 1 {
            report.fault(format!("{path}: segment {} before it is missing", place + 1));
            return Ok(report);
        }
        let last = place + 1 == found.len();
        let mut head = Vec::new();
        storage.read(&segment.name, 0, HEADER_BYTES, &mut head)?;
        let Some(header) = Header::decode(&head) else {
            if last && !segment.sealed && head.len() < HEADER_BYTES {
                report.unfinished_bytes = head.len() as u64;
            } else {
                report.fault(format!("{path}: the header is damaged"));
            }
            return Ok(report);
        };
        if header.index != segment.index
            || header.first_wal_seq != next_wal_seq
            || header.prev_hash != prev_hash
        {
            report.fault(format!("{path}: it does not continue the segment before it"));
            return Ok(report);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&head);
        let (mut offset, mut blocks, mut prev_crc, mut counts) =
            (HEADER_BYTES as u64, 0, 0, StreamCounts::new());
        let mut footer = None;
        while let Some((item, next)) = read_block(storage, &segment.name, offset)? {
            match item {
                Item::Footer(found) => {
                    footer = Some((found, next));
                    break;
                }
                Item::Block(block) => {
                    let due = block.records.first().is_none_or(|record| record.wal_seq == next_wal_seq);
                    if block.index != blocks || block.prev_crc != prev_crc || !due {
                        report
                            .fault(format!("{path} at byte {offset}: block {} is not the next", block.index));
                        return Ok(report);
                    }
                    for record in &block.records {
                        tally(&mut counts, record);
                        report.take(record, block.payload(record));
                    }
                    let mut raw = Vec::new();
                    storage.read(&segment.name, offset, block.size, &mut raw)?;
                    hasher.update(&raw);
                    next_wal_seq += block.records.len() as u64;
                    report.records += block.records.len() as u64;
                    report.blocks += 1;
                    blocks += 1;
                    prev_crc = block.crc;
                    offset = next;
                }
            }
        }
        prev_hash = *hasher.finalize().as_bytes();
        match footer {
            Some((footer, end)) => {
                report.sealed += u64::from(segment.sealed);
                if !footer_holds(&footer, blocks, prev_crc, header.first_wal_seq, &prev_hash, &counts)
                    || end != storage.len(&segment.name)?
                {
                    report.fault(format!("{path}: the footer does not agree with the blocks"));
                }
            }
            None if segment.sealed => {
                report.fault(format!("{path} at byte {offset}: a damaged block or footer"));
                return Ok(report);
            }
            None if !last => {
                report.fault(format!("{path}: it is open and a later segment exists"));
                return Ok(report);
            }
            None => {
                let mut rest = Vec::new();
                let len = storage.len(&segment.name)?.saturating_sub(offset).min(SEGMENT_BYTES_MAX);
                storage.read(&segment.name, offset, len as usize, &mut rest)?;
                report.unfinished_bytes = written(&rest) as u64;
            }
        }
    }
    for stream in report.streams.values() {
        report.gaps_unaccounted += stream.unaccounted;
        report.missing += stream.missing;
        report.duplicates += stream.duplicates;
    }
    Ok(report)
}

fn tally(counts: &mut StreamCounts, record: &Record) {
    let fresh =
        StreamCount { records: 0, min_seq: record.seq, max_seq: record.seq, last_wal_seq: record.wal_seq };
    let held = counts.entry((record.stream.clone(), record.epoch)).or_insert(fresh);
    held.records += 1;
    held.min_seq = held.min_seq.min(record.seq);
    held.max_seq = held.max_seq.max(record.seq);
    held.last_wal_seq = record.wal_seq;
}

fn footer_holds(
    footer: &Footer,
    blocks: u32,
    prev_crc: u32,
    first_wal_seq: u64,
    hash: &[u8; 32],
    counts: &StreamCounts,
) -> bool {
    footer.blocks == blocks
        && footer.prev_crc == prev_crc
        && footer.first_wal_seq == first_wal_seq
        && footer.hash == *hash
        && footer.streams == *counts
        && footer.records == counts.values().map(|held| held.records).sum::<u64>()
}
