/**
 * Cancels everything an account has at a venue and goes on until the venue itself says that nothing is left.
 *
 * First the act, then the looking: the venue's own mass cancel of each symbol, then its list of open orders, again and
 * again; what a mass cancel leaves behind is cancelled by its id. An order is confirmed gone when the venue's list no
 * longer has it. The list must stay empty for as long as an order that was under way could still arrive.
 */

import type { RestAnswer, RestClient } from "./rest.ts";

/** How long the list must stay empty: validity of an order request and the bound of both clocks. */
export const QUIET_MS = 1_500;
/** Orders of one round that are cancelled by id, where the mass cancel left them. */
const BY_ID_MAX = 50;
/** First and longest wait between two rounds. */
const WAIT_MS_MIN = 20;
const WAIT_MS_MAX = 1_000;
/** What an answer's words are cut to. */
const TEXT_MAX = 200;

interface CancelQueries {
  readonly cancelAll: (rest: RestClient, symbol: string, stop?: AbortSignal) => Promise<RestAnswer>;
  readonly cancelOrder: (
    rest: RestClient,
    symbol: string,
    orderId: string,
    stop?: AbortSignal,
  ) => Promise<RestAnswer>;
  readonly openOrders: (
    rest: RestClient,
    symbol: string,
    stop?: AbortSignal,
  ) => Promise<RestAnswer>;
}

/** One venue as the mass cancel needs it. */
export interface MassCancelDesk {
  readonly name: string;
  readonly rest: RestClient;
  readonly queries: CancelQueries;
  readonly symbols: readonly string[];
}

export interface MassCancelReport {
  readonly venue: string;
  /** The venue says that nothing is open, and has said so for `QUIET_MS`. */
  readonly confirmed: boolean;
  /** Orders the venue still had when it was first asked, after the first mass cancel. */
  readonly left: readonly string[];
  /** Orders that were seen open and then no more. */
  readonly seenGone: number;
  readonly rounds: number;
  /** From the start to the first list that was empty; null when there was none. */
  readonly emptyAfterMs: number | null;
  /** The last thing that went wrong. */
  readonly fault: string | null;
}

export interface MassCancelOptions {
  /** Gives up then; the report says what is left. */
  readonly msMax: number;
  readonly quietMs?: number;
  readonly stop?: AbortSignal;
  readonly nowMs?: () => number;
  readonly sleep?: (ms: number) => Promise<void>;
}

const NOTHING_THERE = -2011;

const words = (answer: RestAnswer): string =>
  `status ${answer.status}: ${Buffer.from(answer.body.subarray(0, TEXT_MAX)).toString("utf8")}`;

/** The code of a venue's refusal; null where it has none. */
function codeOf(answer: RestAnswer): number | null {
  try {
    const { code } = JSON.parse(Buffer.from(answer.body).toString("utf8")) as { code?: unknown };
    return typeof code === "number" ? code : null;
  } catch {
    return null;
  }
}

