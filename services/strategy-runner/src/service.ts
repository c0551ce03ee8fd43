/** Starts every strategy where it may run, listens to them, and stops them in order. */

import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { featureSets } from "@tidegate/rust-core";
import {
  type HostStats,
  featureSetHash as hashOfDeclared,
  type KnownSet,
} from "@tidegate/strategy-sdk";
import type { StrategyRunnerConfig, StrategySettings } from "./config.ts";
import { readInstruments } from "./instruments.ts";
import { loadStrategy } from "./load.ts";
import { readParams } from "./params-file.ts";
import { type CellProcess, startCell } from "./process.ts";
import { probeSandbox, type SandboxFacts } from "./sandbox.ts";
import { Slot, type SlotDeps, type SlotPlan, statePath } from "./slot.ts";
import { readState, type StateOwner } from "./state.ts";

export interface StrategyRunnerDeps extends Omit<SlotDeps, "onSpans"> {
  /** Spans the lane has finished, each `{name, traceId, spanId, parentSpanId, startNs, endNs, attributes}`. */
  readonly onSpans?: (spans: readonly Record<string, unknown>[], strategyId: number) => void;
  /** The registry of feature sets; the addon's where absent. */
  readonly featureSets?: () => readonly KnownSet[];
  /** What processes can be shut into; tried where absent. */
  readonly sandbox?: SandboxFacts;
}

export interface StrategyRunner extends AsyncDisposable {
  /** NORMAL while every strategy is; DEGRADED when one is degraded, halted or dead. */
  readonly state: "NORMAL" | "DEGRADED";
  /** Every strategy has begun, and is ready to send or dead: a dead one shows in `state`, not here. */
  readonly ready: boolean;
  stats(): Record<string, unknown>;
  /**
   * Reads every parameter file again. What differs from what holds is given to its strategy, which takes it between two events or refuses it
   * whole; each is logged.
   */
  reload(): Promise<readonly Reloaded[]>;
}

/** What became of a strategy's parameter file. */
export interface Reloaded {
  readonly id: number;
  readonly outcome: "taken" | "unchanged" | "refused";
  /** Why it was refused; "" where it was not. */
  readonly why: string;
}

/** Where a strategy runs. */
export function isolationOf({ isolation, reviewed }: StrategySettings): "worker" | "process" {
  return isolation ?? (reviewed ? "worker" : "process");
}

interface Loaded {
  readonly cell: CellProcess | null;
  readonly featureSet: string | undefined;
  readonly owner: StateOwner | null;
}

const ownerOf = (name: string, stateVersion: number | null | undefined): StateOwner | null =>
  stateVersion === null || stateVersion === undefined ? null : { name, stateVersion };

/** Loads one strategy: here where it is reviewed, else inside the process it will run in, never here. */
async function load(
  strategy: StrategySettings,
  place: number,
  config: StrategyRunnerConfig,
  deps: StrategyRunnerDeps,
  facts: () => SandboxFacts,
): Promise<Loaded> {
  const { id, file, params } = strategy;
  if (isolationOf(strategy) === "worker") {
    const { featureSet, params: schema, id: name, stateVersion } = await loadStrategy(file);
    const checked = schema.safeParse(params);
    if (!checked.success) {
      const what = checked.error.issues
        .map(({ path, message }) => `${path.join(".")}: ${message}`)
        .join("; ");
      throw new Error(`cannot start strategy ${id} (${file}): bad params: ${what}`);
    }
    return { cell: null, featureSet, owner: ownerOf(name, stateVersion) };
  }
  const sandbox = facts();
  if (sandbox.network === "open" && !config.openNetwork) {
    throw new Error(
      `cannot start strategy ${id} (${file}) in a process: this machine gives no network namespace, so its network cannot be taken away; allow namespaces, or set openNetwork, or have the file reviewed and set reviewed`,
    );
  }
  const cell = await startCell(sandbox, {
    file,
    params,
    heapMb: config.heapMbMax,
    externalMb: config.externalMbMax,
    uid: config.processUidBase + place,
    hidden: hiddenFolders(config, deps.stateDir),
    outputBytesMax: config.outputBytesMax,
    onOutput: (bytes) =>
      deps.log("error", "the strategy is killed", {
        strategy: id,
        error: `it printed ${bytes} bytes, at most ${config.outputBytesMax}`,
      }),
  });
  const { name, featureSet, stateVersion } = cell.hello;
  return { cell, featureSet: featureSet ?? undefined, owner: ownerOf(name, stateVersion) };
}

/** The folders of our sockets and our state. */
export function hiddenFolders(
  config: Pick<StrategyRunnerConfig, "mdUrl" | "intentUrl" | "standbyIntentUrl">,
  stateDir: string,
): string[] {
  const sockets = [config.mdUrl, config.intentUrl, config.standbyIntentUrl]
    .filter((url) => url?.startsWith("ipc://") === true)
    .map((url) => dirname(resolve((url ?? "").slice("ipc://".length))));
  return [...new Set([...sockets, resolve(stateDir)])].filter(existsSync);
}

