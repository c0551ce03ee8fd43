//! Small markets with answers worked out by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use tidegate_backtest::account::{Fees, Fill, Source};
use tidegate_backtest::event::{Kind, Row};
use tidegate_backtest::latency::{Latency, Recorded};
use tidegate_backtest::queue::{Behind, Probable, QueueModel, RiskAverse};
use tidegate_backtest::tape::Tape;
use tidegate_backtest::{
    Accounting, AssetConfig, Engine, FillModel, NewOrder, OrderFault, State, Tif, Wake, Woken, audit, limits,
};
use tidegate_book::{BoundedL2Book, L2Book};
use tidegate_instruments::{Instrument, Kind as Contract, Venue};
use tidegate_units::Side::{self, Buy, Sell};

fn instrument() -> Instrument {
    Instrument {
        id: 1,
        venue_id: 1,
        venue: Venue::BinanceUsdm,
        symbol: "BTCUSDT".into(),
        kind: Contract::LinearPerp,
        base: "BTC".into(),
        quote: "USDT".into(),
        px_scale: 1,
        px_unit: 1,
        qty_scale: 3,
        qty_unit: 1,
        e8_per_tick_lot: 10_000,
        min_qty_lots: 1,
        max_qty_lots: 1_000_000,
        min_notional_e8: 0,
        multiplier: 1,
        expiry: 0,
    }
}

const FEES: Fees = Fees::of_value(-5_000, 70_000);
/// What a row takes to be received.
const FEED_NS: i64 = 5;

/// Rows `(ns, kind, px, qty)` of the venue, received [`FEED_NS`] later.
fn tape(rows: &[(i64, Kind, i32, i64)]) -> Tape {
    let row = |&(ns, kind, px, qty): &(i64, Kind, i32, i64)| Row {
        kind,
        exch_ns: ns,
        local_ns: ns + FEED_NS,
        px,
        qty,
    };
    Tape::of(&rows.iter().map(row).collect::<Vec<_>>()).unwrap()
}

fn config<Q>(tape: &Tape, queue: Q, fill: FillModel, entry_ns: i64) -> AssetConfig<'_, BoundedL2Book, Q> {
    AssetConfig {
        instrument: instrument(),
        venue: tape.venue(),
        local: tape.local(),
        levels: BoundedL2Book::new(0, 2_000).unwrap(),
        queue,
        fill,
        latency: Latency::constant(entry_ns, 10).unwrap(),
        fees: FEES,
        accounting: Accounting::EveryFill,
    }
}

fn engine<Q: QueueModel>(tape: &Tape, queue: Q, fill: FillModel) -> Engine<'_, BoundedL2Book, Q> {
    Engine::new(vec![config(tape, queue, fill, 10)]).unwrap()
}

fn order(id: u64, side: Side, px: i64, qty: i64, tif: Tif) -> NewOrder {
    NewOrder { id, side, px: Some(px), qty, tif }
}

fn finish<Q: QueueModel>(engine: &mut Engine<'_, BoundedL2Book, Q>) {
    while engine.elapse(1_000) {}
}

fn told(fills: &[Fill]) -> Vec<(u64, i64, i64, i64)> {
    fills.iter().map(|fill| (fill.order, fill.venue_ns, fill.px, fill.qty)).collect()
}

/// 100 bid 50 lots, 102 offered 40 lots, and time until 1,000.
fn quiet() -> Vec<(i64, Kind, i32, i64)> {
    vec![(100, Kind::Bid, 100, 50), (100, Kind::Ask, 102, 40)]
}

#[test]
fn a46_latency_moves_a_fill_by_an_exact_number_of_ticks() {
    // The ask steps up one tick every 10 ns; a buyer takes at whatever is offered when the order arrives.
    let mut rows = quiet();
    for step in 0..20_i32 {
        let ns = 200 + i64::from(step) * 10;
        rows.push((ns, Kind::Ask, 102 + step, 0));
        rows.push((ns, Kind::Ask, 103 + step, 40));
    }
    rows.push((5_000, Kind::Bid, 100, 50));
    let tape = tape(&rows);
    for (entry_ns, px) in [(0, 104), (10, 105), (30, 107), (35, 107), (40, 108), (100, 114)] {
        let mut engine =
            Engine::new(vec![config(&tape, RiskAverse, FillModel::Consuming, entry_ns)]).unwrap();
        assert!(engine.elapse(111), "the run begins at 100 and is at 211");
        engine.submit(0, NewOrder { id: 1, side: Buy, px: None, qty: 1, tif: Tif::Ioc }).unwrap();
        finish(&mut engine);
        assert_eq!(told(engine.fills(0)), [(1, 211 + entry_ns, px, 1)], "{entry_ns} ns");
    }
}

