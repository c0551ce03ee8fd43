//! FIX 4.4: NewOrderSingle over a session with numbers.

use super::Desk;
use super::pipe::{Pipe, take};
use super::world::row;
use tidegate_fix::orders::{Instrument as Prepared, Order, OrderKind, Scales, Tif, new_order};
use tidegate_fix::shell::Clock;
use tidegate_fix::{
    Application, Body, Config, MemoryStore, Message, Replies, Role, Session, Step, Store, Verdict, Version,
    frame,
};
use tidegate_instruments::{Instrument, Venue};
use tidegate_router::What;
use tidegate_units::{Side, parse_decimal};
use tidegate_wire::pb::common::v1::Side as PbSide;
use tidegate_wire::pb::orders::v1::{Command, OrderType, Tif as PbTif};

const US: &str = "TIDEGATE";
const THEM: &str = "VENUE";

/// What the venue's end reads of an order: ClOrdID, side, price, quantity, TimeInForce, ExecInst.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Heard(Vec<Vec<u8>>);

const READ: [i32; 6] = [11, 54, 44, 38, 59, 18];

impl Application for Heard {
    fn message(&mut self, message: &Message<'_>, _replies: &mut Replies) -> Verdict<'static> {
        if message.msg_type() == b"D" {
            self.0 = READ.iter().map(|tag| message.get(*tag).unwrap_or_default().to_vec()).collect();
        }
        Verdict::Accept
    }
}

/// A session of ours with its store, and the venue's session at the other end.
pub struct FixDesk<S> {
    row: Instrument,
    prepared: Prepared,
    scales: Scales,
    session: Session<S>,
    venue: Session<MemoryStore>,
    pipe: Pipe,
    clock: Clock,
    body: Body,
    out: Vec<u8>,
}

impl<S: Store> FixDesk<S> {
    pub fn open(store: impl FnOnce(&Config) -> Result<S, String>) -> Result<Self, String> {
        let row = row(Venue::BinanceSpot)?;
        let ours = Config::new(Version::Fix44, Role::Initiator, US, THEM);
        let store = store(&ours)?;
        let theirs = Config::new(Version::Fix44, Role::Acceptor, THEM, US);
        let prepared =
            Prepared::new(Some(b"1"), row.symbol.as_bytes(), None).map_err(|fault| fault.to_string())?;
        let mut desk = Self {
            scales: Scales { price: row.px_scale, qty: row.qty_scale },
            row,
            prepared,
            session: Session::new(ours, store).map_err(|fault| fault.to_string())?,
            venue: Session::new(theirs, MemoryStore::default()).map_err(|fault| fault.to_string())?,
            pipe: Pipe::open()?,
            clock: Clock::default(),
            body: Body::new(),
            out: Vec::new(),
        };
        desk.log_on()?;
        Ok(desk)
    }

    fn log_on(&mut self) -> Result<(), String> {
        let now = self.clock.now();
        self.venue.connect(now);
        self.session.connect(now);
        let mut bytes = Vec::new();
        self.session.flush(&mut bytes).map_err(|fault| fault.to_string())?;
        self.venue.receive(&bytes, now, &mut Heard::default());
        bytes.clear();
        self.venue.flush(&mut bytes).map_err(|fault| fault.to_string())?;
        self.session.receive(&bytes, now, &mut Heard::default());
        if self.session.is_open() && self.venue.is_open() { Ok(()) } else { Err("no FIX session".into()) }
    }

    /// Writes the order's message into `out`, and what must outlive the process into the store.
    fn stage(&mut self, what: &What) -> Result<(), String> {
        let What::Place { command, ts_ns } = what else { return Err("no order".into()) };
        let (tif, post_only) = match command.tif() {
            PbTif::Ioc => (Tif::Ioc, false),
            PbTif::Fok => (Tif::Fok, false),
            PbTif::PostOnly => (Tif::Gtc, true),
            PbTif::Gtc | PbTif::Unspecified => (Tif::Gtc, false),
        };
        let order = Order {
            id: command.client_order_id.as_bytes(),
            instrument: &self.prepared,
            scales: self.scales,
            side: if command.side() == PbSide::Buy { Side::Buy } else { Side::Sell },
            qty: i64::try_from(command.qty_lots).map_err(|e| e.to_string())?,
            kind: match command.order_type() {
                OrderType::Market => OrderKind::Market,
                _ => OrderKind::Limit { price: command.px_ticks },
            },
            tif,
            post_only,
            at: *ts_ns,
        };
        new_order(&mut self.body, Version::Fix44, &order);
        self.session.send(b"D", &self.body, self.clock.now()).map_err(|fault| fault.to_string())?;
        self.out.clear();
        self.session.flush(&mut self.out).map_err(|fault| fault.to_string())
    }
}

impl<S: Store> Desk for FixDesk<S> {
    fn encode(&mut self, _token: u64, what: &What) -> Result<usize, String> {
        self.stage(what).map(|()| self.out.len())
    }

    fn write(&mut self, _token: u64, what: &What) -> Result<(), String> {
        self.stage(what)?;
        self.pipe.write(&self.out)
    }

    fn writes(&self) -> u64 {
        self.pipe.writes()
    }

    fn arrived(&mut self, bytes: &mut Vec<u8>) -> Result<(), String> {
        take(&mut self.pipe.far, bytes, |have| frame::next(have) == Step::Frame(have.len()))
    }

    fn is(&mut self, bytes: &[u8], _token: u64, command: &Command) -> Result<bool, String> {
        let mut heard = Heard::default();
        self.venue.receive(bytes, self.clock.now(), &mut heard);
        let [id, side, price, qty, tif, inst] = heard.0.as_slice() else { return Ok(false) };
        let side_is = if command.side() == PbSide::Buy { b"1" } else { b"2" };
        let (tif_is, inst_is): (&[u8], &[u8]) = match command.tif() {
            PbTif::Ioc => (b"3", b""),
            PbTif::Fok => (b"4", b""),
            PbTif::PostOnly => (b"1", b"6"),
            PbTif::Gtc | PbTif::Unspecified => (b"1", b""),
        };
        let units = |text: &[u8], scale| parse_decimal(text, scale, 1).ok();
        Ok(id == command.client_order_id.as_bytes()
            && side == side_is
            && (tif.as_slice(), inst.as_slice()) == (tif_is, inst_is)
            && units(price, self.row.px_scale) == Some(command.px_ticks)
            && units(qty, self.row.qty_scale) == i64::try_from(command.qty_lots).ok())
    }
}
