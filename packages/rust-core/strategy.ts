import { native } from "./native.ts";

const open =
  native<(config: string, inEvents: Float64Array, outIntent: Float64Array) => void>("strategyOpen");
const poll = native<(timeoutMs: number) => number>("strategyPoll");
const submit = native<() => number>("strategySubmit");
const stats = native<() => string>("strategyStats");
const close = native<() => void>("strategyClose");

/** Opens this thread's lane over the two views of `strategy-layout.ts`; one lane a thread. */
export function strategyOpen(
  configJson: string,
  inEvents: Float64Array,
  outIntent: Float64Array,
): void {
  open()(configJson, inEvents, outIntent);
}

/** Waits up to `timeoutMs` (bounded natively) and fills the event view; gives how many events it holds. */
export function strategyPoll(timeoutMs: number): number {
  return poll()(timeoutMs);
}

/** Sends the intent in the view: a `Submit` of `strategy-layout.ts`. */
export function strategySubmit(): number {
  return submit()();
}

/** Counters of this thread's lane as JSON. */
export function strategyStats(): string {
  return stats()();
}

/** Says BYE and closes this thread's lane. */
export function strategyClose(): void {
  close()();
}
