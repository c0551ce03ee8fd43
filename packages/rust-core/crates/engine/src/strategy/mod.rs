//! The native end of one strategy worker: market data and the intent link, read by a bounded wait on the worker's own
//! thread and handed to JavaScript as rows of doubles in memory both share.

pub mod layout;
pub mod translate;

use crate::anchor::Anchor;
use crate::span::Span;
use crate::{Fault, clock};
use layout as at;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::path::PathBuf;
use tidegate_bus::ends::{LinkClient, LinkClientConfig, LinkInput, StreamSub, StreamWhat};
use tidegate_bus::link::{LinkEvent, LinkState, SendRefusal};
use tidegate_leadership::Asked;
use tidegate_units::{IntentId, StrategyId};
use tidegate_wire::ids::span_id;
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::Reason;
use tidegate_wire::topic::{MdKind, parse_md_topic};
use tidegate_wire::{envelope, validate};
use translate::{IntentContext, Row, event_row, intent};

/// Spans kept between two statistics; past it they are counted and not told.
const SPANS_MAX: usize = 64;
/// The spans this end makes, and what they are children of.
const STAGE: &str = "strategy.decide";
const CAUSE_STAGE: &str = crate::market_data::STAGE;
/// Longest native wait: a worker blocked here cannot be stopped from outside.
const WAIT_MS_MAX: u32 = 100;
/// The same where two gateways may have to be asked in turn.
const PAIR_WAIT_MS_MAX: u32 = 10;

/// Configuration of one worker's lane.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub strategy_id: u32,
    pub session_epoch: u32,
    pub account_id: u32,
    pub instrument_table_version: u32,
    pub md_url: String,
    pub intent_url: String,
    /// Of the other gateway of a pair.
    #[serde(default)]
    pub standby_intent_url: Option<String>,
    pub topics: Vec<String>,
    /// Where the link's own session number is kept, if not the session epoch.
    #[serde(default)]
    pub link_epoch_file: Option<PathBuf>,
}

/// What `submit` made of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Submitted {
    Ok = at::SUBMIT_OK as u32,
    NoCredit = at::SUBMIT_NO_CREDIT as u32,
    NotSynced = at::SUBMIT_NOT_SYNCED as u32,
    Malformed = at::SUBMIT_MALFORMED as u32,
}

/// The stamps and trace of the event a row was made from, for the intents it causes.
#[derive(Debug, Clone, Copy, Default)]
struct Cause {
    tick_mono_ns: u64,
    /// When this lane took it.
    taken_mono_ns: u64,
    trace_hi: u64,
    trace_lo: u64,
}

#[derive(Debug, Default)]
struct Counters {
    events: u64,
    intents: u64,
    no_credit: u64,
    not_synced: u64,
    malformed: u64,
    bad_payloads: u64,
    missing: u64,
    gaps: u64,
    spans_not_told: u64,
}

/// What the strategy made of one traced event, from its arrival here to the departure of its last intent.
#[derive(Debug, Clone, Copy)]
struct Decided {
    trace_hi: u64,
    trace_lo: u64,
    start_mono_ns: u64,
    end_mono_ns: u64,
    intents: u32,
}

/// One worker's lane. Not shared between threads.
pub struct StrategyLane {
    context: zmq::Context,
    config: Config,
    md: StreamSub,
    /// To each gateway of the account, one or two.
    links: Vec<LinkClient>,
    pair: Asked,
    started_mono_ns: u64,
    causes: Vec<Cause>,
    /// The link's present state is to be told once more, after a restart of its peer.
    state_due: bool,
    /// Highest link sequence of the batch JavaScript is working on; acknowledged when it comes for the next.
    to_ack: Vec<Option<u64>>,
    counters: Counters,
    spans: Vec<Decided>,
    buf: Vec<u8>,
}

impl fmt::Debug for StrategyLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrategyLane")
            .field("config", &self.config)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

fn topic_kind(name: &str) -> Option<(u32, usize)> {
    let (_, instrument, kind) = parse_md_topic(name)?;
    let kind = match kind {
        MdKind::Top => at::EVENT_KIND_BOOK_TOP,
        MdKind::Trade => at::EVENT_KIND_TRADE,
        MdKind::Status => at::EVENT_KIND_STATUS,
        MdKind::Depth => return None,
    };
    Some((instrument, kind))
}

