/** Keys of the account: two headers of every request, or the first message of a stream. Pure. */

import { timingSafeEqual } from "node:crypto";
import { ApiFault } from "./faults.ts";

/** A key of the account and what it may do: everything, or look and cancel alone. */
export interface Permitted {
  readonly key: string;
  readonly secret: string;
  readonly trade: boolean;
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The key that goes with a secret, or null. */
export function keyOf(key: string, secret: string, known: readonly Permitted[]): Permitted | null {
  return known.find((each) => each.key === key && same(each.secret, secret)) ?? null;
}

/** The key a request came with. Refuses none, one that is not ours, and one that may not do what is asked. */
export function checkKey(
  key: string | undefined,
  secret: string | undefined,
  known: readonly Permitted[],
  trades: boolean,
): Permitted {
  if (key === undefined || secret === undefined) throw new ApiFault(403, 0, "forbidden.");
  const found = keyOf(key, secret, known);
  if (found === null || (trades && !found.trade)) {
    throw new ApiFault(401, 40_110_000, "request is not authorized");
  }
  return found;
}
