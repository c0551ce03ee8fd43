/** From the words of a run to everything that decides it. */

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { loadStrategy } from "@tidegate/strategy-runner/load";
import type { AnyStrategy } from "@tidegate/strategy-sdk";
import { UsageError } from "../sim/options.ts";
import { canonical, codeHash, sha256 } from "./hashes.ts";
import type { LaneSpec, LimitsSpec } from "./lane.ts";
import {
  durationNs,
  FILLS,
  type FillModel,
  parseFees,
  parseLatency,
  parseQueue,
  usualFees,
  wordFor,
} from "./options.ts";
import { type RunTape, readTable, tapesOf } from "./tapes.ts";

/** The words of `hft backtest run`; one job of a sweep is the same. */
export interface RunWords {
  readonly strategy: string;
  readonly data: readonly string[];
  readonly params: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly latency: readonly string[];
  readonly fees: readonly string[];
  readonly queue: string;
  readonly fill: string;
  readonly sample: string;
  readonly capital: number;
  readonly instruments: string;
  /** A limits file of the gateway, or "none", as where it is absent. */
  readonly limits?: string | undefined;
  /** Whose rows of the limits the strategy has: an id, or an id and its account's, as in 7/3. */
  readonly limitsFor?: string | undefined;
}

/** What a run does where it is not told; each is printed with the result. */
export const DEFAULTS = {
  seed: 1,
  latency: "5ms",
  queue: "risk-averse",
  fill: "consuming",
  sample: "1s",
  capital: 100_000,
  instruments: "config/instruments.json",
  limits: "none",
  limitsFor: "1/1",
  data: [
    "1=data/samples/binance-spot-btcusdt.jsonl.gz",
    "2=data/samples/binance-usdm-btcusdt.jsonl.gz",
  ],
} as const;

export interface Prepared {
  readonly definition: AnyStrategy;
  readonly file: string;
  readonly words: RunWords;
  readonly spec: LaneSpec;
  readonly tapes: readonly RunTape[];
  /** The asset profit is counted in. */
  readonly asset: string;
  /** First receive time of any tape, ns since the epoch, and the time from it to the last. */
  readonly firstNs: bigint;
  readonly spanNs: number;
  readonly hashes: { readonly data: string; readonly code: string; readonly config: string };
}

/** What the schema makes of parameters. Errors name each that is off. */
export function checkedParams(definition: AnyStrategy, given: unknown): unknown {
  const params = definition.params.safeParse(given);
  if (params.success) return params.data;
  const what = params.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new UsageError(`--params of ${definition.id}: ${what.join("; ")}`);
}

/** Where a tape lies is not what it is: its content has a hash of its own. */
const placeless = ({ instruments, ...spec }: LaneSpec) => ({
  ...spec,
  instruments: instruments.map(({ tape: _, ...rest }) => rest),
});

const configHash = (spec: LaneSpec, capital: number): string =>
  sha256(canonical({ ...placeless(spec), capital }));

/** The same run with other parameters and another seed; everything else is kept as it was read. */
export function withJob(prepared: Prepared, params: unknown, seed: number): Prepared {
  const { definition, words, hashes } = prepared;
  const spec: LaneSpec = {
    ...prepared.spec,
    params: checkedParams(definition, params),
    seed,
    instruments: prepared.spec.instruments.map((each) => {
      return each.latency.kind === "drawn" ? { ...each, latency: { ...each.latency, seed } } : each;
    }),
  };
  return {
    ...prepared,
    words: { ...words, params: params as RunWords["params"], seed },
    spec,
    hashes: { ...hashes, config: configHash(spec, words.capital) },
  };
}

/** The hash of all that decides a run beside data, code, parameters and seed. */
export function modelsHash({ spec, words }: Prepared): string {
  const { params: _, seed: __, instruments, ...rest } = placeless(spec);
  const models = instruments.map(({ latency, ...each }) => {
    return { ...each, latency: latency.kind === "drawn" ? { ...latency, seed: 0 } : latency };
  });
  return sha256(canonical({ ...rest, instruments: models, capital: words.capital }));
}

