//! Commands on their way in: budget, queue, breakers, amends, and the letters of what came to nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod rig;

use rig::{EPOCH, Rig, SECOND, VENUE, exec, fill};
use tidegate_router::limits::{
    AMEND_WAIT_NS, BREAKER_OPEN_NS, CLOCK_BOUND_NS, FORCE_FLAT_WAIT_NS, NEW_WAIT_NS_MAX, ORDER_TIMEOUT_NS,
    QUEUE_MAX, RATE_WINDOW_NS, RECV_WINDOW_NS,
};
use tidegate_router::{
    Amends, Answer, ClientId, Entry, Event, ExecKind, Now, Request, Status, Terms, Usage, UsageKind,
    VenueConfig, VenueState, Weights, What,
};
use tidegate_units::{IntentId, StrategyId};
use tidegate_wire::ids::client_order_id;
use tidegate_wire::pb::orders::v1::{Command, CommandKind, Reason, Report, ReportKind, Tif};

const MS: u64 = 1_000_000;

fn config(orders_per_10s: usize) -> VenueConfig {
    VenueConfig { new_wait_ns: 500 * MS, amends: Amends::Any, ..VenueConfig::new(VENUE, orders_per_10s) }
}

fn id_of(n: u64) -> ClientId {
    ClientId::parse(&client_order_id(IntentId::new(StrategyId(1), 1, n + 1).0, 0, 0)).unwrap()
}

/// What of the requests is about which order, in the order of their bytes.
fn sent(rig: &Rig) -> Vec<(&'static str, ClientId)> {
    let one = |request: &Request| match &request.what {
        What::Place { command, .. } => ("place", ClientId::parse(&command.client_order_id).unwrap()),
        What::Cancel { id, .. } => ("cancel", *id),
        What::Amend { id, .. } => ("amend", *id),
        What::Status { id, .. } => ("status", *id),
        other => panic!("{other:?}"),
    };
    rig.requests.iter().map(one).collect()
}

fn ack(rig: &mut Rig, n: usize) {
    let request = rig.requests.remove(n);
    let vid = format!("v{}", request.token);
    rig.answer(request.token, Answer::Placed { venue_order_id: vid, ts_venue_ns: 1 });
}

/// A rig with `n` orders that the venue holds, and nothing on its way.
fn held(venue: VenueConfig, n: u64) -> Rig {
    let mut rig = Rig::up(venue);
    for order in 0..n {
        rig.order(order);
        ack(&mut rig, 0);
    }
    rig.kinds();
    rig
}

fn amend(rig: &mut Rig, n: u64, px_ticks: i64, qty_lots: u64) {
    rig.command(CommandKind::Amend, 1, 9, n, |c| (c.px_ticks, c.qty_lots) = (px_ticks, qty_lots));
}

fn force_flat(rig: &mut Rig, n: u64) {
    rig.command(CommandKind::ForceFlat, 1, 9, n, |_| ());
}

fn reasons(rig: &Rig) -> Vec<(ReportKind, Reason)> {
    rig.reports.iter().map(|r| (r.kind(), r.reason())).collect()
}

fn letters(rig: &Rig) -> Vec<(CommandKind, Reason)> {
    rig.letters.iter().map(|l| (l.command.kind(), l.reason)).collect()
}

// ---------------------------------------------------------------- budgets

#[test]
fn b018_what_an_earlier_life_sent_counts_until_its_window_is_over() {
    let mut before = Rig::up(config(10));
    (0..8).for_each(|n| {
        before.order(n);
    });
    for (age_ns, want) in [(0, 0), (RATE_WINDOW_NS - 1, 0), (RATE_WINDOW_NS, 8)] {
        let mut rig = Rig::with(VenueConfig::new(VENUE, 10), true);
        before.entries.iter().for_each(|entry| rig.router.fold(entry));
        rig.mono_ns += age_ns;
        let now = Now { mono_ns: rig.mono_ns, epoch_ns: EPOCH + rig.mono_ns as i64 };
        rig.router.recovered(now, &mut Vec::new());
        rig.seq = 100;
        rig.apply(Event::VenueUp { venue: VENUE });
        rig.requests.clear();
        (20..40).for_each(|n| {
            rig.order(n);
        });
        assert_eq!(rig.placed(), want, "after {age_ns} ns");
    }
}

