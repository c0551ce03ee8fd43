//! A tape as a file: columns that are read where they lie.
//!
//! | part | bytes |
//! |---|---|
//! | magic `TGTAPE01` | 8 |
//! | length of the header, u32 | 4 |
//! | rows of the venue's stream, then of the received one, u64 | 16 |
//! | header: JSON of [`Header`] | its length |
//! | zeros up to a multiple of 64 | |
//! | of the venue's stream, then of the received one: ns (i64), qty (i64), px (i32), kind (u8) | 21 a row; each column starts at a multiple of 64 |
//! | BLAKE3 of everything before | 32 |
//!
//! Numbers are little-endian. A file is written whole and then renamed; opening it checks the hash, that times never go back and
//! that every kind is one, so that a run over it can trust each row.

use crate::event::Kind;
use crate::limits::{HEADER_BYTES_MAX, ROWS_MAX};
use crate::map::Map;
use crate::tape::{Correction, Stream, Tape};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use tidegate_instruments::Instrument;

const MAGIC: [u8; 8] = *b"TGTAPE01";
const ALIGN: usize = 64;
const HASH_BYTES: usize = 32;
const FIXED_BYTES: usize = 28;

/// What a tape was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub venue: String,
    pub symbol: String,
    /// px = ticks × `px_unit` × 10^-`px_scale`; qty alike.
    pub px_scale: u32,
    pub px_unit: i64,
    pub qty_scale: u32,
    pub qty_unit: i64,
    /// Files it was made of, by name, with the BLAKE3 of each.
    pub sources: Vec<(String, String)>,
    /// Smallest receive time less venue time as captured, and what was added to every receive time, in ns.
    pub least_latency_ns: i64,
    pub added_latency_ns: i64,
    /// The rule by which rows were made that no venue sent, as of bars; absent where every row was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl Header {
    /// Of rows of this instrument, recorded in these files, whose times are right.
    pub fn of(instrument: &Instrument, sources: Vec<(String, String)>) -> Self {
        Self {
            venue: instrument.venue.name().into(),
            symbol: instrument.symbol.clone(),
            px_scale: instrument.px_scale,
            px_unit: instrument.px_unit,
            qty_scale: instrument.qty_scale,
            qty_unit: instrument.qty_unit,
            sources,
            least_latency_ns: 0,
            added_latency_ns: 0,
            rule: None,
        }
    }

    /// Names the correction of the receive times.
    #[must_use]
    pub fn corrected(mut self, correction: Correction) -> Self {
        (self.least_latency_ns, self.added_latency_ns) = (correction.least_ns, correction.added_ns);
        self
    }
}

const fn up(at: usize) -> usize {
    at.div_ceil(ALIGN) * ALIGN
}

/// Where the columns lie: ns, qty, px, kind of the venue, then of the receiver, then the hash.
fn layout(header: usize, rows: [usize; 2]) -> [usize; 9] {
    let mut at = up(FIXED_BYTES + header);
    let mut out = [0; 9];
    for (column, slot) in out.iter_mut().enumerate() {
        *slot = at;
        let width = [8, 8, 4, 1].get(column % 4).copied().unwrap_or(0);
        at = up(at + rows.get(column / 4).copied().unwrap_or(0) * width);
    }
    out
}

/// Writes a tape; the file is there whole or not at all.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, header: &Header, tape: &Tape) -> Result<(), String> {
    let named = |fault: &dyn std::fmt::Display| format!("{}: {fault}", path.display());
    let json = serde_json::to_vec(header).map_err(|fault| named(&fault))?;
    if json.len() > HEADER_BYTES_MAX {
        return Err(named(&format!("a header of more than {HEADER_BYTES_MAX} bytes: name fewer sources")));
    }
    let rows = [tape.venue().len(), tape.local().len()];
    let at = layout(json.len(), rows);
    let mut bytes = Vec::with_capacity(at[8] + HASH_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
    rows.iter().for_each(|rows| bytes.extend_from_slice(&(*rows as u64).to_le_bytes()));
    bytes.extend_from_slice(&json);
    for stream in [tape.venue(), tape.local()] {
        bytes.resize(up(bytes.len()), 0);
        stream.ns.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        bytes.resize(up(bytes.len()), 0);
        stream.qty.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        bytes.resize(up(bytes.len()), 0);
        stream.px.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        bytes.resize(up(bytes.len()), 0);
        bytes.extend_from_slice(stream.kind);
    }
    bytes.resize(up(bytes.len()), 0);
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    let part = path.with_extension("part");
    let done = File::create(&part)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, path));
    done.map_err(|fault| named(&fault))
}

/// A tape that lies in a file.
#[derive(Debug)]
pub struct Stored {
    map: Map,
    header: Header,
    rows: [usize; 2],
    at: [usize; 9],
    hash: blake3::Hash,
}

