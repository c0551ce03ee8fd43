/** How often a venue is asked, as its budget allows, and within which time a difference is therefore found. Pure. */

/** What is asked. Where a venue's balances hold the cash too, it has no question of its own. */
export const ASKS = ["orders", "balances", "executions", "cash"] as const;
export type Ask = (typeof ASKS)[number];
/** What one question costs; 0 = the venue has no such question. */
export type Weights = Readonly<Record<Ask, number>>;
/** Time between two questions of the same, ms. */
export type Periods = Readonly<Record<Ask, number>>;

const MINUTE_MS = 60_000;
/** As often as anybody wants to know; less often where the budget does not allow it. */
export const WANTED: Periods = {
  ...{ orders: 1_000, balances: 4_200, executions: 60_000, cash: 60_000 },
};
/** Of the slice, in percent: kept for the list of orders that something gives rise to, and no more than so many of them. */
const CONFIRM_PERCENT = 20;
export const CONFIRMS_MAX = 20;
/** And of what is planned: orders have what the others leave, and at least this. */
const ORDERS_PERCENT_MIN = 25;
/** Longest wait for an answer that a bound allows for. The venue may count a question at its start or at its end. */
const ANSWER_MS = 350;

/** What a venue takes for its answers, and how often they are worth it. */
export interface Cost {
  readonly weights: Weights;
  readonly wanted: Periods;
  /** Whether what the venue holds for open orders gives rise to their list. */
  readonly tellsHeld: boolean;
}

/** Lists of orders a minute that are asked for at once, whenever something gives rise to it. */
export function confirmsOf(slice: number, { weights, tellsHeld }: Cost): number {
  const most = Math.floor((slice * CONFIRM_PERCENT) / 100 / weights.orders);
  return tellsHeld ? Math.min(CONFIRMS_MAX, most) : 0;
}

/**
 * The periods of one account within `slice`, its weight a minute. What is planned fits in any minute beside the room that is
 * kept to confirm: neither can make the other late.
 *
 * Source  the trading rules' cadence: orders each second, positions each five, executions and cash each minute, all within a
 *         tenth of the venue's budget
 */
export function periodsOf(slice: number, cost: Cost): Periods {
  const { weights, wanted } = cost;
  const planned = slice - confirmsOf(slice, cost) * weights.orders;
  const [span, slow] = [MINUTE_MS + ANSWER_MS, ["executions", "cash"] as const];
  // A second one within the span waits until the first has left it.
  const slowest = (what: "executions" | "cash") =>
    Math.max(wanted[what], (MINUTE_MS * weights[what]) / Math.max(1, planned / 4));
  const [executions, cash] = [slowest("executions"), slowest("cash")];
  const periods = { executions, cash };
  const others = slow.reduce(
    (left, what) => left - (MINUTE_MS / periods[what]) * weights[what],
    planned,
  );
  /** So many fit in any span, or the share of one. */
  const fitting = (weight: number, room: number): number => {
    const count = Math.max(1, room) / Math.max(1, weight);
    return span / (count >= 1 ? Math.floor(count) : count);
  };
  const most = (others * (100 - ORDERS_PERCENT_MIN)) / 100;
  const balances = Math.max(wanted.balances, fitting(weights.balances, most));
  const forBalances =
    (span > balances ? Math.ceil(span / balances) : span / balances) * weights.balances;
  const orders = Math.max(wanted.orders, fitting(weights.orders, others - forBalances));
  return {
    ...{ orders: Math.ceil(orders), balances: Math.ceil(balances) },
    ...{ executions: Math.ceil(executions), cash: Math.ceil(cash) },
  };
}

/** Within what time a difference is a case, ms: found by asking, whatever the private stream leaves out. */
export function boundsOf(periods: Periods, settleMs: number, weights: Weights) {
  const bound = (what: Ask) => periods[what] + settleMs + ANSWER_MS;
  return {
    ordersMs: bound("orders"),
    positionsMs: bound("balances"),
    executionsMs: bound("executions"),
    cashMs: bound(weights.cash === 0 ? "balances" : "cash"),
  } as const;
}
