/**
 * `hft backtest check`: does what a strategy sends depend on what it cannot know, or on where its data begin?
 *
 * Look-ahead: rows from a time on are cut off the tapes, and the run is made again. What was sent before that time must be what the whole
 * run sent. A difference is a strategy, or a platform, that knew more than had been received.
 * Repetition: the whole run once more, in a thread of its own. A difference is a clock, a random number of its own, or a memory that
 * outlives a run.
 * Recursion: the strategy begins later. From some time on it should send what the whole run sent; how long that takes is the warm-up its
 * results need. It is a figure and not a check: a strategy that leans on its position need never agree.
 */

import { Worker } from "node:worker_threads";
import { check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import type { Part, SentIntent } from "./lane.ts";
import { prepare, type RunWords } from "./prepare.ts";

/** Parts of the span at which tapes are cut, and after which a strategy begins. */
const CUTS = [0.25, 0.5, 0.75] as const;
const PLANTS = ["look-ahead", "clock"] as const;
export type Plant = (typeof PLANTS)[number];

export interface BiasData {
  readonly root: string;
  readonly words: RunWords;
  readonly part: Part;
  readonly plant: Plant | null;
}

const same = (a: SentIntent | undefined, b: SentIntent | undefined): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

/** How many intents two runs have in common from the start on. */
export function commonStart(a: readonly SentIntent[], b: readonly SentIntent[]): number {
  let at = 0;
  while (at < Math.min(a.length, b.length) && same(a[at], b[at])) at += 1;
  return at;
}

/** How many they have in common up to the end. */
export function commonEnd(a: readonly SentIntent[], b: readonly SentIntent[]): number {
  let at = 0;
  while (at < Math.min(a.length, b.length) && same(a.at(-1 - at), b.at(-1 - at))) at += 1;
  return at;
}

/** One run in a thread of its own, with modules of its own. */
function intentsOf(data: BiasData): Promise<SentIntent[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./bias-worker.ts", import.meta.url), { workerData: data });
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`a run ended with ${code} and no word`)));
  });
}

/** Makes the runs and compares what was sent. */
export async function checkBias(
  root: string,
  words: RunWords,
  plant: string | null,
): Promise<Result> {
  if (plant !== null && !PLANTS.includes(plant as Plant)) {
    throw new UsageError(`--break ${plant}: want ${PLANTS.join(" or ")}`);
  }
  const { firstNs, spanNs } = await prepare(root, words);
  const run = (part: Part) => intentsOf({ root, words, part, plant: plant as Plant | null });
  const whole = await run({});
  const again = await run({});
  const rounds = [];
  let [ahead, compared] = [0, 0];
  for (const cut of CUTS) {
    const skipNs = Math.floor(spanNs * cut);
    const until = firstNs + BigInt(skipNs);
    const before = (sent: readonly SentIntent[]) => sent.filter(({ at }) => BigInt(at) < until);
    const [want, got] = [before(whole), before(await run({ untilNs: String(until) }))];
    const off = Math.max(want.length, got.length) - commonStart(want, got);
    const late = await run({ skipNs });
    // The first intent from which on all are those of the whole run.
    const agrees = late.at(late.length - commonEnd(whole, late));
    ahead += off;
    compared += want.length;
    rounds.push({
      ...{ cut, intents: want.length, unequal: off, intentsBegunLate: late.length },
      warmUpNs: agrees === undefined ? null : Number(BigInt(agrees.at) - until),
    });
  }
  return result(
    "backtest check",
    [
      check("intents_that_knew_the_future", ahead, "=", 0),
      check("intents_that_knew_the_future_of", compared, ">=", 1),
      check(
        "intents_unequal_when_repeated",
        Math.max(whole.length, again.length) - commonStart(whole, again),
        "=",
        0,
      ),
    ],
    { intents: whole.length, rounds },
    words.seed,
  );
}
