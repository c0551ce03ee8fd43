//! `fix acceptor`: a venue over our acceptor, for clients that are not ours. Its only price is 100: what crosses it is filled
//! there. Text (58) of an order asks for more: `part` fills half, `bust` and `correct` undo the fill, `drop` loses the answers
//! with the connection.

use super::folder;
use crate::args::Args;
use crate::report::Report;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidegate_fix::shell::{Clock, Driver, End, Go, JournalStore, listen};
use tidegate_fix::{
    Acceptor, Application, Body, Config, Event, Instant, Message, Replies, Role, SendFault, Session, Verdict,
    Version, tag,
};
use tidegate_journal::Tier;
use tidegate_units::parse_decimal;

const PRICE: i64 = 10_000;
const SCALE: u32 = 2;

#[derive(Debug, Clone)]
struct Open {
    id: Vec<u8>,
    order_id: u64,
    symbol: Vec<u8>,
    side: u8,
    qty: i64,
    filled: i64,
    price: Option<i64>,
}

#[derive(Debug, Default)]
struct Venue {
    orders: BTreeMap<Vec<u8>, Open>,
    seen: BTreeMap<Vec<u8>, u64>,
    ids: u64,
    drop: bool,
    stop: Arc<AtomicBool>,
}

struct Execution<'a> {
    kind: u8,
    status: u8,
    last: Option<(i64, i64)>,
    of: Option<&'a [u8]>,
    original: Option<&'a [u8]>,
    text: Option<&'a [u8]>,
}

impl Venue {
    fn next(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Adds one ExecutionReport and gives its ExecID.
    fn report(
        &mut self,
        order: &Open,
        what: &Execution<'_>,
        replies: &mut Replies,
    ) -> Result<Vec<u8>, SendFault> {
        let exec = format!("e{}", self.next()).into_bytes();
        let done = matches!(what.status, b'2' | b'4' | b'8' | b'C');
        let leaves = if done { 0 } else { order.qty - order.filled };
        let mut body = Body::new();
        body.number(37, order.order_id)
            .text(11, &order.id)
            .maybe(41, what.original)
            .text(17, &exec)
            .maybe(19, what.of);
        body.char(150, what.kind).char(39, what.status).text(55, &order.symbol).char(54, order.side);
        body.decimal(38, order.qty, SCALE);
        if let Some(price) = order.price {
            body.decimal(44, price, SCALE);
        }
        if let Some((qty, price)) = what.last {
            body.decimal(32, qty, SCALE).decimal(31, price, SCALE);
        }
        body.decimal(151, leaves, SCALE).decimal(14, order.filled, SCALE);
        body.decimal(6, if order.filled > 0 { PRICE } else { 0 }, SCALE);
        body.maybe(58, what.text);
        replies.push(b"8", &body)?;
        Ok(exec)
    }

    fn new_order(
        &mut self,
        message: &Message<'_>,
        replies: &mut Replies,
    ) -> Result<Verdict<'static>, SendFault> {
        let number = |tag: i32| message.get(tag).and_then(|text| parse_decimal(text, SCALE, 1).ok());
        let id = message.get(tag::CL_ORD_ID).unwrap_or_default().to_vec();
        let order_id = self.next();
        let mut order = Open {
            id: id.clone(),
            order_id,
            symbol: message.get(tag::SYMBOL).unwrap_or_default().to_vec(),
            side: message.get(tag::SIDE).and_then(|side| side.first().copied()).unwrap_or(b'1'),
            qty: number(tag::ORDER_QTY).unwrap_or(0),
            filled: 0,
            price: number(tag::PRICE),
        };
        let plain = Execution { kind: b'0', status: b'0', last: None, of: None, original: None, text: None };
        let refusal: Option<&[u8]> = if self.seen.insert(id.clone(), order_id).is_some() {
            Some(b"duplicate ClOrdID")
        } else if order.symbol == b"HALT" {
            Some(b"the symbol is halted")
        } else if order.qty <= 0 {
            Some(b"OrderQty must be above 0")
        } else {
            None
        };
        if refusal.is_some() {
            let refused = Execution { kind: b'8', status: b'8', text: refusal, ..plain };
            self.report(&order, &refused, replies)?;
            return Ok(Verdict::Accept);
        }
        self.report(&order, &plain, replies)?;
        let text = message.get(tag::TEXT).unwrap_or_default();
        let crosses = match (order.price, order.side) {
            (None, _) => true,
            (Some(price), b'1') => price >= PRICE,
            (Some(price), _) => price <= PRICE,
        };
        if crosses {
            order.filled = if text == b"part" { order.qty / 2 } else { order.qty };
            let status = if order.filled == order.qty { b'2' } else { b'1' };
            let fill = Execution { kind: b'F', status, last: Some((order.filled, PRICE)), ..plain };
            let exec = self.report(&order, &fill, replies)?;
            let (kind, last) = if text == b"bust" {
                (b'H', (order.filled, PRICE))
            } else {
                (b'G', (order.filled, PRICE - 50))
            };
            if matches!(text, b"bust" | b"correct") {
                if kind == b'H' {
                    order.filled = 0;
                }
                let status = if kind == b'H' { b'0' } else { status };
                let undo = Execution { kind, status, last: Some(last), of: Some(&exec), ..plain };
                self.report(&order, &undo, replies)?;
            }
        } else if matches!(message.get(tag::TIME_IN_FORCE), Some(b"3" | b"4")) {
            self.report(&order, &Execution { kind: b'4', status: b'4', ..plain }, replies)?;
            return Ok(Verdict::Accept);
        }
        self.drop |= text == b"drop";
        if order.filled < order.qty {
            self.orders.insert(id, order);
        }
        Ok(Verdict::Accept)
    }

