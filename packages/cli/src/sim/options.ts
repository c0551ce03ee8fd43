import { existsSync, readdirSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { PROCESSES, type ProcessName } from "@tidegate/contracts/metrics";

/** The eight processes. */
export { PROCESSES, type ProcessName };

/** One planned kill: SIGKILL of a process so many seconds into the run. */
export interface Kill {
  readonly process: ProcessName;
  readonly atS: number;
}

/** Base URLs of the public market data of both markets, without a path. */
export interface FeedUrls {
  readonly spotStreamUrl: string;
  readonly spotRestUrl: string;
  readonly usdmStreamUrl: string;
  readonly usdmRestUrl: string;
}

/** A paper run's market: a venue's own, or a process of the run that serves the recording of the options. */
export type PaperFeed =
  | { readonly kind: "venue"; readonly urls: FeedUrls }
  | {
      readonly kind: "recorded";
      readonly from: string;
      /** Recorded seconds before the run begins; 0 where it is not said. */
      readonly skipS?: number;
    };

export interface SimOptions {
  /** Wall seconds of trading. */
  readonly durationS: number;
  /** Recorded seconds per wall second. */
  readonly speed: number;
  readonly seed: number;
  readonly data: readonly string[];
  readonly strategy: string;
  /** A paper run: the market is a venue's, or served as one; absent in a sim run, whose venue replays `data` itself. */
  readonly paper?: PaperFeed;
  /** Those that run beside it, as 2 and up. */
  readonly beside?: readonly string[];
  /** Write down what the gateway and each strategy are given, so that the session can be run again. */
  readonly capture?: boolean;
  /** Where the first strategy's parameters stand; the runner reads them again on SIGHUP. */
  readonly paramsFile?: string;
  /** Keep the run directory. */
  readonly keep: boolean;
  readonly json: boolean;
  readonly chaos: readonly Kill[];
  /** First of the TCP ports to use, 0 = any free ones. */
  readonly portBase: number;
  /** Where the run's files lie; null = a fresh folder under var/run. */
  readonly runDir: string | null;
  /** "embedded", a URL, or "none". */
  readonly clickhouse: string;
  /** OTLP endpoint for traces; null = none. */
  readonly otlp: string | null;
}

/** A word of the command line is off: exit code 2. */
export class UsageError extends Error {}

export interface RawSimOptions {
  readonly duration: string;
  readonly speed: string;
  readonly seed: string;
  readonly data?: readonly string[];
  readonly strategy: string;
  readonly capture?: boolean;
  readonly keep?: boolean;
  readonly json?: boolean;
  readonly chaos?: string;
  readonly portBase: string;
  readonly runDir?: string;
  readonly clickhouse: string;
  readonly otlp?: string;
}

/**
 * Reads the flags of `hft run sim`; every refusal names the flag, what it got and what it wants.
 * @throws UsageError
 */
export function parseSimOptions(
  raw: RawSimOptions,
  root: string,
  defaultData: readonly string[],
): SimOptions {
  const durationS = number("--duration", raw.duration, "seconds between 1 and 86400", 1, 86_400);
  const data = (raw.data ?? defaultData).map((file) => resolve(file));
  for (const file of data) {
    if (!existsSync(file) || !statSync(file).isFile()) {
      throw new UsageError(
        `--data ${file}: there is no such file; want capture files (.jsonl.gz), or leave --data out for data/samples`,
      );
    }
  }
  const [strategy = "", ...beside] = strategies(raw.strategy, root);
  return {
    durationS,
    speed: number("--speed", raw.speed, "a factor between 0.1 and 20", 0.1, 20),
    seed: integer("--seed", raw.seed, 0, Number.MAX_SAFE_INTEGER),
    data,
    strategy,
    ...(beside.length === 0 ? {} : { beside }),
    ...(raw.capture === true ? { capture: true } : {}),
    keep: raw.keep ?? false,
    json: raw.json ?? false,
    chaos: parseChaos(raw.chaos ?? "", durationS),
    portBase: integer("--port-base", raw.portBase, 0, 65_000),
    runDir: raw.runDir === undefined ? null : resolve(raw.runDir),
    clickhouse: clickhouse(raw.clickhouse),
    otlp: raw.otlp ?? null,
  };
}

/** The names of the strategies that ship: each has its page. */
export function shippedStrategies(root: string): string[] {
  return readdirSync(resolve(root, "docs/reference/strategies"))
    .filter((page) => existsSync(resolve(root, "strategies", page.replace(/\.md$/, ".ts"))))
    .map((page) => page.replace(/\.md$/, ""))
    .sort();
}

/** The files that `--strategy` names: one, several with commas between, or `shipped`. */
function strategies(text: string, root: string): string[] {
  const names = text === "shipped" ? shippedStrategies(root) : text.split(",");
  return names.map((name) => {
    const file = name.endsWith(".ts") ? resolve(name) : resolve(root, "strategies", `${name}.ts`);
    if (existsSync(file)) return file;
    throw new UsageError(
      `--strategy ${name}: there is no ${file}; want a name in strategies/, a .ts file, several with commas between, or shipped`,
    );
  });
}

function number(flag: string, text: string, want: string, min: number, max: number): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= min && value <= max)) throw new UsageError(`${flag} ${text}: want ${want}`);
  return value;
}

function integer(flag: string, text: string, min: number, max: number): number {
  const value = number(flag, text, `a whole number between ${min} and ${max}`, min, max);
  if (!Number.isSafeInteger(value)) throw new UsageError(`${flag} ${text}: want a whole number`);
  return value;
}

function clickhouse(text: string): string {
  if (text === "embedded" || text === "none" || /^https?:\/\/[^/\s]+/.test(text)) return text;
  throw new UsageError(`--clickhouse ${text}: want embedded, none, or an http(s) URL`);
}

/** `kill:gateway@20s,kill:recorder@30s`; `kill:each` kills all eight in turn over the run. */
export function parseChaos(text: string, durationS: number): Kill[] {
  if (text === "") return [];
  if (text === "kill:each") {
    const step = (durationS * 0.8) / PROCESSES.length;
    return PROCESSES.map((process, index) => ({ process, atS: durationS * 0.1 + step * index }));
  }
  return text.split(",").map((item) => {
    const [, process, at] = /^kill:([a-z-]+)@(\d+(?:\.\d+)?)s$/.exec(item) ?? [];
    const name = PROCESSES.find((each) => each === process);
    if (name === undefined || at === undefined) {
      throw new UsageError(
        `--chaos ${item}: want kill:PROCESS@SECONDSs with PROCESS one of ${PROCESSES.join(", ")}, or kill:each`,
      );
    }
    if (Number(at) >= durationS) {
      throw new UsageError(`--chaos ${item}: the run ends at ${durationS} s; want an earlier time`);
    }
    return { process: name, atS: Number(at) };
  });
}
