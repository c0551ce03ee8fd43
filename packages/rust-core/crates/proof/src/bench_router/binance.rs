//! Binance's WS API: JSON, signed, in a websocket.

use super::Desk;
use super::pipe::{listener, ready, take};
use super::world::row;
use serde_json::Value;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tidegate_engine::execution_router::binance::{Keys, request};
use tidegate_instruments::{Instrument, Venue};
use tidegate_router::What;
use tidegate_venue_io::sign::{Secret, sign_ws_api};
use tidegate_venue_io::{ConnectOptions, WsClient, WsEvent, clock};
use tidegate_wire::pb::common::v1::Side;
use tidegate_wire::pb::orders::v1::{Command, Tif};

const OPEN_MAX: Duration = Duration::from_secs(10);
/// Keys as long as the venue's; they open nothing.
const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &[u8] = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

/// A websocket of the router's own client, and the venue's end of its connection.
pub struct BinanceDesk {
    venue: Venue,
    row: Instrument,
    keys: Keys,
    client: WsClient,
    far: TcpStream,
}

impl BinanceDesk {
    pub fn open(venue: Venue) -> Result<Self, String> {
        let (listener, at) = listener()?;
        // The venue's half of the handshake waits, so it has a thread until the session is open.
        let server = std::thread::spawn(move || -> Result<TcpStream, String> {
            let (stream, _) = listener.accept().map_err(|e| format!("cannot accept: {e}"))?;
            let socket = tungstenite::accept(stream).map_err(|e| format!("no websocket: {e}"))?;
            Ok(socket.into_inner())
        });
        let url = format!("ws://{at}/ws-api/v3");
        let fault = |e: tidegate_venue_io::WsFault| format!("{url}: {e}");
        let mut client =
            WsClient::connect(&url, ConnectOptions::default(), clock::mono_ns()).map_err(fault)?;
        let until = Instant::now() + OPEN_MAX;
        let mut open = false;
        while !open {
            client.pump(clock::mono_ns(), |_, event| open |= event == WsEvent::Open).map_err(fault)?;
            if Instant::now() > until {
                return Err(format!("{url}: no session"));
            }
            std::thread::yield_now();
        }
        let far = server.join().map_err(|_| "the venue's end broke")??;
        ready(&far)?;
        let keys = Keys { key: KEY.into(), secret: Secret::new(SECRET.to_vec()) };
        Ok(Self { venue, row: row(venue)?, keys, client, far })
    }

    fn text(&self, token: u64, what: &What) -> Result<String, String> {
        request(self.venue, &token.to_string(), what, Some(&self.row), &self.keys, clock::epoch_ns())
            .ok_or_else(|| "the codec has no text for this order".into())
    }
}

impl Desk for BinanceDesk {
    fn encode(&mut self, token: u64, what: &What) -> Result<usize, String> {
        self.text(token, what).map(|text| text.len())
    }

    fn write(&mut self, token: u64, what: &What) -> Result<(), String> {
        let text = self.text(token, what)?;
        self.client.send_text(&text).map_err(|e| e.to_string())
    }

    fn writes(&self) -> u64 {
        self.client.socket_writes()
    }

    fn arrived(&mut self, bytes: &mut Vec<u8>) -> Result<(), String> {
        take(&mut self.far, bytes, |have| frame(have).is_some())
    }

    fn is(&mut self, bytes: &[u8], token: u64, command: &Command) -> Result<bool, String> {
        let Some(text) = frame(bytes) else { return Ok(false) };
        let sent: Value = serde_json::from_slice(&text).map_err(|e| format!("no JSON arrived: {e}"))?;
        Ok(sent["id"].as_str() == Some(token.to_string().as_str())
            && sent["method"] == "order.place"
            && self.terms(&sent["params"], command)
            && self.signed(&sent["params"]))
    }
}

impl BinanceDesk {
    /// Side, price, quantity and validity, read back into the instrument's units.
    fn terms(&self, params: &Value, command: &Command) -> bool {
        let text = |name: &str| params[name].as_str().unwrap_or_default();
        let side = if command.side() == Side::Buy { "BUY" } else { "SELL" };
        let (kind, tif) = match (command.tif(), self.venue) {
            (Tif::PostOnly, Venue::BinanceSpot) => ("LIMIT_MAKER", ""),
            (Tif::PostOnly, _) => ("LIMIT", "GTX"),
            (Tif::Ioc, _) => ("LIMIT", "IOC"),
            (Tif::Fok, _) => ("LIMIT", "FOK"),
            _ => ("LIMIT", "GTC"),
        };
        let qty = i64::try_from(command.qty_lots).ok();
        [text("side"), text("type"), text("timeInForce")] == [side, kind, tif]
            && text("symbol") == self.row.symbol
            && text("newClientOrderId") == command.client_order_id
            && self.row.parse_px(text("price").as_bytes()).ok() == Some(command.px_ticks)
            && self.row.parse_qty(text("quantity").as_bytes()).ok() == qty
    }

    /// Whether the signature is of what arrived.
    fn signed(&self, params: &Value) -> bool {
        let texts: Vec<(String, String)> = params
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| {
                (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_string))
            })
            .collect();
        let pairs: Vec<(&str, &str)> =
            texts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        params["signature"] == sign_ws_api(&self.keys.secret, &pairs)
    }
}

/// The text of one whole masked frame of a client, or none while a part is missing. Source: RFC 6455, section 5.2.
fn frame(bytes: &[u8]) -> Option<Vec<u8>> {
    let (head, length) = (*bytes.first()?, *bytes.get(1)?);
    // One final text frame, masked; an order is longer than 125 bytes and shorter than 64 KiB.
    if head != 0x81 || length != 0x80 | 126 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    let mask = bytes.get(4..8)?;
    let body = bytes.get(8..8 + length)?;
    (bytes.len() == 8 + length)
        .then(|| body.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect())
}
