/** `hft verify schema`: migrations in both directions on all three stores, columns of writers and tables, every query of the cookbook. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeEnvelope } from "@tidegate/contracts";
import {
  APPEND_ONLY,
  type ColumnShape,
  DEFINITIONS,
  migrations,
  type NamedQuery,
  QUERIES,
  type QueryParams,
  type QueryRow,
  type RelationalStore,
  type Repository,
  relationalMigrations,
  typeOf,
} from "@tidegate/storage";
import { openWal, walDigests } from "@tidegate/wal-loader/load";
import { type Check, check, type Result, result } from "../result.ts";
import { run } from "../run.ts";
import { UsageError } from "../sim/options.ts";
import { compare } from "./rebuild.ts";
import { loadClickHouse, loadRelational, type OwnStores, ownStores } from "./stores.ts";

export const SCHEMA_BREAKS = [
  "drop-column",
  "retype-column",
  "broken-query",
  "lossy-migration",
] as const;
const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
/** A short real day: seconds of trading, recorded seconds in each. */
const SIM_SECONDS = 15;
const SIM_SPEED = 10;
/** Up, down to nothing, up again: the columns are compared after each way up. */
const WAYS_UP = 2;

/** What can be proven by itself: columns and both ways of each migration, rows that migrations carry, the cookbook's queries. */
export const SCHEMA_PROOFS = ["columns", "rows", "queries"] as const;
export type SchemaProof = (typeof SCHEMA_PROOFS)[number];

export interface SchemaOptions {
  readonly wal: string | null;
  readonly plant: string | null;
  /** All of them where absent. */
  readonly proofs?: readonly SchemaProof[];
  readonly say: (line: string) => void;
}

type AnyStore = Repository | RelationalStore;

/** Proves the schemas on stores of its own, with the records of a run of the cluster. */
export async function verifySchema(root: string, options: SchemaOptions): Promise<Result> {
  const { plant, say } = options;
  if (plant !== null && !(SCHEMA_BREAKS as readonly string[]).includes(plant))
    throw new UsageError(`--break ${plant}: want one of ${SCHEMA_BREAKS.join(", ")}`);
  await using stores = await ownStores();
  const walDir = options.wal ?? (await tradeAndRecord(root, stores, say));
  const wal = openWal(walDir);
  const wanted = await walDigests(wal, decodeEnvelope);
  const all: readonly Placed[] = [
    ["clickhouse", stores.clickhouse, clickhouseColumns(), migrations("tidegate").length],
    [
      "postgresql",
      stores.postgresql,
      relationalColumns(stores.postgresql),
      relationalSteps(stores.postgresql),
    ],
    ["sqlite", stores.sqlite, relationalColumns(stores.sqlite), relationalSteps(stores.sqlite)],
  ];
  const proofs = options.proofs ?? SCHEMA_PROOFS;
  const checks: Check[] = [];
  const figures: Record<string, unknown> = {
    versions: Object.fromEntries(all.map(([name, , , versions]) => [name, versions])),
    wal_records: wanted.records,
    planted: plant,
  };
  const spoils = plant === "drop-column" || plant === "retype-column";
  if (proofs.includes("columns")) {
    const of = await bothWays(all, spoils ? plant : null, say);
    checks.push(
      check("columns_unequal", of.unequal, "=", 0),
      check("columns_unequal_of", of.compared, ">=", 1_000, "columns"),
      check(
        "migrations_run",
        of.steps - of.wrong,
        "=",
        all.reduce((sum, each) => sum + 2 * each[3] + 1, 0),
      ),
    );
    figures["differences"] = of.differences.slice(0, 20);
  }
  if (!proofs.includes("rows") && !proofs.includes("queries"))
    return result("verify schema", checks, figures);
  for (const [, store] of all) {
    // What was spoilt has served: what follows needs whole tables.
    if (spoils) await store.migrate(0);
    await store.migrate();
  }
  say("loading");
  await loadClickHouse(wal, stores.clickhouse, join(stores.home, "ledger"));
  for (const name of ["postgresql", "sqlite"] as const) await loadRelational(wal, stores[name]);
  if (proofs.includes("rows")) {
    const down = await carried(stores, wanted, plant);
    checks.push(
      check("rows_changed_by_migrations", down.changed, "=", 0, "tables"),
      check("rows_changed_by_migrations_of", down.rows, ">=", 1_000, "rows"),
    );
  }
  if (proofs.includes("queries")) {
    say("running the cookbook");
    const { ran, of, failures } = await cookbook(stores, plant === "broken-query");
    checks.push(check("queries_run", ran, "=", of));
    figures["failures"] = failures;
  }
  return result("verify schema", checks, figures);
}

