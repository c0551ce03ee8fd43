import type { RestAnswer, RestClient } from "../rest.ts";
import { paths } from "./endpoints.ts";

/** Rows of one list; a list this long may have been cut short. */
export const ROWS_MAX = 1_000;

/** Price levels of one symbol, the text as it was sent. */
export const depthSnapshot = (
  rest: RestClient,
  symbol: string,
  levels: number,
  stop?: AbortSignal,
): Promise<RestAnswer> =>
  rest.ask(
    "GET",
    paths.depth,
    [
      ["symbol", symbol],
      ["limit", String(levels)],
    ],
    "none",
    stop,
  );

/** Rules and limits; of one symbol, or of all. */
export const exchangeInfo = (
  rest: RestClient,
  symbol?: string,
  stop?: AbortSignal,
): Promise<RestAnswer> =>
  rest.ask(
    "GET",
    paths.exchangeInfo,
    symbol === undefined ? [] : [["symbol", symbol]],
    "none",
    stop,
  );

/** The venue's clock: `{"serverTime": ms}`. */
export const time = (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
  rest.ask("GET", paths.time, [], "none", stop);

/** Our open orders of one symbol. */
export const openOrders = (
  rest: RestClient,
  symbol: string,
  stop?: AbortSignal,
): Promise<RestAnswer> => rest.ask("GET", paths.openOrders, [["symbol", symbol]], "signed", stop);

/** Our trades of one order, or of the symbol from a trade id on, oldest first. */
export const trades = (
  rest: RestClient,
  symbol: string,
  which: { readonly orderId: string } | { readonly fromId: string },
  stop?: AbortSignal,
): Promise<RestAnswer> => {
  const [name, value] = "orderId" in which ? ["orderId", which.orderId] : ["fromId", which.fromId];
  const params = [
    ["symbol", symbol],
    [name as string, value as string],
    ["limit", String(ROWS_MAX)],
  ] as const;
  return rest.ask("GET", paths.trades, params, "signed", stop);
};

/** This venue's user stream is subscribed to on the WS API connection: there is no listen key to make or keep. */
export const listenKey = null;
