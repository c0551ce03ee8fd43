//! A gateway with a journal beside it, and short ways to say what happens to it.
#![allow(dead_code, missing_debug_implementations, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tidegate_instruments::Table;
use tidegate_risk::{Bounds, Destination, Effect, Event, Gateway, Limits, Now, Trace};
use tidegate_units::{InstrumentId, IntentId, Side, StrategyId};
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{
    Command, CommandKind, Intent, IntentKind, IntentReply, OrderType, Reason, Report, ReportKind, Tif,
};
use tidegate_wire::validate;

pub const HOLDER: u64 = 77;
pub const SPOT: u32 = 1;
pub const PERP: u32 = 2;

pub fn table() -> Table {
    Table::from_json(include_bytes!("../../../../../../config/instruments.json")).unwrap()
}

/// Round limits: strategies 1 and 2, collar 2 % (5 % reducing), positions 100 lots of the perpetual.
pub const LIMITS: &str = r#"{
  "version": 1, "startup_holdoff_ms": 0, "requery_ms": 2000,
  "firm": { "exposure_e8_max": 2000000000000, "open_orders_max": 12 },
  "accounts": [{ "account_id": 1, "exposure_e8_max": 1500000000000 }],
  "strategies": [
    { "strategy_id": 1, "exposure_e8_max": 1000000000000, "open_orders_max": 8, "messages_max": 10, "messages_window_ms": 1000 },
    { "strategy_id": 2, "exposure_e8_max": 1000000000000, "open_orders_max": 8, "messages_max": 10, "messages_window_ms": 1000 }
  ],
  "instruments": [
    { "instrument_id": 1, "order_qty_lots_max": 20000, "order_notional_e8_max": 600000000000, "position_lots_max": 40000,
      "exposure_e8_max": 900000000000, "px_ticks_max": 100000000, "collar_bps": 200, "reducing_collar_bps": 500, "reference_age_ms_max": 1000 },
    { "instrument_id": 2, "order_qty_lots_max": 60, "order_notional_e8_max": 400000000000, "position_lots_max": 100,
      "exposure_e8_max": 700000000000, "px_ticks_max": 1000000, "collar_bps": 200, "reducing_collar_bps": 500, "reference_age_ms_max": 1000 }
  ]
}"#;

pub fn limits_of(json: &str) -> Limits {
    Limits::from_json(json.as_bytes(), &table()).unwrap()
}

pub struct Rig {
    pub gateway: Gateway,
    pub limits: Limits,
    pub bounds: Bounds,
    pub now: Now,
    pub journal: Vec<Envelope>,
    /// Effects of the last event.
    pub out: Vec<Effect>,
    pub report_seq: u64,
}

impl Rig {
    pub fn bare(limits_json: &str) -> Self {
        Self::bounded(limits_json, Bounds::default())
    }

    pub fn bounded(limits_json: &str, bounds: Bounds) -> Self {
        let limits = limits_of(limits_json);
        let gateway = Gateway::with_bounds(table(), limits.clone(), HOLDER, bounds);
        let now = Now { mono_ns: 10_000_000_000, epoch_ns: 1_700_000_000_000_000_000 };
        Self { gateway, limits, bounds, now, journal: vec![], out: vec![], report_seq: 0 }
    }

    /// Leads, has credits, and prices both instruments at 60,000.
    pub fn ready() -> Self {
        Self::ready_with(LIMITS)
    }

    pub fn ready_with(limits_json: &str) -> Self {
        let mut rig = Self::bare(limits_json);
        rig.lead();
        rig.price(SPOT, 6_000_000);
        rig.price(PERP, 600_000);
        rig
    }

    pub fn apply(&mut self, event: Event) -> &[Effect] {
        self.out.clear();
        self.gateway.apply(self.now, event, &mut self.out).unwrap();
        for effect in &self.out {
            validate::envelope(&effect.envelope).unwrap_or_else(|e| panic!("{e:?}: {:?}", effect.envelope));
            if effect.journal {
                self.journal.push(effect.envelope.clone());
            } else {
                assert_eq!(effect.envelope.log_seq, 0);
            }
            assert!(effect.journal || matches!(effect.to, Destination::Strategy(_)));
        }
        &self.out
    }

    pub fn pass_ms(&mut self, ms: u64) {
        self.now.mono_ns += ms * 1_000_000;
        self.now.epoch_ns += i64::try_from(ms).unwrap() * 1_000_000;
    }

    pub fn lead(&mut self) {
        self.apply(Event::RouterCredits(100));
        self.apply(Event::RouterUp { restarted: true });
        let epoch = self.commands().last().unwrap().gateway_epoch;
        self.granted(epoch);
    }

    pub fn granted(&mut self, epoch: u32) {
        self.report(Report {
            kind: ReportKind::Granted.into(),
            gateway_epoch: epoch,
            holder: HOLDER,
            reason: Reason::Ok.into(),
            ..Report::default()
        });
        assert!(self.gateway.leads());
    }

