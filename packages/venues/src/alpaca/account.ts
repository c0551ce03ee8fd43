/** What the account holds and what it traded: positions, cash, fills. */

import { instant, isObject, type Json, type Scales, text, units } from "./codec.ts";
import { paths } from "./endpoints.ts";
import type { Request, Side } from "./orders.ts";

/** Fills of one page. */
export const FILLS_PAGE_MAX = 100;

export const accountRequest = (): Request => ({ method: "GET", target: paths.account, body: null });
export const positionsRequest = (): Request => ({
  method: "GET",
  target: paths.positions,
  body: null,
});

/** Fills from a moment on, oldest first; `after` is the id of the last one of the page before. */
export function fillsRequest(fromMs: number, after: string | null): Request {
  const query = new URLSearchParams({
    after: new Date(fromMs).toISOString(),
    direction: "asc",
    page_size: String(FILLS_PAGE_MAX),
    ...(after === null ? {} : { page_token: after }),
  });
  return { method: "GET", target: `${paths.trades}?${query.toString()}`, body: null };
}

export interface AccountView {
  /** 1e-8 of a dollar. */
  readonly cashE8: bigint;
  readonly buyingPowerE8: bigint;
  /** False where the venue or the owner has blocked trading. */
  readonly mayTrade: boolean;
  readonly mayShort: boolean;
}

/** Throws RangeError, naming what is not as it should be. */
export function accountView(body: Json): AccountView {
  const blocked = ["trading_blocked", "account_blocked", "trade_suspended_by_user"];
  return {
    cashE8: units(text(body, "cash"), 8),
    buyingPowerE8: units(text(body, "buying_power"), 8),
    mayTrade: body["status"] === "ACTIVE" && blocked.every((name) => body[name] !== true),
    mayShort: body["shorting_enabled"] === true,
  };
}

export interface PositionView {
  readonly symbol: string;
  /** Below 0 for a short position. 1e-8: coins have quantities below a lot. */
  readonly qtyE8: bigint;
}

export function positionViews(body: unknown): PositionView[] {
  if (!Array.isArray(body)) throw new RangeError("positions are no list");
  return body.filter(isObject).map((each) => ({
    symbol: text(each, "symbol"),
    qtyE8: units(text(each, "qty"), 8),
  }));
}

export interface FillView {
  /** The page's token, and unique; the part after the colons is the execution's id. */
  readonly activityId: string;
  readonly executionId: string;
  readonly venueOrderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly pxTicks: bigint;
  readonly qtyLots: bigint;
  readonly atNs: bigint;
}

export function fillViews(body: unknown, scalesOf: (symbol: string) => Scales): FillView[] {
  if (!Array.isArray(body)) throw new RangeError("activities are no list");
  return body
    .filter(isObject)
    .filter((each) => each["activity_type"] === "FILL")
    .map((each) => {
      const symbol = text(each, "symbol");
      const { pxScale, qtyScale } = scalesOf(symbol);
      const activityId = text(each, "id");
      return {
        activityId,
        executionId: activityId.split("::")[1] ?? activityId,
        venueOrderId: text(each, "order_id"),
        symbol,
        side: text(each, "side") === "buy" ? "BUY" : "SELL",
        pxTicks: units(text(each, "price"), pxScale),
        qtyLots: units(text(each, "qty"), qtyScale),
        atNs: instant(text(each, "transaction_time")),
      };
    });
}
