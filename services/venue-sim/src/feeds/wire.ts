/** Between a venue's market and its peers: where messages are lost, doubled, swapped, held back or muted. */

import type { Switchboard } from "./switches.ts";

/** Sends one message to whoever subscribed it. */
type Deliver = () => void;

export class Wire {
  readonly #board: Switchboard;
  readonly #monoMs: () => number;
  #mutedUntilMs = 0;
  #swapped: { symbol: string; deliver: Deliver } | null = null;
  #held: Deliver[] | null = null;

  constructor(board: Switchboard, monoMs: () => number) {
    this.#board = board;
    this.#monoMs = monoMs;
  }

  /** While true the sessions live and no market data flows. */
  get muted(): boolean {
    if (this.#board.isArmed("heartbeat_only")) {
      const args = this.#board.take("heartbeat_only");
      if (args !== null) {
        this.#mutedUntilMs = this.#monoMs() + this.#board.ms("heartbeat_only", args);
      }
    }
    return this.#monoMs() < this.#mutedUntilMs;
  }

  /** `losable`: part of a book or a tape, what a gap drops and a duplicate doubles. */
  push(symbol: string, losable: boolean, deliver: Deliver): void {
    if (this.muted) return;
    if (losable && this.#board.take("gap") !== null) return;
    const twice = losable && this.#board.take("duplicate") !== null;
    const act = twice
      ? () => {
          deliver();
          deliver();
        }
      : deliver;
    const waiting = this.#swapped;
    if (waiting !== null) {
      this.#swapped = null;
      if (waiting.symbol !== symbol) {
        this.#board.take("reorder_symbols");
        this.#out(act);
        this.#out(waiting.deliver);
        return;
      }
      // Within a symbol the venue keeps its order.
      this.#out(waiting.deliver);
    }
    if (this.#board.isArmed("reorder_symbols")) {
      this.#swapped = { symbol, deliver: act };
      return;
    }
    this.#out(act);
  }

  #out(deliver: Deliver): void {
    if (this.#held === null) deliver();
    else this.#held.push(deliver);
  }

  /** Holds messages back, in order, until `release`. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const deliver of held) deliver();
  }
}
