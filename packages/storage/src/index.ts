export * from "./embedded.ts";
export * from "./limits.ts";
export { type EngineTemplate, engineClause, migrations } from "./migrations.ts";
export {
  DATABASE,
  type Insert,
  openRepository,
  type Repository,
  type StreamCount,
} from "./repository.ts";
export { RowBinaryWriter } from "./row-binary.ts";
export * from "./tables.ts";
