import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { StreamSubscriber } from "@tidegate/bus";
import {
  type BaseConfig,
  type Service,
  type ServiceContext,
  ServiceFault,
} from "@tidegate/service-kit";
import {
  Audit,
  addControl,
  Latch,
  livePrincipals,
  mint,
  readSigner,
  serveUnix,
  TokenJudge,
} from "@tidegate/service-kit/control";
import type { MassCancelDesk } from "@tidegate/venues";
import type { MonitorConfig } from "./config.ts";
import {
  type Effect,
  type HealthState,
  initialHealth,
  type Look,
  onLook,
  overall,
} from "./core.ts";
import { killDesks } from "./desks.ts";
import { type AskGateway, DrawdownWatch } from "./drawdown-watch.ts";
import { KillSwitch, killRoutes } from "./kill.ts";
import { reconRoutes } from "./recon/routes.ts";
import { type Running, startRecon, wantsRecon } from "./recon/start.ts";

/** The name that tokens for this service carry. */
export const AUDIENCE = "monitor";

/** Longest wait for the answer of a process. */
const LOOK_MS_MAX = 1_000;

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
      try {
        const answer = await gateway("halt", effect.reason, randomUUID(), own());
        log.warn({ status: answer.status }, `asked the gateway for HALT: ${effect.reason}`);
      } catch (error) {
        log.error({ err: error }, `could not ask the gateway for HALT: ${effect.reason}`);
      }
    }
  };

  const gateway = async (
    operation: string,
    reason: string,
    key: string,
    authorization: string,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<{ readonly status: number; readonly body: unknown }> => {
    try {
      const { httpPort } = stateFile(config.stateDir, "gateway");
      const response = await fetch(`http://127.0.0.1:${httpPort}/control/${operation}`, {
        method: "POST",
        headers: {
          authorization,
          "content-type": "application/json",
          "idempotency-key": key,
        },
        body: JSON.stringify({ reason, ...more }),
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

  /** Its own word: a token of its own key, read anew so that a changed one is found. */
  const own = (): string =>
    `Bearer ${mint(readSigner(config.principal, config.keyFile), "gateway", Date.now())}`;
  const desks = killDesks(config);
  /** Whether the gateway took it; why not is told. */
  const told = async (operation: string, reason: string, more: object = {}): Promise<boolean> => {
    try {
      const { status, body } = await gateway(operation, reason.slice(0, 200), randomUUID(), own(), {
        ...more,
      });
      if (status !== 200) log.error({ status, body }, `the gateway did not take: ${operation}`);
      return status === 200;
    } catch (error) {
      log.error({ err: error }, `the gateway could not be asked: ${operation}`);
      return false;
    }
  };
  const recon = await reconOf(context, desks, told, own);
  const drawdown = drawdownOf(context, own);
  const killSwitch = await startKill(context, desks, recon, async (reason) => {
    const { status, body } = await gateway("kill", reason.slice(0, 200), randomUUID(), own());
    if (status !== 200) throw new Error(`status ${status}: ${JSON.stringify(body)}`);
  });

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
    ...(drawdown === null ? {} : { drawdown: drawdown.shown() }),
  }));
  // The gateway judges the token; the monitor only carries it there.
  http.post<{ Params: { operation: string }; Body: { reason?: string } | null }>(
    "/control/:operation",
    async (request, reply) => {
      const key = request.headers["idempotency-key"];
      const answer = await gateway(
        encodeURIComponent(request.params.operation),
        request.body?.reason ?? "",
        typeof key === "string" ? key : "",
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
      ...(drawdown === null
        ? {}
        : { drawdownBps: drawdown.shown().bps, drawdownFiring: Number(drawdown.shown().firing) }),
    }),
    drain() {
      clearInterval(timer);
      drawdown?.stop();
    },
    async stop() {
      drawdown?.stop();
      await recon?.stop();
      await killSwitch?.();
      await subscriber[Symbol.asyncDispose]();
    },
  };
}

/** The reconciliation, where a venue of it is configured. */
async function reconOf(
  { config, log, fail }: ServiceContext<MonitorConfig & BaseConfig>,
  desks: readonly MassCancelDesk[],
  told: (operation: string, reason: string, more?: object) => Promise<boolean>,
  own: () => string,
): Promise<Running | null> {
  if (!wantsRecon(config)) return null;
  if (config.principalsFile === undefined)
    throw new ServiceFault("a reconciliation needs principalsFile: who may sign its cases");
  const rests = new Map(desks.map(({ name, rest }) => [name, rest]));
  const http = (name: string, path: string, init: RequestInit): Promise<Response> => {
    const { httpPort } = stateFile(config.stateDir, name);
    const signal = AbortSignal.timeout(LOOK_MS_MAX);
    return fetch(`http://127.0.0.1:${httpPort}${path}`, { ...init, signal });
  };
  return await startRecon({
    ...{ config, rests, log, fail },
    freeze: (instrument, reason) => told("freeze", reason, { instrument }),
    halt: (reason) => told("halt", reason),
    async lookAgain(venueId) {
      try {
        const headers = { "content-type": "application/json" };
        const body = JSON.stringify({ venueId });
        const sent = { method: "POST", headers, body };
        return (await http("execution-router", "/look-again", sent)).status === 200;
      } catch {
        return false;
      }
    },
    async journalSeq() {
      try {
        const headers = { authorization: own() };
        const answer = await http("gateway", "/state", { headers });
        const { journalSeq } = (await answer.json()) as { journalSeq?: unknown };
        return typeof journalSeq === "number" ? journalSeq : null;
      } catch {
        return null;
      }
    },
  });
}

/** The alert of a drawdown, where it is wanted. */
function drawdownOf(
  { config, log }: ServiceContext<MonitorConfig & BaseConfig>,
  own: () => string,
): DrawdownWatch | null {
  if (config.drawdownCapitalE8 === undefined) return null;
  const ask: AskGateway = async (path) => {
    try {
      const { httpPort } = stateFile(config.stateDir, "gateway");
      const headers = { authorization: own() };
      const signal = AbortSignal.timeout(LOOK_MS_MAX);
      const answer = await fetch(`http://127.0.0.1:${httpPort}${path}`, { headers, signal });
      return answer.status === 200 ? await answer.json() : null;
    } catch {
      return null;
    }
  };
  return new DrawdownWatch(config, ask, log);
}

/** The kill of its own, where somebody may use it; gives what ends it. */
async function startKill(
  { config, log, http }: ServiceContext<MonitorConfig & BaseConfig>,
  desks: readonly MassCancelDesk[],
  recon: Running | null,
  tellGateway: (reason: string) => Promise<void>,
): Promise<(() => Promise<void>) | null> {
  if (config.principalsFile === undefined) {
    log.warn("this monitor has no kill: no principalsFile is set");
    return null;
  }
  const judge = new TokenJudge(AUDIENCE, livePrincipals(config.principalsFile), Date.now());
  const audit = new Audit(config.auditFile);
  const kill = new KillSwitch({
    latch: new Latch(config.latchFile, Date.now()),
    desks,
    routerKillFile: config.routerKillFile,
    log,
    tellGateway,
  });
  const routes = [...killRoutes(kill), ...(recon === null ? [] : reconRoutes(recon.desks))];
  addControl(http, { routes, judge, audit, log });
  await serveUnix(http, config.controlSocket);
  return async () => {
    await kill.stop();
    audit.close();
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
