/**
 * The two views a strategy worker shares with the native lane: a batch of events in, one intent out.
 * Everything is a double holding an integer of at most 2^53-1 in magnitude. The same table stands in
 * `crates/engine/src/strategy/layout.rs`; a test holds both equal.
 */

/** Doubles of one event. */
export const EVENT_DOUBLES = 64;
/** Events of one batch. */
export const EVENTS_MAX = 64;
/** Doubles of the outgoing intent. */
export const INTENT_DOUBLES = 32;
/** Features one BookTop event carries at most. */
export const FEATURES_MAX = 48;

/** What an event is: double 0. */
export const EventKind = {
  BOOK_TOP: 1,
  TRADE: 2,
  STATUS: 3,
  INTENT_REPLY: 4,
  ORDER_UPDATE: 5,
  FILL: 6,
  POLICY: 7,
  POSITION: 8,
  GAP: 9,
  LINK: 10,
  STREAM_RESTART: 11,
} as const;

/** Places shared by all kinds. */
export const Event = { KIND: 0, INSTRUMENT: 1, NOW_NS: 2, SEQ: 3 } as const;
export const BookTopAt = {
  BID_PX: 4,
  BID_QTY: 5,
  ASK_PX: 6,
  ASK_QTY: 7,
  STATE: 8,
  FEATURE_FLAGS: 9,
  FEATURE_COUNT: 10,
  FEATURE_SET_HASH: 11,
  FEATURES: 16,
} as const;
export const TradeAt = { PX: 4, QTY: 5, AGGRESSOR: 6, TRADE_ID: 7, LATE: 8 } as const;
export const StatusAt = { STATE: 4 } as const;
export const IntentReplyAt = { SEQ: 4, EPOCH: 5, DECISION: 6, REASON: 7, REPEATED: 8 } as const;
export const OrderUpdateAt = {
  SEQ: 4,
  EPOCH: 5,
  STATE: 6,
  SIDE: 7,
  PX: 8,
  QTY: 9,
  CUM_QTY: 10,
  LEAVES_QTY: 11,
  REASON: 12,
  SNAPSHOT: 13,
} as const;
export const FillAt = {
  SEQ: 4,
  EPOCH: 5,
  SIDE: 6,
  PX: 7,
  QTY: 8,
  MAKER: 9,
  POSITION_LOTS: 10,
  FEE_E8: 11,
} as const;
export const PolicyAt = { POLICY: 4, CAUSE: 5 } as const;
export const PositionAt = { POSITION_LOTS: 4, SNAPSHOT: 5 } as const;
/** Missing sequences of one stream, both ends included. TOPIC_KIND is the EventKind the topic carries. */
export const GapAt = { FIRST: 4, LAST: 5, TOPIC_KIND: 6 } as const;
/** STATE: 0 connecting, 1 synced, 2 gap, 3 stale. */
export const LinkAt = { STATE: 4 } as const;

export const IntentKind = { NEW: 1, CANCEL: 2 } as const;
/** The outgoing intent. EVENT_INDEX is the place in the batch of the event that caused it, -1 for none. */
export const IntentAt = {
  KIND: 0,
  INSTRUMENT: 1,
  ACCOUNT: 2,
  SIDE: 3,
  ORDER_TYPE: 4,
  TIF: 5,
  PX: 6,
  QTY: 7,
  SEQ: 8,
  TARGET_SEQ: 9,
  TARGET_EPOCH: 10,
  TTL_NS: 11,
  EVENT_INDEX: 12,
} as const;

/** What strategySubmit() answers. */
export const Submit = { OK: 0, NO_CREDIT: 1, NOT_SYNCED: 2, MALFORMED: 3 } as const;

/** Configuration of strategyOpen(), as JSON. */
export interface StrategyLaneConfig {
  readonly strategyId: number;
  /** Durable, higher at each start; part of every intent id. */
  readonly sessionEpoch: number;
  readonly accountId: number;
  readonly instrumentTableVersion: number;
  /** "ipc://s/md.sock" */
  readonly mdUrl: string;
  /** "ipc://s/intent.sock" */
  readonly intentUrl: string;
  /** Of the other gateway of a pair. */
  readonly standbyIntentUrl?: string;
  /** Topic prefixes, e.g. "md.2.2.top." */
  readonly topics: readonly string[];
}
