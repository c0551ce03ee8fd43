//! One connection to a venue, whatever carries it: a websocket, or an event stream with its HTTP requests.

use super::dialect::{Control, shioaji_answer, shioaji_body, shioaji_heartbeat};
use super::limits::{ANSWER_BYTES_MAX, REQUESTS_MAX};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use tidegate_feed::Rules;
use tidegate_venue_io::{
    ConnectOptions, Dial, HttpEvent, HttpExchange, HttpFault, HttpOptions, HttpRequest, SendFault, SseClient,
    SseEvent, SseFault, Stamp, Trust, WsClient, WsEvent, WsFault,
};

/// Why a connection is gone, as the session's rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// A close code or HTTP status; 0 where there is none.
    pub code: u32,
    pub wait_ms: Option<u64>,
    pub text: String,
}

impl Lost {
    /// Without a code.
    pub fn of(text: String) -> Self {
        Self { code: 0, wait_ms: None, text }
    }
}

impl From<WsFault> for Lost {
    fn from(fault: WsFault) -> Self {
        let code = match &fault {
            WsFault::Status(status) => u32::from(*status),
            WsFault::Closed { code, .. } => u32::from(*code),
            _ => 0,
        };
        Self { code, wait_ms: None, text: fault.to_string() }
    }
}

impl From<SseFault> for Lost {
    fn from(fault: SseFault) -> Self {
        let (code, wait_ms) = match &fault {
            SseFault::Status { status, retry_after_s } => {
                (u32::from(*status), retry_after_s.map(|s| s.saturating_mul(1_000)))
            }
            _ => (0, None),
        };
        Self { code, wait_ms, text: fault.to_string() }
    }
}

/// What came over a connection.
#[derive(Debug)]
pub enum Came<'a> {
    Open,
    /// One message; `name` is that of its event, empty on a websocket.
    Message {
        name: &'a [u8],
        bytes: &'a [u8],
    },
    /// The venue pinged and we answered: it counts our answer.
    Ponged,
    /// A sign of life.
    Sign,
    Answer(Control),
}

/// One subscription on its way over HTTP.
#[derive(Debug)]
struct Post {
    subscribe: bool,
    name: String,
}

#[derive(Debug)]
struct Exchange {
    post: Post,
    http: HttpExchange,
    status: u16,
    body: Vec<u8>,
}

/// An event stream, and the requests that steer it, one at a time.
#[derive(Debug)]
pub struct Sse {
    stream: SseClient,
    /// `http://host:port`, without a path.
    base: String,
    headers: Vec<(String, String)>,
    trust: Option<Trust>,
    waiting: VecDeque<Post>,
    exchange: Option<Exchange>,
}

/// One connection.
#[derive(Debug)]
pub enum Wire {
    Ws(Box<WsClient>),
    Sse(Box<Sse>),
}

/// Bounds of a websocket under a venue's rules.
fn ws_options(rules: &Rules) -> ConnectOptions {
    ConnectOptions {
        connect_timeout_ms: rules.connect_timeout_ms,
        idle_timeout_ms: rules.idle_timeout_ms,
        ping_after_ms: rules.ping_after_ms,
        ..ConnectOptions::default()
    }
}

impl Wire {
    /// Begins a websocket.
    pub fn ws(url: &str, rules: &Rules, dial: &Dial, now: u64) -> Result<Self, Lost> {
        WsClient::connect_with(url, ws_options(rules), dial, now)
            .map(|c| Self::Ws(Box::new(c)))
            .map_err(Lost::from)
    }

    /// Begins an event stream: `base` is the daemon without a path, `path` that of the stream.
    pub fn sse(
        base: &str,
        path: &str,
        headers: &[(String, String)],
        trust: Option<Trust>,
        rules: &Rules,
        now: u64,
    ) -> Result<Self, Lost> {
        let base = base.trim_end_matches('/').to_string();
        let request = HttpRequest { headers: headers.to_vec(), ..HttpRequest::get(format!("{base}{path}")) };
        let stream = SseClient::connect(&request, rules.idle_timeout_ms, trust.as_ref(), now)?;
        let (waiting, headers) = (VecDeque::new(), headers.to_vec());
        Ok(Self::Sse(Box::new(Sse { stream, base, headers, trust, waiting, exchange: None })))
    }

    /// What to poll, and whether for writing too.
    pub fn poll(&self) -> impl Iterator<Item = (RawFd, bool)> {
        let (first, second) = match self {
            Self::Ws(client) => ((client.raw_fd(), client.wants_write()), None),
            Self::Sse(sse) => (
                (sse.stream.raw_fd(), sse.stream.wants_write()),
                sse.exchange.as_ref().map(|e| (e.http.raw_fd(), e.http.wants_write())),
            ),
        };
        std::iter::once(first).chain(second)
    }