#[test]
fn b019_nothing_at_all_is_sent_before_a_reset_and_everything_that_waited_after_it() {
    let mut rig = held(config(100), 2);
    let until_mono_ns = rig.mono_ns + 3 * SECOND;
    rig.apply(Event::Blocked { venue: VENUE, until_mono_ns });
    rig.command(CommandKind::Cancel, 1, 9, 0, |_| ());
    rig.command(CommandKind::Query, 1, 9, 1, |_| ());
    force_flat(&mut rig, 5);
    amend(&mut rig, 1, 101, 5);
    rig.order(6);
    while rig.mono_ns + 100 * MS < until_mono_ns {
        assert_eq!(sent(&rig), [], "at {}", rig.mono_ns);
        rig.pass(100 * MS);
    }
    assert_eq!(reasons(&rig), [(ReportKind::NeverSent, Reason::RateBudget)], "the new order waited 500 ms");
    rig.pass(100 * MS);
    let want = [("place", id_of(5)), ("cancel", id_of(0)), ("amend", id_of(1)), ("status", id_of(1))];
    assert_eq!(sent(&rig), want);
    assert_eq!(rig.router.stats().blocks, 1);
}

#[test]
fn b019_the_venues_own_count_stops_new_orders_here_too() {
    let mut rig = Rig::up(VenueConfig { orders_share_percent: 90, ..VenueConfig::new(VENUE, 100) });
    let usage = Usage { kind: UsageKind::Orders, window_ns: RATE_WINDOW_NS, limit: 100, count: 80 };
    rig.apply(Event::Usage { venue: VENUE, usage });
    (0..20).for_each(|n| {
        rig.order(n);
    });
    assert_eq!(rig.placed(), 2, "72 of the 90 are for new orders, and 70 of them are gone");
}

#[test]
fn a23_a_burst_of_60_in_one_symbol_stops_at_its_own_limit() {
    let mut rig = Rig::up(VenueConfig { symbol_orders_per_10s: 50, ..VenueConfig::new(VENUE, 250) });
    (0..60).for_each(|n| {
        rig.order(n);
    });
    assert_eq!(rig.placed(), 40);
    (100..110).for_each(|n| rig.command(CommandKind::New, 1, 9, n, |c| c.instrument_id = 2));
    assert_eq!(rig.placed(), 50, "another symbol has room");
}

#[test]
fn questions_take_weight_and_a_spent_budget_holds_them_back_until_it_is_free() {
    let weights = Weights { status: 4, ..Weights::default() };
    let mut rig = held(VenueConfig { weight_per_minute: 10, weights, ..config(100) }, 3);
    (0..3).for_each(|n| rig.command(CommandKind::Query, 1, 9, n, |_| ()));
    assert_eq!(sent(&rig).len(), 2, "a fifth of ten is the cancels'");
    for request in std::mem::take(&mut rig.requests) {
        rig.answer(request.token, Answer::Failed { text: "5xx".into() });
    }
    rig.pass(59 * SECOND);
    assert_eq!(sent(&rig), []);
    rig.pass(SECOND);
    assert_eq!(sent(&rig).len(), 2);
}

#[test]
fn a_cancel_that_could_not_be_written_is_tried_again() {
    let mut rig = held(config(100), 1);
    rig.command(CommandKind::Cancel, 1, 9, 0, |_| ());
    let token = rig.take().token;
    rig.apply(Event::NotWritten { token, reason: Reason::RouterBackpressure });
    assert_eq!(sent(&rig), [], "not at once, which might be for ever");
    rig.pass(SECOND);
    assert_eq!(sent(&rig), [("cancel", id_of(0))]);
}

// ---------------------------------------------------------------- the queue

