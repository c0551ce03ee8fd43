/** A worker process of a sweep: `node worker.ts ROOT FOLDER SPEC-FILE WHERE`. It ends when no job is left, or with its parent. */

import { readFileSync } from "node:fs";
import { backtest } from "../outcome.ts";
import { type Prepared, prepare, withJob } from "../prepare.ts";
import { openJobs } from "./open.ts";
import { Results } from "./results.ts";
import { combinations, type Job, parseSpec, wordsFor } from "./spec.ts";

const [root = "", dir = "", file = "", where = ""] = process.argv.slice(2);
const stop = new AbortController();
const orphaned = (): void => {
  stop.abort();
  // A job in hand is given out again; its result would be the same.
  process.exit(1);
};
process.once("disconnect", orphaned);

const spec = parseSpec(file, readFileSync(file, "utf8"));
const results = new Results(dir);
// Strategy, tapes and models are read once; parameters and seed alone differ from job to job.
const [first] = combinations(spec);
const base: Prepared = await prepare(root, wordsFor(spec, first ?? { params: {}, seed: 0 }));

async function run(job: Job): Promise<void> {
  if (results.has(job.id)) return;
  results.note("began", job.id);
  const prepared = withJob(base, job.params, job.seed);
  results.write(job, await backtest(prepared, undefined, job.part));
  results.note("done", job.id);
  process.send?.({ done: job.id });
}

const store = await openJobs(where);
try {
  await store.work(run, stop.signal);
} finally {
  await store.close();
}
process.off("disconnect", orphaned);
process.disconnect?.();
