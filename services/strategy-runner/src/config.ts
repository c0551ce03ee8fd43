/** Settings of strategy-runner: schema only. */

import { fileURLToPath } from "node:url";
import { SOCKETS } from "@tidegate/contracts";
import { z } from "zod";

const here = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export const STRATEGIES_MAX = 16;

const StrategySettings = z.object({
  id: z
    .number()
    .int()
    .min(1)
    .max(0xffff_ffff)
    .describe("Number in every intent id; never used for another strategy"),
  file: z.string().min(1).describe("The strategy's file: a default export of defineStrategy"),
  params: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("Checked against the strategy's own schema"),
});

export const Settings = z.object({
  strategies: z
    .array(StrategySettings)
    .min(1)
    .max(STRATEGIES_MAX)
    .default([{ id: 1, file: here("strategies/simple-mm.ts"), params: {} }])
    .refine(
      (all) => new Set(all.map(({ id }) => id)).size === all.length,
      "two strategies have the same id",
    )
    .describe("What runs, one worker each"),
  accountId: z.number().int().min(1).default(1).describe("Account the intents are for"),
  instrumentsFile: z
    .string()
    .min(1)
    .default(here("config/instruments.json"))
    .describe("The instrument table"),
  mdUrl: z.string().min(1).default(`ipc://${SOCKETS.md}`).describe("Market data stream"),
  intentUrl: z
    .string()
    .min(1)
    .default(`ipc://${SOCKETS.intent}`)
    .describe("Intent link of the gateway"),
  standbyIntentUrl: z
    .string()
    .startsWith("ipc://")
    .optional()
    .describe("Intent link of the other gateway of a pair"),
  seed: z.number().int().min(0).max(0xffff_ffff).default(1).describe("Seed of ctx.random()"),
  maxIntentsPerEvent: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(16)
    .describe("Intents one event may cause"),
  eventBudgetMs: z
    .number()
    .positive()
    .max(1_000)
    .default(50)
    .describe("Time one handler call may take"),
  heapMbMax: z
    .number()
    .int()
    .min(16)
    .max(8_192)
    .default(256)
    .describe("Old-generation heap of one worker"),
});
export type StrategyRunnerConfig = z.output<typeof Settings>;
