/** Which connection carries what: pure. */

import { alpaca, FEEDS, type FeedName, type FeedRules, type MarketData } from "@tidegate/venues";
import type { MarketDataConfig } from "./config.ts";

/** What the shell must know of a row of the instrument table; the hot loop reads the table itself. */
export interface FedInstrument {
  readonly id: number;
  readonly venue: FeedName;
  readonly symbol: string;
  /** `spot`, `equity`, `future` … as the table has it. */
  readonly kind: string;
  /** Last trading day, `YYYYMMDD` of the exchange's calendar; absent or 0 for what has none. */
  readonly expiry?: number | undefined;
}

/** Where each venue's days turn, in hours east of Greenwich; the others' contracts end by UTC. Taipei has no summer time. */
const DAY_HOURS_EAST: Readonly<Partial<Record<FeedName, number>>> = { SHIOAJI: 8 };

/** Whether an instrument's last day has passed at its exchange: on that day itself it still trades. */
export function isOver({ venue, expiry = 0 }: FedInstrument, nowMs: number): boolean {
  const local = new Date(nowMs + (DAY_HOURS_EAST[venue] ?? 0) * 3_600_000);
  return expiry !== 0 && expiry < Number(local.toISOString().slice(0, 10).replaceAll("-", ""));
}

/** One session of the hot loop's configuration; the loop lays it over as many connections as the caps demand. */
export interface SessionConfig {
  readonly name: string;
  readonly url: string;
  readonly dialect: MarketData["dialect"];
  readonly instrumentIds: readonly number[];
  /** The streams of each instrument, in the order of `instrumentIds`. */
  readonly streams: readonly (readonly { readonly name: string; readonly counted: boolean }[])[];
  readonly streamsInUrl: boolean;
  readonly carriesBook: boolean;
  readonly rules: FeedRules;
  readonly keyFile?: string;
  readonly caFile?: string;
}

/** A configuration that cannot feed anything: what is wrong and what is wanted. */
export class MarketDataConfigError extends Error {
  override readonly name = "MarketDataConfigError";
}

interface Venue {
  readonly feed: MarketData;
  readonly url: string | undefined;
  readonly urlKey: string;
  /** REST of depth snapshots; `null` where the venue needs none. */
  readonly rest: { readonly url: string | undefined; readonly key: string } | null;
  readonly keyFile: string | undefined;
  readonly keyFileKey: string;
  /** The market never closes, whatever the feed's rules say. */
  readonly always?: boolean;
}

const venues = (config: MarketDataConfig): Readonly<Record<FeedName, Venue>> => {
  const binance = (feed: MarketData, name: "spot" | "usdm" | "coinm"): Venue => ({
    feed,
    url: config[`${name}StreamUrl`],
    urlKey: `${name}StreamUrl`,
    rest: { url: config[`${name}RestUrl`], key: `${name}RestUrl` },
    keyFile: undefined,
    keyFileKey: "",
  });
  const own = (feed: MarketData, urlKey: "alpacaStreamUrl" | "alpacaCryptoStreamUrl"): Venue => ({
    feed,
    url: config[urlKey],
    urlKey,
    rest: null,
    keyFile: config.alpacaKeyFile,
    keyFileKey: "alpacaKeyFile",
  });
  return {
    BINANCE_SPOT: binance(FEEDS.BINANCE_SPOT, "spot"),
    BINANCE_USDM: binance(FEEDS.BINANCE_USDM, "usdm"),
    BINANCE_COINM: binance(FEEDS.BINANCE_COINM, "coinm"),
    ALPACA: own(
      config.alpacaFeed === "sip" ? alpaca.sipMarketData : FEEDS.ALPACA,
      "alpacaStreamUrl",
    ),
    ALPACA_CRYPTO: own(FEEDS.ALPACA_CRYPTO, "alpacaCryptoStreamUrl"),
    SHIOAJI: {
      feed: FEEDS.SHIOAJI,
      url: config.shioajiUrl,
      urlKey: "shioajiUrl",
      rest: null,
      keyFile: config.shioajiKeyFile,
      keyFileKey: "shioajiKeyFile",
      always: config.shioajiHours === "always",
    },
  };
};

const SECURITY_TYPES: Readonly<Record<string, string>> = {
  equity: "STK",
  future: "FUT",
  option: "OPT",
};

