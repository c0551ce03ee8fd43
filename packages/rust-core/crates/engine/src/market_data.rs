//! The market-data loop: venue sockets in, books and features, `md.` streams out.
//!
//! A depth snapshot comes from the shell: the loop emits `snapshot_wanted`, the shell fetches the REST body and calls
//! `{"op":"snapshot","instrument":id}` with it. Everything else happens on this thread.

mod feed;
pub mod limits;

use crate::anchor::Anchor;
use crate::latency::Latency;
use crate::span::{Span, SpanBudget};
use crate::{Call, Fault, Handle, Hot, clock, epoch, read_table, spawn, ws_item};
pub(crate) use feed::STAGE;
use feed::{Feed, Publication, Sink, Tracer};
use limits::{FEEDS_MAX, POLL_MS, SESSIONS_MAX, SPANS_PER_SECOND_MAX, STATS_PERIOD_NS};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use tidegate_bus::ends::{StreamPub, TopicId};
use tidegate_instruments::{Table, Venue};
use tidegate_units::InstrumentId;
use tidegate_venue_io::{Backoff, ConnectOptions, WsClient, WsEvent, WsState};
use tidegate_wire::ids::span_id;
use tidegate_wire::pb::marketdata::v1::BookState;
use tidegate_wire::topic::{MdKind, md_topic};

/// One websocket of one venue.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SessionConfig {
    /// With its streams, as `ws://host:port/stream?streams=btcusdt@depth@100ms/btcusdt@trade`.
    url: String,
    /// The instruments whose messages come over it.
    instrument_ids: Vec<u32>,
    /// Whether it carries the depth diffs: its life is the life of their books.
    carries_book: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    /// Where the streams are published: `ipc://s/md.sock`.
    endpoint: String,
    epoch_path: PathBuf,
    instruments_path: PathBuf,
    sessions: Vec<SessionConfig>,
    /// Whether each touch and trade gives a span; for runs with a trace collector.
    #[serde(default)]
    trace: bool,
}

fn read_config(text: &str) -> Result<(Config, Table), Fault> {
    let config: Config = serde_json::from_str(text)
        .map_err(|error| Fault(format!("cannot read the market-data configuration: {error}")))?;
    if config.sessions.is_empty() || config.sessions.len() > SESSIONS_MAX {
        return Err(Fault(format!(
            "sessions: there are {}, want 1 to {SESSIONS_MAX}",
            config.sessions.len()
        )));
    }
    let table = read_table(&config.instruments_path)?;
    Ok((config, table))
}

/// The publishing half: streams, latency and the way to JavaScript.
struct Out<'a> {
    hot: &'a Hot,
    publisher: StreamPub,
    topics: Vec<[TopicId; 4]>,
    latency: Latency,
    published: u64,
    fault: Option<Fault>,
    trace: bool,
    spans: SpanBudget,
}

impl Out<'_> {
    /// Tells the span from the socket to the published frame, which begins the trace.
    ///
    /// Spans share the way to JavaScript with log lines: a flood of them must not push those out.
    fn tell_span(&mut self, trace: (u64, u64), start: u64, now: u64, kind: MdKind) {
        if !self.spans.allows(now) {
            return;
        }
        let id = span_id(trace.0, trace.1, STAGE);
        let span = Span { name: STAGE, trace, id, parent: 0, mono_ns: (start, now) };
        self.hot.emit(span.event(Anchor::now(), json!({ "kind": kind.name() })));
    }
}

fn kind_index(kind: MdKind) -> usize {
    match kind {
        MdKind::Top => 0,
        MdKind::Depth => 1,
        MdKind::Trade => 2,
        MdKind::Status => 3,
    }
}

impl Sink for Out<'_> {
    fn publish(&mut self, publication: &Publication<'_>) {
        let Publication { feed, kind, payload, cause, trace } = *publication;
        let Some(topic) = self.topics.get(feed).and_then(|topics| topics.get(kind_index(kind))) else {
            return;
        };
        match self.publisher.publish(clock::mono_ns(), *topic, payload) {
            Ok(_) => self.published += 1,
            Err(error) => {
                self.fault = Some(Fault(format!("the market-data stream is broken: {error}")));
                return;
            }
        }
        // Depth and repeats wait by design; what a strategy waits for is the touch and the trades.
        if let (MdKind::Top | MdKind::Trade, Some(cause)) = (kind, cause) {
            let now = clock::mono_ns();
            self.latency.record(now.saturating_sub(cause.mono_ns));
            if self.trace {
                self.tell_span(trace, cause.mono_ns, now, kind);
            }
        }
    }

    fn emit(&mut self, event: Value) {
        self.hot.emit(event);
    }
}

/// One websocket and its way back after a failure.
struct Session {
    config: SessionConfig,
    feeds: Vec<usize>,
    client: Option<WsClient>,
    backoff: Backoff,
    retry_at: u64,
    opens: u64,
    failures: u64,
    messages: u64,
    last_fault: String,
}

