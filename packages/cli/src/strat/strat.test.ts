import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { UsageError } from "../sim/options.ts";
import { initStrategy, lintStrategies } from "./strat.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const made: string[] = [];
afterAll(() => {
  for (const each of made) rmSync(each, { recursive: true });
});

describe("hft init and hft strat [A11]", () => {
  it("a new strategy has no findings and passes its own test; its name is taken then", () => {
    const id = `init-check-${process.pid}`;
    made.push(join(root, "strategies", id));
    expect(initStrategy(root, id)).toEqual([
      `strategies/${id}/${id}.ts`,
      `strategies/${id}/${id}.test.ts`,
    ]);
    expect(lintStrategies(root, [`strategies/${id}`])).toEqual([]);
    expect(() => initStrategy(root, id)).toThrow("is there already");
    const vitest = join(root, "node_modules/.bin/vitest");
    const ran = spawnSync(vitest, ["run", `strategies/${id}`], { cwd: root, encoding: "utf8" });
    expect(ran.status, ran.stdout + ran.stderr).toBe(0);
  }, 60_000);

  it("the shipped strategies and algorithms have no findings", () => {
    expect(lintStrategies(root, ["strategies"])).toEqual([]);
  });

  it("a clock is named with its file, its line and the remedy; the command fails", () => {
    const folder = mkdtempSync(join(root, "strategies/.lint-"));
    made.push(folder);
    const file = join(folder, "late.ts");
    writeFileSync(file, `${readFileSync(join(root, "strategies/grid.ts"), "utf8")}\nDate.now();\n`);
    const [line] = lintStrategies(root, [file]);
    expect(line).toMatch(/late\.ts:\d+: Date: time is ctx\.now\(\)/);
    const main = join(root, "packages/cli/src/main.ts");
    const ran = spawnSync(process.execPath, [main, "strat", "lint", file], { encoding: "utf8" });
    expect([ran.status, ran.stdout.trim()]).toEqual([1, line]);
  });

  it.each(["Upper", "../x", "", "1st"])("init %j is refused", (name) => {
    expect(() => initStrategy(root, name)).toThrow(UsageError);
  });
  it("a path that is not there is named", () => {
    expect(() => lintStrategies(root, ["strategies/none.ts"])).toThrow(
      "there is no strategies/none.ts",
    );
  });
});
