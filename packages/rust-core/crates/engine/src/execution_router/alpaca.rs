//! Alpaca's order entry: requests over REST, what they and the stream of trade updates say as the core's own words. Pure.
//!
//! A replacement is an order of its own at the venue, which counts from nothing: the versions of one of our orders are a chain,
//! each with a client id that begins with ours, and what an order has filled is the sum over it.

use super::limits::{FILL_PAGES_MAX, FILLS_BEFORE_NS, REST_TOLD_NS, VERSIONS_KEPT_MAX, VERSIONS_MAX};
use super::rest::{Ask, Begun, Out, Reply, RestDesk};
use super::venue_json::{bounded, lots_of, text_of, unclear};
use super::words::{Row, Word, id_of, next_id};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use tidegate_instruments::{Instrument, Table};
use tidegate_normalise::time::{civil, rfc3339};
use tidegate_router::limits::BLOCK_NS;
use tidegate_router::{
    Answer, ClientId, Entry, Exec, ExecKind, Fill, Now, Status, Terms, TradeRow, VenueState, Weights, What,
    undone_as,
};
use tidegate_units::{InstrumentId, Side, VenueId};
use tidegate_wire::pb::common::v1::Side as PbSide;
use tidegate_wire::pb::orders::v1::{Command, OrderType, Tif};

/// A request is a request.
pub const WEIGHTS: Weights =
    Weights { place: 1, cancel: 1, status: 1, open: 1, trades_of_order: 1, trades: 1, time: 0 };
/// Orders of one list, and fills of one page; a list this long may have been cut short.
const ORDERS_LISTED_MAX: usize = 500;
const FILLS_PAGE: usize = 100;
/// The code of an order that is not there. A 404 of anything else says nothing about an order.
const NOT_FOUND: i64 = 40_410_000;
/// Tokens of a kill: above every token of the core.
const SWEEP_ALL: u64 = u64::MAX;
const SWEEP_LIST: u64 = u64::MAX - 1;
const SWEEP_ONE: u64 = u64::MAX - 1_000;

/// One order as the venue tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    id: String,
    client_id: String,
    side: Side,
    state: State,
    qty_lots: u64,
    filled_lots: u64,
    px_ticks: Option<i64>,
    replaces: bool,
    replaced_by: Option<String>,
    at_ns: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Is(VenueState),
    Replaced,
}

/// Words of the venue that are missing here stop whoever reads them: nothing is guessed.
fn state_of(text: &str) -> Option<State> {
    Some(State::Is(match text {
        "accepted"
        | "accepted_for_bidding"
        | "pending_new"
        | "pending_review"
        | "held"
        | "new"
        | "partially_filled"
        | "pending_cancel"
        | "pending_replace"
        | "stopped"
        | "suspended"
        | "calculated"
        | "done_for_day" => VenueState::Live,
        "filled" => VenueState::Filled,
        "canceled" => VenueState::Cancelled,
        "expired" => VenueState::Expired,
        "rejected" => VenueState::Rejected,
        "replaced" => return Some(State::Replaced),
        _ => return None,
    }))
}

fn side_of(text: &str) -> Option<Side> {
    match text {
        "buy" => Some(Side::Buy),
        "sell" | "sell_short" => Some(Side::Sell),
        _ => None,
    }
}

fn time_of(value: &Value) -> Option<i64> {
    Some(rfc3339(value.as_str()?.as_bytes()).ok()?.0)
}

/// A moment as the venue reads it, to the millisecond.
fn time_text(epoch_ns: i64) -> String {
    let (days, ms) =
        (epoch_ns.div_euclid(86_400_000_000_000), epoch_ns.rem_euclid(86_400_000_000_000) / 1_000_000);
    let ((year, month, day), s) = (civil(days), ms / 1_000);
    let (h, m, s) = (s / 3_600, s / 60 % 60, s % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{:03}Z", ms % 1_000)
}

impl View {
    fn read(row: &Instrument, body: &Value) -> Option<Self> {
        let px = &body["limit_price"];
        Some(Self {
            id: text_of(body, "id")?,
            client_id: text_of(body, "client_order_id")?,
            side: side_of(body["side"].as_str()?)?,
            state: state_of(body["status"].as_str()?)?,
            // An order in dollars has none; it is nobody's of ours.
            qty_lots: if body["qty"].is_null() { 0 } else { lots_of(row, &body["qty"])? },
            filled_lots: lots_of(row, &body["filled_qty"])?,
            px_ticks: if px.is_null() { None } else { Some(row.parse_px(px.as_str()?.as_bytes()).ok()?) },
            replaces: !body["replaces"].is_null(),
            replaced_by: text_of(body, "replaced_by"),
            at_ns: time_of(&body["updated_at"])?,
        })
    }

    fn terms(&self, base_lots: u64) -> Option<Terms> {
        Some(Terms { px_ticks: self.px_ticks?, qty_lots: base_lots.checked_add(self.qty_lots)? })
    }
}

/// What an error answer to a request that changes something says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Refused,
    Later,
    /// Also of a client id that was used before: whether the order is there is asked for.
    Unknown,
}

