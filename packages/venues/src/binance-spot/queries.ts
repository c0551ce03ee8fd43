import { sharedQueries } from "../binance-queries.ts";
import { paths } from "./endpoints.ts";

export const { depthSnapshot, exchangeInfo, time, openOrders, trades, cancelAll, cancelOrder } =
  sharedQueries(paths);

/** This venue's user stream is subscribed to on the WS API connection: there is no listen key to make or keep. */
export const listenKey = null;
/** This venue has no cancel countdown. */
export const countdown = null;
