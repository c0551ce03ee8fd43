import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import * as files from "@tidegate/market-data/features";
import { UsageError } from "../sim/options.ts";
import { usage } from "./profiles.ts";

export type { Rollout, RolloutState } from "@tidegate/market-data/features";
export const { HISTORY_MAX, NO_ROLLOUT } = files;

type Rollout = files.Rollout;
type RolloutState = files.RolloutState;

/** Reads a state file; one that is not there is no rollout. A history whose chain is broken is refused. */
export const readRollout = (path: string): Rollout => usage(() => files.readRollout(path));

/** Writes a state file whole or not at all: a temporary file, fsync, rename, fsync of the folder. */
export function writeRollout(path: string, rollout: Rollout): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, "w", 0o644);
  try {
    const bytes = Buffer.from(`${JSON.stringify(rollout, null, 2)}\n`);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

export interface Change {
  readonly featureSet: string;
  readonly actor: string;
  readonly notes: string;
  readonly tsMs: number;
}

function changed(
  rollout: Rollout,
  action: files.RolloutEntry["action"],
  now: { readonly state: RolloutState; readonly profileId: string },
  { featureSet, actor, notes, tsMs }: Change,
): Rollout {
  const last = rollout.history.at(-1);
  const entry = {
    seq: (last?.seq ?? 0) + 1,
    tsMs,
    actor,
    action,
    featureSet,
    state: now.state,
    profileId: now.profileId,
    notes,
    prevHash: last?.hash ?? "",
  };
  return {
    version: 1,
    sets: {
      ...rollout.sets,
      [featureSet]: { now: { ...now }, previous: rollout.sets[featureSet]?.now ?? null },
    },
    history: [...rollout.history, { ...entry, hash: files.entryHash(entry) }].slice(-HISTORY_MAX),
  };
}

/** Places a profile of a set. What was placed before is what a rollback returns to. */
export function placed(
  rollout: Rollout,
  state: RolloutState,
  profileId: string,
  change: Change,
): Rollout {
  return changed(rollout, "set", { state, profileId }, change);
}

/** Returns a set to what was placed before; a second rollback returns to where the first started. */
export function rolledBack(rollout: Rollout, change: Change): Rollout {
  const previous = rollout.sets[change.featureSet]?.previous;
  if (previous === null || previous === undefined) {
    throw new UsageError(
      `--feature-set ${change.featureSet}: nothing was placed before; there is nothing to return to`,
    );
  }
  return changed(rollout, "rollback", previous, change);
}

/** The active profile of each set. */
export const activeProfiles = (rollout: Rollout): ReadonlyMap<string, string> =>
  files.profilesIn(rollout, "active");
