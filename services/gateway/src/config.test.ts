import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loopConfig, Settings } from "./config.ts";

const files = { instrumentsFile: "config/instruments.json", limitsFile: "config/limits.json" };

describe("gateway settings", () => {
  it("have no default for what can lose money", () => {
    expect(Settings.safeParse({}).error?.issues.map((issue) => issue.path[0])).toEqual([
      "instrumentsFile",
      "limitsFile",
    ]);
    expect(Settings.parse(files).tier).toBe("T2");
  });

  it.each([
    ["tier", "T9"],
    ["intentUrl", "tcp://127.0.0.1:1"],
    ["journalDir", ""],
    ["principalsFile", ""],
    ["controlSocket", "x".repeat(101)],
  ])("refuse %s = %j", (key, value) => {
    expect(Settings.safeParse({ ...files, [key]: value }).success).toBe(false);
  });

  it("reach the hot loop but for those of the control API", () => {
    const config = Settings.parse(files);
    const { principalsFile: _, auditFile: _a, controlSocket: _s, ...rest } = config;
    expect(loopConfig(config)).toEqual(rest);
  });

  it("name both CPUs or none", () => {
    const both = { ...files, loopCpu: 0, journalCpu: 1 };
    expect(loopConfig(Settings.parse(both))).toMatchObject({ cpus: { loop: 0, journal: 1 } });
    for (const one of [{ loopCpu: 0 }, { journalCpu: 1 }])
      expect(() => loopConfig(Settings.parse({ ...files, ...one }))).toThrow("set both or neither");
    expect(Settings.safeParse({ ...files, loopCpu: -1, journalCpu: 1 }).success).toBe(false);
  });

  it("stand in the README with their defaults", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const rows = [...readme.matchAll(/^\| `(\w+)` +\| (.+?) +\| (.+?) +\|$/gm)];
    const shown = rows.map(([, key, value, meaning]) => [key, value, meaning]);
    const config: Record<string, unknown> = Settings.parse(files);
    const wanted = Object.entries(Settings.shape).map(([key, schema]) => {
      const unset = Object.hasOwn(files, key) || config[key] === undefined;
      return [key, unset ? "none" : `\`${config[key]}\``, schema.description];
    });
    expect(shown).toEqual(wanted);
  });
});
