//! Executions that a venue takes back, corrects or makes without our hearing of it are found in its list, by evidence.

mod rig;

use rig::{EPOCH, Rig, SECOND, VENUE, exec, fill, status};
use tidegate_router::limits::{FILLS_SWEPT_MAX, FILLS_SWEPT_NS, SWEEP_PAGE};
use tidegate_router::{
    Answer, ClientId, Event, ExecKind, Fill, Request, TradeRow, VenueConfig, VenueState, What,
};
use tidegate_units::Side;
use tidegate_wire::pb::orders::v1::ReportKind;

const PERIOD: u64 = 10 * SECOND;

fn config() -> VenueConfig {
    VenueConfig { sweep_ns: PERIOD, ..VenueConfig::new(VENUE, 2_000) }
}

fn at_the_start(exec_id: &str, qty_lots: u64) -> Fill {
    Fill { ts_venue_ns: EPOCH, ..fill(exec_id, qty_lots) }
}

fn row(exec_id: &str, qty_lots: u64) -> TradeRow {
    TradeRow { venue_order_id: "77".into(), side: Side::Buy, fill: at_the_start(exec_id, qty_lots) }
}

fn trade(id: ClientId, exec_id: &str, qty_lots: u64, cum: u64) -> Event {
    exec(id, ExecKind::Trade(at_the_start(exec_id, qty_lots)), cum)
}

/// An order that has filled three and two, long enough ago that a list must have both.
fn filled(venue: VenueConfig) -> (Rig, ClientId) {
    let mut rig = Rig::up(venue);
    let id = rig.order(0);
    rig.apply(exec(id, ExecKind::New, 0));
    rig.apply(trade(id, "a", 3, 3));
    rig.apply(trade(id, "b", 2, 5));
    assert_eq!(rig.router.open_orders(), 0, "nothing of it is asked for any more");
    rig.requests.clear();
    rig.reports.clear();
    (rig, id)
}

/// Lets the next list be asked for.
fn list(rig: &mut Rig) -> Request {
    rig.requests.clear();
    rig.pass(2 * PERIOD);
    let request = rig.take();
    assert!(matches!(request.what, What::Trades { venue_order_id: None, .. }), "{request:?}");
    request
}

fn asked_of_order(rig: &mut Rig) -> Request {
    rig.requests.clear();
    rig.pass(SECOND);
    let request = rig.take();
    assert!(matches!(request.what, What::Status { .. }), "{request:?}");
    request
}

fn told(rig: &Rig) -> Vec<(ReportKind, String, u64)> {
    rig.reports.iter().map(|r| (r.kind(), r.exec_id.clone(), r.last_qty_lots)).collect()
}

#[test]
fn b023_an_execution_that_the_list_lacks_and_the_order_has_not_filled_was_taken_back() {
    let (mut rig, id) = filled(config());
    let request = list(&mut rig);
    rig.answer(request.token, Answer::Trades(vec![row("a", 3)]));
    assert!(rig.reports.is_empty(), "a list alone proves nothing");
    let request = asked_of_order(&mut rig);
    rig.answer(request.token, status(id, VenueState::Filled, 3));
    assert_eq!(told(&rig), [(ReportKind::Bust, "b/bust".into(), 2)]);

    let bust = Fill { exec_id: "b/bust".into(), ..fill("", 2) };
    rig.apply(exec(id, ExecKind::Bust(bust), 3));
    assert_eq!(rig.reports.len(), 1, "the stream's own word on it comes late");

    let request = list(&mut rig);
    rig.answer(request.token, Answer::Trades(vec![row("a", 3)]));
    rig.requests.clear();
    rig.pass(SECOND);
    assert!(rig.requests.is_empty(), "it is looked for no more");
    let mut again = Rig::with(config(), true);
    rig.entries.iter().for_each(|entry| again.router.fold(entry));
    assert_eq!(again.router.durable_state(), rig.router.durable_state());
    again.mono_ns = rig.mono_ns;
    again.apply(Event::VenueUp { venue: VENUE });
    let request = again.take();
    again.answer(request.token, Answer::Trades(Vec::new()));
    let request = asked_of_order(&mut again);
    again.reports.clear();
    again.answer(request.token, status(id, VenueState::Filled, 0));
    assert_eq!(told(&again), [(ReportKind::Bust, "a/bust".into(), 3)], "what an earlier life has booked too");
}

