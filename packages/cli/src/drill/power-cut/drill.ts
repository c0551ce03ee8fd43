/** `hft drill power-cut`: a loop image is cut from under what is written and loaded, and what is left is held against what was said. */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { built } from "../../commands/measured.ts";
import { check, type Result, result } from "../../result.ts";
import { UsageError } from "../../sim/options.ts";
import { LoopDisk } from "./disk.ts";
import { type LoadedRound, loadedRound } from "./loaded.ts";
import { type WrittenRound, writtenRound } from "./written.ts";

/** A round is cut after so long, by its seed. */
const ROUND_MS_MIN = 150;
const ROUND_MS_MAX = 1_200;
const ROUNDS_MIN = 20;
const PLANTS = ["boast", "tokens-alone", "fast-recorder"] as const;

export interface PowerCutOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly plant: string | null;
  readonly progress?: (text: string) => void;
}

function mix(seed: number, round: number): number {
  let x = BigInt.asUintN(64, (BigInt(seed) << 32n) ^ BigInt(round + 1)) * 0x9e37_79b9_7f4a_7c15n;
  x = BigInt.asUintN(64, x);
  x ^= x >> 29n;
  return Number(BigInt.asUintN(32, x * 0xbf58_476d_1ce4_e5b9n)) / 2 ** 32;
}

const momentOf = (seed: number, round: number): number =>
  ROUND_MS_MIN + mix(seed, round) * (ROUND_MS_MAX - ROUND_MS_MIN);

const sum = <T>(all: readonly T[], of: (each: T) => number): number =>
  all.reduce((total, each) => total + of(each), 0);

const faultOf = (each: LoadedRound): number =>
  each.forgotten + each.twice + each.lost + each.strange + each.unequal;

/** @throws UsageError on an unknown plant; Error where the machine cannot mount a loop image */
export async function drillPowerCut(root: string, options: PowerCutOptions): Promise<Result> {
  const { rounds, seed, plant, progress } = options;
  if (plant !== null && !PLANTS.some((each) => each === plant))
    throw new UsageError(`--break ${plant}: want ${PLANTS.join(", ")}`);
  const binary = await built(root, "tidegate-proof");
  const loaders = join(root, "services/wal-loader/src");
  const main = join(loaders, plant === "tokens-alone" ? `testing/defects/${plant}.ts` : "main.ts");
  const recorder = plant === "fast-recorder" ? "fast" : "safe";
  mkdirSync(join(root, "var"), { recursive: true });
  const dir = mkdtempSync(join(root, "var/power-cut-"));
  const written: WrittenRound[] = [];
  const loaded: LoadedRound[] = [];
  const began = performance.now();
  try {
    {
      using disk = new LoopDisk(dir);
      let before = { wal: 0, audit: 0 };
      for (let round = 0; round < rounds; round += 1) {
        const each = await writtenRound(
          { root, binary, disk },
          before,
          momentOf(seed, round),
          plant === "boast",
        );
        written.push(each);
        before = each;
        progress?.(
          `drill: round ${round + 1}: ${each.wal} records said to be safe, ${each.walThere} there`,
        );
        if (each.lost + each.wrong > 0) break;
      }
    }
    using disk = new LoopDisk(dir);
    const sound = written.every((each) => each.lost + each.wrong === 0);
    for (let round = 0; sound && round < rounds; round += 1) {
      const at = { main, disk, name: `round-${round}`, recorder } as const;
      const each = await loadedRound(at, seed + round, momentOf(seed, rounds + round));
      loaded.push(each);
      progress?.(
        `drill: round ${round + 1} of the loading: cut at record ${each.said.clickhouse}, ${each.records} in the WAL, all in the stores`,
      );
      if (faultOf(each) > 0) break;
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  const last = written.at(-1) ?? { wal: 0, audit: 0 };
  const said = sum(loaded, (each) => each.said.clickhouse + each.said.relational);
  const wanted = sum(loaded, (each) => each.wanted);
  return result(
    "drill power-cut",
    [
      check("rounds", Math.min(written.length, loaded.length), ">=", ROUNDS_MIN),
      check(
        "acknowledged_lost",
        sum(written, (each) => each.lost) + sum(loaded, (each) => each.forgotten),
        "=",
        0,
      ),
      check("acknowledged_lost_of", last.wal + last.audit + said, ">=", 1_000),
      check(
        "records_wrong",
        sum(written, (each) => each.wrong),
        "=",
        0,
      ),
      check("records_wrong_of", last.wal + last.audit, ">=", 1_000),
      check(
        "rows_twice",
        sum(loaded, (each) => each.twice),
        "=",
        0,
      ),
      check(
        "rows_lost",
        sum(loaded, (each) => each.lost),
        "=",
        0,
      ),
      check(
        "rows_of_no_record",
        sum(loaded, (each) => each.strange),
        "=",
        0,
      ),
      check("rows_of", wanted, ">=", 1_000),
      check(
        "completeness_differences",
        sum(loaded, (each) => each.unequal),
        "=",
        0,
      ),
    ],
    {
      under: ["wal", "audit trail and its copy", "loaders' ledgers", "ClickHouse data", "SQLite"],
      commits: sum(written, (each) => each.acknowledgements),
      wal_records: last.wal,
      audit_records: last.audit,
      recovered_beyond_the_acknowledged: written.map((each) => each.beyond),
      loaded_records: sum(loaded, (each) => each.records),
      loaded_again: loaded.map(({ records, said: { clickhouse } }) => records - clickhouse),
      differences: loaded.flatMap((each) => each.differences).slice(0, 8),
      seconds: Math.round((performance.now() - began) / 1000),
    },
    seed,
  );
}
