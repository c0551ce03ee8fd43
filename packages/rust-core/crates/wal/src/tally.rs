//! What a segment holds of each epoch of each stream, counted as it is written.

use crate::format::{StreamCount, StreamCounts};
use std::collections::HashMap;

#[derive(Debug)]
struct Slot {
    stream: String,
    epoch: u32,
    count: StreamCount,
    /// The block it was last named in, and the id it has there.
    block: u32,
    id: u32,
}

/// The counts of the open segment. Bounded by `STREAMS_MAX`, which the writer keeps.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    slots: Vec<Slot>,
    /// A stream's latest slot; another epoch of it is looked for from there.
    latest: HashMap<String, usize>,
    last: usize,
    block: u32,
}

impl Tally {
    /// Counts one record and returns the id its stream has in this block; `name` gives one where it has none yet.
    pub fn take(
        &mut self,
        stream: &str,
        epoch: u32,
        seq: u64,
        wal_seq: u64,
        name: impl FnOnce(&str) -> u32,
    ) -> u32 {
        let at = self.slot(stream, epoch, seq);
        self.last = at;
        let block = self.block;
        let slot = &mut self.slots[at];
        slot.count.records += 1;
        slot.count.min_seq = slot.count.min_seq.min(seq);
        slot.count.max_seq = slot.count.max_seq.max(seq);
        slot.count.last_wal_seq = wal_seq;
        if slot.block != block {
            (slot.block, slot.id) = (block, name(stream));
        }
        slot.id
    }

    fn slot(&mut self, stream: &str, epoch: u32, seq: u64) -> usize {
        let is = |slot: &Slot| slot.epoch == epoch && slot.stream == stream;
        if self.slots.get(self.last).is_some_and(is) {
            return self.last;
        }
        if let Some(&at) = self.latest.get(stream) {
            if self.slots[at].epoch == epoch {
                return at;
            }
            if let Some(at) = self.slots.iter().position(is) {
                return at;
            }
        }
        let count = StreamCount { records: 0, min_seq: seq, max_seq: seq, last_wal_seq: 0 };
        let fresh = Slot { stream: stream.to_string(), epoch, count, block: u32::MAX, id: 0 };
        self.slots.push(fresh);
        self.latest.insert(stream.to_string(), self.slots.len() - 1);
        self.slots.len() - 1
    }

    /// The next record stands in another block, where no stream is named yet.
    pub fn next_block(&mut self) {
        self.block += 1;
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn records(&self) -> u64 {
        self.slots.iter().map(|slot| slot.count.records).sum()
    }

    pub fn counts(&self) -> StreamCounts {
        self.slots.iter().map(|slot| ((slot.stream.clone(), slot.epoch), slot.count)).collect()
    }
}
