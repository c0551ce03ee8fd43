/** Starts the reconciliation of each venue that is configured: one symbol of one account each. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Envelope } from "@tidegate/contracts";
import { type Money, type PxGrid, parseMoney, type QtyGrid } from "@tidegate/contracts";
import { type Logger, ServiceFault } from "@tidegate/service-kit";
import { ACCOUNT_SLICES, RestClient, WeightBudget } from "@tidegate/venues";
import { z } from "zod";
import type { MonitorConfig } from "../config.ts";
import { venueKey } from "../desks.ts";
import { AlpacaSide, CASH } from "./alpaca.ts";
import { OurBook } from "./book.ts";
import { periodsOf } from "./cadence.ts";
import { CaseFile } from "./cases.ts";
import { Recon } from "./core.ts";
import { ReconDesk } from "./desk.ts";
import { follow } from "./follow.ts";
import { SpotSide } from "./spot.ts";
import { alpacaHandshake, PrivateStream, spotHandshake, usdmHandshake } from "./stream.ts";
import { UsdmSide } from "./usdm.ts";
import type { Handshake, VenueSide } from "./venue.ts";

/** Of the monitor's slice this percent of the account stays for a kill alone, where a kill has a session of its own. */
const KILL_PERCENT = 1;
/** How often the gateway is asked how far its journal goes, while our side is not whole, ms. */
const CATCH_UP_MS = 200;
/** Longest wait for an answer of a venue without a kill session, ms. */
const ANSWER_MS_MAX = 3_000;
const E8 = 100_000_000n;

const Row = z.object({
  ...{ id: z.number(), venue_id: z.number(), venue: z.string(), symbol: z.string() },
  ...{ base: z.string(), quote: z.string() },
  ...{ px_scale: z.number(), px_unit: z.number(), qty_scale: z.number(), qty_unit: z.number() },
  e8_per_tick_lot: z.number(),
});
type Row = z.output<typeof Row>;
const Table = z.object({ instruments: z.array(z.looseObject({ venue: z.string() })) });
const Opening = z.record(z.string(), z.record(z.string(), z.string()));

/** Venues that can be reconciled, by the names of their keys and case files. */
export type ReconName = "binance-spot" | "binance-usdm" | "alpaca";

export interface ReconParts {
  readonly config: MonitorConfig;
  /** The kill sessions' REST ends, by the venue's name in the instrument table. */
  readonly rests: ReadonlyMap<string, RestClient>;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  readonly freeze: (instrumentId: number, reason: string) => Promise<boolean>;
  readonly halt: (reason: string) => Promise<boolean>;
  readonly lookAgain: (venueId: number) => Promise<boolean>;
  /** How far the gateway's journal goes; null where it does not say. */
  readonly journalSeq: () => Promise<number | null>;
  readonly fail: (error: Error) => void;
}

export interface Running {
  readonly desks: ReadonlyMap<ReconName, ReconDesk>;
  stop(): Promise<void>;
}

/** One venue of the configuration. */
interface Wanted {
  readonly name: ReconName;
  readonly venue: string;
  readonly perMinute: number;
  readonly percent: number;
  /** What the table and the venue's answers call the two assets. */
  readonly assets: (row: Row) => { readonly base: string; readonly quote: string };
  readonly side: (row: Row) => VenueSide;
  readonly handshake: () => Handshake;
}

/** Whether a venue is to be reconciled. */
export const wantsRecon = (config: MonitorConfig): boolean =>
  config.reconSpotWsApiUrl !== undefined ||
  config.reconUsdmStreamUrl !== undefined ||
  config.reconAlpacaRestUrl !== undefined;

