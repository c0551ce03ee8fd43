import { StoreError } from "./store.ts";

interface Versioned {
  readonly version: number;
  readonly name: string;
}

/** The migrations that lie between the version found and the one wanted, in the order in which they are run. */
export function stepsBetween<M extends Versioned>(
  store: string,
  all: readonly M[],
  found: number,
  to: number = all.length,
): readonly { readonly migration: M; readonly up: boolean }[] {
  if (!Number.isSafeInteger(to) || to < 0 || to > all.length) {
    throw new StoreError(store, `version ${to} is not there`, `want 0 to ${all.length}`);
  }
  if (found > all.length) {
    throw new StoreError(
      store,
      `its schema is version ${found}, this program knows ${all.length}`,
      "run the version of Tidegate that made it, or a later one",
    );
  }
  if (to >= found) return all.slice(found, to).map((migration) => ({ migration, up: true }));
  return all
    .slice(to, found)
    .reverse()
    .map((migration) => ({ migration, up: false }));
}
