//! A websocket client that never waits.

use crate::clock::Stamp;
use crate::limits::{CONNECT_TIMEOUT_MS, MESSAGE_BYTES_MAX, MESSAGES_PER_PUMP_MAX, WRITE_BYTES_MAX};
use crate::net::{Family, NetFault, bounded, target};
use crate::tls::Trust;
use crate::transport::Transport;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use tungstenite::client::IntoClientRequest;
use tungstenite::error::{CapacityError, Error};
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// Where a client is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WsState {
    /// TCP is being connected.
    Connecting,
    /// The HTTP upgrade is under way.
    Handshaking,
    /// Messages flow.
    Open,
    /// Over, for the reason `pump` or `send_text` returned; make a new client.
    Closed,
}

/// Bounds of one session. All times in milliseconds of the `now` given to `pump`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectOptions {
    /// From `connect` to an open session.
    pub connect_timeout_ms: u64,
    /// No byte for so long ends an open session (a half-open peer sends nothing for ever); 0 = never.
    pub idle_timeout_ms: u64,
    /// No byte for so long sends a ping of ours, so that a quiet but living peer answers; 0 = never.
    pub ping_after_ms: u64,
    /// Largest message received.
    pub message_bytes_max: usize,
    /// Bytes that may wait to be written.
    pub write_bytes_max: usize,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            connect_timeout_ms: CONNECT_TIMEOUT_MS,
            idle_timeout_ms: 30_000,
            ping_after_ms: 10_000,
            message_bytes_max: MESSAGE_BYTES_MAX,
            write_bytes_max: WRITE_BYTES_MAX,
        }
    }
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum WsEvent<'a> {
    /// The handshake is done; `send_text` works from here on.
    Open,
    /// One whole text message, checked to be UTF-8.
    Text(&'a [u8]),
    /// One whole binary message.
    Binary(&'a [u8]),
    /// The peer pinged; the pong is already on its way.
    Ping(&'a [u8]),
    /// Answer to a ping of ours.
    Pong(&'a [u8]),
    /// The peer closes; `pump` returns `Closed` after it.
    Close { code: u16, reason: &'a str },
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WsFault {
    /// Not a URL this client can connect to.
    BadUrl(String),
    /// TCP could not be connected.
    Connect(String),
    /// Not open within `connect_timeout_ms`.
    ConnectTimeout,
    /// The peer's answer to the upgrade was not one, or TLS was not agreed on.
    Handshake(String),
    /// The peer answered the upgrade with this HTTP status.
    Status(u16),
    /// The peer closed; 1005 = without a code, 1006 = without a close frame.
    Closed { code: u16, reason: String },
    /// A message above `message_bytes_max`.
    Oversize,
    /// The peer broke the protocol.
    Protocol(String),
    /// No byte for `idle_timeout_ms`.
    Idle,
    /// The socket failed.
    Io(String),
}

impl fmt::Display for WsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadUrl(why) => {
                write!(f, "cannot connect to this URL: {why}; want ws://host:port/path or wss://")
            }
            Self::Connect(why) => write!(f, "cannot connect: {why}"),
            Self::ConnectTimeout => f.write_str("no session within the connect timeout"),
            Self::Handshake(why) => write!(f, "the peer did not upgrade to a websocket: {why}"),
            Self::Status(status) => write!(f, "the peer answered the upgrade with HTTP status {status}"),
            Self::Closed { code, reason } => write!(f, "closed by the peer with code {code} {reason}"),
            Self::Oversize => f.write_str("the peer sent a message above the size limit"),
            Self::Protocol(why) => write!(f, "the peer broke the websocket protocol: {why}"),
            Self::Idle => f.write_str("nothing received within the idle timeout"),
            Self::Io(why) => write!(f, "socket: {why}"),
        }
    }
}

impl std::error::Error for WsFault {}

/// Why a text was not taken for sending. In every case but `Failed` no byte of it left or will leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendFault {
    /// The session is not open.
    NotOpen,
    /// `write_bytes_max` bytes wait already.
    Backpressure,
    /// The socket failed while writing: bytes may have left.
    Failed(WsFault),
}

impl fmt::Display for SendFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => f.write_str("the session is not open; nothing was sent"),
            Self::Backpressure => f.write_str("too many bytes wait to be written; nothing was sent"),
            Self::Failed(fault) => write!(f, "the session failed while sending: {fault}"),
        }
    }
}

impl std::error::Error for SendFault {}

