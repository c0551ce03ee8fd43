/** The feature set a strategy was built for: its name, its hash, or both. Pure. */

/** One set of the registry, as far as it is wanted here. */
export interface KnownSet {
  readonly name: string;
  /** Of the set's definition: name, features in order, formulas, units, warm-ups. */
  readonly hash: number;
}

/** What a strategy declares, as `lob_shared_v3`, `lob_shared_v3@808661320` or `808661320`. */
export interface DeclaredSet {
  readonly name: string | null;
  readonly hash: number | null;
}

/** Reads a declaration; null where it is none. */
export function parseFeatureSet(text: string): DeclaredSet | null {
  const [, name, pinned, bare] =
    /^(?:([a-z][a-z0-9_]{0,63})(?:@([1-9]\d{0,9}))?|([1-9]\d{0,9}))$/.exec(text) ?? [];
  const digits = pinned ?? bare;
  const hash = digits === undefined ? null : Number(digits);
  if ((name === undefined && hash === null) || (hash !== null && hash > 0xffff_ffff)) return null;
  return { name: name ?? null, hash };
}

/**
 * The hash that must come with every feature vector.
 *
 * Errors  RangeError naming what is declared, what there is, and the remedy
 */
export function featureSetHash(declared: string, known: readonly KnownSet[]): number {
  const want = parseFeatureSet(declared);
  if (want === null) {
    throw new RangeError(`featureSet ${declared}: want a name, a name@hash or a hash`);
  }
  const set = known.find(
    ({ name, hash }) => name === want.name || (want.name === null && hash === want.hash),
  );
  if (set === undefined) {
    const names = known.map(({ name, hash }) => `${name}@${hash}`).join(", ");
    throw new RangeError(`featureSet ${declared}: there is no such set; there are ${names}`);
  }
  if (want.hash !== null && want.hash !== set.hash) {
    throw new RangeError(
      `featureSet ${declared}: ${set.name} has hash ${set.hash} here; build the strategy for it, or run the version it was built for`,
    );
  }
  return set.hash;
}