/** The symbol as the venue's streams name it. Shioaji's daemon wants to know what a code is, and where it is listed. */
function streamSymbol(config: MarketDataConfig, row: FedInstrument): string {
  const { id, venue, symbol, kind } = row;
  if (venue !== "SHIOAJI") return symbol;
  const type = SECURITY_TYPES[kind];
  if (type === undefined) {
    throw new MarketDataConfigError(`instrument ${id}: SHIOAJI lists no ${kind}`);
  }
  const target = config.shioajiTargets[symbol] ?? "";
  if (type === "FUT" && /R[12]$/.test(symbol) && target === "") {
    throw new MarketDataConfigError(
      `instrument ${id}: ${symbol} is continuous; name its contract in shioajiTargets, or only heartbeats come`,
    );
  }
  const stocks = config.shioajiOtcCodes.includes(symbol) ? "OTC" : "TSE";
  return `${type}|${type === "STK" ? stocks : "TAIFEX"}|${symbol}|${target}`;
}

/**
 * The sessions of every configured venue: one a lane of the venue, all its symbols on it. What is over at `nowMs` is not
 * subscribed: a venue answers such a subscription with an error or, worse, with nothing, and the book would never be VALID.
 *
 * Errors  `MarketDataConfigError` when a venue has one of the URLs it needs and not the other, lacks its key, or nothing is fed
 */
export function sessionsFor(
  config: MarketDataConfig,
  instruments: readonly FedInstrument[],
  nowMs: number,
): SessionConfig[] {
  const sessions: SessionConfig[] = [];
  const over: string[] = [];
  for (const [name, venue] of Object.entries(venues(config))) {
    const { feed, url, urlKey, rest, keyFile } = venue;
    if (rest !== null && (url === undefined) !== (rest.url === undefined)) {
      const [have, want] = url === undefined ? [rest.key, urlKey] : [urlKey, rest.key];
      throw new MarketDataConfigError(`${have} is set but ${want} is not: a book needs both`);
    }
    const rows = url === undefined ? [] : instruments.filter((row) => row.venue === name);
    const own = rows.filter((row) => !isOver(row, nowMs));
    over.push(...rows.filter((row) => isOver(row, nowMs)).map(({ symbol }) => symbol));
    if (url === undefined || own.length === 0) continue;
    if (feed.needsKey && keyFile === undefined) {
      throw new MarketDataConfigError(
        `${urlKey} is set but ${venue.keyFileKey} is not: the venue wants a login`,
      );
    }
    for (const [at, lane] of feed.lanes.entries()) {
      sessions.push({
        name: `${name.toLowerCase().replaceAll("_", "-")}${at === 0 ? "" : `-${at}`}`,
        url: `${url.replace(/\/+$/, "")}${lane.path}`,
        dialect: feed.dialect,
        instrumentIds: own.map(({ id }) => id),
        streams: own.map((row) => lane.streams(streamSymbol(config, row))),
        streamsInUrl: lane.streamsInUrl,
        carriesBook: lane.carriesBook,
        rules: rulesOf(venue, config),
        ...(keyFile === undefined ? {} : { keyFile }),
        ...(config.caFile === undefined ? {} : { caFile: config.caFile }),
      });
    }
  }
  if (sessions.length === 0 && over.length > 0) {
    throw new MarketDataConfigError(
      `nothing to feed: ${over.join(", ")} ended; refresh the contracts with \`hft config sync\` and roll with \`hft config build\``,
    );
  }
  if (sessions.length === 0) {
    throw new MarketDataConfigError(
      "nothing to feed: set the stream URL of a venue in the instrument table, and its REST URL where it has one",
    );
  }
  return sessions;
}

function rulesOf({ feed, always = false }: Venue, { reconnectMsMin }: MarketDataConfig): FeedRules {
  const { windows, ...rules } = feed.rules;
  return {
    ...rules,
    backoffMsMin: reconnectMsMin,
    ...(windows === undefined || always ? {} : { windows }),
  };
}

/** Base URL of the venue's REST end; empty where the venue is not configured or has none. */
export function restUrl(config: MarketDataConfig, venue: FeedName): string {
  return venues(config)[venue].rest?.url ?? "";
}