/// What a session needs beside its URL and bounds.
#[derive(Debug, Clone, Default)]
pub struct Dial {
    /// Whom a `wss://` peer is checked against; none = the public authorities.
    pub trust: Option<Trust>,
    /// Header lines of the upgrade request beside its own, as `Content-Type: application/msgpack`.
    pub headers: Vec<(String, String)>,
}

#[derive(Debug)]
enum Session {
    Connecting(Box<Transport>),
    Handshaking(Box<MidHandshake<ClientHandshake<Transport>>>),
    Open(Box<WebSocket<Transport>>),
    Closed,
}

/// One websocket session, driven by a poll loop.
#[derive(Debug)]
pub struct WsClient {
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    options: ConnectOptions,
    session: Session,
    fd: RawFd,
    started_ns: u64,
    heard_ns: u64,
    pinged_ns: u64,
    bytes_seen: u64,
    write_blocked: bool,
    more: bool,
}

impl WsClient {
    /// Starts to connect to a `ws://` or `wss://` URL at `now_mono_ns`. Host names are looked up here, which may wait
    /// for the resolver; an address literal never does. permessage-deflate is not offered.
    ///
    /// # Errors
    /// `BadUrl`, or `Connect` when the system refuses at once.
    pub fn connect(url: &str, options: ConnectOptions, now_mono_ns: u64) -> Result<Self, WsFault> {
        Self::connect_with(url, options, &Dial::default(), now_mono_ns)
    }

    /// As [`WsClient::connect`], with own authorities and header lines.
    ///
    /// # Errors
    /// As `connect`; `BadUrl` for a header line that cannot stand in a request.
    pub fn connect_with(
        url: &str,
        options: ConnectOptions,
        dial: &Dial,
        now_mono_ns: u64,
    ) -> Result<Self, WsFault> {
        let fault = |fault| match fault {
            NetFault::BadUrl(why) => WsFault::BadUrl(why),
            NetFault::Connect(why) => WsFault::Connect(why),
        };
        let target = target(url, Family::Websocket).map_err(fault)?;
        let mut headers = Vec::new();
        for (name, value) in &dial.headers {
            let bad = |_| WsFault::BadUrl(bounded(&format!("header {name} cannot stand in a request")));
            let value = HeaderValue::from_str(value).map_err(|_| bad(()))?;
            headers.push((HeaderName::try_from(name).map_err(|_| bad(()))?, value));
        }
        let transport = Transport::connect(&target, dial.trust.as_ref()).map_err(fault)?;
        Ok(Self {
            url: url.to_string(),
            headers,
            options,
            fd: transport.raw_fd(),
            session: Session::Connecting(Box::new(transport)),
            started_ns: now_mono_ns,
            heard_ns: now_mono_ns,
            pinged_ns: now_mono_ns,
            bytes_seen: 0,
            write_blocked: false,
            more: false,
        })
    }

    /// The descriptor to poll; valid until the client is dropped or `state` is `Closed`.
    pub const fn raw_fd(&self) -> RawFd {
        self.fd
    }

    /// Where the session is.
    pub const fn state(&self) -> WsState {
        match self.session {
            Session::Connecting(_) => WsState::Connecting,
            Session::Handshaking(_) => WsState::Handshaking,
            Session::Open(_) => WsState::Open,
            Session::Closed => WsState::Closed,
        }
    }

    /// How often an open session has written to its socket; 0 before and after.
    pub fn socket_writes(&self) -> u64 {
        match &self.session {
            Session::Open(socket) => socket.get_ref().writes(),
            _ => 0,
        }
    }

    /// Whether to poll the descriptor for writing too.
    pub fn wants_write(&self) -> bool {
        match &self.session {
            Session::Connecting(_) => true,
            // The request goes out at once. Polled for writing a socket is always ready, and a venue that accepts and says
            // nothing would keep its loop turning for the whole of the time-out.
            Session::Handshaking(middle) => {
                let stream = middle.get_ref().get_ref();
                stream.full() || stream.wants_write()
            }
            Session::Open(socket) => self.write_blocked || socket.get_ref().wants_write(),
            Session::Closed => false,
        }
    }

    /// Whether the last `pump` stopped at `MESSAGES_PER_PUMP_MAX`: pump again before polling, since what is left may be
    /// in our buffer and no longer in the socket.
    pub const fn more(&self) -> bool {
        self.more
    }

