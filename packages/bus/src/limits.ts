/** Every bound of the bus's JavaScript ends, and the relations between them; the pure cores hold their own. */

/** Longest frame: 36 bytes of header and 64 KiB of payload. libzmq cuts off a peer that sends more. */
export const FRAME_BYTES_MAX = 36 + 64 * 1024;
/** Longest topic or identity, in bytes. */
export const ADDRESS_BYTES_MAX = 64;
/** Clients one link server knows at once. */
export const PEERS_MAX = 64;
/** Topics one publisher or subscriber holds. */
export const TOPICS_MAX = 4_096;
/** Frames a link holds unacknowledged unless configured smaller; the high-water mark of its socket is the same. */
export const WINDOW_DEFAULT = 4_096;
/** Largest window of a link. */
export const WINDOW_MAX = 65_536;
/** Frames one call of a pure core hands over. */
export const FLUSH_FRAMES_MAX = 256;
/** Messages ZeroMQ queues per subscriber before the publisher drops, visibly to the subscriber. */
export const STREAM_HWM_DEFAULT = 8_192;
/** How often the pure cores look at the time: heartbeats, repeats and staleness follow from it. */
export const TICK_MS = 50;
/** Messages taken from a socket before other work of the event loop gets its turn. */
export const RECEIVE_BATCH_MAX = 256;
/** A peer that connects and does not finish the ZeroMQ handshake in this time is cut off. */
export const HANDSHAKE_MS = 1_000;
/** Between two attempts to connect: the first, and the longest. */
export const RECONNECT_MS_MIN = 20;
export const RECONNECT_MS_MAX = 500;
/** Connections waiting to be accepted. */
export const BACKLOG = 64;
/** Longest path of an ipc socket in bytes: `sun_path` of Linux less its closing zero. */
export const IPC_PATH_BYTES_MAX = 107;
/** How long an orderly close lets the last frames leave. */
export const CLOSE_LINGER_MS = 200;
/** Client keys one CURVE server lets in. */
export const KEYS_MAX = 64;
/** User ids one ipc end accepts. */
export const UIDS_MAX = 16;
/** ZeroMQ's own heartbeats over tcp, where a silent network loss shows nowhere else. */
export const TCP_HEARTBEAT_MS = 1_000;
export const TCP_HEARTBEAT_TIMEOUT_MS = 3_000;
