//! Ids and names as pure functions.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use tidegate_wire::ids::{CLIENT_ORDER_ID_LEN, client_order_id};
use tidegate_wire::topic::{MdKind, link_id, md_topic, parse_md_topic};

/// The same id by walking the bits: no base32 library, no truncation of letters.
fn by_bits(intent: u128, leg: u32, generation: u32) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("clord-v1");
    hasher.update(&intent.to_be_bytes());
    hasher.update(&leg.to_be_bytes());
    hasher.update(&generation.to_be_bytes());
    let hash = *hasher.finalize().as_bytes();
    let bit = |n: usize| u32::from(hash[n / 8] >> (7 - n % 8) & 1);
    (0..125)
        .step_by(5)
        .map(|at| (0..5).fold(0, |letter, n| letter << 1 | bit(at + n)))
        .map(|letter| char::from_digit(letter, 32).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client_order_id_is_the_first_125_bits_of_the_hash(intent: u128, leg: u32, generation: u32) {
        let id = client_order_id(intent, leg, generation);
        prop_assert_eq!(&id, &by_bits(intent, leg, generation));
        prop_assert_eq!(id.len(), CLIENT_ORDER_ID_LEN);
        prop_assert!(id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'v').contains(&b)));
        prop_assert_ne!(client_order_id(intent, leg, generation.wrapping_add(1)), id);
    }

    #[test]
    fn topics_read_back_and_none_is_a_prefix_of_another(
        a in (any::<u32>(), any::<u32>(), 0..4_usize), b in (any::<u32>(), any::<u32>(), 0..4_usize),
    ) {
        let topic = |(venue, instrument, kind): (u32, u32, usize)| md_topic(venue, instrument, MdKind::ALL[kind]);
        prop_assert_eq!(parse_md_topic(&topic(a)), Some((a.0, a.1, MdKind::ALL[a.2])));
        prop_assert_eq!(topic(a).starts_with(&topic(b)), a == b);
    }
}

#[test]
fn a_second_spelling_of_a_topic_is_none() {
    for text in [
        "",
        "md.1.1.top",
        "md.01.1.top.",
        "md.+1.1.top.",
        "md.1.1.tip.",
        "md.1.1.top.x.",
        "xmd.1.1.top.",
        "md.1.4294967296.top.",
    ] {
        assert_eq!(parse_md_topic(text), None, "{text}");
    }
    assert_eq!(link_id("123456789"), 0xe306_9283);
}