    /// Goes as far as it can without waiting and hands each message to `sink` with its receive stamp. Call it when the
    /// descriptor is ready and at least every 100 ms, since time-outs are noticed here. Returns the messages handed over.
    ///
    /// # Errors
    /// Why the session is over. Messages handed over before the fault stay good.
    pub fn pump(
        &mut self,
        now_mono_ns: u64,
        mut sink: impl FnMut(Stamp, WsEvent<'_>),
    ) -> Result<usize, WsFault> {
        self.more = false;
        let outcome =
            self.advance(now_mono_ns, &mut sink).and_then(|()| self.receive(now_mono_ns, &mut sink));
        if outcome.is_err() {
            self.session = Session::Closed;
        }
        outcome
    }

    /// Sends one text message, or queues what the socket does not take at once.
    ///
    /// # Errors
    /// See `SendFault`; after `Failed` the session is closed.
    pub fn send_text(&mut self, text: &str) -> Result<(), SendFault> {
        let Session::Open(socket) = &mut self.session else {
            return Err(SendFault::NotOpen);
        };
        let sent = socket.write(Message::text(text)).and_then(|()| socket.flush());
        self.write_outcome(sent)
    }

    /// Sends one binary message; bounds and errors as `send_text`.
    ///
    /// # Errors
    /// See `SendFault`; after `Failed` the session is closed.
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SendFault> {
        let Session::Open(socket) = &mut self.session else {
            return Err(SendFault::NotOpen);
        };
        let sent = socket.write(Message::binary(bytes.to_vec())).and_then(|()| socket.flush());
        self.write_outcome(sent)
    }

    /// Starts the closing handshake; `pump` until `state` is `Closed` to see its end, or drop the client.
    pub fn close(&mut self) {
        match &mut self.session {
            Session::Open(socket) => {
                let _ = socket.close(None);
            }
            _ => self.session = Session::Closed,
        }
    }

    fn write_outcome(&mut self, sent: tungstenite::Result<()>) -> Result<(), SendFault> {
        match sent {
            Ok(()) => {
                self.write_blocked = false;
                Ok(())
            }
            Err(Error::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => {
                self.write_blocked = true;
                Ok(())
            }
            Err(Error::WriteBufferFull(_)) => {
                self.write_blocked = true;
                Err(SendFault::Backpressure)
            }
            Err(Error::AlreadyClosed | Error::ConnectionClosed) => {
                self.session = Session::Closed;
                Err(SendFault::NotOpen)
            }
            Err(e) => {
                self.session = Session::Closed;
                Err(SendFault::Failed(fault(e)))
            }
        }
    }

    fn advance(&mut self, now: u64, sink: &mut impl FnMut(Stamp, WsEvent<'_>)) -> Result<(), WsFault> {
        match std::mem::replace(&mut self.session, Session::Closed) {
            Session::Connecting(stream) => match stream.connected() {
                Ok(true) => self.upgrade(*stream, now, sink)?,
                Ok(false) => self.session = Session::Connecting(stream),
                Err(e) => return Err(WsFault::Connect(bounded(&e.to_string()))),
            },
            Session::Handshaking(middle) => self.shaken(middle.handshake(), now, sink)?,
            other => self.session = other,
        }
        let connecting = matches!(self.session, Session::Connecting(_) | Session::Handshaking(_));
        if connecting && elapsed_ms(now, self.started_ns) >= self.options.connect_timeout_ms {
            return Err(WsFault::ConnectTimeout);
        }
        Ok(())
    }

    fn upgrade(
        &mut self,
        stream: Transport,
        now: u64,
        sink: &mut impl FnMut(Stamp, WsEvent<'_>),
    ) -> Result<(), WsFault> {
        let mut request =
            self.url.as_str().into_client_request().map_err(|e| WsFault::BadUrl(bounded(&e.to_string())))?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let config = WebSocketConfig::default()
            .write_buffer_size(0)
            .max_write_buffer_size(self.options.write_bytes_max.max(1))
            .max_message_size(Some(self.options.message_bytes_max))
            .max_frame_size(Some(self.options.message_bytes_max));
        let middle = ClientHandshake::start(stream, request, Some(config))
            .map_err(|e| WsFault::Handshake(bounded(&e.to_string())))?;
        self.shaken(middle.handshake(), now, sink)
    }

    #[allow(clippy::type_complexity)]
    fn shaken(
        &mut self,
        result: Result<
            (WebSocket<Transport>, tungstenite::handshake::client::Response),
            HandshakeError<ClientHandshake<Transport>>,
        >,
        now: u64,
        sink: &mut impl FnMut(Stamp, WsEvent<'_>),
    ) -> Result<(), WsFault> {
        match result {
            Ok((socket, _)) => {
                let stamp = socket.get_ref().stamp();
                self.session = Session::Open(Box::new(socket));
                self.heard_ns = now;
                self.pinged_ns = now;
                sink(stamp, WsEvent::Open);
                Ok(())
            }
            Err(HandshakeError::Interrupted(middle)) => {
                self.session = Session::Handshaking(Box::new(middle));
                Ok(())
            }
            Err(HandshakeError::Failure(Error::Http(answer))) => {
                Err(WsFault::Status(answer.status().as_u16()))
            }
            Err(HandshakeError::Failure(e)) => Err(WsFault::Handshake(bounded(&e.to_string()))),
        }
    }

    fn receive(&mut self, now: u64, sink: &mut impl FnMut(Stamp, WsEvent<'_>)) -> Result<usize, WsFault> {
        let mut count = 0;
        let mut closing: Option<(u16, String)> = None;
        let Session::Open(socket) = &mut self.session else {
            return Ok(0);
        };
        if self.write_blocked || socket.get_ref().wants_write() {
            let flushed = socket.flush();
            self.write_outcome(flushed).or_else(|e| match e {
                SendFault::Failed(fault) => Err(fault),
                SendFault::NotOpen | SendFault::Backpressure => Ok(()),
            })?;
        }
        let Session::Open(socket) = &mut self.session else {
            return Ok(0);
        };
        let ended = loop {
            if count == MESSAGES_PER_PUMP_MAX {
                self.more = true;
                break None;
            }
            let message = match socket.read() {
                Ok(message) => message,
                Err(Error::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => break None,
                Err(e) => break Some(e),
            };
            count += 1;
            let stamp = socket.get_ref().stamp();
            match &message {
                Message::Text(text) => sink(stamp, WsEvent::Text(text.as_bytes())),
                Message::Binary(bytes) => sink(stamp, WsEvent::Binary(bytes)),
                Message::Ping(bytes) => sink(stamp, WsEvent::Ping(bytes)),
                Message::Pong(bytes) => sink(stamp, WsEvent::Pong(bytes)),
                Message::Close(frame) => {
                    let (code, reason) = frame
                        .as_ref()
                        .map_or((1005, String::new()), |f| (u16::from(f.code), bounded(f.reason.as_str())));
                    sink(stamp, WsEvent::Close { code, reason: &reason });
                    closing = Some((code, reason));
                }
                Message::Frame(_) => {}
            }
        };
        let bytes_in = socket.get_ref().bytes_in();
        if bytes_in != self.bytes_seen {
            self.bytes_seen = bytes_in;
            self.heard_ns = now;
        }
        if let Some((code, reason)) = closing {
            return Err(WsFault::Closed { code, reason });
        }
        if let Some(e) = ended {
            return Err(fault(e));
        }
        self.keep_alive(now)?;
        Ok(count)
    }

    fn keep_alive(&mut self, now: u64) -> Result<(), WsFault> {
        let quiet_ms = elapsed_ms(now, self.heard_ns);
        if self.options.idle_timeout_ms > 0 && quiet_ms >= self.options.idle_timeout_ms {
            return Err(WsFault::Idle);
        }
        let ping_after = self.options.ping_after_ms;
        if ping_after > 0 && quiet_ms >= ping_after && elapsed_ms(now, self.pinged_ns) >= ping_after {
            self.pinged_ns = now;
            if let Session::Open(socket) = &mut self.session {
                let sent = socket.write(Message::Ping(Vec::new().into())).and_then(|()| socket.flush());
                if let Err(SendFault::Failed(fault)) = self.write_outcome(sent) {
                    return Err(fault);
                }
            }
        }
        Ok(())
    }
}

fn elapsed_ms(now: u64, since: u64) -> u64 {
    now.saturating_sub(since) / 1_000_000
}

fn fault(error: Error) -> WsFault {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => {
            WsFault::Closed { code: 1006, reason: String::new() }
        }
        Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            WsFault::Closed { code: 1006, reason: String::new() }
        }
        Error::Capacity(CapacityError::MessageTooLong { .. }) => WsFault::Oversize,
        Error::Io(e) => WsFault::Io(bounded(&e.to_string())),
        other => WsFault::Protocol(bounded(&other.to_string())),
    }
}
