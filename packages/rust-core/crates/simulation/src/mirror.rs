//! A plain second model of one gateway's journal, fed with its records. It shares no code with the gateway: positions,
//! exposure, latches and the life of orders are counted here in the most direct way, and held against the venue's truth.

use crate::truth::Truth;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_risk::Limits;
use tidegate_units::{InstrumentId, IntentId, Side, StrategyId};
use tidegate_wire::pb::common::v1::{IntentId as WireId, Side as WireSide};
use tidegate_wire::pb::control::v1::ControlAction;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{
    Decision, Fill, Intent, IntentKind, IntentReply, OrderState, OrderType, OrderUpdate, ReportKind,
};
use tidegate_wire::pb::risk::v1::RiskEventKind;

#[derive(Debug, Clone)]
struct MirrorOrder {
    strategy: u32,
    instrument: u32,
    side: Side,
    px: i64,
    qty: i64,
    cum: i64,
    over: bool,
    unknown: bool,
    qty_after_end: i64,
}

impl MirrorOrder {
    fn leaves(&self) -> i128 {
        let total = if self.over { self.qty_after_end } else { self.qty };
        i128::from((total - self.cum).max(0))
    }
}

/// The model.
#[derive(Debug, Clone, Default)]
pub struct Mirror {
    pub killed: bool,
    pub halted: bool,
    draining: bool,
    unkill_by: String,
    orders: BTreeMap<IntentId, MirrorOrder>,
    ended: BTreeSet<IntentId>,
    positions: BTreeMap<(u32, u32), i128>,
    marks: BTreeMap<u32, i64>,
    fills: BTreeSet<String>,
    pending: Option<Intent>,
    pub frozen: BTreeSet<u32>,
    pub must_freeze: Option<u32>,
    pub records: u64,
    pub new_orders: u64,
}

fn id_of(id: Option<&WireId>) -> IntentId {
    id.map_or(IntentId(0), |id| IntentId::from_halves(id.hi, id.lo))
}

fn side_of(side: i32) -> Side {
    if side == WireSide::Sell as i32 { Side::Sell } else { Side::Buy }
}

fn over(state: OrderState) -> bool {
    matches!(
        state,
        OrderState::Filled
            | OrderState::Cancelled
            | OrderState::Rejected
            | OrderState::Expired
            | OrderState::Dead
    )
}

/// What a decision is held against beside the journal.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    pub now_ns: u64,
    /// The venue's clock.
    pub venue_epoch_ns: i64,
    pub limits: &'a Limits,
    /// Worth of one tick of one lot, by instrument.
    pub worth: &'a BTreeMap<u32, i64>,
    /// Whether the records are being made now, rather than read again.
    pub live: bool,
}

/// Exposure of the four scopes, in 1e-8.
#[derive(Debug, Clone, Copy, Default)]
struct Scopes([i128; 4]);

impl Mirror {
    /// Takes the next record.
    pub fn record(&mut self, envelope: &Envelope, scene: &Scene<'_>, truth: &mut Truth) {
        self.records += 1;
        match envelope.payload.as_ref() {
            Some(Payload::Intent(intent)) => self.pending = Some(*intent),
            Some(Payload::IntentReply(reply)) => self.on_reply(reply, scene, truth),
            Some(Payload::OrderUpdate(update)) => self.on_update(update, scene, truth),
            Some(Payload::Fill(fill)) => self.on_fill(fill, scene, truth),
            Some(Payload::ControlEvent(event)) => match event.action() {
                ControlAction::Halt => self.halted = true,
                ControlAction::Resume => {
                    (self.halted, self.draining) = (false, false);
                    self.frozen.clear();
                }
                ControlAction::Kill => {
                    self.killed = true;
                    self.unkill_by.clear();
                }
                ControlAction::Unkill if self.killed => {
                    if self.unkill_by.is_empty() || self.unkill_by == event.principal {
                        self.unkill_by.clone_from(&event.principal);
                    } else {
                        self.killed = false;
                        self.unkill_by.clear();
                    }
                }
                ControlAction::Drain => self.draining = true,
                _ => {}
            },
            Some(Payload::RiskEvent(event)) if event.kind() == RiskEventKind::Marks => {
                let ids = event.instrument_ids.iter().map(|id| u32::try_from(*id).unwrap_or(0));
                self.marks.extend(ids.zip(event.px_ticks.iter().copied()));
            }
            Some(Payload::PolicyState(policy)) => {
                if let Some(instrument) = self.must_freeze.take()
                    && !policy.detail.contains("frozen")
                {
                    self.must_freeze = Some(instrument);
                } else if policy.detail.contains("frozen") {
                    let digits: String = policy.detail.chars().filter(char::is_ascii_digit).collect();
                    self.frozen.extend(digits.parse::<u32>().ok());
                }
            }
            Some(Payload::Report(report)) => {
                let id = id_of(report.intent_id.as_ref());
                if let Some(order) = self.orders.get_mut(&id)
                    && report.kind() != ReportKind::NeverSent
                {
                    let cum = i64::try_from(report.cum_qty_lots).unwrap_or(i64::MAX);
                    order.qty_after_end = order.qty_after_end.max(cum);
                }
            }
            _ => {}
        }
    }