#[test]
fn a46_an_answer_is_known_only_when_it_is_back() {
    let tape = tape(&[&quiet()[..], &[(5_000, Kind::Bid, 99, 1)]].concat());
    let mut engine = engine(&tape, RiskAverse, FillModel::Consuming);
    assert_eq!(engine.submit(0, order(1, Buy, 100, 1, Tif::Gtc)), Err(OrderFault::NotStarted));
    engine.elapse(100);
    assert_eq!(engine.now(), 200);
    engine.submit(0, order(1, Buy, 102, 1, Tif::Gtc)).unwrap();
    engine.elapse(19);
    assert_eq!((engine.venue_fills(0).len(), engine.fills(0).len()), (1, 0));
    assert_eq!(engine.order(0, 1).unwrap().state, State::Sent);
    engine.elapse(1);
    assert_eq!(engine.fills(0).len(), 1);
    assert_eq!((engine.order(0, 1).unwrap().state, engine.account(0).unwrap().position), (State::Filled, 1));
    // 1 lot at 102 ticks is 0.0102; a taker pays 0.0007 of it.
    assert_eq!(engine.account(0).unwrap().cash_e8, -1_020_000);
    assert_eq!(engine.account(0).unwrap().fee_e16, 1_020_000 * 70_000);
}

/// An order of 10 joins 50 at 100; 30 more come behind it; 40 are cancelled; then prints of 5 lots at 100 until it is filled.
fn prints_until_filled<Q: QueueModel>(queue: Q) -> i64 {
    let mut rows = quiet();
    rows.extend([(300, Kind::Bid, 100, 80), (400, Kind::Bid, 100, 40)]);
    for print in 0..20 {
        rows.push((500 + print, Kind::SellTrade, 100, 5));
    }
    rows.push((9_000, Kind::Bid, 90, 1));
    let tape = tape(&rows);
    let mut engine = engine(&tape, queue, FillModel::Partial);
    engine.elapse(100);
    engine.submit(0, order(1, Buy, 100, 10, Tif::PostOnly)).unwrap();
    finish(&mut engine);
    let last = engine.fills(0).last().copied().unwrap();
    assert_eq!(last.left, 0);
    last.venue_ns - 500 + 1
}

#[test]
fn a46_the_same_prints_fill_an_order_sooner_or_later_by_the_queue_model() {
    // Risk-averse: 50 ahead, at most the 40 the level shows. 50 lots of prints reach and fill it: 10 of 5.
    assert_eq!(prints_until_filled(RiskAverse), 10);
    // Parts 50 and 30 of 80, of the first power: 3/8 of 40 = 15 behind, 25 ahead go. 25 + 10 = 35 lots: 7.
    assert_eq!(prints_until_filled(Probable(Behind::Power(1.0))), 7);
    // 1 − (5/8)² = 39/64 behind = 24.375, 15.625 ahead go: 34.375 + 10 lots, of which the last reaches half a lot more: 9.
    assert_eq!(prints_until_filled(Probable(Behind::PowerOfShare(2.0))), 9);
    // 30³ ÷ (30³ + 50³) = 27/152 behind = 7.105, 32.895 ahead go: 17.105 + 10 lots: 6.
    assert_eq!(prints_until_filled(Probable(Behind::Power(3.0))), 6);
}

