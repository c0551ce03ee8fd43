import { describe, expect, it } from "vitest";
import { difference, type RunFacts, verdict } from "./verdict.ts";

const good: RunFacts = {
  gateway: {
    intents: 200,
    notTerminal: 0,
    fills: 3,
    positions: new Map([[2, 5n]]),
    cash: new Map([["2:USDT", -309_000_000_000n]]),
  },
  venue: {
    orders: 90,
    duplicates: 0,
    fills: 3,
    positions: new Map([[2, 5n]]),
    cash: new Map([["2:USDT", -309_000_000_000n]]),
  },
  wal: { records: 20_000, marketEvents: 19_000, gapsUnaccounted: 0, gapsAccounted: 0, ok: true },
  clickhouseRows: 20_000,
  processes: 8,
  restarts: 0,
  restartsUnasked: 0,
  killsPlanned: 0,
};
const failed = (facts: RunFacts, minutes = 1, shipped = true): string[] =>
  verdict(facts, { minutes, shipped })
    .filter((each) => !each.ok)
    .map((each) => each.name);

describe("the verdict of a run", () => {
  it("holds for a run whose books agree", () => {
    expect(failed(good)).toEqual([]);
  });

  it.each<[string, Partial<RunFacts>]>([
    ["processes", { processes: 7 }],
    ["market_events", { wal: { ...good.wal, marketEvents: 5_000 } }],
    ["intents", { gateway: { ...good.gateway, intents: 50 } }],
    ["orders", { venue: { ...good.venue, orders: 20 } }],
    ["duplicates_at_venue", { venue: { ...good.venue, duplicates: 1 } }],
    ["position_difference", { venue: { ...good.venue, positions: new Map([[2, 4n]]) } }],
    [
      "cash_difference",
      { venue: { ...good.venue, cash: new Map([["2:USDT", -308_999_999_999n]]) } },
    ],
    ["intents_not_terminal", { gateway: { ...good.gateway, notTerminal: 1 } }],
    ["gaps_unaccounted", { wal: { ...good.wal, gapsUnaccounted: 1 } }],
    ["wal_faults", { wal: { ...good.wal, ok: false } }],
    ["wal_minus_clickhouse_rows", { clickhouseRows: 19_999 }],
    ["wal_minus_clickhouse_rows", { clickhouseRows: 20_001 }],
    ["restarts_unasked", { restartsUnasked: 1 }],
    ["restarts", { killsPlanned: 3, restarts: 2 }],
  ])("%s fails when it should", (name, change) => {
    expect(failed({ ...good, ...change })).toEqual([name]);
  });

  it("no fill in a whole minute fails, in a short smoke run it is not asked for", () => {
    const none = {
      ...good,
      gateway: { ...good.gateway, fills: 0 },
      venue: { ...good.venue, fills: 0 },
    };
    expect(failed(none)).toEqual(["fills"]);
    expect(failed(none, 0.2)).toEqual([]);
  });

  it("how much another strategy trades is its own affair; that the books agree is not", () => {
    const quiet: RunFacts = {
      ...good,
      gateway: { ...good.gateway, intents: 0, fills: 0 },
      venue: { ...good.venue, orders: 0, fills: 0 },
    };
    expect(failed(quiet, 1, false)).toEqual([]);
    expect(failed({ ...quiet, gateway: { ...quiet.gateway, fills: 1 } }, 1, false)).toEqual([
      "fills_difference",
    ]);
    expect(failed({ ...good, wal: { ...good.wal, marketEvents: 0 } }, 1, false)).toEqual([
      "market_events",
    ]);
  });

  it("without ClickHouse its check is left out, not passed", () => {
    expect(
      verdict({ ...good, clickhouseRows: null }, { minutes: 1, shipped: true }).map(
        (each) => each.name,
      ),
    ).not.toContain("wal_minus_clickhouse_rows");
  });

  it("difference counts keys that only one side has", () => {
    expect(difference(new Map([["a", 2n]]), new Map([["b", -3n]]))).toBe(5n);
  });
});
