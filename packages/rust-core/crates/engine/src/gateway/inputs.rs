//! The gateway's input-order log: every event in the order the core was given it, with the time it was given, written before anything
//! it led to leaves. With the journal it is all that decided a session; [`super::replay`] decides it once more.
//!
//! File `gateway.<epoch>.inputs`, one a life of the process: `TGGWIN01`, records the journal held at the start (8), holder (8), hash of
//! the state then (32). Record: bytes of what follows the length (4), kind (1), ns of the monotonic clock (8), ns since the epoch (8),
//! body. Little-endian. A life that was killed may end within a record.

use super::limits::INPUT_LOG_BYTES_MAX;
use crate::Fault;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use tidegate_risk::{Event, Now, Scope, Trace, storm::Input};
use tidegate_units::{InstrumentId, IntentId, StrategyId};
use tidegate_wire::envelope;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};

const MAGIC: &[u8; 8] = b"TGGWIN01";
pub(super) const HEADER_BYTES: usize = 56;
const SUFFIX: &str = ".inputs";

/// Readings that the shell may bring, by their place in the log.
const READINGS: [Input; 7] = [
    Input::DrawdownBps,
    Input::LoopLagUs,
    Input::FeedGapMs,
    Input::OrderRttUs,
    Input::FeedFaults,
    Input::ErrorRateBps,
    Input::DecisionP99Us,
];

/// What a life began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) log_seq: u64,
    pub(super) holder: u64,
    pub(super) state_hash: [u8; 32],
}

/// The log of one life. It never stops the gateway: a disk that refuses ends the log, and a replay then finds the journal longer than it.
#[derive(Debug)]
pub(super) struct InputLog {
    file: File,
    buf: Vec<u8>,
    bytes: u64,
    /// The last number of credits: the same one again is no news to the core.
    credits: Option<usize>,
    /// Why nothing more is written.
    ended: Option<String>,
}

fn trace_bytes(out: &mut Vec<u8>, trace: &Trace) {
    for part in [trace.hi, trace.lo, trace.span_id] {
        out.extend(part.to_le_bytes());
    }
    out.extend(trace.ts_event_ns.to_le_bytes());
}

fn payload_bytes(out: &mut Vec<u8>, payload: Payload) {
    envelope::append_to(out, &Envelope { payload: Some(payload), ..Envelope::default() });
}

/// Kind and body of an event; `None` for one that no shell of ours brings.
fn encode(event: &Event, out: &mut Vec<u8>) -> Option<u8> {
    let kind = match event {
        Event::Start => 0,
        Event::Intent { principal, trace, intent } => {
            out.extend(principal.0.to_le_bytes());
            trace_bytes(out, trace);
            payload_bytes(out, Payload::Intent(*intent));
            1
        }
        Event::MalformedIntent { principal, trace, intent_id } => {
            out.extend(principal.0.to_le_bytes());
            trace_bytes(out, trace);
            out.extend(intent_id.0.to_le_bytes());
            2
        }
        Event::Report { trace, report } => {
            trace_bytes(out, trace);
            payload_bytes(out, Payload::Report(report.clone()));
            3
        }
        Event::Reference { instrument, bid_px_ticks, ask_px_ticks, valid, ts_ns } => {
            out.extend(instrument.0.to_le_bytes());
            for side in [bid_px_ticks, ask_px_ticks] {
                out.push(u8::from(side.is_some()));
                out.extend(side.unwrap_or(0).to_le_bytes());
            }
            out.push(u8::from(*valid));
            out.extend(ts_ns.to_le_bytes());
            4
        }
        Event::FeedAlive { instrument } => {
            out.extend(instrument.0.to_le_bytes());
            5
        }
        Event::FeedLost { instrument } => {
            out.extend(instrument.0.to_le_bytes());
            6
        }
        Event::Control(event) => {
            payload_bytes(out, Payload::ControlEvent(event.clone()));
            7
        }
        Event::Health { scope: Scope::Firm, input, value } => {
            out.push(u8::try_from(READINGS.iter().position(|each| each == input)?).ok()?);
            out.extend(value.to_le_bytes());
            8
        }
        Event::RouterUp { restarted } => {
            out.push(u8::from(*restarted));
            9
        }
        Event::RouterDown => 10,
        Event::RouterCredits(credits) => {
            out.extend((*credits as u64).to_le_bytes());
            11
        }
        Event::Adopt { trace, command } => {
            trace_bytes(out, trace);
            payload_bytes(out, Payload::Command(command.clone()));
            12
        }
        Event::Tick => 13,
        _ => return None,
    };
    Some(kind)
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }
    fn flag(&mut self) -> Option<bool> {
        self.take::<1>().map(|[byte]| byte != 0)
    }
    fn instrument(&mut self) -> Option<InstrumentId> {
        self.u32().map(InstrumentId)
    }
    fn trace(&mut self) -> Option<Trace> {
        Some(Trace { hi: self.u64()?, lo: self.u64()?, span_id: self.u64()?, ts_event_ns: self.i64()? })
    }
    fn payload(&mut self) -> Option<Payload> {
        envelope::decode(std::mem::take(&mut self.0)).ok()?.payload
    }
    fn side(&mut self) -> Option<Option<i64>> {
        let (there, px) = (self.flag()?, self.i64()?);
        Some(there.then_some(px))
    }
}

