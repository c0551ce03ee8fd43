//! The one writer of a trail and of its second copy.

use crate::checkpoint::{self, Checkpoint, Checkpoints, PublicKey, SigningKey};
use crate::format::{Digest, Entry, Header, SEGMENT_HEADER_BYTES, defect, encode, segment_name};
use crate::limits::{BATCH_BYTES_MAX, CHECKPOINT_NS, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX};
use crate::verify::{segments, walk};
use crate::{AuditFault, Storage};
use tidegate_segment::StorageError;

/// How a trail is kept.
#[derive(Debug)]
pub struct AuditConfig {
    /// A segment this long is followed by the next, in bytes. The chain goes on.
    pub segment_bytes: u64,
    /// Whether a commit survives a power cut (synced) or only the death of the process (written).
    pub power_safe: bool,
    /// Signs the checkpoints.
    pub key: SigningKey,
}

impl AuditConfig {
    /// The defaults, power-safe.
    pub fn new(key: SigningKey) -> Self {
        Self { segment_bytes: SEGMENT_BYTES_DEFAULT, power_safe: true, key }
    }
}

/// What opening a trail found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditRecovery {
    /// Seq of the last record, 0 when there is none.
    pub last_seq: u64,
    /// Bytes of an unfinished record that were cut off.
    pub torn_bytes: u64,
    /// Bytes the second copy lacked and was given.
    pub copied_bytes: u64,
}

/// The writer: `append` collects, `commit` makes safe. An act may have effect only after its commit.
#[derive(Debug)]
pub struct AuditLog<S> {
    storage: S,
    copy: S,
    config: AuditConfig,
    index: u64,
    offset: u64,
    next_seq: u64,
    head: Digest,
    batch: Vec<u8>,
    checkpoints: u64,
    checkpoint_head: Digest,
    checkpoint_bytes: u64,
    signed_seq: u64,
    signed_mono_ns: u64,
    poisoned: Option<String>,
}

fn damaged<S: Storage>(storage: &S, name: &str, offset: u64, what: String) -> AuditFault {
    AuditFault::Damaged { path: storage.path(name), offset, what }
}

/// Copies what `to` lacks of a file; what it has must be what `from` has.
fn catch_up<S: Storage>(from: &S, to: &mut S, name: &str, power_safe: bool) -> Result<u64, AuditFault> {
    let there = to.list()?.iter().any(|each| each == name);
    let (want, have) = (from.len(name)?, if there { to.len(name)? } else { 0 });
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    from.read(name, 0, want as usize, &mut ours)?;
    if there {
        to.read(name, 0, have as usize, &mut theirs)?;
    }
    if !ours.starts_with(&theirs) {
        let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count() as u64;
        let what = "the second copy says otherwise, or goes further: run `hft audit verify` on both".into();
        return Err(damaged(to, name, at, what));
    }
    if want > have || !there {
        if !there {
            to.create(name, 0)?;
        }
        to.write(name, have, &ours[have as usize..])?;
        if power_safe {
            to.sync(name)?;
            to.sync_dir()?;
        }
    }
    Ok(want - have)
}

