//! The router against a plain model of a venue and a network that delays, loses, repeats and reorders: whatever happens,
//! its reports fold to exactly what the venue did, and no order is written twice.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_router::limits::RECV_WINDOW_NS;
use tidegate_router::{
    Answer, ClientId, Effect, Entry, Event, Exec, ExecKind, Fill, Now, Request, Router, Status, Terms,
    TradeRow, VenueConfig, VenueState, What,
};
use tidegate_units::{InstrumentId, IntentId, Side, StrategyId, VenueId};
use tidegate_wire::ids::client_order_id;
use tidegate_wire::pb::common::v1::{IntentId as PbIntentId, Side as PbSide, Source};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{Command, CommandKind, OrderType, Report, ReportKind, Tif};
use tidegate_wire::validate;

const VENUE: VenueId = VenueId(1);
const INSTRUMENT: InstrumentId = InstrumentId(1);
const MS: u64 = 1_000_000;
const EPOCH: i64 = 1_700_000_000_000_000_000;

fn intent_of(n: u8) -> IntentId {
    IntentId::new(StrategyId(1), 1, u64::from(n) + 1)
}

fn id_of(n: u8) -> String {
    client_order_id(intent_of(n).0, 0, 0)
}

#[derive(Debug, Clone)]
struct VenueOrder {
    vid: u64,
    qty: u64,
    cum: u64,
    state: VenueState,
}

/// The venue: the truth.
#[derive(Debug, Default)]
struct Venue {
    skew_ns: i64,
    orders: BTreeMap<ClientId, VenueOrder>,
    trades: Vec<(ClientId, TradeRow)>,
}

impl Venue {
    fn exec(&self, id: ClientId, kind: ExecKind) -> Event {
        let order = &self.orders[&id];
        let exec = Exec {
            id: Some(id),
            kind,
            venue_order_id: order.vid.to_string(),
            side: None,
            cum_lots: Some(order.cum),
            ts_venue_ns: 1,
            text: String::new(),
        };
        Event::Exec { venue: VENUE, instrument: INSTRUMENT, exec }
    }

    fn status(&self, id: ClientId) -> Answer {
        self.orders.get(&id).map_or(Answer::NotFound, |order| {
            Answer::Status(Status {
                id: Some(id),
                venue_order_id: order.vid.to_string(),
                state: order.state,
                cum_lots: order.cum,
                terms: Some(Terms { px_ticks: 100, qty_lots: order.qty }),
                ts_venue_ns: 1,
            })
        })
    }

    fn trade(&mut self, id: ClientId, qty: u64) -> Option<Event> {
        let exec_id = self.trades.len() as u64 + 1;
        let order = self.orders.get_mut(&id).filter(|o| o.state == VenueState::Live)?;
        let qty = qty.min(order.qty - order.cum);
        order.cum += qty;
        if order.cum == order.qty {
            order.state = VenueState::Filled;
        }
        let fill = Fill {
            exec_id: exec_id.to_string(),
            px_ticks: 100,
            qty_lots: qty,
            fee_e8: 0,
            fee_asset: String::new(),
            maker: true,
            ts_venue_ns: 1,
        };
        let row = TradeRow { venue_order_id: order.vid.to_string(), side: Side::Buy, fill: fill.clone() };
        self.trades.push((id, row));
        Some(self.exec(id, ExecKind::Trade(fill)))
    }

    fn end(&mut self, id: ClientId, state: VenueState) -> Option<Event> {
        let order = self.orders.get_mut(&id).filter(|o| o.state == VenueState::Live)?;
        order.state = state;
        let kind = if state == VenueState::Cancelled { ExecKind::Cancelled } else { ExecKind::Expired };
        Some(self.exec(id, kind))
    }

