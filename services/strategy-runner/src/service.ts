/** Starts one worker per strategy, listens to them, and stops them in order. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { featureSets } from "@tidegate/rust-core";
import type { StrategyLaneConfig } from "@tidegate/rust-core/strategy-layout";
import {
  FEATURE_SET_MISMATCH,
  type FeatureSetState,
  type HostStats,
  featureSetHash as hashOfDeclared,
  type InstrumentInfo,
  type KnownSet,
} from "@tidegate/strategy-sdk";
import type { StrategyRunnerConfig } from "./config.ts";
import { nextEpoch } from "./epoch.ts";
import { loadStrategy } from "./load.ts";

/** How long a stop waits for a worker before it is ended. */
export const STOP_MS_MAX = 3_000;

export interface WorkerData {
  readonly file: string;
  readonly params: unknown;
  readonly instruments: readonly InstrumentInfo[];
  readonly lane: StrategyLaneConfig;
  readonly seed: number;
  readonly maxIntentsPerEvent: number;
  readonly eventBudgetMs: number;
  /** Hash of the feature set it declares; absent = it declares none. */
  readonly featureSetHash?: number;
  /** Int32: [0] stop. */
  readonly flags: SharedArrayBuffer;
}

export type WorkerMessage =
  | {
      readonly type: "stats";
      readonly name: string;
      readonly stats: HostStats;
      readonly breaker: string;
      readonly ready: boolean;
      readonly pending: number;
      readonly leftovers: number;
      readonly unknownEvents: number;
      readonly lastError: string;
      /** Whether the features that come are of the declared set, and the hash that came last. */
      readonly featureSet?: { readonly state: FeatureSetState; readonly seen: number };
      /** JSON of the native lane. */
      readonly lane: string;
    }
  | { readonly type: "stopped"; readonly pending: number };

export type StrategyState = "STARTING" | "NORMAL" | "DEGRADED" | "HALTED" | "DEAD" | "STOPPED";

interface Running {
  readonly id: number;
  readonly epoch: number;
  readonly worker: Worker;
  readonly flags: Int32Array<SharedArrayBuffer>;
  readonly ended: Promise<void>;
  last: Extract<WorkerMessage, { type: "stats" }> | null;
  /** The native lane's counters, without its spans. */
  lane: Record<string, unknown> | null;
  state: StrategyState;
  error: string;
}

export interface StrategyRunnerDeps {
  /** Folder of the durable epochs. */
  readonly stateDir: string;
  readonly log: (
    level: "info" | "warn" | "error",
    msg: string,
    fields: Record<string, unknown>,
  ) => void;
  /** Spans the lane has finished, each `{name, traceId, spanId, parentSpanId, startNs, endNs, attributes}`. */
  readonly onSpans?: (spans: readonly Record<string, unknown>[]) => void;
  /** The registry of feature sets; the addon's where absent. */
  readonly featureSets?: () => readonly KnownSet[];
  /** The worker's program; tests pass one of theirs. */
  readonly workerUrl?: URL;
}

export interface StrategyRunner extends AsyncDisposable {
  /** NORMAL while every strategy is; DEGRADED when one is degraded, halted or dead. */
  readonly state: "NORMAL" | "DEGRADED";
  /** Every worker has begun, and is ready to send or dead: a dead one shows in `state`, not here. */
  readonly ready: boolean;
  stats(): Record<string, unknown>;
}

interface TableFile {
  readonly version: number;
  readonly instruments: readonly { id: number; venue_id: number; symbol: string; kind: string }[];
}

/** The instruments a strategy is told of, from the table file. */
export function readInstruments(path: string): { version: number; instruments: InstrumentInfo[] } {
  const table = JSON.parse(readFileSync(path, "utf8")) as TableFile;
  const instruments = table.instruments.map(({ id, venue_id, symbol, kind }): InstrumentInfo => {
    return { id, venueId: venue_id, symbol, kind: kind === "spot" ? "spot" : "perp" };
  });
  return { version: table.version, instruments };
}

/** What a strategy listens to: tops, trades and status of its instruments. */
export function topicsOf(instruments: readonly InstrumentInfo[]): string[] {
  return instruments.flatMap(({ venueId, id }) =>
    ["top", "trade", "status"].map((kind) => `md.${venueId}.${id}.${kind}.`),
  );
}

/**
 * Starts the strategies.
 *
 * Errors  a strategy file, its params or an epoch file that cannot be used: nothing is started then
 */
