//! Each guard of the router alone, with the case beside it that it must let through.

#![allow(clippy::unwrap_used, clippy::panic)]

mod rig;

use proptest::prelude::*;
use rig::{EPOCH, Rig, SECOND, VENUE, exec, fill, past_validity, status};
use tidegate_router::{
    Answer, ClientId, Entry, Event, ExecKind, Now, Router, TradeRow, VenueConfig, VenueState, What,
};
use tidegate_units::{InstrumentId, IntentId, Side, StrategyId};
use tidegate_wire::approval::{ApprovalKey, Approver};
use tidegate_wire::ids::client_order_id;
use tidegate_wire::pb::orders::v1::{Command, CommandKind, Reason, ReportKind};

#[test]
fn dead_needs_all_four_steps_in_order() {
    let mut rig = Rig::new();
    let clock = rig.not_found();
    rig.answer(clock.token, Answer::Time { epoch_ns: past_validity() + 1 });
    let second = rig.take();
    assert!(matches!(second.what, What::Status { .. }));
    rig.answer(second.token, Answer::NotFound);
    let open = rig.take();
    assert!(matches!(open.what, What::Open { .. }));
    rig.answer(open.token, Answer::Open(vec![]));
    let trades = rig.take();
    assert!(matches!(trades.what, What::Trades { venue_order_id: None, .. }));
    assert!(rig.reports.is_empty());
    rig.answer(trades.token, Answer::Trades(vec![]));
    assert_eq!(rig.kinds(), [ReportKind::Dead]);
}

#[test]
fn a_clock_that_is_not_past_the_validity_proves_nothing() {
    let mut rig = Rig::new();
    let clock = rig.not_found();
    rig.answer(clock.token, Answer::Time { epoch_ns: past_validity() });
    rig.pass(SECOND * 6);
    assert_eq!(rig.take().what, What::Time, "the proof begins again");
    assert!(rig.reports.is_empty());
}

#[test]
fn an_order_among_the_open_ones_or_a_trade_nobody_explains_is_not_dead() {
    for step in 0..2 {
        let mut rig = Rig::new();
        let clock = rig.not_found();
        rig.answer(clock.token, Answer::Time { epoch_ns: past_validity() + 1 });
        let again = rig.take();
        rig.answer(again.token, Answer::NotFound);
        let open = rig.take();
        let id = ClientId::parse(&client_order_id(IntentId::new(StrategyId(1), 1, 1).0, 0, 0)).unwrap();
        if step == 0 {
            rig.answer(open.token, Answer::Open(vec![id]));
        } else {
            rig.answer(open.token, Answer::Open(vec![]));
            let trades = rig.take();
            let row = TradeRow { venue_order_id: "99".into(), side: Side::Buy, fill: fill("1", 1) };
            rig.answer(trades.token, Answer::Trades(vec![row]));
        }
        assert!(rig.reports.is_empty());
        assert_eq!(rig.router.unfinished().len(), 1);
    }
}

#[test]
fn a25_a_fill_during_the_proof_ends_it() {
    let mut rig = Rig::new();
    let clock = rig.not_found();
    let id = rig.router.unfinished()[0].id;
    rig.apply(exec(id, ExecKind::Trade(fill("5", 5)), 5));
    rig.answer(clock.token, Answer::Time { epoch_ns: past_validity() + 1 });
    rig.pass(SECOND * 10);
    assert_eq!(rig.kinds(), [ReportKind::Fill]);
    assert_eq!(rig.router.open_orders(), 0);
}

#[test]
fn an_order_the_venue_once_held_is_never_dead() {
    let mut rig = Rig::new();
    let id = rig.order(0);
    let place = rig.take();
    rig.answer(place.token, Answer::Placed { venue_order_id: "77".into(), ts_venue_ns: 1 });
    rig.apply(Event::VenueDown { venue: VENUE, text: String::new() });
    rig.apply(Event::VenueUp { venue: VENUE });
    rig.reports.clear();
    for _ in 0..50 {
        for request in std::mem::take(&mut rig.requests) {
            let answer = match request.what {
                What::Status { .. } => Answer::NotFound,
                What::Trades { .. } => Answer::Trades(vec![]),
                What::Open { .. } => Answer::Open(vec![]),
                _ => Answer::Time { epoch_ns: i64::MAX },
            };
            rig.answer(request.token, answer);
        }
        rig.pass(SECOND);
    }
    assert_eq!(rig.kinds(), []);
    assert_eq!(rig.router.open_orders(), 1, "{id} stays open");
}