    /// One request: its answer, and the events it causes.
    fn serve(&mut self, what: &What, epoch_ns: i64) -> (Answer, Vec<Event>) {
        let now = epoch_ns + self.skew_ns;
        match what {
            What::Place { command, ts_ns } => {
                let id = ClientId::parse(&command.client_order_id).unwrap();
                if now > ts_ns + RECV_WINDOW_NS {
                    return (Answer::Refused { text: "-1021".into() }, vec![]);
                }
                if command.px_ticks == 7 {
                    return (Answer::Refused { text: "-2010".into() }, vec![]);
                }
                let vid = self.orders.len() as u64 + 1;
                let order = VenueOrder { vid, qty: command.qty_lots, cum: 0, state: VenueState::Live };
                assert!(self.orders.insert(id, order).is_none(), "{id} reached the venue twice");
                let answer = Answer::Placed { venue_order_id: vid.to_string(), ts_venue_ns: 1 };
                (answer, vec![self.exec(id, ExecKind::New)])
            }
            What::Cancel { id, .. } => match self.end(*id, VenueState::Cancelled) {
                Some(event) => (self.status(*id), vec![event]),
                None => (Answer::Refused { text: "-2011".into() }, vec![]),
            },
            What::Status { id, .. } => (self.status(*id), vec![]),
            What::Open { .. } => {
                let open = self.orders.iter().filter(|(_, o)| o.state == VenueState::Live);
                (Answer::Open(open.map(|(id, _)| *id).collect()), vec![])
            }
            What::Trades { venue_order_id, from_id, .. } => {
                let rows = self.trades.iter().map(|(_, row)| row.clone());
                let wanted = |row: &TradeRow| match venue_order_id {
                    Some(order) => row.venue_order_id == *order,
                    None => row.fill.exec_id.parse::<u64>().unwrap() >= *from_id,
                };
                (Answer::Trades(rows.filter(wanted).collect()), vec![])
            }
            What::Time => (Answer::Time { epoch_ns: now }, vec![]),
            What::Amend { .. } => (Answer::Refused { text: "-1100".into() }, vec![]),
        }
    }
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Act {
    New(u8, u8),
    NewRefused(u8),
    Repeat(u8),
    Cancel(u8),
    Query(u8),
    /// The n-th request on its way reaches the venue; the answer is delivered, lost, or turned to "unclear".
    Serve(u8, u8),
    LoseRequest(u8),
    /// The n-th message on its way back arrives, once or twice.
    Arrive(u8, bool),
    LoseAnswer(u8),
    Trade(u8, u8),
    Expire(u8),
    Disconnect,
    Connect,
    Restart,
    Takeover,
    Pass(u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_u8..12, 1_u8..20).prop_map(|(n, q)| Act::New(n, q)),
        1 => (0_u8..12).prop_map(Act::NewRefused),
        1 => (0_u8..12).prop_map(Act::Repeat),
        3 => (0_u8..12).prop_map(Act::Cancel),
        1 => (0_u8..12).prop_map(Act::Query),
        8 => (any::<u8>(), 0_u8..8).prop_map(|(n, how)| Act::Serve(n, how)),
        1 => any::<u8>().prop_map(Act::LoseRequest),
        8 => (any::<u8>(), prop::bool::weighted(0.2)).prop_map(|(n, twice)| Act::Arrive(n, twice)),
        1 => any::<u8>().prop_map(Act::LoseAnswer),
        4 => (0_u8..12, 1_u8..12).prop_map(|(n, q)| Act::Trade(n, q)),
        1 => (0_u8..12).prop_map(Act::Expire),
        1 => Just(Act::Disconnect),
        3 => Just(Act::Connect),
        1 => Just(Act::Restart),
        1 => Just(Act::Takeover),
        4 => (1_u16..3_000).prop_map(Act::Pass),
    ]
}

struct World {
    router: Router,
    venue: Venue,
    mono_ns: u64,
    up: bool,
    journal: Vec<Entry>,
    /// With the connection each was written to: its answer comes back on that one or not at all.
    requests: Vec<(u32, Request)>,
    connection: u32,
    /// `true` = a user event, which a living connection never loses.
    back: Vec<(bool, Event)>,
    written: BTreeMap<String, u32>,
    epoch: u32,
    command_seq: u64,
    sent_commands: Vec<Command>,
}

fn router() -> Router {
    Router::new(&[VenueConfig::new(VENUE, 1_000)], [(INSTRUMENT, VENUE)], true)
}

impl World {
    fn new(skew_ms: i64) -> Self {
        let mut world = Self {
            router: router(),
            venue: Venue { skew_ns: skew_ms * 1_000_000, ..Venue::default() },
            mono_ns: 1_000_000_000,
            up: false,
            journal: vec![],
            requests: vec![],
            connection: 0,
            back: vec![],
            written: BTreeMap::new(),
            epoch: 0,
            command_seq: 0,
            sent_commands: vec![],
        };
        world.run(&Act::Takeover);
        world.run(&Act::Connect);
        world
    }

    fn now(&self) -> Now {
        Now { mono_ns: self.mono_ns, epoch_ns: EPOCH + i64::try_from(self.mono_ns).unwrap() }
    }

