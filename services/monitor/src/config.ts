import { PROCESSES, SOCKETS } from "@tidegate/contracts";
import { alpaca, VENUES } from "@tidegate/venues";
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
  principal: z.string().min(1).max(64).default("monitor").describe("Its own name as a principal"),
  keyFile: z
    .string()
    .min(1)
    .default("state/monitor.key")
    .describe("Its own private key, by which it asks the gateway for HALT or a kill"),
  principalsFile: z
    .string()
    .min(1)
    .optional()
    .describe("Who may kill here: names, roles, public keys; unset = this monitor has no kill"),
  auditFile: z
    .string()
    .min(1)
    .default("audit/monitor.ndjson")
    .describe("The audit trail of its own routes"),
  controlSocket: z
    .string()
    .min(1)
    .max(100)
    .default("s/monitor.sock")
    .describe("Unix socket of its routes, beside the loopback port"),
  latchFile: z
    .string()
    .min(1)
    .default("state/monitor.latch")
    .describe("Its own kill latch; one that is damaged counts as killed"),
  routerKillFile: z
    .string()
    .min(1)
    .default("state/kill")
    .describe("The router's kill file, which a kill here makes"),
  killKeysFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Venue keys of its own as JSON, mode 0600: {"binance-spot": {"apiKey", "apiSecret"}, …}; read and cancel are enough',
    ),
  killSpotRestUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("Binance spot REST; unset = a kill here cancels nothing there"),
  killUsdmRestUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("Binance USD-M REST; unset = a kill here cancels nothing there"),
  spotWeightPerMinute: z
    .number()
    .int()
    .min(10)
    .max(1_000_000)
    .default(VENUES.BINANCE_SPOT.limits.limits.weightPerMinute)
    .describe("Request weight Binance spot allows in a minute; a tenth of it is the monitor's"),
  usdmWeightPerMinute: z
    .number()
    .int()
    .min(10)
    .max(1_000_000)
    .default(VENUES.BINANCE_USDM.limits.limits.weightPerMinute)
    .describe("Request weight USD-M allows in a minute; a tenth of it is the monitor's"),
  instrumentsFile: z
    .string()
    .min(1)
    .optional()
    .describe("Versioned instrument table: the symbols a kill cancels, and what is reconciled"),
  drawdownCapitalE8: z
    .number()
    .int()
    .positive()
    .optional()
    .describe(
      "What the account began with, 1e-8 of the quote asset; set = a drawdown from the peak is told",
    ),
  drawdownAlertBps: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(500)
    .describe(
      "The alert fires so far below the peak, 1/10,000 of it, and clears a tenth below that",
    ),
  drawdownFile: z
    .string()
    .min(1)
    .default("state/monitor.peak")
    .describe("The peak, so that a restart in the middle of a fall begins no new one"),
  reconSpotWsApiUrl: z
    .url({ protocol: /^wss?$/ })
    .optional()
    .describe(
      "Binance spot WS API; set = its account is reconciled, over killSpotRestUrl and its private stream",
    ),
  reconUsdmStreamUrl: z
    .url({ protocol: /^wss?$/ })
    .optional()
    .describe(
      "Binance USD-M streams, without a path; set = its account is reconciled, over killUsdmRestUrl and its private stream",
    ),
  reconAlpacaRestUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("Alpaca's trading API; set = its account is reconciled"),
  reconAlpacaStreamUrl: z
    .url({ protocol: /^wss?$/ })
    .optional()
    .describe("Alpaca's trade updates, without a path; wanted with reconAlpacaRestUrl"),
  alpacaRequestsPerMinute: z
    .number()
    .int()
    .min(10)
    .max(100_000)
    .default(alpaca.limits.limits.weightPerMinute)
    .describe("Requests Alpaca allows the account in a minute; a tenth of them is the monitor's"),
  reconOpeningFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'What each account held before the first order of the gateway\'s journal, as JSON: {"binance-spot": {"BTC": "0", …}, …}',
    ),
  reconTailUrl: z
    .string()
    .startsWith("ipc://")
    .default(`ipc://${SOCKETS.tail}`)
    .describe("The gateway's journal: our side"),
  reconDir: z.string().min(1).default("recon").describe("Folder of the reconciliation's cases"),
  reconSettleMs: z
    .number()
    .int()
    .min(50)
    .max(10_000)
    .default(250)
    .describe("How long our own word about a difference may be on its way, ms"),
  reconGraveCases: z
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(10)
    .describe("With so many cases that wait for a sign-off the gateway is asked for HALT"),
  reconCashToleranceE8: z
    .number()
    .int()
    .min(0)
    .max(1_000_000_000)
    .default(0)
    .describe(
      "A difference of cash up to this is told and freezes nothing, 1e-8 of the quote asset",
    ),
});
export type MonitorConfig = z.output<typeof Settings>;