#[test]
fn a46_a_print_fills_no_more_than_its_size_of_all_our_orders() {
    let rows = [&quiet()[..], &[(300, Kind::SellTrade, 98, 7), (9_000, Kind::Bid, 90, 1)]].concat();
    let tape = tape(&rows);
    let run = |fill| {
        let mut engine = engine(&tape, RiskAverse, fill);
        engine.elapse(100);
        engine.submit(0, order(1, Buy, 101, 5, Tif::PostOnly)).unwrap();
        engine.submit(0, order(2, Buy, 101, 5, Tif::PostOnly)).unwrap();
        engine.submit(0, order(3, Buy, 99, 5, Tif::PostOnly)).unwrap();
        finish(&mut engine);
        let (fills, account) = (engine.venue_fills(0).to_vec(), *engine.venue_account(0).unwrap());
        (told(&fills), audit::audit(&instrument(), &FEES, tape.venue(), &fills, &account))
    };
    // 7 lots sold down to 98: the older order at 101 first, then 2 of the younger, nothing left for 99.
    let (fills, found) = run(FillModel::Consuming);
    assert_eq!(fills, [(1, 300, 101, 5), (2, 300, 101, 2)]);
    assert!(found.sound(), "{found:?}");
    // The other models fill all three whole, from 7 lots.
    for fill in [FillModel::Partial, FillModel::Whole] {
        assert_eq!(run(fill).0, [(1, 300, 101, 5), (2, 300, 101, 5), (3, 300, 99, 5)]);
    }
}

#[test]
fn a46_a_level_that_was_taken_stays_taken_until_it_is_named_again() {
    let rows = [&quiet()[..], &[(600, Kind::Ask, 102, 30), (9_000, Kind::Bid, 90, 1)]].concat();
    let tape = tape(&rows);
    let mut engine = engine(&tape, RiskAverse, FillModel::Consuming);
    engine.elapse(100);
    engine.submit(0, order(1, Buy, 102, 25, Tif::Ioc)).unwrap();
    engine.elapse(100);
    // 40 shown, 25 taken, 15 left of it.
    engine.submit(0, order(2, Buy, 102, 25, Tif::Ioc)).unwrap();
    engine.elapse(100);
    engine.submit(0, order(3, Buy, 102, 1, Tif::Fok)).unwrap();
    engine.elapse(300);
    // Named again at 600 with 30.
    engine.submit(0, order(4, Buy, 102, 31, Tif::Fok)).unwrap();
    engine.submit(0, order(5, Buy, 102, 30, Tif::Fok)).unwrap();
    finish(&mut engine);
    assert_eq!(told(engine.fills(0)), [(1, 210, 102, 25), (2, 310, 102, 15), (5, 710, 102, 30)]);
    let states: Vec<State> = engine.orders(0).iter().map(|order| order.state).collect();
    assert_eq!(states, [State::Filled, State::Expired, State::Expired, State::Expired, State::Filled]);
    let found = audit::audit(
        &instrument(),
        &FEES,
        tape.venue(),
        engine.venue_fills(0),
        engine.venue_account(0).unwrap(),
    );
    assert!(found.sound(), "{found:?}");
}

#[test]
fn a46_the_audit_finds_liquidity_taken_twice_and_sums_that_are_off() {
    let rows = [&quiet()[..], &[(300, Kind::SellTrade, 98, 7), (9_000, Kind::Bid, 90, 1)]].concat();
    let tape = tape(&rows);
    let mut engine = engine(&tape, RiskAverse, FillModel::Consuming);
    engine.elapse(100);
    engine.submit(0, order(1, Buy, 101, 5, Tif::PostOnly)).unwrap();
    finish(&mut engine);
    let (fills, account) = (engine.venue_fills(0).to_vec(), *engine.venue_account(0).unwrap());
    let check = |fills: &[Fill], account| audit::audit(&instrument(), &FEES, tape.venue(), fills, &account);
    assert!(check(&fills, account).sound());
    let twice = [fills[0], fills[0]];
    let found = check(&twice, account);
    assert_eq!((found.liquidity_taken_twice, found.account_unequal), (1, 1));
    let dear = Fill { px: 97, ..fills[0] };
    assert_eq!(check(&[dear], account).prices_not_offered, 1);
    let early = Fill { venue_ns: 299, ..fills[0] };
    assert_eq!(check(&[early], account).out_of_order, 1);
    let nowhere = Fill { source: Source::Print(0), ..fills[0] };
    assert_eq!(check(&[nowhere], account).prices_not_offered, 1);
}

