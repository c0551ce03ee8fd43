/** Tick sizes and daily price limits as tables by price band and by date. Pure: the day and the price are arguments. */

import { compareDecimals, scaled, unscaled } from "./decimal.ts";

/** Prices below `below` are multiples of `tick`; `null` is the last band. */
export interface TickBand {
  readonly below: string | null;
  readonly tick: string;
}

/** One rule while it was in force: `from` and `until` are days of the exchange, both included. */
export interface TickTable {
  readonly from: string;
  readonly until: string | null;
  readonly bands: readonly TickBand[];
}

const bands = (...rows: readonly (readonly [string | null, string])[]): TickBand[] =>
  rows.map(([below, tick]) => ({ below, tick }));
const since = (
  from: string,
  ...rows: readonly (readonly [string | null, string])[]
): TickTable => ({
  from,
  until: null,
  bands: bands(...rows),
});

/**
 * Every rule by its name, oldest version first.
 *
 * Source  TW_STOCK, TW_ETF: TWSE operating rules art. 62 and TPEx alike; TW_INDEX_OPTION: TAIFEX specification of TXO;
 *         US_STOCK: SEC rule 612 of regulation NMS
 */
export const TICK_RULES = {
  TW_STOCK: [
    since(
      "20050301",
      ["10", "0.01"],
      ["50", "0.05"],
      ["100", "0.1"],
      ["500", "0.5"],
      ["1000", "1"],
      [null, "5"],
    ),
  ],
  TW_ETF: [since("20050301", ["50", "0.01"], [null, "0.05"])],
  TW_INDEX_OPTION: [
    since("20011224", ["10", "0.1"], ["50", "0.5"], ["500", "1"], ["1000", "5"], [null, "10"]),
  ],
  US_STOCK: [since("20060131", ["1", "0.0001"], [null, "0.01"])],
} as const satisfies Readonly<Record<string, readonly TickTable[]>>;
export type TickRule = keyof typeof TICK_RULES;

/** The version of a rule that is in force on a day; undefined where there is none. */
export function tableOf(versions: readonly TickTable[], day: string): TickTable | undefined {
  return versions.find(({ from, until }) => from <= day && (until === null || day <= until));
}

/** The tick of a price: the band it lies in, whose lower edge belongs to it. */
export function tickAt(table: TickTable, price: string): string {
  const band = table.bands.find(({ below }) => below === null || compareDecimals(price, below) < 0);
  return band?.tick ?? "0.01";
}

/** Whether a price may stand on the book. */
export function onTick(table: TickTable, price: string): boolean {
  return scaled(price) > 0n && scaled(price) % scaled(tickAt(table, price)) === 0n;
}

/** The next price up or down that may stand on the book, over the edge of a band with the tick of the side it goes to; null below the first one. */
export function nextPrice(
  table: TickTable,
  price: string,
  direction: "up" | "down",
): string | null {
  const at = scaled(price);
  if (direction === "up") {
    const tick = scaled(tickAt(table, price));
    return unscaled((at / tick + 1n) * tick);
  }
  // Just below the price lies the band that a step down goes through.
  const below = at - 1n;
  if (below <= 0n) return null;
  const tick = scaled(tickAt(table, unscaled(below)));
  const to = (below / tick) * tick;
  return to > 0n ? unscaled(to) : null;
}

/** The finest tick a rule ever had, which is the price unit of its instruments: their ids outlive a change of the bands. */
export function finestTick(rule: TickRule): string {
  const ticks = TICK_RULES[rule].flatMap((version) => version.bands.map(({ tick }) => tick));
  return ticks.reduce((finest, tick) => (compareDecimals(tick, finest) < 0 ? tick : finest));
}

/** Ten-thousandths a price may move in a day from its reference, by date. Source: TWSE, TPEx, TAIFEX: 7 % until May 2015, then 10 %. */
const TW_LIMIT_BPS: readonly (readonly [from: string, bps: bigint])[] = [
  ["19891011", 700n],
  ["20150601", 1_000n],
];

/**
 * Limit-up and limit-down of a Taiwan stock or index future.
 *
 * Shape   the highest and the lowest price that may stand on the book; both within the percentage, so up is cut and down is raised
 * Errors  null before the rule began, or where the reference is not above 0
 */
export function twPriceLimits(
  table: TickTable,
  reference: string,
  day: string,
): { readonly up: string; readonly down: string } | null {
  const bps = TW_LIMIT_BPS.findLast(([from]) => from <= day)?.[1];
  const at = scaled(reference);
  if (bps === undefined || at <= 0n) return null;
  // Exact: a reference has far fewer digits after the point than are kept.
  const [high, low] = [(at * (10_000n + bps)) / 10_000n, (at * (10_000n - bps)) / 10_000n];
  const [upTick, downTick] = [high, low].map((px) => scaled(tickAt(table, unscaled(px))));
  if (upTick === undefined || downTick === undefined) return null;
  const up = (high / upTick) * upTick;
  const down = ((low + downTick - 1n) / downTick) * downTick;
  return { up: unscaled(up), down: unscaled(down) };
}

/** The tick rule of a Taiwan security by its code; null for what has none here (warrants, bonds). */
export function twStockRule(code: string): TickRule | null {
  if (/^00\d{2,4}[A-Z]?$|^02\d{4}[A-Z]?$|^01\d{3}[A-Z]$/.test(code)) return "TW_ETF";
  return /^[1-9]\d{3}[A-Z]?$|^91\d{4}$/.test(code) ? "TW_STOCK" : null;
}
