//! Groups of blocks straight from the segments of a WAL that is still being written.

use crate::schema::Schema;
use crate::slice::{RecordRef, Sliced, Slicer};
use std::collections::HashMap;
use std::path::Path;
use tidegate_wal::format::Item;
use tidegate_wal::{Block, DirStorage, Reader, SegmentInfo, WalFault, segments};

/// Where the next block begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// 0 is before the first there is.
    pub segment: u64,
    /// In bytes; 0 is the first block.
    pub offset: u64,
}

/// A group stops growing at the first of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub blocks: usize,
    pub records: usize,
    /// Of blocks before compression.
    pub bytes: usize,
}

/// Some blocks and what they come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub from: Position,
    pub to: Position,
    pub records: usize,
    /// When its first record was taken, ns since the Unix epoch.
    pub oldest_ns: i64,
    /// Whether a bound ended it, so that there may be more at once.
    pub full: bool,
    pub sliced: Sliced,
}

/// What there is to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Group(Box<Group>),
    /// Nothing whole, yet.
    Nothing,
    /// A sealed segment holds nothing whole where it should.
    Damaged,
}

enum Step {
    Block(Block, u64),
    End,
    Missing,
    Damaged,
}

/// Whether a file or the directory is gone: sealed and so renamed, retired, or not made yet.
fn gone(fault: &WalFault) -> bool {
    matches!(fault, WalFault::Io(error) if error.errno == tidegate_wal::Errno::NOENT)
}

/// The segments as last looked at, and the one that is being read.
struct Source {
    storage: DirStorage,
    known: Vec<SegmentInfo>,
    reader: Reader,
}

impl Source {
    fn look(&mut self) -> Result<(), WalFault> {
        self.known = segments(&self.storage)?;
        Ok(())
    }

    fn segment(&self, index: u64) -> Option<&SegmentInfo> {
        self.known.iter().find(|segment| segment.index == index)
    }

    /// `None` where the segment is not there or holds nothing whole.
    fn try_read(&mut self, at: Position) -> Result<Option<Step>, WalFault> {
        let Some(segment) = self.known.iter().find(|segment| segment.index == at.segment) else {
            return Ok(None);
        };
        let found = self.reader.read(&self.storage, &segment.name, at.offset)?;
        Ok(found.map(|(item, next)| match item {
            Item::Block(block) => Step::Block(block, next),
            Item::Footer(_) => Step::End,
        }))
    }

    fn read(&mut self, at: Position) -> Result<Step, WalFault> {
        match self.try_read(at) {
            Ok(Some(step)) => return Ok(step),
            Err(fault) if !gone(&fault) => return Err(fault),
            _ => {}
        }
        // Nothing there, or sealed since the last look: look again, once.
        self.look()?;
        match self.try_read(at) {
            Ok(Some(step)) => Ok(step),
            Ok(None) if self.segment(at.segment).is_some_and(|segment| segment.sealed) => Ok(Step::Damaged),
            Ok(None) => Ok(Step::Missing),
            Err(fault) if gone(&fault) => Ok(Step::Missing),
            Err(fault) => Err(fault),
        }
    }
}

/// The group that begins at `from`, up to `to` where its end was fixed before, or as far as the bounds let it.
///
/// Shape   `highest` as [`Slicer::new`] has it
///
/// # Errors
/// The disk fails. A directory that is not there has nothing.
pub fn read_group(
    schema: &Schema,
    dir: &Path,
    from: Position,
    to: Option<Position>,
    bounds: Bounds,
    highest: &HashMap<String, u64>,
) -> Result<Found, WalFault> {
    let storage = match DirStorage::open_existing(dir).map_err(WalFault::from) {
        Ok(storage) => storage,
        Err(fault) if gone(&fault) => return Ok(Found::Nothing),
        Err(fault) => return Err(fault),
    };
    let mut source = Source { storage, known: Vec::new(), reader: Reader::default() };
    source.look()?;
    let mut at = from;
    if at.segment == 0 {
        let Some(first) = source.known.first() else { return Ok(Found::Nothing) };
        at = Position { segment: first.index, offset: 0 };
    }
    let from = at;
    let mut slicer = Slicer::new(schema, highest);
    let (mut blocks, mut records, mut bytes, mut oldest_ns) = (0, 0, 0, 0);
    let mut full = true;
    let mut damaged = false;
    while to.is_none_or(|end| at < end)
        && blocks < bounds.blocks
        && records < bounds.records
        && bytes < bounds.bytes
    {
        match source.read(at)? {
            Step::Block(block, next) => {
                if blocks == 0 {
                    oldest_ns = block.records.first().map_or(0, |record| record.ts_ns);
                }
                blocks += 1;
                records += block.records.len();
                bytes += block.raw_bytes();
                let rows = block.records.iter().map(|record| RecordRef {
                    wal_seq: record.wal_seq,
                    stream: &record.stream,
                    epoch: record.epoch,
                    seq: record.seq,
                    ts_ns: record.ts_ns,
                    payload: block.payload(record),
                });
                slicer.block(at.segment, block.index, block.crc, rows);
                at.offset = next;
            }
            Step::End => at = Position { segment: at.segment + 1, offset: 0 },
            step => {
                damaged = matches!(step, Step::Damaged);
                full = false;
                break;
            }
        }
    }
    if blocks == 0 {
        return Ok(if damaged { Found::Damaged } else { Found::Nothing });
    }
    let sliced = slicer.finish();
    Ok(Found::Group(Box::new(Group { from, to: at, records, oldest_ns, full, sliced })))
}