fn meaning(status: u16, words: &str) -> Meaning {
    let words = words.to_ascii_lowercase();
    let of_id = words.contains("client_order_id") || words.contains("client order id");
    match status {
        429 => Meaning::Later,
        422 if of_id => Meaning::Unknown,
        408 => Meaning::Unknown,
        400..=499 => Meaning::Refused,
        _ => Meaning::Unknown,
    }
}

fn words_of(status: u16, body: &Value) -> String {
    let (code, message) = (body["code"].as_i64().unwrap_or(0), body["message"].as_str().unwrap_or(""));
    bounded(&format!("{status} {code} {message}"))
}

#[derive(Debug)]
struct Job {
    id: Option<ClientId>,
    instrument: Option<InstrumentId>,
    sent_ns: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Place,
    /// `refused` is what the venue said against the cancel; `hops` how many versions it was sent after.
    Cancel {
        order: String,
        step: Step,
        refused: Option<String>,
        hops: u8,
    },
    Amend {
        old: String,
        fresh: Option<View>,
    },
    Status {
        base_lots: u64,
        hops: u8,
    },
    Open,
    Trades {
        since: String,
        rows: Vec<TradeRow>,
        pages: usize,
    },
}

/// How far a cancel has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The order is asked for by our id: its own is not known.
    Find,
    Delete,
    /// The venue has taken it; until then the stream may say what became of it.
    Told {
        due_ns: u64,
    },
    /// The order is asked for.
    Look,
}

/// The order entry of one account. Holds a secret, so it does not print.
pub struct Desk {
    venue: VenueId,
    key: String,
    secret: String,
    jobs: BTreeMap<u64, Job>,
    /// What the versions before had filled when the venue put this one in their place.
    bases: BTreeMap<String, u64>,
    base_order: VecDeque<String>,
    sweeps: u64,
}

fn order_path(id: &str) -> String {
    let clean = |c: char| c.is_ascii_alphanumeric() || c == '-';
    format!("/v2/orders/{}", id.chars().filter(|c| clean(*c)).collect::<String>())
}

fn by_client_id(id: ClientId) -> Ask {
    Ask::get(format!("/v2/orders:by_client_order_id?client_order_id={id}"))
}

fn fills_page(since: &str, after: Option<&str>) -> Ask {
    let page = after.map_or(String::new(), |id| format!("&page_token={id}"));
    Ask::get(format!("/v2/account/activities/FILL?after={since}&direction=asc&page_size={FILLS_PAGE}{page}"))
}

fn delete(order: &str) -> Ask {
    Ask { method: "DELETE", target: order_path(order), body: None }
}

/// The body of a new order; `None` for what the venue does not have.
fn place(command: &Command, row: &Instrument) -> Option<Ask> {
    let side = match command.side() {
        PbSide::Buy => "buy",
        PbSide::Sell => "sell",
        PbSide::Unspecified => return None,
    };
    let market = command.order_type() == OrderType::Market;
    let tif = match command.tif() {
        Tif::Ioc => "ioc",
        Tif::Fok => "fok",
        _ if market => "ioc",
        Tif::Gtc | Tif::Unspecified => "gtc",
        // The venue has no such order.
        Tif::PostOnly => return None,
    };
    let mut body = json!({
        "symbol": row.symbol, "qty": row.format_qty(i64::try_from(command.qty_lots).ok()?), "side": side,
        "type": if market { "market" } else { "limit" }, "time_in_force": tif,
        "client_order_id": command.client_order_id,
    });
    if !market {
        body["limit_price"] = row.format_px(command.px_ticks).into();
    }
    Some(Ask { method: "POST", target: "/v2/orders".into(), body: Some(body.to_string()) })
}

