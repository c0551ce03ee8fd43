//! Which session a new connection is for.

use crate::frame::{self, Step};
use crate::limits::{READ_BYTES, SESSIONS_MAX};
use crate::message::Message;
use crate::session::{Config, ConfigFault, Instant, Role, Session};
use crate::store::Store;
use crate::{Version, tag};

/// A session as its acceptor knows it: version, our id, the peer's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub version: Version,
    pub us: String,
    pub peer: String,
}

/// Why a connection is for no session. It is closed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unattached {
    /// Not enough bytes yet for one message.
    More,
    /// The first bytes are no message.
    Garbled,
    /// The first message is no Logon.
    NotLogon,
    /// There is no session of this version and these ids.
    Unknown,
    /// The session has a connection.
    Connected,
}

/// All sessions of one listener.
#[derive(Debug)]
pub struct Acceptor<S> {
    sessions: Vec<Session<S>>,
}

impl<S> Default for Acceptor<S> {
    fn default() -> Self {
        Self { sessions: Vec::new() }
    }
}

fn identity(config: &Config) -> Identity {
    Identity { version: config.version, us: config.sender.clone(), peer: config.target.clone() }
}

impl<S: Store> Acceptor<S> {
    /// Adds a session.
    ///
    /// # Errors
    /// One that is no acceptor's or whose identity is taken, or more than [`SESSIONS_MAX`].
    pub fn add(&mut self, session: Session<S>) -> Result<(), ConfigFault> {
        let config = session.config();
        if config.role != Role::Acceptor {
            return Err(ConfigFault(format!("session of {}: want role Acceptor", config.target)));
        }
        if self.sessions.len() == SESSIONS_MAX {
            return Err(ConfigFault(format!("more than {SESSIONS_MAX} sessions")));
        }
        let new = identity(config);
        if self.sessions.iter().any(|other| identity(other.config()) == new) {
            return Err(ConfigFault(format!("session of {} with {}: stands twice", new.us, new.peer)));
        }
        self.sessions.push(session);
        Ok(())
    }

    /// Finds the session the first bytes of a connection are for, and connects it. The bytes are then given to its `receive`.
    ///
    /// # Errors
    /// There is none.
    pub fn attach(&mut self, bytes: &[u8], now: Instant) -> Result<usize, Unattached> {
        let raw = match frame::next(bytes) {
            Step::More if bytes.len() < READ_BYTES => return Err(Unattached::More),
            Step::Frame(count) => &bytes[..count],
            Step::More | Step::Skip(..) => return Err(Unattached::Garbled),
        };
        let mut fields = Vec::new();
        let message = Message::parse(raw, &mut fields).map_err(|_| Unattached::Garbled)?;
        if message.msg_type() != b"A" {
            return Err(Unattached::NotLogon);
        }
        let is = |tag: i32, text: &str| message.get(tag) == Some(text.as_bytes());
        let found = self.sessions.iter().position(|session| {
            let config = session.config();
            is(tag::BEGIN_STRING, config.version.begin_string())
                && is(tag::SENDER_COMP_ID, &config.target)
                && is(tag::TARGET_COMP_ID, &config.sender)
        });
        let at = found.ok_or(Unattached::Unknown)?;
        match self.sessions.get_mut(at) {
            Some(session) if !session.is_connected() => {
                session.connect(now);
                Ok(at)
            }
            _ => Err(Unattached::Connected),
        }
    }

    /// A session by its place.
    pub fn session(&mut self, at: usize) -> Option<&mut Session<S>> {
        self.sessions.get_mut(at)
    }
}
