//! The one writer of a log.

use crate::fault::LogFault;
use crate::format::{
    Record, SegmentHeader, ahead_name, encode_record, kind, new_name, record_size, segment_name, stream_id,
};
use crate::limits::{
    BATCH_ALIGN, BATCH_BYTES_MAX, PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN, SEGMENT_HEADER_BYTES, STREAM_NAME_BYTES_MAX,
};
use crate::recovery::{Recovery, TailState, scan_tail};
use crate::storage::{Storage, StorageError};
use tidegate_mutants::{Bug, planted};

/// How a log is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Name of the stream, 1 to 128 bytes.
    pub stream: String,
    /// The cluster it belongs to.
    pub cluster: [u8; 16],
    /// Length of new segments, in bytes; a multiple of 4,096.
    pub segment_bytes: u64,
    /// Whether a commit survives a power cut (synced) or only the death of the process (written).
    pub power_safe: bool,
}

impl LogConfig {
    fn check(&self) -> Result<(), LogFault> {
        if self.stream.is_empty() || self.stream.len() > STREAM_NAME_BYTES_MAX {
            return Err(LogFault::Config(format!("a stream name has 1 to {STREAM_NAME_BYTES_MAX} bytes")));
        }
        let size = self.segment_bytes;
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&size) || !size.is_multiple_of(BATCH_ALIGN) {
            return Err(LogFault::Config(format!(
                "segment_bytes is {size}; want a multiple of {BATCH_ALIGN} from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}"
            )));
        }
        Ok(())
    }
}

/// The writer. `append` collects, `commit` makes safe; only after `commit` may anything be acknowledged.
#[derive(Debug)]
pub struct Log<S> {
    storage: S,
    config: LogConfig,
    stream: u32,
    epoch: u32,
    tail: TailState,
    next_seq: u64,
    committed_seq: u64,
    batch: Vec<u8>,
    /// Whether the next segment is being made already.
    ahead: bool,
    poisoned: Option<String>,
}

impl<S: Storage> Log<S> {
    /// Takes the writer's lock, recovers what is there, cuts a torn tail and begins a new epoch.
    ///
    /// # Errors
    /// Another writer, a failing or full disk, or bytes that no crash can leave behind.
    pub fn open(mut storage: S, config: LogConfig) -> Result<(Self, Recovery), LogFault> {
        config.check()?;
        storage.lock()?;
        let stream = stream_id(&config.stream);
        let (recovery, tail) = scan_tail(&storage, &config.stream, config.cluster, &mut |_| {})?;
        for name in storage.list()? {
            if name.ends_with(".new") {
                storage.remove(&name)?;
            }
        }
        let epoch = recovery.epoch.checked_add(1).ok_or_else(|| {
            LogFault::Config("the epochs are used up; start with an empty directory".into())
        })?;
        if let Some(torn) = &recovery.torn {
            let zeros = vec![0; torn.bytes as usize];
            storage.write(&segment_name(recovery.segments - 1), torn.offset, &zeros)?;
        }
        let header = SegmentHeader {
            cluster: config.cluster,
            stream: config.stream.clone(),
            epoch,
            index: 0,
            first_seq: 1,
            segment_bytes: config.segment_bytes,
            prev_crc: 0,
            prev_hash: [0; 32],
        };
        let tail = match tail {
            // What is accepted must be safe before anyone acts on it: a kill may have come between write and sync.
            Some(tail) => {
                if config.power_safe {
                    storage.sync(&segment_name(tail.index))?;
                    storage.sync_dir()?;
                }
                tail
            }
            None => make_segment(&mut storage, &header, config.power_safe)?,
        };
        let last = recovery.last_seq;
        let batch = Vec::with_capacity(BATCH_BYTES_MAX);
        let mut log = Self {
            storage,
            config,
            stream,
            epoch,
            tail,
            next_seq: last + 1,
            committed_seq: last,
            batch,
            ahead: false,
            poisoned: None,
        };
        log.put(kind::OPEN, last, &[], 0, 0)?;
        log.commit()?;
        Ok((log, recovery))
    }

    /// Adds a record to the batch and returns its seq. It is safe only after the next `commit`.
    ///
    /// Units   `mono` and `wall` in ns
    ///
    /// # Errors
    /// A reserved kind, a payload no segment can hold, or (from making a new segment) a failing disk.
    pub fn append(&mut self, kind: u8, payload: &[u8], mono: u64, wall: i64) -> Result<u64, LogFault> {
        if !(kind::USER_MIN..=kind::USER_MAX).contains(&kind) {
            return Err(LogFault::KindReserved { kind });
        }
        let room = self.tail.segment_bytes.min(self.config.segment_bytes) - SEGMENT_HEADER_BYTES;
        let bytes_max = PAYLOAD_BYTES_MAX.min(room as usize - 2 * BATCH_ALIGN as usize);
        if payload.len() > bytes_max {
            return Err(LogFault::RecordTooLarge { bytes: payload.len(), bytes_max });
        }
        let seq = self.next_seq;
        self.put(kind, seq, payload, mono, wall)?;
        self.next_seq += 1;
        Ok(seq)
    }

