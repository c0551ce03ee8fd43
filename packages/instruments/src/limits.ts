/** Every bound of the symbols language. */

/** Longest list, in bytes, and most lines over all its includes. */
export const LIST_BYTES_MAX = 1 << 20;
export const LINES_MAX = 20_000;
/** Deepest chain of includes. */
export const INCLUDES_DEEP_MAX = 16;
/** Most symbols of one list before the subscription cap is asked. */
export const SYMBOLS_MAX = 10_000;
/** Most contracts of one cache. */
export const CONTRACTS_MAX = 200_000;
/** Longest answer of a venue, in bytes: every asset of Alpaca is about 12 MiB, every symbol of Binance spot about 15 MiB. */
export const SOURCE_BYTES_MAX = 64 << 20;
/** Reasons for which an adapter leaves rows out, and codes named for each. */
export const REASONS_MAX = 64;
export const REASON_CODES_MAX = 20;
/** Contracts with figures in one metrics file, and figures of one. */
export const METRIC_CODES_MAX = 20_000;
export const METRIC_KEYS_MAX = 64;
/** Strategies of one bindings file and symbols of one. */
export const BINDINGS_MAX = 1_024;
/** Subscriptions of the venue's feed: four connections of 120 codes; with one loop bound, eight. */
export const SUBSCRIPTIONS_MAX = 480;
export const SUBSCRIPTIONS_LOOP_MAX = 8;
/** Strikes a side of an option rule. */
export const STRIKES_MAX = 50;
/** Instrument ids ever given by one table, those of rows that left it too. */
export const IDS_MAX = 1_000_000;
/** Bytes and rows of one table file; the cores refuse more. */
export const TABLE_BYTES_MAX = 16 << 20;
export const TABLE_ROWS_MAX = 65_536;