#[test]
fn b020_every_unclear_answer_is_unknown_and_a_clear_refusal_is_not() {
    for (answer, want) in [
        (Answer::Unclear { text: "-1007".into() }, ReportKind::Unknown),
        (Answer::Refused { text: "-2010".into() }, ReportKind::Reject),
    ] {
        let mut rig = Rig::new();
        rig.order(0);
        let place = rig.take();
        rig.answer(place.token, answer);
        assert_eq!(rig.kinds(), [want]);
    }
    let mut rig = Rig::new();
    rig.order(0);
    rig.apply(Event::VenueDown { venue: VENUE, text: "gone".into() });
    assert_eq!(rig.kinds(), [ReportKind::Unknown, ReportKind::VenueDown]);
}

#[test]
fn a_terminal_report_waits_for_every_execution_up_to_the_venues_quantity() {
    let mut rig = Rig::new();
    let id = rig.order(0);
    let place = rig.take();
    rig.answer(place.token, Answer::Placed { venue_order_id: "77".into(), ts_venue_ns: 1 });
    rig.kinds();
    rig.apply(exec(id, ExecKind::Cancelled, 3));
    assert_eq!(rig.kinds(), [], "three lots are missing");
    let trades = rig.take();
    let row = TradeRow { venue_order_id: "77".into(), side: Side::Buy, fill: fill("8", 3) };
    rig.answer(trades.token, Answer::Trades(vec![row]));
    assert_eq!(rig.reports.last().unwrap().cum_qty_lots, 3);
    assert_eq!(rig.kinds(), [ReportKind::Fill, ReportKind::Cancelled]);
}

#[test]
fn a26_fills_are_booked_once_before_the_ack_and_after_the_end() {
    let mut rig = Rig::new();
    let id = rig.order(0);
    rig.apply(exec(id, ExecKind::Trade(fill("1", 2)), 2));
    rig.apply(exec(id, ExecKind::Trade(fill("1", 2)), 2));
    rig.apply(exec(id, ExecKind::New, 0));
    rig.apply(exec(id, ExecKind::Cancelled, 2));
    rig.apply(exec(id, ExecKind::Trade(fill("2", 1)), 3));
    rig.apply(exec(id, ExecKind::Trade(fill("2", 1)), 3));
    let want = [ReportKind::Fill, ReportKind::Ack, ReportKind::Cancelled, ReportKind::Fill];
    assert_eq!(rig.kinds(), want);
}

#[test]
fn a_refused_cancel_proves_nothing_and_asks() {
    let mut rig = Rig::new();
    let id = rig.order(0);
    let place = rig.take();
    rig.answer(place.token, Answer::Placed { venue_order_id: "77".into(), ts_venue_ns: 1 });
    rig.kinds();
    rig.command(CommandKind::Cancel, 1, 9, 0, |_| ());
    let cancel = rig.take();
    rig.command(CommandKind::Cancel, 1, 9, 0, |_| ());
    assert!(rig.requests.is_empty(), "one cancel at a time");
    rig.answer(cancel.token, Answer::Refused { text: "-2011".into() });
    assert_eq!(rig.kinds(), [ReportKind::CancelReject]);
    let query = rig.take();
    assert!(matches!(query.what, What::Status { .. }));
    rig.answer(query.token, status(id, VenueState::Live, 0));
    rig.command(CommandKind::Cancel, 1, 9, 0, |_| ());
    assert!(matches!(rig.take().what, What::Cancel { .. }), "a later cancel is sent");
}

#[test]
fn b051_time_to_live_is_checked_against_the_senders_stamp() {
    let mut rig = Rig::new();
    let left = |ttl| move |c: &mut Command| (c.ttl_ns, c.command_mono_ns) = (ttl, SECOND - 100);
    rig.command(CommandKind::New, 1, 9, 0, left(99));
    assert_eq!((rig.placed(), rig.reason()), (0, Reason::TtlExpired));
    rig.command(CommandKind::New, 1, 9, 1, left(100));
    assert_eq!(rig.placed(), 1);
    assert_eq!(rig.requests[0].expires_mono_ns, SECOND);
    let token = rig.requests[0].token;
    rig.apply(Event::NotWritten { token, reason: Reason::TtlExpired });
    assert_eq!(rig.reports.last().unwrap().kind(), ReportKind::NeverSent);
}

/// A router with the gateway's key, and a gateway's hand that signs what it sends.
fn approving() -> (Rig, Approver) {
    let key = || ApprovalKey::new([5; 32]);
    let mut rig = Rig::bare(100, true);
    rig.router =
        Router::new(&[VenueConfig::new(VENUE, 100)], [(InstrumentId(1), VENUE)], true).with_approvals(key());
    rig.command(CommandKind::Grant, 1, 9, 0, |_| ());
    rig.apply(Event::VenueUp { venue: VENUE });
    rig.reports.clear();
    (rig, Approver::new(key()))
}

