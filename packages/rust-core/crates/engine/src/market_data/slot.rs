//! One shard of a venue's session: its connection, the next one of a roll, and the feeds that hang on it.

use super::dialect::{Control, Dialect, Key, Talk};
use super::feed::{Feed, Sink, Tracer};
use super::limits::{CONTROLS_MAX, SPARE_BYTES_MAX, SPARE_FRAMES_MAX, URL_STREAMS_MAX};
use super::wire::{Came, Lost, Wire};
use crate::clock;
use crate::hot::log_event;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use tidegate_feed::{Cause, ConnectBudget, Effect, Event, Now, Rules, Session, State, Stream, VersionLock};
use tidegate_normalise::{Alpaca, Shioaji};
use tidegate_venue_io::names::{self, Lookup};
use tidegate_venue_io::net::{Family, NetFault};
use tidegate_venue_io::{Dial, Stamp};
use tidegate_wire::pb::marketdata::v1::BookState;

/// Who reads a slot's messages.
#[derive(Debug)]
pub enum Reader {
    /// Each feed its own (Binance).
    Feeds,
    /// One reader for all instruments of the slot, by their place in it.
    Alpaca(Box<Alpaca>),
    Shioaji(Box<Shioaji>),
}

impl Reader {
    /// Reads one message and gives its events to their feeds. Gives whether it was for a feed of the slot.
    fn read<S: Sink>(
        &mut self,
        (feeds, by_symbol): (&[usize], &BTreeMap<Vec<u8>, usize>),
        (at, name, bytes): (Stamp, &[u8], &[u8]),
        (all, tracer, sink): (&mut [Feed], &mut Tracer, &mut S),
    ) -> bool {
        let mut give = |place: usize, event: tidegate_normalise::Event<'_>| {
            if let Some(feed) = feeds.get(place).and_then(|index| all.get_mut(*index)) {
                feed.on_event(event, at, tracer, sink);
            }
        };
        match self {
            Self::Feeds => {
                let Some(feed) = route(feeds, by_symbol, bytes).and_then(|index| all.get_mut(index)) else {
                    return false;
                };
                feed.on_message(bytes, at, tracer, sink);
                true
            }
            Self::Alpaca(reader) => reader.parse(bytes, &mut give).is_ok(),
            Self::Shioaji(reader) => reader.parse(name, bytes, &mut give).is_ok(),
        }
    }

    fn refused(&self) -> serde_json::Map<String, Value> {
        let counts = match self {
            Self::Feeds => return serde_json::Map::new(),
            Self::Alpaca(reader) => reader.refused(),
            Self::Shioaji(reader) => reader.refused(),
        };
        counts.nonzero().map(|(name, n)| (name.to_string(), n.into())).collect()
    }
}

/// How a slot's connections are made.
#[derive(Debug, Clone)]
pub struct Way {
    /// As logs and statistics name it: `binance-spot.0`.
    pub name: String,
    /// The websocket's URL, or the daemon's base.
    pub url: String,
    pub dialect: Dialect,
    pub carries_book: bool,
    /// Whether streams are asked for in the URL, as `?streams=a/b`.
    pub streams_in_url: bool,
    /// Streams the configured URL asks for already.
    pub fixed: Vec<String>,
    pub dial: Dial,
    pub key: Option<Key>,
}

/// One connection and its session.
#[derive(Debug)]
struct Line {
    session: Session,
    wire: Option<Wire>,
    talk: Talk,
    /// Streams the URL of this connection asked for.
    in_url: Vec<String>,
    /// A connection is wanted and the name of its host is being looked up.
    naming: bool,
    live_since: Option<u64>,
}

impl Line {
    fn new(session: Session, dialect: Dialect) -> Self {
        Self {
            session,
            wire: None,
            talk: Talk::new(dialect),
            in_url: Vec::new(),
            naming: false,
            live_since: None,
        }
    }

