/** What can be made to go wrong with the market data of a venue: names, and where each applies. */

import { Board, type SwitchRow } from "../switchboard.ts";

export { type SwitchArgs, SwitchError } from "../switchboard.ts";

export const VENUES = [
  "BINANCE_SPOT",
  "BINANCE_USDM",
  "BINANCE_COINM",
  "ALPACA",
  "ALPACA_CRYPTO",
  "SHIOAJI",
] as const;
export type FeedVenue = (typeof VENUES)[number];

const BINANCE = ["BINANCE_SPOT", "BINANCE_USDM", "BINANCE_COINM"] as const;
const FUTURES = ["BINANCE_USDM", "BINANCE_COINM"] as const;
const ALPACAS = ["ALPACA", "ALPACA_CRYPTO"] as const;

export const SWITCHES = {
  slow_accept: { part: 1, venues: VENUES, unit: "count", size: 1 },
  auth_timeout: { part: 1, venues: ALPACAS, unit: "count", size: 1 },
  second_connection: { part: 1, venues: ALPACAS, unit: "count", size: 1 },
  shutdown_notice: { part: 1, venues: BINANCE, unit: "count", size: 1 },
  roll_24h: { part: 1, venues: VENUES, unit: "count", size: 1 },
  pong_lost: { part: 1, venues: BINANCE, unit: "count", size: 1 },
  half_open: { part: 1, venues: VENUES, unit: "count", size: 1 },
  tls: { part: 1, venues: VENUES, unit: "count", size: 1 },
  gap: { part: 2, venues: VENUES, unit: "count", size: 1 },
  duplicate: { part: 2, venues: VENUES, unit: "count", size: 1 },
  reorder_symbols: { part: 2, venues: VENUES, unit: "count", size: 1 },
  snapshot_old: { part: 2, venues: BINANCE, unit: "count", size: 1 },
  snapshot_new: { part: 2, venues: BINANCE, unit: "count", size: 1 },
  pu_mismatch: { part: 2, venues: FUTURES, unit: "count", size: 1 },
  crossed: { part: 2, venues: VENUES, unit: "count", size: 1 },
  heartbeat_only: { part: 2, venues: VENUES, unit: "ms", size: 8_000 },
  clock_skew: { part: 5, venues: VENUES, unit: "ms", size: 3_000 },
  dst_change: { part: 5, venues: ["ALPACA"], unit: "ms", size: 3_000 },
  night_session: { part: 5, venues: ["SHIOAJI"], unit: "ms", size: 4_000 },
  early_close: { part: 5, venues: ["ALPACA"], unit: "ms", size: 4_000 },
  wall_leap: { part: 5, venues: VENUES, unit: "ms", size: 2_000 },
  burst: { part: 6, venues: VENUES, unit: "ms", size: 2_000 },
  slow_client: { part: 6, venues: VENUES, unit: "count", size: 1 },
} as const satisfies Record<string, SwitchRow>;
export type SwitchName = keyof typeof SWITCHES;
export const SWITCH_NAMES = Object.keys(SWITCHES) as SwitchName[];

export function applies(name: SwitchName, venue: FeedVenue): boolean {
  return (SWITCHES[name].venues as readonly FeedVenue[]).includes(venue);
}

/** The switches of one venue's market data. */
export class Switchboard extends Board<FeedVenue, SwitchName> {
  constructor(venue: FeedVenue) {
    super(venue, SWITCHES);
  }
}
