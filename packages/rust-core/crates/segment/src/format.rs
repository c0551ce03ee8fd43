//! The bytes of a segment: one header page, then chained records. Little-endian throughout.

use crate::limits::{
    PAYLOAD_BYTES_MAX, RECORD_ALIGN, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, STREAM_NAME_BYTES_MAX,
};

use tidegate_mutants::{Bug, planted};

/// Format of the segment and of its records; any other is refused.
pub const FORMAT_VERSION: u8 = 1;
const SEGMENT_MAGIC: [u8; 8] = *b"TGSEGMNT";
const RECORD_MAGIC: u16 = 0x5452;

/// Record kinds the log keeps for itself; they carry the seq of the record before them.
pub mod kind {
    /// Fills a batch up to its alignment.
    pub const PAD: u8 = 0;
    /// First user kind.
    pub const USER_MIN: u8 = 1;
    /// Last user kind.
    pub const USER_MAX: u8 = 249;
    /// A writer has taken the log with a new epoch.
    pub const OPEN: u8 = 254;
    /// A writer has left in order: damage before this mark cannot be a torn tail.
    pub const CLOSE: u8 = 255;
}

/// The id a stream's segments and records carry: crc32c of its name.
pub fn stream_id(name: &str) -> u32 {
    crc32c::crc32c(name.as_bytes())
}

/// What the first page of a segment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The cluster the log belongs to.
    pub cluster: [u8; 16],
    /// Name of the stream, at most 128 bytes.
    pub stream: String,
    /// Epoch of the writer that made the segment.
    pub epoch: u32,
    /// Place of the segment in the log, from 0.
    pub index: u64,
    /// Seq of the first record it will hold.
    pub first_seq: u64,
    /// Length of the file, in bytes.
    pub segment_bytes: u64,
    /// Checksum of the last record of the segment before, 0 in the first.
    pub prev_crc: u32,
    /// BLAKE3 of the used bytes of the segment before, zero in the first.
    pub prev_hash: [u8; 32],
}

fn put(page: &mut [u8], at: usize, bytes: &[u8]) {
    page[at..at + bytes.len()].copy_from_slice(bytes);
}

fn get<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

impl SegmentHeader {
    /// The header page.
    pub fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; SEGMENT_HEADER_BYTES as usize];
        let name = &self.stream.as_bytes()[..self.stream.len().min(STREAM_NAME_BYTES_MAX)];
        put(&mut page, 0, &SEGMENT_MAGIC);
        page[8] = FORMAT_VERSION;
        page[9] = name.len() as u8;
        put(&mut page, 12, &self.epoch.to_le_bytes());
        put(&mut page, 16, &self.cluster);
        put(&mut page, 32, &self.index.to_le_bytes());
        put(&mut page, 40, &self.first_seq.to_le_bytes());
        put(&mut page, 48, &self.segment_bytes.to_le_bytes());
        put(&mut page, 56, &self.prev_crc.to_le_bytes());
        put(&mut page, 64, &self.prev_hash);
        put(&mut page, 96, name);
        let end = page.len() - 4;
        let crc = crc32c::crc32c(&page[..end]);
        put(&mut page, end, &crc.to_le_bytes());
        page
    }

    /// Reads a header page, or says what is wrong with it.
    ///
    /// # Errors
    /// Short, foreign, of another format, or a checksum that does not match.
    pub fn decode(page: &[u8]) -> Result<Self, String> {
        let end = SEGMENT_HEADER_BYTES as usize - 4;
        let page = page.get(..end + 4).ok_or_else(|| format!("the segment has only {} bytes", page.len()))?;
        let short = || "the header is short".to_string();
        if page[..8] != SEGMENT_MAGIC {
            return Err("not a segment of ours (magic)".into());
        }
        let crc = u32::from_le_bytes(get(page, end).ok_or_else(short)?);
        if crc != crc32c::crc32c(&page[..end]) {
            return Err("the checksum of the header does not match".into());
        }
        if page[8] != FORMAT_VERSION {
            return Err(format!("format {} is not {FORMAT_VERSION}", page[8]));
        }
        let name = page.get(96..96 + usize::from(page[9])).ok_or_else(short)?;
        let stream = std::str::from_utf8(name).map_err(|_| "the stream name is not UTF-8")?.to_string();
        Ok(Self {
            stream,
            epoch: u32::from_le_bytes(get(page, 12).ok_or_else(short)?),
            cluster: get(page, 16).ok_or_else(short)?,
            index: u64::from_le_bytes(get(page, 32).ok_or_else(short)?),
            first_seq: u64::from_le_bytes(get(page, 40).ok_or_else(short)?),
            segment_bytes: u64::from_le_bytes(get(page, 48).ok_or_else(short)?),
            prev_crc: u32::from_le_bytes(get(page, 56).ok_or_else(short)?),
            prev_hash: get(page, 64).ok_or_else(short)?,
        })
    }
}

/// One record of a log as it lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the payload is, 1 to 249 for users.
    pub kind: u8,
    /// Place in the log, from 1, without holes.
    pub seq: u64,
    /// Epoch of the writer.
    pub epoch: u32,
    /// `CLOCK_MONOTONIC` of the writer's host, in ns.
    pub mono: u64,
    /// Ns since the Unix epoch.
    pub wall: i64,
    /// The content.
    pub payload: &'a [u8],
}

