//! A venue whose orders are requests of their own over HTTP and whose executions come on a stream: the sockets of both.
//!
//! What is asked and what an answer means is the desk's, which is pure. A request that has left is never sent again here.

use super::limits::{
    REST_ANSWER_MS, REST_CALLS_MAX, REST_CONNECT_MS, REST_LOGIN_NS, SSE_IDLE_MS, STREAM_IDLE_MS,
    STREAM_PING_MS,
};
use super::words::{Row, Word};
use crate::{Fault, clock};
use serde_json::Value;
use std::collections::BTreeMap;
use tidegate_instruments::{Instrument, Table};
use tidegate_router::limits::WEIGHT_WINDOW_NS;
use tidegate_router::{Answer, Entry, Now, Usage, UsageKind, What};
use tidegate_venue_io::names::{self, Lookup};
use tidegate_venue_io::net::Family;
use tidegate_venue_io::{
    ConnectOptions, HttpEvent, HttpExchange, HttpFault, HttpOptions, HttpRequest, SseClient, SseEvent,
    WsClient, WsEvent,
};

/// One request: a path with its query, and a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub method: &'static str,
    pub target: String,
    pub body: Option<String>,
}

impl Ask {
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: "GET", target: target.into(), body: None }
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// `body` is null where it is no JSON.
    Got { status: u16, body: Value, retry_after_s: Option<u64> },
    /// No byte of it left.
    Unsent(String),
    /// It left, and nobody says what became of it.
    Lost(String),
}

/// What is to be done first about a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    Ask(Ask),
    Known(Answer),
    /// It cannot be written.
    Never,
    /// Its turn has not come, and nothing more may wait.
    Full,
    /// It waits for its turn; the desk asks when it has come.
    Waits,
}

/// What a desk wants done and known.
#[derive(Debug, Default)]
pub struct Out {
    pub words: Vec<Word>,
    pub asks: Vec<(u64, Ask)>,
    /// Requests of the core that had to wait: the first of their tokens.
    pub first: Vec<(u64, Ask)>,
    /// Texts for the stream.
    pub say: Vec<String>,
    /// Why the connection must end.
    pub end: Option<String>,
}

/// How a stream is opened.
pub enum StreamUrl {
    /// A websocket.
    Ws(String),
    /// A stream of events over HTTP.
    Sse(String),
}

/// The order entry of one venue: pure.
pub trait RestDesk: Send {
    /// What every request has in its head.
    fn headers(&self) -> Vec<(String, String)>;
    /// The stream is open: logins follow.
    fn opened(&mut self, now: Now, out: &mut Out);
    /// A request of the core.
    fn begin(&mut self, token: u64, what: &What, row: Option<&Instrument>, now: Now) -> Begun;
    fn replied(&mut self, token: u64, reply: Reply, table: &Table, now: Now, out: &mut Out);
    /// One message of the stream.
    fn heard(&mut self, bytes: &[u8], table: &Table, now: Now, out: &mut Out);
    fn tick(&mut self, table: &Table, now: Now, out: &mut Out);
    /// One record of the router's journal, when it is written and when it is read again.
    fn observe(&mut self, entry: &Entry);
    /// Requests that wait are taken back, with their tokens; and one that the link has taken back itself.
    fn recall(&mut self) -> Vec<u64> {
        Vec::new()
    }
    fn recalled(&mut self, token: u64);
    /// The connection is gone, and with it every answer. Gives the requests of which nothing has left.
    fn ended(&mut self) -> Vec<u64>;
    /// Forgets requests of before a moment of the monotonic clock.
    fn forget(&mut self, oldest_ns: u64);
    /// During a kill: everything is cancelled, where the venue can do that; all that is there is asked for; one is cancelled.
    fn sweep_cancel_all(&mut self) -> Option<(u64, Ask)>;
    fn sweep_status(&mut self) -> (u64, Ask);
    fn sweep_cancel(&mut self, row: &Row) -> (u64, Ask);
}

struct Call {
    exchange: HttpExchange,
    /// Whether the core is to be told when it has left: the first of its token.
    tells: bool,
    status: u16,
    retry_after_s: Option<u64>,
    rate: Option<(u64, u64)>,
    body: Vec<u8>,
    over: bool,
    fault: Option<HttpFault>,
}

