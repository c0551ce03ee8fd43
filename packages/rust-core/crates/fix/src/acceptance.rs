//! Runs acceptance scripts in the notation of the QuickFIX project against an acceptor, on a clock of its own.
//!
//! A line is `I` (sent to the acceptor), `E` (expected from it), `iCONNECT`, `iDISCONNECT` or `eDISCONNECT`, with an optional
//! connection number (`I2,…`), or a comment (`#`). `<TIME>`, `<TIME+n>` and `<TIME-n>` are the clock and n seconds beside it.
//! A sent line without BodyLength or CheckSum gets the right one. An expected line must have the same fields in the same
//! order; of BodyLength, CheckSum, SendingTime, OrigSendingTime and TransactTime any well-formed value will do, since what is
//! received is held against [`crate::frame::next`] first.

use crate::frame::{self, SOH, Step, checksum};
use crate::message::Message;
use crate::session::{Application, Config, Event, Instant, Replies, ResendPolicy, Role, Session, Verdict};
use crate::store::MemoryStore;
use crate::time::{parse_timestamp, write_timestamp};
use crate::{Acceptor, Body, Unattached, Version, tag};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const SECOND_NS: u64 = 1_000_000_000;
/// 2024-06-03T12:00:00Z, when every script begins.
const START_NS: i64 = 1_717_416_000_000_000_000;
/// How long an expected message is waited for.
const MESSAGE_WAIT_NS: u64 = 60 * SECOND_NS;
/// How long an expected disconnect is waited for.
const DISCONNECT_WAIT_NS: u64 = 10 * SECOND_NS;

/// A rule of ours that can be switched off, to see that scripts notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// Orders are never sent again, as in production.
    WithholdOrders,
    /// The dictionary of a client, which takes unknown tags.
    Lenient,
    /// Numbers survive a disconnect.
    KeepNumbers,
}

/// The application the scripts are written for: it sends each order and security definition back, and ignores an order with
/// PossResend that it has seen.
#[derive(Debug, Default)]
struct Echo {
    seen: BTreeSet<Vec<u8>>,
}

