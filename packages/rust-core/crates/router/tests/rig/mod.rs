//! A router under a test's hand: commands in, requests, reports, letters and notes out.

#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test file uses a part of it")]

use tidegate_router::limits::{CLOCK_BOUND_NS, ORDER_TIMEOUT_NS, RECV_WINDOW_NS};
use tidegate_router::{
    Answer, ClientId, Effect, Entry, Event, Exec, ExecKind, Fill, Letter, Now, Request, Router, Status,
    VenueConfig, VenueState, What,
};
use tidegate_units::{InstrumentId, IntentId, StrategyId, VenueId};
use tidegate_wire::ids::client_order_id;
use tidegate_wire::pb::common::v1::{IntentId as PbIntentId, Side as PbSide};
use tidegate_wire::pb::orders::v1::{Command, CommandKind, OrderType, Reason, Report, ReportKind, Tif};

pub const VENUE: VenueId = VenueId(1);
pub const EPOCH: i64 = 1_700_000_000_000_000_000;
pub const SECOND: u64 = 1_000_000_000;

pub struct Rig {
    pub router: Router,
    pub mono_ns: u64,
    pub seq: u64,
    pub reports: Vec<Report>,
    pub requests: Vec<Request>,
    pub letters: Vec<Letter>,
    pub notes: Vec<String>,
    /// The journal, in its order.
    pub entries: Vec<Entry>,
}

impl Rig {
    pub fn bare(orders_per_10s: usize, complete: bool) -> Self {
        Self::with(VenueConfig::new(VENUE, orders_per_10s), complete)
    }

    /// A router of one venue, two instruments.
    pub fn with(venue: VenueConfig, complete: bool) -> Self {
        let instruments = [(InstrumentId(1), VENUE), (InstrumentId(2), VENUE)];
        let router = Router::new(&[venue], instruments, complete);
        let (reports, requests, letters, notes, entries) = (vec![], vec![], vec![], vec![], vec![]);
        Self { router, mono_ns: SECOND, seq: 0, reports, requests, letters, notes, entries }
    }

    /// As `with`, granted to (1, 9) and its venue up.
    pub fn up(venue: VenueConfig) -> Self {
        let mut rig = Self::with(venue, true);
        rig.command(CommandKind::Grant, 1, 9, 0, |_| ());
        rig.apply(Event::VenueUp { venue: VENUE });
        rig.reports.clear();
        rig
    }

    /// Granted to (1, 9), venue up.
    pub fn new() -> Self {
        let mut rig = Self::bare(100, true);
        rig.command(CommandKind::Grant, 1, 9, 0, |_| ());
        rig.apply(Event::VenueUp { venue: VENUE });
        rig.reports.clear();
        rig
    }

    pub fn apply(&mut self, event: Event) {
        let now = Now { mono_ns: self.mono_ns, epoch_ns: EPOCH + self.mono_ns as i64 };
        let mut out = Vec::new();
        self.router.apply(now, event, &mut out);
        for effect in out {
            match effect {
                Effect::Journal(entry) => {
                    if let Entry::Report(report) = &entry {
                        self.reports.push(report.clone());
                    }
                    self.entries.push(entry);
                }
                Effect::Send(request) => self.requests.push(request),
                Effect::Letter(letter) => self.letters.push(*letter),
                Effect::Note { text, .. } => self.notes.push(text),
                Effect::Deliver { .. } => {}
            }
        }
    }

    pub fn command(
        &mut self,
        kind: CommandKind,
        epoch: u32,
        holder: u64,
        n: u64,
        change: impl Fn(&mut Command),
    ) {
        self.seq += 1;
        let intent = IntentId::new(StrategyId(1), 1, n + 1);
        let (hi, lo) = intent.halves();
        let mut command = Command {
            command_seq: self.seq,
            gateway_epoch: epoch,
            holder,
            kind: kind.into(),
            intent_id: Some(PbIntentId { hi, lo }),
            client_order_id: client_order_id(intent.0, 0, 0),
            instrument_id: 1,
            venue_id: 1,
            account_id: 1,
            side: PbSide::Buy.into(),
            order_type: OrderType::Limit.into(),
            tif: Tif::Gtc.into(),
            px_ticks: 100,
            qty_lots: 5,
            ..Command::default()
        };
        change(&mut command);
        self.apply(Event::Command(command));
    }

    pub fn order(&mut self, n: u64) -> ClientId {
        self.command(CommandKind::New, 1, 9, n, |_| ());
        let intent = IntentId::new(StrategyId(1), 1, n + 1);
        ClientId::parse(&client_order_id(intent.0, 0, 0)).unwrap()
    }

    pub fn take(&mut self) -> Request {
        assert_eq!(self.requests.len(), 1, "{:?}", self.requests);
        self.requests.remove(0)
    }

    pub fn answer(&mut self, token: u64, answer: Answer) {
        self.apply(Event::Answer { token, answer });
    }

    pub fn pass(&mut self, ns: u64) {
        self.mono_ns += ns;
        self.apply(Event::Tick);
    }

    pub fn kinds(&mut self) -> Vec<ReportKind> {
        std::mem::take(&mut self.reports).iter().map(Report::kind).collect()
    }

    pub fn reason(&self) -> Reason {
        self.reports.last().unwrap().reason()
    }

    pub fn placed(&self) -> usize {
        self.requests.iter().filter(|r| matches!(r.what, What::Place { .. })).count()
    }

    /// Sent, timed out, not found, and the order's validity over: the proof begins with the venue's clock.
    pub fn not_found(&mut self) -> Request {
        self.not_found_of(0)
    }

    /// As `not_found`, of the n-th order.
    pub fn not_found_of(&mut self, n: u64) -> Request {
        self.order(n);
        self.kinds();
        self.requests.clear();
        self.pass(ORDER_TIMEOUT_NS);
        assert_eq!(self.kinds(), [ReportKind::Unknown]);
        let status = self.take();
        self.answer(status.token, Answer::NotFound);
        assert!(self.reports.is_empty(), "one not-found proves nothing");
        self.pass(SECOND * 3);
        let clock = self.take();
        assert_eq!(clock.what, What::Time);
        clock
    }
}

pub fn past_validity() -> i64 {
    EPOCH + SECOND as i64 + RECV_WINDOW_NS + CLOCK_BOUND_NS
}

pub fn fill(exec_id: &str, qty_lots: u64) -> Fill {
    Fill {
        exec_id: exec_id.into(),
        px_ticks: 100,
        qty_lots,
        fee_e8: 0,
        fee_asset: String::new(),
        maker: true,
        ts_venue_ns: 1,
    }
}

pub fn exec(id: ClientId, kind: ExecKind, cum: u64) -> Event {
    let exec = Exec {
        id: Some(id),
        kind,
        venue_order_id: "77".into(),
        side: None,
        cum_lots: Some(cum),
        ts_venue_ns: 1,
        text: String::new(),
    };
    Event::Exec { venue: VENUE, instrument: InstrumentId(1), exec }
}

pub fn status(id: ClientId, state: VenueState, cum_lots: u64) -> Answer {
    Answer::Status(Status {
        id: Some(id),
        venue_order_id: "77".into(),
        state,
        cum_lots,
        terms: None,
        ts_venue_ns: 1,
    })
}
