//! One FIX session of the router: the socket, the session with its numbers on the disk, and the desk that reads it.
//!
//! What is received is confirmed only after the core has journalled what came of it, so that a crash lets it come again.

use super::fix::{Desk, Written};
use super::limits::{FIX_CONNECT_NS, FIX_LOGON_STATUS_NS, FIX_OUT_BYTES_MAX, FIX_READS_PER_TURN_MAX};
use super::words::{Row, Word};
use crate::{Fault, clock};
use serde::Deserialize;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use tidegate_fix::limits::READ_BYTES;
use tidegate_fix::shell::JournalStore;
use tidegate_fix::{
    Application, Body, Close, Config, Event, Instant, Message, Replies, Role, SendFault, Session, Verdict,
    Version,
};
use tidegate_instruments::{Instrument, Table};
use tidegate_journal::Tier;
use tidegate_router::{Answer, What};
use tidegate_units::VenueId;
use tidegate_venue_io::Transport;
use tidegate_venue_io::net::{Family, Target, target};

/// What a FIX venue has of its own.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixSettings {
    sender_comp_id: String,
    target_comp_id: String,
    heartbeat_seconds: u32,
    /// Folder of the session's numbers and messages.
    store_dir: PathBuf,
    /// Each logon resets both numbers: for a venue that never resends.
    reset_on_logon: bool,
    /// A venue that has begun its numbers anew is followed with a reset.
    follow_reset: bool,
}

/// What a session hears, in its order.
#[derive(Debug)]
enum Heard {
    Message(Vec<u8>),
    LoggedOn { reset: bool },
    Rejected { seq: u64, words: String },
    Lost,
    Note(String),
}

/// The listening end of a session: it keeps everything for the loop.
#[derive(Debug, Default)]
struct Ears {
    heard: Vec<Heard>,
}

impl Application for Ears {
    fn message(&mut self, message: &Message<'_>, _replies: &mut Replies) -> Verdict<'static> {
        match message.msg_type() {
            b"8" | b"9" | b"AE" | b"AQ" | b"j" | b"r" | b"B" => {
                self.heard.push(Heard::Message(message.raw().to_vec()));
                Verdict::Accept
            }
            _ => Verdict::Unsupported,
        }
    }

    fn event(&mut self, event: Event<'_>) {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.heard.push(match event {
            Event::LoggedOn { reset } => Heard::LoggedOn { reset },
            Event::Rejected { seq, reason, tag, text } => Heard::Rejected {
                seq,
                words: format!("{} {} {}", reason.unwrap_or(99), tag.unwrap_or(0), shown(text)),
            },
            Event::SequenceReset { .. } => Heard::Lost,
            Event::Resent { withheld: 0, .. } | Event::Duplicate { .. } => return,
            Event::LoggedOut { text } => Heard::Note(format!("the venue logs out: {}", shown(text))),
            other => Heard::Note(format!("{other:?}")),
        });
    }
}

/// One session over the connections it lives through. Holds a secret, so it does not print.
pub struct FixLink {
    target: Target,
    session: Session<JournalStore>,
    pub desk: Desk,
    transport: Option<Transport>,
    /// Since when the connection is being made; the session has it once it stands.
    dialled_ns: u64,
    joined: bool,
    logged_on: bool,
    /// The mass status of this logon was sent, and is not answered yet.
    asked_ns: Option<u64>,
    ready: bool,
    follow_reset: bool,
    store_dir: PathBuf,
    ears: Ears,
    out: Vec<u8>,
    inbound: Vec<u8>,
    body: Body,
}

/// What became of one request.
pub enum Sent {
    Written,
    Known(Answer),
    /// No byte of it left: there is no open session, the desk cannot write it, too much waits to be sent.
    NotOpen,
    Malformed,
    Full,
    /// Bytes may have left.
    Broken,
}

fn now() -> Instant {
    Instant { wall: clock::epoch_ns(), mono: clock::mono_ns() }
}

