import { readFileSync } from "node:fs";
import { z } from "zod";
import { UsageError } from "../sim/options.ts";

/** One feature of a set, as the Rust registry states it. */
export interface FeatureSpec {
  readonly name: string;
  readonly definition: string;
  readonly warm: number;
  readonly per: string;
}

/** One set of the Rust registry. */
export interface FeatureSet {
  readonly name: string;
  readonly hash: number;
  readonly on: "book" | "bar";
  readonly about: string;
  readonly features: readonly FeatureSpec[];
}

const LEVELS_MAX = 5;
const PROFILES_MAX = 256;

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

/** Reads a profiles file. Unknown keys, values out of range and two profiles of one id are refused. */
export function readProfiles(path: string): readonly FeatureProfile[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(
      `${path}: cannot be read (${(cause as Error).message}); want a profiles file`,
    );
  }
  return parseProfiles(path, text);
}

/** The same of a text; `path` names it in errors. */
export function parseProfiles(path: string, text: string): readonly FeatureProfile[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${path}: is no JSON: ${(cause as Error).message}`);
  }
  const read = Profiles.safeParse(value);
  if (!read.success) throw new UsageError(`${path}: ${z.prettifyError(read.error)}`);
  const seen = new Set<string>();
  for (const { id } of read.data.profiles) {
    if (seen.has(id)) throw new UsageError(`${path}: two profiles are called ${id}`);
    seen.add(id);
  }
  return read.data.profiles;
}

/** What is wrong with profiles against the registry, one line each. */
export function profileFaults(
  profiles: readonly FeatureProfile[],
  sets: readonly FeatureSet[],
): readonly string[] {
  const faults: string[] = [];
  for (const { id, featureSet, featureSetHash } of profiles) {
    const set = sets.find(({ name }) => name === featureSet);
    if (set === undefined) {
      const names = sets.map(({ name }) => name).join(", ");
      faults.push(`${id}: no feature set ${featureSet}; there are ${names}`);
    } else if (set.on !== "book") {
      faults.push(`${id}: ${featureSet} is a set of bars; a profile shows a kernel the book`);
    } else if (set.hash !== featureSetHash) {
      faults.push(
        `${id}: written for hash ${featureSetHash} of ${featureSet}, which is ${set.hash}; a changed set needs a new name`,
      );
    }
  }
  return faults;
}

/** What stops strategies from starting: each asks for a set by name and wants an active profile of it. */
export function preflightFaults(
  strategies: readonly { readonly strategy: string; readonly featureSet: string }[],
  active: ReadonlyMap<string, string>,
  profiles: readonly FeatureProfile[],
): readonly string[] {
  const faults: string[] = [];
  for (const { strategy, featureSet } of strategies) {
    const profile = active.get(featureSet);
    if (profile === undefined) {
      faults.push(`${strategy}: asks for ${featureSet}, of which no profile is active`);
    } else if (!profiles.some(({ id, featureSet: set }) => id === profile && set === featureSet)) {
      faults.push(
        `${strategy}: the active profile ${profile} of ${featureSet} is not in the profiles file`,
      );
    }
  }
  return faults;
}
