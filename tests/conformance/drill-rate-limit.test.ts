import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { drillRateLimit } from "../../packages/cli/src/drill/rate-limit.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const drill = async (options: object) => {
  const quiet = { seconds: 14, plant: null, progress: () => undefined };
  const { ok, checks, figures } = await drillRateLimit(root, { ...quiet, ...options });
  return { ok, figures, value: Object.fromEntries(checks.map((each) => [each.name, each.value])) };
};

describe("drill rate-limit", () => {
  it("two processes far above one account's limits pass none of them and drop no cancel [B018 B019]", async () => {
    const { value, figures } = await drill({});
    expect(value, JSON.stringify(figures)).toMatchObject({
      ...{ windows_over_limit: 0, cancels_dropped: 0, early_sends: 0, injected_429: 1 },
    });
    expect(value["cancels_dropped_of"]).toBeGreaterThan(10);
  }, 300_000);

  it("--break no-budget is seen as windows_over_limit", async () => {
    const { ok, value } = await drill({ plant: "no-budget" });
    expect(ok).toBe(false);
    expect(value["windows_over_limit"]).toBeGreaterThan(0);
  }, 300_000);

  it("an unknown break is refused with those there are", async () => {
    await expect(drill({ plant: "x" })).rejects.toThrow("greedy, no-budget, lost-cancel");
  });
});
