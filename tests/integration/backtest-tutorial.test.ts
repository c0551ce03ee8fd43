import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/tutorial/from-data-to-backtest.md"), "utf8");
/** A folder of its own with the samples, so that what the page leaves behind is not the checkout's. */
const dir = mkdtempSync(join(tmpdir(), "tutorial-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe("the tutorial `from data to a backtest` [B099]", () => {
  it("its commands run as printed, in their order", () => {
    symlinkSync(join(root, "data"), join(dir, "data"));
    mkdirSync(join(dir, "var"));
    const [, spec = ""] = /```json\n([\s\S]*?)```/.exec(page) ?? [];
    writeFileSync(join(dir, "var/spec.json"), spec);
    const commands = [...page.matchAll(/^\.\/hft (.+)$/gm)].map(([, text = ""]) => text);
    expect(commands).toHaveLength(8);
    for (const command of commands) {
      const words = [join(root, "packages/cli/src/main.ts"), ...command.split(" ")];
      const ran = spawnSync(process.execPath, words, { cwd: dir, encoding: "utf8" });
      // Two runs of other latencies differ, which `compare` says by its end.
      const want = command.startsWith("backtest compare") ? 1 : 0;
      expect([command, ran.status, want === 0 ? "" : ran.stderr], ran.stderr).toEqual([
        command,
        want,
        "",
      ]);
      if (want === 1) expect(ran.stdout).toContain("fills part at row");
    }
    expect(existsSync(join(dir, "var/first/report.html"))).toBe(true);
    const ranked = JSON.parse(readFileSync(join(dir, "var/sweep/sweep.json"), "utf8")) as unknown[];
    expect(ranked).toHaveLength(6);
  }, 240_000);
});
