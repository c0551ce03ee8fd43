/** What a run is known by: canonical texts and their SHA-256. */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** JSON with the keys of every object in order, so that equal values are equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}

export function sha256(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("hex");
}

const IMPORT = /(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g;

/** A file and every file it imports by a relative path, in order of their paths. */
export function filesOf(file: string): string[] {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const [, to = ""] of readFileSync(path, "utf8").matchAll(IMPORT)) {
      visit(resolve(dirname(path), to));
    }
  };
  visit(resolve(file));
  return [...seen].sort();
}

/** The code of a strategy as it runs: its files, and the SDK and pump that drive it. Where they lie does not count. */
export function codeHash(root: string, file: string): string {
  const sdk = join(root, "packages/strategy-sdk/src");
  const platform = [
    ...readdirSync(sdk)
      .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
      .map((name) => join(sdk, name)),
    join(root, "services/strategy-runner/src/pump.ts"),
  ].sort();
  const parts = [
    ...filesOf(file).map((path) => [relative(dirname(resolve(file)), path), path] as const),
    ...platform.map((path) => [relative(root, path), path] as const),
  ];
  return sha256(canonical(parts.map(([name, path]) => [name, sha256(readFileSync(path))])));
}
