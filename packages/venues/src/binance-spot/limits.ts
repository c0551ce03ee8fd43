import type { WeightOf } from "../rest.ts";
import type { Limits } from "../types.ts";
import { paths } from "./endpoints.ts";

/** Source: exchangeInfo's `rateLimits`; the run's own exchangeInfo decides where it says less. */
export const limits: Limits = {
  weightPerMinute: 6_000,
  ordersPer10s: 100,
  ordersPerMinute: 0,
  connectionMsMax: 24 * 3_600_000,
  clientOrderId: /^[a-zA-Z0-9._:/-]{1,36}$/,
};

/** Weight of a depth snapshot by its number of levels. */
export function depthWeight(levels: number): number {
  if (levels <= 100) return 5;
  if (levels <= 500) return 25;
  return levels <= 1_000 ? 50 : 250;
}

/** Request weight of a REST question. Source: the venue's documentation; an unlisted one counts as the dearest here. */
export const restWeight: WeightOf = (method, path, params) => {
  if (path === paths.depth) return depthWeight(Number(new Map(params).get("limit") ?? 100));
  const listed: Readonly<Record<string, number>> = {
    [`GET ${paths.time}`]: 1,
    [`GET ${paths.openOrders}`]: new Map(params).has("symbol") ? 6 : 80,
    [`DELETE ${paths.openOrders}`]: 1,
    [`GET ${paths.account}`]: 20,
    [`GET ${paths.order}`]: 4,
    [`DELETE ${paths.order}`]: 1,
  };
  return listed[`${method} ${path}`] ?? 20;
};