#[test]
fn a22_what_waits_leaves_by_urgency_when_there_is_room() {
    let mut rig = held(config(10), 8);
    assert_eq!(rig.router.stats().placed, 8, "all that new orders may have");
    for n in 10..12 {
        force_flat(&mut rig, n);
        ack(&mut rig, 0);
    }
    rig.pass(RATE_WINDOW_NS - 100 * MS);
    // Full to the brim: nothing leaves.
    rig.order(20);
    amend(&mut rig, 3, 101, 5);
    rig.command(CommandKind::Cancel, 1, 9, 2, |_| ());
    force_flat(&mut rig, 21);
    assert_eq!((sent(&rig), rig.router.waiting()), (vec![], 3));
    rig.pass(100 * MS);
    let want = [("place", id_of(21)), ("cancel", id_of(2)), ("amend", id_of(3)), ("place", id_of(20))];
    assert_eq!(sent(&rig), want);
}

#[test]
fn a22_a_new_order_waits_no_longer_than_it_may_or_lives() {
    let mut rig = held(config(10), 8);
    rig.order(20);
    rig.command(CommandKind::New, 1, 9, 21, |c| (c.ttl_ns, c.command_mono_ns) = (100 * MS, SECOND));
    assert_eq!((rig.reports.len(), rig.router.waiting()), (0, 2));
    rig.pass(100 * MS);
    assert_eq!(reasons(&rig), [(ReportKind::NeverSent, Reason::TtlExpired)]);
    rig.pass(400 * MS);
    assert_eq!(reasons(&rig)[1], (ReportKind::NeverSent, Reason::RateBudget));
    let want = [(CommandKind::New, Reason::TtlExpired), (CommandKind::New, Reason::RateBudget)];
    assert_eq!((letters(&rig), rig.router.waiting()), (want.to_vec(), 0));
    // Where a wait is not wanted, it is refused at once; and no wait is longer than its bound.
    let mut rig = held(VenueConfig { new_wait_ns: 0, ..config(10) }, 8);
    rig.order(20);
    assert_eq!(reasons(&rig), [(ReportKind::NeverSent, Reason::RateBudget)]);
    let mut rig = held(VenueConfig { new_wait_ns: u64::MAX, ..config(10) }, 8);
    rig.order(20);
    rig.pass(NEW_WAIT_NS_MAX);
    assert_eq!(rig.router.waiting(), 0);
}

#[test]
fn a22_an_order_that_waits_is_in_no_journal_and_a_cancel_takes_its_place() {
    let mut rig = held(config(10), 8);
    let journalled = rig.entries.len();
    rig.order(20);
    rig.order(20);
    rig.command(CommandKind::Query, 1, 9, 20, |_| ());
    assert_eq!((rig.entries.len(), rig.router.waiting()), (journalled, 1));
    rig.command(CommandKind::Cancel, 1, 9, 20, |_| ());
    assert_eq!(reasons(&rig), [(ReportKind::NeverSent, Reason::Superseded)]);
    rig.pass(RATE_WINDOW_NS);
    rig.order(20);
    assert_eq!(rig.router.stats().placed, 8, "what was proven never sent is never sent");
    assert_eq!(letters(&rig), [], "it was not wanted any more: no letter");
}

#[test]
fn a22_a_full_queue_gives_up_the_youngest_new_order_and_keeps_the_rest() {
    let mut rig = held(config(10), 8);
    (0..QUEUE_MAX as u64).for_each(|n| {
        rig.order(100 + n);
    });
    assert_eq!((rig.router.waiting(), rig.reports.len()), (QUEUE_MAX, 0));
    amend(&mut rig, 0, 101, 5);
    let want = client_order_id(IntentId::new(StrategyId(1), 1, 100 + QUEUE_MAX as u64).0, 0, 0);
    let last = rig.reports.last().unwrap();
    assert_eq!((last.client_order_id.as_str(), last.reason()), (want.as_str(), Reason::QueueEvicted));
    rig.order(5_000);
    assert_eq!(rig.reason(), Reason::QueueEvicted, "a further one finds nothing less urgent");
    assert_eq!((rig.router.stats().evicted, rig.router.waiting()), (2, QUEUE_MAX));
    assert_eq!(letters(&rig), [(CommandKind::New, Reason::QueueEvicted); 2]);
}

