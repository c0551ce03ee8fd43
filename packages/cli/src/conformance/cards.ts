/** Cards: one thing a client does against our simulator, and what must come of it. */

import { type Check, check } from "../result.ts";

export interface Card {
  readonly name: string;
  /** How long it may take, where `CARD_MS_MAX` is not enough. */
  readonly msMax?: number;
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

/** Both alike, as JSON has them; a bigint counts as its digits. */
export function same(got: unknown, want: unknown, what: string): void {
  const text = (value: unknown) =>
    JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? `${each}` : each));
  expect(text(got) === text(want), `${what}: got ${text(got)}, want ${text(want)}`);
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

/** Plays the cards, `lanes` of them at once; a card's fault does not stop the next. Their order stays. */
export async function play(cards: readonly Card[], lanes = 1): Promise<Played[]> {
  const played: Played[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < cards.length) {
      const at = next;
      next += 1;
      played[at] = await playOne(cards[at] as Card);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return played;
}

async function playOne({ name, msMax = CARD_MS_MAX, run }: Card): Promise<Played> {
  const started = performance.now();
  let fault = "";
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("took too long")), msMax);
    });
    await Promise.race([run(), late]);
  } catch (error) {
    fault = error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
  return { name, fault, ms: Math.round(performance.now() - started) };
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
