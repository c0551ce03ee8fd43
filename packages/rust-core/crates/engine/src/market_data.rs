//! The market-data loop: venue sockets in, books and features, `md.` streams out.
//!
//! A depth snapshot comes from the shell: the loop emits `snapshot_wanted`, the shell fetches the REST body and calls
//! `{"op":"snapshot","instrument":id}` with it. Everything else happens on this thread.

pub mod capture;
mod dialect;
mod features;
mod feed;
mod late;
pub mod limits;
mod rules;
mod slot;
mod tape;
mod wire;

use crate::anchor::Anchor;
use crate::latency::Latency;
use crate::span::{Span, SpanBudget};
use crate::{Call, Fault, Handle, Hot, clock, epoch, read_table, spawn};
use dialect::{Dialect, Key};
use features::{Features, PlanConfig};
pub(crate) use feed::STAGE;
use feed::{Feed, Publication, Sink, Tracer};
use late::Late;
use limits::{FEEDS_MAX, POLL_MS, SESSIONS_MAX, SLOTS_MAX, SPANS_PER_SECOND_MAX, STATS_PERIOD_NS};
use serde::Deserialize;
use serde_json::{Value, json};
use slot::{Around, Reader, Slot, Way};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_bus::ends::{StreamPub, TopicId};
use tidegate_feed::{ConnectBudget, Rules, State, Stream, shard};
use tidegate_instruments::{Table, Venue};
use tidegate_normalise::{Alpaca, Shioaji};
use tidegate_units::InstrumentId;
use tidegate_venue_io::{Dial, Stamp, Trust};
use tidegate_wire::ids::span_id;
use tidegate_wire::pb::marketdata::v1::BookState;
use tidegate_wire::topic::{MdKind, md_topic};

/// One stream of an instrument.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StreamConfig {
    /// As the dialect spells it.
    name: String,
    /// Whether the venue counts it against its cap.
    #[serde(default = "yes")]
    counted: bool,
}

const fn yes() -> bool {
    true
}

/// One session of one venue; it may take several connections.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SessionConfig {
    /// As logs and statistics call it; `session` and its number where it has none.
    #[serde(default)]
    name: String,
    /// `wss://host/path`, with its streams as `?streams=…` where `streams` is empty; for Shioaji the daemon's base URL.
    url: String,
    /// The instruments whose messages come over it.
    instrument_ids: Vec<u32>,
    /// Whether it carries the books: its life is the life of their books.
    carries_book: bool,
    #[serde(default)]
    dialect: Dialect,
    /// The venue's rules; those of a venue without any where absent.
    #[serde(default)]
    rules: Option<Rules>,
    /// The streams of each instrument, in the order of `instrument_ids`; empty = the URL names them.
    #[serde(default)]
    streams: Vec<Vec<StreamConfig>>,
    /// Whether the first streams are asked for in the URL.
    #[serde(default)]
    streams_in_url: bool,
    /// `{"key": …, "secret": …}` in a file or an open descriptor.
    #[serde(default)]
    key_file: Option<PathBuf>,
    /// Certificate authorities beside the public ones, PEM.
    #[serde(default)]
    ca_file: Option<PathBuf>,
}

