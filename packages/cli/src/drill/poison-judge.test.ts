import { describe, expect, it } from "vitest";
import { judge, median, p99, type Round } from "./poison-judge.ts";

const round = (over: Partial<Round> = {}): Round => ({
  ...{
    name: "loop under process",
    cleanP99Us: 100,
    poisonedP99Us: 100,
    samples: 9,
    refused: [0, 0],
  },
  ...{ looks: 4, unwell: 0, stopped: true, stoppedMs: 900, ways: 9, untried: false, escapes: [] },
  ...over,
});
const failed = (rounds: readonly Round[], pairsMin = 1): string[] =>
  judge(rounds, pairsMin)
    .checks.filter(({ ok }) => !ok)
    .map(({ name }) => name);

describe("the judge of the poison drill [A11] [A12]", () => {
  it("takes the median over the pairs: one bad round is noise, most of them are not", () => {
    const bad = round({ poisonedP99Us: 900 });
    expect(failed([round(), bad, round()])).toEqual([]);
    expect(failed([bad, bad, round()])).toEqual(["neighbour_p99_growth_percent"]);
    expect(failed([round({ poisonedP99Us: 125 })])).toEqual([]);
    expect(failed([round({ poisonedP99Us: 126 })])).toEqual(["neighbour_p99_growth_percent"]);
  });
  it.each([
    [{ unwell: 1 }, "gateway_affected"],
    [{ stopped: false }, "not_stopped_in_bound"],
    [{ escapes: ["tcp"] }, "escapes"],
    [{ stopped: null }, "not_stopped_in_bound_of"],
    [{ ways: 0 }, "escapes_of"],
    [{ untried: true }, "deeds_not_done"],
  ])("%o fails %s", (over, name) => {
    expect(failed([round(over)])).toEqual([name]);
  });
  it("too few pairs fail, and so does a round without a measured intent", () => {
    expect(failed([round()], 2)).toEqual(["neighbour_p99_growth_percent_of"]);
    expect(failed([round({ cleanP99Us: p99([]) })])).toEqual(["neighbour_p99_growth_percent"]);
  });
  it("median and p99 by hand", () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, Number.NaN]);
    const hundred = Array.from({ length: 100 }, (_, at) => at + 1);
    expect([p99(hundred), p99([7])]).toEqual([99, 7]);
  });
});
