/** A scenario: what goes wrong where and when, from a file or a request. */

import { readFileSync } from "node:fs";
import { z } from "zod";
import { SCENARIO_STEPS_MAX } from "./limits.ts";
import { SWITCH_NAMES, VENUES } from "./switches.ts";

export const Injection = z.strictObject({
  venue: z.enum(VENUES),
  switch: z.enum(SWITCH_NAMES as [(typeof SWITCH_NAMES)[number], ...typeof SWITCH_NAMES]),
  count: z.number().int().positive().optional(),
  ms: z.number().optional(),
  perSecond: z.number().int().positive().max(100_000).optional(),
  shape: z.enum(["spikes", "even"]).optional(),
  hidden: z.boolean().optional(),
  /** End the venue's connections once it is armed: for what only a new connection meets. */
  kick: z.boolean().optional(),
});
export type Injection = z.output<typeof Injection>;

const Step = Injection.extend({ atSeconds: z.number().min(0).max(86_400) });
const Scenario = z.strictObject({
  version: z.literal(1),
  steps: z.array(Step).max(SCENARIO_STEPS_MAX),
});
export type Step = z.output<typeof Step>;

/** Reads a scenario file. Throws with the file, the place and what is wanted. */
export function readScenario(path: string): Step[] {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new Error(`cannot read scenario ${path}: ${(cause as Error).message}`, { cause });
  }
  const parsed = Scenario.safeParse(json);
  if (!parsed.success) throw new Error(`scenario ${path}: ${z.prettifyError(parsed.error)}`);
  return parsed.data.steps.toSorted((a, b) => a.atSeconds - b.atSeconds);
}
