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

/// The span id of one stage of a trace: the first 8 bytes of BLAKE3 over trace id and stage name. 0 where nothing is traced.
///
/// Every process can name the span of another's stage without being told it.
pub fn span_id(trace_hi: u64, trace_lo: u64, stage: &str) -> u64 {
    if trace_hi == 0 && trace_lo == 0 {
        return 0;
    }
    let mut input = [0_u8; 64];
    input[..8].copy_from_slice(&trace_hi.to_be_bytes());
    input[8..16].copy_from_slice(&trace_lo.to_be_bytes());
    let hash = match input.get_mut(16..16 + stage.len()) {
        Some(rest) => {
            rest.copy_from_slice(stage.as_bytes());
            blake3::hash(&input[..16 + stage.len()])
        }
        None => blake3::Hasher::new().update(&input[..16]).update(stage.as_bytes()).finalize(),
    };
    let mut first = [0_u8; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    // An all-zero span id means "none" to every tracer.
    u64::from_be_bytes(first).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_id_is_of_trace_and_stage_however_long_its_name() {
        for stage in ["", "gateway.decide", &"s".repeat(48), &"s".repeat(49), &"s".repeat(500)] {
            let mut whole = [1_u64.to_be_bytes(), 2_u64.to_be_bytes()].concat();
            whole.extend_from_slice(stage.as_bytes());
            let want = blake3::hash(&whole).as_bytes()[..8].iter().fold(0, |id, b| id << 8 | u64::from(*b));
            assert_eq!(span_id(1, 2, stage), want, "{} bytes", stage.len());
        }
        assert_eq!(span_id(0, 0, "gateway.decide"), 0);
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
