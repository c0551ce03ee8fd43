//! A frame is whole or refused by name.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use tidegate_wire::frame::{
    Ack, FrameFault, FrameHeader, FrameType, Hello, decode, encode_into, resend_from,
};
use tidegate_wire::limits::{FRAME_LEN_MAX, HEADER_LEN, PAYLOAD_LEN_MAX, SEQ_MAX};

fn frame(header: &FrameHeader, payload: &[u8]) -> Vec<u8> {
    let mut buf = b"what it held before".to_vec();
    encode_into(&mut buf, header, payload).unwrap();
    buf
}

const DATA: FrameHeader =
    FrameHeader { kind: FrameType::Data, link_id: 0x0102_0304, epoch: 7, seq: 42, mono_ns: 9 };

fn any_frame() -> impl Strategy<Value = (FrameHeader, Vec<u8>)> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..300).prop_map(|p| (FrameType::Data, p)),
        Just((FrameType::Heartbeat, vec![])),
        any::<(u32, u64)>().prop_map(|(recv_epoch, acked_seq)| {
            (FrameType::Heartbeat, Ack { recv_epoch, acked_seq }.to_bytes().to_vec())
        }),
        any::<(u32, u64)>().prop_map(|(recv_epoch, acked_seq)| {
            (FrameType::Ack, Ack { recv_epoch, acked_seq }.to_bytes().to_vec())
        }),
        any::<(u64, u32, u64, u32)>().prop_map(|(first_available_seq, recv_epoch, recv_seq, window)| {
            (
                FrameType::Hello,
                Hello { first_available_seq, recv_epoch, recv_seq, window }.to_bytes().to_vec(),
            )
        }),
        any::<u64>().prop_map(|from| (FrameType::Resend, from.to_le_bytes().to_vec())),
        Just((FrameType::Bye, vec![])),
    ];
    (payload, any::<u32>(), 1..=u32::MAX, 1..=SEQ_MAX, any::<u64>()).prop_map(
        |((kind, payload), link_id, epoch, seq, mono_ns)| {
            (FrameHeader { kind, link_id, epoch, seq, mono_ns }, payload)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn reads_back_as_written((header, payload) in any_frame()) {
        let bytes = frame(&header, &payload);
        prop_assert_eq!(decode(&bytes), Ok((header, payload.as_slice())));
        prop_assert_eq!(bytes.len(), HEADER_LEN + payload.len());
    }

    #[test]
    fn every_flip_of_one_bit_and_every_truncation_is_refused((header, payload) in any_frame()) {
        let bytes = frame(&header, &payload);
        let mut flipped = bytes.clone();
        for bit in 0..bytes.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode(&flipped).is_err(), "bit {}", bit);
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..bytes.len() {
            let fault = decode(&bytes[..len]).unwrap_err();
            let named = if len < HEADER_LEN { FrameFault::TooShort } else { FrameFault::LengthMismatch };
            prop_assert_eq!(fault, named);
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        prop_assert!(decode(&longer).is_err());
    }

    #[test]
    fn random_bytes_are_never_a_frame(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
    }

    /// The same with everything right but the checksum, so that the checks behind the first ones are reached too.
    #[test]
    fn random_bytes_behind_a_right_beginning_are_never_a_frame(
        kind in 1..7_u8, rest in proptest::collection::vec(any::<u8>(), 28..200),
    ) {
        let mut bytes = vec![0x47, 0x54, 1, kind];
        bytes.extend_from_slice(&u32::try_from(rest.len() - 28).unwrap().to_le_bytes());
        bytes.extend_from_slice(&rest);
        prop_assert!(decode(&bytes).is_err());
    }
}

/// Bytes with any header fields and a right checksum: what an honest `encode_into` would not write.
fn forged(version: u8, kind: u8, len: u32, epoch: u32, seq: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x47, 0x54, version, kind];
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(&epoch.to_le_bytes());
    bytes.extend_from_slice(&seq.to_le_bytes());
    bytes.extend_from_slice(&0_u64.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), payload);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn b003_each_fault_has_its_name() {
    let hello_with_reserved = {
        let mut payload = Hello::default().to_bytes();
        payload[12] = 1;
        payload
    };
    let cases: [(FrameFault, Vec<u8>); 13] = [
        (FrameFault::TooShort, vec![0; HEADER_LEN - 1]),
        (FrameFault::BadMagic, vec![0; HEADER_LEN]),
        (FrameFault::BadVersion, forged(2, 1, 1, 1, 1, b"x")),
        (FrameFault::BadType, forged(1, 0, 1, 1, 1, b"x")),
        (FrameFault::BadType, forged(1, 7, 1, 1, 1, b"x")),
        (FrameFault::TooLong, forged(1, 1, PAYLOAD_LEN_MAX as u32 + 1, 1, 1, &vec![0; PAYLOAD_LEN_MAX + 1])),
        (FrameFault::LengthMismatch, forged(1, 1, 2, 1, 1, b"x")),
        (FrameFault::BadPayload, forged(1, 1, 0, 1, 1, b"")),
        (FrameFault::BadPayload, forged(1, 6, 1, 1, 1, b"x")),
        (FrameFault::BadPayload, forged(1, 3, 32, 1, 1, &hello_with_reserved)),
        (FrameFault::ReservedEpochZero, forged(1, 1, 1, 0, 1, b"x")),
        (FrameFault::ReservedSeqZero, forged(1, 1, 1, 1, 0, b"x")),
        (FrameFault::SeqTooHigh, forged(1, 1, 1, 1, SEQ_MAX + 1, b"x")),
    ];
    for (fault, bytes) in &cases {
        assert_eq!(decode(bytes), Err(*fault), "{fault}");
    }
    let mut torn = frame(&DATA, b"payload");
    torn[40] ^= 1;
    assert_eq!(decode(&torn), Err(FrameFault::BadCrc));
    let names: std::collections::BTreeSet<_> = FrameFault::ALL.iter().map(|f| f.name()).collect();
    assert_eq!(names.len(), FrameFault::ALL.len());
    for (at, fault) in FrameFault::ALL.iter().enumerate() {
        assert_eq!(*fault as usize, at, "counters are kept in this order");
        let shown = *fault == FrameFault::BadCrc || cases.iter().any(|(f, _)| f == fault);
        assert!(shown, "{fault} has no case");
    }
    // The control: the forger makes what is accepted, too.
    assert!(decode(&forged(1, 1, 1, 1, 1, b"x")).is_ok());
}

