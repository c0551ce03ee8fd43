//! Databento Binary Encoding, versions 1 to 3: the container, and its symbols, and the records of the MBO, MBP-1, MBP-10 and trades schemas.
//!
//! A file is `DBN`, a version, a metadata block and records; a record is a header of 16 bytes whose first byte is its length
//! in words of 4 bytes. Everything is little-endian. The four kinds of record read here are the same in all three versions.
//! Source: Databento, "Databento Binary Encoding".

use crate::fault::{Fault, Kind};
use crate::limits::{DBN_METADATA_BYTES_MAX, DBN_RECORD_BYTES_MAX};
use crate::source::{Source, open};
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use tidegate_units::{EpochNs, Side};

/// What an event does to the book. Trades and fills do nothing: a cancel or modify follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Add,
    Cancel,
    Modify,
    Trade,
    Fill,
    Clear,
    /// No action; only the flags count.
    None,
}

/// What every record says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub publisher: u16,
    pub instrument: u32,
    pub ts_event: EpochNs,
}

/// One market-by-order event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mbo {
    pub head: Head,
    pub ts_recv: EpochNs,
    pub order_id: u64,
    /// 1e-9 of the price unit; [`i64::MAX`] where there is none.
    pub px: i64,
    pub qty: u32,
    pub action: Action,
    /// None where the record names no side.
    pub side: Option<Side>,
    pub flags: u8,
    pub channel: u8,
    /// Nanoseconds from the venue's sending to the receipt.
    pub ts_in_delta: i32,
    pub sequence: u32,
}

/// Flag: the last record of an event; the book is whole after it.
pub const LAST: u8 = 128;

/// The top of the book after an event, or a trade with the top before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mbp1 {
    pub head: Head,
    pub ts_recv: EpochNs,
    pub px: i64,
    pub qty: u32,
    pub action: Action,
    pub side: Option<Side>,
    pub flags: u8,
    pub depth: u8,
    /// Nanoseconds from the venue's sending to the receipt.
    pub ts_in_delta: i32,
    pub sequence: u32,
    /// Price, size and orders of each side's best; price [`i64::MAX`] where the side is empty.
    pub bid: (i64, u32, u32),
    pub ask: (i64, u32, u32),
}

/// Levels of a side in a record of MBP-10.
pub const LEVELS: usize = 10;

/// The ten best levels after an event, or a trade with those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mbp10 {
    pub head: Head,
    pub ts_recv: EpochNs,
    pub px: i64,
    pub qty: u32,
    pub action: Action,
    pub side: Option<Side>,
    pub flags: u8,
    pub sequence: u32,
    /// Price and size of each level, the best first; price [`i64::MAX`] where there is none.
    pub bids: [(i64, u32); LEVELS],
    pub asks: [(i64, u32); LEVELS],
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a record is looked at where it lies and kept nowhere")]
pub enum Record {
    Mbp10(Mbp10),
    Mbo(Mbo),
    Mbp1(Mbp1),
    /// A trade of the trades schema: as [`Mbp1`] without the top.
    Trade {
        head: Head,
        ts_recv: EpochNs,
        px: i64,
        qty: u32,
        side: Option<Side>,
        flags: u8,
        sequence: u32,
    },
    /// A record of another kind, by its `rtype`; passed over.
    Other(u8),
}

/// A DBN file.
pub struct Dbn {
    source: Source,
    file: PathBuf,
    at: u64,
    version: u8,
    dataset: String,
    ts_out: bool,
    symbols: Vec<(String, u32)>,
}

impl std::fmt::Debug for Dbn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dbn").field("file", &self.file).field("at", &self.at).finish_non_exhaustive()
    }
}

const REMEDY: &str = "want a DBN file of version 1, 2 or 3, plain or packed with zstd";

