//! `fix initiator`: cards our initiator plays against an engine that is not ours, whose venue has the rules of `venue.rs`.

use super::folder;
use crate::args::Args;
use crate::report::Report;
use serde_json::json;
use std::collections::VecDeque;
use std::path::Path;
use tidegate_fix::orders::{
    BusinessReject, CancelReject, ExecKind, ExecutionReport, Instrument, Order, OrderKind, Scales, Tif,
    cancel_order, new_order, replace_order,
};
use tidegate_fix::shell::{Clock, Driver, End, Go, JournalStore, dial};
use tidegate_fix::{
    Application, Body, Close, Config, Event, Instant, Message, Replies, Role, Session, Store, Verdict,
    Version,
};
use tidegate_journal::Tier;
use tidegate_units::Side;

const CARDS_MIN: u64 = 12;
const SCALES: Scales = Scales { price: 2, qty: 2 };
/// How long one connection may take, in ns.
const WAIT_NS: u64 = 20_000_000_000;

/// What is done next on a connection.
#[derive(Debug, Clone, Copy)]
enum Do {
    Order {
        id: &'static str,
        symbol: &'static str,
        price: Option<i64>,
        text: &'static str,
    },
    Amend {
        id: &'static str,
        of: &'static str,
        price: i64,
    },
    Cancel {
        id: &'static str,
        of: &'static str,
    },
    /// A message of another type, as fields.
    Raw {
        kind: &'static str,
        fields: &'static str,
    },
    /// Waits until a line that begins so was heard.
    Hear(&'static str),
    /// Waits so many ms, in which nothing may end.
    Stay(u64),
    /// Stages an order and loses it with the connection.
    Lose {
        id: &'static str,
    },
    Drop,
    Logout,
}

#[derive(Debug)]
struct Client {
    todo: VecDeque<Do>,
    heard: Vec<String>,
    since: Option<u64>,
    started: Option<u64>,
    fault: Option<String>,
    out: bool,
}

impl Client {
    fn new(steps: &[Do]) -> Self {
        Self {
            todo: steps.iter().copied().collect(),
            heard: Vec::new(),
            since: None,
            started: None,
            fault: None,
            out: false,
        }
    }

    fn write(body: &mut Body, step: Do, at: i64) -> Result<Option<&'static [u8]>, String> {
        let instrument =
            |symbol: &str| Instrument::new(None, symbol.as_bytes(), None).map_err(|fault| fault.to_string());
        match step {
            Do::Order { id, symbol, price, text } => {
                let instrument = instrument(symbol)?;
                let kind = price.map_or(OrderKind::Market, |price| OrderKind::Limit { price });
                new_order(body, Version::Fix44, &order(id, &instrument, kind, at));
                body.maybe(58, (!text.is_empty()).then_some(text.as_bytes()));
                Ok(Some(b"D"))
            }
            Do::Lose { id } => {
                new_order(body, Version::Fix44, &order(id, &instrument("X")?, OrderKind::Market, at));
                Ok(Some(b"D"))
            }
            Do::Amend { id, of, price } => {
                let kind = OrderKind::Limit { price };
                replace_order(body, Version::Fix44, of.as_bytes(), &order(id, &instrument("X")?, kind, at));
                Ok(Some(b"G"))
            }
            Do::Cancel { id, of } => {
                cancel_order(body, id.as_bytes(), of.as_bytes(), &instrument("X")?, Side::Buy, at);
                Ok(Some(b"F"))
            }
            Do::Raw { kind, fields } => {
                body.clear().prepared(fields.replace('|', "\u{1}").as_bytes());
                Ok(Some(kind.as_bytes()))
            }
            Do::Hear(_) | Do::Stay(_) | Do::Drop | Do::Logout => Ok(None),
        }
    }
}

