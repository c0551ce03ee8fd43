//! Shioaji's order entry: requests to its daemon, what they and its stream of order events say as the core's own words. Pure.
//!
//! The venue has no client order id. What comes back of ours is a custom field of six characters: it follows from our id and from
//! the journal, so that it is the same after a restart, and an order nobody answered for is looked for by it in the list of trades.

use super::limits::{FIELDS_KEPT_MAX, FILLS_BEFORE_NS, PLACES_WAITING_MAX, REST_TOLD_NS};
use super::rest::{Ask, Begun, Out, Reply, RestDesk};
use super::venue_json::{bounded, text_of, unclear};
use super::words::{Row, Word};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_instruments::{Instrument, Table};
use tidegate_router::limits::BLOCK_NS;
use tidegate_router::{
    Answer, ClientId, Entry, Exec, ExecKind, Fill, Now, Status, Terms, TradeRow, VenueState, Weights, What,
};
use tidegate_units::parse_decimal;
use tidegate_units::{InstrumentId, Side, VenueId};
use tidegate_wire::pb::common::v1::Side as PbSide;
use tidegate_wire::pb::orders::v1::{Command, CommandKind, OrderType, Report, ReportKind, Tif};

/// The venue counts orders alone.
pub const WEIGHTS: Weights =
    Weights { place: 0, cancel: 0, status: 0, open: 0, trades_of_order: 0, trades: 0, time: 0 };
/// Custom fields there are: six characters of 36.
const FIELDS: u64 = 36_u64.pow(6);
/// Tokens of the desk's own: above every token of the core.
const SUBSCRIBE: u64 = u64::MAX;
const FIRST_LIST: u64 = u64::MAX - 1;
const SWEEP_LIST: u64 = u64::MAX - 2;
const SWEEP_ONE: u64 = u64::MAX - 1_000;
/// Shares of a board lot, which is one lot of the instrument table too.
const BOARD_LOT_SHARES: i64 = 1_000;
/// `op_code` of an operation that was done.
const DONE: &str = "00";

/// What the venue has of its own.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShioajiSettings {
    broker_id: String,
    account_id: String,
    /// Codes listed over the counter; every other one is the exchange's.
    otc_codes: Vec<String>,
}

/// What an order of ours is known by.
#[derive(Debug, Clone)]
struct Ours {
    field: String,
    instrument: InstrumentId,
    side: Side,
    /// As it was sent.
    qty_lots: u64,
    /// As they stand.
    terms: Terms,
    trade_id: Option<String>,
}

/// One deal, by what stream and list both tell of it. The exchange's number is in the stream alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    field: String,
    px_ticks: i64,
    qty_lots: u64,
    ts_ns: i64,
}

impl Likeness {
    /// The key of the n-th deal of this likeness.
    fn exec_id(&self, nth: u32) -> String {
        format!("{}.{}.{}.{}.{nth}", self.field, self.px_ticks, self.qty_lots, self.ts_ns / 1_000)
    }
}

/// One order as the daemon tells it.
#[derive(Debug, Clone)]
struct View {
    trade_id: String,
    field: String,
    code: String,
    side: Side,
    state: VenueState,
    qty_lots: u64,
    filled_lots: u64,
    /// What it stands at: its quantity without what was taken off it.
    terms: Terms,
    deals: Vec<Likeness>,
    words: String,
}

fn state_of(text: &str) -> Option<VenueState> {
    Some(match text {
        "PendingSubmit" | "PreSubmitted" | "Submitted" | "PartFilled" => VenueState::Live,
        "Filled" => VenueState::Filled,
        "Cancelled" => VenueState::Cancelled,
        "Failed" => VenueState::Rejected,
        "Inactive" => VenueState::Expired,
        _ => return None,
    })
}

fn side_of(value: &Value) -> Option<Side> {
    match value.as_str()? {
        "Buy" => Some(Side::Buy),
        "Sell" => Some(Side::Sell),
        _ => None,
    }
}

/// A JSON number by its digits, as a count of 10^-scale; a double of few digits is written back with just those.
fn count_of(value: &Value, scale: u32) -> Option<i64> {
    let Value::Number(number) = value else { return None };
    let text = number.to_string();
    let text = text.strip_suffix(".0").unwrap_or(&text);
    parse_decimal(text.as_bytes(), scale, 1).ok()
}

fn px_of(row: &Instrument, value: &Value) -> Option<i64> {
    let Value::Number(number) = value else { return None };
    let text = number.to_string();
    row.parse_px(text.strip_suffix(".0").unwrap_or(&text).as_bytes()).ok()
}

fn lots_of(value: &Value) -> Option<u64> {
    u64::try_from(count_of(value, 0)?).ok()
}

