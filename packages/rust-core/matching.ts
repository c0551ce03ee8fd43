import { native } from "./native.ts";

/**
 * One venue and one symbol of the simulated market. JSON texts in and out; no clock and no random inside: every call that
 * makes events takes the venue's time in ms from the caller. Synchronous; only the constructor and `restore` throw.
 */
export interface SimMarket {
  /** One raw message of the recording, without its receive time. Gives how many events wait in `drainEvents`. */
  onMarket(line: Buffer, timeMs: number): number;
  /** The recording starts again from another point: the book is dropped until the next snapshot. */
  resetMarket(): void;
  place(json: string): string;
  cancel(json: string): string;
  /** Another price and total quantity: `{ clientOrderId | orderId, price, quantity, timeMs }`. */
  amend(json: string): string;
  /** The venue's own acts: `{ op: "halt" | "resume" | "endDay" | "fund" | "bust" | "transfer", … }`. */
  control(json: string): string;
  query(json: string): string;
  /** The REST depth body of at most `limit` levels a side; "" before the first snapshot. */
  snapshotDepth(limit: number): string;
  /** All waiting events, oldest first, as a JSON array; empties the queue. */
  drainEvents(): string;
  balances(): string;
  /** The whole state for a restart, a text for `restore`. */
  state(): string;
  restore(json: string): void;
  stats(): string;
}

const simMarket = native<new (configJson: string) => SimMarket>("SimMarket");

/** `new SimMarket(configJson)` opens a market; throws on a bad configuration, naming the field. */
export const SimMarket = class {
  constructor(configJson: string) {
    // biome-ignore lint/correctness/noConstructorReturn: the addon is loaded at the first market, not at import
    return new (simMarket())(configJson);
  }
} as new (
  configJson: string,
) => SimMarket;