type Placed = readonly [string, AnyStore, readonly ColumnShape[], number];

/** Every store up, down and up again, its columns held against its writer's each time it is up. */
async function bothWays(
  all: readonly Placed[],
  plant: "drop-column" | "retype-column" | null,
  say: (line: string) => void,
) {
  let [unequal, compared, steps, wrong] = [0, 0, 0, 0];
  const differences: string[] = [];
  for (const [name, store, columns, versions] of all) {
    say(`${name}: up, down, up`);
    for (let way = 0; way < WAYS_UP; way += 1) {
      for (const version of way === 0 ? range(1, versions) : [versions]) {
        await store.migrate(version);
        steps += 1;
        if ((await store.version()) !== version) wrong += 1;
      }
      if (plant !== null) await spoil(store, plant);
      const found = differing(columns, await store.columns());
      differences.push(...found.map((each) => `${name}: ${each}`));
      unequal += found.length;
      compared += columns.length;
      if (way > 0) break;
      for (const version of range(0, versions - 1).reverse()) {
        await store.migrate(version);
        steps += 1;
        if ((await store.version()) !== version) wrong += 1;
      }
      if ((await store.columns()).length > 0) wrong += 1;
    }
  }
  return { unequal, compared, steps, wrong, differences };
}

/** Runs every query of the cookbook on each store it is for. */
async function cookbook(stores: OwnStores, broken: boolean) {
  const failures: string[] = [];
  let ran = 0;
  for (const query of QUERIES) {
    const on: readonly (readonly [string, AnyStore])[] =
      query.store === "clickhouse"
        ? [["clickhouse", stores.clickhouse]]
        : [
            ["postgresql", stores.postgresql],
            ["sqlite", stores.sqlite],
          ];
    for (const [name, store] of on) {
      const fault = await tryQuery(stores, store, query, broken);
      if (fault === null) ran += 1;
      else failures.push(`${query.name} on ${name}: ${fault}`);
    }
  }
  const of = QUERIES.reduce((sum, { store }) => sum + (store === "clickhouse" ? 1 : 2), 0);
  return { ran, of, failures };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** A real run of the cluster, its WAL left in the stores' folder. */
async function tradeAndRecord(
  root: string,
  { home }: OwnStores,
  say: (line: string) => void,
): Promise<string> {
  say(`trading for ${SIM_SECONDS} s to have real records`);
  const runDir = join(home, "run");
  const flags = ["--duration", SIM_SECONDS, "--speed", SIM_SPEED, "--run-dir", runDir].map(String);
  const { code, output } = await run(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      MAIN,
      "run",
      "sim",
      ...flags,
      "--clickhouse",
      "none",
      "--keep",
    ],
    { cwd: root },
  );
  // A run that misses one of its own bounds on a slow machine has recorded all the same; its WAL is proven below.
  if (code > 1) throw new Error(`no records: the run ended with ${code}\n${output.slice(-2_000)}`);
  return join(runDir, "wal");
}

function clickhouseColumns(): ColumnShape[] {
  return DEFINITIONS.flatMap(({ name: table, columns }) =>
    columns.map(({ name, type }) => ({ table, name, type })),
  );
}

function relationalColumns({ dialect }: RelationalStore): ColumnShape[] {
  return APPEND_ONLY.flatMap(({ name: table, columns }) =>
    columns.map(({ name, type }) => ({ table, name, type: typeOf(dialect, type) })),
  );
}