/// The rules of a session that was given none: reconnects without end, no login, no cap worth the name.
fn plain_rules() -> Rules {
    Rules {
        connect_timeout_ms: tidegate_venue_io::limits::CONNECT_TIMEOUT_MS,
        auth_timeout_ms: 0,
        subscribe_timeout_ms: 5_000,
        backoff_ms_min: tidegate_venue_io::limits::BACKOFF_MS_MIN,
        backoff_ms_max: tidegate_venue_io::limits::BACKOFF_MS_MAX,
        fatal_codes: Vec::new(),
        wait_codes: Vec::new(),
        stream_codes: Vec::new(),
        ignored_codes: Vec::new(),
        streams_per_connection: 1_024,
        connections_max: 1,
        streams_per_message: 200,
        messages_per_second: 5,
        connects_max: 0,
        connect_window_ms: 0,
        ping_after_ms: 10_000,
        idle_timeout_ms: 30_000,
        stale_after_ms: limits::STALE_AFTER_NS / 1_000_000,
        life_ms: 0,
        roll_before_ms: 0,
        overlap_ms: 0,
        watchdog: tidegate_feed::rules::Watchdog::default(),
        windows: None,
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    /// Where the streams are published: `ipc://s/md.sock`.
    endpoint: String,
    epoch_path: PathBuf,
    instruments_path: PathBuf,
    sessions: Vec<SessionConfig>,
    /// Where late joiners ask for the state of a stream: `ipc://s/md-snapshot.sock`; absent = nobody may.
    #[serde(default)]
    snapshot_endpoint: Option<String>,
    /// Whether every message is published as it came, on `raw.<session>.`, for the recorder.
    #[serde(default)]
    capture: bool,
    /// Whether each touch and trade gives a span; for runs with a trace collector.
    #[serde(default)]
    trace: bool,
    /// What is computed of which instrument; `lob_basic_v1` of each where absent.
    #[serde(default)]
    features: PlanConfig,
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
    late: Late,
    /// The capture stream of each session; empty where nothing is captured.
    captures: BTreeMap<String, TopicId>,
    captured: u64,
    /// Messages no capture can hold.
    not_captured: u64,
    record: Vec<u8>,
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
            Ok(_) => {
                self.published += 1;
                self.late.published(feed, kind, payload);
            }
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

    fn raw(&mut self, at: Stamp, session: &str, name: &[u8], bytes: &[u8]) {
        let Some(topic) = self.captures.get(session).copied() else { return };
        let (publisher, fault) = (&mut self.publisher, &mut self.fault);
        let told = capture::records(at, name, bytes, &mut self.record, |record| {
            if let Err(error) = publisher.publish(clock::mono_ns(), topic, record) {
                fault.get_or_insert(Fault(format!("the capture stream is broken: {error}")));
            }
        });
        match told {
            Some(_) => self.captured += 1,
            None => self.not_captured += 1,
        }
    }
}

/// The shards of one session: as few connections as its venue's caps allow, each with whole instruments.
fn slots_of(
    number: usize,
    config: &SessionConfig,
    feeds: &[Feed],
    own: &[usize],
) -> Result<Vec<Slot>, Fault> {
    let name = if config.name.is_empty() { format!("session{number}") } else { config.name.clone() };
    let wrong = |what: String| Fault(format!("session {name}: {what}"));
    let rules = config.rules.clone().unwrap_or_else(plain_rules);
    rules.check().map_err(|e| wrong(e.to_string()))?;
    let key = config.key_file.as_deref().map(Key::read).transpose()?;
    if key.is_none() && rules.auth_timeout_ms > 0 {
        return Err(wrong("the venue wants a login; name a keyFile".into()));
    }
    let trust = config.ca_file.as_deref().map(Trust::with_ca_file).transpose().map_err(wrong)?;
    let fixed = config.streams.is_empty();
    if !fixed && config.streams.len() != config.instrument_ids.len() {
        return Err(wrong(format!(
            "streams of {} instruments for {}; want one list each",
            config.streams.len(),
            config.instrument_ids.len()
        )));
    }
    let groups: Vec<Vec<Stream>> = if fixed {
        vec![Vec::new(); own.len()]
    } else {
        let stream = |s: &StreamConfig| Stream { name: s.name.clone(), counted: s.counted };
        config.streams.iter().map(|group| group.iter().map(stream).collect()).collect()
    };
    // A URL that names its streams is one connection: there is nothing to lay out.
    let shards = shard(&groups, &rules).map_err(|e| wrong(e.to_string()))?;
    let fixed_streams: Vec<Stream> = match config.url.split_once("streams=") {
        Some((_, list)) if fixed => list.split('/').map(Stream::counted).collect(),
        _ => Vec::new(),
    };
    let mut slots = Vec::new();
    for (at, shard) in shards.iter().enumerate() {
        let way = Way {
            name: if shards.len() == 1 { name.clone() } else { format!("{name}.{at}") },
            url: config.url.clone(),
            dialect: config.dialect,
            carries_book: config.carries_book,
            streams_in_url: config.streams_in_url && !fixed,
            fixed: fixed_streams.iter().map(|s| s.name.clone()).collect(),
            dial: Dial { trust: trust.clone(), headers: Vec::new() },
            key: key.clone(),
        };
        let of_group = |group: &usize| groups.get(*group).cloned().unwrap_or_default();
        let mut streams: Vec<Stream> = shard.iter().flat_map(of_group).collect();
        streams.extend(fixed_streams.iter().cloned());
        let own_feeds: Vec<(usize, &Feed)> = shard
            .iter()
            .filter_map(|group| {
                own.get(*group).and_then(|index| feeds.get(*index).map(|feed| (*index, feed)))
            })
            .collect();
        let venue = own_feeds.first().map(|(_, feed)| feed.instrument().venue);
        if own_feeds.iter().any(|(_, feed)| Some(feed.instrument().venue) != venue) {
            return Err(wrong("its instruments are of several venues; want one".into()));
        }
        let specs = || own_feeds.iter().map(|(_, feed)| feed.spec()).collect::<Vec<_>>();
        let reader = match venue {
            Some(Venue::Alpaca | Venue::AlpacaCrypto) => Reader::Alpaca(Box::new(Alpaca::of(specs()))),
            Some(Venue::Shioaji) => Reader::Shioaji(Box::new(Shioaji::of(specs()))),
            _ => Reader::Feeds,
        };
        let symbols =
            own_feeds.iter().map(|(index, feed)| (*index, feed.instrument().symbol.clone())).collect();
        let seed = (number * SLOTS_MAX + at) as u64 + 1;
        slots.push(Slot::new(way, rules.clone(), &streams, (reader, symbols), seed));
    }
    Ok(slots)
}

/// Starts the loop.
///
/// # Errors
/// A configuration or table that cannot be used, a session number that cannot be raised.
pub fn start(config: &str) -> Result<Handle, Fault> {
    let (config, table) = read_config(config)?;
    let mut feeds: Vec<Feed> = Vec::new();
    let mut slots: Vec<Slot> = Vec::new();
    let mut budgets: Vec<ConnectBudget> = Vec::new();
    let mut budget_of: Vec<usize> = Vec::new();
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
                    let none = Features::none();
                    feeds.push(Feed::new(feeds.len(), row, table.version(), none));
                    feeds.len() - 1
                }
            });
        }
        if own.is_empty() {
            return Err(Fault(format!("sessions: {} names no instrument", session.url)));
        }
        let own_slots = slots_of(number, session, &feeds, &own)?;
        let rules = session.rules.clone().unwrap_or_else(plain_rules);
        budgets.push(ConnectBudget::new(rules.connects_max, rules.connect_window_ms));
        budget_of.extend(own_slots.iter().map(|_| number));
        slots.extend(own_slots);
    }
    if slots.len() > SLOTS_MAX {
        return Err(Fault(format!("sessions: {} connections, want at most {SLOTS_MAX}", slots.len())));
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
    place(&mut feeds, &config.features)?;
    let session_epoch = epoch::next(&config.epoch_path)?;
    spawn("market-data", move |hot| run(&hot, &config, session_epoch, feeds, slots, (budgets, budget_of)))
}