    fn apply(&mut self, event: Event) {
        let mut queue = vec![event];
        while let Some(event) = queue.pop() {
            let mut out = Vec::new();
            self.router.apply(self.now(), event, &mut out);
            self.carry(out, &mut queue);
        }
    }

    fn carry(&mut self, out: Vec<Effect>, queue: &mut Vec<Event>) {
        for effect in out {
            match effect {
                Effect::Journal(entry) => self.journal.push(entry),
                Effect::Send(request) => {
                    if let What::Place { command, .. } = &request.what {
                        let first = self.journal.iter().any(|e| {
                            matches!(e, Entry::Command { command: c, .. } if c.client_order_id == command.client_order_id)
                        });
                        assert!(first, "written before it was journalled");
                        *self.written.entry(command.client_order_id.clone()).or_default() += 1;
                    }
                    assert!(self.up, "written to a venue that is down");
                    queue.push(Event::Written { token: request.token, wire_mono_ns: self.mono_ns });
                    self.requests.push((self.connection, request));
                }
                Effect::Deliver { .. } | Effect::Note { .. } | Effect::Letter(_) => {}
            }
        }
    }

    fn command(&mut self, kind: CommandKind, n: u8, qty: u8, px: i64) {
        self.command_seq += 1;
        let (hi, lo) = intent_of(n).halves();
        let command = Command {
            command_seq: self.command_seq,
            gateway_epoch: self.epoch,
            holder: 9,
            kind: kind.into(),
            intent_id: Some(PbIntentId { hi, lo }),
            client_order_id: id_of(n),
            instrument_id: 1,
            venue_id: 1,
            account_id: 1,
            side: PbSide::Buy.into(),
            order_type: OrderType::Limit.into(),
            tif: Tif::Gtc.into(),
            px_ticks: px,
            qty_lots: u64::from(qty),
            ..Command::default()
        };
        self.sent_commands.push(command.clone());
        self.apply(Event::Command(command));
    }

    fn pick<T>(list: &mut Vec<T>, n: u8) -> Option<T> {
        (!list.is_empty()).then(|| list.remove(usize::from(n) % list.len()))
    }

    fn id(n: u8) -> ClientId {
        ClientId::parse(&id_of(n)).unwrap()
    }

    fn run(&mut self, act: &Act) {
        match *act {
            Act::New(n, qty) => self.command(CommandKind::New, n, qty, 100),
            Act::NewRefused(n) => self.command(CommandKind::New, n, 5, 7),
            Act::Repeat(n) => {
                if let Some(command) = self.sent_commands.get(usize::from(n)).cloned() {
                    self.apply(Event::Command(command));
                }
            }
            Act::Cancel(n) => self.command(CommandKind::Cancel, n, 0, 0),
            Act::Query(n) => self.command(CommandKind::Query, n, 0, 0),
            Act::Serve(n, how) => {
                let Some((connection, request)) = Self::pick(&mut self.requests, n) else { return };
                let epoch_ns = self.now().epoch_ns;
                let (answer, events) = self.venue.serve(&request.what, epoch_ns);
                if self.up {
                    // The event and the answer may come in either order.
                    let unclear = matches!(request.what, What::Place { .. } | What::Cancel { .. });
                    let answer = match how {
                        0 if unclear && connection == self.connection => {
                            Some(Answer::Unclear { text: "-1007".into() })
                        }
                        0 if connection == self.connection => Some(Answer::Failed { text: "5xx".into() }),
                        1 => None,
                        _ if connection != self.connection => None,
                        _ => Some(answer),
                    };
                    self.back.extend(events.into_iter().map(|e| (true, e)));
                    self.back
                        .extend(answer.map(|a| (false, Event::Answer { token: request.token, answer: a })));
                }
            }
            Act::LoseRequest(n) => drop(Self::pick(&mut self.requests, n)),
            Act::Arrive(n, twice) => {
                if let Some((user, event)) = Self::pick(&mut self.back, n) {
                    if twice && user {
                        self.apply(event.clone());
                    }
                    self.apply(event);
                }
            }
            Act::LoseAnswer(n) => {
                if let Some((true, event)) = Self::pick(&mut self.back, n) {
                    self.back.push((true, event));
                }
            }
            Act::Trade(n, qty) => {
                let event = self.venue.trade(Self::id(n), u64::from(qty));
                self.tell(event);
            }
            Act::Expire(n) => {
                let event = self.venue.end(Self::id(n), VenueState::Expired);
                self.tell(event);
            }
            Act::Disconnect => {
                if self.up {
                    self.up = false;
                    self.back.clear();
                    self.apply(Event::VenueDown { venue: VENUE, text: "gone".into() });
                }
            }
            Act::Connect => {
                if !self.up {
                    self.up = true;
                    self.connection += 1;
                    self.apply(Event::VenueUp { venue: VENUE });
                }
            }
            Act::Restart => {
                let before = self.router.durable_state();
                self.router = router();
                for entry in &self.journal {
                    self.router.fold(entry);
                }
                assert_eq!(self.router.durable_state(), before, "the journal does not bring the state back");
                self.up = false;
                self.back.clear();
                let mut out = Vec::new();
                self.router.recovered(self.now(), &mut out);
                self.carry(out, &mut Vec::new());
            }
            Act::Takeover => {
                self.epoch += 1;
                self.command_seq += 1;
                let grant = Command {
                    command_seq: self.command_seq,
                    gateway_epoch: self.epoch,
                    holder: 9,
                    kind: CommandKind::Grant.into(),
                    ..Command::default()
                };
                self.apply(Event::Command(grant));
            }
            Act::Pass(ms) => {
                self.mono_ns += u64::from(ms) * MS;
                self.apply(Event::Tick);
            }
        }
    }

