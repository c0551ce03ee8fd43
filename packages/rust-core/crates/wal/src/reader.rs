//! Reading segments, sealed or growing.

use crate::WalFault;
use crate::format::{BLOCK_HEADER_BYTES, HEADER_BYTES, Header, Item, decode_item, item_bytes, parse_name};
use crate::limits::READ_BYTES;
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
    Ok(decode_item(&bytes).map(|item| placed(item, at)))
}

/// An item with the offset after it.
fn placed(item: Item, at: u64) -> (Item, u64) {
    let size = match &item {
        Item::Block(block) => block.size,
        Item::Footer(footer) => footer.size,
    };
    (item, at + size as u64)
}

/// Reads item after item as [`read_block`] does, many of them with one read of the file.
#[derive(Debug, Default)]
pub struct Reader {
    name: String,
    /// Where `bytes` begin.
    from: u64,
    bytes: Vec<u8>,
}

impl Reader {
    /// The block or footer at `offset` of a segment and the offset after it, as [`read_block`].
    ///
    /// # Errors
    /// The disk fails.
    pub fn read<S: Storage>(
        &mut self,
        storage: &S,
        name: &str,
        offset: u64,
    ) -> Result<Option<(Item, u64)>, WalFault> {
        let at = offset.max(HEADER_BYTES as u64);
        if let Some(item) = self.held(name, at) {
            return Ok(Some(placed(item, at)));
        }
        // What was read before may end within the item, and an open segment has grown since.
        self.bytes.clear();
        self.name.clear();
        storage.read(name, at, READ_BYTES, &mut self.bytes)?;
        self.name.push_str(name);
        self.from = at;
        Ok(self.held(name, at).map(|item| placed(item, at)))
    }

    fn held(&self, name: &str, at: u64) -> Option<Item> {
        let skipped = usize::try_from(at.checked_sub(self.from)?).ok()?;
        if self.name != name { None } else { decode_item(self.bytes.get(skipped..)?) }
    }
}
