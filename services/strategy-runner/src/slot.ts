/** One strategy of the runner: its worker or process, its watchdog, and what is done when it dies. */

import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { StrategyLaneConfig } from "@tidegate/rust-core/strategy-layout";
import {
  FEATURE_SET_MISMATCH,
  type InstrumentInfo,
  standingStops,
  withStanding,
} from "@tidegate/strategy-sdk";
import type { Run } from "./cell.ts";
import type { StrategyRunnerConfig, StrategySettings } from "./config.ts";
import { nextEpoch } from "./epoch.ts";
import { topicsOf } from "./instruments.ts";
import {
  FLAG_BYTES,
  Flag,
  type NewParams,
  type RelayData,
  type StatsMessage,
  type WorkerData,
  type WorkerMessage,
} from "./messages.ts";
import type { CellProcess } from "./process.ts";
import { POLL_MS_MAX } from "./pump.ts";
import { type StateOwner, writeState } from "./state.ts";
import { LOOK_MS, Watchdog } from "./watchdog.ts";

/** How long new parameters may go unanswered: the longest wait of a lane, and what a handler may take, many times over. */
export const PARAMS_MS_MAX = 5_000;
/** How long a stop waits for a worker before it is ended. */
export const STOP_MS_MAX = 3_000;

/**
 * Heap bounds of a worker. The engine ends a worker at its bound by giving it 16 MiB more and asking it to stop; a young
 * generation of its usual 48 MiB can move more than that into the old one at once, and then the whole process ends.
 */
export const workerLimits = (heapMb: number) => ({
  maxOldGenerationSizeMb: heapMb,
  maxYoungGenerationSizeMb: 4,
});

/** DEAD is a quarantine: only a restart of the runner starts it again. */
export type StrategyState = "STARTING" | "NORMAL" | "DEGRADED" | "HALTED" | "DEAD" | "STOPPED";
/** What became of the resting orders of one that died. */
export type Sweep = "NONE" | "SWEEPING" | "GUARDING" | "SWEPT" | "KEPT" | "FAILED";

export interface SlotDeps {
  readonly stateDir: string;
  readonly log: (
    level: "info" | "warn" | "error",
    msg: string,
    fields: Record<string, unknown>,
  ) => void;
  readonly onSpans?: (strategyId: number, spans: readonly Record<string, unknown>[]) => void;
  /** The program of a worker, and of the sweep; tests pass one of theirs. */
  readonly workerUrl?: URL;
  readonly relayUrl?: URL;
  readonly watchdogOff?: boolean;
}

export const statePath = (stateDir: string, id: number): string =>
  join(stateDir, `strategy-${id}.state`);

export interface SlotPlan {
  readonly strategy: StrategySettings;
  readonly config: StrategyRunnerConfig;
  readonly instruments: readonly InstrumentInfo[];
  readonly tableVersion: number;
  readonly featureSetHash: number | undefined;
  /** Where it keeps its state, whose it is, and what was found there; null where it keeps none. */
  readonly kept: { readonly owner: StateOwner; readonly restored: string | null } | null;
  /** Where it runs in a process: that process, loaded and waiting. */
  readonly cell: CellProcess | null;
}

export class Slot {
  readonly id: number;
  readonly #plan: SlotPlan;
  readonly #deps: SlotDeps;
  readonly #flags = new Int32Array(new SharedArrayBuffer(FLAG_BYTES));
  readonly #sweepFlags = new Int32Array(new SharedArrayBuffer(FLAG_BYTES));
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #looking: NodeJS.Timeout | null;
  #sweeping: Promise<void> | null = null;
  #stopping = false;
  epoch: number;
  last: StatsMessage | null = null;
  /** The native lane's counters, without its spans. */
  lane: Record<string, unknown> | null = null;
  state: StrategyState = "STARTING";
  sweep: Sweep = "NONE";
  error = "";
  /** Parameters that took the place of others since the start. */
  reloads = 0;
  /** Why the last ones did not; "" where they did. */
  paramsRefused = "";
  #asked: ((refused: string | null) => void) | null = null;

