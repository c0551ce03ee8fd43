import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { busiestMinute, dayFiles } from "./ingest.ts";
import { compareNames } from "./judge.ts";
import { FAULTS, planOf } from "./plan.ts";

describe("the plan of the loader drill", () => {
  it("follows from its seed, meets each fault in the first five cycles, and each in its share", () => {
    expect(planOf(100, 3)).toEqual(planOf(100, 3));
    expect(planOf(100, 3)).not.toEqual(planOf(100, 4));
    for (let seed = 0; seed < 50; seed += 1)
      expect(new Set(planOf(5, seed).map(({ fault }) => fault))).toEqual(new Set(FAULTS));
    const plan = planOf(500, 1);
    const count = (name: string) => plan.filter(({ fault }) => fault === name).length;
    expect(FAULTS.map(count)).toEqual([125, 100, 125, 75, 75]);
    // A lost answer each few dozen never comes at all, and that is an insert's.
    const swallowed = plan.filter((each) => each.swallowed);
    expect(swallowed.length).toBe(4);
    expect(swallowed.every(({ other }) => !other)).toBe(true);
    expect(plan.every(({ at }) => at >= 0 && at < 1)).toBe(true);
  });
});

describe("rows held against the WAL", () => {
  it("names are missing, twice or strange", () => {
    expect(compareNames(["1", "2", "3"], ["3", "1", "2"])).toEqual({
      wanted: 3,
      twice: 0,
      lost: 0,
      strange: 0,
    });
    expect(compareNames(["1", "2", "3"], ["3", "3", "3", "9", "9", "1"])).toEqual({
      wanted: 3,
      twice: 2,
      lost: 1,
      strange: 2,
    });
  });
});

describe("the busiest minute of a recorded day", () => {
  it("is over all captures together, at most one row a message and the repeats of each quiet book", async () => {
    const dir = mkdtempSync(join(tmpdir(), "ingest-"));
    const line = (second: number) =>
      `${1_723_161_240_000_000_000n + BigInt(second) * 10n ** 9n} {}\n`;
    const lines = (...seconds: number[]) => seconds.map(line).join("");
    writeFileSync(join(dir, "a.jsonl"), lines(0, 1, 59, 60, 61));
    writeFileSync(join(dir, "b.jsonl"), lines(60, 119, 120, 121, 122));
    const files = ["a", "b"].map((name) => join(dir, `${name}.jsonl`));
    // Minute 0 has three, minute 1 two of each, minute 2 three.
    expect(await busiestMinute(files)).toMatchObject({
      messages: 4,
      rowsPerSecond: (4 + 2 * 150) / 60,
      minute: "2024-08-08T23:55:00.000Z",
    });
    rmSync(dir, { recursive: true });
  });

  it("without the reference data is that of the samples", () => {
    const root = fileURLToPath(new URL("../../../../../", import.meta.url));
    const files = dayFiles(root, undefined);
    expect(files.length).toBe(2);
    expect(files.every((file) => file.includes("data/samples"))).toBe(true);
    expect(dayFiles(root, join(root, "no-such-folder"))).toEqual(files);
  });
});
