import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { PARTS, peers } from "../../packages/cli/src/conformance/peers.ts";

const MS_MAX = 400_000;

describe("conformance peers", () => {
  const empty = mkdtempSync(join(tmpdir(), "tidegate-peers-"));
  const flags = { data: () => "", only: null, plant: null };
  afterAll(() => rmSync(empty, { recursive: true, force: true }));

  it("an unknown part or break is refused with those there are", async () => {
    await expect(peers("peers", empty, { ...flags, only: "x" })).rejects.toThrow("alpaca_sdk");
    await expect(peers("peers", empty, { ...flags, plant: "x" })).rejects.toThrow("wrong-fee");
    const unnoticed = { ...flags, only: "jspurefix", plant: "wrong-fee" };
    await expect(peers("peers", empty, unnoticed)).rejects.toThrow("noticed by alpaca_sdk");
  });

  it("a peer that cannot be installed ends the command, with the installer's words", async () => {
    mkdirSync(join(empty, "scripts"));
    for (const [script, part] of [
      ["venue-peers", "alpaca_py"],
      ["fix-peers", "quickfix_acceptor"],
    ] as const) {
      const path = join(empty, "scripts", script);
      writeFileSync(path, "#!/bin/sh\necho the registry is away >&2\nexit 1\n");
      chmodSync(path, 0o755);
      await expect(peers("peers", empty, { ...flags, only: part })).rejects.toThrow(
        /cannot be installed.*the registry is away/,
      );
    }
  });

  it.each(["alpaca_sdk", "ccxt"] as const)(
    "%s finds no fault with our venues, and one that is planted [B024]",
    async (only) => {
      const sound = await peers("peers", empty, { ...flags, only });
      expect(
        (sound.figures[only] as { fault: string }[]).filter(({ fault }) => fault !== ""),
      ).toEqual([]);
      expect(sound.ok).toBe(true);
      expect(sound.checks.map(({ name }) => name)).toEqual([`failed.${only}`, `failed.${only}_of`]);
      expect(sound.checks[1]?.value).toBeGreaterThanOrEqual(PARTS[only]);
      const broken = await peers("peers", empty, { ...flags, only, plant: "wrong-fee" });
      expect(broken.checks[0]?.value).toBeGreaterThan(0);
    },
    MS_MAX,
  );
});