fn decode(kind: u8, body: &'_ [u8]) -> Option<Event> {
    let mut at = Cursor(body);
    let event = match kind {
        0 => Event::Start,
        1 => {
            let (principal, trace) = (StrategyId(at.u32()?), at.trace()?);
            let Payload::Intent(intent) = at.payload()? else { return None };
            Event::Intent { principal, trace, intent }
        }
        2 => {
            let (principal, trace) = (StrategyId(at.u32()?), at.trace()?);
            Event::MalformedIntent { principal, trace, intent_id: IntentId(u128::from_le_bytes(at.take()?)) }
        }
        3 => {
            let trace = at.trace()?;
            let Payload::Report(report) = at.payload()? else { return None };
            Event::Report { trace, report }
        }
        4 => Event::Reference {
            instrument: at.instrument()?,
            bid_px_ticks: at.side()?,
            ask_px_ticks: at.side()?,
            valid: at.flag()?,
            ts_ns: at.i64()?,
        },
        5 => Event::FeedAlive { instrument: at.instrument()? },
        6 => Event::FeedLost { instrument: at.instrument()? },
        7 => {
            let Payload::ControlEvent(event) = at.payload()? else { return None };
            Event::Control(event)
        }
        8 => {
            let [place] = at.take::<1>()?;
            let input = *READINGS.get(usize::from(place))?;
            Event::Health { scope: Scope::Firm, input, value: at.i64()? }
        }
        9 => Event::RouterUp { restarted: at.flag()? },
        10 => Event::RouterDown,
        11 => Event::RouterCredits(usize::try_from(at.u64()?).ok()?),
        12 => {
            let trace = at.trace()?;
            let Payload::Command(command) = at.payload()? else { return None };
            Event::Adopt { trace, command }
        }
        13 => Event::Tick,
        _ => return None,
    };
    at.0.is_empty().then_some(event)
}

/// The file of a life in a folder.
pub(super) fn path(dir: &Path, epoch: u32) -> PathBuf {
    dir.join(format!("gateway.{epoch}{SUFFIX}"))
}

/// The files of all lives in a folder, in their order.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>, Fault> {
    let fault = |error: std::io::Error| {
        Fault(format!(
            "cannot read the input logs of {}: {error}; name the folder of a session",
            dir.display()
        ))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        let text = name.to_string_lossy();
        let epoch = text.strip_prefix("gateway.").and_then(|rest| rest.strip_suffix(SUFFIX));
        if let Some(epoch) = epoch.and_then(|digits| digits.parse::<u32>().ok()) {
            found.push(epoch);
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|epoch| path(dir, epoch)).collect())
}

