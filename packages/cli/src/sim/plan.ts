import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { addPrincipal, makeKey, type Role } from "@tidegate/service-kit/control";
import type { FeedUrls, ProcessName, SimOptions } from "./options.ts";
import { paperKey } from "./paper.ts";

/** What each process of a run is configured to, and the environment they share. */
export interface ClusterPlan {
  readonly configs: Readonly<Record<ProcessName, Readonly<Record<string, unknown>>>>;
  readonly env: Readonly<Record<string, string>>;
  /** The process that serves a recording as a venue serves its market; null where there is none. */
  readonly feed: Readonly<Record<string, unknown>> | null;
}

/** The one key the simulated venue knows; it opens nothing else. */
const VENUE_KEY = { apiKey: "sim", apiSecret: "sim-secret" } as const;
/** Its second key, which looks and cancels: monitor's. */
const KILL_KEY = { apiKey: "sim-kill", apiSecret: "sim-kill-secret" } as const;

/** Who acts in a run: the command line, and the monitor. Their keys live and end with the run's folder. */
export const RUN_PRINCIPALS = [
  ["run-sim", "operator"],
  ["monitor", "operator"],
] as const satisfies readonly (readonly [string, Role])[];

/** Makes the keys and the file of principals of a run. */
export function makePrincipals(
  runDir: string,
  people: readonly (readonly [string, Role])[] = RUN_PRINCIPALS,
): void {
  for (const [name, role] of people) {
    const publicKey = makeKey(join(runDir, "state", `${name}.key`));
    addPrincipal(join(runDir, "state/principals.json"), name, role, publicKey);
  }
}

/** Whether a strategy file is one that ships: it lies in strategies/ and has its page. */
export function isShipped(root: string, file: string): boolean {
  const name = basename(file, ".ts");
  const own = resolve(file) === join(root, "strategies", `${name}.ts`);
  return own && existsSync(join(root, "docs/reference/strategies", `${name}.md`));
}

/** A run's settings: embedded defaults, this run's ports and files. */
export function clusterPlan(input: {
  readonly root: string;
  readonly runDir: string;
  readonly options: SimOptions;
  readonly ports: Readonly<Record<ProcessName | "venue", number>> & { readonly feed?: number };
}): ClusterPlan {
  const { root, runDir, options, ports } = input;
  const { paper } = options;
  const [venueKey, killKey] =
    paper === undefined ? [VENUE_KEY, KILL_KEY] : [paperKey(), paperKey()];
  const http = `http://127.0.0.1:${ports.venue}`;
  const ws = `ws://127.0.0.1:${ports.venue}`;
  const keysFile = join(runDir, "state/venue-keys.json");
  mkdirSync(dirname(keysFile), { recursive: true });
  writeFileSync(keysFile, JSON.stringify({ "binance-spot": venueKey, "binance-usdm": venueKey }), {
    mode: 0o600,
  });
  const killKeysFile = join(runDir, "state/kill-keys.json");
  writeFileSync(
    killKeysFile,
    JSON.stringify({ "binance-spot": killKey, "binance-usdm": killKey }),
    { mode: 0o600 },
  );
  makePrincipals(runDir);
  const instrumentsFile = join(root, "config/instruments.json");
  const files = [options.strategy, ...(options.beside ?? [])];
  const limitsFile = limitsFor(root, runDir, files.length);
  const capture = options.capture === true ? { inputLogDir: "inputs" } : {};
  const httpPort = (name: ProcessName) => ({ httpPort: ports[name] });
  const replayed = { speed: options.speed, data: options.data };
  const urls = feedUrls(options, ports);
  return {
    configs: {
      "venue-sim": {
        ...httpPort("venue-sim"),
        port: ports.venue,
        ...(paper === undefined
          ? replayed
          : {
              liveSpotStreamUrl: urls.spotStreamUrl,
              liveSpotRestUrl: urls.spotRestUrl,
              liveUsdmStreamUrl: urls.usdmStreamUrl,
              liveUsdmRestUrl: urls.usdmRestUrl,
              // A recording is there already.
              liveRecord: paper.kind === "venue",
              ...(paper.kind === "venue" ? {} : { liveReconnectMsMin: RECONNECT_MS_MIN }),
              ...venueKey,
              killKey: killKey.apiKey,
              killSecret: killKey.apiSecret,
            }),
      },
      "market-data": {
        ...httpPort("market-data"),
        instrumentsFile,
        ...urls,
        ...(paper?.kind === "venue" ? {} : { reconnectMsMin: RECONNECT_MS_MIN }),
      },
      gateway: {
        ...httpPort("gateway"),
        instrumentsFile,
        limitsFile,
        tier: "T0",
        ...capture,
      },
      "execution-router": {
        ...httpPort("execution-router"),
        instrumentsFile,
        mode: paper === undefined ? "sim" : "paper",
        keysFile,
        tier: "T0",
        spotWsApiUrl: ws,
        spotRestUrl: http,
        usdmWsApiUrl: ws,
        usdmStreamUrl: ws,
        usdmRestUrl: http,
      },
      "strategy-runner": {
        ...httpPort("strategy-runner"),
        instrumentsFile,
        seed: options.seed % 2 ** 32,
        // Ours share the runner's process; anybody else's file has a process of its own, with the network as it is where
        // this machine cannot take it away: a run has no key that opens anything.
        strategies: files.map((file, at) => {
          const { paramsFile } = options;
          const params = at === 0 && paramsFile !== undefined ? { paramsFile } : { params: {} };
          return { id: at + 1, file, ...params, reviewed: isShipped(root, file) };
        }),
        ...capture,
        openNetwork: true,
      },
      recorder: httpPort("recorder"),
      "wal-loader": httpPort("wal-loader"),
      monitor: {
        ...httpPort("monitor"),
        haltAfterMs: 0,
        principalsFile: "state/principals.json",
        instrumentsFile,
        killKeysFile,
        killSpotRestUrl: http,
        killUsdmRestUrl: http,
        reconSpotWsApiUrl: ws,
        reconUsdmStreamUrl: ws,
        reconOpeningFile: join(root, "config/opening.json"),
        drawdownCapitalE8: capitalE8(limitsFile),
      },
    },
    env: environment(root, options.otlp),
    feed:
      paper?.kind === "recorded"
        ? {
            port: ports.feed,
            ...replayed,
            skipS: paper.skipS ?? 0,
            venueDir: "feed",
            stateDir: "feed",
          }
        : null,
  };
}

