//! A run's decisions beside those of the live gateway's core, which is given what a live gateway is given.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::limits::{Gave, Seen, busy, limited, run, table, wide};
use common::{rows, tapes};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_backtest::convert::{Format, Times, convert};
use tidegate_engine::strategy::layout as at;
use tidegate_instruments::{Instrument, Kind, Table, Venue};
use tidegate_risk::{Destination, Effects, Event, Gateway, Limits, Now, Trace};
use tidegate_units::{InstrumentId, IntentId, StrategyId};
use tidegate_wire::pb::common::v1::IntentId as PbIntentId;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::{
    Intent, IntentKind, OrderState, OrderType, Reason, Report, ReportKind, Tif,
};

/// The gateway's core alone, given by hand what a live gateway is given: books and time from the rows the strategy saw, the intents, and
/// reports made of what the strategy was told of its orders.
struct Live {
    gateway: Gateway,
    instruments: Vec<u32>,
    out: Effects,
    reports: u64,
    ticked_ns: f64,
}

impl Live {
    fn new(tapes: &[(Instrument, PathBuf)], limits: &Value) -> Self {
        let instruments = tapes.iter().map(|(row, _)| row.id).collect();
        let table = Table::from_json(table(tapes).as_bytes()).unwrap();
        let limits = Limits::from_json(limits.to_string().as_bytes(), &table).unwrap();
        let mut live = Self {
            instruments,
            gateway: Gateway::new(table, limits, 99),
            out: Effects::new(),
            reports: 0,
            ticked_ns: 0.0,
        };
        live.apply(0.0, Event::RouterCredits(10_000));
        live.apply(0.0, Event::RouterUp { restarted: true });
        let granted =
            Report { kind: ReportKind::Granted.into(), gateway_epoch: 1, holder: 99, ..Report::default() };
        live.report(0.0, granted);
        assert!(live.gateway.leads());
        live
    }

    fn apply(&mut self, now_ns: f64, event: Event) -> Effects {
        let now = Now { mono_ns: now_ns as u64 + 1, epoch_ns: 1_723_000_000_000_000_000 + now_ns as i64 };
        self.out.clear();
        self.gateway.apply(now, event, &mut self.out).unwrap();
        std::mem::take(&mut self.out)
    }

    fn report(&mut self, now_ns: f64, report: Report) {
        self.reports += 1;
        let report = Report { report_seq: self.reports, reason: Reason::Ok.into(), ..report };
        self.apply(now_ns, Event::Report { trace: Trace::default(), report });
    }

    fn ticks(&mut self, now_ns: f64) {
        while now_ns - self.ticked_ns >= 20e6 {
            self.ticked_ns += 20e6;
            let at = self.ticked_ns;
            for instrument in self.instruments.clone() {
                self.apply(at, Event::FeedAlive { instrument: InstrumentId(instrument) });
            }
            self.apply(at, Event::RouterCredits(10_000));
            self.apply(at, Event::Tick);
        }
    }

    fn venue_of(&self, instrument: u32) -> u32 {
        self.gateway.table().get(InstrumentId(instrument)).unwrap().venue_id
    }

