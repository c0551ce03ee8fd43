//! Identities that are pure functions of what they name.

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use data_encoding::BASE32HEX_NOPAD;
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
    // 16 bytes are 26 letters; the first 25 hold exactly the first 125 bits.
    let mut letters = [0; 26];
    BASE32HEX_NOPAD.encode_mut(&hash.as_bytes()[..16], &mut letters);
    letters.make_ascii_lowercase();
    letters.iter().take(CLIENT_ORDER_ID_LEN).map(|letter| char::from(*letter)).collect()
}

/// The span id of one stage of a trace: the first 8 bytes of BLAKE3 over trace id and stage name. 0 where nothing is traced.
///
/// Every process can name the span of another's stage without being told it.
pub fn span_id(trace_hi: u64, trace_lo: u64, stage: &str) -> u64 {
    if trace_hi == 0 && trace_lo == 0 {
        return 0;
    }
    let mut input = Vec::with_capacity(64);
    input.extend_from_slice(&trace_hi.to_be_bytes());
    input.extend_from_slice(&trace_lo.to_be_bytes());
    input.extend_from_slice(stage.as_bytes());
    let mut first = [0_u8; 8];
    first.copy_from_slice(&blake3::hash(&input).as_bytes()[..8]);
    // An all-zero span id means "none" to every tracer.
    u64::from_be_bytes(first).max(1)
}
