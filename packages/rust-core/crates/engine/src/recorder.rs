//! The recorder loop: every market stream, every capture stream and the gateway's journal into the WAL.
//!
//! A journal envelope is written and flushed in the turn it arrives, and acknowledged after that; market data is flushed in
//! blocks at most 50 ms old. A full disk ends nothing: market data goes first, the reserve is given up for orders and fills, and the
//! gateway is told to halt.

mod ledger;
mod reserve;

use crate::latency::Latency;
use crate::{Fault, Handle, Hot, clock, epoch, spawn};
use ledger::{Class, Disk, JOURNAL, Journalled, Ledger, Levels};
use reserve::Reserve;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::PathBuf;
use tidegate_bus::ends::{LinkClient, LinkClientConfig, LinkInput, StreamInput, StreamSub, StreamWhat};
use tidegate_bus::link::{LinkEvent, LinkState};
use tidegate_bus::stream::StreamState;
use tidegate_wal::{Compression, DirStorage, Storage, Wal, WalConfig, WalFault, WalRecovery};
use tidegate_wire::envelope;
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent, SnapshotRequest};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};

/// Every bound of the recorder loop.
mod limits {
    /// Longest wait in poll, in ms: acks and handshakes are due every 100 ms.
    pub const POLL_MS: i64 = 20;
    /// Oldest unflushed market message, in ns.
    pub const FLUSH_NS_MAX: u64 = 50_000_000;
    /// Inputs of one turn from which on more is taken while the device works; with fewer the wait for it is shorter than a change
    /// of threads is worth.
    pub const BURST: usize = 32;
    /// How often statistics, disk and segment age are looked at, in ns.
    pub const STATS_PERIOD_NS: u64 = 250_000_000;
    /// The journal is asked for again at most this often, in ns.
    pub const RESYNC_PERIOD_NS: u64 = 250_000_000;
    /// The gateway is told to halt again at most this often until its journal shows that it has, in ns.
    pub const TELL_PERIOD_NS: u64 = 1_000_000_000;
    /// At a stop, silence after which everything is taken to have arrived, in ns.
    pub const DRAIN_QUIET_NS: u64 = 150_000_000;
    /// Longest drain at a stop, in ns.
    pub const DRAIN_NS_MAX: u64 = 1_500_000_000;

    const _: () = assert!(POLL_MS <= crate::limits::WAIT_MS_MAX, "a stop is seen in time");
    const _: () = assert!((POLL_MS as u64) * 1_000_000 < FLUSH_NS_MAX, "a flush comes in time");
}
use limits::{
    BURST, DRAIN_NS_MAX, DRAIN_QUIET_NS, FLUSH_NS_MAX, POLL_MS, RESYNC_PERIOD_NS, STATS_PERIOD_NS,
    TELL_PERIOD_NS,
};

/// As whom the recorder acts at the gateway.
pub(crate) const PRINCIPAL: &str = "recorder";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    /// Where the market streams are published: `ipc://s/md.sock`.
    md_endpoint: String,
    /// Where the gateway gives its journal: `ipc://s/tail.sock`.
    tail_endpoint: String,
    wal_dir: PathBuf,
    epoch_path: PathBuf,
    /// A segment this long is sealed, in bytes.
    segment_bytes: u64,
    /// A segment this old is sealed, in ms.
    segment_age_ms: u64,
    /// Whether each block is synced to the device.
    power_safe: bool,
    /// How blocks are stored: "none" or "lz4".
    compression: Stored,
    /// Free bytes outside the reserve below which the disk is WARN, CRITICAL and HALT.
    disk_warn_bytes: u64,
    disk_critical_bytes: u64,
    disk_halt_bytes: u64,
    /// Blocks of the file system that only orders and fills may use, in bytes.
    reserve_bytes: u64,
    /// Classes of market data that WARN leaves out.
    drop_at_warn: Vec<Class>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stored {
    None,
    Lz4,
}