    fn seen(&mut self, row: Seen<'_>) {
        let now_ns = row[at::EVENT_NOW_NS];
        self.ticks(now_ns);
        let id = |seq: f64| {
            let (hi, lo) = IntentId::new(StrategyId(7), 1, seq as u64).halves();
            PbIntentId { hi, lo }
        };
        let instrument = row[at::EVENT_INSTRUMENT] as u32;
        let about = |seq: f64, kind: ReportKind| Report {
            kind: kind.into(),
            intent_id: Some(id(seq)),
            instrument_id: instrument,
            venue_id: self.venue_of(instrument),
            client_order_id: tidegate_wire::ids::client_order_id(
                IntentId::new(StrategyId(7), 1, seq as u64).0,
                0,
                0,
            ),
            ..Report::default()
        };
        match row[at::EVENT_KIND] as usize {
            at::EVENT_KIND_BOOK_TOP => {
                let side = |px: usize, qty: usize| (row[qty] > 0.0).then_some(row[px] as i64);
                let event = Event::Reference {
                    instrument: InstrumentId(instrument),
                    bid_px_ticks: side(at::BOOK_TOP_BID_PX, at::BOOK_TOP_BID_QTY),
                    ask_px_ticks: side(at::BOOK_TOP_ASK_PX, at::BOOK_TOP_ASK_QTY),
                    valid: row[at::BOOK_TOP_STATE] == 2.0,
                    ts_ns: now_ns as i64 + 1,
                };
                self.apply(now_ns, event);
            }
            at::EVENT_KIND_FILL => {
                let seq = row[at::FILL_SEQ];
                let fill = Report {
                    side: row[at::FILL_SIDE] as i32,
                    last_px_ticks: row[at::FILL_PX] as i64,
                    last_qty_lots: row[at::FILL_QTY] as u64,
                    exec_id: format!("x{}", self.reports),
                    fee_e8: row[at::FILL_FEE_E8] as i64,
                    fee_asset: self.gateway.table().get(InstrumentId(instrument)).unwrap().quote.clone(),
                    maker: row[at::FILL_MAKER] == 1.0,
                    ..about(seq, ReportKind::Fill)
                };
                self.report(now_ns, fill);
            }
            at::EVENT_KIND_ORDER_UPDATE => {
                let kind = match OrderState::try_from(row[at::ORDER_UPDATE_STATE] as i32).unwrap() {
                    OrderState::Live => ReportKind::Ack,
                    OrderState::Cancelled => ReportKind::Cancelled,
                    OrderState::Expired => ReportKind::Expired,
                    _ => return,
                };
                let cum_qty_lots = row[at::ORDER_UPDATE_CUM_QTY] as u64;
                let report = Report { cum_qty_lots, ..about(row[at::ORDER_UPDATE_SEQ], kind) };
                self.report(now_ns, report);
            }
            _ => {}
        }
    }

    /// Decision and reason of one intent.
    fn decide(&mut self, now_ns: f64, view: &[f64]) -> (u32, i32) {
        let seq = view[at::INTENT_SEQ] as u64;
        let halves = |seq: u64| {
            let (hi, lo) = IntentId::new(StrategyId(7), 1, seq).halves();
            Some(PbIntentId { hi, lo })
        };
        let new = view[at::INTENT_KIND] == 1.0;
        let mut intent = Intent {
            intent_id: halves(seq),
            kind: if new { IntentKind::New } else { IntentKind::Cancel }.into(),
            instrument_id: view[at::INTENT_INSTRUMENT] as u32,
            account_id: 3,
            instrument_table_version: 4,
            ..Intent::default()
        };
        if new {
            intent.side = view[at::INTENT_SIDE] as i32;
            intent.order_type = OrderType::Limit.into();
            intent.tif = Tif::try_from(view[at::INTENT_TIF] as i32).unwrap().into();
            (intent.px_ticks, intent.qty_lots) = (view[at::INTENT_PX] as i64, view[at::INTENT_QTY] as u64);
        } else {
            intent.target_intent_id = halves(view[at::INTENT_TARGET_SEQ] as u64);
        }
        let out =
            self.apply(now_ns, Event::Intent { principal: StrategyId(7), trace: Trace::default(), intent });
        let reply = out.iter().find_map(|effect| match (&effect.envelope.payload, effect.to) {
            (Some(Payload::IntentReply(reply)), Destination::Strategy(_)) => {
                Some((reply.decision as u32, reply.reason))
            }
            _ => None,
        });
        reply.unwrap()
    }
}

