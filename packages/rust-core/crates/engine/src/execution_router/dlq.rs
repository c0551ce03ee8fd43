//! The order DLQ: every command that came to nothing, with why, on the disk before the gateway is told.
//!
//! `letters.ndjson`, one line each: eight hex digits of the CRC32C of what follows, a blank, and a JSON object
//! `{"v":1,"n","tsNs","reason","text","id","kind","command"}`, where `command` is the whole command as the bytes of its
//! envelope, hex. This process alone writes it. What people do about a letter is in files of their own beside it, so that
//! nobody but the writer ever changes a letter. A letter leaves memory when it is on the disk and not before; a disk that
//! fails keeps nobody from trading.

use super::limits::{DLQ_BYTES_MAX, DLQ_KEPT_MAX, DLQ_PENDING_MAX, DLQ_RETENTION_NS, DLQ_RETRY_NS};
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tidegate_router::Letter;
use tidegate_wire::envelope;
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};

/// The version of a line.
const VERSION: u64 = 1;

/// Which command a letter is about: one that is refused twice has one letter.
type Key = (u64, u64, String);

#[derive(Debug)]
struct Line {
    n: u64,
    key: Key,
    ts_ns: i64,
    text: String,
}

/// The store.
#[derive(Debug)]
pub struct Dlq {
    path: PathBuf,
    /// Whether a line outlives a power cut before it counts as written.
    sync: bool,
    file: Option<File>,
    bytes: u64,
    next_n: u64,
    /// Letters of the file, oldest first.
    on_disk: VecDeque<Line>,
    known: BTreeSet<Key>,
    /// Not on the disk yet.
    pending: VecDeque<Line>,
    retry_at_ns: u64,
    written: u64,
    /// Letters that found the memory full while the disk failed.
    lost: u64,
    faults: u64,
    last_fault: String,
}

fn reason_name(letter: &Letter) -> &'static str {
    let name = letter.reason.as_str_name();
    name.strip_prefix("REASON_").unwrap_or(name)
}

fn framed(body: &str) -> String {
    format!("{:08x} {body}\n", crc32c::crc32c(body.as_bytes()))
}

fn read_line(text: &str) -> Option<Line> {
    let (crc, body) = text.split_once(' ')?;
    if u32::from_str_radix(crc, 16).ok()? != crc32c::crc32c(body.as_bytes()) {
        return None;
    }
    let read: Value = serde_json::from_str(body).ok()?;
    if read["v"].as_u64() != Some(VERSION) {
        return None;
    }
    let number = |name: &str| read[name].as_u64();
    Some(Line {
        n: number("n")?,
        key: (number("epoch")?, number("seq")?, read["id"].as_str()?.to_string()),
        ts_ns: read["tsNs"].as_str()?.parse().ok()?,
        text: format!("{text}\n"),
    })
}

impl Dlq {
    /// The store at `dir`. One that cannot be read or made is tried again: letters wait in memory meanwhile.
    pub fn open(dir: &Path, sync: bool, now_epoch_ns: i64) -> Self {
        let mut dlq = Self {
            path: dir.join("letters.ndjson"),
            sync,
            file: None,
            bytes: 0,
            next_n: 1,
            on_disk: VecDeque::new(),
            known: BTreeSet::new(),
            pending: VecDeque::new(),
            retry_at_ns: 0,
            written: 0,
            lost: 0,
            faults: 0,
            last_fault: String::new(),
        };
        if let Err(error) = dlq.load(now_epoch_ns) {
            dlq.failed(0, &error);
        }
        dlq
    }