impl Call {
    /// Goes as far as it can without waiting; whether it has just left.
    fn pump(&mut self) -> bool {
        if self.over || self.fault.is_some() {
            return false;
        }
        let Self { exchange, status, retry_after_s, rate, body, over, .. } = self;
        let result = exchange.pump(clock::mono_ns(), |_, event| match event {
            HttpEvent::Head { status: code, retry_after_s: wait, rate: told, .. } => {
                (*status, *retry_after_s, *rate) = (code, wait, told);
            }
            HttpEvent::Body(bytes) => body.extend_from_slice(bytes),
            HttpEvent::End => *over = true,
        });
        self.fault = result.err();
        let left = self.exchange.sent() && !self.fault.as_ref().is_some_and(unsent);
        left && std::mem::take(&mut self.tells)
    }

    fn reply(self) -> Reply {
        match self.fault {
            None => Reply::Got {
                status: self.status,
                body: serde_json::from_slice(&self.body).unwrap_or(Value::Null),
                retry_after_s: self.retry_after_s,
            },
            Some(fault) if unsent(&fault) => Reply::Unsent(fault.to_string()),
            Some(fault) => Reply::Lost(fault.to_string()),
        }
    }
}

enum Stream {
    Ws(Box<WsClient>),
    Sse(Box<SseClient>),
}

/// What became of the beginning of one request.
pub enum Sent {
    /// Its bytes are on their way; what becomes of them is told by a word.
    Under,
    Known(Answer),
    NotOpen,
    Malformed,
    Full,
}

/// One venue. Holds a secret, so it does not print.
pub struct RestLink {
    base: String,
    stream_url: StreamUrl,
    desk: Box<dyn RestDesk>,
    /// By token: each has one request under way at a time.
    calls: BTreeMap<u64, Call>,
    /// Those that have left and of which that is not told.
    left: Vec<u64>,
    stream: Option<Stream>,
    dialled_ns: u64,
    ready: bool,
}

fn now() -> Now {
    Now { mono_ns: clock::mono_ns(), epoch_ns: clock::epoch_ns() }
}

