/** What a strategy author imports. */
export { Breaker, type BreakerState } from "./breaker.ts";
export { checkStrategy, defineStrategy, StrategyError } from "./define.ts";
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
  FEATURES_MAX,
  type HostOptions,
  type HostStats,
  INTENTS_PER_EVENT_MAX,
  IntentKind,
  type IntentPort,
  type OutIntent,
  PENDING_MAX,
  READY_QUIET_TICKS,
  StrategyHost,
  Submit,
} from "./host.ts";
export * from "./types.ts";
