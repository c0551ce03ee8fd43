//! What goes into the WAL, and the account of every sequence: pure rules over a writer.

use std::collections::BTreeMap;
use tidegate_bus::stream::{Ended, Gap, Opened};
use tidegate_wal::{Position, RecordType, Storage, Wal, WalFault};
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::recorder::v1::{StreamGap, StreamMark, stream_mark::Kind};
use tidegate_wire::topic::{MdKind, parse_md_topic};

/// Stream name of the gateway's journal in the WAL; its epoch there is always 1 and its seq the `log_seq`.
pub const JOURNAL: &str = "gateway.journal";
const JOURNAL_EPOCH: u32 = 1;

/// How full the disk is, by free bytes of its file system outside the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disk {
    Ok,
    /// An operator should look; what is given up first is left out, with exact gap records.
    Warn,
    /// All market data is left out; orders go on.
    Critical,
    /// The reserve is given up for orders and fills, and the gateway is told to take no new risk.
    Halt,
}

/// Free bytes below which each level is entered; `halt` <= `critical` <= `warn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    pub warn: u64,
    pub critical: u64,
    pub halt: u64,
}

impl Disk {
    /// As statistics spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Critical => "CRITICAL",
            Self::Halt => "HALT",
        }
    }

    /// The level at `free` bytes. Going back to a better one takes an eighth more than its bound, so that it does not flutter.
    pub fn next(self, free: u64, levels: &Levels) -> Self {
        let below = |bound: u64, level: Self| free < raised(bound, self >= level);
        [(levels.halt, Self::Halt), (levels.critical, Self::Critical), (levels.warn, Self::Warn)]
            .into_iter()
            .find_map(|(bound, level)| below(bound, level).then_some(level))
            .unwrap_or(Self::Ok)
    }
}

const fn raised(bound: u64, held: bool) -> u64 {
    if held { bound.saturating_add(bound / 8) } else { bound }
}

/// What of market data the level WARN can give up; the rest waits for CRITICAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Frames of venues as they came.
    Raw,
    /// Levels of books beyond the touch.
    Depth,
    /// Prints.
    Trade,
}

impl Class {
    fn of(stream: &str) -> Option<Self> {
        if stream.starts_with("raw.") {
            return Some(Self::Raw);
        }
        match parse_md_topic(stream)?.2 {
            MdKind::Depth => Some(Self::Depth),
            MdKind::Trade => Some(Self::Trade),
            MdKind::Top | MdKind::Status => None,
        }
    }
}

/// What came of one journal envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journalled {
    /// It is appended.
    Appended,
    /// It was recorded before.
    Duplicate,
    /// It is not the next: ask the gateway to begin again after what is recorded.
    Resync,
}

/// Exact counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub market: u64,
    pub journal: u64,
    pub gaps: u64,
    pub missing: u64,
    pub marks: u64,
    pub duplicates: u64,
    /// Market messages left out for want of space.
    pub thinned: u64,
    /// Messages of an epoch before the recorded one.
    pub old_epoch: u64,
}

/// The recorder's rules. Times in ns since the Unix epoch.
#[derive(Debug)]
pub struct Ledger<S> {
    pub wal: Wal<S>,
    pub disk: Disk,
    /// What WARN leaves out.
    drop_at_warn: Vec<Class>,
    pub counts: Counts,
    /// Market topics whose publisher ended the epoch in order, so that it is marked once.
    closed: BTreeMap<String, u32>,
}

impl<S: Storage> Ledger<S> {
    pub fn new(wal: Wal<S>, drop_at_warn: &[Class]) -> Self {
        let drop_at_warn = drop_at_warn.to_vec();
        Self { wal, disk: Disk::Ok, drop_at_warn, counts: Counts::default(), closed: BTreeMap::new() }
    }

    fn drops(&self, stream: &str) -> bool {
        match self.disk {
            Disk::Ok => false,
            Disk::Warn => Class::of(stream).is_some_and(|class| self.drop_at_warn.contains(&class)),
            Disk::Critical | Disk::Halt => true,
        }
    }

    fn own(
        &mut self,
        kind: RecordType,
        stream: &str,
        epoch: u32,
        seq: u64,
        now: i64,
        payload: Payload,
    ) -> Result<(), WalFault> {
        let envelope = Envelope {
            schema_version: 1,
            source: Source::Recorder as i32,
            ts_event_ns: now,
            ts_recv_ns: now,
            payload: Some(payload),
            ..Envelope::default()
        };
        self.wal
            .append(kind, stream, epoch, seq, now, &tidegate_wire::envelope::encode(&envelope))
            .map(|_| ())
    }