/// ns since the Unix epoch of seconds with a fraction; milliseconds in their place are none.
fn seconds_of(value: &Value) -> Option<i64> {
    let Value::Number(number) = value else { return None };
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (whole, fraction) = (whole.parse::<i64>().ok()?, fraction.get(..9).unwrap_or(fraction));
    let ns = format!("{fraction:0<9}").parse::<i64>().ok()?;
    // The last second that ns since the Unix epoch can name.
    if !(0..=i64::MAX / 1_000_000_000 - 1).contains(&whole) {
        return None;
    }
    Some(whole * 1_000_000_000 + ns)
}

impl View {
    fn read(row: &Instrument, body: &Value) -> Option<Self> {
        let (order, status) = (&body["order"], &body["status"]);
        let modified = px_of(row, &status["modified_price"])?;
        let qty_lots = lots_of(&order["quantity"])?;
        let field = order["custom_field"].as_str()?.to_string();
        let deal = |deal: &Value| {
            Some(Likeness {
                field: field.clone(),
                px_ticks: px_of(row, &deal["price"])?,
                qty_lots: lots_of(&deal["quantity"])?,
                ts_ns: seconds_of(&deal["ts"])?,
            })
        };
        Some(Self {
            trade_id: text_of(order, "id")?,
            code: text_of(&body["contract"], "code")?,
            side: side_of(&order["action"])?,
            state: state_of(status["status"].as_str()?)?,
            qty_lots,
            filled_lots: lots_of(&status["deal_quantity"])?,
            terms: Terms {
                // 0 until it is changed.
                px_ticks: if modified == 0 { px_of(row, &order["price"])? } else { modified },
                qty_lots: qty_lots.checked_sub(lots_of(&status["cancel_quantity"])?)?,
            },
            deals: status["deals"].as_array()?.iter().map(deal).collect::<Option<_>>()?,
            words: status["msg"].as_str().unwrap_or("").to_string(),
            field,
        })
    }
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
    Cancel { step: Step },
    Amend { terms: Terms, told_ns: Option<u64> },
    Status,
    Open,
    Trades { since_ns: i64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The list is asked for: the daemon does not know the order, or we do not know its id there. Once.
    List {
        again: bool,
    },
    Sent {
        again: bool,
    },
    /// Taken; until then the stream may say what became of it.
    Told {
        due_ns: u64,
    },
}

/// The order entry of one account. Holds a secret, so it does not print.
pub struct Desk {
    venue: VenueId,
    settings: ShioajiSettings,
    bearer: String,
    ours: BTreeMap<ClientId, Ours>,
    fields: BTreeMap<String, ClientId>,
    order: VecDeque<ClientId>,
    by_trade: BTreeMap<String, ClientId>,
    jobs: BTreeMap<u64, Job>,
    /// New orders go one after the other: the one under way, and those that wait.
    placing: Option<u64>,
    places: VecDeque<(u64, Ask, u64)>,
    /// Numbers of the exchange that the stream has told, and how many deals of each likeness.
    keys: BTreeSet<String>,
    told: BTreeMap<Likeness, u32>,
    /// Likenesses that a life of before this one has booked, by stream or list.
    before: BTreeSet<Likeness>,
    live: bool,
    sweeps: u64,
}

/// FNV-1a of an id, as a number below those of the fields.
fn first_field(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }) % FIELDS
}

fn field_text(mut number: u64) -> String {
    let mut text = [b'0'; 6];
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize];
        number /= 36;
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn post(target: &'static str, body: &Value) -> Ask {
    Ask { method: "POST", target: target.into(), body: Some(body.to_string()) }
}

/// A body with a price as a JSON number, written by its digits.
fn with_price(target: &'static str, body: &Value, px: &str) -> Ask {
    let text = body.to_string().replacen("\"@price\"", px, 1);
    Ask { method: "POST", target: target.into(), body: Some(text) }
}

const CANCEL: &str = "/api/v1/order/cancel_order";

impl Desk {
    pub fn new(venue: VenueId, settings: ShioajiSettings, key: &str, secret: &str) -> Self {
        Self {
            venue,
            settings,
            bearer: format!("Bearer {key}:{secret}"),
            ours: BTreeMap::new(),
            fields: BTreeMap::new(),
            order: VecDeque::new(),
            by_trade: BTreeMap::new(),
            jobs: BTreeMap::new(),
            placing: None,
            places: VecDeque::new(),
            keys: BTreeSet::new(),
            told: BTreeMap::new(),
            before: BTreeSet::new(),
            live: false,
            sweeps: 0,
        }
    }

    fn account(&self) -> Value {
        json!({ "broker_id": self.settings.broker_id, "account_id": self.settings.account_id })
    }

