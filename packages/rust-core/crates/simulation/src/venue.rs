//! The venue: the one place where an order is real. Ids are unique among open orders only, as at the strictest of the
//! venues the project trades: nothing here protects against an order sent twice but the sender.

use crate::truth::{TrueFill, TrueOrder, Truth};
use std::collections::BTreeMap;
use tidegate_router::limits::RECV_WINDOW_NS;
use tidegate_router::{Answer, ClientId, Exec, ExecKind, Fill, Status, Terms, TradeRow, VenueState, What};
use tidegate_units::{InstrumentId, IntentId, Side};
use tidegate_wire::pb::common::v1::Side as WireSide;
use tidegate_wire::pb::orders::v1::Tif;

/// How far ahead of its own clock the venue takes a stamp.
const AHEAD_NS: i64 = 1_000_000_000;

#[derive(Debug, Clone)]
struct VenueOrder {
    vid: u64,
    instrument: u32,
    side: Side,
    px: i64,
    qty: i64,
    cum: i64,
    state: VenueState,
    /// Queries do not see it before this moment.
    seen_from_ns: u64,
}

/// The venue's books. What happened is also told to [`Truth`].
#[derive(Debug, Default)]
pub struct Venue {
    orders: BTreeMap<ClientId, VenueOrder>,
    open: Vec<ClientId>,
    trades: Vec<(ClientId, u32, TradeRow)>,
    vids: u64,
    execs: u64,
}

/// What the world decides about one request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mood {
    /// Refuse it.
    pub refuse: bool,
    /// A new order is hidden from queries for so long.
    pub hide_ns: u64,
    /// An immediate order fills.
    pub immediate: bool,
}

impl Venue {
    /// Serves a request at `epoch_ns` of the venue's clock: its answer and the events it causes.
    pub fn serve(
        &mut self,
        what: &What,
        now_ns: u64,
        epoch_ns: i64,
        mood: Mood,
        truth: &mut Truth,
    ) -> (Answer, Vec<(u32, Exec)>) {
        match what {
            What::Place { command, ts_ns } => {
                let Some(id) = ClientId::parse(&command.client_order_id) else {
                    return (Answer::Refused { text: "-1100".into() }, vec![]);
                };
                let late = epoch_ns > ts_ns + RECV_WINDOW_NS || *ts_ns > epoch_ns + AHEAD_NS;
                let twice = self.orders.get(&id).is_some_and(|o| o.state == VenueState::Live);
                if late || twice || mood.refuse {
                    let text = if late { "-1021" } else { "-2010" };
                    return (Answer::Refused { text: text.into() }, vec![]);
                }
                self.vids += 1;
                let intent = command.intent_id.map_or(IntentId(0), |id| IntentId::from_halves(id.hi, id.lo));
                let side = if command.side == WireSide::Sell as i32 { Side::Sell } else { Side::Buy };
                let qty = i64::try_from(command.qty_lots).unwrap_or(i64::MAX);
                let order = VenueOrder {
                    vid: self.vids,
                    instrument: command.instrument_id,
                    side,
                    px: command.px_ticks,
                    qty,
                    cum: 0,
                    state: VenueState::Live,
                    seen_from_ns: now_ns + mood.hide_ns,
                };
                self.orders.insert(id, order);
                self.open.push(id);
                let times = truth.accepted.entry(intent).or_insert(0);
                *times += 1;
                if *times > 1 {
                    truth.violate(
                        "I1",
                        now_ns,
                        format!("{intent:?} lives at the venue a second time, as {id}"),
                    );
                }
                let order = TrueOrder { intent, side, cum_lots: 0, open: true };
                truth.orders.insert(id, order);
                truth.of_intent.insert(intent, id);
                let placed = Answer::Placed { venue_order_id: self.vids.to_string(), ts_venue_ns: epoch_ns };
                let mut events = vec![self.exec(id, ExecKind::New, epoch_ns)];
                if matches!(command.tif(), Tif::Ioc | Tif::Fok) || command.px_ticks == 0 {
                    if mood.immediate {
                        events.extend(self.trade(id, qty, 0, epoch_ns, truth));
                    }
                    events.extend(self.end(id, VenueState::Expired, epoch_ns, truth));
                }
                (placed, events)
            }
            What::Cancel { id, .. } => match self.end(*id, VenueState::Cancelled, epoch_ns, truth) {
                Some(event) => (self.status(*id, now_ns, true), vec![event]),
                None => (Answer::Refused { text: "-2011".into() }, vec![]),
            },
            What::Status { id, .. } => (self.status(*id, now_ns, false), vec![]),
            What::Open { instrument } => {
                let fits = |id: &&ClientId| {
                    self.orders
                        .get(*id)
                        .is_some_and(|o| o.instrument == instrument.0 && o.seen_from_ns <= now_ns)
                };
                (Answer::Open(self.open.iter().filter(fits).copied().collect()), vec![])
            }
            What::Trades { instrument, venue_order_id, from_id, .. } => {
                let wanted = |row: &TradeRow| match venue_order_id {
                    Some(order) => row.venue_order_id == *order,
                    None => row.fill.exec_id.parse::<u64>().unwrap_or(0) >= *from_id,
                };
                let rows = self.trades.iter().filter(|(_, at, _)| *at == instrument.0).map(|(_, _, row)| row);
                (Answer::Trades(rows.filter(|row| wanted(row)).cloned().collect()), vec![])
            }
            What::Time => (Answer::Time { epoch_ns }, vec![]),
            // No gateway of the cluster amends yet.
            What::Amend { .. } => (Answer::Refused { text: "-1100".into() }, vec![]),
        }
    }