    /// Whether the gateway holds the intent's order as ended.
    pub fn ended(&self, intent: IntentId) -> bool {
        self.ended.contains(&intent) || self.orders.get(&intent).is_some_and(|o| o.over)
    }

    /// Whether the journal has the intent as accepted.
    pub fn knows(&self, intent: IntentId) -> bool {
        self.orders.contains_key(&intent) || self.ended.contains(&intent)
    }

    fn book(&self, strategy: Option<u32>, instrument: u32) -> (i128, i128, i128) {
        let fits = |s: u32| strategy.is_none_or(|want| want == s);
        let position =
            self.positions.iter().filter(|((s, i), _)| fits(*s) && *i == instrument).map(|(_, p)| p).sum();
        let leaves = |side: Side| {
            self.orders
                .values()
                .filter(|o| fits(o.strategy) && o.instrument == instrument && o.side == side)
                .map(MirrorOrder::leaves)
                .sum()
        };
        (position, leaves(Side::Buy), leaves(Side::Sell))
    }

    fn worst(&self, strategy: Option<u32>, instrument: u32) -> i128 {
        let (position, buys, sells) = self.book(strategy, instrument);
        (position + buys).abs().max((position - sells).abs())
    }

    fn scopes(&self, strategy: u32, instrument: u32, px: &BTreeMap<u32, i128>, scene: &Scene<'_>) -> Scopes {
        let mut of = Scopes::default();
        for (&at, &worth) in scene.worth {
            let unit = px.get(&at).copied().unwrap_or(0) * i128::from(worth);
            let all = self.worst(None, at) * unit;
            of.0[1] += self.worst(Some(strategy), at) * unit;
            of.0[2] += all;
            of.0[3] += all;
            if at == instrument {
                of.0[0] = all;
            }
        }
        of
    }

    fn prices(&self, reference: (u32, i64), own_px: i64, scene: &Scene<'_>) -> BTreeMap<u32, i128> {
        let mut px = BTreeMap::new();
        for &instrument in scene.worth.keys() {
            let mark = if instrument == reference.0 {
                reference.1
            } else {
                self.marks.get(&instrument).copied().unwrap_or(0)
            };
            let bps = scene.limits.instruments.get(&InstrumentId(instrument)).map_or(0, |l| l.collar_bps);
            let collar = (i128::from(mark) * i128::from(bps) + 9_999) / 10_000;
            let dearest = self.orders.values().filter(|o| o.instrument == instrument).map(|o| o.px).max();
            let own = if instrument == reference.0 { own_px } else { 0 };
            let value =
                (i128::from(mark) + collar).max(i128::from(dearest.unwrap_or(0))).max(i128::from(own));
            px.insert(instrument, value);
        }
        px
    }

