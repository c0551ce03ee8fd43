import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UnitsError } from "./errors.ts";
import {
  formatIntentId,
  formatMoney,
  formatPx,
  formatQty,
  intentId,
  intentIdParts,
  notional,
  type PxTicks,
  parseMoney,
  parsePx,
  parseQty,
  type QtyLots,
  safeInteger,
} from "./units.ts";

function faultOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof UnitsError) return error.fault.code;
    throw error;
  }
  return "none";
}

describe("parsePx()", () => {
  const quarter = { pxScale: 2, tickUnits: 25n };

  it.each([
    ["187.0200", { pxScale: 4, tickUnits: 100n }, 18_702],
    ["187.02", { pxScale: 4, tickUnits: 100n }, 18_702],
    ["-0.25", quarter, -1],
    ["0", quarter, 0],
    ["61800.20", { pxScale: 1, tickUnits: 1n }, 618_002],
    ["90071992547409.91", { pxScale: 2, tickUnits: 1n }, Number.MAX_SAFE_INTEGER],
  ])("reads %s exactly", (text, grid, ticks) => {
    expect(parsePx(text, grid)).toBe(ticks);
  });

  it.each([
    ["187.025", { pxScale: 2, tickUnits: 1n }, "PX_OFF_TICK"],
    ["0.30", quarter, "PX_OFF_TICK"],
    ["1e5", quarter, "PX_MALFORMED"],
    ["", quarter, "PX_MALFORMED"],
    [".5", quarter, "PX_MALFORMED"],
    ["1.", quarter, "PX_MALFORMED"],
    ["+1", quarter, "PX_MALFORMED"],
    [" 1", quarter, "PX_MALFORMED"],
    ["NaN", quarter, "PX_MALFORMED"],
    ["1\n", quarter, "PX_MALFORMED"],
    ["9".repeat(65), quarter, "PX_MALFORMED"],
    ["90071992547409.92", { pxScale: 2, tickUnits: 1n }, "INTEGER_UNSAFE"],
    ["1", { pxScale: 19, tickUnits: 1n }, "SCALE_MALFORMED"],
    ["1", { pxScale: 2, tickUnits: 0n }, "SCALE_MALFORMED"],
  ])("refuses %j by name", (text, grid, code) => {
    expect(faultOf(() => parsePx(text, grid))).toBe(code);
  });

  it("says what is wanted", () => {
    expect(() => parsePx("187.025", { pxScale: 2, tickUnits: 1n })).toThrow(
      '[PX_OFF_TICK] Cannot read px "187.025": want a multiple of 0.01',
    );
  });
});

it("parseQty() refuses what no order can have", () => {
  const grid = { qtyScale: 3, lotUnits: 5n };
  expect(parseQty("0.010", grid)).toBe(2);
  expect(faultOf(() => parseQty("-0.010", grid))).toBe("QTY_MALFORMED");
  expect(faultOf(() => parseQty("-0", grid))).toBe("QTY_MALFORMED");
  expect(faultOf(() => parseQty("0.011", grid))).toBe("QTY_OFF_LOT");
  expect(faultOf(() => parseMoney("0.000000001"))).toBe("MONEY_MALFORMED");
});

const grids = fc.record({ scale: fc.integer({ min: 0, max: 12 }), unit: fc.bigInt(1n, 1000n) });
const ticks = fc.integer({ min: -(2 ** 50), max: 2 ** 50 });

it("text of a px, a qty and an amount reads back the same, whatever the grid", () => {
  fc.assert(
    fc.property(ticks, grids, (n, { scale, unit }) => {
      const px = { pxScale: scale, tickUnits: unit };
      expect(parsePx(formatPx(n as PxTicks, px), px)).toBe(n);
      const qty = { qtyScale: scale, lotUnits: unit };
      const lots = Math.abs(n) as QtyLots;
      expect(parseQty(formatQty(lots, qty), qty)).toBe(lots);
      const money = BigInt(n) * unit;
      expect(parseMoney(formatMoney(money as never))).toBe(money);
    }),
  );
});

it("notional() is exact where a double is not", () => {
  const px = 9_007_199_254_740_991 as PxTicks;
  const qty = 9_007_199_254_740_991 as QtyLots;
  expect(notional(px, qty, 10n)).toBe(9_007_199_254_740_991n ** 2n * 10n);
});

it("an intent id keeps its parts", () => {
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
  const u64 = fc.bigInt(0n, (1n << 64n) - 1n);
  fc.assert(
    fc.property(u32, u32, u64, (strategyId, sessionEpoch, sequence) => {
      const id = intentId(strategyId, sessionEpoch, sequence);
      expect(intentIdParts(id)).toEqual({ strategyId, sessionEpoch, sequence });
      expect(BigInt(`0x${formatIntentId(id)}`)).toBe(id);
    }),
  );
});

it("safeInteger() refuses the first integer a number cannot tell from its neighbour", () => {
  expect(safeInteger(2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
  expect(faultOf(() => safeInteger(2n ** 53n))).toBe("INTEGER_UNSAFE");
  expect(faultOf(() => safeInteger(-(2n ** 53n)))).toBe("INTEGER_UNSAFE");
});
