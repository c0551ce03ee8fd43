//! The envelope codec: our encoder, prost to read, then the checks protobuf does not make.

use crate::limits::PAYLOAD_LEN_MAX;
use crate::pb::envelope::v1::Envelope;
use crate::refusal::{Refusal, RefusalCode};
use crate::{encode, shape, validate};
use prost::Message;

/// Writes `envelope` into `buf`, replacing what it held. Fields go in tag order, zeros are not written.
///
/// Does not validate: a writer's own message is checked by its tests, and by every reader.
pub fn encode_into(buf: &mut Vec<u8>, envelope: &Envelope) {
    buf.clear();
    append_to(buf, envelope);
}

/// Writes `envelope` behind what `buf` holds.
pub fn append_to(buf: &mut Vec<u8>, envelope: &Envelope) {
    encode::append_to(buf, envelope);
}

/// The bytes of `envelope`.
pub fn encode(envelope: &Envelope) -> Vec<u8> {
    let mut buf = Vec::new();
    append_to(&mut buf, envelope);
    buf
}

/// Reads an envelope without its semantic checks, for a reader that has to answer even a malformed one.
/// Call [`validate::envelope`] before anything of it is used.
///
/// # Errors
/// `EMPTY`, `TOO_LONG`, `UNDECODABLE`, `UNKNOWN_FIELD`, `DUPLICATE_FIELD`.
pub fn decode(bytes: &[u8]) -> Result<Envelope, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::new(RefusalCode::Empty, "envelope"));
    }
    if bytes.len() > PAYLOAD_LEN_MAX {
        return Err(Refusal::new(RefusalCode::TooLong, "envelope"));
    }
    shape::check_envelope(bytes)?;
    Envelope::decode(bytes).map_err(|_| Refusal::new(RefusalCode::Undecodable, "envelope"))
}

/// Reads an envelope and proves its meaning: what a process does once, at its edge.
///
/// # Errors
/// The [`Refusal`] that names the first rule broken and its field.
pub fn decode_checked(bytes: &[u8]) -> Result<Envelope, Refusal> {
    let envelope = decode(bytes)?;
    validate::envelope(&envelope)?;
    Ok(envelope)
}
