//! One FIX session for a shell in another language: its bytes in and out, and what it hears as JSON.

use crate::convert::invalid;
use napi::bindgen_prelude::{Buffer, Result};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_fix::{
    Application, Body, Config, Event, Instant, MemoryStore, Message, Replies, Role, Session, Verdict, Version,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    role: String,
    sender: String,
    target: String,
    heartbeat_seconds: u32,
    /// What a Logon must bring, at an acceptor; what it brings, at an initiator.
    username: String,
    password: String,
    /// Message types the application takes; others are answered as unsupported.
    takes: Vec<String>,
}

struct Ears {
    acceptor: bool,
    login: (String, String),
    takes: Vec<String>,
    heard: Vec<Value>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Application for Ears {
    fn logon(&mut self, message: &Message<'_>) -> std::result::Result<(), String> {
        let said = |tag| text(message.get(tag).unwrap_or_default());
        if self.acceptor && (said(553), said(554)) != self.login {
            return Err("unknown user or wrong password".into());
        }
        Ok(())
    }

    fn message(&mut self, message: &Message<'_>, _replies: &mut Replies) -> Verdict<'static> {
        let kind = text(message.msg_type());
        if !self.takes.contains(&kind) {
            return Verdict::Unsupported;
        }
        let fields: Vec<Value> =
            message.fields().iter().map(|field| json!([field.tag, text(message.value(*field))])).collect();
        self.heard.push(json!({ "kind": "message", "type": kind, "seq": message.seq(), "fields": fields }));
        Verdict::Accept
    }

    fn event(&mut self, event: Event<'_>) {
        self.heard.push(match event {
            Event::LoggedOn { reset } => json!({ "kind": "loggedOn", "reset": reset }),
            Event::LoggedOut { text: said } => json!({ "kind": "loggedOut", "text": text(said) }),
            Event::Rejected { seq, reason, tag, text: said } => {
                json!({ "kind": "rejected", "seq": seq, "reason": reason, "tag": tag, "text": text(said) })
            }
            Event::Resent { sent, withheld } => {
                json!({ "kind": "resent", "sent": sent, "withheld": withheld })
            }
            other => json!({ "kind": "other", "text": format!("{other:?}") }),
        });
    }
}

fn instant(wall_ms: f64, mono_ms: f64) -> Instant {
    // Milliseconds of clocks: far below 2^53, and below 2^63 in nanoseconds.
    Instant { wall: (wall_ms as i64).saturating_mul(1_000_000), mono: (mono_ms * 1e6) as u64 }
}

/// Numbers and messages are kept in memory: they live as long as this object, over as many connections as there are.
#[napi]
pub struct FixSession {
    session: Session<MemoryStore>,
    ears: Ears,
}

#[napi]
impl FixSession {
    /// Throws on a bad configuration, naming the field.
    #[napi(constructor)]
    pub fn new(settings: String) -> Result<Self> {
        let read: Settings = serde_json::from_str(&settings)
            .map_err(|error| invalid(format!("cannot read the session's configuration: {error}")))?;
        let role = match read.role.as_str() {
            "acceptor" => Role::Acceptor,
            "initiator" => Role::Initiator,
            other => return Err(invalid(format!("role is {other}, want acceptor or initiator"))),
        };
        let mut config = Config::new(Version::Fix44, role, &read.sender, &read.target);
        config.heartbeat_seconds = read.heartbeat_seconds;
        let mut login = Body::new();
        login.text(553, read.username.as_bytes()).text(554, read.password.as_bytes());
        if role == Role::Initiator {
            config.logon_fields = login.bytes().map_err(|fault| invalid(fault.to_string()))?.to_vec();
        }
        let session =
            Session::new(config, MemoryStore::default()).map_err(|fault| invalid(fault.to_string()))?;
        let acceptor = role == Role::Acceptor;
        let ears =
            Ears { acceptor, login: (read.username, read.password), takes: read.takes, heard: Vec::new() };
        Ok(Self { session, ears })
    }

    /// A connection is made.
    #[napi]
    pub fn connect(&mut self, wall_ms: f64, mono_ms: f64) {
        self.session.connect(instant(wall_ms, mono_ms));
    }

    /// The connection is gone.
    #[napi]
    pub fn disconnected(&mut self, wall_ms: f64, mono_ms: f64) {
        self.session.disconnected(instant(wall_ms, mono_ms));
    }

    /// Takes received bytes; gives what was heard, as a JSON array.
    #[napi]
    pub fn receive(&mut self, bytes: Buffer, wall_ms: f64, mono_ms: f64) -> String {
        for part in bytes.chunks(tidegate_fix::limits::READ_BYTES) {
            self.session.receive(part, instant(wall_ms, mono_ms), &mut self.ears);
        }
        self.heard()
    }

    /// Time passes; gives what was heard, as a JSON array.
    #[napi]
    pub fn tick(&mut self, wall_ms: f64, mono_ms: f64) -> String {
        self.session.tick(instant(wall_ms, mono_ms), &mut self.ears);
        self.heard()
    }

    fn heard(&mut self) -> String {
        Value::Array(std::mem::take(&mut self.ears.heard)).to_string()
    }

    /// Stages a message of `fields`, `[tag, value]` each, and gives its number. Throws where there is no open session or a
    /// value cannot be sent.
    #[napi]
    pub fn send(&mut self, msg_type: String, fields: String, wall_ms: f64, mono_ms: f64) -> Result<f64> {
        let read: Vec<(u16, String)> = serde_json::from_str(&fields)
            .map_err(|error| invalid(format!("fields: want [[tag, value], …]: {error}")))?;
        let mut body = Body::new();
        for (tag, value) in &read {
            body.text(*tag, value.as_bytes());
        }
        let sent = self.session.send(msg_type.as_bytes(), &body, instant(wall_ms, mono_ms));
        // A number has at most nine digits.
        sent.map(|seq| seq as f64).map_err(|fault| invalid(fault.to_string()))
    }

    /// Everything received so far has had its effect; gives the bytes to write.
    #[napi]
    pub fn flush(&mut self) -> Result<Buffer> {
        let mut out = Vec::new();
        self.session.confirm();
        self.session.flush(&mut out).map_err(|fault| invalid(fault.to_string()))?;
        Ok(out.into())
    }

    /// Begins to log out.
    #[napi]
    pub fn logout(&mut self, text: String, wall_ms: f64, mono_ms: f64) {
        self.session.logout(&text, instant(wall_ms, mono_ms));
    }

    /// Both numbers are 1 again; for when there is no connection.
    #[napi]
    pub fn begin_anew(&mut self, wall_ms: f64, mono_ms: f64) {
        self.session.begin_anew(instant(wall_ms, mono_ms));
    }

    /// Why the connection must end now, or null.
    #[napi(getter)]
    pub fn closing(&self) -> Option<String> {
        self.session.closing().map(|close| format!("{close:?}"))
    }

    /// Whether messages can be sent.
    #[napi(getter)]
    pub fn open(&self) -> bool {
        self.session.is_open()
    }

    /// Number of the next message to send.
    #[napi(getter)]
    pub fn next_out(&self) -> f64 {
        self.session.numbers().0 as f64
    }
}
