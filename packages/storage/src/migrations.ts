import { DEDUP_WINDOW } from "./limits.ts";
import { partitionSql } from "./partition.ts";
import { AUDIT_LOG, DEFINITIONS, type TableDefinition } from "./tables.ts";

/**
 * How tables are kept: on one server, or as replicas of shards. The replicated form has a table `<name>_local` on each
 * server, which inserts go to, and a `Distributed` table `<name>` over all of them, which queries read.
 */
export type EngineTemplate =
  | { readonly kind: "plain" }
  | { readonly kind: "replicated"; readonly cluster: string; readonly path: string };

export const PLAIN: EngineTemplate = { kind: "plain" };

const DATABASE = /^[a-z_][a-z0-9_]{0,62}$/;
const CLUSTER = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
const KEEPER_PATH = /^\/[A-Za-z0-9_{}/-]{1,200}$/;

/** Where the rows of a table are: what inserts name. */
export function storedName(template: EngineTemplate, table: string): string {
  return template.kind === "plain" ? table : `${table}_local`;
}

/** `MergeTree` or its replicated form, with the window of insert tokens set in either. */
export function engineClause(
  template: EngineTemplate,
  table: string,
): { readonly engine: string; readonly settings: string } {
  if (template.kind === "plain") {
    return {
      engine: "MergeTree",
      settings: `non_replicated_deduplication_window = ${DEDUP_WINDOW}`,
    };
  }
  return {
    engine: `ReplicatedMergeTree('${template.path}/{shard}/${table}', '{replica}')`,
    settings: `replicated_deduplication_window = ${DEDUP_WINDOW}`,
  };
}

/** One step between two versions of the schema, in both directions. */
export interface Migration {
  /** From 1 without holes. */
  readonly version: number;
  readonly name: string;
  readonly up: readonly string[];
  readonly down: readonly string[];
}

export const SCHEMA_MIGRATIONS = "schema_migrations";

interface Place {
  readonly database: string;
  readonly template: EngineTemplate;
  readonly onCluster: string;
}

/**
 * What stands before the first version: the database, and the log of migrations. A version is in force whose `change`s sum
 * to 1; rows are only ever added, so that the log is also its history.
 *
 * Errors  TypeError for a name that would not stay a name inside the statement
 */
export function bootstrap(database: string, template: EngineTemplate = PLAIN): string[] {
  const place = placeOf(database, template);
  const log: TableDefinition = {
    name: SCHEMA_MIGRATIONS,
    columns: [
      ["version", "UInt32"],
      ["name", "String"],
      ["change", "Int8"],
      ["applied_ns", "Int64"],
    ].map(([name = "", type = ""]) => ({ name, type, textSql: "" })),
    orderBy: "(version, applied_ns)",
    partition: null,
  };
  return [
    `CREATE DATABASE IF NOT EXISTS ${database}${place.onCluster}`,
    ...createTable(place, log, { partitioned: false }),
  ];
}

/** Every version of the schema, oldest first. Each statement may be run again after a crash in the middle. */
export function migrations(database: string, template: EngineTemplate = PLAIN): Migration[] {
  const place = placeOf(database, template);
  const records = DEFINITIONS.filter(({ name }) => name !== AUDIT_LOG);
  const audit = DEFINITIONS.filter(({ name }) => name === AUDIT_LOG);
  // A replicated database never was at version 1: it begins with what version 2 makes of a plain one.
  const plain = template.kind === "plain";
  const make = (tables: readonly TableDefinition[], partitioned: boolean): string[] =>
    tables.flatMap((table) => createTable(place, table, { partitioned }));
  const drop = (tables: readonly TableDefinition[]): string[] =>
    tables.flatMap((table) => dropTable(place, table));
  const swap = (partitioned: boolean): string[] =>
    plain
      ? records
          .filter(({ partition }) => partition !== null)
          .flatMap((table) => rebuildTable(place, table, partitioned))
      : [];
  return [
    { version: 1, name: "records", up: make(records, !plain), down: drop(records) },
    {
      version: 2,
      name: "partitions",
      // Copied by name: a table of an earlier contract first gets what it lacks.
      up: [...addColumns(place, plain ? records : []), ...swap(true)],
      down: [...addColumns(place, plain ? records : []), ...swap(false)],
    },
    { version: 3, name: "audit", up: make(audit, true), down: drop(audit) },
  ];
}

