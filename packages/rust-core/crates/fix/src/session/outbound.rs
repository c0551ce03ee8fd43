//! What a session sends.

use super::{Application, Close, Event, Instant, Phase, Session, is_order_type, is_session_type};
use crate::body::{Body, number_len, write_number};
use crate::dictionary::{Fault, reason};
use crate::frame::{SOH, checksum};
use crate::limits::{COMP_ID_BYTES_MAX, SEQ_MAX, STAGED_BYTES_MAX, TEXT_BYTES_MAX};
use crate::message::Message;
use crate::store::{Store, Stored};
use crate::time::{TIMESTAMP_BYTES, write_timestamp};
use crate::{Version, tag};

/// TestReqID of our TestRequests: there is at most one at a time.
const TEST_REQ_ID: &[u8] = b"TEST";
/// Where the fields of a message go in its reject: to, from.
const REVERSED: [(u16, i32); 6] = [
    (115, tag::DELIVER_TO_COMP_ID),
    (116, tag::DELIVER_TO_SUB_ID),
    (128, tag::ON_BEHALF_OF_COMP_ID),
    (129, tag::ON_BEHALF_OF_SUB_ID),
    (144, tag::DELIVER_TO_LOCATION_ID),
    (145, tag::ON_BEHALF_OF_LOCATION_ID),
];