fn order<'a>(id: &'a str, instrument: &'a Instrument, kind: OrderKind, at: i64) -> Order<'a> {
    Order {
        id: id.as_bytes(),
        instrument,
        scales: SCALES,
        side: Side::Buy,
        qty: 1_000,
        kind,
        tif: Tif::Day,
        post_only: false,
        at,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Application for Client {
    fn message(&mut self, message: &Message<'_>, _replies: &mut Replies) -> Verdict<'static> {
        let line = match message.msg_type() {
            b"8" => ExecutionReport::read(message, SCALES).map(|report| {
                let id = text(report.cl_ord_id.unwrap_or_default());
                let of = if matches!(report.kind, ExecKind::TradeCancel | ExecKind::TradeCorrect) {
                    " undoes"
                } else {
                    ""
                };
                let again = if report.maybe_seen { " again" } else { "" };
                let last = report
                    .last_px
                    .map_or(String::new(), |price| format!(" {}@{price}", report.last_qty.unwrap_or(0)));
                format!("{id} {:?} {:?}{last}{of}{again}", report.kind, report.status)
            }),
            b"9" => CancelReject::read(message).map(|reject| {
                format!(
                    "{} refused {}",
                    text(reject.cl_ord_id),
                    if reject.of_replace { "amend" } else { "cancel" }
                )
            }),
            b"j" => BusinessReject::read(message)
                .map(|reject| format!("business {} {}", text(reject.ref_msg_type), reject.reason)),
            _ => return Verdict::Unsupported,
        };
        self.heard.push(line.unwrap_or_else(|fault| fault.to_string()));
        Verdict::Accept
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Rejected { reason, tag, .. } => {
                self.heard.push(format!("rejected {} {}", reason.unwrap_or(999), tag.unwrap_or(0)));
            }
            Event::Refused { seq, fault } => self.heard.push(format!("we refused {seq}: {fault:?}")),
            Event::Resent { sent, withheld } => self.heard.push(format!("resent {sent} withheld {withheld}")),
            Event::LoggedOn { reset } => {
                self.heard.push(format!("logged on{}", if reset { " reset" } else { "" }))
            }
            _ => {}
        }
    }
}

impl<S: Store> Driver<S> for Client {
    fn drive(&mut self, session: &mut Session<S>, now: Instant) -> Go {
        let started = *self.started.get_or_insert(now.mono);
        if now.mono - started > WAIT_NS {
            self.fault = Some(format!("waits in vain at {:?}; heard {:?}", self.todo.front(), self.heard));
            return Go::Stop;
        }
        if !session.is_open() {
            return Go::On;
        }
        let mut body = Body::new();
        while let Some(step) = self.todo.front().copied() {
            match step {
                Do::Hear(line) if !self.heard.iter().any(|heard| heard.starts_with(line)) => return Go::On,
                Do::Stay(ms) if now.mono - *self.since.get_or_insert(now.mono) < ms * 1_000_000 => {
                    return Go::On;
                }
                _ => {}
            }
            self.todo.pop_front();
            self.since = None;
            match Self::write(&mut body, step, now.wall) {
                Err(fault) => self.fault = Some(fault),
                Ok(None) => {}
                Ok(Some(kind)) => {
                    if let Err(fault) = session.send(kind, &body, now) {
                        self.fault = Some(format!("{step:?}: {fault}"));
                    }
                }
            }
            match step {
                Do::Drop | Do::Lose { .. } => return Go::Drop,
                Do::Logout => {
                    self.out = true;
                    session.logout("", now);
                }
                _ => {}
            }
            if self.fault.is_some() {
                return Go::Stop;
            }
        }
        Go::On
    }
}

/// A card: the connections it makes, each with what is done, and how it must end.
struct Card {
    name: &'static str,
    reset: bool,
    connections: &'static [(&'static [Do], End)],
}

const OUT: End = End::Session(Close::LoggedOut);
const ON: Do = Do::Hear("logged on");

const fn limit(id: &'static str, price: i64) -> Do {
    Do::Order { id, symbol: "X", price: Some(price), text: "" }
}

const fn market(id: &'static str, text: &'static str) -> Do {
    Do::Order { id, symbol: "X", price: None, text }
}