    fn own(&self) -> Value {
        let mut body = self.account();
        body["account_type"] = "S".into();
        body
    }

    fn list(&self) -> Ask {
        post("/api/v1/order/trades", &self.own())
    }

    fn cancel(trade_id: &str) -> Ask {
        post(CANCEL, &json!({ "trade_id": trade_id }))
    }

    fn row<'a>(&self, table: &'a Table, code: &Value) -> Option<&'a Instrument> {
        table.by_symbol(self.venue, code.as_str()?)
    }

    fn answer(out: &mut Out, token: u64, answer: Answer) {
        out.words.push(Word::Answer { token, answer });
    }

    // ------------------------------------------------------------------ names

    /// A new order of the journal gets its field: the first free one from where its id points to.
    fn name(&mut self, id: ClientId, command: &Command) {
        if self.ours.contains_key(&id) {
            return;
        }
        let mut number = first_field(&command.client_order_id);
        while self.fields.contains_key(&field_text(number)) {
            number = (number + 1) % FIELDS;
        }
        let field = field_text(number);
        let side = if command.side() == PbSide::Sell { Side::Sell } else { Side::Buy };
        let ours = Ours {
            field: field.clone(),
            instrument: InstrumentId(command.instrument_id),
            side,
            qty_lots: command.qty_lots,
            terms: Terms { px_ticks: command.px_ticks, qty_lots: command.qty_lots },
            trade_id: None,
        };
        self.fields.insert(field, id);
        self.ours.insert(id, ours);
        self.order.push_back(id);
        while self.order.len() > FIELDS_KEPT_MAX {
            let Some(oldest) = self.order.pop_front().and_then(|id| self.ours.remove(&id)) else { continue };
            self.fields.remove(&oldest.field);
            if let Some(trade_id) = oldest.trade_id {
                self.by_trade.remove(&trade_id);
            }
            self.told.retain(|like, _| like.field != oldest.field);
            self.before.retain(|like| like.field != oldest.field);
        }
    }

    fn learn(&mut self, id: ClientId, trade_id: &str) {
        if let Some(ours) = self.ours.get_mut(&id)
            && ours.trade_id.is_none()
            && !trade_id.is_empty()
        {
            ours.trade_id = Some(trade_id.to_string());
            self.by_trade.insert(trade_id.to_string(), id);
        }
    }

    /// Which order of ours the daemon speaks of.
    fn of(&mut self, trade_id: &str, field: &str) -> Option<ClientId> {
        let id = self.by_trade.get(trade_id).or_else(|| self.fields.get(field)).copied()?;
        self.learn(id, trade_id);
        Some(id)
    }

    /// What a report of the journal teaches.
    fn reported(&mut self, id: ClientId, report: &Report) {
        self.learn(id, &report.venue_order_id);
        let Some(ours) = self.ours.get_mut(&id) else { return };
        match report.kind() {
            ReportKind::Replaced => {
                let qty_lots = report.cum_qty_lots.saturating_add(report.leaves_qty_lots);
                ours.terms = Terms { px_ticks: report.last_px_ticks, qty_lots };
            }
            ReportKind::Fill if !self.live => {
                self.before.insert(Likeness {
                    field: ours.field.clone(),
                    px_ticks: report.last_px_ticks,
                    qty_lots: report.last_qty_lots,
                    ts_ns: report.ts_venue_ns,
                });
            }
            _ => {}
        }
    }

    // ------------------------------------------------------------------ answers

    fn not_done(token: u64, reply: Reply, out: &mut Out) {
        match reply {
            Reply::Unsent(_) => out.words.push(Word::Unsent { token }),
            Reply::Lost(text) => Self::answer(out, token, Answer::Unclear { text: bounded(&text) }),
            Reply::Got { status, body, .. } => {
                let text = words_of(status, &body);
                let answer = match status {
                    503 => Answer::Busy { text },
                    400..=499 => Answer::Refused { text },
                    _ => Answer::Unclear { text },
                };
                Self::answer(out, token, answer);
            }
        }
    }

    fn view(&self, table: &Table, body: &Value) -> Option<View> {
        View::read(self.row(table, &body["contract"]["code"])?, body)
    }

    /// The list of trades of the day, read whole or not at all. Other instruments are left out.
    fn views(&self, table: &Table, reply: &Reply) -> Result<Vec<View>, String> {
        match reply {
            Reply::Unsent(text) | Reply::Lost(text) => Err(bounded(text)),
            Reply::Got { status: 200, body: Value::Array(all), .. } => {
                let here = |body: &&Value| self.row(table, &body["contract"]["code"]).is_some();
                let read = |body| self.view(table, body).ok_or_else(|| unclear(body));
                all.iter().filter(here).map(read).collect()
            }
            Reply::Got { status, body, .. } => Err(words_of(*status, body)),
        }
    }

    /// Finds an order by the daemon's id; before that is known by field, code, side and quantity. More than one is nobody's.
    fn find(&self, views: &[View], id: ClientId, table: &Table) -> Result<Option<View>, String> {
        let Some(ours) = self.ours.get(&id) else { return Err("the order has no field of its own".into()) };
        let code = table.get(ours.instrument).map(|row| row.symbol.as_str());
        let fits = |view: &&View| match &ours.trade_id {
            Some(trade_id) => view.trade_id == *trade_id,
            None => {
                let same = (view.side, view.qty_lots) == (ours.side, ours.qty_lots);
                same && view.field == ours.field && Some(view.code.as_str()) == code
            }
        };
        let mut found = views.iter().filter(fits);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(one), None) => Ok(Some(one.clone())),
            (Some(_), Some(_)) => Err("more than one order of the list fits; a person has to look".into()),
        }
    }

    fn on_placed(&mut self, token: u64, job: &Job, reply: Reply, table: &Table, now: Now, out: &mut Out) {
        let Reply::Got { status: 200, body, .. } = &reply else { return Self::not_done(token, reply, out) };
        let answer = match self.view(table, body) {
            // A 200 is never final: what has failed is an order too.
            Some(View { state: VenueState::Rejected, words, .. }) => {
                Answer::Refused { text: bounded(&format!("200 {words}")) }
            }
            Some(view) => {
                if let Some(id) = job.id {
                    self.learn(id, &view.trade_id);
                }
                Answer::Placed { venue_order_id: view.trade_id, ts_venue_ns: now.epoch_ns }
            }
            None => Answer::Unclear { text: unclear(body) },
        };
        Self::answer(out, token, answer);
    }

    fn on_cancel(&mut self, token: u64, job: Job, reply: Reply, table: &Table, now: Now, out: &mut Out) {
        let (Kind::Cancel { step }, Some(id)) = (&job.kind, job.id) else { return };
        let step = *step;
        match (step, &reply) {
            (Step::Sent { .. }, Reply::Got { status: 200, .. }) => {
                let due_ns = now.mono_ns.saturating_add(REST_TOLD_NS);
                self.jobs.insert(token, Job { kind: Kind::Cancel { step: Step::Told { due_ns } }, ..job });
            }
            // A daemon that was started anew knows its orders once they are listed.
            (Step::Sent { again: false }, Reply::Got { status: 404, .. }) => {
                out.asks.push((token, self.list()));
                self.jobs
                    .insert(token, Job { kind: Kind::Cancel { step: Step::List { again: true } }, ..job });
            }
            (Step::List { again }, Reply::Got { .. }) => {
                let found = self.views(table, &reply).and_then(|views| self.find(&views, id, table));
                match found {
                    Ok(Some(view)) if view.state == VenueState::Live => {
                        self.learn(id, &view.trade_id);
                        out.asks.push((token, Self::cancel(&view.trade_id)));
                        let kind = Kind::Cancel { step: Step::Sent { again } };
                        self.jobs.insert(token, Job { kind, ..job });
                    }
                    Ok(Some(view)) => Self::answer(out, token, Answer::Status(status(&view, id, now))),
                    Ok(None) => {
                        let text = "the venue does not list it".into();
                        Self::answer(out, token, Answer::Unclear { text });
                    }
                    Err(text) => Self::answer(out, token, Answer::Unclear { text }),
                }
            }
            _ => Self::not_done(token, reply, out),
        }
    }

    fn on_amended(&mut self, token: u64, job: Job, reply: Reply, now: Now, out: &mut Out) {
        let Reply::Got { status: 200, .. } = reply else { return Self::not_done(token, reply, out) };
        let Kind::Amend { terms, .. } = job.kind else { return };
        // The answer is the order as it was; the event says whether it was done.
        let told_ns = Some(now.mono_ns.saturating_add(REST_TOLD_NS));
        self.jobs.insert(token, Job { kind: Kind::Amend { terms, told_ns }, ..job });
    }

    fn on_list(&mut self, token: u64, job: &Job, reply: &Reply, table: &Table, now: Now, out: &mut Out) {
        let views = match self.views(table, reply) {
            Ok(views) => views,
            Err(text) => return Self::answer(out, token, Answer::Failed { text }),
        };
        let answer = match (&job.kind, job.id) {
            (Kind::Status, Some(id)) => match self.find(&views, id, table) {
                Ok(Some(view)) => {
                    self.learn(id, &view.trade_id);
                    Answer::Status(status(&view, id, now))
                }
                Ok(None) => Answer::NotFound,
                Err(text) => Answer::Failed { text },
            },
            (Kind::Trades { since_ns }, _) => {
                let since_ns = since_ns.saturating_sub(FILLS_BEFORE_NS);
                let here = |view: &&View| {
                    table.by_symbol(self.venue, &view.code).map(Instrument::instrument_id) == job.instrument
                };
                let quote = job.instrument.and_then(|id| table.get(id)).map(|row| row.quote.clone());
                let quote = quote.unwrap_or_default();
                let rows = views.iter().filter(here).flat_map(|view| listed(view, &quote));
                Answer::Trades(rows.filter(|row| row.fill.ts_venue_ns >= since_ns).collect())
            }
            _ => {
                let open = views.iter().filter(|view| view.state == VenueState::Live);
                let ours = open.filter_map(|view| {
                    let by_trade = self.by_trade.get(&view.trade_id);
                    by_trade.or_else(|| self.fields.get(&view.field)).copied()
                });
                Answer::Open(ours.collect())
            }
        };
        Self::answer(out, token, answer);
    }

    fn on_swept(&self, reply: &Reply, table: &Table, out: &mut Out) {
        // A list that cannot be read is no list.
        let Ok(views) = self.views(table, reply) else { return };
        let open = views.into_iter().filter(|view| view.state == VenueState::Live);
        let row = |view: View| Row {
            cl_ord_id: view.field,
            order_id: view.trade_id,
            symbol: view.code,
            side: view.side,
        };
        out.words.push(Word::Listed(open.map(row).collect()));
    }

    fn place_next(&mut self, now: Now, out: &mut Out) {
        while self.placing.is_none() {
            let Some((token, ask, expires_ns)) = self.places.pop_front() else { return };
            if expires_ns != 0 && now.mono_ns > expires_ns {
                self.jobs.remove(&token);
                out.words.push(Word::Unsent { token });
                continue;
            }
            self.placing = Some(token);
            out.first.push((token, ask));
        }
    }

    // ------------------------------------------------------------------ the stream

    fn operation(&mut self, body: &Value, table: &Table, out: &mut Out) -> Option<()> {
        let (operation, order, status) = (&body["operation"], &body["order"], &body["status"]);
        let Some(row) = self.row(table, &body["contract"]["code"]) else { return Some(()) };
        let (trade_id, field) = (text_of(order, "id")?, order["custom_field"].as_str()?);
        let id = self.of(&trade_id, field);
        let (kind, code) = (operation["op_type"].as_str()?, operation["op_code"].as_str()?);
        let words = bounded(&format!("{code} {}", operation["op_msg"].as_str().unwrap_or("")));
        let qty_lots = lots_of(&order["quantity"])?;
        let left_lots = qty_lots.checked_sub(lots_of(&status["cancel_quantity"])?)?;
        let at_ns = seconds_of(&status["exchange_ts"])?;
        let mut exec = Exec {
            id,
            kind: ExecKind::New,
            venue_order_id: trade_id,
            side: Some(side_of(&order["action"])?),
            cum_lots: None,
            ts_venue_ns: at_ns,
            text: String::new(),
        };
        let amends = |job: &Job| matches!(job.kind, Kind::Amend { .. }) && job.id == id;
        let cancels = |job: &Job| matches!(job.kind, Kind::Cancel { .. }) && job.id == id;
        match (kind, code == DONE) {
            ("New", true) => {}
            ("New", false) => {
                // The event may come before the answer, which says the same.
                let places = |job: &Job| matches!(job.kind, Kind::Place) && job.id == id;
                if self.settle(places, &Answer::Refused { text: bounded(&format!("200 {words}")) }, out) {
                    return Some(());
                }
                exec.kind = ExecKind::Rejected;
            }
            ("Cancel", true) => {
                (exec.kind, exec.cum_lots) = (ExecKind::Cancelled, Some(left_lots));
                let cancelled = Status {
                    id,
                    venue_order_id: exec.venue_order_id.clone(),
                    state: VenueState::Cancelled,
                    cum_lots: left_lots,
                    terms: None,
                    ts_venue_ns: at_ns,
                };
                out.words.push(Word::Exec(row.instrument_id(), exec));
                self.settle(cancels, &Answer::Status(cancelled), out);
                return Some(());
            }
            ("Cancel", false) => {
                self.settle(cancels, &Answer::Refused { text: words }, out);
                return Some(());
            }
            ("UpdatePrice" | "UpdateQty", false) => {
                self.settle(amends, &Answer::Refused { text: words }, out);
                return Some(());
            }
            ("UpdatePrice" | "UpdateQty", true) => {
                let modified = px_of(row, &status["modified_price"])?;
                let px_ticks = if modified == 0 { px_of(row, &order["price"])? } else { modified };
                let terms = Terms { px_ticks, qty_lots: left_lots };
                if let Some(ours) = id.and_then(|id| self.ours.get_mut(&id)) {
                    ours.terms = terms;
                }
                let venue_order_id = exec.venue_order_id.clone();
                let done = Answer::Replaced { venue_order_id, terms, cum_lots: 0, ts_venue_ns: at_ns };
                if !self.settle(amends, &done, out) {
                    exec.kind = ExecKind::Replaced(terms);
                    out.words.push(Word::Exec(row.instrument_id(), exec));
                }
                return Some(());
            }
            _ => return None,
        }
        out.words.push(Word::Exec(row.instrument_id(), exec));
        Some(())
    }

    /// Answers the requests that are `of` an event; whether there was one.
    fn settle(&mut self, of: impl Fn(&Job) -> bool, answer: &Answer, out: &mut Out) -> bool {
        let tokens: Vec<u64> = self.jobs.iter().filter(|(_, job)| of(job)).map(|(token, _)| *token).collect();
        for token in &tokens {
            self.jobs.remove(token);
            Self::answer(out, *token, answer.clone());
        }
        !tokens.is_empty()
    }

    fn deal(&mut self, body: &Value, table: &Table, out: &mut Out) -> Option<()> {
        let Some(row) = self.row(table, &body["code"]) else { return Some(()) };
        let (trade_id, field) = (text_of(body, "trade_id")?, body["custom_field"].as_str()?);
        let key = format!("{trade_id}/{}", body["exchange_seq"].as_str()?);
        let like = Likeness {
            field: field.to_string(),
            px_ticks: px_of(row, &body["price"])?,
            qty_lots: lots_of(&body["quantity"])?,
            ts_ns: seconds_of(&body["ts"])?,
        };
        let side = side_of(&body["action"])?;
        let id = self.of(&trade_id, field);
        if !self.keys.insert(key) {
            return Some(());
        }
        // It may be the one that was booked then, told late, or another: the list knows how many there are.
        if self.before.contains(&like) {
            return None;
        }
        let nth = self.told.entry(like.clone()).or_default();
        *nth += 1;
        let exec = Exec {
            id,
            kind: ExecKind::Trade(fill_of(&like, *nth, &row.quote)),
            venue_order_id: trade_id,
            side: Some(side),
            cum_lots: None,
            ts_venue_ns: like.ts_ns,
            text: String::new(),
        };
        out.words.push(Word::Exec(row.instrument_id(), exec));
        Some(())
    }
}