impl Application for Echo {
    fn message(&mut self, message: &Message<'_>, replies: &mut Replies) -> Verdict<'static> {
        let kind = message.msg_type();
        if kind != b"D" && kind != b"d" {
            return Verdict::Unsupported;
        }
        if kind == b"D" {
            let id = message.get(tag::CL_ORD_ID).unwrap_or_default().to_vec();
            if !self.seen.insert(id) && message.is_yes(tag::POSS_RESEND) {
                return Verdict::Accept;
            }
        }
        let session = [8, 9, 10, 34, 35, 43, 49, 52, 56, 122];
        let mut fields: Vec<_> =
            message.fields().iter().filter(|field| !session.contains(&field.tag)).collect();
        fields.sort_by_key(|field| (field.tag != tag::POSS_RESEND, field.tag));
        let mut body = Body::new();
        for field in fields {
            let Ok(tag) = u16::try_from(field.tag) else { return Verdict::Unsupported };
            body.text(tag, message.value(*field));
        }
        match replies.push(kind, &body) {
            Ok(()) => Verdict::Accept,
            Err(_) => Verdict::Unsupported,
        }
    }

    fn event(&mut self, event: Event<'_>) {
        if matches!(event, Event::LoggedOn { .. }) {
            self.seen.clear();
        }
    }
}

/// One connection of a script.
#[derive(Debug, Default)]
struct Link {
    pending: Vec<u8>,
    session: Option<usize>,
    open: bool,
    received: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
struct Run {
    acceptor: Acceptor<MemoryStore>,
    app: Echo,
    links: BTreeMap<u8, Link>,
    mono: u64,
}

/// Runs one script of a version.
///
/// # Errors
/// The line that does not hold, and why.
pub fn run(script: &str, version: Version, plant: Option<Plant>) -> Result<(), String> {
    let peer = match version {
        Version::Fix42 => "TW42",
        Version::Fix44 => "TW44",
    };
    let mut config = Config::new(version, Role::Acceptor, "ISLD", peer);
    config.reset_on_logout = plant != Some(Plant::KeepNumbers);
    config.reset_on_disconnect = plant != Some(Plant::KeepNumbers);
    config.resend =
        ResendPolicy { order_age_ns_max: if plant == Some(Plant::WithholdOrders) { 0 } else { u64::MAX } };
    if plant == Some(Plant::Lenient) {
        config.strictness = crate::Strictness::Lenient;
    }
    let session = Session::new(config, MemoryStore::default()).map_err(|fault| fault.to_string())?;
    let mut acceptor = Acceptor::default();
    acceptor.add(session).map_err(|fault| fault.to_string())?;
    let mut run = Run { acceptor, app: Echo::default(), links: BTreeMap::new(), mono: SECOND_NS };
    let mut lines = 0;
    for (number, line) in script.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        let Some(kind) = line.chars().next().filter(|kind| *kind != '#') else { continue };
        let (link, rest) = match line.as_bytes() {
            [_, digit @ b'0'..=b'9', b',', ..] => (digit - b'0', &line[3..]),
            _ => (1, &line[1..]),
        };
        lines += 1;
        let done = match (kind, rest) {
            ('i', "CONNECT") => run.connect(link),
            ('i', "DISCONNECT") => run.disconnect(link),
            ('e', "DISCONNECT") => run.expect_disconnect(link),
            ('I', text) => run.send(link, text),
            ('E', text) => run.expect(link, text),
            _ => Err("no such action".into()),
        };
        done.map_err(|why| format!("line {}: {why}", number + 1))?;
    }
    if lines == 0 {
        return Err("a script without a line".into());
    }
    match run.links.values().find_map(|link| link.received.front()) {
        Some(left) => Err(format!("the end: received {}", shown(left))),
        None => Ok(()),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\u{1}', "|")
}

impl Run {
    const fn now(&self) -> Instant {
        Instant { wall: START_NS + self.mono as i64, mono: self.mono }
    }

    fn connect(&mut self, link: u8) -> Result<(), String> {
        match self.links.insert(link, Link { open: true, ..Link::default() }) {
            Some(old) if old.open => Err("already connected".into()),
            _ => Ok(()),
        }
    }

    fn link(&mut self, link: u8) -> Result<&mut Link, String> {
        self.links.get_mut(&link).ok_or_else(|| format!("connection {link} was never made"))
    }

    fn disconnect(&mut self, link: u8) -> Result<(), String> {
        let now = self.now();
        let link = self.link(link)?;
        link.open = false;
        if let Some(session) = link.session.take().and_then(|at| self.acceptor.session(at)) {
            session.disconnected(now);
        }
        Ok(())
    }

    fn send(&mut self, number: u8, text: &str) -> Result<(), String> {
        let now = self.now();
        let bytes = fixed(&timed(text, now.wall)?);
        let link = self.links.get_mut(&number).filter(|link| link.open).ok_or("the connection is closed")?;
        let session = match link.session {
            Some(at) => at,
            None => {
                link.pending.extend_from_slice(&bytes);
                match self.acceptor.attach(&link.pending, now) {
                    Ok(at) => {
                        link.session = Some(at);
                        at
                    }
                    Err(Unattached::More) => return Ok(()),
                    Err(_) => {
                        link.open = false;
                        return Ok(());
                    }
                }
            }
        };
        let bytes = if link.pending.is_empty() { bytes } else { std::mem::take(&mut link.pending) };
        let session = self.acceptor.session(session).ok_or("no session")?;
        session.receive(&bytes, now, &mut self.app);
        session.confirm();
        self.settle(number)
    }

