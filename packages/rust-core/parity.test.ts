/** The addon gives what the pure Rust cores give: vectors that Rust tests of each core hold to, made again through Node. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type FeatureEvent, featureRows, featureSets, SimMarket } from "./index.ts";

const vectors = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`./parity/${name}.json`, import.meta.url), "utf8")) as T;

describe("the feature kernels through the addon", () => {
  const { sets, events, cases } = vectors<{
    sets: readonly (readonly [string, number])[];
    events: readonly FeatureEvent[];
    cases: readonly {
      readonly profile: {
        readonly set: string;
        readonly levels: number;
        readonly staleAfterMs: number;
      };
      readonly rows: readonly (readonly [readonly number[], number, number, number])[];
    }[];
  }>("features");

  it("the registry is the same, hash by hash [B073 B074]", () => {
    expect(featureSets().map(({ name, hash }) => [name, hash])).toEqual(sets);
  });

  it.each(cases)(
    "$profile.set of $profile.levels levels: row by row [B074]",
    ({ profile, rows }) => {
      const got = featureRows(profile, events).map(({ values, flags, warm, changed }) => [
        values,
        flags,
        warm,
        changed,
      ]);
      expect(got).toEqual(rows);
    },
  );

  it("what is no profile or no event is refused by name, and the next call is fine [B074]", () => {
    const profile = { set: "lob_basic_v1", levels: 5, staleAfterMs: 5_000 };
    expect(() => featureRows({ ...profile, set: "x" }, [])).toThrow("no such feature set");
    expect(() => featureRows({ ...profile, levels: 6 }, [])).toThrow("levels 6");
    expect(() => featureRows(profile, [{ bids: [], asks: [], tsNs: "x" }])).toThrow("event 0");
    expect(() => featureRows(profile, [{ bids: [[0.5, 1]], asks: [], tsNs: "1" }])).toThrow(
      "event 0",
    );
    expect(featureRows(profile, [])).toEqual([]);
  });
});

describe("the matching core through the addon", () => {
  type Call = readonly [keyof SimMarket, string, number, unknown];
  const { config, calls } = vectors<{ config: string; calls: readonly Call[] }>("matching");

  it("answers every call as the pure core, to the byte [B074]", () => {
    const market = new SimMarket(config);
    for (const [at, [method, text, timeMs, want]] of calls.entries()) {
      const got =
        method === "onMarket"
          ? market.onMarket(Buffer.from(text), timeMs)
          : method === "snapshotDepth"
            ? market.snapshotDepth(10)
            : method === "place" || method === "cancel" || method === "query"
              ? market[method](text)
              : (market[method] as () => unknown)();
      expect(got, `call ${at}: ${method} ${text}`).toBe(want);
    }
  });
});
