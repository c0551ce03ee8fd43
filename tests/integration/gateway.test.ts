import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { addPrincipal, makeKey, mint, readSigner } from "@tidegate/service-kit/control";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const FILES = [
  "--instruments-file",
  join(root, "config/instruments.json"),
  "--limits-file",
  join(root, "config/limits.json"),
];

interface Gateway {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly output: () => string;
}

let dir: string;
let running: Gateway[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "gw-"));
  for (const name of ["ann", "bob"]) {
    const publicKey = makeKey(join(dir, "state", `${name}.key`));
    addPrincipal(join(dir, "state/principals.json"), name, "operator", publicKey);
  }
  running = [];
});

afterEach(async () => {
  for (const { child, ended } of running) {
    child.kill("SIGKILL");
    await ended;
  }
  rmSync(dir, { recursive: true, force: true });
});

function start(...flags: readonly string[]): Gateway {
  const args = [join(root, "services/gateway/src/main.ts"), ...flags];
  const child = spawn(process.execPath, args, { cwd: dir, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ended = new Promise<number | null>((done) => child.once("close", done));
  const gateway = { child, ended, output: () => text };
  running.push(gateway);
  return gateway;
}

/** The process's own page, once this very process serves it. */
async function get(gateway: Gateway, path: string): Promise<Record<string, unknown>> {
  for (const end = Date.now() + 20_000; Date.now() < end; await pause(20)) {
    const file = join(dir, "state/gateway.json");
    if (!existsSync(file)) continue;
    const state = JSON.parse(readFileSync(file, "utf8")) as { pid: number; httpPort: number };
    if (state.pid !== gateway.child.pid) continue;
    const headers = path === "/live" ? {} : as("ann");
    const answer = await fetch(`http://127.0.0.1:${state.httpPort}${path}`, { headers });
    return (await answer.json()) as Record<string, unknown>;
  }
  throw new Error(`no answer from the gateway: ${gateway.output()}`);
}

async function control(gateway: Gateway, operation: string, headers: Record<string, string>) {
  await get(gateway, "/live");
  const state = JSON.parse(readFileSync(join(dir, "state/gateway.json"), "utf8")) as {
    httpPort: number;
  };
  const url = `http://127.0.0.1:${state.httpPort}/control/${operation}`;
  return fetch(url, { method: "POST", headers });
}

let keys = 0;
/** One request's headers: a token of its own, and a key of its own. */
function as(name: string): Record<string, string> {
  keys += 1;
  const signer = readSigner(name, join(dir, "state", `${name}.key`));
  return {
    authorization: `Bearer ${mint(signer, "gateway", Date.now())}`,
    "idempotency-key": `key-number-${keys}`,
  };
}

describe("the gateway process", () => {
  it("keeps a kill through SIGKILL, and takes two principals to lift it [A14 B046 B048]", async () => {
    const first = start(...FILES, "--tier", "T0");
    await get(first, "/live");
    expect((await control(first, "kill", as("ann"))).status).toBe(200);
    first.child.kill("SIGKILL");
    await first.ended;

    const second = start(...FILES, "--tier", "T0");
    expect((await get(second, "/state"))["policy"]).toEqual({
      state: "KILLED",
      detail: "KILL by ann",
    });
    await control(second, "unkill", as("ann"));
    await control(second, "unkill", as("ann"));
    expect((await get(second, "/state"))["policy"]).toMatchObject({ state: "KILLED" });
    await control(second, "unkill", as("bob"));
    expect((await get(second, "/state"))["policy"]).toMatchObject({ state: "NORMAL" });
    second.child.kill("SIGTERM");
    expect(await second.ended).toBe(0);
    expect(existsSync(join(dir, "s/intent.sock"))).toBe(false);
  });

  it("decides by the table whose hash `hft config build` prints [A03]", async () => {
    const table = join(dir, "instruments.json");
    copyFileSync(join(root, "config/instruments.json"), table);
    // A list that names no venue leaves every row as it is.
    writeFileSync(join(dir, "none.list"), "SYNTH@1\n");
    const list = ["--list", join(dir, "none.list"), "--output", table, "--no-contracts", "--json"];
    const built = spawnSync(
      process.execPath,
      [join(root, "packages/cli/src/main.ts"), "config", "build", ...list],
      { cwd: dir, encoding: "utf8" },
    );
    expect(built.status, built.stderr).toBe(0);
    const { version, hash } = JSON.parse(built.stdout) as { version: number; hash: string };
    const files = ["--instruments-file", table, "--limits-file", join(root, "config/limits.json")];
    const health = await get(start(...files), "/health");
    expect(health["stats"]).toMatchObject({ instrumentTable: { version, hash } });
  });

  it("refuses everything while its kill latch cannot be read [A14]", async () => {
    const first = start(...FILES, "--tier", "T0");
    await get(first, "/live");
    first.child.kill("SIGTERM");
    await first.ended;
    writeFileSync(join(dir, "state/gateway.latch"), "CLEA");
    const second = start(...FILES, "--tier", "T0");
    expect((await get(second, "/state"))["policy"]).toMatchObject({ state: "KILLED" });
  });

  it("without a principals file it ends with the remedy", async () => {
    rmSync(join(dir, "state/principals.json"));
    const gateway = start(...FILES);
    expect(await gateway.ended).toBe(1);
    expect(gateway.output()).toContain("hft gateway keygen");
  });

  it("a stranger on its port changes nothing [B046 B104]", async () => {
    const gateway = start(...FILES);
    await get(gateway, "/live");
    const refused = await control(gateway, "halt", { authorization: "Bearer guess" });
    expect(refused.status).toBe(401);
    expect((await get(gateway, "/state"))["policy"]).toMatchObject({ state: "NORMAL" });
  });

  it("a second gateway of the same journal ends with one line and leaves the first alone", async () => {
    const first = start(...FILES);
    await get(first, "/live");
    const second = start(...FILES);
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain("journal/gateway");
    expect(await get(first, "/live")).toMatchObject({ live: true });
  });

  it.each([
    ["no limits are named", [], 2, "limitsFile"],
    ["the limits are not there", [...FILES.slice(0, 3), "none.json"], 1, "none.json"],
    ["the limits are no limits", [...FILES.slice(0, 3), FILES[1] ?? ""], 1, "instruments.json"],
    ["the tier is unknown", [...FILES, "--tier", "T9"], 2, "tier"],
  ])("%s: it says so and does not start", async (_, flags, code, word) => {
    const gateway = start(...flags);
    expect(await gateway.ended).toBe(code);
    expect(gateway.output()).toContain(word);
    expect(existsSync(join(dir, "s/intent.sock"))).toBe(false);
  });
});
