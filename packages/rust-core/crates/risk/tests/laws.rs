//! Laws over random histories, held against a plain model: a venue that knows the truth, and sums made with loops.
#![allow(missing_debug_implementations, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod support;

use proptest::prelude::*;
use std::collections::BTreeMap;
use support::*;
use tidegate_risk::{BookKey, Event, Trace};
use tidegate_units::{AccountId, InstrumentId, IntentId, Side, StrategyId};
use tidegate_wire::ids::client_order_id;
use tidegate_wire::pb::control::v1::ControlAction;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::orders::v1::{Command, CommandKind, Decision, Intent, Reason, Report, ReportKind};

#[derive(Debug, Clone)]
enum Op {
    New {
        strategy: u32,
        instrument: u32,
        buy: bool,
        step: i64,
        qty: u64,
        market: bool,
    },
    Cancel {
        pick: usize,
    },
    Retry {
        pick: usize,
        altered: bool,
    },
    /// The venue takes what it was sent; the answer may be lost.
    Take {
        pick: usize,
        answer_lost: bool,
    },
    /// The venue trades; the report may be held back until `Deliver`.
    Trade {
        pick: usize,
        qty: u64,
        held: bool,
    },
    Deliver,
    Repeat,
    /// The venue ends the order: reject, expire, or the cancel that was asked for.
    End {
        pick: usize,
        how: u8,
    },
    Lose {
        pick: usize,
    },
    Pass {
        ms: u64,
    },
    Price {
        instrument: u32,
        bps: i64,
    },
    Control {
        action: u8,
    },
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    let pick = 0_usize..32;
    prop_oneof![
        8 => (1_u32..3, 1_u32..3, any::<bool>(), -150_i64..150, 1_u64..80, prop::bool::weighted(0.1))
            .prop_map(|(strategy, instrument, buy, step, qty, market)| Op::New { strategy, instrument, buy, step, qty, market }),
        3 => pick.clone().prop_map(|pick| Op::Cancel { pick }),
        2 => (pick.clone(), any::<bool>()).prop_map(|(pick, altered)| Op::Retry { pick, altered }),
        6 => (pick.clone(), prop::bool::weighted(0.2)).prop_map(|(pick, answer_lost)| Op::Take { pick, answer_lost }),
        6 => (pick.clone(), 1_u64..60, prop::bool::weighted(0.3)).prop_map(|(pick, qty, held)| Op::Trade { pick, qty, held }),
        2 => Just(Op::Deliver),
        1 => Just(Op::Repeat),
        3 => (pick.clone(), 0_u8..4).prop_map(|(pick, how)| Op::End { pick, how }),
        1 => pick.prop_map(|pick| Op::Lose { pick }),
        2 => (1_u64..4_000).prop_map(|ms| Op::Pass { ms }),
        2 => (1_u32..3, -300_i64..300).prop_map(|(instrument, bps)| Op::Price { instrument, bps }),
        1 => (0_u8..8).prop_map(|action| Op::Control { action }),
        1 => Just(Op::Restart),
    ]
}

/// An order as the venue knows it.
#[derive(Debug, Clone)]
struct Truth {
    intent: Intent,
    qty: u64,
    cum: u64,
    at_venue: bool,
    ended: bool,
}

impl Truth {
    fn side(&self) -> Side {
        if self.intent.side == 1 { Side::Buy } else { Side::Sell }
    }
    /// What may still change our position, as far as anyone at the venue can tell.
    fn can_trade(&self) -> i128 {
        if self.ended { 0 } else { i128::from(self.qty - self.cum) }
    }
}

/// A fault planted in the harness' reading of the gateway, to show that the laws would see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutant {
    None,
    /// As if an unknown order's reservation were freed when time passes.
    ReleaseOnTimeout,
    /// As if all were freed on a cancel's end, whatever the venue had told of.
    ReleaseAllOnCancelAck,
    /// As if the limits were half of what they are: shows that decisions come near them.
    HalfTheLimits,
    /// As if a repeated fill were booked again.
    BookFillsTwice,
}

