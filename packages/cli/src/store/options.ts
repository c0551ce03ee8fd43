import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { UsageError } from "../sim/options.ts";

/** A whole number within bounds. */
export function whole(flag: string, text: string, min: number, max: number): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`${flag} ${text}: want a whole number between ${min} and ${max}`);
}

/** A folder or file that is there. */
export function existing(flag: string, path: string | undefined): string {
  if (path === undefined) throw new UsageError(`${flag} is missing`);
  if (!existsSync(path)) throw new UsageError(`${flag} ${path}: is not there`);
  return resolve(path);
}

/** A moment of a WAL: `1234` is a wal_seq, anything with a `T` a time in UTC with up to nine decimals of a second. */
export function moment(text: string | undefined): {
  readonly walSeq?: number;
  readonly tsNs?: bigint;
} {
  if (text === undefined) return {};
  if (/^\d{1,15}$/.test(text)) return { walSeq: Number(text) };
  const [, seconds = "", decimals = ""] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text) ?? [];
  const ms = Date.parse(`${seconds}Z`);
  if (Number.isNaN(ms)) {
    throw new UsageError(
      `--until ${text}: want a wal_seq or a time in UTC as 2026-11-27T12:00:00.123Z`,
    );
  }
  return { tsNs: BigInt(ms) * 1_000_000n + BigInt(decimals.padEnd(9, "0")) };
}