    fn status(&self, id: ClientId, now_ns: u64, own: bool) -> Answer {
        let seen = self.orders.get(&id).filter(|o| own || o.seen_from_ns <= now_ns);
        seen.map_or(Answer::NotFound, |order| {
            Answer::Status(Status {
                id: Some(id),
                venue_order_id: order.vid.to_string(),
                state: order.state,
                cum_lots: order.cum.unsigned_abs(),
                terms: Some(Terms { px_ticks: order.px, qty_lots: order.qty.unsigned_abs() }),
                ts_venue_ns: 1,
            })
        })
    }

    fn exec(&self, id: ClientId, kind: ExecKind, epoch_ns: i64) -> (u32, Exec) {
        let (vid, cum, instrument) = self.orders.get(&id).map_or((0, 0, 0), |o| (o.vid, o.cum, o.instrument));
        let exec = Exec {
            id: Some(id),
            kind,
            venue_order_id: vid.to_string(),
            side: self.orders.get(&id).map(|o| o.side),
            cum_lots: Some(cum.unsigned_abs()),
            ts_venue_ns: epoch_ns,
            text: String::new(),
        };
        (instrument, exec)
    }

    /// Orders that rest.
    pub fn open(&self) -> &[ClientId] {
        &self.open
    }

    /// Trades `qty` of an order, and `beyond` lots more than it has.
    pub fn trade(
        &mut self,
        id: ClientId,
        qty: i64,
        beyond: i64,
        epoch_ns: i64,
        truth: &mut Truth,
    ) -> Option<(u32, Exec)> {
        let order = self.orders.get_mut(&id).filter(|o| o.state == VenueState::Live)?;
        let qty = qty.clamp(1, order.qty - order.cum) + beyond;
        self.execs += 1;
        order.cum += qty;
        if order.cum >= order.qty {
            order.state = VenueState::Filled;
        }
        let px = if order.px > 0 { order.px } else { 1_000 };
        let fill = Fill {
            exec_id: self.execs.to_string(),
            px_ticks: px,
            qty_lots: qty.unsigned_abs(),
            fee_e8: 3,
            fee_asset: "USDT".into(),
            maker: true,
            ts_venue_ns: epoch_ns,
        };
        let (vid, side, instrument, cum, filled) =
            (order.vid, order.side, order.instrument, order.cum, order.state == VenueState::Filled);
        let row = TradeRow { venue_order_id: vid.to_string(), side, fill: fill.clone() };
        self.trades.push((id, instrument, row));
        if let Some(order) = truth.orders.get_mut(&id) {
            (order.cum_lots, order.open) = (cum, !filled);
            let intent = order.intent;
            let fill = TrueFill { intent, instrument, side, px_ticks: px, qty_lots: qty, bust: false };
            truth.fill(&self.execs.to_string(), fill);
        }
        if filled {
            self.open.retain(|open| *open != id);
        }
        Some(self.exec(id, ExecKind::Trade(fill), epoch_ns))
    }

    /// Ends a resting order.
    pub fn end(
        &mut self,
        id: ClientId,
        state: VenueState,
        epoch_ns: i64,
        truth: &mut Truth,
    ) -> Option<(u32, Exec)> {
        let order = self.orders.get_mut(&id).filter(|o| o.state == VenueState::Live)?;
        order.state = state;
        self.open.retain(|open| *open != id);
        if let Some(order) = truth.orders.get_mut(&id) {
            order.open = false;
        }
        let kind = if state == VenueState::Cancelled { ExecKind::Cancelled } else { ExecKind::Expired };
        Some(self.exec(id, kind, epoch_ns))
    }

    /// The last trades, newest first, for one to be undone.
    pub fn last_trade(&self) -> Option<(ClientId, InstrumentId, &TradeRow)> {
        self.trades.last().map(|(id, instrument, row)| (*id, InstrumentId(*instrument), row))
    }
}
