/** Reconciliation of one account with its venue: comparison, cases, and the looks. */

export { type BookRules, OurBook } from "./book.ts";
export { Recon } from "./core.ts";
export { LOOK_EVERY_MS, Reconciler, type ReconcilerStats } from "./reconciler.ts";
export { type SpotGrid, SpotReader } from "./spot.ts";
export { PrivateStream } from "./stream.ts";
export {
  BREAK_KINDS,
  type BreakKind,
  type Case,
  type Effect,
  type Execution,
  type OpenOrder,
  type ReconRules,
} from "./types.ts";
