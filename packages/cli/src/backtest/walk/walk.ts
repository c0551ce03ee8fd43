/**
 * `hft backtest walk-forward`: parameters are chosen on what was, and tried on what came after; the tests one after another are the result.
 *
 * Jobs, results and workers are the sweep's, so a walk that was stopped goes on where it was. A train run is given tapes that end where its
 * window does; what a window saw is read back from its result.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { check, type Result, result } from "../../result.ts";
import { UsageError } from "../../sim/options.ts";
import type { Part } from "../lane.ts";
import { durationNs } from "../options.ts";
import { writeWhole } from "../outcome.ts";
import { checkedParams, modelsHash, prepare } from "../prepare.ts";
import { type JobResult, Results } from "../sweep/results.ts";
import {
  combinations,
  JOBS_MAX,
  type Job,
  jobId,
  readSpec,
  Spec,
  wordsFor,
} from "../sweep/spec.ts";
import { checkWorkers, runJobs } from "../sweep/sweep.ts";
import { bestOf, CHOICES, type FoldOutcome, figuresOf } from "./stitch.ts";
import { type Fold, foldsOf } from "./windows.ts";

const time = z.string().min(1);
const WalkSpec = Spec.extend({
  walk: z.strictObject({
    mode: z.enum(["rolling", "anchored"]).default("rolling"),
    train: time,
    test: time,
    /** Absent: as long as a test. */
    step: time.optional(),
    embargo: time.default("0s"),
    choose: z.enum(CHOICES).default("sharpe"),
  }),
});

export interface WalkOptions {
  readonly out: string;
  readonly workers: number;
  /** Redis, or null for a SQLite file in the folder. */
  readonly redis: string | null;
  /** Plants a fault: `leak` lets every train window see its test. */
  readonly plant: string | null;
}

/** Refuses a spec that is none. Gives it with its windows' times in ns. */
export function parseWalk(file: string, text: string) {
  const { walk, ...spec } = readSpec(WalkSpec, file, text);
  if (spec.seeds.length !== 1) {
    throw new UsageError(
      `${file}: seeds: ${spec.seeds.length} of them; want one, a walk chooses parameters`,
    );
  }
  const ns = (name: string, text: string) => durationNs(`${file}: walk.${name}`, text);
  const testNs = ns("test", walk.test);
  const plan = {
    mode: walk.mode,
    trainNs: ns("train", walk.train),
    testNs,
    stepNs: walk.step === undefined ? testNs : ns("step", walk.step),
    embargoNs: ns("embargo", walk.embargo),
  };
  return { spec, plan, choose: walk.choose };
}

/** The part of the tapes from one time since their first row to another. */
const partOf = (firstNs: bigint, from: number, to: number): Part => ({
  skipNs: from,
  untilNs: String(firstNs + BigInt(to)),
});

/** Whether a run was shown a book or a trade of a time at which its fold's test had begun; its cancels may come back after its end. */
function sawTest(train: JobResult, testFromNs: bigint): boolean {
  return BigInt(train.period?.seenToNs ?? 0) >= testFromNs;
}

