//! What a session does with what it receives.

use super::{Application, Close, Event, Instant, Phase, Role, Session, Verdict};
use crate::dictionary::{Fault, reason};
use crate::frame::Garbled;
use crate::limits::{HEARTBEAT_SECONDS_MAX, SENDING_TIME_NS_MAX, SEQ_MAX};
use crate::message::Message;
use crate::store::Store;
use crate::{Version, tag};
use std::cmp::Ordering;

/// EndSeqNo for "all" of versions up to 4.2.
const ALL_42: u64 = 999_999;

impl<S: Store> Session<S> {
    /// Bytes that are no message: ignored without consuming a number. Before the Logon they end the connection.
    pub(super) fn garbled(&mut self, why: Garbled, bytes: usize, app: &mut dyn Application) {
        app.event(Event::Garbled { why, bytes });
        if self.phase == Phase::LogonWait {
            self.close(Close::LogonInvalid);
        }
    }

    /// One frame, and what waited for it.
    pub(super) fn take(&mut self, raw: &[u8], now: Instant, app: &mut dyn Application) {
        let mut fields = std::mem::take(&mut self.fields);
        match Message::parse(raw, &mut fields) {
            Ok(message) => self.message(&message, now, app),
            Err(why) => self.garbled(why, raw.len(), app),
        }
        self.fields = fields;
        self.drain(now, app);
    }

    pub(super) fn message(&mut self, message: &Message<'_>, now: Instant, app: &mut dyn Application) {
        let kind = message.msg_type();
        let own_version =
            message.get(tag::BEGIN_STRING) == Some(self.config.version.begin_string().as_bytes());
        if self.phase == Phase::LogonWait {
            return match kind {
                b"A" if own_version => self.first_logon(message, now, app),
                b"A" => self.close(Close::LogonInvalid),
                b"5" => {
                    app.event(Event::LoggedOut { text: message.get(tag::TEXT).unwrap_or_default() });
                    self.close(Close::LogonDenied);
                }
                _ => self.close(Close::NotLogon),
            };
        }
        let Some(seq) = message.seq() else {
            self.send_logout("MsgSeqNum missing or out of range", now);
            return self.close(Close::SeqMissing);
        };
        if !own_version {
            if kind == b"5" {
                return self.take_logout(message, seq, now, app);
            }
            self.send_logout("Incorrect BeginString", now);
            return self.consume_if_expected(seq);
        }
        match (self.dictionary.check(message), kind) {
            (Err(fault), _) => return self.faulty(message, seq, fault, now, app),
            (Ok(()), b"A") => return self.second_logon(message, seq, now, app),
            (Ok(()), _) => {}
        }
        if !self.is_good_time(message, now) {
            self.reject(message, seq, Fault { reason: reason::SENDING_TIME, tag: None }, now, app);
            return self.send_logout("", now);
        }
        if !self.is_good_ids(message) {
            self.reject(message, seq, Fault { reason: reason::COMP_ID, tag: None }, now, app);
            return self.send_logout("", now);
        }
        self.alive(now);
        match kind {
            b"4" => self.take_sequence_reset(message, seq, now, app),
            b"2" => self.take_resend_request(message, seq, now, app),
            b"5" => self.take_logout(message, seq, now, app),
            _ => match seq.cmp(&self.next_in) {
                Ordering::Greater => self.too_high(seq, Some(message.raw()), now, app),
                Ordering::Less => self.too_low(message, seq, now, app),
                Ordering::Equal => self.in_order(message, seq, now, app),
            },
        }
    }

    const fn alive(&mut self, now: Instant) {
        self.last_in = now.mono;
        self.test_sent = false;
    }

    fn consume_if_expected(&mut self, seq: u64) {
        if seq == self.next_in {
            self.next_in += 1;
        }
    }

    fn is_good_time(&self, message: &Message<'_>, now: Instant) -> bool {
        message
            .timestamp(tag::SENDING_TIME)
            .is_some_and(|sent| sent.abs_diff(now.wall) <= SENDING_TIME_NS_MAX.unsigned_abs())
    }

    fn is_good_ids(&self, message: &Message<'_>) -> bool {
        message.get(tag::SENDER_COMP_ID) == Some(self.config.target.as_bytes())
            && message.get(tag::TARGET_COMP_ID) == Some(self.config.sender.as_bytes())
    }

