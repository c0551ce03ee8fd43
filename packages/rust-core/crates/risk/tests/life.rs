//! The life of orders: idempotency, evidence, late fills, leadership, operators. One law per test.
#![allow(missing_debug_implementations, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod support;

use support::*;
use tidegate_risk::{BookKey, Bounds, Destination, EXTERNAL, Event, FoldFault};
use tidegate_units::{AccountId, InstrumentId, IntentId, Side, Side::Buy, Side::Sell, StrategyId};
use tidegate_wire::pb::control::v1::ControlAction;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::{
    Command, CommandKind, Decision, Intent, OrderState, Reason, Report, ReportKind,
};
use tidegate_wire::pb::risk::v1::Policy;

fn key(strategy: u32, instrument: u32) -> BookKey {
    BookKey { account: AccountId(1), strategy: StrategyId(strategy), instrument: InstrumentId(instrument) }
}

fn leaves(rig: &Rig, strategy: u32, side: Side) -> i128 {
    let state = rig.gateway.state();
    let book = state.book(key(strategy, PERP));
    assert_eq!(book.leaves(side), state.leaves_from_orders(key(strategy, PERP), side));
    book.leaves(side)
}

fn state_of(rig: &Rig, id: IntentId) -> OrderState {
    rig.gateway.state().order_state(id).unwrap()
}

fn buy(seq: u64, qty: u64) -> Intent {
    limit(id(1, seq), PERP, Buy, 600_000, qty)
}

