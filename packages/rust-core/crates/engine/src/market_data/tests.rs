//! The feed against recorded messages and made-up failures, and the whole loop against a websocket server.

use super::features::Features;
use super::feed::{Feed, Publication, STAGE, Sink, Tracer};
use super::limits::{
    DEPTH_PERIOD_NS, SNAPSHOT_RETRY_NS, STALE_AFTER_NS, STATUS_REASON_BYTES_MAX, TOP_REFRESH_NS,
};
use crate::clock;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tidegate_bus::ends::{StreamSub, StreamWhat};
use tidegate_features::flags;
use tidegate_instruments::Table;
use tidegate_normalise::{
    BookTicker, Code, Event, Level, LimitBand, Moves, Print, PrintCancel, TradingState, TradingStatus,
};
use tidegate_units::{EpochNs, InstrumentId, PxTicks, QtyLots};
use tidegate_venue_io::Stamp;
use tidegate_wire::envelope::decode_checked;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::marketdata::v1::{
    BookState, BookTop, InstrumentStatus, TradingState as PbTradingState,
};
use tidegate_wire::topic::MdKind;

const TABLE: &str = r#"{"version":7,"instruments":[
{"id":1,"venue_id":1,"venue":"BINANCE_SPOT","symbol":"BTCUSDT","kind":"spot","base":"BTC","quote":"USDT","px_scale":2,"px_unit":1,"qty_scale":5,"qty_unit":1,"e8_per_tick_lot":10,"min_qty_lots":1,"max_qty_lots":900000000,"min_notional_e8":500000000},
{"id":2,"venue_id":2,"venue":"BINANCE_USDM","symbol":"BTCUSDT","kind":"linear_perp","base":"BTC","quote":"USDT","px_scale":1,"px_unit":1,"qty_scale":3,"qty_unit":1,"e8_per_tick_lot":10000,"min_qty_lots":1,"max_qty_lots":1000000,"min_notional_e8":500000000}]}"#;

#[derive(Default)]
struct Seen {
    sent: Vec<(MdKind, Vec<u8>)>,
    events: Vec<Value>,
}

impl Sink for Seen {
    fn publish(&mut self, publication: &Publication<'_>) {
        self.sent.push((publication.kind, publication.payload.to_vec()));
    }
    fn emit(&mut self, event: Value) {
        self.events.push(event);
    }
    fn raw(&mut self, _: Stamp, _: &str, _: &[u8], _: &[u8]) {}
}

impl Seen {
    fn payloads(&self) -> Vec<Payload> {
        self.sent.iter().map(|(_, bytes)| decode_checked(bytes).unwrap().payload.unwrap()).collect()
    }
    fn tops(&self) -> Vec<BookTop> {
        self.payloads()
            .into_iter()
            .filter_map(|p| if let Payload::BookTop(t) = p { Some(t) } else { None })
            .collect()
    }
    fn statuses(&self) -> Vec<InstrumentStatus> {
        let status = |p| if let Payload::InstrumentStatus(s) = p { Some(s) } else { None };
        self.payloads().into_iter().filter_map(status).collect()
    }
    fn snapshots_wanted(&self) -> usize {
        self.events.iter().filter(|e| e["type"] == "snapshot_wanted").count()
    }
}

fn feed(id: u32) -> Feed {
    let table = Table::from_json(TABLE.as_bytes()).unwrap();
    Feed::new(0, table.get(InstrumentId(id)).unwrap(), table.version(), features(json!({})))
}

/// The kernels of one instrument: `lob_basic_v1` alone but for what `extra` says.
fn features(extra: Value) -> Features {
    let basic = json!({ "profile": "basic-v1", "set": "lob_basic_v1", "levels": 5, "staleAfterMs": 5_000 });
    let mut config = json!({ "active": basic });
    if let (Some(config), Value::Object(extra)) = (config.as_object_mut(), extra) {
        config.extend(extra);
    }
    Features::new(&serde_json::from_value(config).unwrap()).unwrap()
}

fn profile(name: &str, set: &str, levels: usize) -> Value {
    json!({ "profile": name, "set": set, "levels": levels, "staleAfterMs": 5_000 })
}

fn at(ms: u64) -> Stamp {
    Stamp { epoch_ns: 1_723_161_255_000_000_000 + ms as i64 * 1_000_000, mono_ns: 1 + ms * 1_000_000 }
}

