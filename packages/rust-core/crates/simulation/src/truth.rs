//! What really happened, written down where it happened: at the venue and on the disks. The checkers read nothing else.

use std::collections::{BTreeMap, BTreeSet};
use tidegate_router::ClientId;
use tidegate_units::{IntentId, Side};

/// One broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `I1` to `I13`, or `active_breach`, `passive_breach`.
    pub invariant: &'static str,
    pub at_ns: u64,
    pub text: String,
}

/// One execution at the venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueFill {
    pub intent: IntentId,
    pub instrument: u32,
    pub side: Side,
    pub px_ticks: i64,
    pub qty_lots: i64,
    /// It undoes an earlier one.
    pub bust: bool,
}

/// An order the venue took.
#[derive(Debug, Clone)]
pub struct TrueOrder {
    pub intent: IntentId,
    pub side: Side,
    pub cum_lots: i64,
    pub open: bool,
}

/// The venue's log and the grants of the router's journal.
#[derive(Debug, Default)]
pub struct Truth {
    /// Live effects by intent: more than one is I1.
    pub accepted: BTreeMap<IntentId, u32>,
    pub orders: BTreeMap<ClientId, TrueOrder>,
    /// Orders of an intent, newest last.
    pub of_intent: BTreeMap<IntentId, ClientId>,
    pub fills: BTreeMap<String, TrueFill>,
    /// Signed lots by (strategy, instrument).
    pub positions: BTreeMap<(u32, u32), i64>,
    /// Place requests on the wire, by intent, with the last moment of the venue's clock at which each may be taken.
    pub in_flight: BTreeMap<IntentId, Vec<i64>>,
    /// Orders decided whose record was safe on a disk.
    pub decided: BTreeSet<IntentId>,
    /// Holder of each epoch the router's journal granted.
    pub grants: BTreeMap<u32, u64>,
    pub violation: Option<Violation>,
}

impl Truth {
    /// Notes a violation; the first one stands.
    pub fn violate(&mut self, invariant: &'static str, at_ns: u64, text: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { invariant, at_ns, text });
        }
    }

    /// The epoch that leads, and its holder.
    pub fn leader(&self) -> Option<(u32, u64)> {
        self.grants.last_key_value().map(|(epoch, holder)| (*epoch, *holder))
    }

    /// The venue's order of an intent.
    pub fn order(&self, intent: IntentId) -> Option<&TrueOrder> {
        self.of_intent.get(&intent).and_then(|id| self.orders.get(id))
    }

    /// A fill at the venue.
    pub fn fill(&mut self, exec_id: &str, fill: TrueFill) {
        let sign = if fill.bust { -1 } else { 1 };
        *self.positions.entry((fill.intent.strategy().0, fill.instrument)).or_insert(0) +=
            sign * fill.side.sign() * fill.qty_lots;
        self.fills.insert(exec_id.to_string(), fill);
    }

    /// Whether the venue has the intent's order open, or may still take it.
    pub fn may_trade(&self, intent: IntentId, venue_epoch_ns: i64) -> bool {
        self.in_flight.get(&intent).is_some_and(|until| until.iter().any(|end| *end >= venue_epoch_ns))
            || self.order(intent).is_some_and(|o| o.open)
    }
}
