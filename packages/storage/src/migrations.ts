import { DEDUP_WINDOW } from "./limits.ts";
import { DEFINITIONS, type TableDefinition } from "./tables.ts";

/** How tables are kept: one server, or replicas of one shard by a keeper path. */
export type EngineTemplate =
  | { readonly kind: "plain" }
  | { readonly kind: "replicated"; readonly cluster: string; readonly path: string };

const DATABASE = /^[a-z_][a-z0-9_]{0,62}$/;
const CLUSTER = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
const KEEPER_PATH = /^\/[A-Za-z0-9_{}/-]{1,200}$/;

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

/**
 * The statements that make a database what this version wants; each may be run again.
 *
 * Errors  TypeError for a name that would not stay a name inside the statement
 */
export function migrations(
  database: string,
  template: EngineTemplate = { kind: "plain" },
): string[] {
  if (!DATABASE.test(database))
    throw new TypeError(`database ${JSON.stringify(database)}: want ${DATABASE}`);
  if (
    template.kind === "replicated" &&
    !(CLUSTER.test(template.cluster) && KEEPER_PATH.test(template.path))
  ) {
    throw new TypeError(`cluster ${template.cluster} or keeper path ${template.path} is malformed`);
  }
  const onCluster = template.kind === "plain" ? "" : ` ON CLUSTER '${template.cluster}'`;
  return [
    `CREATE DATABASE IF NOT EXISTS ${database}${onCluster}`,
    ...DEFINITIONS.flatMap((table) => [
      createTable(database, table, template, onCluster),
      // A column that a later version of the contracts has added; old rows have its zero.
      `ALTER TABLE ${database}.${table.name}${onCluster} ${table.columns.map((each) => `ADD COLUMN IF NOT EXISTS ${each}`).join(", ")}`,
    ]),
  ];
}

function createTable(
  database: string,
  table: TableDefinition,
  template: EngineTemplate,
  onCluster: string,
): string {
  const { engine, settings } = engineClause(template, table.name);
  return (
    `CREATE TABLE IF NOT EXISTS ${database}.${table.name}${onCluster} (${table.columns.join(", ")}) ` +
    `ENGINE = ${engine} ORDER BY ${table.orderBy} ` +
    `SETTINGS ${settings}, fsync_after_insert = 1, fsync_part_directory = 1`
  );
}