impl Config {
    const fn levels(&self) -> Levels {
        let (warn, critical) = (self.disk_warn_bytes, self.disk_critical_bytes);
        Levels { warn, critical, halt: self.disk_halt_bytes }
    }
}

fn read_config(text: &str) -> Result<Config, Fault> {
    let config: Config = serde_json::from_str(text)
        .map_err(|error| Fault(format!("cannot read the recorder configuration: {error}")))?;
    if config.disk_critical_bytes > config.disk_warn_bytes {
        return Err(Fault("diskCriticalBytes is above diskWarnBytes; want it at or below".into()));
    }
    if config.disk_halt_bytes > config.disk_critical_bytes {
        return Err(Fault("diskHaltBytes is above diskCriticalBytes; want it at or below".into()));
    }
    if config.segment_age_ms == 0 {
        return Err(Fault("segmentAgeMs is 0; want at least 1".into()));
    }
    Ok(config)
}

/// Starts the loop.
///
/// # Errors
/// A configuration that cannot be used, a WAL that cannot be recovered or is written by another process.
pub fn start(config: &str) -> Result<Handle, Fault> {
    let config = read_config(config)?;
    let session_epoch = epoch::next(&config.epoch_path)?;
    let wal_config = WalConfig {
        cluster: [0; 16],
        segment_bytes: config.segment_bytes,
        segment_age_ns: config.segment_age_ms.saturating_mul(1_000_000),
        power_safe: config.power_safe,
        compression: match config.compression {
            Stored::None => Compression::None,
            Stored::Lz4 => Compression::Lz4,
        },
    };
    let (wal, recovery, reserve) = open(&config, &wal_config)?;
    spawn("recorder", move |hot| {
        let opened = json!({ "epoch": session_epoch, "lastWalSeq": recovery.last_wal_seq,
            "segments": recovery.segments, "tornBytes": recovery.torn_bytes });
        hot.log("info", "recorder opened its WAL", opened);
        let mut recorder = Recorder::new(&hot, &config, session_epoch, wal, reserve)?;
        let result = recorder.run();
        if let Err(Fault(text)) = &result {
            hot.log("error", text, json!({}));
        }
        result
    })
}

/// Opens the WAL and its reserve. Sealing what a crash left needs a little room: on a full disk the reserve is for that too.
fn open(config: &Config, wal_config: &WalConfig) -> Result<(Wal<DirStorage>, WalRecovery, Reserve), Fault> {
    let attempt = || Wal::open(DirStorage::open(&config.wal_dir)?, wal_config.clone());
    match attempt() {
        Err(WalFault::DiskFull { .. }) => {
            let mut reserve = Reserve::open(&config.wal_dir, config.reserve_bytes)?;
            reserve.release()?;
            let (wal, recovery) = attempt()?;
            Ok((wal, recovery, reserve))
        }
        opened => {
            let (wal, recovery) = opened?;
            Ok((wal, recovery, Reserve::open(&config.wal_dir, config.reserve_bytes)?))
        }
    }
}

/// What waits for the end of a flush.
struct Flush {
    wal_seq: u64,
    /// Acknowledged on the link of the journal then.
    link_seq: Option<u64>,
    /// When its first record was taken.
    since: Option<u64>,
}

struct Recorder<'a> {
    hot: &'a Hot,
    config: &'a Config,
    sub: StreamSub,
    tail: LinkClient,
    book: Option<Ledger<DirStorage>>,
    /// Highest link sequence taken since the last flush began.
    unacked: Option<u64>,
    /// Flushes that are not known to be safe, oldest first: one more than the syncs the WAL has under way.
    flushes: VecDeque<Flush>,
    unflushed_since: Option<u64>,
    journal_unflushed: bool,
    ask_journal: bool,
    asked_at: u64,
    resyncs: u64,
    refused: u64,
    latency: Latency,
    free_bytes: u64,
    reserve: Reserve,
    /// Writes a full disk refused and that wait for room.
    refused_writes: u64,
    /// Whether the gateway's journal shows that it was told to halt, and when it was last told.
    halt_told: bool,
    told_at: u64,
    epoch: u32,
}

