//! Outcomes that left the core's memory, on disk: two hash tables of fixed slots, the newer one filling.
//!
//! The journal is the truth and the table is made from it: it is begun anew at each start, as the fold hands over every
//! outcome again. A table that is full becomes the older one, and the one before it goes; what goes is still below the
//! core's mark, so that an id of it is refused and never decided again. Any error of the disk makes every answer
//! [`Lookup::Unknown`], which the core refuses by.

use crate::Fault;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tidegate_risk::{Archive, CONTENT_BYTES, Content, Lookup, Outcome};
use tidegate_units::IntentId;
use tidegate_wire::pb::orders::v1::{OrderState, Reason};

/// Bytes of a slot.
const SLOT: usize = 72 + CONTENT_BYTES;
/// Slots of a table: 2^20, 126 MB of a sparse file; three quarters of them are used.
const SLOTS_LOG2: u32 = 20;
/// Slots looked at for one id before it is taken for absent; a table is given up before chains grow so long.
const PROBES_MAX: u64 = 256;

/// One table.
#[derive(Debug)]
struct Table {
    file: File,
    used: u64,
    newest_ns: i64,
}

/// The archive.
#[derive(Debug)]
pub struct DiskArchive {
    path: PathBuf,
    slots_log2: u32,
    newer: Table,
    older: Option<Table>,
    failed: bool,
}

fn create(path: &Path, slots: u64) -> std::io::Result<Table> {
    let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path)?;
    file.set_len(slots * SLOT as u64)?;
    // Nobody else needs the name, and what a crash leaves behind is no file.
    std::fs::remove_file(path)?;
    Ok(Table { file, used: 0, newest_ns: i64::MIN })
}

fn encode(id: IntentId, o: &Outcome) -> [u8; SLOT] {
    let mut slot = [0_u8; SLOT];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        slot[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&id.0.to_le_bytes());
    put(&o.content.to_bytes());
    put(&u32::from(o.accepted).to_le_bytes());
    put(&u32::from(o.has_order).to_le_bytes());
    put(&(o.reason as i32).to_le_bytes());
    put(&(o.state as i32).to_le_bytes());
    put(&o.reference_px_ticks.to_le_bytes());
    put(&o.reference_ts_ns.to_le_bytes());
    put(&o.accepted_qty_lots.to_le_bytes());
    put(&o.cum_lots.to_le_bytes());
    put(&o.ts_ns.to_le_bytes());
    slot
}

/// Reads a slot; `None` where it is empty.
fn decode(slot: &[u8; SLOT]) -> Option<(IntentId, Outcome)> {
    fn part<const N: usize>(slot: &[u8; SLOT], at: &mut usize) -> [u8; N] {
        let mut bytes = [0_u8; N];
        bytes.copy_from_slice(&slot[*at..*at + N]);
        *at += N;
        bytes
    }
    let at = &mut 0;
    let id = IntentId(u128::from_le_bytes(part(slot, at)));
    if id.0 == 0 {
        return None;
    }
    let content = Content::from_bytes(&part(slot, at));
    let accepted = u32::from_le_bytes(part(slot, at)) != 0;
    let has_order = u32::from_le_bytes(part(slot, at)) != 0;
    let reason = Reason::try_from(i32::from_le_bytes(part(slot, at))).unwrap_or(Reason::Unspecified);
    let state = OrderState::try_from(i32::from_le_bytes(part(slot, at))).unwrap_or(OrderState::Unspecified);
    let outcome = Outcome {
        content,
        accepted,
        reason,
        has_order,
        state,
        reference_px_ticks: i64::from_le_bytes(part(slot, at)),
        reference_ts_ns: i64::from_le_bytes(part(slot, at)),
        accepted_qty_lots: u64::from_le_bytes(part(slot, at)),
        cum_lots: i64::from_le_bytes(part(slot, at)),
        ts_ns: i64::from_le_bytes(part(slot, at)),
    };
    Some((id, outcome))
}

impl Table {
    /// The slot of an id, or the empty one it would take; `None` where neither is near.
    fn find(&self, id: IntentId, log2: u32) -> std::io::Result<Option<(u64, Option<Outcome>)>> {
        let (hi, lo) = id.halves();
        let hash = (hi ^ lo.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - log2);
        let mut slot = [0_u8; SLOT];
        for probe in 0..PROBES_MAX.min(1 << log2) {
            let at = (hash + probe) & ((1 << log2) - 1);
            self.file.read_exact_at(&mut slot, at * SLOT as u64)?;
            match decode(&slot) {
                None => return Ok(Some((at, None))),
                Some((found, outcome)) if found == id => return Ok(Some((at, Some(outcome)))),
                Some(_) => {}
            }
        }
        Ok(None)
    }
}

