import { UsageError } from "../sim/options.ts";

/** A flag that is a whole number from 0 to `max`. */
export function whole(flag: string, text: string, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= max) return value;
  throw new UsageError(`${flag} ${text}: want a whole number between 0 and ${max}`);
}

/** Today in Taipei, which keeps UTC+8 all year, as `YYYYMMDD`. */
export function taipeiDay(now: Date): string {
  return new Date(now.getTime() + 8 * 3_600_000).toISOString().slice(0, 10).replaceAll("-", "");
}