struct World {
    rig: Rig,
    mutant: Mutant,
    truths: BTreeMap<IntentId, Truth>,
    reported: BTreeMap<IntentId, u64>,
    seq: u64,
    held: Vec<Report>,
    last_fill: Option<Report>,
    execs: u64,
    booked: BTreeMap<(u32, u32), (i128, i128)>,
    mids: BTreeMap<u32, i64>,
    /// What each instrument is valued at in the decision looked at: its present mid while that is fresh, else as journalled.
    marks: BTreeMap<u32, i64>,
    priced_mono_ns: BTreeMap<u32, u64>,
    timed_out: Vec<IntentId>,
    cancel_acked: Vec<IntentId>,
}

type Law = Result<(), String>;

impl World {
    fn new(mutant: Mutant) -> Self {
        let rig = Rig::ready();
        let rig_start = rig.now.mono_ns;
        let mids = BTreeMap::from([(SPOT, 6_000_000), (PERP, 600_000)]);
        Self {
            rig,
            mutant,
            truths: BTreeMap::new(),
            reported: BTreeMap::new(),
            seq: 0,
            held: vec![],
            last_fill: None,
            execs: 0,
            booked: BTreeMap::new(),
            mids,
            marks: BTreeMap::new(),
            priced_mono_ns: BTreeMap::from([(SPOT, rig_start), (PERP, rig_start)]),
            timed_out: vec![],
            cancel_acked: vec![],
        }
    }

    fn picked(&self, pick: usize) -> Option<IntentId> {
        let open: Vec<IntentId> = self.truths.iter().filter(|(_, t)| !t.ended).map(|(id, _)| *id).collect();
        (!open.is_empty()).then(|| open[pick % open.len()])
    }