#[test]
fn a46_the_other_side_coming_to_an_order_fills_it_by_the_model() {
    // The ask comes down to 100 with 3 lots; the order at 100 wants 10.
    let rows = [
        &quiet()[..],
        &[
            (300, Kind::Bid, 100, 0),
            (300, Kind::Ask, 100, 3),
            (400, Kind::Ask, 100, 4),
            (9_000, Kind::Bid, 90, 1),
        ],
    ]
    .concat();
    let tape = tape(&rows);
    for (fill, want) in [
        (FillModel::Consuming, vec![(1, 300, 100, 3), (1, 400, 100, 4)]),
        (FillModel::Partial, vec![(1, 300, 100, 10)]),
        (FillModel::Whole, vec![(1, 300, 100, 10)]),
    ] {
        let mut engine = engine(&tape, RiskAverse, fill);
        engine.elapse(100);
        engine.submit(0, order(1, Buy, 100, 10, Tif::Gtc)).unwrap();
        finish(&mut engine);
        assert_eq!(told(engine.fills(0)), want, "{fill:?}");
    }
}

#[test]
fn a46_every_time_in_force_does_what_it_says() {
    // 40 at 102, 10 at 103.
    let rows = [&quiet()[..], &[(100, Kind::Ask, 103, 10), (9_000, Kind::Bid, 90, 1)]].concat();
    let tape = tape(&rows);
    let run = |new: NewOrder, fill| {
        let mut engine = engine(&tape, RiskAverse, fill);
        engine.elapse(100);
        engine.submit(0, new).unwrap();
        finish(&mut engine);
        let fills: Vec<(i64, i64)> = engine.fills(0).iter().map(|fill| (fill.px, fill.qty)).collect();
        let order = engine.order(0, 1).unwrap();
        (fills, order.state, order.left)
    };
    let consuming = |new| run(new, FillModel::Consuming);
    assert_eq!(consuming(order(1, Buy, 102, 5, Tif::PostOnly)), (vec![], State::Expired, 5));
    assert_eq!(consuming(order(1, Buy, 101, 5, Tif::PostOnly)), (vec![], State::Live, 5));
    assert_eq!(consuming(order(1, Buy, 101, 5, Tif::Ioc)), (vec![], State::Expired, 5));
    assert_eq!(consuming(order(1, Buy, 103, 60, Tif::Ioc)), (vec![(102, 40), (103, 10)], State::Expired, 10));
    assert_eq!(consuming(order(1, Buy, 103, 60, Tif::Fok)), (vec![], State::Expired, 60));
    assert_eq!(consuming(order(1, Buy, 103, 50, Tif::Fok)), (vec![(102, 40), (103, 10)], State::Filled, 0));
    assert_eq!(
        consuming(order(1, Buy, 103, 60, Tif::Gtc)),
        (vec![(102, 40), (103, 10)], State::PartlyFilled, 10)
    );
    let market = NewOrder { id: 1, side: Buy, px: None, qty: 45, tif: Tif::Ioc };
    assert_eq!(consuming(market), (vec![(102, 40), (103, 5)], State::Filled, 0));
    assert_eq!(run(market, FillModel::Whole), (vec![(102, 45)], State::Filled, 0));
    // The partial model fills what is beyond the levels at the limit; so is the peer's.
    let beyond = run(order(1, Buy, 103, 60, Tif::Gtc), FillModel::Partial);
    assert_eq!(beyond, (vec![(102, 40), (103, 10), (103, 10)], State::Filled, 0));
}

#[test]
fn a46_a_cancel_that_comes_too_late_is_refused_and_the_fill_stands() {
    let rows = [&quiet()[..], &[(300, Kind::SellTrade, 99, 5), (9_000, Kind::Bid, 90, 1)]].concat();
    let tape = tape(&rows);
    let mut engine = engine(&tape, RiskAverse, FillModel::Consuming);
    engine.elapse(100);
    engine.submit(0, order(1, Buy, 100, 5, Tif::Gtc)).unwrap();
    assert_eq!(engine.cancel(0, 1), Err(OrderFault::NotChangeable), "not answered yet");
    engine.elapse(95);
    // Sent at 295, there at 305; the fill is of 300.
    engine.cancel(0, 1).unwrap();
    finish(&mut engine);
    let seen = engine.order(0, 1).unwrap();
    assert_eq!((seen.state, seen.pending, told(engine.fills(0)).len()), (State::Filled, None, 1));
    engine.clear_ended(0);
    assert!(engine.orders(0).is_empty());
}

