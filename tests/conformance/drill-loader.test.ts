import { fileURLToPath } from "node:url";
import { findEmbedded, findPostgres } from "@tidegate/storage";
import { describe, expect, it } from "vitest";
import { drillLoader } from "../../packages/cli/src/drill/loader/drill.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const here = !("kind" in findEmbedded()) && !("kind" in findPostgres());
if (!here) console.warn("skipped: the loader drill: needs chdb and PostgreSQL");

const drill = (options: object) =>
  drillLoader(root, {
    cycles: 10,
    seed: 7,
    backlog: 5_000,
    data: undefined,
    plant: null,
    ...options,
  });
const read = (checks: readonly { name: string; value: number }[]) =>
  Object.fromEntries(checks.map(({ name, value }) => [name, value]));

describe.skipIf(!here)("drill loader (needs chdb and PostgreSQL)", () => {
  it("loaders killed, paused past their claim, two at once, answers lost after the commit, the database killed amid an insert: each record is in once, and the defects D5, D6 and hash-after-insert are caught [A33 A35 B058]", async () => {
    const { checks, figures } = await drill({});
    // How fast it drains is the drill's own to judge: a loaded machine would make a test of it that fails by chance.
    const failed = checks.filter(({ ok, name }) => !ok && name !== "drain_vs_ingest");
    expect(failed, JSON.stringify(figures)).toEqual([]);
    expect(read(checks)).toMatchObject({
      cycles: 10,
      duplicates: 0,
      lost: 0,
      checker_unequal: 0,
      two_owners: 0,
      planted_not_caught: 0,
      planted_not_caught_of: 3,
      duplicates_without_a_claim: 0,
    });
    expect(read(checks)["drain_vs_ingest"]).toBeGreaterThan(0);
  }, 600_000);

  it("--break d6: a loader that knows batches by their hash fails the drill", async () => {
    const { ok, checks } = await drill({ plant: "d6", backlog: 1_000 });
    expect(ok).toBe(false);
    expect(read(checks)["duplicates"]).toBeGreaterThan(0);
    expect(read(checks)["checker_unequal"]).toBeGreaterThan(0);
  }, 600_000);

  it("an unknown break, and too few cycles to meet each fault, are refused", async () => {
    await expect(drill({ plant: "x" })).rejects.toThrow("d5, d6, hash-after-insert");
    await expect(drill({ cycles: 9 })).rejects.toThrow("at least 10");
  });
});