    fn gap(&mut self, stream: &str, epoch: u32, first: u64, last: u64, now: i64) -> Result<(), WalFault> {
        let gap = StreamGap { stream: stream.into(), epoch, first_seq: first, last_seq: last, ts_ns: now };
        self.own(RecordType::Gap, stream, epoch, last, now, Payload::StreamGap(gap))?;
        self.counts.gaps += 1;
        self.counts.missing += last - first + 1;
        Ok(())
    }

    fn mark(&mut self, stream: &str, epoch: u32, kind: Kind, seq: u64, now: i64) -> Result<(), WalFault> {
        let mark = StreamMark { stream: stream.into(), epoch, kind: kind as i32, seq, ts_ns: now };
        self.own(RecordType::Mark, stream, epoch, seq, now, Payload::StreamMark(mark))?;
        self.counts.marks += 1;
        Ok(())
    }

    /// Accounts for everything of `stream` up to and with `last`: what is not recorded becomes a gap. `None` for an epoch that
    /// is over.
    fn account(
        &mut self,
        stream: &str,
        epoch: u32,
        last: u64,
        now: i64,
    ) -> Result<Option<Position>, WalFault> {
        let position = self.wal.position(stream);
        if position.is_some_and(|held| held.epoch > epoch) {
            self.counts.old_epoch += 1;
            return Ok(None);
        }
        let seq = match position.filter(|held| held.epoch == epoch) {
            Some(held) => held.seq,
            None => {
                self.mark(stream, epoch, Kind::Opened, 0, now)?;
                0
            }
        };
        if last > seq {
            self.gap(stream, epoch, seq + 1, last, now)?;
        }
        Ok(Some(Position { epoch, seq: seq.max(last) }))
    }

    /// A stream shows a new epoch; what lies between the WAL and its first message is a gap.
    pub fn on_opened(&mut self, stream: &str, opened: &Opened, now: i64) -> Result<(), WalFault> {
        // What the old epoch sent and was left out for want of space is known no later than here.
        if let Some(previous) = &opened.previous
            && self.wal.position(stream).is_some_and(|held| held.epoch == previous.epoch)
        {
            self.account(stream, previous.epoch, previous.last_seq, now)?;
        }
        self.account(stream, opened.epoch, opened.first_seq - 1, now).map(|_| ())
    }

    /// The subscriber knows that messages are missing.
    pub fn on_gap(&mut self, stream: &str, gap: &Gap, now: i64) -> Result<(), WalFault> {
        self.account(stream, gap.epoch, gap.last, now).map(|_| ())
    }

