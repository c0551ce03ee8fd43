//! One order as the gateway knows it.

use crate::canon::Canon;
use crate::evidence::{Answers, Evidence};
use crate::fixed::ById;
use crate::outcomes::Outcome;
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

/// What each letter of a client order id stands for; [`NO_LETTER`] is in none.
const FIVE: [u8; 256] = {
    let mut five = [NO_LETTER; 256];
    let mut n = 0;
    while n < 32 {
        five[if n < 10 { b'0' + n } else { b'a' + n - 10 } as usize] = n;
        n += 1;
    }
    five
};
const NO_LETTER: u8 = 0x80;

/// A client order id as its 125 bits; `None` where it is not of the form the gateway gives.
fn client_bits(text: &str) -> Option<u128> {
    let letters: &[u8; CLIENT_ORDER_ID_LEN] = text.as_bytes().try_into().ok()?;
    let mut seen = 0;
    let mut bits = |letters: &[u8]| {
        letters.iter().fold(0_u64, |bits, letter| {
            let five = FIVE[usize::from(*letter)];
            seen |= five;
            bits << 5 | u64::from(five)
        })
    };
    let (first, second, last) = (bits(&letters[..12]), bits(&letters[12..24]), bits(&letters[24..]));
    let all = u128::from(first) << 65 | u128::from(second) << 5 | u128::from(last);
    (seen & NO_LETTER == 0).then_some(all)
}

/// New orders that may wait for the map; more of them, and it is made anew when it is asked for.
const WAITING_MAX: usize = 4_096;

/// Intents by the client order ids of their orders. A report that names its intent, as nearly all do, needs none of it: new
/// orders wait until one does not, and then [`ByClientId::catch_up`] takes them in.
#[derive(Debug, Clone, Default)]
pub(crate) struct ByClientId {
    ours: ById<u128, IntentId>,
    /// Of another form.
    others: BTreeMap<String, IntentId>,
    waiting: Vec<IntentId>,
    /// More came than may wait: only the orders know them all.
    anew: bool,
}

impl ByClientId {
    /// A new order.
    pub(crate) fn opened(&mut self, id: IntentId) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push(id);
        } else {
            self.anew = true;
        }
    }

    /// An order that is kept no longer.
    pub(crate) fn retired(&mut self, order: &Order) {
        if !self.ours.is_empty() || !self.others.is_empty() {
            self.remove(&order.client_order_id);
        }
    }

    /// Takes in what waits, before [`ByClientId::get`].
    pub(crate) fn catch_up(&mut self, orders: &Orders) {
        let waiting = std::mem::take(&mut self.waiting);
        if std::mem::take(&mut self.anew) {
            self.ours.clear();
            self.others.clear();
            orders.values().for_each(|order| self.insert(&order.client_order_id, order.id));
        } else {
            let orders = waiting.iter().filter_map(|id| orders.get(id));
            orders.for_each(|order| self.insert(&order.client_order_id, order.id));
        }
    }

    pub(crate) fn get(&self, client_order_id: &str) -> Option<IntentId> {
        let id = client_bits(client_order_id).map(|bits| self.ours.get(&bits));
        id.unwrap_or_else(|| self.others.get(client_order_id)).copied()
    }

    fn insert(&mut self, client_order_id: &str, id: IntentId) {
        match client_bits(client_order_id) {
            Some(bits) => drop(self.ours.insert(bits, id)),
            None => drop(self.others.insert(client_order_id.to_string(), id)),
        }
    }

    fn remove(&mut self, client_order_id: &str) {
        match client_bits(client_order_id) {
            Some(bits) => drop(self.ours.remove(&bits)),
            None => drop(self.others.remove(client_order_id)),
        }
    }
}

/// An order and what is kept beside it for as long as it is.
#[derive(Debug, Clone)]
struct Kept {
    order: Order,
    /// What its intent came to. It is in no window that could evict it: it leaves with its order. None only by a planted bug.
    outcome: Option<Outcome>,
    /// When this process last sent a command about it; no part of the state.
    asked_mono_ns: Option<u64>,
}

/// Orders by id. Each lies in a place of its own, so that one more moves ids and not orders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders(ById<IntentId, Box<Kept>>);