impl Desk {
    pub fn new(venue: VenueId, key: String, secret: String) -> Self {
        let (jobs, bases, base_order) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Self { venue, key, secret, jobs, bases, base_order, sweeps: 0 }
    }

    fn learn_base(&mut self, order: &str, base_lots: u64) {
        if self.bases.insert(order.to_string(), base_lots).is_none() {
            self.base_order.push_back(order.to_string());
        }
        while self.base_order.len() > VERSIONS_KEPT_MAX {
            if let Some(oldest) = self.base_order.pop_front() {
                self.bases.remove(&oldest);
            }
        }
    }

    /// What the versions before one had filled; `None` where that is not known.
    fn base(&self, view: &View) -> Option<u64> {
        if view.replaces { self.bases.get(&view.id).copied() } else { Some(0) }
    }

    fn row<'a>(&self, table: &'a Table, symbol: &Value) -> Option<&'a Instrument> {
        table.by_symbol(self.venue, symbol.as_str()?)
    }

    // ------------------------------------------------------------------ answers

    fn answer(out: &mut Out, token: u64, answer: Answer) {
        out.words.push(Word::Answer { token, answer });
    }

    /// Asks for the state of the order over all its versions, in the place of what was asked.
    fn ask_state(&mut self, token: u64, job: Job, out: &mut Out) {
        let Some(id) = job.id else { return };
        out.asks.push((token, by_client_id(id)));
        self.jobs.insert(token, Job { kind: Kind::Status { base_lots: 0, hops: 0 }, ..job });
    }

    /// A request to change something was not done, or nobody knows.
    fn not_done(&mut self, token: u64, reply: Reply, out: &mut Out) {
        match reply {
            Reply::Unsent(_) => out.words.push(Word::Unsent { token }),
            Reply::Lost(text) => Self::answer(out, token, Answer::Unclear { text: bounded(&text) }),
            Reply::Got { status, body, .. } => {
                let text = words_of(status, &body);
                let words = body["message"].as_str().unwrap_or("");
                let answer = match meaning(status, words) {
                    Meaning::Refused => Answer::Refused { text },
                    Meaning::Later => Answer::Busy { text },
                    Meaning::Unknown => Answer::Unclear { text },
                };
                Self::answer(out, token, answer);
            }
        }
    }

    fn on_placed(&mut self, token: u64, reply: Reply, table: &Table, out: &mut Out) {
        if let Reply::Got { status: 200, body, .. } = &reply {
            let view = self.row(table, &body["symbol"]).and_then(|row| View::read(row, body));
            let answer = match view {
                Some(view) => Answer::Placed { venue_order_id: view.id, ts_venue_ns: view.at_ns },
                None => Answer::Unclear { text: unclear(body) },
            };
            return Self::answer(out, token, answer);
        }
        self.not_done(token, reply, out);
    }

    fn on_cancel_reply(
        &mut self,
        token: u64,
        job: Job,
        reply: Reply,
        table: &Table,
        now: Now,
        out: &mut Out,
    ) {
        let Job { id, instrument, sent_ns, kind } = job;
        let Kind::Cancel { order, step, refused, hops } = kind else { return };
        let with = |order: String, step, refused, hops| Job {
            id,
            instrument,
            sent_ns,
            kind: Kind::Cancel { order, step, refused, hops },
        };
        match (step, &reply) {
            (Step::Delete, Reply::Got { status: 200..=299, .. }) => {
                let due_ns = now.mono_ns.saturating_add(REST_TOLD_NS);
                self.jobs.insert(token, with(order, Step::Told { due_ns }, refused, hops));
            }
            // It has ended, or another version has taken its place.
            (Step::Delete, Reply::Got { status: status @ (404 | 422), body, .. }) => {
                out.asks.push((token, Ask::get(order_path(&order))));
                let said = Some(words_of(*status, body));
                self.jobs.insert(token, with(order, Step::Look, said, hops));
            }
            (Step::Find | Step::Look, Reply::Got { status: 200, body, .. }) => {
                let view = self.row(table, &body["symbol"]).and_then(|row| View::read(row, body));
                let Some(view) = view else {
                    return Self::answer(out, token, Answer::Unclear { text: unclear(body) });
                };
                if let (State::Replaced, Some(next)) = (view.state, &view.replaced_by) {
                    if hops >= VERSIONS_MAX {
                        let text = "the order has too many versions".into();
                        return Self::answer(out, token, Answer::Unclear { text });
                    }
                    out.asks.push((token, delete(next)));
                    let job = with(next.clone(), Step::Delete, None, hops + 1);
                    self.jobs.insert(token, job);
                } else if let Some(text) = refused {
                    Self::answer(out, token, Answer::Refused { text });
                } else if step == Step::Find && view.state == State::Is(VenueState::Live) {
                    out.asks.push((token, delete(&view.id)));
                    self.jobs.insert(token, with(view.id, Step::Delete, None, hops));
                } else {
                    self.ask_state(token, with(order, step, None, hops), out);
                }
            }
            (Step::Find, Reply::Got { status: 404, .. }) => {
                let text = "the venue does not find it".into();
                Self::answer(out, token, Answer::Unclear { text });
            }
            (Step::Find | Step::Look, Reply::Got { status, body, .. }) => {
                Self::answer(out, token, Answer::Unclear { text: words_of(*status, body) });
            }
            // The order was asked for only after the cancel had left.
            (Step::Look, Reply::Unsent(text)) => {
                Self::answer(out, token, Answer::Unclear { text: bounded(text) });
            }
            _ => self.not_done(token, reply, out),
        }
    }

    fn on_amended(&mut self, token: u64, job: Job, reply: Reply, table: &Table, out: &mut Out) {
        let Reply::Got { status: 200, body, .. } = &reply else {
            return self.not_done(token, reply, out);
        };
        let Some(view) = self.row(table, &body["symbol"]).and_then(|row| View::read(row, body)) else {
            return Self::answer(out, token, Answer::Unclear { text: unclear(body) });
        };
        // Taken, and not final. The stream may have said already that it was done.
        match self.bases.get(&view.id).copied() {
            Some(base_lots) => Self::answer(out, token, replaced(&view, base_lots, view.at_ns)),
            None => {
                let Kind::Amend { old, .. } = job.kind else { return };
                self.jobs.insert(token, Job { kind: Kind::Amend { old, fresh: Some(view) }, ..job });
            }
        }
    }

    fn on_status_reply(&mut self, token: u64, job: Job, reply: Reply, table: &Table, out: &mut Out) {
        let Kind::Status { base_lots, hops } = job.kind else { return };
        let failed = |text: String| Answer::Failed { text };
        let answer = match &reply {
            Reply::Unsent(text) | Reply::Lost(text) => failed(bounded(text)),
            Reply::Got { status: 404, body, .. } if hops == 0 && body["code"].as_i64() == Some(NOT_FOUND) => {
                Answer::NotFound
            }
            Reply::Got { status: 200, body, .. } => {
                let view = self.row(table, &body["symbol"]).and_then(|row| View::read(row, body));
                match view {
                    None => failed(unclear(body)),
                    Some(View { state: State::Replaced, replaced_by: Some(next), filled_lots, .. })
                        if hops < VERSIONS_MAX =>
                    {
                        let base_lots = base_lots.saturating_add(filled_lots);
                        self.learn_base(&next, base_lots);
                        out.asks.push((token, Ask::get(order_path(&next))));
                        let kind = Kind::Status { base_lots, hops: hops + 1 };
                        self.jobs.insert(token, Job { kind, ..job });
                        return;
                    }
                    Some(view) => match view.state {
                        State::Replaced => failed("a version of the order cannot be followed".into()),
                        State::Is(state) => Answer::Status(status(&view, job.id, base_lots, state)),
                    },
                }
            }
            Reply::Got { status, body, .. } => failed(words_of(*status, body)),
        };
        Self::answer(out, token, answer);
    }

    fn on_open_reply(&self, token: u64, job: &Job, reply: &Reply, table: &Table, out: &mut Out) {
        let answer = match reply {
            Reply::Unsent(text) | Reply::Lost(text) => Answer::Failed { text: bounded(text) },
            Reply::Got { status: 200, body: Value::Array(rows), .. } if rows.len() < ORDERS_LISTED_MAX => {
                let ours = |row: &Value| {
                    let here = self.row(table, &row["symbol"]).map(Instrument::instrument_id);
                    let id = row["client_order_id"].as_str().and_then(|id| id_of(id.as_bytes()));
                    id.filter(|_| job.instrument.is_none() || job.instrument == here)
                };
                Answer::Open(rows.iter().filter_map(ours).collect())
            }
            Reply::Got { status, body, .. } => {
                let text =
                    if body.is_array() { "the list is cut short".into() } else { words_of(*status, body) };
                Answer::Failed { text }
            }
        };
        Self::answer(out, token, answer);
    }

    fn on_fills_reply(&mut self, token: u64, job: Job, reply: &Reply, table: &Table, out: &mut Out) {
        let Kind::Trades { since, mut rows, pages } = job.kind else { return };
        let failed = |text: String| Answer::Failed { text };
        let answer = match reply {
            Reply::Unsent(text) | Reply::Lost(text) => failed(bounded(text)),
            Reply::Got { status: 200, body: Value::Array(page), .. } => {
                let mut bad = None;
                for each in page {
                    let Some(row) = self.row(table, &each["symbol"]) else { continue };
                    if job.instrument != Some(row.instrument_id()) {
                        continue;
                    }
                    match fill_row(row, each) {
                        Some(fill) => rows.push(fill),
                        None => bad = Some(unclear(each)),
                    }
                }
                match (bad, page.last().and_then(|last| last["id"].as_str())) {
                    (Some(text), _) => failed(text),
                    (None, Some(last)) if page.len() >= FILLS_PAGE => {
                        if pages + 1 >= FILL_PAGES_MAX {
                            failed("the list of fills is too long".into())
                        } else {
                            out.asks.push((token, fills_page(&since, Some(last))));
                            let kind = Kind::Trades { since, rows, pages: pages + 1 };
                            self.jobs.insert(token, Job { kind, ..job });
                            return;
                        }
                    }
                    _ => Answer::Trades(rows),
                }
            }
            Reply::Got { status, body, .. } => failed(words_of(*status, body)),
        };
        Self::answer(out, token, answer);
    }

    fn on_listed(&self, reply: &Reply, out: &mut Out) {
        let Reply::Got { status: 200, body: Value::Array(rows), .. } = reply else { return };
        let row = |body: &Value| {
            Some(Row {
                cl_ord_id: text_of(body, "client_order_id")?,
                order_id: text_of(body, "id")?,
                symbol: text_of(body, "symbol")?,
                side: side_of(body["side"].as_str()?)?,
            })
        };
        // A list that cannot be read is no list.
        if let Some(rows) = rows.iter().map(row).collect() {
            out.words.push(Word::Listed(rows));
        }
    }

    // ------------------------------------------------------------------ the stream

    fn update(&mut self, data: &Value, table: &Table, out: &mut Out) -> Option<()> {
        let order = &data["order"];
        // Of an instrument that is not ours.
        let Some(row) = table.by_symbol(self.venue, order["symbol"].as_str()?) else { return Some(()) };
        let view = View::read(row, order)?;
        let at_ns = time_of(&data["timestamp"])?;
        match data["event"].as_str()? {
            "new" if !view.replaces => self.tell(row, &view, at_ns, ExecKind::New, out),
            "fill" | "partial_fill" => {
                let fill = fill_of(row, data, text_of(data, "execution_id")?, at_ns)?;
                self.tell(row, &view, at_ns, ExecKind::Trade(fill), out);
            }
            // Named by what it takes back, which can be taken back once: two ids of the venue would be too long.
            "trade_bust" => {
                let of = text_of(data, "previous_execution_id")?;
                let fill = fill_of(row, data, undone_as(&of), at_ns)?;
                self.tell(row, &view, at_ns, ExecKind::Bust(fill), out);
            }
            "canceled" => self.end(row, &view, at_ns, ExecKind::Cancelled, out),
            "expired" => self.end(row, &view, at_ns, ExecKind::Expired, out),
            // A version that never came to be leaves the one before it as it was; one that had taken its place does not.
            "rejected" if view.replaces && !self.bases.contains_key(&view.id) => {}
            "rejected" if view.replaces => self.end(row, &view, at_ns, ExecKind::Cancelled, out),
            "rejected" => self.end(row, &view, at_ns, ExecKind::Rejected, out),
            "replaced" => self.replaced(&view, at_ns, out),
            "order_cancel_rejected" => {
                let of = |job: &Job| matches!(&job.kind, Kind::Cancel { order, .. } if *order == view.id);
                self.refuse(of, "the cancel was rejected", out);
            }
            "order_replace_rejected" => {
                let of = |job: &Job| matches!(&job.kind, Kind::Amend { old, .. } if *old == view.id);
                self.refuse(of, "the replacement was rejected", out);
            }
            // States on the way.
            _ => {}
        }
        Some(())
    }

    fn tell(&self, row: &Instrument, view: &View, at_ns: i64, kind: ExecKind, out: &mut Out) {
        let base = self.base(view);
        let cum_lots = base.map(|base| base.saturating_add(view.filled_lots));
        // What was taken back lowers the venue's count and not what was booked.
        let cum_lots = cum_lots.filter(|_| !matches!(kind, ExecKind::Bust(_)));
        let exec = Exec {
            id: id_of(view.client_id.as_bytes()),
            kind,
            venue_order_id: view.id.clone(),
            side: Some(view.side),
            cum_lots,
            ts_venue_ns: at_ns,
            text: String::new(),
        };
        out.words.push(Word::Exec(row.instrument_id(), exec));
    }

    /// The end of an order, which is one only with all that its versions have filled.
    fn end(&mut self, row: &Instrument, view: &View, at_ns: i64, kind: ExecKind, out: &mut Out) {
        if self.base(view).is_none() {
            out.words
                .push(Word::Garbled(format!("the end of {}, whose versions are not known", view.client_id)));
            return;
        }
        self.tell(row, view, at_ns, kind, out);
        let of = |job: &Job| matches!(&job.kind, Kind::Cancel { order, .. } if *order == view.id);
        let tokens = self.jobs.iter().filter(|(_, job)| of(job));
        let tokens: Vec<u64> = tokens.map(|(token, _)| *token).collect();
        for token in tokens {
            let Some(job) = self.jobs.get(&token) else { continue };
            // One whose answer is still under way is answered by that.
            let Kind::Cancel { step: Step::Told { .. }, .. } = job.kind else { continue };
            let id = job.id;
            self.jobs.remove(&token);
            if let (Some(base), State::Is(state)) = (self.base(view), view.state) {
                Self::answer(out, token, Answer::Status(status(view, id, base, state)));
            }
        }
    }

    fn replaced(&mut self, view: &View, at_ns: i64, out: &mut Out) {
        let (Some(base), Some(next)) = (self.base(view), view.replaced_by.as_ref()) else {
            out.words.push(Word::Garbled(format!("a version of {}, which is not known", view.client_id)));
            return;
        };
        let base_lots = base.saturating_add(view.filled_lots);
        let known = self.bases.contains_key(next);
        self.learn_base(next, base_lots);
        let of = |job: &Job| matches!(&job.kind, Kind::Amend { old, .. } if *old == view.id);
        let Some(token) = self.jobs.iter().find(|(_, job)| of(job)).map(|(token, _)| *token) else {
            // By another hand, or by a request that nobody waits for any more.
            if !known {
                out.words.push(Word::Garbled(format!("{} was replaced", view.client_id)));
            }
            return;
        };
        if let Some(Job { kind: Kind::Amend { fresh: Some(fresh), .. }, .. }) = self.jobs.get(&token) {
            let answer = replaced(fresh, base_lots, at_ns);
            self.jobs.remove(&token);
            Self::answer(out, token, answer);
        }
    }

    fn refuse(&mut self, of: impl Fn(&Job) -> bool, text: &str, out: &mut Out) {
        let tokens: Vec<u64> = self.jobs.iter().filter(|(_, job)| of(job)).map(|(token, _)| *token).collect();
        for token in tokens {
            self.jobs.remove(&token);
            Self::answer(out, token, Answer::Refused { text: text.into() });
        }
    }
}

