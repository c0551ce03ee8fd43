//! What carries frames: today ZeroMQ, later also shared memory. A lane neither reads nor keeps them.

use std::fmt;

/// What became of one frame handed to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    Sent,
    /// The lane is full, or its only peer is away. Nothing left.
    WouldBlock,
    /// The addressed peer is not connected. Nothing left.
    NoPeer,
}

/// What a lane had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// `buf` holds a frame.
    Frame,
    Empty,
    /// Something arrived and was thrown away.
    Refused(LaneRefusal),
}

/// Why a lane threw something away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneRefusal {
    /// Not the parts this kind of socket carries.
    BadParts,
    /// An address or frame longer than its bound.
    TooLong,
    /// The peer's user is not in the allow-list.
    PeerNotAllowed,
    /// The system named no peer user; nobody unnamed is let in.
    NoCredentials,
}

impl LaneRefusal {
    /// As metrics and JavaScript spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadParts => "BAD_PARTS",
            Self::TooLong => "TOO_LONG",
            Self::PeerNotAllowed => "PEER_NOT_ALLOWED",
            Self::NoCredentials => "NO_CREDENTIALS",
        }
    }
}

/// One arrival, reused for every next one.
#[derive(Debug, Default)]
pub struct Inbox {
    /// The peer's identity on a ROUTER, the topic on a SUB, empty on a DEALER.
    pub address: Vec<u8>,
    pub frame: Vec<u8>,
}

/// Counts of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneCounters {
    pub sent: u64,
    pub sent_bytes: u64,
    pub would_block: u64,
    pub no_peer: u64,
    pub received: u64,
    pub received_bytes: u64,
    pub refused_parts: u64,
    pub refused_length: u64,
    pub refused_peer: u64,
    pub refused_no_credentials: u64,
}

/// A carrier of frames. Nothing here waits.
pub trait Lane {
    /// Hands over one frame; `address` as in [`Inbox`].
    ///
    /// # Errors
    /// The carrier is broken.
    fn send(&mut self, address: &[u8], frame: &[u8]) -> Result<Sent, LaneFault>;

    /// Takes one arrival into `inbox`.
    ///
    /// # Errors
    /// The carrier is broken.
    fn recv(&mut self, inbox: &mut Inbox) -> Result<Arrival, LaneFault>;

    /// What to poll for readiness to receive: a ZeroMQ socket or a descriptor.
    fn poll_item(&self) -> zmq::PollItem<'_>;

    fn counters(&self) -> &LaneCounters;
}

/// The world failed a lane, or its configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneFault {
    pub code: LaneFaultCode,
    /// What could not be done, what is, and the remedy.
    pub text: String,
}

/// The kinds of [`LaneFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneFaultCode {
    /// `tcp://`: these ends speak ipc only, the bridge carries across hosts.
    TcpRefused,
    /// Not `ipc://<path>` with a directory of its own.
    BadEndpoint,
    PathTooLong,
    /// Another process listens there.
    AddressInUse,
    /// The path is taken by something that is not a socket.
    NotASocket,
    /// The directory belongs to somebody else or is shared by all.
    DirShared,
    BadIdentity,
    /// A bound of the end was reached.
    TooMany,
    Io,
    Zmq,
}

impl LaneFaultCode {
    /// As logs spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TcpRefused => "TCP_REFUSED",
            Self::BadEndpoint => "BAD_ENDPOINT",
            Self::PathTooLong => "PATH_TOO_LONG",
            Self::AddressInUse => "ADDRESS_IN_USE",
            Self::NotASocket => "NOT_A_SOCKET",
            Self::DirShared => "DIR_SHARED",
            Self::BadIdentity => "BAD_IDENTITY",
            Self::TooMany => "TOO_MANY",
            Self::Io => "IO",
            Self::Zmq => "ZMQ",
        }
    }
}

impl LaneFault {
    pub(crate) fn new(code: LaneFaultCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl fmt::Display for LaneFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code.name(), self.text)
    }
}

impl std::error::Error for LaneFault {}
