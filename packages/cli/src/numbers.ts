import { UsageError } from "./sim/options.ts";

/**
 * A flag's whole number of at least `min`.
 * @throws UsageError naming flag, text and bound
 */
export function whole(flag: string, text: string, min: number): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new UsageError(`${flag} ${text}: want a whole number of at least ${min}`);
}