#[test]
fn a_list_that_lags_and_a_quantity_that_says_otherwise_take_nothing_back() {
    let (mut rig, id) = filled(config());
    for cum in [5, 4, 0] {
        let request = list(&mut rig);
        rig.answer(request.token, Answer::Trades(vec![row("a", 3)]));
        let request = asked_of_order(&mut rig);
        rig.answer(request.token, status(id, VenueState::Filled, cum));
        assert!(rig.reports.is_empty(), "the order has filled {cum}, the list lacks two of five");
    }
    let request = list(&mut rig);
    rig.answer(request.token, Answer::Trades(vec![row("a", 3), row("b", 2)]));
    rig.requests.clear();
    rig.pass(SECOND);
    assert!(rig.requests.is_empty(), "there is no doubt");

    // One that came a moment before the list was asked for need not be in it.
    let mut rig = Rig::up(config());
    let id = rig.order(0);
    rig.requests.clear();
    rig.apply(trade(id, "a", 5, 5));
    let request = rig.take();
    rig.answer(request.token, Answer::Trades(Vec::new()));
    rig.requests.clear();
    rig.pass(SECOND);
    assert!(rig.requests.is_empty(), "{:?}", rig.requests);
}

#[test]
fn b023_an_execution_listed_with_other_terms_was_corrected() {
    let (mut rig, _) = filled(config());
    let dearer = |mut row: TradeRow| {
        row.fill.px_ticks += 1;
        row
    };
    for _ in 0..2 {
        let request = list(&mut rig);
        rig.answer(request.token, Answer::Trades(vec![row("a", 3), dearer(row("b", 2))]));
    }
    assert_eq!(
        told(&rig),
        [(ReportKind::Bust, "b/bust".into(), 2), (ReportKind::Fill, "b/right".into(), 2)],
        "once"
    );
    assert_eq!(rig.reports[1].last_px_ticks, rig.reports[0].last_px_ticks + 1);
    let mut again = Rig::with(config(), true);
    rig.entries.iter().for_each(|entry| again.router.fold(entry));
    again.mono_ns = rig.mono_ns;
    again.apply(Event::VenueUp { venue: VENUE });
    let request = again.take();
    again.reports.clear();
    again.answer(request.token, Answer::Trades(vec![row("a", 3), dearer(row("b", 2))]));
    again.requests.clear();
    again.pass(SECOND);
    assert!(again.reports.is_empty() && again.requests.is_empty(), "a restart knows it by its name");
}

#[test]
fn a26_an_execution_nobody_told_is_booked_from_the_list_once() {
    let mut rig = Rig::up(config());
    let id = rig.order(0);
    rig.apply(exec(id, ExecKind::New, 0));
    rig.apply(trade(id, "a", 3, 3));
    rig.apply(exec(id, ExecKind::Cancelled, 3));
    rig.reports.clear();
    for _ in 0..2 {
        let request = list(&mut rig);
        rig.answer(request.token, Answer::Trades(vec![row("a", 3), row("late", 1)]));
    }
    assert_eq!(told(&rig), [(ReportKind::Fill, "late".into(), 1)]);
    assert_eq!(rig.router.stats().fills_repeated, 0);
}

#[test]
fn looks_are_rare_and_rarer_the_more_there_is_and_one_that_fails_is_made_in_its_turn() {
    let (mut rig, _) = filled(config());
    let request = list(&mut rig);
    rig.answer(request.token, Answer::Failed { text: "the list is cut short".into() });
    rig.requests.clear();
    rig.pass(PERIOD - SECOND);
    assert!(rig.requests.is_empty(), "not at once");
    rig.pass(SECOND);
    let request = rig.take();
    // An order that cannot be asked for waits for the next list.
    rig.answer(request.token, Answer::Trades(Vec::new()));
    let request = asked_of_order(&mut rig);
    rig.answer(request.token, Answer::NotFound);
    rig.requests.clear();
    rig.pass(2 * SECOND);
    assert!(rig.requests.is_empty());
    rig.apply(Event::Garbled { venue: VENUE });
    assert_eq!(rig.requests.len(), 1, "what could not be read may have been a bust");

    let mut rig = Rig::up(VenueConfig { weight_per_minute: 1_000, ..config() });
    for n in 0..FILLS_SWEPT_MAX as u64 + 1 {
        let id = rig.order(n % 40 + 40 * (n / 40));
        rig.apply(exec(id, ExecKind::Trade(at_the_start(&format!("x{n}"), 5)), 5));
        rig.mono_ns += SECOND;
    }
    rig.requests.clear();
    let pages = (FILLS_SWEPT_MAX / SWEEP_PAGE) as u64;
    rig.pass(2 * PERIOD * pages);
    let request = rig.requests.pop().unwrap();
    rig.answer(request.token, Answer::Failed { text: String::new() });
    rig.pass(PERIOD * pages - SECOND);
    assert!(rig.requests.is_empty());
    rig.pass(SECOND);
    assert_eq!(rig.requests.len(), 1);
    rig.pass(FILLS_SWEPT_NS as u64 + 10 * SECOND);
    rig.requests.clear();
    rig.pass(PERIOD * pages);
    assert!(rig.requests.is_empty(), "what is older is not looked for");
}

#[test]
fn a_venue_that_tells_what_it_takes_back_is_not_asked() {
    let (mut rig, _) = filled(VenueConfig::new(VENUE, 100));
    rig.pass(100 * PERIOD);
    rig.apply(Event::Garbled { venue: VENUE });
    assert!(rig.requests.is_empty());
}
