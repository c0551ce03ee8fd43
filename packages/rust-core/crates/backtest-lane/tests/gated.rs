//! A run with the gateway and the router inside: what is refused live is refused in it, by the same cores and for the same reason.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::{rows, tapes};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_backtest_lane::Lane;
use tidegate_engine::strategy::layout as at;
use tidegate_instruments::{Instrument, Table};
use tidegate_risk::{Destination, Effects, Event, Gateway, Limits, Now, Trace};
use tidegate_units::{InstrumentId, IntentId, StrategyId};
use tidegate_wire::pb::common::v1::IntentId as PbIntentId;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::{
    Intent, IntentKind, OrderState, OrderType, Reason, Report, ReportKind, Tif,
};

const PERP: u32 = 2;
const HUGE: i64 = 1 << 62;

/// Limits that refuse nothing a strategy here asks for, of strategy 7 and account 3.
fn wide() -> Value {
    let instrument = |id: u32| {
        json!({
            "instrument_id": id, "order_qty_lots_max": 1_i64 << 40, "order_notional_e8_max": HUGE,
            "position_lots_max": 1_i64 << 40, "exposure_e8_max": HUGE, "px_ticks_max": 1_i64 << 40,
            "collar_bps": 9_000, "reducing_collar_bps": 9_000, "reference_age_ms_max": 60_000,
        })
    };
    json!({
        "version": 1, "startup_holdoff_ms": 0, "requery_ms": 2_000,
        "firm": { "exposure_e8_max": HUGE, "open_orders_max": 10_000 },
        "accounts": [{ "account_id": 3, "exposure_e8_max": HUGE }],
        "strategies": [{
            "strategy_id": 7, "exposure_e8_max": HUGE, "open_orders_max": 10_000,
            "messages_max": 4_000, "messages_window_ms": 1_000,
        }],
        "instruments": [instrument(1), instrument(PERP)],
    })
}

fn table() -> String {
    let rows: Vec<Instrument> = rows().into_iter().map(|(row, _)| row).collect();
    json!({ "version": 4, "instruments": rows }).to_string()
}

/// A run over the tapes; with `limits` the gateway is inside.
fn config(tapes: &[(Instrument, PathBuf)], limits: Option<&Value>) -> Value {
    let latency = json!({"kind": "constant", "entryNs": 5_000_000, "answerNs": 3_000_000});
    let mut config: Value = serde_json::from_str(&common::config(tapes, 64, &latency)).unwrap();
    if let Some(limits) = limits {
        config["limits"] =
            json!({ "file": limits.to_string(), "table": table(), "strategyId": 7, "accountId": 3 });
    }
    config
}

/// What one event of the lane says, by the names the test needs.
type Seen<'a> = &'a [f64];

#[derive(Debug, Clone, PartialEq, Default)]
struct Gave {
    /// Decision and reason of each intent, by its sequence.
    replies: BTreeMap<u64, (u32, i32)>,
    /// States of each order, in the order they were told.
    states: BTreeMap<u64, Vec<i32>>,
    fills: Vec<u64>,
    samples: Vec<u64>,
    summary: Value,
}