    /// A message that breaks the dictionary. Its number is judged first: one that is too high is judged again in its turn.
    fn faulty(
        &mut self,
        message: &Message<'_>,
        seq: u64,
        fault: Fault,
        now: Instant,
        app: &mut dyn Application,
    ) {
        self.alive(now);
        let kind = message.msg_type();
        match kind {
            b"5" => return self.take_logout(message, seq, now, app),
            // A Reject is never rejected, or two engines would do so for ever.
            b"3" => {
                app.event(Event::Refused { seq, fault });
                return self.consume_if_expected(seq);
            }
            b"2" | b"4" | b"A" => {}
            _ => match seq.cmp(&self.next_in) {
                Ordering::Greater => return self.too_high(seq, Some(message.raw()), now, app),
                Ordering::Less if message.is_yes(tag::POSS_DUP_FLAG) => {
                    return app.event(Event::Duplicate { seq });
                }
                Ordering::Less => return self.too_low(message, seq, now, app),
                Ordering::Equal => {}
            },
        }
        self.reject(message, seq, fault, now, app);
    }

    /// The Logon that opens a session, at either end.
    fn first_logon(&mut self, message: &Message<'_>, now: Instant, app: &mut dyn Application) {
        let (Some(seq), Ok(())) = (message.seq(), self.dictionary.check(message)) else {
            return self.close(Close::LogonInvalid);
        };
        if !self.is_good_time(message, now) {
            return self.close(Close::LogonTime);
        }
        if !self.is_good_ids(message) {
            return self.close(Close::LogonCompId);
        }
        let Some(seconds) =
            message.number(tag::HEART_BT_INT).filter(|s| *s <= u64::from(HEARTBEAT_SECONDS_MAX))
        else {
            let text = format!("HeartBtInt out of range: want 0 to {HEARTBEAT_SECONDS_MAX}");
            return self.refuse_logon(&text, Close::LogonRefused, now);
        };
        let reset = message.is_yes(tag::RESET_SEQ_NUM_FLAG);
        if reset && seq != 1 {
            return self.refuse_logon("ResetSeqNumFlag wants MsgSeqNum 1", Close::LogonRefused, now);
        }
        if let Err(text) = app.logon(message) {
            return self.refuse_logon(&text, Close::LogonRefused, now);
        }
        match self.config.role {
            Role::Acceptor if reset => self.reset(now),
            // Our own Logon already has its number: only one that was the first can stay.
            Role::Initiator if reset && !self.resets() && self.numbers() != (2, 1) => {
                return self.refuse_logon("ResetSeqNumFlag was not asked for", Close::ResetNotAsked, now);
            }
            _ => {}
        }
        if seq < self.next_in {
            let text = format!("MsgSeqNum too low, expecting {} but received {seq}", self.next_in);
            return self.refuse_logon(&text, Close::SeqTooLow, now);
        }
        self.heartbeat_ns = seconds * 1_000_000_000;
        if self.config.role == Role::Acceptor {
            self.send_logon(reset, now);
        }
        self.phase = Phase::Active;
        self.alive(now);
        app.event(Event::LoggedOn { reset: reset || self.resets() });
        self.reset_next = false;
        if seq > self.next_in {
            self.too_high(seq, None, now, app);
        } else {
            self.next_in += 1;
        }
    }

    /// A Logon within a session: a reset, or the end.
    fn second_logon(&mut self, message: &Message<'_>, seq: u64, now: Instant, app: &mut dyn Application) {
        let good = self.is_good_time(message, now) && self.is_good_ids(message);
        if good && seq == 1 && message.is_yes(tag::RESET_SEQ_NUM_FLAG) && self.phase == Phase::Active {
            self.alive(now);
            self.reset(now);
            self.next_in = 2;
            self.send_logon(true, now);
            return app.event(Event::LoggedOn { reset: true });
        }
        if seq < self.next_in && message.is_yes(tag::POSS_DUP_FLAG) {
            return;
        }
        self.refuse_logon("Already logged on", Close::SecondLogon, now);
    }

    /// A number below the expected one: a repetition, or the end.
    fn too_low(&mut self, message: &Message<'_>, seq: u64, now: Instant, app: &mut dyn Application) {
        if !message.is_yes(tag::POSS_DUP_FLAG) {
            let text = format!("MsgSeqNum too low, expecting {} but received {seq}", self.next_in);
            self.send_logout(&text, now);
            return self.close(Close::SeqTooLow);
        }
        // A gap fill of what we have says nothing that could be wrong.
        if message.msg_type() != b"4" {
            match message.timestamp(tag::ORIG_SENDING_TIME) {
                None => {
                    let fault = Fault { reason: reason::REQUIRED_MISSING, tag: Some(tag::ORIG_SENDING_TIME) };
                    return self.reject(message, seq, fault, now, app);
                }
                Some(original) if Some(original) > message.timestamp(tag::SENDING_TIME) => {
                    let fault = Fault { reason: reason::SENDING_TIME, tag: None };
                    self.reject(message, seq, fault, now, app);
                    return self.send_logout("", now);
                }
                Some(_) => {}
            }
        }
        app.event(Event::Duplicate { seq });
    }

