/** Settings of market-data: schema only. */

import { fileURLToPath } from "node:url";
import { SOCKETS } from "@tidegate/contracts";
import { z } from "zod";

const here = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export const Settings = z.object({
  spotStreamUrl: z
    .url({ protocol: /^wss?$/ })
    .optional()
    .describe("Binance spot streams, without a path; unset = no spot instrument is fed"),
  spotRestUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("Binance spot REST, for depth snapshots; wanted with spotStreamUrl"),
  usdmStreamUrl: z
    .url({ protocol: /^wss?$/ })
    .optional()
    .describe("Binance USD-M streams, without a path; unset = no USD-M instrument is fed"),
  usdmRestUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("Binance USD-M REST, for depth snapshots; wanted with usdmStreamUrl"),
  instrumentsFile: z
    .string()
    .min(1)
    .default(here("config/instruments.json"))
    .describe("The instrument table"),
  mdUrl: z
    .string()
    .startsWith("ipc://")
    .default(`ipc://${SOCKETS.md}`)
    .describe("Where the streams are published"),
  epochFile: z
    .string()
    .min(1)
    .default("state/market-data.epoch")
    .describe("Session number of the streams; rises at each start"),
  snapshotLevels: z
    .union([z.literal(100), z.literal(500), z.literal(1_000)])
    .default(1_000)
    .describe("Levels a side of a depth snapshot"),
  snapshotMsMax: z
    .number()
    .int()
    .min(100)
    .max(60_000)
    .default(5_000)
    .describe("Longest wait for a depth snapshot"),
});
export type MarketDataConfig = z.output<typeof Settings>;