fn words_of(status: u16, body: &Value) -> String {
    bounded(&format!("{status} {}", body["message"].as_str().unwrap_or("")))
}

fn status(view: &View, id: ClientId, now: Now) -> Status {
    Status {
        id: Some(id),
        venue_order_id: view.trade_id.clone(),
        state: view.state,
        cum_lots: view.filled_lots,
        terms: Some(view.terms),
        ts_venue_ns: now.epoch_ns,
    }
}

fn fill_of(like: &Likeness, nth: u32, quote: &str) -> Fill {
    Fill {
        exec_id: like.exec_id(nth),
        px_ticks: like.px_ticks,
        qty_lots: like.qty_lots,
        // Settled by the broker at the end of the day, and told nowhere here.
        fee_e8: 0,
        fee_asset: quote.to_string(),
        maker: false,
        ts_venue_ns: like.ts_ns,
    }
}

/// The deals of one order of the list, the n-th of each likeness under that number.
fn listed(view: &View, quote: &str) -> Vec<TradeRow> {
    let mut seen: BTreeMap<&Likeness, u32> = BTreeMap::new();
    let mut rows = Vec::new();
    for deal in &view.deals {
        let nth = seen.entry(deal).or_default();
        *nth += 1;
        let fill = fill_of(deal, *nth, quote);
        rows.push(TradeRow { venue_order_id: view.trade_id.clone(), side: view.side, fill });
    }
    rows
}

