/** Settings of market-data: schema only. */

import { fileURLToPath } from "node:url";
import { SOCKETS } from "@tidegate/contracts";
import { z } from "zod";

const here = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const stream = (venue: string) =>
  z
    .url({ protocol: /^wss?$/ })
    .optional()
    .describe(`${venue} streams, without a path; unset = no instrument of it is fed`);
const rest = (venue: string, what: string) =>
  z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(`${venue} REST, ${what}`);
const keyFile = (venue: string) =>
  z
    .string()
    .startsWith("/")
    .optional()
    .describe(
      `${venue}: file with {"key": …, "secret": …}, or an open descriptor as /dev/fd/3; a key is taken from nowhere else`,
    );

export const Settings = z.object({
  spotStreamUrl: stream("Binance spot"),
  spotRestUrl: rest("Binance spot", "for depth snapshots; wanted with spotStreamUrl"),
  usdmStreamUrl: stream("Binance USD-M"),
  usdmRestUrl: rest("Binance USD-M", "for depth snapshots; wanted with usdmStreamUrl"),
  coinmStreamUrl: stream("Binance COIN-M"),
  coinmRestUrl: rest("Binance COIN-M", "for depth snapshots; wanted with coinmStreamUrl"),
  alpacaStreamUrl: stream("Alpaca stocks"),
  alpacaFeed: z
    .enum(["iex", "sip"])
    .default("iex")
    .describe("Which tape of Alpaca: iex is in every plan and takes 30 channels, sip is paid"),
  alpacaRestUrl: rest(
    "Alpaca's data",
    "for the stock trades that a lost connection left out; unset = they stay missing",
  ),
  alpacaCryptoStreamUrl: stream("Alpaca crypto"),
  alpacaKeyFile: keyFile("Alpaca"),
  shioajiUrl: z
    .string()
    .regex(/^(https?|http\+unix):\/\/[^\s/]+\/?$/)
    .optional()
    .describe(
      "Shioaji's daemon, as http://127.0.0.1:8080 or http+unix:// and the percent-encoded path of its socket; unset = no instrument of it is fed",
    ),
  shioajiOtcCodes: z
    .array(z.string().min(1))
    .max(1_000)
    .default([])
    .describe("Shioaji: codes of stocks that are listed on OTC; the others are TSE"),
  shioajiTargets: z
    .record(z.string().min(1), z.string().min(1))
    .default({})
    .describe('Shioaji: the contract behind each continuous future, as {"TXFR1": "TXFF6"}'),
  shioajiHours: z
    .enum(["exchange", "always"])
    .default("exchange")
    .describe(
      "Shioaji: when a session is made: in the exchange's hours; always, for a simulator's",
    ),
  shioajiKeyFile: keyFile("Shioaji, wanted where the daemon is not on the loopback"),
  caFile: z
    .string()
    .min(1)
    .optional()
    .describe("PEM file of certificate authorities beside the public ones"),
  reconnectMsMin: z
    .number()
    .int()
    .min(1)
    .max(32_000)
    .default(1_000)
    .describe("First reconnect delay; it doubles, with jitter, up to 32 s"),
  instrumentsFile: z
    .string()
    .min(1)
    .default(here("config/instruments.json"))
    .describe("The instrument table"),
  featureProfile: z
    .string()
    .min(1)
    .default("basic-v1")
    .describe("Profile whose features are published while the rollout has no active set"),
  featureProfiles: z
    .record(z.string().regex(/^[1-9]\d*$/, "want the id of an instrument"), z.string().min(1))
    .default({})
    .describe('Profiles of single instruments by id, as {"3": "micro-v1"}'),
  featureProfilesFile: z
    .string()
    .min(1)
    .default(here("config/feature-profiles.json"))
    .describe("The profiles there are, each pinned to the hash of its set"),
  featureRolloutFile: z
    .string()
    .min(1)
    .default(here("var/feature-rollout.json"))
    .describe(
      "What hft feature rollout-set writes; followed while the service runs; none = no rollout",
    ),
  mdUrl: z
    .string()
    .startsWith("ipc://")
    .default(`ipc://${SOCKETS.md}`)
    .describe("Where the streams are published"),
  snapshotUrl: z
    .string()
    .startsWith("ipc://")
    .default(`ipc://${SOCKETS.mdSnapshot}`)
    .describe("Where late joiners ask for the state of a stream, and for conflated ones"),
  capture: z
    .boolean()
    .default(false)
    .describe("Publish every venue message as it came, for the recorder; about doubles the WAL"),
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
