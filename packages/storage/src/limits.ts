/** Insert tokens ClickHouse remembers for each table; a retry comes within a few inserts, a backlog within thousands. */
export const DEDUP_WINDOW = 10_000;
/** Largest body of one insert, in bytes: one HTTP request, one part. */
export const INSERT_BYTES_MAX = 64 * 2 ** 20;
/** Requests to ClickHouse under way at once. An insert mostly waits for the disk, and waits that overlap share one. */
export const CLICKHOUSE_CONNECTIONS_MAX = 16;
/** The client gives up a request after this. */
export const REQUEST_MS_MAX = 10_000;
/** A migration, a digest of a whole table and a query of a person may take this long. */
export const LONG_REQUEST_MS_MAX = 3_600_000;
/** The embedded host has to answer within this. */
export const EMBEDDED_START_MS_MAX = 20_000;
/** It has this long to end after its input has ended; then it is killed, which loses nothing that was acknowledged. */
export const EMBEDDED_STOP_MS_MAX = 1_500;
/** Most rows of one relational transaction; a group of the loader is at most this and one block. */
export const BATCH_ROWS_MAX = 32_768;
/** Connections to PostgreSQL, callers that may wait for one, and how long. */
export const POOL_CONNECTIONS_MAX = 4;
export const POOL_WAITING_MAX = 64;
export const POOL_WAIT_MS_MAX = 5_000;
/** A connection to PostgreSQL has to stand within this; a statement has to end within the second. */
export const CONNECT_S_MAX = 5;
export const STATEMENT_MS_MAX = 60_000;
/** A second writer of SQLite is waited for this long. */
export const SQLITE_BUSY_MS_MAX = 5_000;
/** Months of partitions that are made ahead: the next quarter. */
export const PARTITION_MONTHS_AHEAD = 3;
/** Years no store gives up a record of the order path or of the audit: five by law (MiFID II art. 16(7): five, seven on request). */
export const RECORD_YEARS_MIN = 7;
/** Days market data stays in ClickHouse before it may be tiered away. */
export const MARKET_DAYS_MIN = 7;
