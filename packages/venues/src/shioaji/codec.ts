/** Bodies of the daemon: its prices are JSON numbers, read and written here by their digits alone. */

import { decimal, isObject, type Json, type Scales } from "../exact.ts";
import type { RestAnswer } from "../rest.ts";

export { decimal, isObject, type Json, type Scales, text, units } from "../exact.ts";

/** A number of a body, by its digits. */
export class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Reviver = (key: string, value: unknown) => unknown;

/**
 * A body with each number as it was written; null where it is no JSON.
 *
 * Shape   objects, lists, texts, booleans and `Digits`
 */
export function exact(body: string): unknown {
  const digits = (_: string, value: unknown, context: { readonly source?: string }): unknown =>
    typeof value === "number" ? new Digits(context.source ?? String(value)) : value;
  try {
    return JSON.parse(body, digits as unknown as Reviver) as unknown;
  } catch {
    return null;
  }
}

export const bodyOf = (answer: Pick<RestAnswer, "body">): unknown =>
  exact(Buffer.from(answer.body).toString("utf8"));

/** A number of an object, as its digits. Throws RangeError where there is none: the daemon has changed its shapes. */
export function digits(from: Json, name: string): string {
  const value = from[name];
  if (!(value instanceof Digits)) throw new RangeError(`${name} is no number`);
  return value.text;
}

/** A whole number of an object. */
export function count(from: Json, name: string): bigint {
  const said = digits(from, name);
  const [, whole] = /^(\d{1,15})(?:\.0+)?$/.exec(said) ?? [];
  if (whole === undefined) throw new RangeError(`${name} is ${said}, want a whole number`);
  return BigInt(whole);
}

/** An object of an object. */
export function inner(from: Json, name: string): Json {
  const value = from[name];
  if (!isObject(value)) throw new RangeError(`${name} is no object`);
  return value;
}

/**
 * ns since the Unix epoch of seconds with a fraction.
 *
 * Errors  RangeError for what is no such number, and for milliseconds or nanoseconds in its place
 */
export function seconds(from: Json, name: string): bigint {
  const said = digits(from, name);
  const [, whole, fraction = ""] = /^(\d{1,10})(?:\.(\d{1,9})\d*)?$/.exec(said) ?? [];
  if (whole === undefined) throw new RangeError(`${name} is ${said}, want seconds since 1970`);
  return BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** Stands for a price in an object until it is text; nothing else of ours has it. */
const PRICE = "@price";

/** A body with a price as a JSON number, written by its digits; the object has it as `PRICE_HERE`. */
export const PRICE_HERE = PRICE;
export function withPrice(body: object, pxTicks: bigint, { pxScale }: Scales): string {
  return JSON.stringify(body).replace(`"${PRICE}"`, decimal(pxTicks, pxScale));
}

/** Words of an error. */
export function wordsOf(answer: Pick<RestAnswer, "body">): string {
  const body = bodyOf(answer);
  return isObject(body) && typeof body["message"] === "string" ? body["message"] : "";
}
