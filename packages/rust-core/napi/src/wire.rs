//! Frames, the envelope check, ids and names. Bad bytes are answered by name, never thrown.

use crate::convert::{invalid, seq_number, u32_exact, u64_exact};
use napi::bindgen_prelude::{BigInt, Buffer, Result};
use napi_derive::napi;
use tidegate_wire::frame::{self, FrameFault, FrameHeader, FrameType};
use tidegate_wire::reasons::REASONS;
use tidegate_wire::{envelope, ids, topic};

/// A frame taken apart, or the name of what is wrong with it; the other fields are then 0 or empty.
#[napi(object, use_nullable = true)]
pub struct FrameParts {
    pub fault: Option<String>,
    pub kind: u32,
    pub link_id: u32,
    pub epoch: u32,
    pub seq: f64,
    pub mono_ns: BigInt,
    pub payload: Buffer,
}

/// One whole frame. Throws with the name of the fault every reader would find.
#[napi(catch_unwind)]
pub fn frame_encode(
    kind: f64,
    link_id: f64,
    epoch: f64,
    seq: BigInt,
    mono_ns: BigInt,
    payload: &[u8],
) -> Result<Buffer> {
    let kind = u8::try_from(u32_exact(kind, "kind")?)
        .ok()
        .and_then(FrameType::from_u8)
        .ok_or_else(|| invalid(FrameFault::BadType.name()))?;
    let header = FrameHeader {
        kind,
        link_id: u32_exact(link_id, "linkId")?,
        epoch: u32_exact(epoch, "epoch")?,
        seq: u64_exact(&seq, "seq")?,
        mono_ns: u64_exact(&mono_ns, "monoNs")?,
    };
    let mut buf = Vec::new();
    frame::encode_into(&mut buf, &header, payload).map_err(|fault| invalid(fault.name()))?;
    Ok(buf.into())
}

/// The parts of one whole frame, or the name of the fault.
#[napi(catch_unwind)]
pub fn frame_decode(bytes: &[u8]) -> FrameParts {
    match frame::decode(bytes) {
        Ok((header, payload)) => FrameParts {
            fault: None,
            kind: u32::from(header.kind as u8),
            link_id: header.link_id,
            epoch: header.epoch,
            seq: seq_number(header.seq),
            mono_ns: header.mono_ns.into(),
            payload: payload.to_vec().into(),
        },
        Err(fault) => FrameParts {
            fault: Some(fault.name().into()),
            kind: 0,
            link_id: 0,
            epoch: 0,
            seq: 0.0,
            mono_ns: 0_u64.into(),
            payload: Vec::new().into(),
        },
    }
}

/// Null for one whole frame, else the name of the fault.
#[napi(catch_unwind)]
pub fn frame_check(bytes: &[u8]) -> Option<String> {
    frame::decode(bytes).err().map(|fault| fault.name().into())
}

/// The names of all frame faults.
#[napi(catch_unwind)]
pub fn frame_fault_names() -> Vec<String> {
    FrameFault::ALL.iter().map(|fault| fault.name().into()).collect()
}

/// Null for a valid envelope, else the rule broken and the field: `ENUM_UNKNOWN intent.side`.
#[napi(catch_unwind)]
pub fn envelope_check(bytes: &[u8]) -> Option<String> {
    envelope::decode_checked(bytes).err().map(|refusal| refusal.to_string())
}

/// The bytes this codec writes for a valid envelope, null for what is none.
#[napi(catch_unwind, ts_return_type = "Buffer | null")]
pub fn envelope_recode(bytes: &[u8]) -> Option<Buffer> {
    envelope::decode_checked(bytes).ok().map(|decoded| envelope::encode(&decoded).into())
}

/// The client order id of (intent, leg, generation).
#[napi(catch_unwind)]
pub fn client_order_id(intent_hi: BigInt, intent_lo: BigInt, leg: f64, generation: f64) -> Result<String> {
    let intent = (u128::from(u64_exact(&intent_hi, "intentHi")?) << 64)
        | u128::from(u64_exact(&intent_lo, "intentLo")?);
    Ok(ids::client_order_id(intent, u32_exact(leg, "leg")?, u32_exact(generation, "generation")?))
}

/// The id frames carry for a topic or link name.
#[napi(catch_unwind)]
pub fn link_id(topic: String) -> u32 {
    topic::link_id(&topic)
}

/// The name of the link between the server of `link` and the client `identity`.
#[napi(catch_unwind)]
pub fn link_name(link: String, identity: String) -> String {
    topic::link_name(&link, &identity)
}

/// One row of the reason table.
#[napi(object)]
pub struct ReasonEntry {
    pub number: i32,
    pub name: String,
    pub meaning: String,
    pub remedy: String,
}

/// Every reason code with its meaning and remedy, by rising number.
#[napi(catch_unwind)]
pub fn reason_table() -> Vec<ReasonEntry> {
    let entry = |row: &tidegate_wire::reasons::ReasonRow| ReasonEntry {
        number: row.code(),
        name: row.name().into(),
        meaning: row.meaning.into(),
        remedy: row.remedy.into(),
    };
    REASONS.iter().map(entry).collect()
}
