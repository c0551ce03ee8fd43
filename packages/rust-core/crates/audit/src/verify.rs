//! Proves a trail from its bytes, and names the first record that is not what was written.

use crate::checkpoint::{self, PublicKey};
use crate::format::{Digest, Found, Header, Record, SEGMENT_HEADER_BYTES, decode, parse_name, segment_name};
use crate::limits::SEGMENT_BYTES_MAX;
use crate::{AuditFault, Storage};

/// The indices of the segments there are, in order.
pub(crate) fn segments<S: Storage>(storage: &S) -> Result<Vec<u64>, AuditFault> {
    Ok(storage.list()?.iter().filter_map(|name| parse_name(name)).collect())
}

/// Follows a chain record by record and remembers how far it holds.
#[derive(Debug)]
pub(crate) struct Walk<'a, S> {
    storage: &'a S,
    found: Vec<u64>,
    /// Segments entered so far.
    entered: usize,
    bytes: Vec<u8>,
    at: usize,
    pub last_seq: u64,
    pub head: Digest,
    /// The record that is due and what stands there instead.
    pub fault: Option<(u64, String)>,
    /// Segment and offset after the last whole record.
    pub tail: (u64, u64),
    /// Bytes at the very end that are less than a record.
    pub short_bytes: u64,
}

impl<'a, S: Storage> Walk<'a, S> {
    pub fn new(storage: &'a S) -> Result<Self, AuditFault> {
        Ok(Self {
            storage,
            found: segments(storage)?,
            entered: 0,
            bytes: Vec::new(),
            at: 0,
            last_seq: 0,
            head: [0; 32],
            fault: None,
            tail: (1, 0),
            short_bytes: 0,
        })
    }

    fn stop(&mut self, what: impl Into<String>) {
        self.fault = Some((self.last_seq + 1, what.into()));
    }

    /// Goes into the next segment; false at the end of the chain.
    fn enter(&mut self) -> Result<bool, AuditFault> {
        let Some(&index) = self.found.get(self.entered) else { return Ok(false) };
        self.entered += 1;
        if index != self.entered as u64 {
            self.stop(format!("segment {} is missing", self.entered));
            return Ok(false);
        }
        self.tail = (index, 0);
        let name = segment_name(index);
        let len = self.storage.len(&name)?.min(SEGMENT_BYTES_MAX) as usize;
        self.storage.read(&name, 0, len, &mut self.bytes)?;
        let due = Header { index, first_seq: self.last_seq + 1, prev: self.head };
        match Header::decode(&self.bytes) {
            Some(header) if header == due => {}
            Some(_) => {
                self.stop(format!("{} does not continue the segment before", self.storage.path(&name)));
                return Ok(false);
            }
            None if self.entered == self.found.len() && self.bytes.len() < SEGMENT_HEADER_BYTES => {
                self.short_bytes = self.bytes.len() as u64;
                return Ok(false);
            }
            None => {
                self.stop(format!("the header of {} is not whole", self.storage.path(&name)));
                return Ok(false);
            }
        }
        self.at = SEGMENT_HEADER_BYTES;
        self.tail = (index, self.at as u64);
        Ok(true)
    }

    /// The next record; `None` at the end of what holds, and then `fault` says whether that is the end of the trail.
    pub fn step(&mut self) -> Result<Option<Record<'_>>, AuditFault> {
        while self.at >= self.bytes.len() {
            if self.fault.is_some() || self.short_bytes > 0 || !self.enter()? {
                return Ok(None);
            }
        }
        let due = self.last_seq + 1;
        match decode(&self.bytes, self.at, due, &self.head) {
            Found::Record(record) => {
                self.at += record.size;
                (self.last_seq, self.head, self.tail.1) = (due, record.hash, self.at as u64);
                Ok(Some(record))
            }
            Found::Short if self.entered == self.found.len() => {
                self.short_bytes = (self.bytes.len() - self.at) as u64;
                self.at = self.bytes.len();
                Ok(None)
            }
            bad => {
                self.at = self.bytes.len();
                self.fault = Some((
                    due,
                    match bad {
                        Found::Bad(what) => what.into(),
                        _ => "it is not whole and a later segment exists".into(),
                    },
                ));
                Ok(None)
            }
        }
    }
}

/// How far a chain holds.
pub(crate) fn walk<S: Storage>(storage: &S) -> Result<Walk<'_, S>, AuditFault> {
    let mut walk = Walk::new(storage)?;
    while walk.step()?.is_some() {}
    Ok(walk)
}

/// The first record that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBad {
    pub seq: u64,
    pub what: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Records that hold, from the first.
    pub records: u64,
    pub segments: u64,
    /// Checkpoints that hold, of the place that has more.
    pub checkpoints: u64,
    /// Last record under a signature.
    pub signed_seq: u64,
    /// Bytes at the end that are less than a record: a write under way, or one that a crash stopped.
    pub unfinished_bytes: u64,
    pub first_bad: Option<FirstBad>,
    /// What is wrong with checkpoints or with the second copy itself.
    pub faults: Vec<String>,
}

