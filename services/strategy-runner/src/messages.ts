/** What the runner's main thread and its workers say to each other. */

import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { StrategyLaneConfig } from "@tidegate/rust-core/strategy-layout";
import {
  type FeatureSetState,
  type HostStats,
  type InstrumentInfo,
  NO_STATS,
  STATE_CHARS_MAX,
  type StandingStop,
} from "@tidegate/strategy-sdk";
import type { Run } from "./cell.ts";

/** Statistics go to the main thread this often. */
export const STATS_MS = 250;
/** How long a stop waits for the last cancels; what is open then stays with the gateway. */
export const STOP_MS = 1_000;

/** Places of the shared flags. PARAMS is 1 where a message with new parameters waits. BUSY is 0 between batches, else the number of the batch the strategy is in. */
export const Flag = { STOP: 0, BUSY: 1, PARAMS: 2 } as const;
export const FLAG_BYTES = 12;

/** Tells the flags that the strategy's code runs, as Pump and Relay want it. */
export function ordinal(flags: Int32Array): (running: boolean) => void {
  let batch = 0;
  return (running) => {
    if (running) batch = (batch % 0x7fff_fffe) + 1;
    Atomics.store(flags, Flag.BUSY, running ? batch : 0);
  };
}

export interface WorkerData {
  readonly file: string;
  readonly params: unknown;
  readonly instruments: readonly InstrumentInfo[];
  readonly lane: StrategyLaneConfig;
  readonly seed: number;
  readonly maxIntentsPerEvent: number;
  readonly eventBudgetMs: number;
  readonly staleEventMs: number;
  /** Hash of the feature set it declares; absent = it declares none. */
  readonly featureSetHash?: number;
  /** JSON of the state an earlier session wrote down. */
  readonly restored?: string;
  /** No strategy is run: the orders of earlier sessions are cancelled, then the worker ends. */
  readonly sweep?: true;
  /** Stops that such a session watches until nothing is held, before it ends. */
  readonly standing?: readonly StandingStop[];
  /** Where all that it is given is written down; absent = nowhere. */
  readonly inputLog?: string;
  /** Int32, see Flag. */
  readonly flags: SharedArrayBuffer;
}

export interface RelayData {
  readonly run: Run;
  readonly lane: StrategyLaneConfig;
  readonly fdIn: number;
  readonly fdOut: number;
  readonly pollMs: number;
  readonly maxIntentsPerEvent: number;
  readonly flags: SharedArrayBuffer;
}

export interface StatsMessage {
  readonly type: "stats";
  readonly name: string;
  readonly stats: HostStats;
  readonly breaker: string;
  readonly ready: boolean;
  readonly pending: number;
  readonly leftovers: number;
  readonly unknownEvents: number;
  readonly staleEvents?: number;
  readonly lastError: string;
  /** Whether the features that come are of the declared set, and the hash that came last. */
  readonly featureSet?: { readonly state: FeatureSetState; readonly seen: number };
  /** JSON of the state where the strategy keeps one. */
  readonly state?: string | null;
  /** JSON of the native lane. */
  readonly lane: string;
}

const TEXT_MAX = 4_096;

/** What a process says of itself, made to have the shape of statistics whatever it sent. */
export function saneStats(json: unknown): Omit<StatsMessage, "lane"> {
  const of = (value: unknown): Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  const number = (value: unknown) => (Number.isSafeInteger(value) ? Number(value) : 0);
  const text = (value: unknown) => (typeof value === "string" ? value.slice(0, TEXT_MAX) : "");
  const said = of(json);
  const stats = Object.fromEntries(
    Object.keys(NO_STATS).map((key) => [key, number(of(said["stats"])[key])]),
  ) as unknown as HostStats;
  const set = of(said["featureSet"]);
  const state = FEATURE_STATES.find((each) => each === set["state"]) ?? "NONE";
  return {
    ...{ type: "stats", name: text(said["name"]), stats, breaker: text(said["breaker"]) },
    ready: said["ready"] === true,
    ...{ pending: number(said["pending"]), leftovers: number(said["leftovers"]) },
    ...{ unknownEvents: number(said["unknownEvents"]), staleEvents: number(said["staleEvents"]) },
    state: typeof said["state"] === "string" ? said["state"].slice(0, STATE_CHARS_MAX) : null,
    ...{ lastError: text(said["lastError"]), featureSet: { state, seen: number(set["seen"]) } },
  };
}
const FEATURE_STATES = ["NONE", "AWAITED", "MATCHED", "MISMATCH"] as const;

/** To a worker: parameters that are to hold from the next turn on. */
export interface NewParams {
  readonly params: unknown;
}
/** What became of them: null where they hold, else why they do not. */
export interface ParamsAnswer {
  readonly type: "params";
  readonly refused: string | null;
}

/** Gives the parameters that wait, each once, to whoever takes them; says what became of them. For a thread that is never in its event loop. */
export function takeParams(
  flags: Int32Array,
  port: MessagePort | null,
  take: (params: unknown) => string | null,
): void {
  if (port === null || Atomics.exchange(flags, Flag.PARAMS, 0) === 0) return;
  for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
    const answer: ParamsAnswer = {
      type: "params",
      refused: take((got.message as NewParams).params),
    };
    port.postMessage(answer);
  }
}

export type WorkerMessage =
  | StatsMessage
  | { readonly type: "stopped"; readonly pending: number }
  | ParamsAnswer
  /** The strategy's process is gone, or broke a bound. */
  | { readonly type: "gone"; readonly why: string };
