//! Every bound of this crate. Beyond one a message is refused by name; nothing grows without end.

/// Longest raw message, bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Deepest nesting of one message.
pub const DEPTH_MAX: usize = 16;
/// Most JSON values in one message; a level of three texts is four values.
pub const NODES_MAX: usize = 400_000;
/// Most keys of one JSON object.
pub const KEYS_MAX: usize = 512;
/// Most levels a side of one book event.
pub const LEVELS_MAX: usize = 25_000;
/// Most digits of one decimal; what is longer does not fit the integer either.
pub const DIGITS_MAX: usize = 38;
/// Most symbols (or channels) one reader keeps state of.
pub const SYMBOLS_MAX: usize = 4_096;
/// Most order-book ids one reader remembers the price of (BitMEX), over all symbols.
pub const LEVEL_IDS_MAX: usize = 200_000;
/// Most book changes held back for one symbol while its snapshot is awaited.
pub const PENDING_MAX: usize = 2_000;
/// Most orders in one snapshot of an order-by-order book.
pub const ORDERS_MAX: usize = 100_000;
/// Most bytes of a symbol, an id or any other text that is kept.
pub const TEXT_BYTES_MAX: usize = 128;

const _: () =
    assert!(LEVELS_MAX * 2 * 4 <= NODES_MAX, "a full book of three-text levels must fit one message");
const _: () = assert!(DEPTH_MAX < 64, "the reader recurses once per depth");