impl<'a> Recorder<'a> {
    fn new(
        hot: &'a Hot,
        config: &'a Config,
        epoch: u32,
        wal: Wal<DirStorage>,
        reserve: Reserve,
    ) -> Result<Self, Fault> {
        let context = zmq::Context::new();
        let sub = StreamSub::connect(&context, &config.md_endpoint, &["md.", "raw."])?;
        let tail = LinkClient::connect(
            &context,
            LinkClientConfig::new(&config.tail_endpoint, "tail", "recorder", epoch),
        )?;
        Ok(Self {
            hot,
            config,
            sub,
            tail,
            book: Some(Ledger::new(wal, &config.drop_at_warn)),
            unacked: None,
            flushes: VecDeque::new(),
            unflushed_since: None,
            journal_unflushed: false,
            ask_journal: true,
            asked_at: 0,
            resyncs: 0,
            refused: 0,
            latency: Latency::new()?,
            free_bytes: 0,
            reserve,
            refused_writes: 0,
            halt_told: false,
            told_at: 0,
            epoch,
        })
    }

    fn run(&mut self) -> Result<(), Fault> {
        let mut stats_at = 0;
        while !self.hot.stopping() {
            self.wait()?;
            self.turn()?;
            for call in self.hot.calls() {
                let answer = match call.request["op"].as_str() {
                    Some("status") => self.stats("RUNNING"),
                    _ => json!({ "ok": false, "error": "want op status" }),
                };
                call.answer(answer);
            }
            let now = clock::mono_ns();
            if now.saturating_sub(stats_at) >= STATS_PERIOD_NS {
                stats_at = now;
                self.watch(now)?;
                self.hot.set_stats(self.stats("RUNNING"));
            }
        }
        self.drain()
    }

    fn wait(&self) -> Result<(), Fault> {
        let busy = self.sub.has_waiting() || self.tail.has_waiting();
        self.hot.wait(vec![self.sub.poll_item(), self.tail.poll_item()], busy, POLL_MS)
    }

    /// One turn: take what is there, make it durable, acknowledge. Returns how many inputs there were.
    fn turn(&mut self) -> Result<usize, Fault> {
        let now = clock::mono_ns();
        let taken = self.take_journal(now)? + self.take_market(now)?;
        let due = self.unflushed_since.is_some_and(|since| now.saturating_sub(since) >= FLUSH_NS_MAX);
        let (begins, quiet) = (self.journal_unflushed || due, taken < BURST);
        if begins || self.unacked.is_some() || !self.flushes.is_empty() {
            self.flush(begins, quiet)?;
        }
        self.tell_halt(now);
        if self.ask_journal && now.saturating_sub(self.asked_at) >= RESYNC_PERIOD_NS {
            self.ask(now);
        }
        self.sub.tick(now);
        self.tail.tick(now)?;
        Ok(taken)
    }

    /// Begins to make what is collected safe, and acknowledges what is by now; waits for all of it when it is `quiet`. A full disk
    /// keeps it waiting, even with the reserve given up.
    fn flush(&mut self, begins: bool, quiet: bool) -> Result<(), Fault> {
        let safe = match self.wal_flush(begins, quiet) {
            Err(WalFault::DiskFull { .. }) => {
                self.full()?;
                match self.wal_flush(begins, quiet) {
                    Err(WalFault::DiskFull { .. }) => return Ok(()),
                    other => other?,
                }
            }
            other => other?,
        };
        if begins {
            let wal_seq = self.book.as_ref().map_or(0, |book| book.wal.last_wal_seq());
            let (link_seq, since) = (self.unacked.take(), self.unflushed_since.take());
            self.flushes.push_back(Flush { wal_seq, link_seq, since });
            self.journal_unflushed = false;
        } else if let Some(seq) = self.unacked.take() {
            // Nothing new of the journal: it is safe with what was recorded before.
            match self.flushes.back_mut() {
                Some(flush) => flush.link_seq = Some(seq),
                None => self.tail.ack(seq),
            }
        }
        let now = clock::mono_ns();
        while let Some(Flush { link_seq, since, .. }) =
            self.flushes.front().filter(|flush| flush.wal_seq <= safe)
        {
            if let Some(seq) = link_seq {
                self.tail.ack(*seq);
            }
            if let Some(since) = since {
                self.latency.record(now.saturating_sub(*since));
            }
            self.flushes.pop_front();
        }
        Ok(())
    }

