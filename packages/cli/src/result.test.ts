import { describe, expect, it } from "vitest";
import { check, result, resultTable } from "./result.ts";

describe("result", () => {
  it.each([
    ["=", 3, 3, true],
    ["=", 3, 4, false],
    ["<", 3, 3, false],
    ["<=", 3, 3, true],
    [">", 4, 3, true],
    [">=", 2, 3, false],
  ] as const)("a check with %s holds %d against %d: %s", (op, value, bound, ok) => {
    expect(check("x", value, op, bound).ok).toBe(ok);
  });

  it("a value that is not a number never holds", () => {
    expect(check("x", Number.NaN, ">=", 0).ok).toBe(false);
    expect(check("x", Number.POSITIVE_INFINITY, ">", 0).ok).toBe(false);
  });

  it("ok is computed from the checks, and none is not ok", () => {
    expect(result("c", [], {}).ok).toBe(false);
    expect(result("c", [check("a", 1, "=", 1)], {}).ok).toBe(true);
    expect(result("c", [check("a", 1, "=", 1), check("b", 1, "=", 2)], {}).ok).toBe(false);
  });

  it("the table names the failed check", () => {
    const table = resultTable(result("c", [check("lost_orders", 2, "=", 0)], {}));
    expect(table).toContain("FAILED  lost_orders  2  = 0");
    expect(table.endsWith("c: FAILED")).toBe(true);
  });
});
