//! One order as the gateway knows it.

use crate::canon::{Canon, Short};
use crate::evidence::{Answers, Evidence};
use crate::fixed::ById;
use std::collections::BTreeMap;
use tidegate_mutants::{Bug, planted};
use tidegate_units::{AccountId, InstrumentId, IntentId, Side, StrategyId};
use tidegate_wire::ids::CLIENT_ORDER_ID_LEN;
use tidegate_wire::pb::orders::v1::{Intent, OrderState, OrderUpdate, Reason};

/// Whose position an order or a fill belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BookKey {
    pub account: AccountId,
    pub strategy: StrategyId,
    pub instrument: InstrumentId,
}

/// An order that is not terminal, or is terminal with fills still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: IntentId,
    pub client_order_id: String,
    pub key: BookKey,
    pub venue_id: u32,
    pub side: Side,
    /// What it is valued at: its limit, or the edge of the collar for a market order.
    pub px_ticks: i64,
    pub is_market: bool,
    pub qty_lots: i64,
    /// Σ of the fills booked.
    pub cum_lots: i64,
    /// The most the venue has said it traded.
    pub venue_cum_lots: i64,
    pub state: OrderState,
    pub reason: Reason,
    pub generation: u32,
    /// The venue has shown that it holds, or held, the order.
    pub acked: bool,
    /// The report by which the venue first showed it, 0 where it has not.
    pub acked_seq: u64,
    pub sent: bool,
    /// Somebody wants it gone: its strategy, an operator, a kill.
    pub cancel_wanted: bool,
    /// The command that made it, 0 before it was decided.
    pub new_command_seq: u64,
    /// The last cancel command, 0 when none went.
    pub cancel_command_seq: u64,
    /// The epoch whose leader last sent a command about it.
    pub command_epoch: u32,
    pub ts_venue_ns: i64,
}

impl Order {
    /// Whether the order can trade no further.
    pub const fn terminal(&self) -> bool {
        is_terminal(self.state)
    }

    /// What stays reserved, in lots: all that may yet trade, or for a terminal order the fills that are still to come.
    pub fn reserved_lots(&self) -> i64 {
        let total = if self.terminal() { self.venue_cum_lots } else { self.qty_lots };
        if planted(Bug::OnlyAckedExposure) && !self.acked {
            return 0;
        }
        total.saturating_sub(self.cum_lots).max(0)
    }

    /// Whether the venue's outcome is not known, so that its symbol takes no new orders.
    pub const fn unknown(&self) -> bool {
        matches!(self.state, OrderState::Unknown | OrderState::Quarantine)
    }

    /// Which of our commands about this order a report answers.
    pub fn answers(&self, command_seq: u64) -> Answers {
        match command_seq {
            0 => Answers::Other,
            seq if seq == self.new_command_seq => Answers::New,
            seq if seq == self.cancel_command_seq => Answers::Cancel,
            _ => Answers::Other,
        }
    }

    /// The only way to a terminal state but a full fill; asks for evidence.
    pub(crate) fn close(&mut self, evidence: Evidence, state: OrderState, reason: Reason) {
        self.venue_cum_lots = self.venue_cum_lots.max(lots(evidence.cum_qty_lots()));
        self.state = state;
        self.reason = reason;
    }

    /// The state of an order the venue holds.
    pub(crate) fn live_state(&self) -> OrderState {
        if self.cancel_command_seq != 0 && self.cancel_wanted {
            OrderState::PendingCancel
        } else if self.cum_lots > 0 {
            OrderState::Partial
        } else {
            OrderState::Live
        }
    }

