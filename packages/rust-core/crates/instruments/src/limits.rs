//! Every bound of the instrument table.

/// Bytes of one table file; a larger one is refused before it is parsed.
pub const TABLE_BYTES_MAX: usize = 16 << 20;
/// Rows of one table.
pub const INSTRUMENTS_MAX: usize = 65_536;
/// Bytes of a symbol.
pub const SYMBOL_BYTES_MAX: usize = 32;
/// Bytes of an asset code.
pub const ASSET_BYTES_MAX: usize = 16;
/// Most decimals of a price or quantity unit: money has eight.
pub const SCALE_MAX: u32 = 8;
/// Largest multiple a unit may be of its decimal.
pub const UNIT_MAX: i64 = 1_000_000;

const _: () = assert!(INSTRUMENTS_MAX * 64 <= TABLE_BYTES_MAX, "a row of JSON needs at least 64 bytes");
