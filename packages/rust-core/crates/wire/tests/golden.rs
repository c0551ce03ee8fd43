//! Golden vectors for both languages in `packages/contracts/golden/wire`, checked against a second protobuf
//! implementation (prost-reflect, which reads the .proto files at run time).
//!
//! `TIDEGATE_GOLDEN=write cargo test -p tidegate-wire --test golden` writes them anew; look at the difference before
//! committing it: a changed byte breaks every peer that is not rebuilt.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tidegate_wire::frame::{Ack, FrameHeader, FrameType, Hello, decode, encode_into};
use tidegate_wire::ids::client_order_id;
use tidegate_wire::limits::SEQ_MAX;
use tidegate_wire::topic::{MdKind, link_id, link_name, md_topic};
use tidegate_wire::{envelope, validate};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../..")
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn unhex(text: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_str().unwrap().as_bytes()).unwrap()
}

fn envelope_descriptor() -> MessageDescriptor {
    let proto = root().join("proto");
    let set = protox::compile(["tidegate/envelope/v1/envelope.proto"], [proto]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(set).unwrap();
    pool.get_message_by_name("tidegate.envelope.v1.Envelope").unwrap()
}

/// The protobuf JSON mapping: 64-bit integers as text, enums by name, defaults left out.
fn as_json(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new().stringify_64_bit_integers(true).skip_default_fields(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

fn check(name: &str, made: &Value) {
    let path = root().join("packages/contracts/golden/wire").join(name);
    // One vector a line: a difference names the vector it is in.
    let lines: Vec<String> = made.as_array().unwrap().iter().map(Value::to_string).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    if std::env::var_os("TIDEGATE_GOLDEN").is_some_and(|v| v == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(golden.as_array().unwrap().len(), lines.len(), "{name}");
    for (was, is) in golden.as_array().unwrap().iter().zip(made.as_array().unwrap()) {
        assert_eq!(was, is, "{name}: {}", is["name"]);
    }
}

#[test]
fn envelopes() {
    let descriptor = envelope_descriptor();
    let mut made = Vec::new();
    for (name, message) in support::samples() {
        let bytes = envelope::encode(&message);
        assert_eq!(envelope::decode_checked(&bytes).as_ref(), Ok(&message), "{name}");
        let dynamic = DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).unwrap();
        let fields = as_json(&dynamic);
        // The other way: from the JSON alone, the second implementation writes the same bytes.
        let again = DynamicMessage::deserialize(descriptor.clone(), &fields).unwrap();
        assert_eq!(prost_reflect::prost::Message::encode_to_vec(&again), bytes, "{name}");
        made.push(json!({ "name": name, "fields": fields, "hex": hex(&bytes) }));
    }
    check("envelopes.json", &Value::Array(made));
}

#[test]
fn frames() {
    let header =
        |kind, seq| FrameHeader { kind, link_id: link_id("md.1.1.top."), epoch: 7, seq, mono_ns: 123 };
    let sample = &support::samples()[0].1;
    let hello = Hello { first_available_seq: 3, recv_epoch: 5, recv_seq: 9, window: 4_096 };
    let ack = Ack { recv_epoch: 5, acked_seq: SEQ_MAX };
    let extreme = FrameHeader {
        kind: FrameType::Data,
        link_id: u32::MAX,
        epoch: u32::MAX,
        seq: SEQ_MAX,
        mono_ns: u64::MAX,
    };
    let cases: Vec<(&str, FrameHeader, Vec<u8>)> = vec![
        ("data_with_envelope", header(FrameType::Data, 1), envelope::encode(sample)),
        ("data_one_byte_extremes", extreme, vec![255]),
        ("stream_heartbeat_before_any_data", header(FrameType::Heartbeat, 0), vec![]),
        ("link_heartbeat", header(FrameType::Heartbeat, 8), ack.to_bytes().to_vec()),
        ("hello", header(FrameType::Hello, 8), hello.to_bytes().to_vec()),
        ("ack", header(FrameType::Ack, 8), ack.to_bytes().to_vec()),
        ("resend", header(FrameType::Resend, 8), 4_u64.to_le_bytes().to_vec()),
        ("bye", header(FrameType::Bye, 8), vec![]),
    ];
    let mut made = Vec::new();
    for (name, header, payload) in cases {
        let mut bytes = Vec::new();
        encode_into(&mut bytes, &header, &payload).unwrap();
        assert_eq!(decode(&bytes), Ok((header, payload.as_slice())));
        made.push(json!({
            "name": name,
            "kind": header.kind as u8,
            "linkId": header.link_id,
            "epoch": header.epoch,
            "seq": header.seq,
            "monoNs": header.mono_ns.to_string(),
            "payload": hex(&payload),
            "hex": hex(&bytes),
        }));
    }
    check("frames.json", &Value::Array(made));
}

#[test]
fn names_and_ids() {
    let mut made = Vec::new();
    for (venue, instrument, kind) in
        [(1, 1, MdKind::Top), (1, 10, MdKind::Trade), (2, u32::MAX, MdKind::Depth)]
    {
        let topic = md_topic(venue, instrument, kind);
        made.push(json!({ "name": topic, "linkId": link_id(&topic) }));
    }
    for (link, identity) in [("intent", "strategy:1"), ("command", "gateway"), ("tail", "recorder")] {
        let name = link_name(link, identity);
        made.push(json!({ "name": name, "linkId": link_id(&name) }));
    }
    for (intent, leg, generation) in [
        (1_u128, 0, 0),
        ((1 << 96) | (2 << 64) | 3, 0, 0),
        ((1 << 96) | (2 << 64) | 3, 1, 0),
        ((1 << 96) | (2 << 64) | 3, 0, 1),
        (u128::MAX, u32::MAX, u32::MAX),
    ] {
        let id = client_order_id(intent, leg, generation);
        let name = format!("clord {intent:032x} {leg} {generation}");
        made.push(json!({
            "name": name,
            "intentId": format!("{intent:032x}"),
            "leg": leg,
            "generation": generation,
            "clientOrderId": id,
        }));
    }
    check("names.json", &Value::Array(made));
}

/// What the TypeScript encoder has written is read here, and written again byte for byte.
#[test]
fn the_vectors_of_the_typescript_encoder() {
    let dir = root().join("packages/contracts/golden");
    let mut read = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let vectors: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for vector in vectors.as_array().unwrap() {
            let bytes = unhex(&vector["hex"]);
            let message = envelope::decode_checked(&bytes).unwrap();
            assert_eq!(validate::envelope(&message), Ok(()));
            assert_eq!(envelope::encode(&message), bytes, "{}", path.display());
            read += 1;
        }
    }
    assert!(read >= 16, "only {read} vectors");
}