#[test]
fn a16_b057_an_intent_is_journalled_before_its_command_and_its_reply() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    let names: Vec<&str> = rig
        .out
        .iter()
        .map(|e| match e.envelope.payload.as_ref().unwrap() {
            Payload::Intent(_) => "intent",
            Payload::IntentReply(_) => "reply",
            Payload::OrderUpdate(_) => "update",
            Payload::Command(_) => "command",
            _ => "other",
        })
        .collect();
    assert_eq!(names, ["intent", "reply", "update", "command"]);
    assert!(rig.out.iter().all(|e| e.journal));
    let seqs: Vec<u64> = rig.journal.iter().map(|e| e.log_seq).collect();
    assert_eq!(seqs, (1..=rig.journal.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a17_the_same_intent_gets_the_same_answer_in_flight_after_its_end_and_after_a_restart() {
    let mut rig = Rig::ready();
    let first = rig.intent(buy(1, 5));
    for step in 0..3 {
        // A retry has other stamps and less life left.
        let retry = Intent { ttl_ns: 5, intent_mono_ns: 9, tick_mono_ns: 8, ..buy(1, 5) };
        let records = rig.journal.len();
        let again = rig.intent(retry);
        assert!(again.repeated, "step {step}");
        assert_eq!(again.client_order_id, first.client_order_id);
        assert_eq!((again.decision(), again.reason()), (Decision::Accepted, Reason::Ok));
        assert_eq!(again.accepted_qty_lots, 5);
        assert!(rig.commands().is_empty(), "one effect");
        assert_eq!(rig.journal.len(), records);
        match step {
            0 => rig.report(about(id(1, 1), PERP, ReportKind::Cancelled, 0)),
            _ => rig.restart(),
        }
    }
}

#[test]
fn the_oldest_terminal_outcome_goes_and_a_live_one_never() {
    let bounds = Bounds { outcomes_max: 3, fill_keys_max: 2 };
    let mut rig = Rig::bounded(LIMITS, bounds);
    rig.lead();
    rig.price(PERP, 600_000);
    rig.intent(buy(1, 1));
    for seq in 2..=6 {
        rig.intent(buy(seq, 1));
        rig.report(about(id(1, seq), PERP, ReportKind::Cancelled, 0));
        rig.pass_ms(900);
        rig.price(PERP, 600_000);
    }
    assert!(rig.intent(buy(1, 1)).repeated, "live");
    assert!(rig.intent(buy(6, 1)).repeated);
    // Forgotten: decided anew.
    assert!(!rig.intent(buy(2, 1)).repeated);
    assert_eq!(rig.folded(&rig.journal).state().hash(), rig.gateway.state().hash());
}

#[test]
fn b022_unknown_keeps_the_whole_reservation_whatever_time_passes() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.report(about(id(1, 1), PERP, ReportKind::Unknown, 0));
    for _ in 0..1_000 {
        rig.pass_ms(60_000);
        rig.apply(Event::Tick);
        assert!(rig.command_kinds().iter().all(|k| *k == CommandKind::Query));
    }
    assert_eq!((leaves(&rig, 1, Buy), state_of(&rig, id(1, 1))), (5, OrderState::Unknown));
    rig.report(about(id(1, 1), PERP, ReportKind::Dead, 0));
    assert_eq!((leaves(&rig, 1, Buy), state_of(&rig, id(1, 1))), (0, OrderState::Dead));
}

#[test]
fn each_evidence_releases_and_nothing_else_does() {
    use ReportKind as K;
    let ends = [
        (K::Reject, OrderState::Rejected),
        (K::Cancelled, OrderState::Cancelled),
        (K::Expired, OrderState::Expired),
        (K::Dead, OrderState::Dead),
        (K::NeverSent, OrderState::Rejected),
        (K::Fenced, OrderState::Rejected),
    ];
    for (kind, want) in ends {
        let mut rig = Rig::ready();
        rig.intent(buy(1, 5));
        let command_seq = rig.commands()[0].command_seq;
        rig.report(Report { gateway_epoch: 1, command_seq, ..about(id(1, 1), PERP, kind, 0) });
        assert_eq!((leaves(&rig, 1, Buy), state_of(&rig, id(1, 1))), (0, want), "{kind:?}");
    }
    for kind in [K::Ack, K::Unknown, K::Status, K::Sent, K::CancelReject] {
        let mut rig = Rig::ready();
        rig.intent(buy(1, 5));
        rig.report(about(id(1, 1), PERP, kind, 0));
        assert_eq!(leaves(&rig, 1, Buy), 5, "{kind:?}");
    }
}

#[test]
fn a_never_sent_of_a_cancel_says_nothing_about_the_order() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.intent(cancel(id(1, 2), id(1, 1)));
    let command = rig.commands()[0].clone();
    assert_eq!(command.kind(), CommandKind::Cancel);
    rig.report(Report {
        command_seq: command.command_seq,
        ..about(id(1, 1), PERP, ReportKind::NeverSent, 0)
    });
    assert_eq!(leaves(&rig, 1, Buy), 5);
    // As the answer to the question about the order it does.
    rig.pass_ms(2_000);
    rig.apply(Event::Tick);
    let query = rig.commands()[0].clone();
    assert_eq!(query.kind(), CommandKind::Query);
    rig.report(Report { command_seq: query.command_seq, ..about(id(1, 1), PERP, ReportKind::NeverSent, 0) });
    assert_eq!(leaves(&rig, 1, Buy), 0);
}

#[test]
fn a_never_sent_after_an_ack_is_a_contradiction_that_freezes() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.report(about(id(1, 1), PERP, ReportKind::Ack, 0));
    rig.report(about(id(1, 1), PERP, ReportKind::NeverSent, 0));
    assert_eq!((leaves(&rig, 1, Buy), state_of(&rig, id(1, 1))), (5, OrderState::Live));
    assert_eq!(rig.reason(buy(2, 1)), Reason::SymbolFrozen);
}