    /// Begins to connect; while the name of the host is being looked up nothing happens, and it is to be called again.
    fn open(&mut self, way: &Way, now: u64) -> Result<(), Lost> {
        let family = if way.dialect == Dialect::Shioaji { Family::Http } else { Family::Websocket };
        let named = names::global().of_url(&way.url, family).map_err(|fault| {
            Lost::of(match fault {
                NetFault::BadUrl(why) | NetFault::Connect(why) => why,
            })
        })?;
        self.naming = named == Some(Lookup::Pending);
        if self.naming {
            return Ok(());
        }
        if let Some(Lookup::Failed(why)) = named {
            return Err(Lost::of(why));
        }
        self.talk = Talk::new(way.dialect);
        self.in_url.clone_from(&way.fixed);
        let mut url = way.url.clone();
        if way.streams_in_url {
            let names: Vec<String> =
                self.session.wanted().take(URL_STREAMS_MAX).map(str::to_string).collect();
            url = format!("{url}?streams={}", names.join("/"));
            self.in_url = names;
        }
        let rules = self.session.rules();
        self.wire = Some(match way.dialect {
            Dialect::Binance | Dialect::Alpaca => Wire::ws(&url, rules, &way.dial, now)?,
            Dialect::Shioaji => {
                let mut headers = way.dial.headers.clone();
                if let Some(key) = &way.key {
                    headers.push(("Authorization".into(), format!("Bearer {}:{}", key.key, key.secret)));
                }
                Wire::sse(&url, "/api/v1/stream/data", &headers, way.dial.trust.clone(), rules, now)?
            }
        });
        Ok(())
    }
}

/// Counters of a slot beside those of its session.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    messages: u64,
    unrouted: u64,
    failures: u64,
    takeovers: u64,
    spare_overflows: u64,
    controls_dropped: u64,
    /// Connections put off because the venue's budget of attempts was used up.
    put_off: u64,
}

/// One shard.
#[derive(Debug)]
pub struct Slot {
    way: Way,
    reader: Reader,
    feeds: Vec<usize>,
    by_symbol: BTreeMap<Vec<u8>, usize>,
    line: Line,
    spare: Option<Line>,
    kept: VecDeque<(Stamp, Vec<u8>)>,
    kept_bytes: usize,
    lock: VersionLock,
    was_synced: bool,
    counts: Counts,
    last_fault: String,
    fatal_code: Option<u32>,
    given_up: Vec<String>,
}

/// What a slot works on.
pub struct Around<'a, S> {
    pub feeds: &'a mut [Feed],
    pub tracer: &'a mut Tracer,
    pub sink: &'a mut S,
    pub budget: &'a mut ConnectBudget,
}

fn now() -> (Now, u64) {
    let at = clock::now();
    (Now { mono_ns: at.mono_ns, epoch_ns: at.epoch_ns }, at.mono_ns)
}

impl Slot {
    /// A slot that has not begun. `feeds` are the indices of its instruments, with the symbols the venue's messages name.
    pub fn new(
        way: Way,
        rules: Rules,
        streams: &[Stream],
        (reader, feeds): (Reader, Vec<(usize, String)>),
        seed: u64,
    ) -> Self {
        let mut session = Session::new(rules, 0, way.carries_book, seed);
        session.prepare(streams);
        let by_symbol = feeds.iter().map(|(index, symbol)| (symbol.clone().into_bytes(), *index)).collect();
        Self {
            line: Line::new(session, way.dialect),
            reader,
            feeds: feeds.into_iter().map(|(index, _)| index).collect(),
            by_symbol,
            way,
            spare: None,
            kept: VecDeque::new(),
            kept_bytes: 0,
            lock: VersionLock::new(),
            was_synced: false,
            counts: Counts::default(),
            last_fault: String::new(),
            fatal_code: None,
            given_up: Vec::new(),
        }
    }

    pub fn state(&self) -> State {
        self.line.session.state()
    }

