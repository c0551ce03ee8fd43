/** Errors of the daemon: an HTTP status and words, for it has no codes of its own. */

/** One refused request. */
export class ApiFault extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }

  body(): string {
    return JSON.stringify({ code: this.status, message: this.message, details: null });
  }
}

/** What the next order can be refused with: an HTTP status, or 200 for an order that has failed. */
export const REFUSALS = {
  200: "Account not acceptable",
  400: "Bad request",
  401: "Unauthorized",
  404: "Contract not found",
  422: "Unprocessable entity",
} as const satisfies Readonly<Record<number, string>>;
export type RefusalStatus = keyof typeof REFUSALS;

/** op_code of an operation that was done, and of one that was not. */
export const DONE = "00";
export const NOT_DONE = "99";

/** Words for a reason of the matching core. */
export function words(reason: string): string {
  switch (reason) {
    case "INSUFFICIENT_BALANCE":
      return "Insufficient funds or holdings";
    case "QTY_ZERO_OR_NEG":
    case "QTY_OFF_LOT":
    case "OUT_OF_RANGE":
      return "Quantity is out of range";
    case "PRICE_ZERO_OR_NEG":
    case "PRICE_OFF_TICK":
      return "Price is not on a tick";
    case "NO_BOOK":
    case "HALTED":
    case "WRONG_PHASE":
      return "Market is not open";
    default:
      return reason;
  }
}
