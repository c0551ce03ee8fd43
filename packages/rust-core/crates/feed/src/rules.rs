//! One venue's rules as data. The figures come from the venue's folder under `packages/venues/src`.

use crate::limits::{CODES_MAX, RULE_MS_MAX, STREAMS_MAX};
use crate::window::Windows;
use serde::Deserialize;
use std::fmt;

/// An error code of a venue and how long to stay away after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitCode {
    pub code: u32,
    pub wait_ms: u64,
}

/// What to do about a session that is alive and gives no market data. Milliseconds since the last data; 0 = never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Watchdog {
    /// The subscriptions are asked for again, once each `resubscribe_ms`.
    pub resubscribe_ms: u64,
    /// The connection is made anew, within the windows and after the back-off.
    pub reconnect_ms: u64,
    /// The connection is made anew at once, windows or not.
    pub forced_ms: u64,
    /// After a window opens nothing is done for so long.
    pub open_grace_ms: u64,
}

/// One venue's rules. Times in milliseconds; 0 = no such rule, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rules {
    /// From the start to an open connection.
    pub connect_timeout_ms: u64,
    /// From an open connection to a granted login; 0 = the venue has none.
    pub auth_timeout_ms: u64,
    /// From a subscription request to its answer.
    pub subscribe_timeout_ms: u64,
    /// First and longest reconnect delay.
    pub backoff_ms_min: u64,
    pub backoff_ms_max: u64,
    /// Codes after which no attempt is made any more: another one cannot succeed, or would do harm.
    pub fatal_codes: Vec<u32>,
    /// Codes after which the venue wants to be left alone.
    #[serde(default)]
    pub wait_codes: Vec<WaitCode>,
    /// Codes that refuse the streams just asked for and leave the session as it is.
    #[serde(default)]
    pub stream_codes: Vec<u32>,
    /// Codes that say nothing new.
    #[serde(default)]
    pub ignored_codes: Vec<u32>,
    /// Most streams of one connection that the venue counts.
    pub streams_per_connection: u32,
    /// Most connections of this account or address at once.
    pub connections_max: u32,
    /// Streams one request may name.
    pub streams_per_message: u32,
    /// Messages a connection may send in a second, pings and pongs included; 0 = no such rule.
    pub messages_per_second: u32,
    /// Attempts to connect within `connect_window_ms`, over all connections; 0 = no such rule.
    #[serde(default)]
    pub connects_max: u32,
    #[serde(default)]
    pub connect_window_ms: u64,
    /// Silence after which we ping, and after which the peer counts as gone.
    pub ping_after_ms: u64,
    pub idle_timeout_ms: u64,
    /// Silence (no byte at all) after which the session is STALE.
    pub stale_after_ms: u64,
    /// Life of a connection after which the venue ends it, and how long before that we move on.
    #[serde(default)]
    pub life_ms: u64,
    #[serde(default)]
    pub roll_before_ms: u64,
    /// How long the next connection runs beside the old one before it takes over; 0 = the venue allows one at a time.
    #[serde(default)]
    pub overlap_ms: u64,
    #[serde(default)]
    pub watchdog: Watchdog,
    #[serde(default)]
    pub windows: Option<Windows>,
}

/// Why rules cannot be used: the field and what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesFault {
    pub field: &'static str,
    pub want: &'static str,
}

impl fmt::Display for RulesFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rules: {} is out of range; want {}", self.field, self.want)
    }
}

impl std::error::Error for RulesFault {}

/// What a code of the venue means for the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Fatal,
    Wait(u64),
    Streams,
    Ignored,
    /// Not named by a rule: the connection is made anew.
    Reconnect,
}

impl Rules {
    /// Checks the figures against each other.
    ///
    /// # Errors
    /// The first field that cannot work.
    pub fn check(&self) -> Result<(), RulesFault> {
        let times = [
            ("connectTimeoutMs", self.connect_timeout_ms),
            ("authTimeoutMs", self.auth_timeout_ms),
            ("subscribeTimeoutMs", self.subscribe_timeout_ms),
            ("backoffMsMax", self.backoff_ms_max),
            ("idleTimeoutMs", self.idle_timeout_ms),
            ("staleAfterMs", self.stale_after_ms),
            ("lifeMs", self.life_ms),
            ("connectWindowMs", self.connect_window_ms),
            ("watchdog.forcedMs", self.watchdog.forced_ms),
        ];
        for (field, ms) in times {
            if ms > RULE_MS_MAX {
                return Err(RulesFault { field, want: "at most a week" });
            }
        }
        let lists = [("fatalCodes", self.fatal_codes.len()), ("waitCodes", self.wait_codes.len())];
        for (field, n) in lists {
            if n > CODES_MAX {
                return Err(RulesFault { field, want: "at most 64 codes" });
            }
        }
        let watch = &self.watchdog;
        let rising = |a: u64, b: u64| a == 0 || b == 0 || a < b;
        let checks = [
            (self.connect_timeout_ms > 0, "connectTimeoutMs", "above 0"),
            (self.subscribe_timeout_ms > 0, "subscribeTimeoutMs", "above 0"),
            (
                self.backoff_ms_min > 0 && self.backoff_ms_min <= self.backoff_ms_max,
                "backoffMsMin",
                "1 to backoffMsMax",
            ),
            (
                self.streams_per_connection > 0 && self.streams_per_connection as usize <= STREAMS_MAX,
                "streamsPerConnection",
                "1 to 4096",
            ),
            (self.connections_max > 0, "connectionsMax", "above 0"),
            (self.streams_per_message > 0, "streamsPerMessage", "above 0"),
            (self.stale_after_ms > 0, "staleAfterMs", "above 0"),
            (rising(self.ping_after_ms, self.idle_timeout_ms), "pingAfterMs", "below idleTimeoutMs"),
            (
                (self.connects_max == 0) == (self.connect_window_ms == 0),
                "connectsMax",
                "both or neither of it and connectWindowMs",
            ),
            (self.life_ms == 0 || self.roll_before_ms < self.life_ms, "rollBeforeMs", "below lifeMs"),
            (
                self.overlap_ms == 0 || self.life_ms == 0 || self.overlap_ms < self.roll_before_ms,
                "overlapMs",
                "below rollBeforeMs, so that the next connection is ready in time",
            ),
            (rising(watch.resubscribe_ms, watch.reconnect_ms), "watchdog.reconnectMs", "above resubscribeMs"),
            (rising(watch.reconnect_ms, watch.forced_ms), "watchdog.forcedMs", "above reconnectMs"),
        ];
        for (good, field, want) in checks {
            if !good {
                return Err(RulesFault { field, want });
            }
        }
        match &self.windows {
            Some(windows) if !windows.valid() => Err(RulesFault {
                field: "windows",
                want: "1 to 8 ranges of minutes below 1440 and at least one day",
            }),
            _ => Ok(()),
        }
    }

    /// What a code says.
    pub fn meaning(&self, code: u32) -> Meaning {
        if self.fatal_codes.contains(&code) {
            return Meaning::Fatal;
        }
        if let Some(wait) = self.wait_codes.iter().find(|w| w.code == code) {
            return Meaning::Wait(wait.wait_ms);
        }
        if self.stream_codes.contains(&code) {
            return Meaning::Streams;
        }
        if self.ignored_codes.contains(&code) { Meaning::Ignored } else { Meaning::Reconnect }
    }
}