const fn link_state(state: LinkState) -> f64 {
    match state {
        LinkState::Connecting => 0.0,
        LinkState::Synced => 1.0,
        LinkState::Gap => 2.0,
        LinkState::Stale => 3.0,
    }
}

/// What a strategy is shown of a message that was taken at `now_ns` of its session; `None` where it is none of its business or no
/// message. The lane's own rule, for whoever has the recorded bytes.
pub fn row_of(payload: &[u8], now_ns: u64) -> Option<[f64; at::EVENT_DOUBLES]> {
    let envelope = envelope::decode_checked(payload).ok()?;
    let mut row: Row = [0.0; at::EVENT_DOUBLES];
    event_row(&envelope, now_ns, &mut row).then_some(row)
}

impl StrategyLane {
    /// Connects to the market-data stream and the gateway; absent ones are waited for.
    ///
    /// # Errors
    /// The configuration or an endpoint is refused.
    pub fn open(config: &str) -> Result<Self, Fault> {
        let config: Config = serde_json::from_str(config)
            .map_err(|error| Fault(format!("strategy lane configuration: {error}")))?;
        if config.strategy_id == 0 || config.session_epoch == 0 {
            return Err(Fault("strategy lane configuration: strategyId and sessionEpoch start at 1".into()));
        }
        let context = zmq::Context::new();
        let prefixes: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        let md = StreamSub::connect(&context, &config.md_url, &prefixes)?;
        let identity = format!("strategy:{}", config.strategy_id);
        let epoch = match &config.link_epoch_file {
            Some(path) => crate::epoch::next(path)?,
            None => config.session_epoch,
        };
        let urls = std::iter::once(&config.intent_url).chain(&config.standby_intent_url);
        let links = urls
            .map(|url| LinkClient::connect(&context, LinkClientConfig::new(url, "intent", &identity, epoch)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            context,
            config,
            md,
            pair: Asked::new(links.len()),
            to_ack: vec![None; links.len()],
            links,
            started_mono_ns: clock::mono_ns(),
            causes: Vec::with_capacity(at::EVENTS_MAX),
            state_due: false,
            counters: Counters::default(),
            spans: Vec::with_capacity(SPANS_MAX),
            buf: Vec::with_capacity(512),
        })
    }

    /// Waits up to `timeout_ms` (at most 100) for the first event and fills `rows` with what there is, orders before
    /// market data. Gives the number of rows filled. Calling again says that the batch before has been handled.
    ///
    /// # Errors
    /// A lane is broken.
    pub fn poll(&mut self, timeout_ms: u32, rows: &mut [f64]) -> Result<usize, Fault> {
        self.causes.clear();
        for (link, seq) in self.links.iter_mut().zip(&mut self.to_ack) {
            if let Some(seq) = seq.take() {
                link.ack(seq);
            }
        }
        let capacity = (rows.len() / at::EVENT_DOUBLES).min(at::EVENTS_MAX);
        self.drain(capacity, rows)?;
        let now = clock::mono_ns();
        self.tick_links(now)?;
        self.md.tick(now);
        let waiting = self.links.iter().any(LinkClient::has_waiting) || self.md.has_waiting();
        if self.causes.is_empty() && !waiting {
            let mut items = vec![self.md.poll_item()];
            items.extend(self.links.iter().map(LinkClient::poll_item));
            let _ = zmq::poll(&mut items, i64::from(timeout_ms.min(self.wait_ms_max())));
            drop(items);
            self.drain(capacity, rows)?;
            self.tick_links(clock::mono_ns())?;
        }
        self.counters.events += self.causes.len() as u64;
        Ok(self.causes.len())
    }

    fn drain(&mut self, capacity: usize, rows: &mut [f64]) -> Result<(), Fault> {
        self.drain_link(capacity, rows)?;
        self.drain_md(capacity, rows)
    }

    /// A lane of a pair turns often enough to ask the other gateway in time.
    fn wait_ms_max(&self) -> u32 {
        if self.links.len() > 1 { PAIR_WAIT_MS_MAX } else { WAIT_MS_MAX }
    }

    /// Sends what is due by time, and what has no answer to the gateway that is asked now.
    fn tick_links(&mut self, now: u64) -> Result<(), Fault> {
        for link in &mut self.links {
            link.tick(now)?;
        }
        let active = self.pair.active();
        let Some(link) = self.links.get_mut(active) else { return Ok(()) };
        if link.state() == LinkState::Synced {
            for bytes in self.pair.take_due(now) {
                if link.send(now, &bytes).is_err() {
                    self.pair.postpone(now);
                    break;
                }
            }
        }
        Ok(())
    }