#[test]
fn b023_an_order_that_lives_after_it_was_called_dead_freezes_its_symbol() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.report(about(id(1, 1), PERP, ReportKind::Dead, 0));
    rig.report(about(id(1, 1), PERP, ReportKind::Ack, 0));
    assert_eq!(rig.reason(buy(2, 1)), Reason::SymbolFrozen);
    // A late ack of an order the venue has itself ended is no news.
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.report(about(id(1, 1), PERP, ReportKind::Cancelled, 0));
    rig.report(about(id(1, 1), PERP, ReportKind::Ack, 0));
    assert_eq!(rig.reason(buy(2, 1)), Reason::Ok);
}

#[test]
fn a_terminal_report_keeps_what_it_told_of_until_the_fills_come() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 10));
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 2, 2, "e1"));
    rig.report(about(id(1, 1), PERP, ReportKind::Cancelled, 7));
    // 10 − 7 are free; 7 − 2 are still to come.
    assert_eq!((leaves(&rig, 1, Buy), state_of(&rig, id(1, 1))), (5, OrderState::Cancelled));
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 5, 7, "e2"));
    assert_eq!(leaves(&rig, 1, Buy), 0);
    assert_eq!(rig.gateway.state().book(key(1, PERP)).position.lots, 7);
    assert_eq!(rig.reason(buy(2, 1)), Reason::Ok, "waited for: no break");
}

#[test]
fn b023_b054_a_fill_nothing_is_reserved_for_is_booked_and_freezes() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 10));
    rig.report(about(id(1, 1), PERP, ReportKind::Cancelled, 0));
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 5, 5, "late"));
    assert_eq!(rig.gateway.state().book(key(1, PERP)).position.lots, 5);
    assert_eq!(rig.reason(buy(2, 1)), Reason::SymbolFrozen);
    rig.control(ControlAction::Resume, "op");
    assert_eq!(rig.reason(buy(3, 1)), Reason::Ok);
}

#[test]
fn an_overfill_is_booked_and_freezes_and_counts_whole() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 9, 9, "e1"));
    assert_eq!(rig.gateway.state().book(key(1, PERP)).position.lots, 9);
    assert_eq!((leaves(&rig, 1, Buy), state_of(&rig, id(1, 1))), (0, OrderState::Filled));
    let policy = rig.out.iter().find_map(|e| match &e.envelope.payload {
        Some(Payload::PolicyState(p)) => Some((p.policy(), p.cause(), e.to)),
        _ => None,
    });
    assert_eq!(policy, Some((Policy::Degrade, Reason::SymbolFrozen, Destination::EveryStrategy)));
    assert_eq!(rig.reason(limit(id(1, 2), SPOT, Buy, 6_000_000, 5)), Reason::Ok, "only its symbol");
}

#[test]
fn a26_a_fill_of_nobody_is_booked_to_external_and_counts_in_the_symbol() {
    let mut rig = Rig::ready();
    let nobody = Report { intent_id: None, ..fill(id(1, 1), PERP, Sell, 600_000, 50, 50, "x") };
    rig.report(nobody);
    assert_eq!(rig.gateway.state().book(key(EXTERNAL.0, PERP)).position.lots, -50);
    rig.control(ControlAction::Resume, "op");
    // 7,000 USDT at the edge are 114 lots: 50 external and 60 more pass, then no more.
    rig.apply(Event::Tick);
    let sell = |seq, qty| limit(id(1, seq), PERP, Sell, 600_000, qty);
    assert_eq!(rig.reason(sell(1, 60)), Reason::Ok);
    assert_eq!(rig.reason(sell(2, 10)), Reason::ExposureSymbolLimit);
}

#[test]
fn a26_a_fill_is_booked_once_by_venue_instrument_and_key() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 10));
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 2, 2, "e1"));
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 2, 2, "e1"));
    assert_eq!(rig.gateway.state().book(key(1, PERP)).position.lots, 2);
    // The same key elsewhere is another fill.
    rig.intent(limit(id(1, 2), SPOT, Buy, 6_000_000, 10));
    rig.report(fill(id(1, 2), SPOT, Buy, 6_000_000, 3, 3, "e1"));
    assert_eq!(rig.gateway.state().book(key(1, SPOT)).position.lots, 3);
}

