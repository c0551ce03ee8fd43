//! Numbers and messages in a journal.

use crate::session::Config;
use crate::store::{MemoryStore, Numbers, Store, StoreFault, Stored};
use std::path::Path;
use tidegate_journal::{Journal, JournalConfig, JournalFault, Tier};
use tidegate_segment::{DirStorage, Storage};

const STREAM: &str = "fix.session";
/// First record: whose numbers these are.
const IDENTITY: u8 = 1;
/// A message was sent: number and SendingTime (8 bytes each, little-endian), length of the type (1), type, body.
const SENT: u8 = 2;
/// The next expected number (8).
const EXPECT: u8 = 3;
/// Both numbers are 1 again; the time (8).
const RESET: u8 = 4;
const SEGMENT_BYTES: u64 = 4 << 20;

/// A [`Store`] over an append-only journal: what is committed is never rewritten, and a start reads it back. The folder grows
/// until the session's owner removes it between two sessions whose numbers are reset.
#[derive(Debug)]
pub struct JournalStore<D = DirStorage> {
    journal: Journal<D>,
    memory: MemoryStore,
    payload: Vec<u8>,
    /// Time of the last message, for records that have none of their own.
    wall: i64,
}

impl From<JournalFault> for StoreFault {
    fn from(fault: JournalFault) -> Self {
        Self(fault.to_string())
    }
}

fn eight(bytes: &[u8], at: usize) -> Option<[u8; 8]> {
    bytes.get(at..at + 8)?.try_into().ok()
}

impl JournalStore<DirStorage> {
    /// Opens the store of one session in `dir`, made if missing. [`Tier::T2`] survives a power cut, [`Tier::T0`] the death of the
    /// process.
    ///
    /// # Errors
    /// Another process has it, the disk refuses, or it is another session's.
    pub fn open(dir: &Path, config: &Config, tier: Tier) -> Result<Self, StoreFault> {
        let storage = DirStorage::open(dir).map_err(|fault| StoreFault(fault.to_string()))?;
        Self::open_on(storage, config, tier, SEGMENT_BYTES)
    }
}

impl<D: Storage> JournalStore<D> {
    /// Opens a store on any storage; tests hand in a simulated disk.
    ///
    /// # Errors
    /// As [`JournalStore::open`].
    pub fn open_on(storage: D, config: &Config, tier: Tier, segment_bytes: u64) -> Result<Self, StoreFault> {
        let journal = JournalConfig { segment_bytes, ..JournalConfig::new(STREAM, tier) };
        let (mut journal, _) = Journal::open_on(storage, journal)?;
        let identity = format!("{}\0{}\0{}", config.version.begin_string(), config.sender, config.target);
        let mut memory = MemoryStore::default();
        let mut fault = None;
        let mut after = 0;
        loop {
            let read = journal.read_from(after, 1_024, |record| {
                after = record.seq;
                if fault.is_none() {
                    fault = replay(&mut memory, record.kind, record.payload, &identity).err();
                }
            })?;
            if read == 0 || fault.is_some() {
                break;
            }
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        let mut store = Self { journal, memory, payload: Vec::new(), wall: 0 };
        if after == 0 {
            store.append(IDENTITY, identity.as_bytes())?;
            store.commit()?;
        }
        Ok(store)
    }

    /// Marks the journal as left in order.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn close(self) -> Result<(), StoreFault> {
        self.journal.close().map_err(StoreFault::from)
    }

    fn append(&mut self, kind: u8, payload: &[u8]) -> Result<(), StoreFault> {
        self.journal.append(kind, payload, 0, self.wall)?;
        Ok(())
    }
}

/// Takes one record of the past.
fn replay(memory: &mut MemoryStore, kind: u8, payload: &[u8], identity: &str) -> Result<(), StoreFault> {
    let bad =
        || StoreFault(format!("a record of kind {kind} cannot be read: want the folder of one session"));
    let word = |at: usize| eight(payload, at).map(u64::from_le_bytes).ok_or_else(bad);
    match kind {
        IDENTITY if payload == identity.as_bytes() => Ok(()),
        IDENTITY => {
            let is = String::from_utf8_lossy(payload).replace('\0', " ");
            let want = identity.replace('\0', " ");
            Err(StoreFault(format!("it is the store of {is}: want that of {want}, or a folder of its own")))
        }
        SENT => {
            let (seq, sent_at) = (word(0)?, word(8)?.cast_signed());
            let type_len = usize::from(*payload.get(16).ok_or_else(bad)?);
            let rest = payload.get(17..).ok_or_else(bad)?;
            let (msg_type, body) = rest.split_at_checked(type_len).ok_or_else(bad)?;
            memory.sent(seq, sent_at, msg_type, body)
        }
        EXPECT => memory.expect(word(0)?),
        RESET => memory.reset(word(0)?.cast_signed()),
        _ => Err(bad()),
    }
}

impl<D: Storage + std::fmt::Debug> Store for JournalStore<D> {
    fn numbers(&self) -> Numbers {
        self.memory.numbers()
    }

    fn sent(&mut self, seq: u64, sent_at: i64, msg_type: &[u8], body: &[u8]) -> Result<(), StoreFault> {
        self.wall = sent_at;
        self.memory.sent(seq, sent_at, msg_type, body)?;
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        payload.extend_from_slice(&seq.to_le_bytes());
        payload.extend_from_slice(&sent_at.to_le_bytes());
        payload
            .push(u8::try_from(msg_type.len()).map_err(|_| StoreFault("a MsgType above 255 bytes".into()))?);
        payload.extend_from_slice(msg_type);
        payload.extend_from_slice(body);
        let appended = self.append(SENT, &payload);
        self.payload = payload;
        appended
    }

    fn expect(&mut self, next_in: u64) -> Result<(), StoreFault> {
        self.memory.expect(next_in)?;
        self.append(EXPECT, &next_in.to_le_bytes())
    }

    fn reset(&mut self, at: i64) -> Result<(), StoreFault> {
        self.wall = at;
        self.memory.reset(at)?;
        self.append(RESET, &at.to_le_bytes())
    }

    fn commit(&mut self) -> Result<(), StoreFault> {
        self.journal.commit()?;
        Ok(())
    }

    fn at_or_after(&self, seq: u64) -> Option<&Stored> {
        self.memory.at_or_after(seq)
    }
}
