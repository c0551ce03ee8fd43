/** `hft store rebuild`: every store from the WAL alone, and the proof that nothing is missing, twice or other. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeEnvelope } from "@tidegate/contracts";
import {
  type Digest,
  openRelational,
  openRepository,
  type RelationalStore,
  type Repository,
} from "@tidegate/storage";
import { openWal, type WalReader, walDigests, walUntil } from "@tidegate/wal-loader/load";
import { type Check, check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { recordDay } from "./record.ts";
import {
  type Loaded,
  loadClickHouse,
  loadRelational,
  type OwnStores,
  ownStores,
  type StoreName,
} from "./stores.ts";

/** Journal records of one made-up order, on average: 68 over 7. */
const RECORDS_PER_ORDER = 68 / 7;
const MARKET_PER_ORDER = 3;
export const REBUILD_BREAKS = ["drop-row", "double-row", "alter-value", "skip-block"] as const;

type Say = (line: string) => void;

export interface RebuildCheckOptions {
  readonly rows: number;
  readonly seed: number;
  /** A WAL that is there, in place of one made for the proof. */
  readonly wal: string | null;
  readonly plant: string | null;
  readonly say: Say;
}

/** Rebuilds all three stores from a WAL and holds each table's rows and content against what the WAL says. */
export async function rebuildCheck(options: RebuildCheckOptions): Promise<Result> {
  const { say, plant } = options;
  if (plant !== null && !(REBUILD_BREAKS as readonly string[]).includes(plant))
    throw new UsageError(`--break ${plant}: want one of ${REBUILD_BREAKS.join(", ")}`);
  await using stores = await ownStores();
  const walDir = options.wal ?? (await makeWal(stores, options));
  const whole = openWal(walDir);
  say("reading what the WAL says");
  const wanted = await walDigests(whole, decodeEnvelope);
  const wal = plant === "skip-block" ? withoutBlock(whole) : whole;
  const loaded = {} as Record<StoreName, Loaded>;
  say("rebuilding ClickHouse");
  loaded.clickhouse = await loadClickHouse(wal, stores.clickhouse, join(stores.home, "ledger"));
  for (const name of ["postgresql", "sqlite"] as const) {
    say(`rebuilding ${name}`);
    // A relational store refuses a hole: the planted one is made in its rows.
    loaded[name] = await loadRelational(whole, stores[name]);
  }
  if (plant !== null) await damage(stores, plant);
  say("comparing");
  const unequal = {
    clickhouse: await compare(stores.clickhouse, wanted.clickhouse),
    postgresql: await compare(stores.postgresql, wanted.relational),
    sqlite: await compare(stores.sqlite, wanted.relational),
  };
  const names = ["clickhouse", "postgresql", "sqlite"] as const;
  return result(
    "store rebuild",
    [
      ...names.map((name) => check(`tables_unequal.${name}`, unequal[name].tables.length, "=", 0)),
      ...names.map((name) =>
        check(`tables_unequal.${name}_of`, unequal[name].rows, ">=", options.rows, "rows"),
      ),
    ],
    {
      wal_records: wanted.records,
      tables: Object.fromEntries(names.map((name) => [name, unequal[name].all])),
      unequal: Object.fromEntries(names.map((name) => [name, unequal[name].tables])),
      rows_per_second: Object.fromEntries(
        names.map((name) => [name, Math.round(loaded[name].rows / loaded[name].seconds)]),
      ),
      planted: plant,
    },
    options.seed,
  );
}

async function makeWal(
  stores: OwnStores,
  { rows, seed, say }: RebuildCheckOptions,
): Promise<string> {
  // A little more than asked for: lives differ.
  const orders = Math.ceil((rows * 1.01) / RECORDS_PER_ORDER) + 10;
  say(`recording a day of ${orders} orders`);
  const flow = {
    seed,
    orders,
    marketPerOrder: MARKET_PER_ORDER,
    startNs: nowNs(),
    stepNs: 1_000_000n,
  };
  const { walDir } = await recordDay(stores.home, flow, (sent) => say(`${sent} records`));
  return walDir;
}

const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

interface Compared {
  /** Names of the tables that differ. */
  readonly tables: readonly string[];
  readonly all: number;
  /** Rows the store has in them. */
  readonly rows: number;
}

/** Holds every table of a store against what the WAL says of it. */
export async function compare(
  store: Pick<Repository | RelationalStore, "digest">,
  wanted: ReadonlyMap<string, Digest>,
): Promise<Compared> {
  const tables: string[] = [];
  let rows = 0;
  for (const [name, digest] of wanted) {
    const held = await store.digest(name);
    rows += held.rows;
    if (held.rows !== digest.rows || held.hash !== digest.hash) tables.push(name);
  }
  return { tables, all: wanted.size, rows };
}

