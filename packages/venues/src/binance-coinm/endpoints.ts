import type { Endpoints } from "../types.ts";

/** Source: the venue's documentation of COIN-M futures, "General Info" and "WebSocket Market Streams". */
export const endpoints: Endpoints = {
  wsApiPath: "/ws-dapi/v1",
  live: {
    rest: "https://dapi.binance.com",
    wsApi: "wss://ws-dapi.binance.com",
    stream: "wss://dstream.binance.com",
  },
};

/** Paths of the REST API. */
export const paths = {
  time: "/dapi/v1/time",
  exchangeInfo: "/dapi/v1/exchangeInfo",
  depth: "/dapi/v1/depth",
  openOrders: "/dapi/v1/openOrders",
  order: "/dapi/v1/order",
  cancelAll: "/dapi/v1/allOpenOrders",
  trades: "/dapi/v1/userTrades",
  listenKey: "/dapi/v1/listenKey",
} as const;
