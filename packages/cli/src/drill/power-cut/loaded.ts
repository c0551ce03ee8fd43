/** Part two of the drill: a WAL, its loaders' ledgers and both stores on one disk, cut while they load; then they go on. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { judged } from "../loader/round.ts";
import { type DayWriter, SLOTS, STORE_LOOK_MS, Stand, until } from "../loader/stand.ts";
import type { LoopDisk } from "./disk.ts";

const DAY = fileURLToPath(new URL("day.ts", import.meta.url));
/** Both stores have rows before a cut can take any. */
const FIRST_ROWS_MS_MAX = 120_000;

export interface LoadedRound {
  /** Last record each store said to have, right before the cut. */
  readonly said: { readonly clickhouse: number; readonly relational: number };
  /** Records of those that are not there any more after it. */
  readonly forgotten: number;
  /** Records of the WAL. */
  readonly records: number;
  /** Rows held against it, over both stores. */
  readonly wanted: number;
  readonly twice: number;
  readonly lost: number;
  readonly strange: number;
  readonly unequal: number;
  readonly differences: readonly string[];
}

export interface LoadedOptions {
  /** Program of the loaders. */
  readonly main: string;
  readonly disk: LoopDisk;
  /** Folder on the disk, of this round alone. */
  readonly name: string;
  /** Whether the recorder syncs before it acknowledges. */
  readonly recorder: "safe" | "fast";
}

/** A writer that dies with its disk. */
class DayProcess implements DayWriter {
  readonly #child;
  readonly #ended: Promise<unknown>;
  constructor(home: string, seed: number, how: "safe" | "fast") {
    const args = ["--disable-warning=ExperimentalWarning", DAY, home, String(seed), how];
    this.#child = spawn(process.execPath, args, { stdio: ["pipe", "ignore", "inherit"] });
    this.#ended = once(this.#child, "exit");
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

async function positions(stand: Stand): Promise<LoadedRound["said"]> {
  const stores = stand.stores();
  await using clickhouse = stores.clickhouse;
  await using relational = stores.relational;
  const [block, { walSeq }] = await Promise.all([clickhouse.highestBlock(), relational.position()]);
  return { clickhouse: block, relational: walSeq };
}

/** Loads for so long, cuts the power, lets the loaders go on, and holds both stores against the WAL. */
export async function loadedRound(
  { main, disk, name, recorder }: LoadedOptions,
  seed: number,
  ms: number,
): Promise<LoadedRound> {
  await using stand = await Stand.open({
    main,
    home: join(disk.path, name),
    writer: (home) => new DayProcess(home, seed, recorder),
    postgres: null,
    seed,
    name,
  });
  for (const slot of SLOTS) stand.start(slot);
  await stand.bothUp();
  await until(
    "rows in both stores",
    async () => {
      const { clickhouse, relational } = await positions(stand);
      return clickhouse > 0 && relational > 0;
    },
    FIRST_ROWS_MS_MAX,
    () => stand.words(),
    STORE_LOOK_MS,
  );
  await sleep(ms);
  const said = await positions(stand);
  disk.cut();
  await Promise.all([
    stand.stopWriting(),
    stand.killClickHouse(),
    ...SLOTS.map((slot) => stand.loader(slot).end("SIGKILL")),
  ]);
  await disk.cycle();
  await stand.startClickHouse();
  // Before any loader can put it right.
  const there = await positions(stand);
  for (const slot of SLOTS) stand.start(slot);
  const { clickhouse, relational, unequal, differences, walRecords } = await judged(stand);
  return {
    said,
    forgotten:
      Math.max(0, said.clickhouse - there.clickhouse) +
      Math.max(0, said.relational - there.relational),
    records: walRecords,
    wanted: clickhouse.wanted + relational.wanted,
    twice: clickhouse.twice + relational.twice,
    lost: clickhouse.lost + relational.lost,
    strange: clickhouse.strange + relational.strange,
    unequal,
    differences,
  };
}
