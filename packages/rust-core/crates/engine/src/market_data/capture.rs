//! The raw capture lane: every message of a session as it came, for a day to be parsed again later.
//!
//! One record of the stream `raw.<session>.`: `version u8 = 1 | name_len u8 | part u16 | parts u16 | 0 u16 | ts_recv_ns i64 |
//! tick_mono_ns u64 | name | bytes`, little-endian. `name` is that of the event on an event stream, else empty. A message longer than a
//! record is told in parts, in order; a part that is lost is a hole in the stream's sequence, so no message is put together wrongly.

use super::limits::CAPTURE_PARTS_MAX;
use tidegate_venue_io::Stamp;
use tidegate_wire::limits::PAYLOAD_LEN_MAX;

/// Bytes before the name.
pub const HEADER_LEN: usize = 24;
/// The only version there is.
pub const VERSION: u8 = 1;

/// Cuts one message into records and hands each over. Gives how many, or `None` for a message no capture holds.
pub fn records(
    at: Stamp,
    name: &[u8],
    bytes: &[u8],
    buf: &mut Vec<u8>,
    mut sink: impl FnMut(&[u8]),
) -> Option<u16> {
    let name_len = u8::try_from(name.len()).ok()?;
    let room = PAYLOAD_LEN_MAX - HEADER_LEN - name.len();
    let parts = u16::try_from(bytes.len().div_ceil(room).max(1)).ok().filter(|n| *n <= CAPTURE_PARTS_MAX)?;
    let mut rest = bytes;
    for part in 0..parts {
        let (own, tail) = rest.split_at(rest.len().min(room));
        rest = tail;
        buf.clear();
        buf.extend_from_slice(&[VERSION, name_len]);
        buf.extend_from_slice(&part.to_le_bytes());
        buf.extend_from_slice(&parts.to_le_bytes());
        buf.extend_from_slice(&[0, 0]);
        buf.extend_from_slice(&at.epoch_ns.to_le_bytes());
        buf.extend_from_slice(&at.mono_ns.to_le_bytes());
        buf.extend_from_slice(name);
        buf.extend_from_slice(own);
        sink(buf);
    }
    Some(parts)
}

/// One record, read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub at: Stamp,
    pub part: u16,
    pub parts: u16,
    pub name: &'a [u8],
    pub bytes: &'a [u8],
}

/// Reads a record, or `None` when the bytes are none.
pub fn read(record: &[u8]) -> Option<Record<'_>> {
    let (header, rest) = record.split_at_checked(HEADER_LEN)?;
    let [version, name_len, p0, p1, n0, n1, 0, 0, times @ ..] = header else { return None };
    let (epoch, mono) = times.split_at_checked(8)?;
    let (name, bytes) = rest.split_at_checked(usize::from(*name_len))?;
    let (part, parts) = (u16::from_le_bytes([*p0, *p1]), u16::from_le_bytes([*n0, *n1]));
    let at = Stamp {
        epoch_ns: i64::from_le_bytes(epoch.try_into().ok()?),
        mono_ns: u64::from_le_bytes(mono.try_into().ok()?),
    };
    (*version == VERSION && part < parts && parts <= CAPTURE_PARTS_MAX).then_some(Record {
        at,
        part,
        parts,
        name,
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_in_records_and_read_back_byte_for_byte() {
        let at = Stamp { epoch_ns: -5, mono_ns: 7 };
        let room = PAYLOAD_LEN_MAX - HEADER_LEN - 3;
        for len in [0, 1, room, room + 1, 3 * room + 9] {
            let message: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let (mut kept, mut buf, mut joined) = (Vec::new(), Vec::new(), Vec::new());
            let parts = records(at, b"abc", &message, &mut buf, |r| kept.push(r.to_vec())).unwrap();
            assert_eq!(usize::from(parts), kept.len());
            for (n, record) in kept.iter().enumerate() {
                assert!(record.len() <= PAYLOAD_LEN_MAX);
                let record = read(record).unwrap();
                assert_eq!(
                    (record.at, usize::from(record.part), record.parts, record.name),
                    (at, n, parts, b"abc".as_slice())
                );
                joined.extend_from_slice(record.bytes);
            }
            assert_eq!(joined, message);
        }
        let huge = vec![0; PAYLOAD_LEN_MAX * (usize::from(CAPTURE_PARTS_MAX) + 1)];
        assert_eq!(records(at, b"", &huge, &mut Vec::new(), |_| ()), None);
        assert_eq!(records(at, &[b'n'; 256], b"", &mut Vec::new(), |_| ()), None);
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        let mut good = Vec::new();
        records(Stamp::default(), b"n", b"x", &mut Vec::new(), |r| good = r.to_vec());
        assert!(read(&good).is_some());
        assert!((0..good.len() - 1).all(|end| read(&good[..end]).is_none()));
        for (at, value) in [(0, 2), (1, 200), (2, 1), (6, 1)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(read(&bad).is_none(), "byte {at}");
        }
    }
}