    fn drain_link(&mut self, capacity: usize, rows: &mut [f64]) -> Result<(), Fault> {
        // The active one first: what the other says may make it the active one.
        let active = self.pair.active();
        for turn in 0..self.links.len() {
            self.drain_one((active + turn) % self.links.len(), capacity, rows)?;
        }
        Ok(())
    }

    fn drain_one(&mut self, which: usize, capacity: usize, rows: &mut [f64]) -> Result<(), Fault> {
        // One input makes two rows at most.
        while self.causes.len() + 1 < capacity {
            let now = clock::mono_ns();
            let since = now.saturating_sub(self.started_mono_ns);
            if std::mem::take(&mut self.state_due) {
                let state = self.links.get(self.pair.active()).map(LinkClient::state);
                self.push_link(rows, since, state.unwrap_or(LinkState::Connecting));
                continue;
            }
            let other_in_step = self.links.len() > 1
                && self.links.iter().enumerate().any(|(at, l)| at != which && l.state() == LinkState::Synced);
            let Some(link) = self.links.get_mut(which) else { return Ok(()) };
            let Some(input) = link.recv(now)? else { return Ok(()) };
            let mut row: Row = [0.0; at::EVENT_DOUBLES];
            match input {
                LinkInput::Data { seq, payload, .. } => {
                    let decoded = envelope::decode_checked(payload);
                    if let Some(place) = self.to_ack.get_mut(which) {
                        *place = Some(seq);
                    }
                    let Ok(envelope) = decoded else {
                        self.counters.bad_payloads += 1;
                        continue;
                    };
                    let turned = match &envelope.payload {
                        Some(Payload::IntentReply(reply)) if reply.reason() == Reason::NotLeader => {
                            if self.links.len() > 1 {
                                // No answer yet: the other gateway gives it.
                                if self.pair.not_leading(which, now) {
                                    self.turned(rows, since);
                                }
                                continue;
                            }
                            false
                        }
                        Some(Payload::PolicyState(policy)) => {
                            self.pair.leads(which, policy.gateway_epoch, now)
                        }
                        _ => false,
                    };
                    // One that was stopped and leads no longer may still say what it had decided. The one that leads tells its
                    // own state, and is asked again for what it has not answered.
                    if !self.pair.heeds(which) {
                        continue;
                    }
                    if let Some(Payload::IntentReply(reply)) = &envelope.payload {
                        self.pair.answered(id_of(reply.intent_id.as_ref()));
                    }
                    if turned {
                        self.turned(rows, since);
                    }
                    if !event_row(&envelope, since, &mut row) {
                        continue;
                    }
                    row[at::EVENT_SEQ] = seq as f64;
                }
                LinkInput::Event { event: LinkEvent::State { to, .. }, .. } => {
                    if to != LinkState::Synced && self.pair.lost(which, other_in_step, now) {
                        self.turned(rows, since);
                        continue;
                    }
                    if which == self.pair.active() {
                        self.push_link(rows, since, to);
                    }
                    continue;
                }
                // A gateway that was back before its silence showed: the link never left SYNCED, its peer is another.
                LinkInput::Event { event: LinkEvent::PeerRestarted { .. }, .. } => {
                    if which == self.pair.active() {
                        self.turned(rows, since);
                    }
                    continue;
                }
                LinkInput::Event { .. } => continue,
            }
            self.push(rows, &row, Cause::default());
        }
        Ok(())
    }

    /// Another process answers from now on: what it holds of this strategy it tells anew.
    fn turned(&mut self, rows: &mut [f64], since: u64) {
        self.push_link(rows, since, LinkState::Connecting);
        self.state_due = true;
    }

    fn push_link(&mut self, rows: &mut [f64], since: u64, state: LinkState) {
        let mut row: Row = [0.0; at::EVENT_DOUBLES];
        row[at::EVENT_KIND] = at::EVENT_KIND_LINK as f64;
        row[at::EVENT_NOW_NS] = since as f64;
        row[at::LINK_STATE] = link_state(state);
        self.push(rows, &row, Cause::default());
    }

