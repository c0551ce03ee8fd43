//! FIX 4.4 order entry: requests as bodies of messages, what the venue reports as the core's own words. Pure.
//!
//! Our order is known at the venue by its client id. An amend and a cancel need ids of their own: the client id, a dash, and
//! what tells them apart; whatever comes back so says by its first 25 characters which order it is about.

use super::binance::{Asked, bounded};
use super::limits::{FIX_FILLS_KEPT_MAX, FIX_ROWS_MAX};
use super::words::{Row, Word, id_of, next_id};
use std::collections::{BTreeMap, VecDeque};
use tidegate_fix::orders::{self, CancelReject, ExecutionReport, OrdStatus, Order, OrderKind, Scales};
use tidegate_fix::{Body, Message, Version};
use tidegate_instruments::{Instrument, Table};
use tidegate_router::id::CLIENT_ID_LEN;
use tidegate_router::{
    Answer, ClientId, Entry, Exec, ExecKind, Fill, Status, Terms, TradeRow, VenueState, Weights, What,
};
use tidegate_units::{InstrumentId, Side, VenueId, parse_decimal};
use tidegate_wire::pb::common::v1::Side as PbSide;
use tidegate_wire::pb::orders::v1::{Command, CommandKind, OrderType, ReportKind, Tif};

/// The mass status after a logon; requests have their token, which begins at 1.
const LOGON_STATUS: u64 = 0;
/// The mass status of a kill: above every token, and of as many digits as a number of a message may have.
const SWEEP_STATUS: u64 = 999_999_999_999_999_999;
/// What the ids of a kill begin with: nothing of ours is told by their answers.
const SWEEP: &str = "kill-";
/// OrdRejReason (103).
const UNKNOWN_ORDER: u64 = 5;
const DUPLICATE_ORDER: u64 = 6;
/// BusinessRejectReason (380): application not available.
const NOT_AVAILABLE: u64 = 4;
/// And: unsupported message type.
const UNSUPPORTED: u64 = 3;
/// TradeRequestResult (749) of a request that was accepted.
const ACCEPTED: u64 = 0;

/// The venue counts messages alone.
pub const WEIGHTS: Weights =
    Weights { place: 0, cancel: 0, status: 0, open: 0, trades_of_order: 0, trades: 0, time: 0 };

/// What is to be done about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The body is a message of this type.
    Message(&'static [u8]),
    /// It is answered from what the session has said already.
    Known(Answer),
    /// It cannot be written.
    Never,
}

#[derive(Debug)]
struct Awaited {
    asked: Asked,
    instrument: Option<InstrumentId>,
    id: Option<ClientId>,
    /// ClOrdID (11) it was sent with.
    cl_ord_id: String,
    /// Its MsgSeqNum, once it is known.
    seq: u64,
    /// Of an amend, what it asks for.
    terms: Option<Terms>,
    /// Of a mass status: what was listed, and how many rows there were.
    open: Vec<ClientId>,
    rows: u64,
    /// Of the mass status of a kill.
    listed: Vec<Row>,
    /// Of a list of trades.
    trades: Vec<TradeRow>,
    sent_ns: u64,
}

/// What an order needs to be named with beside its client id.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Known {
    /// ClOrdID of its newest version; empty for the client id itself.
    cl_ord_id: String,
    /// Of an amend that is not answered.
    next: String,
    post_only: bool,
}

/// The order entry of one session.
#[derive(Debug)]
pub struct Desk {
    venue: VenueId,
    /// Of orders that were amended or are post-only, as long as they are open.
    known: BTreeMap<ClientId, Known>,
    /// The newest executions, which a correction or a bust names by its ExecID.
    fills: BTreeMap<String, Fill>,
    fill_order: VecDeque<String>,
    awaited: BTreeMap<u64, Awaited>,
    /// SendingTime of the newest message, ns since the Unix epoch; 0 before the first.
    venue_time_ns: i64,
    /// The last moment before which executions may be lost: the numbers were begun anew, or the peer skipped some.
    whole_since_ns: i64,
    /// The venue has said that it has no list of trades.
    no_trades: bool,
}

const fn side_of(side: i32) -> Option<Side> {
    if side == PbSide::Buy as i32 {
        Some(Side::Buy)
    } else if side == PbSide::Sell as i32 {
        Some(Side::Sell)
    } else {
        None
    }
}

fn scales(row: &Instrument) -> Scales {
    Scales { price: row.px_scale, qty: row.qty_scale }
}