#[test]
fn a25_b023_a_fill_may_come_before_the_ack_and_while_unknown() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 2, 2, "e1"));
    assert_eq!(state_of(&rig, id(1, 1)), OrderState::Partial);
    rig.report(about(id(1, 1), PERP, ReportKind::Ack, 0));
    assert_eq!(state_of(&rig, id(1, 1)), OrderState::Partial);
    rig.intent(buy(2, 5));
    rig.report(about(id(1, 2), PERP, ReportKind::Unknown, 0));
    rig.report(fill(id(1, 2), PERP, Buy, 600_000, 5, 5, "e2"));
    assert_eq!(state_of(&rig, id(1, 2)), OrderState::Filled);
    assert_eq!(rig.gateway.state().book(key(1, PERP)).position.lots, 7);
}

#[test]
fn a_refused_cancel_proves_nothing_and_is_asked_about_at_once() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.report(about(id(1, 1), PERP, ReportKind::Ack, 0));
    rig.intent(cancel(id(1, 2), id(1, 1)));
    assert_eq!(state_of(&rig, id(1, 1)), OrderState::PendingCancel);
    rig.report(about(id(1, 1), PERP, ReportKind::CancelReject, 0));
    assert_eq!(state_of(&rig, id(1, 1)), OrderState::UnknownCancel);
    assert_eq!(rig.command_kinds(), [CommandKind::Query]);
    assert_eq!(leaves(&rig, 1, Buy), 5);
    rig.report(about(id(1, 1), PERP, ReportKind::CancelReject, 0));
    assert!(rig.commands().is_empty(), "no ping-pong");
    rig.report(about(id(1, 1), PERP, ReportKind::Status, 0));
    assert_eq!(state_of(&rig, id(1, 1)), OrderState::PendingCancel);
    rig.pass_ms(2_000);
    rig.apply(Event::Tick);
    assert_eq!(rig.command_kinds(), [CommandKind::Cancel], "still wanted");
}

#[test]
fn cancels_pass_limits_policy_and_missing_prices_and_go_once_per_order() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.control(ControlAction::Halt, "op");
    rig.apply(Event::FeedLost { instrument: InstrumentId(PERP) });
    rig.apply(Event::RouterCredits(1));
    assert_eq!(rig.reason(cancel(id(1, 2), id(1, 1))), Reason::Ok);
    assert_eq!(rig.command_kinds(), [CommandKind::Cancel]);
    rig.apply(Event::RouterCredits(1));
    assert_eq!(rig.reason(cancel(id(1, 3), id(1, 1))), Reason::Ok);
    assert!(rig.commands().is_empty(), "one under way is enough");
    rig.apply(Event::RouterCredits(0));
    assert_eq!(rig.reason(cancel(id(1, 4), id(1, 1))), Reason::RouterBackpressure);
}

fn long_perp(rig: &mut Rig, lots: u64) {
    rig.intent(buy(1, lots));
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, lots, lots, "open"));
}

