/** Parameters of a strategy in a file, which may be written anew while it runs. */

import { readFileSync, statSync } from "node:fs";
import { PARAMS_CHARS_MAX } from "@tidegate/strategy-sdk";

/** Bytes of a parameter file; a character has four at most. */
const BYTES_MAX = 4 * PARAMS_CHARS_MAX;

/**
 * Reads a parameter file.
 *
 * Errors  it cannot be read, is too long, or is no JSON object: file and remedy
 */
export function readParams(path: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    const { size } = statSync(path);
    if (size > BYTES_MAX) throw new Error(`${size} bytes, at most ${BYTES_MAX}`);
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Error(`cannot read the params in ${path}: ${why}; want a JSON object`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`cannot read the params in ${path}: want a JSON object`);
  }
  return value as Record<string, unknown>;
}
