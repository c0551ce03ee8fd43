//! The session: sequence numbers, heartbeats, gaps, resends, logon and logout, at either end.

mod gap;
mod inbound;
mod outbound;
#[cfg(test)]
mod tests;

use crate::body::{Body, BodyFault};
use crate::dictionary::{Dictionary, Fault, Strictness};
use crate::frame::{self, Garbled, SOH, Step};
use crate::limits::{COMP_ID_BYTES_MAX, HEARTBEAT_SECONDS_MAX, REPLIES_MAX};
use crate::message::{Fields, Message};
use crate::store::{Store, StoreFault};
use crate::{Version, limits};
use gap::{Gap, Queue};
use std::fmt;

/// A moment, as the caller's two clocks tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    /// Ns since the Unix epoch: SendingTime.
    pub wall: i64,
    /// Ns of a clock that never goes back: every wait.
    pub mono: u64,
}

/// Which end of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We connect and send the first Logon.
    Initiator,
    /// We are connected to and answer it.
    Acceptor,
}

/// Which sent messages a ResendRequest gets again. What is withheld is gap-filled and told by [`Event::Resent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendPolicy {
    /// Age up to which an order, an amend or a cancel is sent again, in ns; 0 for never. PossDupFlag protects only from a peer
    /// that has seen the number: to one that has not, a resent order is a new order at a price of some time ago.
    pub order_age_ns_max: u64,
}

/// How a session is kept.
#[derive(Debug, Clone)]
pub struct Config {
    pub version: Version,
    pub role: Role,
    /// SenderCompID (49) of what we send.
    pub sender: String,
    /// TargetCompID (56) of what we send.
    pub target: String,
    /// HeartBtInt (108) an initiator proposes, in seconds; 0 for no heartbeats. An acceptor takes its peer's.
    pub heartbeat_seconds: u32,
    pub strictness: Strictness,
    pub resend: ResendPolicy,
    /// An initiator's Logon resets both numbers (141=Y). For venues that never resend.
    pub reset_on_logon: bool,
    /// Both numbers are 1 after a logout.
    pub reset_on_logout: bool,
    /// Both numbers are 1 after any end of the connection.
    pub reset_on_disconnect: bool,
    /// How long a Logon is waited for, in ns.
    pub logon_wait_ns: u64,
    /// How long the answer to our Logout is waited for, in ns.
    pub logout_wait_ns: u64,
    /// Further fields of our Logon, each with its separator.
    pub logon_fields: Vec<u8>,
}

impl Config {
    /// A client's defaults for [`Role::Initiator`], a venue's for [`Role::Acceptor`]; orders are never sent again.
    pub fn new(version: Version, role: Role, sender: &str, target: &str) -> Self {
        Self {
            version,
            role,
            sender: sender.into(),
            target: target.into(),
            heartbeat_seconds: 30,
            strictness: match role {
                Role::Initiator => Strictness::Lenient,
                Role::Acceptor => Strictness::Strict,
            },
            resend: ResendPolicy { order_age_ns_max: 0 },
            reset_on_logon: false,
            reset_on_logout: false,
            reset_on_disconnect: false,
            logon_wait_ns: 10_000_000_000,
            logout_wait_ns: 2_000_000_000,
            logon_fields: Vec::new(),
        }
    }
}

/// A configuration that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault(pub String);

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigFault {}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Both ends have sent a Logout.
    LoggedOut,
    /// No Logon in time.
    LogonTimeout,
    /// No answer to our Logout in time.
    LogoutTimeout,
    /// Nothing was received for two heartbeat intervals, and our TestRequest was not answered.
    HeartbeatTimeout,
    /// The first message was no Logon.
    NotLogon,
    /// The Logon was garbled, of another version, lacked a field, or had a wrong one.
    LogonInvalid,
    /// The clocks differ by more than [`limits::SENDING_TIME_NS_MAX`].
    LogonTime,
    /// The Logon was for somebody else.
    LogonCompId,
    /// We refused the Logon, with a text.
    LogonRefused,
    /// Our Logon was refused.
    LogonDenied,
    /// A number below the expected one without PossDupFlag.
    SeqTooLow,
    /// A message without a readable number.
    SeqMissing,
    /// A Logon within a session, without a reset.
    SecondLogon,
    /// The peer does not fill a gap, or its answer is garbled each time.
    GapNotFilled,
    /// The peer reset numbers we did not ask it to reset.
    ResetNotAsked,
    /// The peer asks for more resends than there is room for.
    Flooded,
    /// The numbers are used up.
    Exhausted,
    /// The store refused. The process must recover it before another session.
    Store,
}

