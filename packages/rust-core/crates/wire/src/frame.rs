//! The frame around every message of a stream or link: 36 bytes little-endian, then the payload.
//!
//! `magic u16 | version u8 | type u8 | len u32 | link_id u32 | epoch u32 | seq u64 | mono_ns u64 | crc32c u32 | payload`
//!
//! The checksum covers bytes 0..32 and the payload. A frame is whole or refused by name; nothing here panics.

use crate::limits::{FRAME_LEN_MAX, HEADER_LEN, PAYLOAD_LEN_MAX, SEQ_MAX};
use std::fmt;

/// First two bytes of every frame, little-endian: "GT".
pub const MAGIC: u16 = 0x5447;
/// The only frame version there is.
pub const VERSION: u8 = 1;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FrameType {
    /// Payload is one envelope.
    Data = 1,
    /// `seq` is the last sequence sent. Empty on a stream; 16 bytes of acknowledgement on a link.
    Heartbeat = 2,
    /// Opens or re-opens a link; 32 bytes.
    Hello = 3,
    /// Acknowledgement of a link; 16 bytes.
    Ack = 4,
    /// Asks for everything from a sequence on; 8 bytes.
    Resend = 5,
    /// The stream or link ends in order; `seq` is its last.
    Bye = 6,
}

impl FrameType {
    /// The type of its number on the wire.
    pub const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            1 => Self::Data,
            2 => Self::Heartbeat,
            3 => Self::Hello,
            4 => Self::Ack,
            5 => Self::Resend,
            6 => Self::Bye,
            _ => return None,
        })
    }

    /// Whether a payload of this many bytes can belong to this type.
    const fn takes(self, len: usize) -> bool {
        match self {
            Self::Data => len >= 1,
            Self::Heartbeat => len == 0 || len == ACK_LEN,
            Self::Hello => len == HELLO_LEN,
            Self::Ack => len == ACK_LEN,
            Self::Resend => len == RESEND_LEN,
            Self::Bye => len == 0,
        }
    }
}

/// Bytes of an acknowledgement: `recv_epoch u32, 0 u32, acked_seq u64`.
pub const ACK_LEN: usize = 16;
/// Bytes of a HELLO: `first_available_seq u64, recv_epoch u32, 0 u32, recv_seq u64, window u32, 0 u32`.
pub const HELLO_LEN: usize = 32;
/// Bytes of a RESEND: `from_seq u64`.
pub const RESEND_LEN: usize = 8;

/// The fields of a frame that its writer chooses; magic, version, length and checksum follow from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: FrameType,
    /// crc32c of the topic or link name, see [`crate::topic::link_id`].
    pub link_id: u32,
    /// The writer's session: persisted, rises at each start, never 0.
    pub epoch: u32,
    /// From 1 within an epoch for DATA; the last DATA sent so far (0 for none) for the others.
    pub seq: u64,
    /// `CLOCK_MONOTONIC` nanoseconds of the writer's host when it wrote the frame.
    pub mono_ns: u64,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FrameFault {
    /// Fewer bytes than a header.
    TooShort,
    BadMagic,
    BadVersion,
    BadType,
    /// The length field, or the bytes, exceed the longest frame.
    TooLong,
    /// The length field disagrees with the bytes there are.
    LengthMismatch,
    BadCrc,
    /// The payload cannot belong to this type, or a reserved field of it is not 0.
    BadPayload,
    /// DATA with sequence 0.
    ReservedSeqZero,
    /// Epoch 0.
    ReservedEpochZero,
    /// A sequence no session reaches.
    SeqTooHigh,
}

impl FrameFault {
    /// Every fault, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::TooShort,
        Self::BadMagic,
        Self::BadVersion,
        Self::BadType,
        Self::TooLong,
        Self::LengthMismatch,
        Self::BadCrc,
        Self::BadPayload,
        Self::ReservedSeqZero,
        Self::ReservedEpochZero,
        Self::SeqTooHigh,
    ];

    /// The stable name, as metrics and JavaScript spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort => "TOO_SHORT",
            Self::BadMagic => "BAD_MAGIC",
            Self::BadVersion => "BAD_VERSION",
            Self::BadType => "BAD_TYPE",
            Self::TooLong => "TOO_LONG",
            Self::LengthMismatch => "LENGTH_MISMATCH",
            Self::BadCrc => "BAD_CRC",
            Self::BadPayload => "BAD_PAYLOAD",
            Self::ReservedSeqZero => "RESERVED_SEQ_ZERO",
            Self::ReservedEpochZero => "RESERVED_EPOCH_ZERO",
            Self::SeqTooHigh => "SEQ_TOO_HIGH",
        }
    }
}

impl fmt::Display for FrameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for FrameFault {}

fn check(header: &FrameHeader, payload: &[u8]) -> Result<(), FrameFault> {
    if payload.len() > PAYLOAD_LEN_MAX {
        return Err(FrameFault::TooLong);
    }
    if !header.kind.takes(payload.len()) || !reserved_zero(header.kind, payload) {
        return Err(FrameFault::BadPayload);
    }
    if header.epoch == 0 {
        return Err(FrameFault::ReservedEpochZero);
    }
    if header.kind == FrameType::Data && header.seq == 0 {
        return Err(FrameFault::ReservedSeqZero);
    }
    if header.seq > SEQ_MAX {
        return Err(FrameFault::SeqTooHigh);
    }
    Ok(())
}

fn reserved_zero(kind: FrameType, payload: &[u8]) -> bool {
    match kind {
        FrameType::Heartbeat | FrameType::Ack => payload.get(4..8).is_none_or(|r| r == [0; 4]),
        FrameType::Hello => payload.get(12..16) == Some(&[0; 4]) && payload.get(28..32) == Some(&[0; 4]),
        _ => true,
    }
}