    fn tell(&mut self, event: Option<Event>) {
        if self.up {
            self.back.extend(event.map(|e| (true, e)));
        }
    }

    /// The venue heals: everything is served and arrives, and time passes.
    fn heal(&mut self) {
        self.run(&Act::Connect);
        for _ in 0..400 {
            while !self.requests.is_empty() {
                self.run(&Act::Serve(0, 9));
            }
            while !self.back.is_empty() {
                self.run(&Act::Arrive(0, false));
            }
            self.run(&Act::Pass(500));
        }
    }

    fn reports(&self) -> Vec<Report> {
        let report = |entry: &Entry| match entry {
            Entry::Report(report) => Some(report.clone()),
            Entry::Command { .. } => None,
        };
        self.journal.iter().filter_map(report).collect()
    }
}

/// Folds the reports and holds them against the venue. The reports are all it reads of the router.
fn check(reports: &[Report], venue: &Venue) -> Result<(), String> {
    let mut cum: BTreeMap<String, u64> = BTreeMap::new();
    let mut execs: BTreeSet<String> = BTreeSet::new();
    let mut ends: BTreeMap<String, (ReportKind, u64)> = BTreeMap::new();
    for (at, report) in reports.iter().enumerate() {
        let envelope = Envelope {
            schema_version: 1,
            source: Source::ExecutionRouter.into(),
            payload: Some(Payload::Report(report.clone())),
            ..Envelope::default()
        };
        validate::envelope(&envelope).map_err(|refusal| format!("{refusal} in {report:?}"))?;
        let id = report.client_order_id.clone();
        if report.report_seq != at as u64 + 1 {
            return Err(format!("report {} stands at {}", report.report_seq, at + 1));
        }
        match report.kind() {
            ReportKind::Fill => {
                if !execs.insert(report.exec_id.clone()) {
                    return Err(format!("execution {} is reported twice", report.exec_id));
                }
                *cum.entry(id).or_default() += report.last_qty_lots;
            }
            ReportKind::Cancelled
            | ReportKind::Expired
            | ReportKind::Reject
            | ReportKind::Dead
            | ReportKind::NeverSent => {
                let booked = cum.get(&id).copied().unwrap_or(0);
                if report.cum_qty_lots != booked {
                    return Err(format!("{id} ends at {} with {booked} reported", report.cum_qty_lots));
                }
                let end = (report.kind(), booked);
                let again = ends.insert(id.clone(), end).filter(|_| report.kind() != ReportKind::NeverSent);
                if again.is_some() {
                    return Err(format!("{id} ends twice"));
                }
            }
            _ => {}
        }
    }
    let traded: BTreeSet<String> = venue.trades.iter().map(|(_, row)| row.fill.exec_id.clone()).collect();
    if execs != traded {
        return Err(format!("reported executions {execs:?}, the venue's {traded:?}"));
    }
    for (id, order) in &venue.orders {
        let text = id.to_string();
        let booked = cum.get(&text).copied().unwrap_or(0);
        if booked != order.cum {
            return Err(format!("{id}: reported {booked}, the venue has {}", order.cum));
        }
        let end = ends.get(&text).map(|(kind, _)| *kind);
        let want = match order.state {
            VenueState::Live | VenueState::Filled => None,
            VenueState::Cancelled => Some(ReportKind::Cancelled),
            VenueState::Expired => Some(ReportKind::Expired),
            VenueState::Rejected => Some(ReportKind::Reject),
        };
        if end != want {
            return Err(format!("{id}: reported end {end:?}, the venue says {:?}", order.state));
        }
    }
    for (id, (kind, _)) in &ends {
        let there = venue.orders.contains_key(&ClientId::parse(id).unwrap());
        let never = matches!(kind, ReportKind::Dead | ReportKind::NeverSent | ReportKind::Reject);
        if there == never {
            return Err(format!("{id} ended {kind:?}, and the venue has it: {there}"));
        }
    }
    Ok(())
}