    /// What to poll.
    pub fn poll(&self) -> impl Iterator<Item = (i32, bool)> {
        let wires = self.line.wire.iter().chain(self.spare.iter().filter_map(|s| s.wire.as_ref()));
        wires.flat_map(Wire::poll)
    }

    pub fn more(&self) -> bool {
        let wires = self.line.wire.iter().chain(self.spare.iter().filter_map(|s| s.wire.as_ref()));
        wires.into_iter().any(Wire::more)
    }

    /// One turn: what came, what time demands, what follows.
    pub fn drive<S: Sink>(&mut self, around: &mut Around<'_, S>) {
        self.drive_line(around);
        self.drive_spare(around);
    }

    fn drive_line<S: Sink>(&mut self, around: &mut Around<'_, S>) {
        if self.line.naming {
            let (when, mono) = now();
            if let Err(lost) = self.line.open(&self.way, mono) {
                let mut effects = Vec::new();
                self.lost(&lost, when, around, &mut effects);
                self.carry_out(effects, around);
            }
        }
        let (mut controls, mut opened, mut data, mut ponged) = (Vec::new(), false, false, 0_u32);
        let (when, mono) = now();
        let pumped = match self.line.wire.as_mut() {
            None => Ok(0),
            Some(wire) => {
                let (way, feeds, by_symbol) = (&self.way, &self.feeds, &self.by_symbol);
                let (talk, lock, counts) = (&mut self.line.talk, &mut self.lock, &mut self.counts);
                let reader = &mut self.reader;
                let (all, tracer, sink) = (&mut *around.feeds, &mut *around.tracer, &mut *around.sink);
                wire.pump(mono, |at, came| {
                    if way.carries_book {
                        for index in feeds {
                            if let Some(feed) = all.get_mut(*index) {
                                feed.on_alive(at, tracer, sink);
                            }
                        }
                    }
                    match came {
                        Came::Open => {
                            opened = true;
                            for index in feeds.iter().filter(|_| way.carries_book) {
                                if let Some(feed) = all.get_mut(*index) {
                                    feed.on_open(at, tracer, sink);
                                }
                            }
                        }
                        Came::Message { name, bytes } => {
                            counts.messages += 1;
                            sink.raw(at, &way.name, name, bytes);
                            if let Some(said) = talk.control(bytes) {
                                keep(&mut controls, said, counts);
                                return;
                            }
                            if way.dialect == Dialect::Shioaji && lock.admit(bytes).is_err() {
                                return;
                            }
                            data = true;
                            let message = (at, name, bytes);
                            if !reader.read(
                                (feeds, by_symbol),
                                message,
                                (&mut *all, &mut *tracer, &mut *sink),
                            ) {
                                counts.unrouted += 1;
                            }
                        }
                        Came::Ponged => ponged += 1,
                        Came::Sign => {}
                        Came::Answer(control) => keep(&mut controls, vec![control], counts),
                    }
                })
            }
        };
        let mut effects = Vec::new();
        let session = &mut self.line.session;
        if opened {
            let held: Vec<&str> = self.line.in_url.iter().map(String::as_str).collect();
            session.step(Event::Opened { held: &held }, when, &mut effects);
        }
        for _ in 0..ponged {
            session.step(Event::Spoke, when, &mut effects);
        }
        for control in &controls {
            say(session, control, when, &mut effects);
            if let Control::Refused { code, text } = control {
                self.last_fault = format!("{code} {text}");
            }
        }
        match pumped {
            Ok(count) if data => {
                let _ = count;
                session.step(Event::Data, when, &mut effects);
            }
            Ok(count) if count > 0 => session.step(Event::Alive, when, &mut effects),
            Ok(_) => {}
            Err(lost) => self.lost(&lost, when, around, &mut effects),
        }
        self.look_at_books(around, when, &mut effects);
        self.line.session.step(Event::Tick, when, &mut effects);
        self.carry_out(effects, around);
    }