    fn step(&mut self, op: Op) -> Law {
        match op {
            Op::New { strategy, instrument, buy, step, qty, market: is_market } => {
                self.seq += 1;
                let id = id(strategy, self.seq);
                let side = if buy { Side::Buy } else { Side::Sell };
                let mid = self.mids[&instrument];
                let qty = if instrument == SPOT { qty * 150 } else { qty };
                let intent = if is_market {
                    market(id, instrument, side, qty)
                } else {
                    limit(id, instrument, side, mid + mid * step / 10_000, qty)
                };
                self.price(instrument, mid);
                self.ask_new(id, intent)?;
            }
            Op::Cancel { pick } => {
                if let Some(target) = self.picked(pick) {
                    self.seq += 1;
                    let id = id(target.strategy().0, self.seq);
                    let reason = self.rig.reason(cancel(id, target));
                    ensure(
                        matches!(reason, Reason::Ok | Reason::UnknownOrder),
                        format!("a cancel was refused: {reason:?}"),
                    )?;
                    self.obey()?;
                }
            }
            Op::Retry { pick, altered } => {
                let ids: Vec<IntentId> = self.truths.keys().copied().collect();
                if !ids.is_empty() {
                    let id = ids[pick % ids.len()];
                    let mut intent = self.truths[&id].intent;
                    intent.qty_lots += u64::from(altered);
                    let reply = self.rig.intent(intent);
                    ensure(self.rig.commands().is_empty(), "a retry had an effect".into())?;
                    ensure(
                        if altered { reply.reason() == Reason::IdReused } else { reply.repeated },
                        format!("a retry was answered {reply:?}"),
                    )?;
                }
            }
            Op::Take { pick, answer_lost } => {
                if let Some(id) = self.picked(pick) {
                    let truth = self.truths.get_mut(&id).unwrap();
                    truth.at_venue = true;
                    let (instrument, cum) = (truth.intent.instrument_id, self.reported[&id]);
                    let kind = if answer_lost { ReportKind::Unknown } else { ReportKind::Ack };
                    self.report(about(id, instrument, kind, cum))?;
                }
            }
            Op::Trade { pick, qty, held } => {
                if let Some(id) = self.picked(pick).filter(|id| self.truths[id].at_venue) {
                    let truth = self.truths.get_mut(&id).unwrap();
                    let qty = qty.min(truth.qty - truth.cum);
                    truth.cum += qty;
                    truth.ended = truth.cum == truth.qty;
                    self.execs += 1;
                    let px = if truth.intent.px_ticks == 0 {
                        self.mids[&truth.intent.instrument_id]
                    } else {
                        truth.intent.px_ticks
                    };
                    let report = fill(
                        id,
                        truth.intent.instrument_id,
                        truth.side(),
                        px,
                        qty,
                        truth.cum,
                        &format!("e{}", self.execs),
                    );
                    self.held.push(report);
                    if !held {
                        self.deliver()?;
                    }
                }
            }
            Op::Deliver => self.deliver()?,
            Op::Repeat => {
                if let Some(report) = self.last_fill.clone() {
                    if self.mutant == Mutant::BookFillsTwice {
                        self.book(&report, -1);
                    }
                    self.report(report)?;
                }
            }
            Op::End { pick, how } => {
                if let Some(id) = self.picked(pick) {
                    let truth = self.truths.get_mut(&id).unwrap();
                    let (instrument, cum) = (truth.intent.instrument_id, truth.cum);
                    let kind = match (how, truth.at_venue) {
                        (0, false) => ReportKind::Reject,
                        (1, false) => ReportKind::NeverSent,
                        (_, false) => return Ok(()),
                        (2, true) => ReportKind::Expired,
                        _ => ReportKind::Cancelled,
                    };
                    truth.ended = true;
                    self.cancel_acked.push(id);
                    self.report(about(id, instrument, kind, cum))?;
                }
            }
            Op::Lose { pick } => {
                if let Some(id) = self.picked(pick) {
                    let instrument = self.truths[&id].intent.instrument_id;
                    self.report(about(id, instrument, ReportKind::Unknown, 0))?;
                }
            }
            Op::Pass { ms } => {
                self.rig.pass_ms(ms);
                self.rig.apply(Event::Tick);
                self.obey()?;
                if ms > 2_000 {
                    let unknown = self.rig.gateway.state().orders().filter(|o| o.unknown());
                    self.timed_out.extend(unknown.map(|o| o.id));
                }
            }
            Op::Price { instrument, bps } => {
                let mid = self.mids.get_mut(&instrument).unwrap();
                *mid += *mid * bps / 10_000;
                let mid = *mid;
                self.price(instrument, mid);
            }
            Op::Control { action } => {
                let action = [
                    ControlAction::Halt,
                    ControlAction::Resume,
                    ControlAction::Resume,
                    ControlAction::CancelAll,
                    ControlAction::Kill,
                    ControlAction::Unkill,
                    ControlAction::Unkill,
                    ControlAction::Drain,
                ][usize::from(action)];
                let principal = if self.seq.is_multiple_of(2) { "ann" } else { "bob" };
                self.rig.control(action, principal);
                self.obey()?;
            }
            Op::Restart => {
                let before = self.rig.gateway.state().hash();
                self.rig.restart();
                ensure(self.rig.gateway.state().hash() == before, "a restart changed the state".into())?;
                self.rig.lead();
                self.obey()?;
                for (&instrument, &mid) in &self.mids.clone() {
                    self.price(instrument, mid);
                }
            }
        }
        self.laws()
    }

    fn price(&mut self, instrument: u32, mid: i64) {
        self.priced_mono_ns.insert(instrument, self.rig.now.mono_ns);
        self.rig.price(instrument, mid);
    }

    fn journalled(&self, instrument: u32) -> i64 {
        let marks: BTreeMap<InstrumentId, i64> = self.rig.gateway.state().marks().collect();
        marks.get(&InstrumentId(instrument)).copied().unwrap_or(0)
    }

    /// Sets the marks to what a decision now must value by.
    fn value_at_present(&mut self) {
        for instrument in [SPOT, PERP] {
            let fresh = self.rig.now.mono_ns - self.priced_mono_ns[&instrument] <= 1_000_000_000;
            let mark = if fresh { self.mids[&instrument] } else { self.journalled(instrument) };
            self.marks.insert(instrument, mark);
        }
    }

