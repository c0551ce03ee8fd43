import type { RestAnswer, RestClient } from "./rest.ts";

/** Rows of one list; a list this long may have been cut short. */
export const ROWS_MAX = 1_000;

/** Paths of the queries all Binance markets have. */
export interface QueryPaths {
  readonly time: string;
  readonly exchangeInfo: string;
  readonly depth: string;
  readonly openOrders: string;
  readonly order: string;
  readonly cancelAll: string;
  readonly trades: string;
}

/** The queries that differ between Binance markets in nothing but their paths. */
export const sharedQueries = (paths: QueryPaths) => ({
  /** Price levels of one symbol, the text as it was sent. */
  depthSnapshot: (
    rest: RestClient,
    symbol: string,
    levels: number,
    stop?: AbortSignal,
  ): Promise<RestAnswer> => {
    const params = [
      ["symbol", symbol],
      ["limit", String(levels)],
    ] as const;
    return rest.ask("GET", paths.depth, params, "none", stop);
  },

  /** Rules and limits; of one symbol, or of all. */
  exchangeInfo: (rest: RestClient, symbol?: string, stop?: AbortSignal): Promise<RestAnswer> => {
    const params = symbol === undefined ? [] : [["symbol", symbol] as const];
    return rest.ask("GET", paths.exchangeInfo, params, "none", stop);
  },

  /** The venue's clock: `{"serverTime": ms}`. */
  time: (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
    rest.ask("GET", paths.time, [], "none", stop),

  /** Our open orders of one symbol. */
  openOrders: (rest: RestClient, symbol: string, stop?: AbortSignal): Promise<RestAnswer> =>
    rest.ask("GET", paths.openOrders, [["symbol", symbol]], "signed", stop),

  /** Cancels every open order of one symbol. */
  cancelAll: (rest: RestClient, symbol: string, stop?: AbortSignal): Promise<RestAnswer> =>
    rest.ask("DELETE", paths.cancelAll, [["symbol", symbol]], "signed", stop),

  /** Cancels one order by the venue's id. */
  cancelOrder: (
    rest: RestClient,
    symbol: string,
    orderId: string,
    stop?: AbortSignal,
  ): Promise<RestAnswer> => {
    const params = [
      ["symbol", symbol],
      ["orderId", orderId],
    ] as const;
    return rest.ask("DELETE", paths.order, params, "signed", stop);
  },

  /** Our trades of one order, or of the symbol from a trade id on, oldest first. */
  trades: (
    rest: RestClient,
    symbol: string,
    which: { readonly orderId: string } | { readonly fromId: string },
    stop?: AbortSignal,
  ): Promise<RestAnswer> => {
    const from =
      "orderId" in which
        ? (["orderId", which.orderId] as const)
        : (["fromId", which.fromId] as const);
    const params = [["symbol", symbol], from, ["limit", String(ROWS_MAX)]] as const;
    return rest.ask("GET", paths.trades, params, "signed", stop);
  },
});