const CARDS: &[Card] = &[
    Card {
        name: "logon with a reset, logout",
        reset: true,
        connections: &[(&[Do::Hear("logged on reset"), Do::Logout], OUT)],
    },
    Card {
        name: "numbers go on over a logout",
        reset: false,
        connections: &[(&[ON, Do::Logout], OUT), (&[ON, Do::Logout], OUT)],
    },
    Card {
        name: "a market order is filled",
        reset: false,
        connections: &[(
            &[market("f1", ""), Do::Hear("f1 New New"), Do::Hear("f1 Trade Filled 1000@10000"), Do::Logout],
            OUT,
        )],
    },
    Card {
        name: "a partial fill",
        reset: false,
        connections: &[(
            &[market("p1", "part"), Do::Hear("p1 Trade PartiallyFilled 500@10000"), Do::Logout],
            OUT,
        )],
    },
    Card {
        name: "an amend and a cancel",
        reset: false,
        connections: &[(
            &[
                limit("a1", 9_000),
                Do::Hear("a1 New New"),
                Do::Amend { id: "a2", of: "a1", price: 9_100 },
                Do::Hear("a2 Replaced"),
                Do::Cancel { id: "a3", of: "a2" },
                Do::Hear("a3 Canceled Canceled"),
                Do::Logout,
            ],
            OUT,
        )],
    },
    Card {
        name: "a cancel and an amend of nothing are refused",
        reset: false,
        connections: &[(
            &[
                Do::Cancel { id: "n1", of: "none" },
                Do::Hear("n1 refused cancel"),
                Do::Amend { id: "n2", of: "none", price: 9_000 },
                Do::Hear("n2 refused amend"),
                Do::Logout,
            ],
            OUT,
        )],
    },
    Card {
        name: "an order is rejected",
        reset: false,
        connections: &[(
            &[
                Do::Order { id: "r1", symbol: "HALT", price: None, text: "" },
                Do::Hear("r1 Rejected Rejected"),
                Do::Logout,
            ],
            OUT,
        )],
    },
    Card {
        name: "a bust and a correction",
        reset: false,
        connections: &[(
            &[
                market("b1", "bust"),
                Do::Hear("b1 TradeCancel New 1000@10000 undoes"),
                market("b2", "correct"),
                Do::Hear("b2 TradeCorrect Filled 1000@9950 undoes"),
                Do::Logout,
            ],
            OUT,
        )],
    },
    Card {
        name: "a type the venue has no use for",
        reset: false,
        connections: &[(
            &[Do::Raw { kind: "R", fields: "131=q|146=1|55=X|" }, Do::Hear("business R 3"), Do::Logout],
            OUT,
        )],
    },
    Card {
        name: "a field that is wrong is rejected and its number consumed",
        reset: false,
        connections: &[(
            &[
                Do::Raw { kind: "D", fields: "11=w1|55=X|54=Z|60=20240101-00:00:00|40=1|38=1|" },
                Do::Hear("rejected 5 54"),
                Do::Raw { kind: "D", fields: "11=w2|55=X|54=1|60=20240101-00:00:00|38=1|" },
                Do::Hear("rejected 1 40"),
                market("w3", ""),
                Do::Hear("w3 Trade Filled"),
                Do::Logout,
            ],
            OUT,
        )],
    },
    Card {
        name: "heartbeats keep an idle session",
        reset: false,
        connections: &[(&[ON, Do::Stay(6_500), Do::Logout], OUT)],
    },
    Card {
        name: "reports that were lost with the connection come again",
        reset: false,
        connections: &[
            (&[market("l1", "drop")], End::Peer),
            (&[Do::Hear("l1 Trade Filled 1000@10000 again"), Do::Logout], OUT),
        ],
    },
    Card {
        name: "an order that was lost with the connection is gap-filled, not sent again",
        reset: false,
        connections: &[
            (&[ON, Do::Lose { id: "g1" }], End::Dropped),
            (
                &[Do::Hear("resent 0 withheld 1"), market("g2", ""), Do::Hear("g2 Trade Filled"), Do::Logout],
                OUT,
            ),
        ],
    },
    Card {
        name: "a dropped connection is taken up again",
        reset: false,
        connections: &[
            (&[ON, Do::Drop], End::Dropped),
            (&[market("d1", ""), Do::Hear("d1 Trade Filled"), Do::Logout], OUT),
        ],
    },
];

fn play(card: &Card, port: u16, store: &Path, clock: Clock) -> Result<(), String> {
    let mut config = Config::new(Version::Fix44, Role::Initiator, "CLIENT", "VENUE");
    config.heartbeat_seconds = 2;
    config.reset_on_logon = card.reset;
    for (number, (steps, wanted)) in card.connections.iter().enumerate() {
        // Opened anew for each connection: what is on the disk is all that is left of the one before.
        let store = JournalStore::open(store, &config, Tier::T0).map_err(|fault| fault.to_string())?;
        let mut session = Session::new(config.clone(), store).map_err(|fault| fault.to_string())?;
        let mut client = Client::new(steps);
        let end =
            dial(("127.0.0.1", port), &mut session, &mut client, clock).map_err(|error| error.to_string())?;
        if let Some(fault) = client.fault {
            return Err(format!("connection {number}: {fault}"));
        }
        if let Some(left) = client.todo.front() {
            return Err(format!(
                "connection {number} ended as {end:?} before {left:?}; heard {:?}",
                client.heard
            ));
        }
        if end != *wanted {
            return Err(format!(
                "connection {number} ended as {end:?}, not {wanted:?}; heard {:?}",
                client.heard
            ));
        }
        if let Some(line) =
            client.heard.iter().find(|line| line.starts_with("we refused") || line.starts_with("tag"))
        {
            return Err(format!("connection {number}: {line}"));
        }
    }
    Ok(())
}

/// Plays every card against the acceptor at `--port`.
///
/// # Errors
/// A flag it does not know.
pub fn run(args: &Args) -> Result<Report, String> {
    let port = args.get("port", 0_u16)?;
    let store = folder(args)?;
    args.done()?;
    let clock = Clock::default();
    let mut cards = Vec::new();
    let mut failed = 0;
    for card in CARDS {
        let fault = play(card, port, &store, clock).err().unwrap_or_default();
        failed += u64::from(!fault.is_empty());
        cards.push(json!({ "name": card.name, "fault": fault }));
    }
    let mut report = Report::new();
    report.zero("failed", failed, cards.len() as u64, CARDS_MIN);
    report.figure("cards", cards);
    Ok(report)
}