#[test]
fn b031_a_reducing_order_passes_limits_but_not_the_collar_or_a_self_match() {
    let tight = LIMITS
        .replace("\"order_qty_lots_max\": 60", "\"order_qty_lots_max\": 5")
        .replace("\"messages_max\": 10", "\"messages_max\": 1");
    let mut rig = Rig::ready();
    long_perp(&mut rig, 40);
    // The same journal under tighter limits: size, rate and exposure would all refuse.
    rig.limits = limits_of(&tight);
    rig.restart();
    rig.apply(Event::RouterCredits(100));
    rig.apply(Event::RouterUp { restarted: true });
    let epoch = rig.commands()[0].gateway_epoch;
    rig.granted(epoch);
    rig.price(PERP, 600_000);
    assert_eq!(rig.reason(buy(2, 6)), Reason::MaxQtyExceeded);
    let sell = |seq, px, qty| limit(id(1, seq), PERP, Sell, px, qty);
    assert_eq!(rig.reason(sell(3, 629_900, 30)), Reason::Ok, "the wider collar");
    assert_eq!(rig.reason(sell(4, 630_100, 10)), Reason::PriceOutsideCollar);
    assert_eq!(rig.reason(limit(id(2, 1), PERP, Buy, 611_000, 1)), Reason::Ok);
    assert_eq!(rig.reason(sell(5, 611_000, 10)), Reason::SelfMatch);
    // 10 of 40 are left to reduce: what flips is trimmed.
    let reply = rig.intent(sell(6, 612_000, 25));
    assert_eq!((reply.reason(), reply.accepted_qty_lots), (Reason::Ok, 10));
    assert_eq!(rig.commands()[0].qty_lots, 10);
    assert_eq!(rig.reason(sell(7, 612_000, 6)), Reason::MaxQtyExceeded, "nothing left to reduce");
}

#[test]
fn b031_a_scope_above_its_limit_takes_reducing_orders_only() {
    let high = LIMITS.replace("\"px_ticks_max\": 1000000", "\"px_ticks_max\": 9000000");
    let mut rig = Rig::ready_with(&high);
    long_perp(&mut rig, 60);
    // 60 lots at the edge of 122,400 are 7,344 USDT: above 7,000 by the market alone.
    rig.price(PERP, 1_200_000);
    assert_eq!(rig.reason(limit(id(1, 2), PERP, Buy, 1_200_000, 1)), Reason::ReduceOnly);
    assert_eq!(rig.reason(limit(id(2, 1), PERP, Buy, 1_200_000, 1)), Reason::ReduceOnly, "the symbol is one");
    assert_eq!(rig.reason(limit(id(1, 3), PERP, Sell, 1_200_000, 60)), Reason::Ok);
}

#[test]
fn leadership_is_asked_for_with_the_next_epoch_and_what_was_seen() {
    let mut rig = Rig::bare(LIMITS);
    rig.apply(Event::RouterCredits(100));
    rig.apply(Event::RouterUp { restarted: true });
    let grant = rig.commands()[0].clone();
    assert_eq!(
        (grant.kind(), grant.gateway_epoch, grant.holder, grant.report_seq_seen),
        (CommandKind::Grant, 1, HOLDER, 0)
    );
    // Another process's grant is not ours.
    let other = Report {
        kind: ReportKind::Granted.into(),
        gateway_epoch: 1,
        holder: 5,
        reason: Reason::Ok.into(),
        ..Report::default()
    };
    rig.report(other);
    assert!(!rig.gateway.leads());
    rig.granted(1);
    assert_eq!(rig.out.iter().filter(|e| e.to == Destination::EveryStrategy).count(), 1);
    rig.restart();
    assert!(!rig.gateway.leads());
    rig.apply(Event::RouterCredits(100));
    rig.apply(Event::RouterUp { restarted: true });
    let grant = rig.commands()[0].clone();
    assert_eq!((grant.gateway_epoch, grant.report_seq_seen), (2, rig.report_seq));
    // Unanswered, it asks again with a higher one, but not in a rush.
    rig.apply(Event::Tick);
    assert!(rig.commands().is_empty());
    rig.pass_ms(1_000);
    rig.apply(Event::Tick);
    assert_eq!(rig.commands()[0].gateway_epoch, 3);
}

