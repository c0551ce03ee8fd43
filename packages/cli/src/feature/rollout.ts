import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { UsageError } from "../sim/options.ts";

/** Entries of the history at most; past it the oldest go, and the first that is left names the hash of the last that went. */
export const HISTORY_MAX = 1_000;

const State = z.enum(["active", "shadow", "disabled"]);
const Placed = z.strictObject({ state: State, profileId: z.string().min(1) });
const Entry = z.strictObject({
  seq: z.number().int().min(1),
  tsMs: z.number().int().min(0),
  actor: z.string().min(1),
  action: z.enum(["set", "rollback"]),
  featureSet: z.string().min(1),
  state: State,
  profileId: z.string().min(1),
  notes: z.string(),
  prevHash: z.string(),
  hash: z.string(),
});
const Rollout = z.strictObject({
  version: z.literal(1),
  sets: z.record(z.string(), z.strictObject({ now: Placed, previous: Placed.nullable() })),
  history: z.array(Entry).max(HISTORY_MAX),
});

export type RolloutState = z.infer<typeof State>;
export type Rollout = z.infer<typeof Rollout>;
type Entry = z.infer<typeof Entry>;

export const NO_ROLLOUT: Rollout = { version: 1, sets: {}, history: [] };

function hashOf(entry: Omit<Entry, "hash">): string {
  const { seq, tsMs, actor, action, featureSet, state, profileId, notes, prevHash } = entry;
  const text = JSON.stringify([
    seq,
    tsMs,
    actor,
    action,
    featureSet,
    state,
    profileId,
    notes,
    prevHash,
  ]);
  return createHash("sha256").update(text).digest("hex");
}

/** Reads a state file; one that is not there is no rollout. A history whose chain is broken is refused. */
export function readRollout(path: string): Rollout {
  if (!existsSync(path)) return NO_ROLLOUT;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new UsageError(`${path}: is no JSON: ${(cause as Error).message}`);
  }
  const read = Rollout.safeParse(value);
  if (!read.success) throw new UsageError(`${path}: ${z.prettifyError(read.error)}`);
  let before = read.data.history[0]?.prevHash;
  for (const entry of read.data.history) {
    if (entry.prevHash !== before || entry.hash !== hashOf(entry)) {
      throw new UsageError(
        `${path}: entry ${entry.seq} of the history was changed; restore the file from a backup`,
      );
    }
    before = entry.hash;
  }
  return read.data;
}

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
  action: Entry["action"],
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
    history: [...rollout.history, { ...entry, hash: hashOf(entry) }].slice(-HISTORY_MAX),
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
export function activeProfiles(rollout: Rollout): ReadonlyMap<string, string> {
  const active = Object.entries(rollout.sets).filter(([, { now }]) => now.state === "active");
  return new Map(active.map(([featureSet, { now }]) => [featureSet, now.profileId]));
}
