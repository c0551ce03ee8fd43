/** Starts the reconciliation of what is configured: Binance spot, one symbol. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Money, type PxGrid, parseMoney, type QtyGrid } from "@tidegate/contracts";
import { type Logger, ServiceFault } from "@tidegate/service-kit";
import { ACCOUNT_SLICES, binanceSpot, type RestClient, WeightBudget } from "@tidegate/venues";
import { z } from "zod";
import type { MonitorConfig } from "../config.ts";
import { venueKey } from "../desks.ts";
import { OurBook } from "./book.ts";
import { periodsOf } from "./cadence.ts";
import { CaseFile } from "./cases.ts";
import { Recon } from "./core.ts";
import { ReconDesk, weightsOf } from "./desk.ts";
import { follow } from "./follow.ts";
import { SpotReader } from "./spot.ts";
import { SpotStream } from "./stream.ts";

/** Of the monitor's slice this percent of the account stays for a kill alone. */
const KILL_PERCENT = 1;
/** How often the gateway is asked how far its journal goes, while our side is not whole, ms. */
const CATCH_UP_MS = 200;
const VENUE = "BINANCE_SPOT";

const Row = z.object({
  ...{ id: z.number(), venue_id: z.number(), venue: z.string(), symbol: z.string() },
  ...{ base: z.string(), quote: z.string() },
  ...{ px_scale: z.number(), px_unit: z.number(), qty_scale: z.number(), qty_unit: z.number() },
  e8_per_tick_lot: z.number(),
});
const Table = z.object({ instruments: z.array(z.looseObject({ venue: z.string() })) });
const Opening = z.object({ "binance-spot": z.record(z.string(), z.string()) });

export interface ReconParts {
  readonly config: MonitorConfig;
  readonly rest: RestClient;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  readonly freeze: (instrumentId: number, reason: string) => Promise<boolean>;
  readonly halt: (reason: string) => Promise<boolean>;
  readonly lookAgain: (venueId: number) => Promise<boolean>;
  /** How far the gateway's journal goes; null where it does not say. */
  readonly journalSeq: () => Promise<number | null>;
  readonly fail: (error: Error) => void;
}

export interface Running {
  readonly desk: ReconDesk;
  stop(): Promise<void>;
}

/** Errors  `ServiceFault`: a file that is missing or not of its form, or a table without the instrument */
export async function startRecon(parts: ReconParts): Promise<Running> {
  const { config, rest, log } = parts;
  const { reconSpotWsApiUrl: wsUrl, reconOpeningFile: opening, reconSettleMs: settleMs } = config;
  if (wsUrl === undefined || opening === undefined)
    throw new ServiceFault("reconSpotWsApiUrl needs reconOpeningFile: what the account began with");
  const row = instrument(config);
  const grid = gridOf(row);
  const { base, quote } = row;
  const book = new OurBook(grid.book, openingOf(opening));
  const rules = {
    ...{ instrumentId: row.id, baseAsset: base, quoteAsset: quote, settleMs },
    cashTolerance: BigInt(config.reconCashToleranceE8) as Money,
    graveCases: config.reconGraveCases,
  };
  const percent = ACCOUNT_SLICES.weight.monitor - KILL_PERCENT;
  const budget = new WeightBudget(config.spotWeightPerMinute, percent);
  let file: CaseFile;
  try {
    file = new CaseFile(join(config.reconDir, "binance-spot.ndjson"));
  } catch (error) {
    throw new ServiceFault((error as Error).message, { cause: error });
  }
  let [seq, caughtUp] = [0, false];
  const desk = new ReconDesk({
    ...{ rest, book, budget, file, settleMs, log, symbol: row.symbol },
    place: { venueId: row.venue_id, instrumentId: row.id },
    recon: new Recon(rules, book),
    reader: new SpotReader(grid.reader),
    periods: periodsOf(budget.max, weightsOf()),
    ...{ freeze: parts.freeze, halt: parts.halt, lookAgain: parts.lookAgain },
    whole: () => caughtUp,
  });
  const epoch = Math.floor(Date.now() / 1_000);
  const tail = await follow(config.reconTailUrl, epoch, (record) => desk.take(record));
  const timer = setInterval(() => void catchUp(), CATCH_UP_MS);
  /** Our side is whole while the journal is followed, and was once taken to where it ended. */
  async function catchUp(): Promise<void> {
    if (tail.unread > 0) {
      clearInterval(timer);
      parts.fail(new ServiceFault("a record of the gateway's journal cannot be read"));
    }
    if (tail.state !== "SYNCED") caughtUp = false;
    else if (!caughtUp) {
      seq = (await parts.journalSeq()) ?? Number.POSITIVE_INFINITY;
      if (tail.seq < seq || tail.state !== "SYNCED") return;
      caughtUp = true;
      log.info({ seq }, "our side is whole: the reconciliation compares");
      desk.askAll();
    }
  }
  const stream = new SpotStream({
    url: `${wsUrl.replace(/\/+$/, "")}${binanceSpot.endpoints.wsApiPath}`,
    key: venueKey(config, "binance-spot"),
    onText: (text) => desk.hear(text),
    onUp: () => desk.askAll(),
    onDown: (why) => log.warn({ why }, "the private stream of the reconciliation is down"),
  });
  return {
    desk,
    async stop() {
      clearInterval(timer);
      stream.stop();
      desk.stop();
      await tail[Symbol.asyncDispose]();
    },
  };
}

function json(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new ServiceFault(`cannot read ${path}: ${(error as Error).message}`);
  }
}

function instrument({ instrumentsFile }: MonitorConfig): z.output<typeof Row> {
  if (instrumentsFile === undefined)
    throw new ServiceFault("reconSpotWsApiUrl needs instrumentsFile");
  const { instruments } = Table.parse(json(instrumentsFile));
  const rows = instruments.filter(({ venue }) => venue === VENUE);
  // The account's assets are compared whole: with two symbols on them none could be told from the other.
  if (rows.length !== 1)
    throw new ServiceFault(
      `${instrumentsFile} has ${rows.length} instruments of ${VENUE}; the reconciliation wants one`,
    );
  return Row.parse(rows[0]);
}

function gridOf(row: z.output<typeof Row>) {
  const px: PxGrid = { pxScale: row.px_scale, tickUnits: BigInt(row.px_unit) };
  const qty: QtyGrid = { qtyScale: row.qty_scale, lotUnits: BigInt(row.qty_unit) };
  const book = {
    ...{ baseAsset: row.base, quoteAsset: row.quote },
    baseE8PerLot: 10n ** BigInt(8 - row.qty_scale) * BigInt(row.qty_unit),
    quoteE8PerTickLot: BigInt(row.e8_per_tick_lot),
  };
  return { reader: { symbol: row.symbol, px, qty }, book };
}

function openingOf(path: string): Record<string, bigint> {
  const read = Opening.safeParse(json(path));
  if (!read.success)
    throw new ServiceFault(
      `${path}: want {"binance-spot": {"BTC": "0", …}}, amounts as texts, of before the first order`,
    );
  try {
    const amounts = Object.entries(read.data["binance-spot"]);
    return Object.fromEntries(amounts.map(([asset, text]) => [asset, parseMoney(text)]));
  } catch (error) {
    throw new ServiceFault(`${path}: ${(error as Error).message}`, { cause: error });
  }
}