/**
 * Starts the strategies.
 *
 * Errors  a strategy file, its params or an epoch file that cannot be used, or no sandbox for one that is not reviewed:
 *         nothing is started then
 */
export async function startStrategyRunner(
  config: StrategyRunnerConfig,
  deps: StrategyRunnerDeps,
): Promise<StrategyRunner> {
  const { version, instruments } = readInstruments(config.instrumentsFile);
  let found: SandboxFacts | undefined = deps.sandbox;
  const facts = (): SandboxFacts => {
    found ??= probeSandbox();
    return found;
  };
  const known = deps.featureSets ?? featureSets;
  const plans: SlotPlan[] = [];
  try {
    for (const [place, settings] of config.strategies.entries()) {
      const { paramsFile } = settings;
      const strategy =
        paramsFile === undefined ? settings : { ...settings, params: readParams(paramsFile) };
      const { cell, featureSet, owner } = await load(strategy, place, config, deps, facts);
      const plan = { strategy, config, instruments, tableVersion: version, cell };
      plans.push({ ...plan, featureSetHash: undefined, kept: null });
      const path = statePath(deps.stateDir, strategy.id);
      const kept = owner === null ? null : { owner, restored: readState(path, owner) };
      plans[place] = { ...plan, featureSetHash: undefined, kept };
      if (featureSet === undefined) continue;
      try {
        plans[place] = { ...plan, kept, featureSetHash: hashOfDeclared(featureSet, known()) };
      } catch (cause) {
        const why = (cause as Error).message;
        throw new Error(`cannot start strategy ${strategy.id} (${strategy.file}): ${why}`, {
          cause,
        });
      }
    }
  } catch (error) {
    for (const { cell } of plans) {
      cell?.kill();
      cell?.closePipes();
    }
    throw error;
  }
  const { onSpans } = deps;
  const slotDeps: SlotDeps = {
    ...deps,
    onSpans: (strategyId, spans) => onSpans?.(spans, strategyId),
  };
  const running = plans.map((plan) => new Slot(plan, slotDeps));
  for (const { id, isolation, pid } of running) {
    const network = isolation === "process" ? found?.network : "of the runner";
    // `pid` is the runner's own in every line.
    const child = pid === null ? {} : { processId: pid };
    deps.log("info", "the strategy is started", { strategy: id, isolation, ...child, network });
  }

  /** What each file held when it was last taken; a file that says the same again is no news. */
  const held = new Map(plans.map(({ strategy: { id, params } }) => [id, JSON.stringify(params)]));
  const reloadOne = async (slot: Slot, path: string): Promise<Reloaded> => {
    let refused: string | null;
    try {
      const params = readParams(path);
      const text = JSON.stringify(params);
      if (text === held.get(slot.id)) return { id: slot.id, outcome: "unchanged", why: "" };
      refused = await slot.reload(params);
      if (refused === null) held.set(slot.id, text);
    } catch (error) {
      refused = (error as Error).message;
      slot.paramsRefused = refused;
    }
    if (refused === null) {
      deps.log("info", "the strategy has new params", { strategy: slot.id, file: path });
      return { id: slot.id, outcome: "taken", why: "" };
    }
    const why = { strategy: slot.id, file: path, error: refused };
    deps.log("warn", "new params are refused, the old ones hold", why);
    return { id: slot.id, outcome: "refused", why: refused };
  };

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
    reload() {
      const files = running.flatMap((slot, place) => {
        const path = plans[place]?.strategy.paramsFile;
        return path === undefined ? [] : [reloadOne(slot, path)];
      });
      return Promise.all(files);
    },
    stats() {
      const strategies = running.map((slot) => {
        const { id, epoch, state, last, lane, error, isolation, sweep } = slot;
        return {
          id,
          name: last?.name ?? "",
          epoch,
          state,
          isolation,
          network: isolation === "process" ? (found?.network ?? "open") : "runner",
          sweep,
          error: error === "" ? (last?.lastError.split("\n")[0] ?? "") : error,
          ready: last?.ready ?? false,
          reloads: slot.reloads,
          paramsRefused: slot.paramsRefused,
          pending: last?.pending ?? 0,
          leftovers: last?.leftovers ?? 0,
          unknownEvents: last?.unknownEvents ?? 0,
          staleEvents: last?.staleEvents ?? 0,
          featureSet: last?.featureSet?.state ?? "NONE",
          featureSetSeen: last?.featureSet?.seen ?? 0,
          ...last?.stats,
          lane,
        };
      });
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
      await Promise.all(running.map((slot) => slot.stop()));
    },
  };
}
