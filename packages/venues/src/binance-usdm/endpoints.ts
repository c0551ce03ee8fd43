import type { Endpoints } from "../types.ts";

/** Source: the venue's documentation, "General info" and "WebSocket base URL split". */
export const endpoints: Endpoints = {
  wsApiPath: "/ws-fapi/v1",
  live: {
    rest: "https://fapi.binance.com",
    wsApi: "wss://ws-fapi.binance.com",
    stream: "wss://fstream.binance.com",
  },
};

/** Paths of the REST API. */
export const paths = {
  time: "/fapi/v1/time",
  exchangeInfo: "/fapi/v1/exchangeInfo",
  depth: "/fapi/v1/depth",
  openOrders: "/fapi/v1/openOrders",
  order: "/fapi/v1/order",
  cancelAll: "/fapi/v1/allOpenOrders",
  countdown: "/fapi/v1/countdownCancelAll",
  trades: "/fapi/v1/userTrades",
  account: "/fapi/v3/account",
  listenKey: "/fapi/v1/listenKey",
} as const;
