/** Decimal texts and integers, and what bodies are made of. No float sees money. */

/** How an instrument counts: a price is ticks of 10^-pxScale, a quantity lots of 10^-qtyScale. */
export interface Scales {
  readonly pxScale: number;
  readonly qtyScale: number;
}

/** "10.5" at scale 2 is 1050n. Throws RangeError on what is no decimal, or has digits below the scale. */
export function units(text: string, scale: number): bigint {
  const [, sign = "", whole, fraction = ""] = /^(-?)(\d{1,18})(?:\.(\d{1,18}))?$/.exec(text) ?? [];
  if (whole === undefined || /[1-9]/.test(fraction.slice(scale))) {
    throw new RangeError(`${text} is no decimal of scale ${scale}`);
  }
  return BigInt(`${sign}${whole}${fraction.slice(0, scale).padEnd(scale, "0")}`);
}

/** 1050n at scale 2 is "10.5": without the zeros a number does not need. */
export function decimal(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  const [whole, fraction] = [
    digits.slice(0, digits.length - scale),
    digits.slice(digits.length - scale),
  ];
  const kept = fraction.replace(/0+$/, "");
  return `${value < 0n ? "-" : ""}${whole}${kept === "" ? "" : `.${kept}`}`;
}

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A text of an object. Throws RangeError where there is none: the venue has changed its shapes. */
export function text(from: Json, name: string): string {
  const value = from[name];
  if (typeof value !== "string") throw new RangeError(`${name} is no text`);
  return value;
}
