/** What a strategy author imports. */
export * from "./arithmetic.ts";
export { Breaker, type BreakerState } from "./breaker.ts";
export { checkStrategy, defineStrategy, StrategyError } from "./define.ts";
export { type Finding, findings } from "./determinism.ts";
export * from "./execution/index.ts";
export {
  type DeclaredSet,
  featureSetHash,
  type KnownSet,
  parseFeatureSet,
} from "./feature-set.ts";
export {
  createHarness,
  DEFAULT_INSTRUMENTS,
  Harness,
  type HarnessOptions,
  type SentIntent,
  type TopInput,
} from "./harness.ts";
export {
  EVENT_BUDGET_MS_MAX,
  FEATURE_SET_MISMATCH,
  FEATURES_MAX,
  type FeatureSetState,
  type HostOptions,
  type HostStats,
  INTENTS_PER_EVENT_MAX,
  IntentKind,
  type IntentPort,
  NO_STATS,
  type OutIntent,
  PENDING_MAX,
  READY_QUIET_TICKS,
  STATE_CHARS_MAX,
  StrategyHost,
  Submit,
} from "./host.ts";
export { checkParams, PARAMS_CHARS_MAX, type ParamsCheck } from "./params.ts";
export * from "./quoting.ts";
export { seededRandom } from "./random.ts";
export * from "./round-trip.ts";
export * from "./types.ts";
