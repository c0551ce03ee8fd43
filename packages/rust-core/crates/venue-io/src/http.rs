//! One HTTP/1.1 request and its answer over a socket of its own, for a poll loop.

use crate::clock::Stamp;
use crate::limits::{
    CONNECT_TIMEOUT_MS, HTTP_BODY_BYTES_MAX, HTTP_CHUNK_LINE_BYTES_MAX, HTTP_HEAD_BYTES_MAX,
    HTTP_HEADERS_MAX, HTTP_PUMP_BYTES_MAX, WRITE_BYTES_MAX,
};
use crate::net::{Family, NetFault, Target, bounded, target};
use crate::tls::Trust;
use crate::transport::Transport;
use std::fmt;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::os::fd::RawFd;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST` …, upper case.
    pub method: String,
    /// `http://`, `https://`, or `http+unix://<percent-encoded socket path>/…`.
    pub url: String,
    /// Beside `Host`, `Content-Length` and `Connection`, which are written here.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpRequest {
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: "GET".into(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A POST of JSON text.
    pub fn post_json(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".into(), "application/json".into())];
        Self { method: "POST".into(), url: url.into(), headers, body: body.into() }
    }
}

/// Bounds of one exchange. All times in milliseconds of the `now` given to `pump`; 0 = never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpOptions {
    /// From the start to a connection.
    pub connect_timeout_ms: u64,
    /// From the start to the end of the answer.
    pub answer_timeout_ms: u64,
    /// From the connection to the head of the answer.
    pub head_timeout_ms: u64,
    /// No byte for so long after the head ends the exchange.
    pub idle_timeout_ms: u64,
    /// Largest body; 0 = no bound, for a stream whose consumer keeps nothing.
    pub body_bytes_max: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout_ms: CONNECT_TIMEOUT_MS,
            answer_timeout_ms: 30_000,
            head_timeout_ms: 0,
            idle_timeout_ms: 0,
            body_bytes_max: HTTP_BODY_BYTES_MAX,
        }
    }
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum HttpEvent<'a> {
    /// The head of the answer. `retry_after_s` is the header's whole seconds, where it has them; `rate` what the venue allows
    /// in its window and what is left of it (`X-RateLimit-Limit`, `-Remaining`).
    Head { status: u16, retry_after_s: Option<u64>, event_stream: bool, rate: Option<(u64, u64)> },
    /// A piece of the body.
    Body(&'a [u8]),
    /// The answer is whole; the exchange is over.
    End,
}

/// Why an exchange failed. Whether the request had an effect is unknown once it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFault {
    /// Not a URL or header this client can send.
    BadRequest(String),
    /// No connection.
    Connect(String),
    /// No answer within its bound, or silence above `idle_timeout_ms`: which of them.
    Timeout(&'static str),
    /// The answer is not HTTP/1.1.
    Protocol(String),
    /// The body is above `body_bytes_max`.
    Oversize,
    /// The peer ended before the answer was whole.
    Cut,
    /// The socket failed.
    Io(String),
    /// `pump` after the end.
    Over,
}

impl fmt::Display for HttpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(why) => write!(f, "cannot send this request: {why}"),
            Self::Connect(why) => write!(f, "cannot connect: {why}"),
            Self::Timeout(which) => write!(f, "{which} not within its bound"),
            Self::Protocol(why) => write!(f, "the answer is not HTTP/1.1: {why}"),
            Self::Oversize => f.write_str("the answer is above the size limit"),
            Self::Cut => f.write_str("the peer ended before the answer was whole"),
            Self::Io(why) => write!(f, "socket: {why}"),
            Self::Over => f.write_str("the exchange is over"),
        }
    }
}

impl std::error::Error for HttpFault {}

/// How the end of the body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Bytes still to come.
    Length(u64),
    /// Inside a chunk: bytes of it still to come.
    Chunk(u64),
    /// The line of a chunk's size comes next.
    ChunkSize,
    /// The empty line after a chunk.
    ChunkEnd,
    /// Lines after the last chunk.
    Trailer,
    /// Until the peer ends.
    Eof,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Sending,
    Head,
    Body(Framing),
    Over,
}

/// One request on its way, driven by a poll loop.
#[derive(Debug)]
pub struct HttpExchange {
    transport: Transport,
    options: HttpOptions,
    phase: Phase,
    out: Vec<u8>,
    sent: usize,
    /// Bytes that came and are not yet understood.
    buf: Vec<u8>,
    bodiless: bool,
    body_bytes: usize,
    started_ns: u64,
    connected_ns: u64,
    heard_ns: u64,
    bytes_seen: u64,
    more: bool,
}

