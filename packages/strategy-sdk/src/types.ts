/** What a strategy sees. Prices are integer ticks, sizes integer lots, times ns since the session's start. */

import type { z } from "zod";

export const Side = { BUY: 1, SELL: 2 } as const;
export type Side = (typeof Side)[keyof typeof Side];

export const Tif = { GTC: 1, IOC: 2, FOK: 3, POST_ONLY: 4 } as const;
export type Tif = (typeof Tif)[keyof typeof Tif];

export const OrderType = { LIMIT: 1, MARKET: 2 } as const;
export type OrderType = (typeof OrderType)[keyof typeof OrderType];

export const BookState = { SYNCING: 1, VALID: 2, INVALID: 3, STALE: 4 } as const;

export const OrderState = {
  PENDING_NEW: 1,
  LIVE: 2,
  PARTIAL: 3,
  FILLED: 4,
  PENDING_CANCEL: 5,
  CANCELLED: 6,
  REJECTED: 7,
  EXPIRED: 8,
  UNKNOWN: 9,
  UNKNOWN_CANCEL: 10,
  QUARANTINE: 11,
  DEAD: 12,
} as const;
export type OrderState = (typeof OrderState)[keyof typeof OrderState];

export const Policy = { NORMAL: 1, DEGRADE: 2, HALT: 3, KILLED: 4 } as const;

/** Whether an order can no longer change, late fills aside. */
export function isTerminal(state: number): boolean {
  return (
    state === OrderState.FILLED ||
    state === OrderState.CANCELLED ||
    state === OrderState.REJECTED ||
    state === OrderState.EXPIRED ||
    state === OrderState.DEAD
  );
}

/** One instrument the strategy was given. */
export interface InstrumentInfo {
  readonly id: number;
  readonly venueId: number;
  readonly symbol: string;
  readonly kind: "spot" | "perp";
}

/** A handle of one order: positive, unique in the session. 0 stands for none. */
export type OrderRef = number;

// Event objects are reused: read them inside the handler, keep numbers, not the object.

export interface BookTop {
  readonly instrument: number;
  readonly bidPxTicks: number;
  readonly bidQtyLots: number;
  readonly askPxTicks: number;
  readonly askQtyLots: number;
  /** Whether the book may be priced from; a gap, a stale feed or a resync makes it false. */
  readonly valid: boolean;
  /** One of BookState. */
  readonly state: number;
  readonly featureFlags: number;
  readonly nowNs: number;
}
export interface TradeEvent {
  readonly instrument: number;
  readonly pxTicks: number;
  readonly qtyLots: number;
  readonly aggressor: number;
  readonly tradeId: number;
  readonly nowNs: number;
}
export interface FillEvent {
  /** 0 when the order is of an earlier session. */
  readonly order: OrderRef;
  readonly instrument: number;
  readonly side: number;
  readonly pxTicks: number;
  readonly qtyLots: number;
  readonly maker: boolean;
  /** Of this strategy in this instrument, after the fill. */
  readonly positionLots: number;
  readonly feeE8: number;
  readonly nowNs: number;
}
export interface OrderEvent {
  readonly order: OrderRef;
  readonly instrument: number;
  readonly side: number;
  /** One of OrderState. */
  readonly state: number;
  readonly pxTicks: number;
  readonly qtyLots: number;
  readonly cumQtyLots: number;
  readonly leavesQtyLots: number;
  readonly reason: number;
  readonly terminal: boolean;
  readonly nowNs: number;
}
export interface GapEvent {
  readonly instrument: number;
  /** Missing sequences, both included; 0 and 0 when the stream started again. */
  readonly first: number;
  readonly last: number;
  readonly restart: boolean;
  readonly nowNs: number;
}
export interface TimerEvent {
  readonly nowNs: number;
}
export interface RiskFeedback {
  /** What was refused; 0 for a change of the gateway's policy. */
  readonly order: OrderRef;
  /** The refused intent was a cancel. */
  readonly cancel: boolean;
  /** A reason of proto `tidegate.orders.v1.Reason`. */
  readonly reason: number;
  /** One of Policy, as last known; 0 before the first. */
  readonly policy: number;
  readonly nowNs: number;
}
export interface SessionEvent {
  /** READY: orders can be sent. NOT_READY: they cannot (link lost, leftovers of an earlier session being cancelled). */
  readonly kind: "START" | "READY" | "NOT_READY" | "STOP";
  readonly nowNs: number;
}

