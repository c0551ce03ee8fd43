//! The session itself: (state, event, now) → effects.

use crate::budget::MessageBudget;
use crate::limits::{REASON_BYTES_MAX, STREAM_ATTEMPTS_MAX, STREAM_RETRY_S};
use crate::plan::Stream;
use crate::rules::{Meaning, Rules};
use std::collections::{BTreeMap, BTreeSet};

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Not begun, or outside its windows since the start.
    Init,
    /// A connection is being made.
    Connecting,
    /// Connected; the login is not yet granted.
    Authenticating,
    /// Streams are being asked for, or their grant is awaited.
    Subscribing,
    /// All streams are granted; the books are not in step yet.
    Syncing,
    /// Everything flows.
    Live,
    /// Connected, but not a byte within the bound.
    Stale,
    /// No connection; the next attempt waits for its time or its window.
    Recovering,
    /// Ended by us.
    Closed,
    /// Ended by a code after which no attempt may be made.
    Fatal,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Init,
        Self::Connecting,
        Self::Authenticating,
        Self::Subscribing,
        Self::Syncing,
        Self::Live,
        Self::Stale,
        Self::Recovering,
        Self::Closed,
        Self::Fatal,
    ];

    /// As logs and metrics spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Connecting => "CONNECTING",
            Self::Authenticating => "AUTHENTICATING",
            Self::Subscribing => "SUBSCRIBING",
            Self::Syncing => "SYNCING",
            Self::Live => "LIVE",
            Self::Stale => "STALE",
            Self::Recovering => "RECOVERING",
            Self::Closed => "CLOSED",
            Self::Fatal => "FATAL",
        }
    }

    /// Whether there is a connection over which data may come.
    pub const fn connected(self) -> bool {
        matches!(self, Self::Authenticating | Self::Subscribing | Self::Syncing | Self::Live | Self::Stale)
    }
}

/// The two clocks, as of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// `CLOCK_MONOTONIC`, ns: every wait is measured on it.
    pub mono_ns: u64,
    /// ns since the Unix epoch: only the windows look at it.
    pub epoch_ns: i64,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Time passes; give it at least every 100 ms.
    Tick,
    /// The connection of this epoch is open. `held` are the streams its URL asked for.
    Opened { held: &'a [&'a str] },
    /// The venue greets and wants the login now (Alpaca's `connected`).
    Greeted,
    /// The login is granted.
    Granted,
    /// The venue refuses something by a code; `wait_ms` where it says how long.
    Refused { code: u32, wait_ms: Option<u64> },
    /// The connection is gone. `code` is that of a close frame or an HTTP status, 0 where there is none.
    Lost { code: u32, reason: &'a str, wait_ms: Option<u64> },
    /// These streams flow now.
    Held(&'a [&'a str]),
    /// Exactly these streams flow (Alpaca answers with the whole set): what else was asked for is refused.
    HeldExactly(&'a [&'a str]),
    /// These streams no longer flow.
    Dropped(&'a [&'a str]),
    /// The venue refuses these streams.
    StreamRefused(&'a [&'a str]),
    /// Bytes came; a heartbeat or pong is enough.
    Alive,
    /// Market data came.
    Data,
    /// A pong or another message left that the venue counts.
    Spoke,
    /// Every book of the session is in step.
    Synced,
    /// A book fell out of step.
    Desynced,
    /// The venue will end the connection soon.
    ShutdownNotice,
    /// What should flow from here on.
    Wanted(&'a [Stream]),
    /// The next connection has taken over.
    Superseded,
    /// An operator wants the connection made anew, a fatal end or a window notwithstanding.
    Reset,
    /// The process stops.
    Stop,
}

/// Why a connection is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    Lost,
    ConnectTimeout,
    AuthTimeout,
    SubscribeTimeout,
    Code,
    NoData,
    Forced,
    LifeOver,
    Shutdown,
    Superseded,
    Operator,
    Stopped,
}