#[test]
fn what_waits_goes_with_its_leader_its_venue_and_its_right_to_trade() {
    type Ends = fn(&mut Rig);
    let cases: [(Ends, Reason); 4] = [
        (|rig| rig.command(CommandKind::Grant, 2, 8, 0, |_| ()), Reason::Fenced),
        (|rig| rig.apply(Event::VenueDown { venue: VENUE, text: "gone".into() }), Reason::VenueUnreachable),
        (|rig| rig.apply(Event::Kill { latched: true }), Reason::Killed),
        (
            |rig| {
                rig.command(CommandKind::CancelAll, 1, 9, 0, |c| {
                    *c = Command {
                        command_seq: c.command_seq,
                        gateway_epoch: 1,
                        holder: 9,
                        kind: CommandKind::CancelAll.into(),
                        ..Command::default()
                    }
                })
            },
            Reason::Superseded,
        ),
    ];
    for (ends, want) in cases {
        let mut rig = held(config(10), 8);
        rig.order(20);
        amend(&mut rig, 0, 101, 5);
        rig.reports.clear();
        ends(&mut rig);
        let told: Vec<(ReportKind, Reason)> = reasons(&rig)
            .into_iter()
            .filter(|(kind, _)| matches!(kind, ReportKind::NeverSent | ReportKind::AmendReject))
            .collect();
        assert_eq!(told, [(ReportKind::AmendReject, want), (ReportKind::NeverSent, want)]);
        assert_eq!(rig.router.waiting(), 0);
    }
}

#[test]
fn a22_an_order_that_flattens_uses_the_reserve_waits_for_its_venue_and_passes_breakers_and_no_kill() {
    let mut rig = held(config(10), 8);
    force_flat(&mut rig, 20);
    assert_eq!(sent(&rig), [("place", id_of(20))], "out of the reserve");
    rig.requests.clear();
    rig.apply(Event::VenueDown { venue: VENUE, text: "gone".into() });
    force_flat(&mut rig, 21);
    rig.pass(FORCE_FLAT_WAIT_NS / 2);
    rig.apply(Event::VenueUp { venue: VENUE });
    assert!(sent(&rig).contains(&("place", id_of(21))));
    rig.apply(Event::Kill { latched: true });
    force_flat(&mut rig, 22);
    assert_eq!(rig.reason(), Reason::Killed);
    let mut rig = Rig::with(config(10), true);
    rig.command(CommandKind::Grant, 1, 9, 0, |_| ());
    force_flat(&mut rig, 23);
    rig.pass(FORCE_FLAT_WAIT_NS);
    assert_eq!(
        (rig.reason(), letters(&rig)),
        (Reason::RateBudget, vec![(CommandKind::ForceFlat, Reason::RateBudget)])
    );
}

// ---------------------------------------------------------------- breakers

#[test]
fn a23_five_venue_faults_open_the_breaker_and_one_probe_closes_it() {
    let mut rig = held(config(100), 1);
    for n in 10..15 {
        rig.order(n);
        let token = rig.requests.pop().unwrap().token;
        rig.answer(token, Answer::Busy { text: "503 -1008".into() });
    }
    rig.requests.clear();
    rig.reports.clear();
    rig.order(20);
    assert_eq!((rig.placed(), rig.reason()), (0, Reason::BreakerOpen));
    rig.command(CommandKind::Cancel, 1, 9, 0, |_| ());
    force_flat(&mut rig, 21);
    assert_eq!(sent(&rig), [("cancel", id_of(0)), ("place", id_of(21))], "nothing stops these");
    rig.requests.clear();
    rig.pass(BREAKER_OPEN_NS);
    rig.requests.clear();
    (30..33).for_each(|n| {
        rig.order(n);
    });
    assert_eq!(sent(&rig), [("place", id_of(30))], "one probe");
    ack(&mut rig, 0);
    (40..43).for_each(|n| {
        rig.order(n);
    });
    assert_eq!(rig.placed(), 3);
    assert!(
        rig.notes.iter().any(|note| note.ends_with("opens"))
            && rig.notes.iter().any(|note| note.ends_with("closes"))
    );
    assert!(rig.router.breakers_open().is_empty());
}

