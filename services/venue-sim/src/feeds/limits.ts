/** Bounds of the market-data skins. */

/** Peers of one venue at once, over all its sockets. */
export const PEERS_MAX = 300;
/** Bytes of one request body or websocket message. */
export const MESSAGE_BYTES_MAX = 64 * 1024;
/** Unsent bytes of a peer after which it counts as slow. */
export const UNSENT_BYTES_MAX = 8 * 1024 * 1024;
/** A half-open socket is destroyed after this long, ms. */
export const FROZEN_MS_MAX = 90_000;
/** Truth entries kept; older ones are forgotten and their number told. */
export const TRUTH_ENTRIES_MAX = 262_144;
/** Truth entries of one answer. */
export const TRUTH_PAGE_MAX = 16_384;
/** Levels a side of a truth entry. */
export const TRUTH_LEVELS = 10;
/** Messages a venue may make in one turn of its timer; what is over is made in the next. */
export const MESSAGES_PER_TURN_MAX = 2_000;
/** Symbols a venue generates. */
export const SYMBOLS_MAX = 512;
/** Trades, quotes and bars kept per symbol for REST. */
export const HISTORY_MAX = 10_000;
/** Steps of a scenario file. */
export const SCENARIO_STEPS_MAX = 10_000;
