import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ReconCluster } from "../../packages/cli/src/drill/recon-cluster.ts";
import { Hand } from "../../packages/cli/src/drill/recon-hand.ts";
import { placeOf } from "../../packages/cli/src/drill/recon-places.ts";
import { makeRunDir, removeRunDir } from "../../packages/cli/src/sim/cluster.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** A cent of capital behind 0.0002 BTC: three dollars of the market are more than five percent of it. */
const CAPITAL_E8 = 1_000_000;

describe("the alert of a drawdown in a running cluster", () => {
  it("fires and clears as the recorded market crosses five percent of what is behind a position [B055]", async () => {
    const dir = makeRunDir(root, { runDir: null });
    try {
      const monitor = { drawdownCapitalE8: CAPITAL_E8, lookMs: 100 };
      await using cluster = new ReconCluster(root, dir, null, "spot", { speed: 20, monitor });
      await cluster.start();
      await using hand = await Hand.connect(`ipc://${join(dir, "s/intent.sock")}`, 1);
      await expect.poll(() => hand.state, { timeout: 10_000 }).toBe("SYNCED");
      const { ask } = await placeOf("spot", cluster).touch();
      // Until the router has its session with the venue it is refused.
      const wish = { instrumentId: 1, side: "BUY", pxTicks: ask + 2_000, qtyLots: 20 } as const;
      const order = () => hand.order(wish).then(() => "taken", String);
      await expect.poll(order, { timeout: 20_000, interval: 250 }).toBe("taken");
      const words = () => cluster.words("monitor");
      const said = (what: string) =>
        words().match(new RegExp(`alert: drawdown ${what}`, "g"))?.length ?? 0;
      await expect
        .poll(() => said("[0-9.]+ % from the peak"), { timeout: 60_000 })
        .toBeGreaterThan(0);
      await expect
        .poll(() => said("-?[0-9.]+ %: below 5.00 % again"), { timeout: 60_000 })
        .toBeGreaterThan(0);
      // Each alert of falling is of five percent and more.
      const falls = [...words().matchAll(/alert: drawdown ([0-9.]+) % from the peak/g)].map(
        ([, at]) => Number(at),
      );
      expect(Math.min(...falls)).toBeGreaterThanOrEqual(5);
    } finally {
      removeRunDir(root, dir);
    }
  }, 180_000);
});