impl DiskArchive {
    /// An empty archive; its files have no name.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(path: &Path) -> Result<Self, Fault> {
        Self::with_slots(path, SLOTS_LOG2)
    }

    fn with_slots(path: &Path, slots_log2: u32) -> Result<Self, Fault> {
        let newer = create(path, 1 << slots_log2)
            .map_err(|e| Fault(format!("cannot create the archive of outcomes {}: {e}", path.display())))?;
        Ok(Self { path: path.to_path_buf(), slots_log2, newer, older: None, failed: false })
    }

    fn try_put(&mut self, id: IntentId, outcome: &Outcome) -> std::io::Result<()> {
        let full = self.newer.used >= (3 << self.slots_log2) / 4;
        let place = if full { None } else { self.newer.find(id, self.slots_log2)? };
        let Some((at, was)) = place else {
            let fresh = create(&self.path, 1 << self.slots_log2)?;
            self.older = Some(std::mem::replace(&mut self.newer, fresh));
            return self.try_put(id, outcome);
        };
        self.newer.file.write_all_at(&encode(id, outcome), at * SLOT as u64)?;
        self.newer.used += u64::from(was.is_none());
        self.newer.newest_ns = self.newer.newest_ns.max(outcome.ts_ns);
        Ok(())
    }

    fn try_get(&self, id: IntentId) -> std::io::Result<Option<Outcome>> {
        for table in std::iter::once(&self.newer).chain(&self.older) {
            if let Some((_, Some(outcome))) = table.find(id, self.slots_log2)? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }
}

impl Archive for DiskArchive {
    fn put(&mut self, id: IntentId, outcome: &Outcome) {
        self.failed = self.failed || self.try_put(id, outcome).is_err();
    }

    fn get(&self, id: IntentId) -> Lookup {
        match (self.failed, self.try_get(id)) {
            (false, Ok(Some(outcome))) => Lookup::Found(outcome),
            (false, Ok(None)) => Lookup::Absent,
            _ => Lookup::Unknown,
        }
    }

    fn retain_since(&mut self, epoch_ns: i64) {
        if self.older.as_ref().is_some_and(|table| table.newest_ns < epoch_ns) {
            self.older = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tidegate_units::StrategyId;

    fn id(seq: u64) -> IntentId {
        IntentId::new(StrategyId(1 + (seq % 3) as u32), 1, seq)
    }

    fn outcome(n: i64) -> Outcome {
        Outcome {
            content: Content::from_bytes(&[n.to_le_bytes()[0]; CONTENT_BYTES]),
            accepted: n % 2 == 0,
            reason: Reason::PriceOutsideCollar,
            has_order: n % 3 == 0,
            reference_px_ticks: -n,
            reference_ts_ns: n + 1,
            accepted_qty_lots: u64::MAX,
            state: OrderState::Cancelled,
            cum_lots: i64::MIN,
            ts_ns: n,
        }
    }

    #[test]
    fn a17_what_was_put_is_found_whole_against_a_plain_map_until_its_table_goes() {
        let dir = tempfile::tempdir().unwrap();
        // 64 slots, 48 of them used: with two tables at least the last 49 are there.
        let mut archive = DiskArchive::with_slots(&dir.path().join("outcomes"), 6).unwrap();
        let mut model = BTreeMap::new();
        for n in 1..=400_i64 {
            archive.put(id(n.unsigned_abs()), &outcome(n));
            model.insert(n, outcome(n));
            for (m, want) in model.range(n - 48..) {
                assert_eq!(archive.get(id(m.unsigned_abs())), Lookup::Found(*want), "{m} of {n}");
            }
            assert_eq!(archive.get(id(10_000)), Lookup::Absent);
        }
        assert_eq!(archive.get(id(1)), Lookup::Absent);
        // The same id again changes its outcome and takes no new slot.
        let used = archive.newer.used;
        archive.put(id(400), &outcome(7));
        assert_eq!((archive.get(id(400)), archive.newer.used), (Lookup::Found(outcome(7)), used));
        archive.retain_since(1_000);
        assert_eq!(archive.get(id(340)), Lookup::Absent);
        assert!(matches!(archive.get(id(399)), Lookup::Found(_)));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "its files have no name");
    }

    #[test]
    fn a17_a_disk_that_fails_makes_nothing_known() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = DiskArchive::with_slots(&dir.path().join("outcomes"), 6).unwrap();
        archive.put(id(1), &outcome(1));
        archive.newer.file.set_len(0).unwrap();
        assert_eq!(archive.get(id(1)), Lookup::Unknown);
        archive.put(id(2), &outcome(2));
        archive.newer.file.set_len(64 * SLOT as u64).unwrap();
        assert_eq!(archive.get(id(2)), Lookup::Unknown, "a failure stays one");
        assert!(DiskArchive::create(&dir.path().join("none/outcomes")).is_err());
    }
}
