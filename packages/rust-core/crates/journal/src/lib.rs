//! The journal of the gateway and of the router: what a process has decided, safe before it has effect.
//!
//! A journal is a [`tidegate_segment::Log`] with a durability tier. Seq is 1.. without holes and is the `log_seq` of an envelope.
#![forbid(unsafe_code)]

mod behind;
pub mod cpu;
pub mod torture;

pub use behind::{BATCH_BYTES_MAX, Behind, IN_FLIGHT_MAX};
use std::path::Path;
pub use tidegate_segment::limits::{PAYLOAD_BYTES_MAX, SEGMENT_BYTES_LIVE, SEGMENT_BYTES_SIM};
use tidegate_segment::{Cursor, DirStorage, Log, LogConfig, Storage};
pub use tidegate_segment::{LogFault as JournalFault, Record, Recovery, Torn};

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The death of this process: written to the page cache. Simulation and backtest.
    T0,
    /// A power cut: one `fdatasync` per commit. The default for live trading.
    T2,
}

/// How a journal is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// Stream name, 1 to 128 bytes: "gateway.journal", "router.journal".
    pub stream_name: String,
    /// Cluster the journal belongs to; a journal of another is refused.
    pub cluster: [u8; 16],
    /// Length of a segment file, in bytes; a multiple of 4,096.
    pub segment_bytes: u64,
    /// What a commit survives.
    pub tier: Tier,
}

impl JournalConfig {
    /// The defaults of a tier: 8 MiB segments for T0, 64 MiB for T2.
    pub fn new(stream_name: &str, tier: Tier) -> Self {
        let segment_bytes = match tier {
            Tier::T0 => SEGMENT_BYTES_SIM,
            Tier::T2 => SEGMENT_BYTES_LIVE,
        };
        Self { stream_name: stream_name.into(), cluster: [0; 16], segment_bytes, tier }
    }
}

/// The single writer of one journal directory, which can also read itself from any place.
#[derive(Debug)]
pub struct Journal<S = DirStorage> {
    log: Log<S>,
    cursor: Cursor,
}

impl Journal<DirStorage> {
    /// Opens the journal in `dir` (made if missing), takes the writer's lock, recovers, and begins a new epoch.
    ///
    /// # Errors
    /// Another writer, a failing or full disk, or bytes that no crash can leave behind; the text names path and remedy.
    pub fn open(dir: &Path, config: JournalConfig) -> Result<(Self, Recovery), JournalFault> {
        Self::open_on(DirStorage::open(dir)?, config)
    }
}

impl<S: Storage> Journal<S> {
    /// Opens a journal on any storage; tests hand in a simulated disk.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(storage: S, config: JournalConfig) -> Result<(Self, Recovery), JournalFault> {
        let cursor = Cursor::new(&config.stream_name);
        let config = LogConfig {
            stream: config.stream_name,
            cluster: config.cluster,
            segment_bytes: config.segment_bytes,
            power_safe: config.tier == Tier::T2,
        };
        let (log, recovery) = Log::open(storage, config)?;
        Ok((Self { log, cursor }, recovery))
    }

    /// Adds a record and returns its seq. It is safe, and may be acted on, only after the next [`Journal::commit`].
    ///
    /// Shape   kind 1 to 249; payload at most 64 KiB
    /// Units   `mono` ns of `CLOCK_MONOTONIC`, `wall` ns since the Unix epoch
    ///
    /// # Errors
    /// A reserved kind or a payload too large (nothing is appended); a failing disk (the journal is poisoned).
    pub fn append(&mut self, kind: u8, payload: &[u8], mono: u64, wall: i64) -> Result<u64, JournalFault> {
        self.log.append(kind, payload, mono, wall)
    }

    /// Makes everything appended safe as the tier means it; returns the last safe seq. Costs nothing when nothing is new.
    ///
    /// # Errors
    /// The disk refuses. The journal is poisoned: acknowledge nothing more, exit, and recover by opening again.
    pub fn commit(&mut self) -> Result<u64, JournalFault> {
        self.log.commit()
    }

    /// Hands up to `max` committed records after `after_seq` to `each`, in order; returns how many. Going on from where the
    /// last call stopped costs only what is new; another place costs one pass over its segment.
    ///
    /// # Errors
    /// The disk fails or the journal is damaged.
    pub fn read_from(
        &mut self,
        after_seq: u64,
        max: usize,
        each: impl FnMut(Record<'_>),
    ) -> Result<usize, JournalFault> {
        self.cursor.read(self.log.storage(), after_seq, max, each)
    }

    /// Seq of the last appended record, 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        self.log.last_seq()
    }

    /// Seq of the last record that is safe.
    pub fn committed_seq(&self) -> u64 {
        self.log.committed_seq()
    }

    /// This writer's epoch, durable since `open`: one above that of any writer before.
    pub fn epoch(&self) -> u32 {
        self.log.epoch()
    }

    /// Commits and marks the journal as left in order, so that damage to its last record is told from a torn tail.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn close(self) -> Result<(), JournalFault> {
        self.log.close()
    }
}

/// Follows the journal of another process, read-only; takes no lock.
#[derive(Debug)]
pub struct Reader {
    storage: DirStorage,
    cursor: Cursor,
}

impl Reader {
    /// A reader of the journal of `stream_name` in `dir`.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn open(dir: &Path, stream_name: &str) -> Result<Self, JournalFault> {
        Ok(Self { storage: DirStorage::open_existing(dir)?, cursor: Cursor::new(stream_name) })
    }

    /// As [`Journal::read_from`]; an unfinished write of the live writer counts as not there yet.
    ///
    /// # Errors
    /// The disk fails or the journal is damaged.
    pub fn read_from(
        &mut self,
        after_seq: u64,
        max: usize,
        each: impl FnMut(Record<'_>),
    ) -> Result<usize, JournalFault> {
        self.cursor.read(&self.storage, after_seq, max, each)
    }
}