  constructor(plan: SlotPlan, deps: SlotDeps) {
    this.#plan = plan;
    this.#deps = deps;
    this.id = plan.strategy.id;
    this.epoch = this.#nextEpoch();
    this.#worker = plan.cell === null ? this.#startWorker() : this.#startRelay(plan.cell);
    this.#ended = this.#listen(this.#worker);
    this.#looking = deps.watchdogOff === true ? null : this.#watch();
  }

  get isolation(): "worker" | "process" {
    return this.#plan.cell === null ? "worker" : "process";
  }
  get pid(): number | null {
    return this.#plan.cell?.pid ?? null;
  }

  #nextEpoch(): number {
    return nextEpoch(join(this.#deps.stateDir, `strategy-${this.#plan.strategy.id}.epoch`));
  }

  #lane(topics: readonly string[]): StrategyLaneConfig {
    const { config, tableVersion } = this.#plan;
    return {
      strategyId: this.id,
      sessionEpoch: this.epoch,
      accountId: config.accountId,
      instrumentTableVersion: tableVersion,
      mdUrl: config.mdUrl,
      intentUrl: config.intentUrl,
      ...(config.standbyIntentUrl === undefined
        ? {}
        : { standbyIntentUrl: config.standbyIntentUrl }),
      topics,
    };
  }

