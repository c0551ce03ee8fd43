//! What the loop does with a venue whose session is its own: FIX, and requests over HTTP.

use super::fix_link::Sent as FixSent;
use super::limits::REST_CONNECT_MS;
use super::rest::Sent as RestSent;
use super::words::Word;
use super::*;

impl Loop<'_> {
    /// Writes one request to a FIX venue and says what became of the write.
    pub(super) fn send_fix(&mut self, at: usize, request: &Request) -> Vec<Event> {
        let Request { token, what, .. } = request;
        let token = *token;
        let row = self.row(what).cloned();
        let Some(link) = self.sessions[at].fix.as_mut() else { return Vec::new() };
        let never = |reason| vec![Event::NotWritten { token, reason }];
        match link.send(token, what, row.as_ref()) {
            FixSent::Written => vec![Event::Written { token, wire_mono_ns: clock::mono_ns() }],
            FixSent::Known(answer) => vec![Event::Answer { token, answer }],
            FixSent::NotOpen => never(Reason::VenueUnreachable),
            FixSent::Malformed => never(Reason::Malformed),
            FixSent::Full => never(Reason::RouterBackpressure),
            FixSent::Broken => vec![Event::WriteBroken { token }],
        }
    }

    /// One turn of a FIX session: connect, hear, tell the core, and only then confirm.
    pub(super) fn drive_fix(&mut self, at: usize) -> Result<(), Fault> {
        let now = clock::mono_ns();
        let session = &mut self.sessions[at];
        let (venue, due) = (session.id, now >= session.retry_at);
        let Some(link) = session.fix.as_mut() else { return Ok(()) };
        if !link.dialled() {
            if due && let Err(why) = link.dial() {
                self.failed(at, &why)?;
            }
            return Ok(());
        }
        let (words, notes, ended) = link.pump(&self.table);
        let ready = link.ready();
        for text in notes {
            self.hot.log("info", "FIX session", json!({ "venue": venue.0, "event": text }));
        }
        for word in words {
            self.hear(venue, word)?;
        }
        let session = &mut self.sessions[at];
        let settled = session.fix.as_mut().map_or(Ok(()), |link| link.settle());
        if let Some(why) = ended.or(settled.err()) {
            return self.failed(at, &why);
        }
        if ready && !self.sessions[at].up {
            self.venue_up(at)?;
        }
        if ready {
            self.sweep_own(at);
        }
        Ok(())
    }

    /// Begins one request to a venue of requests over HTTP and says what became of the beginning.
    pub(super) fn send_rest(&mut self, at: usize, request: &Request) -> Vec<Event> {
        let Request { token, what, expires_mono_ns, .. } = request;
        let token = *token;
        let row = self.row(what).cloned();
        let Some(link) = self.sessions[at].rest.as_mut() else { return Vec::new() };
        // No byte leaves before there is a connection, and after its time there will be none.
        let left_ms = match *expires_mono_ns {
            0 => REST_CONNECT_MS,
            expires => expires.saturating_sub(clock::mono_ns()) / 1_000_000,
        };
        let never = |reason| vec![Event::NotWritten { token, reason }];
        match link.send(token, what, row.as_ref(), left_ms) {
            RestSent::Under => Vec::new(),
            RestSent::Known(answer) => vec![Event::Answer { token, answer }],
            RestSent::NotOpen => never(Reason::VenueUnreachable),
            RestSent::Malformed => never(Reason::Malformed),
            RestSent::Full => never(Reason::RouterBackpressure),
        }
    }

    /// One turn of such a venue: connect, hear, tell the core.
    pub(super) fn drive_rest(&mut self, at: usize) -> Result<(), Fault> {
        let now = clock::mono_ns();
        let killed = self.killed_now();
        let session = &mut self.sessions[at];
        let (venue, due) = (session.id, now >= session.retry_at);
        let Some(link) = session.rest.as_mut() else { return Ok(()) };
        if !link.dialled() {
            if due && let Err(why) = link.dial() {
                self.failed(at, &why)?;
            }
            return Ok(());
        }
        let recalled = if killed { link.recall() } else { Vec::new() };
        let (words, ended) = link.pump(&self.table);
        let ready = link.ready();
        for token in recalled {
            self.apply(Event::NotWritten { token, reason: Reason::Killed })?;
        }
        for word in words {
            self.hear(venue, word)?;
        }
        if let Some(why) = ended {
            return self.failed(at, &why);
        }
        if ready && !self.sessions[at].up {
            self.venue_up(at)?;
        }
        if ready {
            self.sweep_own(at);
        }
        Ok(())
    }

    fn hear(&mut self, venue: VenueId, word: Word) -> Result<(), Fault> {
        match word {
            Word::Answer { token, answer } => self.apply(Event::Answer { token, answer }),
            Word::Exec(instrument, exec) => self.apply(Event::Exec { venue, instrument, exec }),
            Word::Garbled(text) => {
                let fields = json!({ "venue": venue.0, "message": text });
                self.hot.log("warn", "a report cannot be read", fields);
                self.apply(Event::Garbled { venue })
            }
            Word::Ready => Ok(()),
            Word::Written { token } => self.apply(Event::Written { token, wire_mono_ns: clock::mono_ns() }),
            Word::Unsent { token } => {
                self.apply(Event::NotWritten { token, reason: Reason::VenueUnreachable })
            }
            Word::Blocked { for_ns } => self.blocked(venue, for_ns),
            Word::Usage(usage) => self.apply(Event::Usage { venue, usage }),
            Word::Listed(rows) => {
                self.swept(venue, &rows);
                Ok(())
            }
        }
    }
}
