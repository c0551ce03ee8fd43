//! Commits that run behind their caller, so that the next batch is decided while the last one is being made safe.

use crate::{Journal, JournalFault, cpu};
use std::collections::VecDeque;
use std::mem::take;
use std::sync::mpsc::{Receiver, RecvError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidegate_segment::{DirStorage, Storage};

/// Batches handed over and not yet safe; one more waits for the oldest.
pub const IN_FLIGHT_MAX: usize = 4;
/// A batch this long, in bytes of payload, is handed over before it grows further: the writer begins with it meanwhile, and what is
/// under way at once stays in the nearer caches.
pub const BATCH_BYTES_MAX: usize = 64 << 10;

/// So long the writer looks for the next batch before it sleeps: waking it costs its caller a good part of a small batch, and while
/// batches follow one another the next is there within about one sync.
const LOOK: Duration = Duration::from_micros(200);

#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: u8,
    mono: u64,
    wall: i64,
    /// Where its payload ends among the bytes of the batch.
    end: usize,
}

#[derive(Debug, Default)]
struct Batch {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

impl Batch {
    /// Appends all of it.
    fn write<S: Storage>(&self, journal: &mut Journal<S>) -> Result<(), JournalFault> {
        let mut from = 0;
        for entry in &self.entries {
            journal.append(entry.kind, &self.bytes[from..entry.end], entry.mono, entry.wall)?;
            from = entry.end;
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }
}

/// Appends and commits all of them; returns the last safe seq.
fn commit_all<S: Storage>(batches: &[Batch], journal: &mut Journal<S>) -> Result<u64, JournalFault> {
    batches.iter().try_for_each(|batch| batch.write(journal))?;
    journal.commit()
}

/// The next batch, whose sender ends it by going.
fn next(batches: &Receiver<Batch>) -> Result<Batch, RecvError> {
    let until = Instant::now() + LOOK;
    loop {
        match batches.try_recv() {
            Ok(batch) => return Ok(batch),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            Err(TryRecvError::Empty) if Instant::now() >= until => return batches.recv(),
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
}

type Done = (Result<u64, JournalFault>, Batch);

/// A journal with one writer thread. Records are collected here and go to it by the batch; in which order they were appended,
/// and that nothing is safe before a call says so, does not change.
///
/// Shape   at most [`IN_FLIGHT_MAX`] batches of [`BATCH_BYTES_MAX`] under way
/// Errors  the first fault of the journal is that of every later call
#[derive(Debug)]
pub struct Behind<S: Storage + Send + 'static = DirStorage> {
    journal: Arc<Mutex<Journal<S>>>,
    batch: Batch,
    scratch: Vec<u8>,
    spare: Vec<Batch>,
    to_writer: Option<SyncSender<Batch>>,
    done: Receiver<Done>,
    writer: Option<JoinHandle<()>>,
    /// The last seq of each batch that is under way.
    in_flight: VecDeque<u64>,
    next_seq: u64,
    safe_seq: u64,
    fault: Option<JournalFault>,
}

fn hold<S>(journal: &Mutex<Journal<S>>) -> MutexGuard<'_, Journal<S>> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Storage + Send + 'static> Behind<S> {
    /// Puts a writer behind a journal in which nothing waits for its commit, on a CPU of its own if one is named: best the one
    /// that takes the disk's interrupts.
    ///
    /// # Errors
    /// The thread or its CPU cannot be had.
    pub fn new(journal: Journal<S>, on: Option<usize>) -> std::io::Result<Self> {
        let (next_seq, safe_seq) = (journal.last_seq() + 1, journal.committed_seq());
        let journal = Arc::new(Mutex::new(journal));
        let (to_writer, batches) = sync_channel::<Batch>(IN_FLIGHT_MAX);
        let (tell, done) = sync_channel::<Done>(IN_FLIGHT_MAX + 1);
        let of_writer = Arc::clone(&journal);
        let (placed, place) = sync_channel(1);
        let writer = std::thread::Builder::new().name("journal".into()).spawn(move || {
            if placed.send(on.map_or(Ok(()), |cpu| cpu::keep_to(&[cpu]))).is_err() {
                return;
            }
            let mut taken = Vec::with_capacity(IN_FLIGHT_MAX);
            // Takes what is there without lingering, one sync for all of it; ends when nobody hands over any more.
            while let Ok(first) = next(&batches) {
                taken.extend(std::iter::once(first).chain(batches.try_iter()));
                let outcome = commit_all(&taken, &mut hold(&of_writer));
                if taken.drain(..).any(|batch| tell.send((outcome.clone(), batch)).is_err()) {
                    return;
                }
            }
        })?;
        place.recv().map_err(std::io::Error::other)??;
        Ok(Self {
            journal,
            batch: Batch::default(),
            scratch: Vec::new(),
            spare: Vec::new(),
            to_writer: Some(to_writer),
            done,
            writer: Some(writer),
            in_flight: VecDeque::new(),
            next_seq,
            safe_seq,
            fault: None,
        })
    }

    /// Adds a record, whose payload `write` appends to the buffer it is given, and returns the seq it will have.
    ///
    /// Units   `mono` ns of `CLOCK_MONOTONIC`, `wall` ns since the Unix epoch
    ///
    /// # Errors
    /// The journal has failed. A kind or a size that it does not take is a fault of the commit.
    pub fn append(
        &mut self,
        kind: u8,
        mono: u64,
        wall: i64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<u64, JournalFault> {
        self.check()?;
        if self.batch.bytes.len() >= BATCH_BYTES_MAX {
            self.hand_over()?;
        }
        // By way of a buffer that never leaves this core: the bytes of a batch lie where the writer's core read the last one, and
        // a number written byte by byte would wait for each of those lines.
        self.scratch.clear();
        write(&mut self.scratch);
        self.batch.bytes.extend_from_slice(&self.scratch);
        self.batch.entries.push(Entry { kind, mono, wall, end: self.batch.bytes.len() });
        self.next_seq += 1;
        Ok(self.next_seq - 1)
    }

    /// Seq of the last appended record, 0 when there is none.
    pub const fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Seq of the last record that was safe when this was last asked of the writer.
    pub const fn committed_seq(&self) -> u64 {
        self.safe_seq
    }

    /// Whether everything appended is safe.
    pub const fn is_safe(&self) -> bool {
        self.safe_seq == self.last_seq()
    }

    /// Hands what was appended to the writer and returns the last seq that is safe by now; waits only where
    /// [`IN_FLIGHT_MAX`] batches are under way.
    ///
    /// # Errors
    /// The journal has failed: acknowledge nothing more, exit, and recover by opening again.
    pub fn hand_over(&mut self) -> Result<u64, JournalFault> {
        self.safe()?;
        if self.batch.entries.is_empty() {
            return Ok(self.safe_seq);
        }
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            self.wait()?;
        }
        let batch = std::mem::replace(&mut self.batch, self.spare.pop().unwrap_or_default());
        let sent = self.to_writer.as_ref().is_some_and(|writer| writer.send(batch).is_ok());
        if !sent {
            return Err(self.failed(gone()));
        }
        self.in_flight.push_back(self.next_seq - 1);
        Ok(self.safe_seq)
    }

    /// The last seq that is safe by now. Waits for nothing.
    ///
    /// # Errors
    /// As [`Behind::hand_over`].
    pub fn safe(&mut self) -> Result<u64, JournalFault> {
        self.check()?;
        while let Ok(done) = self.done.try_recv() {
            self.take(done)?;
        }
        Ok(self.safe_seq)
    }

    /// Makes everything appended safe and returns its last seq: on this thread where nothing is under way, since two changes of
    /// threads are a good part of a sync.
    ///
    /// # Errors
    /// As [`Behind::hand_over`].
    pub fn commit(&mut self) -> Result<u64, JournalFault> {
        self.safe()?;
        if self.in_flight.is_empty() {
            let outcome = commit_all(std::slice::from_ref(&self.batch), &mut hold(&self.journal));
            self.batch.clear();
            self.safe_seq = outcome.map_err(|fault| self.failed(fault))?;
            return Ok(self.safe_seq);
        }
        self.hand_over()?;
        while !self.in_flight.is_empty() {
            self.wait()?;
        }
        Ok(self.safe_seq)
    }

    /// Commits, and marks the journal as left in order.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn close(mut self) -> Result<(), JournalFault> {
        self.commit()?;
        self.end();
        let journal = Arc::clone(&self.journal);
        drop(self);
        // The writer has ended and dropped its share.
        match Arc::try_unwrap(journal) {
            Ok(journal) => journal.into_inner().unwrap_or_else(PoisonError::into_inner).close(),
            Err(_) => Err(gone()),
        }
    }

    fn wait(&mut self) -> Result<(), JournalFault> {
        match self.done.recv() {
            Ok(done) => self.take(done),
            Err(_) => Err(self.failed(gone())),
        }
    }

    fn take(&mut self, (outcome, mut batch): Done) -> Result<(), JournalFault> {
        batch.clear();
        self.spare.push(batch);
        self.in_flight.pop_front();
        self.safe_seq = outcome.map_err(|fault| self.failed(fault))?;
        Ok(())
    }

    fn failed(&mut self, fault: JournalFault) -> JournalFault {
        self.fault.get_or_insert(fault).clone()
    }

    fn check(&self) -> Result<(), JournalFault> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    fn end(&mut self) {
        drop(take(&mut self.to_writer));
        if let Some(writer) = take(&mut self.writer) {
            let _ = writer.join();
        }
    }
}

impl<S: Storage + Send + 'static> Drop for Behind<S> {
    fn drop(&mut self) {
        self.end();
    }
}

fn gone() -> JournalFault {
    JournalFault::Poisoned("the writer's thread ended".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JournalConfig, Tier};
    use tidegate_segment::memory::{MemStorage, Mishap};

    fn config() -> JournalConfig {
        JournalConfig { segment_bytes: 65_536, ..JournalConfig::new("gateway.journal", Tier::T2) }
    }

    fn behind(disk: &MemStorage) -> Behind<MemStorage> {
        let (journal, _) = Journal::open_on(disk.clone(), config()).unwrap();
        Behind::new(journal, None).unwrap()
    }

    fn put(journal: &mut Behind<MemStorage>, text: &str) -> Result<u64, JournalFault> {
        journal.append(1, 0, 0, |buf| buf.extend_from_slice(text.as_bytes()))
    }

    fn found(disk: &MemStorage) -> Vec<(u64, String)> {
        let (mut journal, _) = Journal::open_on(disk.clone(), config()).unwrap();
        let mut found = Vec::new();
        let each = |r: crate::Record<'_>| found.push((r.seq, String::from_utf8(r.payload.to_vec()).unwrap()));
        journal.read_from(0, usize::MAX, each).unwrap();
        found
    }

    #[test]
    fn a13_batches_reach_the_journal_in_order_on_either_thread() {
        let disk = MemStorage::new();
        let mut journal = behind(&disk);
        let mut want = Vec::new();
        for n in 1..=900_u64 {
            assert_eq!(put(&mut journal, &format!("record {n}")), Ok(n));
            want.push((n, format!("record {n}")));
            if n % 7 == 0 {
                assert!(journal.hand_over().unwrap() < n, "what was just handed over may not be safe yet");
            }
            if n % 101 == 0 {
                assert_eq!(journal.commit(), Ok(n));
                assert_eq!(journal.safe(), Ok(n));
            }
        }
        journal.close().unwrap();
        assert_eq!(found(&disk), want);
    }

    #[test]
    fn a13_a_fault_behind_is_the_fault_of_every_later_call_and_nothing_more_is_called_safe() {
        for op in 1..60 {
            let disk = MemStorage::new();
            let mut journal = behind(&disk);
            disk.plan(op, Mishap::Eio);
            let (mut safe, mut failed) = (0, false);
            for n in 0..400 {
                let step = put(&mut journal, &"x".repeat(200))
                    .and_then(|_| if n % 40 == 39 { journal.commit() } else { journal.hand_over() });
                match step {
                    Ok(seq) => {
                        assert!(!failed, "op {op}: it goes on after its fault");
                        safe = seq;
                    }
                    Err(_) => failed = true,
                }
            }
            assert!(!disk.struck() || failed || journal.safe().is_ok(), "op {op}");
            if failed {
                assert!(
                    journal.commit().is_err() && journal.safe().is_err() && put(&mut journal, "y").is_err()
                );
            }
            drop(journal);
            assert!(
                found(&disk.after(tidegate_segment::memory::Crash::Power { seed: op })).len() as u64 >= safe,
                "op {op}"
            );
        }
    }

    #[test]
    fn a13_a_writer_keeps_to_the_cpu_it_is_given_or_is_not_had() {
        let writer = |on| {
            let (journal, _) = Journal::open_on(MemStorage::new(), config()).unwrap();
            Behind::new(journal, Some(on))
        };
        assert!(writer(usize::MAX).is_err());
        let last = *cpu::allowed().unwrap().last().unwrap();
        let mut journal = writer(last).unwrap();
        put(&mut journal, "x").unwrap();
        journal.hand_over().unwrap();
        assert_eq!(journal.commit(), Ok(1));
    }

    #[test]
    fn a13_no_more_batches_are_under_way_than_the_bound() {
        let disk = MemStorage::new();
        let mut journal = behind(&disk);
        let lock = Arc::clone(&journal.journal);
        let held = hold(&lock);
        for n in 1..=IN_FLIGHT_MAX as u64 {
            put(&mut journal, "x").unwrap();
            assert_eq!(journal.hand_over(), Ok(0));
            assert_eq!(journal.in_flight.len() as u64, n);
        }
        put(&mut journal, "one more").unwrap();
        let waits = std::thread::spawn(move || journal.hand_over().map(|safe| (safe, journal)));
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!waits.is_finished(), "one more waits for the oldest");
        drop(held);
        let (safe, journal) = waits.join().unwrap().unwrap();
        assert!(safe >= 1 && journal.in_flight.len() <= IN_FLIGHT_MAX);
    }
}
