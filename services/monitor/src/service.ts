import { readFileSync } from "node:fs";
import { join } from "node:path";
import { StreamSubscriber } from "@tidegate/bus";
import type { BaseConfig, Service, ServiceContext } from "@tidegate/service-kit";
import type { MonitorConfig } from "./config.ts";
import {
  type Effect,
  type HealthState,
  initialHealth,
  type Look,
  onLook,
  overall,
} from "./core.ts";

/** Longest wait for the answer of a process. */
const LOOK_MS_MAX = 1_000;
const PRINCIPAL = "monitor";

/** Looks at every process, listens to the market-data heartbeats, and passes an operator's or its own HALT to the gateway. */
export async function start(context: ServiceContext<MonitorConfig & BaseConfig>): Promise<Service> {
  const { config, log, http } = context;
  const rules = {
    missesMax: config.missesMax,
    critical: config.critical,
    haltAfterMs: config.haltAfterMs,
  };
  let state: HealthState = initialHealth(config.watch, performance.now());
  let looks = 0;
  const streams = new Map<string, { state: "LIVE" | "STALE" | "CLOSED"; missing: number }>();

  const stream = (topic: string) => {
    const known = streams.get(topic) ?? { state: "LIVE" as const, missing: 0 };
    streams.set(topic, known);
    return known;
  };
  const subscriber = await StreamSubscriber.connect({
    url: config.mdUrl,
    prefixes: ["md."],
    onData: (topic) => {
      stream(topic).state = "LIVE";
    },
    onEvent: (topic, event) => {
      const known = stream(topic);
      if (event.type === "stale") known.state = "STALE";
      else if (event.type === "closed") known.state = "CLOSED";
      else known.state = "LIVE";
      if (event.type === "gap") known.missing += Number(event.last) - Number(event.first) + 1;
    },
  });
  subscriber.done.catch((error: unknown) =>
    context.fail(error instanceof Error ? error : new Error(String(error))),
  );

  const apply = async (effect: Effect): Promise<void> => {
    if (effect.kind === "log") log[effect.level](effect.message);
    else {
      const answer = await gateway("halt", effect.reason, PRINCIPAL, undefined);
      log.warn({ status: answer.status }, `asked the gateway for HALT: ${effect.reason}`);
    }
  };

  const gateway = async (
    operation: string,
    reason: string,
    principal: string,
    authorization: string | undefined,
  ): Promise<{ readonly status: number; readonly body: unknown }> => {
    try {
      const { httpPort } = stateFile(config.stateDir, "gateway");
      const bearer =
        authorization ?? `Bearer ${readFileSync(config.controlTokenFile, "utf8").trim()}`;
      const response = await fetch(`http://127.0.0.1:${httpPort}/control/${operation}`, {
        method: "POST",
        headers: {
          authorization: bearer,
          "content-type": "application/json",
          "x-tidegate-principal": principal,
        },
        body: JSON.stringify({ reason }),
        signal: AbortSignal.timeout(LOOK_MS_MAX),
      });
      return { status: response.status, body: await response.json() };
    } catch (error) {
      return {
        status: 503,
        body: { ok: false, error: `the gateway cannot be reached: ${(error as Error).message}` },
      };
    }
  };

  const look = async (name: string): Promise<void> => {
    const found = await lookAt(config.stateDir, name);
    const step = onLook(state, rules, name, found, performance.now());
    state = step.state;
    looks += 1;
    for (const effect of step.effects) await apply(effect);
  };
  let busy = false;
  const round = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    try {
      await Promise.all(config.watch.map(look));
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(() => void round(), config.lookMs);

  http.get("/status", () => ({
    overall: overall(state),
    processes: [...state.processes.values()],
    streams: Object.fromEntries(streams),
  }));
  // The gateway checks token and principal; the monitor only carries them there.
  http.post<{ Params: { operation: string }; Body: { reason?: string } | null }>(
    "/control/:operation",
    async (request, reply) => {
      const principal = request.headers["x-tidegate-principal"];
      const answer = await gateway(
        encodeURIComponent(request.params.operation),
        request.body?.reason ?? "",
        typeof principal === "string" ? principal : "",
        request.headers.authorization ?? "",
      );
      return reply.code(answer.status).send(answer.body);
    },
  );

  return {
    ready: () => ({ ready: true, state: overall(state) }),
    stats: () => ({
      events: looks,
      lag: [...state.processes.values()].filter((each) => each.verdict !== "UP").length,
      streams: streams.size,
      streamsStale: [...streams.values()].filter((each) => each.state === "STALE").length,
      streamsMissing: [...streams.values()].reduce((sum, each) => sum + each.missing, 0),
    }),
    drain() {
      clearInterval(timer);
    },
    async stop() {
      await subscriber[Symbol.asyncDispose]();
    },
  };
}

function stateFile(dir: string, name: string): { readonly pid: number; readonly httpPort: number } {
  return JSON.parse(readFileSync(join(dir, `${name}.json`), "utf8")) as {
    pid: number;
    httpPort: number;
  };
}

async function lookAt(dir: string, name: string): Promise<Look> {
  try {
    const { pid, httpPort } = stateFile(dir, name);
    process.kill(pid, 0);
    const response = await fetch(`http://127.0.0.1:${httpPort}/ready`, {
      signal: AbortSignal.timeout(LOOK_MS_MAX),
    });
    const body = (await response.json()) as { ready?: boolean; state?: string };
    return { pid, ready: body.ready === true, state: body.state ?? "?" };
  } catch {
    return null;
  }
}
