//! Every bound of the codec and of a session, and the relations between them.

/// Longest message, in bytes, from `8=` to the SOH after the checksum. A longer BodyLength is garbled.
pub const MESSAGE_BYTES_MAX: usize = 8_192;
/// Longest BeginString field, in bytes: `8=FIXT.1.1` and its SOH.
pub const BEGIN_BYTES_MAX: usize = 11;
/// Fields of one message. The shortest field, `1=` and SOH, has three bytes: a message in bounds cannot hold more.
pub const FIELDS_MAX: usize = MESSAGE_BYTES_MAX / 3 + 1;
/// Entries of one repeating group.
pub const GROUP_ENTRIES_MAX: usize = 256;
/// Repeating groups inside one another.
pub const GROUP_DEPTH_MAX: usize = 3;
/// Digits of a tag.
pub const TAG_DIGITS_MAX: usize = 6;
/// Longest CompID, in bytes.
pub const COMP_ID_BYTES_MAX: usize = 64;
/// Received bytes a session holds while a message is incomplete: one message and one read.
pub const INBOUND_BYTES_MAX: usize = MESSAGE_BYTES_MAX + READ_BYTES;
/// Bytes the shell reads at once.
pub const READ_BYTES: usize = 65_536;
/// Bytes a session holds between two flushes. More is refused to the application; a resend is cut into flushes by the shell.
pub const STAGED_BYTES_MAX: usize = 4 << 20;
/// Highest sequence number: nine digits.
pub const SEQ_MAX: u64 = 999_999_999;
/// Messages with numbers above the expected one that wait for the gap before them. One more is dropped and comes again with the
/// resend.
pub const QUEUED_MAX: usize = 1_024;
/// Their bytes.
pub const QUEUED_BYTES_MAX: usize = 1 << 20;
/// Sent messages that can be sent again. Of older ones a ResendRequest gets a gap fill.
pub const RETAINED_MAX: usize = 4_096;
/// Their bytes.
pub const RETAINED_BYTES_MAX: usize = 2 << 20;
/// Times a ResendRequest is sent for one gap before the session ends.
pub const RESEND_TRIES_MAX: u32 = 3;
/// How long one of them is waited for without progress, in ns.
pub const RESEND_WAIT_NS: u64 = 10_000_000_000;
/// Difference allowed between SendingTime and the clock, in ns.
pub const SENDING_TIME_NS_MAX: i64 = 120_000_000_000;
/// Longest HeartBtInt, in seconds.
pub const HEARTBEAT_SECONDS_MAX: u32 = 3_600;
/// Free text in a message of ours, in bytes; longer text is cut.
pub const TEXT_BYTES_MAX: usize = 256;
/// Sessions of one acceptor.
pub const SESSIONS_MAX: usize = 64;
/// Bytes of a message of ours that are not its body: header, our routing fields, trailer.
pub const ENVELOPE_BYTES_MAX: usize = 512;
/// Longest body, in bytes.
pub const BODY_BYTES_MAX: usize = MESSAGE_BYTES_MAX - ENVELOPE_BYTES_MAX;
/// Replies an application may give to one message.
pub const REPLIES_MAX: usize = 64;

const _: () = assert!(FIELDS_MAX * 3 > MESSAGE_BYTES_MAX);
const _: () = assert!(2 * COMP_ID_BYTES_MAX + 128 < ENVELOPE_BYTES_MAX);
const _: () = assert!(
    RETAINED_BYTES_MAX + RETAINED_MAX * ENVELOPE_BYTES_MAX <= STAGED_BYTES_MAX,
    "a whole resend fits"
);
const _: () = assert!(QUEUED_BYTES_MAX >= 16 * MESSAGE_BYTES_MAX);