/// A record with the fields the log itself reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Framed<'a> {
    pub record: Record<'a>,
    /// Checksum of the record before.
    pub prev: u32,
    pub crc: u32,
    /// Bytes from the start of the commit batch to this record.
    pub batch_offset: u32,
    /// Bytes it takes in the segment.
    pub size: usize,
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Fewer bytes than the record needs.
    Short { need: usize },
    /// No record begins here.
    Foreign,
    /// The checksum does not match.
    Checksum,
}

/// Bytes a record with this payload takes in a segment.
pub(crate) const fn record_size(payload: usize) -> usize {
    (RECORD_HEADER_BYTES + payload).next_multiple_of(RECORD_ALIGN)
}

/// Appends a record to `out` and returns its checksum. The checksum starts from the stream id, so that a record of another
/// log that lands here by mistake is no record.
pub(crate) fn encode_record(
    out: &mut Vec<u8>,
    stream: u32,
    record: &Record<'_>,
    batch_offset: u32,
    prev: u32,
) -> u32 {
    let start = out.len();
    out.extend_from_slice(&RECORD_MAGIC.to_le_bytes());
    out.push(FORMAT_VERSION);
    out.push(record.kind);
    out.extend_from_slice(&(record.payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&record.seq.to_le_bytes());
    out.extend_from_slice(&record.mono.to_le_bytes());
    out.extend_from_slice(&record.wall.to_le_bytes());
    out.extend_from_slice(&record.epoch.to_le_bytes());
    out.extend_from_slice(&batch_offset.to_le_bytes());
    out.extend_from_slice(&prev.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(record.payload);
    out.resize(start + record_size(record.payload.len()), 0);
    let crc = checksum(stream, &out[start..start + 44], &out[start + 48..]);
    out[start + 44..start + 48].copy_from_slice(&crc.to_le_bytes());
    crc
}

fn checksum(stream: u32, header: &[u8], body: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(stream, header);
    if planted(Bug::HeaderOnlyChecksum) { crc } else { crc32c::crc32c_append(crc, body) }
}

pub(crate) fn decode_record(bytes: &[u8], stream: u32) -> Result<Framed<'_>, Defect> {
    let short = Defect::Short { need: RECORD_HEADER_BYTES };
    let header: [u8; RECORD_HEADER_BYTES] = get(bytes, 0).ok_or(short)?;
    if header[..2] != RECORD_MAGIC.to_le_bytes() || header[2] != FORMAT_VERSION {
        return Err(Defect::Foreign);
    }
    let u32_at = |at| get(&header, at).map(u32::from_le_bytes).ok_or(short);
    let u64_at = |at| get(&header, at).map(u64::from_le_bytes).ok_or(short);
    let len = u32_at(4)? as usize;
    if len > PAYLOAD_BYTES_MAX {
        return Err(Defect::Foreign);
    }
    let size = record_size(len);
    let body = bytes.get(RECORD_HEADER_BYTES..size).ok_or(Defect::Short { need: size })?;
    let crc = u32_at(44)?;
    if crc != checksum(stream, &header[..44], body) {
        return Err(Defect::Checksum);
    }
    let record = Record {
        kind: header[3],
        seq: u64_at(8)?,
        mono: u64_at(16)?,
        wall: u64_at(24)?.cast_signed(),
        epoch: u32_at(32)?,
        payload: &body[..len],
    };
    Ok(Framed { record, batch_offset: u32_at(36)?, prev: u32_at(40)?, crc, size })
}

/// File name of the segment at `index`.
pub(crate) fn segment_name(index: u64) -> String {
    format!("{index:010}.seg")
}

/// Name of a segment being made.
pub(crate) fn new_name(index: u64) -> String {
    format!("{index:010}.new")
}

/// Name of the zeros that the segment at `index` will be written over; `.new`, so that a restart takes them away.
pub(crate) fn ahead_name(index: u64) -> String {
    format!("{index:010}.ahead.new")
}

pub(crate) fn segment_index(name: &str) -> Option<u64> {
    name.strip_suffix(".seg").filter(|n| n.len() == 10).and_then(|n| n.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            cluster: *b"0123456789abcdef",
            stream: "gateway.journal".into(),
            epoch: 3,
            index: 7,
            first_seq: 1_000,
            segment_bytes: 16_384,
            prev_crc: 9,
            prev_hash: [5; 32],
        }
    }

    #[test]
    fn a_segment_header_reads_back_and_no_flipped_bit_does() {
        let mut page = header().encode();
        assert_eq!(SegmentHeader::decode(&page), Ok(header()));
        for bit in 0..page.len() * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&page).is_err(), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
        }
    }

    proptest! {
        #[test]
        fn a_record_reads_back(kind: u8, seq: u64, mono: u64, wall: i64, epoch: u32, batch: u32, prev: u32,
                               payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let record = Record { kind, seq, epoch, mono, wall, payload: &payload };
            let mut out = Vec::new();
            let crc = encode_record(&mut out, 11, &record, batch, prev);
            let framed = decode_record(&out, 11).unwrap();
            prop_assert_eq!(framed.record, record);
            prop_assert_eq!((framed.crc, framed.prev, framed.batch_offset, framed.size), (crc, prev, batch, out.len()));
            prop_assert_eq!(out.len() % RECORD_ALIGN, 0);
            prop_assert!(decode_record(&out, 12).is_err(), "a record of another stream");
        }

        #[test]
        fn random_bytes_are_no_record(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode_record(&bytes, 11).is_err());
        }
    }
}
