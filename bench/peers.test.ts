import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

/** Names each path package of a Cargo.lock leans on; a package without a source is ours. */
function ours(lock: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const block of lock.split("[[package]]").slice(1)) {
    const name = /^name = "(.+)"$/m.exec(block)?.[1] ?? "";
    if (/^source = /m.test(block) || !name.startsWith("tidegate-")) continue;
    const list = /^dependencies = \[([^\]]*)\]/m.exec(block)?.[1] ?? "";
    found.set(
      name,
      [...list.matchAll(/"([\w-]+)[^"]*",/g)].map(([, each = ""]) => each),
    );
  }
  return found;
}

/** Names under `[dependencies]` and `[build-dependencies]` of a crate's manifest. */
function asked(manifest: string): string[] {
  return manifest
    .split(/^\[/m)
    .filter((section) => /^(build-)?dependencies\]/.test(section))
    .flatMap((section) => [...section.matchAll(/^([\w-]+)(?:\.workspace)? *=/gm)])
    .map(([, name = ""]) => name);
}

describe("bench/peers", () => {
  // Benches build it with --locked, and nothing else builds it: a crate that leans on one more would break them unseen.
  it("has in its lock file what our crates lean on now", () => {
    const lock = ours(read("bench/peers/Cargo.lock"));
    const crates = [...lock.keys()];
    expect(crates.length).toBeGreaterThan(5);
    for (const crate of crates) {
      const folder = crate.slice("tidegate-".length);
      const manifest = read(`packages/rust-core/crates/${folder}/Cargo.toml`);
      const wanted = asked(manifest).sort();
      expect(lock.get(crate)?.toSorted(), crate).toEqual(wanted);
    }
  });
});