impl HttpExchange {
    /// Begins: connects without waiting; the request goes out in `pump`.
    ///
    /// # Errors
    /// `BadRequest` or `Connect`.
    pub fn start(
        request: &HttpRequest,
        options: HttpOptions,
        trust: Option<&Trust>,
        now_mono_ns: u64,
    ) -> Result<Self, HttpFault> {
        let fault = |fault| match fault {
            NetFault::BadUrl(why) => HttpFault::BadRequest(why),
            NetFault::Connect(why) => HttpFault::Connect(why),
        };
        let target = target(&request.url, Family::Http).map_err(fault)?;
        let out = encode(request, &target)?;
        let transport = Transport::connect(&target, trust).map_err(fault)?;
        Ok(Self {
            transport,
            options,
            phase: Phase::Connecting,
            out,
            sent: 0,
            buf: Vec::new(),
            bodiless: request.method == "HEAD",
            body_bytes: 0,
            started_ns: now_mono_ns,
            connected_ns: now_mono_ns,
            heard_ns: now_mono_ns,
            bytes_seen: 0,
            more: false,
        })
    }

    /// The descriptor to poll.
    pub fn raw_fd(&self) -> RawFd {
        self.transport.raw_fd()
    }

    /// Whether to poll the descriptor for writing too.
    pub fn wants_write(&self) -> bool {
        matches!(self.phase, Phase::Connecting | Phase::Sending) || self.transport.wants_write()
    }

    /// Whether the last `pump` stopped at its bound: pump again before polling.
    pub const fn more(&self) -> bool {
        self.more
    }

    /// Whether the exchange is over, well or not.
    pub const fn over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether every byte of the request was handed to the socket.
    pub const fn sent(&self) -> bool {
        !matches!(self.phase, Phase::Connecting | Phase::Sending)
    }

    /// Whether bytes of the request may have left: it is connected.
    pub const fn begun(&self) -> bool {
        !matches!(self.phase, Phase::Connecting)
    }

    /// Whether the head of the answer has come.
    pub const fn answered(&self) -> bool {
        matches!(self.phase, Phase::Body(_) | Phase::Over)
    }

