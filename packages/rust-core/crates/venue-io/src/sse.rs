//! Server-sent events: a pure parser, and a client that reads a stream of them without waiting.

use crate::clock::Stamp;
use crate::http::{HttpEvent, HttpExchange, HttpFault, HttpOptions, HttpRequest};
use crate::limits::{CONNECT_TIMEOUT_MS, SSE_EVENT_BYTES_MAX, SSE_LINE_BYTES_MAX, SSE_NAME_BYTES_MAX};
use crate::tls::Trust;
use std::fmt;
use std::os::fd::RawFd;

/// Why a stream of events is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SseFault {
    /// The HTTP exchange under it.
    Http(HttpFault),
    /// Another status than 200; seconds to wait where the venue says so.
    Status { status: u16, retry_after_s: Option<u64> },
    /// 200, but another content type.
    NotEvents,
    /// A line, a name or an event above its bound.
    Oversize,
    /// The venue ended the stream.
    Ended,
}

impl fmt::Display for SseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(fault) => fault.fmt(f),
            Self::Status { status, .. } => write!(f, "the venue answered with HTTP status {status}"),
            Self::NotEvents => f.write_str("the answer is no event stream; is the URL that of a stream?"),
            Self::Oversize => f.write_str("an event is above the size limit"),
            Self::Ended => f.write_str("the venue ended the stream"),
        }
    }
}

impl std::error::Error for SseFault {}

/// Lines to events as the WHATWG text says: `event`, `data` (several lines joined by a newline), comments; `id` and
/// `retry` are skipped, since no venue served replays by them.
#[derive(Debug, Clone, Default)]
pub struct SseParser {
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
    begun: bool,
}

impl SseParser {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a piece of the stream and hands over each whole event by name (`message` where it has none) and data.
    ///
    /// # Errors
    /// `Oversize`; the parser is of no further use.
    pub fn take(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[u8], &[u8])) -> Result<(), SseFault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest.first() == Some(&b'\n') {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let end = rest.iter().position(|b| matches!(b, b'\n' | b'\r'));
            let (part, tail) = rest.split_at(end.unwrap_or(rest.len()));
            if self.line.len() + part.len() > SSE_LINE_BYTES_MAX {
                return Err(SseFault::Oversize);
            }
            self.line.extend_from_slice(part);
            if end.is_none() {
                return Ok(());
            }
            self.after_cr = tail.first() == Some(&b'\r');
            rest = tail.get(1..).unwrap_or_default();
            let line = std::mem::take(&mut self.line);
            self.on_line(&line, sink)?;
            self.line = line;
            self.line.clear();
        }
        Ok(())
    }

    fn on_line(&mut self, line: &[u8], sink: &mut impl FnMut(&[u8], &[u8])) -> Result<(), SseFault> {
        let line = match std::mem::replace(&mut self.begun, true) {
            false => line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line),
            true => line,
        };
        if line.is_empty() {
            if self.has_data {
                let name: &[u8] = if self.name.is_empty() { b"message" } else { &self.name };
                sink(name, &self.data);
            }
            self.name.clear();
            self.data.clear();
            self.has_data = false;
            return Ok(());
        }
        let at = line.iter().position(|b| *b == b':');
        let (field, value) = line.split_at(at.unwrap_or(line.len()));
        let value = value.get(1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" if value.len() > SSE_NAME_BYTES_MAX => return Err(SseFault::Oversize),
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            b"data" => {
                if self.data.len() + value.len() + 1 > SSE_EVENT_BYTES_MAX {
                    return Err(SseFault::Oversize);
                }
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            _ => {}
        }
        Ok(())
    }
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum SseEvent<'a> {
    /// 200 and an event stream.
    Open,
    /// One event.
    Event { name: &'a [u8], data: &'a [u8] },
}

/// One stream of events, driven by a poll loop.
#[derive(Debug)]
pub struct SseClient {
    http: HttpExchange,
    parser: SseParser,
    open: bool,
    refused: Option<SseFault>,
}

impl SseClient {
    /// Begins to ask for the stream; `idle_timeout_ms` of silence ends it, 0 = never.
    ///
    /// # Errors
    /// As [`HttpExchange::start`].
    pub fn connect(
        request: &HttpRequest,
        idle_timeout_ms: u64,
        trust: Option<&Trust>,
        now_mono_ns: u64,
    ) -> Result<Self, SseFault> {
        let mut request = request.clone();
        request.headers.push(("Accept".into(), "text/event-stream".into()));
        let options = HttpOptions {
            connect_timeout_ms: CONNECT_TIMEOUT_MS,
            answer_timeout_ms: 0,
            head_timeout_ms: CONNECT_TIMEOUT_MS,
            idle_timeout_ms,
            body_bytes_max: 0,
        };
        let http = HttpExchange::start(&request, options, trust, now_mono_ns).map_err(SseFault::Http)?;
        Ok(Self { http, parser: SseParser::new(), open: false, refused: None })
    }