impl Stored {
    /// Opens a tape and checks all of it.
    ///
    /// # Errors
    /// It is not there, is no tape, is damaged, or has rows out of order: what, and the remedy.
    pub fn open(path: &Path) -> Result<Self, String> {
        let named = |what: &str| format!("{}: {what}", path.display());
        let map = Map::open(path).map_err(|fault| named(&fault.to_string()))?;
        let bytes = map.bytes();
        let word = |from: usize, len: usize| bytes.get(from..from + len);
        let fixed = (|| {
            let magic = word(0, 8)?;
            let header = u32::from_le_bytes(word(8, 4)?.try_into().ok()?) as usize;
            let count = |at| usize::try_from(u64::from_le_bytes(word(at, 8)?.try_into().ok()?)).ok();
            let rows = [count(12)?, count(20)?];
            (magic == MAGIC && header <= HEADER_BYTES_MAX && rows.iter().all(|rows| *rows <= ROWS_MAX))
                .then_some((header, rows))
        })();
        let (len, rows) = fixed.ok_or_else(|| named("no tape: want a file made by a conversion"))?;
        let at = layout(len, rows);
        let damaged = || named("damaged: make it again from its sources");
        if bytes.len() != at[8] + HASH_BYTES {
            return Err(damaged());
        }
        let (body, stated) = bytes.split_at(at[8]);
        let hash = blake3::hash(body);
        if hash.as_bytes() != stated {
            return Err(damaged());
        }
        let json = body.get(FIXED_BYTES..FIXED_BYTES + len).unwrap_or_default();
        let header = serde_json::from_slice(json).map_err(|fault| named(&format!("header: {fault}")))?;
        let stored = Self { rows, at, header, hash, map };
        for (name, stream, rows) in
            [("venue", stored.venue(), rows[0]), ("received", stored.local(), rows[1])]
        {
            if stream.len() != rows || stream.kind.len() != rows {
                return Err(damaged());
            }
            if let Some(row) = stream.ns.windows(2).position(|pair| pair[0] > pair[1]) {
                return Err(named(&format!("{name} row {}: its time goes back: make it again", row + 1)));
            }
            if let Some(row) = stream.kind.iter().position(|kind| Kind::of(*kind).is_none()) {
                return Err(named(&format!("{name} row {row}: an unknown kind: made by a newer version?")));
            }
            if let Some(row) = stream.qty.iter().position(|qty| *qty < 0) {
                return Err(named(&format!("{name} row {row}: a quantity below zero: make it again")));
            }
        }
        Ok(stored)
    }

    fn stream(&self, side: usize) -> Stream<'_> {
        let at = |column: usize| self.at.get(side * 4 + column).copied().unwrap_or(usize::MAX);
        let rows = self.rows.get(side).copied().unwrap_or(0);
        Stream {
            ns: self.map.longs(at(0), rows),
            qty: self.map.longs(at(1), rows),
            px: self.map.ints(at(2), rows),
            kind: self.map.bytes().get(at(3)..at(3).saturating_add(rows)).unwrap_or_default(),
        }
    }

    /// What the venue went through.
    pub fn venue(&self) -> Stream<'_> {
        self.stream(0)
    }

    /// What was received.
    pub fn local(&self) -> Stream<'_> {
        self.stream(1)
    }

    /// What it was made of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The hash of the file's content: the data hash of a run.
    pub fn hash(&self) -> blake3::Hash {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Row;

    fn header() -> Header {
        Header {
            venue: "BINANCE_USDM".into(),
            symbol: "BTCUSDT".into(),
            px_scale: 1,
            px_unit: 1,
            qty_scale: 3,
            qty_unit: 1,
            sources: vec![("day.jsonl".into(), "00".into())],
            least_latency_ns: -5,
            added_latency_ns: 5,
            rule: None,
        }
    }

    fn tape(rows: i32) -> Tape {
        let row = |n: i32| Row {
            kind: Kind::ALL[n as usize % 7],
            exch_ns: i64::from(n % 5),
            local_ns: i64::from(n),
            px: n - 3,
            qty: i64::from(n) << 33,
        };
        Tape::of(&(0..rows).map(row).collect::<Vec<_>>()).unwrap()
    }

    fn same(a: Stream<'_>, b: Stream<'_>) -> bool {
        (a.ns, a.qty, a.px, a.kind) == (b.ns, b.qty, b.px, b.kind)
    }

    #[test]
    fn a46_a_tape_comes_back_from_its_file_as_it_went() {
        let dir = tempfile::tempdir().unwrap();
        for rows in [0, 1, 63, 64, 1_000] {
            let (path, tape) = (dir.path().join("day.tape"), tape(rows));
            write(&path, &header(), &tape).unwrap();
            let stored = Stored::open(&path).unwrap();
            assert!(same(stored.venue(), tape.venue()) && same(stored.local(), tape.local()), "{rows}");
            assert_eq!(stored.header(), &header());
        }
    }

    #[test]
    fn a46_sides_of_different_lengths_keep_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let row = |n| Row { kind: Kind::Bid, exch_ns: n, local_ns: n, px: 1, qty: 1 };
        let tape = Tape::of_sides(&[row(1), row(2), row(3)], &[row(9)]).unwrap();
        let path = dir.path().join("day.tape");
        write(&path, &header(), &tape).unwrap();
        let stored = Stored::open(&path).unwrap();
        assert_eq!((stored.venue().ns, stored.local().ns), (&[1, 2, 3][..], &[9][..]));
    }

    #[test]
    fn a46_a_tape_that_is_damaged_cut_or_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day.tape");
        write(&path, &header(), &tape(100)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(61) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert!(Stored::open(&path).is_err(), "byte {at}");
        }
        for len in [0, 7, 19, 64, whole.len() - 1] {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert!(Stored::open(&path).is_err(), "{len} bytes");
        }
        assert!(Stored::open(&dir.path().join("none")).unwrap_err().contains("none"));
    }

    #[test]
    fn a46_rows_out_of_order_are_refused_though_the_hash_is_right() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day.tape");
        write(&path, &header(), &tape(100)).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let len = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
        let at = layout(len, [100, 100]);
        bytes[at[0]..at[0] + 8].copy_from_slice(&99_i64.to_le_bytes());
        let hash = blake3::hash(&bytes[..at[8]]);
        bytes[at[8]..].copy_from_slice(hash.as_bytes());
        std::fs::write(&path, &bytes).unwrap();
        assert!(Stored::open(&path).unwrap_err().contains("venue row 1: its time goes back"));
    }
}