impl RestLink {
    /// A venue that is not connected to.
    ///
    /// # Errors
    /// A base that is no `http` or `https` URL without a path.
    pub fn open(base: &str, stream_url: StreamUrl, desk: Box<dyn RestDesk>) -> Result<Self, Fault> {
        let base = base.trim_end_matches('/');
        let host = base.strip_prefix("http://").or_else(|| base.strip_prefix("https://"));
        let unix = base.starts_with("http+unix://");
        if !unix && host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', ' '])) {
            return Err(Fault(format!("venues: apiUrl {base}: want http://host:port or https://host")));
        }
        let (base, calls, left) = (base.to_string(), BTreeMap::new(), Vec::new());
        Ok(Self { base, stream_url, desk, calls, left, stream: None, dialled_ns: 0, ready: false })
    }

    pub const fn dialled(&self) -> bool {
        self.stream.is_some()
    }

    /// The stream listens: what happens from here on is told.
    pub const fn ready(&self) -> bool {
        self.ready
    }

    pub fn observe(&mut self, entry: &Entry) {
        self.desk.observe(entry);
    }

    pub fn poll_items<'a>(&self) -> impl Iterator<Item = zmq::PollItem<'a>> + '_ {
        let item = |fd, writes| {
            zmq::PollItem::from_fd(fd, if writes { zmq::POLLIN | zmq::POLLOUT } else { zmq::POLLIN })
        };
        let stream = self.stream.iter().map(move |stream| match stream {
            Stream::Ws(client) => item(client.raw_fd(), client.wants_write()),
            Stream::Sse(client) => item(client.raw_fd(), client.wants_write()),
        });
        let calls = self.calls.values();
        stream.chain(calls.map(move |call| item(call.exchange.raw_fd(), call.exchange.wants_write())))
    }

    /// Whether something is left to be read without waiting.
    pub fn more(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| match stream {
            Stream::Ws(client) => client.more(),
            Stream::Sse(client) => client.more(),
        }) || self.calls.values().any(|call| call.exchange.more())
    }

    /// Begins to connect to the stream; while the name of a host is being looked up nothing happens, and it is to be called again.
    ///
    /// # Errors
    /// Why the system refuses at once.
    pub fn dial(&mut self) -> Result<(), String> {
        let at = clock::mono_ns();
        let (url, family) = match &self.stream_url {
            StreamUrl::Ws(url) => (url.as_str(), Family::Websocket),
            StreamUrl::Sse(_) => (self.base.as_str(), Family::Http),
        };
        let named = [names::global().of_url(url, family), names::global().of_url(&self.base, Family::Http)];
        for each in named {
            match each {
                Ok(Some(Lookup::Pending)) => return Ok(()),
                Ok(Some(Lookup::Failed(why))) => return Err(why),
                Ok(_) => {}
                Err(fault) => return Err(format!("{fault:?}")),
            }
        }
        self.dialled_ns = at;
        let stream = match &self.stream_url {
            StreamUrl::Ws(url) => {
                let options = ConnectOptions {
                    idle_timeout_ms: STREAM_IDLE_MS,
                    ping_after_ms: STREAM_PING_MS,
                    ..ConnectOptions::default()
                };
                let client = WsClient::connect(url, options, at).map_err(|fault| fault.to_string())?;
                Stream::Ws(Box::new(client))
            }
            StreamUrl::Sse(path) => {
                let mut request = HttpRequest::get(format!("{}{path}", self.base));
                request.headers = self.desk.headers();
                let client = SseClient::connect(&request, SSE_IDLE_MS, None, at);
                Stream::Sse(Box::new(client.map_err(|fault| fault.to_string())?))
            }
        };
        self.stream = Some(stream);
        Ok(())
    }

    /// Begins one request of the core. Its connection must stand within `connect_ms`.
    pub fn send(&mut self, token: u64, what: &What, row: Option<&Instrument>, connect_ms: u64) -> Sent {
        if !self.ready {
            return Sent::NotOpen;
        }
        if self.calls.len() >= REST_CALLS_MAX {
            return Sent::Full;
        }
        match self.desk.begin(token, what, row, now()) {
            Begun::Ask(ask) if self.call(token, &ask, true, connect_ms).is_ok() => Sent::Under,
            Begun::Ask(_) => Sent::NotOpen,
            Begun::Known(answer) => Sent::Known(answer),
            Begun::Never => Sent::Malformed,
            Begun::Full => Sent::Full,
            Begun::Waits => Sent::Under,
        }
    }

    fn call(&mut self, token: u64, ask: &Ask, tells: bool, connect_ms: u64) -> Result<(), HttpFault> {
        // Known by now; what has grown old is looked up again meanwhile.
        let _ = names::global().of_url(&self.base, Family::Http);
        let mut headers = self.desk.headers();
        if ask.body.is_some() {
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        let request = HttpRequest {
            method: ask.method.into(),
            url: format!("{}{}", self.base, ask.target),
            headers,
            body: ask.body.clone().unwrap_or_default().into_bytes(),
        };
        let options = HttpOptions {
            connect_timeout_ms: connect_ms.clamp(1, REST_CONNECT_MS),
            answer_timeout_ms: REST_ANSWER_MS,
            ..HttpOptions::default()
        };
        let exchange = HttpExchange::start(&request, options, None, clock::mono_ns())?;
        let (status, retry_after_s, rate, body) = (0, None, None, Vec::new());
        let mut call = Call { exchange, tells, status, retry_after_s, rate, body, over: false, fault: None };
        // On one host the connection stands at once.
        if call.pump() {
            self.left.push(token);
        }
        self.calls.insert(token, call);
        Ok(())
    }

    /// Requests of which no byte has left are taken back, with their tokens.
    pub fn recall(&mut self) -> Vec<u64> {
        let waiting = |call: &Call| call.tells && !call.exchange.begun();
        let tokens = self.calls.iter().filter(|(_, call)| waiting(call));
        let tokens: Vec<u64> = tokens.map(|(token, _)| *token).collect();
        for token in &tokens {
            self.calls.remove(token);
            self.desk.recalled(*token);
        }
        tokens.into_iter().chain(self.desk.recall()).collect()
    }

    /// Reads what is there and lets time pass. Gives what was heard, and why the connection must end.
    pub fn pump(&mut self, table: &Table) -> (Vec<Word>, Option<String>) {
        let mut out = Out::default();
        let mut ended = self.pump_stream(table, &mut out).err();
        self.pump_calls(table, &mut out);
        self.desk.tick(table, now(), &mut out);
        self.carry_out(table, &mut out);
        if out.words.contains(&Word::Ready) {
            self.ready = true;
        }
        let late = clock::mono_ns().saturating_sub(self.dialled_ns) >= REST_LOGIN_NS;
        if !self.ready && self.stream.is_some() && late {
            ended = ended.or(Some("the login of the stream was not answered".into()));
        }
        (out.words, ended.or(out.end))
    }

    fn pump_stream(&mut self, table: &Table, out: &mut Out) -> Result<(), String> {
        let mut heard: Vec<Option<Vec<u8>>> = Vec::new();
        let at = clock::mono_ns();
        let result = match self.stream.as_mut() {
            None => Ok(()),
            Some(Stream::Ws(client)) => client
                .pump(at, |_, event| match event {
                    WsEvent::Open => heard.push(None),
                    WsEvent::Text(bytes) | WsEvent::Binary(bytes) => heard.push(Some(bytes.to_vec())),
                    _ => {}
                })
                .map(|_| ())
                .map_err(|fault| fault.to_string()),
            Some(Stream::Sse(client)) => client
                .pump(at, |_, event| match event {
                    SseEvent::Open => heard.push(None),
                    SseEvent::Event { data, .. } => heard.push(Some(data.to_vec())),
                })
                .map(|_| ())
                .map_err(|fault| fault.to_string()),
        };
        for each in heard {
            match each {
                None => self.desk.opened(now(), out),
                Some(bytes) => self.desk.heard(&bytes, table, now(), out),
            }
        }
        result.map_err(|why| format!("stream: {why}"))
    }

    fn pump_calls(&mut self, table: &Table, out: &mut Out) {
        let mut left = std::mem::take(&mut self.left);
        left.extend(self.calls.iter_mut().filter_map(|(token, call)| call.pump().then_some(*token)));
        out.words.extend(left.into_iter().map(|token| Word::Written { token }));
        let done = |call: &Call| call.over || call.fault.is_some();
        let done: Vec<u64> =
            self.calls.iter().filter(|(_, call)| done(call)).map(|(token, _)| *token).collect();
        for token in done {
            let Some(call) = self.calls.remove(&token) else { continue };
            if let Some((limit, rest)) = call.rate {
                let whole = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                let count = whole(limit.saturating_sub(rest));
                let (kind, window_ns) = (UsageKind::Weight, WEIGHT_WINDOW_NS);
                out.words.push(Word::Usage(Usage { kind, window_ns, limit: whole(limit), count }));
            }
            self.desk.replied(token, call.reply(), table, now(), out);
        }
    }

    /// Begins what the desk asks for. What cannot begin is a reply too, which may ask for more.
    fn carry_out(&mut self, table: &Table, out: &mut Out) {
        for _ in 0..REST_CALLS_MAX {
            let asks = std::mem::take(&mut out.asks).into_iter().map(|each| (each, false));
            let first = std::mem::take(&mut out.first).into_iter().map(|each| (each, true));
            let all: Vec<_> = asks.chain(first).collect();
            if all.is_empty() {
                break;
            }
            for ((token, ask), tells) in all {
                if let Err(fault) = self.call(token, &ask, tells, REST_CONNECT_MS) {
                    self.desk.replied(token, Reply::Unsent(fault.to_string()), table, now(), out);
                }
            }
        }
        for text in out.say.drain(..) {
            if let Some(Stream::Ws(client)) = self.stream.as_mut() {
                // A refusal to write ends in a failed pump, or with the login that is not answered.
                let _ = client.send_text(&text);
            }
        }
    }

    fn ask_aside(&mut self, token: u64, ask: &Ask) -> bool {
        self.ready && self.call(token, ask, false, REST_CONNECT_MS).is_ok()
    }

    /// Has everything of the account cancelled; true where that is on its way, or is no question at this venue.
    pub fn sweep_cancel_all(&mut self) -> bool {
        match self.desk.sweep_cancel_all() {
            Some((token, ask)) => self.ask_aside(token, &ask),
            None => self.ready,
        }
    }

    /// Asks for everything that the venue holds.
    pub fn sweep_status(&mut self) -> bool {
        let (token, ask) = self.desk.sweep_status();
        self.ask_aside(token, &ask)
    }

    /// Cancels one order.
    pub fn sweep_cancel(&mut self, row: &Row) -> bool {
        let (token, ask) = self.desk.sweep_cancel(row);
        self.ask_aside(token, &ask)
    }

    /// The connection is over. Requests under way go with it: what became of them is asked for. Gives those that never left.
    pub fn end(&mut self) -> Vec<u64> {
        let unsent = self.desk.ended();
        self.calls.clear();
        self.left.clear();
        (self.stream, self.ready) = (None, false);
        unsent
    }

    pub fn close(&mut self) {
        if let Some(Stream::Ws(client)) = self.stream.as_mut() {
            client.close();
        }
    }

    pub fn forget(&mut self, oldest_ns: u64) {
        self.desk.forget(oldest_ns);
    }
}

/// Whether a fault says that there was no connection to send anything over.
fn unsent(fault: &HttpFault) -> bool {
    matches!(fault, HttpFault::BadRequest(_) | HttpFault::Connect(_) | HttpFault::Timeout("a connection"))
}