    /// Whether to pump again before polling.
    pub fn more(&self) -> bool {
        match self {
            Self::Ws(client) => client.more(),
            Self::Sse(sse) => sse.stream.more() || (sse.exchange.is_none() && !sse.waiting.is_empty()),
        }
    }

    /// Sends one text of the venue's language.
    pub fn send(&mut self, text: &str) -> Result<(), Lost> {
        match self {
            Self::Ws(client) => client.send_text(text).map_err(|fault| match fault {
                SendFault::Failed(fault) => fault.into(),
                other => Lost::of(other.to_string()),
            }),
            Self::Sse(_) => Err(Lost::of("bug: an event stream takes no text".into())),
        }
    }

    /// Asks for one stream, or no more of it, over HTTP. A name that cannot be asked for is given back with the reason.
    pub fn post(&mut self, subscribe: bool, name: &str) -> Result<(), String> {
        let Self::Sse(sse) = self else { return Err("bug: this connection takes no requests".into()) };
        shioaji_body(name)?;
        if sse.waiting.len() == REQUESTS_MAX {
            return Err("too many subscriptions wait to be sent".into());
        }
        sse.waiting.push_back(Post { subscribe, name: name.to_string() });
        Ok(())
    }

    /// Ends in order where the venue knows an order.
    pub fn close(&mut self) {
        if let Self::Ws(client) = self {
            client.close();
        }
    }

    /// Goes as far as it can without waiting. Returns how much came.
    pub fn pump(&mut self, now: u64, mut sink: impl FnMut(Stamp, Came<'_>)) -> Result<usize, Lost> {
        match self {
            Self::Ws(client) => {
                let count = client.pump(now, |at, event| match event {
                    WsEvent::Open => sink(at, Came::Open),
                    WsEvent::Text(bytes) | WsEvent::Binary(bytes) => {
                        sink(at, Came::Message { name: b"", bytes })
                    }
                    WsEvent::Ping(_) => sink(at, Came::Ponged),
                    WsEvent::Pong(_) | WsEvent::Close { .. } => sink(at, Came::Sign),
                })?;
                Ok(count)
            }
            Self::Sse(sse) => {
                let mut count = sse.stream.pump(now, |at, event| match event {
                    SseEvent::Open => sink(at, Came::Open),
                    SseEvent::Event { name, .. } if shioaji_heartbeat(name) => sink(at, Came::Sign),
                    SseEvent::Event { name, data } => sink(at, Came::Message { name, bytes: data }),
                })?;
                count += sse.posts(now, &mut sink);
                Ok(count)
            }
        }
    }
}

impl Sse {
    fn posts(&mut self, now: u64, sink: &mut impl FnMut(Stamp, Came<'_>)) -> usize {
        if self.exchange.is_none()
            && self.stream.is_open()
            && let Some(post) = self.waiting.pop_front()
        {
            match self.begin(&post, now) {
                Ok(http) => self.exchange = Some(Exchange { post, http, status: 0, body: Vec::new() }),
                Err(fault) => {
                    let text = fault.to_string();
                    sink(tidegate_venue_io::clock::now(), Came::Answer(Control::Refused { code: 500, text }));
                }
            }
        }
        let Some(exchange) = self.exchange.as_mut() else { return 0 };
        let (status, body) = (&mut exchange.status, &mut exchange.body);
        let pumped = exchange.http.pump(now, |_, event| match event {
            HttpEvent::Head { status: code, .. } => *status = code,
            HttpEvent::Body(bytes) => body.extend_from_slice(bytes),
            HttpEvent::End => {}
        });
        if pumped.is_ok() && !exchange.http.over() {
            return 0;
        }
        let control = match pumped {
            Ok(()) => {
                shioaji_answer(exchange.post.subscribe, &exchange.post.name, exchange.status, &exchange.body)
            }
            Err(fault) => Control::Refused { code: 500, text: fault.to_string() },
        };
        self.exchange = None;
        sink(tidegate_venue_io::clock::now(), Came::Answer(control));
        1
    }

    fn begin(&self, post: &Post, now: u64) -> Result<HttpExchange, HttpFault> {
        let path = if post.subscribe { "/api/v1/stream/subscribe" } else { "/api/v1/stream/unsubscribe" };
        let body = shioaji_body(&post.name).map_err(HttpFault::BadRequest)?;
        let mut request = HttpRequest::post_json(format!("{}{path}", self.base), body);
        request.headers.extend(self.headers.iter().cloned());
        let options = HttpOptions {
            body_bytes_max: ANSWER_BYTES_MAX,
            answer_timeout_ms: 10_000,
            ..HttpOptions::default()
        };
        HttpExchange::start(&request, options, self.trust.as_ref(), now)
    }
}
