import type { Endpoints } from "../types.ts";

/** A daemon on this host, over TCP or its unix socket (`http+unix://` and the percent-encoded path). Source: its README, 1.7. */
export const endpoints: Endpoints = {
  wsApiPath: "/api/v1/stream/data",
  live: {
    rest: "http://127.0.0.1:8080",
    wsApi: "http://127.0.0.1:8080",
    stream: "http://127.0.0.1:8080",
  },
};

/** Paths of the REST API. */
export const paths = {
  time: "/api/v1/health",
  exchangeInfo: "/api/v1/data/contracts",
  depth: "/api/v1/data/snapshots",
  openOrders: "/api/v1/order/trades",
  place: "/api/v1/order/place_order",
  cancel: "/api/v1/order/cancel_order",
  updatePrice: "/api/v1/order/update_price",
  updateQty: "/api/v1/order/update_qty",
  subscribeTrade: "/api/v1/auth/subscribe_trade",
  orderEvents: "/api/v1/stream/data/order_event",
  positions: "/api/v1/portfolio/position_unit",
  trades: "/api/v1/order/order_deal_records",
  subscribe: "/api/v1/stream/subscribe",
  unsubscribe: "/api/v1/stream/unsubscribe",
  events: "/api/v1/stream/data",
  listenKey: null,
} as const;
