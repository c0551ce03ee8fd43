import { type Reason, reasons } from "./messages.ts";

/** What one reason code means. Its number and name are the proto's. */
export interface ReasonRow {
  readonly reason: Reason;
  readonly number: number;
  readonly meaning: string;
}

/** Complete by type: a reason added to the proto does not compile before it has its words. */
const MEANINGS: Readonly<Record<Reason, string>> = {
  OK: "accepted",
  MALFORMED: "the message broke a rule of the contract",
  UNKNOWN_INSTRUMENT: "no such row in the instrument table",
  PRICE_OFF_TICK: "the price lies between two ticks",
  QTY_OFF_LOT: "the size lies between two lots, or outside the instrument's order sizes",
  PRICE_ZERO_OR_NEG: "the price is not above 0",
  QTY_ZERO_OR_NEG: "the size is not above 0",
  UNAUTHORISED_PRINCIPAL: "the sender may not do this for that strategy or account",
  UNKNOWN_ORDER: "a cancel names an order the gateway does not hold",
  INSTRUMENT_TABLE_VERSION: "the sender used another version of the instrument table",
  DUPLICATE_IN_FLIGHT: "the same intent is being decided",
  ID_REUSED: "the intent id was used for another intent",
  TTL_EXPIRED: "the intent outlived the time it was given",
  SESSION_CLOSED: "the market or the strategy's session is closed",
  STARTUP_HOLDOFF: "the gateway has just started and is not ready to take risk",
  NOT_LEADER: "this gateway does not lead",
  KILLED: "the kill switch is latched",
  HALT: "trading is halted; cancels pass",
  STORM_NEW_BLOCKED: "StormGuard blocks new orders",
  DEGRADED: "the gateway is degraded and takes no new risk of this kind",
  REDUCE_ONLY: "only orders that reduce a position pass",
  STRATEGY_QUARANTINED: "the strategy is set aside after faults",
  SYMBOL_FROZEN: "the instrument waits for an unknown outcome or a person",
  PRICE_EXCEEDS_CAP: "the price is beyond the absolute cap",
  PRICE_OUTSIDE_COLLAR: "the price is too far from the reference",
  NO_REFERENCE_PRICE: "there is no fresh reference price to check against",
  MAX_QTY_EXCEEDED: "the size is above the limit of one order",
  MAX_NOTIONAL_EXCEEDED: "the value is above the limit of one order",
  POSITION_LIMIT_EXCEEDED: "the position could pass its limit",
  MESSAGE_RATE: "too many messages in the window",
  OPEN_ORDERS_EXCEEDED: "too many open orders",
  SELF_MATCH: "it could trade with an own order",
  OVERFLOW: "an amount does not fit its type",
  EXPOSURE_GLOBAL_LIMIT: "the exposure of all could pass its limit",
  EXPOSURE_ACCOUNT_LIMIT: "the exposure of the account could pass its limit",
  EXPOSURE_STRATEGY_LIMIT: "the exposure of the strategy could pass its limit",
  EXPOSURE_SYMBOL_LIMIT: "the exposure of the instrument could pass its limit",
  EXPOSURE_CARDINALITY: "too many instruments or strategies hold exposure",
  JOURNAL_UNAVAILABLE: "the decision cannot be made durable",
  ROUTER_BACKPRESSURE: "the router takes no more commands now",
  FENCED: "another gateway epoch or holder leads",
  VENUE_REJECT: "the venue refused it",
  VENUE_UNREACHABLE: "no order session to the venue",
  RATE_BUDGET: "the venue's rate budget is used up",
  OUTCOME_UNKNOWN: "sent, and the venue has not said what became of it",
  NEVER_SENT: "the router proved that no byte left",
  VENUE_NOT_FOUND: "the venue does not know the order",
  BREAKER_OPEN: "the venue's circuit breaker is open",
};

/** Every reason by rising number. */
export const REASONS: readonly ReasonRow[] = reasons.names
  .map((reason) => ({
    reason,
    number: reasons.toNumber.get(reason) ?? 0,
    meaning: MEANINGS[reason],
  }))
  .sort((left, right) => left.number - right.number);

/** The name of a reason number, null for one this version does not know. */
export function reasonName(number: number): Reason | null {
  return reasons.toName.get(number) ?? null;
}