impl Dbn {
    /// Opens a file and reads its metadata.
    ///
    /// # Errors
    /// It cannot be opened, is no DBN file, or is of another version.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let mut source = open(path)?;
        let mut read =
            |bytes: &mut [u8]| source.read_exact(bytes).map_err(|error| Fault::io(path, 0, &error));
        let mut prefix = [0_u8; 8];
        read(&mut prefix)?;
        let [d, b, n, version, length @ ..] = prefix;
        if [d, b, n] != *b"DBN" {
            return Err(Fault::new(Kind::Malformed, path, 0, "does not begin with DBN", REMEDY));
        }
        if !(1..=3).contains(&version) {
            return Err(Fault::new(Kind::Unsupported, path, 0, format!("DBN version {version}"), REMEDY));
        }
        let length = u32::from_le_bytes(length) as usize;
        if !(44..=DBN_METADATA_BYTES_MAX).contains(&length) {
            return Err(Fault::new(Kind::Malformed, path, 0, format!("metadata of {length} bytes"), REMEDY));
        }
        let mut metadata = vec![0; length];
        read(&mut metadata)?;
        let name = metadata.get(..16).unwrap_or_default();
        let dataset = String::from_utf8_lossy(name).trim_end_matches('\0').to_string();
        // dataset 16, schema 2, start 8, end 8, limit 8, [record count 8 in version 1], stype_in 1, stype_out 1, ts_out 1
        let ts_out = metadata.get(if version == 1 { 52 } else { 44 }).copied().unwrap_or(0) != 0;
        let symbols = symbols(&metadata, version).ok_or_else(|| {
            Fault::new(Kind::Malformed, path, 0, "metadata whose tables of symbols are cut", REMEDY)
        })?;
        Ok(Self { source, file: path.to_path_buf(), at: 0, version, dataset, ts_out, symbols })
    }

    /// The version of the encoding.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// The dataset, such as `GLBX.MDP3`.
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// Symbols as they were asked for and the instrument ids they stood for, each pair once.
    pub fn symbols(&self) -> &[(String, u32)] {
        &self.symbols
    }

    /// Number of the record given last, from 1.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next record, or none at the end.
    ///
    /// # Errors
    /// A damaged file, one that ends inside a record, a record whose length is not that of its kind.
    pub fn next_record(&mut self) -> Result<Option<Record>, Fault> {
        self.at += 1;
        let fault = |error: &std::io::Error| Fault::io(&self.file, self.at, error);
        let Some(words) = self.source.fill_buf().map_err(|error| fault(&error))?.first().copied() else {
            return Ok(None);
        };
        let mut buffer = [0_u8; DBN_RECORD_BYTES_MAX];
        let length = usize::from(words) * 4;
        let bytes = buffer.get_mut(..length).unwrap_or_default();
        self.source.read_exact(bytes).map_err(|error| fault(&error))?;
        let extra = if self.ts_out { 8 } else { 0 };
        length.checked_sub(extra).and_then(|end| parse(bytes.get(..end)?)).map(Some).ok_or_else(|| {
            let what = format!("a record of kind {} with {length} bytes", bytes.get(1).copied().unwrap_or(0));
            Fault::new(Kind::Malformed, &self.file, self.at, what, REMEDY)
        })
    }
}

/// Little-endian fields of a record, by their place.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }
    fn u8(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }
    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }
    fn i32(&self, at: usize) -> Option<i32> {
        self.array(at).map(i32::from_le_bytes)
    }
    fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
    fn i64(&self, at: usize) -> Option<i64> {
        self.array(at).map(i64::from_le_bytes)
    }
    fn time(&self, at: usize) -> Option<EpochNs> {
        i64::try_from(self.u64(at)?).ok().map(EpochNs)
    }
}