#[test]
fn b051_nothing_is_sent_without_an_approval_that_is_whole_in_time_and_new() {
    let expires = EPOCH + 2 * SECOND as i64;
    let (mut rig, approver) = approving();
    let sign = |c: &mut Command| c.approval = approver.approve(c, 1, expires);
    rig.command(CommandKind::New, 1, 9, 0, |_| ());
    assert_eq!((rig.reason(), rig.placed()), (Reason::ApprovalMissing, 0));
    rig.command(CommandKind::New, 1, 9, 1, |c| {
        sign(c);
        c.qty_lots += 1;
    });
    assert_eq!((rig.reason(), rig.placed()), (Reason::ApprovalAltered, 0));
    rig.command(CommandKind::New, 1, 9, 2, |c| c.approval = approver.approve(c, 1, EPOCH));
    assert_eq!((rig.reason(), rig.placed()), (Reason::ApprovalExpired, 0));
    rig.command(CommandKind::New, 1, 9, 3, sign);
    assert_eq!(rig.placed(), 1);
    // The same bytes again are the link's doing: dropped, with no word that the order was never sent.
    let reports = rig.reports.len();
    rig.seq -= 1;
    rig.command(CommandKind::New, 1, 9, 3, sign);
    assert_eq!((rig.placed(), rig.reports.len()), (1, reports));
    // Under a new number they are another command.
    let mut old = String::new();
    rig.command(CommandKind::New, 1, 9, 4, |c| c.approval = approver.approve(c, 1, expires));
    for request in &rig.requests {
        if let What::Place { command, .. } = &request.what {
            old.clone_from(&command.approval);
        }
    }
    rig.command(CommandKind::New, 1, 9, 5, |c| c.approval.clone_from(&old));
    assert_eq!((rig.reason(), rig.placed()), (Reason::ApprovalAltered, 2));
    // Cancels and questions need none: they only take risk away.
    rig.reports.clear();
    rig.command(CommandKind::Cancel, 1, 9, 3, |_| ());
    assert!(!rig.kinds().contains(&ReportKind::NeverSent));
}

#[test]
fn b051_a_restarted_router_knows_which_approvals_were_used() {
    let (mut rig, approver) = approving();
    let expires = EPOCH + 60 * SECOND as i64;
    rig.command(CommandKind::New, 1, 9, 1, |c| c.approval = approver.approve(c, 1, expires));
    let used = rig.seq;
    let sent = match &rig.requests[0].what {
        What::Place { command, ts_ns } => Entry::Command { command: *command.clone(), ts_ns: *ts_ns },
        _ => unreachable!("a placed order"),
    };
    let mut grant =
        Command { kind: CommandKind::Grant.into(), gateway_epoch: 1, holder: 9, ..Command::default() };
    grant.command_seq = 1;
    let (mut again, approver) = approving();
    again.router = Router::new(&[VenueConfig::new(VENUE, 100)], [(InstrumentId(1), VENUE)], true)
        .with_approvals(ApprovalKey::new([5; 32]));
    again.router.fold(&Entry::Command { command: grant, ts_ns: EPOCH });
    again.router.fold(&sent);
    again.router.recovered(Now { mono_ns: SECOND, epoch_ns: EPOCH }, &mut Vec::new());
    again.apply(Event::VenueUp { venue: VENUE });
    // A token of the old command's number under an id of its own.
    again.seq = used - 1;
    again.requests.clear();
    again.command(CommandKind::New, 1, 9, 2, |c| c.approval = approver.approve(c, 1, expires));
    assert_eq!(again.placed(), 0);
    again.command(CommandKind::New, 1, 9, 3, |c| c.approval = approver.approve(c, 1, expires));
    assert_eq!(again.placed(), 1);
}

#[test]
fn b051_nobody_answers_for_an_order_nobody_is_named_for() {
    let (mut rig, approver) = approving();
    rig.router = rig.router.with_attribution();
    let expires = EPOCH + 60 * SECOND as i64;
    rig.command(CommandKind::New, 1, 9, 1, |c| c.approval = approver.approve(c, 1, expires));
    assert_eq!((rig.reason(), rig.placed()), (Reason::AttributionMissing, 0));
    rig.command(CommandKind::New, 1, 9, 2, |c| {
        (c.strategy_version, c.trader_id, c.desk_id, c.client_id) = (1, 2, 3, 4);
        c.approval = approver.approve(c, 1, expires);
    });
    assert_eq!(rig.placed(), 1);
}

