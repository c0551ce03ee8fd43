import { expect, it } from "vitest";
import { z } from "zod";
import {
  type AnyStrategy,
  checkParams,
  createHarness,
  defineStrategy,
  StrategyError,
} from "./index.ts";

const params = z.object({ px: z.number().int().min(1), instrument: z.number().int().default(2) });
const make = (seen: unknown[]) =>
  defineStrategy({
    id: "reloads",
    params,
    fixedParams: ["instrument"],
    onBookTop: (ctx) => void seen.push(ctx.params.px),
    onParams: (ctx, was) => void seen.push(`${was.px} to ${ctx.params.px}`),
  });

it("handlers see new params from the next event on, and are told of the old [B069]", () => {
  const seen: unknown[] = [];
  const h = createHarness(make(seen), { params: { px: 1 } });
  h.top(2, { bidPxTicks: 100, askPxTicks: 101 });
  const checked = h.host.checkParams({ px: 7 });
  // Looking at them changes nothing.
  h.top(2, { bidPxTicks: 100, askPxTicks: 101 });
  if (!checked.ok) throw new Error(checked.why);
  h.host.reload(0, checked.params);
  h.top(2, { bidPxTicks: 100, askPxTicks: 101 });
  expect(seen).toEqual([1, 1, "1 to 7", 7]);
});

it("what the schema refuses, or changes what is fixed, is named [B069]", () => {
  const check = (given: unknown) => checkParams(make([]), { px: 1, instrument: 2 }, given);
  expect(check({ px: 0 })).toMatchObject({ ok: false, why: expect.stringContaining("px: ") });
  expect(check({ px: 5, instrument: 3 })).toEqual({
    ok: false,
    why: "not changed while it runs: instrument is 2 and not 3; start the strategy anew for that",
  });
  // Left out it is what the schema makes of it: the same.
  expect(check({ px: 5 })).toEqual({ ok: true, params: { px: 5, instrument: 2 } });
  const off = { ...make([]), fixedParams: "px" } as unknown as AnyStrategy;
  expect(() => defineStrategy(off)).toThrow(StrategyError);
});

it("a handler that throws at them is counted, and they hold", () => {
  const strategy = defineStrategy({
    id: "throws",
    params,
    onParams() {
      throw new Error("no");
    },
  });
  const h = createHarness(strategy, { params: { px: 1 } });
  h.host.reload(0, { px: 2, instrument: 2 });
  expect(h.host.stats.exceptions).toBe(1);
  expect(h.host.checkParams({ px: 3, instrument: 2 }).ok).toBe(true);
});