fn run_all(acts: &[Act], skew_ms: i64) -> World {
    let mut world = World::new(skew_ms);
    for act in acts {
        world.run(act);
    }
    world.heal();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a25_b021_reports_fold_to_exactly_the_venues_truth(acts in prop::collection::vec(act(), 1..120), skew_ms in -900_i64..900) {
        let world = run_all(&acts, skew_ms);
        prop_assert_eq!(check(&world.reports(), &world.venue), Ok(()));
        for (id, times) in &world.written {
            prop_assert_eq!(*times, 1, "{} was written {} times", id, times);
        }
        prop_assert_eq!(world.router.unfinished(), vec![]);
        prop_assert_eq!(world.router.requests_in_flight(), 0);
        let live = world.venue.orders.values().filter(|o| o.state == VenueState::Live).count();
        prop_assert_eq!(world.router.open_orders(), live);
    }

    #[test]
    fn a_venue_that_never_answers_releases_nothing(acts in prop::collection::vec(act(), 1..60)) {
        let mut world = World::new(0);
        for act in acts.iter().filter(|a| !matches!(a, Act::Serve(..))) {
            world.run(act);
        }
        world.run(&Act::Connect);
        for _ in 0..600 {
            world.run(&Act::Pass(1_000));
        }
        let ended = world.reports().into_iter().filter(|r| {
            matches!(r.kind(), ReportKind::Dead | ReportKind::Reject | ReportKind::Cancelled | ReportKind::Expired)
        });
        prop_assert_eq!(ended.count(), 0);
        let never: BTreeSet<String> = world.reports().iter().filter(|r| r.kind() == ReportKind::NeverSent).map(|r| r.client_order_id.clone()).collect();
        prop_assert!(world.written.keys().all(|id| !never.contains(id)), "a written order was called never sent");
    }
}

/// The checker itself must see each kind of lie, or the property above proves nothing.
#[test]
fn negative_controls_of_the_checker() {
    let acts = [
        Act::New(0, 5),
        Act::Serve(0, 9),
        Act::Arrive(0, false),
        Act::Arrive(0, false),
        Act::Trade(0, 2),
        Act::Arrive(0, false),
        Act::Cancel(0),
    ];
    let world = run_all(&acts, 0);
    let reports = world.reports();
    assert_eq!(check(&reports, &world.venue), Ok(()));
    let at = |kind| reports.iter().position(|r| r.kind() == kind).unwrap();
    let lie = |change: &dyn Fn(&mut Vec<Report>)| {
        let mut reports = reports.clone();
        change(&mut reports);
        for (at, report) in reports.iter_mut().enumerate() {
            report.report_seq = at as u64 + 1;
        }
        check(&reports, &world.venue).unwrap_err()
    };
    let (fill, end) = (at(ReportKind::Fill), at(ReportKind::Cancelled));
    assert!(lie(&|r| drop(r.remove(fill))).contains("with 0 reported"));
    assert!(lie(&|r| r.push(r[fill].clone())).contains("twice"));
    assert!(lie(&|r| r[fill].last_qty_lots = 3).contains("ends at"));
    assert!(lie(&|r| drop(r.remove(end))).contains("reported end None"));
    assert!(lie(&|r| r[end].kind = ReportKind::Dead.into()).contains("reported end"));
    assert!(lie(&|r| r.swap(fill, end)).contains("ends at"));
    let mut gap = reports.clone();
    gap.remove(0);
    assert!(check(&gap, &world.venue).is_err());
}
