/** What the control API remembers: answers by key, first halves of two-person changes, rates. Pure; told the time. */

import { ANSWERS_KEPT_MAX, PENDING_MAX, PENDING_MS_MAX } from "./limits.ts";

export interface Kept {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Answers by principal and key: a repeated request gets its first answer and has no second effect. */
export class Answers {
  readonly #kept = new Map<string, { readonly content: string; answer: Kept | null }>();

  /** Null: new, and begun. Else its answer, or why there is none. */
  begin(key: string, content: string): Kept | "in flight" | "other" | null {
    const known = this.#kept.get(key);
    if (known !== undefined) {
      if (known.content !== content) return "other";
      return known.answer ?? "in flight";
    }
    if (this.#kept.size >= ANSWERS_KEPT_MAX) {
      // The oldest that has its answer; one in flight is never forgotten.
      for (const [each, { answer }] of this.#kept) {
        if (answer === null) continue;
        this.#kept.delete(each);
        break;
      }
    }
    this.#kept.set(key, { content, answer: null });
    return null;
  }

  /** Ends it. One that was not done for want of something passing may be tried again under its key. */
  end(key: string, answer: Kept): void {
    const known = this.#kept.get(key);
    if (answer.status === 503) this.#kept.delete(key);
    else if (known !== undefined) known.answer = answer;
  }
}

export type Met =
  | { readonly state: "met"; readonly by: string }
  | { readonly state: "waits" | "full"; readonly untilMs: number };

/** First halves. The same change by another principal meets its first half; by the same one it only waits anew. */
export class Pending {
  readonly #first = new Map<string, { readonly by: string; readonly untilMs: number }>();

  meet(content: string, by: string, nowMs: number): Met {
    for (const [each, { untilMs }] of this.#first) if (untilMs <= nowMs) this.#first.delete(each);
    const first = this.#first.get(content);
    if (first !== undefined && first.by !== by) {
      this.#first.delete(content);
      return { state: "met", by: first.by };
    }
    const untilMs = nowMs + PENDING_MS_MAX;
    if (first === undefined && this.#first.size >= PENDING_MAX) return { state: "full", untilMs };
    this.#first.set(content, { by, untilMs });
    return { state: "waits", untilMs };
  }
}

/** A bucket of one second's worth a name. Names come from the principals, so there are no more than of them. */
export class Rates {
  readonly #perS: number;
  readonly #left = new Map<string, { left: number; atMs: number }>();

  constructor(perS: number) {
    this.#perS = perS;
  }

  allow(name: string, nowMs: number): boolean {
    const bucket = this.#left.get(name) ?? { left: this.#perS, atMs: nowMs };
    const grown = bucket.left + (Math.max(0, nowMs - bucket.atMs) * this.#perS) / 1_000;
    bucket.left = Math.min(this.#perS, grown);
    bucket.atMs = nowMs;
    this.#left.set(name, bucket);
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }
}
