//! The one writer of a WAL directory.

use crate::WalFault;
use crate::digest::Digest;
use crate::format::{
    BlockBuilder, Compression, FORMAT_VERSION, HEADER_BYTES, Header, Place, RECORD_HEADER_BYTES, RecordType,
    coming_name, encode_footer, open_name, sealed_name,
};
use crate::limits::{
    BLOCK_BYTES_TARGET, BLOCK_RECORDS_MAX, FLUSH_BLOCKS_MAX, PAYLOAD_BYTES_MAX, SEGMENT_AGE_NS_DEFAULT,
    SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, STREAM_NAME_BYTES_MAX, STREAMS_MAX,
};
use crate::positions::Positions;
use crate::reader::segments;
use crate::recovery::{Survey, survey};
use crate::tally::Tally;
use std::collections::{BTreeMap, VecDeque};
use tidegate_segment::limits::SYNCS_MAX;
use tidegate_segment::{Errno, Storage, StorageError};

/// How a WAL is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalConfig {
    /// The cluster it belongs to.
    pub cluster: [u8; 16],
    /// A segment this long is sealed, in bytes.
    pub segment_bytes: u64,
    /// A segment this old is sealed, in ns.
    pub segment_age_ns: u64,
    /// Whether what is flushed survives a power cut (synced) or only the death of the process (written). A power-safe writer
    /// makes each segment ahead at its full length.
    pub power_safe: bool,
    /// How blocks are stored.
    pub compression: Compression,
}

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            cluster: [0; 16],
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            segment_age_ns: SEGMENT_AGE_NS_DEFAULT,
            power_safe: false,
            compression: Compression::None,
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

/// The segment being written.
#[derive(Debug)]
pub(crate) struct Open {
    pub index: u64,
    /// Where the next block goes.
    pub offset: u64,
    pub first_wal_seq: u64,
    pub prev_hash: [u8; 32],
    pub blocks: u32,
    pub prev_crc: u32,
    pub digest: Digest,
    pub tally: Tally,
    /// Bytes of its footer, where it has one.
    pub footer_bytes: u64,
    since_ns: Option<u64>,
    /// Whether its file and header are there.
    begun: bool,
}

impl Open {
    pub(crate) fn new(header: &Header, bytes: &[u8]) -> Self {
        Self {
            index: header.index,
            offset: bytes.len() as u64,
            first_wal_seq: header.first_wal_seq,
            prev_hash: header.prev_hash,
            blocks: 0,
            prev_crc: 0,
            digest: Digest::new(bytes),
            tally: Tally::default(),
            footer_bytes: 0,
            since_ns: None,
            begun: false,
        }
    }

    fn fresh(config: &WalConfig, index: u64, first_wal_seq: u64, prev_hash: [u8; 32]) -> Self {
        let header =
            Header { version: FORMAT_VERSION, cluster: config.cluster, index, first_wal_seq, prev_hash };
        Self::new(&header, &header.encode())
    }
}

/// A sync under way: blocks written since the one before it, and the last `wal_seq` that is safe once it has ended.
#[derive(Debug)]
struct Sync {
    blocks: u16,
    wal_seq: u64,
}

/// The writer: `append` collects, `flush` makes safe.
#[derive(Debug)]
pub struct Wal<S> {
    storage: S,
    config: WalConfig,
    open: Open,
    block: BlockBuilder,
    block_first: u64,
    next_wal_seq: u64,
    positions: Positions,
    /// A whole block that is not written yet: empty, or what a full disk refused.
    pending: Vec<u8>,
    pending_crc: u32,
    /// Blocks written that are not known to be safe.
    unsynced: u16,
    /// Syncs begun and not ended, oldest first; at most `SYNCS_MAX`.
    syncs: VecDeque<Sync>,
    /// The last `wal_seq` that is known to be safe.
    safe: u64,
    poisoned: Option<String>,
}

