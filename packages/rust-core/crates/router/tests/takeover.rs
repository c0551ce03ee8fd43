//! What a second gateway changes for the router: a fence is a proof its successor must not belie, a kill latch of the
//! router's own, and trades that the venue undoes.

#![allow(clippy::unwrap_used, clippy::panic)]

use tidegate_router::{ClientId, Effect, Entry, Event, Exec, ExecKind, Fill, Now, Router, VenueConfig, What};
use tidegate_units::{InstrumentId, IntentId, StrategyId, VenueId};
use tidegate_wire::ids::client_order_id;
use tidegate_wire::pb::common::v1::{IntentId as PbIntentId, Side};
use tidegate_wire::pb::orders::v1::{Command, CommandKind, OrderType, Reason, Report, ReportKind, Tif};

const VENUE: VenueId = VenueId(1);

struct Rig {
    router: Router,
    seq: u64,
    journal: Vec<Entry>,
    sent: Vec<What>,
}

fn bare() -> Router {
    let venues = [VenueConfig::new(VENUE, 100)];
    Router::new(&venues, [(InstrumentId(1), VENUE)], true)
}

impl Rig {
    fn new() -> Self {
        let mut rig = Self { router: bare(), seq: 0, journal: vec![], sent: vec![] };
        rig.command(CommandKind::Grant, 1, 7, 0);
        rig.apply(Event::VenueUp { venue: VENUE });
        rig
    }

    fn apply(&mut self, event: Event) {
        let mut out = Vec::new();
        self.router.apply(
            Now { mono_ns: 1_000_000_000, epoch_ns: 1_700_000_000_000_000_000 },
            event,
            &mut out,
        );
        for effect in out {
            match effect {
                Effect::Journal(entry) => self.journal.push(entry),
                Effect::Send(request) => self.sent.push(request.what),
                _ => {}
            }
        }
    }

    fn command(&mut self, kind: CommandKind, epoch: u32, holder: u64, n: u64) {
        self.seq += 1;
        let intent = IntentId::new(StrategyId(1), 1, n + 1);
        let (hi, lo) = intent.halves();
        self.apply(Event::Command(Command {
            command_seq: self.seq,
            gateway_epoch: epoch,
            holder,
            kind: kind.into(),
            intent_id: Some(PbIntentId { hi, lo }),
            client_order_id: client_order_id(intent.0, 0, 0),
            instrument_id: 1,
            venue_id: 1,
            account_id: 1,
            side: Side::Buy.into(),
            order_type: OrderType::Limit.into(),
            tif: Tif::Gtc.into(),
            px_ticks: 100,
            qty_lots: 5,
            ..Command::default()
        }));
    }

    fn placed(&self) -> usize {
        self.sent.iter().filter(|what| matches!(what, What::Place { .. })).count()
    }

    fn cancels(&self) -> usize {
        self.sent.iter().filter(|what| matches!(what, What::Cancel { .. })).count()
    }

    fn last(&self) -> &Report {
        let report = |entry: &Entry| matches!(entry, Entry::Report(_));
        match self.journal.iter().rfind(|entry| report(entry)) {
            Some(Entry::Report(report)) => report,
            _ => panic!("no report"),
        }
    }
}

fn id(n: u64) -> ClientId {
    ClientId::parse(&client_order_id(IntentId::new(StrategyId(1), 1, n + 1).0, 0, 0)).unwrap()
}

#[test]
fn a21_an_order_whose_fence_was_named_is_never_sent_by_the_next_leader_either() {
    let mut rig = Rig::new();
    rig.command(CommandKind::Grant, 2, 8, 0);
    // The first gateway sends an order too late: it is told that no byte left, and releases the order.
    rig.command(CommandKind::New, 1, 7, 4);
    assert_eq!(
        (rig.last().kind(), rig.last().client_order_id.as_str()),
        (ReportKind::Fenced, id(4).to_string().as_str())
    );
    // The strategy repeats its intent to the new leader, which makes the same order of it.
    rig.command(CommandKind::New, 2, 8, 4);
    assert_eq!(rig.placed(), 0, "the first gateway was told that it never leaves");
    rig.command(CommandKind::Query, 2, 8, 4);
    assert_eq!((rig.last().kind(), rig.last().reason()), (ReportKind::NeverSent, Reason::NeverSent));
    rig.command(CommandKind::New, 2, 8, 5);
    assert_eq!(rig.placed(), 1, "another order goes");
    // A restart remembers.
    let mut again = bare();
    rig.journal.iter().for_each(|entry| again.fold(entry));
    rig.router = again;
    rig.apply(Event::VenueUp { venue: VENUE });
    rig.command(CommandKind::New, 2, 8, 4);
    assert_eq!(rig.placed(), 1);
}

