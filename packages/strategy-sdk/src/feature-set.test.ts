import { describe, expect, it } from "vitest";
import { z } from "zod";
import { defineStrategy } from "./define.ts";
import { featureSetHash, parseFeatureSet } from "./feature-set.ts";
import { createHarness } from "./harness.ts";
import { BookState, type Context } from "./types.ts";

const known = [
  { name: "lob_basic_v1", hash: 251_653_267 },
  { name: "lob_shared_v3", hash: 808_661_320 },
];

describe("a declared feature set", () => {
  it("is a name, a name with its hash, or a hash [B073]", () => {
    expect(parseFeatureSet("lob_basic_v1")).toEqual({ name: "lob_basic_v1", hash: null });
    expect(parseFeatureSet("a@4294967295")).toEqual({ name: "a", hash: 4_294_967_295 });
    expect(parseFeatureSet("7")).toEqual({ name: null, hash: 7 });
    for (const bad of ["", "A", "a@", "a@0", "@7", "07", "4294967296", "a b", "a@1@2"])
      expect(parseFeatureSet(bad), bad).toBeNull();
  });

  it("resolves to the hash of the registry, or is refused with what there is [B073]", () => {
    for (const good of ["lob_shared_v3", "lob_shared_v3@808661320", "808661320"])
      expect(featureSetHash(good, known)).toBe(808_661_320);
    expect(() => featureSetHash("lob_shared_v4", known)).toThrow("lob_shared_v3@808661320");
    expect(() => featureSetHash("lob_shared_v3@7", known)).toThrow("has hash 808661320 here");
    expect(() => featureSetHash("9", known)).toThrow("there is no such set");
    expect(() => featureSetHash("?", known)).toThrow("want a name");
  });

  it("that is none is refused with the definition [B073]", () => {
    const define = (featureSet: string) =>
      defineStrategy({ id: "x", params: z.object({}), featureSet, onTrade() {} });
    expect(() => define("No Set")).toThrow("featureSet");
    expect(define("lob_basic_v1").featureSet).toBe("lob_basic_v1");
  });
});

describe("a strategy built for one feature set", () => {
  const quoter = (seen: unknown[]) =>
    defineStrategy({
      id: "quoter",
      params: z.object({}),
      featureSet: "lob_shared_v3",
      onBookTop(ctx: Context, top) {
        seen.push([ctx.feature(top.instrument, 0), ctx.buy(1, 100, 1), ctx.refusal()]);
      },
      onSession: (_, { kind }) => void seen.push(kind),
    });
  const top = { bidPxTicks: 100, askPxTicks: 101, features: [42] };

  it("may not trade before its features have come, and reads them then [B073]", () => {
    const seen: unknown[] = [];
    const h = createHarness(quoter(seen), { featureSetHash: 808_661_320 });
    expect([h.host.ready, h.host.featureSet]).toEqual([false, "AWAITED"]);
    h.top(1, { ...top, features: [] });
    h.advance(1).advance(1);
    expect([h.host.ready, h.orders.length]).toEqual([false, 0]);
    h.top(1, top);
    h.advance(1).advance(1);
    h.top(1, top);
    expect(seen).toEqual([
      "START",
      [undefined, 0, "FEATURE_SET"],
      [42, 0, "NOT_READY"],
      "READY",
      [42, 1, "NONE"],
    ]);
    expect(h.host.featureSet).toBe("MATCHED");
  });

  it("is stopped for good, its orders cancelled, when features of another set come [B073]", () => {
    const seen: unknown[] = [];
    const h = createHarness(quoter(seen), { featureSetHash: 808_661_320 });
    h.top(1, top);
    h.advance(1).advance(1);
    h.top(1, top);
    expect(h.orders.length).toBe(1);
    seen.length = 0;
    h.top(1, { ...top, featureSetHash: 251_653_267 });
    expect(seen).toEqual(["NOT_READY", [undefined, 0, "FEATURE_SET"]]);
    expect(h.cancels.map(({ targetSeq }) => targetSeq)).toEqual([1]);
    expect([h.host.featureSet, h.host.featureSetSeen]).toEqual(["MISMATCH", 251_653_267]);
    expect(h.host.lastError).toMatch(/^FEATURE_SET_MISMATCH: .*251653267.*808661320.*restart/);
    h.top(1, top);
    h.advance(1).advance(1).advance(1);
    expect([h.host.ready, h.host.featureSet, h.orders.length]).toEqual([false, "MISMATCH", 1]);
  });

  it("loses no quote to a full link: what was not cancelled is cancelled later [B073]", () => {
    const h = createHarness(quoter([]), { featureSetHash: 808_661_320 });
    h.top(1, top);
    h.advance(1).advance(1);
    h.top(1, top);
    h.submitAnswer = 1;
    h.top(1, { ...top, featureSetHash: 5 });
    expect(h.cancels.length).toBe(0);
    h.submitAnswer = 0;
    h.advance(1);
    expect(h.cancels.length).toBe(1);
  });

  it("the control: without a declared set any features are taken, and a void book says nothing of sets", () => {
    const h = createHarness(quoter([]));
    h.top(1, { ...top, featureSetHash: 5 });
    expect([h.host.featureSet, h.orders.length]).toEqual(["NONE", 1]);
    const own = createHarness(quoter([]), { featureSetHash: 808_661_320 });
    own.top(1, top).top(1, { ...top, features: [], featureSetHash: 0, state: BookState.INVALID });
    expect(own.host.featureSet).toBe("MATCHED");
  });
});
