//! What a second gateway changes: who may ask for leadership, what a new leader learns of its predecessor's orders, and
//! what a standby must not write. And a trade that the venue undoes.
#![allow(missing_debug_implementations, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod support;

use support::*;
use tidegate_risk::{BookKey, Destination, Event, Trace};
use tidegate_units::{AccountId, InstrumentId, Side::Buy, StrategyId};
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::{Command, CommandKind, Intent, OrderState, Reason, Report, ReportKind};

const KEY: BookKey =
    BookKey { account: AccountId(1), strategy: StrategyId(1), instrument: InstrumentId(PERP) };

fn standby() -> Rig {
    let mut rig = Rig::bare(LIMITS);
    rig.apply(Event::Candidacy { allowed: false, epoch: 0 });
    rig.apply(Event::RouterCredits(100));
    rig.apply(Event::RouterUp { restarted: true });
    rig
}

/// A command of an earlier leader, as the router's journal has it.
fn sent(seq: u64, kind: CommandKind, command_seq: u64) -> Command {
    let mut rig = Rig::ready();
    rig.intent(limit(id(1, seq), PERP, Buy, 600_000, 5));
    let made = rig.commands().remove(0);
    Command { kind: kind.into(), command_seq, gateway_epoch: 3, holder: 9, ..made }
}

#[test]
fn a21_a_standby_asks_for_nothing_until_it_may_and_then_for_an_epoch_above_all() {
    let mut rig = standby();
    rig.pass_ms(60_000);
    rig.apply(Event::Tick);
    assert!(rig.journal.is_empty(), "its journal is its leader's");
    rig.apply(Event::Candidacy { allowed: true, epoch: 7 });
    let asked = rig.commands();
    assert_eq!((asked.len(), asked[0].kind(), asked[0].gateway_epoch), (1, CommandKind::Grant, 8));
}

#[test]
fn a21_one_that_does_not_lead_writes_no_refusal() {
    let mut rig = standby();
    rig.price(PERP, 600_000);
    let unknown = limit(id(1, 1), 99, Buy, 600_000, 5);
    assert_eq!(rig.reason(unknown), Reason::UnknownInstrument);
    assert!(rig.journal.is_empty());
    // Where it leads, the same refusal is kept.
    let mut leader = Rig::ready();
    let records = leader.journal.len();
    assert_eq!(leader.reason(unknown), Reason::UnknownInstrument);
    assert!(leader.journal.len() > records);
}

#[test]
fn a21_one_that_does_not_lead_says_nothing_final_of_time_or_of_orders() {
    let mut rig = standby();
    rig.price(PERP, 600_000);
    assert_eq!(rig.reason(cancel(id(1, 3), id(1, 1))), Reason::NotLeader, "its leader may hold the order");
    let late = Intent { ttl_ns: 1, intent_mono_ns: 1, ..limit(id(1, 2), PERP, Buy, 600_000, 5) };
    rig.pass_ms(10);
    assert_eq!(rig.reason(late), Reason::NotLeader, "its leader may have taken it in time");
    // Where it leads, both are answered.
    let mut leader = Rig::ready();
    assert_eq!(leader.reason(cancel(id(1, 3), id(1, 1))), Reason::UnknownOrder);
    assert_eq!(leader.reason(late), Reason::TtlExpired);
}

#[test]
fn a21_one_of_two_that_does_not_lead_does_not_say_what_it_remembers() {
    let intent = limit(id(1, 1), PERP, Buy, 600_000, 5);
    let mut rig = Rig::ready();
    assert_eq!(rig.reason(intent), Reason::Ok);
    rig.apply(Event::Candidacy { allowed: false, epoch: 2 });
    rig.apply(Event::StepDown);
    assert_eq!(rig.reason(intent), Reason::NotLeader, "its journal may have gone another way");
    // One that is alone has nobody to be asked in its place.
    let mut alone = Rig::ready();
    assert_eq!(alone.reason(intent), Reason::Ok);
    alone.apply(Event::StepDown);
    assert_eq!(alone.reason(intent), Reason::Ok);
}

#[test]
fn a17_a_no_that_cannot_be_kept_does_not_sound_final() {
    let mut rig = Rig::ready();
    let big = limit(id(1, 1), PERP, Buy, 600_000, 1_000_000);
    rig.apply(Event::Journal { available: false });
    assert_eq!(rig.reason(big), Reason::JournalUnavailable, "asked again it may be answered otherwise");
    rig.apply(Event::Journal { available: true });
    let final_reason = rig.reason(big);
    assert_ne!(final_reason, Reason::JournalUnavailable);
    assert_ne!(final_reason, Reason::Ok);
    // And what is kept is the answer for ever, also while nothing new can be kept.
    rig.apply(Event::Journal { available: false });
    assert_eq!(rig.reason(big), final_reason);
}

