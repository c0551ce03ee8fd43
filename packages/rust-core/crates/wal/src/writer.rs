//! The one writer of a WAL directory.

use crate::WalFault;
use crate::format::{
    BlockBuilder, HEADER_BYTES, Header, Item, RecordType, StreamCount, StreamCounts, decode_item,
    encode_footer, open_name, sealed_name,
};
use crate::limits::{
    BLOCK_BYTES_TARGET, BLOCK_RECORDS_MAX, PAYLOAD_BYTES_MAX, SEGMENT_AGE_NS_DEFAULT, SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_MAX, STREAM_NAME_BYTES_MAX, STREAMS_MAX,
};
use crate::reader::segments;
use std::collections::BTreeMap;
use tidegate_segment::{Storage, StorageError};

/// How a WAL is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalConfig {
    /// The cluster it belongs to.
    pub cluster: [u8; 16],
    /// A segment this long is sealed, in bytes.
    pub segment_bytes: u64,
    /// A segment this old is sealed, in ns.
    pub segment_age_ns: u64,
    /// Whether a flushed block survives a power cut (synced) or only the death of the process (written).
    pub power_safe: bool,
}

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            cluster: [0; 16],
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            segment_age_ns: SEGMENT_AGE_NS_DEFAULT,
            power_safe: false,
        }
    }
}

/// How far a stream is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Epoch of its publisher.
    pub epoch: u32,
    /// Last seq that is a record or inside a recorded gap.
    pub seq: u64,
}

/// What opening a WAL found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WalRecovery {
    /// `wal_seq` of the last record, 0 when there is none.
    pub last_wal_seq: u64,
    /// Last position of each stream.
    pub streams: BTreeMap<String, Position>,
    /// Segments there are.
    pub segments: u64,
    /// Bytes of a torn tail that were cut off.
    pub torn_bytes: u64,
}

#[derive(Debug)]
struct Open {
    index: u64,
    offset: u64,
    first_wal_seq: u64,
    blocks: u32,
    prev_crc: u32,
    hasher: blake3::Hasher,
    counts: StreamCounts,
    since_ns: Option<u64>,
}

/// The writer: `append` collects, `flush` writes a block.
#[derive(Debug)]
pub struct Wal<S> {
    storage: S,
    config: WalConfig,
    open: Open,
    block: BlockBuilder,
    block_first: u64,
    next_wal_seq: u64,
    streams: BTreeMap<String, Position>,
    buf: Vec<u8>,
    poisoned: Option<String>,
}

fn damaged<S: Storage>(storage: &S, name: &str, offset: u64, what: impl Into<String>) -> WalFault {
    WalFault::Damaged { path: storage.path(name), offset, what: what.into() }
}

/// The whole items of a growing segment, and where they end.
struct Survey {
    header: Header,
    open: Open,
    sealed: bool,
    positions: Vec<(String, Position)>,
}

