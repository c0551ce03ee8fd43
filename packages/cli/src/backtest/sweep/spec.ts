/** What a sweep is made of: the words of a run, with lists of parameters and of seeds. Pure. */

import { z } from "zod";
import { UsageError } from "../../sim/options.ts";
import { canonical, sha256 } from "../hashes.ts";
import type { Part } from "../lane.ts";
import { DEFAULTS, type RunWords } from "../prepare.ts";

/** Jobs of one sweep; a larger one is several. */
export const JOBS_MAX = 100_000;

const word = z.string().min(1);
export const Spec = z.strictObject({
  strategy: word,
  data: z.array(word).default([]),
  /** Each parameter's value, or a list of values to try. */
  params: z.record(z.string(), z.unknown()).default({}),
  seeds: z.array(z.number().int().min(0)).min(1).default([DEFAULTS.seed]),
  latency: z.array(word).default([]),
  fees: z.array(word).default([]),
  queue: word.default(DEFAULTS.queue),
  fill: word.default(DEFAULTS.fill),
  sample: word.default(DEFAULTS.sample),
  capital: z.number().default(DEFAULTS.capital),
  instruments: word.default(DEFAULTS.instruments),
  limits: word.default(DEFAULTS.limits),
  limitsFor: word.default(DEFAULTS.limitsFor),
});
export type SweepSpec = z.output<typeof Spec>;

/** One run of a sweep: what differs from job to job. */
export interface Job {
  /** Content address: equal data, code, models, parameters and seed are one job. */
  readonly id: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly seed: number;
  /** What of the tapes it sees; absent = all. Its result then has its period and its equity curve. */
  readonly part?: Part;
}

/** Reads a spec's text. Errors name the field. */
export function parseSpec(file: string, text: string): SweepSpec {
  return readSpec(Spec, file, text);
}

/** Reads the text of a spec of some kind. Errors name the field. */
export function readSpec<T extends z.ZodType>(schema: T, file: string, text: string): z.output<T> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${file}: no JSON: ${(cause as Error).message}`);
  }
  const read = schema.safeParse(json);
  if (read.success) return read.data;
  const what = read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new UsageError(`${file}: ${what.join("; ")}`);
}

/** Every combination of the listed parameters and seeds, the last parameter turning fastest. */
export function combinations(spec: SweepSpec): Omit<Job, "id">[] {
  let all: Record<string, unknown>[] = [{}];
  for (const [name, value] of Object.entries(spec.params)) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (values.length === 0) throw new UsageError(`params.${name}: an empty list: no run at all`);
    if (all.length * values.length > JOBS_MAX) {
      throw new UsageError(`more than ${JOBS_MAX} combinations: split the sweep`);
    }
    all = all.flatMap((params) => values.map((each) => ({ ...params, [name]: each })));
  }
  if (all.length * spec.seeds.length > JOBS_MAX) {
    throw new UsageError(`more than ${JOBS_MAX} combinations: split the sweep`);
  }
  return all.flatMap((params) => spec.seeds.map((seed) => ({ params, seed })));
}

/** The words of one run of it. */
export function wordsFor(spec: SweepSpec, job: Omit<Job, "id">): RunWords {
  const { seeds: _, ...words } = spec;
  return { ...words, params: job.params, seed: job.seed };
}

/** The address of a run by what decides it. `params` are as the strategy's schema reads them. */
export function jobId(
  decides: { readonly data: string; readonly code: string; readonly models: string },
  params: unknown,
  seed: number,
  part?: Part,
): string {
  return sha256(canonical({ ...decides, params, seed, ...(part === undefined ? {} : { part }) }));
}

/** The part of a sweep that shard `index` of `count` runs. */
export function shardOf<T>(jobs: readonly T[], index: number, count: number): T[] {
  return jobs.filter((_, at) => at % count === index);
}

/** `0/4`. */
export function parseShard(text: string): { readonly index: number; readonly count: number } {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (index === undefined || !(Number(index) < Number(count))) {
    throw new UsageError(`--shard ${text}: want INDEX/COUNT, the first index 0`);
  }
  return { index: Number(index), count: Number(count) };
}
