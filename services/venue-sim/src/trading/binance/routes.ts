/** Which path is which operation. Pure. */

import type { MarketId } from "../../markets.ts";
import type { Op } from "./desk.ts";

const SPOT: Readonly<Record<string, Op>> = {
  "GET /api/v3/ping": "ping",
  "GET /api/v3/time": "time",
  "GET /api/v3/exchangeInfo": "exchangeInfo",
  "GET /api/v3/depth": "depth",
  "POST /api/v3/order": "order.place",
  "DELETE /api/v3/order": "order.cancel",
  "GET /api/v3/order": "order.status",
  "PUT /api/v3/order/amend/keepPriority": "order.amend",
  "GET /api/v3/openOrders": "openOrders.status",
  "DELETE /api/v3/openOrders": "openOrders.cancelAll",
  "GET /api/v3/myTrades": "trades",
  "GET /api/v3/account": "account",
};
const USDM: Readonly<Record<string, Op>> = {
  "GET /fapi/v1/ping": "ping",
  "GET /fapi/v1/time": "time",
  "GET /fapi/v1/exchangeInfo": "exchangeInfo",
  "GET /fapi/v1/depth": "depth",
  "POST /fapi/v1/order": "order.place",
  "DELETE /fapi/v1/order": "order.cancel",
  "GET /fapi/v1/order": "order.status",
  "PUT /fapi/v1/order": "order.amend",
  "GET /fapi/v1/openOrders": "openOrders.status",
  "DELETE /fapi/v1/allOpenOrders": "openOrders.cancelAll",
  "GET /fapi/v1/userTrades": "trades",
  "GET /fapi/v2/account": "account",
  "GET /fapi/v2/positionRisk": "positions",
  "GET /fapi/v3/account": "account",
  "GET /fapi/v3/positionRisk": "positions",
  "POST /fapi/v1/listenKey": "listenKey.start",
  "PUT /fapi/v1/listenKey": "listenKey.keepAlive",
  "DELETE /fapi/v1/listenKey": "listenKey.close",
  "POST /fapi/v1/countdownCancelAll": "countdownCancelAll",
};

export function restRoute(method: string, path: string): { market: MarketId; op: Op } | null {
  const key = `${method} ${path}`;
  const spot = SPOT[key];
  if (spot !== undefined) return { market: "spot", op: spot };
  const usdm = USDM[key];
  return usdm === undefined ? null : { market: "usdm", op: usdm };
}

const WS_METHODS: Readonly<Record<MarketId, Readonly<Record<string, Op>>>> = {
  spot: {
    ping: "ping",
    time: "time",
    exchangeInfo: "exchangeInfo",
    depth: "depth",
    "order.place": "order.place",
    "order.cancel": "order.cancel",
    "order.status": "order.status",
    "order.amend.keepPriority": "order.amend",
    "openOrders.status": "openOrders.status",
    "openOrders.cancelAll": "openOrders.cancelAll",
    myTrades: "trades",
    "account.status": "account",
    "userDataStream.subscribe.signature": "userDataStream.subscribe",
  },
  usdm: {
    ping: "ping",
    time: "time",
    depth: "depth",
    "order.place": "order.place",
    "order.cancel": "order.cancel",
    "order.status": "order.status",
    "order.modify": "order.amend",
    "account.status": "account",
    "account.position": "positions",
  },
};

export function wsMethod(market: MarketId, method: string): Op | null {
  const methods = WS_METHODS[market];
  return Object.hasOwn(methods, method) ? (methods[method] ?? null) : null;
}

export type SocketRoute =
  | { readonly kind: "api"; readonly market: MarketId }
  | { readonly kind: "private"; readonly listenKey: string }
  | {
      readonly kind: "streams";
      readonly market: MarketId;
      readonly combined: boolean;
      readonly names: readonly string[];
      /** What this route carries; the venue splits USD-M streams over two. */
      readonly carries: (stream: string) => boolean;
    };

const PUBLIC = /@(depth|bookTicker)/;

/** The websocket a URL asks for; null is a 404. */
export function socketRoute(url: string): SocketRoute | null {
  const { pathname, searchParams } = new URL(url, "http://venue");
  if (pathname === "/ws-api/v3") return { kind: "api", market: "spot" };
  if (pathname === "/ws-fapi/v1") return { kind: "api", market: "usdm" };
  const match = /^(?:\/(public|market|private))?\/(ws|stream)(?:\/([^/]*))?$/.exec(pathname);
  if (match === null) return null;
  const [, route, form, name] = match;
  const combined = form === "stream";
  if (route === "private") {
    const listenKey = searchParams.get("listenKey") ?? name ?? "";
    return { kind: "private", listenKey };
  }
  const listed = combined ? (searchParams.get("streams") ?? "") : (name ?? "");
  const names = listed.split("/").filter((each) => each !== "");
  const market: MarketId = route === undefined ? "spot" : "usdm";
  const carries = (stream: string) =>
    route === undefined || stream.startsWith("!") || PUBLIC.test(stream) === (route === "public");
  return { kind: "streams", market, combined, names, carries };
}
