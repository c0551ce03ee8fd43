import { parseFeatureSet } from "./feature-set.ts";
import type { AnyStrategy, StrategyDefinition } from "./types.ts";

/** A file that is not a strategy, or one whose definition cannot run: says which field and what is wanted. */
export class StrategyError extends Error {}

const HANDLERS = [
  "onBookTop",
  "onTrade",
  "onTimer",
  "onFill",
  "onOrder",
  "onGap",
  "onRiskFeedback",
  "onSession",
  "onParams",
] as const;

/** Checks a definition's fields; throws StrategyError. */
export function checkStrategy(value: unknown): asserts value is AnyStrategy {
  if (typeof value !== "object" || value === null) {
    throw new StrategyError("not a strategy: want `export default defineStrategy({...})`");
  }
  const definition = value as Partial<Record<string, unknown>>;
  const { id, params, timerMs, featureSet } = definition;
  if (typeof id !== "string" || !/^[a-z][a-z0-9-]{0,39}$/.test(id)) {
    throw new StrategyError(
      `id is ${JSON.stringify(id)}: want 1 to 40 lower-case letters, digits and dashes`,
    );
  }
  if (typeof (params as { safeParse?: unknown } | undefined)?.safeParse !== "function") {
    throw new StrategyError(`${id}: params is not a zod schema`);
  }
  if (timerMs !== undefined && !(typeof timerMs === "number" && timerMs >= 1)) {
    throw new StrategyError(`${id}: timerMs is ${String(timerMs)}, want at least 1`);
  }
  const { stateVersion, fixedParams } = definition;
  if (
    fixedParams !== undefined &&
    !(Array.isArray(fixedParams) && fixedParams.every((name) => typeof name === "string"))
  ) {
    throw new StrategyError(`${id}: fixedParams is no list of names of parameters`);
  }
  if (
    stateVersion !== undefined &&
    !(Number.isSafeInteger(stateVersion) && Number(stateVersion) > 0)
  ) {
    throw new StrategyError(
      `${id}: stateVersion is ${String(stateVersion)}, want a whole number from 1`,
    );
  }
  if (definition["onTimer"] !== undefined && timerMs === undefined) {
    throw new StrategyError(`${id}: onTimer needs timerMs`);
  }
  if (
    featureSet !== undefined &&
    (typeof featureSet !== "string" || parseFeatureSet(featureSet) === null)
  ) {
    throw new StrategyError(
      `${id}: featureSet is ${JSON.stringify(featureSet)}: want a name, a name@hash or a hash`,
    );
  }
  for (const name of HANDLERS) {
    const handler = definition[name];
    if (handler === undefined) continue;
    if (typeof handler !== "function") throw new StrategyError(`${id}: ${name} is not a function`);
    if (handler.constructor.name === "AsyncFunction") {
      throw new StrategyError(`${id}: ${name} is async; handlers are synchronous`);
    }
  }
  if (!HANDLERS.some((name) => definition[name] !== undefined)) {
    throw new StrategyError(`${id}: it handles no event`);
  }
}

/** Names a strategy: give it as the default export of its file. */
export function defineStrategy<P, S = undefined>(
  definition: StrategyDefinition<P, S>,
): StrategyDefinition<P, S> {
  checkStrategy(definition);
  return definition;
}
