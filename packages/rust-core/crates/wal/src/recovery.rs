//! What a crash may have left of a growing segment.

use crate::WalFault;
use crate::format::{HEADER_BYTES, Header, Item, decode_item};
use crate::writer::{Open, Position, damaged};
use tidegate_segment::Storage;

/// The whole items of a segment, and where they end.
pub(crate) struct Survey {
    pub header: Header,
    pub open: Open,
    /// A whole footer follows the blocks, and nothing but unused space follows it.
    pub sealed: bool,
    /// Bytes behind the last whole block up to the last that was written.
    pub torn_bytes: u64,
    pub positions: Vec<(String, Position)>,
}

/// Bytes up to the last that is not zero: space made ahead is not what anyone wrote.
pub(crate) fn written(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Whether something whole in `rest`, behind the hole at its start, proves that the hole was once safe: each block says how many
/// before it were not known to be when it was written, and those may reach the disk in any order.
fn later(rest: &[u8], blocks: u32) -> Option<usize> {
    let rest = &rest[..written(rest).min(rest.len())];
    (1..rest.len()).find(|at| match decode_item(&rest[*at..]) {
        Some(Item::Block(block)) => block.index.saturating_sub(u32::from(block.unsynced)) > blocks,
        Some(Item::Footer(_)) => true,
        None => false,
    })
}

/// Reads a segment from its bytes; `None` when not even its header is whole.
pub(crate) fn survey<S: Storage>(storage: &S, name: &str, bytes: &[u8]) -> Result<Option<Survey>, WalFault> {
    let Some(header) = Header::decode(bytes) else { return Ok(None) };
    let mut open = Open::new(&header, &bytes[..HEADER_BYTES]);
    let mut positions = Vec::new();
    let mut next = header.first_wal_seq;
    let mut sealed = false;
    while let Some(item) = bytes.get(open.offset as usize..).and_then(decode_item) {
        let at = open.offset as usize;
        match item {
            Item::Footer(footer) => {
                sealed = footer.prev_crc == open.prev_crc && written(&bytes[at + footer.size..]) == 0;
                open.footer_bytes = if sealed { footer.size as u64 } else { 0 };
                break;
            }
            Item::Block(block) => {
                let due = block.records.first().is_none_or(|record| record.wal_seq == next);
                if block.index != open.blocks || block.prev_crc != open.prev_crc || !due {
                    let what = format!("block {} is not the next", block.index);
                    return Err(damaged(storage, name, open.offset, what));
                }
                for record in &block.records {
                    open.tally.take(&record.stream, record.epoch, record.seq, record.wal_seq, |_| 0);
                    let position = Position { epoch: record.epoch, seq: record.seq };
                    positions.push((record.stream.clone(), position));
                }
                next += block.records.len() as u64;
                open.digest.take(&mut bytes[at..at + block.size].to_vec());
                open.prev_crc = block.crc;
                open.blocks += 1;
                open.offset += block.size as u64;
            }
        }
    }
    let rest = bytes.get(open.offset as usize..).unwrap_or_default();
    if !sealed && let Some(bytes_later) = later(rest, open.blocks) {
        let what =
            format!("block {} is damaged and a whole one stands {bytes_later} bytes later", open.blocks);
        return Err(damaged(storage, name, open.offset, what));
    }
    let torn_bytes = if sealed { 0 } else { written(rest) as u64 };
    Ok(Some(Survey { header, open, sealed, torn_bytes, positions }))
}
