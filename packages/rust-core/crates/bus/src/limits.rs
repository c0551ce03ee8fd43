//! Every bound of the bus, and the relations between them.

use tidegate_wire::limits::FRAME_LEN_MAX;

/// Frames a link holds unacknowledged before it refuses with `NO_CREDIT`, unless configured smaller.
pub const WINDOW_DEFAULT: u32 = 4_096;
/// Largest window of a link.
pub const WINDOW_MAX: u32 = 65_536;
/// Bytes a link holds unacknowledged before it refuses with `NO_CREDIT`.
pub const RETRANSMIT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Spare frame buffers a link keeps for reuse.
pub const SPARE_BUFFERS_MAX: usize = 1_024;
/// Largest spare frame buffer kept, in bytes; larger ones are given back.
pub const SPARE_BUFFER_LEN_MAX: usize = 4 * 1024;
/// Events a link or subscriber holds for its owner. States alternate, so only an owner that never looks reaches it;
/// past it the oldest goes and is counted.
pub const EVENTS_MAX: usize = 64;
/// Between two heartbeats, and between two HELLOs of an unsynced link.
pub const HEARTBEAT_NS: u64 = 100_000_000;
/// Silence after which a peer or publisher counts as stale.
pub const STALE_NS: u64 = 500_000_000;
/// Between two RESEND requests for the same gap.
pub const RESEND_NS: u64 = 100_000_000;
/// Peers one link server knows at once.
pub const PEERS_MAX: usize = 64;
/// Topics one publisher or subscriber end holds.
pub const TOPICS_MAX: usize = 4_096;
/// Longest identity of a client, in bytes.
pub const IDENTITY_LEN_MAX: usize = 64;
/// Frames one `pump` handles before it returns to its loop.
pub const PUMP_FRAMES_MAX: usize = 256;
/// Messages ZeroMQ queues per subscriber before the publisher drops, visibly to the subscriber.
pub const STREAM_HWM: i32 = 8_192;
/// Longest path of an ipc socket in bytes: `sun_path` of Linux less its closing zero.
pub const IPC_PATH_LEN_MAX: usize = 107;
/// How long an orderly close lets the last frames leave, in milliseconds.
pub const CLOSE_LINGER_MS: i32 = 200;
/// Largest part ZeroMQ accepts before it cuts the peer off.
pub const PART_LEN_MAX: usize = FRAME_LEN_MAX;
/// User ids an end accepts.
pub const UIDS_MAX: usize = 16;

const _: () = assert!(WINDOW_DEFAULT <= WINDOW_MAX);
const _: () = assert!(RETRANSMIT_BYTES_MAX >= 64 * FRAME_LEN_MAX, "the longest frames still flow");
const _: () = assert!(STALE_NS >= 3 * HEARTBEAT_NS, "one lost heartbeat is no outage");