fn survey<S: Storage>(storage: &S, name: &str, bytes: &[u8]) -> Result<Option<Survey>, WalFault> {
    let Some(header) = Header::decode(bytes) else { return Ok(None) };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..HEADER_BYTES]);
    let mut open = Open {
        index: header.index,
        offset: HEADER_BYTES as u64,
        first_wal_seq: header.first_wal_seq,
        blocks: 0,
        prev_crc: 0,
        hasher,
        counts: StreamCounts::new(),
        since_ns: None,
    };
    let mut positions = Vec::new();
    let mut next = header.first_wal_seq;
    let mut sealed = false;
    while let Some(item) = bytes.get(open.offset as usize..).and_then(decode_item) {
        let at = open.offset as usize;
        match item {
            Item::Footer(footer) => {
                sealed = footer.prev_crc == open.prev_crc && at + footer.size == bytes.len();
                break;
            }
            Item::Block(block) => {
                let due = block.records.first().is_none_or(|record| record.wal_seq == next);
                if block.index != open.blocks || block.prev_crc != open.prev_crc || !due {
                    return Err(damaged(
                        storage,
                        name,
                        open.offset,
                        format!("block {} is not the next", block.index),
                    ));
                }
                for record in &block.records {
                    count(&mut open.counts, &record.stream, record.epoch, record.seq, record.wal_seq);
                    positions
                        .push((record.stream.clone(), Position { epoch: record.epoch, seq: record.seq }));
                }
                next += block.records.len() as u64;
                open.hasher.update(&bytes[at..at + block.size]);
                open.prev_crc = block.crc;
                open.blocks += 1;
                open.offset += block.size as u64;
            }
        }
    }
    if !sealed {
        let rest = bytes.get(open.offset as usize..).unwrap_or_default();
        if let Some(later) = (1..rest.len()).find(|at| decode_item(&rest[*at..]).is_some()) {
            let what = format!("block {} is damaged and a whole one stands {later} bytes later", open.blocks);
            return Err(damaged(storage, name, open.offset, what));
        }
    }
    Ok(Some(Survey { header, open, sealed, positions }))
}

fn count(counts: &mut StreamCounts, stream: &str, epoch: u32, seq: u64, wal_seq: u64) {
    let key = (stream.to_string(), epoch);
    let held = counts.entry(key).or_insert(StreamCount {
        records: 0,
        min_seq: seq,
        max_seq: seq,
        last_wal_seq: wal_seq,
    });
    held.records += 1;
    held.min_seq = held.min_seq.min(seq);
    held.max_seq = held.max_seq.max(seq);
    held.last_wal_seq = wal_seq;
}

impl<S: Storage> Wal<S> {
    /// Takes the writer's lock, recovers: a torn tail is cut, a segment left open is sealed, and a new one begun.
    ///
    /// # Errors
    /// Another writer, a failing or full disk, or bytes that no crash can leave behind.
    pub fn open(mut storage: S, config: WalConfig) -> Result<(Self, WalRecovery), WalFault> {
        if config.segment_bytes == 0 || config.segment_bytes > SEGMENT_BYTES_MAX / 2 {
            return Err(WalFault::Config(format!(
                "segment_bytes is {}; want 1 to {}",
                config.segment_bytes,
                SEGMENT_BYTES_MAX / 2
            )));
        }
        storage.lock()?;
        let mut recovery = WalRecovery::default();
        let mut prev_hash = [0; 32];
        let mut next_wal_seq = 1;
        let mut next_index = 1;
        let found = segments(&storage)?;
        for (place, segment) in found.iter().enumerate() {
            let name = &segment.name;
            if segment.index != next_index {
                return Err(damaged(&storage, name, 0, format!("segment {next_index} before it is missing")));
            }
            let mut bytes = Vec::new();
            storage.read(name, 0, segment.bytes.min(SEGMENT_BYTES_MAX) as usize, &mut bytes)?;
            let Some(survey) = survey(&storage, name, &bytes)? else {
                // The process died while it made the file: nothing was ever recorded in it.
                if !segment.sealed && place + 1 == found.len() && bytes.len() <= HEADER_BYTES {
                    storage.remove(name)?;
                    continue;
                }
                return Err(damaged(&storage, name, 0, "the header of the segment is not whole"));
            };
            let header = &survey.header;
            if header.cluster != config.cluster
                || header.index != segment.index
                || header.first_wal_seq != next_wal_seq
                || header.prev_hash != prev_hash
            {
                return Err(damaged(
                    &storage,
                    name,
                    0,
                    "it does not continue the segment before it, or is of another cluster",
                ));
            }
            if segment.sealed && !survey.sealed {
                return Err(damaged(
                    &storage,
                    name,
                    survey.open.offset,
                    "a sealed segment without a whole footer",
                ));
            }
            let mut open = survey.open;
            let records: u64 = open.counts.values().map(|held| held.records).sum();
            next_wal_seq += records;
            recovery.streams.extend(survey.positions);
            prev_hash = *open.hasher.finalize().as_bytes();
            if !segment.sealed {
                if !survey.sealed {
                    recovery.torn_bytes += bytes.len() as u64 - open.offset;
                    storage.truncate(name, open.offset)?;
                }
                if records == 0 {
                    storage.remove(name)?;
                    prev_hash = header.prev_hash;
                    continue;
                }
                seal(&mut storage, &mut open, survey.sealed, config.power_safe)?;
            }
            next_index += 1;
        }
        recovery.last_wal_seq = next_wal_seq - 1;
        recovery.segments = next_index - 1;
        let open = begin(&mut storage, &config, next_index, next_wal_seq, prev_hash)?;
        let wal = Self {
            storage,
            config,
            open,
            block: BlockBuilder::default(),
            block_first: next_wal_seq,
            next_wal_seq,
            streams: recovery.streams.clone(),
            buf: Vec::new(),
            poisoned: None,
        };
        Ok((wal, recovery))
    }

