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
  paramsFile: z
    .string()
    .min(1)
    .optional()
    .describe("JSON of params, in place of them: read at the start and again on SIGHUP"),
  reviewed: z
    .boolean()
    .default(false)
    .describe("Somebody of ours has read this file: it may share the runner's process"),
  isolation: z
    .enum(["worker", "process"])
    .optional()
    .describe("Where it runs; absent: a worker where it is reviewed, else a process"),
});
export type StrategySettings = z.output<typeof StrategySettings>;

export const Settings = z.object({
  strategies: z
    .array(StrategySettings)
    .min(1)
    .max(STRATEGIES_MAX)
    .default([{ id: 1, file: here("strategies/simple-mm.ts"), params: {}, reviewed: true }])
    .refine(
      (all) => new Set(all.map(({ id }) => id)).size === all.length,
      "two strategies have the same id",
    )
    .refine(
      (all) => all.every(({ isolation, reviewed }) => isolation !== "worker" || reviewed),
      "isolation worker is for reviewed strategies: set reviewed, or isolation process",
    )
    .refine(
      (all) =>
        all.every((each) => each.paramsFile === undefined || Object.keys(each.params).length === 0),
      "a strategy has params and a paramsFile: want one of them",
    )
    .describe("What runs, one worker or process each"),
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
    .describe("Old-generation heap of one strategy"),
  watchdogMs: z
    .number()
    .int()
    .min(50)
    .max(10_000)
    .default(500)
    .describe("A strategy that does not come back from a batch within this is killed"),
  staleEventMs: z
    .number()
    .int()
    .min(1)
    .max(60_000)
    .default(500)
    .describe("Market data older than this is shown as stale, or left out"),
  outputBytesMax: z
    .number()
    .int()
    .min(0)
    .default(65_536)
    .describe("What a strategy's process may print in a session"),
  externalMbMax: z
    .number()
    .int()
    .min(64)
    .max(65_536)
    .default(512)
    .describe("Address space of a strategy's process beyond its engine and heap"),
  processUidBase: z
    .number()
    .int()
    .min(1_000)
    .max(4_000_000_000)
    .default(61_200)
    .describe("Where root: a strategy's process has the uid of this plus its place in the list"),
  openNetwork: z
    .boolean()
    .default(false)
    .describe("Start processes even where their network cannot be taken away"),
  inputLogDir: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Folder for what each worker is given, in its order, so that the session can be run again; unset = none. A strategy in a process writes none",
    ),
  onDeath: z
    .enum(["cancel", "keep"])
    .default("cancel")
    .describe("Resting orders of a strategy that died or was killed"),
});
export type StrategyRunnerConfig = z.output<typeof Settings>;
