import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkBias } from "../../packages/cli/src/backtest/bias.ts";
import { DEFAULTS } from "../../packages/cli/src/backtest/prepare.ts";
import { drillSweep } from "../../packages/cli/src/backtest/sweep/drill.ts";
import { verifyReport } from "../../packages/cli/src/backtest/verify-report.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const words = {
  ...DEFAULTS,
  ...{ strategy: "simple-mm", data: [], params: {}, latency: [], fees: [] },
};
const read = (checks: readonly { name: string; value: number }[]) =>
  Object.fromEntries(checks.map(({ name, value }) => [name, value]));

describe("verify report", () => {
  it("a browser without a network shows every number and every plot", async () => {
    const { ok, checks } = await verifyReport(root, null);
    expect(read(checks)).toMatchObject({
      numbers_unequal: 0,
      plots_missing: 0,
      console_errors: 0,
      network_requests: 0,
    });
    expect(ok).toBe(true);
  }, 120_000);

  it.each([
    ["number", "numbers_unequal"],
    ["table", "numbers_unequal"],
    ["plot", "plots_missing"],
    ["script", "console_errors"],
    ["network", "network_requests"],
  ])(
    "--break %s shows in %s",
    async (plant, name) => {
      const { ok, checks } = await verifyReport(root, plant);
      expect(ok).toBe(false);
      expect(read(checks)[name]).toBeGreaterThan(0);
    },
    120_000,
  );
});

describe("backtest check", () => {
  it("simple-mm knows nothing of the future and repeats itself [B099]", async () => {
    const { ok, checks } = await checkBias(root, words, null);
    expect(read(checks)).toMatchObject({
      intents_that_knew_the_future: 0,
      intents_unequal_when_repeated: 0,
    });
    expect(read(checks)["intents_that_knew_the_future_of"]).toBeGreaterThan(500);
    expect(ok).toBe(true);
  }, 120_000);

  it.each([
    ["look-ahead", "intents_that_knew_the_future"],
    ["clock", "intents_unequal_when_repeated"],
  ])(
    "--break %s shows in %s",
    async (plant, name) => {
      expect(read((await checkBias(root, words, plant)).checks)[name]).toBeGreaterThan(0);
    },
    120_000,
  );
});

describe("drill sweep", () => {
  const options = { jobs: 40, progress: () => {} };

  it("a sweep killed half way ends as one that was not, by SQLite and by Redis", async () => {
    const { checks, figures } = await drillSweep(root, { ...options, plant: null });
    expect(read(checks), JSON.stringify(figures)).toMatchObject({
      results_unequal: 0,
      results_unequal_of: 160,
      completed_recomputed: 0,
      results_missing: 0,
      killed_before_the_end: 4,
    });
  }, 300_000);

  it.each([
    ["forget", "completed_recomputed"],
    ["result", "results_unequal"],
  ])(
    "--break %s shows in %s",
    async (plant, name) => {
      const one = { ...options, plant, kinds: ["sqlite"], workers: [1] } as const;
      expect(read((await drillSweep(root, one)).checks)[name]).toBe(1);
    },
    300_000,
  );
});
