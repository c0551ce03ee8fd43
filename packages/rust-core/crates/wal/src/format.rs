//! The bytes of a WAL segment: header, blocks, footer. Little-endian throughout; `docs/reference/wal-format.md` is the page.
//!
//! A block names the streams of its records itself, so that any block can be read alone. Version 2 is written; version 1 is read.

use crate::limits::{BLOCK_BYTES_MAX, PAYLOAD_BYTES_MAX, STREAM_NAME_BYTES_MAX, STREAMS_MAX};
use std::collections::BTreeMap;

/// Format of new segments.
pub const FORMAT_VERSION: u32 = 2;
/// Oldest format that is read; a segment of any version outside is refused.
pub const FORMAT_VERSION_MIN: u32 = 1;
/// Bytes before the first block.
pub const HEADER_BYTES: usize = 96;
/// Bytes of a block before its body.
pub const BLOCK_HEADER_BYTES: usize = 40;
/// The same in version 1, which has neither compression nor the place in a flush.
const BLOCK_HEADER_BYTES_V1: usize = 36;
/// Bytes of a record before its payload.
pub const RECORD_HEADER_BYTES: usize = 36;
const SEGMENT_MAGIC: [u8; 8] = *b"TGWALSEG";
const BLOCK_MAGIC_V1: u32 = u32::from_le_bytes(*b"WBLK");
const FOOTER_MAGIC_V1: u32 = u32::from_le_bytes(*b"WEND");
const BLOCK_MAGIC: u32 = u32::from_le_bytes(*b"WBL2");
const FOOTER_MAGIC: u32 = u32::from_le_bytes(*b"WEN2");
/// A record that gives a stream id its name; it is no record of the log and has no wal_seq.
const TYPE_NAME: u8 = 1;

/// How the bodies of blocks are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// LZ4 block format, where it makes the body smaller; else as it is.
    Lz4,
}

const CODEC_NONE: u8 = 0;
const CODEC_LZ4: u8 = 1;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordType {
    /// One message of a stream.
    Data,
    /// Messages of a stream that are known to be missing: the payload says which.
    Gap,
    /// A stream opened or closed.
    Mark,
}

impl RecordType {
    /// As written.
    pub const fn code(self) -> u8 {
        match self {
            Self::Data => 2,
            Self::Gap => 3,
            Self::Mark => 4,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            2 => Some(Self::Data),
            3 => Some(Self::Gap),
            4 => Some(Self::Mark),
            _ => None,
        }
    }
}

/// The first bytes of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Format of the segment.
    pub version: u32,
    /// The cluster the WAL belongs to.
    pub cluster: [u8; 16],
    /// Place in the WAL, from 1.
    pub index: u64,
    /// `wal_seq` of its first record.
    pub first_wal_seq: u64,
    /// Hash of the segment before as its footer says, zero in the first.
    pub prev_hash: [u8; 32],
}

fn get<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    get(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    get(bytes, at).map(u64::from_le_bytes)
}

impl Header {
    /// The header as written.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.cluster);
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.first_wal_seq.to_le_bytes());
        out.extend_from_slice(&self.prev_hash);
        out.resize(HEADER_BYTES - 4, 0);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header; `None` when it is short, damaged or of another format.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let version = u32_at(bytes, 8)?;
        let sound = u32_at(bytes, HEADER_BYTES - 4)? == crc32c::crc32c(&bytes[..HEADER_BYTES - 4])
            && bytes[..8] == SEGMENT_MAGIC
            && (FORMAT_VERSION_MIN..=FORMAT_VERSION).contains(&version);
        sound.then_some(())?;
        Some(Self {
            version,
            cluster: get(bytes, 16)?,
            index: u64_at(bytes, 32)?,
            first_wal_seq: u64_at(bytes, 40)?,
            prev_hash: get(bytes, 48)?,
        })
    }
}

/// One record as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Place in the whole WAL, from 1 without holes.
    pub wal_seq: u64,
    /// What it is.
    pub kind: RecordType,
    /// Name of its stream.
    pub stream: String,
    /// Epoch of the stream's publisher.
    pub epoch: u32,
    /// Place in the stream; of a gap its last.
    pub seq: u64,
    /// Ns since the Unix epoch, when the recorder took it.
    pub ts_ns: i64,
    /// Where the payload lies in the block's body.
    payload: (usize, usize),
}

/// One block as read: a deterministic slice of the WAL, at most 256 records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Place in the segment, from 0.
    pub index: u32,
    /// Its records in order.
    pub records: Vec<Record>,
    /// Checksum over header and body; stable for ever, so usable in an insert token.
    pub crc: u32,
    pub(crate) prev_crc: u32,
    /// Blocks before it that were not known to be safe when it was written.
    pub(crate) unsynced: u16,
    body: Vec<u8>,
    /// Bytes it takes in the segment.
    pub size: usize,
}

