//! How each venue is spoken to: logins, subscriptions, and the answers that are no market data.

mod alpaca;
mod binance;
mod shioaji;

use super::limits::{KEY_FILE_BYTES_MAX, REQUESTS_MAX};
use crate::Fault;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

/// The key of one account. Printing it shows nothing.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub key: String,
    pub secret: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Reads `{"key": …, "secret": …}` from a file or an open descriptor (`/dev/fd/3`).
    ///
    /// # Errors
    /// The file cannot be read or is no key; its text is in no message.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let shown = path.display();
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|e| Fault(format!("key file {shown}: {e}")))?;
        file.take(KEY_FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|e| Fault(format!("key file {shown}: {e}")))?;
        let want = "want {\"key\": \"…\", \"secret\": \"…\"} of printable characters";
        let key: Self =
            serde_json::from_str(&text).map_err(|_| Fault(format!("key file {shown}: {want}")))?;
        let clean = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        if clean(&key.key) && clean(&key.secret) {
            Ok(key)
        } else {
            Err(Fault(format!("key file {shown}: {want}")))
        }
    }
}

/// Which venue's way of speaking a session has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    #[default]
    Binance,
    Alpaca,
    Shioaji,
}

/// What a message that is no market data says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    Greeted,
    Granted,
    Refused {
        code: u32,
        text: String,
    },
    Held(Vec<String>),
    HeldExactly(Vec<String>),
    Dropped(Vec<String>),
    StreamRefused(Vec<String>),
    ShutdownNotice,
    /// Understood, and of no consequence.
    Nothing,
}

/// One request on its way, by its number.
#[derive(Debug, Clone)]
struct Request {
    subscribe: bool,
    names: Vec<String>,
}

/// The state of one connection's conversation.
#[derive(Debug)]
pub struct Talk {
    dialect: Dialect,
    next_id: u64,
    requests: BTreeMap<u64, Request>,
}

impl Talk {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, next_id: 1, requests: BTreeMap::new() }
    }

    /// The login, where the venue has one in its messages.
    pub fn login(&self, key: Option<&Key>) -> Option<String> {
        match self.dialect {
            Dialect::Alpaca => key.map(alpaca::login),
            Dialect::Binance | Dialect::Shioaji => None,
        }
    }

    /// The message that asks for streams, or for no more of them; none where the venue is asked over HTTP.
    pub fn ask(&mut self, subscribe: bool, names: &[String]) -> Option<String> {
        match self.dialect {
            Dialect::Binance => {
                let id = self.next_id;
                self.next_id += 1;
                if self.requests.len() == REQUESTS_MAX {
                    self.requests.pop_first();
                }
                self.requests.insert(id, Request { subscribe, names: names.to_vec() });
                Some(binance::ask(subscribe, names, id))
            }
            Dialect::Alpaca => Some(alpaca::ask(subscribe, names)),
            Dialect::Shioaji => None,
        }
    }

    /// What a message says, or `None` when it is market data.
    pub fn control(&mut self, bytes: &[u8]) -> Option<Vec<Control>> {
        match self.dialect {
            Dialect::Binance => binance::control(bytes, &mut self.requests),
            Dialect::Alpaca => alpaca::control(bytes),
            Dialect::Shioaji => None,
        }
    }
}

pub use shioaji::{answer as shioaji_answer, body as shioaji_body, is_heartbeat as shioaji_heartbeat};

/// Whether `needle` occurs in the first `most` bytes.
fn occurs(bytes: &[u8], needle: &[u8], most: usize) -> bool {
    bytes.get(..bytes.len().min(most)).is_some_and(|head| head.windows(needle.len()).any(|w| w == needle))
}

#[cfg(test)]
mod tests;