fn status(view: &View, id: Option<ClientId>, base_lots: u64, state: VenueState) -> Status {
    // A version that was rejected after it had taken the place of another: nothing stands any more.
    let gone = state == VenueState::Rejected && view.replaces;
    Status {
        id,
        venue_order_id: view.id.clone(),
        state: if gone { VenueState::Cancelled } else { state },
        cum_lots: base_lots.saturating_add(view.filled_lots),
        terms: view.terms(base_lots),
        ts_venue_ns: view.at_ns,
    }
}

fn replaced(fresh: &View, base_lots: u64, ts_venue_ns: i64) -> Answer {
    match fresh.terms(base_lots) {
        Some(terms) => {
            Answer::Replaced { venue_order_id: fresh.id.clone(), terms, cum_lots: base_lots, ts_venue_ns }
        }
        None => Answer::Unclear { text: "the new version has no price".into() },
    }
}

/// Price and quantity of an execution. Stocks have no commission.
fn fill_of(row: &Instrument, body: &Value, exec_id: String, ts_venue_ns: i64) -> Option<Fill> {
    Some(Fill {
        exec_id,
        px_ticks: row.parse_px(body["price"].as_str()?.as_bytes()).ok()?,
        qty_lots: lots_of(row, &body["qty"])?,
        fee_e8: 0,
        fee_asset: row.quote.clone(),
        // The venue does not say.
        maker: false,
        ts_venue_ns,
    })
}

