//! The encoder of an envelope: the bytes prost writes, a third of the time. Each message is written from its last field to its
//! first, so that what is in it has been written, and its length is known, when its length goes in front of it; keys are constants.
//! The functions of the messages are generated from `proto/`.

use crate::pb::envelope::v1::Envelope;
use prost::encoding::encoded_len_varint;

/// Bytes in front of the first that a number may write over before what belongs there is written.
const SLACK: usize = 8;

/// Writes into a slice from its end.
struct Back<'a> {
    buf: &'a mut [u8],
    at: usize,
}

impl Back<'_> {
    /// Where the first byte written is.
    const fn at(&self) -> usize {
        self.at
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        let end = self.at;
        self.at -= bytes.len();
        self.buf[self.at..end].copy_from_slice(bytes);
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.at -= 1;
        self.buf[self.at] = byte;
    }

    #[inline]
    fn varint(&mut self, value: u64) {
        if value < 0x80 { self.byte(value as u8) } else { self.long(value) }
    }

    /// A number of two bytes or more: its groups of seven bits are spread over the bytes of a word, eight at once.
    fn long(&mut self, value: u64) {
        const MORE: u64 = 0x8080_8080_8080_8080;
        let beyond = value >> 56;
        let (len, more) = if beyond == 0 {
            let len = encoded_len_varint(value);
            (len, MORE & ((1 << (8 * (len - 1))) - 1))
        } else {
            self.varint(beyond);
            (8, MORE)
        };
        let mut word = value & 0x0fff_ffff | (value & 0x00ff_ffff_f000_0000) << 4;
        word = word & 0x0000_3fff_0000_3fff | (word & 0x0fff_c000_0fff_c000) << 2;
        word = word & 0x007f_007f_007f_007f | (word & 0x3f80_3f80_3f80_3f80) << 1;
        // To the upper end of the word: what it writes over lies in front, where nothing is written yet.
        word = (word | more) << (8 * (8 - len));
        let end = self.at;
        self.buf[end - 8..end].copy_from_slice(&word.to_le_bytes());
        self.at = end - len;
    }

    /// A field's key, below 2^14.
    #[inline(always)]
    fn key(&mut self, key: u32) {
        if key >= 0x80 {
            self.byte((key >> 7) as u8);
            self.byte(key as u8 | 0x80);
        } else {
            self.byte(key as u8);
        }
    }

    fn packed(&mut self, values: impl DoubleEndedIterator<Item = u64>) {
        let end = self.at;
        values.rev().for_each(|value| self.varint(value));
        self.varint((end - self.at) as u64);
    }
}

const fn zigzagged(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

include!(concat!(env!("OUT_DIR"), "/encode.rs"));

/// Writes `envelope` behind what `buf` holds.
pub(crate) fn append_to(buf: &mut Vec<u8>, envelope: &Envelope) {
    let from = buf.len();
    buf.resize(from + SLACK + room_envelope(envelope), 0);
    let place = &mut buf[from..];
    let mut back = Back { at: place.len(), buf: place };
    put_envelope(&mut back, envelope);
    let (at, end) = (from + back.at, buf.len());
    buf.copy_within(at..end, from);
    buf.truncate(from + end - at);
}
