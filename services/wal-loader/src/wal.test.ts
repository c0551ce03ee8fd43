import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readGroup, START } from "./core.ts";
import { openWal } from "./wal.ts";

it("a WAL folder that is not there yet, or is empty, has nothing to load", () => {
  const dir = mkdtempSync(join(tmpdir(), "wal-"));
  for (const path of [join(dir, "none"), dir]) {
    const wal = openWal(path);
    expect(wal.first()).toBeNull();
    expect(readGroup(wal, START)).toBeNull();
    expect(wal.read({ segment: 1, offset: 0 })).toBeNull();
  }
  rmSync(dir, { recursive: true });
});