    /// The last `wal_seq` that is safe.
    fn wal_flush(&mut self, begins: bool, quiet: bool) -> Result<u64, WalFault> {
        let Some(book) = &mut self.book else { return Ok(u64::MAX) };
        match (begins, quiet) {
            (true, true) => book.wal.flush(),
            (true, false) => book.wal.flush_begin(),
            (false, true) if !self.flushes.is_empty() => book.wal.flush(),
            (false, _) => book.wal.safe(),
        }
    }

    /// A write found the disk full: no market data from here on, and the reserve goes to what waits.
    fn full(&mut self) -> Result<(), Fault> {
        self.refused_writes += 1;
        self.set_level(Disk::Halt)
    }

    fn set_level(&mut self, level: Disk) -> Result<(), Fault> {
        let Some(book) = &mut self.book else { return Ok(()) };
        let from = std::mem::replace(&mut book.disk, level);
        if level == Disk::Halt {
            if self.reserve.release()? {
                self.hot.log("error", "the reserve is given up for orders and fills", json!({}));
            }
        } else if !self.reserve.held() && !self.reserve.acquire()? {
            // Not out of it before the reserve is whole again.
            book.disk = from;
            return Ok(());
        }
        if level != from {
            (self.halt_told, self.told_at) = (false, 0);
            let path = self.config.wal_dir.display().to_string();
            let severity = if level == Disk::Ok { "info" } else { "error" };
            let change = json!({ "from": from.name(), "to": level.name(), "freeBytes": self.free_bytes, "path": path,
                "remedy": "free space on this file system or move the run directory" });
            self.hot.log(severity, "disk level changed", change);
        }
        Ok(())
    }

    /// At HALT the gateway is told until its own journal shows that it was.
    fn tell_halt(&mut self, now: u64) {
        let halted = self.book.as_ref().is_some_and(|book| book.disk == Disk::Halt);
        let due = self.told_at == 0 || now.saturating_sub(self.told_at) >= TELL_PERIOD_NS;
        if !halted || self.halt_told || !due || self.tail.state() != LinkState::Synced {
            return;
        }
        let wall = clock::epoch_ns();
        let event = ControlEvent {
            action: ControlAction::Halt.into(),
            principal: PRINCIPAL.into(),
            reason: format!("the recorder's disk is full: {} bytes free", self.free_bytes),
            ts_ns: wall,
            ..ControlEvent::default()
        };
        if self.tail.send(now, &envelope::encode(&own(Payload::ControlEvent(event), wall))).is_ok() {
            self.told_at = now;
        }
    }

