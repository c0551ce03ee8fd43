/** Errors of the venue's interface, in its own codes and words: a code is the HTTP status times 10^5 and a number. */

/** One refused request. */
export class ApiFault extends Error {
  readonly status: number;
  readonly code: number;
  /** What the venue says beside code and message. */
  readonly extras: Readonly<Record<string, unknown>>;
  constructor(
    status: number,
    code: number,
    message: string,
    extras: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.extras = extras;
  }

  body(): string {
    // A key that is not known at all gets a text and no code.
    const code = this.code === 0 ? {} : { code: this.code };
    return JSON.stringify({ ...code, message: this.message, ...this.extras });
  }
}

export const malformed = (): ApiFault =>
  new ApiFault(400, 40_010_000, "request body format is invalid");
export const invalid = (message: string): ApiFault => new ApiFault(422, 40_010_001, message);
export const unprocessable = (message: string): ApiFault => new ApiFault(422, 42_210_000, message);
export const forbidden = (
  message: string,
  extras: Readonly<Record<string, unknown>> = {},
): ApiFault => new ApiFault(403, 40_310_000, message, extras);
export const notFound = (message: string): ApiFault => new ApiFault(404, 40_410_000, message);
export const dayTrader = (): ApiFault =>
  new ApiFault(403, 40_310_100, "trade denied due to pattern day trading protection");
export const tooMany = (): ApiFault => new ApiFault(429, 42_910_000, "rate limit exceeded");
export const internal = (): ApiFault => new ApiFault(500, 50_010_000, "internal server error");

/** The venue's answer to a reason of the matching core that its own checks did not foresee. */
export function refusal(reason: string): ApiFault {
  switch (reason) {
    case "TRIGGERS_AT_ONCE":
      return unprocessable("stop price must be beyond the current market price");
    case "OPEN_ORDERS_EXCEEDED":
      return forbidden("too many open orders");
    case "INSUFFICIENT_BALANCE":
      return forbidden("insufficient qty available for order");
    case "NO_BOOK":
    case "HALTED":
    case "WRONG_PHASE":
      return unprocessable("trading is halted for this symbol");
    case "EVENTS_UNREAD":
      return internal();
    default:
      return unprocessable("order parameters are invalid");
  }
}
