/** Decimal texts, exactly: no price passes through a double. */

/** Digits after the point that are kept; a venue's finest step has nine. */
export const DECIMALS = 12;
const FORM = /^(-?)(\d{1,20})(?:\.(\d{0,30}))?(?:[eE]([+-]?\d{1,2}))?$/;

/**
 * A number as a venue wrote it (`2440.0`, `0.01000000`, `1e-05`) as plain decimal text: no exponent, no zeros that say nothing.
 *
 * Errors  null for what is no number, or has more than `DECIMALS` digits after the point that say something
 */
export function plainDecimal(text: string): string | null {
  const read = FORM.exec(text);
  if (read === null) return null;
  const [, sign = "", whole = "", frac = "", exponent = "0"] = read;
  const shift = Number(exponent);
  const digits = whole + frac;
  const point = whole.length + shift;
  const left = point <= 0 ? "0" : digits.slice(0, point).padEnd(point, "0");
  const right = point <= 0 ? digits.padStart(digits.length - point, "0") : digits.slice(point);
  const kept = right.replace(/0+$/, "");
  if (kept.length > DECIMALS) return null;
  const plain = `${left.replace(/^0+(?=\d)/, "")}${kept === "" ? "" : `.${kept}`}`;
  return plain === "0" ? plain : `${sign}${plain}`;
}

/** A decimal text in units of 10^-`DECIMALS`. The text is plain, as `plainDecimal` gives it. */
export function scaled(text: string): bigint {
  const negative = text.startsWith("-");
  const [whole = "0", frac = ""] = (negative ? text.slice(1) : text).split(".");
  const value = BigInt(whole + frac.padEnd(DECIMALS, "0").slice(0, DECIMALS));
  return negative ? -value : value;
}

/** The text of units of 10^-`DECIMALS`. */
export function unscaled(value: bigint): string {
  const digits = (value < 0n ? -value : value).toString().padStart(DECIMALS + 1, "0");
  const [whole, frac] = [digits.slice(0, -DECIMALS), digits.slice(-DECIMALS).replace(/0+$/, "")];
  return `${value < 0n ? "-" : ""}${whole}${frac === "" ? "" : `.${frac}`}`;
}

/** Below 0, 0 or above 0, as `a` is below, equal to or above `b`. */
export function compareDecimals(a: string, b: string): number {
  const [x, y] = [scaled(a), scaled(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** How far apart two decimals are, in units of 10^-`DECIMALS`. */
export function distance(a: string, b: string): bigint {
  const gap = scaled(a) - scaled(b);
  return gap < 0n ? -gap : gap;
}

/** JSON whose numbers stay the texts they were: `{"p":2440.0}` gives `{ p: "2440.0" }`. */
export function parseExact(text: string): unknown {
  type Reviver = (this: unknown, key: string, value: unknown) => unknown;
  const keep = (_key: string, value: unknown, context: { readonly source?: string }): unknown =>
    typeof value === "number" ? (context.source ?? String(value)) : value;
  return JSON.parse(text, keep as unknown as Reviver);
}
