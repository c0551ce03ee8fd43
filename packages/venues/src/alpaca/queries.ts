import type { RestAnswer, RestClient } from "../rest.ts";
import { paths } from "./endpoints.ts";

/** Trades of one page. */
export const TRADES_PER_PAGE_MAX = 10_000;

/**
 * Trades of one stock between two moments, oldest first: what a lost connection left out.
 *
 * Shape   RFC 3339 texts; `page` is the `next_page_token` of the answer before
 */
export function stockTrades(
  rest: RestClient,
  symbol: string,
  from: string,
  to: string,
  feed: string,
  page?: string,
  stop?: AbortSignal,
): Promise<RestAnswer> {
  const params: (readonly [string, string])[] = [
    ["start", from],
    ["end", to],
    ["feed", feed],
    ["limit", String(TRADES_PER_PAGE_MAX)],
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
