import type { z } from "zod";
import { ServiceFault } from "./faults.ts";
import { ENGINE_CALL_MS, ENGINE_EVENTS_WAIT_MS } from "./limits.ts";
import type { Logger } from "./log.ts";
import {
  type Health,
  runService,
  type Service,
  type ServiceContext,
  type ServiceSpec,
} from "./service.ts";
import { spanOfJson, type Tracer } from "./tracing.ts";

/** The door to the hot loops; the addon has it, tests turn a fake by hand. All texts are JSON. */
export interface EngineDoor<K extends string = string> {
  start(kind: K, config: string): number;
  call(id: number, request: string, body: Uint8Array | null, timeoutMs: number): Promise<string>;
  events(id: number, timeoutMs: number): Promise<string>;
  stats(id: number): string;
  stop(id: number): Promise<void>;
}

export type HotKind = "market-data" | "gateway" | "execution-router" | "recorder";
export type EngineEvent = { readonly type: string } & Readonly<Record<string, unknown>>;
export type EngineStats = Readonly<Record<string, unknown>>;

/** A running hot loop as its shell sees it. */
export interface Engine {
  /** One control request; rejects with a `ServiceFault` when the loop does not answer in time. */
  call(
    request: Readonly<Record<string, unknown>>,
    body?: Uint8Array | null,
    timeoutMs?: number,
  ): Promise<Readonly<Record<string, unknown>>>;
  stats(): EngineStats;
}

/** Lets go of what the shell holds; runs before the loop stops. */
export type Detach = () => Promise<void> | void;

export interface HotServiceSpec<S extends z.ZodObject> extends Omit<ServiceSpec<S>, "start"> {
  readonly kind: HotKind;
  /** The loop's own configuration. */
  engineConfig(context: HotContext<S>): object;
  /** Whether the loop's statistics say that it serves; by default its state is one of `READY_STATES`. */
  ready?(stats: EngineStats): boolean;
  /** Routes and whatever else the shell does beside the loop. */
  attach?(context: HotContext<S>, engine: Engine): Promise<Detach | undefined> | Detach | undefined;
  /** An event that is no log line and no span. */
  onEvent?(event: EngineEvent, engine: Engine, context: HotContext<S>): void;
  /** Finishes what is under way, on a stop, before `attach`'s end and the loop's. */
  drain?(engine: Engine, context: HotContext<S>): Promise<void> | void;
}

type HotContext<S extends z.ZodObject> = ServiceContext<z.output<S>>;

/** States of a loop that count as ready where the service does not say, in any case. */
const READY_STATES = new Set(["RUNNING", "NORMAL", "READY", "SYNCED", "VALID", "OK", "UP"]);

/** Runs a service whose work is a Rust loop on its own thread. */
export async function runHotService<S extends z.ZodObject>(spec: HotServiceSpec<S>): Promise<void> {
  await runService(hotService(spec, realEngine));
}

const realEngine = async (): Promise<EngineDoor<HotKind>> => {
  const core = await import("@tidegate/rust-core");
  const {
    engineStart: start,
    engineCall: call,
    engineEvents: events,
    engineStats: stats,
    engineStop: stop,
  } = core;
  return { start, call, events, stats, stop };
};

/** The service around a hot loop, for `runService` or `launch`. */
export function hotService<S extends z.ZodObject>(
  spec: HotServiceSpec<S>,
  open: () => Promise<EngineDoor<HotKind>>,
): ServiceSpec<S> {
  return {
    name: spec.name,
    schema: spec.schema,
    ...(spec.defaults === undefined ? {} : { defaults: spec.defaults }),
    start: async (context) => startHot(spec, await open(), context),
  };
}

async function startHot<S extends z.ZodObject>(
  spec: HotServiceSpec<S>,
  door: EngineDoor<HotKind>,
  context: HotContext<S>,
): Promise<Service> {
  const { log, tracer } = context;
  const id = guarded(() => door.start(spec.kind, JSON.stringify(spec.engineConfig(context))));
  const stats = (): EngineStats => JSON.parse(door.stats(id)) as EngineStats;
  const engine: Engine = {
    stats,
    async call(request, body = null, timeoutMs = ENGINE_CALL_MS) {
      try {
        const answer = await door.call(id, JSON.stringify(request), body, timeoutMs);
        return JSON.parse(answer) as Readonly<Record<string, unknown>>;
      } catch (error) {
        throw new ServiceFault(`${spec.name}: ${(error as Error).message}`, { cause: error });
      }
    },
  };
  let stopping = false;
  const hand = (event: EngineEvent): void => {
    if (event.type === "log") logEvent(log, event);
    else if (event.type === "span") spanEvent(tracer, event);
    else spec.onEvent?.(event, engine, context);
  };
  const pump = async (): Promise<void> => {
    for (;;) {
      const events = JSON.parse(await door.events(id, ENGINE_EVENTS_WAIT_MS)) as EngineEvent[];
      for (const event of events) hand(event);
      if (stopping) return;
      const now = stats();
      if (now["alive"] === true) continue;
      const why =
        typeof now["fault"] === "string" ? now["fault"] : "it returned without being asked to";
      throw new ServiceFault(`the ${spec.kind} loop has ended: ${why}`);
    }
  };
  let detach: Detach | undefined;
  try {
    detach = await spec.attach?.(context, engine);
  } catch (error) {
    await door.stop(id).catch(() => {});
    throw error;
  }
  const pumped = pump().catch((error: unknown) => {
    if (!stopping) context.fail(error);
  });
  return {
    ready: () => healthOf(stats(), spec.ready?.bind(spec)),
    stats,
    async drain() {
      await spec.drain?.(engine, context);
    },
    async stop() {
      stopping = true;
      await detach?.();
      try {
        await door.stop(id);
      } finally {
        await pumped;
      }
    },
  };
}

function healthOf(now: EngineStats, ready?: (stats: EngineStats) => boolean): Health {
  const state = typeof now["state"] === "string" ? now["state"] : "STARTING";
  if (now["alive"] !== true)
    return { ready: false, state: "DEAD", detail: String(now["fault"] ?? "") };
  const detail = typeof now["detail"] === "string" ? { detail: now["detail"] } : {};
  return { ready: ready?.(now) ?? READY_STATES.has(state.toUpperCase()), state, ...detail };
}

/** What the engine refuses is a fault of the world (a taken socket, a bad file), worded by the loop. */
function guarded<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new ServiceFault((error as Error).message, { cause: error });
  }
}

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

function logEvent(log: Logger, event: EngineEvent): void {
  const { type: _, level, msg, ...fields } = event;
  const known = LEVELS.find((each) => each === level) ?? "info";
  log[known](fields, typeof msg === "string" ? msg : "");
}

function spanEvent(tracer: Tracer, event: EngineEvent): void {
  const span = spanOfJson(event);
  // An event that is no span still counts: a zero id is refused, and shows in the tracer's statistics.
  tracer.record(span ?? { name: "", traceId: "", spanId: "", startNs: 0n, endNs: 0n });
}
