import type { Limits } from "../types.ts";

/** Source: exchangeInfo's `rateLimits`; the run's own exchangeInfo decides where it says less. */
export const limits: Limits = {
  weightPerMinute: 6_000,
  ordersPer10s: 100,
  connectionMsMax: 24 * 3_600_000,
  clientOrderId: /^[a-zA-Z0-9._:/-]{1,36}$/,
};

/** Weight of a depth snapshot by its number of levels. */
export function depthWeight(levels: number): number {
  if (levels <= 100) return 5;
  if (levels <= 500) return 25;
  return levels <= 1_000 ? 50 : 250;
}