    fn in_order(&mut self, message: &Message<'_>, seq: u64, now: Instant, app: &mut dyn Application) {
        match message.msg_type() {
            b"0" => {}
            b"1" => {
                let id = message.get(tag::TEST_REQ_ID);
                self.emit_with(b"0", now, |body| {
                    body.maybe(112, id);
                });
            }
            b"3" => app.event(Event::Rejected {
                seq: message.number(tag::REF_SEQ_NUM).unwrap_or(0),
                reason: message.number(tag::SESSION_REJECT_REASON),
                tag: message.number(tag::REF_TAG_ID),
                text: message.get(tag::TEXT).unwrap_or_default(),
            }),
            _ => {
                let mut replies = std::mem::take(&mut self.replies);
                let verdict = app.message(message, &mut replies);
                for (msg_type, body) in replies.list.drain(..) {
                    if !is_reserved(&msg_type) {
                        self.emit(&msg_type, &body, now);
                    }
                }
                self.replies = replies;
                match verdict {
                    Verdict::Accept => {}
                    Verdict::Unsupported => {
                        self.business_reject(message, seq, (3, None, "Unsupported Message Type"), now);
                    }
                    Verdict::Business { reason, id, text } => {
                        self.business_reject(message, seq, (reason, id, text), now);
                    }
                    Verdict::Reject(fault) => return self.reject(message, seq, fault, now, app),
                }
            }
        }
        self.next_in = seq + 1;
    }

    fn take_sequence_reset(
        &mut self,
        message: &Message<'_>,
        seq: u64,
        now: Instant,
        app: &mut dyn Application,
    ) {
        let new = message.number(tag::NEW_SEQ_NO).unwrap_or(0);
        let fault = Fault { reason: reason::VALUE, tag: None };
        if message.is_yes(tag::GAP_FILL_FLAG) {
            match seq.cmp(&self.next_in) {
                Ordering::Greater => self.too_high(seq, Some(message.raw()), now, app),
                Ordering::Less => self.too_low(message, seq, now, app),
                Ordering::Equal if new > seq && new <= SEQ_MAX => self.next_in = new,
                Ordering::Equal => self.reject(message, seq, fault, now, app),
            }
            return;
        }
        // The number of a reset says nothing.
        match new.cmp(&self.next_in) {
            Ordering::Greater if new <= SEQ_MAX => {
                app.event(Event::SequenceReset { from: self.next_in, to: new });
                self.next_in = new;
            }
            Ordering::Equal => {}
            _ => self.reject(message, seq, fault, now, app),
        }
    }

    /// Answered whatever its number: reading again what was sent changes nothing here.
    fn take_resend_request(
        &mut self,
        message: &Message<'_>,
        seq: u64,
        now: Instant,
        app: &mut dyn Application,
    ) {
        let begin = message.number(tag::BEGIN_SEQ_NO).unwrap_or(0);
        let end = message.number(tag::END_SEQ_NO).unwrap_or(0);
        let sent = self.store.numbers().next_out - 1;
        let all = end == 0 || (self.config.version == Version::Fix42 && end == ALL_42);
        if begin == 0 || begin > sent || (!all && end < begin) {
            let fault = Fault { reason: reason::VALUE, tag: Some(tag::BEGIN_SEQ_NO) };
            return self.reject(message, seq, fault, now, app);
        }
        self.resend(begin, if all { sent } else { end.min(sent) }, now, app);
        match seq.cmp(&self.next_in) {
            Ordering::Greater => self.too_high(seq, None, now, app),
            Ordering::Less => {}
            Ordering::Equal => self.next_in += 1,
        }
    }

    /// Answered whatever its number, which is consumed only if it was the expected one: a gap before it is asked for with the
    /// next Logon.
    fn take_logout(&mut self, message: &Message<'_>, seq: u64, now: Instant, app: &mut dyn Application) {
        self.consume_if_expected(seq);
        app.event(Event::LoggedOut { text: message.get(tag::TEXT).unwrap_or_default() });
        self.send_logout("", now);
        self.close(Close::LoggedOut);
        if self.config.reset_on_logout {
            self.reset(now);
        }
    }
}

/// A reply of a type the session keeps for itself is not sent.
fn is_reserved(msg_type: &[u8]) -> bool {
    super::is_session_type(msg_type)
}
