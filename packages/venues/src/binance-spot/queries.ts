import { sharedQueries } from "../binance-queries.ts";
import type { RestAnswer, RestClient } from "../rest.ts";
import { paths } from "./endpoints.ts";

export const { depthSnapshot, exchangeInfo, time, openOrders, trades, cancelAll, cancelOrder } =
  sharedQueries(paths);

/** What the account holds of each asset, free and locked. */
export const account = (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
  rest.ask("GET", paths.account, [["omitZeroBalances", "false"]], "signed", stop);

/** This venue's user stream is subscribed to on the WS API connection: there is no listen key to make or keep. */
export const listenKey = null;
/** This venue has no cancel countdown. */
export const countdown = null;