    /// Goes as far as it can without waiting; call it when the descriptor is ready and at least every 100 ms.
    ///
    /// # Errors
    /// Why the exchange is over. What was handed over before stays good.
    pub fn pump(
        &mut self,
        now_mono_ns: u64,
        mut sink: impl FnMut(Stamp, HttpEvent<'_>),
    ) -> Result<(), HttpFault> {
        self.more = false;
        let outcome = self.advance(now_mono_ns, &mut sink);
        if outcome.is_err() {
            self.phase = Phase::Over;
        }
        outcome
    }

    fn advance(&mut self, now: u64, sink: &mut impl FnMut(Stamp, HttpEvent<'_>)) -> Result<(), HttpFault> {
        if self.phase == Phase::Over {
            return Err(HttpFault::Over);
        }
        if self.phase == Phase::Connecting {
            match self.transport.connected() {
                Ok(true) => {
                    self.phase = Phase::Sending;
                    self.connected_ns = now;
                    self.heard_ns = now;
                }
                Ok(false) => {}
                Err(e) => return Err(HttpFault::Connect(bounded(&e.to_string()))),
            }
        }
        if self.phase == Phase::Sending {
            self.send()?;
        }
        if matches!(self.phase, Phase::Sending | Phase::Head | Phase::Body(_)) {
            self.receive(sink)?;
        }
        if self.transport.bytes_in() != self.bytes_seen {
            self.bytes_seen = self.transport.bytes_in();
            self.heard_ns = now;
        }
        self.deadlines(now)
    }

    fn deadlines(&self, now: u64) -> Result<(), HttpFault> {
        let past = |since: u64, ms: u64| ms > 0 && now.saturating_sub(since) / 1_000_000 >= ms;
        let options = &self.options;
        match self.phase {
            Phase::Over => return Ok(()),
            Phase::Connecting if past(self.started_ns, options.connect_timeout_ms) => {
                return Err(HttpFault::Timeout("a connection"));
            }
            Phase::Sending | Phase::Head if past(self.connected_ns, options.head_timeout_ms) => {
                return Err(HttpFault::Timeout("the head of the answer"));
            }
            Phase::Body(_) if past(self.heard_ns, options.idle_timeout_ms) => {
                return Err(HttpFault::Timeout("the next byte"));
            }
            _ => {}
        }
        if past(self.started_ns, options.answer_timeout_ms) {
            return Err(HttpFault::Timeout("the whole answer"));
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), HttpFault> {
        while let Some(rest) = self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.transport.write(rest) {
                Ok(0) => return Err(HttpFault::Cut),
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(HttpFault::Io(bounded(&e.to_string()))),
            }
        }
        self.out = Vec::new();
        self.phase = Phase::Head;
        Ok(())
    }

    fn receive(&mut self, sink: &mut impl FnMut(Stamp, HttpEvent<'_>)) -> Result<(), HttpFault> {
        match self.transport.push() {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => {
                return Err(HttpFault::Io(bounded(&e.to_string())));
            }
            _ => {}
        }
        let mut taken = 0;
        let mut piece = [0_u8; 16 << 10];
        while self.phase != Phase::Over {
            if taken >= HTTP_PUMP_BYTES_MAX {
                self.more = true;
                return Ok(());
            }
            let n = match self.transport.read(&mut piece) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                // TLS without its close is an end like any other here: a body has its own measure.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => 0,
                Err(e) => return Err(HttpFault::Io(bounded(&e.to_string()))),
            };
            if n == 0 {
                if self.phase == Phase::Body(Framing::Eof) {
                    self.finish(sink);
                    return Ok(());
                }
                return Err(HttpFault::Cut);
            }
            taken += n;
            self.buf.extend_from_slice(piece.get(..n).unwrap_or_default());
            self.understand(sink)?;
        }
        Ok(())
    }

    fn finish(&mut self, sink: &mut impl FnMut(Stamp, HttpEvent<'_>)) {
        self.phase = Phase::Over;
        sink(self.transport.stamp(), HttpEvent::End);
    }

    /// Takes what it can from `buf`.
    fn understand(&mut self, sink: &mut impl FnMut(Stamp, HttpEvent<'_>)) -> Result<(), HttpFault> {
        let stamp = self.transport.stamp();
        let mut at = 0;
        let buf = std::mem::take(&mut self.buf);
        loop {
            let rest = buf.get(at..).unwrap_or_default();
            match self.phase {
                Phase::Connecting | Phase::Sending | Phase::Head => {
                    let Some((head_bytes, head)) = read_head(rest)? else {
                        if rest.len() > HTTP_HEAD_BYTES_MAX {
                            return Err(HttpFault::Protocol("a head above its bound".into()));
                        }
                        break;
                    };
                    at += head_bytes;
                    if (100..200).contains(&head.status) {
                        continue;
                    }
                    self.phase = Phase::Body(head.framing);
                    sink(
                        stamp,
                        HttpEvent::Head {
                            status: head.status,
                            retry_after_s: head.retry_after_s,
                            event_stream: head.event_stream,
                            rate: head.rate,
                        },
                    );
                    let empty = self.bodiless || matches!(head.status, 204 | 304);
                    if empty || head.framing == Framing::Length(0) {
                        self.finish(sink);
                        return Ok(());
                    }
                }
                Phase::Body(framing) => {
                    let Some((used, next)) = self.body(framing, rest, stamp, sink)? else { break };
                    at += used;
                    match next {
                        Some(framing) => self.phase = Phase::Body(framing),
                        None => {
                            self.finish(sink);
                            return Ok(());
                        }
                    }
                }
                Phase::Over => return Ok(()),
            }
        }
        self.buf = buf;
        self.buf.drain(..at.min(self.buf.len()));
        Ok(())
    }

    /// One step in the body: bytes used and the framing after, none at its end. `None`: more bytes are needed.
    #[allow(clippy::type_complexity)]
    fn body(
        &mut self,
        framing: Framing,
        rest: &[u8],
        stamp: Stamp,
        sink: &mut impl FnMut(Stamp, HttpEvent<'_>),
    ) -> Result<Option<(usize, Option<Framing>)>, HttpFault> {
        if rest.is_empty() {
            return Ok(None);
        }
        let mut give = |self_: &mut Self, most: u64| -> Result<usize, HttpFault> {
            let n = rest.len().min(usize::try_from(most).unwrap_or(usize::MAX));
            self_.body_bytes = self_.body_bytes.saturating_add(n);
            if self_.options.body_bytes_max > 0 && self_.body_bytes > self_.options.body_bytes_max {
                return Err(HttpFault::Oversize);
            }
            sink(stamp, HttpEvent::Body(rest.get(..n).unwrap_or_default()));
            Ok(n)
        };
        let line = |what: &str| -> Result<Option<(usize, String)>, HttpFault> {
            let Some(end) = rest.iter().position(|b| *b == b'\n') else {
                return if rest.len() > HTTP_CHUNK_LINE_BYTES_MAX {
                    Err(HttpFault::Protocol(format!("{what} above its bound")))
                } else {
                    Ok(None)
                };
            };
            let text = String::from_utf8_lossy(rest.get(..end).unwrap_or_default());
            Ok(Some((end + 1, text.trim_end_matches('\r').to_string())))
        };
        Ok(match framing {
            Framing::Eof => Some((give(self, u64::MAX)?, Some(Framing::Eof))),
            Framing::Length(left) => {
                let n = give(self, left)?;
                let left = left - n as u64;
                Some((n, (left > 0).then_some(Framing::Length(left))))
            }
            Framing::Chunk(left) => {
                let n = give(self, left)?;
                let left = left - n as u64;
                Some((n, Some(if left > 0 { Framing::Chunk(left) } else { Framing::ChunkEnd })))
            }
            Framing::ChunkSize => line("a chunk's size")?
                .map(|(used, text)| {
                    let digits = text.split(';').next().unwrap_or("").trim();
                    let valid = !digits.is_empty()
                        && digits.len() <= 15
                        && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    match u64::from_str_radix(digits, 16) {
                        Ok(0) if valid => Ok((used, Some(Framing::Trailer))),
                        Ok(size) if valid => Ok((used, Some(Framing::Chunk(size)))),
                        _ => Err(HttpFault::Protocol("a chunk's size is no number".into())),
                    }
                })
                .transpose()?,
            Framing::ChunkEnd => match line("the end of a chunk")? {
                Some((used, text)) if text.is_empty() => Some((used, Some(Framing::ChunkSize))),
                Some(_) => return Err(HttpFault::Protocol("a chunk is longer than it says".into())),
                None => None,
            },
            Framing::Trailer => {
                line("a trailer")?.map(|(used, text)| (used, (!text.is_empty()).then_some(Framing::Trailer)))
            }
        })
    }
}

fn encode(request: &HttpRequest, target: &Target) -> Result<Vec<u8>, HttpFault> {
    let clean = |text: &str| text.bytes().all(|b| (32..127).contains(&b));
    let token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !token(&request.method) {
        return Err(HttpFault::BadRequest("the method is no token".into()));
    }
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, target.path, target.authority);
    for (name, value) in &request.headers {
        if !token(name) || !clean(value) {
            // The value may be a key: it is not shown.
            return Err(HttpFault::BadRequest(bounded(&format!(
                "header {name:?} cannot stand in a request"
            ))));
        }
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if !request.body.is_empty() || request.method != "GET" {
        let _ = write!(head, "Content-Length: {}\r\n", request.body.len());
    }
    head.push_str("Connection: close\r\n\r\n");
    let mut out = head.into_bytes();
    out.extend_from_slice(&request.body);
    if out.len() > WRITE_BYTES_MAX {
        return Err(HttpFault::BadRequest(format!("{} bytes, at most {WRITE_BYTES_MAX}", out.len())));
    }
    Ok(out)
}

struct Head {
    status: u16,
    framing: Framing,
    retry_after_s: Option<u64>,
    event_stream: bool,
    rate: Option<(u64, u64)>,
}

fn read_head(bytes: &[u8]) -> Result<Option<(usize, Head)>, HttpFault> {
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let used = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => return Err(HttpFault::Protocol(bounded(&e.to_string()))),
    };
    let named = |name: &str| {
        let mut found = answer.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
        let first = found.next().map(|h| String::from_utf8_lossy(h.value).trim().to_string());
        (first, found.next().is_some())
    };
    let number = |text: &str| {
        (!text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<u64>().ok())
            .flatten()
    };
    let framing = match (named("transfer-encoding").0, named("content-length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => Framing::ChunkSize,
        (Some(coding), _) => {
            return Err(HttpFault::Protocol(bounded(&format!("transfer coding {coding} was not asked for"))));
        }
        (None, (Some(_), true)) => return Err(HttpFault::Protocol("two lengths".into())),
        (None, (Some(text), false)) => Framing::Length(
            number(&text).ok_or_else(|| HttpFault::Protocol("a length that is no number".into()))?,
        ),
        (None, (None, _)) => Framing::Eof,
    };
    let content_type = named("content-type").0.unwrap_or_default();
    let counted = |name: &str| named(name).0.as_deref().and_then(number);
    Ok(Some((
        used,
        Head {
            status: answer.code.unwrap_or(0),
            framing,
            retry_after_s: named("retry-after").0.as_deref().and_then(number),
            event_stream: content_type.split(';').next().is_some_and(|t| t.trim() == "text/event-stream"),
            rate: counted("x-ratelimit-limit").zip(counted("x-ratelimit-remaining")),
        },
    )))
}
