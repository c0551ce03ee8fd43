/** Figures beside independent ones. Pure. */

export interface Comparison {
  readonly group: string;
  readonly name: string;
  readonly got: number | null;
  readonly want: number | null;
  /** Largest allowed difference. */
  readonly tolerance: number;
  readonly ok: boolean;
}

/** Relative error allowed where both sides compute the same formula in doubles. */
export const RELATIVE = 1e-9;
/** Below it a difference is of the last digits of what was added up, not of the figure. */
const ABSOLUTE = 1e-13;

/** Collects comparisons of one group after another. */
export class Comparisons {
  readonly all: Comparison[] = [];
  #group = "";

  group(name: string): this {
    this.#group = name;
    return this;
  }

  /** Both undefined is equal; one of them is not. */
  within(name: string, got: number | null, want: number | null, tolerance: number): void {
    const ok =
      got === null || want === null
        ? got === want
        : got === want || Math.abs(got - want) <= tolerance;
    this.all.push({ group: this.#group, name, got, want, tolerance, ok });
  }

  /** Equal but for the last digits. */
  same(name: string, got: number | null, want: number | null, relative = RELATIVE): void {
    this.within(name, got, want, Math.max(ABSOLUTE, Math.abs(want ?? 0) * relative));
  }

  /** To the digits a publication prints: half a unit of its last one. */
  printed(name: string, got: number | null, want: string): void {
    const [mantissa = "", exponent = "0"] = want.split("e");
    const digits = (mantissa.split(".")[1] ?? "").length - Number(exponent);
    this.within(name, got, Number(want), 0.5 * 10 ** -digits * (1 + 1e-9));
  }
}
