import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const fixture = fileURLToPath(new URL("../fixtures/empty.ts", import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), "kit-process-"));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

function run(...argv: string[]) {
  const child = spawn(process.execPath, [fixture, ...argv], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  let look = () => {};
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    look();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  const says = (text: string) =>
    new Promise<void>((done) => {
      look = () => {
        if (out.includes(text)) done();
      };
      look();
    });
  const ended = once(child, "close").then(([code]) => ({ code: code as number, out, err }));
  return { child, says, ended };
}

describe("a service as a process", () => {
  it("drains and stops on SIGTERM, exits 0 and leaves no state file", async () => {
    const { child, says, ended } = run();
    await says('"started"');
    expect(existsSync(join(cwd, "state/empty.json"))).toBe(true);
    child.kill("SIGTERM");
    const { code, out } = await ended;
    expect(code).toBe(0);
    expect(out.indexOf("drained")).toBeLessThan(out.indexOf("let go"));
    expect(existsSync(join(cwd, "state/empty.json"))).toBe(false);
  });

  it("dies of a bug with a clear line and exit 70", async () => {
    const { says, ended } = run();
    await says('"started"');
    const { httpPort } = JSON.parse(readFileSync(join(cwd, "state/empty.json"), "utf8")) as {
      httpPort: number;
    };
    await fetch(`http://127.0.0.1:${httpPort}/bug`, { method: "POST" }).catch(() => {});
    const { code, err, out } = await ended;
    expect(code).toBe(70);
    expect(err).toMatch(/^empty: bug: TypeError: late/);
    expect(out).toContain('"level":"fatal"');
  });

  it.each([
    ["fault", 1, "empty: cannot open x: it is not there; make it\n"],
    ["bug", 70, "empty: bug: TypeError"],
    ["nonsense", 2, "empty: 1 setting is wrong"],
  ])("--mode %s exits %i", async (mode, code, says) => {
    const end = await run("--mode", mode).ended;
    expect(end.code).toBe(code);
    expect(end.err.startsWith(says)).toBe(true);
  });

  it("drains and exits when its parent dies", async () => {
    const parent = spawn(
      process.execPath,
      [
        "-e",
        `
      const child = require("node:child_process").spawn(process.execPath, [${JSON.stringify(fixture)}, "--state-dir", "orphan", "--die-with-parent", "true"], { cwd: ${JSON.stringify(cwd)}, stdio: ["ignore", "pipe", "inherit"] });
      child.stdout.pipe(process.stdout);
    `,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const [first] = (await once(parent.stdout, "data")) as [Buffer];
    const { pid } = JSON.parse(first.toString().split("\n")[0] ?? "") as { pid: number };
    parent.kill("SIGKILL");
    await expect
      .poll(
        () =>
          existsSync(`/proc/${pid}/stat`) &&
          !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8")),
        { timeout: 10_000 },
      )
      .toBe(false);
    expect(existsSync(join(cwd, "orphan/empty.json"))).toBe(false);
  });
});