    /// Adds a record; returns its `wal_seq`. It is in the WAL only after the next `flush`. A full block is flushed first.
    ///
    /// # Errors
    /// A name or payload out of bounds (nothing is added); a failing disk (the WAL is poisoned).
    pub fn append(
        &mut self,
        kind: RecordType,
        stream: &str,
        epoch: u32,
        seq: u64,
        ts_ns: i64,
        payload: &[u8],
    ) -> Result<u64, WalFault> {
        self.check()?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(WalFault::RecordTooLarge { bytes: payload.len(), bytes_max: PAYLOAD_BYTES_MAX });
        }
        if stream.is_empty() || stream.len() > STREAM_NAME_BYTES_MAX {
            return Err(WalFault::Config(format!("a stream name has 1 to {STREAM_NAME_BYTES_MAX} bytes")));
        }
        let grown =
            self.block.bytes() + payload.len() + 2 * crate::format::RECORD_HEADER_BYTES + stream.len();
        if self.block.count() >= BLOCK_RECORDS_MAX || (!self.block.is_empty() && grown > BLOCK_BYTES_TARGET) {
            self.flush()?;
        }
        if self.open.offset >= self.config.segment_bytes || self.open.counts.len() >= STREAMS_MAX {
            self.flush()?;
            self.roll()?;
        }
        let wal_seq = self.next_wal_seq;
        self.next_wal_seq += 1;
        self.block.add(kind, stream, epoch, seq, ts_ns, payload);
        count(&mut self.open.counts, stream, epoch, seq, wal_seq);
        let position = Position { epoch, seq };
        match self.streams.get_mut(stream) {
            Some(held) => *held = position,
            None => {
                self.streams.insert(stream.to_string(), position);
            }
        }
        Ok(wal_seq)
    }

    /// Writes what is collected as one block; returns the last `wal_seq` that is in the WAL.
    ///
    /// # Errors
    /// The disk refuses; the WAL is poisoned then.
    pub fn flush(&mut self) -> Result<u64, WalFault> {
        self.check()?;
        if !self.block.is_empty() {
            self.buf.clear();
            let crc =
                self.block.finish(&mut self.buf, self.open.blocks, self.block_first, self.open.prev_crc);
            let name = open_name(self.open.index);
            let mut written = self.storage.write(&name, self.open.offset, &self.buf);
            if written.is_ok() && self.config.power_safe {
                written = self.storage.sync(&name);
            }
            written.map_err(|error| self.poison(error))?;
            self.open.hasher.update(&self.buf);
            self.open.offset += self.buf.len() as u64;
            self.open.blocks += 1;
            self.open.prev_crc = crc;
            self.block_first = self.next_wal_seq;
        }
        Ok(self.next_wal_seq - 1)
    }

    /// Seals the segment when it has records and is old enough. Call it a few times a second.
    ///
    /// Units   `now_ns` of any clock that does not go back
    ///
    /// # Errors
    /// The disk refuses; the WAL is poisoned then.
    pub fn tick(&mut self, now_ns: u64) -> Result<(), WalFault> {
        if self.open.counts.is_empty() {
            return Ok(());
        }
        let since = *self.open.since_ns.get_or_insert(now_ns);
        if now_ns.saturating_sub(since) >= self.config.segment_age_ns {
            self.flush()?;
            self.roll()?;
        }
        Ok(())
    }

    fn roll(&mut self) -> Result<(), WalFault> {
        self.check()?;
        let hash = *self.open.hasher.finalize().as_bytes();
        let index = self.open.index + 1;
        let power_safe = self.config.power_safe;
        let rolled = seal(&mut self.storage, &mut self.open, false, power_safe)
            .and_then(|()| begin(&mut self.storage, &self.config, index, self.next_wal_seq, hash));
        self.open = rolled.map_err(|error| self.poison(error))?;
        Ok(())
    }

    fn poison(&mut self, error: StorageError) -> WalFault {
        let fault = WalFault::from(error);
        self.poisoned = Some(fault.to_string());
        fault
    }

    fn check(&self) -> Result<(), WalFault> {
        self.poisoned.as_ref().map_or(Ok(()), |text| Err(WalFault::Poisoned(text.clone())))
    }

    /// Flushes and seals; an empty segment is removed.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn close(mut self) -> Result<(), WalFault> {
        self.flush()?;
        let power_safe = self.config.power_safe;
        if self.open.counts.is_empty() {
            self.storage.remove(&open_name(self.open.index))?;
            if power_safe {
                self.storage.sync_dir()?;
            }
            return Ok(());
        }
        Ok(seal(&mut self.storage, &mut self.open, false, power_safe)?)
    }

    /// How far a stream is recorded, `None` when it never was.
    pub fn position(&self, stream: &str) -> Option<Position> {
        self.streams.get(stream).copied()
    }

    /// `wal_seq` of the last appended record.
    pub fn last_wal_seq(&self) -> u64 {
        self.next_wal_seq - 1
    }

    /// Whether records wait for a flush.
    pub fn has_unflushed(&self) -> bool {
        !self.block.is_empty()
    }

    /// Index of the segment being written.
    pub fn segment_index(&self) -> u64 {
        self.open.index
    }

    /// The disk below.
    pub fn storage(&self) -> &S {
        &self.storage
    }
}