impl Gave {
    fn reasons(&self) -> Vec<Reason> {
        self.replies.values().map(|(_, reason)| Reason::try_from(*reason).unwrap()).collect()
    }
    fn orders(&self) -> u64 {
        self.summary["instruments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| each["orders"].as_u64().unwrap())
            .sum()
    }
}

fn intent(seq: u64, instrument: f64, set: &[(usize, f64)]) -> [f64; at::INTENT_DOUBLES] {
    let mut view = [0.0; at::INTENT_DOUBLES];
    (view[at::INTENT_SEQ], view[at::INTENT_INSTRUMENT], view[at::INTENT_ACCOUNT]) =
        (seq as f64, instrument, 3.0);
    (view[at::INTENT_KIND], view[at::INTENT_ORDER_TYPE], view[at::INTENT_TARGET_EPOCH]) = (1.0, 1.0, 1.0);
    set.iter().for_each(|(place, value)| view[*place] = *value);
    view
}

/// Runs to the end; `act` sees each event and gives the intents it causes.
fn run(config: &Value, mut act: impl FnMut(Seen<'_>) -> Vec<[f64; at::INTENT_DOUBLES]>) -> Gave {
    let mut lane = Lane::open(&config.to_string()).unwrap();
    let mut rows = vec![0.0; at::EVENTS_MAX * at::EVENT_DOUBLES];
    let mut gave = Gave::default();
    while let Some(count) = lane.poll(&mut rows).unwrap() {
        for index in 0..count {
            let row = &rows[index * at::EVENT_DOUBLES..][..at::EVENT_DOUBLES];
            match row[at::EVENT_KIND] as usize {
                at::EVENT_KIND_INTENT_REPLY => {
                    let reply = (row[at::INTENT_REPLY_DECISION] as u32, row[at::INTENT_REPLY_REASON] as i32);
                    gave.replies.insert(row[at::INTENT_REPLY_SEQ] as u64, reply);
                }
                at::EVENT_KIND_ORDER_UPDATE => {
                    let state = row[at::ORDER_UPDATE_STATE] as i32;
                    gave.states.entry(row[at::ORDER_UPDATE_SEQ] as u64).or_default().push(state);
                }
                _ => {}
            }
            for mut view in act(row) {
                view[at::INTENT_EVENT_INDEX] = index as f64;
                let submitted = lane.submit(&view);
                // Without a gateway a cancel of what has ended is no message at all.
                let gone = config["limits"].is_null() && view[at::INTENT_KIND] == 2.0;
                assert!(gone || submitted == at::SUBMIT_OK, "{submitted} {view:?}");
            }
        }
    }
    let bits = |rows: &[f64]| rows.iter().map(|value| value.to_bits()).collect();
    (gave.fills, gave.samples) = (bits(&lane.columns().fills), bits(&lane.columns().samples));
    gave.summary = lane.summary();
    for instrument in gave.summary["instruments"].as_array().unwrap() {
        assert_eq!(instrument["audit"]["sound"], true, "{instrument}");
    }
    gave
}

fn valid_top(row: Seen<'_>, instrument: u32) -> bool {
    row[at::EVENT_KIND] == at::EVENT_KIND_BOOK_TOP as f64
        && row[at::EVENT_INSTRUMENT] == f64::from(instrument)
        && row[at::BOOK_TOP_STATE] == 2.0
}

/// At the `n`-th valid books of the perpetual: one order each, (book, buys, lots, post-only far from the touch or taking).
fn orders(list: &'static [(u32, bool, i64, bool)]) -> impl FnMut(Seen<'_>) -> Vec<[f64; at::INTENT_DOUBLES]> {
    let (mut books, mut seq) = (0, 0);
    move |row| {
        if !valid_top(row, PERP) {
            return Vec::new();
        }
        books += 1;
        let due = list.iter().filter(|(at, ..)| *at == books);
        due.map(|(_, buys, lots, rests)| {
            seq += 1;
            let px = match (buys, rests) {
                (true, true) => row[at::BOOK_TOP_BID_PX] - 300.0,
                (false, true) => row[at::BOOK_TOP_ASK_PX] + 300.0,
                (true, false) => row[at::BOOK_TOP_ASK_PX] + 50.0,
                (false, false) => row[at::BOOK_TOP_BID_PX] - 50.0,
            };
            intent(
                seq,
                f64::from(PERP),
                &[
                    (at::INTENT_SIDE, if *buys { 1.0 } else { 2.0 }),
                    (at::INTENT_TIF, if *rests { 4.0 } else { 2.0 }),
                    (at::INTENT_PX, px),
                    (at::INTENT_QTY, *lots as f64),
                ],
            )
        })
        .collect()
    }
}

/// Rests at the touch and takes by turns, cancels the order before: buys of the spot, sells of the perpetual.
fn busy() -> impl FnMut(Seen<'_>) -> Vec<[f64; at::INTENT_DOUBLES]> {
    let (mut books, mut seq, mut last) = (0_u64, 0_u64, [0_u64; 3]);
    move |row| {
        let instrument = row[at::EVENT_INSTRUMENT] as u32;
        if !valid_top(row, instrument) {
            return Vec::new();
        }
        books += 1;
        if books % 11 != 0 {
            return Vec::new();
        }
        let mut out = Vec::new();
        let before = &mut last[instrument as usize];
        if *before != 0 {
            seq += 1;
            let target = [
                (at::INTENT_KIND, 2.0),
                (at::INTENT_ORDER_TYPE, 0.0),
                (at::INTENT_TARGET_SEQ, *before as f64),
            ];
            out.push(intent(seq, f64::from(instrument), &target));
        }
        let buys = instrument == 1;
        let takes = books % 5 == 0;
        seq += 1;
        let px = if buys == takes { row[at::BOOK_TOP_ASK_PX] } else { row[at::BOOK_TOP_BID_PX] };
        let terms = [
            (at::INTENT_SIDE, if buys { 1.0 } else { 2.0 }),
            (at::INTENT_TIF, if takes { 2.0 } else { 4.0 }),
            (at::INTENT_PX, px),
            (at::INTENT_QTY, 3.0),
        ];
        out.push(intent(seq, f64::from(instrument), &terms));
        *before = seq;
        out
    }
}

#[test]
fn b099_limits_that_refuse_nothing_give_the_run_without_a_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let without = run(&config(&tapes, None), busy());
    let with = run(&config(&tapes, Some(&wide())), busy());
    assert!(without.orders() > 300 && !without.fills.is_empty());
    assert_eq!((without.fills, without.samples), (with.fills.clone(), with.samples.clone()));
    assert_eq!(without.summary["gateway"], Value::Null);
    assert_ne!(without.summary["runHash"], with.summary["runHash"]);
    for (a, b) in without.summary["instruments"]
        .as_array()
        .unwrap()
        .iter()
        .zip(with.summary["instruments"].as_array().unwrap())
    {
        assert_eq!((&a["orders"], &a["received"], &a["venue"]), (&b["orders"], &b["received"], &b["venue"]));
    }
    // Cancels of what has ended are refused and never sent; without a gateway nobody says so.
    let refused = with.summary["gateway"]["refused"].as_object().unwrap();
    assert_eq!(refused.keys().collect::<Vec<_>>(), ["UNKNOWN_ORDER"], "{refused:?}");
}

#[test]
fn b099_a_limit_refuses_one_above_its_bound_and_nothing_at_it() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let list: &[_] = &[(100, true, 9, true), (101, true, 10, true), (102, true, 11, true)];
    let mut limits = wide();
    limits["instruments"][1]["order_qty_lots_max"] = 10.into();
    let gave = run(&config(&tapes, Some(&limits)), orders(list));
    assert_eq!(gave.reasons(), [Reason::Ok, Reason::Ok, Reason::MaxQtyExceeded]);
    assert_eq!(gave.summary["gateway"]["refused"], json!({ "MAX_QTY_EXCEEDED": 1 }));
    // What is refused never was an order, at the venue or for the strategy.
    assert_eq!((gave.orders(), gave.states.len(), gave.states.get(&3)), (2, 2, None));
    // The negative controls: a wider limit, and no gateway.
    limits["instruments"][1]["order_qty_lots_max"] = 11.into();
    let wider = run(&config(&tapes, Some(&limits)), orders(list));
    assert_eq!((wider.reasons(), wider.orders()), (vec![Reason::Ok; 3], 3));
    assert_eq!(run(&config(&tapes, None), orders(list)).orders(), 3);
}

