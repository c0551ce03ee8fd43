/**
 * The second process of the rate drill: it asks the account's venue as fast as it can within its slice, as the monitor does.
 * `node rate-limit-second.ts URL SECONDS PLANT`; prints what it did as its last line.
 */

import {
  ACCOUNT_SLICES,
  BudgetSpent,
  binanceSpot,
  RestClient,
  WeightBudget,
} from "@tidegate/venues";

const [url = "", seconds = "1", plant = ""] = process.argv.slice(2);
const { limits, queries } = binanceSpot;
const budget = new WeightBudget(limits.limits.weightPerMinute, ACCOUNT_SLICES.weight.monitor);
const rest = new RestClient({
  baseUrl: url,
  key: { key: "sim-kill", secret: () => "sim-kill-secret" },
  weightOf: limits.restWeight,
  // The planted fault: nothing holds it back, and no reset is heard.
  ...(plant === "no-budget" ? {} : { budget }),
});
const counts = { asked: 0, answered: 0, heldBack: 0, refused: 0, failed: 0 };
const end = performance.now() + Number(seconds) * 1_000;
const lane = async (): Promise<void> => {
  while (performance.now() < end) {
    counts.asked += 1;
    try {
      const { status } = await queries.openOrders(rest, "BTCUSDT");
      if (status === 200) counts.answered += 1;
      else counts.refused += 1;
    } catch (error) {
      if (error instanceof BudgetSpent) counts.heldBack += 1;
      else counts.failed += 1;
      // It presses on; one turn of the event loop is all it waits.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
};
await Promise.all(Array.from({ length: 8 }, lane));
process.stdout.write(`${JSON.stringify(counts)}\n`);