    fn take_market(&mut self, now: u64) -> Result<usize, Fault> {
        let Some(book) = &mut self.book else { return Ok(0) };
        let wall = clock::epoch_ns();
        let (mut fault, refused, hot) = (None, &mut self.refused, self.hot);
        let count = self.sub.pump(now, |StreamInput { name, what, .. }| {
            let done = match what {
                StreamWhat::Opened(opened) => book.on_opened(name, &opened, wall),
                StreamWhat::Gap(gap) => {
                    let lost =
                        json!({ "stream": name, "epoch": gap.epoch, "first": gap.first, "last": gap.last });
                    hot.log("warn", "market stream has a gap", lost);
                    book.on_gap(name, &gap, wall)
                }
                StreamWhat::Data(data) => book.on_data(name, data.epoch, data.seq, data.payload, wall),
                StreamWhat::Closed(ended) => book.on_closed(name, &ended, wall),
                StreamWhat::Stale => Ok(()),
                StreamWhat::Refused(_) => {
                    *refused += 1;
                    Ok(())
                }
            };
            if let Err(error) = done
                && !matches!((&fault, &error), (Some(_), WalFault::DiskFull { .. }))
            {
                fault = Some(error);
            }
        })?;
        if book.wal.has_unflushed() {
            self.unflushed_since.get_or_insert(now);
        }
        match fault {
            None => Ok(count),
            // What was not taken is a gap as soon as there is room to say so.
            Some(WalFault::DiskFull { .. }) => self.full().map(|()| count),
            Some(error) => Err(error.into()),
        }
    }

    fn take_journal(&mut self, now: u64) -> Result<usize, Fault> {
        let Some(book) = &mut self.book else { return Ok(0) };
        let wall = clock::epoch_ns();
        let (mut fault, mut full) = (None, false);
        let (told, on_halt) = (&mut self.halt_told, book.disk == Disk::Halt);
        let (unacked, ask, resyncs, hot) =
            (&mut self.unacked, &mut self.ask_journal, &mut self.resyncs, self.hot);
        let unflushed = &mut self.journal_unflushed;
        let count = self.tail.pump(now, |input| match input {
            LinkInput::Event { event, .. } => match event {
                LinkEvent::State { to: LinkState::Synced, .. } => *ask = true,
                LinkEvent::PeerRestarted { .. } => {
                    *unacked = None;
                    *ask = true;
                }
                LinkEvent::Skipped { first_seq, last_seq, .. } => {
                    let skipped = json!({ "first": first_seq, "last": last_seq });
                    hot.log("warn", "the tail link skipped frames; asking again", skipped);
                    *ask = true;
                }
                _ => {}
            },
            LinkInput::Data { seq, payload, .. } => {
                match envelope::decode(payload) {
                    Ok(Envelope { log_seq, payload: what, .. }) if log_seq > 0 => match book.on_journal(log_seq, payload, wall) {
                        Ok(Journalled::Appended) => {
                            *unflushed = true;
                            *told |= on_halt && is_own_halt(what.as_ref());
                        }
                        Ok(Journalled::Duplicate) => {}
                        Ok(Journalled::Resync) => {
                            *resyncs += 1;
                            *ask = true;
                        }
                        // Not taken: the gateway keeps it, and is asked for it again.
                        Err(WalFault::DiskFull { .. }) => {
                            full = true;
                            *ask = true;
                        }
                        Err(error) => {
                            fault.get_or_insert(Fault::from(error));
                        }
                    },
                    Ok(_) => {
                        fault.get_or_insert(Fault("the gateway sent a journal envelope without log_seq; run one version of all processes".into()));
                    }
                    Err(refusal) => {
                        fault.get_or_insert(Fault(format!(
                            "the gateway sent a journal envelope that cannot be read ({refusal}); run one version of all processes"
                        )));
                    }
                }
                *unacked = Some(seq);
            }
        })?;
        if full {
            self.full()?;
        }
        fault.map_or(Ok(count), Err)
    }

    /// Asks the gateway for its journal after what is recorded; what it sends follows on the link.
    fn ask(&mut self, now: u64) {
        if self.tail.state() != LinkState::Synced {
            return;
        }
        let wall = clock::epoch_ns();
        let after_seq = self.book.as_ref().map_or(0, Ledger::journal_seq);
        let request = SnapshotRequest { topic: JOURNAL.into(), after_seq };
        let request = own(Payload::SnapshotRequest(request), wall);
        if self.tail.send(now, &envelope::encode(&request)).is_ok() {
            self.ask_journal = false;
            self.asked_at = now;
        }
    }