    fn drain_md(&mut self, capacity: usize, rows: &mut [f64]) -> Result<(), Fault> {
        while self.causes.len() < capacity {
            let now = clock::mono_ns();
            let since = now.saturating_sub(self.started_mono_ns);
            let Some(input) = self.md.recv(now)? else { return Ok(()) };
            let Some((instrument, kind)) = topic_kind(input.name) else { continue };
            let mut row: Row = [0.0; at::EVENT_DOUBLES];
            let mut cause = Cause::default();
            row[at::EVENT_INSTRUMENT] = f64::from(instrument);
            row[at::EVENT_NOW_NS] = since as f64;
            match input.what {
                StreamWhat::Data(data) => {
                    let Ok(envelope) = envelope::decode_checked(data.payload) else {
                        self.counters.bad_payloads += 1;
                        continue;
                    };
                    if !event_row(&envelope, since, &mut row) {
                        continue;
                    }
                    row[at::EVENT_SEQ] = data.seq as f64;
                    cause.trace_hi = envelope.trace_hi;
                    cause.trace_lo = envelope.trace_lo;
                    cause.tick_mono_ns = match &envelope.payload {
                        Some(Payload::BookTop(top)) => top.tick_mono_ns,
                        Some(Payload::Trade(trade)) => trade.tick_mono_ns,
                        _ => 0,
                    };
                    // The clock was read before the socket, and an event is not taken before it happened.
                    cause.taken_mono_ns = now.max(cause.tick_mono_ns);
                }
                StreamWhat::Gap(gap) => {
                    self.counters.gaps += 1;
                    self.counters.missing += gap.count();
                    row[at::EVENT_KIND] = at::EVENT_KIND_GAP as f64;
                    row[at::GAP_FIRST] = gap.first as f64;
                    row[at::GAP_LAST] = gap.last as f64;
                    row[at::GAP_TOPIC_KIND] = kind as f64;
                }
                StreamWhat::Opened(opened) if opened.previous.is_some() => {
                    row[at::EVENT_KIND] = at::EVENT_KIND_STREAM_RESTART as f64;
                    row[at::GAP_TOPIC_KIND] = kind as f64;
                }
                StreamWhat::Stale | StreamWhat::Closed(_) => {
                    // A silent publisher may no longer be priced from: the strategy sees the instrument as stale.
                    row[at::EVENT_KIND] = at::EVENT_KIND_STATUS as f64;
                    row[at::STATUS_STATE] =
                        f64::from(tidegate_wire::pb::marketdata::v1::BookState::Stale as i32);
                }
                StreamWhat::Opened(_) | StreamWhat::Refused(_) => continue,
            }
            self.push(rows, &row, cause);
        }
        Ok(())
    }

    fn push(&mut self, rows: &mut [f64], row: &Row, cause: Cause) {
        let from = self.causes.len() * at::EVENT_DOUBLES;
        if let Some(place) = rows.get_mut(from..from + at::EVENT_DOUBLES) {
            place.copy_from_slice(row);
            self.causes.push(cause);
        }
    }

    /// Sends the intent `row` asks for, stamped with the event that caused it.
    pub fn submit(&mut self, row: &[f64]) -> Submitted {
        let now = clock::mono_ns();
        let place = row.get(at::INTENT_EVENT_INDEX).copied().unwrap_or(-1.0);
        let cause =
            if place >= 0.0 { self.causes.get(place as usize).copied() } else { None }.unwrap_or_default();
        let context = IntentContext {
            strategy: StrategyId(self.config.strategy_id),
            session_epoch: self.config.session_epoch,
            table_version: self.config.instrument_table_version,
            tick_mono_ns: cause.tick_mono_ns,
            now_mono_ns: now,
        };
        let Some(intent) = intent(row, &context) else {
            self.counters.malformed += 1;
            return Submitted::Malformed;
        };
        if !self.pair.has_room() {
            self.counters.no_credit += 1;
            return Submitted::NoCredit;
        }
        let id = id_of(intent.intent_id.as_ref());
        let wall = clock::epoch_ns();
        let span = span_id(cause.trace_hi, cause.trace_lo, STAGE);
        let message = Envelope {
            schema_version: 1,
            source: Source::StrategyRunner.into(),
            trace_hi: cause.trace_hi,
            trace_lo: cause.trace_lo,
            span_id: span,
            ts_event_ns: wall,
            ts_recv_ns: wall,
            payload: Some(Payload::Intent(intent)),
            ..Envelope::default()
        };
        if validate::envelope(&message).is_err() {
            self.counters.malformed += 1;
            return Submitted::Malformed;
        }
        self.buf.clear();
        envelope::encode_into(&mut self.buf, &message);
        let Some(link) = self.links.get_mut(self.pair.active()) else { return Submitted::NotSynced };
        match link.send(now, &self.buf) {
            Ok(_) => {
                self.pair.sent(id, &self.buf);
                self.counters.intents += 1;
                if span != 0 {
                    self.keep_span(&cause, now);
                }
                Submitted::Ok
            }
            Err(SendRefusal::NoCredit) => {
                self.counters.no_credit += 1;
                Submitted::NoCredit
            }
            Err(_) => {
                self.counters.not_synced += 1;
                Submitted::NotSynced
            }
        }
    }

