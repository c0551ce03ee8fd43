/** `hft drill loader`: loaders and their databases fail in every way while a WAL is written; each record is in once. */

import { join } from "node:path";
import { findEmbedded, type OwnPostgres, startOwnPostgres } from "@tidegate/storage";
import { type Check, check, type Result, result } from "../../result.ts";
import { UsageError } from "../../sim/options.ts";
import { drain } from "./drain.ts";
import { busiestMinute, dayFiles } from "./ingest.ts";
import type { Judged } from "./judge.ts";
import { type Cycle, FAULTS, type Fault, planOf } from "./plan.ts";
import { type Injected, NOTHING_INJECTED, type Outcome, runRound } from "./round.ts";

/** After so many cycles the WAL comes to rest and everything has to be there once. */
const CYCLES_PER_ROUND = 25;
const DRAIN_VS_INGEST_MIN = 10;
const SERVICE = "services/wal-loader/src";

/**
 * What was wrong with loaders before this one, each as a program that is the service with that one part, and the faults that
 * bring it to light. `d5`: the claim is a file that is unlinked. `d6`: a batch is known by a hash over all of it, and ends where
 * the WAL happens to end. `hash-after-insert`: what is in is noted in a second step.
 */
const DEFECTS = {
  d5: ["pause", "two_at_once", "pause"],
  d6: ["lost_answer", "kill", "lost_answer"],
  "hash-after-insert": ["lost_answer", "lost_answer", "kill"],
} as const satisfies Readonly<Record<string, readonly Fault[]>>;
export type Defect = keyof typeof DEFECTS;
export const DEFECT_NAMES = Object.keys(DEFECTS) as readonly Defect[];

export interface LoaderDrillOptions {
  readonly cycles: number;
  readonly seed: number;
  /** Records of the backlog whose draining is measured. */
  readonly backlog: number;
  /** Folder of the reference data; without it the samples of the checkout are the recorded day. */
  readonly data: string | undefined;
  /** All loaders have this defect. */
  readonly plant: string | null;
  readonly progress?: (text: string) => void;
}

export async function drillLoader(root: string, options: LoaderDrillOptions): Promise<Result> {
  const { plant } = options;
  if (plant !== null && !(DEFECT_NAMES as readonly string[]).includes(plant))
    throw new UsageError(`--break ${plant}: want one of ${DEFECT_NAMES.join(", ")}`);
  if (options.cycles < 2 * FAULTS.length)
    throw new UsageError(
      `--cycles ${options.cycles}: want at least ${2 * FAULTS.length}, so that each fault is met with each store`,
    );
  const found = findEmbedded();
  if ("kind" in found) throw new Error(found.remedy);
  const postgres = await startOwnPostgres();
  try {
    return await new Drill(root, options, postgres.kind === "started" ? postgres : null).run();
  } finally {
    if (postgres.kind === "started") await postgres.remove();
  }
}

const duplicatesOf = ({ clickhouse, relational }: Judged): number =>
  clickhouse.twice + relational.twice;
const lostOf = ({ clickhouse, relational }: Judged): number => clickhouse.lost + relational.lost;
const strangeOf = ({ clickhouse, relational }: Judged): number =>
  clickhouse.strange + relational.strange;
const wantedOf = ({ clickhouse, relational }: Judged): number =>
  clickhouse.wanted + relational.wanted;
/** How often a round shows that something is wrong. */
const signsOf = (of: Outcome): number =>
  of.twoOwners + duplicatesOf(of) + lostOf(of) + strangeOf(of) + of.unequal;
const sum = <T>(all: readonly T[], of: (each: T) => number): number =>
  all.reduce((total, each) => total + of(each), 0);

class Drill {
  readonly #root: string;
  readonly #options: LoaderDrillOptions;
  readonly #postgres: OwnPostgres | null;
  readonly #began = performance.now();
  #rounds = 0;

  constructor(root: string, options: LoaderDrillOptions, postgres: OwnPostgres | null) {
    this.#root = root;
    this.#options = options;
    this.#postgres = postgres;
  }