#[test]
fn reports_are_contiguous_doubles_are_dropped_and_a_gap_asks_anew() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    let records = rig.journal.len();
    let again = Report { report_seq: rig.report_seq, ..about(id(1, 1), PERP, ReportKind::Dead, 0) };
    rig.apply(Event::Report { trace: Default::default(), report: again });
    assert_eq!((rig.journal.len(), leaves(&rig, 1, Buy)), (records, 5));
    rig.pass_ms(1_000);
    rig.price(PERP, 600_000);
    let ahead = Report { report_seq: rig.report_seq + 2, ..about(id(1, 1), PERP, ReportKind::Dead, 0) };
    rig.apply(Event::Report { trace: Default::default(), report: ahead.clone() });
    assert_eq!(rig.command_kinds(), [CommandKind::Grant]);
    assert_eq!(rig.commands()[0].report_seq_seen, rig.report_seq);
    assert_eq!(rig.reason(buy(2, 5)), Reason::NotLeader);
    assert_eq!(leaves(&rig, 1, Buy), 5);
    // The grant may carry a number beyond the gap; what was missed follows and is taken in order.
    let granted = Report {
        report_seq: rig.report_seq + 3,
        kind: ReportKind::Granted.into(),
        gateway_epoch: 2,
        holder: HOLDER,
        reason: Reason::Ok.into(),
        ..Report::default()
    };
    rig.apply(Event::Report { trace: Default::default(), report: granted.clone() });
    assert!(rig.gateway.leads());
    rig.report(about(id(1, 1), PERP, ReportKind::Ack, 0));
    rig.apply(Event::Report { trace: Default::default(), report: ahead });
    rig.apply(Event::Report { trace: Default::default(), report: granted });
    assert_eq!(leaves(&rig, 1, Buy), 0);
    assert_eq!(rig.folded(&rig.journal).state().hash(), rig.gateway.state().hash());
}

#[test]
fn a_gap_that_comes_again_is_not_asked_about_at_the_speed_of_the_link() {
    let mut rig = Rig::ready();
    let mut grants = 0;
    for _ in 0..200 {
        let ahead = Report { report_seq: rig.report_seq + 2, ..about(id(1, 1), PERP, ReportKind::Ack, 0) };
        rig.apply(Event::Report { trace: Default::default(), report: ahead });
        grants += rig.commands().len();
        rig.pass_ms(10);
        rig.apply(Event::Tick);
        if let Some(grant) = rig.commands().first().cloned() {
            grants += 1;
            rig.granted(grant.gateway_epoch);
        }
    }
    assert!(grants <= 2, "{grants} in two seconds");
}

#[test]
fn after_a_restart_in_flight_orders_are_asked_about_and_never_sent_again() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.intent(buy(2, 5));
    rig.report(about(id(1, 2), PERP, ReportKind::Ack, 0));
    rig.intent(buy(3, 5));
    rig.report(about(id(1, 3), PERP, ReportKind::Ack, 0));
    rig.intent(cancel(id(1, 4), id(1, 3)));
    rig.restart();
    rig.apply(Event::RouterCredits(100));
    rig.apply(Event::RouterUp { restarted: true });
    rig.granted(2);
    let sent: Vec<(CommandKind, String)> =
        rig.commands().into_iter().map(|c: Command| (c.kind(), c.client_order_id)).collect();
    let clord = |seq| tidegate_wire::ids::client_order_id(id(1, seq).0, 0, 0);
    assert_eq!(sent, [(CommandKind::Query, clord(1)), (CommandKind::Cancel, clord(3))]);
    assert_eq!((leaves(&rig, 1, Buy), state_of(&rig, id(1, 1))), (15, OrderState::Unknown));
    rig.report(about(id(1, 1), PERP, ReportKind::Status, 0));
    assert_eq!(state_of(&rig, id(1, 1)), OrderState::Live);
}

#[test]
fn an_order_without_news_becomes_unknown_and_is_asked_about() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.pass_ms(1_999);
    rig.apply(Event::Tick);
    assert!(rig.commands().is_empty());
    rig.pass_ms(1);
    rig.apply(Event::Tick);
    assert_eq!(rig.command_kinds(), [CommandKind::Query]);
    assert_eq!((leaves(&rig, 1, Buy), state_of(&rig, id(1, 1))), (5, OrderState::Unknown));
}