impl Block {
    /// The payload of one of its records.
    pub fn payload(&self, record: &Record) -> &[u8] {
        self.body.get(record.payload.0..record.payload.1).unwrap_or_default()
    }

    /// Bytes of its records before compression.
    pub fn raw_bytes(&self) -> usize {
        self.body.len()
    }
}

/// What stands at a place of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A block.
    Block(Block),
    /// The end of a sealed segment.
    Footer(Footer),
}

/// Collects records into a block.
#[derive(Debug)]
pub(crate) struct BlockBuilder {
    /// Room for the header, then the records.
    bytes: Vec<u8>,
    count: u32,
    names: u32,
}

impl Default for BlockBuilder {
    fn default() -> Self {
        Self { bytes: vec![0; BLOCK_HEADER_BYTES], count: 0, names: 0 }
    }
}

/// Where a block stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub index: u32,
    pub first_wal_seq: u64,
    pub prev_crc: u32,
    pub unsynced: u16,
}

impl BlockBuilder {
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub const fn count(&self) -> usize {
        self.count as usize
    }

    pub const fn bytes(&self) -> usize {
        self.bytes.len() - BLOCK_HEADER_BYTES
    }

    /// Shape   header of a record `{len, type, stream, epoch, seq, ts_ns}`
    fn put(&mut self, code: u8, stream: u32, epoch: u32, seq: u64, ts_ns: i64, payload: &[u8]) {
        let mut head = [0; RECORD_HEADER_BYTES];
        head[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        head[4] = code;
        head[8..12].copy_from_slice(&stream.to_le_bytes());
        head[12..16].copy_from_slice(&epoch.to_le_bytes());
        head[16..24].copy_from_slice(&seq.to_le_bytes());
        head[24..32].copy_from_slice(&ts_ns.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..32]), payload);
        head[32..].copy_from_slice(&crc.to_le_bytes());
        self.bytes.extend_from_slice(&head);
        self.bytes.extend_from_slice(payload);
    }

    /// Gives a stream's name an id within this block.
    pub fn name(&mut self, stream: &str) -> u32 {
        let id = self.names;
        self.put(TYPE_NAME, id, 0, 0, 0, stream.as_bytes());
        self.names += 1;
        id
    }

    pub fn add(&mut self, kind: RecordType, stream: u32, epoch: u32, seq: u64, ts_ns: i64, payload: &[u8]) {
        self.put(kind.code(), stream, epoch, seq, ts_ns, payload);
        self.count += 1;
    }

    /// Puts the block into `out` (replacing what it held), empties itself, and returns the block's checksum.
    pub fn finish(&mut self, out: &mut Vec<u8>, place: Place, compression: Compression) -> u32 {
        let count = std::mem::take(&mut self.count);
        self.names = 0;
        let raw = self.bytes.len() - BLOCK_HEADER_BYTES;
        out.clear();
        let mut codec = CODEC_NONE;
        if compression == Compression::Lz4 {
            let body = &self.bytes[BLOCK_HEADER_BYTES..];
            out.resize(BLOCK_HEADER_BYTES + lz4_flex::block::get_maximum_output_size(raw), 0);
            match lz4_flex::block::compress_into(body, &mut out[BLOCK_HEADER_BYTES..]) {
                Ok(len) if len < raw => {
                    out.truncate(BLOCK_HEADER_BYTES + len);
                    codec = CODEC_LZ4;
                }
                _ => out.clear(),
            }
        }
        if codec == CODEC_NONE {
            std::mem::swap(out, &mut self.bytes);
        }
        self.bytes.clear();
        self.bytes.resize(BLOCK_HEADER_BYTES, 0);
        let head = Head { magic: BLOCK_MAGIC, count, place, codec, raw: raw as u32 };
        head.write(out)
    }
}

/// The header of a block or footer, as written now.
struct Head {
    magic: u32,
    count: u32,
    place: Place,
    codec: u8,
    raw: u32,
}