    /// A cancel, or an amend.
    fn change(
        &mut self,
        message: &Message<'_>,
        replies: &mut Replies,
    ) -> Result<Verdict<'static>, SendFault> {
        let original = message.get(tag::ORIG_CL_ORD_ID).unwrap_or_default();
        let id = message.get(tag::CL_ORD_ID).unwrap_or_default();
        let amend = message.msg_type() == b"G";
        let Some(mut order) = self.orders.remove(original) else {
            let mut body = Body::new();
            body.text(37, b"NONE").text(11, id).text(41, original).char(39, b'8');
            body.char(434, if amend { b'2' } else { b'1' }).number(102, 1).text(58, b"no such open order");
            replies.push(b"9", &body)?;
            return Ok(Verdict::Accept);
        };
        order.id = id.to_vec();
        self.seen.insert(order.id.clone(), order.order_id);
        let plain = Execution {
            kind: b'4',
            status: b'4',
            last: None,
            of: None,
            original: Some(original),
            text: None,
        };
        if amend {
            let number = |tag: i32| message.get(tag).and_then(|text| parse_decimal(text, SCALE, 1).ok());
            order.qty = number(tag::ORDER_QTY).unwrap_or(order.qty);
            order.price = number(tag::PRICE).or(order.price);
            let status = if order.filled > 0 { b'1' } else { b'0' };
            self.report(&order, &Execution { kind: b'5', status, ..plain }, replies)?;
            self.orders.insert(order.id.clone(), order);
        } else {
            self.report(&order, &plain, replies)?;
        }
        Ok(Verdict::Accept)
    }

    fn status(
        &mut self,
        message: &Message<'_>,
        replies: &mut Replies,
    ) -> Result<Verdict<'static>, SendFault> {
        let id = message.get(tag::CL_ORD_ID).unwrap_or_default();
        let Some(order) = self.orders.get(id).cloned() else {
            return Ok(Verdict::Business { reason: 1, id: None, text: "no such open order" });
        };
        let status = if order.filled > 0 { b'1' } else { b'0' };
        let what = Execution { kind: b'I', status, last: None, of: None, original: None, text: None };
        self.report(&order, &what, replies)?;
        Ok(Verdict::Accept)
    }

    fn mass_cancel(
        &mut self,
        message: &Message<'_>,
        replies: &mut Replies,
    ) -> Result<Verdict<'static>, SendFault> {
        let symbol = message.get(tag::SYMBOL);
        let of = |order: &Open| symbol.is_none_or(|symbol| order.symbol == symbol);
        let (gone, kept) = std::mem::take(&mut self.orders).into_iter().partition(|(_, order)| of(order));
        self.orders = kept;
        let gone: BTreeMap<Vec<u8>, Open> = gone;
        let plain = Execution { kind: b'4', status: b'4', last: None, of: None, original: None, text: None };
        for order in gone.values() {
            self.report(order, &plain, replies)?;
        }
        let kind = message.get(tag::MASS_CANCEL_REQUEST_TYPE).unwrap_or(b"7");
        let mut body = Body::new();
        body.text(37, format!("m{}", self.next()).as_bytes()).maybe(11, message.get(tag::CL_ORD_ID));
        body.text(530, kind).text(531, kind).number(533, gone.len() as u64);
        replies.push(b"r", &body)?;
        Ok(Verdict::Accept)
    }
}

impl Application for Venue {
    fn message(&mut self, message: &Message<'_>, replies: &mut Replies) -> Verdict<'static> {
        let done = match message.msg_type() {
            b"D" => self.new_order(message, replies),
            b"F" | b"G" => self.change(message, replies),
            b"H" => self.status(message, replies),
            b"q" => self.mass_cancel(message, replies),
            _ => return Verdict::Unsupported,
        };
        done.unwrap_or(Verdict::Business { reason: 4, id: None, text: "the answer cannot be sent" })
    }

    fn event(&mut self, event: Event<'_>) {
        eprintln!("{event:?}");
    }
}

impl<S> Driver<S> for Venue {
    fn drive(&mut self, _session: &mut Session<S>, _now: Instant) -> Go {
        if self.stop.load(Ordering::Relaxed) {
            Go::Stop
        } else if std::mem::take(&mut self.drop) {
            Go::Drop
        } else {
            Go::On
        }
    }
}

/// Serves one session, of SenderCompID VENUE with `--peer`, until its standard input ends. The first line of its output is its
/// port.
///
/// # Errors
/// A flag it does not know, a store or a socket that fails.
pub fn run(args: &Args) -> Result<Report, String> {
    let peer = args.text("peer").unwrap_or_else(|| "CLIENT".into());
    let store = folder(args)?;
    args.done()?;
    let config = Config::new(Version::Fix44, Role::Acceptor, "VENUE", &peer);
    let store = JournalStore::open(&store, &config, Tier::T0).map_err(|fault| fault.to_string())?;
    let mut acceptor = Acceptor::default();
    let session = Session::new(config, store).map_err(|fault| fault.to_string())?;
    acceptor.add(session).map_err(|fault| fault.to_string())?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("cannot listen: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("{}", address.port());
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    let mut venue = Venue::default();
    let stop = Arc::clone(&venue.stop);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.store(true, Ordering::Relaxed);
        // Nobody may be connected to be stopped.
        std::thread::sleep(std::time::Duration::from_millis(300));
        std::process::exit(0);
    });
    let mut ends = Vec::new();
    let mut ended = |_: usize, end: End| {
        eprintln!("ended: {end:?}");
        ends.push(format!("{end:?}"));
        Go::On
    };
    listen(&listener, &mut acceptor, &mut venue, Clock::default(), &mut ended)
        .map_err(|error| error.to_string())?;
    let mut report = Report::new();
    report.figure("ends", ends);
    Ok(report)
}
