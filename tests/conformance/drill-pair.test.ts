import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { drillGatewayKill } from "../../packages/cli/src/drill/pair/failover.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("drill gateway-kill", () => {
  it("[B082] two leaders killed under load: nothing doubled, nothing lost, one position", async () => {
    const { checks, figures } = await drillGatewayKill(root, "drill gateway-kill", {
      trials: 2,
      perSecond: 100,
      seed: 1,
    });
    // How long it takes is for the drill to say, not for a test on a busy machine.
    const value = Object.fromEntries(checks.map((each) => [each.name, each.value]));
    expect(value, JSON.stringify(figures)).toMatchObject({
      trials: 2,
      duplicates: 0,
      lost: 0,
      position_difference: 0,
    });
    const { orders } = figures["balance"] as { orders: number };
    expect(orders).toBeGreaterThan(50);
  }, 180_000);
});
