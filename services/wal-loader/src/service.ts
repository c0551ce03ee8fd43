/** wal-loader as a process: what the kit starts, asks and stops. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runService, type Service, type ServiceContext } from "@tidegate/service-kit";
import type { Recording } from "@tidegate/storage";
import type { Claim, TendedClaim } from "./claim.ts";
import { Settings, type WalLoaderConfig } from "./config.ts";
import type { Sliced } from "./core.ts";
import type { Ends } from "./ends.ts";
import { CLAIM_BEATS } from "./limits.ts";
import type { Loader } from "./loader.ts";

/** A stop loads what is left for at most this long. */
const DRAIN_MS_MAX = 20_000;

/** What the loading is put together from. A program of a test gives its own part in place of one; the service gives none. */
export interface Parts {
  readonly repository: (url: string, config: WalLoaderConfig) => Recording;
  readonly claim: (config: WalLoaderConfig) => TendedClaim;
  readonly ends: (config: WalLoaderConfig) => Ends;
}

/** Runs the loader for the life of the process. */
export function runWalLoader(parts: Partial<Parts> = {}): Promise<void> {
  return runService({
    name: "wal-loader",
    schema: Settings,
    defaults: { drainMsMax: DRAIN_MS_MAX },
    start: (context) => start(context, parts),
  });
}

/** Starts the loaders, or says that there is no database and stays ready with the WAL alone. */
export async function start(
  context: ServiceContext<WalLoaderConfig>,
  parts: Partial<Parts> = {},
): Promise<Service> {
  const { config, log } = context;
  const { clickhouseUrl, databaseUrl } = config;
  if (clickhouseUrl === undefined && databaseUrl !== undefined) {
    return orderPath(context, databaseUrl);
  }
  if (clickhouseUrl === undefined) {
    log.warn("no clickhouseUrl is set: the WAL is kept and nothing is loaded");
    const state = "WAL_ONLY";
    return {
      ready: () => ({ ready: true, state, detail: "no ClickHouse is configured; the WAL is kept" }),
      stats: () => ({ state, events: 0, rows: 0, lag: 0 }),
      drain() {},
      stop() {},
    };
  }
  const { loading, claim } = await startLoading(context, clickhouseUrl, parts);
  return databaseUrl === undefined
    ? loading
    : both(loading, await orderPath(context, databaseUrl, claim));
}

/** Two loaders of one WAL as one service: ready when both are. */
function both(first: Service, second: Service): Service {
  return {
    ready() {
      const [one, other] = [first.ready(), second.ready()];
      return one.ready ? other : one;
    },
    stats: () => ({ ...first.stats?.(), relational: second.stats?.() }),
    async drain() {
      await Promise.all([first.drain(), second.drain()]);
    },
    async stop() {
      await Promise.all([first.stop(), second.stop()]);
    },
  };
}

/** Steps for ever, or, once it drains, until what there was then is in: a WAL that is being written has no end. */
function keepLoading(
  loader: Pick<Loader, "step" | "caughtUp">,
  options: {
    readonly ending: AbortSignal;
    readonly pauseMs: number;
    readonly pause: (ms: number) => Promise<void>;
  },
): { readonly done: Promise<void>; drain(): void } {
  const { ending, pauseMs, pause } = options;
  let draining = false;
  const run = async (): Promise<void> => {
    while (!ending.aborted) {
      const last = draining;
      const more = await loader.step();
      if (last && (!more || loader.caughtUp)) return;
      if (!more && !draining) await pause(pauseMs);
    }
  };
  return {
    done: run(),
    drain() {
      draining = true;
    },
  };
}

