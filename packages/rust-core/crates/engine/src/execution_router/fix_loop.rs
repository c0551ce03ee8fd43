//! What the loop does with a FIX venue.

use super::fix::Word;
use super::fix_link::Sent;
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
            Sent::Written => vec![Event::Written { token, wire_mono_ns: clock::mono_ns() }],
            Sent::Known(answer) => vec![Event::Answer { token, answer }],
            Sent::NotOpen => never(Reason::VenueUnreachable),
            Sent::Malformed => never(Reason::Malformed),
            Sent::Full => never(Reason::RouterBackpressure),
            Sent::Broken => vec![Event::WriteBroken { token }],
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
            self.sweep_fix(at);
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
            Word::Listed(rows) => {
                self.swept(venue, &rows);
                Ok(())
            }
        }
    }
}
