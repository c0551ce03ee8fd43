import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
let copy: string;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), "proto-"));
  cpSync(join(root, "proto"), copy, { recursive: true });
});
afterEach(() => rmSync(copy, { recursive: true }));

/** The check `./hft lint` makes, of the copy against the baseline in force. */
function breaking(): { readonly status: number | null; readonly output: string } {
  const args = ["breaking", copy, "--against", join(root, "proto/baseline.binpb")];
  const { status, stdout, stderr } = spawnSync(join(root, "node_modules/.bin/buf"), args, {
    cwd: root,
    encoding: "utf8",
  });
  return { status, output: stdout + stderr };
}

/** Replaces exactly one place of the orders contract. */
function edit(what: RegExp, by: string): void {
  const file = join(copy, "tidegate/orders/v1/orders.proto");
  const text = readFileSync(file, "utf8");
  expect(text).toMatch(what);
  writeFileSync(file, text.replace(what, by));
}

describe("the contracts only grow", () => {
  it("as they stand they break nothing [B003]", () => {
    expect(breaking()).toEqual({ status: 0, output: "" });
  });

  it.each([
    ["a field taken away", /^ {2}\w+ \w+ = 3;.*$/m, "", "deleted"],
    ["a field of another type", /^ {2}uint64 (\w+) = /m, "  string $1 = ", "type"],
    ["a field of another name", /^ {2}uint64 \w+ = /m, "  uint64 renamed = ", "name"],
  ])("%s is refused [B003]", (_, what, by, word) => {
    edit(what, by);
    const { status, output } = breaking();
    expect(output).toContain(word);
    expect(status).not.toBe(0);
  });
});