impl Head {
    /// Fills the first 40 bytes of `item`, whose body is there; returns the checksum.
    fn write(&self, item: &mut [u8]) -> u32 {
        let len = (item.len() - BLOCK_HEADER_BYTES) as u32;
        let place = &self.place;
        let mut head = [0; BLOCK_HEADER_BYTES];
        head[..4].copy_from_slice(&self.magic.to_le_bytes());
        head[4..8].copy_from_slice(&len.to_le_bytes());
        head[8..12].copy_from_slice(&self.count.to_le_bytes());
        head[12..16].copy_from_slice(&place.index.to_le_bytes());
        head[16..24].copy_from_slice(&place.first_wal_seq.to_le_bytes());
        head[24..28].copy_from_slice(&place.prev_crc.to_le_bytes());
        head[28] = self.codec;
        head[30..32].copy_from_slice(&place.unsynced.to_le_bytes());
        head[32..36].copy_from_slice(&self.raw.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..36]), &item[BLOCK_HEADER_BYTES..]);
        head[36..].copy_from_slice(&crc.to_le_bytes());
        item[..BLOCK_HEADER_BYTES].copy_from_slice(&head);
        crc
    }

    /// A footer of version 1 with this body.
    fn v1(&self, body: &[u8]) -> Vec<u8> {
        let mut item = Vec::with_capacity(BLOCK_HEADER_BYTES_V1 + body.len());
        item.extend_from_slice(&FOOTER_MAGIC_V1.to_le_bytes());
        item.extend_from_slice(&(body.len() as u32).to_le_bytes());
        item.extend_from_slice(&self.count.to_le_bytes());
        item.extend_from_slice(&self.place.index.to_le_bytes());
        item.extend_from_slice(&self.place.first_wal_seq.to_le_bytes());
        item.extend_from_slice(&self.place.prev_crc.to_le_bytes());
        item.extend_from_slice(&[0; 4]);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&item), body);
        item.extend_from_slice(&crc.to_le_bytes());
        item.extend_from_slice(body);
        item
    }
}

/// What one segment holds of one epoch of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamCount {
    /// Records.
    pub records: u64,
    /// Lowest seq of a record.
    pub min_seq: u64,
    /// Highest.
    pub max_seq: u64,
    /// Highest `wal_seq` of a record of it: which epoch came last.
    pub last_wal_seq: u64,
}

/// (stream, epoch) to what a segment holds of it.
pub type StreamCounts = BTreeMap<(String, u32), StreamCount>;

/// The end of a sealed segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Records in the segment.
    pub records: u64,
    /// Blocks.
    pub blocks: u32,
    /// `wal_seq` of its first record.
    pub first_wal_seq: u64,
    /// BLAKE3 of everything before the footer.
    pub hash: [u8; 32],
    /// Per stream and epoch.
    pub streams: StreamCounts,
    pub(crate) prev_crc: u32,
    /// Bytes it takes in the segment.
    pub size: usize,
}

/// The footer as written, of a segment whose blocks are `place.index` in number. A segment that another version left open gets
/// the footer of its own version.
pub(crate) fn encode_footer(version: u32, place: Place, hash: &[u8; 32], streams: &StreamCounts) -> Vec<u8> {
    let records: u64 = streams.values().map(|count| count.records).sum();
    let mut item = vec![0; BLOCK_HEADER_BYTES];
    item.extend_from_slice(hash);
    item.extend_from_slice(&records.to_le_bytes());
    for ((name, epoch), count) in streams {
        item.extend_from_slice(&(name.len() as u32).to_le_bytes());
        item.extend_from_slice(name.as_bytes());
        item.extend_from_slice(&epoch.to_le_bytes());
        for value in [count.records, count.min_seq, count.max_seq, count.last_wal_seq] {
            item.extend_from_slice(&value.to_le_bytes());
        }
    }
    let raw = (item.len() - BLOCK_HEADER_BYTES) as u32;
    let head = Head { magic: FOOTER_MAGIC, count: streams.len() as u32, place, codec: CODEC_NONE, raw };
    if version == 1 {
        return head.v1(&item[BLOCK_HEADER_BYTES..]);
    }
    head.write(&mut item);
    item
}

/// Bytes of the item that begins with `head`, `None` where no item of any version begins.
pub(crate) fn item_bytes(head: &[u8]) -> Option<usize> {
    let len = u32_at(head, 4)? as usize;
    let before = match u32_at(head, 0)? {
        BLOCK_MAGIC | FOOTER_MAGIC => BLOCK_HEADER_BYTES,
        BLOCK_MAGIC_V1 | FOOTER_MAGIC_V1 => BLOCK_HEADER_BYTES_V1,
        _ => return None,
    };
    (len <= BLOCK_BYTES_MAX).then_some(before + len)
}