#[test]
fn a23_a_probe_that_fails_opens_it_again_and_one_that_never_left_makes_room() {
    let open = || {
        let mut rig = Rig::up(config(100));
        for n in 10..15 {
            rig.order(n);
            let token = rig.requests.pop().unwrap().token;
            rig.answer(token, Answer::Busy { text: "503".into() });
        }
        rig.pass(BREAKER_OPEN_NS);
        rig.order(20);
        rig
    };
    let mut rig = open();
    rig.pass(ORDER_TIMEOUT_NS);
    rig.order(21);
    assert_eq!(rig.reason(), Reason::BreakerOpen, "no answer is a fault");
    let mut rig = open();
    let token = rig.take().token;
    rig.apply(Event::NotWritten { token, reason: Reason::RouterBackpressure });
    rig.order(21);
    assert_eq!(sent(&rig), [("place", id_of(21))]);
}

#[test]
fn a23_refusals_of_its_own_making_stop_a_strategy_and_post_only_ones_do_not() {
    for (tif, want) in [(Tif::Gtc, Reason::BreakerOpen), (Tif::PostOnly, Reason::VenueReject)] {
        let mut rig = Rig::up(config(100));
        for n in 0..6 {
            rig.command(CommandKind::New, 1, 9, n, |c| c.tif = tif.into());
            if let Some(request) = rig.requests.pop() {
                rig.answer(request.token, Answer::Refused { text: "-2010".into() });
            }
        }
        assert_eq!(rig.reason(), want);
        rig.command(CommandKind::New, 1, 9, 50, |c| {
            let intent = IntentId::new(StrategyId(2), 1, 1);
            let (hi, lo) = intent.halves();
            c.intent_id = Some(tidegate_wire::pb::common::v1::IntentId { hi, lo });
            c.client_order_id = client_order_id(intent.0, 0, 0);
        });
        assert_eq!(rig.placed(), 1, "another strategy is another matter");
    }
}

// ---------------------------------------------------------------- amends

fn replaced(rig: &mut Rig, px_ticks: i64, qty_lots: u64) {
    let token = rig.take().token;
    let terms = Terms { px_ticks, qty_lots };
    rig.answer(token, Answer::Replaced { venue_order_id: "n2".into(), terms, cum_lots: 0, ts_venue_ns: 1 });
}

#[test]
fn a22_amends_of_one_order_go_one_at_a_time_and_only_the_latest_of_those_that_wait() {
    let mut rig = held(config(100), 1);
    for px in [101, 102, 103] {
        amend(&mut rig, 0, px, 5);
    }
    assert_eq!(sent(&rig), [("amend", id_of(0))]);
    assert_eq!(reasons(&rig), [(ReportKind::AmendReject, Reason::Superseded)], "102 was overtaken by 103");
    replaced(&mut rig, 101, 5);
    assert_eq!(rig.reports.last().unwrap().last_px_ticks, 101);
    replaced(&mut rig, 103, 5);
    let last = rig.reports.last().unwrap();
    assert_eq!((last.kind(), last.last_px_ticks, last.leaves_qty_lots), (ReportKind::Replaced, 103, 5));
    assert_eq!((rig.requests.len(), letters(&rig)), (0, vec![]));
    // Executions under its new id at the venue and under the old one are its own.
    for (vid, exec_id) in [("n2", "1"), ("v1", "2")] {
        let mut event = exec(id_of(0), ExecKind::Trade(fill(exec_id, 1)), 0);
        if let Event::Exec { exec, .. } = &mut event {
            (exec.id, exec.venue_order_id, exec.cum_lots) = (None, vid.into(), None);
        }
        rig.apply(event);
        assert_eq!(rig.reports.last().unwrap().exec_id, exec_id, "{:?}", rig.notes);
    }
}

#[test]
fn a22_a_cancel_goes_before_an_amend_that_waits_and_none_is_taken_after_it() {
    let mut rig = held(config(100), 1);
    amend(&mut rig, 0, 101, 5);
    amend(&mut rig, 0, 102, 5);
    rig.requests.clear();
    rig.command(CommandKind::Cancel, 1, 9, 0, |_| ());
    assert_eq!(sent(&rig), [("cancel", id_of(0))]);
    assert_eq!(reasons(&rig), [(ReportKind::AmendReject, Reason::Superseded)]);
    amend(&mut rig, 0, 103, 5);
    assert_eq!((rig.reason(), rig.router.waiting()), (Reason::Superseded, 0));
}