impl Cause {
    /// As logs and metrics spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "LOST",
            Self::ConnectTimeout => "CONNECT_TIMEOUT",
            Self::AuthTimeout => "AUTH_TIMEOUT",
            Self::SubscribeTimeout => "SUBSCRIBE_TIMEOUT",
            Self::Code => "CODE",
            Self::NoData => "NO_DATA",
            Self::Forced => "FORCED",
            Self::LifeOver => "LIFE_OVER",
            Self::Shutdown => "SHUTDOWN",
            Self::Superseded => "SUPERSEDED",
            Self::Operator => "OPERATOR",
            Self::Stopped => "STOPPED",
        }
    }
}

/// What the loop must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make a connection; its events belong to this epoch.
    Connect { epoch: u32 },
    /// Send the login.
    Login,
    /// Ask for these streams in one message.
    Subscribe(Vec<String>),
    /// Ask no more for these streams, in one message.
    Unsubscribe(Vec<String>),
    /// Drop the connection of this session: nothing it carried may be priced from.
    Close { cause: Cause },
    /// Begin the next connection beside this one; this one serves until then.
    BeginNext { cause: Cause },
    /// Every stream of `streams` was refused often enough: it is given up.
    GaveUp { stream: String },
    /// No attempt will be made any more.
    Fatal { code: u32 },
}

/// What a session has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub connects: u64,
    pub opens: u64,
    pub losses: u64,
    pub fatal: u64,
    pub refusals: u64,
    pub stream_refusals: u64,
    pub streams_given_up: u64,
    pub resubscribes: u64,
    pub stale: u64,
    pub rolls: u64,
    pub latched: u64,
    pub subscribes_sent: u64,
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    n: u32,
    at: u64,
}

/// One feed session. Pure: no clock, no socket, no randomness but its seed.
#[derive(Debug, Clone)]
pub struct Session {
    rules: Rules,
    state: State,
    epoch: u32,
    wanted: BTreeMap<String, bool>,
    held: BTreeSet<String>,
    asked: BTreeMap<String, u64>,
    dropping: BTreeSet<String>,
    refused: BTreeMap<String, Attempts>,
    synced: bool,
    needs_sync: bool,
    budget: MessageBudget,
    seed: u64,
    failures: u32,
    since: u64,
    retry_at: u64,
    heard_at: u64,
    data_at: u64,
    resubscribed_at: u64,
    opened_at: u64,
    next_begun: bool,
    in_window: bool,
    window_known: bool,
    /// When market data last came, over all connections; a forced connection counts as such.
    starved_at: Option<u64>,
    forced: bool,
    /// The next attempt waits for a window and is counted as latched once.
    latched: bool,
    counts: Counts,
    reason: String,
}

const MS: u64 = 1_000_000;

impl Session {
    /// A session that has not begun. `epoch` is that of the connection before its first; `needs_sync` = books hang on it.
    pub fn new(rules: Rules, epoch: u32, needs_sync: bool, seed: u64) -> Self {
        let budget = MessageBudget::new(rules.messages_per_second);
        Self {
            rules,
            state: State::Init,
            epoch,
            wanted: BTreeMap::new(),
            held: BTreeSet::new(),
            asked: BTreeMap::new(),
            dropping: BTreeSet::new(),
            refused: BTreeMap::new(),
            synced: false,
            needs_sync,
            budget,
            seed,
            failures: 0,
            since: 0,
            retry_at: 0,
            heard_at: 0,
            data_at: 0,
            resubscribed_at: 0,
            opened_at: 0,
            next_begun: false,
            in_window: false,
            window_known: false,
            starved_at: None,
            forced: false,
            latched: false,
            counts: Counts::default(),
            reason: String::new(),
        }
    }

    /// The session that will take over from `before` at its end of life: the same wants, the next epoch.
    pub fn successor(before: &Self, needs_sync: bool) -> Self {
        let mut next = Self::new(
            before.rules.clone(),
            before.epoch,
            needs_sync,
            before.seed.rotate_left(17) ^ 0x5bd1_e995,
        );
        next.wanted = before.wanted.clone();
        next.counts = before.counts;
        // What the venue refused for good is not asked for again by a new connection either.
        next.refused = before.refused.clone();
        next
    }

    /// Says what should flow before the session begins; later it is [`Event::Wanted`].
    pub fn prepare(&mut self, streams: &[Stream]) {
        self.want(streams);
    }

    pub const fn state(&self) -> State {
        self.state
    }

