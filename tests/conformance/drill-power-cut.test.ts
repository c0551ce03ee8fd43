import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { LoopDisk } from "../../packages/cli/src/drill/power-cut/disk.ts";
import { loadedRound } from "../../packages/cli/src/drill/power-cut/loaded.ts";

const loaders = fileURLToPath(new URL("../../services/wal-loader/src", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "tg-image-"));

/** null where the machine has no loop devices; then the drill must say so. */
function diskOrRefusal(): LoopDisk | null {
  try {
    return new LoopDisk(dir);
  } catch (error) {
    expect(String(error)).toContain("the drill needs root, a loop device and ext4");
    return null;
  }
}

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const TRIES_MAX = 6;

describe("drill power-cut", () => {
  it("a disk cut while loaders load: each record is in both stores once [B058]", async () => {
    using disk = diskOrRefusal();
    if (disk === null) return;
    const at = { main: join(loaders, "main.ts"), disk, name: "sound", recorder: "safe" } as const;
    const round = await loadedRound(at, 7, 300);
    expect(round, round.differences.join("\n")).toMatchObject({
      forgotten: 0,
      twice: 0,
      lost: 0,
      strange: 0,
      unequal: 0,
    });
    expect(round.wanted).toBeGreaterThan(500);
  }, 120_000);

  it("--break tokens-alone: a loader that never asks the tables doubles rows", async () => {
    const main = join(loaders, "testing/defects/tokens-alone.ts");
    // Only a cut between an insert and its answer shows it: not each one is.
    for (let seed = 7; seed < 7 + TRIES_MAX; seed += 1) {
      using disk = diskOrRefusal();
      if (disk === null) return;
      const at = { main, disk, name: "tokens", recorder: "safe" } as const;
      if ((await loadedRound(at, seed, 300)).twice > 0) return;
    }
    expect.fail("no cut doubled a row");
  }, 120_000);

  it("--break fast-recorder: without syncs the stores have what the WAL lost", async () => {
    using disk = diskOrRefusal();
    if (disk === null) return;
    const at = { main: join(loaders, "main.ts"), disk, name: "fast", recorder: "fast" } as const;
    const round = await loadedRound(at, 7, 300);
    expect(round.strange).toBeGreaterThan(0);
  }, 120_000);
});