impl RestDesk for Desk {
    fn headers(&self) -> Vec<(String, String)> {
        vec![("Authorization".into(), self.bearer.clone())]
    }

    fn opened(&mut self, _: Now, out: &mut Out) {
        self.live = true;
        // Without it the stream has heartbeats and nothing else.
        out.asks.push((SUBSCRIBE, post("/api/v1/auth/subscribe_trade", &self.own())));
    }

    fn begin(&mut self, token: u64, what: &What, row: Option<&Instrument>, now: Now) -> Begun {
        let instrument = row.map(Instrument::instrument_id);
        let job = |id, kind| Job { id, instrument, sent_ns: now.mono_ns, kind };
        let (ask, job) = match what {
            // What an order waits for is time that passes here: the venue gives no request a validity of its own.
            What::Time => return Begun::Known(Answer::Time { epoch_ns: now.epoch_ns }),
            What::Place { command, .. } => {
                let id = ClientId::parse(&command.client_order_id);
                let ask = id.zip(row).and_then(|(id, row)| self.place(id, command, row));
                let Some(ask) = ask else { return Begun::Never };
                if self.places.len() >= PLACES_WAITING_MAX {
                    return Begun::Full;
                }
                self.jobs.insert(token, job(id, Kind::Place));
                if self.placing.is_none() {
                    self.placing = Some(token);
                    return Begun::Ask(ask);
                }
                let expires_ns = match command.ttl_ns {
                    0 => 0,
                    ttl_ns => now.mono_ns.max(command.command_mono_ns).saturating_add(ttl_ns),
                };
                self.places.push_back((token, ask, expires_ns));
                return Begun::Waits;
            }
            What::Cancel { id, venue_order_id, .. } if venue_order_id.is_empty() => {
                (self.list(), job(Some(*id), Kind::Cancel { step: Step::List { again: false } }))
            }
            What::Cancel { id, venue_order_id, .. } => {
                let step = Step::Sent { again: false };
                (Self::cancel(venue_order_id), job(Some(*id), Kind::Cancel { step }))
            }
            What::Amend { id, venue_order_id, terms, .. } => {
                let Some((row, ours)) = row.zip(self.ours.get(id)) else { return Begun::Never };
                let refused = |text: &str| Begun::Known(Answer::Refused { text: text.into() });
                let named = json!({ "trade_id": venue_order_id });
                let same_px = terms.px_ticks == ours.terms.px_ticks;
                let ask = match ours.terms.qty_lots.checked_sub(terms.qty_lots) {
                    None => return refused("the venue adds to no order"),
                    Some(0) => {
                        let mut body = named;
                        body["price"] = "@price".into();
                        with_price("/api/v1/order/update_price", &body, &row.format_px(terms.px_ticks))
                    }
                    // Two requests could be done by half.
                    Some(_) if !same_px => {
                        return refused("the venue changes price or quantity, one at a time");
                    }
                    Some(less) => {
                        let mut body = named;
                        body["quantity"] = less.into();
                        post("/api/v1/order/update_qty", &body)
                    }
                };
                (ask, job(Some(*id), Kind::Amend { terms: *terms, told_ns: None }))
            }
            What::Status { id, .. } => (self.list(), job(Some(*id), Kind::Status)),
            What::Open { .. } => (self.list(), job(None, Kind::Open)),
            What::Trades { since_ns, .. } => (self.list(), job(None, Kind::Trades { since_ns: *since_ns })),
        };
        self.jobs.insert(token, job);
        Begun::Ask(ask)
    }