#[test]
fn an_amend_that_makes_no_sense_or_that_the_venue_cannot_do_is_refused_unsent() {
    let cases: [(Amends, i64, u64, Reason); 6] = [
        (Amends::Any, 0, 5, Reason::PriceZeroOrNeg),
        (Amends::Any, 101, 2, Reason::QtyZeroOrNeg),
        (Amends::Never, 101, 5, Reason::Malformed),
        (Amends::Down, 101, 4, Reason::Malformed),
        (Amends::Down, 100, 6, Reason::Malformed),
        (Amends::Down, 100, 4, Reason::Unspecified),
    ];
    for (amends, px, qty, want) in cases {
        let mut rig = held(VenueConfig { amends, ..config(100) }, 1);
        rig.apply(exec(id_of(0), ExecKind::Trade(fill("1", 2)), 2));
        rig.reports.clear();
        amend(&mut rig, 0, px, qty);
        if want == Reason::Unspecified {
            assert_eq!(sent(&rig), [("amend", id_of(0))]);
            continue;
        }
        assert_eq!(
            (reasons(&rig), rig.requests.len()),
            (vec![(ReportKind::AmendReject, want)], 0),
            "{amends:?} {px} {qty}"
        );
        assert_eq!(letters(&rig), [(CommandKind::Amend, want)]);
    }
    let mut rig = held(config(100), 1);
    amend(&mut rig, 7, 101, 5);
    assert_eq!(reasons(&rig), [(ReportKind::AmendReject, Reason::UnknownOrder)]);
    assert_eq!(rig.reports[0].client_order_id, id_of(7).to_string());
}

#[test]
fn an_order_under_an_amend_is_done_only_when_it_is_done_either_way() {
    // Five of five are filled while an amend to ten is under way: the venue may hold five more.
    let mut rig = held(config(100), 1);
    amend(&mut rig, 0, 100, 10);
    rig.apply(exec(id_of(0), ExecKind::Trade(fill("1", 5)), 5));
    assert_eq!(rig.router.open_orders(), 1);
    replaced(&mut rig, 100, 10);
    assert_eq!((rig.router.open_orders(), rig.reports.last().unwrap().leaves_qty_lots), (1, 5));
    // The other way: it had been full, and the amend came too late.
    let mut rig = held(config(100), 1);
    amend(&mut rig, 0, 100, 10);
    rig.apply(exec(id_of(0), ExecKind::Trade(fill("1", 5)), 5));
    let token = rig.take().token;
    rig.answer(token, Answer::Refused { text: "-2013".into() });
    assert_eq!((rig.router.open_orders(), rig.reason()), (0, Reason::VenueReject));
    // An amend down to what is filled already.
    let mut rig = held(config(100), 1);
    amend(&mut rig, 0, 100, 3);
    rig.apply(exec(id_of(0), ExecKind::Trade(fill("1", 3)), 3));
    assert_eq!(rig.router.open_orders(), 1, "it may be three of five");
    replaced(&mut rig, 100, 3);
    assert_eq!(rig.router.open_orders(), 0);
}

