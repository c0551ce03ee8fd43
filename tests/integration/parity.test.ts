import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PLANTS, verifySession } from "../../packages/cli/src/replay/verify.ts";
import { makeRunDir } from "../../packages/cli/src/sim/cluster.ts";
import { parseSimOptions, shippedStrategies } from "../../packages/cli/src/sim/options.ts";
import { sampleFiles, simulate } from "../../packages/cli/src/sim/run.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const SECONDS = 15;

describe("a captured session of every shipped strategy, gateway and strategies killed once", () => {
  // The path of a socket has 107 bytes at most.
  const runDir = mkdtempSync(join(tmpdir(), "tg-par-"));
  afterAll(() => rmSync(runDir, { recursive: true, force: true }));

  beforeAll(async () => {
    const raw = {
      ...{ duration: String(SECONDS), speed: "3", seed: "1", strategy: "shipped", capture: true },
      ...{ portBase: "0", clickhouse: "none", runDir },
      chaos: `kill:gateway@${SECONDS * 0.4}s,kill:strategy-runner@${SECONDS * 0.7}s`,
    };
    const options = parseSimOptions(raw, root, sampleFiles(root));
    const run = await simulate(root, makeRunDir(root, options), options);
    expect(run.checks.filter(({ ok }) => !ok)).toEqual([]);
  }, 180_000);

  const least = {
    ...{ intents: 50, records: 300, marketEvents: 1_000 },
    strategies: shippedStrategies(root).length,
    marketSeconds: SECONDS,
  };

  it("gives the same intents and records again, from the logs and over the recorded market [A11] [B099]", async () => {
    const value = await verifySession("parity", root, runDir, null, least);
    expect(value.checks.filter(({ ok }) => !ok)).toEqual([]);
    const gateway = value.figures["gateway"] as { liveHash: string; replayHash: string };
    expect(gateway.replayHash).toBe(gateway.liveHash);
  }, 180_000);

  it.each(Object.entries(PLANTS))(
    "the planted fault %s shows in %s",
    async (plant, named) => {
      const value = await verifySession(
        "parity",
        root,
        runDir,
        plant as keyof typeof PLANTS,
        least,
      );
      expect(value.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual([named]);
    },
    180_000,
  );

  it("a folder without a captured session is refused with the remedy", async () => {
    await expect(verifySession("parity", root, join(runDir, "wal"), null)).rejects.toThrow(
      "--capture --keep",
    );
  });
});
