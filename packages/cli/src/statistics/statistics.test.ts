import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Comparisons } from "./compare.ts";
import { plain } from "./plain.ts";
import { PLANT_NAMES, subjectOf } from "./plants.ts";
import { published } from "./published.ts";
import { programFigures, type Reference } from "./recorded.ts";

const golden = new URL("../../../research/golden/reference.json", import.meta.url);
const reference = JSON.parse(readFileSync(golden, "utf8")) as Reference;

/** Everything that needs no recorded file, with fewer draws. */
function compared(plant: string | undefined) {
  const subject = subjectOf(plant);
  if (subject === undefined) throw new Error(`no plant ${plant}`);
  const to = new Comparisons();
  published(subject, to);
  plain(subject, to, 4_000);
  programFigures(subject, to, reference);
  return to.all;
}

describe("verify statistics", () => {
  it("published examples, plain models and other programs agree with every statistic", () => {
    const all = compared(undefined);
    expect(all.filter(({ ok }) => !ok)).toEqual([]);
    expect(all.length).toBeGreaterThan(350);
  });

  it.each(PLANT_NAMES)("the planted fault %s is noticed", (plant) => {
    expect(compared(plant).filter(({ ok }) => !ok).length).toBeGreaterThan(0);
  });

  it("a name that is no plant is none", () => {
    expect(subjectOf("nothing")).toBeUndefined();
  });

  it("a printed figure holds to half of its last digit, an undefined one only to another", () => {
    const to = new Comparisons();
    to.printed("inside", 0.11324, "0.1132");
    to.printed("outside", 0.11326, "0.1132");
    to.printed("small", 0.02264, "2.264e-2");
    to.printed("small, outside", 0.022646, "2.264e-2");
    to.same("both undefined", null, null);
    to.same("one undefined", null, 0);
    expect(to.all.map(({ ok }) => ok)).toEqual([true, false, true, false, true, false]);
  });
});