fn begin<S: Storage>(
    storage: &mut S,
    config: &WalConfig,
    index: u64,
    first_wal_seq: u64,
    prev_hash: [u8; 32],
) -> Result<Open, StorageError> {
    let header = Header { cluster: config.cluster, index, first_wal_seq, prev_hash }.encode();
    let name = open_name(index);
    storage.create(&name, 0)?;
    storage.write(&name, 0, &header)?;
    if config.power_safe {
        storage.sync(&name)?;
        storage.sync_dir()?;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&header);
    Ok(Open {
        index,
        offset: header.len() as u64,
        first_wal_seq,
        blocks: 0,
        prev_crc: 0,
        hasher,
        counts: StreamCounts::new(),
        since_ns: None,
    })
}

/// Footer, sync, final name, directory sync: in this order, so that a file called `.seg` is always whole.
fn seal<S: Storage>(
    storage: &mut S,
    open: &mut Open,
    has_footer: bool,
    power_safe: bool,
) -> Result<(), StorageError> {
    let name = open_name(open.index);
    if !has_footer {
        let mut footer = Vec::new();
        let hash = *open.hasher.finalize().as_bytes();
        encode_footer(&mut footer, open.blocks, open.first_wal_seq, open.prev_crc, &hash, &open.counts);
        storage.write(&name, open.offset, &footer)?;
    }
    if power_safe {
        storage.sync(&name)?;
    }
    storage.rename(&name, &sealed_name(open.index))?;
    if power_safe {
        storage.sync_dir()?;
    }
    Ok(())
}