/** Errors  `ServiceFault`: a file that is missing or not of its form, or a table without the instrument */
export async function startRecon(parts: ReconParts): Promise<Running> {
  const { config, log } = parts;
  const { reconOpeningFile: opening, reconSettleMs: settleMs } = config;
  if (opening === undefined)
    throw new ServiceFault("a reconciliation needs reconOpeningFile: what the accounts began with");
  const desks = new Map<ReconName, ReconDesk>();
  const handshakes = new Map<ReconName, Handshake>();
  let caughtUp = false;
  let heardMs = (): number => 0;
  for (const wanted of wantedOf(parts)) {
    const row = instrument(config, wanted.venue);
    const { base, quote } = wanted.assets(row);
    const sizes = {
      baseE8PerLot: 10n ** BigInt(8 - row.qty_scale) * BigInt(row.qty_unit),
      quoteE8PerTickLot: BigInt(row.e8_per_tick_lot),
    };
    const totals = openingOf(opening, wanted.name);
    const book = new OurBook({ baseAsset: base, quoteAsset: quote, ...sizes }, totals);
    const rules = {
      ...{ instrumentId: row.id, baseAsset: base, quoteAsset: quote, settleMs },
      cashTolerance: BigInt(config.reconCashToleranceE8) as Money,
      graveCases: config.reconGraveCases,
    };
    const budget = new WeightBudget(wanted.perMinute, wanted.percent);
    const venue = wanted.side(row);
    desks.set(
      wanted.name,
      new ReconDesk({
        ...{ venue, book, budget, file: caseFile(config, wanted.name), settleMs, log },
        place: { venueId: row.venue_id, instrumentId: row.id },
        recon: new Recon(rules, book),
        periods: periodsOf(budget.max, venue),
        ...{ freeze: parts.freeze, halt: parts.halt, lookAgain: parts.lookAgain },
        whole: () => caughtUp,
        heardMs: () => heardMs(),
      }),
    );
    handshakes.set(wanted.name, wanted.handshake());
  }
  const all = [...desks.values()];
  const epoch = Math.floor(Date.now() / 1_000);
  const take = (record: Envelope): void => {
    for (const desk of all) desk.take(record);
  };
  const tail = await follow(config.reconTailUrl, epoch, take);
  heardMs = () => tail.heardMs;
  const timer = setInterval(() => void catchUp(), CATCH_UP_MS);
  /** Our side is whole while the journal is followed, and was once taken to where it ended. */
  async function catchUp(): Promise<void> {
    if (tail.unread > 0) {
      clearInterval(timer);
      parts.fail(new ServiceFault("a record of the gateway's journal cannot be read"));
    }
    if (tail.state !== "SYNCED") {
      if (caughtUp) for (const desk of all) desk.lost();
      caughtUp = false;
    } else if (!caughtUp) {
      const seq = (await parts.journalSeq()) ?? Number.POSITIVE_INFINITY;
      if (tail.seq < seq || tail.state !== "SYNCED") return;
      caughtUp = true;
      log.info({ seq }, "our side is whole: the reconciliation compares");
      for (const desk of all) desk.askAll();
    }
  }
  const streams = [...desks].map(([name, desk]) => {
    const handshake = handshakes.get(name);
    if (handshake === undefined) throw new Error(`no stream of ${name}`);
    return new PrivateStream({
      handshake,
      onText: (text) => desk.hear(text),
      onUp: () => desk.askAll(),
      onDown: (why) =>
        log.warn({ venue: name, why }, "a private stream of the reconciliation is down"),
    });
  });
  return {
    desks,
    async stop() {
      clearInterval(timer);
      for (const each of streams) each.stop();
      for (const each of all) each.stop();
      await tail[Symbol.asyncDispose]();
    },
  };
}