    fn replied(&mut self, token: u64, reply: Reply, table: &Table, now: Now, out: &mut Out) {
        if matches!(reply, Reply::Got { status: 503, .. }) {
            out.words.push(Word::Blocked { for_ns: BLOCK_NS });
        }
        match token {
            SUBSCRIBE => {
                let done = matches!(&reply, Reply::Got { status: 200, body, .. } if body["success"] == true);
                if done {
                    out.asks.push((FIRST_LIST, self.list()));
                } else {
                    out.end = Some("the order events of the account were not subscribed to".into());
                }
                return;
            }
            // The daemon knows its orders once they are listed.
            FIRST_LIST => {
                match self.views(table, &reply) {
                    Ok(_) => out.words.push(Word::Ready),
                    Err(why) => out.end = Some(format!("the list of trades: {why}")),
                }
                return;
            }
            SWEEP_LIST => return self.on_swept(&reply, table, out),
            _ => {}
        }
        if self.placing == Some(token) {
            self.placing = None;
        }
        if let Some(job) = self.jobs.remove(&token) {
            match job.kind {
                Kind::Place => self.on_placed(token, &job, reply, table, now, out),
                Kind::Cancel { .. } => self.on_cancel(token, job, reply, table, now, out),
                Kind::Amend { .. } => self.on_amended(token, job, reply, now, out),
                Kind::Status | Kind::Open | Kind::Trades { .. } => {
                    self.on_list(token, &job, &reply, table, now, out);
                }
            }
        }
        self.place_next(now, out);
    }