    /// The order as a strategy and the record see it.
    pub fn update(&self, snapshot: bool) -> OrderUpdate {
        OrderUpdate {
            intent_id: Some(wire_id(self.id)),
            client_order_id: self.client_order_id.clone(),
            instrument_id: self.key.instrument.0,
            side: wire_side(self.side),
            state: self.state.into(),
            px_ticks: if self.is_market { 0 } else { self.px_ticks },
            qty_lots: self.qty_lots.unsigned_abs(),
            cum_qty_lots: self.cum_lots.unsigned_abs(),
            leaves_qty_lots: if self.terminal() { 0 } else { self.reserved_lots().unsigned_abs() },
            reason: self.reason.into(),
            ts_venue_ns: self.ts_venue_ns,
            snapshot,
        }
    }

    /// What of an update can change while the order lives.
    pub(crate) fn seen(&self) -> (OrderState, Reason, i64, i64, i64) {
        let leaves = if self.terminal() { 0 } else { self.reserved_lots() };
        (self.state, self.reason, self.cum_lots, leaves, self.ts_venue_ns)
    }

    pub(crate) fn canon(&self, canon: &mut Canon) {
        canon.u128(self.id.0).text(&self.client_order_id);
        canon.u64(self.key.account.0.into()).u64(self.key.strategy.0.into());
        canon.u64(self.key.instrument.0.into()).u64(self.venue_id.into());
        canon.i64(self.side.sign()).i64(self.px_ticks).u64(self.is_market.into());
        canon.i64(self.qty_lots).i64(self.cum_lots).i64(self.venue_cum_lots);
        canon.i64(self.state as i64).i64(self.reason as i64).u64(self.generation.into());
        canon.u64(self.acked.into()).u64(self.acked_seq).u64(self.sent.into()).u64(self.cancel_wanted.into());
        canon
            .u64(self.new_command_seq)
            .u64(self.cancel_command_seq)
            .u64(self.command_epoch.into())
            .i64(self.ts_venue_ns);
    }
}

/// A client order id as its 125 bits; `None` where it is not of the form the gateway gives.
fn client_bits(text: &str) -> Option<u128> {
    let letters = text.as_bytes();
    if letters.len() != CLIENT_ORDER_ID_LEN {
        return None;
    }
    letters.iter().try_fold(0, |bits, letter| {
        let five = match letter {
            b'0'..=b'9' => letter - b'0',
            b'a'..=b'v' => letter - b'a' + 10,
            _ => return None,
        };
        Some(bits << 5 | u128::from(five))
    })
}

/// Intents by the client order ids of their orders.
#[derive(Debug, Clone, Default)]
pub(crate) struct ByClientId {
    ours: ById<u128, IntentId>,
    /// Of another form.
    others: BTreeMap<String, IntentId>,
}

impl ByClientId {
    pub(crate) fn get(&self, client_order_id: &str) -> Option<IntentId> {
        let id = client_bits(client_order_id).map(|bits| self.ours.get(&bits));
        id.unwrap_or_else(|| self.others.get(client_order_id)).copied()
    }

    pub(crate) fn insert(&mut self, client_order_id: &str, id: IntentId) {
        match client_bits(client_order_id) {
            Some(bits) => drop(self.ours.insert(bits, id)),
            None => drop(self.others.insert(client_order_id.to_string(), id)),
        }
    }

    pub(crate) fn remove(&mut self, client_order_id: &str) {
        match client_bits(client_order_id) {
            Some(bits) => drop(self.ours.remove(&bits)),
            None => drop(self.others.remove(client_order_id)),
        }
    }
}

/// Orders by id. Each lies in a place of its own, so that one more moves ids and not orders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders(BTreeMap<IntentId, Box<Order>>);

impl Orders {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, id: &IntentId) -> Option<&Order> {
        self.0.get(id).map(|order| &**order)
    }

    pub(crate) fn get_mut(&mut self, id: &IntentId) -> Option<&mut Order> {
        self.0.get_mut(id).map(|order| &mut **order)
    }

    pub(crate) fn insert(&mut self, order: Order) {
        self.0.insert(order.id, Box::new(order));
    }

    pub(crate) fn remove(&mut self, id: &IntentId) -> Option<Box<Order>> {
        self.0.remove(id)
    }

    /// In order of id.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Order> {
        self.0.values().map(|order| &**order)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Order> {
        self.0.values_mut().map(|order| &mut **order)
    }
}

