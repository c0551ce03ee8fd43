/** The daemon's own state, and what the account holds. */

import type { RestAnswer } from "../rest.ts";
import { bodyOf, count, isObject, text } from "./codec.ts";
import { paths } from "./endpoints.ts";
import type { Account, Request } from "./orders.ts";

export const healthRequest = (): Request => ({ method: "GET", target: paths.time, body: null });

/** Whether orders can be sent: logged in, and the certificate still good. */
export interface Health {
  readonly tokenStale: boolean;
  readonly certificateExpired: boolean;
}

/** Throws RangeError where the daemon has changed its shapes. */
export function healthOf(answer: Pick<RestAnswer, "body">): Health {
  const body = bodyOf(answer);
  if (!isObject(body)) throw new RangeError("the health is no object");
  return {
    tokenStale: body["token_stale"] !== false,
    certificateExpired: body["ca_expired"] !== false,
  };
}

export const positionsRequest = ({ brokerId, accountId }: Account): Request => ({
  method: "POST",
  target: paths.positions,
  body: JSON.stringify({
    ...{ account_type: "S", broker_id: brokerId, account_id: accountId, unit: "Common" },
  }),
});

export interface PositionView {
  readonly code: string;
  /** Below 0 for a short position. */
  readonly qtyLots: bigint;
}

/** Throws RangeError on what is no list of positions. */
export function positionViews(answer: Pick<RestAnswer, "body">): PositionView[] {
  const body = bodyOf(answer);
  if (!Array.isArray(body)) throw new RangeError("positions are no list");
  return body.filter(isObject).map((each) => {
    const lots = count(each, "quantity");
    return { code: text(each, "code"), qtyLots: text(each, "direction") === "Buy" ? lots : -lots };
  });
}
