import { execFile, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { decodeEnvelope } from "@tidegate/contracts";
import { venueTruth } from "@tidegate/venue-sim";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { records } from "../../packages/cli/src/wal/records.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command line the launcher runs, without building again. */
function start(...args: readonly string[]): { readonly ran: Promise<Ran>; stderr(): string } {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const child = spawn(process.execPath, [join(root, "packages/cli/src/main.ts"), ...args], {
    cwd: root,
    env: { ...process.env, HFT_STARTED_MS: String(Date.now()) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString("utf8");
  const ran = new Promise<Ran>((resolve) => {
    child.once("close", (code) => resolve({ code, stdout: text(out), stderr: text(err) }));
  });
  return { ran, stderr: () => text(err) };
}

/** The same to its end. */
function hft(...args: readonly string[]): Promise<Ran> {
  return start(...args).ran;
}

interface SimResult {
  readonly ok: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly value: number;
    readonly ok: boolean;
  }[];
  readonly figures: Readonly<Record<string, unknown>>;
}

function resultOf(ran: Ran): SimResult {
  const line = ran.stdout.trimEnd().split("\n").at(-1) ?? "";
  return JSON.parse(line) as SimResult;
}

/** Processes whose working directory is the run directory. */
function processesIn(runDir: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          spawnSync("readlink", [`/proc/${pid}/cwd`], { encoding: "utf8" }).stdout.trim() === runDir
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

let runDir: string;

beforeEach(() => {
  mkdirSync(join(root, "var/test"), { recursive: true });
  runDir = mkdtempSync(join(root, "var/test/sim-"));
});

afterEach(() => {
  rmSync(runDir, { recursive: true, force: true });
});

/** Lock files below the run directory that somebody still holds. */
function locksHeld(): string[] {
  if (!existsSync(runDir)) return [];
  return readdirSync(runDir, { recursive: true, encoding: "utf8" })
    .filter((name) => /(^|\/)LOCK$|\.lock$/.test(name))
    .filter((name) => spawnSync("flock", ["-n", join(runDir, name), "true"]).status !== 0);
}

/** No process, no socket, no lock: the run left nothing behind but the files it was told to keep. */
function expectNothingLeft(): void {
  expect(processesIn(runDir)).toEqual([]);
  expect(existsSync(join(runDir, "s"))).toBe(false);
  expect(locksHeld()).toEqual([]);
}

describe("run sim", () => {
  it("eight processes trade, drain, and their books equal the venue's log [A01 B001 B086]", {
    timeout: 90_000,
  }, async () => {
    const ran = await hft("run", "sim", "--duration", "12", "--json", "--run-dir", runDir);
    const value = resultOf(ran);
    expect(
      value.checks.filter((each) => !each.ok),
      ran.stderr,
    ).toEqual([]);
    expect(value.ok).toBe(true);
    expect(ran.code).toBe(0);
    expectNothingLeft();
  });

  it("a gateway, a router and a recorder killed in mid-trade change nothing of that [B006]", {
    timeout: 120_000,
  }, async () => {
    const plan = "kill:gateway@4s,kill:recorder@7s,kill:execution-router@9s";
    const ran = await hft(
      "run",
      "sim",
      "--duration",
      "15",
      "--json",
      "--run-dir",
      runDir,
      "--chaos",
      plan,
    );
    const value = resultOf(ran);
    expect(
      value.checks.filter((each) => !each.ok),
      ran.stderr,
    ).toEqual([]);
    expect(value.checks.find((each) => each.name === "restarts")?.value).toBe(3);
    expect(ran.code).toBe(0);
    expectNothingLeft();
  });

  it("a recorder killed again and again has the gateway's journal whole, in order, once, and every order and fill of the venue [A31]", {
    timeout: 120_000,
  }, async () => {
    // Further apart than the supervisor waits before the next start of what dies again and again.
    const kills = [3, 5, 7, 9.5].map((at) => `kill:recorder@${at}s`);
    const where = ["--clickhouse", "none", "--keep", "--json", "--run-dir", runDir];
    const chaos = ["--chaos", kills.join(",")];
    const ran = await hft("run", "sim", "--duration", "14", ...where, ...chaos);
    const value = resultOf(ran);
    expect(
      value.checks.filter((each) => !each.ok),
      ran.stderr,
    ).toEqual([]);
    expect(value.checks.find((each) => each.name === "restarts")?.value).toBe(kills.length);
    const [seqs, orders, fills] = [[] as number[], new Set<string>(), new Set<string>()];
    for (const { seq, payload } of records(join(runDir, "wal"), { stream: "gateway.journal" })) {
      seqs.push(seq);
      const decoded = decodeEnvelope(payload);
      if (!decoded.ok) throw new Error(decoded.refusal.code);
      const { kind, value: body } = decoded.envelope.payload;
      if (kind === "command") orders.add(body.clientOrderId);
      if (kind === "report" && body.execId !== "")
        fills.add(`${body.clientOrderId} ${/\d+$/.exec(body.execId)?.[0]}`);
    }
    expect(seqs).toEqual(seqs.map((_, at) => at + 1));
    const truth = venueTruth(join(runDir, "venue/log.ndjson"));
    expect(truth.orders.size).toBeGreaterThan(20);
    expect([...truth.orders.keys()].filter((id) => !orders.has(id))).toEqual([]);
    const told = truth.fills.map((fill) => `${fill.clientOrderId} ${fill.tradeId}`);
    expect(told.filter((fill) => !fills.has(fill))).toEqual([]);
  });
});

describe("tests/chaos/kill", () => {
  it("kills a process of a running sim by hand, waits until it is back, and the books still agree [B085]", {
    timeout: 120_000,
  }, async () => {
    const more = ["--clickhouse", "none", "--json", "--run-dir", runDir];
    const running = start("run", "sim", "--duration", "12", ...more);
    await expect
      .poll(() => running.stderr(), { timeout: 40_000 })
      .toContain("eight processes ready");
    const killed = await new Promise<Ran>((resolve) => {
      execFile(join(root, "tests/chaos/kill"), ["gateway", runDir], (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : 1, stdout, stderr }),
      );
    });
    expect(killed.stdout + killed.stderr).toContain("gateway is back");
    expect(killed.code).toBe(0);
    const value = resultOf(await running.ran);
    expect(value.checks.filter((each) => !each.ok).map((each) => each.name)).toEqual([
      "restarts_unasked",
    ]);
    expectNothingLeft();
  });

  it("names what runs when it is called wrong", () => {
    const ran = spawnSync(join(root, "tests/chaos/kill"), ["nobody", runDir], { encoding: "utf8" });
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain("usage: tests/chaos/kill PROCESS");
  });
});

describe("the tutorial", () => {
  it("its strategy trades in the whole cluster [A11]", { timeout: 90_000 }, async () => {
    const page = readFileSync(join(root, "docs/tutorial/your-first-strategy.md"), "utf8");
    const code = /```ts file=my-follower\.ts\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
    const file = join(runDir, "my-follower.ts");
    writeFileSync(file, code);
    const more = ["--clickhouse", "none", "--json", "--run-dir", runDir];
    const ran = await hft("run", "sim", "--strategy", file, "--duration", "8", ...more);
    const value = resultOf(ran);
    expect(
      value.checks.filter((each) => !each.ok),
      ran.stderr,
    ).toEqual([]);
    expect(Number(value.figures["intents"])).toBeGreaterThan(0);
    expectNothingLeft();
  });
});

describe("run sim, when it cannot", () => {
  /** One line says what, a word in it says the remedy. */
  const oneLine = (ran: Ran, ...parts: readonly string[]): void => {
    const lines = ran.stderr
      .split("\n")
      .filter((line) => line.startsWith("hft: ") && parts.every((part) => line.includes(part)));
    expect(lines, ran.stderr).toHaveLength(1);
  };

  it("a file that is not there: exit 2 [A01]", async () => {
    const ran = await hft("run", "sim", "--data", "/nonexistent", "--run-dir", runDir);
    oneLine(ran, "--data /nonexistent", "no such file");
    expect(ran.code).toBe(2);
    expectNothingLeft();
  });

  it("a speed below nothing: exit 2 [A01]", async () => {
    const ran = await hft("run", "sim", "--speed", "-1", "--run-dir", runDir);
    oneLine(ran, "--speed -1", "between");
    expect(ran.code).toBe(2);
    expectNothingLeft();
  });

  it("an unknown flag: exit 2 [A01]", async () => {
    const ran = await hft("run", "sim", "--sped", "1");
    expect(ran.stderr).toContain("--sped");
    expect(ran.code).toBe(2);
  });

  it("a corrupted sample: exit 1 and the file by name", { timeout: 60_000 }, async () => {
    const file = join(runDir, "bad.jsonl.gz");
    writeFileSync(file, gzipSync("1723161255030314667 {not json\n"));
    const ran = await hft(
      "run",
      "sim",
      "--data",
      file,
      "--run-dir",
      runDir,
      "--clickhouse",
      "none",
    );
    oneLine(ran, "venue-sim could not start", "bad.jsonl.gz");
    expect(ran.code).toBe(1);
    expectNothingLeft();
  });

  it("a taken port: exit 1 and the port by number", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    try {
      const ran = await hft("run", "sim", "--port-base", String(port), "--run-dir", runDir);
      oneLine(ran, `port ${port}`, "--port-base");
      expect(ran.code).toBe(1);
      expectNothingLeft();
    } finally {
      server.close();
    }
  });

  const mountable =
    process.getuid?.() === 0 &&
    spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", tmpProbe()]).status === 0;
  if (mountable) spawnSync("umount", [tmpProbe()]);
  rmSync(tmpProbe(), { recursive: true, force: true });

  it.skipIf(!mountable)(
    "a full disk: exit 1 and the remedy (needs root to mount a tmpfs)",
    async () => {
      const mount = mkdtempSync(join(tmpdir(), "full-"));
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", mount]).status).toBe(0);
      try {
        const ran = await hft("run", "sim", "--run-dir", join(mount, "run"));
        oneLine(ran, "free", "--run-dir");
        expect(ran.code).toBe(1);
      } finally {
        spawnSync("umount", [mount]);
        rmSync(mount, { recursive: true, force: true });
      }
      expectNothingLeft();
    },
  );
});

function tmpProbe(): string {
  const path = join(tmpdir(), `tidegate-mount-probe-${process.pid}`);
  mkdirSync(path, { recursive: true });
  return path;
}

describe("what the run says on a screen", () => {
  it("--help shows an example and exits 0", async () => {
    const ran = await hft("run", "sim", "--help");
    expect(ran.stdout).toContain("Example: ./hft run sim");
    expect(ran.code).toBe(0);
  });

  it("the README names every flag's page", () => {
    expect(readFileSync(join(root, "docs/reference/run-sim.md"), "utf8")).toContain("--chaos PLAN");
  });
});
