/** Loads a strategy file from anywhere, and keeps it away from what a strategy may not touch. */

import { isBuiltin, registerHooks } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type AnyStrategy, checkStrategy, StrategyError } from "@tidegate/strategy-sdk";

/** What a strategy file may import wherever it lies. */
const PROVIDED = ["@tidegate/strategy-sdk", "zod"];
let strategyUrl: string | null = null;
/** The text of the file where it was given: a process of its own may not read the file itself. */
let strategyText: string | null = null;
let hooked = false;

function hook(): void {
  if (hooked) return;
  hooked = true;
  registerHooks({
    load(url, context, next) {
      if (strategyText === null || url !== strategyUrl) return next(url, context);
      const format = /\.m?ts$/.test(url) ? "module-typescript" : "module";
      return { format, source: strategyText, shortCircuit: true };
    },
    resolve(specifier, context, next) {
      if (strategyText !== null && specifier === strategyUrl)
        return { url: specifier, shortCircuit: true };
      if (strategyUrl === null || context.parentURL?.split("?")[0] !== strategyUrl)
        return next(specifier, context);
      if (isBuiltin(specifier)) {
        throw new StrategyError(
          `a strategy may not import ${specifier}: time is ctx.now(), randomness ctx.random(), and it has no other way out than ctx`,
        );
      }
      if (PROVIDED.includes(specifier))
        return next(specifier, { ...context, parentURL: import.meta.url });
      return next(specifier, context);
    },
  });
}

/**
 * Imports a strategy file, or its text where that is given, and checks its default export.
 *
 * Errors  StrategyError naming the file: not there, not importable, not a strategy, an import it may not have
 */
export async function loadStrategy(file: string, text: string | null = null): Promise<AnyStrategy> {
  hook();
  const url = pathToFileURL(resolve(file)).href;
  strategyUrl = url;
  strategyText = text;
  let loaded: { default?: unknown };
  try {
    loaded = (await import(url)) as { default?: unknown };
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
    throw new StrategyError(`cannot load the strategy ${file}: ${why}`, { cause });
  }
  try {
    checkStrategy(loaded.default);
  } catch (cause) {
    throw new StrategyError(`cannot load the strategy ${file}: ${(cause as Error).message}`, {
      cause,
    });
  }
  return loaded.default;
}
