import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  expectedIds,
  HEADER,
  namesRow,
  parseLedger,
  type Row,
  statusTable,
  unproven,
} from "./acceptance.ts";
import type { TestCase } from "./test/parse.ts";

const root = new URL("../../../", import.meta.url);
const text = readFileSync(new URL("docs/acceptance.tsv", root), "utf8");
const passed = (name: string): TestCase => ({ runner: "vitest", name, status: "passed" });
const row = (change: Partial<Row>): Row => ({
  id: "A10",
  feature: "bus",
  status: "proven",
  proof: ["test:bus > gap"],
  missing: "",
  ...change,
});

describe("the acceptance ledger", () => {
  it("has one row for each of A01–A50 and B001–B105", () => {
    expect(parseLedger(text)).toHaveLength(155);
    expect(expectedIds()).toHaveLength(155);
  });

  it("README's status table is made from it", () => {
    const readme = readFileSync(new URL("README.md", root), "utf8");
    expect(readme).toContain(statusTable(parseLedger(text)));
  });

  it.each([
    ["a wrong header", `x\n`, "line 1"],
    ["a status of its own", `${HEADER}\nA01\tx\tdone\t\t\n`, 'status "done"'],
    ["a claim without proof", `${HEADER}\nA01\tx\tproven\t\t\n`, "without a proof"],
    [
      "an open row that does not say what is missing",
      `${HEADER}\nA01\tx\topen\t\t\n`,
      "what is missing",
    ],
    ["a proof of another kind", `${HEADER}\nA01\tx\tproven\ttrust me\t\n`, "want test:NAME"],
    ["a row out of order", `${HEADER}\nA02\tx\topen\t\tall\n`, "want A01"],
    ["a short line", `${HEADER}\nA01\tx\n`, "want 5"],
  ])("refuses %s", (_, ledger, message) => {
    expect(() => parseLedger(ledger)).toThrow(message);
  });

  it("a claim is proven by a passed test that names the row", () => {
    expect(unproven([row({})], [passed("bus > gap [A10]")], () => null)).toEqual([]);
  });

  it.each([
    ["no such test", []],
    ["no such test names [A10]", [passed("bus > gap")]],
    ["skipped: bus > gap [A10]", [{ ...passed("bus > gap [A10]"), status: "skipped" as const }]],
    ["failed: bus > gap [A10]", [{ ...passed("bus > gap [A10]"), status: "failed" as const }]],
  ])("finds a claim that nothing shows: %s", (why, cases) => {
    expect(unproven([row({})], cases, () => null)).toEqual([`A10 test:bus > gap: ${why}`]);
  });

  it("passes on why evidence does not hold", () => {
    expect(unproven([row({ proof: ["evidence:x.json"] })], [], () => "stale")).toEqual([
      "A10 evidence:x.json: stale",
    ]);
  });

  it.each([
    ["x [A10]", "A10", true],
    ["x [A01 A10, B086]", "B086", true],
    ["x [A100]", "A10", false],
    ["tidegate_bus::tests::a10_gap_is_exact", "A10", true],
    ["tidegate_bus::tests::ba10_gap", "A10", false],
  ])("%s names %s: %s", (name, id, named) => {
    expect(namesRow(name, id)).toBe(named);
  });
});