#[test]
fn a46_a_refusal_of_an_earlier_life_of_an_id_says_nothing_about_the_new_one() {
    let rows = [&quiet()[..], &[(300, Kind::SellTrade, 99, 5), (9_000, Kind::Bid, 90, 1)]].concat();
    let tape = tape(&rows);
    let mut engine = engine(&tape, RiskAverse, FillModel::Consuming);
    engine.elapse(100);
    engine.submit(0, order(1, Buy, 100, 5, Tif::Gtc)).unwrap();
    engine.elapse(95);
    engine.cancel(0, 1).unwrap();
    // The fill of 300 is back at 310, the refusal at 315.
    engine.elapse(16);
    engine.clear_ended(0);
    engine.submit(0, order(1, Sell, 110, 3, Tif::Gtc)).unwrap();
    engine.elapse(5);
    assert_eq!(engine.order(0, 1).unwrap().state, State::Sent);
    finish(&mut engine);
    assert_eq!((engine.order(0, 1).unwrap().state, engine.order(0, 1).unwrap().pending), (State::Live, None));
}

#[test]
fn a46_a_smaller_order_keeps_its_place_and_another_price_loses_it() {
    let rows = [&quiet()[..], &[(200, Kind::Bid, 100, 90), (9_000, Kind::Bid, 90, 1)]].concat();
    let tape = tape(&rows);
    let mut engine = engine(&tape, RiskAverse, FillModel::Consuming);
    engine.elapse(50);
    engine.submit(0, order(1, Buy, 100, 9, Tif::PostOnly)).unwrap();
    engine.elapse(100);
    assert_eq!(engine.ahead(0, 1), Some(50.0));
    engine.replace(0, 1, 100, 4).unwrap();
    engine.elapse(50);
    assert_eq!((engine.ahead(0, 1), engine.order(0, 1).unwrap().left), (Some(50.0), 4));
    engine.replace(0, 1, 100, 5).unwrap();
    engine.elapse(50);
    assert_eq!((engine.ahead(0, 1), engine.order(0, 1).unwrap().left), (Some(90.0), 5));
    // Post-only it stays: at a price that would trade it ends.
    engine.replace(0, 1, 102, 5).unwrap();
    engine.elapse(50);
    assert_eq!((engine.order(0, 1).unwrap().state, engine.fills(0).len()), (State::Expired, 0));
    assert_eq!(engine.replace(0, 7, 100, 5), Err(OrderFault::NoSuchOrder));
}

#[test]
fn a46_an_order_that_the_venue_turned_away_ends_without_having_been_there() {
    let tape = tape(&[&quiet()[..], &[(9_000, Kind::Bid, 90, 1)]].concat());
    let mut config = config(&tape, RiskAverse, FillModel::Consuming, 0);
    let row = |sent_ns, venue_ns, back_ns| Recorded { sent_ns, venue_ns, back_ns };
    config.latency = Latency::interpolated(vec![row(150, 0, 200), row(300, 0, 350)]).unwrap();
    let mut engine = Engine::new(vec![config]).unwrap();
    engine.elapse(100);
    engine.submit(0, order(1, Buy, 102, 5, Tif::Gtc)).unwrap();
    finish(&mut engine);
    assert_eq!((engine.order(0, 1).unwrap().state, engine.venue_fills(0).len()), (State::Expired, 0));
}

#[test]
fn a46_bad_requests_are_refused_before_they_are_sent() {
    let tape = tape(&[&quiet()[..], &[(9_000, Kind::Bid, 90, 1)]].concat());
    let mut engine = engine(&tape, RiskAverse, FillModel::Consuming);
    engine.elapse(100);
    assert_eq!(engine.submit(0, order(1, Buy, 100, 0, Tif::Gtc)), Err(OrderFault::BadOrder));
    assert_eq!(engine.submit(0, order(1, Buy, 1 << 40, 1, Tif::Gtc)), Err(OrderFault::BadOrder));
    assert_eq!(engine.submit(3, order(1, Buy, 100, 1, Tif::Gtc)), Err(OrderFault::NoSuchAsset));
    engine.submit(0, order(1, Buy, 100, 1, Tif::Gtc)).unwrap();
    assert_eq!(engine.submit(0, order(1, Buy, 100, 1, Tif::Gtc)), Err(OrderFault::IdInUse));
    for id in 2..=limits::ORDERS_MAX as u64 {
        engine.submit(0, order(id, Buy, 90, 1, Tif::Gtc)).unwrap();
    }
    assert_eq!(engine.submit(0, order(1 << 20, Buy, 90, 1, Tif::Gtc)), Err(OrderFault::TooMany));
    assert!(Engine::<BoundedL2Book, RiskAverse>::new(vec![]).is_err());
}