    /// Takes what a session has to send, and closes its connection where it must be.
    fn settle(&mut self, number: u8) -> Result<(), String> {
        let now = self.now();
        let link = self.links.get_mut(&number).ok_or("no connection")?;
        let Some(session) = link.session.and_then(|at| self.acceptor.session(at)) else { return Ok(()) };
        let mut out = Vec::new();
        session.flush(&mut out).map_err(|fault| fault.to_string())?;
        let mut at = 0;
        while at < out.len() {
            match frame::next(&out[at..]) {
                Step::Frame(count) => {
                    link.received.push_back(out[at..at + count].to_vec());
                    at += count;
                }
                other => return Err(format!("sent what is no message: {other:?} {}", shown(&out[at..]))),
            }
        }
        if session.closing().is_some() {
            session.disconnected(now);
            link.session = None;
            link.open = false;
        }
        Ok(())
    }

    /// Lets the clock run to the next timer of the connection's session, at most to `until`. False where nothing is to come.
    fn wait(&mut self, number: u8, until: u64) -> Result<bool, String> {
        let Some(at) = self.link(number)?.session else { return Ok(false) };
        let session = self.acceptor.session(at).ok_or("no session")?;
        let Some(timer) = session.next_timer().filter(|timer| *timer <= until) else { return Ok(false) };
        self.mono = self.mono.max(timer);
        let now = self.now();
        session_tick(&mut self.acceptor, at, now, &mut self.app)?;
        self.settle(number)?;
        Ok(true)
    }

    fn expect(&mut self, number: u8, text: &str) -> Result<(), String> {
        let until = self.mono + MESSAGE_WAIT_NS;
        while self.link(number)?.received.is_empty() && self.wait(number, until)? {}
        let received = self.link(number)?.received.pop_front();
        let wanted = fixed(&timed(text, START_NS)?);
        let received = received.ok_or_else(|| format!("nothing came, want {}", shown(&wanted)))?;
        same(&wanted, &received)
            .map_err(|why| format!("{why}: want {}, have {}", shown(&wanted), shown(&received)))
    }

