/** Errors of the venue's interface, in its own codes and words. */

/** One refused request: HTTP status, venue code, venue text. */
export class ApiFault extends Error {
  readonly status: number;
  readonly code: number;
  /** Seconds, for 429 and 418 only. */
  readonly retryAfterS: number;
  /** A scripted block, and no limit that was passed. */
  readonly scripted: boolean;
  constructor(status: number, code: number, msg: string, retryAfterS = 0, scripted = false) {
    super(msg);
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
    this.scripted = scripted;
  }
}

/** The venue's answer to a reason of the matching core. */
export function refusal(reason: string, market: "spot" | "usdm"): ApiFault {
  const rejected = (msg: string) => new ApiFault(400, -2010, msg);
  const filter = (name: string) => new ApiFault(400, -1013, `Filter failure: ${name}`);
  switch (reason) {
    case "PRICE_OFF_TICK":
    case "PRICE_ZERO_OR_NEG":
      return filter("PRICE_FILTER");
    case "QTY_OFF_LOT":
    case "QTY_ZERO_OR_NEG":
    case "OUT_OF_RANGE":
      return filter("LOT_SIZE");
    case "NOTIONAL_OVERFLOW":
      return filter("NOTIONAL");
    case "OPEN_ORDERS_EXCEEDED":
      return filter("MAX_NUM_ORDERS");
    case "DUPLICATE":
      return rejected("Duplicate order sent.");
    case "INSUFFICIENT_BALANCE":
      return rejected("Account has insufficient balance for requested action.");
    case "POST_ONLY_WOULD_TAKE":
      return market === "spot"
        ? rejected("Order would immediately match and take.")
        : new ApiFault(
            400,
            -5022,
            "Due to the order could not be executed as maker, the Post Only order will be rejected.",
          );
    case "REDUCE_ONLY":
      return new ApiFault(400, -2022, "ReduceOnly Order is rejected.");
    case "TRIGGERS_AT_ONCE":
      return market === "spot"
        ? rejected("Stop price would trigger immediately.")
        : new ApiFault(400, -2021, "Order would immediately trigger.");
    case "NO_BOOK":
    case "HALTED":
    case "WRONG_PHASE":
      return rejected("Market is closed.");
    case "UNKNOWN_ORDER":
      return new ApiFault(400, -2011, "Unknown order sent.");
    case "EVENTS_UNREAD":
      return new ApiFault(
        503,
        -1008,
        "Server is currently overloaded with other requests. Please try again.",
      );
    default:
      return new ApiFault(
        400,
        -1102,
        "A mandatory parameter was not sent, was empty/null, or malformed.",
      );
  }
}
