import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const samples = ["spot", "usdm"].map((market) =>
  join(root, `data/samples/binance-${market}-btcusdt.jsonl.gz`),
);

let runDir: string;
beforeEach(() => {
  mkdirSync(join(root, "var/test"), { recursive: true });
  runDir = mkdtempSync(join(root, "var/test/paper-"));
});
afterEach(() => rmSync(runDir, { recursive: true, force: true }));

function hft(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "packages/cli/src/main.ts"), ...args],
    { cwd: root, encoding: "utf8", timeout: 100_000 },
  );
  return { status, stdout, stderr };
}

describe("hft run paper", () => {
  it("trades a served market, its venue killed once, and its books agree", () => {
    const { status, stdout, stderr } = hft(
      ...["run", "paper", "--data", ...samples, "--duration", "15", "--clickhouse", "none"],
      ...["--chaos", "kill:venue-sim@6s", "--run-dir", runDir, "--json"],
    );
    expect(status, stderr + stdout).toBe(0);
    const result = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as {
      command: string;
      checks: { name: string; value: number }[];
      figures: { mode: string; orders: number; fills: number };
    };
    expect(result.command).toBe("run paper");
    expect(result.figures.mode).toBe("paper");
    expect(result.figures.orders).toBeGreaterThan(5);
    const value = (name: string) => result.checks.find((each) => each.name === name)?.value;
    expect(value("processes")).toBe(8);
    expect(value("restarts")).toBe(1);
    // The feed took no order of ours and has no account that moved.
    expect(readFileSync(join(runDir, "feed/log.ndjson"), "utf8")).toBe("");
    expect(readFileSync(join(runDir, "venue/log.ndjson"), "utf8")).not.toBe("");
    // Its market can be had again: by a session of the same folder.
    const again = hft(
      ...["run", "paper", "--session", runDir, "--duration", "4", "--speed", "3"],
      ...["--clickhouse", "none", "--json"],
    );
    expect(again.status, again.stderr).toBe(0);
    expect(again.stdout).toContain(JSON.stringify(runDir));
  }, 200_000);

  it("without a recording it wants the venue's streams, and with a false pace it starts nothing", () => {
    const { status, stderr } = hft("run", "paper", "--speed", "2", "--run-dir", runDir);
    expect(status).toBe(2);
    expect(stderr).toContain("--speed 2: a venue's own market has its own pace");
    expect(existsSync(join(runDir, "config")) ? readdirSync(join(runDir, "config")) : []).toEqual(
      [],
    );
  });
});