/// Gives each feed fresh kernels by a plan, or changes nothing.
fn place(feeds: &mut [Feed], plan: &PlanConfig) -> Result<(), Fault> {
    let ids: Vec<u32> = feeds.iter().map(|feed| feed.instrument().id).collect();
    let built = plan.build(&ids)?;
    for (feed, features) in feeds.iter_mut().zip(built) {
        feed.place(features);
    }
    Ok(())
}

fn run(
    hot: &Hot,
    config: &Config,
    session_epoch: u32,
    mut feeds: Vec<Feed>,
    mut slots: Vec<Slot>,
    (mut budgets, budget_of): (Vec<ConnectBudget>, Vec<usize>),
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
    let ids: Vec<(u32, u32)> = feeds.iter().map(|f| (f.instrument().venue_id, f.instrument().id)).collect();
    let late = Late::new(&context, config.snapshot_endpoint.as_deref(), session_epoch, &ids)?;
    let mut captures = BTreeMap::new();
    for slot in slots.iter().filter(|_| config.capture) {
        captures.insert(slot.name().to_string(), publisher.topic(&format!("raw.{}.", slot.name()))?);
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
        late,
        captures,
        captured: 0,
        not_captured: 0,
        record: Vec::new(),
    };
    let mut tracer = Tracer::new(session_epoch);
    let mut stats_at = 0;
    hot.log("info", "market-data listens", json!({ "endpoint": config.endpoint, "epoch": session_epoch }));
    while !hot.stopping() {
        wait(hot, &slots, &out.late)?;
        for (slot, number) in slots.iter_mut().zip(&budget_of) {
            let Some(budget) = budgets.get_mut(*number) else { continue };
            let (feeds, tracer, sink) = (&mut feeds, &mut tracer, &mut out);
            slot.drive(&mut Around { feeds, tracer, sink, budget });
        }
        for call in hot.calls() {
            let (feeds, tracer, sink) = (&mut feeds, &mut tracer, &mut out);
            let mut no_bound = ConnectBudget::new(0, 0);
            answer(call, &mut slots, &mut Around { feeds, tracer, sink, budget: &mut no_bound });
        }
        let now = clock::now();
        for feed in &mut feeds {
            feed.tick(now, &mut tracer, &mut out);
        }
        out.late.turn(&mut out.publisher, &out.topics)?;
        out.publisher.tick(now.mono_ns)?;
        if let Some(fault) = out.fault.take() {
            return Err(fault);
        }
        if now.mono_ns.saturating_sub(stats_at) >= STATS_PERIOD_NS {
            stats_at = now.mono_ns;
            hot.set_stats(stats(&out, &feeds, &slots, session_epoch));
        }
    }
    let at = clock::now();
    for slot in &mut slots {
        let mut budget = ConnectBudget::new(0, 0);
        slot.stop(&mut Around {
            feeds: &mut feeds,
            tracer: &mut tracer,
            sink: &mut out,
            budget: &mut budget,
        });
    }
    for feed in &mut feeds {
        feed.on_closed("market-data stops", at, &mut tracer, &mut out);
    }
    hot.set_stats(stats(&out, &feeds, &slots, session_epoch));
    out.late.close();
    out.publisher.close(clock::mono_ns())?;
    Ok(())
}