impl Orders {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, id: &IntentId) -> Option<&Order> {
        self.0.get(id).map(|kept| &kept.order)
    }

    pub(crate) fn get_mut(&mut self, id: &IntentId) -> Option<&mut Order> {
        self.0.get_mut(id).map(|kept| &mut kept.order)
    }

    pub(crate) fn insert(&mut self, order: Order, outcome: Option<Outcome>) {
        self.0.insert(order.id, Box::new(Kept { order, outcome, asked_mono_ns: None }));
    }

    /// Takes an order out; gives it with its outcome.
    pub(crate) fn remove(&mut self, id: &IntentId) -> Option<(Order, Option<Outcome>)> {
        self.0.remove(id).map(|kept| (kept.order, kept.outcome))
    }

    /// What the intent of an order came to.
    pub(crate) fn outcome(&self, id: IntentId) -> Option<&Outcome> {
        self.0.get(&id)?.outcome.as_ref()
    }

    /// Forgets every outcome, as only a planted bug does.
    pub(crate) fn forget_outcomes(&mut self) {
        self.0.values_mut().for_each(|kept| kept.outcome = None);
    }

    /// When a command about an order was last sent by this process.
    pub(crate) fn asked_mono_ns(&self, id: IntentId) -> Option<u64> {
        self.0.get(&id)?.asked_mono_ns
    }

    pub(crate) fn asked(&mut self, id: IntentId, mono_ns: Option<u64>) {
        if let Some(kept) = self.0.get_mut(&id) {
            kept.asked_mono_ns = mono_ns;
        }
    }

    /// In no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Order> {
        self.0.values().map(|kept| &kept.order)
    }

    /// In no order.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Order> {
        self.0.values_mut().map(|kept| &mut kept.order)
    }

    /// Those of a kind, in order of id.
    pub(crate) fn sorted(&self, which: impl Fn(&Order) -> bool) -> Vec<&Order> {
        let mut all: Vec<&Order> = self.values().filter(|order| which(order)).collect();
        all.sort_unstable_by_key(|order| order.id);
        all
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

/// Bytes of a [`Content`].
pub const CONTENT_BYTES: usize = 48;

/// All that an intent asks for under its id. Its stamps and its remaining life are no part of it: a retry of the same wish has
/// others. Kept whole and not hashed: two wishes are one exactly where they ask for the same, and nothing is worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Content {
    target: u128,
    px_ticks: i64,
    qty_lots: u64,
    instrument_id: u32,
    account_id: u32,
    instrument_table_version: u32,
    /// Kind, side, type and time in force. What 8 bits do not hold no reader lets pass; it is 255.
    kinds: [u8; 4],
}

impl Content {
    /// What an intent asks for.
    pub fn of(intent: &Intent) -> Self {
        let kinds = [intent.kind, intent.side, intent.order_type, intent.tif];
        Self {
            target: from_wire_id(intent.target_intent_id.as_ref()).0,
            px_ticks: intent.px_ticks,
            qty_lots: intent.qty_lots,
            instrument_id: intent.instrument_id,
            account_id: intent.account_id,
            instrument_table_version: intent.instrument_table_version,
            kinds: kinds.map(|kind| u8::try_from(kind).unwrap_or(u8::MAX)),
        }
    }

    /// Its fields, little-endian, in the order they are declared in.
    pub fn to_bytes(&self) -> [u8; CONTENT_BYTES] {
        let mut bytes = [0; CONTENT_BYTES];
        bytes[0..16].copy_from_slice(&self.target.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.px_ticks.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.qty_lots.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.instrument_id.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.account_id.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.instrument_table_version.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.kinds);
        bytes
    }

    /// The other way.
    pub fn from_bytes(bytes: &[u8; CONTENT_BYTES]) -> Self {
        fn part<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
            let mut part = [0; N];
            part.copy_from_slice(&bytes[from..from + N]);
            part
        }
        Self {
            target: u128::from_le_bytes(part(bytes, 0)),
            px_ticks: i64::from_le_bytes(part(bytes, 16)),
            qty_lots: u64::from_le_bytes(part(bytes, 24)),
            instrument_id: u32::from_le_bytes(part(bytes, 32)),
            account_id: u32::from_le_bytes(part(bytes, 36)),
            instrument_table_version: u32::from_le_bytes(part(bytes, 40)),
            kinds: part(bytes, 44),
        }
    }
}

/// What a new order asks of the market beside its account and its instrument, whatever its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub px_ticks: i64,
    pub qty_lots: u64,
    /// As the wire has them.
    pub side: i32,
    pub order_type: i32,
}

impl Terms {
    pub(crate) const fn of(intent: &Intent) -> Self {
        Self {
            px_ticks: intent.px_ticks,
            qty_lots: intent.qty_lots,
            side: intent.side,
            order_type: intent.order_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use tidegate_wire::ids::client_order_id;

    #[test]
    fn a17_contents_are_one_exactly_where_the_wishes_are() {
        let intent = Intent {
            intent_id: Some(wire_id(IntentId(7))),
            kind: 1,
            instrument_id: 2,
            account_id: 3,
            side: 1,
            order_type: 1,
            tif: 1,
            px_ticks: -4,
            qty_lots: u64::MAX,
            target_intent_id: None,
            ttl_ns: 5,
            tick_mono_ns: 6,
            intent_mono_ns: 7,
            instrument_table_version: 8,
        };
        let content = Content::of(&intent);
        let same: [fn(&mut Intent); 4] =
            [|i| i.intent_id = None, |i| i.ttl_ns += 1, |i| i.tick_mono_ns += 1, |i| i.intent_mono_ns += 1];
        let other: [fn(&mut Intent); 10] = [
            |i| i.kind = 2,
            |i| i.instrument_id += 1,
            |i| i.account_id += 1,
            |i| i.side = 2,
            |i| i.order_type = 2,
            |i| i.tif = 2,
            |i| i.px_ticks += 1,
            |i| i.qty_lots -= 1,
            |i| i.target_intent_id = Some(wire_id(IntentId(1 << 64))),
            |i| i.instrument_table_version += 1,
        ];
        let changed = |change: fn(&mut Intent)| {
            let mut changed = intent;
            change(&mut changed);
            Content::of(&changed)
        };
        for change in same {
            assert_eq!(changed(change), content);
        }
        let all: BTreeSet<[u8; CONTENT_BYTES]> =
            other.iter().map(|change| changed(*change).to_bytes()).chain([content.to_bytes()]).collect();
        assert_eq!(all.len(), other.len() + 1);
        for bytes in all {
            assert_eq!(Content::from_bytes(&bytes).to_bytes(), bytes);
        }
    }

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