/** A venue on this machine is not spared. */
const RECONNECT_MS_MIN = 100;

/** Where the cluster's market data is: the simulated venue's own, the feed process's, or a real venue's. */
function feedUrls(
  { paper }: SimOptions,
  ports: { readonly venue: number; readonly feed?: number },
): FeedUrls {
  if (paper?.kind === "venue") return paper.urls;
  const port = paper === undefined ? ports.venue : ports.feed;
  if (port === undefined)
    throw new Error("bug: a paper run of a recording wants a port of its feed");
  const at = `127.0.0.1:${port}`;
  const [ws, http] = [`ws://${at}`, `http://${at}`];
  return { spotStreamUrl: ws, spotRestUrl: http, usdmStreamUrl: ws, usdmRestUrl: http };
}

/** The limits that ship are of one strategy; of several each has the same, and the firm's bounds stay what they are. */
function limitsFor(root: string, runDir: string, strategies: number): string {
  const shipped = join(root, "config/limits.json");
  if (strategies === 1) return shipped;
  const limits = JSON.parse(readFileSync(shipped, "utf8")) as {
    readonly strategies: readonly Readonly<Record<string, unknown>>[];
  };
  const [row] = limits.strategies;
  const rows = Array.from({ length: strategies }, (_, at) => ({ ...row, strategy_id: at + 1 }));
  const file = join(runDir, "config/limits.json");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify({ ...limits, strategies: rows }, null, 2));
  return file;
}

/** The capital that the storm guard measures a drawdown by is the alert's too. */
function capitalE8(limitsFile: string): number {
  const limits = JSON.parse(readFileSync(limitsFile, "utf8")) as {
    readonly storm: { readonly capital_e8: number };
  };
  return limits.storm.capital_e8;
}

/** Only what a process needs of ours: no secret and no stray setting of the shell reaches it. */
function environment(root: string, otlp: string | null): Record<string, string> {
  const kept = ["HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(kept),
    PATH: [dirname(process.execPath), process.env["PATH"] ?? "/usr/bin:/bin"].join(delimiter),
    NODE_COMPILE_CACHE: join(root, ".tools/compile-cache"),
    ...(otlp === null ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: otlp }),
  };
}
