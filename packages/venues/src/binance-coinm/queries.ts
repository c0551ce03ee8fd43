import { sharedQueries } from "../binance-queries.ts";
import type { RestAnswer, RestClient } from "../rest.ts";
import { paths } from "./endpoints.ts";

export const { depthSnapshot, exchangeInfo, time, openOrders, trades } = sharedQueries(paths);

/** The key of the user stream: made (or given again), renewed, given up. */
export const listenKey = {
  start: (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
    rest.ask("POST", paths.listenKey, [], "key", stop),
  renew: (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
    rest.ask("PUT", paths.listenKey, [], "key", stop),
  close: (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
    rest.ask("DELETE", paths.listenKey, [], "key", stop),
} as const;
