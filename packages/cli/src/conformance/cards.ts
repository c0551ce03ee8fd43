/** Cards: one thing a client does against our simulator, and what must come of it. */

import { type Check, check } from "../result.ts";

export interface Card {
  readonly name: string;
  run(): Promise<void>;
}

export interface Played {
  readonly name: string;
  /** Empty when the card held. */
  readonly fault: string;
  readonly ms: number;
}

/** A card that waits longer than this has failed. */
export const CARD_MS_MAX = 20_000;

export function expect(held: boolean, what: string): void {
  if (!held) throw new Error(what);
}

/** Waits for `read` to give something; it is asked every 10 ms. */
export async function until<T>(
  what: string,
  read: () => T | null | undefined | false,
  ms = 10_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const value = read();
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Plays the cards one after another; a card's fault does not stop the next. */
export async function play(cards: readonly Card[]): Promise<Played[]> {
  const played: Played[] = [];
  for (const { name, run } of cards) {
    const started = performance.now();
    let fault = "";
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("took too long")), CARD_MS_MAX);
      });
      await Promise.race([run(), late]);
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
    } finally {
      clearTimeout(timer);
    }
    played.push({ name, fault, ms: Math.round(performance.now() - started) });
  }
  return played;
}

/** The checks of one part: no card failed, and of at least so many. */
export function judged(
  part: string,
  cards: readonly { readonly fault: string }[],
  least: number,
): Check[] {
  const failed = cards.filter(({ fault }) => fault !== "").length;
  return [
    check(`failed.${part}`, failed, "=", 0, "cards"),
    check(`failed.${part}_of`, cards.length, ">=", least, "cards"),
  ];
}
