import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Breaker, FLOODS_MAX, HALT_NS } from "./breaker.ts";
import { defineStrategy } from "./define.ts";
import { createHarness } from "./harness.ts";

describe("events that ask for more than there is room for [A12]", () => {
  it("DEGRADED at the first, HALTED at the third in a row, tried again after a minute", () => {
    const breaker = new Breaker();
    const states = Array.from({ length: FLOODS_MAX }, () => {
      breaker.onIntents(true, 5);
      return breaker.state;
    });
    expect(states).toEqual(["DEGRADED", "DEGRADED", "HALTED"]);
    expect([breaker.allows(4 + HALT_NS), breaker.allows(5 + HALT_NS)]).toEqual([false, true]);
    expect(breaker.state).toBe("DEGRADED");
  });
  it("an event whose intents all left ends the row", () => {
    const breaker = new Breaker();
    for (const flooded of [true, true, false, true, true]) breaker.onIntents(flooded, 0);
    expect(breaker.state).toBe("DEGRADED");
  });
  it("a strategy that floods is halted, its orders cancelled; one at its bound is not", () => {
    const flooder = (each: number) =>
      defineStrategy({
        id: "flooder",
        params: z.object({}),
        onBookTop(ctx, top) {
          for (let n = 0; n < each; n += 1) ctx.buy(top.instrument, 100, 1);
        },
      });
    const run = (each: number) => {
      const h = createHarness(flooder(each), { maxIntentsPerEvent: 4 });
      for (let n = 0; n < 5; n += 1) h.top(1, { bidPxTicks: 100, askPxTicks: 101 });
      return [h.host.breaker, h.orders.length, h.open().length];
    };
    expect(run(5)).toEqual(["HALTED", 12, 0]);
    expect(run(4)).toEqual(["NORMAL", 20, 20]);
  });
});
