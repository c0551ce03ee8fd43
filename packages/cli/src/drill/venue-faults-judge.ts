/** Holds what we were told by the router against the venue's own log. Pure. */

import type { Report } from "@tidegate/contracts";
import type { BookId, VenueTruth } from "@tidegate/venue-sim";

interface Units {
  /** null where a fill moves no base asset. */
  readonly base: string | null;
  readonly quote: string;
  readonly lotE8: bigint;
  readonly tickLotE8: bigint;
}

/** 1e-8 of base in a lot, of quote in a tick times a lot. */
const UNITS: Readonly<Partial<Record<BookId, Units>>> = {
  spot: { base: "BTC", quote: "USDT", lotE8: 1_000n, tickLotE8: 10n },
  usdm: { base: null, quote: "USDT", lotE8: 0n, tickLotE8: 10_000n },
  "alpaca:AAPL": { base: "AAPL", quote: "USD", lotE8: 100n, tickLotE8: 1n },
  "shioaji:2890": {
    ...{ base: "2890", quote: "TWD", lotE8: 100_000_000_000n, tickLotE8: 1_000_000_000n },
  },
  "fix:BTC/USD": { base: "BTC", quote: "USD", lotE8: 1_000n, tickLotE8: 10n },
};
/** Reports after which nothing of an order can be there any more. */
const ENDS: Readonly<Record<string, string>> = {
  CANCELLED: "CANCELED",
  EXPIRED: "EXPIRED",
  REJECT: "REJECTED",
};
const NEVER_THERE: readonly string[] = ["NEVER_SENT", "DEAD"];

export interface Sums {
  readonly duplicates: number;
  /** Lots, and 1e-8 of every asset together. */
  readonly positionDifference: bigint;
  readonly cashDifference: bigint;
  readonly unknown: number;
  readonly unknownUnresolved: number;
  readonly unknownResolvedWrongly: number;
}

/** Of an episode of which nothing was heard. */
export const NOTHING: Sums = {
  ...{ duplicates: 0, positionDifference: 0n, cashDifference: 0n },
  ...{ unknown: 0, unknownUnresolved: 0, unknownResolvedWrongly: 0 },
};

const size = (value: bigint): bigint => (value < 0n ? -value : value);
type ToldFill = Pick<
  Report,
  | "side"
  | "lastPxTicks"
  | "lastQtyLots"
  | "feeE8"
  | "feeAsset"
  | "clientOrderId"
  | "kind"
  | "execId"
>;

/** What our fills come to: position, and cash legs less fees. */
export function ours(reports: readonly ToldFill[], id: BookId) {
  const units = UNITS[id];
  if (units === undefined) throw new Error(`${id}: its units are not known to the judge`);
  const { base, quote, lotE8, tickLotE8 } = units;
  // What takes an execution back names it before the slash.
  const undone = new Set(
    reports.filter(({ kind }) => kind === "BUST").map(({ execId }) => execId.split("/")[0]),
  );
  const cashE8 = new Map<string, bigint>();
  const add = (asset: string, by: bigint) => cashE8.set(asset, (cashE8.get(asset) ?? 0n) + by);
  let lots = 0n;
  for (const { kind, side, lastPxTicks, lastQtyLots, feeE8, feeAsset, execId } of reports) {
    if (kind !== "FILL" || undone.has(execId)) continue;
    const way = side === "BUY" ? 1n : -1n;
    lots += way * BigInt(lastQtyLots);
    if (base !== null) add(base, way * BigInt(lastQtyLots) * lotE8);
    add(quote, -way * BigInt(lastQtyLots) * BigInt(lastPxTicks) * tickLotE8);
    add(feeAsset, -feeE8);
  }
  return { lots, cashE8 };
}

/** What one episode came to, once the venue is well again. */
export function sums(
  truth: VenueTruth,
  reports: readonly (ToldFill & Pick<Report, "instrumentId">)[],
  id: BookId,
): Sums {
  const { lots, cashE8 } = ours(reports, id);
  const theirs = truth.cashE8[id] ?? {};
  const assets = new Set([...cashE8.keys(), ...Object.keys(theirs)]);
  const cash = [...assets].map((asset) => size((cashE8.get(asset) ?? 0n) - (theirs[asset] ?? 0n)));
  const told = new Map<string, string[]>();
  for (const { clientOrderId, kind } of reports)
    if (clientOrderId !== "" && kind !== "SENT")
      told.set(clientOrderId, [...(told.get(clientOrderId) ?? []), kind]);
  // One that was called dead was of unknown outcome, whether that was told or not.
  const unknown = [...told].filter(([, kinds]) =>
    ["UNKNOWN", "DEAD"].some((each) => kinds.includes(each)),
  );
  const resolved = unknown.map(([order, kinds]) => resolution(truth, order, kinds));
  return {
    duplicates: truth.duplicates,
    positionDifference: size(lots - (truth.positionLots[id] ?? 0n)),
    cashDifference: cash.reduce((sum, each) => sum + each, 0n),
    unknown: unknown.length,
    unknownUnresolved: resolved.filter((each) => each === "not").length,
    unknownResolvedWrongly: resolved.filter((each) => each === "wrongly").length,
  };
}

/** How an order of unknown outcome was resolved, by all that was told after it. */
function resolution(truth: VenueTruth, order: string, kinds: readonly string[]) {
  const after = kinds.slice(kinds.lastIndexOf("UNKNOWN") + 1);
  const status = truth.orders.get(order)?.status;
  if (after.length === 0) return "not";
  const end = after.find((kind) => kind in ENDS || NEVER_THERE.includes(kind));
  if (end === undefined) {
    const lives = status === "NEW" || status === "PARTIALLY_FILLED" || status === "FILLED";
    return lives ? "rightly" : "wrongly";
  }
  if (NEVER_THERE.includes(end)) return status === undefined ? "rightly" : "wrongly";
  // What was refused was never there either.
  const same = status === ENDS[end] || (end === "REJECT" && status === undefined);
  return same ? "rightly" : "wrongly";
}

/** Orders whose bytes left for a venue that never answered, and those of them that were let go of all the same. */
export function released(reports: readonly Pick<Report, "clientOrderId" | "kind">[]) {
  const sent = new Set(
    reports.filter(({ kind }) => kind === "SENT").map(({ clientOrderId }) => clientOrderId),
  );
  const ended = reports.filter(
    ({ clientOrderId, kind }) =>
      sent.has(clientOrderId) && (kind in ENDS || NEVER_THERE.includes(kind)),
  );
  return { sent: sent.size, released: new Set(ended.map((each) => each.clientOrderId)).size };
}