    /// Tells the session when its books came into step or fell out of it.
    fn look_at_books<S: Sink>(&mut self, around: &Around<'_, S>, when: Now, effects: &mut Vec<Effect>) {
        if !self.way.carries_book {
            return;
        }
        let synced = self.feeds.iter().all(|index| {
            around.feeds.get(*index).is_some_and(|f| matches!(f.state(), BookState::Valid | BookState::Stale))
        });
        if synced != self.was_synced {
            self.was_synced = synced;
            let event = if synced { Event::Synced } else { Event::Desynced };
            self.line.session.step(event, when, effects);
        }
    }

    fn lost<S: Sink>(
        &mut self,
        lost: &Lost,
        when: Now,
        around: &mut Around<'_, S>,
        effects: &mut Vec<Effect>,
    ) {
        self.counts.failures += 1;
        self.last_fault = lost.text.clone();
        let ready = self.spare.as_ref().is_some_and(|s| s.session.state().connected());
        if ready && self.line.session.state().connected() {
            // The next connection runs already: the books go on over it, and their ids tell whether anything is missing.
            self.line.wire = None;
            self.take_over(around);
            return;
        }
        let event = Event::Lost { code: lost.code, reason: &lost.text, wait_ms: lost.wait_ms };
        self.line.session.step(event, when, effects);
    }

    fn carry_out<S: Sink>(&mut self, effects: Vec<Effect>, around: &mut Around<'_, S>) {
        let mut waiting: VecDeque<Effect> = effects.into();
        while let Some(effect) = waiting.pop_front() {
            let (when, mono) = now();
            let mut more = Vec::new();
            match effect {
                Effect::Connect { .. } => {
                    let outcome = if around.budget.try_take(mono) {
                        self.line.open(&self.way, mono)
                    } else {
                        self.counts.put_off += 1;
                        Err(Lost {
                            code: 0,
                            wait_ms: Some(1_000),
                            text: "the venue's budget of connections is used up".into(),
                        })
                    };
                    if let Err(lost) = outcome {
                        self.counts.failures += 1;
                        self.last_fault = lost.text.clone();
                        let event =
                            Event::Lost { code: lost.code, reason: &lost.text, wait_ms: lost.wait_ms };
                        self.line.session.step(event, when, &mut more);
                    }
                }
                Effect::Close { cause } => self.closed(cause, around),
                Effect::BeginNext { cause } => {
                    let fields = json!({ "session": self.way.name, "cause": cause.name() });
                    around.sink.emit(log_event("info", "the next connection begins", fields));
                    let next = Session::successor(&self.line.session, false);
                    self.spare = Some(Line::new(next, self.way.dialect));
                }
                Effect::GaveUp { stream } => {
                    let fields = json!({ "session": self.way.name, "stream": stream });
                    around.sink.emit(log_event("error", "the venue refuses this stream; given up", fields));
                    if self.given_up.len() < tidegate_feed::limits::STREAMS_MAX {
                        self.given_up.push(stream);
                    }
                }
                Effect::Fatal { code } => {
                    self.fatal_code = Some(code);
                    let fields = json!({ "session": self.way.name, "code": code, "reason": self.last_fault,
                        "remedy": "set right what the code says (key, plan, or a second connection), then reset the session" });
                    around.sink.emit(log_event("error", "session ended by the venue for good", fields));
                }
                speech => {
                    if let Err(lost) = speak(&mut self.line, &self.way, &speech, when, &mut more) {
                        self.lost(&lost, when, around, &mut more);
                    }
                }
            }
            waiting.extend(more);
        }
    }

