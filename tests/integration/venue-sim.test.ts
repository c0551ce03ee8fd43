import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { venueTruth } from "@tidegate/venue-sim";
import { request } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { sign } from "../../services/venue-sim/src/trading/binance/auth.ts";

const MAIN = fileURLToPath(new URL("../../services/venue-sim/src/main.ts", import.meta.url));
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const act of undo.splice(0).reverse()) await act();
});

function runDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "venue-process-"));
  undo.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

interface Started {
  readonly child: ChildProcess;
  readonly text: () => string;
}

function launch(dir: string, args: readonly string[] = []): Started {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
    cwd: dir,
  });
  let text = "";
  child.stdout?.on("data", (data: Buffer) => (text += data.toString()));
  child.stderr?.on("data", (data: Buffer) => (text += data.toString()));
  undo.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return { child, text: () => text };
}

async function opened(started: Started): Promise<number> {
  for (;;) {
    const port = /"venuePort":(\d+)/.exec(started.text())?.[1];
    if (port !== undefined) return Number(port);
    if (started.child.exitCode !== null) throw new Error(`it ended: ${started.text()}`);
    await once(started.child.stdout ?? started.child, "data");
  }
}

async function exit(started: Started): Promise<number | null> {
  if (started.child.exitCode === null) await once(started.child, "exit");
  return started.child.exitCode;
}

async function signed(
  port: number,
  method: "GET" | "POST",
  path: string,
  params: Record<string, string>,
) {
  const query = new URLSearchParams({ ...params, timestamp: String(Date.now()) });
  query.set("signature", sign(query.toString(), "sim-secret"));
  const { statusCode, body } = await request(`http://127.0.0.1:${port}${path}?${query}`, {
    method,
    headers: { "X-MBX-APIKEY": "sim" },
  });
  return { statusCode, body: (await body.json()) as Record<string, unknown> };
}

const order = (id: string, change: Record<string, string> = {}) => ({
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  timeInForce: "GTC",
  price: "50000.00",
  quantity: "0.00100",
  newClientOrderId: id,
  ...change,
});

describe("venue-sim as a process", () => {
  it("SIGKILL in mid trading: after the restart nothing accepted is lost, doubled or invented", async () => {
    const dir = runDir();
    const first = launch(dir);
    const port = await opened(first);
    const stream = new WebSocket(`ws://127.0.0.1:${port}/stream?streams=btcusdt@bookTicker`);
    await once(stream, "message");
    const accepted: string[] = [];
    const storm = (async () => {
      for (let n = 0; n < 80; n += 1) {
        const taking = n % 3 === 0 ? { price: "63000.00", timeInForce: "IOC" } : {};
        const answer = await signed(port, "POST", "/api/v3/order", order(`o${n}`, taking)).catch(
          () => null,
        );
        if (answer === null) return;
        if (answer.statusCode === 200) accepted.push(`o${n}`);
        if (n === 40) first.child.kill("SIGKILL");
      }
    })();
    await storm;
    await exit(first);
    expect(accepted.length).toBeGreaterThanOrEqual(40);
    const before = venueTruth(join(dir, "venue/log.ndjson"));
    for (const id of accepted) expect(before.orders.get(id)?.count).toBe(1);
    const second = launch(dir, ["--port", String(port)]);
    expect(await opened(second)).toBe(port);
    for (const id of accepted) {
      const { body } = await signed(port, "GET", "/api/v3/order", {
        symbol: "BTCUSDT",
        origClientOrderId: id,
      });
      expect(body["clientOrderId"]).toBe(id);
    }
    expect(
      (await signed(port, "POST", "/api/v3/order", order(accepted[1] ?? ""))).body["code"],
    ).toBe(-2010);
    expect((await signed(port, "POST", "/api/v3/order", order("after"))).statusCode).toBe(200);
    const truth = venueTruth(join(dir, "venue/log.ndjson"));
    expect([
      truth.duplicates,
      truth.inconsistencies,
      truth.fills.length >= before.fills.length,
    ]).toEqual([0, [], true]);
    second.child.kill("SIGTERM");
    expect(await exit(second)).toBe(0);
  });

  it("what it cannot start with is one clear line and exit 1; wrong usage is exit 2", async () => {
    const dir = runDir();
    const bad = join(dir, "bad.jsonl.gz");
    writeFileSync(bad, Buffer.from("1f8b080000000000000000ffffff", "hex"));
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    undo.push(() => new Promise((resolve) => blocker.close(resolve)));
    const { port } = blocker.address() as { port: number };
    for (const [args, code, text] of [
      [["--data", JSON.stringify([bad])], 1, `cannot replay ${bad}`],
      [
        ["--data", JSON.stringify(["/nonexistent.gz"])],
        1,
        "cannot replay /nonexistent.gz: no such file",
      ],
      [["--port", String(port)], 1, `127.0.0.1:${port}: the port is taken`],
      [["--speed", "-1"], 2, "speed"],
    ] as const) {
      const started = launch(runDir(), args);
      expect([await exit(started), started.text().includes(text), started.text()]).toEqual([
        code,
        true,
        started.text(),
      ]);
      expect(started.text().match(/\n {4}at /)).toBeNull();
    }
    expect(readFileSync(bad).length).toBe(14);
  });
});