    fn put(&mut self, kind: u8, seq: u64, payload: &[u8], mono: u64, wall: i64) -> Result<(), LogFault> {
        self.check()?;
        let size = record_size(payload.len());
        // Room for the padding that may close the batch is kept free.
        let end =
            self.tail.offset as usize + self.batch.len() + size + BATCH_ALIGN as usize + RECORD_HEADER_BYTES;
        let rolls = end > self.tail.segment_bytes as usize;
        if rolls || self.batch.len() + size > BATCH_BYTES_MAX - 2 * BATCH_ALIGN as usize {
            self.commit()?;
        }
        if rolls {
            self.roll()?;
        }
        self.encode(&Record { kind, seq, epoch: self.epoch, mono, wall, payload });
        Ok(())
    }

    fn encode(&mut self, record: &Record<'_>) {
        let offset = self.batch.len() as u32;
        self.tail.prev_crc = encode_record(&mut self.batch, self.stream, record, offset, self.tail.prev_crc);
    }

    /// Makes every appended record safe, as the configuration means it. Returns the last safe seq.
    ///
    /// # Errors
    /// The disk refuses; the log is poisoned then.
    pub fn commit(&mut self) -> Result<u64, LogFault> {
        self.check()?;
        if self.batch.is_empty() {
            return Ok(self.committed_seq);
        }
        if self.config.power_safe {
            self.pad();
        }
        let name = segment_name(self.tail.index);
        let mut written = self.storage.write(&name, self.tail.offset, &self.batch);
        if self.config.power_safe && written.is_ok() && !planted(Bug::SyncSkipped) {
            written = self.storage.sync(&name);
        }
        if !planted(Bug::RetryAfterEio) {
            written.map_err(|error| self.poison(error))?;
        }
        self.tail.hasher.update(&self.batch);
        self.tail.offset += self.batch.len() as u64;
        self.batch.clear();
        self.committed_seq = self.next_seq - 1;
        if self.config.power_safe && !self.ahead && self.tail.offset >= self.tail.segment_bytes / 2 {
            self.ahead = true;
            self.storage.prepare(&ahead_name(self.tail.index + 1), self.config.segment_bytes);
        }
        Ok(self.committed_seq)
    }

    /// Closes the batch at a page, so that the next one shares none with it.
    fn pad(&mut self) {
        let end = self.tail.offset + self.batch.len() as u64;
        let mut gap = (end.next_multiple_of(BATCH_ALIGN) - end) as usize;
        if gap == 0 {
            return;
        }
        if gap < RECORD_HEADER_BYTES {
            gap += BATCH_ALIGN as usize;
        }
        const ZEROS: [u8; 2 * BATCH_ALIGN as usize] = [0; 2 * BATCH_ALIGN as usize];
        let (seq, epoch) = (self.next_seq - 1, self.epoch);
        let payload = &ZEROS[..gap - RECORD_HEADER_BYTES];
        self.encode(&Record { kind: kind::PAD, seq, epoch, mono: 0, wall: 0, payload });
    }

    fn roll(&mut self) -> Result<(), LogFault> {
        let header = SegmentHeader {
            cluster: self.config.cluster,
            stream: self.config.stream.clone(),
            epoch: self.epoch,
            index: self.tail.index + 1,
            first_seq: self.next_seq,
            segment_bytes: self.config.segment_bytes,
            prev_crc: self.tail.prev_crc,
            prev_hash: *self.tail.hasher.finalize().as_bytes(),
        };
        self.tail =
            make_segment(&mut self.storage, &header, self.config.power_safe).map_err(|e| self.poison(e))?;
        self.ahead = false;
        Ok(())
    }

    fn poison(&mut self, error: StorageError) -> LogFault {
        let fault = LogFault::from(error);
        self.poisoned = Some(fault.to_string());
        fault
    }

    fn check(&self) -> Result<(), LogFault> {
        self.poisoned.as_ref().map_or(Ok(()), |text| Err(LogFault::Poisoned(text.clone())))
    }

    /// Commits, and marks the log as left in order.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn close(mut self) -> Result<(), LogFault> {
        self.commit()?;
        let last = self.next_seq - 1;
        self.put(kind::CLOSE, last, &[], 0, 0)?;
        self.commit()?;
        Ok(())
    }

    /// Seq of the last appended record, 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Seq of the last record that is safe.
    pub fn committed_seq(&self) -> u64 {
        self.committed_seq
    }

    /// This writer's epoch: one above any before.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The disk below, for readers of the tail.
    pub fn storage(&self) -> &S {
        &self.storage
    }
}

/// Makes a segment under a passing name, whole, and only then gives it its own. A power-safe one is written over zeros that are
/// there: a commit into blocks that are only reserved would change the file system's own log as well.
fn make_segment<S: Storage>(
    storage: &mut S,
    header: &SegmentHeader,
    power_safe: bool,
) -> Result<TailState, StorageError> {
    let (passing, name) = (new_name(header.index), segment_name(header.index));
    let page = header.encode();
    let zeros = ahead_name(header.index);
    let mut made = power_safe && storage.adopt(&zeros, &passing)?;
    if power_safe && !made {
        storage.prepare(&zeros, header.segment_bytes);
        made = storage.adopt(&zeros, &passing)?;
    }
    // Where zeros could not be had, the operation that is due says why.
    if !made {
        storage.create(&passing, header.segment_bytes)?;
    }
    storage.write(&passing, 0, &page)?;
    if power_safe {
        storage.sync(&passing)?;
    }
    storage.rename(&passing, &name)?;
    if power_safe {
        storage.sync_dir()?;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&page);
    Ok(TailState {
        index: header.index,
        offset: SEGMENT_HEADER_BYTES,
        segment_bytes: header.segment_bytes,
        prev_crc: header.prev_crc,
        hasher,
    })
}
