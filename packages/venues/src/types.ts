/** Where a venue is reached, without the path of a single method. */
export interface Endpoints {
  /** Path of the WS API. */
  readonly wsApiPath: string;
  /** Where live trading happens. */
  readonly live: { readonly rest: string; readonly wsApi: string; readonly stream: string };
}

/** What the order path may rely on; the router refuses what a capability forbids. */
export interface Capabilities {
  /** What a second NEW with the same client id does. `UNSAFE`: it may make a second order. */
  readonly resend: "ignored" | "rejected_as_duplicate" | "UNSAFE";
  readonly queryByClientId: boolean;
  readonly execReplayBySeq: boolean;
  readonly massCancel: "account" | "symbol" | "none";
  readonly cancelOnDisconnect: boolean;
  readonly cancelCountdown: boolean;
  readonly idReuseScope: "open_only" | "day" | "account";
  readonly amend: "none" | "replace" | "keep_priority";
  readonly reduceOnly: boolean;
}

export interface Limits {
  /** Request weight of one minute and IP. */
  readonly weightPerMinute: number;
  /** Orders of ten seconds and account. */
  readonly ordersPer10s: number;
  /** And of a minute; 0 where the venue has no such limit. */
  readonly ordersPerMinute: number;
  /** Life of one connection. */
  readonly connectionMsMax: number;
  readonly clientOrderId: RegExp;
}

/** What an error code says about the request it answers. */
export type ErrorMeaning =
  | "refused"
  | "unknown_outcome"
  | "not_found"
  | "duplicate"
  | "try_later"
  | "bad_request"
  | "bad_key";

/** What a request turned out to be, as far as its answer says. */
export type Reason =
  | "VENUE_REJECT"
  | "BUYING_POWER_EXCEEDED"
  | "SHORT_NOT_AVAILABLE"
  | "SELF_MATCH"
  | "PRICE_OFF_TICK"
  | "UNKNOWN_ORDER"
  | "VENUE_UNREACHABLE"
  | "RATE_BUDGET"
  | "OUTCOME_UNKNOWN"
  | "NEVER_SENT";