impl Session {
    fn state(&self) -> &'static str {
        match self.client.as_ref().map(WsClient::state) {
            None | Some(WsState::Closed) => "WAITING",
            Some(WsState::Connecting) => "CONNECTING",
            Some(WsState::Handshaking) => "HANDSHAKING",
            Some(WsState::Open) => "OPEN",
        }
    }

    fn failed(&mut self, why: &str, now: u64) {
        self.client = None;
        self.failures += 1;
        self.last_fault = why.to_string();
        self.retry_at = self.backoff.next_at(now);
    }
}

/// The feed a message belongs to. With one instrument there is nothing to ask; with several the symbol's text decides.
fn route(session: &[usize], feeds: &[Feed], bytes: &[u8]) -> Option<usize> {
    if let [only] = session {
        return Some(*only);
    }
    session.iter().copied().find(|index| {
        feeds.get(*index).is_some_and(|feed| {
            let needle = format!("\"s\":\"{}\"", feed.instrument().symbol);
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        })
    })
}

/// Starts the loop.
///
/// # Errors
/// A configuration or table that cannot be used, a session number that cannot be raised.
pub fn start(config: &str) -> Result<Handle, Fault> {
    let (config, table) = read_config(config)?;
    let mut feeds: Vec<Feed> = Vec::new();
    let mut sessions: Vec<Session> = Vec::new();
    for (number, session) in config.sessions.iter().enumerate() {
        let mut own = Vec::new();
        for id in &session.instrument_ids {
            let at = feeds.iter().position(|feed| feed.instrument().id == *id);
            own.push(match at {
                Some(at) => at,
                None => {
                    let row = table.get(InstrumentId(*id)).ok_or_else(|| {
                        Fault(format!(
                            "sessions: instrument {id} is not in {}",
                            config.instruments_path.display()
                        ))
                    })?;
                    if !matches!(row.venue, Venue::BinanceSpot | Venue::BinanceUsdm | Venue::BinanceCoinm) {
                        let venue = row.venue.name();
                        return Err(Fault(format!(
                            "sessions: instrument {id} is of {venue}, which has no feed session"
                        )));
                    }
                    feeds.push(Feed::new(feeds.len(), row, table.version()));
                    feeds.len() - 1
                }
            });
        }
        if own.is_empty() {
            return Err(Fault(format!("sessions: {} names no instrument", session.url)));
        }
        sessions.push(Session {
            config: session.clone(),
            feeds: own,
            client: None,
            backoff: Backoff::new(number as u64 + 1),
            retry_at: 0,
            opens: 0,
            failures: 0,
            messages: 0,
            last_fault: String::new(),
        });
    }
    if feeds.len() > FEEDS_MAX {
        return Err(Fault(format!("sessions: {} instruments, want at most {FEEDS_MAX}", feeds.len())));
    }
    for feed in &feeds {
        let id = feed.instrument().id;
        let books =
            config.sessions.iter().filter(|s| s.carries_book && s.instrument_ids.contains(&id)).count();
        if books != 1 {
            return Err(Fault(format!(
                "sessions: the book of instrument {id} is carried by {books}, want 1"
            )));
        }
    }
    let session_epoch = epoch::next(&config.epoch_path)?;
    spawn("market-data", move |hot| run(&hot, &config, session_epoch, feeds, sessions))
}

fn run(
    hot: &Hot,
    config: &Config,
    session_epoch: u32,
    mut feeds: Vec<Feed>,
    mut sessions: Vec<Session>,
) -> Result<(), Fault> {
    let context = zmq::Context::new();
    let mut publisher = StreamPub::bind(&context, &config.endpoint, session_epoch)?;
    let mut topics = Vec::new();
    for feed in &feeds {
        let row = feed.instrument();
        let mut own = Vec::new();
        for kind in [MdKind::Top, MdKind::Depth, MdKind::Trade, MdKind::Status] {
            own.push(publisher.topic(&md_topic(row.venue_id, row.id, kind))?);
        }
        topics.push(own.try_into().map_err(|_| Fault("bug: a feed has four topics".into()))?);
    }
    let latency = Latency::new()?;
    let mut out = Out {
        hot,
        publisher,
        topics,
        latency,
        published: 0,
        fault: None,
        trace: config.trace,
        spans: SpanBudget::new(SPANS_PER_SECOND_MAX),
    };
    let mut tracer = Tracer::new(session_epoch);
    let mut stats_at = 0;
    hot.log("info", "market-data listens", json!({ "endpoint": config.endpoint, "epoch": session_epoch }));
    while !hot.stopping() {
        wait(hot, &sessions)?;
        for session in &mut sessions {
            drive(session, &mut feeds, &mut tracer, &mut out);
        }
        for call in hot.calls() {
            answer(call, &mut feeds, &mut tracer, &mut out);
        }
        let now = clock::now();
        for feed in &mut feeds {
            feed.tick(now, &mut tracer, &mut out);
        }
        out.publisher.tick(now.mono_ns)?;
        if let Some(fault) = out.fault.take() {
            return Err(fault);
        }
        if now.mono_ns.saturating_sub(stats_at) >= STATS_PERIOD_NS {
            stats_at = now.mono_ns;
            hot.set_stats(stats(&out, &feeds, &sessions, session_epoch));
        }
    }
    let at = clock::now();
    for session in &mut sessions {
        if let Some(client) = session.client.as_mut() {
            client.close();
        }
    }
    for feed in &mut feeds {
        feed.on_closed("market-data stops", at, &mut tracer, &mut out);
    }
    hot.set_stats(stats(&out, &feeds, &sessions, session_epoch));
    out.publisher.close(clock::mono_ns())?;
    Ok(())
}