/// One entry of the list of fills. After the colons its id is that of the execution.
fn fill_row(row: &Instrument, body: &Value) -> Option<TradeRow> {
    let exec_id = body["id"].as_str()?.split("::").nth(1)?.to_string();
    Some(TradeRow {
        venue_order_id: text_of(body, "order_id")?,
        side: side_of(body["side"].as_str()?)?,
        fill: fill_of(row, body, exec_id, time_of(&body["transaction_time"])?)?,
    })
}

impl RestDesk for Desk {
    fn headers(&self) -> Vec<(String, String)> {
        let pair = [("APCA-API-KEY-ID", &self.key), ("APCA-API-SECRET-KEY", &self.secret)];
        pair.into_iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
    }

    fn opened(&mut self, _: Now, out: &mut Out) {
        let data = json!({ "key_id": self.key, "secret_key": self.secret });
        out.say.push(json!({ "action": "authenticate", "data": data }).to_string());
    }

    fn begin(&mut self, token: u64, what: &What, row: Option<&Instrument>, now: Now) -> Begun {
        let (id, ask, kind) = match what {
            // What an order waits for is time that passes here: the venue gives no request a validity of its own.
            What::Time => return Begun::Known(Answer::Time { epoch_ns: now.epoch_ns }),
            What::Place { command, .. } => {
                let Some(ask) = row.and_then(|row| place(command, row)) else { return Begun::Never };
                (ClientId::parse(&command.client_order_id), ask, Kind::Place)
            }
            What::Cancel { id, venue_order_id: order, .. } => {
                let (refused, hops, order) = (None, 0, order.clone());
                if order.is_empty() {
                    (Some(*id), by_client_id(*id), Kind::Cancel { order, step: Step::Find, refused, hops })
                } else {
                    let ask = delete(&order);
                    (Some(*id), ask, Kind::Cancel { order, step: Step::Delete, refused, hops })
                }
            }
            What::Amend { id, venue_order_id: old, terms, booked_lots, ts_ns, .. } => {
                let left = terms.qty_lots.checked_sub(*booked_lots).filter(|left| *left > 0);
                let (Some(row), Some(left)) = (row, left) else { return Begun::Never };
                if old.is_empty() {
                    return Begun::Never;
                }
                // The new order is for what is still wanted: it counts from nothing.
                let body = json!({
                    "qty": row.format_qty(i64::try_from(left).unwrap_or(i64::MAX)),
                    "limit_price": row.format_px(terms.px_ticks), "client_order_id": next_id(*id, "", *ts_ns),
                });
                let body = Some(body.to_string());
                let ask = Ask { method: "PATCH", target: order_path(old), body };
                (Some(*id), ask, Kind::Amend { old: old.clone(), fresh: None })
            }
            What::Status { id, .. } => (Some(*id), by_client_id(*id), Kind::Status { base_lots: 0, hops: 0 }),
            What::Open { .. } => {
                let target = format!("/v2/orders?status=open&limit={ORDERS_LISTED_MAX}&direction=asc");
                (None, Ask::get(target), Kind::Open)
            }
            What::Trades { since_ns, .. } => {
                let since = time_text(since_ns.saturating_sub(FILLS_BEFORE_NS).max(0));
                (None, fills_page(&since, None), Kind::Trades { since, rows: Vec::new(), pages: 0 })
            }
        };
        let instrument = row.map(Instrument::instrument_id);
        self.jobs.insert(token, Job { id, instrument, sent_ns: now.mono_ns, kind });
        Begun::Ask(ask)
    }

