/** Venues: what the shells need to know of each, under the same names. */

import * as alpaca from "./alpaca/index.ts";
import * as binanceCoinm from "./binance-coinm/index.ts";
import * as binanceSpot from "./binance-spot/index.ts";
import * as binanceUsdm from "./binance-usdm/index.ts";
import type { MarketData } from "./market-data.ts";
import * as shioaji from "./shioaji/index.ts";

export { ACCOUNT_SLICES, BudgetSpent, silenceMs, WeightBudget } from "./budget.ts";
export type { FeedLane, FeedRules, FeedStream, MarketData, WaitCode } from "./market-data.ts";
export {
  type MassCancelDesk,
  type MassCancelReport,
  massCancel,
  QUIET_MS,
  sweep,
} from "./mass-cancel.ts";
export {
  ANSWER_MS_MAX,
  BODY_BYTES_MAX,
  NoAnswer,
  RECV_WINDOW_MS,
  type RestAnswer,
  RestClient,
  type RestClientOptions,
  type ToldLimits,
  type WeightOf,
} from "./rest.ts";
export { BACKOFF_MS, mayRetry, retried } from "./retry.ts";
export { signQuery, type VenueKey } from "./sign.ts";
export type { Capabilities, Endpoints, ErrorMeaning, Limits, Reason } from "./types.ts";
export { alpaca, binanceCoinm, binanceSpot, binanceUsdm, shioaji };

/** Venues we trade at, by the name of the instrument table. */
export const VENUES = { BINANCE_SPOT: binanceSpot, BINANCE_USDM: binanceUsdm } as const;
export type VenueName = keyof typeof VENUES;

/** Venues we read market data of, by the name of the instrument table. */
export const FEEDS = {
  BINANCE_SPOT: binanceSpot.marketData,
  BINANCE_USDM: binanceUsdm.marketData,
  BINANCE_COINM: binanceCoinm.marketData,
  ALPACA: alpaca.marketData,
  ALPACA_CRYPTO: alpaca.cryptoMarketData,
  SHIOAJI: shioaji.marketData,
} as const satisfies Record<string, MarketData>;
export type FeedName = keyof typeof FEEDS;
