import type { RestAnswer, RestClient } from "../rest.ts";
import { paths } from "./endpoints.ts";

/** Trades of one page. */
export const TRADES_PER_PAGE_MAX = 10_000;

/** Which trades: RFC 3339 texts, both ends included; `page` is the `next_page_token` of the answer before. */
export interface TradesQuery {
  readonly from: string;
  readonly to: string;
  readonly feed: string;
  /** Trades of a page, at most `TRADES_PER_PAGE_MAX`. */
  readonly limit?: number;
  readonly page?: string;
  readonly stop?: AbortSignal;
}

/** Trades of one stock between two moments, oldest first: what a lost connection left out. Wants the key as headers. */
export function stockTrades(
  rest: RestClient,
  symbol: string,
  { from, to, feed, limit = TRADES_PER_PAGE_MAX, page, stop }: TradesQuery,
): Promise<RestAnswer> {
  const params: (readonly [string, string])[] = [
    ["start", from],
    ["end", to],
    ["feed", feed],
    ["limit", String(limit)],
  ];
  if (page !== undefined) params.push(["page_token", page]);
  const path = `${paths.stockTrades}/${encodeURIComponent(symbol)}/trades`;
  return rest.ask("GET", path, params, "none", stop);
}

/** The venue's clock. */
export const time = (rest: RestClient, stop?: AbortSignal): Promise<RestAnswer> =>
  rest.ask("GET", paths.time, [], "none", stop);

/** There is no depth to fetch: quotes are the top of the book, and each stands for itself. */
export const depthSnapshot = null;