    fn watch(&mut self, now: u64) -> Result<(), Fault> {
        let Some(book) = &mut self.book else { return Ok(()) };
        let (free, _) = book.wal.storage().free_bytes()?;
        self.free_bytes = free;
        let held = book.disk;
        let ticked = book.wal.tick(now);
        match ticked {
            // Sealed later, when there is room.
            Ok(()) | Err(WalFault::DiskFull { .. }) => {}
            Err(fault) => return Err(fault.into()),
        }
        let level = held.next(self.reserve.outside(free), &self.config.levels());
        if level == held { Ok(()) } else { self.set_level(level) }
    }

    /// Takes what is still on its way until it is quiet, then accounts, seals and leaves the link in order.
    fn drain(&mut self) -> Result<(), Fault> {
        let begun = clock::mono_ns();
        let mut heard = begun;
        loop {
            self.wait()?;
            for call in self.hot.calls() {
                call.answer(json!({ "ok": false, "error": "the recorder stops" }));
            }
            let taken = self.turn()?;
            let now = clock::mono_ns();
            if taken > 0 {
                heard = now;
            }
            if now.saturating_sub(heard) >= DRAIN_QUIET_NS || now.saturating_sub(begun) >= DRAIN_NS_MAX {
                break;
            }
        }
        self.hot.set_stats(self.stats("STOPPED"));
        if let Some(mut book) = self.book.take() {
            let wall = clock::epoch_ns();
            for (_, name, subscriber) in self.sub.topics() {
                book.on_stop(name, subscriber.epoch(), subscriber.last_seq(), wall)?;
            }
            book.wal.close()?;
        }
        self.tail.bye();
        self.tail.tick(clock::mono_ns())?;
        Ok(())
    }

    fn stats(&self, state: &str) -> Value {
        let Some(book) = &self.book else { return Value::Null };
        let counts = &book.counts;
        let totals = self.sub.totals();
        let live = self.sub.topics().filter(|(_, _, s)| s.state() == StreamState::Live).count();
        let synced = self.tail.state() == LinkState::Synced;
        let streams: Vec<Value> = self
            .sub
            .topics()
            .map(|(_, name, s)| {
                json!({ "stream": name, "epoch": s.epoch(), "lastSeq": s.last_seq(), "state": s.state().name(),
                    "missing": s.counters().missing })
            })
            .collect();
        json!({
            "events": counts.market + counts.journal,
            "lag": u64::from(self.unflushed_since.is_some() || self.journal_unflushed),
            "state": if state == "RUNNING" && !synced { "WAITING" } else { state },
            "latency": self.latency.stats(),
            "epoch": self.epoch,
            "walSeq": book.wal.last_wal_seq(),
            "segment": book.wal.segment_index(),
            "journalSeq": book.journal_seq(),
            "market": counts.market,
            "journal": counts.journal,
            "gaps": counts.gaps,
            "missing": counts.missing,
            "marks": counts.marks,
            "duplicates": counts.duplicates,
            "thinned": counts.thinned,
            "oldEpoch": counts.old_epoch,
            "resyncs": self.resyncs,
            "refused": self.refused + totals.bad_frames + totals.wrong_link,
            "tail": self.tail.state().name(),
            "streamsLive": live,
            "disk": book.disk.name(),
            "diskFreeBytes": self.free_bytes,
            "reserveHeld": self.reserve.held(),
            "refusedWrites": self.refused_writes,
            "haltTold": self.halt_told,
            "streams": streams,
        })
    }
}

/// An envelope of the recorder's own.
fn own(payload: Payload, wall: i64) -> Envelope {
    Envelope {
        schema_version: 1,
        source: Source::Recorder as i32,
        ts_event_ns: wall,
        ts_recv_ns: wall,
        payload: Some(payload),
        ..Envelope::default()
    }
}

fn is_own_halt(payload: Option<&Payload>) -> bool {
    let Some(Payload::ControlEvent(event)) = payload else { return false };
    event.action() == ControlAction::Halt && event.principal == PRINCIPAL
}

#[cfg(test)]
mod tests;
