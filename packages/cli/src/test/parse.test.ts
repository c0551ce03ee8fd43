import { describe, expect, it } from "vitest";
import { parseCargo, parseSkips, parseVitest, skipsNotListed } from "./parse.ts";

const cargo = `
     Running unittests src/lib.rs (target/debug/deps/tidegate_units-e00a4ac4f1d0c5ce)

running 3 tests
test tests::a ... ok
test tests::b ... FAILED
test tests::c ... ignored, needs data

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests tidegate_units

running 1 test
test packages/x.rs - y (line 3) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
`;

describe("reading what the test runners say", () => {
  it("cargo: every case with its target and status", () => {
    expect(parseCargo(cargo)).toEqual([
      { runner: "cargo", name: "tidegate_units::tests::a", status: "passed" },
      { runner: "cargo", name: "tidegate_units::tests::b", status: "failed" },
      { runner: "cargo", name: "tidegate_units::tests::c", status: "skipped" },
      { runner: "cargo", name: "tidegate_units::packages/x.rs - y (line 3)", status: "passed" },
    ]);
  });

  it("cargo: a target that died before its summary is a failure", () => {
    const cut = cargo.slice(0, cargo.indexOf("test tests::b"));
    expect(parseCargo(cut).at(-1)).toEqual({
      runner: "cargo",
      name: "tidegate_units (did not finish)",
      status: "failed",
    });
  });

  it("vitest: cases by file, and a file that did not load is a failure", () => {
    const report = JSON.stringify({
      testResults: [
        {
          name: "/r/a.test.ts",
          status: "passed",
          assertionResults: [
            { fullName: "x y", status: "passed" },
            { fullName: "z", status: "pending" },
          ],
        },
        { name: "/r/b.test.ts", status: "failed", message: "syntax", assertionResults: [] },
      ],
    });
    expect(parseVitest(report, "/r").map((each) => [each.name, each.status])).toEqual([
      ["a.test.ts > x y", "passed"],
      ["a.test.ts > z", "skipped"],
      ["b.test.ts (did not load)", "failed"],
    ]);
  });

  it("a skip without its reason in the list is found", () => {
    const skips = parseSkips("test\treason\nneeds-data\tno reference data there\n");
    const cases = ["x needs-data", "y"].map((name) => ({
      runner: "vitest" as const,
      name,
      status: "skipped" as const,
    }));
    expect(skipsNotListed(cases, skips).map((each) => each.name)).toEqual(["y"]);
    expect(() => parseSkips("h\nonly-a-name\n")).toThrow("wants a name part");
  });
});