    fn on_reply(&mut self, reply: &IntentReply, scene: &Scene<'_>, truth: &mut Truth) {
        let id = id_of(reply.intent_id.as_ref());
        let Some(intent) = self.pending.take() else { return };
        if reply.decision() != Decision::Accepted || intent.kind() != IntentKind::New {
            return;
        }
        let (strategy, instrument) = (id.strategy().0, intent.instrument_id);
        let side = side_of(intent.side);
        let qty = i64::try_from(reply.accepted_qty_lots).unwrap_or(i64::MAX);
        let adopted = reply.reference_ts_ns == 0;
        if scene.live && self.knows(id) {
            let text = format!("{id:?} was accepted and is accepted again as a new order");
            truth.violate("I1", scene.now_ns, text);
        }
        let (position, buys, sells) = self.book(Some(strategy), instrument);
        let same = if side == Side::Buy { buys } else { sells };
        let capacity =
            if position.signum() == -i128::from(side.sign()) { (position.abs() - same).max(0) } else { 0 };
        let reduces = i128::from(qty) <= capacity;
        // What an earlier leader had decided was held against the same laws when it did.
        let check = scene.live && !adopted;
        if check && !reduces {
            self.latches(id, instrument, scene, truth);
        }
        let px = self.prices((instrument, reply.reference_px_ticks), intent.px_ticks, scene);
        let before = self.scopes(strategy, instrument, &px, scene);
        let order = MirrorOrder {
            strategy,
            instrument,
            side,
            px: if intent.order_type() == OrderType::Market { 0 } else { intent.px_ticks },
            qty,
            cum: 0,
            over: false,
            unknown: false,
            qty_after_end: 0,
        };
        self.orders.insert(id, order);
        self.marks.insert(instrument, reply.reference_px_ticks);
        if !check {
            return;
        }
        self.new_orders += 1;
        let after = self.scopes(strategy, instrument, &px, scene);
        self.limits(id, qty, reduces, (position, same), before, after, scene, truth);
    }

