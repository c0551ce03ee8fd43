import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { drillKillSwitch } from "../../packages/cli/src/drill/kill-switch.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const read = (checks: readonly { name: string; value: number }[]) =>
  Object.fromEntries(checks.map(({ name, value }) => [name, value]));

const drill = (options: object) =>
  drillKillSwitch(root, "drill kill-switch", { trials: 1, resting: 0, plant: null, ...options });

describe("drill kill-switch", () => {
  it("each path alone stops the flow, empties the venue and survives restart and promotion [A14 B046 B048 B049]", async () => {
    const { checks, figures } = await drill({ resting: 300 });
    // How fast is the drill's own to judge: a loaded machine would make a test of it that fails by chance.
    expect(read(checks), JSON.stringify(figures)).toMatchObject({
      orders_after_latch: 0,
      not_cancelled: 0,
      paths_not_exercised: 0,
      latch_lost_after_restart: 0,
      latch_lost_after_promotion: 0,
    });
    expect(read(checks)["not_cancelled_of"]).toBeGreaterThan(900);
  }, 300_000);

  it("--break wrong-file: a kill nobody looks for is seen", async () => {
    const { ok, checks } = await drill({ plant: "wrong-file", paths: ["router"] });
    expect(ok).toBe(false);
    expect(read(checks)["orders_after_latch"]).toBeGreaterThan(0);
    expect(read(checks)["latch_lost_after_restart"]).toBe(1);
  }, 300_000);

  it("--break wrong-key: orders that stay at the venue are seen", async () => {
    const { ok, checks } = await drill({
      ...{ plant: "wrong-key", paths: ["monitor"], restarts: false },
    });
    expect(ok).toBe(false);
    expect(read(checks)["not_cancelled"]).toBeGreaterThan(0);
  }, 300_000);

  it("an unknown break is refused with those there are", async () => {
    await expect(drill({ plant: "x" })).rejects.toThrow("wrong-file or wrong-key");
  });
});