const relationalSteps = ({ dialect }: RelationalStore): number =>
  relationalMigrations(dialect).length;

/** Columns one side has and the other has not, or has as another type. */
function differing(wanted: readonly ColumnShape[], found: readonly ColumnShape[]): string[] {
  const words = ({ table, name, type }: ColumnShape): string => `${table}.${name} ${type}`;
  const [has, wants] = [new Set(found.map(words)), new Set(wanted.map(words))];
  return [
    ...[...wants].filter((each) => !has.has(each)).map((each) => `the writer's ${each}`),
    ...[...has].filter((each) => !wants.has(each)).map((each) => `the table's ${each}`),
  ];
}

async function spoil(store: AnyStore, plant: string): Promise<void> {
  const relational = "dialect" in store;
  const table = relational ? "fill" : "tidegate.fill";
  if (plant === "drop-column") return store.command(`ALTER TABLE ${table} DROP COLUMN maker`);
  if (!relational) return store.command(`ALTER TABLE ${table} MODIFY COLUMN maker UInt8`);
  if (store.dialect === "postgresql")
    return store.command(
      `ALTER TABLE ${table} ALTER COLUMN maker TYPE integer USING maker::integer`,
    );
  await store.command(`ALTER TABLE ${table} DROP COLUMN maker`);
  await store.command(`ALTER TABLE ${table} ADD COLUMN maker TEXT NOT NULL DEFAULT ''`);
}

/** Loaded tables go down to their first version and up again with every row. */
async function carried(
  stores: OwnStores,
  wanted: Awaited<ReturnType<typeof walDigests>>,
  plant: string | null,
): Promise<{ readonly changed: number; readonly rows: number }> {
  let [changed, rows] = [0, 0];
  for (const [store, digests] of [
    [stores.clickhouse, wanted.clickhouse],
    [stores.postgresql, wanted.relational],
    [stores.sqlite, wanted.relational],
  ] as const) {
    await store.migrate(1);
    if (plant === "lossy-migration" && !("dialect" in store))
      await store.command("TRUNCATE TABLE tidegate.fill SYNC");
    await store.migrate();
    const found = await compare(store, digests);
    changed += found.tables.length;
    rows += found.rows;
  }
  return { changed, rows };
}

/** Runs one query with parameters of the records themselves; null when it answers what it has to. */
async function tryQuery(
  stores: OwnStores,
  store: AnyStore,
  { sql, params, rows: wanted }: NamedQuery,
  broken: boolean,
): Promise<string | null> {
  try {
    const given = await parameters(stores, Object.keys(params), "dialect" in store);
    const rows = await store.query(broken ? sql.replace("wal_seq", "wal_sequence") : sql, given);
    if (wanted === "none" && rows.length > 0) return `${rows.length} rows where none is wanted`;
    return wanted === undefined && rows.length === 0 ? "no row" : null;
  } catch (error) {
    return (error as Error).message.slice(0, 300);
  }
}

async function parameters(
  { clickhouse }: OwnStores,
  names: readonly string[],
  relational: boolean,
): Promise<QueryParams> {
  const one = async (sql: string): Promise<QueryRow> => (await clickhouse.query(sql))[0] ?? {};
  const given: Record<string, string | number | bigint> = {};
  if (names.includes("interval_ns")) given["interval_ns"] = 1_000_000_000n;
  if (names.includes("instrument"))
    given["instrument"] = Number(
      (await one("SELECT any(instrument_id) AS id FROM tidegate.trade"))["id"],
    );
  if (names.includes("order")) {
    const found = await one(
      "SELECT leftPad(lower(hex(any(intent_id))), 32, '0') AS id FROM tidegate.fill",
    );
    given["order"] = String(found["id"]);
  }
  if (names.includes("from_ns") && !relational)
    Object.assign(given, { from_ns: 0n, to_ns: 2n ** 62n });
  return given;
}