#[test]
fn b099_a_position_limit_counts_what_the_run_has_filled_and_what_still_stands() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    // 4 taken and 3 standing: 3 more are at the bound of 10, and the next lot is beyond it until something is sold.
    let list: &[_] = &[
        (100, true, 4, false),
        (160, true, 3, true),
        (161, true, 3, true),
        (162, true, 1, true),
        (200, false, 4, false),
        (260, true, 4, true),
        (261, true, 1, true),
    ];
    let mut limits = wide();
    limits["instruments"][1]["position_lots_max"] = 10.into();
    let gave = run(&config(&tapes, Some(&limits)), orders(list));
    let over = Reason::PositionLimitExceeded;
    assert_eq!(gave.reasons(), [Reason::Ok, Reason::Ok, Reason::Ok, over, Reason::Ok, Reason::Ok, over]);
    // Two lots more room: the fourth order takes the first of them, the last one the second.
    limits["instruments"][1]["position_lots_max"] = 12.into();
    let wider = run(&config(&tapes, Some(&limits)), orders(list));
    assert_eq!(wider.reasons(), [Reason::Ok; 7]);
}

#[test]
fn b099_a_rate_is_over_the_runs_time_and_free_again_after_its_window() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let mut limits = wide();
    limits["strategies"][0]["messages_max"] = 3.into();
    let (mut books, mut seq, mut first) = (0, 0, 0.0);
    let mut sent = Vec::new();
    let gave = run(&config(&tapes, Some(&limits)), |row| {
        if !valid_top(row, PERP) {
            return Vec::new();
        }
        books += 1;
        let since = row[at::EVENT_NOW_NS] - first;
        let due = match seq {
            0 => books == 100,
            1..=3 => true,
            // The last ns of the window, as near as the tape has one, and the first book after it.
            4 => since >= 1e9,
            _ => false,
        };
        if !due {
            return Vec::new();
        }
        if seq == 0 {
            first = row[at::EVENT_NOW_NS];
        }
        seq += 1;
        sent.push(row[at::EVENT_NOW_NS] - first);
        let terms = [
            (at::INTENT_SIDE, 1.0),
            (at::INTENT_TIF, 4.0),
            (at::INTENT_PX, row[at::BOOK_TOP_BID_PX] - 300.0),
            (at::INTENT_QTY, 1.0),
        ];
        vec![intent(seq, f64::from(PERP), &terms)]
    });
    assert!(sent[3] < 1e9 && sent[4] < 1.5e9, "{sent:?}");
    assert_eq!(gave.reasons(), [Reason::Ok, Reason::Ok, Reason::Ok, Reason::MessageRate, Reason::Ok]);
}