fn wait(hot: &Hot, sessions: &[Session]) -> Result<(), Fault> {
    let clients = sessions.iter().filter_map(|session| session.client.as_ref());
    let busy = clients.clone().any(WsClient::more);
    hot.wait(clients.map(ws_item).collect(), busy, POLL_MS)
}

fn drive(session: &mut Session, feeds: &mut [Feed], tracer: &mut Tracer, out: &mut Out<'_>) {
    let now = clock::mono_ns();
    let Some(client) = session.client.as_mut() else {
        if now >= session.retry_at {
            match WsClient::connect(&session.config.url, ConnectOptions::default(), now) {
                Ok(client) => session.client = Some(client),
                Err(fault) => session.failed(&fault.to_string(), now),
            }
        }
        return;
    };
    let carries_book = session.config.carries_book;
    let (own, opens, messages) = (&session.feeds, &mut session.opens, &mut session.messages);
    let pumped = client.pump(now, |at, event| {
        if carries_book {
            for index in own {
                if let Some(feed) = feeds.get_mut(*index) {
                    feed.on_alive(at, tracer, out);
                }
            }
        }
        match event {
            WsEvent::Open => {
                *opens += 1;
                for index in own.iter().filter(|_| carries_book) {
                    if let Some(feed) = feeds.get_mut(*index) {
                        feed.on_open(at, tracer, out);
                    }
                }
            }
            WsEvent::Text(bytes) | WsEvent::Binary(bytes) => {
                *messages += 1;
                let feed = route(own, feeds, bytes).and_then(|index| feeds.get_mut(index));
                if let Some(feed) = feed {
                    feed.on_message(bytes, at, tracer, out);
                }
            }
            WsEvent::Ping(_) | WsEvent::Pong(_) | WsEvent::Close { .. } => {}
        }
    });
    match pumped {
        // Only a session that has spoken is worth a quick return.
        Ok(count) if count > 0 && client.state() == WsState::Open => session.backoff.reset(),
        Ok(_) => {}
        Err(fault) => {
            let why = format!("session lost: {fault}");
            let url = session.config.url.split('?').next().unwrap_or("").to_string();
            out.hot.log("warn", &why, json!({ "url": url }));
            let at = clock::now();
            for index in session.feeds.iter().filter(|_| carries_book) {
                if let Some(feed) = feeds.get_mut(*index) {
                    feed.on_closed(&why, at, tracer, out);
                }
            }
            session.failed(&why, at.mono_ns);
        }
    }
}

fn answer(call: Call, feeds: &mut [Feed], tracer: &mut Tracer, out: &mut Out<'_>) {
    let value = match call.request["op"].as_str() {
        Some("snapshot") => {
            let id = call.request["instrument"].as_u64();
            match feeds.iter_mut().find(|feed| Some(u64::from(feed.instrument().id)) == id) {
                Some(feed) => {
                    let at = clock::now();
                    let outcome = feed.on_snapshot(&call.body, at, tracer, out);
                    json!({ "ok": true, "outcome": outcome })
                }
                None => json!({ "ok": false, "error": "no such instrument here" }),
            }
        }
        Some(other) => json!({ "ok": false, "error": format!("no op is called {other}") }),
        None => json!({ "ok": false, "error": "op is missing" }),
    };
    call.answer(value);
}

fn stats(out: &Out<'_>, feeds: &[Feed], sessions: &[Session], session_epoch: u32) -> Value {
    let valid = feeds.iter().filter(|feed| feed.state() == BookState::Valid).count();
    let instruments: Vec<Value> = feeds.iter().map(Feed::stats).collect();
    let lag = instruments.iter().filter_map(|i| i["venueLagMs"].as_i64()).max();
    let refused: u64 = feeds.iter().map(Feed::refused).sum();
    let sum = |key: &str| instruments.iter().filter_map(|i| i[key].as_u64()).sum::<u64>();
    json!({
        "events": feeds.iter().map(|feed| feed.counts().events).sum::<u64>(),
        "state": if valid == feeds.len() { "VALID".to_string() } else { format!("{valid}/{} VALID", feeds.len()) },
        "lag": lag,
        "latency": out.latency.stats(),
        "epoch": session_epoch,
        "published": out.published,
        "spansNotTold": out.spans.not_told(),
        "unsent": out.publisher.unsent(),
        "refused": refused,
        "gaps": sum("gaps"),
        "resyncs": sum("resyncs"),
        "featureSetHash": tidegate_features::set_hash(),
        "instruments": instruments,
        "sessions": sessions.iter().map(|s| json!({
            "url": s.config.url,
            "state": s.state(),
            "opens": s.opens,
            "failures": s.failures,
            "messages": s.messages,
            "lastFault": s.last_fault,
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
