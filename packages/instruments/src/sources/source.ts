/** What an adapter makes of a venue's answer. */

import { z } from "zod";
import type { Contract } from "../contracts.ts";
import { plainDecimal } from "../decimal.ts";
import { REASON_CODES_MAX, REASONS_MAX } from "../limits.ts";

/** The contracts of one answer, and what was left out of it by reason: how many, and the first codes. */
export interface Listing {
  readonly contracts: readonly Contract[];
  readonly leftOut: Readonly<Record<string, { readonly count: number; readonly codes: string[] }>>;
}

/** Reads a venue's answer. A row that is not of the venue's shape is an error that names it: the old cache stays. */
export type Adapter = (answer: unknown) => Listing;

/** A venue's answer that is not what its documentation says: where and what. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}

/** Collects contracts and reasons. */
export class Collector {
  readonly #contracts: Contract[] = [];
  readonly #leftOut: Record<string, { count: number; codes: string[] }> = {};

  take(contract: Contract): void {
    this.#contracts.push(contract);
  }
  /** A row that is the venue's but not ours: of a kind nothing here can carry. Past the bound of reasons they fall under "other". */
  leave(reason: string, code: string): void {
    const known = this.#leftOut[reason] !== undefined;
    const name = known || Object.keys(this.#leftOut).length < REASONS_MAX ? reason : "other";
    this.#leftOut[name] ??= { count: 0, codes: [] };
    const entry = this.#leftOut[name];
    entry.count += 1;
    // A venue's text goes to a terminal: nothing in it may steer one.
    const plain = code.replaceAll(/\p{C}/gu, "?").slice(0, 32);
    if (entry.codes.length < REASON_CODES_MAX) entry.codes.push(plain);
  }
  listing(): Listing {
    return { contracts: this.#contracts, leftOut: this.#leftOut };
  }
}

/** Checks an answer's shape; the first thing wrong is named by its path. */
export function shaped<T>(schema: z.ZodType<T>, answer: unknown): T {
  const read = schema.safeParse(answer);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new SourceError(
    `${issue?.path.join(".") || "answer"}: ${issue?.message ?? "is no answer"}`,
  );
}

/** A number or numeric text of an answer read by `parseExact`, as plain decimal text. */
export const decimalField = z.string().transform((text, context) => {
  const plain = plainDecimal(text);
  if (plain === null) context.addIssue({ code: "custom", message: `${text} is no decimal` });
  return plain ?? "0";
});

/** Codes the instrument table can hold; the venues also list names in Chinese, for one. */
export const isCode = (text: string): boolean => /^[A-Z0-9_./]{1,32}$/.test(text);

/** A key with a value, or nothing where the value is none. */
export function some<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
