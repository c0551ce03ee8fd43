import { metricsOf, PROCESSES } from "@tidegate/contracts/metrics";
import type { z } from "zod";
import { type BaseConfig, explain, loadConfig } from "./config.ts";
import { ConfigError, EXIT, isFault } from "./faults.ts";
import { type FastifyInstance, type HttpEnd, listenHttp } from "./http.ts";
import { PARENT_POLL_MS } from "./limits.ts";
import { createLog, type Logger, type LogSink, stdoutSink, writeAll } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { scrub } from "./secret.ts";
import { removeState, writeState } from "./state-file.ts";
import { createTracer, type Tracer } from "./tracing.ts";

/** What a service says of itself. `state` is its own word, as RUNNING, SYNCING or DEGRADED. */
export interface Health {
  readonly ready: boolean;
  readonly state: string;
  readonly detail?: string;
}

/** A started service. */
export interface Service {
  ready(): Health;
  /** Numbers for /health and /metrics; common keys: events, lag, state, latency {p50,p99,p999,max in us}. */
  stats?(): object;
  /** Takes no new work and finishes what it has; bounded by `drainMsMax`. */
  drain(): Promise<void> | void;
  /** Lets everything go; bounded by `stopMsMax`. */
  stop(): Promise<void> | void;
}

/** The same, by the name of what it is. */
export type Running = Service;

/** What the kit hands to a service at its start. */
export interface ServiceContext<C> {
  readonly name: string;
  readonly config: C;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  /** Routes of the service itself; added during `start`, served after it. */
  readonly http: FastifyInstance;
  /** Ends the process: a fault exits 1, anything else is a bug and exits 70. */
  fail(error: unknown): void;
}

export interface ServiceSpec<S extends z.ZodObject> {
  /** The process's name, as `execution-router`. */
  readonly name: string;
  /** The service's own settings; those of `BaseConfig` are added by the kit. */
  readonly schema: S;
  readonly defaults?: Partial<z.input<S>> & Partial<BaseConfig>;
  /** Sets everything in motion and returns; what takes long shows in `ready()`. */
  start(context: ServiceContext<z.output<S> & BaseConfig>): Promise<Service> | Service;
}

/** The process around a service; tests pass their own. */
export interface ProcessIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly argv: readonly string[];
  readonly sink: LogSink;
  readonly stderr: (text: string) => void;
  readonly stdout: (text: string) => void;
}

/** A launched service: stop it, or wait for its end. */
export interface Launched {
  readonly port: number;
  /** Drains and stops once; further calls give the same answer. */
  stop(why: string): Promise<number>;
  /** The exit code, once it has ended. */
  readonly ended: Promise<number>;
  fail(error: unknown): void;
  /** A bug: says so, at once, and gives the exit code; nothing is drained. */
  bug(error: unknown): number;
  readonly config: BaseConfig;
}

const realIo = (): ProcessIo => ({
  env: process.env,
  argv: process.argv.slice(2),
  sink: stdoutSink,
  stderr: (text) => writeAll(2, text),
  stdout: (text) => writeAll(1, text),
});

/**
 * Runs one service as this process: settings, log, health, metrics, tracing, signals, drain and exit code.
 * It returns when the process is about to exit.
 */
export async function runService<S extends z.ZodObject>(spec: ServiceSpec<S>): Promise<void> {
  const io = realIo();
  // Until the service is launched, a stop or a bug has nothing to drain.
  let launched: Launched | null = null;
  const signal = (name: string) => () => {
    if (launched === null) process.exit(EXIT.ok);
    void launched.stop(name);
  };
  process.on("SIGTERM", signal("SIGTERM"));
  process.on("SIGINT", signal("SIGINT"));
  process.on("SIGPIPE", () => {});
  const bug = (error: unknown) => {
    if (launched === null) io.stderr(`${spec.name}: bug: ${textOf(error)}\n`);
    process.exit(launched?.bug(error) ?? EXIT.bug);
  };
  process.on("uncaughtException", bug);
  process.on("unhandledRejection", bug);
  const result = await launch(spec, io);
  if (typeof result === "number") process.exit(result);
  launched = result;
  if (result.config.dieWithParent)
    watchParent(() => void result.stop("the parent process is gone"));
  process.exit(await result.ended);
}

/** Calls `gone` once when the process that started this one is gone: its channel closes or the parent id changes. */
function watchParent(gone: () => void): void {
  const parent = process.ppid;
  let told = false;
  const tell = () => {
    if (told) return;
    told = true;
    gone();
  };
  process.on("disconnect", tell);
  // Under a parent that died before this line the id is already that of the reaper.
  if (parent === 1 && process.env["TIDEGATE_DIE_WITH_PARENT"] !== "1") return;
  setInterval(() => {
    if (process.ppid !== parent) tell();
  }, PARENT_POLL_MS).unref();
}

const textOf = (error: unknown): string =>
  scrub(error instanceof Error ? (error.stack ?? error.message) : String(error));

/**
 * Starts a service without touching the process itself. Gives an exit code when there is nothing to run: `--explain`
 * (0), bad settings (2), a fault (1) or a bug (70) at the start; the reason is already printed.
 */