/** The gateway of a run; none where the words say so. */
function limitsOf(
  { limits = DEFAULTS.limits, limitsFor = DEFAULTS.limitsFor, instruments }: RunWords,
  at: (path: string) => string,
): LimitsSpec | undefined {
  if (limits === "none") return undefined;
  const file = at(limits);
  if (!existsSync(file)) {
    throw new UsageError(`--limits ${limits}: there is no ${file}; want a limits file, or none`);
  }
  const [, strategy = "", account = "1"] =
    /^([1-9]\d{0,8})(?:\/([1-9]\d{0,8}))?$/.exec(limitsFor) ?? [];
  if (strategy === "") {
    throw new UsageError(`--limits-for ${limitsFor}: want STRATEGY or STRATEGY/ACCOUNT, as in 1/1`);
  }
  return {
    file: readFileSync(file, "utf8"),
    table: readFileSync(at(instruments), "utf8"),
    strategyId: Number(strategy),
    accountId: Number(account),
  };
}

/** What an instrument's fills are settled in. */
const settles = ({ row }: RunTape): string => (row.kind === "inverse_perp" ? row.base : row.quote);

/** The file of a strategy: a `.ts`, or a name in `strategies/`. */
export function strategyFile(root: string, name: string): string {
  const file = name.endsWith(".ts") ? resolve(name) : resolve(root, "strategies", `${name}.ts`);
  if (existsSync(file)) return file;
  throw new UsageError(
    `strategy ${name}: there is no ${file}; want a name in strategies/ or a .ts file`,
  );
}

/**
 * Loads the strategy, checks its parameters, opens the tapes and reads the models.
 *
 * Errors  UsageError naming the word; StrategyError; what a tape or a conversion says
 */
export async function prepare(root: string, words: RunWords): Promise<Prepared> {
  const file = strategyFile(root, words.strategy);
  const definition = await loadStrategy(file);
  if (definition.featureSet !== undefined) {
    throw new UsageError(
      `strategy ${definition.id} reads the feature set ${definition.featureSet}: a backtest computes no features yet; run it with ./hft run sim`,
    );
  }
  const params = checkedParams(definition, words.params);
  if (!FILLS.includes(words.fill as FillModel)) {
    throw new UsageError(`--fill ${words.fill}: want ${FILLS.join(", ")}`);
  }
  if (!(words.capital > 0 && Number.isFinite(words.capital))) {
    throw new UsageError(`--capital ${words.capital}: want an amount above 0`);
  }
  const at = (path: string) => (existsSync(resolve(path)) ? resolve(path) : resolve(root, path));
  const tapes = await tapesOf(
    words.data.length > 0
      ? words.data
      : DEFAULTS.data.map((word) => word.replace("=", `=${root}/`)),
    readTable(at(words.instruments)),
    resolve(root, "var/tapes"),
  );
  const assets = [...new Set(tapes.map(settles))];
  const [asset = ""] = assets;
  if (assets.length > 1) {
    throw new UsageError(
      `--data: instruments settled in ${assets.join(" and ")}; want one asset a run, their profits do not add`,
    );
  }
  const instruments = tapes.map(({ row, tape }) => {
    const fees = wordFor(words.fees, row) ?? usualFees(row.venue);
    if (fees === null) {
      throw new UsageError(`--fees: none known of ${row.venue}; want MAKER/TAKER, as in 2bp/5bp`);
    }
    const latency = wordFor(words.latency, row) ?? DEFAULTS.latency;
    return {
      row,
      tape: tape.path,
      latency: parseLatency(latency, words.seed, (path) => {
        if (!existsSync(path)) throw new UsageError(`--latency ${path}: there is no such file`);
        return readFileSync(path, "utf8");
      }),
      fees: parseFees(fees),
    };
  });
  const limits = limitsOf(words, at);
  const spec: LaneSpec = {
    params,
    seed: words.seed,
    queue: parseQueue(words.queue),
    fill: words.fill as FillModel,
    sampleNs: durationNs("--sample", words.sample),
    instruments,
    ...(limits === undefined ? {} : { limits }),
  };
  const firsts = tapes.flatMap(({ tape }) => (tape.firstNs === null ? [] : [BigInt(tape.firstNs)]));
  const lasts = tapes.flatMap(({ tape }) => (tape.lastNs === null ? [] : [BigInt(tape.lastNs)]));
  const [firstNs = 0n] = firsts.sort((a, b) => (a < b ? -1 : 1));
  const lastNs = lasts.sort((a, b) => (a < b ? -1 : 1)).at(-1) ?? 0n;
  return {
    definition,
    file,
    words,
    spec,
    tapes,
    asset,
    firstNs,
    spanNs: Number(lastNs - firstNs),
    hashes: {
      data: sha256(canonical(tapes.map(({ row, tape }) => [row.id, tape.hash]))),
      code: codeHash(root, file),
      config: configHash(spec, words.capital),
    },
  };
}
