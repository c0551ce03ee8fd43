/** What a venue's books really were, update by update: what a drill holds published books against. */

import { TRUTH_ENTRIES_MAX, TRUTH_LEVELS, TRUTH_PAGE_MAX } from "./limits.ts";
import type { FeedVenue } from "./switches.ts";

/** Price and size as the venue prints them. */
export type TextLevel = readonly [px: string, qty: string];

export interface TruthEntry {
  /** Rises by one over all venues. */
  readonly n: number;
  readonly venue: FeedVenue;
  readonly symbol: string;
  /** `touch` knows the best level of each side alone. */
  readonly kind: "touch" | "book";
  /** The venue's update id, or its time in ns where it has no ids. */
  readonly key: string;
  /** Best first; a side may be empty. */
  readonly bids: readonly TextLevel[];
  readonly asks: readonly TextLevel[];
}

export class TruthLog {
  readonly #entries: TruthEntry[] = [];
  #first = 0;
  #next = 0;

  add(entry: Omit<TruthEntry, "n">): void {
    this.#entries.push({
      ...entry,
      n: this.#next,
      bids: entry.bids.slice(0, TRUTH_LEVELS),
      asks: entry.asks.slice(0, TRUTH_LEVELS),
    });
    this.#next += 1;
    // Forgotten in pieces, so that a push stays cheap.
    if (this.#entries.length >= TRUTH_ENTRIES_MAX * 1.25) {
      const cut = this.#entries.length - TRUTH_ENTRIES_MAX;
      this.#entries.splice(0, cut);
      this.#first += cut;
    }
  }

  get next(): number {
    return this.#next;
  }

  /** Entries from `from` on, at most a page; `forgotten` of those asked for are no longer kept. */
  page(from: number): { readonly entries: readonly TruthEntry[]; readonly forgotten: number } {
    const start = Math.max(from, this.#first);
    const at = start - this.#first;
    return { entries: this.#entries.slice(at, at + TRUTH_PAGE_MAX), forgotten: start - from };
  }
}
