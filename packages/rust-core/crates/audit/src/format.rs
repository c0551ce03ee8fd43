//! The bytes of a segment of the trail. Little-endian throughout.

use crate::limits::{NAME_BYTES_MAX, REASON_BYTES_MAX};
use ring::digest::{Context, SHA256};

/// A SHA-256.
pub type Digest = [u8; 32];
/// Bytes before the first record of a segment.
pub const SEGMENT_HEADER_BYTES: usize = 96;
const MAGIC: [u8; 8] = *b"TGAUDIT1";
const VERSION: u32 = 1;
/// seq, ts_utc, ts_mono, epoch, three lengths, before, after.
const FIXED_BYTES: usize = 8 + 8 + 8 + 4 + 3 * 2 + 2 * 32;
const BODY_BYTES_MAX: usize = FIXED_BYTES + 2 * NAME_BYTES_MAX + REASON_BYTES_MAX;

/// SHA-256 of `bytes`: what stands for the state before and after an act.
pub fn digest(bytes: &[u8]) -> Digest {
    hash(&[bytes])
}

pub(crate) fn hash(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// One act, as whoever records it gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Ns since the Unix epoch.
    pub ts_utc_ns: i64,
    /// Ns of `CLOCK_MONOTONIC`.
    pub ts_mono_ns: u64,
    /// Epoch of the process that acted.
    pub epoch: u32,
    /// Who: 1 to 64 bytes.
    pub actor: &'a str,
    /// What: 1 to 64 bytes.
    pub action: &'a str,
    /// Why: at most 256 bytes.
    pub reason: &'a str,
    /// [`digest`] of the state before, zero where there is none.
    pub before: Digest,
    /// And after.
    pub after: Digest,
}

/// One record as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Place in the trail, from 1 without holes, over all segments.
    pub seq: u64,
    pub entry: Entry<'a>,
    pub hash: Digest,
    /// Bytes it takes in the segment.
    pub size: usize,
}

/// Why an entry is refused.
pub(crate) fn defect(entry: &Entry<'_>) -> Option<String> {
    for (what, text) in [("actor", entry.actor), ("action", entry.action)] {
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Some(format!("an {what} of {} bytes: want 1 to {NAME_BYTES_MAX}", text.len()));
        }
    }
    (entry.reason.len() > REASON_BYTES_MAX)
        .then(|| format!("a reason of {} bytes: want at most {REASON_BYTES_MAX}", entry.reason.len()))
}

/// Appends the record to `out`; returns its hash.
pub(crate) fn encode(out: &mut Vec<u8>, seq: u64, entry: &Entry<'_>, prev: &Digest) -> Digest {
    let start = out.len();
    let texts = [entry.actor, entry.action, entry.reason];
    let len = FIXED_BYTES + texts.iter().map(|text| text.len()).sum::<usize>();
    out.extend_from_slice(&(len as u32).to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&entry.ts_utc_ns.to_le_bytes());
    out.extend_from_slice(&entry.ts_mono_ns.to_le_bytes());
    out.extend_from_slice(&entry.epoch.to_le_bytes());
    for text in texts {
        out.extend_from_slice(&(text.len() as u16).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&entry.before);
    out.extend_from_slice(&entry.after);
    let own = hash(&[prev, &out[start..]]);
    out.extend_from_slice(&own);
    own
}

fn get<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Where the record that begins at `at` ends by its own length, `None` where none can begin or not all of it is there.
pub fn record_end(bytes: &[u8], at: usize) -> Option<usize> {
    let len = u32::from_le_bytes(get(bytes, at)?) as usize;
    let end = at + 4 + len + 32;
    ((FIXED_BYTES..=BODY_BYTES_MAX).contains(&len) && end <= bytes.len()).then_some(end)
}

/// What stands at a place of a segment.
pub(crate) enum Found<'a> {
    Record(Record<'a>),
    /// Fewer bytes than a record there would have.
    Short,
    /// Bytes that are no record of this chain.
    Bad(&'static str),
}

/// Reads the record at `at` that is to follow a record of hash `prev`.
pub(crate) fn decode<'a>(bytes: &'a [u8], at: usize, due: u64, prev: &Digest) -> Found<'a> {
    let Some(end) = record_end(bytes, at) else {
        let len = get(bytes, at).map_or(0, u32::from_le_bytes) as usize;
        let whole = get::<4>(bytes, at).is_some() && !(FIXED_BYTES..=BODY_BYTES_MAX).contains(&len);
        return if whole { Found::Bad("its length is none a record has") } else { Found::Short };
    };
    let record = || {
        let u64_at = |at| get(bytes, at).map(u64::from_le_bytes);
        let mut next = at + 32;
        let mut text = || {
            let len = u16::from_le_bytes(get(bytes, next)?) as usize;
            let text = std::str::from_utf8(bytes.get(next + 2..next + 2 + len)?).ok()?;
            next += 2 + len;
            Some(text)
        };
        let (actor, action, reason) = (text()?, text()?, text()?);
        let entry = Entry {
            ts_utc_ns: u64_at(at + 12)?.cast_signed(),
            ts_mono_ns: u64_at(at + 20)?,
            epoch: u32::from_le_bytes(get(bytes, at + 28)?),
            actor,
            action,
            reason,
            before: get(bytes, next)?,
            after: get(bytes, next + 32)?,
        };
        (next + 64 + 32 == end).then_some(())?;
        Some(Record { seq: u64_at(at + 4)?, entry, hash: get(bytes, end - 32)?, size: end - at })
    };
    let Some(record) = record() else { return Found::Bad("its fields do not fill its length") };
    if record.seq != due {
        return Found::Bad("another record stands where it is due");
    }
    if record.hash != hash(&[prev, &bytes[at..end - 32]]) {
        return Found::Bad("its hash does not follow from its content and the record before");
    }
    Found::Record(record)
}

/// The first bytes of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub index: u64,
    pub first_seq: u64,
    /// Hash of the last record of the segment before: the chain goes on over a rotation.
    pub prev: Digest,
}

impl Header {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.first_seq.to_le_bytes());
        out.extend_from_slice(&self.prev);
        let own = hash(&[&out]);
        out.extend_from_slice(&own);
        out
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let own: Digest = get(bytes, 64)?;
        let sound = own == hash(&[&bytes[..64]])
            && bytes[..8] == MAGIC
            && u32::from_le_bytes(get(bytes, 8)?) == VERSION;
        sound.then_some(())?;
        let u64_at = |at| get(bytes, at).map(u64::from_le_bytes);
        Some(Self { index: u64_at(16)?, first_seq: u64_at(24)?, prev: get(bytes, 32)? })
    }
}

pub(crate) fn segment_name(index: u64) -> String {
    format!("{index:010}.audit")
}

pub(crate) fn parse_name(name: &str) -> Option<u64> {
    let index = name.strip_suffix(".audit")?;
    (index.len() == 10).then(|| index.parse().ok())?
}