fn wait(hot: &Hot, slots: &[Slot], late: &Late) -> Result<(), Fault> {
    let busy = slots.iter().any(Slot::more) || late.has_waiting();
    let item = |(fd, write): (i32, bool)| {
        zmq::PollItem::from_fd(fd, if write { zmq::POLLIN | zmq::POLLOUT } else { zmq::POLLIN })
    };
    let items = slots.iter().flat_map(Slot::poll).map(item).chain(late.poll_item());
    hot.wait(items.collect(), busy, POLL_MS)
}

/// The streams of a call that changes what should flow.
fn wanted_of(call: &Call) -> Option<Vec<Stream>> {
    let list = call.request["streams"].as_array()?;
    let stream = |v: &Value| {
        Some(Stream {
            name: v["name"].as_str()?.to_string(),
            counted: v["counted"].as_bool().unwrap_or(true),
        })
    };
    list.iter().map(stream).collect()
}

/// A page of trades that a lost connection left out.
fn trades(call: &Call, around: &mut Around<'_, Out<'_>>) -> Result<Value, &'static str> {
    let id = call.request["instrument"].as_u64();
    let loss = call.request["loss"].as_u64().ok_or("want loss: that of trades_wanted")?;
    let last = call.request["last"].as_bool().ok_or("want last: whether no page follows")?;
    let feed = around.feeds.iter_mut().find(|feed| Some(u64::from(feed.instrument().id)) == id);
    let feed = feed.ok_or("no such instrument here")?;
    let filled = feed.on_trades(&call.body, (loss, last), clock::now(), around.tracer, around.sink)?;
    Ok(
        json!({ "ok": true, "merged": filled.merged, "known": filled.known, "refused": filled.refused, "closed": filled.closed }),
    )
}