    fn ask_new(&mut self, id: IntentId, intent: Intent) -> Law {
        self.value_at_present();
        let before = self.exposures();
        let reply = self.rig.intent(intent);
        // The journal holds the prices the decision was made at, of all that is held beside its own instrument.
        let held = self
            .rig
            .gateway
            .state()
            .books()
            .filter(|(_, b)| b.position.lots != 0 || b.buy_lots != 0 || b.sell_lots != 0);
        let held: Vec<u32> = held.map(|(key, _)| key.instrument.0).collect();
        let accepted = reply.decision() == Decision::Accepted;
        for instrument in held.into_iter().filter(|i| accepted || *i != intent.instrument_id) {
            let (is, want) = (self.journalled(instrument), self.marks[&instrument]);
            ensure(is == want, format!("instrument {instrument} is valued at {is}, its price is {want}"))?;
        }
        if !accepted {
            return ensure(self.rig.commands().is_empty(), "a refusal had an effect".into());
        }
        let qty = reply.accepted_qty_lots;
        ensure(qty >= 1 && qty <= intent.qty_lots, format!("accepted {qty}"))?;
        ensure(reply.client_order_id == client_order_id(id.0, 0, 0), "another id".into())?;
        self.truths.insert(id, Truth { intent, qty, cum: 0, at_venue: false, ended: false });
        self.reported.insert(id, 0);
        self.obey()?;
        // No decision raises a scope above its limit, at the valuation of the decision.
        let after = self.exposures();
        for (scope, (value, limit)) in after {
            let limit = if self.mutant == Mutant::HalfTheLimits { limit / 2 } else { limit };
            let was = before.get(&scope).map_or(0, |(value, _)| *value);
            ensure(value <= limit || value <= was, format!("{scope} from {was} to {value} above {limit}"))?;
        }
        Ok(())
    }

    /// Exposure of each scope and its limit, from the venue's truth and our own sums of fills, with plain loops.
    fn exposures(&self) -> BTreeMap<String, (i128, i128)> {
        let mut out = BTreeMap::new();
        let mut firm = 0;
        for instrument in [SPOT, PERP] {
            let e8 = if instrument == SPOT { 10 } else { 10_000 };
            let mid = i128::from(self.marks.get(&instrument).copied().unwrap_or(0));
            let dearest = self.rig.gateway.state().orders().filter(|o| o.key.instrument.0 == instrument);
            let px = dearest
                .map(|o| i128::from(o.px_ticks))
                .max()
                .unwrap_or(0)
                .max((mid * 10_200 + 9_999) / 10_000);
            let mut net = (0, 0, 0);
            for strategy in [1, 2] {
                let position = self.booked.get(&(strategy, instrument)).map_or(0, |b| b.0);
                let open = |side: Side| -> i128 {
                    let of = |(id, t): &(&IntentId, &Truth)| {
                        id.strategy().0 == strategy
                            && t.intent.instrument_id == instrument
                            && t.side() == side
                    };
                    self.truths
                        .iter()
                        .filter(of)
                        .map(|(id, t)| t.can_trade() + i128::from(t.cum - self.reported[id]))
                        .sum()
                };
                let (buys, sells) = (open(Side::Buy), open(Side::Sell));
                let worst = (position + buys).abs().max((position - sells).abs());
                let entry = out.entry(format!("strategy {strategy}")).or_insert((0, 1_000_000_000_000));
                entry.0 += worst * px * e8;
                net = (net.0 + position, net.1 + buys, net.2 + sells);
            }
            let worst = (net.0 + net.1).abs().max((net.0 - net.2).abs()) * px * e8;
            firm += worst;
            out.insert(
                format!("symbol {instrument}"),
                (worst, if instrument == SPOT { 900_000_000_000 } else { 700_000_000_000 }),
            );
        }
        out.insert("account".into(), (firm, 1_500_000_000_000));
        out.insert("firm".into(), (firm, 2_000_000_000_000));
        out
    }