export async function launch<S extends z.ZodObject>(
  spec: ServiceSpec<S>,
  io: ProcessIo,
): Promise<Launched | number> {
  const { name } = spec;
  let loaded: ReturnType<typeof loadConfig<S>>;
  try {
    loaded = loadConfig(name, spec.schema, { ...io, defaults: spec.defaults });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    io.stderr(`${scrub(error.message)}\n`);
    return EXIT.usage;
  }
  if (loaded.explain) {
    io.stdout(`${scrub(explain(loaded.settings))}\n`);
    return EXIT.ok;
  }
  const { config } = loaded;
  const base: BaseConfig = config;
  const log = createLog(name, base.logLevel, io.sink);
  const die = (error: unknown): number => {
    const fault = isFault(error);
    log.fatal({ err: error }, fault ? (error as Error).message : `bug: ${String(error)}`);
    io.stderr(
      fault ? `${name}: ${scrub((error as Error).message)}\n` : `${name}: bug: ${textOf(error)}\n`,
    );
    return fault ? EXIT.fault : EXIT.bug;
  };

  let http: HttpEnd;
  try {
    http = await listenHttp(name, base.httpPort);
  } catch (error) {
    return die(error);
  }
  const process_ = PROCESSES.find((each) => each === name);
  const metrics = new Metrics(name, process_ === undefined ? [] : metricsOf(process_));
  const tracer = createTracer(name, io.env, log);
  const end = Promise.withResolvers<number>();
  let service: Service | null = null;
  let stateFile: string | null = null;
  let stopping: Promise<number> | null = null;

  const shutDown = async (why: string, code: number): Promise<number> => {
    log.info({ why }, "stopping");
    let exit = code;
    const bounded = async (what: string, ms: number, act: () => Promise<void> | void) => {
      const problem = await within(ms, act);
      if (problem === null) return;
      exit = exit === EXIT.ok ? EXIT.fault : exit;
      log.error({ problem }, `${what} did not end well`);
    };
    const running = service;
    if (running !== null) {
      await bounded("drain", base.drainMsMax, () => running.drain());
      await bounded("stop", base.stopMsMax, () => running.stop());
    }
    await bounded("tracing", base.stopMsMax, () => tracer.stop());
    await bounded("http", base.stopMsMax, () => http.close());
    if (stateFile !== null && exit === EXIT.ok) removeState(stateFile);
    log.info({ exit }, "stopped");
    end.resolve(exit);
    return exit;
  };
  const stop = (why: string, code: number = EXIT.ok): Promise<number> => {
    stopping ??= shutDown(why, code);
    return stopping;
  };
  const fail = (error: unknown): void => {
    if (stopping === null) void stop("fault", die(error));
  };

  routes(http.app, name, metrics, tracer, () => service);
  try {
    service = await spec.start({ name, config, log, metrics, tracer, http: http.app, fail });
    await http.open();
    const startedNs = BigInt(Math.round(performance.timeOrigin * 1_000)) * 1_000n;
    stateFile = writeState(base.stateDir, name, {
      pid: process.pid,
      httpPort: http.port,
      startedNs: String(startedNs),
    });
    metrics.collectProcess();
  } catch (error) {
    return stop("the start failed", die(error));
  }
  log.info({ httpPort: http.port, startMs: Math.round(performance.now()) }, "started");
  return {
    port: http.port,
    stop: (why) => stop(why),
    ended: end.promise,
    fail,
    bug: die,
    config: base,
  };
}

/** Runs `act` for at most `ms`; null, or what went wrong. */
async function within(ms: number, act: () => Promise<void> | void): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((done) => {
    timer = setTimeout(() => done(`not done within ${ms} ms`), ms);
  });
  try {
    return await Promise.race([Promise.resolve(act()).then(() => null), late]);
  } catch (error) {
    return textOf(error);
  } finally {
    clearTimeout(timer);
  }
}

function routes(
  app: FastifyInstance,
  name: string,
  metrics: Metrics,
  tracer: Tracer,
  current: () => Service | null,
): void {
  const health = (): Health => current()?.ready() ?? { ready: false, state: "STARTING" };
  app.get("/live", async () => ({ service: name, pid: process.pid, live: true }));
  app.get("/ready", async (_, reply) => {
    const now = health();
    return reply.code(now.ready ? 200 : 503).send({ service: name, ...now });
  });
  app.get("/health", async (_, reply) => {
    const now = health();
    const stats = current()?.stats?.() ?? {};
    const body = {
      service: name,
      pid: process.pid,
      uptimeS: process.uptime(),
      ...now,
      stats,
      tracing: tracer.stats(),
    };
    const text = JSON.stringify(body, (_key, value) =>
      typeof value === "bigint" ? String(value) : value,
    );
    return reply
      .code(now.ready ? 200 : 503)
      .type("application/json")
      .send(text);
  });
  app.get("/metrics", async (_, reply) => {
    metrics.gauge("tidegate_ready").set(health().ready ? 1 : 0);
    metrics.showStats(current()?.stats?.() ?? {});
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}