    fn expect_disconnect(&mut self, number: u8) -> Result<(), String> {
        let until = self.mono + DISCONNECT_WAIT_NS;
        loop {
            let link = self.link(number)?;
            if let Some(received) = link.received.front() {
                return Err(format!("want a disconnect, have {}", shown(received)));
            }
            if !link.open {
                return Ok(());
            }
            if !self.wait(number, until)? {
                return Err("want a disconnect, the connection stays".into());
            }
        }
    }
}

fn session_tick(
    acceptor: &mut Acceptor<MemoryStore>,
    at: usize,
    now: Instant,
    app: &mut Echo,
) -> Result<(), String> {
    acceptor.session(at).ok_or("no session")?.tick(now, app);
    Ok(())
}

/// Replaces the times of a line, in whole seconds as the scripts' own runner writes them.
fn timed(text: &str, now: i64) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<TIME") {
        let end = rest[at..].find('>').ok_or("a time without an end")? + at;
        let shift = match &rest[at + 5..end] {
            "" => 0,
            shift => shift.parse::<i64>().map_err(|_| format!("<TIME{shift}>: want a number of seconds"))?,
        };
        let mut stamp = Vec::new();
        write_timestamp(&mut stamp, now + shift * SECOND_NS as i64);
        out.push_str(&rest[..at]);
        out.push_str(&String::from_utf8_lossy(&stamp[..17]));
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Adds BodyLength and CheckSum where a line that begins with BeginString has none.
fn fixed(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let Some(head_end) = bytes.iter().position(|byte| *byte == SOH).filter(|_| bytes.starts_with(b"8="))
    else {
        return bytes.to_vec();
    };
    let (head, rest) = bytes.split_at(head_end + 1);
    let sum_at = rest.windows(4).rposition(|four| four == b"\x0110=").map(|at| at + 1);
    let (body, sum) = rest.split_at(sum_at.unwrap_or(rest.len()));
    let mut out = head.to_vec();
    if !rest.starts_with(b"9=") && !body.windows(3).any(|three| three == b"\x019=") {
        out.extend_from_slice(format!("9={}\u{1}", body.len()).as_bytes());
    }
    out.extend_from_slice(body);
    if sum.is_empty() {
        let sum = checksum(&out);
        out.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
    } else {
        out.extend_from_slice(sum);
    }
    out
}

/// Whether two messages are the same, but for what may differ.
fn same(wanted: &[u8], received: &[u8]) -> Result<(), String> {
    let split = |bytes: &[u8]| -> Vec<(String, Vec<u8>)> {
        bytes
            .split(|byte| *byte == SOH)
            .filter(|field| !field.is_empty())
            .map(|field| {
                let at = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
                (shown(&field[..at]), field.get(at + 1..).unwrap_or_default().to_vec())
            })
            .collect()
    };
    let (wanted, received) = (split(wanted), split(received));
    if wanted.len() != received.len() {
        return Err(format!("{} fields, not {}", received.len(), wanted.len()));
    }
    for ((tag, value), (other, have)) in wanted.iter().zip(&received) {
        if tag != other {
            return Err(format!("tag {other} where {tag} is wanted"));
        }
        let holds = match tag.as_str() {
            "9" | "10" => true,
            "52" | "60" | "122" => parse_timestamp(have).is_some(),
            _ => value == have,
        };
        if !holds {
            return Err(format!("tag {tag} is {}", shown(have)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gets_its_length_checksum_and_times() {
        assert_eq!(shown(&fixed("8=FIX.4.4\u{1}35=0\u{1}")), "8=FIX.4.4|9=5|35=0|10=163|");
        assert_eq!(shown(&fixed("8=FIX.4.4\u{1}35=0\u{1}10=256\u{1}")), "8=FIX.4.4|9=5|35=0|10=256|");
        assert_eq!(shown(&fixed("8=FIX.4.4\u{1}9=40\u{1}35=0\u{1}")), "8=FIX.4.4|9=40|35=0|10=210|");
        assert_eq!(shown(&fixed("35=0\u{1}8=FIX.4.4\u{1}")), "35=0|8=FIX.4.4|");
        let text = timed("52=<TIME>|122=<TIME+10>|60=<TIME-121>", START_NS);
        assert_eq!(text, Ok("52=20240603-12:00:00|122=20240603-12:00:10|60=20240603-11:57:59".into()));
    }

    #[test]
    fn control_a_script_that_does_not_hold_names_its_line() {
        let logon = "iCONNECT\nI8=FIX.4.4\u{1}35=A\u{1}34=1\u{1}49=TW44\u{1}52=<TIME>\u{1}56=ISLD\u{1}98=0\u{1}108=30\u{1}\n";
        let answer = "E8=FIX.4.4\u{1}9=63\u{1}35=A\u{1}34=1\u{1}49=ISLD\u{1}52=0\u{1}56=TW44\u{1}98=0\u{1}108=30\u{1}10=0\u{1}\n";
        let of = |script: String| run(&script, Version::Fix44, None);
        assert_eq!(of(format!("{logon}{answer}iDISCONNECT\n")), Ok(()));
        for (script, line) in [
            (format!("{logon}{}", answer.replace("108=30", "108=31")), "line 3: tag 108 is 30"),
            (format!("{logon}{}", answer.replace("98=0\u{1}", "")), "line 3: 10 fields, not 9"),
            (format!("{logon}eDISCONNECT\n"), "line 3: want a disconnect, have"),
            (format!("{logon}{answer}eDISCONNECT\n"), "line 4: want a disconnect"),
            (logon.to_string(), "the end: received"),
            (String::from("# nothing\n"), "a script without a line"),
            (String::from("xCONNECT\n"), "line 1: no such action"),
        ] {
            let fault = of(script).unwrap_err();
            assert!(fault.starts_with(line), "{fault}");
        }
    }
}