    /// What the router does with the commands of the last event.
    fn obey(&mut self) -> Law {
        for command in self.rig.commands() {
            self.obey_one(&command)?;
        }
        Ok(())
    }

    fn obey_one(&mut self, command: &Command) -> Law {
        let id = command.intent_id.map_or(IntentId(0), |id| IntentId::from_halves(id.hi, id.lo));
        match command.kind() {
            CommandKind::New => {
                let known = self.truths.get(&id);
                ensure(
                    known.is_some_and(|t| t.qty == command.qty_lots && !t.at_venue),
                    "a NEW nobody decided".into(),
                )
            }
            CommandKind::Query => {
                let Some(truth) = self.truths.get(&id).cloned() else {
                    return Err("a question about nothing".into());
                };
                let instrument = truth.intent.instrument_id;
                let kind = match (truth.at_venue, truth.ended) {
                    // Not there yet: no answer.
                    (false, _) => return Ok(()),
                    (true, false) => ReportKind::Status,
                    (true, true) => ReportKind::Cancelled,
                };
                self.report(about(id, instrument, kind, truth.cum))
            }
            _ => Ok(()),
        }
    }

    fn deliver(&mut self) -> Law {
        for report in std::mem::take(&mut self.held) {
            let id = report.intent_id.map(|id| IntentId::from_halves(id.hi, id.lo)).unwrap();
            *self.reported.get_mut(&id).unwrap() += report.last_qty_lots;
            self.book(&report, 1);
            self.last_fill = Some(report.clone());
            self.report(report)?;
        }
        Ok(())
    }

    fn book(&mut self, report: &Report, times: i128) {
        let strategy = (report.intent_id.unwrap().hi >> 32) as u32;
        let e8 = if report.instrument_id == SPOT { 10 } else { 10_000 };
        let sign: i128 = if report.side == 1 { 1 } else { -1 };
        let lots = sign * i128::from(report.last_qty_lots) * times;
        let book = self.booked.entry((strategy, report.instrument_id)).or_default();
        book.0 += lots;
        book.1 -= lots * i128::from(report.last_px_ticks) * e8;
    }

    fn report(&mut self, report: Report) -> Law {
        self.rig.report(report);
        self.obey()
    }

    fn laws(&self) -> Law {
        let state = self.rig.gateway.state();
        for (strategy, instrument) in [(1, SPOT), (1, PERP), (2, SPOT), (2, PERP)] {
            let key = BookKey {
                account: AccountId(1),
                strategy: StrategyId(strategy),
                instrument: InstrumentId(instrument),
            };
            let book = state.book(key);
            let (lots, cash) = self.booked.get(&(strategy, instrument)).copied().unwrap_or_default();
            ensure(
                book.position.lots == lots,
                format!("position {} is not Σ fills {lots}", book.position.lots),
            )?;
            ensure(
                book.position.trade_cash_e8 == cash
                    && book.position.realised_e8 == cash + book.position.open_cost_e8,
                "the cash law".into(),
            )?;
            for side in [Side::Buy, Side::Sell] {
                ensure(
                    book.leaves(side) == state.leaves_from_orders(key, side),
                    "running sums differ".into(),
                )?;
            }
        }
        // What may still trade, and what has traded unseen, is reserved: whatever we were told or not told.
        for (id, truth) in &self.truths {
            let reserved = state.orders().find(|o| o.id == *id).map_or(0, |o| o.reserved_lots());
            let reserved = match self.mutant {
                Mutant::ReleaseOnTimeout if self.timed_out.contains(id) => 0,
                Mutant::ReleaseAllOnCancelAck if self.cancel_acked.contains(id) => 0,
                _ => i128::from(reserved),
            };
            let wanted = truth.can_trade() + i128::from(truth.cum - self.reported[id]);
            ensure(reserved >= wanted, format!("{id}: {reserved} reserved of {wanted}"))?;
        }
        Ok(())
    }
}

fn ensure(holds: bool, text: String) -> Law {
    if holds { Ok(()) } else { Err(text) }
}

