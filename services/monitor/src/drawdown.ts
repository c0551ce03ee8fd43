/**
 * The alert of a drawdown: how far equity is below its peak, in 1/10,000 of the peak. Pure but for the file that keeps the peak.
 *
 * It tells and stops nothing: what stops is the gateway's own (`loss.drawdown`, the storm guard). It fires at its bound and clears
 * below it by a tenth of the bound, so that a price that stands on it does not ring at every tick.
 */

import { readFileSync, renameSync, writeFileSync } from "node:fs";

/** One strategy's position as the gateway shows it. Money in 1e-8 of the quote asset. */
export interface Held {
  readonly instrumentId: number;
  readonly positionLots: bigint;
  readonly openCostE8: bigint;
  readonly realisedE8: bigint;
}

/** What an instrument's price is made of. */
export interface Unit {
  readonly pxScale: number;
  readonly pxUnit: bigint;
  readonly e8PerTickLot: bigint;
}

/**
 * What is won or lost since the beginning, 1e-8.
 *
 * Shape   `marks` by instrument: the gateway's reference price, null where it has none that is fresh
 * Errors  null where a position has no mark: a stale price is no reading
 */
export function profitE8(
  positions: readonly Held[],
  marks: ReadonlyMap<number, string | null>,
  units: ReadonlyMap<number, Unit>,
): bigint | null {
  let sum = 0n;
  for (const { instrumentId, positionLots, openCostE8, realisedE8 } of positions) {
    sum += realisedE8;
    if (positionLots === 0n) continue;
    const [mark, unit] = [marks.get(instrumentId) ?? null, units.get(instrumentId)];
    if (mark === null || unit === undefined) return null;
    sum += positionLots * ticksOf(mark, unit) * unit.e8PerTickLot - openCostE8;
  }
  return sum;
}

/** "61205.76" at scale 2 is 6,120,576 of its units. */
function ticksOf(text: string, { pxScale, pxUnit }: Unit): bigint {
  const [whole = "", fraction = ""] = text.split(".");
  return BigInt(`${whole}${fraction.padEnd(pxScale, "0").slice(0, pxScale)}`) / pxUnit;
}

export interface DrawdownRules {
  /** What the account began with, 1e-8: the first peak. */
  readonly capitalE8: bigint;
  /** Fires from here on, in 1/10,000 of the peak. */
  readonly alertBps: number;
}

export interface DrawdownState {
  readonly peakE8: bigint;
  readonly bps: number;
  readonly firing: boolean;
  /** Of this firing the deepest. */
  readonly worstBps: number;
}

export const initialDrawdown = (
  { capitalE8 }: DrawdownRules,
  peakE8: bigint | null,
): DrawdownState => ({
  peakE8: peakE8 !== null && peakE8 > capitalE8 ? peakE8 : capitalE8,
  ...{ bps: 0, firing: false, worstBps: 0 },
});

export interface Alert {
  readonly kind: "fires" | "clears";
  readonly message: string;
}

/** Takes one reading of equity. */
export function onEquity(
  state: DrawdownState,
  { alertBps }: DrawdownRules,
  equityE8: bigint,
): { readonly state: DrawdownState; readonly alert: Alert | null } {
  const peakE8 = equityE8 > state.peakE8 ? equityE8 : state.peakE8;
  const bps = Number(((peakE8 - equityE8) * 10_000n) / peakE8);
  const firing = state.firing ? bps >= alertBps - alertBps / 10 : bps >= alertBps;
  const worstBps = firing ? Math.max(state.firing ? state.worstBps : 0, bps) : 0;
  const percent = (value: number): string => `${(value / 100).toFixed(2)} %`;
  const bound = percent(alertBps);
  const alert =
    firing === state.firing
      ? null
      : firing
        ? {
            kind: "fires" as const,
            message: `drawdown ${percent(bps)} from the peak: ${bound} and more`,
          }
        : {
            kind: "clears" as const,
            message: `drawdown ${percent(bps)}: below ${bound} again, ${percent(state.worstBps)} at its deepest`,
          };
  return { state: { peakE8, bps, firing, worstBps }, alert };
}

/** The peak outlives the process: a restart in the middle of a fall must not begin a new one. */
export class PeakFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Null where there is none yet. Errors  a file that is not of its form, with its path */
  read(): bigint | null {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
    if (!/^\d{1,30}\n$/.test(text))
      throw new Error(`${this.#path} is no peak: want a whole number; remove it to begin anew`);
    return BigInt(text.trim());
  }

  write(peakE8: bigint): void {
    writeFileSync(`${this.#path}.new`, `${peakE8}\n`);
    renameSync(`${this.#path}.new`, this.#path);
  }
}
