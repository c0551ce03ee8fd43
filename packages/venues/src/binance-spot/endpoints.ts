import type { Endpoints } from "../types.ts";

/** Source: the venue's documentation, "General API information". */
export const endpoints: Endpoints = {
  wsApiPath: "/ws-api/v3",
  live: {
    rest: "https://api.binance.com",
    wsApi: "wss://ws-api.binance.com:443",
    stream: "wss://stream.binance.com:9443",
  },
};

/** Paths of the REST API. */
export const paths = {
  time: "/api/v3/time",
  exchangeInfo: "/api/v3/exchangeInfo",
  depth: "/api/v3/depth",
  openOrders: "/api/v3/openOrders",
  order: "/api/v3/order",
  cancelAll: "/api/v3/openOrders",
  trades: "/api/v3/myTrades",
  account: "/api/v3/account",
} as const;