/// The pairs of symbol and instrument id that the metadata map; none where a table is cut. Symbols that stand for no id, as names
/// of parents do, are passed over.
fn symbols(metadata: &[u8], version: u8) -> Option<Vec<(String, u32)>> {
    // The fixed part; then a length of a definition that no version uses, and four tables.
    const FIXED: usize = 100;
    let f = Fields(metadata);
    let mut found = Vec::new();
    if metadata.len() < FIXED + 4 {
        return Some(found);
    }
    let width = if version == 1 { 22 } else { f.array(45).map(u16::from_le_bytes).map(usize::from)? };
    let mut at = FIXED + 4 + f.u32(FIXED)? as usize;
    let count = |at: &mut usize| {
        let value = f.u32(*at).map(|value| value as usize);
        *at += 4;
        value
    };
    let name = |at: usize| {
        let bytes = metadata.get(at..at.checked_add(width)?)?;
        Some(String::from_utf8_lossy(bytes).trim_end_matches('\0').to_string())
    };
    if at >= metadata.len() {
        return Some(found);
    }
    // What was asked for, what was found in part, what was not found.
    for _ in 0..3 {
        let names = count(&mut at)?;
        at = at.checked_add(names.checked_mul(width)?)?;
    }
    for _ in 0..count(&mut at)? {
        let asked = name(at)?;
        at += width;
        for _ in 0..count(&mut at)? {
            // First day, day after the last, then the symbol.
            let stood_for = name(at + 8)?;
            at += 8 + width;
            let pair = stood_for.parse().map(|id| (asked.clone(), id));
            found.extend(pair.ok().filter(|pair| !found.contains(pair)));
        }
    }
    Some(found)
}

fn action(byte: u8) -> Option<Action> {
    Some(match byte {
        b'A' => Action::Add,
        b'C' => Action::Cancel,
        b'M' => Action::Modify,
        b'T' => Action::Trade,
        b'F' => Action::Fill,
        b'R' => Action::Clear,
        b'N' => Action::None,
        _ => return None,
    })
}

fn side(byte: u8) -> Option<Option<Side>> {
    match byte {
        b'B' => Some(Some(Side::Buy)),
        b'A' => Some(Some(Side::Sell)),
        b'N' => Some(None),
        _ => None,
    }
}