    fn closed<S: Sink>(&mut self, cause: Cause, around: &mut Around<'_, S>) {
        self.line.naming = false;
        if let Some(mut wire) = self.line.wire.take() {
            wire.close();
        }
        self.was_synced = false;
        self.forget_spare();
        let reason = self.line.session.reason();
        let why = match cause {
            Cause::Lost | Cause::Code => format!(
                "session lost: {}",
                if self.last_fault.is_empty() { reason } else { &self.last_fault }
            ),
            other => format!("session ended: {} {reason}", other.name()),
        };
        let fields =
            json!({ "session": self.way.name, "cause": cause.name(), "epoch": self.line.session.epoch() });
        around.sink.emit(log_event(if cause == Cause::Stopped { "info" } else { "warn" }, &why, fields));
        let at = clock::now();
        for index in self.feeds.iter().filter(|_| self.way.carries_book) {
            if let Some(feed) = around.feeds.get_mut(*index) {
                feed.on_closed(&why, at, around.tracer, around.sink);
            }
        }
    }

    fn forget_spare(&mut self) {
        self.spare = None;
        self.kept.clear();
        self.kept_bytes = 0;
    }

    fn drive_spare<S: Sink>(&mut self, around: &mut Around<'_, S>) {
        let Some(spare) = self.spare.as_mut() else { return };
        let (mut controls, mut opened, mut data) = (Vec::new(), false, false);
        let (when, mono) = now();
        let pumped = match spare.wire.as_mut() {
            None => Ok(0),
            Some(wire) => {
                let (talk, counts, way) = (&mut spare.talk, &mut self.counts, &self.way);
                let (kept, kept_bytes, sink) = (&mut self.kept, &mut self.kept_bytes, &mut *around.sink);
                wire.pump(mono, |at, came| match came {
                    Came::Open => opened = true,
                    Came::Message { name, bytes } => {
                        sink.raw(at, &way.name, name, bytes);
                        match talk.control(bytes) {
                            Some(said) => keep(&mut controls, said, counts),
                            None => {
                                data = true;
                                *kept_bytes += bytes.len();
                                kept.push_back((at, bytes.to_vec()));
                            }
                        }
                    }
                    Came::Answer(control) => keep(&mut controls, vec![control], counts),
                    Came::Ponged | Came::Sign => {}
                })
            }
        };
        let pumped = match pumped {
            Ok(0) if spare.naming => spare.open(&self.way, mono).map(|()| 0),
            pumped => pumped,
        };
        let mut effects = Vec::new();
        if opened {
            let held: Vec<&str> = spare.in_url.iter().map(String::as_str).collect();
            spare.session.step(Event::Opened { held: &held }, when, &mut effects);
        }
        for control in &controls {
            say(&mut spare.session, control, when, &mut effects);
        }
        match pumped {
            Ok(count) if count > 0 => {
                let event = if data { Event::Data } else { Event::Alive };
                spare.session.step(event, when, &mut effects);
            }
            Ok(_) => {}
            Err(lost) => {
                let event = Event::Lost { code: lost.code, reason: &lost.text, wait_ms: lost.wait_ms };
                spare.session.step(event, when, &mut effects);
                self.kept.clear();
                self.kept_bytes = 0;
            }
        }
        spare.session.step(Event::Tick, when, &mut effects);
        let mut waiting: VecDeque<Effect> = effects.into();
        let mut over = false;
        while let Some(effect) = waiting.pop_front() {
            let mut more = Vec::new();
            match effect {
                Effect::Connect { .. } => {
                    let outcome = if around.budget.try_take(mono) {
                        spare.open(&self.way, mono)
                    } else {
                        self.counts.put_off += 1;
                        Err(Lost {
                            code: 0,
                            wait_ms: Some(1_000),
                            text: "the venue's budget of connections is used up".into(),
                        })
                    };
                    if let Err(lost) = outcome {
                        let event =
                            Event::Lost { code: lost.code, reason: &lost.text, wait_ms: lost.wait_ms };
                        spare.session.step(event, when, &mut more);
                    }
                }
                Effect::Close { .. } => (spare.wire, spare.naming) = (None, false),
                Effect::Fatal { .. } => over = true,
                Effect::BeginNext { .. } | Effect::GaveUp { .. } => {}
                speech => {
                    if let Err(lost) = speak(spare, &self.way, &speech, when, &mut more) {
                        let event =
                            Event::Lost { code: lost.code, reason: &lost.text, wait_ms: lost.wait_ms };
                        spare.session.step(event, when, &mut more);
                    }
                }
            }
            waiting.extend(more);
        }
        if over {
            self.forget_spare();
            return;
        }
        let live = spare.session.state() == State::Live;
        spare.live_since = if live { spare.live_since.or(Some(mono)) } else { None };
        let overlap = spare.session.rules().overlap_ms.saturating_mul(1_000_000);
        let long_enough = spare.live_since.is_some_and(|since| mono.saturating_sub(since) >= overlap);
        let full = self.kept.len() >= SPARE_FRAMES_MAX || self.kept_bytes >= SPARE_BYTES_MAX;
        if full {
            self.counts.spare_overflows += 1;
        }
        if long_enough || (full && live) {
            self.take_over(around);
        } else if full {
            self.kept.clear();
            self.kept_bytes = 0;
        }
    }

