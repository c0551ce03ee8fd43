import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { tableHash } from "./hash.ts";
import { readTable } from "./row.ts";

/** A table with a row of each kind and its hash; the core's own test reads both. */
const fixture = (name: string) =>
  fileURLToPath(
    new URL(`../../rust-core/crates/instruments/tests/fixtures/${name}`, import.meta.url),
  );
const table = readTable(fixture("every-kind.json"));

describe("the hash of an instrument table [A03]", () => {
  it("is the core's, bit by bit", () => {
    expect(tableHash(table)).toBe(readFileSync(fixture("every-kind.blake3"), "utf8").trim());
  });

  it("sees every field and the version, and no order of rows", () => {
    const turned = { ...table, instruments: [...table.instruments].reverse() };
    expect(tableHash(turned)).toBe(tableHash(table));
    expect(tableHash({ ...table, version: table.version + 1 })).not.toBe(tableHash(table));
    const [first, ...rest] = table.instruments;
    if (first === undefined) throw new Error("the fixture is empty");
    const seen = new Set([tableHash(table)]);
    for (const [key, value] of Object.entries(first)) {
      const other = key === "kind" ? "equity" : typeof value === "number" ? value + 1 : `${value}X`;
      seen.add(tableHash({ ...table, instruments: [{ ...first, [key]: other }, ...rest] }));
    }
    seen.add(tableHash({ ...table, instruments: [{ ...first, expiry: 20_260_520 }, ...rest] }));
    seen.add(tableHash({ ...table, instruments: [{ ...first, multiplier: 2 }, ...rest] }));
    expect(seen.size).toBe(Object.keys(first).length + 3);
  });
});