#[test]
fn a_fenced_command_steps_down_and_frees_only_what_it_would_have_made() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.pass_ms(2_000);
    rig.apply(Event::Tick);
    let command_seq = rig.commands()[0].command_seq;
    let fenced = about(id(1, 1), PERP, ReportKind::Fenced, 0);
    rig.report(Report { gateway_epoch: 1, holder: HOLDER, command_seq, ..fenced });
    assert_eq!(leaves(&rig, 1, Buy), 5, "the question was stopped, not the order");
    assert!(!rig.gateway.leads());
    assert_eq!(rig.reason(buy(2, 5)), Reason::NotLeader);
}

#[test]
fn a14_b048_a_kill_is_latched_through_a_restart_cancels_all_and_takes_two_to_lift() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.intent(limit(id(2, 1), SPOT, Buy, 6_000_000, 5));
    rig.control(ControlAction::Kill, "ann");
    assert_eq!(rig.command_kinds(), [CommandKind::Cancel, CommandKind::Cancel]);
    rig.restart();
    rig.apply(Event::RouterCredits(100));
    rig.apply(Event::RouterUp { restarted: true });
    rig.granted(2);
    rig.price(PERP, 600_000);
    assert_eq!(rig.reason(buy(2, 5)), Reason::Killed);
    rig.control(ControlAction::Resume, "ann");
    rig.control(ControlAction::Unkill, "bob");
    rig.control(ControlAction::Unkill, "bob");
    assert_eq!(rig.reason(buy(3, 5)), Reason::Killed, "one principal is not two");
    rig.control(ControlAction::Unkill, "ann");
    rig.report(about(id(1, 1), PERP, ReportKind::Cancelled, 0));
    assert_eq!(rig.reason(buy(4, 5)), Reason::Ok);
}

#[test]
fn wanted_cancels_wait_for_credits_and_are_not_lost() {
    let mut rig = Rig::ready();
    for seq in 1..=3 {
        rig.intent(buy(seq, 1));
    }
    rig.apply(Event::RouterCredits(1));
    rig.control(ControlAction::CancelAll, "op");
    assert_eq!(rig.commands().len(), 1);
    rig.apply(Event::RouterCredits(100));
    rig.apply(Event::Tick);
    assert_eq!(rig.command_kinds(), [CommandKind::Cancel, CommandKind::Cancel]);
    assert_eq!(rig.reason(buy(4, 1)), Reason::Ok, "cancel-all is no halt");
}

#[test]
fn a_drain_ends_when_every_order_is_terminal() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    assert!(!rig.gateway.drained());
    rig.control(ControlAction::Drain, "cli");
    assert_eq!(rig.command_kinds(), [CommandKind::Cancel]);
    assert!(!rig.gateway.drained());
    rig.report(about(id(1, 1), PERP, ReportKind::Cancelled, 0));
    assert!(rig.gateway.drained());
}

#[test]
fn an_operator_without_a_name_changes_nothing() {
    let mut rig = Rig::ready();
    let records = rig.journal.len();
    rig.control(ControlAction::Halt, "");
    rig.control(ControlAction::Unspecified, "op");
    assert_eq!(rig.journal.len(), records);
    assert_eq!(rig.gateway.counters().controls_refused, 2);
    assert_eq!(rig.reason(buy(1, 5)), Reason::Ok);
}

#[test]
fn a_strategy_learns_its_own_state_when_its_link_comes_back() {
    let mut rig = Rig::ready();
    long_perp(&mut rig, 5);
    rig.intent(buy(2, 3));
    rig.intent(limit(id(2, 1), SPOT, Buy, 6_000_000, 5));
    let snapshot = rig.gateway.snapshot(StrategyId(1), rig.now);
    for envelope in &snapshot {
        tidegate_wire::validate::envelope(envelope).unwrap();
    }
    let payloads: Vec<_> = snapshot.into_iter().filter_map(|e| e.payload).collect();
    assert!(matches!(&payloads[0], Payload::PolicyState(p) if p.policy() == Policy::Normal));
    assert!(matches!(&payloads[1], Payload::OrderUpdate(o) if o.snapshot && o.leaves_qty_lots == 3));
    assert!(matches!(&payloads[2], Payload::PositionUpdate(p) if p.snapshot && p.position_lots == 5));
    assert_eq!(payloads.len(), 3);
}