fn parse(bytes: &[u8]) -> Option<Record> {
    let f = Fields(bytes);
    let kind = f.u8(1)?;
    let head = Head {
        publisher: f.array(2).map(u16::from_le_bytes)?,
        instrument: f.u32(4)?,
        // A record without an event time carries all ones.
        ts_event: f.time(8).unwrap_or(EpochNs(i64::MAX)),
    };
    Some(match (kind, bytes.len()) {
        (0xa0, 56) => Record::Mbo(Mbo {
            head,
            order_id: f.u64(16)?,
            px: f.i64(24)?,
            qty: f.u32(32)?,
            flags: f.u8(36)?,
            channel: f.u8(37)?,
            ts_in_delta: f.i32(48)?,
            action: action(f.u8(38)?)?,
            side: side(f.u8(39)?)?,
            ts_recv: f.time(40)?,
            sequence: f.u32(52)?,
        }),
        (0x01, 80) => Record::Mbp1(Mbp1 {
            head,
            px: f.i64(16)?,
            qty: f.u32(24)?,
            action: action(f.u8(28)?)?,
            side: side(f.u8(29)?)?,
            flags: f.u8(30)?,
            depth: f.u8(31)?,
            ts_recv: f.time(32)?,
            ts_in_delta: f.i32(40)?,
            sequence: f.u32(44)?,
            bid: (f.i64(48)?, f.u32(64)?, f.u32(72)?),
            ask: (f.i64(56)?, f.u32(68)?, f.u32(76)?),
        }),
        (0x00, 48) => Record::Trade {
            head,
            px: f.i64(16)?,
            qty: f.u32(24)?,
            side: side(f.u8(29)?)?,
            flags: f.u8(30)?,
            ts_recv: f.time(32)?,
            sequence: f.u32(44)?,
        },
        (0x0a, 368) => {
            let (mut bids, mut asks) = ([(i64::MAX, 0); LEVELS], [(i64::MAX, 0); LEVELS]);
            for (level, (bid, ask)) in bids.iter_mut().zip(&mut asks).enumerate() {
                let at = 48 + level * 32;
                *bid = (f.i64(at)?, f.u32(at + 16)?);
                *ask = (f.i64(at + 8)?, f.u32(at + 20)?);
            }
            Record::Mbp10(Mbp10 {
                head,
                px: f.i64(16)?,
                qty: f.u32(24)?,
                action: action(f.u8(28)?)?,
                side: side(f.u8(29)?)?,
                flags: f.u8(30)?,
                ts_recv: f.time(32)?,
                sequence: f.u32(44)?,
                bids,
                asks,
            })
        }
        (0xa0 | 0x0a | 0x01 | 0x00, _) => return None,
        (other, _) => Record::Other(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A version 1 file with one MBO record, made from the published layout.
    fn file() -> Vec<u8> {
        let mut bytes = b"DBN\x01".to_vec();
        let mut metadata = b"GLBX.MDP3".to_vec();
        metadata.resize(198, 0);
        bytes.extend((metadata.len() as u32).to_le_bytes());
        bytes.extend(metadata);
        bytes.extend([14, 0xa0, 1, 0, 0xb5, 0x42, 0, 0]);
        for word in [1_703_422_805_243_925_307_u64, 6_412_777_162_812, 4_799_000_000_000] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend([40, 0, b'A', b'B']);
        bytes.extend(1_703_462_400_000_000_000_u64.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(682_u32.to_le_bytes());
        bytes
    }

    fn open_bytes(bytes: &[u8]) -> Result<(Dbn, tempfile::NamedTempFile), Fault> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        Dbn::open(file.path()).map(|dbn| (dbn, file))
    }

    #[test]
    fn an_mbo_record_is_read_by_its_layout() {
        let (mut dbn, _file) = open_bytes(&file()).unwrap();
        assert_eq!((dbn.version(), dbn.dataset()), (1, "GLBX.MDP3"));
        let Some(Record::Mbo(mbo)) = dbn.next_record().unwrap() else { panic!("an MBO record") };
        assert_eq!(
            (mbo.head.instrument, mbo.order_id, mbo.px, mbo.qty),
            (17_077, 6_412_777_162_812, 4_799_000_000_000, 2)
        );
        assert_eq!((mbo.action, mbo.side, mbo.flags, mbo.sequence), (Action::Add, Some(Side::Buy), 40, 682));
        assert_eq!(dbn.next_record().unwrap(), None);
    }

    #[test]
    fn what_is_cut_or_no_such_file_is_named() {
        let whole = file();
        for cut in [0, 3, 7, 20, 205, 206, 210, whole.len() - 1] {
            let found = open_bytes(&whole[..cut]).and_then(|(mut dbn, _file)| dbn.next_record());
            match found {
                Err(fault) => assert_eq!(fault.kind, Kind::Truncated, "{cut}"),
                Ok(record) => assert_eq!((cut, record), (206, None)),
            }
        }
        let with = |at: usize, byte: u8| {
            let mut bytes = file();
            bytes[at] = byte;
            open_bytes(&bytes).and_then(|(mut dbn, _file)| dbn.next_record()).map_err(|fault| fault.kind)
        };
        assert_eq!(with(0, b'X'), Err(Kind::Malformed));
        assert_eq!(with(3, 4), Err(Kind::Unsupported));
        assert_eq!(with(7, 0xff), Err(Kind::Malformed), "metadata beyond its bound");
        assert_eq!(with(206, 13), Err(Kind::Malformed), "a record of another length");
        assert_eq!(with(206 + 38, b'?'), Err(Kind::Malformed), "no such action");
        assert_eq!(with(206, 0), Err(Kind::Malformed), "a record without a length");
    }
}