impl<S: Storage> AuditLog<S> {
    /// Takes the writer's lock on both places, checks the whole chain, cuts an unfinished record, and brings the copy level.
    ///
    /// # Errors
    /// Another writer, a failing or full disk, a trail that does not hold, a copy that says otherwise or goes further.
    pub fn open(
        mut storage: S,
        mut copy: S,
        config: AuditConfig,
    ) -> Result<(Self, AuditRecovery), AuditFault> {
        if config.segment_bytes == 0 || config.segment_bytes > SEGMENT_BYTES_MAX / 2 {
            let most = SEGMENT_BYTES_MAX / 2;
            let what = format!("segment_bytes is {}; want 1 to {most}", config.segment_bytes);
            return Err(AuditFault::Config(what));
        }
        storage.lock()?;
        copy.lock()?;
        let key = config.key.public();
        let (ours, theirs) = (Place::read(&storage, key)?, Place::read(&copy, key)?);
        // The first place is synced before the copy is written: what a crash can leave broken is of no record that the copy or
        // a signature vouches for.
        let known = ours.signed().max(theirs.signed()).max(theirs.last_seq);
        ours.refuse(&storage, known, theirs.points.held.len())?;
        theirs.refuse(&copy, theirs.signed(), 0)?;
        let mut recovery = AuditRecovery { last_seq: ours.last_seq, ..AuditRecovery::default() };
        recovery.torn_bytes = ours.cut(&mut storage)?;
        theirs.cut(&mut copy)?;
        let Place { last_seq, head, tail: (index, offset), points, .. } = ours;
        let found = segments(&storage)?;
        if !storage.list()?.iter().any(|name| name == checkpoint::FILE) {
            storage.create(checkpoint::FILE, 0)?;
        }
        // A header that never became whole has no record behind it; the segment is begun anew.
        if found.is_empty() || offset < SEGMENT_HEADER_BYTES as u64 {
            let header = Header { index, first_seq: last_seq + 1, prev: head };
            begin(&mut storage, &header, found.contains(&index))?;
        }
        if config.power_safe {
            storage.sync(&segment_name(index))?;
            storage.sync(checkpoint::FILE)?;
            storage.sync_dir()?;
        }
        for name in segments(&storage)?.into_iter().map(segment_name).chain([checkpoint::FILE.to_string()]) {
            recovery.copied_bytes += catch_up(&storage, &mut copy, &name, config.power_safe)?;
        }
        let log = Self {
            offset: storage.len(&segment_name(index))?,
            storage,
            copy,
            config,
            index,
            next_seq: last_seq + 1,
            head,
            batch: Vec::new(),
            checkpoints: points.held.len() as u64,
            checkpoint_head: points.head,
            checkpoint_bytes: points.bytes,
            signed_seq: points.held.last().map_or(0, |last| last.last_seq),
            signed_mono_ns: 0,
            poisoned: None,
        };
        Ok((log, recovery))
    }

    /// Adds one act; returns its seq. It is safe only after the next [`AuditLog::commit`].
    ///
    /// # Errors
    /// A text out of its bounds (nothing is added); a failing disk (the trail is poisoned).
    pub fn append(&mut self, entry: &Entry<'_>) -> Result<u64, AuditFault> {
        self.check()?;
        if let Some(what) = defect(entry) {
            return Err(AuditFault::Config(what));
        }
        if self.batch.len() >= BATCH_BYTES_MAX {
            self.write()?;
        }
        if self.offset + self.batch.len() as u64 >= self.config.segment_bytes {
            self.write()?;
            self.rotate()?;
        }
        let seq = self.next_seq;
        self.head = encode(&mut self.batch, seq, entry, &self.head);
        self.next_seq += 1;
        Ok(seq)
    }

    fn both(&mut self, mut act: impl FnMut(&mut S) -> Result<(), StorageError>) -> Result<(), AuditFault> {
        // The first place first: after a crash the copy is never ahead of it.
        let done = act(&mut self.storage).and_then(|()| act(&mut self.copy));
        done.map_err(|error| {
            let fault = AuditFault::from(error);
            self.poisoned = Some(fault.to_string());
            fault
        })
    }

    fn write(&mut self) -> Result<(), AuditFault> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let (name, batch, offset) = (segment_name(self.index), std::mem::take(&mut self.batch), self.offset);
        let power_safe = self.config.power_safe;
        self.both(|place| {
            place.write(&name, offset, &batch)?;
            if power_safe { place.sync(&name) } else { Ok(()) }
        })?;
        self.offset += batch.len() as u64;
        self.batch = batch;
        self.batch.clear();
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), AuditFault> {
        self.index += 1;
        let header = Header { index: self.index, first_seq: self.next_seq, prev: self.head };
        let (power_safe, name) = (self.config.power_safe, segment_name(self.index));
        self.both(|place| {
            begin(place, &header, false)?;
            if power_safe {
                place.sync(&name)?;
                place.sync_dir()?;
            }
            Ok(())
        })?;
        self.offset = SEGMENT_HEADER_BYTES as u64;
        Ok(())
    }

    /// Makes every appended act safe in both places; returns the last safe seq. Signs a checkpoint when one is due.
    ///
    /// # Errors
    /// A disk refuses: the trail is poisoned, and nothing that was to be audited may go on.
    pub fn commit(&mut self, now_utc_ns: i64, now_mono_ns: u64) -> Result<u64, AuditFault> {
        self.check()?;
        self.write()?;
        if now_mono_ns.saturating_sub(self.signed_mono_ns) >= CHECKPOINT_NS {
            self.sign(now_utc_ns)?;
            self.signed_mono_ns = now_mono_ns;
        }
        Ok(self.next_seq - 1)
    }

    fn sign(&mut self, now_utc_ns: i64) -> Result<(), AuditFault> {
        let last_seq = self.next_seq - 1;
        if last_seq == self.signed_seq {
            return Ok(());
        }
        let number = self.checkpoints + 1;
        let (head, prev) = (self.head, self.checkpoint_head);
        let bytes = Checkpoint { number, last_seq, ts_utc_ns: now_utc_ns, head, prev }.sign(&self.config.key);
        let (offset, power_safe) = (self.checkpoint_bytes, self.config.power_safe);
        self.both(|place| {
            place.write(checkpoint::FILE, offset, &bytes)?;
            if power_safe { place.sync(checkpoint::FILE) } else { Ok(()) }
        })?;
        self.checkpoints = number;
        self.checkpoint_head = crate::format::hash(&[&bytes]);
        self.checkpoint_bytes += bytes.len() as u64;
        self.signed_seq = last_seq;
        Ok(())
    }

    fn check(&self) -> Result<(), AuditFault> {
        self.poisoned.as_ref().map_or(Ok(()), |text| Err(AuditFault::Poisoned(text.clone())))
    }

    /// Commits and signs the end.
    ///
    /// # Errors
    /// A disk refuses.
    pub fn close(mut self, now_utc_ns: i64) -> Result<u64, AuditFault> {
        self.check()?;
        self.write()?;
        self.sign(now_utc_ns)?;
        Ok(self.next_seq - 1)
    }

    /// Seq of the last appended record, 0 for none.
    pub fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Hash of the last appended record.
    pub fn head(&self) -> Digest {
        self.head
    }
}