/** Runs all train windows, then each choice over its test; what has a result is not run again. */
export async function walkForward(
  root: string,
  file: string,
  options: WalkOptions,
): Promise<Result> {
  const { workers, redis, plant } = options;
  if (plant !== null && plant !== "leak") throw new UsageError(`--break ${plant}: want leak`);
  checkWorkers(workers);
  const { spec, plan, choose } = parseWalk(file, readFileSync(file, "utf8"));
  const all = combinations(spec);
  const [first] = all;
  if (first === undefined) throw new UsageError(`${file}: no run at all`);
  const prepared = await prepare(root, wordsFor(spec, first));
  const { firstNs, spanNs, definition, words } = prepared;
  const folds = foldsOf(plan, spanNs);
  if (folds.length * (all.length + 1) > JOBS_MAX) {
    throw new UsageError(
      `${file}: ${folds.length} folds of ${all.length} runs: more than ${JOBS_MAX}`,
    );
  }
  const decides = {
    data: prepared.hashes.data,
    code: prepared.hashes.code,
    models: modelsHash(prepared),
  };
  const jobOf = ({ params, seed }: Omit<Job, "id">, part: Part): Job => {
    const id = jobId(decides, checkedParams(definition, params), seed, part);
    return { id, params, seed, part };
  };
  const trainTo = ({ trainTo, testTo }: Fold) => (plant === "leak" ? testTo : trainTo);
  const trains = folds.map((fold) =>
    all.map((each) => jobOf(each, partOf(firstNs, fold.trainFrom, trainTo(fold)))),
  );

  const dir = resolve(options.out);
  mkdirSync(dir, { recursive: true });
  // What workers read: the words that all runs share.
  const shared = join(dir, "jobs.json");
  writeFileSync(shared, `${JSON.stringify(spec)}\n`);
  writeFileSync(join(dir, "spec.json"), readFileSync(file));
  const results = new Results(dir);
  const run = (jobs: readonly Job[], label: string) => {
    const where =
      redis === null
        ? join(dir, "jobs.sqlite")
        : `${redis}#tidegate-walk-${label}-${jobs[0]?.id.slice(0, 16)}`;
    return runJobs(jobs, { root, spec: shared, dir, workers, where, label: `walk: ${label}` });
  };
  const trained = await run(trains.flat(), "train");
  const have = (job: Job | undefined) =>
    job !== undefined && results.has(job.id) ? results.read(job.id) : null;
  const known = trains.map((jobs) => jobs.map(have));
  const missing = known.flat().filter((each) => each === null).length;
  const chosen = known.map((each) =>
    bestOf(
      each.flatMap((one) => one ?? []),
      choose,
    ),
  );
  const tests = folds.map((fold, at) => {
    const place = missing > 0 ? null : (chosen[at] ?? null);
    const combination = place === null ? undefined : all[place];
    return combination === undefined
      ? undefined
      : jobOf(combination, partOf(firstNs, fold.testFrom, fold.testTo));
  });
  const wanted = tests.flatMap((job) => job ?? []);
  const tested = await run(wanted, "test");

  const outcomes: FoldOutcome[] = folds.map((fold, at) => {
    const train = known[at]?.[chosen[at] ?? -1] ?? null;
    return { fold, train, test: have(tests[at]) };
  });
  const trials = all.map((_, place) => known.flatMap((each) => each[place] ?? []));
  const figures = figuresOf(outcomes, trials, words.capital);
  const leaking = folds.filter((fold, at) => {
    const testFrom = firstNs + BigInt(fold.testFrom);
    return (known[at] ?? []).some((each) => each !== null && sawTest(each, testFrom));
  }).length;
  const rows = outcomes.map(({ fold, train, test }) => ({
    ...fold,
    params: test?.params ?? null,
    trainSharpe: train?.metrics.perSample.sharpe ?? null,
    trainProfit: train?.metrics.profit ?? null,
    testSharpe: test?.metrics.perSample.sharpe ?? null,
    testProfit: test?.metrics.profit ?? null,
    testFills: test?.metrics.fills ?? null,
  }));
  const document = { mode: plan.mode, choose, firstNs: String(firstNs), ...figures, folds: rows };
  writeWhole(join(dir, "walk.json"), `${JSON.stringify(document)}\n`);
  const runs = [...known.flat(), ...outcomes.map(({ test }) => test)].flatMap((each) => each ?? []);
  const unfinished = missing + wanted.filter(({ id }) => !results.has(id)).length;
  return result(
    "backtest walk-forward",
    [
      check("jobs_without_result", unfinished, "=", 0),
      check("folds", folds.length, ">=", 1),
      check("folds_that_saw_their_test", leaking, "=", 0),
      check("audits_unsound", runs.filter(({ audit }) => !audit).length, "=", 0),
    ],
    {
      out: dir,
      ran: trained.todo + tested.todo,
      failures: Object.fromEntries([...trained.failures, ...tested.failures]),
      ...document,
    },
    spec.seeds[0],
  );
}
