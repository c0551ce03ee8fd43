//! Sockets to venues for a poll loop: non-blocking websocket, HTTP/1.1 and event-stream clients over TCP, TLS and unix
//! sockets; request signing, reconnect back-off.
//!
//! Nothing here waits, but for a host name that was not asked for at [`names`] before. The loop polls `raw_fd` beside its other descriptors, calls `pump` when it is ready or
//! at least every 100 ms, and gets each message with the stamps taken at the socket, before a byte of it was parsed.
#![forbid(unsafe_code)]

pub mod backoff;
pub mod clock;
pub mod http;
pub mod limits;
pub mod names;
pub mod net;
pub mod sign;
pub mod sse;
pub mod tls;
mod transport;
pub mod ws;

pub use backoff::Backoff;
pub use clock::Stamp;
pub use http::{HttpEvent, HttpExchange, HttpFault, HttpOptions, HttpRequest};
pub use sse::{SseClient, SseEvent, SseFault, SseParser};
pub use tls::Trust;
pub use transport::Transport;
pub use ws::{ConnectOptions, Dial, SendFault, WsClient, WsEvent, WsFault, WsState};