#[test]
fn b099_an_orders_life_is_told_by_the_routers_states() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let (mut books, mut seq) = (0, 0);
    let gave = run(&config(&tapes, Some(&wide())), |row| {
        if !valid_top(row, PERP) {
            return Vec::new();
        }
        books += 1;
        let (buy, px) = (row[at::BOOK_TOP_BID_PX], row[at::BOOK_TOP_ASK_PX]);
        let mut send = |set: &[(usize, f64)]| {
            seq += 1;
            intent(seq, f64::from(PERP), set)
        };
        let order = |px: f64, tif: f64| {
            [(at::INTENT_SIDE, 1.0), (at::INTENT_TIF, tif), (at::INTENT_PX, px), (at::INTENT_QTY, 2.0)]
        };
        match books {
            // Rests, and is cancelled in the same breath: before the venue has answered for it.
            100 => vec![
                send(&order(buy - 300.0, 4.0)),
                send(&[(at::INTENT_KIND, 2.0), (at::INTENT_ORDER_TYPE, 0.0), (at::INTENT_TARGET_SEQ, 1.0)]),
            ],
            // Post-only through the touch; what takes; what nobody offers.
            200 => vec![send(&order(px + 100.0, 4.0))],
            300 => vec![send(&order(px + 100.0, 2.0))],
            400 => vec![send(&order(buy - 300.0, 2.0))],
            _ => Vec::new(),
        }
    });
    assert_eq!(gave.reasons(), [Reason::Ok; 5]);
    let states = |seq: u64| -> Vec<OrderState> {
        gave.states[&seq].iter().map(|state| OrderState::try_from(*state).unwrap()).collect()
    };
    use OrderState::{Cancelled, Expired, Filled, Live, PendingCancel, PendingNew};
    assert_eq!(states(1), [PendingNew, PendingCancel, PendingCancel, Cancelled]);
    assert_eq!(states(3), [PendingNew, Live, Expired]);
    assert_eq!(states(4).last(), Some(&Filled));
    assert_eq!(states(5), [PendingNew, Live, Expired]);
    assert_eq!(gave.states.len(), 4);
    assert!(!states(4).contains(&Expired));
}