    pub fn price(&mut self, instrument: u32, px: i64) {
        self.apply(Event::Reference {
            instrument: InstrumentId(instrument),
            bid_px_ticks: Some(px),
            ask_px_ticks: Some(px),
            valid: true,
            ts_ns: self.now.epoch_ns,
        });
    }

    pub fn intent(&mut self, intent: Intent) -> IntentReply {
        let strategy = StrategyId((intent.intent_id.unwrap().hi >> 32) as u32);
        self.intent_from(strategy, intent)
    }

    pub fn intent_from(&mut self, principal: StrategyId, intent: Intent) -> IntentReply {
        self.apply(Event::Intent { principal, trace: Trace::default(), intent });
        let mut replies = self.out.iter().filter_map(|e| match &e.envelope.payload {
            Some(Payload::IntentReply(r)) => Some(r.clone()),
            _ => None,
        });
        let reply = replies.next().expect("every intent with an id is answered");
        assert!(replies.next().is_none(), "and once");
        reply
    }

    pub fn reason(&mut self, intent: Intent) -> Reason {
        self.intent(intent).reason()
    }

    /// Gives the report the next sequence number and hands it in.
    pub fn report(&mut self, report: Report) {
        self.report_seq += 1;
        let report = Report { report_seq: self.report_seq, ..report };
        self.apply(Event::Report { trace: Trace::default(), report });
    }

    pub fn control(&mut self, action: ControlAction, principal: &str) {
        self.apply(Event::Control(ControlEvent {
            action: action.into(),
            principal: principal.into(),
            reason: "test".into(),
            ts_ns: self.now.epoch_ns,
            ..ControlEvent::default()
        }));
    }

    /// The commands of the last event.
    pub fn commands(&self) -> Vec<Command> {
        let command = |e: &Effect| match (&e.envelope.payload, e.to) {
            (Some(Payload::Command(c)), Destination::Router) => Some(c.clone()),
            _ => None,
        };
        self.out.iter().filter_map(command).collect()
    }

    pub fn command_kinds(&self) -> Vec<CommandKind> {
        self.commands().iter().map(Command::kind).collect()
    }

    /// A process started anew on the same journal.
    pub fn restart(&mut self) {
        self.gateway = self.folded(&self.journal);
        self.apply(Event::Start);
    }

    pub fn folded(&self, journal: &[Envelope]) -> Gateway {
        let mut gateway = Gateway::with_bounds(table(), self.limits.clone(), HOLDER, self.bounds);
        for record in journal {
            gateway.recover(record).unwrap();
        }
        gateway
    }
}

pub fn id(strategy: u32, seq: u64) -> IntentId {
    IntentId::new(StrategyId(strategy), 1, seq)
}

pub fn wire(id: IntentId) -> tidegate_wire::pb::common::v1::IntentId {
    let (hi, lo) = id.halves();
    tidegate_wire::pb::common::v1::IntentId { hi, lo }
}

pub fn side(side: Side) -> i32 {
    match side {
        Side::Buy => 1,
        Side::Sell => 2,
    }
}

pub fn limit(id: IntentId, instrument: u32, of: Side, px: i64, qty: u64) -> Intent {
    Intent {
        intent_id: Some(wire(id)),
        kind: IntentKind::New.into(),
        instrument_id: instrument,
        account_id: 1,
        side: side(of),
        order_type: OrderType::Limit.into(),
        tif: Tif::Gtc.into(),
        px_ticks: px,
        qty_lots: qty,
        instrument_table_version: 1,
        ..Intent::default()
    }
}

pub fn market(id: IntentId, instrument: u32, of: Side, qty: u64) -> Intent {
    Intent { order_type: OrderType::Market.into(), tif: Tif::Ioc.into(), ..limit(id, instrument, of, 0, qty) }
}

pub fn cancel(id: IntentId, target: IntentId) -> Intent {
    Intent {
        intent_id: Some(wire(id)),
        kind: IntentKind::Cancel.into(),
        target_intent_id: Some(wire(target)),
        ..Intent::default()
    }
}

/// A report about one of our orders.
pub fn about(id: IntentId, instrument: u32, kind: ReportKind, cum: u64) -> Report {
    Report {
        kind: kind.into(),
        intent_id: Some(wire(id)),
        client_order_id: tidegate_wire::ids::client_order_id(id.0, 0, 0),
        instrument_id: instrument,
        venue_id: instrument,
        cum_qty_lots: cum,
        reason: Reason::Ok.into(),
        ..Report::default()
    }
}

pub fn fill(id: IntentId, instrument: u32, of: Side, px: i64, qty: u64, cum: u64, exec: &str) -> Report {
    Report {
        side: side(of),
        last_px_ticks: px,
        last_qty_lots: qty,
        exec_id: exec.into(),
        fee_e8: 7,
        fee_asset: "USDT".into(),
        ..about(id, instrument, ReportKind::Fill, cum)
    }
}