    fn heard(&mut self, bytes: &[u8], table: &Table, _: Now, out: &mut Out) {
        let body: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
        if body["type"] == "heartbeat" {
            return;
        }
        let read = match body["state"].as_str() {
            Some("StockOrder") => self.operation(&body["data"]["StockOrder"], table, out),
            Some("StockDeal") => self.deal(&body["data"]["StockDeal"], table, out),
            // Futures and options are not traded here.
            Some(_) => Some(()),
            None => None,
        };
        if read.is_none() {
            out.words.push(Word::Garbled(bounded(&String::from_utf8_lossy(bytes))));
        }
    }

    fn tick(&mut self, _: &Table, now: Now, out: &mut Out) {
        let due = |job: &Job| match job.kind {
            Kind::Cancel { step: Step::Told { due_ns } } => now.mono_ns >= due_ns,
            Kind::Amend { told_ns: Some(due_ns), .. } => now.mono_ns >= due_ns,
            _ => false,
        };
        let tokens: Vec<u64> =
            self.jobs.iter().filter(|(_, job)| due(job)).map(|(token, _)| *token).collect();
        for token in tokens {
            let Some(job) = self.jobs.remove(&token) else { continue };
            match job.kind {
                Kind::Amend { terms, .. } => {
                    let text = format!("the stream did not say whether it stands at {terms:?}");
                    Self::answer(out, token, Answer::Unclear { text });
                }
                _ => {
                    out.asks.push((token, self.list()));
                    self.jobs.insert(token, Job { kind: Kind::Status, ..job });
                }
            }
        }
        self.place_next(now, out);
    }