impl InputLog {
    /// Begins the log of a life.
    ///
    /// # Errors
    /// The folder or the file cannot be made, or this life has one already.
    pub(super) fn create(dir: &Path, epoch: u32, header: &Header) -> Result<Self, Fault> {
        let path = path(dir, epoch);
        let fault = |error: std::io::Error| {
            Fault(format!("cannot write the input log {}: {error}; name another inputLogDir", path.display()))
        };
        std::fs::create_dir_all(dir).map_err(fault)?;
        let mut file = File::create_new(&path).map_err(fault)?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(header.log_seq.to_le_bytes());
        bytes.extend(header.holder.to_le_bytes());
        bytes.extend(header.state_hash);
        file.write_all(&bytes).map_err(fault)?;
        Ok(Self {
            file,
            buf: Vec::with_capacity(65_536),
            bytes: bytes.len() as u64,
            credits: None,
            ended: None,
        })
    }

    /// Adds an event that the core is about to be given.
    pub(super) fn add(&mut self, now: Now, event: &Event) {
        if self.ended.is_some() {
            return;
        }
        if let Event::RouterCredits(credits) = event {
            if self.credits == Some(*credits) {
                return;
            }
            self.credits = Some(*credits);
        }
        let start = self.buf.len();
        self.buf.extend([0; 5]);
        self.buf.extend(now.mono_ns.to_le_bytes());
        self.buf.extend(now.epoch_ns.to_le_bytes());
        let Some(kind) = encode(event, &mut self.buf) else {
            self.buf.truncate(start);
            self.ended = Some("an event came that the log cannot hold".into());
            return;
        };
        let length = (self.buf.len() - start - 4) as u32;
        if let Some(head) = self.buf.get_mut(start..start + 5) {
            head[..4].copy_from_slice(&length.to_le_bytes());
            head[4] = kind;
        }
    }

    /// Gives what was added to the system, so that it outlives the process. `Some`, once, where the log has ended: why.
    pub(super) fn flush(&mut self) -> Option<String> {
        if self.buf.is_empty() && self.ended.is_none() {
            return None;
        }
        if self.bytes + self.buf.len() as u64 > INPUT_LOG_BYTES_MAX {
            self.ended = Some(format!("it has {INPUT_LOG_BYTES_MAX} bytes"));
        } else if !self.buf.is_empty() {
            match self.file.write_all(&self.buf) {
                Ok(()) => self.bytes += self.buf.len() as u64,
                Err(error) => self.ended = Some(error.to_string()),
            }
        }
        self.buf.clear();
        self.ended.clone()
    }
}

/// A log that was read: what its life began with and every whole event of it.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    pub(super) events: Vec<(Now, Event)>,
    /// Bytes of a record that was not whole.
    pub(super) torn: usize,
}

