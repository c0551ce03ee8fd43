//! Every order in which the events of one order's life can come, up to a depth: not a sample of them.
//!
//! After each sequence what the router told is held against a plain account of what it was told, the journal against the
//! state, and the illegal steps it named against a table that knows nothing of its code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod rig;

use rig::{EPOCH, Rig, SECOND, VENUE, exec, fill, status};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_router::limits::{ORDER_TIMEOUT_NS, ORPHAN_NS, ORPHANS_MAX};
use tidegate_router::{
    Answer, ClientId, Event, ExecKind, Illegal, Now, Router, VenueConfig, VenueState, What,
};
use tidegate_units::{InstrumentId, Side};
use tidegate_wire::pb::orders::v1::{CommandKind, Report, ReportKind};

/// What can happen to an order of five lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The venue's answer to the order, where it is still awaited.
    Taken,
    Refused,
    Unclear,
    /// Its user stream.
    New,
    /// Two of the five, and the other three.
    FillTwo,
    FillThree,
    FillOfOtherSide,
    Cancelled,
    Expired,
    Rejected,
    /// The gateway.
    Cancel,
    Query,
    /// The venue's answer to the newest question.
    SaysLive,
    NotFound,
    TimeOut,
    Reconnect,
}

const STEPS: [Step; 16] = [
    Step::Taken,
    Step::Refused,
    Step::Unclear,
    Step::New,
    Step::FillTwo,
    Step::FillThree,
    Step::FillOfOtherSide,
    Step::Cancelled,
    Step::Expired,
    Step::Rejected,
    Step::Cancel,
    Step::Query,
    Step::SaysLive,
    Step::NotFound,
    Step::TimeOut,
    Step::Reconnect,
];

struct Run {
    rig: Rig,
    id: ClientId,
    place: u64,
    answered: bool,
}

impl Run {
    fn new() -> Self {
        let mut rig = Rig::new();
        let id = rig.order(0);
        let place = rig.requests.remove(0).token;
        Self { rig, id, place, answered: false }
    }

    /// The venue's cumulative quantity, as its executions so far make it.
    fn cum(&self) -> u64 {
        let fills = self.rig.reports.iter().filter(|r| r.kind() == ReportKind::Fill);
        fills.map(|r| r.last_qty_lots).sum()
    }

    fn event(&mut self, kind: ExecKind, cum: u64) {
        self.rig.apply(exec(self.id, kind, cum));
    }

    fn question(&mut self) -> Option<u64> {
        let at = self.rig.requests.iter().rposition(|r| matches!(r.what, What::Status { .. }))?;
        Some(self.rig.requests.remove(at).token)
    }

    /// Does a step; false where it cannot happen here, so that the sequence is the same as one without it.
    fn step(&mut self, step: Step) -> bool {
        let booked = self.cum();
        match step {
            Step::Taken | Step::Refused | Step::Unclear => {
                if std::mem::replace(&mut self.answered, true) {
                    return false;
                }
                let answer = match step {
                    Step::Taken => Answer::Placed { venue_order_id: "77".into(), ts_venue_ns: 1 },
                    Step::Refused => Answer::Refused { text: "-2010".into() },
                    _ => Answer::Unclear { text: "-1007".into() },
                };
                self.rig.answer(self.place, answer);
            }
            Step::New => self.event(ExecKind::New, booked),
            Step::FillTwo => self.event(ExecKind::Trade(fill("1", 2)), booked.max(2)),
            Step::FillThree => self.event(ExecKind::Trade(fill("2", 3)), booked.max(3)),
            Step::FillOfOtherSide => {
                let mut event = exec(self.id, ExecKind::Trade(fill("9", 1)), booked);
                if let Event::Exec { exec, .. } = &mut event {
                    exec.side = Some(Side::Sell);
                }
                self.rig.apply(event);
            }
            Step::Cancelled => self.event(ExecKind::Cancelled, booked),
            Step::Expired => self.event(ExecKind::Expired, booked),
            Step::Rejected => self.event(ExecKind::Rejected, booked),
            Step::Cancel => self.rig.command(CommandKind::Cancel, 1, 9, 0, |_| ()),
            Step::Query => self.rig.command(CommandKind::Query, 1, 9, 0, |_| ()),
            Step::SaysLive | Step::NotFound => {
                let Some(token) = self.question() else { return false };
                let live = status(self.id, VenueState::Live, booked);
                self.rig.answer(token, if step == Step::SaysLive { live } else { Answer::NotFound });
            }
            Step::TimeOut => {
                self.rig.pass(ORDER_TIMEOUT_NS);
                self.answered = true;
            }
            Step::Reconnect => {
                // What was asked on the old connection is answered by nobody.
                self.rig.requests.clear();
                self.rig.apply(Event::VenueDown { venue: VENUE, text: "gone".into() });
                self.rig.apply(Event::VenueUp { venue: VENUE });
                self.answered = true;
            }
        }
        true
    }
}