/** The loader of the order path into a relational store. */
async function orderPath(
  { config, log, fail }: ServiceContext<WalLoaderConfig>,
  url: string,
  claim?: Claim,
): Promise<Service> {
  const [{ decodeEnvelope }, { openRelational }, { RelationalLoader }, { openWal }] =
    await Promise.all([
      import("@tidegate/contracts"),
      import("@tidegate/storage"),
      import("./relational.ts"),
      import("./wal.ts"),
    ]);
  const store = openRelational(url);
  const ending = new AbortController();
  const pause = (ms: number) => sleep(ms, undefined, { signal: ending.signal }).catch(() => {});
  const loader = new RelationalLoader({
    wal: openWal(config.walDir),
    store,
    decode: decodeEnvelope,
    ...(claim === undefined ? {} : { claim }),
    random: Math.random,
    pause,
    onTrouble: (error, attempt, waitMs) => {
      log.warn(
        { err: error, attempt, waitMs },
        "the relational store did not take a group; it is tried again",
      );
    },
  });
  const running = keepLoading(loader, { ending: ending.signal, pauseMs: config.pollMs, pause });
  const done = running.done.catch((error: unknown) => fail(error));
  return {
    ready() {
      const { state } = loader.stats();
      return { ready: state === "RUNNING" || state === "STANDBY", state };
    },
    stats() {
      const { state, rows, quarantined, retries, lastWalSeq } = loader.stats();
      return { state, events: rows, lag: 0, rows, quarantined, retries, lastWalSeq };
    },
    async drain() {
      running.drain();
      await done;
    },
    async stop() {
      ending.abort();
      await done;
      await store[Symbol.asyncDispose]();
    },
  };
}

async function startLoading(
  context: ServiceContext<WalLoaderConfig>,
  url: string,
  parts: Partial<Parts>,
): Promise<{ readonly loading: Service; readonly claim: Claim }> {
  const { config, log, metrics, http, fail } = context;
  const [{ openRepository }, { FencedClaim }, { GroupEnds }, { Loader }, { openWal }] =
    await Promise.all([
      import("@tidegate/storage"),
      import("./claim.ts"),
      import("./ends.ts"),
      import("./loader.ts"),
      import("./wal.ts"),
    ]);
  const { loaderDir, claimMs } = config;
  const repository = parts.repository?.(url, config) ?? openRepository(url);
  const claim =
    parts.claim?.(config) ??
    new FencedClaim({
      dir: join(loaderDir, "claims"),
      silentMs: claimMs,
      nowMs: () => performance.now(),
    });
  const ends = parts.ends?.(config) ?? new GroupEnds(join(loaderDir, "ends"));
  const ending = new AbortController();
  const pause = (ms: number) => sleep(ms, undefined, { signal: ending.signal }).catch(() => {});
  const loader: Loader = new Loader({
    wal: openWal(config.walDir),
    repository,
    ledgerDir: loaderDir,
    claim,
    ends,
    nowNs: () => BigInt(Date.now()) * 1_000_000n,
    random: Math.random,
    pause,
    onLoaded: (sliced) => measure(metrics, sliced),
    onTrouble: (error, attempt, waitMs) => {
      log.warn(
        { err: error, attempt, waitMs },
        "the database did not take a group; it is tried again",
      );
    },
  });
  const tend = (): void => {
    const before = claim.fence;
    if (claim.tend() && claim.fence !== before)
      log.info({ fence: claim.fence }, "the claim is this loader's");
  };
  // Before the first step, so that a loader on its own does not begin as a standby.
  tend();
  const tending = setInterval(() => {
    try {
      tend();
    } catch (error) {
      fail(error);
    }
  }, claimMs / CLAIM_BEATS);
  const running = keepLoading(loader, { ending: ending.signal, pauseMs: config.pollMs, pause });
  const done = running.done.catch((error: unknown) => fail(error));
  http.get("/completeness", async () => loader.completeness());
  const loading: Service = {
    ready() {
      const { state } = loader.stats();
      // A standby has not asked the database; that it is away is for the one at work to say.
      const well = state === "RUNNING" || state === "STANDBY";
      metrics.gauge("tidegate_loader_database_up").set(well ? 1 : 0);
      metrics.gauge("tidegate_loader_lag_records").set(loader.stats().lag);
      return { ready: well, state };
    },
    stats: () => loader.stats(),
    async drain() {
      running.drain();
      await done;
    },
    async stop() {
      ending.abort();
      await done;
      clearInterval(tending);
      claim.release();
      await repository[Symbol.asyncDispose]();
    },
  };
  return { loading, claim };
}

function measure(
  metrics: ServiceContext<WalLoaderConfig>["metrics"],
  { slices, blocks, quarantined }: Sliced,
): void {
  for (const { table, rows } of slices)
    metrics.counter("tidegate_loader_rows_total").inc({ table }, rows);
  metrics.counter("tidegate_loader_blocks_total").inc({ outcome: "loaded" }, blocks?.rows ?? 0);
  for (const [reason, count] of quarantined)
    metrics.counter("tidegate_loader_quarantined_total").inc({ reason }, count);
}
