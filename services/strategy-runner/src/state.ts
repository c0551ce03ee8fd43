/** The state of a strategy that outlives its process: one file, replaced whole. */

import { existsSync, readFileSync } from "node:fs";
import { replaceFile } from "./epoch.ts";

/** Whose state it is: another strategy or another version of it does not read it. */
export interface StateOwner {
  readonly name: string;
  readonly stateVersion: number;
}

/**
 * The JSON of the state in `path`, null where there is none yet.
 *
 * Errors  it is of another strategy or version, or damaged: nothing is started with a state that means something else
 */
export function readState(path: string, owner: StateOwner): string | null {
  if (!existsSync(path)) return null;
  const refuse = (what: string): never => {
    throw new Error(
      `cannot restore the state in ${path}: ${what}; run the strategy it is of, or move the file away to begin anew`,
    );
  };
  let kept: Partial<StateOwner> & { readonly state?: unknown };
  try {
    kept = JSON.parse(readFileSync(path, "utf8")) as typeof kept;
  } catch {
    return refuse("it is no JSON");
  }
  const { name, stateVersion, state } = kept;
  if (name !== owner.name || stateVersion !== owner.stateVersion || typeof state !== "string") {
    return refuse(
      `it is of ${name} version ${stateVersion}, wanted is ${owner.name} version ${owner.stateVersion}`,
    );
  }
  return state;
}

export function writeState(path: string, owner: StateOwner, state: string): void {
  replaceFile(path, JSON.stringify({ ...owner, state }));
}