/// A count of 10^-scale as a count of units.
fn units(count: i64, unit: i64) -> Option<i64> {
    (count % unit == 0).then_some(count / unit)
}

fn lots(count: i64, row: &Instrument) -> Option<u64> {
    u64::try_from(units(count, row.qty_unit)?).ok()
}

const fn state_of(status: OrdStatus) -> VenueState {
    match status {
        OrdStatus::Filled => VenueState::Filled,
        OrdStatus::Canceled => VenueState::Cancelled,
        OrdStatus::Rejected => VenueState::Rejected,
        OrdStatus::Expired => VenueState::Expired,
        _ => VenueState::Live,
    }
}

/// Fees of an execution (NoMiscFees): 1e-8 of their asset, and the asset. None where they are of several.
fn fees(message: &Message<'_>) -> Option<(i64, String)> {
    let (mut sum, mut asset) = (0_i64, String::new());
    let mut amount = None;
    for field in message.fields() {
        match field.tag {
            137 => amount = Some(parse_decimal(message.value(*field), 8, 1).ok()?),
            138 => {
                let text = std::str::from_utf8(message.value(*field)).ok()?;
                if text.is_empty() || !asset.is_empty() && asset != text {
                    return None;
                }
                asset = text.to_string();
                sum = sum.checked_add(amount.take()?)?;
            }
            _ => {}
        }
    }
    Some((sum, asset))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Desk {
    pub fn new(venue: VenueId, whole_since_ns: i64) -> Self {
        Self {
            venue,
            known: BTreeMap::new(),
            fills: BTreeMap::new(),
            fill_order: VecDeque::new(),
            awaited: BTreeMap::new(),
            venue_time_ns: 0,
            whole_since_ns,
            no_trades: false,
        }
    }

    /// Executions of before this moment may be lost.
    pub fn lost_before(&mut self, epoch_ns: i64) {
        self.whole_since_ns = self.whole_since_ns.max(epoch_ns);
    }

    /// The connection is gone, and with it every answer.
    pub fn disconnected(&mut self) {
        self.awaited.clear();
    }

    /// Forgets requests of before a moment of the monotonic clock.
    pub fn forget(&mut self, oldest_ns: u64) {
        self.awaited.retain(|token, each| *token == LOGON_STATUS || each.sent_ns >= oldest_ns);
    }

    /// Takes one record of the router's journal.
    pub fn fold(&mut self, entry: &Entry) {
        match entry {
            Entry::Command { command, ts_ns } if command.venue_id == self.venue.0 => {
                let Some(id) = ClientId::parse(&command.client_order_id) else { return };
                match command.kind() {
                    CommandKind::New | CommandKind::ForceFlat => self.placed(id, command),
                    CommandKind::Amend => self.known.entry(id).or_default().next = next_id(id, "", *ts_ns),
                    _ => {}
                }
            }
            Entry::Report(report) if report.venue_id == self.venue.0 => {
                let Some(id) = ClientId::parse(&report.client_order_id) else { return };
                match report.kind() {
                    ReportKind::Replaced => self.replaced(id),
                    ReportKind::Cancelled | ReportKind::Expired | ReportKind::Reject | ReportKind::Dead => {
                        self.known.remove(&id);
                    }
                    ReportKind::Fill => self.keep(Fill {
                        exec_id: report.exec_id.clone(),
                        px_ticks: report.last_px_ticks,
                        qty_lots: report.last_qty_lots,
                        fee_e8: report.fee_e8,
                        fee_asset: report.fee_asset.clone(),
                        maker: report.maker,
                        ts_venue_ns: report.ts_venue_ns,
                    }),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn placed(&mut self, id: ClientId, command: &Command) {
        if command.order_type() == OrderType::Limit && command.tif() == Tif::PostOnly {
            self.known.entry(id).or_default().post_only = true;
        }
    }

    fn replaced(&mut self, id: ClientId) {
        if let Some(known) = self.known.get_mut(&id)
            && !known.next.is_empty()
        {
            known.cl_ord_id = std::mem::take(&mut known.next);
        }
    }

    fn keep(&mut self, fill: Fill) {
        if self.fills.insert(fill.exec_id.clone(), fill.clone()).is_none() {
            self.fill_order.push_back(fill.exec_id);
        }
        if self.fill_order.len() > FIX_FILLS_KEPT_MAX
            && let Some(oldest) = self.fill_order.pop_front()
        {
            self.fills.remove(&oldest);
        }
    }

    /// The ClOrdID the venue knows an order by now.
    fn version(&self, id: ClientId) -> String {
        match self.known.get(&id) {
            Some(known) if !known.cl_ord_id.is_empty() => known.cl_ord_id.clone(),
            _ => id.to_string(),
        }
    }

    // ------------------------------------------------------------------ what is sent

    /// Writes the question after a logon: everything that the venue holds of us.
    pub fn logon_status(
        &mut self,
        body: &mut Body,
        seq: impl FnOnce(&Body) -> Option<u64>,
        now_ns: u64,
    ) -> bool {
        orders::mass_status(body, b"0");
        let Some(seq) = seq(body) else { return false };
        self.awaited.insert(LOGON_STATUS, awaited(Asked::Open, None, None, String::new(), now_ns));
        self.sent(LOGON_STATUS, seq);
        true
    }

    /// Writes the question of a kill: everything that the venue holds, whoever it is of.
    pub fn sweep_status(&mut self, body: &mut Body, now_ns: u64) {
        orders::mass_status(body, SWEEP_STATUS.to_string().as_bytes());
        self.awaited.insert(SWEEP_STATUS, awaited(Asked::Open, None, None, String::new(), now_ns));
    }

    /// Writes the mass cancel of a kill.
    pub fn sweep_cancel_all(body: &mut Body, kill_ts_ns: i64, epoch_ns: i64) {
        orders::mass_cancel(body, format!("{SWEEP}{kill_ts_ns:x}").as_bytes(), None, epoch_ns);
    }

    /// Writes the cancel of one order that a mass cancel left; false where it cannot be written.
    pub fn sweep_cancel(body: &mut Body, row: &Row, epoch_ns: i64) -> bool {
        let Ok(named) = orders::Instrument::new(None, row.symbol.as_bytes(), None) else { return false };
        let id = format!("{SWEEP}{epoch_ns:x}-{}", row.order_id);
        orders::cancel_order(body, id.as_bytes(), row.cl_ord_id.as_bytes(), &named, row.side, epoch_ns);
        body.maybe(37, some(&row.order_id));
        body.bytes().is_ok()
    }

    /// Writes the body of a request. What is sent is awaited; `sent` then tells its number.
    pub fn write(
        &mut self,
        body: &mut Body,
        token: u64,
        what: &What,
        row: Option<&Instrument>,
        (epoch_ns, mono_ns): (i64, u64),
    ) -> Written {
        let instrument = row.map(Instrument::instrument_id);
        let about = |asked, id, cl_ord_id| awaited(asked, instrument, id, cl_ord_id, mono_ns);
        match what {
            // Whatever the venue answers says when it was sent.
            What::Time => {
                self.awaited.insert(token, about(Asked::Time, None, String::new()));
                orders::mass_status(body, token.to_string().as_bytes());
                Written::Message(b"AF")
            }
            What::Trades { venue_order_id, since_ns, .. } => {
                // Executions come in the session's own order: each one there is has been told, as long as the session has
                // lost nothing since the order, and none is known to be missing.
                let whole = *since_ns > self.whole_since_ns;
                if whole && (venue_order_id.is_none() || self.no_trades) {
                    return Written::Known(Answer::Trades(Vec::new()));
                }
                if self.no_trades {
                    let text = "the session began anew after the order, and the venue lists no trades";
                    return Written::Known(failed(text));
                }
                let Some(named) = row.and_then(named) else { return Written::Never };
                self.awaited.insert(token, about(Asked::Trades, None, String::new()));
                let order_id = venue_order_id.as_deref().and_then(some);
                orders::trades(body, token.to_string().as_bytes(), order_id, &named);
                Written::Message(b"AD")
            }
            What::Open { .. } => {
                self.awaited.insert(token, about(Asked::Open, None, String::new()));
                orders::mass_status(body, token.to_string().as_bytes());
                Written::Message(b"AF")
            }
            What::Place { command, ts_ns } => {
                let Some(row) = row else { return Written::Never };
                let id = ClientId::parse(&command.client_order_id);
                let each = about(Asked::Place, id, command.client_order_id.clone());
                self.awaited.insert(token, each);
                if let Some(id) = id {
                    self.placed(id, command);
                }
                written(write_new(body, command, row, *ts_ns), b"D")
            }
            What::Cancel { id, side, venue_order_id, .. } => {
                let (Some(row), Some(side)) = (row, side_of(*side)) else { return Written::Never };
                let cl_ord_id = next_id(*id, "c", epoch_ns);
                self.awaited.insert(token, about(Asked::Cancel, Some(*id), cl_ord_id.clone()));
                let Some(named) = named(row) else { return Written::Never };
                let original = self.version(*id);
                orders::cancel_order(body, cl_ord_id.as_bytes(), original.as_bytes(), &named, side, epoch_ns);
                body.maybe(37, some(venue_order_id));
                Written::Message(b"F")
            }
            What::Amend { id, side, venue_order_id, terms, ts_ns, .. } => {
                let (Some(row), Some(side)) = (row, side_of(*side)) else { return Written::Never };
                let cl_ord_id = next_id(*id, "", *ts_ns);
                let each = about(Asked::Amend, Some(*id), cl_ord_id.clone());
                self.awaited.insert(token, Awaited { terms: Some(*terms), ..each });
                let original = self.version(*id);
                let known = self.known.entry(*id).or_default();
                known.next.clone_from(&cl_ord_id);
                let post_only = known.post_only;
                let (Some(named), Some(qty)) = (named(row), scaled_qty(terms.qty_lots, row)) else {
                    return Written::Never;
                };
                let order = Order {
                    id: cl_ord_id.as_bytes(),
                    instrument: &named,
                    scales: scales(row),
                    side,
                    qty,
                    kind: OrderKind::Limit { price: terms.px_ticks.saturating_mul(row.px_unit) },
                    // Nothing else rests.
                    tif: orders::Tif::Gtc,
                    post_only,
                    at: *ts_ns,
                };
                orders::replace_order(body, Version::Fix44, original.as_bytes(), &order);
                body.maybe(37, some(venue_order_id));
                Written::Message(b"G")
            }
            What::Status { id, side, venue_order_id, .. } => {
                let (Some(row), Some(side)) = (row, side_of(*side)) else { return Written::Never };
                let cl_ord_id = self.version(*id);
                self.awaited.insert(token, about(Asked::Status, Some(*id), cl_ord_id.clone()));
                let Some(named) = named(row) else { return Written::Never };
                orders::order_status(body, cl_ord_id.as_bytes(), &named, side);
                body.maybe(37, some(venue_order_id)).number(790, token);
                Written::Message(b"H")
            }
        }
    }

    /// The number a request went out with.
    pub fn sent(&mut self, token: u64, seq: u64) {
        if let Some(each) = self.awaited.get_mut(&token) {
            each.seq = seq;
        }
    }

    /// A request did not go out.
    pub fn not_sent(&mut self, token: u64) {
        self.awaited.remove(&token);
    }

    // ------------------------------------------------------------------ what is heard

    /// Reads one message of the venue.
    pub fn heard(&mut self, table: &Table, message: &Message<'_>, out: &mut Vec<Word>) {
        self.venue_time_ns = message.timestamp(tidegate_fix::tag::SENDING_TIME).unwrap_or(self.venue_time_ns);
        let read = match message.msg_type() {
            b"8" if message.get(584).is_some() => self.listed(table, message, out),
            b"8" => self.report(table, message, out),
            b"9" => self.cancel_rejected(message, out),
            b"AE" => self.traded(table, message, out),
            b"AQ" => self.trades_answered(message, out),
            b"j" => {
                let reason = message.number(380).unwrap_or(0);
                let words = format!("j {reason} {}", text(message.get(58).unwrap_or_default()));
                self.no_trades |= reason == UNSUPPORTED && message.get(372) == Some(b"AD");
                self.refused(message.number(45).unwrap_or(0), &words, reason == NOT_AVAILABLE, out);
                Some(())
            }
            _ => Some(()),
        };
        if read.is_none() {
            let shown = text(message.raw()).replace('\u{1}', "|");
            out.push(Word::Garbled(bounded(&shown)));
        }
    }

    /// The session layer of the venue rejected our message of this number: it had no effect.
    pub fn rejected(&mut self, seq: u64, words: &str, out: &mut Vec<Word>) {
        self.refused(seq, &format!("3 {words}"), false, out);
    }

    fn refused(&mut self, seq: u64, words: &str, busy: bool, out: &mut Vec<Word>) {
        let found = self.awaited.iter().find(|(_, each)| each.seq == seq).map(|(token, _)| *token);
        let Some(token) = found else { return };
        let Some(each) = self.awaited.remove(&token) else { return };
        let text = bounded(words);
        out.push(match each.asked {
            // A venue without this question: what it holds is then asked for order by order.
            Asked::Open if token == LOGON_STATUS => Word::Ready,
            // Nothing was listed: it is asked again.
            Asked::Open if token == SWEEP_STATUS => return,
            Asked::Place | Asked::Cancel | Asked::Amend if busy => {
                Word::Answer { token, answer: Answer::Busy { text } }
            }
            Asked::Place | Asked::Cancel | Asked::Amend => {
                Word::Answer { token, answer: Answer::Refused { text } }
            }
            _ => Word::Answer { token, answer: Answer::Failed { text } },
        });
    }

    /// One row of the answer to a mass status.
    fn listed(&mut self, table: &Table, message: &Message<'_>, out: &mut Vec<Word>) -> Option<()> {
        let token = message.number(584)?;
        let row = table.by_symbol(self.venue, std::str::from_utf8(message.get(55)?).ok()?);
        let id = message.get(11).and_then(id_of);
        if let (Some(id), Some(cl_ord_id)) = (id, message.get(11)) {
            self.learn_version(id, cl_ord_id);
        }
        let each = self.awaited.get_mut(&token)?;
        let there = message.get(39).is_some_and(|status| status != b"8");
        each.rows += u64::from(there);
        if token == SWEEP_STATUS && there {
            let text_of = |tag| message.get(tag).map(text);
            let side = if message.get(54) == Some(b"1") { Side::Buy } else { Side::Sell };
            each.listed.push(Row {
                cl_ord_id: text_of(11).unwrap_or_default(),
                order_id: text_of(37).unwrap_or_default(),
                symbol: text_of(55)?,
                side,
            });
        }
        if let (Some(id), Some(row)) = (id, row)
            && there
            && each.instrument.is_none_or(|wanted| wanted == row.instrument_id())
        {
            each.open.push(id);
        }
        if each.open.len().max(each.listed.len()) > FIX_ROWS_MAX {
            self.awaited.remove(&token);
            if token != SWEEP_STATUS && token != LOGON_STATUS {
                let answer = failed("the list of what is open is too long");
                out.push(Word::Answer { token, answer });
            }
            return Some(());
        }
        let last = message.is_yes(912) || message.number(911).is_some_and(|total| each.rows >= total);
        if last && let Some(each) = self.awaited.remove(&token) {
            out.push(match each.asked {
                _ if token == LOGON_STATUS => Word::Ready,
                _ if token == SWEEP_STATUS => Word::Listed(each.listed),
                Asked::Time => Word::Answer { token, answer: Answer::Time { epoch_ns: self.venue_time_ns } },
                _ => Word::Answer { token, answer: Answer::Open(each.open) },
            });
        }
        Some(())
    }

    /// One row of a list of trades. A list is read whole or not at all.
    fn traded(&mut self, table: &Table, message: &Message<'_>, out: &mut Vec<Word>) -> Option<()> {
        let token = message.number(568)?;
        let each = self.awaited.get_mut(&token)?;
        let row = table.by_symbol(self.venue, std::str::from_utf8(message.get(55)?).ok()?);
        let read = row.filter(|row| each.instrument == Some(row.instrument_id()));
        let trade = read.and_then(|row| trade_row(row, message));
        let told = trade.is_some();
        each.trades.extend(trade);
        let rows = each.trades.len();
        let total = message.number(748).and_then(|total| usize::try_from(total).ok());
        let last = message.is_yes(912) || total.is_some_and(|total| rows >= total);
        if told && rows <= FIX_ROWS_MAX && !last {
            return Some(());
        }
        let trades = self.awaited.remove(&token).map(|each| each.trades).unwrap_or_default();
        let answer = match (told, rows <= FIX_ROWS_MAX) {
            (true, true) => Answer::Trades(trades),
            (true, false) => failed("the list of trades is too long"),
            (false, _) => failed("a row of the list of trades cannot be read"),
        };
        out.push(Word::Answer { token, answer });
        Some(())
    }

    /// The venue's word on a question for trades: refused, or taken with nothing to list.
    fn trades_answered(&mut self, message: &Message<'_>, out: &mut Vec<Word>) -> Option<()> {
        let token = message.number(568)?;
        let accepted = message.number(749)? == ACCEPTED;
        if accepted && message.number(748) != Some(0) {
            return Some(());
        }
        self.awaited.remove(&token)?;
        let answer =
            if accepted { Answer::Trades(Vec::new()) } else { failed("the venue refuses to list trades") };
        out.push(Word::Answer { token, answer });
        Some(())
    }

    fn learn_version(&mut self, id: ClientId, cl_ord_id: &[u8]) {
        let Ok(text) = std::str::from_utf8(cl_ord_id) else { return };
        if text.len() > CLIENT_ID_LEN {
            let known = self.known.entry(id).or_default();
            known.cl_ord_id = text.to_string();
            if known.next == text {
                known.next.clear();
            }
        }
    }

    fn report(&mut self, table: &Table, message: &Message<'_>, out: &mut Vec<Word>) -> Option<()> {
        let cl_ord_id = message.get(11).unwrap_or_default();
        // A cancel of somebody's own id names the order it was of.
        let id = id_of(cl_ord_id).or_else(|| message.get(41).and_then(id_of));
        let asked = message.number(790).filter(|token| self.awaited.contains_key(token));
        let status = message.get(150) == Some(b"I") || asked.is_some();
        // An order that is not known may come without the fields of one.
        if status && message.get(39) == Some(b"8") && message.number(103) == Some(UNKNOWN_ORDER) {
            if let Some(token) = asked.or_else(|| self.awaited_of(Asked::Status, cl_ord_id)) {
                self.awaited.remove(&token);
                out.push(Word::Answer { token, answer: Answer::NotFound });
            }
            return Some(());
        }
        let row = table.by_symbol(self.venue, std::str::from_utf8(message.get(55)?).ok()?)?;
        let report = ExecutionReport::read(message, scales(row)).ok()?;
        let told = Told { row, report, message, cl_ord_id, id };
        if status { self.status(&told, asked, out) } else { self.executed(&told, out) }
    }

    fn awaited_of(&self, asked: Asked, cl_ord_id: &[u8]) -> Option<u64> {
        let found = self.awaited.iter();
        let mut found =
            found.filter(|(_, each)| each.asked == asked && each.cl_ord_id.as_bytes() == cl_ord_id);
        found.next().map(|(token, _)| *token)
    }

    fn status(&mut self, told: &Told<'_>, asked: Option<u64>, out: &mut Vec<Word>) -> Option<()> {
        let status = told.status()?;
        if let Some(id) = told.id.filter(|_| status.state == VenueState::Live) {
            self.learn_version(id, told.cl_ord_id);
        }
        let token = asked.or_else(|| self.awaited_of(Asked::Status, told.cl_ord_id));
        if let Some(token) = token {
            self.awaited.remove(&token);
            out.push(Word::Answer { token, answer: Answer::Status(status) });
        }
        Some(())
    }

    fn executed(&mut self, told: &Told<'_>, out: &mut Vec<Word>) -> Option<()> {
        use orders::ExecKind as Kind;
        let place = told.id.and_then(|id| {
            let mut own = self.awaited.iter().filter(|(_, each)| each.asked == Asked::Place);
            own.find(|(_, each)| each.id == Some(id)).map(|(token, _)| *token)
        });
        let kind = match told.report.kind {
            Kind::New => {
                match place {
                    Some(_) => {}
                    None => out.push(told.exec(ExecKind::New)?),
                }
                None
            }
            Kind::Rejected => return self.order_rejected(told, place, out),
            Kind::Trade => {
                let fill = told.fill(told.report.exec_id)?;
                self.keep(fill.clone());
                Some(ExecKind::Trade(fill))
            }
            Kind::TradeCancel => Some(ExecKind::Bust(self.undone(told)?)),
            Kind::TradeCorrect => {
                let undone = self.undone(told)?;
                let fill = told.fill(told.report.exec_id)?;
                self.keep(fill.clone());
                Some(ExecKind::Corrected { undone: Box::new(undone), fill: Box::new(fill) })
            }
            Kind::Canceled => {
                if let Some(token) = self.awaited_of(Asked::Cancel, told.cl_ord_id) {
                    let status = told.status()?;
                    self.awaited.remove(&token);
                    out.push(Word::Answer { token, answer: Answer::Status(status) });
                    None
                } else {
                    Some(ExecKind::Cancelled)
                }
            }
            Kind::Expired => Some(ExecKind::Expired),
            Kind::Replaced => return self.amended(told, out),
            // What the venue changes by itself, where it says what it is now.
            Kind::Restated => told.terms().map(ExecKind::Replaced),
            // On the way somewhere, and able to fill until then.
            Kind::PendingNew
            | Kind::PendingCancel
            | Kind::PendingReplace
            | Kind::DoneForDay
            | Kind::Stopped
            | Kind::Suspended
            | Kind::Calculated
            | Kind::Status => return Some(()),
        };
        if let Some(kind) = kind {
            out.push(told.exec(kind)?);
        }
        // Whatever is reported of an order, the venue has taken it.
        if let Some(token) = place {
            self.awaited.remove(&token);
            let (venue_order_id, ts_venue_ns) = (text(told.report.order_id), told.at());
            out.push(Word::Answer { token, answer: Answer::Placed { venue_order_id, ts_venue_ns } });
        }
        let ended = !matches!(state_of(told.report.status), VenueState::Live);
        if let Some(id) = told.id.filter(|_| ended) {
            self.known.remove(&id);
        }
        Some(())
    }

    /// A new order was not taken, or an order that was taken is rejected after that.
    fn order_rejected(&mut self, told: &Told<'_>, place: Option<u64>, out: &mut Vec<Word>) -> Option<()> {
        let reason = told.report.reject_reason.unwrap_or(99);
        let words = bounded(&format!("8 {reason} {}", text(told.report.text)));
        let Some(token) = place else {
            out.push(told.exec(ExecKind::Rejected)?);
            return Some(());
        };
        self.awaited.remove(&token);
        // Of a duplicate nobody knows whether it is ours: it is asked for.
        let answer = if reason == DUPLICATE_ORDER {
            Answer::Unclear { text: words }
        } else {
            Answer::Refused { text: words }
        };
        out.push(Word::Answer { token, answer });
        Some(())
    }

    fn amended(&mut self, told: &Told<'_>, out: &mut Vec<Word>) -> Option<()> {
        if let Some(id) = told.id {
            self.learn_version(id, told.cl_ord_id);
        }
        let token = self.awaited_of(Asked::Amend, told.cl_ord_id);
        let asked = token.and_then(|token| self.awaited.remove(&token)).and_then(|each| each.terms);
        let terms = told.terms().or(asked)?;
        out.push(match token {
            Some(token) => {
                let answer = Answer::Replaced {
                    venue_order_id: text(told.report.order_id),
                    terms,
                    cum_lots: lots(told.report.cum_qty, told.row)?,
                    ts_venue_ns: told.at(),
                };
                Word::Answer { token, answer }
            }
            None => told.exec(ExecKind::Replaced(terms))?,
        });
        Some(())
    }

    /// The execution a bust or a correction is of, under an id of its own: the one it takes back, a slash, its own ExecID.
    fn undone(&self, told: &Told<'_>) -> Option<Fill> {
        let of = text(told.report.exec_ref_id?);
        let exec_id = format!("{of}/{}", text(told.report.exec_id));
        match self.fills.get(&of) {
            Some(fill) => Some(Fill { exec_id, ts_venue_ns: told.at(), ..fill.clone() }),
            // It is of before what is kept. A bust says itself what it takes back; a correction only what is right.
            None if told.report.kind == orders::ExecKind::TradeCancel => told.fill(exec_id.as_bytes()),
            None => None,
        }
    }

    fn cancel_rejected(&mut self, message: &Message<'_>, out: &mut Vec<Word>) -> Option<()> {
        let reject = CancelReject::read(message).ok()?;
        if reject.cl_ord_id.starts_with(SWEEP.as_bytes()) {
            return Some(());
        }
        let asked = if reject.of_replace { Asked::Amend } else { Asked::Cancel };
        let token = self.awaited_of(asked, reject.cl_ord_id)?;
        self.awaited.remove(&token);
        if let Some(known) = id_of(reject.cl_ord_id).and_then(|id| self.known.get_mut(&id))
            && reject.of_replace
        {
            known.next.clear();
        }
        // An unknown order (102=1) proves nothing of it: the core asks for its state.
        let words = format!("9 {} {}", reject.reason.unwrap_or(99), text(reject.text));
        out.push(Word::Answer { token, answer: Answer::Refused { text: bounded(&words) } });
        Some(())
    }
}

fn awaited(
    asked: Asked,
    instrument: Option<InstrumentId>,
    id: Option<ClientId>,
    cl_ord_id: String,
    sent_ns: u64,
) -> Awaited {
    Awaited {
        asked,
        instrument,
        id,
        cl_ord_id,
        seq: 0,
        terms: None,
        open: Vec::new(),
        rows: 0,
        listed: Vec::new(),
        trades: Vec::new(),
        sent_ns,
    }
}

/// A TradeCaptureReport of one side.
fn trade_row(row: &Instrument, message: &Message<'_>) -> Option<TradeRow> {
    let count = |tag, scale| parse_decimal(message.get(tag)?, scale, 1).ok();
    let (fee_e8, fee_asset) = fees(message)?;
    Some(TradeRow {
        venue_order_id: text(message.get(37)?),
        side: match message.get(54)? {
            b"1" => Side::Buy,
            b"2" => Side::Sell,
            _ => return None,
        },
        fill: Fill {
            exec_id: text(message.get(17)?),
            px_ticks: units(count(31, row.px_scale)?, row.px_unit)?,
            qty_lots: lots(count(32, row.qty_scale)?, row)?,
            fee_e8,
            fee_asset,
            maker: message.get(851) == Some(b"1"),
            ts_venue_ns: message.timestamp(60)?,
        },
    })
}

fn failed(text: &str) -> Answer {
    Answer::Failed { text: text.into() }
}

fn some(text: &str) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text.as_bytes())
}

fn named(row: &Instrument) -> Option<orders::Instrument> {
    orders::Instrument::new(None, row.symbol.as_bytes(), None).ok()
}

fn scaled_qty(lots: u64, row: &Instrument) -> Option<i64> {
    i64::try_from(lots).ok()?.checked_mul(row.qty_unit)
}

const fn written(done: Option<()>, kind: &'static [u8]) -> Written {
    match done {
        Some(()) => Written::Message(kind),
        None => Written::Never,
    }
}

fn write_new(body: &mut Body, command: &Command, row: &Instrument, ts_ns: i64) -> Option<()> {
    let named = named(row)?;
    let market = command.order_type() == OrderType::Market;
    let order = Order {
        id: command.client_order_id.as_bytes(),
        instrument: &named,
        scales: scales(row),
        side: side_of(command.side)?,
        qty: scaled_qty(command.qty_lots, row)?,
        kind: if market {
            OrderKind::Market
        } else {
            OrderKind::Limit { price: command.px_ticks.checked_mul(row.px_unit)? }
        },
        tif: match command.tif() {
            _ if market => orders::Tif::Ioc,
            Tif::Ioc => orders::Tif::Ioc,
            Tif::Fok => orders::Tif::Fok,
            Tif::Gtc | Tif::PostOnly | Tif::Unspecified => orders::Tif::Gtc,
        },
        post_only: !market && command.tif() == Tif::PostOnly,
        at: ts_ns,
    };
    orders::new_order(body, Version::Fix44, &order);
    Some(())
}

/// One ExecutionReport with what it is read by.
struct Told<'a> {
    row: &'a Instrument,
    report: ExecutionReport<'a>,
    message: &'a Message<'a>,
    cl_ord_id: &'a [u8],
    id: Option<ClientId>,
}

impl Told<'_> {
    fn at(&self) -> i64 {
        self.report.at.or_else(|| self.message.timestamp(tidegate_fix::tag::SENDING_TIME)).unwrap_or(0)
    }

    /// Price and total quantity, where the report has them.
    fn terms(&self) -> Option<Terms> {
        Some(Terms {
            px_ticks: self.row.parse_px(self.message.get(44)?).ok()?,
            qty_lots: self.row.parse_qty(self.message.get(38)?).ok().and_then(|n| u64::try_from(n).ok())?,
        })
    }

    fn status(&self) -> Option<Status> {
        Some(Status {
            id: self.id,
            venue_order_id: text(self.report.order_id),
            state: state_of(self.report.status),
            cum_lots: lots(self.report.cum_qty, self.row)?,
            terms: self.terms(),
            ts_venue_ns: self.at(),
        })
    }

    fn fill(&self, exec_id: &[u8]) -> Option<Fill> {
        let (fee_e8, fee_asset) = fees(self.message)?;
        Some(Fill {
            exec_id: text(exec_id),
            px_ticks: units(self.report.last_px?, self.row.px_unit)?,
            qty_lots: lots(self.report.last_qty?, self.row)?,
            fee_e8,
            fee_asset,
            maker: self.message.get(851) == Some(b"1"),
            ts_venue_ns: self.at(),
        })
    }

    fn exec(&self, kind: ExecKind) -> Option<Word> {
        let exec = Exec {
            id: self.id,
            kind,
            venue_order_id: text(self.report.order_id),
            side: Some(self.report.side),
            cum_lots: Some(lots(self.report.cum_qty, self.row)?),
            ts_venue_ns: self.at(),
            text: bounded(&text(self.report.text)),
        };
        Some(Word::Exec(self.row.instrument_id(), exec))
    }
}

#[cfg(test)]
mod tests;