#[test]
fn b099_the_runs_hash_covers_the_limits_and_the_decisions() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let list: &[_] = &[(100, true, 5, true)];
    let hash = |limits: &Value| {
        let gave = run(&config(&tapes, Some(limits)), orders(list));
        assert_eq!(gave.reasons(), [Reason::Ok]);
        (gave.summary["runHash"].clone(), gave.summary["gateway"]["limitsHash"].clone())
    };
    let mut limits = wide();
    let first = hash(&limits);
    assert_eq!(hash(&limits), first);
    // Nothing is decided otherwise, and still it is another run.
    limits["instruments"][0]["order_qty_lots_max"] = 77.into();
    let other = hash(&limits);
    assert_ne!((&other.0, &other.1), (&first.0, &first.1));
}

#[test]
fn b099_limits_that_cannot_be_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    let refused = |change: &dyn Fn(&mut Value), want: &str| {
        let mut bad = config(&tapes, Some(&wide()));
        change(&mut bad["limits"]);
        let fault = Lane::open(&bad.to_string()).unwrap_err();
        assert!(fault.contains(want), "{fault}");
    };
    refused(&|bad| bad["strategyId"] = 8.into(), "no row of strategy 8");
    refused(&|bad| bad["file"] = "{".into(), "cannot read the limits file");
    refused(&|bad| bad["table"] = "{}".into(), "limits: ");
    refused(&|bad| bad["speed"] = 1.into(), "speed");
    let other = |bad: &mut Value| {
        let mut table: Value = serde_json::from_str(bad["table"].as_str().unwrap()).unwrap();
        table["instruments"][1]["max_qty_lots"] = 5.into();
        bad["table"] = table.to_string().into();
    };
    refused(&other, "another row of instrument 2");
}

/// The gateway's core alone, given by hand what a live gateway is given: books and time from the rows the strategy saw, the intents, and
/// reports made of what the strategy was told of its orders.
struct Live {
    gateway: Gateway,
    out: Effects,
    reports: u64,
    ticked_ns: f64,
}

impl Live {
    fn new(limits: &Value) -> Self {
        let table = Table::from_json(table().as_bytes()).unwrap();
        let limits = Limits::from_json(limits.to_string().as_bytes(), &table).unwrap();
        let mut live = Self {
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
            for instrument in [1, PERP] {
                self.apply(at, Event::FeedAlive { instrument: InstrumentId(instrument) });
            }
            self.apply(at, Event::RouterCredits(10_000));
            self.apply(at, Event::Tick);
        }
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
            venue_id: instrument,
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
                    fee_asset: "USDT".into(),
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

#[test]
fn b099_the_live_gateways_core_decides_every_intent_of_a_recorded_day_as_the_run_did() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = tapes(dir.path());
    // Tight enough that each of several controls refuses some of what the strategy asks for.
    let mut limits = wide();
    limits["instruments"][0]["position_lots_max"] = 60.into();
    limits["instruments"][1]["position_lots_max"] = 45.into();
    limits["strategies"][0]["messages_max"] = 3.into();
    limits["strategies"][0]["open_orders_max"] = 2.into();
    let mut strategy = busy();
    let mut live = Live::new(&limits);
    let mut want = BTreeMap::new();
    let gave = run(&config(&tapes, Some(&limits)), |row| {
        live.seen(row);
        let views = strategy(row);
        for view in &views {
            want.insert(view[at::INTENT_SEQ] as u64, live.decide(row[at::EVENT_NOW_NS], view));
        }
        views
    });
    let refused = gave.summary["gateway"]["refused"].as_object().unwrap();
    assert!(gave.replies.len() > 400, "{}", gave.replies.len());
    assert!(refused.len() >= 4, "{refused:?}");
    let differ: Vec<_> =
        want.iter().filter(|(seq, decision)| gave.replies.get(seq) != Some(decision)).collect();
    assert!(
        differ.is_empty() && want.len() == gave.replies.len(),
        "{} differ: {:?}",
        differ.len(),
        &differ[..differ.len().min(5)]
    );
    // The negative control: other limits decide otherwise.
    limits["strategies"][0]["messages_max"] = 4.into();
    let other = run(&config(&tapes, Some(&limits)), busy());
    assert_ne!(other.replies, gave.replies);
}
