//! The table of fields the strict reader goes by is the proto's, proved by bytes made from the .proto files at run time.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};
use std::path::Path;
use tidegate_wire::envelope;
use tidegate_wire::refusal::RefusalCode;

fn pool() -> DescriptorPool {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../proto");
    let set = protox::compile(["tidegate/envelope/v1/envelope.proto"], [proto]).unwrap();
    DescriptorPool::from_file_descriptor_set(set).unwrap()
}

/// A value that is written: not the default.
fn value(field: &FieldDescriptor) -> Value {
    let one = match field.kind() {
        Kind::Message(message) => Value::Message(full(&message)),
        Kind::String => Value::String("x".into()),
        Kind::Bool => Value::Bool(true),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::Uint32 => Value::U32(1),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(1),
        Kind::Int64 | Kind::Sint64 => Value::I64(1),
        other => panic!("the strict reader knows no {other:?}: extend shape.rs"),
    };
    if field.is_list() { Value::List(vec![one.clone(), one]) } else { one }
}

fn full(message: &MessageDescriptor) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    for field in message.fields() {
        made.set_field(&field, value(&field));
    }
    made
}

fn encode(message: &DynamicMessage) -> Vec<u8> {
    prost_reflect::prost::Message::encode_to_vec(message)
}

/// One envelope for each payload of the `oneof`, with every field of it and of the head set.
fn envelopes() -> Vec<(String, DynamicMessage)> {
    let descriptor = pool().get_message_by_name("tidegate.envelope.v1.Envelope").unwrap();
    let (payloads, heads): (Vec<_>, Vec<_>) =
        descriptor.fields().partition(|field| field.containing_oneof().is_some());
    let with = |payload: &FieldDescriptor| {
        let mut made = DynamicMessage::new(descriptor.clone());
        for field in heads.iter().chain([payload]) {
            made.set_field(field, value(field));
        }
        (payload.name().to_owned(), made)
    };
    payloads.iter().map(with).collect()
}

#[test]
fn every_field_of_every_message_is_read() {
    let all = envelopes();
    assert!(all.len() >= 16);
    for (name, message) in &all {
        let bytes = encode(message);
        let read = envelope::decode(&bytes);
        assert!(read.is_ok(), "{name}: {read:?}: shape.rs lacks a field of the proto");
        assert_eq!(envelope::encode(&read.unwrap()), bytes, "{name}");
    }
    let sampled = support::samples();
    for (name, _) in &all {
        assert!(sampled.iter().any(|(s, _)| s.starts_with(name.as_str())), "no golden vector of {name}");
    }
}

#[test]
fn every_field_number_and_wire_type_the_proto_does_not_have_is_refused() {
    for (name, message) in envelopes() {
        let payload = message.descriptor().get_field_by_name(&name).unwrap();
        let Kind::Message(nested) = payload.kind() else { panic!("{name} is no message") };
        for number in 1..=64_u32 {
            let bodies = [(0_u64, vec![1]), (1, vec![0; 8]), (2, vec![0]), (5, vec![0; 4])];
            for (wire, body) in bodies {
                let mut field = Vec::new();
                prost_reflect::prost::encoding::encode_varint((u64::from(number) << 3) | wire, &mut field);
                field.extend(&body);
                let known = |message: &MessageDescriptor| {
                    message.fields().find(|f| f.number() == number).is_some_and(|f| wire == wire_of(&f))
                };
                // Inside the payload.
                let mut bytes = vec![0x08, 1];
                prost_reflect::prost::encoding::encode_varint(
                    (u64::from(payload.number()) << 3) | 2,
                    &mut bytes,
                );
                prost_reflect::prost::encoding::encode_varint(field.len() as u64, &mut bytes);
                bytes.extend(&field);
                let unknown =
                    envelope::decode(&bytes).err().map(|r| r.code) == Some(RefusalCode::UnknownField);
                assert_eq!(unknown, !known(&nested), "{name} field {number} wire {wire}");
                // Beside it.
                let mut bytes = encode(&message);
                bytes.extend(&field);
                let code = envelope::decode(&bytes).unwrap_err().code;
                let expected = if known(&message.descriptor()) {
                    RefusalCode::DuplicateField
                } else {
                    RefusalCode::UnknownField
                };
                assert_eq!(code, expected, "envelope field {number} wire {wire}");
            }
        }
    }
}

fn wire_of(field: &FieldDescriptor) -> u64 {
    match field.kind() {
        _ if field.is_list() => 2,
        Kind::Message(_) | Kind::String => 2,
        Kind::Fixed64 => 1,
        _ => 0,
    }
}

#[test]
fn a_field_that_stands_twice_inside_a_payload_is_refused() {
    // A trade with instrument_id twice: prost would take the last.
    let inner = [0x08, 1, 0x08, 2];
    let bytes = [&[0x08, 1, 0xb2, 0x01, inner.len() as u8], inner.as_slice()].concat();
    assert_eq!(envelope::decode(&bytes).unwrap_err().code, RefusalCode::DuplicateField);
}
