//! Executions that fit no order: of one that is not known yet, of nobody, or of the wrong side.
//!
//! Nothing is marked as seen before it has an order, so that a fill that waited here is booked like any other, once.

use super::*;
use crate::limits::{ORPHAN_NS, ORPHANS_MAX};

/// An execution without an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub venue: VenueId,
    pub instrument: InstrumentId,
    pub id: Option<ClientId>,
    pub venue_order_id: String,
    pub side: Option<Side>,
    pub fill: Fill,
    /// When it came, on the monotonic clock.
    pub since_ns: u64,
    /// A person was told.
    pub told: bool,
    /// Why it was not booked although its order is known.
    pub refused: Option<&'static str>,
}

impl Router {
    /// Keeps an execution nobody can be named for.
    pub(super) fn park(&mut self, orphan: Orphan, out: &mut Vec<Effect>) {
        let same = |each: &Orphan| {
            (each.venue, each.instrument, &each.fill.exec_id)
                == (orphan.venue, orphan.instrument, &orphan.fill.exec_id)
        };
        if self.orphans.iter().any(same) {
            self.stats.fills_repeated += 1;
            return;
        }
        if self.orphans.len() >= ORPHANS_MAX
            && let Some(oldest) = self.orphans.pop_front()
        {
            self.stats.orphans_lost += 1;
            let text = format!(
                "execution {} of order {} of venue {} has found no order and is kept no longer",
                oldest.fill.exec_id, oldest.venue_order_id, oldest.venue
            );
            out.push(Effect::Note { level: Level::Warn, text });
        }
        self.orphans.push_back(orphan);
    }

    /// Gives each execution to its order where that has become known.
    pub(super) fn adopt(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !std::mem::take(&mut self.learned) || self.orphans.is_empty() {
            return;
        }
        for orphan in std::mem::take(&mut self.orphans) {
            let by_venue_id = (orphan.venue, orphan.instrument, orphan.venue_order_id.clone());
            let found = orphan
                .id
                .filter(|id| self.orders.contains_key(id))
                .or_else(|| self.by_venue_id.get(&by_venue_id).copied())
                .filter(|_| orphan.refused.is_none());
            match found {
                Some(id) => {
                    self.stats.orphans_adopted += 1;
                    self.take_fill(now, id, &orphan.fill, orphan.side, out);
                    self.finish(now, id, out);
                }
                None => self.orphans.push_back(orphan),
            }
        }
    }

    /// Tells a person, once, of each that has waited for too long.
    pub(super) fn watch_orphans(&mut self, now: Now, out: &mut Vec<Effect>) {
        for orphan in &mut self.orphans {
            if orphan.told || now.mono_ns.saturating_sub(orphan.since_ns) < ORPHAN_NS {
                continue;
            }
            orphan.told = true;
            let text = format!(
                "execution {} of order {} of venue {} still has no order: is somebody else trading on the account?",
                orphan.fill.exec_id, orphan.venue_order_id, orphan.venue
            );
            out.push(Effect::Note { level: Level::Warn, text });
        }
    }

    /// Executions without an order, oldest first.
    pub const fn orphans(&self) -> &VecDeque<Orphan> {
        &self.orphans
    }

    /// Books an execution, unless its side says that it cannot be of this order.
    pub(super) fn take_fill(
        &mut self,
        now: Now,
        id: ClientId,
        fill: &Fill,
        side: Option<Side>,
        out: &mut Vec<Effect>,
    ) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        let own = match PbSide::try_from(order.side) {
            Ok(PbSide::Buy) => Some(Side::Buy),
            Ok(PbSide::Sell) => Some(Side::Sell),
            _ => None,
        };
        if side.is_some() && own.is_some() && side != own {
            order.ask = order.phase.open();
            let orphan = Orphan {
                venue: order.venue,
                instrument: order.instrument,
                id: Some(id),
                venue_order_id: order.venue_order_id.clone(),
                side,
                fill: fill.clone(),
                since_ns: now.mono_ns,
                told: true,
                refused: Some(Illegal::FillOfWrongSide.name()),
            };
            self.illegal(id, Illegal::FillOfWrongSide, out);
            return self.park(orphan, out);
        }
        self.book(now, id, fill, out);
    }
}
