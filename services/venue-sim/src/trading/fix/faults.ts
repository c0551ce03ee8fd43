/** What the venue refuses with: the standard's own codes, and words for each. */

/** OrdRejReason (103) of a new order, in the venue's words. 6, a duplicate, is told where there is one. */
export const REFUSALS = {
  0: "Broker option",
  1: "Unknown symbol",
  2: "Exchange closed",
  3: "Order exceeds limit",
  4: "Too late to enter",
  5: "Unknown order",
  7: "Duplicate of a verbally communicated order",
  8: "Stale order",
  9: "Trade along required",
  10: "Invalid investor ID",
  11: "Unsupported order characteristic",
  12: "Surveillance option",
  13: "Incorrect quantity",
  14: "Incorrect allocated quantity",
  15: "Unknown account(s)",
  99: "Other",
} as const satisfies Readonly<Record<number, string>>;
export type RefusalCode = keyof typeof REFUSALS;

export const DUPLICATE = 6;
export const UNKNOWN_ORDER = 5;

/** BusinessRejectReason (380) in the venue's words. */
export const BUSINESS = {
  0: "Other",
  1: "Unknown ID",
  2: "Unknown security",
  4: "Application not available",
  5: "Conditionally required field missing",
  6: "Not authorized",
} as const satisfies Readonly<Record<number, string>>;
export type BusinessCode = keyof typeof BUSINESS;

/** CxlRejReason (102). */
export const CANCEL_REFUSALS = { tooLate: 0, unknown: 1, option: 2, pending: 3 } as const;

/** OrdRejReason and words for a reason of the matching core. */
export function refusal(reason: string): readonly [code: number, words: string] {
  switch (reason) {
    case "QTY_OFF_LOT":
    case "QTY_ZERO_OR_NEG":
    case "OUT_OF_RANGE":
      return [13, REFUSALS[13]];
    case "INSUFFICIENT_BALANCE":
    case "NOTIONAL_OVERFLOW":
    case "OPEN_ORDERS_EXCEEDED":
      return [3, REFUSALS[3]];
    case "NO_BOOK":
    case "HALTED":
    case "WRONG_PHASE":
      return [2, REFUSALS[2]];
    case "MALFORMED":
      return [11, REFUSALS[11]];
    default:
      return [99, reason];
  }
}