    /// The next connection becomes the connection; what it brought meanwhile is read in its order. Diffs that came over both
    /// are older than the book and have no effect; a hole between them would be a gap like any other.
    fn take_over<S: Sink>(&mut self, around: &mut Around<'_, S>) {
        let Some(mut next) = self.spare.take() else { return };
        self.counts.takeovers += 1;
        if let Some(mut wire) = self.line.wire.take() {
            wire.close();
        }
        let before = self.line.session.epoch();
        std::mem::swap(&mut self.line, &mut next);
        for (at, bytes) in std::mem::take(&mut self.kept) {
            if let Some(index) = route(&self.feeds, &self.by_symbol, &bytes)
                && let Some(feed) = around.feeds.get_mut(index)
            {
                feed.on_message(&bytes, at, around.tracer, around.sink);
            }
        }
        self.kept_bytes = 0;
        let mut effects = Vec::new();
        let event = if self.was_synced || !self.way.carries_book { Event::Synced } else { Event::Desynced };
        self.line.session.step(event, now().0, &mut effects);
        let fields = json!({ "session": self.way.name, "from": before, "to": self.line.session.epoch() });
        around.sink.emit(log_event("info", "the next connection has taken over", fields));
        self.carry_out(effects, around);
    }

    /// Changes what should flow; only the difference is asked for.
    pub fn want<S: Sink>(&mut self, streams: &[Stream], around: &mut Around<'_, S>) {
        let mut effects = Vec::new();
        self.line.session.step(Event::Wanted(streams), now().0, &mut effects);
        self.carry_out(effects, around);
    }

    /// An operator's wish: connect anew, a fatal end notwithstanding.
    pub fn reset<S: Sink>(&mut self, around: &mut Around<'_, S>) {
        self.fatal_code = None;
        let mut effects = Vec::new();
        self.line.session.step(Event::Reset, now().0, &mut effects);
        self.carry_out(effects, around);
    }

    /// The process stops.
    pub fn stop<S: Sink>(&mut self, around: &mut Around<'_, S>) {
        let mut effects = Vec::new();
        self.line.session.step(Event::Stop, now().0, &mut effects);
        self.carry_out(effects, around);
    }

    pub const fn rules(&self) -> &Rules {
        self.line.session.rules()
    }

    pub fn name(&self) -> &str {
        &self.way.name
    }

