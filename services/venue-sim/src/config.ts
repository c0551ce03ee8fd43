/** Settings of venue-sim: schema only. */

import { fileURLToPath } from "node:url";
import { z } from "zod";

/** The captures that ship with the project. */
export const SAMPLE_FILES: readonly string[] = [
  "binance-spot-btcusdt.jsonl.gz",
  "binance-usdm-btcusdt.jsonl.gz",
].map((name) => fileURLToPath(new URL(`../../../data/samples/${name}`, import.meta.url)));

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
  venueDir: z
    .string()
    .min(1)
    .default("venue")
    .describe("Folder of the venue's own log and run file"),
  apiKey: z.string().min(1).max(128).default("sim").describe("The one key the venue knows"),
  apiSecret: z.string().min(1).max(128).default("sim-secret").describe("Its HMAC secret"),
});
export type VenueSimConfig = z.output<typeof Settings>;