/// Writes one whole frame into `buf`, replacing what it held; its capacity is reused.
///
/// # Errors
/// `TooLong`, `BadPayload`, `ReservedEpochZero`, `ReservedSeqZero`, `SeqTooHigh`: exactly what `decode` would refuse. `buf` is then empty.
pub fn encode_into(buf: &mut Vec<u8>, header: &FrameHeader, payload: &[u8]) -> Result<(), FrameFault> {
    buf.clear();
    check(header, payload)?;
    // The bound above keeps the length within its field.
    let len = u32::try_from(payload.len()).map_err(|_| FrameFault::TooLong)?;
    buf.reserve(HEADER_LEN + payload.len());
    buf.extend_from_slice(&MAGIC.to_le_bytes());
    buf.push(VERSION);
    buf.push(header.kind as u8);
    buf.extend_from_slice(&len.to_le_bytes());
    buf.extend_from_slice(&header.link_id.to_le_bytes());
    buf.extend_from_slice(&header.epoch.to_le_bytes());
    buf.extend_from_slice(&header.seq.to_le_bytes());
    buf.extend_from_slice(&header.mono_ns.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(buf), payload);
    buf.extend_from_slice(&crc.to_le_bytes());
    buf.extend_from_slice(payload);
    Ok(())
}

/// Reads one whole frame: its header and a view of its payload.
///
/// # Errors
/// The first [`FrameFault`] that holds, in the order short, magic, version, type, long, length, checksum, then meaning.
pub fn decode(bytes: &[u8]) -> Result<(FrameHeader, &[u8]), FrameFault> {
    let Some((head, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Err(FrameFault::TooShort);
    };
    if u16_at(head, 0) != MAGIC {
        return Err(FrameFault::BadMagic);
    }
    if head[2] != VERSION {
        return Err(FrameFault::BadVersion);
    }
    let kind = FrameType::from_u8(head[3]).ok_or(FrameFault::BadType)?;
    let len = u32_at(head, 4) as usize;
    if len > PAYLOAD_LEN_MAX || bytes.len() > FRAME_LEN_MAX {
        return Err(FrameFault::TooLong);
    }
    if len != payload.len() {
        return Err(FrameFault::LengthMismatch);
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..32]), payload);
    if crc != u32_at(head, 32) {
        return Err(FrameFault::BadCrc);
    }
    let header = FrameHeader {
        kind,
        link_id: u32_at(head, 8),
        epoch: u32_at(head, 12),
        seq: u64_at(head, 16),
        mono_ns: u64_at(head, 24),
    };
    check(&header, payload)?;
    Ok((header, payload))
}

/// What an ACK, and a HEARTBEAT of a link, says of the other direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ack {
    /// The peer's epoch this is about; 0 before its first HELLO.
    pub recv_epoch: u32,
    /// Last sequence of that epoch the application has made its own.
    pub acked_seq: u64,
}

impl Ack {
    /// The payload.
    pub fn to_bytes(self) -> [u8; ACK_LEN] {
        let mut out = [0; ACK_LEN];
        out[0..4].copy_from_slice(&self.recv_epoch.to_le_bytes());
        out[8..16].copy_from_slice(&self.acked_seq.to_le_bytes());
        out
    }

    /// Reads the payload of an ACK or of a link's HEARTBEAT.
    ///
    /// # Errors
    /// `BadPayload` when it is not [`ACK_LEN`] bytes.
    pub fn from_bytes(payload: &[u8]) -> Result<Self, FrameFault> {
        let b = payload.first_chunk::<ACK_LEN>().ok_or(FrameFault::BadPayload)?;
        Ok(Self { recv_epoch: u32_at(b, 0), acked_seq: u64_at(b, 8) })
    }
}

/// What a HELLO says: where this side's own data begins, and how far it has the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hello {
    /// First sequence of the writer's epoch that it can still send.
    pub first_available_seq: u64,
    /// The peer's epoch the writer knows, 0 for none.
    pub recv_epoch: u32,
    /// Last sequence of that epoch the writer has delivered.
    pub recv_seq: u64,
    /// Frames the writer takes without an acknowledgement.
    pub window: u32,
}

impl Hello {
    /// The payload.
    pub fn to_bytes(self) -> [u8; HELLO_LEN] {
        let mut out = [0; HELLO_LEN];
        out[0..8].copy_from_slice(&self.first_available_seq.to_le_bytes());
        out[8..12].copy_from_slice(&self.recv_epoch.to_le_bytes());
        out[16..24].copy_from_slice(&self.recv_seq.to_le_bytes());
        out[24..28].copy_from_slice(&self.window.to_le_bytes());
        out
    }

    /// Reads the payload of a HELLO.
    ///
    /// # Errors
    /// `BadPayload` when it is not [`HELLO_LEN`] bytes.
    pub fn from_bytes(payload: &[u8]) -> Result<Self, FrameFault> {
        let b = payload.first_chunk::<HELLO_LEN>().ok_or(FrameFault::BadPayload)?;
        Ok(Self {
            first_available_seq: u64_at(b, 0),
            recv_epoch: u32_at(b, 8),
            recv_seq: u64_at(b, 16),
            window: u32_at(b, 24),
        })
    }
}

/// Reads the payload of a RESEND: the first sequence wanted.
///
/// # Errors
/// `BadPayload` when it is not [`RESEND_LEN`] bytes.
pub fn resend_from(payload: &[u8]) -> Result<u64, FrameFault> {
    payload.first_chunk::<RESEND_LEN>().map(|b| u64::from_le_bytes(*b)).ok_or(FrameFault::BadPayload)
}

// Offsets below are constants inside arrays whose length the caller's type fixes.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