#[test]
fn a14_the_routers_own_kill_latch_stops_new_orders_and_cancels_the_open_ones() {
    let mut rig = Rig::new();
    rig.command(CommandKind::New, 1, 7, 1);
    assert_eq!((rig.placed(), rig.cancels()), (1, 0));
    rig.apply(Event::Kill { latched: true });
    assert!(rig.router.killed());
    assert_eq!(rig.cancels(), 1);
    rig.command(CommandKind::New, 1, 7, 2);
    assert_eq!((rig.placed(), rig.last().reason()), (1, Reason::Killed));
    assert_eq!(rig.last().kind(), ReportKind::NeverSent);
    rig.apply(Event::Kill { latched: true });
    assert_eq!(rig.cancels(), 1, "said again, it asks for nothing again");
    rig.apply(Event::Kill { latched: false });
    rig.command(CommandKind::New, 1, 7, 3);
    assert_eq!(rig.placed(), 2);
}

#[test]
fn b023_a_trade_that_the_venue_undoes_is_reported_once() {
    let mut rig = Rig::new();
    rig.command(CommandKind::New, 1, 7, 1);
    let fill = |exec_id: &str| Fill {
        exec_id: exec_id.into(),
        px_ticks: 100,
        qty_lots: 5,
        fee_e8: 2,
        fee_asset: "USDT".into(),
        maker: true,
        ts_venue_ns: 1,
    };
    let exec = |kind| Event::Exec {
        venue: VENUE,
        instrument: InstrumentId(1),
        exec: Exec {
            id: Some(id(1)),
            kind,
            venue_order_id: "9".into(),
            side: None,
            cum_lots: None,
            ts_venue_ns: 1,
            text: String::new(),
        },
    };
    rig.apply(exec(ExecKind::Trade(fill("1"))));
    rig.apply(exec(ExecKind::Bust(fill("B1"))));
    let report = rig.last().clone();
    assert_eq!((report.kind(), report.exec_id.as_str(), report.last_qty_lots), (ReportKind::Bust, "B1", 5));
    let reports = rig.journal.len();
    rig.apply(exec(ExecKind::Bust(fill("B1"))));
    let mut again = bare();
    rig.journal.iter().for_each(|entry| again.fold(entry));
    rig.router = again;
    rig.apply(exec(ExecKind::Bust(fill("B1"))));
    assert_eq!(rig.journal.len(), reports, "once, also over a restart");
}

#[test]
fn b023_a_correction_undoes_one_execution_and_books_another_once() {
    let mut rig = Rig::new();
    rig.command(CommandKind::New, 1, 7, 1);
    let fill = |exec_id: &str, px_ticks: i64| Fill {
        exec_id: exec_id.into(),
        px_ticks,
        qty_lots: 5,
        fee_e8: 2,
        fee_asset: "USD".into(),
        maker: true,
        ts_venue_ns: 1,
    };
    let exec = |kind| Event::Exec {
        venue: VENUE,
        instrument: InstrumentId(1),
        exec: Exec {
            id: Some(id(1)),
            kind,
            venue_order_id: "9".into(),
            side: None,
            cum_lots: Some(5),
            ts_venue_ns: 1,
            text: String::new(),
        },
    };
    let corrected =
        || exec(ExecKind::Corrected { undone: Box::new(fill("1/2", 100)), fill: Box::new(fill("2", 101)) });
    rig.apply(exec(ExecKind::Trade(fill("1", 100))));
    rig.apply(corrected());
    let report = rig.last().clone();
    assert_eq!((report.kind(), report.exec_id.as_str(), report.last_px_ticks), (ReportKind::Fill, "2", 101));
    assert_eq!(report.cum_qty_lots, 5, "it fills the order no further");
    let (reports, state) = (rig.journal.len(), rig.router.durable_state());
    rig.apply(corrected());
    let mut again = bare();
    rig.journal.iter().for_each(|entry| again.fold(entry));
    assert_eq!(again.durable_state(), state, "as the journal tells it");
    rig.router = again;
    rig.apply(corrected());
    assert_eq!(rig.journal.len(), reports, "once, also over a restart");
    assert!(rig.router.illegal_steps().is_empty(), "nothing is filled beyond its size");
}