/** At the newest version: a table that was lost is made again, one of an earlier contract gets the columns it lacks. */
export function convergence(database: string, template: EngineTemplate = PLAIN): string[] {
  const place = placeOf(database, template);
  return [
    ...DEFINITIONS.flatMap((table) => createTable(place, table, { partitioned: true })),
    // Old rows have the zero of a new column.
    ...addColumns(place, DEFINITIONS),
  ];
}

function addColumns(
  { database, template, onCluster }: Place,
  tables: readonly TableDefinition[],
): string[] {
  return tables.flatMap(({ name, columns }) => {
    const added = columns.map((each) => `ADD COLUMN IF NOT EXISTS ${each.name} ${each.type}`);
    const names = new Set([storedName(template, name), name]);
    return [...names].map(
      (each) => `ALTER TABLE ${database}.${each}${onCluster} ${added.join(", ")}`,
    );
  });
}

function placeOf(database: string, template: EngineTemplate): Place {
  if (!DATABASE.test(database))
    throw new TypeError(`database ${JSON.stringify(database)}: want ${DATABASE}`);
  if (
    template.kind === "replicated" &&
    !(CLUSTER.test(template.cluster) && KEEPER_PATH.test(template.path))
  ) {
    throw new TypeError(`cluster ${template.cluster} or keeper path ${template.path} is malformed`);
  }
  const onCluster = template.kind === "plain" ? "" : ` ON CLUSTER '${template.cluster}'`;
  return { database, template, onCluster };
}

function createTable(
  { database, template, onCluster }: Place,
  table: TableDefinition,
  { partitioned }: { readonly partitioned: boolean },
  name = storedName(template, table.name),
): string[] {
  const { engine, settings } = engineClause(template, table.name);
  const columns = table.columns.map((each) => `${each.name} ${each.type}`).join(", ");
  const by = partitioned ? partitionSql(table) : null;
  const stored =
    `CREATE TABLE IF NOT EXISTS ${database}.${name}${onCluster} (${columns}) ENGINE = ${engine}` +
    `${by === null ? "" : ` PARTITION BY ${by}`} ORDER BY ${table.orderBy} ` +
    `SETTINGS ${settings}, fsync_after_insert = 1, fsync_part_directory = 1`;
  if (template.kind === "plain") return [stored];
  const shard = columns.startsWith("wal_seq ") ? "cityHash64(stream)" : "rand()";
  return [
    stored,
    `CREATE TABLE IF NOT EXISTS ${database}.${table.name}${onCluster} AS ${database}.${name} ` +
      `ENGINE = Distributed('${template.cluster}', '${database}', '${name}', ${shard})`,
  ];
}

function dropTable(
  { database, template, onCluster }: Place,
  { name }: TableDefinition,
): readonly string[] {
  const names = new Set([name, storedName(template, name)]);
  return [...names].map((each) => `DROP TABLE IF EXISTS ${database}.${each}${onCluster} SYNC`);
}

/** The same rows under another partition key: a copy beside the table, then both change names at once. */
function rebuildTable(place: Place, table: TableDefinition, partitioned: boolean): string[] {
  const { database } = place;
  const next = `${table.name}_next`;
  const names = table.columns.map(({ name }) => name).join(", ");
  return [
    `DROP TABLE IF EXISTS ${database}.${next} SYNC`,
    ...createTable(place, table, { partitioned }, next),
    `INSERT INTO ${database}.${next} (${names}) SELECT ${names} FROM ${database}.${table.name} ` +
      "SETTINGS max_partitions_per_insert_block = 0",
    `EXCHANGE TABLES ${database}.${next} AND ${database}.${table.name}`,
    `DROP TABLE IF EXISTS ${database}.${next} SYNC`,
  ];
}