/// The illegal steps of a sequence, from what the venue said alone.
fn illegal(steps: &[Step]) -> BTreeMap<Illegal, u64> {
    let mut seen = BTreeMap::new();
    let (mut held, mut end, mut cum, mut answered) = (false, None, 0, false);
    let mut fills = BTreeSet::new();
    let mut wrong = |what| *seen.entry(what).or_insert(0) += 1;
    for step in steps {
        match step {
            // Nobody who held an order, or traded it, can have refused it: that answer is asked about, and counts for nothing.
            Step::Refused if !answered && end.is_none() && !held && cum == 0 => end = Some(Step::Rejected),
            Step::Taken if !answered && end.is_none() => held = true,
            Step::New | Step::SaysLive if end.is_none() => held = true,
            Step::FillTwo | Step::FillThree if fills.insert(*step) => {
                if end == Some(Step::Rejected) {
                    wrong(Illegal::FillAfterReject);
                }
                cum += if *step == Step::FillTwo { 2 } else { 3 };
                if cum == 5 && end.is_none() {
                    end = Some(Step::FillThree);
                }
            }
            Step::FillOfOtherSide => wrong(Illegal::FillOfWrongSide),
            Step::Cancelled | Step::Expired | Step::Rejected => match end {
                None => {
                    if *step == Step::Rejected && held {
                        wrong(Illegal::RejectAfterAck);
                    }
                    end = Some(*step);
                }
                Some(first) if first != *step => wrong(Illegal::EndAfterEnd),
                Some(_) => {}
            },
            _ => {}
        }
        answered |=
            matches!(step, Step::Taken | Step::Refused | Step::Unclear | Step::TimeOut | Step::Reconnect);
    }
    seen
}

/// The laws of what is told of one order, and where one is broken.
fn lawful(reports: &[Report]) -> Result<(), String> {
    let (mut booked, mut execs, mut end) = (0, BTreeSet::new(), None);
    let mut acks = 0;
    for report in reports {
        match report.kind() {
            ReportKind::Fill => {
                if !execs.insert(report.exec_id.clone()) {
                    return Err(format!("execution {} twice", report.exec_id));
                }
                booked += report.last_qty_lots;
                if report.cum_qty_lots != booked {
                    return Err(format!("cumulative {} of {booked} told", report.cum_qty_lots));
                }
            }
            ReportKind::Ack => acks += 1,
            kind @ (ReportKind::Cancelled
            | ReportKind::Expired
            | ReportKind::Reject
            | ReportKind::Dead
            | ReportKind::NeverSent) => {
                if let Some(first) = end {
                    return Err(format!("ends as {kind:?} after {first:?}"));
                }
                if report.cum_qty_lots != booked {
                    return Err(format!("ends at {} with {booked} told", report.cum_qty_lots));
                }
                if matches!(kind, ReportKind::Dead | ReportKind::NeverSent) && (booked > 0 || acks > 0) {
                    return Err(format!("{kind:?} of an order that was there"));
                }
                end = Some(kind);
            }
            ReportKind::Unknown if end.is_some() || acks > 0 => {
                return Err("unknown after it was known".into());
            }
            _ => {}
        }
    }
    if acks > 1 {
        return Err(format!("{acks} acks"));
    }
    Ok(())
}

fn judge(steps: &[Step]) -> Result<(), String> {
    let mut run = Run::new();
    let done: Vec<Step> = steps.iter().copied().filter(|step| run.step(*step)).collect();
    lawful(&run.rig.reports)?;
    let named = run.rig.router.illegal_steps();
    let want = illegal(&done);
    if *named != want {
        return Err(format!("names {named:?}, want {want:?}"));
    }
    let told = run.rig.notes.iter().filter(|note| note.starts_with("illegal transition")).count() as u64;
    if told != want.values().sum::<u64>() {
        return Err("an illegal step without its line in the log".into());
    }
    let mut again = Router::new(&[VenueConfig::new(VENUE, 100)], [(InstrumentId(1), VENUE)], true);
    run.rig.entries.iter().for_each(|entry| again.fold(entry));
    if again.durable_state() != run.rig.router.durable_state() {
        return Err("the journal does not bring the state back".into());
    }
    Ok(())
}

#[test]
fn b023_a25_every_order_of_events_up_to_four_keeps_the_laws_and_names_what_cannot_be() {
    let mut sequences = 0_u64;
    let mut all: Vec<Vec<Step>> = vec![vec![]];
    for _ in 0..4 {
        all = all.iter().flat_map(|head| STEPS.map(|step| [head.as_slice(), &[step]].concat())).collect();
        for steps in &all {
            sequences += 1;
            if let Err(why) = judge(steps) {
                panic!("{steps:?}: {why}");
            }
        }
    }
    assert_eq!(sequences, 16 + 16_u64.pow(2) + 16_u64.pow(3) + 16_u64.pow(4));
}