/// The beginning of a text that fits, cut at a character.
pub(super) fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl<S: Store> Session<S> {
    /// Gives a message its number, keeps it and stages its bytes.
    pub(super) fn emit(&mut self, msg_type: &[u8], body: &[u8], now: Instant) {
        let seq = self.store.numbers().next_out;
        if seq > SEQ_MAX {
            return self.close(Close::Exhausted);
        }
        let kept = if is_session_type(msg_type) { &[][..] } else { body };
        let kept = self.store.sent(seq, now.wall, msg_type, kept);
        self.keep(kept);
        self.write(seq, msg_type, body, None, now);
        self.last_out = now.mono;
    }

    /// Emits a message of the session whose body `fill` writes.
    pub(super) fn emit_with(&mut self, msg_type: &[u8], now: Instant, fill: impl FnOnce(&mut Body)) {
        let mut body = std::mem::take(&mut self.body);
        fill(body.clear());
        if let Ok(bytes) = body.bytes() {
            self.emit(msg_type, bytes, now);
        }
        self.body = body;
    }

    /// Stages one message, in one pass: its length is known from its parts. `original` is its first SendingTime, where it is sent
    /// again.
    fn write(&mut self, seq: u64, msg_type: &[u8], body: &[u8], original: Option<i64>, now: Instant) {
        let again = if original.is_some() { 5 + 4 + TIMESTAMP_BYTES + 1 } else { 0 };
        let length = 4
            + msg_type.len()
            + 4
            + number_len(seq)
            + self.sender_field.len()
            + 3
            + TIMESTAMP_BYTES
            + self.target_field.len()
            + again
            + body.len();
        let out = &mut self.staged;
        let start = out.len();
        out.extend_from_slice(&self.prefix);
        write_number(out, length as u64);
        out.extend_from_slice(b"\x0135=");
        let first = out.len() - 3;
        out.extend_from_slice(msg_type);
        out.extend_from_slice(b"\x0134=");
        write_number(out, seq);
        out.push(SOH);
        if original.is_some() {
            out.extend_from_slice(b"43=Y\x01");
        }
        out.extend_from_slice(&self.sender_field);
        out.extend_from_slice(b"52=");
        write_timestamp(out, now.wall);
        out.extend_from_slice(&self.target_field);
        if let Some(original) = original {
            out.extend_from_slice(b"122=");
            write_timestamp(out, original);
            out.push(SOH);
        }
        out.extend_from_slice(body);
        debug_assert_eq!(out.len() - first, length);
        let sum = checksum(&out[start..]);
        out.extend_from_slice(b"10=");
        out.extend_from_slice(&[b'0' + sum / 100, b'0' + sum / 10 % 10, b'0' + sum % 10, SOH]);
    }

    pub(super) fn send_logon(&mut self, reset: bool, now: Instant) {
        let seconds = self.heartbeat_ns / 1_000_000_000;
        let fields = std::mem::take(&mut self.config.logon_fields);
        self.emit_with(b"A", now, |body| {
            body.number(98, 0).number(108, seconds);
            if reset {
                body.flag(141, true);
            }
            body.prepared(&fields);
        });
        self.config.logon_fields = fields;
    }

    /// Sends a Logout, once.
    pub(super) fn send_logout(&mut self, text: &str, now: Instant) {
        if self.phase == Phase::LogoutWait {
            return;
        }
        self.phase = Phase::LogoutWait;
        self.since = now.mono;
        self.emit_with(b"5", now, |body| {
            if !text.is_empty() {
                body.text(58, cut(text).as_bytes());
            }
        });
    }

    /// Refuses a Logon with a text.
    pub(super) fn refuse_logon(&mut self, text: &str, why: Close, now: Instant) {
        self.send_logout(text, now);
        self.close(why);
    }

    /// Sends a Reject of a message, which is consumed if it was the expected one.
    pub(super) fn reject(
        &mut self,
        message: &Message<'_>,
        seq: u64,
        fault: Fault,
        now: Instant,
        app: &mut dyn Application,
    ) {
        app.event(Event::Refused { seq, fault });
        let kind = message.msg_type();
        if seq == self.next_in && !matches!(kind, b"A" | b"4") {
            self.next_in += 1;
        }
        let coded = self.config.version > Version::Fix42 || fault.reason <= reason::MSG_TYPE;
        self.emit_with(b"3", now, |body| {
            for (to, from) in REVERSED {
                let value = message.get(from).filter(|value| (1..=COMP_ID_BYTES_MAX).contains(&value.len()));
                body.maybe(to, value);
            }
            body.number(45, seq).text(58, reason::text(fault.reason).as_bytes());
            if let Some(tag) = fault.tag {
                body.text(371, tag.to_string().as_bytes());
            }
            let kind = &kind[..kind.len().min(16)];
            body.maybe(372, (!kind.is_empty()).then_some(kind));
            if coded {
                body.number(373, u64::from(fault.reason));
            }
        });
    }

    /// Sends a BusinessMessageReject.
    pub(super) fn business_reject(
        &mut self,
        message: &Message<'_>,
        seq: u64,
        (reason, id, text): (u8, Option<&[u8]>, &str),
        now: Instant,
    ) {
        self.emit_with(b"j", now, |body| {
            body.number(45, seq);
            body.maybe(58, (!text.is_empty()).then_some(cut(text).as_bytes()));
            body.text(372, message.msg_type()).maybe(379, id).number(380, u64::from(reason));
        });
    }

    /// Answers a ResendRequest for `begin` to `last`: what may be sent again is, the rest is gap-filled.
    pub(super) fn resend(&mut self, begin: u64, last: u64, now: Instant, app: &mut dyn Application) {
        if self.staged.len() > STAGED_BYTES_MAX {
            return self.close(Close::Flooded);
        }
        let (mut sent, mut withheld) = (0, 0);
        let mut at = begin;
        let mut fill = None;
        while let Some(stored) = self.store.at_or_after(at).filter(|stored| stored.seq <= last).cloned() {
            if stored.seq > at {
                fill.get_or_insert(at);
            }
            at = stored.seq + 1;
            if self.may_resend(&stored, now) {
                if let Some(from) = fill.take() {
                    self.fill_gap(from, stored.seq, now);
                }
                self.write(stored.seq, &stored.msg_type, &stored.body, Some(stored.sent_at), now);
                sent += 1;
            } else {
                fill.get_or_insert(stored.seq);
                withheld += 1;
            }
        }
        if at <= last {
            fill.get_or_insert(at);
        }
        if let Some(from) = fill {
            self.fill_gap(from, last + 1, now);
        }
        self.last_out = now.mono;
        app.event(Event::Resent { sent, withheld });
    }

    fn may_resend(&self, stored: &Stored, now: Instant) -> bool {
        let max = self.config.resend.order_age_ns_max;
        let age = now.wall.saturating_sub(stored.sent_at).max(0).cast_unsigned();
        !is_order_type(&stored.msg_type) || (max > 0 && age <= max)
    }

    /// SequenceReset-GapFill under the number `from`, to `next`. It takes no number of its own.
    fn fill_gap(&mut self, from: u64, next: u64, now: Instant) {
        let mut body = std::mem::take(&mut self.body);
        body.clear().number(36, next).flag(123, true);
        if let Ok(bytes) = body.bytes() {
            self.write(from, b"4", bytes, Some(now.wall), now);
        }
        self.body = body;
    }

    /// Heartbeat, TestRequest, or the end, by how long nothing was sent or received.
    pub(super) fn tick_heartbeat(&mut self, now: Instant) {
        if self.heartbeat_ns == 0 {
            return;
        }
        let silence = now.mono.saturating_sub(self.last_in);
        if silence >= self.drop_after() {
            return self.close(Close::HeartbeatTimeout);
        }
        if silence >= self.test_after() && !self.test_sent {
            self.test_sent = true;
            self.emit_with(b"1", now, |body| {
                body.text(112, TEST_REQ_ID);
            });
        }
        if now.mono.saturating_sub(self.last_out) >= self.heartbeat_ns {
            self.emit_with(b"0", now, |_| {});
        }
    }
}
