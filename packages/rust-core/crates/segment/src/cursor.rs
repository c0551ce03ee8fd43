//! Reading a log while its writer lives.

use crate::fault::LogFault;
use crate::format::{Defect, Record, SegmentHeader, decode_record, kind, segment_name, stream_id};
use crate::limits::{CURSOR_CHUNK_BYTES, SEGMENT_HEADER_BYTES};
use crate::recovery::segments;
use crate::storage::Storage;

#[derive(Debug, Clone, Copy)]
struct Place {
    index: u64,
    offset: u64,
    prev_crc: u32,
    last_seq: u64,
}

/// Remembers where it stopped, so that following a live log costs only what is new.
#[derive(Debug)]
pub struct Cursor {
    stream: u32,
    place: Option<Place>,
    chunk: Vec<u8>,
}

impl Cursor {
    /// A cursor over the log of `stream`.
    pub fn new(stream: &str) -> Self {
        Self { stream: stream_id(stream), place: None, chunk: Vec::new() }
    }

    /// Hands up to `max` records after `after_seq` to `each`, in order; returns how many there were. Fewer than `max` means
    /// that the log has no more now. Bytes of a write that is not finished count as not there.
    ///
    /// # Errors
    /// The disk fails, the log does not go back as far as `after_seq` + 1, or a finished part of it is damaged.
    pub fn read<S: Storage>(
        &mut self,
        storage: &S,
        after_seq: u64,
        max: usize,
        mut each: impl FnMut(Record<'_>),
    ) -> Result<usize, LogFault> {
        let mut place = match self.place {
            Some(place) if place.last_seq == after_seq => place,
            _ => match self.seek(storage, after_seq)? {
                Some(place) => place,
                None => return Ok(0),
            },
        };
        let mut count = 0;
        while count < max {
            let name = segment_name(place.index);
            storage.read(&name, place.offset, CURSOR_CHUNK_BYTES, &mut self.chunk)?;
            let mut at = 0;
            let mut ended = self.chunk.is_empty();
            while count < max && at < self.chunk.len() {
                let framed = match decode_record(&self.chunk[at..], self.stream) {
                    Ok(framed) if framed.prev == place.prev_crc => framed,
                    Err(Defect::Short { .. }) if at > 0 => break,
                    _ => {
                        ended = true;
                        break;
                    }
                };
                at += framed.size;
                place.offset += framed.size as u64;
                place.prev_crc = framed.crc;
                if (kind::USER_MIN..=kind::USER_MAX).contains(&framed.record.kind) {
                    place.last_seq = framed.record.seq;
                    if framed.record.seq > after_seq {
                        each(framed.record);
                        count += 1;
                    }
                }
            }
            if ended {
                match Self::follow(storage, &place)? {
                    Some(next) => place = next,
                    None => break,
                }
            }
        }
        self.place = Some(place);
        Ok(count)
    }

    fn header<S: Storage>(storage: &S, index: u64) -> Result<SegmentHeader, LogFault> {
        let name = segment_name(index);
        let mut page = Vec::new();
        storage.read(&name, 0, SEGMENT_HEADER_BYTES as usize, &mut page)?;
        SegmentHeader::decode(&page).map_err(|what| LogFault::Damaged {
            path: storage.path(&name),
            offset: 0,
            what,
        })
    }

    fn seek<S: Storage>(&self, storage: &S, after_seq: u64) -> Result<Option<Place>, LogFault> {
        let mut found = None;
        for index in segments(storage)?.into_iter().rev() {
            let header = Self::header(storage, index)?;
            if stream_id(&header.stream) != self.stream {
                let what = format!("it belongs to stream {:?}", header.stream);
                return Err(LogFault::Damaged { path: storage.path(&segment_name(index)), offset: 0, what });
            }
            let last_seq = header.first_seq - 1;
            found = Some(Place { index, offset: SEGMENT_HEADER_BYTES, prev_crc: header.prev_crc, last_seq });
            if last_seq <= after_seq {
                return Ok(found);
            }
        }
        match found {
            None => Ok(None),
            Some(place) => Err(LogFault::Damaged {
                path: storage.path(&segment_name(place.index)),
                offset: 0,
                what: format!(
                    "record {} is asked for and the log begins with {}",
                    after_seq + 1,
                    place.last_seq + 1
                ),
            }),
        }
    }

    /// The next segment, when the log goes on there.
    fn follow<S: Storage>(storage: &S, place: &Place) -> Result<Option<Place>, LogFault> {
        let index = place.index + 1;
        if !segments(storage)?.contains(&index) {
            return Ok(None);
        }
        let header = Self::header(storage, index)?;
        if header.first_seq != place.last_seq + 1 || header.prev_crc != place.prev_crc {
            // The writer may have finished this segment between our read and the look at the directory.
            let mut probe = Vec::new();
            let name = segment_name(place.index);
            storage.read(&name, place.offset, CURSOR_CHUNK_BYTES, &mut probe)?;
            return match decode_record(&probe, stream_id(&header.stream)) {
                Ok(framed) if framed.prev == place.prev_crc => Ok(Some(*place)),
                _ => Err(LogFault::Damaged {
                    path: storage.path(&name),
                    offset: place.offset,
                    what: format!("record {} is damaged and a later segment follows", place.last_seq + 1),
                }),
            };
        }
        Ok(Some(Place {
            index,
            offset: SEGMENT_HEADER_BYTES,
            prev_crc: header.prev_crc,
            last_seq: place.last_seq,
        }))
    }
}
