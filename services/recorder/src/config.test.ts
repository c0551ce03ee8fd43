import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loopConfig, Settings } from "./config.ts";
import { recorder } from "./service.ts";

describe("recorder settings", () => {
  it.each([
    ["mdUrl", "tcp://127.0.0.1:1"],
    ["tailUrl", "s/tail.sock"],
    ["walDir", ""],
    ["epochFile", ""],
    ["segmentBytes", 0],
    ["segmentBytes", 1.5],
    ["segmentAgeMs", 0],
    ["powerSafe", "yes"],
    ["diskWarnBytes", -1],
    ["diskCriticalBytes", Number.POSITIVE_INFINITY],
    ["diskHaltBytes", -1],
    ["reserveBytes", 0.5],
    ["compression", "zstd"],
    ["dropAtWarn", ["top"]],
  ])("refuse %s = %j", (key, value) => {
    expect(Settings.safeParse({ [key]: value }).success).toBe(false);
  });

  it("all reach the hot loop", () => {
    const config = Settings.parse({});
    expect(Object.values(loopConfig(config)).map(String).toSorted()).toEqual(
      Object.values(config).map(String).toSorted(),
    );
  });

  it("stand in the README with their defaults", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const rows = [...readme.matchAll(/^\| `(\w+)` +\| (.+?) +\| (.+?) +\|$/gm)];
    const shown = rows.map(([, key, value, meaning]) => [key, value, meaning]);
    const config: Record<string, unknown> = Settings.parse({});
    const wanted = Object.entries(Settings.shape).map(([key, schema]) => [
      key,
      `\`${config[key]}\``,
      schema.description,
    ]);
    expect(shown).toEqual(wanted);
  });
});

describe("recorder readiness", () => {
  it.each([
    [{ state: "RUNNING", disk: "OK" }, true],
    [{ state: "RUNNING", disk: "WARN" }, true],
    [{ state: "RUNNING", disk: "CRITICAL" }, false],
    [{ state: "RUNNING", disk: "HALT" }, false],
    [{ state: "WAITING", disk: "OK" }, false],
    [{}, false],
  ])("of %j is %j", (stats, ready) => {
    expect(recorder.ready?.(stats)).toBe(ready);
  });
});