#[test]
fn a29_a_record_that_does_not_follow_is_refused_by_name() {
    let mut rig = Rig::ready();
    long_perp(&mut rig, 5);
    let refused = |journal: Vec<_>| {
        let mut gateway = rig.folded(&[]);
        journal.iter().find_map(|record| gateway.recover(record).err())
    };
    assert_eq!(refused(rig.journal.clone()), None);
    let mut missing = rig.journal.clone();
    missing.remove(3);
    assert!(matches!(refused(missing), Some(FoldFault::Sequence { is: 5, want: 4 })));
    let is_fill = |e: &tidegate_wire::pb::envelope::v1::Envelope| matches!(e.payload, Some(Payload::Fill(_)));
    let at = rig.journal.iter().position(is_fill).unwrap();
    let mut altered = rig.journal.clone();
    if let Some(Payload::Fill(fill)) = altered[at].payload.as_mut() {
        fill.qty_lots += 1;
    }
    assert!(matches!(refused(altered), Some(FoldFault::OutputDiffers { .. })));
    let mut without: Vec<_> = rig.journal.clone();
    without.remove(at);
    for (n, record) in without.iter_mut().enumerate() {
        record.log_seq = n as u64 + 1;
    }
    assert!(refused(without).is_some());
    let mut orphan = rig.journal.clone();
    orphan.retain(|e| matches!(e.payload, Some(Payload::IntentReply(_))));
    orphan[0].log_seq = 1;
    assert!(matches!(refused(orphan), Some(FoldFault::ReplyWithoutIntent { .. })));
}

#[test]
fn decisions_are_counted_once_and_through_a_restart() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.intent(buy(1, 5));
    rig.intent(buy(2, 0));
    rig.restart();
    rig.intent(buy(3, 5));
    let count = |reason: Reason| rig.gateway.state().decisions().get(&reason.into()).copied();
    assert_eq!(
        (count(Reason::Ok), count(Reason::QtyZeroOrNeg), count(Reason::NotLeader)),
        (Some(1), Some(1), None)
    );
    assert_eq!(rig.gateway.counters().refused_unkept.get(&Reason::NotLeader.into()), Some(&1));
}

#[test]
fn b022_an_unknown_order_freezes_its_symbol_alone_until_it_is_resolved() {
    let mut rig = Rig::ready();
    rig.intent(buy(1, 5));
    rig.intent(buy(2, 5));
    rig.report(about(id(1, 2), PERP, ReportKind::Ack, 0));
    // The venue's answer does not come: nothing but time passes.
    rig.pass_ms(2_000);
    rig.apply(Event::Tick);
    rig.price(PERP, 600_000);
    rig.price(SPOT, 6_000_000);
    assert_eq!(state_of(&rig, id(1, 1)), OrderState::Unknown);
    assert_eq!(rig.reason(buy(3, 1)), Reason::SymbolFrozen);
    assert_eq!(rig.reason(limit(id(2, 1), PERP, Sell, 610_000, 1)), Reason::SymbolFrozen, "for everybody");
    assert_eq!(rig.reason(limit(id(1, 4), SPOT, Buy, 6_000_000, 5)), Reason::Ok, "only its symbol");
    assert_eq!(rig.reason(cancel(id(1, 5), id(1, 2))), Reason::Ok, "cancels pass");
    rig.report(about(id(1, 1), PERP, ReportKind::Dead, 0));
    assert_eq!(rig.reason(buy(6, 1)), Reason::Ok);
}
