import { describe, expect, it } from "vitest";
import { type Request, silences, windows } from "./rate-limit-judge.ts";

const request = (ts: number, over: Partial<Request> = {}): Request => ({
  ...{ ts, m: "spot", op: "order.place", key: "sim", weight: 1, orders: 1, status: 200 },
  ...{ stampMs: ts, blockedUntilMs: null },
  ...over,
});
const orders = { name: "orders", windowMs: 100, max: 2, of: (r: Request) => r.orders };

describe("the judge of the rate drill [B018]", () => {
  it("looks at every sliding window, not at those of a grid", () => {
    // No grid of 100 ms holds more than two; the window (1, 101] does.
    const at = [20, 99, 101, 199].map((ts) => request(ts));
    expect(windows(at, orders)).toEqual({ judged: 4, over: 1, most: 3 });
  });

  it("a window is half open: what is a whole window old is out of it", () => {
    expect(
      windows(
        [0, 0, 100].map((ts) => request(ts)),
        orders,
      ).over,
    ).toBe(0);
    expect(
      windows(
        [0, 0, 99].map((ts) => request(ts)),
        orders,
      ).over,
    ).toBe(1);
  });

  it("takes the lines in any order, refused ones too, and leaves out what costs nothing", () => {
    const some = [
      request(50),
      request(10, { status: 429 }),
      request(60, { orders: 0 }),
      request(20),
    ];
    expect(windows(some, orders)).toEqual({ judged: 3, over: 1, most: 3 });
  });
});

describe("silence [B019]", () => {
  const blocked = (ts: number, over: Partial<Request> = {}) =>
    request(ts, { status: 429, blockedUntilMs: 1_000, ...over });

  it("the first answer of a block tells its sender; what it sends after that is early", () => {
    const lines = [blocked(100), blocked(150), blocked(351, { stampMs: 349 }), blocked(352)];
    expect(silences(lines, 250)).toEqual({ met: { "429": 1, "418": 0 }, early: 1, crossed: 2 });
  });

  it("another sender is told by its own answer, and another block is another word", () => {
    const lines = [
      blocked(100),
      blocked(600, { key: "other" }),
      blocked(2_000, { blockedUntilMs: 3_000, status: 418 }),
      request(4_000),
    ];
    expect(silences(lines, 0)).toEqual({ met: { "429": 2, "418": 1 }, early: 0, crossed: 0 });
  });
});
