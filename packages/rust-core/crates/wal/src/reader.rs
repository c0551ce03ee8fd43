//! Reading segments, sealed or growing.

use crate::WalFault;
use crate::format::{BLOCK_HEADER_BYTES, HEADER_BYTES, Header, Item, decode_item, item_bytes, parse_name};
use tidegate_segment::Storage;

/// One segment of a WAL directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Place in the WAL, from 1.
    pub index: u64,
    /// File name.
    pub name: String,
    /// Sealed segments never change.
    pub sealed: bool,
    /// Length now, in bytes.
    pub bytes: u64,
}

/// The segments of a directory, oldest first.
///
/// # Errors
/// The disk fails.
pub fn segments<S: Storage>(storage: &S) -> Result<Vec<SegmentInfo>, WalFault> {
    let mut found = Vec::new();
    for name in storage.list()? {
        let Some((index, sealed)) = parse_name(&name) else { continue };
        match storage.len(&name) {
            Ok(bytes) => found.push(SegmentInfo { index, name, sealed, bytes }),
            // It was sealed, and so renamed, since the directory was listed.
            Err(_) if !sealed => {
                let name = crate::format::sealed_name(index);
                let bytes = storage.len(&name)?;
                found.push(SegmentInfo { index, name, sealed: true, bytes });
            }
            Err(error) => return Err(error.into()),
        }
    }
    found.sort_by_key(|segment| (segment.index, segment.sealed));
    found.dedup_by_key(|segment| segment.index);
    Ok(found)
}

/// The header of a segment.
///
/// # Errors
/// The disk fails or the header is damaged.
pub fn read_header<S: Storage>(storage: &S, name: &str) -> Result<Header, WalFault> {
    let mut bytes = Vec::new();
    storage.read(name, 0, HEADER_BYTES, &mut bytes)?;
    Header::decode(&bytes).ok_or_else(|| WalFault::Damaged {
        path: storage.path(name),
        offset: 0,
        what: "the header of the segment is not whole".into(),
    })
}

/// The block or footer at `offset` (0 = the first block) and the offset after it. `None` at the end of what is whole: the end
/// of a sealed segment is its footer, so `None` there means damage, which `verify` words.
///
/// # Errors
/// The disk fails.
pub fn read_block<S: Storage>(storage: &S, name: &str, offset: u64) -> Result<Option<(Item, u64)>, WalFault> {
    let at = offset.max(HEADER_BYTES as u64);
    let mut bytes = Vec::new();
    storage.read(name, at, BLOCK_HEADER_BYTES, &mut bytes)?;
    let Some(size) = item_bytes(&bytes) else { return Ok(None) };
    storage.read(name, at, size, &mut bytes)?;
    Ok(decode_item(&bytes).map(|item| {
        let size = match &item {
            Item::Block(block) => block.size,
            Item::Footer(footer) => footer.size,
        };
        (item, at + size as u64)
    }))
}
