import type { z } from "zod";
import type { BaseConfig } from "./config.ts";
import { ServiceFault } from "./faults.ts";
import { ENGINE_CALL_MS, ENGINE_EVENTS_WAIT_MS } from "./limits.ts";
import type { Logger } from "./log.ts";
import { type Health, runService, type Service, type ServiceContext, type ServiceSpec } from "./service.ts";
import { spanOfJson, type Tracer } from "./tracing.ts";

/** The door to the hot loops; the addon has it, tests turn a fake by hand. All texts are JSON. */
export interface Engine<K extends string = string> {
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
export interface HotLoop {
  /** One control request; rejects with a `ServiceFault` when the loop does not answer in time. */
  call(request: object, body?: Uint8Array | null, timeoutMs?: number): Promise<Record<string, unknown>>;
  stats(): EngineStats;
}

export interface HotSpec<S extends z.ZodObject> extends Omit<ServiceSpec<S>, "start"> {
  readonly kind: HotKind;
  /** Settings → the loop's own configuration. */
  loopConfig(config: z.output<S> & BaseConfig): object;
  /** Routes and whatever else the shell does; its `drain` and `stop` run before those of the loop. */
  shell?(context: ServiceContext<z.output<S> & BaseConfig>, loop: HotLoop): Promise<Partial<Service>> | Partial<Service>;
  /** An event that is no log line and no span. */
  onEvent?(event: EngineEvent, context: ServiceContext<z.output<S> & BaseConfig>, loop: HotLoop): void;
  /** Which of the loop's own states are ready; default: RUNNING, NORMAL, READY, SYNCED, VALID, OK and UP in any case. */
  readyStates?: readonly string[];
}

const READY_STATES = ["RUNNING", "NORMAL", "READY", "SYNCED", "VALID", "OK", "UP"];

/** Runs a service whose work is a Rust loop on its own thread. */
export async function runHotService<S extends z.ZodObject>(spec: HotSpec<S>): Promise<void> {
  await runService(hotService(spec, realEngine));
}

const realEngine = async (): Promise<Engine<HotKind>> => {
  const core = await import("@tidegate/rust-core");
  const { engineStart: start, engineCall: call, engineEvents: events, engineStats: stats, engineStop: stop } = core;
  return { start, call, events, stats, stop };
};

/** The service around a hot loop, for `runService` or `launch`. */
export function hotService<S extends z.ZodObject>(
  spec: HotSpec<S>,
  open: () => Promise<Engine<HotKind>>,
): ServiceSpec<S> {
  return {
    name: spec.name,
    schema: spec.schema,
    ...(spec.defaults === undefined ? {} : { defaults: spec.defaults }),
    start: async (context) => startHot(spec, await open(), context),
  };
}

async function startHot<S extends z.ZodObject>(
  spec: HotSpec<S>,
  engine: Engine<HotKind>,
  context: ServiceContext<z.output<S> & BaseConfig>,
): Promise<Service> {
  const { log, tracer } = context;
  const id = guarded(() => engine.start(spec.kind, JSON.stringify(spec.loopConfig(context.config))));
  const stats = (): EngineStats => JSON.parse(engine.stats(id)) as EngineStats;
  const loop: HotLoop = {
    stats,
    async call(request, body = null, timeoutMs = ENGINE_CALL_MS) {
      try {
        const answer = await engine.call(id, JSON.stringify(request), body, timeoutMs);
        return JSON.parse(answer) as Record<string, unknown>;
      } catch (error) {
        throw new ServiceFault(`${spec.name}: ${(error as Error).message}`, { cause: error });
      }
    },
  };
  let stopping = false;
  const hand = (event: EngineEvent): void => {
    if (event.type === "log") logEvent(log, event);
    else if (event.type === "span") spanEvent(tracer, event);
    else spec.onEvent?.(event, context, loop);
  };
  const pump = async (): Promise<void> => {
    for (;;) {
      const events = JSON.parse(await engine.events(id, ENGINE_EVENTS_WAIT_MS)) as EngineEvent[];
      for (const event of events) hand(event);
      if (stopping) return;
      const now = stats();
      if (now["alive"] === true) continue;
      const why = typeof now["fault"] === "string" ? now["fault"] : "it returned without being asked to";
      throw new ServiceFault(`the ${spec.kind} loop has ended: ${why}`);
    }
  };
  let shell: Partial<Service>;
  try {
    shell = (await spec.shell?.(context, loop)) ?? {};
  } catch (error) {
    stopping = true;
    await engine.stop(id).catch(() => {});
    throw error;
  }
  const pumped = pump().catch((error: unknown) => {
    if (!stopping) context.fail(error);
  });
  const readyStates = new Set((spec.readyStates ?? READY_STATES).map((each) => each.toUpperCase()));
  const ready = (): Health => {
    const now = stats();
    const state = typeof now["state"] === "string" ? now["state"] : "STARTING";
    if (now["alive"] !== true) return { ready: false, state: "DEAD", detail: String(now["fault"] ?? "") };
    const detail = typeof now["detail"] === "string" ? { detail: now["detail"] } : {};
    return { ready: readyStates.has(state.toUpperCase()), state, ...detail };
  };
  return {
    ready: () => shell.ready?.() ?? ready(),
    stats: () => ({ ...stats(), ...shell.stats?.() }),
    async drain() {
      await shell.drain?.();
    },
    async stop() {
      await shell.stop?.();
      stopping = true;
      try {
        await engine.stop(id);
      } finally {
        await pumped;
      }
    },
  };
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