fn diff(first: u64, last: u64, bids: &str, asks: &str) -> Vec<u8> {
    format!(r#"{{"e":"depthUpdate","E":1723161255000,"s":"BTCUSDT","U":{first},"u":{last},"b":[{bids}],"a":[{asks}]}}"#)
        .into_bytes()
}

fn snapshot(id: u64) -> Vec<u8> {
    format!(r#"{{"lastUpdateId":{id},"bids":[["99.00","5"],["98.00","5"]],"asks":[["101.00","5"],["102.00","5"]]}}"#)
        .into_bytes()
}

fn ticker(id: u64, bid: &str, ask: &str) -> Vec<u8> {
    format!(r#"{{"u":{id},"s":"BTCUSDT","b":"{bid}","B":"1.0","a":"{ask}","A":"2.0"}}"#).into_bytes()
}

/// A spot feed whose book is VALID at update id 10.
fn valid() -> (Feed, Seen, Tracer) {
    let (mut f, mut seen, mut tracer) = (feed(1), Seen::default(), Tracer::new(1));
    f.on_open(at(0), &mut tracer, &mut seen);
    f.on_message(&diff(5, 10, "", ""), at(1), &mut tracer, &mut seen);
    assert_eq!(seen.snapshots_wanted(), 1);
    assert_eq!(f.on_snapshot(&snapshot(8), at(2), &mut tracer, &mut seen), "VALID");
    (f, seen, tracer)
}

fn states(seen: &Seen) -> Vec<BookState> {
    seen.statuses().iter().map(|s| BookState::try_from(s.state).unwrap()).collect()
}

#[test]
fn nothing_can_be_priced_from_before_the_book_is_in_step() {
    let (f, seen, _) = valid();
    assert_eq!(f.state(), BookState::Valid);
    assert_eq!(states(&seen), [BookState::Syncing, BookState::Valid]);
    let tops = seen.tops();
    assert_eq!(tops.len(), 1);
    let top = &tops[0];
    assert_eq!((top.bid_px_ticks, top.bid_qty_lots, top.ask_px_ticks), (9_900, 500_000, 10_100));
    assert_eq!((top.venue_seq, top.instrument_table_version, top.state), (10, 7, BookState::Valid as i32));
    assert_eq!((top.features[0], top.features[1]), (20_000, 200));
    assert_eq!(top.feature_set_hash, tidegate_features::set_hash());
    assert_eq!(top.feature_flags & flags::GAP, 0, "a first start is no gap");
}

#[test]
fn b011_a_gap_is_told_at_once_with_its_ids_and_repaired_by_a_snapshot() {
    let (mut f, mut seen, mut tracer) = valid();
    f.on_message(&diff(14, 15, "", ""), at(10), &mut tracer, &mut seen);
    let status = seen.statuses().pop().unwrap();
    assert_eq!((status.state, status.gap_first, status.gap_last), (BookState::Invalid as i32, 11, 13));
    let top = seen.tops().pop().unwrap();
    assert_eq!((top.state, top.bid_qty_lots, top.ask_qty_lots), (BookState::Invalid as i32, 0, 0));
    assert_eq!(seen.snapshots_wanted(), 2);
    let before = seen.tops().len();
    f.on_message(&ticker(16, "99.50", "100.50"), at(11), &mut tracer, &mut seen);
    assert_eq!(seen.tops().len(), before, "no touch while INVALID");
    assert_eq!(f.on_snapshot(&snapshot(9), at(12), &mut tracer, &mut seen), "TOO_OLD");
    assert_eq!(f.on_snapshot(&snapshot(14), at(52), &mut tracer, &mut seen), "VALID");
    let top = seen.tops().pop().unwrap();
    assert_eq!((top.bid_px_ticks, top.venue_seq), (9_950, 16), "the newer best bid and offer");
    assert_ne!(top.feature_flags & flags::GAP, 0);
    assert_eq!(f.stats()["repairMs"]["last"], 42);
    assert_eq!((f.stats()["gaps"].clone(), f.counts().resyncs), (json!(1), 2));
}

#[test]
fn b011_a_lost_session_voids_the_book() {
    let (mut f, mut seen, mut tracer) = valid();
    f.on_closed(&"é".repeat(100), at(10), &mut tracer, &mut seen);
    f.on_open(at(20), &mut tracer, &mut seen);
    f.on_message(&diff(50, 60, "", ""), at(21), &mut tracer, &mut seen);
    assert_eq!(f.on_snapshot(&snapshot(55), at(22), &mut tracer, &mut seen), "VALID");
    use BookState::{Invalid, Syncing, Valid};
    assert_eq!(states(&seen), [Syncing, Valid, Invalid, Syncing, Valid]);
    assert!(seen.statuses()[2].reason.len() <= STATUS_REASON_BYTES_MAX);
}

#[test]
fn a_crossed_book_and_a_crossed_ticker_are_not_published() {
    let (mut f, mut seen, mut tracer) = valid();
    let before = seen.tops().len();
    f.on_message(&ticker(11, "100.50", "100.50"), at(3), &mut tracer, &mut seen);
    assert_eq!((f.counts().tickers_crossed, seen.tops().len()), (1, before));
    f.on_message(&diff(11, 12, r#"["101.00","1"]"#, ""), at(4), &mut tracer, &mut seen);
    assert_eq!(
        (f.state(), seen.tops().pop().unwrap().state),
        (BookState::Invalid, BookState::Invalid as i32)
    );
}

#[test]
fn b010_silence_is_stale_and_a_quiet_market_is_not() {
    let (mut f, mut seen, mut tracer) = valid();
    let bound = STALE_AFTER_NS / 1_000_000;
    for ms in (1_000..3 * bound).step_by(500) {
        // A ping every now and then, but no change of the book at all.
        f.on_alive(at(ms), &mut tracer, &mut seen);
        f.tick(at(ms + 1), &mut tracer, &mut seen);
    }
    assert_eq!(f.state(), BookState::Valid);
    let quiet_from = 3 * bound;
    f.on_alive(at(quiet_from), &mut tracer, &mut seen);
    f.tick(at(quiet_from + bound), &mut tracer, &mut seen);
    assert_eq!(f.state(), BookState::Valid, "at the bound");
    f.tick(at(quiet_from + bound + 1), &mut tracer, &mut seen);
    assert_eq!(f.state(), BookState::Stale);
    assert_eq!(seen.tops().pop().unwrap().state, BookState::Stale as i32);
    f.on_alive(at(quiet_from + bound + 2), &mut tracer, &mut seen);
    assert_eq!(f.state(), BookState::Valid);
    let top = seen.tops().pop().unwrap();
    assert_eq!((top.state, top.bid_px_ticks), (BookState::Valid as i32, 9_900));
}

#[test]
fn the_touch_is_published_on_change_and_repeated_for_late_joiners() {
    let (mut f, mut seen, mut tracer) = valid();
    let before = seen.tops().len();
    f.on_message(&diff(11, 12, r#"["98.00","7"]"#, ""), at(3), &mut tracer, &mut seen);
    assert_eq!(seen.tops().len(), before, "a change below the touch");
    f.on_message(&ticker(13, "99.00", "101.00"), at(4), &mut tracer, &mut seen);
    assert_eq!(seen.tops().len(), before + 1, "sizes changed");
    f.on_message(&ticker(12, "97.00", "103.00"), at(5), &mut tracer, &mut seen);
    assert_eq!(seen.tops().len(), before + 1, "an older best bid and offer");
    f.on_message(&diff(13, 14, "", ""), at(6), &mut tracer, &mut seen);
    assert_eq!(seen.tops().pop().unwrap().bid_qty_lots, 500_000, "the book is newer again");
    let before = seen.tops().len();
    f.tick(at(6 + TOP_REFRESH_NS / 1_000_000), &mut tracer, &mut seen);
    assert_eq!(seen.tops().len(), before + 1);
    assert_eq!(
        seen.tops().pop().unwrap().tick_mono_ns,
        at(6).mono_ns,
        "a repeat keeps the stamp of the last word"
    );
}

#[test]
fn depth_comes_at_most_once_a_period_and_with_the_newest_levels() {
    let (mut f, mut seen, mut tracer) = valid();
    let depths = |seen: &Seen| -> Vec<_> {
        let depth = |p| if let Payload::BookDepth(d) = p { Some(d) } else { None };
        seen.payloads().into_iter().filter_map(depth).collect()
    };
    let before = depths(&seen).len();
    let period = DEPTH_PERIOD_NS / 1_000_000;
    f.on_message(&diff(11, 11, r#"["97.50","1"]"#, ""), at(200), &mut tracer, &mut seen);
    for n in 0..20 {
        f.on_message(&diff(12 + n, 12 + n, r#"["97.00","3"]"#, ""), at(201 + n), &mut tracer, &mut seen);
        f.tick(at(201 + n), &mut tracer, &mut seen);
    }
    assert_eq!(depths(&seen).len(), before + 1);
    f.tick(at(200 + period), &mut tracer, &mut seen);
    let last = depths(&seen).pop().unwrap();
    assert_eq!(depths(&seen).len(), before + 2);
    assert_eq!(last.bid_px_delta_ticks, [9_900, -100, -50, -50]);
    assert_eq!(
        (last.bid_qty_lots, last.ask_px_delta_ticks),
        (vec![500_000, 500_000, 100_000, 300_000], vec![10_100, 100])
    );
    f.tick(at(900), &mut tracer, &mut seen);
    assert_eq!(depths(&seen).len(), before + 2, "nothing changed");
}

#[test]
fn a_quote_does_not_move_the_time_the_levels_are_of() {
    let (mut f, mut seen, mut tracer) = valid();
    f.on_message(&diff(11, 11, r#"["97.50","1"]"#, ""), at(200), &mut tracer, &mut seen);
    f.on_message(&diff(12, 12, r#"["97.00","3"]"#, ""), at(201), &mut tracer, &mut seen);
    let level = |px, qty| Level { px: PxTicks(px), qty: QtyLots(qty) };
    let quote = BookTicker {
        update_id: 13,
        bid: level(9_950, 1),
        ask: level(10_050, 1),
        ts_venue: EpochNs(1_723_161_256_000_000_000),
    };
    f.on_event(Event::Ticker(quote), at(202), &mut tracer, &mut seen);
    f.tick(at(200 + DEPTH_PERIOD_NS / 1_000_000), &mut tracer, &mut seen);
    let depth = |p| if let Payload::BookDepth(d) = p { Some(d) } else { None };
    let depth = seen.payloads().into_iter().filter_map(depth).next_back().unwrap();
    assert_eq!((depth.venue_seq, depth.ts_venue_ns), (12, 1_723_161_255_000_000_000));
    assert_eq!(seen.tops().pop().unwrap().ts_venue_ns, 1_723_161_256_000_000_000, "the quote's own");
}

#[test]
fn halts_limits_and_corrections_of_the_venue_are_published_once_each() {
    let (mut f, mut seen, mut tracer) = valid();
    let code = |text: &str| Code::of(text.as_bytes()).unwrap();
    let status = TradingStatus { state: TradingState::Paused, code: code("P"), reason: code("LUDP") };
    let halt = Event::TradingStatus { trading: false, ts_venue: EpochNs(7), status };
    let band = LimitBand { down: PxTicks(9_000), up: PxTicks(11_000), ts_venue: EpochNs(8) };
    let before = seen.statuses().len();
    for event in [halt.clone(), halt, Event::LimitBand(band), Event::LimitBand(band)] {
        f.on_event(event, at(300), &mut tracer, &mut seen);
    }
    let told = seen.statuses().split_off(before);
    assert_eq!(told.len(), 2, "what was said before is not said again");
    assert_eq!((told[0].trading, told[0].trading_code.as_str()), (PbTradingState::Paused as i32, "P"));
    assert_eq!((told[1].limit_down_px_ticks, told[1].limit_up_px_ticks), (9_000, 11_000));
    assert_eq!((told[1].trading_reason.as_str(), told[1].ts_venue_ns), ("LUDP", 8), "the last words on both");
    assert_eq!(told[1].state, BookState::Valid as i32, "the feed's own state stays");
    f.on_closed("lost", at(301), &mut tracer, &mut seen);
    assert_eq!(seen.statuses().pop().unwrap().trading, PbTradingState::Paused as i32);

    let print = Print {
        trade_id: 5,
        px: PxTicks(9_950),
        qty: QtyLots(3),
        aggressor: None,
        ts_venue: EpochNs(9),
        total_qty: None,
        trial: false,
        moves: Moves::VOLUME,
        odd_lot: true,
    };
    let corrected =
        Event::PrintCorrected { was: print, now: Print { trade_id: 6, qty: QtyLots(2), ..print } };
    let cancel =
        PrintCancel { trade_id: 6, px: PxTicks(9_950), qty: QtyLots(2), error: true, ts_venue: EpochNs(10) };
    f.on_event(Event::Print(print), at(302), &mut tracer, &mut seen);
    f.on_event(corrected, at(303), &mut tracer, &mut seen);
    f.on_event(Event::PrintCancelled(cancel), at(304), &mut tracer, &mut seen);
    let told: Vec<_> = seen.payloads().split_off(seen.sent.len() - 2);
    let of = |payload: &Payload| match payload {
        Payload::TradeCorrection(c) => {
            (c.was_trade_id, c.was_qty_lots, c.now_trade_id, c.now_qty_lots, c.now_excluded)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(told.iter().map(of).collect::<Vec<_>>(), [(5, 3, 6, 2, 3), (6, 2, 0, 0, 0)]);
}

#[test]
fn a_venue_clock_set_back_voids_what_the_features_learned_by_time() {
    let (mut f, mut seen, mut tracer) = valid();
    let at_venue = |ms: i64, id: u64| {
        let text = format!(
            r#"{{"e":"depthUpdate","E":{ms},"s":"BTCUSDT","U":{id},"u":{id},"b":[["97.00","{id}"]],"a":[]}}"#
        );
        text.into_bytes()
    };
    f.on_message(&at_venue(1_723_161_256_000, 11), at(10), &mut tracer, &mut seen);
    f.on_message(&at_venue(1_723_161_255_500, 12), at(20), &mut tracer, &mut seen);
    assert_eq!(f.stats()["clockSetBack"], 0, "half a second is a late message");
    f.on_message(&at_venue(1_723_157_655_000, 13), at(30), &mut tracer, &mut seen);
    f.on_message(&at_venue(1_723_157_655_100, 14), at(40), &mut tracer, &mut seen);
    assert_eq!(f.stats()["clockSetBack"], 1);
    assert_eq!(f.state(), BookState::Valid);
}

#[test]
fn an_unanswered_snapshot_is_asked_for_again_but_not_at_each_diff() {
    let (mut f, mut seen, mut tracer) = (feed(1), Seen::default(), Tracer::new(1));
    f.on_open(at(0), &mut tracer, &mut seen);
    f.tick(at(1), &mut tracer, &mut seen);
    assert_eq!(seen.snapshots_wanted(), 0, "the stream must have begun first");
    for n in 0..50 {
        f.on_message(&diff(n + 1, n + 1, "", ""), at(n), &mut tracer, &mut seen);
    }
    assert_eq!(seen.snapshots_wanted(), 1);
    f.tick(at(SNAPSHOT_RETRY_NS / 1_000_000), &mut tracer, &mut seen);
    assert_eq!(seen.snapshots_wanted(), 2);
    assert_eq!(f.on_snapshot(b"garbage", at(2), &mut tracer, &mut seen), "MALFORMED");
    assert_eq!(f.on_snapshot(&ticker(1, "1", "2"), at(2), &mut tracer, &mut seen), "NOT_A_SNAPSHOT");
}

const QUOTED: &str = r#"{"version":8,"instruments":[
{"id":4,"venue_id":4,"venue":"ALPACA","symbol":"AAPL","kind":"equity","base":"AAPL","quote":"USD","px_scale":2,"px_unit":1,"qty_scale":0,"qty_unit":1,"e8_per_tick_lot":1000000,"min_qty_lots":1,"max_qty_lots":1000000,"min_notional_e8":0}]}"#;

#[test]
fn b011_a_quote_book_is_valid_with_its_first_quote_and_void_with_its_session() {
    let table = Table::from_json(QUOTED.as_bytes()).unwrap();
    let mut f = Feed::new(0, table.get(InstrumentId(4)).unwrap(), table.version(), features(json!({})));
    let (mut seen, mut tracer) = (Seen::default(), Tracer::new(1));
    let quote = |ts: i64, bid: (i64, i64), ask: (i64, i64)| {
        let level = |(px, qty): (i64, i64)| Level { px: PxTicks(px), qty: QtyLots(qty) };
        Event::Ticker(BookTicker { update_id: 0, ts_venue: EpochNs(ts), bid: level(bid), ask: level(ask) })
    };
    f.on_open(at(0), &mut tracer, &mut seen);
    f.tick(at(1), &mut tracer, &mut seen);
    assert_eq!((f.state(), seen.snapshots_wanted()), (BookState::Syncing, 0), "nothing is fetched");
    f.on_event(quote(10, (18_900, 3), (18_905, 4)), at(2), &mut tracer, &mut seen);
    let top = seen.tops().pop().unwrap();
    assert_eq!(
        (f.state(), top.bid_px_ticks, top.ask_qty_lots, top.ts_venue_ns),
        (BookState::Valid, 18_900, 4, 10)
    );
    // Older by venue time: no effect. Locked: in order. One-sided: valid (limit up).
    f.on_event(quote(9, (1, 1), (2, 1)), at(3), &mut tracer, &mut seen);
    assert_eq!(seen.tops().pop().unwrap().bid_px_ticks, 18_900);
    f.on_event(quote(11, (18_905, 1), (18_905, 1)), at(4), &mut tracer, &mut seen);
    f.on_event(quote(12, (18_910, 1), (0, 0)), at(5), &mut tracer, &mut seen);
    let top = seen.tops().pop().unwrap();
    assert_eq!((f.state(), top.bid_px_ticks, top.ask_qty_lots), (BookState::Valid, 18_910, 0));
    f.on_event(quote(13, (18_910, 1), (18_900, 1)), at(6), &mut tracer, &mut seen);
    assert_eq!(f.state(), BookState::Invalid, "crossed");
    f.on_event(quote(14, (18_900, 1), (18_910, 1)), at(7), &mut tracer, &mut seen);
    assert_eq!(f.state(), BookState::Valid, "the next whole quote repairs it");
    f.on_closed("gone", at(8), &mut tracer, &mut seen);
    f.on_open(at(9), &mut tracer, &mut seen);
    assert_eq!(f.state(), BookState::Syncing, "what was quoted before the loss is void");
    f.on_event(quote(20, (1, 1), (2, 1)), at(10), &mut tracer, &mut seen);
    assert_eq!((f.state(), seen.tops().pop().unwrap().bid_px_ticks), (BookState::Valid, 1));
    assert_eq!(f.on_snapshot(b"{}", at(11), &mut tracer, &mut seen), "NO_SNAPSHOTS");
}

/// An Alpaca feed whose book is VALID with its first quote.
fn quoted() -> (Feed, Seen, Tracer) {
    let table = Table::from_json(QUOTED.as_bytes()).unwrap();
    let mut f = Feed::new(0, table.get(InstrumentId(4)).unwrap(), table.version(), features(json!({})));
    let (mut seen, mut tracer) = (Seen::default(), Tracer::new(1));
    f.on_open(at(0), &mut tracer, &mut seen);
    speak(
        &mut f,
        r#"{"T":"q","S":"AAPL","bp":1,"bs":1,"ap":2,"as":1,"t":"2022-01-03T09:00:00Z"}"#,
        1,
        &mut tracer,
        &mut seen,
    );
    assert_eq!(f.state(), BookState::Valid);
    (f, seen, tracer)
}

fn speak(f: &mut Feed, item: &str, ms: u64, tracer: &mut Tracer, seen: &mut Seen) {
    let mut reader = tidegate_normalise::Alpaca::of(vec![f.spec()]);
    let read =
        reader.parse(format!("[{item}]").as_bytes(), &mut |_, event| f.on_event(event, at(ms), tracer, seen));
    assert_eq!(read, Ok(1), "{item}");
}

/// A trade of the tape at a second, as the stream and as the history have it.
fn tape_trade(id: u64, second: u64) -> String {
    format!(r#""i":{id},"x":"V","p":2,"s":1,"c":["@"],"t":"2022-01-03T09:00:{second:02}Z","z":"C""#)
}

#[test]
fn b014_trades_of_a_lost_connection_are_merged_once_in_order_and_marked_late() {
    let (mut f, mut seen, mut tracer) = quoted();
    let streamed = |id, second| format!(r#"{{"T":"t","S":"AAPL",{}}}"#, tape_trade(id, second));
    speak(&mut f, &streamed(1, 1), 2, &mut tracer, &mut seen);
    let wanted = |seen: &Seen| -> Vec<Value> {
        seen.events.iter().filter(|event| event["type"] == "trades_wanted").cloned().collect()
    };
    f.tick(at(3), &mut tracer, &mut seen);
    assert_eq!(wanted(&seen), Vec::<Value>::new(), "nothing is missing");
    f.on_closed("gone", at(4), &mut tracer, &mut seen);
    f.on_open(at(5), &mut tracer, &mut seen);
    f.tick(at(6), &mut tracer, &mut seen);
    assert_eq!(wanted(&seen), Vec::<Value>::new(), "what comes now must come over the stream first");
    speak(
        &mut f,
        r#"{"T":"q","S":"AAPL","bp":1,"bs":1,"ap":2,"as":1,"t":"2022-01-03T09:00:09Z"}"#,
        7,
        &mut tracer,
        &mut seen,
    );
    // Trade 5 comes over the new connection and in the history; so does 1, which is known from before.
    speak(&mut f, &streamed(5, 9), 8, &mut tracer, &mut seen);
    f.tick(at(9), &mut tracer, &mut seen);
    f.tick(at(10), &mut tracer, &mut seen);
    let asked = wanted(&seen);
    assert_eq!(asked.len(), 1);
    assert_eq!((&asked[0]["fromNs"], &asked[0]["loss"]), (&json!("1641200401000000000"), &json!(1)));
    let features_before = f.stats()["features"].clone();
    let page = |ids: &[(u64, u64)]| -> String {
        let items: Vec<_> =
            ids.iter().map(|(id, second)| format!("{{{}}}", tape_trade(*id, *second))).collect();
        format!(r#"{{"trades":[{}],"symbol":"AAPL","next_page_token":null}}"#, items.join(","))
    };
    let fill = |f: &mut Feed, body: &str, last, tracer: &mut Tracer, seen: &mut Seen| {
        f.on_trades(body.as_bytes(), (1, last), at(20), tracer, seen)
            .map(|x| (x.merged, x.known, x.refused, x.closed))
    };
    assert_eq!(
        fill(&mut f, &page(&[(1, 1), (2, 3), (3, 3)]), false, &mut tracer, &mut seen),
        Ok((2, 1, 0, false))
    );
    assert_eq!(fill(&mut f, &page(&[(4, 5), (5, 9)]), true, &mut tracer, &mut seen), Ok((1, 1, 0, true)));
    assert_eq!(fill(&mut f, "no page", true, &mut tracer, &mut seen), Err("the body is no page of trades"));
    let trade = |p| if let Payload::Trade(t) = p { Some((t.trade_id, t.tick_mono_ns == 0)) } else { None };
    let trades: Vec<_> = seen.payloads().into_iter().filter_map(trade).collect();
    assert_eq!(trades, [(1, false), (5, false), (2, true), (3, true), (4, true)]);
    // The control: the live print came to the kernels, the late ones did not.
    assert_eq!(f.stats()["features"], features_before);
    speak(&mut f, &streamed(4, 5), 30, &mut tracer, &mut seen);
    let stats = f.stats();
    assert_eq!(
        (&stats["printsBackfilled"], &stats["printsRepeated"], &stats["tapeOpen"]),
        (&json!(3), &json!(1), &json!(false))
    );
    let (mut spot, mut seen, mut tracer) = valid();
    assert!(
        spot.on_trades(b"{}", (1, true), at(1), &mut tracer, &mut seen).is_err(),
        "Binance has no such history here"
    );
}

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../data/samples").join(name);
    let out = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
    assert!(out.status.success(), "{}", path.display());
    String::from_utf8(out.stdout).unwrap()
}

/// Replays a committed sample and gives what came out of it.
fn replay(id: u32, name: &str) -> (Feed, Seen, u64) {
    let (mut f, mut seen, mut tracer) = (feed(id), Seen::default(), Tracer::new(3));
    let mut public_trades = 0;
    f.on_open(at(0), &mut tracer, &mut seen);
    for line in sample(name).lines() {
        let (recv, body) = line.split_once(' ').unwrap();
        let recv: i64 = recv.parse().unwrap();
        let stamp = Stamp { epoch_ns: recv, mono_ns: (recv - 1_723_000_000_000_000_000) as u64 };
        public_trades += u64::from(body.contains("@trade"));
        f.on_alive(stamp, &mut tracer, &mut seen);
        if body.contains("lastUpdateId") {
            f.on_snapshot(body.as_bytes(), stamp, &mut tracer, &mut seen);
        } else {
            f.on_message(body.as_bytes(), stamp, &mut tracer, &mut seen);
        }
        f.tick(stamp, &mut tracer, &mut seen);
    }
    (f, seen, public_trades)
}

#[test]
fn recorded_sessions_give_valid_messages_the_same_each_time() {
    for (id, name) in [(1, "binance-spot-btcusdt.jsonl.gz"), (2, "binance-usdm-btcusdt.jsonl.gz")] {
        let (f, seen, public_trades) = replay(id, name);
        assert_eq!(f.state(), BookState::Valid, "{name}");
        assert_eq!((f.refused(), f.counts().resyncs, f.stats()["gaps"].clone()), (0, 1, json!(0)));
        assert_eq!(f.counts().trades, public_trades);
        let tops = seen.tops();
        assert!(tops.len() > 1_000, "{name}: {}", tops.len());
        let valid: Vec<&BookTop> = tops.iter().filter(|t| t.state == BookState::Valid as i32).collect();
        assert!(valid.iter().all(|t| t.bid_px_ticks < t.ask_px_ticks && t.features.len() == 7));
        assert!(valid.windows(2).all(|w| w[0].venue_seq <= w[1].venue_seq), "the touch never goes back");
        let last = valid.last().unwrap();
        let ticker = sample(name).lines().rev().find(|l| l.contains("@bookTicker")).unwrap().to_string();
        let body: Value = serde_json::from_str(ticker.split_once(' ').unwrap().1).unwrap();
        if body["data"]["u"].as_u64() == Some(last.venue_seq) {
            assert_eq!(
                f.stats()["bid"][0].as_str().map(|t| t.parse::<f64>().unwrap()),
                body["data"]["b"].as_str().map(|t| t.parse().unwrap())
            );
        }
        let again = replay(id, name).1;
        assert!(seen.sent == again.sent, "{name}: the same input gives the same bytes, trace ids included");
    }
}

/// A venue that sends what it is told on each connection it accepts, then waits or hangs up.
fn venue(connections: Vec<(Vec<Vec<u8>>, bool)>) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/stream?streams=btcusdt@depth@100ms", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        for (messages, hang_up) in connections {
            let (socket, _) = listener.accept().unwrap();
            let mut ws = tungstenite::accept(socket).unwrap();
            for message in messages {
                ws.send(tungstenite::Message::text(String::from_utf8(message).unwrap())).unwrap();
            }
            if !hang_up {
                // Until the other end closes.
                while ws.read().is_ok() {}
            }
        }
    });
    (url, thread)
}

fn config(dir: &Path, url: &str) -> Value {
    let table = dir.join("instruments.json");
    std::fs::write(&table, TABLE).unwrap();
    json!({
        "endpoint": format!("ipc://{}/s/md.sock", dir.display()),
        "epochPath": dir.join("market-data.epoch"),
        "instrumentsPath": table,
        "sessions": [{ "url": url, "instrumentIds": [1], "carriesBook": true }],
        "trace": true,
    })
}

#[test]
fn the_loop_publishes_resyncs_after_a_lost_session_and_ends_in_order() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("s")).unwrap();
    let (url, venue) =
        venue(vec![(vec![diff(5, 10, "", "")], true), (vec![diff(50, 60, r#"["99.50","1"]"#, "")], false)]);
    let config = config(dir.path(), &url);
    let handle = crate::start("market-data", &config.to_string()).unwrap();
    let context = zmq::Context::new();
    let endpoint = config["endpoint"].as_str().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut sub = loop {
        // The loop binds on its own thread; a subscriber may come before it.
        match StreamSub::connect(&context, endpoint, &["md.1.1."]) {
            Ok(sub) => break sub,
            Err(_) if Instant::now() < deadline => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    let (mut touch, mut closed, mut gaps, mut stopped, mut spans) = (None, 0, 0, false, 0);
    while closed < 4 {
        assert!(Instant::now() < deadline, "touch {touch:?}, closed {closed}, {}", handle.stats());
        for event in handle.take_events(Duration::from_millis(1)) {
            if event["type"] == "span" {
                assert_eq!(
                    (event["name"].as_str(), event["traceId"].as_str().map(str::len)),
                    (Some(STAGE), Some(32))
                );
                let ns = |key: &str| event[key].as_str().unwrap().parse::<i64>().unwrap();
                assert!(ns("endNs") > ns("startNs"));
                spans += 1;
            }
            if event["type"] == "snapshot_wanted" {
                let id = if touch.is_none() && handle.stats()["sessions"][0]["opens"] == 1 { 8 } else { 55 };
                let request = json!({ "op": "snapshot", "instrument": 1 });
                handle.call(request, snapshot(id), Duration::from_secs(20)).unwrap();
            }
        }
        let now = clock::mono_ns();
        sub.pump(now, |input| match input.what {
            StreamWhat::Data(data) => {
                if let Some(Payload::BookTop(top)) = decode_checked(data.payload).unwrap().payload
                    && top.state == BookState::Valid as i32
                {
                    touch = Some((top.bid_px_ticks, top.ask_px_ticks));
                }
            }
            StreamWhat::Gap(_) => gaps += 1,
            StreamWhat::Closed(_) => closed += 1,
            _ => {}
        })
        .unwrap();
        sub.tick(now);
        if touch == Some((9_950, 10_100)) && !stopped {
            stopped = true;
            handle.stop().unwrap();
        }
    }
    venue.join().unwrap();
    let stats = handle.stats();
    assert!(spans > 0);
    assert_eq!((gaps, stats["epoch"].clone(), stats["alive"].clone()), (0, json!(1), json!(false)));
    assert!(stats["sessions"][0]["opens"].as_u64() >= Some(2), "{stats}");
    assert!(stats["latency"]["max"].as_f64() > Some(0.0));
}

#[test]
fn b073_each_profile_of_a_set_is_published_with_its_own_hash_and_a_pinned_hash_is_held_to() {
    for (set, hash, features_of) in [
        ("lob_basic_v1", 251_653_267, 7),
        ("lob_shared_v3", 808_661_320, 27),
        ("lob_time_v1", 3_689_040_399_u32, 8),
    ] {
        let mut active = profile("one", set, 5);
        active["hash"] = json!(hash);
        let (mut f, mut seen, mut tracer) = valid();
        f.place(features(json!({ "active": active })));
        f.on_message(&ticker(13, "99.00", "101.00"), at(4), &mut tracer, &mut seen);
        let top = seen.tops().pop().unwrap();
        assert_eq!((top.feature_set_hash, top.features.len()), (hash, features_of), "{set}");
        assert_ne!(top.feature_flags & flags::STATE_RESET, 0, "a placed kernel has seen nothing: {set}");
        active["hash"] = json!(hash ^ 1);
        let config = serde_json::from_value(json!({ "active": active })).unwrap();
        assert!(Features::new(&config).is_err_and(|fault| fault.0.contains("written for hash")), "{set}");
    }
    let (mut f, mut seen, mut tracer) = valid();
    f.place(features(json!({ "active": null })));
    f.on_message(&ticker(13, "99.00", "101.00"), at(4), &mut tracer, &mut seen);
    let top = seen.tops().pop().unwrap();
    assert_eq!((top.feature_set_hash, top.features.len()), (0, 0), "nothing is placed");
}

#[test]
fn b073_a_shadow_is_compared_at_each_update_and_never_published() {
    let (mut f, mut seen, mut tracer) = valid();
    let shadows = [profile("same", "lob_shared_v2", 5), profile("shallow", "lob_shared_v3", 1)];
    f.place(features(json!({ "active": profile("one", "lob_shared_v3", 5), "shadows": shadows })));
    let before = seen.tops().len();
    for n in 0..20 {
        let bid = format!("99.{:02}", n % 3);
        f.on_message(&ticker(20 + n, &bid, "101.00"), at(4 + n), &mut tracer, &mut seen);
    }
    assert!(seen.tops().iter().skip(before).all(|top| top.feature_set_hash == 808_661_320));
    let stats = f.stats();
    let shadow = |n: usize| stats["features"]["shadows"][n].clone();
    assert_eq!(
        (&shadow(0)["compared"], &shadow(0)["different"], &shadow(0)["first"]),
        (&json!(20), &json!(0), &json!(null))
    );
    assert_eq!((&shadow(1)["compared"], &shadow(1)["different"]), (&json!(20), &json!(20)));
    assert_eq!(shadow(1)["first"]["feature"], "bid_depth");
}

#[test]
fn b073_a_gap_between_two_touches_is_told_with_the_next_touch_and_once() {
    let (mut f, mut seen, mut tracer) = valid();
    f.on_message(&diff(14, 15, "", ""), at(10), &mut tracer, &mut seen);
    f.on_message(&diff(16, 16, "", ""), at(11), &mut tracer, &mut seen);
    assert_eq!(f.on_snapshot(&snapshot(16), at(12), &mut tracer, &mut seen), "AWAITING_DIFF");
    f.on_message(&diff(17, 17, "", ""), at(13), &mut tracer, &mut seen);
    let told = |seen: &Seen| seen.tops().pop().unwrap().feature_flags & (flags::GAP | flags::STATE_RESET);
    assert_eq!(told(&seen), flags::GAP | flags::STATE_RESET);
    f.tick(at(13 + TOP_REFRESH_NS / 1_000_000), &mut tracer, &mut seen);
    assert_eq!(told(&seen), 0, "a repeat tells no second gap");
    f.on_message(&ticker(30, "99.00", "101.00"), at(1_100), &mut tracer, &mut seen);
    assert_eq!(told(&seen), 0);
}

#[test]
fn b073_sets_change_between_two_messages_for_all_instruments_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("s")).unwrap();
    let (url, venue) = venue(vec![(vec![], false)]);
    let handle = crate::start("market-data", &config(dir.path(), &url).to_string()).unwrap();
    let hash_becomes = |hash: u32| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while handle.stats()["featureSetHash"] != hash {
            assert!(Instant::now() < deadline, "{}", handle.stats());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let place = |plan: Value| {
        handle.call(json!({ "op": "features", "features": plan }), vec![], Duration::from_secs(20)).unwrap()
    };
    hash_becomes(251_653_267);
    let bad = place(json!({ "default": { "active": profile("v3", "lob_shared_v3", 5) },
        "instruments": { "1": { "active": profile("v9", "lob_shared_v9", 5) } } }));
    assert!(bad["error"].as_str().is_some_and(|text| text.contains("lob_shared_v9")), "{bad}");
    assert_eq!(place(json!({ "default": { "active": null, "more": 1 } }))["ok"], false);
    hash_becomes(251_653_267);
    assert_eq!(place(json!({ "default": { "active": profile("v3", "lob_shared_v3", 5) } }))["ok"], true);
    hash_becomes(808_661_320);
    handle.stop().unwrap();
    venue.join().unwrap();
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let good = config(dir.path(), "ws://127.0.0.1:9/stream");
    let cases: Vec<(&str, Value, &str)> = vec![
        ("/sessions", json!([]), "want 1 to"),
        ("/sessions/0/instrumentIds", json!([9]), "instrument 9 is not in"),
        ("/sessions/0/instrumentIds", json!([]), "names no instrument"),
        ("/sessions/0/carriesBook", json!(false), "carried by 0"),
        ("/instrumentsPath", json!("/nonexistent/table.json"), "/nonexistent/table.json"),
        ("/features", json!({ "default": { "active": profile("x", "lob_shared_v9", 5) } }), "want one of"),
        ("/features", json!({ "default": { "active": profile("x", "lob_basic_v1", 6) } }), "levels 6"),
        (
            "/features",
            json!({ "default": { "active": null }, "instruments": { "9": { "active": null } } }),
            "not fed here",
        ),
        ("/features", json!({ "default": { "active": null, "shadow": [] } }), "unknown field"),
        (
            "/features",
            json!({ "default": { "active": null, "shadows": vec![profile("x", "vol_v1", 5); 5] } }),
            "at most 4",
        ),
    ];
    for (path, value, want) in cases {
        let mut bad = good.clone();
        match bad.pointer_mut(path) {
            Some(place) => *place = value,
            None => bad[path.trim_start_matches('/')] = value,
        }
        let fault = crate::start("market-data", &bad.to_string()).unwrap_err();
        assert!(fault.0.contains(want), "{}", fault.0);
    }
    assert!(crate::start("market-data", "{}").unwrap_err().0.contains("configuration"));
}
