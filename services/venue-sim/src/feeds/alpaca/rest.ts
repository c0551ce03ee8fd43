/** Alpaca's market-data REST: history by pages, the newest of each kind, snapshots. */

import type { Answer } from "../host.ts";
import { newYorkMidnightMs } from "../time-faults.ts";
import type { AlpacaMarket } from "./market.ts";
import { aggregate, type Bar, levelsOf } from "./messages.ts";
import type { Timestamp } from "./msgpack.ts";

const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 10_000;
const KINDS = ["trades", "quotes", "bars"] as const;
type Kind = (typeof KINDS)[number];
type Row = { readonly t: Timestamp };

class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const MINUTE_MS = 60_000;

function timeframe(text: string | null): (ms: number) => number {
  const [, count = "", unit = ""] = /^(\d{1,2})(Min|T|Hour|H|Day|D)$/.exec(text ?? "1Min") ?? [];
  if (unit === "Day" || unit === "D") return newYorkMidnightMs;
  if (unit === "") throw new Refused(400, `invalid timeframe: ${text}`);
  const ms = Number(count) * (unit === "Min" || unit === "T" ? MINUTE_MS : 60 * MINUTE_MS);
  if (ms === 0) throw new Refused(400, `invalid timeframe: ${text}`);
  return (at) => Math.floor(at / ms) * ms;
}

function rowsOf(market: AlpacaMarket, kind: Kind, query: URLSearchParams): readonly Row[] {
  if (kind !== "bars") return market[kind];
  return aggregate(market.bars, timeframe(query.get("timeframe")));
}

/** ns since the Unix epoch of an RFC 3339 text or a date. */
function instant(text: string | null, otherwise: bigint): bigint {
  if (text === null) return otherwise;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new Refused(400, `invalid time: ${text}`);
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? "";
  const below = BigInt(fraction.padEnd(9, "0").slice(3));
  return BigInt(ms) * 1_000_000n + below;
}

/** One page over several symbols, in the order of their names: a token says where the next begins. */
function page(
  markets: readonly AlpacaMarket[],
  kind: Kind,
  query: URLSearchParams,
): { rows: Map<string, Row[]>; next: string | null } {
  const limit = Number(query.get("limit") ?? LIMIT_DEFAULT);
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    throw new Refused(400, `invalid limit: want 1 to ${LIMIT_MAX}`);
  }
  const start = instant(query.get("start"), 0n);
  const end = instant(query.get("end"), 1n << 62n);
  const descending = query.get("sort") === "desc";
  const ordered = markets.toSorted((a, b) => (a.symbol < b.symbol ? -1 : 1));
  const token = query.get("page_token");
  const [fromSymbol = "", fromNs = ""] =
    token === null ? [] : Buffer.from(token, "base64url").toString("utf8").split("|");
  if (token !== null && !/^\d+$/.test(fromNs)) throw new Refused(400, "invalid page_token");
  const rows = new Map<string, Row[]>();
  let left = limit;
  for (const market of ordered) {
    if (token !== null && market.symbol < fromSymbol) continue;
    let own = rowsOf(market, kind, query).filter(({ t }) => t.ns >= start && t.ns <= end);
    if (descending) own = own.toReversed();
    if (token !== null && market.symbol === fromSymbol) {
      const after = BigInt(fromNs);
      own = own.filter(({ t }) => (descending ? t.ns <= after : t.ns >= after));
    }
    const cut = own[left];
    if (own.length > 0) rows.set(market.symbol, own.slice(0, left));
    if (cut !== undefined) {
      const next = Buffer.from(`${market.symbol}|${cut.t.ns}`).toString("base64url");
      return { rows, next };
    }
    left -= own.length;
  }
  return { rows, next: null };
}

const singular = (kind: Kind) => kind.slice(0, -1);

function latest(market: AlpacaMarket, kind: Kind): Row | null {
  if (kind === "bars") return market.minuteBar ?? market.bars.at(-1) ?? null;
  return market[kind].at(-1) ?? null;
}

function snapshot(market: AlpacaMarket): unknown {
  const days = aggregate(market.bars, newYorkMidnightMs);
  return {
    latestTrade: latest(market, "trades"),
    latestQuote: latest(market, "quotes"),
    minuteBar: latest(market, "bars"),
    dailyBar: market.dailyBar,
    prevDailyBar: (days.at(-2) ?? days.at(-1) ?? market.dailyBar) satisfies Bar | null,
  };
}

function orderbook(market: AlpacaMarket): unknown {
  const { bids, asks } = market.market.levels(50);
  return { t: market.quotes.at(-1)?.t ?? null, b: levelsOf(bids), a: levelsOf(asks) };
}

/** `find` gives a symbol's market, or null where the venue has no such symbol. */
export function alpacaRest(
  url: URL,
  crypto: boolean,
  find: (symbol: string) => AlpacaMarket | null,
): Answer {
  const ok = (body: unknown): Answer => ({ status: 200, body: JSON.stringify(body) });
  const root = crypto ? "/v1beta3/crypto/us/" : "/v2/stocks/";
  const query = url.searchParams;
  try {
    if (!url.pathname.startsWith(root)) throw new Refused(404, "not found");
    const parts = url.pathname.slice(root.length).split("/").map(decodeURIComponent);
    const many = (): AlpacaMarket[] => {
      const names = (query.get("symbols") ?? "").split(",").filter((name) => name !== "");
      if (names.length === 0) throw new Refused(400, "symbols is required");
      return names.map(find).filter((market) => market !== null);
    };
    const byName = <T>(of: (market: AlpacaMarket) => T): Record<string, T> =>
      Object.fromEntries(many().map((market) => [market.symbol, of(market)]));
    // Crypto says latest/trades, stocks trades/latest; in what follows it is the latter.
    const [first = "", second = "", third = ""] =
      parts[0] === "latest" ? [parts[1], "latest"] : parts;
    const kind = (text: string): Kind | null => KINDS.find((each) => each === text) ?? null;
    const whole = kind(first);
    if (whole !== null && second === "") {
      const { rows, next } = page(many(), whole, query);
      return ok({ [whole]: Object.fromEntries(rows), next_page_token: next });
    }
    if (whole !== null && second === "latest") {
      return ok({ [whole]: byName((market) => latest(market, whole)) });
    }
    if (crypto && first === "orderbooks" && second === "latest") {
      return ok({ orderbooks: byName(orderbook) });
    }
    if (first === "snapshots" && second === "") {
      const snapshots = byName(snapshot);
      return ok(crypto ? { snapshots } : snapshots);
    }
    const own = crypto ? null : kind(second);
    if (!crypto && (own !== null || second === "snapshot")) {
      const market = find(first);
      if (market === null) throw new Refused(422, `invalid symbol: ${first}`);
      if (own === null) return ok({ symbol: first, ...(snapshot(market) as object) });
      if (third === "latest") return ok({ symbol: first, [singular(own)]: latest(market, own) });
      if (third === "") {
        const { rows, next } = page([market], own, query);
        return ok({ symbol: first, [own]: rows.get(first) ?? [], next_page_token: next });
      }
    }
    throw new Refused(404, "not found");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { status: error.status, body: JSON.stringify({ message: error.message }) };
  }
}
