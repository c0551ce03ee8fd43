//! Which intents were decided, so that none is decided twice.
//!
//! An outcome whose order may still trade lies with its order and leaves with it alone: no window can evict it. A settled one
//! stands in a window, oldest first. What leaves the window goes to an [`Archive`], and a mark stays: an id at or below it that
//! is found nowhere is never taken for new.

use crate::canon::Canon;
use crate::fixed::Split;
use crate::order::Content;
use std::collections::{BTreeMap, VecDeque};
use tidegate_mutants::{Bug, planted};
use tidegate_units::{IntentId, StrategyId};
use tidegate_wire::pb::orders::v1::{OrderState, Reason};

/// What an intent came to; enough to answer it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub content: Content,
    pub accepted: bool,
    pub reason: Reason,
    pub has_order: bool,
    pub reference_px_ticks: i64,
    pub reference_ts_ns: i64,
    pub accepted_qty_lots: u64,
    /// Terminal state of its order, or `Unspecified` while it lives and where there is none.
    pub state: OrderState,
    pub cum_lots: i64,
    /// When it was decided, nanoseconds since the Unix epoch: what the archive's retention goes by.
    pub ts_ns: i64,
}

impl Outcome {
    pub(crate) fn canon(&self, canon: &mut Canon) {
        canon.bytes(&self.content.to_bytes()).u64(self.accepted.into()).i64(self.reason as i64);
        canon.u64(self.has_order.into()).i64(self.reference_px_ticks).i64(self.reference_ts_ns);
        canon.u64(self.accepted_qty_lots).i64(self.state as i64).i64(self.cum_lots).i64(self.ts_ns);
    }
}

/// What an archive knows of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// It has no such id.
    Absent,
    Found(Outcome),
    /// It cannot say now: its disk failed, or it is still reading.
    Unknown,
}

/// Outcomes that left memory, on disk, kept for the trading day and for as long as the venue knows a client order id.
pub trait Archive: std::fmt::Debug + Send {
    /// Keeps an outcome; the same one may come again after a restart.
    fn put(&mut self, id: IntentId, outcome: &Outcome);

    /// What became of an id.
    fn get(&self, id: IntentId) -> Lookup;

    /// Drops what was decided before an instant, nanoseconds since the Unix epoch.
    fn retain_since(&mut self, epoch_ns: i64);
}

/// An archive in memory, for tests and simulations: at most `max` outcomes, the oldest first to go.
#[derive(Debug, Clone, Default)]
pub struct MemoryArchive {
    by_id: BTreeMap<IntentId, Outcome>,
    order: VecDeque<IntentId>,
    max: usize,
}

impl MemoryArchive {
    /// An empty archive with a bound.
    pub fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    /// How many outcomes it holds.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

impl Archive for MemoryArchive {
    fn put(&mut self, id: IntentId, outcome: &Outcome) {
        if self.by_id.insert(id, *outcome).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > self.max {
            if let Some(oldest) = self.order.pop_front() {
                self.by_id.remove(&oldest);
            }
        }
    }

    fn get(&self, id: IntentId) -> Lookup {
        self.by_id.get(&id).map_or(Lookup::Absent, |outcome| Lookup::Found(*outcome))
    }

