//! Every bound of the wire, and the relations between them.

/// Bytes before the payload of a frame.
pub const HEADER_LEN: usize = 36;
/// Longest payload of a frame, in bytes.
pub const PAYLOAD_LEN_MAX: usize = 64 * 1024;
/// Longest frame, in bytes.
pub const FRAME_LEN_MAX: usize = HEADER_LEN + PAYLOAD_LEN_MAX;
/// Largest magnitude of a px or qty: what a JavaScript number holds exactly, 2^53 - 1.
pub const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;
/// Largest sequence of a frame: safe in JavaScript, and 285 years at a million frames a second.
pub const SEQ_MAX: u64 = (1 << 53) - 1;
/// Levels of one side of a depth message.
pub const DEPTH_LEVELS_MAX: usize = 1_000;
/// Features of one top-of-book message.
pub const FEATURES_MAX: usize = 64;
/// Longest topic or stream name, in bytes.
pub const TOPIC_LEN_MAX: usize = 64;
/// Longest client order id, in bytes: what the narrowest venue served takes.
pub const CLIENT_ORDER_ID_LEN_MAX: usize = 36;
/// Longest order or execution id of a venue, in bytes.
pub const VENUE_ID_LEN_MAX: usize = 64;
/// Longest asset code, in bytes.
pub const ASSET_LEN_MAX: usize = 16;
/// Longest text of a venue, in bytes.
pub const VENUE_TEXT_LEN_MAX: usize = 256;
/// Longest reason in words, in bytes.
pub const DETAIL_LEN_MAX: usize = 128;
/// Longest reason an operator gives, in bytes.
pub const OPERATOR_REASON_LEN_MAX: usize = 256;
/// Longest name of a principal, in bytes.
pub const PRINCIPAL_LEN_MAX: usize = 64;
/// Longest code of a venue's trading status, in bytes.
pub const STATUS_CODE_LEN_MAX: usize = 16;
/// Bits of `Trade.excluded` that have a meaning.
pub const TRADE_EXCLUDED_MASK: u32 = 0b1111;
/// The last price is not moved, or only where there is none yet: at most one of the two.
pub const TRADE_EXCLUDED_LAST: [u32; 2] = [0b0001, 0b1000];
/// Marks of one risk event: its journal record stays within 4 KiB.
pub const MARKS_MAX: usize = 128;
/// Digits of an approval token: 45 bytes in hex.
pub const APPROVAL_LEN: usize = 90;
/// Longest reference of a risk event, in bytes.
pub const REFERENCE_LEN_MAX: usize = 64;
/// Longest name of a limit, in bytes.
pub const LIMIT_NAME_LEN_MAX: usize = 64;
/// Bits of `BookTop.feature_flags` that have a meaning.
pub const FEATURE_FLAGS_MASK: u32 = 0b11_1111;

const _: () = assert!(FRAME_LEN_MAX < u32::MAX as usize, "a length fits its field");
const _: () = assert!(MARKS_MAX * (5 + 10) + 256 <= 4 * 1024, "the largest marks fit one journal record");
const _: () = assert!(
    DEPTH_LEVELS_MAX * 2 * (10 + 8) + 256 <= PAYLOAD_LEN_MAX,
    "the deepest book with the longest varints fits one frame"
);
