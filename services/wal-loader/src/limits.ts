import { CLICKHOUSE_CONNECTIONS_MAX } from "@tidegate/storage";

/** A group stops growing beyond this many records; all of a group is decoded in memory. */
export const GROUP_RECORDS_MAX = 16_384;
/** WAL blocks of one group. A journal written record by record has blocks of one: a backlog of it must not go in small change. */
export const GROUP_BLOCKS_MAX = GROUP_RECORDS_MAX;
/**
 * Bytes of records of one group. A varint of one byte takes eight in its column, so that with one block more and the columns
 * each row has a group's inserts stay within `INSERT_BYTES_MAX`.
 */
export const GROUP_BYTES_MAX = 7 * 2 ** 20;
/** Bytes that hold the inserts of any but a strange group, which then gets memory of its own. */
export const ROOM_BYTES = 8 * 2 ** 20;
/** Rooms kept for the next groups: of the group that is read, of the one that goes in, and of the one whose blocks do. */
export const ROOMS_MAX = 3;
/** Inserts under way at once: one of each table a group mostly has. */
export const INSERTS_AT_ONCE_MAX = CLICKHOUSE_CONNECTIONS_MAX;
/** First and longest wait after a failure of the database. */
export const BACKOFF_MS_MIN = 100;
export const BACKOFF_MS_MAX = 10_000;
/** Different (stream, epoch) a completeness check holds. */
export const STREAMS_MAX = 65_536;
/** Differences a completeness check words; the rest is counted. */
export const DIFFERENCES_MAX = 64;
/** Largest reason a quarantined record keeps, in characters. */
export const REASON_CHARS_MAX = 256;
/** Newest claims whose files are kept; older ones are tidied away. */
export const CLAIMS_KEPT = 8;
/** A holder of the claim shows that it is there this many times within the silence that ends it. */
export const CLAIM_BEATS = 4;
/**
 * So many times the silence is borne of a process that runs: one that waits for a lock or a disk must not lose its claim to one
 * that then waits for the same.
 */
export const CLAIM_BUSY = 5;
/** Segments whose decided group ends are held in memory: the one being loaded, the one ahead, and one to spare. */
export const END_SEGMENTS_HELD = 3;
/** A ledger file left half written by a process that was killed is tidied away when it is this old. */
export const LEDGER_LEFT_MS = 60_000;
