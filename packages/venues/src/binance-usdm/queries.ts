import { sharedQueries } from "../binance-queries.ts";
import type { RestAnswer, RestClient } from "../rest.ts";
import { paths } from "./endpoints.ts";

export const { depthSnapshot, exchangeInfo, time, openOrders, trades, cancelAll, cancelOrder } =
  sharedQueries(paths);

/** Wallets and positions, as they are now. */
export const account = (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
  rest.ask("GET", paths.account, [], "signed", stop);

/** The key of the user stream: made (or given again), renewed, given up. */
export const listenKey = {
  start: (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
    rest.ask("POST", paths.listenKey, [], "key", stop),
  renew: (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
    rest.ask("PUT", paths.listenKey, [], "key", stop),
  close: (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
    rest.ask("DELETE", paths.listenKey, [], "key", stop),
} as const;

/**
 * Sets the venue's dead-man switch of one symbol: unless it is set again, all its orders are cancelled after `ms`; 0 stops it.
 * Source: "Auto-Cancel All Open Orders", POST /fapi/v1/countdownCancelAll.
 */
export const countdown = (
  rest: RestClient,
  symbol: string,
  ms: number,
  stop?: AbortSignal,
): Promise<RestAnswer> => {
  const params = [
    ["symbol", symbol],
    ["countdownTime", String(ms)],
  ] as const;
  return rest.ask("POST", paths.countdown, params, "signed", stop);
};
