//! Which fields each message has, so that bytes with any other are refused: prost reads past what it does not know,
//! and takes the last of two fields that should stand once.

use crate::refusal::{Refusal, RefusalCode};

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LEN: u8 = 2;

/// A field by its number: how it is written, and whether it may stand more than once.
struct Field {
    number: u32,
    wire: u8,
    nested: Option<&'static Shape>,
}

impl Field {
    fn is(&self, number: u64, wire: u8) -> bool {
        u64::from(self.number) == number && self.wire == wire
    }
}

/// The fields of one message, by rising number.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    fields: &'static [Field],
}

const fn v(number: u32) -> Field {
    Field { number, wire: VARINT, nested: None }
}
const fn f(number: u32) -> Field {
    Field { number, wire: FIXED64, nested: None }
}
// A text, or a packed column: every writer here packs, so that a column stands once as well.
const fn l(number: u32) -> Field {
    Field { number, wire: LEN, nested: None }
}
const fn m(number: u32, shape: &'static Shape) -> Field {
    Field { number, wire: LEN, nested: Some(shape) }
}

static INTENT_ID: Shape = Shape { name: "intent_id", fields: &[f(1), f(2)] };
static BOOK_TOP: Shape = Shape {
    name: "book_top",
    fields: &[v(1), v(2), v(3), v(4), v(5), v(6), v(7), v(8), v(9), v(10), v(11), l(12), v(13), v(14), v(15)],
};
static BOOK_DEPTH: Shape = Shape {
    name: "book_depth",
    fields: &[v(1), v(2), l(3), l(4), l(5), l(6), v(7), v(8), v(9), v(10), v(11)],
};
static TRADE: Shape =
    Shape { name: "trade", fields: &[v(1), v(2), v(3), v(4), v(5), v(6), v(7), v(8), v(9), v(10), v(11)] };
static INSTRUMENT_STATUS: Shape = Shape {
    name: "instrument_status",
    fields: &[v(1), v(2), v(3), l(4), v(5), v(6), v(7), v(8), l(9), l(10), v(11), v(12), v(13)],
};
static TRADE_CORRECTION: Shape = Shape {
    name: "trade_correction",
    fields: &[v(1), v(2), v(3), v(4), v(5), v(6), v(7), v(8), v(9), v(10), v(11), v(12)],
};
static INTENT: Shape = Shape {
    name: "intent",
    fields: &[
        m(1, &INTENT_ID),
        v(2),
        v(3),
        v(4),
        v(5),
        v(6),
        v(7),
        v(8),
        v(9),
        m(10, &INTENT_ID),
        v(11),
        v(12),
        v(13),
        v(14),
    ],
};
static INTENT_REPLY: Shape =
    Shape { name: "intent_reply", fields: &[m(1, &INTENT_ID), v(2), v(3), l(4), v(5), v(6), v(7), v(8)] };
static ORDER_UPDATE: Shape = Shape {
    name: "order_update",
    fields: &[m(1, &INTENT_ID), l(2), v(3), v(4), v(5), v(6), v(7), v(8), v(9), v(10), v(11), v(12)],
};
static FILL: Shape = Shape {
    name: "fill",
    fields: &[m(1, &INTENT_ID), l(2), v(3), v(4), v(5), v(6), v(7), l(8), v(9), l(10), v(11), v(12), v(13)],
};
static COMMAND: Shape = Shape {
    name: "command",
    fields: &[
        v(1),
        v(2),
        v(3),
        v(4),
        m(5, &INTENT_ID),
        l(6),
        v(7),
        v(8),
        v(9),
        v(10),
        v(11),
        v(12),
        v(13),
        v(14),
        v(15),
        v(16),
        v(17),
        v(18),
        v(19),
        v(20),
        l(21),
        f(22),
        v(23),
        v(24),
        v(25),
    ],
};
static REPORT: Shape = Shape {
    name: "report",
    fields: &[
        v(1),
        v(2),
        m(3, &INTENT_ID),
        l(4),
        v(5),
        v(6),
        v(7),
        l(8),
        l(9),
        v(10),
        v(11),
        v(12),
        v(13),
        v(14),
        v(15),
        l(16),
        v(17),
        v(18),
        l(19),
        v(20),
        v(21),
        v(22),
        v(23),
        v(24),
        v(25),
        v(26),
        v(27),
        v(28),
    ],
};
static POLICY_STATE: Shape = Shape { name: "policy_state", fields: &[v(1), v(2), l(3), v(4), v(5)] };
static POSITION_UPDATE: Shape =
    Shape { name: "position_update", fields: &[v(1), v(2), v(3), v(4), v(5), v(6), v(7)] };
