/** How often a venue is asked, as its budget allows, and within which time a difference is therefore found. Pure. */

/** What one question costs. */
export interface Weights {
  readonly orders: number;
  readonly balances: number;
  readonly executions: number;
}
/** Time between two questions of the same, ms. */
export type Periods = Readonly<Record<keyof Weights, number>>;

const MINUTE_MS = 60_000;
/** As often as anybody wants to know; less often where the budget does not allow it. */
const WANTED: Periods = { orders: 1_000, balances: 4_200, executions: 60_000 };
/** Of the slice, in percent: the rest is for questions that something gives rise to. */
const PLANNED_PERCENT = 85;
/** And of what is planned: orders have what balances and executions leave, and at least this. */
const ORDERS_PERCENT_MIN = 25;
/** Longest wait for an answer that a bound allows for. */
const ANSWER_MS = 350;

/**
 * The periods of one account within `slice`, its weight a minute.
 *
 * Source  the trading rules' cadence: orders each second, positions each five, executions each minute, all within a tenth of
 *         the venue's budget
 */
export function periodsOf(slice: number, weights: Weights): Periods {
  const planned = (slice * PLANNED_PERCENT) / 100;
  const perMinute = (what: keyof Weights, ms: number) => (MINUTE_MS / ms) * weights[what];
  const executions = Math.max(
    WANTED.executions,
    (MINUTE_MS * weights.executions) / Math.max(1, planned / 4),
  );
  const others = planned - perMinute("executions", executions);
  const forBalances = Math.max(1, (others * (100 - ORDERS_PERCENT_MIN)) / 100);
  const balances = Math.max(WANTED.balances, (MINUTE_MS * weights.balances) / forBalances);
  const forOrders = Math.max(1, others - perMinute("balances", balances));
  const orders = Math.max(WANTED.orders, (MINUTE_MS * weights.orders) / forOrders);
  return {
    orders: Math.ceil(orders),
    balances: Math.ceil(balances),
    executions: Math.ceil(executions),
  };
}

/** Within what time a difference is a case, ms: found by asking, whatever the private stream leaves out. */
export function boundsOf(periods: Periods, settleMs: number) {
  return {
    ordersMs: periods.orders + settleMs + ANSWER_MS,
    positionsMs: periods.balances + settleMs + ANSWER_MS,
  } as const;
}