/** Why the last buy, sell or cancel gave 0 or false. */
export type Refusal =
  | "NONE"
  | "BAD_ARGUMENT"
  | "NOT_READY"
  | "HALTED"
  /** No features of the declared set have come, or features of another. */
  | "FEATURE_SET"
  | "INTENT_BUDGET"
  | "PENDING_FULL"
  | "NO_CREDIT"
  | "NOT_SYNCED"
  | "MALFORMED"
  | "NOT_LIVE";

export interface OrderOptions {
  readonly tif?: Tif;
  readonly type?: OrderType;
  /** Life left when it leaves, ns; 0 or absent: no limit. */
  readonly ttlNs?: number;
}

export interface OrderView {
  readonly ref: OrderRef;
  readonly instrument: number;
  readonly side: number;
  readonly pxTicks: number;
  readonly qtyLots: number;
  readonly leavesLots: number;
  readonly state: number;
  readonly cancelling: boolean;
}

export interface Context<P = unknown, S = unknown> {
  readonly params: P;
  readonly instruments: readonly InstrumentInfo[];
  /** The strategy's own memory. Plain data: numbers, texts, arrays, objects. */
  readonly state: S;
  /** ns since the session's start: the time of the event being handled. */
  now(): number;
  /** In [0, 1), from the session's seed: the same session gives the same numbers. */
  random(): number;
  /** Sends a buy; its handle, or 0 with `refusal()` saying why. The answer comes as onOrder or onRiskFeedback. */
  buy(instrument: number, pxTicks: number, qtyLots: number, options?: OrderOptions): OrderRef;
  sell(instrument: number, pxTicks: number, qtyLots: number, options?: OrderOptions): OrderRef;
  /** Asks to cancel; false with `refusal()` when it was not sent. */
  cancel(order: OrderRef): boolean;
  refusal(): Refusal;
  /** One of our open orders, undefined once it is terminal. A reused object. */
  order(order: OrderRef): OrderView | undefined;
  /** Lots, signed, as the gateway last said. */
  position(instrument: number): number;
  /** A feature of the last book event by its place in the feature set, a scaled integer; undefined when there is none. */
  feature(instrument: number, index: number): number | undefined;
  /** Whether new orders can be sent now. */
  ready(): boolean;
}

export interface StrategyDefinition<P = unknown, S = unknown> {
  /** Lower-case letters, digits and dashes. */
  readonly id: string;
  readonly params: z.ZodType<P>;
  /** Parameters that stay as they were at the start: a reload that changes one is refused. Name what the state was made of. */
  readonly fixedParams?: readonly (keyof P & string)[];
  /**
   * The feature set it reads: `lob_shared_v3`, `lob_shared_v3@808661320` or `808661320`. It is not started where there is no
   * such set, may not quote before features of it have come, and is stopped for good when features of another come.
   */
  readonly featureSet?: string;
  /** Period of onTimer, ms, at least 1. */
  readonly timerMs?: number;
  /**
   * Set it, and raise it when the state's meaning changes, and the state outlives the process: it is written down a few times
   * a second and given back at the next start. Times in it are of the session it was written in.
   */
  readonly stateVersion?: number;
  /** Makes the first state. */
  readonly state?: (params: P) => S;
  onBookTop?(ctx: Context<P, S>, top: BookTop): void;
  onTrade?(ctx: Context<P, S>, trade: TradeEvent): void;
  onTimer?(ctx: Context<P, S>, timer: TimerEvent): void;
  onFill?(ctx: Context<P, S>, fill: FillEvent): void;
  onOrder?(ctx: Context<P, S>, order: OrderEvent): void;
  onGap?(ctx: Context<P, S>, gap: GapEvent): void;
  onRiskFeedback?(ctx: Context<P, S>, feedback: RiskFeedback): void;
  onSession?(ctx: Context<P, S>, session: SessionEvent): void;
  /** New parameters hold from here on, between two events; `was` are those before. Orders that rest are as they were. */
  onParams?(ctx: Context<P, S>, was: P): void;
}

/** A definition whose types are no longer known: what a runner loads from a file. */
// biome-ignore lint/suspicious/noExplicitAny: a loaded file's params and state types exist only inside that file
export type AnyStrategy = StrategyDefinition<any, any>;