/** The venues that are configured. Errors  `ServiceFault`: one without what it needs */
function wantedOf({ config, rests }: ReconParts): Wanted[] {
  const { monitor } = ACCOUNT_SLICES.weight;
  const rest = (key: string, venue: string, url: string): RestClient => {
    const found = rests.get(venue);
    if (found === undefined) throw new ServiceFault(`${key} also needs ${url}`);
    return found;
  };
  const own = ({ base, quote }: Row) => ({ base, quote });
  const wanted: Wanted[] = [];
  const { reconSpotWsApiUrl: spotUrl, reconUsdmStreamUrl: usdmUrl } = config;
  if (spotUrl !== undefined) {
    const spot = rest("reconSpotWsApiUrl", "BINANCE_SPOT", "killSpotRestUrl");
    wanted.push({
      ...{ name: "binance-spot", venue: "BINANCE_SPOT", assets: own },
      ...{ perMinute: config.spotWeightPerMinute, percent: monitor - KILL_PERCENT },
      side: (row) => new SpotSide(spot, gridOf(row)),
      handshake: () => spotHandshake(spotUrl, venueKey(config, "binance-spot")),
    });
  }
  if (usdmUrl !== undefined) {
    const usdm = rest("reconUsdmStreamUrl", "BINANCE_USDM", "killUsdmRestUrl");
    wanted.push({
      ...{ name: "binance-usdm", venue: "BINANCE_USDM", assets: own },
      ...{ perMinute: config.usdmWeightPerMinute, percent: monitor - KILL_PERCENT },
      side: (row) => {
        const lotE8 = 10n ** BigInt(8 - row.qty_scale) * BigInt(row.qty_unit);
        const e8PerTick = (BigInt(row.e8_per_tick_lot) * E8) / lotE8;
        const assets = { baseAsset: row.base, quoteAsset: row.quote };
        return new UsdmSide(usdm, { ...gridOf(row), ...assets, e8PerTick });
      },
      handshake: () => usdmHandshake(usdmUrl, usdm),
    });
  }
  const { reconAlpacaRestUrl: baseUrl, reconAlpacaStreamUrl: streamUrl } = config;
  if (baseUrl !== undefined) {
    if (streamUrl === undefined)
      throw new ServiceFault("reconAlpacaRestUrl also needs reconAlpacaStreamUrl");
    const key = venueKey(config, "alpaca");
    wanted.push({
      ...{ name: "alpaca", venue: "ALPACA" },
      // The venue names a position by its symbol.
      assets: ({ symbol }) => ({ base: symbol, quote: CASH }),
      ...{ perMinute: config.alpacaRequestsPerMinute, percent: monitor },
      side: (row) => {
        const headers = { "apca-api-key-id": key.key, "apca-api-secret-key": key.secret() };
        const client = new RestClient({ baseUrl, headers, answerMsMax: ANSWER_MS_MAX });
        return new AlpacaSide(client, gridOf(row), Date.now());
      },
      handshake: () => alpacaHandshake(streamUrl, key),
    });
  }
  return wanted;
}

function caseFile({ reconDir }: MonitorConfig, name: ReconName): CaseFile {
  try {
    return new CaseFile(join(reconDir, `${name}.ndjson`));
  } catch (error) {
    throw new ServiceFault((error as Error).message, { cause: error });
  }
}

function json(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new ServiceFault(`cannot read ${path}: ${(error as Error).message}`);
  }
}

function instrument({ instrumentsFile }: MonitorConfig, venue: string): Row {
  if (instrumentsFile === undefined)
    throw new ServiceFault("a reconciliation needs instrumentsFile");
  const { instruments } = Table.parse(json(instrumentsFile));
  const rows = instruments.filter((row) => row.venue === venue);
  // The account's assets are compared whole: with two symbols on them none could be told from the other.
  if (rows.length !== 1)
    throw new ServiceFault(
      `${instrumentsFile} has ${rows.length} instruments of ${venue}; the reconciliation wants one`,
    );
  return Row.parse(rows[0]);
}

function gridOf(row: Row) {
  const px: PxGrid = { pxScale: row.px_scale, tickUnits: BigInt(row.px_unit) };
  const qty: QtyGrid = { qtyScale: row.qty_scale, lotUnits: BigInt(row.qty_unit) };
  return { symbol: row.symbol, px, qty };
}

function openingOf(path: string, name: ReconName): Record<string, bigint> {
  const read = Opening.safeParse(json(path));
  const found = read.success ? read.data[name] : undefined;
  if (found === undefined)
    throw new ServiceFault(
      `${path}: want {"${name}": {"USDT": "0", …}}, amounts as texts, of before the first order`,
    );
  try {
    return Object.fromEntries(
      Object.entries(found).map(([asset, text]) => [asset, parseMoney(text)]),
    );
  } catch (error) {
    throw new ServiceFault(`${path}: ${(error as Error).message}`, { cause: error });
  }
}