    /// Number of the newest connection; rises by one with each attempt.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    pub const fn counts(&self) -> Counts {
        self.counts
    }

    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Why the newest connection ended, in words.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Streams that flow.
    pub fn held(&self) -> impl Iterator<Item = &str> {
        self.held.iter().map(String::as_str)
    }

    /// Streams that should flow.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        self.wanted.keys().map(String::as_str)
    }

    /// Whether an attempt waits for a window to open.
    pub const fn latched(&self) -> bool {
        self.latched
    }

    /// One step. Effects are pushed in the order they are to be carried out.
    pub fn step(&mut self, event: Event<'_>, now: Now, effects: &mut Vec<Effect>) {
        match event {
            Event::Stop => {
                if !matches!(self.state, State::Closed | State::Fatal) {
                    self.end(State::Closed, Cause::Stopped, effects);
                }
                return;
            }
            Event::Superseded => {
                self.end(State::Closed, Cause::Superseded, effects);
                return;
            }
            Event::Reset => {
                self.failures = 0;
                if self.state != State::Init {
                    self.end(State::Recovering, Cause::Operator, effects);
                }
                self.forced = true;
                self.retry_at = now.mono_ns;
                self.state = State::Recovering;
            }
            Event::Wanted(streams) => self.want(streams),
            _ if matches!(self.state, State::Closed | State::Fatal) => return,
            Event::Tick => {}
            Event::Opened { held } => self.opened(held, now, effects),
            Event::Greeted => {
                if self.state == State::Authenticating {
                    effects.push(Effect::Login);
                    self.budget.take(now.mono_ns);
                }
            }
            Event::Granted => {
                if self.state == State::Authenticating {
                    self.enter(State::Subscribing, now);
                }
            }
            Event::Refused { code, wait_ms } => {
                self.counts.refusals += 1;
                self.on_code(code, wait_ms, "refused by code", now, effects);
            }
            Event::Lost { code, reason, wait_ms } => {
                self.counts.losses += 1;
                self.keep_reason(reason);
                match self.rules.meaning(code) {
                    Meaning::Fatal if code != 0 => self.fatal(code, effects),
                    Meaning::Wait(ms) if code != 0 => {
                        self.away(Cause::Lost, wait_ms.unwrap_or(0).max(ms), now, effects);
                    }
                    _ => self.away(Cause::Lost, wait_ms.unwrap_or(0), now, effects),
                }
            }
            Event::Held(names) => {
                for name in names {
                    self.hold(name);
                }
            }
            Event::HeldExactly(names) => self.hold_exactly(names, now, effects),
            Event::Dropped(names) => {
                for name in names {
                    self.held.remove(*name);
                    self.dropping.remove(*name);
                }
            }
            Event::StreamRefused(names) => {
                for name in names {
                    self.refuse_stream(name, now, effects);
                }
            }
            Event::Alive => self.heard_at = now.mono_ns,
            Event::Data => {
                self.heard_at = now.mono_ns;
                self.data_at = now.mono_ns;
                self.starved_at = Some(now.mono_ns);
                if self.state == State::Live {
                    // Only a session that gives data is worth a quick return.
                    self.failures = 0;
                    self.forced = false;
                }
            }
            Event::Spoke => self.budget.take(now.mono_ns),
            Event::Synced => self.synced = true,
            Event::Desynced => {
                self.synced = false;
                if matches!(self.state, State::Live) {
                    self.enter(State::Syncing, now);
                }
            }
            Event::ShutdownNotice => self.roll(Cause::Shutdown, now, effects),
        }
        self.proceed(now, effects);
    }

    fn want(&mut self, streams: &[Stream]) {
        self.wanted = streams.iter().map(|s| (s.name.clone(), s.counted)).collect();
        self.refused.retain(|name, _| self.wanted.contains_key(name));
    }

    fn opened(&mut self, held: &[&str], now: Now, effects: &mut Vec<Effect>) {
        if self.state != State::Connecting {
            return;
        }
        self.counts.opens += 1;
        self.opened_at = now.mono_ns;
        self.heard_at = now.mono_ns;
        self.data_at = self.data_at.max(now.mono_ns);
        self.starved_at.get_or_insert(self.data_at);
        self.resubscribed_at = now.mono_ns;
        self.budget.clear();
        for name in held {
            self.hold(name);
        }
        let next = if self.rules.auth_timeout_ms > 0 { State::Authenticating } else { State::Subscribing };
        self.enter(next, now);
        let _ = effects;
    }

    fn hold(&mut self, name: &str) {
        self.asked.remove(name);
        self.refused.remove(name);
        self.held.insert(name.to_string());
    }

    fn hold_exactly(&mut self, names: &[&str], now: Now, effects: &mut Vec<Effect>) {
        let flowing: BTreeSet<&str> = names.iter().copied().collect();
        let missing: Vec<String> =
            self.asked.keys().filter(|name| !flowing.contains(name.as_str())).cloned().collect();
        self.held = names.iter().map(|name| (*name).to_string()).collect();
        self.dropping.retain(|name| flowing.contains(name.as_str()));
        for name in names {
            self.asked.remove(*name);
            self.refused.remove(*name);
        }
        for name in missing {
            self.refuse_stream(&name, now, effects);
        }
    }

    fn refuse_stream(&mut self, name: &str, now: Now, effects: &mut Vec<Effect>) {
        self.asked.remove(name);
        self.held.remove(name);
        if !self.wanted.contains_key(name) {
            return;
        }
        self.counts.stream_refusals += 1;
        let entry = self.refused.entry(name.to_string()).or_insert(Attempts { n: 0, at: 0 });
        entry.n = entry.n.saturating_add(1);
        let at = (entry.n as usize).saturating_sub(1).min(STREAM_RETRY_S.len() - 1);
        let wait_s = STREAM_RETRY_S.get(at).copied().unwrap_or(3_600);
        entry.at = now.mono_ns.saturating_add(wait_s * 1_000 * MS);
        if entry.n == STREAM_ATTEMPTS_MAX {
            self.counts.streams_given_up += 1;
            effects.push(Effect::GaveUp { stream: name.to_string() });
        }
    }

    fn on_code(&mut self, code: u32, wait_ms: Option<u64>, why: &str, now: Now, effects: &mut Vec<Effect>) {
        match self.rules.meaning(code) {
            Meaning::Fatal => {
                self.keep_reason(why);
                self.fatal(code, effects);
            }
            Meaning::Wait(ms) => {
                self.keep_reason(why);
                self.away(Cause::Code, wait_ms.unwrap_or(0).max(ms), now, effects);
            }
            Meaning::Streams => {
                let names: Vec<String> = self.asked.keys().cloned().collect();
                for name in names {
                    self.refuse_stream(&name, now, effects);
                }
            }
            Meaning::Ignored => {}
            Meaning::Reconnect => {
                self.keep_reason(why);
                self.away(Cause::Code, wait_ms.unwrap_or(0), now, effects);
            }
        }
    }

    fn keep_reason(&mut self, reason: &str) {
        let mut end = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        self.reason = reason.get(..end).unwrap_or("").to_string();
    }

    fn fatal(&mut self, code: u32, effects: &mut Vec<Effect>) {
        self.counts.fatal += 1;
        self.end(State::Fatal, Cause::Code, effects);
        effects.push(Effect::Fatal { code });
    }

    /// Leaves the connection, if there is one or one is being made.
    fn end(&mut self, state: State, cause: Cause, effects: &mut Vec<Effect>) {
        if self.state.connected() || self.state == State::Connecting {
            effects.push(Effect::Close { cause });
        }
        self.state = state;
        self.held.clear();
        self.asked.clear();
        self.dropping.clear();
        self.synced = false;
        self.next_begun = false;
    }

    /// Leaves the connection and comes back after the back-off, or `wait_ms` where that is longer.
    fn away(&mut self, cause: Cause, wait_ms: u64, now: Now, effects: &mut Vec<Effect>) {
        if self.state == State::Recovering || self.state == State::Init {
            // Nothing to leave; a longer wait the venue asks for still counts.
            self.retry_at = self.retry_at.max(now.mono_ns.saturating_add(wait_ms.saturating_mul(MS)));
            return;
        }
        self.end(State::Recovering, cause, effects);
        let planned = matches!(cause, Cause::LifeOver | Cause::Shutdown | Cause::Forced);
        let delay_ms = if planned { 0 } else { self.backoff_ms() };
        self.retry_at = now.mono_ns.saturating_add(delay_ms.max(wait_ms).saturating_mul(MS));
        self.since = now.mono_ns;
    }

    /// Between half of and the whole of `min * 2^failures`, at most the longest.
    fn backoff_ms(&mut self) -> u64 {
        let doubled = self.rules.backoff_ms_min.saturating_mul(1_u64 << self.failures.min(20));
        let ceiling = doubled.min(self.rules.backoff_ms_max).max(1);
        self.failures = self.failures.saturating_add(1);
        let half = ceiling / 2;
        ceiling - half + self.draw() % (half + 1)
    }

    /// SplitMix64.
    const fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn enter(&mut self, state: State, now: Now) {
        self.state = state;
        self.since = now.mono_ns;
    }

    /// The venue ends this connection soon: the next one begins beside it, or after it where only one is allowed.
    fn roll(&mut self, cause: Cause, now: Now, effects: &mut Vec<Effect>) {
        if !self.state.connected() || self.next_begun {
            return;
        }
        self.counts.rolls += 1;
        if self.rules.overlap_ms > 0 {
            self.next_begun = true;
            effects.push(Effect::BeginNext { cause });
        } else {
            self.away(cause, 0, now, effects);
        }
    }

    /// Whether `ms` have passed since `since`; never where `ms` is 0.
    const fn past(now: Now, since: u64, ms: u64) -> bool {
        ms > 0 && now.mono_ns.saturating_sub(since) >= ms.saturating_mul(MS)
    }

    /// What follows from the state and the time alone.
    fn proceed(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.look_at_window(now);
        match self.state {
            State::Closed | State::Fatal => return,
            State::Init | State::Recovering => {
                self.maybe_connect(now, effects);
                return;
            }
            State::Connecting => {
                if Self::past(now, self.since, self.rules.connect_timeout_ms) {
                    self.keep_reason("no connection within the bound");
                    self.away(Cause::ConnectTimeout, 0, now, effects);
                }
                return;
            }
            State::Authenticating => {
                if Self::past(now, self.since, self.rules.auth_timeout_ms) {
                    self.keep_reason("no login within the bound");
                    self.away(Cause::AuthTimeout, 0, now, effects);
                }
                return;
            }
            State::Subscribing | State::Syncing | State::Live | State::Stale => {}
        }
        self.watch(now, effects);
        if !self.state.connected() {
            self.maybe_connect(now, effects);
            return;
        }
        self.speak(now, effects);
        if !self.state.connected() {
            return;
        }
        let waiting =
            self.asked.keys().any(|name| self.wanted.contains_key(name)) || self.unasked().next().is_some();
        match self.state {
            State::Subscribing if !waiting => {
                let next = if self.needs_sync && !self.synced { State::Syncing } else { State::Live };
                self.enter(next, now);
            }
            State::Syncing if self.synced => self.enter(State::Live, now),
            _ => {}
        }
    }

    fn look_at_window(&mut self, now: Now) {
        let inside = self.rules.windows.as_ref().is_none_or(|w| w.contains(now.epoch_ns));
        if inside && !self.in_window && self.window_known {
            // What fell silent outside is not held against the session inside, and the opening has its grace.
            let grace = if self.rules.windows.is_some() { self.rules.watchdog.open_grace_ms } else { 0 };
            let from = now.mono_ns.saturating_add(grace.saturating_mul(MS));
            self.data_at = self.data_at.max(from);
            self.starved_at = self.starved_at.map(|at| at.max(from));
        }
        self.in_window = inside;
        self.window_known = true;
    }

    fn maybe_connect(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if now.mono_ns < self.retry_at {
            return;
        }
        if !self.in_window && !self.forced {
            if !self.latched {
                self.latched = true;
                self.counts.latched += 1;
            }
            return;
        }
        self.latched = false;
        self.epoch = self.epoch.saturating_add(1);
        self.counts.connects += 1;
        self.enter(State::Connecting, now);
        effects.push(Effect::Connect { epoch: self.epoch });
    }

    /// Silence, missing data, age.
    fn watch(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let silent = Self::past(now, self.heard_at, self.rules.stale_after_ms);
        match (self.state, silent) {
            (State::Live | State::Syncing, true) => {
                self.counts.stale += 1;
                self.enter(State::Stale, now);
            }
            (State::Stale, false) => {
                let next = if self.needs_sync && !self.synced { State::Syncing } else { State::Live };
                self.enter(next, now);
            }
            _ => {}
        }
        if Self::past(now, self.heard_at, self.rules.idle_timeout_ms) {
            self.keep_reason("not a byte within the idle bound");
            self.away(Cause::Lost, 0, now, effects);
            return;
        }
        let watchdog = self.rules.watchdog;
        if self.in_window && self.wanted.keys().any(|name| self.held.contains(name)) {
            if self.starved_at.is_some_and(|at| Self::past(now, at, watchdog.forced_ms)) {
                self.starved_at = Some(now.mono_ns);
                self.keep_reason("no market data for too long; connecting anew at once");
                self.forced = true;
                self.away(Cause::Forced, 0, now, effects);
                return;
            }
            if Self::past(now, self.data_at, watchdog.reconnect_ms) {
                self.keep_reason("no market data; connecting anew");
                self.away(Cause::NoData, 0, now, effects);
                return;
            }
            let due = Self::past(now, self.data_at, watchdog.resubscribe_ms)
                && Self::past(now, self.resubscribed_at, watchdog.resubscribe_ms);
            if due {
                // Once each period: the venue may have lost what it granted.
                self.counts.resubscribes += 1;
                self.resubscribed_at = now.mono_ns;
                self.held.clear();
                self.enter(State::Subscribing, now);
            }
        }
        let life = self.rules.life_ms.saturating_sub(self.rules.roll_before_ms);
        if self.rules.life_ms > 0 && Self::past(now, self.opened_at, life) {
            self.roll(Cause::LifeOver, now, effects);
        }
    }

    /// Wanted streams that neither flow, nor were asked for, nor wait after a refusal.
    fn unasked(&self) -> impl Iterator<Item = &String> {
        self.wanted.keys().filter(|name| {
            let out = self.held.contains(*name) || self.asked.contains_key(*name);
            !out && !self.refused.contains_key(*name)
        })
    }

    /// Asks for the difference between what should flow and what flows, as fast as the venue lets us.
    fn speak(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let overdue = self.asked.values().any(|at| Self::past(now, *at, self.rules.subscribe_timeout_ms));
        if overdue {
            self.keep_reason("a subscription was not answered within the bound");
            self.away(Cause::SubscribeTimeout, 0, now, effects);
            return;
        }
        if self.state == State::Stale {
            return;
        }
        let batch = self.rules.streams_per_message as usize;
        let surplus: Vec<String> = self
            .held
            .iter()
            .filter(|name| !self.wanted.contains_key(*name) && !self.dropping.contains(*name))
            .cloned()
            .collect();
        for names in surplus.chunks(batch) {
            if !self.budget.allows(now.mono_ns) {
                return;
            }
            self.budget.take(now.mono_ns);
            self.dropping.extend(names.iter().cloned());
            effects.push(Effect::Unsubscribe(names.to_vec()));
        }
        let again = self.refused.iter().filter(|(_, a)| a.n < STREAM_ATTEMPTS_MAX && a.at <= now.mono_ns);
        let again = again.map(|(name, _)| name).filter(|name| !self.asked.contains_key(*name));
        let counted = |name: &str| self.wanted.get(name).copied().unwrap_or(true);
        let flowing = self.held.iter().chain(self.asked.keys()).filter(|name| counted(name)).count();
        let mut room = (self.rules.streams_per_connection as usize).saturating_sub(flowing);
        let mut due: Vec<String> = Vec::new();
        for name in self.unasked().chain(again) {
            if counted(name) {
                if room == 0 {
                    continue;
                }
                room -= 1;
            }
            due.push(name.clone());
        }
        for names in due.chunks(batch) {
            if !self.budget.allows(now.mono_ns) {
                return;
            }
            self.budget.take(now.mono_ns);
            self.counts.subscribes_sent += 1;
            self.asked.extend(names.iter().map(|name| (name.clone(), now.mono_ns)));
            effects.push(Effect::Subscribe(names.to_vec()));
        }
    }
}
