/**
 * The rule by which a bar becomes prints and quotes. A bar tells four prices and a sum; when each was, in which order the extremes
 * came, and what was quoted, it does not. The rule is the same each time and pretends to know nothing better. Pure.
 */

import type { BarsSpec } from "./spec.ts";

/** Whether the last print was a buyer's (1) or a seller's (-1). */
export type Direction = 1 | -1;

export interface Bar {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly lots: number;
}

export interface BarStep {
  readonly px: number;
  readonly lots: number;
  readonly direction: Direction;
  /** From the bar's begin to this print, ns. */
  readonly offset: (intervalNs: bigint) => bigint;
}

/**
 * The four prints of a bar: open at its begin, the extremes after one and two thirds, close 1 ns before its end. A bar that rose is at
 * its low first, one that did not at its high. Each print has a quarter of the volume, the last what is left. A print above the one
 * before is a buyer's, below it a seller's, at it that one's.
 *
 * Shape   four steps; `lots` may be 0
 * Units   px in ticks
 */
export function barSteps(bar: Bar, lastPx: number | null, lastDirection: Direction): BarStep[] {
  const { open, high, low, close, lots } = bar;
  const path = close > open ? [open, low, high, close] : [open, high, low, close];
  const quarter = Math.floor(lots / 4);
  const offsets: BarStep["offset"][] = [
    () => 0n,
    (ns) => ns / 3n,
    (ns) => (ns * 2n) / 3n,
    (ns) => ns - 1n,
  ];
  let [before, direction] = [lastPx, lastDirection];
  return path.map((px, at) => {
    if (before !== null && px !== before) direction = px > before ? 1 : -1;
    before = px;
    const offset = offsets[at] ?? (() => 0n);
    return { px, lots: at === 3 ? lots - 3 * quarter : quarter, direction, offset };
  });
}

/** What a tape and every run over it say of their rows. */
export function barRule(spec: BarsSpec): string {
  const quotes =
    spec.quoteLots === undefined ? "a quarter of the volume" : `${spec.quoteLots} lots`;
  return `made of bars of ${spec.interval}, stamped at their ${spec.stamp}: prints at open, then low and high (high and low where it did not rise), then close, a quarter of the volume each; quotes of ${quotes} ${spec.spreadTicks} ticks apart. Bars do not tell the order of their extremes, the spread, the depth or the queue: a fill says that a price was touched, not that it could be had`;
}
