/** The symbols language, the contracts behind it, and the instrument table it makes. */

export {
  type Compiled,
  type CompileInput,
  compile,
  deadBindings,
  type Metrics,
  type SymbolRow,
  validate,
} from "./compile.ts";
export {
  Contract,
  type ContractCache,
  type ContractDiff,
  daysBetween,
  diffContracts,
  nextCache,
  parseContracts,
  readContracts,
  writeWhole,
} from "./contracts.ts";
export { type Place, SymbolsError } from "./errors.ts";
export { type GivenId, idsPath, idsText, readIds, withTable } from "./ids.ts";
export * from "./limits.ts";
export {
  type Attributes,
  type Entry,
  type Filter,
  parseList,
  type Subject,
  tagsOf,
} from "./parse.ts";
export type { InstrumentTable, TableRow } from "./row.ts";
export { nextTable, tableHash } from "./table.ts";