/// Reads the log of a life.
///
/// # Errors
/// It is none, or a whole record of it is not one of ours.
pub(super) fn read(path: &Path) -> Result<Life, Fault> {
    let fault = |what: String| {
        Fault(format!("input log {}: {what}; it was written by this code or it is damaged", path.display()))
    };
    let bytes = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    let mut at = Cursor(&bytes);
    let header = (|| {
        (at.take::<8>()? == *MAGIC).then_some(())?;
        Some(Header { log_seq: at.u64()?, holder: at.u64()?, state_hash: at.take()? })
    })()
    .ok_or_else(|| fault("no header".into()))?;
    let mut events = Vec::new();
    loop {
        let torn = at.0.len();
        let Some(length) = at.u32().and_then(|length| usize::try_from(length).ok()) else {
            return Ok(Life { path: path.to_path_buf(), header, events, torn });
        };
        let Some((record, rest)) = at.0.split_at_checked(length) else {
            return Ok(Life { path: path.to_path_buf(), header, events, torn });
        };
        let mut body = Cursor(record);
        let read = (|| {
            let [kind] = body.take::<1>()?;
            let now = Now { mono_ns: body.u64()?, epoch_ns: body.i64()? };
            Some((now, decode(kind, body.0)?))
        })();
        events.push(read.ok_or_else(|| fault(format!("event {} is none", events.len() + 1)))?);
        at.0 = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_wire::pb::control::v1::ControlEvent;
    use tidegate_wire::pb::orders::v1::{Command, Intent, Report};

    fn all() -> Vec<Event> {
        let trace = Trace { hi: 1, lo: u64::MAX, span_id: 3, ts_event_ns: -4 };
        let (instrument, intent_id) = (InstrumentId(7), IntentId(u128::MAX - 1));
        let mut events = vec![
            Event::Start,
            Event::Intent {
                principal: StrategyId(9),
                trace,
                intent: Intent { px_ticks: -5, ..Intent::default() },
            },
            Event::MalformedIntent { principal: StrategyId(9), trace, intent_id },
            Event::Report {
                trace,
                report: Report { report_seq: 6, venue_text: "x".into(), ..Report::default() },
            },
            Event::FeedAlive { instrument },
            Event::FeedLost { instrument },
            Event::Control(ControlEvent { principal: "ann".into(), ..ControlEvent::default() }),
            Event::RouterUp { restarted: true },
            Event::RouterUp { restarted: false },
            Event::RouterDown,
            Event::RouterCredits(12),
            Event::Adopt { trace, command: Command { command_seq: 8, ..Command::default() } },
            Event::Tick,
        ];
        for (bid_px_ticks, ask_px_ticks) in [(None, Some(-1)), (Some(i64::MIN), None), (None, None)] {
            events.push(Event::Reference {
                instrument,
                bid_px_ticks,
                ask_px_ticks,
                valid: true,
                ts_ns: i64::MAX,
            });
        }
        events.extend(READINGS.map(|input| Event::Health { scope: Scope::Firm, input, value: -1 }));
        events
    }

    #[test]
    fn b099_every_event_comes_back_as_it_was_and_a_torn_end_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let header = Header { log_seq: 4, holder: 5, state_hash: [6; 32] };
        let mut log = InputLog::create(dir.path(), 3, &header).unwrap();
        let given: Vec<(Now, Event)> = all()
            .into_iter()
            .enumerate()
            .map(|(at, event)| (Now { mono_ns: at as u64, epoch_ns: -(at as i64) }, event))
            .collect();
        for (now, event) in &given {
            log.add(*now, event);
        }
        assert_eq!(log.flush(), None);
        let files = files(dir.path()).unwrap();
        let life = read(&files[0]).unwrap();
        assert_eq!((life.header, life.torn), (header, 0));
        assert_eq!(life.events, given);
        // A second life of the same number would write over the first.
        assert!(InputLog::create(dir.path(), 3, &header).is_err());
        // Whatever the kill left: the whole records before it are read.
        let bytes = std::fs::read(&files[0]).unwrap();
        for cut in HEADER_BYTES..bytes.len() {
            std::fs::write(&files[0], &bytes[..cut]).unwrap();
            let life = read(&files[0]).unwrap();
            assert_eq!(life.events, given[..life.events.len()]);
            assert!(life.events.len() < given.len());
        }
        std::fs::write(&files[0], &bytes[..HEADER_BYTES - 1]).unwrap();
        assert!(read(&files[0]).unwrap_err().0.contains("no header"));
    }

    #[test]
    fn a_number_of_credits_that_is_no_news_is_left_out_and_an_unknown_event_ends_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let header = Header { log_seq: 0, holder: 1, state_hash: [0; 32] };
        let mut log = InputLog::create(dir.path(), 1, &header).unwrap();
        for credits in [5, 5, 6, 6, 5] {
            log.add(Now::default(), &Event::RouterCredits(credits));
        }
        log.add(Now::default(), &Event::MonitorAlive);
        log.add(Now::default(), &Event::Tick);
        assert!(log.flush().unwrap().contains("cannot hold"));
        let events: Vec<Event> =
            read(&path(dir.path(), 1)).unwrap().events.into_iter().map(|(_, e)| e).collect();
        assert_eq!(events, [5, 6, 5].map(Event::RouterCredits));
    }
}
