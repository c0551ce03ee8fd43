import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROCESSES } from "@tidegate/contracts/metrics";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, settings: object): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(settings));
  return path;
}

/** What a process starts with beside the settings of a test. */
const KEPT = Object.fromEntries(
  ["PATH", "NODE_COMPILE_CACHE"].map((name) => [name, process.env[name] ?? ""]),
);

function run(service: string, env: Readonly<Record<string, string>>, ...flags: string[]) {
  const main = join(root, "services", service, "src/main.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...flags], {
    cwd: folder,
    env: { ...KEPT, ...env },
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, output: stdout + stderr };
}

const base = file("base.json", { drainMsMax: 1, stopMsMax: 11 });
const overlay = file("overlay.json", { drainMsMax: 2 });

describe("the layers of settings", () => {
  it.each([
    ["nothing: the default", {}, [], "5000", "default"],
    ["a file", { TIDEGATE_CONFIG: base }, [], "1", `file ${base}`],
    ["an overlay", { TIDEGATE_CONFIG: `${base},${overlay}` }, [], "2", `file ${overlay}`],
    [
      "the environment",
      { TIDEGATE_CONFIG: `${base},${overlay}`, TIDEGATE_MONITOR_DRAIN_MS_MAX: "3" },
      [],
      "3",
      "env TIDEGATE_MONITOR_DRAIN_MS_MAX",
    ],
    [
      "a flag",
      { TIDEGATE_CONFIG: `${base},${overlay}`, TIDEGATE_MONITOR_DRAIN_MS_MAX: "3" },
      ["--drain-ms-max", "4"],
      "4",
      "flag --drain-ms-max",
    ],
  ])("the last to speak wins: %s [A02]", (_, env, flags, value, source) => {
    const { status, output } = run("monitor", env, ...flags, "--explain");
    expect(status, output).toBe(0);
    const line = output.split("\n").find((each) => each.startsWith("drainMsMax "));
    expect(line?.split(/ {2,}/).slice(0, 3)).toEqual(["drainMsMax", value, source]);
    // What the overlay does not speak of stays.
    if ("TIDEGATE_CONFIG" in env) expect(output).toMatch(/^stopMsMax +11 +file/m);
  });

  it("a misspelt overlay is an error that says what was meant [A02]", () => {
    const typo = file("typo.json", { drainMsMaks: 2 });
    const { status, output } = run("monitor", { TIDEGATE_CONFIG: `${base},${typo}` });
    expect(status).toBe(2);
    expect(output).toContain("drainMsMaks");
    expect(output).toContain("did you mean drainMsMax?");
  });
});

describe("what refuses to start", () => {
  it.each(PROCESSES)("%s with a value in another unit, or a key in another unit [B105]", (name) => {
    for (const settings of [{ drainMsMax: "5s" }, { drainSMax: 5 }]) {
      const path = file(`${name}.json`, settings);
      const { status, output } = run(name, { TIDEGATE_CONFIG: path });
      expect(output).toContain(Object.keys(settings)[0]);
      expect(status).toBe(2);
    }
  });

  it("a settings file that the environment names and that is not there [B105]", () => {
    const { status, output } = run("monitor", { TIDEGATE_CONFIG: join(folder, "none.json") });
    expect(output).toContain("none.json");
    expect(status).toBe(2);
  });

  it.each([
    ["gateway", "limitsFile"],
    ["execution-router", "keysFile"],
  ])("%s without %s, which has no default [B105]", (name, key) => {
    const { status, output } = run(name, {});
    expect(output).toContain(key);
    expect(status).toBe(2);
  });
});
