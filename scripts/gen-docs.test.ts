import { describe, expect, it } from "vitest";
import { PAGES, stale } from "./gen-docs.ts";

describe("pages made from code", () => {
  it("are up to date (else: node scripts/gen-docs.ts)", () => {
    expect(stale()).toEqual([]);
  });

  it("the reason page tells what to do for every code", () => {
    const page = PAGES.get("docs/reference/reason-codes.md")?.() ?? "";
    expect(page).toContain("`HALT`");
    expect(
      page.split("\n").filter((line) => /^\| \d+ /.test(line) && / \| {2}\|$/.test(line)),
    ).toEqual([]);
  });
});