#[test]
fn a21_new_orders_wait_while_the_lease_is_in_doubt_and_cancels_do_not() {
    let mut rig = Rig::ready();
    rig.intent(limit(id(1, 1), PERP, Buy, 600_000, 5));
    rig.apply(Event::NewOrders { allowed: false });
    assert_eq!(rig.reason(limit(id(1, 2), PERP, Buy, 600_000, 5)), Reason::NotLeader);
    assert_eq!(rig.reason(cancel(id(1, 3), id(1, 1))), Reason::Ok);
    rig.apply(Event::NewOrders { allowed: true });
    assert_eq!(rig.reason(limit(id(1, 2), PERP, Buy, 600_000, 5)), Reason::Ok, "the same id again");
}

#[test]
fn a21_a_fence_of_another_process_does_not_depose_the_leader() {
    let fenced = |holder| Report {
        kind: ReportKind::Fenced.into(),
        gateway_epoch: 1,
        holder,
        reason: Reason::Fenced.into(),
        ..Report::default()
    };
    let mut rig = Rig::ready();
    rig.report(fenced(HOLDER + 1));
    assert!(rig.gateway.leads(), "the other one was stopped");
    rig.report(fenced(HOLDER));
    assert!(!rig.gateway.leads());
}

#[test]
fn a21_a_new_leader_adopts_what_its_predecessor_had_sent() {
    let mut rig = standby();
    rig.apply(Event::Candidacy { allowed: true, epoch: 3 });
    let command = sent(1, CommandKind::New, 40);
    rig.apply(Event::Adopt { trace: Trace::default(), command: command.clone() });
    assert!(rig.out.iter().all(|effect| effect.to != Destination::Router), "it is not sent again");
    let state = rig.gateway.state();
    assert_eq!(state.order_state(id(1, 1)), Some(OrderState::PendingNew));
    assert_eq!(state.book(KEY).buy_lots, 5, "reserved before its fills come");
    assert_eq!(state.command_seq(), 40, "its own commands go on above");
    // Known now: a second copy, and the strategy's retry, change nothing.
    let records = rig.journal.len();
    rig.apply(Event::Adopt { trace: Trace::default(), command });
    assert_eq!(rig.journal.len(), records);
    assert_eq!(rig.reason(limit(id(1, 1), PERP, Buy, 600_000, 5)), Reason::NotLeader, "not granted yet");
    rig.apply(Event::Adopt { trace: Trace::default(), command: sent(1, CommandKind::Cancel, 41) });
    assert_eq!(rig.gateway.state().order_state(id(1, 1)), Some(OrderState::PendingCancel));
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 5, 5, "1"));
    let state = rig.gateway.state();
    assert_eq!((state.order_state(id(1, 1)), state.book(KEY).buy_lots), (Some(OrderState::Filled), 0));
    assert_eq!(rig.folded(&rig.journal).state().hash(), state.hash());
    rig.granted(4);
    assert!(rig.intent(limit(id(1, 1), PERP, Buy, 600_000, 5)).repeated);
}

#[test]
fn a21_a_leader_that_steps_down_decides_nothing_more() {
    let mut rig = Rig::ready();
    rig.apply(Event::StepDown);
    assert!(!rig.gateway.leads());
    assert_eq!(rig.reason(limit(id(1, 1), PERP, Buy, 600_000, 5)), Reason::NotLeader);
}

#[test]
fn a27_a_trade_that_the_venue_undoes_is_a_compensating_entry_and_freezes_its_symbol() {
    let mut rig = Rig::ready();
    rig.intent(limit(id(1, 1), PERP, Buy, 600_000, 5));
    rig.report(fill(id(1, 1), PERP, Buy, 600_000, 5, 5, "1"));
    assert_eq!(rig.gateway.state().book(KEY).position.lots, 5);
    let bust = Report { kind: ReportKind::Bust.into(), ..fill(id(1, 1), PERP, Buy, 600_000, 5, 5, "B1") };
    rig.report(bust.clone());
    let state = rig.gateway.state();
    let position = state.book(KEY).position;
    assert_eq!((position.lots, position.open_cost_e8, position.trade_cash_e8), (0, 0, 0));
    let cash: Vec<i128> = state.ledger().iter().map(|(_, _, _, e8)| e8).collect();
    assert!(cash.iter().all(|e8| *e8 == 0), "price and fee come back: {cash:?}");
    assert!(state.frozen().any(|frozen| frozen.0 == PERP));
    assert_eq!(state.order_state(id(1, 1)), Some(OrderState::Filled), "what the order did is not undone");
    // Once.
    rig.report(bust);
    assert_eq!(rig.gateway.state().book(KEY).position.lots, 0);
    let fills = rig.journal.iter().filter(|e| matches!(e.payload, Some(Payload::Fill(_)))).count();
    assert_eq!(fills, 2);
    assert_eq!(rig.folded(&rig.journal).state().hash(), rig.gateway.state().hash());
}
