/** Decimal text from scaled integers and back. No float sees money. */

/** 1050n at scale 2 is "10.50". */
export function scaledText(units: bigint, scale: number): string {
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const frac = scale === 0 ? "" : `.${digits.slice(digits.length - scale)}`;
  return `${negative ? "-" : ""}${whole}${frac}`;
}

/** An amount in 1e-8 of its asset as text with 8 decimals. */
export function e8Text(e8: bigint | string): string {
  return scaledText(BigInt(e8), 8);
}

/** "10.5" at scale 2 is 1050n; null for anything that is not a plain decimal of at most `scale` places. */
export function parseScaled(text: string, scale: number): bigint | null {
  const match = /^(-?)(\d{1,18})(?:\.(\d+))?$/.exec(text);
  if (match === null) return null;
  const [, sign = "", whole = "", frac = ""] = match;
  const kept = frac.slice(0, scale);
  if (!/^0*$/.test(frac.slice(scale))) return null;
  return BigInt(`${sign}${whole}${kept.padEnd(scale, "0")}`);
}

/** Average price text of `quoteE8` over `qtyUnits` at 10^-qtyScale, cut to `scale` places; "0" of nothing. */
export function averageText(
  quoteE8: bigint,
  qtyUnits: bigint,
  qtyScale: number,
  scale: number,
): string {
  if (qtyUnits === 0n) return scaledText(0n, scale);
  const numerator = quoteE8 * 10n ** BigInt(qtyScale) * 10n ** BigInt(scale);
  return scaledText(numerator / (qtyUnits * 100_000_000n), scale);
}
