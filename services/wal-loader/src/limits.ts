/** A group stops growing beyond this many records; all of a group is decoded in memory. */
export const GROUP_RECORDS_MAX = 16_384;
/** WAL blocks of one group. A journal written record by record has blocks of one: a backlog of it must not go in small change. */
export const GROUP_BLOCKS_MAX = GROUP_RECORDS_MAX;
/** Inserts under way at once. */
export const INSERTS_AT_ONCE_MAX = 4;
/** First and longest wait after a failure of the database. */
export const BACKOFF_MS_MIN = 100;
export const BACKOFF_MS_MAX = 10_000;
/** Different (stream, epoch) a completeness check holds. */
export const STREAMS_MAX = 65_536;
/** Differences a completeness check words; the rest is counted. */
export const DIFFERENCES_MAX = 64;
/** Largest reason a quarantined record keeps, in characters. */
export const REASON_CHARS_MAX = 256;
