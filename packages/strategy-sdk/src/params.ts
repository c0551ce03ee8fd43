/** Parameters that take the place of others while a strategy runs. Pure. */

import type { AnyStrategy } from "./types.ts";

/** Characters of new parameters as JSON; more are refused, so that what a session was given is always written down. */
export const PARAMS_CHARS_MAX = 16_384;

/** What the schema makes of new parameters, or why they are refused. */
export type ParamsCheck =
  | { readonly ok: true; readonly params: unknown }
  | { readonly ok: false; readonly why: string };

/**
 * Holds new parameters against the strategy's schema, and against the ones it does not let change.
 *
 * Errors  none: a refusal is an answer, and names each parameter
 */
export function checkParams(definition: AnyStrategy, now: unknown, given: unknown): ParamsCheck {
  const read = definition.params.safeParse(given);
  if (!read.success) {
    const what = read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    return { ok: false, why: `bad params: ${what.join("; ")}` };
  }
  const at = (params: unknown, name: string) =>
    JSON.stringify((params as Record<string, unknown> | null)?.[name]);
  const changed = (definition.fixedParams ?? []).filter(
    (name) => at(now, name) !== at(read.data, name),
  );
  if (changed.length === 0) return { ok: true, params: read.data };
  const what = changed.map((name) => `${name} is ${at(now, name)} and not ${at(read.data, name)}`);
  return {
    ok: false,
    why: `not changed while it runs: ${what.join("; ")}; start the strategy anew for that`,
  };
}