/// A market that moves about, from a seed: levels, prints, and messages that overtake one another.
fn walk(seed: u64, rows: usize) -> Tape {
    let mut state = seed;
    let mut draw = move |below: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as i64) % below
    };
    let (mut ns, mut mid, mut out) = (1_000, 1_000, Vec::new());
    for _ in 0..rows {
        ns += draw(40);
        mid = (mid + draw(3) - 1).clamp(200, 1_800);
        let kind = Kind::ALL[draw(4) as usize];
        let px = match kind {
            Kind::Bid | Kind::SellTrade => mid - 1 - draw(6),
            _ => mid + 1 + draw(6),
        };
        let qty = match kind {
            Kind::Bid | Kind::Ask => draw(30) * i64::from(draw(3) > 0),
            _ => 1 + draw(12),
        };
        let local_ns = ns + 20 + draw(200);
        out.push(Row { kind, exch_ns: ns, local_ns, px: px as i32, qty });
    }
    Tape::of(&out).unwrap()
}

/// Sends, cancels and reprices by a seed at every stop; gives the hash of the run.
fn play<L: tidegate_backtest::depth::Levels + Clone>(
    engine: &mut Engine<'_, L, Probable>,
    assets: usize,
    mut pause: impl FnMut(&mut Engine<'_, L, Probable>) -> bool,
) -> (String, usize) {
    let (mut id, mut state) = (1_u64, 7_u64);
    while pause(engine) {
        for asset in 0..assets {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let side = if state >> 40 & 1 == 0 { Buy } else { Sell };
            let tif = [Tif::Gtc, Tif::PostOnly, Tif::Ioc, Tif::Fok][(state >> 41 & 3) as usize];
            let Some((bid, ask)) = engine.depth(asset).unwrap().touch() else { continue };
            engine.clear_ended(asset);
            if engine.orders(asset).len() < 20 {
                let px = if side == Buy { bid } else { ask } + (state >> 45 & 7) as i64 - 3;
                engine.submit(asset, order(id, side, px, 1 + (state >> 50 & 15) as i64, tif)).unwrap();
                id += 1;
            }
            let able: Vec<u64> = engine
                .orders(asset)
                .iter()
                .filter(|order| order.may_change())
                .map(|order| order.id)
                .collect();
            if let Some(first) = able.first() {
                if state >> 55 & 1 == 0 {
                    engine.cancel(asset, *first).unwrap()
                } else {
                    engine.replace(asset, *first, bid, 3).unwrap()
                }
            }
        }
    }
    let fills = (0..assets).map(|asset| engine.venue_fills(asset).len()).sum();
    (engine.run_hash().to_hex().to_string(), fills)
}

#[test]
fn a46_event_by_event_and_in_one_stride_are_the_same_run() {
    for (seed, fill) in [(1, FillModel::Consuming), (2, FillModel::Partial), (3, FillModel::Whole)] {
        let (one, two) = (walk(seed, 4_000), walk(seed + 100, 4_000));
        let queue = Probable(Behind::PowerOfShare(3.0));
        let make =
            || Engine::new(vec![config(&one, queue, fill, 30), config(&two, queue, fill, 45)]).unwrap();
        let stride = play(&mut make(), 2, |engine| engine.elapse(333));
        let none = Wake { feed: false, answer: false };
        let steps = play(&mut make(), 2, |engine| engine.wait(333, none) == Woken::Time);
        assert!(stride.1 > 200, "{} fills", stride.1);
        assert_eq!(stride, steps, "{fill:?}");
    }
}

#[test]
fn a46_the_same_run_has_the_same_hash_and_another_assumption_another() {
    let tape = walk(9, 3_000);
    let queue = Probable(Behind::PowerOfShare(3.0));
    let run = |change: &dyn Fn(&mut AssetConfig<'_, BoundedL2Book, Probable>)| {
        let mut asset = config(&tape, queue, FillModel::Consuming, 30);
        change(&mut asset);
        play(&mut Engine::new(vec![asset]).unwrap(), 1, |engine| engine.elapse(333)).0
    };
    let base = run(&|_| {});
    assert_eq!(run(&|_| {}), base);
    assert_ne!(run(&|asset| asset.fees.maker_e8 += 1), base);
    assert_ne!(run(&|asset| asset.fill = FillModel::Whole), base);
    assert_ne!(run(&|asset| asset.queue = Probable(Behind::PowerOfShare(2.0))), base);
    assert_ne!(run(&|asset| asset.latency = Latency::constant(31, 10).unwrap()), base);
}

#[test]
fn a46_the_book_of_any_price_gives_the_run_of_the_bounded_one() {
    let tape = walk(11, 3_000);
    let queue = Probable(Behind::PowerOfShare(3.0));
    let bounded = config(&tape, queue, FillModel::Consuming, 30);
    let general = AssetConfig {
        instrument: instrument(),
        venue: tape.venue(),
        local: tape.local(),
        levels: L2Book::default(),
        queue,
        fill: FillModel::Consuming,
        latency: bounded.latency.clone(),
        fees: FEES,
        accounting: Accounting::EveryFill,
    };
    let a = play(&mut Engine::new(vec![bounded]).unwrap(), 1, |engine| engine.elapse(333));
    let b = play(&mut Engine::new(vec![general]).unwrap(), 1, |engine| engine.elapse(333));
    assert_eq!(a, b);
}

#[test]
fn a46_random_runs_of_the_default_profile_are_sound() {
    for seed in 20..40 {
        let tape = walk(seed, 3_000);
        let mut asset = config(&tape, Probable(Behind::PowerOfShare(3.0)), FillModel::Consuming, 30);
        asset.latency = Latency::drawn(vec![5, 50, 500], vec![5, 70], seed).unwrap();
        let mut engine = Engine::new(vec![asset]).unwrap();
        let (_, fills) = play(&mut engine, 1, |engine| engine.elapse(200));
        let found = audit::audit(
            &instrument(),
            &FEES,
            tape.venue(),
            engine.venue_fills(0),
            engine.venue_account(0).unwrap(),
        );
        assert!(found.sound() && fills > 20, "seed {seed}: {found:?} of {fills}");
        assert_eq!(engine.account(0), engine.venue_account(0), "all answers are back at the end");
    }
}

#[test]
fn a46_a_wait_ends_at_the_first_event_it_names() {
    let rows = [&quiet()[..], &[(300, Kind::Bid, 100, 49), (9_000, Kind::Bid, 90, 1)]].concat();
    let tape = tape(&rows);
    let mut engine = engine(&tape, RiskAverse, FillModel::Consuming);
    let feed = Wake { feed: true, answer: false };
    assert_eq!((engine.wait(1_000, feed), engine.now()), (Woken::Feed(0), 105));
    assert_eq!((engine.wait(1_000, feed), engine.now()), (Woken::Feed(0), 105), "two rows of one message");
    engine.submit(0, order(1, Buy, 100, 1, Tif::Gtc)).unwrap();
    let answer = Wake { feed: false, answer: true };
    assert_eq!((engine.wait(1_000, answer), engine.now()), (Woken::Answer(0), 125));
    assert_eq!((engine.wait(100, answer), engine.now()), (Woken::Time, 225));
    assert_eq!((engine.wait(1_000, feed), engine.now()), (Woken::Feed(0), 305));
}

#[test]
fn a46_markouts_say_what_the_market_did_after_a_fill() {
    // Bought at 101 with the touch 100 to 102; a second later 90 to 92.
    let rows = [
        &quiet()[..],
        &[
            (300, Kind::SellTrade, 98, 5),
            (1_000, Kind::Bid, 100, 0),
            (1_000, Kind::Ask, 92, 1),
            (1_000, Kind::Bid, 90, 1),
            (9_000, Kind::Bid, 80, 1),
        ],
    ]
    .concat();
    let tape = tape(&rows);
    let mut engine = engine(&tape, RiskAverse, FillModel::Consuming);
    engine.elapse(100);
    engine.submit(0, order(1, Buy, 101, 5, Tif::PostOnly)).unwrap();
    finish(&mut engine);
    let marks = audit::markouts(
        BoundedL2Book::new(0, 2_000).unwrap(),
        tape.venue(),
        engine.fills(0),
        &[100, 1_000, 1 << 40],
    );
    let told: Vec<(i128, i128)> = marks.iter().map(|mark| (mark.half_tick_lots, mark.lots)).collect();
    // (100 + 102 − 2 × 101) × 5 = 0, then (90 + 92 − 202) × 5 = −100, then past the end.
    assert_eq!(told, [(0, 5), (-100, 5), (0, 0)]);
}
