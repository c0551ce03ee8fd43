import { PROCESSES, SOCKETS } from "@tidegate/contracts";
import { z } from "zod";

/** What a monitor watches: every other process of the cluster. */
const WATCHED = PROCESSES.filter((name) => name !== "monitor");

export const Settings = z.object({
  watch: z
    .array(z.string().min(1).max(64))
    .min(1)
    .max(32)
    .default([...WATCHED])
    .describe("Processes to look at, by name"),
  lookMs: z
    .number()
    .int()
    .min(50)
    .max(60_000)
    .default(500)
    .describe("How often each is looked at, ms"),
  missesMax: z
    .number()
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe("Looks in a row without an answer until it counts as down"),
  critical: z
    .array(z.string().min(1).max(64))
    .max(32)
    .default(["market-data", "execution-router"])
    .describe("Processes whose death should stop new risk"),
  haltAfterMs: z
    .number()
    .int()
    .min(0)
    .max(3_600_000)
    .default(5_000)
    .describe(
      "A critical process down for longer makes the monitor ask the gateway for HALT, ms; 0 = never",
    ),
  mdUrl: z
    .string()
    .startsWith("ipc://")
    .default(`ipc://${SOCKETS.md}`)
    .describe("Market-data stream whose heartbeats are watched"),
  controlTokenFile: z
    .string()
    .min(1)
    .default("state/control.token")
    .describe("The gateway's control token"),
});
export type MonitorConfig = z.output<typeof Settings>;
