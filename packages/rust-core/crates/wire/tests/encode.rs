//! The encoder beside prost's, which writes the same message by other means: on any message of the proto, and at each length of
//! a number.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use prost::Message as _;
use tidegate_wire::envelope::{append_to, encode, encode_into};
use tidegate_wire::fields::{ENVELOPE, Kind, Message};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::Report;
use tidegate_wire::pb::risk::v1::RiskEvent;

/// Numbers from a seed; of all lengths alike.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn number(&mut self) -> u64 {
        let bits = self.below(65) as u32;
        self.next().checked_shr(64 - bits).unwrap_or(0)
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn field(out: &mut Vec<u8>, number: u32, kind: Kind, dice: &mut Dice) {
    let key = |wire_type| u64::from(number) << 3 | wire_type;
    let delimited = |out: &mut Vec<u8>, bytes: &[u8]| {
        varint(out, key(2));
        varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    };
    match kind {
        Kind::Fixed64 => {
            varint(out, key(1));
            out.extend_from_slice(&dice.number().to_le_bytes());
        }
        Kind::Text => {
            let len = dice.below(300) * dice.below(2);
            let text: String = (0..len).map(|_| if dice.below(9) == 0 { 'é' } else { 'x' }).collect();
            delimited(out, text.as_bytes());
        }
        Kind::Uints | Kind::Sints => {
            let mut column = Vec::new();
            for _ in 0..dice.below(200) * dice.below(2) {
                varint(&mut column, dice.number());
            }
            delimited(out, &column);
        }
        Kind::Message(inner) => {
            let bytes = message(inner, dice);
            delimited(out, &bytes);
        }
        Kind::Bool => {
            varint(out, key(0));
            varint(out, dice.below(2));
        }
        Kind::Uint32 | Kind::Uint64 | Kind::Int64 | Kind::Sint64 | Kind::Enum(_) => {
            varint(out, key(0));
            varint(out, dice.number());
        }
    }
}

/// Bytes of some message of this kind, with about half of its fields; of an envelope's payloads there is one.
fn message(of: &Message, dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::new();
    let payloads = of.fields.iter().filter(|f| f.number >= 20).count() as u64;
    let payload = if of.name == "envelope" { dice.below(payloads + 1) } else { 0 };
    let mut nth = 0;
    for f in of.fields {
        let there = if of.name == "envelope" && f.number >= 20 {
            nth += 1;
            nth == payload
        } else {
            dice.below(2) == 0
        };
        if there {
            field(&mut out, f.number, f.kind, dice);
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn any_message_is_written_as_prost_writes_it(seed in any::<u64>()) {
        let envelope = Envelope::decode(&*message(&ENVELOPE, &mut Dice(seed))).unwrap();
        prop_assert_eq!(encode(&envelope), envelope.encode_to_vec());
    }
}

#[test]
fn a_number_of_every_length_is_written_as_prost_writes_it() {
    for shift in 0..64 {
        for value in [(1_u64 << shift) - 1, 1 << shift, (1 << shift) + 1, u64::MAX >> shift] {
            let payload = Payload::RiskEvent(RiskEvent {
                instrument_ids: vec![value, 1, value],
                px_ticks: vec![value.cast_signed(), -1, value.cast_signed()],
                ..RiskEvent::default()
            });
            let envelope = Envelope { log_seq: value, payload: Some(payload), ..Envelope::default() };
            assert_eq!(encode(&envelope), envelope.encode_to_vec(), "{value}");
        }
    }
    assert!(encode(&Envelope::default()).is_empty());
}

#[test]
fn what_the_buffer_held_stays_where_it_is_added_to_and_goes_where_it_is_replaced() {
    let report = Report { venue_text: "v".repeat(300), gateway_epoch: 7, ..Report::default() };
    let envelope = Envelope { payload: Some(Payload::Report(report)), ..Envelope::default() };
    let mut buf = vec![1, 2, 3];
    append_to(&mut buf, &envelope);
    assert_eq!(buf[..3], [1, 2, 3]);
    assert_eq!(buf[3..], envelope.encode_to_vec());
    encode_into(&mut buf, &envelope);
    assert_eq!(buf, envelope.encode_to_vec());
}
