import * as files from "@tidegate/market-data/features";
import { UsageError } from "../sim/options.ts";

export type { FeatureProfile } from "@tidegate/market-data/features";

type FeatureProfile = files.FeatureProfile;

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

/** Runs a reader of market-data's files; a file it refuses is a wrong use of the command. */
export function usage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof files.FeatureFileError) throw new UsageError(error.message);
    throw error;
  }
}

/** Reads a profiles file. Unknown keys, values out of range and two profiles of one id are refused. */
export const readProfiles = (path: string): readonly FeatureProfile[] =>
  usage(() => files.readProfiles(path));

/** The same of a text; `path` names it in errors. */
export const parseProfiles = (path: string, text: string): readonly FeatureProfile[] =>
  usage(() => files.parseProfiles(path, text));

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
