/** Settings of venue-sim: schema only. */

import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { MarketId } from "./markets.ts";

/** The captures that ship with the project. */
export const SAMPLE_FILES: readonly string[] = [
  "binance-spot-btcusdt.jsonl.gz",
  "binance-usdm-btcusdt.jsonl.gz",
].map((name) => fileURLToPath(new URL(`../../../data/samples/${name}`, import.meta.url)));

const feed = (protocol: RegExp, what: string) => z.url({ protocol }).optional().describe(what);

export const Settings = z.object({
  port: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .describe("Port on 127.0.0.1 of the venue; 0 = any free one"),
  speed: z.number().positive().max(1_000).default(1).describe("Recorded seconds per wall second"),
  data: z
    .array(z.string().min(1))
    .min(1)
    .max(64)
    .default([...SAMPLE_FILES])
    .describe("Capture files to replay"),
  skipS: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe(
      "Recorded seconds before the run begins: the book is made of them, nobody is told them",
    ),
  liveSpotStreamUrl: feed(
    /^wss?$/,
    "Binance spot streams, without a path, instead of the recording",
  ),
  liveSpotRestUrl: feed(/^https?$/, "REST of their depth snapshots; wanted with liveSpotStreamUrl"),
  liveUsdmStreamUrl: feed(
    /^wss?$/,
    "Binance USD-M streams, without a path, instead of the recording",
  ),
  liveUsdmRestUrl: feed(/^https?$/, "REST of their depth snapshots; wanted with liveUsdmStreamUrl"),
  liveReconnectMsMin: z
    .number()
    .int()
    .min(10)
    .max(32_000)
    .default(1_000)
    .describe("First wait before a lost feed is tried again; it doubles, with jitter, up to 32 s"),
  liveRecord: z
    .boolean()
    .default(false)
    .describe("Whether what comes of a live market is written down beside the log, as a capture"),
  venueDir: z
    .string()
    .min(1)
    .default("venue")
    .describe("Folder of the venue's own log and run file"),
  apiKey: z.string().min(1).max(128).default("sim").describe("The one key the venue knows"),
  apiSecret: z.string().min(1).max(128).default("sim-secret").describe("Its HMAC secret"),
  ratesScale: z
    .number()
    .min(1)
    .max(1_000)
    .default(1)
    .describe("The venue allows so many times its usual requests and orders; for load"),
  killKey: z
    .string()
    .min(1)
    .max(128)
    .default("sim-kill")
    .describe("A second key of the same account, which may look and cancel and nothing else"),
  killSecret: z.string().min(1).max(128).default("sim-kill-secret").describe("Its HMAC secret"),
  requestLog: z
    .boolean()
    .default(false)
    .describe("Whether each counted request is written to `requests.ndjson` beside the log"),
  openOrdersMax: z
    .number()
    .int()
    .min(1)
    .max(16_384)
    .default(200)
    .describe("Open orders of a market; one symbol may stand for the many of a venue"),
  alpaca: z
    .boolean()
    .default(false)
    .describe("Whether the orders of Alpaca listen too, on a port of their own"),
  alpacaPort: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .describe("Port on 127.0.0.1 of Alpaca's orders; 0 = any free one"),
  alpacaCash: z
    .number()
    .int()
    .min(0)
    .max(1_000_000_000)
    .default(100_000)
    .describe("Dollars its account begins with"),
  alpacaHours: z
    .enum(["always", "exchange"])
    .default("always")
    .describe("When its stocks trade: at any hour, or when New York does"),
  alpacaFrames: z
    .enum(["binary", "text"])
    .default("binary")
    .describe("Frames of its trade updates: binary as the paper venue's, or text"),
  feeds: z
    .boolean()
    .default(false)
    .describe("Whether the market-data skins of every venue listen too, on ports of their own"),
  feedsControlPort: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .describe("Port on 127.0.0.1 of their control (`/_sim/…`); 0 = any free one"),
  feedsSeed: z
    .number()
    .int()
    .min(0)
    .max(0xffff_ffff)
    .default(1)
    .describe("Seed of the generated markets"),
  feedsScale: z
    .number()
    .min(1)
    .max(1_000)
    .default(1)
    .describe("How fast their session rules run: pings, lives, heartbeats, bars"),
  feedsTls: z
    .boolean()
    .default(false)
    .describe("Whether they speak TLS; the authority is written beside the log"),
  feedsSamples: z
    .boolean()
    .default(true)
    .describe("Whether BTCUSDT of spot and USD-M is the recording, not a generated market"),
  feedsShioajiSocket: z
    .string()
    .min(1)
    .optional()
    .describe("Unix socket of the Shioaji daemon, beside its port"),
  feedsScenario: z
    .string()
    .min(1)
    .optional()
    .describe("File of switches to throw, with their times"),
});
export type VenueSimConfig = z.output<typeof Settings>;

/** Where the live market of one book comes from. */
export interface LivePlace {
  readonly streamUrl: string;
  readonly restUrl: string;
}

/**
 * The markets that are not replayed.
 *
 * Shape   empty where everything is the recording; a market left out of a live venue has no book
 * Errors  half a place: streams without snapshots, or the other way round
 */
export function livePlaces(
  config: Pick<
    VenueSimConfig,
    "liveSpotStreamUrl" | "liveSpotRestUrl" | "liveUsdmStreamUrl" | "liveUsdmRestUrl"
  >,
): Map<MarketId, LivePlace> {
  const places = new Map<MarketId, LivePlace>();
  for (const [market, name] of [
    ["spot", "Spot"],
    ["usdm", "Usdm"],
  ] as const) {
    const streamUrl = config[`live${name}StreamUrl`];
    const restUrl = config[`live${name}RestUrl`];
    if (streamUrl !== undefined && restUrl !== undefined)
      places.set(market, { streamUrl, restUrl });
    else if (streamUrl !== restUrl) {
      const [have, want] = streamUrl === undefined ? ["Rest", "Stream"] : ["Stream", "Rest"];
      throw new Error(
        `live${name}${have}Url is set but live${name}${want}Url is not: a book needs both`,
      );
    }
  }
  return places;
}
