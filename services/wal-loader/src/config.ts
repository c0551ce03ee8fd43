/** Settings of wal-loader: schema only. */

import { z } from "zod";

export const Settings = z.object({
  walDir: z.string().min(1).default("wal").describe("Folder of the recorder's segments"),
  loaderDir: z
    .string()
    .min(1)
    .default("loader")
    .describe("Folder of the ledger, the claims and the group ends; one for all loaders of a WAL"),
  clickhouseUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("ClickHouse server; without it the WAL alone is kept"),
  databaseUrl: z
    .string()
    .regex(/^(postgres(ql)?:\/\/.+|sqlite:.+)$/, "want postgres://… or sqlite:FILE")
    .optional()
    .describe("PostgreSQL or SQLite for the order path; without it ClickHouse alone is loaded"),
  claimMs: z
    .number()
    .int()
    .min(100)
    .max(60_000)
    .default(5_000)
    .describe("A loader that was silent this long is taken over by another of the same loaderDir"),
  pollMs: z
    .number()
    .int()
    .min(10)
    .max(10_000)
    .default(200)
    .describe("How often the end of the WAL is looked at"),
});
export type WalLoaderConfig = z.output<typeof Settings>;
