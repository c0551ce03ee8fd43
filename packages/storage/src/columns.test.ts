import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readColumns, writeColumns } from "./columns.ts";

const dir = mkdtempSync(join(tmpdir(), "columns-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe("columns as Parquet", () => {
  it("come back as they went, empty ones with their names", async () => {
    const path = join(dir, "a.parquet");
    writeColumns(path, [
      { name: "ns", type: "int64", data: [1_723_161_255_208_000_001n, -1n] },
      { name: "px", type: "double", data: [0.1, -2.5] },
      { name: "who", type: "text", data: ["a", "ü"] },
    ]);
    expect(await readColumns(path)).toEqual([
      { ns: 1_723_161_255_208_000_001n, px: 0.1, who: "a" },
      { ns: -1n, px: -2.5, who: "ü" },
    ]);
    const none = join(dir, "none.parquet");
    writeColumns(none, [{ name: "ns", type: "int64", data: [] }]);
    expect(await readColumns(none)).toEqual([]);
  });

  it("a column that is shorter or of another kind is refused by name", () => {
    const path = join(dir, "bad.parquet");
    const ns = { name: "ns", type: "int64", data: [1n, 2n] } as const;
    expect(() => writeColumns(path, [ns, { name: "px", type: "double", data: [1] }])).toThrow(
      "column px: 1 values; want 2",
    );
    expect(() => writeColumns(path, [{ ...ns, data: [1n, 2] }])).toThrow("column ns, row 1");
  });
});