#[test]
fn an_amend_without_a_clear_answer_is_settled_by_the_terms_the_venue_shows_after_its_validity() {
    type Lose = fn(&mut Rig, u64);
    let ways: [Lose; 3] = [
        |rig, token| rig.answer(token, Answer::Unclear { text: "-1007".into() }),
        |rig, _| rig.pass(ORDER_TIMEOUT_NS),
        |rig, _| {
            rig.apply(Event::VenueDown { venue: VENUE, text: "gone".into() });
            rig.apply(Event::VenueUp { venue: VENUE });
        },
    ];
    let valid = (RECV_WINDOW_NS + CLOCK_BOUND_NS) as u64;
    let (old, new) = (Terms { px_ticks: 100, qty_lots: 5 }, Terms { px_ticks: 101, qty_lots: 7 });
    for lose in ways {
        for (terms, want) in [(new, ReportKind::Replaced), (old, ReportKind::AmendReject)] {
            let mut rig = held(config(100), 1);
            amend(&mut rig, 0, 101, 7);
            let sent_at = rig.mono_ns;
            let token = rig.take().token;
            rig.reports.clear();
            lose(&mut rig, token);
            for _ in 0..200 {
                for request in std::mem::take(&mut rig.requests) {
                    assert!(matches!(request.what, What::Status { .. }));
                    let early = rig.mono_ns <= sent_at + valid;
                    let said = rig.reports.iter().any(|r| r.kind() == ReportKind::AmendReject);
                    assert!(!(early && said), "the old terms prove nothing while the amend can still come");
                    let status = Status {
                        id: Some(id_of(0)),
                        venue_order_id: "v1".into(),
                        state: VenueState::Live,
                        cum_lots: 0,
                        terms: Some(terms),
                        ts_venue_ns: 1,
                    };
                    rig.answer(request.token, Answer::Status(status));
                }
                rig.pass(50 * MS);
            }
            let told: Vec<ReportKind> = rig
                .reports
                .iter()
                .map(Report::kind)
                .filter(|kind| matches!(kind, ReportKind::Replaced | ReportKind::AmendReject))
                .collect();
            assert_eq!(told, [want]);
            assert!(rig.router.unfinished().is_empty());
        }
    }
}

#[test]
fn the_journal_brings_an_amend_back_as_one_of_unknown_outcome() {
    let mut rig = held(config(100), 2);
    amend(&mut rig, 0, 101, 7);
    amend(&mut rig, 1, 102, 6);
    let second = rig.requests.remove(1).token;
    let terms = Terms { px_ticks: 102, qty_lots: 6 };
    rig.answer(second, Answer::Replaced { venue_order_id: "n".into(), terms, cum_lots: 0, ts_venue_ns: 1 });
    let before = rig.router.durable_state();
    let first = rig
        .entries
        .iter()
        .position(|e| matches!(e, Entry::Command { command, .. } if command.kind() == CommandKind::Amend));
    let sent = rig.requests.first().map(|r| r.token);
    assert!(first.is_some() && sent.is_some(), "journalled before its bytes");
    let mut again = Rig::with(config(100), true);
    rig.entries.iter().for_each(|entry| again.router.fold(entry));
    assert_eq!(again.router.durable_state(), before);
    again.router.recovered(Now { mono_ns: SECOND, epoch_ns: EPOCH }, &mut Vec::new());
    let waits: Vec<&str> = again.router.unfinished().iter().map(|u| u.missing).collect();
    assert_eq!(waits, ["the terms the venue shows after an amend's validity"]);
}

#[test]
fn an_amend_waits_for_the_ack_of_its_order_and_no_longer_than_it_may() {
    let mut rig = Rig::up(config(100));
    rig.order(0);
    amend(&mut rig, 0, 101, 5);
    assert_eq!(sent(&rig), [("place", id_of(0))]);
    ack(&mut rig, 0);
    assert_eq!(sent(&rig), [("amend", id_of(0))]);
    let mut rig = Rig::up(config(100));
    rig.order(0);
    amend(&mut rig, 0, 101, 5);
    rig.pass(AMEND_WAIT_NS);
    assert!(reasons(&rig).contains(&(ReportKind::AmendReject, Reason::RateBudget)));
}

// ---------------------------------------------------------------- letters

#[test]
fn a24_whatever_comes_to_nothing_leaves_a_letter_with_its_reason_and_its_command() {
    // Refused before it was sent.
    let mut rig = Rig::up(config(100));
    rig.command(CommandKind::New, 1, 9, 0, |c| c.qty_lots = 0);
    // Refused by the venue, with its words.
    rig.order(1);
    let token = rig.take().token;
    rig.answer(token, Answer::Refused { text: "-2010 Account has insufficient balance".into() });
    // Not written.
    rig.order(2);
    let token = rig.take().token;
    rig.apply(Event::NotWritten { token, reason: Reason::VenueUnreachable });
    // Sent, and proven never to have been there.
    let clock = rig.not_found_of(3);
    rig.answer(clock.token, Answer::Time { epoch_ns: EPOCH + rig.mono_ns as i64 + 10 * SECOND as i64 });
    let second = rig.take();
    rig.answer(second.token, Answer::NotFound);
    let open = rig.take();
    rig.answer(open.token, Answer::Open(vec![]));
    let trades = rig.take();
    rig.answer(trades.token, Answer::Trades(vec![]));
    let want = [Reason::QtyZeroOrNeg, Reason::VenueReject, Reason::VenueUnreachable, Reason::VenueNotFound];
    assert_eq!(rig.letters.iter().map(|l| l.reason).collect::<Vec<_>>(), want);
    assert_eq!(rig.letters[1].text, "-2010 Account has insufficient balance");
    let px: Vec<i64> = rig.letters.iter().map(|l| l.command.px_ticks).collect();
    assert_eq!(px, [100; 4], "each with its whole command");
    // What went well leaves none, and neither does a question or a cancel.
    let mut rig = held(config(100), 1);
    rig.command(CommandKind::Query, 1, 9, 9, |_| ());
    rig.command(CommandKind::Cancel, 1, 9, 9, |_| ());
    assert_eq!(rig.letters, []);
}