  #workerData(lane: StrategyLaneConfig, flags: Int32Array<SharedArrayBuffer>): WorkerData {
    const { strategy, config, instruments, featureSetHash, kept } = this.#plan;
    const restored = kept?.restored ?? null;
    return {
      ...(restored === null ? {} : { restored }),
      file: strategy.file,
      params: strategy.params,
      instruments,
      lane,
      seed: config.seed,
      maxIntentsPerEvent: config.maxIntentsPerEvent,
      eventBudgetMs: config.eventBudgetMs,
      staleEventMs: config.staleEventMs,
      ...(featureSetHash === undefined ? {} : { featureSetHash }),
      flags: flags.buffer,
    };
  }

  #startWorker(): Worker {
    const { config, instruments } = this.#plan;
    return new Worker(this.#deps.workerUrl ?? new URL("./worker.ts", import.meta.url), {
      name: `strategy-${this.id}`,
      workerData: {
        ...this.#workerData(this.#lane(topicsOf(instruments)), this.#flags),
        ...(config.inputLogDir === undefined
          ? {}
          : { inputLog: join(config.inputLogDir, `strategy-${this.id}.${this.epoch}.inputs`) }),
      },
      resourceLimits: workerLimits(config.heapMbMax),
    });
  }

  #startRelay(cell: CellProcess): Worker {
    const { config, instruments, featureSetHash, kept } = this.#plan;
    const lane = this.#lane(topicsOf(instruments));
    const { seed, maxIntentsPerEvent, eventBudgetMs, staleEventMs } = config;
    const limits = { seed, maxIntentsPerEvent, eventBudgetMs, staleEventMs };
    const run: Run = {
      instruments,
      lane,
      ...limits,
      featureSetHash: featureSetHash ?? null,
      restored: kept?.restored ?? null,
    };
    const timerMs = cell.hello.timerMs ?? POLL_MS_MAX;
    const data: RelayData = {
      run,
      lane,
      fdIn: cell.fdIn,
      fdOut: cell.fdOut,
      pollMs: Math.min(POLL_MS_MAX, Math.max(1, Math.floor(timerMs))),
      maxIntentsPerEvent,
      flags: this.#flags.buffer,
    };
    return new Worker(this.#deps.relayUrl ?? new URL("./relay-worker.ts", import.meta.url), {
      name: `strategy-${this.id}`,
      workerData: data,
    });
  }

  #listen(worker: Worker): Promise<void> {
    worker.on("message", (message: WorkerMessage) => {
      if (message.type === "stopped") this.state = "STOPPED";
      else if (message.type === "gone") this.#gone(message.why);
      else if (message.type === "params") this.#asked?.(message.refused);
      else this.#told(message);
    });
    worker.on("error", (error: Error) => {
      this.error ||= error.message;
      this.#deps.log("error", "the strategy's worker failed", {
        strategy: this.id,
        error: error.stack ?? error.message,
      });
    });
    return new Promise((done) => {
      worker.once("exit", () => {
        if (this.#looking !== null) clearInterval(this.#looking);
        this.#plan.cell?.kill();
        this.#plan.cell?.closePipes();
        if (this.state !== "STOPPED") {
          this.state = "DEAD";
          this.#afterDeath();
        }
        done();
      });
    });
  }

  #told(message: StatsMessage): void {
    const before = this.last;
    this.last = message;
    const { kept } = this.#plan;
    if (kept !== null && typeof message.state === "string" && message.state !== before?.state)
      writeState(statePath(this.#deps.stateDir, this.id), kept.owner, message.state);
    const { spans, ...lane } = JSON.parse(message.lane) as Record<string, unknown>;
    this.lane = lane;
    if (Array.isArray(spans) && spans.length > 0)
      this.#deps.onSpans?.(this.id, spans as Record<string, unknown>[]);
    const mismatch = message.featureSet?.state === "MISMATCH";
    this.state = mismatch ? "HALTED" : stateOf(message.breaker);
    if (message.lastError !== "" && message.lastError !== before?.lastError) {
      const what = message.lastError.startsWith(FEATURE_SET_MISMATCH)
        ? "the strategy is stopped: the features are of another set"
        : "the strategy threw";
      this.#deps.log("error", what, { strategy: this.id, error: message.lastError });
    }
    if (message.breaker !== (before?.breaker ?? "NORMAL")) {
      this.#deps.log("warn", "the strategy's breaker moved", {
        strategy: this.id,
        breaker: message.breaker,
      });
    }
  }

  #gone(why: string): void {
    const { cell } = this.#plan;
    cell?.kill();
    // Its last words come with its end.
    void cell?.ended.then(() => {
      const said = cell.tail().split("\n").slice(-3).join(" ");
      this.error ||= said === "" ? why : `${why}; it said: ${said}`;
      const what = { strategy: this.id, error: this.error };
      this.#deps.log("error", "the strategy's process is gone", what);
    });
  }

  /**
   * Gives it new parameters, which hold from its next turn on or not at all.
   *
   * Shape   why they do not hold, null where they do
   */
  async reload(params: unknown): Promise<string | null> {
    const refused = await this.#tryParams(params);
    this.paramsRefused = refused ?? "";
    if (refused === null) this.reloads += 1;
    return refused;
  }

  #tryParams(params: unknown): Promise<string | null> {
    if (this.#stopping || this.state === "DEAD" || this.state === "STOPPED") {
      return Promise.resolve(`the strategy is ${this.#stopping ? "stopping" : this.state}`);
    }
    if (this.#asked !== null) return Promise.resolve("earlier parameters are not answered yet");
    return new Promise((done) => {
      const late = setTimeout(
        () => answer(`no answer within ${PARAMS_MS_MAX} ms; they may hold yet`),
        PARAMS_MS_MAX,
      );
      const answer = (refused: string | null): void => {
        clearTimeout(late);
        this.#asked = null;
        done(refused);
      };
      this.#asked = answer;
      void this.#ended.then(() => this.#asked?.("the strategy ended"));
      const message: NewParams = { params };
      this.#worker.postMessage(message);
      Atomics.store(this.#flags, Flag.PARAMS, 1);
    });
  }

  /** Ends it from outside: it did not come back, or printed without end. */
  end(why: string): void {
    if (this.error === "") this.error = why;
    this.#deps.log("error", "the strategy is killed", { strategy: this.id, error: why });
    if (this.#plan.cell === null) void this.#worker.terminate();
    else this.#plan.cell.kill();
  }

  #watch(): NodeJS.Timeout {
    const { watchdogMs } = this.#plan.config;
    const watchdog = new Watchdog(watchdogMs);
    const look = setInterval(() => {
      if (!watchdog.look(Atomics.load(this.#flags, Flag.BUSY))) return;
      clearInterval(look);
      this.end(`killed: it did not come back from a batch within ${watchdogMs} ms`);
    }, LOOK_MS);
    return look;
  }

  #afterDeath(): void {
    if (this.#stopping) return;
    if (this.#plan.config.onDeath === "keep") {
      this.sweep = "KEPT";
      return;
    }
    this.sweep = "SWEEPING";
    this.#sweeping = this.#runSweep().catch((cause: unknown) => {
      this.sweep = "FAILED";
      const error = cause instanceof Error ? cause.message : String(cause);
      this.#deps.log("error", "orders of a dead strategy could not be cancelled", {
        ...{ strategy: this.id, error },
      });
    });
  }

  /** A new session of the same strategy id that trades nothing and cancels what the dead one left. */
  async #runSweep(): Promise<void> {
    this.epoch = this.#nextEpoch();
    const { instruments, kept } = this.#plan;
    const state = this.last?.state ?? kept?.restored ?? null;
    const standing = kept === null ? [] : standingStops(state);
    const watched = instruments.filter(({ id }) =>
      standing.some(({ instrument }) => instrument === id),
    );
    const { restored: _, ...data } = this.#workerData(
      this.#lane(topicsOf(watched)),
      this.#sweepFlags,
    );
    const workerData: WorkerData = { ...data, params: {}, sweep: true, standing };
    if (standing.length > 0)
      this.#deps.log("warn", "the stops of a dead strategy are watched", {
        ...{ strategy: this.id, stops: standing.length },
      });
    const url = this.#deps.workerUrl ?? new URL("./worker.ts", import.meta.url);
    const worker = new Worker(url, { name: `sweep-${this.id}`, workerData });
    await new Promise<void>((done, failed) => {
      worker.on("message", (message: WorkerMessage) => {
        if (message.type === "stats" && this.last !== null) {
          const cancelled = message.stats.leftoversCancelled;
          this.last = { ...this.last, ready: false, pending: 0, leftovers: message.leftovers };
          this.last.stats.leftoversCancelled = cancelled;
          if (standing.length > 0 && message.ready && this.sweep === "SWEEPING")
            this.sweep = "GUARDING";
        }
        // Its levels are the strategy's when that comes back.
        const moved = message.type === "stats" ? standingStops(message.state ?? null) : [];
        if (moved.length > 0 && kept !== null && state !== null)
          writeState(
            statePath(this.#deps.stateDir, this.id),
            kept.owner,
            withStanding(state, moved),
          );
        if (message.type === "stopped") {
          this.sweep = this.#stopping && this.sweep === "SWEEPING" ? "FAILED" : "SWEPT";
        }
      });
      worker.on("error", failed);
      worker.once("exit", () => done());
    });
  }

  /** Asks it to stop, waits, and ends it when it does not. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const flags of [this.#flags, this.#sweepFlags]) {
      Atomics.store(flags, Flag.STOP, 1);
      Atomics.notify(flags, Flag.STOP);
    }
    const late = setTimeout(() => {
      this.#plan.cell?.kill();
      void this.#worker.terminate();
    }, STOP_MS_MAX);
    await this.#ended;
    await this.#sweeping;
    await this.#plan.cell?.ended;
    clearTimeout(late);
  }
}

/** What a process says of its breaker is one of three words, or taken for the worst. */
function stateOf(breaker: string): StrategyState {
  return breaker === "NORMAL" || breaker === "DEGRADED" ? breaker : "HALTED";
}