fn begun_path(dir: &Path) -> PathBuf {
    dir.with_extension("begun")
}

/// When the numbers of the store were last begun anew; one that is `fresh` begins now, whatever a folder before it was.
fn begun(dir: &Path, fresh: bool) -> Result<i64, Fault> {
    let path = begun_path(dir);
    let read = std::fs::read_to_string(&path).ok().filter(|_| !fresh);
    let read = read.and_then(|text| text.trim().parse().ok());
    match read {
        Some(ns) => Ok(ns),
        None => {
            let ns = clock::epoch_ns();
            write_begun(dir, ns).map_err(Fault)?;
            Ok(ns)
        }
    }
}

fn write_begun(dir: &Path, ns: i64) -> Result<(), String> {
    let path = begun_path(dir);
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(&path, ns.to_string()));
    written.map_err(|error| format!("cannot write {}: {error}; mend the disk", path.display()))
}

fn config(settings: &FixSettings, (user, password): (&str, &str)) -> Result<Config, Fault> {
    let mut config =
        Config::new(Version::Fix44, Role::Initiator, &settings.sender_comp_id, &settings.target_comp_id);
    config.heartbeat_seconds = settings.heartbeat_seconds;
    config.reset_on_logon = settings.reset_on_logon;
    let mut fields = Body::new();
    fields.text(553, user.as_bytes()).text(554, password.as_bytes());
    let fault = |_| Fault("fix: the user name or password cannot be sent; want printable text".into());
    config.logon_fields = fields.bytes().map_err(fault)?.to_vec();
    Ok(config)
}

impl FixLink {
    /// Opens the session's store.
    ///
    /// # Errors
    /// A URL or an id that cannot be, a store that is another session's or cannot be read.
    pub fn open(
        url: &str,
        settings: &FixSettings,
        login: (&str, &str),
        venue: VenueId,
        tier: Tier,
    ) -> Result<Self, Fault> {
        let target = target(url, Family::Fix)
            .map_err(|fault| Fault(format!("venues: apiUrl {url}: {fault:?}; want fix://host:port")))?;
        let config = config(settings, login)?;
        let store = JournalStore::open(&settings.store_dir, &config, tier)
            .map_err(|fault| Fault(format!("{}: {fault}", settings.store_dir.display())))?;
        let session = Session::new(config, store)?;
        let whole_since_ns = begun(&settings.store_dir, session.numbers() == (1, 1))?;
        Ok(Self {
            target,
            session,
            desk: Desk::new(venue, whole_since_ns),
            transport: None,
            dialled_ns: 0,
            joined: false,
            logged_on: false,
            asked_ns: None,
            ready: false,
            follow_reset: settings.follow_reset,
            store_dir: settings.store_dir.clone(),
            ears: Ears::default(),
            out: Vec::new(),
            inbound: vec![0; READ_BYTES],
            body: Body::new(),
        })
    }

    /// Whether there is a connection, or one on its way.
    pub const fn dialled(&self) -> bool {
        self.transport.is_some()
    }

    /// Logged on, and the venue has listed what it holds.
    pub const fn ready(&self) -> bool {
        self.ready
    }

    /// What the poll waits for.
    pub fn poll_item<'a>(&self) -> Option<zmq::PollItem<'a>> {
        let transport = self.transport.as_ref()?;
        let writes = !self.joined || !self.out.is_empty() || transport.wants_write();
        let events = if writes { zmq::POLLIN | zmq::POLLOUT } else { zmq::POLLIN };
        Some(zmq::PollItem::from_fd(transport.raw_fd(), events))
    }

    /// Begins to connect.
    ///
    /// # Errors
    /// Why the system refuses at once.
    pub fn dial(&mut self) -> Result<(), String> {
        let transport = Transport::connect(&self.target, None).map_err(|fault| format!("{fault:?}"))?;
        self.transport = Some(transport);
        (self.dialled_ns, self.joined, self.logged_on) = (clock::mono_ns(), false, false);
        Ok(())
    }

