/** Which websocket carries what: pure. */

import type { VenueName } from "@tidegate/venues";
import type { MarketDataConfig } from "./config.ts";

/** What the shell must know of a row of the instrument table; the hot loop reads the table itself. */
export interface FedInstrument {
  readonly id: number;
  readonly venue: VenueName;
  readonly symbol: string;
}

/** One session of the hot loop's configuration. */
export interface SessionConfig {
  readonly url: string;
  readonly instrumentIds: readonly number[];
  readonly carriesBook: boolean;
}

/** A configuration that cannot feed anything: what is wrong and what is wanted. */
export class MarketDataConfigError extends Error {
  override readonly name = "MarketDataConfigError";
}

interface Venue {
  readonly stream: string | undefined;
  readonly rest: string | undefined;
  readonly keys: readonly [string, string];
  /** Path of the combined stream, and the streams of one symbol on it; the first carries the book. */
  readonly paths: readonly (readonly [string, readonly string[]])[];
}

const venues = (config: MarketDataConfig): Readonly<Record<VenueName, Venue>> => ({
  BINANCE_SPOT: {
    stream: config.spotStreamUrl,
    rest: config.spotRestUrl,
    keys: ["spotStreamUrl", "spotRestUrl"],
    paths: [["/stream", ["depth@100ms", "trade", "bookTicker"]]],
  },
  BINANCE_USDM: {
    stream: config.usdmStreamUrl,
    rest: config.usdmRestUrl,
    keys: ["usdmStreamUrl", "usdmRestUrl"],
    paths: [
      ["/public/stream", ["depth@0ms", "bookTicker"]],
      ["/market/stream", ["trade"]],
    ],
  },
});

/**
 * The sessions of every configured venue: one connection a path, all symbols of the venue on it.
 *
 * Errors  `MarketDataConfigError` when a venue has one of its two URLs, or nothing is fed at all
 */
export function sessionsFor(
  config: MarketDataConfig,
  instruments: readonly FedInstrument[],
): SessionConfig[] {
  const sessions: SessionConfig[] = [];
  for (const [name, { stream, rest, keys, paths }] of Object.entries(venues(config))) {
    if ((stream === undefined) !== (rest === undefined)) {
      const [have, want] = stream === undefined ? [keys[1], keys[0]] : keys;
      throw new MarketDataConfigError(`${have} is set but ${want} is not: a book needs both`);
    }
    const own = instruments.filter(({ venue }) => venue === name);
    if (stream === undefined || own.length === 0) continue;
    const base = stream.replace(/\/+$/, "");
    for (const [at, [path, kinds]] of paths.entries()) {
      const streams = own.flatMap(({ symbol }) =>
        kinds.map((kind) => `${symbol.toLowerCase()}@${kind}`),
      );
      sessions.push({
        url: `${base}${path}?streams=${streams.join("/")}`,
        instrumentIds: own.map(({ id }) => id),
        carriesBook: at === 0,
      });
    }
  }
  if (sessions.length === 0) {
    throw new MarketDataConfigError(
      "nothing to feed: set spotStreamUrl and spotRestUrl, or usdmStreamUrl and usdmRestUrl, of a venue in the instrument table",
    );
  }
  return sessions;
}

/** Base URL of the venue's REST end; empty where the venue is not configured. */
export function restUrl(config: MarketDataConfig, venue: VenueName): string {
  return venues(config)[venue].rest ?? "";
}
