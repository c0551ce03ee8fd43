import type { Endpoints } from "../types.ts";

/** Source: the venue's documentation, "Trading API" and "Market Data API". Orders are REST; `wsApi` carries their updates. */
export const endpoints: Endpoints = {
  wsApiPath: "/stream",
  live: {
    rest: "https://api.alpaca.markets",
    wsApi: "wss://api.alpaca.markets",
    stream: "wss://stream.data.alpaca.markets",
  },
};

/** Market data over REST has a host of its own. */
export const DATA_REST = "https://data.alpaca.markets";

/** Paths of the REST API. */
export const paths = {
  time: "/v2/clock",
  exchangeInfo: "/v2/assets",
  openOrders: "/v2/orders",
  orders: "/v2/orders",
  orderByClientId: "/v2/orders:by_client_order_id",
  account: "/v2/account",
  positions: "/v2/positions",
  trades: "/v2/account/activities/FILL",
  stockTrades: "/v2/stocks",
  listenKey: null,
} as const;