    /// Reads what is there, cuts off a line that was not finished, and writes the file anew without what is too old.
    fn load(&mut self, now_epoch_ns: i64) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&self.path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let (mut good, mut lines) = (0, VecDeque::new());
        for part in text.split_inclusive(|byte| *byte == b'\n') {
            let whole = part.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
            let Some(line) = whole.and_then(read_line) else { break };
            good += part.len() as u64;
            lines.push_back(line);
        }
        if good < text.len() as u64 {
            // What follows a line that cannot be read is set aside, never thrown away.
            let tail = text.get(usize::try_from(good).unwrap_or(0)..).unwrap_or_default();
            let torn = !tail.contains(&b'\n');
            if !torn {
                std::fs::write(self.path.with_extension(format!("damaged-{now_epoch_ns}")), tail)?;
                self.last_fault = format!("{} was damaged at byte {good}", self.path.display());
                self.faults += 1;
            }
            file.set_len(good)?;
        }
        file.seek(SeekFrom::Start(good))?;
        (self.file, self.bytes) = (Some(file), good);
        self.next_n = lines.back().map_or(self.next_n, |line: &Line| self.next_n.max(line.n + 1));
        self.known = lines.iter().map(|line| line.key.clone()).collect();
        self.on_disk = lines;
        self.trim(now_epoch_ns)
    }

    /// Writes the file anew when it has grown beyond its bound, with the newest letters that are not too old.
    fn trim(&mut self, now_epoch_ns: i64) -> io::Result<()> {
        let old = |line: &Line| now_epoch_ns.saturating_sub(line.ts_ns) > DLQ_RETENTION_NS;
        let stale = self.on_disk.iter().take_while(|&line| old(line)).count();
        let beyond = self.on_disk.len().saturating_sub(DLQ_KEPT_MAX);
        // The newest stays whatever its age: a number is never given twice.
        let gone = stale.max(beyond).min(self.on_disk.len().saturating_sub(1));
        if gone == 0 || (gone < DLQ_KEPT_MAX / 10 && self.bytes < DLQ_BYTES_MAX) {
            return Ok(());
        }
        let whole: String = self.on_disk.iter().skip(gone).map(|line| line.text.as_str()).collect();
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(whole.as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&new, &self.path)?;
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        for line in self.on_disk.drain(..gone) {
            self.known.remove(&line.key);
        }
        (self.file, self.bytes) = (Some(file), whole.len() as u64);
        Ok(())
    }

    fn failed(&mut self, now_ns: u64, error: &io::Error) {
        self.file = None;
        self.faults += 1;
        self.last_fault = format!("{}: {error}", self.path.display());
        self.retry_at_ns = now_ns.saturating_add(DLQ_RETRY_NS);
    }

    /// Takes a letter.
    pub fn push(&mut self, letter: &Letter, now_epoch_ns: i64) {
        let command = &letter.command;
        let key = (u64::from(command.gateway_epoch), command.command_seq, command.client_order_id.clone());
        if !self.known.insert(key.clone()) {
            return;
        }
        if self.pending.len() >= DLQ_PENDING_MAX {
            self.known.remove(&key);
            self.lost += 1;
            return;
        }
        let bytes = envelope::encode(&Envelope {
            schema_version: 1,
            source: Source::ExecutionRouter.into(),
            ts_event_ns: now_epoch_ns,
            ts_recv_ns: now_epoch_ns,
            payload: Some(Payload::Command(command.clone())),
            ..Envelope::default()
        });
        let kind = command.kind().as_str_name();
        let body = json!({
            "v": VERSION, "n": self.next_n, "tsNs": now_epoch_ns.to_string(), "reason": reason_name(letter),
            "text": letter.text, "id": key.2, "epoch": key.0, "seq": key.1,
            "kind": kind.strip_prefix("COMMAND_KIND_").unwrap_or(kind),
            "command": data_encoding::HEXLOWER.encode(&bytes),
        });
        let line = Line { n: self.next_n, key, ts_ns: now_epoch_ns, text: framed(&body.to_string()) };
        self.next_n += 1;
        self.pending.push_back(line);
    }

    /// Brings what waits onto the disk. What could not be written stays, and is tried again after a moment.
    pub fn flush(&mut self, now_ns: u64, now_epoch_ns: i64) {
        if self.pending.is_empty() || (self.file.is_none() && now_ns < self.retry_at_ns) {
            return;
        }
        let outcome = self.write(now_epoch_ns);
        if let Err(error) = outcome {
            self.failed(now_ns, &error);
        }
    }

    fn write(&mut self, now_epoch_ns: i64) -> io::Result<()> {
        if self.file.is_none() {
            let waiting: Vec<Key> = self.pending.iter().map(|line| line.key.clone()).collect();
            let last = self.next_n;
            self.load(now_epoch_ns)?;
            self.next_n = self.next_n.max(last);
            // What a write that failed has left there whole is not written again.
            let there: BTreeSet<u64> = self.on_disk.iter().map(|line| line.n).collect();
            self.pending.retain(|line| !there.contains(&line.n));
            self.known.extend(waiting);
        }
        let Some(file) = self.file.as_mut() else { return Ok(()) };
        let text: String = self.pending.iter().map(|line| line.text.as_str()).collect();
        file.write_all(text.as_bytes())?;
        if self.sync {
            file.sync_data()?;
        }
        self.bytes += text.len() as u64;
        self.written += self.pending.len() as u64;
        self.on_disk.append(&mut self.pending);
        self.trim(now_epoch_ns)
    }

    /// Counts, and the last fault.
    pub fn shown(&self) -> Value {
        json!({
            "letters": self.on_disk.len(), "pending": self.pending.len(), "written": self.written, "lost": self.lost,
            "faults": self.faults, "lastFault": self.last_fault,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_wire::pb::orders::v1::{Command, CommandKind, Reason};

    fn letter(n: u64, reason: Reason) -> Letter {
        let command = Command {
            command_seq: n,
            gateway_epoch: 1,
            kind: CommandKind::New.into(),
            client_order_id: format!("{n:0>25}"),
            px_ticks: 5,
            ..Command::default()
        };
        Letter { command, reason, text: "words \"of\" the venue".into() }
    }

    fn numbers(dir: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(dir.join("letters.ndjson")).unwrap_or_default();
        text.lines().map(|line| read_line(line).map_or(0, |line| line.n)).collect()
    }

    #[test]
    fn a24_every_letter_is_on_the_disk_with_its_reason_and_its_whole_command() {
        let dir = tempfile::tempdir().unwrap();
        let mut dlq = Dlq::open(dir.path(), true, 0);
        let reasons = [
            Reason::RateBudget,
            Reason::BreakerOpen,
            Reason::QueueEvicted,
            Reason::TtlExpired,
            Reason::VenueReject,
            Reason::VenueUnreachable,
            Reason::Killed,
            Reason::VenueNotFound,
        ];
        for (n, reason) in reasons.iter().enumerate() {
            dlq.push(&letter(n as u64 + 1, *reason), 7);
        }
        dlq.push(&letter(1, Reason::RateBudget), 8);
        assert_eq!(dlq.shown()["pending"], 8, "the same command a second time is the same letter");
        dlq.flush(1, 8);
        let text = std::fs::read_to_string(dir.path().join("letters.ndjson")).unwrap();
        for (line, reason) in text.lines().zip(reasons) {
            let body: Value = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
            assert_eq!(body["reason"], reason.as_str_name().strip_prefix("REASON_").unwrap());
            let bytes = data_encoding::HEXLOWER.decode(body["command"].as_str().unwrap().as_bytes()).unwrap();
            let Some(Payload::Command(command)) = envelope::decode(&bytes).unwrap().payload else { panic!() };
            assert_eq!(command, letter(body["n"].as_u64().unwrap(), reason).command);
        }
        // A start after that goes on with its numbers and knows what is there.
        let mut again = Dlq::open(dir.path(), true, 8);
        again.push(&letter(3, Reason::QueueEvicted), 9);
        again.push(&letter(20, Reason::QueueEvicted), 9);
        again.flush(1, 9);
        assert_eq!(numbers(dir.path()), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a24_letters_stay_in_memory_while_the_disk_fails_and_are_written_once_it_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("dlq");
        // A file where the folder should be: nothing can be made there.
        std::fs::write(&at, "in the way").unwrap();
        let mut dlq = Dlq::open(&at, true, 0);
        dlq.push(&letter(1, Reason::RateBudget), 1);
        dlq.flush(DLQ_RETRY_NS, 1);
        dlq.push(&letter(2, Reason::RateBudget), 2);
        dlq.flush(DLQ_RETRY_NS + 1, 2);
        assert_eq!(
            (&dlq.shown()["pending"], &dlq.shown()["faults"]),
            (&json!(2), &json!(2)),
            "not tried at each turn"
        );
        std::fs::remove_file(&at).unwrap();
        dlq.flush(3 * DLQ_RETRY_NS, 3);
        assert_eq!((numbers(&at), dlq.shown()["pending"].clone()), (vec![1, 2], json!(0)));
        dlq.push(&letter(3, Reason::RateBudget), 4);
        dlq.flush(3 * DLQ_RETRY_NS, 4);
        assert_eq!(numbers(&at), [1, 2, 3]);
    }

    #[test]
    fn the_memory_of_a_failing_disk_is_bounded_and_what_it_could_not_hold_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("dlq");
        std::fs::write(&at, "in the way").unwrap();
        let mut dlq = Dlq::open(&at, false, 0);
        for n in 1..=DLQ_PENDING_MAX as u64 + 3 {
            dlq.push(&letter(n, Reason::RateBudget), 1);
        }
        assert_eq!((&dlq.shown()["pending"], &dlq.shown()["lost"]), (&json!(DLQ_PENDING_MAX), &json!(3)));
    }

    #[test]
    fn a_line_cut_off_by_a_crash_is_dropped_and_a_damaged_one_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let mut dlq = Dlq::open(dir.path(), true, 0);
        for n in 1..=3 {
            dlq.push(&letter(n, Reason::RateBudget), 1);
        }
        dlq.flush(1, 1);
        drop(dlq);
        let path = dir.path().join("letters.ndjson");
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..60 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut dlq = Dlq::open(dir.path(), true, 1);
            assert_eq!(numbers(dir.path()), [1, 2], "cut by {cut}");
            dlq.push(&letter(9, Reason::RateBudget), 1);
            dlq.flush(1, 1);
            assert_eq!(numbers(dir.path()), [1, 2, 3]);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a torn line is no damage");
        let mut flipped = whole.clone();
        flipped[30] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        let dlq = Dlq::open(dir.path(), true, 77);
        assert!(dlq.last_fault.contains("damaged at byte 0"), "{}", dlq.last_fault);
        assert_eq!(std::fs::read(path.with_extension("damaged-77")).unwrap(), flipped);
    }

    #[test]
    fn letters_are_kept_for_a_week_and_no_more_than_their_bound() {
        let dir = tempfile::tempdir().unwrap();
        let mut dlq = Dlq::open(dir.path(), false, 0);
        let many = DLQ_KEPT_MAX as u64 + DLQ_KEPT_MAX as u64 / 10 + 5;
        for n in 1..=many {
            dlq.push(&letter(n, Reason::RateBudget), 1);
            if n % 1_000 == 0 {
                dlq.flush(1, 1);
            }
        }
        dlq.flush(1, 1);
        let kept = numbers(dir.path());
        assert!(kept.len() <= DLQ_KEPT_MAX + DLQ_KEPT_MAX / 10, "{}", kept.len());
        assert_eq!(kept.last(), Some(&many));
        let later = Dlq::open(dir.path(), false, 2 + DLQ_RETENTION_NS);
        assert_eq!(
            (later.next_n, numbers(dir.path())),
            (many + 1, vec![many]),
            "a number is never given twice"
        );
    }
}
