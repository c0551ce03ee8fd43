//! Numbers between JavaScript and Rust, exact or refused.

use napi::bindgen_prelude::{BigInt, Error, Result, Status};
use tidegate_wire::limits::SEQ_MAX;

/// A wrong argument: the caller's bug, told by name.
pub fn invalid(text: impl Into<String>) -> Error {
    Error::new(Status::InvalidArg, text.into())
}

/// A JS bigint as `u64`, or an error that names the argument. Reads sign and words itself: the library's conversions have
/// called lossy results lossless before.
pub fn u64_exact(value: &BigInt, name: &str) -> Result<u64> {
    let zero = value.words.iter().all(|w| *w == 0);
    match value.words.split_first() {
        None => Ok(0),
        Some((first, rest)) if (zero || !value.sign_bit) && rest.iter().all(|w| *w == 0) => Ok(*first),
        Some(_) => Err(invalid(format!("{name}: want a bigint of 64 bits, unsigned"))),
    }
}

/// A sequence out of a JS number: an integer from 0 to 2^53-1.
pub fn seq(value: f64) -> Result<u64> {
    if !(0.0..=9_007_199_254_740_991.0).contains(&value) || value.fract() != 0.0 {
        return Err(invalid(format!("{value} is no sequence: want an integer from 0 to 2^53-1")));
    }
    // In range and whole, so the conversion is exact.
    Ok(value as u64)
}

/// A sequence as a JS number: the wire holds every sequence within [`SEQ_MAX`], where a double is exact.
pub fn seq_number(value: u64) -> f64 {
    value.min(SEQ_MAX) as f64
}

/// An epoch: 1 to 2^32-1.
pub fn epoch(value: f64) -> Result<u32> {
    match u32_exact(value, "epoch")? {
        0 => Err(invalid("epoch 0 is reserved: want 1 to 2^32-1")),
        epoch => Ok(epoch),
    }
}

/// A `u32` out of a JS number, or an error that names the argument. A JS number beyond `u32` would otherwise wrap silently.
pub fn u32_exact(value: f64, name: &str) -> Result<u32> {
    if !(0.0..=4_294_967_295.0).contains(&value) || value.fract() != 0.0 {
        return Err(invalid(format!("{name}: want an integer from 0 to 2^32-1")));
    }
    Ok(value as u32)
}