fn run(mutant: Mutant, ops: Vec<Op>) -> Result<World, String> {
    let mut world = World::new(mutant);
    for (n, op) in ops.into_iter().enumerate() {
        let text = format!("{op:?}");
        world.step(op).map_err(|e| format!("step {n} {text}: {e}"))?;
    }
    Ok(world)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn a18_b023_b052_the_laws_hold_over_any_history_and_a_fold_gives_the_same_state(ops in prop::collection::vec(op(), 1..160)) {
        let world = run(Mutant::None, ops).map_err(TestCaseError::fail)?;
        let folded = world.rig.folded(&world.rig.journal);
        prop_assert_eq!(folded.state().hash(), world.rig.gateway.state().hash());
    }

    #[test]
    fn a29_every_cut_of_a_journal_recovers_and_pays_what_it_owes(ops in prop::collection::vec(op(), 1..25), cut in 0_usize..400) {
        let mut world = run(Mutant::None, ops).map_err(TestCaseError::fail)?;
        let cut = cut.min(world.rig.journal.len());
        world.rig.journal.truncate(cut);
        world.rig.restart();
        let whole = world.rig.folded(&world.rig.journal);
        prop_assert_eq!(whole.state().hash(), world.rig.gateway.state().hash());
        // Nothing of a cut-off decision is sent, and the next records follow.
        prop_assert!(world.rig.out.iter().all(|e| !matches!(e.envelope.payload, Some(Payload::Command(_)))));
        world.rig.control(ControlAction::Halt, "op");
    }

    #[test]
    fn any_report_is_taken_without_a_panic_and_folds_back(
        kinds in prop::collection::vec((0_i32..20, 0_u64..4, any::<u64>(), any::<i64>(), 0_u32..4), 1..60)
    ) {
        let mut rig = Rig::ready();
        for seq in 1..4 {
            rig.intent(limit(id(1, seq), PERP, Side::Buy, 600_000, 5));
        }
        let mut journal = rig.journal.clone();
        let mut out = vec![];
        for (n, (kind, seq, qty, px, instrument)) in kinds.into_iter().enumerate() {
            let report = Report {
                report_seq: rig.report_seq + 1 + n as u64,
                kind,
                intent_id: Some(wire(id(1, seq))),
                client_order_id: "x".into(),
                instrument_id: instrument,
                venue_id: instrument,
                side: (n % 3) as i32,
                last_px_ticks: px,
                last_qty_lots: qty,
                cum_qty_lots: qty.rotate_left(7),
                fee_e8: px,
                exec_id: format!("{n}"),
                gateway_epoch: 1,
                holder: HOLDER,
                ..Report::default()
            };
            rig.gateway.apply(rig.now, Event::Report { trace: Trace::default(), report }, &mut out).unwrap();
        }
        journal.extend(out.into_iter().filter(|e| e.journal).map(|e| e.envelope));
        prop_assert_eq!(rig.folded(&journal).state().hash(), rig.gateway.state().hash());
    }
}

/// The same histories through a harness with one fault planted: the laws must see it.
#[test]
fn each_mutant_breaks_a_law_that_the_gateway_keeps() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    for (mutant, law) in [
        (Mutant::ReleaseOnTimeout, "reserved of"),
        (Mutant::ReleaseAllOnCancelAck, "reserved of"),
        (Mutant::HalfTheLimits, "symbol 1 from"),
        (Mutant::HalfTheLimits, "strategy 1 from"),
        (Mutant::HalfTheLimits, "account from"),
        (Mutant::BookFillsTwice, "is not Σ fills"),
    ] {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut histories = (0..1_000)
            .map(|_| prop::collection::vec(op(), 100..160).new_tree(&mut runner).unwrap().current());
        let caught = histories.any(|ops| {
            let clean = run(Mutant::None, ops.clone()).is_ok();
            clean && run(mutant, ops).is_err_and(|text| text.contains(law))
        });
        assert!(caught, "{mutant:?} lived");
    }
}
