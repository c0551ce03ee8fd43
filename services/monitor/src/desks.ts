/** The monitor's own sessions to the venues: other keys than the router's, which look and cancel. */

import { readFileSync, statSync } from "node:fs";
import { Secret, ServiceFault } from "@tidegate/service-kit";
import {
  ACCOUNT_SLICES,
  binanceSpot,
  binanceUsdm,
  type MassCancelDesk,
  RestClient,
  type VenueKey,
  WeightBudget,
} from "@tidegate/venues";
import { z } from "zod";
import type { MonitorConfig } from "./config.ts";

const Pair = z.object({
  apiKey: z.string().min(1).max(256),
  apiSecret: z.string().min(1).max(256),
});
const Keys = z.partialRecord(z.enum(["binance-spot", "binance-usdm", "alpaca"]), Pair);
const Table = z.object({
  instruments: z.array(z.object({ venue: z.string(), symbol: z.string().min(1) })),
});

/** Longest wait for one answer: a kill asks again rather than wait. */
const ANSWER_MS_MAX = 3_000;

/**
 * The desks of the venues that are configured; none where no URL is.
 *
 * Errors  `ServiceFault`: a file that is missing, not of its form or readable by others; never with a secret
 */
export function killDesks(config: MonitorConfig): MassCancelDesk[] {
  const wanted = [
    [
      "BINANCE_SPOT",
      "binance-spot",
      config.killSpotRestUrl,
      binanceSpot,
      config.spotWeightPerMinute,
    ],
    [
      "BINANCE_USDM",
      "binance-usdm",
      config.killUsdmRestUrl,
      binanceUsdm,
      config.usdmWeightPerMinute,
    ],
  ] as const;
  const urls = wanted.filter(([, , url]) => url !== undefined);
  if (urls.length === 0) return [];
  const { killKeysFile, instrumentsFile } = config;
  if (killKeysFile === undefined || instrumentsFile === undefined)
    throw new ServiceFault(
      "killSpotRestUrl and killUsdmRestUrl need killKeysFile and instrumentsFile",
    );
  if ((mode(killKeysFile) & 0o077) !== 0)
    throw new ServiceFault(
      `others may read the key file ${killKeysFile}; chmod 600 it and change the keys`,
    );
  const keys = read(killKeysFile, Keys, true);
  const { instruments } = read(instrumentsFile, Table, false);
  return urls.map(([name, keyName, url, { queries, limits }, weightPerMinute]) => {
    const pair = keys[keyName];
    if (pair === undefined)
      throw new ServiceFault(`${killKeysFile} has no key of ${keyName}; add it or unset its URL`);
    const secret = new Secret(pair.apiSecret);
    const rest = new RestClient({
      baseUrl: url ?? "",
      key: { key: pair.apiKey, secret: () => secret.reveal() },
      answerMsMax: ANSWER_MS_MAX,
      // Fixed and its own: what the router does with the rest of the account takes nothing from a kill.
      budget: new WeightBudget(weightPerMinute, ACCOUNT_SLICES.weight.monitor),
      weightOf: limits.restWeight,
    });
    const symbols = instruments.filter((row) => row.venue === name).map((row) => row.symbol);
    return { name, rest, queries, symbols };
  });
}

/** The monitor's own key of a venue. Errors as `killDesks`. */
export function venueKey(
  config: MonitorConfig,
  name: "binance-spot" | "binance-usdm" | "alpaca",
): VenueKey {
  const { killKeysFile } = config;
  const pair = killKeysFile === undefined ? undefined : read(killKeysFile, Keys, true)[name];
  if (pair === undefined) throw new ServiceFault(`killKeysFile has no key of ${name}; add it`);
  const secret = new Secret(pair.apiSecret);
  return { key: pair.apiKey, secret: () => secret.reveal() };
}

function mode(path: string): number {
  try {
    return statSync(path).mode;
  } catch (error) {
    throw new ServiceFault(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? "?"}`);
  }
}

function read<S extends z.ZodType>(path: string, schema: S, secret: boolean): z.output<S> {
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // The cause of a secret file would quote its content.
    throw new ServiceFault(
      `cannot read ${path}: ${secret ? (code ?? "not of its form") : message}`,
    );
  }
}