impl AuditReport {
    /// Every record holds, and so does everything that vouches for them.
    pub fn ok(&self) -> bool {
        self.first_bad.is_none() && self.faults.is_empty()
    }

    fn bad(&mut self, seq: u64, what: impl Into<String>) {
        if self.first_bad.as_ref().is_none_or(|bad| bad.seq > seq) {
            self.first_bad = Some(FirstBad { seq, what: what.into() });
        }
    }
}

/// Reads a whole trail: the chain, the signatures, the second copy. Edits, deletions, reorderings and a cut tail are named by the
/// first record they touch. Without a copy a rewritten chain is named by the first record after the last checkpoint that
/// still holds; a tail cut behind the last checkpoint (at most a second of it) needs the copy.
///
/// # Errors
/// A disk fails. What is wrong with the bytes is in the report.
pub fn verify<S: Storage>(storage: &S, copy: Option<&S>, key: PublicKey) -> Result<AuditReport, AuditFault> {
    let mut report = AuditReport { segments: segments(storage)?.len() as u64, ..AuditReport::default() };
    let mut points = checkpoint::read(storage, Some(key))?;
    report.faults.extend(points.fault.take());
    if let Some(copy) = copy {
        let mut theirs = checkpoint::read(copy, Some(key))?;
        report.faults.extend(theirs.fault.take().map(|what| format!("second copy: {what}")));
        let (few, many) =
            if theirs.held.len() > points.held.len() { (&points, &theirs) } else { (&theirs, &points) };
        if !many.held.starts_with(&few.held) {
            report.faults.push("the checkpoints of the two places differ".into());
        }
        if theirs.held.len() > points.held.len() {
            points = theirs;
        }
    }
    report.checkpoints = points.held.len() as u64;
    report.signed_seq = points.held.last().map_or(0, |last| last.last_seq);
    let mut due = points.held.iter().peekable();
    let mut signed = 0;
    let mut ours = Walk::new(storage)?;
    let mut theirs = copy.map(Walk::new).transpose()?;
    while let Some((seq, hash)) = ours.step()?.map(|record| (record.seq, record.hash)) {
        // The copy names the very record; without it the last signature that holds is all there is to go by.
        if let Some(theirs) = &mut theirs
            && theirs.last_seq + 1 == seq
            && theirs.step()?.is_some_and(|record| record.hash != hash)
        {
            report.bad(seq, "the second copy has another record");
            break;
        }
        while let Some(point) = due.next_if(|point| point.last_seq <= seq) {
            if point.last_seq == seq && point.head != hash {
                report.bad(signed + 1, "the chain is not the one that was signed");
            }
            signed = point.last_seq;
        }
        if report.first_bad.is_some() {
            break;
        }
    }
    report.records = ours.last_seq;
    report.unfinished_bytes = ours.short_bytes;
    if let Some((seq, what)) = ours.fault.take() {
        report.bad(seq, what);
    }
    let mut known = report.signed_seq;
    if let Some(theirs) = &mut theirs {
        while theirs.step()?.is_some() {}
        let held = theirs.last_seq;
        known = known.max(held);
        report
            .faults
            .extend(theirs.fault.take().map(|(seq, what)| format!("second copy, record {seq}: {what}")));
        if report.first_bad.is_none() && held < ours.last_seq && report.faults.is_empty() {
            report.faults.push(format!("second copy: it ends with record {held} of {}", ours.last_seq));
        }
    }
    if report.first_bad.is_none() && known > ours.last_seq {
        report.bad(ours.last_seq + 1, format!("the trail ends before it; it went to {known} at least"));
    }
    if let Some(bad) = &report.first_bad {
        report.records = bad.seq - 1;
    }
    Ok(report)
}

/// Hands up to `max` records after `after_seq` to `each`, in order, as far as the chain holds.
///
/// # Errors
/// A disk fails, or the chain does not hold.
pub fn read_from<S: Storage>(
    storage: &S,
    after_seq: u64,
    max: usize,
    mut each: impl FnMut(&Record<'_>),
) -> Result<usize, AuditFault> {
    let mut count = 0;
    let mut walk = Walk::new(storage)?;
    while count < max {
        let Some(record) = walk.step()? else { break };
        if record.seq > after_seq {
            each(&record);
            count += 1;
        }
    }
    match walk.fault {
        None => Ok(count),
        Some((seq, what)) => Err(AuditFault::Damaged {
            path: storage.path(&segment_name(walk.tail.0)),
            offset: walk.tail.1,
            what: format!("record {seq}: {what}"),
        }),
    }
}
