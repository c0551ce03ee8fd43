/** The native lane of a strategy worker, behind an interface so that tests pass a fake. */

import {
  strategyClose,
  strategyOpen,
  strategyPoll,
  strategyStats,
  strategySubmit,
} from "@tidegate/rust-core";
import type { StrategyLaneConfig } from "@tidegate/rust-core/strategy-layout";

export interface StrategyPort {
  open(config: StrategyLaneConfig, inEvents: Float64Array, outIntent: Float64Array): void;
  /** Waits at most `timeoutMs` and fills the events view; gives how many events it holds. */
  poll(timeoutMs: number): number;
  /** Sends the intent in the view; a Submit code. */
  submit(): number;
  /** Counters as JSON. */
  stats(): string;
  close(): void;
}

export const nativePort: StrategyPort = {
  open: (config, inEvents, outIntent) => strategyOpen(JSON.stringify(config), inEvents, outIntent),
  poll: strategyPoll,
  submit: strategySubmit,
  stats: strategyStats,
  close: strategyClose,
};