/// Reads what stands at the start of `bytes`; `None` when nothing whole does.
pub fn decode_item(bytes: &[u8]) -> Option<Item> {
    let size = item_bytes(bytes)?;
    let magic = u32_at(bytes, 0)?;
    let before = size - u32_at(bytes, 4)? as usize;
    let body = bytes.get(before..size)?;
    let crc = u32_at(bytes, before - 4)?;
    if crc != crc32c::crc32c_append(crc32c::crc32c(&bytes[..before - 4]), body) {
        return None;
    }
    let (count, index) = (u32_at(bytes, 8)?, u32_at(bytes, 12)?);
    let (first, prev_crc) = (u64_at(bytes, 16)?, u32_at(bytes, 24)?);
    if matches!(magic, FOOTER_MAGIC | FOOTER_MAGIC_V1) {
        return decode_footer(body, count, index, first, prev_crc, size).map(Item::Footer);
    }
    let (mut unsynced, mut codec, mut raw) = (0, CODEC_NONE, body.len());
    if magic == BLOCK_MAGIC {
        unsynced = u16::from_le_bytes(get(bytes, 30)?);
        codec = *bytes.get(28)?;
        raw = u32_at(bytes, 32)? as usize;
    }
    let body = match codec {
        CODEC_NONE if raw == body.len() => body.to_vec(),
        CODEC_LZ4 if raw <= BLOCK_BYTES_MAX => {
            lz4_flex::block::decompress(body, raw).ok().filter(|body| body.len() == raw)?
        }
        _ => return None,
    };
    let records = decode_records(&body, count, first)?;
    Some(Item::Block(Block { index, records, crc, prev_crc, unsynced, body, size }))
}

fn decode_records(body: &[u8], count: u32, first: u64) -> Option<Vec<Record>> {
    let mut records = Vec::with_capacity(count.min(1_024) as usize);
    let mut names: Vec<String> = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let len = u32_at(body, at)? as usize;
        let from = at + RECORD_HEADER_BYTES;
        let payload = body.get(from..from.checked_add(len)?)?;
        if len > PAYLOAD_BYTES_MAX
            || u32_at(body, at + 32)? != crc32c::crc32c_append(crc32c::crc32c(&body[at..at + 32]), payload)
        {
            return None;
        }
        let (code, stream, epoch) = (body[at + 4], u32_at(body, at + 8)? as usize, u32_at(body, at + 12)?);
        if code == TYPE_NAME {
            if stream != names.len() || len > STREAM_NAME_BYTES_MAX {
                return None;
            }
            names.push(String::from_utf8(payload.to_vec()).ok()?);
        } else {
            records.push(Record {
                wal_seq: first.checked_add(records.len() as u64)?,
                kind: RecordType::from_code(code)?,
                stream: names.get(stream)?.clone(),
                epoch,
                seq: u64_at(body, at + 16)?,
                ts_ns: u64_at(body, at + 24)?.cast_signed(),
                payload: (from, from + len),
            });
        }
        at = from + len;
    }
    (records.len() == count as usize).then_some(records)
}

fn decode_footer(
    body: &[u8],
    count: u32,
    blocks: u32,
    first: u64,
    prev_crc: u32,
    size: usize,
) -> Option<Footer> {
    if count as usize > STREAMS_MAX {
        return None;
    }
    let (hash, records) = (get(body, 0)?, u64_at(body, 32)?);
    let mut streams = StreamCounts::new();
    let mut at = 40;
    for _ in 0..count {
        let len = u32_at(body, at)? as usize;
        let name = std::str::from_utf8(body.get(at + 4..(at + 4).checked_add(len)?)?).ok()?.to_string();
        at += 4 + len;
        let epoch = u32_at(body, at)?;
        let value = |n: usize| u64_at(body, at + 4 + 8 * n);
        let held = StreamCount {
            records: value(0)?,
            min_seq: value(1)?,
            max_seq: value(2)?,
            last_wal_seq: value(3)?,
        };
        streams.insert((name, epoch), held);
        at += 36;
    }
    (at == body.len()).then_some(Footer {
        records,
        blocks,
        first_wal_seq: first,
        hash,
        streams,
        prev_crc,
        size,
    })
}

/// Name of a segment that is being written.
pub(crate) fn open_name(index: u64) -> String {
    format!("{index:010}.open")
}

/// Name of a segment that is being made ahead of its use.
pub(crate) fn coming_name(index: u64) -> String {
    format!("{index:010}.new")
}

/// Name of a sealed segment.
pub(crate) fn sealed_name(index: u64) -> String {
    format!("{index:010}.seg")
}

/// Index and sealedness of a file name, `None` for another file.
pub fn parse_name(name: &str) -> Option<(u64, bool)> {
    let (index, ending) = name.split_once('.')?;
    let sealed = match ending {
        "seg" => true,
        "open" => false,
        _ => return None,
    };
    (index.len() == 10).then(|| index.parse().ok())?.map(|index| (index, sealed))
}
