import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** Where the build puts the addon. */
export const ADDON_PATH = fileURLToPath(new URL("./tidegate.node", import.meta.url));

/** The addon is not there, or is not one this Node can load. */
export class AddonError extends Error {
  readonly code: "ADDON_MISSING" | "ADDON_UNLOADABLE" | "ADDON_OUTDATED";
  constructor(code: AddonError["code"], message: string, options?: ErrorOptions) {
    super(`[${code}] ${message}`, options);
    this.name = "AddonError";
    this.code = code;
  }
}

type Functions = Readonly<Record<string, unknown>>;
const loaded = new Map<string, Functions>();

/**
 * The addon's exports, loaded on first use: what only prints help needs no build.
 *
 * Errors  AddonError naming the remedy
 */
export function load(path: string = ADDON_PATH): Functions {
  const known = loaded.get(path);
  if (known !== undefined) return known;
  if (!existsSync(path)) {
    throw new AddonError("ADDON_MISSING", `Cannot find ${path}: run ./hft build`);
  }
  try {
    const functions = createRequire(import.meta.url)(path) as Functions;
    loaded.set(path, functions);
    return functions;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AddonError(
      "ADDON_UNLOADABLE",
      `Cannot load ${path} (${why}): run ./hft build on this machine`,
      { cause },
    );
  }
}

/** One function or class of the addon by its name, resolved on first use and kept. */
export function native<F>(name: string): () => F {
  let found: F | undefined;
  return () => {
    if (found === undefined) {
      const value = load()[name];
      if (typeof value !== "function") {
        throw new AddonError("ADDON_OUTDATED", `The addon has no ${name}: run ./hft build`);
      }
      found = value as F;
    }
    return found;
  };
}
