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

/** The venue's answer to a reason for which new terms are refused. */
export function amendRefusal(reason: string, market: "spot" | "usdm"): ApiFault {
  if (market === "usdm") {
    return reason === "UNKNOWN_ORDER"
      ? new ApiFault(400, -2013, "Order does not exist.")
      : refusal(reason, market);
  }
  switch (reason) {
    case "UNKNOWN_ORDER":
      return new ApiFault(400, -2038, "Unknown order sent.");
    case "QUANTITY_INCREASE":
      return new ApiFault(400, -2038, "Order amend (quantity increase) is not supported.");
    default:
      return refusal(reason, market);
  }
}

/** What may be answered to a new order by its code, as the venue's list of errors has it: status and words. */
export const REFUSALS = {
  // Nobody knows what became of it.
  [-1000]: [500, "An unknown error occurred while processing the request."],
  [-1001]: [500, "Internal error; unable to process your request. Please try again."],
  [-1006]: [
    500,
    "An unexpected response was received from the message bus. Execution status unknown.",
  ],
  [-1007]: [
    504,
    "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
  ],
  // Not now.
  [-1008]: [503, "Server is currently overloaded with other requests. Please try again."],
  [-1016]: [503, "This service is no longer available."],
  // Never.
  [-1013]: [400, "Filter failure: PERCENT_PRICE_BY_SIDE"],
  [-1014]: [400, "Unsupported order combination."],
  [-1020]: [400, "This operation is not supported."],
  [-1021]: [400, "Timestamp for this request is outside of the recvWindow."],
  [-1022]: [400, "Signature for this request is not valid."],
  [-1100]: [400, "Illegal characters found in a parameter."],
  [-1102]: [400, "A mandatory parameter was not sent, was empty/null, or malformed."],
  [-1111]: [400, "Parameter 'price' has too much precision."],
  [-1115]: [400, "Invalid timeInForce."],
  [-1116]: [400, "Invalid orderType."],
  [-1117]: [400, "Invalid side."],
  [-1121]: [400, "Invalid symbol."],
  [-2010]: [400, "This symbol is not permitted for this account."],
  [-2014]: [401, "API-key format invalid."],
  [-2015]: [401, "Invalid API-key, IP, or permissions for action."],
  [-2018]: [400, "Balance is insufficient."],
  [-2019]: [400, "Margin is insufficient."],
  [-2020]: [400, "Unable to fill."],
  [-2021]: [400, "Order would immediately trigger."],
  [-2022]: [400, "ReduceOnly Order is rejected."],
  [-2024]: [400, "Position is not sufficient."],
  [-2025]: [400, "Reach max open order limit."],
  [-2027]: [400, "Exceeded the maximum allowable position at current leverage."],
  [-4003]: [400, "Quantity less than zero."],
  [-4014]: [400, "Price not increased by tick size."],
  [-4061]: [400, "Order's position side does not match user's setting."],
  [-4131]: [400, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."],
  [-4164]: [400, "Order's notional must be no smaller than 5.0 (unless you choose reduce only)"],
  [-5021]: [
    400,
    "Due to the order could not be filled immediately, the FOK order has been rejected.",
  ],
} as const satisfies Readonly<Record<number, readonly [status: number, msg: string]>>;

/** The refusal of a code that was asked for; null where there is no such code. */
export function refusalOf(code: number): ApiFault | null {
  const row = (REFUSALS as Readonly<Record<number, readonly [number, string] | undefined>>)[code];
  return row === undefined ? null : new ApiFault(row[0], code, row[1]);
}
