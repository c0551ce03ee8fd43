/** Settings of the recorder: schema only. */

import { SOCKETS } from "@tidegate/contracts";
import { z } from "zod";

const ipc = () => z.string().startsWith("ipc://");
const bytes = () => z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const Settings = z.object({
  mdUrl: ipc().default(`ipc://${SOCKETS.md}`).describe("The market data streams"),
  tailUrl: ipc().default(`ipc://${SOCKETS.tail}`).describe("The gateway's journal"),
  walDir: z.string().min(1).default("wal").describe("Folder of the segments; one writer"),
  epochFile: z
    .string()
    .min(1)
    .default("state/recorder.epoch")
    .describe("Session number of this process's link"),
  segmentBytes: z
    .number()
    .int()
    .min(4_096)
    .max(128 << 20)
    .default(16 << 20)
    .describe("A segment this long is sealed"),
  segmentAgeMs: z
    .number()
    .int()
    .min(100)
    .max(3_600_000)
    .default(10_000)
    .describe("A segment this old is sealed"),
  powerSafe: z
    .boolean()
    .default(false)
    .describe("Whether each block is synced to the device before it is acknowledged"),
  diskWarnBytes: bytes()
    .default(1 << 30)
    .describe("Free bytes below which the disk is WARN"),
  compression: z
    .enum(["none", "lz4"])
    .default("lz4")
    .describe("How blocks are stored, where that makes them smaller"),
  diskCriticalBytes: bytes()
    .default(128 << 20)
    .describe("Free bytes below which market data is left out, with gap records"),
  diskHaltBytes: bytes()
    .default(32 << 20)
    .describe(
      "Free bytes below which the reserve goes to orders and fills and the gateway is told to halt",
    ),
  reserveBytes: bytes()
    .default(32 << 20)
    .describe("Bytes of the disk that market data can never use; 0 keeps none"),
  dropAtWarn: z
    .array(z.enum(["raw", "depth", "trade"]))
    .default(["raw"])
    .describe("What WARN leaves out already, with gap records: raw, depth, trade"),
});
export type RecorderConfig = z.output<typeof Settings>;

/** The hot loop's configuration. */
export function loopConfig(config: RecorderConfig) {
  return {
    mdEndpoint: config.mdUrl,
    tailEndpoint: config.tailUrl,
    walDir: config.walDir,
    epochPath: config.epochFile,
    segmentBytes: config.segmentBytes,
    segmentAgeMs: config.segmentAgeMs,
    powerSafe: config.powerSafe,
    diskWarnBytes: config.diskWarnBytes,
    compression: config.compression,
    diskCriticalBytes: config.diskCriticalBytes,
    diskHaltBytes: config.diskHaltBytes,
    reserveBytes: config.reserveBytes,
    dropAtWarn: config.dropAtWarn,
  };
}