    /// Keeps the span of an intent; those of one event share it.
    fn keep_span(&mut self, cause: &Cause, now: u64) {
        let Cause { trace_hi, trace_lo, taken_mono_ns, .. } = *cause;
        if let Some(last) = self.spans.last_mut()
            && (last.trace_hi, last.trace_lo) == (trace_hi, trace_lo)
        {
            last.end_mono_ns = now;
            last.intents += 1;
        } else if self.spans.len() >= SPANS_MAX {
            self.counters.spans_not_told += 1;
        } else {
            self.spans.push(Decided {
                trace_hi,
                trace_lo,
                start_mono_ns: taken_mono_ns,
                end_mono_ns: now,
                intents: 1,
            });
        }
    }

    fn take_spans(&mut self) -> Vec<Value> {
        let anchor = Anchor::now();
        let strategy = self.config.strategy_id;
        let span = |decided: Decided| {
            let Decided { trace_hi: hi, trace_lo: lo, start_mono_ns, end_mono_ns, intents } = decided;
            let span = Span {
                name: STAGE,
                trace: (hi, lo),
                id: span_id(hi, lo, STAGE),
                parent: span_id(hi, lo, CAUSE_STAGE),
                mono_ns: (start_mono_ns, end_mono_ns),
            };
            span.event(anchor, json!({ "strategy.id": strategy, "intents": intents }))
        };
        self.spans.drain(..).map(span).collect()
    }

    /// Counters, link state, and the spans since the last call.
    pub fn stats(&mut self) -> Value {
        let spans = self.take_spans();
        let c = &self.counters;
        json!({
            "events": c.events,
            "intents": c.intents,
            "noCredit": c.no_credit,
            "notSynced": c.not_synced,
            "malformed": c.malformed,
            "badPayloads": c.bad_payloads,
            "gaps": c.gaps,
            "missing": c.missing,
            "linkState": self.links.get(self.pair.active()).map(|link| link.state().name()),
            "inFlight": self.links.iter().map(|link| link.link().in_flight()).sum::<usize>(),
            "gatewayTurns": self.pair.turns,
            "spansNotTold": c.spans_not_told,
            "spans": spans,
        })
    }

    /// Ends the link in order, waiting a bounded time for the gateway to have everything, and closes.
    pub fn close(mut self) {
        for (link, seq) in self.links.iter_mut().zip(&mut self.to_ack) {
            if let Some(seq) = seq.take() {
                link.ack(seq);
            }
            link.bye();
        }
        for _ in 0..10 {
            let now = clock::mono_ns();
            for link in &mut self.links {
                let _ = link.tick(now);
                loop {
                    let seq = match link.recv(now) {
                        Ok(Some(LinkInput::Data { seq, .. })) => seq,
                        Ok(Some(LinkInput::Event { .. })) => continue,
                        _ => break,
                    };
                    link.ack(seq);
                }
            }
            if self.links.iter().all(|link| link.link().finished()) {
                break;
            }
            let mut items: Vec<_> = self.links.iter().map(LinkClient::poll_item).collect();
            let _ = zmq::poll(&mut items, 20);
        }
        self.links.into_iter().for_each(LinkClient::close);
        drop(self.md);
        drop(self.context);
    }
}

fn id_of(id: Option<&tidegate_wire::pb::common::v1::IntentId>) -> u128 {
    id.map_or(0, |id| IntentId::from_halves(id.hi, id.lo).0)
}

#[cfg(test)]
mod tests;
