//! Sockets to venues for a poll loop: a non-blocking websocket client, request signing, reconnect back-off.
//!
//! Nothing here waits. The loop polls `WsClient::raw_fd` beside its other descriptors, calls `pump` when it is ready or
//! at least every 100 ms, and gets each message with the stamps taken at the socket, before a byte of it was parsed.
#![forbid(unsafe_code)]

pub mod backoff;
pub mod clock;
pub mod limits;
pub mod sign;
pub mod ws;

pub use backoff::Backoff;
pub use clock::Stamp;
pub use ws::{ConnectOptions, SendFault, WsClient, WsEvent, WsFault, WsState};
