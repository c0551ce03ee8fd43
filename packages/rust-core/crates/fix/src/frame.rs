//! Where a message begins and ends in a stream of bytes.
//!
//! A message is believed if and only if it begins with `8=` and a BeginString, `9=` and its length, `35=`; the length leads
//! exactly to `10=`; and the three digits there are the sum of all bytes before, modulo 256. Anything else is garbled: skipped
//! without consuming a sequence number, so that the gap it leaves is asked for.

use crate::limits::{BEGIN_BYTES_MAX, MESSAGE_BYTES_MAX};

/// Field separator.
pub const SOH: u8 = 1;

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Garbled {
    /// Bytes before `8=FIX`.
    Noise,
    /// No BeginString of at most [`BEGIN_BYTES_MAX`] bytes, or no BodyLength right after it.
    Begin,
    /// BodyLength is no number, or makes the message longer than [`MESSAGE_BYTES_MAX`].
    Length,
    /// BodyLength does not lead to the checksum.
    LengthWrong,
    /// The checksum has not three digits or is not the sum of the bytes.
    Checksum,
    /// The third field is not MsgType.
    MsgType,
    /// A field without `=`, a tag that is no number, a data field that is longer than the message.
    Field,
}

/// What the beginning of a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The beginning of something; wait for more.
    More,
    /// So many bytes are no message.
    Skip(usize, Garbled),
    /// So many bytes are one message.
    Frame(usize),
}

/// The sum of the bytes, modulo 256.
pub fn checksum(bytes: &[u8]) -> u8 {
    // In lanes of 32 bits, so that it becomes vector code; a message in bounds cannot overflow one.
    bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte))) as u8
}

fn find(bytes: &[u8], from: usize, what: u8) -> Option<usize> {
    bytes.get(from..)?.iter().position(|byte| *byte == what).map(|at| at + from)
}

/// How many bytes lie before the next place where a message may begin, from `from` on. What may be the start of `8=FIX` at the
/// end of the buffer is kept.
fn resync(bytes: &[u8], from: usize) -> usize {
    const START: &[u8] = b"8=FIX";
    (from.min(bytes.len())..bytes.len())
        .find(|at| {
            let rest = &bytes[*at..];
            if rest.len() >= START.len() { rest.starts_with(START) } else { START.starts_with(rest) }
        })
        .unwrap_or(bytes.len())
}

/// Looks at the beginning of `bytes`.
pub fn next(bytes: &[u8]) -> Step {
    if bytes.is_empty() {
        return Step::More;
    }
    let noise = resync(bytes, 0);
    if noise > 0 {
        return Step::Skip(noise, Garbled::Noise);
    }
    let skip = |from: usize, why| Step::Skip(resync(bytes, from), why);
    let Some(begin_end) = find(&bytes[..bytes.len().min(BEGIN_BYTES_MAX)], 0, SOH) else {
        return if bytes.len() < BEGIN_BYTES_MAX { Step::More } else { skip(1, Garbled::Begin) };
    };
    let length_at = begin_end + 1;
    match bytes.get(length_at..length_at + 2) {
        Some(b"9=") => {}
        None if b"9=".starts_with(&bytes[length_at..]) => return Step::More,
        _ => return skip(1, Garbled::Begin),
    }
    let mut length = 0;
    let mut at = length_at + 2;
    loop {
        match bytes.get(at) {
            None => return Step::More,
            Some(&SOH) if at > length_at + 2 => break,
            Some(digit @ b'0'..=b'9') => length = length * 10 + usize::from(digit - b'0'),
            Some(_) => return skip(1, Garbled::Length),
        }
        // Seven bytes of checksum; leading zeros are allowed and end here too, since the loop is bounded by the digits.
        if length + at + 8 > MESSAGE_BYTES_MAX || at > length_at + 10 {
            return skip(1, Garbled::Length);
        }
        at += 1;
    }
    let body = at + 1;
    match bytes.get(body..body + 3) {
        Some(b"35=") => {}
        None if b"35=".starts_with(&bytes[body..]) => {}
        _ => return skip(1, Garbled::MsgType),
    }
    let trailer = body + length;
    match bytes.get(trailer..trailer + 3) {
        Some(b"10=") if bytes[trailer - 1] == SOH => {}
        Some(_) => return skip(trailer, Garbled::LengthWrong),
        None => return Step::More,
    }
    // The stated length is skipped as a whole even where it covers the start of another message: both are asked for again.
    let digits = trailer + 3;
    let end = bytes.len().min(digits + 4);
    let Some(soh) = find(&bytes[..end], digits, SOH) else {
        return if end < digits + 4 { Step::More } else { skip(digits, Garbled::Checksum) };
    };
    let sum = bytes[digits..soh]
        .iter()
        .try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')));
    if soh != digits + 3 || sum != Some(u32::from(checksum(&bytes[..trailer]))) {
        return Step::Skip(soh + 1, Garbled::Checksum);
    }
    Step::Frame(soh + 1)
}
