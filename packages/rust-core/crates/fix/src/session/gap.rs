//! Missing messages: what waits for them, and how long.

use super::{Application, Close, Event, Instant, Session};
use crate::limits::{QUEUED_BYTES_MAX, QUEUED_MAX, RESEND_TRIES_MAX, RESEND_WAIT_NS};
use crate::message::Message;
use crate::store::Store;
use std::collections::BTreeMap;

/// A gap that was asked for.
#[derive(Debug)]
pub(super) struct Gap {
    /// Last missing number.
    pub end: u64,
    /// When to ask again.
    pub deadline: u64,
    /// How often it was asked for without progress.
    tries: u32,
    /// The expected number when it was last asked for or moved.
    reached: u64,
}

/// What waits behind a gap.
#[derive(Debug)]
pub(super) enum Queued {
    /// A message to take in its turn.
    Frame(Box<[u8]>),
    /// A message that had its effect when it came; its number is still to be passed.
    Done,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<u64, Queued>,
    bytes: usize,
}

impl Queue {
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }

    /// False where there is no room.
    fn insert(&mut self, seq: u64, raw: Option<&[u8]>) -> bool {
        if self.waiting.contains_key(&seq) {
            return true;
        }
        let bytes = raw.map_or(0, <[u8]>::len);
        if self.waiting.len() == QUEUED_MAX || self.bytes + bytes > QUEUED_BYTES_MAX {
            return false;
        }
        self.bytes += bytes;
        self.waiting.insert(seq, raw.map_or(Queued::Done, |raw| Queued::Frame(raw.into())));
        true
    }

    /// Drops what is below `seq` and gives what has that number.
    fn take(&mut self, seq: u64) -> Option<Queued> {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > seq {
                return None;
            }
            let found = *entry.key() == seq;
            let queued = entry.remove();
            if let Queued::Frame(raw) = &queued {
                self.bytes -= raw.len();
            }
            if found {
                return Some(queued);
            }
        }
        None
    }

    fn first(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(seq, _)| *seq)
    }

    /// Messages and bytes that wait.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.waiting.len(), self.bytes)
    }
}

impl<S: Store> Session<S> {
    /// A number above the expected one: the message waits (`None`: only its number does), and what is missing is asked for
    /// unless it was.
    pub(super) fn too_high(&mut self, seq: u64, raw: Option<&[u8]>, now: Instant, app: &mut dyn Application) {
        if !self.queue.insert(seq, raw) {
            app.event(Event::QueueFull { seq });
        }
        if self.gap.is_none() {
            self.ask(seq - 1, 1, now, app);
        }
    }

    /// Asks for everything from the expected number on.
    fn ask(&mut self, end: u64, tries: u32, now: Instant, app: &mut dyn Application) {
        let deadline = now.mono + RESEND_WAIT_NS;
        self.gap = Some(Gap { end, deadline, tries, reached: self.next_in });
        app.event(Event::Gap { from: self.next_in, to: end });
        let from = self.next_in;
        self.emit_with(b"2", now, |body| {
            body.number(7, from).number(16, 0);
        });
    }

    /// Takes what waited for the number that is expected now.
    pub(super) fn drain(&mut self, now: Instant, app: &mut dyn Application) {
        while self.closing.is_none() {
            match self.queue.take(self.next_in) {
                None => break,
                Some(Queued::Done) => self.next_in += 1,
                Some(Queued::Frame(raw)) => {
                    let mut fields = std::mem::take(&mut self.fields);
                    if let Ok(message) = Message::parse(&raw, &mut fields) {
                        self.message(&message, now, app);
                    }
                    self.fields = fields;
                }
            }
        }
        if self.closing.is_some() {
            return;
        }
        let next_in = self.next_in;
        if let Some(gap) = &mut self.gap {
            if next_in > gap.end {
                self.gap = None;
            } else if next_in > gap.reached {
                (gap.reached, gap.tries, gap.deadline) = (next_in, 1, now.mono + RESEND_WAIT_NS);
            }
        }
        // Behind a gap that is filled there may be another.
        if let (None, Some(first)) = (&self.gap, self.queue.first()) {
            self.ask(first - 1, 1, now, app);
        }
    }

    /// Asks again for what does not come, and gives up in the end.
    pub(super) fn tick_gap(&mut self, now: Instant, app: &mut dyn Application) {
        let Some(gap) = &self.gap else { return };
        if now.mono < gap.deadline {
            return;
        }
        let (end, tries) = (gap.end, gap.tries);
        if tries < RESEND_TRIES_MAX {
            self.ask(end, tries + 1, now, app);
        } else {
            let text = format!("No resend of {} to {end}", self.next_in);
            self.send_logout(&text, now);
            self.close(Close::GapNotFilled);
        }
    }
}