/// Something an application or an operator should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The session is open; `reset` says that both numbers began at 1 with this Logon, which may come within a session too.
    LoggedOn { reset: bool },
    /// The peer has sent a Logout.
    LoggedOut { text: &'a [u8] },
    /// So many bytes were no message.
    Garbled { why: Garbled, bytes: usize },
    /// Messages are missing and were asked for.
    Gap { from: u64, to: u64 },
    /// The peer gave up messages without saying what they were (SequenceReset-Reset): reconcile.
    SequenceReset { from: u64, to: u64 },
    /// The peer repeated a message we have.
    Duplicate { seq: u64 },
    /// We rejected a message.
    Refused { seq: u64, fault: Fault },
    /// The peer rejected our message `seq`.
    Rejected { seq: u64, reason: Option<u64>, tag: Option<u64>, text: &'a [u8] },
    /// A ResendRequest was answered: so many messages were sent again, so many orders were not. Their fate is unknown.
    Resent { sent: u64, withheld: u64 },
    /// A message had to be dropped because too many wait for a gap; it comes again.
    QueueFull { seq: u64 },
}

/// What an application says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is taken.
    Accept,
    /// This application has no use for its type: BusinessMessageReject, reason 3.
    Unsupported,
    /// BusinessMessageReject (j) with a BusinessRejectReason (380) and the application's id of the message.
    Business { reason: u8, id: Option<&'a [u8]>, text: &'a str },
    /// Reject (3).
    Reject(Fault),
}

/// MsgType and body.
type Reply = (Box<[u8]>, Box<[u8]>);

/// Messages an application answers with, sent in their order.
#[derive(Debug, Default)]
pub struct Replies {
    list: Vec<Reply>,
}

impl Replies {
    /// Adds one.
    ///
    /// # Errors
    /// A body that cannot be sent, or more than [`REPLIES_MAX`].
    pub fn push(&mut self, msg_type: &[u8], body: &Body) -> Result<(), SendFault> {
        if self.list.len() == REPLIES_MAX {
            return Err(SendFault::Full);
        }
        self.list.push((msg_type.into(), body.bytes().map_err(SendFault::Body)?.into()));
        Ok(())
    }
}

/// Why a message was not sent. Nothing was: its number is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendFault {
    /// There is no open session.
    NotLoggedOn,
    /// The session sends its own messages.
    SessionType,
    Body(BodyFault),
    /// Too much was staged since the last flush.
    Full,
}

impl fmt::Display for SendFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoggedOn => f.write_str("there is no open session: want to wait for the logon"),
            Self::SessionType => f.write_str("a session message: want an application's type"),
            Self::Body(fault) => fault.fmt(f),
            Self::Full => f.write_str("too much waits to be sent: want a flush first"),
        }
    }
}

impl std::error::Error for SendFault {}

/// The user of a session.
pub trait Application {
    /// Judges the peer's Logon before it is answered or taken.
    ///
    /// # Errors
    /// Why it is refused; the peer is told.
    fn logon(&mut self, message: &Message<'_>) -> Result<(), String> {
        let _ = message;
        Ok(())
    }