pub(crate) fn damaged<S: Storage>(storage: &S, name: &str, offset: u64, what: impl Into<String>) -> WalFault {
    WalFault::Damaged { path: storage.path(name), offset, what: what.into() }
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
        for name in storage.list()? {
            if name.ends_with(".new") {
                storage.remove(&name)?;
            }
        }
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
                let unwritten = bytes.iter().skip(HEADER_BYTES).all(|byte| *byte == 0);
                if !segment.sealed && place + 1 == found.len() && unwritten {
                    storage.remove(name)?;
                    continue;
                }
                return Err(damaged(&storage, name, 0, "the header of the segment is not whole"));
            };
            let Survey { header, mut open, sealed, torn_bytes, positions } = survey;
            if header.cluster != config.cluster
                || header.index != segment.index
                || header.first_wal_seq != next_wal_seq
                || header.prev_hash != prev_hash
            {
                let what = "it does not continue the segment before it, or is of another cluster";
                return Err(damaged(&storage, name, 0, what));
            }
            if segment.sealed && !(sealed && open.offset + open.footer_bytes == bytes.len() as u64) {
                let what = "a sealed segment without a whole footer at its end";
                return Err(damaged(&storage, name, open.offset, what));
            }
            let records = open.tally.records();
            next_wal_seq += records;
            recovery.streams.extend(positions);
            prev_hash = hash_of(&mut open)?;
            if !segment.sealed {
                if !sealed {
                    recovery.torn_bytes += torn_bytes;
                    storage.truncate(name, open.offset)?;
                }
                if records == 0 {
                    storage.remove(name)?;
                    prev_hash = header.prev_hash;
                    continue;
                }
                seal(&mut storage, &mut open, &prev_hash, header.version, config.power_safe)?;
            }
            next_index += 1;
        }
        recovery.last_wal_seq = next_wal_seq - 1;
        recovery.segments = next_index - 1;
        let mut wal = Self {
            storage,
            open: Open::fresh(&config, next_index, next_wal_seq, prev_hash),
            config,
            block: BlockBuilder::default(),
            block_first: next_wal_seq,
            next_wal_seq,
            positions: Positions::new(&recovery.streams),
            pending: Vec::new(),
            pending_crc: 0,
            unsynced: 0,
            syncs: VecDeque::new(),
            safe: next_wal_seq - 1,
            poisoned: None,
        };
        if wal.config.power_safe {
            let (coming, len) = (coming_name(next_index), wal.config.segment_bytes);
            wal.storage.prepare(&coming, len);
        }
        wal.begin()?;
        Ok((wal, recovery))
    }

    /// Adds a record; returns its `wal_seq`. It is safe only after the next `flush`. A full block is written first.
    ///
    /// # Errors
    /// A name or payload out of bounds, or a full disk (nothing is added, and the same call may be made again once there is
    /// room); a failing disk (the WAL is poisoned).
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
        let grown = self.block.bytes() + payload.len() + 2 * RECORD_HEADER_BYTES + stream.len();
        let full =
            self.block.count() >= BLOCK_RECORDS_MAX || (!self.block.is_empty() && grown > BLOCK_BYTES_TARGET);
        if full || !self.pending.is_empty() {
            self.write_block()?;
        }
        if self.unsynced >= FLUSH_BLOCKS_MAX {
            self.flush()?;
        }
        if self.open.offset >= self.config.segment_bytes || self.open.tally.len() >= STREAMS_MAX {
            self.flush()?;
            self.roll()?;
        }
        self.begin()?;
        let wal_seq = self.next_wal_seq;
        self.next_wal_seq += 1;
        let block = &mut self.block;
        let id = self.open.tally.take(stream, epoch, seq, wal_seq, |name| block.name(name));
        self.block.add(kind, id, epoch, seq, ts_ns, payload);
        self.positions.set(stream, Position { epoch, seq });
        Ok(wal_seq)
    }

    /// Closes the block that is being filled and writes it.
    fn write_block(&mut self) -> Result<(), WalFault> {
        if self.pending.is_empty() {
            if self.block.is_empty() {
                return Ok(());
            }
            let place = Place {
                index: self.open.blocks,
                first_wal_seq: self.block_first,
                prev_crc: self.open.prev_crc,
                unsynced: self.unsynced,
            };
            self.pending_crc = self.block.finish(&mut self.pending, place, self.config.compression);
            self.open.tally.next_block();
            self.block_first = self.next_wal_seq;
        }
        self.begin()?;
        let name = open_name(self.open.index);
        let written = self.storage.write(&name, self.open.offset, &self.pending);
        written.map_err(|error| self.refused(error))?;
        self.open.offset += self.pending.len() as u64;
        self.open.digest.take(&mut self.pending);
        self.open.blocks += 1;
        self.open.prev_crc = self.pending_crc;
        self.unsynced += 1;
        Ok(())
    }

    /// Makes what is collected safe as the configuration means it; returns the last `wal_seq` that is.
    ///
    /// # Errors
    /// A full disk: nothing is lost, and the same call may be made again once there is room. Any other refusal poisons the WAL.
    pub fn flush(&mut self) -> Result<u64, WalFault> {
        if !self.syncs.is_empty() {
            self.flush_begin()?;
            while !self.syncs.is_empty() {
                self.ended(true)?;
            }
            return Ok(self.safe);
        }
        self.write_all()?;
        if self.unsynced > 0 && self.config.power_safe {
            let synced = self.storage.sync(&open_name(self.open.index));
            synced.map_err(|error| self.poison(error))?;
        }
        self.all_safe();
        Ok(self.safe)
    }

    /// As [`Wal::flush`], but goes on while the device works: returns the last `wal_seq` that is safe by now, and waits only
    /// where `SYNCS_MAX` syncs are under way. With [`Wal::safe`] and later flushes it comes out what became of it.
    ///
    /// # Errors
    /// As [`Wal::flush`]; a sync that fails beside the caller poisons the WAL at the first call that finds it.
    pub fn flush_begin(&mut self) -> Result<u64, WalFault> {
        self.write_all()?;
        if !self.config.power_safe {
            self.all_safe();
            return Ok(self.safe);
        }
        while self.ended(false)? {}
        if self.unsynced == self.in_sync() {
            return Ok(self.safe);
        }
        if self.syncs.len() >= SYNCS_MAX {
            self.ended(true)?;
        }
        let begun = self.in_sync();
        let under_way = self.storage.sync_begin(&open_name(self.open.index));
        if under_way.map_err(|error| self.poison(error))? {
            let wal_seq = self.next_wal_seq - 1;
            self.syncs.push_back(Sync { blocks: self.unsynced - begun, wal_seq });
        } else {
            // It covers what the syncs before it do.
            while self.ended(true)? {}
            self.all_safe();
        }
        Ok(self.safe)
    }

    /// The last `wal_seq` that is safe by now. Waits for nothing.
    ///
    /// # Errors
    /// A sync under way has failed: nothing more is safe, and the WAL is poisoned.
    pub fn safe(&mut self) -> Result<u64, WalFault> {
        self.check()?;
        while self.ended(false)? {}
        Ok(self.safe)
    }

    /// Takes the end of the oldest sync under way; false where there is none or it has not ended.
    fn ended(&mut self, wait: bool) -> Result<bool, WalFault> {
        if self.syncs.is_empty() || !self.storage.sync_end(wait).map_err(|error| self.poison(error))? {
            return Ok(false);
        }
        if let Some(Sync { blocks, wal_seq }) = self.syncs.pop_front() {
            self.unsynced -= blocks;
            self.safe = wal_seq;
        }
        Ok(true)
    }

    /// Blocks the syncs under way make safe.
    fn in_sync(&self) -> u16 {
        self.syncs.iter().map(|sync| sync.blocks).sum()
    }

    fn write_all(&mut self) -> Result<(), WalFault> {
        self.check()?;
        self.write_block()?;
        // What a full disk once refused may have been closed before the block that is being filled.
        self.write_block()
    }

    fn all_safe(&mut self) {
        self.unsynced = 0;
        self.safe = self.next_wal_seq - 1;
    }

    /// Seals the segment when it has records and is old enough. Call it a few times a second.
    ///
    /// Units   `now_ns` of any clock that does not go back
    ///
    /// # Errors
    /// As [`Wal::flush`].
    pub fn tick(&mut self, now_ns: u64) -> Result<(), WalFault> {
        if self.open.tally.is_empty() {
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
        let hash = hash_of(&mut self.open).inspect_err(|fault| self.poisoned = Some(fault.to_string()))?;
        let sealed = seal(&mut self.storage, &mut self.open, &hash, FORMAT_VERSION, self.config.power_safe);
        sealed.map_err(|error| self.refused(error))?;
        self.open = Open::fresh(&self.config, self.open.index + 1, self.next_wal_seq, hash);
        self.begin()
    }

    /// Makes the file of the segment and its header, once.
    fn begin(&mut self) -> Result<(), WalFault> {
        if self.open.begun {
            return Ok(());
        }
        let header = Header {
            version: FORMAT_VERSION,
            cluster: self.config.cluster,
            index: self.open.index,
            first_wal_seq: self.open.first_wal_seq,
            prev_hash: self.open.prev_hash,
        };
        begin(&mut self.storage, &self.config, &header).map_err(|error| self.refused(error))?;
        self.open.begun = true;
        Ok(())
    }

    /// A full disk can get room again, and whatever it refused to write is written anew; anything else is the end. A sync that
    /// fails is never tried again: the system may have dropped what it could not write.
    fn refused(&mut self, error: StorageError) -> WalFault {
        let full = matches!(error.errno, Errno::NOSPC | Errno::DQUOT);
        if full && matches!(error.op, "write" | "create" | "reserve space for") {
            return error.into();
        }
        self.poison(error)
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
        if self.open.tally.is_empty() {
            if !self.open.begun {
                return Ok(());
            }
            self.storage.remove(&open_name(self.open.index))?;
            if power_safe {
                self.storage.sync_dir()?;
            }
            return Ok(());
        }
        let hash = hash_of(&mut self.open)?;
        Ok(seal(&mut self.storage, &mut self.open, &hash, FORMAT_VERSION, power_safe)?)
    }

    /// How far a stream is recorded, `None` when it never was.
    pub fn position(&self, stream: &str) -> Option<Position> {
        self.positions.get(stream)
    }

    /// `wal_seq` of the last appended record.
    pub fn last_wal_seq(&self) -> u64 {
        self.next_wal_seq - 1
    }

    /// Whether records wait for a flush to begin.
    pub fn has_unflushed(&self) -> bool {
        !self.block.is_empty() || !self.pending.is_empty() || self.unsynced > self.in_sync()
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

fn begin<S: Storage>(storage: &mut S, config: &WalConfig, header: &Header) -> Result<(), StorageError> {
    let (name, bytes) = (open_name(header.index), header.encode());
    // A full disk may have stopped an earlier try after the file was made.
    let there = storage.list()?.contains(&name)
        || config.power_safe && storage.adopt(&coming_name(header.index), &name)?;
    if !there {
        let len = if config.power_safe { config.segment_bytes.max(bytes.len() as u64) } else { 0 };
        storage.create(&name, len)?;
    }
    storage.write(&name, 0, &bytes)?;
    if config.power_safe {
        storage.sync(&name)?;
        storage.sync_dir()?;
        storage.prepare(&coming_name(header.index + 1), config.segment_bytes);
    }
    Ok(())
}

/// The hash of everything before the footer.
fn hash_of(open: &mut Open) -> Result<[u8; 32], WalFault> {
    open.digest
        .finish()
        .ok_or_else(|| WalFault::Poisoned("the thread that hashes the segment is gone".into()))
}

/// Footer, length, sync, final name, directory sync: in this order, so that a file called `.seg` is always whole.
fn seal<S: Storage>(
    storage: &mut S,
    open: &mut Open,
    hash: &[u8; 32],
    version: u32,
    power_safe: bool,
) -> Result<(), StorageError> {
    let name = open_name(open.index);
    if open.footer_bytes == 0 {
        let place = Place {
            index: open.blocks,
            first_wal_seq: open.first_wal_seq,
            prev_crc: open.prev_crc,
            unsynced: 0,
        };
        let footer = encode_footer(version, place, hash, &open.tally.counts());
        storage.write(&name, open.offset, &footer)?;
        open.footer_bytes = footer.len() as u64;
    }
    // What was made ahead and not used is given back.
    let end = open.offset + open.footer_bytes;
    if storage.len(&name)? > end {
        storage.truncate(&name, end)?;
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
