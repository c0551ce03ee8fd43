export * from "./embedded.ts";
export * from "./limits.ts";
export {
  bootstrap,
  convergence,
  type EngineTemplate,
  engineClause,
  type Migration,
  migrations,
} from "./migrations.ts";
export { partitionOf, partitionSql } from "./partition.ts";
export * from "./queries.ts";
export { type Dialect, relationalMigrations, typeOf } from "./relational/migrations.ts";
export { openRelational } from "./relational/open.ts";
export { openPostgres, type PostgresOptions } from "./relational/postgres.ts";
export { findPostgres, type OwnPostgres, startOwnPostgres } from "./relational/server.ts";
export { openSqlite } from "./relational/sqlite.ts";
export {
  type Batch,
  type LoadPosition,
  type RelationalStore,
  retentionBound,
} from "./relational/store.ts";
export {
  APPEND_ONLY,
  idText,
  keepable,
  RELATIONAL_AUDIT,
  RELATIONAL_KINDS,
  RELATIONAL_QUARANTINE,
  RELATIONAL_TABLES,
  type RelationalKind,
  type RelationalTable,
  relationalText,
  WAL_TABLES,
} from "./relational/tables.ts";
export {
  DATABASE,
  type ExportFormat,
  type Insert,
  type InsertFormat,
  openRepository,
  type Recording,
  type Repository,
  type StreamCount,
} from "./repository.ts";
export * from "./store.ts";
export * from "./tables.ts";
