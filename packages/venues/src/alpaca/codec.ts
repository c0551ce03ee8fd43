/** Decimal texts and integers, bodies and views of them. No float sees money. */

import { isObject, type Json } from "../exact.ts";
import type { RestAnswer } from "../rest.ts";

export { decimal, isObject, type Json, type Scales, text, units } from "../exact.ts";

/** The body of an answer; null where it is no JSON. */
export function json(answer: Pick<RestAnswer, "body">): unknown {
  try {
    return JSON.parse(Buffer.from(answer.body).toString("utf8")) as unknown;
  } catch {
    return null;
  }
}

export function textOrNull(from: Json, name: string): string | null {
  const value = from[name];
  return typeof value === "string" && value !== "" ? value : null;
}

/** Code and words of an error; code 0 where it has none. */
export function errorOf(answer: Pick<RestAnswer, "body">): { code: number; message: string } {
  const body = json(answer);
  if (!isObject(body)) return { code: 0, message: "" };
  const { code, message } = body;
  return {
    code: typeof code === "number" ? code : 0,
    message: typeof message === "string" ? message : "",
  };
}

/** ns since the Unix epoch of an RFC 3339 text. Throws RangeError on what is none. */
export function instant(said: string): bigint {
  const ms = Date.parse(said);
  if (Number.isNaN(ms)) throw new RangeError(`${said} is no time`);
  const fraction = /\.(\d{1,9})/.exec(said)?.[1] ?? "";
  return BigInt(Math.floor(ms / 1_000)) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}