static SNAPSHOT_REQUEST: Shape = Shape { name: "snapshot_request", fields: &[l(1), v(2)] };
static CONTROL_EVENT: Shape = Shape {
    name: "control_event",
    fields: &[v(1), l(2), l(3), v(4), v(5), v(6), l(7), v(8), v(9), l(10), v(11), v(12), v(13)],
};
static RISK_EVENT: Shape = Shape {
    name: "risk_event",
    fields: &[
        v(1),
        v(2),
        v(3),
        v(4),
        v(5),
        v(6),
        v(7),
        v(8),
        v(9),
        v(10),
        v(11),
        v(12),
        v(13),
        l(14),
        l(15),
        v(16),
        v(17),
        v(18),
        l(19),
        v(20),
        l(21),
        l(22),
        v(23),
    ],
};
static STREAM_GAP: Shape = Shape { name: "stream_gap", fields: &[l(1), v(2), v(3), v(4), v(5)] };
static STREAM_MARK: Shape = Shape { name: "stream_mark", fields: &[l(1), v(2), v(3), v(4), v(5)] };

/// The first number of the `oneof`: of the fields from here on, one stands.
const FIRST_PAYLOAD: u32 = 20;
static ENVELOPE: Shape = Shape {
    name: "envelope",
    fields: &[
        v(1),
        v(2),
        f(3),
        f(4),
        f(5),
        v(6),
        v(7),
        v(8),
        m(20, &BOOK_TOP),
        m(21, &BOOK_DEPTH),
        m(22, &TRADE),
        m(23, &INSTRUMENT_STATUS),
        m(24, &TRADE_CORRECTION),
        m(30, &INTENT),
        m(31, &INTENT_REPLY),
        m(32, &ORDER_UPDATE),
        m(33, &FILL),
        m(34, &COMMAND),
        m(35, &REPORT),
        m(40, &POLICY_STATE),
        m(41, &POSITION_UPDATE),
        m(42, &RISK_EVENT),
        m(50, &SNAPSHOT_REQUEST),
        m(51, &CONTROL_EVENT),
        m(60, &STREAM_GAP),
        m(61, &STREAM_MARK),
    ],
};

pub(crate) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        // The tenth byte holds one bit.
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

pub(crate) fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let len = usize::try_from(len).ok()?;
    let (head, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(head)
}

/// Refuses bytes that carry any field the messages do not have, or one field twice.
pub(crate) fn check_envelope(bytes: &[u8]) -> Result<(), Refusal> {
    check(&ENVELOPE, bytes)
}

fn check(shape: &'static Shape, mut bytes: &[u8]) -> Result<(), Refusal> {
    let torn = Refusal::new(RefusalCode::Undecodable, shape.name);
    let mut seen = 0_u64;
    // Writers go in tag order, so the search goes on where the last one ended.
    let mut next = 0;
    while !bytes.is_empty() {
        let key = varint(&mut bytes).ok_or(torn)?;
        let wire = (key & 7) as u8;
        let (before, after) = shape.fields.split_at(next);
        let found = (next..).zip(after).chain((0..).zip(before)).find(|(_, f)| f.is(key >> 3, wire));
        let Some((at, field)) = found else {
            return Err(Refusal::new(RefusalCode::UnknownField, shape.name));
        };
        next = at + 1;
        // All payloads of the envelope share one bit: two of them are as wrong as one twice.
        let bit = if std::ptr::eq(shape, &ENVELOPE) { field.number.min(FIRST_PAYLOAD) } else { field.number };
        if seen & (1 << bit) != 0 {
            return Err(Refusal::new(RefusalCode::DuplicateField, shape.name));
        }
        seen |= 1 << bit;
        match wire {
            VARINT => {
                varint(&mut bytes).ok_or(torn)?;
            }
            FIXED64 => {
                take(&mut bytes, 8).ok_or(torn)?;
            }
            _ => {
                let len = varint(&mut bytes).ok_or(torn)?;
                let body = take(&mut bytes, len).ok_or(torn)?;
                if let Some(nested) = field.nested {
                    check(nested, body)?;
                }
            }
        }
    }
    Ok(())
}