#[test]
fn an_amend_that_counts_anew_may_come_out_larger_where_the_venue_works_so_and_nowhere_else() {
    for (amends, replaced) in [(Amends::Anew, 1), (Amends::Any, 0)] {
        for (px_ticks, qty_lots, want) in [(101, 8, replaced), (101, 6, 0), (102, 8, 0)] {
            let mut rig = held(VenueConfig { amends, ..config(100) }, 1);
            amend(&mut rig, 0, 101, 7);
            let token = rig.take().token;
            rig.reports.clear();
            let (terms, venue_order_id) = (Terms { px_ticks, qty_lots }, "v9".to_string());
            rig.answer(token, Answer::Replaced { venue_order_id, terms, cum_lots: 0, ts_venue_ns: 1 });
            let told = rig.reports.iter().filter(|r| r.kind() == ReportKind::Replaced).count();
            assert_eq!(told, want, "{amends:?} {terms:?}");
        }
    }
}

#[test]
fn b020_a_question_that_fails_is_asked_again_after_one_two_and_four_seconds() {
    let mut rig = held(VenueConfig { query_wait_ns: 1_000 * MS, ..config(100) }, 1);
    rig.apply(Event::Garbled { venue: VENUE });
    let mut asked = Vec::new();
    for _ in 0..800 {
        for request in std::mem::take(&mut rig.requests) {
            assert!(matches!(request.what, What::Status { .. }), "nothing else is sent again");
            asked.push(rig.mono_ns);
            rig.answer(request.token, Answer::Failed { text: "503".into() });
        }
        rig.pass(10 * MS);
    }
    let waits: Vec<u64> = asked.windows(2).map(|pair| (pair[1] - pair[0]) / (100 * MS)).collect();
    assert_eq!(waits.get(..3), Some(&[10, 20, 40][..]), "{waits:?}");
}

#[test]
fn b022_an_order_is_dead_only_after_the_time_its_venue_may_take_over_a_request() {
    for settles_s in [2_u64, 30] {
        let settles_ns = settles_s as i64 * 1_000_000_000;
        let mut rig = Rig::up(VenueConfig { settles_ns, ..config(100) });
        rig.order(0);
        let (sent_at, token) = (rig.mono_ns, rig.take().token);
        rig.answer(token, Answer::Unclear { text: "504".into() });
        let mut dead_after = None;
        for _ in 0..1_000 {
            for request in std::mem::take(&mut rig.requests) {
                rig.answer(
                    request.token,
                    match request.what {
                        What::Status { .. } => Answer::NotFound,
                        What::Time => Answer::Time { epoch_ns: EPOCH + rig.mono_ns as i64 },
                        What::Open { .. } => Answer::Open(vec![]),
                        What::Trades { .. } => Answer::Trades(vec![]),
                        other => panic!("{other:?}"),
                    },
                );
            }
            if dead_after.is_none() && rig.kinds().contains(&ReportKind::Dead) {
                dead_after = Some((rig.mono_ns - sent_at) / 1_000_000_000);
            }
            rig.pass(50 * MS);
        }
        assert!(
            dead_after.is_some_and(|s| (settles_s..settles_s + 6).contains(&s)),
            "{dead_after:?} of {settles_s}"
        );
    }
}