    fn replied(&mut self, token: u64, reply: Reply, table: &Table, now: Now, out: &mut Out) {
        if let Reply::Got { status: 429, retry_after_s, .. } = &reply {
            let for_ns = retry_after_s.map_or(BLOCK_NS, |s| s.saturating_mul(1_000_000_000));
            out.words.push(Word::Blocked { for_ns });
        }
        if token == SWEEP_LIST {
            return self.on_listed(&reply, out);
        }
        let Some(job) = self.jobs.remove(&token) else { return };
        match job.kind {
            Kind::Place => self.on_placed(token, reply, table, out),
            Kind::Cancel { .. } => self.on_cancel_reply(token, job, reply, table, now, out),
            Kind::Amend { .. } => self.on_amended(token, job, reply, table, out),
            Kind::Status { .. } => self.on_status_reply(token, job, reply, table, out),
            Kind::Open => self.on_open_reply(token, &job, &reply, table, out),
            Kind::Trades { .. } => self.on_fills_reply(token, job, &reply, table, out),
        }
    }

    fn heard(&mut self, bytes: &[u8], table: &Table, _: Now, out: &mut Out) {
        let body: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
        let data = &body["data"];
        match (body["stream"].as_str(), body["action"].as_str()) {
            (Some("authorization"), _) if data["status"] == "authorized" => {
                let data = json!({ "streams": ["trade_updates"] });
                out.say.push(json!({ "action": "listen", "data": data }).to_string());
            }
            (Some("authorization"), _) => out.end = Some("the login of the stream was refused".into()),
            (Some("listening"), _) => {
                let streams = data["streams"].as_array();
                if streams.is_some_and(|all| all.iter().any(|each| each == "trade_updates")) {
                    out.words.push(Word::Ready);
                } else {
                    out.end = Some("the venue has no stream of trade updates for us".into());
                }
            }
            (_, Some("error")) => {
                let words = data["error_message"].as_str().unwrap_or("");
                out.end = Some(bounded(&format!("the venue says of the stream: {words}")));
            }
            (Some("trade_updates"), _) => {
                if self.update(data, table, out).is_none() {
                    out.words.push(Word::Garbled(unclear(&body)));
                }
            }
            // Whatever it was, it may have been about any order.
            _ => out.words.push(Word::Garbled(bounded(&String::from_utf8_lossy(bytes)))),
        }
    }

