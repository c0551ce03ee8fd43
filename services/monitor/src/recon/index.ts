/** Reconciliation of one account with its venue: the comparison, its cases, and the reading of a venue's answers. */

export { type BookRules, OurBook } from "./book.ts";
export { boundsOf, type Periods, periodsOf } from "./cadence.ts";
export { readCases } from "./cases.ts";
export { Recon } from "./core.ts";
export { type SpotGrid, SpotReader } from "./spot.ts";
export {
  BREAK_KINDS,
  type BreakKind,
  type Case,
  type Effect,
  type Execution,
  type OpenOrder,
  type ReconRules,
} from "./types.ts";