/// Runs the busy strategy under these limits, and has the live core decide each of its intents; gives the run.
fn decided_alike(tapes: &[(Instrument, PathBuf)], limits: &Value) -> Gave {
    let mut strategy = busy();
    let mut live = Live::new(tapes, limits);
    let mut want = BTreeMap::new();
    let gave = run(&limited(tapes, Some(limits)), |row| {
        live.seen(row);
        let views = strategy(row);
        for view in &views {
            want.insert(view[at::INTENT_SEQ] as u64, live.decide(row[at::EVENT_NOW_NS], view));
        }
        views
    });
    let differ: Vec<_> = want.iter().filter(|(seq, it)| gave.replies.get(seq) != Some(it)).collect();
    assert!(differ.is_empty(), "{} differ: {:?}", differ.len(), &differ[..differ.len().min(5)]);
    assert_eq!(want.len(), gave.replies.len());
    gave
}

#[test]
fn b099_the_live_gateways_core_decides_every_intent_of_recorded_minutes_as_the_run_did() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    // Tight enough that each of several controls refuses some of what the strategy asks for.
    let mut limits = wide(&tapes);
    limits["instruments"][0]["position_lots_max"] = 60.into();
    limits["instruments"][1]["position_lots_max"] = 45.into();
    limits["strategies"][0]["messages_max"] = 3.into();
    limits["strategies"][0]["open_orders_max"] = 2.into();
    let gave = decided_alike(&tapes, &limits);
    let refused = gave.summary["gateway"]["refused"].as_object().unwrap();
    assert!(gave.replies.len() > 400, "{}", gave.replies.len());
    assert!(refused.len() >= 4, "{refused:?}");
    // The negative control: other limits decide otherwise.
    limits["strategies"][0]["messages_max"] = 4.into();
    let other = run(&limited(&tapes, Some(&limits)), busy());
    assert_ne!(other.replies, gave.replies);
}

#[test]
#[ignore = "needs TIDEGATE_DATA"]
fn b099_the_live_gateways_core_decides_every_intent_of_a_whole_recorded_day_as_the_run_did() {
    let data = PathBuf::from(std::env::var("TIDEGATE_DATA").expect("TIDEGATE_DATA names the data"));
    let dir = tempfile::tempdir().unwrap();
    let row = Instrument {
        id: 12,
        venue_id: 5,
        venue: Venue::Alpaca,
        symbol: "AMZN".into(),
        kind: Kind::Equity,
        base: "AMZN".into(),
        quote: "USD".into(),
        px_scale: 2,
        qty_scale: 0,
        e8_per_tick_lot: 1_000_000,
        max_qty_lots: 1_000_000,
        ..rows()[0].0.clone()
    };
    let files = ["message", "orderbook"].map(|name| {
        data.join(format!("lobster-2012-06-21/AMZN_2012-06-21_34200000_57600000_{name}_1.csv.gz"))
    });
    let tape = dir.path().join("amzn.tape");
    // Midnight of 21 June 2012 in New York.
    let times = Times { midnight_ns: 1_340_251_200_000_000_000, ..Times::default() };
    convert(Format::Lobster, &files, &row, times, &tape).unwrap();
    let tapes = vec![(row, tape)];
    let mut limits = wide(&tapes);
    limits["instruments"][0]["position_lots_max"] = 300.into();
    limits["instruments"][0]["drift"] = json!({ "bps_max": 20, "window_ms": 60_000 });
    limits["strategies"][0]["messages_max"] = 6.into();
    limits["strategies"][0]["order_to_trade"] =
        json!({ "ratio_max": 3, "messages_min": 500, "market": "24/7" });
    let gave = decided_alike(&tapes, &limits);
    let refused = gave.summary["gateway"]["refused"].as_object().unwrap();
    eprintln!("{} intents: {refused:?}", gave.replies.len());
    assert!(gave.replies.len() > 4_000, "{}", gave.replies.len());
    assert!(refused.len() >= 3, "{refused:?}");
}
