/** Venues: what the shells need to know of each, under the same names. */

import * as binanceSpot from "./binance-spot/index.ts";
import * as binanceUsdm from "./binance-usdm/index.ts";

export {
  ANSWER_MS_MAX,
  BODY_BYTES_MAX,
  RECV_WINDOW_MS,
  type RestAnswer,
  RestClient,
  type RestClientOptions,
} from "./rest.ts";
export { signQuery, type VenueKey } from "./sign.ts";
export type { Capabilities, Endpoints, ErrorMeaning, Limits } from "./types.ts";
export { binanceSpot, binanceUsdm };

/** By the name of the instrument table. */
export const VENUES = { BINANCE_SPOT: binanceSpot, BINANCE_USDM: binanceUsdm } as const;
export type VenueName = keyof typeof VENUES;