#[test]
fn b018_a_fifth_of_the_budget_stays_for_cancels_and_no_cancel_is_dropped() {
    let mut rig = Rig::bare(10, true);
    rig.command(CommandKind::Grant, 1, 9, 0, |_| ());
    rig.apply(Event::VenueUp { venue: VENUE });
    for n in 0..10 {
        rig.order(n);
    }
    assert_eq!((rig.placed(), rig.reason()), (8, Reason::RateBudget));
    for n in 0..8 {
        rig.command(CommandKind::Cancel, 1, 9, n, |_| ());
    }
    let cancels = |rig: &Rig| rig.requests.iter().filter(|r| matches!(r.what, What::Cancel { .. })).count();
    assert_eq!(cancels(&rig), 2, "within the budget");
    // Nobody answers: what was sent counts until a window after it is given up.
    (0..11).for_each(|_| rig.pass(SECOND));
    assert_eq!(cancels(&rig), 2, "an unanswered request may be counted late");
    (0..4).for_each(|_| rig.pass(SECOND));
    assert!(cancels(&rig) >= 8, "the rest went when there was room");
}

#[test]
fn absence_proves_never_sent_only_if_the_journal_is_whole() {
    for (complete, want) in [(true, ReportKind::NeverSent), (false, ReportKind::Unknown)] {
        let mut rig = Rig::bare(10, complete);
        rig.command(CommandKind::Grant, 1, 9, 0, |_| ());
        rig.apply(Event::VenueUp { venue: VENUE });
        rig.kinds();
        rig.command(CommandKind::Query, 1, 9, 3, |_| ());
        assert_eq!(rig.kinds(), [want]);
        // What was called never sent must never be sent.
        rig.command(CommandKind::New, 1, 9, 3, |_| ());
        assert_eq!(rig.placed(), 0);
    }
}

#[test]
fn a_fenced_second_attempt_does_not_name_an_order_that_was_sent() {
    let mut rig = Rig::new();
    rig.order(0);
    rig.kinds();
    rig.command(CommandKind::New, 1, 8, 0, |_| ());
    assert_eq!(rig.reports.last().unwrap().client_order_id, "");
    rig.command(CommandKind::New, 1, 8, 1, |_| ());
    assert_ne!(rig.reports.last().unwrap().client_order_id, "");
    assert_eq!(rig.kinds(), [ReportKind::Fenced, ReportKind::Fenced]);
}

#[test]
fn a_venue_that_is_down_or_an_order_that_makes_no_sense_is_refused_unsent() {
    let mut rig = Rig::new();
    type Change = fn(&mut Command);
    let cases: [(Reason, Change); 5] = [
        (Reason::UnknownInstrument, |c| c.instrument_id = 9),
        (Reason::UnknownInstrument, |c| c.venue_id = 2),
        (Reason::QtyZeroOrNeg, |c| c.qty_lots = 0),
        (Reason::PriceZeroOrNeg, |c| c.px_ticks = 0),
        (Reason::Malformed, |c| c.side = 0),
    ];
    for (n, (want, change)) in cases.into_iter().enumerate() {
        rig.command(CommandKind::New, 1, 9, n as u64, change);
        assert_eq!((rig.placed(), rig.reason()), (0, want));
    }
    rig.apply(Event::VenueDown { venue: VENUE, text: String::new() });
    rig.order(20);
    assert_eq!((rig.placed(), rig.reason()), (0, Reason::VenueUnreachable));
}

proptest! {
    /// Whoever asks, in whatever order: bytes leave only for the highest epoch granted and its one holder.
    #[test]
    fn a21_b051_b082_only_the_granted_leader_sends(steps in prop::collection::vec((any::<bool>(), 0_u32..5, 0_u64..3), 1..60)) {
        let mut rig = Rig::bare(1_000, true);
        rig.apply(Event::VenueUp { venue: VENUE });
        let mut leader: Option<(u32, u64)> = None;
        for (n, (grant, epoch, holder)) in steps.into_iter().enumerate() {
            let before = rig.placed();
            if grant {
                rig.command(CommandKind::Grant, epoch, holder, 0, |_| ());
                let wins = epoch > 0 && holder > 0
                    && leader.is_none_or(|(e, h)| epoch > e || (epoch, holder) == (e, h));
                if wins {
                    leader = Some((epoch, holder));
                }
                prop_assert_eq!(rig.router.leader(), leader);
            } else {
                rig.command(CommandKind::New, epoch, holder, n as u64, |_| ());
                let sent = rig.placed() - before;
                prop_assert_eq!(sent == 1, leader == Some((epoch, holder)));
            }
        }
    }
}
