//! FIX 4.2 and 4.4, tag=value: codec, dictionary, session.
//!
//! The core is pure. A [`Session`] takes bytes, timer ticks and messages to send; it gives bytes and calls an
//! [`Application`]. It knows no socket, no clock and no file: what must outlive the process goes to a [`Store`], and no byte
//! leaves [`Session::flush`] before the store has it. [`shell`] has the socket and the store on disk.
//!
//! Reading copies nothing: a [`Message`] is spans into the received bytes. What is not a valid frame is skipped by
//! [`frame::next`] and named, never guessed at.
#![forbid(unsafe_code)]

pub mod acceptance;
mod acceptor;
mod body;
mod dictionary;
pub mod frame;
pub mod limits;
mod message;
pub mod orders;
mod session;
pub mod shell;
mod store;
pub mod tag;
pub mod time;

pub use acceptor::{Acceptor, Identity, Unattached};
pub use body::{Body, BodyFault};
pub use dictionary::{Dictionary, Fault, Strictness};
pub use frame::{Garbled, Step};
pub use message::{Field, Fields, Message};
pub use session::{
    Application, Close, Config, ConfigFault, Event, Instant, Replies, ResendPolicy, Role, SendFault, Session,
    Verdict,
};
pub use store::{MemoryStore, Numbers, Store, StoreFault, Stored};

/// The protocol versions there are tables for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    Fix42,
    Fix44,
}

impl Version {
    /// BeginString (8).
    pub const fn begin_string(self) -> &'static str {
        match self {
            Self::Fix42 => "FIX.4.2",
            Self::Fix44 => "FIX.4.4",
        }
    }
}