#[test]
fn b023_the_laws_are_broken_by_each_lie() {
    let mut run = Run::new();
    for step in [Step::Taken, Step::FillTwo, Step::Cancelled] {
        run.step(step);
    }
    let told = run.rig.reports.clone();
    assert_eq!(lawful(&told), Ok(()));
    let at = |kind| told.iter().position(|r| r.kind() == kind).unwrap();
    let (ack, fill, end) = (at(ReportKind::Ack), at(ReportKind::Fill), at(ReportKind::Cancelled));
    let lie = |change: &dyn Fn(&mut Vec<Report>)| {
        let mut told = told.clone();
        change(&mut told);
        lawful(&told).unwrap_err()
    };
    assert!(lie(&|r| r.push(r[fill].clone())).contains("twice"));
    assert!(lie(&|r| r[fill].cum_qty_lots = 3).contains("cumulative"));
    assert!(lie(&|r| r.push(r[end].clone())).contains("ends as"));
    assert!(lie(&|r| r[end].cum_qty_lots = 0).contains("ends at"));
    assert!(lie(&|r| r[end].kind = ReportKind::Dead.into()).contains("was there"));
    assert!(lie(&|r| r.push(r[ack].clone())).contains("acks"));
    assert!(lie(&|r| r[end].kind = ReportKind::Unknown.into()).contains("unknown after"));
}

// ---------------------------------------------------------------- executions without an order

fn stray(vid: &str, exec_id: &str, id: Option<ClientId>) -> Event {
    let mut event = exec(ClientId::parse(&"0".repeat(25)).unwrap(), ExecKind::Trade(fill(exec_id, 1)), 1);
    if let Event::Exec { exec, .. } = &mut event {
        (exec.id, exec.venue_order_id, exec.cum_lots) = (id, vid.into(), None);
    }
    event
}

#[test]
fn a26_an_execution_that_came_before_its_order_was_known_is_given_to_it_once() {
    let mut rig = Rig::new();
    let id = rig.order(0);
    let place = rig.take().token;
    // The stream names the venue's id alone, twice, before the answer that tells whose it is.
    rig.apply(stray("77", "5", None));
    rig.apply(stray("77", "5", None));
    assert_eq!((rig.kinds(), rig.router.orphans().len()), (vec![], 1));
    rig.answer(place, Answer::Placed { venue_order_id: "77".into(), ts_venue_ns: 1 });
    assert_eq!(rig.kinds(), [ReportKind::Ack, ReportKind::Fill]);
    assert_eq!((rig.router.orphans().len(), rig.router.stats().orphans_adopted), (0, 1));
    rig.apply(exec(id, ExecKind::Trade(fill("5", 1)), 1));
    assert_eq!(rig.kinds(), [], "and once alone");
}

#[test]
fn a26_what_never_finds_an_order_stays_to_be_looked_at_and_is_told_once() {
    let mut rig = Rig::new();
    rig.apply(stray("99", "5", None));
    let told = |rig: &Rig| rig.notes.iter().filter(|note| note.contains("still has no order")).count();
    rig.pass(ORPHAN_NS - 1);
    assert_eq!(told(&rig), 0);
    (0..5).for_each(|_| rig.pass(SECOND));
    assert_eq!((told(&rig), rig.router.orphans().len()), (1, 1));
    for n in 0..ORPHANS_MAX as u64 {
        rig.apply(stray("98", &(100 + n).to_string(), None));
    }
    assert_eq!((rig.router.orphans().len(), rig.router.stats().orphans_lost), (ORPHANS_MAX, 1));
    assert!(
        rig.notes.iter().any(|note| note.starts_with("execution 5 ") && note.ends_with("kept no longer"))
    );
}

#[test]
fn a25_a_late_fill_of_the_wrong_side_is_refused_by_name_and_never_booked() {
    let mut run = Run::new();
    for step in [Step::Taken, Step::FillTwo, Step::Cancelled, Step::FillOfOtherSide] {
        run.step(step);
    }
    assert_eq!(run.cum(), 2);
    let orphan = run.rig.router.orphans().front().unwrap();
    assert_eq!((orphan.refused, orphan.fill.exec_id.as_str()), (Some("FILL_OF_WRONG_SIDE"), "9"));
    assert!(run.rig.notes.iter().any(|note| note.contains("FILL_OF_WRONG_SIDE")));
    // The negative control: a late fill of its own side is booked.
    run.step(Step::FillThree);
    assert_eq!(run.cum(), 5);
    let now = Now { mono_ns: run.rig.mono_ns, epoch_ns: EPOCH };
    run.rig.router.apply(now, Event::Tick, &mut Vec::new());
    assert_eq!(run.rig.router.orphans().len(), 1, "it waits for a person");
}