    /// Reads what is there and lets time pass. Gives what was heard, notes for a person, and why the connection must end.
    pub fn pump(&mut self, table: &Table) -> (Vec<Word>, Vec<String>, Option<String>) {
        let mut ended = self.join().err();
        if self.joined && ended.is_none() {
            ended = self.read();
            self.session.tick(now(), &mut self.ears);
        }
        let (mut words, mut notes) = (Vec::new(), Vec::new());
        if let Err(why) = self.take_heard(table, &mut words, &mut notes) {
            ended = ended.or(Some(why));
        }
        if let Some(close) = self.session.closing().filter(|_| self.joined) {
            // The venue has begun its numbers anew: ours are begun anew too, and everything is asked for then.
            let anew = matches!(close, Close::SeqTooLow | Close::ResetNotAsked);
            if anew && !self.logged_on && self.follow_reset {
                self.session.reset_on_next_logon();
            }
            ended = Some(format!("{close:?}"));
        }
        let late = |since: Option<u64>| since.is_some_and(|ns| clock::mono_ns() - ns >= FIX_LOGON_STATUS_NS);
        if late(self.asked_ns) {
            ended = ended.or(Some("the mass status after the logon was not answered".into()));
        }
        (words, notes, ended)
    }

    /// Hands the connection to the session once it stands.
    fn join(&mut self) -> Result<(), String> {
        let Some(transport) = self.transport.as_ref().filter(|_| !self.joined) else { return Ok(()) };
        match transport.connected() {
            Ok(true) => {
                self.joined = true;
                self.session.connect(now());
                self.flush()
            }
            Ok(false) if clock::mono_ns().saturating_sub(self.dialled_ns) < FIX_CONNECT_NS => Ok(()),
            Ok(false) => Err("the connection was not made in time".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn read(&mut self) -> Option<String> {
        let transport = self.transport.as_mut()?;
        for _ in 0..FIX_READS_PER_TURN_MAX {
            match transport.read(&mut self.inbound) {
                Ok(0) => return Some("the venue closed the connection".into()),
                Ok(count) => self.session.receive(&self.inbound[..count], now(), &mut self.ears),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Some(error.to_string()),
            }
        }
        None
    }

    fn take_heard(
        &mut self,
        table: &Table,
        words: &mut Vec<Word>,
        notes: &mut Vec<String>,
    ) -> Result<(), String> {
        for heard in std::mem::take(&mut self.ears.heard) {
            match heard {
                Heard::Message(raw) => {
                    let mut fields = Vec::new();
                    // It was taken apart once before.
                    if let Ok(message) = Message::parse(&raw, &mut fields) {
                        self.desk.heard(table, &message, words);
                    }
                }
                Heard::Rejected { seq, words: why } => self.desk.rejected(seq, &why, words),
                Heard::LoggedOn { reset } => {
                    self.logged_on = true;
                    if reset {
                        self.lost()?;
                    }
                    self.ask_everything()?;
                }
                Heard::Lost => self.lost()?,
                Heard::Note(text) => notes.push(text),
            }
        }
        if words.contains(&Word::Ready) {
            (self.ready, self.asked_ns) = (true, None);
        }
        Ok(())
    }

    /// Messages were given up: what was executed before now may never be told.
    fn lost(&mut self) -> Result<(), String> {
        let at = clock::epoch_ns();
        self.desk.lost_before(at);
        write_begun(&self.store_dir, at)
    }

    /// After every logon: nothing new is sent before the venue has listed what it holds.
    fn ask_everything(&mut self) -> Result<(), String> {
        let at = now();
        let session = &mut self.session;
        let asked =
            self.desk.logon_status(&mut self.body, |body| session.send(b"AF", body, at).ok(), at.mono);
        self.asked_ns = Some(at.mono);
        if asked { Ok(()) } else { Err("the mass status after the logon could not be sent".into()) }
    }

    /// Everything that was heard has had its effect: it need not come again. Writes what waits.
    ///
    /// # Errors
    /// Why the connection must end.
    pub fn settle(&mut self) -> Result<(), String> {
        if !self.joined {
            return Ok(());
        }
        self.session.confirm();
        self.flush()
    }

    fn flush(&mut self) -> Result<(), String> {
        self.session.flush(&mut self.out).map_err(|fault| fault.to_string())?;
        let Some(transport) = self.transport.as_mut() else { return Ok(()) };
        while !self.out.is_empty() {
            match transport.write(&self.out) {
                Ok(0) => return Err("the venue takes no more bytes".into()),
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        match transport.push() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.to_string()),
            _ => {}
        }
        if self.out.len() > FIX_OUT_BYTES_MAX { Err("the venue does not read".into()) } else { Ok(()) }
    }

    /// Sends one request.
    pub fn send(&mut self, token: u64, what: &What, row: Option<&Instrument>) -> Sent {
        if !self.session.is_open() {
            return Sent::NotOpen;
        }
        if self.out.len() > FIX_OUT_BYTES_MAX / 2 {
            return Sent::Full;
        }
        let at = now();
        let kind = match self.desk.write(&mut self.body, token, what, row, (at.wall, at.mono)) {
            Written::Message(kind) => kind,
            Written::Known(answer) => return Sent::Known(answer),
            Written::Never => {
                self.desk.not_sent(token);
                return Sent::Malformed;
            }
        };
        let seq = match self.session.send(kind, &self.body, at) {
            Ok(seq) => seq,
            Err(fault) => {
                self.desk.not_sent(token);
                return match fault {
                    SendFault::NotLoggedOn => Sent::NotOpen,
                    SendFault::Full => Sent::Full,
                    SendFault::SessionType | SendFault::Body(_) => Sent::Malformed,
                };
            }
        };
        self.desk.sent(token, seq);
        match self.flush() {
            Ok(()) => Sent::Written,
            Err(_) => Sent::Broken,
        }
    }

    /// Sends the mass cancel of a kill; a venue that has none says so, and its orders are then cancelled one by one.
    pub fn sweep_cancel_all(&mut self, kill_ts_ns: i64) -> bool {
        let at = now();
        Desk::sweep_cancel_all(&mut self.body, kill_ts_ns, at.wall);
        self.session.send(b"q", &self.body, at).is_ok() && self.flush().is_ok()
    }

    /// Asks for everything that the venue holds.
    pub fn sweep_status(&mut self) -> bool {
        let at = now();
        self.desk.sweep_status(&mut self.body, at.mono);
        self.session.send(b"AF", &self.body, at).is_ok() && self.flush().is_ok()
    }

    /// Cancels what a mass cancel left.
    pub fn sweep_cancel(&mut self, row: &Row) -> bool {
        let at = now();
        Desk::sweep_cancel(&mut self.body, row, at.wall)
            && self.session.send(b"F", &self.body, at).is_ok()
            && self.flush().is_ok()
    }

    /// Says goodbye, as far as one write goes.
    pub fn logout(&mut self) {
        self.session.logout("", now());
        // The venue notices the end of the connection all the same.
        let _ = self.settle();
    }

    /// The connection is over.
    pub fn end(&mut self) {
        if self.joined {
            // A Logout that says why is still on its way out.
            let _ = self.settle();
            self.session.disconnected(now());
            let _ = self.session.flush(&mut Vec::new());
        }
        self.desk.disconnected();
        (self.transport, self.joined, self.ready, self.asked_ns) = (None, false, false, None);
        self.out.clear();
    }

    /// Forgets requests whose answers nobody waits for any more.
    pub fn forget(&mut self, oldest_ns: u64) {
        self.desk.forget(oldest_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use tidegate_fix::MemoryStore;
    use tidegate_fix::frame::checksum;
    use tidegate_fix::time::write_timestamp;

    fn table() -> Table {
        Table::from_json(include_bytes!("../../../../../../config/instruments.json")).unwrap()
    }

    fn open(dir: &Path, port: u16) -> FixLink {
        let settings = FixSettings {
            sender_comp_id: "DESK".into(),
            target_comp_id: "VENUE".into(),
            heartbeat_seconds: 30,
            store_dir: dir.join("fix"),
            reset_on_logon: false,
            follow_reset: true,
        };
        let url = format!("fix://127.0.0.1:{port}");
        FixLink::open(&url, &settings, ("user", "secret"), VenueId(7), Tier::T0).unwrap()
    }

    fn begun_at(dir: &Path) -> i64 {
        std::fs::read_to_string(dir.join("fix.begun")).unwrap().parse().unwrap()
    }

    /// A venue that takes everything and answers nothing but session messages.
    struct Silent;

    impl Application for Silent {
        fn message(&mut self, _: &Message<'_>, _: &mut Replies) -> Verdict<'static> {
            Verdict::Accept
        }
    }

    struct Peer {
        session: Session<MemoryStore>,
        stream: TcpStream,
    }

    impl Peer {
        fn turn(&mut self) {
            let mut bytes = [0; 4_096];
            if let Ok(count) = self.stream.read(&mut bytes) {
                self.session.receive(&bytes[..count], now(), &mut Silent);
            }
            let mut out = Vec::new();
            self.session.confirm();
            self.session.flush(&mut out).unwrap();
            self.stream.write_all(&out).unwrap();
        }
    }

    /// Turns both ends until `holds`.
    fn until(link: &mut FixLink, peer: &mut Peer, holds: impl Fn(&FixLink, &Peer) -> bool) {
        let table = table();
        for _ in 0..2_000 {
            let (_, _, ended) = link.pump(&table);
            assert_eq!(ended, None);
            link.settle().unwrap();
            peer.turn();
            if holds(link, peer) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("not within two seconds");
    }

    #[test]
    fn a_reset_within_the_session_and_a_new_store_begin_what_may_be_lost() {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut link = open(dir.path(), listener.local_addr().unwrap().port());
        let first = begun_at(dir.path());
        link.dial().unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let config = Config::new(Version::Fix44, Role::Acceptor, "VENUE", "DESK");
        let mut peer = Peer { session: Session::new(config, MemoryStore::default()).unwrap(), stream };
        peer.session.connect(now());
        until(&mut link, &mut peer, |link, peer| link.logged_on && peer.session.is_open());
        assert_eq!(begun_at(dir.path()), first, "a first logon loses nothing");
        assert!(!link.ready(), "the venue has not listed what it holds");
        // The venue begins both numbers anew within the session.
        let mut body = b"35=A\x0134=1\x0149=VENUE\x0152=".to_vec();
        write_timestamp(&mut body, now().wall);
        body.extend_from_slice(b"\x0156=DESK\x0198=0\x01108=30\x01141=Y\x01");
        let mut raw = format!("8=FIX.4.4\x019={}\x01", body.len()).into_bytes();
        raw.extend_from_slice(&body);
        let sum = checksum(&raw);
        raw.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
        peer.stream.write_all(&raw).unwrap();
        for _ in 0..2_000 {
            link.pump(&table());
            if begun_at(dir.path()) > first {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let second = begun_at(dir.path());
        assert!(second > first, "what was told before it may be lost");
        link.settle().unwrap();
        link.end();
        drop(link);
        drop(open(dir.path(), 1));
        assert_eq!(begun_at(dir.path()), second, "a restart loses nothing");
        std::fs::remove_dir_all(dir.path().join("fix")).unwrap();
        drop(open(dir.path(), 1));
        assert!(begun_at(dir.path()) > second, "a store that is gone is one that begins");
    }
}