  #say(text: string): void {
    const seconds = Math.round((performance.now() - this.#began) / 1_000);
    this.#options.progress?.(`drill: ${seconds} s: ${text}`);
  }

  #main(defect: string | null): string {
    const file = defect === null ? "main.ts" : `testing/defects/${defect}.ts`;
    return join(this.#root, SERVICE, file);
  }

  /** Rounds of one relational store, one after the other. */
  async #lane(store: "sqlite" | "postgresql", plan: readonly Cycle[]): Promise<Outcome[]> {
    const { seed, plant } = this.#options;
    const outcomes: Outcome[] = [];
    for (let at = 0; at < plan.length; at += CYCLES_PER_ROUND) {
      const cycles = plan.slice(at, at + CYCLES_PER_ROUND);
      this.#rounds += 1;
      const name = `round_${this.#rounds}`;
      const outcome = await runRound({
        main: this.#main(plant),
        postgres: store === "postgresql" ? this.#postgres : null,
        name,
        seed: seed + this.#rounds,
        cycles,
      });
      outcomes.push(outcome);
      this.#say(
        `${name} (${store}): ${cycles.length} cycles, ${outcome.walRecords} records, ${signsOf(outcome)} faults found`,
      );
    }
    return outcomes;
  }

  async run(): Promise<Result> {
    const { cycles, seed, backlog, data, plant } = this.#options;
    const day = await busiestMinute(dayFiles(this.#root, data));
    this.#say(
      `the busiest minute of ${day.of} is ${day.minute} with ${Math.round(day.rowsPerSecond)} rows/s`,
    );
    // Two rounds at once: mostly they wait, for a start, for silence, for a disk.
    const half = Math.ceil(cycles / 2);
    const [first, second] = [planOf(half, seed), planOf(cycles - half, seed + 1)];
    const lanes = await Promise.allSettled([
      this.#lane("sqlite", first),
      this.#lane(this.#postgres === null ? "sqlite" : "postgresql", second),
    ]);
    // The one that failed is told after the other has ended and has put its processes away.
    const outcomes = lanes.flatMap((lane) => {
      if (lane.status === "rejected") throw lane.reason;
      return lane.value;
    });
    const drained = await drain(this.#main(null), backlog, seed);
    const [coldRate, drainRate] = drained.seconds.map((each) => drained.rows / each) as [
      number,
      number,
    ];
    this.#say(`one loader drained ${drained.rows} rows at ${Math.round(drainRate)} rows/s`);
    const caught = plant === null ? await this.#controls() : new Map<Defect, Outcome>();
    await Promise.all([...outcomes, ...caught.values()].map(({ removed }) => removed));
    return result(
      "drill loader",
      [
        check("cycles", first.length + second.length, "=", cycles),
        ...this.#injections(outcomes, [...first, ...second]),
        check("duplicates", sum([...outcomes, drained], duplicatesOf), "=", 0),
        check("lost", sum([...outcomes, drained], lostOf), "=", 0),
        check("strange", sum([...outcomes, drained], strangeOf), "=", 0),
        check("duplicates_of", sum(outcomes, wantedOf), ">=", cycles * 100, "rows"),
        check(
          "checker_unequal",
          sum([...outcomes, drained], ({ unequal }) => unequal),
          "=",
          0,
        ),
        check(
          "two_owners",
          sum(outcomes, ({ twoOwners }) => twoOwners),
          "=",
          0,
        ),
        check("drain_vs_ingest", drainRate / day.rowsPerSecond, ">=", DRAIN_VS_INGEST_MIN, "x"),
        ...(plant === null ? this.#caught(caught) : []),
      ],
      {
        injected: this.#injected(outcomes),
        rounds: outcomes.length,
        stores: ["clickhouse", "sqlite", ...(this.#postgres === null ? [] : ["postgresql"])],
        wal_records: sum(outcomes, ({ walRecords }) => walRecords),
        drain_rows: drained.rows,
        drain_rows_per_second: Math.round(drainRate),
        drain_rows_per_second_cold: Math.round(coldRate),
        ingest_rows_per_second: Math.round(day.rowsPerSecond),
        ingest_minute: day.minute,
        ingest_messages: day.messages,
        ingest_of: day.of,
        planted: plant,
        caught_by: Object.fromEntries(
          [...caught].map(([name, of]) => [
            name,
            { two_owners: of.twoOwners, duplicates: duplicatesOf(of), unequal: of.unequal },
          ]),
        ),
        differences: outcomes.flatMap(({ differences }) => differences).slice(0, 10),
        seconds: Math.round((performance.now() - this.#began) / 1_000),
      },
      seed,
    );
  }

  /** Each defect is run once, in loaders that are otherwise the service. */
  async #controls(): Promise<Map<Defect, Outcome>> {
    const caught = new Map<Defect, Outcome>();
    for (const name of DEFECT_NAMES) {
      const cycles = DEFECTS[name].map(
        (fault): Cycle => ({ fault, at: 0.3, other: true, swallowed: false }),
      );
      this.#rounds += 1;
      const { seed } = this.#options;
      const of = await runRound({
        main: this.#main(name),
        postgres: null,
        name: `round_${this.#rounds}`,
        seed: seed + this.#rounds,
        cycles,
      });
      caught.set(name, of);
      this.#say(`planted ${name}: ${signsOf(of) > 0 ? "caught" : "NOT caught"}`);
    }
    return caught;
  }

  #caught(caught: ReadonlyMap<Defect, Outcome>): Check[] {
    const missed = [...caught.values()].filter((of) => signsOf(of) === 0).length;
    const unclaimed = caught.get("d5");
    return [
      check("planted_not_caught", missed, "=", 0),
      check("planted_not_caught_of", caught.size, "=", DEFECT_NAMES.length),
      ...[...caught].map(([name, of]) =>
        check(`planted_signs.${name.replaceAll("-", "_")}`, signsOf(of), ">", 0),
      ),
      // Two owners at once double no row: where a group ends, and so each token, does not hang on the claim.
      check(
        "duplicates_without_a_claim",
        unclaimed === undefined ? Number.NaN : duplicatesOf(unclaimed) + lostOf(unclaimed),
        "=",
        0,
      ),
    ];
  }

  #injected(outcomes: readonly Outcome[]): Injected {
    const total = { ...NOTHING_INJECTED };
    for (const { injected } of outcomes)
      for (const name of Object.keys(total) as (keyof Injected)[]) total[name] += injected[name];
    return total;
  }

  /** None of the faults may be missing. */
  #injections(outcomes: readonly Outcome[], plan: readonly Cycle[]): Check[] {
    const injected = this.#injected(outcomes);
    const wanted = (Object.keys(injected) as (keyof Injected)[]).filter(
      (name) =>
        (name !== "timeout_after_commit_postgresql" || this.#postgres !== null) &&
        (name !== "answer_never_came" || plan.some(({ swallowed }) => swallowed)),
    );
    return wanted.map((name) => check(`injected.${name}`, injected[name], ">", 0));
  }
}
