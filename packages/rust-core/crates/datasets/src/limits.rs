//! Every bound of the readers.

/// Longest line of a text file, without its end. The longest a venue has sent is an instrument list of 1.9 MB.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// Bytes read ahead of the caller.
pub const READ_AHEAD_BYTES: usize = 64 << 10;
/// Largest metadata block of a DBN file: symbol tables of a whole venue stay below it.
pub const DBN_METADATA_BYTES_MAX: usize = 64 << 20;
/// Largest record of a DBN file: its length is one byte of 4-byte words.
pub const DBN_RECORD_BYTES_MAX: usize = 255 * 4;
/// Most levels a side of a LOBSTER order book file.
pub const LOBSTER_LEVELS_MAX: usize = 200;
/// Memory that an xz file may ask for to be unpacked, in KiB.
pub const XZ_MEMORY_KIB_MAX: u32 = 256 << 10;
