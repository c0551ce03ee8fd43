/** What the shell does for the hot loop: its sessions, and the depth snapshots it asks for. */

import { readFileSync, statSync } from "node:fs";
import type { Engine, HotServiceSpec, ServiceContext } from "@tidegate/service-kit";
import { binanceCoinm, binanceSpot, binanceUsdm, FEEDS, RestClient } from "@tidegate/venues";
import { z } from "zod";
import { Backfill, backfillClient } from "./backfill.ts";
import { type MarketDataConfig, Settings } from "./config.ts";
import { featurePlan, type LoopPlan, readProfiles, readRollout } from "./features.ts";
import { HoldOff } from "./holdoff.ts";
import { type FedInstrument, isOver, restUrl, sessionsFor } from "./sessions.ts";

/** The venue's depth answer for one instrument as it was sent, or an error that says why there is none. */
export type FetchDepth = (
  config: MarketDataConfig,
  instrument: FedInstrument,
  stop: AbortSignal,
) => Promise<Uint8Array>;

const TableFile = z.object({
  instruments: z.array(
    z.object({
      id: z.number().int().positive(),
      venue: z.enum(Object.keys(FEEDS) as [keyof typeof FEEDS, ...(keyof typeof FEEDS)[]]),
      symbol: z.string().min(1),
      kind: z.string().min(1),
      expiry: z.number().int().nonnegative().optional(),
    }),
  ),
});

/** The depth query of each venue whose books are joined from a snapshot and diffs. */
const DEPTH = {
  BINANCE_SPOT: binanceSpot.queries.depthSnapshot,
  BINANCE_USDM: binanceUsdm.queries.depthSnapshot,
  BINANCE_COINM: binanceCoinm.queries.depthSnapshot,
} as const;
const hasDepth = (venue: string): venue is keyof typeof DEPTH => venue in DEPTH;

/** A status other than 200, with how long the venue wants to be left alone. */
export class SnapshotRefused extends Error {
  override readonly name = "SnapshotRefused";
  readonly status: number;
  readonly retryAfterS: number | null;
  constructor(status: number, retryAfterS: number | null, text: string) {
    super(`status ${status}: ${text}`);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

/** The rows of the instrument table; the hot loop checks the rest of them itself. */
export function readInstruments(path: string): FedInstrument[] {
  return TableFile.parse(JSON.parse(readFileSync(path, "utf8"))).instruments;
}

/** What is computed, by the files as they are now. */
export function readFeaturePlan(config: MarketDataConfig): LoopPlan {
  const wishes = { profile: config.featureProfile, byInstrument: config.featureProfiles };
  const rollout = readRollout(config.featureRolloutFile);
  return featurePlan(readProfiles(config.featureProfilesFile), rollout, wishes);
}

/** The hot loop's configuration at `nowMs`, ms since 1970. `trace` gives a span for each touch and trade. */
export function loopConfig(config: MarketDataConfig, trace: boolean, nowMs: number) {
  return {
    endpoint: config.mdUrl,
    snapshotEndpoint: config.snapshotUrl,
    capture: config.capture,
    epochPath: config.epochFile,
    instrumentsPath: config.instrumentsFile,
    sessions: sessionsFor(config, readInstruments(config.instrumentsFile), nowMs),
    features: readFeaturePlan(config),
    trace,
  };
}

/** Asks the venue over REST. A status other than 200 is an error with its text. */
export const fetchDepth: FetchDepth = async (config, { venue, symbol }, stop) => {
  if (!hasDepth(venue)) throw new TypeError(`${venue} has no depth snapshots`);
  const rest = new RestClient({
    baseUrl: restUrl(config, venue),
    answerMsMax: config.snapshotMsMax,
  });
  const depth = DEPTH[venue];
  const { status, body, retryAfterS } = await depth(rest, symbol, config.snapshotLevels, stop);
  if (status !== 200) {
    const text = Buffer.from(body.subarray(0, 200)).toString("utf8");
    throw new SnapshotRefused(status, retryAfterS, text);
  }
  return body;
};

/** Fetches the snapshots the loop asks for, one at a time for each instrument. */
export class Snapshots {
  readonly #stop = new AbortController();
  readonly #fetching = new Map<number, Promise<void>>();
  readonly #instruments: ReadonlyMap<number, FedInstrument>;
  readonly #context: ServiceContext<MarketDataConfig>;
  readonly #engine: Engine;
  readonly #fetchDepth: FetchDepth;
  readonly #holdOff = new HoldOff();

  constructor(context: ServiceContext<MarketDataConfig>, engine: Engine, fetch: FetchDepth) {
    const rows = readInstruments(context.config.instrumentsFile);
    this.#instruments = new Map(rows.map((row) => [row.id, row]));
    this.#context = context;
    this.#engine = engine;
    this.#fetchDepth = fetch;
  }

  /** The loop wants the snapshot of one instrument. While one is on its way the wish is already granted. */
  want(id: unknown): void {
    const instrument = typeof id === "number" ? this.#instruments.get(id) : undefined;
    if (instrument === undefined) {
      this.#context.log.warn({ instrument: id }, "a snapshot of an unknown instrument is wanted");
    } else if (
      !this.#fetching.has(instrument.id) &&
      this.#holdOff.allows(instrument.venue, performance.now())
    ) {
      this.#fetching.set(instrument.id, this.#fetch(instrument));
    }
  }

  async #fetch(instrument: FedInstrument): Promise<void> {
    const { config, log } = this.#context;
    try {
      const body = await this.#fetchDepth(config, instrument, this.#stop.signal);
      const answer = await this.#engine.call({ op: "snapshot", instrument: instrument.id }, body);
      log.info(
        { instrument: instrument.id, outcome: answer["outcome"] },
        "depth snapshot handed over",
      );
    } catch (error) {
      if (error instanceof SnapshotRefused) {
        const { status, retryAfterS } = error;
        this.#holdOff.answered(instrument.venue, status, retryAfterS, performance.now());
      }
      // The loop asks again, so one failure is a line and nothing more.
      if (!this.#stop.signal.aborted) {
        log.warn({ instrument: instrument.id, error: String(error) }, "no depth snapshot");
      }
    } finally {
      this.#fetching.delete(instrument.id);
    }
  }

  /** Gives up what is on its way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#fetching.values());
  }
}

/** How often the files of the features are looked at. */
const FEATURES_LOOK_MS = 1_000;

/** Follows the profiles and rollout files: a change is placed in the loop whole, or refused and the sets stay as they are. */
export class FeatureFollower {
  readonly #context: ServiceContext<MarketDataConfig>;
  readonly #engine: Engine;
  readonly #timer: NodeJS.Timeout;
  #seen: string;
  #placed: string;
  #busy: Promise<void> | null = null;

  constructor(context: ServiceContext<MarketDataConfig>, engine: Engine, everyMs: number) {
    this.#context = context;
    this.#engine = engine;
    this.#seen = this.#stamp();
    this.#placed = JSON.stringify(readFeaturePlan(context.config));
    this.#timer = setInterval(() => void this.look(), everyMs);
    this.#timer.unref();
  }

  /** Looks once; while a change is on its way, waits for it. */
  look(): Promise<void> {
    this.#busy ??= this.#look().finally(() => {
      this.#busy = null;
    });
    return this.#busy;
  }