export async function startStrategyRunner(
  config: StrategyRunnerConfig,
  deps: StrategyRunnerDeps,
): Promise<StrategyRunner> {
  const { version, instruments } = readInstruments(config.instrumentsFile);
  const expected: (number | undefined)[] = [];
  for (const { id, file, params } of config.strategies) {
    const { featureSet, params: schema } = await loadStrategy(file);
    try {
      expected.push(
        featureSet === undefined
          ? undefined
          : hashOfDeclared(featureSet, (deps.featureSets ?? featureSets)()),
      );
    } catch (cause) {
      const why = (cause as Error).message;
      throw new Error(`cannot start strategy ${id} (${file}): ${why}`, { cause });
    }
    const checked = schema.safeParse(params);
    if (!checked.success) {
      const what = checked.error.issues
        .map(({ path, message }) => `${path.join(".")}: ${message}`)
        .join("; ");
      throw new Error(`cannot start strategy ${id} (${file}): bad params: ${what}`);
    }
  }
  const running = config.strategies.map((strategy, at): Running => {
    const featureSetHash = expected[at];
    const epoch = nextEpoch(join(deps.stateDir, `strategy-${strategy.id}.epoch`));
    const flags = new SharedArrayBuffer(4);
    const workerData: WorkerData = {
      file: strategy.file,
      params: strategy.params,
      instruments,
      lane: {
        strategyId: strategy.id,
        sessionEpoch: epoch,
        accountId: config.accountId,
        instrumentTableVersion: version,
        mdUrl: config.mdUrl,
        intentUrl: config.intentUrl,
        ...(config.standbyIntentUrl === undefined
          ? {}
          : { standbyIntentUrl: config.standbyIntentUrl }),
        topics: topicsOf(instruments),
      },
      seed: config.seed,
      maxIntentsPerEvent: config.maxIntentsPerEvent,
      eventBudgetMs: config.eventBudgetMs,
      ...(featureSetHash === undefined ? {} : { featureSetHash }),
      flags,
    };
    const worker = new Worker(deps.workerUrl ?? new URL("./worker.ts", import.meta.url), {
      name: `strategy-${strategy.id}`,
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: config.heapMbMax },
    });
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const self: Running = {
      id: strategy.id,
      epoch,
      worker,
      flags: new Int32Array(flags),
      ended,
      last: null,
      lane: null,
      state: "STARTING",
      error: "",
    };
    worker.on("message", (message: WorkerMessage) => {
      if (message.type === "stopped") {
        self.state = "STOPPED";
        return;
      }
      const before = self.last;
      self.last = message;
      const { spans, ...lane } = JSON.parse(message.lane) as Record<string, unknown>;
      self.lane = lane;
      if (Array.isArray(spans) && spans.length > 0)
        deps.onSpans?.(spans as Record<string, unknown>[]);
      const mismatch = message.featureSet?.state === "MISMATCH";
      self.state = mismatch ? "HALTED" : (message.breaker as StrategyState);
      if (message.lastError !== "" && message.lastError !== before?.lastError) {
        const what = message.lastError.startsWith(FEATURE_SET_MISMATCH)
          ? "the strategy is stopped: the features are of another set"
          : "the strategy threw";
        deps.log("error", what, { strategy: self.id, error: message.lastError });
      }
      if (message.breaker !== (before?.breaker ?? "NORMAL")) {
        deps.log("warn", "the strategy's breaker moved", {
          strategy: self.id,
          breaker: message.breaker,
        });
      }
    });
    worker.on("error", (error: Error) => {
      self.error = error.message;
      deps.log("error", "the strategy's worker failed", {
        strategy: self.id,
        error: error.stack ?? error.message,
      });
    });
    worker.on("exit", () => {
      if (self.state !== "STOPPED") self.state = "DEAD";
    });
    return self;
  });

  const overall = (): "NORMAL" | "DEGRADED" => {
    const fine = running.every(
      ({ state }) => state === "NORMAL" || state === "STARTING" || state === "STOPPED",
    );
    return fine ? "NORMAL" : "DEGRADED";
  };
  return {
    get state() {
      return overall();
    },
    get ready() {
      return running.every(
        ({ state, last }) => (last?.ready ?? false) || state === "DEAD" || state === "STOPPED",
      );
    },
    stats() {
      const strategies = running.map(({ id, epoch, state, last, lane, error }) => ({
        id,
        name: last?.name ?? "",
        epoch,
        state,
        error: error === "" ? (last?.lastError.split("\n")[0] ?? "") : error,
        ready: last?.ready ?? false,
        pending: last?.pending ?? 0,
        leftovers: last?.leftovers ?? 0,
        unknownEvents: last?.unknownEvents ?? 0,
        featureSet: last?.featureSet?.state ?? "NONE",
        featureSetSeen: last?.featureSet?.seen ?? 0,
        ...last?.stats,
        lane,
      }));
      const sum = (key: keyof HostStats) =>
        running.reduce((total, { last }) => total + (last?.stats[key] ?? 0), 0);
      const lane = strategies[0]?.lane as { lag?: unknown; latency?: unknown } | null;
      return {
        state: overall(),
        events: sum("events"),
        intents: sum("intents") + sum("cancels"),
        fills: sum("fills"),
        lag: lane?.lag ?? 0,
        latency: lane?.latency ?? null,
        strategies,
      };
    },
    async [Symbol.asyncDispose]() {
      for (const { flags } of running) {
        Atomics.store(flags, 0, 1);
        Atomics.notify(flags, 0);
      }
      await Promise.all(
        running.map(async ({ worker, ended }) => {
          const late = setTimeout(() => void worker.terminate(), STOP_MS_MAX);
          await ended;
          clearTimeout(late);
        }),
      );
    },
  };
}