    fn tick(&mut self, _: &Table, now: Now, out: &mut Out) {
        let due = |job: &Job| matches!(job.kind, Kind::Cancel { step: Step::Told { due_ns }, .. } if now.mono_ns >= due_ns);
        let tokens: Vec<u64> =
            self.jobs.iter().filter(|(_, job)| due(job)).map(|(token, _)| *token).collect();
        for token in tokens {
            if let Some(job) = self.jobs.remove(&token) {
                self.ask_state(token, job, out);
            }
        }
    }

    fn observe(&mut self, _: &Entry) {}

    fn recalled(&mut self, token: u64) {
        self.jobs.remove(&token);
    }

    fn ended(&mut self) -> Vec<u64> {
        self.jobs.clear();
        Vec::new()
    }

    fn forget(&mut self, oldest_ns: u64) {
        self.jobs.retain(|_, job| job.sent_ns >= oldest_ns);
    }

    fn sweep_cancel_all(&mut self) -> Option<(u64, Ask)> {
        Some((SWEEP_ALL, Ask { method: "DELETE", target: "/v2/orders".into(), body: None }))
    }

    fn sweep_status(&mut self) -> (u64, Ask) {
        (SWEEP_LIST, Ask::get(format!("/v2/orders?status=open&limit={ORDERS_LISTED_MAX}&direction=asc")))
    }

    fn sweep_cancel(&mut self, row: &Row) -> (u64, Ask) {
        self.sweeps = (self.sweeps + 1) % 900;
        (SWEEP_ONE + self.sweeps, delete(&row.order_id))
    }
}

#[cfg(test)]
mod tests;