    /// Takes an application message, in the order of the numbers. One with PossDupFlag may have been seen before a crash:
    /// [`Session::confirm`] is at least once, and what must count once is keyed by its own id (ExecID).
    fn message(&mut self, message: &Message<'_>, replies: &mut Replies) -> Verdict<'static>;

    /// Hears of anything else.
    fn event(&mut self, event: Event<'_>) {
        let _ = event;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No connection.
    Idle,
    /// Connected; the peer's Logon is waited for.
    LogonWait,
    Active,
    /// Our Logout is sent.
    LogoutWait,
}

/// One session, for as long as its numbers live; connections come and go.
#[derive(Debug)]
pub struct Session<S> {
    config: Config,
    dictionary: Dictionary,
    store: S,
    /// `8=…`, SOH, `9=`.
    prefix: Vec<u8>,
    /// `49=…`, SOH.
    sender_field: Vec<u8>,
    /// SOH, `56=…`, SOH.
    target_field: Vec<u8>,
    phase: Phase,
    /// Number of the next message expected, ahead of the store's by what is not confirmed.
    next_in: u64,
    inbound: Vec<u8>,
    staged: Vec<u8>,
    fields: Fields,
    replies: Replies,
    body: Body,
    queue: Queue,
    gap: Option<Gap>,
    heartbeat_ns: u64,
    last_in: u64,
    last_out: u64,
    /// The next Logon of an initiator resets both numbers, whatever the configuration says.
    reset_next: bool,
    /// When the phase began.
    since: u64,
    test_sent: bool,
    closing: Option<Close>,
    fault: Option<StoreFault>,
}

impl<S: Store> Session<S> {
    /// A session that goes on from what the store holds.
    ///
    /// # Errors
    /// A configuration that cannot be.
    pub fn new(config: Config, store: S) -> Result<Self, ConfigFault> {
        for (name, id) in [("sender", &config.sender), ("target", &config.target)] {
            let printable = id.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
            if id.is_empty() || id.len() > COMP_ID_BYTES_MAX || !printable {
                let text = format!("{name} {id:?}: want 1 to {COMP_ID_BYTES_MAX} printable ASCII characters");
                return Err(ConfigFault(text));
            }
        }
        if config.heartbeat_seconds > HEARTBEAT_SECONDS_MAX {
            let text = format!(
                "heartbeat_seconds {}: want at most {HEARTBEAT_SECONDS_MAX}",
                config.heartbeat_seconds
            );
            return Err(ConfigFault(text));
        }
        if config.logon_fields.len() > limits::BODY_BYTES_MAX / 2
            || config.logon_fields.last().is_some_and(|end| *end != SOH)
        {
            return Err(ConfigFault("logon_fields: want whole fields, each ended by 0x01".into()));
        }
        let next_in = store.numbers().next_in;
        Ok(Self {
            dictionary: Dictionary::new(config.version, config.strictness),
            prefix: format!("8={}\u{1}9=", config.version.begin_string()).into_bytes(),
            sender_field: format!("49={}\u{1}", config.sender).into_bytes(),
            target_field: format!("\u{1}56={}\u{1}", config.target).into_bytes(),
            phase: Phase::Idle,
            next_in,
            inbound: Vec::with_capacity(limits::INBOUND_BYTES_MAX),
            staged: Vec::with_capacity(limits::MESSAGE_BYTES_MAX),
            fields: Vec::with_capacity(64),
            replies: Replies::default(),
            body: Body::new(),
            queue: Queue::default(),
            gap: None,
            heartbeat_ns: 0,
            last_in: 0,
            last_out: 0,
            reset_next: false,
            since: 0,
            test_sent: false,
            closing: None,
            fault: None,
            config,
            store,
        })
    }

    /// A connection is made. An initiator sends its Logon.
    pub fn connect(&mut self, now: Instant) {
        self.phase = Phase::LogonWait;
        self.closing = None;
        self.test_sent = false;
        self.inbound.clear();
        self.staged.clear();
        (self.since, self.last_in, self.last_out) = (now.mono, now.mono, now.mono);
        if self.config.role == Role::Initiator {
            let resets = self.resets();
            if resets {
                self.reset(now);
            }
            self.heartbeat_ns = u64::from(self.config.heartbeat_seconds) * 1_000_000_000;
            self.send_logon(resets, now);
        }
    }

    /// The connection is gone. What was staged and not flushed was never sent; its numbers are gone all the same.
    pub fn disconnected(&mut self, now: Instant) {
        self.phase = Phase::Idle;
        self.closing = None;
        self.gap = None;
        self.queue.clear();
        self.inbound.clear();
        self.staged.clear();
        if self.config.reset_on_disconnect {
            self.reset(now);
        }
    }

    /// Takes received bytes, at most [`limits::READ_BYTES`] at a time.
    pub fn receive(&mut self, bytes: &[u8], now: Instant, app: &mut dyn Application) {
        if self.phase == Phase::Idle {
            return;
        }
        let mut inbound = std::mem::take(&mut self.inbound);
        inbound.extend_from_slice(bytes);
        let mut at = 0;
        while self.closing.is_none() {
            match frame::next(&inbound[at..]) {
                Step::More => break,
                Step::Skip(count, why) => {
                    at += count;
                    self.garbled(why, count, app);
                }
                Step::Frame(count) => {
                    self.take(&inbound[at..at + count], now, app);
                    at += count;
                }
            }
        }
        inbound.drain(..at);
        self.inbound = inbound;
    }

    /// Time passes: heartbeats, and whatever was waited for in vain.
    pub fn tick(&mut self, now: Instant, app: &mut dyn Application) {
        if self.closing.is_some() {
            return;
        }
        let waited = now.mono.saturating_sub(self.since);
        match self.phase {
            Phase::Idle => {}
            Phase::LogonWait if waited >= self.config.logon_wait_ns => self.close(Close::LogonTimeout),
            Phase::LogoutWait if waited >= self.config.logout_wait_ns => self.close(Close::LogoutTimeout),
            Phase::LogonWait | Phase::LogoutWait => {}
            Phase::Active => {
                self.tick_heartbeat(now);
                if self.closing.is_none() {
                    self.tick_gap(now, app);
                }
            }
        }
    }

    /// When [`Session::tick`] next has something to do, on the caller's monotonic clock.
    pub fn next_timer(&self) -> Option<u64> {
        if self.closing.is_some() {
            return None;
        }
        match self.phase {
            Phase::Idle => None,
            Phase::LogonWait => Some(self.since + self.config.logon_wait_ns),
            Phase::LogoutWait => Some(self.since + self.config.logout_wait_ns),
            Phase::Active => {
                let beat = (self.heartbeat_ns > 0).then(|| {
                    let silence = if self.test_sent { self.drop_after() } else { self.test_after() };
                    (self.last_out + self.heartbeat_ns).min(self.last_in + silence)
                });
                let gap = self.gap.as_ref().map(|gap| gap.deadline);
                beat.into_iter().chain(gap).min()
            }
        }
    }

    /// Silence after which a TestRequest is sent: 1.2 heartbeat intervals.
    const fn test_after(&self) -> u64 {
        self.heartbeat_ns / 5 * 6
    }

    /// Silence after which the connection is given up: two heartbeat intervals.
    const fn drop_after(&self) -> u64 {
        self.heartbeat_ns * 2
    }

    /// Stages an application message and gives its number.
    ///
    /// # Errors
    /// No open session, or a body that cannot be sent. Nothing is staged then.
    pub fn send(&mut self, msg_type: &[u8], body: &Body, now: Instant) -> Result<u64, SendFault> {
        if self.phase != Phase::Active || self.closing.is_some() {
            return Err(SendFault::NotLoggedOn);
        }
        if is_session_type(msg_type) {
            return Err(SendFault::SessionType);
        }
        let body = body.bytes().map_err(SendFault::Body)?;
        if self.staged.len() + body.len() > limits::STAGED_BYTES_MAX {
            return Err(SendFault::Full);
        }
        let seq = self.store.numbers().next_out;
        self.emit(msg_type, body, now);
        if self.closing.is_some() { Err(SendFault::NotLoggedOn) } else { Ok(seq) }
    }

    /// An initiator's next Logon resets both numbers (141=Y): for a peer that has begun its numbers anew. What was missed
    /// before can then not be had by sequence number.
    pub const fn reset_on_next_logon(&mut self) {
        self.reset_next = true;
    }

    /// Both numbers are 1 again, as between two sessions of a schedule; there must be no connection.
    pub fn begin_anew(&mut self, now: Instant) {
        if !self.is_connected() {
            self.reset(now);
        }
    }

    /// Whether an initiator's Logon resets both numbers.
    const fn resets(&self) -> bool {
        self.config.reset_on_logon || self.reset_next
    }

    /// Begins to log out.
    pub fn logout(&mut self, text: &str, now: Instant) {
        if self.phase == Phase::Active && self.closing.is_none() {
            self.send_logout(text, now);
        }
    }

    /// What was received up to here has had its effect and need not come again. Safe with the next flush.
    pub fn confirm(&mut self) {
        if self.store.numbers().next_in != self.next_in {
            let kept = self.store.expect(self.next_in);
            self.keep(kept);
        }
    }

    /// Makes numbers and messages safe, and then hands out the bytes to send (appended to `out`).
    ///
    /// # Errors
    /// The store refuses. Nothing is handed out, and the session is over.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), StoreFault> {
        if self.fault.is_none() {
            let committed = self.store.commit();
            self.keep(committed);
        }
        match &self.fault {
            Some(fault) => {
                self.staged.clear();
                Err(fault.clone())
            }
            None => {
                out.append(&mut self.staged);
                Ok(())
            }
        }
    }

    /// Why the connection must be closed now, after a flush.
    pub const fn closing(&self) -> Option<Close> {
        self.closing
    }

    /// Whether application messages can be sent.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Active && self.closing.is_none()
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Number of the next message to send, and of the next expected.
    pub fn numbers(&self) -> (u64, u64) {
        (self.store.numbers().next_out, self.next_in)
    }

    /// How it is kept.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What it is kept in.
    pub const fn store(&self) -> &S {
        &self.store
    }

    fn close(&mut self, why: Close) {
        self.closing.get_or_insert(why);
    }

    /// A fault of the store ends the session.
    fn keep(&mut self, result: Result<(), StoreFault>) {
        if let Err(fault) = result {
            self.fault.get_or_insert(fault);
            self.closing = Some(Close::Store);
        }
    }

    fn reset(&mut self, now: Instant) {
        let kept = self.store.reset(now.wall);
        self.keep(kept);
        self.next_in = 1;
        self.gap = None;
        self.queue.clear();
    }
}

/// Whether a type is one of the session's own.
fn is_session_type(msg_type: &[u8]) -> bool {
    matches!(msg_type, [b'0'..=b'5' | b'A'])
}

/// Whether a message is an order, an amend or a cancel, that must not be sent again blindly.
fn is_order_type(msg_type: &[u8]) -> bool {
    matches!(msg_type, b"D" | b"E" | b"F" | b"G" | b"q" | b"s" | b"t" | b"u" | b"AB" | b"AC")
}