    fn latches(&self, id: IntentId, instrument: u32, scene: &Scene<'_>, truth: &mut Truth) {
        if self.killed || self.halted || self.draining {
            let text =
                format!("{id:?} is accepted under a latch (killed {}, halted {})", self.killed, self.halted);
            truth.violate("I6", scene.now_ns, text);
        }
        if self.frozen.contains(&instrument) {
            let text = format!("{id:?} is accepted in instrument {instrument}, which a break has frozen");
            truth.violate("passive_breach", scene.now_ns, text);
        }
        if self.orders.values().any(|o| o.instrument == instrument && o.unknown && !o.over) {
            let text = format!("{id:?} is accepted while an order of instrument {instrument} is unknown");
            truth.violate("I2", scene.now_ns, text);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn limits(
        &self,
        id: IntentId,
        qty: i64,
        reduces: bool,
        (position, same): (i128, i128),
        before: Scopes,
        after: Scopes,
        scene: &Scene<'_>,
        truth: &mut Truth,
    ) {
        let Some(order) = self.orders.get(&id) else { return };
        let limits = scene.limits;
        let (Some(of_instrument), Some(of_strategy)) = (
            limits.instruments.get(&InstrumentId(order.instrument)),
            limits.strategies.get(&StrategyId(order.strategy)),
        ) else {
            truth.violate("active_breach", scene.now_ns, format!("{id:?} is accepted without limits"));
            return;
        };
        let signed = position + i128::from(order.side.sign()) * (same + i128::from(qty));
        if !reduces && signed.abs() > i128::from(of_instrument.position_lots_max) {
            let text =
                format!("{id:?} takes the position to {signed}, limit {}", of_instrument.position_lots_max);
            truth.violate("active_breach", scene.now_ns, text);
        }
        if !reduces && qty > of_instrument.order_qty_lots_max {
            truth.violate("active_breach", scene.now_ns, format!("{id:?} of {qty} lots is too large"));
        }
        let account = limits.accounts.values().map(|a| a.exposure_e8_max).max().unwrap_or(0);
        let bounds = [
            of_instrument.exposure_e8_max,
            of_strategy.exposure_e8_max,
            account,
            limits.firm.exposure_e8_max,
        ];
        for (scope, bound) in bounds.into_iter().enumerate() {
            let (was, is) = (before.0[scope], after.0[scope]);
            if is > i128::from(bound) && is > was {
                let kind = if was > i128::from(bound) { "passive_breach" } else { "active_breach" };
                let name = ["symbol", "strategy", "account", "firm"][scope];
                let text = format!("{id:?} takes {name} from {was} to {is}, limit {bound}");
                truth.violate(kind, scene.now_ns, text);
            }
        }
    }

    fn on_update(&mut self, update: &OrderUpdate, scene: &Scene<'_>, truth: &mut Truth) {
        let id = id_of(update.intent_id.as_ref());
        let Some(order) = self.orders.get_mut(&id) else { return };
        let state = update.state();
        order.unknown = matches!(state, OrderState::Unknown | OrderState::Quarantine);
        if !over(state) || order.over {
            return;
        }
        order.over = true;
        if scene.live {
            if truth.may_trade(id, scene.venue_epoch_ns) {
                let text = format!("{id:?} is {} here and can still trade at the venue", state.as_str_name());
                truth.violate("I2", scene.now_ns, text);
            }
            let cum = truth.order(id).map_or(0, |o| o.cum_lots);
            // An end that the venue tells of comes with all that traded. A full order ends by its own quantity: what the venue
            // trades beyond that is on nobody's books before it is told of, and then freezes the symbol (`on_fill`).
            let cum = if state == OrderState::Filled { cum.min(order.qty) } else { cum };
            if i128::from(cum - order.cum) > order.leaves() {
                let text = format!(
                    "{id:?} ends as {} with {} of {cum} lots booked and {} kept",
                    state.as_str_name(),
                    order.cum,
                    order.leaves()
                );
                truth.violate("I2", scene.now_ns, text);
            }
        }
        if order.leaves() == 0 {
            self.orders.remove(&id);
            self.ended.insert(id);
        }
    }

    fn on_fill(&mut self, fill: &Fill, scene: &Scene<'_>, truth: &mut Truth) {
        let id = id_of(fill.intent_id.as_ref());
        let side = side_of(fill.side);
        let qty = i64::try_from(fill.qty_lots).unwrap_or(i64::MAX);
        let twice = !self.fills.insert(fill.exec_id.clone());
        let (is, bust) = truth.fills.get(&fill.exec_id).map_or((false, false), |t| {
            let same_side = (t.side == side) != t.bust;
            let fits = t.intent == id && t.qty_lots == qty && t.px_ticks == fill.px_ticks;
            (fits && same_side && t.instrument == fill.instrument_id, t.bust)
        });
        if twice || !is {
            let what = if twice { "is booked twice" } else { "is booked as the venue never made it" };
            truth.violate("I7", scene.now_ns, format!("execution {} of {id:?} {what}", fill.exec_id));
        }
        let key = (id.strategy().0, fill.instrument_id);
        *self.positions.entry(key).or_insert(0) += i128::from(side.sign()) * i128::from(qty);
        if bust {
            return;
        }
        let mut beyond = self.ended.contains(&id);
        if let Some(order) = self.orders.get_mut(&id) {
            order.cum += qty;
            order.qty_after_end = order.qty_after_end.max(order.cum);
            beyond = order.cum > order.qty;
            if order.over && order.leaves() == 0 {
                self.orders.remove(&id);
                self.ended.insert(id);
            }
        }
        if beyond {
            self.must_freeze = Some(fill.instrument_id);
        }
    }

    /// Signed lots of one book.
    pub fn position(&self, strategy: u32, instrument: u32) -> i128 {
        self.positions.get(&(strategy, instrument)).copied().unwrap_or(0)
    }

    /// Executions booked.
    pub fn fill_count(&self) -> usize {
        self.fills.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::truth::TrueOrder;
    use tidegate_instruments::Table;
    use tidegate_router::ClientId;
    use tidegate_wire::ids::client_order_id;
    use tidegate_wire::pb::orders::v1::Report;
    use tidegate_wire::pb::risk::v1::RiskEvent;

    const ID: IntentId = IntentId(1 << 64 | 9);

    /// What is said where an order of 10 lots, of which `booked` are booked, ends while the venue has traded `traded`. `told`
    /// is what the venue's word of the end had as its sum.
    fn ends(state: OrderState, booked: i64, traded: i64, told: u64) -> Option<String> {
        let table = Table::from_json(include_bytes!("../../../../../config/instruments.json")).unwrap();
        let limits = Limits::from_json(include_bytes!("limits.json"), &table).unwrap();
        let worth = BTreeMap::new();
        let scene = Scene { now_ns: 1, venue_epoch_ns: 1, limits: &limits, worth: &worth, live: true };
        let mut truth = Truth::default();
        let id = ClientId::parse(&client_order_id(ID.0, 0, 0)).unwrap();
        let order = TrueOrder { intent: ID, side: Side::Buy, cum_lots: traded, open: false };
        truth.orders.insert(id, order);
        truth.of_intent.insert(ID, id);
        let mut mirror = Mirror::default();
        let order = MirrorOrder {
            strategy: 1,
            instrument: 1,
            side: Side::Buy,
            px: 5,
            qty: 10,
            cum: booked,
            over: false,
            unknown: false,
            qty_after_end: booked,
        };
        mirror.orders.insert(ID, order);
        let (hi, lo) = ID.halves();
        let intent_id = Some(WireId { hi, lo });
        let payloads = [
            Payload::Report(Report { intent_id, cum_qty_lots: told, ..Report::default() }),
            Payload::OrderUpdate(OrderUpdate { intent_id, state: state.into(), ..OrderUpdate::default() }),
        ];
        for payload in payloads {
            mirror.record(&Envelope { payload: Some(payload), ..Envelope::default() }, &scene, &mut truth);
        }
        truth.violation.map(|violation| violation.invariant.to_string())
    }

    #[test]
    fn a_full_order_ends_though_the_venue_goes_on_trading_it_and_no_other_end_hides_an_execution() {
        use OrderState::{Cancelled, Dead, Filled, Rejected};
        assert_eq!(ends(Filled, 10, 11, 10), None, "the lot beyond is told of later");
        assert_eq!(ends(Filled, 9, 11, 9).as_deref(), Some("I2"), "one within the order is missing");
        assert_eq!(ends(Filled, 9, 11, 10), None, "and kept reserved");
        for state in [Cancelled, Dead, Rejected] {
            assert_eq!(ends(state, 10, 11, 10).as_deref(), Some("I2"), "{state:?}");
            assert_eq!(ends(state, 4, 5, 4).as_deref(), Some("I2"), "{state:?}");
            assert_eq!(ends(state, 4, 5, 5), None, "{state:?}");
        }
    }

    /// What is said where a strategy that holds 50 lots of instrument 2 opens an order in another, after these marks of it.
    fn opens_after(marks: &[i64]) -> Option<String> {
        let table = Table::from_json(include_bytes!("../../../../../config/instruments.json")).unwrap();
        let limits = Limits::from_json(include_bytes!("limits.json"), &table).unwrap();
        let worth = BTreeMap::from([(1, 1_000), (2, 100_000)]);
        let scene = Scene { now_ns: 1, venue_epoch_ns: 1, limits: &limits, worth: &worth, live: true };
        let (mut truth, mut mirror) = (Truth::default(), Mirror::default());
        mirror.positions.insert((1, 2), 50);
        let (hi, lo) = IntentId::new(StrategyId(1), 1, 9).halves();
        let intent_id = Some(WireId { hi, lo });
        let intent = Intent {
            intent_id,
            kind: IntentKind::New.into(),
            instrument_id: 1,
            side: WireSide::Buy.into(),
            order_type: OrderType::Limit.into(),
            px_ticks: 50_000,
            qty_lots: 1,
            ..Intent::default()
        };
        let reply = IntentReply {
            intent_id,
            decision: Decision::Accepted.into(),
            reference_px_ticks: 50_000,
            reference_ts_ns: 1,
            accepted_qty_lots: 1,
            ..IntentReply::default()
        };
        let marks = marks.iter().map(|px| {
            let kind = RiskEventKind::Marks.into();
            let (instrument_ids, px_ticks) = (vec![2], vec![*px]);
            Payload::RiskEvent(RiskEvent { kind, instrument_ids, px_ticks, ..RiskEvent::default() })
        });
        for payload in marks.chain([Payload::Intent(intent), Payload::IntentReply(reply)]) {
            mirror.record(&Envelope { payload: Some(payload), ..Envelope::default() }, &scene, &mut truth);
        }
        truth.violation.map(|violation| violation.invariant.to_string())
    }

    /// Seed 1892 held a decision against the price of an earlier order, though the journal had a newer one.
    #[test]
    fn i8_positions_are_valued_at_the_last_mark_of_the_journal() {
        // At 70,000 with the collar 50 lots are worth 357e9 of the 350e9 that are allowed, at 60,000 306e9.
        assert_eq!(opens_after(&[70_000, 60_000]), None, "within its limit again");
        assert_eq!(opens_after(&[60_000, 70_000]).as_deref(), Some("passive_breach"));
        assert_eq!(opens_after(&[70_000]).as_deref(), Some("passive_breach"));
    }
}
