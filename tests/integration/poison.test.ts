import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { probeSandbox } from "../../services/strategy-runner/src/sandbox.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The drill as a person types it, one short pair a case; growth of one pair is no figure and is not looked at. */
function drill(cases: string, plant?: string) {
  const args = ["drill", "poison", "--pairs", "1", "--window", "800", "--cases", cases, "--json"];
  const ran = spawnSync(
    process.execPath,
    [
      join(root, "packages/cli/src/main.ts"),
      ...args,
      ...(plant === undefined ? [] : ["--break", plant]),
    ],
    { encoding: "utf8", cwd: root, timeout: 110_000 },
  );
  const last = ran.stdout.trim().split("\n").at(-1) ?? "";
  if (!last.startsWith("{")) throw new Error(ran.stderr.slice(-2_000));
  const { checks, figures } = JSON.parse(last) as {
    checks: { name: string; value: number; ok: boolean }[];
    figures: Record<string, unknown>;
  };
  const value = (name: string) => checks.find((each) => each.name === name)?.value;
  return { status: ran.status, value, figures };
}

const open = probeSandbox().network === "open";
const why = open ? " (skipped: this machine gives no network namespace)" : "";
describe.skipIf(open)(`hft drill poison, small${why} [A11] [A12]`, () => {
  it("a loop in a worker and in a process, a throw, a leak, files and network: stopped, nobody gets out, the gateway is well", () => {
    const cases = [
      "loop:process",
      "loop:worker",
      "throw:process",
      "leak-heap:worker",
      "files:process",
      "network:process",
    ];
    const { value, figures } = drill(cases.join(","));
    expect(
      [value("not_stopped_in_bound"), value("not_stopped_in_bound_of")],
      JSON.stringify(figures),
    ).toEqual([0, 4]);
    expect([value("escapes"), value("escapes_of")]).toEqual([0, 13]);
    expect(value("gateway_affected")).toBe(0);
    expect(figures["network"]).toMatch(/namespace/);
  }, 120_000);

  it.each([
    ["no-watchdog", "loop:process", "not_stopped_in_bound"],
    ["no-sandbox", "files:process,network:process", "escapes"],
    ["gateway-stopped", "throw:process", "gateway_affected"],
  ])(
    "--break %s makes its check fail and the command with it",
    (plant, cases, name) => {
      const { status, value } = drill(cases, plant);
      expect(status).toBe(1);
      expect(value(name)).toBeGreaterThan(0);
    },
    120_000,
  );

  it("a case or a fault that is none is a usage error", () => {
    const ran = spawnSync(
      process.execPath,
      [join(root, "packages/cli/src/main.ts"), "drill", "poison", "--cases", "sloth:process"],
      { encoding: "utf8", cwd: root },
    );
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain("loop:process");
  });
});