/** One fault in each store, past every rule that would refuse it. */
async function damage({ clickhouse, postgresql, sqlite }: OwnStores, plant: string): Promise<void> {
  const mutate = (sql: string) => clickhouse.command(`${sql} SETTINGS mutations_sync = 1`);
  const last = "wal_seq = (SELECT max(wal_seq) FROM fill)";
  const lastHere = last.replaceAll("fill", "tidegate.fill");
  const unguard = async (act: (store: RelationalStore) => Promise<void>): Promise<void> => {
    await postgresql.command("ALTER TABLE fill DISABLE TRIGGER USER");
    for (const part of await postgresql.partitions())
      if (part.startsWith("fill_"))
        await postgresql.command(`ALTER TABLE ${part} DISABLE TRIGGER USER`);
    await sqlite.command("DROP TRIGGER fill_no_update; DROP TRIGGER fill_no_delete");
    await act(postgresql);
    await act(sqlite);
  };
  if (plant === "drop-row" || plant === "skip-block") {
    if (plant === "drop-row") await mutate(`ALTER TABLE tidegate.fill DELETE WHERE ${lastHere}`);
    await unguard((store) => store.command(`DELETE FROM fill WHERE ${last}`));
  } else if (plant === "double-row") {
    await clickhouse.command(
      `INSERT INTO tidegate.fill SELECT * FROM tidegate.fill WHERE ${lastHere}`,
    );
    const twice = `INSERT INTO fill (${await columnsOf(sqlite)}) SELECT ${(await columnsOf(sqlite)).replace("wal_seq", "-wal_seq")} FROM fill WHERE ${last}`;
    await unguard((store) => store.command(twice));
  } else {
    await mutate(`ALTER TABLE tidegate.fill UPDATE fee_e8 = fee_e8 + 1 WHERE ${lastHere}`);
    await unguard((store) => store.command(`UPDATE fill SET fee_e8 = fee_e8 + 1 WHERE ${last}`));
  }
}

async function columnsOf(store: RelationalStore): Promise<string> {
  const all = (await store.columns()).filter(({ table }) => table === "fill");
  return all.map(({ name }) => name).join(", ");
}

/** A WAL that keeps one block to itself, as a loader that counts wrongly would. */
function withoutBlock(wal: WalReader): WalReader {
  return {
    first: () => wal.first(),
    read(at) {
      const found = wal.read(at);
      if (found === null || found === "end" || found === "damaged") return found;
      if (found.block.segment !== 1 || found.block.block !== 1) return found;
      return { ...found, block: { ...found.block, records: found.block.records.slice(1) } };
    },
  };
}

export interface RebuildOptions {
  readonly wal: string;
  readonly clickhouse: string | null;
  readonly database: string | null;
  /** A wal_seq, or a time in ns since the Unix epoch. */
  readonly until: { readonly walSeq?: number; readonly tsNs?: bigint };
  readonly replace: boolean;
  readonly say: Say;
}

/**
 * Rebuilds the stores a person names, to the end of the WAL or to a moment, and compares. A store that holds records is left
 * alone unless it is to be replaced.
 */
export async function rebuild(options: RebuildOptions): Promise<Result> {
  const { say, until, replace } = options;
  if (options.clickhouse === null && options.database === null)
    throw new UsageError("nothing to rebuild: want --clickhouse, --database or both");
  const wal = walUntil(openWal(options.wal), until);
  if (wal.first() === null)
    throw new UsageError(`--wal ${options.wal}: there is no segment; want the recorder's walDir`);
  const wanted = await walDigests(wal, decodeEnvelope);
  const checks: Check[] = [];
  const figures: Record<string, unknown> = { wal_records: wanted.records };
  const prove = async (
    name: string,
    store: Repository | RelationalStore,
    digests: ReadonlyMap<string, Digest>,
    load: () => Promise<Loaded>,
  ): Promise<void> => {
    if ((await store.version()) > 0) {
      await store.migrate();
      const held = (await store.counts()).reduce((sum, { rows }) => sum + rows, 0);
      if (held > 0 && !replace)
        throw new Error(
          `${name} holds ${held} records; give --replace to drop them, or an empty one`,
        );
      await store.migrate(0);
    }
    say(`rebuilding ${name}`);
    const { rows, seconds } = await load();
    const found = await compare(store, digests);
    checks.push(
      check(`tables_unequal.${name}`, found.tables.length, "=", 0),
      check(`tables_unequal.${name}_of`, found.rows, "=", rows, "rows"),
    );
    figures[name] = { rows, seconds: Number(seconds.toFixed(3)), unequal: found.tables };
  };
  if (options.clickhouse !== null) {
    const ledger = mkdtempSync(join(tmpdir(), "tg-ledger-"));
    await using store = openRepository(options.clickhouse);
    await prove("clickhouse", store, wanted.clickhouse, () => loadClickHouse(wal, store, ledger));
    rmSync(ledger, { recursive: true, force: true });
  }
  if (options.database !== null) {
    await using store = openRelational(options.database);
    await prove(store.dialect, store, wanted.relational, () => loadRelational(wal, store));
  }
  return result("store rebuild", checks, figures);
}