/** Runs the mass cancel of one venue to its end. Never throws: what fails is tried again and stands in the report. */
export async function massCancel(
  desk: MassCancelDesk,
  options: MassCancelOptions,
): Promise<MassCancelReport> {
  const { msMax, quietMs = QUIET_MS, stop, nowMs = () => performance.now() } = options;
  const sleep =
    options.sleep ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));
  const started = nowMs();
  const seen = new Set<string>();
  let left: { readonly symbol: string; readonly orderId: string }[] = [];
  let fault: string | null = null;
  let rounds = 0;
  let emptySince: number | null = null;
  let emptyAfterMs: number | null = null;
  let waitMs = WAIT_MS_MIN;

  const tell = (confirmed: boolean): MassCancelReport => ({
    venue: desk.name,
    confirmed,
    left: left.map(({ orderId }) => orderId),
    seenGone: seen.size - left.length,
    rounds,
    emptyAfterMs,
    fault,
  });
  /** Waits as long as the venue wants; its word about rates outweighs our haste. */
  const pause = async (answers: readonly (RestAnswer | null)[]): Promise<void> => {
    const told = Math.max(0, ...answers.map((answer) => answer?.retryAfterS ?? 0)) * 1_000;
    await sleep(Math.max(told, waitMs));
    waitMs = Math.min(WAIT_MS_MAX, waitMs * 2);
  };
  const asked = async (act: () => Promise<RestAnswer>): Promise<RestAnswer | null> => {
    try {
      const answer = await act();
      const nothing = answer.status === 400 && codeOf(answer) === NOTHING_THERE;
      if (answer.status !== 200 && !nothing) fault = words(answer);
      return answer;
    } catch (error) {
      fault = (error as Error).message;
      return null;
    }
  };

  while (nowMs() - started < msMax && stop?.aborted !== true) {
    rounds += 1;
    const stubborn = left.slice(0, BY_ID_MAX);
    const acts = await Promise.all([
      ...desk.symbols.map((symbol) => asked(() => desk.queries.cancelAll(desk.rest, symbol, stop))),
      ...stubborn.map(({ symbol, orderId }) =>
        asked(() => desk.queries.cancelOrder(desk.rest, symbol, orderId, stop)),
      ),
    ]);
    const lists = await Promise.all(
      desk.symbols.map(async (symbol) => {
        const answer = await asked(() => desk.queries.openOrders(desk.rest, symbol, stop));
        return { symbol, answer, orders: answer === null ? null : idsOf(answer) };
      }),
    );
    if (lists.some(({ orders }) => orders === null)) {
      // Nobody knows what is left: as good as not cancelled.
      emptySince = null;
      await pause([...acts, ...lists.map(({ answer }) => answer)]);
      continue;
    }
    left = lists.flatMap(({ symbol, orders }) =>
      (orders ?? []).map((orderId) => ({ symbol, orderId })),
    );
    for (const { symbol, orderId } of left) seen.add(`${symbol} ${orderId}`);
    if (left.length > 0) {
      emptySince = null;
      await pause(acts);
      continue;
    }
    const now = nowMs();
    emptySince ??= now;
    emptyAfterMs ??= now - started;
    waitMs = WAIT_MS_MIN;
    if (now - emptySince >= quietMs) return tell(true);
    // Looking costs weight: a few looks over the quiet time are enough.
    await sleep(Math.min(quietMs / 3, quietMs - (now - emptySince)) + 1);
  }
  return tell(false);
}

/** Longest go of one mass cancel of a sweep; while the sweep goes on, the next one follows. */
export const SWEEP_MS_MAX = 60_000;
/** Between two goes of a sweep: what nobody should have sent meanwhile is cancelled too. */
export const SWEEP_EVERY_MS = 5_000;

/**
 * Keeps every desk empty until it is stopped: a mass cancel of all of them at once, its report, and after a while again.
 * One that is not confirmed is followed by the next without a wait.
 */
export async function sweep(
  desks: readonly MassCancelDesk[],
  stop: AbortSignal,
  onReport: (confirmed: boolean, reports: readonly MassCancelReport[]) => Promise<void> | void,
): Promise<void> {
  while (!stop.aborted) {
    const goes = desks.map((desk) => massCancel(desk, { msMax: SWEEP_MS_MAX, stop }));
    const reports = await Promise.all(goes);
    if (stop.aborted) return;
    const confirmed = reports.every((report) => report.confirmed);
    await onReport(confirmed, reports);
    if (confirmed) await pauseOf(SWEEP_EVERY_MS, stop);
  }
}

function pauseOf(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener("abort", end, { once: true });
  });
}

/** Ids of the venue's list; null when it is no list. Ids are beyond what a number holds exactly at some venues. */
function idsOf(answer: RestAnswer): string[] | null {
  if (answer.status !== 200) return null;
  try {
    const text = Buffer.from(answer.body).toString("utf8");
    const rows: unknown = JSON.parse(text.replaceAll(/"orderId"\s*:\s*(\d+)/g, '"orderId":"$1"'));
    if (!Array.isArray(rows)) return null;
    return rows.map((row: { orderId?: unknown }) => {
      if (typeof row.orderId !== "string") throw new TypeError("a row without an orderId");
      return row.orderId;
    });
  } catch {
    return null;
  }
}
