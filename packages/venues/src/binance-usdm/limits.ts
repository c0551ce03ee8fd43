import type { WeightOf } from "../rest.ts";
import type { Limits } from "../types.ts";
import { paths } from "./endpoints.ts";

/** Source: exchangeInfo's `rateLimits`; the run's own exchangeInfo decides where it says less. */
export const limits: Limits = {
  weightPerMinute: 2_400,
  ordersPer10s: 300,
  ordersPerMinute: 1_200,
  connectionMsMax: 24 * 3_600_000,
  clientOrderId: /^[.A-Z:/a-z0-9_-]{1,36}$/,
};

/** Weight of a depth snapshot by its number of levels. */
export function depthWeight(levels: number): number {
  if (levels <= 50) return 2;
  if (levels <= 100) return 5;
  return levels <= 500 ? 10 : 20;
}

/** A listen key lives for an hour; renewing it at half of that leaves time for one failure. */
export const LISTEN_KEY_RENEW_MS = 30 * 60_000;

/** Request weight of a REST question. Source: the venue's documentation; an unlisted one counts as the dearest here. */
export const restWeight: WeightOf = (_method, path, params) => {
  if (path === paths.depth) return depthWeight(Number(new Map(params).get("limit") ?? 500));
  const listed: Readonly<Record<string, number>> = {
    [paths.time]: 1,
    [paths.openOrders]: new Map(params).has("symbol") ? 1 : 40,
    [paths.order]: 1,
    [paths.cancelAll]: 1,
    [paths.listenKey]: 1,
    [paths.trades]: 5,
    [paths.account]: 5,
    [paths.countdown]: 10,
  };
  return listed[path] ?? 20;
};
