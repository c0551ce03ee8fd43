/** Asks again where that can do no harm: what may have had an effect is asked once. */

import type { RestAnswer } from "./rest.ts";
import { NoAnswer } from "./rest.ts";

/** Waits before the second, third and fourth attempt, ms. */
export const BACKOFF_MS = [1_000, 2_000, 4_000] as const;
/** The venue's own wish to wait is followed up to here; beyond it the caller is told. */
export const WAIT_MS_MAX = 60_000;

export interface RetryOptions {
  /** The request changes nothing, so that it may be asked as often as one likes. */
  readonly safe: boolean;
  readonly sleep?: (ms: number) => Promise<void>;
}

/**
 * Whether what happened is worth another attempt.
 *
 * - Never sent, or refused for its rate: nothing was done, so any request may go again.
 * - No answer, or a fault of the venue's own: only what changes nothing.
 * - Anything else is an answer.
 */
export function mayRetry(happened: RestAnswer | NoAnswer, safe: boolean): boolean {
  if (happened instanceof NoAnswer) return safe || !happened.sent;
  if (happened.status === 429) return true;
  return safe && (happened.status >= 500 || happened.status === 408);
}

/** Runs `act` up to four times. The last answer is given back, and the last failure thrown. */
export async function retried(
  act: () => Promise<RestAnswer>,
  { safe, sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms)) }: RetryOptions,
): Promise<RestAnswer> {
  for (const backoffMs of BACKOFF_MS) {
    let happened: RestAnswer | NoAnswer;
    try {
      happened = await act();
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      happened = error;
    }
    const again = mayRetry(happened, safe);
    const told = happened instanceof NoAnswer ? null : happened.retryAfterS;
    const waitMs = Math.max(backoffMs, (told ?? 0) * 1_000);
    if (!again || waitMs > WAIT_MS_MAX) {
      if (happened instanceof NoAnswer) throw happened;
      return happened;
    }
    await sleep(waitMs);
  }
  return act();
}
