import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { drillFeeds } from "../../packages/cli/src/drill/feeds.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const short = { minutes: 0.05, seed: 3, comparedMin: 20 } as const;

/** Value of a check; memory is not judged over a few seconds. */
const read = (checks: readonly { name: string; value: number }[]) =>
  Object.fromEntries(checks.map(({ name, value }) => [name, value]));

describe("drill feeds", () => {
  it("a few switches on two venues: nothing wrong, all recovered", async () => {
    const { checks, figures } = await drillFeeds(root, "drill feeds", {
      ...short,
      plant: null,
      venues: ["BINANCE_SPOT", "SHIOAJI"],
      switches: ["tls", "gap", "duplicate", "crossed", "roll_24h"],
    });
    expect(read(checks), JSON.stringify(figures)).toMatchObject({
      valid_and_wrong: 0,
      sessions_not_recovered: 0,
      switches_not_injected: 0,
      switches_not_injected_of: 10,
    });
    expect(read(checks)["valid_and_wrong_of"]).toBeGreaterThanOrEqual(20);
  }, 120_000);

  it("--break hide-gap: ids that hide a loss give wrong books", async () => {
    const { ok, checks } = await drillFeeds(root, "drill feeds", {
      ...short,
      plant: "hide-gap",
      venues: ["BINANCE_COINM"],
      switches: ["duplicate"],
    });
    expect(ok).toBe(false);
    expect(read(checks)["valid_and_wrong"]).toBeGreaterThan(0);
  }, 120_000);

  it("--break retry-fatal: a second attempt after a fatal code is seen", async () => {
    const { ok, checks } = await drillFeeds(root, "drill feeds", {
      ...short,
      plant: "retry-fatal",
      venues: ["ALPACA"],
      switches: ["duplicate"],
    });
    expect(ok).toBe(false);
    expect(read(checks)["fatal_codes_retried"]).toBeGreaterThan(0);
  }, 120_000);

  it("an unknown break is refused with those there are", async () => {
    const plan = drillFeeds(root, "drill feeds", { ...short, plant: "x" });
    await expect(plan).rejects.toThrow("hide-gap or retry-fatal");
  });
});