    fn observe(&mut self, entry: &Entry) {
        match entry {
            Entry::Command { command, .. } if command.venue_id == self.venue.0 => {
                let new = matches!(command.kind(), CommandKind::New | CommandKind::ForceFlat);
                if let Some(id) = ClientId::parse(&command.client_order_id).filter(|_| new) {
                    self.name(id, command);
                }
            }
            Entry::Report(report) if report.venue_id == self.venue.0 => {
                if let Some(id) = ClientId::parse(&report.client_order_id) {
                    self.reported(id, report);
                }
            }
            _ => {}
        }
    }

    fn recall(&mut self) -> Vec<u64> {
        let tokens: Vec<u64> = self.places.drain(..).map(|(token, ..)| token).collect();
        for token in &tokens {
            self.jobs.remove(token);
        }
        tokens
    }

    fn recalled(&mut self, token: u64) {
        self.jobs.remove(&token);
        if self.placing == Some(token) {
            self.placing = None;
        }
    }

    fn ended(&mut self) -> Vec<u64> {
        self.placing = None;
        let unsent = self.recall();
        self.jobs.clear();
        unsent
    }

    fn forget(&mut self, oldest_ns: u64) {
        self.jobs.retain(|_, job| job.sent_ns >= oldest_ns);
    }

    fn sweep_cancel_all(&mut self) -> Option<(u64, Ask)> {
        None
    }

    fn sweep_status(&mut self) -> (u64, Ask) {
        (SWEEP_LIST, self.list())
    }

    fn sweep_cancel(&mut self, row: &Row) -> (u64, Ask) {
        self.sweeps = (self.sweeps + 1) % 900;
        (SWEEP_ONE + self.sweeps, Self::cancel(&row.order_id))
    }
}

impl Desk {
    /// The body of a new order; `None` for what the venue does not have.
    fn place(&self, id: ClientId, command: &Command, row: &Instrument) -> Option<Ask> {
        // The venue counts in board lots: an instrument that counts otherwise would be sent a thousand times too large.
        if (row.qty_scale, row.qty_unit) != (0, BOARD_LOT_SHARES) {
            return None;
        }
        let ours = self.ours.get(&id)?;
        let market = command.order_type() == OrderType::Market;
        let order_type = match command.tif() {
            Tif::Ioc => "IOC",
            Tif::Fok => "FOK",
            _ if market => "IOC",
            // For the day: the venue has nothing longer.
            Tif::Gtc | Tif::Unspecified => "ROD",
            Tif::PostOnly => return None,
        };
        let otc = self.settings.otc_codes.contains(&row.symbol);
        let body = json!({
            "contract": { "security_type": "STK", "exchange": if otc { "OTC" } else { "TSE" }, "code": row.symbol },
            "stock_order": {
                "action": if ours.side == Side::Buy { "Buy" } else { "Sell" }, "price": "@price",
                "quantity": command.qty_lots, "price_type": if market { "MKT" } else { "LMT" },
                "order_type": order_type, "order_lot": "Common", "order_cond": "Cash",
                "custom_field": ours.field, "account": self.account(),
            },
        });
        let px = if market { "0".to_string() } else { row.format_px(command.px_ticks) };
        Some(with_price("/api/v1/order/place_order", &body, &px))
    }
}

#[cfg(test)]
mod tests;
