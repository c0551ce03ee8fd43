//! A session with hands on its clock, and rules of the kinds of venue there are.

#![allow(dead_code, clippy::unwrap_used)]

use tidegate_feed::{Effect, Event, Now, Rules, Session, State, Stream};

pub fn streams(names: &[&str]) -> Vec<Stream> {
    names.iter().map(|name| Stream::counted(*name)).collect()
}

/// Many streams a connection, no login, a day of life, two connections at a time.
pub fn binance() -> Rules {
    serde_json::from_str(
        r#"{"connectTimeoutMs":5000,"authTimeoutMs":0,"subscribeTimeoutMs":5000,"backoffMsMin":1000,
        "backoffMsMax":32000,"fatalCodes":[],"waitCodes":[{"code":418,"waitMs":120000}],
        "streamsPerConnection":1024,"connectionsMax":10,"streamsPerMessage":200,"messagesPerSecond":5,
        "connectsMax":300,"connectWindowMs":300000,"pingAfterMs":10000,"idleTimeoutMs":60000,"staleAfterMs":5000,
        "lifeMs":86400000,"rollBeforeMs":600000,"overlapMs":1000}"#,
    )
    .unwrap()
}

/// A login, one connection, fatal codes.
pub fn alpaca() -> Rules {
    serde_json::from_str(
        r#"{"connectTimeoutMs":5000,"authTimeoutMs":10000,"subscribeTimeoutMs":5000,"backoffMsMin":1000,
        "backoffMsMax":32000,"fatalCodes":[402,406,408,409],"streamCodes":[405],"ignoredCodes":[403],
        "streamsPerConnection":30,"connectionsMax":1,"streamsPerMessage":200,"messagesPerSecond":0,
        "pingAfterMs":10000,"idleTimeoutMs":60000,"staleAfterMs":30000}"#,
    )
    .unwrap()
}

/// Windows, a watchdog on data, a ban by status.
pub fn shioaji() -> Rules {
    serde_json::from_str(
        r#"{"connectTimeoutMs":5000,"authTimeoutMs":0,"subscribeTimeoutMs":15000,"backoffMsMin":1000,
        "backoffMsMax":32000,"fatalCodes":[401],"waitCodes":[{"code":503,"waitMs":75000}],
        "streamsPerConnection":200,"connectionsMax":5,"streamsPerMessage":1,"messagesPerSecond":5,
        "pingAfterMs":0,"idleTimeoutMs":0,"staleAfterMs":65000,
        "watchdog":{"resubscribeMs":15000,"reconnectMs":60000,"forcedMs":300000,"openGraceMs":60000},
        "windows":{"zone":"Asia/Taipei","days":[1,2,3,4,5],"ranges":[{"from":480,"to":830},{"from":900,"to":300}]}}"#,
    )
    .unwrap()
}

pub struct Rig {
    pub session: Session,
    mono_ms: u64,
    epoch_ns: i64,
}

impl Rig {
    /// A session that wants these streams; a Binance-like one waits for its books.
    pub fn new(rules: Rules, names: &[&str]) -> Self {
        let needs_sync = rules.life_ms > 0;
        let mut rig = Self { session: Session::new(rules, 0, needs_sync, 7), mono_ms: 0, epoch_ns: 0 };
        // Friday 2026-05-22, 10:00 in Taipei, unless a test says otherwise.
        rig.in_taipei(2026, 5, 22, 10, 0);
        rig.session.prepare(&streams(names));
        rig
    }

    pub fn now(&self) -> Now {
        Now { mono_ns: self.mono_ms * 1_000_000, epoch_ns: self.epoch_ns }
    }

    pub fn now_ms(&self) -> u64 {
        self.mono_ms
    }

    pub fn state(&self) -> State {
        self.session.state()
    }

    pub fn event(&mut self, event: Event<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.session.step(event, self.now(), &mut effects);
        effects
    }

    pub fn tick(&mut self, ms: u64) -> Vec<Effect> {
        self.mono_ms += ms;
        self.epoch_ns += ms as i64 * 1_000_000;
        self.event(Event::Tick)
    }

    pub fn want(&mut self, names: &[&str]) -> Vec<Effect> {
        let wanted = streams(names);
        self.event(Event::Wanted(&wanted))
    }

    pub fn log_in(&mut self) {
        self.tick(0);
        self.event(Event::Opened { held: &[] });
        self.event(Event::Greeted);
        self.event(Event::Granted);
    }

    pub fn open(&mut self, held: &[&str]) {
        self.tick(0);
        self.event(Event::Opened { held });
        self.event(Event::Synced);
        assert_eq!(self.state(), State::Live);
    }

    pub fn run_until(&mut self, state: State, step_ms: u64, most: usize) {
        for _ in 0..most {
            if self.state() == state {
                return;
            }
            self.tick(step_ms);
        }
        panic!("never {state:?}, still {:?}", self.state());
    }

    /// Sets the wall clock; the monotonic one does not move.
    pub fn in_taipei(&mut self, year: i64, month: i64, day: i64, hour: i64, minute: i64) {
        let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
        let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
        self.epoch_ns = ((days * 24 + hour - 8) * 60 + minute) * 60_000_000_000;
    }
}
