//! Identities that are pure functions of what they name.

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use std::sync::OnceLock;

/// Letters of a client order id made here.
pub const CLIENT_ORDER_ID_LEN: usize = 25;
const CONTEXT: &str = "clord-v1";

/// The client order id of (intent, leg, generation): 25 letters `[0-9a-v]`, the first 125 bits of a keyed BLAKE3.
///
/// The same arguments give the same id in every process and after every crash; `generation` rises only after the
/// venue has proved the order of the one before dead.
pub fn client_order_id(intent: u128, leg: u32, generation: u32) -> String {
    let mut input = [0_u8; 24];
    input[0..16].copy_from_slice(&intent.to_be_bytes());
    input[16..20].copy_from_slice(&leg.to_be_bytes());
    input[20..24].copy_from_slice(&generation.to_be_bytes());
    // `blake3::derive_key` in its two halves: the first is of the context alone.
    static KEY: OnceLock<ContextKey> = OnceLock::new();
    let key = KEY.get_or_init(|| hash_derive_key_context(CONTEXT));
    let hash = blake3::Hasher::new_from_context_key(key).update(&input).finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    let bits = u128::from_be_bytes(half);
    // Five bits a letter, the highest first; three are left over.
    let mut letters = [0; CLIENT_ORDER_ID_LEN];
    for (letter, at) in letters.iter_mut().zip(1..) {
        *letter = LETTERS[(bits >> (128 - 5 * at)) as usize % LETTERS.len()];
    }
    std::str::from_utf8(&letters).unwrap_or_default().to_owned()
}

/// RFC 4648 "base32hex" in lower case.
const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// The span id of one stage of a trace, mixed from trace id and stage name. 0 where nothing is traced.
///
/// Every process can name the span of another's stage without being told it. Stages of one trace never share an id while their
/// names' [`fnv1a`] differ, since all that follows can be undone.
#[inline]
pub const fn span_id(trace_hi: u64, trace_lo: u64, stage: &str) -> u64 {
    if trace_hi == 0 && trace_lo == 0 {
        return 0;
    }
    let trace = finish(trace_hi).wrapping_add(trace_lo);
    // An all-zero span id means "none" to every tracer.
    match finish(finish(trace) ^ fnv1a(stage.as_bytes())) {
        0 => 1,
        id => id,
    }
}

/// FNV-1a, 64 bits.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let (mut hash, mut at) = (0xcbf2_9ce4_8422_2325, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

/// The finaliser of SplitMix64, which can be undone: two words never come to one.
const fn finish(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_id_is_of_trace_and_stage_and_no_two_of_many_are_one() {
        // The published first value of SplitMix64 of seed 0, and of FNV-1a over "a".
        assert_eq!(finish(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(span_id(0, 0, "gateway.decide"), 0);
        let stages =
            ["", "gateway.decide", "gateway.book", "router.send", "strategy.decide", "market-data.publish"];
        let traces = (0..3_000_u64).flat_map(|n| [(n, 1), (1, n + 2), (n << 40, 7), (n + 1, !n)]);
        let traces: std::collections::BTreeSet<(u64, u64)> = traces.collect();
        let ids: std::collections::BTreeSet<u64> =
            traces.iter().flat_map(|(hi, lo)| stages.map(|stage| span_id(*hi, *lo, stage))).collect();
        assert_eq!(ids.len(), traces.len() * stages.len());
        assert!(!ids.contains(&0));
    }

    #[test]
    fn a_client_order_id_is_the_head_of_base32hex() {
        for n in 0..200 {
            let hash = blake3::derive_key(
                CONTEXT,
                &[&u128::to_be_bytes(n)[..], &3_u32.to_be_bytes(), &4_u32.to_be_bytes()].concat(),
            );
            let want = data_encoding::BASE32HEX_NOPAD.encode(&hash[..16]).to_lowercase();
            assert_eq!(client_order_id(n, 3, 4), want[..CLIENT_ORDER_ID_LEN]);
        }
    }
}
