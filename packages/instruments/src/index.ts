/** The symbols language, the contracts behind it, and the instrument table it makes. */

export { type Bindings, deadBindings, readBindings } from "./bindings.ts";
export { type Compiled, type CompileInput, compile } from "./compile.ts";
export {
  Contract,
  type ContractCache,
  type ContractDiff,
  daysBetween,
  diffContracts,
  isDay,
  lastDay,
  lifeOf,
  nextCache,
  PRODUCT_TYPES,
  parseContracts,
  readContracts,
  writeWhole,
} from "./contracts.ts";
export { compareDecimals, parseExact, plainDecimal, scaled } from "./decimal.ts";
export { type Place, SymbolsError } from "./errors.ts";
export { tableHash } from "./hash.ts";
export { type GivenId, idsPath, idsText, readIds, withTable } from "./ids.ts";
export * from "./limits.ts";
export { type Metrics, readMetrics } from "./metrics.ts";
export {
  type Attributes,
  type Entry,
  type Filter,
  parseList,
  type Subject,
  tagsOf,
} from "./parse.ts";
export { type RefreshStatus, readRefreshStatus, refreshStatusText } from "./refresh.ts";
export { type InstrumentTable, readTable, type TableRow } from "./row.ts";
export {
  FORMS,
  type Form,
  type FormName,
  type Listing,
  merged,
  readListing,
  SourceError,
} from "./sources/index.ts";
export type { SymbolRow } from "./symbol.ts";
export { nextTable, untouched } from "./table.ts";
export {
  finestTick,
  nextPrice,
  onTick,
  TICK_RULES,
  type TickRule,
  type TickTable,
  tableOf,
  tickAt,
  twPriceLimits,
  twStockRule,
} from "./ticks.ts";
export { tableFaults, validate } from "./validate.ts";