#[test]
fn the_writer_refuses_exactly_what_the_reader_would() {
    let mut buf = Vec::new();
    let cases = [
        (FrameFault::TooLong, DATA, vec![0; PAYLOAD_LEN_MAX + 1]),
        (FrameFault::BadPayload, DATA, vec![]),
        (FrameFault::ReservedEpochZero, FrameHeader { epoch: 0, ..DATA }, vec![1]),
        (FrameFault::ReservedSeqZero, FrameHeader { seq: 0, ..DATA }, vec![1]),
        (FrameFault::SeqTooHigh, FrameHeader { seq: SEQ_MAX + 1, ..DATA }, vec![1]),
    ];
    for (fault, header, payload) in cases {
        assert_eq!(encode_into(&mut buf, &header, &payload), Err(fault));
        assert!(buf.is_empty());
    }
    let longest = frame(&DATA, &vec![3; PAYLOAD_LEN_MAX]);
    assert_eq!(longest.len(), FRAME_LEN_MAX);
    assert!(decode(&longest).is_ok());
}

/// Written out by hand from the layout, with crc32c of a published check value to tie the polynomial down.
#[test]
fn the_bytes_are_those_of_the_layout() {
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283, "RFC 3720 B.4");
    let bytes = frame(&DATA, b"ab");
    let mut by_hand = vec![0x47, 0x54, 1, 1, 2, 0, 0, 0, 4, 3, 2, 1, 7, 0, 0, 0];
    by_hand.extend([42, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    let crc = crc32c::crc32c(&[by_hand.as_slice(), b"ab"].concat());
    by_hand.extend(crc.to_le_bytes());
    by_hand.extend(b"ab");
    assert_eq!(bytes, by_hand);
}

#[test]
fn control_payloads_that_are_too_short_are_refused() {
    assert_eq!(Ack::from_bytes(&[0; 15]), Err(FrameFault::BadPayload));
    assert_eq!(Hello::from_bytes(&[0; 31]), Err(FrameFault::BadPayload));
    assert_eq!(resend_from(&[0; 7]), Err(FrameFault::BadPayload));
}