    /// One market message.
    pub fn on_data(
        &mut self,
        stream: &str,
        epoch: u32,
        seq: u64,
        payload: &[u8],
        now: i64,
    ) -> Result<(), WalFault> {
        if self.drops(stream) {
            // Not recorded, and therefore a gap as soon as the stream is written again or ends.
            self.counts.thinned += 1;
            return Ok(());
        }
        match self.account(stream, epoch, seq - 1, now)? {
            Some(held) if held.seq == seq - 1 => {
                self.wal.append(RecordType::Data, stream, epoch, seq, now, payload)?;
                self.counts.market += 1;
                Ok(())
            }
            Some(_) => {
                self.counts.duplicates += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The publisher ended the stream in order.
    pub fn on_closed(&mut self, stream: &str, ended: &Ended, now: i64) -> Result<(), WalFault> {
        if self.closed.get(stream) == Some(&ended.epoch) {
            return Ok(());
        }
        if self.account(stream, ended.epoch, ended.last_seq, now)?.is_some() {
            self.mark(stream, ended.epoch, Kind::Closed, ended.last_seq, now)?;
            self.closed.insert(stream.into(), ended.epoch);
        }
        Ok(())
    }

    /// What the subscriber has accounted for when the recorder stops; closes the gaps of thinning.
    pub fn on_stop(&mut self, stream: &str, epoch: u32, last_seq: u64, now: i64) -> Result<(), WalFault> {
        if epoch == 0 {
            return Ok(());
        }
        self.account(stream, epoch, last_seq, now).map(|_| ())
    }

    /// Last `log_seq` of the gateway's journal that is appended, 0 for none.
    pub fn journal_seq(&self) -> u64 {
        self.wal.position(JOURNAL).map_or(0, |held| held.seq)
    }

    /// One envelope of the gateway's journal: recorded in order and once, never left out.
    pub fn on_journal(&mut self, log_seq: u64, payload: &[u8], now: i64) -> Result<Journalled, WalFault> {
        let last = self.journal_seq();
        if log_seq <= last {
            self.counts.duplicates += 1;
            return Ok(Journalled::Duplicate);
        }
        if log_seq != last + 1 {
            return Ok(Journalled::Resync);
        }
        self.wal.append(RecordType::Data, JOURNAL, JOURNAL_EPOCH, log_seq, now, payload)?;
        self.counts.journal += 1;
        Ok(Journalled::Appended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_segment::memory::{Crash, MemStorage};
    use tidegate_wal::{WalConfig, verify};

    fn ledger(disk: &MemStorage) -> Ledger<MemStorage> {
        Ledger::new(Wal::open(disk.clone(), WalConfig::default()).unwrap().0, &[Class::Raw, Class::Depth])
    }

    const TOP: &str = "md.1.1.top.";

    fn opened(epoch: u32, first_seq: u64) -> Opened {
        Opened { epoch, first_seq, previous: None }
    }

    #[test]
    fn a_restart_of_the_recorder_becomes_one_exact_gap() {
        let disk = MemStorage::new();
        let mut first = ledger(&disk);
        first.on_opened(TOP, &opened(7, 1), 1).unwrap();
        for seq in 1..=5 {
            first.on_data(TOP, 7, seq, b"x", 1).unwrap();
        }
        first.wal.flush().unwrap();
        let disk = disk.after(Crash::Process);
        let mut second = ledger(&disk);
        second.on_opened(TOP, &opened(7, 12), 2).unwrap();
        second.on_data(TOP, 7, 12, b"x", 2).unwrap();
        second.on_closed(TOP, &Ended { epoch: 7, last_seq: 12, in_order: true }, 3).unwrap();
        assert_eq!((second.counts.gaps, second.counts.missing), (1, 6), "6 to 11");
        second.wal.close().unwrap();
        let report = verify(&disk).unwrap();
        assert!(report.ok(), "{report:?}");
        let stream = &report.streams[&(TOP.to_string(), 7)];
        assert_eq!((stream.data, stream.missing, stream.last_seq, stream.closed), (6, 6, 12, true));
    }

    #[test]
    fn a_late_join_a_new_epoch_and_a_repeated_message_are_accounted_for() {
        let disk = MemStorage::new();
        let mut ledger = ledger(&disk);
        ledger.on_opened(TOP, &opened(3, 5), 1).unwrap();
        ledger.on_data(TOP, 3, 5, b"x", 1).unwrap();
        ledger.on_data(TOP, 3, 5, b"x", 1).unwrap();
        ledger.on_gap(TOP, &Gap { epoch: 3, first: 6, last: 8 }, 1).unwrap();
        ledger.on_opened(TOP, &opened(4, 1), 2).unwrap();
        ledger.on_data(TOP, 4, 1, b"x", 2).unwrap();
        ledger.on_data(TOP, 3, 9, b"x", 2).unwrap();
        assert_eq!((ledger.counts.duplicates, ledger.counts.old_epoch), (1, 1));
        ledger.wal.close().unwrap();
        let report = verify(&disk).unwrap();
        assert!(report.ok(), "{report:?}");
        assert_eq!(report.missing, 4 + 3);
        assert_eq!(report.streams.len(), 2);
    }

    #[test]
    fn a32_a_full_disk_thins_market_data_with_exact_gaps_and_never_orders() {
        let disk = MemStorage::new();
        let mut ledger = ledger(&disk);
        ledger.on_data(TOP, 1, 1, b"x", 1).unwrap();
        ledger.disk = Disk::Critical;
        for seq in 2..=9 {
            ledger.on_data(TOP, 1, seq, b"x", 1).unwrap();
        }
        assert_eq!(ledger.on_journal(1, b"order", 1).unwrap(), Journalled::Appended);
        ledger.disk = Disk::Ok;
        ledger.on_data(TOP, 1, 10, b"x", 1).unwrap();
        ledger.disk = Disk::Critical;
        ledger.on_data(TOP, 1, 11, b"x", 1).unwrap();
        ledger.on_stop(TOP, 1, 11, 2).unwrap();
        assert_eq!(ledger.counts.thinned, 9);
        ledger.wal.close().unwrap();
        let report = verify(&disk).unwrap();
        assert!(report.ok(), "{report:?}");
        assert_eq!((report.missing, report.streams[&(JOURNAL.to_string(), 1)].data), (9, 1));
    }

    #[test]
    fn the_journal_is_recorded_once_and_without_a_hole() {
        let disk = MemStorage::new();
        let mut first = ledger(&disk);
        assert_eq!(first.on_journal(2, b"b", 1).unwrap(), Journalled::Resync);
        for (seq, what) in [(1, Journalled::Appended), (2, Journalled::Appended), (1, Journalled::Duplicate)]
        {
            assert_eq!(first.on_journal(seq, b"x", 1).unwrap(), what);
        }
        first.wal.flush().unwrap();
        let disk = disk.after(Crash::Process);
        let mut second = ledger(&disk);
        assert_eq!(second.journal_seq(), 2, "the restart knows where to go on");
        assert_eq!(second.on_journal(4, b"x", 1).unwrap(), Journalled::Resync);
        assert_eq!(second.on_journal(3, b"x", 1).unwrap(), Journalled::Appended);
    }

    #[test]
    fn a32_each_class_is_given_up_at_its_level_and_becomes_an_exact_gap() {
        let disk = MemStorage::new();
        let mut ledger = ledger(&disk);
        let streams = ["raw.1.1.", "md.1.1.depth.", "md.1.1.trade.", TOP];
        let mut seq = 0;
        let mut kept = [0_u64; 4];
        let plan = [(Disk::Ok, 4), (Disk::Warn, 2), (Disk::Critical, 0), (Disk::Halt, 0), (Disk::Ok, 4)];
        for (level, classes) in plan {
            ledger.disk = level;
            for _ in 0..3 {
                seq += 1;
                for (place, stream) in streams.iter().enumerate() {
                    ledger.on_data(stream, 1, seq, b"x", 1).unwrap();
                    // The first to go are the first in the list.
                    kept[place] += u64::from(place >= 4 - classes);
                }
                assert_eq!(ledger.on_journal(seq, b"order", 1).unwrap(), Journalled::Appended);
            }
        }
        ledger.wal.close().unwrap();
        let report = verify(&disk).unwrap();
        assert!(report.ok(), "{report:?}");
        for (stream, kept) in streams.iter().zip(kept) {
            let found = &report.streams[&((*stream).to_string(), 1)];
            assert_eq!((found.data, found.missing, found.last_seq), (kept, seq - kept, seq), "{stream}");
        }
        assert_eq!(report.streams[&(JOURNAL.to_string(), 1)].data, seq, "orders at every level");
    }

    #[test]
    fn a32_what_was_left_out_before_a_publisher_restarts_is_a_gap_of_its_old_epoch() {
        let disk = MemStorage::new();
        let mut ledger = ledger(&disk);
        ledger.on_data(TOP, 1, 1, b"x", 1).unwrap();
        ledger.disk = Disk::Critical;
        for seq in 2..=9 {
            ledger.on_data(TOP, 1, seq, b"x", 1).unwrap();
        }
        let previous = Some(Ended { epoch: 1, last_seq: 9, in_order: false });
        ledger.on_opened(TOP, &Opened { epoch: 2, first_seq: 1, previous }, 2).unwrap();
        ledger.disk = Disk::Ok;
        ledger.on_data(TOP, 2, 1, b"x", 2).unwrap();
        ledger.wal.close().unwrap();
        let report = verify(&disk).unwrap();
        assert!(report.ok(), "{report:?}");
        let old = &report.streams[&(TOP.to_string(), 1)];
        assert_eq!((old.data, old.missing, old.last_seq), (1, 8, 9));
    }

    #[test]
    fn a32_the_disk_level_has_hysteresis() {
        let levels = Levels { warn: 800, critical: 80, halt: 8 };
        let mut level = Disk::Ok;
        let steps = [
            (900, Disk::Ok),
            (799, Disk::Warn),
            (850, Disk::Warn),
            (900, Disk::Ok),
            (79, Disk::Critical),
            (85, Disk::Critical),
            (90, Disk::Warn),
            (7, Disk::Halt),
            (8, Disk::Halt),
            (9, Disk::Critical),
            (0, Disk::Halt),
            (900, Disk::Ok),
        ];
        for (free, want) in steps {
            level = level.next(free, &levels);
            assert_eq!(level, want, "at {free}");
        }
    }
}