    fn retain_since(&mut self, epoch_ns: i64) {
        self.by_id.retain(|_, outcome| outcome.ts_ns >= epoch_ns);
        let by_id = &self.by_id;
        self.order.retain(|id| by_id.contains_key(id));
    }
}

/// The settled outcomes in memory.
#[derive(Debug, Clone)]
pub(crate) struct Outcomes {
    settled: Split<Outcome>,
    window: VecDeque<IntentId>,
    max: usize,
    /// The highest id of each strategy that has left the window: what is not above it may have been decided.
    forgotten: BTreeMap<StrategyId, IntentId>,
    /// What left since the last [`Outcomes::take_evicted`].
    evicted: Vec<(IntentId, Outcome)>,
}

impl Outcomes {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            settled: Split::default(),
            window: VecDeque::new(),
            max,
            forgotten: BTreeMap::new(),
            evicted: Vec::new(),
        }
    }

    pub(crate) fn get(&self, id: IntentId) -> Option<&Outcome> {
        self.settled.get(id)
    }

    /// Whether an id that is not in memory may have been there.
    pub(crate) fn may_be_forgotten(&self, id: IntentId) -> bool {
        self.forgotten.get(&id.strategy()).is_some_and(|highest| id <= *highest)
            && !planted(Bug::DedupEvictsInFlight)
    }

    /// Forgets everything, as only a planted bug does.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.max);
    }

    /// Keeps an outcome that will not change.
    pub(crate) fn insert(&mut self, id: IntentId, outcome: Outcome) {
        if self.settled.insert(id, outcome).is_none() {
            self.window.push_back(id);
        }
        while self.window.len() > self.max {
            let Some(oldest) = self.window.pop_front() else { return };
            if let Some(outcome) = self.settled.remove(oldest) {
                let highest = self.forgotten.entry(oldest.strategy()).or_insert(oldest);
                *highest = (*highest).max(oldest);
                self.evicted.push((oldest, outcome));
            }
        }
    }

    pub(crate) fn has_evicted(&self) -> bool {
        !self.evicted.is_empty()
    }

    /// What left the window since this was last asked.
    pub(crate) fn take_evicted(&mut self) -> Vec<(IntentId, Outcome)> {
        std::mem::take(&mut self.evicted)
    }

    /// The outcomes that will not change.
    pub(crate) fn settled(&self) -> impl Iterator<Item = &Outcome> {
        self.settled.values()
    }

    pub(crate) fn canon(&self, canon: &mut Canon) {
        canon.len(self.settled.len());
        for (id, outcome) in self.settled.sorted() {
            canon.u128(id.0);
            outcome.canon(canon);
        }
        canon.len(self.window.len());
        for id in &self.window {
            canon.u128(id.0);
        }
        canon.len(self.forgotten.len());
        for (strategy, highest) in &self.forgotten {
            canon.u64(strategy.0.into()).u128(highest.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(seq: u64) -> IntentId {
        IntentId::new(StrategyId(1), 1, seq)
    }

    fn outcome(has_order: bool, ts_ns: i64) -> Outcome {
        Outcome {
            content: Content::default(),
            accepted: has_order,
            reason: Reason::Ok,
            has_order,
            reference_px_ticks: 0,
            reference_ts_ns: 0,
            accepted_qty_lots: 0,
            state: OrderState::Unspecified,
            cum_lots: 0,
            ts_ns,
        }
    }

    #[test]
    fn a17_the_window_keeps_the_newest_and_marks_what_it_forgot() {
        let mut outcomes = Outcomes::new(3);
        for seq in 1..1_000 {
            outcomes.insert(id(seq), outcome(false, 1));
        }
        assert!(outcomes.get(id(996)).is_none() && outcomes.get(id(997)).is_some());
        assert!(outcomes.may_be_forgotten(id(996)) && !outcomes.may_be_forgotten(id(1_000)));
        // Settled late, an outcome is the newest of the window whatever its id.
        outcomes.insert(id(1), outcome(true, 1));
        outcomes.insert(id(2_000), outcome(false, 1));
        outcomes.insert(id(2_001), outcome(false, 1));
        assert!(outcomes.get(id(1)).is_some());
        outcomes.insert(id(2_002), outcome(false, 1));
        assert!(outcomes.get(id(1)).is_none());
    }

    #[test]
    fn an_archive_keeps_what_its_retention_and_bound_say() {
        let mut archive = MemoryArchive::new(3);
        for seq in 1..=4 {
            archive.put(id(seq), &outcome(true, i64::try_from(seq).unwrap()));
        }
        archive.put(id(4), &outcome(true, 4));
        assert_eq!((archive.get(id(1)), archive.len()), (Lookup::Absent, 3));
        archive.retain_since(3);
        assert_eq!(archive.get(id(2)), Lookup::Absent);
        assert!(matches!(archive.get(id(3)), Lookup::Found(_)));
        archive.put(id(5), &outcome(true, 5));
        assert_eq!(archive.len(), 3);
    }

    proptest! {
        /// Against a plain model that forgets nothing: each id that was ever settled is found in memory, in the archive, or
        /// below the mark, also where it settles long after ids above it.
        #[test]
        fn a17_no_decided_id_is_ever_taken_for_new(
            ops in prop::collection::vec((1_u64..60, any::<bool>()), 1..200), max in 0_usize..8, kept in 0_usize..8
        ) {
            let (mut outcomes, mut archive) = (Outcomes::new(max), MemoryArchive::new(kept));
            let mut model: BTreeMap<u64, bool> = BTreeMap::new();
            for (at, (seq, order)) in ops.into_iter().enumerate() {
                match model.get(&seq) {
                    None => {
                        let taken_for_old = outcomes.may_be_forgotten(id(seq));
                        if !taken_for_old {
                            if !order {
                                outcomes.insert(id(seq), outcome(false, at as i64));
                            }
                            model.insert(seq, order);
                        }
                    }
                    Some(true) => {
                        outcomes.insert(id(seq), outcome(true, at as i64));
                        model.insert(seq, false);
                    }
                    Some(false) => {}
                }
                for (id, outcome) in outcomes.take_evicted() {
                    archive.put(id, &outcome);
                }
                for (seq, live) in &model {
                    let held = outcomes.get(id(*seq)).is_some();
                    prop_assert!(*live || held || archive.get(id(*seq)) != Lookup::Absent || outcomes.may_be_forgotten(id(*seq)));
                }
            }
        }
    }
}
