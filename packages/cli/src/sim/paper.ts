/** Where a paper run's market comes from: a venue's public streams, or a recording that is served as a venue serves them. */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { VENUES } from "@tidegate/venues";
import {
  type FeedUrls,
  type PaperFeed,
  parseSimOptions,
  type RawSimOptions,
  type SimOptions,
  UsageError,
} from "./options.ts";

/** Binance's public streams, which want no key. */
export function binanceFeed(): FeedUrls {
  const { BINANCE_SPOT: spot, BINANCE_USDM: usdm } = VENUES;
  return {
    spotStreamUrl: spot.endpoints.live.stream,
    spotRestUrl: spot.endpoints.live.rest,
    usdmStreamUrl: usdm.endpoints.live.stream,
    usdmRestUrl: usdm.endpoints.live.rest,
  };
}

export interface RawPaperOptions extends RawSimOptions {
  readonly session?: string;
}

/**
 * Reads the flags of `hft run paper`.
 * @throws UsageError
 */
export function parsePaperOptions(
  raw: RawPaperOptions,
  root: string,
): SimOptions & { readonly paper: PaperFeed } {
  if (raw.session !== undefined && raw.data !== undefined)
    throw new UsageError("--session and --data are two markets: want one of them, or neither");
  const data = raw.session === undefined ? raw.data : sessionFiles(raw.session);
  const options = parseSimOptions(data === undefined ? raw : { ...raw, data }, root, []);
  if (data === undefined) {
    if (options.speed !== 1)
      throw new UsageError(
        `--speed ${raw.speed}: a venue's own market has its own pace; want --session or --data with it`,
      );
    return { ...options, paper: { kind: "venue", urls: binanceFeed() } };
  }
  const from = raw.session === undefined ? "files" : resolve(raw.session);
  return { ...options, paper: { kind: "recorded", from } };
}

/**
 * The captures that a kept run's market can be had from again: what its venue heard of a live feed, or the files it replayed.
 * @throws UsageError
 */
export function sessionFiles(dir: string): string[] {
  const heard = ["spot", "usdm"]
    .map((market) => join(resolve(dir), `venue/feed-${market}.jsonl`))
    .filter((file) => existsSync(file));
  if (heard.length > 0) return heard;
  for (const name of ["feed", "venue-sim"]) {
    const file = join(resolve(dir), "config", `${name}.json`);
    if (!existsSync(file)) continue;
    const { data } = JSON.parse(readFileSync(file, "utf8")) as { data?: readonly string[] };
    if (data !== undefined && data.length > 0) return [...data];
  }
  throw new UsageError(
    `--session ${dir}: it is no folder of a run; want one that ./hft run paper --keep or ./hft run sim --keep left`,
  );
}

/** Longest wait for a venue's answer before a run, ms. */
const REACH_MS_MAX = 5_000;

/**
 * Asks both REST ends for a sign before anything is started.
 *
 * Errors  one that does not answer, with the remedy
 */
export async function reachable(urls: FeedUrls): Promise<void> {
  const ends = [
    `${urls.spotRestUrl}${VENUES.BINANCE_SPOT.paths.time}`,
    `${urls.usdmRestUrl}${VENUES.BINANCE_USDM.paths.time}`,
  ];
  for (const url of ends) {
    const why = await fetch(url, { signal: AbortSignal.timeout(REACH_MS_MAX) }).then(
      ({ ok, status }) => (ok ? null : `it answers ${status}`),
      (error: Error) => (error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.message,
    );
    if (why !== null)
      throw new Error(
        `the market of ${new URL(url).host} cannot be had (${why}); for a recorded one give --session FOLDER or --data FILES`,
      );
  }
}

/** A key that only this run's venue knows. No real venue gives out keys of this form, and the router takes no other in paper mode. */
export function paperKey(): { readonly apiKey: string; readonly apiSecret: string } {
  return {
    apiKey: `paper-${randomBytes(12).toString("hex")}`,
    apiSecret: randomBytes(32).toString("hex"),
  };
}
