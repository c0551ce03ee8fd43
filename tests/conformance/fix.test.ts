import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fix } from "../../packages/cli/src/conformance/fix.ts";

describe("conformance fix", () => {
  const empty = mkdtempSync(join(tmpdir(), "tidegate-fix-"));
  const flags = { data: () => "", only: null, plant: null };
  afterAll(() => rmSync(empty, { recursive: true, force: true }));

  it("an engine that is not installed is refused with the remedy, before anything is built", async () => {
    for (const only of [null, "quickfix_initiator", "quickfix_acceptor", "jspurefix"]) {
      await expect(fix(empty, { ...flags, only })).rejects.toThrow("scripts/fix-peers install");
    }
  });

  it("an unknown part or break is refused with those there are", async () => {
    await expect(fix(empty, { ...flags, only: "x" })).rejects.toThrow("scripts");
    await expect(fix(empty, { ...flags, plant: "x" })).rejects.toThrow("wrong-peer");
    const unnoticed = { ...flags, only: "jspurefix", plant: "lenient" };
    await expect(fix(empty, unnoticed)).rejects.toThrow("noticed by scripts, not by jspurefix");
  });
});