    pub fn raw_fd(&self) -> RawFd {
        self.http.raw_fd()
    }

    pub fn wants_write(&self) -> bool {
        self.http.wants_write()
    }

    pub const fn more(&self) -> bool {
        self.http.more()
    }

    /// Whether events may flow.
    pub const fn is_open(&self) -> bool {
        self.open && !self.http.over()
    }

    /// Goes as far as it can without waiting; call it when the descriptor is ready and at least every 100 ms. Returns the
    /// events handed over.
    ///
    /// # Errors
    /// Why the stream is over.
    pub fn pump(
        &mut self,
        now_mono_ns: u64,
        mut sink: impl FnMut(Stamp, SseEvent<'_>),
    ) -> Result<usize, SseFault> {
        let (parser, open, refused) = (&mut self.parser, &mut self.open, &mut self.refused);
        let mut count = 0;
        let mut ended = false;
        let pumped = self.http.pump(now_mono_ns, |stamp, event| match event {
            HttpEvent::Head { status: 200, event_stream: true, .. } => {
                *open = true;
                sink(stamp, SseEvent::Open);
            }
            HttpEvent::Head { status: 200, .. } => *refused = Some(SseFault::NotEvents),
            HttpEvent::Head { status, retry_after_s, .. } => {
                *refused = Some(SseFault::Status { status, retry_after_s });
            }
            HttpEvent::Body(bytes) if refused.is_none() => {
                let taken = parser.take(bytes, &mut |name, data| {
                    count += 1;
                    sink(stamp, SseEvent::Event { name, data });
                });
                if let Err(fault) = taken {
                    *refused = Some(fault);
                }
            }
            HttpEvent::Body(_) => {}
            HttpEvent::End => ended = true,
        });
        if let Some(fault) = self.refused.take() {
            self.open = false;
            return Err(fault);
        }
        pumped.map_err(SseFault::Http)?;
        if ended { Err(SseFault::Ended) } else { Ok(count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Seen = Vec<(Vec<u8>, Vec<u8>)>;

    fn parse(pieces: &[&[u8]]) -> Result<Seen, SseFault> {
        let mut parser = SseParser::new();
        let mut seen = Vec::new();
        for piece in pieces {
            parser.take(piece, &mut |name, data| seen.push((name.to_vec(), data.to_vec())))?;
        }
        Ok(seen)
    }

    const STREAM: &str = "\u{feff}: hello\r\nevent: tick_stk\r\ndata: {\"a\":1}\r\n\r\ndata:one\ndata\ndata: two\n\n\
        event: lonely\n\nid: 7\rretry: 5\rdata:  x\r\rdata: never ended";

    #[test]
    fn events_are_what_the_standard_says_however_they_are_cut() {
        let want: Seen = [("tick_stk", "{\"a\":1}"), ("message", "one\n\ntwo"), ("message", " x")]
            .map(|(n, d)| (n.as_bytes().to_vec(), d.as_bytes().to_vec()))
            .into();
        assert_eq!(parse(&[STREAM.as_bytes()]).unwrap(), want);
        for size in 1..8 {
            let pieces: Vec<&[u8]> = STREAM.as_bytes().chunks(size).collect();
            assert_eq!(parse(&pieces).unwrap(), want, "pieces of {size}");
        }
    }

    #[test]
    fn lines_names_and_events_are_bounded() {
        let line = vec![b'a'; SSE_LINE_BYTES_MAX];
        assert_eq!(parse(&[&line, b"\n"]).unwrap(), []);
        assert_eq!(parse(&[&line, b"a"]), Err(SseFault::Oversize));
        let name = format!("event: {}\n", "n".repeat(SSE_NAME_BYTES_MAX + 1));
        assert_eq!(parse(&[name.as_bytes()]), Err(SseFault::Oversize));
        let data = format!("data: {}\n", "d".repeat(SSE_LINE_BYTES_MAX - 6));
        let pieces = vec![data.as_bytes(); SSE_EVENT_BYTES_MAX / SSE_LINE_BYTES_MAX + 1];
        assert_eq!(parse(&pieces), Err(SseFault::Oversize));
    }

    proptest! {
        #[test]
        fn no_bytes_and_no_cut_change_what_is_read(bytes in prop::collection::vec(prop_oneof![
            Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' '), Just(b'd'), any::<u8>()], 0..300), cut in 1_usize..40) {
            let whole = parse(&[&bytes]).unwrap();
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(parse(&pieces).unwrap(), whole);
        }
    }
}
