import { describe, expect, it } from "vitest";
import { SAMPLE_FILES } from "../../config.ts";
import { loadSample } from "../../sample.ts";
import { BINANCE_MARKETS } from "./markets.ts";
import { ReplayedMarket } from "./replayed.ts";

describe("ReplayedMarket", () => {
  it("its book is that of the update just given, however many are due at once", () => {
    const [spec] = BINANCE_MARKETS.BINANCE_USDM.symbols;
    const file = SAMPLE_FILES.find((path) => path.includes("-usdm-"));
    if (spec === undefined || file === undefined) throw new Error("no USD-M sample");
    const sample = loadSample([file]);
    /** Best levels after each depth message, looked at each `stepMs`. */
    const books = (stepMs: number): string[] => {
      const market = new ReplayedMarket(spec, sample, "usdm");
      const out: string[] = [];
      for (let ms = 0; ms <= 3_000; ms += stepMs) {
        for (const update of market.due(ms)) {
          if (update.kind !== "depth") continue;
          expect(market.lastId).toBe(update.last);
          out.push(`${update.last} ${JSON.stringify(market.levels(3))}`);
        }
      }
      return out;
    };
    const fine = books(1);
    expect(fine.length).toBeGreaterThan(20);
    expect(books(1_500)).toEqual(fine);
  });
});