/// Whether an order in this state can trade no further.
pub const fn is_terminal(state: OrderState) -> bool {
    matches!(
        state,
        OrderState::Filled
            | OrderState::Cancelled
            | OrderState::Rejected
            | OrderState::Expired
            | OrderState::Dead
    )
}

/// A wire quantity in lots; beyond 63 bits it is the largest there is, which every limit refuses.
pub(crate) fn lots(wire: u64) -> i64 {
    i64::try_from(wire).unwrap_or(i64::MAX)
}

pub(crate) fn wire_id(id: IntentId) -> tidegate_wire::pb::common::v1::IntentId {
    let (hi, lo) = id.halves();
    tidegate_wire::pb::common::v1::IntentId { hi, lo }
}

pub(crate) fn from_wire_id(id: Option<&tidegate_wire::pb::common::v1::IntentId>) -> IntentId {
    id.map_or(IntentId(0), |id| IntentId::from_halves(id.hi, id.lo))
}

pub(crate) fn wire_side(side: Side) -> i32 {
    use tidegate_wire::pb::common::v1::Side as W;
    match side {
        Side::Buy => W::Buy.into(),
        Side::Sell => W::Sell.into(),
    }
}

pub(crate) fn from_wire_side(side: i32) -> Option<Side> {
    use tidegate_wire::pb::common::v1::Side as W;
    match W::try_from(side) {
        Ok(W::Buy) => Some(Side::Buy),
        Ok(W::Sell) => Some(Side::Sell),
        _ => None,
    }
}

/// The first 128 bits of the hash of what an intent asks for. Its stamps and its remaining life are not part of it: a
/// retry of the same wish has others.
pub(crate) fn content_hash(intent: &Intent) -> u128 {
    let mut canon = Short::new("intent content v1");
    canon.i64(intent.kind.into()).u64(intent.instrument_id.into()).u64(intent.account_id.into());
    canon.i64(intent.side.into()).i64(intent.order_type.into()).i64(intent.tif.into());
    canon.i64(intent.px_ticks).u64(intent.qty_lots);
    canon.u128(from_wire_id(intent.target_intent_id.as_ref()).0);
    canon.u64(intent.instrument_table_version.into());
    canon.finish_u128()
}

/// The first 128 bits of the hash of what a new order does to the market, whatever its id: account, instrument, side, type,
/// px, qty. Never 0.
pub(crate) fn economics_hash(intent: &Intent) -> u128 {
    let mut canon = Short::new("order economics v1");
    canon.u64(intent.instrument_id.into()).u64(intent.account_id.into()).i64(intent.side.into());
    canon.i64(intent.order_type.into()).i64(intent.px_ticks).u64(intent.qty_lots);
    canon.finish_u128().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use tidegate_wire::ids::client_order_id;

    #[test]
    fn a_client_order_id_is_found_by_its_whole_text_and_no_other() {
        let ids: Vec<String> = (0..500).map(|n| client_order_id(n, 0, 0)).collect();
        assert_eq!(ids.iter().map(|id| client_bits(id)).collect::<BTreeSet<_>>().len(), 500);
        let mut by = ByClientId::default();
        let others = [
            "",
            "x",
            "0000000000000000000000000w",
            "0000000000000000000000000V",
            "00000000000000000000000000",
        ];
        let all = ids.iter().map(String::as_str).chain(others);
        for (n, text) in (1..).zip(all.clone()) {
            assert_eq!(by.get(text), None, "{text}");
            by.insert(text, IntentId(n));
        }
        for (n, text) in (1..).zip(all) {
            assert_eq!(by.get(text), Some(IntentId(n)), "{text}");
            by.remove(text);
            assert_eq!(by.get(text), None, "{text}");
        }
        assert!(by.ours.is_empty() && by.others.is_empty());
    }
}