fn answer(call: Call, slots: &mut [Slot], around: &mut Around<'_, Out<'_>>) {
    let slot = slots.iter_mut().find(|slot| Some(slot.name()) == call.request["session"].as_str());
    let value = match call.request["op"].as_str() {
        Some("snapshot") => {
            let id = call.request["instrument"].as_u64();
            match around.feeds.iter_mut().find(|feed| Some(u64::from(feed.instrument().id)) == id) {
                Some(feed) => {
                    let at = clock::now();
                    let outcome = feed.on_snapshot(&call.body, at, around.tracer, around.sink);
                    json!({ "ok": true, "outcome": outcome })
                }
                None => json!({ "ok": false, "error": "no such instrument here" }),
            }
        }
        Some("trades") => match trades(&call, around) {
            Ok(value) => value,
            Err(error) => json!({ "ok": false, "error": error }),
        },
        Some("subscribe") => match (slot, wanted_of(&call)) {
            (Some(slot), Some(streams)) => match shard(std::slice::from_ref(&streams), slot.rules()) {
                Ok(_) => {
                    slot.want(&streams, around);
                    json!({ "ok": true })
                }
                Err(fault) => json!({ "ok": false, "error": fault.to_string() }),
            },
            (None, _) => json!({ "ok": false, "error": "no such session here; statistics name them" }),
            (_, None) => json!({ "ok": false, "error": "want streams: [{name, counted}]" }),
        },
        // Between two batches: no message carries a part of each plan.
        Some("features") => match serde_json::from_value::<PlanConfig>(call.request["features"].clone()) {
            Ok(plan) => match place(around.feeds, &plan) {
                Ok(()) => json!({ "ok": true }),
                Err(fault) => json!({ "ok": false, "error": fault.0 }),
            },
            Err(error) => json!({ "ok": false, "error": format!("features: {error}") }),
        },
        Some("reset") => match slot {
            Some(slot) => {
                slot.reset(around);
                json!({ "ok": true })
            }
            None => json!({ "ok": false, "error": "no such session here; statistics name them" }),
        },
        Some(other) => json!({ "ok": false, "error": format!("no op is called {other}") }),
        None => json!({ "ok": false, "error": "op is missing" }),
    };
    call.answer(value);
}

fn stats(out: &Out<'_>, feeds: &[Feed], slots: &[Slot], session_epoch: u32) -> Value {
    let valid = feeds.iter().filter(|feed| feed.state() == BookState::Valid).count();
    let instruments: Vec<Value> = feeds.iter().map(Feed::stats).collect();
    let lag = instruments.iter().filter_map(|i| i["venueLagMs"].as_i64()).max();
    let refused: u64 = feeds.iter().map(Feed::refused).sum();
    let sessions: Vec<Value> = slots.iter().map(Slot::stats).collect();
    let total = |key: &str| sessions.iter().filter_map(|s| s[key].as_u64()).sum::<u64>();
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
        "featureSetHash": feeds.first().map_or(0, Feed::feature_hash),
        "instruments": instruments,
        "sessionsFatal": slots.iter().filter(|s| s.state() == State::Fatal).count(),
        "sessionsLive": slots.iter().filter(|s| s.state() == State::Live).count(),
        "snapshotsServed": out.late.answered,
        "snapshotRequestsRefused": out.late.refused,
        "captured": out.captured,
        "notCaptured": out.not_captured,
        "sessionRefusals": total("refusals"),
        "streamRefusals": total("streamRefusals"),
        "streamsGivenUp": total("streamsGivenUp"),
        "schemaRefused": total("schemaRefused"),
        "sessionRolls": total("rolls"),
        "sessions": sessions,
    })
}

#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod tests;
