/** What reconciliation compares: our side, what a venue has said, and the cases that come of it. */

import type { Money, PxTicks, QtyLots } from "@tidegate/contracts";

export type Side = "BUY" | "SELL";

/** An open order, on either side. */
export interface OpenOrder {
  readonly clientOrderId: string;
  readonly side: Side;
  readonly pxTicks: PxTicks;
  readonly qtyLots: QtyLots;
  readonly cumLots: QtyLots;
}

/** One execution, on either side. `execId` is the venue's fill key of the instrument. */
export interface Execution {
  readonly execId: string;
  readonly clientOrderId: string | null;
  readonly venueOrderId: string;
  readonly side: Side;
  readonly pxTicks: PxTicks;
  readonly qtyLots: QtyLots;
  readonly fee: Money;
  readonly feeAsset: string;
  /** The venue's own time, ms since the Unix epoch. */
  readonly atMs: number;
}

/** From where on a list of executions is whole: by the venue's number, or by its time where it has no numbers. */
export type Mark =
  | { readonly by: "id"; readonly id: bigint }
  | { readonly by: "time"; readonly ms: number };

/** Whether an execution belongs in a list from there on. */
export const belongs = (
  mark: Mark,
  { execId, atMs }: Pick<Execution, "execId" | "atMs">,
): boolean => (mark.by === "id" ? BigInt(execId) >= mark.id : atMs >= mark.ms);

/** What of one asset is there, and what of it is held for open orders. */
export interface Balance {
  readonly total: Money;
  /** Null where the venue does not say. */
  readonly locked: Money | null;
  /** What the digits of the venue's own words may hide of the total; 0 where it is left out. */
  readonly slack?: Money;
}

/** What a venue said, and between which two moments of our clock it said it, ms. */
export type Look = { readonly askedMs: number; readonly answeredMs: number } & (
  | { readonly what: "orders"; readonly orders: readonly OpenOrder[] }
  /** Of these assets what is not named is nothing; null = of all of the account. */
  | {
      readonly what: "balances";
      readonly balances: ReadonlyMap<string, Balance>;
      readonly of: { readonly only: string } | { readonly but: string } | null;
    }
  /** Those assets alone that an event of the private stream names. */
  | { readonly what: "balance event"; readonly balances: ReadonlyMap<string, Balance> }
  /** Every execution from there on, oldest first. */
  | {
      readonly what: "executions";
      readonly from: Mark;
      readonly executions: readonly Execution[];
    }
  /** One execution as an event of the private stream has it. */
  | { readonly what: "execution event"; readonly execution: Execution }
  /** One order as an event of the private stream has it; `open` null = it has ended. */
  | {
      readonly what: "order event";
      readonly clientOrderId: string;
      readonly open: OpenOrder | null;
    }
);

/** Our side, as the gateway holds it. It is read here and never written. */
export interface OurSide {
  readonly orders: ReadonlyMap<string, OpenOrder>;
  execution(execId: string): Execution | undefined;
  /** Our executions from this one on. */
  executionsFrom(mark: Mark): Iterable<Execution>;
  readonly balances: ReadonlyMap<string, Balance>;
  /** What such open orders hold of each asset. */
  held(orders: Iterable<OpenOrder>): ReadonlyMap<string, bigint>;
  /** When our side last changed about a subject (an order, an execution, an asset), and the time before that, ms; 0 = never. */
  touchedMs(subject: string): readonly [last: number, before: number];
  /** Whether our total of an asset was this, up to the slack, at some time since. */
  stoodAt(asset: string, total: bigint, slack: bigint, sinceMs: number): boolean;
}

export const BREAK_KINDS = [
  "ORDER_UNKNOWN_HERE",
  "ORDER_GONE_THERE",
  "ORDER_TERMS",
  "EXECUTION_MISSING_HERE",
  "EXECUTION_UNKNOWN_THERE",
  "POSITION",
  "CASH",
] as const;
export type BreakKind = (typeof BREAK_KINDS)[number];

/** MINOR is told; MAJOR freezes its instrument; GRAVE asks for HALT too. */
export type Severity = "MINOR" | "MAJOR" | "GRAVE";

/** What was seen, in both sides' words. */
export interface Evidence {
  readonly atMs: number;
  /** "our own": our side has come to what the venue said before. */
  readonly source: Look["what"] | "our own" | "sign-off";
  readonly ours: string | null;
  readonly theirs: string | null;
}

export interface Case {
  readonly id: number;
  readonly kind: BreakKind;
  readonly subject: string;
  readonly severity: Severity;
  readonly instrumentId: number;
  readonly openedMs: number;
  /** Of EXECUTION_MISSING_HERE: what is missing. */
  readonly execution: Execution | null;
  /** The first, then the newest. */
  readonly evidence: readonly Evidence[];
  /** AGREED: a later look shows that both sides are the same again. Only SIGNED ends a case. */
  readonly state: "OPEN" | "AGREED" | "SIGNED";
  readonly signed: { readonly by: string; readonly why: string; readonly atMs: number } | null;
}

export type Effect =
  | { readonly kind: "open"; readonly case: Case }
  | { readonly kind: "agreed"; readonly case: Case }
  | { readonly kind: "reopened"; readonly case: Case }
  | { readonly kind: "freeze"; readonly instrumentId: number; readonly caseId: number }
  | { readonly kind: "thaw"; readonly instrumentId: number; readonly caseId: number }
  | { readonly kind: "halt"; readonly reason: string }
  /** An execution we lack, to be booked once, under this case. */
  | { readonly kind: "book"; readonly execution: Execution; readonly caseId: number }
  /** What should be asked for at once, as far as the budget goes. */
  | { readonly kind: "ask"; readonly what: "orders" | "executions" };

export interface ReconRules {
  readonly instrumentId: number;
  readonly baseAsset: string;
  readonly quoteAsset: string;
  /** How long our own word about a subject may be on its way here, ms. */
  readonly settleMs: number;
  /** A difference of cash up to this is MINOR. */
  readonly cashTolerance: Money;
  /** So many cases that are not signed make the next one GRAVE. */
  readonly graveCases: number;
}
