/** Which feature sets are computed: the profiles file and the rollout file that `hft feature` writes. Reads files, else pure. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";

/** A profiles or rollout file that cannot be used: which, where and the remedy. */
export class FeatureFileError extends Error {
  override readonly name = "FeatureFileError";
}

/** Levels a side that a kernel can be shown. */
const LEVELS_MAX = 5;
const PROFILES_MAX = 256;
/** Entries of the history at most; past it the oldest go, and the first that is left names the hash of the last that went. */
export const HISTORY_MAX = 1_000;

const Profile = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/),
  featureSet: z.string().min(1),
  /** The hash of the set the profile was written for: a changed set is another set. */
  featureSetHash: z.number().int().min(1).max(0xffff_ffff),
  /** Levels a side that the kernel is shown. */
  levels: z.number().int().min(1).max(LEVELS_MAX),
  /** An update this long after the one before carries STALE_INPUT. */
  staleAfterMs: z.number().int().min(1).max(86_400_000),
  notes: z.string().max(500).default(""),
});

const Profiles = z.strictObject({
  version: z.literal(1),
  profiles: z.array(Profile).min(1).max(PROFILES_MAX),
});

export type FeatureProfile = z.infer<typeof Profile>;

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
export type RolloutEntry = z.infer<typeof Entry>;

export const NO_ROLLOUT: Rollout = { version: 1, sets: {}, history: [] };

/** The hash that chains an entry of the history to the one before it. */
export function entryHash(entry: Omit<RolloutEntry, "hash">): string {
  const { seq, tsMs, actor, action, featureSet, state, profileId, notes, prevHash } = entry;
  const parts = [seq, tsMs, actor, action, featureSet, state, profileId, notes, prevHash];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

function parsed<T>(path: string, text: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FeatureFileError(`${path}: is no JSON: ${(cause as Error).message}`, { cause });
  }
  const read = schema.safeParse(value);
  if (!read.success) throw new FeatureFileError(`${path}: ${z.prettifyError(read.error)}`);
  return read.data;
}

/** Reads a profiles file. Unknown keys, values out of range and two profiles of one id are refused. */
export function readProfiles(path: string): readonly FeatureProfile[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const why = (cause as Error).message;
    throw new FeatureFileError(`${path}: cannot be read (${why}); want a profiles file`, { cause });
  }
  return parseProfiles(path, text);
}

/** The same of a text; `path` names it in errors. */
export function parseProfiles(path: string, text: string): readonly FeatureProfile[] {
  const { profiles } = parsed(path, text, Profiles);
  const seen = new Set<string>();
  for (const { id } of profiles) {
    if (seen.has(id)) throw new FeatureFileError(`${path}: two profiles are called ${id}`);
    seen.add(id);
  }
  return profiles;
}

/** Reads a rollout file; one that is not there is no rollout. A history whose chain is broken is refused. */
export function readRollout(path: string): Rollout {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return NO_ROLLOUT;
    throw new FeatureFileError(`${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  const rollout = parsed(path, text, Rollout);
  let before = rollout.history[0]?.prevHash;
  for (const entry of rollout.history) {
    if (entry.prevHash !== before || entry.hash !== entryHash(entry)) {
      throw new FeatureFileError(
        `${path}: entry ${entry.seq} of the history was changed; restore the file from a backup`,
      );
    }
    before = entry.hash;
  }
  return rollout;
}

/** The profile of each set that is in this state. */
export function profilesIn(rollout: Rollout, state: RolloutState): ReadonlyMap<string, string> {
  const placed = Object.entries(rollout.sets).filter(([, { now }]) => now.state === state);
  return new Map(placed.map(([featureSet, { now }]) => [featureSet, now.profileId]));
}

/** A profile as the hot loop takes it. */
export interface LoopProfile {
  readonly profile: string;
  readonly set: string;
  readonly hash: number;
  readonly levels: number;
  readonly staleAfterMs: number;
}

/** What the hot loop computes of one instrument. */
export interface LoopSets {
  readonly active: LoopProfile | null;
  readonly shadows: readonly LoopProfile[];
}

/** What the hot loop computes of each. */
export interface LoopPlan {
  readonly default: LoopSets;
  readonly instruments: Readonly<Record<string, LoopSets>>;
}

export interface Wishes {
  /** Profile of every instrument while no set is active in the rollout. */
  readonly profile: string;
  /** Profiles of single instruments, whatever is active. */
  readonly byInstrument: Readonly<Record<string, string>>;
}

/**
 * What is computed: the rollout's active set, or the configured profile where none is active; its shadows beside it. A set
 * that is disabled is not published, whoever asks for it.
 *
 * Errors  FeatureFileError: two active sets (a message carries one), a profile that is not in the file or is of another set
 */
export function featurePlan(
  profiles: readonly FeatureProfile[],
  rollout: Rollout,
  wishes: Wishes,
): LoopPlan {
  const disabled = profilesIn(rollout, "disabled");
  const found = (id: string, of: string | null, where: string): LoopProfile => {
    const profile = profiles.find((one) => one.id === id);
    if (profile === undefined) {
      throw new FeatureFileError(
        `${where}: no profile is called ${id}; add it to the profiles file`,
      );
    }
    if (of !== null && profile.featureSet !== of) {
      throw new FeatureFileError(
        `${where}: profile ${id} is of ${profile.featureSet}, not of ${of}`,
      );
    }
    const { featureSet: set, featureSetHash: hash, levels, staleAfterMs } = profile;
    return { profile: id, set, hash, levels, staleAfterMs };
  };
  const shadows = [...profilesIn(rollout, "shadow")].map(([set, id]) => found(id, set, "rollout"));
  const enabled = (profile: LoopProfile): LoopProfile | null =>
    disabled.has(profile.set) ? null : profile;
  const actives = [...profilesIn(rollout, "active")].map(([set, id]) => found(id, set, "rollout"));
  const [first, second] = actives;
  if (first !== undefined && second !== undefined) {
    throw new FeatureFileError(
      `rollout: ${first.set} and ${second.set} are both active and a message carries one set; run hft feature rollout-set --state shadow (or disabled) for one`,
    );
  }
  const active = first ?? enabled(found(wishes.profile, null, "featureProfile"));
  const own = Object.entries(wishes.byInstrument).map(([instrument, id]): [string, LoopSets] => {
    const profile = found(id, null, `featureProfiles.${instrument}`);
    return [instrument, { active: enabled(profile), shadows }];
  });
  return { default: { active, shadows }, instruments: Object.fromEntries(own) };
}