fn begin<S: Storage>(place: &mut S, header: &Header, there: bool) -> Result<(), StorageError> {
    let name = segment_name(header.index);
    if !there {
        place.create(&name, 0)?;
    }
    place.write(&name, 0, &header.encode())
}

/// One of the two places, as it was found.
struct Place {
    last_seq: u64,
    head: Digest,
    tail: (u64, u64),
    /// Length of the segment the chain ends in.
    tail_bytes: u64,
    in_last: bool,
    fault: Option<(u64, String)>,
    points: Checkpoints,
    points_bytes: u64,
}

impl Place {
    fn read<S: Storage>(storage: &S, key: PublicKey) -> Result<Self, AuditFault> {
        let held = walk(storage)?;
        let found = segments(storage)?;
        let (index, _) = held.tail;
        let points = checkpoint::read(storage, Some(key))?;
        let there = storage.list()?.iter().any(|name| name == checkpoint::FILE);
        Ok(Self {
            last_seq: held.last_seq,
            head: held.head,
            tail: held.tail,
            tail_bytes: if found.contains(&index) { storage.len(&segment_name(index))? } else { 0 },
            in_last: found.last().is_none_or(|last| *last == index),
            fault: held.fault,
            points,
            points_bytes: if there { storage.len(checkpoint::FILE)? } else { 0 },
        })
    }

    fn signed(&self) -> u64 {
        self.points.held.last().map_or(0, |last| last.last_seq)
    }

    /// What no crash can leave behind is refused: a break before the end, or before what is vouched for.
    fn refuse<S: Storage>(&self, storage: &S, known: u64, points: usize) -> Result<(), AuditFault> {
        let at = |what: String| damaged(storage, &segment_name(self.tail.0), self.tail.1, what);
        if let Some((seq, what)) = &self.fault
            && (!self.in_last || known >= *seq)
        {
            return Err(at(format!("record {seq}: {what}")));
        }
        if known > self.last_seq {
            return Err(at(format!(
                "it ends with record {} and the second copy or a signature goes further",
                self.last_seq
            )));
        }
        let torn = self.points_bytes.saturating_sub(self.points.bytes);
        if torn > checkpoint::BYTES as u64 || points > self.points.held.len() {
            let what =
                self.points.fault.clone().unwrap_or_else(|| "the second copy has more checkpoints".into());
            return Err(damaged(storage, checkpoint::FILE, self.points.bytes, what));
        }
        Ok(())
    }

    /// Cuts what a crash left unfinished; returns its bytes.
    fn cut<S: Storage>(&self, storage: &mut S) -> Result<u64, AuditFault> {
        if self.tail_bytes > self.tail.1 {
            storage.truncate(&segment_name(self.tail.0), self.tail.1)?;
        }
        if self.points_bytes > self.points.bytes {
            storage.truncate(checkpoint::FILE, self.points.bytes)?;
        }
        Ok(self.tail_bytes - self.tail.1)
    }
}
