import type { AnyStrategy } from "@tidegate/strategy-sdk";
import { describe, expect, it } from "vitest";
import cascadeBounce from "../../strategies/cascade-bounce.ts";
import grid from "../../strategies/grid.ts";
import leadLag from "../../strategies/lead-lag.ts";
import mmHawkes from "../../strategies/mm-hawkes.ts";
import momentumBounce from "../../strategies/momentum-bounce.ts";
import opportunisticMm from "../../strategies/opportunistic-mm.ts";
import imbalance from "../../strategies/order-book-imbalance.ts";
import simpleMm from "../../strategies/simple-mm.ts";
import { minute } from "./fixtures/sample-minute.ts";

/** Strategy, parameters beside the defaults, and what its intents over the minute come to: their hash, orders, cancels, fills. */
const PINNED: readonly (readonly [AnyStrategy, object, string, number, number, number])[] = [
  [simpleMm, {}, "b8cd75233e096b01", 97, 46, 55],
  [mmHawkes, {}, "dc07f53a416aaf0b", 16, 13, 3],
  [opportunisticMm, { instrument: 1 }, "3cc96608cded6953", 46, 20, 25],
  [momentumBounce, { moveTicks: 30, backTicks: 5 }, "e77b3f76e43d926a", 22, 0, 22],
  [
    cascadeBounce,
    { tradesMin: 3, lotsMin: 50, pushTicks: 1, quietMs: 100 },
    "14398327e6c3618a",
    20,
    0,
    20,
  ],
  [leadLag, { leadPpm: 30, gapPpm: 20 }, "52401627d56331c5", 38, 0, 37],
  [imbalance, {}, "9f3bea2130fc9956", 24, 0, 24],
  [
    grid,
    { halfSpreadPpm: 20, intervalPpm: 20, positionLotsMax: 50 },
    "4008c30936fe3bf0",
    419,
    307,
    163,
  ],
];

describe("every shipped strategy over the shipped sample [A11]", () => {
  it.each(PINNED.map((row) => [row[0].id, ...row] as const))(
    "%s: the same intents as ever, each a legal order, no exception and no flood",
    (_, definition, params, hash, orders, cancels, fills) => {
      const { host, spot, usdm, hash: got } = minute(definition, params);
      const { stats } = host;
      expect([stats.exceptions, stats.floods, host.breaker]).toEqual([0, 0, "NORMAL"]);
      expect([spot["refused"], usdm["refused"]]).toEqual([{}, {}]);
      expect([got, stats.intents, stats.cancels, stats.fills]).toEqual([
        hash,
        orders,
        cancels,
        fills,
      ]);
      expect(stats.intents).toBeGreaterThan(0);
    },
  );
});