  /** What tells a file from the one before: a rename gives another inode, a write another time or size. */
  #stamp(): string {
    const { featureProfilesFile, featureRolloutFile } = this.#context.config;
    const one = (path: string): string => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found === undefined ? "none" : `${found.ino} ${found.size} ${found.mtimeMs}`;
    };
    return `${one(featureProfilesFile)} ${one(featureRolloutFile)}`;
  }

  async #look(): Promise<void> {
    const { config, log } = this.#context;
    try {
      const stamp = this.#stamp();
      if (stamp === this.#seen) return;
      this.#seen = stamp;
      const plan = readFeaturePlan(config);
      const text = JSON.stringify(plan);
      if (text === this.#placed) return;
      const answer = await this.#engine.call({ op: "features", features: plan });
      if (answer["ok"] !== true) throw new Error(String(answer["error"]));
      this.#placed = text;
      log.warn({ active: plan.default.active?.profile ?? null }, "the feature sets were changed");
    } catch (error) {
      log.error({ error: String(error) }, "the feature sets stay as they are");
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#busy;
  }
}

/** The service: ready once every book is VALID. */
export function marketData(
  fetch: FetchDepth = fetchDepth,
  nowMs: () => number = Date.now,
): HotServiceSpec<typeof Settings> {
  let snapshots: Snapshots | null = null;
  let backfill: Backfill | null = null;
  return {
    name: "market-data",
    kind: "market-data",
    schema: Settings,
    engineConfig: ({ config, tracer }) => loopConfig(config, tracer.stats().exporting, nowMs()),
    ready: (stats) => stats["state"] === "VALID",
    attach(context, engine) {
      const over = readInstruments(context.config.instrumentsFile).filter((row) =>
        isOver(row, nowMs()),
      );
      for (const { id, symbol, expiry } of over) {
        context.log.warn(
          { instrument: id, symbol, expiry },
          "an instrument is over and not subscribed; roll with `hft config build`",
        );
      }
      const own = new Snapshots(context, engine, fetch);
      const missing = new Backfill(context, engine, backfillClient(context.config));
      backfill = missing;
      const follower = new FeatureFollower(context, engine, FEATURES_LOOK_MS);
      snapshots = own;
      return async () => {
        await Promise.all([own.close(), follower.close(), missing.close()]);
      };
    },
    onEvent(event) {
      if (event.type === "snapshot_wanted") snapshots?.want(event["instrument"]);
      if (event.type === "trades_wanted") backfill?.want(event);
    },
  };
}