    /// The slot's part of the statistics. No URL with a query, no key.
    pub fn stats(&self) -> Value {
        let session = &self.line.session;
        let counts = session.counts();
        json!({
            "name": self.way.name,
            "url": self.way.url.split('?').next().unwrap_or(""),
            "state": session.state().name(),
            "epoch": session.epoch(),
            "opens": counts.opens,
            "connects": counts.connects,
            "failures": self.counts.failures,
            "messages": self.counts.messages,
            "unrouted": self.counts.unrouted,
            "lastFault": self.last_fault,
            "refused": self.reader.refused(),
            "fatal": counts.fatal,
            "fatalCode": self.fatal_code,
            "refusals": counts.refusals,
            "streamsHeld": session.held().count(),
            "streamsWanted": session.wanted().count(),
            "streamRefusals": counts.stream_refusals,
            "streamsGivenUp": counts.streams_given_up,
            "givenUp": self.given_up,
            "resubscribes": counts.resubscribes,
            "staleTimes": counts.stale,
            "rolls": counts.rolls,
            "takeovers": self.counts.takeovers,
            "spareOverflows": self.counts.spare_overflows,
            "latched": session.latched(),
            "putOff": self.counts.put_off,
            "controlsDropped": self.counts.controls_dropped,
            "schemaRefused": self.lock.total(),
        })
    }
}

/// Carries out a login or a difference of subscriptions.
fn speak(line: &mut Line, way: &Way, speech: &Effect, when: Now, more: &mut Vec<Effect>) -> Result<(), Lost> {
    let Some(wire) = line.wire.as_mut() else { return Ok(()) };
    let (subscribe, names) = match speech {
        Effect::Login => {
            return match line.talk.login(way.key.as_ref()) {
                Some(text) => wire.send(&text),
                None => Ok(()),
            };
        }
        Effect::Subscribe(names) => (true, names),
        Effect::Unsubscribe(names) => (false, names),
        _ => return Ok(()),
    };
    if let Some(text) = line.talk.ask(subscribe, names) {
        return wire.send(&text);
    }
    for name in names {
        if let Err(why) = wire.post(subscribe, name) {
            let _ = why;
            line.session.step(Event::StreamRefused(&[name.as_str()]), when, more);
        }
    }
    Ok(())
}

fn keep(controls: &mut Vec<Control>, said: Vec<Control>, counts: &mut Counts) {
    for control in said {
        if controls.len() == CONTROLS_MAX {
            counts.controls_dropped += 1;
        } else {
            controls.push(control);
        }
    }
}

fn say(session: &mut Session, control: &Control, when: Now, effects: &mut Vec<Effect>) {
    fn refs(names: &[String]) -> Vec<&str> {
        names.iter().map(String::as_str).collect()
    }
    match control {
        Control::Greeted => session.step(Event::Greeted, when, effects),
        Control::Granted => session.step(Event::Granted, when, effects),
        Control::Refused { code, .. } => {
            session.step(Event::Refused { code: *code, wait_ms: None }, when, effects)
        }
        Control::Held(names) => session.step(Event::Held(&refs(names)), when, effects),
        Control::HeldExactly(names) => session.step(Event::HeldExactly(&refs(names)), when, effects),
        Control::Dropped(names) => session.step(Event::Dropped(&refs(names)), when, effects),
        Control::StreamRefused(names) => session.step(Event::StreamRefused(&refs(names)), when, effects),
        Control::ShutdownNotice => session.step(Event::ShutdownNotice, when, effects),
        Control::Nothing => {}
    }
}

/// The feed a message belongs to. With one instrument there is nothing to ask; with several the symbol's text decides.
fn route(feeds: &[usize], by_symbol: &BTreeMap<Vec<u8>, usize>, bytes: &[u8]) -> Option<usize> {
    if let [only] = feeds {
        return Some(*only);
    }
    symbol_of(bytes).and_then(|symbol| by_symbol.get(symbol)).copied()
}

/// The text of the first `"s"`, `"S"` or `"code"` key.
fn symbol_of(bytes: &[u8]) -> Option<&[u8]> {
    for key in [b"\"s\"".as_slice(), b"\"S\"", b"\"code\""] {
        let Some(at) = bytes.windows(key.len()).position(|w| w == key) else { continue };
        let rest = bytes.get(at + key.len()..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let text = rest.strip_prefix(b"\"")?;
        return text.split(|b| *b == b'"').next();
    }
    None
}
